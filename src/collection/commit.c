/*
 * commit.c
 *	  How the transactions on nodes end, with the one here.
 *
 *				where every node allows it		else
 *	before our	PREPARE TRANSACTION on all at	COMMIT, on all at once
 *	commit		once
 *	after it	COMMIT PREPARED on all			-
 *				and then what was left for after the commit, on each
 *	our abort	ROLLBACK PREPARED				the connection closes, which
 *												rolls back
 *
 * Before our commit an error of any node aborts us.  A node allows it if its
 * max_prepared_transactions is as large as the connections that we have to
 * it, and none of them has used a temporary table, as upsert does.  A single
 * connection with nothing written here needs no decision but its own COMMIT.
 *
 * Decision: our commit record.  A gid says whose it is and which transaction
 * decides: the uuid of this node, the timeline, the transaction's 64-bit id.
 * That id is in the log, flushed, before any node is asked to prepare, so that
 * no crash gives it to another transaction; and our commit is flushed before
 * any node is told to commit.  So for ever after, the status of the
 * transaction is the answer, and no table of decisions is kept or grows.
 * trident_collection_cleanup() finishes by it what a failure left prepared.
 * Another timeline (this database was restored, or is a promoted standby) may
 * have given the id anew: then it asks its user.
 *
 * Without preparing: what is committed on a node before our decision is
 * reachable only through what we commit, and marked, so that a failure in
 * between leaves tables that nobody reads, for the cleanup.  Rows written to
 * existing shards are then as atomic over several nodes as by postgres_fdw: a
 * node that dies at this very moment may keep its part.
 *
 * Memory: all in TopTransactionContext.  Locks: ours are held until the nodes
 * are told.  Failure: after our commit nothing may raise an error; a node that
 * does not answer within AFTER_COMMIT_MS is told of by a warning.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "replication/message.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/guc.h"
#include "collection/remote.h"

/* What runs after our commit, or abort, must not keep the caller for long. */
#define AFTER_COMMIT_MS 10000

/* A statement for after our commit. */
typedef struct After
{
	TridentCollectionLink *link;
	char	   *sql;
} After;

static List *afters = NIL;

void
trident_collection_after_commit(const char *node, const char *sql)
{
	TridentCollectionLink *link = trident_collection_link(node, 0);
	MemoryContext context = MemoryContextSwitchTo(TopTransactionContext);
	After	   *after = palloc(sizeof(After));

	after->link = link;
	after->sql = pstrdup(sql);
	afters = lappend(afters, after);
	MemoryContextSwitchTo(context);
}

/* Send a statement that ends a transaction; it has so much time. */
static void
send_end(TridentCollectionLink *link, const char *sql, int ms)
{
	TridentExchangeCall call = {.sql = sql, .purpose = "a shard"};

	trident_exchange_session_send(link->session, &call,
								  TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms));
}

/* --- before our commit --- */

/* May every node prepare, and is there anything to agree on? */
static bool
is_to_be_prepared(void)
{
	List	   *links = trident_collection_links();
	ListCell   *lc;
	ListCell   *other;

	if (list_length(links) == 1 && !TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return false;
	foreach(lc, links)
	{
		TridentCollectionLink *link = lfirst(lc);
		int			lanes = 0;

		foreach(other, links)
			lanes += ((TridentCollectionLink *) lfirst(other))->server == link->server;
		if (link->is_unpreparable || link->max_prepared < lanes)
			return false;
	}
	return true;
}

/* What the gids of this transaction begin with; its id is safe in the log. */
static char *
log_decision(void)
{
	TridentCollectionLink *first = linitial(trident_collection_links());
	char	   *prefix = psprintf(TRIDENT_COLLECTION_GID "%s_%x_" UINT64_FORMAT,
								  first->home, GetWALInsertionTimeLine(),
								  U64FromFullTransactionId(GetTopFullTransactionId()));

	XLogFlush(TridentLogMessage("trident", prefix, strlen(prefix)));
	ForceSyncCommit();
	return prefix;
}

static void
prepare_links(void)
{
	char	   *prefix = log_decision();
	ListCell   *lc;

	TRIDENT_FAULT("collection-before-prepare");
	foreach(lc, trident_collection_links())
	{
		TridentCollectionLink *link = lfirst(lc);
		char	   *gid = psprintf("%s_%d", prefix, foreach_current_index(lc));

		link->gid = MemoryContextStrdup(TopTransactionContext, gid);
		link->phase = TRIDENT_COLLECTION_PREPARING;
		send_end(link, psprintf("PREPARE TRANSACTION %s", quote_literal_cstr(gid)),
				 trident_base_exchange_timeout);
		TRIDENT_FAULT("collection-prepare");
	}
	foreach(lc, trident_collection_links())
	{
		TridentCollectionLink *link = lfirst(lc);

		(void) trident_collection_receive(link);
		link->phase = TRIDENT_COLLECTION_PREPARED;
	}
	TRIDENT_FAULT("collection-prepared");
}

/* Commit on all nodes; an error of one is raised, and aborts us. */
static void
commit_links(void)
{
	ListCell   *lc;

	TRIDENT_FAULT("collection-before-remote-commit");
	foreach(lc, trident_collection_links())
	{
		trident_collection_send(lfirst(lc), "COMMIT");
		TRIDENT_FAULT("collection-remote-commit");
	}
	foreach(lc, trident_collection_links())
	{
		(void) trident_collection_receive(lfirst(lc));
		((TridentCollectionLink *) lfirst(lc))->phase = TRIDENT_COLLECTION_ENDED;
	}
	TRIDENT_FAULT("collection-after-remote-commit");
}

/* --- after our commit or abort: nothing here may raise an error --- */

static void
warn_of(const TridentCollectionLink *link, const char *message)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("node \"%s\" could not finish what this transaction left to do",
					link->node),
			 errdetail_internal("%s", message),
			 errhint("Run trident_collection_cleanup() when the node can be reached.")));
}

/* What became of a PREPARE whose answer was not waited for. */
static void
await_prepare(TridentCollectionLink *link)
{
	const TridentExchangeReply *reply = trident_exchange_session_receive(link->session);

	if (reply->ok)
		link->phase = TRIDENT_COLLECTION_PREPARED;
	else if (reply->origin != TRIDENT_EXCHANGE_FROM_REMOTE)
		warn_of(link, reply->message);
}

/* Tell all nodes that have prepared what was decided. */
static void
finish_prepared(bool is_commit)
{
	ListCell   *lc;

	foreach(lc, trident_collection_links())
	{
		TridentCollectionLink *link = lfirst(lc);

		if (link->phase == TRIDENT_COLLECTION_PREPARING)
			await_prepare(link);
		if (link->phase != TRIDENT_COLLECTION_PREPARED)
			continue;
		send_end(link, psprintf("%s PREPARED %s", is_commit ? "COMMIT" : "ROLLBACK",
								quote_literal_cstr(link->gid)), AFTER_COMMIT_MS);
		TRIDENT_FAULT("collection-commit-prepared");
	}
	foreach(lc, trident_collection_links())
	{
		TridentCollectionLink *link = lfirst(lc);
		const TridentExchangeReply *reply;

		if (link->phase != TRIDENT_COLLECTION_PREPARED)
			continue;
		reply = trident_exchange_session_receive(link->session);
		link->phase = TRIDENT_COLLECTION_ENDED;
		if (!reply->ok)
			warn_of(link, reply->message);
	}
}

static void
run_afters(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   AFTER_COMMIT_MS);
	ListCell   *lc;

	foreach(lc, afters)
	{
		After	   *after = lfirst(lc);
		TridentExchangeCall call = {.sql = after->sql, .purpose = "a shard"};
		const TridentExchangeReply *reply;

		reply = trident_exchange_session_exec(after->link->session, &call, deadline);
		if (!reply->ok)
			warn_of(after->link, reply->message);
	}
}

static void
follow_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		trident_collection_set_quiet(false);
	if (trident_collection_links() == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (is_to_be_prepared())
				prepare_links();
			else
				commit_links();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			if (event == XACT_EVENT_COMMIT)
				TRIDENT_FAULT("collection-decided");
			finish_prepared(event == XACT_EVENT_COMMIT);
			if (event == XACT_EVENT_COMMIT)
				run_afters();
			afters = NIL;
			trident_collection_close_links();
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot prepare a transaction that has changed shards on nodes"),
					 errhint("Commit it with COMMIT.")));
			break;
		default:
			break;
	}
}

void
trident_collection_init(void)
{
	RegisterXactCallback(follow_transaction, NULL);
}
