/*
 * route.c
 *	  The way to a node for a role: options from the catalogs, and the checks
 *	  that stand before a connection.
 *
 * The options are those of the postgres_fdw server and of the user mapping,
 * and postgres_fdw's rules hold: a role that is no superuser has a password in
 * its mapping, unless a superuser set password_required = false there.  All
 * checks are made for the role of the route, never for the process, which is
 * a superuser in a worker.
 *
 * Only servers of postgres_fdw are nodes: the validator of another wrapper
 * may let anybody set password_required, or sslkey.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "libpq-fe.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/guc.h"
#include "exchange/route.h"

/*
 * PostgreSQL's own list of what server code may hand to libpq.  It came in a
 * minor release, so it may not be there: a weak symbol.
 */
extern bool libpqsrv_is_valid_proxy_option(const char *keyword) __attribute__((weak));

/* Connection options that a node may have, whoever uses it. */
static const char *const allowed_options[] = {
	"application_name", "channel_binding", "connect_timeout", "dbname",
	"gssencmode", "gsslib", "host", "hostaddr", "keepalives",
	"keepalives_count", "keepalives_idle", "keepalives_interval",
	"krbsrvname", "load_balance_hosts", "options", "password", "port",
	"require_auth", "requirepeer", "ssl_max_protocol_version",
	"ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcompression",
	"sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation",
	"sslpassword", "sslrootcert", "sslsni", "target_session_attrs",
	"tcp_user_timeout", "user", NULL
};

/* Options that lead to files or credentials of the server's own user. */
static const char *const superuser_options[] = {
	"passfile", "service", NULL
};

/* Set in every session: what we read must not depend on the node's settings. */
#define COMMON_OPTIONS \
	"-c search_path=pg_catalog -c timezone=GMT -c datestyle=ISO" \
	" -c intervalstyle=postgres -c extra_float_digits=3" \
	" -c client_connection_check_interval=1000" \
	" -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2" \
	" -c tcp_keepalives_count=3 -c tcp_user_timeout=9000"

#define MAX_OPTIONS 48

/* Options as they are gathered. */
typedef struct Options
{
	const char *keywords[MAX_OPTIONS + 1];
	const char *values[MAX_OPTIONS + 1];
	int			n;
} Options;

static uint64 generation = 1;

static void
catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	generation++;
}

void
trident_exchange_route_watch(void)
{
	static bool is_watching = false;

	if (is_watching)
		return;
	is_watching = true;
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, catalog_changed, (Datum) 0);
}

uint64
trident_exchange_route_generation(void)
{
	return generation;
}

static bool
is_among(const char *word, const char *const *words)
{
	for (; *words; words++)
	{
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

static const char *
get_option(const Options *options, const char *keyword)
{
	for (int i = 0; i < options->n; i++)
	{
		if (strcmp(options->keywords[i], keyword) == 0)
			return options->values[i];
	}
	return NULL;
}

/* Add the option, or change its value. */
static void
set_option(Options *options, const char *keyword, const char *value)
{
	int			i;

	for (i = 0; i < options->n; i++)
	{
		if (strcmp(options->keywords[i], keyword) == 0)
			break;
	}
	if (i == MAX_OPTIONS)
		elog(ERROR, "too many connection options");
	options->keywords[i] = keyword;
	options->values[i] = value;
	if (i == options->n)
		options->n++;
}

static void
default_option(Options *options, const char *keyword, const char *value)
{
	if (get_option(options, keyword) == NULL)
		set_option(options, keyword, value);
}

/* Is it a connection option of the libpq that runs here? */
static bool
is_libpq_option(const PQconninfoOption *known, const char *keyword)
{
	for (; known->keyword; known++)
	{
		if (strcmp(known->keyword, keyword) == 0)
			return true;
	}
	return false;
}

/* Take what libpq is to know from the options of a server or mapping. */
static void
gather_options(Options *options, List *elements, const PQconninfoOption *known,
			   bool is_superuser)
{
	ListCell   *lc;

	foreach(lc, elements)
	{
		DefElem    *element = lfirst_node(DefElem, lc);
		const char *keyword = element->defname;

		if (strcmp(keyword, "use_scram_passthrough") == 0 ||
			strcmp(keyword, "gssdelegation") == 0)
		{
			/* the credentials of the client's own connection are not kept */
			if (pg_strcasecmp(defGetString(element), "false") == 0 ||
				strcmp(defGetString(element), "0") == 0)
				continue;
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot connect to nodes with option \"%s\"", keyword),
					 errhint("Set it to false for the server, and set a password in the user mapping.")));
		}
		if (!is_libpq_option(known, keyword))
			continue;			/* one of postgres_fdw's own */
		if (!(is_among(keyword, allowed_options) ||
			  (is_superuser && is_among(keyword, superuser_options))) ||
			(libpqsrv_is_valid_proxy_option != NULL &&
			 !libpqsrv_is_valid_proxy_option(keyword)))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to set connection option \"%s\"", keyword),
					 errhint("Remove the option from the server or the user mapping.")));
		set_option(options, keyword, defGetString(element));
	}
}

/* Does the mapping, by a superuser's will, do without a password? */
static bool
password_is_required(const UserMapping *mapping)
{
	ListCell   *lc;

	foreach(lc, mapping->options)
	{
		DefElem    *element = lfirst_node(DefElem, lc);

		if (strcmp(element->defname, "password_required") == 0)
			return defGetBoolean(element);
	}
	return true;
}

/*
 * The session settings of a class, after those that the server asks for.
 * timeout_ms: how long a statement may take that says nothing else.
 */
static char *
session_options(const char *own, TridentExchangeClass call_class, int timeout_ms)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (own)
		appendStringInfo(&buf, "%s ", own);
	appendStringInfoString(&buf, COMMON_OPTIONS);
	if (call_class == TRIDENT_EXCHANGE_PINNED)
		appendStringInfoString(&buf, " -c statement_timeout=0");
	else
		appendStringInfo(&buf,
						 " -c statement_timeout=%d -c idle_in_transaction_session_timeout=10000",
						 timeout_ms);
	if (call_class == TRIDENT_EXCHANGE_READ || call_class == TRIDENT_EXCHANGE_CONTROL)
		appendStringInfoString(&buf, " -c default_transaction_read_only=on");
	return buf.data;
}

/* Complete the options with what every connection of ours has. */
static void
add_our_options(Options *options, const char *name, TridentExchangeClass call_class,
				int timeout_ms)
{
	static const char *const class_names[] = {"read", "write", "control", "session"};

	set_option(options, "application_name",
			   psprintf("trident/%s/%s", name, class_names[call_class]));
	set_option(options, "client_encoding", GetDatabaseEncodingName());
	set_option(options, "options",
			   session_options(get_option(options, "options"), call_class, timeout_ms));
	/*
	 * Nothing of the server's operating system user is borrowed.  There cannot
	 * be a file of that name; of /dev/null libpq complains to stderr.
	 */
	default_option(options, "passfile", "/dev/null/none");
	default_option(options, "sslcert", "/dev/null/none");
	default_option(options, "gssencmode", "disable");
	default_option(options, "keepalives_idle", "5");
	default_option(options, "keepalives_interval", "2");
	default_option(options, "keepalives_count", "3");
	default_option(options, "tcp_user_timeout", "9000");
}

/* Gather the options of the route for a server and mapping, checked for its role. */
static void
build_options(Options *options, const ForeignServer *server,
			  const UserMapping *mapping, TridentExchangeRoute *route)
{
	bool		is_superuser = superuser_arg(route->key.role);
	PQconninfoOption *known = PQconndefaults();
	const char *password;

	if (known == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Could not get libpq's default connection options."),
				 errhint("Try again when the machine has memory left.")));
	options->n = 0;
	PG_TRY();
	{
		gather_options(options, server->options, known, is_superuser);
		gather_options(options, mapping->options, known, is_superuser);
		/* nor Kerberos credentials: older than 16, libpq cannot be told */
		if (is_libpq_option(known, "require_auth"))
			default_option(options, "require_auth", "!gss,!sspi");
	}
	PG_FINALLY();
	{
		PQconninfoFree(known);
	}
	PG_END_TRY();

	route->needs_password = !is_superuser && password_is_required(mapping);
	password = get_option(options, "password");
	if (route->needs_password && (password == NULL || password[0] == '\0'))
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("password is required"),
				 errdetail("Roles that are not superusers must provide a password in the user mapping for server \"%s\".",
						   server->servername),
				 errhint("Set one with ALTER USER MAPPING ... OPTIONS (ADD password '...').")));
	add_our_options(options, server->servername, route->key.call_class,
					route->timeout_ms);
}

/* Hash of what names the other end, so that databases and roles share a cap. */
static uint64
hash_place(const Options *options)
{
	static const char *const parts[] = {"host", "hostaddr", "port"};
	uint64		hash = 0;

	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		const char *value = get_option(options, parts[i]);

		if (value == NULL)
			value = "";
		hash = hash_combine64(hash, DatumGetUInt64(hash_any_extended((const unsigned char *) value,
																	 strlen(value), 0)));
	}
	return hash;
}

static TridentExchangeNodeLookup node_lookup = NULL;

void
trident_exchange_set_lookup(TridentExchangeNodeLookup lookup)
{
	node_lookup = lookup;
}

bool
trident_exchange_is_node(const ForeignServer *server)
{
	return strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "postgres_fdw") == 0;
}

/* The node's server, an error unless it is one. */
static ForeignServer *
node_server(Oid node)
{
	ForeignServer *server = GetForeignServerExtended(node, FSV_MISSING_OK);

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("node with OID %u does not exist", node),
				 errhint("It may have been dropped meanwhile: run the statement again.")));
	if (!trident_exchange_is_node(server))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a node", server->servername),
				 errdetail("It is not a server of postgres_fdw."),
				 errhint("Create a server with FOREIGN DATA WRAPPER postgres_fdw.")));
	return server;
}

/* Fill in what a connection is made with, in the current context. */
static void
fill_route(TridentExchangeRoute *route)
{
	ForeignServer *server = node_server(route->key.server);
	UserMapping *mapping = GetUserMapping(route->key.role, route->key.server);
	Options		options;

	route->timeout_ms = trident_exchange_route_timeout(trident_base_exchange_timeout);
	build_options(&options, server, mapping, route);
	options.keywords[options.n] = options.values[options.n] = NULL;
	route->keywords = palloc(sizeof(char *) * (options.n + 1));
	route->values = palloc(sizeof(char *) * (options.n + 1));
	memcpy(route->keywords, options.keywords, sizeof(char *) * (options.n + 1));
	memcpy(route->values, options.values, sizeof(char *) * (options.n + 1));
	route->name = server->servername;
	route->mapping = mapping->umid;
	route->place = hash_place(&options);
	route->nhosts = trident_exchange_hosts_count(options.keywords, options.values);
	route->settings.connect_timeout_ms = trident_base_exchange_connect_timeout;
	if (node_lookup)
		node_lookup(route->key.server, &route->settings);
}

TridentExchangeRoute *
trident_exchange_route_make(const TridentExchangeRouteKey *key)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "trident exchange route",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TridentExchangeRoute *route = palloc0(sizeof(TridentExchangeRoute));

	route->key = *key;
	route->context = context;
	route->generation = generation;
	dlist_init(&route->waiting);
	fill_route(route);
	MemoryContextSwitchTo(old);

	/* an error before this leaves the context to the caller's */
	MemoryContextSetParent(context, TopMemoryContext);
	return route;
}

bool
trident_exchange_route_equal(const TridentExchangeRoute *a, const TridentExchangeRoute *b)
{
	int			i;

	if (a->mapping != b->mapping || a->needs_password != b->needs_password ||
		a->settings.has_uuid != b->settings.has_uuid ||
		memcmp(&a->settings.uuid, &b->settings.uuid, sizeof(pg_uuid_t)) != 0)
		return false;
	for (i = 0; a->keywords[i] && b->keywords[i]; i++)
	{
		if (strcmp(a->keywords[i], b->keywords[i]) != 0 ||
			strcmp(a->values[i], b->values[i]) != 0)
			return false;
	}
	return a->keywords[i] == NULL && b->keywords[i] == NULL;
}

/* Did this transaction write the row?  Drops the reference to it. */
static bool
is_mine(HeapTuple row)
{
	bool		written;

	if (!HeapTupleIsValid(row))
		return false;
	written = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(row->t_data));
	ReleaseSysCache(row);
	return written;
}

bool
trident_exchange_route_is_mine(Oid server, Oid role)
{
	HeapTuple	mapping;

	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return false;
	mapping = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(role),
							  ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(mapping))
		mapping = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								  ObjectIdGetDatum(server));
	return is_mine(mapping) ||
		is_mine(SearchSysCache1(FOREIGNSERVEROID, ObjectIdGetDatum(server)));
}

void
trident_exchange_route_free(TridentExchangeRoute *route)
{
	MemoryContextDelete(route->context);
}

int
trident_exchange_route_timeout(long remaining_ms)
{
	static const int steps[] = {
		100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000,
		300000, 600000, 1800000, 3600000
	};

	/* later than the deadline, which is ours to notice */
	remaining_ms += remaining_ms / 10 + 20;
	for (int i = 0; i < (int) lengthof(steps); i++)
	{
		if (remaining_ms <= steps[i])
			return steps[i];
	}
	return (int) Min(remaining_ms, INT_MAX);
}

void
trident_exchange_node_invalidate(Oid node)
{
	Relation	rel = table_open(ForeignServerRelationId, AccessShareLock);
	HeapTuple	tuple = SearchSysCache1(FOREIGNSERVEROID, ObjectIdGetDatum(node));

	if (HeapTupleIsValid(tuple))
	{
		CacheInvalidateHeapTuple(rel, tuple, NULL);
		ReleaseSysCache(tuple);
	}
	table_close(rel, AccessShareLock);
}
