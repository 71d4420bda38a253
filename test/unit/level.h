/*
 * level.h
 *	  What the tests of kernels share: walking the levels, and memory whose
 *	  end is guarded.
 */
#ifndef TRIDENT_TEST_UNIT_LEVEL_H
#define TRIDENT_TEST_UNIT_LEVEL_H

#include "c.h"

#include "simd/simd.h"

/*
 * Run test on the kernels of each level.  A level that cannot run here is
 * reported as skipped, with the reason.
 */
extern void each_level(const char *what,
					   void (*test) (const char *name, const TridentSimdOps *ops));

/*
 * size bytes that end where memory ends: the page behind them is not mapped,
 * so one byte read or written too many is a crash.  Lives until the program
 * ends; a second call with the same slot reuses the memory.  slot < 4.
 */
extern void *guarded(int slot, size_t size);

/* A pseudo-random number; the same ones in every run. */
extern uint32 next_random(void);

/* The same, as a float of (-1, 1). */
extern float next_random_float(void);

#endif							/* TRIDENT_TEST_UNIT_LEVEL_H */
