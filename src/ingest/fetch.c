/*
 * fetch.c
 *	  trident_sftp_read: bytes of a file on a source.
 *
 * The file's size is asked first, then all the READs go out at once; answers
 * come in any order, and one that is shorter than what was asked for is asked
 * for again from where it ended.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "ingest/look.h"
#include "ingest/name.h"

/* READs under way at once: some megabytes. */
#define READS_AHEAD 128

/* Bytes of one: a slow line has brought its answer before patience ends. */
#define READ_BYTES (32 * 1024)

/* A value of bytea is not longer than this. */
#define FETCH_MAX ((int64) MaxAllocSize - VARHDRSZ - 1)

typedef struct Fetch
{
	TridentIngestSftp *sftp;
	char	   *path;			/* as shown */
	int64		offset;			/* of the first byte wanted */
	int64		wanted;			/* bytes; -1: up to the end */
	char		handle[TRIDENT_INGEST_HANDLE_MAX];
	uint32		handle_length;

	bytea	   *value;
	int64		asked;			/* bytes of value that were asked for */
	int64		end;			/* where the file ends; wanted if it does not */
	int			pending;
	uint32		status;			/* why it failed; OK: it did not */
	bool		done;
} Fetch;

/* A READ under way. */
typedef struct Piece
{
	Fetch	   *fetch;
	int64		start;
	uint32		length;
} Piece;

static void on_data(void *owner, void *argument, TridentIngestReply *reply);

static void
on_closed(void *owner, void *argument, TridentIngestReply *reply)
{
	((Fetch *) argument)->done = reply->type != TRIDENT_INGEST_LOST;
}

static void
close_file(Fetch *fetch)
{
	trident_ingest_sftp_request(fetch->sftp, TRIDENT_INGEST_CLOSE, fetch->handle,
								fetch->handle_length, on_closed, fetch);
}

static void
ask(Piece *piece)
{
	Fetch	   *fetch = piece->fetch;

	trident_ingest_sftp_read(fetch->sftp, fetch->handle, fetch->handle_length,
							 (uint64) (fetch->offset + piece->start), piece->length,
							 on_data, piece);
	fetch->pending++;
}

/* Ask for more, as far as there is room; close the file after the last. */
static void
ask_more(Fetch *fetch)
{
	uint32		most = Min(trident_ingest_sftp_limits(fetch->sftp)->read_bytes, READ_BYTES);

	while (fetch->asked < fetch->end && fetch->pending < READS_AHEAD &&
		   fetch->status == TRIDENT_INGEST_OK)
	{
		Piece	   *piece = palloc(sizeof(Piece));

		piece->fetch = fetch;
		piece->start = fetch->asked;
		piece->length = (uint32) Min(fetch->end - fetch->asked, (int64) most);
		fetch->asked += piece->length;
		ask(piece);
	}
	if (fetch->pending == 0)
		close_file(fetch);
}

static void
on_data(void *owner, void *argument, TridentIngestReply *reply)
{
	Piece	   *piece = argument;
	Fetch	   *fetch = piece->fetch;

	fetch->pending--;
	if (reply->type == TRIDENT_INGEST_LOST)
		return;
	if (reply->type == TRIDENT_INGEST_DATA)
	{
		memcpy(VARDATA(fetch->value) + piece->start, reply->data, reply->length);
		piece->start += reply->length;
		piece->length -= reply->length;
		if (piece->length > 0)
		{
			ask(piece);
			return;
		}
	}
	else if (reply->status == TRIDENT_INGEST_EOF)
		fetch->end = Min(fetch->end, piece->start);
	else
		fetch->status = reply->status ? reply->status : TRIDENT_INGEST_FAILURE;
	pfree(piece);
	ask_more(fetch);
}

/* How long the file is: what is wanted of it, and room for that. */
static void
on_size(void *owner, void *argument, TridentIngestReply *reply)
{
	Fetch	   *fetch = argument;
	int64		size;

	if (reply->type == TRIDENT_INGEST_LOST)
		return;
	if (reply->type == TRIDENT_INGEST_STATUS || !reply->attributes.has_size)
	{
		fetch->status = reply->status ? reply->status : TRIDENT_INGEST_FAILURE;
		close_file(fetch);
		return;
	}
	size = (int64) Min(reply->attributes.size, (uint64) PG_INT64_MAX);
	fetch->end = Max(size - fetch->offset, 0);
	if (fetch->wanted >= 0)
		fetch->end = Min(fetch->end, fetch->wanted);
	if (fetch->end > FETCH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("\"%s\" is too long for one value", fetch->path),
				 errdetail("It has %lld bytes.", (long long) size),
				 errhint("Read it in parts by offset and length.")));
	fetch->value = palloc(fetch->end + VARHDRSZ);
	ask_more(fetch);
}

static void
on_open(void *owner, void *argument, TridentIngestReply *reply)
{
	Fetch	   *fetch = argument;

	if (reply->type == TRIDENT_INGEST_STATUS)
	{
		fetch->status = reply->status ? reply->status : TRIDENT_INGEST_FAILURE;
		fetch->done = true;
	}
	else if (reply->type == TRIDENT_INGEST_HANDLE)
	{
		memcpy(fetch->handle, reply->data, reply->length);
		fetch->handle_length = reply->length;
		trident_ingest_sftp_request(fetch->sftp, TRIDENT_INGEST_FSTAT, fetch->handle,
									fetch->handle_length, on_size, fetch);
	}
}

PG_FUNCTION_INFO_V1(trident_sftp_read);

Datum
trident_sftp_read(PG_FUNCTION_ARGS)
{
	Fetch	   *fetch = palloc0(sizeof(Fetch));
	char	   *source;
	char	   *path;
	size_t		length;
	TridentIngestConnection *connection;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	path = trident_ingest_name_parse(text_to_cstring(PG_GETARG_TEXT_PP(1)), &length);
	fetch->path = trident_ingest_name_show(path, length);
	fetch->offset = PG_GETARG_INT64(2);
	fetch->wanted = PG_ARGISNULL(3) ? -1 : PG_GETARG_INT64(3);
	if (fetch->offset < 0 || (fetch->wanted < 0 && !PG_ARGISNULL(3)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset and length must not be negative"),
				 errhint("Leave length out to read up to the end.")));

	connection = trident_ingest_look_connect(source);
	fetch->sftp = trident_ingest_connection_sftp(connection);
	trident_ingest_sftp_open(fetch->sftp, path, (uint32) length, on_open, fetch);
	trident_ingest_connection_await(connection, &fetch->done);
	if (fetch->status != TRIDENT_INGEST_OK)
		trident_ingest_look_fail(fetch->status, fetch->path);
	SET_VARSIZE(fetch->value, fetch->end + VARHDRSZ);
	PG_RETURN_BYTEA_P(fetch->value);
}
