/*
 * replace.c
 *	  A plain table gives way to a partitioned one of the same name.
 *
 * The server has no way to partition a table that is there.  Its rows are in
 * the shards already; what else belongs to it is made again from the
 * catalogs.  What cannot be was refused before (obstacle_query), and what was
 * overlooked there makes DROP TABLE fail, and with it everything.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "base/sql.h"
#include "collection/shard.h"

/* $1: the old table, $2: the name of the new one.  Each row is a statement. */
static const char *const follow_query =
"SELECT s FROM ("
/* first the owner: a sequence has that of its table, rights are given by him */
" SELECT 0, format('ALTER TABLE %s OWNER TO %I', $2, pg_get_userbyid(c.relowner))"
"  FROM pg_class c WHERE c.oid = $1::oid AND pg_get_userbyid(c.relowner) <> current_user"
/* and before that, what default privileges have given of the new one */
" UNION ALL SELECT DISTINCT -1, format('REVOKE ALL ON %s FROM %s', $2,"
"   CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END)"
"  FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = $2::regclass AND x.grantee <> c.relowner"
/* sequences: those of serial columns move over, those of identities go on */
" UNION ALL SELECT 1, format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, $2, a.attname)"
"  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'"
"  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
"  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass"
"   AND d.refobjid = $1::oid AND d.deptype = 'a'"
" UNION ALL SELECT 1, format('SELECT setval(pg_get_serial_sequence(%L, %L), last_value, is_called) FROM %s',"
"   $2, a.attname, d.objid::regclass)"
"  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'"
"  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
"  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass"
"   AND d.refobjid = $1::oid AND d.deptype = 'i'"
/* rights, of the table and of columns */
" UNION ALL SELECT 2, format('GRANT %s ON %s TO %s%s', x.privilege_type, $2,"
"   CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,"
"   CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END)"
"  FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = $1::oid AND x.grantee <> c.relowner"
" UNION ALL SELECT 2, format('GRANT %s (%I) ON %s TO %s%s', x.privilege_type, a.attname, $2,"
"   CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,"
"   CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END)"
"  FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = $1::oid AND a.attnum > 0"
" UNION ALL SELECT 3, format('COMMENT ON TABLE %s IS %L', $2, obj_description($1::oid, 'pg_class'))"
"  WHERE obj_description($1::oid, 'pg_class') IS NOT NULL"
") AS x (n, s) ORDER BY n";

/* The old indexes: a new name for each, and the statement that makes it anew. */
static const char *const index_query =
"SELECT format('ALTER INDEX %I.%I RENAME TO %I', n.nspname, x.relname, 'trident_old_' || x.oid),"
" format('CREATE INDEX %I ON %s %s', x.relname, $2, substr(pg_get_indexdef(i.indexrelid),"
"  1 + length(format('CREATE INDEX %I ON %I.%I ', x.relname, n.nspname, t.relname)))),"
" format('COMMENT ON INDEX %I.%I IS %L', n.nspname, x.relname, obj_description(x.oid, 'pg_class')),"
" obj_description(x.oid, 'pg_class')"
" FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid"
"  JOIN pg_namespace n ON n.oid = t.relnamespace"
" WHERE i.indrelid = $1::oid AND NOT i.indisunique AND NOT i.indisexclusion ORDER BY x.relname";

void
trident_collection_replace_plain(TridentCollection *collection)
{
	const char *args[] = {psprintf("%u", collection->oid), collection->name};
	TridentBaseRows *indexes;
	TridentBaseRows *follow;
	char	   *old;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	indexes = trident_base_sql_rows(index_query, 2, args);
	for (int i = 0; i < indexes->nrows; i++)
		trident_base_sql_run(indexes->value[i][0], 0, NULL);
	trident_base_sql_run(psprintf("ALTER TABLE %s RENAME TO trident_old_%u",
								  collection->name, collection->oid), 0, NULL);
	old = trident_base_sql_value("SELECT $1::oid::regclass", 1, args);
	trident_base_sql_run(psprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES)"
								  " PARTITION BY HASH (%s)",
								  collection->name, old, collection->hash_columns),
						 0, NULL);
	follow = trident_base_sql_rows(follow_query, 2, args);
	for (int i = 0; i < follow->nrows; i++)
		trident_base_sql_run(follow->value[i][0], 0, NULL);
	for (int i = 0; i < indexes->nrows; i++)
	{
		trident_base_sql_run(indexes->value[i][1], 0, NULL);
		if (indexes->value[i][3])
			trident_base_sql_run(indexes->value[i][2], 0, NULL);
	}
	trident_base_sql_run(psprintf("DROP TABLE %s", old), 0, NULL);
	collection->oid = (Oid) strtoul(trident_base_sql_value("SELECT $2::regclass::oid", 2, args),
									NULL, 10);
	trident_base_sql_end(&sql);
}
