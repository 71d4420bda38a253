/*
 * code_neon.c
 *	  Kernels over codes in NEON, as every 64-bit ARM processor has it.
 */
#include "c.h"

#include "simd/code.h"
#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_NEON

#include <arm_neon.h>

#define INLINE static pg_attribute_always_inline

/* The sum of each group of four in four registers: (a + b) + (c + d). */
INLINE float32x4_t
sum_groups_neon(float32x4x4_t x)
{
	return vaddq_f32(vaddq_f32(x.val[0], x.val[1]),
					 vaddq_f32(x.val[2], x.val[3]));
}

/*
 * The values on one side of zero, and 0 for the others.  Comparisons rather
 * than minimum and maximum: a NaN counts as 0.
 */
INLINE float32x4_t
where_neon(uint32x4_t lanes, float32x4_t x)
{
	return vreinterpretq_f32_u32(vandq_u32(lanes, vreinterpretq_u32_f32(x)));
}

INLINE float32x4x4_t
below_zero_neon(float32x4x4_t x)
{
	for (int i = 0; i < 4; i++)
		x.val[i] = where_neon(vcltzq_f32(x.val[i]), x.val[i]);
	return x;
}

INLINE float32x4x4_t
above_zero_neon(float32x4x4_t x)
{
	for (int i = 0; i < 4; i++)
		x.val[i] = where_neon(vcgtzq_f32(x.val[i]), x.val[i]);
	return x;
}

/*
 * (sum - least) * inverse of four sums, as integers from 0 to 255.  The
 * conversion takes a NaN to 0, and what is too large to the largest integer.
 */
INLINE uint16x4_t
to_entries_neon(float32x4_t sum, float32x4_t least, float32x4_t inverse)
{
	sum = vmulq_f32(vsubq_f32(sum, least), inverse);
	return vqmovn_u32(vcvtnq_u32_f32(sum));
}

/* 16 table entries: sums over the bits of the entry's number. */
INLINE uint8x16_t
entries_neon(const float *group, float least, float32x4_t inverse)
{
	float32x4_t every_least = vdupq_n_f32(least);
	float32x4_t low = {0, group[0], group[1], group[0] + group[1]};
	float		high[4] = {0, group[2], group[3], group[2] + group[3]};
	uint16x4_t	entries[4];

	for (int i = 0; i < 4; i++)
		entries[i] = to_entries_neon(vaddq_f32(low, vdupq_n_f32(high[i])),
									 every_least, inverse);
	return vcombine_u8(vqmovn_u16(vcombine_u16(entries[0], entries[1])),
					   vqmovn_u16(vcombine_u16(entries[2], entries[3])));
}

static void
sign_tables_neon(int dp, const float *q, uint8 *lut, float *step, float *base)
{
	float		least[TRIDENT_SIMD_MAX_SIGN_DIM / 4];
	float32x4_t widest = vdupq_n_f32(0);
	float32x4_t partial[2] = {widest, widest};
	float32x4_t inverse;
	float32x2_t sum;

	/* Sixteen values are four groups; vld4 puts the first of each together. */
	for (int i = 0; i < dp; i += 16)
	{
		float32x4x4_t x = vld4q_f32(q + i);
		float32x4_t below = sum_groups_neon(below_zero_neon(x));
		float32x4_t range = vsubq_f32(sum_groups_neon(above_zero_neon(x)), below);

		widest = vbslq_f32(vcgtq_f32(range, widest), range, widest);
		partial[i / 16 % 2] = vaddq_f32(partial[i / 16 % 2], below);
		vst1q_f32(least + i / 4, below);
	}

	*step = vmaxvq_f32(widest) / 255;
	if (*step < LEAST_STEP)
		*step = 1;

	partial[0] = vaddq_f32(partial[0], partial[1]);
	sum = vadd_f32(vget_low_f32(partial[0]), vget_high_f32(partial[0]));
	*base = vget_lane_f32(sum, 0) + vget_lane_f32(sum, 1);

	inverse = vdupq_n_f32(1 / *step);
	for (int i = 0; i < dp; i += 4)
		vst1q_u8(lut + 4 * i, entries_neon(q + i, least[i / 4], inverse));
}

/* From four sums to their bounds; returns one bit a lane, at 1, 2, 4, 8. */
INLINE uint32x4_t
bounds_neon(uint16x4_t sum, const TridentSimdSignScan *scan,
			const float *f_add, const float *f_rescale, float *bound)
{
	static const uint32 bits[4] = {1, 2, 4, 8};
	float32x4_t x = vcvtq_f32_u32(vmovl_u16(sum));

	x = vaddq_f32(vmulq_f32(x, vdupq_n_f32(scan->scale)),
				  vdupq_n_f32(scan->offset));
	x = vmulq_f32(x, vld1q_f32(f_rescale));
	x = vaddq_f32(vaddq_f32(vld1q_f32(f_add), vdupq_n_f32(scan->add)), x);
	vst1q_f32(bound, x);
	return vandq_u32(vcltq_f32(x, vdupq_n_f32(scan->limit)), vld1q_u32(bits));
}

/* The bounds of a block from its sums, of lanes 0 to 7 and 8 to 15. */
INLINE uint16
bounds_of_block_neon(uint16x8_t low, uint16x8_t high,
					 const TridentSimdSignScan *scan, const float *f_add,
					 const float *f_rescale, float *bound)
{
	uint32x4_t	mask;

	mask = bounds_neon(vget_low_u16(low), scan, f_add, f_rescale, bound);
	mask = vorrq_u32(mask, vshlq_n_u32(bounds_neon(vget_high_u16(low), scan, f_add + 4,
												   f_rescale + 4, bound + 4), 4));
	mask = vorrq_u32(mask, vshlq_n_u32(bounds_neon(vget_low_u16(high), scan, f_add + 8,
												   f_rescale + 8, bound + 8), 8));
	mask = vorrq_u32(mask, vshlq_n_u32(bounds_neon(vget_high_u16(high), scan, f_add + 12,
												   f_rescale + 12, bound + 12), 12));
	return (uint16) vaddvq_u32(mask);
}

static void
sign_scan_neon(int dp, int nblocks, const uint8 *codes,
			   const float *f_add, const float *f_rescale,
			   const TridentSimdSignScan *scan,
			   float *bound, uint16 *mask)
{
	TridentSimdSignScan terms = *scan;	/* which bound cannot alias */
	uint8x16_t	nibble = vdupq_n_u8(0x0f);

	for (int b = 0; b < nblocks; b++)
	{
		const uint8 *lut = terms.lut;
		uint16x8_t	low = vdupq_n_u16(0);
		uint16x8_t	high = vdupq_n_u16(0);

		for (int line = 0; line < dp / 8; line++)
		{
			uint8x16_t	code = vld1q_u8(codes);
			uint8x16_t	a = vqtbl1q_u8(vld1q_u8(lut), vandq_u8(code, nibble));
			uint8x16_t	c = vqtbl1q_u8(vld1q_u8(lut + 16), vshrq_n_u8(code, 4));

			low = vaddw_u8(low, vget_low_u8(a));
			high = vaddw_high_u8(high, a);
			low = vaddw_u8(low, vget_low_u8(c));
			high = vaddw_high_u8(high, c);
			codes += TRIDENT_SIMD_LANES;
			lut += 32;
		}

		mask[b] = bounds_of_block_neon(low, high, &terms, f_add, f_rescale, bound);
		f_add += TRIDENT_SIMD_LANES;
		f_rescale += TRIDENT_SIMD_LANES;
		bound += TRIDENT_SIMD_LANES;
	}
}

/* Four values / divisor, as integers from -127 to 127; of a NaN, 0. */
INLINE int16x4_t
divide_neon(const float *q, float32x4_t divisor)
{
	int32x4_t	x = vcvtnq_s32_f32(vdivq_f32(vld1q_f32(q), divisor));

	x = vmaxq_s32(x, vdupq_n_s32(-127));
	return vqmovn_s32(vminq_s32(x, vdupq_n_s32(127)));
}

static void
quantise_s8_neon(int dp, const float *q, int8 *out, float *step)
{
	float32x4_t largest = vdupq_n_f32(0);
	float32x4_t divisor;

	for (int i = 0; i < dp; i += 4)
	{
		float32x4_t x = vabsq_f32(vld1q_f32(q + i));

		largest = vbslq_f32(vcgtq_f32(x, largest), x, largest);
	}

	*step = vmaxvq_f32(largest) / 127;
	if (*step == 0)
		*step = 1;
	divisor = vdupq_n_f32(*step);

	for (int i = 0; i < dp; i += 8)
		vst1_s8(out + i, vmovn_s16(vcombine_s16(divide_neon(q + i, divisor),
												divide_neon(q + i + 4, divisor))));
}

/* sum plus the products of sixteen bytes, of codes that may exceed 127. */
INLINE int32x4_t
add_products_neon(int32x4_t sum, uint8x16_t code, int8x16_t q)
{
	int16x8_t	code_low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(code)));
	int16x8_t	code_high = vreinterpretq_s16_u16(vmovl_high_u8(code));
	int16x8_t	q_low = vmovl_s8(vget_low_s8(q));
	int16x8_t	q_high = vmovl_high_s8(q);

	sum = vmlal_s16(sum, vget_low_s16(code_low), vget_low_s16(q_low));
	sum = vmlal_high_s16(sum, code_low, q_low);
	sum = vmlal_s16(sum, vget_low_s16(code_high), vget_low_s16(q_high));
	return vmlal_high_s16(sum, code_high, q_high);
}

static int32
dot_u4_s8_neon(int dp, const uint8 *code, const int8 *q)
{
	int32x4_t	sum = vdupq_n_s32(0);

	for (int i = 0; i < dp / 2; i += 16)
	{
		uint8x16_t	both = vld1q_u8(code + i);
		int8x16_t	low = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(0x0f)));
		int8x16_t	high = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
		int8x16_t	q_low = vld1q_s8(q + i);
		int8x16_t	q_high = vld1q_s8(q + i + dp / 2);
		int16x8_t	products;

		/* Four products of at most 15 * 128 do not overflow 16 bits. */
		products = vmull_s8(vget_low_s8(low), vget_low_s8(q_low));
		products = vmlal_high_s8(products, low, q_low);
		products = vmlal_s8(products, vget_low_s8(high), vget_low_s8(q_high));
		products = vmlal_high_s8(products, high, q_high);
		sum = vpadalq_s16(sum, products);
	}

	return vaddvq_s32(sum);
}

static int32
dot_u8_s8_neon(int dp, const uint8 *code, const int8 *q)
{
	int32x4_t	sum0 = vdupq_n_s32(0);
	int32x4_t	sum1 = vdupq_n_s32(0);

	for (int i = 0; i < dp; i += 32)
	{
		sum0 = add_products_neon(sum0, vld1q_u8(code + i), vld1q_s8(q + i));
		sum1 = add_products_neon(sum1, vld1q_u8(code + i + 16), vld1q_s8(q + i + 16));
	}

	return vaddvq_s32(vaddq_s32(sum0, sum1));
}

const TridentSimdCodeOps trident_simd_code_neon = {
	.rotate = trident_simd_rotate_neon,
	.sign_tables = sign_tables_neon,
	.sign_scan = sign_scan_neon,
	.quantise_s8 = quantise_s8_neon,
	.dot_u4_s8 = dot_u4_s8_neon,
	.dot_u8_s8 = dot_u8_s8_neon,
	.matrix_dot = trident_simd_matrix_dot_neon
};

#endif							/* TRIDENT_SIMD_HAVE_NEON */
