/*
 * start.c
 *	  trident_ingest: check what is asked for, and submit it as a job.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "base/shmem.h"
#include "ingest/name.h"
#include "ingest/start.h"

/* The value of a key in an object; NULL: there is none, or it is null. */
static JsonbValue *
member(Jsonb *object, const char *key)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&object->root, key, (int) strlen(key), NULL);

	return value && value->type != jbvNull ? value : NULL;
}

static char *
text_member(Jsonb *object, const char *key)
{
	JsonbValue *value = member(object, key);

	return value ? pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

static bool
bool_member(Jsonb *object, const char *key)
{
	JsonbValue *value = member(object, key);

	return value && value->val.boolean;
}

static int
int_member(Jsonb *object, const char *key, int absent)
{
	JsonbValue *value = member(object, key);

	if (!value)
		return absent;
	return DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric)));
}

static List *
array_member(Jsonb *object, const char *key)
{
	JsonbValue *value = member(object, key);
	JsonbIterator *iterator;
	JsonbValue	element;
	JsonbIteratorToken token;
	List	   *list = NIL;

	if (!value)
		return NIL;
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			list = lappend(list, pnstrdup(element.val.string.val, element.val.string.len));
	}
	return list;
}

void
trident_ingest_start_options(const char *arguments, TridentIngestOptions *options)
{
	Jsonb	   *object = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(arguments)));
	char	   *xmp = text_member(object, "xmp");
	TridentIngestSettings here = trident_ingest_source_settings();

	options->source = text_member(object, "source");
	options->path = trident_ingest_name_parse(text_member(object, "path"), &options->path_length);
	options->recursive = bool_member(object, "recursive");
	options->max_depth = int_member(object, "max_depth", 0);
	options->settings.connect_timeout_ms = int_member(object, "connect_timeout", here.connect_timeout_ms);
	options->settings.request_timeout_ms = int_member(object, "request_timeout", here.request_timeout_ms);
	options->settings.connections = int_member(object, "connections", here.connections);
	options->settings.files = int_member(object, "files", here.files);
	options->include = array_member(object, "include");
	options->exclude = array_member(object, "exclude");
	options->dry_run = bool_member(object, "dry_run");
	options->xmp = strcmp(xmp, "always") == 0 ? TRIDENT_EXIF_XMP_ALWAYS :
		strcmp(xmp, "never") == 0 ? TRIDENT_EXIF_XMP_NEVER : TRIDENT_EXIF_XMP_AUTO;
}

/* Append an array of text as JSON. */
static void
put_array(StringInfo json, const char *key, ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	appendStringInfo(json, ", \"%s\": [", key);
	for (int i = 0; i < n; i++)
	{
		char	   *pattern = nulls[i] ? NULL : TextDatumGetCString(elements[i]);

		if (!pattern || pattern[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" of trident_ingest has an empty pattern", key),
					 errhint("Give patterns such as *.jpg or raw/*.")));
		if (i > 0)
			appendStringInfoChar(json, ',');
		escape_json(json, pattern);
	}
	appendStringInfoChar(json, ']');
}

/* Errors that can be told at once are: the job itself would fail by them. */
static void
check_arguments(FunctionCallInfo fcinfo, const char *path, int max_depth, const char *xmp)
{
	size_t		length;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		/* include may be absent. */
		if (PG_ARGISNULL(i) && i != 4)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("arguments of trident_ingest other than include must not be null"),
					 errhint("Leave an argument out for its default.")));
	}
	if (strlen(path) > TRIDENT_INGEST_PATH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path must not be longer than %d bytes", TRIDENT_INGEST_PATH_MAX),
				 errhint("Name a folder by a shorter path, such as one that a link on the server gives it.")));
	(void) trident_ingest_name_parse(path, &length);
	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path must not be empty"),
				 errhint("Name a folder; '.' is that of the login.")));
	if (max_depth < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_depth must not be negative"),
				 errhint("Give 0 for the images of the folder itself, or how many levels of folders below it to enter.")));
	if (strcmp(xmp, "auto") != 0 && strcmp(xmp, "always") != 0 && strcmp(xmp, "never") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("xmp cannot be \"%s\"", xmp),
				 errhint("Give auto, always or never.")));
}

PG_FUNCTION_INFO_V1(trident_ingest);

/*
 * (source, path, recursive, max_depth, include, exclude, dry_run, xmp)
 */
Datum
trident_ingest(PG_FUNCTION_ARGS)
{
	TridentIngestSettings settings = trident_ingest_source_settings();
	StringInfoData json;
	char	   *source;
	char	   *path;
	char	   *xmp;

	trident_base_require_preload("trident_ingest()");
	source = PG_ARGISNULL(0) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(0));
	path = PG_ARGISNULL(1) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(1));
	xmp = PG_ARGISNULL(7) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(7));
	check_arguments(fcinfo, path, PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3), xmp);

	/* What the caller may not use is refused here, not in the background. */
	(void) trident_ingest_source_load(source, GetUserId(), &settings);

	/* One site, however its path is written. */
	while (strlen(path) > 1 && path[strlen(path) - 1] == '/')
		path[strlen(path) - 1] = '\0';

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"source\": ");
	escape_json(&json, source);
	appendStringInfoString(&json, ", \"path\": ");
	escape_json(&json, path);
	appendStringInfo(&json, ", \"recursive\": %s, \"max_depth\": %d, \"dry_run\": %s, \"xmp\": ",
					 PG_GETARG_BOOL(2) ? "true" : "false", PG_GETARG_INT32(3),
					 PG_GETARG_BOOL(6) ? "true" : "false");
	escape_json(&json, xmp);
	if (!PG_ARGISNULL(4))
		put_array(&json, "include", PG_GETARG_ARRAYTYPE_P(4));
	put_array(&json, "exclude", PG_GETARG_ARRAYTYPE_P(5));
	appendStringInfo(&json, ", \"connect_timeout\": %d, \"request_timeout\": %d, \"connections\": %d, \"files\": %d",
					 settings.connect_timeout_ms, settings.request_timeout_ms,
					 settings.connections, settings.files);
	appendStringInfoChar(&json, '}');
	PG_RETURN_INT64(trident_job_submit(trident_ingest_job_kind(), json.data));
}
