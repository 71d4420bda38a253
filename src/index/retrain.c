/*
 * retrain.c
 *	  An index trains itself, beside the queries and inserts that use it.
 *
 * Vacuum comes here when a flat index has got enough rows for lists, or a
 * trained one GROWTH times the rows it was trained with.  In order:
 *
 *	1.	A sample is taken and centroids are trained; they are written as a
 *		model of the next generation.
 *	2.	The rows of all lists are read (their heap addresses), fetched from the
 *		table, encoded, sorted and written as lists of the next generation,
 *		and so is the directory.  Inserts go on into the old lists meanwhile;
 *		"copied" notes how many rows of each page have been taken.
 *	3.	The old lists are frozen: inserts go into new pages in front of them.
 *		All lists are read once more; rows that have come since step 2 are
 *		inserted into the new lists.  So are those of the pages in front,
 *		again and again until few come; then once more under the exclusive
 *		form of the lock that inserts take in share mode, so that none is
 *		missed and none waits for long.
 *	4.	Still under that lock the meta page gets the new model.  From here on
 *		scans and inserts use it.
 *	5.	Pages of the old generation are freed.
 *
 * Every page is logged as it is written, and nothing refers to the new pages
 * before step 4, one page, one record: a crash before it leaves the index as
 * it was, one after it the index as it will be, and either way pages of the
 * wrong generation, which the next vacuum frees.
 *
 * A scan that began before step 4 goes on in the old pages as long as they
 * are there; when it meets a page that is no longer one of its generation it
 * begins again with the new model, leaving out rows it has looked at.
 *
 * Step 2 may read rows of which no place in old pages is left: only vacuum
 * removes rows, and we are it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "commands/vacuum.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/fault.h"
#include "index/am.h"
#include "index/build.h"
#include "index/key.h"

/* A trained index is trained anew when it has so many times its rows. */
#define GROWTH 4

/* Passes of step 3 without the lock, and how few rows are few. */
#define MAX_PASSES 10
#define FEW_ROWS 100

typedef struct Retrain
{
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	TridentIndexCoder coder;
	const TridentIndexModel *old;	/* ours, not the cache's */
	TridentIndexMeta meta;		/* of the new generation */
	TridentIndexWriter writer;

	/* rows taken of each block of the old lists */
	BlockNumber max_blocks;
	uint16	   *copied;
	BlockNumber *heads;			/* of the old lists, when they were frozen */

	/* heap access */
	BlockNumber heap_blocks;
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;
	EState	   *estate;
	SnapshotData snapshot;
} Retrain;

/* What happens to the address of a row of the old lists. */
typedef void (*TakeRow) (Retrain *retrain, ItemPointer tid, void *arg);

/* Rows of one page that have not been taken yet, copied out of it. */
static int
new_rows(Retrain *retrain, BlockNumber block, ItemPointerData *tids,
		 BlockNumber *next)
{
	const TridentIndexLayout *layout = &retrain->coder.layout;
	Buffer		buffer = ReadBuffer(retrain->index, block);
	Page		page = BufferGetPage(buffer);
	int			nrows;
	int			from;
	int			slot;

	if (block >= retrain->max_blocks)
	{
		BlockNumber max = Max(block + 1, 2 * retrain->max_blocks);

		retrain->copied = repalloc_huge(retrain->copied, sizeof(uint16) * max);
		memset(retrain->copied + retrain->max_blocks, 0,
			   sizeof(uint16) * (max - retrain->max_blocks));
		retrain->max_blocks = max;
	}
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	trident_index_page_check(retrain->index, block, page,
							 TRIDENT_INDEX_PAGE_LIST);
	nrows = trident_index_page_rows(layout, page);
	from = retrain->copied[block];
	for (slot = from; slot < nrows; slot++)
		tids[slot - from] = *trident_index_page_tid(layout, page, slot);
	retrain->copied[block] = nrows;
	*next = TridentIndexPageOpaque(page)->next;
	UnlockReleaseBuffer(buffer);
	return nrows - from;
}

/*
 * Which pages of the old lists to read.  Those in front of the frozen ones are
 * so few that there is no delay on the way, which inserts may be waiting for.
 */
typedef enum Pages
{
	ALL_PAGES,
	PAGES_IN_FRONT
} Pages;

/* Go through the old lists; returns how many rows were new. */
static int64
take_new_rows(Retrain *retrain, Pages which, TakeRow take, void *arg)
{
	ItemPointerData *tids = palloc(sizeof(ItemPointerData) *
								   retrain->coder.layout.capacity);
	int64		total = 0;
	int			list;

	for (list = 0; list < retrain->old->meta.nlists; list++)
	{
		BlockNumber end = which == ALL_PAGES ? InvalidBlockNumber :
			retrain->heads[list];
		TridentIndexListEntry entry;
		BlockNumber block;
		BlockNumber next;
		uint32		pages = 0;

		if (!trident_index_list_entry(retrain->index, retrain->old, list, &entry))
			elog(ERROR, "directory of index \"%s\" was replaced",
				 RelationGetRelationName(retrain->index));
		for (block = entry.head; block != end && BlockNumberIsValid(block);
			 block = next)
		{
			int			n = new_rows(retrain, block, tids, &next);
			int			i;

			if (++pages > entry.pages)
				trident_index_chain_corrupted(retrain->index, list);
			for (i = 0; i < n; i++)
				take(retrain, &tids[i], arg);
			total += n;
			if (which == ALL_PAGES)
				TridentVacuumDelayPoint();
			else
				CHECK_FOR_INTERRUPTS();
		}
	}
	pfree(tids);
	return total;
}

/*
 * The index columns of the heap row at tid; false if nobody can see it any
 * more.  Of the versions that the entry leads to it is the last one that
 * counts: those from before CREATE INDEX may have had other values, and then
 * are not for transactions that may use the index.
 */
static bool
fetch_row(Retrain *retrain, ItemPointer tid, Datum *values, bool *isnull)
{
	ItemPointerData heap_tid = *tid;
	bool		call_again = false;
	bool		all_dead = false;
	bool		found = false;

	trident_index_check_address(retrain->index, retrain->heap,
								&retrain->heap_blocks, tid);

	/*
	 * Vacuum holds no horizon back, so TOAST chunks of a row that died
	 * meanwhile can go.  This brings the horizon up to date by which the row
	 * counts as one that somebody may see.  No snapshot would: vacuum may be
	 * in parallel mode, which forbids a new one, and horizons also move
	 * without a transaction's end that snapshots are made anew for.
	 */
	(void) GetOldestNonRemovableTransactionId(retrain->heap);
	ResetPerTupleExprContext(retrain->estate);
	do
	{
		if (table_index_fetch_tuple(retrain->fetch, &heap_tid,
									&retrain->snapshot, retrain->slot,
									&call_again, &all_dead))
			found = true;
	} while (call_again);
	if (!found)
		return false;
	GetPerTupleExprContext(retrain->estate)->ecxt_scantuple = retrain->slot;
	FormIndexDatum(retrain->index_info, retrain->slot, retrain->estate,
				   values, isnull);
	return true;
}

/* Step 2: a row into the sort. */
static void
encode_row(Retrain *retrain, ItemPointer tid, void *arg)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (fetch_row(retrain, tid, values, isnull))
		trident_index_encoder_add(arg, values, isnull, tid);
}

/* Step 3: a row into the new lists. */
static void
insert_row(Retrain *retrain, ItemPointer tid, void *arg)
{
	const TridentIndexModel *model = arg;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	uint32		label = 0;

	if (!fetch_row(retrain, tid, values, isnull) || isnull[0])
		return;
	if (model->coder.layout.has_key)
		label = trident_index_key_label(retrain->index, values[1], isnull[1]);
	trident_index_insert_value(retrain->index, model, values[0], label, tid);
}

/* Step 2; nearest gets what the queries of sampled meet. */
static void
copy_rows(Retrain *retrain, const TridentIndexCentroids *centroids,
		  const TridentIndexSampled *sampled, TridentIndexNearest *nearest)
{
	TridentIndexEncoder encoder;
	Tuplesortstate *sort = trident_index_sort_begin(trident_index_work_mem(), NULL);
	TupleTableSlot *slot = trident_index_sort_slot();
	TridentIndexRow *row = palloc(trident_index_row_bytes(&retrain->coder.layout));
	int			list;

	trident_index_encoder_init(&encoder, retrain->index, &retrain->coder,
							   centroids, sort);
	trident_index_encoder_measure(&encoder, sampled, nearest);
	take_new_rows(retrain, ALL_PAGES, encode_row, &encoder);
	trident_index_encoder_finish(&encoder);
	tuplesort_performsort(sort);
	TRIDENT_FAULT("index-retrain-sorted");
	while (trident_index_sort_next(sort, slot, &list, row))
	{
		trident_index_write_row(&retrain->writer, list, row);
		TridentVacuumDelayPoint();
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplesort_end(sort);
	pfree(row);
	retrain->meta.trained_rows = retrain->writer.rows;
	retrain->meta.directory = trident_index_write_directory(&retrain->writer);
	TRIDENT_FAULT("index-retrain-written");
}

/* Steps 3 and 4. */
static void
catch_up_and_switch(Retrain *retrain, const TridentIndexSampled *sampled,
					TridentIndexNearest *nearest)
{
	TridentIndexModel *model;
	int			pass;

	model = trident_index_model_read(retrain->index, &retrain->meta,
									 CurrentMemoryContext);
	if (model == NULL)
		trident_index_corrupted(retrain->index, "has a damaged new model");
	trident_index_curve_measure(model, &retrain->meta, sampled, nearest);
	retrain->heads = palloc(sizeof(BlockNumber) * retrain->old->meta.nlists);
	trident_index_freeze_lists(retrain->index, retrain->old, retrain->heads);
	TRIDENT_FAULT("index-retrain-frozen");
	take_new_rows(retrain, ALL_PAGES, insert_row, model);
	for (pass = 0; pass < MAX_PASSES; pass++)
	{
		if (take_new_rows(retrain, PAGES_IN_FRONT, insert_row, model) < FEW_ROWS)
			break;
	}
	TRIDENT_FAULT("index-retrain-switch");
	trident_index_lock_model(retrain->index, ExclusiveLock);
	take_new_rows(retrain, PAGES_IN_FRONT, insert_row, model);
	TRIDENT_FAULT("index-retrain-locked");
	trident_index_write_meta(&retrain->writer, &retrain->meta);
	trident_index_unlock_model(retrain->index, ExclusiveLock);
	TRIDENT_FAULT("index-retrain-switched");
}

/* Open what heap rows are read with. */
static void
begin_fetch(Retrain *retrain)
{
	InitNonVacuumableSnapshot(retrain->snapshot, GlobalVisTestFor(retrain->heap));
	retrain->fetch = table_index_fetch_begin(retrain->heap);
	retrain->slot = table_slot_create(retrain->heap, NULL);
	retrain->estate = CreateExecutorState();
}

static void
end_fetch(Retrain *retrain)
{
	table_index_fetch_end(retrain->fetch);
	ExecDropSingleTupleTableSlot(retrain->slot);
	FreeExecutorState(retrain->estate);
}

/* Lists that an index with so many rows should be given; 0: let it be. */
static int
lists_due(Relation index, const TridentIndexMeta *meta, double rows)
{
	TridentIndexOptions *options = (TridentIndexOptions *) index->rd_options;
	TridentIndexLayout layout;
	int			automatic;

	trident_index_layout(&layout, meta->dim, meta->dp, meta->format, meta->bits,
						 meta->has_key);
	automatic = trident_index_lists_for(rows, layout.list_rows);
	if (automatic <= 1)
		return 0;
	if (meta->nlists > 1 && rows < GROWTH * meta->trained_rows)
		return 0;
	return options && options->lists > 0 ? options->lists : automatic;
}

bool
trident_index_retrain_if_due(Relation index, double rows)
{
	MemoryContext context;
	MemoryContext old;
	Retrain		retrain = {0};
	TridentIndexSampled sampled;
	TridentIndexCentroids *centroids;
	TridentIndexNearest *nearest;

	trident_index_meta_read(index, &retrain.meta);
	if (lists_due(index, &retrain.meta, rows) <= 1)
		return false;

	context = AllocSetContextCreate(CurrentMemoryContext,
									"trident index training",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	retrain.index = index;
	/* vacuum has the table locked */
	retrain.heap = table_open(index->rd_index->indrelid, NoLock);
	retrain.index_info = BuildIndexInfo(index);
	retrain.old = trident_index_model_read(index, &retrain.meta, context);
	if (retrain.old == NULL)
		trident_index_corrupted(index, "has a damaged model");
	retrain.coder = retrain.old->coder;
	retrain.max_blocks = RelationGetNumberOfBlocks(index);
	retrain.copied = MemoryContextAllocExtended(context,
												sizeof(uint16) * retrain.max_blocks,
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	retrain.meta.generation++;
	trident_index_sample_plan(retrain.heap, index, retrain.index_info,
							  &retrain.coder, &sampled);
	centroids = trident_index_train_table(retrain.heap, index,
										  retrain.index_info, &retrain.coder,
										  &retrain.meta, &sampled, NULL);
	TRIDENT_FAULT("index-retrain-trained");
	if (centroids->nlists > 1)
	{
		ereport(DEBUG1,
				(errmsg_internal("training index \"%s\" with %d lists for %.0f rows",
								 RelationGetRelationName(index),
								 centroids->nlists, rows)));
		trident_index_writer_init(&retrain.writer, index, &retrain.coder.layout,
								  retrain.meta.generation, centroids->nlists,
								  MAIN_FORKNUM, true);
		retrain.meta.model = trident_index_write_model(&retrain.writer, centroids);
		begin_fetch(&retrain);
		nearest = trident_index_nearest_make(sampled.nqueries);
		copy_rows(&retrain, centroids, &sampled, nearest);
		catch_up_and_switch(&retrain, &sampled, nearest);
		end_fetch(&retrain);
	}
	table_close(retrain.heap, NoLock);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return retrain.writer.index != NULL;
}
