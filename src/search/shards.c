/*
 * shards.c
 *	  trident.search_shards, trident.search_shards_many: a search that another
 *	  node asks for, or several that differ in the query alone.
 *
 * The asking node has resolved columns and metric and checked its own user.
 * Here the search is one like any other, by the role that it is connected as:
 * tables, columns and filter are looked up and checked again, rights and row
 * security are this node's.  The shards of a request share one list of the
 * nearest rows, so that what the first ones found spares work on the others.
 * Several searches at once are resolved and planned once, and where the plan
 * is one pass over the rows they share it.
 *
 * The arguments are of built-in types, and the query of a type that the
 * signature tells: what has another OID on each node is never named by one.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/guc.h"
#include "search/scatter.h"

PG_FUNCTION_INFO_V1(trident_search_shards);
PG_FUNCTION_INFO_V1(trident_search_shards_many);

/* Searches of one request: their rows are in memory together. */
#define MAX_QUERIES 1000

/* The arguments, by position. */
enum
{
	ARG_WIRE,
	ARG_SHARDS,
	ARG_QUERY,
	ARG_K,
	ARG_METRIC,
	ARG_VECTOR_COLUMN,
	ARG_KEY,
	ARG_COLUMNS,
	ARG_TYPES,
	ARG_FILTER,
	ARG_FILTER_TYPES,
	ARG_FILTER_VALUES,
	ARG_BOUND,
	ARG_TARGET_RECALL,
	ARG_PROBES,
	ARG_ORDER,
	ARG_FILTER_EXTENSIONS
};

/* An argument of type text[]. */
typedef struct Texts
{
	int			n;
	char	  **text;			/* NULL where the element is */
	bool	   *nulls;
} Texts;

/* What is asked for. */
typedef struct Job
{
	Texts		shards;
	Texts		types;
	const char *filter;
	Texts		filter_types;
	Texts		filter_values;
	TridentSearchRequest request;
	double		bound;			/* infinity: none */
	int			nqueries;
	TridentVector **queries;
	Oid		   *tables;
	TridentSearchShardAnswer *answers;
	TridentSearchTop **tops;	/* one a query */
} Job;

static void
refuse(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid arguments of trident.search_shards"),
			 errdetail("%s", detail),
			 errhint("Call trident_search on the collection; it calls this function on the nodes.")));
}

static Texts
read_texts(FunctionCallInfo fcinfo, int arg)
{
	Texts		texts = {0};
	Datum	   *values;

	if (PG_ARGISNULL(arg))
		return texts;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), TEXTOID, -1, false,
					  TYPALIGN_INT, &values, &texts.nulls, &texts.n);
	texts.text = palloc0(sizeof(char *) * (texts.n + 1));
	for (int i = 0; i < texts.n; i++)
	{
		if (!texts.nulls[i])
			texts.text[i] = TextDatumGetCString(values[i]);
	}
	return texts;
}

static List *
read_names(FunctionCallInfo fcinfo, int arg)
{
	Texts		texts = read_texts(fcinfo, arg);
	List	   *names = NIL;

	for (int i = 0; i < texts.n; i++)
	{
		if (texts.nulls[i])
			refuse("A name is null.");
		names = lappend(names, texts.text[i]);
	}
	return names;
}

static bool
has_null(const Texts *texts)
{
	for (int i = 0; i < texts->n; i++)
	{
		if (texts->nulls[i])
			return true;
	}
	return false;
}

static void
read_job(FunctionCallInfo fcinfo, Job *job)
{
	TridentSearchRequest *request = &job->request;

	for (int arg = ARG_WIRE; arg <= ARG_TYPES; arg++)
	{
		if (PG_ARGISNULL(arg))
			refuse("An argument is null that must not be.");
	}
	if (PG_GETARG_INT32(ARG_WIRE) != TRIDENT_SEARCH_WIRE_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("search request of version %d, which is not served here",
						PG_GETARG_INT32(ARG_WIRE)),
				 errdetail("This node serves version %d.", TRIDENT_SEARCH_WIRE_VERSION),
				 errhint("Install the same version of trident on all nodes.")));

	job->shards = read_texts(fcinfo, ARG_SHARDS);
	job->types = read_texts(fcinfo, ARG_TYPES);
	job->filter_types = read_texts(fcinfo, ARG_FILTER_TYPES);
	job->filter_values = read_texts(fcinfo, ARG_FILTER_VALUES);
	if (!PG_ARGISNULL(ARG_FILTER))
		job->filter = text_to_cstring(PG_GETARG_TEXT_PP(ARG_FILTER));
	job->bound = PG_ARGISNULL(ARG_BOUND) ? get_float8_infinity() :
		PG_GETARG_FLOAT8(ARG_BOUND);
	request->k = PG_GETARG_INT32(ARG_K);
	request->metric = text_to_cstring(PG_GETARG_TEXT_PP(ARG_METRIC));
	request->vector_column = text_to_cstring(PG_GETARG_TEXT_PP(ARG_VECTOR_COLUMN));
	request->key = read_names(fcinfo, ARG_KEY);
	request->columns = read_names(fcinfo, ARG_COLUMNS);

	if (job->shards.n == 0 || has_null(&job->shards))
		refuse("There is no shard.");
	if (request->key == NIL)
		refuse("There is no key.");
	if (request->k < 1)
		refuse("k is less than 1.");
	if (request->k > TRIDENT_BASE_SEARCH_MAX_K)
		refuse("k is more than trident.search_max_k can be.");
	if (has_null(&job->types) ||
		job->types.n != list_length(request->key) + list_length(request->columns))
		refuse("There is not one type for each column.");
	if (has_null(&job->filter_types) || job->filter_types.n != job->filter_values.n)
		refuse("There is not one type for each value of the filter.");
}

/* Set one of our settings until the function returns, if it is another. */
static void
set_setting(const char *name, const char *value)
{
	if (strcmp(GetConfigOption(name, false, false), value) != 0)
		(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

/* How the index is searched is for the one who asks to say. */
static void
apply_settings(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(ARG_TARGET_RECALL) &&
		PG_GETARG_FLOAT8(ARG_TARGET_RECALL) != trident_base_index_target_recall)
		set_setting("trident.index_target_recall",
					psprintf("%.17g", PG_GETARG_FLOAT8(ARG_TARGET_RECALL)));
	if (!PG_ARGISNULL(ARG_PROBES) &&
		PG_GETARG_INT32(ARG_PROBES) != trident_base_index_probes)
		set_setting("trident.index_probes",
					psprintf("%d", PG_GETARG_INT32(ARG_PROBES)));
	if (!PG_ARGISNULL(ARG_ORDER))
		set_setting("trident.index_order",
					text_to_cstring(PG_GETARG_TEXT_PP(ARG_ORDER)));
	if (!PG_ARGISNULL(ARG_FILTER_EXTENSIONS))
		set_setting("trident.search_filter_extensions",
					text_to_cstring(PG_GETARG_TEXT_PP(ARG_FILTER_EXTENSIONS)));
}

/* Rows of all shards go into one list: their columns must be of one kind. */
static void
check_same_columns(const TridentSearchTarget *target,
				   const TridentSearchTarget *first)
{
	for (int i = 0; i < first->ncolumns; i++)
	{
		Form_pg_attribute a = TupleDescAttr(target->row_desc, i);
		Form_pg_attribute b = TupleDescAttr(first->row_desc, i);

		if (a->atttypid != b->atttypid || a->attcollation != b->attcollation)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" is of different types in shards \"%s\" and \"%s\"",
							NameStr(a->attname), RelationGetRelationName(target->rel),
							RelationGetRelationName(first->rel)),
					 errhint("Give the column one type in all shards of the collection.")));
	}
}

static void
shard_error_context(void *arg)
{
	errcontext("search of shard %s", (const char *) arg);
}

/* The lists that the rows of all shards go into; of the kind of the first. */
static void
make_tops(Job *job, const TridentSearchTarget *target)
{
	job->tops = palloc(sizeof(TridentSearchTop *) * job->nqueries);
	for (int i = 0; i < job->nqueries; i++)
	{
		job->tops[i] = trident_search_top_new(target);
		job->tops[i]->bound = job->bound;
	}
}

/* Search one shard; its rows go into the common lists. */
static void
search_shard(Job *job, int i)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(job->shards.text[i]));
	TridentSearchFilter *filter = NULL;
	TridentSearchTarget *target;
	TridentSearchPlan *plan;
	Datum	   *queries = palloc(sizeof(Datum) * job->nqueries);
	instr_time	start;
	instr_time	end;

	INSTR_TIME_SET_CURRENT(start);
	job->tables[i] = RangeVarGetRelid(makeRangeVarFromNameList(names),
									  AccessShareLock, false);
	job->request.collection = job->tables[i];
	target = trident_search_resolve(&job->request);
	if (i == 0)
		make_tops(job, target);
	else
		check_same_columns(target, job->tops[0]->target);
	for (int j = 0; j < job->nqueries; j++)
	{
		queries[j] = trident_search_query_value(target, job->queries[j]);
		job->tops[j]->shard = job->tables[i];
	}
	if (job->filter)
		filter = trident_search_filter_received(target, job->filter,
												job->filter_types.n,
												job->filter_types.text,
												job->filter_values.text,
												job->filter_values.nulls);
	plan = trident_search_plan(target, filter);
	job->answers[i].path = trident_search_run(plan, plan->statement, queries,
											  job->tops, job->nqueries) ? 'p' : 'x';
	trident_search_plan_release(plan);
	relation_close(target->rel, NoLock);

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	job->answers[i].search_ms = INSTR_TIME_GET_MILLISEC(end);
}

/* The settings of the request hold until the level that is returned ends. */
static int
begin_job(FunctionCallInfo fcinfo, Job *job)
{
	int			level = NewGUCNestLevel();

	read_job(fcinfo, job);
	apply_settings(fcinfo);
	return level;
}

/* Search all shards for all queries. */
static void
run_job(Job *job)
{
	job->request.query = PointerGetDatum(job->queries[0]);
	job->tables = palloc(sizeof(Oid) * job->shards.n);
	job->answers = palloc0(sizeof(TridentSearchShardAnswer) * job->shards.n);
	for (int i = 0; i < job->shards.n; i++)
	{
		ErrorContextCallback callback;

		callback.callback = shard_error_context;
		callback.arg = job->shards.text[i];
		callback.previous = error_context_stack;
		error_context_stack = &callback;
		search_shard(job, i);
		error_context_stack = callback.previous;
	}
}

/* What was found for a query. */
static bytea *
write_answer(Job *job, int query)
{
	trident_search_top_sort(job->tops[query]);
	return trident_search_wire_write(job->tops[query], job->shards.n, job->tables,
									 job->answers, job->types.text);
}

Datum
trident_search_shards(PG_FUNCTION_ARGS)
{
	Job			job = {0};
	int			level = begin_job(fcinfo, &job);
	TridentVector *query = TRIDENT_VECTOR_P(PG_GETARG_DATUM(ARG_QUERY));
	bytea	   *answer;

	job.nqueries = 1;
	job.queries = &query;
	run_job(&job);
	answer = write_answer(&job, 0);
	AtEOXact_GUC(true, level);
	PG_RETURN_BYTEA_P(answer);
}

/* The queries of an array of bytea, each a vector as its type sends it. */
static void
read_queries(FunctionCallInfo fcinfo, Job *job)
{
	Datum	   *values;
	bool	   *nulls;
	Oid			function;
	Oid			ioparam;
	FmgrInfo	receive;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_QUERY), BYTEAOID, -1, false,
					  TYPALIGN_INT, &values, &nulls, &job->nqueries);
	if (job->nqueries < 1 || job->nqueries > MAX_QUERIES)
		refuse("There is no query, or there are too many.");
	getTypeBinaryInputInfo(trident_search_objects()->type[TRIDENT_VECTOR_FLOAT4],
						   &function, &ioparam);
	fmgr_info(function, &receive);
	job->queries = palloc(sizeof(TridentVector *) * job->nqueries);
	for (int i = 0; i < job->nqueries; i++)
	{
		StringInfoData in;

		if (nulls[i])
			refuse("A query is null.");
		initStringInfo(&in);
		appendBinaryStringInfo(&in, VARDATA_ANY(DatumGetPointer(values[i])),
							   VARSIZE_ANY_EXHDR(DatumGetPointer(values[i])));
		job->queries[i] = TRIDENT_VECTOR_P(ReceiveFunctionCall(&receive, &in, ioparam, -1));
	}
}

Datum
trident_search_shards_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Job			job = {0};
	int			level;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	level = begin_job(fcinfo, &job);
	read_queries(fcinfo, &job);
	run_job(&job);
	for (int i = 0; i < job.nqueries; i++)
	{
		Datum		answer = PointerGetDatum(write_answer(&job, i));
		bool		is_null = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &answer, &is_null);
	}
	AtEOXact_GUC(true, level);
	return (Datum) 0;
}
