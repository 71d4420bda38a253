/*
 * call.c
 *	  Calls and replies as pieces of memory, and what callers read of replies.
 *
 * The rows of a reply are an array of cells, row by row, then the bytes of the
 * values, each with a NUL behind it.  Sizes are computed by the same code that
 * copies, with no memory to copy to.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/error.h"
#include "exchange/call.h"

/* Where a value is, from the start of the cells; length -1: null. */
typedef struct Cell
{
	uint32		offset;
	int32		length;
} Cell;

/* Memory being filled; base NULL: only counted. */
typedef struct Space
{
	char	   *base;
	Size		used;
} Space;

/* The next "size" bytes, aligned; NULL while counting. */
static void *
take(Space *space, Size size)
{
	void	   *memory = space->base ? space->base + space->used : NULL;

	space->used += MAXALIGN(size);
	return memory;
}

static void *
put(Space *space, const void *data, Size size)
{
	void	   *copy;

	if (data == NULL)
		return NULL;
	copy = take(space, size);
	if (copy)
		memcpy(copy, data, size);
	return copy;
}

static char *
put_string(Space *space, const char *string)
{
	return string ? put(space, string, strlen(string) + 1) : NULL;
}

/*
 * The same of a text that a node sent, to be shown: what is no text in this
 * database's encoding is not taken over.
 */
static char *
put_message(Space *space, const char *string)
{
	char	   *copy = put_string(space, string);

	if (copy && !pg_verifymbstr(copy, strlen(copy), true))
	{
		for (char *p = copy; *p; p++)
			if (IS_HIGHBIT_SET(*p))
				*p = '?';
	}
	return copy;
}

static int
value_length(const TridentExchangeCall *call, int i)
{
	if (call->formats && call->formats[i] == 1)
		return call->lengths[i];
	return strlen(call->values[i]);
}

/*
 * Copy the values of a call.  One that the call before has too, by pointer,
 * is not copied again: the query of a search goes to every shard.
 */
static void
put_values(Space *space, const TridentExchangeCall *call, TridentExchangeCall *copy,
		   const TridentExchangeCall *before, const TridentExchangeCall *before_copy)
{
	const char **values;

	if (call->values == NULL || call->nparams == 0)
		return;
	values = take(space, sizeof(char *) * call->nparams);
	for (int i = 0; i < call->nparams; i++)
	{
		const char *value = NULL;
		bool		is_shared = before && i < before->nparams && before->values &&
			before->values[i] == call->values[i] && call->values[i] != NULL &&
			value_length(before, i) == value_length(call, i);

		if (is_shared)
			value = values ? before_copy->values[i] : NULL;
		else if (call->values[i])
		{
			int			length = value_length(call, i);
			char	   *memory = take(space, length + 1);

			if (memory)
			{
				memcpy(memory, call->values[i], length);
				memory[length] = '\0';
			}
			value = memory;
		}
		if (values)
			values[i] = value;
	}
	if (copy)
		copy->values = values;
}

static void
put_calls(Space *space, const TridentExchangeCall *calls, int ncalls)
{
	TridentExchangeCall *copies = take(space, sizeof(TridentExchangeCall) * ncalls);

	for (int i = 0; i < ncalls; i++)
	{
		const TridentExchangeCall *call = &calls[i];
		TridentExchangeCall *copy = copies ? &copies[i] : NULL;
		const TridentExchangeCall *before = i > 0 ? call - 1 : NULL;
		TridentExchangeCall filled = *call;

		if (before && before->sql == call->sql)
			filled.sql = copies ? copies[i - 1].sql : NULL;
		else
			filled.sql = put_string(space, call->sql);
		if (before && before->many == call->many)
			filled.many = copies ? copies[i - 1].many : NULL;
		else
			filled.many = put_string(space, call->many);
		filled.purpose = put_string(space, call->purpose);
		filled.types = put(space, call->types, sizeof(Oid) * call->nparams);
		filled.lengths = put(space, call->lengths, sizeof(int) * call->nparams);
		filled.formats = put(space, call->formats, sizeof(int) * call->nparams);
		filled.values = NULL;
		put_values(space, call, &filled, before, copies && i > 0 ? &copies[i - 1] : NULL);
		if (copy)
			*copy = filled;
	}
}

Size
trident_exchange_call_size(const TridentExchangeCall *calls, int ncalls)
{
	Space		space = {NULL, 0};

	put_calls(&space, calls, ncalls);
	return space.used;
}

TridentExchangeCall *
trident_exchange_call_copy(const TridentExchangeCall *calls, int ncalls, void *memory)
{
	Space		space = {memory, 0};

	put_calls(&space, calls, ncalls);
	return memory;
}

Size
trident_exchange_call_bytes(const TridentExchangeCall *call)
{
	Size		bytes = call->prepare ? 0 : strlen(call->sql);

	for (int i = 0; i < call->nparams; i++)
	{
		if (call->values && call->values[i])
			bytes += value_length(call, i);
	}
	return bytes;
}

uint64
trident_exchange_call_hash(const TridentExchangeCall *call)
{
	if (!call->prepare)
		return 0;
	return DatumGetUInt64(hash_any_extended((const unsigned char *) call->sql,
											strlen(call->sql), call->nparams));
}

/* The cells and values of some rows of a result. */
static char *
put_rows(Space *space, const PGresult *result, int first, int nrows)
{
	int			ncolumns = PQnfields(result);
	Size		ncells = (Size) nrows * ncolumns;
	Size		offset = ncells * sizeof(Cell);
	Cell	   *cells = take(space, offset);
	Size		start = space->used - MAXALIGN(offset);
	Size		used = start + offset;

	for (int row = 0; row < nrows; row++)
	{
		for (int column = 0; column < ncolumns; column++)
		{
			bool		is_null = PQgetisnull(result, first + row, column);
			int			length = PQgetlength(result, first + row, column);

			if (cells)
			{
				Cell	   *cell = &cells[(Size) row * ncolumns + column];

				cell->offset = used - start;
				cell->length = is_null ? -1 : length;
				if (!is_null)
					memcpy(space->base + used, PQgetvalue(result, first + row, column),
						   length + 1);
			}
			if (!is_null)
				used += length + 1;
		}
	}
	space->used = MAXALIGN(used);
	return (char *) cells;
}

static void
put_reply(Space *space, const TridentExchangeRun *run,
		  const TridentExchangeOutcome *outcome)
{
	TridentExchangeReply *reply = take(space, sizeof(TridentExchangeReply));
	TridentExchangeReply filled = {
		.call = run->call,
		.node = run->node,
		.ok = outcome->ok,
		.affected = -1,
		.ms = (GetCurrentTimestamp() - run->submitted_at) / 1000.0,
		.attempts = run->attempts,
		.path = run->path,
		.reused = run->reused,
		.remote_pid = run->remote_pid
	};

	filled.purpose = put_string(space, run->purpose);
	if (outcome->ok)
	{
		const char *affected = PQcmdTuples(outcome->result);

		filled.nrows = outcome->nrows;
		filled.ncolumns = PQnfields(outcome->result);
		if (outcome->nrows < PQntuples(outcome->result))
			filled.affected = outcome->nrows;
		else if (affected[0] != '\0')
			filled.affected = strtoll(affected, NULL, 10);
		filled.rows = put_rows(space, outcome->result, outcome->first_row, outcome->nrows);
	}
	else
	{
		filled.origin = outcome->origin;
		filled.sqlstate = outcome->sqlstate;
		filled.message = put_message(space, outcome->message);
		filled.detail = put_message(space, outcome->detail);
		filled.hint = put_message(space, outcome->hint);
	}
	if (reply)
		*reply = filled;
}

Size
trident_exchange_reply_size(const TridentExchangeRun *run,
							const TridentExchangeOutcome *outcome)
{
	Space		space = {NULL, 0};

	put_reply(&space, run, outcome);
	return space.used;
}

TridentExchangeReply *
trident_exchange_reply_make(const TridentExchangeRun *run,
							const TridentExchangeOutcome *outcome, void *memory)
{
	Space		space = {memory, 0};

	put_reply(&space, run, outcome);
	return memory;
}

void
trident_exchange_reply_limit(const TridentExchangeRun *run, const char *message,
							 const char *hint, TridentExchangeReply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->call = run->call;
	reply->node = run->node;
	reply->affected = -1;
	reply->origin = TRIDENT_EXCHANGE_FROM_LIMIT;
	reply->sqlstate = TRIDENT_ERRCODE_EXCHANGE_LIMIT;
	reply->message = message;
	reply->hint = hint;
	reply->purpose = run->purpose;
	reply->ms = (GetCurrentTimestamp() - run->submitted_at) / 1000.0;
	reply->attempts = run->attempts;
	reply->path = run->path;
	reply->reused = run->reused;
	reply->remote_pid = run->remote_pid;
}

/* --- what callers read --- */

const char *
trident_exchange_value(const TridentExchangeReply *reply, int row, int column,
					   int *length)
{
	const Cell *cell;

	if (!reply->ok || row < 0 || row >= reply->nrows || column < 0 ||
		column >= reply->ncolumns)
		elog(ERROR, "no value in row %d, column %d of a reply", row, column);
	cell = (const Cell *) reply->rows + (Size) row * reply->ncolumns + column;
	if (length)
		*length = Max(cell->length, 0);
	return cell->length < 0 ? NULL : reply->rows + cell->offset;
}

const char *
trident_exchange_text(const TridentExchangeReply *reply, int row, int column)
{
	int			length = 0;
	const char *value = NULL;

	if (reply->ok && row >= 0 && row < reply->nrows && column >= 0 &&
		column < reply->ncolumns)
		value = trident_exchange_value(reply, row, column, &length);
	if (value == NULL || !pg_verify_mbstr(GetDatabaseEncoding(), value, length, true))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("node \"%s\" returned no text in row %d, column %d where one was expected",
						trident_exchange_node_name(reply->node), row, column),
				 errhint("Install the same release of trident on all nodes.")));
	return value;
}

/* A binary value of 8 bytes. */
static uint64
value_8(const TridentExchangeReply *reply, int row, int column)
{
	int			length;
	const char *value = trident_exchange_value(reply, row, column, &length);
	uint64		raw;

	if (value == NULL || length != sizeof(uint64))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("node \"%s\" returned a value of %d bytes where 8 were expected",
						trident_exchange_node_name(reply->node), length),
				 errhint("Install the same release of trident on all nodes.")));
	memcpy(&raw, value, sizeof(raw));
	return pg_ntoh64(raw);
}

int64
trident_exchange_int8(const TridentExchangeReply *reply, int row, int column)
{
	return (int64) value_8(reply, row, column);
}

double
trident_exchange_float8(const TridentExchangeReply *reply, int row, int column)
{
	uint64		raw = value_8(reply, row, column);
	double		value;

	memcpy(&value, &raw, sizeof(value));
	return value;
}
