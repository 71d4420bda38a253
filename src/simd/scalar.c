/*
 * scalar.c
 *	  Kernels in plain C: what runs on a processor without any of the other
 *	  instruction sets, and what the other sets are tested against.
 */
#include "c.h"

#include <math.h>

#include "simd/kernel.h"
#include "simd/simd.h"

/* A float4 as its bits, without breaking the aliasing rules. */
typedef union FloatBits
{
	float		value;
	uint32		bits;
} FloatBits;

/* float16 to float4: exact.  A signaling NaN becomes quiet, as in hardware. */
static float
half_to_float(TridentHalf half)
{
	uint32		sign = (uint32) (half & 0x8000) << 16;
	uint32		exponent = (half >> 10) & 0x1f;
	uint32		mantissa = half & 0x3ff;
	FloatBits	result;

	if (exponent == 0)
	{
		/* Zero or subnormal: a count of units of 2^-24. */
		result.value = (float) mantissa * 5.9604644775390625e-8f;
		result.bits |= sign;
	}
	else if (exponent == 0x1f)
		result.bits = sign | 0x7f800000 | (mantissa << 13) |
			(mantissa != 0 ? 0x00400000 : 0);
	else
		result.bits = sign | ((exponent + 127 - 15) << 23) | (mantissa << 13);

	return result.value;
}

/* value / 2^shift, to the nearest integer, ties to the even one. */
static uint32
shift_right_rounded(uint32 value, int shift)
{
	uint32		quotient = value >> shift;
	uint32		rest = value & (((uint32) 1 << shift) - 1);
	uint32		half = (uint32) 1 << (shift - 1);

	if (rest > half || (rest == half && (quotient & 1) != 0))
		quotient++;
	return quotient;
}

/*
 * float4 to float16, to the nearest, ties to even.  What is too large becomes
 * infinity; a NaN stays one, quiet, with the upper bits of its payload.
 */
static TridentHalf
float_to_half(float value)
{
	FloatBits	from;
	uint32		sign;
	uint32		magnitude;

	from.value = value;
	sign = (from.bits >> 16) & 0x8000;
	magnitude = from.bits & 0x7fffffff;

	if (magnitude > 0x7f800000)
		return (TridentHalf) (sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));

	/* 65520 lies halfway between the largest float16 and the next power. */
	if (magnitude >= 0x477ff000)
		return (TridentHalf) (sign | 0x7c00);

	/*
	 * From 2^-14 on the result is normal.  The exponent changes its bias; a
	 * mantissa that rounds up to the next power carries into it, as it
	 * should.
	 */
	if (magnitude >= 0x38800000)
		return (TridentHalf)
			(sign | shift_right_rounded(magnitude - ((127 - 15) << 23), 13));

	/*
	 * Below, the result counts units of 2^-24.  What is under half a unit,
	 * 2^-25, is zero.
	 */
	if (magnitude < 0x33000000)
		return (TridentHalf) sign;
	return (TridentHalf) (sign |
						  shift_right_rounded((magnitude & 0x7fffff) | 0x800000,
											  126 - (int) (magnitude >> 23)));
}

static pg_attribute_always_inline float
element(ElementType type, const void *array, size_t i)
{
	if (type == ELEMENT_F16)
		return half_to_float(((const TridentHalf *) array)[i]);
	return ((const float *) array)[i];
}

static pg_attribute_always_inline float
sum_scalar(SumTerm term, ElementType type, size_t dim,
		   const void *a, const void *b)
{
	float		sum = 0;

	for (size_t i = 0; i < dim; i++)
	{
		float		ai = element(type, a, i);
		float		bi = element(type, b, i);

		if (term == TERM_L2_SQUARED)
			sum += (ai - bi) * (ai - bi);
		else if (term == TERM_INNER_PRODUCT)
			sum += ai * bi;
		else
			sum += fabsf(ai - bi);
	}

	return sum;
}

static pg_attribute_always_inline TridentSimdCosine
cosine_scalar(ElementType type, size_t dim, const void *a, const void *b)
{
	TridentSimdCosine sums = {0, 0, 0};

	for (size_t i = 0; i < dim; i++)
	{
		float		ai = element(type, a, i);
		float		bi = element(type, b, i);

		sums.dot += ai * bi;
		sums.norm_a += ai * ai;
		sums.norm_b += bi * bi;
	}

	return sums;
}

static pg_attribute_always_inline double
norm_squared_scalar(ElementType type, size_t dim, const void *a)
{
	double		sum = 0;

	for (size_t i = 0; i < dim; i++)
	{
		double		ai = element(type, a, i);

		sum += ai * ai;
	}

	return sum;
}

static void
f16_to_f32_scalar(int dim, const TridentHalf *from, float *to)
{
	for (int i = 0; i < dim; i++)
		to[i] = half_to_float(from[i]);
}

static void
f32_to_f16_scalar(int dim, const float *from, TridentHalf *to)
{
	for (int i = 0; i < dim; i++)
		to[i] = float_to_half(from[i]);
}

static float
l2_squared_f32_scalar(int dim, const float *a, const float *b)
{
	return sum_scalar(TERM_L2_SQUARED, ELEMENT_F32, dim, a, b);
}

static float
inner_product_f32_scalar(int dim, const float *a, const float *b)
{
	return sum_scalar(TERM_INNER_PRODUCT, ELEMENT_F32, dim, a, b);
}

static float
l1_f32_scalar(int dim, const float *a, const float *b)
{
	return sum_scalar(TERM_L1, ELEMENT_F32, dim, a, b);
}

static TridentSimdCosine
cosine_f32_scalar(int dim, const float *a, const float *b)
{
	return cosine_scalar(ELEMENT_F32, dim, a, b);
}

static double
norm_squared_f32_scalar(int dim, const float *a)
{
	return norm_squared_scalar(ELEMENT_F32, dim, a);
}

static float
l2_squared_f16_scalar(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_scalar(TERM_L2_SQUARED, ELEMENT_F16, dim, a, b);
}

static float
inner_product_f16_scalar(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_scalar(TERM_INNER_PRODUCT, ELEMENT_F16, dim, a, b);
}

static float
l1_f16_scalar(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return sum_scalar(TERM_L1, ELEMENT_F16, dim, a, b);
}

static TridentSimdCosine
cosine_f16_scalar(int dim, const TridentHalf *a, const TridentHalf *b)
{
	return cosine_scalar(ELEMENT_F16, dim, a, b);
}

static double
norm_squared_f16_scalar(int dim, const TridentHalf *a)
{
	return norm_squared_scalar(ELEMENT_F16, dim, a);
}

const TridentSimdOps trident_simd_scalar = {
	.level = TRIDENT_SIMD_SCALAR,
	.l2_squared_f32 = l2_squared_f32_scalar,
	.inner_product_f32 = inner_product_f32_scalar,
	.cosine_f32 = cosine_f32_scalar,
	.l1_f32 = l1_f32_scalar,
	.norm_squared_f32 = norm_squared_f32_scalar,
	.l2_squared_f16 = l2_squared_f16_scalar,
	.inner_product_f16 = inner_product_f16_scalar,
	.cosine_f16 = cosine_f16_scalar,
	.l1_f16 = l1_f16_scalar,
	.norm_squared_f16 = norm_squared_f16_scalar,
	.f16_to_f32 = f16_to_f32_scalar,
	.f32_to_f16 = f32_to_f16_scalar
};
