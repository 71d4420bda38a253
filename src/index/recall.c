/*
 * recall.c
 *	  trident_recall: what searches find of what they should, measured.
 *
 * Rows of the table, drawn at random, are the queries.  One pass over the
 * table draws them, and one finds what is nearest to all of them, exactly;
 * then each is searched for by an index scan under the settings of the
 * session, for k rows as LIMIT k would.  All of this sees one snapshot, and
 * the rows that the index covers: those that satisfy its predicate.
 *
 * Every search finds the row that it began with, which says nothing: recall is
 * that of the other k - 1.  To ask for k + 1 rows instead would measure a
 * search that does more than LIMIT k.  A row found counts when it is no
 * farther than the last of them: among rows equally near any will do.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "common/pg_prng.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/heap.h"
#include "index/am.h"
#include "index/inspect.h"

PG_FUNCTION_INFO_V1(trident_recall);

#define MAX_SAMPLE 1000
#define MIN_K 2
#define MAX_K 10000

/*
 * A search may compute a distance in another order than we do: distances so
 * near to each other, relatively, are equal.
 */
#define EQUAL 1e-6

/* The result columns, in order. */
enum Column
{
	QUERIES,
	RECALL,
	RECALL_MIN,
	TARGET_RECALL,
	LISTS_PROBED,
	CODES_SCANNED,
	ROWS_RERANKED,
	INDEX_MS,
	EXACT_MS,
	NCOLUMNS
};

/* One row as query. */
typedef struct Question
{
	ItemPointerData tid;		/* that index entries of the row have */
	Datum		value;			/* copied, not toasted */
	TridentIndexQuery *query;	/* NULL: too long for the arithmetic */
	int			nnearest;
	double	   *nearest;		/* k - 1: a heap, farthest on top */
} Question;

typedef struct Recall
{
	TridentIndexInspection inspection;
	Snapshot	snapshot;
	MemoryContext context;
	TridentIndexCoder coder;
	int			k;
	int			max_questions;
	int			nquestions;
	Question   *questions;
	double		nrows;			/* seen while drawing */
	int			pass_questions; /* answered by this pass: the first so many */
	float	   *raw;
	float	   *x;

	/* sums over all questions */
	double		recall;
	double		recall_min;
	double		target_recall;	/* 0: none is aimed at */
	double		lists_probed;
	double		codes_scanned;
	double		rows_reranked;
	double	   *ms;
	int			nanswered;
} Recall;

static double
elapsed_ms(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* IndexBuildCallback: draw a row, each with the same chance. */
static void
draw_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		 bool is_alive, void *arg)
{
	Recall	   *recall = arg;
	Question   *question;
	MemoryContext old;
	int64		place = (int64) recall->nrows;

	if (isnull[0])
		return;
	if (place >= recall->max_questions)
		place = (int64) pg_prng_uint64_range(&pg_global_prng_state, 0, place);
	recall->nrows++;
	if (place >= recall->max_questions)
		return;
	/* zero under cosine: not in the index, and near to nothing */
	if (!trident_index_inspect_value(&recall->coder, values[0], false,
									 recall->raw, recall->x))
	{
		recall->nrows--;
		return;
	}
	question = &recall->questions[place];
	old = MemoryContextSwitchTo(recall->context);
	if (place < recall->nquestions)
	{
		pfree(DatumGetPointer(question->value));
		if (question->query)
			pfree(question->query);
	}
	else
		recall->nquestions++;
	question->tid = *tid;
	question->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[0]));
	question->query = trident_index_query(&recall->coder, recall->raw);
	MemoryContextSwitchTo(old);
}

#define is_greater(a, b) ((a) > (b))
TRIDENT_BASE_HEAP(distance, double, is_greater)

/* Keep value if it is among the max nearest. */
static void
add_nearest(Question *question, int max, double value)
{
	if (question->nnearest < max)
		distance_push(question->nearest, question->nnearest++, value);
	else if (value < question->nearest[0])
		distance_replace(question->nearest, max, value);
}

/* IndexBuildCallback: compare a row with all questions of this pass. */
static void
answer_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		   bool is_alive, void *arg)
{
	Recall	   *recall = arg;
	int			i;

	if (!trident_index_inspect_value(&recall->coder, values[0], isnull[0],
									 recall->raw, recall->x))
		return;
	for (i = 0; i < recall->pass_questions; i++)
	{
		Question   *question = &recall->questions[i];

		if (question->query && !ItemPointerEquals(tid, &question->tid))
			add_nearest(question, recall->k - 1,
						trident_index_exact_value(&recall->coder,
												  question->query, recall->raw));
	}
	CHECK_FOR_INTERRUPTS();
}

/* Answer the first n questions exactly; returns the time that it took. */
static double
answer_exactly(Recall *recall, int n)
{
	instr_time	start;
	int			i;

	for (i = 0; i < n; i++)
		recall->questions[i].nnearest = 0;
	recall->pass_questions = n;
	INSTR_TIME_SET_CURRENT(start);
	trident_index_inspect_rows(&recall->inspection, recall->snapshot,
							   answer_row, recall);
	return elapsed_ms(start);
}

/* The order of a search for question, as the executor would give it. */
static void
order_key(const Recall *recall, const Question *question, ScanKey key)
{
	Relation	index = recall->inspection.index;
	Oid			type = index->rd_opcintype[0];
	Oid			operator = get_opfamily_member(index->rd_opfamily[0], type, type,
											   TRIDENT_INDEX_ORDER_STRATEGY);

	if (!OidIsValid(operator))
		elog(ERROR, "no ordering operator in operator family %u",
			 index->rd_opfamily[0]);
	ScanKeyEntryInitialize(key, SK_ORDER_BY, 1, TRIDENT_INDEX_ORDER_STRATEGY,
						   type, index->rd_indcollation[0],
						   get_opcode(operator), question->value);
}

/* Search for question by the index; returns how many of the nearest it found. */
static int
search(Recall *recall, const Question *question, TupleTableSlot *slot)
{
	TridentIndexInspection *inspection = &recall->inspection;
	double		farthest = trident_index_value_distance(recall->coder.metric,
														question->nearest[0]);
	IndexScanDesc scan;
	ScanKeyData key;
	ItemPointer tid;
	int			nrows = 0;
	int			found = 0;

	order_key(recall, question, &key);
	farthest += EQUAL * fabs(farthest);
	scan = TridentIndexBeginScan(inspection->heap, inspection->index,
								 recall->snapshot, 0, 1);
	index_rescan(scan, NULL, 0, &key, 1);
	while (nrows < recall->k &&
		   (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		bool		is_self = ItemPointerEquals(tid, unconstify(ItemPointerData *, &question->tid));

		if (!index_fetch_heap(scan, slot))
			continue;
		nrows++;
		found += !is_self && !scan->xs_orderbynulls[0] &&
			DatumGetFloat8(scan->xs_orderbyvals[0]) <= farthest;
	}
	index_endscan(scan);
	ExecClearTuple(slot);
	/* one more than there are, where it missed itself among its equals */
	return Min(found, question->nnearest);
}

/* Search for all questions by the index, and sum up. */
static void
search_all(Recall *recall)
{
	TupleTableSlot *slot = table_slot_create(recall->inspection.heap, NULL);
	int			i;

	for (i = 0; i < recall->nquestions; i++)
	{
		const Question *question = &recall->questions[i];
		const TridentIndexScanStats *stats = trident_index_last_scan_stats();
		instr_time	start;
		double		share;

		CHECK_FOR_INTERRUPTS();
		if (question->nnearest == 0)
			continue;
		INSTR_TIME_SET_CURRENT(start);
		share = (double) search(recall, question, slot) / question->nnearest;
		recall->ms[recall->nanswered++] = elapsed_ms(start);
		recall->recall += share;
		recall->recall_min = Min(recall->recall_min, share);
		recall->target_recall = stats->target_recall;
		recall->lists_probed += stats->lists_probed;
		recall->codes_scanned += stats->codes_scanned;
		recall->rows_reranked += stats->rows_reranked;
	}
	ExecDropSingleTupleTableSlot(slot);
}

static int
compare_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* From the sums to a row; without an answered question only their number. */
static Datum
form_result(Recall *recall, double exact_ms, TupleDesc desc)
{
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS];
	double		n = recall->nanswered;

	memset(nulls, n == 0, sizeof(nulls));
	nulls[QUERIES] = false;
	values[QUERIES] = Int32GetDatum(recall->nanswered);
	if (n > 0)
	{
		qsort(recall->ms, recall->nanswered, sizeof(double), compare_double);
		values[RECALL] = Float8GetDatum(recall->recall / n);
		values[RECALL_MIN] = Float8GetDatum(recall->recall_min);
		values[TARGET_RECALL] = Float8GetDatum(recall->target_recall);
		nulls[TARGET_RECALL] = recall->target_recall == 0;
		values[LISTS_PROBED] = Float8GetDatum(recall->lists_probed / n);
		values[CODES_SCANNED] = Float8GetDatum(recall->codes_scanned / n);
		values[ROWS_RERANKED] = Float8GetDatum(recall->rows_reranked / n);
		values[INDEX_MS] = Float8GetDatum(recall->ms[recall->nanswered / 2]);
		values[EXACT_MS] = Float8GetDatum(exact_ms);
	}
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* Prepare for an index, and allocate. */
static void
begin_recall(Recall *recall)
{
	Relation	index = recall->inspection.index;
	TridentIndexMeta meta;
	TridentIndexMetric metric;
	bool		is_half;

	recall->context = CurrentMemoryContext;
	trident_index_meta_read(index, &meta);
	trident_index_column_kind(index, &metric, &is_half);
	trident_index_coder_init(&recall->coder, &meta, is_half);
	recall->questions = palloc0(sizeof(Question) * recall->max_questions);
	recall->raw = palloc(sizeof(float) * meta.dim);
	recall->x = palloc(sizeof(float) * meta.dp);
	recall->ms = palloc(sizeof(double) * recall->max_questions);
	recall->recall_min = 1;
	recall->snapshot = RegisterSnapshot(GetTransactionSnapshot());
}

/* Measure; returns the row of the result, in the caller's context. */
static Datum
measure(Recall *recall, TupleDesc desc)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "trident recall",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	double		exact_ms = 0;
	Datum		result;
	int			i;

	begin_recall(recall);
	trident_index_inspect_rows(&recall->inspection, recall->snapshot, draw_row,
							   recall);
	for (i = 0; i < recall->nquestions; i++)
		recall->questions[i].nearest = palloc(sizeof(double) * (recall->k - 1));
	if (recall->nquestions > 0)
	{
		/* one alone, for the time; the rows have just been read */
		exact_ms = answer_exactly(recall, 1);
		answer_exactly(recall, recall->nquestions);
		search_all(recall);
	}
	UnregisterSnapshot(recall->snapshot);
	MemoryContextSwitchTo(old);
	result = form_result(recall, exact_ms, desc);
	MemoryContextDelete(context);
	return result;
}

/* An argument within its range. */
static int
checked_argument(const char *name, int value, int min, int max)
{
	if (value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %d and %d", name, min, max),
				 errhint("Give %s a value in that range.", name)));
	return value;
}

/* One row of what was measured. */
Datum
trident_recall(PG_FUNCTION_ARGS)
{
	Recall		recall = {0};
	Relation	heap;
	TupleDesc	desc;
	Datum		result;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != NCOLUMNS)
		elog(ERROR, "return type is not the row type of trident_recall");
	desc = BlessTupleDesc(desc);
	recall.max_questions = checked_argument("sample", PG_GETARG_INT32(1), 1,
											MAX_SAMPLE);
	recall.k = checked_argument("k", PG_GETARG_INT32(2), MIN_K, MAX_K);
	trident_index_inspect_open(&recall.inspection, PG_GETARG_OID(0),
							   AccessShareLock, true);
	heap = recall.inspection.heap;
	if (check_enable_rls(RelationGetRelid(heap), recall.inspection.user,
						 false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot measure recall on table \"%s\" under row security",
						RelationGetRelationName(heap)),
				 errdetail("The measurement would depend on rows that policies hide."),
				 errhint("Call trident_recall() as a role that row security does not apply to, such as the owner of the table.")));
	result = measure(&recall, desc);
	trident_index_inspect_close(&recall.inspection);
	PG_RETURN_DATUM(result);
}
