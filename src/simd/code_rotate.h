/*
 * code_rotate.h
 *	  What an instruction set gives to the rotation of code_rotate.c.
 */
#ifndef TRIDENT_SIMD_CODE_ROTATE_H
#define TRIDENT_SIMD_CODE_ROTATE_H

#include "simd/kernel.h"

typedef struct TridentSimdRotation
{
	/* The most values, a power of two, that registers hold: at least 32. */
	int			most;

	/* The whole of a rotation of that many dimensions. */
	void		(*rotate_most) (const uint32 *signs, float *x);

	/*
	 * Flip the signs of n values, and do the butterflies of every n of them;
	 * times scale.  count, a multiple of n, is how many there are; n is a power
	 * of two from 32 to most.
	 */
	void		(*first_strides) (int n, int count, const uint32 *signs,
								  float *x, float scale);

	/*
	 * The butterflies of count values whose strides are stride, and twice and
	 * four times that where radix is 4 and 8; times scale.  stride is a
	 * multiple of 16, count of radix * stride.
	 */
	void		(*more_strides) (int radix, int stride, int count, float *x,
								 float scale);

	/* Flip the signs of count values, a multiple of 32. */
	void		(*flip) (int count, const uint32 *signs, float *x);
} TridentSimdRotation;

/* code_rotate.c */
extern void trident_simd_rotate(const TridentSimdRotation *rotation, int dp,
								const uint32 *signs, float *x);

#endif							/* TRIDENT_SIMD_CODE_ROTATE_H */
