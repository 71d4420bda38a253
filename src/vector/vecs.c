/*
 * vecs.c
 *	  trident_vecs_read and trident_ivecs_read: the rows of a vector data set
 *	  file on the server, one a call.
 *
 * PostgreSQL collects what a function in FROM returns before it goes on.  So
 * the functions that users call are SQL functions, which the planner puts in
 * place as a subquery with the functions of this file in its select list:
 * there rows are asked for one by one, and LIMIT stops the reading.
 *
 * Memory: one buffer, one row.
 * The file: a descriptor of our own, accounted for with fd.c.  One of
 * AllocateFile's would be closed under a cursor when a savepoint that it was
 * first fetched in is rolled back.  It is closed by a callback of the memory
 * context that the call's state lives in, which goes when the rows are all
 * out, at the end of the query, on rescan, and on error.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "vector/check.h"
#include "vector/vecs.h"

/* Holds several of the longest rows, which have 64 kB, and fits caches. */
#define BUFFER_BYTES (256 * 1024)

StaticAssertDecl(TRIDENT_VECS_MAX_DIM == TRIDENT_VECTOR_MAX_DIM,
				 "a row of a file must fit a vector");

#define VECS_FORMATS "fvecs, bvecs, f16vecs or i8vecs"

typedef struct VecsReader
{
	char	   *path;
	TridentVecsFormat format;
	int			fd;				/* -1: none is open */
	off_t		size;			/* of the file when it was opened */
	off_t		read_at;		/* where the next read starts */
	bool		at_end;			/* a read has found nothing */
	char	   *buffer;
	size_t		start;			/* of the bytes not yet used */
	size_t		end;
	int64		row;			/* the next row, from 0 */
	int			dim;			/* of every row; 0 before the first */
	union
	{
		TridentVector *vector;
		ArrayType  *ids;
	}			value;			/* of the row; its space is used again */
	TridentHalf *halves;		/* F16VECS: the elements as they are read */
	MemoryContextCallback close;
} VecsReader;

PG_FUNCTION_INFO_V1(trident_vecs_rows);
PG_FUNCTION_INFO_V1(trident_ivecs_rows);

/* Only roles that may read the server's files get as far as naming one. */
static void
check_privilege(void)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read a file of the server"),
				 errdetail("Only roles with privileges of role \"%s\" may read files of the server.",
						   "pg_read_server_files"),
				 errhint("Ask for that role, or load the rows with COPY FROM STDIN.")));
}

/* Callback of the reader's context. */
static void
close_file(void *arg)
{
	VecsReader *reader = (VecsReader *) arg;

	if (reader->fd < 0)
		return;
	close(reader->fd);
	reader->fd = -1;
	ReleaseExternalFD();
}

/*
 * Open reader->path, which must be a regular file.  Not blocking, so that a
 * named pipe is refused rather than waited for.
 */
static void
open_file(VecsReader *reader)
{
	struct stat st;

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not open file \"%s\": too many open files", reader->path),
				 errhint("Raise max_files_per_process, or read fewer files at once.")));
	reader->fd = BasicOpenFile(reader->path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (reader->fd < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", reader->path)));
	}
	reader->close.func = close_file;
	reader->close.arg = reader;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &reader->close);

	if (fstat(reader->fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", reader->path)));
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", reader->path)));
	reader->size = st.st_size;
}

/*
 * A reader of a file, in the current context.  A relative path starts at the
 * data directory, as it does for pg_read_file.
 */
static VecsReader *
new_reader(text *path, TridentVecsFormat format)
{
	VecsReader *reader = palloc0(sizeof(VecsReader));

	reader->fd = -1;
	reader->path = text_to_cstring(path);
	canonicalize_path(reader->path);
	reader->format = format;
	reader->buffer = palloc(BUFFER_BYTES);
	open_file(reader);
	return reader;
}

/* Raise for a file that is not what its format says. */
static void
refuse_row(VecsReader *reader, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("invalid row %lld at byte offset %lld of file \"%s\"",
					(long long) reader->row,
					(long long) (reader->read_at - (reader->end - reader->start)),
					reader->path),
			 errdetail_internal("%s", detail),
			 errhint("Check that the file is complete and in the format %s.",
					 trident_vecs_format_name(reader->format))));
}

/* Read on into the buffer, after moving what is left of it to its front. */
static void
fill_buffer(VecsReader *reader)
{
	ssize_t		got;

	CHECK_FOR_INTERRUPTS();
	memmove(reader->buffer, reader->buffer + reader->start,
			reader->end - reader->start);
	reader->end -= reader->start;
	reader->start = 0;

	pgstat_report_wait_start(WAIT_EVENT_COPY_FILE_READ);
	do
	{
		got = pread(reader->fd, reader->buffer + reader->end,
					BUFFER_BYTES - reader->end, reader->read_at);
	} while (got < 0 && errno == EINTR);
	pgstat_report_wait_end();

	if (got < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", reader->path)));
	reader->end += got;
	reader->read_at += got;
	reader->at_end = (got == 0);
	if (reader->at_end && reader->read_at < reader->size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("file \"%s\" was cut short while it was read", reader->path),
				 errdetail("It had %lld bytes and ends at byte offset %lld.",
						   (long long) reader->size, (long long) reader->read_at)));
}

/*
 * The next row, complete, and its size; NULL after the last.  Its space is the
 * buffer's.
 */
static const char *
next_row(VecsReader *reader, size_t *size)
{
	for (;;)
	{
		const char *data = reader->buffer + reader->start;
		size_t		left = reader->end - reader->start;
		int			dim;

		if (left == 0 && reader->at_end)
			return NULL;
		switch (trident_vecs_look(reader->format, data, left, reader->dim,
								  &dim, size))
		{
			case TRIDENT_VECS_ROW:
				reader->dim = dim;
				return data;
			case TRIDENT_VECS_BAD_DIM:
				refuse_row(reader,
						   psprintf("It has %d dimensions; 1 to %d are possible.",
									dim, TRIDENT_VECS_MAX_DIM));
				break;
			case TRIDENT_VECS_OTHER_DIM:
				refuse_row(reader,
						   psprintf("It has %d dimensions, and the rows before it have %d.",
									dim, reader->dim));
				break;
			case TRIDENT_VECS_SHORT:
				if (reader->at_end)
					refuse_row(reader,
							   psprintf("The file ends after %zu of its %zu bytes%s.",
										left, *size,
										dim == 0 ? " of dimension count" : ""));
				fill_buffer(reader);
				break;
		}
	}
}

/* Raise if an element of the row is not finite, with the type's message. */
static void
check_finite(VecsReader *reader)
{
	const TridentVector *vector = reader->value.vector;

	for (int i = 0; i < vector->dim; i++)
	{
		if (unlikely(!isfinite(vector->x[i])))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 isnan(vector->x[i]) ?
					 errmsg("NaN not allowed in vector") :
					 errmsg("infinite value not allowed in vector"),
					 errdetail("It is element %d of row %lld at byte offset %lld of file \"%s\".",
							   i + 1, (long long) reader->row,
							   (long long) (reader->read_at - (reader->end - reader->start)),
							   reader->path)));
	}
}

/* The vector of a row. */
static Datum
read_vector(VecsReader *reader, const char *data)
{
	TridentVector *vector = reader->value.vector;

	if (reader->format == TRIDENT_VECS_F16VECS)
	{
		trident_vecs_halves(data, reader->dim, reader->halves);
		trident_simd.f16_to_f32(reader->dim, reader->halves, vector->x);
	}
	else
		trident_vecs_floats(reader->format, data, reader->dim, vector->x);
	if (reader->format == TRIDENT_VECS_FVECS ||
		reader->format == TRIDENT_VECS_F16VECS)
		check_finite(reader);
	return PointerGetDatum(vector);
}

/* The array of a row of ids. */
static Datum
read_ids(VecsReader *reader, const char *data)
{
	trident_vecs_int32s(data, reader->dim,
						(int32 *) ARR_DATA_PTR(reader->value.ids));
	return PointerGetDatum(reader->value.ids);
}

/* Make room for the values of rows, once their dim is known. */
static void
make_room(VecsReader *reader)
{
	Size		size;

	if (reader->format != TRIDENT_VECS_IVECS)
	{
		reader->value.vector = trident_vector_new(reader->dim);
		reader->halves = palloc(reader->dim * sizeof(TridentHalf));
		return;
	}
	size = ARR_OVERHEAD_NONULLS(1) + sizeof(int32) * reader->dim;
	reader->value.ids = palloc0(size);
	SET_VARSIZE(reader->value.ids, size);
	reader->value.ids->ndim = 1;
	reader->value.ids->elemtype = INT4OID;
	ARR_DIMS(reader->value.ids)[0] = reader->dim;
	ARR_LBOUND(reader->value.ids)[0] = 1;
}

/* The first call: check the caller, open the file. */
static void
begin_read(FunctionCallInfo fcinfo, TridentVecsFormat format)
{
	FuncCallContext *call = SRF_FIRSTCALL_INIT();
	MemoryContext caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	call->tuple_desc = BlessTupleDesc(desc);
	call->user_fctx = new_reader(PG_GETARG_TEXT_PP(0), format);
	MemoryContextSwitchTo(caller);
}

/* Any call: the next row as (row number, value), or the end. */
static Datum
read_on(FunctionCallInfo fcinfo)
{
	FuncCallContext *call = SRF_PERCALL_SETUP();
	VecsReader *reader = (VecsReader *) call->user_fctx;
	size_t		size;
	const char *data = next_row(reader, &size);
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (data == NULL)
		SRF_RETURN_DONE(call);
	if (reader->row == 0)
	{
		MemoryContext caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);

		make_room(reader);
		MemoryContextSwitchTo(caller);
	}
	values[0] = Int64GetDatum(reader->row);
	values[1] = reader->format == TRIDENT_VECS_IVECS ?
		read_ids(reader, data) : read_vector(reader, data);
	reader->row++;
	reader->start += size;
	SRF_RETURN_NEXT(call,
					HeapTupleGetDatum(heap_form_tuple(call->tuple_desc,
													  values, nulls)));
}

/* The format that the arguments path and format ask for. */
static TridentVecsFormat
choose_format(FunctionCallInfo fcinfo)
{
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = NULL;
	TridentVecsFormat format;

	if (PG_ARGISNULL(1))
		format = trident_vecs_format_of_path(path);
	else
	{
		name = text_to_cstring(PG_GETARG_TEXT_PP(1));
		format = trident_vecs_format_named(name);
	}
	if (format == TRIDENT_VECS_IVECS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an ivecs file has row ids, not vectors"),
				 errhint("Use trident_ivecs_read to read it.")));
	if (format == TRIDENT_VECS_UNKNOWN && name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized format \"%s\"", name),
				 errhint("Use " VECS_FORMATS ".")));
	if (format == TRIDENT_VECS_UNKNOWN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot tell the format of file \"%s\" from its name", path),
				 errhint("Name it in the argument format: " VECS_FORMATS ".")));
	return format;
}

static void
check_path_given(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("path must not be NULL")));
}

/* vecs_rows(path text, format text): what trident_vecs_read consists of. */
Datum
trident_vecs_rows(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
	{
		check_privilege();
		check_path_given(fcinfo);
		begin_read(fcinfo, choose_format(fcinfo));
	}
	return read_on(fcinfo);
}

/* ivecs_rows(path text): what trident_ivecs_read consists of. */
Datum
trident_ivecs_rows(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
	{
		check_privilege();
		check_path_given(fcinfo);
		begin_read(fcinfo, TRIDENT_VECS_IVECS);
	}
	return read_on(fcinfo);
}
