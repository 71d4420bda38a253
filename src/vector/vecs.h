/*
 * vecs.h
 *	  The files that vector data sets are published in.  Pure: no palloc, no
 *	  ereport.
 *
 * A file is rows, one after another, without a header:
 *
 *		bytes	row
 *		0-3		int32 dim
 *		4-		dim elements
 *
 * all little-endian; what an element is depends on the format.
 */
#ifndef TRIDENT_VECTOR_VECS_H
#define TRIDENT_VECTOR_VECS_H

#include "c.h"

typedef enum TridentVecsFormat
{
	TRIDENT_VECS_FVECS,			/* float4 */
	TRIDENT_VECS_F16VECS,		/* float16 */
	TRIDENT_VECS_BVECS,			/* unsigned byte */
	TRIDENT_VECS_I8VECS,		/* signed byte */
	TRIDENT_VECS_IVECS,			/* int4: not vectors but ids of rows */
	TRIDENT_VECS_UNKNOWN
} TridentVecsFormat;

/* Bytes of the dimension count that a row starts with. */
#define TRIDENT_VECS_HEAD 4
/* What a vector can have, and the limit for ids too. */
#define TRIDENT_VECS_MAX_DIM 16000

typedef enum TridentVecsOutcome
{
	TRIDENT_VECS_ROW,			/* the row is complete */
	TRIDENT_VECS_SHORT,			/* it needs more bytes: size of them in all */
	TRIDENT_VECS_BAD_DIM,		/* dim is not 1..16000 */
	TRIDENT_VECS_OTHER_DIM		/* dim is not that of the rows before */
} TridentVecsOutcome;

/* vecs_parse.c */

/* The format of that name ("bvecs"), TRIDENT_VECS_UNKNOWN if none. */
extern TridentVecsFormat trident_vecs_format_named(const char *name);

/* The name of a format other than TRIDENT_VECS_UNKNOWN. */
extern const char *trident_vecs_format_name(TridentVecsFormat format);

/* The format that the extension of a path says. */
extern TridentVecsFormat trident_vecs_format_of_path(const char *path);

/*
 * Look at the row that the first length bytes of data begin with.  expected is
 * the dim of the rows before, 0 at the first.  Sets *dim once its bytes are
 * there, else to 0, and *size to the bytes of the row or, with dim unknown,
 * of its head.
 */
extern TridentVecsOutcome trident_vecs_look(TridentVecsFormat format,
											const char *data, size_t length,
											int expected,
											int *dim, size_t *size);

/*
 * The dim elements of a complete row, that data begins with, as float4.  Not
 * for IVECS, nor F16VECS, which takes a kernel.
 */
extern void trident_vecs_floats(TridentVecsFormat format, const char *data,
								int dim, float *x);

/* The dim elements of a complete row as they are, in host byte order. */
extern void trident_vecs_int32s(const char *data, int dim, int32 *x);
extern void trident_vecs_halves(const char *data, int dim, uint16 *x);

#endif							/* TRIDENT_VECTOR_VECS_H */
