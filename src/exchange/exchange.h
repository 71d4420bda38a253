/*
 * exchange.h
 *	  Statements run on nodes: many at once, over connections that are kept.
 *
 * A node is a postgres_fdw server, named by the OID of its pg_foreign_server
 * row.  A call is one SQL statement for one node.  A batch is calls submitted
 * together; replies come in the order in which they are done.  Who runs a
 * call is the exchange's business (trident.exchange_mode): the exchange
 * worker of the database, or the backend itself ("direct").  What comes back
 * is the same.
 *
 *		TridentExchangeBatch *batch = trident_exchange_submit(calls, n, 0);
 *
 *		... local work, then ...
 *		while ((reply = trident_exchange_next(batch)) != NULL)
 *		{
 *			if (!reply->ok)
 *				trident_exchange_raise(ERROR, reply);
 *			... trident_exchange_value(reply, row, column) ...
 *		}
 *		trident_exchange_end(batch);
 *
 * Rights: calls run as the user mapping of GetUserId() at submit.  A caller
 * has checked before that this role may read what the statement reads.
 * Statements are built by trident alone; what users wrote enters as
 * parameters, never as text.
 *
 * Failure: a batch or session belongs to the (sub)transaction that made it,
 * and ends with it, when that commits as when it aborts; what still runs is
 * cancelled.  Waiting is interruptible.  What goes wrong with one call is in
 * its reply and raises nothing; errors are raised for what is wrong with the
 * request: no such server, no user mapping, not a postgres_fdw server.  What
 * the role may not do, such as to connect without a password, is raised in
 * direct mode, and is in the reply in worker mode: origin HANDSHAKE, with a
 * SQLSTATE other than TR004.
 */
#ifndef TRIDENT_EXCHANGE_EXCHANGE_H
#define TRIDENT_EXCHANGE_EXCHANGE_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* What a call may do, and so what the exchange may do with it. */
typedef enum TridentExchangeClass
{
	/* Reads only (the remote transaction is read only); may run twice. */
	TRIDENT_EXCHANGE_READ,
	/* Writes, in a transaction of its own there; is never sent twice. */
	TRIDENT_EXCHANGE_WRITE,
	/* As READ, over a connection of its own: answered while reads queue. */
	TRIDENT_EXCHANGE_CONTROL
} TridentExchangeClass;

/*
 * One statement for one node.  The arrays are those of PQexecParams, and may
 * be NULL as there.  All is copied at submit.
 */
typedef struct TridentExchangeCall
{
	Oid			node;
	TridentExchangeClass call_class;
	const char *sql;			/* one statement, in UTF-8 or the database's
								 * encoding; names qualified: the search_path
								 * there is pg_catalog */
	const char *many;			/* a statement that answers several calls which
								 * differ in parameter many_param alone, with
								 * a row for each, in their order: it takes a
								 * bytea[] of their values, which are binary
								 * and not null; NULL: there is none */
	int			many_param;
	bool		prepare;		/* keep it prepared on the connection; for a
								 * text that comes back with other values */
	bool		binary;			/* results in binary format */
	int			nparams;
	const Oid  *types;			/* 0, or NULL: the node decides */
	const char *const *values;	/* NULL: SQL null */
	const int  *lengths;		/* of binary values */
	const int  *formats;		/* 1: binary */
	const char *purpose;		/* what it is for, for people: "shard 3 of
								 * collection x"; may be NULL */
} TridentExchangeCall;

/* Where an error comes from. */
typedef enum TridentExchangeOrigin
{
	TRIDENT_EXCHANGE_FROM_REMOTE,	/* the node ran it and raised an error */
	TRIDENT_EXCHANGE_FROM_CONNECT,	/* no connection, or it was lost */
	TRIDENT_EXCHANGE_FROM_HANDSHAKE,	/* it is not the node that it should be */
	TRIDENT_EXCHANGE_FROM_TIMEOUT,	/* the deadline passed */
	TRIDENT_EXCHANGE_FROM_BREAKER,	/* not tried: it failed moments ago */
	TRIDENT_EXCHANGE_FROM_LIMIT /* a bound of the exchange was met */
} TridentExchangeOrigin;

typedef enum TridentExchangePath
{
	TRIDENT_EXCHANGE_DIRECT,
	TRIDENT_EXCHANGE_WORKER
} TridentExchangePath;

/* What is known of a call that is done.  Valid until the end of its batch. */
typedef struct TridentExchangeReply
{
	int			call;			/* its index in the array submitted */
	Oid			node;
	bool		ok;

	/* ok: the result */
	int			nrows;
	int			ncolumns;
	int64		affected;		/* rows, as the command tag tells; else -1 */

	/* not ok: the error; texts may be NULL but for message */
	TridentExchangeOrigin origin;
	int			sqlstate;		/* the node's, or one of class TR0 or 08 */
	const char *message;
	const char *detail;
	const char *hint;
	const char *purpose;

	/* both */
	double		ms;				/* from submit until done */
	int			attempts;		/* times that it was sent or tried; 0: never */
	TridentExchangePath path;
	bool		reused;			/* over a connection that was open before */
	int			remote_pid;		/* of the last connection, 0: none */

	const char *rows;			/* private: read by trident_exchange_value */
} TridentExchangeReply;

typedef struct TridentExchangeBatch TridentExchangeBatch;

/*
 * Start the calls.  deadline: when to give up on those not done; 0: after
 * trident.exchange_timeout.  What replies hold lives until the batch ends.
 * In direct mode this waits for connections, if there are none yet.
 */
extern TridentExchangeBatch *trident_exchange_submit(const TridentExchangeCall *calls,
													 int ncalls,
													 TimestampTz deadline);

/* Let the calls go on, without waiting: for between pieces of local work. */
extern void trident_exchange_progress(TridentExchangeBatch *batch);

/* The next reply, waiting for it; NULL when each has been returned. */
extern const TridentExchangeReply *trident_exchange_next(TridentExchangeBatch *batch);

/* Give up what is not done, and free the batch and its replies. */
extern void trident_exchange_end(TridentExchangeBatch *batch);

/*
 * A value of the result, NUL-terminated beyond its length; NULL for SQL null.
 * length may be NULL.
 */
extern const char *trident_exchange_value(const TridentExchangeReply *reply,
										  int row, int column, int *length);

/*
 * The same, of a text that a node may not leave out: an error (08P01) if it
 * is null, not there, or not valid in the encoding of the database.
 */
extern const char *trident_exchange_text(const TridentExchangeReply *reply,
										 int row, int column);

/* The same, for binary results; errors (08P01) if the length is another. */
extern int64 trident_exchange_int8(const TridentExchangeReply *reply,
								   int row, int column);
extern double trident_exchange_float8(const TridentExchangeReply *reply,
									  int row, int column);

/*
 * Raise the error of a reply: the primary message names the node, the detail
 * what the node or the network said and after how long, the hint what to do.
 * The SQLSTATE is the node's own where it raised one.
 */
extern void trident_exchange_raise(int elevel, const TridentExchangeReply *reply);

/* The name of an origin, for views: "remote", "connect", ... */
extern const char *trident_exchange_origin_name(TridentExchangeOrigin origin);

/* The name of a node, for messages; of one that is gone, its OID. */
extern const char *trident_exchange_node_name(Oid node);

/*
 * Sessions: a connection to one caller alone, for several statements or
 * transactions: DDL, PREPARE TRANSACTION, bulk load, locks.  Always opened by
 * the backend itself.  The search_path is pg_catalog and statements are not
 * read only.  A session that fails is closed and stays so: later calls return
 * the first error again.
 */
typedef struct TridentExchangeSession TridentExchangeSession;

/* Outlive the transaction; closed by hand or with the process. */
#define TRIDENT_EXCHANGE_SESSION_KEEP	0x01

/*
 * Open one; deadline 0: trident.exchange_connect_timeout from now.  Raises
 * the error if that fails; to get it as a reply, use _try.
 */
extern TridentExchangeSession *trident_exchange_session_open(Oid node, int flags,
															 TimestampTz deadline);
extern TridentExchangeSession *trident_exchange_session_try(Oid node, int flags,
															TimestampTz deadline,
															TridentExchangeReply *error);

/*
 * Run a statement (class and node of the call are ignored) and wait for the
 * reply, valid until the next statement of the session.  deadline 0: none;
 * one that passes closes the session.
 */
extern const TridentExchangeReply *
			trident_exchange_session_exec(TridentExchangeSession *session,
										  const TridentExchangeCall *call,
										  TimestampTz deadline);

/* The same in two steps, so that several sessions work at once. */
extern void trident_exchange_session_send(TridentExchangeSession *session,
										  const TridentExchangeCall *call,
										  TimestampTz deadline);
extern const TridentExchangeReply *
			trident_exchange_session_receive(TridentExchangeSession *session);

/* Wait for the reply that is due no longer than until then. */
extern void trident_exchange_session_hasten(TridentExchangeSession *session,
											TimestampTz deadline);

/*
 * COPY ... FROM STDIN: the reply of its statement is ok with affected = -1;
 * then data in the format that the statement names, in any pieces; then _end,
 * whose reply is that of the COPY.  put waits only while the network is full,
 * so that one caller can feed several sessions.  abandon: _end with an error.
 */
extern void trident_exchange_session_copy_put(TridentExchangeSession *session,
											  const char *data, int length);
extern const TridentExchangeReply *
			trident_exchange_session_copy_end(TridentExchangeSession *session,
											  bool abandon);

/* Close it; a transaction open there is rolled back.  NULL does nothing. */
extern void trident_exchange_session_close(TridentExchangeSession *session);

/* What a node says of itself when it is connected to. */
typedef struct TridentExchangeFacts
{
	int			server_version_num;
	bool		in_recovery;
	char		encoding[NAMEDATALEN];	/* of the database */
	uint64		system_identifier;
	Oid			database;
	char		extension_version[NAMEDATALEN]; /* "": not installed there */
	char		install_schema[NAMEDATALEN];
	bool		has_uuid;
	pg_uuid_t	uuid;			/* the node's identity, if has_uuid */
	int			processors;		/* of its machine; 0: not known */
	double		connect_ms;
} TridentExchangeFacts;

/*
 * Connect anew as the current role and ask.  False: the error is in *error
 * (its texts palloc'd).  What the facts should be is not checked here.
 */
extern bool trident_exchange_facts(Oid node, TimestampTz deadline,
								   TridentExchangeFacts *facts,
								   TridentExchangeReply *error);

/*
 * What the registry of nodes knows of one, asked for before it is connected
 * to, in a transaction of the process that connects (backend or worker; SPI
 * may be used).  The registry, in a layer above, sets the callback in
 * _PG_init; it fills in what differs from the defaults, already set.
 */
typedef struct TridentExchangeNode
{
	bool		has_uuid;
	pg_uuid_t	uuid;			/* the identity that it must present */
	int			pool_size;		/* connections; 0: the setting */
	int			connect_timeout_ms;
} TridentExchangeNode;

/* Is the server one of postgres_fdw, as nodes are? */
struct ForeignServer;
extern bool trident_exchange_is_node(const struct ForeignServer *server);

typedef void (*TridentExchangeNodeLookup) (Oid node, TridentExchangeNode *settings);
/* Set it; NULL, as at first: every node has the defaults. */
extern void trident_exchange_set_lookup(TridentExchangeNodeLookup lookup);

/*
 * To be called when what the lookup would answer has changed: at commit every
 * process forgets what it knows of the node, and opens new connections.
 */
extern void trident_exchange_node_invalidate(Oid node);

/* Called once, by _PG_init. */
extern void trident_exchange_init(void);

#endif							/* TRIDENT_EXCHANGE_EXCHANGE_H */
