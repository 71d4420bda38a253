/*
 * deadline.c
 *	  The deadline of a search, for the part that this node does itself.
 *
 * What nodes are asked for ends by the exchange.  Here a timer cancels as a
 * user would, at the next check for interrupts; what that raises becomes the
 * error of the deadline.  A user who cancels at the same moment gets that one.
 *
 * A search may run code that searches, in a policy of row security say: there
 * the earlier of the deadlines holds, and afterwards the one from before.
 *
 * Failure: the timer is as it was when the search has ended, in whatever way.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/rel.h"
#include "utils/timeout.h"

#include "base/compat.h"
#include "base/error.h"
#include "search/search.h"

static TimeoutId timer = MAX_TIMEOUTS;

/* When the timer is to go off; 0: it is off. */
static TimestampTz armed = 0;

/* The deadline of the search that runs has passed. */
static volatile sig_atomic_t is_over = false;

/* Called by the signal handler. */
static void
cancel(void)
{
	is_over = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/* Off; and what it has asked for, but nobody looked at, is asked no more. */
static void
stop_timer(void)
{
	disable_timeout(timer, false);
	if (is_over)
		QueryCancelPending = false;
	is_over = false;
}

/* The search inside is over: back to the deadline of the one around it; 0: none. */
static void
return_timer(TimestampTz around)
{
	stop_timer();
	armed = around;
	if (around != 0)
		enable_timeout_at(timer, around);
}

static void
raise_over(const TridentSearchTarget *target)
{
	ereport(ERROR,
			(errcode(TRIDENT_ERRCODE_EXCHANGE_TIMEOUT),
			 errmsg("could not search the local part of \"%s\" before the deadline",
					RelationGetRelationName(target->rel)),
			 errhint("Allow for more time, or make the search cheaper: by an index, a lower trident.index_target_recall or a filter.")));
}

bool
trident_search_run_until(TimestampTz deadline, const TridentSearchPlan *plan,
						 PlannedStmt *statement, TridentSearchTop *top)
{
	MemoryContext context = CurrentMemoryContext;
	const Datum *query = &plan->target->query;
	TimestampTz around = armed;
	volatile bool is_pass = false;

	if (deadline == 0)
		return trident_search_run(plan, statement, query, &top, 1);
	if (timer == MAX_TIMEOUTS)
		timer = RegisterTimeout(USER_TIMEOUT, cancel);
	armed = around != 0 ? Min(around, deadline) : deadline;
	enable_timeout_at(timer, armed);
	PG_TRY();
	{
		is_pass = trident_search_run(plan, statement, query, &top, 1);
	}
	PG_CATCH();
	{
		bool		is_ours = is_over && geterrcode() == ERRCODE_QUERY_CANCELED;

		return_timer(around);
		if (!is_ours)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		raise_over(plan->target);
	}
	PG_END_TRY();
	return_timer(around);
	return is_pass;
}
