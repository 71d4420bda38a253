/*
 * code.h
 *	  What the files of kernels over codes share: how they keep to one
 *	  rounding.
 *
 * All of these kernels but matrix_dot give the same bits at every level.  So
 * the order of every float operation is that of code_scalar.c, and nothing
 * may turn a multiplication and an addition into one fused operation: a
 * compiler does that on its own where the processor can, even to intrinsics.
 * It is forbidden here for the rest of the file that includes this header,
 * which therefore comes before the headers of intrinsics.  A fused operation
 * that is asked for by name stays what it is; where one factor is 1 or -1 it
 * rounds as the addition does, and the kernels make use of that.
 *
 * A NaN may differ in its bits, never in being one.
 */
#ifndef TRIDENT_SIMD_CODE_H
#define TRIDENT_SIMD_CODE_H

#include "simd/kernel.h"

#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC optimize ("fp-contract=off")
#endif

/* Before a loop over registers: its counter must not be there at run time. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL
#endif

#define SQRT_HALF 0.70710678118654752f

/* The least step that can be inverted: the least normal float4. */
#define LEAST_STEP 1.17549435e-38f

/* The largest power of two that is not above dp, which is at least 1. */
static inline int
hadamard_size(int dp)
{
	int			n = 1;

	while (n <= dp / 2)
		n *= 2;
	return n;
}

/* 1 / sqrt(n) of a power of two. */
static inline float
hadamard_scale(int n)
{
	float		scale = 1;

	for (; n >= 4; n /= 4)
		scale *= 0.5f;
	return n == 2 ? scale * SQRT_HALF : scale;
}

#ifdef TRIDENT_SIMD_HAVE_X86
/* code_float_avx2.c */
extern void trident_simd_rotate_avx2(int dp, const uint32 *signs, float *x);
extern void trident_simd_matrix_dot_avx2(int m, int n, int dp, const float *x,
										 const float *c, float *out, int ldo);

/* code_float_avx512.c */
extern void trident_simd_rotate_avx512(int dp, const uint32 *signs, float *x);
extern void trident_simd_matrix_dot_avx512(int m, int n, int dp, const float *x,
										   const float *c, float *out, int ldo);
#endif

#ifdef TRIDENT_SIMD_HAVE_NEON
/* code_float_neon.c */
extern void trident_simd_rotate_neon(int dp, const uint32 *signs, float *x);
extern void trident_simd_matrix_dot_neon(int m, int n, int dp, const float *x,
										 const float *c, float *out, int ldo);
#endif

#endif							/* TRIDENT_SIMD_CODE_H */
