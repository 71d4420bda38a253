/*
 * curve.c
 *	  The recall curve: measured at build, read by scans.
 *
 * For each of some rows of the table that took no part in training, left out
 * of its own answer, the k nearest rows are found by comparing it with every
 * row that is encoded; the curve is the mean share of them in the first n
 * lists of the row's order.  Rows are compared a batch at a time, as a product
 * of matrices, by each process that encodes rows: at the end the neighbors
 * that they have found are merged.  What is nearest is told by distance, then
 * list, so that the curve does not depend on who met which row.
 *
 * The same rows tell how patient a scan must be: after how many lists in a row
 * that bring none of the nearest so far it may stop.  Easy queries stop early,
 * hard ones late, where one number of lists serves both badly.
 *
 * For k above 100 a sample of the rows, one in k / 100, stands for all: the k
 * nearest of all are the 100 nearest of such a sample, about.
 *
 * A user's queries are rarely rows of the table, and need a few more lists
 * than those do: margin().
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/heap.h"
#include "index/build.h"
#include "index/curve.h"
#include "index/order.h"

const int	trident_index_curve_ks[TRIDENT_INDEX_CURVE_KS] =
{1, 10, 100, 1000, 10000};

const float trident_index_curve_targets[TRIDENT_INDEX_CURVE_TARGETS] =
{0.5f, 0.7f, 0.8f, 0.85f, 0.9f, 0.925f, 0.95f, 0.97f, 0.98f, 0.99f, 0.995f,
0.999f};

/*
 * Queries from elsewhere need more lists than rows of the table do, by so
 * much at most, at the recall before it (measured: README, "The curve").
 */
static double
margin(float target)
{
	return target < 0.93f ? 1.10 : target < 0.98f ? 1.15 : 1.20;
}

/* Of fewer lists than this the number in the curve is scored: patience is coarse. */
#define FEW_LISTS 32

/*
 * Of the share of rows that may be missed, what is for the i-th: this much less
 * for each tenfold i, down to the least.
 */
#define MISS_DECAY 0.4
#define LEAST_MISS 0.4

/* Products of so many queries with a batch are made at a time. */
#define QUERIES_AT_ONCE 64

/* Neighbors counted per query, at most. */
#define MAX_NEIGHBORS 100

/* Of which rows neighbors are counted: all, one in 10, one in 100. */
#define STRIDES 3

static const uint32 strides[STRIDES] = {1, 10, 100};

/* A row among the nearest, and the list that it is in. */
typedef struct Neighbor
{
	float		value;
	int			list;
} Neighbor;

/* The nearest so far: a heap, farthest on top. */
typedef struct Neighbors
{
	int			n;
	Neighbor	heap[MAX_NEIGHBORS];
} Neighbors;

/* Those of all queries; without pointers, so that it may be shared. */
struct TridentIndexNearest
{
	int			nqueries;
	Neighbors	of[FLEXIBLE_ARRAY_MEMBER];	/* nqueries x STRIDES */
};

/* Is a farther than b?  Of rows as far that of a later list. */
static inline bool
is_farther(Neighbor a, Neighbor b)
{
	return a.value > b.value || (a.value == b.value && a.list > b.list);
}

TRIDENT_BASE_HEAP(neighbor, Neighbor, is_farther)

/* Count a row, unless it is farther than all and they are enough. */
static void
add_neighbor(Neighbors *found, Neighbor row)
{
	if (found->n < MAX_NEIGHBORS)
		neighbor_push(found->heap, found->n++, row);
	else if (is_farther(found->heap[0], row))
		neighbor_replace(found->heap, found->n, row);
}

Size
trident_index_nearest_size(int nqueries)
{
	return offsetof(TridentIndexNearest, of) +
		sizeof(Neighbors) * STRIDES * nqueries;
}

void
trident_index_nearest_init(TridentIndexNearest *nearest, int nqueries)
{
	nearest->nqueries = nqueries;
	for (int i = 0; i < nqueries * STRIDES; i++)
		nearest->of[i].n = 0;
}

TridentIndexNearest *
trident_index_nearest_make(int nqueries)
{
	TridentIndexNearest *nearest = palloc(trident_index_nearest_size(nqueries));

	trident_index_nearest_init(nearest, nqueries);
	return nearest;
}

void
trident_index_nearest_merge(TridentIndexNearest *into,
							const TridentIndexNearest *from)
{
	for (int i = 0; i < into->nqueries * STRIDES; i++)
	{
		for (int n = 0; n < from->of[i].n; n++)
			add_neighbor(&into->of[i], from->of[i].heap[n]);
	}
}

/* Which strides a row belongs to, as bits: by its address, not its turn. */
static int
strides_of(ItemPointer tid)
{
	uint32		hash = murmurhash32(ItemPointerGetBlockNumber(tid) ^
									murmurhash32(ItemPointerGetOffsetNumber(tid)));
	int			bits = 0;

	for (int s = 0; s < STRIDES; s++)
		bits |= (hash % strides[s] == 0) << s;
	return bits;
}

/* Count the rows of a batch for one query, from its products with them. */
static void
meet_rows(Neighbors *found, ItemPointer self, int nrows, const float *values,
		  const TridentIndexBatch *batch, const int *row_strides)
{
	float		limit[STRIDES];

	for (int s = 0; s < STRIDES; s++)
		limit[s] = found[s].n < MAX_NEIGHBORS ? get_float4_infinity() :
			found[s].heap[0].value;
	for (int i = 0; i < nrows; i++)
	{
		/* the limit of more rows is the lower one; NaN is below none */
		if (!(values[i] <= limit[STRIDES - 1]))
			continue;
		for (int s = 0; s < STRIDES; s++)
		{
			Neighbor	row = {.value = values[i], .list = batch->lists[i]};

			if (!(row_strides[i] >> s & 1) || !(values[i] <= limit[s]) ||
				ItemPointerEquals(self, &batch->tids[i]))
				continue;
			add_neighbor(&found[s], row);
			if (found[s].n == MAX_NEIGHBORS)
				limit[s] = found[s].heap[0].value;
		}
	}
}

void
trident_index_nearest_add(TridentIndexNearest *nearest,
						  const TridentIndexSampled *sampled,
						  const TridentIndexCoder *coder,
						  const TridentIndexBatch *batch)
{
	int			n = batch->nrows;
	int			dp = coder->layout.dp;
	float		dots[QUERIES_AT_ONCE * TRIDENT_INDEX_BATCH];
	float		norm2[TRIDENT_INDEX_BATCH];
	int			row_strides[TRIDENT_INDEX_BATCH];

	trident_index_norms(n, dp, batch->x, norm2);
	for (int i = 0; i < n; i++)
		row_strides[i] = strides_of(&batch->tids[i]);
	for (int q = 0; q < nearest->nqueries; q += QUERIES_AT_ONCE)
	{
		int			m = Min(QUERIES_AT_ONCE, nearest->nqueries - q);

		trident_simd_code.matrix_dot(m, n, dp, sampled->queries + (Size) q * dp,
									 batch->x, dots, TRIDENT_INDEX_BATCH);
		for (int j = 0; j < m; j++)
		{
			float	   *values = dots + j * TRIDENT_INDEX_BATCH;

			for (int i = 0; i < n; i++)
				values[i] = coder->metric == TRIDENT_INDEX_IP ? -values[i] :
					norm2[i] - 2 * values[i];
			meet_rows(&nearest->of[(q + j) * STRIDES],
					  &sampled->query_tids[q + j], n, values, batch,
					  row_strides);
		}
	}
}

/* Have the lists of all neighbors of a query got their rank? */
static bool
are_ranked(const Neighbors *found, const int *rank)
{
	for (int s = 0; s < STRIDES; s++)
	{
		for (int i = 0; i < found[s].n; i++)
		{
			if (rank[found[s].heap[i].list] < 0)
				return false;
		}
	}
	return true;
}

/*
 * The rank of lists in the order of a query, which is found step by step as in
 * a scan, so far that the neighbors are in lists that have one.
 */
static void
rank_lists(const TridentIndexModel *model, const float *x,
		   const Neighbors *found, int *rank)
{
	TridentIndexQuery *query = trident_index_query_projected(&model->coder, x);
	TridentIndexOrder order;
	int			nranked = 0;

	trident_index_order_start(&order, model, query);
	memset(rank, -1, sizeof(int) * order.nlists);
	for (int upto = 8; nranked < order.nlists && !are_ranked(found, rank); upto += upto / 2)
	{
		trident_index_order_extend(&order, model, query,
								   Min(upto, order.nlists));
		for (; nranked < order.nsorted; nranked++)
			rank[order.lists[nranked].list] = nranked;
	}
	pfree(order.lists);
	pfree(query);
}

/* From the share of neighbors in each rank to lists needed for each target. */
static void
fill_curve_row(float *row, const double *share, int nlists)
{
	double		sum = 0;
	int			target = 0;
	int			rank;

	for (rank = 0; rank < nlists; rank++)
	{
		sum += share[rank];
		while (target < TRIDENT_INDEX_CURVE_TARGETS &&
			   sum >= trident_index_curve_targets[target])
			{
			row[target] = Min(nlists, (rank + 1) * margin(trident_index_curve_targets[target]));
			target++;
		}
	}
	while (target < TRIDENT_INDEX_CURVE_TARGETS)
		row[target++] = nlists;
}

static int
compare_neighbors(const void *a, const void *b)
{
	const Neighbor *x = a;
	const Neighbor *y = b;

	return is_farther(*x, *y) - is_farther(*y, *x);
}

/*
 * Count where the first k neighbors of a query are, for each k that these
 * neighbors, among one row in stride, stand for.
 */
static void
count_shares(Neighbors *found, int stride, const int *rank, int nlists,
			 int nqueries, double *shares)
{
	qsort(found->heap, found->n, sizeof(Neighbor), compare_neighbors);
	for (int row = 0; row < TRIDENT_INDEX_CURVE_KS; row++)
	{
		int			k = trident_index_curve_ks[row];
		int			n = Min(k / stride, found->n);

		if (Max(1, k / MAX_NEIGHBORS) != stride)
			continue;
		for (int i = 0; i < n; i++)
			shares[(Size) row * nlists + rank[found->heap[i].list]] +=
				1.0 / n / nqueries;
	}
}

/* A neighbor on the way through the lists: where, and as which of them. */
typedef struct Visit
{
	int			rank;			/* of its list */
	int			place;			/* among the neighbors, 0 is the nearest */
} Visit;

static int
compare_visits(const void *a, const void *b)
{
	const Visit *x = a;
	const Visit *y = b;

	return x->rank != y->rank ? x->rank - y->rank : x->place - y->place;
}

/* The lists of a query that bring one of the nearest so far: their ranks. */
typedef struct Gains
{
	int			n;
	int			ranks[MAX_NEIGHBORS];
} Gains;

/* Is place among the nearest so far?  If so keep it, in order. */
static bool
keep_nearest(int *nearest, int *n, int place)
{
	int			i;

	if (*n == TRIDENT_INDEX_NEAREST && place > nearest[*n - 1])
		return false;
	if (*n < TRIDENT_INDEX_NEAREST)
		(*n)++;
	for (i = *n - 1; i > 0 && nearest[i - 1] > place; i--)
		nearest[i] = nearest[i - 1];
	nearest[i] = place;
	return true;
}

/*
 * Go through the lists of a query, as far as they have neighbors, which are
 * sorted: note what brings gains, and the share of rows found with a patience
 * of 1 + (index into share).  That is the longest way from one gain to the
 * next up to the row's.
 */
static void
count_gains(const Neighbors *found, const int *rank, int nqueries,
			Gains *gains, double *share)
{
	Visit		visits[MAX_NEIGHBORS];
	int			nearest[TRIDENT_INDEX_NEAREST];
	int			nnearest = 0;
	int			wanted = Min(TRIDENT_INDEX_PATIENT_ROWS, found->n);
	int			last = -1;
	int			patience = 1;

	for (int i = 0; i < found->n; i++)
		visits[i] = (Visit) {.rank = rank[found->heap[i].list], .place = i};
	qsort(visits, found->n, sizeof(Visit), compare_visits);
	gains->n = 0;
	for (int i = 0; i < found->n; i++)
	{
		/* a row among the nearest of all is so whenever it is met */
		if (keep_nearest(nearest, &nnearest, visits[i].place) &&
			visits[i].rank > last)
		{
			patience = Max(patience, visits[i].rank - last);
			last = visits[i].rank;
			gains->ranks[gains->n++] = last;
		}
		if (visits[i].place < wanted)
			share[patience - 1] += 1.0 / wanted / nqueries;
	}
}

/* How many lists a scan scores with a patience. */
static int
patient_lists(const Gains *gains, float patience, int nlists)
{
	int			last = -1;

	for (int i = 0; i < gains->n && gains->ranks[i] - last <= patience; i++)
		last = gains->ranks[i];
	return (int) Min(nlists, last + 1 + ceilf(patience));
}

/* The meta page's patience, from the gains of all queries. */
static void
fill_patience(TridentIndexMeta *meta, const Gains *gains, int nqueries,
			  const double *share)
{
	fill_curve_row(meta->patience, share, meta->nlists);
	for (int i = 0; i < TRIDENT_INDEX_CURVE_TARGETS; i++)
	{
		double		sum = 0;

		for (int q = 0; q < nqueries; q++)
			sum += patient_lists(&gains[q], meta->patience[i], meta->nlists);
		meta->patient_lists[i] = sum / nqueries;
	}
}

void
trident_index_curve_measure(const TridentIndexModel *model,
							TridentIndexMeta *meta,
							const TridentIndexSampled *sampled,
							TridentIndexNearest *nearest)
{
	int			n = nearest->nqueries;
	double	   *shares;
	double	   *patience_share;
	Gains	   *gains;
	int		   *rank;

	if (meta->nlists <= 1 || n == 0)
		return;
	shares = palloc_extended(sizeof(double) * meta->nlists * (TRIDENT_INDEX_CURVE_KS + 1),
							 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	patience_share = shares + (Size) TRIDENT_INDEX_CURVE_KS * meta->nlists;
	gains = palloc(sizeof(Gains) * n);
	rank = palloc(sizeof(int) * meta->nlists);
	for (int q = 0; q < n; q++)
	{
		CHECK_FOR_INTERRUPTS();
		rank_lists(model, sampled->queries + (Size) q * meta->dp,
				   &nearest->of[q * STRIDES], rank);
		for (int s = 0; s < STRIDES; s++)
			count_shares(&nearest->of[q * STRIDES + s], (int) strides[s], rank,
						 meta->nlists, n, shares);
		count_gains(&nearest->of[q * STRIDES], rank, n, &gains[q],
					patience_share);
	}
	for (int row = 0; row < TRIDENT_INDEX_CURVE_KS; row++)
	{
		if (trident_index_curve_ks[row] <= meta->trained_rows / 2)
			fill_curve_row(meta->curve[row], shares + (Size) row * meta->nlists,
						   meta->nlists);
	}
	fill_patience(meta, gains, n, patience_share);
	meta->curve_queries = n;
	pfree(shares);
	pfree(gains);
	pfree(rank);
}

/*
 * Lists for a target from one row of the curve, or what is like one.  Between
 * its points the logarithm of lists is taken as linear in that of the share
 * missed.
 */
static double
row_lists(const TridentIndexMeta *meta, const float *lists, double target)
{
	const float *targets = trident_index_curve_targets;
	int			last = TRIDENT_INDEX_CURVE_TARGETS - 1;
	int			i;
	double		part;

	if (lists[0] <= 0)
		return meta->nlists;	/* not measured */
	if (target <= targets[0])
		return lists[0];
	if (target >= targets[last])
		return lists[last];
	for (i = 1; target > targets[i]; i++)
		;
	part = (log(1 - targets[i - 1]) - log(1 - target)) /
		(log(1 - targets[i - 1]) - log(1 - targets[i]));
	return exp(log(lists[i - 1]) + part * (log(lists[i]) - log(lists[i - 1])));
}

int
trident_index_curve_lists(const TridentIndexMeta *meta, double k, double target)
{
	const int  *ks = trident_index_curve_ks;
	double		lists;
	int			i;

	if (target >= 1 || meta->nlists <= 1)
		return meta->nlists;
	if (k <= ks[0])
		lists = row_lists(meta, meta->curve[0], target);
	else
	{
		double		below;
		double		above;

		/* beyond the last k the curve goes on as it went up to there */
		for (i = 1; i < TRIDENT_INDEX_CURVE_KS - 1 && k > ks[i]; i++)
			;
		below = row_lists(meta, meta->curve[i - 1], target);
		above = row_lists(meta, meta->curve[i], target);
		lists = exp(log(below) + (log(k) - log(ks[i - 1])) /
					(log(ks[i]) - log(ks[i - 1])) * (log(above) - log(below)));
	}
	return (int) Max(1, Min(ceil(lists), meta->nlists));
}

int
trident_index_curve_patience(const TridentIndexMeta *meta, double target,
							 double *mean)
{
	double		patience;
	double		least;

	if (target >= 1 || meta->nlists < FEW_LISTS || meta->patience[0] <= 0)
		return 0;

	/*
	 * Rows in clusters ask for next to none, which a query that is in no
	 * cluster would suffer from: a list more for each time that the share that
	 * may be missed is halved.
	 */
	patience = row_lists(meta, meta->patience, target);
	least = -log2(1 - target);
	if (mean)
		*mean = Min(row_lists(meta, meta->patient_lists, target) +
					Max(least - patience, 0), meta->nlists);
	return (int) Max(1, Min(ceil(Max(patience, least)), meta->nlists));
}

/*
 * 10 rows are asked for so often that fewer are not worth a lesser start.  Of
 * more rows the i-th is to be found as surely as the curve has it for all of
 * the i nearest together, of which it is the farthest: that is the lot of the
 * middle one of 2 i.  Where a filter is above the scan the rows that it lets
 * through are all of that kind.  And they are dear: lists are nothing beside
 * the rows that are read for each, so less is missed the more rows are asked
 * for.
 *
 * Among rows of one label, the i-th nearest is about the (i / share)-th of all.
 */
int
trident_index_curve_before(const TridentIndexMeta *meta, double i,
						   double share, double target)
{
	double		tens = i / TRIDENT_INDEX_PATIENT_ROWS;
	double		k = TRIDENT_INDEX_PATIENT_ROWS;

	if (tens > 1)
	{
		k = 2 * i;
		target = 1 - (1 - target) * Max(LEAST_MISS, 1 - MISS_DECAY * log10(tens));
	}
	return trident_index_curve_lists(meta, k / share, target);
}

double
trident_index_curve_mean(const TridentIndexMeta *meta, double i, double share,
						 double target)
{
	double		mean;

	if (i <= TRIDENT_INDEX_PATIENT_ROWS && share >= 1 &&
		trident_index_curve_patience(meta, target, &mean) > 0)
		return mean;
	return trident_index_curve_before(meta, i, share, target);
}
