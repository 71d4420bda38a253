/*
 * vacuum.c
 *	  Removing dead rows, and giving pages back.
 *
 * Bulk deletion goes through the file in physical order.  Rows are removed by
 * moving the last row of their list page into their slot, under exclusive
 * locks on it and its row pages and in one record: no cleanup lock is needed,
 * since scans keep no place in a page (probe.c), and rows never change their
 * list page.  Rows added meanwhile were not
 * there when the dead ones were collected, so it does not matter whether the
 * pass sees them.
 *
 * Room in pages is used by later inserts into the same list: the directory
 * entry says that there are holes.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/fault.h"
#include "index/am.h"

/* What a pass over the file knows and counts. */
typedef struct Pass
{
	IndexVacuumInfo *info;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;	/* NULL: only count */
	void	   *callback_state;
	TridentIndexMeta meta;
	TridentIndexLayout layout;
	bool	   *has_holes;		/* by list: rows have been removed */
	BlockNumber free_pages;
} Pass;

/*
 * Is the heap row dead?  Damage may have left an address that is none, which
 * the callback must not see: trident_index_check() tells of it.
 */
static inline bool
is_dead(const Pass *pass, ItemPointer tid)
{
	return ItemPointerIsValid(tid) && pass->callback(tid, pass->callback_state);
}

/* Is any row of the page dead?  The caller holds a lock. */
static bool
has_dead_row(const Pass *pass, Page page)
{
	int			nrows = trident_index_page_rows(&pass->layout, page);
	int			slot;

	for (slot = 0; slot < nrows; slot++)
	{
		if (is_dead(pass, trident_index_page_tid(&pass->layout, page, slot)))
			return true;
	}
	return false;
}

/*
 * Free the row pages of a list page that no row is on any more, all of them
 * registered as in group.
 */
static void
free_row_pages(const Pass *pass, const TridentIndexGroup *group)
{
	TridentIndexListHeader *header = TridentIndexPageHeader(group->page);
	int			i;

	for (i = trident_index_row_pages(&pass->layout, header->nrows);
		 i < TRIDENT_INDEX_MAX_ROW_PAGES && group->row_pages[i]; i++)
	{
		trident_index_page_init(group->row_pages[i], TRIDENT_INDEX_PAGE_FREE, 0,
								pass->meta.generation);
		header->row_pages[i] = InvalidBlockNumber;
	}
}

/*
 * Remove the dead rows of a list page, which the caller holds exclusively:
 * one record of it and its row pages.
 */
static void
remove_dead_rows(Pass *pass, TridentIndexHeld *held)
{
	Relation	index = pass->info->index;
	TridentIndexGroup group = {0};
	GenericXLogState *state;
	int			i;
	int			slot;

	held->strategy = pass->info->strategy;
	if (!trident_index_hold_rows(index, &pass->layout, held, BUFFER_LOCK_EXCLUSIVE))
		trident_index_chain_corrupted(index, TridentIndexPageOpaque(held->group.page)->list);
	state = GenericXLogStart(index);
	group.page = GenericXLogRegisterBuffer(state, held->buffer, 0);
	for (i = 0; i < TRIDENT_INDEX_MAX_ROW_PAGES; i++)
	{
		if (held->group.row_pages[i])
			group.row_pages[i] = GenericXLogRegisterBuffer(state, held->row_buffers[i], 0);
	}

	/* from the end, so that the row moved into a slot has been looked at */
	for (slot = trident_index_page_rows(&pass->layout, group.page) - 1; slot >= 0; slot--)
	{
		ItemPointer tid = trident_index_page_tid(&pass->layout, group.page, slot);

		if (is_dead(pass, tid))
		{
			trident_index_page_remove(&pass->layout, &group, slot);
			pass->stats->tuples_removed++;
		}
	}
	free_row_pages(pass, &group);
	pass->has_holes[TridentIndexPageOpaque(group.page)->list] = true;
	TRIDENT_FAULT("index-vacuum-page");
	GenericXLogFinish(state);
	TRIDENT_FAULT("index-vacuum-page-logged");

	for (i = 0; i < TRIDENT_INDEX_MAX_ROW_PAGES; i++)
	{
		BlockNumber block;

		if (held->group.row_pages[i] == NULL ||
			TridentIndexPageOpaque(held->group.row_pages[i])->kind != TRIDENT_INDEX_PAGE_FREE)
			continue;
		block = BufferGetBlockNumber(held->row_buffers[i]);
		RecordFreeIndexPage(index, block);
		pass->stats->pages_newly_deleted++;
		/* those behind are yet to be visited, and counted then */
		if (block < BufferGetBlockNumber(held->buffer))
			pass->free_pages++;
	}
}

/* A page that no list of the model in use has: free it, logged. */
static void
free_stale_page(Pass *pass, Buffer buffer)
{
	GenericXLogState *state = GenericXLogStart(pass->info->index);
	Page		page = GenericXLogRegisterBuffer(state, buffer,
												 GENERIC_XLOG_FULL_IMAGE);

	trident_index_page_init(page, TRIDENT_INDEX_PAGE_FREE, 0,
							pass->meta.generation);
	GenericXLogFinish(state);
	TRIDENT_FAULT("index-vacuum-free");
}

/* A list page of the model in use. */
static void
visit_list_page(Pass *pass, TridentIndexHeld *held)
{
	Page		page = held->group.page;
	int			list = TridentIndexPageOpaque(page)->list;

	if (list < 0 || list >= pass->meta.nlists)
		trident_index_chain_corrupted(pass->info->index, list);
	if (pass->callback && has_dead_row(pass, page))
	{
		/* Rows may be added between the locks, but nobody else removes any. */
		LockBuffer(held->buffer, BUFFER_LOCK_UNLOCK);
		LockBuffer(held->buffer, BUFFER_LOCK_EXCLUSIVE);
		remove_dead_rows(pass, held);
	}
	pass->stats->num_index_tuples += trident_index_page_rows(&pass->layout, page);
}

/*
 * A page of a generation that is neither in use nor of one that training has
 * replaced or not finished.  It is left as it is: what it was nobody knows.
 */
static void
report_strange_page(Pass *pass, BlockNumber block, uint32 generation)
{
	ereport(WARNING,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has a damaged page at block %u",
					RelationGetRelationName(pass->info->index), block),
			 errdetail("The page is of generation %u, the index of generation %u.",
					   generation, pass->meta.generation),
			 errhint("Run trident_index_check() to see what is damaged, then REINDEX.")));
}

/* Visit one block of the file. */
static void
visit_block(Pass *pass, BlockNumber block)
{
	Relation	index = pass->info->index;
	TridentIndexHeld held = {0};
	TridentIndexOpaque *opaque;

	held.buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL,
									 pass->info->strategy);
	LockBuffer(held.buffer, BUFFER_LOCK_SHARE);
	held.group.page = BufferGetPage(held.buffer);
	opaque = TridentIndexPageOpaque(held.group.page);
	if (PageIsNew(held.group.page) || opaque->kind == TRIDENT_INDEX_PAGE_FREE)
	{
		/* new: an extension that a crash or an error left without content */
		RecordFreeIndexPage(index, block);
		pass->free_pages++;
	}
	else if (opaque->kind == TRIDENT_INDEX_PAGE_META)
		;
	else if (opaque->page_id != TRIDENT_INDEX_PAGE_ID ||
			 opaque->generation > pass->meta.generation + 1)
		report_strange_page(pass, block, opaque->generation);
	else if (opaque->generation != pass->meta.generation)
	{
		/* replaced by training, or left by one that did not finish */
		LockBuffer(held.buffer, BUFFER_LOCK_UNLOCK);
		LockBuffer(held.buffer, BUFFER_LOCK_EXCLUSIVE);
		free_stale_page(pass, held.buffer);
		RecordFreeIndexPage(index, block);
		pass->stats->pages_newly_deleted++;
		pass->free_pages++;
	}
	else if (opaque->kind == TRIDENT_INDEX_PAGE_LIST)
		visit_list_page(pass, &held);
	trident_index_release(&held);
}

/* Tell the directory which lists have got room. */
static void
mark_holes(Pass *pass)
{
	Relation	index = pass->info->index;
	const TridentIndexModel *model = trident_index_model(index);
	int			i;
	int			list;

	for (i = 0; i < model->ndirectory; i++)
	{
		int			first = i * TRIDENT_INDEX_ENTRIES;
		int			n = Min(TRIDENT_INDEX_ENTRIES, model->meta.nlists - first);
		GenericXLogState *state;
		Buffer		buffer;
		Page		page;

		for (list = first; list < first + n && !pass->has_holes[list]; list++)
			;
		if (list == first + n)
			continue;
		buffer = ReadBuffer(index, model->directory[i]);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		state = GenericXLogStart(index);
		page = GenericXLogRegisterBuffer(state, buffer, 0);
		for (list = first; list < first + n; list++)
		{
			if (pass->has_holes[list])
				TridentIndexPageEntries(page)[list - first].has_holes = 1;
		}
		GenericXLogFinish(state);
		UnlockReleaseBuffer(buffer);
	}
}

/* Go through all pages, removing what callback calls dead. */
static IndexBulkDeleteResult *
run_pass(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
		 IndexBulkDeleteCallback callback, void *callback_state)
{
	Relation	index = info->index;
	Pass		pass = {0};
	BlockNumber block;
	BlockNumber nblocks;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	pass.info = info;
	pass.stats = stats;
	pass.callback = callback;
	pass.callback_state = callback_state;
	trident_index_meta_read(index, &pass.meta);
	trident_index_layout(&pass.layout, pass.meta.dim, pass.meta.dp,
						 pass.meta.format, pass.meta.bits, pass.meta.has_key);
	pass.has_holes = palloc0(sizeof(bool) * pass.meta.nlists);

	stats->num_index_tuples = 0;

	/*
	 * Who extends the file locks the new page before letting go of this lock
	 * (list.c).  So we never take a page for forgotten that somebody is about
	 * to use, but wait for him at the page.
	 */
	LockRelationForExtension(index, ExclusiveLock);
	nblocks = RelationGetNumberOfBlocks(index);
	UnlockRelationForExtension(index, ExclusiveLock);
	for (block = 0; block < nblocks; block++)
	{
		TridentVacuumDelayPoint();
		visit_block(&pass, block);
	}
	TRIDENT_FAULT("index-vacuum-holes");
	mark_holes(&pass);
	TRIDENT_FAULT("index-vacuum-end");
	stats->num_pages = nblocks;
	stats->pages_deleted = stats->pages_free = pass.free_pages;
	pfree(pass.has_holes);
	return stats;
}

IndexBulkDeleteResult *
trident_index_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
						  IndexBulkDeleteCallback callback,
						  void *callback_state)
{
	return run_pass(info, stats, callback, callback_state);
}

IndexBulkDeleteResult *
trident_index_vacuum_cleanup(IndexVacuumInfo *info,
							 IndexBulkDeleteResult *stats)
{
	if (info->analyze_only)
		return stats;
	/* without a deletion before, the rows have not been counted yet */
	if (stats == NULL)
		stats = run_pass(info, NULL, NULL, NULL);
	/* training leaves the pages of the old model to be freed */
	if (trident_index_retrain_if_due(info->index, stats->num_index_tuples))
		stats = run_pass(info, stats, NULL, NULL);
	IndexFreeSpaceMapVacuum(info->index);
	return stats;
}
