/*
 * lane.c
 *	  The connections of a run, which are the worker's pool's.
 *
 * A run begins with the idle connections that are there, or with one new one;
 * more are made one after another while so much is queued that the first ones
 * would be busy for longer than a new one takes to be there.  What a server
 * refuses is taken as its limit: of handles (the window of the lane shrinks),
 * of logins at once and of sessions (the run goes on with what it has).  A
 * lane that is lost is replaced, later each time, until too many in a row
 * were lost without a folder or an image being done; and with less under way,
 * which grows again with what is done.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "ingest/run.h"

/* Handles to open where neither the server nor a setting says how many. */
#define WINDOW_DEFAULT 128

/* More than this at once gains nothing. */
#define WINDOW_MOST 1000

/* Handles of a server's limit that are left alone. */
#define WINDOW_MARGIN 8

/*
 * With so many requests under way nothing more is opened: a server that leaves
 * CLOSEs unanswered is found out by the silence that follows.
 */
#define PENDING_MOST 4096

/* Before the server has said what it allows. */
#define WINDOW_FIRST 64

/* Another connection is worth it when so many windows are queued. */
#define WINDOWS_QUEUED 3

/* Connections may fail so often in a row, each later than the one before. */
#define FAILURES_MAX 6
#define RETRY_FIRST_MS 200

/*
 * A pooled connection and what it is for: all that decides where it goes as
 * whom.  Both the pool's key and its connection are pointers to this.
 */
typedef struct Key
{
	MemoryContext context;		/* holds all of it */
	Oid			mapping_id;
	TridentIngestTarget target;
	uint32		server_hash;	/* see TridentIngestSource */
	uint32		mapping_hash;
	int			request_timeout_ms; /* while it is opened */
	TridentIngestConnection *connection;
} Key;

static TridentPool *pool = NULL;

/* How long the last connection took, for telling what reuse saves. */
static int64 last_connect_ms = 0;

static bool
same_place(void *arg, const void *a, const void *b)
{
	const TridentIngestTarget *x = &((const Key *) a)->target;
	const TridentIngestTarget *y = &((const Key *) b)->target;

	return trident_ingest_text_equal(x->host, y->host) && x->port == y->port;
}

static bool
same_key(void *arg, const void *a, const void *b)
{
	const Key  *x = a;
	const Key  *y = b;

	return x->mapping_id == y->mapping_id &&
		trident_ingest_target_equal(&x->target, &y->target);
}

static void *
open_connection(void *arg, void *key_pointer)
{
	Key		   *key = key_pointer;
	MemoryContext old = MemoryContextSwitchTo(key->context);

	key->connection = trident_ingest_connection_open(&key->target, WINDOW_MOST,
													 key->request_timeout_ms, NULL);
	MemoryContextSwitchTo(old);
	return key;
}

static void
close_connection(void *arg, void *key)
{
	MemoryContextDelete(((Key *) key)->context);
}

/* What the server closed meanwhile is noticed by reading. */
static bool
check_connection(void *arg, void *key)
{
	return trident_ingest_connection_pump(((Key *) key)->connection);
}

TridentPool *
trident_ingest_lane_pool(void)
{
	static const TridentPoolOps ops = {
		.open = open_connection,
		.close = close_connection,
		.check = check_connection,
		.same_key = same_key,
		.same_place = same_place
	};

	if (!pool)
		pool = trident_pool_create("trident ingest", &ops, NULL,
								   &trident_base_ingest_idle_timeout, NULL);
	return pool;
}

/* Was the foreign server or user mapping that it is for changed? */
static bool
is_changed(void *hash, const void *key)
{
	uint32		changed = *(uint32 *) hash;

	return changed == 0 || ((const Key *) key)->server_hash == changed ||
		((const Key *) key)->mapping_hash == changed;
}

void
trident_ingest_lane_retire(uint32 hash)
{
	if (pool)
		trident_pool_retire_if(pool, is_changed, &hash);
}

static char *
copy_text(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

/* A key for the run's source, in a context of its own. */
static Key *
make_key(const TridentIngestSource *source)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "trident ingest connection",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Key		   *key = palloc0(sizeof(Key));

	key->context = context;
	key->mapping_id = source->mapping_id;
	key->server_hash = source->server_hash;
	key->mapping_hash = source->mapping_hash;
	key->request_timeout_ms = source->request_timeout_ms;
	key->target = source->target;
	key->target.source = copy_text(source->target.source);
	key->target.host = copy_text(source->target.host);
	key->target.host_key = copy_text(source->target.host_key);
	key->target.user = copy_text(source->target.user);
	key->target.password = copy_text(source->target.password);
	key->target.private_key = copy_text(source->target.private_key);
	key->target.passphrase = copy_text(source->target.passphrase);
	MemoryContextSwitchTo(old);
	return key;
}

int
trident_ingest_lane_window(const TridentIngestLane *lane)
{
	const TridentIngestLimits *limits;
	int			window = lane->run->source->files;

	limits = trident_ingest_sftp_limits(trident_ingest_connection_sftp(lane->connection));
	if (!limits->is_told)
		return window > 0 ? Min(window, WINDOW_FIRST) : WINDOW_FIRST;
	if (limits->handles > 0)
	{
		int			allowed = (int) Min(limits->handles, WINDOW_MOST + WINDOW_MARGIN);

		allowed = allowed > 2 * WINDOW_MARGIN ? allowed - WINDOW_MARGIN : Max(allowed / 2, 1);
		window = window > 0 ? Min(window, allowed) : allowed;
	}
	else if (window == 0)
		window = WINDOW_DEFAULT;
	if (lane->shrunk > 0)
		window = Min(window, lane->shrunk);
	if (lane->run->caution > 0)
		window = Min(window, lane->run->caution);
	return window;
}

bool
trident_ingest_lane_has_room(const TridentIngestLane *lane)
{
	TridentIngestSftp *sftp = trident_ingest_connection_sftp(lane->connection);

	return lane->open < trident_ingest_lane_window(lane) &&
		trident_ingest_sftp_pending(sftp) < PENDING_MOST;
}

void
trident_ingest_lane_progress(TridentIngestRun *run)
{
	run->failures = 0;
	if (run->caution > 0 && ++run->regained >= run->caution)
	{
		run->caution = run->caution < WINDOW_MOST ? 2 * run->caution : 0;
		run->regained = 0;
	}
}

void
trident_ingest_lane_shrink(TridentIngestLane *lane)
{
	/* What is open now was accepted; a little less is safe. */
	lane->shrunk = Max(lane->open - lane->open / 8, 1);
}

static void
add_lane(TridentIngestRun *run, TridentPoolMember *member, bool is_reused)
{
	TridentIngestLane *lane = MemoryContextAllocZero(run->context, sizeof(TridentIngestLane));

	lane->run = run;
	lane->member = member;
	lane->connection = ((Key *) member->conn)->connection;
	trident_ingest_connection_set_timeout(lane->connection, run->source->request_timeout_ms);
	lane->was_ready = is_reused;
	lane->started_ms = trident_ingest_now_ms();
	lane->received = trident_ingest_connection_received(lane->connection);
	dlist_init(&lane->folders);
	dlist_init(&lane->images);
	dlist_push_tail(&run->lanes, &lane->node);
	run->nlanes++;
	if (is_reused)
	{
		trident_job_add(&run->job, TRIDENT_INGEST_REUSED, 1);
		trident_job_add(&run->job, TRIDENT_INGEST_SAVED_MS, last_connect_ms);
	}
}

/* Take an idle connection, or make one if "fresh" allows. */
static bool
get_lane(TridentIngestRun *run, bool fresh)
{
	Key		   *key = make_key(run->source);
	TridentPoolMember *member = trident_pool_take(run->pool, key);
	bool		is_reused = member != NULL;

	/* Each run may have one; beyond that all runs share the host's bound. */
	if (!member && fresh)
		member = trident_pool_open(run->pool, key,
								   run->nlanes == 0 ? 0 : run->source->connections);
	if (!member || is_reused)
		MemoryContextDelete(key->context);
	if (member)
		add_lane(run, member, is_reused);
	return member != NULL;
}

/* The connection has failed: its work is queued again. */
static void
lose_lane(TridentIngestRun *run, TridentIngestLane *lane)
{
	TridentIngestFailure failure = *trident_ingest_connection_failure(lane->connection);
	bool		was_ready = lane->was_ready;
	bool		counts = lane->open <= TRIDENT_INGEST_FEW;

	/* Less is lost the next time, and what brings it about is found out. */
	if (lane->open > 0)
		run->caution = Max(lane->open / 4, 1);
	run->regained = 0;
	trident_ingest_crawl_lost(run, lane, counts);
	trident_ingest_image_lost(run, lane, counts);
	trident_pool_drop(run->pool, lane->member);
	dlist_delete(&lane->node);
	run->nlanes--;
	pfree(lane);

	if (failure.kind != TRIDENT_INGEST_FAILURE_TRANSIENT && run->nlanes > 0)
		run->is_limited = true;
	else if (failure.kind == TRIDENT_INGEST_FAILURE_PERMANENT)
		run->failure = failure;
	else
	{
		/* One that had worked is replaced at once, the first time. */
		run->failures++;
		run->retry_ms = trident_ingest_now_ms();
		if (!was_ready || run->failures > 1)
			run->retry_ms += RETRY_FIRST_MS << Min(run->failures, FAILURES_MAX);
		if (run->failures > FAILURES_MAX && run->nlanes == 0)
			run->failure = failure;
	}
}

/* Move one lane; false: it is lost. */
static bool
step_lane(TridentIngestRun *run, TridentIngestLane *lane)
{
	bool		is_alive = trident_ingest_connection_pump(lane->connection);
	uint64		received = trident_ingest_connection_received(lane->connection);

	trident_job_add(&run->job, TRIDENT_INGEST_BYTES, (int64) (received - lane->received));
	lane->received = received;
	if (!is_alive)
	{
		lose_lane(run, lane);
		return false;
	}
	if (!lane->was_ready && trident_ingest_connection_is_ready(lane->connection))
	{
		lane->was_ready = true;
		trident_job_add(&run->job, TRIDENT_INGEST_OPENED, 1);
		last_connect_ms = trident_ingest_now_ms() - lane->started_ms;
	}
	return true;
}

/* Would another connection help, and may there be one? */
static void
consider_more(TridentIngestRun *run)
{
	int			windows = 0;
	dlist_iter	iter;

	if (run->folders_open + run->images_open == 0 || trident_ingest_now_ms() < run->retry_ms)
		return;
	if (run->nlanes == 0)
	{
		(void) get_lane(run, true);
		return;
	}
	if (run->is_limited || run->nlanes >= run->source->connections)
		return;
	dlist_foreach(iter, &run->lanes)
	{
		TridentIngestLane *lane = dlist_container(TridentIngestLane, node, iter.cur);

		if (!lane->was_ready)
			return;
		windows += trident_ingest_lane_window(lane);
	}
	/* Idle ones cost nothing. */
	if (run->images_queued > 0)
		(void) get_lane(run, run->images_queued > WINDOWS_QUEUED * windows);
}

/* Bytes that may be asked for, by the source's bandwidth. */
static void
fill_budget(TridentIngestRun *run)
{
	int64		rate = (int64) run->source->bandwidth_kb * 1024;
	int64		now = trident_ingest_now_ms();

	if (rate == 0)
		run->budget = PG_INT64_MAX / 2;
	else
		run->budget = Min(run->budget + rate * (now - run->budget_ms) / 1000, rate / 4);
	run->budget_ms = now;
}

void
trident_ingest_lane_step(TridentIngestRun *run)
{
	dlist_mutable_iter iter;

	fill_budget(run);
	consider_more(run);
	dlist_foreach_modify(iter, &run->lanes)
	{
		TridentIngestLane *lane = dlist_container(TridentIngestLane, node, iter.cur);

		if (!step_lane(run, lane))
			continue;
		/* Work goes where answers come from, unless nothing is ready yet. */
		if (lane->was_ready || run->nlanes == 1)
		{
			trident_ingest_crawl_dispatch(run, lane);
			if (lane->was_ready)
				trident_ingest_image_dispatch(run, lane);
		}
	}
}

void
trident_ingest_lane_push(TridentIngestRun *run)
{
	dlist_iter	iter;

	dlist_foreach(iter, &run->lanes)
	{
		TridentIngestLane *lane = dlist_container(TridentIngestLane, node, iter.cur);

		trident_ingest_connection_push(lane->connection);
	}
}

void
trident_ingest_lane_leave(TridentIngestRun *run, bool is_sound)
{
	while (!dlist_is_empty(&run->lanes))
	{
		TridentIngestLane *lane = dlist_container(TridentIngestLane, node,
												  dlist_pop_head_node(&run->lanes));

		if (is_sound && lane->was_ready &&
			dlist_is_empty(&lane->folders) && dlist_is_empty(&lane->images))
			trident_pool_give(run->pool, lane->member);
		else
			trident_pool_drop(run->pool, lane->member);
		run->nlanes--;
	}
}
