/*
 * list.c
 *	  Directory entries, and rows added to lists.
 *
 * Locks: the directory page of a list is held in share mode while a row goes
 * into a page of the list, and exclusively while the chain changes.  So who
 * holds it exclusively (a new page, or training) sees a chain and pages that
 * stand still, and inserts into one list wait for each other only at the page
 * itself.
 *
 * WAL: a row is one generic record of its list page and, where rows are apart,
 * its row page, be that new or not; a new list page is one record with the
 * directory page and its first row page.  So no row is ever in a page that a
 * crash leaves unlinked, nor half a row.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/fault.h"
#include "index/store.h"

/*
 * Inserts hold this lock in share mode from reading the model to having put
 * the row into a list, so that training can wait for them and hold new ones
 * off while it changes models.  A heavyweight lock, since training does much
 * under it.
 */
void
trident_index_lock_model(Relation index, LOCKMODE mode)
{
	LockPage(index, TRIDENT_INDEX_META_BLOCK, mode);
}

void
trident_index_unlock_model(Relation index, LOCKMODE mode)
{
	UnlockPage(index, TRIDENT_INDEX_META_BLOCK, mode);
}

/* May this page, found in the free space map, be used? */
static bool
page_is_reusable(Page page)
{
	if (PageIsNew(page))
		return true;
	return TridentIndexPageOpaque(page)->kind == TRIDENT_INDEX_PAGE_FREE;
}

Buffer
trident_index_new_buffer(Relation index)
{
	Buffer		buffer;
	BlockNumber block;

	while ((block = GetFreeIndexPage(index)) != InvalidBlockNumber)
	{
		buffer = ReadBuffer(index, block);

		/* Whoever holds it now has use for it; the map may be out of date. */
		if (ConditionalLockBuffer(buffer))
		{
			if (page_is_reusable(BufferGetPage(buffer)))
				return buffer;
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		ReleaseBuffer(buffer);
	}

	LockRelationForExtension(index, ExclusiveLock);
	buffer = ReadBuffer(index, P_NEW);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	UnlockRelationForExtension(index, ExclusiveLock);
	return buffer;
}

/* Lock the directory page of a list; false where it has been replaced. */
static bool
lock_directory(Relation index, const TridentIndexModel *model, int list,
			   int mode, Buffer *buffer)
{
	int			i = list / TRIDENT_INDEX_ENTRIES;
	TridentIndexOpaque *opaque;

	if (i >= model->ndirectory)
		trident_index_corrupted(index, "has no directory");
	*buffer = trident_index_read(index, model, model->directory[i]);
	LockBuffer(*buffer, mode);
	opaque = TridentIndexPageOpaque(BufferGetPage(*buffer));
	if (opaque->kind == TRIDENT_INDEX_PAGE_DIRECTORY &&
		opaque->generation == model->meta.generation)
		return true;
	UnlockReleaseBuffer(*buffer);
	return false;
}

/* The same where the directory cannot have been replaced. */
static Buffer
lock_own_directory(Relation index, const TridentIndexModel *model, int list,
				   int mode)
{
	Buffer		buffer;

	if (!lock_directory(index, model, list, mode, &buffer))
		trident_index_corrupted(index, "has lost a page of its directory");
	return buffer;
}

/* The entry of a list on its directory page. */
static TridentIndexListEntry *
page_entry(Page page, int list)
{
	return &TridentIndexPageEntries(page)[list % TRIDENT_INDEX_ENTRIES];
}

bool
trident_index_list_entry(Relation index, const TridentIndexModel *model,
						 int list, TridentIndexListEntry *entry)
{
	Buffer		buffer;

	if (!lock_directory(index, model, list, BUFFER_LOCK_SHARE, &buffer))
		return false;
	*entry = *page_entry(BufferGetPage(buffer), list);
	UnlockReleaseBuffer(buffer);
	return true;
}

void
trident_index_chain_corrupted(Relation index, int list)
{
	trident_index_corrupted(index, "has a damaged chain of pages in list %d", list);
}

/* Is this a row page of a list page that is held? */
static bool
is_row_page_of(const TridentIndexHeld *held, Page page)
{
	const TridentIndexOpaque *list = TridentIndexPageOpaque(held->group.page);
	const TridentIndexOpaque *opaque = TridentIndexPageOpaque(page);

	return !PageIsNew(page) && opaque->kind == TRIDENT_INDEX_PAGE_ROWS &&
		opaque->list == list->list && opaque->generation == list->generation &&
		opaque->next == BufferGetBlockNumber(held->buffer);
}

bool
trident_index_hold_row_page(Relation index, const TridentIndexModel *model,
							TridentIndexHeld *held, int i, int mode)
{
	BlockNumber block = TridentIndexPageHeader(held->group.page)->row_pages[i];
	Buffer		buffer;
	Page		page;
	bool		is_ours;

	if (!BlockNumberIsValid(block))
		return false;
	if (model)
		buffer = trident_index_read(index, model, block);
	else
		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL,
									held->strategy);
	page = BufferGetPage(buffer);

	/*
	 * To wait for a lock that we have would be for ever, so damage that leads
	 * to a page that is held must be seen before: such a page stands still and
	 * is no row page of this list page, or has been met as another one.
	 */
	is_ours = is_row_page_of(held, page);
	for (int j = 0; j < TRIDENT_INDEX_MAX_ROW_PAGES; j++)
		is_ours = is_ours && held->row_buffers[j] != buffer;
	if (is_ours)
	{
		LockBuffer(buffer, mode);
		if (!is_row_page_of(held, page))
		{
			/* freed by the vacuum behind a training that replaced the model */
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
			is_ours = false;
		}
	}
	if (!is_ours)
	{
		ReleaseBuffer(buffer);
		return false;
	}
	held->row_buffers[i] = buffer;
	held->group.row_pages[i] = page;
	return true;
}

bool
trident_index_hold_rows(Relation index, const TridentIndexLayout *layout,
						TridentIndexHeld *held, int mode)
{
	int			nrows = trident_index_page_rows(layout, held->group.page);
	int			n = trident_index_row_pages(layout, nrows);

	for (int i = 0; i < n; i++)
	{
		if (!trident_index_hold_row_page(index, NULL, held, i, mode))
			return false;
	}
	return true;
}

void
trident_index_release(TridentIndexHeld *held)
{
	int			i;

	for (i = 0; i < TRIDENT_INDEX_MAX_ROW_PAGES; i++)
	{
		if (BufferIsValid(held->row_buffers[i]))
			UnlockReleaseBuffer(held->row_buffers[i]);
	}
	UnlockReleaseBuffer(held->buffer);
}

/*
 * Have exclusively what the next row of a held list page needs of its row
 * pages: one that is there, or a buffer for a new one.  Returns which; -1
 * where rows are on the list page.
 */
static int
hold_next_row_page(Relation index, const TridentIndexModel *model,
				   TridentIndexHeld *held)
{
	const TridentIndexLayout *layout = &model->coder.layout;
	const TridentIndexListHeader *header = TridentIndexPageHeader(held->group.page);
	int			i;

	if (layout->max_row_pages == 0)
		return -1;
	i = header->nrows / layout->page_rows;
	if (!BlockNumberIsValid(header->row_pages[i]))
		held->row_buffers[i] = trident_index_new_buffer(index);
	else if (!trident_index_hold_row_page(index, model, held, i,
										  BUFFER_LOCK_EXCLUSIVE))
		trident_index_chain_corrupted(index,
									  TridentIndexPageOpaque(held->group.page)->list);
	return i;
}

/*
 * Append row to a list page, whose image is registered with state as page, and
 * to row page i of what is held, as hold_next_row_page() has it.
 */
static void
append_registered(GenericXLogState *state, const TridentIndexLayout *layout,
				  const TridentIndexHeld *held, Page page, int i,
				  const TridentIndexRow *row)
{
	TridentIndexGroup group = {.page = page};

	if (i >= 0)
	{
		bool		is_new = held->group.row_pages[i] == NULL;
		Buffer		buffer = held->row_buffers[i];
		TridentIndexOpaque *opaque = TridentIndexPageOpaque(page);

		group.row_pages[i] = GenericXLogRegisterBuffer(state, buffer,
													   is_new ? GENERIC_XLOG_FULL_IMAGE : 0);
		if (is_new)
		{
			trident_index_page_init(group.row_pages[i], TRIDENT_INDEX_PAGE_ROWS,
									opaque->list, opaque->generation);
			TridentIndexPageOpaque(group.row_pages[i])->next =
				BufferGetBlockNumber(held->buffer);
			TridentIndexPageHeader(page)->row_pages[i] = BufferGetBlockNumber(buffer);
			TRIDENT_FAULT("index-insert-row-page");
		}
	}
	trident_index_page_append(layout, &group, row);
}

/* Append row to a held list page that has room; logged. */
static void
append_logged(Relation index, const TridentIndexModel *model,
			  TridentIndexHeld *held, const TridentIndexRow *row)
{
	int			i = hold_next_row_page(index, model, held);
	GenericXLogState *state = GenericXLogStart(index);

	append_registered(state, &model->coder.layout, held,
					  GenericXLogRegisterBuffer(state, held->buffer, 0), i, row);
	TRIDENT_FAULT("index-insert-row");
	GenericXLogFinish(state);
	TRIDENT_FAULT("index-insert-row-logged");
}

/*
 * Try to put row into one page.  *next is the page behind it.  The caller
 * holds the directory page.
 */
static bool
try_page(Relation index, const TridentIndexModel *model, int list,
		 BlockNumber block, const TridentIndexRow *row, BlockNumber *next)
{
	TridentIndexHeld held = {0};
	const TridentIndexOpaque *opaque;
	Page		page;
	bool		done = false;

	/* what would make a new page */
	if (!BlockNumberIsValid(block))
		trident_index_chain_corrupted(index, list);
	held.buffer = trident_index_read(index, model, block);
	page = BufferGetPage(held.buffer);
	opaque = TridentIndexPageOpaque(page);

	/*
	 * Pages of a model that is locked stay what they are; damage may lead to
	 * the directory page, whose lock we have and would wait for.
	 */
	if (PageIsNew(page) || opaque->kind != TRIDENT_INDEX_PAGE_LIST ||
		opaque->list != list || opaque->generation != model->meta.generation)
		trident_index_chain_corrupted(index, list);
	LockBuffer(held.buffer, BUFFER_LOCK_EXCLUSIVE);
	held.group.page = page;
	trident_index_page_check(index, block, page, TRIDENT_INDEX_PAGE_LIST);
	*next = opaque->next;
	if (!trident_index_page_full(&model->coder.layout, page))
	{
		append_logged(index, model, &held, row);
		done = true;
	}
	trident_index_release(&held);
	return done;
}

/*
 * Put a new page with row in front of the chain of a list.  The caller holds
 * its directory page, in directory, exclusively.
 */
static void
add_page(Relation index, const TridentIndexModel *model, int list,
		 Buffer directory, const TridentIndexRow *row)
{
	TridentIndexHeld held = {.buffer = trident_index_new_buffer(index)};
	bool		is_apart = model->coder.layout.max_row_pages > 0;
	GenericXLogState *state;
	TridentIndexListEntry *entry;
	Page		dpage;
	Page		page;

	if (is_apart)
		held.row_buffers[0] = trident_index_new_buffer(index);
	state = GenericXLogStart(index);
	dpage = GenericXLogRegisterBuffer(state, directory, 0);
	page = GenericXLogRegisterBuffer(state, held.buffer, GENERIC_XLOG_FULL_IMAGE);
	entry = page_entry(dpage, list);
	trident_index_page_init(page, TRIDENT_INDEX_PAGE_LIST, list,
							model->meta.generation);
	TridentIndexPageOpaque(page)->next = entry->head;
	append_registered(state, &model->coder.layout, &held, page,
					  is_apart ? 0 : -1, row);
	entry->head = entry->fill = BufferGetBlockNumber(held.buffer);
	entry->pages++;
	TRIDENT_FAULT("index-insert-page");
	GenericXLogFinish(state);
	TRIDENT_FAULT("index-insert-page-logged");
	trident_index_release(&held);
}

/* Note in the directory that inserts go on at fill, or that no hole is left. */
static void
set_fill(Relation index, Buffer directory, int list, BlockNumber fill,
		 bool has_holes)
{
	GenericXLogState *state = GenericXLogStart(index);
	TridentIndexListEntry *entry =
		page_entry(GenericXLogRegisterBuffer(state, directory, 0), list);

	entry->fill = fill;
	entry->has_holes = has_holes;
	GenericXLogFinish(state);
}

void
trident_index_freeze_lists(Relation index, const TridentIndexModel *model,
						   BlockNumber *heads)
{
	int			list;

	for (list = 0; list < model->meta.nlists; list += TRIDENT_INDEX_ENTRIES)
	{
		int			n = Min(TRIDENT_INDEX_ENTRIES, model->meta.nlists - list);
		Buffer		directory = lock_own_directory(index, model, list,
												   BUFFER_LOCK_EXCLUSIVE);
		GenericXLogState *state = GenericXLogStart(index);
		Page		page = GenericXLogRegisterBuffer(state, directory, 0);
		int			i;

		for (i = 0; i < n; i++)
		{
			TridentIndexListEntry *entry = page_entry(page, list + i);

			heads[list + i] = entry->head;
			entry->fill = InvalidBlockNumber;
			entry->has_holes = 0;
		}
		GenericXLogFinish(state);
		UnlockReleaseBuffer(directory);
	}
}

/*
 * Put row into a hole of a list, whose directory page the caller holds
 * exclusively.  block is the page behind the one that was filled last: the
 * search goes on from there, and at the end of the chain from its head, so
 * that pages found full are not looked at again and again.
 */
static bool
fill_hole(Relation index, const TridentIndexModel *model, int list,
		  Buffer directory, BlockNumber block, const TridentIndexRow *row)
{
	TridentIndexListEntry entry = *page_entry(BufferGetPage(directory), list);
	uint32		pages;

	for (pages = 0; pages < entry.pages; pages++)
	{
		BlockNumber next;
		bool		done;

		if (!BlockNumberIsValid(block))
			block = entry.head;
		done = try_page(index, model, list, block, row, &next);
		TRIDENT_FAULT("index-insert-hole");
		if (done)
		{
			set_fill(index, directory, list, block, true);
			return true;
		}
		block = next;
	}
	set_fill(index, directory, list, entry.fill, false);
	return false;
}

/*
 * The page to fill is full: put row into a hole that vacuum left, or into a
 * new page.
 */
static void
insert_elsewhere(Relation index, const TridentIndexModel *model, int list,
				 const TridentIndexRow *row)
{
	Buffer		directory = lock_own_directory(index, model, list,
											   BUFFER_LOCK_EXCLUSIVE);
	TridentIndexListEntry entry = *page_entry(BufferGetPage(directory), list);
	BlockNumber next = InvalidBlockNumber;
	bool		done;

	/* Somebody else may have started a page while we waited for the lock. */
	done = BlockNumberIsValid(entry.fill) &&
		try_page(index, model, list, entry.fill, row, &next);
	if (!done && entry.has_holes)
		done = fill_hole(index, model, list, directory, next, row);
	if (!done)
		add_page(index, model, list, directory, row);
	UnlockReleaseBuffer(directory);
}

void
trident_index_list_insert(Relation index, const TridentIndexModel *model,
						  int list, const TridentIndexRow *row)
{
	Buffer		directory = lock_own_directory(index, model, list,
											   BUFFER_LOCK_SHARE);
	BlockNumber fill = page_entry(BufferGetPage(directory), list)->fill;
	BlockNumber next;
	bool		done = false;

	if (BlockNumberIsValid(fill))
		done = try_page(index, model, list, fill, row, &next);
	UnlockReleaseBuffer(directory);
	if (!done)
		insert_elsewhere(index, model, list, row);
}
