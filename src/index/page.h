/*
 * page.h
 *	  What an index looks like on disk.
 *
 * Block 0 is the meta page.  All others have a kind in their common head
 * and belong to one of three sorts of chain: the model (centroids), the
 * directory (an entry a list) or a list (rows).  A list's chain begins in its
 * directory entry; chains are linked by "next".
 *
 *		meta page		TridentIndexMeta
 *		model page		float4 or int32 values, filling the page, in the order
 *						coarse centroids, list centroids, array "first"
 *		directory page	TridentIndexListEntry, filling the page
 *		list page		TridentIndexListHeader, then the arrays that
 *						TridentIndexLayout places (see there)
 *		row page		rows of one list page, where they are not on it
 *
 * All pages are standard pages without a hole (pd_lower = pd_upper =
 * pd_special), since generic WAL drops what lies in the hole.  Every change
 * is WAL-logged; there are no hint bits.  Numbers are in the byte order of
 * the machine, as in every PostgreSQL index.
 *
 * The format is versioned: a change of anything here, of the rotation or of
 * the formulae in code.c needs a new TRIDENT_INDEX_VERSION.
 */
#ifndef TRIDENT_INDEX_PAGE_H
#define TRIDENT_INDEX_PAGE_H

#include "storage/block.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "base/compat.h"

#define TRIDENT_INDEX_MAGIC		0x54524944	/* "TRID" */
#define TRIDENT_INDEX_VERSION	3
#define TRIDENT_INDEX_PAGE_ID	0xFF54

#define TRIDENT_INDEX_META_BLOCK 0

/* How the rows of an index are kept; follows from the dimensions. */
typedef enum TridentIndexFormat
{
	TRIDENT_INDEX_EXACT = 1,	/* float4 values; up to 32 dimensions */
	TRIDENT_INDEX_SIGNS = 2,	/* sign codes in blocks, and finer codes */
	TRIDENT_INDEX_WIDE = 3		/* finer codes alone; above 1024 dimensions */
} TridentIndexFormat;

#define TRIDENT_INDEX_MAX_EXACT_DIM 32

/* Above so many dimensions a row of 8 bits each would not fit a page. */
#define TRIDENT_INDEX_MAX_8_BITS_DIM 4096

typedef enum TridentIndexPageKind
{
	TRIDENT_INDEX_PAGE_META = 1,
	TRIDENT_INDEX_PAGE_MODEL = 2,
	TRIDENT_INDEX_PAGE_DIRECTORY = 3,
	TRIDENT_INDEX_PAGE_LIST = 4,
	TRIDENT_INDEX_PAGE_FREE = 5,
	TRIDENT_INDEX_PAGE_ROWS = 6
} TridentIndexPageKind;

#define TRIDENT_INDEX_PAGE_KINDS (TRIDENT_INDEX_PAGE_ROWS + 1)

/*
 * Common head of all pages, 16 bytes behind PostgreSQL's page header.  It is
 * not in the special space, which is empty, because a scan would then touch
 * two ends of every page.
 *
 *		0-3		next page of the chain, or InvalidBlockNumber; row pages: the
 *				list page that they belong to
 *		4-7		list and row pages: number of the list
 *		8-11	generation of the model that the page belongs to
 *		12-13	TridentIndexPageKind
 *		14-15	TRIDENT_INDEX_PAGE_ID
 *
 * The generation tells whether the page belongs to the model in use: training
 * writes a whole new set of pages beside the old one (retrain.c).  Pages of a
 * chain are freed at no other time, so that by its generation a scan sees
 * whether a page that it has come to is still what it was.  Row pages come and
 * go with rows, but nobody remembers them: they are found through their list
 * page, under its lock.
 */
typedef struct TridentIndexOpaque
{
	BlockNumber next;
	int32		list;
	uint32		generation;
	uint16		kind;
	uint16		page_id;
} TridentIndexOpaque;

StaticAssertDecl(sizeof(TridentIndexOpaque) == 16, "head of a page");

#define TridentIndexPageOpaque(page) \
	((TridentIndexOpaque *) PageGetContents(page))

/* What follows the head, and how many bytes of it there are. */
#define TridentIndexPageContents(page) \
	(PageGetContents(page) + sizeof(TridentIndexOpaque))
#define TRIDENT_INDEX_PAGE_BYTES \
	(BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - sizeof(TridentIndexOpaque))

/* Values (float4 or int32) on a model page. */
#define TRIDENT_INDEX_MODEL_VALUES \
	((int) (TRIDENT_INDEX_PAGE_BYTES / sizeof(float)))

/*
 * The recall curve: how many lists to probe so that recall@k reaches a
 * target, for the k and targets of curve.c.  0 means not measured.
 */
#define TRIDENT_INDEX_CURVE_KS 5
#define TRIDENT_INDEX_CURVE_TARGETS 12

/*
 * A scan for TRIDENT_INDEX_PATIENT_ROWS rows or fewer watches the
 * TRIDENT_INDEX_NEAREST nearest rows so far: it stops after "patience" lists
 * that brought none of them.  0 means not measured.
 */
#define TRIDENT_INDEX_PATIENT_ROWS 10
#define TRIDENT_INDEX_NEAREST 12

/*
 * Meta page.  What stands before "generation" is fixed for the life of the
 * index; the rest changes when the index trains itself.
 */
typedef struct TridentIndexMeta
{
	uint32		magic;
	uint32		version;
	uint16		dim;			/* dimensions of the column */
	uint16		dp;				/* padded to a multiple of 32 */
	uint8		format;			/* TridentIndexFormat */
	uint8		bits;			/* bits a dimension of finer codes: 4 or 8 */
	uint8		metric;			/* TridentVectorMetric */
	uint8		has_key;		/* rows carry the hash of a second column */
	uint64		seed;			/* of the rotation */

	uint32		generation;		/* counts trainings, from 1 */
	int32		nlists;			/* 1: flat, one list around the origin */
	int32		ncoarse;		/* 0 when flat */
	BlockNumber model;			/* first page of the model; invalid if flat */
	BlockNumber directory;		/* first page of the directory */
	uint32		curve_queries;	/* queries that the curve was measured with */
	double		trained_rows;	/* rows when the model was trained */
	float		curve[TRIDENT_INDEX_CURVE_KS][TRIDENT_INDEX_CURVE_TARGETS];
	float		patience[TRIDENT_INDEX_CURVE_TARGETS];
	float		patient_lists[TRIDENT_INDEX_CURVE_TARGETS]; /* scored then, on average */
} TridentIndexMeta;

#define TridentIndexPageMeta(page) ((TridentIndexMeta *) TridentIndexPageContents(page))

/*
 * An entry of the directory, 16 bytes.
 *
 * Scans begin at head, and a new page is put in front of it.  Inserts try
 * the page fill; when that is full they look through the chain behind it, and
 * then from its head, if it has holes, and else start a new page.
 */
typedef struct TridentIndexListEntry
{
	BlockNumber head;			/* invalid: no page yet */
	BlockNumber fill;			/* invalid: none; training fills no old page */
	uint32		pages;			/* in the chain */
	uint32		has_holes;		/* vacuum left room in pages of the chain */
} TridentIndexListEntry;

StaticAssertDecl(sizeof(TridentIndexListEntry) == 16, "directory entry");

#define TRIDENT_INDEX_ENTRIES \
	((int) (TRIDENT_INDEX_PAGE_BYTES / sizeof(TridentIndexListEntry)))

#define TridentIndexPageEntries(page) \
	((TridentIndexListEntry *) TridentIndexPageContents(page))

/*
 * Most row pages of a list page: a change of them all is one WAL record, which
 * has MAX_GENERIC_XLOG_PAGES.
 */
#define TRIDENT_INDEX_MAX_ROW_PAGES 3

/*
 * Head of a list page, 24 bytes.  There are as many row pages as its rows
 * take: an insert makes them, vacuum frees them.
 */
typedef struct TridentIndexListHeader
{
	uint16		nrows;			/* slots 0 .. nrows - 1 are in use */
	uint16		unused[3];
	BlockNumber row_pages[TRIDENT_INDEX_MAX_ROW_PAGES]; /* or invalid */
	uint32		padding;
} TridentIndexListHeader;

StaticAssertDecl(sizeof(TridentIndexListHeader) == 24, "list page header");

#define TridentIndexPageHeader(page) \
	((TridentIndexListHeader *) TridentIndexPageContents(page))

/*
 * Where the rows of a list page lie.  Slot i of each array is row i.  On the
 * list page, as offsets from its contents, in this order; what the format
 * lacks has offset 0:
 *
 *		sign_codes		blocks of 16 rows (simd.h, sign_scan); SIGNS only
 *		sign_add		float4, F_add of the sign codes; SIGNS only
 *		sign_rescale	float4, F_rescale of the sign codes; SIGNS only
 *		labels			uint32, hash of the key column; has_key only
 *		tids			ItemPointerData; only where rows are apart
 *		rows			row_bytes each, all that a closer look needs:
 *						code_bytes: finer code, or float4[dim] when EXACT
 *						float4 add, float4 rescale of that code; not EXACT
 *						ItemPointerData, unless in tids, and padding to 4 bytes
 *
 * All but the rows are padded to whole blocks of 16 rows.
 *
 * Where rows are so long that few would fit beside their sign codes they are
 * apart, on max_row_pages pages of their own: row i is the (i % page_rows)-th
 * on the (i / page_rows)-th row page.  A scan then reads a row page only for
 * the rows that their sign codes let through.
 */
typedef struct TridentIndexLayout
{
	int			dim;
	int			dp;
	TridentIndexFormat format;
	int			bits;
	bool		has_key;
	int			capacity;		/* rows of a list page, here or apart */
	int			max_row_pages;	/* 0: rows are on the list page itself */
	int			page_rows;		/* rows that one page holds */
	int			list_rows;		/* rows that a list is best given */
	int			code_bytes;		/* of a row's finer code or values */
	int			row_bytes;		/* of a row in rows */
	uint16		sign_codes;
	uint16		sign_add;
	uint16		sign_rescale;
	uint16		labels;
	uint16		tids;
	uint16		rows;
	uint16		factors_in_row; /* of add and rescale */
	uint16		tid_in_row;
} TridentIndexLayout;

/*
 * A list page with its row pages, which stand in list order; NULL where they
 * are not there, or not needed by what is done.
 */
typedef struct TridentIndexGroup
{
	Page		page;
	Page		row_pages[TRIDENT_INDEX_MAX_ROW_PAGES];
} TridentIndexGroup;

/*
 * A row as it is encoded, before and between pages; what the format lacks is
 * 0.  One chunk of trident_index_row_bytes(): the sign bits follow the struct
 * (dp / 8 bytes, bit i of byte b for dimension 8b + i), then the values.
 */
typedef struct TridentIndexRow
{
	ItemPointerData tid;
	uint32		label;
	float		sign_add;
	float		sign_rescale;
	float		add;
	float		rescale;
} TridentIndexRow;

#define TridentIndexRowSigns(row) \
	((uint8 *) (row) + MAXALIGN(sizeof(TridentIndexRow)))

/* page.c */

/* What follows from the dimensions of the column. */
extern void trident_index_format(int dim, int *dp, TridentIndexFormat *format);

/*
 * Error INDEX_CORRUPTED, with a hint: the index is damaged, its problem, "has
 * a damaged ...", as of printf.
 */
extern void trident_index_corrupted(Relation index, const char *problem,...)
			__attribute__((format(printf, 2, 3), noreturn));

/* The layout that follows from what the meta page fixes. */
extern void trident_index_layout(TridentIndexLayout *layout, int dim, int dp,
								 TridentIndexFormat format, int bits,
								 bool has_key);

/* Bytes of a TridentIndexRow with its codes. */
extern Size trident_index_row_bytes(const TridentIndexLayout *layout);

/* Where a row's finer code or exact values lie. */
extern uint8 *trident_index_row_values(const TridentIndexLayout *layout,
									   const TridentIndexRow *row);

/* Make page an empty one of a kind; all else in it is zero. */
extern void trident_index_page_init(Page page, TridentIndexPageKind kind,
									int32 list, uint32 generation);

/*
 * Error INDEX_CORRUPTED, with a hint, where page (read from block of index)
 * is not a page of that kind.
 */
extern void trident_index_page_check(Relation index, BlockNumber block,
									 Page page, TridentIndexPageKind kind);

/*
 * Append a row; the caller holds list and row page exclusively and has seen
 * room.
 */
extern void trident_index_page_append(const TridentIndexLayout *layout,
									  const TridentIndexGroup *group,
									  const TridentIndexRow *row);

/* Read slot into row, a chunk of trident_index_row_bytes(). */
extern void trident_index_page_get(const TridentIndexLayout *layout,
								   const TridentIndexGroup *group, int slot,
								   TridentIndexRow *row);

/*
 * Remove slot by moving the last row into it.  Nothing remembers a row's
 * slot: a scan takes what it needs of a page under one lock.
 */
extern void trident_index_page_remove(const TridentIndexLayout *layout,
									  const TridentIndexGroup *group,
									  int slot);

/* The finer code, or the values, of a row. */
static inline uint8 *
trident_index_page_values(const TridentIndexLayout *layout,
						  const TridentIndexGroup *group, int slot)
{
	Page		page = group->page;

	if (layout->max_row_pages > 0)
	{
		page = group->row_pages[slot / layout->page_rows];
		slot %= layout->page_rows;
	}
	return (uint8 *) TridentIndexPageContents(page) + layout->rows +
		(Size) slot * layout->row_bytes;
}

/* Its factors: [0] add, [1] rescale. */
static inline float *
trident_index_page_factors(const TridentIndexLayout *layout,
						   const TridentIndexGroup *group, int slot)
{
	return (float *) (trident_index_page_values(layout, group, slot) +
					  layout->factors_in_row);
}

/* Its address in the table, which is on the list page. */
static inline ItemPointer
trident_index_page_tid(const TridentIndexLayout *layout, Page page, int slot)
{
	char	   *contents = TridentIndexPageContents(page);

	if (layout->max_row_pages > 0)
		return (ItemPointer) (contents + layout->tids) + slot;
	return (ItemPointer) (contents + layout->rows + layout->tid_in_row +
						  (Size) slot * layout->row_bytes);
}

/* Error INDEX_CORRUPTED: a page cannot have so many rows. */
extern void trident_index_page_overfull(const TridentIndexLayout *layout,
										int nrows) pg_attribute_noreturn();

/* How many rows a list page has, never more than fit. */
static inline int
trident_index_page_rows(const TridentIndexLayout *layout, Page page)
{
	int			nrows = TridentIndexPageHeader(page)->nrows;

	if (unlikely(nrows > layout->capacity))
		trident_index_page_overfull(layout, nrows);
	return nrows;
}

/* How many row pages nrows rows take. */
static inline int
trident_index_row_pages(const TridentIndexLayout *layout, int nrows)
{
	return layout->max_row_pages == 0 ? 0 :
		(nrows + layout->page_rows - 1) / layout->page_rows;
}

static inline bool
trident_index_page_full(const TridentIndexLayout *layout, Page page)
{
	return TridentIndexPageHeader(page)->nrows >= layout->capacity;
}

#endif							/* TRIDENT_INDEX_PAGE_H */
