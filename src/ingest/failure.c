/*
 * failure.c
 *	  What went wrong on the way to an SFTP server, as a value.
 */
#include "postgres.h"

#include <stdarg.h>

#include "mb/pg_wchar.h"

#include "ingest/failure.h"

/* Write a text; one that is too long ends with a whole character. */
static void __attribute__((format(printf, 3, 0)))
put(char *to, size_t size, const char *format, va_list args)
{
	int			length = vsnprintf(to, size, format, args);

	if (length >= (int) size)
		to[pg_mbcliplen(to, (int) size - 1, (int) size - 1)] = '\0';
}

void
trident_ingest_fail(TridentIngestFailure *failure,
					TridentIngestFailureKind kind, int sqlstate,
					const char *format,...)
{
	va_list		args;

	failure->kind = kind;
	failure->sqlstate = sqlstate;
	failure->detail[0] = failure->hint[0] = '\0';
	va_start(args, format);
	put(failure->message, sizeof(failure->message), format, args);
	va_end(args);
}

void
trident_ingest_fail_detail(TridentIngestFailure *failure, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	put(failure->detail, sizeof(failure->detail), format, args);
	va_end(args);
}

void
trident_ingest_fail_hint(TridentIngestFailure *failure, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	put(failure->hint, sizeof(failure->hint), format, args);
	va_end(args);
}

void
trident_ingest_failure_raise(const TridentIngestFailure *failure)
{
	ereport(ERROR,
			(errcode(failure->sqlstate),
			 errmsg("%s", failure->message),
			 failure->detail[0] ? errdetail("%s", failure->detail) : 0,
			 failure->hint[0] ? errhint("%s", failure->hint) : 0));
	pg_unreachable();
}
