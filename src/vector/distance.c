/*
 * distance.c
 *	  Distances between vectors.
 *
 * These run once a row of a sequential scan: one check, one indirect call of
 * a kernel.  Sums are in float4, as pgvector's; results are float8.  Detoasted
 * copies are left to the caller's per-tuple context.
 */
#include "postgres.h"

#include "vector/check.h"
#include "vector/distance.h"

#define TYPE_NAME "vector"

PG_FUNCTION_INFO_V1(trident_vector_l2_distance);
PG_FUNCTION_INFO_V1(trident_vector_l2_squared_distance);
PG_FUNCTION_INFO_V1(trident_vector_inner_product);
PG_FUNCTION_INFO_V1(trident_vector_negative_inner_product);
PG_FUNCTION_INFO_V1(trident_vector_cosine_distance);
PG_FUNCTION_INFO_V1(trident_vector_spherical_distance);
PG_FUNCTION_INFO_V1(trident_vector_l1_distance);
PG_FUNCTION_INFO_V1(trident_vector_norm);
PG_FUNCTION_INFO_V1(trident_vector_dims);

/* l2_distance(vector, vector): the Euclidean distance. */
Datum
trident_vector_l2_distance(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_ARGUMENT(0);
	TridentVector *b = TRIDENT_VECTOR_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8(sqrt((double) trident_simd.l2_squared_f32(a->dim, a->x, b->x)));
}

/* vector_l2_squared_distance(vector, vector): orders like l2_distance. */
Datum
trident_vector_l2_squared_distance(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_ARGUMENT(0);
	TridentVector *b = TRIDENT_VECTOR_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8((double) trident_simd.l2_squared_f32(a->dim, a->x, b->x));
}

/* inner_product(vector, vector) */
Datum
trident_vector_inner_product(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_ARGUMENT(0);
	TridentVector *b = TRIDENT_VECTOR_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8((double) trident_simd.inner_product_f32(a->dim, a->x, b->x));
}

/* vector_negative_inner_product(vector, vector): the nearest comes first. */
Datum
trident_vector_negative_inner_product(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_ARGUMENT(0);
	TridentVector *b = TRIDENT_VECTOR_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8((double) -trident_simd.inner_product_f32(a->dim, a->x, b->x));
}

/* cosine_distance(vector, vector): NaN if either is all zeroes. */
Datum
trident_vector_cosine_distance(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_ARGUMENT(0);
	TridentVector *b = TRIDENT_VECTOR_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8(trident_vector_cosine(trident_simd.cosine_f32(a->dim, a->x, b->x)));
}

/* vector_spherical_distance(vector, vector): angle of unit vectors over pi. */
Datum
trident_vector_spherical_distance(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_ARGUMENT(0);
	TridentVector *b = TRIDENT_VECTOR_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8(trident_vector_angle(trident_simd.inner_product_f32(a->dim, a->x, b->x)));
}

/* l1_distance(vector, vector): the sum of absolute differences. */
Datum
trident_vector_l1_distance(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_ARGUMENT(0);
	TridentVector *b = TRIDENT_VECTOR_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8((double) trident_simd.l1_f32(a->dim, a->x, b->x));
}

/* vector_norm(vector), l2_norm(vector): the length, summed in float8. */
Datum
trident_vector_norm(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));

	PG_RETURN_FLOAT8(sqrt(trident_simd.norm_squared_f32(a->dim, a->x)));
}

/* vector_dims(vector): reads no more than the head of a toasted value. */
Datum
trident_vector_dims(PG_FUNCTION_ARGS)
{
	TridentVector *head = (TridentVector *)
		PG_DETOAST_DATUM_SLICE(PG_GETARG_DATUM(0), 0, sizeof(int16));

	PG_RETURN_INT32(head->dim);
}
