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
 * A link that ends late (trident_collection_hold_link) takes away what others
 * have made new.  Where every node allows it that is done before our commit,
 * prepared with the rest, and told to commit last.  Else it takes no part before our commit, but
 * that it must be there still: what was left for after it runs in its open
 * transaction, and then COMMIT; our abort closes it.  Where one of the others
 * could not be told to commit, it is closed, or stays prepared.
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
 * node that dies at this very moment may not have its part.  No cancel comes
 * in between, and the error tells who has committed.
 *
 * Memory: all in TopTransactionContext.  Locks: ours are held until the nodes
 * are told.  Failure: after our commit nothing may raise an error, so each
 * step is taken in a PG_TRY; a node that does not answer within
 * AFTER_COMMIT_MS is told of by a warning.
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

/* Nodes were told to commit: a cancel waits until we have, too. */
static bool holds_cancel = false;

void
trident_collection_after_commit(TridentCollectionLink *link, const char *sql)
{
	MemoryContext context = MemoryContextSwitchTo(TopTransactionContext);

	link->afters = lappend(link->afters, pstrdup(sql));
	MemoryContextSwitchTo(context);
}

/* Send a statement of a transaction's end. */
static void
send_end(TridentCollectionLink *link, const char *sql, TimestampTz deadline)
{
	TridentExchangeCall call = {.sql = sql, .purpose = "a shard"};

	trident_exchange_session_send(link->session, &call, deadline);
}

static TimestampTz
after_ms(int ms)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/* --- before our commit --- */

/* The links whose transactions end with ours. */
static List *
early_links(void)
{
	List	   *links = NIL;
	ListCell   *lc;

	foreach(lc, trident_collection_links())
	{
		if (!((TridentCollectionLink *) lfirst(lc))->ends_late)
			links = lappend(links, lfirst(lc));
	}
	return links;
}

/* May every node prepare, and is there anything to agree on? */
static bool
is_to_be_prepared(List *links)
{
	ListCell   *lc;
	ListCell   *other;

	if (links == NIL ||
		(list_length(links) == 1 && !TransactionIdIsValid(GetTopTransactionIdIfAny())))
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
	return prefix;
}

static void
prepare_links(List *links)
{
	char	   *prefix = log_decision();
	ListCell   *lc;

	TRIDENT_FAULT("collection-before-prepare");
	foreach(lc, links)
	{
		TridentCollectionLink *link = lfirst(lc);
		char	   *gid = psprintf("%s_%d", prefix, foreach_current_index(lc));

		link->gid = MemoryContextStrdup(TopTransactionContext, gid);
		link->phase = TRIDENT_COLLECTION_PREPARING;
		send_end(link, psprintf("PREPARE TRANSACTION %s", quote_literal_cstr(gid)),
				 after_ms(trident_base_exchange_timeout));
		TRIDENT_FAULT("collection-prepare");
	}
	foreach(lc, links)
	{
		TridentCollectionLink *link = lfirst(lc);

		(void) trident_collection_receive(link);
		link->phase = TRIDENT_COLLECTION_PREPARED;
	}
	TRIDENT_FAULT("collection-prepared");
}

/* One node failed to commit and others did not: the error that says so. */
static void
raise_divided(const TridentCollectionLink *failed, const TridentExchangeReply *reply,
			  const char *committed)
{
	ereport(ERROR,
			(errcode(reply->sqlstate),
			 errmsg("node \"%s\" could not commit, but others did", failed->node),
			 errdetail_internal("Nodes that have committed: %s. What went wrong: %s.",
								committed, reply->message),
			 errhint("Look at what of the rows is there, and write the others again; trident_collection_cleanup() drops tables that are in no collection.  With max_prepared_transactions set on all nodes, all commit or none.")));
}

/* Hear of all COMMITs; the first error is raised. */
static void
hear_commits(List *links)
{
	const TridentCollectionLink *failed = NULL;
	const TridentExchangeReply *error = NULL;
	StringInfoData committed;
	ListCell   *lc;

	initStringInfo(&committed);
	foreach(lc, links)
	{
		TridentCollectionLink *link = lfirst(lc);
		const TridentExchangeReply *reply = trident_exchange_session_receive(link->session);

		link->phase = TRIDENT_COLLECTION_ENDED;
		if (reply->ok)
			appendStringInfo(&committed, "%s\"%s\"", committed.len > 0 ? ", " : "",
							 link->node);
		else if (error == NULL)
		{
			/* a reply lives until the next one of its session */
			error = reply;
			failed = link;
		}
	}
	if (error && committed.len > 0)
		raise_divided(failed, error, committed.data);
	if (error)
		trident_exchange_raise(ERROR, error);
}

/*
 * Commit on all nodes; an error of one is raised, and aborts us.  Each is
 * heard before that: what has committed is said.
 */
static void
commit_links(List *links)
{
	TimestampTz deadline = after_ms(trident_base_exchange_timeout);
	ListCell   *lc;

	TRIDENT_FAULT("collection-before-remote-commit");
	if (links != NIL)
	{
		HOLD_CANCEL_INTERRUPTS();
		holds_cancel = true;
	}
	foreach(lc, links)
	{
		send_end(lfirst(lc), "COMMIT", deadline);
		TRIDENT_FAULT("collection-remote-commit");
	}
	hear_commits(links);
	TRIDENT_FAULT("collection-after-remote-commit");
}

/* The transaction is over; an error has let cancels in by itself. */
static void
let_cancel_in(bool is_commit)
{
	if (holds_cancel && is_commit && QueryCancelHoldoffCount > 0)
		RESUME_CANCEL_INTERRUPTS();
	holds_cancel = false;
}

/* --- after our commit or abort: nothing here may raise an error --- */

/* A step of how a link ends. */
typedef struct Step
{
	TridentCollectionLink *link;
	int			number;
	bool		is_commit;
	bool		of_last;		/* of the links that are told last, or the others */
	TimestampTz deadline;
	const char *message;		/* to warn of */
} Step;

static void
warn_with_text(const Step *step)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("node \"%s\" could not finish what this transaction left to do",
					step->link->node),
			 errdetail_internal("%s", step->message),
			 errhint("Run trident_collection_cleanup() when the node can be reached.")));
}

/* What every client can read; the log has more. */
static void
warn_without_text(const Step *step)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("a node could not finish what this transaction left to do"),
			 errhint("Run trident_collection_cleanup() when the nodes can be reached.")));
}

/* Nothing more is done over the link. */
static void
give_up(TridentCollectionLink *link)
{
	link->phase = TRIDENT_COLLECTION_LOST;
	link->afters = NIL;
	link->ends_late = false;
}

/* Take a step; false if it has raised an error, which ends here. */
static bool
has_taken(void (*take) (const Step *step), const Step *step)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = InterruptHoldoffCount;
	volatile bool taken = false;

	PG_TRY();
	{
		take(step);
		taken = true;
	}
	PG_CATCH();
	{
		/* an error lets interrupts in, which a commit holds off */
		InterruptHoldoffCount = holdoff;
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return taken;
}

/* Tell of what a node says. */
static void
warn_of(const Step *step, const char *message)
{
	Step		warning = *step;

	warning.message = message;
	if (!has_taken(warn_with_text, &warning))
		(void) has_taken(warn_without_text, &warning);
}

/*
 * Take a step.  What it raises, for want of memory or of a character in the
 * client's encoding, would stop the server after our commit.
 */
static void
take_step(void (*take) (const Step *step), const Step *step)
{
	if (has_taken(take, step))
		return;
	give_up(step->link);
	(void) has_taken(warn_without_text, step);
}

/* Tell a node that has prepared, or was asked to, what was decided. */
static void
ask_end(const Step *step)
{
	TridentCollectionLink *link = step->link;

	if (link->is_last != step->of_last)
		return;
	if (link->phase == TRIDENT_COLLECTION_PREPARING)
	{
		const TridentExchangeReply *reply;

		/* nobody can cancel any more */
		trident_exchange_session_hasten(link->session, step->deadline);
		reply = trident_exchange_session_receive(link->session);
		if (reply->ok)
			link->phase = TRIDENT_COLLECTION_PREPARED;
		else if (reply->origin != TRIDENT_EXCHANGE_FROM_REMOTE)
			warn_of(step, reply->message);
	}
	if (link->phase != TRIDENT_COLLECTION_PREPARED)
		return;
	send_end(link, psprintf("%s PREPARED %s", step->is_commit ? "COMMIT" : "ROLLBACK",
							quote_literal_cstr(link->gid)), step->deadline);
	TRIDENT_FAULT("collection-commit-prepared");
}

static void
hear_end(const Step *step)
{
	const TridentExchangeReply *reply;

	if (step->link->is_last != step->of_last ||
		step->link->phase != TRIDENT_COLLECTION_PREPARED)
		return;
	reply = trident_exchange_session_receive(step->link->session);
	step->link->phase = TRIDENT_COLLECTION_ENDED;
	if (reply->ok)
		return;
	/* what was left for after it would find nothing to be done after */
	give_up(step->link);
	warn_of(step, reply->message);
}

/* How many statements are left for after our commit. */
static int
count_afters(const TridentCollectionLink *link)
{
	return list_length(link->afters) + (link->ends_late ? 1 : 0);
}

static void
ask_after(const Step *step)
{
	if (step->number < list_length(step->link->afters))
		send_end(step->link, list_nth(step->link->afters, step->number), step->deadline);
	else if (step->number < count_afters(step->link))
		send_end(step->link, "COMMIT", step->deadline);
}

static void
hear_after(const Step *step)
{
	TridentCollectionLink *link = step->link;
	const TridentExchangeReply *reply;

	if (step->number >= count_afters(link))
		return;
	reply = trident_exchange_session_receive(link->session);
	if (reply->ok)
		return;
	/* what would follow it fails by it */
	if (link->ends_late || reply->origin != TRIDENT_EXCHANGE_FROM_REMOTE)
		give_up(link);
	warn_of(step, reply->message);
}

/* A step of all links: each is asked, then each heard. */
static void
take_steps(void (*ask) (const Step *step), void (*hear) (const Step *step), Step step)
{
	ListCell   *lc;

	foreach(lc, trident_collection_links())
	{
		step.link = lfirst(lc);
		take_step(ask, &step);
	}
	foreach(lc, trident_collection_links())
	{
		step.link = lfirst(lc);
		take_step(hear, &step);
	}
}

/*
 * A node may still have to commit what the links that end late would drop the
 * other copy of.  What they leave there is known to the cleanup.
 */
static void
keep_late_if_lost(void)
{
	bool		is_lost = false;
	ListCell   *lc;

	foreach(lc, trident_collection_links())
		is_lost |= ((TridentCollectionLink *) lfirst(lc))->phase == TRIDENT_COLLECTION_LOST;
	foreach(lc, trident_collection_links())
	{
		TridentCollectionLink *link = lfirst(lc);

		if (is_lost && (link->ends_late || link->is_last))
			give_up(link);
	}
}

/* Tell all nodes what was decided; then what was left for after our commit. */
static void
end_links(bool is_commit)
{
	Step		step = {.is_commit = is_commit, .deadline = after_ms(AFTER_COMMIT_MS)};
	int			nsteps = 0;
	ListCell   *lc;

	take_steps(ask_end, hear_end, step);
	if (is_commit)
		keep_late_if_lost();
	step.of_last = true;
	take_steps(ask_end, hear_end, step);
	if (!is_commit)
		return;
	step.deadline = after_ms(AFTER_COMMIT_MS);
	foreach(lc, trident_collection_links())
		nsteps = Max(nsteps, count_afters(lfirst(lc)));
	for (step.number = 0; step.number < nsteps; step.number++)
		take_steps(ask_after, hear_after, step);
}

/*
 * Those that end late.  Where all nodes allow it, what was left for after our
 * commit is done now, and is prepared with the rest: its locks last until the
 * node is told, whoever crashes.  Else the locks that they hold have to be
 * there still.
 */
static void
join_late_links(void)
{
	bool		joins = is_to_be_prepared(trident_collection_links());
	ListCell   *lc;
	ListCell   *after;

	foreach(lc, trident_collection_links())
	{
		TridentCollectionLink *link = lfirst(lc);

		if (!link->ends_late)
			continue;
		if (!joins)
		{
			(void) trident_collection_run(link, "SELECT 1");
			continue;
		}
		foreach(after, link->afters)
			(void) trident_collection_run(link, lfirst(after));
		link->afters = NIL;
		link->ends_late = false;
		link->is_last = true;
	}
}

static void
end_early(void)
{
	List	   *links;

	/* no crash takes back what nodes have acted on */
	ForceSyncCommit();
	join_late_links();
	links = early_links();
	if (is_to_be_prepared(links))
		prepare_links(links);
	else
		commit_links(links);
}

static void
follow_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
	{
		trident_collection_set_quiet(false);
		let_cancel_in(event == XACT_EVENT_COMMIT);
	}
	if (trident_collection_links() == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			end_early();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			if (event == XACT_EVENT_COMMIT)
				TRIDENT_FAULT("collection-decided");
			end_links(event == XACT_EVENT_COMMIT);
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

static void
follow_subtransaction(SubXactEvent event, SubTransactionId subid,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		trident_collection_forget_quiet(subid);
}

void
trident_collection_init(void)
{
	RegisterXactCallback(follow_transaction, NULL);
	RegisterSubXactCallback(follow_subtransaction, NULL);
}
