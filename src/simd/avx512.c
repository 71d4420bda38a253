/*
 * avx512.c
 *	  Kernels in AVX-512 (F, BW, DQ, VL).
 *
 * Sixteen lanes a register.  Four accumulators hide the latency of the
 * multiply-add; what is left over goes through a masked load, which leaves
 * the lanes beyond the array zero and does not touch their memory: there is
 * no scalar tail.  A zero lane adds nothing to any of the sums.
 */
#include "c.h"

#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define TARGET_INLINE TARGET static pg_attribute_always_inline

/* One bit for each of the first count lanes, 0 < count < 16. */
TARGET_INLINE __mmask16
first_lanes_avx512(int count)
{
	return (__mmask16) ((1U << count) - 1);
}

/* Sixteen elements from array[i] on. */
TARGET_INLINE __m512
load_avx512(ElementType type, const void *array, int i)
{
	if (type == ELEMENT_F16)
		return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)
												  ((const TridentHalf *) array + i)));
	return _mm512_loadu_ps((const float *) array + i);
}

/* The last count elements, those from array[i] on; zero beyond. */
TARGET_INLINE __m512
load_last_avx512(ElementType type, const void *array, int i, int count)
{
	__mmask16	lanes = first_lanes_avx512(count);

	if (type == ELEMENT_F16)
		return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes,
														(const TridentHalf *) array + i));
	return _mm512_maskz_loadu_ps(lanes, (const float *) array + i);
}

/* sum plus the terms of sixteen pairs of elements. */
TARGET_INLINE __m512
add_terms_avx512(SumTerm term, __m512 sum, __m512 a, __m512 b)
{
	if (term == TERM_INNER_PRODUCT)
		return _mm512_fmadd_ps(a, b, sum);

	a = _mm512_sub_ps(a, b);
	if (term == TERM_L2_SQUARED)
		return _mm512_fmadd_ps(a, a, sum);
	return _mm512_add_ps(sum, _mm512_abs_ps(a));
}

TARGET_INLINE float
sum_avx512(SumTerm term, ElementType type, int dim,
		   const void *a, const void *b)
{
	__m512		s0 = _mm512_setzero_ps();
	__m512		s1 = _mm512_setzero_ps();
	__m512		s2 = _mm512_setzero_ps();
	__m512		s3 = _mm512_setzero_ps();
	int			i = 0;

#define ADD(sum, at) \
	sum = add_terms_avx512(term, sum, load_avx512(type, a, at), \
						   load_avx512(type, b, at))

	for (; i <= dim - 64; i += 64)
	{
		ADD(s0, i);
		ADD(s1, i + 16);
		ADD(s2, i + 32);
		ADD(s3, i + 48);
	}
	if (i <= dim - 32)
	{
		ADD(s0, i);
		ADD(s1, i + 16);
		i += 32;
	}
	if (i <= dim - 16)
	{
		ADD(s2, i);
		i += 16;
	}
	if (i < dim)
		s3 = add_terms_avx512(term, s3,
							  load_last_avx512(type, a, i, dim - i),
							  load_last_avx512(type, b, i, dim - i));
#undef ADD

	return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1),
											  _mm512_add_ps(s2, s3)));
}

TARGET_INLINE TridentSimdCosine
cosine_avx512(ElementType type, int dim, const void *a, const void *b)
{
	__m512		dot0 = _mm512_setzero_ps();
	__m512		dot1 = _mm512_setzero_ps();
	__m512		aa0 = _mm512_setzero_ps();
	__m512		aa1 = _mm512_setzero_ps();
	__m512		bb0 = _mm512_setzero_ps();
	__m512		bb1 = _mm512_setzero_ps();
	TridentSimdCosine sums;
	__m512		va;
	__m512		vb;
	int			i = 0;

	for (; i <= dim - 32; i += 32)
	{
		va = load_avx512(type, a, i);
		vb = load_avx512(type, b, i);
		dot0 = _mm512_fmadd_ps(va, vb, dot0);
		aa0 = _mm512_fmadd_ps(va, va, aa0);
		bb0 = _mm512_fmadd_ps(vb, vb, bb0);
		va = load_avx512(type, a, i + 16);
		vb = load_avx512(type, b, i + 16);
		dot1 = _mm512_fmadd_ps(va, vb, dot1);
		aa1 = _mm512_fmadd_ps(va, va, aa1);
		bb1 = _mm512_fmadd_ps(vb, vb, bb1);
	}
	if (i <= dim - 16)
	{
		va = load_avx512(type, a, i);
		vb = load_avx512(type, b, i);
		dot0 = _mm512_fmadd_ps(va, vb, dot0);
		aa0 = _mm512_fmadd_ps(va, va, aa0);
		bb0 = _mm512_fmadd_ps(vb, vb, bb0);
		i += 16;
	}
	if (i < dim)
	{
		va = load_last_avx512(type, a, i, dim - i);
		vb = load_last_avx512(type, b, i, dim - i);
		dot1 = _mm512_fmadd_ps(va, vb, dot1);
		aa1 = _mm512_fmadd_ps(va, va, aa1);
		bb1 = _mm512_fmadd_ps(vb, vb, bb1);
	}

	sums.dot = _mm512_reduce_add_ps(_mm512_add_ps(dot0, dot1));
	sums.norm_a = _mm512_reduce_add_ps(_mm512_add_ps(aa0, aa1));
	sums.norm_b = _mm512_reduce_add_ps(_mm512_add_ps(bb0, bb1));
	return sums;
}

TARGET_INLINE double
norm_squared_avx512(ElementType type, int dim, const void *a)
{
	__m512d		s0 = _mm512_setzero_pd();
	__m512d		s1 = _mm512_setzero_pd();
	__m512d		low;
	__m512d		high;
	__m512		va;

	for (int i = 0; i < dim; i += 16)
	{
		if (i <= dim - 16)
			va = load_avx512(type, a, i);
		else
			va = load_last_avx512(type, a, i, dim - i);
		low = _mm512_cvtps_pd(_mm512_castps512_ps256(va));
		high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(va, 1));
		s0 = _mm512_fmadd_pd(low, low, s0);
		s1 = _mm512_fmadd_pd(high, high, s1);
	}

	return _mm512_reduce_add_pd(_mm512_add_pd(s0, s1));
}

TARGET static void
f16_to_f32_avx512(int dim, const TridentHalf *from, float *to)
{
	int			i = 0;

	for (; i <= dim - 16; i += 16)
		_mm512_storeu_ps(to + i, load_avx512(ELEMENT_F16, from, i));
	if (i < dim)
		_mm512_mask_storeu_ps(to + i, first_lanes_avx512(dim - i),
							  load_last_avx512(ELEMENT_F16, from, i, dim - i));
}

/* Sixteen float4 to float16, to the nearest, ties to even. */
TARGET_INLINE __m256i
to_halves_avx512(__m512 from)
{
	return _mm512_cvtps_ph(from, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

TARGET static void
f32_to_f16_avx512(int dim, const float *from, TridentHalf *to)
{
	__m256i		halves;
	int			i = 0;

	for (; i <= dim - 16; i += 16)
	{
		halves = to_halves_avx512(load_avx512(ELEMENT_F32, from, i));
		_mm256_storeu_si256((__m256i *) (to + i), halves);
	}
	if (i < dim)
	{
		halves = to_halves_avx512(load_last_avx512(ELEMENT_F32, from, i, dim - i));
		_mm256_mask_storeu_epi16(to + i, first_lanes_avx512(dim - i), halves);
	}
}

TARGET static float
l2_squared_f32_avx512(int dim, const float *a, const float *b)
{
	return sum_avx512(TERM_L2_SQUARED, ELEMENT_F32, dim, a, b);
}

TARGET static float
inner_product_f32_avx512(int dim, const float *a, const float *b)
{
	return sum_avx512(TERM_INNER_PRODUCT, ELEMENT_F32, dim, a, b);
}

TARGET static float
l1_f32_avx512(int dim, const float *a, const float *b)
{
	return sum_avx512(TERM_L1, ELEMENT_F32, dim, a, b);
}

TARGET static TridentSimdCosine
cosine_f32_avx512(int dim, const float *a, const float *b)
{
	return cosine_avx512(ELEMENT_F32, dim, a, b);
}

TARGET static double
norm_squared_f32_avx512(int dim, const float *a)
{
	return norm_squared_avx512(ELEMENT_F32, dim, a);
}

TARGET static float
l2_squared_f16_avx512(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_avx512(TERM_L2_SQUARED, ELEMENT_F16, dim, a, b);
}

TARGET static float
inner_product_f16_avx512(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_avx512(TERM_INNER_PRODUCT, ELEMENT_F16, dim, a, b);
}

TARGET static float
l1_f16_avx512(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_avx512(TERM_L1, ELEMENT_F16, dim, a, b);
}

TARGET static TridentSimdCosine
cosine_f16_avx512(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return cosine_avx512(ELEMENT_F16, dim, a, b);
}

TARGET static double
norm_squared_f16_avx512(int dim, const TridentHalf *a)
{
	return norm_squared_avx512(ELEMENT_F16, dim, a);
}

const TridentSimdOps trident_simd_avx512 = {
	.level = TRIDENT_SIMD_AVX512,
	.l2_squared_f32 = l2_squared_f32_avx512,
	.inner_product_f32 = inner_product_f32_avx512,
	.cosine_f32 = cosine_f32_avx512,
	.l1_f32 = l1_f32_avx512,
	.norm_squared_f32 = norm_squared_f32_avx512,
	.l2_squared_f16 = l2_squared_f16_avx512,
	.inner_product_f16 = inner_product_f16_avx512,
	.cosine_f16 = cosine_f16_avx512,
	.l1_f16 = l1_f16_avx512,
	.norm_squared_f16 = norm_squared_f16_avx512,
	.f16_to_f32 = f16_to_f32_avx512,
	.f32_to_f16 = f32_to_f16_avx512
};

#endif							/* TRIDENT_SIMD_HAVE_X86 */
