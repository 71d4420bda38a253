/*
 * code_rotate.c
 *	  The order in which a rotation is computed, for all instruction sets that
 *	  have the steps for it.
 *
 * A Hadamard transform of n values has log2(n) strides.  The first ones are
 * done in registers, on as many neighbours as fit; then up to three strides at
 * a time in passes over memory.  The order between butterflies is free as long
 * as each gets its operands from the stride before: the bits are the same.
 */
#include "c.h"

#include "simd/code.h"
#include "simd/code_rotate.h"

/* Flip the signs of n values, then their Hadamard transform. */
static void
hadamard(const TridentSimdRotation *rotation, int n, const uint32 *signs,
		 float *x)
{
	float		scale = hadamard_scale(n);
	int			stride = Min(n, rotation->most);

	rotation->first_strides(stride, n, signs, x, stride == n ? scale : 1);

	while (stride < n)
	{
		int			left = n / stride;
		int			radix;

		/* 16 are better taken as 4 times 4 than as 8 times 2. */
		if (left >= 8 && left != 16)
			radix = 8;
		else
			radix = Min(left, 4);

		rotation->more_strides(radix, stride, n, x, left == radix ? scale : 1);
		stride *= radix;
	}
}

/* rotate, as simd.h has it, by the steps of an instruction set. */
void
trident_simd_rotate(const TridentSimdRotation *rotation, int dp,
					const uint32 *signs, float *x)
{
	int			n = hadamard_size(dp);
	int			rest = dp - n;

	if (dp == rotation->most)
	{
		rotation->rotate_most(signs, x);
		return;
	}

	for (int round = 0; round < 4; round++)
	{
		if (round % 2 == 0)
		{
			hadamard(rotation, n, signs, x);
			rotation->flip(rest, signs + n / 32, x + n);
		}
		else
		{
			rotation->flip(rest, signs, x);
			hadamard(rotation, n, signs + rest / 32, x + rest);
		}
		if (rest != 0)
			rotation->more_strides(2, dp / 2, dp, x, SQRT_HALF);
		signs += dp / 32;
	}
}
