/*
 * check.h
 *	  The limits of vector and halfvec, checked in one place.
 *
 * The checks are inline and the errors are not, so that a distance costs one
 * comparison.  type is the SQL name of the type, for the message.  Messages
 * and SQLSTATEs equal pgvector's: clients match on them.
 */
#ifndef TRIDENT_VECTOR_CHECK_H
#define TRIDENT_VECTOR_CHECK_H

#include <math.h>

#include "vector/vector.h"

/* check.c; these only ever raise */
extern void trident_vector_refuse_dim(int dim, const char *type);
extern void trident_vector_refuse_typmod(int32 typmod, int dim);
extern void trident_vector_refuse_pair(int a, int b, const char *type);
extern void trident_vector_refuse_element(float value, const char *type);
extern void trident_halfvec_refuse_range(float value);

/* A vector has 1 to 16000 dimensions. */
static inline void
trident_vector_check_dim(int dim, const char *type)
{
	if (unlikely(dim < 1 || dim > TRIDENT_VECTOR_MAX_DIM))
		trident_vector_refuse_dim(dim, type);
}

/* A column of type vector(typmod) takes that many dimensions; -1 takes any. */
static inline void
trident_vector_check_typmod(int32 typmod, int dim)
{
	if (unlikely(typmod != -1 && typmod != dim))
		trident_vector_refuse_typmod(typmod, dim);
}

/* What is computed from two vectors needs them to be of one length. */
static inline void
trident_vector_check_pair(int a, int b, const char *type)
{
	if (unlikely(a != b))
		trident_vector_refuse_pair(a, b, type);
}

/* Elements are finite. */
static inline void
trident_vector_check_elements(int dim, const float *x, const char *type)
{
	for (int i = 0; i < dim; i++)
	{
		if (unlikely(!isfinite(x[i])))
			trident_vector_refuse_element(x[i], type);
	}
}

static inline bool
trident_halfvec_is_inf(TridentHalf h)
{
	return (h & 0x7fff) == 0x7c00;
}

static inline bool
trident_halfvec_is_zero(TridentHalf h)
{
	return (h & 0x7fff) == 0;
}

/* As trident_vector_check_elements, of type halfvec. */
static inline void
trident_halfvec_check_elements(int dim, const TridentHalf *x)
{
	for (int i = 0; i < dim; i++)
	{
		if (unlikely((x[i] & 0x7c00) == 0x7c00))
			trident_vector_refuse_element(trident_halfvec_is_inf(x[i]) ?
										  INFINITY : NAN, "halfvec");
	}
}

/*
 * A new halfvec of dim elements x; raises if one is out of its range, NaN or
 * infinite.
 */
static inline TridentHalfvec *
trident_halfvec_from_floats(int dim, const float *x)
{
	TridentHalfvec *result = trident_halfvec_new(dim);

	trident_simd.f32_to_f16(dim, x, result->x);
	for (int i = 0; i < dim; i++)
	{
		if (unlikely(trident_halfvec_is_inf(result->x[i]) && !isinf(x[i])))
			trident_halfvec_refuse_range(x[i]);
	}
	trident_halfvec_check_elements(dim, result->x);
	return result;
}

#endif							/* TRIDENT_VECTOR_CHECK_H */
