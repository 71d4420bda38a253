/*
 * top.c
 *	  The k nearest rows seen so far.
 *
 * While fewer than k rows came they are appended; the k-th makes a heap of
 * them with the farthest on top, which every nearer row then replaces.  Rows
 * at one distance are told apart by their key, so that which of them are kept
 * does not depend on the order in which they came.
 *
 * A row is copied when it enters: only its key and payload, where a value that
 * is toasted stays a reference to it.  Keeping row identifiers instead would
 * read k pages again and ask of the table's access method that it can fetch
 * by them, to spare a copy that few rows need: in rows of random order the
 * heap takes some k * ln(n/k) of n.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "search/search.h"

TridentSearchTop *
trident_search_top_new(const TridentSearchTarget *target)
{
	TridentSearchTop *top = palloc0(sizeof(TridentSearchTop));

	top->target = target;
	top->bound = get_float8_infinity();
	top->context = AllocSetContextCreate(CurrentMemoryContext,
										 "trident search rows",
										 ALLOCSET_DEFAULT_SIZES);
	top->capacity = Min(target->k, 64);
	top->rows = MemoryContextAlloc(top->context,
								   sizeof(TridentSearchRow) * top->capacity);
	return top;
}

/* Compares the key in values, or that of row a if values is NULL, with b's. */
static int
compare_keys(const TridentSearchTop *top, const Datum *values, const bool *nulls,
			 const TridentSearchRow *a, const TridentSearchRow *b)
{
	TupleDesc	desc = top->target->row_desc;

	for (int i = 0; i < top->target->nkeys; i++)
	{
		bool		null_a;
		bool		null_b;
		Datum		key_a;
		Datum		key_b;
		int			order;

		if (values)
		{
			key_a = values[i];
			null_a = nulls[i];
		}
		else
			key_a = heap_getattr(a->tuple, i + 1, desc, &null_a);
		key_b = heap_getattr(b->tuple, i + 1, desc, &null_b);
		order = ApplySortComparator(key_a, null_a, key_b, null_b,
									&top->target->key_order[i]);
		if (order != 0)
			return order;
	}
	return 0;
}

static int
compare_rows(const void *a, const void *b, void *arg)
{
	const TridentSearchRow *row_a = a;
	const TridentSearchRow *row_b = b;
	int			order = float8_cmp_internal(row_a->distance, row_b->distance);

	return order != 0 ? order : compare_keys(arg, NULL, NULL, row_a, row_b);
}

/* Restore the heap below slot i, whose row may be nearer than those below. */
static void
sift_down(TridentSearchTop *top, int i)
{
	TridentSearchRow row = top->rows[i];

	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= top->nrows)
			break;
		if (child + 1 < top->nrows &&
			compare_rows(&top->rows[child + 1], &top->rows[child], top) > 0)
			child++;
		if (compare_rows(&row, &top->rows[child], top) >= 0)
			break;
		top->rows[i] = top->rows[child];
		i = child;
	}
	top->rows[i] = row;
}

/* Append a row; the k-th turns the array into a heap. */
static TridentSearchRow *
append_row(TridentSearchTop *top)
{
	if (top->nrows == top->capacity)
	{
		top->capacity = Min(top->target->k, top->capacity * 2);
		top->rows = repalloc_huge(top->rows,
								  sizeof(TridentSearchRow) * top->capacity);
	}
	return &top->rows[top->nrows++];
}

void
trident_search_top_offer(TridentSearchTop *top, double distance, Oid shard,
						 Datum *values, bool *nulls)
{
	bool		is_full = top->nrows == top->target->k;
	TridentSearchRow *row;
	MemoryContext old;

	/* Of numbers only: a NaN comes last, and is let in without a bound. */
	if (distance > top->bound || (isnan(distance) && !isinf(top->bound)))
		return;
	if (is_full)
	{
		int			order;

		row = &top->rows[0];
		order = float8_cmp_internal(distance, row->distance);
		if (order == 0)
			order = compare_keys(top, values, nulls, NULL, row);
		if (order >= 0)
			return;
		heap_freetuple(row->tuple);
	}
	else
		row = append_row(top);

	row->distance = distance;
	row->shard = OidIsValid(top->shard) ? top->shard : shard;
	old = MemoryContextSwitchTo(top->context);
	row->tuple = heap_form_tuple(top->target->row_desc, values, nulls);
	MemoryContextSwitchTo(old);

	if (is_full)
		sift_down(top, 0);
	else if (top->nrows == top->target->k)
	{
		for (int i = top->nrows / 2 - 1; i >= 0; i--)
			sift_down(top, i);
	}
}

void
trident_search_top_offer_row(TridentSearchTop *top, const TridentSearchRow *row)
{
	int			n = top->target->ncolumns;
	Datum	   *values = palloc(sizeof(Datum) * n);
	bool	   *nulls = palloc(sizeof(bool) * n);

	heap_deform_tuple(row->tuple, top->target->row_desc, values, nulls);
	trident_search_top_offer(top, row->distance, row->shard, values, nulls);
	pfree(values);
	pfree(nulls);
}

void
trident_search_top_sort(TridentSearchTop *top)
{
	qsort_arg(top->rows, top->nrows, sizeof(TridentSearchRow), compare_rows, top);
}
