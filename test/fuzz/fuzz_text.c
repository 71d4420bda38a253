/*
 * fuzz_text.c
 *	  vector_in and halfvec_in on any text.
 *
 * The first byte chooses the type and whether there is a typmod; the rest is
 * the literal.  What is accepted must have sane dimensions, must equal what
 * strtof reads of it, and must come back from its own text to the last bit.
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "shim.h"
#include "vector/vector.h"

extern Datum trident_vector_in(PG_FUNCTION_ARGS);
extern Datum trident_vector_out(PG_FUNCTION_ARGS);
extern Datum trident_halfvec_in(PG_FUNCTION_ARGS);
extern Datum trident_halfvec_out(PG_FUNCTION_ARGS);

/* Elements as strtof finds them between the commas. */
static void
compare_with_strtof(const char *text, const TridentVector *vector)
{
	const char *at = strchr(text, '[') + 1;

	for (int i = 0; i < vector->dim; i++)
	{
		char	   *end;
		float		x = strtof(at, &end);

		SHIM_HOLDS(memcmp(&x, &vector->x[i], sizeof(x)) == 0);
		at = end + strcspn(end, ",]") + 1;
	}
}

static void
check_vector(char *text, int32 typmod)
{
	TridentVector *first = (TridentVector *)
		DatumGetPointer(shim_call_input(trident_vector_in, CStringGetDatum(text), typmod));
	char	   *output = DatumGetCString(shim_call(trident_vector_out, PointerGetDatum(first)));
	TridentVector *second = (TridentVector *)
		DatumGetPointer(shim_call_input(trident_vector_in, CStringGetDatum(output), -1));

	SHIM_HOLDS(first->dim >= 1 && first->dim <= TRIDENT_VECTOR_MAX_DIM);
	SHIM_HOLDS(typmod == -1 || typmod == first->dim);
	SHIM_HOLDS(first->unused == 0);
	SHIM_HOLDS(VARSIZE(first) == TRIDENT_VECTOR_SIZE(first->dim));
	for (int i = 0; i < first->dim; i++)
		SHIM_HOLDS(isfinite(first->x[i]));
	SHIM_HOLDS(VARSIZE(second) == VARSIZE(first));
	SHIM_HOLDS(memcmp(first, second, VARSIZE(first)) == 0);
	compare_with_strtof(text, first);
}

static void
check_halfvec(char *text, int32 typmod)
{
	TridentHalfvec *first = (TridentHalfvec *)
		DatumGetPointer(shim_call_input(trident_halfvec_in, CStringGetDatum(text), typmod));
	char	   *output = DatumGetCString(shim_call(trident_halfvec_out, PointerGetDatum(first)));
	TridentHalfvec *second = (TridentHalfvec *)
		DatumGetPointer(shim_call_input(trident_halfvec_in, CStringGetDatum(output), -1));

	SHIM_HOLDS(first->dim >= 1 && first->dim <= TRIDENT_VECTOR_MAX_DIM);
	SHIM_HOLDS(typmod == -1 || typmod == first->dim);
	SHIM_HOLDS(VARSIZE(first) == TRIDENT_HALFVEC_SIZE(first->dim));
	for (int i = 0; i < first->dim; i++)
		SHIM_HOLDS((first->x[i] & 0x7c00) != 0x7c00);
	SHIM_HOLDS(VARSIZE(second) == VARSIZE(first));
	SHIM_HOLDS(memcmp(first, second, VARSIZE(first)) == 0);
}

int			LLVMFuzzerInitialize(int *argc, char ***argv);
int			LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	trident_simd_choose(TRIDENT_SIMD_AUTO);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	if (size == 0)
		return 0;
	if (sigsetjmp(shim_raised, 0) == 0)
	{
		/* Of its exact size, so that reading past its NUL is seen. */
		char	   *text = palloc(size);
		int32		typmod = (data[0] & 2) ? 3 : -1;

		memcpy(text, data + 1, size - 1);
		text[size - 1] = '\0';
		if (data[0] & 1)
			check_halfvec(text, typmod);
		else
			check_vector(text, typmod);
	}
	shim_reset();
	return 0;
}
