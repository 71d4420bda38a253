/*
 * order.c
 *	  The order in which a query probes lists.
 *
 * The centroids of a large index are more bytes than the codes that a query
 * looks at.  So they have codes too, in memory, relative to their mean: from
 * sign codes all values are estimated, and those of the KNOWN_MARGIN times as
 * many lists as are wanted that seem nearest are computed from codes of 8 bits,
 * a quarter of the bytes of a centroid.  The recall curve is measured in the
 * same order, so what that misses is accounted for.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "utils/float.h"

#include "base/compat.h"
#include "index/order.h"

/* Values are computed for so many times the lists wanted, and some more. */
#define KNOWN_MARGIN 1.5
#define KNOWN_EXTRA 32

/* Codes are asked for so many before use. */
#define CODES_AHEAD 4

/* Lists that are looked at to guess how near the nearest are. */
#define SAMPLE_LISTS 256

/* Sorting with the comparison in line takes half of what qsort() does. */
#define ST_SORT sort_probes
#define ST_ELEMENT_TYPE TridentIndexProbe
#define ST_COMPARE(a, b) (((a)->value > (b)->value) - ((a)->value < (b)->value))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Move the n least of probes[0 .. count - 1] to the front (C. A. R. Hoare,
 * "Algorithm 65: Find", 1961).
 */
static void
select_least(TridentIndexProbe *probes, int count, int n)
{
	int			low = 0;
	int			high = count - 1;

	while (low < high)
	{
		float		pivot = probes[low + (high - low) / 2].value;
		int			i = low;
		int			j = high;

		while (i <= j)
		{
			while (probes[i].value < pivot)
				i++;
			while (probes[j].value > pivot)
				j--;
			if (i <= j)
			{
				TridentIndexProbe swap = probes[i];

				probes[i++] = probes[j];
				probes[j--] = swap;
			}
		}
		if (n <= j)
			high = j;
		else if (n >= i)
			low = i;
		else
			return;
	}
}

/*
 * Set the value of a list from the code of its centroid: the formula of
 * code.c, with the mean of the centroids as the one that codes are relative to.
 */
static void
value_from_code(const TridentIndexModel *model, const TridentIndexQuery *query,
				TridentIndexOrder *order, TridentIndexProbe *probe)
{
	const TridentIndexCentroidCodes *codes = &model->codes;
	int			dp = model->centroids.dp;
	float		dot = query->x8_step *
		trident_simd_code.dot_u8_s8(dp, codes->fine + (Size) probe->list * dp,
									query->x8);

	probe->value = order->mean_part * codes->add[probe->list] +
		order->mean_value +
		codes->rescale[probe->list] * (dot + order->fine_offset);
	probe->part = 1;
	if (model->coder.metric == TRIDENT_INDEX_IP)
		probe->part = trident_index_ip_part(probe->value, order->query_norm2,
											model->centroids.list_norm2[probe->list],
											&probe->distance);
	else
		probe->distance = probe->value > 0 ? sqrtf(probe->value) : 0;
}

/* Bring the code of a centroid towards the processor. */
static inline void
prefetch_code(const TridentIndexModel *model, int list)
{
	int			dp = model->centroids.dp;
	const uint8 *code = model->codes.fine + (Size) list * dp;

	for (int at = 0; at < dp; at += 64)
		__builtin_prefetch(code + at);
}

/* Find the values of the lists in lists[nknown .. upto - 1]. */
static void
compute_values(TridentIndexOrder *order, const TridentIndexModel *model,
			   const TridentIndexQuery *query, int upto)
{
	const TridentIndexCentroids *c = &model->centroids;

	for (; order->nknown < upto; order->nknown++)
	{
		TridentIndexProbe *probe = &order->lists[order->nknown];

		probe->value = probe->distance = 0;
		probe->part = 1;
		if (order->estimates && order->nknown + CODES_AHEAD < upto)
			prefetch_code(model, probe[CODES_AHEAD].list);
		if (order->estimates)
			value_from_code(model, query, order, probe);
		else if (query)
			probe->value =
				trident_index_list_value(&model->coder, query,
										 c->lists + (Size) probe->list * c->dp,
										 &probe->part, &probe->distance);
		/* what is no number could not be sorted */
		if (isnan(probe->value))
			probe->value = get_float4_infinity();
	}
}

/* Estimate all values from the sign codes of the centroids. */
static void
estimate_values(TridentIndexOrder *order, const TridentIndexModel *model,
				const TridentIndexQuery *query)
{
	const TridentIndexCentroidCodes *codes = &model->codes;
	int			nblocks = (order->nlists + TRIDENT_SIMD_LANES - 1) / TRIDENT_SIMD_LANES;
	uint16	   *masks = palloc(sizeof(uint16) * nblocks);
	TridentSimdSignScan args = {
		.lut = query->lut,
		.limit = get_float4_infinity(),
	};
	float		distance;
	int			i;

	order->estimates = palloc(sizeof(float) * nblocks * TRIDENT_SIMD_LANES);
	order->mean_value = trident_index_list_value(&model->coder, query,
												 codes->mean,
												 &order->mean_part, &distance);
	order->query_norm2 = trident_simd.norm_squared_f32(model->centroids.dp,
													   query->x);
	/* the offset of codes of 8 bits, from that of the rows' bits */
	order->fine_offset = query->fine_offset * 255 /
		((1 << model->coder.layout.bits) - 1);
	/* in parts of the mean, as probe.c has it: their order is all that counts */
	args.scale = query->lut_step / order->mean_part;
	args.offset = query->sign_offset / order->mean_part;
	args.add = order->mean_value / order->mean_part;
	trident_simd_code.sign_scan(model->coder.layout.dp, nblocks, codes->signs,
								codes->sign_add, codes->sign_rescale, &args,
								order->estimates, masks);
	for (i = 0; i < order->nlists; i++)
	{
		/* infinite are those that have been taken, alone */
		if (!(order->estimates[i] <= FLT_MAX))
			order->estimates[i] = FLT_MAX;
	}
	pfree(masks);
}

/*
 * An estimate that about the n nearest of the lists not taken yet are below,
 * from a sample of them.
 */
static float
estimate_limit(const TridentIndexOrder *order, int n)
{
	TridentIndexProbe sample[SAMPLE_LISTS];
	int			step = (order->nlists + SAMPLE_LISTS - 1) / SAMPLE_LISTS;
	int			count = 0;
	int			rank;
	int			i;

	for (i = 0; i < order->nlists; i += step)
	{
		sample[count].value = order->estimates[i];
		count += order->estimates[i] <= FLT_MAX;
	}
	/* a little more than its share: to look twice costs more */
	rank = (int) ((double) n * count / (order->nlists - order->nknown) * 1.15) + 4;
	if (rank >= count)
		return FLT_MAX;
	select_least(sample, count, rank);
	return sample[rank].value;
}

/*
 * Put the n lists of the least estimates behind those known: one look at all
 * estimates against a limit, instead of a selection among all.
 */
static void
take_nearest(TridentIndexOrder *order, int n)
{
	TridentIndexProbe *taken = order->lists + order->nknown;
	float		limit = estimate_limit(order, n);
	int			count;
	int			i;

	for (;;)
	{
		count = 0;
		for (i = 0; i < order->nlists; i++)
		{
			/* what is not taken is overwritten by the next */
			taken[count].value = order->estimates[i];
			taken[count].list = i;
			count += order->estimates[i] <= limit;
		}
		if (count >= n)
			break;
		limit = FLT_MAX;
	}
	select_least(taken, count, n);
	for (i = 0; i < n; i++)
		order->estimates[taken[i].list] = get_float4_infinity();
}

void
trident_index_order_start(TridentIndexOrder *order,
						  const TridentIndexModel *model,
						  const TridentIndexQuery *query)
{
	int			i;

	memset(order, 0, sizeof(*order));
	order->nlists = model->centroids.nlists;
	/* one more: take_nearest() writes before it knows */
	order->lists = palloc(sizeof(TridentIndexProbe) * (order->nlists + 1));
	if (query && model->codes.signs)
	{
		estimate_values(order, model, query);
		return;
	}
	for (i = 0; i < order->nlists; i++)
		order->lists[i].list = i;
	compute_values(order, model, query, order->nlists);
}

void
trident_index_order_extend(TridentIndexOrder *order,
						   const TridentIndexModel *model,
						   const TridentIndexQuery *query, int upto)
{
	TridentIndexProbe *rest = order->lists + order->nsorted;
	int			known;
	int			more;

	if (upto <= order->nsorted)
		return;
	known = (int) Min(order->nlists, KNOWN_MARGIN * upto + KNOWN_EXTRA);
	if (known > order->nknown)
	{
		take_nearest(order, known - order->nknown);
		compute_values(order, model, query, known);
	}

	/* a few more than asked for: the next call is near */
	more = Min(order->nknown, upto + upto / 4 + 8) - order->nsorted;
	select_least(rest, order->nknown - order->nsorted, more);
	sort_probes(rest, more);
	order->nsorted += more;
}
