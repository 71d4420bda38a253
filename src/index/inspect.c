/*
 * inspect.c
 *	  What functions that look into an index have in common; and two that are
 *	  short: trident_last_scan and trident_index_prewarm.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/am.h"
#include "index/inspect.h"

PG_FUNCTION_INFO_V1(trident_last_scan);
PG_FUNCTION_INFO_V1(trident_index_prewarm);

/* Error unless the relation is an index of ours that can be read here. */
static void
check_index(Relation index)
{
	if (index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is partitioned",
						RelationGetRelationName(index)),
				 errhint("Name the index of a partition; pg_partition_tree() lists them.")));
	if (index->rd_indam->ambuild != trident_index_build)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not of access method trident",
						RelationGetRelationName(index)),
				 errhint("Name an index that was created with USING trident.")));
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot read temporary indexes of other sessions"),
				 errhint("Call the function in the session that made the table.")));
	if (RecoveryInProgress() && !RelationIsPermanent(index))
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot read unlogged index \"%s\" during recovery",
						RelationGetRelationName(index)),
				 errhint("Call the function on the primary server.")));
	if (!index->rd_index->indisready || !index->rd_index->indislive)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not ready",
						RelationGetRelationName(index)),
				 errhint("REINDEX or drop what CREATE INDEX CONCURRENTLY has left.")));
}

void
trident_index_inspect_open(TridentIndexInspection *inspection, Oid index,
						   LOCKMODE lockmode, bool must_select)
{
	char		relkind = get_rel_relkind(index);
	Oid			heap = InvalidOid;

	if (relkind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", index),
				 errhint("Name an index that was created with USING trident.")));
	if (relkind != RELKIND_INDEX && relkind != RELKIND_PARTITIONED_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", get_rel_name(index)),
				 errhint("Name an index that was created with USING trident.")));

	/* The table first, as everywhere, in order not to deadlock. */
	heap = IndexGetRelation(index, false);
	inspection->lockmode = lockmode;
	inspection->heap = table_open(heap, lockmode);
	inspection->index = relation_open(index, lockmode);
	if (heap != IndexGetRelation(index, true))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("index with OID %u was dropped meanwhile", index),
				 errhint("Call the function again, with an index that is there.")));
	if (must_select &&
		pg_class_aclcheck(heap, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(inspection->heap->rd_rel->relkind),
					   RelationGetRelationName(inspection->heap));
	check_index(inspection->index);

	GetUserIdAndSecContext(&inspection->user, &inspection->security);
	SetUserIdAndSecContext(inspection->heap->rd_rel->relowner,
						   inspection->security | SECURITY_RESTRICTED_OPERATION);
	inspection->guc_level = NewGUCNestLevel();
	TridentRestrictSearchPath();
}

void
trident_index_inspect_close(TridentIndexInspection *inspection)
{
	AtEOXact_GUC(false, inspection->guc_level);
	SetUserIdAndSecContext(inspection->user, inspection->security);
	relation_close(inspection->index, inspection->lockmode);
	table_close(inspection->heap, inspection->lockmode);
}

/* A callback, and memory for each of its calls. */
typedef struct Rows
{
	IndexBuildCallback callback;
	void	   *arg;
	MemoryContext context;
} Rows;

/* IndexBuildCallback: one row. */
static void
pass_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		 bool is_alive, void *arg)
{
	Rows	   *rows = arg;
	MemoryContext old = MemoryContextSwitchTo(rows->context);

	rows->callback(index, tid, values, isnull, is_alive, rows->arg);
	MemoryContextSwitchTo(old);
	MemoryContextReset(rows->context);
}

void
trident_index_inspect_rows(const TridentIndexInspection *inspection,
						   Snapshot snapshot, IndexBuildCallback callback,
						   void *arg)
{
	IndexInfo  *info = BuildIndexInfo(inspection->index);
	Rows		rows = {.callback = callback, .arg = arg};
	TableScanDesc scan;

	rows.context = AllocSetContextCreate(CurrentMemoryContext,
										 "trident index inspect row",
										 ALLOCSET_DEFAULT_SIZES);
	/* visible rows are asked for, not all that an index build must have */
	info->ii_Concurrent = true;
	/* synchronized scans would begin elsewhere: the order is promised */
	scan = table_beginscan_strat(inspection->heap, snapshot, 0, NULL, true,
								 false);
	table_index_build_scan(inspection->heap, inspection->index, info, true,
						   false, pass_row, &rows, scan);
	MemoryContextDelete(rows.context);
}

bool
trident_index_inspect_value(const TridentIndexCoder *coder, Datum value,
							bool isnull, float *raw, float *scratch)
{
	if (isnull)
		return false;
	trident_index_read_value(coder, value, raw);
	return trident_index_project(coder, raw, scratch);
}

/* What the last index scan of this session did; no row without one. */
Datum
trident_last_scan(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const TridentIndexScanStats *stats = trident_index_last_scan_stats();
	Datum		values[9];
	bool		nulls[9] = {0};

	InitMaterializedSRF(fcinfo, 0);
	if (!OidIsValid(stats->index))
		return (Datum) 0;
	values[0] = ObjectIdGetDatum(stats->index);
	values[1] = Int32GetDatum(stats->nlists);
	values[2] = Int32GetDatum(stats->lists_probed);
	values[3] = Int64GetDatum(stats->codes_scanned);
	values[4] = Int64GetDatum(stats->codes_refined);
	values[5] = Int64GetDatum(stats->rows_reranked);
	values[6] = Int64GetDatum(stats->rows_returned);
	values[7] = Int32GetDatum(stats->rescored);
	/* with a number of lists given, no recall is aimed at */
	nulls[8] = stats->target_recall == 0;
	values[8] = Float8GetDatum(stats->target_recall);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

/*
 * Read all pages into shared buffers, in physical order; then the model once
 * more, which scans need first, and which this session keeps in its cache.
 */
Datum
trident_index_prewarm(PG_FUNCTION_ARGS)
{
	TridentIndexInspection inspection;
	BlockNumber nblocks;
	BlockNumber block;

	trident_index_inspect_open(&inspection, PG_GETARG_OID(0), AccessShareLock,
							   true);
	nblocks = RelationGetNumberOfBlocks(inspection.index);
	for (block = 0; block < nblocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		ReleaseBuffer(ReadBuffer(inspection.index, block));
	}
	trident_index_model(inspection.index);
	trident_index_inspect_close(&inspection);
	PG_RETURN_INT64(nblocks);
}
