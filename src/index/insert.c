/*
 * insert.c
 *	  A row into an index that exists.
 */
#include "postgres.h"

#include "access/genam.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/am.h"
#include "index/key.h"
#include "vector/vector.h"

void
trident_index_insert_value(Relation index, const TridentIndexModel *model,
						   Datum value, uint32 label, ItemPointer tid)
{
	const TridentIndexLayout *layout = &model->coder.layout;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "trident index insert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	float	   *raw = palloc(sizeof(float) * layout->dim);
	float	   *x = palloc(sizeof(float) * layout->dp);
	TridentIndexRow *row = palloc0(trident_index_row_bytes(layout));
	int			list = 0;

	trident_index_read_value(&model->coder, value, raw);
	if (trident_index_project(&model->coder, raw, x))
	{
		row->tid = *tid;
		row->label = label;
		if (model->centroids.nlists > 1)
			trident_index_assign(&model->centroids, 1, x, &list, NULL);
		trident_index_encode(&model->coder, raw, x, model->centroids.lists +
							 (Size) list * layout->dp, row);
		trident_index_list_insert(index, model, list, row);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

bool
trident_index_insert(Relation index, Datum *values, bool *isnull,
					 ItemPointer heap_tid, Relation heap,
					 IndexUniqueCheck check, bool unchanged,
					 IndexInfo *index_info)
{
	TridentVector *value;
	uint32		label = 0;

	if (isnull[0])
		return false;

	/*
	 * Fetching a value that is stored out of line, or hashing by a collation,
	 * may accept invalidations, which take the cached model away: both come
	 * before it.
	 */
	value = TRIDENT_VECTOR_P(values[0]);
	if (IndexRelationGetNumberOfKeyAttributes(index) > 1)
		label = trident_index_key_label(index, values[1], isnull[1]);

	trident_index_lock_model(index, ShareLock);
	trident_index_insert_value(index, trident_index_model(index),
							   PointerGetDatum(value), label, heap_tid);
	trident_index_unlock_model(index, ShareLock);
	if ((Pointer) value != DatumGetPointer(values[0]))
		pfree(value);
	return false;
}
