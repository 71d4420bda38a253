/*
 * load.c
 *	  trident_collection_load and trident_collection_upsert: the rows of a
 *	  query into a collection, all shards at once.
 *
 * What INSERT ... SELECT through the table does one shard after another.  The
 * query is the caller's own, run as the caller would run it; it is cast to
 * the columns' types, with the defaults of those it leaves out, and each row
 * gets the number of its shard.  stream.c does the rest.
 *
 * Security: what comes out of the query is written with rights that the caller
 * may not have.  So the text is parsed by itself first: it is one query, and
 * cannot end the parentheses around it and what is said of its columns.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/dependency.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
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
PG_FUNCTION_INFO_V1(trident_collection_next_identity);

/*
 * For every column in turn: its name, its type, its collation if that is not
 * the type's own, its default or that of its type, its type's modifier, and its
 * place in the partition key, from 0, or NULL.
 */
static const char *const column_query =
"SELECT a.attname, a.atttypid,"
TRIDENT_COLLECTION_COLLATE_SQL ","
" CASE WHEN a.attidentity <> '' THEN format('trident.next_identity(%L::pg_catalog.regclass)',"
"   pg_get_serial_sequence(a.attrelid::regclass::text, a.attname))"
"  ELSE coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(t.typdefaultbin, 0), 'NULL') END,"
" a.atttypmod,"
" (SELECT array_position(p.partattrs::int2[], a.attnum) FROM pg_partitioned_table p WHERE p.partrelid = a.attrelid)"
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

/* An error if a row that is inserted would set off what one that is loaded does not. */
static void
check_triggers(Relation rel)
{
	const TriggerDesc *triggers = rel->trigdesc;
	const char *what = rel->rd_rules ? "rules" : NULL;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		if (!triggers->triggers[i].tgisinternal &&
			triggers->triggers[i].tgenabled != TRIGGER_DISABLED)
			what = "triggers";
	}
	if (what)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot load collection \"%s\" because it has %s",
						RelationGetRelationName(rel), what),
				 errdetail("Rows would go to shards on nodes without them."),
				 errhint("Use INSERT, or drop or disable them.")));
}

/* The text, if it is one query and nothing else. */
static char *
check_query(char *query)
{
	ErrorContextCallback context = {error_context_stack, trident_base_sql_error_place, query};
	List	   *statements;

	error_context_stack = &context;
	statements = raw_parser(query, RAW_PARSE_DEFAULT);
	error_context_stack = context.previous;
	if (list_length(statements) != 1 ||
		!IsA(linitial_node(RawStmt, statements)->stmt, SelectStmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("query must be a single SELECT, VALUES or TABLE"),
				 errhint("Pass the text of one query, without a semicolon.")));
	return query;
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

/*
 * What a column of the partition key has in its shard, by whose value that is
 * found: one with a length is rounded or cut there.
 */
static char *
hash_expression(char *const *column)
{
	int32		typmod = pg_strtoint32(column[4]);
	Oid			type = getBaseTypeAndTypmod((Oid) strtoul(column[1], NULL, 10), &typmod);

	return psprintf("CAST(%s AS %s)", quote_identifier(column[0]),
					format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN |
										 FORMAT_TYPE_FORCE_QUALIFY));
}

/* The query, cast and completed, and the number of the shard. */
static char *
wrap_query(const TridentCollection *collection, const char *query, List *given)
{
	const char *args[] = {psprintf("%u", collection->oid)};
	char	  **hash = NULL;
	int			nhash = 0;
	StringInfoData values;
	StringInfoData number;
	TridentBaseRows *columns;
	TridentBaseSql sql;

	initStringInfo(&values);
	trident_base_sql_begin(&sql);
	columns = trident_base_sql_rows(column_query, 1, args);
	trident_base_sql_end(&sql);
	hash = palloc0(sizeof(char *) * columns->nrows);
	for (int i = 0; i < columns->nrows; i++)
	{
		char	  **column = columns->value[i];
		const char *name = quote_identifier(column[0]);
		bool		is_given = trident_collection_has_name(given, column[0]);

		appendStringInfo(&values, "%sCAST(%s%s AS %s)%s AS %s", i > 0 ? ", " : "",
						 is_given ? "q." : "", is_given ? name : column[3],
						 cast_type((Oid) strtoul(column[1], NULL, 10)),
						 column[2] ? column[2] : "", name);
		if (column[5])
		{
			hash[pg_strtoint32(column[5])] = hash_expression(column);
			nhash++;
		}
	}
	initStringInfo(&number);
	appendStringInfo(&number, "trident.shard_number(%d", collection->modulus);
	for (int i = 0; i < nhash; i++)
		appendStringInfo(&number, ", %s", hash[i]);
	/* The line break ends a comment that the query may end in. */
	return psprintf("SELECT s.*, %s) FROM (SELECT %s FROM (%s\n) AS q (%s)) AS s",
					number.data, values.data, query, trident_collection_join_names(given));
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
	check_triggers(rel);
	relation_close(rel, NoLock);
	query = wrap_query(collection, check_query(text_to_cstring(PG_GETARG_TEXT_PP(1))),
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

/*
 * The next value of an identity column, for who may insert: as INSERT takes it,
 * which asks for no right on the sequence.
 */
Datum
trident_collection_next_identity(PG_FUNCTION_ARGS)
{
	Oid			sequence = PG_GETARG_OID(0);
	Oid			table;
	int32		column;

	if (!sequenceIsOwned(sequence, DEPENDENCY_INTERNAL, &table, &column))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("sequence %u is not that of an identity column", sequence),
				 errhint("Use nextval().")));
	if (pg_class_aclcheck(table, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(table));
	PG_RETURN_INT64(nextval_internal(sequence, false));
}
