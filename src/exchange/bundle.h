/*
 * bundle.h
 *	  Calls of several callers as one statement, to the engine.
 */
#ifndef TRIDENT_EXCHANGE_BUNDLE_H
#define TRIDENT_EXCHANGE_BUNDLE_H

#include "exchange/engine.h"

/* Can the task be in a bundle, if there is another like it? */
extern bool trident_exchange_bundle_may_share(const TridentExchangeTask *task);

/*
 * Of the tasks that wait for the route, of which there must be one: the first,
 * and those that can go with it, "most" in all.  They stay in the queue.
 */
extern int	trident_exchange_bundle_choose(TridentExchangeRoute *route, int most,
										   TridentExchangeTask **tasks);

/*
 * The call that stands for those of the tasks, of which there are several, in
 * memory for the caller to pfree when it was sent; NULL: there is none.
 */
extern void *trident_exchange_bundle_make(TridentExchangeTask *const *tasks, int n,
										  TridentExchangeCall *call);

#endif							/* TRIDENT_EXCHANGE_BUNDLE_H */
