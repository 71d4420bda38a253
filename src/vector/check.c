/*
 * check.c
 *	  The errors behind the checks of check.h, and the makers of new values.
 */
#include "postgres.h"

#include "common/shortest_dec.h"

#include "base/compat.h"
#include "vector/check.h"

/* Raise for a number of dimensions outside 1..16000. */
void
trident_vector_refuse_dim(int dim, const char *type)
{
	if (dim < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s must have at least 1 dimension", type)));
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s cannot have more than %d dimensions",
					type, TRIDENT_VECTOR_MAX_DIM)));
}

/* Raise for a value that does not fit its declared dimensions. */
void
trident_vector_refuse_typmod(int32 typmod, int dim)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("expected %d dimensions, not %d", typmod, dim)));
}

/* Raise for two values of different lengths. */
void
trident_vector_refuse_pair(int a, int b, const char *type)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("different %s dimensions %d and %d", type, a, b)));
}

/* Raise for an element that is NaN or infinite. */
void
trident_vector_refuse_element(float value, const char *type)
{
	if (isnan(value))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in %s", type)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("infinite value not allowed in %s", type)));
}

/* Raise for a finite float4 that float16 cannot hold. */
void
trident_halfvec_refuse_range(float value)
{
	char		text[FLOAT_SHORTEST_DECIMAL_LEN];

	float_to_shortest_decimal_buf(value, text);
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("\"%s\" is out of range for type halfvec", text)));
}

/*
 * A new vector of dim zeroes, palloc'd in the current context.  dim has been
 * checked by the caller.
 */
TridentVector *
trident_vector_new(int dim)
{
	Size		size = TRIDENT_VECTOR_SIZE(dim);
	TridentVector *result = palloc0(size);

	SET_VARSIZE(result, size);
	result->dim = (int16) dim;
	return result;
}

/* As trident_vector_new, of type halfvec. */
TridentHalfvec *
trident_halfvec_new(int dim)
{
	Size		size = TRIDENT_HALFVEC_SIZE(dim);
	TridentHalfvec *result = palloc0(size);

	SET_VARSIZE(result, size);
	result->dim = (int16) dim;
	return result;
}
