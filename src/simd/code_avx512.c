/*
 * code_avx512.c
 *	  Kernels over codes in AVX-512 (F, BW, DQ, VL), and where the processor
 *	  has them, with the byte permutations of VBMI and the byte products of
 *	  VNNI.
 */
#include "c.h"

#include "simd/code.h"
#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_X86

#include <immintrin.h>

#define BASE "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
#define TARGET __attribute__((target(BASE)))
#define TARGET_INLINE TARGET static pg_attribute_always_inline
#define TARGET_BYTES __attribute__((target(BASE ",avx512vbmi,avx512vnni")))
#define TARGET_BYTES_INLINE TARGET_BYTES static pg_attribute_always_inline

/* Four lines of a block of sign codes fill a register. */
#define MAX_QUARTERS (TRIDENT_SIMD_MAX_SIGN_DIM / 32)

/* Tables in the order in which four lines need them: low and high nibbles. */
typedef struct Tables
{
	__m512i		low;
	__m512i		high;
} Tables;

/* The numbers of a TridentSimdSignScan, in every lane. */
typedef struct Terms
{
	__m512		scale;
	__m512		offset;
	__m512		add;
	__m512		limit;
} Terms;

/* The sum of every group of four lanes, in all four of them. */
TARGET_INLINE __m512
sum_groups_avx512(__m512 x)
{
	x = _mm512_add_ps(x, _mm512_permute_ps(x, 0xb1));
	return _mm512_add_ps(x, _mm512_permute_ps(x, 0x4e));
}

/* value in the lanes given, 0 in the others */
TARGET_INLINE __m512
where_avx512(__mmask16 lanes, float value)
{
	return _mm512_maskz_mov_ps(lanes, _mm512_set1_ps(value));
}

/* 16 table entries: sums over the bits of the lane's number. */
TARGET_INLINE __m128i
entries_avx512(const float *group, float least, __m512 inverse)
{
	__m512		sum;

	sum = _mm512_add_ps(_mm512_add_ps(where_avx512(0xaaaa, group[0]),
									  where_avx512(0xcccc, group[1])),
						_mm512_add_ps(where_avx512(0xf0f0, group[2]),
									  where_avx512(0xff00, group[3])));
	sum = _mm512_mul_ps(_mm512_sub_ps(sum, _mm512_set1_ps(least)), inverse);

	/* A NaN becomes the second operand; what is too large saturates. */
	sum = _mm512_max_ps(sum, _mm512_setzero_ps());
	return _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(sum));
}

TARGET static void
sign_tables_avx512(int dp, const float *q, uint8 *lut,
				   float *step, float *base)
{
	float		least[TRIDENT_SIMD_MAX_SIGN_DIM];
	__m512		zero = _mm512_setzero_ps();
	__m512		widest = zero;
	__m512		partial[2] = {zero, zero};
	__m512		sum;
	__m512		inverse;

	for (int i = 0; i < dp; i += 32)
	{
		for (int half = 0; half < 2; half++)
		{
			__m512		x = _mm512_loadu_ps(q + i + 16 * half);
			__m512		below = sum_groups_avx512(_mm512_min_ps(x, zero));
			__m512		above = sum_groups_avx512(_mm512_max_ps(x, zero));

			widest = _mm512_max_ps(_mm512_sub_ps(above, below), widest);
			partial[half] = _mm512_add_ps(partial[half], below);
			_mm512_storeu_ps(least + i + 16 * half, below);
		}
	}

	*step = _mm512_reduce_max_ps(widest) / 255;
	if (*step < LEAST_STEP)
		*step = 1;

	sum = _mm512_add_ps(partial[0], partial[1]);
	sum = _mm512_add_ps(sum, _mm512_shuffle_f32x4(sum, sum, 0x4e));
	sum = _mm512_add_ps(sum, _mm512_shuffle_f32x4(sum, sum, 0xb1));
	*base = _mm512_cvtss_f32(sum);

	inverse = _mm512_set1_ps(1 / *step);
	for (int i = 0; i < dp; i += 4)
		_mm_storeu_si128((__m128i *) (lut + 4 * i),
						 entries_avx512(q + i, least[i], inverse));
}

TARGET_INLINE Tables
arrange_tables_avx512(const uint8 *lut)
{
	__m512i		a = _mm512_loadu_si512(lut);
	__m512i		b = _mm512_loadu_si512(lut + 64);
	Tables		tables;

	tables.low = _mm512_shuffle_i64x2(a, b, 0x88);
	tables.high = _mm512_shuffle_i64x2(a, b, 0xdd);
	return tables;
}

TARGET_INLINE Terms
terms_avx512(const TridentSimdSignScan *scan)
{
	Terms		terms;

	terms.scale = _mm512_set1_ps(scan->scale);
	terms.offset = _mm512_set1_ps(scan->offset);
	terms.add = _mm512_set1_ps(scan->add);
	terms.limit = _mm512_set1_ps(scan->limit);
	return terms;
}

/* From the sums of a block to its bounds; returns its mask. */
TARGET_INLINE uint16
bounds_avx512(__m512i sum, const Terms *terms, const float *f_add,
			  const float *f_rescale, float *bound)
{
	__m512		x = _mm512_cvtepi32_ps(sum);

	x = _mm512_add_ps(_mm512_mul_ps(x, terms->scale), terms->offset);
	x = _mm512_mul_ps(x, _mm512_loadu_ps(f_rescale));
	x = _mm512_add_ps(_mm512_add_ps(_mm512_loadu_ps(f_add), terms->add), x);
	_mm512_storeu_ps(bound, x);
	return (uint16) _mm512_cmp_ps_mask(x, terms->limit, _CMP_LT_OQ);
}

/*
 * Sums of bytes in lanes of 16 bits: of the odd ones in odd; in all, of the
 * even ones plus 256 times the odd ones.  As no sum of either exceeds 16
 * bits, what overflows from all does not matter.
 */
TARGET_INLINE void
add_bytes_avx512(__m512i bytes, __m512i *all, __m512i *odd)
{
	*all = _mm512_add_epi16(*all, bytes);
	*odd = _mm512_add_epi16(*odd, _mm512_srli_epi16(bytes, 8));
}

/* The sum of the four quarters of a register, in lanes of 16 bits. */
TARGET_INLINE __m128i
add_quarters_avx512(__m512i x)
{
	__m256i		half = _mm256_add_epi16(_mm512_castsi512_si256(x),
										_mm512_extracti64x4_epi64(x, 1));

	return _mm_add_epi16(_mm256_castsi256_si128(half),
						 _mm256_extracti128_si256(half, 1));
}

TARGET_INLINE __m512i
sum_block_avx512(int quarters, const Tables *tables, const uint8 *block)
{
	__m512i		nibble = _mm512_set1_epi8(0x0f);
	__m512i		all = _mm512_setzero_si512();
	__m512i		odd = _mm512_setzero_si512();
	__m128i		even;
	__m128i		odds;

	for (int k = 0; k < quarters; k++)
	{
		__m512i		code = _mm512_loadu_si512(block + 64 * k);
		__m512i		low = _mm512_and_si512(code, nibble);
		__m512i		high = _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble);

		add_bytes_avx512(_mm512_shuffle_epi8(tables[k].low, low), &all, &odd);
		add_bytes_avx512(_mm512_shuffle_epi8(tables[k].high, high), &all, &odd);
	}

	odds = add_quarters_avx512(odd);
	even = _mm_sub_epi16(add_quarters_avx512(all), _mm_slli_epi16(odds, 8));
	return _mm512_cvtepu16_epi32(_mm256_set_m128i(_mm_unpackhi_epi16(even, odds),
												  _mm_unpacklo_epi16(even, odds)));
}

TARGET static void
sign_scan_avx512(int dp, int nblocks, const uint8 *codes,
				 const float *f_add, const float *f_rescale,
				 const TridentSimdSignScan *scan,
				 float *bound, uint16 *mask)
{
	Tables		tables[MAX_QUARTERS];
	Terms		terms = terms_avx512(scan);
	int			quarters = dp / 32;

	for (int k = 0; k < quarters; k++)
		tables[k] = arrange_tables_avx512(scan->lut + 128 * k);

	for (int b = 0; b < nblocks; b++)
	{
		__m512i		sum = sum_block_avx512(quarters, tables, codes);

		mask[b] = bounds_avx512(sum, &terms, f_add, f_rescale, bound);
		codes += 64 * quarters;
		f_add += TRIDENT_SIMD_LANES;
		f_rescale += TRIDENT_SIMD_LANES;
		bound += TRIDENT_SIMD_LANES;
	}
}

/*
 * With VBMI: the bytes of four lines are reordered so that those of a vector
 * lie side by side in a lane of 32 bits.  Four tables are one of 64 entries,
 * in which the byte's place in its lane chooses.  What is looked up is then
 * added up within the lane by a product with ones, and the sums need no
 * further reordering.
 */
TARGET_BYTES_INLINE __m512i
by_vector_avx512(void)
{
	__m512i		lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8,
										7, 6, 5, 4, 3, 2, 1, 0);

	return _mm512_add_epi8(_mm512_mullo_epi32(lane, _mm512_set1_epi32(0x01010101)),
						   _mm512_set1_epi32(0x30201000));
}

/* sums of low and of high nibbles, plus those of four lines. */
TARGET_BYTES_INLINE void
add_lines_avx512(__m512i lines, Tables tables, __m512i *low, __m512i *high)
{
	__m512i		ones = _mm512_set1_epi8(1);
	__m512i		nibble = _mm512_set1_epi8(0x0f);
	__m512i		place = _mm512_set1_epi32(0x30201000);
	__m512i		code = _mm512_permutexvar_epi8(by_vector_avx512(), lines);
	__m512i		index;

	/* 0xea: (code & nibble) | place */
	index = _mm512_ternarylogic_epi32(code, nibble, place, 0xea);
	*low = _mm512_dpbusd_epi32(*low, _mm512_permutexvar_epi8(index, tables.low),
							   ones);
	index = _mm512_ternarylogic_epi32(_mm512_srli_epi16(code, 4), nibble, place,
									  0xea);
	*high = _mm512_dpbusd_epi32(*high, _mm512_permutexvar_epi8(index, tables.high),
								ones);
}

/* For 128 dimensions: all tables stay in registers. */
TARGET_BYTES static void
sign_scan_128_avx512bytes(int nblocks, const uint8 *codes,
						  const float *f_add, const float *f_rescale,
						  const TridentSimdSignScan *scan,
						  float *bound, uint16 *mask)
{
	Tables		t0 = arrange_tables_avx512(scan->lut);
	Tables		t1 = arrange_tables_avx512(scan->lut + 128);
	Tables		t2 = arrange_tables_avx512(scan->lut + 256);
	Tables		t3 = arrange_tables_avx512(scan->lut + 384);
	Terms		terms = terms_avx512(scan);

	for (int b = 0; b < nblocks; b++)
	{
		__m512i		low = _mm512_setzero_si512();
		__m512i		high = _mm512_setzero_si512();

		add_lines_avx512(_mm512_loadu_si512(codes), t0, &low, &high);
		add_lines_avx512(_mm512_loadu_si512(codes + 64), t1, &low, &high);
		add_lines_avx512(_mm512_loadu_si512(codes + 128), t2, &low, &high);
		add_lines_avx512(_mm512_loadu_si512(codes + 192), t3, &low, &high);

		mask[b] = bounds_avx512(_mm512_add_epi32(low, high), &terms,
								f_add, f_rescale, bound);
		codes += TRIDENT_SIMD_SIGN_BLOCK(128);
		f_add += TRIDENT_SIMD_LANES;
		f_rescale += TRIDENT_SIMD_LANES;
		bound += TRIDENT_SIMD_LANES;
	}
}

TARGET_BYTES static void
sign_scan_avx512bytes(int dp, int nblocks, const uint8 *codes,
					  const float *f_add, const float *f_rescale,
					  const TridentSimdSignScan *scan,
					  float *bound, uint16 *mask)
{
	Tables		tables[MAX_QUARTERS];
	Terms		terms = terms_avx512(scan);
	int			quarters = dp / 32;

	if (dp == 128)
	{
		sign_scan_128_avx512bytes(nblocks, codes, f_add, f_rescale, scan,
								  bound, mask);
		return;
	}

	for (int k = 0; k < quarters; k++)
		tables[k] = arrange_tables_avx512(scan->lut + 128 * k);

	for (int b = 0; b < nblocks; b++)
	{
		__m512i		low = _mm512_setzero_si512();
		__m512i		high = _mm512_setzero_si512();

		for (int k = 0; k < quarters; k++)
			add_lines_avx512(_mm512_loadu_si512(codes + 64 * k), tables[k],
							 &low, &high);

		mask[b] = bounds_avx512(_mm512_add_epi32(low, high), &terms,
								f_add, f_rescale, bound);
		codes += 64 * quarters;
		f_add += TRIDENT_SIMD_LANES;
		f_rescale += TRIDENT_SIMD_LANES;
		bound += TRIDENT_SIMD_LANES;
	}
}

TARGET static void
quantise_s8_avx512(int dp, const float *q, int8 *out, float *step)
{
	__m512		largest = _mm512_setzero_ps();
	__m512		divisor;

	for (int i = 0; i < dp; i += 16)
		largest = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(q + i)), largest);

	*step = _mm512_reduce_max_ps(largest) / 127;
	if (*step == 0)
		*step = 1;
	divisor = _mm512_set1_ps(*step);

	for (int i = 0; i < dp; i += 16)
	{
		__m512		x = _mm512_div_ps(_mm512_loadu_ps(q + i), divisor);
		__mmask16	is_number = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);

		x = _mm512_max_ps(x, _mm512_set1_ps(-127));
		x = _mm512_min_ps(x, _mm512_set1_ps(127));
		_mm_storeu_si128((__m128i *) (out + i),
						 _mm512_cvtepi32_epi8(_mm512_maskz_cvtps_epi32(is_number, x)));
	}
}

/* One bit for each of the first count bytes, or of all 64 if count is more. */
TARGET_INLINE __mmask64
first_bytes_avx512(int count)
{
	return count >= 64 ? ~UINT64CONST(0) : (UINT64CONST(1) << count) - 1;
}

TARGET static int32
dot_u4_s8_avx512(int dp, const uint8 *code, const int8 *q)
{
	__m512i		nibble = _mm512_set1_epi8(0x0f);
	__m512i		sum = _mm512_setzero_si512();

	for (int i = 0; i < dp / 2; i += 64)
	{
		__mmask64	bytes = first_bytes_avx512(dp / 2 - i);
		__m512i		both = _mm512_maskz_loadu_epi8(bytes, code + i);
		__m512i		low = _mm512_and_si512(both, nibble);
		__m512i		high = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
		__m512i		q_low = _mm512_maskz_loadu_epi8(bytes, q + i);
		__m512i		q_high = _mm512_maskz_loadu_epi8(bytes, q + i + dp / 2);

		/* Four products of less than 2^11 do not overflow 16 bits. */
		low = _mm512_maddubs_epi16(low, q_low);
		high = _mm512_maddubs_epi16(high, q_high);
		low = _mm512_add_epi16(low, high);
		sum = _mm512_add_epi32(sum, _mm512_madd_epi16(low, _mm512_set1_epi16(1)));
	}

	return _mm512_reduce_add_epi32(sum);
}

TARGET static int32
dot_u8_s8_avx512(int dp, const uint8 *code, const int8 *q)
{
	__m512i		sum = _mm512_setzero_si512();

	for (int i = 0; i < dp; i += 32)
	{
		__m256i		a = _mm256_loadu_si256((const __m256i *) (code + i));
		__m256i		b = _mm256_loadu_si256((const __m256i *) (q + i));

		sum = _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_cvtepu8_epi16(a),
													  _mm512_cvtepi8_epi16(b)));
	}

	return _mm512_reduce_add_epi32(sum);
}

TARGET_BYTES static int32
dot_u4_s8_avx512bytes(int dp, const uint8 *code, const int8 *q)
{
	__m512i		nibble = _mm512_set1_epi8(0x0f);
	__m512i		sum_low = _mm512_setzero_si512();
	__m512i		sum_high = _mm512_setzero_si512();

	for (int i = 0; i < dp / 2; i += 64)
	{
		__mmask64	bytes = first_bytes_avx512(dp / 2 - i);
		__m512i		both = _mm512_maskz_loadu_epi8(bytes, code + i);
		__m512i		low = _mm512_and_si512(both, nibble);
		__m512i		high = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
		__m512i		q_low = _mm512_maskz_loadu_epi8(bytes, q + i);
		__m512i		q_high = _mm512_maskz_loadu_epi8(bytes, q + i + dp / 2);

		sum_low = _mm512_dpbusd_epi32(sum_low, low, q_low);
		sum_high = _mm512_dpbusd_epi32(sum_high, high, q_high);
	}

	return _mm512_reduce_add_epi32(_mm512_add_epi32(sum_low, sum_high));
}

TARGET_BYTES static int32
dot_u8_s8_avx512bytes(int dp, const uint8 *code, const int8 *q)
{
	__m512i		sum = _mm512_setzero_si512();

	for (int i = 0; i < dp; i += 64)
	{
		__mmask64	bytes = first_bytes_avx512(dp - i);

		sum = _mm512_dpbusd_epi32(sum, _mm512_maskz_loadu_epi8(bytes, code + i),
								  _mm512_maskz_loadu_epi8(bytes, q + i));
	}

	return _mm512_reduce_add_epi32(sum);
}
const TridentSimdCodeOps trident_simd_code_avx512 = {
	.rotate = trident_simd_rotate_avx512,
	.sign_tables = sign_tables_avx512,
	.sign_scan = sign_scan_avx512,
	.quantise_s8 = quantise_s8_avx512,
	.dot_u4_s8 = dot_u4_s8_avx512,
	.dot_u8_s8 = dot_u8_s8_avx512,
	.matrix_dot = trident_simd_matrix_dot_avx512
};

const TridentSimdCodeOps trident_simd_code_avx512bytes = {
	.rotate = trident_simd_rotate_avx512,
	.sign_tables = sign_tables_avx512,
	.sign_scan = sign_scan_avx512bytes,
	.quantise_s8 = quantise_s8_avx512,
	.dot_u4_s8 = dot_u4_s8_avx512bytes,
	.dot_u8_s8 = dot_u8_s8_avx512bytes,
	.matrix_dot = trident_simd_matrix_dot_avx512
};

#endif							/* TRIDENT_SIMD_HAVE_X86 */
