/*
 * worker_main.c
 *	  Inside a worker: how it begins, its turn of the loop, how it ends.
 *
 * The process takes its entry over before it connects, so that whoever stops
 * the workers of a database finds it or keeps it from connecting.  However it
 * ends short of a crash, which resets shared memory, the exit callback puts
 * the entry into its last state.
 *
 * SIGTERM (pg_terminate_backend(), shutdown) lets the loop end at its next
 * turn, without a word in the log; a transaction is interrupted as in any
 * backend.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/wait.h"
#include "base/worker_entry.h"

/* How the process ends. */
typedef enum
{
	END_SIGNAL,					/* it was terminated, or nothing is known */
	END_ERROR,					/* an error, recorded */
	END_DONE,					/* as it was to end, or it was not needed */
	END_GONE					/* the same, and the entry is free again */
} End;

static TridentBaseWorkerEntry *me = NULL;
static TridentBaseWorker self;
static const TridentBaseWorkerKind *kind = NULL;
static Oid	extension = InvalidOid;
static End	end = END_SIGNAL;
static bool is_ending = false;	/* it has been told so by _turn() */
static bool is_unwanted = false;	/* for lack of work */
static TimestampTz busy_at = 0;

PGDLLEXPORT void trident_base_worker_main(Datum arg);

TridentBaseWorker
trident_base_worker_self(void)
{
	return self;
}

Oid
trident_base_worker_extension(void)
{
	return extension;
}

static void
on_terminate(SIGNAL_ARGS)
{
	int			save_errno = errno;

	ShutdownRequestPending = true;
	SetLatch(MyLatch);
	if (IsTransactionState())
		die(postgres_signal_arg);
	errno = save_errno;
}

/* A cancel is for a statement: where there is none it means nothing. */
static void
on_cancel(SIGNAL_ARGS)
{
	if (IsTransactionState())
		StatementCancelHandler(postgres_signal_arg);
}

/* Is the entry still the one of this start? */
static bool
is_mine(void)
{
	return me->generation == self.generation && trident_base_worker_live(me);
}

static void
worker_exit(int code, Datum arg)
{
	TridentBaseWorkerLock();
	if (is_mine())
	{
		pg_atomic_write_u32(&me->ready, 0);
		if (end == END_SIGNAL)
			trident_base_worker_entry_error(me, ERRCODE_ADMIN_SHUTDOWN,
											"worker was terminated", NULL);
		if (end == END_GONE)
			me->state = TRIDENT_BASE_WORKER_FREE;
		else if (end == END_DONE || me->stop)
		{
			me->state = TRIDENT_BASE_WORKER_IDLE;
			me->failures = 0;
			/* who has asked since it decided to end wants another */
			if (!is_unwanted || me->stop)
				me->wanted = false;
		}
		else
			trident_base_worker_entry_fail(me);
		me->pid = 0;
		me->activity[0] = '\0';
	}
	TridentBaseWorkerUnlock();
	trident_base_worker_changed();
}

/* Take the entry over; false: this start is not wanted any longer. */
static bool
attach(int number_of_entry)
{
	bool		wanted;

	memcpy(&self.generation, MyBgworkerEntry->bgw_extra, sizeof(self.generation));
	self.entry = number_of_entry;
	me = &trident_base_worker_shared->entries[number_of_entry];

	TridentBaseWorkerLock();
	wanted = is_mine() && me->state == TRIDENT_BASE_WORKER_STARTING;
	if (wanted)
	{
		kind = trident_base_worker_kind(me->kind);
		extension = me->extension;
		me->pid = MyProcPid;
		me->latch = MyLatch;
		me->state = TRIDENT_BASE_WORKER_RUNNING;
		if (me->stop || trident_base_worker_held(me->database))
		{
			wanted = false;
			end = END_DONE;
		}
	}
	TridentBaseWorkerUnlock();
	before_shmem_exit(worker_exit, (Datum) 0);
	return wanted;
}

void
trident_base_worker_check_version(Oid extension_oid)
{
	char	   *version = trident_base_extension_version(extension_oid);

	if (version == NULL || strcmp(version, TRIDENT_BASE_VERSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"trident\" has version %s here, but the library that the server loaded has %s",
						version ? version : "(none)", TRIDENT_BASE_VERSION),
				 errhint("Run ALTER EXTENSION trident UPDATE in this database; if the library is the older one, restart the server with the new one.")));
}

/*
 * Is the extension the one meant?  Then in the version that this library
 * serves.  One asked for before it was dropped is nobody's need any longer.
 */
static bool
check_extension(void)
{
	Oid			schema = InvalidOid;

	trident_base_worker_begin(0);
	if (trident_base_extension_oid() == extension)
	{
		trident_base_worker_check_version(extension);
		schema = get_namespace_oid("trident", false);
	}
	trident_base_worker_commit();
	TridentBaseWorkerLock();
	me->schema = schema;
	TridentBaseWorkerUnlock();
	return OidIsValid(schema);
}

/* Connect, run the kind's body, and keep the error that leaves it. */
static void
run_kind(void)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		if (me->kind != TRIDENT_BASE_WORKER_PROBE && !check_extension())
			end = END_GONE;
		else
		{
			busy_at = GetCurrentTimestamp();
			kind->run(me->number);
			/* terminated is not stopped: it is wanted again */
			if (!ShutdownRequestPending || me->stop)
				end = me->kind == TRIDENT_BASE_WORKER_PROBE ? END_GONE : END_DONE;
		}
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		trident_base_worker_record(error);
		end = END_ERROR;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Where every worker of trident begins; the argument is its entry. */
void
trident_base_worker_main(Datum arg)
{
	Oid			database;

	pqsignal(SIGTERM, on_terminate);
	pqsignal(SIGINT, on_cancel);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	if (!attach(DatumGetInt32(arg)))
		proc_exit(0);
	database = me->database;
	/* libraries look up names of hosts while everybody waits: not for long */
	setenv("RES_OPTIONS", "timeout:1 attempts:2", 0);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	/* what it runs finds its objects by their full names only */
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	run_kind();
	proc_exit(0);
}

void
trident_base_worker_ready(void)
{
	TridentBaseWorkerLock();
	me->state = TRIDENT_BASE_WORKER_READY;
	(void) pg_atomic_exchange_u32(&me->ready, self.generation);
	TridentBaseWorkerUnlock();
	trident_base_worker_changed();
}

void
trident_base_worker_retract(void)
{
	/* a full barrier: what is read after this was written before */
	(void) pg_atomic_exchange_u32(&me->ready, 0);
}

void
trident_base_worker_busy(void)
{
	busy_at = GetCurrentTimestamp();
}

static bool
is_idle_too_long(void)
{
	int			timeout_ms = kind->idle_timeout_ms ? *kind->idle_timeout_ms : 0;

	return timeout_ms > 0 &&
		TimestampDifferenceExceeds(busy_at, GetCurrentTimestamp(), timeout_ms);
}

/*
 * It ends for lack of work.  What was asked for until here it finds when it
 * looks once more; who asks from here on gets another worker.
 */
static void
end_unwanted(void)
{
	TridentBaseWorkerLock();
	me->wanted = false;
	TridentBaseWorkerUnlock();
	is_unwanted = true;
}

bool
trident_base_worker_turn(void)
{
	bool		stop;
	bool		is_told;

	Assert(!IsTransactionState());
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	AcceptInvalidationMessages();
	(void) pgstat_report_stat(false);

	/* set once and for this start alone: a stale look costs one turn */
	is_told = me->stop || ShutdownRequestPending;
	stop = is_told || is_idle_too_long();
	if (stop)
		trident_base_worker_retract();
	if (stop && !is_told)
		end_unwanted();
	is_ending = stop;
	return !stop;
}

void
trident_base_worker_activity(const char *activity)
{
	pgstat_report_activity(STATE_RUNNING, activity);
	TridentBaseWorkerLock();
	strlcpy(me->activity, activity, sizeof(me->activity));
	TridentBaseWorkerUnlock();
}

void
trident_base_worker_record(const ErrorData *error)
{
	TridentBaseWorkerLock();
	if (is_mine())
		trident_base_worker_entry_error(me, error->sqlerrcode,
										error->message ? error->message : "",
										error->hint);
	TridentBaseWorkerUnlock();
}

void
trident_base_worker_begin(int timeout_ms)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	/* a signal that came before interrupts nothing; from here on it does */
	if (ShutdownRequestPending && !is_ending)
		proc_exit(0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
	if (timeout_ms > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, timeout_ms);
}

void
trident_base_worker_commit(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	QueryCancelPending = false; /* one that came too late */
}

void
trident_base_worker_abort(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	AbortCurrentTransaction();
	QueryCancelPending = false;
}
