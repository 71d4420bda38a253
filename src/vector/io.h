/*
 * io.h
 *	  What the input functions of both types share.
 */
#ifndef TRIDENT_VECTOR_IO_H
#define TRIDENT_VECTOR_IO_H

#include "lib/stringinfo.h"
#include "nodes/nodes.h"

#include "vector/parse.h"

/* io.c */

/*
 * Read the literal text of a type into parse->x; check it against typmod.
 * Raises, or where context (of PG 16 and later) takes soft errors leaves one
 * there and returns false.
 */
extern bool trident_vector_read_text(const char *text, const char *type,
									 int32 typmod, Node *context,
									 TridentVectorParse *parse);

/*
 * Read the head of a binary value, and check it and that elements of
 * element_size bytes follow.  Returns the elements; sets *dim.
 */
extern const char *trident_vector_read_head(StringInfo message,
											const char *type, int32 typmod,
											int element_size, int *dim);

/* "[1,2]": dim elements as shortest decimals that read back the same. */
extern char *trident_vector_write_text(int dim, const float *x);

/*
 * A bytea with the head of a binary value; *elements is where its elements
 * of element_size bytes go.
 */
extern bytea *trident_vector_write_head(int dim, int element_size,
										char **elements);

#endif							/* TRIDENT_VECTOR_IO_H */
