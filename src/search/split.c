/*
 * split.c
 *	  A plan over local and foreign tables, split between who runs what.
 *
 * Of the plan of the whole search, the planner's choice of partitions and of
 * ways to read them stands.  Its scans of foreign tables become shards of
 * nodes, and what is left without them is the local part: a plan that the
 * executor, or the one pass of exact.c, runs as it does every other.
 *
 * That holds where the rest of the plan does no more than put rows together,
 * sort them and stop at k.  What cannot be split so, or not without changing
 * the answer, is left to plain SQL, with the reason.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_partitioned_table.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "exchange/exchange.h"
#include "search/scatter.h"

typedef struct Splitter
{
	PlannedStmt *statement;		/* a copy, whose plan is cut */
	const char *reason;			/* why it cannot be split; NULL: it can */
	List	   *foreign;		/* OIDs of foreign tables */
	List	   *local;			/* OIDs of tables that are read here */
} Splitter;

/* The one table that a scan of a foreign server reads; else InvalidOid. */
static Oid
foreign_table(const Splitter *splitter, const ForeignScan *scan)
{
	Index		index = scan->scan.scanrelid;
	int			member;

	/* Where a LIMIT was pushed down, the scan is of what it stands for. */
	if (index == 0)
	{
		if (!bms_get_singleton_member(TridentForeignScanRelids(scan), &member))
			return InvalidOid;
		index = member;
	}
	return rt_fetch(index, splitter->statement->rtable)->relid;
}

static Plan *cut(Splitter *splitter, Plan *plan);

/* Cuts the children of an Append or MergeAppend; async and partial count. */
static List *
cut_children(Splitter *splitter, List *children, int *nasync, int *first_partial)
{
	List	   *kept = NIL;
	ListCell   *lc;
	int			partial = *first_partial;

	*nasync = 0;
	foreach(lc, children)
	{
		Plan	   *child = cut(splitter, lfirst(lc));

		if (child)
			kept = lappend(kept, child);
		else if (foreach_current_index(lc) < partial)
			(*first_partial)--;
	}
	return kept;
}

/* A scan of a node is its shard; of any other server it is run here. */
static Plan *
cut_foreign(Splitter *splitter, ForeignScan *scan)
{
	Oid			table = foreign_table(splitter, scan);

	if (!OidIsValid(table))
		splitter->reason = "the plan joins foreign tables";
	else if (trident_exchange_is_node(GetForeignServer(scan->fs_server)))
	{
		splitter->foreign = lappend_oid(splitter->foreign, table);
		return NULL;
	}
	splitter->local = lappend_oid(splitter->local, table);
	return &scan->scan.plan;
}

/* An Append without scans of nodes, and the numbers that count children. */
static Plan *
cut_append(Splitter *splitter, Append *append)
{
	if (TridentAppendPrunes(append))
		splitter->reason = "partitions are chosen while the plan runs";
	append->appendplans = cut_children(splitter, append->appendplans,
									   &append->nasyncplans,
									   &append->first_partial_plan);
	return append->appendplans ? &append->plan : NULL;
}

static Plan *
cut_merge_append(Splitter *splitter, MergeAppend *append)
{
	int			unused = 0;

	if (TridentAppendPrunes(append))
		splitter->reason = "partitions are chosen while the plan runs";
	append->mergeplans = cut_children(splitter, append->mergeplans, &unused, &unused);
	return append->mergeplans ? &append->plan : NULL;
}

/* The plan without scans of nodes; NULL if nothing is left of it. */
static Plan *
cut(Splitter *splitter, Plan *plan)
{
	if (plan->initPlan != NIL)
		splitter->reason = "the plan has subplans";
	switch (nodeTag(plan))
	{
		case T_ForeignScan:
			return cut_foreign(splitter, (ForeignScan *) plan);
		case T_Append:
			return cut_append(splitter, (Append *) plan);
		case T_MergeAppend:
			return cut_merge_append(splitter, (MergeAppend *) plan);
		case T_Result:
			if (plan->lefttree == NULL)
				return plan;
			/* FALLTHROUGH */
		case T_Limit:
		case T_Sort:
		case T_IncrementalSort:
		case T_Gather:
		case T_GatherMerge:
			plan->lefttree = cut(splitter, plan->lefttree);
			return plan->lefttree ? plan : NULL;
		case T_SeqScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			splitter->local =
				lappend_oid(splitter->local,
							rt_fetch(((Scan *) plan)->scanrelid,
									 splitter->statement->rtable)->relid);
			return plan;
		default:
			splitter->reason = "the plan does more than scan, sort and stop";
			return plan;
	}
}

/* Is a column of it called otherwise on its node? */
static bool
renames_columns(Oid table)
{
	/* one scan for all of them, and no relcache entry just for this */
	CatCList   *columns = SearchSysCacheList1(ATTNUM, ObjectIdGetDatum(table));
	bool		found = false;

	for (int i = 0; i < columns->n_members && !found; i++)
	{
		HeapTuple	tuple = &columns->members[i]->tuple;
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);
		bool		is_null;
		Datum		options = SysCacheGetAttr(ATTNUM, tuple,
											  Anum_pg_attribute_attfdwoptions,
											  &is_null);
		ListCell   *lc;

		if (is_null || att->attisdropped)
			continue;
		foreach(lc, untransformRelOptions(options))
		{
			DefElem    *option = lfirst(lc);

			if (strcmp(option->defname, "column_name") == 0 &&
				strcmp(defGetString(option), NameStr(att->attname)) != 0)
				found = true;
		}
	}
	ReleaseSysCacheList(columns);
	return found;
}

/* The name of the table on its node, as SQL. */
static char *
remote_name(Oid table)
{
	const char *schema = NULL;
	const char *name = NULL;
	ListCell   *lc;

	foreach(lc, GetForeignTable(table)->options)
	{
		DefElem    *option = lfirst(lc);

		if (strcmp(option->defname, "schema_name") == 0)
			schema = defGetString(option);
		else if (strcmp(option->defname, "table_name") == 0)
			name = defGetString(option);
	}
	if (schema == NULL)
		schema = get_namespace_name(get_rel_namespace(table));
	if (name == NULL)
		name = get_rel_name(table);
	return quote_qualified_identifier(schema, name);
}

/* The text of an array of the names, as a parameter of type text[]. */
static char *
names_array(Oid *shards, int n)
{
	Datum	   *names = palloc(sizeof(Datum) * n);
	ArrayType  *array;

	for (int i = 0; i < n; i++)
		names[i] = CStringGetTextDatum(remote_name(shards[i]));
	array = construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT);
	return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(array));
}

static TridentSearchNode *
node_of_server(TridentSearchSplit *split, Oid server, int most)
{
	TridentSearchNode *node;

	for (int i = 0; i < split->nnodes; i++)
	{
		if (split->nodes[i].server == server)
			return &split->nodes[i];
	}
	node = &split->nodes[split->nnodes++];
	node->server = server;
	node->name = GetForeignServer(server)->servername;
	node->nshards = 0;
	node->shards = palloc(sizeof(Oid) * most);
	return node;
}

/* Sort the foreign tables by node. */
static void
make_nodes(TridentSearchSplit *split, List *foreign)
{
	int			most = list_length(foreign);
	ListCell   *lc;

	split->nodes = palloc0(sizeof(TridentSearchNode) * (most + 1));
	foreach(lc, foreign)
	{
		Oid			table = lfirst_oid(lc);
		TridentSearchNode *node =
			node_of_server(split, GetForeignTable(table)->serverid, most);

		node->shards[node->nshards++] = table;
		if (renames_columns(table))
			split->reason = "a shard has columns of other names on its node";
	}
	for (int i = 0; i < split->nnodes; i++)
		split->nodes[i].remote_names = names_array(split->nodes[i].shards,
												   split->nodes[i].nshards);
}

static Oid *
oids_of_list(List *list)
{
	Oid		   *oids = palloc(sizeof(Oid) * (list_length(list) + 1));
	ListCell   *lc;

	foreach(lc, list)
		oids[foreach_current_index(lc)] = lfirst_oid(lc);
	return oids;
}

/* Are the leaves of the collection its direct, hashed partitions? */
static bool
is_hashed(Relation rel)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID,
										ObjectIdGetDatum(RelationGetRelid(rel)));
	bool		found;

	if (!HeapTupleIsValid(tuple))
		return false;			/* it is not partitioned */
	found = ((Form_pg_partitioned_table) GETSTRUCT(tuple))->partstrat ==
		PARTITION_STRATEGY_HASH;
	ReleaseSysCache(tuple);
	return found;
}

static bool
has_foreign_table(PlannedStmt *statement)
{
	ListCell   *lc;

	foreach(lc, statement->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_FOREIGN_TABLE)
			return true;
	}
	return false;
}

TridentSearchSplit *
trident_search_split_tables(const TridentSearchTarget *target, List *foreign,
							List *local, PlannedStmt *statement)
{
	TridentSearchSplit *split = palloc0(sizeof(TridentSearchSplit));

	split->local = statement;
	split->nlocal = list_length(local);
	split->local_shards = oids_of_list(local);
	split->nshards = list_length(foreign) + split->nlocal;
	split->is_hashed = is_hashed(target->rel);
	make_nodes(split, foreign);
	return split;
}

TridentSearchSplit *
trident_search_split(const TridentSearchTarget *target, PlannedStmt *statement,
					 MemoryContext context)
{
	MemoryContext old;
	TridentSearchSplit *split;
	Splitter	splitter = {0};
	Plan	   *local;

	if (!has_foreign_table(statement))
		return NULL;
	old = MemoryContextSwitchTo(context);
	splitter.statement = copyObject(statement);
	if (statement->subplans != NIL)
		splitter.reason = "the plan has subplans";
	local = cut(&splitter, splitter.statement->planTree);
	splitter.statement->planTree = local;
	split = trident_search_split_tables(target, splitter.foreign, splitter.local,
										local ? splitter.statement : NULL);
	if (splitter.reason)
		split->reason = splitter.reason;
	MemoryContextSwitchTo(old);
	return split;
}
