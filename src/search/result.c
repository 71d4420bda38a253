/*
 * result.c
 *	  The rows found, in the form that trident_search returns them in.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "search/search.h"

/* The columns of the result, by position. */
enum
{
	RESULT_ID,
	RESULT_DISTANCE,
	RESULT_NODE,
	RESULT_SHARD,
	RESULT_PAYLOAD,
	RESULT_COLUMNS
};

/* So many tables' nodes are remembered while rows are written. */
#define MAX_KNOWN 64

/* How rows of one target become results. */
typedef struct Writer
{
	const TridentSearchTarget *target;
	int			nknown;
	Oid			shard[MAX_KNOWN];
	NameData	node[MAX_KNOWN];	/* of the shard of that number */
	FmgrInfo	key_out;		/* of the single key column, or of a row */
	TupleDesc	key_desc;		/* NULL for a single key column */
	FmgrInfo	to_jsonb;
	TupleDesc	payload_desc;	/* NULL for no payload */
} Writer;

/*
 * The node that a table's rows are on: for a partition that is a foreign table,
 * its server.  A name in the writer.
 */
static Datum
node_of(Writer *writer, Oid shard)
{
	const char *name = "local";
	Name		node;

	for (int i = 0; i < writer->nknown; i++)
	{
		if (writer->shard[i] == shard)
			return NameGetDatum(&writer->node[i]);
	}
	if (get_rel_relkind(shard) == RELKIND_FOREIGN_TABLE)
		name = GetForeignServer(GetForeignTable(shard)->serverid)->servername;
	if (writer->nknown == MAX_KNOWN)
		writer->nknown = 0;		/* all anew: there may be thousands */
	writer->shard[writer->nknown] = shard;
	node = &writer->node[writer->nknown++];
	namestrcpy(node, name);
	return NameGetDatum(node);
}

/* Some columns of the kept rows, as a type that values can be made of. */
static TupleDesc
part_of_desc(TupleDesc desc, int first, int count)
{
	TupleDesc	part = CreateTemplateTupleDesc(count);

	for (int i = 0; i < count; i++)
		TupleDescCopyEntry(part, i + 1, desc, first + i + 1);
	return BlessTupleDesc(part);
}

static void
prepare_key(Writer *writer)
{
	const TridentSearchTarget *target = writer->target;
	Oid			function = F_RECORD_OUT;
	bool		is_varlena;

	if (target->nkeys > 1)
		writer->key_desc = part_of_desc(target->row_desc, 0, target->nkeys);
	else
		getTypeOutputInfo(TupleDescAttr(target->row_desc, 0)->atttypid,
						  &function, &is_varlena);
	fmgr_info(function, &writer->key_out);
}

static void
prepare_payload(Writer *writer)
{
	const TridentSearchTarget *target = writer->target;
	int			count = target->ncolumns - target->nkeys;
	Const	   *record;

	if (count == 0)
		return;
	writer->payload_desc = part_of_desc(target->row_desc, target->nkeys, count);

	/* to_jsonb takes the type of its argument from the call's expression. */
	record = makeNullConst(RECORDOID, -1, InvalidOid);
	fmgr_info(F_TO_JSONB, &writer->to_jsonb);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID,
											 list_make1(record),
											 InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL),
					   &writer->to_jsonb);
}

/* The key in text form: of several columns, that of a row. */
static Datum
key_text(Writer *writer, Datum *values, bool *nulls, bool *is_null)
{
	Datum		key = values[0];

	*is_null = writer->key_desc == NULL && nulls[0];
	if (*is_null)
		return (Datum) 0;
	if (writer->key_desc)
		key = HeapTupleGetDatum(heap_form_tuple(writer->key_desc, values, nulls));
	return CStringGetTextDatum(OutputFunctionCall(&writer->key_out, key));
}

static void
write_row(Writer *writer, const TridentSearchRow *row,
		  Tuplestorestate *store, TupleDesc desc)
{
	const TridentSearchTarget *target = writer->target;
	Datum	   *columns = palloc(sizeof(Datum) * target->ncolumns);
	bool	   *column_nulls = palloc(sizeof(bool) * target->ncolumns);
	Datum		values[RESULT_COLUMNS] = {0};
	bool		nulls[RESULT_COLUMNS] = {0};

	heap_deform_tuple(row->tuple, target->row_desc, columns, column_nulls);

	values[RESULT_ID] = key_text(writer, columns, column_nulls, &nulls[RESULT_ID]);
	values[RESULT_DISTANCE] = Float8GetDatum(row->distance);
	if (OidIsValid(row->shard))
	{
		values[RESULT_NODE] = node_of(writer, row->shard);
		values[RESULT_SHARD] = ObjectIdGetDatum(row->shard);
	}
	else
		nulls[RESULT_NODE] = nulls[RESULT_SHARD] = true;
	if (writer->payload_desc)
	{
		HeapTuple	payload = heap_form_tuple(writer->payload_desc,
											  columns + target->nkeys,
											  column_nulls + target->nkeys);

		values[RESULT_PAYLOAD] = FunctionCall1(&writer->to_jsonb,
											   HeapTupleGetDatum(payload));
	}
	else
		nulls[RESULT_PAYLOAD] = true;
	tuplestore_putvalues(store, desc, values, nulls);
}

void
trident_search_result(const TridentSearchTop *top, Tuplestorestate *store,
					  TupleDesc desc)
{
	Writer		writer = {.target = top->target};
	MemoryContext per_row;
	MemoryContext old;

	prepare_key(&writer);
	prepare_payload(&writer);

	per_row = AllocSetContextCreate(CurrentMemoryContext, "trident search result",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(per_row);
	for (int i = 0; i < top->nrows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		write_row(&writer, &top->rows[i], store, desc);
		MemoryContextReset(per_row);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(per_row);
}
