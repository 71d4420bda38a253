/*
 * turn.c
 *	  What runs calls: the wait for all connections, and the passing of time.
 *
 * A turn: hand connections to tasks that wait (grow.c), wait for a socket or
 * the latch, let the connections that have something go on (task.c), give up
 * tasks whose time is over when nothing more has come for them, hand out
 * connections again.
 *
 * A set of wait events cannot lose one, so it is made anew when a connection
 * is opened or closed; between those only what is waited for is changed.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "exchange/engine.h"

/* So often a turn looks for more in the sockets before it gives anything up. */
#define CATCH_UP_EVENTS 1000

static const TridentExchangeOutcome timeout_outcome = {
	.origin = TRIDENT_EXCHANGE_FROM_TIMEOUT,
	.sqlstate = TRIDENT_ERRCODE_EXCHANGE_TIMEOUT,
	.message = "no answer before the deadline",
	.hint = "Raise trident.exchange_timeout or the deadline of the call, or look at what the node is doing."
};

static const TridentExchangeOutcome queue_outcome = {
	.origin = TRIDENT_EXCHANGE_FROM_TIMEOUT,
	.sqlstate = TRIDENT_ERRCODE_EXCHANGE_TIMEOUT,
	.message = "no connection was free before the deadline",
	.hint = "Raise trident.exchange_pool_size, or the deadline of the call."
};

/* Give up the tasks whose time is over. */
static void
expire_tasks(TridentExchangeEngine *engine)
{
	TimestampTz next = DT_NOEND;
	dlist_mutable_iter peers;
	dlist_mutable_iter iter;

	if (engine->now < engine->next_deadline)
		return;
	dlist_foreach_modify(iter, &engine->sent)
	{
		TridentExchangeTask *task = dlist_container(TridentExchangeTask, node, iter.cur);

		if (task->deadline > engine->now)
			next = Min(next, task->deadline);
		else
			trident_exchange_engine_fail(engine, task, &timeout_outcome);
	}
	dlist_foreach_modify(peers, &engine->busy)
	{
		TridentExchangePeer *peer = dlist_container(TridentExchangePeer, busy, peers.cur);
		dlist_mutable_iter routes;

		dlist_foreach_modify(routes, &peer->rotation)
		{
			TridentExchangeRoute *route = dlist_container(TridentExchangeRoute, rotation,
														  routes.cur);

			dlist_foreach_modify(iter, &route->waiting)
			{
				TridentExchangeTask *task = dlist_container(TridentExchangeTask, node,
															iter.cur);

				if (task->deadline > engine->now)
					next = Min(next, task->deadline);
				else
					trident_exchange_engine_fail(engine, task, &queue_outcome);
			}
		}
	}
	engine->next_deadline = next;
}

/* Connections that took too long to come about: with the next host, or none. */
static void
expire_connecting(TridentExchangeEngine *engine)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &engine->links)
	{
		TridentExchangeLink *link = dlist_container(TridentExchangeLink, node, iter.cur);

		if (!link->is_connecting || link->conn->host_by > engine->now)
			continue;
		/* before a socket is closed: its number may be another's then */
		trident_exchange_engine_drop_set(engine);
		if (trident_exchange_hosts_next(link->conn))
			trident_exchange_hosts_remember(link->route, link->conn);
		else
			trident_exchange_engine_lost(engine, link);
	}
}

/* When something is to be done even if no socket becomes ready. */
static TimestampTz
next_event(TridentExchangeEngine *engine)
{
	TimestampTz next = Min(engine->next_deadline, engine->next_sweep);
	dlist_iter	iter;

	dlist_foreach(iter, &engine->links)
	{
		const TridentExchangeLink *link = dlist_container(TridentExchangeLink, node,
														  iter.cur);

		if (link->is_connecting)
			next = Min(next, link->conn->host_by);
	}
	/* a queue may deserve one more connection soon */
	if (!dlist_is_empty(&engine->busy))
		next = Min(next, engine->now + 5000);
	return next;
}

void
trident_exchange_engine_drop_set(TridentExchangeEngine *engine)
{
	if (engine->set)
		FreeWaitEventSet(engine->set);
	engine->set = NULL;
}

/* Make the set of all that is waited for, or tell it what has changed. */
static void
update_set(TridentExchangeEngine *engine)
{
	dlist_iter	iter;

	dlist_foreach(iter, &engine->links)
	{
		TridentExchangeLink *link = dlist_container(TridentExchangeLink, node, iter.cur);

		/* while connecting, another address means another socket */
		if (link->socket != link->conn->socket || link->conn->socket_new)
			trident_exchange_engine_drop_set(engine);
		link->conn->socket_new = false;
	}
	if (engine->set == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(engine->context);

		if (engine->occurred)
			pfree(engine->occurred);
		engine->occurred = NULL;
		engine->occurred = palloc(sizeof(WaitEvent) * (engine->nlinks + 2));
		engine->set = TridentCreateWaitEventSet(engine->context, engine->nlinks + 2);
		AddWaitEventToSet(engine->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		AddWaitEventToSet(engine->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
		dlist_foreach(iter, &engine->links)
		{
			TridentExchangeLink *link = dlist_container(TridentExchangeLink, node,
														iter.cur);

			link->socket = link->conn->socket;
			link->events = link->conn->events;
			link->position = AddWaitEventToSet(engine->set, link->events,
											   link->socket, NULL, link);
		}
		MemoryContextSwitchTo(old);
		return;
	}
	dlist_foreach(iter, &engine->links)
	{
		TridentExchangeLink *link = dlist_container(TridentExchangeLink, node, iter.cur);

		if (link->events != link->conn->events)
		{
			link->events = link->conn->events;
			ModifyWaitEvent(engine->set, link->position, link->events, NULL);
		}
	}
}

/* Is the link still there?  An event before may have closed it. */
static bool
is_link(TridentExchangeEngine *engine, const TridentExchangeLink *link)
{
	dlist_iter	iter;

	dlist_foreach(iter, &engine->links)
	{
		if (dlist_container(TridentExchangeLink, node, iter.cur) == link)
			return true;
	}
	return false;
}

/* Wait once, and let go on what something came for; how much that was. */
static int
take_events(TridentExchangeEngine *engine, long timeout_ms, bool *latch_set)
{
	int			n;

	update_set(engine);
	n = WaitEventSetWait(engine->set, timeout_ms, engine->occurred,
						 engine->nlinks + 2, engine->wait_event);
	engine->now = GetCurrentTimestamp();
	for (int i = 0; i < n; i++)
	{
		if (engine->occurred[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			*latch_set = true;
		}
		else if (is_link(engine, engine->occurred[i].user_data))
			trident_exchange_engine_advance(engine, engine->occurred[i].user_data);
	}
	return n;
}

/* Is somebody's time over? */
static bool
is_late(TridentExchangeEngine *engine)
{
	dlist_iter	iter;

	if (engine->now >= engine->next_deadline)
		return true;
	dlist_foreach(iter, &engine->links)
	{
		const TridentExchangeLink *link = dlist_container(TridentExchangeLink, node,
														  iter.cur);

		if (link->is_connecting && link->conn->host_by <= engine->now)
			return true;
	}
	return false;
}

/*
 * What came in time counts, however late it is looked at: a backend that has
 * work of its own between two turns finds whole answers in its sockets, of
 * which one event takes a part.
 */
static void
catch_up(TridentExchangeEngine *engine, bool *latch_set)
{
	for (int i = 0; i < CATCH_UP_EVENTS && is_late(engine); i++)
	{
		if (take_events(engine, 0, latch_set) == 0)
			break;
	}
}

bool
trident_exchange_engine_turn(TridentExchangeEngine *engine, long timeout_ms)
{
	TimestampTz wake;
	bool		latch_set = false;

	engine->now = GetCurrentTimestamp();
	trident_exchange_engine_dispatch(engine);
	wake = next_event(engine);
	if (wake != DT_NOEND)
	{
		long		ms = Max(0, (wake - engine->now + 999) / 1000);

		if (timeout_ms < 0 || ms < timeout_ms)
			timeout_ms = ms;
	}
	(void) take_events(engine, timeout_ms, &latch_set);
	catch_up(engine, &latch_set);
	expire_tasks(engine);
	expire_connecting(engine);
	if (engine->now >= engine->next_sweep)
		engine->next_sweep = Min(trident_pool_sweep(engine->pool, engine->now),
								 TimestampTzPlusMilliseconds(engine->now, 60000));
	trident_exchange_engine_dispatch(engine);
	return latch_set;
}
