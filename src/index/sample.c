/*
 * sample.c
 *	  How many rows an index will have, and a sample of them.
 *
 * Blocks are sampled in runs, spread evenly over the table; all rows of a run
 * are taken until there are enough, then replaced at random (Vitter's
 * reservoir, "Random Sampling with a Reservoir", 1985), so that the sample
 * is even even if rows are more than estimated.
 */
#include "postgres.h"

#include <float.h>

#include "access/tableam.h"
#include "catalog/index.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/am.h"
#include "index/build.h"

/* Runs of blocks that the number of rows is estimated from, and their size. */
#define ESTIMATE_RUNS 128
#define RUN_BLOCKS 4

/* Rows a list to train with, unless option "sample" says otherwise. */
#define SAMPLE_PER_LIST 40

/* With fewer rows a list than this, centroids get noticeably worse. */
#define FEW_PER_LIST 20

/* A model larger than this would not be good to keep in every backend. */
#define MAX_MODEL_VALUES (32 * 1024 * 1024)

/* The sample must be the same for the same table: tests compare indexes. */
#define SAMPLE_SEED 0x7472696465

typedef struct SampleState
{
	const TridentIndexCoder *coder;
	int			target;			/* rows to keep; 0: only count */
	double		seen;			/* rows met */
	float	   *raw;			/* dim */
	float	   *projected;		/* dp */
	float	   *x;				/* target x dp */
	ItemPointerData *tids;		/* of x */
	pg_prng_state random;
	MemoryContext row_context;
} SampleState;

/* What the scan of a run calls for every row. */
static void
sample_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull,
				bool is_alive, void *arg)
{
	SampleState *state = arg;
	int			dp = state->coder->layout.dp;
	MemoryContext old;
	int64		place;

	/*
	 * Dead rows that are still there count, since they stand in the index; but
	 * the TOAST chunks of one may be on their way out.
	 */
	if (isnull[0] || (!is_alive && state->target > 0))
		return;
	state->seen++;
	if (state->target == 0)
		return;
	place = (int64) state->seen - 1;
	if (place >= state->target)
	{
		place = pg_prng_uint64_range(&state->random, 0, (int64) state->seen - 1);
		if (place >= state->target)
			return;
	}
	old = MemoryContextSwitchTo(state->row_context);
	MemoryContextReset(state->row_context);
	trident_index_read_value(state->coder, values[0], state->raw);
	MemoryContextSwitchTo(old);
	/* rows beyond the arithmetic would make centroids that are no numbers */
	if (trident_index_project(state->coder, state->raw, state->projected) &&
		trident_simd.norm_squared_f32(dp, state->projected) < FLT_MAX / dp)
	{
		memcpy(state->x + place * dp, state->projected, sizeof(float) * dp);
		state->tids[place] = *tid;
	}
	else
		state->seen--;
}

/* Sample nruns runs of blocks, evenly spread; returns the blocks read. */
static double
sample_runs(Relation heap, Relation index, IndexInfo *index_info,
			BlockNumber nblocks, double nruns, SampleState *state)
{
	/* A concurrent build scans by a snapshot, which takes what it shows. */
	bool		anyvisible = !index_info->ii_Concurrent;
	double		run;
	double		read = 0;

	if (nruns * RUN_BLOCKS >= nblocks)
	{
		table_index_build_range_scan(heap, index, index_info, false,
									 anyvisible, false, 0, nblocks,
									 sample_callback, state, NULL);
		return nblocks;
	}
	for (run = 0; run < nruns; run++)
	{
		BlockNumber start = (BlockNumber) (run * nblocks / nruns);
		BlockNumber n = Min(RUN_BLOCKS, nblocks - start);

		CHECK_FOR_INTERRUPTS();
		table_index_build_range_scan(heap, index, index_info, false,
									 anyvisible, false, start, n,
									 sample_callback, state, NULL);
		read += n;
	}
	return read;
}

int
trident_index_work_mem(void)
{
	return TridentIsAutovacuum() && autovacuum_work_mem != -1 ?
		autovacuum_work_mem : maintenance_work_mem;
}

/* Rows to sample for nlists lists, within the memory for it. */
static int
sample_target(Relation index, const TridentIndexCoder *coder, double rows,
			  int nlists)
{
	TridentIndexOptions *options = (TridentIndexOptions *) index->rd_options;
	double		per_list = options && options->sample > 0 ?
		options->sample : SAMPLE_PER_LIST;
	double		row_bytes = sizeof(float) * coder->layout.dp + sizeof(ItemPointerData);
	double		wanted = Min(rows * 1.1 + 1000, per_list * nlists);
	int			memory_kb = trident_index_work_mem();
	const char *setting = memory_kb == maintenance_work_mem ?
		"maintenance_work_mem" : "autovacuum_work_mem";
	double		fits = memory_kb * 1024.0 / 2 / row_bytes;

	/* not less than what makes sense of any setting */
	fits = Max(fits, 1000);
	if (Min(wanted, rows) > fits && fits < (double) FEW_PER_LIST * nlists)
		ereport(NOTICE,
				(errmsg("index \"%s\" is trained with %.0f rows for %d lists, because %s is %d kB",
						RelationGetRelationName(index), fits, nlists,
						setting, memory_kb),
				 errdetail("Lists will fit the data less well, and searches read more of them for the same recall."),
				 errhint("Increase %s to %.0f MB for this build.", setting,
						 ceil(2 * FEW_PER_LIST * nlists * row_bytes / 1024 / 1024))));
	wanted = Min(wanted, fits);
	return (int) Min(wanted, (double) MaxAllocHugeSize / row_bytes / 4);
}

/* Bring rows 0 .. n - 1 into random order. */
static void
shuffle(SampleState *state, int n)
{
	int			dp = state->coder->layout.dp;
	float	   *swap = palloc(sizeof(float) * dp);
	int			i;

	for (i = n - 1; i > 0; i--)
	{
		int			j = (int) pg_prng_uint64_range(&state->random, 0, i);
		ItemPointerData tid = state->tids[i];

		memcpy(swap, state->x + (Size) i * dp, sizeof(float) * dp);
		memcpy(state->x + (Size) i * dp, state->x + (Size) j * dp,
			   sizeof(float) * dp);
		memcpy(state->x + (Size) j * dp, swap, sizeof(float) * dp);
		state->tids[i] = state->tids[j];
		state->tids[j] = tid;
	}
	pfree(swap);
}

/* What a pass over runs of blocks needs. */
static void
begin_sampling(SampleState *state, const TridentIndexCoder *coder)
{
	memset(state, 0, sizeof(*state));
	state->coder = coder;
	state->raw = palloc(sizeof(float) * coder->layout.dim);
	state->projected = palloc(sizeof(float) * coder->layout.dp);
	state->row_context = AllocSetContextCreate(CurrentMemoryContext,
											   "trident index sample",
											   ALLOCSET_DEFAULT_SIZES);
	pg_prng_seed(&state->random, SAMPLE_SEED);
}

static void
end_sampling(SampleState *state)
{
	pfree(state->raw);
	pfree(state->projected);
	MemoryContextDelete(state->row_context);
}

void
trident_index_sample_plan(Relation heap, Relation index, IndexInfo *index_info,
						  const TridentIndexCoder *coder,
						  TridentIndexSampled *sampled)
{
	TridentIndexOptions *options = (TridentIndexOptions *) index->rd_options;
	BlockNumber nblocks = RelationGetNumberOfBlocks(heap);
	SampleState state;
	double		read;
	int			n;

	memset(sampled, 0, sizeof(*sampled));
	begin_sampling(&state, coder);
	read = sample_runs(heap, index, index_info, nblocks, ESTIMATE_RUNS, &state);
	end_sampling(&state);
	sampled->density = state.seen / Max(read, 1);
	sampled->rows = sampled->density * nblocks;
	n = options && options->lists > 0 ?
		Min(options->lists, sampled->rows) :
		trident_index_lists_for(sampled->rows, coder->layout.list_rows);
	n = Min(n, MAX_MODEL_VALUES / coder->layout.dp);
	sampled->nlists = Max(n, 1);
	if (sampled->nlists > 1)
		sampled->max_rows = TRIDENT_INDEX_CURVE_QUERIES +
			sample_target(index, coder, sampled->rows, n);
}

Size
trident_index_sample_size(const TridentIndexCoder *coder,
						  const TridentIndexSampled *sampled)
{
	return sampled->max_rows *
		(sizeof(float) * coder->layout.dp + sizeof(ItemPointerData));
}

void
trident_index_sample_place(int dp, void *memory, TridentIndexSampled *sampled)
{
	/* the first rows are for the curve, the others for training */
	sampled->queries = memory;
	sampled->x = sampled->queries + (Size) sampled->nqueries * dp;
	sampled->query_tids = (ItemPointerData *)
		(sampled->queries + (Size) sampled->max_rows * dp);
}

void
trident_index_sample_draw(Relation heap, Relation index, IndexInfo *index_info,
						  const TridentIndexCoder *coder, void *memory,
						  TridentIndexSampled *sampled)
{
	SampleState state;
	int			n;

	begin_sampling(&state, coder);
	trident_index_sample_place(coder->layout.dp, memory, sampled);
	state.target = sampled->max_rows;
	state.x = sampled->queries;
	state.tids = sampled->query_tids;
	sample_runs(heap, index, index_info, RelationGetNumberOfBlocks(heap),
				ceil(state.target / Max(sampled->density, 1e-9) / RUN_BLOCKS),
				&state);
	n = (int) Min(state.seen, state.target);
	shuffle(&state, n);
	sampled->nqueries = Min(TRIDENT_INDEX_CURVE_QUERIES, n / 4);
	sampled->nrows = n - sampled->nqueries;
	trident_index_sample_place(coder->layout.dp, memory, sampled);
	end_sampling(&state);
}
