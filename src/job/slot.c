/*
 * slot.c
 *	  Running jobs in shared memory: who runs, how far, and who asked it to
 *	  stop.
 *
 * A slot outlives its job, so that those who wait for it learn how it ended
 * without the table; the ones that ended first are taken again first.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/shmem.h"
#include "job/slot.h"

#define KINDS_MAX 8

TridentJobShared *trident_job_shared = NULL;
LWLockPadded *trident_job_locks = NULL;

static const TridentJobKind *kinds[KINDS_MAX];
static int	nkinds = 0;

static Size
area_size(void)
{
	return sizeof(TridentJobShared);
}

static void
area_init(void *area, Size size)
{
	TridentJobShared *shared = area;

	ConditionVariableInit(&shared->changed);
	for (int i = 0; i < TRIDENT_JOB_SLOTS; i++)
	{
		TridentJobSlot *slot = &shared->slots[i];

		pg_atomic_init_u32(&slot->state, 0);
		pg_atomic_init_u32(&slot->canceled, 0);
		pg_atomic_init_u64(&slot->started_at, 0);
		for (int c = 0; c < TRIDENT_JOB_COUNTERS; c++)
			pg_atomic_init_u64(&slot->counters[c], 0);
	}
}

void
trident_job_init(void)
{
	static const TridentBaseShmemArea area = {
		.name = "trident job",
		.size = area_size,
		.init = area_init,
		.nlocks = 1,
		.area = (void **) &trident_job_shared,
		.locks = &trident_job_locks
	};

	trident_base_shmem_register(&area);
}

int
trident_job_define(const TridentJobKind *kind)
{
	Assert(nkinds < KINDS_MAX);
	kinds[nkinds] = kind;
	return nkinds++;
}

const TridentJobKind *
trident_job_kind(int kind)
{
	Assert(kind >= 0 && kind < nkinds);
	return kinds[kind];
}

int
trident_job_kind_number(const char *name)
{
	for (int i = 0; i < nkinds; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return i;
	return -1;
}

/* Is it a slot of this database and this extension? */
static bool
is_ours(const TridentJobSlot *slot, Oid extension)
{
	return slot->database == MyDatabaseId && slot->extension == extension;
}

/* With the lock held: the slot of a job, or -1. */
static int
find(Oid extension, int64 id)
{
	for (int i = 0; i < TRIDENT_JOB_SLOTS; i++)
	{
		const TridentJobSlot *slot = &trident_job_shared->slots[i];

		if (is_ours(slot, extension) && slot->id == id)
			return i;
	}
	return -1;
}

int
trident_job_slot_find(int64 id)
{
	Oid			extension = trident_base_extension_oid();
	int			found;

	if (!trident_job_shared)
		return -1;
	LWLockAcquire(&trident_job_locks->lock, LW_SHARED);
	found = find(extension, id);
	LWLockRelease(&trident_job_locks->lock);
	return found;
}

bool
trident_job_slot_cancel(int64 id)
{
	Oid			extension = trident_base_extension_oid();
	int			i;
	bool		runs;

	if (!trident_job_shared)
		return false;
	/* the slot does not become another job's before the word is written */
	LWLockAcquire(&trident_job_locks->lock, LW_SHARED);
	i = find(extension, id);
	runs = i >= 0 &&
		pg_atomic_read_u32(&trident_job_shared->slots[i].state) == TRIDENT_JOB_RUNNING;
	if (runs)
		pg_atomic_write_u32(&trident_job_shared->slots[i].canceled, 1);
	LWLockRelease(&trident_job_locks->lock);
	return runs;
}

/* The slot that is free, or whose job ended first; NULL: all run. */
static TridentJobSlot *
find_victim(void)
{
	TridentJobSlot *victim = NULL;

	for (int i = 0; i < TRIDENT_JOB_SLOTS; i++)
	{
		TridentJobSlot *slot = &trident_job_shared->slots[i];

		if (!OidIsValid(slot->database))
			return slot;
		if (slot->ended_at != 0 && (!victim || slot->ended_at < victim->ended_at))
			victim = slot;
	}
	return victim;
}

int
trident_job_slot_take(int64 id, int kind)
{
	Oid			extension = trident_base_extension_oid();
	TridentJobSlot *slot;
	int			old;

	LWLockAcquire(&trident_job_locks->lock, LW_EXCLUSIVE);
	old = find(extension, id);
	slot = old >= 0 ? &trident_job_shared->slots[old] : find_victim();
	if (slot)
	{
		/* Its end was asked for, and the worker ended before it saw that. */
		bool		is_canceled = old >= 0 &&
			pg_atomic_read_u32(&slot->state) == TRIDENT_JOB_WAITING &&
			pg_atomic_read_u32(&slot->canceled) != 0;

		slot->database = MyDatabaseId;
		slot->extension = extension;
		slot->id = id;
		slot->kind = kind;
		slot->ended_at = 0;
		slot->notified_at = 0;
		pg_atomic_write_u32(&slot->state, TRIDENT_JOB_RUNNING);
		pg_atomic_write_u32(&slot->canceled, is_canceled);
		pg_atomic_write_u64(&slot->started_at, (uint64) GetCurrentTimestamp());
		for (int c = 0; c < TRIDENT_JOB_COUNTERS; c++)
			pg_atomic_write_u64(&slot->counters[c], 0);
	}
	LWLockRelease(&trident_job_locks->lock);
	return slot ? (int) (slot - trident_job_shared->slots) : -1;
}

void
trident_job_slot_release(int kind)
{
	LWLockAcquire(&trident_job_locks->lock, LW_EXCLUSIVE);
	for (int i = 0; i < TRIDENT_JOB_SLOTS; i++)
	{
		TridentJobSlot *slot = &trident_job_shared->slots[i];

		if (slot->database != MyDatabaseId || slot->kind != kind || slot->ended_at != 0)
			continue;
		if (pg_atomic_read_u32(&slot->canceled) == 0)
			slot->database = InvalidOid;
		else
		{
			/* kept, so that who claims the job next learns of it */
			pg_atomic_write_u32(&slot->state, TRIDENT_JOB_WAITING);
			slot->ended_at = GetCurrentTimestamp();
		}
	}
	LWLockRelease(&trident_job_locks->lock);
	ConditionVariableBroadcast(&trident_job_shared->changed);
}

const char *
trident_job_state_name(TridentJobState state)
{
	static const char *const names[] = {"waiting", "running", "done", "failed", "canceled"};

	return names[state];
}

char *
trident_job_counters_json(int slot)
{
	const TridentJobKind *kind = trident_job_kind(trident_job_shared->slots[slot].kind);
	StringInfoData json;

	initStringInfo(&json);
	for (int c = 0; c < kind->ncounters; c++)
		appendStringInfo(&json, "%c\"%s\": " INT64_FORMAT, c == 0 ? '{' : ',', kind->counters[c],
						 (int64) pg_atomic_read_u64(&trident_job_shared->slots[slot].counters[c]));
	appendStringInfoChar(&json, '}');
	return json.data;
}
