/*
 * plan.c
 *	  A search as one SQL statement: its text, and its plan.
 *
 *		SELECT c.v OPERATOR(s.<->) $1, c.key ..., c.payload ...
 *		FROM collection c WHERE c.v IS NOT NULL AND (filter)
 *		ORDER BY 1 LIMIT k
 *
 * The planner decides which index serves it, if any, and what of a
 * partitioned table need be read, here and on other nodes (split.c).
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

#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "common/hashfn.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "partitioning/partdesc.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/sql.h"
#include "search/scatter.h"

/* As many statements are kept; looking through them is cheap beside one. */
#define MAX_STATEMENTS 128

typedef struct Statement
{
	dlist_node	node;			/* in statements */
	Oid			role;
	uint32		hash;			/* of the text and the planner's settings */
	int			pins;			/* uses of source; it is kept while there are */
	bool		is_listed;		/* in statements */
	char	   *sql;
	CachedPlanSource *source;

	/* The split of the plan of that generation, in that plan's memory. */
	int			split_generation;
	TridentSearchSplit *split;
} Statement;

static dlist_head statements = DLIST_STATIC_INIT(statements);
static int	nstatements = 0;

/* The operator as it is written in SQL: OPERATOR(schema.name). */
static char *
operator_sql(Oid operator)
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
	Oid			operator = trident_search_operator(target->kind, target->metric);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT c.%s %s $1", vector,
					 operator_sql(operator));
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

/*
 * The values of $1, the query, and of the filter's parameters.  Of the query
 * no plan may keep the value: run.c runs one plan for several.  Of the others
 * a plan may, as they choose partitions; they are the same for all.
 */
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
		param->pflags = i == 0 ? 0 : PARAM_FLAG_CONST;
	}
	return params;
}

/* May a condition on those columns exclude partitions? */
static bool
chooses_partitions(Relation rel, const Bitmapset *columns)
{
	PartitionKey key;
	PartitionDesc desc;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return true;			/* by constraints of its children, maybe */
	key = RelationGetPartitionKey(rel);
	for (int i = 0; i < get_partition_natts(key); i++)
	{
		AttrNumber	attno = get_partition_col_attnum(key, i);

		if (attno == InvalidAttrNumber || bms_is_member(attno, columns))
			return true;
	}
	desc = RelationGetPartitionDesc(rel, true);
	for (int i = 0; i < desc->nparts; i++)
	{
		if (!desc->is_leaf[i])
			return true;
	}
	return false;
}

/*
 * Which plans to make.  Nothing in a plan depends on the value of the query.
 * The values of a filter may choose partitions, and that is worth planning
 * for; else the server compares the costs of both ways.
 */
static int
plan_options(const TridentSearchTarget *target, const TridentSearchFilter *filter)
{
	int			options = CURSOR_OPT_PARALLEL_OK;

	if (filter == NULL || filter->nparams == 0)
		options |= CURSOR_OPT_GENERIC_PLAN;
	else if (target->has_children &&
			 chooses_partitions(target->rel, filter->columns))
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
	statement->split_generation = -1;
	statement->split = NULL;
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
		enable_partition_pruning, trident_base_index_target_recall,
		trident_base_index_probes
	};

	return hash_bytes((const unsigned char *) settings, sizeof(settings));
}

/*
 * Split the plan, once, of a collection that has other tables.  The split is
 * part of the plan, whose generation tells it from all others of the source.
 */
static TridentSearchSplit *
plan_split(Statement *statement, const TridentSearchTarget *target,
		   CachedPlan *cached)
{
	if (!target->has_children)
		return NULL;
	if (statement->split_generation != cached->generation)
	{
		PlannedStmt *planned = linitial_node(PlannedStmt, cached->stmt_list);

		statement->split = trident_search_split(target, planned, cached->context);
		statement->split_generation = cached->generation;
	}
	return statement->split;
}

/* Fills in the plan of that text, to be released when it has been run. */
static void
statement_plan(TridentSearchPlan *plan, int options)
{
	uint32		hash = hash_combine(hash_bytes((const unsigned char *) plan->sql,
											   strlen(plan->sql)),
									planner_settings());
	Statement  *statement = find_statement(plan->sql, hash, plan->params);

	if (statement == NULL)
		statement = keep_statement(plan->sql, hash,
								   make_source(plan->sql, plan->params, options));

	statement->pins++;
	PG_TRY();
	{
		plan->cached = GetCachedPlan(statement->source, plan->params,
									 CurrentResourceOwner, NULL);
		plan->split = plan_split(statement, plan->target, plan->cached);
	}
	PG_FINALLY();
	{
		statement->pins--;
		free_unused(statement);
	}
	PG_END_TRY();
	plan->statement = linitial_node(PlannedStmt, plan->cached->stmt_list);
}

TridentSearchPlan *
trident_search_plan(const TridentSearchTarget *target,
					const TridentSearchFilter *filter)
{
	TridentSearchPlan *plan = palloc0(sizeof(TridentSearchPlan));
	ErrorContextCallback callback;

	plan->target = target;
	plan->has_shard = selects_shard(target);
	plan->sql = statement_text(target, filter, plan->has_shard);
	plan->params = statement_params(target, filter);

	callback.callback = trident_base_sql_error_place;
	callback.arg = unconstify(char *, plan->sql);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	statement_plan(plan, plan_options(target, filter));
	error_context_stack = callback.previous;
	return plan;
}

void
trident_search_plan_release(TridentSearchPlan *plan)
{
	if (plan->cached)
		ReleaseCachedPlan(plan->cached, CurrentResourceOwner);
}
