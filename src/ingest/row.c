/*
 * row.c
 *	  What a run has found, as JSON that write.c turns into rows.
 */
#include "postgres.h"

#include <math.h>

#include "utils/json.h"
#include "utils/timestamp.h"

#include "ingest/name.h"
#include "ingest/run.h"

/* The comma between array elements; the array is opened with the first. */
static void
next_element(StringInfo json)
{
	appendStringInfoChar(json, json->len == 0 ? '[' : ',');
}

static void
put_text(StringInfo json, const char *key, const char *value)
{
	appendStringInfo(json, ",\"%s\":", key);
	if (value)
		escape_json(json, value);
	else
		appendStringInfoString(json, "null");
}

/* A name as text and, where that changed anything, as bytes too. */
static void
put_name(StringInfo json, const char *key, const char *bytes, size_t length)
{
	char	   *shown = trident_ingest_name_show(bytes, length);

	put_text(json, key, shown);
	if (strlen(shown) != length || memcmp(shown, bytes, length) != 0)
	{
		appendStringInfo(json, ",\"%s_bytes\":\"\\\\x", key);
		for (size_t i = 0; i < length; i++)
			appendStringInfo(json, "%02x", (unsigned char) bytes[i]);
		appendStringInfoChar(json, '"');
	}
	pfree(shown);
}

static void
put_double(StringInfo json, const char *key, double value)
{
	if (isfinite(value))
		appendStringInfo(json, ",\"%s\":%.17g", key, value);
}

/* Text out of a file, which may be in any encoding. */
static void
put_foreign_text(StringInfo json, const char *key, const char *value)
{
	char	   *shown;

	if (value[0] == '\0')
		return;
	shown = trident_ingest_name_show(value, strlen(value));
	put_text(json, key, shown);
	pfree(shown);
}

/* What the parser found. */
static void
put_result(StringInfo json, const TridentExifResult *result)
{
	if (result->has_captured_at)
		appendStringInfo(json, ",\"captured_at\":" INT64_FORMAT, result->captured_at_us);
	if (result->has_captured_local)
		appendStringInfo(json, ",\"captured_local\":" INT64_FORMAT, result->captured_local_us);
	put_text(json, "captured_zone", trident_exif_zone_name(result->zone));
	put_foreign_text(json, "make", result->make);
	put_foreign_text(json, "model", result->model);
	if (result->status != TRIDENT_EXIF_FOUND)
		return;
	put_double(json, "latitude", result->latitude);
	put_double(json, "longitude", result->longitude);
	put_text(json, "position_source", trident_exif_source_name(result->position_source));
	if (result->altitude_source != TRIDENT_EXIF_SOURCE_NONE)
	{
		put_double(json, "altitude_m", result->altitude_m);
		put_text(json, "altitude_source", trident_exif_source_name(result->altitude_source));
	}
	if (result->has_relative_altitude)
		put_double(json, "relative_altitude_m", result->relative_altitude_m);
	if (result->direction_ref != 0)
	{
		char		ref[2] = {result->direction_ref, '\0'};

		put_double(json, "direction", result->direction);
		put_text(json, "direction_ref", ref);
	}
}

void
trident_ingest_row_photo(TridentIngestRun *run, const TridentIngestImage *image,
						 const TridentExifResult *result, const char *error)
{
	const TridentIngestFolder *folder = image->folder;
	StringInfo	json = &run->photos;
	const char *reason = error ? error : trident_exif_reason_name(result->reason);
	bool		is_failure = error || result->status == TRIDENT_EXIF_INVALID;
	size_t		length;
	char	   *path = trident_ingest_crawl_path(run, folder->path, folder->length,
												 image->name, image->length, &length);
	char	   *shown = trident_ingest_name_show(path, length);

	next_element(json);
	appendStringInfoString(json, "{\"x\":0");
	put_text(json, "folder", folder->shown);
	put_name(json, "name", image->name, image->length);
	appendStringInfo(json, ",\"size\":" INT64_FORMAT,
					 image->size == TRIDENT_EXIF_SIZE_UNKNOWN ? 0 :
					 (int64) Min(image->size, PG_INT64_MAX));
	if (image->has_times)
		appendStringInfo(json, ",\"modified\":%u", image->modified);
	put_text(json, "status", error ? "error" : trident_exif_status_name(result->status));
	put_text(json, "reason", reason);
	appendStringInfo(json, ",\"bytes_read\":%d,\"reads\":%d", image->bytes_read, image->count);
	if (result)
		put_result(json, result);
	appendStringInfoChar(json, '}');

	/* An earlier error of this image is no more. */
	next_element(&run->tried);
	escape_json(&run->tried, shown);
	run->rows++;
	if (is_failure)
		trident_ingest_row_error(run, "image", path, length, reason, NULL);
	pfree(shown);
	pfree(path);
}

void
trident_ingest_row_error(TridentIngestRun *run, const char *kind, const char *path,
						 size_t length, const char *reason, const char *detail)
{
	next_element(&run->errors);
	appendStringInfoString(&run->errors, "{\"x\":0");
	put_text(&run->errors, "kind", kind);
	put_name(&run->errors, "path", path, length);
	put_text(&run->errors, "reason", reason);
	put_text(&run->errors, "detail", detail);
	appendStringInfoChar(&run->errors, '}');
	run->rows++;
	trident_job_add(&run->job, TRIDENT_INGEST_ERRORS, 1);
}

void
trident_ingest_row_folder(TridentIngestRun *run, TridentIngestFolder *folder)
{
	if (folder->is_dirty)
		return;
	folder->is_dirty = true;
	dlist_push_tail(&run->dirty, &folder->dirty);
}

char *
trident_ingest_row_folders(TridentIngestRun *run)
{
	StringInfoData json;

	initStringInfo(&json);
	while (!dlist_is_empty(&run->dirty))
	{
		TridentIngestFolder *folder = dlist_container(TridentIngestFolder, dirty,
													  dlist_pop_head_node(&run->dirty));

		folder->is_dirty = false;
		next_element(&json);
		appendStringInfo(&json, "{\"listed\":%s,\"files\":" INT64_FORMAT ",\"images\":" INT64_FORMAT
						 ",\"bytes\":" INT64_FORMAT, folder->is_listed ? "true" : "false",
						 folder->files, folder->images, folder->bytes);
		put_name(&json, "path", folder->path, folder->length);
		put_text(&json, "error", folder->error);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoString(&json, json.len == 0 ? "[]" : "]");
	return json.data;
}
