/*
 * sink.h
 *	  Rows on their way into shards, between the file that says which row goes
 *	  where and when, and the one that writes them.
 */
#ifndef TRIDENT_COLLECTION_SINK_H
#define TRIDENT_COLLECTION_SINK_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/tuplestore.h"

#include "collection/shard.h"

/* What the sinks of a stream have in common.  All of it is of one context. */
typedef struct TridentCollectionWriter
{
	const TridentCollection *collection;
	TridentCollectionConflict conflict;

	/* set by _begin */
	char	   *columns;		/* quoted, with commas */
	char	   *on_conflict;	/* the clause, or "" */
	int			ncolumns;
	TupleDesc	desc;			/* of those columns; the caller fills it */
	MemoryContext row_context;	/* reset after each row */

	/* set by _format */
	bool		is_binary;
	FmgrInfo   *output;
} TridentCollectionWriter;

/* Where the rows of one shard go. */
typedef struct TridentCollectionSink
{
	const TridentCollectionShard *shard;
	int			round;
	TridentCollectionLink *link;	/* NULL: local */
	Tuplestorestate *rows;		/* kept until its turn; NULL: sent at once */
	StringInfoData buffer;		/* remote */
	uint64		sent;			/* counted by who sends or keeps them */
	uint64		taken;			/* set by _end */
} TridentCollectionSink;

/* The collection and conflict are given; columns (of char *) are those written. */
extern void trident_collection_writer_begin(TridentCollectionWriter *writer,
											List *columns);

/* How the columns, which are known now, are written. */
extern void trident_collection_writer_format(TridentCollectionWriter *writer);

/* Open the COPY of a remote shard; an error of the node is raised. */
extern void trident_collection_sink_begin(TridentCollectionWriter *writer,
										  TridentCollectionSink *sink);

/*
 * Values are written as nodes read them, and functions that send text do not
 * convert it, until AtEOXact_GUC with the level returned.
 */
extern int	trident_collection_encoding_begin(void);

/* A row to its shard, whose COPY is open. */
extern void trident_collection_sink_send(TridentCollectionWriter *writer,
										 TridentCollectionSink *sink,
										 Datum *values, bool *nulls);

/*
 * End the COPY, or insert what was kept for a local shard.  An error where the
 * node took another number of rows than it was sent.
 */
extern void trident_collection_sink_end(TridentCollectionWriter *writer,
										TridentCollectionSink *sink);

#endif							/* TRIDENT_COLLECTION_SINK_H */
