/*
 * code.h
 *	  What the tests of kernels over codes share: values to try them on, and
 *	  walking the levels.
 */
#ifndef TRIDENT_TEST_UNIT_CODE_H
#define TRIDENT_TEST_UNIT_CODE_H

#include "c.h"

#include "simd/kernel.h"
#include "simd/simd.h"

#define MAX_DP 16000

/* Numbers of dimensions to try, in ascending order. */
#define DIM_COUNT 26
extern const int dims[DIM_COUNT];

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

extern const char *const kind_names[KIND_COUNT];

/* Set n values of a kind; at random, but the same ones in every run. */
extern void fill(Kind kind, int n, float *values);

/* Set n bytes at random. */
extern void fill_bytes(size_t n, void *bytes);

/* Are n floats the same bits, taking any NaN for any other? */
extern bool same_floats(int n, const float *a, const float *b);

/*
 * Run test on the kernels of each level above scalar, and on all the sets of
 * a level that has more than one.  A level that cannot run here is reported
 * as skipped.
 */
extern void each_code_level(void (*test) (const char *name,
										  const TridentSimdCodeOps *ops));

#endif							/* TRIDENT_TEST_UNIT_CODE_H */
