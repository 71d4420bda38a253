/*
 * avx512.c
 *	  Kernels in AVX-512 (F, BW, DQ, VL).
 *
 * The float4 sums keep to registers of 256 bits.  They wait for loads, and a
 * vector in a tuple hardly ever starts at a cache line: every load of 512 bits
 * then straddles two, which measured slower than the narrow registers as soon
 * as the vectors come from memory.  What AVX-512 adds is masks - what is left
 * over is loaded with zeros beyond the end of the array, whose memory is not
 * touched - and eight lanes of float8 for the norms.  A zero lane adds nothing
 * to any of the sums.
 */
#include "c.h"

#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_X86

#include <immintrin.h>

#define TARGET \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define TARGET_INLINE TARGET static pg_attribute_always_inline

/* One bit for each of the first count lanes, 0 < count < 8. */
TARGET_INLINE __mmask8
first_lanes_avx512(size_t count)
{
	return (__mmask8) ((1U << count) - 1);
}

/* Eight elements from array[i] on. */
TARGET_INLINE __m256
load_avx512(ElementType type, const void *array, size_t i)
{
	if (type == ELEMENT_F16)
	{
		const TridentHalf *halves = (const TridentHalf *) array + i;

		return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) halves));
	}
	return _mm256_loadu_ps((const float *) array + i);
}

/* The last count elements, those from array[i] on; zero beyond. */
TARGET_INLINE __m256
load_last_avx512(ElementType type, const void *array, size_t i, size_t count)
{
	__mmask8	lanes = first_lanes_avx512(count);

	if (type == ELEMENT_F16)
	{
		const TridentHalf *halves = (const TridentHalf *) array + i;

		return _mm256_cvtph_ps(_mm_maskz_loadu_epi16(lanes, halves));
	}
	return _mm256_maskz_loadu_ps(lanes, (const float *) array + i);
}

/* sum plus the terms of eight pairs of elements. */
TARGET_INLINE __m256
add_terms_avx512(SumTerm term, __m256 sum, __m256 a, __m256 b)
{
	if (term == TERM_INNER_PRODUCT)
		return _mm256_fmadd_ps(a, b, sum);

	a = _mm256_sub_ps(a, b);
	if (term == TERM_L2_SQUARED)
		return _mm256_fmadd_ps(a, a, sum);
	return _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a));
}

TARGET_INLINE float
reduce_avx512(__m256 sums)
{
	__m128		v = _mm_add_ps(_mm256_castps256_ps128(sums),
							   _mm256_extractf128_ps(sums, 1));

	v = _mm_add_ps(v, _mm_movehl_ps(v, v));
	v = _mm_add_ss(v, _mm_movehdup_ps(v));
	return _mm_cvtss_f32(v);
}

TARGET_INLINE float
sum_avx512(SumTerm term, ElementType type, size_t dim,
		 const void *a, const void *b)
{
	__m256		s0 = _mm256_setzero_ps();
	__m256		s1 = _mm256_setzero_ps();
	__m256		s2 = _mm256_setzero_ps();
	__m256		s3 = _mm256_setzero_ps();
	size_t		i = 0;

#define ADD(sum, at) \
	sum = add_terms_avx512(term, sum, load_avx512(type, a, at), \
						 load_avx512(type, b, at))

	for (; i + 32 <= dim; i += 32)
	{
		ADD(s0, i);
		ADD(s1, i + 8);
		ADD(s2, i + 16);
		ADD(s3, i + 24);
	}
	if (i + 16 <= dim)
	{
		ADD(s0, i);
		ADD(s1, i + 8);
		i += 16;
	}
	if (i + 8 <= dim)
	{
		ADD(s2, i);
		i += 8;
	}
	if (i < dim)
		s3 = add_terms_avx512(term, s3,
							load_last_avx512(type, a, i, dim - i),
							load_last_avx512(type, b, i, dim - i));
#undef ADD

	return reduce_avx512(_mm256_add_ps(_mm256_add_ps(s0, s1),
									 _mm256_add_ps(s2, s3)));
}

/* The three sums of a cosine, lane by lane. */
typedef struct CosineLanes
{
	__m256		dot;
	__m256		aa;
	__m256		bb;
} CosineLanes;

TARGET_INLINE CosineLanes
add_cosine_avx512(CosineLanes sums, __m256 a, __m256 b)
{
	sums.dot = _mm256_fmadd_ps(a, b, sums.dot);
	sums.aa = _mm256_fmadd_ps(a, a, sums.aa);
	sums.bb = _mm256_fmadd_ps(b, b, sums.bb);
	return sums;
}

TARGET_INLINE CosineLanes
merge_cosine_avx512(CosineLanes a, CosineLanes b)
{
	a.dot = _mm256_add_ps(a.dot, b.dot);
	a.aa = _mm256_add_ps(a.aa, b.aa);
	a.bb = _mm256_add_ps(a.bb, b.bb);
	return a;
}

/*
 * Twelve chains of sums: two multiply-adds start in a cycle and take four, so
 * that six, as two sets of lanes have, leave the processor idle a quarter of
 * the time.
 */
TARGET_INLINE TridentSimdCosine
cosine_avx512(ElementType type, size_t dim, const void *a, const void *b)
{
	const __m256 zero = _mm256_setzero_ps();
	CosineLanes s0 = {zero, zero, zero};
	CosineLanes s1 = s0;
	CosineLanes s2 = s0;
	CosineLanes s3 = s0;
	TridentSimdCosine result;
	size_t		i = 0;

	for (; i + 32 <= dim; i += 32)
	{
		s0 = add_cosine_avx512(s0, load_avx512(type, a, i),
							  load_avx512(type, b, i));
		s1 = add_cosine_avx512(s1, load_avx512(type, a, i + 8),
							  load_avx512(type, b, i + 8));
		s2 = add_cosine_avx512(s2, load_avx512(type, a, i + 16),
							  load_avx512(type, b, i + 16));
		s3 = add_cosine_avx512(s3, load_avx512(type, a, i + 24),
							  load_avx512(type, b, i + 24));
	}
	for (; i + 8 <= dim; i += 8)
		s0 = add_cosine_avx512(s0, load_avx512(type, a, i),
							  load_avx512(type, b, i));
	if (i < dim)
		s1 = add_cosine_avx512(s1, load_last_avx512(type, a, i, dim - i),
							  load_last_avx512(type, b, i, dim - i));

	s0 = merge_cosine_avx512(s0, s1);
	s0 = merge_cosine_avx512(s0, merge_cosine_avx512(s2, s3));
	result.dot = reduce_avx512(s0.dot);
	result.norm_a = reduce_avx512(s0.aa);
	result.norm_b = reduce_avx512(s0.bb);
	return result;
}

/* sum plus the squares of eight elements, in float8. */
TARGET_INLINE __m512d
add_squares_avx512(__m512d sum, __m256 a)
{
	__m512d		wide = _mm512_cvtps_pd(a);

	return _mm512_fmadd_pd(wide, wide, sum);
}

TARGET_INLINE double
norm_squared_avx512(ElementType type, size_t dim, const void *a)
{
	__m512d		s0 = _mm512_setzero_pd();
	__m512d		s1 = _mm512_setzero_pd();
	size_t		i = 0;

	for (; i + 16 <= dim; i += 16)
	{
		s0 = add_squares_avx512(s0, load_avx512(type, a, i));
		s1 = add_squares_avx512(s1, load_avx512(type, a, i + 8));
	}
	if (i + 8 <= dim)
	{
		s0 = add_squares_avx512(s0, load_avx512(type, a, i));
		i += 8;
	}
	if (i < dim)
		s1 = add_squares_avx512(s1, load_last_avx512(type, a, i, dim - i));

	return _mm512_reduce_add_pd(_mm512_add_pd(s0, s1));
}

TARGET static void
f16_to_f32_avx512(int dim, const TridentHalf *from, float *to)
{
	size_t		n = dim;
	size_t		i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(to + i, load_avx512(ELEMENT_F16, from, i));
	if (i < n)
		_mm256_mask_storeu_ps(to + i, first_lanes_avx512(n - i),
							  load_last_avx512(ELEMENT_F16, from, i, n - i));
}

/* Eight float4 to float16, to the nearest, ties to even. */
TARGET_INLINE __m128i
to_halves_avx512(__m256 from)
{
	return _mm256_cvtps_ph(from, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

TARGET static void
f32_to_f16_avx512(int dim, const float *from, TridentHalf *to)
{
	size_t		n = dim;
	size_t		i = 0;
	__m128i		halves;

	for (; i + 8 <= n; i += 8)
	{
		halves = to_halves_avx512(load_avx512(ELEMENT_F32, from, i));
		_mm_storeu_si128((__m128i *) (to + i), halves);
	}
	if (i < n)
	{
		halves = to_halves_avx512(load_last_avx512(ELEMENT_F32, from, i,
												   n - i));
		_mm_mask_storeu_epi16(to + i, first_lanes_avx512(n - i), halves);
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
