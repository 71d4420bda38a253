/*
 * add.c
 *	  Nodes come and go: trident_node_add, trident_node_remove; and who this
 *	  one is.
 *
 * A node is a server of postgres_fdw, so that plain SQL reaches it and
 * pg_dump keeps it; these functions issue that DDL with the rights of the
 * caller.  Only trident.node_setting and its like are written as the owner of
 * the extension.  No password passes through here: user mappings are made by
 * the user, in a statement of their own.
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "base/sql.h"
#include "exchange/exchange.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_node_add);
PG_FUNCTION_INFO_V1(trident_node_remove);
PG_FUNCTION_INFO_V1(trident_node_new_identity);

bool
trident_node_is_local(const char *name)
{
	return strcmp(name, TRIDENT_NODE_LOCAL) == 0;
}

Oid
trident_node_server(const char *name)
{
	ForeignServer *server;
	AclResult	acl;

	if (trident_node_is_local(name))
		return InvalidOid;
	server = GetForeignServerByName(name, true);
	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("node \"%s\" does not exist", name),
				 errhint("Add it with trident_node_add(), or name another; \\des in psql lists the servers.")));
	if (!trident_exchange_is_node(server))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a node", name),
				 errdetail("It is not a server of postgres_fdw."),
				 errhint("Name a server of postgres_fdw; \\des in psql lists them.")));
	acl = TridentServerAclCheck(server->serverid, GetUserId(), ACL_USAGE);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FOREIGN_SERVER, name);
	return server->serverid;
}

char *
trident_node_own_uuid(void)
{
	TridentBaseSql sql;
	char	   *uuid;

	trident_base_sql_begin_as_owner(&sql);
	uuid = trident_base_sql_value("SELECT uuid FROM trident.node_identity", 0, NULL);
	trident_base_sql_end(&sql);
	if (uuid == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this node has no identity"),
				 errhint("Insert a row into trident.node_identity, with gen_random_uuid() as its uuid.")));
	return uuid;
}

/* An error unless the wrapper is there and the name is free for a node. */
static void
check_new_name(const char *name)
{
	if (GetForeignDataWrapperByName("postgres_fdw", true) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("foreign-data wrapper \"postgres_fdw\" does not exist"),
				 errdetail("A node is a server of that wrapper."),
				 errhint("Create it with CREATE EXTENSION postgres_fdw.")));
	trident_node_check_name(name);
}

/*
 * An error if an option belongs to a user, with no word about its value: what
 * is refused further down would appear in the context of the error.
 */
static void
refuse_secrets(const char *options)
{
	char	   *name;

	if (options == NULL)
		return;
	name = trident_base_sql_value(
		"SELECT key FROM jsonb_each($1::jsonb) WHERE key ~* 'pass|secret|token|^user$|^sslkey$|^sslcert$'"
		" ORDER BY key LIMIT 1", 1, (const char *const[]) {options});
	if (name)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"%s\" does not belong to a node", name),
				 errdetail("Everybody can read the options of a server."),
				 errhint("Give it to CREATE USER MAPPING.")));
}

/* Run a statement; an error's context does not repeat it. */
static void
run_unquoted(const char *statement)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		trident_base_sql_run(statement, 0, NULL);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		error->context = NULL;
		ReThrowError(error);
	}
	PG_END_TRY();
}

/* The text of argument n, NULL if it is NULL. */
static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static char *
integer_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : psprintf("%d", PG_GETARG_INT32(n));
}

static char *
name_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(n)));
}

Datum
trident_node_add(PG_FUNCTION_ARGS)
{
	const char *args[] = {
		name_argument(fcinfo, 0),	/* name */
		text_argument(fcinfo, 1),	/* host */
		integer_argument(fcinfo, 2),	/* port */
		name_argument(fcinfo, 3),	/* dbname */
		integer_argument(fcinfo, 4),	/* fetch_size */
		integer_argument(fcinfo, 5),	/* batch_size */
		PG_ARGISNULL(7) ? NULL :
		DatumGetCString(DirectFunctionCall1(jsonb_out, PG_GETARG_DATUM(7)))
	};
	const char *settings[] = {args[0], integer_argument(fcinfo, 6)};
	TridentBaseSql sql;
	text	   *mapping;
	MemoryContext caller = CurrentMemoryContext;

	if (args[0] == NULL || args[1] == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name and host of a node must not be null"),
				 errhint("Name the node, and the host that its server listens on.")));
	check_new_name(args[0]);

	trident_base_sql_begin(&sql);
	refuse_secrets(args[6]);
	run_unquoted(trident_base_sql_value(
		"SELECT format('CREATE SERVER %I FOREIGN DATA WRAPPER postgres_fdw OPTIONS (%s)',"
		"  $1, string_agg(format('%I %L', key, value), ', ' ORDER BY key))"
		" FROM jsonb_each_text(jsonb_strip_nulls(jsonb_build_object("
		"  'host', $2, 'port', $3, 'dbname', $4, 'fetch_size', $5, 'batch_size', $6,"
		"  'async_capable', 'true', 'parallel_commit', 'true', 'extensions', 'trident'))"
		"  || coalesce($7::jsonb, '{}'))", 7, args));
	mapping = cstring_to_text(trident_base_sql_format(
		"CREATE USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS (user '...', password '...');",
		args[0]));
	mapping = memcpy(MemoryContextAlloc(caller, VARSIZE(mapping)), mapping,
					 VARSIZE(mapping));
	trident_base_sql_end(&sql);

	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run("DELETE FROM trident.node_seen WHERE node = $1::name", 1, args);
	trident_base_sql_run(
		"INSERT INTO trident.node_setting (node, pool_size) VALUES ($1::name, $2::integer)"
		" ON CONFLICT (node) DO UPDATE SET uuid = NULL, pool_size = EXCLUDED.pool_size, added_at = now()",
		2, settings);
	trident_base_sql_end(&sql);

	ereport(NOTICE,
			(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("node \"%s\" needs a user mapping for each role that is to use it", args[0]),
			 errhint("Run the statement returned, completed, and then trident_node_check(). "
					 "Before it, SET log_statement = 'none' and log_min_error_statement = 'panic' keep the password out of the log.")));
	PG_RETURN_TEXT_P(mapping);
}

/* An error if somebody still needs the node. */
static void
refuse_used(const char *name)
{
	char	   *tables;
	char	   *leftovers;

	tables = trident_base_sql_value(
		"SELECT string_agg(name, ', ') FROM"
		" (SELECT DISTINCT coalesce(i.inhparent::regclass, f.ftrelid::regclass)::text AS name"
		"  FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver"
		"   LEFT JOIN pg_inherits i ON i.inhrelid = f.ftrelid"
		"  WHERE s.srvname = $1 ORDER BY 1 LIMIT 5) t", 1, &name);
	if (tables)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot remove node \"%s\" because tables have parts there", name),
				 errdetail("Among them are %s.", tables),
				 errhint("Move their shards with trident_collection_move_shard(), or use trident_collection_undistribute().")));
	leftovers = trident_base_sql_value(
		"SELECT count(*) FROM trident.collection_leftover WHERE node = $1::name"
		" HAVING count(*) > 0", 1, &name);
	if (leftovers)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot remove node \"%s\" because dropped shards are still there", name),
				 errdetail("They are %s.", leftovers),
				 errhint("Run trident_collection_cleanup().")));
}

Datum
trident_node_remove(PG_FUNCTION_ARGS)
{
	const char *name = NameStr(*PG_GETARG_NAME(0));
	TridentBaseRows *mappings;
	TridentBaseSql sql;

	if (!OidIsValid(trident_node_server(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot remove the local node"),
				 errhint("Name a server of postgres_fdw; \\des in psql lists them.")));

	trident_base_sql_begin_as_owner(&sql);
	refuse_used(name);
	trident_base_sql_run("DELETE FROM trident.node_seen WHERE node = $1::name", 1, &name);
	trident_base_sql_run("DELETE FROM trident.node_setting WHERE node = $1::name", 1, &name);
	trident_base_sql_end(&sql);

	trident_base_sql_begin(&sql);
	mappings = trident_base_sql_rows(
		"SELECT CASE umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(usename) END"
		" FROM pg_user_mappings WHERE srvname = $1", 1, &name);
	for (int i = 0; i < mappings->nrows; i++)
		trident_base_sql_run(trident_base_sql_format("DROP USER MAPPING FOR %s SERVER %I",
													 mappings->value[i][0], name),
							 0, NULL);
	trident_base_sql_run(trident_base_sql_format("DROP SERVER %I", name), 0, NULL);
	trident_base_sql_end(&sql);
	PG_RETURN_VOID();
}

Datum
trident_node_new_identity(PG_FUNCTION_ARGS)
{
	TridentBaseSql sql;
	char	   *uuid;
	Datum		result;

	trident_base_sql_begin_as_owner(&sql);
	uuid = trident_base_sql_value(
		"UPDATE trident.node_identity SET uuid = gen_random_uuid(), created_at = now()"
		" RETURNING uuid", 0, NULL);
	trident_base_sql_end(&sql);
	if (uuid == NULL)
		elog(ERROR, "this node has no row in trident.node_identity");
	result = DirectFunctionCall1(uuid_in, CStringGetDatum(uuid));
	PG_RETURN_DATUM(result);
}
