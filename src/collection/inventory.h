/*
 * inventory.h
 *	  What a table consists of, to be compared with what it should.
 */
#ifndef TRIDENT_COLLECTION_INVENTORY_H
#define TRIDENT_COLLECTION_INVENTORY_H

#include "collection/shard.h"

/* A part of a table. */
typedef struct TridentCollectionItem
{
	const char *kind;			/* "column", "check", "key", "index",
								 * "broken index" */
	const char *name;			/* of the column, constraint or index */
	const char *definition;		/* but for what is below */
	bool		not_null;		/* of a column */
} TridentCollectionItem;

/*
 * The query for the parts of the table whose name, as text, is $1; rows of
 * four columns as above.
 */
extern const char *const trident_collection_inventory_query;

/*
 * The parts of a table here, of TridentCollectionItem *; who asks needs no
 * right on it.
 */
extern List *trident_collection_inventory(Oid table);

/* The parts that a reply of that query tells. */
extern List *trident_collection_inventory_read(const TridentExchangeReply *reply);

/*
 * How a shard with these parts differs from what the collection's table says,
 * in words; NULL where it does not.
 */
extern char *trident_collection_drift(const TridentCollection *collection,
									  const TridentCollectionShard *shard,
									  List *wanted, List *there);

/*
 * What makes it the same: statements that only add, to be run before the
 * commit, and those that take away, for after it.  added are the columns (of
 * char *) that are new in the collection, whatever the shard has under their
 * names.  Raises an error where data would be lost or wrong: another type, a
 * volatile default, an old column under the name of a new one.
 */
extern void trident_collection_repair(const TridentCollection *collection,
									  const TridentCollectionShard *shard,
									  List *wanted, List *there, List *added,
									  List **before, List **after);

/*
 * The statement among those for after the commit that takes away a part that
 * a shard has, or NULL if it would be none of them.
 */
extern char *trident_collection_removal(const TridentCollectionShard *shard,
										const TridentCollectionItem *item);

/*
 * What makes the table of an attached collection, while it has no leaves, what
 * its home has: statements that take away, and then those that add, each of
 * one column, check or index, with text of the home in it.  Raises an error
 * for a column that is another there.
 */
extern void trident_collection_changes(const TridentCollection *collection,
									   List *here, List *wanted,
									   List **removals, List **additions);

#endif							/* TRIDENT_COLLECTION_INVENTORY_H */
