/*
 * search.c
 *	  trident_search: the k rows of a table that are nearest to a vector.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "search/scatter.h"

PG_FUNCTION_INFO_V1(trident_search);

/* The arguments, by position. */
enum
{
	ARG_COLLECTION,
	ARG_QUERY,
	ARG_K,
	ARG_VECTOR_COLUMN,
	ARG_METRIC,
	ARG_FILTER,
	ARG_FILTER_ARGS,
	ARG_COLUMNS,
	ARG_KEY,
	ARG_PARTIAL,
	ARG_DEADLINE
};

/* The function is not strict, so that a NULL can be told from no result. */
static void
refuse_null(FunctionCallInfo fcinfo, int arg, const char *name, const char *hint)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of trident_search must not be null", name),
				 errhint("%s", hint)));
}

/* An argument of type name[], as a list of char *; NIL if it is NULL. */
static List *
names_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	List	   *list = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(arg))
		return NIL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), NAMEOID, NAMEDATALEN, false,
					  TYPALIGN_CHAR, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" of trident_search must not contain nulls", name),
					 errhint("Name columns of the collection only.")));
		list = lappend(list, pstrdup(NameStr(*DatumGetName(values[i]))));
	}
	return list;
}

static void
check_k(int k)
{
	if (k < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at least 1, not %d", k),
				 errhint("Pass the number of neighbors wanted as k.")));
	if (k > trident_base_search_max_k)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at most %d, not %d",
						trident_base_search_max_k, k),
				 errhint("Ask for fewer neighbors, or raise trident.search_max_k.")));
}

/* 'error' or 'allow': what becomes of a search that a node has no answer to. */
static bool
read_partial(FunctionCallInfo fcinfo)
{
	char	   *value;

	refuse_null(fcinfo, ARG_PARTIAL, "partial", "Pass 'error' or 'allow', or leave it out.");
	value = text_to_cstring(PG_GETARG_TEXT_PP(ARG_PARTIAL));
	if (strcmp(value, "allow") != 0 && strcmp(value, "error") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partial must be 'error' or 'allow', not '%s'", value),
				 errhint("Pass 'allow' to get what can be had when a node is missing.")));
	return value[0] == 'a';
}

/* Until when all is to be done; 0: what the setting of the exchange gives nodes. */
static TimestampTz
read_deadline(FunctionCallInfo fcinfo)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz deadline;

	if (PG_ARGISNULL(ARG_DEADLINE))
		return 0;
	deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													   TimestampTzGetDatum(now),
													   PG_GETARG_DATUM(ARG_DEADLINE)));
	if (deadline <= now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("deadline must be positive"),
				 errhint("Pass how long the nodes may take, such as '200 ms'.")));
	if (TIMESTAMP_NOT_FINITE(deadline))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("deadline must be finite"),
				 errhint("Leave deadline out to wait as long as trident.exchange_timeout says.")));
	return deadline;
}

static TridentSearchRequest
read_request(FunctionCallInfo fcinfo)
{
	TridentSearchRequest r = {0};

	refuse_null(fcinfo, ARG_COLLECTION, "collection",
				"Name the table to search.");
	refuse_null(fcinfo, ARG_QUERY, "query",
				"Pass the vector whose neighbors are wanted.");
	refuse_null(fcinfo, ARG_K, "k",
				"Pass the number of neighbors wanted as k, or leave it out.");

	r.collection = PG_GETARG_OID(ARG_COLLECTION);
	r.query = PG_GETARG_DATUM(ARG_QUERY);
	r.k = PG_GETARG_INT32(ARG_K);
	check_k(r.k);
	if (!PG_ARGISNULL(ARG_VECTOR_COLUMN))
		r.vector_column = NameStr(*PG_GETARG_NAME(ARG_VECTOR_COLUMN));
	if (!PG_ARGISNULL(ARG_METRIC))
		r.metric = text_to_cstring(PG_GETARG_TEXT_PP(ARG_METRIC));
	if (!PG_ARGISNULL(ARG_FILTER))
		r.filter = text_to_cstring(PG_GETARG_TEXT_PP(ARG_FILTER));
	if (!PG_ARGISNULL(ARG_FILTER_ARGS))
		r.filter_args = PG_GETARG_JSONB_P(ARG_FILTER_ARGS);
	r.columns = names_argument(fcinfo, ARG_COLUMNS, "columns");
	r.key = names_argument(fcinfo, ARG_KEY, "key");
	r.allows_partial = read_partial(fcinfo);
	r.deadline = read_deadline(fcinfo);
	if (!PG_ARGISNULL(ARG_KEY) && r.key == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"key\" of trident_search must not be empty"),
				 errhint("Name the columns that identify a row, or leave key out to take the primary key.")));
	return r;
}

/* Run the whole plan here; of foreign tables, through their wrapper. */
static TridentSearchTop *
search_here(const TridentSearchPlan *plan, TimestampTz deadline, const char *reason)
{
	TridentSearchTop *top = trident_search_top_new(plan->target);
	instr_time	start;
	instr_time	end;
	bool		is_pass;

	INSTR_TIME_SET_CURRENT(start);
	is_pass = trident_search_run_until(deadline, plan, plan->statement, top);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	trident_search_top_sort(top);
	trident_search_last_begin(reason);
	trident_search_last_add_plan(plan, is_pass, top, INSTR_TIME_GET_MILLISEC(end));
	return top;
}

/*
 * trident_search(collection, query, k, vector_column, metric, filter,
 *				  filter_args, columns, key, partial, deadline)
 */
Datum
trident_search(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TridentSearchRequest request = read_request(fcinfo);
	TridentSearchTarget *target;
	TridentSearchFilter *filter;
	TridentSearchPlan *plan;
	TridentSearchTop *top;
	const char *reason = NULL;
	instr_time	start;
	instr_time	end;

	INSTR_TIME_SET_CURRENT(start);
	InitMaterializedSRF(fcinfo, 0);

	target = trident_search_resolve(&request);
	filter = trident_search_filter(target, &request);
	plan = trident_search_simple(target, filter);
	if (plan == NULL)
		plan = trident_search_plan(target, filter);
	if (plan->split)
		reason = trident_search_plain_reason(filter, plan);
	if (plan->split && plan->split->nnodes > 0 && reason == NULL)
		top = trident_search_scatter(&request, filter, plan);
	else
		top = search_here(plan, request.deadline, reason);
	trident_search_plan_release(plan);
	trident_search_result(top, rsinfo->setResult, rsinfo->setDesc);

	/* The lock stays until the transaction ends, as that of a SELECT does. */
	relation_close(target->rel, NoLock);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	trident_search_last_end(INSTR_TIME_GET_MILLISEC(end));
	return (Datum) 0;
}
