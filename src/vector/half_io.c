/*
 * half_io.c
 *	  Text and binary forms of halfvec; io.c says what holds for both types.
 *
 * An element is read as float4 and then rounded to float16.  Written, it is
 * the shortest decimal of the float4 that equals it.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "base/compat.h"
#include "vector/check.h"
#include "vector/io.h"

#define TYPE_NAME "halfvec"
/* 65504 is the largest; halfway to the next step rounding gives infinity. */
#define HALF_LIMIT 65520.0f

PG_FUNCTION_INFO_V1(trident_halfvec_in);
PG_FUNCTION_INFO_V1(trident_halfvec_out);
PG_FUNCTION_INFO_V1(trident_halfvec_recv);
PG_FUNCTION_INFO_V1(trident_halfvec_send);

/* halfvec_in(cstring, oid, integer): from text. */
Datum
trident_halfvec_in(PG_FUNCTION_ARGS)
{
	float		x[TRIDENT_VECTOR_MAX_DIM];
	TridentVectorParse parse = {
		.x = x, .max_dim = TRIDENT_VECTOR_MAX_DIM, .limit = HALF_LIMIT
	};
	TridentHalfvec *result;

	if (!trident_vector_read_text(PG_GETARG_CSTRING(0), TYPE_NAME,
								  PG_GETARG_INT32(2), fcinfo->context, &parse))
		PG_RETURN_NULL();
	result = trident_halfvec_new(parse.dim);
	trident_simd.f32_to_f16(parse.dim, x, result->x);
	PG_RETURN_POINTER(result);
}

/* halfvec_out(halfvec): to text. */
Datum
trident_halfvec_out(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	float	   *x = palloc(a->dim * sizeof(float));
	char	   *text;

	trident_simd.f16_to_f32(a->dim, a->x, x);
	text = trident_vector_write_text(a->dim, x);
	pfree(x);
	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_CSTRING(text);
}

/* halfvec_recv(internal, oid, integer): from binary. */
Datum
trident_halfvec_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			dim;
	const char *elements = trident_vector_read_head(message, TYPE_NAME,
													PG_GETARG_INT32(2),
													sizeof(TridentHalf), &dim);
	TridentHalfvec *result = trident_halfvec_new(dim);

	for (int i = 0; i < dim; i++)
	{
		TridentHalf bits;

		memcpy(&bits, elements + i * sizeof(bits), sizeof(bits));
		result->x[i] = pg_ntoh16(bits);
	}
	trident_halfvec_check_elements(dim, result->x);
	PG_RETURN_POINTER(result);
}

/* halfvec_send(halfvec): to binary. */
Datum
trident_halfvec_send(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(0));
	char	   *elements;
	bytea	   *result = trident_vector_write_head(a->dim, sizeof(TridentHalf),
												   &elements);

	for (int i = 0; i < a->dim; i++)
	{
		TridentHalf bits = pg_hton16(a->x[i]);

		memcpy(elements + i * sizeof(bits), &bits, sizeof(bits));
	}
	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_BYTEA_P(result);
}
