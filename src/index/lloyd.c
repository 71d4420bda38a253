/*
 * lloyd.c
 *	  k-means of the rows of one cell, or of the cells themselves.
 *
 * Seeds are drawn as in Arthur and Vassilvitskii, "k-means++: the advantages
 * of careful seeding" (2007), section 2.2, from a part of the rows; then
 * rows go to their nearest centroids and centroids to the means of their
 * rows, a fixed number of times (Lloyd).  Where this differs: after each
 * assignment, centroids that got no row, and the smallest in place of
 * clusters that got far too many, are set beside the centroid of the largest
 * cluster, so that the next assignment parts it.  A scan reads whole lists:
 * its slowest queries are those that meet the longest.
 *
 * Rows may be few or all equal: then fewer centroids are found, and each
 * distinct row has its own when there are no more of them than centroids.
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "miscadmin.h"

#include "index/train.h"
#include "simd/simd.h"

/* Twice as many lower the error by 0.3 % and change no recall measurably. */
#define LLOYD_ITERATIONS 6

/* Seeds are drawn from at most so many rows for each. */
#define SEED_ROWS 8

/* A cluster with more than so many times the mean is parted. */
#define MAX_TIMES_MEAN 2

/* Rows that are assigned between two looks for an interrupt. */
#define ASSIGN_ROWS 256

typedef struct Lloyd
{
	const TridentIndexSample *sample;
	int			k;
	float	   *centroids;		/* k x dp */
	float	   *norm2;			/* k */
	double	   *sum;			/* k x dp: of the rows of each cluster */
	int		   *count;			/* k: rows of each cluster */
	int		   *nearest;		/* nrows: cluster of each row */
	float	   *dist2;			/* nrows: from its centroid, at least 0 */
	float	   *row_norm2;		/* nrows */
	pg_prng_state prng;
} Lloyd;

static inline const float *
row_at(const TridentIndexSample *sample, int i)
{
	return sample->rows + (Size) i * sample->dp;
}

/*
 * The mean of count rows from their sum; of norm 1 for a spherical sample,
 * unless the rows cancel each other.
 */
void
trident_index_mean(const TridentIndexSample *sample, const double *sum,
				   int count, float *mean)
{
	double		scale = 1.0 / count;

	if (sample->is_spherical)
	{
		double		norm2 = 0;

		for (int d = 0; d < sample->dp; d++)
			norm2 += sum[d] * sum[d];
		if (norm2 > 0)
			scale = 1.0 / sqrt(norm2);
	}
	for (int d = 0; d < sample->dp; d++)
		mean[d] = (float) (sum[d] * scale);
}

/*
 * Draw one of the weights in proportion to it; -1 where they are all 0.
 */
static int
draw(pg_prng_state *prng, int n, const float *weight)
{
	double		total = 0;
	double		at;
	int			last = -1;

	for (int i = 0; i < n; i++)
		total += weight[i];
	at = pg_prng_double(prng) * total;
	for (int i = 0; i < n; i++)
	{
		if (!(weight[i] > 0))
			continue;
		last = i;
		at -= weight[i];
		if (at < 0)
			break;
	}
	return last;
}

/*
 * k-means++ from the first rows of the sample, which come in random order.
 */
static void
seed_centroids(Lloyd *lloyd)
{
	const TridentIndexSample *sample = lloyd->sample;
	int			dp = sample->dp;
	int			n = (int) Min((int64) sample->nrows,
							  (int64) lloyd->k * SEED_ROWS);
	float	   *weight = palloc(sizeof(float) * n);
	int			next = (int) pg_prng_uint64_range(&lloyd->prng, 0, n - 1);
	int			k = 0;

	for (int i = 0; i < n; i++)
		weight[i] = INFINITY;
	while (k < lloyd->k && next >= 0)
	{
		float	   *centroid = lloyd->centroids + (Size) k++ * dp;

		memcpy(centroid, row_at(sample, next), sizeof(float) * dp);
		for (int i = 0; i < n; i++)
		{
			float		d2;

			if (!(weight[i] > 0))
				continue;
			d2 = trident_simd.l2_squared_f32(dp, row_at(sample, i), centroid);
			if (d2 < weight[i])
				weight[i] = d2;
		}
		next = draw(&lloyd->prng, n, weight);
		CHECK_FOR_INTERRUPTS();
	}
	/* What has no seed is empty, as equal to another, until balance. */
	for (; k < lloyd->k; k++)
		memcpy(lloyd->centroids + (Size) k * dp, lloyd->centroids,
			   sizeof(float) * dp);
	pfree(weight);
}

/* Send each row to its nearest centroid.  Returns how many moved. */
static int
assign_rows(Lloyd *lloyd)
{
	const TridentIndexSample *sample = lloyd->sample;
	TridentIndexTargets targets = {
		.n = lloyd->k,
		.dp = sample->dp,
		.centroids = lloyd->centroids,
		.norm2 = lloyd->norm2
	};
	int			moved = 0;

	trident_index_norms(lloyd->k, sample->dp, lloyd->centroids, lloyd->norm2);
	memset(lloyd->count, 0, sizeof(int) * lloyd->k);
	for (int i = 0; i < sample->nrows; i += ASSIGN_ROWS)
	{
		int			m = Min(ASSIGN_ROWS, sample->nrows - i);
		int			before[ASSIGN_ROWS];

		memcpy(before, lloyd->nearest + i, sizeof(int) * m);
		for (int r = 0; r < m; r++)
		{
			lloyd->nearest[i + r] = 0;
			lloyd->dist2[i + r] = INFINITY;
		}
		trident_index_nearest(&targets, m, row_at(sample, i),
							  lloyd->nearest + i, lloyd->dist2 + i);
		for (int r = i; r < i + m; r++)
		{
			float		d2 = lloyd->dist2[r] + lloyd->row_norm2[r];

			/* What cancellation leaves of a distance of 0 is none. */
			lloyd->dist2[r] = d2 > 1e-6f * lloyd->row_norm2[r] ? d2 : 0;
			lloyd->count[lloyd->nearest[r]]++;
			moved += lloyd->nearest[r] != before[r - i];
		}
		CHECK_FOR_INTERRUPTS();
	}
	return moved;
}

/* Move each centroid that has rows to their mean. */
static void
update_centroids(Lloyd *lloyd)
{
	const TridentIndexSample *sample = lloyd->sample;
	int			dp = sample->dp;

	memset(lloyd->sum, 0, sizeof(double) * lloyd->k * dp);
	for (int i = 0; i < sample->nrows; i++)
	{
		double	   *sum = lloyd->sum + (Size) lloyd->nearest[i] * dp;
		const float *row = row_at(sample, i);

		for (int d = 0; d < dp; d++)
			sum[d] += row[d];
	}
	for (int c = 0; c < lloyd->k; c++)
	{
		if (lloyd->count[c] > 0)
			trident_index_mean(sample, lloyd->sum + (Size) c * dp,
							   lloyd->count[c],
							   lloyd->centroids + (Size) c * dp);
	}
}

/* Scale a centroid to norm 1, unless it is 0. */
static void
normalise(int dp, float *centroid)
{
	double		norm2 = trident_simd.norm_squared_f32(dp, centroid);
	float		scale = norm2 > 0 ? (float) (1.0 / sqrt(norm2)) : 1.0f;

	for (int d = 0; d < dp; d++)
		centroid[d] *= scale;
}

/*
 * Set centroid "to" and the centroid of cluster "from" on the two sides of
 * where that is now, along the line to one of its rows.  Not quite in the
 * middle: a centroid that most of its rows are equal to must not lie on the
 * border.  False where all rows of the cluster are equal.
 */
static bool
part_cluster(Lloyd *lloyd, int from, int to)
{
	const TridentIndexSample *sample = lloyd->sample;
	int			dp = sample->dp;
	float	   *a = lloyd->centroids + (Size) from * dp;
	float	   *b = lloyd->centroids + (Size) to * dp;
	const float *row;
	float	   *weight = palloc(sizeof(float) * sample->nrows);
	int			i;

	for (i = 0; i < sample->nrows; i++)
		weight[i] = lloyd->nearest[i] == from ? lloyd->dist2[i] : 0;
	i = draw(&lloyd->prng, sample->nrows, weight);
	pfree(weight);
	if (i < 0)
		return false;

	row = row_at(sample, i);
	for (int d = 0; d < dp; d++)
	{
		float		way = row[d] - a[d];

		b[d] = a[d] + 0.3f * way;
		a[d] = a[d] - 0.25f * way;
	}
	if (sample->is_spherical)
	{
		normalise(dp, a);
		normalise(dp, b);
	}
	return true;
}

/*
 * Part the largest clusters with the help of centroids that have no rows;
 * then with those of the smallest clusters, while the largest is far too
 * large.  Called after update_centroids: centroids are means.  Returns how
 * many were parted.
 */
static int
balance(Lloyd *lloyd)
{
	int			mean = lloyd->sample->nrows / lloyd->k;
	int		   *count = lloyd->count;
	int			parted = 0;

	for (int n = 0; n < lloyd->k; n++)
	{
		int			least = 0;
		int			most = 0;
		bool		is_far;

		for (int c = 1; c < lloyd->k; c++)
		{
			if (count[c] < count[least])
				least = c;
			if (count[c] > count[most])
				most = c;
		}
		is_far = count[most] > MAX_TIMES_MEAN * mean &&
			count[least] <= mean / 2;
		if (count[most] < 2 || (count[least] > 0 && !is_far))
			break;

		/* Whatever becomes of these two, they are not looked at again. */
		if (part_cluster(lloyd, most, least))
		{
			count[most] = count[least] = mean;
			parted++;
		}
		else
			count[most] = 1;
	}
	return parted;
}

/*
 * Keep the centroids that have rows and are not equal to an earlier one.
 * Returns how many that are.
 */
static int
keep_distinct(Lloyd *lloyd)
{
	Size		size = sizeof(float) * lloyd->sample->dp;
	int			kept = 0;

	for (int c = 0; c < lloyd->k; c++)
	{
		float	   *centroid = lloyd->centroids + (Size) c * lloyd->sample->dp;
		int			i = lloyd->count[c] > 0 ? 0 : kept + 1;

		while (i < kept && memcmp(lloyd->centroids + (Size) i * lloyd->sample->dp,
								  centroid, size) != 0)
			i++;
		if (i != kept)
			continue;
		if (kept < c)
			memcpy(lloyd->centroids + (Size) kept * lloyd->sample->dp,
				   centroid, size);
		kept++;
	}
	return kept;
}

/* See train.h. */
int
trident_index_lloyd(const TridentIndexSample *sample, int k, uint64 seed,
					float *centroids)
{
	Lloyd		lloyd = {
		.sample = sample,
		.k = Min(k, sample->nrows),
		.centroids = centroids
	};
	int			n = sample->nrows;

	if (lloyd.k == 0)
		return 0;
	lloyd.norm2 = palloc(sizeof(float) * lloyd.k);
	lloyd.sum = MemoryContextAllocHuge(CurrentMemoryContext,
									   sizeof(double) * lloyd.k * sample->dp);
	lloyd.count = palloc(sizeof(int) * lloyd.k);
	lloyd.nearest = palloc0(sizeof(int) * n);
	lloyd.dist2 = palloc(sizeof(float) * n);
	lloyd.row_norm2 = palloc(sizeof(float) * n);
	pg_prng_seed(&lloyd.prng, seed);
	trident_index_norms(n, sample->dp, sample->rows, lloyd.row_norm2);

	seed_centroids(&lloyd);
	for (int i = 0; i < LLOYD_ITERATIONS; i++)
	{
		int			moved = assign_rows(&lloyd);

		update_centroids(&lloyd);
		if (i == LLOYD_ITERATIONS - 1 || (balance(&lloyd) == 0 && moved == 0))
			break;
	}
	k = keep_distinct(&lloyd);

	pfree(lloyd.norm2);
	pfree(lloyd.sum);
	pfree(lloyd.count);
	pfree(lloyd.nearest);
	pfree(lloyd.dist2);
	pfree(lloyd.row_norm2);
	return k;
}
