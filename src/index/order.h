/*
 * order.h
 *	  The order in which a query probes lists: nearest centroid first.
 */
#ifndef TRIDENT_INDEX_ORDER_H
#define TRIDENT_INDEX_ORDER_H

#include "index/store.h"

/* A list, and how near it is. */
typedef struct TridentIndexProbe
{
	float		value;			/* of query and centroid; maybe an estimate */
	float		part;			/* of the centroid in the query (code.h) */
	float		distance;		/* of the query to that part of the centroid */
	int			list;
} TridentIndexProbe;

/*
 * The order of one query, found as far as it is asked for.  lists[] has those
 * in their place, and behind them those whose value is known; of the others
 * there are estimates, by list.
 */
typedef struct TridentIndexOrder
{
	int			nlists;
	int			nsorted;
	int			nknown;
	TridentIndexProbe *lists;
	float	   *estimates;		/* infinite: known; NULL: all are known */

	/* of the query, for values from codes; where there are estimates */
	float		mean_value;
	float		mean_part;
	float		query_norm2;
	float		fine_offset;
} TridentIndexOrder;

/* order.c */

/* Begin; query may be NULL, all lists being equally near then. */
extern void trident_index_order_start(TridentIndexOrder *order,
									  const TridentIndexModel *model,
									  const TridentIndexQuery *query);

/* Find the first upto lists of the order; model and query as at start. */
extern void trident_index_order_extend(TridentIndexOrder *order,
									   const TridentIndexModel *model,
									   const TridentIndexQuery *query,
									   int upto);

#endif							/* TRIDENT_INDEX_ORDER_H */
