/*
 * record.c
 *	  Jobs in their table: submitted by backends, claimed and finished by the
 *	  worker of their kind.
 *
 * The table is the extension's own, nobody is granted anything on it: rows
 * are written here with the rights of the extension's owner, after the
 * functions in front have been allowed by EXECUTE.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "base/sql.h"
#include "base/worker.h"
#include "job/slot.h"

/* A job is begun at most so often, worker after worker. */
#define ATTEMPTS_MAX 5

/* NOTIFY comes at most twice a second. */
#define NOTIFY_INTERVAL_MS 500

/* Records that are too old are looked for so often. */
#define PRUNE_INTERVAL_MS (10 * 60 * 1000)

/* The worker to wake when the current transaction commits. */
static TridentBaseWorker wake_worker;
static bool wake_wanted = false;

static void
wake_when_committed(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && wake_wanted)
		trident_base_worker_wake(&wake_worker);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		wake_wanted = false;
}

int64
trident_job_submit(int kind, const char *arguments)
{
	static bool is_registered = false;
	const TridentJobKind *definition = trident_job_kind(kind);
	char		owner[16];
	const char *values[3];
	TridentBaseSql sql;
	int64		id;

	trident_base_require_preload(psprintf("a job of kind \"%s\"", definition->name));
	pg_snprintf(owner, sizeof(owner), "%u", GetUserId());
	values[0] = definition->name;
	values[1] = owner;
	values[2] = arguments;
	trident_base_sql_begin_as_owner(&sql);
	id = pg_strtoint64(trident_base_sql_value("INSERT INTO trident.job_record (kind, owner, arguments)"
											  " VALUES ($1, $2::oid, $3::jsonb) RETURNING id::text",
											  3, values));
	trident_base_sql_end(&sql);

	if (!is_registered)
		RegisterXactCallback(wake_when_committed, NULL);
	is_registered = true;
	trident_base_worker_start_at_commit(definition->worker);
	wake_wanted = trident_base_worker_find(definition->worker, 0, &wake_worker);
	return id;
}

/* The worker ends: what it ran is nobody's. */
static void
release_at_exit(int code, Datum kind)
{
	trident_job_slot_release(DatumGetInt32(kind));
}

void
trident_job_recover(int kind)
{
	const char *name = trident_job_kind(kind)->name;
	TridentBaseSql sql;

	trident_job_slot_release(kind);
	before_shmem_exit(release_at_exit, Int32GetDatum(kind));

	trident_base_worker_begin(0);
	trident_base_sql_begin(&sql);
	trident_base_sql_run("UPDATE trident.job_record SET state = 'failed', ended_at = now(),"
						 " error_code = '57P01', error = 'the worker ended each time it ran this job',"
						 " hint = 'Look into the server log, and submit the job again.'"
						 " WHERE kind = $1 AND state = 'running' AND attempts >= " CppAsString2(ATTEMPTS_MAX),
						 1, &name);
	trident_base_sql_run("UPDATE trident.job_record SET state = 'waiting'"
						 " WHERE kind = $1 AND state = 'running'", 1, &name);
	trident_base_sql_end(&sql);
	trident_base_worker_commit();
}

void
trident_job_leave(int kind)
{
	const char *name = trident_job_kind(kind)->name;
	Oid			schema;
	Oid			table;
	TridentBaseSql sql;

	trident_base_worker_begin(0);
	schema = get_namespace_oid("trident", true);
	table = OidIsValid(schema) ? get_relname_relid("job_record", schema) : InvalidOid;
	/* who stops the worker may hold it, and waits */
	if (OidIsValid(table) && ConditionalLockRelationOid(table, RowExclusiveLock))
	{
		trident_base_sql_begin(&sql);
		trident_base_sql_run("UPDATE trident.job_record SET state = 'waiting', attempts = attempts - 1"
							 " WHERE kind = $1 AND state = 'running'", 1, &name);
		if (trident_base_sql_value("SELECT true FROM trident.job_record"
								   " WHERE kind = $1 AND state = 'waiting' LIMIT 1", 1, &name))
			trident_base_worker_start_at_commit(trident_job_kind(kind)->worker);
		trident_base_sql_end(&sql);
	}
	trident_base_worker_commit();
}

/* Counters that go on from an earlier attempt: read them from its record. */
static void
carry_counters(const TridentJob *job, const char *id)
{
	const TridentJobKind *kind = trident_job_kind(trident_job_shared->slots[job->slot].kind);
	const char *values[2] = {id};

	for (int c = 0; c < kind->ncounters; c++)
	{
		char	   *saved = NULL;

		values[1] = kind->counters[c];
		if ((kind->carried & ((uint32) 1 << c)) != 0)
			saved = trident_base_sql_value("SELECT progress ->> $2 FROM trident.job_record"
										   " WHERE id = $1::bigint", 2, values);
		if (saved)
			trident_job_set(job, c, pg_strtoint64(saved));
	}
}

void
trident_job_prune(int kind)
{
	static TimestampTz pruned_at = 0;
	char		minutes[16];
	const char *values[2] = {trident_job_kind(kind)->name, minutes};
	TridentBaseSql sql;

	if (trident_base_job_retention == 0 ||
		!TimestampDifferenceExceeds(pruned_at, GetCurrentTimestamp(), PRUNE_INTERVAL_MS))
		return;
	pruned_at = GetCurrentTimestamp();
	pg_snprintf(minutes, sizeof(minutes), "%d", trident_base_job_retention);
	trident_base_worker_begin(0);
	trident_base_sql_begin(&sql);
	trident_base_sql_run("DELETE FROM trident.job_record WHERE kind = $1"
						 " AND state IN ('done', 'failed', 'canceled')"
						 " AND ended_at < now() - $2::int * interval '1 minute'", 2, values);
	trident_base_sql_end(&sql);
	trident_base_worker_commit();
}

bool
trident_job_claim(int kind, int share, TridentJob *job)
{
	char		most[16];
	const char *values[2] = {trident_job_kind(kind)->name, most};
	TridentBaseRows *rows;
	TridentBaseSql sql;

	pg_snprintf(most, sizeof(most), "%d", share);
	trident_base_sql_begin(&sql);
	rows = trident_base_sql_rows("SELECT j.id::text, j.owner::text, j.arguments::text, j.attempts::text"
								 " FROM trident.job_record j LEFT JOIN"
								 " (SELECT owner, count(*) AS n FROM trident.job_record"
								 " WHERE kind = $1 AND state = 'running' GROUP BY owner) r USING (owner)"
								 " WHERE j.kind = $1 AND j.state = 'waiting' AND coalesce(r.n, 0) < $2::int"
								 " ORDER BY coalesce(r.n, 0), j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED",
								 2, values);
	job->slot = -1;
	if (rows->nrows > 0)
	{
		char	  **row = rows->value[0];

		job->id = pg_strtoint64(row[0]);
		job->owner = (Oid) strtoul(row[1], NULL, 10);
		job->arguments = row[2];
		job->attempt = 1 + pg_strtoint32(row[3]);
		job->slot = trident_job_slot_take(job->id, kind);
		if (job->slot >= 0)
			trident_base_sql_run("UPDATE trident.job_record SET state = 'running', attempts = attempts + 1,"
								 " started_at = coalesce(started_at, now()) WHERE id = $1::bigint",
								 1, (const char *const *) &row[0]);
		if (job->slot >= 0 && job->attempt > 1)
			carry_counters(job, row[0]);
	}
	trident_base_sql_end(&sql);
	return job->slot >= 0;
}

void
trident_job_set(const TridentJob *job, int counter, int64 value)
{
	pg_atomic_write_u64(&trident_job_shared->slots[job->slot].counters[counter], (uint64) value);
}

void
trident_job_add(const TridentJob *job, int counter, int64 value)
{
	pg_atomic_fetch_add_u64(&trident_job_shared->slots[job->slot].counters[counter], value);
}

bool
trident_job_is_canceled(const TridentJob *job)
{
	return pg_atomic_read_u32(&trident_job_shared->slots[job->slot].canceled) != 0;
}

/* Whoever listens learns the id and counters, nothing that names anything. */
static void
send_notify(const TridentJob *job, TridentJobState state)
{
	TridentJobSlot *slot = &trident_job_shared->slots[job->slot];

	slot->notified_at = GetCurrentTimestamp();
	Async_Notify("trident_job",
				 psprintf("{\"job\": " INT64_FORMAT ", \"state\": \"%s\", \"progress\": %s}",
						  job->id, trident_job_state_name(state),
						  trident_job_counters_json(job->slot)));
}

void
trident_job_notify(const TridentJob *job)
{
	TridentJobSlot *slot = &trident_job_shared->slots[job->slot];

	if (TimestampDifferenceExceeds(slot->notified_at, GetCurrentTimestamp(), NOTIFY_INTERVAL_MS))
		send_notify(job, TRIDENT_JOB_RUNNING);
}

void
trident_job_save(const TridentJob *job)
{
	char		id[32];
	const char *values[2];
	TridentBaseSql sql;

	pg_snprintf(id, sizeof(id), INT64_FORMAT, job->id);
	values[0] = id;
	values[1] = trident_job_counters_json(job->slot);
	trident_base_sql_begin(&sql);
	trident_base_sql_run("UPDATE trident.job_record SET progress = $2::jsonb WHERE id = $1::bigint",
						 2, values);
	trident_base_sql_end(&sql);
}

void
trident_job_finish(const TridentJob *job, TridentJobState state, const TridentJobError *error)
{
	char		id[32];
	const char *values[7];
	TridentBaseSql sql;

	pg_snprintf(id, sizeof(id), INT64_FORMAT, job->id);
	values[0] = id;
	values[1] = trident_job_state_name(state);
	values[2] = trident_job_counters_json(job->slot);
	values[3] = error ? unpack_sql_state(error->sqlstate) : NULL;
	values[4] = error ? error->message : NULL;
	values[5] = error && error->detail[0] ? error->detail : NULL;
	values[6] = error && error->hint[0] ? error->hint : NULL;
	trident_base_sql_begin(&sql);
	trident_base_sql_run("UPDATE trident.job_record SET state = $2, ended_at = now(), progress = $3::jsonb,"
						 " error_code = $4, error = $5, detail = $6, hint = $7 WHERE id = $1::bigint",
						 7, values);
	trident_base_sql_end(&sql);
	send_notify(job, state);
}

void
trident_job_publish(const TridentJob *job, TridentJobState state)
{
	TridentJobSlot *slot = &trident_job_shared->slots[job->slot];

	pg_atomic_write_u32(&slot->state, state);
	LWLockAcquire(&trident_job_locks->lock, LW_EXCLUSIVE);
	slot->ended_at = GetCurrentTimestamp();
	LWLockRelease(&trident_job_locks->lock);
	ConditionVariableBroadcast(&trident_job_shared->changed);
}
