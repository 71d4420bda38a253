/*
 * slot.c
 *	  A batch in the hands of the exchange worker, as its owner sees it.
 *
 * Each backend has slots of its own, so none is searched for and none is
 * locked.  All four are taken when batches that were given up are still being
 * cleared away by the worker, or when batches nest; then there is none.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "exchange/call.h"
#include "exchange/slot.h"

static TridentExchangeSlot *
free_slot(void)
{
	int			first = (MyProc - ProcGlobal->allProcs) * TRIDENT_EXCHANGE_SLOTS_EACH;

	if (first + TRIDENT_EXCHANGE_SLOTS_EACH > trident_exchange_shared->nslots)
		return NULL;
	for (int i = 0; i < TRIDENT_EXCHANGE_SLOTS_EACH; i++)
	{
		TridentExchangeSlot *slot = &trident_exchange_shared->slots[first + i];

		if (pg_atomic_read_u32(&slot->state) == TRIDENT_EXCHANGE_SLOT_FREE)
			return slot;
	}
	return NULL;
}

static void
fail(TridentBaseWorkerFailure *failure, const char *message, const char *hint)
{
	failure->sqlstate = TRIDENT_ERRCODE_EXCHANGE_LIMIT;
	failure->message = message;
	failure->detail = NULL;
	failure->hint = hint;
}

/* Fill the payload of the slot; false: the arena has no room. */
static bool
fill_payload(TridentExchangeSlot *slot, const TridentExchangeCall *calls, int ncalls)
{
	Size		head = MAXALIGN(sizeof(TridentExchangeSharedCall) * ncalls);
	Size		size = head + trident_exchange_call_size(calls, ncalls);
	TridentExchangeSharedCall *shared;
	void	   *memory;

	if (!trident_exchange_shared_allocate(size, &slot->payload, &memory))
		return false;
	shared = memory;
	for (int i = 0; i < ncalls; i++)
	{
		pg_atomic_init_u32(&shared[i].done, 0);
		shared[i].reply = InvalidDsaPointer;
		shared[i].is_lost = false;
	}
	trident_exchange_call_copy(calls, ncalls, (char *) memory + head);
	slot->payload_size = size;
	slot->ncalls = ncalls;
	return true;
}

/* Take a slot back that no worker has begun with. */
static bool
take_back(TridentExchangeSlot *slot)
{
	uint32		queued = TRIDENT_EXCHANGE_SLOT_QUEUED;

	/* DONE, so that it is ours to free */
	if (!pg_atomic_compare_exchange_u32(&slot->state, &queued, TRIDENT_EXCHANGE_SLOT_DONE))
		return false;
	trident_exchange_shared_release(slot);
	return true;
}

TridentExchangeSlot *
trident_exchange_slot_submit(const TridentExchangeCall *calls, int ncalls, Oid role,
							 TimestampTz submitted_at, TimestampTz deadline,
							 int wait_ms, TridentBaseWorkerFailure *failure)
{
	TridentExchangeSlot *slot;
	TridentBaseWorker worker;

	if (!trident_base_worker_find(trident_exchange_worker_kind, 0, &worker) &&
		!trident_base_worker_ensure(trident_exchange_worker_kind, 0, wait_ms, &worker,
									failure))
		return NULL;
	slot = free_slot();
	if (slot == NULL)
	{
		fail(failure, "too many calls to nodes of this session are under way",
			 "Wait until those given up are cleared away, or set trident.exchange_mode to auto.");
		return NULL;
	}
	if (!fill_payload(slot, calls, ncalls))
	{
		fail(failure, "there is no room left for calls to nodes",
			 "Raise trident.exchange_memory and restart the server, or set trident.exchange_mode to auto.");
		return NULL;
	}
	slot->worker = worker;
	slot->owner = MyProc - ProcGlobal->allProcs;
	slot->role = role;
	slot->submitted_at = submitted_at;
	slot->deadline = deadline;
	(void) pg_atomic_exchange_u32(&slot->state, TRIDENT_EXCHANGE_SLOT_QUEUED);
	trident_exchange_shared_signal(slot);

	/* it looks at its slots once more after it has ceased to be alive */
	if (!trident_base_worker_alive(&worker) && take_back(slot))
	{
		fail(failure, "the exchange worker has just ended", "Try again.");
		return NULL;
	}
	return slot;
}

const TridentExchangeCall *
trident_exchange_slot_calls(TridentExchangeSlot *slot)
{
	char	   *payload = trident_exchange_shared_address(slot->payload);

	return (const TridentExchangeCall *)
		(payload + MAXALIGN(sizeof(TridentExchangeSharedCall) * slot->ncalls));
}

const TridentExchangeReply *
trident_exchange_slot_reply(TridentExchangeSlot *slot, int call, bool *is_lost)
{
	TridentExchangeSharedCall *calls = trident_exchange_shared_address(slot->payload);

	if (pg_atomic_read_u32(&calls[call].done) == 0)
		return NULL;
	pg_read_barrier();
	*is_lost = calls[call].is_lost;
	if (DsaPointerIsValid(calls[call].reply))
		return trident_exchange_shared_address(calls[call].reply);
	return &calls[call].spare;
}

void
trident_exchange_slot_end(TridentExchangeSlot *slot)
{
	uint32		running = TRIDENT_EXCHANGE_SLOT_RUNNING;

	if (take_back(slot))
		return;
	if (pg_atomic_compare_exchange_u32(&slot->state, &running,
									   TRIDENT_EXCHANGE_SLOT_ABANDONED))
	{
		trident_exchange_shared_signal(slot);
		return;
	}
	Assert(pg_atomic_read_u32(&slot->state) == TRIDENT_EXCHANGE_SLOT_DONE);
	trident_exchange_shared_release(slot);
}
