/*
 * pool.c
 *	  Connections that are kept: one pool for every kind of them.
 *
 * Two lists, idle and busy; the idle one has the connection given back last
 * at its head.  Pools have tens of connections, so lists are walked.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "pool/pool.h"

struct TridentPool
{
	MemoryContext context;
	const TridentPoolOps *ops;
	void	   *arg;
	const int  *idle_ms;
	const int  *lifetime_ms;
	dlist_head	idle;			/* used last first */
	dlist_head	busy;
	TridentPoolCounters counters;
};

/* Close it and forget it. */
static void
close_member(TridentPool *pool, TridentPoolMember *member)
{
	dlist_delete(&member->node);
	pool->ops->close(pool->arg, member->conn);
	if (pool->ops->release)
		pool->ops->release(pool->arg, member->key);
	pfree(member);
}

/* What trident_pool_retire() is asked for. */
typedef struct Wanted
{
	TridentPool *pool;
	const void *key;
	bool		whole_place;
} Wanted;

static bool
matches(TridentPool *pool, const void *of, const void *key, bool whole_place)
{
	if (key == NULL)
		return true;
	if (whole_place)
		return pool->ops->same_place(pool->arg, of, key);
	return pool->ops->same_key(pool->arg, of, key);
}

TridentPool *
trident_pool_create(const char *name, const TridentPoolOps *ops, void *arg,
					const int *idle_ms, const int *lifetime_ms)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "trident pool",
												  ALLOCSET_SMALL_SIZES);
	TridentPool *pool = MemoryContextAllocZero(context, sizeof(TridentPool));

	MemoryContextSetIdentifier(context, name);
	pool->context = context;
	pool->ops = ops;
	pool->arg = arg;
	pool->idle_ms = idle_ms;
	pool->lifetime_ms = lifetime_ms;
	dlist_init(&pool->idle);
	dlist_init(&pool->busy);
	return pool;
}

void
trident_pool_destroy(TridentPool *pool)
{
	while (!dlist_is_empty(&pool->idle))
		close_member(pool, dlist_head_element(TridentPoolMember, node, &pool->idle));
	while (!dlist_is_empty(&pool->busy))
		close_member(pool, dlist_head_element(TridentPoolMember, node, &pool->busy));
	MemoryContextDelete(pool->context);
}

TridentPoolMember *
trident_pool_take(TridentPool *pool, const void *key)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pool->idle)
	{
		TridentPoolMember *member = dlist_container(TridentPoolMember, node, iter.cur);

		if (!matches(pool, member->key, key, false))
			continue;
		if (pool->ops->check && !pool->ops->check(pool->arg, member->conn))
		{
			pool->counters.closed_stale++;
			close_member(pool, member);
			continue;
		}
		dlist_delete(&member->node);
		dlist_push_head(&pool->busy, &member->node);
		member->is_idle = false;
		member->uses++;
		pool->counters.reused++;
		return member;
	}
	return NULL;
}

bool
trident_pool_evict(TridentPool *pool, const void *key, TimestampTz before)
{
	TridentPoolMember *oldest = NULL;
	dlist_iter	iter;

	/* the list is in order of use, so the last that matches is it */
	dlist_foreach(iter, &pool->idle)
	{
		TridentPoolMember *member = dlist_container(TridentPoolMember, node, iter.cur);

		if (matches(pool, member->key, key, true))
			oldest = member;
	}
	if (oldest == NULL || (before != 0 && oldest->used_at > before))
		return false;
	pool->counters.evicted++;
	close_member(pool, oldest);
	return true;
}

TridentPoolMember *
trident_pool_open(TridentPool *pool, void *key, int limit)
{
	TridentPoolMember *member;
	void	   *conn;
	bool		is_full = limit > 0 &&
		trident_pool_count(pool, key, true, NULL) >= limit;

	if ((is_full && !trident_pool_evict(pool, key, 0)) ||
		(pool->ops->reserve && !pool->ops->reserve(pool->arg, key) &&
		 !(trident_pool_evict(pool, key, 0) && pool->ops->reserve(pool->arg, key))))
	{
		pool->counters.refused++;
		return NULL;
	}

	/* allocated first, so that nothing that can fail follows the opening */
	PG_TRY();
	{
		member = MemoryContextAllocZero(pool->context, sizeof(TridentPoolMember));
		conn = pool->ops->open(pool->arg, key);
	}
	PG_CATCH();
	{
		if (pool->ops->release)
			pool->ops->release(pool->arg, key);
		PG_RE_THROW();
	}
	PG_END_TRY();

	if (conn == NULL)
	{
		if (pool->ops->release)
			pool->ops->release(pool->arg, key);
		pfree(member);
		return NULL;
	}
	member->key = key;
	member->conn = conn;
	member->opened_at = member->used_at = GetCurrentTimestamp();
	member->uses = 1;
	dlist_push_head(&pool->busy, &member->node);
	pool->counters.opened++;
	return member;
}

void
trident_pool_give(TridentPool *pool, TridentPoolMember *member)
{
	Assert(!member->is_idle);
	if (member->is_doomed)
	{
		pool->counters.closed_stale++;
		close_member(pool, member);
		return;
	}
	dlist_delete(&member->node);
	dlist_push_head(&pool->idle, &member->node);
	member->is_idle = true;
	member->used_at = GetCurrentTimestamp();
}

void
trident_pool_drop(TridentPool *pool, TridentPoolMember *member)
{
	pool->counters.closed_stale++;
	close_member(pool, member);
}

/* When a connection opened or used at "since" has to go; 0: never. */
static TimestampTz
end_of(TimestampTz since, const int *limit_ms)
{
	if (limit_ms == NULL || *limit_ms <= 0)
		return 0;
	return TimestampTzPlusMilliseconds(since, *limit_ms);
}

TimestampTz
trident_pool_sweep(TridentPool *pool, TimestampTz now)
{
	TimestampTz next = DT_NOEND;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pool->idle)
	{
		TridentPoolMember *member = dlist_container(TridentPoolMember, node, iter.cur);
		TimestampTz idle_end = end_of(member->used_at, pool->idle_ms);
		TimestampTz life_end = end_of(member->opened_at, pool->lifetime_ms);

		if (idle_end != 0 && idle_end <= now)
		{
			pool->counters.closed_idle++;
			close_member(pool, member);
			continue;
		}
		if (life_end != 0 && life_end <= now)
		{
			pool->counters.closed_lifetime++;
			close_member(pool, member);
			continue;
		}
		if (idle_end != 0)
			next = Min(next, idle_end);
		if (life_end != 0)
			next = Min(next, life_end);
	}

	/* a busy one that is too old goes when it is given back */
	dlist_foreach_modify(iter, &pool->busy)
	{
		TridentPoolMember *member = dlist_container(TridentPoolMember, node, iter.cur);
		TimestampTz life_end = end_of(member->opened_at, pool->lifetime_ms);

		if (life_end != 0 && life_end <= now)
			member->is_doomed = true;
	}
	return next;
}

int
trident_pool_retire_if(TridentPool *pool, bool (*chosen) (void *arg, const void *key), void *arg)
{
	dlist_mutable_iter iter;
	int			count = 0;

	dlist_foreach_modify(iter, &pool->idle)
	{
		TridentPoolMember *member = dlist_container(TridentPoolMember, node, iter.cur);

		if (!chosen(arg, member->key))
			continue;
		pool->counters.closed_stale++;
		close_member(pool, member);
		count++;
	}
	dlist_foreach_modify(iter, &pool->busy)
	{
		TridentPoolMember *member = dlist_container(TridentPoolMember, node, iter.cur);

		if (!chosen(arg, member->key) || member->is_doomed)
			continue;
		member->is_doomed = true;
		count++;
	}
	return count;
}

static bool
is_wanted(void *arg, const void *key)
{
	const Wanted *wanted = arg;

	return matches(wanted->pool, key, wanted->key, wanted->whole_place);
}

int
trident_pool_retire(TridentPool *pool, const void *key, bool whole_place)
{
	Wanted		wanted = {pool, key, whole_place};

	return trident_pool_retire_if(pool, is_wanted, &wanted);
}

int
trident_pool_count(TridentPool *pool, const void *key, bool whole_place, int *nidle)
{
	int			count = 0;
	int			idle = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &pool->idle)
	{
		if (matches(pool, dlist_container(TridentPoolMember, node, iter.cur), key,
					whole_place))
			idle++;
	}
	dlist_foreach(iter, &pool->busy)
	{
		if (matches(pool, dlist_container(TridentPoolMember, node, iter.cur), key,
					whole_place))
			count++;
	}
	if (nidle)
		*nidle = idle;
	return count + idle;
}

const TridentPoolCounters *
trident_pool_counters(const TridentPool *pool)
{
	return &pool->counters;
}
