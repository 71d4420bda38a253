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

/* The subtransaction whose DDL on collections is our own, if any. */
static SubTransactionId quiet = InvalidSubTransactionId;

void
trident_collection_set_quiet(bool on)
{
	quiet = on ? GetCurrentSubTransactionId() : InvalidSubTransactionId;
}

bool
trident_collection_is_quiet(void)
{
	return quiet != InvalidSubTransactionId;
}

void
trident_collection_forget_quiet(SubTransactionId subid)
{
	if (quiet == subid)
		quiet = InvalidSubTransactionId;
}

char *
trident_collection_lock_timeout(void)
{
	return psprintf("%d", LockTimeout > 0 ? LockTimeout : LOCK_TIMEOUT_MS);
}

void
trident_collection_refuse_old_snapshot(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("shards cannot be changed in a transaction of isolation level %s",
						IsolationIsSerializable() ? "SERIALIZABLE" : "REPEATABLE READ"),
				 errdetail("Its snapshot may be older than rows and shards that others have committed since."),
				 errhint("Set transaction_isolation, or default_transaction_isolation, to \"read committed\" and try again.")));
}

/*
 * The lane-th connection to a node in this transaction.  The transaction
 * callback closes what it finds in links.
 */
static TridentCollectionLink *
link_to(const char *node, int lane)
{
	TridentCollectionLink *link;
	const TridentExchangeReply *reply;
	Oid			server = trident_node_server(node);
	MemoryContext context;
	ListCell   *lc;

	trident_collection_refuse_old_snapshot();
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
		"SELECT set_config('lock_timeout', '%s', true), current_setting('max_prepared_transactions'),"
		" set_config('idle_in_transaction_session_timeout', '0', true)",
		trident_collection_lock_timeout()));
	link->max_prepared = pg_strtoint32(trident_exchange_text(reply, 0, 1));
	return link;
}

TridentCollectionLink *
trident_collection_hold_link(const char *node)
{
	/* none of those that shards share: what these do ends before */
	TridentCollectionLink *link = link_to(node, TRIDENT_COLLECTION_LANES);

	link->ends_late = true;
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

void
trident_collection_forget_after(const TridentCollectionShard *shard, const char *sql)
{
	ListCell   *lc;
	ListCell   *after;

	foreach(lc, links)
	{
		TridentCollectionLink *link = lfirst(lc);

		if (link->server != shard->server)
			continue;
		foreach(after, link->afters)
		{
			if (strcmp(lfirst(after), sql) == 0)
				link->afters = foreach_delete_current(link->afters, after);
		}
	}
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
	return link_to(shard->node, before % TRIDENT_COLLECTION_LANES);
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

/* Who has the schema of shards, and whether that is somebody to be trusted. */
static const char *const schema_query =
"SELECT r.rolname, r.rolsuper OR r.rolname = current_user OR r.oid = d.datdba OR r.oid = e.extowner"
" FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner"
"  JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()"
"  JOIN pg_catalog.pg_extension e ON e.extname = 'trident'"
" WHERE n.nspname = '" TRIDENT_COLLECTION_SCHEMA "'";

/* The owner of a schema can drop what others have in it. */
static void
check_schema_owner(const char *node, const char *owner, bool is_trusted)
{
	if (!is_trusted)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("schema \"%s\" of node \"%s\" belongs to role \"%s\"",
						TRIDENT_COLLECTION_SCHEMA, node, owner),
				 errdetail("That role could drop the shards in it."),
				 errhint("Give the schema to the owner of the database or of extension trident there, with ALTER SCHEMA ... OWNER TO.")));
}

/* Its own transaction there: all connections are to see the schema. */
static void
make_remote_schema(Oid server)
{
	TridentExchangeSession *session = trident_exchange_session_open(server, 0, 0);
	TridentExchangeCall look = {.sql = schema_query, .purpose = "schema of shards"};
	TridentExchangeCall make = {
		.sql = "CREATE SCHEMA IF NOT EXISTS " TRIDENT_COLLECTION_SCHEMA,
		.purpose = "schema of shards"
	};
	const TridentExchangeReply *reply =
		trident_exchange_session_exec(session, &look, 0);

	if (reply->ok && reply->nrows == 0)
		reply = trident_exchange_session_exec(session, &make, 0);
	else if (reply->ok)
		check_schema_owner(trident_exchange_node_name(server),
						   trident_exchange_text(reply, 0, 0),
						   trident_exchange_text(reply, 0, 1)[0] == 't');
	if (!reply->ok)
		trident_exchange_raise(ERROR, reply);
	trident_exchange_session_close(session);
}

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
		make_remote_schema(lfirst_oid(lc));
}

void
trident_collection_make_schema(List *shards)
{
	TridentBaseRows *rows;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	rows = trident_base_sql_rows(schema_query, 0, NULL);
	if (rows->nrows == 0)
		trident_base_sql_run("CREATE SCHEMA " TRIDENT_COLLECTION_SCHEMA, 0, NULL);
	else
		check_schema_owner(TRIDENT_NODE_LOCAL, rows->value[0][0], rows->value[0][1][0] == 't');
	trident_base_sql_end(&sql);
	make_remote_schemas(shards);
}
