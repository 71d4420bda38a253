/*
 * wire.c
 *	  Values and rows as they travel between nodes.
 *
 * An answer is one bytea, in network byte order:
 *
 *		int32		TRIDENT_SEARCH_WIRE_VERSION
 *		int32		number of shards, each
 *						int32	rows of it that follow
 *						float8	milliseconds that it was searched for
 *						byte	'p' one pass, 'x' the executor
 *		int32		number of columns, each
 *						byte	'b' binary, 't' text
 *		int32		number of rows, each, nearest first
 *						float8	distance
 *						int32	its shard, from 0
 *						each column: int32 length, -1 for NULL; the value
 *
 * Binary are the types of a list, whose form is the same in every major and
 * holds neither OIDs of the node's own nor text: the server would convert
 * text between the encodings of server and client, and the client of this
 * backend is not the node.  All other values are text, written by the type's
 * output function under settings that every node reads alike, in the encoding
 * that the asking node set as its client_encoding there.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "search/scatter.h"

/* Types of the server that travel in binary form. */
static const struct
{
	Oid			type;
	const char *name;
}			binary_types[] = {
	{INT8OID, "int8"},
	{INT4OID, "int4"},
	{INT2OID, "int2"},
	{FLOAT8OID, "float8"},
	{FLOAT4OID, "float4"},
	{UUIDOID, "uuid"},
	{BOOLOID, "bool"},
	{TIMESTAMPTZOID, "timestamptz"},
	{TIMESTAMPOID, "timestamp"},
	{DATEOID, "date"},
	{NUMERICOID, "numeric"},
	{BYTEAOID, "bytea"},
	{TIMEOID, "time"},
	{TIMETZOID, "timetz"},
	{INTERVALOID, "interval"},
	{INT8ARRAYOID, "int8[]"},
	{INT4ARRAYOID, "int4[]"},
	{INT2ARRAYOID, "int2[]"},
	{FLOAT8ARRAYOID, "float8[]"},
	{FLOAT4ARRAYOID, "float4[]"}
};

/* A column on its way: which function makes or reads its values. */
typedef struct Column
{
	bool		is_binary;
	FmgrInfo	function;
	Oid			ioparam;
	int32		typmod;
} Column;

const char *
trident_search_wire_type(Oid type)
{
	const TridentSearchObjects *objects = trident_search_objects();

	type = getBaseType(type);
	for (int i = 0; i < (int) lengthof(binary_types); i++)
	{
		if (binary_types[i].type == type)
			return binary_types[i].name;
	}
	if (type == objects->type[TRIDENT_VECTOR_FLOAT4])
		return "vector";
	if (type == objects->type[TRIDENT_VECTOR_FLOAT2])
		return "halfvec";
	return NULL;
}

int
trident_search_wire_begin(void)
{
	static const char *const settings[][2] = {
		{"datestyle", "ISO"},
		{"intervalstyle", "postgres"},
		{"extra_float_digits", "3"},
		{"search_path", "pg_catalog"}
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
trident_search_wire_end(int level)
{
	AtEOXact_GUC(true, level);
}

char *
trident_search_wire_text(Datum value, Oid type)
{
	Oid			function;
	bool		is_varlena;

	getTypeOutputInfo(type, &function, &is_varlena);
	return OidOutputFunctionCall(function, value);
}

/* Is the text of its values the same under all settings? */
static bool
is_plain_text(Oid type)
{
	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case JSONOID:
		case JSONBOID:
			return true;
		default:
			return type_is_enum(type);
	}
}

/* Do values of those columns that are text depend on settings? */
static bool
needs_settings(TupleDesc desc, const Column *columns)
{
	for (int i = 0; i < desc->natts; i++)
	{
		if (!columns[i].is_binary &&
			!is_plain_text(TupleDescAttr(desc, i)->atttypid))
			return true;
	}
	return false;
}

/* How the columns of rows are written to a caller that has types so named. */
static Column *
columns_to_write(TupleDesc desc, char *const *types)
{
	Column	   *columns = palloc(sizeof(Column) * desc->natts);

	for (int i = 0; i < desc->natts; i++)
	{
		Oid			type = TupleDescAttr(desc, i)->atttypid;
		const char *name = trident_search_wire_type(type);
		Oid			function;
		bool		is_varlena;

		columns[i].is_binary = name != NULL && strcmp(name, types[i]) == 0;
		if (columns[i].is_binary)
			getTypeBinaryOutputInfo(getBaseType(type), &function, &is_varlena);
		else
			getTypeOutputInfo(type, &function, &is_varlena);
		fmgr_info(function, &columns[i].function);
	}
	return columns;
}

/* Appends text in the encoding of the caller, after its length. */
static void
write_text(StringInfo out, char *text)
{
	int			length = strlen(text);
	char	   *converted = pg_server_to_client(text, length);

	if (converted != text)
		length = strlen(converted);
	pq_sendint32(out, length);
	pq_sendbytes(out, converted, length);
}

static void
write_row(StringInfo out, const TridentSearchRow *row, int shard,
		  TupleDesc desc, Column *columns, Datum *values, bool *nulls)
{
	heap_deform_tuple(row->tuple, desc, values, nulls);
	pq_sendfloat8(out, row->distance);
	pq_sendint32(out, shard);
	for (int i = 0; i < desc->natts; i++)
	{
		Column	   *column = &columns[i];

		if (nulls[i])
			pq_sendint32(out, -1);
		else if (column->is_binary)
		{
			bytea	   *value = SendFunctionCall(&column->function, values[i]);

			pq_sendint32(out, VARSIZE(value) - VARHDRSZ);
			pq_sendbytes(out, VARDATA(value), VARSIZE(value) - VARHDRSZ);
		}
		else
			write_text(out, OutputFunctionCall(&column->function, values[i]));
	}
}

/* The place of a table among the shards. */
static int
shard_number(Oid shard, int nshards, const Oid *shards)
{
	for (int i = 0; i < nshards; i++)
	{
		if (shards[i] == shard)
			return i;
	}
	elog(ERROR, "row of table %u, which is no shard", shard);
	return -1;					/* keep the compiler quiet */
}

bytea *
trident_search_wire_write(const TridentSearchTop *top, int nshards,
						  const Oid *shards,
						  const TridentSearchShardAnswer *answers,
						  char *const *types)
{
	TupleDesc	desc = top->target->row_desc;
	Column	   *columns = columns_to_write(desc, types);
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	int			level = needs_settings(desc, columns) ?
		trident_search_wire_begin() : 0;
	int		   *rows = palloc0(sizeof(int) * nshards);
	int		   *number = palloc(sizeof(int) * (top->nrows + 1));
	StringInfoData out;

	for (int i = 0; i < top->nrows; i++)
	{
		number[i] = shard_number(top->rows[i].shard, nshards, shards);
		rows[number[i]]++;
	}

	pq_begintypsend(&out);
	pq_sendint32(&out, TRIDENT_SEARCH_WIRE_VERSION);
	pq_sendint32(&out, nshards);
	for (int i = 0; i < nshards; i++)
	{
		pq_sendint32(&out, rows[i]);
		pq_sendfloat8(&out, answers[i].search_ms);
		pq_sendbyte(&out, answers[i].path);
	}
	pq_sendint32(&out, desc->natts);
	for (int i = 0; i < desc->natts; i++)
		pq_sendbyte(&out, columns[i].is_binary ? 'b' : 't');
	pq_sendint32(&out, top->nrows);
	for (int i = 0; i < top->nrows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		write_row(&out, &top->rows[i], number[i], desc, columns, values, nulls);
	}
	if (level > 0)
		trident_search_wire_end(level);
	return pq_endtypsend(&out);
}

static void
refuse_answer(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("a node answered a search in a form that cannot be read"),
			 errdetail("%s", detail),
			 errhint("Install the same version of trident on all nodes.")));
}

void
trident_search_wire_open(TridentSearchAnswer *answer,
						 const TridentSearchTarget *target, int nshards,
						 const char *data, int length)
{
	StringInfo	in = &answer->data;

	in->data = unconstify(char *, data);
	in->len = in->maxlen = length;
	in->cursor = 0;

	if (pq_getmsgint(in, 4) != TRIDENT_SEARCH_WIRE_VERSION)
		refuse_answer("The version of the form is another one.");
	if ((int) pq_getmsgint(in, 4) != nshards)
		refuse_answer("It is about another number of shards.");
	answer->nshards = nshards;
	answer->shards = palloc(sizeof(TridentSearchShardAnswer) * nshards);
	for (int i = 0; i < nshards; i++)
	{
		answer->shards[i].rows = pq_getmsgint(in, 4);
		answer->shards[i].search_ms = pq_getmsgfloat8(in);
		answer->shards[i].path = pq_getmsgbyte(in);
	}
	if ((int) pq_getmsgint(in, 4) != target->ncolumns)
		refuse_answer("It has another number of columns.");
	answer->is_binary = palloc(sizeof(bool) * target->ncolumns);
	for (int i = 0; i < target->ncolumns; i++)
		answer->is_binary[i] = pq_getmsgbyte(in) == 'b';
	answer->nrows = pq_getmsgint(in, 4);
	answer->first_row = in->cursor;
	answer->last = get_float8_nan();
}

/* How the columns of an answer are read into rows of the target. */
static Column *
columns_to_read(const TridentSearchAnswer *answer, TupleDesc desc)
{
	Column	   *columns = palloc(sizeof(Column) * desc->natts);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Oid			function = InvalidOid;

		columns[i].is_binary = answer->is_binary[i];
		columns[i].typmod = att->atttypmod;
		if (!columns[i].is_binary)
			getTypeInputInfo(att->atttypid, &function, &columns[i].ioparam);
		else if (trident_search_wire_type(att->atttypid))
		{
			columns[i].typmod = -1;
			getTypeBinaryInputInfo(getBaseType(att->atttypid), &function,
								   &columns[i].ioparam);
		}
		else
			refuse_answer("A column is binary that was asked for as text.");
		fmgr_info(function, &columns[i].function);
	}
	return columns;
}

/* The next value of a row; its bytes stay in the answer or are palloc'd. */
static Datum
read_value(StringInfo in, Column *column, bool *is_null)
{
	int			length = (int) pq_getmsgint(in, 4);
	StringInfoData part;
	const char *bytes;

	*is_null = length == -1;
	if (length == -1)
		return (Datum) 0;
	if (length < 0)
		refuse_answer("A value has a negative length.");
	bytes = pq_getmsgbytes(in, length);
	if (!column->is_binary)
	{
		/*
		 * Input functions take it that text is in the database's encoding.
		 * Before the copy, which ends at a zero byte.
		 */
		(void) pg_verify_mbstr(GetDatabaseEncoding(), bytes, length, false);
		return InputFunctionCall(&column->function, pnstrdup(bytes, length),
								 column->ioparam, column->typmod);
	}

	/* Receive functions may read beyond by one byte, which they restore. */
	part.data = palloc(length + 1);
	memcpy(part.data, bytes, length);
	part.data[length] = '\0';
	part.len = part.maxlen = length;
	part.cursor = 0;
	return ReceiveFunctionCall(&column->function, &part, column->ioparam,
							   column->typmod);
}

void
trident_search_wire_read(TridentSearchAnswer *answer, const Oid *shards,
						 TridentSearchTop *top)
{
	TupleDesc	desc = top->target->row_desc;
	Column	   *columns = columns_to_read(answer, desc);
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	int			level = needs_settings(desc, columns) ?
		trident_search_wire_begin() : 0;

	answer->data.cursor = answer->first_row;
	for (int row = 0; row < answer->nrows; row++)
	{
		double		distance = pq_getmsgfloat8(&answer->data);
		uint32		shard = pq_getmsgint(&answer->data, 4);

		CHECK_FOR_INTERRUPTS();
		if (shard >= (uint32) answer->nshards)
			refuse_answer("A row is of a shard that was not asked for.");
		for (int i = 0; i < desc->natts; i++)
			values[i] = read_value(&answer->data, &columns[i], &nulls[i]);
		answer->last = distance;

		/* Rows come nearest first: none of the others is wanted either. */
		if (trident_search_top_refuses(top, distance))
			break;
		trident_search_top_offer(top, distance, shards[shard], values, nulls);
	}
	if (level > 0)
		trident_search_wire_end(level);
}
