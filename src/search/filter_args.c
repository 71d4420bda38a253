/*
 * filter_args.c
 *	  The elements of filter_args as values of SQL types.
 *
 * A value goes through the input function of its type, as a literal of SQL
 * does: a JSON string by its characters, a number or a boolean by its text, a
 * JSON array by the text of an array where the parameter is one, and null is
 * NULL.  Parameters of type json and jsonb take the element as it is.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "search/search.h"

/* Tells which parameter an input function refused. */
static void
param_error_context(void *arg)
{
	errcontext("parameter $%d of the filter", *(int *) arg);
}

/* A JSON value as text that the input function of a type other than an array
 * reads; NULL for null. */
static char *
scalar_text(const JsonbValue *value, Oid type)
{
	if (value->type == jbvNull)
		return NULL;
	if (type == JSONBOID || type == JSONOID)
	{
		Jsonb	   *json = JsonbValueToJsonb(unconstify(JsonbValue *, value));

		return JsonbToCString(NULL, &json->root, VARSIZE(json));
	}
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return JsonbToCString(NULL, value->val.binary.data,
								  value->val.binary.len);
	}
}

static void
append_quoted(StringInfo out, const char *text)
{
	appendStringInfoChar(out, '"');
	for (; *text; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, '"');
}

/* Appends the text of an array of that element type: {"1",NULL,"a b"}. */
static void
append_array(StringInfo out, JsonbContainer *array, Oid element, char delimiter)
{
	int			n = JsonContainerSize(array);

	check_stack_depth();
	appendStringInfoChar(out, '{');
	for (int i = 0; i < n; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(array, i);
		bool		is_array = value->type == jbvBinary &&
			JsonContainerIsArray(value->val.binary.data);

		if (i > 0)
			appendStringInfoChar(out, delimiter);
		if (value->type == jbvNull)
			appendStringInfoString(out, "NULL");
		else if (is_array && element != JSONBOID && element != JSONOID)
			append_array(out, value->val.binary.data, element, delimiter);
		else
			append_quoted(out, scalar_text(value, element));
	}
	appendStringInfoChar(out, '}');
}

/* A JSON value as text that the input function of the type reads. */
static char *
value_text(const JsonbValue *value, Oid type)
{
	Oid			element = get_element_type(type);
	StringInfoData out;
	int16		length;
	bool		by_value;
	char		align;
	char		delimiter;
	Oid			ioparam;
	Oid			function;

	if (!OidIsValid(element) || value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		return scalar_text(value, type);

	get_type_io_data(element, IOFunc_input, &length, &by_value, &align,
					 &delimiter, &ioparam, &function);
	initStringInfo(&out);
	append_array(&out, value->val.binary.data, element, delimiter);
	return out.data;
}

/* The highest $n of an expression as it was parsed, into *(int *) highest. */
static bool
find_highest(Node *node, void *highest)
{
	if (node == NULL)
		return false;
	if (IsA(node, ParamRef))
		*(int *) highest = Max(*(int *) highest, ((ParamRef *) node)->number);
	return raw_expression_tree_walker(node, find_highest, highest);
}

int
trident_search_filter_check_args(Node *raw, Jsonb *args)
{
	int			used = 0;
	int			given = 0;

	if (args)
	{
		if (!JB_ROOT_IS_ARRAY(args) || JB_ROOT_IS_SCALAR(args))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("filter_args is not a JSON array"),
					 errhint("Pass an array with one element for each parameter, as in '[10, \"red\"]'.")));
		given = JB_ROOT_COUNT(args);
	}
	find_highest(raw, &used);
	if (given != used)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of elements of filter_args (%d) does not match the number of parameters of the filter (%d)",
						given, used),
				 errhint("Pass a JSON array with one element for each parameter $1, $2 ... as filter_args.")));
	return used;
}

void
trident_search_filter_bind(TridentSearchFilter *filter, Jsonb *args)
{
	ErrorContextCallback callback;
	int			number;

	filter->values = palloc0(sizeof(Datum) * (filter->nparams + 1));
	filter->nulls = palloc0(sizeof(bool) * (filter->nparams + 1));

	callback.callback = param_error_context;
	callback.arg = &number;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	for (number = 1; number <= filter->nparams; number++)
	{
		int			i = number - 1;
		JsonbValue *value = getIthJsonbValueFromContainer(&args->root, i);
		char	   *text = value_text(value, filter->types[i]);
		Oid			function;
		Oid			ioparam;

		getTypeInputInfo(filter->types[i], &function, &ioparam);
		filter->values[i] = OidInputFunctionCall(function, text, ioparam, -1);
		filter->nulls[i] = text == NULL;
	}
	error_context_stack = callback.previous;
}
