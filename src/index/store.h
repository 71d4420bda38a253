/*
 * store.h
 *	  Reading and changing an index: meta page, model, lists.
 *
 * Lock order: the model's lock, directory page, list page.  The meta page is
 * locked on its own.
 */
#ifndef TRIDENT_INDEX_STORE_H
#define TRIDENT_INDEX_STORE_H

#include "common/relpath.h"
#include "storage/bufmgr.h"
#include "storage/lockdefs.h"

#include "base/compat.h"
#include "index/code.h"
#include "index/page.h"
#include "index/train.h"

/*
 * Codes of the centroids, relative to their mean, by which order.c tells how
 * near lists are: sign codes, and such of 8 bits a dimension, whose error is
 * nothing beside that of the rows' codes.  Made when the model is read; signs
 * is NULL where the format has no sign codes or there is one list.
 */
typedef struct TridentIndexCentroidCodes
{
	float	   *mean;
	uint8	   *signs;			/* blocks as on a list page */
	float	   *sign_add;
	float	   *sign_rescale;
	uint8	   *fine;			/* nlists x dp */
	float	   *add;
	float	   *rescale;
} TridentIndexCentroidCodes;

/*
 * All that a scan or an insert needs to know of an index, as one chunk in the
 * relation's cache.  It goes away with any relcache invalidation: ask for it
 * anew after whatever may accept one, and never keep it between calls of the
 * access method.
 */
typedef struct TridentIndexModel
{
	TridentIndexMeta meta;
	TridentIndexCoder coder;
	TridentIndexCentroids centroids;
	TridentIndexCentroidCodes codes;
	int			ndirectory;
	BlockNumber *directory;		/* blocks of the directory, in order */

	/* the only parts that change while the model is cached */
	int			last_rows;		/* rows that the last scan gave; 0: no scan yet */
	int			rows_hint;		/* of that and the one before it (scan.c) */
	BlockNumber nrecent;
	Buffer	   *recent;			/* where a block was last; nrecent blocks */
} TridentIndexModel;

/* model.c */

/* Metric and element type of the index's vector column, from its opclass. */
extern void trident_index_column_kind(Relation index,
									  TridentIndexMetric *metric,
									  bool *is_half);

/*
 * What is wrong with a meta page of this version: a predicate, "says that ...",
 * which may be palloc'd; NULL where it fits the definition of the index and
 * itself.
 */
extern const char *trident_index_meta_problem(Relation index,
											  const TridentIndexMeta *meta);

/* Read the meta page; error where it has a problem, or another version. */
extern void trident_index_meta_read(Relation index, TridentIndexMeta *meta);

/*
 * Read the model that meta describes into one chunk of context; NULL where it
 * has been replaced meanwhile, or is damaged.
 */
extern TridentIndexModel *trident_index_model_read(Relation index,
												   const TridentIndexMeta *meta,
												   MemoryContext context);

/* The model in use, from cache or disk; see TridentIndexModel. */
extern const TridentIndexModel *trident_index_model(Relation index);

/*
 * ReadBuffer for pages of an index whose model is at hand.  It looks where the
 * block was last time first, which spares the look-up in the buffer table: a
 * scan reads so many pages that this is a quarter of its time (measured).
 * Counted in the statistics of the index as ReadBuffer counts.
 */
extern Buffer trident_index_read(Relation index, const TridentIndexModel *model,
								 BlockNumber block);

/* list.c */

/* Lock against (share) or for (exclusive) a change of the model. */
extern void trident_index_lock_model(Relation index, LOCKMODE mode);
extern void trident_index_unlock_model(Relation index, LOCKMODE mode);

/*
 * A buffer for a new page, locked exclusively: a free page, or one at the end
 * of the file.  Its content is undefined.
 */
extern Buffer trident_index_new_buffer(Relation index);

/*
 * A list page that the caller has pinned and locked, and such of its row pages
 * as have been asked for.  Row pages are locked after their list page and
 * change only while that is locked exclusively.  All zero but "buffer" and
 * group.page to begin with.
 */
typedef struct TridentIndexHeld
{
	TridentIndexGroup group;
	Buffer		buffer;
	Buffer		row_buffers[TRIDENT_INDEX_MAX_ROW_PAGES];	/* or invalid */
	BufferAccessStrategy strategy;	/* for reading row pages; or NULL */
} TridentIndexHeld;

/*
 * Pin and lock row page i of a list page too.  False where there is none that
 * belongs to it: training has replaced the model, or the index is damaged.
 * model may be NULL.
 */
extern bool trident_index_hold_row_page(Relation index,
										const TridentIndexModel *model,
										TridentIndexHeld *held, int i,
										int mode);

/*
 * The same for all row pages that rows of the list page are on; false where
 * one is not what it should be.
 */
extern bool trident_index_hold_rows(Relation index,
									const TridentIndexLayout *layout,
									TridentIndexHeld *held, int mode);

/* Unlock and unpin all that is held. */
extern void trident_index_release(TridentIndexHeld *held);

/* Is the row of slot at hand, and if not, can it be?  See hold_row_page. */
static inline bool
trident_index_hold_row(Relation index, const TridentIndexModel *model,
					   const TridentIndexLayout *layout,
					   TridentIndexHeld *held, int slot)
{
	if (layout->max_row_pages == 0 ||
		held->group.row_pages[slot / layout->page_rows] != NULL)
		return true;
	return trident_index_hold_row_page(index, model, held,
									   slot / layout->page_rows,
									   BUFFER_LOCK_SHARE);
}

/*
 * The entry of a list.  False where the directory is no longer that of model:
 * training has replaced it, and the caller must ask for the model again.
 */
extern bool trident_index_list_entry(Relation index,
									 const TridentIndexModel *model, int list,
									 TridentIndexListEntry *entry);

/* Error INDEX_CORRUPTED: the chain of a list is not what it should be. */
extern void trident_index_chain_corrupted(Relation index, int list) pg_attribute_noreturn();

/*
 * From now on rows go only into new pages in front of heads, which gets the
 * first page of each list of a model that training is about to replace; what
 * is in the others does not change.  Logged.
 */
extern void trident_index_freeze_lists(Relation index,
									   const TridentIndexModel *model,
									   BlockNumber *heads);

/*
 * Add a row to a list, logged.  The caller has locked the model, or is
 * training's process, whose model nobody else uses yet.
 */
extern void trident_index_list_insert(Relation index,
									  const TridentIndexModel *model,
									  int list, const TridentIndexRow *row);

/* write.c */

/*
 * Writes the pages of a whole model: in CREATE INDEX without WAL (the caller
 * logs the file at the end), in training with a full image of each page.
 */
typedef struct TridentIndexWriter
{
	Relation	index;
	const TridentIndexLayout *layout;
	uint32		generation;
	ForkNumber	fork;
	bool		is_logged;		/* page by page */
	int			nlists;
	TridentIndexListEntry *entries; /* nlists */
	int			list;			/* the list being written, -1 before the first */
	BlockNumber block;			/* of the list page being filled */
	PGAlignedBlock page;
	int			nrow_pages;		/* of that page's, in row_pages */
	PGAlignedBlock row_pages[TRIDENT_INDEX_MAX_ROW_PAGES];
	double		rows;			/* written so far */
} TridentIndexWriter;

extern void trident_index_writer_init(TridentIndexWriter *writer,
									  Relation index,
									  const TridentIndexLayout *layout,
									  uint32 generation, int nlists,
									  ForkNumber fork, bool is_logged);

/* Write centroids; returns the first page. */
extern BlockNumber trident_index_write_model(TridentIndexWriter *writer,
											 const TridentIndexCentroids *c);

/* Add a row; lists must come in order. */
extern void trident_index_write_row(TridentIndexWriter *writer, int list,
									const TridentIndexRow *row);

/* Write the last list page and the directory; returns its first page. */
extern BlockNumber trident_index_write_directory(TridentIndexWriter *writer);

/* Write the meta page, block 0: new, or in place of what is there. */
extern void trident_index_write_meta(TridentIndexWriter *writer,
									 const TridentIndexMeta *meta);

#endif							/* TRIDENT_INDEX_STORE_H */
