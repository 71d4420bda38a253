/*
 * engine.c
 *	  What runs calls: its making, its routes, and connections as the pool has
 *	  them.  Calls are tasks (task.c).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "exchange/engine.h"
#include "exchange/shared.h"

typedef struct RouteEntry
{
	TridentExchangeRouteKey key;
	TridentExchangeRoute *route;
} RouteEntry;

static void free_retired(TridentExchangeRoute *route);

/* --- what the pool asks --- */

static void *
open_link(void *arg, void *key)
{
	TridentExchangeEngine *engine = arg;
	TridentExchangeRoute *route = key;
	TridentExchangeLink *link = MemoryContextAllocZero(engine->context,
													   sizeof(TridentExchangeLink));

	TimestampTz connect_by =
		TimestampTzPlusMilliseconds(engine->now, route->settings.connect_timeout_ms);

	link->conn = trident_exchange_conn_open(route, connect_by);
	link->route = route;
	link->position = -1;
	dlist_init(&link->tasks);
	link->is_connecting = true;
	dlist_push_tail(&engine->links, &link->node);
	engine->nlinks++;
	trident_exchange_engine_drop_set(engine);
	route->nconns++;
	route->nconnecting++;
	route->peer->nconnecting++;
	if (route->key.call_class != TRIDENT_EXCHANGE_CONTROL)
		route->peer->nconns++;
	if (route->stat)
		pg_atomic_fetch_add_u32(&route->stat->nconns, 1);
	return link;
}

void
trident_exchange_engine_end_connecting(TridentExchangeLink *link)
{
	if (!link->is_connecting)
		return;
	link->is_connecting = false;
	link->route->nconnecting--;
	link->route->peer->nconnecting--;
}

void
trident_exchange_engine_end_statement(TridentExchangeLink *link)
{
	if (link->nsent > 0)
		link->route->peer->nbusy--;
	link->nsent = 0;
}

static void
close_link(void *arg, void *conn)
{
	TridentExchangeEngine *engine = arg;
	TridentExchangeLink *link = conn;

	trident_exchange_engine_end_connecting(link);
	trident_exchange_engine_end_statement(link);
	link->route->nconns--;
	if (link->route->stat)
	{
		pg_atomic_fetch_sub_u32(&link->route->stat->nconns, 1);
		trident_exchange_stat_add(link->route->stat, TRIDENT_EXCHANGE_CLOSED, 1);
	}
	if (link->route->key.call_class != TRIDENT_EXCHANGE_CONTROL)
		link->route->peer->nconns--;
	dlist_delete(&link->node);
	engine->nlinks--;
	/* before the socket is closed: its number may be another's then */
	if (link->position >= 0)
		trident_exchange_engine_drop_set(engine);
	trident_exchange_conn_close(link->conn);
	pfree(link);
}

static bool
check_link(void *arg, void *conn)
{
	return trident_exchange_conn_is_alive(((TridentExchangeLink *) conn)->conn);
}

static bool
same_route(void *arg, const void *a, const void *b)
{
	return a == b;
}

/* Control connections are bounded by being one a route. */
static bool
same_peer(void *arg, const void *a, const void *b)
{
	const TridentExchangeRoute *one = a;
	const TridentExchangeRoute *other = b;

	return one->peer == other->peer &&
		one->key.call_class != TRIDENT_EXCHANGE_CONTROL;
}

static bool
reserve_link(void *arg, void *key)
{
	TridentExchangeRoute *route = key;

	if (route->key.call_class == TRIDENT_EXCHANGE_CONTROL)
		return true;
	return trident_exchange_shared_reserve(route->place,
										   trident_exchange_engine_pool_size(route));
}

static void
release_link(void *arg, void *key)
{
	TridentExchangeRoute *route = key;

	if (route->key.call_class != TRIDENT_EXCHANGE_CONTROL)
		trident_exchange_shared_unreserve(route->place);
	free_retired(route);
}

static const TridentPoolOps pool_ops = {
	.open = open_link,
	.close = close_link,
	.check = check_link,
	.same_key = same_route,
	.same_place = same_peer,
	.reserve = reserve_link,
	.release = release_link
};

/* --- making one --- */

TridentExchangeEngine *
trident_exchange_engine_create(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "trident exchange engine",
												  ALLOCSET_DEFAULT_SIZES);
	TridentExchangeEngine *engine = MemoryContextAllocZero(context,
														   sizeof(TridentExchangeEngine));
	HASHCTL		ctl = {.hcxt = context};

	engine->context = context;
	ctl.keysize = sizeof(TridentExchangeRouteKey);
	ctl.entrysize = sizeof(RouteEntry);
	engine->routes = hash_create("trident exchange routes", 32, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.keysize = sizeof(uint64);
	ctl.entrysize = sizeof(TridentExchangePeer);
	engine->peers = hash_create("trident exchange peers", 16, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	dlist_init(&engine->busy);
	dlist_init(&engine->sent);
	dlist_init(&engine->links);
	engine->next_deadline = DT_NOEND;
	engine->now = GetCurrentTimestamp();
	engine->pool = trident_pool_create("exchange", &pool_ops, engine,
									   &trident_base_exchange_idle_timeout,
									   &trident_base_exchange_lifetime);
	trident_exchange_route_watch();
	return engine;
}

void
trident_exchange_engine_destroy(TridentExchangeEngine *engine)
{
	HASH_SEQ_STATUS status;
	RouteEntry *entry;

	/* what is counted over processes is counted off */
	while (!dlist_is_empty(&engine->sent))
		trident_exchange_engine_remove(engine,
									   dlist_head_element(TridentExchangeTask, node,
														  &engine->sent));
	hash_seq_init(&status, engine->routes);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->route->stat)
			pg_atomic_fetch_sub_u32(&entry->route->stat->nwaiting, entry->route->nwaiting);
	}
	trident_pool_destroy(engine->pool);
	hash_seq_init(&status, engine->routes);
	while ((entry = hash_seq_search(&status)) != NULL)
		trident_exchange_route_free(entry->route);
	trident_exchange_engine_drop_set(engine);
	MemoryContextDelete(engine->context);
}

/* --- routes --- */

/* A route that was replaced goes when nothing holds it any more. */
static void
free_retired(TridentExchangeRoute *route)
{
	if (route->is_retired && route->nconns == 0 && route->nwaiting == 0 &&
		route->nrunning == 0)
		trident_exchange_route_free(route);
}

static TridentExchangePeer *
find_peer(TridentExchangeEngine *engine, uint64 place)
{
	bool		found;
	TridentExchangePeer *peer = hash_search(engine->peers, &place, HASH_ENTER, &found);

	if (!found)
	{
		memset(peer, 0, sizeof(*peer));
		peer->place = place;
		peer->connect_ms = 5;
		dlist_init(&peer->rotation);
	}
	return peer;
}

/* The route; where its record of statistics is another's now, with a new one. */
static TridentExchangeRoute *
with_stat(TridentExchangeRoute *route)
{
	if (route->stat && (route->stat->server != route->key.server ||
						route->stat->database != MyDatabaseId))
		route->stat = trident_exchange_stat_find(route->key.server, route->place);
	return route;
}

TridentExchangeRoute *
trident_exchange_engine_route(TridentExchangeEngine *engine,
							  const TridentExchangeRouteKey *key)
{
	RouteEntry *entry = hash_search(engine->routes, key, HASH_FIND, NULL);
	TridentExchangeRoute *route;
	bool		found;

	if (entry && entry->route->generation == trident_exchange_route_generation())
		return with_stat(entry->route);

	route = trident_exchange_route_make(key);
	if (entry && trident_exchange_route_equal(entry->route, route))
	{
		entry->route->generation = route->generation;
		entry->route->settings = route->settings;
		trident_exchange_route_free(route);
		return entry->route;
	}
	route->peer = find_peer(engine, route->place);
	route->stat = trident_exchange_stat_find(key->server, route->place);
	if (entry)
	{
		TridentExchangeRoute *old = entry->route;

		/* what waits for the old way goes the new one */
		while (old->nwaiting > 0)
		{
			TridentExchangeTask *task = dlist_head_element(TridentExchangeTask, node,
														   &old->waiting);

			trident_exchange_engine_remove(engine, task);
			task->route = route;
			trident_exchange_engine_add(engine, task);
		}
		trident_exchange_engine_retire(engine, old, NULL);
	}
	entry = hash_search(engine->routes, key, HASH_ENTER, &found);
	entry->route = route;
	return route;
}

void
trident_exchange_engine_retire(TridentExchangeEngine *engine, TridentExchangeRoute *route,
							   const TridentExchangeOutcome *outcome)
{
	RouteEntry *entry = hash_search(engine->routes, &route->key, HASH_FIND, NULL);

	if (entry && entry->route == route)
		hash_search(engine->routes, &route->key, HASH_REMOVE, NULL);
	if (outcome)
		trident_exchange_engine_fail_waiting(engine, route, outcome, 0);
	route->nrunning++;			/* hold it while its connections close */
	route->is_retired = true;
	trident_pool_retire(engine->pool, route, false);
	route->nrunning--;
	free_retired(route);
}

TridentExchangeRoute *
trident_exchange_engine_known(TridentExchangeEngine *engine,
							  const TridentExchangeRouteKey *key)
{
	RouteEntry *entry = hash_search(engine->routes, key, HASH_FIND, NULL);

	if (entry && entry->route->generation == trident_exchange_route_generation())
		return with_stat(entry->route);
	return NULL;
}

TridentExchangeRouteKey *
trident_exchange_engine_keys(TridentExchangeEngine *engine, int *n)
{
	HASH_SEQ_STATUS status;
	RouteEntry *entry;
	TridentExchangeRouteKey *keys = palloc(sizeof(*keys) *
										   (hash_get_num_entries(engine->routes) + 1));

	*n = 0;
	hash_seq_init(&status, engine->routes);
	while ((entry = hash_seq_search(&status)) != NULL)
		keys[(*n)++] = entry->key;
	return keys;
}

void
trident_exchange_engine_retire_key(TridentExchangeEngine *engine,
								   const TridentExchangeRouteKey *key,
								   const TridentExchangeOutcome *outcome)
{
	RouteEntry *entry = hash_search(engine->routes, key, HASH_FIND, NULL);

	if (entry)
		trident_exchange_engine_retire(engine, entry->route, outcome);
}

void
trident_exchange_engine_yield(TridentExchangeEngine *engine)
{
	HASH_SEQ_STATUS status;
	TridentExchangePeer *peer;

	hash_seq_init(&status, engine->peers);
	while ((peer = hash_seq_search(&status)) != NULL)
	{
		TridentExchangeRoute anybody = {.peer = peer};

		if (peer->nconns > 0 && trident_exchange_shared_is_wanted(peer->place))
			(void) trident_pool_evict(engine->pool, &anybody, 0);
	}
}
