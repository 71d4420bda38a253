/*
 * image.c
 *	  Images: opened, read as far as the parser needs, and done.
 *
 * The head is read first.  Where the parser names a range that it still needs,
 * that range is read while the handle is open: as one READ, or as several
 * where the server gives less at once.  A READ that is answered with less is
 * made again for the rest; the end of the file ends the range.  One that fails
 * fails the image, once those beside it are answered.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/guc.h"
#include "ingest/name.h"
#include "ingest/run.h"

/* A READ under way: part of the range that an image is reading. */
typedef struct Piece
{
	TridentIngestImage *image;
	uint64		start;			/* within the range */
	uint32		length;
} Piece;

static void on_data(void *owner, void *argument, TridentIngestReply *reply);

/* What an image takes while it is queued. */
static int64
memory_of(const TridentIngestImage *image)
{
	return (int64) (GetMemoryChunkSpace(unconstify(TridentIngestImage *, image)) +
					GetMemoryChunkSpace(image->name));
}

void
trident_ingest_image_add(TridentIngestRun *run, TridentIngestFolder *folder,
						 const TridentIngestName *name)
{
	const TridentIngestAttributes *attributes = &name->attributes;
	char	   *shown = trident_ingest_name_show(name->name, name->length);
	TridentIngestKnown *known = trident_ingest_crawl_known(run, folder->shown, shown);
	TridentIngestImage *image;

	pfree(shown);
	trident_job_add(&run->job, TRIDENT_INGEST_IMAGES_TOTAL, 1);
	if (known->has_row && attributes->has_size && attributes->has_times &&
		known->size == (int64) attributes->size && known->modified == (int64) attributes->modified)
	{
		trident_job_add(&run->job, TRIDENT_INGEST_UNCHANGED, 1);
		trident_job_add(&run->job, TRIDENT_INGEST_IMAGES, 1);
		return;
	}
	if (run->options.dry_run)
	{
		trident_job_add(&run->job, TRIDENT_INGEST_IMAGES, 1);
		return;
	}
	image = MemoryContextAllocZero(run->context, sizeof(TridentIngestImage));
	image->folder = folder;
	image->name = MemoryContextAlloc(run->context, name->length);
	memcpy(image->name, name->name, name->length);
	image->length = name->length;
	image->size = attributes->has_size ? attributes->size : TRIDENT_EXIF_SIZE_UNKNOWN;
	image->has_times = attributes->has_times;
	image->modified = attributes->modified;
	trident_ingest_crawl_hold(run, memory_of(image));
	dlist_push_tail(&run->image_queue, &image->node);
	run->images_queued++;
	run->images_open++;
}

static void
on_closed(void *owner, void *argument, TridentIngestReply *reply)
{
	/* The handle is gone, whatever the server says of it. */
}

/* Forget what was read. */
static void
free_ranges(TridentIngestRun *run, TridentIngestImage *image)
{
	for (int i = 0; i < image->count; i++)
		pfree(unconstify(uint8 *, image->ranges[i].bytes));
	run->reading -= image->allocated;
	image->allocated = 0;
	image->count = 0;
	image->bytes_read = 0;
}

/* Off its lane, the handle given back. */
static void
leave_lane(TridentIngestImage *image)
{
	TridentIngestLane *lane = image->lane;

	if (image->handle_length > 0)
		trident_ingest_sftp_request(trident_ingest_connection_sftp(lane->connection),
									TRIDENT_INGEST_CLOSE, image->handle, image->handle_length,
									on_closed, NULL);
	image->handle_length = 0;
	lane->open--;
	dlist_delete(&image->node);
	image->lane = NULL;
}

/* Done with: a row, or an error where it could not be read. */
static void
end_image(TridentIngestRun *run, TridentIngestImage *image, const TridentExifResult *result,
		  const char *error)
{
	trident_ingest_row_photo(run, image, result, error);
	trident_job_add(&run->job, TRIDENT_INGEST_IMAGES, 1);
	if (result && result->status == TRIDENT_EXIF_FOUND)
		trident_job_add(&run->job, TRIDENT_INGEST_POINTS, 1);
	run->images_open--;
	trident_ingest_lane_progress(run);
	free_ranges(run, image);
	trident_ingest_crawl_hold(run, -memory_of(image));
	pfree(image->name);
	pfree(image);
}

/* Begin with it again, before others. */
static void
queue_again(TridentIngestRun *run, TridentIngestImage *image)
{
	trident_job_add(&run->job, TRIDENT_INGEST_RETRIES, 1);
	free_ranges(run, image);
	dlist_push_head(&run->image_queue, &image->node);
	run->images_queued++;
}

/* The server answered with a status where it should not have. */
static void
fail_image(TridentIngestRun *run, TridentIngestImage *image, uint32 status)
{
	TridentIngestLane *lane = image->lane;
	const char *reason = "failure";

	leave_lane(image);

	/* FAILURE is also what a server says that has no handle left. */
	if (status == TRIDENT_INGEST_FAILURE && lane->open > 0 &&
		image->attempts < TRIDENT_INGEST_ATTEMPTS_MAX)
	{
		trident_ingest_lane_shrink(lane);
		queue_again(run, image);
		return;
	}
	if (status == TRIDENT_INGEST_NO_SUCH_FILE)
		reason = "no_such_file";
	else if (status == TRIDENT_INGEST_PERMISSION_DENIED)
		reason = "permission_denied";
	end_image(run, image, NULL, reason);
}

static void
ask(Piece *piece)
{
	TridentIngestImage *image = piece->image;
	uint64		offset = image->ranges[image->count - 1].offset + piece->start;

	trident_ingest_sftp_read(trident_ingest_connection_sftp(image->lane->connection),
							 image->handle, image->handle_length, offset, piece->length,
							 on_data, piece);
	image->pending++;
}

/* Read a range of the file into a new buffer. */
static void
read_range(TridentIngestRun *run, TridentIngestImage *image, uint64 from, uint64 to)
{
	TridentIngestSftp *sftp = trident_ingest_connection_sftp(image->lane->connection);
	uint32		most = trident_ingest_sftp_limits(sftp)->read_bytes;

	image->wanted = image->end = to - from;
	image->failed = TRIDENT_INGEST_OK;
	image->buffer = MemoryContextAlloc(run->context, image->wanted);
	image->allocated += (int64) image->wanted;
	run->reading += (int64) image->wanted;
	image->ranges[image->count].offset = from;
	image->ranges[image->count].length = image->wanted;
	image->ranges[image->count].bytes = image->buffer;
	/* The head was paid for when the file was opened. */
	if (image->count > 0)
		run->budget -= (int64) image->wanted;
	image->count++;
	for (uint64 start = 0; start < image->wanted;)
	{
		Piece	   *piece = MemoryContextAlloc(run->context, sizeof(Piece));

		piece->image = image;
		piece->start = start;
		piece->length = (uint32) Min(image->wanted - start, most);
		start += piece->length;
		ask(piece);
	}
}

/*
 * Ranges of all images under way have a bound.  One image alone may always go
 * on, so that there is an end; others are begun again when there is room.
 */
static bool
has_room(const TridentIngestRun *run, const TridentIngestImage *image, uint64 bytes)
{
	return run->reading + (int64) bytes <= (int64) trident_base_ingest_memory * (1024 / 4) ||
		run->reading == image->allocated;
}

/* A range has arrived: what does the parser say now? */
static void
parse(TridentIngestRun *run, TridentIngestImage *image)
{
	TridentExifInput input;
	TridentExifResult result;

	image->ranges[image->count - 1].length = image->end;
	image->bytes_read += (int) image->end;
	input.ranges = image->ranges;
	input.count = image->count;
	/* A file that is shorter than it was listed ends where it ends. */
	input.file_size = image->end < image->wanted ?
		image->ranges[image->count - 1].offset + image->end : image->size;
	input.xmp = run->options.xmp;
	if (trident_exif_parse(&input, &result) == TRIDENT_EXIF_NEED &&
		image->count < TRIDENT_EXIF_MAX_READS)
	{
		if (has_room(run, image, result.need_to - result.need_from))
		{
			read_range(run, image, result.need_from, result.need_to);
			return;
		}
		leave_lane(image);
		image->attempts--;
		queue_again(run, image);
		return;
	}
	leave_lane(image);
	end_image(run, image, &result, NULL);
}

static void
on_data(void *owner, void *argument, TridentIngestReply *reply)
{
	Piece	   *piece = argument;
	TridentIngestImage *image = piece->image;
	TridentIngestRun *run = image->lane->run;

	image->pending--;
	if (reply->type == TRIDENT_INGEST_DATA)
	{
		memcpy(image->buffer + piece->start, reply->data, reply->length);
		piece->start += reply->length;
		piece->length -= reply->length;
		if (piece->length > 0)
		{
			ask(piece);
			return;
		}
	}
	else if (reply->type == TRIDENT_INGEST_STATUS && reply->status == TRIDENT_INGEST_EOF)
		image->end = Min(image->end, piece->start);
	else if (reply->type == TRIDENT_INGEST_STATUS && image->failed == TRIDENT_INGEST_OK)
		image->failed = reply->status ? reply->status : TRIDENT_INGEST_FAILURE;
	pfree(piece);
	if (reply->type == TRIDENT_INGEST_LOST || image->pending > 0)
		return;
	if (image->failed != TRIDENT_INGEST_OK)
		fail_image(run, image, image->failed);
	else
		parse(run, image);
}

static void
on_opened(void *owner, void *argument, TridentIngestReply *reply)
{
	TridentIngestImage *image = argument;
	TridentIngestRun *run = image->lane->run;
	uint64		head = Min(image->size, TRIDENT_EXIF_HEAD);

	image->pending--;
	if (reply->type == TRIDENT_INGEST_LOST)
		return;
	if (reply->type == TRIDENT_INGEST_STATUS)
	{
		fail_image(run, image, reply->status ? reply->status : TRIDENT_INGEST_FAILURE);
		return;
	}
	memcpy(image->handle, reply->data, reply->length);
	image->handle_length = reply->length;
	/* One byte of an empty file, so that its end is seen. */
	read_range(run, image, 0, Max(head, 1));
}

void
trident_ingest_image_dispatch(TridentIngestRun *run, TridentIngestLane *lane)
{
	TridentIngestSftp *sftp = trident_ingest_connection_sftp(lane->connection);

	while (!dlist_is_empty(&run->image_queue) && trident_ingest_lane_has_room(lane) &&
		   run->budget > 0 &&
		   (run->reading == 0 || run->reading < (int64) trident_base_ingest_memory * (1024 / 8)))
	{
		TridentIngestImage *image = dlist_container(TridentIngestImage, node,
													dlist_pop_head_node(&run->image_queue));
		TridentIngestFolder *folder = image->folder;
		size_t		length;
		char	   *path = trident_ingest_crawl_path(run, folder->path, folder->length,
													 image->name, image->length, &length);

		run->images_queued--;
		run->budget -= TRIDENT_EXIF_HEAD;
		image->lane = lane;
		image->attempts++;
		image->pending = 1;
		dlist_push_tail(&lane->images, &image->node);
		lane->open++;
		trident_ingest_sftp_open(sftp, path, (uint32) length, on_opened, image);
		pfree(path);
	}
}

void
trident_ingest_image_lost(TridentIngestRun *run, TridentIngestLane *lane, bool counts)
{
	while (!dlist_is_empty(&lane->images))
	{
		TridentIngestImage *image = dlist_container(TridentIngestImage, node,
													dlist_pop_head_node(&lane->images));

		image->lane = NULL;
		image->handle_length = 0;
		image->pending = 0;
		lane->open--;
		free_ranges(run, image);
		if (!counts)
			image->attempts--;
		if (image->attempts >= TRIDENT_INGEST_ATTEMPTS_MAX)
			end_image(run, image, NULL, "connection_lost");
		else
			queue_again(run, image);
	}
}
