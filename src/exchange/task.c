/*
 * task.c
 *	  Calls, to the engine: their queue, their sending, their end; and what
 *	  becomes of connections meanwhile.
 *
 * Failure of a connection: a task that only reads and has had no answer is
 * sent again, once, over another one; and once more when the connection had
 * been idle before, since a node that was restarted has closed all of those.
 * A task that writes is never sent twice.  Connecting is tried twice for each
 * task; a route that fails three times in a row opens its breaker: its tasks
 * fail at once, for 0.1 s to 30 s, twice as long each time.
 *
 * Cancel: the socket is closed; the node notices within its client_connection_
 * check_interval, which we set to 1 s, and ends the statement.  No statement
 * but the one that runs can be hit.
 *
 * Nothing throws between taking a task off a list and putting it on another.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "exchange/bundle.h"
#include "exchange/call.h"
#include "exchange/engine.h"
#include "exchange/stat.h"

#define BREAKER_FAILURES	3
#define BREAKER_MAX_MS		30000
#define NO_GROWTH_MS		1000

/* Into the queue of its route: at its end, or at its head if it was sent before. */
static void
enqueue(TridentExchangeEngine *engine, TridentExchangeTask *task, bool first)
{
	TridentExchangeRoute *route = task->route;
	TridentExchangePeer *peer = route->peer;

	task->state = TRIDENT_EXCHANGE_TASK_WAITING;
	task->queued_at = engine->now;
	if (first)
		dlist_push_head(&route->waiting, &task->node);
	else
		dlist_push_tail(&route->waiting, &task->node);
	if (route->stat)
		pg_atomic_fetch_add_u32(&route->stat->nwaiting, 1);
	if (route->nwaiting++ == 0)
		dlist_push_tail(&peer->rotation, &route->rotation);
	if (peer->nwaiting++ == 0)
		dlist_push_tail(&engine->busy, &peer->busy);
}

static void
dequeue(TridentExchangeTask *task)
{
	TridentExchangeRoute *route = task->route;
	TridentExchangePeer *peer = route->peer;

	if (route->stat)
		pg_atomic_fetch_sub_u32(&route->stat->nwaiting, 1);

	dlist_delete(&task->node);
	if (--route->nwaiting == 0)
		dlist_delete(&route->rotation);
	if (--peer->nwaiting == 0)
		dlist_delete(&peer->busy);
}

void
trident_exchange_engine_add(TridentExchangeEngine *engine, TridentExchangeTask *task)
{
	engine->now = GetCurrentTimestamp();
	if (task->submitted_at == 0)
		task->submitted_at = engine->now;
	engine->next_deadline = Min(engine->next_deadline, task->deadline);
	engine->ntasks++;
	enqueue(engine, task, false);
}

/* Count what became of a task. */
static void
count_task(TridentExchangeEngine *engine, const TridentExchangeTask *task,
		   const TridentExchangeOutcome *outcome)
{
	static const TridentExchangeCounter kinds[] = {
		[TRIDENT_EXCHANGE_FROM_REMOTE] = TRIDENT_EXCHANGE_ERRORS,
		[TRIDENT_EXCHANGE_FROM_CONNECT] = TRIDENT_EXCHANGE_FAILURES,
		[TRIDENT_EXCHANGE_FROM_HANDSHAKE] = TRIDENT_EXCHANGE_FAILURES,
		[TRIDENT_EXCHANGE_FROM_TIMEOUT] = TRIDENT_EXCHANGE_TIMEOUTS,
		[TRIDENT_EXCHANGE_FROM_BREAKER] = TRIDENT_EXCHANGE_REJECTED,
		[TRIDENT_EXCHANGE_FROM_LIMIT] = TRIDENT_EXCHANGE_REJECTED
	};
	TridentExchangeStat *stat = task->route->stat;

	if (stat == NULL)
		return;
	trident_exchange_stat_add(stat, TRIDENT_EXCHANGE_CALLS, 1);
	if (engine->is_direct)
		trident_exchange_stat_add(stat, TRIDENT_EXCHANGE_DIRECT_CALLS, 1);
	if (task->attempts > 1)
		trident_exchange_stat_add(stat, TRIDENT_EXCHANGE_RETRIES, task->attempts - 1);
	if (outcome->ok)
		trident_exchange_stat_latency(stat, Max(engine->now - task->submitted_at, 0));
	else
		trident_exchange_stat_add(stat, kinds[outcome->origin], 1);
	if (outcome->ok || outcome->origin == TRIDENT_EXCHANGE_FROM_REMOTE)
		pg_atomic_write_u64(&stat->answered_at, engine->now);
	else
		pg_atomic_write_u64(&stat->failed_at, engine->now);
}

/* Done, one way or another: tell the host. */
static void
finish(TridentExchangeEngine *engine, TridentExchangeTask *task,
	   const TridentExchangeOutcome *outcome)
{
	task->state = TRIDENT_EXCHANGE_TASK_DONE;
	engine->ntasks--;
	count_task(engine, task, outcome);
	engine->finish(task, outcome);
}

/* Take the task off its connection; the link is the caller's to see to. */
static void
detach(TridentExchangeTask *task)
{
	dlist_delete(&task->node);
	dlist_delete(&task->on_link);
	task->link = NULL;
	task->route->nrunning--;
	if (task->route->stat)
		pg_atomic_fetch_sub_u32(&task->route->stat->nrunning, 1);
}

/* A statement whose answer nobody waits for any more is given up. */
static void
drop_forsaken(TridentExchangeEngine *engine, TridentExchangeLink *link)
{
	if (dlist_is_empty(&link->tasks))
		trident_pool_drop(engine->pool, link->member);
}

void
trident_exchange_engine_remove(TridentExchangeEngine *engine, TridentExchangeTask *task)
{
	TridentExchangeLink *link = task->link;

	if (task->state == TRIDENT_EXCHANGE_TASK_DONE)
		return;
	engine->ntasks--;
	if (task->state == TRIDENT_EXCHANGE_TASK_WAITING)
		dequeue(task);
	else
	{
		trident_exchange_stat_add(task->route->stat, TRIDENT_EXCHANGE_CANCELS, 1);
		detach(task);
		drop_forsaken(engine, link);
	}
	task->state = TRIDENT_EXCHANGE_TASK_DONE;
}

void
trident_exchange_engine_fail(TridentExchangeEngine *engine, TridentExchangeTask *task,
							 const TridentExchangeOutcome *outcome)
{
	TridentExchangeLink *link = task->link;

	if (task->state == TRIDENT_EXCHANGE_TASK_WAITING)
	{
		dequeue(task);
		finish(engine, task, outcome);
		return;
	}
	detach(task);
	finish(engine, task, outcome);
	drop_forsaken(engine, link);
}

void
trident_exchange_engine_fail_waiting(TridentExchangeEngine *engine,
									 TridentExchangeRoute *route,
									 const TridentExchangeOutcome *outcome,
									 int min_attempts)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &route->waiting)
	{
		TridentExchangeTask *task = dlist_container(TridentExchangeTask, node, iter.cur);

		if (task->attempts >= min_attempts)
			trident_exchange_engine_fail(engine, task, outcome);
	}
}

/* Bytes of an answer: in the worker no more than can be handed over. */
static Size
reply_limit(const TridentExchangeEngine *engine)
{
	int			kilobytes = trident_base_exchange_reply_size;

	if (!engine->is_direct)
		kilobytes = Min(kilobytes, trident_base_exchange_memory);
	return (Size) kilobytes * 1024;
}

/* Put a task that waits on the connection. */
static void
attach(TridentExchangeEngine *engine, TridentExchangeTask *task,
	   TridentExchangeLink *link)
{
	TridentExchangeStat *stat = task->route->stat;

	dequeue(task);
	task->state = TRIDENT_EXCHANGE_TASK_SENT;
	task->attempts++;
	task->link = link;
	task->place = link->nsent++;
	task->reused = link->conn->was_used;
	task->remote_pid = PQbackendPID(link->conn->pg);
	task->route->nrunning++;
	if (stat)
	{
		pg_atomic_fetch_add_u32(&stat->nrunning, 1);
		if (task->reused)
			trident_exchange_stat_add(stat, TRIDENT_EXCHANGE_REUSED, 1);
	}
	/* waiting for a new connection is what one costs, not what it saves */
	if (link->conn->was_used)
		task->route->peer->waited_ms += (engine->now - task->queued_at) / 1000.0;
	dlist_push_tail(&engine->sent, &task->node);
	dlist_push_tail(&link->tasks, &task->on_link);
}

void
trident_exchange_engine_start(TridentExchangeEngine *engine, TridentExchangeLink *link,
							  int most)
{
	TridentExchangeTask *tasks[TRIDENT_BASE_EXCHANGE_MAX_BUNDLE];
	int			n = trident_exchange_bundle_choose(link->route, most, tasks);
	TridentExchangeCall bundle;
	void	   *memory = n > 1 ? trident_exchange_bundle_make(tasks, n, &bundle) : NULL;
	const TridentExchangeCall *call = memory ? &bundle : tasks[0]->call;
	TimestampTz deadline = 0;
	long		remaining;

	if (memory == NULL)
		n = 1;
	link->route->peer->nbusy++;
	link->sent_at = engine->now;
	link->hash = memory ? trident_exchange_call_hash(call) : tasks[0]->hash;
	for (int i = 0; i < n; i++)
	{
		attach(engine, tasks[i], link);
		deadline = Max(deadline, tasks[i]->deadline);
	}
	if (n > 1)
		trident_exchange_stat_add(link->route->stat, TRIDENT_EXCHANGE_BUNDLED, n);
	remaining = (deadline - engine->now) / 1000;
	if (link->route->stat)
		trident_exchange_stat_add(link->route->stat, TRIDENT_EXCHANGE_BYTES_SENT,
								  trident_exchange_call_bytes(call));
	trident_exchange_conn_expect(link->conn, reply_limit(engine));
	trident_exchange_conn_run(link->conn, call, link->hash,
							  trident_exchange_route_timeout(Max(remaining, 1)));
	if (memory)
		pfree(memory);
	if (link->conn->state == TRIDENT_EXCHANGE_DEAD)
		trident_exchange_engine_lost(engine, link);
}

/* --- what becomes of connections --- */

/* It is established: others may follow. */
static void
link_established(TridentExchangeEngine *engine, TridentExchangeLink *link)
{
	TridentExchangePeer *peer = link->route->peer;

	trident_exchange_engine_end_connecting(link);
	peer->processors = link->conn->facts.processors;
	peer->connect_ms += (link->conn->facts.connect_ms - peer->connect_ms) / 4;
	link->route->breaker.failures = 0;
	link->route->breaker.open_until = 0;
	trident_exchange_stat_add(link->route->stat, TRIDENT_EXCHANGE_OPENED, 1);
	if (link->route->stat)
		pg_atomic_write_u64(&link->route->stat->open_until, 0);
	trident_pool_give(engine->pool, link->member);
}

/* Count a failure to connect; the third in a row opens the breaker. */
static void
count_failure(TridentExchangeEngine *engine, TridentExchangeRoute *route,
			  const TridentExchangeConn *conn)
{
	TridentExchangeBreaker *breaker = &route->breaker;
	int			ms = 100;

	route->peer->no_growth_until = TimestampTzPlusMilliseconds(engine->now, NO_GROWTH_MS);
	strlcpy(breaker->error, conn->error, sizeof(breaker->error));
	breaker->failures++;
	trident_exchange_stat_add(route->stat, TRIDENT_EXCHANGE_OPEN_FAILURES, 1);
	/* what is wrong with a handshake does not go away by itself */
	if (conn->origin == TRIDENT_EXCHANGE_FROM_HANDSHAKE)
		breaker->failures = Max(breaker->failures, BREAKER_FAILURES);
	if (breaker->failures < BREAKER_FAILURES)
		return;
	ms = Min(ms << Min(breaker->failures - BREAKER_FAILURES, 10), BREAKER_MAX_MS);
	/* not all at the same moment */
	ms = ms * 3 / 4 + (int) (engine->now % (ms / 2));
	breaker->open_until = TimestampTzPlusMilliseconds(engine->now, ms);
	trident_exchange_stat_add(route->stat, TRIDENT_EXCHANGE_BREAKER_OPENS, 1);
	if (route->stat)
		pg_atomic_write_u64(&route->stat->open_until, breaker->open_until);
}

/* No connection came of it; who waits for one hears of it in the end. */
static void
connecting_failed(TridentExchangeEngine *engine, TridentExchangeLink *link)
{
	TridentExchangeRoute *route = link->route;
	TridentExchangeOutcome outcome;
	dlist_iter	iter;
	int			min_attempts = 2;

	count_failure(engine, route, link->conn);
	/* the others do the work then, and growth has stopped */
	if (route->nconns - route->nconnecting > 0)
		return;
	dlist_foreach(iter, &route->waiting)
		dlist_container(TridentExchangeTask, node, iter.cur)->attempts++;
	if (route->breaker.open_until != 0)
		min_attempts = 0;
	trident_exchange_conn_outcome(link->conn, &outcome);
	trident_exchange_engine_fail_waiting(engine, route, &outcome, min_attempts);
}

/* May the task be sent again, after its connection was lost? */
static bool
may_retry(const TridentExchangeEngine *engine, const TridentExchangeTask *task,
		  bool was_bundled, const TridentExchangeOutcome *outcome)
{
	/* an answer that was too large is so again, unless it was that of many */
	return task->call->call_class != TRIDENT_EXCHANGE_WRITE &&
		(outcome->origin != TRIDENT_EXCHANGE_FROM_LIMIT || was_bundled) &&
		!task->route->is_retired &&
		task->attempts < (task->reused ? 3 : 2) &&
		task->deadline > engine->now;
}

/* The next task of a connection, taken off it; the last one sent first. */
static TridentExchangeTask *
next_task(TridentExchangeLink *link)
{
	TridentExchangeTask *task = dlist_container(TridentExchangeTask, on_link,
												dlist_tail_node(&link->tasks));

	detach(task);
	return task;
}

void
trident_exchange_engine_lost(TridentExchangeEngine *engine, TridentExchangeLink *link)
{
	bool		is_bundle = link->nsent > 1;
	TridentExchangeOutcome outcome;

	if (link->is_connecting)
		connecting_failed(engine, link);
	while (!dlist_is_empty(&link->tasks))
	{
		TridentExchangeTask *task = next_task(link);

		trident_exchange_conn_outcome(link->conn, &outcome);
		if (is_bundle)
			task->is_alone = true;
		if (may_retry(engine, task, is_bundle, &outcome))
			enqueue(engine, task, true);
		else
			finish(engine, task, &outcome);
	}
	trident_pool_drop(engine->pool, link->member);
}

/* Is a prepared statement no good any more?  Its tables have changed, or it was
 * dropped behind our back. */
static bool
is_stale(int sqlstate)
{
	return sqlstate == ERRCODE_FEATURE_NOT_SUPPORTED ||
		sqlstate == ERRCODE_INVALID_SQL_STATEMENT_NAME;
}

/* A statement that the node itself asks to send again, in effect. */
static bool
is_worth_again(const TridentExchangeTask *task, const TridentExchangeOutcome *outcome)
{
	if (outcome->ok || task->is_again || task->route->is_retired ||
		task->call->call_class == TRIDENT_EXCHANGE_WRITE)
		return false;
	/* conflict with recovery on a standby */
	if (outcome->sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE)
		return true;
	return task->call->prepare && is_stale(outcome->sqlstate);
}

static const TridentExchangeOutcome misfit = {
	.origin = TRIDENT_EXCHANGE_FROM_REMOTE,
	.sqlstate = ERRCODE_PROTOCOL_VIOLATION,
	.message = "the node's answer is not one to what was sent"
};

/* If the error says so, no connection of the route uses what it has prepared of
 * the statement. */
static void
forget_stale(TridentExchangeEngine *engine, const TridentExchangeLink *failed,
			 const TridentExchangeOutcome *outcome)
{
	dlist_iter	iter;

	if (!is_stale(outcome->sqlstate))
		return;
	dlist_foreach(iter, &engine->links)
	{
		TridentExchangeLink *link = dlist_container(TridentExchangeLink, node, iter.cur);

		if (link->route == failed->route)
			trident_exchange_conn_forget(link->conn, failed->hash);
	}
}

/*
 * A bundle failed: whose fault that was shows when each call is sent by itself.
 * That it was sent before does not count.
 */
static void
disband(TridentExchangeEngine *engine, TridentExchangeLink *link,
		const TridentExchangeOutcome *outcome)
{
	forget_stale(engine, link, outcome);
	while (!dlist_is_empty(&link->tasks))
	{
		TridentExchangeTask *task = next_task(link);

		task->is_alone = true;
		task->attempts--;
		if (task->route->is_retired)
			finish(engine, task, outcome);
		else
			enqueue(engine, task, true);
	}
}

/* Each call of a bundle gets its row. */
static void
hand_out(TridentExchangeEngine *engine, TridentExchangeLink *link,
		 const TridentExchangeOutcome *outcome)
{
	while (!dlist_is_empty(&link->tasks))
	{
		TridentExchangeTask *task = next_task(link);
		TridentExchangeOutcome own = *outcome;

		own.first_row = task->place;
		own.nrows = 1;
		finish(engine, task, &own);
	}
}

/* The statement is done and the connection free. */
static void
statement_done(TridentExchangeEngine *engine, TridentExchangeLink *link)
{
	TridentExchangePeer *peer = link->route->peer;
	TridentExchangeOutcome outcome;

	trident_exchange_conn_outcome(link->conn, &outcome);
	if (outcome.ok)
		trident_exchange_stat_add(link->route->stat, TRIDENT_EXCHANGE_BYTES_RECEIVED,
								  PQresultMemorySize(outcome.result));
	peer->run_ms += ((engine->now - link->sent_at) / 1000.0 - peer->run_ms) / 8;
	if (link->nsent > 1)
	{
		if (outcome.ok && outcome.nrows != link->nsent)
			outcome = misfit;
		if (outcome.ok)
			hand_out(engine, link, &outcome);
		else
			disband(engine, link, &outcome);
	}
	else
	{
		TridentExchangeTask *task = next_task(link);

		if (is_worth_again(task, &outcome) && task->deadline > engine->now)
		{
			task->is_again = true;
			forget_stale(engine, link, &outcome);
			enqueue(engine, task, true);
		}
		else
			finish(engine, task, &outcome);
	}
	trident_exchange_engine_end_statement(link);
	trident_exchange_conn_clear(link->conn);
	trident_pool_give(engine->pool, link->member);
}

void
trident_exchange_engine_advance(TridentExchangeEngine *engine, TridentExchangeLink *link)
{
	trident_exchange_conn_advance(link->conn);
	switch (link->conn->state)
	{
		case TRIDENT_EXCHANGE_DEAD:
			trident_exchange_engine_lost(engine, link);
			break;
		case TRIDENT_EXCHANGE_IDLE:
			if (link->is_connecting)
				link_established(engine, link);
			else if (!dlist_is_empty(&link->tasks))
				statement_done(engine, link);
			break;
		default:
			break;
	}
}
