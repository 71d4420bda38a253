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
	TRIDENT_VECS_ROW,			/* a complete row */
	TRIDENT_VECS_END,			/* no more rows */
	TRIDENT_VECS_CUT_OFF,		/* the file ends within the row */
	TRIDENT_VECS_BAD_DIM,		/* dim is not 1..16000 */
	TRIDENT_VECS_OTHER_DIM		/* dim is not that of the rows before */
} TridentVecsOutcome;

/*
 * Reads up to room bytes of the file into to, from byte offset at on; returns
 * how many, 0 at the end only.  Raises its errors itself.
 */
typedef size_t (*TridentVecsRead) (void *arg, char *to, size_t room, int64 at);

/* The least that a buffer must hold: the longest row. */
#define TRIDENT_VECS_MIN_BUFFER \
	(TRIDENT_VECS_HEAD + 4 * TRIDENT_VECS_MAX_DIM)

typedef struct TridentVecsReader
{
	/* set by the caller; the rest is zeroed by it */
	TridentVecsFormat format;
	TridentVecsRead read;
	void	   *arg;
	char	   *buffer;
	size_t		buffer_size;	/* at least TRIDENT_VECS_MIN_BUFFER */

	/* of the row that was last asked for, whatever the outcome */
	int64		row;			/* its number, from 0; -1 before the first */
	int64		offset;			/* where it starts in the file */
	int			dim;			/* 0: the file ends before this is known */
	size_t		size;			/* its bytes; of its head if dim is 0 */
	size_t		available;		/* those of them that the file has */

	/* the reader's own */
	int			first_dim;		/* of all rows; 0 before the first */
	size_t		start;			/* of the bytes not yet used, in buffer */
	size_t		end;
	int64		read_at;		/* offset of the next read */
	bool		at_end;			/* a read has found nothing */
} TridentVecsReader;

/* vecs_parse.c */

/* The format of that name ("bvecs"), TRIDENT_VECS_UNKNOWN if none. */
extern TridentVecsFormat trident_vecs_format_named(const char *name);

/* The name of a format other than TRIDENT_VECS_UNKNOWN. */
extern const char *trident_vecs_format_name(TridentVecsFormat format);

/* The format that the extension of a path says. */
extern TridentVecsFormat trident_vecs_format_of_path(const char *path);

/*
 * The next row: with outcome ROW *data is all of it, in the buffer until the
 * next call.  After any other outcome there must be no next call.
 */
extern TridentVecsOutcome trident_vecs_next(TridentVecsReader *reader,
											const char **data);

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
