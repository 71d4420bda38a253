/*
 * key.h
 *	  The key column: the optional second column of an index, for tenants or
 *	  categories, kept as a 32-bit hash ("label") of each row.
 */
#ifndef TRIDENT_INDEX_KEY_H
#define TRIDENT_INDEX_KEY_H

#include "access/skey.h"
#include "utils/relcache.h"

/* The label of a row's key; isnull has a label that no condition looks for. */
extern uint32 trident_index_key_label(Relation index, Datum key, bool isnull);

/*
 * The labels that the conditions of a scan look for, in order, each once,
 * palloc'd; *nlabels is -1 where there is no condition.  False where no row can satisfy them.  Rows
 * with a label still need the conditions checked.
 */
extern bool trident_index_key_labels(Relation index, ScanKey keys, int nkeys,
									 int *nlabels, uint32 **labels);

#endif							/* TRIDENT_INDEX_KEY_H */
