/*
 * scan.h
 *	  A scan: which lists it probes, what it has found, what it gives out.
 *
 * The flow of a row: probe.c reads lists, nearest first, and keeps the rows
 * whose bound may matter as candidates; rank.c takes candidates in the order
 * of their bounds, has their heap rows read (fetch.c), and gives a row out when
 * no candidate can be nearer; scan.c is the access method's side.
 *
 * How many rows the executor will take is not known.  "want" is how many the
 * candidates suffice for; a scan that goes beyond scores its lists again with
 * a greater one.
 */
#ifndef TRIDENT_INDEX_SCAN_H
#define TRIDENT_INDEX_SCAN_H

#include "access/genam.h"
#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "utils/float.h"

#include "index/curve.h"
#include "index/order.h"
#include "index/store.h"
#include "vector/vector.h"

/* A row that may be among the nearest; bound is a lower bound of its value. */
typedef struct TridentIndexCandidate
{
	float		bound;
	ItemPointerData tid;
} TridentIndexCandidate;

/* A visible row and its exact value. */
typedef struct TridentIndexFound
{
	double		value;
	ItemPointerData tid;
} TridentIndexFound;

/* What the last scan of this backend did, for trident_last_scan(). */
typedef struct TridentIndexScanStats
{
	Oid			index;			/* InvalidOid: there was none */
	int			nlists;
	int			lists_probed;
	int64		codes_scanned;
	int64		codes_refined;	/* finer codes looked at */
	int64		rows_reranked;	/* heap rows read */
	int64		rows_returned;
	int			rescored;		/* times the lists were scored again */
	double		target_recall;
} TridentIndexScanStats;

typedef struct TridentIndexScan
{
	MemoryContext context;		/* reset by rescan */
	TridentIndexCoder coder;	/* without the rotation, once prepared */
	TridentIndexMeta meta;
	TridentIndexQuery *query;	/* NULL: all rows are equally near */
	bool		is_prepared;
	bool		is_exact;		/* recall 1 is asked for: prune nothing */

	/* rows of the key column looked for; nlabels < 0: no such condition */
	int			nlabels;
	uint32	   *labels;			/* in order, each once */
	bool		is_impossible;	/* the condition is never true */

	TridentIndexOrder order;	/* of lists */
	int			nprobed;		/* the first so many have been scored */
	int64		nmatched;		/* rows with the label, of codes_scanned */

	/* candidates: a heap, least bound on top */
	int			ncandidates;
	int			max_candidates;
	TridentIndexCandidate *candidates;

	/* the least estimates of one in best_every: a heap, greatest on top */
	int			want;
	int			best_every;
	int			best_size;		/* want / best_every */
	int64		nestimates;
	int			nbest;
	int			max_best;
	float	   *best;
	bool		has_dropped;	/* rows were left out because of "want" */

	/* the least estimates so far, in order, and the last list that had one */
	int			nnearest;
	float		nearest[TRIDENT_INDEX_NEAREST];
	int			gained;			/* the first so many lists had all of them */
	int			patience;		/* lists to score behind those; 0: not patient */
	int			typical;		/* how many lists such scans score */

	/* found rows: a heap, least value on top */
	int			nfound;
	int			max_found;
	TridentIndexFound *found;

	/* rows found too late to be in order */
	int			nlate;
	int			max_late;
	TridentIndexFound *late;
	int			next_late;		/* given out so far; they are sorted by then */

	int64		nenough;		/* rows for which enough lists are scored */
	int			nexpected;		/* rows that will be asked for, as far as we know */
	double		last_value;		/* of the row given out last */
	int64		nreturned;
	int64		ninvisible;		/* looked at, but not there for our snapshot */

	/* rows that were looked at before, when lists are scored again */
	int			nseen;
	int			max_seen;
	ItemPointerData *seen;
	struct seentids_hash *seen_hash;

	/* heap access */
	BlockNumber heap_blocks;	/* as far as they have been asked for */
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;
	EState	   *estate;			/* for an expression; else NULL */
	ExprState  *expression;
	MemoryContext row_context;	/* reset for every heap row */
	float	   *scratch;		/* dim floats */
	TridentVectorKept *kept;	/* values read out of line */

	TridentIndexScanStats stats;
} TridentIndexScan;

/* probe.c */

/*
 * Score further lists until upto are scored, collecting candidates.  Returns
 * false where training has replaced the model under the scan: the rows
 * collected so far are good, but lists must be ordered anew.
 */
extern bool trident_index_probe(IndexScanDesc scan, int upto);

/* Take the patience that the scan's model has for its target. */
extern void trident_index_be_patient(TridentIndexScan *so);

/*
 * How many lists must have been scored before row number i may leave, as far
 * as those that have been scored tell: ask again when so many are.
 */
extern int	trident_index_probes_for(TridentIndexScan *so, int64 i);

/* rank.c */

/* The nearest row not given out yet; false when there is none. */
extern bool trident_index_next(IndexScanDesc scan, TridentIndexFound *row);

/* Keep a row as candidate. */
extern void trident_index_candidate_add(TridentIndexScan *so, float bound,
										ItemPointer tid);

/* Keep a row whose exact value is known (EXACT). */
extern void trident_index_found_add(TridentIndexScan *so, double value,
									ItemPointer tid);

/* How many rows candidates are to suffice for from now on. */
extern void trident_index_want(TridentIndexScan *so, int want);

/* Take note of an estimate; the greatest of the least "want" bounds others. */
extern void trident_index_best_add(TridentIndexScan *so, float estimate);

/* Rows whose bound is not below this need not be kept. */
static inline float
trident_index_threshold(const TridentIndexScan *so)
{
	return so->nbest < so->best_size ? get_float4_infinity() : so->best[0];
}

/*
 * May a row with this lower bound be among those wanted?  So it may when its
 * bound is no number: arithmetic has failed on it, only its heap row can tell.
 */
static inline bool
trident_index_may_matter(const TridentIndexScan *so, float bound)
{
	return so->nbest < so->best_size || !(bound >= so->best[0]);
}

/* Remember that a row has been looked at. */
extern void trident_index_remember(TridentIndexScan *so, ItemPointer tid);

/* Have we looked at this row in an earlier scoring of its list? */
extern bool trident_index_was_seen(TridentIndexScan *so, ItemPointer tid);

/* fetch.c */

/* Rows that may be looked at together. */
#define TRIDENT_INDEX_FETCH_BATCH 16

/*
 * Error INDEX_CORRUPTED where the address that a page has of a row is none of
 * the table: it is beyond its end, or to read it would make a new page there.
 * *nblocks is how many blocks the table is known to have, 0 to begin with; it
 * gets no shorter while it is locked.
 */
extern void trident_index_check_address(Relation index, Relation heap,
										BlockNumber *nblocks,
										const ItemPointerData *tid);

/* Look at n candidates' rows: those that the snapshot sees become found rows. */
extern void trident_index_fetch(IndexScanDesc scan, ItemPointerData *tids,
								int n);

#endif							/* TRIDENT_INDEX_SCAN_H */
