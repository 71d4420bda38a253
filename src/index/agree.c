/*
 * agree.c
 *	  trident_index_check with heap_all_indexed: do index and table agree?
 *
 * The entries of the index are sorted by the address of their row, and merged
 * with a scan of the table in physical order.  For every row that the snapshot
 * sees there must be one entry, with the row's label, its code, and in a list
 * near to it; for every entry, visible row or not, the table must have a line
 * pointer.  The sort keeps to maintenance_work_mem and spills to disk.
 *
 * The snapshot is older than the reading of the index: what it sees was
 * inserted into the index before.  Entries that are newer lead to rows that
 * it does not see.  No vacuum runs meanwhile (check.c), except that recovery
 * may replay one: on a standby an entry may thus outlive its row here, and
 * entries of rows that the snapshot does not see are left out of account.
 *
 * Codes are compared with what encoding the row gives now.  On another
 * processor, or with another trident.simd, the last bit of a float may differ,
 * so that a dimension at the edge between two levels may be on the other side:
 * that is accepted, and nothing else is.
 */
#include "postgres.h"

#include <math.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"

#include "base/compat.h"
#include "index/inspect.h"
#include "index/key.h"

/* An entry is in a list too far away when another is nearer by this share. */
#define FAR 1.1

/* Columns of the sort. */
enum SortColumn
{
	TID,
	BLOCK,
	LIST,
	ROW,
	NSORT
};

/* An entry of the index for a row of the page that the scan is at. */
typedef struct Entry
{
	OffsetNumber offset;
	bool		is_matched;		/* the snapshot sees the row */
	int			list;
	BlockNumber block;			/* in the index */
	TridentIndexRow *row;
} Entry;

typedef struct Agree
{
	const TridentIndexInspection *inspection;
	const TridentIndexModel *model;
	TridentIndexReport report;
	void	   *arg;
	bool		is_recovery;
	BlockNumber heap_blocks;

	/* entries in the order of their rows; ahead: one has been read of them */
	Tuplesortstate *sort;
	TupleTableSlot *slot;
	bool		has_ahead;
	BlockNumber ahead;			/* its page of the table */

	/* entries of one page of the table */
	MemoryContext context;		/* reset for every page */
	int64		block;			/* of the table; -1 before the first */
	int			nentries;
	int			max_entries;
	Entry	   *entries;

	/* scratch, for one row */
	float	   *raw;
	float	   *x;
	TridentIndexRow *expected;
} Agree;

/* Report something of an entry (or, without one, of a row of the table). */
static void
report_row(Agree *agree, const Entry *entry, OffsetNumber offset,
		   const char *problem)
{
	char	   *text = psprintf("%s row (%u,%u) of the table: %s",
								entry ? "entry for" : "no entry for",
								(BlockNumber) agree->block, offset, problem);

	agree->report(agree->arg, entry ? entry->block : InvalidBlockNumber, text);
	pfree(text);
}

static TupleDesc
sort_desc(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(NSORT);

	TupleDescInitEntry(desc, TID + 1, "tid", INT8OID, -1, 0);
	TupleDescInitEntry(desc, BLOCK + 1, "block", INT8OID, -1, 0);
	TupleDescInitEntry(desc, LIST + 1, "list", INT4OID, -1, 0);
	TupleDescInitEntry(desc, ROW + 1, "row", BYTEAOID, -1, 0);
	return desc;
}

/* Put the rows of a list page into the sort; the caller holds it. */
static void
sort_page(Agree *agree, TupleTableSlot *slot, BlockNumber block,
		  TridentIndexHeld *held, bytea *row)
{
	const TridentIndexLayout *layout = &agree->model->coder.layout;
	Page		page = held->group.page;
	TridentIndexRow *content = (TridentIndexRow *) VARDATA(row);
	int			nrows = Min(TridentIndexPageHeader(page)->nrows, layout->capacity);
	int			i;

	if (!trident_index_hold_rows(agree->inspection->index, layout, held, BUFFER_LOCK_SHARE))
	{
		/* Replay frees row pages of an old model before their list page. */
		if (RecoveryInProgress())
			return;
		trident_index_chain_corrupted(agree->inspection->index,
									  TridentIndexPageOpaque(page)->list);
	}
	for (i = 0; i < nrows; i++)
	{
		trident_index_page_get(layout, &held->group, i, content);
		ExecClearTuple(slot);
		memset(slot->tts_isnull, false, sizeof(bool) * NSORT);
		slot->tts_values[TID] =
			Int64GetDatum((int64) ItemPointerGetBlockNumberNoCheck(&content->tid) << 16 |
						  ItemPointerGetOffsetNumberNoCheck(&content->tid));
		slot->tts_values[BLOCK] = Int64GetDatum((int64) block);
		slot->tts_values[LIST] = Int32GetDatum(TridentIndexPageOpaque(page)->list);
		slot->tts_values[ROW] = PointerGetDatum(row);
		ExecStoreVirtualTuple(slot);
		tuplesort_puttupleslot(agree->sort, slot);
	}
}

/* Sort all entries of the model in use. */
static void
sort_entries(Agree *agree)
{
	const TridentIndexMeta *meta = &agree->model->meta;
	Relation	index = agree->inspection->index;
	Size		row_bytes = trident_index_row_bytes(&agree->model->coder.layout);
	bytea	   *row = palloc0(VARHDRSZ + row_bytes + MAXIMUM_ALIGNOF);
	TupleDesc	desc = sort_desc();
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	AttrNumber	attnum = TID + 1;
	Oid			less = Int8LessOperator;
	Oid			collation = InvalidOid;
	bool		nulls_first = false;
	BlockNumber block;

	SET_VARSIZE(row, VARHDRSZ + row_bytes);
	agree->sort = tuplesort_begin_heap(desc, 1, &attnum, &less, &collation,
									   &nulls_first, maintenance_work_mem, NULL,
									   TUPLESORT_NONE);
	for (block = 1; block < nblocks; block++)
	{
		TridentIndexHeld held = {.strategy = strategy};
		Page		page;
		TridentIndexOpaque *opaque;

		CHECK_FOR_INTERRUPTS();
		held.buffer = ReadBufferExtended(index, MAIN_FORKNUM, block,
										 RBM_NORMAL, strategy);
		LockBuffer(held.buffer, BUFFER_LOCK_SHARE);
		held.group.page = page = BufferGetPage(held.buffer);
		opaque = TridentIndexPageOpaque(page);
		if (!PageIsNew(page) && opaque->kind == TRIDENT_INDEX_PAGE_LIST &&
			opaque->generation == meta->generation &&
			opaque->list >= 0 && opaque->list < meta->nlists)
			sort_page(agree, slot, block, &held, row);
		trident_index_release(&held);
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeAccessStrategy(strategy);
	tuplesort_performsort(agree->sort);
	agree->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
}

/* Read one entry ahead. */
static void
read_ahead(Agree *agree)
{
	agree->has_ahead = tuplesort_gettupleslot(agree->sort, true, false,
											  agree->slot, NULL);
	if (agree->has_ahead)
	{
		slot_getallattrs(agree->slot);
		agree->ahead = DatumGetInt64(agree->slot->tts_values[TID]) >> 16;
	}
}

/* Add the entry read ahead to those of the page. */
static void
take_ahead(Agree *agree)
{
	Datum	   *values = agree->slot->tts_values;
	bytea	   *row = DatumGetByteaPP(values[ROW]);
	Entry	   *entry;

	if (agree->nentries == agree->max_entries)
	{
		agree->max_entries *= 2;
		agree->entries = repalloc(agree->entries,
								  sizeof(Entry) * agree->max_entries);
	}
	entry = &agree->entries[agree->nentries++];
	entry->offset = DatumGetInt64(values[TID]) & 0xFFFF;
	entry->is_matched = false;
	entry->list = DatumGetInt32(values[LIST]);
	entry->block = DatumGetInt64(values[BLOCK]);
	entry->row = MemoryContextAlloc(agree->context, VARSIZE_ANY_EXHDR(row));
	memcpy(entry->row, VARDATA_ANY(row), VARSIZE_ANY_EXHDR(row));
}

/*
 * What is wrong with an entry leading to this place of a page of the table,
 * which the caller holds; NULL if nothing.
 */
static const char *
pointer_fault(Page page, OffsetNumber offset)
{
	ItemId		item;

	if (offset > PageGetMaxOffsetNumber(page))
		return "the table has no such row";
	item = PageGetItemId(page, offset);
	if (!ItemIdIsUsed(item))
		return "the table has no such row";
	if (ItemIdIsNormal(item) &&
		HeapTupleHeaderIsHeapOnly((HeapTupleHeader) PageGetItem(page, item)))
		return "it is an update that the entry of an older version leads to";
	return NULL;
}

/* Check entries of the page that lead to no row that the snapshot sees. */
static void
check_unmatched(Agree *agree)
{
	Relation	heap = agree->inspection->heap;
	Buffer		buffer;
	int			i;

	if (agree->block >= agree->heap_blocks)
		agree->heap_blocks = RelationGetNumberOfBlocks(heap);
	if (agree->block >= agree->heap_blocks)
	{
		for (i = 0; i < agree->nentries; i++)
			report_row(agree, &agree->entries[i], agree->entries[i].offset,
					   "the table ends before that page");
		return;
	}
	if (heap->rd_tableam != GetHeapamTableAmRoutine())
		return;
	buffer = ReadBuffer(heap, (BlockNumber) agree->block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	for (i = 0; i < agree->nentries; i++)
	{
		const Entry *entry = &agree->entries[i];
		const char *fault = entry->is_matched ? NULL :
			pointer_fault(BufferGetPage(buffer), entry->offset);

		if (fault)
			report_row(agree, entry, entry->offset, fault);
	}
	UnlockReleaseBuffer(buffer);
}

/* The page of the table is done: look at what its entries have come to. */
static void
finish_page(Agree *agree)
{
	bool		has_unmatched = false;
	int			i;

	for (i = 0; i < agree->nentries; i++)
	{
		const Entry *entry = &agree->entries[i];

		has_unmatched = has_unmatched || !entry->is_matched;
		if (i > 0 && entry->offset == entry[-1].offset &&
			(entry->is_matched || !agree->is_recovery))
			report_row(agree, entry, entry->offset,
					   "it has another entry");
	}
	if (has_unmatched && !agree->is_recovery)
		check_unmatched(agree);
	agree->nentries = 0;
	MemoryContextReset(agree->context);
}

/* Finish pages of the table before block, and load the entries of block. */
static void
advance(Agree *agree, int64 block)
{
	if (block == agree->block)
		return;
	finish_page(agree);
	while (agree->has_ahead && agree->ahead <= block)
	{
		if (agree->ahead != agree->block)
		{
			finish_page(agree);
			agree->block = agree->ahead;
		}
		take_ahead(agree);
		read_ahead(agree);
	}
	if (agree->block != block)
		finish_page(agree);
	agree->block = block;
	CHECK_FOR_INTERRUPTS();
}

/* The level of a dimension in a finer code. */
static int
code_level(const TridentIndexLayout *layout, const TridentIndexRow *row, int i)
{
	const uint8 *code = trident_index_row_values(layout, row);
	int			half = layout->dp / 2;

	if (layout->bits == 8)
		return code[i];
	return i < half ? code[i] & 15 : code[i - half] >> 4;
}

static bool
code_sign(const TridentIndexRow *row, int i)
{
	return TridentIndexRowSigns(row)[i / 8] >> i % 8 & 1;
}

/* Are two factors equal but for the arithmetic's last bits? */
static bool
factors_agree(float a, float b, double scale)
{
	return a == b || fabs((double) a - b) <= 1e-3 * (fabs(a) + fabs(b) + scale);
}

/*
 * Is the code of an entry that of a row, x, of which expected is the code
 * now?  See the head of this file.
 */
static bool
codes_agree(Agree *agree, const Entry *entry)
{
	const TridentIndexModel *model = agree->model;
	const TridentIndexLayout *layout = &model->coder.layout;
	const TridentIndexRow *row = entry->row;
	const TridentIndexRow *expected = agree->expected;
	const float *c = model->centroids.lists + (Size) entry->list * layout->dp;
	double		c_norm = sqrt(model->centroids.list_norm2[entry->list] * layout->dp);
	double		l2 = trident_simd.l2_squared_f32(layout->dp, agree->x, c);
	double		scale = l2 > 0 ? model->coder.fine_scale / sqrt(l2) : 0;
	int			i;

	if (memcmp(row, expected, trident_index_row_bytes(layout)) == 0)
		return true;
	if (layout->format == TRIDENT_INDEX_EXACT)
		return false;
	for (i = 0; i < layout->dp; i++)
	{
		double		r = fabs((double) agree->x[i] - c[i]);
		double		slack = 1e-5 * (fabs(agree->x[i]) + fabs(c[i]));
		double		level = r * scale;
		int			difference = abs(code_level(layout, row, i) -
									 code_level(layout, expected, i));

		if (layout->format == TRIDENT_INDEX_SIGNS &&
			code_sign(row, i) != code_sign(expected, i) && r > slack)
			return false;
		if (difference > 1 ||
			(difference == 1 &&
			 fabs(level - rint(level)) > slack * scale + 1e-5 * level))
			return false;
	}
	return factors_agree(row->sign_rescale, expected->sign_rescale, 0) &&
		factors_agree(row->rescale, expected->rescale, 0) &&
		factors_agree(row->sign_add, expected->sign_add,
					  fabs(expected->sign_rescale) * c_norm) &&
		factors_agree(row->add, expected->add,
					  fabs(expected->rescale) * c_norm);
}

/* Is the entry's list one that the row, in agree->x, may be found in? */
static bool
list_is_near(Agree *agree, const Entry *entry)
{
	const TridentIndexCentroids *c = &agree->model->centroids;
	int			nearest;
	float		nearest2;
	double		actual2;

	if (c->nlists == 1)
		return true;
	trident_index_assign(c, 1, agree->x, &nearest, &nearest2);
	if (nearest == entry->list)
		return true;
	actual2 = trident_simd.l2_squared_f32(c->dp, agree->x,
										  c->lists + (Size) entry->list * c->dp);
	return !isfinite(actual2) ||
		actual2 <= FAR * nearest2 +
		1e-5 * trident_simd.norm_squared_f32(c->dp, agree->x);
}

/* Compare an entry with its row: agree->raw, agree->x, label. */
static void
compare(Agree *agree, const Entry *entry, uint32 label)
{
	const TridentIndexModel *model = agree->model;
	TridentIndexRow *expected = agree->expected;
	const char *problem = NULL;

	memset(expected, 0, trident_index_row_bytes(&model->coder.layout));
	expected->tid = entry->row->tid;
	expected->label = label;
	trident_index_encode(&model->coder, agree->raw, agree->x,
						 model->centroids.lists +
						 (Size) entry->list * model->coder.layout.dp, expected);
	if (entry->row->label != label)
		problem = "it has another key";
	else if (!codes_agree(agree, entry))
		problem = "it has another vector";
	else if (!list_is_near(agree, entry))
		problem = "another list is much nearer to it";
	if (problem)
		report_row(agree, entry, entry->offset, problem);
}

/* IndexBuildCallback: a row that the snapshot sees. */
static void
check_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		  bool is_alive, void *arg)
{
	Agree	   *agree = arg;
	const TridentIndexCoder *coder = &agree->model->coder;
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	uint32		label = 0;
	bool		has_place;
	bool		has_entry = false;
	int			i;

	advance(agree, ItemPointerGetBlockNumber(tid));
	has_place = trident_index_inspect_value(coder, values[0], isnull[0],
											agree->raw, agree->x);
	if (coder->layout.has_key)
		label = trident_index_key_label(index, values[1], isnull[1]);
	for (i = 0; i < agree->nentries; i++)
	{
		Entry	   *entry = &agree->entries[i];

		if (entry->offset != offset)
			continue;
		entry->is_matched = has_entry = true;
		if (has_place)
			compare(agree, entry, label);
		else
			report_row(agree, entry, offset,
					   "it has no vector, or under cosine one of norm 0");
	}
	if (has_place && !has_entry)
		report_row(agree, NULL, offset, "searches do not find it");
}

void
trident_index_agree(const TridentIndexInspection *inspection,
					Snapshot snapshot, TridentIndexReport report, void *arg)
{
	Agree		agree = {0};
	TridentIndexMeta meta;
	const TridentIndexLayout *layout;

	agree.inspection = inspection;
	agree.report = report;
	agree.arg = arg;
	agree.is_recovery = RecoveryInProgress();
	trident_index_meta_read(inspection->index, &meta);
	agree.model = trident_index_model_read(inspection->index, &meta,
										   CurrentMemoryContext);
	/* only on a standby: the caller will see that the model was replaced */
	if (agree.model == NULL)
		return;
	layout = &agree.model->coder.layout;
	agree.raw = palloc(sizeof(float) * layout->dim);
	agree.x = palloc(sizeof(float) * layout->dp);
	agree.expected = palloc(trident_index_row_bytes(layout));
	agree.context = AllocSetContextCreate(CurrentMemoryContext,
										  "trident index check page",
										  ALLOCSET_DEFAULT_SIZES);
	agree.block = -1;
	agree.max_entries = 64;
	agree.entries = palloc(sizeof(Entry) * agree.max_entries);

	sort_entries(&agree);
	read_ahead(&agree);
	trident_index_inspect_rows(inspection, snapshot, check_row, &agree);
	/* entries of pages behind the last that the scan has come to */
	advance(&agree, (int64) MaxBlockNumber + 1);
	ExecDropSingleTupleTableSlot(agree.slot);
	tuplesort_end(agree.sort);
	pfree((void *) agree.model);
}
