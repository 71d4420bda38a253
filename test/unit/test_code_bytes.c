/*
 * test_code_bytes.c
 *	  Proves of the kernels over bytes, and of the matrix product, what
 *	  test_code.c proves of those over signs.
 *
 * The matrix product is apart: it must be exact where the values are small
 * integers, and else within what any order of additions can do to it.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "code.h"
#include "level.h"
#include "tap.h"

static const TridentSimdCodeOps *scalar = &trident_simd_code_scalar;

static void
test_quantise_s8(const char *name, const TridentSimdCodeOps *ops)
{
	static int8 expected[MAX_DP];

	for (int kind = 0; kind < KIND_COUNT; kind++)
	{
		bool		passed = true;

		for (int i = 0; i < DIM_COUNT; i++)
		{
			int			dp = dims[i];
			float	   *q = guarded(0, sizeof(float) * (dp + i % 16));
			int8	   *out = guarded(1, dp);
			float		expected_step;
			float		step;

			fill((Kind) kind, dp, q);
			scalar->quantise_s8(dp, q, expected, &expected_step);
			ops->quantise_s8(dp, q, out, &step);
			if (memcmp(expected, out, dp) != 0 ||
				!same_floats(1, &expected_step, &step))
			{
				tap_note("differs at %d dimensions", dp);
				passed = false;
			}
		}
		tap_ok(passed, "%s: quantise_s8, %s", name, kind_names[kind]);
	}
}

static void
test_quantise_s8_definition(void)
{
	float		q[32] = {127, -127, 2.5f, 3.5f, -2.5f, -3.5f, 0.5f, -0.5f, 126.4f};
	static const int8 expected[32] = {127, -127, 2, 4, -2, -4, 0, 0, 126};
	int8		out[32];
	float		step;

	scalar->quantise_s8(32, q, out, &step);
	tap_ok(step == 1 && memcmp(out, expected, 32) == 0,
		   "quantise_s8 rounds to nearest even");
	q[20] = -254;
	scalar->quantise_s8(32, q, out, &step);
	tap_ok(step == 2 && out[20] == -127 && out[0] == 64 && out[2] == 1,
		   "quantise_s8: the step is one 127th of the largest magnitude");
	memset(q, 0, sizeof(q));
	scalar->quantise_s8(32, q, out, &step);
	tap_ok(step == 1 && out[0] == 0, "quantise_s8 of zeros: the step is 1");
}

/* Codes and queries of a dot product, by number of the case. */
static void
fill_dot(int number, int dp, uint8 *code, int8 *q)
{
	static const int8 extremes[] = {127, -127, -128};

	fill_bytes(dp, code);
	fill_bytes(dp, q);
	if (number > 0)
	{
		memset(code, 255, dp);
		for (int i = 0; i < dp; i++)
			q[i] = number <= 3 ? extremes[number - 1] : extremes[i % 3];
	}
}

static void
test_dots(const char *name, const TridentSimdCodeOps *ops)
{
	bool		passed_u4 = true;
	bool		passed_u8 = true;

	for (int number = 0; number < 5; number++)
	{
		for (int i = 0; i < DIM_COUNT; i++)
		{
			int			dp = dims[i];
			uint8	   *code = guarded(0, dp + i);
			int8	   *q = guarded(1, dp + i / 2);
			uint8	   *code_u4 = guarded(2, dp / 2);

			fill_dot(number, dp, code, q);
			memcpy(code_u4, code, dp / 2);
			if (ops->dot_u4_s8(dp, code_u4, q) != scalar->dot_u4_s8(dp, code_u4, q))
				passed_u4 = false;
			if (ops->dot_u8_s8(dp, code, q) != scalar->dot_u8_s8(dp, code, q))
				passed_u8 = false;

			/* And with both at the very end. */
			code = guarded(0, dp);
			q = guarded(1, dp);
			fill_dot(number, dp, code, q);
			if (ops->dot_u8_s8(dp, code, q) != scalar->dot_u8_s8(dp, code, q))
				passed_u8 = false;
			if (ops->dot_u4_s8(dp, code, q) != scalar->dot_u4_s8(dp, code, q))
				passed_u4 = false;
		}
	}
	tap_ok(passed_u4, "%s: dot_u4_s8", name);
	tap_ok(passed_u8, "%s: dot_u8_s8", name);
}

static void
test_dots_definition(void)
{
	static uint8 code[MAX_DP];
	static int8 q[MAX_DP];
	bool		passed = true;

	for (int number = 0; number < 5; number++)
	{
		for (int i = 0; i < DIM_COUNT; i++)
		{
			int			half = dims[i] / 2;
			int64		sum_u4 = 0;
			int64		sum_u8 = 0;

			fill_dot(number, dims[i], code, q);
			for (int j = 0; j < dims[i]; j++)
			{
				sum_u4 += (int64) q[j] *
					(j < half ? code[j] % 16 : code[j - half] / 16);
				sum_u8 += (int64) q[j] * code[j];
			}
			if (scalar->dot_u4_s8(dims[i], code, q) != sum_u4 ||
				scalar->dot_u8_s8(dims[i], code, q) != sum_u8)
				passed = false;
		}
	}
	tap_ok(passed, "dot_u4_s8 and dot_u8_s8 are what their definitions give");
}

/* Matrix product. */

/* How far the product of a level is from float8, in units of its allowance. */
static double
product_error(const TridentSimdCodeOps *ops, int m, int n, int dp, int gap)
{
	float	   *x = guarded(0, sizeof(float) * m * dp);
	float	   *c = guarded(1, sizeof(float) * n * dp);
	int			ldo = n + gap;
	size_t		count = (size_t) (m - 1) * ldo + n;
	float	   *out = guarded(2, sizeof(float) * count);
	double		worst = 0;

	for (size_t i = 0; i < count; i++)
		out[i] = 777;
	ops->matrix_dot(m, n, dp, x, c, out, ldo);

	for (size_t i = 0; i < count; i++)
	{
		const float *row = x + i / ldo * dp;
		const float *column = c + i % ldo * dp;
		double		sum = 0;
		double		allowed = 0;

		if (i % ldo >= (size_t) n)
		{
			if (out[i] != 777)
				return INFINITY;
			continue;
		}
		for (int d = 0; d < dp; d++)
		{
			sum += (double) row[d] * column[d];
			allowed += fabs((double) row[d] * column[d]);
		}
		if (out[i] != sum)
			worst = fmax(worst, fabs(out[i] - sum) /
						 (allowed * (dp + 1) * FLT_EPSILON / 2));
		if (isnan(out[i]))
			return INFINITY;
	}
	return worst;
}

static void
test_matrix_dot(const char *name, const TridentSimdCodeOps *ops)
{
	static const int counts[] = {1, 2, 5, 6, 7, 12, 15, 16, 17, 63, 64, 65, 130};
	static const int some_dims[] = {32, 96, 128, 160, 544};
	double		worst_exact = 0;
	double		worst = 0;

	for (int d = 0; d < (int) lengthof(some_dims); d++)
	{
		int			dp = some_dims[d];

		for (int i = 0; i < (int) lengthof(counts) * (int) lengthof(counts); i++)
		{
			int			m = counts[i % lengthof(counts)];
			int			n = counts[i / lengthof(counts)];
			float	   *x = guarded(0, sizeof(float) * m * dp);
			float	   *c = guarded(1, sizeof(float) * n * dp);

			for (int j = 0; j < m * dp; j++)
				x[j] = (float) (next_random() % 17) - 8;
			for (int j = 0; j < n * dp; j++)
				c[j] = (float) (next_random() % 17) - 8;
			worst_exact = fmax(worst_exact, product_error(ops, m, n, dp, i % 3));
			fill(RANDOM, m * dp, x);
			fill(RANDOM, n * dp, c);
			worst = fmax(worst, product_error(ops, m, n, dp, i % 3));
		}
	}
	tap_ok(worst_exact == 0, "%s: matrix_dot of integers is exact", name);
	tap_ok(worst <= 1, "%s: matrix_dot is within %g of what rounding may do",
		   name, worst);
}

static void
test_level(const char *name, const TridentSimdCodeOps *ops)
{
	test_quantise_s8(name, ops);
	test_dots(name, ops);
	test_matrix_dot(name, ops);
}

int
main(void)
{
	test_quantise_s8_definition();
	test_dots_definition();
	test_matrix_dot("scalar", scalar);
	each_code_level(test_level);
	return tap_done();
}
