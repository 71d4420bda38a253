/*
 * neon.c
 *	  Kernels in NEON, as every 64-bit ARM processor has it.
 *
 * Four lanes a register.  Four accumulators hide the latency of the
 * multiply-add; what is left over is loaded with zeros beyond the end of the
 * array, whose memory is not touched.  A zero lane adds nothing to any of the
 * sums.
 */
#include "c.h"

#include <string.h>

#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_NEON

#include <arm_neon.h>

#define INLINE static pg_attribute_always_inline

/* Four elements from array[i] on. */
INLINE float32x4_t
load_neon(ElementType type, const void *array, size_t i)
{
	if (type == ELEMENT_F16)
	{
		uint16x4_t	halves = vld1_u16((const TridentHalf *) array + i);

		return vcvt_f32_f16(vreinterpret_f16_u16(halves));
	}
	return vld1q_f32((const float *) array + i);
}

/* The last count elements, those from array[i] on, 0 < count < 4. */
INLINE float32x4_t
load_last_neon(ElementType type, const void *array, size_t i, size_t count)
{
	float		floats[4] = {0, 0, 0, 0};
	TridentHalf halves[4] = {0, 0, 0, 0};

	if (type == ELEMENT_F16)
	{
		const TridentHalf *from = (const TridentHalf *) array + i;

		halves[0] = from[0];
		if (count > 1)
			halves[1] = from[1];
		if (count > 2)
			halves[2] = from[2];
		return load_neon(ELEMENT_F16, halves, 0);
	}
	else
	{
		const float *from = (const float *) array + i;

		floats[0] = from[0];
		if (count > 1)
			floats[1] = from[1];
		if (count > 2)
			floats[2] = from[2];
		return load_neon(ELEMENT_F32, floats, 0);
	}
}

/* sum plus the terms of four pairs of elements. */
INLINE float32x4_t
add_terms_neon(SumTerm term, float32x4_t sum, float32x4_t a, float32x4_t b)
{
	if (term == TERM_INNER_PRODUCT)
		return vfmaq_f32(sum, a, b);

	if (term == TERM_L1)
		return vaddq_f32(sum, vabdq_f32(a, b));

	a = vsubq_f32(a, b);
	return vfmaq_f32(sum, a, a);
}

INLINE float
sum_neon(SumTerm term, ElementType type, size_t dim,
		 const void *a, const void *b)
{
	float32x4_t s0 = vdupq_n_f32(0);
	float32x4_t s1 = vdupq_n_f32(0);
	float32x4_t s2 = vdupq_n_f32(0);
	float32x4_t s3 = vdupq_n_f32(0);
	size_t		i = 0;

#define ADD(sum, at) \
	sum = add_terms_neon(term, sum, load_neon(type, a, at), \
						 load_neon(type, b, at))

	for (; i + 16 <= dim; i += 16)
	{
		ADD(s0, i);
		ADD(s1, i + 4);
		ADD(s2, i + 8);
		ADD(s3, i + 12);
	}
	if (i + 8 <= dim)
	{
		ADD(s0, i);
		ADD(s1, i + 4);
		i += 8;
	}
	if (i + 4 <= dim)
	{
		ADD(s2, i);
		i += 4;
	}
	if (i < dim)
		s3 = add_terms_neon(term, s3,
							load_last_neon(type, a, i, dim - i),
							load_last_neon(type, b, i, dim - i));
#undef ADD

	return vaddvq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)));
}

/* The three sums of a cosine, lane by lane. */
typedef struct CosineLanes
{
	float32x4_t dot;
	float32x4_t aa;
	float32x4_t bb;
} CosineLanes;

INLINE CosineLanes
add_cosine_neon(CosineLanes sums, float32x4_t a, float32x4_t b)
{
	sums.dot = vfmaq_f32(sums.dot, a, b);
	sums.aa = vfmaq_f32(sums.aa, a, a);
	sums.bb = vfmaq_f32(sums.bb, b, b);
	return sums;
}

INLINE TridentSimdCosine
cosine_neon(ElementType type, size_t dim, const void *a, const void *b)
{
	const float32x4_t zero = vdupq_n_f32(0);
	CosineLanes s0 = {zero, zero, zero};
	CosineLanes s1 = s0;
	TridentSimdCosine result;
	size_t		i = 0;

	for (; i + 8 <= dim; i += 8)
	{
		s0 = add_cosine_neon(s0, load_neon(type, a, i),
							load_neon(type, b, i));
		s1 = add_cosine_neon(s1, load_neon(type, a, i + 4),
							load_neon(type, b, i + 4));
	}
	if (i + 4 <= dim)
	{
		s0 = add_cosine_neon(s0, load_neon(type, a, i),
							load_neon(type, b, i));
		i += 4;
	}
	if (i < dim)
		s1 = add_cosine_neon(s1, load_last_neon(type, a, i, dim - i),
							load_last_neon(type, b, i, dim - i));

	result.dot = vaddvq_f32(vaddq_f32(s0.dot, s1.dot));
	result.norm_a = vaddvq_f32(vaddq_f32(s0.aa, s1.aa));
	result.norm_b = vaddvq_f32(vaddq_f32(s0.bb, s1.bb));
	return result;
}

/* Sums of squares in float8; four lanes. */
typedef struct SquareLanes
{
	float64x2_t low;
	float64x2_t high;
} SquareLanes;

INLINE SquareLanes
add_squares_neon(SquareLanes sums, float32x4_t a)
{
	float64x2_t low = vcvt_f64_f32(vget_low_f32(a));
	float64x2_t high = vcvt_high_f64_f32(a);

	sums.low = vfmaq_f64(sums.low, low, low);
	sums.high = vfmaq_f64(sums.high, high, high);
	return sums;
}

INLINE double
norm_squared_neon(ElementType type, size_t dim, const void *a)
{
	SquareLanes s0 = {vdupq_n_f64(0), vdupq_n_f64(0)};
	SquareLanes s1 = s0;
	size_t		i = 0;

	for (; i + 8 <= dim; i += 8)
	{
		s0 = add_squares_neon(s0, load_neon(type, a, i));
		s1 = add_squares_neon(s1, load_neon(type, a, i + 4));
	}
	if (i + 4 <= dim)
	{
		s0 = add_squares_neon(s0, load_neon(type, a, i));
		i += 4;
	}
	if (i < dim)
		s1 = add_squares_neon(s1, load_last_neon(type, a, i, dim - i));

	return vaddvq_f64(vaddq_f64(vaddq_f64(s0.low, s1.low),
								vaddq_f64(s0.high, s1.high)));
}

static void
f16_to_f32_neon(int dim, const TridentHalf *from, float *to)
{
	size_t		n = dim;
	float		last[4];
	size_t		i = 0;

	for (; i + 4 <= n; i += 4)
		vst1q_f32(to + i, load_neon(ELEMENT_F16, from, i));
	if (i < n)
	{
		vst1q_f32(last, load_last_neon(ELEMENT_F16, from, i, n - i));
		memcpy(to + i, last, sizeof(float) * (n - i));
	}
}

/* Four float4 to float16, rounded as the processor stands: to nearest even. */
INLINE uint16x4_t
to_halves_neon(float32x4_t from)
{
	return vreinterpret_u16_f16(vcvt_f16_f32(from));
}

static void
f32_to_f16_neon(int dim, const float *from, TridentHalf *to)
{
	size_t		n = dim;
	TridentHalf last[4];
	size_t		i = 0;

	for (; i + 4 <= n; i += 4)
		vst1_u16(to + i, to_halves_neon(load_neon(ELEMENT_F32, from, i)));
	if (i < n)
	{
		vst1_u16(last, to_halves_neon(load_last_neon(ELEMENT_F32, from, i,
													 n - i)));
		memcpy(to + i, last, sizeof(TridentHalf) * (n - i));
	}
}

static float
l2_squared_f32_neon(int dim, const float *a, const float *b)
{
	return sum_neon(TERM_L2_SQUARED, ELEMENT_F32, dim, a, b);
}

static float
inner_product_f32_neon(int dim, const float *a, const float *b)
{
	return sum_neon(TERM_INNER_PRODUCT, ELEMENT_F32, dim, a, b);
}

static float
l1_f32_neon(int dim, const float *a, const float *b)
{
	return sum_neon(TERM_L1, ELEMENT_F32, dim, a, b);
}

static TridentSimdCosine
cosine_f32_neon(int dim, const float *a, const float *b)
{
	return cosine_neon(ELEMENT_F32, dim, a, b);
}

static double
norm_squared_f32_neon(int dim, const float *a)
{
	return norm_squared_neon(ELEMENT_F32, dim, a);
}

static float
l2_squared_f16_neon(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_neon(TERM_L2_SQUARED, ELEMENT_F16, dim, a, b);
}

static float
inner_product_f16_neon(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_neon(TERM_INNER_PRODUCT, ELEMENT_F16, dim, a, b);
}

static float
l1_f16_neon(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_neon(TERM_L1, ELEMENT_F16, dim, a, b);
}

static TridentSimdCosine
cosine_f16_neon(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return cosine_neon(ELEMENT_F16, dim, a, b);
}

static double
norm_squared_f16_neon(int dim, const TridentHalf *a)
{
	return norm_squared_neon(ELEMENT_F16, dim, a);
}

const TridentSimdOps trident_simd_neon = {
	.level = TRIDENT_SIMD_NEON,
	.l2_squared_f32 = l2_squared_f32_neon,
	.inner_product_f32 = inner_product_f32_neon,
	.cosine_f32 = cosine_f32_neon,
	.l1_f32 = l1_f32_neon,
	.norm_squared_f32 = norm_squared_f32_neon,
	.l2_squared_f16 = l2_squared_f16_neon,
	.inner_product_f16 = inner_product_f16_neon,
	.cosine_f16 = cosine_f16_neon,
	.l1_f16 = l1_f16_neon,
	.norm_squared_f16 = norm_squared_f16_neon,
	.f16_to_f32 = f16_to_f32_neon,
	.f32_to_f16 = f32_to_f16_neon
};

#endif							/* TRIDENT_SIMD_HAVE_NEON */
