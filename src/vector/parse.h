/*
 * parse.h
 *	  The text form of both types, as floats.  Pure: no palloc, no ereport.
 */
#ifndef TRIDENT_VECTOR_PARSE_H
#define TRIDENT_VECTOR_PARSE_H

#include "c.h"

typedef enum TridentVectorParseOutcome
{
	TRIDENT_VECTOR_PARSE_OK,
	TRIDENT_VECTOR_PARSE_NO_BRACKET,	/* does not begin with [ */
	TRIDENT_VECTOR_PARSE_EMPTY, /* no element */
	TRIDENT_VECTOR_PARSE_TOO_MANY,	/* more elements than there is room for */
	TRIDENT_VECTOR_PARSE_SYNTAX,	/* no number, or nothing that ends it */
	TRIDENT_VECTOR_PARSE_RANGE, /* a number too large; see at and length */
	TRIDENT_VECTOR_PARSE_NAN,
	TRIDENT_VECTOR_PARSE_INFINITE,
	TRIDENT_VECTOR_PARSE_JUNK	/* something after the closing ] */
} TridentVectorParseOutcome;

typedef struct TridentVectorParse
{
	/* set by the caller */
	float	   *x;				/* room for the elements */
	int			max_dim;		/* how many fit */
	float		limit;			/* from this magnitude on, out of range */
	/* set by the parser */
	int			dim;			/* elements read */
	const char *at;				/* outcome RANGE: the number, */
	int			length;			/* and how long it is */
} TridentVectorParse;

/*
 * Read "[1, 2.5, ...]" up to its NUL into parse.  Elements are read as
 * float4in would, correctly rounded.  LC_NUMERIC must be C.
 */
extern TridentVectorParseOutcome trident_vector_parse(const char *text,
													  TridentVectorParse *parse);

#endif							/* TRIDENT_VECTOR_PARSE_H */
