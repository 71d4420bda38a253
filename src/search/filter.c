/*
 * filter.c
 *	  The filter of a search: from text that may come from anybody to SQL.
 *
 * The text is one boolean expression over the collection's columns, with
 * parameters $1, $2 ... for the elements of filter_args.  It goes
 *
 *	  1. through the server's parser, as an expression: nothing else that a
 *		 SELECT may hold is let through (filter_parse.c);
 *	  2. through the server's analysis, with the collection as the only table
 *		 and types of parameters inferred as PREPARE infers them, and without
 *		 running the input function of a type that may be anybody's;
 *	  3. through filter_check.c, which lists what an expression may consist of;
 *	  4. back to text by the server's deparser, which is what is run.
 *
 * The user's text itself is never part of a statement.  In between, values of
 * the session (now(), current_setting()) become parameters, so that every node
 * sees the same ones and the text of the statement stays the same.
 *
 * Errors of the parser keep their SQLSTATE and get a hint; a position in the
 * filter is reported as one in an internal query.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_node.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/sql.h"
#include "search/search.h"

/* The name that the collection has in the statement. */
#define ALIAS "c"

/* Tells where in the filter an error is, instead of where in the query. */
static void
filter_error_context(void *arg)
{
	trident_base_sql_error_place(arg);
	errcontext("filter of trident_search");
}

/* The checked expression of a request; every error of the parser has a hint. */
static Node *
read_expression(ParseState *pstate, const TridentSearchTarget *target,
				const TridentSearchRequest *request, TridentSearchFilter *filter)
{
	MemoryContext context = CurrentMemoryContext;
	Node	   *expr = NULL;

	PG_TRY();
	{
		Node	   *raw = trident_search_filter_parse(request->filter);

		filter->nparams = trident_search_filter_check_args(raw, request->filter_args);
		filter->types = palloc0(sizeof(Oid) * (filter->nparams + 1));
		expr = trident_search_filter_analyse(pstate, target->rel, NULL, raw,
											 filter->types, filter->nparams, 1);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		int			category;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
		if (error->hint == NULL &&
			(category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
			 category == ERRCODE_FEATURE_NOT_SUPPORTED))
			error->hint = TRIDENT_SEARCH_FILTER_HINT;
		ReThrowError(error);
	}
	PG_END_TRY();
	return expr;
}

/* The expression as SQL, over the columns of the alias. */
static char *
deparse(const TridentSearchTarget *target, Node *expr)
{
	List	   *context = deparse_context_for(ALIAS, RelationGetRelid(target->rel));

	return deparse_expression(expr, context, true, false);
}

char *
trident_search_filter_wire(const TridentSearchTarget *target,
						   const TridentSearchFilter *filter)
{
	return deparse(target, filter->expr);
}

/* What is known of a filter that was checked and whose parameters have values. */
static void
complete_filter(TridentSearchFilter *filter, const TridentSearchTarget *target,
				Node *expr)
{
	Bitmapset  *attributes = NULL;
	int			member = -1;

	filter->expr = expr;
	filter->sql = deparse(target, expr);
	filter->is_immutable = !contain_mutable_functions(expr);
	filter->extensions = trident_search_filter_extensions(expr);
	pull_varattnos(expr, 1, &attributes);
	while ((member = bms_next_member(attributes, member)) >= 0)
		filter->columns = bms_add_member(filter->columns,
										 member + FirstLowInvalidHeapAttributeNumber);
}

TridentSearchFilter *
trident_search_filter(const TridentSearchTarget *target,
					  const TridentSearchRequest *request)
{
	TridentSearchFilter *filter;
	ErrorContextCallback callback;
	ParseState *pstate;
	Node	   *expr;

	if (request->filter == NULL)
	{
		if (request->filter_args)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("filter_args are given without a filter"),
					 errhint("Pass the filter that uses them, or leave filter_args out.")));
		return NULL;
	}

	callback.callback = filter_error_context;
	callback.arg = unconstify(char *, request->filter);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	filter = palloc0(sizeof(TridentSearchFilter));
	pstate = make_parsestate(NULL);
	pstate->p_sourcetext = request->filter;
	expr = read_expression(pstate, target, request, filter);
	trident_search_filter_check(pstate, expr, false);
	trident_search_filter_bind(filter, request->filter_args);
	expr = trident_search_filter_fold(expr, filter);
	trident_search_filter_check(pstate, expr, true);
	complete_filter(filter, target, expr);
	free_parsestate(pstate);

	error_context_stack = callback.previous;
	return filter;
}

/* The values that came with a filter, as those of its parameters. */
static void
read_values(TridentSearchFilter *filter, int nparams, char *const *types,
			char *const *values, const bool *nulls)
{
	filter->nparams = nparams;
	filter->types = palloc(sizeof(Oid) * (nparams + 1));
	filter->values = palloc0(sizeof(Datum) * (nparams + 1));
	filter->nulls = palloc(sizeof(bool) * (nparams + 1));
	for (int i = 0; i < nparams; i++)
	{
		Datum		name = CStringGetDatum(types[i]);
		Oid			type = DatumGetObjectId(DirectFunctionCall1(regtypein, name));
		Oid			function;
		Oid			ioparam;

		if (!trident_search_filter_accepts_type(type))
			ereport(ERROR,
					(errcode(TRIDENT_ERRCODE_SEARCH_FILTER),
					 errmsg("parameter $%d of the filter has type %s, which is not allowed",
							i + 2, format_type_be(type)),
					 errhint("Use built-in types, or those of extensions in trident.search_filter_extensions.")));
		getTypeInputInfo(type, &function, &ioparam);
		filter->types[i] = type;
		filter->nulls[i] = nulls[i];
		filter->values[i] = OidInputFunctionCall(function,
												 nulls[i] ? NULL : values[i],
												 ioparam, -1);
	}
}

TridentSearchFilter *
trident_search_filter_received(const TridentSearchTarget *target, const char *text,
							   int nparams, char *const *types,
							   char *const *values, const bool *nulls)
{
	TridentSearchFilter *filter = palloc0(sizeof(TridentSearchFilter));
	ParseState *pstate = make_parsestate(NULL);
	ErrorContextCallback callback;
	Oid		   *param_types;
	Node	   *expr;

	callback.callback = filter_error_context;
	callback.arg = unconstify(char *, text);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	read_values(filter, nparams, types, values, nulls);
	param_types = palloc(sizeof(Oid) * (nparams + 1));
	param_types[0] = target->query_type;
	memcpy(param_types + 1, filter->types, sizeof(Oid) * nparams);

	pstate->p_sourcetext = text;
	expr = trident_search_filter_analyse(pstate, target->rel,
										 makeAlias(ALIAS, NIL),
										 trident_search_filter_parse(text),
										 param_types, nparams + 1, 0);
	trident_search_filter_check(pstate, expr, true);
	complete_filter(filter, target, expr);
	free_parsestate(pstate);

	error_context_stack = callback.previous;
	return filter;
}
