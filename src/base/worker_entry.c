/*
 * worker_entry.c
 *	  What shared memory holds of workers.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "base/worker_entry.h"

/* The wait before a failed worker starts again: doubled up to the longest. */
#define RETRY_FIRST_MS 1000
#define RETRY_LONGEST_MS 60000

/* A worker that served so long is not failing again, but for the first time. */
#define HEALTHY_MS 60000

TridentBaseWorkerShared *trident_base_worker_shared = NULL;
LWLockPadded *trident_base_worker_lock = NULL;

/* Room for what runs, and for what ran or failed in other databases. */
static int
entry_count(void)
{
	return 64 + 4 * trident_base_worker_max;
}

static Size
area_size(void)
{
	return add_size(offsetof(TridentBaseWorkerShared, entries),
					mul_size(entry_count(), sizeof(TridentBaseWorkerEntry)));
}

static void
area_init(void *area, Size size)
{
	TridentBaseWorkerShared *shared = area;

	ConditionVariableInit(&shared->changed);
	shared->nentries = entry_count();
	for (int i = 0; i < shared->nentries; i++)
		pg_atomic_init_u32(&shared->entries[i].ready, 0);
}

/* Register the area; once, from _PG_init. */
void
trident_base_worker_entry_init(void)
{
	static const TridentBaseShmemArea area = {
		.name = "trident worker",
		.size = area_size,
		.init = area_init,
		.nlocks = 1,
		.area = (void **) &trident_base_worker_shared,
		.locks = &trident_base_worker_lock
	};

	trident_base_shmem_register(&area);
}

TridentBaseWorkerEntry *
trident_base_worker_entry_find(Oid database, Oid extension, int kind,
							   int number)
{
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (entry->state != TRIDENT_BASE_WORKER_FREE &&
			entry->database == database && entry->extension == extension &&
			entry->kind == kind && entry->number == number)
			return entry;
	}
	return NULL;
}

/* A free entry, else the one that ended longest ago and is not wanted. */
static TridentBaseWorkerEntry *
entry_to_use(void)
{
	TridentBaseWorkerEntry *oldest = NULL;

	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (entry->state == TRIDENT_BASE_WORKER_FREE)
			return entry;
		if (!trident_base_worker_live(entry) && !entry->wanted &&
			(oldest == NULL || entry->started_at < oldest->started_at))
			oldest = entry;
	}
	return oldest;
}

TridentBaseWorkerEntry *
trident_base_worker_entry_get(Oid database, Oid extension, int kind, int number)
{
	TridentBaseWorkerEntry *entry;

	entry = trident_base_worker_entry_find(database, extension, kind, number);
	if (entry)
		return entry;
	entry = entry_to_use();
	if (entry == NULL)
		return NULL;
	entry->database = database;
	entry->extension = extension;
	entry->kind = kind;
	entry->number = number;
	entry->schema = InvalidOid;
	entry->state = TRIDENT_BASE_WORKER_IDLE;
	entry->generation = 0;
	entry->wanted = false;
	entry->stop = false;
	entry->pid = 0;
	entry->starts = 0;
	entry->failures = 0;
	entry->started_at = 0;
	entry->retry_at = 0;
	entry->sqlstate = 0;
	entry->error_at = 0;
	entry->error[0] = '\0';
	entry->hint[0] = '\0';
	entry->activity[0] = '\0';
	return entry;
}

void
trident_base_worker_entry_error(TridentBaseWorkerEntry *entry, int sqlstate,
								const char *message, const char *hint)
{
	entry->sqlstate = sqlstate;
	entry->error_at = GetCurrentTimestamp();
	/* shortened to the room there is, at a character */
	strlcpy(entry->error, message, sizeof(entry->error));
	entry->error[pg_mbcliplen(message, strlen(message),
							  sizeof(entry->error) - 1)] = '\0';
	strlcpy(entry->hint, hint ? hint : "", sizeof(entry->hint));
}

void
trident_base_worker_entry_fail(TridentBaseWorkerEntry *entry)
{
	TimestampTz now = GetCurrentTimestamp();
	int			wait_ms = RETRY_FIRST_MS;

	if (entry->state == TRIDENT_BASE_WORKER_READY &&
		TimestampDifferenceExceeds(entry->started_at, now, HEALTHY_MS))
		entry->failures = 0;
	for (int i = 0; i < entry->failures && wait_ms < RETRY_LONGEST_MS; i++)
		wait_ms *= 2;
	entry->failures++;
	entry->retry_at = TimestampTzPlusMilliseconds(now, Min(wait_ms, RETRY_LONGEST_MS));
	entry->state = TRIDENT_BASE_WORKER_FAILED;
}

void
trident_base_worker_want(Oid database, Oid extension, int kind)
{
	int			count = trident_base_worker_kind_number(kind);

	TridentBaseWorkerLock();
	for (int number = 0; number < count; number++)
	{
		TridentBaseWorkerEntry *entry;

		entry = trident_base_worker_entry_get(database, extension, kind, number);
		if (entry)
			entry->wanted = true;
	}
	TridentBaseWorkerUnlock();
	trident_base_worker_wake_launcher();
}

bool
trident_base_worker_held(Oid database)
{
	for (int i = 0; i < TRIDENT_BASE_WORKER_HOLDS; i++)
	{
		TridentBaseWorkerHold *hold = &trident_base_worker_shared->holds[i];

		if (hold->database == database && hold->stops)
			return true;
	}
	return false;
}

void
trident_base_worker_wake_launcher(void)
{
	Latch	   *latch;

	TridentBaseWorkerLockShared();
	latch = trident_base_worker_shared->launcher_latch;
	TridentBaseWorkerUnlock();
	if (latch)
		SetLatch(latch);
}

void
trident_base_worker_changed(void)
{
	ConditionVariableBroadcast(&trident_base_worker_shared->changed);
}
