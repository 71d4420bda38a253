/*
 * error.h
 *	  SQLSTATE codes of trident's own, class TR.
 *
 * A standard code is used wherever one fits; a code of class TR exists only
 * where a client will want to branch.  Hundreds are capabilities: TR0xx
 * exchange, TR1xx search, TR2xx endpoint, TR3xx compare, TR4xx ingest,
 * TR5xx canary.  Every code is listed in docs/reference/errors.md and raised
 * by a test.
 */
#ifndef TRIDENT_BASE_ERROR_H
#define TRIDENT_BASE_ERROR_H

#include "utils/elog.h"

/* TR0xx: exchange */

/* A node cannot be connected to, or the connection to it was lost. */
#define TRIDENT_ERRCODE_EXCHANGE_UNREACHABLE MAKE_SQLSTATE('T','R','0','0','1')
/* A node did not answer before the deadline. */
#define TRIDENT_ERRCODE_EXCHANGE_TIMEOUT MAKE_SQLSTATE('T','R','0','0','2')
/* A node was not asked, since it failed moments ago. */
#define TRIDENT_ERRCODE_EXCHANGE_BREAKER MAKE_SQLSTATE('T','R','0','0','3')
/* What answers is not the node that was registered, or of another version. */
#define TRIDENT_ERRCODE_EXCHANGE_HANDSHAKE MAKE_SQLSTATE('T','R','0','0','4')
/* A bound of the exchange was met: memory, queue or connections. */
#define TRIDENT_ERRCODE_EXCHANGE_LIMIT MAKE_SQLSTATE('T','R','0','0','5')

/* TR1xx: search */

/* The collection has no column of a vector type. */
#define TRIDENT_ERRCODE_SEARCH_NO_VECTOR MAKE_SQLSTATE('T','R','1','0','1')
/* Several vector columns (or metrics) would do and none was named. */
#define TRIDENT_ERRCODE_SEARCH_AMBIGUOUS MAKE_SQLSTATE('T','R','1','0','2')
/* The rows of the collection cannot be named: no key given, no primary key. */
#define TRIDENT_ERRCODE_SEARCH_NO_KEY MAKE_SQLSTATE('T','R','1','0','3')
/* The filter is not one that may be run. */
#define TRIDENT_ERRCODE_SEARCH_FILTER MAKE_SQLSTATE('T','R','1','0','4')
/* A warning: shards are missing from an answer that may be partial. */
#define TRIDENT_ERRCODE_SEARCH_PARTIAL MAKE_SQLSTATE('T','R','1','0','5')

/* TR4xx: ingest */

/* No host key is pinned for the SFTP server. */
#define TRIDENT_ERRCODE_INGEST_UNKNOWN_HOST_KEY MAKE_SQLSTATE('T','R','4','0','1')
/* The SFTP server shows another host key than the pinned one. */
#define TRIDENT_ERRCODE_INGEST_CHANGED_HOST_KEY MAKE_SQLSTATE('T','R','4','0','2')
/* The source leads elsewhere since its user mapping was confirmed. */
#define TRIDENT_ERRCODE_INGEST_UNCONFIRMED MAKE_SQLSTATE('T','R','4','0','3')

#endif							/* TRIDENT_BASE_ERROR_H */
