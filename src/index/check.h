/*
 * check.h
 *	  A check of an index on its way, for check.c and structure.c.
 */
#ifndef TRIDENT_INDEX_CHECK_H
#define TRIDENT_INDEX_CHECK_H

#include "nodes/execnodes.h"
#include "storage/bufmgr.h"

#include "index/inspect.h"

/* What step 4 notes of a page. */
typedef struct TridentIndexPageNote
{
	BlockNumber next;
	int32		list;
	uint8		kind;			/* 0: new, or damaged */
	bool		is_current;		/* of the model in use */
	bool		is_reached;		/* by the meta page or a chain */
	BlockNumber owner;			/* list page that names it; 0: none */
} TridentIndexPageNote;

typedef struct TridentIndexCheck
{
	Relation	index;
	ReturnSetInfo *result;
	int64		nproblems;
	BufferAccessStrategy strategy;
	TridentIndexMeta meta;
	TridentIndexLayout layout;
	BlockNumber *directory;		/* blocks of the directory */
	int			ndirectory;
	TridentIndexListEntry *entries; /* as in step 2 */
	BlockNumber nblocks;		/* as in step 4 */
	TridentIndexPageNote *notes;	/* nblocks */
	TridentIndexRow *row;		/* scratch */
	PGAlignedBlock page;		/* the page looked at */
	PGAlignedBlock list_page;	/* a list page while its row pages are read */
	PGAlignedBlock row_pages[TRIDENT_INDEX_MAX_ROW_PAGES];
} TridentIndexCheck;

/* check.c */

/* Add a finding, with a message as of printf. */
extern void trident_index_check_report(TridentIndexCheck *check,
									   BlockNumber block,
									   const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* Copy a block into check->page; errors of reading become a finding. */
extern bool trident_index_check_read(TridentIndexCheck *check,
									 BlockNumber block);

/* Is check->page a page of ours, or a new one?  If not, that is reported. */
extern bool trident_index_check_page(TridentIndexCheck *check,
									 BlockNumber block);

/* structure.c */

/* All steps; findings are added to those of check. */
extern void trident_index_check_structure(TridentIndexCheck *check);

#endif							/* TRIDENT_INDEX_CHECK_H */
