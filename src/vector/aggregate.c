/*
 * aggregate.c
 *	  The steps of avg() over vectors and halfvecs.
 *
 * State: float8[] {count, sum of element 1, sum of element 2, ...}; {0} before
 * the first value.  A float8[] can be sent between parallel workers as it is.
 * In an aggregate the state is changed in place: its dimensions are known from
 * the first value on, and making a new array for each value is what an average
 * would spend its time on.  sum() needs no state of its own: it adds.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"

#include "base/compat.h"
#include "vector/check.h"

PG_FUNCTION_INFO_V1(trident_vector_accum);
PG_FUNCTION_INFO_V1(trident_vector_combine);
PG_FUNCTION_INFO_V1(trident_vector_avg);
PG_FUNCTION_INFO_V1(trident_halfvec_accum);
PG_FUNCTION_INFO_V1(trident_halfvec_combine);
PG_FUNCTION_INFO_V1(trident_halfvec_avg);

#define STATE_VALUES(state) ((float8 *) ARR_DATA_PTR(state))
/* Dimensions summed so far; 0 before the first value. */
#define STATE_DIM(state) (ARR_DIMS(state)[0] - 1)

/*
 * Argument number n as a state.  These functions can be called by anybody with
 * any array; the SQLSTATE is pgvector's.
 */
static ArrayType *
get_state(FunctionCallInfo fcinfo, int n, const char *caller)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(n);

	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] < 1 ||
		ARR_HASNULL(state) || ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("%s: expected state array", caller)));
	return state;
}

/* A state of count 0 and dim zeroes. */
static ArrayType *
new_state(int dim)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float8) * (dim + 1);
	ArrayType  *state = palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->dataoffset = 0;
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = dim + 1;
	ARR_LBOUND(state)[0] = 1;
	return state;
}

/* The state to add to: the one given if it may be changed, else a copy. */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, ArrayType *state, int dim)
{
	ArrayType  *result;

	if (STATE_DIM(state) == dim && AggCheckCallContext(fcinfo, NULL))
		return state;
	result = new_state(dim);
	memcpy(STATE_VALUES(result), STATE_VALUES(state),
		   sizeof(float8) * ARR_DIMS(state)[0]);
	return result;
}

/* Argument 0 with one more value of dim elements x. */
static Datum
accumulate(FunctionCallInfo fcinfo, int dim, const float *x, const char *caller)
{
	ArrayType  *state = get_state(fcinfo, 0, caller);
	float8	   *sums;

	if (STATE_DIM(state) != 0)
		trident_vector_check_typmod(STATE_DIM(state), dim);
	state = writable_state(fcinfo, state, dim);
	sums = STATE_VALUES(state);
	sums[0] += 1;
	for (int i = 0; i < dim; i++)
	{
		sums[i + 1] += x[i];
		if (unlikely(isinf(sums[i + 1])))
			float_overflow_error();
	}
	PG_RETURN_ARRAYTYPE_P(state);
}

/* The states of arguments 0 and 1 as one. */
static Datum
combine(FunctionCallInfo fcinfo, const char *caller, const char *type)
{
	ArrayType  *a = get_state(fcinfo, 0, caller);
	ArrayType  *b = get_state(fcinfo, 1, caller);
	int			dim = STATE_DIM(a) != 0 ? STATE_DIM(a) : STATE_DIM(b);
	float8	   *sums;

	if (dim != 0)
		trident_vector_check_dim(dim, type);
	if (STATE_DIM(b) != 0)
		trident_vector_check_typmod(dim, STATE_DIM(b));
	a = writable_state(fcinfo, a, dim);
	sums = STATE_VALUES(a);
	for (int i = 0; i <= STATE_DIM(b); i++)
	{
		sums[i] += STATE_VALUES(b)[i];
		if (unlikely(i > 0 && isinf(sums[i])))
			float_overflow_error();
	}
	PG_RETURN_ARRAYTYPE_P(a);
}

/* The averages of state as float4, palloc'd; NULL of no values. */
static float *
averages(ArrayType *state, const char *type)
{
	const float8 *sums = STATE_VALUES(state);
	int			dim = STATE_DIM(state);
	float	   *x;

	if (sums[0] == 0.0)
		return NULL;
	trident_vector_check_dim(dim, type);
	x = palloc(dim * sizeof(float));
	for (int i = 0; i < dim; i++)
		x[i] = (float) (sums[i + 1] / sums[0]);
	return x;
}

/* vector_accum(double precision[], vector) */
Datum
trident_vector_accum(PG_FUNCTION_ARGS)
{
	TridentVector *a = TRIDENT_VECTOR_P(PG_GETARG_DATUM(1));

	return accumulate(fcinfo, a->dim, a->x, "vector_accum");
}

/* halfvec_accum(double precision[], halfvec) */
Datum
trident_halfvec_accum(PG_FUNCTION_ARGS)
{
	TridentHalfvec *a = TRIDENT_HALFVEC_P(PG_GETARG_DATUM(1));
	float	   *x = palloc(a->dim * sizeof(float));

	trident_simd.f16_to_f32(a->dim, a->x, x);
	return accumulate(fcinfo, a->dim, x, "halfvec_accum");
}

/* vector_combine(double precision[], double precision[]) */
Datum
trident_vector_combine(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, "vector_combine", "vector");
}

/* halfvec_combine(double precision[], double precision[]) */
Datum
trident_halfvec_combine(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, "halfvec_combine", "halfvec");
}

/* vector_avg(double precision[]): NULL of no values. */
Datum
trident_vector_avg(PG_FUNCTION_ARGS)
{
	ArrayType  *state = get_state(fcinfo, 0, "vector_avg");
	float	   *x = averages(state, "vector");
	TridentVector *result;

	if (x == NULL)
		PG_RETURN_NULL();
	trident_vector_check_elements(STATE_DIM(state), x, "vector");
	result = trident_vector_new(STATE_DIM(state));
	memcpy(result->x, x, STATE_DIM(state) * sizeof(float));
	PG_RETURN_POINTER(result);
}

/* halfvec_avg(double precision[]): NULL of no values. */
Datum
trident_halfvec_avg(PG_FUNCTION_ARGS)
{
	ArrayType  *state = get_state(fcinfo, 0, "halfvec_avg");
	float	   *x = averages(state, "halfvec");

	if (x == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(trident_halfvec_from_floats(STATE_DIM(state), x));
}
