/*
 * code.c
 *	  What the tests of kernels over codes share.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "code.h"
#include "level.h"
#include "tap.h"

const int	dims[DIM_COUNT] = {
	32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 384, 416, 512, 544, 640, 768,
	800, 896, 992, 1024, 1536, 2048, 3072, 4096, 8192, MAX_DP
};

const char *const kind_names[KIND_COUNT] = {
	"random", "zeros", "denormal", "near denormal", "huge", "one value",
	"with NaN", "with infinity"
};

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

/* Set n values of a kind. */
void
fill(Kind kind, int n, float *values)
{
	for (int i = 0; i < n; i++)
		values[i] = value_of(kind, i);
}

/* Set n bytes at random. */
void
fill_bytes(size_t n, void *bytes)
{
	for (size_t i = 0; i < n; i++)
		((uint8 *) bytes)[i] = (uint8) (next_random() >> 8);
}

/* Are n floats the same bits, taking any NaN for any other? */
bool
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

/* Run test on the kernels of each level above scalar. */
void
each_code_level(void (*test) (const char *name, const TridentSimdCodeOps *ops))
{
	for (int level = TRIDENT_SIMD_SCALAR + 1; level <= TRIDENT_SIMD_AVX512; level++)
	{
		const char *name = trident_simd_level_name((TridentSimdLevel) level);
		const TridentSimdCodeOps *ops = trident_simd_code_ops((TridentSimdLevel) level);

		if (ops != NULL)
			test(name, ops);
		else
			tap_skip(name, "not on this processor, or not in this build");
#ifdef TRIDENT_SIMD_HAVE_X86
		if (ops == &trident_simd_code_avx512bytes)
			test("avx512 without VBMI and VNNI", &trident_simd_code_avx512);
#endif
	}
}
