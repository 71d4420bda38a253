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
StaticAssertDecl(BUFFER_BYTES >= TRIDENT_VECS_MIN_BUFFER,
				 "the longest row must fit the buffer");

StaticAssertDecl(TRIDENT_VECS_MAX_DIM == TRIDENT_VECTOR_MAX_DIM,
				 "a row of a file must fit a vector");

#define VECS_FORMATS "fvecs, bvecs, f16vecs or i8vecs"

/* One call of a function, from its first row to its last. */
typedef struct VecsCall
{
	TridentVecsReader reader;
	char	   *path;
	int			fd;				/* -1: none is open */
	off_t		size;			/* of the file when it was opened */
	MemoryContextCallback close;
	union
	{
		TridentVector *vector;
		ArrayType  *ids;
	}			value;			/* of the row; its space is used again */
	TridentHalf *halves;		/* F16VECS: the elements as they are read */
} VecsCall;

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

/* Callback of the call's context. */
static void
close_file(void *arg)
{
	VecsCall   *call = (VecsCall *) arg;

	if (call->fd < 0)
		return;
	close(call->fd);
	call->fd = -1;
	ReleaseExternalFD();
}

/*
 * Open call->path, which must be a regular file, until the current context
 * goes.  Not blocking, so that a named pipe is refused rather than waited for.
 */
static void
open_file(VecsCall *call)
{
	struct stat st;

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not open file \"%s\": too many open files", call->path),
				 errhint("Raise max_files_per_process, or read fewer files at once.")));
	call->fd = BasicOpenFile(call->path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (call->fd < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", call->path),
				 errhint("The server reads the file: it has to be on its machine, and readable for its operating system user.")));
	}
	call->close.func = close_file;
	call->close.arg = call;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &call->close);

	if (fstat(call->fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", call->path),
				 errhint("Check the file and its disk on the server's machine.")));
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", call->path),
				 errhint("Name a file of vectors.")));
	call->size = st.st_size;
}

/* TridentVecsRead: from the file of a call. */
static size_t
read_file(void *arg, char *to, size_t room, int64 at)
{
	VecsCall   *call = (VecsCall *) arg;
	ssize_t		got;

	CHECK_FOR_INTERRUPTS();
	pgstat_report_wait_start(WAIT_EVENT_COPY_FILE_READ);
	do
	{
		got = pread(call->fd, to, room, at);
	} while (got < 0 && errno == EINTR);
	pgstat_report_wait_end();

	if (got < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", call->path),
				 errhint("Check the file and its disk on the server's machine.")));
	if (got == 0 && at < call->size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("file \"%s\" was cut short while it was read", call->path),
				 errdetail("Row %lld is not complete: the file had %lld bytes when it was opened, and now has none at byte offset %lld.",
						   (long long) call->reader.row,
						   (long long) call->size, (long long) at),
				 errhint("Read the file once it is written to its end.")));
	return got;
}

/*
 * A call for the rows of a file, in the current context.  A relative path
 * starts at the data directory, as it does for pg_read_file.
 */
static VecsCall *
new_call(text *path, TridentVecsFormat format)
{
	VecsCall   *call = palloc0(sizeof(VecsCall));

	call->fd = -1;
	call->path = text_to_cstring(path);
	canonicalize_path(call->path);
	call->reader.format = format;
	call->reader.read = read_file;
	call->reader.arg = call;
	call->reader.buffer = palloc(BUFFER_BYTES);
	call->reader.buffer_size = BUFFER_BYTES;
	call->reader.row = -1;
	open_file(call);
	return call;
}

/* Raise for a row that is not what the format says. */
static void
refuse_row(VecsCall *call, TridentVecsOutcome outcome)
{
	const TridentVecsReader *reader = &call->reader;
	char	   *detail;

	if (outcome == TRIDENT_VECS_BAD_DIM)
		detail = psprintf("It has %d dimensions; 1 to %d are possible.",
						  reader->dim, TRIDENT_VECS_MAX_DIM);
	else if (outcome == TRIDENT_VECS_OTHER_DIM)
		detail = psprintf("It has %d dimensions, and the rows before it have %d.",
						  reader->dim, reader->first_dim);
	else
		detail = psprintf("The file ends after %zu of its %zu bytes%s.",
						  reader->available, reader->size,
						  reader->dim == 0 ? " of dimension count" : "");
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("invalid row %lld at byte offset %lld of file \"%s\"",
					(long long) reader->row, (long long) reader->offset,
					call->path),
			 errdetail_internal("%s", detail),
			 errhint("Check that the file is complete and in the format %s.",
					 trident_vecs_format_name(reader->format))));
}

/* Raise if an element of the row is not finite, with the type's message. */
static void
check_finite(VecsCall *call)
{
	const TridentVector *vector = call->value.vector;

	for (int i = 0; i < vector->dim; i++)
	{
		if (unlikely(!isfinite(vector->x[i])))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 isnan(vector->x[i]) ?
					 errmsg("NaN not allowed in vector") :
					 errmsg("infinite value not allowed in vector"),
					 errdetail("It is element %d of row %lld at byte offset %lld of file \"%s\".",
							   i + 1, (long long) call->reader.row,
							   (long long) call->reader.offset, call->path),
					 errhint("Write the file anew, without this row or with numbers in it.")));
	}
}

/* The vector of a row. */
static Datum
read_vector(VecsCall *call, const char *data)
{
	TridentVector *vector = call->value.vector;
	TridentVecsFormat format = call->reader.format;

	if (format == TRIDENT_VECS_F16VECS)
	{
		trident_vecs_halves(data, vector->dim, call->halves);
		trident_simd.f16_to_f32(vector->dim, call->halves, vector->x);
	}
	else
		trident_vecs_floats(format, data, vector->dim, vector->x);
	if (format == TRIDENT_VECS_FVECS || format == TRIDENT_VECS_F16VECS)
		check_finite(call);
	return PointerGetDatum(vector);
}

/* The array of a row of ids. */
static Datum
read_ids(VecsCall *call, const char *data)
{
	ArrayType  *ids = call->value.ids;

	trident_vecs_int32s(data, ARR_DIMS(ids)[0], (int32 *) ARR_DATA_PTR(ids));
	return PointerGetDatum(ids);
}

/* Make room for the values of rows, once their dim is known. */
static void
make_room(VecsCall *call)
{
	int			dim = call->reader.dim;
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(int32) * dim;

	if (call->reader.format != TRIDENT_VECS_IVECS)
	{
		call->value.vector = trident_vector_new(dim);
		call->halves = palloc(dim * sizeof(TridentHalf));
		return;
	}
	call->value.ids = palloc0(size);
	SET_VARSIZE(call->value.ids, size);
	call->value.ids->ndim = 1;
	call->value.ids->elemtype = INT4OID;
	ARR_DIMS(call->value.ids)[0] = dim;
	ARR_LBOUND(call->value.ids)[0] = 1;
}

/* The first call of the function: open the file. */
static void
begin_rows(FunctionCallInfo fcinfo, TridentVecsFormat format)
{
	FuncCallContext *rows = SRF_FIRSTCALL_INIT();
	MemoryContext caller = MemoryContextSwitchTo(rows->multi_call_memory_ctx);
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rows->tuple_desc = BlessTupleDesc(desc);
	rows->user_fctx = new_call(PG_GETARG_TEXT_PP(0), format);
	MemoryContextSwitchTo(caller);
}

/* Any call of the function: the next row as (row number, value), or the end. */
static Datum
next_row(FunctionCallInfo fcinfo)
{
	FuncCallContext *rows = SRF_PERCALL_SETUP();
	VecsCall   *call = (VecsCall *) rows->user_fctx;
	const char *data;
	TridentVecsOutcome outcome = trident_vecs_next(&call->reader, &data);
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (outcome == TRIDENT_VECS_END)
		SRF_RETURN_DONE(rows);
	if (outcome != TRIDENT_VECS_ROW)
		refuse_row(call, outcome);
	if (call->reader.row == 0)
	{
		MemoryContext caller = MemoryContextSwitchTo(rows->multi_call_memory_ctx);

		make_room(call);
		MemoryContextSwitchTo(caller);
	}
	values[0] = Int64GetDatum(call->reader.row);
	values[1] = call->reader.format == TRIDENT_VECS_IVECS ?
		read_ids(call, data) : read_vector(call, data);
	SRF_RETURN_NEXT(rows,
					HeapTupleGetDatum(heap_form_tuple(rows->tuple_desc,
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
				 errmsg("path must not be NULL"),
				 errhint("Give the path of a file on the server's machine.")));
}

/* vecs_rows(path text, format text): what trident_vecs_read consists of. */
Datum
trident_vecs_rows(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
	{
		check_privilege();
		check_path_given(fcinfo);
		begin_rows(fcinfo, choose_format(fcinfo));
	}
	return next_row(fcinfo);
}

/* ivecs_rows(path text): what trident_ivecs_read consists of. */
Datum
trident_ivecs_rows(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
	{
		check_privilege();
		check_path_given(fcinfo);
		begin_rows(fcinfo, TRIDENT_VECS_IVECS);
	}
	return next_row(fcinfo);
}
