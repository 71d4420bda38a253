/*
 * arithmetic.h
 *	  What the arithmetic of both types shares.
 */
#ifndef TRIDENT_VECTOR_ARITHMETIC_H
#define TRIDENT_VECTOR_ARITHMETIC_H

#include "utils/varbit.h"

/* arithmetic.c */

/*
 * How many of dim elements subvector(…, start, count) keeps; moves *start
 * (1-based) to the first of them.  Raises if none.
 */
extern int	trident_vector_subvector_range(int dim, int32 *start, int32 count,
										   const char *type);

/* A bit string of dim bits, set where x is above 0. */
extern VarBit *trident_vector_signs(int dim, const float *x);

#endif							/* TRIDENT_VECTOR_ARITHMETIC_H */
