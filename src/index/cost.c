/*
 * cost.c
 *	  What a scan costs, for the planner.
 *
 * A scan works in three parts: it orders the lists and scores those that the
 * recall target asks for, before the first row leaves (startup); it reads a
 * heap row, and a few that do not make it, for each row returned; and for the
 * more rows it returns the more lists it must score.  Costs are those of a
 * plan that takes all rows the executor will ask for: with a LIMIT n above a
 * filter of selectivity s that is n / s, which the planner works out itself
 * by taking a share of total - startup.
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

/* Codes scored for the price of one operator call, measured (README). */
#define CODES_PER_OPERATOR 25

/* Heap rows read for one that is returned. */
#define RERANK_FACTOR 1.5

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

void
trident_index_cost(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup, Cost *total, Selectivity *selectivity,
				   double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	TridentIndexMeta meta;
	Relation	index;
	Cost		ordering;
	Cost		first;
	Cost		all;
	double		spc_random_page_cost;
	double		spc_seq_page_cost;
	double		rows;
	double		first_lists;

	if (path->indexorderbys == NIL)
	{
		refuse(startup, total, selectivity, correlation, pages);
		return;
	}
	index = index_open(info->indexoid, NoLock);
	trident_index_meta_read(index, &meta);
	index_close(index, NoLock);
	get_tablespace_page_costs(info->reltablespace, &spc_random_page_cost,
							  &spc_seq_page_cost);

	*selectivity = path->indexclauses == NIL ? 1.0 :
		clauselist_selectivity(root, get_quals_from_indexclauses(path->indexclauses),
							   info->rel->relid, JOIN_INNER, NULL);
	rows = Max(1, *selectivity * info->tuples);

	/* the labels of a key condition make the lists that are needed more */
	first_lists = trident_base_index_probes > 0 ?
		Min(trident_base_index_probes, meta.nlists) :
		trident_index_curve_lists(&meta, 10 / Max(*selectivity, 1e-6),
								  trident_base_index_target_recall);
	ordering = meta.nlists * cpu_operator_cost / 4;
	first = scoring_cost(info, &meta, first_lists, spc_random_page_cost);
	all = scoring_cost(info, &meta, meta.nlists, spc_random_page_cost);

	*startup = ordering + first;
	*total = ordering + all + rows * RERANK_FACTOR *
		(cpu_index_tuple_cost + cpu_operator_cost);
	/* a scan that must be exact reads every row of the table first */
	if (trident_base_index_probes == 0 && trident_base_index_target_recall >= 1.0)
		*startup = *total = *total +
			info->tuples * (cpu_tuple_cost + 0.1 * spc_random_page_cost);
	*correlation = 0;
	*pages = info->pages;
}
