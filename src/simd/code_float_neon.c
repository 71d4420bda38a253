/*
 * code_float_neon.c
 *	  Rotation and matrix product in NEON.
 */
#include "c.h"

#include "simd/code.h"
#include "simd/code_matrix.h"
#include "simd/code_rotate.h"
#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_NEON

#include <arm_neon.h>

#define INLINE static pg_attribute_always_inline

/* x, negated in the lanes whose bit is set in word, from first_bit on. */
INLINE float32x4_t
flip_neon(float32x4_t x, uint32 word, int first_bit)
{
	static const int32 lane[4] = {0, 1, 2, 3};
	int32x4_t	distance = vsubq_s32(vdupq_n_s32(31 - first_bit), vld1q_s32(lane));
	uint32x4_t	bit = vshlq_u32(vdupq_n_u32(word), distance);

	bit = vandq_u32(bit, vdupq_n_u32(0x80000000));
	return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(x), bit));
}

/*
 * The butterflies within a register: strides 1 and 2.  The factors are 1 and
 * -1, so the fused operation rounds as an addition does.
 */
INLINE float32x4_t
within_register_neon(float32x4_t x)
{
	static const float odd[4] = {1, -1, 1, -1};
	static const float upper[4] = {1, 1, -1, -1};

	x = vfmaq_f32(vrev64q_f32(x), x, vld1q_f32(odd));
	return vfmaq_f32(vextq_f32(x, x, 2), x, vld1q_f32(upper));
}

/* The butterflies between registers that are stride apart, of count. */
INLINE void
butterflies_neon(int count, int stride, float32x4_t *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
	{
		float32x4_t a = v[i];

		if ((i & stride) != 0)
			continue;
		v[i] = vaddq_f32(a, v[i + stride]);
		v[i + stride] = vsubq_f32(a, v[i + stride]);
	}
}

/* The butterflies between count registers: strides 1 and up; times scale. */
INLINE void
between_registers_neon(int count, float32x4_t *v, float scale)
{
	butterflies_neon(count, 1, v);
	if (count > 2)
		butterflies_neon(count, 2, v);
	if (count > 4)
		butterflies_neon(count, 4, v);
	if (count > 8)
		butterflies_neon(count, 8, v);

	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = vmulq_f32(v[i], vdupq_n_f32(scale));
}

/* Flip the signs of 4 * count values, then all of their butterflies. */
INLINE void
transform_neon(int count, const uint32 *signs, float32x4_t *v, float scale)
{
	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = within_register_neon(flip_neon(v[i], signs[i / 8], i % 8 * 4));
	between_registers_neon(count, v, scale);
}

INLINE void
load_neon(int count, int stride, const float *x, float32x4_t *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = vld1q_f32(x + i * stride);
}

INLINE void
store_neon(int count, int stride, float *x, const float32x4_t *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
		vst1q_f32(x + i * stride, v[i]);
}

/* Flip and transform 4 * count values in memory. */
INLINE void
chunk_neon(int count, const uint32 *signs, float *x, float scale)
{
	float32x4_t v[16];

	load_neon(count, 4, x, v);
	transform_neon(count, signs, v, scale);
	store_neon(count, 4, x, v);
}

static void
first_strides_neon(int n, int count, const uint32 *signs, float *x, float scale)
{
	for (int i = 0; i < count; i += n)
	{
		if (n == 32)
			chunk_neon(8, signs + i / 32, x + i, scale);
		else
			chunk_neon(16, signs + i / 32, x + i, scale);
	}
}

INLINE void
pass_neon(int radix, int stride, int count, float *x, float scale)
{
	float32x4_t v[8];

	for (int i = 0; i < count; i += radix * stride)
	{
		for (int j = i; j < i + stride; j += 4)
		{
			load_neon(radix, stride, x + j, v);
			between_registers_neon(radix, v, scale);
			store_neon(radix, stride, x + j, v);
		}
	}
}

static void
more_strides_neon(int radix, int stride, int count, float *x, float scale)
{
	if (radix == 8)
		pass_neon(8, stride, count, x, scale);
	else if (radix == 4)
		pass_neon(4, stride, count, x, scale);
	else
		pass_neon(2, stride, count, x, scale);
}

static void
rotate_64_neon(const uint32 *signs, float *x)
{
	float32x4_t v[16];

	load_neon(16, 4, x, v);
	for (int round = 0; round < 4; round++)
		transform_neon(16, signs + 2 * round, v, hadamard_scale(64));
	store_neon(16, 4, x, v);
}

static void
flip_signs_neon(int count, const uint32 *signs, float *x)
{
	for (int i = 0; i < count; i += 4)
		vst1q_f32(x + i, flip_neon(vld1q_f32(x + i), signs[i / 32], i % 32));
}

/* rotate, as simd.h has it. */
void
trident_simd_rotate_neon(int dp, const uint32 *signs, float *x)
{
	static const TridentSimdRotation rotation = {
		.most = 64,
		.rotate_most = rotate_64_neon,
		.first_strides = first_strides_neon,
		.more_strides = more_strides_neon,
		.flip = flip_signs_neon
	};

	trident_simd_rotate(&rotation, dp, signs, x);
}

/* The matrix product: 6 rows of x with 16 of c. */
#define ROWS 6
#define COLUMNS 16

static void
turn_neon(const TridentSimdMatrixPart *part, const float *c, float *panel)
{
	for (int j = 0; j < COLUMNS; j += 4)
	{
		for (int d = 0; d < part->depth; d += 4)
		{
			float32x4x4_t v;
			float		turned[16];

			UNROLL
			for (int i = 0; i < 4; i++)
			{
				v.val[i] = vdupq_n_f32(0);
				if (j + i < part->columns)
					v.val[i] = vld1q_f32(c + (size_t) (j + i) * part->dp + d);
			}

			/* Stores the first values of all four, then the second, ... */
			vst4q_f32(turned, v);
			UNROLL
			for (int i = 0; i < 4; i++)
				vst1q_f32(panel + (d + i) * COLUMNS + j, vld1q_f32(turned + 4 * i));
		}
	}
}

/* Set, or add to, at most four values of out. */
INLINE void
put_neon(const TridentSimdMatrixPart *part, float32x4_t sum, float *out,
		 int columns)
{
	float		values[4];

	if (columns >= 4)
	{
		if (!part->is_first)
			sum = vaddq_f32(sum, vld1q_f32(out));
		vst1q_f32(out, sum);
		return;
	}

	vst1q_f32(values, sum);
	for (int i = 0; i < columns; i++)
		out[i] = part->is_first ? values[i] : out[i] + values[i];
}

INLINE void
multiply_neon(int rows, const TridentSimdMatrixPart *part, const float *panel)
{
	float32x4_t sum[ROWS * 4];
	size_t		dp = part->dp;

	UNROLL
	for (int i = 0; i < rows * 4; i++)
		sum[i] = vdupq_n_f32(0);

	for (int d = 0; d < part->depth; d++)
	{
		float32x4_t c0 = vld1q_f32(panel);
		float32x4_t c1 = vld1q_f32(panel + 4);
		float32x4_t c2 = vld1q_f32(panel + 8);
		float32x4_t c3 = vld1q_f32(panel + 12);

		UNROLL
		for (int i = 0; i < rows; i++)
		{
			float32x4_t x = vdupq_n_f32(part->x[i * dp + d]);

			sum[i * 4] = vfmaq_f32(sum[i * 4], x, c0);
			sum[i * 4 + 1] = vfmaq_f32(sum[i * 4 + 1], x, c1);
			sum[i * 4 + 2] = vfmaq_f32(sum[i * 4 + 2], x, c2);
			sum[i * 4 + 3] = vfmaq_f32(sum[i * 4 + 3], x, c3);
		}
		panel += COLUMNS;
	}

	UNROLL
	for (int i = 0; i < rows * 4; i++)
		put_neon(part, sum[i], part->out + (size_t) (i / 4) * part->ldo + i % 4 * 4,
				 part->columns - i % 4 * 4);
}

static void
multiply_rows_neon(const TridentSimdMatrixPart *part, const float *panel)
{
	multiply_neon(ROWS, part, panel);
}

static void
multiply_row_neon(const TridentSimdMatrixPart *part, const float *panel)
{
	multiply_neon(1, part, panel);
}

/* matrix_dot, as simd.h has it. */
void
trident_simd_matrix_dot_neon(int m, int n, int dp, const float *x,
							 const float *c, float *out, int ldo)
{
	static const TridentSimdMatrixTile tile = {
		.rows = ROWS,
		.columns = COLUMNS,
		.turn = turn_neon,
		.multiply_rows = multiply_rows_neon,
		.multiply_row = multiply_row_neon,
		.ops = &trident_simd_neon
	};

	trident_simd_matrix_dot(&tile, m, n, dp, x, c, out, ldo);
}

#endif							/* TRIDENT_SIMD_HAVE_NEON */
