/*
 * worker_stop.c
 *	  Stopping the workers of a database, and keeping them stopped as long as
 *	  a transaction is in progress.
 *
 * A command that needs a database without connections, or changes the
 * extension, places a hold and stops the workers before it goes on.  The
 * launcher sees when the transaction that placed a hold is over, committed or
 * not, removes it and probes the database: what is then needed starts again.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/wait.h"
#include "base/worker_entry.h"

static uint32 event_stop = 0;

/* Is a live worker of these left, other than the caller? */
static bool
any_left(Oid database, int kind, bool mark, bool signal)
{
	bool		left = false;

	TridentBaseWorkerLock();
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (!trident_base_worker_live(entry) || entry->database != database ||
			(kind >= 0 && entry->kind != kind) || entry->pid == MyProcPid)
			continue;
		left = true;
		if (mark)
		{
			entry->stop = true;
			if (entry->latch)
				SetLatch(entry->latch);
		}
		/* under the lock: the process is there, and not another of its pid */
		if (signal && entry->pid != 0)
			(void) kill(entry->pid, SIGTERM);
	}
	TridentBaseWorkerUnlock();
	return left;
}

bool
trident_base_worker_stop(Oid database, int kind, int timeout_ms)
{
	TimestampTz begin = GetCurrentTimestamp();
	bool		signaled = false;
	bool		left;

	if (!any_left(database, kind, true, false))
		return true;
	trident_base_wait_event(&event_stop, "TridentWorkerStop");
	ConditionVariablePrepareToSleep(&trident_base_worker_shared->changed);
	while ((left = any_left(database, kind, false, false)))
	{
		long		spent = TimestampDifferenceMilliseconds(begin, GetCurrentTimestamp());
		long		until = signaled ? timeout_ms : timeout_ms / 2;

		if (spent >= timeout_ms)
			break;
		if (spent >= until)
		{
			(void) any_left(database, kind, false, true);
			signaled = true;
			continue;
		}
		(void) ConditionVariableTimedSleep(&trident_base_worker_shared->changed,
										   until - spent, event_stop);
	}
	ConditionVariableCancelSleep();
	return !left;
}

/* A place for a hold; NULL: all are in use. */
static TridentBaseWorkerHold *
free_hold(void)
{
	for (int i = 0; i < TRIDENT_BASE_WORKER_HOLDS; i++)
		if (!OidIsValid(trident_base_worker_shared->holds[i].database))
			return &trident_base_worker_shared->holds[i];
	return NULL;
}

/* Has this transaction placed the same before? */
static bool
is_placed(const TridentBaseWorkerHold *wanted)
{
	for (int i = 0; i < TRIDENT_BASE_WORKER_HOLDS; i++)
	{
		TridentBaseWorkerHold *hold = &trident_base_worker_shared->holds[i];

		if (hold->database == wanted->database &&
			hold->stops == wanted->stops &&
			VirtualTransactionIdEquals(hold->vxid, wanted->vxid))
			return true;
	}
	return false;
}

void
trident_base_worker_hold(Oid database, bool stops)
{
	TridentBaseWorkerHold wanted = {.database = database, .stops = stops};
	bool		placed = false;

	GET_VXID_FROM_PGPROC(wanted.vxid, *MyProc);
	for (int attempt = 0; attempt < 2 && !placed; attempt++)
	{
		TridentBaseWorkerHold *hold;

		TridentBaseWorkerLock();
		placed = is_placed(&wanted);
		hold = placed ? NULL : free_hold();
		if (hold)
		{
			*hold = wanted;
			placed = true;
		}
		TridentBaseWorkerUnlock();
		if (!placed)
		{
			bool		left;

			/* the launcher is late, or gone: it will have to look at all */
			list_free(trident_base_worker_sweep_holds(&left));
			TridentBaseWorkerLock();
			trident_base_worker_shared->probe_all = true;
			TridentBaseWorkerUnlock();
		}
	}
	if (!placed)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many commands in progress that stop workers of trident"),
				 errhint("Try again when one of the others has ended.")));
	trident_base_worker_wake_launcher();
}

List *
trident_base_worker_sweep_holds(bool *left)
{
	TridentBaseWorkerHold holds[TRIDENT_BASE_WORKER_HOLDS];
	List	   *databases = NIL;

	*left = false;
	TridentBaseWorkerLockShared();
	memcpy(holds, trident_base_worker_shared->holds, sizeof(holds));
	TridentBaseWorkerUnlock();

	for (int i = 0; i < TRIDENT_BASE_WORKER_HOLDS; i++)
	{
		TridentBaseWorkerHold *hold = &trident_base_worker_shared->holds[i];

		if (!OidIsValid(holds[i].database))
			continue;
		/* takes locks of its own, so not under ours */
		if (!VirtualXactLock(holds[i].vxid, false))
		{
			*left = true;
			continue;
		}
		TridentBaseWorkerLock();
		if (hold->database == holds[i].database &&
			VirtualTransactionIdEquals(hold->vxid, holds[i].vxid))
			hold->database = InvalidOid;
		TridentBaseWorkerUnlock();
		databases = list_append_unique_oid(databases, holds[i].database);
	}
	return databases;
}
