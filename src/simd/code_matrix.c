/*
 * code_matrix.c
 *	  The order in which a matrix product is computed, for all instruction
 *	  sets that have a tile for it.
 *
 * Both matrices are stored by rows, along which the sums run.  Registers want
 * it otherwise: a tile multiplies one value of x with a register of values of
 * as many rows of c.  So rows of c are turned, a panel at a time, into a
 * buffer that fits the first level of cache, and all rows of x go past it.
 *
 * Turning a panel costs as much as a few rows of x.  Fewer rows than that are
 * multiplied by plain inner products.
 */
#include "c.h"

#include "simd/code_matrix.h"

/* Fewer rows of x than this do not repay the turning of c. */
#define LEAST_ROWS 6

/* out += or = the product of m rows of x with one panel. */
static void
multiply_panel(const TridentSimdMatrixTile *tile, TridentSimdMatrixPart part,
			   int m, const float *panel)
{
	while (m > 0)
	{
		int			rows = m >= tile->rows ? tile->rows : 1;

		if (rows == 1)
			tile->multiply_row(&part, panel);
		else
			tile->multiply_rows(&part, panel);

		part.x += (size_t) rows * part.dp;
		part.out += (size_t) rows * part.ldo;
		m -= rows;
	}
}

static void
multiply_rows(const TridentSimdMatrixTile *tile, int m, int n, int dp,
			  const float *x, const float *c, float *out, int ldo)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++)
			out[(size_t) i * ldo + j] =
				tile->ops->inner_product_f32(dp, x + (size_t) i * dp,
											 c + (size_t) j * dp);
}

/* matrix_dot, as simd.h has it, by tiles. */
void
trident_simd_matrix_dot(const TridentSimdMatrixTile *tile,
						int m, int n, int dp, const float *x,
						const float *c, float *out, int ldo)
{
	float		panel[TRIDENT_SIMD_PANEL] pg_attribute_aligned(64);
	int			most_depth = TRIDENT_SIMD_PANEL / tile->columns;

	if (m < LEAST_ROWS)
	{
		multiply_rows(tile, m, n, dp, x, c, out, ldo);
		return;
	}

	for (int j = 0; j < n; j += tile->columns)
	{
		for (int d = 0; d < dp; d += most_depth)
		{
			TridentSimdMatrixPart part = {
				.depth = Min(most_depth, dp - d),
				.columns = Min(tile->columns, n - j),
				.dp = dp,
				.ldo = ldo,
				.is_first = d == 0,
				.x = x + d,
				.out = out + j
			};

			tile->turn(&part, c + (size_t) j * dp + d, panel);
			multiply_panel(tile, part, m, panel);
		}
	}
}
