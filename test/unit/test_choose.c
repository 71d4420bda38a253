/*
 * test_choose.c
 *	  Proves that a level asked for, or the next lower one that can run, is
 *	  what callers get.
 */
#include "c.h"

#include <string.h>

#include "simd/simd.h"
#include "tap.h"

/* The highest level that can run here and is not above the one asked for. */
static int
expected_level(int asked)
{
	int			best = TRIDENT_SIMD_SCALAR;

	for (int level = TRIDENT_SIMD_SCALAR; level <= TRIDENT_SIMD_AVX512; level++)
	{
		if (level <= asked && trident_simd_ops((TridentSimdLevel) level) != NULL)
			best = level;
	}
	return best;
}

static void
test_choice(int asked, int highest)
{
	int			expected = expected_level(highest);
	const TridentSimdOps *ops = trident_simd_ops((TridentSimdLevel) expected);

	/* What was chosen before must leave nothing behind. */
	memset(&trident_simd, 0xff, sizeof(trident_simd));
	trident_simd_choose(asked);
	tap_ok(trident_simd.level == (TridentSimdLevel) expected &&
		   memcmp(&trident_simd, ops, sizeof(trident_simd)) == 0,
		   "level %d asked for gives %s", asked,
		   trident_simd_level_name((TridentSimdLevel) expected));
}

static bool
has_every_kernel(const TridentSimdOps *ops)
{
	return ops->l2_squared_f32 && ops->inner_product_f32 &&
		ops->cosine_f32 && ops->l1_f32 && ops->norm_squared_f32 &&
		ops->l2_squared_f16 && ops->inner_product_f16 &&
		ops->cosine_f16 && ops->l1_f16 && ops->norm_squared_f16 &&
		ops->f16_to_f32 && ops->f32_to_f16;
}

int
main(void)
{
	static const char *const names[] = {"scalar", "neon", "avx2", "avx512"};
	const int	highest = TRIDENT_SIMD_AVX512;

	for (int level = 0; level <= highest; level++)
	{
		const TridentSimdOps *ops = trident_simd_ops((TridentSimdLevel) level);

		tap_ok(strcmp(trident_simd_level_name((TridentSimdLevel) level),
					  names[level]) == 0,
			   "level %d is called %s", level, names[level]);
		tap_ok(ops == NULL ||
			   (ops->level == (TridentSimdLevel) level && has_every_kernel(ops)),
			   "%s: its table is whole, or not there", names[level]);
		test_choice(level, level);
	}

	test_choice(TRIDENT_SIMD_AUTO, highest);
	test_choice(highest + 1, highest);

	tap_ok(trident_simd_ops(TRIDENT_SIMD_SCALAR) != NULL, "scalar always runs");
	tap_ok(trident_simd_ops(TRIDENT_SIMD_AUTO) == NULL &&
		   trident_simd_level_name(TRIDENT_SIMD_AUTO) == NULL,
		   "auto is no level");

#if defined(__aarch64__)
	tap_ok(trident_simd_ops(TRIDENT_SIMD_NEON) != NULL, "NEON always runs here");
#else
	tap_ok(trident_simd_ops(TRIDENT_SIMD_NEON) == NULL, "NEON is not here");
#endif

	return tap_done();
}
