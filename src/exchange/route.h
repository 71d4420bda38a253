/*
 * route.h
 *	  The way to a node for a role: what a connection is made with and may be
 *	  used for.
 *
 * A route is the key of pooled connections: (server, role, class), and with
 * it the user mapping.  Never is a connection used for another role than the
 * one it was made for, not even where both have the same mapping: the checks
 * that stand before and after connecting are those of that role.
 *
 * Routes are found once, kept for the process, and looked at again when a
 * server, mapping or role changed in the catalogs.  Passwords are in the
 * memory of a route, and nowhere else.
 */
#ifndef TRIDENT_EXCHANGE_ROUTE_H
#define TRIDENT_EXCHANGE_ROUTE_H

#include "lib/ilist.h"

#include "exchange/exchange.h"

/* Class of sessions: a connection that has no read-only rule. */
#define TRIDENT_EXCHANGE_PINNED		((TridentExchangeClass) 3)

/* When a route is left alone, since the node fails. */
typedef struct TridentExchangeBreaker
{
	int			failures;		/* to connect, in a row */
	TimestampTz open_until;		/* then one attempt; 0: it is closed */
	char		error[256];		/* the last one */
} TridentExchangeBreaker;

typedef struct TridentExchangeRouteKey
{
	Oid			server;
	Oid			role;
	TridentExchangeClass call_class;
} TridentExchangeRouteKey;

struct TridentExchangePeer;

typedef struct TridentExchangeRoute
{
	TridentExchangeRouteKey key;
	MemoryContext context;		/* of all of it */

	/* From the catalogs. */
	uint64		generation;		/* as of then */
	char	   *name;			/* of the server */
	Oid			mapping;
	const char **keywords;		/* for PQconnectStartParams */
	const char **values;
	bool		needs_password; /* ... to have been used when connected */
	int			timeout_ms;		/* statement_timeout of a new connection */
	uint64		place;			/* hash of host and port */
	int			nhosts;			/* in the list of hosts */
	TridentExchangeNode settings;

	/* Of connections: which host they begin with until then; else the first. */
	int			first_host;
	TimestampTz first_host_until;

	/* Of the engine. */
	struct TridentExchangePeer *peer;
	struct TridentExchangeStat *stat;	/* NULL: nothing is counted */
	dlist_head	waiting;		/* tasks */
	int			nwaiting;
	dlist_node	rotation;		/* in peer->rotation while tasks wait */
	int			nconns;			/* connections, of which ... */
	int			nconnecting;	/* ... are not established yet */
	int			nrunning;		/* tasks that run */
	bool		is_retired;		/* replaced; freed with its last connection */
	TridentExchangeBreaker breaker;
} TridentExchangeRoute;

/* Watch the catalogs; once a process that has routes. */
extern void trident_exchange_route_watch(void);

/* Counts the changes seen; a route of another generation is looked up anew. */
extern uint64 trident_exchange_route_generation(void);

/*
 * Make the route, as the catalogs are now; in a transaction.  Raises an error
 * if there is no such server or mapping, or the role may not use it.
 */
extern TridentExchangeRoute *trident_exchange_route_make(const TridentExchangeRouteKey *key);

/* Are connections made for the one as good for the other? */
extern bool trident_exchange_route_equal(const TridentExchangeRoute *a,
										 const TridentExchangeRoute *b);

/*
 * Does it lead, for this role, by a server or user mapping that the current
 * transaction has made or changed, so that no other process sees it yet?
 */
extern bool trident_exchange_route_is_mine(Oid server, Oid role);

/* It is in use by no connection and no task. */
extern void trident_exchange_route_free(TridentExchangeRoute *route);

/* How long, as statement_timeout, a call may run; rounded up: ms. */
extern int	trident_exchange_route_timeout(long remaining_ms);

/* hosts.c: of how many hosts is the list in such options?  At least 1. */
extern int	trident_exchange_hosts_count(const char *const *keywords,
										 const char *const *values);

#endif							/* TRIDENT_EXCHANGE_ROUTE_H */
