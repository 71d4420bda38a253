/*
 * batch.h
 *	  What ends with transactions: for batch.c, which watches them.
 */
#ifndef TRIDENT_EXCHANGE_BATCH_H
#define TRIDENT_EXCHANGE_BATCH_H

#include "c.h"

/* session.c: close the sessions of the transaction, with a warning if it commits. */
extern void trident_exchange_session_end_transaction(bool is_commit);

/* The same for a subtransaction; if it commits, they are its parent's. */
extern void trident_exchange_session_end_subtransaction(bool is_commit,
														SubTransactionId subid,
														SubTransactionId parent);

#endif							/* TRIDENT_EXCHANGE_BATCH_H */
