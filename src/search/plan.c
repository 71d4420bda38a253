/*
 * plan.c
 *	  A search as one SQL statement: its text, its plan, and how that is run.
 *
 *		SELECT c.v OPERATOR(s.<->) $1, c.key ..., c.payload ...
 *		FROM collection c WHERE c.v IS NOT NULL AND (filter)
 *		ORDER BY 1 LIMIT k
 *
 * The planner decides which index serves it, if any, and what of a
 * partitioned table need be read.  Its plan is run as it is, unless it is to
 * read whole tables, sort and stop at k: that is exact.c's one pass.
 *
 * Plans are kept by the server's plan cache, which plans anew when a table, an
 * index, the role's row security or the search_path changes.  What it is asked
 * for is the text, so a list of the last statements by role and text is kept
 * here, the latest first.  The role counts because the schemas in the text are
 * checked when it is analysed only; the planner's settings count because a
 * search is no prepared statement to its caller, who sets one and looks.
 *
 * Planning may run code of users, in a policy of row security say, and that
 * code may search.  So a statement is pinned while its plan is made: dropped
 * from the list meanwhile, it is freed when its last pin goes.  A plan at hand
 * needs no pin, as the server counts its uses.
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "search/search.h"

/* As many statements are kept; looking through them is cheap beside one. */
#define MAX_STATEMENTS 64

typedef struct Statement
{
	dlist_node	node;			/* in statements */
	Oid			role;
	uint32		hash;			/* of the text and the planner's settings */
	int			pins;			/* uses of source; it is kept while there are */
	bool		is_listed;		/* in statements */
	char	   *sql;
	CachedPlanSource *source;
} Statement;

static dlist_head statements = DLIST_STATIC_INIT(statements);
static int	nstatements = 0;

/* Receives the rows of a plan that the executor runs. */
typedef struct Receiver
{
	DestReceiver pub;
	TridentSearchTop *top;
	bool		has_shard;		/* the second column is the row's table */
} Receiver;

char *
trident_search_operator_sql(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *sql;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	sql = psprintf("OPERATOR(%s.%s)",
				   quote_identifier(get_namespace_name(form->oprnamespace)),
				   NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return sql;
}

/*
 * Is the table that a row stands in to be selected?  Only where there are
 * several.  That takes SELECT on the whole collection, so it is left out for
 * a role that may select only some columns.
 */
static bool
selects_shard(const TridentSearchTarget *target)
{
	Oid			oid = RelationGetRelid(target->rel);

	return target->has_children &&
		pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

static char *
statement_text(const TridentSearchTarget *target, const TridentSearchFilter *filter,
			   bool with_shard)
{
	Oid			schema = RelationGetNamespace(target->rel);
	const char *vector = quote_identifier(target->vector_name);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT c.%s %s $1", vector, target->operator);
	if (with_shard)
		appendStringInfoString(&sql, ", c.tableoid");
	for (int i = 0; i < target->ncolumns; i++)
		appendStringInfo(&sql, ", c.%s",
						 quote_identifier(NameStr(TupleDescAttr(target->row_desc, i)->attname)));
	appendStringInfo(&sql, " FROM %s c WHERE c.%s IS NOT NULL",
					 quote_qualified_identifier(get_namespace_name(schema),
												RelationGetRelationName(target->rel)),
					 vector);
	if (filter)
		appendStringInfo(&sql, " AND (%s)", filter->sql);
	appendStringInfo(&sql, " ORDER BY 1 LIMIT %d", target->k);
	return sql.data;
}

/* The values of $1, the query, and of the filter's parameters. */
static ParamListInfo
statement_params(const TridentSearchTarget *target, const TridentSearchFilter *filter)
{
	int			n = 1 + (filter ? filter->nparams : 0);
	ParamListInfo params = makeParamList(n);

	for (int i = 0; i < n; i++)
	{
		ParamExternData *param = &params->params[i];

		param->ptype = i == 0 ? target->query_type : filter->types[i - 1];
		param->value = i == 0 ? target->query : filter->values[i - 1];
		param->isnull = i == 0 ? false : filter->nulls[i - 1];
		param->pflags = PARAM_FLAG_CONST;
	}
	return params;
}

/*
 * Which plans to make.  Nothing in a plan depends on the value of the query.
 * The values of a filter choose partitions, and that is worth planning for;
 * for plain tables the server compares the costs of both ways.
 */
static int
plan_options(const TridentSearchTarget *target, const TridentSearchFilter *filter)
{
	int			options = CURSOR_OPT_PARALLEL_OK;

	if (filter == NULL || filter->nparams == 0)
		options |= CURSOR_OPT_GENERIC_PLAN;
	else if (target->has_children)
		options |= CURSOR_OPT_CUSTOM_PLAN;
	return options;
}

static bool
same_types(const CachedPlanSource *source, ParamListInfo params)
{
	if (source->num_params != params->numParams)
		return false;
	for (int i = 0; i < params->numParams; i++)
	{
		if (source->param_types[i] != params->params[i].ptype)
			return false;
	}
	return true;
}

/* Free a statement that is in no list and has no pin. */
static void
free_unused(Statement *statement)
{
	if (statement->is_listed || statement->pins > 0)
		return;
	DropCachedPlan(statement->source);
	pfree(statement->sql);
	pfree(statement);
}

static void
forget_statement(Statement *statement)
{
	dlist_delete(&statement->node);
	nstatements--;
	statement->is_listed = false;
	free_unused(statement);
}

/*
 * A position in the statement is none in the query that called for the search:
 * it is shown with the statement that it is in.
 */
static void
statement_error_context(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

/* The statement kept for that text; NULL if there is none. */
static Statement *
find_statement(const char *sql, uint32 hash, ParamListInfo params)
{
	dlist_iter	iter;

	dlist_foreach(iter, &statements)
	{
		Statement  *statement = dlist_container(Statement, node, iter.cur);

		if (statement->hash != hash || statement->role != GetUserId() ||
			strcmp(statement->sql, sql) != 0)
			continue;
		dlist_move_head(&statements, &statement->node);
		if (same_types(statement->source, params))
			return statement;
		forget_statement(statement);
		return NULL;
	}
	return NULL;
}

/* Parse and analyse the text, and keep it in the server's plan cache. */
static CachedPlanSource *
make_source(const char *sql, ParamListInfo params, int options)
{
	RawStmt    *raw = linitial_node(RawStmt, pg_parse_query(sql));
	CachedPlanSource *source = CreateCachedPlan(raw, sql, CMDTAG_SELECT);
	Oid		   *types = palloc(sizeof(Oid) * params->numParams);
	List	   *queries;

	for (int i = 0; i < params->numParams; i++)
		types[i] = params->params[i].ptype;
	queries = pg_analyze_and_rewrite_fixedparams(raw, sql, types,
												 params->numParams, NULL);
	CompleteCachedPlan(source, queries, NULL, types, params->numParams,
					   NULL, NULL, options, false);
	return source;
}

/* Keep a statement as the latest; the one unused for longest makes room. */
static Statement *
keep_statement(const char *sql, uint32 hash, CachedPlanSource *source)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Statement  *statement = palloc(sizeof(Statement));

	statement->role = GetUserId();
	statement->hash = hash;
	statement->pins = 0;
	statement->is_listed = true;
	statement->sql = pstrdup(sql);
	statement->source = source;
	MemoryContextSwitchTo(old);

	SaveCachedPlan(source);
	dlist_push_head(&statements, &statement->node);
	nstatements++;
	while (nstatements > MAX_STATEMENTS)
		forget_statement(dlist_container(Statement, node,
										 dlist_tail_node(&statements)));
	return statement;
}

/* A hash of the settings that choose between the plans of a search. */
static uint32
planner_settings(void)
{
	const double settings[] = {
		seq_page_cost, random_page_cost, cpu_tuple_cost, cpu_index_tuple_cost,
		cpu_operator_cost, parallel_tuple_cost, parallel_setup_cost,
		effective_cache_size, max_parallel_workers_per_gather,
		min_parallel_table_scan_size, enable_seqscan, enable_indexscan,
		enable_indexonlyscan, enable_bitmapscan, enable_sort,
		enable_incremental_sort, enable_gathermerge, enable_parallel_append,
		enable_partition_pruning
	};

	return hash_bytes((const unsigned char *) settings, sizeof(settings));
}

/* The plan of that text, to be released when it has been run. */
static CachedPlan *
statement_plan(const char *sql, ParamListInfo params, int options)
{
	uint32		hash = hash_combine(hash_bytes((const unsigned char *) sql, strlen(sql)),
									planner_settings());
	Statement  *statement = find_statement(sql, hash, params);
	CachedPlan *plan;

	if (statement == NULL)
		statement = keep_statement(sql, hash, make_source(sql, params, options));

	statement->pins++;
	PG_TRY();
	{
		plan = GetCachedPlan(statement->source, params, CurrentResourceOwner, NULL);
	}
	PG_FINALLY();
	{
		statement->pins--;
		free_unused(statement);
	}
	PG_END_TRY();
	return plan;
}

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
 * conditions are the executor's to apply in their order, and not where one
 * snapshot serves many statements, where reads are recorded for conflicts.
 */
static bool
is_exact(const TridentSearchTarget *target, const PlannedStmt *statement,
		 Scans *scans)
{
	return !IsolationUsesXactSnapshot() &&
		statement->subplans == NIL &&
		check_enable_rls(RelationGetRelid(target->rel), InvalidOid, true) != RLS_ENABLED &&
		collect_scans(statement->planTree, scans) &&
		outruns_workers(target, statement, scans);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;
	TridentSearchTop *top = receiver->top;
	int			first = receiver->has_shard ? 2 : 1;
	Oid			shard = InvalidOid;

	slot_getallattrs(slot);
	if (receiver->has_shard)
		shard = DatumGetObjectId(slot->tts_values[1]);
	else if (!top->target->has_children)
		shard = RelationGetRelid(top->target->rel);
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

/* Run the plan as any query is run. */
static void
run_plan(PlannedStmt *statement, const char *sql, ParamListInfo params,
		 bool has_shard, TridentSearchTop *top)
{
	Receiver	receiver = {
		.pub = {
			.receiveSlot = receive_row,
			.rStartup = receive_start,
			.rShutdown = receive_end,
			.rDestroy = receive_end,
			.mydest = DestNone
		},
		.top = top,
		.has_shard = has_shard
	};
	QueryDesc  *query = CreateQueryDesc(statement, sql, GetActiveSnapshot(),
										InvalidSnapshot, &receiver.pub, params,
										NULL, 0);

	ExecutorStart(query, 0);
	TridentExecutorRun(query);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

/* Run the plan in one pass where it is exact, else as it is. */
static void
run_statement(const TridentSearchTarget *target, PlannedStmt *statement,
			  const char *sql, ParamListInfo params, bool with_shard,
			  TridentSearchTop *top)
{
	Scans		scans = {NIL, 0};

	if (is_exact(target, statement, &scans))
	{
		ereport(DEBUG1,
				(errmsg_internal("trident_search: one pass over %d tables",
								 list_length(scans.nodes))));
		TridentCheckPermissions(statement);
		trident_search_exact(target, statement, scans.nodes, params, top);
	}
	else
	{
		ereport(DEBUG1,
				(errmsg_internal("trident_search: plan run by the executor")));
		run_plan(statement, sql, params, with_shard, top);
	}
}

void
trident_search_run(const TridentSearchTarget *target,
				   const TridentSearchFilter *filter, TridentSearchTop *top)
{
	bool		with_shard = selects_shard(target);
	char	   *sql = statement_text(target, filter, with_shard);
	ParamListInfo params = statement_params(target, filter);
	ErrorContextCallback callback;
	CachedPlan *plan;

	callback.callback = statement_error_context;
	callback.arg = sql;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	plan = statement_plan(sql, params, plan_options(target, filter));
	run_statement(target, linitial_node(PlannedStmt, plan->stmt_list), sql,
				  params, with_shard, top);
	ReleaseCachedPlan(plan, CurrentResourceOwner);

	error_context_stack = callback.previous;
	trident_search_top_sort(top);
}
