/*
 * rows.c
 *	  The rows of the benchmark's tables: every column is a function of the id.
 *
 * Row id < n is the base vector of that number.  A row beyond, for the
 * measurements that write, is a base vector in scattered order with each
 * element moved by at most three steps: near the data as a real new row is,
 * but no duplicate, which an index might treat as a special case.
 */
#include "bench.h"

/* splitmix64: a fixed, well mixed hash, so that all runs agree. */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/* The filter column: uniform over 0 .. BENCH_BUCKETS - 1. */
int32_t
row_bucket(int64_t id)
{
	return mix(id) % BENCH_BUCKETS;
}

/* The tenant column: uniform over 0 .. BENCH_TENANTS - 1. */
int32_t
row_tenant(int64_t id)
{
	return (mix(id) >> 32) % BENCH_TENANTS;
}

static float
clamp(float value, float low, float high)
{
	return value < low ? low : value > high ? high : value;
}

/* Moves a vector by up to three steps of its element type. */
static void
perturb(const Vecs *base, int64_t id, float *v)
{
	uint64_t	seed = mix(~(uint64_t) id);

	for (int i = 0; i < base->dim; i++)
	{
		int			step = (int) (mix(seed + i) % 7) - 3;

		if (base->kind == VECS_U8)
			v[i] = clamp(v[i] + step, 0, 255);
		else if (base->kind == VECS_I8)
			v[i] = clamp(v[i] + step, -127, 127);
		else
			v[i] *= 1 + step / 100.0f;
	}
}

/* Fills a row; row->v must have room for base->dim floats. */
void
row_make(const Vecs *base, int64_t id, Row *row)
{
	row->id = id;
	row->bucket = row_bucket(id);
	row->tenant = row_tenant(id);
	if (id < base->n)
		vecs_row(base, id, row->v);
	else
	{
		vecs_row(base, mix(id) % base->n, row->v);
		perturb(base, id, row->v);
	}
}
