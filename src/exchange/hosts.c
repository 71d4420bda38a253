/*
 * hosts.c
 *	  How a connection begins: with a node of several hosts, one after another.
 *
 * libpq goes on to the next host of a list when one refuses.  Of one that
 * swallows what it is sent it hears nothing, and nobody else keeps the time:
 * connect_timeout is for its functions that wait.  So each host of the list
 * has an equal share of the time to connect.  When that is over libpq begins
 * anew with a list that begins with the next one, and ends with those that
 * were tried.  A list of n is begun with each of its hosts once.
 *
 * A route remembers for a while where that led to, so that a dead host at the
 * head of a list costs its share once in that time, and not every connection.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "exchange/conn.h"

extern char **environ;

/* So long other connections begin where one has come further. */
#define REMEMBER_MS 60000

/* Who gave up before had waited for a host if it was such a part of its time. */
#define PATIENCE 10

static bool
is_list_of_hosts(const char *keyword)
{
	return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 ||
		strcmp(keyword, "port") == 0;
}

int
trident_exchange_hosts_count(const char *const *keywords, const char *const *values)
{
	int			most = 1;

	for (int i = 0; keywords[i]; i++)
	{
		int			n = 1;

		if (!is_list_of_hosts(keywords[i]))
			continue;
		for (const char *c = values[i]; *c; c++)
			n += *c == ',';
		most = Max(most, n);
	}
	return most;
}

/* The list that begins with that element of the given one, palloc'd. */
static char *
rotate(const char *list, int first)
{
	const char *rest = list;

	while (first-- > 0 && (rest = strchr(rest, ',')) != NULL)
		rest++;
	if (rest == NULL || rest == list)
		return pstrdup(list);
	return psprintf("%s,%.*s", rest, (int) (rest - list - 1), list);
}

/* The variables of the environment that are libpq's, as name=value, palloc'd. */
static List *
libpq_variables(void)
{
	List	   *variables = NIL;

	for (char **variable = environ; *variable; variable++)
	{
		if (strncmp(*variable, "PG", 2) == 0 && strchr(*variable, '='))
			variables = lappend(variables, pstrdup(*variable));
	}
	return variables;
}

/*
 * What libpq is not told it takes from the environment, which is that of who
 * started the server.  So the variables are away meanwhile, and then there
 * again: another extension of this process may live by them.
 */
static PGconn *
start_connecting(const char *const *keywords, const char *const *values)
{
	List	   *variables = libpq_variables();
	PGconn	   *pg;
	ListCell   *lc;

	foreach(lc, variables)
	{
		char	   *variable = lfirst(lc);

		*strchr(variable, '=') = '\0';
		unsetenv(variable);
	}
	pg = PQconnectStartParams(keywords, values, 0);
	foreach(lc, variables)
	{
		char	   *variable = lfirst(lc);

		setenv(variable, variable + strlen(variable) + 1, 1);
	}
	list_free_deep(variables);
	return pg;
}

/* Have libpq begin, with the host whose turn it is. */
static void
begin(TridentExchangeConn *conn)
{
	const TridentExchangeRoute *route = conn->route;
	TimestampTz now = GetCurrentTimestamp();
	const char **values;
	int			n = 0;

	while (route->keywords[n])
		n++;
	values = palloc0(sizeof(char *) * (n + 1));
	for (int i = 0; i < n; i++)
		values[i] = is_list_of_hosts(route->keywords[i]) ?
			rotate(route->values[i], conn->host) : route->values[i];
	conn->pg = start_connecting(route->keywords, values);
	for (int i = 0; i < n; i++)
	{
		if (values[i] != route->values[i])
			pfree(unconstify(char *, values[i]));
	}
	pfree(values);

	conn->host_by = now + (conn->connect_by - now) / (route->nhosts - conn->nhosts_tried);
	conn->nhosts_tried++;
	conn->socket_new = true;
	if (conn->pg == NULL)
		ReleaseExternalFD();
	if (conn->pg == NULL || PQstatus(conn->pg) == CONNECTION_BAD)
	{
		trident_exchange_conn_fail_by_libpq(conn);
		return;
	}
	PQsetNoticeReceiver(conn->pg, trident_exchange_conn_notice, NULL);
	conn->state = TRIDENT_EXCHANGE_CONNECTING;
	conn->events = WL_SOCKET_WRITEABLE;
	conn->socket = PQsocket(conn->pg);
}

void
trident_exchange_hosts_begin(TridentExchangeConn *conn)
{
	const TridentExchangeRoute *route = conn->route;

	if (!AcquireExternalFD())
	{
		trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_LIMIT,
								   ERRCODE_INSUFFICIENT_RESOURCES,
								   "there are too many open files on the local server",
								   "Raise max_files_per_process or the limit of the operating system.");
		return;
	}
	if (conn->started_at < route->first_host_until)
		conn->host = route->first_host;
	begin(conn);
}

bool
trident_exchange_hosts_next(TridentExchangeConn *conn)
{
	if (conn->nhosts_tried == conn->route->nhosts)
	{
		trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_CONNECT,
								   TRIDENT_ERRCODE_EXCHANGE_UNREACHABLE,
								   "the node did not accept the connection in time", NULL);
		return false;
	}
	PQfinish(conn->pg);
	memset(&conn->facts, 0, sizeof(conn->facts));
	conn->host = (conn->host + 1) % conn->route->nhosts;
	conn->started_at = GetCurrentTimestamp();
	begin(conn);
	return conn->state != TRIDENT_EXCHANGE_DEAD;
}

static void
remember(TridentExchangeRoute *route, int host)
{
	route->first_host = host;
	route->first_host_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), REMEMBER_MS);
}

void
trident_exchange_hosts_remember(TridentExchangeRoute *route, const TridentExchangeConn *conn)
{
	remember(route, conn->host);
}

void
trident_exchange_hosts_forsake(TridentExchangeRoute *route, const TridentExchangeConn *conn)
{
	TimestampTz share = conn->host_by - conn->started_at;

	if (route->nhosts > 1 && GetCurrentTimestamp() - conn->started_at > share / PATIENCE)
		remember(route, (conn->host + 1) % route->nhosts);
}
