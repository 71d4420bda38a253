/*
 * stream.c
 *	  Rows of a query into shards, all shards at once; or of one shard into
 *	  the one that takes its place.
 *
 * The rows of the query are encoded once and go to the COPY of their shard,
 * open on a connection of its own (sink.c), while the nodes write.
 *
 * A node gets at most TRIDENT_COLLECTION_LANES connections; shards beyond that
 * have their turn in a later round.  The query is run once, since it may say
 * another thing the next time: rows of later rounds are kept, in memory or on
 * disk.  So are those of a local shard, inserted by one statement in the end.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/sql.h"
#include "collection/sink.h"

#define FETCH_ROWS 500
#define CURSOR_ROWS 100			/* of a node, in memory at once */

typedef struct Stream
{
	TridentCollectionWriter writer;
	TridentCollectionSink *sinks;
	int			nsinks;
	int			rounds;
	TridentCollectionSink **by_number;	/* modulus of them */

	Portal		portal;			/* of the query; NULL: rows come from a node */
	TridentCollectionLink *source;	/* the node */
	const char *source_table;

	TupleTableSlot *slot;		/* for rows that were kept */
} Stream;

List *
trident_collection_columns(Oid table)
{
	const char *args[] = {psprintf("%u", table)};
	List	   *names;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	names = trident_base_sql_list(
		"SELECT attname FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0"
		" AND NOT attisdropped AND attgenerated = '' ORDER BY attnum", 1, args);
	trident_base_sql_end(&sql);
	return names;
}

/* Where rows have to be kept, memory for it: work_mem in all. */
static void
begin_keeping(Stream *stream)
{
	int			nkeepers = 0;

	for (int i = 0; i < stream->nsinks; i++)
		nkeepers += stream->sinks[i].link == NULL || stream->sinks[i].round > 0;
	for (int i = 0; i < stream->nsinks; i++)
	{
		TridentCollectionSink *sink = &stream->sinks[i];

		if (sink->link == NULL || sink->round > 0)
			sink->rows = tuplestore_begin_heap(false, false,
											   Max(64, work_mem / nkeepers));
	}
}

/* A place for the rows of every shard; which connection, and which round. */
static void
make_sinks(Stream *stream, List *shards)
{
	ListCell   *lc;

	stream->nsinks = list_length(shards);
	stream->sinks = palloc0(sizeof(TridentCollectionSink) * stream->nsinks);
	stream->by_number = palloc0(sizeof(TridentCollectionSink *) *
								stream->writer.collection->modulus);
	stream->rounds = 1;
	foreach(lc, shards)
	{
		TridentCollectionShard *shard = lfirst(lc);
		TridentCollectionSink *sink = &stream->sinks[foreach_current_index(lc)];
		int			before = 0;

		sink->shard = shard;
		stream->by_number[shard->number] = sink;
		if (!OidIsValid(shard->server))
			continue;
		for (TridentCollectionSink *other = stream->sinks; other < sink; other++)
			before += other->shard->server == shard->server;
		sink->link = trident_collection_shard_link(shards, shard);
		sink->round = before / TRIDENT_COLLECTION_LANES;
		stream->rounds = Max(stream->rounds, sink->round + 1);
		initStringInfo(&sink->buffer);
	}
}

/* The shard that a row of the query belongs to. */
static TridentCollectionSink *
sink_of(const Stream *stream, const Datum *values, const bool *nulls)
{
	int			number = nulls[stream->writer.ncolumns] ? -1 :
		DatumGetInt32(values[stream->writer.ncolumns]);
	const TridentCollection *collection = stream->writer.collection;
	TridentCollectionSink *sink = number >= 0 && number < collection->modulus ?
		stream->by_number[number] : NULL;

	if (sink == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a row belongs to shard %d of collection \"%s\", which it lacks",
						number, get_rel_name(collection->oid)),
				 errdetail("The shard was dropped or detached here."),
				 errhint("See trident_collection_status(), and attach it again with ALTER TABLE ... ATTACH PARTITION.")));
	return sink;
}

/* A row to its shard, or to be kept until that has its turn. */
static void
put_row(Stream *stream, TridentCollectionSink *sink, Datum *values, bool *nulls)
{
	sink->sent++;
	if (sink->rows)
		tuplestore_putvalues(sink->rows, stream->writer.desc, values, nulls);
	else
		trident_collection_sink_send(&stream->writer, sink, values, nulls);
}

/* Send some of the rows kept; false when there are no more. */
static bool
send_kept(Stream *stream, TridentCollectionSink *sink)
{
	for (int i = 0; i < FETCH_ROWS; i++)
	{
		if (!tuplestore_gettupleslot(sink->rows, true, false, stream->slot))
			return false;
		slot_getallattrs(stream->slot);
		trident_collection_sink_send(&stream->writer, sink, stream->slot->tts_values,
									 stream->slot->tts_isnull);
	}
	return true;
}

/* The rows of the query, each to its shard or kept. */
static void
run_query(Stream *stream)
{
	for (;;)
	{
		SPITupleTable *rows;
		int			guc_level;

		SPI_cursor_fetch(stream->portal, true, FETCH_ROWS);
		rows = SPI_tuptable;
		if (SPI_processed == 0)
			break;
		guc_level = trident_collection_encoding_begin();
		for (uint64 i = 0, n = SPI_processed; i < n; i++)
		{
			Datum		values[MaxTupleAttributeNumber];
			bool		nulls[MaxTupleAttributeNumber];

			heap_deform_tuple(rows->vals[i], rows->tupdesc, values, nulls);
			put_row(stream, sink_of(stream, values, nulls), values, nulls);
		}
		AtEOXact_GUC(true, guc_level);
		SPI_freetuptable(rows);
		CHECK_FOR_INTERRUPTS();
		TRIDENT_FAULT("collection-stream-rows");
	}
}

/* What reads the text of a column. */
typedef struct Input
{
	FmgrInfo	function;
	Oid			param;
	int32		typmod;
} Input;

static Input *
make_inputs(const Stream *stream)
{
	Input	   *inputs = palloc0(sizeof(Input) * stream->writer.ncolumns);

	for (int i = 0; i < stream->writer.ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(stream->writer.desc, i);
		Oid			function;

		getTypeInputInfo(att->atttypid, &function, &inputs[i].param);
		fmgr_info(function, &inputs[i].function);
		inputs[i].typmod = att->atttypmod;
	}
	return inputs;
}

/* A row of a reply, in the context that is reset after each. */
static void
read_row(const Stream *stream, Input *inputs, const TridentExchangeReply *reply,
		 int row, Datum *values, bool *nulls)
{
	MemoryContext context = MemoryContextSwitchTo(stream->writer.row_context);

	for (int i = 0; i < stream->writer.ncolumns; i++)
	{
		const char *text;

		nulls[i] = i < reply->ncolumns &&
			trident_exchange_value(reply, row, i, NULL) == NULL;
		text = nulls[i] ? NULL : trident_exchange_text(reply, row, i);
		values[i] = InputFunctionCall(&inputs[i].function, unconstify(char *, text),
									  inputs[i].param, inputs[i].typmod);
	}
	MemoryContextSwitchTo(context);
}

/*
 * The rows of a shard on a node.  A snapshot is taken there now, by the
 * transaction that holds the lock: what postgres_fdw sees may be older.
 */
static void
run_cursor(Stream *stream)
{
	Input	   *inputs = make_inputs(stream);
	int			nrows;

	trident_collection_run(stream->source, psprintf(
		"DECLARE trident_rows NO SCROLL CURSOR FOR SELECT %s FROM %s",
		stream->writer.columns, stream->source_table));
	do
	{
		const TridentExchangeReply *reply =
			trident_collection_run(stream->source,
								   psprintf("FETCH %d FROM trident_rows", CURSOR_ROWS));
		int			guc_level = trident_collection_encoding_begin();

		nrows = reply->nrows;
		for (int row = 0; row < nrows; row++)
		{
			Datum		values[MaxTupleAttributeNumber];
			bool		nulls[MaxTupleAttributeNumber];

			read_row(stream, inputs, reply, row, values, nulls);
			put_row(stream, &stream->sinks[0], values, nulls);
			MemoryContextReset(stream->writer.row_context);
		}
		AtEOXact_GUC(true, guc_level);
		CHECK_FOR_INTERRUPTS();
	} while (nrows > 0);
	trident_collection_run(stream->source, "CLOSE trident_rows");
}

/* The rows kept for the shards of a round, to all of them in turn. */
static void
run_kept(Stream *stream, int round)
{
	bool		more = true;
	int			guc_level = trident_collection_encoding_begin();

	while (more)
	{
		more = false;
		for (int i = 0; i < stream->nsinks; i++)
		{
			TridentCollectionSink *sink = &stream->sinks[i];

			if (sink->link && sink->round == round)
				more |= send_kept(stream, sink);
		}
		CHECK_FOR_INTERRUPTS();
	}
	AtEOXact_GUC(true, guc_level);
}

/* Rows to the shards whose turn it is: first from the source, then those kept. */
static void
run_round(Stream *stream, int round)
{
	for (int i = 0; i < stream->nsinks; i++)
	{
		if (stream->sinks[i].round == round)
			trident_collection_sink_begin(&stream->writer, &stream->sinks[i]);
	}
	TRIDENT_FAULT("collection-stream-begun");
	if (round == 0 && stream->portal)
		run_query(stream);
	else if (round == 0)
		run_cursor(stream);
	else
		run_kept(stream, round);
	for (int i = 0; i < stream->nsinks; i++)
	{
		TridentCollectionSink *sink = &stream->sinks[i];

		if (sink->round != round)
			continue;
		trident_collection_sink_end(&stream->writer, sink);
		if (sink->rows)
			tuplestore_end(sink->rows);
	}
	TRIDENT_FAULT("collection-stream-ended");
}

/* The rows of the source into the shards; how many those took. */
static uint64
run_stream(Stream *stream)
{
	uint64		taken = 0;

	trident_collection_writer_format(&stream->writer);
	begin_keeping(stream);
	stream->slot = MakeSingleTupleTableSlot(stream->writer.desc, &TTSOpsMinimalTuple);
	for (int round = 0; round < stream->rounds; round++)
		run_round(stream, round);
	ExecDropSingleTupleTableSlot(stream->slot);
	for (int i = 0; i < stream->nsinks; i++)
		taken += stream->sinks[i].taken;
	MemoryContextDelete(stream->writer.row_context);
	return taken;
}

/*
 * What the query's columns are.  Each has the type of its column: a cast that is
 * left to do could be a function of the caller's, run with another's rights.
 */
static void
take_columns(Stream *stream, List *columns)
{
	Oid			table = stream->writer.collection->oid;
	TupleDesc	desc = stream->portal->tupDesc;
	ListCell   *lc;

	if (desc->natts != stream->writer.ncolumns + 1)
		elog(ERROR, "the query has %d columns, not %d", desc->natts - 1,
			 stream->writer.ncolumns);
	foreach(lc, columns)
	{
		int			i = foreach_current_index(lc);
		Oid			type = get_atttype(table, get_attnum(table, lfirst(lc)));

		if (getBaseType(TupleDescAttr(desc, i)->atttypid) != getBaseType(type))
			elog(ERROR, "column %d of the query has type %u, not %u", i + 1,
				 TupleDescAttr(desc, i)->atttypid, type);
		TupleDescCopyEntry(stream->writer.desc, i + 1, desc, i + 1);
	}
}

uint64
trident_collection_stream(const TridentCollection *collection, List *shards,
						  const char *query, List *columns,
						  TridentCollectionConflict conflict)
{
	Stream		stream = {.writer = {.collection = collection, .conflict = conflict}};
	SPIPlanPtr	plan;
	uint64		taken;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	trident_collection_writer_begin(&stream.writer, columns);
	make_sinks(&stream, shards);
	plan = SPI_prepare_cursor(query, 0, NULL, CURSOR_OPT_NO_SCROLL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	stream.portal = SPI_cursor_open(NULL, plan, NULL, NULL, false);
	take_columns(&stream, columns);
	taken = run_stream(&stream);
	SPI_cursor_close(stream.portal);
	SPI_finish();
	return taken;
}

uint64
trident_collection_stream_shard(const TridentCollection *collection,
								TridentCollectionShard *target,
								TridentCollectionLink *source, const char *table)
{
	Stream		stream = {
		.writer = {
			.collection = collection,
			.conflict = TRIDENT_COLLECTION_CONFLICT_ERROR
		},
		.source = source,
		.source_table = table
	};
	List	   *columns = trident_collection_columns(collection->oid);
	Relation	rel;
	uint64		taken;
	ListCell   *lc;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	trident_collection_writer_begin(&stream.writer, columns);
	make_sinks(&stream, list_make1(target));
	rel = table_open(collection->oid, NoLock);
	foreach(lc, columns)
		TupleDescCopyEntry(stream.writer.desc, foreach_current_index(lc) + 1,
						   RelationGetDescr(rel),
						   get_attnum(collection->oid, lfirst(lc)));
	table_close(rel, NoLock);
	taken = run_stream(&stream);
	SPI_finish();
	return taken;
}
