/*
 * check.c
 *	  trident_index_check: is an index whole, and does it agree with its table?
 *
 * Here are the SQL function and what findings come from; structure.c looks at
 * the pages, agree.c at the rows.
 *
 * A page is copied before it is looked at, each in a subtransaction: where the
 * server cannot read it (checksum, header, disk), that is a finding as others
 * are.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "index/check.h"

PG_FUNCTION_INFO_V1(trident_index_check);

/* Attempts on a standby, whose index may be trained again and again. */
#define MAX_ATTEMPTS 5

/* TridentIndexReport: a row of the result. */
static void
add_finding(void *arg, BlockNumber block, const char *problem)
{
	TridentIndexCheck *check = arg;
	Datum		values[2];
	bool		nulls[2] = {!BlockNumberIsValid(block), false};

	values[0] = Int64GetDatum((int64) block);
	values[1] = CStringGetTextDatum(problem);
	tuplestore_putvalues(check->result->setResult, check->result->setDesc,
						 values, nulls);
	pfree(DatumGetPointer(values[1]));
	check->nproblems++;
}

void
trident_index_check_report(TridentIndexCheck *check, BlockNumber block,
						   const char *format,...)
{
	StringInfoData problem;

	initStringInfo(&problem);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&problem, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&problem, needed);
	}
	add_finding(check, block, problem.data);
	pfree(problem.data);
}

bool
trident_index_check_read(TridentIndexCheck *check, BlockNumber block)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool is_read = false;

	CHECK_FOR_INTERRUPTS();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		Buffer		buffer = ReadBufferExtended(check->index, MAIN_FORKNUM,
												block, RBM_NORMAL,
												check->strategy);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		memcpy(check->page.data, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		ReleaseCurrentSubTransaction();
		is_read = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED &&
			error->sqlerrcode != ERRCODE_IO_ERROR)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		trident_index_check_report(check, block,
								   "cannot be read: %s",
								   error->message);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return is_read;
}

bool
trident_index_check_page(TridentIndexCheck *check, BlockNumber block)
{
	Page		page = (Page) check->page.data;
	PageHeader	header = (PageHeader) page;
	TridentIndexOpaque *opaque = TridentIndexPageOpaque(page);

	if (PageIsNew(page))
		return true;
	if (opaque->page_id != TRIDENT_INDEX_PAGE_ID)
		trident_index_check_report(check, block,
								   "is no page of a trident index: its mark is %04X",
								   opaque->page_id);
	else if (header->pd_lower != header->pd_special ||
			 header->pd_upper != header->pd_special)
		trident_index_check_report(check, block,
								   "has a hole, from %u to %u, which recovery would not restore",
								   header->pd_lower, header->pd_upper);
	else if (opaque->kind < TRIDENT_INDEX_PAGE_META ||
			 opaque->kind >= TRIDENT_INDEX_PAGE_KINDS)
		trident_index_check_report(check, block,
								   "is of unknown kind %u",
								   opaque->kind);
	else if ((opaque->kind == TRIDENT_INDEX_PAGE_META) !=
			 (block == TRIDENT_INDEX_META_BLOCK))
		trident_index_check_report(check, block,
								   block == TRIDENT_INDEX_META_BLOCK ? "is not a meta page" : "is a meta page, which only block 0 may be");
	else
		return true;
	return false;
}

/* A snapshot whose rows are all expected in the index; or an error. */
static Snapshot
take_snapshot(Relation index)
{
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());

	/* An older transaction may see row versions that were never indexed. */
	if (IsolationUsesXactSnapshot() && index->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							   snapshot->xmin))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("index \"%s\" cannot be compared with its table in this transaction's snapshot",
						RelationGetRelationName(index)),
				 errhint("Check it in a new transaction.")));
	return snapshot;
}

/* One attempt; false where the model was replaced meanwhile. */
static bool
attempt(TridentIndexCheck *check, const TridentIndexInspection *inspection,
		bool heap_all_indexed)
{
	Snapshot	snapshot = NULL;
	TridentIndexMeta now;

	check->nproblems = 0;
	tuplestore_clear(check->result->setResult);
	if (heap_all_indexed)
		snapshot = take_snapshot(inspection->index);
	trident_index_check_structure(check);
	if (heap_all_indexed && check->nproblems == 0)
		trident_index_agree(inspection, snapshot, add_finding, check);
	else if (heap_all_indexed)
		trident_index_check_report(check, InvalidBlockNumber,
								   "rows were not compared with the table, because the structure is damaged");
	if (snapshot)
		UnregisterSnapshot(snapshot);
	if (!RecoveryInProgress())
		return true;
	/* a meta page that is damaged cannot be asked again */
	if (check->directory == NULL)
		return true;
	trident_index_meta_read(inspection->index, &now);
	return now.generation == check->meta.generation;
}

/* Findings about an index, as rows; none: it is sound. */
Datum
trident_index_check(PG_FUNCTION_ARGS)
{
	TridentIndexInspection inspection;
	LOCKMODE	lockmode = RecoveryInProgress() ? AccessShareLock :
		ShareUpdateExclusiveLock;
	MemoryContext context;
	MemoryContext old;
	TridentIndexCheck check;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	trident_index_inspect_open(&inspection, PG_GETARG_OID(0), lockmode, false);
	context = AllocSetContextCreate(CurrentMemoryContext, "trident index check",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (i = 0;; i++)
	{
		MemoryContextReset(context);
		memset(&check, 0, sizeof(check));
		check.index = inspection.index;
		check.result = (ReturnSetInfo *) fcinfo->resultinfo;
		check.strategy = GetAccessStrategy(BAS_BULKREAD);
		if (attempt(&check, &inspection, PG_GETARG_BOOL(1)))
			break;
		if (i == MAX_ATTEMPTS)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("index \"%s\" is trained again and again",
							RelationGetRelationName(inspection.index)),
					 errhint("Call the function again later.")));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	trident_index_inspect_close(&inspection);
	return (Datum) 0;
}
