/*
 * bench_code.c
 *	  How long the kernels over codes take, by level and dimensions.
 *
 * Prints nanoseconds per call; for sign_scan, per vector, of 16 blocks in
 * cache; for matrix_dot, also the multiply-adds per nanosecond.  Each is the
 * least of many short runs, which is what a busy machine leaves of the truth.
 */
#include "c.h"

#include <time.h>

#include "level.h"
#include "simd/kernel.h"
#include "simd/simd.h"
#include "tap.h"

#define MAX_DP 16000
#define BLOCKS 16
#define ROWS 96
#define COLUMNS 256
#define RUNS 400

typedef struct Bench
{
	const TridentSimdCodeOps *ops;
	int			dp;
} Bench;

static Bench bench;
static uint32 signs[MAX_DP / 32 * 4];
static float x[MAX_DP];
static uint8 codes[BLOCKS * TRIDENT_SIMD_SIGN_BLOCK(MAX_DP)] pg_attribute_aligned(64);
static uint8 lut[TRIDENT_SIMD_MAX_SIGN_DIM * 4];
static int8 q8[MAX_DP];
static float factors[2][BLOCKS * TRIDENT_SIMD_LANES];
static float bounds[BLOCKS * TRIDENT_SIMD_LANES];
static uint16 masks[BLOCKS];
static float rows[ROWS * 1024];
static float columns[COLUMNS * 1024];
static float products[ROWS * COLUMNS];
static float step;
static float base;
static volatile int32 sink;

static void
run_rotate(void)
{
	bench.ops->rotate(bench.dp, signs, x);
}

static void
run_sign_tables(void)
{
	bench.ops->sign_tables(bench.dp, x, lut, &step, &base);
}

static void
run_sign_scan(void)
{
	TridentSimdSignScan scan = {.lut = lut, .scale = step, .offset = base,
	.add = 1, .limit = 0};

	bench.ops->sign_scan(bench.dp, BLOCKS, codes, factors[0], factors[1],
						 &scan, bounds, masks);
}

static void
run_sign_scan_odd(void)
{
	TridentSimdSignScan scan = {.lut = lut, .scale = step, .offset = base,
	.add = 1, .limit = 0};

	bench.ops->sign_scan(bench.dp, BLOCKS - 1, codes + 8, factors[0] + 2,
						 factors[1] + 2, &scan, bounds, masks);
}

static void
run_quantise_s8(void)
{
	bench.ops->quantise_s8(bench.dp, x, q8, &step);
}

static void
run_dot_u4_s8(void)
{
	sink = bench.ops->dot_u4_s8(bench.dp, codes, q8);
}

static void
run_dot_u8_s8(void)
{
	sink = bench.ops->dot_u8_s8(bench.dp, codes, q8);
}

static void
run_matrix_dot(void)
{
	bench.ops->matrix_dot(ROWS, COLUMNS, bench.dp, rows, columns, products,
						  COLUMNS);
}

static double
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

/* Nanoseconds of one call. */
static double
time_of(void (*run) (void))
{
	double		best = 1e18;
	int			calls = 1;
	double		start;
	double		taken;

	/* Runs of some 20 microseconds: above the clock, below a time slice. */
	for (;;)
	{
		start = now_ns();
		for (int i = 0; i < calls; i++)
			run();
		if (now_ns() - start > 20000)
			break;
		calls *= 2;
	}

	for (int i = 0; i < RUNS; i++)
	{
		start = now_ns();
		for (int j = 0; j < calls; j++)
			run();
		taken = (now_ns() - start) / calls;
		if (taken < best)
			best = taken;
		if (taken > 1e6 && i >= 3)
			break;
	}
	return best;
}

static void
print_scan(const char *name, void (*run) (void), int blocks)
{
	if (bench.dp <= TRIDENT_SIMD_MAX_SIGN_DIM)
		tap_note("  %-12s %10.2f ns/vector", name,
				 time_of(run) / (blocks * TRIDENT_SIMD_LANES));
}

static void
print_times(const char *level, const TridentSimdCodeOps *ops, int dp)
{
	bench.ops = ops;
	bench.dp = dp;
	for (int i = 0; i < dp; i++)
		x[i] = next_random_float();

	tap_note("%s, %d dimensions", level, dp);
	tap_note("  %-12s %10.1f ns", "rotate", time_of(run_rotate));
	if (dp <= TRIDENT_SIMD_MAX_SIGN_DIM)
		tap_note("  %-12s %10.1f ns", "sign_tables", time_of(run_sign_tables));
	print_scan("sign_scan", run_sign_scan, BLOCKS);
	print_scan("  unaligned", run_sign_scan_odd, BLOCKS - 1);
	tap_note("  %-12s %10.1f ns", "quantise_s8", time_of(run_quantise_s8));
	tap_note("  %-12s %10.1f ns", "dot_u4_s8", time_of(run_dot_u4_s8));
	tap_note("  %-12s %10.1f ns", "dot_u8_s8", time_of(run_dot_u8_s8));
	if (dp <= 1024)
	{
		double		taken = time_of(run_matrix_dot);

		tap_note("  %-12s %10.0f ns, %.1f multiply-adds/ns", "matrix_dot", taken,
				 (double) ROWS * COLUMNS * dp / taken);
	}
}

int
main(void)
{
	static const int dims[] = {32, 128, 768, 1024, 1536, 4096};

	for (size_t i = 0; i < lengthof(signs); i++)
		signs[i] = next_random();
	for (size_t i = 0; i < sizeof(codes); i++)
		codes[i] = (uint8) next_random();
	for (size_t i = 0; i < lengthof(rows); i++)
		rows[i] = next_random_float();
	for (size_t i = 0; i < lengthof(columns); i++)
		columns[i] = next_random_float();

	for (int level = TRIDENT_SIMD_SCALAR; level <= TRIDENT_SIMD_AVX512; level++)
	{
		const TridentSimdCodeOps *ops = trident_simd_code_ops((TridentSimdLevel) level);

		for (size_t i = 0; ops != NULL && i < lengthof(dims); i++)
			print_times(trident_simd_level_name((TridentSimdLevel) level), ops,
						dims[i]);
#ifdef TRIDENT_SIMD_HAVE_X86
		if (ops == &trident_simd_code_avx512bytes)
			for (size_t i = 0; i < lengthof(dims); i++)
				print_times("avx512 without VBMI and VNNI",
							&trident_simd_code_avx512, dims[i]);
#endif
	}
	return 0;
}
