/*
 * shim.c
 *	  The server as far as the fuzz targets need one.
 *
 * Memory: every palloc is a malloc, linked into one list, the "context" that
 * shim_reset empties; so AddressSanitizer sees each by itself, and what is
 * not in the list is a leak to it.
 * Errors: ereport formats its primary message, as a wrong format would be a
 * fault too, and one of level ERROR or above jumps to shim_raised.
 */
#include "postgres.h"

#include <setjmp.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"

#include "shim.h"

typedef struct Chunk
{
	struct Chunk *previous;
	struct Chunk *next;
} Chunk;

sigjmp_buf	shim_raised;
int			shim_sqlstate;
char		shim_message[256];

static Chunk chunks = {&chunks, &chunks};
static int	level;

void *
palloc(Size size)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + size);

	SHIM_HOLDS(size < 0x3fffffff && chunk != NULL);
	chunk->previous = &chunks;
	chunk->next = chunks.next;
	chunks.next->previous = chunk;
	chunks.next = chunk;
	return chunk + 1;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;
	Chunk	   *previous = chunk->previous;

	previous->next = chunk->next;
	chunk->next->previous = previous;
	chunk = realloc(chunk, sizeof(Chunk) + size);
	SHIM_HOLDS(size < 0x3fffffff && chunk != NULL);
	chunk->previous = &chunks;
	chunk->next = chunks.next;
	chunks.next->previous = chunk;
	chunks.next = chunk;
	return chunk + 1;
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	chunk->previous->next = chunk->next;
	chunk->next->previous = chunk->previous;
	free(chunk);
}

void
shim_reset(void)
{
	while (chunks.next != &chunks)
		pfree(chunks.next + 1);
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	return datum;
}

struct varlena *
trident_vector_detoast_extended(struct varlena *datum)
{
	return datum;
}

bool
errstart(int elevel, const char *domain)
{
	level = elevel;
	shim_sqlstate = 0;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	/* A chosen SQLSTATE on every error: the house's rule. */
	SHIM_HOLDS(shim_sqlstate != 0);
	if (level >= ERROR)
		siglongjmp(shim_raised, 1);
}

/* PG 16 and later: nobody here asks for soft errors. */
extern bool errsave_start(struct Node *context, const char *domain);
extern void errsave_finish(struct Node *context, const char *filename,
						   int lineno, const char *funcname);

bool
errsave_start(struct Node *context, const char *domain)
{
	SHIM_HOLDS(context == NULL);
	return errstart(ERROR, domain);
}

void
errsave_finish(struct Node *context, const char *filename, int lineno,
			   const char *funcname)
{
	errfinish(filename, lineno, funcname);
}

int
errcode(int sqlerrcode)
{
	shim_sqlstate = sqlerrcode;
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	return 0;
}

int
errmsg(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(shim_message, sizeof(shim_message), fmt, args);
	va_end(args);
	return 0;
}

int
errhint(const char *fmt,...)
{
	return 0;
}

int
errdetail(const char *fmt,...)
{
	return 0;
}

/* pqformat.c's, by their contracts. */
const char *
pq_getmsgbytes(StringInfo message, int length)
{
	const char *bytes = message->data + message->cursor;

	if (length < 0 || length > message->len - message->cursor)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("insufficient data left in message")));
	message->cursor += length;
	return bytes;
}

unsigned int
pq_getmsgint(StringInfo message, int size)
{
	uint16		value;

	SHIM_HOLDS(size == 2);
	memcpy(&value, pq_getmsgbytes(message, 2), 2);
	return pg_ntoh16(value);
}

Datum
shim_call_input(PGFunction function, Datum value, int32 typmod)
{
	LOCAL_FCINFO(fcinfo, 3);

	memset(fcinfo, 0, SizeForFunctionCallInfo(3));
	fcinfo->nargs = 3;
	fcinfo->args[0].value = value;
	fcinfo->args[2].value = Int32GetDatum(typmod);
	return function(fcinfo);
}

Datum
shim_call(PGFunction function, Datum value)
{
	LOCAL_FCINFO(fcinfo, 1);

	memset(fcinfo, 0, SizeForFunctionCallInfo(1));
	fcinfo->nargs = 1;
	fcinfo->args[0].value = value;
	return function(fcinfo);
}
