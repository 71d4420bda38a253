/*
 * registry.c
 *	  A collection and its shards, from the catalogs.
 *
 * Which shards there are and where they stand is read from the partitions of
 * the table, never from a copy of that; trident.collection adds what
 * partitions cannot say.  It is read and written with the rights of the
 * extension's owner, after a check of what the caller may do.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/sql.h"
#include "collection/shard.h"
#include "node/node.h"

/* Columns of trident.collection that are read by their numbers. */
enum
{
	COLUMN_COLLECTION = 1,
	COLUMN_KEY = 3,
	COLUMN_VECTOR = 4,
	COLUMN_SHARDS = 5
};

Relation
trident_collection_open(Oid table, LOCKMODE lockmode)
{
	Relation	rel = try_relation_open(table, lockmode);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", table),
				 errhint("Name an existing table.")));
	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
				 errdetail_relkind_not_supported(rel->rd_rel->relkind),
				 errhint("Name a table, or a table that is partitioned by hash.")));
	if (!TridentOwnsRelation(table, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(rel->rd_rel->relkind),
					   RelationGetRelationName(rel));
	return rel;
}

bool
trident_collection_has_name(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

char *
trident_collection_join_names(List *names)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, names)
		appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "",
						 quote_identifier(lfirst(lc)));
	return text.data;
}

List *
trident_collection_names(Datum array, const char *what)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;
	List	   *names = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false,
					  TYPALIGN_CHAR, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i] ||
			trident_collection_has_name(names, NameStr(*DatumGetName(values[i]))))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must be different names", what),
					 errhint("Name each one once.")));
		names = lappend(names, pstrdup(NameStr(*DatumGetName(values[i]))));
	}
	return names;
}

char *
trident_collection_table_name(Oid table)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)),
									  get_rel_name(table));
}

/* The name of a shard's table; palloc'd. */
static char *
shard_table(const char *id, int number)
{
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfoChar(&name, 'c');
	for (const char *p = id; *p; p++)
	{
		if (*p != '-')
			appendStringInfoChar(&name, *p);
	}
	appendStringInfo(&name, "_%d", number);
	return name.data;
}

TridentCollectionShard *
trident_collection_shard_new(const TridentCollection *collection, int number,
							 const char *node)
{
	TridentCollectionShard *shard = palloc0(sizeof(TridentCollectionShard));

	shard->number = number;
	shard->node = pstrdup(node);
	shard->server = trident_node_server(node);
	shard->table = shard_table(collection->id, number);
	return shard;
}

/* The shards, by number. */
static List *
find_shards(Oid table)
{
	const char *args[] = {psprintf("%u", table)};
	List	   *shards = NIL;
	TridentBaseRows *rows;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	rows = trident_base_sql_rows(
		"SELECT " TRIDENT_COLLECTION_NUMBER_SQL ","
		"  c.oid, coalesce(s.srvname, 'local'), coalesce(s.oid, 0), coalesce(o.option_value, c.relname)"
		" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
		"  LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid"
		"  LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver"
		"  LEFT JOIN LATERAL (SELECT option_value FROM pg_options_to_table(f.ftoptions)"
		"   WHERE option_name = 'table_name') o ON true"
		" WHERE i.inhparent = $1::oid AND c.relispartition ORDER BY 1", 1, args);
	trident_base_sql_end(&sql);
	for (int i = 0; i < rows->nrows; i++)
	{
		TridentCollectionShard *shard = palloc0(sizeof(TridentCollectionShard));
		char	  **value = rows->value[i];

		shard->number = value[0] ? pg_strtoint32(value[0]) : -1;
		shard->leaf = (Oid) strtoul(value[1], NULL, 10);
		shard->node = value[2];
		shard->server = (Oid) strtoul(value[3], NULL, 10);
		shard->table = value[4];
		shards = lappend(shards, shard);
	}
	return shards;
}

TridentCollection *
trident_collection_find(Oid table, bool missing_ok)
{
	const char *args[] = {psprintf("%u", table)};
	TridentCollection *collection;
	TridentBaseRows *rows;
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	rows = trident_base_sql_rows(
		"SELECT c.id, c.home, c.node, c.key, c.vector_column, c.shards, c.collection,"
		"  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n)"
		"   FROM pg_partitioned_table p, unnest(p.partattrs) WITH ORDINALITY k (attnum, n)"
		"    JOIN pg_attribute a ON a.attnum = k.attnum"
		"   WHERE p.partrelid = c.collection AND a.attrelid = c.collection)"
		" FROM trident.collection c WHERE c.collection = $1::oid::regclass", 1, args);
	trident_base_sql_end(&sql);
	if (rows->nrows == 0)
	{
		if (!missing_ok)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" is not a distributed collection",
							get_rel_name(table)),
					 errhint("Distribute it with trident_collection_distribute().")));
		return NULL;
	}

	collection = palloc0(sizeof(TridentCollection));
	collection->oid = table;
	collection->id = rows->value[0][0];
	collection->home = rows->value[0][1];
	collection->node = rows->value[0][2];
	collection->key = trident_collection_names(
		OidInputFunctionCall(F_ARRAY_IN, rows->value[0][3], NAMEOID, -1), "key columns");
	collection->vector_column = rows->value[0][4];
	collection->modulus = pg_strtoint32(rows->value[0][5]);
	collection->name = rows->value[0][6];
	collection->hash_columns = rows->value[0][7];
	collection->shards = find_shards(table);
	return collection;
}

/*
 * Asked for by the first search of a session: the row is read as those of
 * catalogs are, for a statement would take longer than the search.  So is the
 * snapshot: the latest, whatever that of the transaction, and none that is
 * refused beside parallel workers.
 */
List *
trident_collection_key(Oid table, char **vector_column, int *shards)
{
	Oid			schema = get_namespace_oid("trident", false);
	Relation	rel = table_open(get_relname_relid("collection", schema), AccessShareLock);
	List	   *key = NIL;
	ScanKeyData condition;
	SysScanDesc scan;
	HeapTuple	tuple;

	*vector_column = NULL;
	*shards = 0;
	ScanKeyInit(&condition, COLUMN_COLLECTION, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table));
	scan = systable_beginscan(rel, get_relname_relid("collection_pkey", schema), true,
							  NULL, 1, &condition);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		TupleDesc	desc = RelationGetDescr(rel);
		bool		is_null;
		Datum		name;

		key = trident_collection_names(heap_getattr(tuple, COLUMN_KEY, desc, &is_null),
									   "key columns");
		name = heap_getattr(tuple, COLUMN_VECTOR, desc, &is_null);
		if (!is_null)
			*vector_column = pstrdup(NameStr(*DatumGetName(name)));
		*shards = DatumGetInt32(heap_getattr(tuple, COLUMN_SHARDS, desc, &is_null));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return key;
}

void
trident_collection_require_home(const TridentCollection *collection)
{
	char	   *own = trident_node_own_uuid();

	if (strcmp(collection->node, own) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("collection %s belongs to another node", collection->name),
				 errdetail("It came here by a dump or as a copy, and its shards may still serve node %s.",
						   collection->home),
				 errhint("If this database replaces that one, run trident_collection_sync() to take the collection over.")));
	if (strcmp(collection->home, own) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("collection %s is only attached here", collection->name),
				 errdetail("Node %s keeps its definition.", collection->home),
				 errhint("Change it there, then run trident_collection_sync() here.")));
}

/* A name[] as text. */
static char *
names_text(List *names)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(list_length(names), 1));
	ListCell   *lc;

	foreach(lc, names)
	{
		Name		name = palloc(NAMEDATALEN);

		namestrcpy(name, lfirst(lc));
		values[foreach_current_index(lc)] = NameGetDatum(name);
	}
	return OidOutputFunctionCall(F_ARRAY_OUT,
								 PointerGetDatum(construct_array(values, list_length(names),
																 NAMEOID, NAMEDATALEN,
																 false, TYPALIGN_CHAR)));
}

void
trident_collection_register(const TridentCollection *collection)
{
	const char *args[] = {
		psprintf("%u", collection->oid), collection->id,
		names_text(collection->key), collection->vector_column,
		psprintf("%d", collection->modulus), collection->home, collection->node
	};
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run(
		"INSERT INTO trident.collection (collection, id, key, vector_column, shards, home, node)"
		" VALUES ($1::oid::regclass, $2::uuid, $3::name[], $4::name, $5::integer, $6::uuid, $7::uuid)",
		7, args);
	trident_base_sql_end(&sql);
}

void
trident_collection_unregister(Oid table)
{
	const char *args[] = {psprintf("%u", table)};
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run("DELETE FROM trident.collection WHERE collection = $1::oid::regclass",
						 1, args);
	trident_base_sql_end(&sql);
}

void
trident_collection_leave(const TridentCollection *collection,
						 const TridentCollectionShard *shard)
{
	const char *args[] = {shard->node, shard->table, collection->name};
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run(
		"INSERT INTO trident.collection_leftover (node, shard, collection)"
		" VALUES ($1::name, $2, $3) ON CONFLICT DO NOTHING", 3, args);
	trident_base_sql_end(&sql);
}
