/*
 * cost.c
 *	  What a scan costs, for the planner.
 *
 * A scan works in three parts: it orders the lists and scores those that the
 * rows looked for are in, before the first row leaves (startup); it reads a
 * heap row for each row returned; and when all rows are taken all lists are
 * scored (total).  What is between the two the planner takes as proportional
 * to the rows.
 *
 * The rows looked for are those of the LIMIT, or TYPICAL_LIMIT where that is
 * not known: a parameter, a cursor, a LIMIT above a join.  Where conditions
 * leave a share s of the rows, the LIMIT's k rows are the k / s nearest ones,
 * whether the key column or a filter sees to the conditions: the lists for so
 * many are scored, by the rules that scans have (curve.h).  With a filter all
 * the k / s rows are read from the table, in no order; the proportion of a
 * whole scan, in which each page of the table is paid for once, is too little
 * for them.  So heap_extra() adds what is missing, to the startup.  It makes a
 * very selective filter dearer here than by a btree and a sort, which it is;
 * docs/design/index.md has measurements.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "nodes/pathnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "base/compat.h"
#include "base/guc.h"
#include "index/am.h"
#include "index/curve.h"

/* Codes scored for the price of one operator call, measured. */
#define CODES_PER_OPERATOR 25

/*
 * A row that leaves the scan, in cpu_tuple_cost: a candidate and a half taken
 * from the heap of them, read and measured exactly, and the row read again by
 * the executor.  2 microseconds a row, measured, of which a part is that of
 * the page.
 */
#define ROW_COST 20

/* Rows that a query takes, where the planner does not know. */
#define TYPICAL_LIMIT 10

/* From so many bytes on a vector is stored out of line. */
#define TOASTED_BYTES 2000

/* Pages read for such a vector: of the toast table's index, and of its own. */
#define TOAST_PAGES 2

/* Steps of a look-up among labels for the price of one operator call. */
#define LABEL_STEPS_PER_OPERATOR 64

/* A path without ORDER BY is never wanted: make it lose against any other. */
static void
refuse(Cost *startup, Cost *total, Selectivity *selectivity,
	   double *correlation, double *pages)
{
	*startup = *total = get_float8_infinity();
	*selectivity = 0;
	*correlation = 0;
	*pages = 0;
}

/*
 * Cost of scoring nlists of the lists of an index, whose rows' labels are
 * looked up among so many values.
 */
static Cost
scoring_cost(const IndexOptInfo *info, const TridentIndexMeta *meta,
			 double nlists, double values, double spc_random_page_cost)
{
	double		share = nlists / Max(meta->nlists, 1);
	double		codes = share * info->tuples;
	double		pages = share * info->pages;

	/*
	 * The pages of a list follow one another, and an index that is in use is
	 * in memory: one random page a list, as the others are read ahead.
	 */
	return codes / CODES_PER_OPERATOR * cpu_operator_cost +
		codes / LABEL_STEPS_PER_OPERATOR * log2(values + 1) * cpu_operator_cost +
		Min(nlists, pages) * spc_random_page_cost * 0.1 +
		pages * seq_page_cost * 0.1;
}

/* How many values the key is compared with; 0: it has no condition. */
static double
key_values(PlannerInfo *root, const IndexPath *path)
{
	double		n = 0;
	ListCell   *lc;

	foreach(lc, path->indexclauses)
	{
		Node	   *clause = (Node *) lfirst_node(IndexClause, lc)->rinfo->clause;

		if (IsA(clause, ScalarArrayOpExpr))
			n += TridentArrayLength(root, lsecond(((ScalarArrayOpExpr *) clause)->args));
		else
			n++;
	}
	return n;
}

/* Rows that the query takes from this path. */
static double
rows_taken(PlannerInfo *root, const IndexPath *path)
{
	double		limit = root->limit_tuples > 0 ? root->limit_tuples : TYPICAL_LIMIT;

	return Min(Max(limit, TYPICAL_LIMIT), Max(path->path.rows, 1));
}

/*
 * Lists that are scored for the rows taken, of a scan that the key's condition
 * leaves "rows" of; the others are filtered out above it.
 */
static double
first_lists(PlannerInfo *root, const IndexPath *path,
			const TridentIndexMeta *meta, double rows)
{
	double		passed = Min(Max(path->path.rows, 1) / rows, 1);
	double		share = Min(rows / Max(path->indexinfo->tuples, 1), 1);

	if (trident_base_index_probes > 0)
		return Min(trident_base_index_probes, meta->nlists);
	return trident_index_curve_mean(meta, rows_taken(root, path) / passed, share,
									trident_base_index_target_recall);
}

/*
 * What the heap rows read for those that are taken cost, beyond their share of
 * a scan of all the rows that satisfy the key's condition.
 */
static Cost
heap_extra(PlannerInfo *root, const IndexPath *path,
		   const TridentIndexMeta *meta, double rows,
		   double spc_random_page_cost)
{
	RelOptInfo *rel = path->indexinfo->rel;
	double		part = Min(rows_taken(root, path) / Max(path->path.rows, 1), 1);
	double		read = part * rows;
	double		pages;

	pages = index_pages_fetched(read, rel->pages, path->indexinfo->pages, root) -
		part * index_pages_fetched(rows, rel->pages, path->indexinfo->pages, root);

	/*
	 * The planner forgets that long vectors are read from elsewhere.  It does
	 * so for all plans, and a plan without this index reads those of all rows
	 * that match.
	 */
	if (meta->dim * sizeof(float) > TOASTED_BYTES)
		pages += (read - path->path.rows) * TOAST_PAGES;
	return Max(pages, 0) * spc_random_page_cost;
}

void
trident_index_cost(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup, Cost *total, Selectivity *selectivity,
				   double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	TridentIndexMeta meta;
	Relation	index;
	Cost		ordering;
	Cost		extra;
	double		index_random;
	double		heap_random;
	double		rows;
	double		values;

	if (path->indexorderbys == NIL)
	{
		TridentDisablePath(&path->path);
		refuse(startup, total, selectivity, correlation, pages);
		return;
	}
	index = index_open(info->indexoid, NoLock);
	trident_index_meta_read(index, &meta);
	index_close(index, NoLock);
	get_tablespace_page_costs(info->reltablespace, &index_random, NULL);
	get_tablespace_page_costs(info->rel->reltablespace, &heap_random, NULL);

	*selectivity = path->indexclauses == NIL ? 1.0 :
		clauselist_selectivity(root, get_quals_from_indexclauses(path->indexclauses),
							   info->rel->relid, JOIN_INNER, NULL);
	rows = Max(1, *selectivity * info->tuples);

	values = key_values(root, path);
	/* lists are put in order, and labels: of each value the hash is made first */
	ordering = (meta.nlists / 4.0 + values * 2) * cpu_operator_cost;
	extra = heap_extra(root, path, &meta, rows, heap_random);
	*startup = ordering + extra +
		scoring_cost(info, &meta, first_lists(root, path, &meta, rows), values,
					 index_random);
	*total = ordering + extra +
		scoring_cost(info, &meta, meta.nlists, values, index_random) +
		rows * ROW_COST * cpu_tuple_cost;
	/* a scan that must be exact reads every row of the table first */
	if (trident_base_index_probes == 0 && trident_base_index_target_recall >= 1.0)
		*startup = *total = *total +
			info->tuples * (cpu_tuple_cost + 0.1 * heap_random);
	*correlation = 0;
	*pages = info->pages;
}
