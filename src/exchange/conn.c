/*
 * conn.c
 *	  One connection to a node: a state machine that never blocks.
 *
 * Protocol: libpq's pipeline mode, from the handshake on.  A statement is one
 * pipeline: what it needs before (a longer or shorter statement_timeout, a
 * statement to drop, its own PREPARE), the statement, and a sync.  So each is
 * a transaction of its own and takes one round trip, prepared or not, and an
 * error leaves the connection as it was.  One statement at a time: a
 * connection is one process there, so more would only queue behind it.
 *
 * The statement_timeout that a deadline asks for is rounded up to a step (see
 * trident_exchange_route_timeout) and stays in force, so that statements with
 * like deadlines set nothing.  The exact deadline is kept on this side.
 *
 * Memory: PGconn and PGresult are malloc'd; both hang on the connection and
 * are freed with it.
 */
#include "postgres.h"

#ifdef __linux__
#include <linux/tcp.h>
#include <netinet/in.h>
#endif
#include <poll.h>
#include <sys/ioctl.h>

#include "mb/pg_wchar.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "exchange/conn.h"

static void connect_further(TridentExchangeConn *conn);
static void read_results(TridentExchangeConn *conn);

/* What a node may send while nothing was asked of it: changed settings. */
#define UNASKED_BYTES	(64 * 1024)

/* What libpq has room for in every read, at least. */
#define READ_BYTES		8192

void
trident_exchange_conn_notice(void *arg, const PGresult *result)
{
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	elog(DEBUG1, "a node says: %s", text ? text : "(nothing)");
}

void
trident_exchange_conn_fail(TridentExchangeConn *conn, TridentExchangeOrigin origin,
						   int sqlstate, const char *message, const char *hint)
{
	int			length = strlen(message);

	/* libpq ends its messages with a newline, and may have several lines: one */
	while (length > 0 && (message[length - 1] == '\n' || message[length - 1] == ' '))
		length--;
	length = pg_mbcliplen(message, length, sizeof(conn->error) - 1);
	for (int i = 0; i < length; i++)
		conn->error[i] = message[i] == '\n' || message[i] == '\t' ? ' ' : message[i];
	conn->error[length] = '\0';
	strlcpy(conn->hint, hint ? hint : "", sizeof(conn->hint));
	conn->origin = origin;
	conn->sqlstate = sqlstate;
	conn->state = TRIDENT_EXCHANGE_DEAD;
	conn->events = 0;
}

void
trident_exchange_conn_fail_by_libpq(TridentExchangeConn *conn)
{
	const char *message = conn->pg ? PQerrorMessage(conn->pg) : "out of memory";

	if (message[0] == '\0')
		message = "the connection was closed";
	trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_CONNECT,
							   TRIDENT_ERRCODE_EXCHANGE_UNREACHABLE, message, NULL);
}

static void
fail_by_protocol(TridentExchangeConn *conn)
{
	trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_CONNECT,
							   ERRCODE_PROTOCOL_VIOLATION,
							   "the node's answer is not one to what was sent",
							   "Check that the node is a PostgreSQL server, without a pooler in between.");
}

/* What to wait for on the socket of an established connection. */
static void
set_events(TridentExchangeConn *conn, bool wants_write)
{
	conn->events = WL_SOCKET_READABLE | (wants_write ? WL_SOCKET_WRITEABLE : 0);
	conn->socket = PQsocket(conn->pg);
}

/* Send what libpq holds; what is left goes when the socket is writable. */
static bool
flush(TridentExchangeConn *conn)
{
	int			rc = PQflush(conn->pg);

	if (rc < 0)
	{
		trident_exchange_conn_fail_by_libpq(conn);
		return false;
	}
	set_events(conn, rc > 0);
	return true;
}

/* Bytes that came by TCP since the connection was made; 0: not known. */
static uint64
bytes_arrived(const TridentExchangeConn *conn)
{
#ifdef __linux__
	struct tcp_info info;
	socklen_t	length = sizeof(info);

	if (getsockopt(PQsocket(conn->pg), IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
		length >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(uint64))
		return info.tcpi_bytes_received;
#endif
	return 0;
}

/* Bytes that can be read from the socket now. */
static int
readable_bytes(const TridentExchangeConn *conn)
{
	int			bytes = 0;

	return ioctl(PQsocket(conn->pg), FIONREAD, &bytes) == 0 ? bytes : 0;
}

/*
 * libpq keeps all that comes, and does not say how much that is.  The kernel
 * does for TCP.  Elsewhere what the socket held before and after tells some of
 * it: never more than came, and as much as a read takes at least.
 */
bool
trident_exchange_conn_read(TridentExchangeConn *conn)
{
	int			before = conn->is_tcp ? 0 : readable_bytes(conn);

	if (!PQconsumeInput(conn->pg))
	{
		trident_exchange_conn_fail_by_libpq(conn);
		return false;
	}
	/* after it: one read takes all of a long value, if that comes fast */
	if (conn->is_tcp)
		conn->arrived = bytes_arrived(conn);
	else
		conn->arrived += Max(before - readable_bytes(conn), Min(before, READ_BYTES));
	if (conn->arrived <= conn->limit)
		return true;
	trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_LIMIT,
							   TRIDENT_ERRCODE_EXCHANGE_LIMIT,
							   "the node sends more than an answer may have",
							   "Ask for less at a time, or raise trident.exchange_reply_size and, for the exchange worker, trident.exchange_memory.");
	return false;
}

void
trident_exchange_conn_expect(TridentExchangeConn *conn, Size limit)
{
	conn->limit = conn->arrived + limit;
}

/* What libpq would keep for who asks, which is nobody. */
static void
drop_notifications(TridentExchangeConn *conn)
{
	PGnotify   *notification;

	while ((notification = PQnotifies(conn->pg)) != NULL)
		PQfreemem(notification);
}

TridentExchangeConn *
trident_exchange_conn_open(const TridentExchangeRoute *route, TimestampTz connect_by)
{
	TridentExchangeConn *conn = MemoryContextAllocZero(TopMemoryContext,
													   sizeof(TridentExchangeConn));

	conn->route = route;
	conn->needs_password = route->needs_password;
	conn->has_uuid = route->settings.has_uuid;
	conn->uuid = route->settings.uuid;
	conn->started_at = GetCurrentTimestamp();
	conn->connect_by = connect_by;
	conn->socket = PGINVALID_SOCKET;
	conn->timeout_ms = route->timeout_ms;
	trident_exchange_hosts_begin(conn);
	return conn;
}

void
trident_exchange_conn_close(TridentExchangeConn *conn)
{
	PQclear(conn->result);
	if (conn->pg)
	{
		PQfinish(conn->pg);
		ReleaseExternalFD();
	}
	for (int i = 0; i < TRIDENT_EXCHANGE_MAX_PREPARED; i++)
	{
		if (conn->prepared[i].sql)
			pfree(conn->prepared[i].sql);
	}
	pfree(conn);
}

void
trident_exchange_conn_advance(TridentExchangeConn *conn)
{
	switch (conn->state)
	{
		case TRIDENT_EXCHANGE_CONNECTING:
			connect_further(conn);
			break;
		case TRIDENT_EXCHANGE_GREETING:
		case TRIDENT_EXCHANGE_RUNNING:
			if (trident_exchange_conn_read(conn) &&
				(!(conn->events & WL_SOCKET_WRITEABLE) || flush(conn)))
				read_results(conn);
			break;
		case TRIDENT_EXCHANGE_IDLE:
			/* a notice, a changed parameter, or the end */
			if (trident_exchange_conn_read(conn) && PQstatus(conn->pg) == CONNECTION_BAD)
				trident_exchange_conn_fail_by_libpq(conn);
			break;
		case TRIDENT_EXCHANGE_DEAD:
			break;
	}
}

/* Connected: is it with a password, if it has to be?  Then the handshake. */
static void
begin_greeting(TridentExchangeConn *conn)
{
	if (conn->needs_password && !PQconnectionUsedPassword(conn->pg))
	{
		trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_HANDSHAKE,
								   ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED,
								   "a role that is not a superuser cannot connect if the node does not request a password",
								   "Let the node's pg_hba.conf ask this user for a password (scram-sha-256).");
		return;
	}
	/* certificates and the login do not count */
	conn->arrived = bytes_arrived(conn);
	conn->is_tcp = conn->arrived != 0;
	trident_exchange_conn_expect(conn, UNASKED_BYTES);
	if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg) ||
		!trident_exchange_greet_send(conn->pg))
	{
		trident_exchange_conn_fail_by_libpq(conn);
		return;
	}
	conn->state = TRIDENT_EXCHANGE_GREETING;
	conn->syncs = 2;
	conn->step = 0;
	conn->nulls = 0;
	(void) flush(conn);
}

static void
connect_further(TridentExchangeConn *conn)
{
	/* with the next of several addresses libpq opens another socket, which
	 * mostly gets the number of the one it closed */
	conn->socket_new = true;
	switch (PQconnectPoll(conn->pg))
	{
		case PGRES_POLLING_READING:
			conn->events = WL_SOCKET_READABLE;
			conn->socket = PQsocket(conn->pg);
			break;
		case PGRES_POLLING_WRITING:
			conn->events = WL_SOCKET_WRITEABLE;
			conn->socket = PQsocket(conn->pg);
			break;
		case PGRES_POLLING_OK:
			begin_greeting(conn);
			break;
		default:
			trident_exchange_conn_fail_by_libpq(conn);
			break;
	}
}

/* A result that is not the mark of the end of a pipeline. */
static void
take_result(TridentExchangeConn *conn, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
		status != PGRES_FATAL_ERROR && status != PGRES_PIPELINE_ABORTED)
	{
		/* of a COPY libpq would give the same result for ever */
		PQclear(result);
		fail_by_protocol(conn);
	}
	else if (conn->state == TRIDENT_EXCHANGE_GREETING)
	{
		trident_exchange_greet_take(conn, result);
		PQclear(result);
	}
	else if (status == PGRES_FATAL_ERROR)
	{
		/* those that follow, up to the sync, only say that it was aborted */
		PQclear(conn->result);
		conn->result = result;
	}
	else if (conn->step == conn->last_step && conn->result == NULL &&
			 status != PGRES_PIPELINE_ABORTED)
		conn->result = result;
	else
		PQclear(result);
}

/* The last sync is there: what the pipeline changed has come true, or not. */
static void
end_pipeline(TridentExchangeConn *conn)
{
	bool		ok;

	if (conn->state == TRIDENT_EXCHANGE_GREETING)
	{
		if (!trident_exchange_greet_check(conn))
			return;
		conn->state = TRIDENT_EXCHANGE_IDLE;
		set_events(conn, false);
		return;
	}
	if (conn->result == NULL)
	{
		fail_by_protocol(conn);
		return;
	}
	ok = PQresultStatus(conn->result) != PGRES_FATAL_ERROR;
	if (conn->set_timeout && ok)
		conn->timeout_ms = conn->set_timeout;
	if (conn->preparing && !ok && conn->step < conn->last_step)
	{
		/* an error before it or in it: it is not there */
		pfree(conn->preparing->sql);
		conn->preparing->sql = NULL;
	}
	conn->preparing = NULL;
	conn->set_timeout = 0;
	conn->was_used = true;
	trident_exchange_conn_expect(conn, UNASKED_BYTES);
	conn->state = TRIDENT_EXCHANGE_IDLE;
	set_events(conn, false);
}

/*
 * Take what has arrived.  Each message sent gives a result and then a NULL;
 * each sync a result of its own.
 */
static void
read_results(TridentExchangeConn *conn)
{
	while (conn->state != TRIDENT_EXCHANGE_DEAD && conn->syncs > 0 &&
		   !PQisBusy(conn->pg))
	{
		PGresult   *result = PQgetResult(conn->pg);

		if (PQstatus(conn->pg) == CONNECTION_BAD)
		{
			PQclear(result);
			trident_exchange_conn_fail_by_libpq(conn);
			return;
		}
		if (result == NULL)
		{
			/* which step failed is kept: it counts no further */
			if (conn->state == TRIDENT_EXCHANGE_GREETING || conn->result == NULL)
				conn->step++;
			if (++conn->nulls > 2)
			{
				fail_by_protocol(conn);
				return;
			}
			continue;
		}
		conn->nulls = 0;
		if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
		{
			PQclear(result);
			if (--conn->syncs == 0)
				end_pipeline(conn);
		}
		else
			take_result(conn, result);
	}
}

/* The place of a statement among those prepared; NULL: it is not there. */
static TridentExchangePrepared *
find_prepared(TridentExchangeConn *conn, const char *sql, uint64 hash)
{
	for (int i = 0; i < TRIDENT_EXCHANGE_MAX_PREPARED; i++)
	{
		TridentExchangePrepared *prepared = &conn->prepared[i];

		if (prepared->sql && prepared->hash == hash && strcmp(prepared->sql, sql) == 0)
			return prepared;
	}
	return NULL;
}

/* A free place, or that of the one not used for longest. */
static TridentExchangePrepared *
oldest_prepared(TridentExchangeConn *conn)
{
	TridentExchangePrepared *oldest = &conn->prepared[0];

	for (int i = 0; i < TRIDENT_EXCHANGE_MAX_PREPARED; i++)
	{
		if (conn->prepared[i].sql == NULL)
			return &conn->prepared[i];
		if (conn->prepared[i].used < oldest->used)
			oldest = &conn->prepared[i];
	}
	return oldest;
}

/* A message of our own before the statement; counted as a step. */
static bool
send_before(TridentExchangeConn *conn, const char *sql)
{
	conn->last_step++;
	return PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0);
}

/* Send the statement by its name, its PREPARE before it if there is none. */
static bool
send_prepared(TridentExchangeConn *conn, const TridentExchangeCall *call, uint64 hash)
{
	TridentExchangePrepared *prepared = find_prepared(conn, call->sql, hash);
	char		name[16];

	if (prepared == NULL)
	{
		char		command[32];

		prepared = oldest_prepared(conn);
		if (prepared->sql)
		{
			snprintf(command, sizeof(command), "DEALLOCATE t%u", prepared->number);
			if (!send_before(conn, command))
				return false;
			pfree(prepared->sql);
			prepared->sql = NULL;
		}
		prepared->sql = MemoryContextStrdup(TopMemoryContext, call->sql);
		prepared->hash = hash;
		prepared->number = conn->next_number++;
		conn->preparing = prepared;
		snprintf(name, sizeof(name), "t%u", prepared->number);
		conn->last_step++;
		if (!PQsendPrepare(conn->pg, name, call->sql, call->nparams, call->types))
			return false;
	}
	prepared->used = ++conn->clock;
	snprintf(name, sizeof(name), "t%u", prepared->number);
	return PQsendQueryPrepared(conn->pg, name, call->nparams, call->values,
							   call->lengths, call->formats, call->binary);
}

void
trident_exchange_conn_run(TridentExchangeConn *conn, const TridentExchangeCall *call,
						  uint64 hash, int timeout_ms)
{
	bool		sent = true;

	Assert(conn->state == TRIDENT_EXCHANGE_IDLE);
	trident_exchange_conn_clear(conn);
	conn->state = TRIDENT_EXCHANGE_RUNNING;
	conn->syncs = 1;
	conn->step = 0;
	conn->last_step = 0;
	conn->nulls = 0;
	if (timeout_ms != 0 && timeout_ms != conn->timeout_ms)
	{
		char		command[64];

		snprintf(command, sizeof(command), "SET statement_timeout = %d", timeout_ms);
		sent = send_before(conn, command);
		conn->set_timeout = timeout_ms;
	}
	if (sent && call->prepare)
		sent = send_prepared(conn, call, hash);
	else if (sent)
		sent = PQsendQueryParams(conn->pg, call->sql, call->nparams, call->types,
								 call->values, call->lengths, call->formats,
								 call->binary);
	if (!sent || !PQpipelineSync(conn->pg))
		trident_exchange_conn_fail_by_libpq(conn);
	else
		(void) flush(conn);
}

void
trident_exchange_conn_clear(TridentExchangeConn *conn)
{
	PQclear(conn->result);
	conn->result = NULL;
	if (conn->pg)
		drop_notifications(conn);
}

void
trident_exchange_conn_forget(TridentExchangeConn *conn, uint64 hash)
{
	/* its name is never used again, so that it need not be dropped there */
	for (int i = 0; i < TRIDENT_EXCHANGE_MAX_PREPARED; i++)
	{
		if (conn->prepared[i].sql && conn->prepared[i].hash == hash)
		{
			if (conn->preparing == &conn->prepared[i])
				conn->preparing = NULL;
			pfree(conn->prepared[i].sql);
			conn->prepared[i].sql = NULL;
		}
	}
}

bool
trident_exchange_conn_is_alive(TridentExchangeConn *conn)
{
	struct pollfd pfd = {.fd = PQsocket(conn->pg), .events = POLLIN};

	/* the node's last words may arrive before the end does */
	while (conn->state == TRIDENT_EXCHANGE_IDLE)
	{
		if (poll(&pfd, 1, 0) == 0)
			return true;		/* nothing arrived, as it should be */
		trident_exchange_conn_advance(conn);
	}
	return false;
}

void
trident_exchange_conn_explain(const PGresult *result, TridentExchangeOutcome *outcome)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	outcome->sqlstate = sqlstate && strlen(sqlstate) == 5
		? MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])
		: ERRCODE_CONNECTION_FAILURE;
	outcome->message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	outcome->detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	outcome->hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	if (outcome->message == NULL)
		outcome->message = "unknown error";
}

void
trident_exchange_conn_outcome(const TridentExchangeConn *conn,
							  TridentExchangeOutcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	if (conn->state == TRIDENT_EXCHANGE_DEAD)
	{
		outcome->origin = conn->origin;
		outcome->sqlstate = conn->sqlstate;
		outcome->message = conn->error;
		outcome->hint = conn->hint[0] ? conn->hint : NULL;
		return;
	}
	outcome->result = conn->result;
	outcome->origin = TRIDENT_EXCHANGE_FROM_REMOTE;
	outcome->ok = PQresultStatus(conn->result) != PGRES_FATAL_ERROR;
	if (outcome->ok)
		outcome->nrows = PQntuples(conn->result);
	else
		trident_exchange_conn_explain(conn->result, outcome);
}
