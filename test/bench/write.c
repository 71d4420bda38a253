/*
 * write.c
 *	  The commands that write: load (COPY), insert (row by row), sql (one
 *	  statement, such as CREATE INDEX), each timed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define COPY_BUFFER_BYTES	(256 * 1024)

/* Lengths of the columns id, bucket, tenant_id and embedding, in binary. */
#define FIXED_BYTES			(8 + 4 + 4)

static void
print_times(const char *name, int64_t rows, double seconds,
			const char *foreign)
{
	printf("what=%s\trows=%lld\tseconds=%.4f\tforeign=%s\n",
		   name, (long long) rows, seconds, foreign);
}

/* One row of COPY's binary format; returns the place behind. */
static char *
put_copy_row(char *p, const Row *row, int dim)
{
	p = put_int16(p, 4);
	p = put_int64(put_int32(p, 8), row->id);
	p = put_int32(put_int32(p, 4), row->bucket);
	p = put_int32(put_int32(p, 4), row->tenant);
	p = put_int32(p, 4 + 4 * dim);
	return put_vector(p, row->v, dim);
}

static void
send_copy(PGconn *conn, const char *data, size_t bytes)
{
	if (PQputCopyData(conn, data, (int) bytes) != 1)
		die("could not send COPY data", PQerrorMessage(conn));
}

/* Sends the rows first .. first + count - 1 as COPY data. */
static void
copy_rows(PGconn *conn, const Vecs *base, int64_t first, int64_t count)
{
	static const char header[19] = "PGCOPY\n\377\r\n";
	size_t		row_bytes = 2 + 4 * 4 + FIXED_BYTES + 4 + 4 * base->dim;
	char	   *buffer = must_alloc(COPY_BUFFER_BYTES + row_bytes);
	char	   *p = buffer;
	Row			row;

	row.v = must_alloc(sizeof(float) * base->dim);
	send_copy(conn, header, sizeof(header));
	for (int64_t i = 0; i < count; i++)
	{
		row_make(base, first + i, &row);
		p = put_copy_row(p, &row, base->dim);
		if (p - buffer >= COPY_BUFFER_BYTES)
		{
			send_copy(conn, buffer, p - buffer);
			p = buffer;
		}
	}
	p = put_int16(p, -1);
	send_copy(conn, buffer, p - buffer);
	free(row.v);
	free(buffer);
}

/* COPY of rows into a table, one statement, timed to its commit. */
void
cmd_load(const Options *opt)
{
	PGconn	   *conn = db_open(opt->setup, opt->nsetup);
	PGresult   *res;
	Vecs		base;
	Meter		meter;
	int64_t		count;
	char		sql[512];
	char		foreign[32];
	double		seconds;

	vecs_open(&base, opt->base);
	count = opt->count ? opt->count : base.n;
	snprintf(sql, sizeof(sql), "COPY %s (id, bucket, tenant_id, embedding)"
			 " FROM STDIN (FORMAT binary)", opt->table);

	meter_start(&meter, conn);
	res = PQexec(conn, sql);
	if (PQresultStatus(res) != PGRES_COPY_IN)
		die(sql, PQerrorMessage(conn));
	PQclear(res);
	copy_rows(conn, &base, opt->first, count);
	if (PQputCopyEnd(conn, NULL) != 1)
		die("could not end COPY", PQerrorMessage(conn));
	while ((res = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			die(sql, PQerrorMessage(conn));
		PQclear(res);
	}
	seconds = meter_stop(&meter, foreign, sizeof(foreign));
	print_times("load", count, seconds, foreign);
	PQfinish(conn);
}

static void
prepare_insert(PGconn *conn, const char *table)
{
	char		sql[512];
	PGresult   *res;

	snprintf(sql, sizeof(sql), "INSERT INTO %s (id, bucket, tenant_id,"
			 " embedding) VALUES ($1, $2, $3, $4)", table);
	res = PQprepare(conn, "ins", sql, 0, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die(sql, PQerrorMessage(conn));
	PQclear(res);
}

static void
insert_row(PGconn *conn, const Row *row, int dim, char *buffer)
{
	const char *values[4];
	int			lengths[4] = {8, 4, 4, 4 + 4 * dim};
	int			formats[4] = {1, 1, 1, 1};
	char	   *p = buffer;
	PGresult   *res;

	values[0] = p;
	p = put_int64(p, row->id);
	values[1] = p;
	p = put_int32(p, row->bucket);
	values[2] = p;
	p = put_int32(p, row->tenant);
	values[3] = p;
	put_vector(p, row->v, dim);
	res = PQexecPrepared(conn, "ins", 4, values, lengths, formats, 1);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die("INSERT", PQerrorMessage(conn));
	PQclear(res);
}

/* Prepared single-row inserts, one round trip each, in one transaction. */
void
cmd_insert(const Options *opt)
{
	PGconn	   *conn = db_open(opt->setup, opt->nsetup);
	Vecs		base;
	Row			row;
	Meter		meter;
	char	   *buffer;
	char		foreign[32];
	double		seconds;

	vecs_open(&base, opt->base);
	row.v = must_alloc(sizeof(float) * base.dim);
	buffer = must_alloc(FIXED_BYTES + 4 + 4 * (size_t) base.dim);
	prepare_insert(conn, opt->table);

	meter_start(&meter, conn);
	db_exec(conn, "BEGIN");
	for (int64_t i = 0; i < opt->count; i++)
	{
		row_make(&base, opt->first + i, &row);
		insert_row(conn, &row, base.dim, buffer);
	}
	db_exec(conn, "COMMIT");
	seconds = meter_stop(&meter, foreign, sizeof(foreign));
	print_times("insert", opt->count, seconds, foreign);
	free(buffer);
	free(row.v);
	PQfinish(conn);
}

/* Any one statement, timed. */
void
cmd_sql(const Options *opt)
{
	PGconn	   *conn = db_open(opt->setup, opt->nsetup);
	Meter		meter;
	char		foreign[32];
	double		seconds;

	meter_start(&meter, conn);
	db_exec(conn, opt->sql);
	seconds = meter_stop(&meter, foreign, sizeof(foreign));
	print_times("sql", 0, seconds, foreign);
	PQfinish(conn);
}
