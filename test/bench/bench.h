/*
 * bench.h
 *	  What the files of the benchmark client share.
 *
 * The client is one program with a command a measurement (client.c); it
 * talks to the server through libpq only and knows neither extension: what
 * differs between them is in the SQL that the driver script passes.
 *
 * A failure of any kind ends the program with a message and status 1: half a
 * measurement is none.
 */
#ifndef TRIDENT_BENCH_H
#define TRIDENT_BENCH_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tables hold rows of so many buckets and tenants, uniform by hash of id. */
#define BENCH_BUCKETS	1000
#define BENCH_TENANTS	100

/* vecs.c: files of vectors, mapped; a row is converted when asked for */

typedef enum VecsKind
{
	VECS_U8,					/* .bvecs */
	VECS_I8,					/* .i8vecs */
	VECS_F16,					/* .f16vecs */
	VECS_F32,					/* .fvecs */
	VECS_I32					/* .ivecs */
} VecsKind;

typedef struct Vecs
{
	const char *map;			/* the whole file */
	int64_t		n;				/* rows */
	int			dim;
	int			elem_bytes;
	VecsKind	kind;
} Vecs;

extern void vecs_open(Vecs *v, const char *path);
extern void vecs_row(const Vecs *v, int64_t row, float *out);
extern int32_t vecs_int(const Vecs *v, int64_t row, int col);
extern float vecs_float(const Vecs *v, int64_t row, int col);

/* rows.c: the rows of the tables, all of them functions of the id */

typedef struct Row
{
	int64_t		id;
	int32_t		bucket;
	int32_t		tenant;
	float	   *v;				/* owned by the caller, base->dim floats */
} Row;

extern void row_make(const Vecs *base, int64_t id, Row *row);
extern int32_t row_bucket(int64_t id);
extern int32_t row_tenant(int64_t id);

/* wire.c: connections and binary values */

extern void die(const char *what, const char *detail) __attribute__((noreturn));
extern void *must_alloc(size_t bytes);
extern double now_s(void);
extern char *put_int16(char *p, int16_t value);
extern char *put_int32(char *p, int32_t value);
extern char *put_int64(char *p, int64_t value);
extern char *put_vector(char *p, const float *v, int dim);
extern int64_t get_int(const PGresult *res, int row, int col);
extern PGconn *db_open(char *const *setup, int nsetup);
extern void db_exec(PGconn *conn, const char *sql);

/* meter.c: the CPU that others used while a measurement ran */

typedef struct Meter
{
	int			postmaster;		/* 0: the server is not on this machine */
	double		began;
	double		busy;			/* cores' busy seconds at start, machine */
	double		own;			/* the same, this client and the server */
} Meter;

extern void meter_start(Meter *m, const PGconn *conn);
extern double meter_stop(Meter *m, char *foreign, size_t size);
extern double backend_cpu(const PGconn *conn);

/* the commands */

typedef struct Options
{
	const char *base;			/* -b */
	const char *queries;		/* -q */
	const char *truth;			/* -g: prefix of .ivecs and .dist.fvecs */
	const char *table;			/* -t */
	const char *metric;			/* -M: l2 or cosine */
	char	   *setup[32];		/* -s, session set-up statements */
	int			nsetup;
	int			k;				/* -k */
	int			conns;			/* -n */
	int64_t		first;			/* -f, first id */
	int64_t		count;			/* -c, rows or queries; 0: all */
	int			warm;			/* -w, queries before the clock starts */
	double		least_s;		/* -m, repeat the queries for so long */
	double		limit_s;		/* -l, no new query after so long; 0: none */
	int			below;			/* -B, only rows with bucket below this */
	bool		tenants;		/* -T, query i is for tenant i mod TENANTS */
	bool		reopen;			/* -O, a connection for each query */
	bool		blind;			/* -N, answers are not looked at */
	bool		inexact;		/* -R, rows beyond the true neighbours may come */
	const char *sql;			/* the one argument */
} Options;

extern void cmd_load(const Options *opt);
extern void cmd_insert(const Options *opt);
extern void cmd_query(const Options *opt);
extern void cmd_sql(const Options *opt);
extern void cmd_truth(const Options *opt);
extern void cmd_fleet(const Options *opt);
extern void cmd_legs(const Options *opt);

#endif							/* TRIDENT_BENCH_H */
