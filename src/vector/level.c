/*
 * level.c
 *	  SQL's view of the kernels in use.
 *
 * It lives here because simd knows nothing of functions of the server.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "simd/simd.h"

PG_FUNCTION_INFO_V1(trident_simd_level);

/* The name of the level in use, after falling back from the one asked for. */
Datum
trident_simd_level(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(trident_simd_level_name(trident_simd.level)));
}
