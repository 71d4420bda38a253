/*
 * scatter.c
 *	  A search over local tables and nodes at once.
 *
 * Nodes are asked first, then the local part is read while they work, then
 * answers are merged by distance and key, which makes the result the same
 * whatever came first.
 *
 * Of rows spread by hash, a node with a share p of the shards holds about
 * k * p of the k nearest.  Where that is far from k it is asked for fewer than
 * k: for so many that more are needed once in some ten thousand searches.
 * When the last row that a node sent is not beyond the k-th of all, it may
 * have more of the nearest, and is asked again: for k, none beyond the k-th
 * of all.  So the result is that of asking everybody for k.  Should rows vanish
 * in between, so that the second answers leave fewer than k or a farther k-th,
 * a third question has no bound.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "portability/instr_time.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/guc.h"
#include "exchange/exchange.h"
#include "search/scatter.h"

/* Fewer rows are asked for only where that spares so many of k. */
#define REDUCED_SHARE 0.75

/* A scatter on its way. */
typedef struct Scatter
{
	const TridentSearchRequest *request;
	const TridentSearchPlan *plan;
	const TridentSearchSplit *split;
	TridentSearchLeg *legs;		/* one for each node of the split */
	TridentSearchTop *local;	/* rows of this node; NULL: it has no part */
	bool		is_pass;		/* how they were read */
	double		local_ms;
	double		merge_ms;		/* of all rounds */
} Scatter;

/* Does the server's option "extensions" name each of them? */
static bool
server_lists_extensions(Oid server, List *extensions)
{
	List	   *listed = NIL;
	ListCell   *lc;

	foreach(lc, GetForeignServer(server)->options)
	{
		DefElem    *option = lfirst(lc);
		List	   *names;
		ListCell   *name;

		if (strcmp(option->defname, "extensions") != 0 ||
			!SplitIdentifierString(pstrdup(defGetString(option)), ',', &names))
			continue;
		foreach(name, names)
			listed = lappend_oid(listed, get_extension_oid(lfirst(name), true));
	}
	foreach(lc, extensions)
	{
		if (!list_member_oid(listed, lfirst_oid(lc)))
			return false;
	}
	return true;
}

/* Why can the filter not be run by the nodes? */
static const char *
filter_reason(const TridentSearchFilter *filter, const TridentSearchSplit *split)
{
	List	   *extensions;

	if (!filter->is_immutable)
		return "the filter depends on settings of the session";
	extensions = list_difference_oid(filter->extensions,
									 list_make1_oid(get_extension_oid("trident", false)));
	for (int i = 0; extensions != NIL && i < split->nnodes; i++)
	{
		if (!server_lists_extensions(split->nodes[i].server, extensions))
			return "a server's option extensions does not list one of the filter's";
	}
	return NULL;
}

/*
 * The server refuses foreign tables while it plans, if told so by a setting
 * that not all its minor releases have.  A plan may be older.
 */
static void
check_restriction(void)
{
	const char *value = GetConfigOption("restrict_nonsystem_relation_kind",
										true, false);

	if (value && strstr(value, "foreign-table") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("access to non-system foreign table is restricted"),
				 errhint("Change restrict_nonsystem_relation_kind to search shards on other nodes.")));
}

const char *
trident_search_plain_reason(const TridentSearchFilter *filter,
							const TridentSearchPlan *plan)
{
	Oid			collection = RelationGetRelid(plan->target->rel);
	const char *reason;

	if (plan->split->nnodes > 0)
		check_restriction();
	if (plan->split->reason)
		return plan->split->reason;
	if (!trident_base_search_scatter)
		return "trident.search_scatter is off";
	if (IsolationUsesXactSnapshot())
		return "the transaction has one snapshot for all its statements";
	if (check_enable_rls(collection, InvalidOid, true) == RLS_ENABLED)
		return "row security applies";
	reason = trident_search_writes_reason(plan->split);
	if (reason == NULL && filter)
		reason = filter_reason(filter, plan->split);
	return reason;
}

/* How many rows a node is asked for first. */
static int
first_limit(int k, const TridentSearchSplit *split, const TridentSearchNode *node)
{
	double		p = (double) node->nshards / split->nshards;
	double		limit;

	if (!split->is_hashed || p >= 1)
		return k;

	/* The normal distribution, four deviations from its mean. */
	limit = ceil(k * p + 4 * sqrt(k * p * (1 - p)) + 2);
	return limit <= k * REDUCED_SHARE ? (int) limit : k;
}

static TridentSearchLeg *
make_legs(const TridentSearchSplit *split, int k)
{
	TridentSearchLeg *legs = palloc0(sizeof(TridentSearchLeg) * split->nnodes);

	for (int i = 0; i < split->nnodes; i++)
	{
		legs[i].node = &split->nodes[i];
		legs[i].limit = first_limit(k, split, &split->nodes[i]);
		legs[i].bound = get_float8_infinity();
		legs[i].is_asked = true;
	}
	return legs;
}

static void
run_local(Scatter *scatter)
{
	instr_time	start;
	instr_time	end;

	if (scatter->split->local == NULL)
		return;
	INSTR_TIME_SET_CURRENT(start);
	scatter->local = trident_search_top_new(scatter->plan->target);
	scatter->is_pass = trident_search_run_until(scatter->request->deadline, scatter->plan,
												scatter->split->local, scatter->local);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	scatter->local_ms = INSTR_TIME_GET_MILLISEC(end);
}

/* The nearest of the rows at hand, sorted. */
static TridentSearchTop *
merge(Scatter *scatter)
{
	TridentSearchTop *top = trident_search_top_new(scatter->plan->target);
	instr_time	start;
	instr_time	end;

	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; scatter->local && i < scatter->local->nrows; i++)
		trident_search_top_offer_row(top, &scatter->local->rows[i]);
	for (int i = 0; i < scatter->split->nnodes; i++)
	{
		TridentSearchLeg *leg = &scatter->legs[i];

		if (leg->is_answered)
			trident_search_wire_read(&leg->answer, leg->node->shards, top);
	}
	trident_search_top_sort(top);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	scatter->merge_ms += INSTR_TIME_GET_MILLISEC(end);
	return top;
}

/*
 * Which nodes may have more of the nearest than they sent?  Sets what they are
 * to be asked next; false: none has.
 */
static bool
ask_again(Scatter *scatter, const TridentSearchTop *top)
{
	int			k = top->target->k;
	double		infinity = get_float8_infinity();
	double		kth = top->nrows == k ? top->rows[k - 1].distance : infinity;
	double		bound = isnan(kth) ? infinity : kth;
	bool		found = false;

	for (int i = 0; i < scatter->split->nnodes; i++)
	{
		TridentSearchLeg *leg = &scatter->legs[i];

		if (!leg->is_answered)
			continue;
		if (leg->limit < k && leg->answer.nrows >= leg->limit &&
			(top->nrows < k || float8_cmp_internal(leg->answer.last, kth) <= 0))
		{
			leg->limit = k;
			leg->bound = bound;
		}
		else if (!isinf(leg->bound) && float8_cmp_internal(kth, leg->bound) > 0)
			leg->bound = infinity;
		else
			continue;
		leg->is_asked = found = true;
	}
	return found;
}

static int64
rows_of_shard(const TridentSearchTop *top, Oid shard)
{
	int64		rows = 0;

	for (int i = 0; i < top->nrows; i++)
		rows += top->rows[i].shard == shard;
	return rows;
}

/* What trident_last_search() is to tell. */
static void
note(const Scatter *scatter)
{
	const TridentSearchSplit *split = scatter->split;

	trident_search_last_begin(NULL);
	for (int i = 0; i < split->nlocal; i++)
	{
		TridentSearchShardRun run = {
			.shard = split->local_shards[i],
			.path = scatter->is_pass ? "pass" : "plan",
			.rows = rows_of_shard(scatter->local, split->local_shards[i]),
			.ms = scatter->local_ms,
			.search_ms = scatter->local_ms,
			.attempts = 1
		};

		trident_search_last_add(&run);
	}
	for (int i = 0; i < split->nnodes; i++)
	{
		const TridentSearchLeg *leg = &scatter->legs[i];

		for (int j = 0; j < leg->node->nshards; j++)
		{
			TridentSearchShardRun run = {
				.shard = leg->node->shards[j],
				.node = leg->node->name,
				.path = leg->path,
				.rows = leg->is_answered ? leg->answer.shards[j].rows : 0,
				.ms = leg->ms,
				.search_ms = leg->is_answered ? leg->answer.shards[j].search_ms : -1,
				.attempts = leg->attempts,
				.error = leg->is_asked ? "not waited for" : leg->error
			};

			trident_search_last_add(&run);
		}
	}
}

/* Says what is missing of a partial answer. */
static void
warn_partial(const Scatter *scatter)
{
	StringInfoData nodes;
	int			missing = 0;

	initStringInfo(&nodes);
	for (int i = 0; i < scatter->split->nnodes; i++)
	{
		const TridentSearchLeg *leg = &scatter->legs[i];

		if (leg->is_answered)
			continue;
		appendStringInfo(&nodes, "%s\"%s\" (%s)", missing > 0 ? ", " : "",
						 leg->node->name, leg->error);
		missing += leg->node->nshards;
	}
	if (missing > 0)
		ereport(WARNING,
				(errcode(TRIDENT_ERRCODE_SEARCH_PARTIAL),
				 errmsg("answer of trident_search is partial: %d of %d shards of \"%s\" are missing",
						missing, scatter->split->nshards,
						RelationGetRelationName(scatter->plan->target->rel)),
				 errdetail("Missing are those on %s.", nodes.data),
				 errhint("See trident_last_search() for each shard.")));
}

TridentSearchTop *
trident_search_scatter(const TridentSearchRequest *request,
					   const TridentSearchFilter *filter,
					   const TridentSearchPlan *plan)
{
	Scatter		scatter = {
		.request = request,
		.plan = plan,
		.split = plan->split,
		.legs = make_legs(plan->split, request->k)
	};
	int			n = plan->split->nnodes;
	TridentSearchQuestion *question;
	TridentSearchTop *top;
	List	   *batches = NIL;
	TridentExchangeBatch *batch;
	TridentSearchLeg *failed;
	ListCell   *lc;

	TridentCheckPermissions(plan->statement);
	question = trident_search_question(plan->target, request, filter);
	batch = trident_search_ask(question, scatter.legs, n, request->deadline);
	run_local(&scatter);
	for (;;)
	{
		/* Answers are read where they stand, in the batch. */
		batches = lappend(batches, batch);
		failed = trident_search_await(batch, question, scatter.legs,
									  request->allows_partial);
		if (failed)
		{
			note(&scatter);
			trident_search_raise(failed);
		}
		top = merge(&scatter);
		if (!ask_again(&scatter, top))
			break;
		batch = trident_search_ask(question, scatter.legs, n, request->deadline);
	}
	foreach(lc, batches)
		trident_exchange_end(lfirst(lc));
	note(&scatter);
	trident_search_last_merged(scatter.merge_ms);
	warn_partial(&scatter);
	return top;
}
