/*
 * run.c
 *	  The plan of a search, run as any query is or in one pass.
 *
 * A plan that is to read whole tables, sort and stop at k is exact.c's one
 * pass; every other is the executor's.  What is run may be a part of the plan:
 * split.c leaves out what other nodes do.
 *
 * Snapshot: that of the calling statement, which was taken before the tables
 * were locked.  If a lock was waited for, it may be older than what was done
 * under that lock: a table that was made or rewritten meanwhile, of which it
 * sees no row.  Then a new one takes its place, as SQL takes one after locking.
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "search/search.h"

/* Receives the rows of a plan that the executor runs. */
typedef struct Receiver
{
	DestReceiver pub;
	const TridentSearchTarget *target;	/* open, which that of top may not be */
	TridentSearchTop *top;
	bool		has_shard;		/* the second column is the row's table */
} Receiver;

/* What of a plan one pass over whole tables could do. */
typedef struct Scans
{
	List	   *nodes;			/* of SeqScan */
	int			workers;		/* that the plan would start */
} Scans;

/*
 * Collects the scans below plan.  False if it has nodes that do more than read
 * whole tables, put rows together, sort them and stop.
 */
static bool
collect_scans(Plan *plan, Scans *scans)
{
	List	   *children = NIL;
	ListCell   *lc;

	if (plan == NULL || plan->initPlan != NIL)
		return false;

	switch (nodeTag(plan))
	{
		case T_SeqScan:
			scans->nodes = lappend(scans->nodes, plan);
			return true;
		case T_Gather:
			scans->workers = Max(scans->workers, ((Gather *) plan)->num_workers);
			return collect_scans(plan->lefttree, scans);
		case T_GatherMerge:
			scans->workers = Max(scans->workers, ((GatherMerge *) plan)->num_workers);
			return collect_scans(plan->lefttree, scans);
		case T_Append:
			if (TridentAppendPrunes((Append *) plan))
				return false;
			children = ((Append *) plan)->appendplans;
			break;
		case T_MergeAppend:
			if (TridentAppendPrunes((MergeAppend *) plan))
				return false;
			children = ((MergeAppend *) plan)->mergeplans;
			break;
		case T_Result:
			if (((Result *) plan)->resconstantqual != NULL)
				return false;
			/* FALLTHROUGH */
		case T_Limit:
		case T_Sort:
			if (plan->qual != NIL)
				return false;
			return collect_scans(plan->lefttree, scans);
		default:
			return false;
	}

	foreach(lc, children)
	{
		if (!collect_scans(lfirst(lc), scans))
			return false;
	}
	return true;
}

/*
 * Is the pass, which runs in this backend alone, at least as fast as the plan
 * with its workers?  For vectors in rows in memory it takes a third of the
 * executor's time, and so makes up for two workers.  What takes most of the
 * time otherwise, reading files and fetching values from out of line, it does
 * as the executor does.
 */
static bool
outruns_workers(const TridentSearchTarget *target, const PlannedStmt *statement,
				const Scans *scans)
{
	Size		element = target->kind == TRIDENT_VECTOR_FLOAT4 ?
		sizeof(float) : sizeof(TridentHalf);
	ListCell   *lc;

	if (scans->workers == 0)
		return true;
	if (scans->workers > 2 || target->dim * element > TOAST_TUPLE_THRESHOLD)
		return false;
	foreach(lc, scans->nodes)
	{
		Index		scanrelid = ((Scan *) lfirst(lc))->scanrelid;
		Oid			oid = rt_fetch(scanrelid, statement->rtable)->relid;
		Relation	rel = table_open(oid, AccessShareLock);
		bool		in_memory = trident_search_pages_serve(rel);

		table_close(rel, NoLock);
		if (!in_memory)
			return false;
	}
	return true;
}

/*
 * May the one pass take the place of the plan?  Not under row security, whose
 * conditions are the executor's to apply in their order, not where one
 * snapshot serves many statements, where reads are recorded for conflicts, and
 * not where a column is to be computed: the pass takes those of the row.
 */
static bool
is_exact(const TridentSearchTarget *target, const PlannedStmt *statement,
		 Scans *scans)
{
	return !IsolationUsesXactSnapshot() &&
		statement->subplans == NIL &&
		!target->has_virtual &&
		check_enable_rls(RelationGetRelid(target->rel), InvalidOid, true) != RLS_ENABLED &&
		collect_scans(statement->planTree, scans) &&
		outruns_workers(target, statement, scans);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;
	TridentSearchTop *top = receiver->top;
	const TridentSearchTarget *target = receiver->target;
	int			first = receiver->has_shard ? 2 : 1;
	Oid			shard = InvalidOid;

	slot_getallattrs(slot);
	if (receiver->has_shard)
		shard = DatumGetObjectId(slot->tts_values[1]);
	else if (!target->has_children)
		shard = RelationGetRelid(target->rel);
	trident_search_top_offer(top, DatumGetFloat8(slot->tts_values[0]), shard,
							 slot->tts_values + first, slot->tts_isnull + first);
	return true;
}

static void
receive_start(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receive_end(DestReceiver *self)
{
}

/* Run the statement as any query is run; its first parameter is the query. */
static void
run_statement(const TridentSearchPlan *plan, PlannedStmt *statement,
			  Datum query, TridentSearchTop *top)
{
	Receiver	receiver = {
		.pub = {
			.receiveSlot = receive_row,
			.rStartup = receive_start,
			.rShutdown = receive_end,
			.rDestroy = receive_end,
			.mydest = DestNone
		},
		.target = plan->target,
		.top = top,
		.has_shard = plan->has_shard
	};
	QueryDesc  *desc;

	if (plan->cached == NULL)
		elog(ERROR, "the executor cannot run a plan made without the planner");
	plan->params->params[0].value = query;
	desc = CreateQueryDesc(statement, plan->sql, GetActiveSnapshot(), InvalidSnapshot,
						   &receiver.pub, plan->params, NULL, 0);
	ExecutorStart(desc, 0);
	TridentExecutorRun(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
}

/* Is what stands in the table's file for the snapshot to come? */
static bool
is_newer(Oid table, Snapshot snapshot)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	TransactionId writer;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	writer = HeapTupleHeaderGetXmin(tuple->t_data);
	ReleaseSysCache(tuple);
	return !TransactionIdIsCurrentTransactionId(writer) &&
		XidInMVCCSnapshot(writer, snapshot);
}

/*
 * Pushes a new snapshot if one of the tables, all locked now, was changed by
 * DDL that the active one does not see; false: it did not.  Of this
 * transaction's own commands the new one sees the same.
 */
static bool
renew_snapshot(const PlannedStmt *statement)
{
	Snapshot	active = GetActiveSnapshot();
	bool		found = false;
	ListCell   *lc;

	if (IsolationUsesXactSnapshot())
		return false;
	foreach(lc, statement->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION &&
			(rte->relkind == RELKIND_RELATION || rte->relkind == RELKIND_MATVIEW))
			found = found || is_newer(rte->relid, active);
	}
	if (found)
	{
		CommandId	seen = active->curcid;

		PushCopiedSnapshot(GetTransactionSnapshot());
		GetActiveSnapshot()->curcid = seen;
	}
	return found;
}

bool
trident_search_run(const TridentSearchPlan *plan, PlannedStmt *statement,
				   const Datum *queries, TridentSearchTop *const *tops, int n)
{
	Scans		scans = {NIL, 0};
	bool		is_pass = is_exact(plan->target, statement, &scans);
	bool		is_renewed = renew_snapshot(statement);

	if (is_pass)
	{
		ereport(DEBUG1,
				(errmsg_internal("trident_search: one pass over %d tables",
								 list_length(scans.nodes))));
		TridentCheckPermissions(statement);
		trident_search_exact(plan->target, statement, scans.nodes,
							 plan->params, queries, tops, n);
	}
	else
	{
		ereport(DEBUG1,
				(errmsg_internal("trident_search: plan run by the executor")));
		for (int i = 0; i < n; i++)
			run_statement(plan, statement, queries[i], tops[i]);
	}
	if (is_renewed)
		PopActiveSnapshot();
	return is_pass;
}
