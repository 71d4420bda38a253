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

#include "index/curve.h"
#include "index/store.h"

/* Rows are assigned to lists so many at a time. */
#define TRIDENT_INDEX_BATCH 256

/* Rows left out of training that the recall curve is measured with. */
#define TRIDENT_INDEX_CURVE_QUERIES 256

/* What sampling gives; the rows stand in memory of the caller's. */
typedef struct TridentIndexSampled
{
	/* as planned */
	double		rows;			/* estimate of all rows that will be indexed */
	double		density;		/* of rows a block */
	int			nlists;			/* 1: stay flat, nothing is sampled */
	int			max_rows;		/* room for so many, queries included */
	/* as drawn */
	int			nrows;			/* in random order */
	float	   *x;				/* nrows x dp, projected */
	int			nqueries;
	float	   *queries;		/* nqueries x dp, projected; not among x */
	ItemPointerData *query_tids;
} TridentIndexSampled;

/* sample.c */

/*
 * Memory that this process may take for a build or training, in kB: that of
 * maintenance_work_mem, or of autovacuum_work_mem where that holds.
 */
extern int	trident_index_work_mem(void);

/*
 * Plan a sample of the rows that index will have: as many as training needs
 * for the lists asked for (0: chosen by the number of rows) or memory allows.
 */
extern void trident_index_sample_plan(Relation heap, Relation index,
									  IndexInfo *index_info,
									  const TridentIndexCoder *coder,
									  TridentIndexSampled *sampled);

/* Bytes of memory for the planned rows. */
extern Size trident_index_sample_size(const TridentIndexCoder *coder,
									  const TridentIndexSampled *sampled);

/* Draw what was planned, into memory. */
extern void trident_index_sample_draw(Relation heap, Relation index,
									  IndexInfo *index_info,
									  const TridentIndexCoder *coder,
									  void *memory,
									  TridentIndexSampled *sampled);

/* Set the pointers of what another process has drawn, given its counts. */
extern void trident_index_sample_place(int dp, void *memory,
									   TridentIndexSampled *sampled);

/* encode.c */

/* Rows on their way into a sort by list. */
typedef struct TridentIndexEncoder
{
	Relation	index;
	const TridentIndexCoder *coder;
	const TridentIndexCentroids *centroids;
	Tuplesortstate *sort;
	TupleTableSlot *slot;		/* (place int8, row bytea) */
	MemoryContext row_context;	/* reset for every row */
	int			nbatch;
	float	   *raw;			/* TRIDENT_INDEX_BATCH x dim */
	float	   *x;				/* TRIDENT_INDEX_BATCH x dp */
	ItemPointerData tids[TRIDENT_INDEX_BATCH];
	uint32		labels[TRIDENT_INDEX_BATCH];
	int			lists[TRIDENT_INDEX_BATCH];
	bytea	   *row;			/* one TridentIndexRow as a bytea */
	double		rows;			/* put into the sort */

	/* for the recall curve; NULL where none is measured */
	const TridentIndexSampled *sampled;
	TridentIndexNearest *nearest;
} TridentIndexEncoder;

/* Rows of an encoder whose lists have been found. */
typedef struct TridentIndexBatch
{
	int			nrows;			/* TRIDENT_INDEX_BATCH at most */
	const float *x;				/* nrows x dp */
	const int  *lists;
	ItemPointerData *tids;
} TridentIndexBatch;

/* A sort by list; coordinate is NULL unless several processes sort. */
extern Tuplesortstate *trident_index_sort_begin(int memory_kb,
												SortCoordinate coordinate);

extern void trident_index_encoder_init(TridentIndexEncoder *encoder,
									   Relation index,
									   const TridentIndexCoder *coder,
									   const TridentIndexCentroids *centroids,
									   Tuplesortstate *sort);

/* Let the queries of sampled, in nearest, meet the rows to come. */
extern void trident_index_encoder_measure(TridentIndexEncoder *encoder,
										  const TridentIndexSampled *sampled,
										  TridentIndexNearest *nearest);

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
 * Start workers for a build, if the planner grants any; NULL otherwise.
 * sampled is planned.  What follows is called in this order.
 */
extern TridentIndexParallel *trident_index_parallel_begin(Relation heap,
														  Relation index,
														  IndexInfo *index_info,
														  const TridentIndexCoder *coder,
														  const TridentIndexSampled *sampled);

/* Memory to draw the sample into; lasts until the end. */
extern void *trident_index_parallel_memory(TridentIndexParallel *parallel);

/* Train with the sample drawn; NULL if that is too small: the index is flat. */
extern TridentIndexCentroids *trident_index_parallel_train(TridentIndexParallel *parallel,
														   const TridentIndexSampled *sampled,
														   uint64 seed);

/*
 * Take part in encoding, wait for the workers, and return the sort of all
 * rows, performed.  The model must be on disk.  *heap_rows is how many rows
 * the table has; *nearest what the queries of the sample have met.
 */
extern Tuplesortstate *trident_index_parallel_encode(TridentIndexParallel *parallel,
													 const TridentIndexCoder *coder,
													 const TridentIndexCentroids *centroids,
													 double *heap_rows,
													 TridentIndexNearest **nearest);

/* Wait for the workers to end, and leave parallel mode. */
extern void trident_index_parallel_end(TridentIndexParallel *parallel);

#endif							/* TRIDENT_INDEX_BUILD_H */
