/*
 * cleanup.c
 *	  trident_collection_cleanup: what failures left behind on nodes.
 *
 * The comment of a shard says whose it is, and whether its collection was
 * committed.  A table in the schema of shards of a node that names this
 * database as its home and is no leaf here is
 *
 *		pending			made for a commit that did not come: dropped
 *		recorded		left by a drop or a move: dropped
 *		neither			not understood (this database may have been restored
 *						to a time before it was made): told, and kept
 *
 * A leaf whose comment still says pending gets the one that it should have.
 *
 * Before that, what this database has let nodes prepare is finished as the
 * transaction here ended; commit.c says why that is known.  What was prepared
 * for a node that is not known here is told, and kept: it may be another
 * coordinator's, or of this one before trident_node_new_identity().
 *
 * Only nodes are visited whose uuid is registered: under two names of one
 * database, the shards of one would be leftovers to the other.
 *
 * Locks: SHARE on trident.collection.  Whoever makes shards writes there
 * before the commit on nodes, so none is between that and its own commit now.
 * They wait meanwhile, so every statement on a node has a deadline.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/sql.h"
#include "collection/remote.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_collection_cleanup);

#define NCOLUMNS 4

/* What a node says of a shard. */
#define IS_PENDING	0x01
#define IS_ATTACHED	0x02

/* Tables of the schema of shards that name this home, $1: pending, attached there. */
static const char *const shards_query =
"SELECT c.relname, obj_description(c.oid, 'pg_class') LIKE '%, pending', c.relispartition"
" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE n.nspname = '" TRIDENT_COLLECTION_SCHEMA "' AND c.relkind IN ('r', 'p')"
"  AND obj_description(c.oid, 'pg_class') ~ (' a trident collection of node ' || $1::text || '(, pending)?$')"
" ORDER BY 1";

/*
 * What was prepared for the home whose gids begin with $1, and for those that
 * are none of $2; is it ours, may we finish it?
 */
static const char *const prepared_query =
"SELECT gid, starts_with(gid, $1), owner = current_user OR current_setting('is_superuser')::bool, owner"
" FROM pg_prepared_xacts"
" WHERE database = current_database() AND (starts_with(gid, $1)"
"  OR substring(gid FROM '^" TRIDENT_COLLECTION_GID "([0-9a-f-]+)_') <> ALL ($2::text[]))"
" ORDER BY prepared";

typedef struct Cleanup
{
	ReturnSetInfo *result;
	const char *node;
	const char *own;			/* our uuid */
	TridentExchangeSession *session;
} Cleanup;

static void
tell(const Cleanup *cleanup, const char *table, bool done, const char *action)
{
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS] = {false};
	NameData	node;

	namestrcpy(&node, cleanup->node);
	values[0] = NameGetDatum(&node);
	nulls[1] = table == NULL;
	if (table)
		values[1] = CStringGetTextDatum(quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA,
																   table));
	values[2] = BoolGetDatum(done);
	values[3] = CStringGetTextDatum(action);
	tuplestore_putvalues(cleanup->result->setResult, cleanup->result->setDesc,
						 values, nulls);
}

/* Is the table the shard of a leaf here?  Its collection then, else NULL. */
static TridentCollection *
find_leaf(const Cleanup *cleanup, const char *table, TridentCollectionShard **shard)
{
	const char *args[] = {cleanup->node, table};
	TridentCollection *collection;
	TridentBaseSql sql;
	char	   *parent;
	ListCell   *lc;

	trident_base_sql_begin_as_owner(&sql);
	parent = trident_base_sql_value(
		"SELECT i.inhparent FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver"
		"  JOIN pg_inherits i ON i.inhrelid = f.ftrelid JOIN trident.collection k ON k.collection = i.inhparent"
		" WHERE s.srvname = $1 AND 'table_name=' || $2 = ANY (f.ftoptions)", 2, args);
	trident_base_sql_end(&sql);
	if (parent == NULL)
		return NULL;
	collection = trident_collection_find((Oid) strtoul(parent, NULL, 10), false);
	foreach(lc, collection->shards)
	{
		*shard = lfirst(lc);
		if (strcmp((*shard)->node, cleanup->node) == 0 &&
			strcmp((*shard)->table, table) == 0)
			return collection;
	}
	return NULL;
}

/* Was it left by something that has committed? */
static bool
is_recorded(const Cleanup *cleanup, const char *table)
{
	const char *args[] = {cleanup->node, table};
	TridentBaseSql sql;
	char	   *found;

	trident_base_sql_begin_as_owner(&sql);
	found = trident_base_sql_value(
		"SELECT 1 FROM trident.collection_leftover WHERE node = $1::name AND shard = $2", 2, args);
	trident_base_sql_end(&sql);
	return found != NULL;
}

/* When to give up on a statement that may wait for a lock there. */
static TimestampTz
deadline(void)
{
	int64		ms = pg_strtoint32(trident_collection_lock_timeout());

	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									   ms + trident_base_exchange_timeout);
}

/* Run a statement on the node, and tell what became of it. */
static void
act(const Cleanup *cleanup, const char *table, const char *sql, const char *action)
{
	TridentExchangeCall call = {.sql = sql, .purpose = "cleanup"};
	const TridentExchangeReply *reply =
		trident_exchange_session_exec(cleanup->session, &call, deadline());

	tell(cleanup, table, reply->ok, reply->ok ? action : reply->message);
}

static void
clean_shard(const Cleanup *cleanup, const char *table, int state)
{
	bool		pending = (state & IS_PENDING) != 0;
	TridentCollectionShard *shard;
	TridentCollection *collection = find_leaf(cleanup, table, &shard);

	if (collection && pending)
		act(cleanup, table, trident_collection_define_comment(collection, shard, false),
			"its comment said pending");
	else if (!collection && (state & IS_ATTACHED))
		tell(cleanup, table, false,
			 "it is part of a collection attached there; run trident_collection_detach() on the node");
	else if (!collection && (pending || is_recorded(cleanup, table)))
		act(cleanup, table,
			psprintf("DROP TABLE %s", quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, table)),
			"dropped");
	else if (!collection)
		tell(cleanup, table, false,
			 "no collection here has it; if it is not needed any more, drop it on the node");
}

/* Records of what is not there any more, now that the node was seen. */
static void
forget_leftovers(const Cleanup *cleanup, const char *still_there)
{
	const char *args[] = {cleanup->node, still_there};
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run("DELETE FROM trident.collection_leftover"
						 " WHERE node = $1::name AND NOT shard = ANY ($2::text[])", 2, args);
	trident_base_sql_end(&sql);
}

/* How the transaction here ended that decides over the gid; NULL: not known. */
static char *
find_decision(const char *gid, const char *prefix)
{
	unsigned int timeline;
	uint64		xid;
	const char *args[1];
	TridentBaseSql sql;
	char	   *status;

	if (sscanf(gid + strlen(prefix), "%x_" UINT64_FORMAT, &timeline, &xid) != 2 ||
		timeline != GetWALInsertionTimeLine())
		return NULL;
	args[0] = psprintf(UINT64_FORMAT, xid);
	trident_base_sql_begin_as_owner(&sql);
	status = trident_base_sql_value(
		"SELECT CASE WHEN $1::xid8 < pg_current_xact_id() THEN pg_xact_status($1::xid8) END", 1, args);
	trident_base_sql_end(&sql);
	return status;
}

static void
finish_prepared(const Cleanup *cleanup, const char *gid, bool may_finish,
				const char *owner, const char *prefix)
{
	char	   *status = find_decision(gid, prefix);

	if (status == NULL)
		tell(cleanup, NULL, false,
			 psprintf("transaction %s is prepared, and this database, restored or promoted since, does not know how it ended; COMMIT PREPARED or ROLLBACK PREPARED it there",
					  quote_literal_cstr(gid)));
	else if (strcmp(status, "in progress") == 0)
		return;
	else if (!may_finish)
		tell(cleanup, NULL, false,
			 psprintf("transaction %s is prepared there by role %s, who may finish it",
					  quote_literal_cstr(gid), quote_identifier(owner)));
	else if (strcmp(status, "committed") == 0)
		act(cleanup, NULL, psprintf("COMMIT PREPARED %s", quote_literal_cstr(gid)),
			"a prepared transaction was committed");
	else
		act(cleanup, NULL, psprintf("ROLLBACK PREPARED %s", quote_literal_cstr(gid)),
			"a prepared transaction was rolled back");
}

/* The uuids of the nodes that are known here, with our own, as an array. */
static char *
known_homes(const Cleanup *cleanup)
{
	TridentBaseSql sql;
	char	   *uuids;

	trident_base_sql_begin_as_owner(&sql);
	uuids = trident_base_sql_value(
		"SELECT array_agg(uuid::text) || $1 FROM trident.node_setting WHERE uuid IS NOT NULL",
		1, &cleanup->own);
	trident_base_sql_end(&sql);
	return uuids;
}

/* Finish what is prepared on the node for this database. */
static void
clean_prepared(const Cleanup *cleanup)
{
	char	   *prefix = psprintf(TRIDENT_COLLECTION_GID "%s_", cleanup->own);
	const char *values[] = {prefix, known_homes(cleanup)};
	TridentExchangeCall look = {
		.sql = prepared_query,
		.nparams = 2,
		.values = values,
		.purpose = "cleanup"
	};
	const TridentExchangeReply *reply =
		trident_exchange_session_exec(cleanup->session, &look, deadline());
	List	   *found = NIL;
	ListCell   *lc;

	if (!reply->ok)
	{
		tell(cleanup, NULL, false, reply->message);
		return;
	}
	for (int i = 0; i < reply->nrows; i++)
	{
		for (int column = 0; column < 4; column++)
			found = lappend(found, pstrdup(trident_exchange_text(reply, i, column)));
	}
	for (lc = list_head(found); lc; lc = lnext(found, lc))
	{
		char	   *gid = lfirst(lc);
		char	   *is_ours = lfirst(lc = lnext(found, lc));
		char	   *may_finish = lfirst(lc = lnext(found, lc));
		char	   *owner = lfirst(lc = lnext(found, lc));

		if (is_ours[0] == 't')
			finish_prepared(cleanup, gid, may_finish[0] == 't', owner, prefix);
		else
			tell(cleanup, NULL, false,
				 psprintf("transaction %s is prepared there for a node that is not known here; run trident_collection_cleanup() on that, or if it is no more COMMIT PREPARED or ROLLBACK PREPARED it there",
						  quote_literal_cstr(gid)));
	}
}

static void
clean_node(Cleanup *cleanup)
{
	const char *values[] = {cleanup->own};
	TridentExchangeCall look = {
		.sql = shards_query,
		.nparams = 1,
		.values = values,
		.purpose = "cleanup"
	};
	TridentExchangeCall again = {
		.sql = "SELECT coalesce(array_agg(relname::text), '{}') FROM pg_class"
		" WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '" TRIDENT_COLLECTION_SCHEMA "')",
		.purpose = "cleanup"
	};
	TridentExchangeCall limit = {
		.sql = psprintf("SET lock_timeout = %s", trident_collection_lock_timeout()),
		.purpose = "cleanup"
	};
	const TridentExchangeReply *reply;
	List	   *tables = NIL;
	List	   *states = NIL;
	ListCell   *lc;
	ListCell   *state;

	(void) trident_exchange_session_exec(cleanup->session, &limit, deadline());
	clean_prepared(cleanup);
	reply = trident_exchange_session_exec(cleanup->session, &look, deadline());
	if (!reply->ok)
	{
		tell(cleanup, NULL, false, reply->message);
		return;
	}
	for (int i = 0; i < reply->nrows; i++)
	{
		int			is = 0;

		if (trident_exchange_text(reply, i, 1)[0] == 't')
			is |= IS_PENDING;
		if (trident_exchange_text(reply, i, 2)[0] == 't')
			is |= IS_ATTACHED;
		tables = lappend(tables, pstrdup(trident_exchange_text(reply, i, 0)));
		states = lappend_int(states, is);
	}
	forboth(lc, tables, state, states)
		clean_shard(cleanup, lfirst(lc), lfirst_int(state));
	reply = trident_exchange_session_exec(cleanup->session, &again, deadline());
	if (reply->ok)
		forget_leftovers(cleanup, pstrdup(trident_exchange_text(reply, 0, 0)));
}

/* The registered nodes that the caller can reach. */
static TridentBaseRows *
reachable_nodes(void)
{
	const char *args[] = {GetUserNameFromId(GetUserId(), false)};
	TridentBaseRows *nodes;
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	nodes = trident_base_sql_rows(
		"SELECT DISTINCT m.srvname FROM pg_user_mappings m JOIN pg_foreign_server s ON s.oid = m.srvid"
		" JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw"
		" JOIN trident.node_setting n ON n.node = s.srvname AND n.uuid IS NOT NULL"
		" WHERE w.fdwname = 'postgres_fdw' AND has_server_privilege($1::name, s.oid, 'USAGE')"
		" AND (m.umuser = 0 OR m.usename = $1) ORDER BY 1", 1, args);
	trident_base_sql_end(&sql);
	return nodes;
}

Datum
trident_collection_cleanup(PG_FUNCTION_ARGS)
{
	Cleanup		cleanup = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	TridentBaseRows *nodes;
	TridentBaseSql sql;

	trident_collection_refuse_old_snapshot();
	InitMaterializedSRF(fcinfo, 0);
	cleanup.own = trident_node_own_uuid();
	trident_base_sql_begin_as_owner(&sql);
	trident_base_sql_run("LOCK TABLE trident.collection IN SHARE MODE", 0, NULL);
	trident_base_sql_run("DELETE FROM trident.collection_leftover l WHERE NOT EXISTS"
						 " (SELECT FROM pg_foreign_server s WHERE s.srvname = l.node)", 0, NULL);
	trident_base_sql_end(&sql);

	nodes = reachable_nodes();
	for (int i = 0; i < nodes->nrows; i++)
	{
		TridentExchangeReply error;

		cleanup.node = nodes->value[i][0];
		cleanup.session = trident_exchange_session_try(trident_node_server(cleanup.node),
													   0, 0, &error);
		if (cleanup.session == NULL)
		{
			tell(&cleanup, NULL, false, error.message);
			continue;
		}
		clean_node(&cleanup);
		trident_exchange_session_close(cleanup.session);
	}
	return (Datum) 0;
}
