/*
 * avx2.c
 *	  Kernels in AVX2 with FMA and F16C.
 *
 * Eight lanes a register.  Four accumulators hide the latency of the
 * multiply-add; what is left over is loaded with zeros beyond the end of the
 * array, whose memory is not touched.  A zero lane adds nothing to any of the
 * sums.
 */
#include "c.h"

#include <string.h>

#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define TARGET_INLINE TARGET static pg_attribute_always_inline

/* All bits in each of the first count lanes. */
TARGET_INLINE __m256i
first_lanes_avx2(size_t count)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int) count),
							  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Eight elements from array[i] on. */
TARGET_INLINE __m256
load_avx2(ElementType type, const void *array, size_t i)
{
	if (type == ELEMENT_F16)
	{
		const TridentHalf *halves = (const TridentHalf *) array + i;

		return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) halves));
	}
	return _mm256_loadu_ps((const float *) array + i);
}

/*
 * count float16 and zeros, 0 < count < 8.  No masked load has lanes this
 * narrow, so the bits of count say which pieces there are: one of four, one
 * of two, one of one, in this order.
 */
TARGET_INLINE __m128i
load_last_halves_avx2(const TridentHalf *from, size_t count)
{
	uint64		four = 0;
	uint64		rest = 0;
	uint32		two;

	if (count & 1)
		rest = from[count - 1];
	if (count & 2)
	{
		memcpy(&two, from + (count & 4), sizeof(two));
		rest = rest << 32 | two;
	}
	if ((count & 4) == 0)
		return _mm_set_epi64x(0, (int64) rest);
	memcpy(&four, from, sizeof(four));
	return _mm_set_epi64x((int64) rest, (int64) four);
}

/* The last count elements, those from array[i] on; zero beyond. */
TARGET_INLINE __m256
load_last_avx2(ElementType type, const void *array, size_t i, size_t count)
{
	if (type == ELEMENT_F16)
	{
		const TridentHalf *halves = (const TridentHalf *) array + i;

		return _mm256_cvtph_ps(load_last_halves_avx2(halves, count));
	}
	return _mm256_maskload_ps((const float *) array + i,
							  first_lanes_avx2(count));
}

/* sum plus the terms of eight pairs of elements. */
TARGET_INLINE __m256
add_terms_avx2(SumTerm term, __m256 sum, __m256 a, __m256 b)
{
	if (term == TERM_INNER_PRODUCT)
		return _mm256_fmadd_ps(a, b, sum);

	a = _mm256_sub_ps(a, b);
	if (term == TERM_L2_SQUARED)
		return _mm256_fmadd_ps(a, a, sum);
	return _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a));
}

TARGET_INLINE float
reduce_avx2(__m256 sums)
{
	__m128		v = _mm_add_ps(_mm256_castps256_ps128(sums),
							   _mm256_extractf128_ps(sums, 1));

	v = _mm_add_ps(v, _mm_movehl_ps(v, v));
	v = _mm_add_ss(v, _mm_movehdup_ps(v));
	return _mm_cvtss_f32(v);
}

TARGET_INLINE float
sum_avx2(SumTerm term, ElementType type, size_t dim,
		 const void *a, const void *b)
{
	__m256		s0 = _mm256_setzero_ps();
	__m256		s1 = _mm256_setzero_ps();
	__m256		s2 = _mm256_setzero_ps();
	__m256		s3 = _mm256_setzero_ps();
	size_t		i = 0;

#define ADD(sum, at) \
	sum = add_terms_avx2(term, sum, load_avx2(type, a, at), \
						 load_avx2(type, b, at))

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
		s3 = add_terms_avx2(term, s3,
							load_last_avx2(type, a, i, dim - i),
							load_last_avx2(type, b, i, dim - i));
#undef ADD

	return reduce_avx2(_mm256_add_ps(_mm256_add_ps(s0, s1),
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
add_cosine_avx2(CosineLanes sums, __m256 a, __m256 b)
{
	sums.dot = _mm256_fmadd_ps(a, b, sums.dot);
	sums.aa = _mm256_fmadd_ps(a, a, sums.aa);
	sums.bb = _mm256_fmadd_ps(b, b, sums.bb);
	return sums;
}

TARGET_INLINE CosineLanes
merge_cosine_avx2(CosineLanes a, CosineLanes b)
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
cosine_avx2(ElementType type, size_t dim, const void *a, const void *b)
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
		s0 = add_cosine_avx2(s0, load_avx2(type, a, i),
							load_avx2(type, b, i));
		s1 = add_cosine_avx2(s1, load_avx2(type, a, i + 8),
							load_avx2(type, b, i + 8));
		s2 = add_cosine_avx2(s2, load_avx2(type, a, i + 16),
							load_avx2(type, b, i + 16));
		s3 = add_cosine_avx2(s3, load_avx2(type, a, i + 24),
							load_avx2(type, b, i + 24));
	}
	for (; i + 8 <= dim; i += 8)
		s0 = add_cosine_avx2(s0, load_avx2(type, a, i),
							load_avx2(type, b, i));
	if (i < dim)
		s1 = add_cosine_avx2(s1, load_last_avx2(type, a, i, dim - i),
							load_last_avx2(type, b, i, dim - i));

	s0 = merge_cosine_avx2(s0, s1);
	s0 = merge_cosine_avx2(s0, merge_cosine_avx2(s2, s3));
	result.dot = reduce_avx2(s0.dot);
	result.norm_a = reduce_avx2(s0.aa);
	result.norm_b = reduce_avx2(s0.bb);
	return result;
}

/* Sums of squares in float8; eight lanes. */
typedef struct SquareLanes
{
	__m256d		low;
	__m256d		high;
} SquareLanes;

TARGET_INLINE SquareLanes
add_squares_avx2(SquareLanes sums, __m256 a)
{
	__m256d		low = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
	__m256d		high = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));

	sums.low = _mm256_fmadd_pd(low, low, sums.low);
	sums.high = _mm256_fmadd_pd(high, high, sums.high);
	return sums;
}

TARGET_INLINE double
norm_squared_avx2(ElementType type, size_t dim, const void *a)
{
	SquareLanes s0 = {_mm256_setzero_pd(), _mm256_setzero_pd()};
	SquareLanes s1 = s0;
	__m256d		sum;
	__m128d		half;
	size_t		i = 0;

	for (; i + 16 <= dim; i += 16)
	{
		s0 = add_squares_avx2(s0, load_avx2(type, a, i));
		s1 = add_squares_avx2(s1, load_avx2(type, a, i + 8));
	}
	if (i + 8 <= dim)
	{
		s0 = add_squares_avx2(s0, load_avx2(type, a, i));
		i += 8;
	}
	if (i < dim)
		s1 = add_squares_avx2(s1, load_last_avx2(type, a, i, dim - i));

	sum = _mm256_add_pd(_mm256_add_pd(s0.low, s1.low),
						_mm256_add_pd(s0.high, s1.high));
	half = _mm_add_pd(_mm256_castpd256_pd128(sum),
					  _mm256_extractf128_pd(sum, 1));
	return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}

TARGET static void
f16_to_f32_avx2(int dim, const TridentHalf *from, float *to)
{
	size_t		n = dim;
	size_t		i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(to + i, load_avx2(ELEMENT_F16, from, i));
	if (i < n)
		_mm256_maskstore_ps(to + i, first_lanes_avx2(n - i),
							load_last_avx2(ELEMENT_F16, from, i, n - i));
}

/* Eight float4 to float16, to the nearest, ties to even. */
TARGET_INLINE __m128i
to_halves_avx2(__m256 from)
{
	return _mm256_cvtps_ph(from, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

TARGET static void
f32_to_f16_avx2(int dim, const float *from, TridentHalf *to)
{
	size_t		n = dim;
	TridentHalf last[8];
	__m128i		halves;
	size_t		i = 0;

	for (; i + 8 <= n; i += 8)
	{
		halves = to_halves_avx2(load_avx2(ELEMENT_F32, from, i));
		_mm_storeu_si128((__m128i *) (to + i), halves);
	}
	if (i < n)
	{
		halves = to_halves_avx2(load_last_avx2(ELEMENT_F32, from, i, n - i));
		_mm_storeu_si128((__m128i *) last, halves);
		memcpy(to + i, last, sizeof(TridentHalf) * (n - i));
	}
}

TARGET static float
l2_squared_f32_avx2(int dim, const float *a, const float *b)
{
	return sum_avx2(TERM_L2_SQUARED, ELEMENT_F32, dim, a, b);
}

TARGET static float
inner_product_f32_avx2(int dim, const float *a, const float *b)
{
	return sum_avx2(TERM_INNER_PRODUCT, ELEMENT_F32, dim, a, b);
}

TARGET static float
l1_f32_avx2(int dim, const float *a, const float *b)
{
	return sum_avx2(TERM_L1, ELEMENT_F32, dim, a, b);
}

TARGET static TridentSimdCosine
cosine_f32_avx2(int dim, const float *a, const float *b)
{
	return cosine_avx2(ELEMENT_F32, dim, a, b);
}

TARGET static double
norm_squared_f32_avx2(int dim, const float *a)
{
	return norm_squared_avx2(ELEMENT_F32, dim, a);
}

TARGET static float
l2_squared_f16_avx2(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_avx2(TERM_L2_SQUARED, ELEMENT_F16, dim, a, b);
}

TARGET static float
inner_product_f16_avx2(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_avx2(TERM_INNER_PRODUCT, ELEMENT_F16, dim, a, b);
}

TARGET static float
l1_f16_avx2(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_avx2(TERM_L1, ELEMENT_F16, dim, a, b);
}

TARGET static TridentSimdCosine
cosine_f16_avx2(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return cosine_avx2(ELEMENT_F16, dim, a, b);
}

TARGET static double
norm_squared_f16_avx2(int dim, const TridentHalf *a)
{
	return norm_squared_avx2(ELEMENT_F16, dim, a);
}

const TridentSimdOps trident_simd_avx2 = {
	.level = TRIDENT_SIMD_AVX2,
	.l2_squared_f32 = l2_squared_f32_avx2,
	.inner_product_f32 = inner_product_f32_avx2,
	.cosine_f32 = cosine_f32_avx2,
	.l1_f32 = l1_f32_avx2,
	.norm_squared_f32 = norm_squared_f32_avx2,
	.l2_squared_f16 = l2_squared_f16_avx2,
	.inner_product_f16 = inner_product_f16_avx2,
	.cosine_f16 = cosine_f16_avx2,
	.l1_f16 = l1_f16_avx2,
	.norm_squared_f16 = norm_squared_f16_avx2,
	.f16_to_f32 = f16_to_f32_avx2,
	.f32_to_f16 = f32_to_f16_avx2
};

#endif							/* TRIDENT_SIMD_HAVE_X86 */
