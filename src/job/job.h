/*
 * job.h
 *	  Jobs: long work that a worker does for a role, with progress.
 *
 * A folder defines a kind of job from _PG_init and has a kind of worker that
 * does them.  A backend submits one: a row of trident.job_record, which the
 * worker sees, and is woken for, when the transaction commits; a rollback
 * takes it back.  The worker claims waiting jobs, counts in shared memory
 * while it works, and finishes each.  Whoever waits reads state and counters
 * from there, and so sees them whatever the snapshot of its transaction.
 *
 * states	waiting -> running -> done | failed | canceled
 *			running -> waiting when the worker ended meanwhile: trident_job_
 *			leave(), or recover() called by the next one.  A job that was
 *			begun too often fails instead, so that one that brings the worker
 *			down ends; beginnings that the worker ended in order do not count.
 * counters	begin at 0 with each attempt, but for those that its kind carries
 *			over: they go on from where they were saved.
 * locks	the area's one LWLock guards which slot is whose; counters are
 *			atomics; a condition variable tells that a state has changed.
 * keys		slots belong to (database, extension, job): a re-created extension
 *			finds none.
 */
#ifndef TRIDENT_JOB_JOB_H
#define TRIDENT_JOB_JOB_H

/* Counters of one kind, at most. */
#define TRIDENT_JOB_COUNTERS 16

typedef struct TridentJobKind
{
	const char *name;			/* "ingest" */
	int			worker;			/* kind of worker that does them */
	int			ncounters;
	const char *counters[TRIDENT_JOB_COUNTERS]; /* names, for people */
	int			done;			/* which counter tells what is done ... */
	int			total;			/* ... and which of how much, so far known */
	uint32		carried;		/* bit per counter: an attempt goes on with the
								 * one before it, as saved */
} TridentJobKind;

/* A job that a worker has claimed. */
typedef struct TridentJob
{
	int64		id;
	Oid			owner;			/* the role that it is done for */
	char	   *arguments;		/* JSON, palloc'd in the context of the claim */
	int			attempt;		/* 1 the first time it is begun */
	int			slot;
} TridentJob;

/* How a job ended. */
typedef enum TridentJobState
{
	TRIDENT_JOB_WAITING,
	TRIDENT_JOB_RUNNING,
	TRIDENT_JOB_DONE,
	TRIDENT_JOB_FAILED,
	TRIDENT_JOB_CANCELED
} TridentJobState;

/* Why a job has failed; strings may be empty. */
typedef struct TridentJobError
{
	int			sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
} TridentJobError;

/* --- from _PG_init --- */

extern void trident_job_init(void);

/* Define a kind, kept by reference; returns its number. */
extern int	trident_job_define(const TridentJobKind *kind);

/* --- in backends --- */

/*
 * Submit a job for the current role; its id.  It begins when the transaction
 * commits.  An error when the library is not preloaded.
 */
extern int64 trident_job_submit(int kind, const char *arguments);

/* --- in the worker; transactions are the caller's --- */

/* At the start: what an earlier worker left running waits again.  Commits. */
extern void trident_job_recover(int kind);

/*
 * Once a turn: every ten minutes forget the jobs of this kind that ended longer
 * ago than trident.job_retention.  Commits.
 */
extern void trident_job_prune(int kind);

/*
 * At the end, after trident_base_worker_turn() has said so: what runs waits
 * again, and that it was begun does not count; if jobs wait, another worker is
 * asked for.  Left to trident_job_recover() where the table cannot be locked
 * at once, as when the extension is being dropped.  Commits.
 */
extern void trident_job_leave(int kind);

/*
 * In a transaction: claim a job, if there is one and room for it: the longest
 * waiting one of the owner of whose jobs the fewest run, and fewer than share.
 * It counts as running for others once the transaction has committed.
 */
extern bool trident_job_claim(int kind, int share, TridentJob *job);

/* Set a counter, add to one. */
extern void trident_job_set(const TridentJob *job, int counter, int64 value);
extern void trident_job_add(const TridentJob *job, int counter, int64 value);

/*
 * Has somebody asked for its end?  That stays asked when the worker ends in
 * between, and is forgotten in a crash of the server.
 */
extern bool trident_job_is_canceled(const TridentJob *job);

/*
 * In a transaction: NOTIFY trident_job with id, state and counters, unless
 * that was done less than half a second ago.
 */
extern void trident_job_notify(const TridentJob *job);

/*
 * In a transaction: save the counters as they are, for an attempt after this
 * one.  What is counted by then is what the transaction makes true.
 */
extern void trident_job_save(const TridentJob *job);

/* In a transaction: record how it ended, and NOTIFY. */
extern void trident_job_finish(const TridentJob *job, TridentJobState state,
							   const TridentJobError *error);

/* After that transaction has committed: tell those who wait. */
extern void trident_job_publish(const TridentJob *job, TridentJobState state);

#endif							/* TRIDENT_JOB_JOB_H */
