/*
 * ssh.h
 *	  The seam to the SSH library: one connection with one SFTP channel.
 *
 * Few functions over libssh2, none of which waits: a caller steps the
 * connection, then waits for what trident_ingest_ssh_events() says, until the
 * phase is OPEN or FAILED.  No other file knows libssh2, so that another
 * library could take its place.
 *
 * Memory: a connection has a memory context of its own, a child of the one
 * current when it was started; closing it, or deleting that context, frees
 * what libssh2 allocated and closes the socket.
 * Failure: never raised, but kept: trident_ingest_ssh_failure().
 */
#ifndef TRIDENT_INGEST_SSH_H
#define TRIDENT_INGEST_SSH_H

#include "ingest/failure.h"

/* Where to connect to, and as whom.  Strings must outlive the connection. */
typedef struct TridentIngestTarget
{
	const char *source;			/* the foreign server's name, quoted */
	const char *host;
	int			port;
	const char *host_key;		/* what is pinned; NULL: nothing is accepted */
	const char *user;			/* NULL: only the host key is wanted */
	const char *password;		/* or NULL */
	const char *private_key;	/* the key itself, or NULL */
	const char *passphrase;		/* of the key, or NULL */
	const char *key_types;		/* take host keys of these types only, or NULL */
	bool		compression;
	int			timeout_ms;		/* for each phase of connecting */
} TridentIngestTarget;

/* Do both lead to the same place, as the same user, in the same way? */
extern bool trident_ingest_target_equal(const TridentIngestTarget *a,
										const TridentIngestTarget *b);

/* Are two strings, or their absence, the same? */
extern bool trident_ingest_text_equal(const char *a, const char *b);

typedef enum TridentIngestPhase
{
	TRIDENT_INGEST_CONNECT,		/* TCP */
	TRIDENT_INGEST_HANDSHAKE,	/* keys are agreed on, the host key checked */
	TRIDENT_INGEST_LOGIN,		/* by key, password or keyboard-interactive */
	TRIDENT_INGEST_CHANNEL,		/* a channel is opened */
	TRIDENT_INGEST_SUBSYSTEM,	/* and made SFTP's */
	TRIDENT_INGEST_OPEN,		/* read and write work */
	TRIDENT_INGEST_FAILED		/* see trident_ingest_ssh_failure() */
} TridentIngestPhase;

typedef struct TridentIngestSsh TridentIngestSsh;

/*
 * Begin to connect.  The name is looked up at once, which takes as long as
 * the system's resolver allows itself.
 */
extern TridentIngestSsh *trident_ingest_ssh_start(const TridentIngestTarget *target);

/* Go as far as possible without waiting; the phase that was reached. */
extern TridentIngestPhase trident_ingest_ssh_step(TridentIngestSsh *ssh);

/* The socket, and which WL_SOCKET_ events of it to wait for. */
extern pgsocket trident_ingest_ssh_socket(TridentIngestSsh *ssh);
extern int	trident_ingest_ssh_events(TridentIngestSsh *ssh);

/*
 * Milliseconds until the phase takes too long, when step() must be called
 * again; -1 once OPEN.
 */
extern long trident_ingest_ssh_patience(TridentIngestSsh *ssh);

/*
 * Read or write bytes of the channel when OPEN.  The count; 0 when one has to
 * wait; -1 when the connection has failed or the server has closed it.
 */
extern ssize_t trident_ingest_ssh_read(TridentIngestSsh *ssh, void *to, size_t size);
extern ssize_t trident_ingest_ssh_write(TridentIngestSsh *ssh, const void *from, size_t size);

/* Why it has failed. */
extern const TridentIngestFailure *trident_ingest_ssh_failure(TridentIngestSsh *ssh);

/* The server's host key, once past HANDSHAKE: "SHA256:...", and its type. */
extern const char *trident_ingest_ssh_fingerprint(TridentIngestSsh *ssh);
extern const char *trident_ingest_ssh_key_type(TridentIngestSsh *ssh);

/*
 * What is left of a list of types of host keys (NULL: all that are offered)
 * behind that type, which a server chose from it: it has none of those before.
 * NULL: nothing.
 */
extern const char *trident_ingest_host_key_types_after(const char *types, const char *type);

/* Say good-bye if that takes no waiting, and free everything. */
extern void trident_ingest_ssh_close(TridentIngestSsh *ssh);

/*
 * Is it a list of host keys that can be compared with: fingerprints
 * "SHA256:...", public keys, or lines of known_hosts, separated by commas or
 * line feeds?
 */
extern bool trident_ingest_host_key_is_valid(const char *pinned);

/* Milliseconds of a clock that is never set. */
extern int64 trident_ingest_now_ms(void);

#endif							/* TRIDENT_INGEST_SSH_H */
