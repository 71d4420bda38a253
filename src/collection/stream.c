/*
 * stream.c
 *	  Rows of a query into shards, all shards at once; or of one shard into
 *	  the one that takes its place.
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
 * same on all nodes: that of arrays and composites holds OIDs, that of regclass
 * and its kin is one, and they go as text.  Text is written with the settings
 * that sessions on nodes have; the query runs with those of its caller.
 *
 * Rights: what is written here is written as the caller, but for an upsert,
 * which has to name the shard, on which the caller has none: see insert_rows.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/sql.h"
#include "collection/shard.h"

#define FETCH_ROWS 500
#define CURSOR_ROWS 100			/* of a node, in memory at once */
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

	Portal		portal;			/* of the query; NULL: rows come from a node */
	TridentCollectionLink *source;	/* the node */
	const char *source_table;

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

/* Is its binary format the same on every node?  Not if there are OIDs in it. */
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
		OidIsValid(row->typsend) && !trident_collection_is_alias(base);
	ReleaseSysCache(tuple);
	return portable;
}

/* How the columns, which are known now, are written. */
static void
choose_format(Stream *stream)
{
	stream->output = palloc0(sizeof(FmgrInfo) * stream->ncolumns);
	stream->is_binary = true;
	for (int i = 0; i < stream->ncolumns; i++)
		stream->is_binary &= is_portable(TupleDescAttr(stream->desc, i)->atttypid);
	for (int i = 0; i < stream->ncolumns; i++)
	{
		Oid			type = TupleDescAttr(stream->desc, i)->atttypid;
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

/* Values are written as nodes read them until AtEOXact_GUC with that level. */
static int
begin_encoding(void)
{
	int			level = trident_base_sql_neutral();

	/* Functions that send text convert it for the client: be that client. */
	(void) set_config_option("client_encoding", GetDatabaseEncodingName(),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	return level;
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

/* The shard that a row of the query belongs to. */
static Sink *
sink_of(const Stream *stream, const Datum *values, const bool *nulls)
{
	int			number = nulls[stream->ncolumns] ? -1 :
		DatumGetInt32(values[stream->ncolumns]);
	Sink	   *sink = number >= 0 && number < stream->collection->modulus ?
		stream->by_number[number] : NULL;

	if (sink == NULL)
		elog(ERROR, "a row belongs to shard %d, which is not written", number);
	return sink;
}

/* A row to its shard, or to be kept until that has its turn. */
static void
put_row(Stream *stream, Sink *sink, Datum *values, bool *nulls)
{
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

/*
 * The role to write a leaf as.  ON CONFLICT needs the key of the leaf, on which
 * rights on the collection, checked before, are none: its owner then, unless a
 * trigger or rule, which others can be let to make, would run as that.
 */
static Oid
writer_of(Oid leaf)
{
	Relation	rel = table_open(leaf, RowExclusiveLock);
	Oid			owner = rel->rd_rel->relowner;

	if (has_privs_of_role(GetUserId(), owner) || rel->trigdesc || rel->rd_rules)
		owner = GetUserId();
	table_close(rel, NoLock);
	return owner;
}

/*
 * Run the statement as that role, where nothing of the caller's is found.  It
 * is parsed as one who may look into the schema of shards; parsing runs nothing.
 */
static int
execute_as(Oid writer, const char *statement)
{
	SPIPlanPtr	plan;
	Oid			role;
	int			security;
	int			guc_level;
	int			rc;

	if (writer == GetUserId())
		return SPI_execute(statement, false, 0);
	GetUserIdAndSecContext(&role, &security);
	guc_level = trident_base_sql_neutral();
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE);
	plan = SPI_prepare(statement, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	SetUserIdAndSecContext(writer, security | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	rc = SPI_execute_plan(plan, NULL, NULL, false, 0);
	SetUserIdAndSecContext(role, security);
	AtEOXact_GUC(true, guc_level);
	return rc;
}

/*
 * The rows of a local shard, by one statement that reads them as a table.  The
 * query has run, with the casts, defaults and rights of the caller: what is
 * left are the generated columns, checks and indexes of the table.
 */
static void
insert_rows(Stream *stream, Sink *sink)
{
	EphemeralNamedRelation rows = palloc0(sizeof(EphemeralNamedRelationData));
	bool		is_upsert = OidIsValid(sink->shard->leaf) && stream->on_conflict[0] != '\0';
	const char *target;
	int			rc;

	target = OidIsValid(sink->shard->leaf) && !is_upsert ? stream->collection->name :
		quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, sink->shard->table);
	rows->md.name = "trident_rows";
	rows->md.reliddesc = InvalidOid;
	rows->md.tupdesc = stream->desc;
	rows->md.enrtype = ENR_NAMED_TUPLESTORE;
	rows->md.enrtuples = sink->sent;
	rows->reldata = sink->rows;
	if (SPI_register_relation(rows) != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed");
	/* columns that are always generated as identity have their values, as in COPY */
	rc = execute_as(is_upsert ? writer_of(sink->shard->leaf) : GetUserId(),
					psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM trident_rows%s",
							 target, stream->columns, stream->columns,
							 stream->on_conflict));
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
		guc_level = begin_encoding();
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
	Input	   *inputs = palloc0(sizeof(Input) * stream->ncolumns);

	for (int i = 0; i < stream->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(stream->desc, i);
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
	MemoryContext context = MemoryContextSwitchTo(stream->row_context);

	for (int i = 0; i < stream->ncolumns; i++)
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
		stream->columns, stream->source_table));
	do
	{
		const TridentExchangeReply *reply =
			trident_collection_run(stream->source,
								   psprintf("FETCH %d FROM trident_rows", CURSOR_ROWS));
		int			guc_level = begin_encoding();

		nrows = reply->nrows;
		for (int row = 0; row < nrows; row++)
		{
			Datum		values[MaxTupleAttributeNumber];
			bool		nulls[MaxTupleAttributeNumber];

			read_row(stream, inputs, reply, row, values, nulls);
			put_row(stream, &stream->sinks[0], values, nulls);
			MemoryContextReset(stream->row_context);
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
	int			guc_level = begin_encoding();

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
	AtEOXact_GUC(true, guc_level);
}

/* Rows to the shards whose turn it is: first from the source, then those kept. */
static void
run_round(Stream *stream, int round)
{
	for (int i = 0; i < stream->nsinks; i++)
	{
		if (stream->sinks[i].round == round)
			begin_sink(stream, &stream->sinks[i]);
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

/* What is known before the source is. */
static void
begin_stream(Stream *stream, List *shards, List *columns)
{
	stream->columns = trident_collection_join_names(columns);
	stream->on_conflict = conflict_clause(stream, columns);
	make_sinks(stream, shards);
	stream->ncolumns = list_length(columns);
	stream->desc = CreateTemplateTupleDesc(stream->ncolumns);
	stream->row_context = AllocSetContextCreate(CurrentMemoryContext,
												"trident row",
												ALLOCSET_DEFAULT_SIZES);
}

/* The rows of the source into the shards; how many those took. */
static uint64
run_stream(Stream *stream)
{
	uint64		taken = 0;

	choose_format(stream);
	begin_keeping(stream);
	stream->slot = MakeSingleTupleTableSlot(stream->desc, &TTSOpsMinimalTuple);
	for (int round = 0; round < stream->rounds; round++)
		run_round(stream, round);
	ExecDropSingleTupleTableSlot(stream->slot);
	for (int i = 0; i < stream->nsinks; i++)
		taken += stream->sinks[i].taken;
	MemoryContextDelete(stream->row_context);
	return taken;
}

uint64
trident_collection_stream(const TridentCollection *collection, List *shards,
						  const char *query, List *columns,
						  TridentCollectionConflict conflict)
{
	Stream		stream = {.collection = collection, .conflict = conflict};
	SPIPlanPtr	plan;
	uint64		taken;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	begin_stream(&stream, shards, columns);
	plan = SPI_prepare_cursor(query, 0, NULL, CURSOR_OPT_NO_SCROLL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	stream.portal = SPI_cursor_open(NULL, plan, NULL, NULL, false);
	if (stream.portal->tupDesc->natts != stream.ncolumns + 1)
		elog(ERROR, "the query has %d columns, not %d",
			 stream.portal->tupDesc->natts - 1, stream.ncolumns);
	for (int i = 0; i < stream.ncolumns; i++)
		TupleDescCopyEntry(stream.desc, i + 1, stream.portal->tupDesc, i + 1);
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
		.collection = collection,
		.conflict = TRIDENT_COLLECTION_CONFLICT_ERROR,
		.source = source,
		.source_table = table
	};
	List	   *columns = trident_collection_columns(collection->oid);
	Relation	rel;
	uint64		taken;
	ListCell   *lc;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	begin_stream(&stream, list_make1(target), columns);
	rel = table_open(collection->oid, NoLock);
	foreach(lc, columns)
		TupleDescCopyEntry(stream.desc, foreach_current_index(lc) + 1,
						   RelationGetDescr(rel),
						   get_attnum(collection->oid, lfirst(lc)));
	table_close(rel, NoLock);
	taken = run_stream(&stream);
	SPI_finish();
	return taken;
}
