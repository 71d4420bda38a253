/*
 * grow.c
 *	  Who gets a connection next, and whether there will be another.
 *
 * The number of connections to a place is the parallelism there, and each
 * costs the node a process.  The first one of a route is opened at once.
 * After that, what tasks lose by waiting in the queue is added up, and one
 * more is opened when it exceeds what opening one takes: a rule that never
 * costs more than twice the best choice made with hindsight.  One at a time.
 *
 * Fairness: the routes to a place (roles, that is) take turns by rotation.
 * At the bound of the place, a route without a connection takes one from
 * whoever has one idle, so that no role starves; one with less than its share
 * does so while another has more.  Since a connection of another role is of
 * no use, each such step costs opening one, so there is a pause between them.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/guc.h"
#include "exchange/bundle.h"

/* Time that connections of one role work before another's take their place. */
#define EVICTION_PAUSE_MS	20

/* Tasks that can share a statement wait no longer than this to do so. */
#define MAX_HELD_MS			50.0

/* At least so much waiting is worth a connection, however fast they open. */
#define MIN_WAITED_MS		2.0

int
trident_exchange_engine_pool_size(const TridentExchangeRoute *route)
{
	return route->settings.pool_size > 0 ? route->settings.pool_size
		: trident_base_exchange_pool_size;
}

/* What a route may have when all that wait have the same. */
static int
fair_share(TridentExchangePeer *peer, int limit)
{
	dlist_iter	iter;
	int			nroutes = 0;

	dlist_foreach(iter, &peer->rotation)
		nroutes++;
	return Max(1, limit / Max(nroutes, 1));
}

/* At the bound: may the route take the place of another's connection? */
static bool
may_evict(TridentExchangeEngine *engine, const TridentExchangeRoute *route, int limit)
{
	TridentExchangePeer *peer = route->peer;
	TimestampTz recently = engine->now - EVICTION_PAUSE_MS * 1000;

	/* one that nobody has wanted for a while is missed by nobody */
	if (trident_pool_evict(engine->pool, route, recently))
		return true;
	if (route->nconns >= fair_share(peer, limit) ||
		engine->now < TimestampTzPlusMilliseconds(peer->evicted_at, EVICTION_PAUSE_MS))
		return false;
	if (!trident_pool_evict(engine->pool, route, 0))
		return false;
	peer->evicted_at = engine->now;
	return true;
}

/* Have tasks lost enough time by now to be worth one more connection? */
static bool
is_worth_one(const TridentExchangeEngine *engine, const TridentExchangeRoute *route)
{
	const TridentExchangePeer *peer = route->peer;
	const TridentExchangeTask *first =
		dlist_container(TridentExchangeTask, node, route->waiting.head.next);
	double		waited = peer->waited_ms +
		route->nwaiting * ((engine->now - first->queued_at) / 1000.0);

	return waited >= Max(peer->connect_ms, MIN_WAITED_MS);
}

/* Open one more connection for the route, if that is right. */
static void
grow(TridentExchangeEngine *engine, TridentExchangeRoute *route)
{
	TridentExchangePeer *peer = route->peer;
	int			limit = trident_exchange_engine_pool_size(route);
	bool		is_control = route->key.call_class == TRIDENT_EXCHANGE_CONTROL;
	TridentPoolMember *member;
	TridentExchangeLink *link;

	if (route->nconnecting > 0 || (is_control && route->nconns > 0))
		return;
	if (route->nconns > 0 &&
		(peer->nconnecting > 0 || engine->now < peer->no_growth_until ||
		 !is_worth_one(engine, route)))
		return;
	if (!is_control && peer->nconns >= limit && !may_evict(engine, route, limit))
		return;
	member = trident_pool_open(engine->pool, route, 0);
	if (member == NULL)
		return;					/* the bound over all processes: later */
	peer->waited_ms = 0;
	link = member->conn;
	link->member = member;
	if (link->conn->state == TRIDENT_EXCHANGE_DEAD)
		trident_exchange_engine_lost(engine, link);
}

/* The breaker is open: tasks fail at once. */
static void
fail_by_breaker(TridentExchangeEngine *engine, TridentExchangeRoute *route)
{
	TridentExchangeOutcome outcome = {
		.origin = TRIDENT_EXCHANGE_FROM_BREAKER,
		.sqlstate = TRIDENT_ERRCODE_EXCHANGE_BREAKER,
		.message = "not tried, since connecting failed moments ago",
		.detail = route->breaker.error,
		.hint = "It is tried again by itself; see what is wrong with trident_node_check()."
	};

	trident_exchange_engine_fail_waiting(engine, route, &outcome, 0);
}

/*
 * Are the tasks that wait to wait on?  Where as many statements run as the
 * machine has processors, one more makes the others slower, while calls that
 * can share a statement wait for less than one takes, and cost less then.
 */
static bool
is_held(const TridentExchangeEngine *engine, const TridentExchangeRoute *route)
{
	const TridentExchangePeer *peer = route->peer;
	const TridentExchangeTask *first =
		dlist_container(TridentExchangeTask, node, route->waiting.head.next);
	double		ms = Min(2 * peer->run_ms, MAX_HELD_MS);

	return peer->processors > 0 && peer->nbusy >= peer->processors &&
		trident_base_exchange_bundle_size > 1 &&
		trident_exchange_bundle_may_share(first) &&
		engine->now < first->queued_at + (TimestampTz) (ms * 1000) &&
		engine->now < first->queued_at + (first->deadline - first->queued_at) / 4;
}

/*
 * Serve the tasks of a route as far as connections are free.  They are spread
 * over those: only what would wait otherwise shares a statement.
 */
static void
serve(TridentExchangeEngine *engine, TridentExchangeRoute *route)
{
	while (route->nwaiting > 0 && !is_held(engine, route))
	{
		TridentPoolMember *member = trident_pool_take(engine->pool, route);
		int			nidle = 0;

		if (member == NULL)
			break;
		if (route->nwaiting > 1)
			(void) trident_pool_count(engine->pool, route, false, &nidle);
		trident_exchange_engine_start(engine, member->conn,
									  Min((route->nwaiting + nidle) / (nidle + 1),
										  trident_base_exchange_bundle_size));
	}
}

static void
dispatch_peer(TridentExchangeEngine *engine, TridentExchangePeer *peer)
{
	dlist_iter	iter;
	int			nroutes = 0;

	dlist_foreach(iter, &peer->rotation)
		nroutes++;
	while (nroutes-- > 0 && peer->nwaiting > 0)
	{
		TridentExchangeRoute *route = dlist_head_element(TridentExchangeRoute, rotation,
														 &peer->rotation);

		/* the next one's turn is first, the next time */
		dlist_delete(&route->rotation);
		dlist_push_tail(&peer->rotation, &route->rotation);
		if (route->breaker.open_until > engine->now && route->nconns == 0)
		{
			fail_by_breaker(engine, route);
			continue;
		}
		/* one without any connection may take another's idle one first */
		if (route->nconns == 0)
			grow(engine, route);
		serve(engine, route);
		if (route->nwaiting > 0 && !is_held(engine, route))
			grow(engine, route);
	}
}

void
trident_exchange_engine_dispatch(TridentExchangeEngine *engine)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &engine->busy)
		dispatch_peer(engine, dlist_container(TridentExchangePeer, busy, iter.cur));
}
