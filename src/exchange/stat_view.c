/*
 * stat_view.c
 *	  The functions below the views of statistics.
 *
 * Read without stopping those who count: the columns of a row may be some
 * microseconds apart.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/shmem.h"
#include "exchange/shared.h"

PG_FUNCTION_INFO_V1(trident_exchange_rows);
PG_FUNCTION_INFO_V1(trident_exchange_memory);
PG_FUNCTION_INFO_V1(trident_exchange_reset);

#define ROW_COLUMNS 29

/* A row being filled. */
typedef struct Row
{
	Datum		values[ROW_COLUMNS];
	bool		nulls[ROW_COLUMNS];
	int			n;
} Row;

static void
put(Row *row, Datum value, bool is_null)
{
	row->values[row->n] = value;
	row->nulls[row->n++] = is_null;
}

static void
put_counter(Row *row, TridentExchangeStat *stat, TridentExchangeCounter counter)
{
	put(row, Int64GetDatum(pg_atomic_read_u64(&stat->counters[counter])), false);
}

/* Milliseconds of microseconds; NULL where there were none. */
static void
put_ms(Row *row, double us)
{
	put(row, Float8GetDatum(us / 1000), us < 0);
}

static void
put_time(Row *row, pg_atomic_uint64 *at)
{
	TimestampTz time = pg_atomic_read_u64(at);

	put(row, TimestampTzGetDatum(time), time == 0);
}

static const char *
breaker_state(TridentExchangeStat *stat)
{
	TimestampTz open_until = pg_atomic_read_u64(&stat->open_until);

	if (open_until == 0)
		return "closed";
	return open_until > GetCurrentTimestamp() ? "open" : "half-open";
}

/* The columns about calls; their order is that of the SQL function. */
static void
put_calls(Row *row, TridentExchangeStat *stat)
{
	static const TridentExchangeCounter counters[] = {
		TRIDENT_EXCHANGE_CALLS, TRIDENT_EXCHANGE_DIRECT_CALLS, TRIDENT_EXCHANGE_ERRORS,
		TRIDENT_EXCHANGE_FAILURES, TRIDENT_EXCHANGE_TIMEOUTS, TRIDENT_EXCHANGE_REJECTED,
		TRIDENT_EXCHANGE_RETRIES, TRIDENT_EXCHANGE_CANCELS, TRIDENT_EXCHANGE_BYTES_SENT,
		TRIDENT_EXCHANGE_BYTES_RECEIVED
	};
	uint64		n = 0;

	for (int i = 0; i < (int) lengthof(counters); i++)
		put_counter(row, stat, counters[i]);
	for (int i = 0; i < TRIDENT_EXCHANGE_BUCKETS; i++)
		n += pg_atomic_read_u32(&stat->buckets[i]);
	put_ms(row, n == 0 ? -1
		   : (double) pg_atomic_read_u64(&stat->counters[TRIDENT_EXCHANGE_TOTAL_US]) / n);
	put_ms(row, trident_exchange_stat_percentile(stat, 0.50));
	put_ms(row, trident_exchange_stat_percentile(stat, 0.95));
	put_ms(row, trident_exchange_stat_percentile(stat, 0.99));
	put_ms(row, n == 0 ? -1 : (double) pg_atomic_read_u64(&stat->max_us));
	put(row, CStringGetTextDatum(breaker_state(stat)), false);
	put_counter(row, stat, TRIDENT_EXCHANGE_BREAKER_OPENS);
	put_time(row, &stat->answered_at);
	put_time(row, &stat->failed_at);
}

/* The columns about connections. */
static void
put_pool(Row *row, TridentExchangeStat *stat)
{
	put(row, Int32GetDatum(pg_atomic_read_u32(&stat->nconns)), false);
	put(row, Int32GetDatum(pg_atomic_read_u32(&stat->nrunning)), false);
	put(row, Int32GetDatum(pg_atomic_read_u32(&stat->nwaiting)), false);
	put(row, Int32GetDatum(trident_exchange_shared_count(stat->place)), false);
	put_counter(row, stat, TRIDENT_EXCHANGE_OPENED);
	put_counter(row, stat, TRIDENT_EXCHANGE_OPEN_FAILURES);
	put_counter(row, stat, TRIDENT_EXCHANGE_CLOSED);
	put_counter(row, stat, TRIDENT_EXCHANGE_REUSED);
	put_counter(row, stat, TRIDENT_EXCHANGE_BUNDLED);
}

Datum
trident_exchange_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (trident_exchange_shared == NULL)
		return (Datum) 0;
	for (int i = 0; i < TRIDENT_EXCHANGE_STATS; i++)
	{
		TridentExchangeStat *stat = &trident_exchange_shared->stats[i];
		Row			row = {.n = 0};

		if (stat->server == InvalidOid || stat->database != MyDatabaseId)
			continue;
		put(&row, ObjectIdGetDatum(stat->server), false);
		put_calls(&row, stat);
		put_pool(&row, stat);
		Assert(row.n == ROW_COLUMNS);
		tuplestore_putvalues(info->setResult, info->setDesc, row.values, row.nulls);
	}
	return (Datum) 0;
}

Datum
trident_exchange_memory(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	TridentExchangeShared *shared = trident_exchange_shared;
	Datum		values[4];
	bool		nulls[4] = {0};
	int			used = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	for (int i = 0; i < shared->nslots; i++)
	{
		if (pg_atomic_read_u32(&shared->slots[i].state) != TRIDENT_EXCHANGE_SLOT_FREE)
			used++;
	}
	values[0] = Int32GetDatum(shared->nslots);
	values[1] = Int32GetDatum(used);
	values[2] = Int64GetDatum(shared->arena_size);
	values[3] = Int64GetDatum(pg_atomic_read_u64(&shared->arena_used));
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
	return (Datum) 0;
}

Datum
trident_exchange_reset(PG_FUNCTION_ARGS)
{
	trident_base_require_preload("trident_exchange_reset()");
	for (int i = 0; i < TRIDENT_EXCHANGE_STATS; i++)
	{
		TridentExchangeStat *stat = &trident_exchange_shared->stats[i];

		if (stat->server != InvalidOid && stat->database == MyDatabaseId)
			trident_exchange_stat_reset(stat);
	}
	PG_RETURN_VOID();
}
