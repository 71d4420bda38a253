/*
 * filter_parse.c
 *	  The text of a filter as an expression, without running anything of it.
 *
 * The server's analysis turns a literal into a value as soon as it knows the
 * type, by the input function of that type.  Of an array, a composite or a
 * range over a domain that function runs the domain's CHECK, which may be
 * anybody's code, and no check of the finished expression comes early enough:
 * the type can come from a cast, but also from the argument of a function or
 * operator that is refused afterwards.  So literals go through the analysis
 * as parameters of unknown type, numbered from -1 down, where no user's can
 * be, and become values in a hook that sees the type first.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_param.h"
#include "parser/parse_relation.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/error.h"
#include "search/search.h"

typedef struct Analysis
{
	ParseState *pstate;
	List	   *literals;		/* char *, number -1 first */
	Oid		   *types;			/* of the user's parameters, as inferred */
	int			ntypes;
	int			shift;			/* what is added to their numbers */

	/* the server's own hooks for parameters whose types it infers */
	void	   *state;
	ParseParamRefHook refer;
	CoerceParamHook coerce;
} Analysis;

/* The text is more, or less, than an expression. */
static void
refuse_text(void)
{
	ereport(ERROR,
			(errcode(TRIDENT_ERRCODE_SEARCH_FILTER),
			 errmsg("filter is not a single expression"),
			 errhint(TRIDENT_SEARCH_FILTER_HINT)));
}

Node *
trident_search_filter_parse(const char *text)
{
	List	   *raw = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select;
	ResTarget  *target;

	/* PL/pgSQL's expressions may end in whatever follows a select list. */
	select = castNode(SelectStmt, linitial_node(RawStmt, raw)->stmt);
	if (list_length(raw) != 1 || list_length(select->targetList) != 1 ||
		select->distinctClause || select->intoClause || select->fromClause ||
		select->whereClause || select->groupClause || select->havingClause ||
		select->windowClause || select->valuesLists || select->sortClause ||
		select->limitOffset || select->limitCount || select->lockingClause ||
		select->withClause || select->op != SETOP_NONE)
		refuse_text();
	target = linitial_node(ResTarget, select->targetList);
	if (target->name != NULL || target->indirection != NIL ||
		(IsA(target->val, ColumnRef) &&
		 IsA(llast(((ColumnRef *) target->val)->fields), A_Star)))
		refuse_text();
	return target->val;
}

/* A quoted constant, which has no type yet. */
static bool
is_literal(Node *node)
{
	return IsA(node, A_Const) && !((A_Const *) node)->isnull &&
		nodeTag(&((A_Const *) node)->val) == T_String;
}

/*
 * Is it a type's name before a literal, which is a cast?  The server would not
 * see that of a parameter.
 */
static bool
is_cast(const FuncCall *call)
{
	const TypeName *name;
	Type		type;
	bool		is_plain;

	if (list_length(call->args) != 1 || !is_literal(linitial(call->args)) ||
		call->agg_order || call->agg_filter || call->over ||
		call->agg_within_group || call->agg_star || call->agg_distinct ||
		call->func_variadic)
		return false;
	name = makeTypeNameFromNameList(call->funcname);
	type = LookupTypeNameExtended(NULL, name, NULL, false, true);
	if (type == NULL)
		return false;
	is_plain = ((Form_pg_type) GETSTRUCT(type))->typisdefined &&
		!OidIsValid(typeTypeRelid(type));
	ReleaseSysCache(type);
	return is_plain;
}

/* Make of such a call what it is, where it stands. */
static void
make_cast(FuncCall *call)
{
	FuncCall	from = *call;
	TypeCast   *cast = (TypeCast *) call;

	StaticAssertStmt(sizeof(TypeCast) <= sizeof(FuncCall),
					 "a cast takes the place of a call");
	cast->type = T_TypeCast;
	cast->arg = linitial(from.args);
	cast->typeName = makeTypeNameFromNameList(from.funcname);
	cast->location = from.location;
}

/*
 * Make parameters of the literals of a raw expression, where they stand.
 * Refused here are subqueries, whose analysis is part of it, and parameters
 * that there are none of.
 */
static bool
take_literals(Node *node, void *context)
{
	Analysis   *analysis = context;

	/* The modifiers of a type, as in numeric(10, 2), stay constants. */
	if (node == NULL || IsA(node, TypeName))
		return false;
	if (IsA(node, SubLink))
		trident_search_filter_refuse_subquery(analysis->pstate, node);
	/* The server takes memory by the highest number. */
	if (IsA(node, ParamRef) && ((ParamRef *) node)->number > analysis->ntypes)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_PARAMETER),
				 errmsg("there is no parameter $%d", ((ParamRef *) node)->number),
				 errhint("Pass a value for each parameter of the filter."),
				 parser_errposition(analysis->pstate,
									((ParamRef *) node)->location)));
	if (IsA(node, FuncCall) && is_cast((FuncCall *) node))
		make_cast((FuncCall *) node);
	if (is_literal(node))
	{
		A_Const		literal = *(A_Const *) node;
		ParamRef   *param = (ParamRef *) node;

		StaticAssertStmt(sizeof(ParamRef) <= sizeof(A_Const),
						 "a parameter takes the place of a constant");
		analysis->literals = lappend(analysis->literals,
									 strVal(&literal.val));
		param->type = T_ParamRef;
		param->number = -list_length(analysis->literals);
		param->location = literal.location;
		return false;
	}
	return raw_expression_tree_walker(node, take_literals, context);
}

/* A literal as a constant of unknown type, as the parser makes it. */
static Const *
literal_const(const Analysis *analysis, const Param *param)
{
	const char *text = list_nth(analysis->literals, -param->paramid - 1);
	Const	   *value = makeConst(UNKNOWNOID, -1, InvalidOid, -2,
								  CStringGetDatum(text), false, false);

	value->location = param->location;
	return value;
}

/* ParseParamRefHook */
static Node *
refer_param(ParseState *pstate, ParamRef *ref)
{
	Analysis   *analysis = pstate->p_ref_hook_state;
	Param	   *param;
	Node	   *node;

	if (ref->number >= 0)
	{
		pstate->p_ref_hook_state = analysis->state;
		node = analysis->refer(pstate, ref);
		pstate->p_ref_hook_state = analysis;
		return node;
	}
	param = makeNode(Param);
	param->paramkind = PARAM_EXTERN;
	param->paramid = ref->number;
	param->paramtype = UNKNOWNOID;
	param->paramtypmod = -1;
	param->location = ref->location;
	return (Node *) param;
}

/* CoerceParamHook: here a literal becomes a value. */
static Node *
coerce_param(ParseState *pstate, Param *param, Oid type, int32 typmod,
			 int location)
{
	Analysis   *analysis = pstate->p_ref_hook_state;
	Node	   *node;

	if (param->paramkind != PARAM_EXTERN || param->paramid >= 0)
	{
		pstate->p_ref_hook_state = analysis->state;
		node = analysis->coerce(pstate, param, type, typmod, location);
		pstate->p_ref_hook_state = analysis;
		return node;
	}

	/* Of a domain only the base type is asked: its own checks come later. */
	if (!trident_search_filter_accepts_type(getBaseType(type)))
		ereport(ERROR,
				(errcode(TRIDENT_ERRCODE_SEARCH_FILTER),
				 errmsg("a constant of type %s is not allowed in a filter",
						format_type_be(type)),
				 errhint("Use constants of built-in types, or add the extension of the type to trident.search_filter_extensions."),
				 parser_errposition(pstate, param->location)));
	return coerce_type(pstate, (Node *) literal_const(analysis, param),
					   UNKNOWNOID, type, typmod, COERCION_IMPLICIT,
					   COERCE_IMPLICIT_CAST, location);
}

/*
 * What the analysis leaves open: literals that nothing has given a type stay
 * text of unknown type; each mention of a parameter gets the type that any of
 * them had inferred, which PREPARE asks of the first, and text if none had.
 */
static Node *
settle_params(Node *node, void *context)
{
	Analysis   *analysis = context;
	Param	   *param;

	if (node == NULL)
		return NULL;
	if (!IsA(node, Param) || ((Param *) node)->paramkind != PARAM_EXTERN)
		return expression_tree_mutator(node, settle_params, context);
	if (((Param *) node)->paramid < 0)
		return (Node *) literal_const(analysis, (Param *) node);

	param = copyObject((Param *) node);
	param->paramtype = analysis->types[param->paramid - 1];
	if (!trident_search_filter_accepts_type(param->paramtype))
		ereport(ERROR,
				(errcode(TRIDENT_ERRCODE_SEARCH_FILTER),
				 errmsg("parameter $%d of the filter has type %s, which is not allowed",
						param->paramid, format_type_be(param->paramtype)),
				 errhint("Cast the parameter to a built-in type, or add the extension of its type to trident.search_filter_extensions."),
				 parser_errposition(analysis->pstate, param->location)));
	param->paramid += analysis->shift;
	return (Node *) param;
}

Node *
trident_search_filter_analyse(ParseState *pstate, Relation rel, Alias *alias,
							  Node *raw, Oid *types, int nparams, int shift)
{
	Analysis	analysis = {
		.pstate = pstate,
		.types = types,
		.ntypes = nparams,
		.shift = shift
	};
	ParseNamespaceItem *item;
	Node	   *expr;

	take_literals(raw, &analysis);
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, alias,
										 true, true);
	addNSItemToQuery(pstate, item, true, true, true);
	setup_parse_variable_parameters(pstate, &analysis.types, &analysis.ntypes);
	analysis.state = pstate->p_ref_hook_state;
	analysis.refer = pstate->p_paramref_hook;
	analysis.coerce = pstate->p_coerce_param_hook;
	pstate->p_ref_hook_state = &analysis;
	pstate->p_paramref_hook = refer_param;
	pstate->p_coerce_param_hook = coerce_param;

	expr = transformExpr(pstate, raw, EXPR_KIND_WHERE);
	expr = coerce_to_boolean(pstate, expr, "filter");
	pstate->p_ref_hook_state = NULL;
	for (int i = 0; i < nparams; i++)
	{
		if (types[i] == InvalidOid || types[i] == UNKNOWNOID)
			types[i] = TEXTOID;
	}
	expr = settle_params(expr, &analysis);
	assign_expr_collations(pstate, expr);
	return expr;
}
