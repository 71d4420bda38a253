/*
 * train.c
 *	  From a sample of rows to the centroids of the lists.
 *
 * Coarse: k-means of a part of the sample into about sqrt(lists) cells; each
 * row of the sample goes to its nearest cell; cells get lists in proportion
 * to their rows.  Then three steps that several processes may share.  Cells:
 * k-means of each cell's rows, one cell independent of another.  Assign and
 * means: a round of Lloyd over all lists, whose rows may come from any cell,
 * so that borders between cells matter less.  (One round saves 3 % of the
 * codes to scan for the same recall where data are spread evenly, 17 % where
 * they are not; a second one saves little more and costs as much.)
 *
 * What an item of a step computes depends on the item alone, down to the last
 * bit, so that it does not matter who does it.
 *
 * With n lists and s rows of sample a list this costs about sqrt(n) / 2 times
 * less than k-means of all rows into all lists at once, which for a thousand
 * lists and more would be most of the time of a build.
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "miscadmin.h"

#include "index/train.h"

/* Below so many rows a scan of all codes is as fast as a choice of lists. */
#define MIN_ROWS 10000

/* Rows of the sample that coarse centroids are found from, for each. */
#define COARSE_ROWS 256

/*
 * The more lists, the fewer codes a query looks at; but the centroids must be
 * trained and compared.
 */
#define LISTS_PER_ROOT 6

/* Rows that are assigned at a time: an item, and between two interrupts. */
#define ASSIGN_ROWS 1024

#define CHUNK(training, type, member) \
	((type *) ((char *) (training) + (training)->member))

/* See train.h. */
int
trident_index_lists_for(double rows, int list_rows)
{
	if (!(rows >= MIN_ROWS))
		return 0;
	return (int) Min(Min(rows / list_rows,
						 LISTS_PER_ROOT * sqrt(rows)),
					 TRIDENT_INDEX_MAX_LISTS);
}

/* How many cells to look for: as many as each then has lists. */
static int
cells_for(int nlists)
{
	return Max(1, (int) sqrt(nlists));
}

/* Set the offsets of the chunk; returns its size. */
static Size
lay_out(const TridentIndexSample *sample, int nlists,
		TridentIndexTraining *training)
{
	Size		dp = sample->dp;
	Size		max_coarse = cells_for(nlists);
	Size		at = MAXALIGN(sizeof(TridentIndexTraining));

	training->nlists = nlists;
	training->max_coarse = (int) max_coarse;
	training->coarse = at;
	at += MAXALIGN(sizeof(float) * max_coarse * dp);
	training->first_row = at;
	at += MAXALIGN(sizeof(int) * (max_coarse + 1));
	training->row_of = at;
	at += MAXALIGN(sizeof(int) * (Size) sample->nrows);
	training->list_of = at;
	at += MAXALIGN(sizeof(int) * (Size) sample->nrows);
	training->first_list = at;
	at += MAXALIGN(sizeof(int) * (max_coarse + 1));
	training->found = at;
	at += MAXALIGN(sizeof(int) * max_coarse);
	training->lists = at;
	at += MAXALIGN(sizeof(float) * nlists * dp);
	return at;
}

/* See train.h. */
Size
trident_index_training_size(const TridentIndexSample *sample, int nlists)
{
	TridentIndexTraining training;

	return lay_out(sample, nlists, &training);
}

/* Room for n things of a size, which may be more than palloc gives. */
static void *
allocate(Size size, int n)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, size * n);
}

/* Put the numbers 0 to n - 1 into random order. */
static void
shuffle(pg_prng_state *prng, int n, int *order)
{
	for (int i = 0; i < n; i++)
	{
		int			j = (int) pg_prng_uint64_range(prng, 0, i);

		order[i] = order[j];
		order[j] = i;
	}
}

/* Copy rows of the sample side by side. */
static float *
gather(const TridentIndexSample *sample, int n, const int *rows)
{
	Size		size = sizeof(float) * sample->dp;
	float	   *copy = allocate(size, n);

	for (int i = 0; i < n; i++)
		memcpy(copy + (Size) i * sample->dp,
			   sample->rows + (Size) rows[i] * sample->dp, size);
	return copy;
}

/*
 * Group the rows of the sample, in the order given, by their nearest cell:
 * fills first_row and row_of.
 */
static void
group_rows(const TridentIndexSample *sample, const int *order,
		   TridentIndexTraining *training)
{
	int			n = sample->nrows;
	int		   *first = CHUNK(training, int, first_row);
	int		   *row_of = CHUNK(training, int, row_of);
	int		   *cell = palloc0(sizeof(int) * n);
	float	   *score = palloc(sizeof(float) * n);
	int		   *next = palloc0(sizeof(int) * (training->ncoarse + 1));
	float	   *norm2 = palloc(sizeof(float) * training->ncoarse);
	TridentIndexTargets targets = {
		.n = training->ncoarse,
		.dp = sample->dp,
		.centroids = CHUNK(training, float, coarse),
		.norm2 = norm2
	};

	trident_index_norms(training->ncoarse, sample->dp, targets.centroids,
						norm2);
	for (int i = 0; i < n; i++)
		score[i] = INFINITY;
	for (int i = 0; i < n; i += ASSIGN_ROWS)
	{
		trident_index_nearest(&targets, Min(ASSIGN_ROWS, n - i),
							  sample->rows + (Size) i * sample->dp,
							  cell + i, score + i);
		CHECK_FOR_INTERRUPTS();
	}

	for (int i = 0; i < n; i++)
		next[cell[i] + 1]++;
	for (int c = 0; c < training->ncoarse; c++)
		next[c + 1] += next[c];
	memcpy(first, next, sizeof(int) * (training->ncoarse + 1));
	for (int i = 0; i < n; i++)
		row_of[next[cell[order[i]]]++] = order[i];

	pfree(cell);
	pfree(score);
	pfree(next);
	pfree(norm2);
}

/*
 * Share the lists out to the cells in proportion to their rows, each list to
 * the cell with the most rows for each half list more (Sainte-Lague): fills
 * first_list.  A cell without rows gets none, any other at least one and no
 * more than it has rows.
 */
static void
apportion(TridentIndexTraining *training)
{
	const int  *first_row = CHUNK(training, int, first_row);
	int		   *first_list = CHUNK(training, int, first_list);
	int			ncoarse = training->ncoarse;
	int		   *seats = palloc(sizeof(int) * ncoarse);
	int			left = training->nlists;

	for (int c = 0; c < ncoarse; c++)
	{
		seats[c] = first_row[c + 1] > first_row[c] ? 1 : 0;
		left -= seats[c];
	}
	for (; left > 0; left--)
	{
		double		most = 0;
		int			winner = -1;

		for (int c = 0; c < ncoarse; c++)
		{
			int			rows = first_row[c + 1] - first_row[c];
			double		claim = rows / (2.0 * seats[c] + 1.0);

			if (seats[c] < rows && claim > most)
			{
				most = claim;
				winner = c;
			}
		}
		if (winner < 0)
			break;				/* every row has a list */
		seats[winner]++;
	}

	first_list[0] = 0;
	for (int c = 0; c < ncoarse; c++)
		first_list[c + 1] = first_list[c] + seats[c];
	pfree(seats);
}

/* See train.h. */
void
trident_index_train_coarse(const TridentIndexSample *sample, int nlists,
						   uint64 seed, TridentIndexTraining *training)
{
	TridentIndexSample part = *sample;
	int		   *order = palloc(sizeof(int) * sample->nrows);
	pg_prng_state prng;

	lay_out(sample, nlists, training);
	training->seed = seed;
	pg_prng_seed(&prng, seed);
	shuffle(&prng, sample->nrows, order);

	part.nrows = Min(sample->nrows, training->max_coarse * COARSE_ROWS);
	part.rows = gather(sample, part.nrows, order);
	training->ncoarse =
		trident_index_lloyd(&part, training->max_coarse, seed,
							CHUNK(training, float, coarse));
	pfree(unconstify(float *, part.rows));

	group_rows(sample, order, training);
	apportion(training);
	pfree(order);
}

/* Find the lists of a cell. */
static void
train_cell(const TridentIndexSample *sample, TridentIndexTraining *training,
		   int cell)
{
	const int  *first_row = CHUNK(training, int, first_row);
	const int  *first_list = CHUNK(training, int, first_list);
	TridentIndexSample members = *sample;

	members.nrows = first_row[cell + 1] - first_row[cell];
	members.rows = gather(sample, members.nrows,
						  CHUNK(training, int, row_of) + first_row[cell]);
	CHUNK(training, int, found)[cell] =
		trident_index_lloyd(&members, first_list[cell + 1] - first_list[cell],
							training->seed + 1 + cell,
							CHUNK(training, float, lists) +
							(Size) first_list[cell] * sample->dp);
	pfree(unconstify(float *, members.rows));
}

static void
set_norms(TridentIndexCentroids *centroids)
{
	trident_index_norms(centroids->nlists, centroids->dp, centroids->lists,
						centroids->list_norm2);
	trident_index_norms(centroids->ncoarse, centroids->dp, centroids->coarse,
						centroids->coarse_norm2);
}

/* Room for the centroids of a training. */
static TridentIndexCentroids *
make_centroids(int dp, int ncoarse, int nlists)
{
	TridentIndexCentroids *centroids = palloc(sizeof(TridentIndexCentroids));

	centroids->dp = dp;
	centroids->nlists = nlists;
	centroids->ncoarse = ncoarse;
	centroids->first = palloc(sizeof(int) * (ncoarse + 1));
	centroids->coarse = allocate(sizeof(float) * dp, ncoarse);
	centroids->coarse_norm2 = palloc(sizeof(float) * ncoarse);
	centroids->lists = allocate(sizeof(float) * dp, nlists);
	centroids->list_norm2 = palloc(sizeof(float) * nlists);
	return centroids;
}

/* Put the lists that were found in the cells side by side. */
static TridentIndexCentroids *
collect(const TridentIndexSample *sample, const TridentIndexTraining *training)
{
	const int  *first_list = CHUNK(training, int, first_list);
	const int  *found = CHUNK(training, int, found);
	Size		dp = sample->dp;
	TridentIndexCentroids *centroids;
	int			nlists = 0;

	for (int c = 0; c < training->ncoarse; c++)
		nlists += found[c];
	centroids = make_centroids(sample->dp, training->ncoarse, nlists);
	memcpy(centroids->coarse, CHUNK(training, float, coarse),
		   sizeof(float) * training->ncoarse * dp);

	nlists = 0;
	for (int c = 0; c < training->ncoarse; c++)
	{
		centroids->first[c] = nlists;
		memcpy(centroids->lists + nlists * dp,
			   CHUNK(training, float, lists) + first_list[c] * dp,
			   sizeof(float) * found[c] * dp);
		nlists += found[c];
	}
	centroids->first[training->ncoarse] = nlists;
	set_norms(centroids);
	return centroids;
}

/* Is the list equal to one before it? */
static bool
is_repeated(const TridentIndexCentroids *centroids, int list)
{
	Size		dp = centroids->dp;

	for (int i = 0; i < list; i++)
	{
		if (centroids->list_norm2[i] == centroids->list_norm2[list] &&
			memcmp(centroids->lists + i * dp, centroids->lists + list * dp,
				   sizeof(float) * dp) == 0)
			return true;
	}
	return false;
}

/*
 * Leave out lists that are equal to another, which cells may have found for
 * the same rows, and then the cells without a list.
 */
static void
drop_repeated(TridentIndexCentroids *centroids)
{
	Size		dp = centroids->dp;
	int			ncoarse = 0;
	int			nlists = 0;
	int			begin = 0;

	for (int c = 0; c < centroids->ncoarse; c++)
	{
		int			first = nlists;
		int			end = centroids->first[c + 1];

		for (int l = begin; l < end; l++)
		{
			if (is_repeated(centroids, l))
				continue;
			memmove(centroids->lists + nlists * dp,
					centroids->lists + l * dp, sizeof(float) * dp);
			centroids->list_norm2[nlists++] = centroids->list_norm2[l];
		}
		begin = end;
		if (nlists == first)
			continue;
		memmove(centroids->coarse + ncoarse * dp,
				centroids->coarse + c * dp, sizeof(float) * dp);
		centroids->coarse_norm2[ncoarse] = centroids->coarse_norm2[c];
		centroids->first[ncoarse++] = first;
	}
	centroids->first[ncoarse] = nlists;
	centroids->ncoarse = ncoarse;
	centroids->nlists = nlists;
}

/* Find the nearest lists of some rows, the item-th of them. */
static void
assign_rows(const TridentIndexSample *sample, TridentIndexTraining *training,
			const TridentIndexCentroids *centroids, int item)
{
	int			first = item * ASSIGN_ROWS;

	trident_index_assign(centroids, Min(ASSIGN_ROWS, sample->nrows - first),
						 sample->rows + (Size) first * sample->dp,
						 CHUNK(training, int, list_of) + first, NULL);
}

/*
 * Move the lists of a cell to the means of their rows, and its own centroid
 * to that of the rows of its lists: it is where rows start to look for them.
 */
static void
move_cell(const TridentIndexSample *sample, TridentIndexTraining *training,
		  int cell)
{
	const int  *list_of = CHUNK(training, int, list_of);
	const int  *found = CHUNK(training, int, found);
	Size		dp = sample->dp;
	int			n = found[cell];
	int			first = 0;
	float	   *lists = CHUNK(training, float, lists) +
		CHUNK(training, int, first_list)[cell] * dp;
	double	   *sum = allocate(sizeof(double) * dp, n + 1);
	int		   *count = palloc0(sizeof(int) * (n + 1));

	memset(sum, 0, sizeof(double) * dp * (n + 1));
	for (int c = 0; c < cell; c++)
		first += found[c];
	for (int i = 0; i < sample->nrows; i++)
	{
		int			list = list_of[i] - first;
		const float *row = sample->rows + i * dp;

		if (list < 0 || list >= n)
			continue;
		count[list]++;
		for (Size d = 0; d < dp; d++)
			sum[list * dp + d] += row[d];
	}
	/* behind the lists those of the cell */
	for (int l = 0; l < n; l++)
	{
		if (count[l] == 0)
			continue;
		trident_index_mean(sample, sum + l * dp, count[l], lists + l * dp);
		count[n] += count[l];
		for (Size d = 0; d < dp; d++)
			sum[n * dp + d] += sum[l * dp + d];
	}
	if (count[n] > 0)
		trident_index_mean(sample, sum + n * dp, count[n],
						   CHUNK(training, float, coarse) + cell * dp);
	pfree(sum);
	pfree(count);
}

static void
free_centroids(TridentIndexCentroids *centroids)
{
	pfree(centroids->first);
	pfree(centroids->coarse);
	pfree(centroids->coarse_norm2);
	pfree(centroids->lists);
	pfree(centroids->list_norm2);
	pfree(centroids);
}

/* See train.h. */
void
trident_index_train_step(const TridentIndexSample *sample,
						 TridentIndexTraining *training,
						 TridentIndexTrainStep step,
						 TridentIndexNextItem next, void *arg)
{
	int			nitems = step == TRIDENT_INDEX_TRAIN_ASSIGN ?
		(sample->nrows + ASSIGN_ROWS - 1) / ASSIGN_ROWS : training->ncoarse;
	TridentIndexCentroids *centroids = NULL;
	int			item;

	if (step == TRIDENT_INDEX_TRAIN_ASSIGN)
		centroids = collect(sample, training);
	while ((item = next(arg)) < nitems)
	{
		switch (step)
		{
			case TRIDENT_INDEX_TRAIN_CELLS:
				train_cell(sample, training, item);
				break;
			case TRIDENT_INDEX_TRAIN_ASSIGN:
				assign_rows(sample, training, centroids, item);
				break;
			case TRIDENT_INDEX_TRAIN_MEANS:
				move_cell(sample, training, item);
				break;
			case TRIDENT_INDEX_TRAIN_STEPS:
				break;
		}
		CHECK_FOR_INTERRUPTS();
	}
	if (centroids)
		free_centroids(centroids);
}

/* See train.h. */
TridentIndexCentroids *
trident_index_train_finish(const TridentIndexSample *sample,
						   const TridentIndexTraining *training)
{
	TridentIndexCentroids *centroids = collect(sample, training);

	drop_repeated(centroids);
	return centroids;
}

/* TridentIndexNextItem of a process that does all. */
static int
count_up(void *arg)
{
	return (*(int *) arg)++;
}

/* See train.h. */
TridentIndexCentroids *
trident_index_train(const TridentIndexSample *sample, int nlists, uint64 seed)
{
	TridentIndexTraining *training;
	TridentIndexCentroids *centroids;

	training = allocate(trident_index_training_size(sample, nlists), 1);
	trident_index_train_coarse(sample, nlists, seed, training);
	for (int step = 0; step < TRIDENT_INDEX_TRAIN_STEPS; step++)
	{
		int			item = 0;

		trident_index_train_step(sample, training, step, count_up, &item);
	}
	centroids = trident_index_train_finish(sample, training);
	pfree(training);
	return centroids;
}
