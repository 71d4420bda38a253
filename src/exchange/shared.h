/*
 * shared.h
 *	  What the exchange has in shared memory: slots, arena, places, statistics.
 *
 * One area of the main segment, there only where trident is preloaded:
 *
 *		Slots		one a batch, a few for each backend.  States below.
 *		Arena		a DSA area inside the area, of fixed size, that calls and
 *					replies pass through.
 *		Places		how many connections all processes have to a host and port.
 *		Statistics	a record a node (stat.h).
 *
 * No credentials are in any of it.
 *
 * States of a slot, changed by compare-and-swap:
 *
 *		FREE -> QUEUED			the owner, who has filled it in
 *		QUEUED -> RUNNING		the worker it is addressed to
 *		RUNNING -> DONE			the worker, when each call has its reply
 *		DONE -> FREE			the owner, who frees the memory
 *		QUEUED -> FREE			the owner, taking it back
 *		RUNNING -> ABANDONED	the owner, who does not wait any more
 *		ABANDONED -> FREE		the worker, who frees the memory
 *
 * So memory always has one process that frees it.  A worker's exit callback
 * completes what it has; what is queued for a worker that is gone by then is
 * taken back by its owner, who looks whether the worker is alive after it has
 * queued.  A worker that is killed takes all shared memory with it.
 */
#ifndef TRIDENT_EXCHANGE_SHARED_H
#define TRIDENT_EXCHANGE_SHARED_H

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"

#include "base/worker.h"
#include "exchange/exchange.h"
#include "exchange/stat.h"

#define TRIDENT_EXCHANGE_SLOTS_EACH	4	/* batches of one backend at a time */
#define TRIDENT_EXCHANGE_PLACES		512

typedef enum TridentExchangeSlotState
{
	TRIDENT_EXCHANGE_SLOT_FREE,
	TRIDENT_EXCHANGE_SLOT_QUEUED,
	TRIDENT_EXCHANGE_SLOT_RUNNING,
	TRIDENT_EXCHANGE_SLOT_DONE,
	TRIDENT_EXCHANGE_SLOT_ABANDONED
} TridentExchangeSlotState;

/* One call of a batch, in the arena. */
typedef struct TridentExchangeSharedCall
{
	pg_atomic_uint32 done;		/* then one of the two is the reply */
	dsa_pointer reply;			/* a TridentExchangeReply; or invalid: */
	Size		reply_size;
	TridentExchangeReply spare; /* where the arena had no room, ... */
	bool		is_lost;		/* ... or the worker ended before */
} TridentExchangeSharedCall;

/* Written by the owner before it queues the slot, then by nobody. */
typedef struct TridentExchangeSlot
{
	pg_atomic_uint32 state;
	TridentBaseWorker worker;	/* whom it is addressed to */
	int			owner;			/* place in ProcGlobal->allProcs */
	Oid			role;
	TimestampTz submitted_at;
	TimestampTz deadline;
	int			ncalls;
	dsa_pointer payload;		/* SharedCalls, then TridentExchangeCalls */
	Size		payload_size;
} TridentExchangeSlot;

/*
 * A host and port that processes are connected to.  Whose record it is and how
 * many connections there are is one word, so that a record without connections
 * can be given to another place, and no count goes to the wrong one.
 */
typedef struct TridentExchangePlace
{
	pg_atomic_uint64 word;		/* its hash but for the last 16 bits, which are
								 * the connections; 0: never used */
	pg_atomic_uint32 nwanted;	/* times that a connection was refused since
								 * somebody closed an idle one */
} TridentExchangePlace;

typedef struct TridentExchangeShared
{
	int			nslots;
	int			nwords;			/* of pending */
	pg_atomic_uint64 arena_used;	/* bytes asked for and not freed */
	TridentExchangePlace places[TRIDENT_EXCHANGE_PLACES];
	TridentExchangeStat stats[TRIDENT_EXCHANGE_STATS];
	/* pointers into the area, the same in every process */
	pg_atomic_uint64 *pending;	/* a bit a slot: its worker is to look at it */
	TridentExchangeSlot *slots;
	void	   *arena;
	Size		arena_size;
} TridentExchangeShared;

/* NULL where trident is not preloaded. */
extern TridentExchangeShared *trident_exchange_shared;

/* Register the area; from _PG_init. */
extern void trident_exchange_shared_init(void);

/*
 * Memory from the arena, by address and pointer; false: there is no room.
 * Attaches to the arena at first.  Any process may free what another got.
 */
extern bool trident_exchange_shared_allocate(Size size, dsa_pointer *pointer,
											 void **address);
extern void *trident_exchange_shared_address(dsa_pointer pointer);
extern void trident_exchange_shared_free(dsa_pointer pointer, Size size);

/* Tell the worker that a slot is to be looked at. */
extern void trident_exchange_shared_signal(const TridentExchangeSlot *slot);

/* Free payload and replies; the slot is then FREE.  By whom the states say. */
extern void trident_exchange_shared_release(TridentExchangeSlot *slot);

/* Guards which place and which node has which record. */
extern LWLock *trident_exchange_shared_lock(void);

/* For the engine: count a connection to a place, unless there are as many. */
extern bool trident_exchange_shared_reserve(uint64 place, int limit);
extern void trident_exchange_shared_unreserve(uint64 place);

/* Did another process miss a connection there?  Asked by who has idle ones. */
extern bool trident_exchange_shared_is_wanted(uint64 place);

/* Connections to it of all processes; 0 where that is not counted. */
extern int	trident_exchange_shared_count(uint64 place);

#endif							/* TRIDENT_EXCHANGE_SHARED_H */
