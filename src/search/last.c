/*
 * last.c
 *	  trident_last_search(): what the last search of this session did.
 *
 * A search that fails for a node leaves its notes too; one that is refused
 * before it began leaves those of the search before.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "search/scatter.h"

PG_FUNCTION_INFO_V1(trident_last_search);

/* The columns of the result, by position. */
enum
{
	RESULT_NODE,
	RESULT_SHARD,
	RESULT_PATH,
	RESULT_ROWS,
	RESULT_MS,
	RESULT_SEARCH_MS,
	RESULT_ATTEMPTS,
	RESULT_ERROR,
	RESULT_COVERAGE,
	RESULT_REASON,
	RESULT_MERGE_MS,
	RESULT_TOTAL_MS,
	RESULT_COLUMNS
};

/* The notes, and all they point to. */
static MemoryContext context = NULL;
static List *runs = NIL;		/* of TridentSearchShardRun * */
static char *plain_reason = NULL;
static double merge_ms = -1;	/* below 0: nothing was merged */
static double total_ms = -1;	/* below 0: it did not get to its end */

static char *
copy_text(const char *text)
{
	return text ? MemoryContextStrdup(context, text) : NULL;
}

void
trident_search_last_begin(const char *reason)
{
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "trident last search",
										ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	runs = NIL;
	plain_reason = copy_text(reason);
	merge_ms = total_ms = -1;
}

void
trident_search_last_merged(double ms)
{
	merge_ms = ms;
}

void
trident_search_last_end(double ms)
{
	total_ms = ms;
}

void
trident_search_last_add(const TridentSearchShardRun *run)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	TridentSearchShardRun *copy = palloc(sizeof(TridentSearchShardRun));

	*copy = *run;
	copy->node = copy_text(run->node);
	copy->path = copy_text(run->path);
	copy->error = copy_text(run->error);
	runs = lappend(runs, copy);
	MemoryContextSwitchTo(old);
}

static void
add_table(Oid table, const char *node, const char *path,
		  const TridentSearchTop *top, double ms)
{
	TridentSearchShardRun run = {
		.shard = table,
		.node = node,
		.path = path,
		.ms = ms,
		.search_ms = node ? -1 : ms,
		.attempts = 1
	};

	for (int i = 0; i < top->nrows; i++)
		run.rows += top->rows[i].shard == table;
	trident_search_last_add(&run);
}

void
trident_search_last_add_plan(const TridentSearchPlan *plan, bool is_pass,
							 const TridentSearchTop *top, double ms)
{
	const char *path = is_pass ? "pass" : "plan";
	const TridentSearchSplit *split = plan->split;
	Oid			collection = RelationGetRelid(plan->target->rel);

	if (split == NULL)
	{
		TridentSearchShardRun run = {
			.shard = collection,
			.path = path,
			.rows = top->nrows,
			.ms = ms,
			.search_ms = ms,
			.attempts = 1
		};

		trident_search_last_add(&run);
		return;
	}
	for (int i = 0; i < split->nlocal; i++)
		add_table(split->local_shards[i], NULL, path, top, ms);
	for (int i = 0; i < split->nnodes; i++)
	{
		for (int j = 0; j < split->nodes[i].nshards; j++)
			add_table(split->nodes[i].shards[j], split->nodes[i].name, "fdw",
					  top, ms);
	}
}

/* The rows of a table as they were estimated last; below 0: never. */
static double
estimated_rows(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	double		rows = -1;

	if (HeapTupleIsValid(tuple))
	{
		rows = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return rows;
}

/*
 * The share of the collection's rows that a run stands for, by estimates of
 * their numbers if all shards have one; else shards count alike.
 */
static double
share(const TridentSearchShardRun *run)
{
	double		sum = 0;
	ListCell   *lc;

	foreach(lc, runs)
	{
		double		rows = estimated_rows(((TridentSearchShardRun *) lfirst(lc))->shard);

		if (rows < 0)
			return 1.0 / list_length(runs);
		sum += rows;
	}
	return sum > 0 ? estimated_rows(run->shard) / sum : 1.0 / list_length(runs);
}

/* NULL: unknown. */
static void
set_ms(Datum *values, bool *nulls, int column, double ms)
{
	values[column] = Float8GetDatum(ms);
	nulls[column] = ms < 0;
}

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text)
		values[column] = CStringGetTextDatum(text);
}

Datum
trident_last_search(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, runs)
	{
		const TridentSearchShardRun *run = lfirst(lc);
		Datum		values[RESULT_COLUMNS] = {0};
		bool		nulls[RESULT_COLUMNS] = {0};

		values[RESULT_NODE] =
			DirectFunctionCall1(namein, CStringGetDatum(run->node ? run->node : "local"));
		values[RESULT_SHARD] = ObjectIdGetDatum(run->shard);
		set_text(values, nulls, RESULT_PATH, run->path);
		values[RESULT_ROWS] = Int64GetDatum(run->rows);
		values[RESULT_MS] = Float8GetDatum(run->ms);
		set_ms(values, nulls, RESULT_SEARCH_MS, run->search_ms);
		values[RESULT_ATTEMPTS] = Int32GetDatum(run->attempts);
		set_text(values, nulls, RESULT_ERROR, run->error);
		values[RESULT_COVERAGE] = Float8GetDatum(run->error ? 0 : share(run));
		set_text(values, nulls, RESULT_REASON, plain_reason);
		set_ms(values, nulls, RESULT_MERGE_MS, merge_ms);
		set_ms(values, nulls, RESULT_TOTAL_MS, total_ms);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
