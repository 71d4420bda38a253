/*
 * write.c
 *	  Writing all pages of a model: centroids, lists, directory, meta page.
 *
 * Pages are made in memory and put into buffers when they are done.  New
 * pages of CREATE INDEX come one after another at the end of the file; those
 * of training may be free pages, and others extend the file meanwhile.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/fault.h"
#include "index/store.h"

/* Allocate a page; returned unlocked and by number, since it is filled later. */
static BlockNumber
new_block(TridentIndexWriter *writer)
{
	Buffer		buffer;
	BlockNumber block;

	if (writer->is_logged)
		buffer = trident_index_new_buffer(writer->index);
	else
	{
		/* nobody else extends the file yet, but the lock is expected */
		LockRelationForExtension(writer->index, ExclusiveLock);
		buffer = ReadBufferExtended(writer->index, writer->fork, P_NEW,
									RBM_NORMAL, NULL);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		UnlockRelationForExtension(writer->index, ExclusiveLock);
	}
	block = BufferGetBlockNumber(buffer);
	if (writer->is_logged)
	{
		/* Claim it: a free page that looked free could be taken again. */
		GenericXLogState *state = GenericXLogStart(writer->index);
		Page		page = GenericXLogRegisterBuffer(state, buffer,
													 GENERIC_XLOG_FULL_IMAGE);

		trident_index_page_init(page, TRIDENT_INDEX_PAGE_LIST, 0,
								writer->generation);
		GenericXLogFinish(state);
		TRIDENT_FAULT("index-write-claimed");
	}
	UnlockReleaseBuffer(buffer);
	return block;
}

/* Put the page image in memory into its block. */
static void
put_page(TridentIndexWriter *writer, BlockNumber block, Page image)
{
	Buffer		buffer = ReadBufferExtended(writer->index, writer->fork, block,
											RBM_NORMAL, NULL);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (writer->is_logged)
	{
		GenericXLogState *state = GenericXLogStart(writer->index);

		memcpy(GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE),
			   image, BLCKSZ);
		GenericXLogFinish(state);
	}
	else
	{
		START_CRIT_SECTION();
		memcpy(BufferGetPage(buffer), image, BLCKSZ);
		MarkBufferDirty(buffer);
		END_CRIT_SECTION();
	}
	UnlockReleaseBuffer(buffer);
	TRIDENT_FAULT("index-write-page");
	CHECK_FOR_INTERRUPTS();
}

void
trident_index_writer_init(TridentIndexWriter *writer, Relation index,
						  const TridentIndexLayout *layout, uint32 generation,
						  int nlists, ForkNumber fork, bool is_logged)
{
	int			i;

	memset(writer, 0, sizeof(*writer));
	writer->index = index;
	writer->layout = layout;
	writer->generation = generation;
	writer->fork = fork;
	writer->is_logged = is_logged;
	writer->nlists = nlists;
	writer->list = -1;
	writer->block = InvalidBlockNumber;
	writer->entries = palloc0(sizeof(TridentIndexListEntry) * nlists);
	for (i = 0; i < nlists; i++)
		writer->entries[i].head = writer->entries[i].fill = InvalidBlockNumber;
}

/* Write nbytes as a chain of pages; per_page bytes go on each. */
static BlockNumber
write_chain(TridentIndexWriter *writer, TridentIndexPageKind kind,
			const char *data, Size nbytes, Size per_page)
{
	BlockNumber first = new_block(writer);
	BlockNumber block = first;

	for (;;)
	{
		Size		n = Min(nbytes, per_page);
		Page		page = (Page) writer->page.data;

		trident_index_page_init(page, kind, 0, writer->generation);
		memcpy(TridentIndexPageContents(page), data, n);
		data += n;
		nbytes -= n;
		if (nbytes > 0)
			TridentIndexPageOpaque(page)->next = new_block(writer);
		put_page(writer, block, page);
		if (nbytes == 0)
			return first;
		block = TridentIndexPageOpaque(page)->next;
	}
}

BlockNumber
trident_index_write_model(TridentIndexWriter *writer,
						  const TridentIndexCentroids *c)
{
	Size		coarse = sizeof(float) * c->ncoarse * c->dp;
	Size		lists = sizeof(float) * c->nlists * c->dp;
	Size		first = sizeof(int) * (c->ncoarse + 1);
	char	   *values = MemoryContextAllocHuge(CurrentMemoryContext,
												coarse + lists + first);
	BlockNumber block;

	memcpy(values, c->coarse, coarse);
	memcpy(values + coarse, c->lists, lists);
	memcpy(values + coarse + lists, c->first, first);
	block = write_chain(writer, TRIDENT_INDEX_PAGE_MODEL, values,
						coarse + lists + first,
						TRIDENT_INDEX_MODEL_VALUES * sizeof(float));
	pfree(values);
	return block;
}

/* Begin a list page, in block. */
static void
start_page(TridentIndexWriter *writer, BlockNumber block)
{
	writer->block = block;
	writer->nrow_pages = 0;
	trident_index_page_init((Page) writer->page.data, TRIDENT_INDEX_PAGE_LIST,
							writer->list, writer->generation);
}

/* Write the list page being filled, and its row pages. */
static void
finish_page(TridentIndexWriter *writer)
{
	Page		page = (Page) writer->page.data;
	int			i;

	for (i = 0; i < writer->nrow_pages; i++)
		put_page(writer, TridentIndexPageHeader(page)->row_pages[i],
				 (Page) writer->row_pages[i].data);
	put_page(writer, writer->block, page);
}

/* Begin the first page of a list. */
static void
start_list(TridentIndexWriter *writer, int list)
{
	TridentIndexListEntry *entry = &writer->entries[list];

	writer->list = list;
	start_page(writer, new_block(writer));
	entry->head = entry->fill = writer->block;
	entry->pages = 1;
}

/* The current page is full: go on with another of the same list. */
static void
continue_list(TridentIndexWriter *writer)
{
	TridentIndexListEntry *entry = &writer->entries[writer->list];
	BlockNumber next = new_block(writer);

	TridentIndexPageOpaque((Page) writer->page.data)->next = next;
	finish_page(writer);
	start_page(writer, next);
	entry->fill = next;
	entry->pages++;
}

/* Add a row to the page being filled, and the row page that it needs. */
static void
append_row(TridentIndexWriter *writer, const TridentIndexRow *row)
{
	const TridentIndexLayout *layout = writer->layout;
	Page		page = (Page) writer->page.data;
	TridentIndexListHeader *header = TridentIndexPageHeader(page);
	TridentIndexGroup group = {.page = page};
	int			i;

	if (trident_index_row_pages(layout, header->nrows + 1) > writer->nrow_pages)
	{
		Page		row_page = (Page) writer->row_pages[writer->nrow_pages].data;

		header->row_pages[writer->nrow_pages++] = new_block(writer);
		trident_index_page_init(row_page, TRIDENT_INDEX_PAGE_ROWS, writer->list,
								writer->generation);
		TridentIndexPageOpaque(row_page)->next = writer->block;
	}
	for (i = 0; i < writer->nrow_pages; i++)
		group.row_pages[i] = (Page) writer->row_pages[i].data;
	trident_index_page_append(layout, &group, row);
}

void
trident_index_write_row(TridentIndexWriter *writer, int list,
						const TridentIndexRow *row)
{
	Assert(list >= writer->list && list < writer->nlists);
	if (list != writer->list)
	{
		if (writer->list >= 0)
			finish_page(writer);
		start_list(writer, list);
	}
	else if (trident_index_page_full(writer->layout, (Page) writer->page.data))
		continue_list(writer);
	append_row(writer, row);
	writer->rows++;
}

BlockNumber
trident_index_write_directory(TridentIndexWriter *writer)
{
	if (writer->list >= 0)
		finish_page(writer);
	writer->list = -1;
	return write_chain(writer, TRIDENT_INDEX_PAGE_DIRECTORY,
					   (char *) writer->entries,
					   sizeof(TridentIndexListEntry) * writer->nlists,
					   TRIDENT_INDEX_ENTRIES * sizeof(TridentIndexListEntry));
}

void
trident_index_write_meta(TridentIndexWriter *writer,
						 const TridentIndexMeta *meta)
{
	Page		page = (Page) writer->page.data;

	Assert(writer->list == -1);
	if (RelationGetNumberOfBlocksInFork(writer->index, writer->fork) == 0 &&
		new_block(writer) != TRIDENT_INDEX_META_BLOCK)
		elog(ERROR, "index \"%s\" was not empty",
			 RelationGetRelationName(writer->index));
	trident_index_page_init(page, TRIDENT_INDEX_PAGE_META, 0, meta->generation);
	*TridentIndexPageMeta(page) = *meta;
	put_page(writer, TRIDENT_INDEX_META_BLOCK, page);
}
