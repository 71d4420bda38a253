/*
 * remote.c
 *	  The transactions on nodes that go with one here.
 *
 * Each node that a transaction writes shards of gets connections of its own,
 * pinned for the time, with a transaction open on each.
 *
 * They begin when a node is first used; commit.c tells how they end.
 *
 * Memory: all in TopTransactionContext.  Locks: none.  Failure: links are
 * closed by the callback of commit.c, whatever happened.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/sql.h"
#include "collection/remote.h"
#include "node/node.h"

/* Locks there are waited for so long, unless lock_timeout says otherwise. */
#define LOCK_TIMEOUT_MS 10000

static List *links = NIL;

/* Is DDL on collections our own? */
static bool quiet = false;

void
trident_collection_set_quiet(bool on)
{
	quiet = on;
}

bool
trident_collection_is_quiet(void)
{
	return quiet;
}

/* The transaction callback closes what it finds in links. */
TridentCollectionLink *
trident_collection_link(const char *node, int lane)
{
	TridentCollectionLink *link;
	const TridentExchangeReply *reply;
	Oid			server = trident_node_server(node);
	MemoryContext context;
	ListCell   *lc;

	if (GetCurrentTransactionNestLevel() > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot change shards on nodes inside a subtransaction"),
				 errdetail("A rollback to a savepoint would not reach the nodes."),
				 errhint("Call the function outside of savepoints and of blocks with an EXCEPTION clause.")));

	foreach(lc, links)
	{
		link = lfirst(lc);
		if (link->server == server && link->lane == lane && link->role == GetUserId())
			return link;
	}
	context = MemoryContextSwitchTo(TopTransactionContext);
	link = palloc0(sizeof(TridentCollectionLink));
	link->node = pstrdup(node);
	link->server = server;
	link->role = GetUserId();
	link->lane = lane;
	/* when transactions end it cannot be asked any more */
	link->home = links ? ((TridentCollectionLink *) linitial(links))->home
		: trident_node_own_uuid();
	link->session = trident_exchange_session_open(server,
												  TRIDENT_EXCHANGE_SESSION_KEEP, 0);
	links = lappend(links, link);
	MemoryContextSwitchTo(context);

	trident_collection_run(link, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
	reply = trident_collection_run(link, psprintf(
		"SELECT set_config('lock_timeout', '%d', true), current_setting('max_prepared_transactions')",
		LockTimeout > 0 ? LockTimeout : LOCK_TIMEOUT_MS));
	link->max_prepared = pg_strtoint32(trident_exchange_value(reply, 0, 1, NULL));
	return link;
}

void
trident_collection_uses_temporary(TridentCollectionLink *link)
{
	link->is_unpreparable = true;
}

List *
trident_collection_links(void)
{
	return links;
}

void
trident_collection_close_links(void)
{
	ListCell   *lc;

	foreach(lc, links)
		trident_exchange_session_close(((TridentCollectionLink *) lfirst(lc))->session);
	links = NIL;
}

TridentExchangeSession *
trident_collection_session(TridentCollectionLink *link)
{
	return link->session;
}

void
trident_collection_send(TridentCollectionLink *link, const char *sql)
{
	TridentExchangeCall call = {.sql = sql, .purpose = "a shard"};

	trident_exchange_session_send(link->session, &call, 0);
}

const TridentExchangeReply *
trident_collection_receive(TridentCollectionLink *link)
{
	const TridentExchangeReply *reply =
		trident_exchange_session_receive(link->session);

	if (!reply->ok)
		trident_exchange_raise(ERROR, reply);
	return reply;
}

const TridentExchangeReply *
trident_collection_run(TridentCollectionLink *link, const char *sql)
{
	trident_collection_send(link, sql);
	return trident_collection_receive(link);
}

TridentCollectionLink *
trident_collection_shard_link(List *shards, const TridentCollectionShard *shard)
{
	int			before = 0;
	ListCell   *lc;

	if (!OidIsValid(shard->server))
		return NULL;
	foreach(lc, shards)
	{
		const TridentCollectionShard *other = lfirst(lc);

		if (other == shard)
			break;
		before += other->server == shard->server;
	}
	return trident_collection_link(shard->node, before % TRIDENT_COLLECTION_LANES);
}

/* The statements of local shards, one after another. */
static void
run_local(List *shards, List *statements)
{
	ListCell   *lc;
	ListCell   *list;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	forboth(lc, shards, list, statements)
	{
		ListCell   *statement;

		if (OidIsValid(((TridentCollectionShard *) lfirst(lc))->server))
			continue;
		foreach(statement, (List *) lfirst(list))
			trident_base_sql_run(lfirst(statement), 0, NULL);
	}
	trident_base_sql_end(&sql);
}

/* What each connection has to run, in its order: a queue. */
typedef struct Queue
{
	TridentCollectionLink *link;
	List	   *statements;
} Queue;

static List *
make_queues(List *shards, List *statements)
{
	List	   *queues = NIL;
	ListCell   *lc;
	ListCell   *list;

	forboth(lc, shards, list, statements)
	{
		TridentCollectionLink *link = trident_collection_shard_link(shards, lfirst(lc));
		Queue	   *queue = NULL;
		ListCell   *q;

		if (link == NULL)
			continue;
		foreach(q, queues)
		{
			if (((Queue *) lfirst(q))->link == link)
				queue = lfirst(q);
		}
		if (queue == NULL)
		{
			queue = palloc0(sizeof(Queue));
			queue->link = link;
			queues = lappend(queues, queue);
		}
		queue->statements = list_concat(queue->statements, (List *) lfirst(list));
	}
	return queues;
}

void
trident_collection_run_all(List *shards, List *statements)
{
	List	   *queues = make_queues(shards, statements);
	bool		more = true;

	for (int step = 0; more; step++)
	{
		ListCell   *q;

		more = false;
		foreach(q, queues)
		{
			Queue	   *queue = lfirst(q);

			if (step < list_length(queue->statements))
				trident_collection_send(queue->link, list_nth(queue->statements, step));
		}
		if (step == 0)
			run_local(shards, statements);
		foreach(q, queues)
		{
			Queue	   *queue = lfirst(q);

			if (step >= list_length(queue->statements))
				continue;
			(void) trident_collection_receive(queue->link);
			more = true;
		}
	}
}

/* Its own transaction there: all connections are to see the schema. */
static void
make_remote_schemas(List *shards)
{
	List	   *servers = NIL;
	ListCell   *lc;

	foreach(lc, shards)
	{
		TridentCollectionShard *shard = lfirst(lc);

		if (OidIsValid(shard->server))
			servers = list_append_unique_oid(servers, shard->server);
	}
	foreach(lc, servers)
	{
		TridentExchangeSession *session =
			trident_exchange_session_open(lfirst_oid(lc), 0, 0);
		TridentExchangeCall look = {
			.sql = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = '" TRIDENT_COLLECTION_SCHEMA "'",
			.purpose = "schema of shards"
		};
		TridentExchangeCall make = {
			.sql = "CREATE SCHEMA IF NOT EXISTS " TRIDENT_COLLECTION_SCHEMA,
			.purpose = "schema of shards"
		};
		const TridentExchangeReply *reply =
			trident_exchange_session_exec(session, &look, 0);

		if (reply->ok && reply->nrows == 0)
			reply = trident_exchange_session_exec(session, &make, 0);
		if (!reply->ok)
			trident_exchange_raise(ERROR, reply);
		trident_exchange_session_close(session);
	}
}

void
trident_collection_make_schema(List *shards)
{
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	if (trident_base_sql_value("SELECT 1 FROM pg_namespace WHERE nspname = '"
							   TRIDENT_COLLECTION_SCHEMA "'", 0, NULL) == NULL)
		trident_base_sql_run("CREATE SCHEMA " TRIDENT_COLLECTION_SCHEMA, 0, NULL);
	trident_base_sql_end(&sql);
	make_remote_schemas(shards);
}
