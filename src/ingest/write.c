/*
 * write.c
 *	  Rows of a run: read and written as the role that the job is for.
 *
 * One transaction each.  Row security and rights are those of that role; the
 * search_path is pg_catalog, so that no function of a user is called.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/sql.h"
#include "base/worker.h"
#include "ingest/name.h"
#include "ingest/run.h"

/* No statement here takes long; one that waits for a lock is given up. */
#define STATEMENT_TIMEOUT_MS 60000

/* A transaction of the job's owner. */
typedef struct Work
{
	TridentBaseSql sql;
	char		site[32];
} Work;

/* Begin one; results of queries go to the context. */
static void
begin(TridentIngestRun *run, Work *work, MemoryContext context)
{
	trident_base_worker_begin(STATEMENT_TIMEOUT_MS);
	MemoryContextSwitchTo(context);
	SetUserIdAndSecContext(run->job.owner, SECURITY_LOCAL_USERID_CHANGE);
	trident_base_sql_begin(&work->sql);
	pg_snprintf(work->site, sizeof(work->site), INT64_FORMAT, run->site);
}

/* What follows in the transaction is done as the worker. */
static void
leave_owner(Work *work)
{
	trident_base_sql_end(&work->sql);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, 0);
}

static void
commit(TridentIngestRun *run, Work *work)
{
	leave_owner(work);
	trident_base_worker_commit();
	MemoryContextSwitchTo(run->context);
}

/*
 * An array that has been filled element by element, closed.  It may have been
 * closed by a transaction that failed.
 */
static const char *
closed_array(StringInfo json)
{
	if (json->len == 0)
		appendStringInfoString(json, "[]");
	else if (json->data[json->len - 1] != ']')
		appendStringInfoChar(json, ']');
	return json->data;
}

void
trident_ingest_write_begin(TridentIngestRun *run)
{
	const TridentIngestOptions *options = &run->options;
	char	   *shown = trident_ingest_name_show(options->path, options->path_length);
	bool		differs = strlen(shown) != options->path_length;
	const char *values[3];
	TridentBaseRows *rows;
	Work		work;

	begin(run, &work, run->context);
	values[0] = options->source;
	values[1] = shown;
	values[2] = NULL;
	if (differs)
	{
		bytea	   *bytes = palloc(VARHDRSZ + options->path_length);

		SET_VARSIZE(bytes, VARHDRSZ + options->path_length);
		memcpy(VARDATA(bytes), options->path, options->path_length);
		values[2] = DatumGetCString(DirectFunctionCall1(byteaout, PointerGetDatum(bytes)));
	}
	run->site = pg_strtoint64(trident_base_sql_value("INSERT INTO trident.site (owner, source, path, path_bytes)"
													 " VALUES (current_user, $1::name, $2, $3::bytea)"
													 " ON CONFLICT (owner, source, path) DO UPDATE SET source = EXCLUDED.source"
													 " RETURNING id::text", 3, values));
	pg_snprintf(work.site, sizeof(work.site), INT64_FORMAT, run->site);
	values[0] = work.site;
	rows = trident_base_sql_rows("SELECT path FROM trident.site_folder WHERE site = $1::bigint", 1, values);
	for (int i = 0; i < rows->nrows; i++)
		trident_ingest_crawl_known(run, rows->value[i][0], "/")->has_row = true;
	commit(run, &work);
}

/* Folders with rows that are to be listed, or are being listed: as JSON. */
static char *
unloaded_folders(TridentIngestRun *run)
{
	StringInfoData json;
	dlist_iter	lane_iter;
	dlist_iter	iter;

	initStringInfo(&json);
	dlist_foreach(lane_iter, &run->lanes)
	{
		TridentIngestLane *lane = dlist_container(TridentIngestLane, node, lane_iter.cur);

		dlist_foreach(iter, &lane->folders)
		{
			TridentIngestFolder *folder = dlist_container(TridentIngestFolder, node, iter.cur);

			if (!folder->is_known || folder->is_loaded)
				continue;
			folder->is_loaded = true;
			appendStringInfoChar(&json, json.len == 0 ? '[' : ',');
			escape_json(&json, folder->shown);
		}
	}
	if (json.len == 0)
		return NULL;
	appendStringInfoChar(&json, ']');
	return json.data;
}

void
trident_ingest_write_load(TridentIngestRun *run)
{
	MemoryContext load = AllocSetContextCreate(run->context, "trident ingest load",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(load);
	const char *values[2];
	TridentBaseRows *rows;
	Work		work;

	values[1] = unloaded_folders(run);
	if (values[1])
	{
		begin(run, &work, load);
		values[0] = work.site;
		rows = trident_base_sql_rows("SELECT f.path, p.name, p.size::text, extract(epoch FROM p.modified)::bigint::text"
									 " FROM trident.site_folder f JOIN trident.photo p ON p.folder = f.id"
									 " WHERE f.site = $1::bigint AND p.site = f.site AND p.status <> 'error'"
									 " AND p.modified IS NOT NULL"
									 " AND f.path IN (SELECT jsonb_array_elements_text($2::jsonb))",
									 2, values);
		for (int i = 0; i < rows->nrows; i++)
		{
			char	  **row = rows->value[i];
			TridentIngestKnown *known = trident_ingest_crawl_known(run, row[0], row[1]);

			known->has_row = true;
			known->size = pg_strtoint64(row[2]);
			known->modified = pg_strtoint64(row[3]);
		}
		commit(run, &work);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(load);
}

/* Columns of a photo as they come in JSON. */
#define PHOTO_COLUMNS \
	"folder text, name text, name_bytes text, size bigint, modified bigint, status text," \
	" reason text, bytes_read int, reads int, captured_at bigint, captured_local bigint," \
	" captured_zone text, make text, model text, latitude float8, longitude float8," \
	" position_source text, altitude_m float8, altitude_source text," \
	" relative_altitude_m float8, direction float8, direction_ref text"

/*
 * The folder is looked up row by row: a join with it is taken for one row, and
 * what comes after it for nested loops over hundreds.  Returned is a folder
 * that has no row.
 */
static const char write_photos[] =
"WITH input AS MATERIALIZED ("
" SELECT (SELECT f.id FROM trident.site_folder f WHERE f.site = $1::bigint AND f.path = x.folder) AS folder_id,"
" x.* FROM jsonb_to_recordset($2::jsonb) AS x (" PHOTO_COLUMNS ")"
"), written AS ("
" INSERT INTO trident.photo (site, folder, name, name_bytes, size, modified, status, reason,"
" captured_at, captured_local, captured_zone, make, model, bytes_read, reads)"
" SELECT $1::bigint, folder_id, name, name_bytes::bytea, size, to_timestamp(modified), status, reason,"
" timestamptz 'epoch' + captured_at * interval '1 microsecond',"
" timestamp 'epoch' + captured_local * interval '1 microsecond',"
" captured_zone, make, model, bytes_read, reads FROM input WHERE folder_id IS NOT NULL"
" ON CONFLICT (folder, name) DO UPDATE SET name_bytes = EXCLUDED.name_bytes, size = EXCLUDED.size,"
" modified = EXCLUDED.modified, status = EXCLUDED.status, reason = EXCLUDED.reason,"
" captured_at = EXCLUDED.captured_at, captured_local = EXCLUDED.captured_local,"
" captured_zone = EXCLUDED.captured_zone, make = EXCLUDED.make, model = EXCLUDED.model,"
" bytes_read = EXCLUDED.bytes_read, reads = EXCLUDED.reads, ingested_at = now()"
" RETURNING id, folder, name"
"), gone AS ("
" DELETE FROM trident.gps_point g USING written w JOIN input i ON i.folder_id = w.folder AND i.name = w.name"
" WHERE g.photo = w.id AND i.latitude IS NULL"
"), placed AS ("
" INSERT INTO trident.gps_point (photo, site, folder, latitude, longitude, position_source, altitude_m,"
" altitude_source, relative_altitude_m, direction, direction_ref)"
" SELECT w.id, $1::bigint, w.folder, i.latitude, i.longitude, i.position_source, i.altitude_m,"
" i.altitude_source, i.relative_altitude_m, i.direction, i.direction_ref::\"char\""
" FROM written w JOIN input i ON i.folder_id = w.folder AND i.name = w.name"
" WHERE i.latitude IS NOT NULL"
" ON CONFLICT (photo) DO UPDATE SET latitude = EXCLUDED.latitude, longitude = EXCLUDED.longitude,"
" position_source = EXCLUDED.position_source, altitude_m = EXCLUDED.altitude_m,"
" altitude_source = EXCLUDED.altitude_source, relative_altitude_m = EXCLUDED.relative_altitude_m,"
" direction = EXCLUDED.direction, direction_ref = EXCLUDED.direction_ref"
") SELECT folder FROM input WHERE folder_id IS NULL LIMIT 1";

static const char write_folders[] =
"INSERT INTO trident.site_folder (site, path, path_bytes, files, images, bytes, error, listed_at)"
" SELECT $1::bigint, path, path_bytes::bytea, files, images, bytes, error,"
" CASE WHEN listed THEN clock_timestamp() END"
" FROM jsonb_to_recordset($2::jsonb) AS x (path text, path_bytes text, files bigint, images bigint,"
" bytes bigint, error text, listed boolean)"
" ON CONFLICT (site, path) DO UPDATE SET files = EXCLUDED.files, images = EXCLUDED.images,"
" bytes = EXCLUDED.bytes, error = EXCLUDED.error, listed_at = EXCLUDED.listed_at"
" WHERE EXCLUDED.listed_at IS NOT NULL";

static const char write_errors[] =
"WITH gone AS (DELETE FROM trident.ingest_error WHERE site = $1::bigint"
" AND (path IN (SELECT jsonb_array_elements_text($4::jsonb)) OR path IN (SELECT x.path FROM"
" jsonb_to_recordset($2::jsonb) AS x (path text))))"
" INSERT INTO trident.ingest_error (owner, job, site, path, path_bytes, kind, reason, detail)"
" SELECT current_user, $3::bigint, $1::bigint, path, path_bytes::bytea, kind, reason, detail"
" FROM jsonb_to_recordset($2::jsonb) AS x (path text, path_bytes text, kind text, reason text, detail text)";

/* Within a transaction: write all rows there are. */
static void
write_rows(TridentIngestRun *run, Work *work)
{
	char		job[32];
	const char *values[4];

	pg_snprintf(job, sizeof(job), INT64_FORMAT, run->job.id);
	values[0] = work->site;
	if (!dlist_is_empty(&run->dirty))
	{
		values[1] = trident_ingest_row_folders(run);
		trident_base_sql_run(write_folders, 2, values);
	}
	if (run->photos.len > 0)
	{
		const char *gone;

		values[1] = closed_array(&run->photos);
		gone = trident_base_sql_value(write_photos, 2, values);
		if (gone)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the row of folder \"%s\" was deleted while the job ran", gone),
					 errhint("Submit the job again: what it has written is not read again.")));
		run->has_written = true;
	}
	if (run->errors.len > 0 || run->tried.len > 0)
	{
		values[1] = closed_array(&run->errors);
		values[2] = job;
		values[3] = closed_array(&run->tried);
		trident_base_sql_run(write_errors, 4, values);
	}
	resetStringInfo(&run->photos);
	resetStringInfo(&run->errors);
	resetStringInfo(&run->tried);
	run->rows = 0;
	run->written_ms = trident_ingest_now_ms();
}

void
trident_ingest_write_flush(TridentIngestRun *run)
{
	MemoryContext flush = AllocSetContextCreate(run->context, "trident ingest flush",
												ALLOCSET_DEFAULT_SIZES);
	Work		work;

	begin(run, &work, flush);
	/* What is lost in a crash is found unwritten by the run that resumes. */
	trident_base_sql_run("SET LOCAL synchronous_commit = off", 0, NULL);
	write_rows(run, &work);
	leave_owner(&work);
	trident_job_save(&run->job);
	trident_job_notify(&run->job);
	trident_base_worker_commit();
	MemoryContextSwitchTo(run->context);
	MemoryContextDelete(flush);
	TRIDENT_FAULT("ingest_flushed");
}

static const char count_points[] =
"UPDATE trident.site_folder f SET points = coalesce(c.n, 0) FROM trident.site_folder s LEFT JOIN ("
" SELECT g.folder, count(*) AS n FROM trident.gps_point g WHERE g.site = $1::bigint GROUP BY g.folder) c"
" ON c.folder = s.id WHERE s.site = $1::bigint AND f.id = s.id AND f.points <> coalesce(c.n, 0)";

void
trident_ingest_write_end(TridentIngestRun *run)
{
	const TridentIngestFailure *failure = &run->failure;
	TridentJobError error = {failure->sqlstate, failure->message, failure->detail, failure->hint};
	const char *site;
	Work		work;

	begin(run, &work, run->context);
	site = work.site;
	if (run->site != 0 && !run->options.dry_run)
	{
		write_rows(run, &work);
		if (run->has_written)
			trident_base_sql_run(count_points, 1, &site);
		if (run->state == TRIDENT_JOB_DONE)
			trident_base_sql_run("UPDATE trident.site SET ingested_at = clock_timestamp() WHERE id = $1::bigint",
								 1, &site);
	}
	leave_owner(&work);
	trident_job_finish(&run->job, run->state, run->state == TRIDENT_JOB_FAILED ? &error : NULL);
	trident_base_worker_commit();
	trident_job_publish(&run->job, run->state);
}
