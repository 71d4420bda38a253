/*
 * stats.c
 *	  trident_index_stats: an index in numbers.
 *
 * One pass over the pages, in physical order and with a ring of buffers, so
 * that it does not push anything out of shared buffers.  Other sessions insert
 * and vacuum meanwhile; the numbers are those of no single moment, as with
 * every view of statistics.
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/guc.h"
#include "index/curve.h"
#include "index/inspect.h"

PG_FUNCTION_INFO_V1(trident_index_stats);

/* The result columns, in order. */
enum Column
{
	METRIC,
	DIMENSIONS,
	FORMAT,
	BITS,
	HAS_KEY,
	GENERATION,
	TRAINED_ROWS,
	LISTS,
	COARSE_LISTS,
	ROWS,
	ROWS_DEAD,
	ROWS_OUTSIDE,
	LIST_ROWS_MEAN,
	LIST_ROWS_P50,
	LIST_ROWS_P99,
	LIST_ROWS_MAX,
	IMBALANCE,
	LISTS_EMPTY,
	LISTS_WITH_HOLES,
	FILL,
	SIZE_BYTES,
	MODEL_BYTES,
	DIRECTORY_BYTES,
	LIST_BYTES,
	FREE_BYTES,
	PROBES,
	CURVE_QUERIES,
	RECALL_CURVE,
	NCOLUMNS
};

/* What the passes over index and table count. */
typedef struct Counts
{
	TridentIndexMeta meta;
	TridentIndexCoder coder;
	BlockNumber nblocks;
	BlockNumber pages[TRIDENT_INDEX_PAGE_KINDS]; /* by kind */
	int64		rows;
	int64	   *list_rows;		/* rows of each list, sorted at last */
	int			with_holes;

	/* rows of the table, if asked for */
	int64		held;			/* that the index holds */
	int64		outside;		/* that it cannot hold */
	float	   *raw;
	float	   *scratch;
} Counts;

/* Count one page; the caller holds it. */
static void
count_page(Counts *counts, Page page)
{
	TridentIndexOpaque *opaque;
	int			nrows;
	int			i;

	if (PageIsNew(page) ||
		TridentIndexPageOpaque(page)->page_id != TRIDENT_INDEX_PAGE_ID)
	{
		counts->pages[TRIDENT_INDEX_PAGE_FREE]++;
		return;
	}
	opaque = TridentIndexPageOpaque(page);
	/* of another generation: vacuum will free it */
	if (opaque->generation != counts->meta.generation ||
		opaque->kind < TRIDENT_INDEX_PAGE_META ||
		opaque->kind >= TRIDENT_INDEX_PAGE_KINDS)
	{
		counts->pages[TRIDENT_INDEX_PAGE_FREE]++;
		return;
	}
	counts->pages[opaque->kind]++;
	if (opaque->kind == TRIDENT_INDEX_PAGE_DIRECTORY)
	{
		/* entries beyond the last list are zero */
		for (i = 0; i < TRIDENT_INDEX_ENTRIES; i++)
			counts->with_holes += TridentIndexPageEntries(page)[i].has_holes != 0;
	}
	if (opaque->kind != TRIDENT_INDEX_PAGE_LIST ||
		opaque->list < 0 || opaque->list >= counts->meta.nlists)
		return;
	nrows = Min(TridentIndexPageHeader(page)->nrows, counts->coder.layout.capacity);
	counts->rows += nrows;
	counts->list_rows[opaque->list] += nrows;
}

static int
compare_int64(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* Go through all pages. */
static void
count_pages(Counts *counts, Relation index)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber block;

	counts->nblocks = RelationGetNumberOfBlocks(index);
	for (block = 0; block < counts->nblocks; block++)
	{
		Buffer		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block,
												RBM_NORMAL, strategy);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		count_page(counts, BufferGetPage(buffer));
		UnlockReleaseBuffer(buffer);
	}
	FreeAccessStrategy(strategy);
}

/* Count the index; once more where training replaces its model meanwhile. */
static void
count_index(Counts *counts, Relation index)
{
	TridentIndexMetric metric;
	TridentIndexMeta now;
	bool		is_half;

	trident_index_column_kind(index, &metric, &is_half);
	trident_index_meta_read(index, &now);
	do
	{
		memset(counts, 0, sizeof(*counts));
		counts->meta = now;
		trident_index_coder_init(&counts->coder, &now, is_half);
		counts->list_rows = palloc0(sizeof(int64) * now.nlists);
		count_pages(counts, index);
		trident_index_meta_read(index, &now);
	} while (now.generation != counts->meta.generation);
	qsort(counts->list_rows, counts->meta.nlists, sizeof(int64), compare_int64);
}

/* Count one row of the table. */
static void
count_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		  bool is_alive, void *arg)
{
	Counts	   *counts = arg;

	if (trident_index_inspect_value(&counts->coder, values[0], isnull[0],
									counts->raw, counts->scratch))
		counts->held++;
	else
		counts->outside++;
}

/* Go through all rows of the table that are visible now. */
static void
count_table(Counts *counts, const TridentIndexInspection *inspection)
{
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());

	counts->raw = palloc(sizeof(float) * counts->coder.layout.dim);
	counts->scratch = palloc(sizeof(float) * counts->coder.layout.dp);
	trident_index_inspect_rows(inspection, snapshot, count_row, counts);
	UnregisterSnapshot(snapshot);
}

/* The measured points of the recall curve: [{"k", "recall", "lists"}]. */
static Datum
curve_json(const TridentIndexMeta *meta)
{
	StringInfoData json;
	int			k;
	int			i;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (k = 0; k < TRIDENT_INDEX_CURVE_KS; k++)
	{
		/* not measured: the table was too small for this k */
		if (meta->curve[k][0] <= 0)
			continue;
		for (i = 0; i < TRIDENT_INDEX_CURVE_TARGETS; i++)
			appendStringInfo(&json, "%s{\"k\": %d, \"recall\": %g, \"lists\": %d}",
							 json.len > 1 ? ", " : "",
							 trident_index_curve_ks[k],
							 trident_index_curve_targets[i],
							 trident_index_curve_lists(meta, trident_index_curve_ks[k],
													   trident_index_curve_targets[i]));
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* What is known from the meta page. */
static void
meta_columns(const TridentIndexMeta *meta, Datum *values, bool *nulls)
{
	static const char *const metric[] = {
		[TRIDENT_INDEX_L2] = "l2",
		[TRIDENT_INDEX_IP] = "ip",
		[TRIDENT_INDEX_COSINE] = "cosine"
	};
	static const char *const format[] = {
		[TRIDENT_INDEX_EXACT] = "exact",
		[TRIDENT_INDEX_SIGNS] = "signs",
		[TRIDENT_INDEX_WIDE] = "wide"
	};
	double		probes;

	if (trident_base_index_probes > 0)
		probes = Min(trident_base_index_probes, meta->nlists);
	else
		probes = trident_index_curve_mean(meta, TRIDENT_INDEX_PATIENT_ROWS, 1,
										  trident_base_index_target_recall);

	nulls[METRIC] = meta->metric < 1 || meta->metric >= lengthof(metric);
	if (!nulls[METRIC])
		values[METRIC] = CStringGetTextDatum(metric[meta->metric]);
	values[DIMENSIONS] = Int32GetDatum(meta->dim);
	nulls[FORMAT] = meta->format < 1 || meta->format >= lengthof(format);
	if (!nulls[FORMAT])
		values[FORMAT] = CStringGetTextDatum(format[meta->format]);
	values[BITS] = Int32GetDatum(meta->bits);
	nulls[BITS] = meta->format == TRIDENT_INDEX_EXACT;
	values[HAS_KEY] = BoolGetDatum(meta->has_key != 0);
	values[GENERATION] = Int64GetDatum(meta->generation);
	values[TRAINED_ROWS] = Int64GetDatum((int64) meta->trained_rows);
	nulls[TRAINED_ROWS] = meta->nlists == 1;
	values[LISTS] = Int32GetDatum(meta->nlists);
	values[COARSE_LISTS] = Int32GetDatum(meta->ncoarse);
	values[PROBES] = Int32GetDatum((int) ceil(probes));
	values[CURVE_QUERIES] = Int32GetDatum(meta->curve_queries);
	values[RECALL_CURVE] = curve_json(meta);
}

/* Rows, and how they are spread over lists. */
static void
row_columns(const Counts *counts, Datum *values, bool *nulls)
{
	int			nlists = counts->meta.nlists;
	const int64 *rows = counts->list_rows;
	double		squares = 0;
	int			empty = 0;
	int			i;

	for (i = 0; i < nlists; i++)
	{
		squares += (double) rows[i] * rows[i];
		empty += rows[i] == 0;
	}
	values[ROWS] = Int64GetDatum(counts->rows);
	values[LIST_ROWS_MEAN] = Float8GetDatum((double) counts->rows / nlists);
	values[LIST_ROWS_P50] = Int64GetDatum(rows[(nlists - 1) / 2]);
	values[LIST_ROWS_P99] = Int64GetDatum(rows[(int) ((nlists - 1) * 0.99)]);
	values[LIST_ROWS_MAX] = Int64GetDatum(rows[nlists - 1]);
	nulls[IMBALANCE] = counts->rows == 0;
	if (counts->rows > 0)
		values[IMBALANCE] = Float8GetDatum(squares * nlists / counts->rows / counts->rows);
	values[LISTS_EMPTY] = Int32GetDatum(empty);
	values[LISTS_WITH_HOLES] = Int32GetDatum(counts->with_holes);
}

/* Bytes of each sort of page. */
static void
size_columns(const Counts *counts, Datum *values, bool *nulls)
{
	const BlockNumber *pages = counts->pages;
	BlockNumber lists = pages[TRIDENT_INDEX_PAGE_LIST];

	values[SIZE_BYTES] = Int64GetDatum((int64) counts->nblocks * BLCKSZ);
	values[MODEL_BYTES] = Int64GetDatum((int64) (pages[TRIDENT_INDEX_PAGE_META] +
												 pages[TRIDENT_INDEX_PAGE_MODEL]) * BLCKSZ);
	values[DIRECTORY_BYTES] = Int64GetDatum((int64) pages[TRIDENT_INDEX_PAGE_DIRECTORY] * BLCKSZ);
	values[LIST_BYTES] = Int64GetDatum((int64) (lists + pages[TRIDENT_INDEX_PAGE_ROWS]) * BLCKSZ);
	values[FREE_BYTES] = Int64GetDatum((int64) pages[TRIDENT_INDEX_PAGE_FREE] * BLCKSZ);
	nulls[FILL] = lists == 0;
	if (lists > 0)
		values[FILL] = Float8GetDatum((double) counts->rows / lists /
									  counts->coder.layout.capacity);
}

/* One row; the table is read only where the second argument says so. */
Datum
trident_index_stats(PG_FUNCTION_ARGS)
{
	TridentIndexInspection inspection;
	Counts		counts = {0};
	TupleDesc	desc;
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != NCOLUMNS)
		elog(ERROR, "return type is not the row type of trident_index_stats");
	trident_index_inspect_open(&inspection, PG_GETARG_OID(0), AccessShareLock,
							   true);
	count_index(&counts, inspection.index);
	nulls[ROWS_DEAD] = nulls[ROWS_OUTSIDE] = !PG_GETARG_BOOL(1);
	if (PG_GETARG_BOOL(1))
	{
		count_table(&counts, &inspection);
		values[ROWS_DEAD] = Int64GetDatum(Max(counts.rows - counts.held, 0));
		values[ROWS_OUTSIDE] = Int64GetDatum(counts.outside);
	}
	meta_columns(&counts.meta, values, nulls);
	row_columns(&counts, values, nulls);
	size_columns(&counts, values, nulls);
	trident_index_inspect_close(&inspection);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
