/*
 * fetch.c
 *	  Candidates' rows in the table: their exact values.
 *
 * A row is read where its address says, which is anywhere in the table: half a
 * dozen lines that are not in the processor's cache, each found by the one
 * before.  So rows are read a few together, and what can be guessed of where
 * they lie is brought towards the processor before the first is read: the
 * buffer that their page was last seen in, and there the line pointer and the
 * tuple.  A guess is looked at without lock or pin, since nothing but an
 * address to bring is made of it; what it should be is seen when the row is
 * read in the proper way.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "executor/executor.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/scan.h"

/*
 * In which buffers pages of tables were last, for all indexes of this backend;
 * where two pages have one place the later one has it.
 */
#define GUESSES 65536

static Buffer *guesses;

/* Most bytes of a tuple to bring: those of 128 float4 and some columns more. */
#define TUPLE_BYTES 640

/*
 * The value of the vector column, an expression, for the row in the slot.  That
 * of the key column is no business of a query's user: it is not evaluated.
 */
static Datum
expression_value(IndexScanDesc scan, bool *isnull)
{
	TridentIndexScan *so = scan->opaque;
	ExprContext *context;

	if (so->estate == NULL)
	{
		/* they live as long as the scan does, over rescans */
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(so));

		so->estate = CreateExecutorState();
		so->expression = ExecPrepareExpr(linitial(RelationGetIndexExpressions(scan->indexRelation)),
										 so->estate);
		MemoryContextSwitchTo(old);
	}
	context = GetPerTupleExprContext(so->estate);
	context->ecxt_scantuple = so->slot;
	return ExecEvalExprSwitchContext(so->expression, context, isnull);
}

/* The exact value of the heap row in the slot; false if it has none. */
static bool
row_value(IndexScanDesc scan, double *value)
{
	TridentIndexScan *so = scan->opaque;
	AttrNumber	attnum = scan->indexRelation->rd_index->indkey.values[0];
	Datum		datum;
	bool		isnull;

	if (attnum != 0)
		datum = slot_getattr(so->slot, attnum, &isnull);
	else
		datum = expression_value(scan, &isnull);
	if (isnull)
		return false;
	if (attnum != 0 && VARATT_IS_EXTERNAL(DatumGetPointer(datum)))
	{
		/* the executor will ask for it again, should the row be returned */
		TridentVector *value = TRIDENT_VECTOR_P(datum);

		if (so->kept == NULL)
			so->kept = trident_vector_kept_create(so->context);
		trident_vector_keep(so->kept, datum, (struct varlena *) value);
		datum = PointerGetDatum(value);
	}
	trident_index_read_value(&so->coder, datum, so->scratch);
	*value = trident_index_exact_value(&so->coder, so->query, so->scratch);
	if (isnan(*value))
		*value = get_float8_infinity();
	return true;
}

/* The place of the guess for the page of a row. */
static Buffer *
guess_of(IndexScanDesc scan, const ItemPointerData *tid)
{
	uint32		page = ItemPointerGetBlockNumberNoCheck(tid) +
		RelationGetRelid(scan->heapRelation) * 2654435761U;

	return &guesses[page % GUESSES];
}

/* Note in which buffer the row in the slot is. */
static void
note_buffer(IndexScanDesc scan, const ItemPointerData *tid)
{
	TridentIndexScan *so = scan->opaque;

	if (TTS_IS_BUFFERTUPLE(so->slot))
		*guess_of(scan, tid) = ((BufferHeapTupleTableSlot *) so->slot)->buffer;
}

/* Bring the head of the page that a row is probably on. */
static void
prefetch_page(IndexScanDesc scan, const ItemPointerData *tid)
{
	Buffer		buffer = *guess_of(scan, tid);
	char	   *page;

	if (!BufferIsValid(buffer) || BufferIsLocal(buffer))
		return;
	page = (char *) BufferGetBlock(buffer);
	__builtin_prefetch(GetBufferDescriptor(buffer - 1), 1);
	__builtin_prefetch(page);
	__builtin_prefetch(page + 64);
}

/* And, when the head is there, the tuple that the row is. */
static void
prefetch_tuple(IndexScanDesc scan, const ItemPointerData *tid)
{
	Buffer		buffer = *guess_of(scan, tid);
	Size		line = offsetof(PageHeaderData, pd_linp) + sizeof(ItemIdData) *
		(ItemPointerGetOffsetNumberNoCheck(tid) - 1);
	ItemIdData	item;
	char	   *page;
	Size		at;
	Size		end;

	if (!BufferIsValid(buffer) || BufferIsLocal(buffer) || line >= BLCKSZ)
		return;
	page = (char *) BufferGetBlock(buffer);
	item = *(ItemId) (page + line);
	at = item.lp_off;
	for (end = Min(at + Min(item.lp_len, TUPLE_BYTES), BLCKSZ); at < end; at += 64)
		__builtin_prefetch(page + at);
}

void
trident_index_check_address(Relation index, Relation heap, BlockNumber *nblocks,
							const ItemPointerData *tid)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);

	if (ItemPointerIsValid(tid) && block < *nblocks)
		return;
	*nblocks = RelationGetNumberOfBlocks(heap);
	if (!ItemPointerIsValid(tid) || block >= *nblocks)
		trident_index_corrupted(index, "has a damaged address of a row");
}

/* Read the heap row of a candidate and keep it if the snapshot sees it. */
static void
look_at(IndexScanDesc scan, ItemPointer tid)
{
	TridentIndexScan *so = scan->opaque;
	ItemPointerData heap_tid = *tid;
	bool		call_again = false;
	bool		all_dead = false;
	MemoryContext old;
	double		value;

	trident_index_check_address(scan->indexRelation, scan->heapRelation,
								&so->heap_blocks, tid);
	so->stats.rows_reranked++;
	trident_index_remember(so, tid);
	if (!table_index_fetch_tuple(so->fetch, &heap_tid, scan->xs_snapshot,
								 so->slot, &call_again, &all_dead))
	{
		so->ninvisible++;
		return;
	}
	note_buffer(scan, tid);
	old = MemoryContextSwitchTo(so->row_context);
	MemoryContextReset(so->row_context);
	if (row_value(scan, &value))
		trident_index_found_add(so, value, tid);
	if (so->estate)
		ResetPerTupleExprContext(so->estate);
	MemoryContextSwitchTo(old);
}

void
trident_index_fetch(IndexScanDesc scan, ItemPointerData *tids, int n)
{
	TridentIndexScan *so = scan->opaque;
	int			i;

	if (so->fetch == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(so));

		so->fetch = table_index_fetch_begin(scan->heapRelation);
		so->slot = table_slot_create(scan->heapRelation, NULL);
		MemoryContextSwitchTo(old);
	}
	if (guesses == NULL)
		guesses = MemoryContextAllocZero(TopMemoryContext,
										 sizeof(Buffer) * GUESSES);
	for (i = 0; n > 1 && i < n; i++)
		prefetch_page(scan, &tids[i]);
	for (i = 0; n > 1 && i < n; i++)
		prefetch_tuple(scan, &tids[i]);
	for (i = 0; i < n; i++)
		look_at(scan, &tids[i]);
}
