/*
 * encode.c
 *	  Rows into codes, and codes into a sort by list.
 *
 * A row in the sort is (place int8, row bytea): place is the list, and within
 * it the address of the heap row, so that lists come out the same whoever
 * encoded which part of the table.  The bytea holds a TridentIndexRow, which
 * is copied out since tuples may store it unaligned.  The sort keeps to its
 * memory and spills to temporary files.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/tupdesc.h"
#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/build.h"
#include "index/key.h"

/* From the place of a row to its list: below it stand 48 bits of address. */
#define PLACE_SHIFT 48

StaticAssertDecl(TRIDENT_INDEX_MAX_LISTS <= 1 << 15,
				 "places are positive numbers");

/* Where a row belongs among all. */
static int64
place_of(int list, ItemPointer tid)
{
	return (int64) list << PLACE_SHIFT |
		(int64) ItemPointerGetBlockNumber(tid) << 16 |
		ItemPointerGetOffsetNumber(tid);
}

/* The row type of the sort. */
static TupleDesc
sort_desc(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(2);

	TupleDescInitEntry(desc, 1, "place", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 2, "row", BYTEAOID, -1, 0);
	return desc;
}

TupleTableSlot *
trident_index_sort_slot(void)
{
	return MakeSingleTupleTableSlot(sort_desc(), &TTSOpsMinimalTuple);
}

Tuplesortstate *
trident_index_sort_begin(int memory_kb, SortCoordinate coordinate)
{
	AttrNumber	attnum = 1;
	Oid			less = Int8LessOperator;
	Oid			collation = InvalidOid;
	bool		nulls_first = false;

	return tuplesort_begin_heap(sort_desc(), 1, &attnum, &less, &collation,
								&nulls_first, memory_kb, coordinate,
								TUPLESORT_NONE);
}

void
trident_index_encoder_init(TridentIndexEncoder *encoder, Relation index,
						   const TridentIndexCoder *coder,
						   const TridentIndexCentroids *centroids,
						   Tuplesortstate *sort)
{
	Size		row_bytes = trident_index_row_bytes(&coder->layout);

	memset(encoder, 0, sizeof(*encoder));
	encoder->index = index;
	encoder->coder = coder;
	encoder->centroids = centroids;
	encoder->sort = sort;
	encoder->slot = MakeSingleTupleTableSlot(sort_desc(), &TTSOpsVirtual);
	encoder->row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "trident index encode",
												 ALLOCSET_DEFAULT_SIZES);
	encoder->raw = palloc(sizeof(float) * coder->layout.dim *
						  TRIDENT_INDEX_BATCH);
	encoder->x = palloc(sizeof(float) * coder->layout.dp * TRIDENT_INDEX_BATCH);
	encoder->row = palloc0(VARHDRSZ + row_bytes);
	SET_VARSIZE(encoder->row, VARHDRSZ + row_bytes);
}

void
trident_index_encoder_measure(TridentIndexEncoder *encoder,
							  const TridentIndexSampled *sampled,
							  TridentIndexNearest *nearest)
{
	encoder->sampled = sampled;
	encoder->nearest = nearest;
}

/* Encode one row of the batch and put it into the sort. */
static void
put_row(TridentIndexEncoder *encoder, int i)
{
	const TridentIndexLayout *layout = &encoder->coder->layout;
	TridentIndexRow *row = (TridentIndexRow *) VARDATA(encoder->row);
	TupleTableSlot *slot = encoder->slot;
	int			list = encoder->lists[i];

	trident_index_encode(encoder->coder,
						 encoder->raw + (Size) i * layout->dim,
						 encoder->x + (Size) i * layout->dp,
						 encoder->centroids->lists + (Size) list * layout->dp,
						 row);
	row->tid = encoder->tids[i];
	row->label = encoder->labels[i];

	ExecClearTuple(slot);
	slot->tts_values[0] = Int64GetDatum(place_of(list, &row->tid));
	slot->tts_values[1] = PointerGetDatum(encoder->row);
	slot->tts_isnull[0] = slot->tts_isnull[1] = false;
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(encoder->sort, slot);
	encoder->rows++;
}

/* Encode the rows of the batch. */
static void
flush(TridentIndexEncoder *encoder)
{
	int			i;

	if (encoder->nbatch == 0)
		return;
	if (encoder->centroids->nlists > 1)
		trident_index_assign(encoder->centroids, encoder->nbatch, encoder->x,
							 encoder->lists, NULL);
	else
		memset(encoder->lists, 0, sizeof(int) * encoder->nbatch);
	for (i = 0; i < encoder->nbatch; i++)
		put_row(encoder, i);
	if (encoder->nearest)
	{
		TridentIndexBatch batch = {
			.nrows = encoder->nbatch,
			.x = encoder->x,
			.lists = encoder->lists,
			.tids = encoder->tids
		};

		trident_index_nearest_add(encoder->nearest, encoder->sampled,
								  encoder->coder, &batch);
	}
	encoder->nbatch = 0;
	CHECK_FOR_INTERRUPTS();
}

void
trident_index_encoder_add(TridentIndexEncoder *encoder, Datum *values,
						  bool *isnull, ItemPointer tid)
{
	const TridentIndexLayout *layout = &encoder->coder->layout;
	int			i = encoder->nbatch;
	float	   *raw = encoder->raw + (Size) i * layout->dim;
	MemoryContext old;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(encoder->row_context);
	MemoryContextReset(encoder->row_context);
	trident_index_read_value(encoder->coder, values[0], raw);
	encoder->tids[i] = *tid;
	encoder->labels[i] = 0;
	if (layout->has_key)
		encoder->labels[i] = trident_index_key_label(encoder->index, values[1],
													 isnull[1]);
	MemoryContextSwitchTo(old);

	if (trident_index_project(encoder->coder, raw,
							  encoder->x + (Size) i * layout->dp))
		encoder->nbatch++;
	if (encoder->nbatch == TRIDENT_INDEX_BATCH)
		flush(encoder);
}

void
trident_index_encoder_finish(TridentIndexEncoder *encoder)
{
	flush(encoder);
	ExecDropSingleTupleTableSlot(encoder->slot);
	MemoryContextDelete(encoder->row_context);
	pfree(encoder->raw);
	pfree(encoder->x);
	pfree(encoder->row);
}

/* What table_index_build_scan calls for every row. */
static void
encode_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull,
				bool is_alive, void *state)
{
	trident_index_encoder_add(state, values, isnull, tid);
}

double
trident_index_encode_table(TridentIndexEncoder *encoder, Relation heap,
						   IndexInfo *index_info, TableScanDesc scan)
{
	double		heap_rows;

	heap_rows = table_index_build_scan(heap, encoder->index, index_info,
									   true, scan == NULL, encode_callback,
									   encoder, scan);
	trident_index_encoder_finish(encoder);
	return heap_rows;
}

bool
trident_index_sort_next(Tuplesortstate *sort, TupleTableSlot *slot,
						int *list, TridentIndexRow *row)
{
	bool		isnull;
	bytea	   *value;

	if (!tuplesort_gettupleslot(sort, true, false, slot, NULL))
		return false;
	*list = (int) (DatumGetInt64(slot_getattr(slot, 1, &isnull)) >> PLACE_SHIFT);
	value = (bytea *) DatumGetPointer(slot_getattr(slot, 2, &isnull));
	memcpy(row, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	return true;
}
