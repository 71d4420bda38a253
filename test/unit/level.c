/*
 * level.c
 *	  What the tests of kernels share.
 */
#include "c.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "level.h"
#include "tap.h"

/* Run test on the kernels of each level, or say why it is left out. */
void
each_level(const char *what,
		   void (*test) (const char *name, const TridentSimdOps *ops))
{
	for (int level = TRIDENT_SIMD_SCALAR; level <= TRIDENT_SIMD_AVX512; level++)
	{
		const char *name = trident_simd_level_name((TridentSimdLevel) level);
		const TridentSimdOps *ops = trident_simd_ops((TridentSimdLevel) level);

		if (ops != NULL)
			test(name, ops);
		else
		{
			tap_note("%s of %s", what, name);
			tap_skip(name, "not on this processor, or not in this build");
		}
	}
}

/* size bytes with the page behind them not mapped. */
void *
guarded(int slot, size_t size)
{
	static char *ends[4];
	const size_t capacity = 1024 * 1024;
	char	   *start;

	if (size > capacity)
		abort();
	if (ends[slot] == NULL)
	{
		size_t		page = (size_t) sysconf(_SC_PAGESIZE);

		start = mmap(NULL, capacity + page, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (start == MAP_FAILED ||
			mprotect(start + capacity, page, PROT_NONE) != 0)
			abort();
		ends[slot] = start + capacity;
	}
	return ends[slot] - size;
}

/* Knuth's 64-bit linear congruence; its upper half is good enough here. */
uint32
next_random(void)
{
	static uint64 state = 20260101;

	state = state * UINT64CONST(6364136223846793005) +
		UINT64CONST(1442695040888963407);
	return (uint32) (state >> 32);
}

/* A float of (-1, 1). */
float
next_random_float(void)
{
	return ((float) (next_random() >> 8) - 8388607.5f) / 8388608.0f;
}
