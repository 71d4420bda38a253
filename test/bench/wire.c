/*
 * wire.c
 *	  Connections, binary values, the clock, and the way to end.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

/* Ends the program; detail may be NULL. */
void
die(const char *what, const char *detail)
{
	fprintf(stderr, "bench: %s%s%s\n", what, detail ? ": " : "",
			detail ? detail : "");
	exit(1);
}

/* Zeroed memory, or the end. */
void *
must_alloc(size_t bytes)
{
	void	   *p = calloc(1, bytes ? bytes : 1);

	if (p == NULL)
		die("out of memory", NULL);
	return p;
}

/* Seconds of a clock that never steps. */
double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* The put functions write in network order and return the place behind. */
char *
put_int16(char *p, int16_t value)
{
	uint16_t	n = htons((uint16_t) value);

	memcpy(p, &n, sizeof(n));
	return p + sizeof(n);
}

char *
put_int32(char *p, int32_t value)
{
	uint32_t	n = htonl((uint32_t) value);

	memcpy(p, &n, sizeof(n));
	return p + sizeof(n);
}

char *
put_int64(char *p, int64_t value)
{
	p = put_int32(p, (int32_t) (value >> 32));
	return put_int32(p, (int32_t) value);
}

/* The binary form of a vector: int16 dimension, int16 0, float4 elements. */
char *
put_vector(char *p, const float *v, int dim)
{
	p = put_int16(p, (int16_t) dim);
	p = put_int16(p, 0);
	for (int i = 0; i < dim; i++)
	{
		int32_t		bits;

		memcpy(&bits, &v[i], sizeof(bits));
		p = put_int32(p, bits);
	}
	return p;
}

/* An int4 or int8 of a binary result. */
int64_t
get_int(const PGresult *res, int row, int col)
{
	const char *p = PQgetvalue(res, row, col);
	uint32_t	part;
	uint64_t	value;

	memcpy(&part, p, sizeof(part));
	if (PQgetlength(res, row, col) == 4)
		return (int32_t) ntohl(part);
	if (PQgetlength(res, row, col) != 8)
		die("the first column of the query is no integer", NULL);
	value = (uint64_t) ntohl(part) << 32;
	memcpy(&part, p + 4, sizeof(part));
	return (int64_t) (value | ntohl(part));
}

/* Runs a statement for its effect. */
void
db_exec(PGconn *conn, const char *sql)
{
	PGresult   *res = PQexec(conn, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK &&
		PQresultStatus(res) != PGRES_TUPLES_OK)
		die(sql, PQerrorMessage(conn));
	PQclear(res);
}

/* Connects by the PG* environment and runs the set-up statements. */
PGconn *
db_open(char *const *setup, int nsetup)
{
	PGconn	   *conn = PQconnectdb("application_name=trident:bench");

	if (PQstatus(conn) != CONNECTION_OK)
		die("could not connect", PQerrorMessage(conn));
	db_exec(conn, "SET client_min_messages = warning");
	for (int i = 0; i < nsetup; i++)
		db_exec(conn, setup[i]);
	return conn;
}
