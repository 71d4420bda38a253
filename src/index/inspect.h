/*
 * inspect.h
 *	  Functions that look into an index, by the file they are in.
 *
 *		inspect.c	opening an index for them; trident_last_scan, prewarm
 *		stats.c		trident_index_stats
 *		check.c		trident_index_check; more in check.h
 *		structure.c	its part that looks at pages
 *		agree.c		its part that compares index and table
 *		recall.c	trident_recall
 */
#ifndef TRIDENT_INDEX_INSPECT_H
#define TRIDENT_INDEX_INSPECT_H

#include "access/genam.h"
#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "utils/snapshot.h"

#include "index/store.h"

/* An index that is looked into, with its table, as the table's owner. */
typedef struct TridentIndexInspection
{
	Relation	heap;
	Relation	index;
	LOCKMODE	lockmode;		/* of both */
	Oid			user;			/* to go back to */
	int			security;
	int			guc_level;
} TridentIndexInspection;

/* inspect.c */

/*
 * Open and lock an index of ours and its table; error where it is none, or
 * where it cannot be read here (partitioned, unlogged on a standby, of
 * another session).  With must_select the caller needs SELECT on the table.
 * From then on code runs as the table's owner, as in REINDEX: functions in
 * the definition of an index are the owner's, and may do what that role may.
 */
extern void trident_index_inspect_open(TridentIndexInspection *inspection,
									   Oid index, LOCKMODE lockmode,
									   bool must_select);

/* Close both, release the locks, and be the caller again. */
extern void trident_index_inspect_close(TridentIndexInspection *inspection);

/*
 * Call back for every row of the table that snapshot sees and that satisfies
 * the index's predicate, in physical order, with the address that its index
 * entry has and the values of the index's columns.  IndexBuildCallback's
 * arguments; the memory it is called in is reset for each row.
 */
extern void trident_index_inspect_rows(const TridentIndexInspection *inspection,
									   Snapshot snapshot,
									   IndexBuildCallback callback, void *arg);

/*
 * Is a value of the vector column one that the index holds?  Fills raw[dim]
 * if so; scratch[dp] is overwritten.
 */
extern bool trident_index_inspect_value(const TridentIndexCoder *coder,
										Datum value, bool isnull,
										float *raw, float *scratch);

/* agree.c */

/* Where findings go: block may be InvalidBlockNumber; problem is copied. */
typedef void (*TridentIndexReport) (void *arg, BlockNumber block,
									const char *problem);

/*
 * Compare the entries of a structurally sound index with the rows that
 * snapshot sees, which was taken before the index was looked at.
 */
extern void trident_index_agree(const TridentIndexInspection *inspection,
								Snapshot snapshot, TridentIndexReport report,
								void *arg);

#endif							/* TRIDENT_INDEX_INSPECT_H */
