/*
 * order.c
 *	  The order of vectors and of halfvecs, for btree, ORDER BY and DISTINCT.
 *
 * As arrays: the first elements that differ decide, then the length.  There
 * is no NaN, and -0 equals 0.
 */
#include "postgres.h"

#include "base/compat.h"
#include "vector/check.h"

PG_FUNCTION_INFO_V1(trident_vector_lt);
PG_FUNCTION_INFO_V1(trident_vector_le);
PG_FUNCTION_INFO_V1(trident_vector_eq);
PG_FUNCTION_INFO_V1(trident_vector_ne);
PG_FUNCTION_INFO_V1(trident_vector_ge);
PG_FUNCTION_INFO_V1(trident_vector_gt);
PG_FUNCTION_INFO_V1(trident_vector_cmp);
PG_FUNCTION_INFO_V1(trident_halfvec_lt);
PG_FUNCTION_INFO_V1(trident_halfvec_le);
PG_FUNCTION_INFO_V1(trident_halfvec_eq);
PG_FUNCTION_INFO_V1(trident_halfvec_ne);
PG_FUNCTION_INFO_V1(trident_halfvec_ge);
PG_FUNCTION_INFO_V1(trident_halfvec_gt);
PG_FUNCTION_INFO_V1(trident_halfvec_cmp);

/* The arguments compared: negative, 0 or positive.  btree forbids leaks. */
static int
compare_vectors(FunctionCallInfo fcinfo)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	TridentVector *b = TRIDENT_VECTOR_P(PG_GETARG_DATUM(1));
	int			common = Min(a->dim, b->dim);
	int			result = a->dim - b->dim;

	for (int i = 0; i < common; i++)
	{
		if (a->x[i] != b->x[i])
		{
			result = a->x[i] < b->x[i] ? -1 : 1;
			break;
		}
	}
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/* A float16 as an integer of the same order, both zeroes as 0. */
static inline int
half_rank(TridentHalf h)
{
	int			magnitude = h & 0x7fff;

	return (h & 0x8000) ? -magnitude : magnitude;
}

/* As compare_vectors. */
static int
compare_halfvecs(FunctionCallInfo fcinfo)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	TridentHalfvec *b = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(1));
	int			common = Min(a->dim, b->dim);
	int			result = a->dim - b->dim;

	for (int i = 0; i < common; i++)
	{
		int			difference = half_rank(a->x[i]) - half_rank(b->x[i]);

		if (difference != 0)
		{
			result = difference;
			break;
		}
	}
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/* vector < vector */
Datum
trident_vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_vectors(fcinfo) < 0);
}

/* vector <= vector */
Datum
trident_vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_vectors(fcinfo) <= 0);
}

/* vector = vector */
Datum
trident_vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_vectors(fcinfo) == 0);
}

/* vector <> vector */
Datum
trident_vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_vectors(fcinfo) != 0);
}

/* vector >= vector */
Datum
trident_vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_vectors(fcinfo) >= 0);
}

/* vector > vector */
Datum
trident_vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_vectors(fcinfo) > 0);
}

/* vector_cmp(vector, vector): -1, 0 or 1. */
Datum
trident_vector_cmp(PG_FUNCTION_ARGS)
{
	int			order = compare_vectors(fcinfo);

	PG_RETURN_INT32((order > 0) - (order < 0));
}

/* halfvec < halfvec */
Datum
trident_halfvec_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_halfvecs(fcinfo) < 0);
}

/* halfvec <= halfvec */
Datum
trident_halfvec_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_halfvecs(fcinfo) <= 0);
}

/* halfvec = halfvec */
Datum
trident_halfvec_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_halfvecs(fcinfo) == 0);
}

/* halfvec <> halfvec */
Datum
trident_halfvec_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_halfvecs(fcinfo) != 0);
}

/* halfvec >= halfvec */
Datum
trident_halfvec_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_halfvecs(fcinfo) >= 0);
}

/* halfvec > halfvec */
Datum
trident_halfvec_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_halfvecs(fcinfo) > 0);
}

/* halfvec_cmp(halfvec, halfvec): -1, 0 or 1. */
Datum
trident_halfvec_cmp(PG_FUNCTION_ARGS)
{
	int			order = compare_halfvecs(fcinfo);

	PG_RETURN_INT32((order > 0) - (order < 0));
}
