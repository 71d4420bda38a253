/*
 * scan.c
 *	  The access method's side of a scan.
 *
 * A scan answers ORDER BY column <operator> query, forward, a row at a time;
 * a condition on the key column is taken in by the hash of its values and
 * rechecked by the executor.  Distances are exact, so the executor's reorder
 * queue has nothing to do.
 *
 * Memory: everything of one execution is in so->context, reset by rescan.
 * The relation's cached model is used within single calls only (store.h).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "pgstat.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/guc.h"
#include "index/am.h"
#include "index/key.h"
#include "index/scan.h"
#include "vector/vector.h"

/* Rows that candidates suffice for at first: LIMIT 10 and a little. */
#define FIRST_WANT 12
#define MAX_FIRST_WANT 20000

/* What the last scan of this backend did. */
static TridentIndexScanStats last_scan;

const TridentIndexScanStats *
trident_index_last_scan_stats(void)
{
	return &last_scan;
}

IndexScanDesc
trident_index_beginscan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	TridentIndexScan *so = palloc0(sizeof(TridentIndexScan));

	so->context = AllocSetContextCreate(CurrentMemoryContext,
										"trident index scan",
										ALLOCSET_DEFAULT_SIZES);
	so->row_context = AllocSetContextCreate(CurrentMemoryContext,
											"trident index scan row",
											ALLOCSET_DEFAULT_SIZES);
	if (norderbys > 0)
	{
		scan->xs_orderbyvals = palloc0(sizeof(Datum) * norderbys);
		scan->xs_orderbynulls = palloc(sizeof(bool) * norderbys);
		memset(scan->xs_orderbynulls, true, sizeof(bool) * norderbys);
	}
	scan->opaque = so;
	return scan;
}

/* Publish what the scan did, and let the next one profit from it. */
static void
finish_execution(IndexScanDesc scan)
{
	TridentIndexScan *so = scan->opaque;
	TridentIndexModel *model = scan->indexRelation->rd_amcache;

	if (!so->is_prepared)
		return;
	so->stats.rows_returned = so->nreturned;
	last_scan = so->stats;

	/*
	 * Plans that took n rows will take n again, and for a filter half or
	 * twice as many: if two did, since what is kept for a filter costs a
	 * plain search many times its own.
	 */
	if (model && so->nreturned > 0)
	{
		int			rows = (int) Min(so->nreturned + so->nreturned / 4 + 2,
									 MAX_FIRST_WANT);

		model->rows_hint = Min(Max(model->last_rows, rows),
							   2 * Min(model->last_rows, rows));
		model->last_rows = rows;
	}
	so->is_prepared = false;
}

void
trident_index_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
					 ScanKey orderbys, int norderbys)
{
	TridentIndexScan *so = scan->opaque;
	TridentIndexScan keep = *so;

	finish_execution(scan);
	MemoryContextReset(so->context);
	memset(so, 0, sizeof(*so));
	so->context = keep.context;
	so->row_context = keep.row_context;
	so->fetch = keep.fetch;
	so->slot = keep.slot;
	so->estate = keep.estate;
	so->expression = keep.expression;

	if (keys && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys,
				scan->numberOfOrderBys * sizeof(ScanKeyData));
}

/* First call of an execution: prepare query, labels and the order of lists. */
static void
prepare(IndexScanDesc scan)
{
	TridentIndexScan *so = scan->opaque;
	Relation	index = scan->indexRelation;
	const TridentIndexModel *model;
	MemoryContext old;
	ScanKey		order = scan->orderByData;
	Datum		value;

	if (scan->numberOfOrderBys != 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" can only be scanned in the order of a distance",
						RelationGetRelationName(index)),
				 errhint("Order the query by one distance to the column of the index.")));
	if (!IsMVCCSnapshot(scan->xs_snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" can only be scanned with an MVCC snapshot",
						RelationGetRelationName(index)),
				 errhint("Scan it from a query.")));

	pgstat_count_index_scan(index);
	TridentCountIndexSearch(scan);
	old = MemoryContextSwitchTo(so->context);

	/* What may look into catalogs or fetch values comes before the model. */
	value = order->sk_argument;
	if (!(order->sk_flags & SK_ISNULL))
		value = PointerGetDatum(TRIDENT_VECTOR_P(value));
	so->is_impossible = !trident_index_key_labels(index, scan->keyData,
												  scan->numberOfKeys,
												  &so->nlabels, &so->labels);

	model = trident_index_model(index);
	so->meta = model->meta;
	so->coder = model->coder;
	so->scratch = palloc(sizeof(float) * model->coder.layout.dim);
	if (!(order->sk_flags & SK_ISNULL))
	{
		trident_index_read_value(&so->coder, value, so->scratch);
		so->query = trident_index_query(&so->coder, so->scratch);
	}
	/* of the model's memory, which may go away */
	so->coder.signs = NULL;
	trident_index_order_start(&so->order, model, so->query);
	MemoryContextSwitchTo(old);

	so->is_exact = (so->query && so->query->is_huge) ||
		(trident_base_index_probes == 0 &&
		 trident_base_index_target_recall >= 1.0);
	trident_index_be_patient(so);
	trident_index_want(so, Max(model->rows_hint, FIRST_WANT));
	so->nexpected = model->last_rows / 5 * 4;
	so->last_value = -get_float8_infinity();
	so->stats.index = RelationGetRelid(index);
	so->stats.nlists = so->order.nlists;
	so->stats.target_recall = trident_base_index_probes > 0 ? 0 :
		trident_base_index_target_recall;
	so->is_prepared = true;
}

bool
trident_index_gettuple(IndexScanDesc scan, ScanDirection direction)
{
	TridentIndexScan *so = scan->opaque;
	TridentIndexFound row;

	Assert(ScanDirectionIsForward(direction));
	if (!so->is_prepared)
		prepare(scan);
	if (so->is_impossible || !trident_index_next(scan, &row))
		return false;

	trident_index_check_address(scan->indexRelation, scan->heapRelation,
								&so->heap_blocks, &row.tid);
	scan->xs_heaptid = row.tid;
	scan->xs_recheck = so->nlabels >= 0;
	scan->xs_recheckorderby = false;
	scan->xs_orderbynulls[0] = so->query == NULL;
	if (so->query)
	{
		if (!FLOAT8PASSBYVAL && DatumGetPointer(scan->xs_orderbyvals[0]))
			pfree(DatumGetPointer(scan->xs_orderbyvals[0]));
		scan->xs_orderbyvals[0] =
			Float8GetDatum(trident_index_value_distance(so->coder.metric,
														row.value));
	}
	return true;
}

void
trident_index_endscan(IndexScanDesc scan)
{
	TridentIndexScan *so = scan->opaque;

	finish_execution(scan);
	if (so->slot)
		ExecDropSingleTupleTableSlot(so->slot);
	if (so->fetch)
		table_index_fetch_end(so->fetch);
	if (so->estate)
		FreeExecutorState(so->estate);
	MemoryContextDelete(so->row_context);
	MemoryContextDelete(so->context);
	pfree(so);
	scan->opaque = NULL;
}
