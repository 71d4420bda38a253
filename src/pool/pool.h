/*
 * pool.h
 *	  Connections that are kept: one pool for every kind of them.
 *
 * A pool holds the connections of one process.  What a connection is, how it
 * is opened and closed, and which other it could stand in for, is told by
 * callbacks.  Two things are compared: the key, which says for what a
 * connection may be used (node, role, ...); and its place, part of the key,
 * whose connections are bounded together.  Both are the caller's: the pool
 * keeps a pointer to the key, which lives as long as a connection has it.
 *
 * A connection is busy (opened or taken, and not given back) or idle.  The
 * one used last is reused first, so that those not needed grow old and are
 * closed by trident_pool_sweep().
 *
 * Not for several processes at once.  Whoever bounds connections over all
 * processes does so in the callbacks "reserve" and "release".
 */
#ifndef TRIDENT_POOL_POOL_H
#define TRIDENT_POOL_POOL_H

#include "datatype/timestamp.h"
#include "lib/ilist.h"

/*
 * What a kind of connection does.  arg is the pool's.  None may throw but
 * open.
 */
typedef struct TridentPoolOps
{
	/* Open or begin to open one; NULL: it cannot be. */
	void	   *(*open) (void *arg, void *key);

	/* Close and free it. */
	void		(*close) (void *arg, void *conn);

	/* May it be used once more?  NULL: always. */
	bool		(*check) (void *arg, void *conn);

	/* Is a connection for the one key as good for the other? */
	bool		(*same_key) (void *arg, const void *a, const void *b);

	/* Are their connections bounded together? */
	bool		(*same_place) (void *arg, const void *a, const void *b);

	/* Ask for, and give back, a share of a bound over processes; or NULL. */
	bool		(*reserve) (void *arg, void *key);
	void		(*release) (void *arg, void *key);
} TridentPoolOps;

/* Of one pool, since it was made. */
typedef struct TridentPoolCounters
{
	uint64		opened;
	uint64		reused;			/* taken while idle */
	uint64		closed_idle;	/* unused for too long */
	uint64		closed_lifetime;	/* too old */
	uint64		closed_stale;	/* failed the check, or dropped by the caller */
	uint64		evicted;		/* idle ones, for a connection of another key */
	uint64		refused;		/* the bound was met */
} TridentPoolCounters;

/* One connection in a pool. */
typedef struct TridentPoolMember
{
	dlist_node	node;			/* in the pool's idle or busy list */
	void	   *key;
	void	   *conn;			/* what open returned */
	bool		is_idle;
	bool		is_doomed;		/* closed as soon as it is given back */
	TimestampTz opened_at;
	TimestampTz used_at;		/* given back last */
	uint64		uses;			/* times it was taken or opened */
} TridentPoolMember;

typedef struct TridentPool TridentPool;

/*
 * Make a pool, for as long as the process or until destroyed.  A connection
 * idle for idle_ms, or older than lifetime_ms, is closed when next swept; 0:
 * never.  Both are read when they are needed: settings.
 */
extern TridentPool *trident_pool_create(const char *name, const TridentPoolOps *ops,
										void *arg, const int *idle_ms,
										const int *lifetime_ms);

/* Close every connection, busy ones too, and free the pool. */
extern void trident_pool_destroy(TridentPool *pool);

/* An idle connection for the key, now busy; NULL: there is none. */
extern TridentPoolMember *trident_pool_take(TridentPool *pool, const void *key);

/*
 * A new connection for the key, busy; NULL: the place has "limit" connections
 * (0: unlimited) and none of them is idle, or it could not be reserved or
 * opened.  At the limit, or where "reserve" refuses, the idle connection of
 * the place that has not been used for longest makes room.
 */
extern TridentPoolMember *trident_pool_open(TridentPool *pool, void *key, int limit);

/* It may be used by others again. */
extern void trident_pool_give(TridentPool *pool, TridentPoolMember *member);

/* Close it, idle or busy. */
extern void trident_pool_drop(TridentPool *pool, TridentPoolMember *member);

/* Close what is idle for too long or too old; when to be called again. */
extern TimestampTz trident_pool_sweep(TridentPool *pool, TimestampTz now);

/*
 * Close the idle connections whose key equals, or has the place of, "key"
 * (NULL: all); busy ones when they are given back.  Returns how many.
 */
extern int	trident_pool_retire(TridentPool *pool, const void *key, bool whole_place);

/* The same, of those whose keys the caller chooses. */
extern int	trident_pool_retire_if(TridentPool *pool,
								   bool (*chosen) (void *arg, const void *key), void *arg);

/*
 * Close the idle connection of the place that was not used for longest, if it
 * was not since "before" (0: in any case): to make room for others.
 */
extern bool trident_pool_evict(TridentPool *pool, const void *key, TimestampTz before);

/* Connections of the key, or of its place. */
extern int	trident_pool_count(TridentPool *pool, const void *key,
							   bool whole_place, int *nidle);

/* What happened since the pool was made; lives as long as the pool. */
extern const TridentPoolCounters *trident_pool_counters(const TridentPool *pool);

#endif							/* TRIDENT_POOL_POOL_H */
