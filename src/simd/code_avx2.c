/*
 * code_avx2.c
 *	  Kernels over codes in AVX2.
 */
#include "c.h"

#include "simd/code.h"
#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define TARGET_INLINE TARGET static pg_attribute_always_inline

/* Two lines of a block of sign codes fill a register. */
#define MAX_PAIRS (TRIDENT_SIMD_MAX_SIGN_DIM / 16)

/* Tables in the order in which two lines need them: low and high nibbles. */
typedef struct Tables
{
	__m256i		low;
	__m256i		high;
} Tables;

/* The sum of every group of four lanes, in all four of them. */
TARGET_INLINE __m256
sum_groups_avx2(__m256 x)
{
	x = _mm256_add_ps(x, _mm256_permute_ps(x, 0xb1));
	return _mm256_add_ps(x, _mm256_permute_ps(x, 0x4e));
}

TARGET_INLINE float
largest_lane_avx2(__m256 x)
{
	x = _mm256_max_ps(x, _mm256_permute_ps(x, 0xb1));
	x = _mm256_max_ps(x, _mm256_permute_ps(x, 0x4e));
	return _mm_cvtss_f32(_mm_max_ps(_mm256_castps256_ps128(x),
									_mm256_extractf128_ps(x, 1)));
}

/* value in the lanes whose number has the bit given, 0 in the others */
TARGET_INLINE __m256
where_avx2(int bit, float value)
{
	__m256i		lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	__m256i		lanes = _mm256_cmpgt_epi32(_mm256_and_si256(lane, _mm256_set1_epi32(bit)),
										   _mm256_setzero_si256());

	return _mm256_and_ps(_mm256_castsi256_ps(lanes), _mm256_set1_ps(value));
}

/* (sum - least) * inverse of eight sums, as integers from 0 to 255. */
TARGET_INLINE __m256i
to_entries_avx2(__m256 sum, __m256 least, __m256 inverse)
{
	sum = _mm256_mul_ps(_mm256_sub_ps(sum, least), inverse);

	/* A NaN becomes the second operand. */
	sum = _mm256_max_ps(sum, _mm256_setzero_ps());
	sum = _mm256_min_ps(sum, _mm256_set1_ps(255));
	return _mm256_cvtps_epi32(sum);
}

/* 16 table entries: sums over the bits of the entry's number. */
TARGET_INLINE __m128i
entries_avx2(const float *group, float least, __m256 inverse)
{
	__m256		low = _mm256_add_ps(where_avx2(1, group[0]), where_avx2(2, group[1]));
	__m256		high = where_avx2(4, group[2]);
	__m256		every_least = _mm256_set1_ps(least);
	__m256		below_8 = _mm256_add_ps(low, high);
	__m256		from_8 = _mm256_add_ps(low, _mm256_add_ps(high, _mm256_set1_ps(group[3])));
	__m256i		words;

	words = _mm256_packus_epi32(to_entries_avx2(below_8, every_least, inverse),
								to_entries_avx2(from_8, every_least, inverse));
	words = _mm256_permute4x64_epi64(words, 0xd8);
	return _mm_packus_epi16(_mm256_castsi256_si128(words),
							_mm256_extracti128_si256(words, 1));
}

TARGET static void
sign_tables_avx2(int dp, const float *q, uint8 *lut, float *step, float *base)
{
	float		least[TRIDENT_SIMD_MAX_SIGN_DIM];
	__m256		zero = _mm256_setzero_ps();
	__m256		widest = zero;
	__m256		partial[4] = {zero, zero, zero, zero};
	__m256		inverse;

	for (int i = 0; i < dp; i += 32)
	{
		UNROLL
		for (int k = 0; k < 4; k++)
		{
			__m256		x = _mm256_loadu_ps(q + i + 8 * k);
			__m256		below = sum_groups_avx2(_mm256_min_ps(x, zero));
			__m256		above = sum_groups_avx2(_mm256_max_ps(x, zero));

			widest = _mm256_max_ps(_mm256_sub_ps(above, below), widest);
			partial[k] = _mm256_add_ps(partial[k], below);
			_mm256_storeu_ps(least + i + 8 * k, below);
		}
	}

	*step = largest_lane_avx2(widest) / 255;
	if (*step < LEAST_STEP)
		*step = 1;

	partial[0] = _mm256_add_ps(_mm256_add_ps(partial[0], partial[2]),
							   _mm256_add_ps(partial[1], partial[3]));
	*base = _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(partial[0]),
									 _mm256_extractf128_ps(partial[0], 1)));

	inverse = _mm256_set1_ps(1 / *step);
	for (int i = 0; i < dp; i += 4)
		_mm_storeu_si128((__m128i *) (lut + 4 * i),
						 entries_avx2(q + i, least[i], inverse));
}

/*
 * Sums of bytes in lanes of 16 bits: of the odd ones in odd; in all, of the
 * even ones plus 256 times the odd ones.  As no sum of either exceeds 16
 * bits, what overflows from all does not matter.
 */
TARGET_INLINE void
add_bytes_avx2(__m256i bytes, __m256i *all, __m256i *odd)
{
	*all = _mm256_add_epi16(*all, bytes);
	*odd = _mm256_add_epi16(*odd, _mm256_srli_epi16(bytes, 8));
}

/* The sum of the two halves of a register, in lanes of 16 bits. */
TARGET_INLINE __m128i
add_halves_avx2(__m256i x)
{
	return _mm_add_epi16(_mm256_castsi256_si128(x),
						 _mm256_extracti128_si256(x, 1));
}

/* From eight sums to their bounds; returns their mask. */
TARGET_INLINE int
bounds_avx2(__m128i sum, const TridentSimdSignScan *scan, const float *f_add,
			const float *f_rescale, float *bound)
{
	__m256		x = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sum));

	x = _mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(scan->scale)),
					  _mm256_set1_ps(scan->offset));
	x = _mm256_mul_ps(x, _mm256_loadu_ps(f_rescale));
	x = _mm256_add_ps(_mm256_add_ps(_mm256_loadu_ps(f_add),
									_mm256_set1_ps(scan->add)), x);
	_mm256_storeu_ps(bound, x);
	return _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_set1_ps(scan->limit),
											_CMP_LT_OQ));
}

TARGET static void
sign_scan_avx2(int dp, int nblocks, const uint8 *codes,
			   const float *f_add, const float *f_rescale,
			   const TridentSimdSignScan *scan,
			   float *bound, uint16 *mask)
{
	TridentSimdSignScan terms = *scan;	/* which bound cannot alias */
	Tables		tables[MAX_PAIRS];
	__m256i		nibble = _mm256_set1_epi8(0x0f);
	int			pairs = dp / 16;

	for (int k = 0; k < pairs; k++)
	{
		__m256i		a = _mm256_loadu_si256((const __m256i *) (scan->lut + 64 * k));
		__m256i		b = _mm256_loadu_si256((const __m256i *) (scan->lut + 64 * k + 32));

		tables[k].low = _mm256_permute2x128_si256(a, b, 0x20);
		tables[k].high = _mm256_permute2x128_si256(a, b, 0x31);
	}

	for (int b = 0; b < nblocks; b++)
	{
		__m256i		all = _mm256_setzero_si256();
		__m256i		odd = _mm256_setzero_si256();
		__m128i		odds;
		__m128i		evens;
		int			below;

		for (int k = 0; k < pairs; k++)
		{
			__m256i		code = _mm256_loadu_si256((const __m256i *) codes);
			__m256i		low = _mm256_and_si256(code, nibble);
			__m256i		high = _mm256_and_si256(_mm256_srli_epi16(code, 4), nibble);

			add_bytes_avx2(_mm256_shuffle_epi8(tables[k].low, low), &all, &odd);
			add_bytes_avx2(_mm256_shuffle_epi8(tables[k].high, high), &all, &odd);
			codes += 32;
		}

		odds = add_halves_avx2(odd);
		evens = _mm_sub_epi16(add_halves_avx2(all), _mm_slli_epi16(odds, 8));
		below = bounds_avx2(_mm_unpacklo_epi16(evens, odds), &terms,
							f_add, f_rescale, bound);
		below |= bounds_avx2(_mm_unpackhi_epi16(evens, odds), &terms,
							 f_add + 8, f_rescale + 8, bound + 8) << 8;
		mask[b] = (uint16) below;
		f_add += TRIDENT_SIMD_LANES;
		f_rescale += TRIDENT_SIMD_LANES;
		bound += TRIDENT_SIMD_LANES;
	}
}

/* Eight values / divisor, as integers from -127 to 127; of a NaN, 0. */
TARGET_INLINE __m256i
divide_avx2(const float *q, __m256 divisor)
{
	__m256		x = _mm256_div_ps(_mm256_loadu_ps(q), divisor);

	x = _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q));
	x = _mm256_max_ps(x, _mm256_set1_ps(-127));
	x = _mm256_min_ps(x, _mm256_set1_ps(127));
	return _mm256_cvtps_epi32(x);
}

TARGET static void
quantise_s8_avx2(int dp, const float *q, int8 *out, float *step)
{
	__m256		sign = _mm256_set1_ps(-0.0f);
	__m256		largest = _mm256_setzero_ps();
	__m256		divisor;

	for (int i = 0; i < dp; i += 8)
		largest = _mm256_max_ps(_mm256_andnot_ps(sign, _mm256_loadu_ps(q + i)),
								largest);

	*step = largest_lane_avx2(largest) / 127;
	if (*step == 0)
		*step = 1;
	divisor = _mm256_set1_ps(*step);

	for (int i = 0; i < dp; i += 32)
	{
		__m256i		words0 = _mm256_packs_epi32(divide_avx2(q + i, divisor),
												divide_avx2(q + i + 8, divisor));
		__m256i		words1 = _mm256_packs_epi32(divide_avx2(q + i + 16, divisor),
												divide_avx2(q + i + 24, divisor));
		__m256i		bytes = _mm256_packs_epi16(words0, words1);

		/* The packing works on each half of the registers apart. */
		bytes = _mm256_permutevar8x32_epi32(bytes,
											_mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
		_mm256_storeu_si256((__m256i *) (out + i), bytes);
	}
}

TARGET_INLINE int32
sum_lanes_avx2(__m256i x)
{
	__m128i		sum = _mm_add_epi32(_mm256_castsi256_si128(x),
									_mm256_extracti128_si256(x, 1));

	sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
	sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
	return _mm_cvtsi128_si32(sum);
}

TARGET static int32
dot_u4_s8_avx2(int dp, const uint8 *code, const int8 *q)
{
	__m256i		nibble = _mm256_set1_epi8(0x0f);
	__m256i		sum = _mm256_setzero_si256();

	/* Sixteen bytes of code; low nibbles in the low half, high in the high. */
	for (int i = 0; i < dp / 2; i += 16)
	{
		__m128i		both = _mm_loadu_si128((const __m128i *) (code + i));
		__m128i		q_low = _mm_loadu_si128((const __m128i *) (q + i));
		__m128i		q_high = _mm_loadu_si128((const __m128i *) (q + i + dp / 2));
		__m256i		values = _mm256_set_m128i(_mm_srli_epi16(both, 4), both);
		__m256i		products;

		/* Two products of less than 2^11 do not overflow 16 bits. */
		products = _mm256_maddubs_epi16(_mm256_and_si256(values, nibble),
										_mm256_set_m128i(q_high, q_low));
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products,
													  _mm256_set1_epi16(1)));
	}

	return sum_lanes_avx2(sum);
}

/* Sums of products of sixteen bytes. */
TARGET_INLINE __m256i
multiply_bytes_avx2(const uint8 *code, const int8 *q)
{
	return _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *) code)),
							 _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) q)));
}

TARGET static int32
dot_u8_s8_avx2(int dp, const uint8 *code, const int8 *q)
{
	__m256i		sum0 = _mm256_setzero_si256();
	__m256i		sum1 = _mm256_setzero_si256();

	for (int i = 0; i < dp; i += 32)
	{
		sum0 = _mm256_add_epi32(sum0, multiply_bytes_avx2(code + i, q + i));
		sum1 = _mm256_add_epi32(sum1, multiply_bytes_avx2(code + i + 16, q + i + 16));
	}

	return sum_lanes_avx2(_mm256_add_epi32(sum0, sum1));
}

const TridentSimdCodeOps trident_simd_code_avx2 = {
	.rotate = trident_simd_rotate_avx2,
	.sign_tables = sign_tables_avx2,
	.sign_scan = sign_scan_avx2,
	.quantise_s8 = quantise_s8_avx2,
	.dot_u4_s8 = dot_u4_s8_avx2,
	.dot_u8_s8 = dot_u8_s8_avx2,
	.matrix_dot = trident_simd_matrix_dot_avx2
};

#endif							/* TRIDENT_SIMD_HAVE_X86 */
