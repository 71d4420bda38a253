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
 * Pointers need no alignment beyond that of their element.  dim may be 0, not
 * negative.  NaN and infinity pass through as the arithmetic has it.  Levels
 * agree to within rounding of float4 sums (the order of additions differs);
 * functions that return integers agree exactly.
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

/*
 * Kernels over codes: what the index scans, and what builds it.
 *
 * "dp" is the padded number of dimensions, a multiple of 32.  These kernels
 * agree bit for bit between levels: integer sums are exact, and the few float
 * operations are written as separate multiplications and additions, in one
 * order (never a fused multiply-add), so that a query finds the same rows
 * whatever the processor.  A NaN may differ in its bits, never in being one;
 * what overflows gives the same nonsense everywhere.  matrix_dot alone is
 * exempt: it trains.
 */

/* Vectors in a block of sign codes: as many as a byte shuffle looks up. */
#define TRIDENT_SIMD_LANES 16

/* The largest dp of sign codes: 255 a table must fit 16 bits when summed. */
#define TRIDENT_SIMD_MAX_SIGN_DIM 1024

/* Bytes of a block of sign codes. */
#define TRIDENT_SIMD_SIGN_BLOCK(dp) ((dp) / 8 * TRIDENT_SIMD_LANES)

/* What a scan of sign codes needs to turn a sum into a bound. */
typedef struct TridentSimdSignScan
{
	const uint8 *lut;			/* dp / 4 tables of 16 bytes, by sign_tables */
	float		scale;			/* see sign_scan */
	float		offset;
	float		add;
	float		limit;			/* lanes with a bound below it are reported */
} TridentSimdSignScan;

typedef struct TridentSimdCodeOps
{
	/*
	 * Rotate x[dp] in place: four rounds of { flip the signs of the dims whose
	 * bit is set in signs (round r uses the dp bits from bit r * dp on, bit i
	 * of the array being signs[i / 32] >> (i % 32) & 1); Hadamard transform,
	 * scaled by 1/sqrt(n), of the first (r even) or last (r odd) n dims, n
	 * being the largest power of two <= dp; if n != dp also (a, b) := ((a + b),
	 * (a - b)) * sqrt(1/2) for every pair x[i], x[i + dp / 2] }.  The
	 * butterflies go from stride 1 up.  Orthogonal up to rounding.
	 */
	void		(*rotate) (int dp, const uint32 *signs, float *x);

	/*
	 * Tables for sign_scan from a rotated query q[dp], dp <= 1024: for dims
	 * 4g..4g+3 and a nibble v, the sum of q over the set bits of v, less the
	 * least such sum of the group, times 1 / *step, to the nearest integer.
	 * *step is one 255th of the widest group's range (or 1 where that is too
	 * small to invert); *base the sum of all groups' least sums.  So the sum
	 * of q over the set bits of a whole code is about
	 * *base + *step * (sum of its table entries).
	 */
	void		(*sign_tables) (int dp, const float *q, uint8 *lut,
								float *step, float *base);

	/*
	 * Bounds of nblocks blocks of 16 sign codes.  A block is dp / 8 lines of
	 * 16 bytes: byte j of line t holds, of vector j, the signs of dims
	 * 8t..8t+3 in its low nibble and 8t+4..8t+7 in its high nibble, lower dims
	 * in lower bits.  With sum the vector's sum of table entries,
	 *
	 *		bound[i] = (f_add[i] + add) + f_rescale[i] * (scale * sum + offset)
	 *
	 * Bit j of mask[b] is set where bound[16b + j] < limit (never for NaN).
	 */
	void		(*sign_scan) (int dp, int nblocks, const uint8 *codes,
							  const float *f_add, const float *f_rescale,
							  const TridentSimdSignScan *scan,
							  float *bound, uint16 *mask);

	/*
	 * Quantise q[dp] to bytes: *step is one 127th of the largest magnitude (1
	 * where all are 0), out[i] = q[i] / *step rounded to nearest even, 0 for NaN.
	 */
	void		(*quantise_s8) (int dp, const float *q, int8 *out, float *step);

	/*
	 * Sum of code[i] * q[i].  The 4-bit code has dim i in the low nibble of
	 * byte i for i < dp / 2, and in the high nibble of byte i - dp / 2 above.
	 */
	int32		(*dot_u4_s8) (int dp, const uint8 *code, const int8 *q);
	int32		(*dot_u8_s8) (int dp, const uint8 *code, const int8 *q);

	/*
	 * out[i * ldo + j] = sum over d of x[i * dp + d] * c[j * dp + d], for m rows x
	 * and n rows c: the product that assigning rows to centroids is made of.
	 * Register-tiled; dp a multiple of 32; ldo is the row length of out.
	 */
	void		(*matrix_dot) (int m, int n, int dp, const float *x,
							   const float *c, float *out, int ldo);
} TridentSimdCodeOps;

extern TridentSimdOps trident_simd;
extern TridentSimdCodeOps trident_simd_code;

/* choose.c */

/*
 * Fill trident_simd and trident_simd_code with the best kernels not above the
 * level asked for that this processor can run.  Never fails: scalar always can.
 */
extern void trident_simd_choose(int level);

/* The name of a level: scalar, neon, avx2, avx512. */
extern const char *trident_simd_level_name(TridentSimdLevel level);

/*
 * The kernels of one level, or NULL where this build or this processor has
 * not got them.  For tests and for bounds that must not depend on the choice.
 */
extern const TridentSimdOps *trident_simd_ops(TridentSimdLevel level);
extern const TridentSimdCodeOps *trident_simd_code_ops(TridentSimdLevel level);

#endif							/* TRIDENT_SIMD_SIMD_H */
