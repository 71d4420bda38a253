/*
 * look.c
 *	  Looking around on a source from SQL: list, stat, host key.
 *
 * The backend has a connection of its own, one at a time, kept until the
 * transaction ends.  Waiting can be interrupted; an error drops it.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/guc.h"
#include "base/wait.h"
#include "ingest/look.h"
#include "ingest/name.h"

/* Requests that a backend has under way at most. */
#define LOOK_REQUESTS 256

/* READDIRs under way for one folder: they give a hundred names each. */
#define LISTINGS_AHEAD 8

/* The connection of this transaction, and what it was made for. */
typedef struct Look
{
	TridentIngestSource *source;
	TridentIngestConnection *connection;
	MemoryContextCallback callback;
} Look;

static Look *current_look = NULL;

/* The transaction, and with it the connection, is over. */
static void
forget_look(void *arg)
{
	if (current_look == arg)
		current_look = NULL;
}

TridentIngestConnection *
trident_ingest_look_connect(const char *source_name)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	TridentIngestSettings settings = trident_ingest_source_settings();
	TridentIngestSource *source = trident_ingest_source_load(source_name, GetUserId(), &settings);
	Look	   *look = current_look;

	if (look && look->source->mapping_id == source->mapping_id &&
		trident_ingest_target_equal(&look->source->target, &source->target) &&
		trident_ingest_connection_pump(look->connection))
	{
		trident_ingest_connection_set_timeout(look->connection, source->request_timeout_ms);
		MemoryContextSwitchTo(old);
		return look->connection;
	}
	if (look)
	{
		current_look = NULL;
		trident_ingest_connection_close(look->connection);
	}
	look = palloc0(sizeof(Look));
	look->source = source;
	look->connection = trident_ingest_connection_open(&source->target, LOOK_REQUESTS,
													  source->request_timeout_ms, NULL);
	look->callback.func = forget_look;
	look->callback.arg = look;
	MemoryContextRegisterResetCallback(TopTransactionContext, &look->callback);
	current_look = look;
	MemoryContextSwitchTo(old);
	return look->connection;
}

void
trident_ingest_look_fail(uint32 status, const char *path)
{
	int			code = ERRCODE_IO_ERROR;
	const char *hint = "Look at the path with trident_sftp_stat() and at the log of the SSH server.";

	if (status == TRIDENT_INGEST_NO_SUCH_FILE)
	{
		code = ERRCODE_UNDEFINED_FILE;
		hint = "List the folder above it with trident_sftp_list().";
	}
	else if (status == TRIDENT_INGEST_PERMISSION_DENIED)
	{
		code = ERRCODE_INSUFFICIENT_PRIVILEGE;
		hint = "Give the SFTP server's user that the user mapping names the right to read it.";
	}
	ereport(ERROR,
			(errcode(code),
			 errmsg("could not access \"%s\" on the SFTP server: %s",
					path, trident_ingest_sftp_status_text(status)),
			 errhint("%s", hint)));
	pg_unreachable();
}

/* "file", "folder", "link" or "other"; NULL when the server does not say. */
static const char *
kind_of(const TridentIngestAttributes *attributes)
{
	if (!attributes->has_mode)
		return NULL;
	if (S_ISREG(attributes->mode))
		return "file";
	if (S_ISDIR(attributes->mode))
		return "folder";
	return S_ISLNK(attributes->mode) ? "link" : "other";
}

/* Seconds since 1970 as a timestamp. */
static TimestampTz
timestamp_of(uint32 seconds)
{
	return time_t_to_timestamptz((pg_time_t) seconds);
}

/* Fill the columns kind, size, modified, mode. */
static void
fill_columns(const TridentIngestAttributes *attributes, Datum *values, bool *nulls)
{
	const char *kind = kind_of(attributes);

	nulls[0] = kind == NULL;
	if (kind)
		values[0] = CStringGetTextDatum(kind);
	nulls[1] = !attributes->has_size || attributes->size > PG_INT64_MAX;
	values[1] = Int64GetDatum((int64) attributes->size);
	nulls[2] = !attributes->has_times;
	values[2] = TimestampTzGetDatum(timestamp_of(attributes->modified));
	nulls[3] = !attributes->has_mode;
	if (attributes->has_mode)
		values[3] = CStringGetTextDatum(psprintf("%04o", attributes->mode & 07777));
}

/* What a call of trident_sftp_list() or trident_sftp_stat() waits for. */
typedef struct Listing
{
	TridentIngestSftp *sftp;
	ReturnSetInfo *result;
	char		handle[TRIDENT_INGEST_HANDLE_MAX];
	uint32		handle_length;	/* 0: not open */
	int			pending;
	bool		at_end;
	bool		done;
	uint32		status;			/* why it failed; OK: it did not */
	TridentIngestAttributes attributes;
} Listing;

/* Nothing can be done for an answer that is LOST: the caller raises why. */
static void
on_closed(void *owner, void *argument, TridentIngestReply *reply)
{
	Listing    *listing = argument;

	listing->done = reply->type != TRIDENT_INGEST_LOST;
}

static void
put_names(Listing *listing, TridentIngestReply *reply)
{
	TridentIngestName name;

	while (trident_ingest_sftp_next_name(reply, &name))
	{
		Datum		values[5];
		bool		nulls[5] = {false};

		if ((name.length == 1 && name.name[0] == '.') ||
			(name.length == 2 && memcmp(name.name, "..", 2) == 0))
			continue;
		values[0] = CStringGetTextDatum(trident_ingest_name_show(name.name, name.length));
		fill_columns(&name.attributes, values + 1, nulls + 1);
		tuplestore_putvalues(listing->result->setResult, listing->result->setDesc, values, nulls);
	}
}

static void
on_names(void *owner, void *argument, TridentIngestReply *reply)
{
	Listing    *listing = argument;

	listing->pending--;
	if (reply->type == TRIDENT_INGEST_LOST)
		return;
	if (reply->type == TRIDENT_INGEST_NAME && reply->count > 0)
		put_names(listing, reply);
	else
	{
		if (reply->type == TRIDENT_INGEST_STATUS && reply->status != TRIDENT_INGEST_EOF)
			listing->status = reply->status;
		listing->at_end = true;
	}
	while (!listing->at_end && listing->pending < LISTINGS_AHEAD)
	{
		trident_ingest_sftp_request(listing->sftp, TRIDENT_INGEST_READDIR, listing->handle,
									listing->handle_length, on_names, listing);
		listing->pending++;
	}
	if (listing->at_end && listing->pending == 0)
		trident_ingest_sftp_request(listing->sftp, TRIDENT_INGEST_CLOSE, listing->handle,
									listing->handle_length, on_closed, listing);
}

static void
on_folder(void *owner, void *argument, TridentIngestReply *reply)
{
	Listing    *listing = argument;

	if (reply->type == TRIDENT_INGEST_STATUS)
	{
		listing->status = reply->status ? reply->status : TRIDENT_INGEST_FAILURE;
		listing->done = true;
	}
	else if (reply->type == TRIDENT_INGEST_HANDLE)
	{
		memcpy(listing->handle, reply->data, reply->length);
		listing->handle_length = reply->length;
		for (; listing->pending < LISTINGS_AHEAD; listing->pending++)
			trident_ingest_sftp_request(listing->sftp, TRIDENT_INGEST_READDIR, listing->handle,
										listing->handle_length, on_names, listing);
	}
}

static void
on_attributes(void *owner, void *argument, TridentIngestReply *reply)
{
	Listing    *listing = argument;

	if (reply->type == TRIDENT_INGEST_LOST)
		return;
	if (reply->type == TRIDENT_INGEST_ATTRS)
		listing->attributes = reply->attributes;
	else
		listing->status = reply->status ? reply->status : TRIDENT_INGEST_FAILURE;
	listing->done = true;
}

/* The path of an argument as bytes; an empty one is the login's folder. */
static char *
path_argument(text *argument, size_t *length)
{
	char	   *path = trident_ingest_name_parse(text_to_cstring(argument), length);

	if (*length > 0)
		return path;
	*length = 1;
	return pstrdup(".");
}

PG_FUNCTION_INFO_V1(trident_sftp_list);

Datum
trident_sftp_list(PG_FUNCTION_ARGS)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	size_t		length;
	char	   *path = path_argument(PG_GETARG_TEXT_PP(1), &length);
	TridentIngestConnection *connection;
	Listing    *listing = palloc0(sizeof(Listing));

	InitMaterializedSRF(fcinfo, 0);
	connection = trident_ingest_look_connect(source);
	listing->sftp = trident_ingest_connection_sftp(connection);
	listing->result = (ReturnSetInfo *) fcinfo->resultinfo;
	trident_ingest_sftp_request(listing->sftp, TRIDENT_INGEST_OPENDIR, path, (uint32) length,
								on_folder, listing);
	trident_ingest_connection_await(connection, &listing->done);
	if (listing->status != TRIDENT_INGEST_OK)
		trident_ingest_look_fail(listing->status, trident_ingest_name_show(path, length));
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(trident_sftp_stat);

Datum
trident_sftp_stat(PG_FUNCTION_ARGS)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	size_t		length;
	char	   *path = path_argument(PG_GETARG_TEXT_PP(1), &length);
	TridentIngestConnection *connection = trident_ingest_look_connect(source);
	Listing    *listing = palloc0(sizeof(Listing));
	TupleDesc	tupdesc;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	trident_ingest_sftp_request(trident_ingest_connection_sftp(connection), TRIDENT_INGEST_LSTAT,
								path, (uint32) length, on_attributes, listing);
	trident_ingest_connection_await(connection, &listing->done);
	if (listing->status == TRIDENT_INGEST_NO_SUCH_FILE)
		PG_RETURN_NULL();
	if (listing->status != TRIDENT_INGEST_OK)
		trident_ingest_look_fail(listing->status, trident_ingest_name_show(path, length));
	values[0] = CStringGetTextDatum(trident_ingest_name_show(path, length));
	fill_columns(&listing->attributes, values + 1, nulls + 1);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}

/*
 * Connect far enough to see the first key that the server has of these types;
 * false: it has none, or cannot be reached.
 */
static bool
fetch_host_key(TridentIngestTarget *target, char **type, char **fingerprint,
			   TridentIngestFailure *failure)
{
	static uint32 event = 0;
	TridentIngestSsh *ssh = trident_ingest_ssh_start(target);
	TridentIngestPhase phase;
	bool		found;

	while ((phase = trident_ingest_ssh_step(ssh)) < TRIDENT_INGEST_OPEN)
	{
		(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | WL_TIMEOUT |
								 trident_ingest_ssh_events(ssh),
								 trident_ingest_ssh_socket(ssh),
								 trident_ingest_ssh_patience(ssh),
								 trident_base_wait_event(&event, "TridentSftpConnect"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	found = phase == TRIDENT_INGEST_OPEN;
	if (found)
	{
		*type = pstrdup(trident_ingest_ssh_key_type(ssh));
		*fingerprint = pstrdup(trident_ingest_ssh_fingerprint(ssh));
	}
	else
		*failure = *trident_ingest_ssh_failure(ssh);
	trident_ingest_ssh_close(ssh);
	return found;
}

PG_FUNCTION_INFO_V1(trident_sftp_host_key);

Datum
trident_sftp_host_key(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TridentIngestTarget target = {0};
	TridentIngestFailure failure = {0};
	bool		found = false;

	target.source = "";
	target.host = text_to_cstring(PG_GETARG_TEXT_PP(0));
	target.port = PG_GETARG_INT32(1);
	target.timeout_ms = trident_base_ingest_connect_timeout;
	if (target.port < 1 || target.port > 65535)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("port %d is out of range", target.port),
				 errhint("Give a number from 1 to 65535; SSH usually has 22.")));

	InitMaterializedSRF(fcinfo, 0);
	do
	{
		char	   *type;
		char	   *fingerprint;
		Datum		values[2];
		bool		nulls[2] = {false};

		if (!fetch_host_key(&target, &type, &fingerprint, &failure))
		{
			/* Once it has shown one, it has no more of the others. */
			if (found && failure.kind == TRIDENT_INGEST_FAILURE_PERMANENT)
				break;
			trident_ingest_failure_raise(&failure);
		}
		found = true;
		values[0] = CStringGetTextDatum(type);
		values[1] = CStringGetTextDatum(fingerprint);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		target.key_types = trident_ingest_host_key_types_after(target.key_types, type);
	} while (target.key_types);
	return (Datum) 0;
}
