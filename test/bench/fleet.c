/*
 * fleet.c
 *	  The command that searches a fleet: many clients, every answer checked.
 *
 * Clients are processes with a connection each, or with -O one that is opened
 * and closed for each query; threads would contend for the locks of one
 * OpenSSL while they log in, which clients of a server do not.  They take the
 * next query of a shared counter until all are done.  Parameter $1 is the
 * vector, binary; of the result the first column is the id, as text or as a
 * binary integer, the second the distance.
 *
 * An answer is right when it has k different rows, nearest first, each at the
 * distance it says, and none farther than the k-th true neighbour; all of it
 * is computed here from the files.  With -R rows may be farther: then they
 * count for recall.  Anything else is wrong, and so is an answer of fewer rows.
 * An error is counted, and the client goes on with a new connection.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* How far the distance of a row may be from that computed here, in parts. */
#define TOLERANCE	1e-5

/* In memory that all clients share. */
typedef struct Fleet
{
	const Options *opt;
	Vecs		base;
	Vecs		queries;
	Vecs		truth;
	char	   *params;			/* encoded vectors, param_bytes each */
	int			param_bytes;
	double	   *kth;			/* distance of the k-th true neighbour */
	double	   *latency;		/* of each execution; below 0: not right */
	atomic_llong next;
	atomic_llong wrong;
	atomic_llong failed;
	atomic_llong near;			/* rows no farther than the k-th */
	double		deadline;		/* start no query after this; 0: none */
	atomic_flag complained;
} Fleet;

typedef struct Client
{
	pid_t		pid;
	Fleet	   *fleet;
	PGconn	   *conn;
	float	   *row;
	float	   *query;
} Client;

/* Zeroed memory that processes forked later share with this one. */
static void *
must_share(size_t bytes)
{
	void	   *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
						 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("out of memory", NULL);
	return p;
}

static double
distance(const float *a, const float *b, int dim)
{
	double		sum = 0;

	for (int i = 0; i < dim; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sqrt(sum);
}

static void
fleet_init(Fleet *f, const Options *opt)
{
	char		path[1024];
	float	   *v;
	float	   *w;

	f->opt = opt;
	vecs_open(&f->base, opt->base);
	vecs_open(&f->queries, opt->queries);
	snprintf(path, sizeof(path), "%s.ivecs", opt->truth);
	vecs_open(&f->truth, path);
	if (f->truth.dim < opt->k)
		die("the truth has fewer than k neighbours", path);
	if (f->truth.n < f->queries.n)
		f->queries.n = f->truth.n;

	v = must_alloc(sizeof(float) * f->base.dim);
	w = must_alloc(sizeof(float) * f->base.dim);
	f->param_bytes = 4 + 4 * f->queries.dim;
	f->params = must_alloc((size_t) f->queries.n * f->param_bytes);
	f->kth = must_alloc(sizeof(double) * f->queries.n);
	for (int64_t i = 0; i < f->queries.n; i++)
	{
		vecs_row(&f->queries, i, v);
		put_vector(f->params + i * f->param_bytes, v, f->queries.dim);
		vecs_row(&f->base, vecs_int(&f->truth, i, opt->k - 1), w);
		f->kth[i] = distance(v, w, f->base.dim);
	}
	free(v);
	free(w);
	f->latency = must_share(sizeof(double) * opt->count);
	for (int64_t i = 0; i < opt->count; i++)
		f->latency[i] = -1;
}

/* The first thing that goes wrong is told; the rest is counted. */
static void
complain(Fleet *f, const char *what, const char *detail)
{
	if (!atomic_flag_test_and_set(&f->complained))
		fprintf(stderr, "bench: first of the failures: %s: %s\n", what, detail);
}

static void
close_client(Client *c)
{
	if (c->conn)
		PQfinish(c->conn);
	c->conn = NULL;
}

/* Connects and prepares; false: that failed, and was told. */
static bool
open_client(Client *c)
{
	const Options *opt = c->fleet->opt;
	PGresult   *res;
	bool		ok;

	c->conn = PQconnectdb("application_name=trident:bench");
	ok = PQstatus(c->conn) == CONNECTION_OK;
	for (int i = 0; ok && i < opt->nsetup; i++)
	{
		res = PQexec(c->conn, opt->setup[i]);
		ok = PQresultStatus(res) == PGRES_COMMAND_OK ||
			PQresultStatus(res) == PGRES_TUPLES_OK;
		PQclear(res);
	}
	if (ok && !opt->reopen)
	{
		res = PQprepare(c->conn, "q", opt->sql, 0, NULL);
		ok = PQresultStatus(res) == PGRES_COMMAND_OK;
		PQclear(res);
	}
	if (!ok)
	{
		complain(c->fleet, "connection", PQerrorMessage(c->conn));
		close_client(c);
	}
	return ok;
}

static double
get_double(const PGresult *res, int row, int col)
{
	int64_t		bits = get_int(res, row, col);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The id of a row: text, as trident_search returns it, or an integer. */
static int64_t
get_id(const PGresult *res, int row)
{
	return PQftype(res, 0) == 25 ? atoll(PQgetvalue(res, row, 0)) :
		get_int(res, row, 0);
}

/* What is wrong with an answer; NULL: nothing. */
static const char *
judge(Client *c, const PGresult *res, int64_t q)
{
	Fleet	   *f = c->fleet;
	int			k = f->opt->k;
	double		last = 0;
	int			near = 0;

	if (f->opt->blind)
		return NULL;
	if (PQntuples(res) != k)
		return "short answer";
	vecs_row(&f->queries, q, c->query);
	for (int i = 0; i < k; i++)
	{
		int64_t		id = get_id(res, i);
		double		said = get_double(res, i, 1);
		double		is;

		if (id < 0 || id >= f->base.n)
			return "no such row";
		for (int j = 0; j < i; j++)
			if (get_id(res, j) == id)
				return "a row twice";
		vecs_row(&f->base, id, c->row);
		is = distance(c->query, c->row, f->base.dim);
		if (fabs(is - said) > TOLERANCE * (1 + is))
			return "a wrong distance";
		if (said < last)
			return "rows out of order";
		last = said;
		near += is <= f->kth[q] * (1 + TOLERANCE);
	}
	atomic_fetch_add(&f->near, near);
	return near < k && !f->opt->inexact ? "not the nearest" : NULL;
}

/* Runs one query; true: the answer is right. */
static bool
ask(Client *c, int64_t q)
{
	Fleet	   *f = c->fleet;
	const char *values[1] = {f->params + q * f->param_bytes};
	int			lengths[1] = {f->param_bytes};
	int			formats[1] = {1};
	const char *wrong;
	PGresult   *res;

	if (c->conn == NULL && !open_client(c))
	{
		atomic_fetch_add(&f->failed, 1);
		return false;
	}
	if (f->opt->reopen)
		res = PQexecParams(c->conn, f->opt->sql, 1, NULL, values, lengths,
						   formats, 1);
	else
		res = PQexecPrepared(c->conn, "q", 1, values, lengths, formats, 1);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
	{
		complain(f, "query", PQerrorMessage(c->conn));
		PQclear(res);
		close_client(c);
		atomic_fetch_add(&f->failed, 1);
		return false;
	}
	wrong = judge(c, res, q);
	PQclear(res);
	if (f->opt->reopen)
		close_client(c);
	if (wrong)
	{
		complain(f, "answer", wrong);
		atomic_fetch_add(&f->wrong, 1);
	}
	return wrong == NULL;
}

static void
client_main(Client *c)
{
	Fleet	   *f = c->fleet;

	for (;;)
	{
		int64_t		i = atomic_fetch_add(&f->next, 1);
		double		began = now_s();

		if (i >= f->opt->count || (f->deadline > 0 && began > f->deadline))
			return;
		if (ask(c, i % f->queries.n))
			f->latency[i] = now_s() - began;
	}
}

static int
compare_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* CPU seconds of the clients that ended. */
static double
clients_cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
		(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* cpu: seconds that the clients themselves used. */
static void
print_fleet(Fleet *f, int64_t ran, double seconds, double cpu)
{
	double	   *lat = f->latency;
	double		sum = 0;
	int64_t		n = 0;

	for (int64_t i = 0; i < f->opt->count; i++)
		if (lat[i] >= 0)
		{
			lat[n++] = lat[i];
			sum += lat[n - 1];
		}
	qsort(lat, n, sizeof(double), compare_double);
	printf("what=fleet\tclients=%d\tqueries=%lld\tsuccess=%.4f\twrong=%lld"
		   "\terrors=%lld\tqps=%.1f", f->opt->conns, (long long) ran,
		   ran ? (double) n / ran : 0, (long long) f->wrong,
		   (long long) f->failed, n / seconds);
	printf("\tclient_ms=%.3f", ran ? cpu / ran * 1e3 : 0);
	if (n > 0)
		printf("\tmean_ms=%.3f\tp50_ms=%.3f\tp95_ms=%.3f\tp99_ms=%.3f"
			   "\trecall=%.4f", sum / n * 1e3, lat[n / 2] * 1e3,
			   lat[(int64_t) (n * .95)] * 1e3, lat[(int64_t) (n * .99)] * 1e3,
			   (double) f->near / (n * f->opt->k));
	putchar('\n');
}

/* A process that is the client until no query is left. */
static void
start_client(Client *c)
{
	c->pid = fork();
	if (c->pid < 0)
		die("could not start a client", NULL);
	if (c->pid > 0)
		return;
	client_main(c);
	close_client(c);
	_exit(0);
}

static void
await_client(Client *c)
{
	int			status;

	if (waitpid(c->pid, &status, 0) < 0 || status != 0)
		die("a client crashed", NULL);
}

/* Runs -c queries over -n clients and prints one line. */
void
cmd_fleet(const Options *opt)
{
	Fleet	   *fleet = must_share(sizeof(Fleet));
	Client	   *clients = must_alloc(sizeof(Client) * opt->conns);
	double		began;
	double		seconds;
	int64_t		ran = 0;

	fleet_init(fleet, opt);
	for (int i = 0; i < opt->conns; i++)
	{
		Client	   *c = &clients[i];

		c->fleet = fleet;
		c->row = must_alloc(sizeof(float) * fleet->base.dim);
		c->query = must_alloc(sizeof(float) * fleet->base.dim);
		for (int w = 0; w < opt->warm && !opt->reopen; w++)
			ask(c, w % fleet->queries.n);
	}
	atomic_store(&fleet->near, 0);
	began = now_s();
	if (opt->limit_s > 0)
		fleet->deadline = began + opt->limit_s;
	for (int i = 0; i < opt->conns; i++)
		start_client(&clients[i]);
	for (int i = 0; i < opt->conns; i++)
		await_client(&clients[i]);
	seconds = now_s() - began;
	for (int64_t i = 0; i < opt->count; i++)
		ran += fleet->latency[i] >= 0;
	ran += fleet->wrong + fleet->failed;
	print_fleet(fleet, ran, seconds, clients_cpu());
	free(clients);
}
