/*
 * half_arithmetic.c
 *	  What makes a halfvec out of halfvecs; arithmetic.c says what holds for
 *	  both types.
 *
 * + - * are computed in float4 and rounded to float16.  Float4 has more than
 * twice the digits of float16 and two to spare, so the double rounding gives
 * what float16 arithmetic would.
 */
#include "postgres.h"

#include "utils/float.h"

#include "base/compat.h"
#include "vector/arithmetic.h"
#include "vector/check.h"

#define TYPE_NAME "halfvec"

PG_FUNCTION_INFO_V1(trident_halfvec_add);
PG_FUNCTION_INFO_V1(trident_halfvec_sub);
PG_FUNCTION_INFO_V1(trident_halfvec_mul);
PG_FUNCTION_INFO_V1(trident_halfvec_concat);
PG_FUNCTION_INFO_V1(trident_halfvec_subvector);
PG_FUNCTION_INFO_V1(trident_halfvec_l2_normalize);
PG_FUNCTION_INFO_V1(trident_halfvec_binary_quantize);

/* The elements of a as float4, palloc'd. */
static float *
widen(const TridentHalfvec *a)
{
	float	   *x = palloc(a->dim * sizeof(float));

	trident_simd.f16_to_f32(a->dim, a->x, x);
	return x;
}

/* A halfvec of the elements of x; raises if one overflows. */
static TridentHalfvec *
narrow(int dim, const float *x)
{
	TridentHalfvec *result = trident_halfvec_new(dim);

	trident_simd.f32_to_f16(dim, x, result->x);
	for (int i = 0; i < dim; i++)
	{
		if (unlikely(trident_halfvec_is_inf(result->x[i])))
			float_overflow_error();
	}
	return result;
}

/* halfvec + halfvec */
Datum
trident_halfvec_add(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	TridentHalfvec *b = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(1));
	float	   *ax;
	float	   *bx;

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	ax = widen(a);
	bx = widen(b);
	for (int i = 0; i < a->dim; i++)
		ax[i] += bx[i];
	PG_RETURN_POINTER(narrow(a->dim, ax));
}

/* halfvec - halfvec */
Datum
trident_halfvec_sub(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	TridentHalfvec *b = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(1));
	float	   *ax;
	float	   *bx;

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	ax = widen(a);
	bx = widen(b);
	for (int i = 0; i < a->dim; i++)
		ax[i] -= bx[i];
	PG_RETURN_POINTER(narrow(a->dim, ax));
}

/* halfvec * halfvec, element by element */
Datum
trident_halfvec_mul(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	TridentHalfvec *b = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(1));
	TridentHalfvec *result;
	float	   *ax;
	float	   *bx;

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	ax = widen(a);
	bx = widen(b);
	for (int i = 0; i < a->dim; i++)
		ax[i] *= bx[i];
	result = narrow(a->dim, ax);
	for (int i = 0; i < a->dim; i++)
	{
		if (unlikely(trident_halfvec_is_zero(result->x[i]) &&
					 !trident_halfvec_is_zero(a->x[i]) &&
					 !trident_halfvec_is_zero(b->x[i])))
			float_underflow_error();
	}
	PG_RETURN_POINTER(result);
}

/* halfvec || halfvec */
Datum
trident_halfvec_concat(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	TridentHalfvec *b = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(1));
	TridentHalfvec *result;

	trident_vector_check_dim(a->dim + b->dim, TYPE_NAME);
	result = trident_halfvec_new(a->dim + b->dim);
	memcpy(result->x, a->x, a->dim * sizeof(TridentHalf));
	memcpy(result->x + a->dim, b->x, b->dim * sizeof(TridentHalf));
	PG_RETURN_POINTER(result);
}

/* subvector(halfvec, start, count): elements from the 1-based start on. */
Datum
trident_halfvec_subvector(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	int32		start = PG_GETARG_INT32(1);
	int			dim = trident_vector_subvector_range(a->dim, &start,
													 PG_GETARG_INT32(2),
													 TYPE_NAME);
	TridentHalfvec *result = trident_halfvec_new(dim);

	memcpy(result->x, a->x + start - 1, dim * sizeof(TridentHalf));
	PG_RETURN_POINTER(result);
}

/* l2_normalize(halfvec): of length 1; zeroes stay zeroes. */
Datum
trident_halfvec_l2_normalize(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	double		norm = sqrt(trident_simd.norm_squared_f16(a->dim, a->x));
	float	   *x;

	if (norm == 0)
		PG_RETURN_POINTER(trident_halfvec_new(a->dim));
	x = widen(a);
	for (int i = 0; i < a->dim; i++)
		x[i] = (float) (x[i] / norm);
	PG_RETURN_POINTER(narrow(a->dim, x));
}

/* binary_quantize(halfvec): bit i is set where element i is above 0. */
Datum
trident_halfvec_binary_quantize(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));

	PG_RETURN_VARBIT_P(trident_vector_signs(a->dim, widen(a)));
}
