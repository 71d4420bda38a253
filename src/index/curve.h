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

struct TridentIndexSampled;

/* The k and the targets that the curve has. */
extern const int trident_index_curve_ks[TRIDENT_INDEX_CURVE_KS];
extern const float trident_index_curve_targets[TRIDENT_INDEX_CURVE_TARGETS];

/*
 * Lists to probe so that recall@k reaches target (0..1; 1: all lists),
 * interpolated.  k may be any number >= 1.
 */
extern int	trident_index_curve_lists(const TridentIndexMeta *meta,
									  double k, double target);

/*
 * Measure the curve of a model whose pages are written, into meta->curve.
 * Does nothing for a flat index.
 */
struct TridentIndexModel;
extern void trident_index_curve_measure(Relation index,
										const struct TridentIndexModel *model,
										TridentIndexMeta *meta,
										const struct TridentIndexSampled *sampled);

#endif							/* TRIDENT_INDEX_CURVE_H */
