/*
 * io.c
 *	  Text and binary forms of vector, and the parts of them that halfvec has
 *	  too.
 *
 * Binary, big-endian: int16 dim, int16 0, then dim float4 (vector) or float16
 * (halfvec).  Both forms equal pgvector's.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"

#include "base/compat.h"
#include "vector/check.h"
#include "vector/io.h"

#define TYPE_NAME "vector"
/* dim and the unused word */
#define HEAD_BYTES 4

PG_FUNCTION_INFO_V1(trident_vector_in);
PG_FUNCTION_INFO_V1(trident_vector_out);
PG_FUNCTION_INFO_V1(trident_vector_recv);
PG_FUNCTION_INFO_V1(trident_vector_send);

/* Turn an outcome other than OK into its error; always false. */
static bool
refuse_text(TridentVectorParseOutcome outcome, const TridentVectorParse *parse,
			const char *text, const char *type, Node *context)
{
	switch (outcome)
	{
		case TRIDENT_VECTOR_PARSE_EMPTY:
			ereturn(context, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("%s must have at least 1 dimension", type)));
		case TRIDENT_VECTOR_PARSE_TOO_MANY:
			ereturn(context, false,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("%s cannot have more than %d dimensions",
							type, parse->max_dim)));
		case TRIDENT_VECTOR_PARSE_RANGE:
			ereturn(context, false,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("\"%.*s\" is out of range for type %s",
							parse->length, parse->at, type)));
		case TRIDENT_VECTOR_PARSE_NAN:
			ereturn(context, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("NaN not allowed in %s", type)));
		case TRIDENT_VECTOR_PARSE_INFINITE:
			ereturn(context, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("infinite value not allowed in %s", type)));
		default:
			ereturn(context, false,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid input syntax for type %s: \"%s\"", type, text),
					 outcome == TRIDENT_VECTOR_PARSE_NO_BRACKET ?
					 errdetail("Vector contents must start with \"[\".") :
					 outcome == TRIDENT_VECTOR_PARSE_JUNK ?
					 errdetail("Junk after closing right brace.") : 0));
	}
}

/* See io.h. */
bool
trident_vector_read_text(const char *text, const char *type, int32 typmod,
						 Node *context, TridentVectorParse *parse)
{
	TridentVectorParseOutcome outcome = trident_vector_parse(text, parse);

	if (outcome != TRIDENT_VECTOR_PARSE_OK)
		return refuse_text(outcome, parse, text, type, context);
	if (typmod != -1 && typmod != parse->dim)
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, parse->dim)));
	return true;
}

/* See io.h. */
const char *
trident_vector_read_head(StringInfo message, const char *type, int32 typmod,
						 int element_size, int *dim)
{
	int			unused;

	*dim = (int16) pq_getmsgint(message, 2);
	unused = (int16) pq_getmsgint(message, 2);
	trident_vector_check_dim(*dim, type);
	trident_vector_check_typmod(typmod, *dim);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused)));
	return pq_getmsgbytes(message, *dim * element_size);
}

/* See io.h. */
char *
trident_vector_write_text(int dim, const float *x)
{
	/* The longest number counts a NUL, whose place the separator takes. */
	char	   *text = palloc(FLOAT_SHORTEST_DECIMAL_LEN * (Size) dim + 3);
	char	   *at = text;

	*at++ = '[';
	for (int i = 0; i < dim; i++)
	{
		if (i > 0)
			*at++ = ',';
		at += float_to_shortest_decimal_bufn(x[i], at);
	}
	*at++ = ']';
	*at = '\0';
	return text;
}

/* See io.h. */
bytea *
trident_vector_write_head(int dim, int element_size, char **elements)
{
	Size		size = VARHDRSZ + HEAD_BYTES + (Size) dim * element_size;
	bytea	   *result = palloc(size);
	uint16		head[2] = {pg_hton16((uint16) dim), 0};

	SET_VARSIZE(result, size);
	memcpy(VARDATA(result), head, HEAD_BYTES);
	*elements = VARDATA(result) + HEAD_BYTES;
	return result;
}

/* vector_in(cstring, oid, integer): from text. */
Datum
trident_vector_in(PG_FUNCTION_ARGS)
{
	float		x[TRIDENT_VECTOR_MAX_DIM];
	TridentVectorParse parse = {
		.x = x, .max_dim = TRIDENT_VECTOR_MAX_DIM, .limit = HUGE_VALF
	};
	TridentVector *result;

	if (!trident_vector_read_text(PG_GETARG_CSTRING(0), TYPE_NAME,
								  PG_GETARG_INT32(2), fcinfo->context, &parse))
		PG_RETURN_NULL();
	result = trident_vector_new(parse.dim);
	memcpy(result->x, x, parse.dim * sizeof(float));
	PG_RETURN_POINTER(result);
}

/* vector_out(vector): to text. */
Datum
trident_vector_out(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	char	   *text = trident_vector_write_text(a->dim, a->x);

	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_CSTRING(text);
}

/* vector_recv(internal, oid, integer): from binary. */
Datum
trident_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			dim;
	const char *elements = trident_vector_read_head(message, TYPE_NAME,
													PG_GETARG_INT32(2),
													sizeof(float), &dim);
	TridentVector *result = trident_vector_new(dim);

	for (int i = 0; i < dim; i++)
	{
		uint32		bits;

		memcpy(&bits, elements + i * sizeof(bits), sizeof(bits));
		bits = pg_ntoh32(bits);
		memcpy(&result->x[i], &bits, sizeof(bits));
	}
	trident_vector_check_elements(dim, result->x, TYPE_NAME);
	PG_RETURN_POINTER(result);
}

/* vector_send(vector): to binary. */
Datum
trident_vector_send(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(0));
	char	   *elements;
	bytea	   *result = trident_vector_write_head(a->dim, sizeof(float),
												   &elements);

	for (int i = 0; i < a->dim; i++)
	{
		uint32		bits;

		memcpy(&bits, &a->x[i], sizeof(bits));
		bits = pg_hton32(bits);
		memcpy(elements + i * sizeof(bits), &bits, sizeof(bits));
	}
	PG_FREE_IF_COPY(a, 0);
	PG_RETURN_BYTEA_P(result);
}
