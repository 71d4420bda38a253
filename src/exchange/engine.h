/*
 * engine.h
 *	  What runs calls: queues, connections, one wait for all of them.
 *
 * The same engine runs in a backend (direct mode) and in the exchange worker.
 * Whoever has one, its host, hands it tasks, lets it turn, and is told when a
 * task is done.
 *
 * Queues: a task waits in its route; the routes to one place (host and port)
 * take turns.  Connections to a place are bounded, over all its routes.
 */
#ifndef TRIDENT_EXCHANGE_ENGINE_H
#define TRIDENT_EXCHANGE_ENGINE_H

#include "storage/latch.h"
#include "utils/hsearch.h"

#include "exchange/conn.h"
#include "exchange/route.h"
#include "pool/pool.h"

/* A place: what all routes to one host and port share, in one process. */
typedef struct TridentExchangePeer
{
	uint64		place;			/* hash key */
	dlist_head	rotation;		/* routes with tasks that wait, next first */
	dlist_node	busy;			/* in engine->busy while there are any */
	int			nwaiting;
	int			nconns;			/* but for those of class control */
	int			nconnecting;
	int			nbusy;			/* connections with a statement that runs */
	int			processors;		/* of the machine; 0: not known */
	double		run_ms;			/* what a statement takes, lately */
	double		waited_ms;		/* by tasks, since a connection was opened */
	double		connect_ms;		/* what opening one takes, lately */
	TimestampTz evicted_at;		/* a connection, for another route */
	TimestampTz no_growth_until;	/* after a failure */
} TridentExchangePeer;

typedef enum TridentExchangeTaskState
{
	TRIDENT_EXCHANGE_TASK_WAITING,
	TRIDENT_EXCHANGE_TASK_SENT,
	TRIDENT_EXCHANGE_TASK_DONE
} TridentExchangeTaskState;

struct TridentExchangeLink;

/* One call, to the engine.  Memory of the host's, valid until it is done. */
typedef struct TridentExchangeTask
{
	dlist_node	node;			/* in route->waiting or engine->sent */
	dlist_node	on_link;		/* SENT: in link->tasks */
	int			place;			/* SENT: among those of its bundle, from 0 */
	bool		is_alone;		/* in no bundle any more, since one failed */
	TridentExchangeTaskState state;
	const TridentExchangeCall *call;
	uint64		hash;			/* of the SQL */
	TridentExchangeRoute *route;
	struct TridentExchangeLink *link;	/* SENT: where */
	TimestampTz submitted_at;
	TimestampTz queued_at;
	TimestampTz deadline;
	int			attempts;
	bool		is_again;		/* sent anew for a reason of ours, once */
	bool		reused;
	int			remote_pid;
} TridentExchangeTask;

/* A connection, to the engine. */
typedef struct TridentExchangeLink
{
	dlist_node	node;			/* in engine->links */
	TridentExchangeConn *conn;
	TridentExchangeRoute *route;
	TridentPoolMember *member;
	dlist_head	tasks;			/* that run: those of a bundle not given up */
	int			nsent;			/* as many calls are in the statement that runs */
	uint64		hash;			/* of it */
	TimestampTz sent_at;
	bool		is_connecting;
	int			position;		/* in the wait event set; -1: not there */
	int			socket;			/* as it is there */
	int			events;
} TridentExchangeLink;

typedef struct TridentExchangeEngine
{
	MemoryContext context;
	TridentPool *pool;
	HTAB	   *routes;			/* by TridentExchangeRouteKey */
	HTAB	   *peers;			/* by place */
	dlist_head	busy;			/* peers with tasks that wait */
	dlist_head	sent;			/* tasks */
	dlist_head	links;
	int			nlinks;
	int			ntasks;			/* waiting and sent */
	WaitEventSet *set;			/* NULL: to be made anew */
	WaitEvent  *occurred;
	uint32		wait_event;
	TimestampTz now;			/* of this turn */
	TimestampTz next_deadline;	/* of no task there is an earlier one */
	TimestampTz next_sweep;
	bool		is_direct;		/* in a backend, for itself */

	/* The host: told of every task that is done. */
	void		(*finish) (TridentExchangeTask *task,
						   const TridentExchangeOutcome *outcome);
} TridentExchangeEngine;

/* Make one; for the life of the process. */
extern TridentExchangeEngine *trident_exchange_engine_create(void);

/* Close every connection and free it; tasks are forgotten, not finished. */
extern void trident_exchange_engine_destroy(TridentExchangeEngine *engine);

/* The route, from the catalogs if need be: in a transaction; may throw. */
extern TridentExchangeRoute *trident_exchange_engine_route(TridentExchangeEngine *engine,
														   const TridentExchangeRouteKey *key);

/* The route, if it is known and the catalogs have not changed; else NULL. */
extern TridentExchangeRoute *trident_exchange_engine_known(TridentExchangeEngine *engine,
														   const TridentExchangeRouteKey *key);

/* The keys of all routes, palloc'd. */
extern TridentExchangeRouteKey *trident_exchange_engine_keys(TridentExchangeEngine *engine,
															 int *n);

/*
 * A route is gone or may not be used any more: close its connections when
 * they are free, and fail what waits for one with this error.
 */
extern void trident_exchange_engine_retire(TridentExchangeEngine *engine,
										   TridentExchangeRoute *route,
										   const TridentExchangeOutcome *outcome);

/* The same by its key; nothing if there is none. */
extern void trident_exchange_engine_retire_key(TridentExchangeEngine *engine,
											   const TridentExchangeRouteKey *key,
											   const TridentExchangeOutcome *outcome);

/* Close idle connections that other processes miss. */
extern void trident_exchange_engine_yield(TridentExchangeEngine *engine);

/* Queue a task; call, hash, route and deadline are set. */
extern void trident_exchange_engine_add(TridentExchangeEngine *engine,
										TridentExchangeTask *task);

/* Give a task up; the host is not told. */
extern void trident_exchange_engine_remove(TridentExchangeEngine *engine,
										   TridentExchangeTask *task);

/*
 * Wait for sockets and the latch, timeout_ms at most (0: not at all, -1: no
 * limit but deadlines), and do all that can be done then.  Returns whether
 * the latch was set; it is reset then.  Does not look at interrupts.
 */
extern bool trident_exchange_engine_turn(TridentExchangeEngine *engine, long timeout_ms);

/* For turn.c: a task, waiting or sent, ends so; its connection is closed. */
extern void trident_exchange_engine_fail(TridentExchangeEngine *engine,
										 TridentExchangeTask *task,
										 const TridentExchangeOutcome *outcome);

/* For turn.c: let a connection go on, and see what has become of it. */
extern void trident_exchange_engine_advance(TridentExchangeEngine *engine,
											TridentExchangeLink *link);

/* turn.c: what is waited for has changed. */
extern void trident_exchange_engine_drop_set(TridentExchangeEngine *engine);

/* For task.c: the connection has come about, or will not; no statement runs. */
extern void trident_exchange_engine_end_connecting(TridentExchangeLink *link);
extern void trident_exchange_engine_end_statement(TridentExchangeLink *link);

/* How many connections there may be to its place. */
extern int	trident_exchange_engine_pool_size(const TridentExchangeRoute *route);

/* grow.c: who gets a connection next, and whether there will be another. */
extern void trident_exchange_engine_dispatch(TridentExchangeEngine *engine);

/*
 * For grow.c: the first task that waits, over this idle connection of its
 * route, and with it up to "most" in all that can go in one statement.
 */
extern void trident_exchange_engine_start(TridentExchangeEngine *engine,
										  TridentExchangeLink *link, int most);

/* For grow.c: every task that waits for the route fails so. */
extern void trident_exchange_engine_fail_waiting(TridentExchangeEngine *engine,
												 TridentExchangeRoute *route,
												 const TridentExchangeOutcome *outcome,
												 int min_attempts);

/* For grow.c: a connection was opened that is dead already. */
extern void trident_exchange_engine_lost(TridentExchangeEngine *engine,
										 TridentExchangeLink *link);

#endif							/* TRIDENT_EXCHANGE_ENGINE_H */
