/*
 * code_matrix.h
 *	  What an instruction set gives to the matrix product of code_matrix.c.
 */
#ifndef TRIDENT_SIMD_CODE_MATRIX_H
#define TRIDENT_SIMD_CODE_MATRIX_H

#include "simd/kernel.h"

/* Floats in a panel: 32 kB. */
#define TRIDENT_SIMD_PANEL 8192

/* What a tile multiplies: some rows of x with one panel. */
typedef struct TridentSimdMatrixPart
{
	int			depth;			/* values of a row in the panel, 32 * n */
	int			columns;		/* rows of c in the panel, at most the tile's */
	int			dp;				/* row length of x and c */
	int			ldo;			/* row length of out */
	bool		is_first;		/* set out, rather than add to it */
	const float *x;
	float	   *out;
} TridentSimdMatrixPart;

typedef struct TridentSimdMatrixTile
{
	int			rows;			/* rows of x that multiply_rows takes */
	int			columns;		/* rows of c that a panel has room for */

	/*
	 * Make a panel: value d of row j of c goes to panel[d * columns + j].
	 * Columns beyond part's are set to 0.
	 */
	void		(*turn) (const TridentSimdMatrixPart *part, const float *c,
						 float *panel);

	/* Multiply rows, or one row, of x with the panel. */
	void		(*multiply_rows) (const TridentSimdMatrixPart *part,
								  const float *panel);
	void		(*multiply_row) (const TridentSimdMatrixPart *part,
								 const float *panel);

	/* For the inner products of too few rows to turn a panel for. */
	const TridentSimdOps *ops;
} TridentSimdMatrixTile;

/* code_matrix.c */
extern void trident_simd_matrix_dot(const TridentSimdMatrixTile *tile,
									int m, int n, int dp, const float *x,
									const float *c, float *out, int ldo);

#endif							/* TRIDENT_SIMD_CODE_MATRIX_H */
