/*
 * sync.c
 *	  trident_collection_sync, and the event triggers that keep the shards
 *	  what the table of the collection says.
 *
 * DDL on that table is done here by the server, and then on the shards by the
 * same comparison that trident_collection_sync() makes, in the same
 * transaction: what is added before the commit, what is removed after it.
 * What a comparison cannot tell, such as a column that got another name, is
 * refused.  DROP leaves the shards for trident_collection_cleanup(); what
 * would take a shard away from its collection is refused.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/event.h"
#include "base/fault.h"
#include "base/sql.h"
#include "collection/inventory.h"
#include "collection/shard.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_collection_sync);
PG_FUNCTION_INFO_V1(trident_collection_ddl_start);
PG_FUNCTION_INFO_V1(trident_collection_ddl_end);
PG_FUNCTION_INFO_V1(trident_collection_ddl_drop);

#define NCOLUMNS 3

/*
 * Collections of which the command at work drops an index; in
 * TopMemoryContext, since DROP INDEX CONCURRENTLY commits in between.
 */
static List *losing_index = NIL;

/* Tell what is done to a shard, if somebody wants to know. */
static void
tell(ReturnSetInfo *result, const TridentCollectionShard *shard, const char *action)
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};
	NameData	node;

	if (result == NULL)
		return;
	namestrcpy(&node, shard->node);
	values[0] = Int32GetDatum(shard->number);
	values[1] = NameGetDatum(&node);
	values[2] = CStringGetTextDatum(action);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* What the table of a remote shard consists of, in our transaction there. */
static List *
inventory_there(List *shards, const TridentCollectionShard *shard)
{
	TridentCollectionLink *link = trident_collection_shard_link(shards, shard);
	const char *values[1];
	TridentExchangeCall call = {
		.sql = trident_collection_inventory_query,
		.nparams = 1,
		.values = values,
		.purpose = "the definition of a shard"
	};
	const TridentExchangeReply *reply;

	values[0] = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
	reply = trident_exchange_session_exec(trident_collection_session(link), &call, 0);
	if (!reply->ok)
		trident_exchange_raise(ERROR, reply);
	return trident_collection_inventory_read(reply);
}

static void pg_attribute_noreturn()
refuse_partitions(const TridentCollection *collection)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot attach or detach partitions of distributed collection %s",
					collection->name),
			 errhint("Move shards with trident_collection_move_shard().")));
}

/* Was the row of that column written by this transaction? */
static bool
is_column_touched(Oid table, const char *column)
{
	HeapTuple	tuple = SearchSysCacheAttName(table, column);
	bool		touched = HeapTupleIsValid(tuple) &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return touched;
}

/*
 * The columns that ALTER TABLE has added, of char *.  What a shard has under
 * such a name is another column.
 */
static List *
added_columns(const TridentCollection *collection, const AlterTableStmt *alter)
{
	List	   *added = NIL;
	ListCell   *lc;

	foreach(lc, alter->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		/* one that was there before is not added IF NOT EXISTS */
		if (cmd->subtype == AT_AddColumn &&
			is_column_touched(collection->oid, castNode(ColumnDef, cmd->def)->colname))
			added = lappend(added, castNode(ColumnDef, cmd->def)->colname);
	}
	/* the server does that last, and the default that the rows got is gone */
	foreach(lc, alter->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_ColumnDefault && trident_collection_has_name(added, cmd->name))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot add column \"%s\" to the shards of %s and change its default in one command",
							cmd->name, collection->name),
					 errhint("Change the default in a second statement.")));
	}
	return added;
}

/* What earlier commands of this transaction left to take away is decided anew. */
static void
forget_removals(const TridentCollectionShard *shard, List *there)
{
	ListCell   *lc;

	foreach(lc, there)
	{
		char	   *removal = trident_collection_removal(shard, lfirst(lc));

		if (removal)
			trident_collection_forget_after(shard, removal);
	}
}

/*
 * Make all remote shards what the table is; local ones follow by themselves.
 * alter is the command that has changed it, if it was one.
 */
static void
sync_shards(const TridentCollection *collection, const AlterTableStmt *alter,
			ReturnSetInfo *result)
{
	List	   *wanted = trident_collection_inventory(collection->oid);
	List	   *shards = NIL;
	List	   *statements = NIL;
	List	   *added = NIL;
	ListCell   *lc;

	if (list_length(collection->shards) != collection->modulus)
		refuse_partitions(collection);
	foreach(lc, collection->shards)
	{
		if (OidIsValid(((TridentCollectionShard *) lfirst(lc))->server))
			shards = lappend(shards, lfirst(lc));
	}
	if (shards != NIL && alter)
		added = added_columns(collection, alter);
	foreach(lc, shards)
	{
		TridentCollectionShard *shard = lfirst(lc);
		List	   *there = inventory_there(shards, shard);
		List	   *before;
		List	   *after;
		ListCell   *s;

		trident_collection_repair(collection, shard, wanted, there, added,
								  &before, &after);
		forget_removals(shard, there);
		statements = lappend(statements, before);
		foreach(s, before)
			tell(result, shard, lfirst(s));
		foreach(s, after)
		{
			tell(result, shard, lfirst(s));
			trident_collection_after_commit(trident_collection_shard_link(shards, shard),
											lfirst(s));
		}
	}
	trident_collection_run_all(shards, statements);
	TRIDENT_FAULT("collection-synced");
}

/* Take over a collection that a dump brought here. */
static void
take_over(TridentCollection *collection)
{
	const char *args[] = {psprintf("%u", collection->oid), trident_node_own_uuid()};
	TridentBaseSql sql;

	if (strcmp(collection->node, args[1]) == 0)
		return;
	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run(
		"UPDATE trident.collection SET home = CASE WHEN home = node THEN $2::uuid ELSE home END,"
		" node = $2::uuid WHERE collection = $1::oid::regclass", 2, args);
	trident_base_sql_end(&sql);
	ereport(NOTICE,
			(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("collection %s was of node %s and is now of this one",
					collection->name, collection->node),
			 errhint("See that no other database still serves it.")));
}

/* New comments on the shards name the home that they have now. */
static void
rename_home(const TridentCollection *collection)
{
	List	   *statements = NIL;
	ListCell   *lc;

	foreach(lc, collection->shards)
		statements = lappend(statements,
							 list_make1(trident_collection_define_comment(collection, lfirst(lc),
																		  false)));
	trident_collection_run_all(collection->shards, statements);
}

Datum
trident_collection_sync(PG_FUNCTION_ARGS)
{
	Oid			table = PG_GETARG_OID(0);
	TridentCollection *collection;
	bool		came_by_dump;

	relation_close(trident_collection_open(table, ShareUpdateExclusiveLock), NoLock);
	InitMaterializedSRF(fcinfo, 0);
	collection = trident_collection_find(table, false);
	came_by_dump = strcmp(collection->node, trident_node_own_uuid()) != 0;
	take_over(collection);
	collection = trident_collection_find(table, false);
	if (strcmp(collection->home, collection->node) != 0)
	{
		trident_collection_reattach(collection);
		return (Datum) 0;
	}
	if (came_by_dump)
		rename_home(collection);
	sync_shards(collection, NULL, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}

/*
 * The collections whose tables, or indexes or constraints of those, the
 * command was about.  Rows: the table, and whether the command was about a
 * column by name.
 */
static const char *const touched_query =
"SELECT DISTINCT k.collection::oid, d.object_type = 'table column' AND d.command_tag = 'ALTER TABLE'"
" FROM pg_event_trigger_ddl_commands() d"
"  LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid"
"  LEFT JOIN pg_constraint o ON d.classid = 'pg_constraint'::regclass AND o.oid = d.objid"
"  JOIN trident.collection k ON k.collection IN (i.indrelid, o.conrelid)"
"   OR (d.classid = 'pg_class'::regclass AND k.collection = d.objid)"
" ORDER BY 1";

/* DDL was done on a table: on the shards as well, if it is a collection. */
static void
follow_ddl(Oid table, const EventTriggerData *event, bool renames_column)
{
	bool		is_alter = IsA(event->parsetree, AlterTableStmt);
	TridentCollection *collection = trident_collection_find(table, true);

	if (collection == NULL)
		return;
	/* Came by a dump, or is coming: the shards are those of another database. */
	if (strcmp(collection->node, trident_node_own_uuid()) != 0)
	{
		if (event->tag == CMDTAG_ALTER_TABLE)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("shards of collection %s do not follow, since they belong to another node",
							collection->name),
					 errhint("If this database replaces that one, run trident_collection_sync() to take the collection over.")));
		return;
	}
	trident_collection_require_home(collection);
	if (renames_column)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot rename a column of distributed collection %s",
						collection->name),
				 errhint("Use trident_collection_undistribute(), rename it, and distribute the collection again.")));
	sync_shards(collection, is_alter ? (AlterTableStmt *) event->parsetree : NULL, NULL);
}

/*
 * What will be dropped is known by name only before it is: an index tells its
 * table now or never.
 */
static void
note_indexes(const DropStmt *drop)
{
	ListCell   *lc;

	list_free(losing_index);
	losing_index = NIL;
	foreach(lc, drop->objects)
	{
		Oid			index = RangeVarGetRelid(makeRangeVarFromNameList(lfirst(lc)),
											 NoLock, true);
		Oid			table = OidIsValid(index) ? IndexGetRelation(index, true) : InvalidOid;
		MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);

		if (OidIsValid(table))
			losing_index = list_append_unique_oid(losing_index, table);
		MemoryContextSwitchTo(context);
	}
}

/* DETACH ... CONCURRENTLY has committed before the command ends. */
static void
refuse_detach(const AlterTableStmt *alter)
{
	Oid			table = RangeVarGetRelid(alter->relation, NoLock, true);
	TridentCollection *collection;
	ListCell   *lc;

	foreach(lc, alter->cmds)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype != AT_DetachPartition)
			continue;
		collection = trident_collection_find(table, true);
		if (collection)
			refuse_partitions(collection);
	}
}

Datum
trident_collection_ddl_start(PG_FUNCTION_ARGS)
{
	Node	   *statement = trident_base_event(fcinfo)->parsetree;

	if (IsA(statement, DropStmt))
		note_indexes((DropStmt *) statement);
	else if (IsA(statement, AlterTableStmt) && !trident_collection_is_quiet())
		refuse_detach((AlterTableStmt *) statement);
	PG_RETURN_NULL();
}

Datum
trident_collection_ddl_end(PG_FUNCTION_ARGS)
{
	TridentBaseRows *touched;
	TridentBaseSql sql;
	List	   *tables = list_copy(losing_index);
	ListCell   *lc;
	EventTriggerData *event = trident_base_event(fcinfo);

	list_free(losing_index);
	losing_index = NIL;
	if (trident_collection_is_quiet())
		PG_RETURN_NULL();
	if (event->tag == CMDTAG_DROP_INDEX)
	{
		foreach(lc, tables)
			follow_ddl(lfirst_oid(lc), event, false);
		PG_RETURN_NULL();
	}
	trident_base_sql_begin_as_owner(&sql);
	touched = trident_base_sql_rows(touched_query, 0, NULL);
	trident_base_sql_end(&sql);
	for (int i = 0; i < touched->nrows; i++)
		follow_ddl((Oid) strtoul(touched->value[i][0], NULL, 10), event,
				   touched->value[i][1][0] == 't');
	PG_RETURN_NULL();
}

/* The collections that were dropped. */
static const char *const dropped_query =
"SELECT k.collection::oid, k.id, k.shards, k.home = s.uuid, k.node = s.uuid"
" FROM pg_event_trigger_dropped_objects() d"
"  JOIN trident.collection k ON d.classid = 'pg_class'::regclass AND k.collection = d.objid AND d.objsubid = 0"
"  CROSS JOIN trident.node_identity s";

/*
 * The collections that are there, of which a column or constraint was dropped:
 * with what it depended on, or by ALTER TABLE.
 */
static const char *const reduced_query =
"SELECT DISTINCT k.collection::oid"
" FROM pg_event_trigger_dropped_objects() d"
"  JOIN pg_namespace n ON n.nspname = d.address_names[1]"
"  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = d.address_names[2]"
"  JOIN trident.collection k ON k.collection = c.oid"
" WHERE d.object_type IN ('table column', 'table constraint') ORDER BY 1";

/* Follow what took a part of a collection with it: no end of a command tells. */
static void
follow_cascade(const EventTriggerData *event)
{
	TridentBaseRows *reduced;
	TridentBaseSql sql;

	if (event->tag == CMDTAG_ALTER_TABLE)
		return;
	trident_base_sql_begin_as_owner(&sql);
	reduced = trident_base_sql_rows(reduced_query, 0, NULL);
	trident_base_sql_end(&sql);
	for (int i = 0; i < reduced->nrows; i++)
		follow_ddl((Oid) strtoul(reduced->value[i][0], NULL, 10), event, false);
}

/* Shards of a collection that was dropped stay until the cleanup. */
static void
leave_shards(char **row)
{
	const char *args[] = {row[0], row[1], row[2]};
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run(
		"INSERT INTO trident.collection_leftover (node, shard, collection)"
		" SELECT s.srvname, 'c' || translate($2, '-', '') || '_' || n, $2"
		" FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw,"
		"  generate_series(0, $3::integer - 1) n WHERE w.fdwname = 'postgres_fdw'"
		" ON CONFLICT DO NOTHING", 3, args);
	trident_base_sql_end(&sql);
	ereport(NOTICE,
			(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("the shards of the dropped collection are still on their nodes"),
			 errhint("Run trident_collection_cleanup() once this has committed.")));
}

/* An attached collection may not take the shards of its home with it. */
static void
refuse_drop_of_shards(void)
{
	TridentBaseSql sql;
	char	   *shard;

	trident_base_sql_begin(&sql);
	shard = trident_base_sql_value(
		"SELECT object_identity FROM pg_event_trigger_dropped_objects()"
		" WHERE object_type = 'table' AND schema_name = '" TRIDENT_COLLECTION_SCHEMA "' LIMIT 1", 0, NULL);
	trident_base_sql_end(&sql);
	if (shard)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop a collection that is attached here with a shard in it"),
				 errdetail("Shard %s belongs to the collection at its home.", shard),
				 errhint("Use trident_collection_detach().")));
}

/*
 * Leaves that are dropped of collections that are not, such as by DROP SERVER
 * ... CASCADE: who asks would get the rows of the others without a word.  A
 * leaf's name has the id of its collection.
 */
static const char *const lost_query =
"SELECT d.object_identity, k.collection FROM pg_event_trigger_dropped_objects() d"
"  JOIN trident.collection k"
"   ON d.object_name ~ ('^c' || translate(k.id::text, '-', '') || '_[0-9]+$')"
"  JOIN pg_class c ON c.oid = k.collection"
" WHERE d.object_type IN ('table', 'foreign table') AND d.schema_name = '" TRIDENT_COLLECTION_SCHEMA "'"
"  AND (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = c.oid) < k.shards"
" ORDER BY 1 LIMIT 1";

static void
refuse_lost_leaves(void)
{
	TridentBaseRows *lost;
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	lost = trident_base_sql_rows(lost_query, 0, NULL);
	trident_base_sql_end(&sql);
	if (lost->nrows > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop shard %s of distributed collection %s",
						lost->value[0][0], lost->value[0][1]),
				 errdetail("The collection would lack its rows."),
				 errhint("Move the shards of a node with trident_collection_move_shard(), or use trident_collection_undistribute() or DROP TABLE on the collection.")));
}

Datum
trident_collection_ddl_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *event = trident_base_event(fcinfo);
	TridentBaseRows *dropped;
	TridentBaseSql sql;

	if (trident_collection_is_quiet())
		PG_RETURN_NULL();
	refuse_lost_leaves();
	trident_base_sql_begin_as_owner(&sql);
	dropped = trident_base_sql_rows(dropped_query, 0, NULL);
	trident_base_sql_end(&sql);
	for (int i = 0; i < dropped->nrows; i++)
	{
		char	  **row = dropped->value[i];

		if (row[4][0] == 't' && row[3][0] == 't')
			leave_shards(row);
		else if (row[4][0] == 't')
			refuse_drop_of_shards();
		trident_collection_unregister((Oid) strtoul(row[0], NULL, 10));
	}
	follow_cascade(event);
	PG_RETURN_NULL();
}
