/*
 * assign.c
 *	  Which list a row belongs to: the list whose centroid is nearest.
 *
 * The squared distance of row x to centroid c is |x|^2 + |c|^2 - 2 x.c.  The
 * first term is the same for all centroids, so that the smallest "score"
 * |c|^2 - 2 x.c tells the nearest, and a product of matrices makes scores.
 *
 * Rows look for their list in a few cells only, those whose coarse centroids
 * are nearest.  A batch is turned around for this: for each cell, the rows
 * that look into it are gathered and meet its lists in one product.
 */
#include "postgres.h"

#include <math.h>

#include "index/train.h"
#include "simd/simd.h"

/*
 * Sizes of a product.  Many rows, since a kernel turns the centroids around
 * for each; few centroids, so that products stay in the L1 cache.
 */
#define TILE_ROWS 128
#define TILE_CENTROIDS 64

/*
 * Rows of a batch: enough that each cell is met by several rows at once, but
 * no more than BATCH_FLOATS of gathered rows while they are MIN_BATCH.
 */
#define MAX_BATCH 1024
#define MIN_BATCH 64
#define BATCH_FLOATS (1024 * 1024)

/*
 * Cells that a row looks into.  4 find the nearest list for 97.7 % of SIFT
 * descriptors, 5 for 98.8 %, 6 for 99.4 %, 8 for 99.8 %; the time grows by a
 * sixth with each.
 */
#define PROBES 5

/* What a batch needs; see assign_batch. */
typedef struct Batch
{
	int			size;			/* rows it has room for */
	float	   *coarse_dot;		/* TILE_ROWS x ncoarse */
	float	   *gathered;		/* size x dp: rows that look into one cell */
	float	   *score;			/* size: best score of each row */
	float	   *cell_score;		/* size: best of the rows gathered */
	int		   *cell_list;		/* size: its list */
	int		   *cells;			/* size x PROBES: where each row looks */
	int		   *by_cell;		/* size x PROBES: rows, grouped by cell */
	int		   *start;			/* ncoarse + 2: groups in by_cell */
} Batch;

/* The squared norm of each of n rows. */
void
trident_index_norms(int n, int dp, const float *rows, float *norm2)
{
	for (int i = 0; i < n; i++)
		norm2[i] = (float) trident_simd.norm_squared_f32(dp, rows + (Size) i * dp);
}

/*
 * The number of the least of n scores, where it is less than *score, which it
 * then becomes; else -1.  Among equals the first; never one that is not a
 * number.
 */
static inline int
least_score(int n, const float *norm2, const float *dot, float *score)
{
	int			least = -1;

	for (int i = 0; i < n; i++)
	{
		float		s = norm2[i] - 2.0f * dot[i];

		if (s < *score)
		{
			*score = s;
			least = i;
		}
	}
	return least;
}
/* See train.h. */
void
trident_index_nearest(const TridentIndexTargets *targets, int nrows,
					  const float *rows, int *nearest, float *score)
{
	float		dot[TILE_ROWS * TILE_CENTROIDS];
	Size		dp = targets->dp;

	for (int i = 0; i < nrows; i += TILE_ROWS)
	{
		int			m = Min(TILE_ROWS, nrows - i);

		for (int j = 0; j < targets->n; j += TILE_CENTROIDS)
		{
			int			n = Min(TILE_CENTROIDS, targets->n - j);

			trident_simd_code.matrix_dot(m, n, targets->dp, rows + i * dp,
										 targets->centroids + j * dp,
										 dot, TILE_CENTROIDS);
			for (int r = 0; r < m; r++)
			{
				int			least = least_score(n, targets->norm2 + j,
												dot + r * TILE_CENTROIDS,
												&score[i + r]);

				if (least >= 0)
					nearest[i + r] = targets->base + j + least;
			}
		}
	}
}

/*
 * The nprobes cells with the least scores, in any order.  Insertion into a
 * short sorted array: most cells fail its first comparison.
 */
static void
nearest_cells(const TridentIndexCentroids *centroids, const float *dot,
			  int nprobes, int *cells)
{
	float		scores[PROBES];
	int			n = 0;

	for (int c = 0; c < centroids->ncoarse; c++)
	{
		float		s = centroids->coarse_norm2[c] - 2.0f * dot[c];
		int			i;

		if (n == nprobes && !(s < scores[n - 1]))
			continue;
		i = n < nprobes ? n++ : n - 1;
		for (; i > 0 && s < scores[i - 1]; i--)
		{
			scores[i] = scores[i - 1];
			cells[i] = cells[i - 1];
		}
		scores[i] = s;
		cells[i] = c;
	}
}

/* Fill batch->cells, and from it batch->by_cell and batch->start. */
static void
choose_cells(const TridentIndexCentroids *centroids, int nrows,
			 const float *rows, int nprobes, Batch *batch)
{
	int			ncoarse = centroids->ncoarse;
	Size		dp = centroids->dp;
	int		   *start = batch->start;

	for (int i = 0; i < nrows; i += TILE_ROWS)
	{
		int			m = Min(TILE_ROWS, nrows - i);

		trident_simd_code.matrix_dot(m, ncoarse, centroids->dp, rows + i * dp,
									 centroids->coarse, batch->coarse_dot,
									 ncoarse);
		for (int r = 0; r < m; r++)
			nearest_cells(centroids, batch->coarse_dot + (Size) r * ncoarse,
						  nprobes, batch->cells + (i + r) * nprobes);
	}

	/* Counting sort; placing moves start[c + 1] on to where c's group ends. */
	memset(start, 0, (ncoarse + 2) * sizeof(int));
	for (int i = 0; i < nrows * nprobes; i++)
		start[batch->cells[i] + 2]++;
	for (int c = 0; c < ncoarse; c++)
		start[c + 2] += start[c + 1];
	for (int i = 0; i < nrows * nprobes; i++)
		batch->by_cell[start[batch->cells[i] + 1]++] = i / nprobes;
}

/* Assign at most batch->size rows. */
static void
assign_batch(const TridentIndexCentroids *centroids, int nrows,
			 const float *rows, int *list, Batch *batch)
{
	Size		dp = centroids->dp;
	int			nprobes = Min(PROBES, centroids->ncoarse);

	choose_cells(centroids, nrows, rows, nprobes, batch);
	for (int i = 0; i < nrows; i++)
	{
		list[i] = 0;
		batch->score[i] = INFINITY;
	}
	for (int c = 0; c < centroids->ncoarse; c++)
	{
		const int  *members = batch->by_cell + batch->start[c];
		int			n = batch->start[c + 1] - batch->start[c];
		int			first = centroids->first[c];
		TridentIndexTargets targets = {
			.n = centroids->first[c + 1] - first,
			.base = first,
			.dp = centroids->dp,
			.centroids = centroids->lists + first * dp,
			.norm2 = centroids->list_norm2 + first
		};

		for (int i = 0; i < n; i++)
		{
			memcpy(batch->gathered + i * dp, rows + members[i] * dp,
				   dp * sizeof(float));
			batch->cell_score[i] = batch->score[members[i]];
			batch->cell_list[i] = list[members[i]];
		}
		trident_index_nearest(&targets, n, batch->gathered, batch->cell_list,
							  batch->cell_score);
		for (int i = 0; i < n; i++)
		{
			batch->score[members[i]] = batch->cell_score[i];
			list[members[i]] = batch->cell_list[i];
		}
	}
}

/* Make room for a batch of nrows rows, or as many as are good at a time. */
static void
begin_batch(const TridentIndexCentroids *centroids, int nrows, Batch *batch)
{
	int			size = Max(MIN_BATCH, BATCH_FLOATS / centroids->dp);

	size = Min(nrows, Min(size, MAX_BATCH));
	batch->size = size;
	batch->coarse_dot = palloc(sizeof(float) * TILE_ROWS * centroids->ncoarse);
	batch->gathered = palloc(sizeof(float) * size * centroids->dp);
	batch->score = palloc(sizeof(float) * size);
	batch->cell_score = palloc(sizeof(float) * size);
	batch->cell_list = palloc(sizeof(int) * size);
	batch->cells = palloc(sizeof(int) * size * PROBES);
	batch->by_cell = palloc(sizeof(int) * size * PROBES);
	batch->start = palloc(sizeof(int) * (centroids->ncoarse + 2));
}

static void
end_batch(Batch *batch)
{
	pfree(batch->coarse_dot);
	pfree(batch->gathered);
	pfree(batch->score);
	pfree(batch->cell_score);
	pfree(batch->cell_list);
	pfree(batch->cells);
	pfree(batch->by_cell);
	pfree(batch->start);
}

/* See train.h. */
void
trident_index_assign(const TridentIndexCentroids *centroids, int nrows,
					 const float *rows, int *list, float *dist2)
{
	Size		dp = centroids->dp;
	Batch		batch;

	if (nrows <= 0)
		return;
	begin_batch(centroids, nrows, &batch);
	for (int i = 0; i < nrows; i += batch.size)
	{
		int			m = Min(batch.size, nrows - i);

		assign_batch(centroids, m, rows + i * dp, list + i, &batch);
		if (dist2 == NULL)
			continue;
		for (int r = 0; r < m; r++)
		{
			double		d2 = batch.score[r] +
				trident_simd.norm_squared_f32(centroids->dp,
											  rows + (i + r) * dp);

			/* Cancellation may leave less than nothing. */
			dist2[i + r] = d2 > 0 ? (float) d2 : 0;
		}
	}
	end_batch(&batch);
}
