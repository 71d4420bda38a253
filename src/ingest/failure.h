/*
 * failure.h
 *	  What went wrong on the way to an SFTP server, as a value.
 *
 * A backend raises it as an error; the worker keeps it in a table and goes
 * on with the next image.  So it is no ereport, but has all that one has.
 * Texts are bounded, by whole characters, and none of them holds a secret or
 * bytes that a server sent unescaped.
 */
#ifndef TRIDENT_INGEST_FAILURE_H
#define TRIDENT_INGEST_FAILURE_H

#include "base/compat.h"

/* What to do about it. */
typedef enum TridentIngestFailureKind
{
	TRIDENT_INGEST_FAILURE_NONE,	/* nothing went wrong */
	TRIDENT_INGEST_FAILURE_TRANSIENT,	/* connect again, later */
	TRIDENT_INGEST_FAILURE_LIMIT,	/* the server takes no more at once */
	TRIDENT_INGEST_FAILURE_PERMANENT	/* the same would happen again */
} TridentIngestFailureKind;

typedef struct TridentIngestFailure
{
	TridentIngestFailureKind kind;
	int			sqlstate;
	char		message[256];	/* primary message */
	char		detail[384];	/* empty: none */
	char		hint[512];		/* empty: none */
} TridentIngestFailure;

/* Set kind, SQLSTATE and primary message; detail and hint become empty. */
extern void trident_ingest_fail(TridentIngestFailure *failure,
								TridentIngestFailureKind kind, int sqlstate,
								const char *format,...) __attribute__((format(printf, 4, 5)));

/* Add a detail, or a hint, to one that is set. */
extern void trident_ingest_fail_detail(TridentIngestFailure *failure, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern void trident_ingest_fail_hint(TridentIngestFailure *failure, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/* Raise it as an ERROR. */
extern void trident_ingest_failure_raise(const TridentIngestFailure *failure)
			pg_attribute_noreturn();

#endif							/* TRIDENT_INGEST_FAILURE_H */
