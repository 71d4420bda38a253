/*
 * code.h
 *	  From vectors to codes, and from codes to bounds on distances.
 *
 * The codes are RaBitQ's: J. Gao, C. Long, "RaBitQ", SIGMOD 2024 (sign codes)
 * and J. Gao et al., "Practical and Asymptotically Optimal Quantization...",
 * SIGMOD 2025 (finer codes).  code.c says which formulae and where we differ.
 *
 * The value that an index orders by, smaller is nearer:
 *
 *		L2		squared distance
 *		IP		negative inner product
 *		COSINE	squared distance of the normalised vectors = 2 (1 - cosine)
 */
#ifndef TRIDENT_INDEX_CODE_H
#define TRIDENT_INDEX_CODE_H

#include "index/page.h"
#include "simd/simd.h"

typedef enum TridentIndexMetric
{
	TRIDENT_INDEX_L2 = 1,
	TRIDENT_INDEX_IP = 2,
	TRIDENT_INDEX_COSINE = 3
} TridentIndexMetric;

/* How vectors of an index become codes.  Read-only once made. */
typedef struct TridentIndexCoder
{
	TridentIndexLayout layout;
	TridentIndexMetric metric;
	bool		is_half;		/* the column is a halfvec */
	float		fine_scale;		/* of magnitudes before rounding to levels */
	uint32	   *signs;			/* of the rotation; NULL when EXACT */
} TridentIndexCoder;

/* A query, prepared for the formulae.  One chunk of memory. */
typedef struct TridentIndexQuery
{
	float	   *x;				/* dp: normalised for cosine, rotated */
	float	   *raw;			/* dim: as given */
	uint8	   *lut;			/* tables of sign codes; SIGNS only */
	float		lut_step;
	float		sign_offset;	/* the list-independent part, see code.c */
	float		sign_slack;		/* error allowance of the tables' rounding */
	int8	   *x8;				/* x in bytes; not EXACT */
	float		x8_step;
	float		fine_offset;
	bool		is_huge;		/* beyond the arithmetic: raw alone is of use */
} TridentIndexQuery;

/* code.c */

/*
 * Fill coder from the fixed part of a meta page; the rotation is palloc'd in
 * the current context.
 */
extern void trident_index_coder_init(TridentIndexCoder *coder,
									 const TridentIndexMeta *meta,
									 bool is_half);

/*
 * Read a value of the column (detoasted or not) into raw[dim].  Error
 * DATA_EXCEPTION where it has not the index's dimensions.
 */
extern void trident_index_read_value(const TridentIndexCoder *coder,
									 Datum value, float *raw);

/*
 * Bring raw[dim] into the space of the model, x[dp]: normalised for cosine,
 * padded with zeroes, rotated.  False where the vector has no place in the
 * index: zero under cosine.
 */
extern bool trident_index_project(const TridentIndexCoder *coder,
								  const float *raw, float *x);

/*
 * Encode x (projected from raw) into row relative to centroid; tid and label
 * are the caller's.
 */
extern void trident_index_encode(const TridentIndexCoder *coder,
								 const float *raw, const float *x,
								 const float *centroid, TridentIndexRow *row);

/*
 * Prepare a query in one chunk of the current context.  NULL where no row is
 * nearer to it than another: zero under cosine, or so long that squares
 * overflow.
 */
extern TridentIndexQuery *trident_index_query(const TridentIndexCoder *coder,
											  const float *raw);

/* The same from x[dp], projected already; raw is its first dim values. */
extern TridentIndexQuery *trident_index_query_projected(const TridentIndexCoder *coder,
														const float *x);

/*
 * The value between the query and the centroid of a list, which also orders
 * lists.  In *part what the factor "add" of the list's rows counts: 1 but by
 * inner product.  In *distance the Euclidean distance of the query and that
 * part of the centroid, on which errors depend.
 */
extern float trident_index_list_value(const TridentIndexCoder *coder,
									  const TridentIndexQuery *query,
									  const float *centroid,
									  float *part, float *distance);

/* By inner product: part, and *distance, from the value and squared norms. */
extern float trident_index_ip_part(float value, float query_norm2,
								   float centroid_norm2, float *distance);

/* The exact value, from the values of a vector. */
extern double trident_index_exact_value(const TridentIndexCoder *coder,
										const TridentIndexQuery *query,
										const float *raw);

/* What a user's operator gives for an exact value. */
extern double trident_index_value_distance(TridentIndexMetric metric,
										   double value);

/*
 * How many standard errors a bound allows for.  At 2.2 about one bound in
 * seventy is broken, seldom one that matters: a row is lost only when it is
 * among the nearest and its error is extreme at once.  At 1.9 one in 250 of
 * the ten nearest was lost (650,000 x 128, all lists probed).
 */
#define TRIDENT_INDEX_EPSILON 2.2f

/*
 * |error of a value| <= |rescale| * distance * (this) at EPSILON standard
 * errors; code.c derives the constants.
 */
#define TRIDENT_INDEX_SIGN_ERROR (0.3015f * TRIDENT_INDEX_EPSILON)
#define TRIDENT_INDEX_FINE_ERROR (0.33f * TRIDENT_INDEX_EPSILON)

#endif							/* TRIDENT_INDEX_CODE_H */
