/*
 * code_float_avx512.c
 *	  Rotation and matrix product in AVX-512 (F, BW, DQ, VL).
 */
#include "c.h"

#include "simd/code.h"
#include "simd/code_matrix.h"
#include "simd/code_rotate.h"
#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define TARGET_INLINE TARGET static pg_attribute_always_inline

/* x, negated in the lanes whose bit is set in word, from first_bit on. */
TARGET_INLINE __m512
flip_avx512(__m512 x, uint32 word, int first_bit)
{
	__m512i		lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8,
										7, 6, 5, 4, 3, 2, 1, 0);
	__m512i		distance = _mm512_sub_epi32(_mm512_set1_epi32(31 - first_bit), lane);
	__m512i		bit = _mm512_sllv_epi32(_mm512_set1_epi32((int) word), distance);

	bit = _mm512_and_si512(bit, _mm512_set1_epi32((int) 0x80000000));
	return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(x), bit));
}

/*
 * The butterflies within a register: strides 1, 2, 4, 8.  The factors are 1
 * and -1, so the fused operation rounds as an addition does.
 */
TARGET_INLINE __m512
within_register_avx512(__m512 x)
{
	x = _mm512_fmadd_ps(x, _mm512_set_ps(-1, 1, -1, 1, -1, 1, -1, 1,
										 -1, 1, -1, 1, -1, 1, -1, 1),
						_mm512_permute_ps(x, 0xb1));
	x = _mm512_fmadd_ps(x, _mm512_set_ps(-1, -1, 1, 1, -1, -1, 1, 1,
										 -1, -1, 1, 1, -1, -1, 1, 1),
						_mm512_permute_ps(x, 0x4e));
	x = _mm512_fmadd_ps(x, _mm512_set_ps(-1, -1, -1, -1, 1, 1, 1, 1,
										 -1, -1, -1, -1, 1, 1, 1, 1),
						_mm512_shuffle_f32x4(x, x, 0xb1));
	return _mm512_fmadd_ps(x, _mm512_set_ps(-1, -1, -1, -1, -1, -1, -1, -1,
											1, 1, 1, 1, 1, 1, 1, 1),
						   _mm512_shuffle_f32x4(x, x, 0x4e));
}

/* The butterflies between registers that are stride apart, of count. */
TARGET_INLINE void
butterflies_avx512(int count, int stride, __m512 *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
	{
		__m512		a = v[i];

		if ((i & stride) != 0)
			continue;
		v[i] = _mm512_add_ps(a, v[i + stride]);
		v[i + stride] = _mm512_sub_ps(a, v[i + stride]);
	}
}

/* The butterflies between count registers: strides 1 and up; times scale. */
TARGET_INLINE void
between_registers_avx512(int count, __m512 *v, float scale)
{
	butterflies_avx512(count, 1, v);
	if (count > 2)
		butterflies_avx512(count, 2, v);
	if (count > 4)
		butterflies_avx512(count, 4, v);

	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = _mm512_mul_ps(v[i], _mm512_set1_ps(scale));
}

/* Flip the signs of 16 * count values, then all of their butterflies. */
TARGET_INLINE void
transform_avx512(int count, const uint32 *signs, __m512 *v, float scale)
{
	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = within_register_avx512(flip_avx512(v[i], signs[i / 2], i % 2 * 16));
	between_registers_avx512(count, v, scale);
}

TARGET_INLINE void
load_avx512(int count, int stride, const float *x, __m512 *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = _mm512_loadu_ps(x + i * stride);
}

TARGET_INLINE void
store_avx512(int count, int stride, float *x, const __m512 *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
		_mm512_storeu_ps(x + i * stride, v[i]);
}

/* Flip and transform 16 * count values in memory. */
TARGET_INLINE void
chunk_avx512(int count, const uint32 *signs, float *x, float scale)
{
	__m512		v[8];

	load_avx512(count, 16, x, v);
	transform_avx512(count, signs, v, scale);
	store_avx512(count, 16, x, v);
}

TARGET static void
first_strides_avx512(int n, int count, const uint32 *signs, float *x,
					 float scale)
{
	for (int i = 0; i < count; i += n)
	{
		if (n == 32)
			chunk_avx512(2, signs + i / 32, x + i, scale);
		else if (n == 64)
			chunk_avx512(4, signs + i / 32, x + i, scale);
		else
			chunk_avx512(8, signs + i / 32, x + i, scale);
	}
}

TARGET_INLINE void
pass_avx512(int radix, int stride, int count, float *x, float scale)
{
	__m512		v[8];

	for (int i = 0; i < count; i += radix * stride)
	{
		for (int j = i; j < i + stride; j += 16)
		{
			load_avx512(radix, stride, x + j, v);
			between_registers_avx512(radix, v, scale);
			store_avx512(radix, stride, x + j, v);
		}
	}
}

TARGET static void
more_strides_avx512(int radix, int stride, int count, float *x, float scale)
{
	if (radix == 8)
		pass_avx512(8, stride, count, x, scale);
	else if (radix == 4)
		pass_avx512(4, stride, count, x, scale);
	else
		pass_avx512(2, stride, count, x, scale);
}

TARGET static void
rotate_128_avx512(const uint32 *signs, float *x)
{
	__m512		v[8];

	load_avx512(8, 16, x, v);
	for (int round = 0; round < 4; round++)
		transform_avx512(8, signs + 4 * round, v, hadamard_scale(128));
	store_avx512(8, 16, x, v);
}

TARGET static void
flip_signs_avx512(int count, const uint32 *signs, float *x)
{
	for (int i = 0; i < count; i += 16)
	{
		__m512		v = _mm512_loadu_ps(x + i);

		_mm512_storeu_ps(x + i, flip_avx512(v, signs[i / 32], i % 32));
	}
}

/* rotate, as simd.h has it. */
void
trident_simd_rotate_avx512(int dp, const uint32 *signs, float *x)
{
	static const TridentSimdRotation rotation = {
		.most = 128,
		.rotate_most = rotate_128_avx512,
		.first_strides = first_strides_avx512,
		.more_strides = more_strides_avx512,
		.flip = flip_signs_avx512
	};

	trident_simd_rotate(&rotation, dp, signs, x);
}

/* The matrix product: 6 rows of x with 64 of c. */
#define ROWS 6
#define COLUMNS 64

/* Put the 16 rows of 16 values that v holds in its columns. */
TARGET_INLINE void
transpose_avx512(__m512 *v)
{
	__m512		w[16];

	UNROLL
	for (int i = 0; i < 16; i += 2)
	{
		w[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
		w[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
	}
	/* v[4k + r]: column r of every quarter of rows 4k to 4k + 3 */
	UNROLL
	for (int i = 0; i < 16; i += 4)
	{
		v[i] = _mm512_shuffle_ps(w[i], w[i + 2], 0x44);
		v[i + 1] = _mm512_shuffle_ps(w[i], w[i + 2], 0xee);
		v[i + 2] = _mm512_shuffle_ps(w[i + 1], w[i + 3], 0x44);
		v[i + 3] = _mm512_shuffle_ps(w[i + 1], w[i + 3], 0xee);
	}
	/* w[r], w[r + 4]: quarters 0 and 2, 1 and 3 of rows 0 to 7; 8 on: 8 to 15 */
	UNROLL
	for (int i = 0; i < 4; i++)
	{
		w[i] = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x88);
		w[i + 4] = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd);
		w[i + 8] = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0x88);
		w[i + 12] = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0xdd);
	}
	UNROLL
	for (int i = 0; i < 8; i++)
	{
		v[i] = _mm512_shuffle_f32x4(w[i], w[i + 8], 0x88);
		v[i + 8] = _mm512_shuffle_f32x4(w[i], w[i + 8], 0xdd);
	}
}

TARGET static void
turn_avx512(const TridentSimdMatrixPart *part, const float *c, float *panel)
{
	__m512		v[16];

	for (int j = 0; j < COLUMNS; j += 16)
	{
		for (int d = 0; d < part->depth; d += 16)
		{
			UNROLL
			for (int i = 0; i < 16; i++)
			{
				v[i] = _mm512_setzero_ps();
				if (j + i < part->columns)
					v[i] = _mm512_loadu_ps(c + (size_t) (j + i) * part->dp + d);
			}
			transpose_avx512(v);
			store_avx512(16, COLUMNS, panel + d * COLUMNS + j, v);
		}
	}
}

TARGET_INLINE void
multiply_avx512(int rows, const TridentSimdMatrixPart *part, const float *panel)
{
	__m512		sum[ROWS * 4];
	size_t		dp = part->dp;

	UNROLL
	for (int i = 0; i < rows * 4; i++)
		sum[i] = _mm512_setzero_ps();

	for (int d = 0; d < part->depth; d++)
	{
		__m512		c0 = _mm512_load_ps(panel);
		__m512		c1 = _mm512_load_ps(panel + 16);
		__m512		c2 = _mm512_load_ps(panel + 32);
		__m512		c3 = _mm512_load_ps(panel + 48);

		UNROLL
		for (int i = 0; i < rows; i++)
		{
			__m512		x = _mm512_set1_ps(part->x[i * dp + d]);

			sum[i * 4] = _mm512_fmadd_ps(x, c0, sum[i * 4]);
			sum[i * 4 + 1] = _mm512_fmadd_ps(x, c1, sum[i * 4 + 1]);
			sum[i * 4 + 2] = _mm512_fmadd_ps(x, c2, sum[i * 4 + 2]);
			sum[i * 4 + 3] = _mm512_fmadd_ps(x, c3, sum[i * 4 + 3]);
		}
		panel += COLUMNS;
	}

	UNROLL
	for (int i = 0; i < rows * 4; i++)
	{
		float	   *out = part->out + (size_t) (i / 4) * part->ldo + i % 4 * 16;
		int			columns = part->columns - i % 4 * 16;
		__mmask16	lanes = columns >= 16 ? 0xffff : columns <= 0 ? 0 :
			(__mmask16) ((1U << columns) - 1);

		if (!part->is_first)
			sum[i] = _mm512_add_ps(sum[i], _mm512_maskz_loadu_ps(lanes, out));
		_mm512_mask_storeu_ps(out, lanes, sum[i]);
	}
}

TARGET static void
multiply_rows_avx512(const TridentSimdMatrixPart *part, const float *panel)
{
	multiply_avx512(ROWS, part, panel);
}

TARGET static void
multiply_row_avx512(const TridentSimdMatrixPart *part, const float *panel)
{
	multiply_avx512(1, part, panel);
}

/* matrix_dot, as simd.h has it. */
void
trident_simd_matrix_dot_avx512(int m, int n, int dp, const float *x,
							   const float *c, float *out, int ldo)
{
	static const TridentSimdMatrixTile tile = {
		.rows = ROWS,
		.columns = COLUMNS,
		.turn = turn_avx512,
		.multiply_rows = multiply_rows_avx512,
		.multiply_row = multiply_row_avx512,
		.ops = &trident_simd_avx512
	};

	trident_simd_matrix_dot(&tile, m, n, dp, x, c, out, ldo);
}

#endif							/* TRIDENT_SIMD_HAVE_X86 */
