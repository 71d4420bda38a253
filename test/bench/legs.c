/*
 * legs.c
 *	  The command that takes a search apart: what it took beside its slowest
 *	  leg.
 *
 * One client searches, and asks after each search what trident_last_search()
 * tells of it: the milliseconds of the whole, of its slowest leg (a node asked,
 * until its answer was here, or the shards that were read locally), and of
 * merging.  The backend measures all of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static const char legs_sql[] =
"SELECT max(total_ms), max(ms), max(merge_ms) FROM trident_last_search()";

enum
{
	TOTAL,
	LEG,
	MERGE,
	BEYOND,						/* total less leg */
	NSERIES
};

static const char *const series_name[NSERIES] = {"total", "leg", "merge", "beyond"};

static void
must_prepare(PGconn *conn, const char *name, const char *sql)
{
	PGresult   *res = PQprepare(conn, name, sql, 0, NULL);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die(sql, PQerrorMessage(conn));
	PQclear(res);
}

/* Searches for query i; params is room for one vector. */
static void
search(PGconn *conn, const Vecs *queries, int64_t i, float *row, char *params)
{
	const char *values[1] = {params};
	int			lengths[1] = {4 + 4 * queries->dim};
	int			formats[1] = {1};
	PGresult   *res;

	vecs_row(queries, i % queries->n, row);
	put_vector(params, row, queries->dim);
	res = PQexecPrepared(conn, "q", 1, values, lengths, formats, 1);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		die("query", PQerrorMessage(conn));
	PQclear(res);
}

/* Notes what the search before took, as number i of each series. */
static void
note(PGconn *conn, double **series, int64_t i)
{
	PGresult   *res = PQexecPrepared(conn, "l", 0, NULL, NULL, NULL, 0);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		die("trident_last_search", PQerrorMessage(conn));
	for (int s = 0; s < BEYOND; s++)
	{
		if (PQgetisnull(res, 0, s))
			die("trident_last_search", "the search was not merged of several legs");
		series[s][i] = atof(PQgetvalue(res, 0, s));
	}
	series[BEYOND][i] = series[TOTAL][i] - series[LEG][i];
	PQclear(res);
}

static int
compare_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Runs -c searches and prints one line: medians and 99th percentiles in us. */
void
cmd_legs(const Options *opt)
{
	PGconn	   *conn = db_open(opt->setup, opt->nsetup);
	double	   *series[NSERIES];
	Vecs		queries;
	float	   *row;
	char	   *params;

	vecs_open(&queries, opt->queries);
	row = must_alloc(sizeof(float) * queries.dim);
	params = must_alloc(4 + 4 * (size_t) queries.dim);
	for (int s = 0; s < NSERIES; s++)
		series[s] = must_alloc(sizeof(double) * opt->count);
	must_prepare(conn, "q", opt->sql);
	must_prepare(conn, "l", legs_sql);
	for (int64_t i = 0; i < opt->warm; i++)
		search(conn, &queries, i, row, params);
	for (int64_t i = 0; i < opt->count; i++)
	{
		search(conn, &queries, i, row, params);
		note(conn, series, i);
	}
	printf("what=legs\tqueries=%lld", (long long) opt->count);
	for (int s = 0; s < NSERIES; s++)
	{
		qsort(series[s], opt->count, sizeof(double), compare_double);
		printf("\t%s_us=%.0f\t%s_p99_us=%.0f",
			   series_name[s], series[s][opt->count / 2] * 1e3,
			   series_name[s], series[s][(int64_t) (opt->count * .99)] * 1e3);
	}
	putchar('\n');
	PQfinish(conn);
}
