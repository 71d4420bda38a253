/*
 * code_float_avx2.c
 *	  Rotation and matrix product in AVX2 with FMA.
 */
#include "c.h"

#include "simd/code.h"
#include "simd/code_matrix.h"
#include "simd/code_rotate.h"
#include "simd/kernel.h"

#ifdef TRIDENT_SIMD_HAVE_X86

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define TARGET_INLINE TARGET static pg_attribute_always_inline

/* x, negated in the lanes whose bit is set in word, from first_bit on. */
TARGET_INLINE __m256
flip_avx2(__m256 x, uint32 word, int first_bit)
{
	__m256i		lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	__m256i		distance = _mm256_sub_epi32(_mm256_set1_epi32(31 - first_bit), lane);
	__m256i		bit = _mm256_sllv_epi32(_mm256_set1_epi32((int) word), distance);

	return _mm256_xor_ps(x, _mm256_and_ps(_mm256_castsi256_ps(bit),
										  _mm256_set1_ps(-0.0f)));
}

/*
 * The butterflies within a register: strides 1, 2, 4.  The factors are 1 and
 * -1, so the fused operation rounds as an addition does.
 */
TARGET_INLINE __m256
within_register_avx2(__m256 x)
{
	x = _mm256_fmadd_ps(x, _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1),
						_mm256_permute_ps(x, 0xb1));
	x = _mm256_fmadd_ps(x, _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1),
						_mm256_permute_ps(x, 0x4e));
	return _mm256_fmadd_ps(x, _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1),
						   _mm256_permute2f128_ps(x, x, 0x01));
}

/* The butterflies between registers that are stride apart, of count. */
TARGET_INLINE void
butterflies_avx2(int count, int stride, __m256 *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
	{
		__m256		a = v[i];

		if ((i & stride) != 0)
			continue;
		v[i] = _mm256_add_ps(a, v[i + stride]);
		v[i + stride] = _mm256_sub_ps(a, v[i + stride]);
	}
}

/* The butterflies between count registers: strides 1 and up; times scale. */
TARGET_INLINE void
between_registers_avx2(int count, __m256 *v, float scale)
{
	butterflies_avx2(count, 1, v);
	if (count > 2)
		butterflies_avx2(count, 2, v);
	if (count > 4)
		butterflies_avx2(count, 4, v);

	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = _mm256_mul_ps(v[i], _mm256_set1_ps(scale));
}

/* Flip the signs of 8 * count values, then all of their butterflies. */
TARGET_INLINE void
transform_avx2(int count, const uint32 *signs, __m256 *v, float scale)
{
	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = within_register_avx2(flip_avx2(v[i], signs[i / 4], i % 4 * 8));
	between_registers_avx2(count, v, scale);
}

TARGET_INLINE void
load_avx2(int count, int stride, const float *x, __m256 *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
		v[i] = _mm256_loadu_ps(x + i * stride);
}

TARGET_INLINE void
store_avx2(int count, int stride, float *x, const __m256 *v)
{
	UNROLL
	for (int i = 0; i < count; i++)
		_mm256_storeu_ps(x + i * stride, v[i]);
}

/* Flip and transform 8 * count values in memory. */
TARGET_INLINE void
chunk_avx2(int count, const uint32 *signs, float *x, float scale)
{
	__m256		v[8];

	load_avx2(count, 8, x, v);
	transform_avx2(count, signs, v, scale);
	store_avx2(count, 8, x, v);
}

TARGET static void
first_strides_avx2(int n, int count, const uint32 *signs, float *x, float scale)
{
	for (int i = 0; i < count; i += n)
	{
		if (n == 32)
			chunk_avx2(4, signs + i / 32, x + i, scale);
		else
			chunk_avx2(8, signs + i / 32, x + i, scale);
	}
}

TARGET_INLINE void
pass_avx2(int radix, int stride, int count, float *x, float scale)
{
	__m256		v[8];

	for (int i = 0; i < count; i += radix * stride)
	{
		for (int j = i; j < i + stride; j += 8)
		{
			load_avx2(radix, stride, x + j, v);
			between_registers_avx2(radix, v, scale);
			store_avx2(radix, stride, x + j, v);
		}
	}
}

TARGET static void
more_strides_avx2(int radix, int stride, int count, float *x, float scale)
{
	if (radix == 8)
		pass_avx2(8, stride, count, x, scale);
	else if (radix == 4)
		pass_avx2(4, stride, count, x, scale);
	else
		pass_avx2(2, stride, count, x, scale);
}

TARGET static void
rotate_64_avx2(const uint32 *signs, float *x)
{
	__m256		v[8];

	load_avx2(8, 8, x, v);
	for (int round = 0; round < 4; round++)
		transform_avx2(8, signs + 2 * round, v, hadamard_scale(64));
	store_avx2(8, 8, x, v);
}

TARGET static void
flip_signs_avx2(int count, const uint32 *signs, float *x)
{
	for (int i = 0; i < count; i += 8)
	{
		__m256		v = _mm256_loadu_ps(x + i);

		_mm256_storeu_ps(x + i, flip_avx2(v, signs[i / 32], i % 32));
	}
}

/* rotate, as simd.h has it. */
void
trident_simd_rotate_avx2(int dp, const uint32 *signs, float *x)
{
	static const TridentSimdRotation rotation = {
		.most = 64,
		.rotate_most = rotate_64_avx2,
		.first_strides = first_strides_avx2,
		.more_strides = more_strides_avx2,
		.flip = flip_signs_avx2
	};

	trident_simd_rotate(&rotation, dp, signs, x);
}

/* The matrix product: 6 rows of x with 16 of c. */
#define ROWS 6
#define COLUMNS 16

/* Put the 8 rows of 8 values that v holds in its columns. */
TARGET_INLINE void
transpose_avx2(__m256 *v)
{
	__m256		w[8];

	UNROLL
	for (int i = 0; i < 8; i += 2)
	{
		w[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
		w[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
	}
	/* v[4k + r]: column r of either half of rows 4k to 4k + 3 */
	UNROLL
	for (int i = 0; i < 8; i += 4)
	{
		v[i] = _mm256_shuffle_ps(w[i], w[i + 2], 0x44);
		v[i + 1] = _mm256_shuffle_ps(w[i], w[i + 2], 0xee);
		v[i + 2] = _mm256_shuffle_ps(w[i + 1], w[i + 3], 0x44);
		v[i + 3] = _mm256_shuffle_ps(w[i + 1], w[i + 3], 0xee);
	}
	UNROLL
	for (int i = 0; i < 4; i++)
	{
		__m256		low = _mm256_permute2f128_ps(v[i], v[i + 4], 0x20);

		v[i + 4] = _mm256_permute2f128_ps(v[i], v[i + 4], 0x31);
		v[i] = low;
	}
}

TARGET static void
turn_avx2(const TridentSimdMatrixPart *part, const float *c, float *panel)
{
	__m256		v[8];

	for (int j = 0; j < COLUMNS; j += 8)
	{
		for (int d = 0; d < part->depth; d += 8)
		{
			UNROLL
			for (int i = 0; i < 8; i++)
			{
				v[i] = _mm256_setzero_ps();
				if (j + i < part->columns)
					v[i] = _mm256_loadu_ps(c + (size_t) (j + i) * part->dp + d);
			}
			transpose_avx2(v);
			store_avx2(8, COLUMNS, panel + d * COLUMNS + j, v);
		}
	}
}

/* Set, or add to, at most eight values of out. */
TARGET_INLINE void
put_avx2(const TridentSimdMatrixPart *part, __m256 sum, float *out, int columns)
{
	__m256i		lanes = _mm256_cmpgt_epi32(_mm256_set1_epi32(columns),
										   _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));

	if (!part->is_first)
		sum = _mm256_add_ps(sum, _mm256_maskload_ps(out, lanes));
	_mm256_maskstore_ps(out, lanes, sum);
}

TARGET_INLINE void
multiply_avx2(int rows, const TridentSimdMatrixPart *part, const float *panel)
{
	__m256		sum[ROWS * 2];
	size_t		dp = part->dp;

	UNROLL
	for (int i = 0; i < rows * 2; i++)
		sum[i] = _mm256_setzero_ps();

	for (int d = 0; d < part->depth; d++)
	{
		__m256		c0 = _mm256_load_ps(panel);
		__m256		c1 = _mm256_load_ps(panel + 8);

		UNROLL
		for (int i = 0; i < rows; i++)
		{
			__m256		x = _mm256_set1_ps(part->x[i * dp + d]);

			sum[i * 2] = _mm256_fmadd_ps(x, c0, sum[i * 2]);
			sum[i * 2 + 1] = _mm256_fmadd_ps(x, c1, sum[i * 2 + 1]);
		}
		panel += COLUMNS;
	}

	UNROLL
	for (int i = 0; i < rows; i++)
	{
		float	   *out = part->out + (size_t) i * part->ldo;

		put_avx2(part, sum[i * 2], out, part->columns);
		if (part->columns > 8)
			put_avx2(part, sum[i * 2 + 1], out + 8, part->columns - 8);
	}
}

TARGET static void
multiply_rows_avx2(const TridentSimdMatrixPart *part, const float *panel)
{
	multiply_avx2(ROWS, part, panel);
}

TARGET static void
multiply_row_avx2(const TridentSimdMatrixPart *part, const float *panel)
{
	multiply_avx2(1, part, panel);
}

/* matrix_dot, as simd.h has it. */
void
trident_simd_matrix_dot_avx2(int m, int n, int dp, const float *x,
							 const float *c, float *out, int ldo)
{
	static const TridentSimdMatrixTile tile = {
		.rows = ROWS,
		.columns = COLUMNS,
		.turn = turn_avx2,
		.multiply_rows = multiply_rows_avx2,
		.multiply_row = multiply_row_avx2,
		.ops = &trident_simd_avx2
	};

	trident_simd_matrix_dot(&tile, m, n, dp, x, c, out, ldo);
}

#endif							/* TRIDENT_SIMD_HAVE_X86 */
