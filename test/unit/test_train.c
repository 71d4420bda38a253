/*
 * test_train.c
 *	  Proves that training finds lists that are fit for use, whatever the
 *	  sample, and that assignment finds the nearest of them.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "index/train.h"
#include "level.h"
#include "simd/simd.h"
#include "tap.h"

#define DP 32
#define MAX_ROWS 20000

static float rows[MAX_ROWS * DP];
static int	list[MAX_ROWS];
static float dist2[MAX_ROWS];

static TridentIndexSample
sample_of(int nrows, bool is_spherical)
{
	TridentIndexSample sample = {
		.rows = rows,
		.nrows = nrows,
		.dp = DP,
		.is_spherical = is_spherical
	};

	return sample;
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

/* Normal enough: the sum of four uniform numbers. */
static float
random_normal(void)
{
	return next_random_float() + next_random_float() +
		next_random_float() + next_random_float();
}

/* Rows around so many centres, which are further apart than the rows. */
static void
make_clusters(int nrows, int nclusters, float spread)
{
	static float centres[512 * DP];

	for (int i = 0; i < nclusters * DP; i++)
		centres[i] = 3 * random_normal();
	for (int i = 0; i < nrows; i++)
	{
		const float *centre = centres + next_random() % nclusters * DP;

		for (int d = 0; d < DP; d++)
			rows[i * DP + d] = centre[d] + spread * random_normal();
	}
}

static void
normalise_rows(int nrows)
{
	for (int i = 0; i < nrows; i++)
	{
		float	   *row = rows + i * DP;
		float		norm = sqrtf((float) trident_simd.norm_squared_f32(DP, row));

		for (int d = 0; d < DP; d++)
			row[d] /= norm;
	}
}

/* Are two lists equal? */
static bool
has_repeated(const TridentIndexCentroids *centroids)
{
	for (int i = 0; i < centroids->nlists; i++)
	{
		for (int j = 0; j < i; j++)
		{
			if (trident_simd.l2_squared_f32(DP, centroids->lists + i * DP,
											centroids->lists + j * DP) == 0)
				return true;
		}
	}
	return false;
}

/* What holds of all centroids, whatever the sample. */
static bool
is_sound(const TridentIndexCentroids *centroids, int nlists)
{
	if (centroids->dp != DP || centroids->nlists < 1 ||
		centroids->nlists > nlists || centroids->ncoarse < 1 ||
		centroids->first[0] != 0 ||
		centroids->first[centroids->ncoarse] != centroids->nlists)
		return false;
	for (int c = 0; c < centroids->ncoarse; c++)
	{
		if (centroids->first[c + 1] <= centroids->first[c])
			return false;
	}
	for (int i = 0; i < centroids->nlists * DP; i++)
	{
		if (!isfinite(centroids->lists[i]))
			return false;
	}
	for (int i = 0; i < centroids->ncoarse * DP; i++)
	{
		if (!isfinite(centroids->coarse[i]))
			return false;
	}
	return !has_repeated(centroids);
}

/* Assign the sample; are all lists there, and all distances numbers? */
static bool
assigns(const TridentIndexCentroids *centroids, int nrows)
{
	trident_index_assign(centroids, nrows, rows, list, dist2);
	for (int i = 0; i < nrows; i++)
	{
		if (list[i] < 0 || list[i] >= centroids->nlists || !(dist2[i] >= 0))
			return false;
	}
	return true;
}

/* The largest squared distance, as a part of the row's squared norm. */
static double
largest_distance(int nrows)
{
	double		largest = 0;

	for (int i = 0; i < nrows; i++)
	{
		if (dist2[i] > 0)
			largest = Max(largest, dist2[i] /
						  trident_simd.norm_squared_f32(DP, rows + i * DP));
	}
	return largest;
}

/*
 * Train on what rows holds.  exact: there are no more distinct rows than
 * lists, each must have its own.
 */
static void
test_sample(const char *name, int nrows, int nlists, int expected, bool exact)
{
	TridentIndexSample sample = sample_of(nrows, false);
	TridentIndexCentroids *centroids = trident_index_train(&sample, nlists, 1);
	bool		sound = is_sound(centroids, nlists);
	bool		assigned = assigns(centroids, nrows);

	tap_note("%d lists in %d cells, largest distance %g",
			 centroids->nlists, centroids->ncoarse, largest_distance(nrows));
	tap_ok(sound && assigned &&
		   (expected < 0 || centroids->nlists == expected) &&
		   (!exact || largest_distance(nrows) < 1e-6),
		   "%s", name);
	free_centroids(centroids);
}

static void
test_odd_samples(void)
{
	memset(rows, 0, sizeof(rows));
	test_sample("one row, of zeros", 1, 100, 1, true);
	test_sample("rows of zeros", 5000, 100, 1, true);
	test_sample("one list", 5000, 1, 1, true);

	for (int i = 0; i < MAX_ROWS * DP; i++)
		rows[i] = 7.25f;
	test_sample("equal rows", 5000, 300, 1, true);

	/* One value is of nearly all rows, the others of one or two each. */
	rows[17 * DP] = rows[4000 * DP] = 8;
	rows[2500 * DP + 3] = -7;
	test_sample("equal rows but three", 5000, 300, 3, true);

	for (int i = 0; i < 5000; i++)
		for (int d = 0; d < DP; d++)
			rows[i * DP + d] = (float) (i % 40 * (d + 1) % 7 + i % 40);
	test_sample("forty distinct rows", 5000, 1000, 40, true);

	make_clusters(MAX_ROWS, 100, 1);
	test_sample("as many rows as lists", 50, 50, 50, true);
	test_sample("fewer rows than lists", 50, 500, 50, true);
	memcpy(rows + 1000 * DP, rows, sizeof(float) * 1000 * DP);
	test_sample("every row twice", 2000, 1500, 1000, true);
	test_sample("one list more than rows for it", 2000, 1999, 1000, true);
	test_sample("many rows", MAX_ROWS, 300, 300, false);

	/* Squares, and sums of rows, are beyond float4. */
	for (int i = 0; i < 3000 * DP; i++)
		rows[i] *= 1e37f;
	test_sample("values whose squares overflow", 3000, 100, -1, false);
}

/* How many rows are in the list that is nearest of all? */
static double
agreement(const TridentIndexCentroids *centroids, int nrows)
{
	int			agreeing = 0;

	for (int i = 0; i < nrows; i++)
	{
		float		least = FLT_MAX;

		for (int l = 0; l < centroids->nlists; l++)
			least = Min(least, trident_simd.l2_squared_f32(DP, rows + i * DP,
														   centroids->lists + l * DP));
		if (dist2[i] <= least * 1.0001f + 1e-4f)
			agreeing++;
	}
	return (double) agreeing / nrows;
}

static int
largest_list(const TridentIndexCentroids *centroids, int nrows)
{
	int		   *count = palloc0(sizeof(int) * centroids->nlists);
	int			largest = 0;

	for (int i = 0; i < nrows; i++)
		largest = Max(largest, ++count[list[i]]);
	pfree(count);
	return largest;
}

static void
test_quality(bool is_spherical)
{
	const char *name = is_spherical ? "spherical" : "plain";
	TridentIndexSample sample = sample_of(MAX_ROWS, is_spherical);
	TridentIndexCentroids *centroids;
	double		agreeing;
	int			largest;
	bool		is_unit = true;

	make_clusters(MAX_ROWS, 150, 1);
	if (is_spherical)
		normalise_rows(MAX_ROWS);
	centroids = trident_index_train(&sample, 400, 1);
	tap_ok(is_sound(centroids, 400) && assigns(centroids, MAX_ROWS),
		   "%s: sound", name);

	agreeing = agreement(centroids, MAX_ROWS);
	tap_note("%.4f of the rows are in their nearest list", agreeing);
	tap_ok(agreeing >= 0.97, "%s: rows are in their nearest list", name);

	largest = largest_list(centroids, MAX_ROWS);
	tap_note("largest list %d of %d rows in %d lists", largest, MAX_ROWS,
			 centroids->nlists);
	tap_ok(largest <= 4 * MAX_ROWS / centroids->nlists,
		   "%s: no list is far larger than the mean", name);

	for (int l = 0; l < centroids->nlists; l++)
		is_unit &= fabsf(centroids->list_norm2[l] - 1) < 1e-5f;
	tap_ok(is_unit == is_spherical, "%s: norms of centroids", name);
	free_centroids(centroids);
}

/* Items that one of two processes does: in turns, or all by the second. */
typedef struct Turns
{
	int			next;
	int			by;
} Turns;

static int
next_turn(void *arg)
{
	Turns	   *turns = arg;
	int			item = turns->next;

	turns->next += turns->by;
	return item;
}

/*
 * The same sample and seed, in one call, and in steps by two who take turns;
 * the second begins.
 */
static void
test_repeatable(void)
{
	TridentIndexSample sample = sample_of(MAX_ROWS, false);
	TridentIndexCentroids *one = trident_index_train(&sample, 200, 42);
	TridentIndexCentroids *other;
	TridentIndexTraining *training;

	training = palloc(trident_index_training_size(&sample, 200));
	trident_index_train_coarse(&sample, 200, 42, training);
	for (int step = 0; step < TRIDENT_INDEX_TRAIN_STEPS; step++)
	{
		for (int who = 1; who >= 0; who--)
		{
			Turns		turns = {.next = who, .by = 2};

			trident_index_train_step(&sample, training, step, next_turn,
									 &turns);
		}
	}
	other = trident_index_train_finish(&sample, training);
	pfree(training);

	tap_ok(one->nlists == other->nlists && one->ncoarse == other->ncoarse &&
		   memcmp(one->lists, other->lists,
				  sizeof(float) * DP * one->nlists) == 0 &&
		   memcmp(one->coarse, other->coarse,
				  sizeof(float) * DP * one->ncoarse) == 0,
		   "the same centroids in steps");
	free_centroids(one);
	free_centroids(other);
}

static void
test_batches(void)
{
	TridentIndexSample sample = sample_of(MAX_ROWS, false);
	TridentIndexCentroids *centroids = trident_index_train(&sample, 200, 3);
	int			differing = 0;

	assigns(centroids, 3000);
	for (int i = 0; i < 3000; i++)
	{
		int			alone;

		trident_index_assign(centroids, 1, rows + i * DP, &alone, NULL);
		differing += alone != list[i];
	}
	tap_note("%d of 3000 differ", differing);
	/* Products of other shapes round otherwise: a tie may be broken so. */
	tap_ok(differing <= 3, "a row alone goes where it goes in a batch");
	free_centroids(centroids);
}

int
main(void)
{
	trident_simd_choose(TRIDENT_SIMD_AUTO);

	tap_ok(trident_index_lists_for(0, 170) == 0 &&
		   trident_index_lists_for(9999, 170) == 0 &&
		   trident_index_lists_for(NAN, 170) == 0, "few rows: no lists");
	tap_ok(trident_index_lists_for(10000, 170) >= 50 &&
		   trident_index_lists_for(650000, 170) >= 2000 &&
		   trident_index_lists_for(650000, 170) <= 8000 &&
		   trident_index_lists_for(1e12, 170) == TRIDENT_INDEX_MAX_LISTS,
		   "more rows: more lists, up to what can be numbered");
	tap_ok(trident_index_lists_for(50000, 60) >
		   trident_index_lists_for(50000, 170),
		   "fewer rows a page: more lists");

	test_odd_samples();
	test_quality(false);
	test_quality(true);
	test_repeatable();
	test_batches();
	return tap_done();
}
