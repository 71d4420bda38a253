/*
 * test_half.c
 *	  Proves that conversions between float16 and float4 are exact or rounded
 *	  to the nearest even, bit for bit the same on every level.
 *
 * The references here work by arithmetic in float8, not on bits as the
 * kernels do.  Every float16 is tried; of the float4, all neighbours of every
 * float16 and of every midpoint between two, the bands where the kind of the
 * result changes, and a sample of the rest.  TRIDENT_TEST_FULL=1 tries all
 * 2^32.
 */
#include "c.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "level.h"
#include "simd/simd.h"
#include "tap.h"

#define ALL_HALVES 65536
#define CHUNK 1000

static uint32
float_bits(float value)
{
	uint32		bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static float
bits_float(uint32 bits)
{
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The bits of the float4 that equals a float16; a NaN comes out quiet. */
static uint32
expected_float_bits(TridentHalf half)
{
	int			exponent = (half >> 10) & 31;
	int			mantissa = half & 1023;
	double		magnitude;

	if (exponent == 31 && mantissa != 0)
		return (uint32) (half & 0x8000) << 16 | 0x7fc00000 |
			(uint32) mantissa << 13;
	if (exponent == 31)
		magnitude = INFINITY;
	else if (exponent == 0)
		magnitude = ldexp(mantissa, -24);
	else
		magnitude = ldexp(mantissa + 1024, exponent - 25);
	return float_bits((float) ((half & 0x8000) ? -magnitude : magnitude));
}

/* The float16 nearest to a float4, ties to even; a NaN comes out quiet. */
static TridentHalf
expected_half(uint32 bits)
{
	uint32		sign = bits >> 31 << 15;
	double		magnitude = fabs((double) bits_float(bits));
	int			exponent;
	double		units;

	if (isnan(magnitude))
		return (TridentHalf) (sign | 0x7e00 | (bits >> 13 & 0x3ff));
	if (magnitude >= 65520)
		return (TridentHalf) (sign | 0x7c00);

	/*
	 * Count units of the last place of the result, rounded as float8 rounds:
	 * to even.  A count that reaches the next power of two is right as well:
	 * its bits are those of the next exponent.
	 */
	exponent = magnitude < ldexp(1, -14) ? -14 : ilogb(magnitude);
	units = rint(ldexp(magnitude, 10 - exponent));
	if (magnitude < ldexp(1, -14))
		return (TridentHalf) (sign | (uint32) units);
	return (TridentHalf) (sign | ((uint32) (exponent + 14) * 1024 + (uint32) units));
}

/* Every float16 to float4, in arrays of every length up to 40. */
static void
test_to_float(const char *name, const TridentSimdOps *ops)
{
	int			wrong = 0;
	int			length = 0;

	for (int start = 0; start < ALL_HALVES; start += length)
	{
		TridentHalf *from;
		float	   *to;

		length = Min(length % 40 + 1, ALL_HALVES - start);
		from = guarded(0, sizeof(TridentHalf) * length);
		to = guarded(1, sizeof(float) * length);
		to[-1] = 42;
		for (int i = 0; i < length; i++)
			from[i] = (TridentHalf) (start + i);
		ops->f16_to_f32(length, from, to);
		for (int i = 0; i < length; i++)
		{
			if (float_bits(to[i]) != expected_float_bits(from[i]) && wrong++ < 5)
				tap_note("%04x gives %08x, not %08x", from[i],
						 float_bits(to[i]), expected_float_bits(from[i]));
		}
		if (to[-1] != 42)
			wrong++;
	}
	tap_ok(wrong == 0, "%s: every float16 to float4", name);
}

/* Every float16 to float4 and back. */
static void
test_round_trip(const char *name, const TridentSimdOps *ops)
{
	static TridentHalf halves[ALL_HALVES];
	static TridentHalf back[ALL_HALVES];
	static float floats[ALL_HALVES];
	int			wrong = 0;

	for (int i = 0; i < ALL_HALVES; i++)
		halves[i] = (TridentHalf) i;
	ops->f16_to_f32(ALL_HALVES, halves, floats);
	ops->f32_to_f16(ALL_HALVES, floats, back);
	for (int i = 0; i < ALL_HALVES; i++)
	{
		bool		is_nan = (i & 0x7fff) > 0x7c00;

		if (back[i] != (is_nan ? (i | 0x200) : i) && wrong++ < 5)
			tap_note("%04x comes back as %04x", i, back[i]);
	}
	tap_ok(wrong == 0, "%s: every float16 to float4 and back", name);
}

/*
 * Convert the float4 of count consecutive bit patterns, stride apart, and
 * compare.  Returns how many were wrong.
 */
static int
compare_band(const TridentSimdOps *ops, uint32 first, uint64 count, uint32 stride)
{
	float	   *from = guarded(0, sizeof(float) * CHUNK);
	TridentHalf *to = guarded(1, sizeof(TridentHalf) * CHUNK);
	int			wrong = 0;

	for (uint64 start = 0; start < count; start += CHUNK)
	{
		int			length = (int) Min((uint64) CHUNK, count - start);

		for (int i = 0; i < length; i++)
			from[i] = bits_float(first + (uint32) (start + i) * stride);
		ops->f32_to_f16(length, from, to);
		for (int i = 0; i < length; i++)
		{
			uint32		bits = first + (uint32) (start + i) * stride;

			if (to[i] != expected_half(bits) && wrong++ < 5)
				tap_note("%08x gives %04x, not %04x", bits, to[i],
						 expected_half(bits));
		}
	}
	return wrong;
}

/* All float4 whose bits are from first to last, and their negatives. */
static int
compare_range(const TridentSimdOps *ops, uint32 first, uint32 last)
{
	uint64		count = (uint64) last - first + 1;

	return compare_band(ops, first, count, 1) +
		compare_band(ops, first | 0x80000000, count, 1);
}

static void
test_to_half(const char *name, const TridentSimdOps *ops)
{
	int			wrong = 0;

	/* Around every float16, and around every midpoint between two. */
	for (uint32 half = 0; half <= 0x7bff; half++)
	{
		uint32		this = expected_float_bits((TridentHalf) half);
		float		next = half == 0x7bff ? 65536.0f :
			bits_float(expected_float_bits((TridentHalf) (half + 1)));
		uint32		middle = float_bits((bits_float(this) + next) / 2);

		wrong += compare_range(ops, Max(this, 2) - 2, this + 2);
		wrong += compare_range(ops, middle - 2, middle + 2);
	}
	tap_ok(wrong == 0, "%s: float4 near every float16 and every midpoint", name);

	/* 2^-25 parts zero from the least subnormal. */
	wrong = compare_range(ops, 0x33000000 - 40000, 0x33000000 + 40000);
	/* 2^-14 parts subnormal from normal. */
	wrong += compare_range(ops, 0x38800000 - 40000, 0x38800000 + 40000);
	/* 65520 parts finite from infinite. */
	wrong += compare_range(ops, 0x477ff000 - 20000, 0x477ff000 + 20000);
	/* Zero and the float4 subnormals; the largest; infinity and NaN. */
	wrong += compare_range(ops, 0, 20000);
	wrong += compare_range(ops, 0x7f800000 - 20000, 0x7f800000 + 20000);
	wrong += compare_range(ops, 0x7fffffff - 20000, 0x7fffffff);
	tap_ok(wrong == 0, "%s: bands where the kind of float16 changes", name);

	/* The stride is odd, so it would reach every pattern in time. */
	wrong = compare_band(ops, 0, 1000000, 4297);
	tap_ok(wrong == 0, "%s: a sample of all float4", name);

	if (getenv("TRIDENT_TEST_FULL") != NULL)
		tap_ok(compare_band(ops, 0, UINT64CONST(1) << 32, 1) == 0,
			   "%s: every float4", name);
}

/* Lengths up to 130: the tail is converted, and nothing beyond it written. */
static void
test_to_half_lengths(const char *name, const TridentSimdOps *ops)
{
	int			wrong = 0;

	for (int length = 0; length <= 130; length++)
	{
		float	   *from = guarded(0, sizeof(float) * length);
		TridentHalf *to = guarded(1, sizeof(TridentHalf) * length);

		for (int i = 0; i < length; i++)
		{
			from[i] = next_random_float() * 100;
			to[i] = 0xffff;
		}
		to[-1] = 0x1234;
		ops->f32_to_f16(length, from, to);
		for (int i = 0; i < length; i++)
		{
			if (to[i] != expected_half(float_bits(from[i])))
				wrong++;
		}
		if (to[-1] != 0x1234)
			wrong++;
	}
	tap_ok(wrong == 0, "%s: float4 to float16, lengths 0 to 130", name);
}

static void
test_level(const char *name, const TridentSimdOps *ops)
{
	test_to_float(name, ops);
	test_round_trip(name, ops);
	test_to_half(name, ops);
	test_to_half_lengths(name, ops);
}

int
main(void)
{
	each_level("conversions", test_level);
	return tap_done();
}
