/*
 * filter_check.c
 *	  What a filter may consist of.
 *
 * A list of what is allowed, never of what is not: kinds of expressions that
 * a later server adds are refused until they are added here.  Allowed are
 *
 *	  - columns of the collection, constants, parameters, and the plain ways to
 *		combine them: logic, comparison, CASE, COALESCE, arrays, subscripts;
 *	  - functions, also those behind operators and casts, that are built-in or
 *		of a listed extension, and immutable;
 *	  - the stable built-in ones of row_functions, which depend on settings of
 *		the session such as TimeZone but on nothing stored;
 *	  - the stable built-in ones of session_functions, and CURRENT_DATE and its
 *		like, whose values are taken once, before the search.
 *
 * No function that runs SQL, reads a table or reads a file is immutable, and
 * none is in the lists.  Conversions to and from text run the input and output
 * functions of types, which read no more than catalogs; types that a user can
 * make do of other code (domains, composites) are refused there.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_node.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/guc.h"
#include "search/search.h"

/* Values of the session. */
static const Oid session_functions[] = {
	F_NOW,
	F_TRANSACTION_TIMESTAMP,
	F_STATEMENT_TIMESTAMP,
	F_CURRENT_SETTING_TEXT,
	F_CURRENT_SETTING_TEXT_BOOL,
	F_CURRENT_USER,
	F_SESSION_USER,
	F_CURRENT_DATABASE
};

/* Stable because of TimeZone, DateStyle, lc_* or default_text_search_config. */
static const Oid row_functions[] = {
	/* timestamptz and interval, date, timestamp */
	F_TIMESTAMPTZ_PL_INTERVAL, F_INTERVAL_PL_TIMESTAMPTZ,
	F_TIMESTAMPTZ_MI_INTERVAL,
	F_DATE_TIMESTAMPTZ, F_TIMESTAMPTZ_DATE, F_TIMESTAMPTZ_TIMESTAMP,
	F_TIMESTAMP_TIMESTAMPTZ, F_TIME_TIMESTAMPTZ, F_TIMETZ_TIMESTAMPTZ,
	F_DATE_EQ_TIMESTAMPTZ, F_DATE_NE_TIMESTAMPTZ, F_DATE_LT_TIMESTAMPTZ,
	F_DATE_LE_TIMESTAMPTZ, F_DATE_GE_TIMESTAMPTZ, F_DATE_GT_TIMESTAMPTZ,
	F_TIMESTAMPTZ_EQ_DATE, F_TIMESTAMPTZ_NE_DATE, F_TIMESTAMPTZ_LT_DATE,
	F_TIMESTAMPTZ_LE_DATE, F_TIMESTAMPTZ_GE_DATE, F_TIMESTAMPTZ_GT_DATE,
	F_TIMESTAMP_EQ_TIMESTAMPTZ, F_TIMESTAMP_NE_TIMESTAMPTZ,
	F_TIMESTAMP_LT_TIMESTAMPTZ, F_TIMESTAMP_LE_TIMESTAMPTZ,
	F_TIMESTAMP_GE_TIMESTAMPTZ, F_TIMESTAMP_GT_TIMESTAMPTZ,
	F_TIMESTAMPTZ_EQ_TIMESTAMP, F_TIMESTAMPTZ_NE_TIMESTAMP,
	F_TIMESTAMPTZ_LT_TIMESTAMP, F_TIMESTAMPTZ_LE_TIMESTAMP,
	F_TIMESTAMPTZ_GE_TIMESTAMP, F_TIMESTAMPTZ_GT_TIMESTAMP,
	F_EXTRACT_TEXT_TIMESTAMPTZ, F_DATE_PART_TEXT_TIMESTAMPTZ,
	F_DATE_TRUNC_TEXT_TIMESTAMPTZ,

	/* formatting, and text from values of other types */
	F_TO_CHAR_TIMESTAMPTZ_TEXT, F_TO_CHAR_TIMESTAMP_TEXT,
	F_TO_CHAR_INTERVAL_TEXT, F_TO_CHAR_NUMERIC_TEXT, F_TO_CHAR_INT4_TEXT,
	F_TO_CHAR_INT8_TEXT, F_TO_CHAR_FLOAT4_TEXT, F_TO_CHAR_FLOAT8_TEXT,
	F_TO_DATE, F_TO_TIMESTAMP_TEXT_TEXT, F_TO_NUMBER,
	F_TEXTANYCAT, F_ANYTEXTCAT, F_CONCAT, F_CONCAT_WS,
	F_ARRAY_TO_STRING_ANYARRAY_TEXT, F_ARRAY_TO_STRING_ANYARRAY_TEXT_TEXT,

	/* text search by the default configuration */
	F_TO_TSVECTOR_TEXT, F_TO_TSQUERY_TEXT, F_PLAINTO_TSQUERY_TEXT,
	F_PHRASETO_TSQUERY_TEXT, F_WEBSEARCH_TO_TSQUERY_TEXT
};

typedef struct Check
{
	ParseState *pstate;
	bool		folded;
	Node	   *node;			/* the one at hand, for its position */
} Check;

static bool
is_listed(Oid function, const Oid *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (list[i] == function)
			return true;
	}
	return false;
}

/* Is that extension trident, or named in trident.search_filter_extensions? */
static bool
is_listed_extension(Oid extension)
{
	char	   *name = get_extension_name(extension);
	char	   *setting = pstrdup(trident_base_search_filter_extensions);
	List	   *names;
	ListCell   *lc;

	if (name == NULL)
		return false;
	if (strcmp(name, "trident") == 0)
		return true;
	if (!SplitIdentifierString(setting, ',', &names))
		return false;
	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

/* Is the object built into the server, or part of a listed extension? */
static bool
is_trusted(Oid catalog, Oid object)
{
	Oid			extension;

	if (object < FirstGenbkiObjectId)
		return true;
	extension = getExtensionOfObject(catalog, object);
	return OidIsValid(extension) && is_listed_extension(extension);
}

static bool
is_allowed_function(Oid function, bool folded)
{
	if (!is_trusted(ProcedureRelationId, function))
		return false;
	if (func_volatile(function) == PROVOLATILE_IMMUTABLE)
		return true;
	if (is_listed(function, row_functions, lengthof(row_functions)))
		return true;
	return !folded &&
		is_listed(function, session_functions, lengthof(session_functions));
}

bool
trident_search_filter_accepts_type(Oid type)
{
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		return trident_search_filter_accepts_type(element);
	switch (get_typtype(type))
	{
		case TYPTYPE_ENUM:
			return true;
		case TYPTYPE_BASE:
		case TYPTYPE_RANGE:
		case TYPTYPE_MULTIRANGE:
			return is_trusted(TypeRelationId, type);
		default:
			return false;
	}
}

static void refuse(const Check *check, Node *node, const char *what,
				   const char *hint) pg_attribute_noreturn();

static void
refuse(const Check *check, Node *node, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(TRIDENT_ERRCODE_SEARCH_FILTER),
			 errmsg("%s is not allowed in a filter", what),
			 errhint("%s", hint),
			 parser_errposition(check->pstate, exprLocation(node))));
}

void
trident_search_filter_refuse_subquery(ParseState *pstate, Node *node)
{
	Check		check = {.pstate = pstate};

	refuse(&check, node, "a subquery",
		   "Run the subquery first and pass its result in filter_args.");
}

/* Called for every function of a node; true would end the search of it. */
static bool
check_function(Oid function, void *context)
{
	const Check *check = context;
	const char *hint;

	if (is_allowed_function(function, check->folded))
		return false;
	if (is_listed(function, session_functions, lengthof(session_functions)))
		hint = "Give it arguments that are the same for every row.";
	else if (!is_trusted(ProcedureRelationId, function))
		hint = "Use built-in functions and operators, or add their extension to trident.search_filter_extensions.";
	else
		hint = "Use immutable functions and operators; docs/guide/search.md lists the other ones that are allowed.";
	ereport(ERROR,
			(errcode(TRIDENT_ERRCODE_SEARCH_FILTER),
			 errmsg("function %s is not allowed in a filter",
					format_procedure(function)),
			 errhint("%s", hint),
			 parser_errposition(check->pstate, exprLocation(check->node))));
	return true;				/* keep the compiler quiet */
}

static void
check_var(const Check *check, Var *var)
{
	if (var->varattno == 0)
		refuse(check, (Node *) var, "a whole row",
			   "Name the columns that the filter is about.");
	if (var->varattno < 0)
		refuse(check, (Node *) var, "a system column",
			   "Name columns that the collection was created with.");
}

/* A value of a type that filter_parse.c would not have read; NULL is no value. */
static void
check_const(const Check *check, Const *value)
{
	if (!value->constisnull && value->consttype != UNKNOWNOID &&
		!trident_search_filter_accepts_type(value->consttype))
		refuse(check, (Node *) value,
			   psprintf("a constant of type %s", format_type_be(value->consttype)),
			   "Use constants of built-in types.");
}

static bool
is_concatenation(Oid function)
{
	return function == F_TEXTANYCAT || function == F_ANYTEXTCAT;
}

/*
 * Text with a value of any type: the server's function casts that value to
 * text, by a cast that the type's owner may have made.
 */
static void
check_concatenation(const Check *check, List *args)
{
	ListCell   *lc;

	foreach(lc, args)
	{
		Oid			type = getBaseType(exprType(lfirst(lc)));

		if (!is_trusted(TypeRelationId, type))
			refuse(check, lfirst(lc),
				   psprintf("concatenation of text and type %s", format_type_be(type)),
				   "Cast the value to text.");
	}
}

/* A conversion by text: the types tell whose functions it runs. */
static void
check_conversion(const Check *check, CoerceViaIO *convert)
{
	Oid			from = getBaseType(exprType((Node *) convert->arg));
	Oid			type = from;

	if (trident_search_filter_accepts_type(from))
		type = convert->resulttype;
	if (!trident_search_filter_accepts_type(type))
		refuse(check, (Node *) convert,
			   psprintf("a conversion by text of type %s", format_type_be(type)),
			   "Convert between built-in types, or add the extension of the type to trident.search_filter_extensions.");
}

/* GREATEST and LEAST compare by the type's own function. */
static void
check_minmax(const Check *check, MinMaxExpr *minmax)
{
	TypeCacheEntry *type = lookup_type_cache(minmax->minmaxtype, TYPECACHE_CMP_PROC);

	if (OidIsValid(type->cmp_proc))
		check_function(type->cmp_proc, unconstify(Check *, check));
}

static void
check_subscript(const Check *check, SubscriptingRef *subscript)
{
	RegProcedure handler = get_typsubscript(subscript->refcontainertype, NULL);

	if (!is_trusted(ProcedureRelationId, handler))
		refuse(check, (Node *) subscript,
			   psprintf("a subscript of type %s",
						format_type_be(subscript->refcontainertype)),
			   "Use subscripts of arrays and of jsonb.");
}

/* Whatever is not named here is refused. */
static void
check_node(Check *check, Node *node)
{
	check->node = node;
	switch (nodeTag(node))
	{
		case T_Var:
			check_var(check, (Var *) node);
			break;
		case T_CoerceViaIO:
			check_conversion(check, (CoerceViaIO *) node);
			return;
		case T_MinMaxExpr:
			check_minmax(check, (MinMaxExpr *) node);
			break;
		case T_SubscriptingRef:
			check_subscript(check, (SubscriptingRef *) node);
			break;
		case T_Param:
			if (((Param *) node)->paramkind != PARAM_EXTERN)
				trident_search_filter_refuse_subquery(check->pstate, node);
			break;
		case T_SubLink:
			trident_search_filter_refuse_subquery(check->pstate, node);
			break;
		case T_Const:
			check_const(check, (Const *) node);
			break;
		case T_CoerceToDomain:
			refuse(check, node, "a cast to a domain",
				   "Cast to the type that the domain is based on.");
			break;
		case T_FuncExpr:
			if (is_concatenation(((FuncExpr *) node)->funcid))
				check_concatenation(check, ((FuncExpr *) node)->args);
			break;
		case T_OpExpr:
			if (is_concatenation(((OpExpr *) node)->opfuncid))
				check_concatenation(check, ((OpExpr *) node)->args);
			break;
		case T_List:
		case T_NamedArgExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_ArrayExpr:
		case T_RowCompareExpr:
		case T_ArrayCoerceExpr:
		case T_RelabelType:
		case T_CollateExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_SQLValueFunction:
			break;
		default:
			refuse(check, node, "an expression of this kind",
				   "Use columns, constants, parameters, operators, functions, CASE, COALESCE and arrays.");
	}
	check_functions_in_node(node, check_function, check);
}

static bool
check_tree(Node *node, void *context)
{
	if (node == NULL)
		return false;
	check_node(context, node);
	return expression_tree_walker(node, check_tree, context);
}

void
trident_search_filter_check(ParseState *pstate, Node *expr, bool folded)
{
	Check		check = {.pstate = pstate, .folded = folded};

	check_tree(expr, &check);
}

static bool
add_extension(Oid function, void *context)
{
	List	  **found = context;
	Oid			extension;

	if (function < FirstGenbkiObjectId)
		return false;
	extension = getExtensionOfObject(ProcedureRelationId, function);
	*found = list_append_unique_oid(*found, extension);
	return false;
}

static bool
find_extensions(Node *node, void *context)
{
	if (node == NULL)
		return false;
	check_functions_in_node(node, add_extension, context);
	return expression_tree_walker(node, find_extensions, context);
}

List *
trident_search_filter_extensions(Node *expr)
{
	List	   *found = NIL;

	find_extensions(expr, &found);
	return found;
}

/* The value of an expression without columns, as the filter's next parameter. */
static Param *
value_param(Node *expr, TridentSearchFilter *filter)
{
	EState	   *estate = CreateExecutorState();
	ParamListInfo params = makeParamList(filter->nparams + 1);
	int			n = filter->nparams++;
	Param	   *param = makeNode(Param);
	ExprState  *state;
	int16		length;
	bool		by_value;
	Datum		value;
	bool		is_null;

	/* $1 of the statement, the query, is in no filter. */
	params->params[0].isnull = true;
	for (int i = 0; i < n; i++)
	{
		params->params[i + 1].ptype = filter->types[i];
		params->params[i + 1].value = filter->values[i];
		params->params[i + 1].isnull = filter->nulls[i];
	}
	estate->es_param_list_info = params;
	state = ExecInitExprWithParams(expression_planner((Expr *) copyObject(expr)),
								   params);
	value = ExecEvalExprSwitchContext(state, GetPerTupleExprContext(estate), &is_null);
	get_typlenbyval(exprType(expr), &length, &by_value);
	if (!is_null)
		value = datumCopy(value, by_value, length);
	FreeExecutorState(estate);

	filter->types = filter->types == NULL ? palloc(sizeof(Oid)) :
		repalloc(filter->types, sizeof(Oid) * (n + 1));
	filter->values = repalloc(filter->values, sizeof(Datum) * (n + 1));
	filter->nulls = repalloc(filter->nulls, sizeof(bool) * (n + 1));
	filter->types[n] = exprType(expr);
	filter->values[n] = value;
	filter->nulls[n] = is_null;

	param->paramkind = PARAM_EXTERN;
	param->paramid = n + 2;
	param->paramtype = exprType(expr);
	param->paramtypmod = exprTypmod(expr);
	param->paramcollid = exprCollation(expr);
	param->location = exprLocation(expr);
	return param;
}

/* Does the value depend on the row, or on what a CASE around it tests? */
static bool
depends_on_row(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, CaseTestExpr))
		return true;
	return expression_tree_walker(node, depends_on_row, context);
}

static Node *
fold(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (!IsA(node, List) && !IsA(node, NamedArgExpr) && !IsA(node, CaseWhen) &&
		!depends_on_row(node, NULL) && contain_mutable_functions(node))
		return (Node *) value_param(node, context);
	return expression_tree_mutator(node, fold, context);
}

Node *
trident_search_filter_fold(Node *expr, TridentSearchFilter *filter)
{
	return fold(expr, filter);
}
