/*
 * stat.h
 *	  What is counted of each node, for the views: in shared memory, by all
 *	  processes, without locks.
 *
 * Latencies go into a log-linear histogram: the octave of the microseconds,
 * and 32 equal parts of it, so that a value is known within 1.6 %.  Adding is
 * one atomic increment; percentiles are read without stopping anybody.
 */
#ifndef TRIDENT_EXCHANGE_STAT_H
#define TRIDENT_EXCHANGE_STAT_H

#include "datatype/timestamp.h"
#include "port/atomics.h"

#define TRIDENT_EXCHANGE_STATS		128 /* nodes, over all databases */
#define TRIDENT_EXCHANGE_BUCKETS	(32 * 32)

typedef enum TridentExchangeCounter
{
	TRIDENT_EXCHANGE_CALLS,		/* that ended, in any way */
	TRIDENT_EXCHANGE_ERRORS,	/* raised by the node */
	TRIDENT_EXCHANGE_FAILURES,	/* no connection, or lost, or refused */
	TRIDENT_EXCHANGE_TIMEOUTS,
	TRIDENT_EXCHANGE_REJECTED,	/* by the breaker, or a bound */
	TRIDENT_EXCHANGE_RETRIES,	/* calls that were sent again */
	TRIDENT_EXCHANGE_CANCELS,	/* given up by the caller while they ran */
	TRIDENT_EXCHANGE_DIRECT_CALLS,	/* of the calls: not by the worker */
	TRIDENT_EXCHANGE_BYTES_SENT,	/* parameters and statements */
	TRIDENT_EXCHANGE_BYTES_RECEIVED,	/* values of results */
	TRIDENT_EXCHANGE_TOTAL_US,	/* of all calls */
	TRIDENT_EXCHANGE_OPENED,	/* connections established */
	TRIDENT_EXCHANGE_OPEN_FAILURES,
	TRIDENT_EXCHANGE_REUSED,	/* calls over a connection used before */
	TRIDENT_EXCHANGE_CLOSED,
	TRIDENT_EXCHANGE_BREAKER_OPENS,
	TRIDENT_EXCHANGE_BUNDLED,	/* calls sent in one statement with others */
	TRIDENT_EXCHANGE_NCOUNTERS
} TridentExchangeCounter;

/* One node of one database. */
typedef struct TridentExchangeStat
{
	/* Under the lock of the area; then fixed until the record is given away. */
	Oid			database;
	Oid			server;			/* InvalidOid: free */
	uint64		place;

	pg_atomic_uint64 counters[TRIDENT_EXCHANGE_NCOUNTERS];
	pg_atomic_uint64 answered_at;	/* TimestampTz of the last answer; 0: none */
	pg_atomic_uint64 failed_at;
	pg_atomic_uint64 open_until;	/* of a breaker that is open */
	pg_atomic_uint64 max_us;
	/* gauges */
	pg_atomic_uint32 nconns;
	pg_atomic_uint32 nrunning;
	pg_atomic_uint32 nwaiting;
	pg_atomic_uint32 buckets[TRIDENT_EXCHANGE_BUCKETS];
} TridentExchangeStat;

/* The record of a node of this database; NULL: not preloaded, or no room. */
extern TridentExchangeStat *trident_exchange_stat_find(Oid server, uint64 place);

/* Set the counters to zero; what is under way stays. */
extern void trident_exchange_stat_reset(TridentExchangeStat *stat);

/* Count; a NULL record counts nothing. */
extern void trident_exchange_stat_add(TridentExchangeStat *stat,
									  TridentExchangeCounter counter, uint64 n);

/* A call took so long. */
extern void trident_exchange_stat_latency(TridentExchangeStat *stat, uint64 us);

/* Microseconds that the share (0..1) of the calls did not exceed; -1: none. */
extern double trident_exchange_stat_percentile(TridentExchangeStat *stat, double share);

#endif							/* TRIDENT_EXCHANGE_STAT_H */
