/*
 * distance.h
 *	  From what the kernels return to the distances of both types.
 */
#ifndef TRIDENT_VECTOR_DISTANCE_H
#define TRIDENT_VECTOR_DISTANCE_H

#include <math.h>

#include "vector/vector.h"

/* value, brought into -1..1, which rounding may have left; NaN stays. */
static inline double
trident_vector_clamp(double value)
{
	if (value > 1)
		return 1;
	if (value < -1)
		return -1;
	return value;
}

/* The cosine distance, 0..2; NaN if a norm is 0. */
static inline double
trident_vector_cosine(TridentSimdCosine parts)
{
	/* One root of the product rounds less than the product of two. */
	double		norm = sqrt((double) parts.norm_a * (double) parts.norm_b);

	return 1.0 - trident_vector_clamp((double) parts.dot / norm);
}

/* The angle between unit vectors of that inner product, 0..1 for 0..pi. */
static inline double
trident_vector_angle(float inner_product)
{
	return acos(trident_vector_clamp((double) inner_product)) / M_PI;
}

#endif							/* TRIDENT_VECTOR_DISTANCE_H */
