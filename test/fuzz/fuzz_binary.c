/*
 * fuzz_binary.c
 *	  vector_recv and halfvec_recv on any message.
 *
 * The first byte chooses the type and whether there is a typmod; the rest is
 * the message.  What is accepted must have sane dimensions and finite
 * elements, and must be sent as the bytes that it was received from.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"

#include "shim.h"
#include "vector/vector.h"

extern Datum trident_vector_recv(PG_FUNCTION_ARGS);
extern Datum trident_vector_send(PG_FUNCTION_ARGS);
extern Datum trident_halfvec_recv(PG_FUNCTION_ARGS);
extern Datum trident_halfvec_send(PG_FUNCTION_ARGS);

static void
check_vector(StringInfo message, int32 typmod)
{
	TridentVector *vector = (TridentVector *)
		DatumGetPointer(shim_call_input(trident_vector_recv, PointerGetDatum(message), typmod));
	bytea	   *sent = (bytea *)
		DatumGetPointer(shim_call(trident_vector_send, PointerGetDatum(vector)));

	SHIM_HOLDS(vector->dim >= 1 && vector->dim <= TRIDENT_VECTOR_MAX_DIM);
	SHIM_HOLDS(typmod == -1 || typmod == vector->dim);
	SHIM_HOLDS(vector->unused == 0);
	SHIM_HOLDS(VARSIZE(vector) == TRIDENT_VECTOR_SIZE(vector->dim));
	for (int i = 0; i < vector->dim; i++)
		SHIM_HOLDS(isfinite(vector->x[i]));
	SHIM_HOLDS((int) (VARSIZE(sent) - VARHDRSZ) == message->cursor);
	SHIM_HOLDS(memcmp(VARDATA(sent), message->data, message->cursor) == 0);
}

static void
check_halfvec(StringInfo message, int32 typmod)
{
	TridentHalfvec *halfvec = (TridentHalfvec *)
		DatumGetPointer(shim_call_input(trident_halfvec_recv, PointerGetDatum(message), typmod));
	bytea	   *sent = (bytea *)
		DatumGetPointer(shim_call(trident_halfvec_send, PointerGetDatum(halfvec)));

	SHIM_HOLDS(halfvec->dim >= 1 && halfvec->dim <= TRIDENT_VECTOR_MAX_DIM);
	SHIM_HOLDS(typmod == -1 || typmod == halfvec->dim);
	SHIM_HOLDS(VARSIZE(halfvec) == TRIDENT_HALFVEC_SIZE(halfvec->dim));
	for (int i = 0; i < halfvec->dim; i++)
		SHIM_HOLDS((halfvec->x[i] & 0x7c00) != 0x7c00);
	SHIM_HOLDS((int) (VARSIZE(sent) - VARHDRSZ) == message->cursor);
	SHIM_HOLDS(memcmp(VARDATA(sent), message->data, message->cursor) == 0);
}

int			LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	if (size == 0)
		return 0;
	if (sigsetjmp(shim_raised, 0) == 0)
	{
		StringInfoData message = {0};
		int32		typmod = (data[0] & 2) ? 3 : -1;

		/* Of its exact size, so that reading past it is seen. */
		message.data = palloc(size - 1);
		message.len = (int) size - 1;
		memcpy(message.data, data + 1, size - 1);
		if (data[0] & 1)
			check_halfvec(&message, typmod);
		else
			check_vector(&message, typmod);
	}
	shim_reset();
	return 0;
}
