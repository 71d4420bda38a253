/*
 * test_code.c
 *	  Proves that the rotation and the kernels over sign codes give the same
 *	  bits at every level, and that these are the right ones.
 *
 * What is right is proved of the scalar kernels, each against its definition
 * in simd.h, written down here once more and more plainly.  Every other level
 * must then give the very bits of scalar; a NaN need only be a NaN.
 *
 * Arrays end where memory ends, and start at any multiple of their element.
 */
#include "c.h"

#include <math.h>
#include <string.h>

#include "code.h"
#include "level.h"
#include "tap.h"

#define MAX_BLOCKS 5
#define LANES TRIDENT_SIMD_LANES

static const TridentSimdCodeOps *scalar = &trident_simd_code_scalar;

/* Rotation. */

static uint32 signs[MAX_DP / 32 * 4];

static void
test_rotate(const char *name, const TridentSimdCodeOps *ops)
{
	static float expected[MAX_DP];

	for (int kind = 0; kind < KIND_COUNT; kind++)
	{
		bool		passed = true;

		for (int i = 0; i < DIM_COUNT; i++)
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
}

int
main(void)
{
	for (size_t i = 0; i < lengthof(signs); i++)
		signs[i] = next_random();

	test_rotate_definition();
	test_sign_tables_definition();
	test_sign_scan_definition();
	test_choice();
	each_code_level(test_level);
	return tap_done();
}
