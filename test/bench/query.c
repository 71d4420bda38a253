/*
 * query.c
 *	  The command that searches: queries per second, latencies, rows, recall.
 *
 * Every connection has a thread, prepares the statement once and takes the
 * next query of a shared counter until all are done.  Parameter $1 is the
 * vector, $2 the tenant where -T asks for one; parameters and results are
 * binary; the first column of the result is the id.
 *
 * Recall of a query = rows returned that are among its true neighbours, rows
 * at the distance of the k-th included, over the k that exist.  It is taken
 * over the distinct queries that ran.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* -m may repeat the queries so many times, which bounds the memory. */
#define REPEAT_LIMIT	100

typedef struct Job
{
	const Options *opt;
	Vecs		queries;
	Vecs		ids;			/* the truth; ids.n = 0 when there is none */
	Vecs		dists;
	char	   *params;			/* encoded vectors, param_bytes each */
	int			param_bytes;
	int64_t		least;			/* queries to run at least */
	int64_t		most;			/* and at most */
	atomic_llong next;
	double		not_before;		/* go on past least until then */
	double		deadline;		/* start no query after this; 0: none */
	double	   *latency;		/* of each execution, -1: not run */
	int64_t    *found;			/* k ids of each distinct query */
	int		   *nfound;			/* rows of each distinct query, -1: not run */
} Job;

typedef struct Worker
{
	pthread_t	thread;
	PGconn	   *conn;
	Job		   *job;
} Worker;

static void
open_truth(Job *job)
{
	char		path[1024];

	if (job->opt->truth == NULL)
		return;
	snprintf(path, sizeof(path), "%s.ivecs", job->opt->truth);
	vecs_open(&job->ids, path);
	snprintf(path, sizeof(path), "%s.dist.fvecs", job->opt->truth);
	vecs_open(&job->dists, path);
	if (job->dists.n != job->ids.n || job->dists.dim != job->ids.dim ||
		job->ids.dim < job->opt->k)
		die("ids and distances of the truth do not fit", job->opt->truth);
}

static void
encode_queries(Job *job)
{
	int			dim = job->queries.dim;
	float	   *v = must_alloc(sizeof(float) * dim);

	job->param_bytes = 4 + 4 * dim;
	job->params = must_alloc((size_t) job->queries.n * job->param_bytes);
	for (int64_t i = 0; i < job->queries.n; i++)
	{
		vecs_row(&job->queries, i, v);
		put_vector(job->params + i * job->param_bytes, v, dim);
	}
	free(v);
}

static void
job_init(Job *job, const Options *opt)
{
	memset(job, 0, sizeof(*job));
	job->opt = opt;
	vecs_open(&job->queries, opt->queries);
	open_truth(job);
	if (job->ids.n > 0 && job->ids.n < job->queries.n)
		job->queries.n = job->ids.n;
	encode_queries(job);
	job->least = opt->count ? opt->count : job->queries.n;
	job->most = opt->least_s > 0 ? job->least * REPEAT_LIMIT : job->least;
	job->latency = must_alloc(sizeof(double) * job->most);
	job->found = must_alloc(sizeof(int64_t) * job->queries.n * opt->k);
	job->nfound = must_alloc(sizeof(int) * job->queries.n);
	for (int64_t i = 0; i < job->most; i++)
		job->latency[i] = -1;
	for (int64_t i = 0; i < job->queries.n; i++)
		job->nfound[i] = -1;
}

/* Runs one query and notes the ids that came. */
static void
run_query(Job *job, PGconn *conn, int64_t q)
{
	const char *values[2];
	char		tenant[4];
	int			lengths[2] = {job->param_bytes, sizeof(tenant)};
	int			formats[2] = {1, 1};
	int			k = job->opt->k;
	PGresult   *res;

	values[0] = job->params + q * job->param_bytes;
	values[1] = tenant;
	put_int32(tenant, q % BENCH_TENANTS);
	res = PQexecPrepared(conn, "q", job->opt->tenants ? 2 : 1, values,
						 lengths, formats, 1);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		die("query", PQerrorMessage(conn));
	job->nfound[q] = PQntuples(res) < k ? PQntuples(res) : k;
	for (int i = 0; i < job->nfound[q]; i++)
		job->found[q * k + i] = get_int(res, i, 0);
	PQclear(res);
}

static void *
worker_main(void *arg)
{
	Worker	   *w = arg;
	Job		   *job = w->job;

	for (;;)
	{
		int64_t		i = atomic_fetch_add(&job->next, 1);
		double		began = now_s();

		if (i >= job->most || (i >= job->least && began > job->not_before))
			return NULL;
		if (job->deadline > 0 && began > job->deadline)
			return NULL;
		run_query(job, w->conn, i % job->queries.n);
		job->latency[i] = now_s() - began;
	}
}

/* Connects, prepares, and warms caches and plans with the last queries. */
static Worker *
start_workers(Job *job)
{
	const Options *opt = job->opt;
	Worker	   *workers = must_alloc(sizeof(Worker) * opt->conns);

	for (int i = 0; i < opt->conns; i++)
	{
		PGresult   *res;

		workers[i].job = job;
		workers[i].conn = db_open(opt->setup, opt->nsetup);
		res = PQprepare(workers[i].conn, "q", opt->sql, 0, NULL);
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			die(opt->sql, PQerrorMessage(workers[i].conn));
		PQclear(res);
	}
	for (int i = 0; i < opt->warm; i++)
	{
		int64_t		q = job->queries.n - 1 - i % job->queries.n;

		run_query(job, workers[i % opt->conns].conn, q);
		job->nfound[q] = -1;
	}
	return workers;
}

/* How many true neighbours query q has at all, at most k. */
static int
wanted_rows(const Job *job, int64_t q)
{
	int			n = 0;

	while (n < job->opt->k && vecs_int(&job->ids, q, n) >= 0)
		n++;
	return n;
}

static int
count_hits(const Job *job, int64_t q, int wanted)
{
	int			limit = wanted;
	int			hits = 0;
	float		kth = vecs_float(&job->dists, q, wanted - 1);

	/* whatever ties with the last is as right as the last */
	while (limit < job->ids.dim && vecs_int(&job->ids, q, limit) >= 0 &&
		   vecs_float(&job->dists, q, limit) <= kth)
		limit++;
	for (int i = 0; i < job->nfound[q]; i++)
	{
		int64_t		id = job->found[q * job->opt->k + i];

		for (int t = 0; t < limit; t++)
			if (vecs_int(&job->ids, q, t) == id)
			{
				hits++;
				break;
			}
	}
	return hits;
}

static void
print_recall(const Job *job)
{
	int64_t		hits = 0;
	int64_t		wanted = 0;
	int64_t		rows = 0;
	int64_t		ran = 0;
	int64_t		too_few = 0;

	for (int64_t q = 0; q < job->queries.n; q++)
	{
		int			want;

		if (job->nfound[q] < 0)
			continue;
		want = job->ids.n > 0 ? wanted_rows(job, q) : job->opt->k;
		ran++;
		rows += job->nfound[q];
		wanted += want;
		too_few += job->nfound[q] < want;
		if (job->ids.n > 0 && want > 0)
			hits += count_hits(job, q, want);
	}
	printf("\trows=%.2f\tshort=%lld", (double) rows / ran,
		   (long long) too_few);
	if (job->ids.n > 0)
		printf("\trecall=%.4f", wanted ? (double) hits / wanted : 1.0);
}

static int
compare_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* CPU seconds of all our backends so far, or -1 if that cannot be known. */
static double
backends_cpu(const Worker *workers, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		double		cpu = backend_cpu(workers[i].conn);

		if (cpu < 0)
			return -1;
		sum += cpu;
	}
	return sum;
}

/* cpu: seconds that the backends used meanwhile, below 0 when unknown. */
static void
print_speed(Job *job, double seconds, double cpu, const char *foreign)
{
	double	   *lat = job->latency;
	double		sum = 0;
	int64_t		n = 0;

	for (int64_t i = 0; i < job->most; i++)
		if (lat[i] >= 0)
		{
			lat[n++] = lat[i];
			sum += lat[n - 1];
		}
	if (n == 0)
		die("no query finished in the time limit", NULL);
	qsort(lat, n, sizeof(double), compare_double);
	printf("what=query\tconns=%d\tqueries=%lld\tqps=%.2f\tmean_ms=%.3f"
		   "\tp50_ms=%.3f\tp95_ms=%.3f\tp99_ms=%.3f\tforeign=%s",
		   job->opt->conns, (long long) n, n / seconds, sum / n * 1e3,
		   lat[n / 2] * 1e3, lat[(int64_t) (n * .95)] * 1e3,
		   lat[(int64_t) (n * .99)] * 1e3, foreign);
	if (cpu >= 0)
		printf("\tcpu_ms=%.3f", cpu / n * 1e3);
}

/* Runs the queries once over -n connections and prints one line. */
void
cmd_query(const Options *opt)
{
	Job			job;
	Worker	   *workers;
	Meter		meter;
	char		foreign[32];
	double		seconds;
	double		cpu;

	job_init(&job, opt);
	workers = start_workers(&job);
	cpu = backends_cpu(workers, opt->conns);
	meter_start(&meter, workers[0].conn);
	job.not_before = now_s() + opt->least_s;
	if (opt->limit_s > 0)
		job.deadline = now_s() + opt->limit_s;
	for (int i = 0; i < opt->conns; i++)
		if (pthread_create(&workers[i].thread, NULL, worker_main,
						   &workers[i]) != 0)
			die("could not start a thread", NULL);
	for (int i = 0; i < opt->conns; i++)
		pthread_join(workers[i].thread, NULL);
	seconds = meter_stop(&meter, foreign, sizeof(foreign));
	if (cpu >= 0)
		cpu = backends_cpu(workers, opt->conns) - cpu;

	print_speed(&job, seconds, cpu, foreign);
	print_recall(&job);
	putchar('\n');
	for (int i = 0; i < opt->conns; i++)
		PQfinish(workers[i].conn);
	free(workers);
}
