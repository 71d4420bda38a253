/*
 * page.c
 *	  The layout of list pages, and rows in and out of them.
 *
 * No function here locks or logs: callers hold the page and register it.
 */
#include "postgres.h"

#include "storage/bufpage.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/page.h"
#include "simd/simd.h"

/* Blocks of 16 that rows take. */
#define BLOCKS(rows) \
	(((rows) + TRIDENT_SIMD_LANES - 1) / TRIDENT_SIMD_LANES)

/*
 * Rows apart where fewer than this would fit a page with their sign codes.  A
 * scan looks at all sign codes of a list and few of its rows, so pages that
 * have both cost it more the fewer rows they have; but a row apart costs one
 * more page (measured: README, "Rows apart").
 */
#define MIN_ROWS_TOGETHER 48

/*
 * A list has so many pages, about: more lists mean fewer codes to look at, but
 * reading a page costs several times looking at its codes (README, "How many
 * lists").
 */
#define PAGES_PER_LIST 2.2
#define LIST_ROW_PAGES 2.5

/* Place the arrays for capacity rows; returns the bytes they take. */
static Size
place_arrays(TridentIndexLayout *layout, int capacity)
{
	Size		at = MAXALIGN(sizeof(TridentIndexListHeader));
	Size		padded = BLOCKS(capacity) * TRIDENT_SIMD_LANES;

	layout->capacity = capacity;
	if (layout->format == TRIDENT_INDEX_SIGNS)
	{
		layout->sign_codes = at;
		at += padded * (layout->dp / 8);
		layout->sign_add = at;
		at += padded * sizeof(float);
		layout->sign_rescale = at;
		at += padded * sizeof(float);
	}
	if (layout->has_key)
	{
		layout->labels = at;
		at += padded * sizeof(uint32);
	}
	if (layout->max_row_pages > 0)
	{
		layout->tids = at;
		layout->rows = 0;
		return at + padded * sizeof(ItemPointerData);
	}
	layout->rows = at;
	return at + (Size) capacity * layout->row_bytes;
}

/* Rows on the list page; how many? */
static void
lay_out_together(TridentIndexLayout *layout)
{
	int			capacity;

	layout->tid_in_row = layout->code_bytes;
	if (layout->format != TRIDENT_INDEX_EXACT)
		layout->tid_in_row += 2 * sizeof(float);
	layout->row_bytes = INTALIGN(layout->tid_in_row + sizeof(ItemPointerData));

	capacity = TRIDENT_INDEX_PAGE_BYTES / layout->row_bytes;
	while (capacity > 0 &&
		   place_arrays(layout, capacity) > TRIDENT_INDEX_PAGE_BYTES)
		capacity--;
	if (capacity == 0)
		elog(ERROR, "a row of %d dimensions does not fit a page", layout->dim);
	layout->page_rows = capacity;
	layout->list_rows = capacity * PAGES_PER_LIST;
}

/* Rows apart, on as many pages as there are sign codes for. */
static void
lay_out_apart(TridentIndexLayout *layout)
{
	layout->tid_in_row = 0;
	layout->row_bytes = layout->code_bytes + 2 * sizeof(float);
	layout->page_rows = TRIDENT_INDEX_PAGE_BYTES / layout->row_bytes;
	for (layout->max_row_pages = TRIDENT_INDEX_MAX_ROW_PAGES;
		 layout->max_row_pages > 1; layout->max_row_pages--)
	{
		if (place_arrays(layout, layout->max_row_pages * layout->page_rows) <=
			TRIDENT_INDEX_PAGE_BYTES)
			break;
	}
	place_arrays(layout, layout->max_row_pages * layout->page_rows);
	layout->list_rows = LIST_ROW_PAGES * layout->page_rows;
}

void
trident_index_layout(TridentIndexLayout *layout, int dim, int dp,
					 TridentIndexFormat format, int bits, bool has_key)
{
	memset(layout, 0, sizeof(*layout));
	layout->dim = dim;
	layout->dp = dp;
	layout->format = format;
	layout->bits = bits;
	layout->has_key = has_key;
	layout->code_bytes = (format == TRIDENT_INDEX_EXACT) ?
		dim * (int) sizeof(float) : dp * bits / 8;
	layout->factors_in_row = layout->code_bytes;
	lay_out_together(layout);
	if (format == TRIDENT_INDEX_SIGNS && layout->capacity < MIN_ROWS_TOGETHER)
		lay_out_apart(layout);
}

Size
trident_index_row_bytes(const TridentIndexLayout *layout)
{
	return MAXALIGN(MAXALIGN(sizeof(TridentIndexRow)) + layout->dp / 8 +
					layout->code_bytes);
}

uint8 *
trident_index_row_values(const TridentIndexLayout *layout,
						 const TridentIndexRow *row)
{
	return TridentIndexRowSigns(row) + layout->dp / 8;
}

void
trident_index_page_init(Page page, TridentIndexPageKind kind, int32 list,
						uint32 generation)
{
	TridentIndexOpaque *opaque;

	PageInit(page, BLCKSZ, 0);
	/* No hole: what generic WAL takes for one would be lost at replay. */
	((PageHeader) page)->pd_lower = ((PageHeader) page)->pd_special;
	opaque = TridentIndexPageOpaque(page);
	opaque->next = InvalidBlockNumber;
	opaque->list = list;
	opaque->generation = generation;
	opaque->kind = kind;
	opaque->page_id = TRIDENT_INDEX_PAGE_ID;
	if (kind == TRIDENT_INDEX_PAGE_LIST)
		memset(TridentIndexPageHeader(page)->row_pages, 0xFF,
			   sizeof(TridentIndexPageHeader(page)->row_pages));
}

void
trident_index_format(int dim, int *dp, TridentIndexFormat *format)
{
	*dp = (dim + 31) / 32 * 32;
	*format = dim <= TRIDENT_INDEX_MAX_EXACT_DIM ? TRIDENT_INDEX_EXACT :
		*dp <= TRIDENT_SIMD_MAX_SIGN_DIM ? TRIDENT_INDEX_SIGNS :
		TRIDENT_INDEX_WIDE;
}

void
trident_index_corrupted(Relation index, const char *problem,...)
{
	char		text[256];
	va_list		args;

	va_start(args, problem);
	vsnprintf(text, sizeof(text), problem, args);
	va_end(args);
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is damaged", RelationGetRelationName(index)),
			 errdetail("It %s.", text),
			 errhint("Run trident_index_check() to see what is damaged, then REINDEX.")));
}

void
trident_index_page_check(Relation index, BlockNumber block, Page page,
						 TridentIndexPageKind kind)
{
	if (!PageIsNew(page) &&
		TridentIndexPageOpaque(page)->page_id == TRIDENT_INDEX_PAGE_ID &&
		TridentIndexPageOpaque(page)->kind == kind)
		return;

	trident_index_corrupted(index, "has an unexpected page at block %u", block);
}

void
trident_index_page_overfull(const TridentIndexLayout *layout, int nrows)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("a page of a trident index has %d rows, where %d fit",
					nrows, layout->capacity),
			 errhint("Run trident_index_check() on the indexes of the table to see what is damaged, then REINDEX.")));
}

/* The block of sign codes that holds slot. */
static uint8 *
sign_block(const TridentIndexLayout *layout, char *contents, int slot)
{
	return (uint8 *) contents + layout->sign_codes +
		(slot / TRIDENT_SIMD_LANES) * TRIDENT_SIMD_SIGN_BLOCK(layout->dp);
}

/* Write all of a row into a slot. */
static void
put_row(const TridentIndexLayout *layout, const TridentIndexGroup *group,
		int slot, const TridentIndexRow *row)
{
	char	   *contents = TridentIndexPageContents(group->page);

	if (layout->format == TRIDENT_INDEX_SIGNS)
	{
		uint8	   *block = sign_block(layout, contents, slot);
		const uint8 *signs = TridentIndexRowSigns(row);
		int			lane = slot % TRIDENT_SIMD_LANES;
		int			line;

		for (line = 0; line < layout->dp / 8; line++)
			block[line * TRIDENT_SIMD_LANES + lane] = signs[line];
		((float *) (contents + layout->sign_add))[slot] = row->sign_add;
		((float *) (contents + layout->sign_rescale))[slot] = row->sign_rescale;
	}
	if (layout->has_key)
		((uint32 *) (contents + layout->labels))[slot] = row->label;
	if (layout->format != TRIDENT_INDEX_EXACT)
	{
		trident_index_page_factors(layout, group, slot)[0] = row->add;
		trident_index_page_factors(layout, group, slot)[1] = row->rescale;
	}
	memcpy(trident_index_page_values(layout, group, slot),
		   trident_index_row_values(layout, row), layout->code_bytes);
	*trident_index_page_tid(layout, group->page, slot) = row->tid;
}

void
trident_index_page_append(const TridentIndexLayout *layout,
						  const TridentIndexGroup *group,
						  const TridentIndexRow *row)
{
	TridentIndexListHeader *header = TridentIndexPageHeader(group->page);

	Assert(header->nrows < layout->capacity);
	put_row(layout, group, header->nrows, row);
	header->nrows++;
}

void
trident_index_page_get(const TridentIndexLayout *layout,
					   const TridentIndexGroup *group, int slot,
					   TridentIndexRow *row)
{
	char	   *contents = TridentIndexPageContents(group->page);

	memset(row, 0, sizeof(*row));
	if (layout->format == TRIDENT_INDEX_SIGNS)
	{
		uint8	   *block = sign_block(layout, contents, slot);
		uint8	   *signs = TridentIndexRowSigns(row);
		int			lane = slot % TRIDENT_SIMD_LANES;
		int			line;

		for (line = 0; line < layout->dp / 8; line++)
			signs[line] = block[line * TRIDENT_SIMD_LANES + lane];
		row->sign_add = ((float *) (contents + layout->sign_add))[slot];
		row->sign_rescale = ((float *) (contents + layout->sign_rescale))[slot];
	}
	if (layout->has_key)
		row->label = ((uint32 *) (contents + layout->labels))[slot];
	if (layout->format != TRIDENT_INDEX_EXACT)
	{
		row->add = trident_index_page_factors(layout, group, slot)[0];
		row->rescale = trident_index_page_factors(layout, group, slot)[1];
	}
	memcpy(trident_index_row_values(layout, row),
		   trident_index_page_values(layout, group, slot), layout->code_bytes);
	row->tid = *trident_index_page_tid(layout, group->page, slot);
}

void
trident_index_page_remove(const TridentIndexLayout *layout,
						  const TridentIndexGroup *group, int slot)
{
	TridentIndexListHeader *header = TridentIndexPageHeader(group->page);
	int			last = header->nrows - 1;

	Assert(slot <= last);
	if (slot != last)
	{
		TridentIndexRow *row = palloc(trident_index_row_bytes(layout));

		trident_index_page_get(layout, group, last, row);
		put_row(layout, group, slot, row);
		pfree(row);
	}
	header->nrows--;
}
