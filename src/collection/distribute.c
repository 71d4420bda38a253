/*
 * distribute.c
 *	  trident_collection_distribute: a table becomes a collection.
 *
 *		check		the table, the key, the nodes
 *		make		the tables of all shards, on their nodes
 *		move		the rows, all shards at once
 *		complete	keys and indexes of the shards, all nodes at once
 *		switch		partitions of the table: the shards instead of the rows
 *
 * Nobody sees any of it before the commit, which shard.h tells about.  The
 * table is locked against everybody meanwhile.  A plain table is replaced by
 * a partitioned one of the same name; a partitioned one stays what it is.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/sql.h"
#include "collection/shard.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_collection_distribute);

#define MAX_SHARDS 1024

/* What stands in the way, in words; $2 tells that the table is partitioned. */
static const char *const obstacle_query =
"SELECT string_agg(o, '; ') FROM ("
" SELECT 'constraint ' || quote_ident(conname) FROM pg_constraint"
"  WHERE conrelid = $1::oid AND contype IN ('u', 'x', 'f') AND conparentid = 0"
" UNION ALL SELECT 'unique index ' || i.indexrelid::regclass FROM pg_index i"
"  WHERE i.indrelid = $1::oid AND i.indisunique"
"   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)"
" UNION ALL SELECT 'trigger ' || quote_ident(tgname) FROM pg_trigger"
"  WHERE tgrelid = $1::oid AND NOT tgisinternal"
" UNION ALL SELECT 'rule ' || quote_ident(rulename) FROM pg_rewrite WHERE ev_class = $1::oid"
" UNION ALL SELECT 'publication ' || quote_ident(pubname) FROM pg_publication p"
"  JOIN pg_publication_rel r ON r.prpubid = p.oid WHERE r.prrelid = $1::oid"
" UNION ALL SELECT 'inheritance from ' || inhparent::regclass FROM pg_inherits"
"  WHERE inhrelid = $1::oid"
" UNION ALL SELECT 'partition ' || inhrelid::regclass || ', which is not a plain table'"
"  FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = $1::oid AND c.relkind <> 'r'"
" UNION ALL SELECT 'child table ' || inhrelid::regclass FROM pg_inherits"
"  WHERE inhparent = $1::oid AND $2 = 'r'"
" UNION ALL SELECT 'policy ' || quote_ident(polname) FROM pg_policy WHERE polrelid = $1::oid AND $2 = 'r'"
" UNION ALL SELECT 'row security' FROM pg_class"
"  WHERE oid = $1::oid AND (relrowsecurity OR relforcerowsecurity) AND $2 = 'r'"
" UNION ALL SELECT DISTINCT 'view ' || r.ev_class::regclass FROM pg_depend d"
"  JOIN pg_rewrite r ON r.oid = d.objid WHERE d.classid = 'pg_rewrite'::regclass"
"   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid AND r.ev_class <> $1::oid AND $2 = 'r'"
" UNION ALL SELECT 'system of partitions other than by hash of columns' FROM pg_partitioned_table"
"  WHERE partrelid = $1::oid AND (partstrat <> 'h' OR partexprs IS NOT NULL)"
" UNION ALL SELECT 'operator class ' || quote_ident(c.opcname) || ' of the partition key'"
"  FROM pg_partitioned_table p, unnest(p.partclass) k (oid) JOIN pg_opclass c ON c.oid = k.oid"
"  WHERE p.partrelid = $1::oid AND NOT c.opcdefault"
" UNION ALL SELECT 'another collation of ' || quote_ident(a.attname) || ' in the partition key'"
"  FROM pg_partitioned_table p, unnest(p.partattrs, p.partcollation) k (attnum, coll)"
"   JOIN pg_attribute a ON a.attnum = k.attnum"
"  WHERE p.partrelid = $1::oid AND a.attrelid = p.partrelid AND k.coll <> a.attcollation"
" UNION ALL SELECT 'column ' || quote_ident(attname) || ' of a temporary or pseudo type'"
"  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
"  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'p'"
") AS x (o)";

static void
check_table(Relation rel)
{
	const char *args[] = {
		psprintf("%u", RelationGetRelid(rel)),
		psprintf("%c", rel->rd_rel->relkind)
	};
	TridentBaseSql sql;
	char	   *text;

	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot distribute table \"%s\" because it is not permanent",
						RelationGetRelationName(rel)),
				 errhint("Make it permanent with ALTER TABLE ... SET LOGGED.")));
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot distribute table \"%s\" because its row security hides rows from you",
						RelationGetRelationName(rel)),
				 errhint("Let a role do it that row security does not apply to.")));

	trident_base_sql_begin(&sql);
	text = trident_base_sql_value(
		"SELECT string_agg(conrelid::regclass || ' (' || quote_ident(conname) || ')', ', ')"
		" FROM pg_constraint WHERE confrelid = $1::oid AND contype = 'f'", 1, args);
	if (text)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot distribute table \"%s\" because foreign keys reference it",
						RelationGetRelationName(rel)),
				 errdetail("They are of %s; a collection with shards on nodes has no key that they could reference.", text),
				 errhint("Drop those constraints first.")));
	text = trident_base_sql_value(obstacle_query, 2, args);
	if (text)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot distribute table \"%s\" as it is",
						RelationGetRelationName(rel)),
				 errdetail("It has %s.", text),
				 errhint("Drop what is listed, or distribute a copy of the table.")));
	trident_base_sql_end(&sql);
}

/* The primary key's columns; NIL without one. */
static List *
primary_key(Oid table)
{
	const char *args[] = {psprintf("%u", table)};
	List	   *names;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	names = trident_base_sql_list(
		"SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n)"
		" JOIN pg_attribute a ON a.attnum = k.attnum"
		" WHERE i.indrelid = $1::oid AND i.indisprimary AND a.attrelid = i.indrelid"
		" AND k.n <= i.indnkeyatts ORDER BY k.n", 1, args);
	trident_base_sql_end(&sql);
	return names;
}

/*
 * The key: as given, else the primary key; the columns that shards go by, if
 * the table does not say otherwise.
 */
static void
choose_key(TridentCollection *collection, Relation rel, List *key)
{
	List	   *columns = trident_collection_columns(collection->oid);
	ListCell   *lc;

	collection->key = key ? key : primary_key(collection->oid);
	if (collection->key == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" has no primary key", RelationGetRelationName(rel)),
				 errhint("Name the columns that identify a row as key.")));
	foreach(lc, collection->key)
	{
		char	   *name = lfirst(lc);

		if (!trident_collection_has_name(columns, name))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist or is generated",
							name, RelationGetRelationName(rel)),
					 errhint("Name columns of the table as key.")));
	}
	collection->hash_columns = trident_collection_join_names(collection->key);
	if (rel->rd_rel->relkind == RELKIND_RELATION)
		trident_collection_check_hash(collection->oid, collection->key);
}

/*
 * The partition key of a table that is partitioned already.  A key identifies
 * a row in all shards, as it does in one, only if it holds these columns.
 */
static void
take_partition_key(TridentCollection *collection)
{
	const char *args[] = {psprintf("%u", collection->oid)};
	List	   *hash;
	ListCell   *lc;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	hash = trident_base_sql_list(
		"SELECT a.attname FROM pg_partitioned_table p, unnest(p.partattrs) WITH ORDINALITY k (attnum, n)"
		" JOIN pg_attribute a ON a.attnum = k.attnum"
		" WHERE p.partrelid = $1::oid AND a.attrelid = p.partrelid ORDER BY k.n", 1, args);
	trident_base_sql_end(&sql);
	foreach(lc, hash)
	{
		char	   *name = lfirst(lc);

		if (!trident_collection_has_name(collection->key, name))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("the key lacks column \"%s\" of the partition key", name),
					 errdetail("A key is unique in all shards only if equal keys are in one shard."),
					 errhint("Name the columns of the partition key in key too.")));
	}
	trident_collection_check_hash(collection->oid, hash);
	collection->hash_columns = trident_collection_join_names(hash);
}

int
trident_collection_needs(const TridentCollection *collection)
{
	ListCell   *lc;

	foreach(lc, collection->key)
	{
		AttrNumber	column = get_attnum(collection->oid, lfirst(lc));
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(collection->oid, column, &type, &typmod, &collation);
		if (OidIsValid(collation))
			return TRIDENT_NODE_NEEDS_WRITES | TRIDENT_NODE_NEEDS_COLLATION;
	}
	return TRIDENT_NODE_NEEDS_WRITES;
}

/* The shards, dealt to the nodes in turn. */
static void
deal_shards(TridentCollection *collection, List *nodes, int n)
{
	collection->modulus = n;
	for (int i = 0; i < n; i++)
	{
		const char *node = list_nth(nodes, i % list_length(nodes));

		collection->shards = lappend(collection->shards,
									 trident_collection_shard_new(collection, i, node));
	}
}

/*
 * Lock the partitions as well: who deletes from one itself needs no lock on
 * the table, and the rows would come back.
 */
static void
lock_partitions(const TridentCollection *collection)
{
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	trident_base_sql_run(psprintf("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE",
								  collection->name), 0, NULL);
	trident_base_sql_end(&sql);
}

/* Make the shards, with the rows and the indexes of a table. */
static uint64
fill_shards(TridentCollection *collection, const char *source)
{
	List	   *columns = trident_collection_columns(collection->oid);
	List	   *statements = NIL;
	char	   *query;
	ListCell   *lc;
	uint64		moved;
	char	   *counted;
	TridentBaseSql sql;

	trident_collection_make_schema(collection->shards);
	foreach(lc, collection->shards)
		statements = lappend(statements,
							 trident_collection_define_table(collection, lfirst(lc),
															 collection->oid));
	trident_collection_run_all(collection->shards, statements);
	TRIDENT_FAULT("collection-made");

	query = psprintf("SELECT %s, trident.shard_number(%d, %s) FROM %s",
					 trident_collection_join_names(columns), collection->modulus,
					 collection->hash_columns, source);
	moved = trident_collection_stream(collection, collection->shards, query,
									  columns, TRIDENT_COLLECTION_CONFLICT_ERROR);

	trident_base_sql_begin(&sql);
	counted = trident_base_sql_value(psprintf("SELECT count(*) FROM %s", source), 0, NULL);
	if (strcmp(counted, psprintf(UINT64_FORMAT, moved)) != 0)
		elog(ERROR, "moved " UINT64_FORMAT " rows of %s", moved, counted);
	trident_base_sql_end(&sql);
	TRIDENT_FAULT("collection-moved");

	statements = NIL;
	foreach(lc, collection->shards)
		statements = lappend(statements,
							 trident_collection_define_indexes(collection, lfirst(lc),
															   collection->oid));
	trident_collection_run_all(collection->shards, statements);
	TRIDENT_FAULT("collection-indexed");
	return moved;
}

/* What marks the shards as made is told to be over, after the commit. */
static void
settle_shards(TridentCollection *collection)
{
	ListCell   *lc;

	foreach(lc, collection->shards)
	{
		TridentCollectionShard *shard = lfirst(lc);
		char	   *comment = trident_collection_define_comment(collection, shard, false);
		TridentCollectionLink *link;
		TridentBaseSql sql;

		if (OidIsValid(shard->server))
		{
			link = trident_collection_shard_link(collection->shards, shard);
			trident_collection_after_commit(link, comment);
			continue;
		}
		trident_base_sql_begin(&sql);
		trident_base_sql_run(comment, 0, NULL);
		trident_base_sql_end(&sql);
	}
}

/* The partitions of a collection are its shards from now on. */
static void
switch_partitions(TridentCollection *collection)
{
	const char *args[] = {psprintf("%u", collection->oid)};
	TridentBaseRows *partitions;
	TridentBaseRows *keys;
	ListCell   *lc;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	keys = trident_base_sql_rows(
		"SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = $1::oid AND contype = 'p'",
		1, args);
	for (int i = 0; i < keys->nrows; i++)
		trident_base_sql_run(psprintf("ALTER TABLE %s DROP CONSTRAINT %s",
									  collection->name, keys->value[i][0]), 0, NULL);
	foreach(lc, collection->key)
		trident_base_sql_run(psprintf("ALTER TABLE %s ALTER %s SET NOT NULL",
									  collection->name, quote_identifier(lfirst(lc))),
							 0, NULL);
	partitions = trident_base_sql_rows(
		"SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = $1::oid", 1, args);
	for (int i = 0; i < partitions->nrows; i++)
	{
		trident_base_sql_run(psprintf("ALTER TABLE %s DETACH PARTITION %s",
									  collection->name, partitions->value[i][0]), 0, NULL);
		trident_base_sql_run(psprintf("DROP TABLE %s", partitions->value[i][0]), 0, NULL);
	}
	trident_base_sql_end(&sql);
	foreach(lc, collection->shards)
		trident_collection_attach_leaf(collection, lfirst(lc));
}

/* The number of shards asked for: as many as nodes unless told otherwise. */
static int
count_shards(FunctionCallInfo fcinfo, int n, List *nodes)
{
	int			shards = PG_ARGISNULL(n) ? list_length(nodes) : PG_GETARG_INT32(n);

	if (nodes == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a collection needs at least one node"),
				 errhint("Name servers of postgres_fdw, which \\des in psql lists, or local.")));
	if (shards < list_length(nodes) || shards > MAX_SHARDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of shards must be between the number of nodes and %d",
						MAX_SHARDS),
				 errhint("A small multiple of the number of nodes lets shards move later.")));
	return shards;
}

static char *
new_id(void)
{
	Datum		uuid = DirectFunctionCall1(gen_random_uuid, (Datum) 0);

	return DatumGetCString(DirectFunctionCall1(uuid_out, uuid));
}

Datum
trident_collection_distribute(PG_FUNCTION_ARGS)
{
	TridentCollection *collection = palloc0(sizeof(TridentCollection));
	List	   *nodes;
	Relation	rel;
	bool		is_plain;
	uint64		moved;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("collection must not be null"),
				 errhint("Name a table.")));
	trident_collection_refuse_old_snapshot();
	collection->oid = PG_GETARG_OID(0);
	nodes = PG_ARGISNULL(1) ? NIL : trident_collection_names(PG_GETARG_DATUM(1), "nodes");
	rel = trident_collection_open(collection->oid, AccessExclusiveLock);
	if (trident_collection_find(collection->oid, true))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("collection \"%s\" is distributed already",
						RelationGetRelationName(rel)),
				 errhint("Move its shards with trident_collection_move_shard().")));
	check_table(rel);
	choose_key(collection, rel, PG_ARGISNULL(3) ? NIL :
			   trident_collection_names(PG_GETARG_DATUM(3), "key columns"));
	is_plain = rel->rd_rel->relkind == RELKIND_RELATION;
	if (!is_plain)
		take_partition_key(collection);
	collection->name = trident_collection_table_name(collection->oid);
	relation_close(rel, NoLock);
	lock_partitions(collection);

	collection->home = collection->node = trident_node_own_uuid();
	collection->id = new_id();
	(void) count_shards(fcinfo, 2, nodes);
	trident_node_require(nodes, trident_collection_needs(collection));
	deal_shards(collection, nodes, count_shards(fcinfo, 2, nodes));

	moved = fill_shards(collection, collection->name);
	if (is_plain)
		trident_collection_replace_plain(collection);
	switch_partitions(collection);
	trident_collection_register(collection);
	settle_shards(collection);
	TRIDENT_FAULT("collection-distributed");
	PG_RETURN_INT64(moved);
}
