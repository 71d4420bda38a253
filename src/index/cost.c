/*
 * cost.c
 *	  What a scan costs, for the planner.
 *
 * A scan works in three parts: it orders the lists and scores those that the
 * rows looked for are in, before the first row leaves (startup); it reads a
 * heap row, and a few that do not make it, for each row returned; and when
 * all rows are taken all lists are scored (total).  What is between the two
 * the planner takes as proportional to the rows.
 *
 * The rows looked for are those of the LIMIT, or TYPICAL_LIMIT where that is
 * not known: a parameter, a cursor, a LIMIT above a join.  Where conditions
 * leave a share s of the rows, the LIMIT's k rows are the k / s nearest ones:
 * the lists for so many are scored, whether the key column or a filter sees to
 * the conditions.  What a filter costs beyond, heap rows that are read and
 * not returned, the planner adds itself, since indexSelectivity counts the
 * key's condition alone.  So a very selective filter makes this path dearer
 * than a btree and a sort, as it is.
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

/*
 * Codes scored for the price of one operator call.  Measured (README, "Cost"):
 * a million codes of 128 dimensions take as long as 40,000 calls of <->.
 */
#define CODES_PER_OPERATOR 25

/* Heap rows read for one that is returned. */
#define RERANK_FACTOR 1.5

/* Rows that a query takes, where the planner does not know. */
#define TYPICAL_LIMIT 10

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

/* Cost of scoring nlists of the lists of an index. */
static Cost
scoring_cost(const IndexOptInfo *info, const TridentIndexMeta *meta,
			 double nlists, double spc_random_page_cost)
{
	double		share = nlists / Max(meta->nlists, 1);
	double		codes = share * info->tuples;
	double		pages = share * info->pages;

	/*
	 * The pages of a list follow one another, and an index that is in use is
	 * in memory: one random page a list, as the others are read ahead.
	 */
	return codes / CODES_PER_OPERATOR * cpu_operator_cost +
		Min(nlists, pages) * spc_random_page_cost * 0.1 +
		pages * seq_page_cost * 0.1;
}

/* Lists that are scored before the first row leaves. */
static double
first_lists(PlannerInfo *root, const IndexPath *path,
			const TridentIndexMeta *meta)
{
	double		limit = root->limit_tuples > 0 ? root->limit_tuples : TYPICAL_LIMIT;
	double		share = path->path.rows / Max(path->indexinfo->tuples, 1);

	if (trident_base_index_probes > 0)
		return Min(trident_base_index_probes, meta->nlists);
	return trident_index_curve_lists(meta,
									 Max(limit, TYPICAL_LIMIT) /
									 Max(Min(share, 1), 1e-9),
									 trident_base_index_target_recall);
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
	double		spc_random_page_cost;
	double		rows;

	if (path->indexorderbys == NIL)
	{
		refuse(startup, total, selectivity, correlation, pages);
		return;
	}
	index = index_open(info->indexoid, NoLock);
	trident_index_meta_read(index, &meta);
	index_close(index, NoLock);
	get_tablespace_page_costs(info->reltablespace, &spc_random_page_cost, NULL);

	*selectivity = path->indexclauses == NIL ? 1.0 :
		clauselist_selectivity(root, get_quals_from_indexclauses(path->indexclauses),
							   info->rel->relid, JOIN_INNER, NULL);
	rows = Max(1, *selectivity * info->tuples);

	ordering = meta.nlists * cpu_operator_cost / 4;
	*startup = ordering + scoring_cost(info, &meta, first_lists(root, path, &meta),
									   spc_random_page_cost);
	*total = ordering + scoring_cost(info, &meta, meta.nlists,
									 spc_random_page_cost) +
		rows * RERANK_FACTOR * (cpu_index_tuple_cost + cpu_operator_cost);
	/* a scan that must be exact reads every row of the table first */
	if (trident_base_index_probes == 0 && trident_base_index_target_recall >= 1.0)
		*startup = *total = *total +
			info->tuples * (cpu_tuple_cost + 0.1 * spc_random_page_cost);
	*correlation = 0;
	*pages = info->pages;
}
