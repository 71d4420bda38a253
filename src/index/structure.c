/*
 * structure.c
 *	  trident_index_check: is every page what it should be, where it should be?
 *
 * The structure is checked in this order, which makes it safe beside inserts:
 *
 *	1.	The meta page, alone and against the definition of the index.
 *	2.	The chain of the directory, and its entries as they are now.
 *	3.	The chain of the model, and its values.
 *	4.	All pages that the file has now, in physical order: each page for
 *		itself, list pages with their row pages; what belongs to which list,
 *		and its successor or owner, is noted.
 *	5.	The chain of every list, from the head that its entry had in step 2,
 *		through the notes.  Inserts put new pages in front of a head only, so
 *		behind it nothing has changed, and the entry's count holds.
 *	6.	The entries once more: what has come in front of a head since.  A page
 *		of the model in use that neither step has come to is lost; so is a row
 *		page that its list page does not name, neither then nor now.
 *
 * What would change more than that is vacuum (which also trains): the lock
 * that it takes on the table, ShareUpdateExclusive, is taken here.  Recovery
 * can replay a vacuum in spite of any lock, and does not grant that one: on a
 * standby AccessShare is taken, and all is repeated where the generation has
 * changed meanwhile.  The replay of removed rows changes no chain.
 *
 * Nothing that a page says is used before it has been checked.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/check.h"

/* A block number that the meta page gives. */
static bool
meta_block_is_sane(TridentIndexCheck *check, const char *what, BlockNumber block,
				   bool may_be_invalid)
{
	if (!BlockNumberIsValid(block) && may_be_invalid)
		return true;
	if (block != TRIDENT_INDEX_META_BLOCK &&
		block < RelationGetNumberOfBlocks(check->index))
		return true;
	trident_index_check_report(check, TRIDENT_INDEX_META_BLOCK,
							   "says that the %s begins at block %u, where it cannot be",
							   what, block);
	return false;
}

/* Lists for targets: none is beyond the lists or the one before. */
static void
check_curve_row(TridentIndexCheck *check, const char *what, const float *row)
{
	for (int i = 0; i < TRIDENT_INDEX_CURVE_TARGETS; i++)
	{
		if (row[i] >= 0 && row[i] <= check->meta.nlists &&
			(i == 0 || row[i] >= row[i - 1]))
			continue;
		trident_index_check_report(check, TRIDENT_INDEX_META_BLOCK,
								   "has a %s that is none: %g lists at point %d",
								   what, row[i], i);
		return;
	}
}

/* Step 1.  False where nothing else can be understood. */
static bool
check_meta(TridentIndexCheck *check)
{
	TridentIndexMeta *meta = &check->meta;
	Page		page = (Page) check->page.data;
	const char *problem;

	if (RelationGetNumberOfBlocks(check->index) == 0)
	{
		trident_index_check_report(check, InvalidBlockNumber,
								   "the file is empty");
		return false;
	}
	if (!trident_index_check_read(check, 0) || !trident_index_check_page(check, 0))
		return false;
	if (PageIsNew(page))
	{
		trident_index_check_report(check, 0,
								   "the meta page is empty");
		return false;
	}
	*meta = *TridentIndexPageMeta(page);
	if (meta->magic != TRIDENT_INDEX_MAGIC ||
		meta->version != TRIDENT_INDEX_VERSION)
	{
		trident_index_check_report(check, 0,
								   "has mark %08X and version %u; expected are %08X and %u",
								   meta->magic, meta->version,
								   TRIDENT_INDEX_MAGIC, TRIDENT_INDEX_VERSION);
		return false;
	}
	problem = trident_index_meta_problem(check->index, meta);
	if (problem)
	{
		trident_index_check_report(check, 0, "%s", problem);
		return false;
	}
	if (meta->generation == 0 ||
		meta->generation != TridentIndexPageOpaque(page)->generation)
	{
		trident_index_check_report(check, 0,
								   "is of generation %u and names generation %u",
								   TridentIndexPageOpaque(page)->generation,
								   meta->generation);
		return false;
	}
	for (int k = 0; k < TRIDENT_INDEX_CURVE_KS; k++)
		check_curve_row(check, "recall curve", meta->curve[k]);
	check_curve_row(check, "patience", meta->patience);
	check_curve_row(check, "patience", meta->patient_lists);
	return meta_block_is_sane(check, "directory", meta->directory, false) &&
		meta_block_is_sane(check, "model", meta->model, true);
}

/* Called for each page of a chain, in check->page; i counts from 0. */
typedef void (*VisitPage) (TridentIndexCheck *check, BlockNumber block, int i, void *arg);

/*
 * Walk a chain of npages pages of a kind on disk, as far as it is whole.
 * Since it is walked no further than that, a loop ends too.
 */
static bool
walk_chain(TridentIndexCheck *check, TridentIndexPageKind kind, BlockNumber first,
		   int npages, VisitPage visit, void *arg)
{
	const char *name = kind == TRIDENT_INDEX_PAGE_MODEL ? "model" : "directory";
	Page		page = (Page) check->page.data;
	BlockNumber block = first;
	int			i;

	for (i = 0; i < npages; i++)
	{
		TridentIndexOpaque *opaque = TridentIndexPageOpaque(page);

		if (block == TRIDENT_INDEX_META_BLOCK ||
			block >= RelationGetNumberOfBlocks(check->index))
		{
			trident_index_check_report(check, InvalidBlockNumber,
									   "the %s has %d pages instead of %d: its chain leads to block %u",
									   name, i, npages, block);
			return false;
		}
		if (!trident_index_check_read(check, block) || !trident_index_check_page(check, block))
			return false;
		if (PageIsNew(page) || opaque->kind != kind ||
			opaque->generation != check->meta.generation)
		{
			trident_index_check_report(check, block,
									   "is page %d of the %s by its chain, but is of kind %u and generation %u instead of %u",
									   i, name,
									   PageIsNew(page) ? 0 : opaque->kind,
									   PageIsNew(page) ? 0 : opaque->generation,
									   check->meta.generation);
			return false;
		}
		visit(check, block, i, arg);
		block = opaque->next;
	}
	if (BlockNumberIsValid(block))
	{
		trident_index_check_report(check, InvalidBlockNumber,
								   "the %s has more than its %d pages: its chain goes on to block %u",
								   name, npages, block);
		return false;
	}
	return true;
}

/* Note entries of a page of the directory; arg is where, nlists of them. */
static void
take_entries(TridentIndexCheck *check, BlockNumber block, int i, void *arg)
{
	TridentIndexListEntry *entries = arg;
	int			first = i * TRIDENT_INDEX_ENTRIES;
	int			n = Min(TRIDENT_INDEX_ENTRIES, check->meta.nlists - first);

	check->directory[i] = block;
	memcpy(entries + first, TridentIndexPageEntries((Page) check->page.data),
		   sizeof(TridentIndexListEntry) * n);
}

/* What has been seen of the values of the model. */
typedef struct ModelValues
{
	int64		n;				/* values so far */
	int			last;			/* of the array "first" */
	BlockNumber *blocks;
} ModelValues;

/* Check the values of a page of the model. */
static void
check_values(TridentIndexCheck *check, BlockNumber block, int i, void *arg)
{
	ModelValues *seen = arg;
	const TridentIndexMeta *meta = &check->meta;
	int64		centroids = ((int64) meta->ncoarse + meta->nlists) * meta->dp;
	int64		total = centroids + meta->ncoarse + 1;
	const char *values = TridentIndexPageContents((Page) check->page.data);
	int64		j;

	seen->blocks[i] = block;
	for (j = 0; j < TRIDENT_INDEX_MODEL_VALUES && seen->n < total; j++, seen->n++)
	{
		int64		cell = seen->n - centroids;
		int			first;

		if (cell < 0)
		{
			if (isfinite(((const float *) values)[j]))
				continue;
			trident_index_check_report(check, block,
									   "has a centroid with a value that is no number");
			return;
		}
		first = ((const int *) values)[j];
		if (first < seen->last || (cell == 0 && first != 0) ||
			first > meta->nlists ||
			(cell == meta->ncoarse && first != meta->nlists))
		{
			trident_index_check_report(check, block,
									   "says that the lists of cell %d begin at %d, of %d lists",
									   (int) cell, first, meta->nlists);
			return;
		}
		seen->last = first;
	}
}

/*
 * Note the row pages that a list page, in check->list_page, names, and read
 * those that rows are on into check->row_pages.
 */
static bool
read_row_pages(TridentIndexCheck *check, BlockNumber block,
			   TridentIndexGroup *group)
{
	const TridentIndexListHeader *header;
	const TridentIndexOpaque *opaque = TridentIndexPageOpaque((Page) check->page.data);
	int			nused;
	int			i;

	group->page = (Page) check->list_page.data;
	header = TridentIndexPageHeader(group->page);
	nused = trident_index_row_pages(&check->layout, header->nrows);
	for (i = 0; i < check->layout.max_row_pages; i++)
	{
		BlockNumber row_block = header->row_pages[i];

		if (!BlockNumberIsValid(row_block) && i >= nused)
			continue;
		if (i >= nused)
		{
			trident_index_check_report(check, block,
									   "has a page for rows at block %u that none of its %d rows is on",
									   row_block, header->nrows);
			return false;
		}
		if (row_block == TRIDENT_INDEX_META_BLOCK ||
			row_block >= RelationGetNumberOfBlocks(check->index))
		{
			trident_index_check_report(check, block,
									   "has its rows at block %u, where they cannot be",
									   row_block);
			return false;
		}
		if (row_block < check->nblocks)
		{
			if (check->notes[row_block].owner != 0)
			{
				trident_index_check_report(check, row_block,
										   "has rows of the pages at blocks %u and %u",
										   check->notes[row_block].owner, block);
				return false;
			}
			check->notes[row_block].owner = block;
		}
		if (!trident_index_check_read(check, row_block) ||
			!trident_index_check_page(check, row_block))
			return false;
		if (PageIsNew((Page) check->page.data) ||
			opaque->kind != TRIDENT_INDEX_PAGE_ROWS || opaque->next != block ||
			opaque->list != TridentIndexPageOpaque(group->page)->list ||
			opaque->generation != check->meta.generation)
		{
			trident_index_check_report(check, row_block,
									   "should have rows of the page at block %u, but is no page of it",
									   block);
			return false;
		}
		check->row_pages[i] = check->page;
		group->row_pages[i] = (Page) check->row_pages[i].data;
	}
	return true;
}

/* Does a row have the address of one, and numbers for numbers? */
static bool
check_row(TridentIndexCheck *check, BlockNumber block, int slot)
{
	const TridentIndexLayout *layout = &check->layout;
	const TridentIndexRow *row = check->row;
	bool		is_number;
	int			i;

	if (!ItemPointerIsValid(&row->tid) ||
		!BlockNumberIsValid(ItemPointerGetBlockNumber(&row->tid)))
	{
		trident_index_check_report(check, block,
								   "has no address of a row of the table in slot %d",
								   slot);
		return false;
	}
	is_number = !isnan(row->sign_add) && !isnan(row->sign_rescale) &&
		!isnan(row->add) && !isnan(row->rescale);
	if (layout->format == TRIDENT_INDEX_EXACT)
	{
		const float *values = (const float *) trident_index_row_values(layout, row);

		for (i = 0; i < layout->dim; i++)
			is_number = is_number && isfinite(values[i]);
	}
	if (!is_number)
		trident_index_check_report(check, block,
								   "has a value that is no number in slot %d",
								   slot);
	return is_number;
}

/* Rows of a list page, in check->page; the first problem is reported. */
static void
check_rows(TridentIndexCheck *check, BlockNumber block)
{
	TridentIndexGroup group = {0};
	int			nrows = TridentIndexPageHeader((Page) check->page.data)->nrows;
	int			slot;

	if (nrows > check->layout.capacity)
	{
		trident_index_check_report(check, block,
								   "says that it has %d rows; %d fit",
								   nrows, check->layout.capacity);
		return;
	}
	check->list_page = check->page;
	if (!read_row_pages(check, block, &group))
		return;
	for (slot = 0; slot < nrows; slot++)
	{
		trident_index_page_get(&check->layout, &group, slot, check->row);
		if (!check_row(check, block, slot))
			return;
	}
}

/* Step 4 for one page. */
static void
note_page(TridentIndexCheck *check, BlockNumber block)
{
	Page		page = (Page) check->page.data;
	TridentIndexOpaque *opaque = TridentIndexPageOpaque(page);
	TridentIndexPageNote *note = &check->notes[block];

	if (!trident_index_check_read(check, block) || !trident_index_check_page(check, block) ||
		PageIsNew(page))
		return;
	note->next = opaque->next;
	note->list = opaque->list;
	note->kind = opaque->kind;
	note->is_current = opaque->generation == check->meta.generation;
	/* training that has not finished leaves pages of the next one */
	if (opaque->generation > check->meta.generation + 1)
		trident_index_check_report(check, block,
								   "is of generation %u, but the index is of generation %u",
								   opaque->generation, check->meta.generation);
	if (opaque->kind == TRIDENT_INDEX_PAGE_LIST && note->is_current)
	{
		if (opaque->list < 0 || opaque->list >= check->meta.nlists)
			trident_index_check_report(check, block,
									   "belongs to list %d, of %d lists",
									   opaque->list, check->meta.nlists);
		check_rows(check, block);
	}
}

/* Step 5 for one list: from the head of its entry to the end. */
static void
check_list(TridentIndexCheck *check, int list)
{
	const TridentIndexListEntry *entry = &check->entries[list];
	BlockNumber home = check->directory[list / TRIDENT_INDEX_ENTRIES];
	BlockNumber block = entry->head;
	uint32		pages = 0;
	bool		has_fill = false;

	if (entry->has_holes > 1)
		trident_index_check_report(check, home,
								   "has an entry for list %d that says %u of its holes",
								   list, entry->has_holes);
	for (; BlockNumberIsValid(block); block = check->notes[block].next)
	{
		TridentIndexPageNote *note;

		if (block >= check->nblocks)
		{
			trident_index_check_report(check, home,
									   "leads list %d to block %u, beyond the end of the file",
									   list, block);
			return;
		}
		note = &check->notes[block];
		if (note->is_reached)
		{
			trident_index_check_report(check, block,
									   "is reached a second time, by list %d",
									   list);
			return;
		}
		note->is_reached = true;
		if (note->kind != TRIDENT_INDEX_PAGE_LIST || !note->is_current ||
			note->list != list)
		{
			trident_index_check_report(check, block,
									   "is in the chain of list %d, but is no page of it",
									   list);
			return;
		}
		has_fill = has_fill || block == entry->fill;
		pages++;
	}
	if (pages != entry->pages)
		trident_index_check_report(check, home,
								   "says that list %d has %u pages; its chain has %u",
								   list, entry->pages, pages);
	if (!has_fill && BlockNumberIsValid(entry->fill))
		trident_index_check_report(check, home,
								   "says that list %d is filled at block %u, which is not in its chain",
								   list, entry->fill);
}

/* Step 6 for one list: pages that have come before its head, on disk. */
static void
check_new_pages(TridentIndexCheck *check, int list, const TridentIndexListEntry *now)
{
	const TridentIndexListEntry *before = &check->entries[list];
	Page		page = (Page) check->page.data;
	TridentIndexOpaque *opaque = TridentIndexPageOpaque(page);
	BlockNumber block = now->head;
	uint32		pages;

	for (pages = before->pages; pages < now->pages && block != before->head; pages++)
	{
		if (block == TRIDENT_INDEX_META_BLOCK ||
			block >= RelationGetNumberOfBlocks(check->index))
			break;
		if (!trident_index_check_read(check, block) || !trident_index_check_page(check, block))
			return;
		if (PageIsNew(page) || opaque->kind != TRIDENT_INDEX_PAGE_LIST ||
			opaque->list != list ||
			opaque->generation != check->meta.generation)
		{
			trident_index_check_report(check, block,
									   "is in the chain of list %d, but is no page of it",
									   list);
			return;
		}
		if (block < check->nblocks)
			check->notes[block].is_reached = true;
		block = opaque->next;
	}
	if (pages != now->pages || block != before->head)
		trident_index_check_report(check, check->directory[list / TRIDENT_INDEX_ENTRIES],
								   "says that list %d has got %d pages, which its chain does not have",
								   list, (int) (now->pages - before->pages));
}

/*
 * Does a list page lead to a row page?  What has been noted may be older than
 * the row page: then the list page is looked at once more.
 */
static bool
is_row_page_reached(TridentIndexCheck *check, BlockNumber block)
{
	BlockNumber owner = check->notes[block].owner;
	Page		page = (Page) check->page.data;
	int			i;

	if (owner != 0)
		return check->notes[owner].is_reached;
	owner = check->notes[block].next;
	if (owner == TRIDENT_INDEX_META_BLOCK ||
		owner >= RelationGetNumberOfBlocks(check->index) ||
		(owner < check->nblocks && !check->notes[owner].is_reached) ||
		!trident_index_check_read(check, owner) || PageIsNew(page) ||
		TridentIndexPageOpaque(page)->kind != TRIDENT_INDEX_PAGE_LIST)
		return false;
	for (i = 0; i < TRIDENT_INDEX_MAX_ROW_PAGES; i++)
	{
		if (TridentIndexPageHeader(page)->row_pages[i] == block)
			return true;
	}
	return false;
}

/* Steps 5 and 6. */
static void
check_lists(TridentIndexCheck *check)
{
	int64		before = check->nproblems;
	TridentIndexListEntry *now;
	BlockNumber block;
	int			list;

	for (list = 0; list < check->meta.nlists; list++)
		check_list(check, list);
	/* a broken chain explains the pages that are not reached */
	if (check->nproblems > before)
		return;

	now = palloc(sizeof(TridentIndexListEntry) * check->meta.nlists);
	if (!walk_chain(check, TRIDENT_INDEX_PAGE_DIRECTORY, check->meta.directory,
					check->ndirectory, take_entries, now))
		return;
	for (list = 0; list < check->meta.nlists; list++)
		check_new_pages(check, list, &now[list]);
	if (check->nproblems > before)
		return;

	for (block = 1; block < check->nblocks; block++)
	{
		const TridentIndexPageNote *note = &check->notes[block];

		if (note->kind == TRIDENT_INDEX_PAGE_ROWS && note->is_current &&
			is_row_page_reached(check, block))
			continue;
		if (note->is_current && !note->is_reached &&
			note->kind != TRIDENT_INDEX_PAGE_FREE)
			trident_index_check_report(check, block,
									   "is in use for generation %u, but nothing leads to it",
									   check->meta.generation);
	}
}

void
trident_index_check_structure(TridentIndexCheck *check)
{
	TridentIndexMeta *meta = &check->meta;
	ModelValues values = {0};
	int64		nvalues;
	int			nmodel = 0;
	bool		has_directory;
	BlockNumber block;
	int			i;

	if (!check_meta(check))
		return;
	trident_index_layout(&check->layout, meta->dim, meta->dp, meta->format,
						 meta->bits, meta->has_key);
	check->row = palloc(trident_index_row_bytes(&check->layout));
	check->ndirectory = (meta->nlists + TRIDENT_INDEX_ENTRIES - 1) / TRIDENT_INDEX_ENTRIES;
	check->directory = palloc(sizeof(BlockNumber) * check->ndirectory);
	check->entries = palloc(sizeof(TridentIndexListEntry) * meta->nlists);
	has_directory = walk_chain(check, TRIDENT_INDEX_PAGE_DIRECTORY,
							   meta->directory, check->ndirectory,
							   take_entries, check->entries);
	if (BlockNumberIsValid(meta->model))
	{
		nvalues = ((int64) meta->ncoarse + meta->nlists) * meta->dp + meta->ncoarse + 1;
		nmodel = (nvalues + TRIDENT_INDEX_MODEL_VALUES - 1) / TRIDENT_INDEX_MODEL_VALUES;
		values.blocks = palloc(sizeof(BlockNumber) * nmodel);
		if (!walk_chain(check, TRIDENT_INDEX_PAGE_MODEL, meta->model, nmodel,
						check_values, &values))
			has_directory = false;
	}

	check->nblocks = RelationGetNumberOfBlocks(check->index);
	check->notes = MemoryContextAllocExtended(CurrentMemoryContext,
											  sizeof(TridentIndexPageNote) * check->nblocks,
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (block = 1; block < check->nblocks; block++)
		note_page(check, block);
	if (!has_directory)
		return;
	for (i = 0; i < check->ndirectory; i++)
		check->notes[check->directory[i]].is_reached = true;
	for (i = 0; i < nmodel; i++)
		check->notes[values.blocks[i]].is_reached = true;
	check_lists(check);
}

