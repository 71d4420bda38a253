/*
 * move.c
 *	  trident_collection_move_shard and trident_collection_undistribute:
 *	  shards change their node.
 *
 * A shard moves by a copy: a new table on the other node, the rows, the
 * indexes, then the leaf here is switched, and the old table is dropped after
 * the commit; until then it is recorded as a leftover.
 *
 * Locks: SHARE ROW EXCLUSIVE on the collection and its leaves here, which
 * holds off writers and DDL while readers go on, and ACCESS EXCLUSIVE for the
 * switch; whoever has read in a transaction and then writes may deadlock with
 * that, which the server finds.  SHARE on the old table on its node holds off
 * writers that come from other nodes, and goes over into the lock of DROP
 * TABLE, which is prepared before our commit or runs after it (commit.c): none
 * of them gets in between, to write a row that is dropped.  Where it runs after
 * our commit and fails, one can.  The rows are read by the transaction that holds that lock, with
 * a snapshot taken under it: not through the leaf, for postgres_fdw keeps the
 * one of its first use in our transaction.  That transaction would wait for
 * what ours has written there before: hence no transaction block.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/sql.h"
#include "collection/shard.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_collection_move_shard);
PG_FUNCTION_INFO_V1(trident_collection_undistribute);

static void
refuse_transaction_block(const char *what)
{
	if (IsTransactionBlock())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block", what),
				 errdetail("It locks shards on their nodes, and would wait for what the transaction has written there."),
				 errhint("Call it as a statement of its own.")));
}

/* Run local DDL, each statement a string made by psprintf. */
static void
run_here(const char *statement)
{
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	trident_base_sql_run(statement, 0, NULL);
	trident_base_sql_end(&sql);
}

/* Lock the collection and its leaves against writers, or against everybody. */
static void
lock_collection(const TridentCollection *collection, const char *mode)
{
	run_here(psprintf("LOCK TABLE %s IN %s MODE", collection->name, mode));
}

/* The collection, locked against writers, if it may be changed here. */
static TridentCollection *
open_for_change(Oid table)
{
	TridentCollection *collection;
	TridentBaseSql sql;

	trident_collection_refuse_old_snapshot();
	relation_close(trident_collection_open(table, ShareRowExclusiveLock), NoLock);
	collection = trident_collection_find(table, false);
	trident_collection_require_home(collection);
	lock_collection(collection, "SHARE ROW EXCLUSIVE");

	/* Holds off the cleanup, which would take new shards for leftovers. */
	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run("LOCK TABLE trident.collection IN ROW EXCLUSIVE MODE", 0, NULL);
	trident_base_sql_end(&sql);
	return collection;
}

/* How many rows the shard has, now that nobody writes to it any more. */
static uint64
lock_and_count(const TridentCollectionShard *shard)
{
	const char *table = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
	const TridentExchangeReply *reply;
	TridentCollectionLink *link;
	TridentBaseSql sql;
	char	   *count;

	if (!OidIsValid(shard->server))
	{
		trident_base_sql_begin(&sql);
		count = trident_base_sql_value(psprintf("SELECT count(*) FROM %s", table), 0, NULL);
		trident_base_sql_end(&sql);
		return strtoull(count, NULL, 10);
	}
	link = trident_collection_hold_link(shard->node);
	trident_collection_run(link, psprintf("LOCK TABLE %s IN SHARE MODE", table));
	reply = trident_collection_run(link, psprintf(
		"SELECT relispartition FROM pg_class WHERE oid = %s::regclass",
		quote_literal_cstr(table)));
	if (trident_exchange_text(reply, 0, 0)[0] == 't')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("shard %d is part of a collection attached on node \"%s\"",
						shard->number, shard->node),
				 errhint("Run trident_collection_detach() there first, and trident_collection_attach() afterwards.")));
	reply = trident_collection_run(link, psprintf("SELECT count(*) FROM %s", table));
	return strtoull(trident_exchange_text(reply, 0, 0), NULL, 10);
}

/* The rows of a shard, which is locked, into the new one. */
static uint64
copy_rows(const TridentCollection *collection, const TridentCollectionShard *shard,
		  TridentCollectionShard *target)
{
	const char *table = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
	List	   *columns;

	if (OidIsValid(shard->server))
		return trident_collection_stream_shard(collection, target,
											   trident_collection_hold_link(shard->node),
											   table);
	columns = trident_collection_columns(collection->oid);
	return trident_collection_stream(collection, list_make1(target),
									 psprintf("SELECT %s, %d FROM %s",
											  trident_collection_join_names(columns),
											  target->number, table),
									 columns, TRIDENT_COLLECTION_CONFLICT_ERROR);
}

/* Move one shard; returns its rows. */
static uint64
move(const TridentCollection *collection, TridentCollectionShard *shard,
	 const char *node)
{
	TridentCollectionShard *target =
		trident_collection_shard_new(collection, shard->number, node);
	List	   *targets = list_make1(target);
	bool		comes_here = !OidIsValid(target->server);
	const char *table = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
	uint64		counted;
	uint64		moved;
	char	   *comment;

	/* the leaf here has that name until the switch */
	if (comes_here)
		target->table = psprintf("new_%s", shard->table);
	counted = lock_and_count(shard);
	trident_collection_make_schema(targets);
	trident_collection_run_all(targets, list_make1(
		trident_collection_define_table(collection, target, collection->oid)));
	moved = copy_rows(collection, shard, target);
	if (moved != counted)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("shard %d changed while it was moved", shard->number),
				 errdetail("It has " UINT64_FORMAT " rows, of which " UINT64_FORMAT " were read.",
						   counted, moved),
				 errhint("Try again.")));
	trident_collection_run_all(targets, list_make1(
		trident_collection_define_indexes(collection, target, collection->oid)));
	TRIDENT_FAULT("collection-shard-copied");

	lock_collection(collection, "ACCESS EXCLUSIVE");
	run_here(psprintf("ALTER TABLE %s DETACH PARTITION %s", collection->name, table));
	run_here(psprintf("DROP %s TABLE %s", OidIsValid(shard->server) ? "FOREIGN" : "", table));
	if (comes_here)
	{
		run_here(psprintf("ALTER TABLE %s RENAME TO %s",
						  quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, target->table),
						  quote_identifier(shard->table)));
		target->table = shard->table;
	}
	trident_collection_attach_leaf(collection, target);

	if (OidIsValid(shard->server))
	{
		trident_collection_leave(collection, shard);
		trident_collection_after_commit(trident_collection_hold_link(shard->node),
										psprintf("DROP TABLE IF EXISTS %s", table));
	}
	comment = trident_collection_define_comment(collection, target, false);
	if (OidIsValid(target->server))
		trident_collection_after_commit(trident_collection_shard_link(targets, target),
										comment);
	else
		run_here(comment);
	*shard = *target;
	return moved;
}

Datum
trident_collection_move_shard(PG_FUNCTION_ARGS)
{
	int			number = PG_GETARG_INT32(1);
	char	   *node = NameStr(*PG_GETARG_NAME(2));
	TridentCollection *collection;
	TridentCollectionShard *shard = NULL;
	uint64		moved;
	ListCell   *lc;

	refuse_transaction_block("trident_collection_move_shard()");
	collection = open_for_change(PG_GETARG_OID(0));
	foreach(lc, collection->shards)
	{
		if (((TridentCollectionShard *) lfirst(lc))->number == number)
			shard = lfirst(lc);
	}
	if (shard == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("collection %s has no shard %d", collection->name, number),
				 errhint("Its shards are numbered from 0 to %d.", collection->modulus - 1)));
	if (trident_node_server(node) == shard->server)
		PG_RETURN_INT64(0);
	trident_node_require(list_make1(node), trident_collection_needs(collection));
	trident_collection_set_quiet(true);
	moved = move(collection, shard, node);
	trident_collection_set_quiet(false);
	PG_RETURN_INT64(moved);
}

Datum
trident_collection_undistribute(PG_FUNCTION_ARGS)
{
	TridentCollection *collection;
	uint64		moved = 0;
	ListCell   *lc;

	refuse_transaction_block("trident_collection_undistribute()");
	collection = open_for_change(PG_GETARG_OID(0));
	lock_collection(collection, "ACCESS EXCLUSIVE");
	trident_collection_set_quiet(true);
	foreach(lc, collection->shards)
	{
		TridentCollectionShard *shard = lfirst(lc);
		const char *table;

		if (OidIsValid(shard->server))
			moved += move(collection, shard, TRIDENT_NODE_LOCAL);
		table = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
		run_here(psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS trident_shard_number", table));
		run_here(psprintf("COMMENT ON TABLE %s IS NULL", table));
	}
	run_here(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", collection->name,
					  trident_collection_join_names(collection->key)));
	trident_collection_unregister(collection->oid);
	trident_collection_set_quiet(false);
	TRIDENT_FAULT("collection-undistributed");
	PG_RETURN_INT64(moved);
}
