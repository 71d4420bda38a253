/*
 * sink.c
 *	  What takes the rows of one shard: a COPY on its node, or a statement here.
 *
 * Where rows may meet others of the same key, a node copies into a temporary
 * table first and ends with INSERT ... ON CONFLICT.
 *
 * The data is COPY's binary format where every type has one that means the
 * same on all nodes: that of arrays and composites holds OIDs, that of regclass
 * and its kin is one, and they go as text.  Text is written with the settings
 * that sessions on nodes have; the query runs with those of its caller.
 *
 * Rights: what is written here is written as the caller, but for what has to
 * name the shard, an upsert and rows of a new shard: see writer_of.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
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
#include "base/sql.h"
#include "collection/sink.h"

#define FLUSH_BYTES (64 * 1024)

/* The ON CONFLICT clause: every column but the key is replaced. */
static char *
conflict_clause(const TridentCollectionWriter *writer, List *columns)
{
	char	   *key = trident_collection_join_names(writer->collection->key);
	StringInfoData others;
	ListCell   *lc;

	if (writer->conflict == TRIDENT_COLLECTION_CONFLICT_ERROR)
		return "";
	initStringInfo(&others);
	foreach(lc, columns)
	{
		const char *name = quote_identifier(lfirst(lc));

		if (!trident_collection_has_name(writer->collection->key, lfirst(lc)))
			appendStringInfo(&others, "%s%s = EXCLUDED.%s",
							 others.len > 0 ? ", " : "", name, name);
	}
	if (writer->conflict == TRIDENT_COLLECTION_CONFLICT_NOTHING || others.len == 0)
		return psprintf(" ON CONFLICT (%s) DO NOTHING", key);
	return psprintf(" ON CONFLICT (%s) DO UPDATE SET %s", key, others.data);
}

void
trident_collection_writer_begin(TridentCollectionWriter *writer, List *columns)
{
	writer->columns = trident_collection_join_names(columns);
	writer->on_conflict = conflict_clause(writer, columns);
	writer->ncolumns = list_length(columns);
	writer->desc = CreateTemplateTupleDesc(writer->ncolumns);
	writer->row_context = AllocSetContextCreate(CurrentMemoryContext,
												"trident row",
												ALLOCSET_DEFAULT_SIZES);
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

void
trident_collection_writer_format(TridentCollectionWriter *writer)
{
	writer->output = palloc0(sizeof(FmgrInfo) * writer->ncolumns);
	writer->is_binary = true;
	for (int i = 0; i < writer->ncolumns; i++)
		writer->is_binary &= is_portable(TupleDescAttr(writer->desc, i)->atttypid);
	for (int i = 0; i < writer->ncolumns; i++)
	{
		Oid			type = TupleDescAttr(writer->desc, i)->atttypid;
		Oid			function;
		bool		is_varlena;

		if (writer->is_binary)
			getTypeBinaryOutputInfo(type, &function, &is_varlena);
		else
			getTypeOutputInfo(type, &function, &is_varlena);
		fmgr_info(function, &writer->output[i]);
	}
}

/* The table that COPY writes to: the shard, or one that stands before it. */
static char *
copy_target(const TridentCollectionWriter *writer, const TridentCollectionSink *sink)
{
	return psprintf("%s.%s",
					writer->conflict == TRIDENT_COLLECTION_CONFLICT_ERROR ?
					TRIDENT_COLLECTION_SCHEMA : "pg_temp",
					quote_identifier(sink->shard->table));
}

void
trident_collection_sink_begin(TridentCollectionWriter *writer, TridentCollectionSink *sink)
{
	const char *table = quote_identifier(sink->shard->table);

	if (sink->link == NULL)
		return;
	if (writer->conflict != TRIDENT_COLLECTION_CONFLICT_ERROR)
	{
		trident_collection_uses_temporary(sink->link);
		trident_collection_run(sink->link, psprintf(
			"CREATE TEMPORARY TABLE %s ON COMMIT DROP AS SELECT %s FROM %s.%s WITH NO DATA",
			copy_target(writer, sink), writer->columns,
			TRIDENT_COLLECTION_SCHEMA, table));
	}
	trident_collection_run(sink->link, psprintf(
		"COPY %s (%s) FROM STDIN (FORMAT %s)", copy_target(writer, sink),
		writer->columns, writer->is_binary ? "binary" : "text"));
	if (writer->is_binary)
	{
		/* signature, flags, no extension */
		appendBinaryStringInfo(&sink->buffer, "PGCOPY\n\377\r\n\0", 11);
		pq_sendint32(&sink->buffer, 0);
		pq_sendint32(&sink->buffer, 0);
	}
}

static void
flush_sink(TridentCollectionSink *sink)
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

int
trident_collection_encoding_begin(void)
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
encode_row(TridentCollectionWriter *writer, TridentCollectionSink *sink, Datum *values, bool *nulls)
{
	StringInfo	buffer = &sink->buffer;

	if (writer->is_binary)
		pq_sendint16(buffer, writer->ncolumns);
	for (int i = 0; i < writer->ncolumns; i++)
	{
		if (!writer->is_binary)
		{
			if (i > 0)
				appendStringInfoChar(buffer, '\t');
			if (nulls[i])
				appendStringInfoString(buffer, "\\N");
			else
				append_text(buffer, OutputFunctionCall(&writer->output[i], values[i]));
		}
		else if (nulls[i])
			pq_sendint32(buffer, -1);
		else
		{
			bytea	   *bytes = SendFunctionCall(&writer->output[i], values[i]);

			pq_sendint32(buffer, VARSIZE(bytes) - VARHDRSZ);
			appendBinaryStringInfo(buffer, VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ);
		}
	}
	if (!writer->is_binary)
		appendStringInfoChar(buffer, '\n');
}

void
trident_collection_sink_send(TridentCollectionWriter *writer,
							 TridentCollectionSink *sink, Datum *values, bool *nulls)
{
	MemoryContext context = MemoryContextSwitchTo(writer->row_context);

	encode_row(writer, sink, values, nulls);
	MemoryContextSwitchTo(context);
	MemoryContextReset(writer->row_context);
	if (sink->buffer.len >= FLUSH_BYTES)
		flush_sink(sink);
}

/*
 * The role to write a local shard as.  A new one: its owner, whose checks and
 * generated columns are computed.  A leaf, by its own name: ON CONFLICT needs
 * its key, on which rights on the collection, checked before, are none: its
 * owner then, unless a trigger or rule, which others can be let to make, would
 * run as that.
 */
static Oid
writer_of(const TridentCollectionShard *shard)
{
	bool		is_leaf = OidIsValid(shard->leaf);
	Oid			table = is_leaf ? shard->leaf :
		get_relname_relid(shard->table,
						  get_namespace_oid(TRIDENT_COLLECTION_SCHEMA, false));
	Relation	rel = table_open(table, RowExclusiveLock);
	Oid			owner = rel->rd_rel->relowner;

	if (is_leaf &&
		(has_privs_of_role(GetUserId(), owner) || rel->trigdesc || rel->rd_rules))
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
insert_rows(TridentCollectionWriter *writer, TridentCollectionSink *sink)
{
	EphemeralNamedRelation rows = palloc0(sizeof(EphemeralNamedRelationData));
	bool		is_by_parent = OidIsValid(sink->shard->leaf) && writer->on_conflict[0] == '\0';
	const char *target;
	int			rc;

	target = is_by_parent ? writer->collection->name :
		quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, sink->shard->table);
	rows->md.name = "trident_rows";
	rows->md.reliddesc = InvalidOid;
	rows->md.tupdesc = writer->desc;
	rows->md.enrtype = ENR_NAMED_TUPLESTORE;
	rows->md.enrtuples = sink->sent;
	rows->reldata = sink->rows;
	if (SPI_register_relation(rows) != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed");
	/* columns that are always generated as identity have their values, as in COPY */
	rc = execute_as(is_by_parent ? GetUserId() : writer_of(sink->shard),
					psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM trident_rows%s",
							 target, writer->columns, writer->columns,
							 writer->on_conflict));
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI failed: %s", SPI_result_code_string(rc));
	sink->taken = SPI_processed;
	(void) SPI_unregister_relation("trident_rows");
}

/* The last of the data; the node's own end of it follows. */
static void
end_copy(TridentCollectionWriter *writer, TridentCollectionSink *sink)
{
	const TridentExchangeReply *reply;

	if (writer->is_binary)
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
	if (writer->conflict == TRIDENT_COLLECTION_CONFLICT_ERROR)
		return;
	reply = trident_collection_run(sink->link, psprintf(
		"INSERT INTO %s.%s (%s) SELECT %s FROM %s%s", TRIDENT_COLLECTION_SCHEMA,
		quote_identifier(sink->shard->table), writer->columns, writer->columns,
		copy_target(writer, sink), writer->on_conflict));
	sink->taken = reply->affected;
	/* another call of this transaction makes it again */
	trident_collection_run(sink->link, psprintf("DROP TABLE %s", copy_target(writer, sink)));
}

void
trident_collection_sink_end(TridentCollectionWriter *writer, TridentCollectionSink *sink)
{
	if (sink->link)
		end_copy(writer, sink);
	else
		insert_rows(writer, sink);
}
