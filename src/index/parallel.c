/*
 * parallel.c
 *	  Training and encoding by several processes.
 *
 * Leader and workers go through the phases below together, from one barrier
 * to the next.  In a step of training each takes items, by a counter; what an
 * item computes does not depend on who does it.  Encoding is as in a btree
 * build: all share a parallel table scan, each encodes its rows into a sort of
 * its own, and the leader merges the sorted runs.  For this workers read the
 * model from the index, where the leader has put it.
 *
 * Shared memory: one BuildShared with the scan behind it, one Sharedsort, the
 * sample, the training, and for each process what the queries of the recall
 * curve have met.  Of BuildShared, counts stand under the mutex; the leader
 * writes sampled and is_flat before the first barrier.  The barrier counts
 * who has come to it: a worker that starts late joins in the phase that it
 * finds, and one that never starts is not waited for before the last.  A
 * worker that fails ends the build through the parallel context, and the
 * transaction's abort frees everything.
 */
#include "postgres.h"

#include <math.h>

#ifdef __linux__
#include <sys/statvfs.h>
#endif

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/barrier.h"
#include "storage/condition_variable.h"
#include "storage/dsm_impl.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "index/build.h"

#define KEY_SHARED		UINT64CONST(0xB0000000000000F1)
#define KEY_SORT		UINT64CONST(0xB0000000000000F2)
#define KEY_QUERY		UINT64CONST(0xB0000000000000F3)
#define KEY_SAMPLE		UINT64CONST(0xB0000000000000F4)
#define KEY_TRAINING	UINT64CONST(0xB0000000000000F5)
#define KEY_NEAREST		UINT64CONST(0xB0000000000000F6)

/* More than is shared beside the parts that depend on the sample. */
#define OTHER_SHARED_BYTES (1024 * 1024)

/* As the planner has it for all parallel builds. */
#define MIN_WORKER_MEMORY_KB (32 * 1024)

/* Phases of the barrier; a step of training is phase PHASE_TRAIN + step. */
#define PHASE_SAMPLE	0		/* the leader draws and finds the cells */
#define PHASE_TRAIN		1
#define PHASE_MODEL		(PHASE_TRAIN + TRIDENT_INDEX_TRAIN_STEPS)	/* leader */
#define PHASE_ENCODE	(PHASE_MODEL + 1)

typedef struct BuildShared
{
	/* set by the leader before workers start */
	Oid			heap;
	Oid			index;
	bool		is_concurrent;
	int			participants;	/* as planned, which memory is divided by */
	int			dp;
	bool		is_spherical;

	Barrier		barrier;
	/* set by the leader in PHASE_SAMPLE */
	TridentIndexSampled sampled;	/* the pointers are the leader's */
	bool		is_flat;		/* nothing is trained */

	pg_atomic_uint32 next_item[TRIDENT_INDEX_TRAIN_STEPS];

	ConditionVariable done_cv;	/* a worker has finished */
	slock_t		mutex;			/* protects what follows */
	int			ndone;
	double		heap_rows;
	bool		has_broken_chain;	/* ii_BrokenHotChain of any process */

	/* ParallelTableScanDescData follows, at BufferAligned offset */
} BuildShared;


#define SharedScan(shared) \
	((ParallelTableScanDesc) ((char *) (shared) + BUFFERALIGN(sizeof(BuildShared))))

struct TridentIndexParallel
{
	ParallelContext *context;
	BuildShared *shared;
	Sharedsort *sort;
	void	   *memory;			/* of the sample */
	TridentIndexTraining *training;
	char	   *nearest;		/* one for each process, the leader's last */
	Size		nearest_size;	/* of one */
	TridentIndexSampled sampled;	/* ours; workers: from shared memory */
	Snapshot	snapshot;
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	int			participants;	/* that take part indeed, leader included */
};

PGDLLEXPORT void trident_index_build_worker(dsm_segment *seg, shm_toc *toc);

/* What the queries have met of the rows of one process. */
static TridentIndexNearest *
nearest_of(TridentIndexParallel *parallel, int process)
{
	return (TridentIndexNearest *)
		(parallel->nearest + process * parallel->nearest_size);
}

/* TridentIndexNextItem of a step. */
static int
next_item(void *arg)
{
	return (int) pg_atomic_fetch_add_u32(arg, 1);
}

/* The part of the sample that is for training. */
static TridentIndexSample
training_sample(const TridentIndexParallel *parallel)
{
	TridentIndexSample sample = {
		.rows = parallel->sampled.x,
		.nrows = parallel->sampled.nrows,
		.dp = parallel->shared->dp,
		.is_spherical = parallel->shared->is_spherical
	};

	return sample;
}

/* Wait until all have come to the end of the phase. */
static void
end_phase(TridentIndexParallel *parallel)
{
	BarrierArriveAndWait(&parallel->shared->barrier,
						 WAIT_EVENT_PARALLEL_CREATE_INDEX_SCAN);
}

/* Take part in the steps of training from phase on. */
static void
train(TridentIndexParallel *parallel, int phase)
{
	BuildShared *shared = parallel->shared;

	for (; phase < PHASE_MODEL; phase++)
	{
		int			step = phase - PHASE_TRAIN;

		if (!shared->is_flat)
		{
			TridentIndexSample sample = training_sample(parallel);

			trident_index_train_step(&sample, parallel->training, step,
									 next_item, &shared->next_item[step]);
		}
		end_phase(parallel);
	}
}

/*
 * Encode this process's part of the table into its own sort, and report the
 * rows.  Used by leader and workers; returns the encoder's sort, performed.
 */
static Tuplesortstate *
encode_part(TridentIndexParallel *parallel, const TridentIndexCoder *coder,
			const TridentIndexCentroids *centroids, int process)
{
	BuildShared *shared = parallel->shared;
	SortCoordinate coordinate = palloc0(sizeof(SortCoordinateData));
	IndexInfo  *index_info = BuildIndexInfo(parallel->index);
	TridentIndexEncoder encoder;
	Tuplesortstate *sort;
	double		rows;

	coordinate->isWorker = true;
	coordinate->nParticipants = -1;
	coordinate->sharedsort = parallel->sort;
	sort = trident_index_sort_begin(maintenance_work_mem / shared->participants,
									coordinate);
	index_info->ii_Concurrent = shared->is_concurrent;
	trident_index_encoder_init(&encoder, parallel->index, coder, centroids,
							   sort);
	if (!shared->is_flat)
		trident_index_encoder_measure(&encoder, &parallel->sampled,
									  nearest_of(parallel, process));
	rows = trident_index_encode_table(&encoder, parallel->heap, index_info,
									  table_beginscan_parallel(parallel->heap,
															   SharedScan(shared)));
	tuplesort_performsort(sort);

	SpinLockAcquire(&shared->mutex);
	shared->ndone++;
	shared->heap_rows += rows;
	shared->has_broken_chain |= index_info->ii_BrokenHotChain;
	SpinLockRelease(&shared->mutex);
	ConditionVariableSignal(&shared->done_cv);
	return sort;
}

/* Find the parts of shared memory. */
static void
find_chunks(TridentIndexParallel *parallel, shm_toc *toc)
{
	parallel->shared = shm_toc_lookup(toc, KEY_SHARED, false);
	parallel->sort = shm_toc_lookup(toc, KEY_SORT, false);
	parallel->memory = shm_toc_lookup(toc, KEY_SAMPLE, true);
	parallel->training = shm_toc_lookup(toc, KEY_TRAINING, true);
	parallel->nearest = shm_toc_lookup(toc, KEY_NEAREST, true);
	parallel->nearest_size =
		MAXALIGN(trident_index_nearest_size(TRIDENT_INDEX_CURVE_QUERIES));
}

/* Train, wait for the model, and encode. */
static void
work(TridentIndexParallel *parallel)
{
	BuildShared *shared = parallel->shared;
	int			phase = BarrierAttach(&shared->barrier);
	const TridentIndexModel *model;

	if (phase == PHASE_SAMPLE)
	{
		end_phase(parallel);
		phase++;
	}
	parallel->sampled = shared->sampled;
	trident_index_sample_place(shared->dp, parallel->memory,
							   &parallel->sampled);
	train(parallel, phase);
	if (phase <= PHASE_MODEL)
		end_phase(parallel);
	BarrierDetach(&shared->barrier);

	/*
	 * The cached model would go away with an invalidation; nothing in a build
	 * asks for it anew, so take it out of the cache's hands.
	 */
	model = trident_index_model(parallel->index);
	parallel->index->rd_amcache = NULL;
	tuplesort_end(encode_part(parallel, &model->coder, &model->centroids,
							  ParallelWorkerNumber));
}

/* Entry point of a worker. */
void
trident_index_build_worker(dsm_segment *seg, shm_toc *toc)
{
	TridentIndexParallel parallel = {0};
	char	   *query = shm_toc_lookup(toc, KEY_QUERY, true);
	bool		is_concurrent;
	LOCKMODE	heap_lock;
	LOCKMODE	index_lock;

	debug_query_string = query;
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	find_chunks(&parallel, toc);
	is_concurrent = parallel.shared->is_concurrent;
	heap_lock = is_concurrent ? ShareUpdateExclusiveLock : ShareLock;
	index_lock = is_concurrent ? RowExclusiveLock : AccessExclusiveLock;
	parallel.heap = table_open(parallel.shared->heap, heap_lock);
	parallel.index = index_open(parallel.shared->index, index_lock);
	tuplesort_attach_shared(parallel.sort, seg);
	work(&parallel);
	index_close(parallel.index, index_lock);
	table_close(parallel.heap, heap_lock);
}

/* Bytes of the parts that depend on the sample; 0 for a flat index. */
typedef struct ChunkSizes
{
	Size		sample;
	Size		training;
	Size		nearest;		/* of all processes */
} ChunkSizes;

static ChunkSizes
chunk_sizes(const TridentIndexCoder *coder, const TridentIndexSampled *sampled,
			int participants)
{
	TridentIndexSample sample = {.nrows = sampled->max_rows, .dp = coder->layout.dp};
	ChunkSizes	sizes = {0};

	if (sampled->nlists > 1)
	{
		sizes.sample = trident_index_sample_size(coder, sampled);
		sizes.training = trident_index_training_size(&sample, sampled->nlists);
		sizes.nearest = participants *
			MAXALIGN(trident_index_nearest_size(TRIDENT_INDEX_CURVE_QUERIES));
	}
	return sizes;
}

/*
 * May so much shared memory be asked for?  In a container there is often
 * little, and PostgreSQL's answer to too little is an error, which would end
 * the build; so look first.
 */
static bool
has_shared_memory(Relation index, Size size)
{
#ifdef __linux__
	struct statvfs fs;
	double		room;

	if (dynamic_shared_memory_type != DSM_IMPL_POSIX ||
		statvfs("/dev/shm", &fs) != 0 || fs.f_blocks == 0)
		return true;
	room = (double) fs.f_bavail * fs.f_frsize;
	if (room >= size)
		return true;
	ereport(NOTICE,
			(errmsg("index \"%s\" is built without parallel workers, because they would need %.0f MB of shared memory and /dev/shm has room for %.0f MB",
					RelationGetRelationName(index),
					ceil(size / (1024.0 * 1024)), floor(room / (1024 * 1024))),
			 errdetail("The build takes longer; the index will be the same."),
			 errhint("Make /dev/shm larger, in a container by its option --shm-size, or lower maintenance_work_mem.")));
	return false;
#else
	return true;
#endif
}

/* Room in shared memory for the parts, and their keys. */
static void
estimate_chunks(TridentIndexParallel *parallel, const ChunkSizes *sizes,
				int participants)
{
	shm_toc_estimator *estimator = &parallel->context->estimator;

	shm_toc_estimate_chunk(estimator, BUFFERALIGN(sizeof(BuildShared)) +
						   table_parallelscan_estimate(parallel->heap,
													   parallel->snapshot));
	shm_toc_estimate_chunk(estimator, tuplesort_estimate_shared(participants));
	shm_toc_estimate_keys(estimator, 2);
	if (sizes->sample > 0)
	{
		shm_toc_estimate_chunk(estimator, sizes->sample);
		shm_toc_estimate_chunk(estimator, sizes->training);
		shm_toc_estimate_chunk(estimator, sizes->nearest);
		shm_toc_estimate_keys(estimator, 3);
	}
	if (debug_query_string)
	{
		shm_toc_estimate_chunk(estimator, strlen(debug_query_string) + 1);
		shm_toc_estimate_keys(estimator, 1);
	}
}

/* Allocate one part. */
static void *
add_chunk(shm_toc *toc, uint64 key, Size size)
{
	void	   *chunk = shm_toc_allocate(toc, size);

	shm_toc_insert(toc, key, chunk);
	return chunk;
}

/* Fill the shared memory that workers find. */
static void
fill_shared(TridentIndexParallel *parallel, const ChunkSizes *sizes,
			const TridentIndexCoder *coder, int participants)
{
	shm_toc    *toc = parallel->context->toc;
	BuildShared *shared;

	shared = add_chunk(toc, KEY_SHARED, BUFFERALIGN(sizeof(BuildShared)) +
					   table_parallelscan_estimate(parallel->heap,
												   parallel->snapshot));
	shared->heap = RelationGetRelid(parallel->heap);
	shared->index = RelationGetRelid(parallel->index);
	shared->is_concurrent = parallel->index_info->ii_Concurrent;
	shared->participants = participants;
	shared->dp = coder->layout.dp;
	shared->is_spherical = coder->metric == TRIDENT_INDEX_COSINE;
	BarrierInit(&shared->barrier, 0);
	for (int i = 0; i < TRIDENT_INDEX_TRAIN_STEPS; i++)
		pg_atomic_init_u32(&shared->next_item[i], 0);
	ConditionVariableInit(&shared->done_cv);
	SpinLockInit(&shared->mutex);
	shared->ndone = 0;
	shared->heap_rows = 0;
	shared->has_broken_chain = false;
	table_parallelscan_initialize(parallel->heap, SharedScan(shared),
								  parallel->snapshot);
	tuplesort_initialize_shared(add_chunk(toc, KEY_SORT,
										  tuplesort_estimate_shared(participants)),
								participants, parallel->context->seg);
	if (sizes->sample > 0)
	{
		add_chunk(toc, KEY_SAMPLE, sizes->sample);
		add_chunk(toc, KEY_TRAINING, sizes->training);
		add_chunk(toc, KEY_NEAREST, sizes->nearest);
	}
	if (debug_query_string)
	{
		Size		size = strlen(debug_query_string) + 1;

		memcpy(add_chunk(toc, KEY_QUERY, size), debug_query_string, size);
	}
	find_chunks(parallel, toc);
}

/*
 * How many workers to ask for.  The planner goes by the size of the table
 * alone, and vectors that are long enough stand beside it: where it sees too
 * few pages, and nothing but their number can be its reason, go by its rule,
 * a worker more for three times the pages, for all pages.
 */
static int
workers_for(Relation heap, Relation index)
{
	int			workers = plan_create_index_workers(RelationGetRelid(heap),
													RelationGetRelid(index));
	Relation	toast;
	double		pages;

	if (workers > 0 || RelationGetParallelWorkers(heap, -1) >= 0 ||
		!OidIsValid(heap->rd_rel->reltoastrelid) ||
		RelationUsesLocalBuffers(heap) ||
		RelationGetIndexExpressions(index) != NIL ||
		RelationGetIndexPredicate(index) != NIL)
		return workers;
	pages = (double) table_relation_size(heap, MAIN_FORKNUM) / BLCKSZ;
	toast = table_open(heap->rd_rel->reltoastrelid, AccessShareLock);
	pages += (double) table_relation_size(toast, MAIN_FORKNUM) / BLCKSZ;
	table_close(toast, AccessShareLock);
	for (pages /= Max(min_parallel_table_scan_size, 1); pages >= 1; pages /= 3)
		workers++;
	workers = Min(workers, max_parallel_maintenance_workers);
	while (workers > 0 &&
		   maintenance_work_mem / (workers + 1) < MIN_WORKER_MEMORY_KB)
		workers--;
	return workers;
}

TridentIndexParallel *
trident_index_parallel_begin(Relation heap, Relation index,
							 IndexInfo *index_info,
							 const TridentIndexCoder *coder,
							 const TridentIndexSampled *sampled)
{
	int			workers = workers_for(heap, index);
	ChunkSizes	sizes = chunk_sizes(coder, sampled, workers + 1);
	TridentIndexParallel *parallel;

	if (workers <= 0 ||
		!has_shared_memory(index, sizes.sample + sizes.training + sizes.nearest +
						   OTHER_SHARED_BYTES))
		return NULL;

	parallel = palloc0(sizeof(TridentIndexParallel));
	parallel->heap = heap;
	parallel->index = index;
	parallel->index_info = index_info;
	parallel->snapshot = index_info->ii_Concurrent ?
		RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;

	EnterParallelMode();
	parallel->context = CreateParallelContext("trident",
											  "trident_index_build_worker",
											  workers);
	estimate_chunks(parallel, &sizes, workers + 1);
	InitializeParallelDSM(parallel->context);
	if (parallel->context->seg == NULL)
	{
		/* no shared memory to be had: go on alone */
		trident_index_parallel_end(parallel);
		return NULL;
	}
	fill_shared(parallel, &sizes, coder, workers + 1);
	/* before any worker, so that none is ahead of the leader */
	BarrierAttach(&parallel->shared->barrier);
	LaunchParallelWorkers(parallel->context);
	if (parallel->context->nworkers_launched == 0)
	{
		trident_index_parallel_end(parallel);
		return NULL;
	}
	parallel->participants = parallel->context->nworkers_launched + 1;
	ereport(DEBUG1,
			(errmsg_internal("using %d parallel workers",
							 parallel->context->nworkers_launched)));
	return parallel;
}

void *
trident_index_parallel_memory(TridentIndexParallel *parallel)
{
	return parallel->memory;
}

TridentIndexCentroids *
trident_index_parallel_train(TridentIndexParallel *parallel,
							 const TridentIndexSampled *sampled, uint64 seed)
{
	BuildShared *shared = parallel->shared;
	TridentIndexSample sample;

	parallel->sampled = shared->sampled = *sampled;
	shared->is_flat = sampled->nrows < 2;
	sample = training_sample(parallel);
	if (!shared->is_flat)
	{
		trident_index_train_coarse(&sample, sampled->nlists, seed,
								   parallel->training);
		for (int i = 0; i < shared->participants; i++)
			trident_index_nearest_init(nearest_of(parallel, i),
									   sampled->nqueries);
	}
	end_phase(parallel);
	train(parallel, PHASE_TRAIN);
	return shared->is_flat ? NULL :
		trident_index_train_finish(&sample, parallel->training);
}

Tuplesortstate *
trident_index_parallel_encode(TridentIndexParallel *parallel,
							  const TridentIndexCoder *coder,
							  const TridentIndexCentroids *centroids,
							  double *heap_rows, TridentIndexNearest **nearest)
{
	BuildShared *shared = parallel->shared;
	SortCoordinate coordinate = palloc0(sizeof(SortCoordinateData));
	int			leader = shared->participants - 1;
	Tuplesortstate *own;
	Tuplesortstate *sort;
	bool		is_done;

	/* workers now find the model */
	end_phase(parallel);
	BarrierDetach(&shared->barrier);
	own = encode_part(parallel, coder, centroids, leader);
	WaitForParallelWorkersToAttach(parallel->context);
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		is_done = shared->ndone == parallel->participants;
		*heap_rows = shared->heap_rows;
		/* index_build() keeps older snapshots off an index that lacks rows */
		parallel->index_info->ii_BrokenHotChain |= shared->has_broken_chain;
		SpinLockRelease(&shared->mutex);
		if (is_done)
			break;
		ConditionVariableSleep(&shared->done_cv,
							   WAIT_EVENT_PARALLEL_CREATE_INDEX_SCAN);
	}
	ConditionVariableCancelSleep();

	coordinate->isWorker = false;
	coordinate->nParticipants = parallel->participants;
	coordinate->sharedsort = parallel->sort;
	sort = trident_index_sort_begin(maintenance_work_mem, coordinate);
	tuplesort_performsort(sort);
	tuplesort_end(own);

	*nearest = shared->is_flat ? NULL : nearest_of(parallel, leader);
	for (int i = 0; *nearest && i < leader; i++)
		trident_index_nearest_merge(*nearest, nearest_of(parallel, i));
	return sort;
}

void
trident_index_parallel_end(TridentIndexParallel *parallel)
{
	WaitForParallelWorkersToFinish(parallel->context);
	if (IsMVCCSnapshot(parallel->snapshot))
		UnregisterSnapshot(parallel->snapshot);
	DestroyParallelContext(parallel->context);
	ExitParallelMode();
	pfree(parallel);
}
