/*
 * writes.c
 *	  Which tables the current transaction wrote to.
 *
 * A write through a foreign table stands in a transaction that postgres_fdw
 * holds open on the node; a search that asks the node over a connection of the
 * exchange does not see it.  Neither does the write assign a transaction id
 * here.  So writes are noted by hooks: statements by the tables that they
 * change, COPY FROM and TRUNCATE, which the executor is not asked for, by the
 * tables that they name.  A write to any table of a node counts for all of its
 * tables: two of them may lead to one there.  What was rolled back to a
 * savepoint still counts; that is slower, and as right.
 *
 * The library may be loaded after a transaction began to write.  A transaction
 * that it is loaded in counts as one that wrote everywhere, unless that is
 * while the first statement is read, before anything ran.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parsetree.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/guc.h"
#include "search/scatter.h"

/* Tables written to, in TopTransactionContext; that, or it may be any. */
static List *written = NIL;
static bool wrote_unseen = false;

static ExecutorStart_hook_type previous_executor_start = NULL;
static ProcessUtility_hook_type previous_utility = NULL;

static void
note_write(Oid table)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	if (OidIsValid(table))
		written = list_append_unique_oid(written, table);
	MemoryContextSwitchTo(old);
}

static void
note_range_var(RangeVar *name)
{
	note_write(RangeVarGetRelid(name, NoLock, true));
}

/* Whatever the statement is, also of a WITH query, its targets are listed. */
static void
executor_start(QueryDesc *query, int flags)
{
	ListCell   *lc;

	if (!(flags & EXEC_FLAG_EXPLAIN_ONLY))
	{
		foreach(lc, query->plannedstmt->resultRelations)
			note_write(rt_fetch(lfirst_int(lc), query->plannedstmt->rtable)->relid);
	}
	if (previous_executor_start)
		previous_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

static void
note_utility(Node *statement)
{
	ListCell   *lc;

	if (IsA(statement, CopyStmt))
	{
		CopyStmt   *copy = (CopyStmt *) statement;

		if (copy->is_from && copy->relation)
			note_range_var(copy->relation);
	}
	else if (IsA(statement, TruncateStmt))
	{
		foreach(lc, ((TruncateStmt *) statement)->relations)
			note_range_var(lfirst(lc));
	}
}

static void
process_utility(PlannedStmt *statement, const char *text, bool is_read_only,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	if (IsTransactionState())
		note_utility(statement->utilityStmt);
	if (previous_utility)
		previous_utility(statement, text, is_read_only, context, params,
						 environment, receiver, completion);
	else
		standard_ProcessUtility(statement, text, is_read_only, context, params,
								environment, receiver, completion);
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			written = NIL;
			wrote_unseen = false;
			break;
		default:
			break;
	}
}

/* The server of a foreign table; InvalidOid for any other. */
static Oid
server_of(Oid table)
{
	return get_rel_relkind(table) == RELKIND_FOREIGN_TABLE ?
		GetForeignTable(table)->serverid : InvalidOid;
}

/* Are rows written to that table on one of the nodes? */
static bool
reaches(Oid table, const TridentSearchSplit *split)
{
	ListCell   *lc;

	/* TRUNCATE, of a parent of any kind, reaches those below it. */
	foreach(lc, find_all_inheritors(table, NoLock, NULL))
	{
		Oid			server = server_of(lfirst_oid(lc));

		for (int i = 0; OidIsValid(server) && i < split->nnodes; i++)
		{
			if (split->nodes[i].server == server)
				return true;
		}
	}
	return false;
}

const char *
trident_search_writes_reason(const TridentSearchSplit *split)
{
	ListCell   *lc;

	if (!trident_base_search_read_your_writes)
		return NULL;
	if (wrote_unseen)
		return "the transaction began before trident was loaded";
	foreach(lc, written)
	{
		if (reaches(lfirst_oid(lc), split))
			return "the transaction wrote to a node";
	}
	return NULL;
}

/* May anything have run in this transaction before the hooks were there? */
static bool
something_ran(void)
{
	return IsTransactionState() &&
		(IsTransactionBlock() || ActivePortal != NULL ||
		 GetCurrentCommandId(false) != FirstCommandId);
}

void
trident_search_init(void)
{
	wrote_unseen = something_ran();
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	RegisterXactCallback(end_of_transaction, NULL);
}
