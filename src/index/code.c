/*
 * code.c
 *	  From vectors to codes, and from codes to bounds on distances.
 *
 * Let o be a row, c its list's centroid, q the query, all rotated (and
 * normalised under cosine); r = o - c, l = |r|.  A code is a vector u of
 * half-integers in the direction of r: x - (2^B - 1)/2 for the stored levels
 * x in 0 .. 2^B - 1.  RaBitQ's unbiased estimator (SIGMOD 2024, section 3.2)
 * is <r, y> ~ (l^2 / <r, u>) <u, y> for any y.  With y = q - c:
 *
 *		squared distance	= l^2 + |q - c|^2 - 2 <r, q - c>
 *		-<o, q>				= -<c, q> - <r, c> - <r, q - c>
 *
 * and <u, q> = <x, q> - (2^B - 1)/2 * sum(q), so a row needs two numbers,
 *
 *		L2, COSINE	add = l^2 + 2 s <u, c>		rescale = -2 s
 *		IP			add = -<r, c> + s <u, c>	rescale = -s
 *		where s = l^2 / <r, u>
 *
 * and value = add + (value of q and c) + rescale * <u, q>.  The query is
 * never taken relative to a centroid, so that one set of tables serves all
 * lists.
 *
 * Which y is estimated with is free for IP, since <r, c> is known: the error
 * is that of <r, q - b c>, and value = b add + (value of q and c) +
 * rescale * <u, q>, for any number b.  It is least where q - b c is shortest,
 * at right angles to c: with b = <q, c> / |c|^2, the centroid's part in the
 * query.  Where query and rows are of very different length, b = 1 would make
 * the errors those of the longer.
 *
 * Sign codes are B = 1: u = sign(r) / 2.  Finer codes (SIGMOD 2025) have
 * B = 4 or 8: the level of |r_i| is min(floor(t |r_i| / l), 2^(B-1) - 1).  We
 * take one t for all rows instead of searching the best for each: the step of
 * the best uniform quantiser of a normal distribution (J. Max, "Quantizing
 * for minimum distortion", 1960), since rotated coordinates are nearly so.
 * The two codes of a row are independent of each other.
 *
 * The error of the estimate has a standard deviation of l |q - c|
 * sqrt(1/a^2 - 1) / sqrt(D - 1), where a = <r, u> / (l |u|).  Since rescale is
 * l / (a |u|) times 2 or 1, that is |rescale| |q - c| |u| sqrt(1 - a^2) /
 * sqrt(D): a is so concentrated that |u| sqrt(1 - a^2) / sqrt(D) is a constant
 * of B: 1/2 * sqrt(1 - 2/pi) = 0.3015 for signs, and t / sqrt(D) times the
 * root of the quantiser's distortion for finer codes, 2.98 * 0.1074 = 0.320
 * for B = 4 and 32.5 * 0.0093 = 0.302 for B = 8.  So no error is stored.
 *
 * The query itself is rounded: tables of sign sums to 8 bits, and q to int8
 * for finer codes; both add to the allowance (sign_slack; the second is
 * within the margin of TRIDENT_INDEX_FINE_ERROR).
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "utils/float.h"

#include "base/compat.h"
#include "index/code.h"
#include "vector/vector.h"

/* Steps of the best uniform quantiser of a unit normal, 16 and 256 levels. */
#define STEP_4_BITS 0.3352f
#define STEP_8_BITS 0.0308f

/*
 * The centroid's part is positive, also where it points away from the query,
 * and stays where float4 can divide by it.  A distance is not so short that the
 * rounding of the query counts.
 */
#define LEAST_COSINE 0.01f
#define MAX_PART 1e6f
#define LEAST_SINE2 0.01f

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014), part of the disk format. */
static uint64
next_random(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void
trident_index_coder_init(TridentIndexCoder *coder, const TridentIndexMeta *meta,
						 bool is_half)
{
	int			words = 4 * meta->dp / 32;
	uint64		state = meta->seed;
	int			i;

	trident_index_layout(&coder->layout, meta->dim, meta->dp, meta->format,
						 meta->bits, meta->has_key);
	coder->metric = meta->metric;
	coder->is_half = is_half;
	coder->fine_scale = sqrtf(meta->dp) /
		(meta->bits == 8 ? STEP_8_BITS : STEP_4_BITS);
	coder->signs = NULL;
	if (meta->format == TRIDENT_INDEX_EXACT)
		return;
	coder->signs = palloc(words * sizeof(uint32));
	for (i = 0; i < words; i++)
		coder->signs[i] = (uint32) (next_random(&state) >> 32);
}

void
trident_index_read_value(const TridentIndexCoder *coder, Datum value,
						 float *raw)
{
	/* Both types have their dimensions in the same place. */
	TridentVector *v = TRIDENT_VECTOR_P(value);

	if (v->dim != coder->layout.dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d",
						coder->layout.dim, v->dim)));
	if (coder->is_half)
		trident_simd.f16_to_f32(v->dim, ((TridentHalfvec *) v)->x, raw);
	else
		memcpy(raw, v->x, sizeof(float) * v->dim);
	if ((Pointer) v != DatumGetPointer(value))
		pfree(v);
}

bool
trident_index_project(const TridentIndexCoder *coder, const float *raw,
					  float *x)
{
	int			dim = coder->layout.dim;
	double		norm2 = trident_simd.norm_squared_f32(dim, raw);
	int			i;

	if (coder->metric == TRIDENT_INDEX_COSINE && norm2 == 0)
		return false;

	memcpy(x, raw, sizeof(float) * dim);
	memset(x + dim, 0, sizeof(float) * (coder->layout.dp - dim));
	if (coder->metric == TRIDENT_INDEX_COSINE)
	{
		double		scale = 1.0 / sqrt(norm2);

		for (i = 0; i < dim; i++)
			x[i] = (float) (x[i] * scale);
	}
	if (coder->signs)
		trident_simd_code.rotate(coder->layout.dp, coder->signs, x);
	return true;
}

/* What encoding sums up of a row's residual r and a code u. */
typedef struct CodeSums
{
	float		l2;				/* |r|^2 */
	float		rc;				/* <r, c> */
	float		ru;				/* <r, u> */
	float		uc;				/* <u, c> */
} CodeSums;

/* add and rescale of a code, from its sums. */
static void
code_factors(TridentIndexMetric metric, const CodeSums *sums,
			 float *add, float *rescale)
{
	/* r = 0: the row is its centroid, and <r, u> adds nothing */
	float		s = sums->ru > 0 ? sums->l2 / sums->ru : 0;

	if (metric == TRIDENT_INDEX_IP)
	{
		*add = -sums->rc + s * sums->uc;
		*rescale = -s;
	}
	else
	{
		*add = sums->l2 + 2 * s * sums->uc;
		*rescale = -2 * s;
	}
}

/* |r|^2 and <r, c>, with r = x - c. */
static void
residual_sums(const TridentIndexCoder *coder, const float *x, const float *c,
			  CodeSums *sums)
{
	int			i;

	sums->l2 = sums->rc = 0;
	for (i = 0; i < coder->layout.dp; i++)
	{
		float		r = x[i] - c[i];

		sums->l2 += r * r;
		sums->rc += r * c[i];
	}
}

/* The sign code of r = x - c; |r|^2 and <r, c> are in sums. */
static void
encode_signs(const TridentIndexCoder *coder, const float *x, const float *c,
			 CodeSums *sums, uint8 *signs, float *add, float *rescale)
{
	float		ru = 0;
	float		uc = 0;
	int			i;
	int			j;

	for (i = 0; i < coder->layout.dp / 8; i++)
	{
		uint8		bits = 0;

		for (j = 0; j < 8; j++)
		{
			float		r = x[8 * i + j] - c[8 * i + j];

			ru += fabsf(r);
			uc += r > 0 ? c[8 * i + j] : -c[8 * i + j];
			bits |= (r > 0) << j;
		}
		signs[i] = bits;
	}
	sums->ru = 0.5f * ru;
	sums->uc = 0.5f * uc;
	code_factors(coder->metric, sums, add, rescale);
}

/* The finer code of r = x - c. */
static void
encode_fine(const TridentIndexCoder *coder, const float *x, const float *c,
			CodeSums *sums, TridentIndexRow *row)
{
	int			dp = coder->layout.dp;
	int			half = 1 << (coder->layout.bits - 1);
	float		scale = sums->l2 > 0 ? coder->fine_scale / sqrtf(sums->l2) : 0;
	uint8	   *out = trident_index_row_values(&coder->layout, row);
	float		ru = 0;
	float		uc = 0;
	int			i;

	if (coder->layout.bits == 4)
		memset(out, 0, coder->layout.code_bytes);
	for (i = 0; i < dp; i++)
	{
		float		r = x[i] - c[i];
		int			k = (int) (fabsf(r) * scale);
		float		u;
		int			level;

		if (k > half - 1)
			k = half - 1;
		u = k + 0.5f;
		ru += fabsf(r) * u;
		uc += r > 0 ? c[i] * u : -c[i] * u;
		level = r > 0 ? half + k : half - 1 - k;
		if (coder->layout.bits == 8)
			out[i] = level;
		else if (i < dp / 2)
			out[i] |= level;
		else
			out[i - dp / 2] |= level << 4;
	}
	sums->ru = ru;
	sums->uc = uc;
	code_factors(coder->metric, sums, &row->add, &row->rescale);
}

void
trident_index_encode(const TridentIndexCoder *coder, const float *raw,
					 const float *x, const float *centroid,
					 TridentIndexRow *row)
{
	CodeSums	sums;
	int			dp = coder->layout.dp;

	if (coder->layout.format == TRIDENT_INDEX_EXACT)
	{
		memcpy(trident_index_row_values(&coder->layout, row), raw,
			   coder->layout.code_bytes);
		return;
	}

	residual_sums(coder, x, centroid, &sums);
	if (!isfinite(sums.l2) || !isfinite(sums.rc) || sums.l2 > FLT_MAX / dp)
	{
		/* Beyond the arithmetic: always a candidate, ranked by its row. */
		memset(TridentIndexRowSigns(row), 0, dp / 8 + coder->layout.code_bytes);
		row->sign_add = row->add = -get_float4_infinity();
		row->sign_rescale = row->rescale = 0;
		return;
	}
	if (coder->layout.format == TRIDENT_INDEX_SIGNS)
		encode_signs(coder, x, centroid, &sums, TridentIndexRowSigns(row),
					 &row->sign_add, &row->sign_rescale);
	encode_fine(coder, x, centroid, &sums, row);
}

/* An empty query: one chunk with room for all that the format uses. */
static TridentIndexQuery *
allocate_query(const TridentIndexLayout *layout)
{
	int			dp = layout->dp;
	Size		lut_bytes = layout->format == TRIDENT_INDEX_SIGNS ? dp / 4 * 16 : 0;
	TridentIndexQuery *query;
	char	   *chunk;

	chunk = palloc0(MAXALIGN(sizeof(TridentIndexQuery)) + lut_bytes +
					sizeof(float) * (dp + layout->dim) + dp);
	query = (TridentIndexQuery *) chunk;
	chunk += MAXALIGN(sizeof(TridentIndexQuery));
	query->lut = (uint8 *) chunk;
	chunk += lut_bytes;
	query->x = (float *) chunk;
	query->raw = query->x + dp;
	query->x8 = (int8 *) (query->raw + layout->dim);
	return query;
}

/* Prepare what the formulae need of query->x. */
static void
prepare_query(const TridentIndexCoder *coder, TridentIndexQuery *query)
{
	const TridentIndexLayout *layout = &coder->layout;
	int			dp = layout->dp;
	int64		sum8 = 0;
	int			i;

	if (layout->format == TRIDENT_INDEX_SIGNS)
	{
		float		base;
		float		sum = 0;

		for (i = 0; i < dp; i++)
			sum += query->x[i];
		trident_simd_code.sign_tables(dp, query->x, query->lut,
									  &query->lut_step, &base);
		query->sign_offset = base - 0.5f * sum;
		/* rounding of dp / 4 entries, each uniform within half a step */
		query->sign_slack = TRIDENT_INDEX_EPSILON * query->lut_step *
			sqrtf(dp / 4 / 12.0f);
	}
	if (layout->format == TRIDENT_INDEX_EXACT)
		return;
	trident_simd_code.quantise_s8(dp, query->x, query->x8, &query->x8_step);
	for (i = 0; i < dp; i++)
		sum8 += query->x8[i];
	query->fine_offset = -0.5f * ((1 << layout->bits) - 1) *
		query->x8_step * (float) sum8;
}

TridentIndexQuery *
trident_index_query(const TridentIndexCoder *coder, const float *raw)
{
	const TridentIndexLayout *layout = &coder->layout;
	TridentIndexQuery *query = allocate_query(layout);

	memcpy(query->raw, raw, sizeof(float) * layout->dim);
	if (!trident_index_project(coder, raw, query->x))
	{
		pfree(query);
		return NULL;
	}
	if (trident_simd.norm_squared_f32(layout->dp, query->x) < FLT_MAX / layout->dp)
		prepare_query(coder, query);
	else
		query->is_huge = true;
	return query;
}

TridentIndexQuery *
trident_index_query_projected(const TridentIndexCoder *coder, const float *x)
{
	TridentIndexQuery *query = allocate_query(&coder->layout);

	memcpy(query->x, x, sizeof(float) * coder->layout.dp);
	memcpy(query->raw, x, sizeof(float) * coder->layout.dim);
	prepare_query(coder, query);
	return query;
}

float
trident_index_ip_part(float value, float query_norm2, float centroid_norm2,
					  float *distance)
{
	float		part = 1;
	float		d2;

	if (query_norm2 > 0 && centroid_norm2 > 0)
	{
		part = Max(-value / centroid_norm2,
				   LEAST_COSINE * sqrtf(query_norm2 / centroid_norm2));
		part = Max(1 / MAX_PART, Min(part, MAX_PART));
	}
	d2 = query_norm2 + part * (2 * value + part * centroid_norm2);
	*distance = sqrtf(Max(d2, LEAST_SINE2 * query_norm2));
	return part;
}

float
trident_index_list_value(const TridentIndexCoder *coder,
						 const TridentIndexQuery *query, const float *centroid,
						 float *part, float *distance)
{
	int			dp = coder->layout.dp;
	float		value;

	if (coder->metric == TRIDENT_INDEX_IP)
	{
		value = -trident_simd.inner_product_f32(dp, query->x, centroid);
		*part = trident_index_ip_part(value,
									  trident_simd.norm_squared_f32(dp, query->x),
									  trident_simd.norm_squared_f32(dp, centroid),
									  distance);
		return value;
	}
	value = trident_simd.l2_squared_f32(dp, query->x, centroid);
	*part = 1;
	*distance = sqrtf(value);
	return value;
}

double
trident_index_exact_value(const TridentIndexCoder *coder,
						  const TridentIndexQuery *query, const float *raw)
{
	int			dim = coder->layout.dim;
	TridentSimdCosine parts;
	double		cosine;

	switch (coder->metric)
	{
		case TRIDENT_INDEX_L2:
			return trident_simd.l2_squared_f32(dim, query->raw, raw);
		case TRIDENT_INDEX_IP:
			return -trident_simd.inner_product_f32(dim, query->raw, raw);
		case TRIDENT_INDEX_COSINE:
			break;
	}
	parts = trident_simd.cosine_f32(dim, query->raw, raw);
	cosine = parts.dot / sqrt((double) parts.norm_a * (double) parts.norm_b);
	return 2 * (1 - Max(-1.0, Min(1.0, cosine)));
}

double
trident_index_value_distance(TridentIndexMetric metric, double value)
{
	switch (metric)
	{
		case TRIDENT_INDEX_L2:
			return sqrt(Max(value, 0));
		case TRIDENT_INDEX_IP:
			return value;
		case TRIDENT_INDEX_COSINE:
			break;
	}
	return value / 2;
}
