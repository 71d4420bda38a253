/*
 * session.c
 *	  Sessions: a connection that one caller has to itself; and the facts that
 *	  a node tells when it is connected to.
 *
 * Opened by this backend, in no pool, used by nobody else, closed at the end.
 * After the handshake libpq's pipeline mode is left, since COPY does not work
 * in it.  What has failed stays failed: the state of the other end is unknown.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/guc.h"
#include "base/wait.h"
#include "exchange/batch.h"
#include "exchange/call.h"

struct TridentExchangeSession
{
	dlist_node	node;			/* in open_sessions */
	SubTransactionId subid;		/* invalid: outlives transactions */
	MemoryContext context;		/* the session */
	MemoryContext reply_context;	/* the last reply */
	TridentExchangeRoute *route;
	TridentExchangeConn *conn;
	Oid			node_oid;
	const char *purpose;		/* of the statement that runs */
	TimestampTz sent_at;
	TimestampTz deadline;		/* 0: none */
	bool		was_used;
};

static dlist_head open_sessions = DLIST_STATIC_INIT(open_sessions);

static uint32 wait_event = 0;

/* --- waiting --- */

/*
 * Wait for the connection's socket, or until the deadline: 0.  Else what came,
 * which need not be the socket's: the latch is anybody's to set.
 */
static int
wait_for(TridentExchangeConn *conn, TimestampTz deadline)
{
	int			events = conn->events | WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long		timeout = -1;
	int			came;

	if (deadline != 0)
	{
		timeout = (deadline - GetCurrentTimestamp() + 999) / 1000;
		if (timeout <= 0)
			return 0;
		timeout = Min(timeout, INT_MAX);	/* no latch waits for longer */
		events |= WL_TIMEOUT;
	}
	came = WaitLatchOrSocket(MyLatch, events, conn->socket, timeout,
							 trident_base_wait_event(&wait_event, "TridentExchangeSession"));
	if (came & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return came;
}

static void
fail_by_timeout(TridentExchangeConn *conn)
{
	trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_TIMEOUT,
							   TRIDENT_ERRCODE_EXCHANGE_TIMEOUT,
							   "no answer before the deadline",
							   "Allow for more time, or look at what the node is doing.");
}

/*
 * Until it is established or dead.  While connecting, libpq may go on only when
 * its socket is ready: else it sends on one that is not connected yet, and waits
 * for that itself, where nobody can interrupt it.
 */
static void
establish(TridentExchangeConn *conn)
{
	while (conn->state == TRIDENT_EXCHANGE_CONNECTING ||
		   conn->state == TRIDENT_EXCHANGE_GREETING)
	{
		int			came = wait_for(conn, conn->host_by);

		if (came == 0)
			(void) trident_exchange_hosts_next(conn);
		else if (came & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE))
			trident_exchange_conn_advance(conn);
	}
}

/* --- replies --- */

static const TridentExchangeReply *
make_reply(TridentExchangeSession *session, const TridentExchangeOutcome *outcome)
{
	TridentExchangeRun run = {
		.node = session->node_oid,
		.purpose = session->purpose,
		.submitted_at = session->sent_at,
		.attempts = 1,
		.reused = session->was_used,
		.remote_pid = session->conn->pg ? PQbackendPID(session->conn->pg) : 0,
		.path = TRIDENT_EXCHANGE_DIRECT
	};
	void	   *memory;

	MemoryContextReset(session->reply_context);
	memory = MemoryContextAllocHuge(session->reply_context,
									trident_exchange_reply_size(&run, outcome));
	return trident_exchange_reply_make(&run, outcome, memory);
}

/* The reply of what ended with this result, or with the connection. */
static const TridentExchangeReply *
conclude(TridentExchangeSession *session, PGresult *result)
{
	TridentExchangeConn *conn = session->conn;
	TridentExchangeOutcome outcome = {0};

	trident_exchange_conn_clear(conn);
	conn->result = result;		/* freed with it, whatever happens */
	if (conn->state != TRIDENT_EXCHANGE_DEAD && result == NULL)
		trident_exchange_conn_fail_by_libpq(conn);
	if (conn->state == TRIDENT_EXCHANGE_DEAD)
		trident_exchange_conn_outcome(conn, &outcome);
	else
	{
		outcome.result = result;
		outcome.ok = PQresultStatus(result) != PGRES_FATAL_ERROR;
		outcome.origin = TRIDENT_EXCHANGE_FROM_REMOTE;
		if (outcome.ok)
			outcome.nrows = PQntuples(result);
		else
			trident_exchange_conn_explain(result, &outcome);
		conn->state = TRIDENT_EXCHANGE_IDLE;
	}
	session->was_used = true;
	return make_reply(session, &outcome);
}

/* --- opening and closing --- */

/*
 * The route, or the error that its making raised, in the reply.  A failed
 * look-up leaves a transaction that cannot go on, so it has one of its own.  To
 * be cancelled is no error of the node's, and goes on.
 */
static TridentExchangeRoute *
make_route(Oid node, TridentExchangeReply *error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	TridentExchangeRouteKey key = {
		.server = node, .role = GetUserId(), .call_class = TRIDENT_EXCHANGE_PINNED
	};
	TridentExchangeRoute *volatile route = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		route = trident_exchange_route_make(&key);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *raised;

		MemoryContextSwitchTo(context);
		raised = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (ERRCODE_TO_CATEGORY(raised->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(raised);
		memset(error, 0, sizeof(*error));
		error->node = node;
		error->origin = TRIDENT_EXCHANGE_FROM_HANDSHAKE;
		error->affected = -1;
		error->sqlstate = raised->sqlerrcode;
		error->message = raised->message;
		error->detail = raised->detail;
		error->hint = raised->hint;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return route;
}

static void
free_session(TridentExchangeSession *session)
{
	dlist_delete(&session->node);
	if (session->conn)
		trident_exchange_conn_close(session->conn);
	if (session->route)
		trident_exchange_route_free(session->route);
	MemoryContextDelete(session->context);
}

/* A session that is established or has failed; the route is its from now on. */
static TridentExchangeSession *
connect_session(TridentExchangeRoute *route, int flags, TimestampTz deadline,
				bool checks_node)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "trident exchange session",
												  ALLOCSET_SMALL_SIZES);
	TridentExchangeSession *session = MemoryContextAllocZero(context, sizeof(*session));

	session->context = context;
	session->reply_context = AllocSetContextCreate(context, "reply", ALLOCSET_SMALL_SIZES);
	session->route = route;
	session->node_oid = route->key.server;
	session->subid = flags & TRIDENT_EXCHANGE_SESSION_KEEP ? InvalidSubTransactionId
		: GetCurrentSubTransactionId();
	session->sent_at = GetCurrentTimestamp();
	dlist_push_tail(&open_sessions, &session->node);

	if (deadline == 0)
		deadline = TimestampTzPlusMilliseconds(session->sent_at,
											   route->settings.connect_timeout_ms);
	session->conn = trident_exchange_conn_open(route, deadline);
	if (!checks_node)
		session->conn->has_uuid = false;
	PG_TRY();
	{
		establish(session->conn);
	}
	PG_CATCH();
	{
		free_session(session);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (session->conn->state == TRIDENT_EXCHANGE_IDLE &&
		!PQexitPipelineMode(session->conn->pg))
		trident_exchange_conn_fail_by_libpq(session->conn);
	return session;
}

/* The error of a dead session as a reply of the caller's, texts palloc'd. */
static void
copy_error(const TridentExchangeReply *from, TridentExchangeReply *error)
{
	*error = *from;
	error->message = pstrdup(from->message);
	error->detail = from->detail ? pstrdup(from->detail) : NULL;
	error->hint = from->hint ? pstrdup(from->hint) : NULL;
	error->purpose = NULL;
}

static TridentExchangeSession *
try_session(Oid node, int flags, TimestampTz deadline, bool checks_node,
			TridentExchangeReply *error)
{
	TridentExchangeRoute *route = make_route(node, error);
	TridentExchangeSession *session;

	if (route == NULL)
		return NULL;
	session = connect_session(route, flags, deadline, checks_node);
	if (session->conn->state != TRIDENT_EXCHANGE_DEAD)
		return session;
	copy_error(conclude(session, NULL), error);
	free_session(session);
	return NULL;
}

TridentExchangeSession *
trident_exchange_session_try(Oid node, int flags, TimestampTz deadline,
							 TridentExchangeReply *error)
{
	return try_session(node, flags, deadline, true, error);
}

TridentExchangeSession *
trident_exchange_session_open(Oid node, int flags, TimestampTz deadline)
{
	TridentExchangeReply error;
	TridentExchangeSession *session = try_session(node, flags, deadline, true, &error);

	if (session == NULL)
		trident_exchange_raise(ERROR, &error);
	return session;
}

void
trident_exchange_session_close(TridentExchangeSession *session)
{
	if (session)
		free_session(session);
}

bool
trident_exchange_facts(Oid node, TimestampTz deadline, TridentExchangeFacts *facts,
					   TridentExchangeReply *error)
{
	TridentExchangeSession *session = try_session(node, 0, deadline, false, error);

	if (session == NULL)
		return false;
	*facts = session->conn->facts;
	free_session(session);
	return true;
}

/* --- statements --- */

void
trident_exchange_session_send(TridentExchangeSession *session,
							  const TridentExchangeCall *call, TimestampTz deadline)
{
	TridentExchangeConn *conn = session->conn;

	trident_exchange_conn_clear(conn);
	session->purpose = call->purpose ? MemoryContextStrdup(session->context, call->purpose)
		: NULL;
	session->sent_at = GetCurrentTimestamp();
	session->deadline = deadline;
	if (conn->state == TRIDENT_EXCHANGE_DEAD)
		return;
	conn->state = TRIDENT_EXCHANGE_RUNNING;
	conn->events = WL_SOCKET_READABLE;
	trident_exchange_conn_expect(conn, (Size) trident_base_exchange_reply_size * 1024);
	if (!PQsendQueryParams(conn->pg, call->sql, call->nparams, call->types, call->values,
						   call->lengths, call->formats, call->binary) ||
		PQflush(conn->pg) < 0)
		trident_exchange_conn_fail_by_libpq(conn);
}

/*
 * Send what libpq holds and read what came, until a result can be taken
 * without waiting.  False: the connection is dead.
 */
static bool
wait_for_result(TridentExchangeSession *session)
{
	TridentExchangeConn *conn = session->conn;

	while (conn->state != TRIDENT_EXCHANGE_DEAD)
	{
		int			rc = PQflush(conn->pg);

		if (rc == 0 && !PQisBusy(conn->pg))
			return true;
		conn->events = WL_SOCKET_READABLE | (rc > 0 ? WL_SOCKET_WRITEABLE : 0);
		if (rc < 0)
			break;
		if (!wait_for(conn, session->deadline))
		{
			fail_by_timeout(conn);
			return false;
		}
		(void) trident_exchange_conn_read(conn);
	}
	if (conn->state != TRIDENT_EXCHANGE_DEAD)
		trident_exchange_conn_fail_by_libpq(conn);
	return false;
}

const TridentExchangeReply *
trident_exchange_session_receive(TridentExchangeSession *session)
{
	TridentExchangeConn *conn = session->conn;
	PGresult   *result;

	while (wait_for_result(session) && (result = PQgetResult(conn->pg)) != NULL)
	{
		/* an interrupt while waiting must not lose it: it is the connection's */
		PQclear(conn->result);
		conn->result = result;
		if (PQresultStatus(result) == PGRES_COPY_IN)
			break;
		if (PQresultStatus(result) == PGRES_COPY_OUT ||
			PQresultStatus(result) == PGRES_COPY_BOTH)
		{
			trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_LIMIT,
									   ERRCODE_FEATURE_NOT_SUPPORTED,
									   "sessions do not COPY to the client", "Use SELECT.");
			break;
		}
	}
	result = conn->result;
	conn->result = NULL;
	return conclude(session, result);
}

void
trident_exchange_session_hasten(TridentExchangeSession *session, TimestampTz deadline)
{
	if (session->deadline == 0 || session->deadline > deadline)
		session->deadline = deadline;
}

const TridentExchangeReply *
trident_exchange_session_exec(TridentExchangeSession *session,
							  const TridentExchangeCall *call, TimestampTz deadline)
{
	trident_exchange_session_send(session, call, deadline);
	return trident_exchange_session_receive(session);
}

void
trident_exchange_session_copy_put(TridentExchangeSession *session, const char *data,
								  int length)
{
	TridentExchangeConn *conn = session->conn;

	int			sent = 0;

	/* once libpq has it all, it is made to send it, or it would hold it all */
	while (conn->state != TRIDENT_EXCHANGE_DEAD)
	{
		if (sent == 0)
			sent = PQputCopyData(conn->pg, data, length);
		if (sent < 0 || (sent > 0 && PQflush(conn->pg) <= 0))
			break;				/* an error is told by the end of the COPY */
		conn->events = WL_SOCKET_WRITEABLE | WL_SOCKET_READABLE;
		if (!wait_for(conn, session->deadline))
			fail_by_timeout(conn);
		else if (!trident_exchange_conn_read(conn) || PQflush(conn->pg) < 0)
			break;
	}
}

const TridentExchangeReply *
trident_exchange_session_copy_end(TridentExchangeSession *session, bool abandon)
{
	TridentExchangeConn *conn = session->conn;
	int			rc = 0;

	while (conn->state != TRIDENT_EXCHANGE_DEAD &&
		   (rc = PQputCopyEnd(conn->pg, abandon ? "given up" : NULL)) == 0)
	{
		conn->events = WL_SOCKET_WRITEABLE;
		if (!wait_for(conn, session->deadline))
			fail_by_timeout(conn);
	}
	if (rc < 0)
		trident_exchange_conn_fail_by_libpq(conn);
	conn->events = WL_SOCKET_READABLE;
	return trident_exchange_session_receive(session);
}

/* --- the end of transactions --- */

void
trident_exchange_session_end_transaction(bool is_commit)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &open_sessions)
	{
		TridentExchangeSession *session = dlist_container(TridentExchangeSession, node,
														  iter.cur);

		if (session->subid == InvalidSubTransactionId)
			continue;
		if (is_commit)
			ereport(WARNING,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg_internal("a session with node \"%s\" was not closed",
									 session->route->name),
					 errhint("Report this as an issue of trident.")));
		free_session(session);
	}
}

void
trident_exchange_session_end_subtransaction(bool is_commit, SubTransactionId subid,
											SubTransactionId parent)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &open_sessions)
	{
		TridentExchangeSession *session = dlist_container(TridentExchangeSession, node,
														  iter.cur);

		if (session->subid == InvalidSubTransactionId || session->subid != subid)
			continue;
		if (is_commit)
			session->subid = parent;
		else
			free_session(session);
	}
}
