/*
 * setting.c
 *	  What is set for nodes, as the exchange asks for it, and that it asks anew
 *	  when that has changed, whoever changed it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/sql.h"
#include "exchange/exchange.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_node_setting_changed);

/* Column node of trident.node_setting. */
#define NODE_COLUMN 1

/* The node that the row is about, if there is one of that name. */
static void
invalidate(const TriggerData *trigger, HeapTuple row)
{
	bool		isnull;
	Datum		name = heap_getattr(row, NODE_COLUMN,
									RelationGetDescr(trigger->tg_relation), &isnull);
	Oid			server = isnull ? InvalidOid :
		get_foreign_server_oid(NameStr(*DatumGetName(name)), true);

	if (OidIsValid(server))
		trident_exchange_node_invalidate(server);
}

static bool
is_settings(Relation rel)
{
	return strcmp(RelationGetRelationName(rel), "node_setting") == 0 &&
		RelationGetNamespace(rel) == get_namespace_oid("trident", true);
}

Datum
trident_node_setting_changed(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = (const TriggerData *) fcinfo->context;

	/* anybody may make such a trigger; a row of another table has other columns */
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!is_settings(trigger->tg_relation))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is the row trigger of table \"%s\"",
						"trident.node_setting_changed", "trident.node_setting"),
				 errhint("Drop the trigger.")));
	invalidate(trigger, trigger->tg_trigtuple);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		invalidate(trigger, trigger->tg_newtuple);
	PG_RETURN_POINTER(NULL);
}

/* What the exchange asks before it connects to a node. */
static void
look_up(Oid server, TridentExchangeNode *settings)
{
	ForeignServer *row = GetForeignServer(server);
	const char *name = row->servername;
	TridentBaseRows *rows;
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	rows = trident_base_sql_rows(
		"SELECT uuid, pool_size FROM trident.node_setting WHERE node = $1::name", 1, &name);
	trident_base_sql_end(&sql);
	if (rows->nrows == 0)
		return;
	if (rows->value[0][0])
	{
		Datum		uuid = DirectFunctionCall1(uuid_in,
											   CStringGetDatum(rows->value[0][0]));

		settings->has_uuid = true;
		settings->uuid = *DatumGetUUIDP(uuid);
	}
	if (rows->value[0][1])
		settings->pool_size = pg_strtoint32(rows->value[0][1]);
}

void
trident_node_init(void)
{
	trident_exchange_set_lookup(look_up);
}
