/*
 * simd.h
 *	  Kernels: distances over float4 and float16 arrays, in the fastest
 *	  instructions that the processor has.
 *
 * The kernels of one instruction set fill one TridentSimdOps.  choose.c copies
 * the best set that can run here into trident_simd once, when the library is
 * loaded, and again when trident.simd changes; callers go through that copy:
 *
 *		d2 = trident_simd.l2_squared_f32(dim, a, b);
 *
 * Kernels are pure: no palloc, no ereport, no PostgreSQL header but c.h.
 * Pointers need no alignment beyond that of their element.  dim may be 0.
 * NaN and infinity pass through as the arithmetic has it.  Levels agree to
 * within rounding of float4 sums (the order of additions differs); functions
 * that return integers agree exactly.
 */
#ifndef TRIDENT_SIMD_SIMD_H
#define TRIDENT_SIMD_SIMD_H

#include "c.h"

/* IEEE 754 binary16, as its bits. */
typedef uint16 TridentHalf;

/* Order matters: a level that cannot run falls back to a lower one. */
typedef enum TridentSimdLevel
{
	TRIDENT_SIMD_AUTO = -1,
	TRIDENT_SIMD_SCALAR = 0,
	TRIDENT_SIMD_NEON = 1,
	TRIDENT_SIMD_AVX2 = 2,		/* with FMA and F16C */
	TRIDENT_SIMD_AVX512 = 3		/* F, BW, DQ, VL */
} TridentSimdLevel;

/* What a cosine needs of two arrays, from one pass over them. */
typedef struct TridentSimdCosine
{
	float		dot;			/* sum of a[i] * b[i] */
	float		norm_a;			/* sum of a[i] squared */
	float		norm_b;			/* sum of b[i] squared */
} TridentSimdCosine;

typedef struct TridentSimdOps
{
	TridentSimdLevel level;

	/* float4 */
	float		(*l2_squared_f32) (int dim, const float *a, const float *b);
	float		(*inner_product_f32) (int dim, const float *a, const float *b);
	TridentSimdCosine (*cosine_f32) (int dim, const float *a, const float *b);
	float		(*l1_f32) (int dim, const float *a, const float *b);
	/* sum of squares, accumulated in float8 */
	double		(*norm_squared_f32) (int dim, const float *a);

	/* float16; sums are in float4 */
	float		(*l2_squared_f16) (int dim, const TridentHalf *a, const TridentHalf *b);
	float		(*inner_product_f16) (int dim, const TridentHalf *a, const TridentHalf *b);
	TridentSimdCosine (*cosine_f16) (int dim, const TridentHalf *a, const TridentHalf *b);
	float		(*l1_f16) (int dim, const TridentHalf *a, const TridentHalf *b);
	double		(*norm_squared_f16) (int dim, const TridentHalf *a);

	/* float16 to float4 and back (round to nearest even; overflow gives inf) */
	void		(*f16_to_f32) (int dim, const TridentHalf *from, float *to);
	void		(*f32_to_f16) (int dim, const float *from, TridentHalf *to);
} TridentSimdOps;

extern TridentSimdOps trident_simd;

/* choose.c */

/*
 * Fill trident_simd with the best kernels not above the level asked for that
 * this processor can run.  Never fails: scalar always can.
 */
extern void trident_simd_choose(int level);

/* The name of a level: scalar, neon, avx2, avx512. */
extern const char *trident_simd_level_name(TridentSimdLevel level);

/*
 * The kernels of one level, or NULL where this build or this processor has
 * not got them.  For tests and for bounds that must not depend on the choice.
 */
extern const TridentSimdOps *trident_simd_ops(TridentSimdLevel level);

#endif							/* TRIDENT_SIMD_SIMD_H */
