/*
 * truth.c
 *	  Exact neighbours among the rows that pass a filter, by brute force.
 *
 * The filter is a bucket limit (-B) or the tenant of the query (-T), both
 * functions of the id, so the base file is all that is needed: the answer
 * does not depend on any server.  Twice k neighbours are written, that ties
 * with the k-th are seen; fewer are padded with id -1.  Distances: squared L2
 * (exact for integer elements) or cosine, summed in double.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

typedef struct Truth
{
	const Options *opt;
	Vecs		base;
	Vecs		queries;
	int64_t		count;			/* queries to answer */
	int			keep;			/* neighbours to keep */
	bool		is_cosine;
	int64_t    *rows;			/* rows within the bucket limit */
	int64_t		nrows;
	float	   *vectors;		/* their vectors */
	int32_t    *ids;			/* count x keep */
	float	   *dists;			/* count x keep */
	atomic_llong next;
} Truth;

static double
squared_l2(const float *a, const float *b, int dim)
{
	double		sum = 0;

	for (int i = 0; i < dim; i++)
	{
		double		d = (double) a[i] - b[i];

		sum += d * d;
	}
	return sum;
}

/* NAN for a vector without direction: no neighbour of anything. */
static double
cosine_distance(const float *a, const float *b, int dim)
{
	double		dot = 0;
	double		aa = 0;
	double		bb = 0;

	for (int i = 0; i < dim; i++)
	{
		dot += (double) a[i] * b[i];
		aa += (double) a[i] * a[i];
		bb += (double) b[i] * b[i];
	}
	return aa > 0 && bb > 0 ? 1 - dot / sqrt(aa * bb) : NAN;
}

/* Puts a row in its place among the nearest so far; ties by lower id. */
static void
offer(Truth *t, int32_t *ids, float *dists, int32_t id, float dist)
{
	int			i = t->keep - 1;

	if (isnan(dist) || (ids[i] >= 0 && dist >= dists[i]))
		return;
	while (i > 0 && (ids[i - 1] < 0 || dists[i - 1] > dist))
	{
		ids[i] = ids[i - 1];
		dists[i] = dists[i - 1];
		i--;
	}
	ids[i] = id;
	dists[i] = dist;
}

static void
answer(Truth *t, int64_t q, float *query)
{
	int			dim = t->base.dim;
	int32_t    *ids = t->ids + q * t->keep;
	float	   *dists = t->dists + q * t->keep;

	vecs_row(&t->queries, q, query);
	for (int i = 0; i < t->keep; i++)
		ids[i] = -1;
	for (int64_t i = 0; i < t->nrows; i++)
	{
		const float *v = t->vectors + i * dim;

		if (t->opt->tenants && row_tenant(t->rows[i]) != q % BENCH_TENANTS)
			continue;
		offer(t, ids, dists, t->rows[i],
			  t->is_cosine ? cosine_distance(query, v, dim) :
			  squared_l2(query, v, dim));
	}
}

static void *
truth_main(void *arg)
{
	Truth	   *t = arg;
	float	   *query = must_alloc(sizeof(float) * t->base.dim);
	int64_t		q;

	while ((q = atomic_fetch_add(&t->next, 1)) < t->count)
		answer(t, q, query);
	free(query);
	return NULL;
}

/* Gathers the rows that the bucket limit lets through. */
static void
gather(Truth *t)
{
	int			dim = t->base.dim;

	t->rows = must_alloc(sizeof(int64_t) * t->base.n);
	for (int64_t id = 0; id < t->base.n; id++)
		if (t->opt->below == 0 || row_bucket(id) < t->opt->below)
			t->rows[t->nrows++] = id;
	t->vectors = must_alloc(sizeof(float) * dim * (t->nrows + 1));
	for (int64_t i = 0; i < t->nrows; i++)
		vecs_row(&t->base, t->rows[i], t->vectors + i * dim);
}

static void
write_file(const Truth *t, const char *suffix, const void *data)
{
	char		path[1024];
	FILE	   *f;
	int32_t		dim = t->keep;

	snprintf(path, sizeof(path), "%s%s", t->opt->truth, suffix);
	f = fopen(path, "wb");
	if (f == NULL)
		die("could not create", path);
	for (int64_t q = 0; q < t->count; q++)
		if (fwrite(&dim, sizeof(dim), 1, f) != 1 ||
			fwrite((const char *) data + q * t->keep * 4, 4, t->keep, f) !=
			(size_t) t->keep)
			die("could not write", path);
	if (fclose(f) != 0)
		die("could not write", path);
}

static void
run_threads(Truth *t)
{
	long		n = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t  *threads;

	if (n < 1)
		n = 1;
	threads = must_alloc(sizeof(pthread_t) * n);
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, truth_main, t) != 0)
			die("could not start a thread", NULL);
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

/* Writes <-g>.ivecs and <-g>.dist.fvecs for the first -c queries. */
void
cmd_truth(const Options *opt)
{
	Truth		t = {0};

	t.opt = opt;
	t.keep = 2 * opt->k;
	t.is_cosine = strcmp(opt->metric, "cosine") == 0;
	vecs_open(&t.base, opt->base);
	vecs_open(&t.queries, opt->queries);
	if (t.base.dim != t.queries.dim)
		die("base and queries differ in dimension", NULL);
	t.count = opt->count && opt->count < t.queries.n ?
		opt->count : t.queries.n;
	t.ids = must_alloc(sizeof(int32_t) * t.count * t.keep);
	t.dists = must_alloc(sizeof(float) * t.count * t.keep);
	gather(&t);
	run_threads(&t);
	write_file(&t, ".ivecs", t.ids);
	write_file(&t, ".dist.fvecs", t.dists);
}
