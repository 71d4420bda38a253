/*
 * half_distance.c
 *	  Distances between halfvecs; distance.c says what holds for both types.
 */
#include "postgres.h"

#include "vector/check.h"
#include "vector/distance.h"

#define TYPE_NAME "halfvec"

PG_FUNCTION_INFO_V1(trident_halfvec_l2_distance);
PG_FUNCTION_INFO_V1(trident_halfvec_l2_squared_distance);
PG_FUNCTION_INFO_V1(trident_halfvec_inner_product);
PG_FUNCTION_INFO_V1(trident_halfvec_negative_inner_product);
PG_FUNCTION_INFO_V1(trident_halfvec_cosine_distance);
PG_FUNCTION_INFO_V1(trident_halfvec_spherical_distance);
PG_FUNCTION_INFO_V1(trident_halfvec_l1_distance);
PG_FUNCTION_INFO_V1(trident_halfvec_norm);
PG_FUNCTION_INFO_V1(trident_halfvec_dims);

/* l2_distance(halfvec, halfvec): the Euclidean distance. */
Datum
trident_halfvec_l2_distance(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_ARGUMENT(0);
	TridentHalfvec *b = TRIDENT_HALFVEC_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8(sqrt((double) trident_simd.l2_squared_f16(a->dim, a->x, b->x)));
}

/* halfvec_l2_squared_distance(halfvec, halfvec): orders like l2_distance. */
Datum
trident_halfvec_l2_squared_distance(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_ARGUMENT(0);
	TridentHalfvec *b = TRIDENT_HALFVEC_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8((double) trident_simd.l2_squared_f16(a->dim, a->x, b->x));
}

/* inner_product(halfvec, halfvec) */
Datum
trident_halfvec_inner_product(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_ARGUMENT(0);
	TridentHalfvec *b = TRIDENT_HALFVEC_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8((double) trident_simd.inner_product_f16(a->dim, a->x, b->x));
}

/* halfvec_negative_inner_product(halfvec, halfvec): the nearest comes first. */
Datum
trident_halfvec_negative_inner_product(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_ARGUMENT(0);
	TridentHalfvec *b = TRIDENT_HALFVEC_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8((double) -trident_simd.inner_product_f16(a->dim, a->x, b->x));
}

/* cosine_distance(halfvec, halfvec): NaN if either is all zeroes. */
Datum
trident_halfvec_cosine_distance(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_ARGUMENT(0);
	TridentHalfvec *b = TRIDENT_HALFVEC_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8(trident_vector_cosine(trident_simd.cosine_f16(a->dim, a->x, b->x)));
}

/* halfvec_spherical_distance(halfvec, halfvec): angle of unit vectors over pi. */
Datum
trident_halfvec_spherical_distance(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_ARGUMENT(0);
	TridentHalfvec *b = TRIDENT_HALFVEC_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8(trident_vector_angle(trident_simd.inner_product_f16(a->dim, a->x, b->x)));
}

/* l1_distance(halfvec, halfvec): the sum of absolute differences. */
Datum
trident_halfvec_l1_distance(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_ARGUMENT(0);
	TridentHalfvec *b = TRIDENT_HALFVEC_ARGUMENT(1);

	trident_vector_check_pair(a->dim, b->dim, TYPE_NAME);
	PG_RETURN_FLOAT8((double) trident_simd.l1_f16(a->dim, a->x, b->x));
}

/* l2_norm(halfvec): the length, summed in float8. */
Datum
trident_halfvec_norm(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));

	PG_RETURN_FLOAT8(sqrt(trident_simd.norm_squared_f16(a->dim, a->x)));
}

/* vector_dims(halfvec): reads no more than the head of a toasted value. */
Datum
trident_halfvec_dims(PG_FUNCTION_ARGS)
{
	TridentHalfvec *head = (TridentHalfvec *)
		PG_DETOAST_DATUM_SLICE(PG_GETARG_DATUM(0), 0, sizeof(int16));

	PG_RETURN_INT32(head->dim);
}
