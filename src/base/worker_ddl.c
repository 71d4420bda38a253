/*
 * worker_ddl.c
 *	  What commands on databases and extensions mean to workers.
 *
 * PostgreSQL lets nobody drop, rename, move or copy a database that somebody
 * is connected to, so before such a command workers of that database stop, and
 * stay so while it runs.  The same before the extension is dropped or updated:
 * a worker would use objects that go away under it.  All other ways in which
 * an extension goes (DROP OWNED, DROP SCHEMA ... CASCADE) meet the same at the
 * moment of the drop, by the object access hook; creating one, or a
 * database, has the launcher look at the database once that is committed.
 *
 * Only who may run the command has workers stopped; the command itself then
 * tells the others why they may not.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "base/worker_entry.h"

/* How long a command waits for workers to end; the server waits on itself. */
#define STOP_MS 2000

static ProcessUtility_hook_type previous_utility_hook = NULL;
static object_access_hook_type previous_access_hook = NULL;

/* Stop what runs in a database and keep it stopped in this transaction. */
static void
stop_database(Oid database)
{
	trident_base_worker_hold(database, true);
	(void) trident_base_worker_stop(database, -1, STOP_MS);
}

/* May the user create databases? */
static bool
may_create_database(void)
{
	HeapTuple	tuple;
	bool		may;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(tuple))
		return false;
	may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return may;
}

/* May the user copy this one? */
static bool
may_copy_database(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		may;

	if (!HeapTupleIsValid(tuple))
		return false;
	may = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate ||
		TridentDatabaseOwner(database, GetUserId());
	ReleaseSysCache(tuple);
	return may;
}

/* For a command that its owner may run on a database. */
static void
before_owner_command(const char *name)
{
	Oid			database = get_database_oid(name, true);

	if (OidIsValid(database) && database != MyDatabaseId &&
		TridentDatabaseOwner(database, GetUserId()))
		stop_database(database);
}

static void
before_create_database(const CreatedbStmt *statement)
{
	const char *template = "template1";
	Oid			database;
	ListCell   *cell;

	foreach(cell, statement->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "template") == 0 && option->arg)
			template = defGetString(option);
	}
	database = get_database_oid(template, true);
	if (OidIsValid(database) && may_create_database() && may_copy_database(database))
		stop_database(database);
}

/* ALTER DATABASE ... SET TABLESPACE moves its files. */
static bool
moves_database(const AlterDatabaseStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->options)
		if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
			return true;
	return false;
}

/*
 * Transactions that trident has prepared here end only by the extension that
 * prepared them, and hold locks that a drop would wait for in vain.
 */
static void
check_prepared(void)
{
	char	   *gid = NULL;
	MemoryContext context = CurrentMemoryContext;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT gid FROM pg_catalog.pg_prepared_xacts"
					" WHERE database OPERATOR(pg_catalog.=) pg_catalog.current_database()"
					" AND pg_catalog.starts_with(gid, 'trident_') ORDER BY prepared",
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the prepared transactions");
	if (SPI_processed > 0)
		gid = MemoryContextStrdup(context,
								  SPI_getvalue(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 1));
	SPI_finish();
	if (gid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot drop extension \"trident\" while a transaction that it prepared is unresolved"),
				 errdetail("Transaction \"%s\" is prepared in this database.", gid),
				 errhint("Let it be resolved by the node that began it, or run ROLLBACK PREPARED %s.",
						 quote_literal_cstr(gid))));
}

/* The extension of this database is about to be dropped or changed. */
static void
before_extension_command(Oid extension, bool drops)
{
	if (!OidIsValid(extension) ||
		!TridentExtensionOwner(extension, GetUserId()))
		return;
	if (drops)
		check_prepared();
	stop_database(MyDatabaseId);
}

static bool
drops_trident(const DropStmt *statement)
{
	ListCell   *cell;

	if (statement->removeType != OBJECT_EXTENSION)
		return false;
	foreach(cell, statement->objects)
		if (strcmp(strVal(lfirst(cell)), "trident") == 0)
			return true;
	return false;
}

static void
before_command(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			before_owner_command(((DropdbStmt *) statement)->dbname);
			break;
		case T_CreatedbStmt:
			before_create_database((CreatedbStmt *) statement);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				before_owner_command(((RenameStmt *) statement)->subname);
			break;
		case T_AlterDatabaseStmt:
			if (moves_database((AlterDatabaseStmt *) statement))
				before_owner_command(((AlterDatabaseStmt *) statement)->dbname);
			break;
		case T_DropStmt:
			if (drops_trident((DropStmt *) statement))
				before_extension_command(trident_base_extension_oid(), true);
			break;
		case T_AlterExtensionStmt:
			if (strcmp(((AlterExtensionStmt *) statement)->extname, "trident") == 0)
				before_extension_command(trident_base_extension_oid(), false);
			break;
		default:
			break;
	}
}

static void
utility_hook(PlannedStmt *planned, const char *query, bool read_only_tree,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *environment, DestReceiver *dest,
			 QueryCompletion *completion)
{
	if (trident_base_worker_shared && IsTransactionState() && !RecoveryInProgress())
		before_command(planned->utilityStmt);
	if (previous_utility_hook)
		previous_utility_hook(planned, query, read_only_tree, context, params,
							  environment, dest, completion);
	else
		standard_ProcessUtility(planned, query, read_only_tree, context, params,
								environment, dest, completion);
}

/* An extension is dropped, or came into being. */
static void
extension_access(ObjectAccessType access, Oid extension)
{
	const char *name;

	if (access == OAT_POST_CREATE)
		trident_base_worker_hold(MyDatabaseId, false);
	if (access != OAT_DROP)
		return;
	/* by its name: its schema, a member, may be gone by now */
	name = get_extension_name(extension);
	if (name && strcmp(name, "trident") == 0)
		before_extension_command(extension, true);
}

static void
access_hook(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (previous_access_hook)
		previous_access_hook(access, class, object, sub, arg);
	if (trident_base_worker_shared == NULL)
		return;
	if (class == ExtensionRelationId)
		extension_access(access, object);
	else if (class == DatabaseRelationId && access == OAT_POST_CREATE)
		trident_base_worker_hold(object, false);
}

void
trident_base_worker_ddl_init(void)
{
	if (!trident_base_preloaded())
		return;
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = utility_hook;
	previous_access_hook = object_access_hook;
	object_access_hook = access_hook;
}
