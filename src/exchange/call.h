/*
 * call.h
 *	  Calls and replies as pieces of memory: copied, so that each has one
 *	  owner, whoever runs it.
 *
 * A copy is one piece, its pointers lead into itself.  In shared memory they
 * hold in every process, since the main segment is mapped at one address.
 */
#ifndef TRIDENT_EXCHANGE_CALL_H
#define TRIDENT_EXCHANGE_CALL_H

#include "exchange/conn.h"
#include "exchange/exchange.h"

/* What of a call the reply tells, beside the outcome. */
typedef struct TridentExchangeRun
{
	int			call;
	Oid			node;
	const char *purpose;
	TimestampTz submitted_at;
	int			attempts;
	bool		reused;
	int			remote_pid;
	TridentExchangePath path;
} TridentExchangeRun;

/* Size of a copy of the calls; and the copy, in that much memory. */
extern Size trident_exchange_call_size(const TridentExchangeCall *calls, int ncalls);
extern TridentExchangeCall *trident_exchange_call_copy(const TridentExchangeCall *calls,
													   int ncalls, void *memory);

/* Bytes of its statement and values. */
extern Size trident_exchange_call_bytes(const TridentExchangeCall *call);

/* What statements are kept prepared by. */
extern uint64 trident_exchange_call_hash(const TridentExchangeCall *call);

/* Size of a reply with the outcome; and the reply, in that much memory. */
extern Size trident_exchange_reply_size(const TridentExchangeRun *run,
										const TridentExchangeOutcome *outcome);
extern TridentExchangeReply *trident_exchange_reply_make(const TridentExchangeRun *run,
														 const TridentExchangeOutcome *outcome,
														 void *memory);

/* A reply without texts of its own, where there was no memory for the true one. */
extern void trident_exchange_reply_limit(const TridentExchangeRun *run,
										 const char *message, const char *hint,
										 TridentExchangeReply *reply);

#endif							/* TRIDENT_EXCHANGE_CALL_H */
