/*
 * distance.h
 *	  What the distance functions of both types take, and what they make of
 *	  that which the kernels return.
 */
#ifndef TRIDENT_VECTOR_DISTANCE_H
#define TRIDENT_VECTOR_DISTANCE_H

#include <math.h>

#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "vector/vector.h"

/* Bytes that are prefetched together; on processors with more, some for nothing. */
#define TRIDENT_VECTOR_LINE 64

/* More of a row is not asked for: the processor itself reads on by then. */
#define TRIDENT_VECTOR_AHEAD 1024

/*
 * The argument of a distance, detoasted as by TRIDENT_VECTOR_P, which most
 * likely is a column of a sequential scan.
 *
 * Such a scan waits for memory, half of its time in the kernel.  Rows fill a
 * page from its end, so that the value of the next row stands before this one
 * and is about as long: it is asked for now, and comes while the executor is
 * busy.  Nothing tells that there is such a row, and asking for what is not
 * there does no harm.  Saves a fifth of a scan of 650,000 vectors of 128
 * dimensions; other values, as a constant, are told from those in a page
 * since asking in vain costs more than the call (measured).
 */
static inline struct varlena *
trident_vector_argument(Datum datum)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(datum);
	char	   *next;
	Size		ahead;

	if (VARATT_IS_EXTENDED(value))
		return trident_vector_detoast_extended(value);
	if ((Size) ((char *) value - BufferBlocks) / BLCKSZ >= (Size) NBuffers)
		return value;
	/* between the two is a tuple header, and maybe other columns */
	ahead = VARSIZE(value) + TRIDENT_VECTOR_LINE;
	next = (char *) value - ahead;
	ahead = Min(ahead, TRIDENT_VECTOR_AHEAD);
	for (Size at = 0; at < ahead; at += TRIDENT_VECTOR_LINE)
		__builtin_prefetch(next + at);
	return value;
}

#define TRIDENT_VECTOR_ARGUMENT(n) \
	((TridentVector *) trident_vector_argument(PG_GETARG_DATUM(n)))
#define TRIDENT_HALFVEC_ARGUMENT(n) \
	((TridentHalfvec *) trident_vector_argument(PG_GETARG_DATUM(n)))

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
