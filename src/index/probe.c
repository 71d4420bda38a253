/*
 * probe.c
 *	  How many lists a scan probes, and the scoring of their rows.
 *
 * A list page is scored under one share lock: what a scan keeps of it (row
 * number in the heap, bound) is copied.  So vacuum may rearrange the page
 * afterwards, and needs no cleanup lock.  A row that vacuum has removed since
 * may come out of the scan's memory; its heap line pointer may even have been
 * used anew, but then by a row that the scan's MVCC snapshot does not see.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "utils/float.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/guc.h"
#include "index/scan.h"

/* Most blocks of 16 rows that a page has. */
#define MAX_BLOCKS 64

int
trident_index_probes_for(TridentIndexScan *so, int64 i)
{
	double		k = i;

	if (so->order.nlists <= 1 || so->query == NULL)
		return so->order.nlists;
	if (trident_base_index_probes > 0)
		return Min(trident_base_index_probes, so->order.nlists);

	/*
	 * Among rows of one label, the i-th nearest is about the (i / share)-th of
	 * all.  The share is that of the lists scored so far.
	 */
	if (so->nlabels >= 0 && so->nprobed > 0)
		k *= (so->stats.codes_scanned + 1.0) / (so->nmatched + 1.0);

	/* 10 rows are asked for so often that fewer are not worth a lesser start */
	return trident_index_curve_lists(&so->meta, Max(k, 10),
									 trident_base_index_target_recall);
}

/* The lanes of a block of 16 rows that have a label looked for. */
static uint16
match_labels(const TridentIndexScan *so, const uint32 *labels)
{
	uint16		mask = 0;
	int			i;
	int			j;

	for (i = 0; i < so->nlabels; i++)
		for (j = 0; j < TRIDENT_SIMD_LANES; j++)
			mask |= (uint16) (labels[j] == so->labels[i]) << j;
	return mask;
}

/* Look closer at a row that its sign code has let through. */
static inline void
refine(TridentIndexScan *so, const TridentIndexProbe *probe, Page page,
	   int slot)
{
	const TridentIndexLayout *layout = &so->coder.layout;
	const char *contents = PageGetContents(page);
	const uint8 *code = (const uint8 *) contents + layout->values +
		(Size) slot * layout->code_bytes;
	float		rescale = ((const float *) (contents + layout->rescale))[slot];
	ItemPointer tid = &trident_index_page_tids(layout, page)[slot];
	float		estimate;
	float		bound;
	int32		dot;

	so->stats.codes_refined++;
	dot = layout->bits == 8 ?
		trident_simd_code.dot_u8_s8(layout->dp, code, so->query->x8) :
		trident_simd_code.dot_u4_s8(layout->dp, code, so->query->x8);
	estimate = ((const float *) (contents + layout->add))[slot] + probe->value +
		rescale * (so->query->x8_step * dot + so->query->fine_offset);
	/* rescale is negative */
	bound = estimate + rescale * TRIDENT_INDEX_FINE_ERROR * probe->distance;

	if (!(bound < trident_index_threshold(so)))
	{
		so->has_dropped = true;
		return;
	}
	if (so->seen_hash && trident_index_was_seen(so, tid))
		return;
	trident_index_candidate_add(so, bound, tid);
	if (!isinf(estimate))
		trident_index_best_add(so, estimate);
}

/* Score a page of sign codes. */
static void
score_signs(TridentIndexScan *so, const TridentIndexProbe *probe, Page page,
			int nrows)
{
	const TridentIndexLayout *layout = &so->coder.layout;
	char	   *contents = PageGetContents(page);
	const uint8 *codes = (const uint8 *) contents + layout->sign_codes;
	const float *add = (const float *) (contents + layout->sign_add);
	const float *rescale = (const float *) (contents + layout->sign_rescale);
	int			nblocks = (nrows + TRIDENT_SIMD_LANES - 1) / TRIDENT_SIMD_LANES;
	float		bounds[MAX_BLOCKS * TRIDENT_SIMD_LANES];
	uint16		masks[MAX_BLOCKS];
	TridentSimdSignScan args;
	int			block;

	args.lut = so->query->lut;
	args.scale = so->query->lut_step;
	args.offset = so->query->sign_offset + so->query->sign_slack +
		TRIDENT_INDEX_SIGN_ERROR * probe->distance;
	args.add = probe->value;
	args.limit = trident_index_threshold(so);
	/* with no limit yet every row passes, were its bound even infinite */
	trident_simd_code.sign_scan(layout->dp, nblocks, codes, add, rescale, &args,
								bounds, masks);

	for (block = 0; block < nblocks; block++)
	{
		int			first = block * TRIDENT_SIMD_LANES;
		uint32		mask = masks[block];
		uint32		valid = 0xFFFF;

		if (nrows - first < TRIDENT_SIMD_LANES)
			valid = (1U << (nrows - first)) - 1;
		if (so->nlabels >= 0)
		{
			valid &= match_labels(so, (uint32 *) (contents + layout->labels) + first);
			so->nmatched += pg_popcount32(valid);
		}
		if ((mask & valid) != valid)
			so->has_dropped = true;
		mask &= valid;
		while (mask != 0)
		{
			int			lane = pg_rightmost_one_pos32(mask);

			mask &= mask - 1;
			/* the limit has come down since the block was scored */
			if (bounds[first + lane] < trident_index_threshold(so))
				refine(so, probe, page, first + lane);
			else
				so->has_dropped = true;
		}
	}
}

/* Does a row have a label looked for? */
static bool
row_matches(TridentIndexScan *so, Page page, int slot)
{
	const uint32 *labels = (const uint32 *) (PageGetContents(page) +
											 so->coder.layout.labels);
	int			i;

	if (so->nlabels < 0)
		return true;
	for (i = 0; i < so->nlabels; i++)
	{
		if (labels[slot] == so->labels[i])
		{
			so->nmatched++;
			return true;
		}
	}
	return false;
}

/* Score a row whose values are kept exactly. */
static void
score_exact(TridentIndexScan *so, Page page, int slot)
{
	const TridentIndexLayout *layout = &so->coder.layout;
	ItemPointer tid = &trident_index_page_tids(layout, page)[slot];
	double		value;

	value = trident_index_exact_value(&so->coder, so->query,
									  (const float *) (PageGetContents(page) + layout->values +
													   (Size) slot * layout->code_bytes));
	if (isnan(value))
		value = get_float8_infinity();
	if (so->nbest >= so->want && value >= so->best[0])
	{
		so->has_dropped = true;
		return;
	}
	if (so->seen_hash && trident_index_was_seen(so, tid))
		return;
	trident_index_found_add(so, value, tid);
	trident_index_best_add(so, (float) value);
}

/* Score all rows of a page. */
static void
score_page(TridentIndexScan *so, const TridentIndexProbe *probe, Page page)
{
	TridentIndexFormat format = so->coder.layout.format;
	int			nrows = TridentIndexPageHeader(page)->nrows;
	int			slot;

	so->stats.codes_scanned += nrows;
	if (so->query != NULL && format == TRIDENT_INDEX_SIGNS && !so->is_exact)
	{
		score_signs(so, probe, page, nrows);
		return;
	}
	for (slot = 0; slot < nrows; slot++)
	{
		ItemPointer tid = &trident_index_page_tids(&so->coder.layout, page)[slot];

		if (!row_matches(so, page, slot))
			continue;
		if (so->query == NULL ||
			(so->is_exact && format != TRIDENT_INDEX_EXACT))
		{
			/* no row is nearer than another, or only the heap rows tell */
			if (!so->seen_hash || !trident_index_was_seen(so, tid))
				trident_index_candidate_add(so, -get_float4_infinity(), tid);
		}
		else if (format == TRIDENT_INDEX_EXACT)
			score_exact(so, page, slot);
		else
			refine(so, probe, page, slot);
	}
}

/* Lists whose pages are fetched into the processor's cache ahead of use. */
#define PREFETCH_LISTS 2

/* Directory entries are read for so many lists at a time. */
#define ENTRY_BATCH 32

/*
 * Bring the first lines of a list's pages towards the processor.  A guess: the
 * pages of a list follow one another as built, and stand where they were last
 * time.  Half of a scan's time would be waiting for memory else (measured).
 */
static void
prefetch_list(const TridentIndexModel *model, const TridentIndexListEntry *entry)
{
	uint32		i;

	if (!BlockNumberIsValid(entry->head))
		return;
	for (i = 0; i < Min(entry->pages, 4); i++)
	{
		BlockNumber block = entry->head + i;
		char	   *page;
		int			line;

		if (block >= model->nrecent || !BufferIsValid(model->recent[block]) ||
			BufferIsLocal(model->recent[block]))
			continue;
		page = (char *) BufferGetBlock(model->recent[block]);
		for (line = 0; line < 6; line++)
			__builtin_prefetch(page + line * 64);
		__builtin_prefetch(page + BLCKSZ - sizeof(TridentIndexOpaque));
	}
}

/*
 * Score the pages of a list.  False where the chain has been replaced under
 * us; rows of it may have been kept then, which is no harm.
 */
static bool
score_list(IndexScanDesc scan, const TridentIndexModel *model,
		   const TridentIndexProbe *probe, const TridentIndexListEntry *entry)
{
	TridentIndexScan *so = scan->opaque;
	Relation	index = scan->indexRelation;
	BlockNumber block = entry->head;

	while (BlockNumberIsValid(block))
	{
		Buffer		buffer = trident_index_read(index, model, block);
		Page		page = BufferGetPage(buffer);
		TridentIndexOpaque *opaque;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		opaque = TridentIndexPageOpaque(page);
		if (PageIsNew(page) || opaque->kind != TRIDENT_INDEX_PAGE_LIST ||
			opaque->list != probe->list ||
			opaque->generation != so->meta.generation)
		{
			UnlockReleaseBuffer(buffer);
			return false;
		}
		score_page(so, probe, page);
		block = opaque->next;
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

bool
trident_index_probe(IndexScanDesc scan, int upto)
{
	TridentIndexScan *so = scan->opaque;
	const TridentIndexModel *model = trident_index_model(scan->indexRelation);
	TridentIndexListEntry entries[ENTRY_BATCH];

	if (model->meta.generation != so->meta.generation)
		return false;
	upto = Min(upto, so->order.nlists);
	trident_index_order_extend(&so->order, model, so->query, upto);
	while (so->nprobed < upto)
	{
		TridentIndexProbe *probes = &so->order.lists[so->nprobed];
		int			n = Min(ENTRY_BATCH, upto - so->nprobed);
		int			i;

		for (i = 0; i < n; i++)
		{
			if (!trident_index_list_entry(scan->indexRelation, model,
										  probes[i].list, &entries[i]))
				return false;
			if (i < PREFETCH_LISTS)
				prefetch_list(model, &entries[i]);
		}
		for (i = 0; i < n; i++)
		{
			if (i + PREFETCH_LISTS < n)
				prefetch_list(model, &entries[i + PREFETCH_LISTS]);
			if (!score_list(scan, model, &probes[i], &entries[i]))
				return false;
			so->nprobed++;
			so->stats.lists_probed++;
		}
	}
	return true;
}
