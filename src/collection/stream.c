/*
 * stream.c
 *	  Rows of a query into shards, all shards at once.
 *
 * Every remote shard has a COPY open on a connection of its own; the rows of
 * the query are encoded once and go to the connection of their shard while
 * the nodes write.  Where rows may meet others of the same key, a node copies
 * into a temporary table first and ends with INSERT ... ON CONFLICT.
 *
 * A node gets at most TRIDENT_COLLECTION_LANES connections; shards beyond that
 * have their turn in a later round.  The query is run once, since it may say
 * another thing the next time: rows of later rounds are kept, in memory or on
 * disk.  So are those of a local shard, inserted by one statement in the end.
 *
 * The data is COPY's binary format where every type has one that means the
 * same on all nodes: that of arrays and composites holds OIDs, and they go as
 * text.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/sql.h"
#include "collection/shard.h"

#define FETCH_ROWS 500
#define FLUSH_BYTES (64 * 1024)

/* Where the rows of one shard go. */
typedef struct Sink
{
	const TridentCollectionShard *shard;
	int			round;
	TridentCollectionLink *link;	/* NULL: local */
	Tuplestorestate *rows;		/* kept until its turn; NULL: sent at once */
	StringInfoData buffer;		/* remote */
	uint64		sent;
	uint64		taken;
} Sink;

typedef struct Stream
{
	const TridentCollection *collection;
	TridentCollectionConflict conflict;
	char	   *columns;		/* quoted, with commas */
	char	   *on_conflict;	/* the clause, or "" */
	Sink	   *sinks;
	int			nsinks;
	int			rounds;
	Sink	  **by_number;		/* modulus of them */

	/* set when the query is known */
	int			ncolumns;		/* without the shard's number */
	bool		is_binary;
	FmgrInfo   *output;
	TupleDesc	desc;			/* of those columns */
	TupleTableSlot *slot;		/* for rows that were kept */
	MemoryContext row_context;
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

/* The ON CONFLICT clause: every column but the key is replaced. */
static char *
conflict_clause(const Stream *stream, List *columns)
{
	char	   *key = trident_collection_join_names(stream->collection->key);
	StringInfoData others;
	ListCell   *lc;

	if (stream->conflict == TRIDENT_COLLECTION_CONFLICT_ERROR)
		return "";
	initStringInfo(&others);
	foreach(lc, columns)
	{
		const char *name = quote_identifier(lfirst(lc));

		if (!trident_collection_has_name(stream->collection->key, lfirst(lc)))
			appendStringInfo(&others, "%s%s = EXCLUDED.%s",
							 others.len > 0 ? ", " : "", name, name);
	}
	if (stream->conflict == TRIDENT_COLLECTION_CONFLICT_NOTHING || others.len == 0)
		return psprintf(" ON CONFLICT (%s) DO NOTHING", key);
	return psprintf(" ON CONFLICT (%s) DO UPDATE SET %s", key, others.data);
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
		Sink	   *sink = &stream->sinks[i];

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
	stream->sinks = palloc0(sizeof(Sink) * stream->nsinks);
	stream->by_number = palloc0(sizeof(Sink *) * stream->collection->modulus);
	stream->rounds = 1;
	foreach(lc, shards)
	{
		TridentCollectionShard *shard = lfirst(lc);
		Sink	   *sink = &stream->sinks[foreach_current_index(lc)];
		int			before = 0;

		sink->shard = shard;
		stream->by_number[shard->number] = sink;
		if (!OidIsValid(shard->server))
			continue;
		for (Sink *other = stream->sinks; other < sink; other++)
			before += other->shard->server == shard->server;
		sink->link = trident_collection_shard_link(shards, shard);
		sink->round = before / TRIDENT_COLLECTION_LANES;
		stream->rounds = Max(stream->rounds, sink->round + 1);
		initStringInfo(&sink->buffer);
	}
}

/* Is its binary format the same on every node? */
static bool
is_portable(Oid type)
{
	Oid			base = getBaseType(type);
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(base));
	Form_pg_type row;
	bool		portable;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", base);
	row = (Form_pg_type) GETSTRUCT(tuple);
	portable = row->typtype == TYPTYPE_BASE && !OidIsValid(row->typelem) &&
		OidIsValid(row->typsend);
	ReleaseSysCache(tuple);
	return portable;
}

/* How the columns of the query are written. */
static void
choose_format(Stream *stream, TupleDesc desc)
{
	stream->ncolumns = desc->natts - 1;
	stream->output = palloc0(sizeof(FmgrInfo) * desc->natts);
	stream->desc = CreateTemplateTupleDesc(stream->ncolumns);
	stream->is_binary = true;
	for (int i = 0; i < stream->ncolumns; i++)
	{
		TupleDescCopyEntry(stream->desc, i + 1, desc, i + 1);
		stream->is_binary &= is_portable(TupleDescAttr(desc, i)->atttypid);
	}
	for (int i = 0; i < stream->ncolumns; i++)
	{
		Oid			type = TupleDescAttr(desc, i)->atttypid;
		Oid			function;
		bool		is_varlena;

		if (stream->is_binary)
			getTypeBinaryOutputInfo(type, &function, &is_varlena);
		else
			getTypeOutputInfo(type, &function, &is_varlena);
		fmgr_info(function, &stream->output[i]);
	}
}

/* The table that COPY writes to: the shard, or one that stands before it. */
static char *
copy_target(const Stream *stream, const Sink *sink)
{
	return psprintf("%s.%s",
					stream->conflict == TRIDENT_COLLECTION_CONFLICT_ERROR ?
					TRIDENT_COLLECTION_SCHEMA : "pg_temp",
					quote_identifier(sink->shard->table));
}

static void
begin_sink(Stream *stream, Sink *sink)
{
	const char *table = quote_identifier(sink->shard->table);

	if (sink->link == NULL)
		return;
	if (stream->conflict != TRIDENT_COLLECTION_CONFLICT_ERROR)
	{
		trident_collection_uses_temporary(sink->link);
		trident_collection_run(sink->link, psprintf(
			"CREATE TEMPORARY TABLE %s ON COMMIT DROP AS SELECT %s FROM %s.%s WITH NO DATA",
			copy_target(stream, sink), stream->columns,
			TRIDENT_COLLECTION_SCHEMA, table));
	}
	trident_collection_run(sink->link, psprintf(
		"COPY %s (%s) FROM STDIN (FORMAT %s)", copy_target(stream, sink),
		stream->columns, stream->is_binary ? "binary" : "text"));
	if (stream->is_binary)
	{
		/* signature, flags, no extension */
		appendBinaryStringInfo(&sink->buffer, "PGCOPY\n\377\r\n\0", 11);
		pq_sendint32(&sink->buffer, 0);
		pq_sendint32(&sink->buffer, 0);
	}
}

static void
flush_sink(Sink *sink)
{
	trident_exchange_session_copy_put(trident_collection_session(sink->link),
									  sink->buffer.data, sink->buffer.len);
	resetStringInfo(&sink->buffer);
}

/* A value in COPY's text format. */
static void
append_text(StringInfo buffer, const char *text)
{
	for (const char *p = text; *p; p++)
	{
		switch (*p)
		{
			case '\\':
				appendStringInfoString(buffer, "\\\\");
				break;
			case '\n':
				appendStringInfoString(buffer, "\\n");
				break;
			case '\r':
				appendStringInfoString(buffer, "\\r");
				break;
			case '\t':
				appendStringInfoString(buffer, "\\t");
				break;
			default:
				appendStringInfoChar(buffer, *p);
		}
	}
}

/* Append a row to what its shard's COPY gets. */
static void
encode_row(Stream *stream, Sink *sink, Datum *values, bool *nulls)
{
	StringInfo	buffer = &sink->buffer;

	if (stream->is_binary)
		pq_sendint16(buffer, stream->ncolumns);
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (!stream->is_binary)
		{
			if (i > 0)
				appendStringInfoChar(buffer, '\t');
			if (nulls[i])
				appendStringInfoString(buffer, "\\N");
			else
				append_text(buffer, OutputFunctionCall(&stream->output[i], values[i]));
		}
		else if (nulls[i])
			pq_sendint32(buffer, -1);
		else
		{
			bytea	   *bytes = SendFunctionCall(&stream->output[i], values[i]);

			pq_sendint32(buffer, VARSIZE(bytes) - VARHDRSZ);
			appendBinaryStringInfo(buffer, VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ);
		}
	}
	if (!stream->is_binary)
		appendStringInfoChar(buffer, '\n');
}

/* A row to its shard, whose COPY is open. */
static void
send_row(Stream *stream, Sink *sink, Datum *values, bool *nulls)
{
	MemoryContext context = MemoryContextSwitchTo(stream->row_context);

	encode_row(stream, sink, values, nulls);
	MemoryContextSwitchTo(context);
	MemoryContextReset(stream->row_context);
	if (sink->buffer.len >= FLUSH_BYTES)
		flush_sink(sink);
}

/* A row of the query to its shard, or to be kept until that has its turn. */
static void
put_row(Stream *stream, Datum *values, bool *nulls)
{
	int			number = nulls[stream->ncolumns] ? -1 :
		DatumGetInt32(values[stream->ncolumns]);
	Sink	   *sink = number >= 0 && number < stream->collection->modulus ?
		stream->by_number[number] : NULL;

	if (sink == NULL)
		elog(ERROR, "a row belongs to shard %d, which is not written", number);
	sink->sent++;
	if (sink->rows)
		tuplestore_putvalues(sink->rows, stream->desc, values, nulls);
	else
		send_row(stream, sink, values, nulls);
}

/* Send some of the rows kept; false when there are no more. */
static bool
send_kept(Stream *stream, Sink *sink)
{
	for (int i = 0; i < FETCH_ROWS; i++)
	{
		if (!tuplestore_gettupleslot(sink->rows, true, false, stream->slot))
			return false;
		slot_getallattrs(stream->slot);
		send_row(stream, sink, stream->slot->tts_values, stream->slot->tts_isnull);
	}
	return true;
}

/* The rows of a local shard, by one statement that reads them as a table. */
static void
insert_rows(Stream *stream, Sink *sink)
{
	EphemeralNamedRelation rows = palloc0(sizeof(EphemeralNamedRelationData));
	const char *target;
	int			rc;

	/* Rights on the collection are none on its leaf. */
	target = OidIsValid(sink->shard->leaf) && stream->on_conflict[0] == '\0' ?
		stream->collection->name :
		quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, sink->shard->table);
	rows->md.name = "trident_rows";
	rows->md.reliddesc = InvalidOid;
	rows->md.tupdesc = stream->desc;
	rows->md.enrtype = ENR_NAMED_TUPLESTORE;
	rows->md.enrtuples = sink->sent;
	rows->reldata = sink->rows;
	if (SPI_register_relation(rows) != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed");
	rc = SPI_execute(psprintf("INSERT INTO %s (%s) SELECT %s FROM trident_rows%s",
							  target, stream->columns, stream->columns,
							  stream->on_conflict), false, 0);
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI failed: %s", SPI_result_code_string(rc));
	sink->taken = SPI_processed;
	(void) SPI_unregister_relation("trident_rows");
}

/* The last of the data; the node's own end of it follows. */
static void
end_sink(Stream *stream, Sink *sink)
{
	const TridentExchangeReply *reply;

	if (stream->is_binary)
		pq_sendint16(&sink->buffer, -1);
	flush_sink(sink);
	reply = trident_exchange_session_copy_end(trident_collection_session(sink->link),
											  false);
	if (!reply->ok)
		trident_exchange_raise(ERROR, reply);
	if (reply->affected >= 0 && (uint64) reply->affected != sink->sent)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("shard %d took another number of rows than it was sent",
						sink->shard->number),
				 errdetail("It took " INT64_FORMAT " of " UINT64_FORMAT ".",
						   reply->affected, sink->sent),
				 errhint("Look for triggers and rules on the shards of node \"%s\".",
						 sink->shard->node)));
	sink->taken = sink->sent;
	if (stream->conflict == TRIDENT_COLLECTION_CONFLICT_ERROR)
		return;
	reply = trident_collection_run(sink->link, psprintf(
		"INSERT INTO %s.%s (%s) SELECT %s FROM %s%s", TRIDENT_COLLECTION_SCHEMA,
		quote_identifier(sink->shard->table), stream->columns, stream->columns,
		copy_target(stream, sink), stream->on_conflict));
	sink->taken = reply->affected;
	/* another call of this transaction makes it again */
	trident_collection_run(sink->link, psprintf("DROP TABLE %s", copy_target(stream, sink)));
}

/* The rows of the query, each to its shard or kept. */
static void
run_query(Stream *stream, Portal portal)
{
	for (;;)
	{
		SPITupleTable *rows;

		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		rows = SPI_tuptable;
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0, n = SPI_processed; i < n; i++)
		{
			Datum		values[MaxTupleAttributeNumber];
			bool		nulls[MaxTupleAttributeNumber];

			heap_deform_tuple(rows->vals[i], rows->tupdesc, values, nulls);
			put_row(stream, values, nulls);
		}
		SPI_freetuptable(rows);
		CHECK_FOR_INTERRUPTS();
		TRIDENT_FAULT("collection-stream-rows");
	}
}

/* The rows kept for the shards of a round, to all of them in turn. */
static void
run_kept(Stream *stream, int round)
{
	bool		more = true;

	while (more)
	{
		more = false;
		for (int i = 0; i < stream->nsinks; i++)
		{
			Sink	   *sink = &stream->sinks[i];

			if (sink->link && sink->round == round)
				more |= send_kept(stream, sink);
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* Rows to the shards whose turn it is: first of the query, then those kept. */
static void
run_round(Stream *stream, int round, Portal portal)
{
	for (int i = 0; i < stream->nsinks; i++)
	{
		if (stream->sinks[i].round == round)
			begin_sink(stream, &stream->sinks[i]);
	}
	TRIDENT_FAULT("collection-stream-begun");
	if (round == 0)
		run_query(stream, portal);
	else
		run_kept(stream, round);
	for (int i = 0; i < stream->nsinks; i++)
	{
		Sink	   *sink = &stream->sinks[i];

		if (sink->round != round)
			continue;
		if (sink->link)
			end_sink(stream, sink);
		else
			insert_rows(stream, sink);
		if (sink->rows)
			tuplestore_end(sink->rows);
	}
	TRIDENT_FAULT("collection-stream-ended");
}

uint64
trident_collection_stream(const TridentCollection *collection, List *shards,
						  const char *query, List *columns,
						  TridentCollectionConflict conflict)
{
	Stream		stream = {.collection = collection, .conflict = conflict};
	int			guc_level = NewGUCNestLevel();
	SPIPlanPtr	plan;
	Portal		portal;
	uint64		taken = 0;

	stream.columns = trident_collection_join_names(columns);
	stream.on_conflict = conflict_clause(&stream, columns);
	make_sinks(&stream, shards);
	stream.row_context = AllocSetContextCreate(CurrentMemoryContext,
											   "trident row",
											   ALLOCSET_DEFAULT_SIZES);

	/* Functions that send text convert it for the client: be that client. */
	(void) set_config_option("client_encoding", GetDatabaseEncodingName(),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare_cursor(query, 0, NULL, CURSOR_OPT_NO_SCROLL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, false);
	choose_format(&stream, portal->tupDesc);
	if (stream.ncolumns != list_length(columns))
		elog(ERROR, "the query has %d columns, not %d",
			 stream.ncolumns, list_length(columns));
	begin_keeping(&stream);
	stream.slot = MakeSingleTupleTableSlot(stream.desc, &TTSOpsMinimalTuple);
	for (int round = 0; round < stream.rounds; round++)
		run_round(&stream, round, portal);
	ExecDropSingleTupleTableSlot(stream.slot);
	SPI_cursor_close(portal);
	for (int i = 0; i < stream.nsinks; i++)
		taken += stream.sinks[i].taken;
	SPI_finish();
	AtEOXact_GUC(true, guc_level);
	MemoryContextDelete(stream.row_context);
	return taken;
}
