/*
 * path.c
 *	  A path that the planner does not make by itself: order and key IN.
 *
 * PostgreSQL 15 and 16 give up the order of an index scan as soon as a column
 * behind the first has a condition of the kind "= ANY (array)", which IN is:
 * right for a btree, but not for us, whose rows come in the order of distance
 * whatever the condition.  Without that path WHERE key IN (...) ORDER BY
 * vector <-> query would be a filter.  Here it is made from the path that has
 * the order alone.  Later majors make it themselves; there is nothing to add
 * then, since the path with the order has the condition already.
 *
 * The library is loaded before the hook is asked for: the planner has called
 * the access method's handler for the table's indexes.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "index/am.h"

static set_rel_pathlist_hook_type previous_hook = NULL;

static bool
is_ours(const IndexOptInfo *index)
{
	return (amcostestimate_function) index->amcostestimate == trident_index_cost;
}

/* Is this restriction a condition "key = ANY (array)" on the key column? */
static bool
is_key_array(PlannerInfo *root, RelOptInfo *rel, IndexOptInfo *index,
			 RestrictInfo *restriction)
{
	ScalarArrayOpExpr *clause = (ScalarArrayOpExpr *) restriction->clause;
	Node	   *array;

	if (!IsA(clause, ScalarArrayOpExpr) || !clause->useOr)
		return false;
	array = lsecond(clause->args);
	return match_index_to_operand(linitial(clause->args), 1, index) &&
		op_in_opfamily(clause->opno, index->opfamily[1]) &&
		(!OidIsValid(index->indexcollations[1]) ||
		 index->indexcollations[1] == clause->inputcollid) &&
		!bms_is_member(rel->relid, pull_varnos(root, array)) &&
		!contain_volatile_functions(array) &&
		restriction_is_securely_promotable(restriction, rel);
}

/* The conditions on the key column that are arrays, as index clauses. */
static List *
key_array_clauses(PlannerInfo *root, RelOptInfo *rel, IndexOptInfo *index)
{
	List	   *clauses = NIL;
	ListCell   *lc;

	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *restriction = lfirst(lc);
		IndexClause *clause;

		if (!is_key_array(root, rel, index, restriction))
			continue;
		clause = makeNode(IndexClause);
		clause->rinfo = restriction;
		clause->indexquals = list_make1(restriction);
		clause->lossy = false;
		clause->indexcol = 1;
		clause->indexcols = NIL;
		clauses = lappend(clauses, clause);
	}
	return clauses;
}

/* Does a path by one index have an order that another index has as well? */
static bool
has_order_of(const IndexPath *path, IndexOptInfo *index)
{
	OpExpr	   *order = linitial_node(OpExpr, path->indexorderbys);

	return match_index_to_operand(linitial(order->args), 0, index) &&
		OidIsValid(get_op_opfamily_sortfamily(order->opno, index->opfamily[0]));
}

/*
 * Add the path of one index, if a path of its order is there to begin with.
 * That may be one by another index: of paths in one order only the cheapest
 * are kept.
 */
static void
add_key_path(PlannerInfo *root, RelOptInfo *rel, IndexOptInfo *index)
{
	List	   *clauses = key_array_clauses(root, rel, index);
	ListCell   *lc;

	if (clauses == NIL)
		return;
	foreach(lc, rel->pathlist)
	{
		IndexPath  *path = lfirst(lc);

		if (!IsA(path, IndexPath) || !is_ours(path->indexinfo) ||
			path->indexorderbys == NIL || PATH_REQ_OUTER(&path->path) != NULL ||
			!has_order_of(path, index))
			continue;
		/* an equality is the better condition, and comes by itself */
		if (path->indexinfo == index && path->indexclauses != NIL)
			continue;
		add_path(rel, (Path *)
				 create_index_path(root, index, clauses, path->indexorderbys,
								   path->indexorderbycols,
								   path->path.pathkeys, ForwardScanDirection,
								   false, NULL, 1.0, false));
		return;
	}
}

/* set_rel_pathlist_hook */
static void
add_key_paths(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	ListCell   *lc;

	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	foreach(lc, rel->indexlist)
	{
		IndexOptInfo *index = lfirst(lc);

		if (is_ours(index) && index->nkeycolumns > 1 &&
			(index->indpred == NIL || index->predOK))
			add_key_path(root, rel, index);
	}
}

void
trident_index_path_init(void)
{
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = add_key_paths;
}
