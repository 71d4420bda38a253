/*
 * status.c
 *	  trident_collection_status: every shard of a collection, as it is found.
 *
 * All nodes are asked at once, with the user mapping of the caller; what a
 * node does not answer is in the row of its shard, and no other is missing.
 * Nor is that of a shard which has lost its partition here.  The caller needs
 * SELECT on the collection, and no right on what is below it here.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/sql.h"
#include "collection/inventory.h"
#include "collection/shard.h"

PG_FUNCTION_INFO_V1(trident_collection_status);

#define NCOLUMNS 9

/* What is asked of a node about each shard. */
#define ASK_PARTS	0
#define ASK_SIZE	1
#define NASKED		2

/* What is known of a shard. */
typedef struct Finding
{
	const char *error;			/* NULL: none */
	List	   *parts;
	const char *rows;
	const char *size;
	const char *misplaced;		/* NULL: not looked for */
} Finding;

/* $1: the table's name.  Reading every row only when asked to verify. */
static char *
size_query(const TridentCollection *collection,
		   const TridentCollectionShard *shard, bool verify)
{
	if (!verify)
		return "SELECT pg_total_relation_size(c.oid), nullif(c.reltuples, -1)::bigint, NULL"
			" FROM pg_class c WHERE c.oid = $1::text::regclass";
	return psprintf("SELECT pg_total_relation_size($1::text::regclass), count(*),"
					" count(*) FILTER (WHERE trident.shard_number(%d, %s) IS DISTINCT FROM %d)"
					" FROM %s", collection->modulus, collection->hash_columns,
					shard->number,
					quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table));
}

/*
 * Count the rows of a local shard, and those that its partition's bound does
 * not allow.  Not by SQL: whoever may read the collection has no right on its
 * leaf, nor on the schema that it is in.
 */
static void
count_here(Oid leaf, Finding *finding)
{
	Relation	rel = table_open(leaf, AccessShareLock);
	EState	   *state = CreateExecutorState();
	ResultRelInfo *info = makeNode(ResultRelInfo);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	int64		rows = 0;
	int64		misplaced = 0;

	InitResultRelInfo(info, rel, 1, NULL, 0);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		rows++;
		misplaced += !ExecPartitionCheck(info, slot, state, false);
		ResetPerTupleExprContext(state);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(state);
	table_close(rel, NoLock);
	finding->rows = psprintf(INT64_FORMAT, rows);
	finding->misplaced = psprintf(INT64_FORMAT, misplaced);
}

static void
look_here(const TridentCollectionShard *shard, bool verify, Finding *finding)
{
	const char *args[] = {psprintf("%u", shard->leaf)};
	TridentBaseRows *rows;
	TridentBaseSql sql;

	finding->parts = trident_collection_inventory(shard->leaf);
	trident_base_sql_begin(&sql);
	rows = trident_base_sql_rows("SELECT pg_total_relation_size(oid), nullif(reltuples, -1)::bigint"
								 " FROM pg_class WHERE oid = $1::oid AND relkind = 'r'", 1, args);
	trident_base_sql_end(&sql);
	if (rows->nrows == 0)
	{
		finding->error = "the partition is no table";
		return;
	}
	finding->size = rows->value[0][0];
	finding->rows = rows->value[0][1];
	if (verify)
		count_here(shard->leaf, finding);
}

static const char *
copy_value(const TridentExchangeReply *reply, int column)
{
	const char *value = trident_exchange_value(reply, 0, column, NULL);

	return value ? pstrdup(value) : NULL;
}

static void
read_reply(const TridentExchangeReply *reply, int asked, Finding *finding)
{
	if (!reply->ok)
	{
		if (finding->error == NULL)
			finding->error = reply->detail ?
				psprintf("%s (%s)", reply->message, reply->detail) : pstrdup(reply->message);
	}
	else if (asked == ASK_PARTS)
		finding->parts = trident_collection_inventory_read(reply);
	else if (reply->nrows > 0)
	{
		finding->size = copy_value(reply, 0);
		finding->rows = copy_value(reply, 1);
		finding->misplaced = copy_value(reply, 2);
	}
}

/* Ask all nodes, and look here while they answer. */
static Finding *
look_everywhere(const TridentCollection *collection, bool verify)
{
	int			n = list_length(collection->shards);
	Finding    *findings = palloc0(sizeof(Finding) * n);
	TridentExchangeCall *calls = palloc0(sizeof(TridentExchangeCall) * n * NASKED);
	int		   *shard_of = palloc(sizeof(int) * n * NASKED);
	int			ncalls = 0;
	TridentExchangeBatch *batch = NULL;
	const TridentExchangeReply *reply;

	for (int i = 0; i < n; i++)
	{
		TridentCollectionShard *shard = list_nth(collection->shards, i);

		for (int asked = 0; OidIsValid(shard->server) && asked < NASKED; asked++)
		{
			TridentExchangeCall *call = &calls[ncalls];
			const char **values = palloc(sizeof(char *));

			values[0] = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
			call->node = shard->server;
			call->sql = asked == ASK_PARTS ? trident_collection_inventory_query :
				size_query(collection, shard, verify);
			call->nparams = 1;
			call->values = values;
			call->purpose = psprintf("status of shard %d", shard->number);
			shard_of[ncalls++] = i;
		}
	}
	if (ncalls > 0)
		batch = trident_exchange_submit(calls, ncalls, 0);
	for (int i = 0; i < n; i++)
	{
		TridentCollectionShard *shard = list_nth(collection->shards, i);

		if (!OidIsValid(shard->server))
			look_here(shard, verify, &findings[i]);
	}
	while (batch && (reply = trident_exchange_next(batch)) != NULL)
		read_reply(reply, reply->call % NASKED, &findings[shard_of[reply->call]]);
	if (batch)
		trident_exchange_end(batch);
	return findings;
}

static int
count_kind(List *parts, const char *kind)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, parts)
		n += strcmp(((TridentCollectionItem *) lfirst(lc))->kind, kind) == 0;
	return n;
}

/* A count as bigint; false if it is not known. */
static bool
set_bigint(Datum *value, const char *text)
{
	if (text == NULL)
		return false;
	*value = DirectFunctionCall1(int8in, CStringGetDatum(text));
	return true;
}

static void
put_finding(ReturnSetInfo *result, const TridentCollection *collection,
			const TridentCollectionShard *shard, List *wanted,
			const Finding *finding)
{
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS] = {false};
	NameData	node;
	char	   *drift = NULL;

	namestrcpy(&node, shard->node);
	values[0] = Int32GetDatum(shard->number);
	values[1] = NameGetDatum(&node);
	values[2] = CStringGetTextDatum(quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA,
															   shard->table));
	nulls[3] = !set_bigint(&values[3], finding->rows);
	nulls[4] = !set_bigint(&values[4], finding->size);
	values[5] = Int32GetDatum(count_kind(finding->parts, "index"));
	nulls[5] = finding->parts == NIL;
	nulls[6] = !set_bigint(&values[6], finding->misplaced);
	if (finding->error == NULL)
		drift = trident_collection_drift(collection, shard, wanted, finding->parts);
	values[7] = BoolGetDatum(finding->error == NULL && drift == NULL &&
							 (nulls[6] || DatumGetInt64(values[6]) == 0));
	if (finding->error || drift)
		values[8] = CStringGetTextDatum(finding->error ? finding->error : drift);
	else
		nulls[8] = true;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Shards that the collection should have and has no partition for. */
static void
put_missing(ReturnSetInfo *result, const TridentCollection *collection)
{
	for (int number = 0; number < collection->modulus; number++)
	{
		Datum		values[NCOLUMNS] = {0};
		bool		nulls[NCOLUMNS];
		ListCell   *lc;
		bool		is_there = false;

		foreach(lc, collection->shards)
			is_there |= ((TridentCollectionShard *) lfirst(lc))->number == number;
		if (is_there)
			continue;
		memset(nulls, true, sizeof(nulls));
		values[0] = Int32GetDatum(number);
		values[7] = BoolGetDatum(false);
		values[8] = CStringGetTextDatum("the collection has no partition for it");
		nulls[0] = nulls[7] = nulls[8] = false;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

Datum
trident_collection_status(PG_FUNCTION_ARGS)
{
	Oid			table = PG_GETARG_OID(0);
	bool		verify = PG_GETARG_BOOL(1);
	TridentCollection *collection;
	AclResult	acl;
	Finding    *findings;
	List	   *wanted;

	if (get_rel_name(table) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", table),
				 errhint("Name an existing collection.")));
	acl = pg_class_aclcheck(table, GetUserId(), ACL_SELECT);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, get_rel_name(table));
	collection = trident_collection_find(table, false);
	InitMaterializedSRF(fcinfo, 0);

	wanted = trident_collection_inventory(table);
	findings = look_everywhere(collection, verify);
	for (int i = 0; i < list_length(collection->shards); i++)
		put_finding((ReturnSetInfo *) fcinfo->resultinfo, collection,
					list_nth(collection->shards, i), wanted, &findings[i]);
	put_missing((ReturnSetInfo *) fcinfo->resultinfo, collection);
	return (Datum) 0;
}
