/*
 * probe.c
 *	  How many lists a scan probes, and the scoring of their rows.
 *
 * A list page is scored under one share lock, and its row pages, where there
 * are any, under further ones: what a scan keeps of them (row number in the
 * heap, bound) is copied.  So vacuum may rearrange the pages afterwards, and
 * needs no cleanup lock.  A row that vacuum has removed since
 * may come out of the scan's memory; its heap line pointer may even have been
 * used anew, but then by a row that the scan's MVCC snapshot does not see.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/float.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/guc.h"
#include "index/scan.h"

/*
 * So many labels are compared with all lanes of a block at once; of more, each
 * lane's is looked up.
 */
#define FEW_LABELS 16

/* Most blocks of 16 rows that a page has. */
#define MAX_BLOCKS 64

int
trident_index_probes_for(TridentIndexScan *so, int64 i)
{
	double		share = 1;

	if (so->order.nlists <= 1 || so->query == NULL || so->query->is_huge)
		return so->order.nlists;
	if (trident_base_index_probes > 0)
		return Min(trident_base_index_probes, so->order.nlists);

	/* a few rows are asked for: go on while lists bring some of the nearest */
	if (i <= TRIDENT_INDEX_PATIENT_ROWS && so->patience > 0)
		return Min(so->gained + so->patience, so->order.nlists);

	/* how many rows have the label, as far as lists have been scored */
	if (so->nlabels >= 0 && so->nprobed > 0)
		share = (so->nmatched + 1.0) / (so->stats.codes_scanned + 1.0);
	return trident_index_curve_before(&so->meta, i, share,
									  trident_base_index_target_recall);
}

void
trident_index_be_patient(TridentIndexScan *so)
{
	double		typical = 0;

	so->patience = 0;
	/* rows of one label come at longer intervals than have been measured */
	if (so->nlabels < 0)
		so->patience = trident_index_curve_patience(&so->meta,
													trident_base_index_target_recall,
													&typical);
	so->typical = (int) typical;
}

/* Is this one of the labels looked for? */
static bool
is_looked_for(const TridentIndexScan *so, uint32 label)
{
	int			low = 0;
	int			high = so->nlabels;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (so->labels[middle] < label)
			low = middle + 1;
		else
			high = middle;
	}
	return low < so->nlabels && so->labels[low] == label;
}

/*
 * Those of the lanes "valid" of a block of 16 rows that have a label looked
 * for.
 */
static uint32
match_labels(const TridentIndexScan *so, const uint32 *labels, uint32 valid)
{
	uint32		matching = 0;
	int			i;
	int			j;

	if (so->nlabels > FEW_LABELS)
	{
		for (; valid != 0; valid &= valid - 1)
		{
			i = pg_rightmost_one_pos32(valid);
			matching |= (uint32) is_looked_for(so, labels[i]) << i;
		}
		return matching;
	}
	for (i = 0; i < so->nlabels; i++)
		for (j = 0; j < TRIDENT_SIMD_LANES; j++)
			matching |= (uint32) (labels[j] == so->labels[i]) << j;
	return matching & valid;
}

/* Look closer at a row that its sign code has let through. */
static inline void
refine(TridentIndexScan *so, const TridentIndexProbe *probe,
	   const TridentIndexGroup *group, int slot)
{
	const TridentIndexLayout *layout = &so->coder.layout;
	const uint8 *code = trident_index_page_values(layout, group, slot);
	const float *factors = (const float *) (code + layout->factors_in_row);
	ItemPointer tid = trident_index_page_tid(layout, group->page, slot);
	float		estimate;
	float		bound;
	int32		dot;

	so->stats.codes_refined++;
	dot = layout->bits == 8 ?
		trident_simd_code.dot_u8_s8(layout->dp, code, so->query->x8) :
		trident_simd_code.dot_u4_s8(layout->dp, code, so->query->x8);
	estimate = probe->part * factors[0] + probe->value +
		factors[1] * (so->query->x8_step * dot + so->query->fine_offset);
	/* the factor is negative */
	bound = estimate + factors[1] * TRIDENT_INDEX_FINE_ERROR * probe->distance;

	if (isnan(bound))
		bound = estimate = -get_float4_infinity();
	if (!trident_index_may_matter(so, bound))
	{
		so->has_dropped = true;
		return;
	}
	if (so->seen_hash && trident_index_was_seen(so, tid))
		return;
	trident_index_candidate_add(so, bound, tid);
	if (!isinf(estimate))
		trident_index_best_add(so, estimate);
	else
		so->gained = so->nprobed + 1;	/* near or far, only its row can tell */
}

/* Bring a row towards the processor. */
static inline void
prefetch_row(const uint8 *row, int bytes)
{
	int			at;

	for (at = 0; at < bytes; at += 64)
		__builtin_prefetch(row + at);
	__builtin_prefetch(row + bytes - 1);
}

/*
 * Score the sign codes of a list page: the slots that they let through, and
 * their bounds by slot.  Returns how many.
 */
static int
score_signs(TridentIndexScan *so, const TridentIndexProbe *probe, Page page,
			int nrows, float *bounds, uint16 *passed)
{
	const TridentIndexLayout *layout = &so->coder.layout;
	char	   *contents = TridentIndexPageContents(page);
	const uint8 *codes = (const uint8 *) contents + layout->sign_codes;
	const float *add = (const float *) (contents + layout->sign_add);
	const float *rescale = (const float *) (contents + layout->sign_rescale);
	int			nblocks = (nrows + TRIDENT_SIMD_LANES - 1) / TRIDENT_SIMD_LANES;
	uint16		masks[MAX_BLOCKS];
	TridentSimdSignScan args;
	int			npassed = 0;
	int			block;

	/* all of it in the centroid's parts, so that the rows' factors stay */
	args.lut = so->query->lut;
	args.scale = so->query->lut_step / probe->part;
	args.offset = (so->query->sign_offset + so->query->sign_slack +
				   TRIDENT_INDEX_SIGN_ERROR * probe->distance) /
		probe->part;
	args.add = probe->value / probe->part;
	args.limit = trident_index_threshold(so) / probe->part;
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
			valid = match_labels(so, (uint32 *) (contents + layout->labels) + first, valid);
			so->nmatched += pg_popcount32(valid);
		}
		/* while rows are few, all are wanted, even with a bound of infinity */
		if (so->nbest < so->best_size)
			mask = valid;
		if ((mask & valid) != valid)
			so->has_dropped = true;
		for (mask &= valid; mask != 0; mask &= mask - 1)
			passed[npassed++] = first + pg_rightmost_one_pos32(mask);
	}
	return npassed;
}

/*
 * Score a list page of sign codes, and look closer at the rows that they let
 * through.  False where a row page is not what it was.
 */
static bool
score_signs_and_rows(TridentIndexScan *so, Relation index,
					 const TridentIndexModel *model,
					 const TridentIndexProbe *probe, TridentIndexHeld *held,
					 int nrows)
{
	const TridentIndexLayout *layout = &so->coder.layout;
	float		bounds[MAX_BLOCKS * TRIDENT_SIMD_LANES];
	uint16		passed[MAX_BLOCKS * TRIDENT_SIMD_LANES];
	int			npassed = score_signs(so, probe, held->group.page, nrows,
									  bounds, passed);
	int			i;

	for (i = 0; i < npassed; i++)
	{
		if (!trident_index_hold_row(index, model, layout, held, passed[i]))
			return false;
		prefetch_row(trident_index_page_values(layout, &held->group, passed[i]),
					 layout->row_bytes);
	}
	for (i = 0; i < npassed; i++)
	{
		/* the limit has come down since the page was scored */
		if (trident_index_may_matter(so, probe->part * bounds[passed[i]]))
			refine(so, probe, &held->group, passed[i]);
		else
			so->has_dropped = true;
	}
	return true;
}

/* Does a row have a label looked for? */
static bool
row_matches(TridentIndexScan *so, Page page, int slot)
{
	const uint32 *labels = (const uint32 *) (TridentIndexPageContents(page) +
											 so->coder.layout.labels);

	if (so->nlabels < 0)
		return true;
	if (!is_looked_for(so, labels[slot]))
		return false;
	so->nmatched++;
	return true;
}

/* Score a row whose values are kept exactly. */
static void
score_exact(TridentIndexScan *so, const TridentIndexGroup *group, int slot)
{
	const TridentIndexLayout *layout = &so->coder.layout;
	ItemPointer tid = trident_index_page_tid(layout, group->page, slot);
	const float *values = (const float *)
		trident_index_page_values(layout, group, slot);
	double		value;

	value = trident_index_exact_value(&so->coder, so->query, values);
	if (isnan(value))
		value = get_float8_infinity();
	if (so->nbest >= so->best_size && value >= so->best[0])
	{
		so->has_dropped = true;
		return;
	}
	if (so->seen_hash && trident_index_was_seen(so, tid))
		return;
	trident_index_found_add(so, value, tid);
	trident_index_best_add(so, (float) value);
}

/* Score all rows of a list page; false where a row page is not what it was. */
static bool
score_page(TridentIndexScan *so, Relation index, const TridentIndexModel *model,
		   const TridentIndexProbe *probe, TridentIndexHeld *held)
{
	Page		page = held->group.page;
	TridentIndexFormat format = so->coder.layout.format;
	int			nrows = trident_index_page_rows(&so->coder.layout, page);
	bool		has_bounds = so->query != NULL && !so->is_exact;
	int			slot;

	so->stats.codes_scanned += nrows;
	if (format == TRIDENT_INDEX_SIGNS && has_bounds)
		return score_signs_and_rows(so, index, model, probe, held, nrows);
	for (slot = 0; slot < nrows; slot++)
	{
		ItemPointer tid = trident_index_page_tid(&so->coder.layout, page, slot);

		if (!row_matches(so, page, slot))
			continue;
		if (so->query == NULL ||
			(!has_bounds && format != TRIDENT_INDEX_EXACT))
		{
			/* no row is nearer than another, or only the heap rows tell */
			if (!so->seen_hash || !trident_index_was_seen(so, tid))
				trident_index_candidate_add(so, -get_float4_infinity(), tid);
		}
		else if (format == TRIDENT_INDEX_EXACT)
			score_exact(so, &held->group, slot);
		else
			refine(so, probe, &held->group, slot);
	}
	return true;
}

/* Directory entries are read for so many lists at a time. */
#define ENTRY_BATCH 32

/*
 * Pages that will be read, as far as can be guessed: those of a list follow
 * one another as built, and stand in the buffers where they were last time.
 * Their first lines are brought towards the processor PREFETCH_PAGES ahead of
 * use; the lines behind PREFETCH_BYTES it brings by itself when it sees them
 * read in order, and to ask for them too takes longer.  More than half of a
 * scan's time is waiting for memory otherwise (measured: README).
 */
#define PREFETCH_BYTES 1024
#define PREFETCH_PAGES 4

typedef struct Prefetch
{
	const TridentIndexModel *model;
	const TridentIndexListEntry *entries;
	int			nentries;
	int			entry;			/* next page is this one of its list */
	uint32		page;
} Prefetch;

/* Bring the next page. */
static void
prefetch_next(Prefetch *prefetch)
{
	const TridentIndexModel *model = prefetch->model;
	BlockNumber block;
	char	   *page;
	Size		at;

	while (prefetch->entry < prefetch->nentries &&
		   prefetch->page >= prefetch->entries[prefetch->entry].pages)
	{
		prefetch->entry++;
		prefetch->page = 0;
	}
	if (prefetch->entry >= prefetch->nentries)
		return;
	block = prefetch->entries[prefetch->entry].head +
		prefetch->page++ * (1 + model->coder.layout.max_row_pages);
	if (block >= model->nrecent || !BufferIsValid(model->recent[block]) ||
		BufferIsLocal(model->recent[block]))
		return;
	page = (char *) BufferGetBlock(model->recent[block]);
	__builtin_prefetch(GetBufferDescriptor(model->recent[block] - 1), 1);
	for (at = 0; at < PREFETCH_BYTES; at += 64)
		__builtin_prefetch(page + at);
}

/*
 * Score the pages of a list.  False where the chain has been replaced under
 * us; rows of it may have been kept then, which is no harm.
 */
static bool
score_list(IndexScanDesc scan, const TridentIndexModel *model,
		   const TridentIndexProbe *probe, const TridentIndexListEntry *entry,
		   Prefetch *prefetch)
{
	TridentIndexScan *so = scan->opaque;
	Relation	index = scan->indexRelation;
	BlockNumber block = entry->head;
	uint32		pages = 0;

	while (BlockNumberIsValid(block))
	{
		TridentIndexHeld held = {0};
		TridentIndexOpaque *opaque;
		bool		is_ours;

		/* pages come in front of a chain: longer it can only be by a loop */
		if (++pages > entry->pages)
			trident_index_chain_corrupted(index, probe->list);
		held.buffer = trident_index_read(index, model, block);
		prefetch_next(prefetch);
		LockBuffer(held.buffer, BUFFER_LOCK_SHARE);
		held.group.page = BufferGetPage(held.buffer);
		TridentTestForOldSnapshot(scan->xs_snapshot, index, held.group.page);
		opaque = TridentIndexPageOpaque(held.group.page);
		is_ours = !PageIsNew(held.group.page) &&
			opaque->kind == TRIDENT_INDEX_PAGE_LIST &&
			opaque->list == probe->list &&
			opaque->generation == so->meta.generation &&
			score_page(so, index, model, probe, &held);
		block = opaque->next;
		trident_index_release(&held);
		if (!is_ours)
			return false;
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
	/* at once for all that will be asked for by and by */
	trident_index_order_extend(&so->order, model, so->query,
							   Min(Max(upto, so->typical), so->order.nlists));
	while (so->nprobed < upto)
	{
		TridentIndexProbe *probes = &so->order.lists[so->nprobed];
		int			n = Min(ENTRY_BATCH, upto - so->nprobed);
		Prefetch	prefetch = {.model = model, .entries = entries};
		int			i;

		for (i = 0; i < n; i++)
		{
			if (!trident_index_list_entry(scan->indexRelation, model,
										  probes[i].list, &entries[i]))
				return false;
			prefetch.nentries++;
			if (i < PREFETCH_PAGES)
				prefetch_next(&prefetch);
		}
		for (i = 0; i < n; i++)
		{
			if (!score_list(scan, model, &probes[i], &entries[i], &prefetch))
				return false;
			so->nprobed++;
			so->stats.lists_probed++;
		}
	}
	return true;
}
