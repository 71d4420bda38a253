/*
 * run.h
 *	  One ingest job while it runs: folders, images, connections, rows.
 *
 * All folders of a site are in one pipeline.  A folder is listed by OPENDIR
 * and several READDIRs at once; what it holds becomes more folders and images
 * in two queues; images are opened as soon as there is room for a file handle
 * on a connection (a lane), their head is read, and the parser asks for more
 * ranges while the handle is open, or the file is done.  Nothing waits for
 * anything else: the queues and the windows of the lanes are all there is.
 *
 *	folder:	queued -> listing (on a lane) -> listed
 *	image:	queued -> opening -> reading (again and again) -> a row
 *
 * What a lane that fails had under way goes back to the front of its queue.
 * Names that a folder lists twice, or again after that, are known by hash.
 *
 * Rows are collected as JSON text and written every so often in a transaction
 * of the job's owner (write.c), so that results are seen as they arrive.
 *
 * Memory: a context for the run; a lane's connection belongs to the worker's
 * pool and outlives the run.  Replies carry a folder or an image as their
 * argument: a connection goes back to the pool only when it has no request
 * under way but CLOSEs, which carry nothing.
 */
#ifndef TRIDENT_INGEST_RUN_H
#define TRIDENT_INGEST_RUN_H

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "utils/hsearch.h"

#include "ingest/connection.h"
#include "ingest/exif.h"
#include "ingest/source.h"
#include "job/job.h"
#include "pool/pool.h"

/*
 * An image or folder is begun so often before it counts as an error.  Where a
 * connection was lost that counts only for the few that were under way alone.
 */
#define TRIDENT_INGEST_ATTEMPTS_MAX 5
#define TRIDENT_INGEST_FEW 4

/*
 * The longest path of a site, and of a folder below it, as text: what a B-tree
 * has room for beside an owner and a source.
 */
#define TRIDENT_INGEST_PATH_MAX 2500

/*
 * Counters of a job; their names are in worker.c.  Of an attempt but for what
 * another one would not find again: points, bytes, connections, retries.
 */
typedef enum TridentIngestCounter
{
	TRIDENT_INGEST_FOLDERS,		/* listed */
	TRIDENT_INGEST_FOLDERS_TOTAL,
	TRIDENT_INGEST_IMAGES,		/* done, whatever came out */
	TRIDENT_INGEST_IMAGES_TOTAL,
	TRIDENT_INGEST_UNCHANGED,	/* of those done, not opened */
	TRIDENT_INGEST_POINTS,		/* positions found in this run */
	TRIDENT_INGEST_ERRORS,		/* recorded */
	TRIDENT_INGEST_BYTES,		/* received on SFTP channels */
	TRIDENT_INGEST_OPENED,		/* connections made */
	TRIDENT_INGEST_REUSED,		/* connections of earlier jobs */
	TRIDENT_INGEST_SAVED_MS,	/* what making those would have taken */
	TRIDENT_INGEST_RETRIES,		/* images and folders begun again */
	TRIDENT_INGEST_NCOUNTERS
} TridentIngestCounter;

/* What the user asked for. */
typedef struct TridentIngestOptions
{
	char	   *source;
	char	   *path;			/* of the site, as bytes */
	size_t		path_length;
	bool		recursive;
	int			max_depth;		/* folders below the site's own */
	List	   *include;		/* of char *: patterns of images; NIL: default */
	List	   *exclude;		/* of char *: patterns of images and folders */
	bool		dry_run;		/* list and count only */
	TridentExifXmp xmp;
	TridentIngestSettings settings; /* of the session that asked */
} TridentIngestOptions;

typedef struct TridentIngestRun TridentIngestRun;

/* A connection while it is a run's. */
typedef struct TridentIngestLane
{
	dlist_node	node;			/* in run->lanes */
	TridentIngestRun *run;
	TridentPoolMember *member;
	TridentIngestConnection *connection;
	bool		was_ready;
	int64		started_ms;
	uint64		received;		/* bytes counted so far */
	int			open;			/* handles: files and folders */
	int			shrunk;			/* the window after a refusal; 0: none yet */
	dlist_head	folders;		/* under way here */
	dlist_head	images;
} TridentIngestLane;

typedef struct TridentIngestFolder
{
	dlist_node	node;			/* in a queue, or in the lane's list */
	dlist_node	dirty;			/* in run->dirty when is_dirty */
	TridentIngestLane *lane;	/* NULL: not under way */
	char	   *path;			/* relative to the site, as bytes */
	size_t		length;
	char	   *shown;			/* the same as text */
	int			depth;			/* 0: the site's own */
	int			attempts;
	bool		is_known;		/* has rows of an earlier run */
	bool		is_loaded;		/* which have been read */
	bool		is_dirty;		/* its row is to be written */
	bool		is_listed;
	bool		has_long_names;	/* which were left out; told */
	char		handle[TRIDENT_INGEST_HANDLE_MAX];
	uint32		handle_length;
	int			pending;		/* READDIRs under way */
	bool		at_end;
	int64		files;
	int64		images;
	int64		bytes;
	const char *error;			/* why it could not be listed, or NULL */
} TridentIngestFolder;

typedef struct TridentIngestImage
{
	dlist_node	node;			/* in the queue, or in the lane's list */
	TridentIngestLane *lane;	/* NULL: not under way */
	TridentIngestFolder *folder;
	char	   *name;			/* as bytes */
	size_t		length;
	uint64		size;			/* as listed; TRIDENT_EXIF_SIZE_UNKNOWN */
	bool		has_times;
	uint32		modified;
	int			attempts;
	char		handle[TRIDENT_INGEST_HANDLE_MAX];
	uint32		handle_length;
	int			count;			/* ranges that are read, or being read */
	TridentExifRange ranges[TRIDENT_EXIF_MAX_READS];
	int64		allocated;		/* bytes of all ranges */
	uint8	   *buffer;			/* of the range being read */
	uint64		wanted;			/* its length */
	uint64		end;			/* where the file turned out to end in it */
	int			pending;		/* READs under way */
	uint32		failed;			/* status of the first one that failed; or OK */
	int			bytes_read;
} TridentIngestImage;

/* What is known of a name in a folder. */
typedef struct TridentIngestKnown
{
	uint64		key[2];			/* hashes of folder and name */
	bool		is_seen;		/* listed in this run */
	bool		has_row;		/* of an earlier run, and not an error */
	int64		size;
	int64		modified;
} TridentIngestKnown;

struct TridentIngestRun
{
	dlist_node	node;			/* in the worker's list */
	MemoryContext context;
	TridentJob	job;
	TridentIngestOptions options;
	TridentIngestSource *source;
	TridentPool *pool;
	int64		site;
	HTAB	   *known;			/* TridentIngestKnown; a folder has the name "/" */

	dlist_head	lanes;
	int			nlanes;
	int			failures;		/* of connections, since one worked */
	int64		retry_ms;		/* no connection before this */
	bool		is_limited;		/* the server refused another connection */
	int			caution;		/* window after a lost connection; 0: none */
	int			regained;		/* images done since it was set */

	dlist_head	folder_queue;
	dlist_head	image_queue;
	dlist_head	dirty;
	int			folders_open;	/* queued or under way */
	int			images_queued;
	int			images_open;	/* queued or under way */
	int64		held;			/* bytes of names, folders, queued images */
	int64		reading;		/* bytes of ranges of images under way */
	int64		budget;			/* bytes that may be asked for now */
	int64		budget_ms;		/* when that was computed */

	StringInfoData photos;		/* rows to write, as JSON */
	StringInfoData errors;
	StringInfoData tried;		/* paths whose earlier errors are to go */
	int			rows;
	bool		has_written;	/* positions may have changed */
	int64		written_ms;

	bool		is_over;		/* by success, failure or cancel */
	TridentJobState state;		/* then */
	TridentIngestFailure failure;
};

/* --- crawl.c --- */

/* Begin with the site's own folder. */
extern void trident_ingest_crawl_begin(TridentIngestRun *run);

/* Give queued folders to a lane, as far as it has room. */
extern void trident_ingest_crawl_dispatch(TridentIngestRun *run, TridentIngestLane *lane);

/* The lane is lost: its folders are queued again; counts: that was an attempt of each. */
extern void trident_ingest_crawl_lost(TridentIngestRun *run, TridentIngestLane *lane,
									  bool counts);

/*
 * So many bytes more are kept for what a server listed; the run fails when
 * that is more than trident.ingest_memory.
 */
extern void trident_ingest_crawl_hold(TridentIngestRun *run, int64 bytes);

/* The entry for a name in a folder, made if need be. */
extern TridentIngestKnown *trident_ingest_crawl_known(TridentIngestRun *run,
													  const char *folder, const char *name);

/* Path on the server of something in the site; palloc'd, terminated. */
extern char *trident_ingest_crawl_path(const TridentIngestRun *run, const char *folder,
									   size_t folder_length, const char *name,
									   size_t name_length, size_t *length);

/* --- image.c --- */

/* Queue an image. */
extern void trident_ingest_image_add(TridentIngestRun *run, TridentIngestFolder *folder,
									 const TridentIngestName *name);

/* Open queued images on a lane, as far as it has room. */
extern void trident_ingest_image_dispatch(TridentIngestRun *run, TridentIngestLane *lane);

/* The lane is lost: its images are queued again; counts: that was an attempt of each. */
extern void trident_ingest_image_lost(TridentIngestRun *run, TridentIngestLane *lane,
									  bool counts);

/* --- lane.c --- */

/* Handles that may be open on it; may another one be opened? */
extern int	trident_ingest_lane_window(const TridentIngestLane *lane);
extern bool trident_ingest_lane_has_room(const TridentIngestLane *lane);

/* The server refused a handle though others are open. */
extern void trident_ingest_lane_shrink(TridentIngestLane *lane);

/* A folder or an image is done: connections are worth making. */
extern void trident_ingest_lane_progress(TridentIngestRun *run);

/*
 * Take what has arrived on all lanes and give them work; replace lost ones,
 * add more where they would help.
 */
extern void trident_ingest_lane_step(TridentIngestRun *run);

/* Send off what the step has asked for. */
extern void trident_ingest_lane_push(TridentIngestRun *run);

/*
 * Give the connections back, or close those with requests under way; all of
 * them where an error has come in between (not is_sound).
 */
extern void trident_ingest_lane_leave(TridentIngestRun *run, bool is_sound);

/*
 * A foreign server or user mapping was changed: close the connections for it.
 * hash is what an invalidation of the caches FOREIGNSERVEROID or USERMAPPINGOID
 * tells; 0: all.
 */
extern void trident_ingest_lane_retire(uint32 hash);

/* The worker's pool of connections. */
extern TridentPool *trident_ingest_lane_pool(void);

/* --- row.c --- */

/* Note what came of an image; its reason, if it could not be read. */
extern void trident_ingest_row_photo(TridentIngestRun *run, const TridentIngestImage *image,
									 const TridentExifResult *result, const char *error);

/* Note an error about a folder or an image. */
extern void trident_ingest_row_error(TridentIngestRun *run, const char *kind,
									 const char *path, size_t length,
									 const char *reason, const char *detail);

/* The folder's row is to be written. */
extern void trident_ingest_row_folder(TridentIngestRun *run, TridentIngestFolder *folder);

/* The rows of dirty folders as JSON, which are clean then; palloc'd. */
extern char *trident_ingest_row_folders(TridentIngestRun *run);

/* --- write.c; each in a transaction of its own, as the job's owner --- */

/* Make or find the site's row; read which folders are known. */
extern void trident_ingest_write_begin(TridentIngestRun *run);

/* Read what is known of the images in known folders that are queued. */
extern void trident_ingest_write_load(TridentIngestRun *run);

/* Write the rows that were collected. */
extern void trident_ingest_write_flush(TridentIngestRun *run);

/* Write all that is left, and how the job ended. */
extern void trident_ingest_write_end(TridentIngestRun *run);

/* --- pattern.c --- */

/* Is a file of that name and path (relative to the site) to be ingested? */
extern bool trident_ingest_pattern_takes_image(const TridentIngestOptions *options,
											   const char *path, const char *name);

/* Is a folder to be entered? */
extern bool trident_ingest_pattern_takes_folder(const TridentIngestOptions *options,
												const char *path, const char *name);

#endif							/* TRIDENT_INGEST_RUN_H */
