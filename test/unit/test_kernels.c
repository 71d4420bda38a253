/*
 * test_kernels.c
 *	  Proves that the distances and norms of every level are right: on every
 *	  length, from every alignment, without touching what lies beyond, and for
 *	  the values that arithmetic treats apart.
 *
 * Two kinds of comparison.  Sums of small integers are exact in float4 in any
 * order, so there a kernel must give the very number: an element dropped or
 * counted twice shows at any length.  For other values float4 sums depend on
 * the order of additions, and must lie within what any order can do to them:
 *
 * A term has at most three roundings (difference, its square twice), a sum of
 * n terms n - 1 more, each of at most u = 2^-24 of its result.  So a sum is
 * off by at most (n + 2) u S and terms of second order, S being the sum of
 * the magnitudes of the terms; (n + 4) * 1.01 covers those for n up to 16000.
 * What underflows adds half of 2^-149 a term.  The norms are sums in float8
 * of exact squares, so there u = 2^-53.  The reference adds up in float8, or
 * long double for the norms.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "level.h"
#include "simd/simd.h"
#include "tap.h"

#define MAX_DIM 16000

/* The results of kernels that are compared one by one. */
typedef enum Result
{
	L2_SQUARED,
	INNER_PRODUCT,
	L1,
	COSINE_DOT,
	COSINE_NORM_A,
	COSINE_NORM_B,
	NORM_SQUARED,
	RESULT_COUNT
} Result;

static const char *const result_names[] = {
	"l2_squared", "inner_product", "l1", "cosine.dot", "cosine.norm_a",
	"cosine.norm_b", "norm_squared"
};

/* Two arrays: what their elements are worth, and as the kernels take them. */
typedef struct Pair
{
	int			dim;
	bool		is_half;
	float		a[MAX_DIM];
	float		b[MAX_DIM];
	void	   *stored_a;
	void	   *stored_b;
} Pair;

static Pair pair;

/* Lengths: all the short ones, and some that are in use. */
static int
next_length(int dim)
{
	static const int long_dims[] = {255, 256, 257, 768, 1536, 4096, 15999};

	if (dim < 130)
		return dim + 1;
	for (int i = 0; i < (int) lengthof(long_dims); i++)
	{
		if (dim < long_dims[i])
			return long_dims[i];
	}
	return dim < MAX_DIM ? MAX_DIM : -1;
}

/*
 * Store the pair for the kernels at addresses a and b, and read it back: a
 * float16 cannot hold every float4.
 */
static void
store_at(void *a, void *b)
{
	const TridentSimdOps *scalar = trident_simd_ops(TRIDENT_SIMD_SCALAR);

	pair.stored_a = a;
	pair.stored_b = b;
	if (pair.is_half)
	{
		scalar->f32_to_f16(pair.dim, pair.a, a);
		scalar->f32_to_f16(pair.dim, pair.b, b);
		scalar->f16_to_f32(pair.dim, a, pair.a);
		scalar->f16_to_f32(pair.dim, b, pair.b);
	}
	else
	{
		memcpy(a, pair.a, sizeof(float) * pair.dim);
		memcpy(b, pair.b, sizeof(float) * pair.dim);
	}
}

static size_t
element_size(void)
{
	return pair.is_half ? sizeof(TridentHalf) : sizeof(float);
}

/* Store the pair so that reading beyond the end of an array is a crash. */
static void
store_guarded(void)
{
	store_at(guarded(0, element_size() * pair.dim),
			 guarded(1, element_size() * pair.dim));
}

/* All results of one level for the pair, in float8. */
static void
run_kernels(const TridentSimdOps *ops, double *results)
{
	int			dim = pair.dim;
	TridentSimdCosine cosine;

	if (pair.is_half)
	{
		const TridentHalf *a = pair.stored_a;
		const TridentHalf *b = pair.stored_b;

		results[L2_SQUARED] = ops->l2_squared_f16(dim, a, b);
		results[INNER_PRODUCT] = ops->inner_product_f16(dim, a, b);
		results[L1] = ops->l1_f16(dim, a, b);
		results[NORM_SQUARED] = ops->norm_squared_f16(dim, a);
		cosine = ops->cosine_f16(dim, a, b);
	}
	else
	{
		const float *a = pair.stored_a;
		const float *b = pair.stored_b;

		results[L2_SQUARED] = ops->l2_squared_f32(dim, a, b);
		results[INNER_PRODUCT] = ops->inner_product_f32(dim, a, b);
		results[L1] = ops->l1_f32(dim, a, b);
		results[NORM_SQUARED] = ops->norm_squared_f32(dim, a);
		cosine = ops->cosine_f32(dim, a, b);
	}
	results[COSINE_DOT] = cosine.dot;
	results[COSINE_NORM_A] = cosine.norm_a;
	results[COSINE_NORM_B] = cosine.norm_b;
}

/* One term of a result. */
static double
term(Result result, double a, double b)
{
	switch (result)
	{
		case L2_SQUARED:
			return (a - b) * (a - b);
		case L1:
			return fabs(a - b);
		case COSINE_NORM_A:
		case NORM_SQUARED:
			return a * a;
		case COSINE_NORM_B:
			return b * b;
		default:
			return a * b;
	}
}

/* What a result should be, and how far off the order of additions can put it. */
static double
reference(Result result, double *bound)
{
	long double sum = 0;
	double		magnitudes = 0;
	double		unit = result == NORM_SQUARED ? DBL_EPSILON : FLT_EPSILON / 2;

	for (int i = 0; i < pair.dim; i++)
	{
		double		t = term(result, pair.a[i], pair.b[i]);

		sum += t;
		magnitudes += fabs(t);
	}
	*bound = 1.01 * (pair.dim + 4) * unit * magnitudes;
	if (result != NORM_SQUARED)
		*bound += (pair.dim + 1) * ldexp(1, -149);
	return (double) sum;
}

/* Equal, NaN being equal to itself. */
static bool
same(double x, double y)
{
	return isnan(x) ? isnan(y) : x == y;
}

/*
 * Compare all results of the pair with the reference: exactly, or within what
 * the order of additions can do.  Returns how many were wrong.
 */
static int
compare(const TridentSimdOps *ops, bool exact)
{
	double		results[RESULT_COUNT];
	int			wrong = 0;

	run_kernels(ops, results);
	for (int r = 0; r < RESULT_COUNT; r++)
	{
		double		bound;
		double		expected = reference((Result) r, &bound);

		if (exact || !isfinite(expected) ?
			same(results[r], expected) :
			fabs(results[r] - expected) <= bound)
			continue;
		tap_note("%s of %d dims is %.9g, not %.9g +- %.3g", result_names[r],
				 pair.dim, results[r], expected, exact ? 0 : bound);
		wrong++;
	}
	return wrong;
}

/* Small integers, none 0, no term 0, all float16; times scale. */
static void
fill_integers(float scale)
{
	for (int i = 0; i < pair.dim; i++)
	{
		pair.a[i] = (float) (i % 3 + 1) * scale;
		pair.b[i] = (float) -(i * 7 % 5 + 1) * scale;
	}
}

static void
test_integers(const char *name, const TridentSimdOps *ops)
{
	int			wrong = 0;

	for (pair.dim = 0; pair.dim >= 0; pair.dim = next_length(pair.dim))
	{
		fill_integers(1);
		store_guarded();
		wrong += compare(ops, true);
	}
	tap_ok(wrong == 0, "%s: exact sums, lengths 0 to 130 and up to %d",
		   name, MAX_DIM);

	/* One element at a time: each is counted, once. */
	wrong = 0;
	for (pair.dim = 1; pair.dim <= 130; pair.dim++)
	{
		memset(pair.a, 0, sizeof(float) * pair.dim);
		memset(pair.b, 0, sizeof(float) * pair.dim);
		for (int i = 0; i < pair.dim; i++)
		{
			pair.a[i] = 3;
			pair.b[i] = -5;
			store_guarded();
			wrong += compare(ops, true);
			pair.a[i] = pair.b[i] = 0;
		}
	}
	tap_ok(wrong == 0, "%s: each element counts once", name);
}

/* Any start that an element may have, among neighbours that must not count. */
static void
test_unaligned(const char *name, const TridentSimdOps *ops)
{
	static const int dims[] = {1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 130};
	static pg_attribute_aligned(64) char memory_a[1024];
	static pg_attribute_aligned(64) char memory_b[1024];
	int			wrong = 0;

	for (int d = 0; d < (int) lengthof(dims); d++)
	{
		pair.dim = dims[d];
		fill_integers(1);
		for (size_t start_a = 0; start_a < 64; start_a += element_size())
		{
			size_t		start_b = start_a * 5 % 64;

			/* 0xff all over is a NaN of either type. */
			memset(memory_a, 0xff, sizeof(memory_a));
			memset(memory_b, 0xff, sizeof(memory_b));
			store_at(memory_a + 64 + start_a, memory_b + 64 + start_b);
			wrong += compare(ops, true);
		}
	}
	tap_ok(wrong == 0, "%s: unaligned starts, NaN before and behind", name);
}

/* Values of like magnitude, and of magnitudes far apart. */
static void
test_random(const char *name, const TridentSimdOps *ops)
{
	int			spread = pair.is_half ? 6 : 20;
	int			wrong = 0;

	for (pair.dim = 0; pair.dim >= 0; pair.dim = next_length(pair.dim))
	{
		for (int i = 0; i < pair.dim; i++)
		{
			pair.a[i] = next_random_float();
			pair.b[i] = next_random_float();
		}
		store_guarded();
		wrong += compare(ops, false);

		for (int i = 0; i < pair.dim; i++)
		{
			pair.a[i] = ldexpf(next_random_float(),
							   (int) (next_random() % (2 * spread)) - spread);
			pair.b[i] = ldexpf(next_random_float(),
							   (int) (next_random() % (2 * spread)) - spread);
		}
		store_guarded();
		wrong += compare(ops, false);
	}
	tap_ok(wrong == 0, "%s: random values, within the bound of any order", name);
}

/* NaN and infinity at every position come out as the arithmetic has it. */
static void
test_special(const char *name, const TridentSimdOps *ops)
{
	static const float specials[][2] = {
		{NAN, 1}, {1, NAN}, {NAN, NAN}, {NAN, INFINITY},
		{INFINITY, 1}, {-INFINITY, 1}, {1, INFINITY}, {1, -INFINITY},
		{INFINITY, 0}, {0, -INFINITY},
		{INFINITY, INFINITY}, {INFINITY, -INFINITY}
	};
	int			wrong = 0;

	for (pair.dim = 1; pair.dim <= 70; pair.dim++)
	{
		for (int i = 0; i < pair.dim; i++)
		{
			for (int s = 0; s < (int) lengthof(specials); s++)
			{
				fill_integers(1);
				pair.a[i] = specials[s][0];
				pair.b[i] = specials[s][1];
				store_guarded();
				wrong += compare(ops, true);
			}
		}
	}
	tap_ok(wrong == 0, "%s: NaN and infinity at every position", name);

	/* Opposite infinities in different lanes of a register. */
	wrong = 0;
	for (pair.dim = 2; pair.dim <= 70; pair.dim++)
	{
		fill_integers(1);
		pair.a[0] = INFINITY;
		pair.a[pair.dim - 1] = -INFINITY;
		pair.b[0] = pair.b[pair.dim - 1] = 1;
		store_guarded();
		wrong += compare(ops, true);
	}
	tap_ok(wrong == 0, "%s: opposite infinities", name);
}

/*
 * Subnormal values are neither flushed to zero nor taken for it.  Those of
 * float16 have exact squares in float4.  Squares of those of float4 are zero
 * there, so only l1 and the norm in float8 tell.
 */
static void
test_subnormal(const char *name, const TridentSimdOps *ops)
{
	int			wrong = 0;

	for (pair.dim = 0; pair.dim <= 130; pair.dim++)
	{
		double		results[RESULT_COUNT];
		double		bound;

		fill_integers(ldexpf(1, pair.is_half ? -24 : -149));
		store_guarded();
		if (pair.is_half)
		{
			wrong += compare(ops, true);
			continue;
		}
		run_kernels(ops, results);
		if (results[L1] != reference(L1, &bound) ||
			results[NORM_SQUARED] != reference(NORM_SQUARED, &bound) ||
			results[L2_SQUARED] != 0 || results[INNER_PRODUCT] != 0 ||
			results[COSINE_DOT] != 0 || results[COSINE_NORM_A] != 0 ||
			results[COSINE_NORM_B] != 0)
			wrong++;
	}
	tap_ok(wrong == 0, "%s: subnormal values", name);
}

/* Sums too large for float4 are infinite; those in float8 still fit. */
static void
test_largest(const char *name, const TridentSimdOps *ops)
{
	int			wrong = 0;

	for (pair.dim = 1; pair.dim <= 130; pair.dim++)
	{
		double		results[RESULT_COUNT];
		double		bound;
		double		norm;

		for (int i = 0; i < pair.dim; i++)
		{
			pair.a[i] = pair.is_half ? 65504 : FLT_MAX;
			pair.b[i] = -pair.a[i];
		}
		store_guarded();
		if (pair.is_half)
		{
			wrong += compare(ops, false);
			continue;
		}
		run_kernels(ops, results);
		norm = reference(NORM_SQUARED, &bound);
		if (results[L2_SQUARED] != INFINITY || results[L1] != INFINITY ||
			results[INNER_PRODUCT] != -INFINITY ||
			results[COSINE_DOT] != -INFINITY ||
			results[COSINE_NORM_A] != INFINITY ||
			results[COSINE_NORM_B] != INFINITY ||
			!(fabs(results[NORM_SQUARED] - norm) <= bound))
			wrong++;
	}
	tap_ok(wrong == 0, "%s: largest values", name);
}

static void
test_level(const char *name, const TridentSimdOps *ops)
{
	test_integers(name, ops);
	test_unaligned(name, ops);
	test_random(name, ops);
	test_special(name, ops);
	test_subnormal(name, ops);
	test_largest(name, ops);
}

int
main(void)
{
	pair.is_half = false;
	tap_note("float4");
	each_level("kernels over float4", test_level);
	pair.is_half = true;
	tap_note("float16");
	each_level("kernels over float16", test_level);
	return tap_done();
}
