/*
 * worker.c
 *	  Kinds of workers, and what a backend asks for.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "base/wait.h"
#include "base/worker.h"
#include "base/worker_entry.h"

static const TridentBaseWorkerKind *kinds[TRIDENT_BASE_WORKER_MAX_KINDS];
static int	nkind = 0;

/* What this backend last found of each kind and number. */
static TridentBaseWorker found[TRIDENT_BASE_WORKER_MAX_KINDS][TRIDENT_BASE_WORKER_MAX_NUMBER];

/* Kinds to be asked for when the transaction commits, as bits; for whom. */
static uint32 at_commit = 0;
static Oid	at_commit_extension = InvalidOid;

static uint32 event_start = 0;

static void start_when_committed(XactEvent event, void *arg);

void
trident_base_worker_init(void)
{
	RegisterXactCallback(start_when_committed, NULL);
	trident_base_worker_entry_init();
	(void) trident_base_worker_define(&trident_base_worker_probe_kind);
	Assert(kinds[TRIDENT_BASE_WORKER_PROBE] == &trident_base_worker_probe_kind);
	trident_base_worker_test_init();
	trident_base_worker_ddl_init();
	trident_base_worker_launcher_init();
}

int
trident_base_worker_define(const TridentBaseWorkerKind *kind)
{
	if (nkind == TRIDENT_BASE_WORKER_MAX_KINDS)
		elog(ERROR, "too many kinds of workers");
	kinds[nkind] = kind;
	return nkind++;
}

const TridentBaseWorkerKind *
trident_base_worker_kind(int kind)
{
	return kinds[kind];
}

int
trident_base_worker_kind_count(void)
{
	return nkind;
}

int
trident_base_worker_kind_number(int kind)
{
	int			count = kinds[kind]->count ? *kinds[kind]->count : 1;

	return Min(count, TRIDENT_BASE_WORKER_MAX_NUMBER);
}

bool
trident_base_worker_kind_allowed(int kind)
{
	return kinds[kind]->on_standby || !RecoveryInProgress();
}

bool
trident_base_worker_alive(const TridentBaseWorker *worker)
{
	TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[worker->entry];

	return pg_atomic_read_u32(&entry->ready) == worker->generation;
}

bool
trident_base_worker_wake(const TridentBaseWorker *worker)
{
	TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[worker->entry];

	if (pg_atomic_read_u32(&entry->ready) != worker->generation)
		return false;
	/*
	 * Set before "ready", and never unset: it may end at any moment from here
	 * on.  At worst another process wakes once for nothing.
	 */
	pg_read_barrier();
	TRIDENT_FAULT("worker_wake");
	SetLatch(entry->latch);
	return true;
}

/* With the lock held: is it there for who asks now? */
static bool
serves(TridentBaseWorkerEntry *entry)
{
	return entry->state == TRIDENT_BASE_WORKER_READY &&
		pg_atomic_read_u32(&entry->ready) == entry->generation;
}

/*
 * With the lock held: the entry whose worker serves the extension that has
 * that schema.
 */
static TridentBaseWorkerEntry *
find_serving(Oid schema, int kind, int number)
{
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (entry->database == MyDatabaseId && entry->schema == schema &&
			entry->kind == kind && entry->number == number && serves(entry))
			return entry;
	}
	return NULL;
}

/*
 * The schema tells which extension is meant (catalog.c), and has a system
 * cache: sessions that are short do not read pg_extension.
 */
bool
trident_base_worker_find(int kind, int number, TridentBaseWorker *worker)
{
	TridentBaseWorker *known = &found[kind][number];
	static Oid	known_schema = InvalidOid;
	Oid			schema;
	TridentBaseWorkerEntry *entry;

	if (trident_base_worker_shared == NULL)
		return false;
	schema = get_namespace_oid("trident", true);
	if (schema != known_schema)
	{
		memset(found, 0, sizeof(found));
		known_schema = schema;
	}
	if (!OidIsValid(schema))
		return false;
	if (known->generation == 0 || !trident_base_worker_alive(known))
	{
		known->generation = 0;
		TridentBaseWorkerLockShared();
		entry = find_serving(schema, kind, number);
		if (entry)
		{
			known->entry = entry - trident_base_worker_shared->entries;
			known->generation = entry->generation;
		}
		TridentBaseWorkerUnlock();
	}
	*worker = *known;
	return known->generation != 0;
}

/* Fill *failure; returns false for the caller to return. */
static bool
refuse(TridentBaseWorkerFailure *failure, int sqlstate, const char *message,
	   const char *detail, const char *hint)
{
	failure->sqlstate = sqlstate;
	failure->message = message;
	failure->detail = detail;
	failure->hint = hint;
	return false;
}

/* What makes it useless to ask; true: nothing does. */
static bool
can_start(int kind, TridentBaseWorkerFailure *failure)
{
	const char *name = kinds[kind]->name;

	if (trident_base_worker_shared == NULL)
		return refuse(failure, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  psprintf("%s worker needs the library trident to be loaded at server start", name),
					  NULL,
					  "Add trident to shared_preload_libraries in postgresql.conf and restart the server.");
	if (!OidIsValid(trident_base_extension_oid()))
		return refuse(failure, ERRCODE_UNDEFINED_OBJECT,
					  "extension \"trident\" is not in this database", NULL,
					  "Run CREATE EXTENSION trident.");
	if (trident_base_extension_is_mine(trident_base_extension_oid()))
		return refuse(failure, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  psprintf("%s worker could not be started", name),
					  "This transaction has created or updated the extension, and no worker sees it yet.",
					  "Commit it first.");
	if (!trident_base_worker_kind_allowed(kind))
		return refuse(failure, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  psprintf("%s worker does not run on a standby", name),
					  NULL, "Connect to the primary.");
	return true;
}

/*
 * Look at the entry, asking for a worker: 1 it is ready, 0 not yet, -1 there
 * will be none; *failure then says why.
 */
static int
ask(int kind, int number, TridentBaseWorker *worker,
	TridentBaseWorkerFailure *failure)
{
	Oid			extension = trident_base_extension_oid();
	TridentBaseWorkerEntry *entry;
	TridentBaseWorkerEntry failed;
	int			result = 0;
	bool		asked = false;

	TridentBaseWorkerLock();
	entry = trident_base_worker_entry_get(MyDatabaseId, extension, kind, number);
	if (entry == NULL)
		result = -1;
	else if (serves(entry))
	{
		worker->entry = entry - trident_base_worker_shared->entries;
		worker->generation = entry->generation;
		result = 1;
	}
	else if (!entry->wanted)
		entry->wanted = asked = true;
	else if (entry->state == TRIDENT_BASE_WORKER_FAILED &&
			 entry->retry_at > GetCurrentTimestamp())
	{
		memcpy(&failed, entry, sizeof(failed));
		result = -1;
	}
	TridentBaseWorkerUnlock();

	if (asked)
		trident_base_worker_wake_launcher();
	if (entry == NULL)
		refuse(failure, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
			   "no room to remember another worker", NULL,
			   "Raise trident.worker_max and restart the server.");
	else if (result < 0)
		refuse(failure, failed.sqlstate,
			   psprintf("%s worker could not be started", kinds[kind]->name),
			   pstrdup(failed.error),
			   failed.hint[0] ? pstrdup(failed.hint) : NULL);
	return result;
}

/* Why it is not ready in time. */
static void
explain_delay(int kind, int timeout_ms, TridentBaseWorkerFailure *failure)
{
	const char *detail;
	const char *hint = "Try again; trident.stat_worker and the server's log show what workers do.";

	TridentBaseWorkerLockShared();
	if (trident_base_worker_held(MyDatabaseId))
	{
		detail = "A command in progress keeps the workers of this database stopped.";
		hint = "Try again when that command has ended.";
	}
	else if (trident_base_worker_shared->launcher_pid == 0)
	{
		detail = "The launcher is not running.";
		hint = "Look into the server's log for the reason.";
	}
	else
		detail = psprintf("It did not become ready within %d ms.", timeout_ms);
	TridentBaseWorkerUnlock();
	refuse(failure, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		   psprintf("%s worker could not be started", kinds[kind]->name),
		   detail, hint);
}

bool
trident_base_worker_ensure(int kind, int number, int timeout_ms,
						   TridentBaseWorker *worker,
						   TridentBaseWorkerFailure *failure)
{
	TimestampTz end;
	int			state;

	if (trident_base_worker_find(kind, number, worker))
		return true;
	if (!can_start(kind, failure))
		return false;

	end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	trident_base_wait_event(&event_start, "TridentWorkerStart");
	ConditionVariablePrepareToSleep(&trident_base_worker_shared->changed);
	while ((state = ask(kind, number, worker, failure)) == 0)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);

		if (left <= 0)
			break;
		(void) ConditionVariableTimedSleep(&trident_base_worker_shared->changed,
										   left, event_start);
	}
	ConditionVariableCancelSleep();
	if (state == 0)
		explain_delay(kind, timeout_ms, failure);
	return state == 1;
}

void
trident_base_worker_fail(const TridentBaseWorkerFailure *failure)
{
	ereport(ERROR,
			(errcode(failure->sqlstate),
			 errmsg("%s", failure->message),
			 failure->detail ? errdetail("%s", failure->detail) : 0,
			 failure->hint ? errhint("%s", failure->hint) : 0));
}

void
trident_base_worker_start_at_commit(int kind)
{
	at_commit_extension = trident_base_extension_oid();
	at_commit |= (uint32) 1 << kind;
}

/* Errors are not possible here; what finds no room is left to the next probe. */
static void
start_when_committed(XactEvent event, void *arg)
{
	uint32		asked = at_commit;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	at_commit = 0;
	if (event != XACT_EVENT_COMMIT || trident_base_worker_shared == NULL)
		return;
	for (int kind = 0; kind < nkind; kind++)
		if (asked & ((uint32) 1 << kind))
			trident_base_worker_want(MyDatabaseId, at_commit_extension, kind);
}
