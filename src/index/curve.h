/*
 * curve.h
 *	  The recall curve: how many lists a scan must probe.
 *
 * The curve is measured when the index is built, on rows of the table that
 * are left out of their own answers: where in the order of lists do the k
 * nearest of a row lie?  It stands in the meta page.
 */
#ifndef TRIDENT_INDEX_CURVE_H
#define TRIDENT_INDEX_CURVE_H

#include "index/page.h"

struct TridentIndexBatch;
struct TridentIndexCoder;
struct TridentIndexModel;
struct TridentIndexSampled;

/* The k and the targets that the curve has. */
extern const int trident_index_curve_ks[TRIDENT_INDEX_CURVE_KS];
extern const float trident_index_curve_targets[TRIDENT_INDEX_CURVE_TARGETS];

/*
 * Lists to probe so that recall@k reaches target (0..1; 1: all lists),
 * interpolated, or extrapolated.  k may be any number >= 1.
 */
extern int	trident_index_curve_lists(const TridentIndexMeta *meta,
									  double k, double target);

/*
 * Lists without any of the nearest rows so far after which a scan for
 * TRIDENT_INDEX_PATIENT_ROWS has reached target; 0: not known.  In *mean, if
 * not NULL, how many lists such scans score on average.
 */
extern int	trident_index_curve_patience(const TridentIndexMeta *meta,
										 double target, double *mean);

/*
 * Lists to score before row number i >= 1 may leave a scan that is not patient,
 * for target.  share (0 .. 1] is that of rows with a label looked for; 1: all.
 */
extern int	trident_index_curve_before(const TridentIndexMeta *meta, double i,
									   double share, double target);

/* Lists that scans for i rows score on average, patient or not; see above. */
extern double trident_index_curve_mean(const TridentIndexMeta *meta, double i,
									   double share, double target);

/*
 * The nearest rows of each query, among the rows that were met so far: one
 * chunk of memory without pointers, so that it may stand in shared memory.
 */
typedef struct TridentIndexNearest TridentIndexNearest;

/* Bytes of one for so many queries. */
extern Size trident_index_nearest_size(int nqueries);

/* Nothing has been met. */
extern void trident_index_nearest_init(TridentIndexNearest *nearest,
									   int nqueries);

/* The same in the current context. */
extern TridentIndexNearest *trident_index_nearest_make(int nqueries);

/* Let the queries of a sample meet rows; each row once, in any order. */
extern void trident_index_nearest_add(TridentIndexNearest *nearest,
									  const struct TridentIndexSampled *sampled,
									  const struct TridentIndexCoder *coder,
									  const struct TridentIndexBatch *batch);

/* Add what others have met to what into has; same sample, other rows. */
extern void trident_index_nearest_merge(TridentIndexNearest *into,
										const TridentIndexNearest *from);

/*
 * The curve of a model, into meta->curve, once all rows have been met.  Does
 * nothing for a flat index.
 */
extern void trident_index_curve_measure(const struct TridentIndexModel *model,
										TridentIndexMeta *meta,
										const struct TridentIndexSampled *sampled,
										TridentIndexNearest *nearest);

#endif							/* TRIDENT_INDEX_CURVE_H */
