/*
 * worker_entry.h
 *	  What shared memory holds of workers: for base/worker_*.c alone.
 *
 * An entry is one worker of one database, running or not.  It outlives the
 * process, so that the view can show why there is none.  States:
 *
 *	free -> idle		a backend or a probe names it for the first time
 *	idle -> starting	the launcher registers the process ("wanted" is set)
 *	starting -> running	the process has taken the entry over
 *	running -> ready	it serves
 *	any -> idle			it ended because it was to end, or had nothing to do
 *	any -> failed		it ended otherwise, or could not be started; the
 *						launcher tries again at retry_at while it is wanted
 *	any -> free			the database or the extension is gone
 *
 * "live" is starting, running or ready.  Each start has a generation of its
 * own, so that a late process of an earlier start finds that it is not meant.
 *
 * A hold stops what runs in a database and lets nothing start there, as long
 * as the transaction that placed it is in progress; a watch only has the
 * launcher look at the database when that transaction is over.
 *
 * Locks: all of it is protected by the one LWLock of the area, held for short
 * and never across a call that can fail, except "ready" and "latch", which are
 * read without.  "changed" is broadcast, after the lock is released, whenever
 * the state of an entry changes.
 */
#ifndef TRIDENT_BASE_WORKER_ENTRY_H
#define TRIDENT_BASE_WORKER_ENTRY_H

#include "nodes/pg_list.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/lwlock.h"

#include "base/worker.h"

typedef enum TridentBaseWorkerState
{
	TRIDENT_BASE_WORKER_FREE,
	TRIDENT_BASE_WORKER_IDLE,
	TRIDENT_BASE_WORKER_STARTING,
	TRIDENT_BASE_WORKER_RUNNING,
	TRIDENT_BASE_WORKER_READY,
	TRIDENT_BASE_WORKER_FAILED
} TridentBaseWorkerState;

typedef struct TridentBaseWorkerEntry
{
	/* what it is; fixed while it is not free */
	Oid			database;
	Oid			extension;		/* InvalidOid for a probe */
	int			kind;
	int			number;

	Oid			schema;			/* the extension's, as its last worker found
								 * it: tells the extension as well */
	TridentBaseWorkerState state;
	uint32		generation;		/* of the last start; 0: never started */
	bool		wanted;			/* the launcher is to keep it running, or to
								 * start another when it has ended */
	bool		stop;			/* it was told to end */
	pid_t		pid;			/* 0 unless running or ready */
	Latch	   *latch;			/* of the last process; valid memory for ever,
								 * so that who wakes it need not lock */
	pg_atomic_uint32 ready;		/* its generation while ready, else 0 */

	int64		starts;
	int			failures;		/* in a row */
	TimestampTz started_at;
	TimestampTz retry_at;		/* when failed: not before */

	/* the last error; sqlstate 0: none yet */
	int			sqlstate;
	TimestampTz error_at;
	char		error[256];
	char		hint[160];
	char		activity[128];
} TridentBaseWorkerEntry;

/* A command in progress that concerns the workers of a database. */
typedef struct TridentBaseWorkerHold
{
	Oid			database;		/* InvalidOid: not in use */
	bool		stops;			/* a hold; else a watch */
	VirtualTransactionId vxid;	/* of the transaction that placed it */
} TridentBaseWorkerHold;

#define TRIDENT_BASE_WORKER_HOLDS 64

typedef struct TridentBaseWorkerShared
{
	pid_t		launcher_pid;	/* 0: not there */
	Latch	   *launcher_latch;
	TimestampTz launcher_started_at;
	bool		probe_all;		/* the launcher is to probe every database */
	uint32		generation;		/* the last one given out */
	ConditionVariable changed;
	TridentBaseWorkerHold holds[TRIDENT_BASE_WORKER_HOLDS];
	int			nentries;
	TridentBaseWorkerEntry entries[FLEXIBLE_ARRAY_MEMBER];
} TridentBaseWorkerShared;

#define TRIDENT_BASE_WORKER_MAX_KINDS 8

/* Kind 0, defined by worker_probe.c. */
#define TRIDENT_BASE_WORKER_PROBE 0

/* --- worker_entry.c --- */

/* NULL when not preloaded. */
extern TridentBaseWorkerShared *trident_base_worker_shared;
extern LWLockPadded *trident_base_worker_lock;

#define TridentBaseWorkerLock() \
	LWLockAcquire(&trident_base_worker_lock[0].lock, LW_EXCLUSIVE)
#define TridentBaseWorkerLockShared() \
	LWLockAcquire(&trident_base_worker_lock[0].lock, LW_SHARED)
#define TridentBaseWorkerUnlock() \
	LWLockRelease(&trident_base_worker_lock[0].lock)

extern void trident_base_worker_entry_init(void);

static inline bool
trident_base_worker_live(const TridentBaseWorkerEntry *entry)
{
	return entry->state == TRIDENT_BASE_WORKER_STARTING ||
		entry->state == TRIDENT_BASE_WORKER_RUNNING ||
		entry->state == TRIDENT_BASE_WORKER_READY;
}

/* With the lock held (exclusively for _get): the entry; NULL: none, or full. */
extern TridentBaseWorkerEntry *trident_base_worker_entry_find(Oid database,
															  Oid extension,
															  int kind,
															  int number);
extern TridentBaseWorkerEntry *trident_base_worker_entry_get(Oid database,
															 Oid extension,
															 int kind,
															 int number);

/* With the lock held exclusively: the process failed, or never started. */
extern void trident_base_worker_entry_fail(TridentBaseWorkerEntry *entry);

/* With the lock held exclusively: keep an error to show; hint may be NULL. */
extern void trident_base_worker_entry_error(TridentBaseWorkerEntry *entry,
											int sqlstate, const char *message,
											const char *hint);

/*
 * Without the lock: the workers of that kind are wanted, from number 0 to how
 * many there may be; the launcher is told.  Nothing happens without room.
 */
extern void trident_base_worker_want(Oid database, Oid extension, int kind);

/* With the lock held: does a hold lie on the database? */
extern bool trident_base_worker_held(Oid database);

/* Wake the launcher, and all who wait for a change.  Without the lock. */
extern void trident_base_worker_wake_launcher(void);
extern void trident_base_worker_changed(void);

/* --- worker.c --- */

extern const TridentBaseWorkerKind *trident_base_worker_kind(int kind);
extern int	trident_base_worker_kind_count(void);

/* How many of a kind a database may have now. */
extern int	trident_base_worker_kind_number(int kind);

/* May one start now?  Not on a standby, unless the kind says so. */
extern bool trident_base_worker_kind_allowed(int kind);

/* --- worker_main.c --- */

/* Raise an error unless the extension has the version of this library. */
extern void trident_base_worker_check_version(Oid extension_oid);

/* --- worker_stop.c --- */

/*
 * Tell the workers of a database to end: those of one kind, or of all (-1),
 * but for the caller.  Wait until they have, at most timeout_ms; after half of
 * it they get a signal.  True: none is live any more.
 */
extern bool trident_base_worker_stop(Oid database, int kind, int timeout_ms);

/* Place a hold or a watch by the current transaction. */
extern void trident_base_worker_hold(Oid database, bool stops);

/*
 * Remove holds and watches whose transaction is over.  Returns the OIDs of
 * their databases, which are to be probed; *left: are there others?
 */
extern List *trident_base_worker_sweep_holds(bool *left);

/* --- worker_ddl.c, worker_probe.c, worker_launcher.c --- */

extern void trident_base_worker_ddl_init(void);
extern const TridentBaseWorkerKind trident_base_worker_probe_kind;
extern void trident_base_worker_launcher_init(void);

/* --- worker_test.c: a kind for tests; nothing without fault points --- */

extern void trident_base_worker_test_init(void);

#endif							/* TRIDENT_BASE_WORKER_ENTRY_H */
