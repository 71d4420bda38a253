/*
 * slot.h
 *	  A batch in the hands of the exchange worker, as its owner sees it.
 */
#ifndef TRIDENT_EXCHANGE_SLOT_H
#define TRIDENT_EXCHANGE_SLOT_H

#include "exchange/shared.h"

/* Number of the worker's kind; defined by _PG_init. */
extern int	trident_exchange_worker_kind;

/* Define the kind; from _PG_init. */
extern void trident_exchange_worker_init(void);

/*
 * Hand the calls to the exchange worker of this database, which is started if
 * there is none.  NULL: that cannot be, *failure says why.  Waits for a worker
 * to start, wait_ms at most; may throw while it does.
 */
extern TridentExchangeSlot *trident_exchange_slot_submit(const TridentExchangeCall *calls,
														 int ncalls, Oid role,
														 TimestampTz submitted_at,
														 TimestampTz deadline,
														 int wait_ms,
														 TridentBaseWorkerFailure *failure);

/* The calls, in the arena. */
extern const TridentExchangeCall *trident_exchange_slot_calls(TridentExchangeSlot *slot);

/*
 * The reply to a call; NULL: it is not there yet.  is_lost: the worker ended
 * before it was, and the reply says so.
 */
extern const TridentExchangeReply *trident_exchange_slot_reply(TridentExchangeSlot *slot,
															   int call, bool *is_lost);

/* The owner is done with it, whether it is done or not. */
extern void trident_exchange_slot_end(TridentExchangeSlot *slot);

#endif							/* TRIDENT_EXCHANGE_SLOT_H */
