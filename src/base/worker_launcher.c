/*
 * worker_launcher.c
 *	  The one process that starts all workers: trident launcher.
 *
 * It is connected to no database and reads shared catalogs only.  A turn of
 * its loop: remove holds whose transaction is over, start what is wanted and
 * may run, note what never came up, probe the databases that are due, sleep
 * until its latch is set.  All it knows beside that stands in shared memory,
 * so when it ends by an error the postmaster starts another, which goes on;
 * only handles of processes being started are lost then, and made up for by
 * a limit to how long a start may take.
 *
 * Workers are registered never to be restarted by the postmaster: one of a
 * dropped database would come back for ever.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "base/wait.h"
#include "base/worker_entry.h"

/* How often it looks whether a transaction is over, or the standby promoted. */
#define HOLD_MS 100
#define STANDBY_MS 1000

/* A process that is not there after so long will not come. */
#define START_MS 30000

/* Of what it is starting: a handle for each entry that has one. */
static BackgroundWorkerHandle **handles;

static uint32 event_main = 0;

/* Databases to be probed, in turn; allocated in TopMemoryContext. */
static List *due = NIL;
static TimestampTz probed_at = 0;

PGDLLEXPORT void trident_base_launcher_main(Datum arg);

void
trident_base_worker_launcher_init(void)
{
	BackgroundWorker worker = {0};

	if (!trident_base_preloaded() || IsBinaryUpgrade)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "trident", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "trident_base_launcher_main",
			sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "trident launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "trident launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

static void
launcher_exit(int code, Datum arg)
{
	TridentBaseWorkerLock();
	trident_base_worker_shared->launcher_pid = 0;
	trident_base_worker_shared->launcher_latch = NULL;
	TridentBaseWorkerUnlock();
}

static void
launcher_attach(void)
{
	TridentBaseWorkerLock();
	trident_base_worker_shared->launcher_pid = MyProcPid;
	trident_base_worker_shared->launcher_latch = MyLatch;
	trident_base_worker_shared->launcher_started_at = GetCurrentTimestamp();
	TridentBaseWorkerUnlock();
	before_shmem_exit(launcher_exit, (Datum) 0);
	handles = MemoryContextAllocZero(TopMemoryContext,
									 trident_base_worker_shared->nentries * sizeof(*handles));
}

/* Is there a database of that OID, and may one connect to it? */
static bool
is_connectable(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		connectable;

	if (!HeapTupleIsValid(tuple))
		return false;
	connectable = ((Form_pg_database) GETSTRUCT(tuple))->datallowconn;
	ReleaseSysCache(tuple);
	return connectable;
}

/* Free what is left of a database. */
static void
forget_database(Oid database)
{
	TridentBaseWorkerLock();
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (!trident_base_worker_live(entry) && entry->database == database)
			entry->state = TRIDENT_BASE_WORKER_FREE;
	}
	TridentBaseWorkerUnlock();
}

/* Workers that live now, probes left out. */
static int
count_live(void)
{
	int			live = 0;

	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (entry->kind != TRIDENT_BASE_WORKER_PROBE &&
			trident_base_worker_live(entry))
			live++;
	}
	return live;
}

/* With the lock held: is it to be started now? */
static bool
is_to_start(const TridentBaseWorkerEntry *entry)
{
	return entry->wanted &&
		(entry->state == TRIDENT_BASE_WORKER_IDLE ||
		 (entry->state == TRIDENT_BASE_WORKER_FAILED &&
		  entry->retry_at <= GetCurrentTimestamp())) &&
		trident_base_worker_kind_allowed(entry->kind) &&
		!trident_base_worker_held(entry->database);
}

/* It could not even be registered: keep why, say it once. */
static void
could_not_start(TridentBaseWorkerEntry *entry, const char *reason,
				const char *hint)
{
	bool		first;

	TridentBaseWorkerLock();
	first = entry->failures == 0;
	trident_base_worker_entry_error(entry, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
									reason, hint);
	trident_base_worker_entry_fail(entry);
	TridentBaseWorkerUnlock();
	trident_base_worker_changed();
	if (first)
		ereport(LOG,
				(errmsg("could not start trident %s worker for database %u: %s",
						trident_base_worker_kind(entry->kind)->name,
						entry->database, reason),
				 errhint("%s", hint)));
}

/* Register the process for an entry that is "starting". */
static bool
register_process(int i, uint32 generation)
{
	TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];
	const char *name = trident_base_worker_kind(entry->kind)->name;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	BackgroundWorker worker = {0};
	bool		registered;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = Int32GetDatum(i);
	memcpy(worker.bgw_extra, &generation, sizeof(generation));
	strlcpy(worker.bgw_library_name, "trident", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "trident_base_worker_main",
			sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "trident %s", name);
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "trident %s worker %d for database %u", name, entry->number,
			 entry->database);
	if (handles[i])
		pfree(handles[i]);
	handles[i] = NULL;
	registered = RegisterDynamicBackgroundWorker(&worker, &handles[i]);
	MemoryContextSwitchTo(old);
	return registered;
}

/* Start the worker of an entry, if it is still to be. */
static void
start(int i)
{
	TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];
	uint32		generation = 0;
	bool		within_budget;
	Oid			database = entry->database;

	if (!is_connectable(database))
	{
		forget_database(database);
		return;
	}
	TridentBaseWorkerLock();
	within_budget = entry->kind == TRIDENT_BASE_WORKER_PROBE ||
		count_live() < trident_base_worker_max;
	if (is_to_start(entry) && within_budget)
	{
		/* 0 is "never", also when the numbers have gone around */
		if (++trident_base_worker_shared->generation == 0)
			trident_base_worker_shared->generation = 1;
		generation = trident_base_worker_shared->generation;
		entry->generation = generation;
		entry->state = TRIDENT_BASE_WORKER_STARTING;
		entry->stop = false;
		entry->starts++;
		entry->started_at = GetCurrentTimestamp();
	}
	TridentBaseWorkerUnlock();

	if (!within_budget)
		could_not_start(entry,
						psprintf("all %d workers that trident.worker_max allows are running",
								 trident_base_worker_max),
						"Raise trident.worker_max, and max_worker_processes with it, and restart the server.");
	else if (generation != 0 && !register_process(i, generation))
		could_not_start(entry,
						psprintf("all %d background worker slots of the server are in use",
								 max_worker_processes),
						"Raise max_worker_processes and restart the server.");
}

/* A process that was registered and ended, or never came, without a word. */
static void
note_lost(int i)
{
	TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];
	bool		lost;
	pid_t		pid;

	if (entry->state != TRIDENT_BASE_WORKER_STARTING)
		return;
	if (handles[i])
		lost = GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED;
	else
		lost = TimestampDifferenceExceeds(entry->started_at,
										  GetCurrentTimestamp(), START_MS);
	if (!lost)
		return;
	TridentBaseWorkerLock();
	/* it may have come, done its work and gone since */
	if (entry->state == TRIDENT_BASE_WORKER_STARTING)
	{
		trident_base_worker_entry_error(entry, ERRCODE_INTERNAL_ERROR,
										"the process ended before it began to work",
										"Look into the server's log for the reason.");
		trident_base_worker_entry_fail(entry);
	}
	TridentBaseWorkerUnlock();
	trident_base_worker_changed();
}

/* Start and note; returns the time until the next retry, or -1. */
static long
look_at_entries(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long		next = -1;

	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];
		bool		start_it;

		note_lost(i);
		TridentBaseWorkerLockShared();
		start_it = is_to_start(entry);
		TridentBaseWorkerUnlock();
		if (start_it)
			start(i);
		/* what waits for something else than its time is not waited for here */
		if (entry->wanted && entry->state == TRIDENT_BASE_WORKER_FAILED &&
			entry->retry_at > now)
		{
			long		left = TimestampDifferenceMilliseconds(now, entry->retry_at);

			next = next < 0 ? left : Min(next, left);
		}
	}
	return next;
}

/* All databases that one may connect to. */
static List *
connectable_databases(void)
{
	Relation	rel = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(rel, 0, NULL);
	List	   *databases = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (database->datallowconn)
			databases = lappend_oid(databases, database->oid);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return databases;
}

/* Free what is left of databases that are gone. */
static void
forget_databases(List *databases)
{
	TridentBaseWorkerLock();
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (!trident_base_worker_live(entry) &&
			!list_member_oid(databases, entry->database))
			entry->state = TRIDENT_BASE_WORKER_FREE;
	}
	TridentBaseWorkerUnlock();
}

static void
add_due(List *databases)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	due = list_concat_unique_oid(due, databases);
	MemoryContextSwitchTo(old);
}

/* Is it time to probe every database? */
static void
look_at_clock(void)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *databases;
	bool		asked;

	TridentBaseWorkerLock();
	asked = trident_base_worker_shared->probe_all;
	trident_base_worker_shared->probe_all = false;
	TridentBaseWorkerUnlock();
	if (!asked && probed_at != 0 &&
		!TimestampDifferenceExceeds(probed_at, now, trident_base_worker_probe_interval))
		return;
	probed_at = now;
	databases = connectable_databases();
	forget_databases(databases);
	add_due(databases);
}

/* Is a probe at work?  One at a time: they are short, slots are few. */
static bool
is_probing(void)
{
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (entry->kind == TRIDENT_BASE_WORKER_PROBE &&
			trident_base_worker_live(entry))
			return true;
	}
	return false;
}

/* Ask for the probe of the next database that is due. */
static void
probe_next(void)
{
	ListCell   *cell;

	if (is_probing())
		return;
	foreach(cell, due)
	{
		Oid			database = lfirst_oid(cell);
		TridentBaseWorkerEntry *entry = NULL;

		TridentBaseWorkerLock();
		if (!trident_base_worker_held(database))
			entry = trident_base_worker_entry_get(database, InvalidOid,
												  TRIDENT_BASE_WORKER_PROBE, 0);
		if (entry)
			entry->wanted = true;
		TridentBaseWorkerUnlock();
		if (entry)
		{
			due = foreach_delete_current(due, cell);
			return;
		}
	}
}

/* One turn; returns how long to sleep. */
static long
turn(void)
{
	static bool was_standby = false;
	bool		is_standby = RecoveryInProgress();
	bool		holds;
	long		timeout = trident_base_worker_probe_interval;
	long		retry;

	if (was_standby && !is_standby)
		probed_at = 0;
	was_standby = is_standby;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	add_due(trident_base_worker_sweep_holds(&holds));
	look_at_clock();
	probe_next();
	retry = look_at_entries();
	PopActiveSnapshot();
	CommitTransactionCommand();

	if (retry >= 0)
		timeout = Min(timeout, retry);
	if (is_standby)
		timeout = Min(timeout, STANDBY_MS);
	if (holds)
		timeout = Min(timeout, HOLD_MS);
	return timeout;
}

/* Where the launcher begins. */
void
trident_base_launcher_main(Datum arg)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	launcher_attach();
	trident_base_wait_event(&event_main, "TridentLauncherMain");
	pgstat_report_activity(STATE_IDLE, NULL);

	while (!ShutdownRequestPending)
	{
		long		timeout;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		timeout = turn();
		(void) pgstat_report_stat(false);
		trident_base_wait(timeout, event_main);
	}
	proc_exit(0);
}
