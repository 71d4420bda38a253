/*
 * index.h
 *	  The access method trident: what the rest of the extension may know of it.
 */
#ifndef TRIDENT_INDEX_INDEX_H
#define TRIDENT_INDEX_INDEX_H

/* Strategies: 1 orders by distance (vector), 2 is equality (key column). */
#define TRIDENT_INDEX_ORDER_STRATEGY 1
#define TRIDENT_INDEX_EQUAL_STRATEGY 2
#define TRIDENT_INDEX_STRATEGIES 2

/* Support functions: what kind of vectors (vector), hash (key column). */
#define TRIDENT_INDEX_KIND_PROC 1
#define TRIDENT_INDEX_HASH_PROC 2
#define TRIDENT_INDEX_PROCS 2

/* Register reloptions and hooks; called once, when the library is loaded. */
extern void trident_index_init(void);

#endif							/* TRIDENT_INDEX_INDEX_H */
