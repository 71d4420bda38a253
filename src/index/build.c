/*
 * build.c
 *	  CREATE INDEX.
 *
 * In order: a sample and from it the centroids; the meta page and the model,
 * so that workers find them; all rows encoded and sorted by list, and met by
 * the queries of the recall curve; lists and directory written; the meta page
 * again, now complete; the whole file logged.  Nothing is logged before: a
 * crash leaves a file that the aborted transaction drops.
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/fault.h"
#include "index/am.h"
#include "index/build.h"
#include "index/curve.h"
#include "vector/vector.h"

/* Of the rotation; any will do, and one for all makes builds repeatable. */
#define ROTATION_SEED UINT64CONST(0x7472696465)

/* A build on its way. */
typedef struct Build
{
	Relation	heap;
	Relation	index;
	IndexInfo  *index_info;
	TridentIndexMeta meta;
	TridentIndexCoder coder;
	TridentIndexSampled sampled;
	TridentIndexWriter writer;
	TridentIndexParallel *parallel; /* NULL: one process */
} Build;

/* Tell pg_stat_progress_create_index, if this is a CREATE INDEX. */
static void
report_phase(int64 phase)
{
	if (MyBEEntry && MyBEEntry->st_progress_command == PROGRESS_COMMAND_CREATE_INDEX)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase);
}

/* Dimensions of the vector column; error where it has none. */
static int
column_dimensions(Relation index)
{
	int			dim = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;

	if (dim < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column does not have dimensions"),
				 errhint("Declare the column with its dimensions, as in vector(768).")));
	return dim;
}

/* Refuse columns in an order or a number that we cannot use. */
static void
check_columns(Relation index)
{
	int			i;

	for (i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		bool		is_vector = OidIsValid(index_getprocid(index, i + 1,
														   TRIDENT_INDEX_KIND_PROC));

		if (is_vector != (i == 0) || i > 1)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("access method \"trident\" takes a vector column, then at most one key column"),
					 errhint("Use CREATE INDEX ... USING trident (vector_column operator_class [, key_column]).")));
	}
}

/* What the meta page fixes for good, from the definition of the index. */
static void
init_meta(Relation index, TridentIndexMeta *meta)
{
	TridentIndexOptions *options = (TridentIndexOptions *) index->rd_options;
	TridentIndexMetric metric;
	TridentIndexFormat format;
	bool		is_half;
	int			dp;

	check_columns(index);
	memset(meta, 0, sizeof(*meta));
	trident_index_column_kind(index, &metric, &is_half);
	meta->magic = TRIDENT_INDEX_MAGIC;
	meta->version = TRIDENT_INDEX_VERSION;
	meta->dim = column_dimensions(index);
	trident_index_format(meta->dim, &dp, &format);
	meta->dp = dp;
	meta->format = format;
	meta->bits = options && options->bits ? options->bits : 4;
	if (meta->dp > TRIDENT_INDEX_MAX_8_BITS_DIM)
		meta->bits = 4;
	meta->metric = metric;
	meta->has_key = IndexRelationGetNumberOfKeyAttributes(index) > 1;
	meta->seed = ROTATION_SEED;
	meta->generation = 1;
	meta->nlists = 1;
	meta->model = InvalidBlockNumber;
	meta->directory = InvalidBlockNumber;
}

/* The centroids of a flat index: one list around the origin. */
static TridentIndexCentroids *
flat_centroids(int dp)
{
	TridentIndexCentroids *c = palloc0(sizeof(TridentIndexCentroids));

	c->dp = dp;
	c->nlists = c->ncoarse = 1;
	c->coarse = palloc0(sizeof(float) * dp);
	c->lists = palloc0(sizeof(float) * dp);
	c->coarse_norm2 = palloc0(sizeof(float));
	c->list_norm2 = palloc0(sizeof(float));
	c->first = palloc0(sizeof(int) * 2);
	c->first[1] = 1;
	return c;
}

TridentIndexCentroids *
trident_index_train_table(Relation heap, Relation index, IndexInfo *index_info,
						  const TridentIndexCoder *coder,
						  TridentIndexMeta *meta,
						  TridentIndexSampled *sampled,
						  TridentIndexParallel *parallel)
{
	TridentIndexCentroids *centroids = NULL;
	Size		size = trident_index_sample_size(coder, sampled);
	TridentIndexSample sample = {
		.dp = meta->dp,
		.is_spherical = coder->metric == TRIDENT_INDEX_COSINE
	};

	report_phase(TRIDENT_INDEX_PHASE_SAMPLE);
	if (sampled->nlists > 1)
		trident_index_sample_draw(heap, index, index_info, coder,
								  parallel ? trident_index_parallel_memory(parallel) :
								  MemoryContextAllocHuge(CurrentMemoryContext, size),
								  sampled);
	report_phase(TRIDENT_INDEX_PHASE_TRAIN);
	sample.rows = sampled->x;
	sample.nrows = sampled->nrows;
	if (parallel)
		centroids = trident_index_parallel_train(parallel, sampled, meta->seed);
	else if (sampled->nrows >= 2)
		centroids = trident_index_train(&sample, sampled->nlists, meta->seed);
	if (centroids == NULL)
		return flat_centroids(meta->dp);
	meta->nlists = centroids->nlists;
	meta->ncoarse = centroids->ncoarse;
	return centroids;
}

/* Encode all rows by one process; returns the performed sort. */
static Tuplesortstate *
encode(Relation heap, Relation index, IndexInfo *index_info,
	   const TridentIndexCoder *coder, const TridentIndexCentroids *centroids,
	   const TridentIndexSampled *sampled, TridentIndexNearest *nearest,
	   double *heap_rows)
{
	TridentIndexEncoder encoder;
	Tuplesortstate *sort;

	sort = trident_index_sort_begin(maintenance_work_mem, NULL);
	trident_index_encoder_init(&encoder, index, coder, centroids, sort);
	trident_index_encoder_measure(&encoder, sampled, nearest);
	*heap_rows = trident_index_encode_table(&encoder, heap, index_info, NULL);
	report_phase(TRIDENT_INDEX_PHASE_SORT);
	tuplesort_performsort(sort);
	return sort;
}

/* Write the sorted rows as lists. */
static void
write_lists(TridentIndexWriter *writer, Tuplesortstate *sort)
{
	TupleTableSlot *slot = trident_index_sort_slot();
	TridentIndexRow *row = palloc(trident_index_row_bytes(writer->layout));
	int			list;

	report_phase(TRIDENT_INDEX_PHASE_WRITE);
	while (trident_index_sort_next(sort, slot, &list, row))
	{
		trident_index_write_row(writer, list, row);
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
									 (int64) writer->rows);
	}
	ExecDropSingleTupleTableSlot(slot);
	pfree(row);
}

/* Train; write the meta page and the model. */
static TridentIndexCentroids *
build_model(Build *build)
{
	TridentIndexMeta *meta = &build->meta;
	TridentIndexCentroids *centroids;

	report_phase(TRIDENT_INDEX_PHASE_SAMPLE);
	trident_index_sample_plan(build->heap, build->index, build->index_info,
							  &build->coder, &build->sampled);
	build->parallel = trident_index_parallel_begin(build->heap, build->index,
												   build->index_info,
												   &build->coder,
												   &build->sampled);
	centroids = trident_index_train_table(build->heap, build->index,
										  build->index_info, &build->coder,
										  meta, &build->sampled,
										  build->parallel);
	trident_index_writer_init(&build->writer, build->index,
							  &build->coder.layout, meta->generation,
							  meta->nlists, MAIN_FORKNUM, false);
	trident_index_write_meta(&build->writer, meta);
	if (meta->ncoarse > 0)
		meta->model = trident_index_write_model(&build->writer, centroids);
	trident_index_write_meta(&build->writer, meta);
	return centroids;
}

/* Encode all rows, write them as lists, and measure the curve. */
static void
build_lists(Build *build, const TridentIndexCentroids *centroids,
			double *heap_rows)
{
	TridentIndexMeta *meta = &build->meta;
	TridentIndexNearest *nearest = NULL;
	Tuplesortstate *sort;

	report_phase(TRIDENT_INDEX_PHASE_ENCODE);
	if (build->parallel)
		sort = trident_index_parallel_encode(build->parallel, &build->coder,
											 centroids, heap_rows, &nearest);
	else
	{
		if (meta->nlists > 1)
			nearest = trident_index_nearest_make(build->sampled.nqueries);
		sort = encode(build->heap, build->index, build->index_info,
					  &build->coder, centroids, &build->sampled, nearest,
					  heap_rows);
	}
	TRIDENT_FAULT("index-build-encoded");
	write_lists(&build->writer, sort);
	tuplesort_end(sort);
	meta->trained_rows = build->writer.rows;
	meta->directory = trident_index_write_directory(&build->writer);
	trident_index_write_meta(&build->writer, meta);

	if (nearest == NULL)
		return;
	report_phase(TRIDENT_INDEX_PHASE_MEASURE);
	trident_index_curve_measure(trident_index_model(build->index), meta,
								&build->sampled, nearest);
	trident_index_write_meta(&build->writer, meta);
}

IndexBuildResult *
trident_index_build(Relation heap, Relation index, IndexInfo *index_info)
{
	IndexBuildResult *result = palloc0(sizeof(IndexBuildResult));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "trident index build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Build		build = {
		.heap = heap,
		.index = index,
		.index_info = index_info
	};
	TridentIndexCentroids *centroids;
	TridentIndexMetric metric;
	bool		is_half;

	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data",
			 RelationGetRelationName(index));
	init_meta(index, &build.meta);
	trident_index_column_kind(index, &metric, &is_half);
	trident_index_coder_init(&build.coder, &build.meta, is_half);

	centroids = build_model(&build);
	build_lists(&build, centroids, &result->heap_tuples);
	result->index_tuples = build.writer.rows;
	if (build.parallel)
		trident_index_parallel_end(build.parallel);

	report_phase(TRIDENT_INDEX_PHASE_LOG);
	TRIDENT_FAULT("index-build-written");
	if (RelationNeedsWAL(index))
		log_newpage_range(index, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(index), true);
	TRIDENT_FAULT("index-build-logged");
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}

/* The empty index that an unlogged one becomes after a crash. */
void
trident_index_build_empty(Relation index)
{
	TridentIndexMeta meta;
	TridentIndexLayout layout;
	TridentIndexWriter writer;

	init_meta(index, &meta);
	trident_index_layout(&layout, meta.dim, meta.dp, meta.format, meta.bits,
						 meta.has_key);
	trident_index_writer_init(&writer, index, &layout, meta.generation, 1,
							  INIT_FORKNUM, false);
	trident_index_write_meta(&writer, &meta);
	meta.directory = trident_index_write_directory(&writer);
	trident_index_write_meta(&writer, &meta);
	log_newpage_range(index, INIT_FORKNUM, 0,
					  RelationGetNumberOfBlocksInFork(index, INIT_FORKNUM), true);
}
