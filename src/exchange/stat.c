/*
 * stat.c
 *	  What is counted of each node: finding the record, adding to it, reading
 *	  percentiles.
 *
 * A record belongs to a node of a database until it is needed for another:
 * the one that was not used for longest, of those with nothing under way.  A
 * route that finds its record given away looks for another.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "exchange/shared.h"
#include "exchange/stat.h"

void
trident_exchange_stat_reset(TridentExchangeStat *stat)
{
	for (int i = 0; i < TRIDENT_EXCHANGE_NCOUNTERS; i++)
		pg_atomic_write_u64(&stat->counters[i], 0);
	for (int i = 0; i < TRIDENT_EXCHANGE_BUCKETS; i++)
		pg_atomic_write_u32(&stat->buckets[i], 0);
	pg_atomic_write_u64(&stat->answered_at, 0);
	pg_atomic_write_u64(&stat->failed_at, 0);
	pg_atomic_write_u64(&stat->max_us, 0);
}

/* As new: also what is under way, which there is not. */
static void
clear_stat(TridentExchangeStat *stat)
{
	trident_exchange_stat_reset(stat);
	pg_atomic_write_u64(&stat->open_until, 0);
	pg_atomic_write_u32(&stat->nconns, 0);
	pg_atomic_write_u32(&stat->nrunning, 0);
	pg_atomic_write_u32(&stat->nwaiting, 0);
}

/* When the record was last of use. */
static uint64
last_use(TridentExchangeStat *stat)
{
	return Max(pg_atomic_read_u64(&stat->answered_at), pg_atomic_read_u64(&stat->failed_at));
}

/* Is nothing of it under way? */
static bool
is_at_rest(TridentExchangeStat *stat)
{
	return pg_atomic_read_u32(&stat->nconns) == 0 &&
		pg_atomic_read_u32(&stat->nrunning) == 0 &&
		pg_atomic_read_u32(&stat->nwaiting) == 0;
}

TridentExchangeStat *
trident_exchange_stat_find(Oid server, uint64 place)
{
	TridentExchangeStat *stats;
	TridentExchangeStat *found = NULL;
	TridentExchangeStat *vacant = NULL;

	if (trident_exchange_shared == NULL)
		return NULL;
	stats = trident_exchange_shared->stats;
	LWLockAcquire(trident_exchange_shared_lock(), LW_EXCLUSIVE);
	for (int i = 0; i < TRIDENT_EXCHANGE_STATS && found == NULL; i++)
	{
		TridentExchangeStat *stat = &stats[i];

		if (stat->server == server && stat->database == MyDatabaseId)
			found = stat;
		else if (stat->server == InvalidOid)
		{
			vacant = stat;
			break;				/* none beyond it is taken */
		}
		else if (is_at_rest(stat) &&
				 (vacant == NULL || last_use(stat) < last_use(vacant)))
			vacant = stat;
	}
	if (found == NULL && vacant)
	{
		clear_stat(vacant);
		vacant->database = MyDatabaseId;
		vacant->server = server;
		found = vacant;
	}
	if (found)
		found->place = place;
	LWLockRelease(trident_exchange_shared_lock());
	return found;
}

void
trident_exchange_stat_add(TridentExchangeStat *stat, TridentExchangeCounter counter,
						  uint64 n)
{
	if (stat)
		pg_atomic_fetch_add_u64(&stat->counters[counter], n);
}

/* The bucket of a latency: below 64 us each has its own. */
static int
bucket_of(uint64 us)
{
	int			octave;

	if (us < 64)
		return us;
	octave = pg_leftmost_one_pos64(us);	/* 6 and more */
	return Min((octave - 4) * 32 + (int) ((us >> (octave - 5)) & 31),
			   TRIDENT_EXCHANGE_BUCKETS - 1);
}

/* The middle of a bucket. */
static double
bucket_middle(int bucket)
{
	int			octave = bucket / 32 + 4;

	if (bucket < 64)
		return bucket;
	return ldexp(32 + bucket % 32 + 0.5, octave - 5);
}

void
trident_exchange_stat_latency(TridentExchangeStat *stat, uint64 us)
{
	uint64		max;

	if (stat == NULL)
		return;
	pg_atomic_fetch_add_u32(&stat->buckets[bucket_of(us)], 1);
	pg_atomic_fetch_add_u64(&stat->counters[TRIDENT_EXCHANGE_TOTAL_US], us);
	max = pg_atomic_read_u64(&stat->max_us);
	while (us > max && !pg_atomic_compare_exchange_u64(&stat->max_us, &max, us))
		;
}

double
trident_exchange_stat_percentile(TridentExchangeStat *stat, double share)
{
	uint64		total = 0;
	uint64		seen = 0;

	for (int i = 0; i < TRIDENT_EXCHANGE_BUCKETS; i++)
		total += pg_atomic_read_u32(&stat->buckets[i]);
	for (int i = 0; i < TRIDENT_EXCHANGE_BUCKETS; i++)
	{
		seen += pg_atomic_read_u32(&stat->buckets[i]);
		if (seen > 0 && seen >= share * total)
			return bucket_middle(i);
	}
	return -1;
}
