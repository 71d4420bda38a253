/*
 * server.c
 *	  The few functions of the server that code under test calls, where there
 *	  is no server: memory from malloc, no interrupts, an error is the end.  The generator of
 *	  random numbers is another one than the server's.
 */
#include "postgres.h"

#include <stdlib.h>

#include "common/pg_prng.h"
#include "miscadmin.h"

volatile sig_atomic_t InterruptPending = false;
MemoryContext CurrentMemoryContext = NULL;

void
ProcessInterrupts(void)
{
}

bool
errstart(int level, const char *domain)
{
	return true;
}

bool
errstart_cold(int level, const char *domain)
{
	return true;
}

int
errcode(int sqlstate)
{
	return 0;
}

int
errhint(const char *format,...)
{
	return 0;
}

int
errmsg_internal(const char *format,...)
{
	puts(format);
	return 0;
}

void
errfinish(const char *file, int line, const char *function)
{
	abort();
}

void *
palloc(Size size)
{
	void	   *memory = malloc(size > 0 ? size : 1);

	if (memory == NULL)
		abort();
	return memory;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	void	   *memory = realloc(pointer, size);

	if (memory == NULL)
		abort();
	return memory;
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return palloc(size);
}

void
pfree(void *pointer)
{
	free(pointer);
}

void
pg_prng_seed(pg_prng_state *state, uint64 seed)
{
	state->s0 = seed;
	state->s1 = 0;
}

/* SplitMix64. */
uint64
pg_prng_uint64(pg_prng_state *state)
{
	uint64		z = (state->s0 += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

uint64
pg_prng_uint64_range(pg_prng_state *state, uint64 rmin, uint64 rmax)
{
	return rmin + pg_prng_uint64(state) % (rmax - rmin + 1);
}

double
pg_prng_double(pg_prng_state *state)
{
	return (double) (pg_prng_uint64(state) >> 11) / (double) (UINT64CONST(1) << 53);
}
