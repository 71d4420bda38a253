/*
 * connection.h
 *	  An SSH connection and the SFTP client on its channel, moved along
 *	  together without waiting.
 *
 * Requests may be made from the start: they wait in the client's output until
 * the channel is open.  When the connection fails, each request gets the
 * answer LOST, and must make no other one from there.
 */
#ifndef TRIDENT_INGEST_CONNECTION_H
#define TRIDENT_INGEST_CONNECTION_H

#include "ingest/sftp.h"
#include "ingest/ssh.h"

typedef struct TridentIngestConnection TridentIngestConnection;

/*
 * Begin to connect, with room for so many requests.  The owner is handed to
 * the functions that get answers.  Lives in a child of the current memory
 * context; target's strings must outlive it.
 */
extern TridentIngestConnection *
			trident_ingest_connection_open(const TridentIngestTarget *target, int requests,
										   int request_timeout_ms, void *owner);
extern void trident_ingest_connection_close(TridentIngestConnection *connection);

/* How long an answer may take, from now on. */
extern void trident_ingest_connection_set_timeout(TridentIngestConnection *connection,
												  int request_timeout_ms);

/* Its parts: for making requests, and for the socket and the host key. */
extern TridentIngestSftp *trident_ingest_connection_sftp(TridentIngestConnection *connection);
extern TridentIngestSsh *trident_ingest_connection_ssh(TridentIngestConnection *connection);

/*
 * Move what can be moved; false when the connection has failed, and every
 * request has got its answer LOST.
 */
extern bool trident_ingest_connection_pump(TridentIngestConnection *connection);

/* Only write what waits to be written: no request gets its answer here. */
extern void trident_ingest_connection_push(TridentIngestConnection *connection);

/* Is the channel open and SFTP spoken there? */
extern bool trident_ingest_connection_is_ready(TridentIngestConnection *connection);

/* Why it has failed. */
extern const TridentIngestFailure *
			trident_ingest_connection_failure(TridentIngestConnection *connection);

/*
 * WL_SOCKET_ events to wait for on the socket, and how many milliseconds at
 * most before the next pump (-1: for ever).
 */
extern int	trident_ingest_connection_events(TridentIngestConnection *connection);
extern long trident_ingest_connection_patience(TridentIngestConnection *connection);

/* Bytes of the channel that came and went so far. */
extern uint64 trident_ingest_connection_received(TridentIngestConnection *connection);

/*
 * In a backend: pump and wait, interruptibly, until *done; raises the failure
 * of the connection.  After an error the connection can only be closed.
 */
extern void trident_ingest_connection_await(TridentIngestConnection *connection, bool *done);

#endif							/* TRIDENT_INGEST_CONNECTION_H */
