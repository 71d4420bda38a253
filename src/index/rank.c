/*
 * rank.c
 *	  Candidates in, rows out: the order in which a scan returns rows.
 *
 * A row may leave the scan when (1) the lists that its number in the output
 * asks for are scored (curve.h), and (2) no candidate has a bound below its
 * exact value.  Rows that turn up after a farther row has left are "late":
 * trident.index_order = auto keeps them and returns them when nothing else is
 * left, so that a query gets all rows there are; strict drops them.
 *
 * All heaps are in arrays of the scan's context.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/float.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/heap.h"
#include "index/scan.h"

/*
 * "want" grows by this factor: one scoring costs about the same at each size,
 * until rows are so many that the finer codes and candidates are what it costs.
 */
#define WANT_GROWTH(want) ((want) < MANY_WANTED ? 8 : 2)

/*
 * From so many on the limit is that of a sample, a smaller heap; then it may
 * be off by some in a hundred.
 */
#define MANY_WANTED 4096

/* A table of row addresses. */
typedef struct SeenTid
{
	ItemPointerData tid;
	char		status;
} SeenTid;

#define SH_PREFIX seentids
#define SH_ELEMENT_TYPE SeenTid
#define SH_KEY_TYPE ItemPointerData
#define SH_KEY tid
#define SH_HASH_KEY(tb, key) \
	hash_bytes((const unsigned char *) &(key), sizeof(ItemPointerData))
#define SH_EQUAL(tb, a, b) (ItemPointerCompare(&(a), &(b)) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Arrays of a scan are counted in int, and grow by doubling. */
#define MAX_ELEMENTS (INT_MAX / 2)

static void
refuse_rows(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a scan of a trident index cannot keep more than %d rows",
					MAX_ELEMENTS),
			 errhint("Ask for fewer rows with LIMIT, or SET enable_indexscan = off for this query.")));
}

/* Make room for one more element of an array of the scan. */
#define RESERVE(so, array, count, max) \
	do { \
		if ((count) >= (max)) \
		{ \
			if ((max) > MAX_ELEMENTS) \
				refuse_rows(); \
			(max) = Max(64, 2 * (max)); \
			(array) = (array) == NULL ? \
				MemoryContextAllocHuge((so)->context, sizeof(*(array)) * (max)) : \
				repalloc_huge((array), sizeof(*(array)) * (max)); \
		} \
	} while (0)

#define has_lower_bound(a, b) ((a).bound < (b).bound)
#define is_nearer(a, b) ((a).value < (b).value)
#define is_greater(a, b) ((a) > (b))

TRIDENT_BASE_HEAP(candidates, TridentIndexCandidate, has_lower_bound)
TRIDENT_BASE_HEAP(found, TridentIndexFound, is_nearer)
TRIDENT_BASE_HEAP(best, float, is_greater)

void
trident_index_candidate_add(TridentIndexScan *so, float bound, ItemPointer tid)
{
	TridentIndexCandidate candidate = {.bound = bound, .tid = *tid};

	RESERVE(so, so->candidates, so->ncandidates, so->max_candidates);
	candidates_push(so->candidates, so->ncandidates++, candidate);
}

/* Take the candidate with the least bound. */
static TridentIndexCandidate
pop_candidate(TridentIndexScan *so)
{
	TridentIndexCandidate top = so->candidates[0];

	so->ncandidates--;
	candidates_replace(so->candidates, so->ncandidates,
					   so->candidates[so->ncandidates]);
	return top;
}

void
trident_index_found_add(TridentIndexScan *so, double value, ItemPointer tid)
{
	TridentIndexFound row = {.value = value, .tid = *tid};

	RESERVE(so, so->found, so->nfound, so->max_found);
	found_push(so->found, so->nfound++, row);
}

/* Take the found row with the least value. */
static TridentIndexFound
pop_found(TridentIndexScan *so)
{
	TridentIndexFound top = so->found[0];

	so->nfound--;
	found_replace(so->found, so->nfound, so->found[so->nfound]);
	return top;
}

void
trident_index_want(TridentIndexScan *so, int want)
{
	so->want = want;
	so->best_every = want < MANY_WANTED ? 1 : 8;
	so->best_size = want / so->best_every;
	so->nbest = 0;
	so->nestimates = 0;
	so->nnearest = 0;
	so->gained = 0;
}

/* Is an estimate among the least?  If so the list being scored brought it. */
static void
note_nearest(TridentIndexScan *so, float estimate)
{
	int			i;

	if (so->nnearest == TRIDENT_INDEX_NEAREST)
	{
		if (estimate >= so->nearest[TRIDENT_INDEX_NEAREST - 1])
			return;
		so->nnearest--;
	}
	for (i = so->nnearest++; i > 0 && so->nearest[i - 1] > estimate; i--)
		so->nearest[i] = so->nearest[i - 1];
	so->nearest[i] = estimate;
	so->gained = so->nprobed + 1;
}

void
trident_index_best_add(TridentIndexScan *so, float estimate)
{
	note_nearest(so, estimate);
	if (so->nestimates++ % so->best_every != 0)
		return;
	if (so->nbest < so->best_size)
	{
		RESERVE(so, so->best, so->nbest, so->max_best);
		best_push(so->best, so->nbest++, estimate);
	}
	else if (estimate < so->best[0])
		best_replace(so->best, so->nbest, estimate);
}

bool
trident_index_was_seen(TridentIndexScan *so, ItemPointer tid)
{
	return seentids_lookup(so->seen_hash, *tid) != NULL;
}

void
trident_index_remember(TridentIndexScan *so, ItemPointer tid)
{
	bool		found;

	RESERVE(so, so->seen, so->nseen, so->max_seen);
	so->seen[so->nseen++] = *tid;
	if (so->seen_hash)
		seentids_insert(so->seen_hash, *tid, &found);
}

/*
 * Forget what the scored lists gave, but not which rows have been looked at:
 * lists are to be scored again from the first, keeping "want" rows.
 */
static void
score_again(TridentIndexScan *so, int want)
{
	bool		found;
	int			i;

	if (so->seen_hash == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(so->context);

		so->seen_hash = seentids_create(so->context, Max(so->nseen, 64), NULL);
		for (i = 0; i < so->nseen; i++)
			seentids_insert(so->seen_hash, so->seen[i], &found);
		MemoryContextSwitchTo(old);
	}
	trident_index_want(so, want);
	so->ncandidates = 0;
	/* found rows are remembered, unless their values came from the index */
	if (so->coder.layout.format == TRIDENT_INDEX_EXACT)
		so->nfound = 0;
	so->has_dropped = false;
	so->nprobed = 0;
	so->nmatched = 0;
	so->nenough = 0;
	/* what is scored again is not counted twice */
	so->stats.lists_probed = 0;
	so->stats.codes_scanned = 0;
	so->stats.rescored++;
}

/* Training has replaced the model: order its lists, and begin again. */
static void
take_new_model(IndexScanDesc scan)
{
	TridentIndexScan *so = scan->opaque;
	const TridentIndexModel *model = trident_index_model(scan->indexRelation);
	MemoryContext old;

	/* pages are freed after the meta page has changed: no page may be amiss */
	if (model->meta.generation == so->meta.generation)
		trident_index_chain_corrupted(scan->indexRelation,
									  so->order.lists[so->nprobed].list);
	old = MemoryContextSwitchTo(so->context);
	so->meta = model->meta;
	trident_index_be_patient(so);
	trident_index_order_start(&so->order, model, so->query);
	MemoryContextSwitchTo(old);
	score_again(so, so->want);
}

/*
 * Score lists until the next row may leave.  Beyond the first rows this is for
 * some more at a time: it costs more to ask than to look at a few lists.
 */
static void
probe_enough(IndexScanDesc scan)
{
	TridentIndexScan *so = scan->opaque;
	int64		row = so->nreturned + 1;
	int			need;

	if (row <= so->nenough && so->nprobed > 0)
		return;
	/* the first ten are asked for together (trident_index_probes_for) */
	row = Max(TRIDENT_INDEX_PATIENT_ROWS, row + row / 16);
	while ((need = trident_index_probes_for(so, row)) > so->nprobed)
	{
		if (!trident_index_probe(scan, need))
			take_new_model(scan);
	}
	so->nenough = row;
}

/* Candidates are used up: find more.  False when there are no more rows. */
static bool
extend(IndexScanDesc scan)
{
	TridentIndexScan *so = scan->opaque;

	if (so->has_dropped)
	{
		int			growth = WANT_GROWTH(so->want);

		score_again(so, so->want > INT_MAX / growth ? INT_MAX : so->want * growth);
		return true;
	}
	if (so->nprobed >= so->order.nlists)
		return false;
	if (!trident_index_probe(scan, so->nprobed + 1 + so->nprobed / 2))
		take_new_model(scan);
	return true;
}

/*
 * How many candidates to look at together.  Reading rows of the table is
 * waiting for memory, so it helps to ask for several before the first is
 * needed; but not for many more than will be.
 */
static int
batch_size(const TridentIndexScan *so)
{
	int64		more = so->nexpected - so->stats.rows_reranked;

	if (more < 1)
		more = 1 + so->nreturned / 16;
	return (int) Min(Min(more, so->ncandidates), TRIDENT_INDEX_FETCH_BATCH);
}

/*
 * Read candidates' heap rows until the nearest row found is no farther than
 * any candidate can be.
 */
static void
settle(IndexScanDesc scan)
{
	TridentIndexScan *so = scan->opaque;
	ItemPointerData tids[TRIDENT_INDEX_FETCH_BATCH];

	while (so->ncandidates > 0 &&
		   (so->nfound == 0 || so->candidates[0].bound <= so->found[0].value))
	{
		int			n = so->query == NULL ? 1 : batch_size(so);
		int			i;

		for (i = 0; i < n; i++)
			tids[i] = pop_candidate(so).tid;
		if (so->query == NULL)
		{
			trident_index_remember(so, &tids[0]);
			trident_index_found_add(so, 0, &tids[0]);
			return;
		}
		trident_index_fetch(scan, tids, n);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Compare found rows for qsort. */
static int
compare_found(const void *a, const void *b)
{
	double		x = ((const TridentIndexFound *) a)->value;
	double		y = ((const TridentIndexFound *) b)->value;

	return (x > y) - (x < y);
}

/* The next of the rows that came too late to be in order. */
static bool
next_late(TridentIndexScan *so, TridentIndexFound *row)
{
	if (so->next_late == 0)
		qsort(so->late, so->nlate, sizeof(TridentIndexFound), compare_found);
	if (so->next_late >= so->nlate)
		return false;
	*row = so->late[so->next_late++];
	so->nreturned++;
	return true;
}

bool
trident_index_next(IndexScanDesc scan, TridentIndexFound *row)
{
	TridentIndexScan *so = scan->opaque;

	for (;;)
	{
		if (so->next_late > 0)
			return next_late(so, row);
		probe_enough(scan);

		/*
		 * Of the rows that candidates were kept for, some have left and some
		 * were not visible: when those are all, a row that was dropped may be
		 * next.
		 */
		if (so->has_dropped &&
			so->nreturned + so->ninvisible + so->nlate >=
			(so->best_every > 1 ? so->want / 8 * 7 : so->want))
		{
			extend(scan);
			continue;
		}
		settle(scan);
		if (so->nfound == 0)
		{
			if (extend(scan))
				continue;
			return next_late(so, row);
		}

		*row = pop_found(so);
		if (so->coder.layout.format == TRIDENT_INDEX_EXACT)
			trident_index_remember(so, &row->tid);
		if (row->value < so->last_value)
		{
			if (trident_base_index_order == TRIDENT_BASE_INDEX_ORDER_STRICT)
				continue;
			RESERVE(so, so->late, so->nlate, so->max_late);
			so->late[so->nlate++] = *row;
			continue;
		}
		so->last_value = row->value;
		so->nreturned++;
		return true;
	}
}
