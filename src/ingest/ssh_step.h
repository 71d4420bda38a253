/*
 * ssh_step.h
 *	  What the files of the seam to the SSH library share; see ssh.h.
 *
 * One phase is one call of libssh2 that is repeated: ssh_connect.c has the
 * socket, ssh_handshake.c the encryption and the host key, ssh_login.c the
 * user, ssh.c the channel and what comes after it.
 */
#ifndef TRIDENT_INGEST_SSH_STEP_H
#define TRIDENT_INGEST_SSH_STEP_H

#include <libssh2.h>

#include "utils/palloc.h"

#include "ingest/hostkey.h"
#include "ingest/ssh.h"

/* How LOGIN goes about it. */
typedef enum TridentIngestLogin
{
	TRIDENT_INGEST_LOGIN_KEY,
	TRIDENT_INGEST_LOGIN_PASSWORD,
	TRIDENT_INGEST_LOGIN_LIST,	/* asking which methods there are */
	TRIDENT_INGEST_LOGIN_KEYBOARD
} TridentIngestLogin;

struct TridentIngestSsh
{
	MemoryContext context;
	MemoryContextCallback callback;
	const TridentIngestTarget *target;

	TridentIngestPhase phase;
	TridentIngestLogin login;
	int64		deadline_ms;	/* of the phase */
	char	   *key_types;		/* acceptable host keys; NULL: any */
	bool		is_type_pinned; /* they are those that the pin names */

	struct addrinfo *addresses; /* malloc'd by the resolver */
	struct addrinfo *address;	/* the one being tried */
	pgsocket	sock;
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;

	char		key_type[TRIDENT_INGEST_KEY_TYPE_SIZE];
	char		fingerprint[TRIDENT_INGEST_FINGERPRINT_SIZE];
	TridentIngestFailure failure;
};

/* --- ssh.c --- */

/* Go on to a phase, whose time begins now. */
extern void trident_ingest_ssh_enter(TridentIngestSsh *ssh, TridentIngestPhase phase);

/* The connection has not come about: keep the reason, with the server's name. */
extern void trident_ingest_ssh_fail(TridentIngestSsh *ssh, TridentIngestFailureKind kind,
									const char *reason);

/* What libssh2 says of its last error; never bytes of the server. */
extern const char *trident_ingest_ssh_error(TridentIngestSsh *ssh);

/* --- ssh_connect.c --- */

/*
 * Open a socket to the current address or, when it does not even begin, to
 * one after it; FAILED when none is left.
 */
extern void trident_ingest_ssh_try(TridentIngestSsh *ssh);

/* The current address did not answer, for this reason: on to the next one. */
extern void trident_ingest_ssh_next(TridentIngestSsh *ssh, const char *reason);

/* Close the socket and free the session, for the next address or for good. */
extern void trident_ingest_ssh_release(TridentIngestSsh *ssh);

/* The steps: true when something moved, and the next one may be tried. */
extern bool trident_ingest_ssh_step_connect(TridentIngestSsh *ssh);

/* --- ssh_handshake.c --- */

/* Make the session, once the socket is connected. */
extern void trident_ingest_ssh_begin_handshake(TridentIngestSsh *ssh);
extern bool trident_ingest_ssh_step_handshake(TridentIngestSsh *ssh);

/* --- ssh_login.c --- */

extern bool trident_ingest_ssh_step_login(TridentIngestSsh *ssh);

#endif							/* TRIDENT_INGEST_SSH_STEP_H */
