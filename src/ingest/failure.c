/*
 * failure.c
 *	  What went wrong on the way to an SFTP server, as a value.
 */
#include "postgres.h"

#include <stdarg.h>

#include "ingest/failure.h"

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
	vsnprintf(failure->message, sizeof(failure->message), format, args);
	va_end(args);
}

void
trident_ingest_fail_detail(TridentIngestFailure *failure, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(failure->detail, sizeof(failure->detail), format, args);
	va_end(args);
}

void
trident_ingest_fail_hint(TridentIngestFailure *failure, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(failure->hint, sizeof(failure->hint), format, args);
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
