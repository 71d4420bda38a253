/*
 * code_scalar.c
 *	  Kernels over codes in plain C: what runs on a processor without any of
 *	  the other instruction sets, and what defines the results of the others.
 */
#include "c.h"

#include <math.h>

#include "simd/code.h"
#include "simd/simd.h"

/* Partial sums of the least sums of groups: group g adds to sum g % 8. */
#define PARTIAL_SUMS 8

/* A float4 as its bits, without breaking the aliasing rules. */
typedef union FloatBits
{
	float		value;
	uint32		bits;
} FloatBits;

/* 1.5 * 2^23, and its bits: float4 of that size have no fraction. */
#define ROUNDER 12582912.0f
#define ROUNDER_BITS 0x4b400000

/*
 * To the nearest integer, ties to the even one, but not beyond least and
 * most, which must be far below 2^22.  A NaN becomes 0.
 */
static int
round_clamped(float value, float least, float most)
{
	FloatBits	rounded;

	if (!(value >= least))
		value = value < least ? least : 0;
	if (value > most)
		value = most;
	rounded.value = value + ROUNDER;
	return (int) (rounded.bits - ROUNDER_BITS);
}

/* (a, b) := (a + b, a - b) */
static inline void
butterfly(float *a, float *b)
{
	float		sum = *a + *b;

	*b = *a - *b;
	*a = sum;
}

static void
hadamard(int n, float *x)
{
	float		scale = hadamard_scale(n);

	for (int stride = 1; stride < n; stride *= 2)
		for (int i = 0; i < n; i += 2 * stride)
			for (int j = i; j < i + stride; j++)
				butterfly(&x[j], &x[j + stride]);

	for (int i = 0; i < n; i++)
		x[i] *= scale;
}

static void
rotate_scalar(int dp, const uint32 *signs, float *x)
{
	int			n = hadamard_size(dp);

	for (int round = 0; round < 4; round++)
	{
		for (int i = 0; i < dp; i++)
		{
			int			bit = round * dp + i;

			if (signs[bit / 32] >> (bit % 32) & 1)
				x[i] = -x[i];
		}

		hadamard(n, round % 2 == 0 ? x : x + (dp - n));

		if (n == dp)
			continue;
		for (int i = 0; i < dp / 2; i++)
		{
			butterfly(&x[i], &x[i + dp / 2]);
			x[i] *= SQRT_HALF;
			x[i + dp / 2] *= SQRT_HALF;
		}
	}
}

/* The sum of a group's four values that are on one side of zero. */
static float
sum_below_zero(const float *q)
{
	return ((q[0] < 0 ? q[0] : 0) + (q[1] < 0 ? q[1] : 0)) +
		((q[2] < 0 ? q[2] : 0) + (q[3] < 0 ? q[3] : 0));
}

static float
sum_above_zero(const float *q)
{
	return ((q[0] > 0 ? q[0] : 0) + (q[1] > 0 ? q[1] : 0)) +
		((q[2] > 0 ? q[2] : 0) + (q[3] > 0 ? q[3] : 0));
}

static void
sign_tables_scalar(int dp, const float *q, uint8 *lut,
				   float *step, float *base)
{
	float		partial[PARTIAL_SUMS] = {0};
	float		widest = 0;
	float		inverse;

	for (int g = 0; g < dp / 4; g++)
	{
		float		least = sum_below_zero(q + 4 * g);
		float		range = sum_above_zero(q + 4 * g) - least;

		partial[g % PARTIAL_SUMS] += least;
		if (range > widest)
			widest = range;
	}

	*step = widest / 255;
	if (*step < LEAST_STEP)
		*step = 1;
	*base = ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
		((partial[1] + partial[5]) + (partial[3] + partial[7]));
	inverse = 1 / *step;

	for (int g = 0; g < dp / 4; g++)
	{
		const float *group = q + 4 * g;
		float		least = sum_below_zero(group);

		for (int v = 0; v < 16; v++)
		{
			float		sum = ((v & 1 ? group[0] : 0) + (v & 2 ? group[1] : 0)) +
				((v & 4 ? group[2] : 0) + (v & 8 ? group[3] : 0));

			*lut++ = (uint8) round_clamped((sum - least) * inverse, 0, 255);
		}
	}
}

/* Sums of table entries of the 16 vectors of one block. */
static void
sum_block(int dp, const uint8 *lut, const uint8 *block, uint32 *sum)
{
	memset(sum, 0, sizeof(uint32) * TRIDENT_SIMD_LANES);

	for (int line = 0; line < dp / 8; line++)
	{
		for (int j = 0; j < TRIDENT_SIMD_LANES; j++)
			sum[j] += lut[block[j] & 0x0f] + lut[16 + (block[j] >> 4)];
		block += TRIDENT_SIMD_LANES;
		lut += 32;
	}
}

static void
sign_scan_scalar(int dp, int nblocks, const uint8 *codes,
				 const float *f_add, const float *f_rescale,
				 const TridentSimdSignScan *scan,
				 float *bound, uint16 *mask)
{
	uint32		sum[TRIDENT_SIMD_LANES];

	for (int b = 0; b < nblocks; b++)
	{
		sum_block(dp, scan->lut, codes, sum);
		codes += TRIDENT_SIMD_SIGN_BLOCK(dp);

		mask[b] = 0;
		for (int j = 0; j < TRIDENT_SIMD_LANES; j++)
		{
			int			i = b * TRIDENT_SIMD_LANES + j;
			float		estimate = scan->scale * (float) sum[j] + scan->offset;

			bound[i] = (f_add[i] + scan->add) + f_rescale[i] * estimate;
			if (bound[i] < scan->limit)
				mask[b] |= (uint16) (1 << j);
		}
	}
}

static void
quantise_s8_scalar(int dp, const float *q, int8 *out, float *step)
{
	float		largest = 0;

	for (int i = 0; i < dp; i++)
		if (fabsf(q[i]) > largest)
			largest = fabsf(q[i]);

	*step = largest / 127;
	if (*step == 0)
		*step = 1;

	for (int i = 0; i < dp; i++)
		out[i] = (int8) round_clamped(q[i] / *step, -127, 127);
}

static int32
dot_u4_s8_scalar(int dp, const uint8 *code, const int8 *q)
{
	int32		sum = 0;

	for (int i = 0; i < dp / 2; i++)
		sum += (code[i] & 0x0f) * q[i] + (code[i] >> 4) * q[i + dp / 2];
	return sum;
}

static int32
dot_u8_s8_scalar(int dp, const uint8 *code, const int8 *q)
{
	int32		sum = 0;

	for (int i = 0; i < dp; i++)
		sum += code[i] * q[i];
	return sum;
}

static void
matrix_dot_scalar(int m, int n, int dp, const float *x,
				  const float *c, float *out, int ldo)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++)
			out[(size_t) i * ldo + j] =
				trident_simd_scalar.inner_product_f32(dp, x + (size_t) i * dp,
													  c + (size_t) j * dp);
}

const TridentSimdCodeOps trident_simd_code_scalar = {
	.rotate = rotate_scalar,
	.sign_tables = sign_tables_scalar,
	.sign_scan = sign_scan_scalar,
	.quantise_s8 = quantise_s8_scalar,
	.dot_u4_s8 = dot_u4_s8_scalar,
	.dot_u8_s8 = dot_u8_s8_scalar,
	.matrix_dot = matrix_dot_scalar
};
