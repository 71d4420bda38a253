/*
 * build.h
 *	  A build: from the rows of a table to the pages of an index.
 *
 *		sample.c	rows to train with, and how many there are
 *		encode.c	rows of a (part of a) table scan into a sort by list
 *		parallel.c	the same by several processes
 *		build.c		CREATE INDEX: all of it, in order
 */
#ifndef TRIDENT_INDEX_BUILD_H
#define TRIDENT_INDEX_BUILD_H

#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "utils/tuplesort.h"

#include "index/store.h"

/* Rows are assigned to lists so many at a time. */
#define TRIDENT_INDEX_BATCH 256

/* Rows left out of training that the recall curve is measured with. */
#define TRIDENT_INDEX_CURVE_QUERIES 256

/* What sampling gives. */
typedef struct TridentIndexSampled
{
	double		rows;			/* estimate of all rows that will be indexed */
	int			nlists;			/* 1: stay flat */
	int			nrows;			/* sampled, in random order */
	float	   *x;				/* nrows x dp, projected */
	int			nqueries;
	float	   *queries;		/* nqueries x dp, projected; not among x */
	ItemPointerData *query_tids;
} TridentIndexSampled;

/* sample.c */

/*
 * Sample the rows that index will have: as many as training needs for the
 * lists asked for (0: chosen by the number of rows) or memory allows.
 * Allocated in the current context.
 */
extern void trident_index_sample(Relation heap, Relation index,
								 IndexInfo *index_info,
								 const TridentIndexCoder *coder,
								 TridentIndexSampled *sampled);

/* encode.c */

/* Rows on their way into a sort by list. */
typedef struct TridentIndexEncoder
{
	Relation	index;
	const TridentIndexCoder *coder;
	const TridentIndexCentroids *centroids;
	Tuplesortstate *sort;
	TupleTableSlot *slot;		/* (list int4, row bytea) */
	MemoryContext row_context;	/* reset for every row */
	int			nbatch;
	float	   *raw;			/* TRIDENT_INDEX_BATCH x dim */
	float	   *x;				/* TRIDENT_INDEX_BATCH x dp */
	ItemPointerData tids[TRIDENT_INDEX_BATCH];
	uint32		labels[TRIDENT_INDEX_BATCH];
	int			lists[TRIDENT_INDEX_BATCH];
	bytea	   *row;			/* one TridentIndexRow as a bytea */
	double		rows;			/* put into the sort */
} TridentIndexEncoder;

/* A sort by list; coordinate is NULL unless several processes sort. */
extern Tuplesortstate *trident_index_sort_begin(int memory_kb,
												SortCoordinate coordinate);

extern void trident_index_encoder_init(TridentIndexEncoder *encoder,
									   Relation index,
									   const TridentIndexCoder *coder,
									   const TridentIndexCentroids *centroids,
									   Tuplesortstate *sort);

/* One row: values of the index columns as FormIndexDatum gives them. */
extern void trident_index_encoder_add(TridentIndexEncoder *encoder,
									  Datum *values, bool *isnull,
									  ItemPointer tid);

/* Encode what is left in the batch, and free what the encoder has. */
extern void trident_index_encoder_finish(TridentIndexEncoder *encoder);

/*
 * All rows of a table, or of this process's part of a parallel scan; finishes
 * the encoder.  Returns how many rows the table has.
 */
extern double trident_index_encode_table(TridentIndexEncoder *encoder,
										 Relation heap, IndexInfo *index_info,
										 TableScanDesc scan);

/* A slot to read a sort with. */
extern TupleTableSlot *trident_index_sort_slot(void);

/* Copy the next row of a performed sort into row; false at its end. */
extern bool trident_index_sort_next(Tuplesortstate *sort, TupleTableSlot *slot,
									int *list, TridentIndexRow *row);

/* parallel.c */

typedef struct TridentIndexParallel TridentIndexParallel;

/*
 * Start workers that encode their part of the table, if the planner grants
 * any; NULL otherwise.  The model must be on disk.
 */
extern TridentIndexParallel *trident_index_parallel_begin(Relation heap,
														  Relation index,
														  IndexInfo *index_info);

/*
 * Take part in encoding, wait for the workers, and return the sort of all
 * rows, performed.  *heap_rows is how many rows the table has.
 */
extern Tuplesortstate *trident_index_parallel_encode(TridentIndexParallel *parallel,
													 const TridentIndexCoder *coder,
													 const TridentIndexCentroids *centroids,
													 double *heap_rows);

/* Wait for the workers to end, and leave parallel mode. */
extern void trident_index_parallel_end(TridentIndexParallel *parallel);

#endif							/* TRIDENT_INDEX_BUILD_H */
