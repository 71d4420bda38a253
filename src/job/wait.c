/*
 * wait.c
 *	  Jobs as their owners see them: wait, cancel, live progress.
 *
 * A waiter looks at the slot in shared memory and, where there is none, at the
 * row by the latest snapshot: its own transaction's snapshot, which under
 * REPEATABLE READ never changes, decides nothing.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/sql.h"
#include "base/wait.h"
#include "base/worker.h"
#include "job/slot.h"

/* Columns of trident.job_record, in their order. */
#define COLUMN_ID 1
#define COLUMN_KIND 2
#define COLUMN_OWNER 3
#define COLUMN_STATE 5

/* While no slot tells of a job, its row is looked at so often. */
#define LOOK_INTERVAL_MS 200

/* What a row says. */
typedef struct Row
{
	Oid			owner;
	int			kind;
	TridentJobState state;
	bool		is_own;			/* written by the current transaction */
} Row;

static TridentJobState
state_of(const char *name)
{
	int			state = TRIDENT_JOB_WAITING;

	while (state < TRIDENT_JOB_CANCELED && strcmp(name, trident_job_state_name(state)) != 0)
		state++;
	return state;
}

/* The row of a job, by the latest snapshot; an error if there is none. */
static Row
read_row(int64 id)
{
	Oid			schema = get_namespace_oid("trident", false);
	Relation	table = table_open(get_relname_relid("job_record", schema), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Row			row = {.owner = InvalidOid};
	bool		is_null;

	ScanKeyInit(&key, COLUMN_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	scan = systable_beginscan(table, get_relname_relid("job_record_pkey", schema), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		TupleDesc	desc = RelationGetDescr(table);

		Datum		kind = heap_getattr(tuple, COLUMN_KIND, desc, &is_null);
		Datum		state = heap_getattr(tuple, COLUMN_STATE, desc, &is_null);

		row.owner = DatumGetObjectId(heap_getattr(tuple, COLUMN_OWNER, desc, &is_null));
		row.kind = trident_job_kind_number(TextDatumGetCString(kind));
		row.state = state_of(TextDatumGetCString(state));
		row.is_own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	/* Nobody who drops the extension is to wait for those who wait. */
	table_close(table, AccessShareLock);

	if (!OidIsValid(row.owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job %lld does not exist", (long long) id),
				 errhint("Look into trident.job for those that there are.")));
	return row;
}

/* May the current role see the job, or do something about it? */
static void
check_rights(int64 id, const Row *row, bool only_look)
{
	if (has_privs_of_role(GetUserId(), row->owner) ||
		(only_look && has_privs_of_role(GetUserId(), ROLE_PG_MONITOR)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for job %lld", (long long) id),
			 errhint("Ask a member of the role that it is done for.")));
}

/* How the job stands: by its slot, else by its row. */
static TridentJobState
look(int64 id)
{
	int			slot = trident_job_slot_find(id);
	Row			row;

	if (slot >= 0)
	{
		TridentJobState state = pg_atomic_read_u32(&trident_job_shared->slots[slot].state);

		if (state != TRIDENT_JOB_WAITING)
			return state;
	}
	row = read_row(id);
	if (row.is_own && row.state == TRIDENT_JOB_WAITING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job %lld begins when this transaction commits", (long long) id),
				 errhint("Commit first, and wait in the next transaction: SELECT trident_job_wait(%lld).", (long long) id)));
	return row.state;
}

PG_FUNCTION_INFO_V1(trident_job_wait);

Datum
trident_job_wait(PG_FUNCTION_ARGS)
{
	static uint32 event = 0;
	int64		id = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	TimestampTz deadline = 0;
	TridentJobState state;
	Row			row;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	row = read_row(id);
	check_rights(id, &row, true);
	if (!PG_ARGISNULL(1))
	{
		Datum		now = TimestampTzGetDatum(GetCurrentTimestamp());

		deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, now,
														   PG_GETARG_DATUM(1)));
	}
	if (trident_job_shared)
		ConditionVariablePrepareToSleep(&trident_job_shared->changed);
	while ((state = look(id)) <= TRIDENT_JOB_RUNNING)
	{
		long		left = LOOK_INTERVAL_MS;

		if (deadline != 0)
			left = Min(left, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline));
		if (left <= 0 || !trident_job_shared)
			break;
		(void) ConditionVariableTimedSleep(&trident_job_shared->changed, left,
										   trident_base_wait_event(&event, "TridentJobWait"));
	}
	ConditionVariableCancelSleep();
	PG_RETURN_TEXT_P(cstring_to_text(trident_job_state_name(state)));
}

/* Ask the worker to end a running job; false: it runs no more, or not yet. */
static bool
cancel_running(int64 id, int kind)
{
	TridentBaseWorker worker;

	if (!trident_job_slot_cancel(id))
		return false;
	if (kind >= 0 && trident_base_worker_find(trident_job_kind(kind)->worker, 0, &worker))
		trident_base_worker_wake(&worker);
	return true;
}

PG_FUNCTION_INFO_V1(trident_job_cancel);

Datum
trident_job_cancel(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	Row			row = read_row(id);
	char	   *text = psprintf(INT64_FORMAT, id);
	TridentBaseSql sql;
	uint64		n;

	check_rights(id, &row, false);
	if (cancel_running(id, row.kind))
		PG_RETURN_BOOL(true);
	trident_base_sql_begin_as_owner(&sql);
	n = trident_base_sql_run("UPDATE trident.job_record SET state = 'canceled', ended_at = now()"
							 " WHERE id = $1::bigint AND state = 'waiting'",
							 1, (const char *const *) &text);
	trident_base_sql_end(&sql);
	/* It may have begun while the row was locked. */
	PG_RETURN_BOOL(n > 0 || cancel_running(id, row.kind));
}

PG_FUNCTION_INFO_V1(trident_job_live_rows);

/* Slots of this database: id, state, when begun, done, total, counters. */
Datum
trident_job_live_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			extension = trident_base_extension_oid();

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; trident_job_shared && i < TRIDENT_JOB_SLOTS; i++)
	{
		TridentJobSlot *slot = &trident_job_shared->slots[i];
		const TridentJobKind *kind;
		bool		is_ours;
		int64		id;
		Datum		values[6];
		bool		nulls[6] = {false};

		LWLockAcquire(&trident_job_locks->lock, LW_SHARED);
		is_ours = slot->database == MyDatabaseId && slot->extension == extension;
		id = slot->id;
		kind = is_ours ? trident_job_kind(slot->kind) : NULL;
		LWLockRelease(&trident_job_locks->lock);
		if (!is_ours)
			continue;
		values[0] = Int64GetDatum(id);
		values[1] = CStringGetTextDatum(trident_job_state_name(pg_atomic_read_u32(&slot->state)));
		values[2] = TimestampTzGetDatum((TimestampTz) pg_atomic_read_u64(&slot->started_at));
		values[3] = Int64GetDatum((int64) pg_atomic_read_u64(&slot->counters[kind->done]));
		values[4] = Int64GetDatum((int64) pg_atomic_read_u64(&slot->counters[kind->total]));
		values[5] = DirectFunctionCall1(jsonb_in, CStringGetDatum(trident_job_counters_json(i)));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
