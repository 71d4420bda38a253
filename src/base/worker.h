/*
 * worker.h
 *	  Background workers of trident: what a folder defines, what a backend
 *	  asks for, what the worker itself calls.
 *
 * A kind of worker is defined by its folder from _PG_init.  Of each kind a
 * database has at most one worker, or as many as the kind's setting says,
 * numbered from 0; they belong to (database, extension), so that a re-created
 * extension inherits none.  The launcher, one process a server, starts them:
 * when a backend asks, and when the probe of the kind says that the database
 * needs one (at server start, after promotion, after CREATE, ALTER or DROP
 * EXTENSION, and every trident.worker_probe_interval).  It starts a failed one
 * again, later each time.  What becomes of workers when databases and
 * extensions come and go is in worker_ddl.c; states are in worker_entry.h.
 */
#ifndef TRIDENT_BASE_WORKER_H
#define TRIDENT_BASE_WORKER_H

#include "datatype/timestamp.h"

#include "base/compat.h"

/*
 * A kind of worker.  Static: it is kept by reference.
 *
 * "run" is the body: called connected to the database, outside transactions,
 * after the versions of library and extension were compared.  It makes itself
 * ready, calls trident_base_worker_ready(), then loops on
 * trident_base_worker_turn(), and returns when that says false: the process
 * then ends.  An error that leaves it ends the process too, is shown in
 * trident.stat_worker, and the launcher starts the worker again.
 *
 * "probe" is SQL of one row and one boolean column, run with the rights of a
 * superuser and search_path = pg_catalog, pg_temp, where the extension is
 * there in the library's version: does this database need the worker now?
 */
typedef struct TridentBaseWorkerKind
{
	const char *name;			/* "exchange": bgw_type is "trident exchange" */
	void		(*run) (int number);
	const char *probe;			/* NULL: started only when asked for */
	const int  *count;			/* setting: how many; NULL: one */
	const int  *idle_timeout_ms;	/* setting: ends after so long without
									 * work; NULL or 0: never */
	bool		on_standby;		/* also while the server is a standby? */
} TridentBaseWorkerKind;

#define TRIDENT_BASE_WORKER_MAX_NUMBER 16	/* of one kind in a database */

/* --- from _PG_init --- */

/* Shared memory, hooks and the launcher; before any kind is defined. */
extern void trident_base_worker_init(void);

/* Define a kind; returns the number by which all calls here name it. */
extern int	trident_base_worker_define(const TridentBaseWorkerKind *kind);

/* --- in backends --- */

/* One run of one worker: entry and generation of it never come back. */
typedef struct TridentBaseWorker
{
	int			entry;
	uint32		generation;		/* never 0 */
} TridentBaseWorker;

/* Why there is no worker.  Strings are palloc'd or constant. */
typedef struct TridentBaseWorkerFailure
{
	int			sqlstate;
	const char *message;		/* a primary message */
	const char *detail;			/* or NULL */
	const char *hint;			/* or NULL */
} TridentBaseWorkerFailure;

/*
 * The ready worker of that kind and number of this database; false when there
 * is none at the moment.  No lock, no wait, no start: for every request.  In
 * a transaction.
 */
extern bool trident_base_worker_find(int kind, int number,
									 TridentBaseWorker *worker);

/*
 * The same, but asks the launcher to start one, and waits until it is ready,
 * at most timeout_ms.  On false, *failure says why.  Handles interrupts while
 * it waits: may throw.
 */
extern bool trident_base_worker_ensure(int kind, int number, int timeout_ms,
									   TridentBaseWorker *worker,
									   TridentBaseWorkerFailure *failure);

/* Raise that failure as an error. */
extern void trident_base_worker_fail(const TridentBaseWorkerFailure *failure)
			pg_attribute_noreturn();

/*
 * Ask the launcher to start one when the current transaction has committed;
 * nothing happens on rollback.  For work that is found in tables then.
 */
extern void trident_base_worker_start_at_commit(int kind);

/* Is this run still ready?  No lock. */
extern bool trident_base_worker_alive(const TridentBaseWorker *worker);

/* Set its latch; false if this run is over.  No lock. */
extern bool trident_base_worker_wake(const TridentBaseWorker *worker);

/* --- in the worker --- */

/* Which run am I?  For what others are to find in a folder's shared memory. */
extern TridentBaseWorker trident_base_worker_self(void);

/* OID of the extension that I serve; the database is MyDatabaseId. */
extern Oid	trident_base_worker_extension(void);

/* Publish: from here on _find() finds me, and those who wait are woken. */
extern void trident_base_worker_ready(void);

/*
 * Once a turn of the loop, outside transactions: handles interrupts, reloads
 * settings, accepts invalidations, reports statistics.  False: stop now.
 * Before it says false it has taken back "ready", so that what came in until
 * then is complete: look once more at what was submitted and answer it (do
 * it, or let it fail in the way that makes the backend ask again), then
 * return from run.
 */
extern bool trident_base_worker_turn(void);

/*
 * Not ready any more: _find() finds me no longer.  _turn() does it before it
 * says false; an exit callback of the kind's own calls it first, since an
 * error or a signal may end the process without another turn.
 */
extern void trident_base_worker_retract(void);

/* There was work: the time for idle_timeout_ms begins anew. */
extern void trident_base_worker_busy(void);

/* What I am doing, for pg_stat_activity and trident.stat_worker. */
extern void trident_base_worker_activity(const char *activity);

/*
 * Record an error that was handled, to be shown as the last one.  ErrorData
 * as CopyErrorData() gives it; message and SQLSTATE are kept.
 */
struct ErrorData;
extern void trident_base_worker_record(const struct ErrorData *error);

/*
 * A transaction with a snapshot and SPI connected, that ends with an error
 * after timeout_ms (0: no limit); and its end.  An error in it is left to
 * end the process, or caught and followed by _abort().
 */
extern void trident_base_worker_begin(int timeout_ms);
extern void trident_base_worker_commit(void);
extern void trident_base_worker_abort(void);

#endif							/* TRIDENT_BASE_WORKER_H */
