/*
 * collection.h
 *	  Distributed collections, as other folders see them.
 */
#ifndef TRIDENT_COLLECTION_COLLECTION_H
#define TRIDENT_COLLECTION_COLLECTION_H

#include "nodes/pg_list.h"

/* Where shards stand, on every node that holds some. */
#define TRIDENT_COLLECTION_SCHEMA "trident_shard"

/*
 * The columns that identify a row, of char *, as they were recorded when the
 * collection was distributed; NIL for a table that is not.  *vector_column gets
 * the column recorded to be searched, or NULL, *shards how many there should
 * be, or 0.  palloc'd.
 */
extern List *trident_collection_key(Oid collection, char **vector_column, int *shards);

/* Called once, by _PG_init. */
extern void trident_collection_init(void);

#endif							/* TRIDENT_COLLECTION_COLLECTION_H */
