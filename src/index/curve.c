/*
 * curve.c
 *	  The recall curve: measured at build, read by scans.
 *
 * For each of some rows of the table that took no part in training, left out
 * of its own answer, the k nearest rows are found by scoring every list; the
 * curve is the mean share of them in the first n lists of the row's order.
 * "Nearest" is by the finer codes' estimates: their errors are small beside
 * the distances at which lists matter.
 *
 * For k above 100 a sample of the pages, one in k / 100, stands for all: the
 * k nearest of all are the 100 nearest of such a sample, about.
 *
 * A user's queries are rarely rows of the table, and need a few more lists
 * than those do: margin().
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
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

/* Neighbors counted per query, at most. */
#define MAX_NEIGHBORS 100

/* The stride for the largest k: each neighbor stands for so many. */
#define MAX_STRIDE (10000 / MAX_NEIGHBORS)

/* A row among the nearest, and the rank of its list in the query's order. */
typedef struct Neighbor
{
	float		estimate;
	int			rank;
} Neighbor;

/* The nearest so far: a heap, farthest on top. */
typedef struct Neighbors
{
	int			n;
	Neighbor	heap[MAX_NEIGHBORS];
} Neighbors;

typedef struct Measure
{
	Relation	index;
	const TridentIndexModel *model;
	TridentIndexQuery *query;
	ItemPointerData self;		/* row that the query is */
	uint32		stride;			/* one page in so many is looked at */
	Neighbors	neighbors;
	TridentIndexOrder order;
} Measure;

/* The estimate that a row must be below to be counted. */
static float
neighbor_limit(const Neighbors *found)
{
	return found->n < MAX_NEIGHBORS ? get_float4_infinity() :
		found->heap[0].estimate;
}

/* Count a row whose estimate is below the limit. */
static void
add_neighbor(Neighbors *found, float estimate, int rank)
{
	Neighbor   *heap = found->heap;
	int			i;

	if (found->n < MAX_NEIGHBORS)
	{
		for (i = found->n++; i > 0 && heap[(i - 1) / 2].estimate < estimate; i = (i - 1) / 2)
			heap[i] = heap[(i - 1) / 2];
	}
	else
	{
		for (i = 0;;)
		{
			int			child = 2 * i + 1;

			if (child >= found->n)
				break;
			if (child + 1 < found->n &&
				heap[child + 1].estimate > heap[child].estimate)
				child++;
			if (estimate >= heap[child].estimate)
				break;
			heap[i] = heap[child];
			i = child;
		}
	}
	heap[i].estimate = estimate;
	heap[i].rank = rank;
}

/* The value of one row as its finer code, or its exact values, have it. */
static float
row_estimate(const Measure *measure, const TridentIndexGroup *group, int slot,
			 float list_value)
{
	const TridentIndexCoder *coder = &measure->model->coder;
	const TridentIndexLayout *layout = &coder->layout;
	const uint8 *values = trident_index_page_values(layout, group, slot);
	const float *factors = trident_index_page_factors(layout, group, slot);
	const TridentIndexQuery *query = measure->query;
	int32		dot;

	if (layout->format == TRIDENT_INDEX_EXACT)
		return trident_index_exact_value(coder, query, (const float *) values);
	dot = layout->bits == 8 ?
		trident_simd_code.dot_u8_s8(layout->dp, values, query->x8) :
		trident_simd_code.dot_u4_s8(layout->dp, values, query->x8);
	return factors[0] + list_value + factors[1] *
		(query->x8_step * dot + query->fine_offset);
}

/* Count the rows of a list page that are among the nearest. */
static void
measure_page(Measure *measure, TridentIndexHeld *held, int rank)
{
	Page		page = held->group.page;
	const TridentIndexLayout *layout = &measure->model->coder.layout;
	const TridentIndexProbe *list = &measure->order.lists[rank];
	const TridentIndexQuery *query = measure->query;
	char	   *contents = TridentIndexPageContents(page);
	int			nrows = trident_index_page_rows(layout, page);
	int			nblocks = (nrows + TRIDENT_SIMD_LANES - 1) / TRIDENT_SIMD_LANES;
	float		bounds[BLCKSZ / 8];
	uint16		masks[BLCKSZ / 8 / TRIDENT_SIMD_LANES];
	int			slot;

	if (layout->format == TRIDENT_INDEX_SIGNS)
	{
		TridentSimdSignScan args = {
			.lut = query->lut,
			.scale = query->lut_step,
			.offset = query->sign_offset + query->sign_slack +
			TRIDENT_INDEX_SIGN_ERROR * list->distance,
			.add = list->value,
			.limit = neighbor_limit(&measure->neighbors),
		};

		trident_simd_code.sign_scan(layout->dp, nblocks,
									(uint8 *) contents + layout->sign_codes,
									(float *) (contents + layout->sign_add),
									(float *) (contents + layout->sign_rescale),
									&args, bounds, masks);
	}
	else
		memset(masks, 0xFF, sizeof(uint16) * nblocks);

	for (slot = 0; slot < nrows; slot++)
	{
		float		estimate;

		if (!(masks[slot / TRIDENT_SIMD_LANES] >> slot % TRIDENT_SIMD_LANES & 1))
			continue;
		if (!trident_index_hold_row(measure->index, measure->model, layout,
									held, slot))
			trident_index_chain_corrupted(measure->index, list->list);
		estimate = row_estimate(measure, &held->group, slot, list->value);
		if (estimate < neighbor_limit(&measure->neighbors) &&
			!ItemPointerEquals(&measure->self,
							   trident_index_page_tid(layout, page, slot)))
			add_neighbor(&measure->neighbors, estimate, rank);
	}
}

/* Score the lists of a query in its order, into measure->neighbors. */
static void
measure_lists(Measure *measure)
{
	const TridentIndexModel *model = measure->model;
	int			rank;

	for (rank = 0; rank < model->meta.nlists; rank++)
	{
		TridentIndexListEntry entry;
		BlockNumber block;

		CHECK_FOR_INTERRUPTS();
		if (!trident_index_list_entry(measure->index, model,
									  measure->order.lists[rank].list, &entry))
			elog(ERROR, "the model has been replaced during a build");
		block = entry.head;
		while (BlockNumberIsValid(block))
		{
			TridentIndexHeld held = {0};
			bool		is_sampled = murmurhash32(block) % measure->stride == 0;

			held.buffer = trident_index_read(measure->index, model, block);
			held.group.page = BufferGetPage(held.buffer);
			LockBuffer(held.buffer, BUFFER_LOCK_SHARE);
			if (is_sampled)
				measure_page(measure, &held, rank);
			block = TridentIndexPageOpaque(held.group.page)->next;
			trident_index_release(&held);
		}
	}
}

/* Order all lists for the query, step by step as a scan does. */
static void
order_lists(Measure *measure)
{
	int			upto;

	trident_index_order_start(&measure->order, measure->model, measure->query);
	for (upto = 8; measure->order.nsorted < measure->order.nlists; upto += upto / 2)
		trident_index_order_extend(&measure->order, measure->model,
								   measure->query,
								   Min(upto, measure->order.nlists));
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
	float		x = ((const Neighbor *) a)->estimate;
	float		y = ((const Neighbor *) b)->estimate;

	return (x > y) - (x < y);
}

/*
 * Find the nearest rows of a query among one in stride pages, and count where
 * the first k of them are, for each k that this stride stands for.
 */
static void
measure_stride(Measure *measure, int stride, double *shares, int nqueries)
{
	Neighbors  *found = &measure->neighbors;
	int			nlists = measure->model->meta.nlists;
	int			row;
	int			i;

	measure->stride = stride;
	found->n = 0;
	measure_lists(measure);
	qsort(found->heap, found->n, sizeof(Neighbor), compare_neighbors);
	for (row = 0; row < TRIDENT_INDEX_CURVE_KS; row++)
	{
		int			k = trident_index_curve_ks[row];
		int			n = Min(k / stride, found->n);

		if (Max(1, k / MAX_NEIGHBORS) != stride)
			continue;
		for (i = 0; i < n; i++)
			shares[(Size) row * nlists + found->heap[i].rank] += 1.0 / n / nqueries;
	}
}

void
trident_index_curve_measure(Relation index, const TridentIndexModel *model,
							TridentIndexMeta *meta,
							const TridentIndexSampled *sampled)
{
	Measure		measure = {.index = index, .model = model};
	int			n = sampled->nqueries;
	double	   *shares;
	int			row;
	int			q;

	if (meta->nlists <= 1 || n == 0)
		return;
	shares = palloc_extended(sizeof(double) * meta->nlists * TRIDENT_INDEX_CURVE_KS,
							 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (q = 0; q < n; q++)
	{
		int			stride;

		measure.query = trident_index_query_projected(&model->coder,
													  sampled->queries + (Size) q * meta->dp);
		measure.self = sampled->query_tids[q];
		order_lists(&measure);
		for (stride = 1; stride <= MAX_STRIDE &&
			 stride * MAX_NEIGHBORS <= meta->trained_rows / 2; stride *= 10)
			measure_stride(&measure, stride, shares, n);
		pfree(measure.order.lists);
		pfree(measure.query);
	}
	for (row = 0; row < TRIDENT_INDEX_CURVE_KS; row++)
	{
		if (trident_index_curve_ks[row] <= meta->trained_rows / 2)
			fill_curve_row(meta->curve[row], shares + (Size) row * meta->nlists,
						   meta->nlists);
	}
	meta->curve_queries = n;
	pfree(shares);
}

/*
 * Lists for a target from one row of the curve.  Between its points the
 * logarithm of lists is taken as linear in that of the share missed.
 */
static double
row_lists(const TridentIndexMeta *meta, int row, double target)
{
	const float *lists = meta->curve[row];
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

	if (target >= 1 || meta->nlists <= 1 ||
		k > ks[TRIDENT_INDEX_CURVE_KS - 1])
		return meta->nlists;
	if (k <= ks[0])
		lists = row_lists(meta, 0, target);
	else
	{
		double		below;
		double		above;

		for (i = 1; k > ks[i]; i++)
			;
		below = row_lists(meta, i - 1, target);
		above = row_lists(meta, i, target);
		lists = exp(log(below) + (log(k) - log(ks[i - 1])) /
					(log(ks[i]) - log(ks[i - 1])) * (log(above) - log(below)));
	}
	return (int) Max(1, Min(ceil(lists), meta->nlists));
}
