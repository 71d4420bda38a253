/*
 * wait.c
 *	  Waiting on the process's latch, under a name that pg_stat_activity shows.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "base/wait.h"

uint32
trident_base_wait_event(uint32 *event, const char *name)
{
	if (*event == 0)
		*event = TridentWaitEventNew(name);
	return *event;
}

void
trident_base_wait(long timeout_ms, uint32 event)
{
	int			wake = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (timeout_ms >= 0)
		wake |= WL_TIMEOUT;
	timeout_ms = Min(timeout_ms, INT_MAX);	/* no latch waits for longer */
	(void) WaitLatch(MyLatch, wake, timeout_ms, event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}
