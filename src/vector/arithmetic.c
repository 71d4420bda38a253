/*
 * arithmetic.c
 *	  What makes a vector out of vectors: + - *, concatenation, parts,
 *	  normalizing, signs.
 *
 * Overflow is an error, and so is a product that underflows to zero, as in
 * float4's own operators.
 */
#include "postgres.h"

#include "utils/float.h"
#include "utils/varbit.h"

#include "base/compat.h"
#include "vector/arithmetic.h"
#include "vector/check.h"

#define TYPE_NAME "vector"

PG_FUNCTION_INFO_V1(trident_vector_add);
PG_FUNCTION_INFO_V1(trident_vector_sub);
PG_FUNCTION_INFO_V1(trident_vector_mul);
PG_FUNCTION_INFO_V1(trident_vector_concat);
PG_FUNCTION_INFO_V1(trident_vector_subvector);
PG_FUNCTION_INFO_V1(trident_vector_l2_normalize);
PG_FUNCTION_INFO_V1(trident_vector_binary_quantize);

/* See arithmetic.h. */
int
trident_vector_subvector_range(int dim, int32 *start, int32 count,
							   const char *type)
{
	/* 64 bits: start and count may be anything. */
	int64		first = Max((int64) *start, 1);
	int64		last = Min((int64) *start + count - 1, dim);

	if (count < 1 || first > last)
		trident_vector_refuse_dim(0, type);
	*start = (int32) first;
	return (int) (last - first + 1);
}

/* See arithmetic.h. */
VarBit *
trident_vector_signs(int dim, const float *x)
{
	Size		size = VARBITTOTALLEN(dim);
	VarBit	   *result = palloc0(size);
	bits8	   *bits = VARBITS(result);
	int			i = 0;

	SET_VARSIZE(result, size);
	VARBITLEN(result) = dim;
	/* Whole bytes first: their eight bits are put together in a register. */
	for (; i + BITS_PER_BYTE <= dim; i += BITS_PER_BYTE)
	{
		bits8		byte = 0;

		for (int j = 0; j < BITS_PER_BYTE; j++)
			byte = byte << 1 | (x[i + j] > 0);
		*bits++ = byte;
	}
	for (int shift = BITS_PER_BYTE - 1; i < dim; i++, shift--)
		*bits |= (x[i] > 0) << shift;
	return result;
}

/* vector + vector */
Datum
trident_vector_add(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	TridentVector *b = TRIDENT_VECTOR_P(PG_GETARG_DATUM(1));
	TridentVector *result;

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	/* As the transition function of sum(), the state is ours to change. */
	result = AggCheckCallContext(fcinfo, NULL) ? a : trident_vector_new(a->dim);
	for (int i = 0; i < a->dim; i++)
	{
		result->x[i] = a->x[i] + b->x[i];
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
	}
	PG_RETURN_POINTER(result);
}

/* vector - vector */
Datum
trident_vector_sub(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	TridentVector *b = TRIDENT_VECTOR_P(PG_GETARG_DATUM(1));
	TridentVector *result;

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	result = trident_vector_new(a->dim);
	for (int i = 0; i < a->dim; i++)
	{
		result->x[i] = a->x[i] - b->x[i];
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
	}
	PG_RETURN_POINTER(result);
}

/* vector * vector, element by element */
Datum
trident_vector_mul(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	TridentVector *b = TRIDENT_VECTOR_P(PG_GETARG_DATUM(1));
	TridentVector *result;

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	result = trident_vector_new(a->dim);
	for (int i = 0; i < a->dim; i++)
	{
		result->x[i] = a->x[i] * b->x[i];
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
		if (unlikely(result->x[i] == 0 && a->x[i] != 0 && b->x[i] != 0))
			float_underflow_error();
	}
	PG_RETURN_POINTER(result);
}

/* vector || vector */
Datum
trident_vector_concat(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	TridentVector *b = TRIDENT_VECTOR_P(PG_GETARG_DATUM(1));
	TridentVector *result;

	trident_vector_check_dim(a->dim + b->dim, TYPE_NAME);
	result = trident_vector_new(a->dim + b->dim);
	memcpy(result->x, a->x, a->dim * sizeof(float));
	memcpy(result->x + a->dim, b->x, b->dim * sizeof(float));
	PG_RETURN_POINTER(result);
}

/* subvector(vector, start, count): elements from the 1-based start on. */
Datum
trident_vector_subvector(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	int32		start = PG_GETARG_INT32(1);
	int			dim = trident_vector_subvector_range(a->dim, &start,
													 PG_GETARG_INT32(2),
													 TYPE_NAME);
	TridentVector *result = trident_vector_new(dim);

	memcpy(result->x, a->x + start - 1, dim * sizeof(float));
	PG_RETURN_POINTER(result);
}

/* l2_normalize(vector): of length 1; zeroes stay zeroes. */
Datum
trident_vector_l2_normalize(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	TridentVector *result = trident_vector_new(a->dim);
	double		norm = sqrt(trident_simd.norm_squared_f32(a->dim, a->x));

	if (norm > 0)
	{
		for (int i = 0; i < a->dim; i++)
		{
			result->x[i] = (float) (a->x[i] / norm);
			if (unlikely(isinf(result->x[i])))
				float_overflow_error();
		}
	}
	PG_RETURN_POINTER(result);
}

/* binary_quantize(vector): bit i is set where element i is above 0. */
Datum
trident_vector_binary_quantize(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));

	PG_RETURN_VARBIT_P(trident_vector_signs(a->dim, a->x));
}
