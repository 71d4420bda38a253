/*
 * typmod.c
 *	  The (n) of vector(n) and halfvec(n): the number of dimensions, as is.
 */
#include "postgres.h"

#include "utils/array.h"

#include "base/compat.h"
#include "vector/check.h"

PG_FUNCTION_INFO_V1(trident_vector_typmod_in);
PG_FUNCTION_INFO_V1(trident_halfvec_typmod_in);
PG_FUNCTION_INFO_V1(trident_vector_coerce);
PG_FUNCTION_INFO_V1(trident_halfvec_coerce);

/* The type modifier in array, checked. */
static int32
read_typmod(ArrayType *array, const char *type)
{
	int			n;
	int32	   *values = ArrayGetIntegerTypmods(array, &n);

	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier")));
	if (*values < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s must be at least 1", type)));
	if (*values > TRIDENT_VECTOR_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s cannot exceed %d",
						type, TRIDENT_VECTOR_MAX_DIM)));
	return *values;
}

/* vector_typmod_in(cstring[]) */
Datum
trident_vector_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(read_typmod(PG_GETARG_ARRAYTYPE_P(0), "vector"));
}

/* halfvec_typmod_in(cstring[]) */
Datum
trident_halfvec_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(read_typmod(PG_GETARG_ARRAYTYPE_P(0), "halfvec"));
}

/* vector(vector, integer, boolean): unchanged, if it fits the modifier. */
Datum
trident_vector_coerce(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));

	trident_vector_check_typmod(PG_GETARG_INT32(1), a->dim);
	PG_RETURN_POINTER(a);
}

/* halfvec(halfvec, integer, boolean): unchanged, if it fits the modifier. */
Datum
trident_halfvec_coerce(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));

	trident_vector_check_typmod(PG_GETARG_INT32(1), a->dim);
	PG_RETURN_POINTER(a);
}
