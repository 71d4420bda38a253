/*
 * check.c
 *	  trident_node_check: is a node what it should be?
 *
 * Each node is connected to anew, with the user mapping of the caller, and
 * what it says of itself is compared with this database.  The findings come
 * as rows, one for each thing checked; where another function depends on them
 * the first that matters is raised as an error instead.
 *
 * What was seen is kept in trident.node_seen for the view.  The uuid of a
 * node that is reached for the first time is registered in
 * trident.node_setting: from then on the exchange talks to no other.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/sql.h"
#include "exchange/exchange.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_node_check);

#define NCOLUMNS 4

/* How a thing was found.  A flaw is told, but stops nobody. */
typedef enum Finding
{
	FOUND_GOOD,
	FOUND_FLAW,
	FOUND_BAD
} Finding;

/* The check of one node. */
typedef struct Check
{
	const char *name;
	Oid			server;
	int			needs;			/* TRIDENT_NODE_NEEDS_... */
	ReturnSetInfo *result;		/* NULL: bad findings are raised */
	bool		failed;
	bool		is_new;			/* it has a uuid, and none is registered */
} Check;

/* What this database is. */
typedef struct Own
{
	char	   *uuid;
	char	   *version;
	char	   *install_schema;
	char	   *system_identifier;
	char	   *collation;
	char	   *collation_version;
} Own;

/*
 * How text is compared, and by which version of what compares it.  Columns
 * have other names in other majors: so JSON.
 */
static const char *const collation_query =
"SELECT concat_ws(', ', 'LC_COLLATE ' || datcollate, 'LC_CTYPE ' || datctype,"
"  'provider ' || datlocprovider::text,"
"  'locale ' || coalesce(j->>'datlocale', j->>'daticulocale'), 'rules ' || (j->>'daticurules')),"
" coalesce(pg_database_collation_actual_version(oid), 'none')"
" FROM (SELECT d.*, to_jsonb(d) AS j FROM pg_database d WHERE d.datname = current_database()) d";

/* Note what was found of one thing; bad and raising, it does not return. */
static void
found(Check *check, const char *checked, Finding finding, char *detail)
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};
	NameData	name;

	if (finding == FOUND_BAD)
		check->failed = true;
	if (check->result == NULL)
	{
		if (finding == FOUND_BAD)
			ereport(ERROR,
					(errcode(TRIDENT_ERRCODE_EXCHANGE_HANDSHAKE),
					 errmsg("node \"%s\" cannot be used: %s", check->name, checked),
					 errdetail_internal("%s", detail),
					 errhint("See to it, then ask trident_node_check() about the node.")));
		return;
	}
	namestrcpy(&name, check->name);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(checked);
	values[2] = BoolGetDatum(finding == FOUND_GOOD);
	values[3] = CStringGetTextDatum(detail);
	tuplestore_putvalues(check->result->setResult, check->result->setDesc,
						 values, nulls);
}

/* Does it agree with this database?  what_to_do ends in a period. */
static void
compare(Check *check, const char *checked, Finding otherwise,
		const char *there, const char *here, const char *what_to_do)
{
	if (strcmp(there, here) == 0)
		found(check, checked, FOUND_GOOD, pstrdup(there));
	else
		found(check, checked, otherwise,
			  psprintf("\"%s\" there, \"%s\" here. %s", there, here, what_to_do));
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

static void
look_at_self(Own *own)
{
	TridentBaseSql sql;
	TridentBaseRows *rows;

	own->uuid = trident_node_own_uuid();
	trident_base_sql_begin_as_owner(&sql);
	rows = trident_base_sql_rows(
		"SELECT e.extversion, n.nspname,"
		"  c.system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())"
		" FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace, pg_control_system() c"
		" WHERE e.extname = 'trident'", 0, NULL);
	own->version = rows->value[0][0];
	own->install_schema = rows->value[0][1];
	own->system_identifier = rows->value[0][2];
	rows = trident_base_sql_rows(collation_query, 0, NULL);
	own->collation = rows->value[0][0];
	own->collation_version = rows->value[0][1];
	trident_base_sql_end(&sql);
}

/* The options that plain SQL is slow without. */
static void
check_server(Check *check)
{
	TridentBaseSql sql;
	char	   *missing;

	trident_base_sql_begin(&sql);
	missing = trident_base_sql_value(
		"SELECT string_agg(o || ' ''' || v || '''', ', ' ORDER BY o)"
		" FROM (VALUES ('extensions', 'trident'), ('fetch_size', '1000'), ('batch_size', '1000'),"
		"   ('async_capable', 'true')) AS w (o, v)"
		" WHERE o NOT IN (SELECT option_name FROM pg_foreign_server, pg_options_to_table(srvoptions)"
		"   WHERE srvname = $1)", 1, &check->name);
	if (missing)
		found(check, "server options", FOUND_FLAW,
			  psprintf("Plain SQL is slow without: ALTER SERVER %s OPTIONS (ADD %s).",
					   quote_identifier(check->name), missing));
	else
		found(check, "server options", FOUND_GOOD, "as trident_node_add() sets them");
	trident_base_sql_end(&sql);
}

/* Who it is: not us, nobody else, and the one that was registered. */
static void
check_identity(Check *check, const Own *own, const TridentExchangeFacts *facts)
{
	TridentBaseSql sql;
	char	   *there;
	char	   *registered;
	char	   *twin;
	const char *args[2];

	if (!facts->has_uuid)
	{
		found(check, "identity", FOUND_BAD,
			  "It has no uuid. Grant its role SELECT on trident.node_identity there.");
		return;
	}
	there = uuid_text(&facts->uuid);
	args[0] = check->name;
	args[1] = there;
	trident_base_sql_begin_as_owner(&sql);
	registered = trident_base_sql_value(
		"SELECT uuid FROM trident.node_setting WHERE node = $1::name", 1, args);
	twin = trident_base_sql_value(
		"SELECT node FROM trident.node_setting WHERE uuid = $2::uuid AND node <> $1::name"
		" ORDER BY node LIMIT 1", 2, args);
	trident_base_sql_end(&sql);

	if (strcmp(there, own->uuid) == 0)
		found(check, "identity", FOUND_BAD,
			  psprintf("It is %s, as is this database. If it is a copy of it, run trident_node_new_identity() there; if it is the same, name it local.", there));
	else if (twin)
		found(check, "identity", FOUND_BAD,
			  psprintf("It is %s, as is node \"%s\". If it is a copy, run trident_node_new_identity() there; if both are the same, remove one.", there, twin));
	else if (registered && strcmp(registered, there) != 0)
		found(check, "identity", FOUND_BAD,
			  psprintf("It is %s, but %s is registered. If it is the right one, run UPDATE trident.node_setting SET uuid = NULL WHERE node = %s.",
					   there, registered, quote_literal_cstr(check->name)));
	else
	{
		check->is_new = registered == NULL;
		found(check, "identity", FOUND_GOOD, there);
	}
}

static void
check_facts(Check *check, const Own *own, const TridentExchangeFacts *facts)
{
	char	   *system = psprintf(UINT64_FORMAT "/%u", facts->system_identifier,
								  facts->database);

	found(check, "connection", FOUND_GOOD,
		  psprintf("connected in %.1f ms", facts->connect_ms));
	found(check, "server version",
		  facts->server_version_num >= 150000 ? FOUND_GOOD : FOUND_BAD,
		  psprintf("%d.%d", facts->server_version_num / 10000,
				   facts->server_version_num % 10000));
	if (facts->extension_version[0] == '\0')
	{
		found(check, "extension", FOUND_BAD,
			  "It has no extension trident. Run CREATE EXTENSION trident there.");
		return;
	}
	compare(check, "extension", FOUND_BAD, facts->extension_version, own->version,
			"Bring both to one version with ALTER EXTENSION trident UPDATE.");
	compare(check, "install schema", FOUND_BAD, facts->install_schema,
			own->install_schema,
			"Create the extension in the same schema on all nodes.");
	compare(check, "encoding", FOUND_BAD, facts->encoding,
			GetDatabaseEncodingName(),
			"All nodes need databases of one encoding.");
	check_identity(check, own, facts);
	/* Equal, it is a physical copy; its identity, checked above, is its own. */
	found(check, "database", FOUND_GOOD,
		  psprintf("system %s%s", system,
				   strcmp(system, own->system_identifier) == 0 ? ", as here" : ""));
	if (!facts->in_recovery)
		found(check, "recovery", FOUND_GOOD, "a primary");
	else
		found(check, "recovery",
			  check->needs & TRIDENT_NODE_NEEDS_WRITES ? FOUND_BAD : FOUND_GOOD,
			  "A standby: it serves reads only.");
}

/* May the role make shards there?  The reply: its name, and whether it may. */
static void
check_shards(Check *check, const TridentExchangeReply *reply)
{
	const char *name = trident_exchange_text(reply, 0, 0);
	const char *role = quote_identifier(name);

	if (strcmp(trident_exchange_text(reply, 0, 1), "t") == 0)
		found(check, "shards", FOUND_GOOD, psprintf("role \"%s\" may create them", name));
	else
		found(check, "shards",
			  check->needs & TRIDENT_NODE_NEEDS_WRITES ? FOUND_BAD : FOUND_FLAW,
			  psprintf("Role %s may not create them: run there CREATE SCHEMA IF NOT EXISTS trident_shard and GRANT USAGE, CREATE ON SCHEMA trident_shard TO %s.",
					   role, role));
}

/* Does it compare text alike? */
static void
check_collation(Check *check, const Own *own, const TridentExchangeReply *reply)
{
	compare(check, "collation",
			check->needs & TRIDENT_NODE_NEEDS_COLLATION ? FOUND_BAD : FOUND_FLAW,
			trident_exchange_text(reply, 0, 0), own->collation,
			"Keys of type text need nodes that sort and compare text alike.");
	compare(check, "collation version", FOUND_FLAW,
			trident_exchange_text(reply, 0, 1), own->collation_version,
			"Text may be sorted in another order: bring the systems of both to one version.");
}

/* What is asked in SQL: over a session, which no open breaker holds off. */
static void
check_database(Check *check, const Own *own)
{
	TridentExchangeCall collation = {
		.sql = collation_query,
		.purpose = "node check"
	};
	TridentExchangeCall shards = {
		.sql = "SELECT current_user, CASE WHEN n.oid IS NULL"
		"  THEN has_database_privilege(current_database(), 'CREATE')"
		"  ELSE has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE') END"
		" FROM (SELECT) x LEFT JOIN pg_namespace n ON n.nspname = 'trident_shard'",
		.purpose = "node check"
	};
	TridentExchangeReply error;
	const TridentExchangeReply *reply;
	TridentExchangeSession *session =
		trident_exchange_session_try(check->server, 0, 0, &error);

	if (session == NULL)
	{
		found(check, "session", FOUND_BAD, pstrdup(error.message));
		return;
	}
	reply = trident_exchange_session_exec(session, &collation, 0);
	if (reply->ok)
		check_collation(check, own, reply);
	else
		found(check, "collation", FOUND_BAD, pstrdup(reply->message));
	reply = trident_exchange_session_exec(session, &shards, 0);
	if (reply->ok)
		check_shards(check, reply);
	else
		found(check, "shards", FOUND_BAD, pstrdup(reply->message));
	trident_exchange_session_close(session);
}

/* Register a node that is seen for the first time. */
static void
register_uuid(const Check *check, const TridentExchangeFacts *facts)
{
	const char *args[] = {check->name, uuid_text(&facts->uuid)};
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run(
		"INSERT INTO trident.node_setting AS n (node, uuid) VALUES ($1::name, $2::uuid)"
		" ON CONFLICT (node) DO UPDATE SET uuid = EXCLUDED.uuid WHERE n.uuid IS NULL",
		2, args);
	trident_base_sql_end(&sql);
}

/* Keep what was seen. */
static void
remember(const Check *check, const TridentExchangeFacts *facts, const char *error)
{
	const char *args[7] = {check->name};
	TridentBaseSql sql;

	if (facts)
	{
		args[1] = facts->has_uuid ? uuid_text(&facts->uuid) : NULL;
		args[2] = psprintf("%d.%d", facts->server_version_num / 10000,
						   facts->server_version_num % 10000);
		args[3] = facts->extension_version;
		args[4] = facts->in_recovery ? "true" : "false";
		args[5] = psprintf("%.3f", facts->connect_ms);
	}
	args[6] = error ? error : check->failed ? "trident_node_check() found what cannot be" : NULL;

	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run(
		"INSERT INTO trident.node_seen AS s"
		" VALUES ($1::name, $2::uuid, $3, $4, $5::boolean, $6::float8,"
		"  CASE WHEN $3 IS NOT NULL THEN clock_timestamp() END, clock_timestamp(), $7)"
		" ON CONFLICT (node) DO UPDATE SET uuid = coalesce(EXCLUDED.uuid, s.uuid),"
		"  server_version = coalesce(EXCLUDED.server_version, s.server_version),"
		"  trident_version = coalesce(EXCLUDED.trident_version, s.trident_version),"
		"  in_recovery = coalesce(EXCLUDED.in_recovery, s.in_recovery),"
		"  connect_ms = EXCLUDED.connect_ms,"
		"  seen_at = coalesce(EXCLUDED.seen_at, s.seen_at),"
		"  checked_at = EXCLUDED.checked_at, error = EXCLUDED.error",
		7, args);
	trident_base_sql_end(&sql);
}

/*
 * All about one node.  Where it is checked for a function that may take hours
 * to commit, nothing is written that others would wait for.
 */
static void
check_node(Check *check, const Own *own)
{
	TridentExchangeFacts facts;
	TridentExchangeReply error;

	check_server(check);
	if (!trident_exchange_facts(check->server, 0, &facts, &error))
	{
		if (check->result == NULL)
			trident_exchange_raise(ERROR, &error);
		found(check, "connection", FOUND_BAD,
			  error.detail ? psprintf("%s (%s)", error.message, error.detail) :
			  pstrdup(error.message));
		if (!RecoveryInProgress())
			remember(check, NULL, error.message);
		return;
	}
	check_facts(check, own, &facts);
	if (!check->failed)
		check_database(check, own);
	if (RecoveryInProgress())
		return;
	if (check->result)
		remember(check, &facts, NULL);
	if (check->is_new && !check->failed)
		register_uuid(check, &facts);
}

void
trident_node_require(List *names, int needs)
{
	Own			own;
	ListCell   *lc;

	look_at_self(&own);
	foreach(lc, names)
	{
		Check		check = {.name = lfirst(lc), .needs = needs};

		if (trident_node_is_local(check.name))
			continue;
		check.server = trident_node_server(check.name);
		check_node(&check, &own);
	}
}

/* A mapping is what the user forgets: say so before anything else. */
static bool
has_mapping(Check *check)
{
	const char *args[] = {check->name, GetUserNameFromId(GetUserId(), false)};
	TridentBaseSql sql;
	char	   *mapping;

	trident_base_sql_begin(&sql);
	mapping = trident_base_sql_value(
		"SELECT 1 FROM pg_user_mappings WHERE srvname = $1 AND (umuser = 0 OR usename = $2)",
		2, args);
	trident_base_sql_end(&sql);
	if (mapping == NULL)
		found(check, "user mapping", FOUND_BAD,
			  psprintf("Role %s has none: CREATE USER MAPPING FOR %s SERVER %s OPTIONS (user '...', password '...').",
					   args[1], quote_identifier(args[1]), quote_identifier(check->name)));
	else
		found(check, "user mapping", FOUND_GOOD, psprintf("for %s", args[1]));
	return mapping != NULL;
}

Datum
trident_node_check(PG_FUNCTION_ARGS)
{
	const char *name = PG_ARGISNULL(0) ? NULL : NameStr(*PG_GETARG_NAME(0));
	TridentBaseRows *nodes;
	TridentBaseSql sql;
	Own			own;

	if (name && !OidIsValid(trident_node_server(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the local node needs no check"),
				 errhint("Name another node; \\des in psql lists the servers.")));
	InitMaterializedSRF(fcinfo, 0);
	trident_base_sql_begin(&sql);
	nodes = trident_base_sql_rows(
		"SELECT s.srvname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw"
		" WHERE w.fdwname = 'postgres_fdw' AND s.srvname = coalesce($1, s.srvname)"
		"  AND ($1 IS NOT NULL OR has_server_privilege(s.oid, 'USAGE'))"
		" ORDER BY 1", 1, &name);
	trident_base_sql_end(&sql);

	look_at_self(&own);
	for (int i = 0; i < nodes->nrows; i++)
	{
		Check		check = {
			.name = nodes->value[i][0],
			.server = trident_node_server(nodes->value[i][0]),
			.result = (ReturnSetInfo *) fcinfo->resultinfo
		};

		if (has_mapping(&check))
			check_node(&check, &own);
	}
	return (Datum) 0;
}
