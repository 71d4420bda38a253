/*
 * train.h
 *	  Centroids of the lists: how they are found and how rows find them.
 *
 * Rows are arrays of dp floats, dp a multiple of 32: already rotated, padded
 * with zeros, centred and normalised as the operator class wants.  All that
 * is returned is palloc'd in CurrentMemoryContext.
 */
#ifndef TRIDENT_INDEX_TRAIN_H
#define TRIDENT_INDEX_TRAIN_H

/* As many lists as the page format can number. */
#define TRIDENT_INDEX_MAX_LISTS 32768

/*
 * Two levels of centroids.  Lists are grouped by the coarse cell that they
 * were found in: those of cell c are first[c] to first[c + 1] - 1.
 */
typedef struct TridentIndexCentroids
{
	int			dp;				/* floats a centroid */
	int			nlists;
	int			ncoarse;
	int		   *first;			/* ncoarse + 1: first list of each cell */
	float	   *coarse;			/* ncoarse x dp */
	float	   *coarse_norm2;	/* squared norm of each */
	float	   *lists;			/* nlists x dp; no two are equal */
	float	   *list_norm2;		/* squared norm of each */
} TridentIndexCentroids;

/* The rows that centroids are found from. */
typedef struct TridentIndexSample
{
	const float *rows;			/* nrows x dp */
	int			nrows;
	int			dp;
	bool		is_spherical;	/* rows have norm 1, and so have centroids */
} TridentIndexSample;

/*
 * A training on its way: one chunk of memory without pointers, so that it may
 * stand in shared memory, as may the sample.  train_coarse makes it; then
 * come the steps, in order, each of items that any process may do, once each;
 * then train_finish.
 */
typedef struct TridentIndexTraining
{
	uint64		seed;
	int			nlists;			/* as asked for: room for so many */
	int			ncoarse;		/* cells found, 0 on */
	int			max_coarse;		/* room for so many */
	/* offsets from the start of the chunk */
	Size		coarse;			/* float[max_coarse x dp] */
	Size		first_row;		/* int[max_coarse + 1], into row_of */
	Size		row_of;			/* int[nrows]: rows of the sample, by cell */
	Size		list_of;		/* int[nrows]: list that each row is nearest to */
	Size		first_list;		/* int[max_coarse + 1]: room for lists */
	Size		found;			/* int[max_coarse]: lists found in a cell */
	Size		lists;			/* float[nlists x dp] */
} TridentIndexTraining;

/* The steps; items of one share no byte that they write. */
typedef enum TridentIndexTrainStep
{
	TRIDENT_INDEX_TRAIN_CELLS,	/* a cell: find its lists among its rows */
	TRIDENT_INDEX_TRAIN_ASSIGN, /* some rows: find their nearest lists */
	TRIDENT_INDEX_TRAIN_MEANS,	/* a cell: move its lists to their rows */
	TRIDENT_INDEX_TRAIN_STEPS
} TridentIndexTrainStep;

/* Gives out the numbers 0, 1, ... of items, each once. */
typedef int (*TridentIndexNextItem) (void *arg);

/* train.c */

/*
 * How many lists an index over so many rows should have, given how many rows
 * a list is best given; 0: so few rows that scanning them all is best.
 */
extern int	trident_index_lists_for(double rows, int list_rows);

/*
 * Find at most nlists centroids for a sample: as many as asked for, unless it
 * has fewer distinct rows.  At least one is returned, so the sample must have
 * a row.  Same sample, same seed, same processor: same centroids.
 */
extern TridentIndexCentroids *
			trident_index_train(const TridentIndexSample *sample, int nlists,
								uint64 seed);

/*
 * The same in steps, with the same result whoever does which item.  Bytes of
 * the chunk, for a sample of so many rows or fewer.
 */
extern Size trident_index_training_size(const TridentIndexSample *sample,
										int nlists);

/* Find the cells, give each its rows and its share of the lists. */
extern void trident_index_train_coarse(const TridentIndexSample *sample,
									   int nlists, uint64 seed,
									   TridentIndexTraining *training);

/* Do items of a step, whose numbers next gives, until there are no more. */
extern void trident_index_train_step(const TridentIndexSample *sample,
									 TridentIndexTraining *training,
									 TridentIndexTrainStep step,
									 TridentIndexNextItem next, void *arg);

/* The centroids, after the last step; the chunk may then be freed. */
extern TridentIndexCentroids *
			trident_index_train_finish(const TridentIndexSample *sample,
									   const TridentIndexTraining *training);

/* assign.c */

/*
 * The nearest list of each row, and the squared distance to its centroid (at
 * least 0; dist2 may be NULL).  Finds it in the cells nearest to the row: for
 * some rows in a hundred a list of another cell is nearer, by little.  Rows
 * are best passed some hundreds at a time.
 */
extern void trident_index_assign(const TridentIndexCentroids *centroids,
								 int nrows, const float *rows,
								 int *list, float *dist2);

/* Some centroids that lie side by side. */
typedef struct TridentIndexTargets
{
	int			n;
	int			base;			/* the number of the first */
	int			dp;
	const float *centroids;		/* n x dp */
	const float *norm2;			/* n */
} TridentIndexTargets;

/*
 * The nearest of all targets for each row, exactly: its number and its score,
 * the squared distance less the squared norm of the row.  What is passed in
 * is kept where no target has a lower score, so that calls with parts of the
 * centroids can follow one another; start with INFINITY.
 */
extern void trident_index_nearest(const TridentIndexTargets *targets, int nrows,
								  const float *rows, int *nearest,
								  float *score);

/* The squared norm of each of n rows. */
extern void trident_index_norms(int n, int dp, const float *rows,
								float *norm2);

/* lloyd.c */

/*
 * k-means of all rows of a sample, which are in random order: at most k
 * centroids into centroids[k x dp], none equal to another, none without a row
 * when it was last looked.  Returns how many.
 */
extern int	trident_index_lloyd(const TridentIndexSample *sample, int k,
								uint64 seed, float *centroids);

/*
 * The mean of count rows from their sum; of norm 1 for a spherical sample,
 * unless the rows cancel each other.
 */
extern void trident_index_mean(const TridentIndexSample *sample,
							   const double *sum, int count, float *mean);

#endif							/* TRIDENT_INDEX_TRAIN_H */
