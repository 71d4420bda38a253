/*
 * bench_train.c
 *	  What training and assignment cost, and what the lists are worth.
 *
 * usage: bench_train BASE QUERIES TRUTH l2|cosine [lists [sample rows a list]]
 *
 * BASE and QUERIES are .bvecs or .i8vecs files, TRUTH an .ivecs file of the
 * nearest rows of each query.  A row counts as found when its list is among
 * those probed, so that recall tells of the lists alone, not of codes.
 */
#include "postgres.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "common/pg_prng.h"
#include "index/train.h"
#include "simd/simd.h"
#include "tap.h"

/* That of the C library: port.h has put the server's in its place. */
#undef qsort

#define K 10
#define MAX_PROBES 512
#define BATCH 1024

typedef struct Rows
{
	int			n;
	int			dp;
	float	   *values;			/* n x dp */
} Rows;

/* A list as a query sees it. */
typedef struct Probe
{
	float		dist2;
	int			list;
} Probe;

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

/* The whole of a file, or the end of the program. */
static unsigned char *
read_file(const char *path, size_t *size)
{
	FILE	   *file = fopen(path, "rb");
	unsigned char *bytes = NULL;
	long		length = 0;

	if (file != NULL && fseek(file, 0, SEEK_END) == 0)
		length = ftell(file);
	if (length > 0)
	{
		rewind(file);
		bytes = palloc(length);
		*size = fread(bytes, 1, length, file);
	}
	if (bytes == NULL || *size != (size_t) length)
	{
		tap_note("could not read \"%s\"", path);
		exit(1);
	}
	fclose(file);
	return bytes;
}

static Rows
read_rows(const char *path, bool is_cosine)
{
	bool		is_signed = strstr(path, ".i8vecs") != NULL;
	size_t		size;
	unsigned char *bytes = read_file(path, &size);
	Rows		rows;
	int32		dim;

	memcpy(&dim, bytes, sizeof(dim));
	rows.dp = (dim + 31) / 32 * 32;
	rows.n = (int) (size / (sizeof(dim) + dim));
	rows.values = palloc0(sizeof(float) * rows.n * rows.dp);
	for (int i = 0; i < rows.n; i++)
	{
		const unsigned char *from = bytes + i * (sizeof(dim) + dim) + sizeof(dim);
		float	   *to = rows.values + (Size) i * rows.dp;
		double		norm;

		for (int d = 0; d < dim; d++)
			to[d] = is_signed ? (signed char) from[d] : from[d];
		norm = sqrt(trident_simd.norm_squared_f32(rows.dp, to));
		for (int d = 0; is_cosine && norm > 0 && d < dim; d++)
			to[d] /= (float) norm;
	}
	pfree(bytes);
	return rows;
}

static int
compare_probes(const void *a, const void *b)
{
	float		x = ((const Probe *) a)->dist2;
	float		y = ((const Probe *) b)->dist2;

	return (x > y) - (x < y);
}

static int
compare_ints(const void *a, const void *b)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	return (x > y) - (x < y);
}

static TridentIndexCentroids *
train(const Rows *base, int nlists, int a_list, bool is_spherical)
{
	TridentIndexSample sample = {
		.nrows = (int) Min((double) base->n, (double) nlists * a_list),
		.dp = base->dp,
		.is_spherical = is_spherical
	};
	Size		size = sizeof(float) * base->dp;
	float	   *rows = palloc(size * sample.nrows);
	int		   *order = palloc(sizeof(int) * base->n);
	TridentIndexCentroids *centroids;
	pg_prng_state prng;
	double		start;

	pg_prng_seed(&prng, 7);
	for (int i = 0; i < base->n; i++)
	{
		int			j = (int) pg_prng_uint64_range(&prng, 0, i);

		order[i] = order[j];
		order[j] = i;
	}
	for (int i = 0; i < sample.nrows; i++)
		memcpy(rows + (Size) i * base->dp,
			   base->values + (Size) order[i] * base->dp, size);
	sample.rows = rows;

	start = cpu_seconds();
	centroids = trident_index_train(&sample, nlists, 1);
	tap_note("%d lists in %d cells from %d rows: %.2f CPU-seconds",
			 centroids->nlists, centroids->ncoarse, sample.nrows,
			 cpu_seconds() - start);
	pfree(rows);
	pfree(order);
	return centroids;
}

/* The list of each row; counts[list] becomes how many rows it has. */
static int *
assign(const Rows *base, const TridentIndexCentroids *centroids, int *counts)
{
	int		   *lists = palloc(sizeof(int) * base->n);
	int		   *sorted = palloc(sizeof(int) * centroids->nlists);
	double		start = cpu_seconds();

	for (int i = 0; i < base->n; i += BATCH)
		trident_index_assign(centroids, Min(BATCH, base->n - i),
							 base->values + (Size) i * base->dp, lists + i,
							 NULL);
	tap_note("%d rows assigned: %.2f CPU-seconds", base->n,
			 cpu_seconds() - start);

	memset(counts, 0, sizeof(int) * centroids->nlists);
	for (int i = 0; i < base->n; i++)
		counts[lists[i]]++;
	memcpy(sorted, counts, sizeof(int) * centroids->nlists);
	qsort(sorted, centroids->nlists, sizeof(int), compare_ints);
	tap_note("rows a list: mean %.0f, p99 %d, most %d",
			 (double) base->n / centroids->nlists,
			 sorted[(int) (centroids->nlists * 0.99)],
			 sorted[centroids->nlists - 1]);
	pfree(sorted);
	return lists;
}

/* How many rows of the base are in lists other than their nearest. */
static void
print_agreement(const Rows *base, const TridentIndexCentroids *centroids,
				const int *lists)
{
	TridentIndexTargets targets = {
		.n = centroids->nlists,
		.dp = centroids->dp,
		.centroids = centroids->lists,
		.norm2 = centroids->list_norm2
	};
	int			n = Min(base->n, 20000);
	int			agreeing = 0;

	for (int i = 0; i < n; i++)
	{
		Size		row = (Size) i * base->n / n;
		int			nearest = 0;
		float		score = INFINITY;

		trident_index_nearest(&targets, 1, base->values + row * base->dp,
							  &nearest, &score);
		agreeing += nearest == lists[row];
	}
	tap_note("in the nearest list of all: %.2f %%", 100.0 * agreeing / n);
}

static void
print_recall(const Rows *queries, const char *truth,
			 const TridentIndexCentroids *centroids, const int *lists,
			 const int *counts)
{
	static const double targets[] = {0.90, 0.95, 0.99};
	int			nlists = centroids->nlists;
	int			nprobes = Min(MAX_PROBES, nlists);
	Probe	   *probes = palloc(sizeof(Probe) * nlists);
	double	   *found = palloc0(sizeof(double) * nprobes);
	double	   *codes = palloc0(sizeof(double) * nprobes);
	size_t		size;
	unsigned char *bytes = read_file(truth, &size);
	int32		width;
	int			target = 0;

	memcpy(&width, bytes, sizeof(width));
	for (int q = 0; q < queries->n; q++)
	{
		const float *query = queries->values + (Size) q * queries->dp;
		const int32 *near = (const int32 *) bytes + (Size) q * (width + 1) + 1;

		for (int l = 0; l < nlists; l++)
		{
			const float *centroid = centroids->lists + (Size) l * queries->dp;

			probes[l].list = l;
			probes[l].dist2 = trident_simd.l2_squared_f32(queries->dp, query,
														  centroid);
		}
		qsort(probes, nlists, sizeof(Probe), compare_probes);
		for (int p = 0; p < nprobes; p++)
		{
			codes[p] += counts[probes[p].list];
			for (int k = 0; k < K; k++)
				found[p] += lists[near[k]] == probes[p].list;
		}
	}
	for (int p = 0; p < nprobes; p++)
	{
		found[p] /= (double) queries->n * K;
		codes[p] /= queries->n;
		if (p > 0)
		{
			found[p] += found[p - 1];
			codes[p] += codes[p - 1];
		}
		if ((p & (p + 1)) == 0)
			tap_note("%4d probes: recall@%d %.4f, %.0f codes", p + 1, K,
					 found[p], codes[p]);
		for (; target < (int) lengthof(targets) && found[p] >= targets[target];
			 target++)
			tap_note("recall %.2f: %d probes, %.0f codes", targets[target],
					 p + 1, codes[p]);
	}
	pfree(probes);
	pfree(found);
	pfree(codes);
	pfree(bytes);
}

int
main(int argc, char **argv)
{
	bool		is_cosine;
	Rows		base;
	Rows		queries;
	TridentIndexCentroids *centroids;
	int		   *counts;
	int		   *lists;
	int			nlists;

	if (argc < 5)
	{
		tap_note("usage: bench_train BASE QUERIES TRUTH l2|cosine [lists [sample rows a list]]");
		return 1;
	}
	trident_simd_choose(TRIDENT_SIMD_AUTO);
	is_cosine = strcmp(argv[4], "cosine") == 0;
	base = read_rows(argv[1], is_cosine);
	queries = read_rows(argv[2], is_cosine);
	nlists = argc > 5 ? atoi(argv[5]) : trident_index_lists_for(base.n, 170);
	centroids = train(&base, Max(nlists, 1), argc > 6 ? atoi(argv[6]) : 64,
					  is_cosine);
	counts = palloc(sizeof(int) * centroids->nlists);
	lists = assign(&base, centroids, counts);
	print_agreement(&base, centroids, lists);
	print_recall(&queries, argv[3], centroids, lists, counts);
	return 0;
}
