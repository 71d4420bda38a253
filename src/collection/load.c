/*
 * load.c
 *	  trident_collection_load and trident_collection_upsert: the rows of a
 *	  query into a collection, all shards at once.
 *
 * What INSERT ... SELECT through the table does one shard after another.  The
 * query is the caller's own, run as the caller would run it; it is cast to
 * the columns' types, with the defaults of those it leaves out, and each row
 * gets the number of its shard.  stream.c does the rest.
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "base/compat.h"
#include "base/sql.h"
#include "collection/shard.h"

PG_FUNCTION_INFO_V1(trident_collection_load);
PG_FUNCTION_INFO_V1(trident_collection_upsert);

/*
 * For every column in turn: its name, its type, its collation if that is not
 * the type's own, its default or that of its type.
 */
static const char *const column_query =
"SELECT a.attname, a.atttypid,"
TRIDENT_COLLECTION_COLLATE_SQL ","
" CASE WHEN a.attidentity <> '' THEN format('pg_catalog.nextval(%L::pg_catalog.regclass)',"
"   pg_get_serial_sequence(a.attrelid::regclass::text, a.attname))"
"  ELSE coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(t.typdefaultbin, 0), 'NULL') END"
TRIDENT_COLLECTION_TYPE_FROM_SQL
" WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
" ORDER BY a.attnum";

/* An error unless the caller may write to the collection, and all of it. */
static void
check_rights(Relation rel, AclMode mode)
{
	/* all of them: pg_class_aclcheck is content with one */
	if (pg_class_aclmask(RelationGetRelid(rel), GetUserId(), mode, ACLMASK_ALL) != mode)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot load collection \"%s\" because row security applies to you",
						RelationGetRelationName(rel)),
				 errhint("Use INSERT, which checks each row.")));
}

/*
 * The type to cast a column to: without a length, since such a cast would cut
 * what is too long, where the shard refuses it; and so not a domain either.
 */
static char *
cast_type(Oid type)
{
	return format_type_extended(getBaseType(type), -1,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* The query, cast and completed, and the number of the shard. */
static char *
wrap_query(const TridentCollection *collection, const char *query, List *given)
{
	const char *args[] = {psprintf("%u", collection->oid)};
	StringInfoData values;
	TridentBaseRows *columns;
	TridentBaseSql sql;

	initStringInfo(&values);
	trident_base_sql_begin(&sql);
	columns = trident_base_sql_rows(column_query, 1, args);
	trident_base_sql_end(&sql);
	for (int i = 0; i < columns->nrows; i++)
	{
		char	  **column = columns->value[i];
		const char *name = quote_identifier(column[0]);
		bool		is_given = trident_collection_has_name(given, column[0]);

		appendStringInfo(&values, "%sCAST(%s%s AS %s)%s AS %s", i > 0 ? ", " : "",
						 is_given ? "q." : "", is_given ? name : column[3],
						 cast_type((Oid) strtoul(column[1], NULL, 10)),
						 column[2] ? column[2] : "", name);
	}
	/* The line break ends a comment that the query may end in. */
	return psprintf("SELECT s.*, trident.shard_number(%d, %s) FROM (SELECT %s FROM (%s\n) AS q (%s)) AS s",
					collection->modulus, collection->hash_columns, values.data,
					query, trident_collection_join_names(given));
}

/* The columns that the query has; all by default. */
static List *
given_columns(FunctionCallInfo fcinfo, int n, const TridentCollection *collection)
{
	List	   *all = trident_collection_columns(collection->oid);
	List	   *given;
	ListCell   *lc;

	if (PG_ARGISNULL(n))
		return all;
	given = trident_collection_names(PG_GETARG_DATUM(n), "columns");
	foreach(lc, given)
	{
		if (!trident_collection_has_name(all, lfirst(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist or is generated",
							(char *) lfirst(lc), get_rel_name(collection->oid)),
					 errhint("Name columns of the collection as columns.")));
	}
	return given;
}

static int64
load(FunctionCallInfo fcinfo, TridentCollectionConflict conflict)
{
	TridentCollection *collection;
	Relation	rel;
	char	   *query;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("collection and query must not be null"),
				 errhint("Pass the text of a query whose rows are to be loaded.")));
	trident_collection_refuse_old_snapshot();
	rel = relation_open(PG_GETARG_OID(0), RowExclusiveLock);
	check_rights(rel, conflict == TRIDENT_COLLECTION_CONFLICT_UPDATE ?
				 ACL_INSERT | ACL_UPDATE : ACL_INSERT);
	collection = trident_collection_find(PG_GETARG_OID(0), false);
	relation_close(rel, NoLock);
	query = wrap_query(collection, text_to_cstring(PG_GETARG_TEXT_PP(1)),
					   given_columns(fcinfo, 2, collection));
	return trident_collection_stream(collection, collection->shards, query,
									 trident_collection_columns(collection->oid),
									 conflict);
}

Datum
trident_collection_load(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(load(fcinfo, TRIDENT_COLLECTION_CONFLICT_ERROR));
}

Datum
trident_collection_upsert(PG_FUNCTION_ARGS)
{
	bool		update = PG_ARGISNULL(3) || PG_GETARG_BOOL(3);

	PG_RETURN_INT64(load(fcinfo, update ? TRIDENT_COLLECTION_CONFLICT_UPDATE :
						 TRIDENT_COLLECTION_CONFLICT_NOTHING));
}
