/*
 * worker.c
 *	  The exchange worker: one process a database that runs the calls of all
 *	  its backends, over connections that they share.
 *
 * Each turn takes what backends queued (shared.h) and lets the engine go on.
 * Tasks lead into the arena: neither calls nor replies are copied once more.
 *
 * Rights: the process is a superuser; nothing is decided by that.  A slot
 * names the role that asks, and the route is made and checked for that role.
 *
 * Catalogs are read in short transactions, only to make a route, so that the
 * worker holds back no vacuum.  Invalidations are taken between them, each
 * turn and before each batch: what a backend changed and committed is seen by
 * what it asks next.
 *
 * Failure: an error while a route is made fails its calls.  Any other leaves
 * the engine in doubt: all batches get a reply that says that they are lost,
 * all connections are closed, and a new engine takes over; three times in ten
 * seconds ends the process, and the launcher starts another.  The same is done
 * for the batches when the process ends in any other way.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/guc.h"
#include "base/wait.h"
#include "base/worker.h"
#include "exchange/call.h"
#include "exchange/engine.h"
#include "exchange/slot.h"

#define MAX_ERRORS			3
#define MAX_ERRORS_MS		10000

/* Longest time between two looks at what other processes would like to have. */
#define TURN_MS				1000

typedef struct WorkerBatch WorkerBatch;

typedef struct WorkerTask
{
	TridentExchangeTask task;
	WorkerBatch *batch;
} WorkerTask;

/* A slot that runs. */
struct WorkerBatch
{
	dlist_node	node;			/* in batches */
	TridentExchangeSlot *slot;
	TridentExchangeSharedCall *calls;
	int			ndone;
	WorkerTask	tasks[FLEXIBLE_ARRAY_MEMBER];
};

int			trident_exchange_worker_kind = -1;

static TridentExchangeEngine *engine = NULL;
static dlist_head batches = DLIST_STATIC_INIT(batches);
static TridentBaseWorker self;
static uint32 wait_event = 0;

/* --- replies --- */

static void
wake_owner(int owner)
{
	SetLatch(&ProcGlobal->allProcs[owner].procLatch);
}

/* Every call has its reply: the owner's it is now, or nobody's. */
static void
hand_over(TridentExchangeSlot *slot)
{
	int			owner = slot->owner;
	uint32		running = TRIDENT_EXCHANGE_SLOT_RUNNING;

	if (pg_atomic_compare_exchange_u32(&slot->state, &running, TRIDENT_EXCHANGE_SLOT_DONE))
		wake_owner(owner);
	else
		trident_exchange_shared_release(slot);
}

/* Called by the engine: must not throw. */
static void
worker_finish(TridentExchangeTask *task, const TridentExchangeOutcome *outcome)
{
	WorkerBatch *batch = ((WorkerTask *) task)->batch;
	int			number = (WorkerTask *) task - batch->tasks;
	TridentExchangeSharedCall *call = &batch->calls[number];
	TridentExchangeRun run = {
		.call = number,
		.node = task->call->node,
		.purpose = task->call->purpose,
		.submitted_at = batch->slot->submitted_at,
		.attempts = task->attempts,
		.reused = task->reused,
		.remote_pid = task->remote_pid,
		.path = TRIDENT_EXCHANGE_WORKER
	};
	Size		size = trident_exchange_reply_size(&run, outcome);
	void	   *memory;

	if (trident_exchange_shared_allocate(size, &call->reply, &memory))
	{
		call->reply_size = size;
		(void) trident_exchange_reply_make(&run, outcome, memory);
	}
	else
		trident_exchange_reply_limit(&run, "the answer does not fit into trident.exchange_memory",
									 "Raise trident.exchange_memory and restart the server, or set trident.exchange_mode to auto.",
									 &call->spare);
	task->state = TRIDENT_EXCHANGE_TASK_DONE;
	pg_write_barrier();
	pg_atomic_write_u32(&call->done, 1);
	if (++batch->ndone == batch->slot->ncalls)
	{
		dlist_delete(&batch->node);
		hand_over(batch->slot);
		pfree(batch);
	}
	else if (!outcome->ok)
		wake_owner(batch->slot->owner); /* it may wish to go no further */
}

/* The worker ends, or its engine: what has no reply gets one that says so. */
static void
complete_lost(TridentExchangeSlot *slot)
{
	TridentExchangeSharedCall *calls = trident_exchange_shared_address(slot->payload);
	const TridentExchangeCall *asked = trident_exchange_slot_calls(slot);

	for (int i = 0; i < slot->ncalls; i++)
	{
		TridentExchangeRun run = {
			.call = i,
			.node = asked[i].node,
			.purpose = asked[i].purpose,
			.submitted_at = slot->submitted_at,
			.attempts = 1,
			.path = TRIDENT_EXCHANGE_WORKER
		};

		if (pg_atomic_read_u32(&calls[i].done) != 0)
			continue;
		trident_exchange_reply_limit(&run, "the exchange worker ended before the answer",
									 "Run the statement again.", &calls[i].spare);
		calls[i].spare.origin = TRIDENT_EXCHANGE_FROM_CONNECT;
		calls[i].spare.sqlstate = ERRCODE_CONNECTION_FAILURE;
		calls[i].is_lost = true;
		pg_write_barrier();
		pg_atomic_write_u32(&calls[i].done, 1);
	}
	hand_over(slot);
}

/* --- routes --- */

/* The error being handled, as an outcome; ends the transaction. */
static void
catch_error(MemoryContext context, TridentExchangeOutcome *outcome)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	trident_base_worker_abort();
	MemoryContextSwitchTo(context);
	memset(outcome, 0, sizeof(*outcome));
	outcome->origin = TRIDENT_EXCHANGE_FROM_HANDSHAKE;
	outcome->sqlstate = error->sqlerrcode;
	outcome->message = error->message;
	outcome->detail = error->detail;
	outcome->hint = error->hint;
}

/* The route of the key; NULL: there is none, for the reason in *outcome. */
static TridentExchangeRoute *
find_route(const TridentExchangeRouteKey *key, TridentExchangeOutcome *outcome)
{
	TridentExchangeRoute *volatile route = trident_exchange_engine_known(engine, key);
	MemoryContext context = CurrentMemoryContext;

	if (route)
		return route;
	PG_TRY();
	{
		trident_base_worker_begin(trident_base_exchange_connect_timeout);
		route = trident_exchange_engine_route(engine, key);
		trident_base_worker_commit();
	}
	PG_CATCH();
	{
		catch_error(context, outcome);
		route = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	/* what waited for a lock has taken the latch of who submits meanwhile */
	SetLatch(MyLatch);
	return route;
}

/* The catalogs changed: close what may not be used any more. */
static void
revalidate(void)
{
	static uint64 seen = 0;
	TridentExchangeRouteKey *keys;
	int			nkeys;

	if (seen == trident_exchange_route_generation())
		return;
	seen = trident_exchange_route_generation();
	keys = trident_exchange_engine_keys(engine, &nkeys);
	for (int i = 0; i < nkeys; i++)
	{
		TridentExchangeOutcome outcome;

		if (find_route(&keys[i], &outcome) == NULL)
			trident_exchange_engine_retire_key(engine, &keys[i], &outcome);
	}
}

/* --- slots --- */

static bool
is_mine(const TridentExchangeSlot *slot)
{
	return slot->worker.entry == self.entry && slot->worker.generation == self.generation;
}

/* Begin with a slot that is RUNNING now. */
static void
begin_batch(TridentExchangeSlot *slot)
{
	int			ncalls = slot->ncalls;
	const TridentExchangeCall *calls = trident_exchange_slot_calls(slot);
	WorkerBatch *batch = MemoryContextAllocZero(engine->context,
												offsetof(WorkerBatch, tasks) +
												sizeof(WorkerTask) * ncalls);

	/* what the owner has committed before it asked, even if that was just now */
	AcceptInvalidationMessages();
	batch->slot = slot;
	batch->calls = trident_exchange_shared_address(slot->payload);
	dlist_push_tail(&batches, &batch->node);
	/* with its last reply, the batch and what it leads to may be gone */
	for (int i = 0; i < ncalls; i++)
	{
		TridentExchangeTask *task = &batch->tasks[i].task;
		TridentExchangeOutcome outcome;
		TridentExchangeRouteKey key = {
			.server = calls[i].node, .role = slot->role, .call_class = calls[i].call_class
		};

		batch->tasks[i].batch = batch;
		task->call = &calls[i];
		task->hash = trident_exchange_call_hash(&calls[i]);
		task->submitted_at = slot->submitted_at;
		task->deadline = slot->deadline;
		task->route = find_route(&key, &outcome);
		if (task->route)
			trident_exchange_engine_add(engine, task);
		else
			worker_finish(task, &outcome);
	}
}

/* The owner of a slot does not wait any more. */
static void
drop_batch(TridentExchangeSlot *slot)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &batches)
	{
		WorkerBatch *batch = dlist_container(WorkerBatch, node, iter.cur);

		if (batch->slot != slot)
			continue;
		for (int i = 0; i < slot->ncalls; i++)
			trident_exchange_engine_remove(engine, &batch->tasks[i].task);
		dlist_delete(&batch->node);
		trident_exchange_shared_release(slot);
		pfree(batch);
		return;
	}
}

/* Look at the slots whose owners ask for it. */
static void
accept_slots(void)
{
	TridentExchangeShared *shared = trident_exchange_shared;

	for (int word = 0; word < shared->nwords; word++)
	{
		uint64		bits = pg_atomic_read_u64(&shared->pending[word]);

		while (bits != 0)
		{
			int			bit = pg_rightmost_one_pos64(bits);
			TridentExchangeSlot *slot = &shared->slots[word * 64 + bit];
			uint32		queued = TRIDENT_EXCHANGE_SLOT_QUEUED;

			bits &= bits - 1;
			if (!is_mine(slot))
				continue;
			/* cleared first: what is set after that is looked at again */
			pg_atomic_fetch_and_u64(&shared->pending[word], ~(UINT64CONST(1) << bit));
			trident_base_worker_busy();
			if (pg_atomic_compare_exchange_u32(&slot->state, &queued,
											   TRIDENT_EXCHANGE_SLOT_RUNNING))
				begin_batch(slot);
			else if (queued == TRIDENT_EXCHANGE_SLOT_ABANDONED)
				drop_batch(slot);
		}
	}
}

/* --- the process --- */

/* Give every slot of this worker back, and close all connections. */
static void
end_all(void)
{
	TridentExchangeShared *shared = trident_exchange_shared;

	dlist_init(&batches);
	for (int i = 0; i < shared->nslots; i++)
	{
		TridentExchangeSlot *slot = &shared->slots[i];
		uint32		state = pg_atomic_read_u32(&slot->state);

		if (state == TRIDENT_EXCHANGE_SLOT_FREE || !is_mine(slot))
			continue;
		if (state == TRIDENT_EXCHANGE_SLOT_QUEUED)
			(void) pg_atomic_compare_exchange_u32(&slot->state, &state,
												  TRIDENT_EXCHANGE_SLOT_RUNNING);
		state = pg_atomic_read_u32(&slot->state);
		if (state == TRIDENT_EXCHANGE_SLOT_RUNNING)
			complete_lost(slot);
		else if (state == TRIDENT_EXCHANGE_SLOT_ABANDONED)
			trident_exchange_shared_release(slot);
	}
	if (engine)
		trident_exchange_engine_destroy(engine);
	engine = NULL;
}

static void
exit_worker(int code, Datum arg)
{
	/* an error may have come with a lock of the arena held */
	LWLockReleaseAll();
	trident_base_worker_retract();
	end_all();
}

static void
start_engine(void)
{
	engine = trident_exchange_engine_create();
	engine->finish = worker_finish;
	engine->wait_event = trident_base_wait_event(&wait_event, "TridentExchangeMain");
}

/* What it does, for people, once a second at most. */
static void
show_activity(void)
{
	static TimestampTz shown_at = 0;
	char		text[128];
	int			nsent = 0;
	dlist_iter	iter;

	if (engine->now < TimestampTzPlusMilliseconds(shown_at, TURN_MS))
		return;
	shown_at = engine->now;
	dlist_foreach(iter, &engine->sent)
		nsent++;
	snprintf(text, sizeof(text), "%d calls running, %d waiting, %d connections",
			 nsent, engine->ntasks - nsent, engine->nlinks);
	trident_base_worker_activity(text);
}

static void
turn(void)
{
	revalidate();
	accept_slots();
	TRIDENT_FAULT("exchange-turn");
	(void) trident_exchange_engine_turn(engine, engine->nlinks > 0 ? TURN_MS : 60000);
	/* a call may run for longer than a worker without work is kept */
	if (engine->ntasks > 0)
		trident_base_worker_busy();
	trident_exchange_engine_yield(engine);
	show_activity();
}

/* An error that should not have been: begin anew, or end. */
static void
recover(MemoryContext context)
{
	static TimestampTz at[MAX_ERRORS];
	static int	next = 0;
	TimestampTz now = GetCurrentTimestamp();
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (at[next] != 0 && now < TimestampTzPlusMilliseconds(at[next], MAX_ERRORS_MS))
		PG_RE_THROW();
	at[next] = now;
	next = (next + 1) % MAX_ERRORS;
	EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(context);
	LWLockReleaseAll();
	trident_base_worker_record(error);
	end_all();
	start_engine();
}

static void
run_worker(int number)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "trident exchange worker",
												  ALLOCSET_DEFAULT_SIZES);

	self = trident_base_worker_self();
	start_engine();
	before_shmem_exit(exit_worker, (Datum) 0);
	trident_base_worker_ready();
	while (trident_base_worker_turn())
	{
		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		PG_TRY();
		{
			turn();
		}
		PG_CATCH();
		{
			recover(context);
		}
		PG_END_TRY();
	}
	/* the exit callback gives back what is there */
}

void
trident_exchange_worker_init(void)
{
	static const TridentBaseWorkerKind kind = {
		.name = "exchange",
		.run = run_worker,
		.idle_timeout_ms = &trident_base_worker_idle_timeout,
		.on_standby = true
	};

	trident_exchange_worker_kind = trident_base_worker_define(&kind);
}
