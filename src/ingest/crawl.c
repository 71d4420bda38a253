/*
 * crawl.c
 *	  The folders of a site: listing them, all at once.
 *
 * Several READDIRs of a folder are under way at a time: a server gives a
 * hundred names for each.  Links are not followed, so that there are no
 * loops; what they lead to is ingested by its own path.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "common/hashfn.h"
#include "common/int.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "ingest/name.h"
#include "ingest/run.h"

/* READDIRs of one folder under way at once. */
#define LISTINGS_AHEAD 4

/* Folders that one lane lists at once. */
#define FOLDERS_AHEAD 64

/* With so many images queued, listing pauses; with half of them it goes on. */
#define QUEUE_MAX 20000

/* Longer names no file system has. */
#define NAME_BYTES 255

/* What an entry of the table of known names takes, with its share of it. */
#define KNOWN_BYTES (sizeof(TridentIngestKnown) + 24)

static void on_names(void *owner, void *argument, TridentIngestReply *reply);

char *
trident_ingest_crawl_path(const TridentIngestRun *run, const char *folder, size_t folder_length,
						  const char *name, size_t name_length, size_t *length)
{
	const TridentIngestOptions *options = &run->options;
	char	   *path = palloc(options->path_length + folder_length + name_length + 3);
	char	   *p = path;

	memcpy(p, options->path, options->path_length);
	p += options->path_length;
	if (folder_length > 0)
	{
		if (p == path || p[-1] != '/')
			*p++ = '/';
		memcpy(p, folder, folder_length);
		p += folder_length;
	}
	if (name_length > 0)
	{
		if (p == path || p[-1] != '/')
			*p++ = '/';
		memcpy(p, name, name_length);
		p += name_length;
	}
	*p = '\0';
	*length = (size_t) (p - path);
	return path;
}

void
trident_ingest_crawl_hold(TridentIngestRun *run, int64 bytes)
{
	run->held += bytes;
	if (run->held <= (int64) trident_base_ingest_memory * 1024 ||
		run->failure.kind != TRIDENT_INGEST_FAILURE_NONE)
		return;
	trident_ingest_fail(&run->failure, TRIDENT_INGEST_FAILURE_PERMANENT,
						ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
						"the site has more names than trident.ingest_memory has room for");
	trident_ingest_fail_hint(&run->failure, "Ingest its folders one by one, or raise trident.ingest_memory.");
}

TridentIngestKnown *
trident_ingest_crawl_known(TridentIngestRun *run, const char *folder, const char *name)
{
	const unsigned char *f = (const unsigned char *) folder;
	const unsigned char *n = (const unsigned char *) name;
	uint64		key[2];
	bool		found;
	TridentIngestKnown *known;

	for (int i = 0; i < 2; i++)
		key[i] = hash_bytes_extended(n, (int) strlen(name),
									 hash_bytes_extended(f, (int) strlen(folder), (uint64) i));
	known = hash_search(run->known, key, HASH_ENTER, &found);
	if (!found)
	{
		trident_ingest_crawl_hold(run, KNOWN_BYTES);
		known->is_seen = known->has_row = false;
		known->size = known->modified = -1;
	}
	return known;
}

/* Queue a folder; its path is copied. */
static void
add_folder(TridentIngestRun *run, const char *path, size_t length, int depth)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);
	TridentIngestFolder *folder = palloc0(sizeof(TridentIngestFolder));

	folder->path = pnstrdup(path, length);
	folder->length = length;
	folder->shown = trident_ingest_name_show(path, length);
	trident_ingest_crawl_hold(run, (int64) (GetMemoryChunkSpace(folder) +
											GetMemoryChunkSpace(folder->path) +
											GetMemoryChunkSpace(folder->shown)));
	folder->depth = depth;
	folder->is_known = trident_ingest_crawl_known(run, folder->shown, "/")->has_row;
	dlist_push_tail(&run->folder_queue, &folder->node);
	run->folders_open++;
	trident_job_add(&run->job, TRIDENT_INGEST_FOLDERS_TOTAL, 1);
	trident_ingest_row_folder(run, folder);
	MemoryContextSwitchTo(old);
}

void
trident_ingest_crawl_begin(TridentIngestRun *run)
{
	add_folder(run, "", 0, 0);
}

/* The folder is done with, well or not. */
static void
end_folder(TridentIngestRun *run, TridentIngestFolder *folder)
{
	folder->is_listed = true;
	trident_ingest_lane_progress(run);
	run->folders_open--;
	trident_job_add(&run->job, TRIDENT_INGEST_FOLDERS, 1);
	trident_ingest_row_folder(run, folder);
}

/* It could not be listed: that is recorded, and the others go on. */
static void
fail_folder(TridentIngestRun *run, TridentIngestFolder *folder, uint32 status)
{
	size_t		length;
	char	   *path = trident_ingest_crawl_path(run, folder->path, folder->length, "", 0, &length);

	folder->error = trident_ingest_sftp_status_text(status);
	trident_ingest_row_error(run, folder->depth == 0 ? "site" : "folder", path, length,
							 status == TRIDENT_INGEST_NO_SUCH_FILE ? "no_such_folder" :
							 status == TRIDENT_INGEST_PERMISSION_DENIED ? "permission_denied" : "failure",
							 folder->error);
	if (folder->depth == 0)
	{
		int			code = ERRCODE_IO_ERROR;

		if (status == TRIDENT_INGEST_NO_SUCH_FILE)
			code = ERRCODE_UNDEFINED_FILE;
		else if (status == TRIDENT_INGEST_PERMISSION_DENIED)
			code = ERRCODE_INSUFFICIENT_PRIVILEGE;
		trident_ingest_fail(&run->failure, TRIDENT_INGEST_FAILURE_PERMANENT, code,
							"could not list the site's folder: %s", folder->error);
		trident_ingest_fail_hint(&run->failure, "Look for the path with trident_sftp_list().");
	}
	end_folder(run, folder);
	pfree(path);
}

static void
on_closed(void *owner, void *argument, TridentIngestReply *reply)
{
	/* The handle is gone, whatever the server says of it. */
}

/* Off its lane, the handle given back. */
static void
leave_lane(TridentIngestFolder *folder)
{
	TridentIngestLane *lane = folder->lane;

	if (folder->handle_length > 0)
		trident_ingest_sftp_request(trident_ingest_connection_sftp(lane->connection),
									TRIDENT_INGEST_CLOSE, folder->handle, folder->handle_length,
									on_closed, NULL);
	folder->handle_length = 0;
	lane->open--;
	dlist_delete(&folder->node);
	folder->lane = NULL;
}

/* What is left out for its length is an error of its folder, told once. */
static void
tell_too_long(TridentIngestRun *run, TridentIngestFolder *folder)
{
	size_t		length;
	char	   *path;

	if (folder->has_long_names)
		return;
	folder->has_long_names = true;
	path = trident_ingest_crawl_path(run, folder->path, folder->length, "", 0, &length);
	trident_ingest_row_error(run, "folder", path, length, "name_too_long",
							 "names of more than 255 bytes, and folders with paths of more than "
							 CppAsString2(TRIDENT_INGEST_PATH_MAX) ", are left out");
	pfree(path);
}

/* Queue the folder of that name. */
static void
add_subfolder(TridentIngestRun *run, TridentIngestFolder *folder, const TridentIngestName *name)
{
	size_t		length = folder->length + (folder->length > 0) + name->length;
	char	   *bytes = palloc(length);

	memcpy(bytes, folder->path, folder->length);
	if (folder->length > 0)
		bytes[folder->length] = '/';
	memcpy(bytes + length - name->length, name->name, name->length);
	add_folder(run, bytes, length, folder->depth + 1);
	pfree(bytes);
}

/* One name of a folder. */
static void
take_name(TridentIngestRun *run, TridentIngestFolder *folder, const TridentIngestName *name)
{
	const TridentIngestAttributes *attributes = &name->attributes;
	char	   *shown;
	char	   *path;
	TridentIngestKnown *known;
	bool		is_folder;

	if (name->length == 0 || memchr(name->name, '/', name->length) != NULL ||
		memchr(name->name, '\0', name->length) != NULL ||
		(name->length <= 2 && strncmp(name->name, "..", name->length) == 0))
		return;
	if (name->length > NAME_BYTES)
	{
		tell_too_long(run, folder);
		return;
	}
	shown = trident_ingest_name_show(name->name, name->length);
	known = trident_ingest_crawl_known(run, folder->shown, shown);
	if (known->is_seen)
	{
		pfree(shown);
		return;
	}
	known->is_seen = true;
	path = folder->length > 0 ? psprintf("%s/%s", folder->shown, shown) : pstrdup(shown);

	/* A server that tells no mode: what looks like an image is taken for one. */
	is_folder = attributes->has_mode ? S_ISDIR(attributes->mode) : strchr(shown, '.') == NULL;
	if (is_folder)
	{
		if (run->options.recursive && folder->depth < run->options.max_depth &&
			trident_ingest_pattern_takes_folder(&run->options, path, shown))
		{
			if (strlen(path) > TRIDENT_INGEST_PATH_MAX)
				tell_too_long(run, folder);
			else
				add_subfolder(run, folder, name);
		}
	}
	else if (!attributes->has_mode || S_ISREG(attributes->mode))
	{
		folder->files++;
		if (pg_add_s64_overflow(folder->bytes, (int64) Min(attributes->size, (uint64) PG_INT64_MAX),
								&folder->bytes))
			folder->bytes = PG_INT64_MAX;
		if (trident_ingest_pattern_takes_image(&run->options, path, shown))
		{
			folder->images++;
			trident_ingest_image_add(run, folder, name);
		}
	}
	pfree(path);
	pfree(shown);
}

/* Keep READDIRs under way; pause while too many images are queued. */
static void
ask_names(TridentIngestRun *run, TridentIngestFolder *folder)
{
	while (!folder->at_end && folder->pending < LISTINGS_AHEAD && run->images_queued < QUEUE_MAX)
	{
		trident_ingest_sftp_request(trident_ingest_connection_sftp(folder->lane->connection),
									TRIDENT_INGEST_READDIR, folder->handle, folder->handle_length,
									on_names, folder);
		folder->pending++;
	}
	if (folder->pending > 0)
		return;
	if (folder->at_end)
	{
		leave_lane(folder);
		end_folder(run, folder);
	}
}

static void
on_names(void *owner, void *argument, TridentIngestReply *reply)
{
	TridentIngestFolder *folder = argument;
	TridentIngestRun *run = folder->lane->run;
	TridentIngestName name;

	folder->pending--;
	if (reply->type == TRIDENT_INGEST_LOST)
		return;
	if (reply->type == TRIDENT_INGEST_NAME && reply->count > 0)
	{
		while (run->failure.kind == TRIDENT_INGEST_FAILURE_NONE &&
			   trident_ingest_sftp_next_name(reply, &name))
			take_name(run, folder, &name);
	}
	else
	{
		folder->at_end = true;
		if (reply->type == TRIDENT_INGEST_STATUS && reply->status != TRIDENT_INGEST_EOF)
			folder->error = trident_ingest_sftp_status_text(reply->status);
	}
	ask_names(run, folder);
}

static void
on_opened(void *owner, void *argument, TridentIngestReply *reply)
{
	TridentIngestFolder *folder = argument;
	TridentIngestLane *lane = folder->lane;
	TridentIngestRun *run = lane->run;

	folder->pending--;
	if (reply->type == TRIDENT_INGEST_LOST)
		return;
	if (reply->type == TRIDENT_INGEST_HANDLE)
	{
		memcpy(folder->handle, reply->data, reply->length);
		folder->handle_length = reply->length;
		ask_names(run, folder);
		return;
	}

	/* FAILURE is also what a server says that has no handle left. */
	leave_lane(folder);
	if (reply->status == TRIDENT_INGEST_FAILURE && lane->open > 0 &&
		folder->attempts < TRIDENT_INGEST_ATTEMPTS_MAX)
	{
		trident_ingest_lane_shrink(lane);
		trident_job_add(&run->job, TRIDENT_INGEST_RETRIES, 1);
		dlist_push_head(&run->folder_queue, &folder->node);
	}
	else
		fail_folder(run, folder, reply->status ? reply->status : TRIDENT_INGEST_FAILURE);
}

void
trident_ingest_crawl_dispatch(TridentIngestRun *run, TridentIngestLane *lane)
{
	TridentIngestSftp *sftp = trident_ingest_connection_sftp(lane->connection);
	dlist_iter	iter;
	int			under_way = 0;

	dlist_foreach(iter, &lane->folders)
	{
		TridentIngestFolder *folder = dlist_container(TridentIngestFolder, node, iter.cur);

		under_way++;
		/* One that paused. */
		if (folder->handle_length > 0 && folder->pending == 0 &&
			run->images_queued < QUEUE_MAX / 2)
		{
			ask_names(run, folder);
			break;
		}
	}
	while (!dlist_is_empty(&run->folder_queue) && run->images_queued < QUEUE_MAX &&
		   under_way < FOLDERS_AHEAD && trident_ingest_lane_has_room(lane))
	{
		TridentIngestFolder *folder = dlist_container(TridentIngestFolder, node,
													  dlist_pop_head_node(&run->folder_queue));
		size_t		length;
		char	   *path = trident_ingest_crawl_path(run, folder->path, folder->length, "", 0, &length);

		folder->lane = lane;
		folder->attempts++;
		folder->at_end = false;
		folder->pending = 1;
		dlist_push_tail(&lane->folders, &folder->node);
		lane->open++;
		under_way++;
		trident_ingest_sftp_request(sftp, TRIDENT_INGEST_OPENDIR, path, (uint32) length,
									on_opened, folder);
		pfree(path);
	}
}

void
trident_ingest_crawl_lost(TridentIngestRun *run, TridentIngestLane *lane, bool counts)
{
	while (!dlist_is_empty(&lane->folders))
	{
		TridentIngestFolder *folder = dlist_container(TridentIngestFolder, node,
													  dlist_pop_head_node(&lane->folders));

		folder->lane = NULL;
		folder->handle_length = 0;
		folder->pending = 0;
		lane->open--;
		trident_job_add(&run->job, TRIDENT_INGEST_RETRIES, 1);
		if (!counts)
			folder->attempts--;
		if (folder->attempts >= TRIDENT_INGEST_ATTEMPTS_MAX)
			fail_folder(run, folder, TRIDENT_INGEST_CONNECTION_LOST);
		else
			dlist_push_head(&run->folder_queue, &folder->node);
	}
}
