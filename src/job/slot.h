/*
 * slot.h
 *	  Running jobs in shared memory; private to the folder.
 */
#ifndef TRIDENT_JOB_SLOT_H
#define TRIDENT_JOB_SLOT_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"

#include "job/job.h"

/* Jobs that run, or have ended not long ago, on this server. */
#define TRIDENT_JOB_SLOTS 128

typedef struct TridentJobSlot
{
	/* under the lock */
	Oid			database;		/* invalid: the slot is free */
	Oid			extension;
	int64		id;
	int			kind;
	TimestampTz ended_at;		/* of the job, or of its worker; 0: it runs */

	/* atomics */
	pg_atomic_uint32 state;		/* TridentJobState */
	pg_atomic_uint32 canceled;
	pg_atomic_uint64 started_at;
	pg_atomic_uint64 counters[TRIDENT_JOB_COUNTERS];

	/* the worker's own */
	TimestampTz notified_at;
} TridentJobSlot;

typedef struct TridentJobShared
{
	ConditionVariable changed;	/* a state is another */
	TridentJobSlot slots[TRIDENT_JOB_SLOTS];
} TridentJobShared;

extern TridentJobShared *trident_job_shared;
extern LWLockPadded *trident_job_locks;

/* The kind of that number. */
extern const TridentJobKind *trident_job_kind(int kind);

/* The number of the kind of that name; -1: there is none. */
extern int	trident_job_kind_number(const char *name);

/* The slot of a job of this database, or -1.  Takes the lock. */
extern int	trident_job_slot_find(int64 id);

/*
 * Ask for the end of a job of this database; false: it does not run.  Takes
 * the lock.
 */
extern bool trident_job_slot_cancel(int64 id);

/* A slot for a job of this database that begins, or -1.  Takes the lock. */
extern int	trident_job_slot_take(int64 id, int kind);

/*
 * Give up the slots of jobs of this kind and database that run; called by a
 * worker that begins or ends.  One whose end was asked for is kept, its job
 * waits, and trident_job_slot_take() for it finds the request.  Takes the lock.
 */
extern void trident_job_slot_release(int kind);

/* The word for a state, and the state for a word. */
extern const char *trident_job_state_name(TridentJobState state);

/* Counters as JSON: {"folders": 3, ...}; palloc'd. */
extern char *trident_job_counters_json(int slot);

#endif							/* TRIDENT_JOB_SLOT_H */
