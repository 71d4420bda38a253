/*
 * choose.c
 *	  Which kernels run: what the processor has, and what was asked for.
 *
 * One table tells of each level its name, its kernels and the test whether
 * they can run here.  A level asked for that is missing falls back to the
 * next lower one that is there; scalar is the lowest and always there.
 *
 * To add a level: a line in the table, a value of TridentSimdLevel where its
 * rank wants it, a value of trident.simd in base/guc.c.
 */
#include "c.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif

#include "simd/kernel.h"
#include "simd/simd.h"

TridentSimdOps trident_simd;
TridentSimdCodeOps trident_simd_code;

typedef struct Level
{
	const char *name;
	const TridentSimdOps *ops;	/* NULL: not on this architecture */
	const TridentSimdCodeOps *code_ops;
	bool		(*can_run) (void);	/* NULL: on every processor of it */

	/* Better kernels over codes, for those processors of the level that can. */
	const TridentSimdCodeOps *better_code_ops;	/* NULL: there are none */
	bool		(*can_run_better) (void);
} Level;

#ifdef TRIDENT_SIMD_HAVE_X86

/*
 * The compiler's test covers the operating system as well: it answers yes
 * only where the wide registers are saved at a task switch.  It does not know
 * f16c in every compiler, so that bit is read here; being encoded like AVX,
 * f16c needs no more of the operating system than AVX does.
 */
static bool
can_run_avx2(void)
{
	unsigned int eax,
				ebx,
				ecx,
				edx;

	return __builtin_cpu_supports("avx2") &&
		__builtin_cpu_supports("fma") &&
		__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 &&
		(ecx & bit_F16C) != 0;
}

static bool
can_run_avx512(void)
{
	return __builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512vl");
}

static bool
can_run_avx512bytes(void)
{
	return can_run_avx512() &&
		__builtin_cpu_supports("avx512vbmi") &&
		__builtin_cpu_supports("avx512vnni");
}

#endif							/* TRIDENT_SIMD_HAVE_X86 */

/* Indexed by TridentSimdLevel. */
static const Level levels[] = {
	[TRIDENT_SIMD_SCALAR] = {.name = "scalar", .ops = &trident_simd_scalar,
	.code_ops = &trident_simd_code_scalar},
#ifdef TRIDENT_SIMD_HAVE_NEON
	[TRIDENT_SIMD_NEON] = {.name = "neon", .ops = &trident_simd_neon,
	.code_ops = &trident_simd_code_neon},
#else
	[TRIDENT_SIMD_NEON] = {.name = "neon"},
#endif
#ifdef TRIDENT_SIMD_HAVE_X86
	[TRIDENT_SIMD_AVX2] = {.name = "avx2", .ops = &trident_simd_avx2,
	.code_ops = &trident_simd_code_avx2, .can_run = can_run_avx2},
	[TRIDENT_SIMD_AVX512] = {.name = "avx512", .ops = &trident_simd_avx512,
	.code_ops = &trident_simd_code_avx512, .can_run = can_run_avx512,
	.better_code_ops = &trident_simd_code_avx512bytes,
	.can_run_better = can_run_avx512bytes}
#else
	[TRIDENT_SIMD_AVX2] = {.name = "avx2"},
	[TRIDENT_SIMD_AVX512] = {.name = "avx512"}
#endif
};

/*
 * The kernels of one level, or NULL where this build or this processor has
 * not got them, or where there is no such level.
 */
const TridentSimdOps *
trident_simd_ops(TridentSimdLevel level)
{
	const Level *entry;

	if ((int) level < 0 || (int) level >= (int) lengthof(levels))
		return NULL;

	entry = &levels[level];
	if (entry->ops == NULL)
		return NULL;
	if (entry->can_run != NULL && !entry->can_run())
		return NULL;
	return entry->ops;
}

/* The kernels over codes of a level, or NULL as trident_simd_ops has it. */
const TridentSimdCodeOps *
trident_simd_code_ops(TridentSimdLevel level)
{
	const Level *entry;

	if (trident_simd_ops(level) == NULL)
		return NULL;

	entry = &levels[level];
	if (entry->better_code_ops != NULL && entry->can_run_better())
		return entry->better_code_ops;
	return entry->code_ops;
}

/*
 * Fill trident_simd and trident_simd_code with the best kernels not above the
 * level asked for that this processor can run.  A level out of range,
 * TRIDENT_SIMD_AUTO included, asks for the best of all.
 */
void
trident_simd_choose(int level)
{
	const TridentSimdOps *ops = NULL;

	if (level < 0 || level >= (int) lengthof(levels))
		level = (int) lengthof(levels) - 1;

	while ((ops = trident_simd_ops((TridentSimdLevel) level)) == NULL)
		level--;				/* ends at scalar, which is always there */

	trident_simd = *ops;
	trident_simd_code = *trident_simd_code_ops((TridentSimdLevel) level);
}

/* The name of a level, or NULL where there is no such level. */
const char *
trident_simd_level_name(TridentSimdLevel level)
{
	if ((int) level < 0 || (int) level >= (int) lengthof(levels))
		return NULL;
	return levels[level].name;
}
