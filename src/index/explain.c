/*
 * explain.c
 *	  What a scan did, for EXPLAIN (ANALYZE) of a major that lets us add to it.
 *
 * It has the numbers of trident_last_scan(), which is there on all majors.  Of
 * a plan node that was executed several times they are those of the last.
 */
#include "postgres.h"

#include "base/compat.h"
#include "index/am.h"
#include "index/scan.h"

#ifdef TRIDENT_HAS_EXPLAIN_HOOK

#include "commands/explain.h"
#include "commands/explain_format.h"
#include "commands/explain_state.h"

static explain_per_node_hook_type previous_hook = NULL;

/* explain_per_node_hook */
static void
explain_scan(PlanState *node, List *ancestors, const char *relationship,
			 const char *plan_name, ExplainState *es)
{
	IndexScanDesc scan;
	const TridentIndexScanStats *stats;

	if (previous_hook)
		previous_hook(node, ancestors, relationship, plan_name, es);
	if (!es->analyze || !IsA(node, IndexScanState))
		return;
	scan = ((IndexScanState *) node)->iss_ScanDesc;
	/* none: never executed */
	if (scan == NULL ||
		scan->indexRelation->rd_indam->ambeginscan != trident_index_beginscan)
		return;
	stats = &((TridentIndexScan *) scan->opaque)->stats;
	if (!OidIsValid(stats->index))
		return;
	ExplainPropertyInteger("Lists", NULL, stats->nlists, es);
	ExplainPropertyInteger("Lists Probed", NULL, stats->lists_probed, es);
	ExplainPropertyInteger("Codes Scanned", NULL, stats->codes_scanned, es);
	ExplainPropertyInteger("Rows Reranked", NULL, stats->rows_reranked, es);
	if (stats->target_recall > 0)
		ExplainPropertyFloat("Target Recall", NULL, stats->target_recall, 3, es);
}

void
trident_index_explain_init(void)
{
	previous_hook = explain_per_node_hook;
	explain_per_node_hook = explain_scan;
}

#else

void
trident_index_explain_init(void)
{
}

#endif							/* TRIDENT_HAS_EXPLAIN_HOOK */
