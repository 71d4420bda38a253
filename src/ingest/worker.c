/*
 * worker.c
 *	  The ingest worker: one process, one event loop, all jobs of a database.
 *
 * A turn claims jobs, moves every run as far as it goes, writes rows, and
 * waits for sockets, the latch, or the next thing that is due.  Nothing in it
 * blocks on a network but the look-up of a host's name.
 *
 * An error in a run's transaction fails that run only.  When the worker is to
 * end, runs are left as they are, their jobs wait again, and the next worker
 * begins them anew; what is written by then is not read again.
 *
 * Sources that change: an invalidation of a foreign server or a user mapping
 * makes every run look its source up again, which fails where it is gone or
 * the right to it; where it leads elsewhere the run connects anew.
 */
#include "postgres.h"

#include "access/xact.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/sql.h"
#include "base/wait.h"
#include "base/worker.h"
#include "ingest/ingest.h"
#include "ingest/run.h"
#include "ingest/start.h"
#include "job/job.h"

/*
 * Jobs that run at the same time; others wait their turn.  A role gets another
 * one as long as it has fewer than are left for all: half of them where nobody
 * else wants any, half of the rest is for the next role that comes, and so on.
 */
#define RUNS_MAX 16

/* Rows are written when there are so many, or the first is so old. */
#define FLUSH_ROWS 500
#define FLUSH_MS 150

/* Without any event: look for jobs that nobody woke us for. */
#define IDLE_MS 5000

/* A run that waits for nothing but time (retry, bandwidth) is looked at. */
#define TICK_MS 50

static void run_worker(int number);

static TridentBaseWorkerKind worker_kind = {
	.name = "ingest",
	.run = run_worker,
	.probe = "SELECT EXISTS (SELECT FROM trident.job_record"
	" WHERE kind = 'ingest' AND state IN ('waiting', 'running'))",
	.idle_timeout_ms = &trident_base_ingest_worker_timeout
};

static TridentJobKind job_kind = {
	.name = "ingest",
	.ncounters = TRIDENT_INGEST_NCOUNTERS,
	.counters = {
		"folders", "folders_total", "images", "images_total", "unchanged", "points",
		"errors", "bytes", "connections_opened", "connections_reused", "saved_ms", "retries"
	},
	.done = TRIDENT_INGEST_IMAGES,
	.total = TRIDENT_INGEST_IMAGES_TOTAL,
	/* What a next attempt does not find again among the unchanged. */
	.carried = 1 << TRIDENT_INGEST_POINTS | 1 << TRIDENT_INGEST_BYTES |
	1 << TRIDENT_INGEST_OPENED | 1 << TRIDENT_INGEST_REUSED |
	1 << TRIDENT_INGEST_SAVED_MS | 1 << TRIDENT_INGEST_RETRIES
};

static int	job_number;
static dlist_head runs;
static int	nruns = 0;

/* Invalidations of sources not yet seen to: their hashes, 0 for all. */
#define CHANGES_MAX 16
static uint32 changes[CHANGES_MAX];
static int	nchanges = 0;

void
trident_ingest_init(void)
{
	job_kind.worker = trident_base_worker_define(&worker_kind);
	job_number = trident_job_define(&job_kind);
}

int
trident_ingest_job_kind(void)
{
	return job_number;
}

static void
on_source_changed(Datum arg, int cache, uint32 hash)
{
	if (hash == 0 || nchanges == CHANGES_MAX)
	{
		changes[0] = 0;
		nchanges = 1;
	}
	else
		changes[nchanges++] = hash;
}

/* What an error says, as the failure of a run. */
static void
failure_of_error(TridentIngestFailure *failure, const ErrorData *error)
{
	trident_ingest_fail(failure, TRIDENT_INGEST_FAILURE_PERMANENT, error->sqlerrcode, "%s",
						error->message ? error->message : "error without a message");
	if (error->detail)
		trident_ingest_fail_detail(failure, "%s", error->detail);
	if (error->hint)
		trident_ingest_fail_hint(failure, "%s", error->hint);
}

/*
 * In a PG_CATCH: end the transaction, and let the run fail by its error.  That
 * may have come while an answer was handed on, in the middle of a packet: no
 * other run gets its connections.
 */
static void
catch_error(TridentIngestRun *run)
{
	ErrorData  *error;

	MemoryContextSwitchTo(run->context);
	error = CopyErrorData();
	FlushErrorState();
	trident_base_worker_abort();
	MemoryContextSwitchTo(run->context);
	trident_base_worker_record(error);
	trident_ingest_lane_leave(run, false);
	failure_of_error(&run->failure, error);
	run->is_over = true;
	run->state = TRIDENT_JOB_FAILED;
	FreeErrorData(error);
}

/* The source as the job's owner may use it now; an error if not at all. */
static TridentIngestSource *
load_source(TridentIngestRun *run)
{
	TridentIngestSource *source;

	trident_base_worker_begin(0);
	MemoryContextSwitchTo(run->context);
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(run->job.owner)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that the job is done for was dropped"),
				 errhint("Submit the job as another role.")));
	source = trident_ingest_source_load(run->options.source, run->job.owner,
										&run->options.settings);
	trident_base_worker_commit();
	MemoryContextSwitchTo(run->context);
	return source;
}

/* Make the run of a job that was claimed. */
static TridentIngestRun *
make_run(const TridentJob *job, MemoryContext context)
{
	TridentIngestRun *run = palloc0(sizeof(TridentIngestRun));
	HASHCTL		control = {0};

	run->context = context;
	run->job = *job;
	run->pool = trident_ingest_lane_pool();
	control.keysize = sizeof(uint64) * 2;
	control.entrysize = sizeof(TridentIngestKnown);
	control.hcxt = context;
	run->known = hash_create("trident ingest known names", 1024, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	dlist_init(&run->lanes);
	dlist_init(&run->folder_queue);
	dlist_init(&run->image_queue);
	dlist_init(&run->dirty);
	initStringInfo(&run->photos);
	initStringInfo(&run->errors);
	initStringInfo(&run->tried);
	run->budget_ms = run->written_ms = trident_ingest_now_ms();
	return run;
}

/* Claim a job and begin with it; false: there is none. */
static bool
begin_run(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "trident ingest run",
												  ALLOCSET_DEFAULT_SIZES);
	TridentJob	job;
	TridentIngestRun *run;
	bool		claimed;

	trident_base_worker_begin(0);
	MemoryContextSwitchTo(context);
	claimed = trident_job_claim(job_number, RUNS_MAX - nruns, &job);
	trident_base_worker_commit();
	if (!claimed)
	{
		MemoryContextDelete(context);
		return false;
	}
	MemoryContextSwitchTo(context);
	run = make_run(&job, context);
	dlist_push_tail(&runs, &run->node);
	nruns++;
	if (trident_job_is_canceled(&run->job))
	{
		run->is_over = true;
		run->state = TRIDENT_JOB_CANCELED;
		MemoryContextSwitchTo(TopMemoryContext);
		return true;
	}
	PG_TRY();
	{
		trident_base_worker_begin(0);
		MemoryContextSwitchTo(context);
		trident_ingest_start_options(job.arguments, &run->options);
		trident_base_worker_commit();
		MemoryContextSwitchTo(context);
		run->source = load_source(run);
		if (!run->options.dry_run)
			trident_ingest_write_begin(run);
		trident_ingest_crawl_begin(run);
	}
	PG_CATCH();
	{
		catch_error(run);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(TopMemoryContext);
	return true;
}

/* Does the source still lead to where it did, as the same user? */
static bool
same_source(const TridentIngestSource *a, const TridentIngestSource *b)
{
	return a->server_id == b->server_id && a->mapping_id == b->mapping_id &&
		strcmp(a->target.host, b->target.host) == 0 && a->target.port == b->target.port &&
		strcmp(a->target.user, b->target.user) == 0 &&
		trident_ingest_text_equal(a->target.host_key, b->target.host_key);
}

/* A source has changed: is it one of a run's? */
static void
check_source(TridentIngestRun *run)
{
	TridentIngestSource *source;

	PG_TRY();
	{
		source = load_source(run);
		if (!same_source(source, run->source))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("source \"%s\" was changed while the job ran", run->options.source),
					 errhint("Submit the job again: what it has read is not read again.")));
	}
	PG_CATCH();
	{
		catch_error(run);
	}
	PG_END_TRY();
}

/* Are there rows that should be written now? */
static bool
is_flush_due(const TridentIngestRun *run)
{
	if (run->options.dry_run ||
		(run->rows == 0 && dlist_is_empty(unconstify(dlist_head *, &run->dirty))))
		return false;
	return run->rows >= FLUSH_ROWS || trident_ingest_now_ms() - run->written_ms >= FLUSH_MS;
}

/* Move a run as far as it goes. */
static void
step_run(TridentIngestRun *run)
{
	trident_ingest_lane_step(run);
	if (trident_job_is_canceled(&run->job))
	{
		run->is_over = true;
		run->state = TRIDENT_JOB_CANCELED;
	}
	else if (run->failure.kind != TRIDENT_INGEST_FAILURE_NONE)
	{
		run->is_over = true;
		run->state = TRIDENT_JOB_FAILED;
	}
	else if (run->folders_open == 0 && run->images_open == 0)
	{
		run->is_over = true;
		run->state = TRIDENT_JOB_DONE;
	}
	if (run->is_over)
		return;

	/* Answers to what was asked in this step are read in the next one. */
	trident_ingest_lane_push(run);
	if (!run->options.dry_run)
		trident_ingest_write_load(run);
	if (is_flush_due(run))
		trident_ingest_write_flush(run);
}

/* The run is over: write how it ended, and forget it. */
static void
end_run(TridentIngestRun *run)
{
	trident_ingest_lane_leave(run, true);
	PG_TRY();
	{
		trident_ingest_write_end(run);
	}
	PG_CATCH();
	{
		TridentJobError error;

		/* The rows cannot be written: that the job has failed can. */
		catch_error(run);
		error.sqlstate = run->failure.sqlstate;
		error.message = run->failure.message;
		error.detail = run->failure.detail;
		error.hint = run->failure.hint;
		trident_base_worker_begin(0);
		trident_job_finish(&run->job, TRIDENT_JOB_FAILED, &error);
		trident_base_worker_commit();
		trident_job_publish(&run->job, TRIDENT_JOB_FAILED);
	}
	PG_END_TRY();
	dlist_delete(&run->node);
	nruns--;
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextDelete(run->context);
}

/* The same; an error ends it, and it only. */
static void
step_run_safely(TridentIngestRun *run)
{
	PG_TRY();
	{
		step_run(run);
	}
	PG_CATCH();
	{
		catch_error(run);
	}
	PG_END_TRY();
}

/* Move all runs; true: one has ended, so that another may begin. */
static bool
step_runs(void)
{
	dlist_mutable_iter iter;
	bool		ended = false;

	dlist_foreach_modify(iter, &runs)
	{
		TridentIngestRun *run = dlist_container(TridentIngestRun, node, iter.cur);

		MemoryContextSwitchTo(run->context);
		if (!run->is_over)
			step_run_safely(run);
		if (run->is_over)
		{
			end_run(run);
			ended = true;
		}
	}
	MemoryContextSwitchTo(TopMemoryContext);
	return ended;
}

/* How long to wait, if nothing happens. */
static long
patience(void)
{
	long		wait = IDLE_MS;
	dlist_iter	run_iter;
	dlist_iter	iter;

	dlist_foreach(run_iter, &runs)
	{
		TridentIngestRun *run = dlist_container(TridentIngestRun, node, run_iter.cur);

		if (run->rows > 0)
			wait = Min(wait, Max(run->written_ms + FLUSH_MS - trident_ingest_now_ms(), 0));
		if (run->nlanes == 0 || run->budget <= 0)
			wait = Min(wait, TICK_MS);
		dlist_foreach(iter, &run->lanes)
		{
			TridentIngestLane *lane = dlist_container(TridentIngestLane, node, iter.cur);
			long		p = trident_ingest_connection_patience(lane->connection);

			if (p >= 0)
				wait = Min(wait, p);
		}
	}
	return wait;
}

/* Wait for sockets, the latch, or time; true: somebody wants something. */
static bool
wait_for_events(void)
{
	static uint32 event_name = 0;
	WaitEventSet *set;
	WaitEvent	events[16];
	dlist_iter	run_iter;
	dlist_iter	iter;
	int			n;
	bool		woken = false;

	set = TridentCreateWaitEventSet(TopMemoryContext, RUNS_MAX * 16 + 2);
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	dlist_foreach(run_iter, &runs)
	{
		TridentIngestRun *run = dlist_container(TridentIngestRun, node, run_iter.cur);

		dlist_foreach(iter, &run->lanes)
		{
			TridentIngestLane *lane = dlist_container(TridentIngestLane, node, iter.cur);
			TridentIngestSsh *ssh = trident_ingest_connection_ssh(lane->connection);
			pgsocket	sock = trident_ingest_ssh_socket(ssh);

			if (sock != PGINVALID_SOCKET)
				AddWaitEventToSet(set, trident_ingest_connection_events(lane->connection),
								  sock, NULL, NULL);
		}
	}
	n = WaitEventSetWait(set, patience(), events, lengthof(events),
						 trident_base_wait_event(&event_name, "TridentIngestMain"));
	for (int i = 0; i < n; i++)
		woken |= (events[i].events & WL_LATCH_SET) != 0;
	FreeWaitEventSet(set);
	if (woken)
		ResetLatch(MyLatch);
	return woken || n == 0;
}

/* Sources were changed: their connections are closed, all runs look again. */
static void
see_to_changes(void)
{
	dlist_iter	iter;

	/* More may come in while runs look. */
	while (nchanges > 0)
		trident_ingest_lane_retire(changes[--nchanges]);
	dlist_foreach(iter, &runs)
		check_source(dlist_container(TridentIngestRun, node, iter.cur));
	MemoryContextSwitchTo(TopMemoryContext);
}

static void
run_worker(int number)
{
	bool		look = true;

	dlist_init(&runs);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, on_source_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, on_source_changed, (Datum) 0);
	trident_job_recover(job_number);
	trident_base_worker_ready();
	while (trident_base_worker_turn())
	{
		if (nchanges > 0)
			see_to_changes();
		trident_job_prune(job_number);
		while (look && nruns < RUNS_MAX && begin_run())
			trident_base_worker_busy();
		if (nruns > 0)
			trident_base_worker_busy();
		if (step_runs())
		{
			look = true;
			continue;
		}
		trident_base_worker_activity(nruns > 0 ? "ingesting" : "waiting for jobs");
		(void) trident_pool_sweep(trident_ingest_lane_pool(), GetCurrentTimestamp());
		look = wait_for_events();
	}
	trident_job_leave(job_number);
}
