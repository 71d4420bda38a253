/*
 * batch.c
 *	  Batches of calls, as other folders see them, and the direct mode.
 *
 * A batch goes to the exchange worker of the database (slot.c), or its calls
 * become tasks of an engine in this backend: by trident.exchange_mode, and in
 * auto mode also where the worker cannot be had, has no room for the answer,
 * goes away meanwhile (what only reads is asked again then), or cannot know yet
 * what this transaction did to the server or the user mapping.
 *
 * Batches end with their (sub)transaction.  They are on a list, looked at when
 * transactions end, and their memory is no child of the caller's, so that the
 * list never leads to something freed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "base/wait.h"
#include "exchange/batch.h"
#include "exchange/call.h"
#include "exchange/engine.h"
#include "exchange/slot.h"

/* One call of a batch. */
typedef struct Item
{
	TridentExchangeTask task;	/* where it is run by this backend */
	TridentExchangeBatch *batch;
	bool		is_direct;
	bool		is_returned;
	const TridentExchangeReply *reply;	/* NULL: not there yet */
	TridentExchangeReply spare; /* where there is no memory for one */
} Item;

struct TridentExchangeBatch
{
	dlist_node	node;			/* in open_batches */
	SubTransactionId subid;
	MemoryContext context;
	Oid			role;
	TimestampTz deadline;
	TimestampTz submitted_at;
	const TridentExchangeCall *calls;	/* our copy, or that in the slot */
	TridentExchangeSlot *slot;	/* NULL: the worker has no part in it */
	int			ncalls;
	int			nreturned;
	Item	   *items;
};

static dlist_head open_batches = DLIST_STATIC_INIT(open_batches);

/* The engine of direct mode; NULL until it is needed. */
static TridentExchangeEngine *engine = NULL;

static uint32 wait_event = 0;
static uint32 worker_wait_event = 0;

/* How long to wait for a worker to start. */
#define AUTO_WAIT_MS	50
#define WORKER_WAIT_MS	5000

/* When it did not, calls run directly for so long. */
#define AUTO_PAUSE_MS	1000

/* So much of the time that a batch has may pass before the caller goes on. */
#define CONNECT_SHARE	4

/* Beyond the deadline, which the worker keeps, so long until we do not wait. */
#define GRACE_MS		1000

/* What the reply to this item tells beside the outcome. */
static TridentExchangeRun
run_of(const Item *item)
{
	const TridentExchangeTask *task = &item->task;
	TridentExchangeRun run = {
		.call = item - item->batch->items,
		.node = task->call->node,
		.purpose = task->call->purpose,
		.submitted_at = item->batch->submitted_at,
		.attempts = task->attempts,
		.reused = task->reused,
		.remote_pid = task->remote_pid,
		.path = TRIDENT_EXCHANGE_DIRECT
	};

	return run;
}

/* Called by the engine: must not throw. */
static void
direct_finish(TridentExchangeTask *task, const TridentExchangeOutcome *outcome)
{
	Item	   *item = (Item *) task;
	TridentExchangeRun run = run_of(item);
	Size		size = trident_exchange_reply_size(&run, outcome);
	void	   *memory = MemoryContextAllocExtended(item->batch->context, size,
													MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

	if (memory)
		item->reply = trident_exchange_reply_make(&run, outcome, memory);
	else
	{
		trident_exchange_reply_limit(&run, "out of memory for the result",
									 "Ask for fewer rows at a time.", &item->spare);
		item->reply = &item->spare;
	}
}

/* Connections that are counted over all processes are counted off. */
static void
close_engine(int code, Datum arg)
{
	if (engine)
		trident_exchange_engine_destroy(engine);
	engine = NULL;
}

static TridentExchangeEngine *
direct_engine(void)
{
	if (engine == NULL)
	{
		TridentExchangeEngine *made = trident_exchange_engine_create();

		before_shmem_exit(close_engine, (Datum) 0);
		made->finish = direct_finish;
		made->is_direct = true;
		made->wait_event = trident_base_wait_event(&wait_event, "TridentExchangeDirect");
		engine = made;
	}
	return engine;
}

/* Run this item by ourselves.  May throw: a batch is as if it had not been. */
static void
add_direct(Item *item)
{
	TridentExchangeBatch *batch = item->batch;
	const TridentExchangeCall *call = &batch->calls[item - batch->items];
	TridentExchangeRouteKey key = {
		.server = call->node,
		.role = batch->role,
		.call_class = call->call_class
	};

	item->task.route = trident_exchange_engine_route(direct_engine(), &key);
	item->task.call = call;
	item->task.hash = trident_exchange_call_hash(call);
	item->task.submitted_at = batch->submitted_at;
	item->task.deadline = batch->deadline;
	item->is_direct = true;
	trident_exchange_engine_add(engine, &item->task);
}

/* An error for what is wrong with a call, before anything is sent. */
static void
check_calls(const TridentExchangeCall *calls, int ncalls)
{
	for (int i = 0; i < ncalls; i++)
	{
		if (calls[i].call_class > TRIDENT_EXCHANGE_CONTROL)
			elog(ERROR, "unknown class of call: %d", calls[i].call_class);
		/* an error where there is none; the route is looked up anew by name */
		(void) GetForeignServer(calls[i].node);
		(void) GetUserMapping(GetUserId(), calls[i].node);
	}
}

static void
free_batch(TridentExchangeBatch *batch)
{
	for (int i = 0; i < batch->ncalls; i++)
	{
		Item	   *item = &batch->items[i];

		if (item->is_direct && item->reply == NULL && engine)
			trident_exchange_engine_remove(engine, &item->task);
	}
	if (batch->slot)
		trident_exchange_slot_end(batch->slot);
	dlist_delete(&batch->node);
	MemoryContextDelete(batch->context);
}

/* Once a session: why connections are not shared. */
static void
notice_direct(void)
{
	static bool noticed = false;

	if (noticed)
		return;
	noticed = true;
	ereport(NOTICE,
			(errmsg("connections to nodes are made by this session alone"),
			 errdetail("The library trident is not loaded at server start."),
			 errhint("Add trident to shared_preload_libraries and restart the server, "
					 "or set trident.exchange_mode to direct.")));
}

/*
 * Can the worker know where these calls go?  It would ask where a server was
 * before this transaction changed it.  Where it has to run them, an error if not.
 */
static bool
is_known_to_worker(const TridentExchangeCall *calls, int ncalls, Oid role, bool insists)
{
	for (int i = 0; i < ncalls; i++)
	{
		if (!trident_exchange_route_is_mine(calls[i].node, role))
			continue;
		if (insists)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the exchange worker does not know server \"%s\" as this transaction has made or changed it, or its user mapping",
							GetForeignServer(calls[i].node)->servername),
					 errhint("Commit the transaction first, or set trident.exchange_mode to auto.")));
		return false;
	}
	return true;
}

/* Hand the batch to the worker, if that is to be; false: run it here. */
static bool
submit_to_worker(TridentExchangeBatch *batch, const TridentExchangeCall *calls, int ncalls)
{
	static TimestampTz not_before = 0;
	TridentBaseWorkerFailure failure;
	bool		insists = trident_base_exchange_mode == TRIDENT_BASE_EXCHANGE_MODE_WORKER;

	if (trident_base_exchange_mode == TRIDENT_BASE_EXCHANGE_MODE_DIRECT)
		return false;
	if (insists)
		trident_base_require_preload("trident.exchange_mode = worker");
	if (!trident_base_preloaded())
	{
		notice_direct();
		return false;
	}
	/* where it could not be had a moment ago, nobody waits for it again */
	if (!insists && batch->submitted_at < not_before)
		return false;
	if (!is_known_to_worker(calls, ncalls, batch->role, insists))
		return false;
	batch->slot = trident_exchange_slot_submit(calls, ncalls, batch->role,
											   batch->submitted_at, batch->deadline,
											   insists ? WORKER_WAIT_MS : AUTO_WAIT_MS,
											   &failure);
	if (batch->slot == NULL && insists)
		trident_base_worker_fail(&failure);
	if (batch->slot == NULL)
	{
		if (failure.sqlstate != TRIDENT_ERRCODE_EXCHANGE_LIMIT)
			not_before = TimestampTzPlusMilliseconds(batch->submitted_at, AUTO_PAUSE_MS);
		return false;
	}
	batch->calls = trident_exchange_slot_calls(batch->slot);
	return true;
}

/* Does a call that runs here wait for a connection that is being made? */
static bool
is_connecting(const TridentExchangeBatch *batch)
{
	for (int i = 0; i < batch->ncalls; i++)
	{
		const TridentExchangeTask *task = &batch->items[i].task;

		if (task->state == TRIDENT_EXCHANGE_TASK_WAITING && task->route->nconnecting > 0)
			return true;
	}
	return false;
}

/*
 * Send the calls.  Connecting takes turns that nobody gives it while the caller
 * works at its own part: so it is waited for here, as all nodes at once are
 * connected to, and they then work while the caller does.
 */
static void
send_direct(TridentExchangeBatch *batch)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until =
		Min(TimestampTzPlusMilliseconds(now, trident_base_exchange_connect_timeout),
			now + (batch->deadline - now) / CONNECT_SHARE);
	bool		latch_set = trident_exchange_engine_turn(engine, 0);

	while (is_connecting(batch) && (now = GetCurrentTimestamp()) < until)
	{
		CHECK_FOR_INTERRUPTS();
		latch_set |= trident_exchange_engine_turn(engine, (until - now) / 1000 + 1);
	}
	if (latch_set)
		SetLatch(MyLatch);		/* whose it was looks again */
}

TridentExchangeBatch *
trident_exchange_submit(const TridentExchangeCall *calls, int ncalls,
						TimestampTz deadline)
{
	MemoryContext context;
	TridentExchangeBatch *batch;
	void	   *memory;

	check_calls(calls, ncalls);
	context = AllocSetContextCreate(TopMemoryContext, "trident exchange batch",
									ALLOCSET_DEFAULT_SIZES);
	batch = MemoryContextAllocZero(context, sizeof(TridentExchangeBatch));
	batch->context = context;
	batch->subid = GetCurrentSubTransactionId();
	dlist_push_tail(&open_batches, &batch->node);

	batch->role = GetUserId();
	batch->submitted_at = GetCurrentTimestamp();
	batch->deadline = deadline != 0 ? deadline
		: TimestampTzPlusMilliseconds(batch->submitted_at, trident_base_exchange_timeout);
	batch->items = MemoryContextAllocZero(context, sizeof(Item) * ncalls);
	for (int i = 0; i < ncalls; i++)
		batch->items[i].batch = batch;
	if (submit_to_worker(batch, calls, ncalls))
	{
		batch->ncalls = ncalls;
		return batch;
	}
	memory = MemoryContextAllocHuge(context, trident_exchange_call_size(calls, ncalls));
	batch->calls = trident_exchange_call_copy(calls, ncalls, memory);
	/* from here on the list knows how many there are to be given up */
	batch->ncalls = ncalls;
	for (int i = 0; i < ncalls; i++)
		add_direct(&batch->items[i]);
	send_direct(batch);
	return batch;
}

void
trident_exchange_progress(TridentExchangeBatch *batch)
{
	if (engine && engine->ntasks > 0 &&
		trident_exchange_engine_turn(engine, 0))
		SetLatch(MyLatch);		/* whose it was looks again */
}

/* A reply that is there and was not returned yet. */
static const TridentExchangeReply *
next_ready(TridentExchangeBatch *batch)
{
	for (int i = 0; i < batch->ncalls; i++)
	{
		Item	   *item = &batch->items[i];

		if (item->is_returned || item->reply == NULL)
			continue;
		item->is_returned = true;
		batch->nreturned++;
		return item->reply;
	}
	return NULL;
}

/*
 * Take the replies that the worker has made.  In auto mode a call that only
 * reads runs here when the worker ended, or had no room for the answer.
 */
static void
collect_replies(TridentExchangeBatch *batch)
{
	for (int i = 0; i < batch->ncalls; i++)
	{
		Item	   *item = &batch->items[i];
		const TridentExchangeReply *reply;
		bool		is_lost;

		if (item->reply || item->is_direct)
			continue;
		reply = trident_exchange_slot_reply(batch->slot, i, &is_lost);
		if (reply == NULL)
			continue;
		if ((is_lost || (!reply->ok && reply->origin == TRIDENT_EXCHANGE_FROM_LIMIT)) &&
			batch->calls[i].call_class != TRIDENT_EXCHANGE_WRITE &&
			trident_base_exchange_mode == TRIDENT_BASE_EXCHANGE_MODE_AUTO)
			add_direct(item);
		else
			item->reply = reply;
	}
}

/* Does a call that runs here have no reply yet? */
static bool
has_direct(const TridentExchangeBatch *batch)
{
	for (int i = 0; i < batch->ncalls; i++)
	{
		if (batch->items[i].is_direct && batch->items[i].reply == NULL)
			return true;
	}
	return false;
}

/* Wait for a sign of the worker, which keeps the deadline, unless it hangs. */
static void
wait_for_worker(TridentExchangeBatch *batch)
{
	TimestampTz end = TimestampTzPlusMilliseconds(batch->deadline, GRACE_MS);
	TimestampTz now = GetCurrentTimestamp();

	if (now < end)
	{
		trident_base_wait((end - now) / 1000 + 1,
						  trident_base_wait_event(&worker_wait_event,
												  "TridentExchangeWorker"));
		return;
	}
	for (int i = 0; i < batch->ncalls; i++)
	{
		Item	   *item = &batch->items[i];

		if (item->reply)
			continue;
		item->task.call = &batch->calls[i];
		trident_exchange_reply_limit(&(TridentExchangeRun) {
			.call = i, .node = batch->calls[i].node, .purpose = batch->calls[i].purpose,
			.submitted_at = batch->submitted_at, .path = TRIDENT_EXCHANGE_WORKER
		}, "the exchange worker did not answer",
			"Look at the worker in trident.stat_worker.", &item->spare);
		item->spare.origin = TRIDENT_EXCHANGE_FROM_TIMEOUT;
		item->spare.sqlstate = TRIDENT_ERRCODE_EXCHANGE_TIMEOUT;
		item->reply = &item->spare;
	}
}

const TridentExchangeReply *
trident_exchange_next(TridentExchangeBatch *batch)
{
	const TridentExchangeReply *reply;

	for (;;)
	{
		if (batch->slot)
			collect_replies(batch);
		reply = next_ready(batch);
		if (reply || batch->nreturned == batch->ncalls)
			return reply;
		if (has_direct(batch))
		{
			(void) trident_exchange_engine_turn(engine, -1);
			CHECK_FOR_INTERRUPTS();
		}
		else
			wait_for_worker(batch);
	}
}

void
trident_exchange_end(TridentExchangeBatch *batch)
{
	free_batch(batch);
}

/* --- the end of transactions --- */

/* End the batches of this subtransaction, or of all. */
static void
end_batches(SubTransactionId subid, bool is_leak)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &open_batches)
	{
		TridentExchangeBatch *batch = dlist_container(TridentExchangeBatch, node, iter.cur);

		if (subid != InvalidSubTransactionId && batch->subid != subid)
			continue;
		if (is_leak)
			ereport(WARNING,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg_internal("a batch of %d calls to nodes was not ended", batch->ncalls),
					 errhint("Report this as an issue of trident.")));
		free_batch(batch);
	}
}

/*
 * Nobody looks at a connection that is being made until the next call, which
 * may never be, while it counts for the bound and waits on the node; and later
 * its time is over.  So none outlives the transaction.
 */
static void
drop_connecting(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &engine->links)
	{
		TridentExchangeLink *link = dlist_container(TridentExchangeLink, node, iter.cur);

		if (!link->is_connecting)
			continue;
		trident_exchange_hosts_forsake(link->route, link->conn);
		trident_pool_drop(engine->pool, link->member);
	}
}

/*
 * Close an idle connection to a place that is half taken, over all processes;
 * false: there is none.  A session that is idle itself cannot be asked for what
 * others wait for, so all that such sessions keep together is half.
 */
static bool
give_back(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &engine->links)
	{
		TridentExchangeRoute *route =
			dlist_container(TridentExchangeLink, node, iter.cur)->route;

		if (route->key.call_class != TRIDENT_EXCHANGE_CONTROL &&
			trident_exchange_shared_count(route->place) >
			trident_exchange_engine_pool_size(route) / 2 &&
			trident_pool_evict(engine->pool, route, 0))
			return true;
	}
	return false;
}

/* Between transactions: close what may not be used any more, or is too old. */
static void
tidy_engine(void)
{
	dlist_iter	iter;
	uint64		generation = trident_exchange_route_generation();
	static uint64 seen = 0;

	if (engine == NULL || engine->ntasks > 0)
		return;
	if (seen != generation)
	{
		dlist_foreach(iter, &engine->links)
		{
			TridentExchangeLink *link = dlist_container(TridentExchangeLink, node, iter.cur);

			if (link->route->generation != generation)
			{
				/* which of them does not matter: they are opened anew */
				trident_pool_retire(engine->pool, NULL, false);
				break;
			}
		}
		seen = generation;
	}
	drop_connecting();
	(void) trident_pool_sweep(engine->pool, GetCurrentTimestamp());

	while (give_back())
		;
}

static void
end_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			end_batches(InvalidSubTransactionId, false);
			trident_exchange_session_end_transaction(false);
			tidy_engine();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PREPARE:
			end_batches(InvalidSubTransactionId, true);
			trident_exchange_session_end_transaction(true);
			tidy_engine();
			break;
		default:
			break;
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId subid,
				   SubTransactionId parent, void *arg)
{
	dlist_iter	iter;

	if (event == SUBXACT_EVENT_ABORT_SUB)
		end_batches(subid, false);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		dlist_foreach(iter, &open_batches)
		{
			TridentExchangeBatch *batch = dlist_container(TridentExchangeBatch, node, iter.cur);

			if (batch->subid == subid)
				batch->subid = parent;
		}
	}
	if (event == SUBXACT_EVENT_ABORT_SUB || event == SUBXACT_EVENT_COMMIT_SUB)
		trident_exchange_session_end_subtransaction(event == SUBXACT_EVENT_COMMIT_SUB,
													subid, parent);
}

void
trident_exchange_init(void)
{
	trident_exchange_shared_init();
	trident_exchange_worker_init();
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}
