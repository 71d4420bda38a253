/*
 * parallel.c
 *	  Encoding a table with several processes.
 *
 * As in a btree build: leader and workers share a parallel table scan, each
 * encodes its rows into a sort of its own, and the leader merges the sorted
 * runs.  Workers read the model from the index, where the leader has put it.
 *
 * Shared memory: one BuildShared with the scan behind it, one Sharedsort.
 * Counts stand under the mutex; a worker announces its end through the
 * condition variable.  A worker that fails ends the build through the
 * parallel context, and the transaction's abort frees everything.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
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

typedef struct BuildShared
{
	/* set by the leader before workers start */
	Oid			heap;
	Oid			index;
	bool		is_concurrent;
	int			participants;	/* as planned, which memory is divided by */

	ConditionVariable done_cv;	/* a worker has finished */
	slock_t		mutex;			/* protects what follows */
	int			ndone;
	double		heap_rows;

	/* ParallelTableScanDescData follows, at BufferAligned offset */
} BuildShared;

#define SharedScan(shared) \
	((ParallelTableScanDesc) ((char *) (shared) + BUFFERALIGN(sizeof(BuildShared))))

struct TridentIndexParallel
{
	ParallelContext *context;
	BuildShared *shared;
	Sharedsort *sort;
	Snapshot	snapshot;
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	int			participants;	/* that take part indeed, leader included */
};

PGDLLEXPORT void trident_index_build_worker(dsm_segment *seg, shm_toc *toc);

/*
 * Encode this process's part of the table into its own sort, and report the
 * rows.  Used by leader and workers; returns the encoder's sort, performed.
 */
static Tuplesortstate *
encode_part(BuildShared *shared, Sharedsort *sharedsort, Relation heap,
			Relation index, const TridentIndexCoder *coder,
			const TridentIndexCentroids *centroids)
{
	SortCoordinate coordinate = palloc0(sizeof(SortCoordinateData));
	IndexInfo  *index_info = BuildIndexInfo(index);
	TridentIndexEncoder encoder;
	Tuplesortstate *sort;
	double		rows;

	coordinate->isWorker = true;
	coordinate->nParticipants = -1;
	coordinate->sharedsort = sharedsort;
	sort = trident_index_sort_begin(maintenance_work_mem / shared->participants,
									coordinate);
	index_info->ii_Concurrent = shared->is_concurrent;
	trident_index_encoder_init(&encoder, index, coder, centroids, sort);
	rows = trident_index_encode_table(&encoder, heap, index_info,
									  table_beginscan_parallel(heap, SharedScan(shared)));
	tuplesort_performsort(sort);

	SpinLockAcquire(&shared->mutex);
	shared->ndone++;
	shared->heap_rows += rows;
	SpinLockRelease(&shared->mutex);
	ConditionVariableSignal(&shared->done_cv);
	return sort;
}

/* Entry point of a worker. */
void
trident_index_build_worker(dsm_segment *seg, shm_toc *toc)
{
	BuildShared *shared = shm_toc_lookup(toc, KEY_SHARED, false);
	Sharedsort *sharedsort = shm_toc_lookup(toc, KEY_SORT, false);
	char	   *query = shm_toc_lookup(toc, KEY_QUERY, true);
	LOCKMODE	heap_lock = shared->is_concurrent ? ShareUpdateExclusiveLock : ShareLock;
	LOCKMODE	index_lock = shared->is_concurrent ? RowExclusiveLock : AccessExclusiveLock;
	const TridentIndexModel *model;
	Relation	heap;
	Relation	index;

	debug_query_string = query;
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	heap = table_open(shared->heap, heap_lock);
	index = index_open(shared->index, index_lock);
	tuplesort_attach_shared(sharedsort, seg);

	/*
	 * The cached model would go away with an invalidation; nothing in a build
	 * asks for it anew, so take it out of the cache's hands.
	 */
	model = trident_index_model(index);
	index->rd_amcache = NULL;
	tuplesort_end(encode_part(shared, sharedsort, heap, index, &model->coder,
							  &model->centroids));
	index_close(index, index_lock);
	table_close(heap, heap_lock);
}

/* Fill the shared memory that workers find. */
static void
fill_shared(TridentIndexParallel *parallel, Size shared_bytes, Size sort_bytes,
			int participants)
{
	shm_toc    *toc = parallel->context->toc;
	BuildShared *shared = shm_toc_allocate(toc, shared_bytes);
	Sharedsort *sort = shm_toc_allocate(toc, sort_bytes);

	shared->heap = RelationGetRelid(parallel->heap);
	shared->index = RelationGetRelid(parallel->index);
	shared->is_concurrent = parallel->index_info->ii_Concurrent;
	shared->participants = participants;
	ConditionVariableInit(&shared->done_cv);
	SpinLockInit(&shared->mutex);
	shared->ndone = 0;
	shared->heap_rows = 0;
	table_parallelscan_initialize(parallel->heap, SharedScan(shared),
								  parallel->snapshot);
	tuplesort_initialize_shared(sort, participants, parallel->context->seg);
	shm_toc_insert(toc, KEY_SHARED, shared);
	shm_toc_insert(toc, KEY_SORT, sort);
	if (debug_query_string)
	{
		char	   *query = shm_toc_allocate(toc, strlen(debug_query_string) + 1);

		memcpy(query, debug_query_string, strlen(debug_query_string) + 1);
		shm_toc_insert(toc, KEY_QUERY, query);
	}
	parallel->shared = shared;
	parallel->sort = sort;
}

TridentIndexParallel *
trident_index_parallel_begin(Relation heap, Relation index,
							 IndexInfo *index_info)
{
	TridentIndexParallel *parallel;
	ParallelContext *context;
	Size		shared_bytes;
	Size		sort_bytes;
	int			workers;

	workers = plan_create_index_workers(RelationGetRelid(heap),
										RelationGetRelid(index));
	if (workers <= 0)
		return NULL;

	parallel = palloc0(sizeof(TridentIndexParallel));
	parallel->heap = heap;
	parallel->index = index;
	parallel->index_info = index_info;
	parallel->snapshot = index_info->ii_Concurrent ?
		RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;

	EnterParallelMode();
	context = CreateParallelContext("trident", "trident_index_build_worker",
									workers);
	parallel->context = context;
	shared_bytes = BUFFERALIGN(sizeof(BuildShared)) +
		table_parallelscan_estimate(heap, parallel->snapshot);
	sort_bytes = tuplesort_estimate_shared(workers + 1);
	shm_toc_estimate_chunk(&context->estimator, shared_bytes);
	shm_toc_estimate_chunk(&context->estimator, sort_bytes);
	shm_toc_estimate_keys(&context->estimator, 2);
	if (debug_query_string)
	{
		shm_toc_estimate_chunk(&context->estimator, strlen(debug_query_string) + 1);
		shm_toc_estimate_keys(&context->estimator, 1);
	}
	InitializeParallelDSM(context);
	if (context->seg == NULL)
	{
		/* no shared memory to be had: go on alone */
		trident_index_parallel_end(parallel);
		return NULL;
	}
	fill_shared(parallel, shared_bytes, sort_bytes, workers + 1);
	LaunchParallelWorkers(context);
	if (context->nworkers_launched == 0)
	{
		trident_index_parallel_end(parallel);
		return NULL;
	}
	parallel->participants = context->nworkers_launched + 1;
	ereport(DEBUG1,
			(errmsg_internal("using %d parallel workers",
							 context->nworkers_launched)));
	return parallel;
}

Tuplesortstate *
trident_index_parallel_encode(TridentIndexParallel *parallel,
							  const TridentIndexCoder *coder,
							  const TridentIndexCentroids *centroids,
							  double *heap_rows)
{
	BuildShared *shared = parallel->shared;
	SortCoordinate coordinate = palloc0(sizeof(SortCoordinateData));
	Tuplesortstate *own;
	Tuplesortstate *sort;
	bool		is_done;

	own = encode_part(shared, parallel->sort, parallel->heap, parallel->index,
					  coder, centroids);
	WaitForParallelWorkersToAttach(parallel->context);
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		is_done = shared->ndone == parallel->participants;
		*heap_rows = shared->heap_rows;
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
