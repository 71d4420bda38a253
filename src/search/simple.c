/*
 * simple.c
 *	  The plan of a search that leaves the planner no choice, made without it.
 *
 * A search without a filter reads every row of every shard, unless a shard
 * here has an index that puts its rows in order.  What the planner would say
 * then is known beforehand: one pass over the local tables, and all foreign
 * ones to their nodes.  In a session that connects to search once, the planner
 * takes longer than all the rest of the search: it opens each foreign table,
 * loads postgres_fdw, and writes statements that are not sent.
 *
 * So the first search of a collection in a session is planned here, where it
 * can be.  A session that searches on has a plan made and kept (plan.c), which
 * costs less from then on.
 *
 * The plan is one that run.c recognizes as one pass, and split.c's split of
 * it.  Rights are those that the statement of plan.c would ask for: USAGE of the
 * collection's schema, here, and SELECT of its columns, when it is run.
 *
 * Locks: all shards, as the planner does, until the transaction ends.
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "foreign/foreign.h"
#include "optimizer/cost.h"
#include "optimizer/paths.h"
#include "parser/parse_relation.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "exchange/exchange.h"
#include "search/scatter.h"

/* So many collections are remembered; one that is not is planned here again. */
#define MAX_SEEN 16

/* The shards of a collection, by who reads them: OIDs. */
typedef struct Shards
{
	List	   *local;
	List	   *foreign;
	double		pages;			/* of the local ones */
} Shards;

/* Was the collection searched in this session before?  From now on it was. */
static bool
was_seen(Oid collection)
{
	static Oid	seen[MAX_SEEN];
	static int	next = 0;

	for (int i = 0; i < MAX_SEEN; i++)
	{
		if (seen[i] == collection)
			return true;
	}
	seen[next] = collection;
	next = (next + 1) % MAX_SEEN;
	return false;
}

/* Can no index of that access method put rows in order by a distance? */
static bool
orders_nothing(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	Oid			am = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		am = ((Form_pg_class) GETSTRUCT(tuple))->relam;
		ReleaseSysCache(tuple);
	}
	return am == BTREE_AM_OID || am == HASH_AM_OID || am == GIN_AM_OID ||
		am == BRIN_AM_OID;
}

/* Is reading the whole table, in one pass by this process, how it is searched? */
static bool
is_read_whole(Relation rel)
{
	ListCell   *lc;

	if ((rel->rd_rel->relkind != RELKIND_RELATION &&
		 rel->rd_rel->relkind != RELKIND_MATVIEW) ||
		RelationGetParallelWorkers(rel, -1) != -1 ||
		!trident_search_pages_serve(rel))
		return false;
	if (!rel->rd_rel->relhasindex)
		return true;
	foreach(lc, RelationGetIndexList(rel))
	{
		if (!orders_nothing(lfirst_oid(lc)))
			return false;
	}
	return true;
}

/*
 * Would the planner start no more workers than the pass makes up for?  The
 * rule of run.c, without a plan to look at.
 */
static bool
outruns_workers(const TridentSearchTarget *target, const Shards *shards)
{
	Size		element = target->kind == TRIDENT_VECTOR_FLOAT4 ?
		sizeof(float) : sizeof(TridentHalf);

	if (shards->pages < min_parallel_table_scan_size ||
		max_parallel_workers_per_gather == 0)
		return true;
	return max_parallel_workers_per_gather <= 2 &&
		target->dim * element <= TOAST_TUPLE_THRESHOLD;
}

/* Adds a table that is locked; false: it is for the planner. */
static bool
add_local(Shards *shards, Oid oid)
{
	Relation	rel = try_relation_open(oid, NoLock);
	bool		is_ours;

	if (rel == NULL)
		return false;
	is_ours = is_read_whole(rel);
	if (is_ours)
	{
		shards->local = lappend_oid(shards->local, oid);
		shards->pages += RelationGetNumberOfBlocks(rel);
	}
	relation_close(rel, NoLock);
	return is_ours;
}

/* Locks and sorts the shards; false: there are some for the planner. */
static bool
find_shards(const TridentSearchTarget *target, Shards *shards)
{
	Oid			collection = RelationGetRelid(target->rel);
	ListCell   *lc;

	if (!target->has_children)
		return add_local(shards, collection);
	if (target->rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	foreach(lc, find_inheritance_children(collection, AccessShareLock))
	{
		Oid			oid = lfirst_oid(lc);

		if (get_rel_relkind(oid) != RELKIND_FOREIGN_TABLE)
		{
			if (!add_local(shards, oid))
				return false;
		}
		else if (trident_exchange_is_node(GetForeignServer(GetForeignTable(oid)->serverid)))
			shards->foreign = lappend_oid(shards->foreign, oid);
		else
			return false;
	}
	return true;
}

/* The columns that the search reads, as the server keeps them for checks. */
static Bitmapset *
read_columns(const TridentSearchTarget *target)
{
	Relation	rel = target->rel;
	Bitmapset  *columns = NULL;
	AttrNumber	attno = trident_search_column(rel, target->vector_name);

	columns = bms_add_member(columns, attno - FirstLowInvalidHeapAttributeNumber);
	for (int i = 0; i < target->ncolumns; i++)
	{
		attno = trident_search_column(rel, NameStr(TupleDescAttr(target->row_desc, i)->attname));
		columns = bms_add_member(columns, attno - FirstLowInvalidHeapAttributeNumber);
	}
	return columns;
}

static RangeTblEntry *
add_table(PlannedStmt *statement, Oid oid, char relkind)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_RELATION;
	rte->relid = oid;
	rte->relkind = relkind;
	rte->rellockmode = AccessShareLock;
	statement->rtable = lappend(statement->rtable, rte);
	return rte;
}

/*
 * The statement as the planner would make it, as far as it is looked at: whose
 * rights on what are needed, and scans of whole tables, put together.
 */
static PlannedStmt *
make_statement(const TridentSearchTarget *target, const Shards *shards)
{
	PlannedStmt *statement = makeNode(PlannedStmt);
	Append	   *append = makeNode(Append);
	RangeTblEntry *collection;
	ListCell   *lc;

	statement->commandType = CMD_SELECT;
	collection = add_table(statement, RelationGetRelid(target->rel),
						   target->rel->rd_rel->relkind);
	TridentRequireSelect(statement, collection, read_columns(target));
	foreach(lc, shards->local)
	{
		SeqScan    *scan = makeNode(SeqScan);

		if (target->has_children)
			add_table(statement, lfirst_oid(lc), RELKIND_RELATION);
		scan->scan.scanrelid = list_length(statement->rtable);
		append->appendplans = lappend(append->appendplans, scan);
	}
	TridentAppendPrunesNothing(append);
	append->first_partial_plan = list_length(append->appendplans);
	statement->planTree = (Plan *) append;
	return statement;
}

TridentSearchPlan *
trident_search_simple(const TridentSearchTarget *target,
					  const TridentSearchFilter *filter)
{
	Shards		shards = {0};
	TridentSearchPlan *plan;

	if (was_seen(RelationGetRelid(target->rel)) || filter || target->has_virtual ||
		target->rel->rd_rel->relrowsecurity || IsolationUsesXactSnapshot() ||
		!find_shards(target, &shards) || !outruns_workers(target, &shards))
		return NULL;
	/* as the name in a statement asks for it */
	(void) LookupExplicitNamespace(get_namespace_name(RelationGetNamespace(target->rel)),
								   false);

	plan = palloc0(sizeof(TridentSearchPlan));
	plan->target = target;
	plan->statement = make_statement(target, &shards);
	if (shards.foreign != NIL)
		plan->split = trident_search_split_tables(target, shards.foreign, shards.local,
												  shards.local ? plan->statement : NULL);
	if (plan->split && trident_search_plain_reason(filter, plan))
		return NULL;
	ereport(DEBUG1,
			(errmsg_internal("trident_search: planned without the planner")));
	return plan;
}
