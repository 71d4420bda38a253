/*
 * shim.h
 *	  What the fuzz targets use of the server that shim.c stands in for.
 */
#ifndef SHIM_H
#define SHIM_H

#include <setjmp.h>

#include "fmgr.h"

#include "base/compat.h"

/* Where an ereport that raises goes to; its SQLSTATE and primary message. */
extern sigjmp_buf shim_raised;
extern int	shim_sqlstate;
extern char shim_message[256];

/* Free all that has been palloc'd. */
extern void shim_reset(void);

/* Call a function of the input kind: (value, type oid, typmod). */
extern Datum shim_call_input(PGFunction function, Datum value, int32 typmod);

/* Call a function of one argument. */
extern Datum shim_call(PGFunction function, Datum value);

/* Abort, saying what does not hold, if it does not. */
#define SHIM_HOLDS(claim) \
	do { \
		if (!(claim)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", \
					__FILE__, __LINE__, #claim); \
			abort(); \
		} \
	} while (0)

#endif							/* SHIM_H */
