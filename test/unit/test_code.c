/*
 * test_code.c
 *	  Proves that the kernels over codes give the same bits at every level,
 *	  and that these are the right ones.
 *
 * What is right is proved of the scalar kernels, each against its definition
 * in simd.h, written down here once more and more plainly.  Every other level
 * must then give the very bits of scalar; a NaN need only be a NaN.  The
 * matrix product is apart: it must be exact where the values are small
 * integers, and else within what any order of additions can do to it.
 *
 * Arrays end where memory ends, and start at any multiple of their element.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "level.h"
#include "simd/kernel.h"
#include "simd/simd.h"
#include "tap.h"

#define MAX_DP 16000
#define MAX_BLOCKS 5
#define LANES TRIDENT_SIMD_LANES

static const int dims[] = {
	32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 384, 416, 512, 544, 640, 768,
	800, 896, 992, 1024, 1536, 2048, 3072, 4096, 8192, MAX_DP
};

/* The sets of values that a kernel is tried on. */
typedef enum Kind
{
	RANDOM,
	ZEROS,						/* both of them */
	DENORMAL,
	NEAR_DENORMAL,				/* of a step that is just large enough, or not */
	HUGE_VALUES,				/* sums overflow */
	ONE_VALUE,
	WITH_NAN,
	WITH_INFINITY,
	KIND_COUNT
} Kind;

static const char *const kind_names[] = {
	"random", "zeros", "denormal", "near denormal", "huge", "one value",
	"with NaN", "with infinity"
};

static const TridentSimdCodeOps *scalar = &trident_simd_code_scalar;

/* A value of a kind, at place i. */
static float
value_of(Kind kind, int i)
{
	float		value = next_random_float();

	switch (kind)
	{
		case ZEROS:
			return value < 0 ? -0.0f : 0.0f;
		case DENORMAL:
			return value * 1e-42f;
		case NEAR_DENORMAL:
			return value * 1e-36f;
		case HUGE_VALUES:
			return value * FLT_MAX;
		case ONE_VALUE:
			return i == 17 ? -3.5f : 0;
		case WITH_NAN:
			return i % 19 == 3 ? NAN : value;
		case WITH_INFINITY:
			return i % 23 == 5 ? copysignf(INFINITY, value) : value;
		default:
			return value * 3;
	}
}

static void
fill(Kind kind, int n, float *values)
{
	for (int i = 0; i < n; i++)
		values[i] = value_of(kind, i);
}

static void
fill_bytes(size_t n, void *bytes)
{
	for (size_t i = 0; i < n; i++)
		((uint8 *) bytes)[i] = (uint8) (next_random() >> 8);
}

/* Are n floats the same bits, taking any NaN for any other? */
static bool
same_floats(int n, const float *a, const float *b)
{
	for (int i = 0; i < n; i++)
	{
		if (isnan(a[i]) != isnan(b[i]))
			return false;
		if (!isnan(a[i]) && memcmp(&a[i], &b[i], sizeof(float)) != 0)
			return false;
	}
	return true;
}

/* Rotation. */

static uint32 signs[MAX_DP / 32 * 4];

static void
test_rotate(const char *name, const TridentSimdCodeOps *ops)
{
	static float expected[MAX_DP];

	for (int kind = 0; kind < KIND_COUNT; kind++)
	{
		bool		passed = true;

		for (int i = 0; i < (int) lengthof(dims); i++)
		{
			int			dp = dims[i];
			float	   *x = guarded(0, sizeof(float) * (dp + i % 16));
			uint32	   *copied_signs = guarded(1, dp / 2);

			memcpy(copied_signs, signs, dp / 2);
			fill((Kind) kind, dp, x);
			memcpy(expected, x, sizeof(float) * dp);
			scalar->rotate(dp, signs, expected);
			ops->rotate(dp, copied_signs, x);
			if (!same_floats(dp, expected, x))
			{
				tap_note("differs at %d dimensions", dp);
				passed = false;
			}
		}
		tap_ok(passed, "%s: rotate, %s", name, kind_names[kind]);
	}
}

/* x becomes its Hadamard transform, by the definition: signs of popcounts. */
static void
plain_hadamard(int n, double *x)
{
	static double result[1024];

	for (int i = 0; i < n; i++)
	{
		result[i] = 0;
		for (int j = 0; j < n; j++)
			result[i] += __builtin_popcount(i & j) % 2 ? -x[j] : x[j];
		result[i] /= sqrt(n);
	}
	memcpy(x, result, sizeof(double) * n);
}

/* One round of the rotation, or of its transpose, in float8. */
static void
plain_round(int dp, int round, bool is_transposed, double *x)
{
	int			n = 1;

	while (n * 2 <= dp)
		n *= 2;

	for (int step = 0; step < 3; step++)
	{
		switch (is_transposed ? 2 - step : step)
		{
			case 0:
				for (int i = 0; i < dp; i++)
				{
					int			bit = round * dp + i;

					if (signs[bit / 32] & (UINT64CONST(1) << bit % 32))
						x[i] = -x[i];
				}
				break;
			case 1:
				plain_hadamard(n, x + (round % 2 ? dp - n : 0));
				break;
			default:
				for (int i = 0; n != dp && i < dp / 2; i++)
				{
					double		a = x[i];
					double		b = x[i + dp / 2];

					x[i] = (a + b) * sqrt(0.5);
					x[i + dp / 2] = (a - b) * sqrt(0.5);
				}
		}
	}
}

static void
test_rotate_definition(void)
{
	static const int some_dims[] = {32, 64, 96, 128, 160, 384, 512, 768, 1024};
	static float x[1024];
	static double expected[1024];
	static double back[1024];
	double		worst = 0;
	double		worst_back = 0;
	double		worst_norm = 0;

	for (int i = 0; i < (int) lengthof(some_dims); i++)
	{
		int			dp = some_dims[i];
		double		norm = 0;
		double		norm_after = 0;

		fill(RANDOM, dp, x);
		for (int j = 0; j < dp; j++)
		{
			expected[j] = x[j];
			norm += expected[j] * expected[j];
		}
		scalar->rotate(dp, signs, x);
		for (int j = 0; j < dp; j++)
		{
			back[j] = x[j];
			norm_after += back[j] * back[j];
		}
		for (int round = 3; round >= 0; round--)
			plain_round(dp, round, true, back);
		for (int j = 0; j < dp; j++)
			worst_back = fmax(worst_back, fabs(back[j] - expected[j]));
		for (int round = 0; round < 4; round++)
			plain_round(dp, round, false, expected);
		for (int j = 0; j < dp; j++)
			worst = fmax(worst, fabs(x[j] - expected[j]));
		worst_norm = fmax(worst_norm, fabs(norm_after / norm - 1));
	}

	tap_ok(worst < 1e-5, "rotate is what its definition gives, within %g", worst);
	tap_ok(worst_back < 1e-5, "its transpose inverts it, within %g", worst_back);
	tap_ok(worst_norm < 1e-6, "it keeps the norm, within %g", worst_norm);
}

/* Tables. */

static void
test_sign_tables(const char *name, const TridentSimdCodeOps *ops)
{
	static uint8 expected[TRIDENT_SIMD_MAX_SIGN_DIM * 4];

	for (int kind = 0; kind < KIND_COUNT; kind++)
	{
		bool		passed = true;

		for (int dp = 32; dp <= TRIDENT_SIMD_MAX_SIGN_DIM; dp += 32)
		{
			float	   *q = guarded(0, sizeof(float) * dp);
			uint8	   *lut = guarded(1, (size_t) dp * 4);
			float		scaling[2];
			float		expected_scaling[2];

			fill((Kind) kind, dp, q);
			scalar->sign_tables(dp, q, expected, &expected_scaling[0],
								&expected_scaling[1]);
			ops->sign_tables(dp, q, lut, &scaling[0], &scaling[1]);
			if (memcmp(expected, lut, (size_t) dp * 4) != 0 ||
				!same_floats(2, expected_scaling, scaling))
			{
				tap_note("differs at %d dimensions", dp);
				passed = false;
			}
		}
		tap_ok(passed, "%s: sign_tables, %s", name, kind_names[kind]);
	}
}

static void
test_sign_tables_definition(void)
{
	static float q[TRIDENT_SIMD_MAX_SIGN_DIM];
	static uint8 lut[TRIDENT_SIMD_MAX_SIGN_DIM * 4];
	float		step;
	float		base;
	int			most = 0;
	double		worst = 0;
	double		expected_base = 0;

	fill(RANDOM, lengthof(q), q);
	scalar->sign_tables(lengthof(q), q, lut, &step, &base);

	for (int g = 0; g < (int) lengthof(q) / 4; g++)
	{
		double		least = 0;

		for (int i = 0; i < 4; i++)
			least += fmin(q[4 * g + i], 0);
		expected_base += least;
		for (int v = 0; v < 16; v++)
		{
			double		sum = -least;

			for (int i = 0; i < 4; i++)
				sum += v >> i & 1 ? q[4 * g + i] : 0;
			worst = fmax(worst, fabs(sum / step - lut[16 * g + v]));
			most = Max(most, lut[16 * g + v]);
		}
	}

	tap_ok(worst < 0.5001, "tables are rounded sums, within %g", worst);
	tap_ok(most == 255, "the widest range takes all of a byte");
	tap_ok(fabs(base / expected_base - 1) < 1e-6, "base is the sum of the least");

	fill(ZEROS, lengthof(q), q);
	scalar->sign_tables(lengthof(q), q, lut, &step, &base);
	tap_ok(step == 1 && base == 0 && lut[77] == 0, "tables of zeros: step is 1");
}

/* Scan. */

typedef struct Scan
{
	int			dp;
	int			nblocks;
	TridentSimdSignScan scan;
	uint8	   *codes;
	float	   *f_add;
	float	   *f_rescale;
} Scan;

static Scan scan;

/* What the codes, tables and numbers of a scan are taken from. */
typedef struct ScanCase
{
	const char *name;
	Kind		factors;
	float		limit;
	int			entry;				/* all tables and codes: -1 is random */
} ScanCase;

static const ScanCase scan_cases[] = {
	{"random", RANDOM, 0.5f, -1},
	{"all of 255", RANDOM, 0.5f, 255},
	{"all of 0", RANDOM, 0.5f, 0},
	{"NaN in factors", WITH_NAN, 0.5f, -1},
	{"infinity in factors", WITH_INFINITY, 0.5f, -1},
	{"huge factors", HUGE_VALUES, 0.5f, -1},
	{"denormal factors", DENORMAL, 1e-43f, -1},
	{"zero factors", ZEROS, 0.0f, -1},
	{"limit of infinity", WITH_NAN, INFINITY, -1},
	{"limit of -infinity", WITH_INFINITY, -INFINITY, -1},
	{"limit of NaN", RANDOM, NAN, -1}
};

/* offset shifts all arrays by as many elements. */
static void
make_scan(const ScanCase *scan_case, int dp, int nblocks, int offset)
{
	size_t		codes_size = (size_t) nblocks * TRIDENT_SIMD_SIGN_BLOCK(dp);
	size_t		factors_size = sizeof(float) * (nblocks * LANES + offset);
	uint8	   *lut = guarded(1, (size_t) dp * 4 + offset);

	scan.dp = dp;
	scan.nblocks = nblocks;
	scan.codes = guarded(0, codes_size + offset);
	scan.f_add = guarded(2, factors_size);
	scan.f_rescale = guarded(3, factors_size);
	fill(scan_case->factors, nblocks * LANES, scan.f_add);
	fill(scan_case->factors, nblocks * LANES, scan.f_rescale);
	fill_bytes(codes_size, scan.codes);
	fill_bytes((size_t) dp * 4, lut);
	if (scan_case->entry >= 0)
	{
		memset(scan.codes, scan_case->entry, codes_size);
		memset(lut, scan_case->entry, (size_t) dp * 4);
	}

	scan.scan.lut = lut;
	scan.scan.scale = 0.1f / (float) dp;
	scan.scan.offset = -3.3f;
	scan.scan.add = 0.7f;
	scan.scan.limit = scan_case->limit;
}

static void
run_scan(const TridentSimdCodeOps *ops, float *bound, uint16 *mask)
{
	/* What is not written shows. */
	memset(bound, 0x55, sizeof(float) * scan.nblocks * LANES);
	memset(mask, 0x55, sizeof(uint16) * scan.nblocks);
	ops->sign_scan(scan.dp, scan.nblocks, scan.codes, scan.f_add,
				   scan.f_rescale, &scan.scan, bound, mask);
}

static bool
same_scan(const TridentSimdCodeOps *ops)
{
	float		expected[MAX_BLOCKS * LANES];
	float		bound[MAX_BLOCKS * LANES + 1];
	uint16		expected_mask[MAX_BLOCKS];
	uint16		mask[MAX_BLOCKS + 1];
	int			lanes = scan.nblocks * LANES;

	bound[lanes] = 123;
	mask[scan.nblocks] = 0x1234;
	run_scan(scalar, expected, expected_mask);
	run_scan(ops, bound, mask);
	return same_floats(lanes, expected, bound) &&
		memcmp(expected_mask, mask, sizeof(uint16) * scan.nblocks) == 0 &&
		bound[lanes] == 123 && mask[scan.nblocks] == 0x1234;
}

static void
test_sign_scan(const char *name, const TridentSimdCodeOps *ops)
{
	for (int i = 0; i < (int) lengthof(scan_cases); i++)
	{
		bool		passed = true;

		for (int dp = 32; dp <= TRIDENT_SIMD_MAX_SIGN_DIM; dp += 32)
		{
			for (int nblocks = 0; nblocks <= MAX_BLOCKS; nblocks++)
			{
				make_scan(&scan_cases[i], dp, nblocks, (dp / 32 + nblocks) % 16);
				if (!same_scan(ops))
				{
					tap_note("differs at %d dimensions, %d blocks", dp, nblocks);
					passed = false;
				}
			}
		}
		tap_ok(passed, "%s: sign_scan, %s", name, scan_cases[i].name);
	}
}

/* The sum of table entries of one vector, dim by dim. */
static int
plain_sum(int vector)
{
	const uint8 *block = scan.codes +
		vector / LANES * TRIDENT_SIMD_SIGN_BLOCK(scan.dp);
	int			sum = 0;

	for (int group = 0; group < scan.dp / 4; group++)
	{
		int			v = 0;

		for (int dim = 4 * group; dim < 4 * group + 4; dim++)
		{
			if (block[dim / 8 * LANES + vector % LANES] >> dim % 8 & 1)
				v |= 1 << (dim - 4 * group);
		}
		sum += scan.scan.lut[16 * group + v];
	}
	return sum;
}

static void
test_sign_scan_definition(void)
{
	float		bound[MAX_BLOCKS * LANES];
	uint16		mask[MAX_BLOCKS];
	bool		is_bound_right = true;
	bool		is_mask_right = true;

	for (int dp = 32; dp <= TRIDENT_SIMD_MAX_SIGN_DIM; dp += 32)
	{
		make_scan(&scan_cases[dp == 1024], dp, 3, 0);
		run_scan(scalar, bound, mask);
		for (int i = 0; i < 3 * LANES; i++)
		{
			double		expected = (double) scan.f_add[i] + scan.scan.add +
				(double) scan.f_rescale[i] *
				((double) scan.scan.scale * plain_sum(i) + scan.scan.offset);

			if (!(fabs(bound[i] - expected) < 1e-4))
				is_bound_right = false;
			if ((bound[i] < scan.scan.limit) != (mask[i / LANES] >> i % LANES & 1))
				is_mask_right = false;
		}
	}
	tap_ok(is_bound_right, "sign_scan: bounds are what their definition gives");
	tap_ok(is_mask_right, "sign_scan: the mask says which are below the limit");
}

/* Bytes. */

static void
test_quantise_s8(const char *name, const TridentSimdCodeOps *ops)
{
	static int8 expected[MAX_DP];

	for (int kind = 0; kind < KIND_COUNT; kind++)
	{
		bool		passed = true;

		for (int i = 0; i < (int) lengthof(dims); i++)
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
		for (int i = 0; i < (int) lengthof(dims); i++)
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
		for (int i = 0; i < (int) lengthof(dims); i++)
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

/* Choice. */

static void
test_choice(void)
{
	for (int level = TRIDENT_SIMD_SCALAR; level <= TRIDENT_SIMD_AVX512; level++)
	{
		const TridentSimdCodeOps *ops = trident_simd_code_ops((TridentSimdLevel) level);

		if (ops == NULL)
			continue;
		trident_simd_choose(level);
		tap_ok(memcmp(ops, &trident_simd_code, sizeof(*ops)) == 0,
			   "choosing %s chooses its kernels over codes",
			   trident_simd_level_name((TridentSimdLevel) level));
	}
	tap_ok(trident_simd_code_ops((TridentSimdLevel) 99) == NULL,
		   "a level that is none has no kernels over codes");
}

static void
test_level(const char *name, const TridentSimdCodeOps *ops)
{
	test_rotate(name, ops);
	test_sign_tables(name, ops);
	test_sign_scan(name, ops);
	test_quantise_s8(name, ops);
	test_dots(name, ops);
	test_matrix_dot(name, ops);
}

int
main(void)
{
	for (size_t i = 0; i < lengthof(signs); i++)
		signs[i] = next_random();

	test_rotate_definition();
	test_sign_tables_definition();
	test_sign_scan_definition();
	test_quantise_s8_definition();
	test_dots_definition();
	test_matrix_dot("scalar", scalar);
	test_choice();

	for (int level = TRIDENT_SIMD_SCALAR + 1; level <= TRIDENT_SIMD_AVX512; level++)
	{
		const char *name = trident_simd_level_name((TridentSimdLevel) level);
		const TridentSimdCodeOps *ops = trident_simd_code_ops((TridentSimdLevel) level);

		if (ops != NULL)
			test_level(name, ops);
		else
			tap_skip(name, "not on this processor, or not in this build");
#ifdef TRIDENT_SIMD_HAVE_X86
		if (ops == &trident_simd_code_avx512bytes)
			test_level("avx512 without VBMI and VNNI", &trident_simd_code_avx512);
#endif
	}
	return tap_done();
}
