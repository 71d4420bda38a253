/*
 * conn.h
 *	  One connection to a node: a state machine that never blocks.
 *
 *		CONNECTING --> GREETING --> IDLE <--> RUNNING
 *		any --> DEAD, with the error in the connection
 *
 * GREETING is the handshake: the node tells who it is before anything is asked
 * of it.  Whoever owns the connection waits for its socket and then calls
 * trident_exchange_conn_advance(); what to wait for is in conn->events.
 * Nothing here throws, but for being out of memory; no function of libpq that
 * waits is called (names of hosts are looked up when a connection starts,
 * and that does wait: hostaddr avoids it).
 */
#ifndef TRIDENT_EXCHANGE_CONN_H
#define TRIDENT_EXCHANGE_CONN_H

#include "libpq-fe.h"

#include "exchange/exchange.h"
#include "exchange/route.h"

typedef enum TridentExchangeState
{
	TRIDENT_EXCHANGE_CONNECTING,
	TRIDENT_EXCHANGE_GREETING,
	TRIDENT_EXCHANGE_IDLE,
	TRIDENT_EXCHANGE_RUNNING,
	TRIDENT_EXCHANGE_DEAD
} TridentExchangeState;

/* Prepared statements that a connection keeps. */
#define TRIDENT_EXCHANGE_MAX_PREPARED 64

typedef struct TridentExchangePrepared
{
	char	   *sql;			/* NULL: free */
	uint64		hash;
	uint32		number;			/* its name is "t<number>" */
	uint64		used;			/* conn->clock of the last use */
} TridentExchangePrepared;

/* How a statement ended.  Texts live as long as the result or connection. */
typedef struct TridentExchangeOutcome
{
	bool		ok;
	PGresult   *result;			/* or NULL; freed by the connection */
	int			first_row;		/* ok: these of its rows */
	int			nrows;
	TridentExchangeOrigin origin;
	int			sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
} TridentExchangeOutcome;

typedef struct TridentExchangeConn
{
	PGconn	   *pg;
	TridentExchangeState state;
	const TridentExchangeRoute *route;
	bool		needs_password; /* as the route said when it began */
	bool		has_uuid;		/* the same */
	pg_uuid_t	uuid;
	int			events;			/* WL_SOCKET_... to wait for */
	int			socket;			/* as waited for; may change while connecting */
	bool		socket_new;		/* it may be another of the same number; whoever
								 * waits takes that back */
	TimestampTz started_at;
	TimestampTz connect_by;		/* CONNECTING and GREETING: until then ... */
	TimestampTz host_by;		/* ... and with this host until then */
	int			host;			/* of the route's, that libpq began with */
	int			nhosts_tried;	/* it has begun with so many of them */
	TridentExchangeFacts facts;
	bool		was_used;		/* a statement has run here before */

	/* of the statement that runs */
	int			syncs;			/* ends of pipeline awaited */
	int			step;			/* of the messages sent before and with it */
	int			last_step;		/* the statement itself */
	int			nulls;			/* results without anything, in a row */
	PGresult   *result;			/* of the last step, or the first error */
	bool		is_tcp;			/* the kernel knows what has arrived */
	uint64		arrived;		/* bytes, as of the last read */
	uint64		limit;			/* of that */
	int			set_timeout;	/* asked for in this pipeline; 0: none */
	TridentExchangePrepared *preparing; /* in this pipeline; or NULL */

	int			timeout_ms;		/* statement_timeout in force there */
	uint64		clock;			/* counts uses of prepared statements */
	uint32		next_number;
	TridentExchangePrepared prepared[TRIDENT_EXCHANGE_MAX_PREPARED];

	/* DEAD: why */
	TridentExchangeOrigin origin;
	int			sqlstate;
	char		error[512];
	char		hint[256];
} TridentExchangeConn;

/* Begin; the state may be DEAD at once. */
extern TridentExchangeConn *trident_exchange_conn_open(const TridentExchangeRoute *route,
													   TimestampTz connect_by);

/* Close the socket, which is what cancels a statement, and free all. */
extern void trident_exchange_conn_close(TridentExchangeConn *conn);

/* The socket is ready, or may be: go as far as it goes without waiting. */
extern void trident_exchange_conn_advance(TridentExchangeConn *conn);

/*
 * Read from the socket what is there.  False: the connection is DEAD, also
 * because more came than conn->limit allows.
 */
extern bool trident_exchange_conn_read(TridentExchangeConn *conn);

/* What is read from now on may have so many bytes; not while CONNECTING. */
extern void trident_exchange_conn_expect(TridentExchangeConn *conn, Size limit);

/*
 * Send a statement; state IDLE before, RUNNING (or DEAD) after.  timeout_ms:
 * what statement_timeout there must be, 0: as it is.  The answer is bounded
 * by what trident_exchange_conn_expect() was told before.  The values may be
 * freed when it returns.
 */
extern void trident_exchange_conn_run(TridentExchangeConn *conn,
									  const TridentExchangeCall *call,
									  uint64 hash, int timeout_ms);

/* The statement is done (IDLE again) or the connection DEAD: how it ended. */
extern void trident_exchange_conn_outcome(const TridentExchangeConn *conn,
										  TridentExchangeOutcome *outcome);

/* Forget the result. */
extern void trident_exchange_conn_clear(TridentExchangeConn *conn);

/* Drop a statement that the node says is no good any more. */
extern void trident_exchange_conn_forget(TridentExchangeConn *conn, uint64 hash);

/* An idle connection: has the other end not closed it? */
extern bool trident_exchange_conn_is_alive(TridentExchangeConn *conn);

/* Write the error down; for who finds it out elsewhere, such as a timeout. */
extern void trident_exchange_conn_fail(TridentExchangeConn *conn,
									   TridentExchangeOrigin origin, int sqlstate,
									   const char *message, const char *hint);

/* The same; it broke, or never was, and libpq knows why. */
extern void trident_exchange_conn_fail_by_libpq(TridentExchangeConn *conn);

/* The error of an error result, in the outcome. */
extern void trident_exchange_conn_explain(const PGresult *result,
										  TridentExchangeOutcome *outcome);

/* Notices of a node, which are not for this server's users or log. */
extern void trident_exchange_conn_notice(void *arg, const PGresult *result);

/* hosts.c */

/* For conn.c: begin with the first host of the route; the state may be DEAD. */
extern void trident_exchange_hosts_begin(TridentExchangeConn *conn);

/*
 * Time is over (host_by) and the connection not established: begin with the
 * next host, over another socket.  False: it is DEAD.
 */
extern bool trident_exchange_hosts_next(TridentExchangeConn *conn);

/* Other connections of the route are to begin with the same host, for a while. */
extern void trident_exchange_hosts_remember(TridentExchangeRoute *route,
											const TridentExchangeConn *conn);

/* A call was given up before the time of the host was over: the next one begins
 * with the next host, if this one had time enough. */
extern void trident_exchange_hosts_forsake(TridentExchangeRoute *route,
										   const TridentExchangeConn *conn);

/* greet.c */

/* Send the questions of the handshake. */
extern bool trident_exchange_greet_send(PGconn *pg);

/* Take one answer; which it is shows by its columns. */
extern void trident_exchange_greet_take(TridentExchangeConn *conn,
										const PGresult *result);

/* All were taken: is it whom we wish to talk to?  If not, it is DEAD. */
extern bool trident_exchange_greet_check(TridentExchangeConn *conn);

#endif							/* TRIDENT_EXCHANGE_CONN_H */
