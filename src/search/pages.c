/*
 * pages.c
 *	  The rows of a heap that is in memory, in the order that they stand in.
 *
 * Reading rows in memory is waiting for memory.  Two waits dominate the pass
 * of exact.c, about a third of its time each, and a scan through the table
 * access method can shorten neither:
 *
 *	  - finding a page in the buffer pool touches five far-off places in turn.
 *		Here the buffer after that of the last page is tried first: a table
 *		that was read or loaded in order mostly stands there in order.  Its tag
 *		tells whether it is right, and a wrong guess is looked up.
 *	  - a processor fetches ahead what is read upwards, but rows stand in a page
 *		from its end down, and vectors are long.  Here the whole page is asked
 *		for before its first row is looked at.
 *
 * This is for tables no larger than a quarter of the buffer pool: those that
 * the heap's own scan keeps in it.  Larger ones go through a small ring of
 * buffers, with read-ahead and scans that share their reads; they are left to
 * that scan, as are other access methods.  What it does for a page is done
 * here in its order: prune, share-lock, check what the snapshot sees, unlock
 * and keep the pin.  Not done is recording reads for SERIALIZABLE, which
 * exact.c does not run under.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "search/search.h"

/*
 * Of how many pages one is looked up although the guess may be right.  Only a
 * look-up tells the buffer pool that a page is in use: without any, the pool
 * would give up the pages of a table that is searched all the time.  Which
 * pages they are changes from scan to scan, so all of them have their turn.
 */
#define RENEW_INTERVAL 32

/* How far apart prefetches are: a cache line of x86 and of most ARM. */
#define LINE_BYTES 64

struct TridentSearchPages
{
	Relation	rel;
	Snapshot	snapshot;
	BlockNumber next;			/* the page to read */
	BlockNumber nblocks;		/* as the scan began; later rows are unseen */
	Buffer		buffer;			/* of the page at hand, pinned; or invalid */
	Buffer		guess;			/* where the next page may be; or invalid */
	uint32		number;			/* of this scan, in the session */

	/* The rows of the page at hand that the snapshot sees. */
	int			row;			/* the next one */
	int			nrows;
	HeapTupleData rows[MaxHeapTuplesPerPage];
};

bool
trident_search_pages_serve(Relation rel)
{
	return rel->rd_tableam == GetHeapamTableAmRoutine() &&
		RelationGetNumberOfBlocks(rel) <= (BlockNumber) NBuffers / 4;
}

TridentSearchPages *
trident_search_pages_begin(Relation rel)
{
	static uint32 scans = 0;
	TridentSearchPages *pages = palloc(sizeof(TridentSearchPages));

	pages->rel = rel;
	pages->snapshot = GetActiveSnapshot();
	pages->next = 0;
	pages->nblocks = RelationGetNumberOfBlocks(rel);
	pages->buffer = InvalidBuffer;
	pages->guess = InvalidBuffer;
	pages->number = scans++;
	pages->row = 0;
	pages->nrows = 0;
	pgstat_count_heap_scan(rel);
	return pages;
}

/* Pin the next page. */
static Buffer
read_page(TridentSearchPages *pages)
{
	Relation	rel = pages->rel;
	BlockNumber block = pages->next++;
	Buffer		buffer = pages->guess;

	if (BufferIsValid(buffer) &&
		(block + pages->number) % RENEW_INTERVAL != 0 &&
		ReadRecentBuffer(TridentRelationLocator(rel), MAIN_FORKNUM, block, buffer))
	{
		pgstat_count_buffer_read(rel);
		pgstat_count_buffer_hit(rel);
	}
	else
		buffer = ReadBuffer(rel, block);

	/* Buffers of temporary tables have numbers below 0, and are near. */
	pages->guess = buffer > 0 && buffer < NBuffers ? buffer + 1 : InvalidBuffer;
	return buffer;
}

/* Collect the rows of the page at hand that the snapshot sees. */
static void
collect_rows(TridentSearchPages *pages)
{
	Buffer		buffer = pages->buffer;
	Page		page = BufferGetPage(buffer);
	BlockNumber block = BufferGetBlockNumber(buffer);
	OffsetNumber last;
	bool		all_visible;

	pages->row = 0;
	pages->nrows = 0;
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	TridentTestForOldSnapshot(pages->snapshot, pages->rel, page);

	/* On a standby the flag may be ahead of what its snapshots may see. */
	all_visible = PageIsAllVisible(page) && !pages->snapshot->takenDuringRecovery;
	last = PageGetMaxOffsetNumber(page);
	for (OffsetNumber i = FirstOffsetNumber; i <= last; i++)
	{
		ItemId		item = PageGetItemId(page, i);
		HeapTuple	row = &pages->rows[pages->nrows];

		if (!ItemIdIsNormal(item))
			continue;
		row->t_data = (HeapTupleHeader) PageGetItem(page, item);
		row->t_len = ItemIdGetLength(item);
		row->t_tableOid = RelationGetRelid(pages->rel);
		ItemPointerSet(&row->t_self, block, i);
		if (all_visible ||
			HeapTupleSatisfiesVisibility(row, pages->snapshot, buffer))
			pages->nrows++;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
}

static void
next_page(TridentSearchPages *pages)
{
	char	   *page;

	CHECK_FOR_INTERRUPTS();
	if (BufferIsValid(pages->buffer))
		ReleaseBuffer(pages->buffer);
	pages->buffer = InvalidBuffer;
	pages->buffer = read_page(pages);

	/* From the end down, for so rows come. */
	page = (char *) BufferGetPage(pages->buffer);
	for (int i = BLCKSZ - LINE_BYTES; i >= 0; i -= LINE_BYTES)
		__builtin_prefetch(page + i, 0, 2);

	heap_page_prune_opt(pages->rel, pages->buffer);
	collect_rows(pages);
}

HeapTuple
trident_search_pages_next(TridentSearchPages *pages)
{
	while (pages->row == pages->nrows)
	{
		if (pages->next == pages->nblocks)
			return NULL;
		next_page(pages);
	}
	pgstat_count_heap_getnext(pages->rel);
	return &pages->rows[pages->row++];
}

void
trident_search_pages_store(TridentSearchPages *pages, TupleTableSlot *slot)
{
	ExecStoreBufferHeapTuple(&pages->rows[pages->row - 1], slot, pages->buffer);
}

void
trident_search_pages_end(TridentSearchPages *pages)
{
	if (BufferIsValid(pages->buffer))
		ReleaseBuffer(pages->buffer);
	pfree(pages);
}
