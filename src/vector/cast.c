/*
 * cast.c
 *	  Casts between vector, halfvec and arrays of numbers.
 *
 * All take (value, typmod, is_explicit), as casts with a length do.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "vector/check.h"

PG_FUNCTION_INFO_V1(trident_vector_from_array);
PG_FUNCTION_INFO_V1(trident_vector_from_halfvec);
PG_FUNCTION_INFO_V1(trident_vector_to_array);
PG_FUNCTION_INFO_V1(trident_halfvec_from_array);
PG_FUNCTION_INFO_V1(trident_halfvec_from_vector);
PG_FUNCTION_INFO_V1(trident_halfvec_to_array);

/* The number of elements of array, refused where type cannot have them. */
static int
check_array(ArrayType *array, int32 typmod, const char *type)
{
	int			dim;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D")));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));
	dim = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	trident_vector_check_dim(dim, type);
	trident_vector_check_typmod(typmod, dim);
	return dim;
}

/* dim numerics, which stand one after another in array, as floats. */
static void
read_numerics(ArrayType *array, int dim, float *x)
{
	Datum	   *numerics;

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT,
					  &numerics, NULL, &dim);
	for (int i = 0; i < dim; i++)
		x[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4, numerics[i]));
	pfree(numerics);
}

/* The dim elements of array, none of them NULL, as floats. */
static void
read_elements(ArrayType *array, int dim, float *x)
{
	const void *data = ARR_DATA_PTR(array);

	switch (ARR_ELEMTYPE(array))
	{
		case INT4OID:
			for (int i = 0; i < dim; i++)
				x[i] = (float) ((const int32 *) data)[i];
			break;
		case FLOAT4OID:
			memcpy(x, data, dim * sizeof(float));
			break;
		case FLOAT8OID:
			for (int i = 0; i < dim; i++)
				x[i] = (float) ((const float8 *) data)[i];
			break;
		case NUMERICOID:
			read_numerics(array, dim, x);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("unsupported array type")));
	}
}

/* A real[] of dim elements, for the caller to fill. */
static ArrayType *
new_array(int dim)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float4) * dim;
	ArrayType  *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = dim;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

/* array_to_vector(int4[] | real[] | float8[] | numeric[], integer, boolean) */
Datum
trident_vector_from_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			dim = check_array(array, PG_GETARG_INT32(1), "vector");
	TridentVector *result = trident_vector_new(dim);

	read_elements(array, dim, result->x);
	trident_vector_check_elements(dim, result->x, "vector");
	PG_RETURN_POINTER(result);
}

/* halfvec_to_vector(halfvec, integer, boolean) */
Datum
trident_vector_from_halfvec(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	TridentVector *result;

	trident_vector_check_typmod(PG_GETARG_INT32(1), a->dim);
	result = trident_vector_new(a->dim);
	trident_simd.f16_to_f32(a->dim, a->x, result->x);
	PG_RETURN_POINTER(result);
}

/* vector_to_float4(vector, integer, boolean) */
Datum
trident_vector_to_array(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	ArrayType  *result = new_array(a->dim);

	memcpy(ARR_DATA_PTR(result), a->x, a->dim * sizeof(float));
	PG_RETURN_ARRAYTYPE_P(result);
}

/* array_to_halfvec(int4[] | real[] | float8[] | numeric[], integer, boolean) */
Datum
trident_halfvec_from_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			dim = check_array(array, PG_GETARG_INT32(1), "halfvec");
	float	   *x = palloc(dim * sizeof(float));

	read_elements(array, dim, x);
	PG_RETURN_POINTER(trident_halfvec_from_floats(dim, x));
}

/* vector_to_halfvec(vector, integer, boolean) */
Datum
trident_halfvec_from_vector(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));

	trident_vector_check_typmod(PG_GETARG_INT32(1), a->dim);
	PG_RETURN_POINTER(trident_halfvec_from_floats(a->dim, a->x));
}

/* halfvec_to_float4(halfvec, integer, boolean) */
Datum
trident_halfvec_to_array(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	ArrayType  *result = new_array(a->dim);

	trident_simd.f16_to_f32(a->dim, a->x, (float *) ARR_DATA_PTR(result));
	PG_RETURN_ARRAYTYPE_P(result);
}
