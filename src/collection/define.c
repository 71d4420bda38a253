/*
 * define.c
 *	  The definition of a shard, as SQL, from the table that it is a part of.
 *
 * The table here is the definition: its columns, checks and indexes are those
 * of every shard.  A shard adds its primary key, the check of the number that
 * its rows have, and a comment that says what it is to whoever finds it.
 * Everything is deparsed with only pg_catalog in the search_path, as it is
 * read on the node.  Defaults stay here: rows come with all their values.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "base/sql.h"
#include "collection/shard.h"

const char *const trident_collection_elements_query =
"SELECT string_agg(element, ', ' ORDER BY kind, n) FROM ("
" SELECT 1 AS kind, a.attnum AS n, concat("
"   quote_ident(a.attname), ' ', " TRIDENT_COLLECTION_TYPE_SQL ","
"   CASE WHEN a.attnotnull THEN ' NOT NULL' END) AS element"
TRIDENT_COLLECTION_TYPE_FROM_SQL
" WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped"
" UNION ALL"
" SELECT 2, k.oid::bigint, format('CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid))"
" FROM pg_constraint k WHERE k.conrelid = $1::text::regclass AND k.contype = 'c') e";

/* What of a column CREATE TABLE cannot say. */
static const char *const storage_query =
"SELECT format('ALTER TABLE trident_shard.%I ALTER %I SET STORAGE %s', $2, a.attname,"
"  CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'm' THEN 'MAIN' WHEN 'e' THEN 'EXTERNAL' ELSE 'EXTENDED' END)"
" FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
" WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> t.typstorage"
" ORDER BY a.attnum";

const char *const trident_collection_indexes_query =
"SELECT x.relname,"
"  substr(pg_get_indexdef(i.indexrelid), 1 + length(format('CREATE INDEX %I ON %s%I.%I ', x.relname,"
"   CASE x.relkind WHEN 'I' THEN 'ONLY ' END, n.nspname, t.relname)))"
" FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid"
"  JOIN pg_namespace n ON n.oid = t.relnamespace"
" WHERE i.indrelid = $1::text::regclass AND NOT i.indisunique AND NOT i.indisexclusion"
" ORDER BY x.relname";

/* Who owns the table $1, quoted; NULL: we do. */
static const char *const other_owner_query =
"SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class"
" WHERE oid = $1::text::regclass AND pg_get_userbyid(relowner) <> current_user";

char *
trident_collection_define_comment(const TridentCollection *collection,
								  const TridentCollectionShard *shard,
								  bool pending)
{
	return psprintf("COMMENT ON TABLE %s.%s IS %s", TRIDENT_COLLECTION_SCHEMA,
					quote_identifier(shard->table),
					quote_literal_cstr(psprintf("shard %d of %d of %s, a trident collection of node %s%s",
												shard->number, collection->modulus,
												collection->name, collection->home,
												pending ? ", pending" : "")));
}

List *
trident_collection_define_table(const TridentCollection *collection,
								const TridentCollectionShard *shard,
								Oid definition)
{
	const char *args[] = {trident_collection_table_name(definition), shard->table};
	char	   *elements;
	char	   *owner = NULL;
	List	   *storage;
	List	   *statements;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	elements = trident_base_sql_value(trident_collection_elements_query, 1, args);
	storage = trident_base_sql_list(storage_query, 2, args);
	/* from now on: whoever fills it does not run the owner's code as himself */
	if (!OidIsValid(shard->server))
		owner = trident_base_sql_value(other_owner_query, 1, args);
	trident_base_sql_end(&sql);

	statements = list_make1(psprintf(
		"CREATE TABLE %s.%s (%s, CONSTRAINT trident_shard_number"
		" CHECK (trident.shard_number(%d, %s) = %d))",
		TRIDENT_COLLECTION_SCHEMA, quote_identifier(shard->table), elements,
		collection->modulus, collection->hash_columns, shard->number));
	statements = list_concat(statements, storage);
	if (owner)
		statements = lappend(statements, psprintf(
			"ALTER TABLE %s.%s OWNER TO %s", TRIDENT_COLLECTION_SCHEMA,
			quote_identifier(shard->table), owner));
	return lappend(statements,
				   trident_collection_define_comment(collection, shard, true));
}

List *
trident_collection_define_indexes(const TridentCollection *collection,
								  const TridentCollectionShard *shard,
								  Oid definition)
{
	const char *args[] = {trident_collection_table_name(definition)};
	const char *table = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
	TridentBaseRows *rows;
	List	   *statements;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	rows = trident_base_sql_rows(trident_collection_indexes_query, 1, args);
	trident_base_sql_end(&sql);
	statements = list_make1(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", table,
									 trident_collection_join_names(collection->key)));
	/* of a local one, those that it would get when it becomes a partition */
	for (int i = 0; i < rows->nrows; i++)
		statements = lappend(statements, psprintf("CREATE INDEX ON %s %s", table,
												  rows->value[i][1]));
	return lappend(statements, psprintf("ANALYZE %s", table));
}

void
trident_collection_attach_leaf(const TridentCollection *collection,
							   TridentCollectionShard *shard)
{
	const char *table = trident_base_sql_format("%I.%I", TRIDENT_COLLECTION_SCHEMA,
												shard->table);
	char	   *bound = psprintf("FOR VALUES WITH (MODULUS %d, REMAINDER %d)",
								 collection->modulus, shard->number);
	const char *args[] = {collection->name};
	char	   *owner;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	if (OidIsValid(shard->server))
		trident_base_sql_run(trident_base_sql_format(
			"CREATE FOREIGN TABLE %s PARTITION OF %s %s SERVER %I"
			" OPTIONS (schema_name %L, table_name %L)", table, collection->name,
			bound, shard->node, TRIDENT_COLLECTION_SCHEMA, shard->table), 0, NULL);
	else
		trident_base_sql_run(trident_base_sql_format(
			"ALTER TABLE %s ATTACH PARTITION %s %s", collection->name, table,
			bound), 0, NULL);

	/* Leaves belong to the owner of the collection, whoever distributes it. */
	owner = trident_base_sql_value(other_owner_query, 1, args);
	if (owner)
		trident_base_sql_run(psprintf("ALTER TABLE %s OWNER TO %s", table, owner), 0, NULL);
	shard->leaf = (Oid) strtoul(trident_base_sql_value("SELECT $1::regclass::oid", 1, &table),
								NULL, 10);
	trident_base_sql_end(&sql);
}
