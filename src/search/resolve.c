/*
 * resolve.c
 *	  Which table, which columns and which metric a search is about.
 *
 * Names are looked up in the collection alone.  What is left out follows from
 * the catalogs where they allow one answer only; where they allow several the
 * search is refused, with the names to choose from.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "base/error.h"
#include "search/search.h"

/* Of what one statement may select, distance and table take two. */
#define MAX_COLUMNS (MaxTupleAttributeNumber - 2)

static const char *const metric_name[TRIDENT_VECTOR_METRICS] = {
	[TRIDENT_VECTOR_L2] = "l2",
	[TRIDENT_VECTOR_IP] = "ip",
	[TRIDENT_VECTOR_COSINE] = "cosine",
	[TRIDENT_VECTOR_L1] = "l1"
};

const char *
trident_search_metric_name(TridentVectorMetric metric)
{
	return metric_name[metric];
}

/* The collection, locked; an error if it holds no rows of its own to search. */
static Relation
open_collection(Oid oid)
{
	Relation	rel = try_relation_open(oid, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", oid),
				 errhint("Name an existing table that has a vector column.")));

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
					 errdetail_relkind_not_supported(rel->rd_rel->relkind),
					 errhint("Search the table, partitioned table or materialized view that holds the vectors.")));
	}
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot search temporary tables of other sessions"),
				 errhint("Search it in the session that created it.")));
	if (!RelationIsScannable(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("materialized view \"%s\" has not been populated",
						RelationGetRelationName(rel)),
				 errhint("Use the REFRESH MATERIALIZED VIEW command.")));
	return rel;
}

AttrNumber
trident_search_column(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

/* The column of that name; an error with that hint if there is none. */
static AttrNumber
find_column(Relation rel, const char *name, const char *hint)
{
	AttrNumber	attno = trident_search_column(rel, name);

	if (attno == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, RelationGetRelationName(rel)),
				 errhint("%s", hint)));
	return attno;
}

/* Is it a vector column, of what kind, and of how many dimensions? */
static bool
is_vector(Form_pg_attribute att, TridentVectorKind *kind, int32 *dim)
{
	const TridentSearchObjects *objects = trident_search_objects();
	Oid			type;

	if (att->attisdropped)
		return false;
	*dim = att->atttypmod;
	type = getBaseTypeAndTypmod(att->atttypid, dim);
	for (int i = 0; i < TRIDENT_VECTOR_KINDS; i++)
	{
		if (type == objects->type[i])
		{
			*kind = i;
			return true;
		}
	}
	return false;
}

/* The only vector column of the collection; or the one that is registered. */
static AttrNumber
only_vector_column(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	AttrNumber	found = InvalidAttrNumber;
	StringInfoData names;
	int			count = 0;
	List	   *key;
	char	   *name;

	initStringInfo(&names);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		TridentVectorKind kind;
		int32		dim;

		if (!is_vector(att, &kind, &dim))
			continue;
		found = att->attnum;
		appendStringInfo(&names, "%s\"%s\"", count++ > 0 ? ", " : "",
						 NameStr(att->attname));
	}
	if (count == 0)
		ereport(ERROR,
				(errcode(TRIDENT_ERRCODE_SEARCH_NO_VECTOR),
				 errmsg("relation \"%s\" has no vector column",
						RelationGetRelationName(rel)),
				 errhint("Search a table that has a column of type trident.vector or trident.halfvec.")));
	if (count > 1 && rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
		trident_search_registered(RelationGetRelid(rel), &key, &name) && name)
		return find_column(rel, name, "Name one of its vector columns as vector_column.");
	if (count > 1)
		ereport(ERROR,
				(errcode(TRIDENT_ERRCODE_SEARCH_AMBIGUOUS),
				 errmsg("relation \"%s\" has several vector columns",
						RelationGetRelationName(rel)),
				 errdetail("Its vector columns are %s.", names.data),
				 errhint("Name one of them as vector_column.")));
	return found;
}

Datum
trident_search_query_value(const TridentSearchTarget *target, TridentVector *vector)
{
	const TridentSearchObjects *objects = trident_search_objects();
	Oid			cast;

	if (vector->dim != target->dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("queries of %d and of %d dimensions in one search",
						target->dim, vector->dim),
				 errhint("Search with each of them by itself.")));
	if (target->kind == TRIDENT_VECTOR_FLOAT4)
		return PointerGetDatum(vector);

	/* Cast as SQL would, so that distances equal those of the operator. */
	if (find_coercion_pathway(target->query_type,
							  objects->type[TRIDENT_VECTOR_FLOAT4],
							  COERCION_EXPLICIT, &cast) != COERCION_PATH_FUNC)
		elog(ERROR, "no cast from vector to %s", format_type_be(target->query_type));
	return OidFunctionCall3(cast, PointerGetDatum(vector), Int32GetDatum(-1),
							BoolGetDatum(false));
}

/* The query as a value of the column's type, and its dimensions checked. */
static void
resolve_query(TridentSearchTarget *target, Datum query, int32 dim)
{
	const TridentSearchObjects *objects = trident_search_objects();
	TridentVector *vector = TRIDENT_VECTOR_P(query);

	target->query_type = objects->type[target->kind];
	target->vector = PointerGetDatum(vector);
	target->dim = vector->dim;
	if (dim > 0 && dim != vector->dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("query has %d dimensions, but column \"%s\" has %d",
						vector->dim, target->vector_name, (int) dim),
				 errhint("Pass a query vector of %d dimensions.", (int) dim)));
	target->query = trident_search_query_value(target, vector);
}

static void
resolve_vector(TridentSearchTarget *target, const TridentSearchRequest *request,
			   AttrNumber *attno)
{
	Relation	rel = target->rel;
	Form_pg_attribute att;
	int32		dim;

	if (request->vector_column)
		*attno = find_column(rel, request->vector_column,
							 "Name one of its vector columns as vector_column.");
	else
		*attno = only_vector_column(rel);

	att = TupleDescAttr(RelationGetDescr(rel), *attno - 1);
	target->vector_name = pstrdup(NameStr(att->attname));
	if (!is_vector(att, &target->kind, &dim))
		ereport(ERROR,
				(errcode(TRIDENT_ERRCODE_SEARCH_NO_VECTOR),
				 errmsg("column \"%s\" is of type %s, which is no vector",
						target->vector_name, format_type_be(att->atttypid)),
				 errhint("Name a column of type trident.vector or trident.halfvec as vector_column.")));
	resolve_query(target, request->query, dim);
}

/* The metrics that an index orders that column by, as a set of bits. */
static int
index_metrics(Oid index_oid, AttrNumber attno, TridentVectorKind kind)
{
	Relation	index = index_open(index_oid, AccessShareLock);
	int			metrics = 0;

	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		if (!index->rd_index->indisvalid ||
			index->rd_index->indkey.values[i] != attno)
			continue;
		for (int metric = 0; metric < TRIDENT_VECTOR_METRICS; metric++)
		{
			if (SearchSysCacheExists3(AMOPOPID,
									  ObjectIdGetDatum(trident_search_operator(kind, metric)),
									  CharGetDatum(AMOP_ORDER),
									  ObjectIdGetDatum(index->rd_opfamily[i])))
				metrics |= 1 << metric;
		}
	}
	index_close(index, AccessShareLock);
	return metrics;
}

/* The one metric that the column's indexes serve; l2 without an index. */
static TridentVectorMetric
index_metric(const TridentSearchTarget *target, AttrNumber attno)
{
	List	   *indexes = target->rel->rd_rel->relhasindex ?
		RelationGetIndexList(target->rel) : NIL;
	ListCell   *lc;
	StringInfoData names;
	int			metrics = 0;
	int			count = 0;
	TridentVectorMetric found = TRIDENT_VECTOR_L2;

	foreach(lc, indexes)
		metrics |= index_metrics(lfirst_oid(lc), attno, target->kind);

	initStringInfo(&names);
	for (int metric = 0; metric < TRIDENT_VECTOR_METRICS; metric++)
	{
		if ((metrics & (1 << metric)) == 0)
			continue;
		found = metric;
		appendStringInfo(&names, "%s'%s'", count++ > 0 ? ", " : "",
						 metric_name[metric]);
	}
	if (count > 1)
		ereport(ERROR,
				(errcode(TRIDENT_ERRCODE_SEARCH_AMBIGUOUS),
				 errmsg("column \"%s\" has vector indexes of several metrics",
						target->vector_name),
				 errdetail("The metrics of its indexes are %s.", names.data),
				 errhint("Name one of them as metric.")));
	return found;
}

static void
resolve_metric(TridentSearchTarget *target, const char *name, AttrNumber attno)
{
	if (name == NULL)
		target->metric = index_metric(target, attno);
	else
	{
		int			metric = 0;

		while (metric < TRIDENT_VECTOR_METRICS &&
			   strcmp(metric_name[metric], name) != 0)
			metric++;
		if (metric == TRIDENT_VECTOR_METRICS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("metric \"%s\" is not known", name),
					 errhint("Use one of 'l2', 'ip', 'cosine' and 'l1'.")));
		target->metric = metric;
	}
}

/* The columns of the primary key, in its order; or those that are registered. */
static List *
primary_key(Relation rel)
{
	List	   *names = NIL;
	char	   *unused;
	Relation	index;

	list_free(RelationGetIndexList(rel));	/* sets rd_pkindex */
	if (!OidIsValid(rel->rd_pkindex) &&
		rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
		trident_search_registered(RelationGetRelid(rel), &names, &unused) &&
		names != NIL)
		return names;
	if (!OidIsValid(rel->rd_pkindex))
		ereport(ERROR,
				(errcode(TRIDENT_ERRCODE_SEARCH_NO_KEY),
				 errmsg("relation \"%s\" has no primary key",
						RelationGetRelationName(rel)),
				 errhint("Name the columns that identify a row as key, or add a primary key.")));

	index = index_open(rel->rd_pkindex, AccessShareLock);
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		AttrNumber	attno = index->rd_index->indkey.values[i];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);

		names = lappend(names, pstrdup(NameStr(att->attname)));
	}
	index_close(index, AccessShareLock);
	return names;
}

/*
 * The operator by which values of a type are sorted; InvalidOid: there is none.
 * For the commonest types it is known: to find the default order of a type, the
 * server asks for a cast to the type of every other order, which is a good part
 * of what a session that connects for one search asks the catalogs for.
 */
static Oid
sort_operator(Oid type)
{
	switch (type)
	{
		case INT4OID:
			return Int4LessOperator;
		case INT8OID:
			return Int8LessOperator;
		case TEXTOID:
			return TextLessOperator;
		default:
			return lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr;
	}
}

/* How the key columns, the first of row_desc, are ordered. */
static void
resolve_key_order(TridentSearchTarget *target)
{
	target->key_order = palloc0(sizeof(SortSupportData) * target->nkeys);
	for (int i = 0; i < target->nkeys; i++)
	{
		Form_pg_attribute att = TupleDescAttr(target->row_desc, i);
		Oid			operator = sort_operator(att->atttypid);
		SortSupport order = &target->key_order[i];

		if (!OidIsValid(operator))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("key column \"%s\" is of type %s, which has no order",
							NameStr(att->attname), format_type_be(att->atttypid)),
					 errhint("Name key columns of types that can be sorted.")));
		order->ssup_cxt = CurrentMemoryContext;
		order->ssup_collation = att->attcollation;
		PrepareSortSupportFromOrderingOp(operator, order);
	}
}

/* What is kept of a row: the key and the payload. */
static void
resolve_columns(TridentSearchTarget *target, const TridentSearchRequest *request)
{
	Relation	rel = target->rel;
	List	   *key = request->key ? request->key : primary_key(rel);
	List	   *names = list_concat_copy(key, request->columns);
	TupleDesc	desc;
	ListCell   *lc;

	if (list_length(names) > MAX_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("key and columns name more than %d columns", MAX_COLUMNS),
				 errhint("Name each column once.")));
	target->nkeys = list_length(key);
	target->ncolumns = list_length(names);
	desc = CreateTemplateTupleDesc(target->ncolumns);
	foreach(lc, names)
	{
		bool		is_key = foreach_current_index(lc) < target->nkeys;
		AttrNumber	attno = find_column(rel, lfirst(lc), is_key ?
										"Name columns of the collection as key." :
										"Name columns of the collection as columns.");

		TupleDescCopyEntry(desc, foreach_current_index(lc) + 1,
						   RelationGetDescr(rel), attno);
		if (TridentIsVirtual(TupleDescAttr(RelationGetDescr(rel), attno - 1)))
			target->has_virtual = true;
	}
	target->row_desc = desc;
	resolve_key_order(target);
}

TridentSearchTarget *
trident_search_resolve(const TridentSearchRequest *request)
{
	TridentSearchTarget *target = palloc0(sizeof(TridentSearchTarget));
	AttrNumber	vector;

	target->rel = open_collection(request->collection);
	target->has_children = target->rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
		has_subclass(request->collection);
	if (target->rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		trident_search_check_shards(target->rel);
	target->k = request->k;
	resolve_vector(target, request, &vector);
	resolve_metric(target, request->metric, vector);
	resolve_columns(target, request);
	return target;
}
