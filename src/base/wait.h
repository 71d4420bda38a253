/*
 * wait.h
 *	  Waiting on the process's latch, under a name that pg_stat_activity shows.
 */
#ifndef TRIDENT_BASE_WAIT_H
#define TRIDENT_BASE_WAIT_H

/*
 * The wait event of that name ("TridentWorkerStart"), made on first use and
 * kept in *event, a static variable of the caller that begins as 0.  Where
 * the server has no named events (before 17), the general one of extensions.
 */
extern uint32 trident_base_wait_event(uint32 *event, const char *name);

/*
 * Wait until the latch is set or timeout_ms are over (-1: no limit), then
 * reset the latch and handle interrupts: may throw.  Ends the process when
 * the postmaster is gone.  The caller looks at the state it waits for before
 * each call and after it, since a latch is set for many reasons.
 */
extern void trident_base_wait(long timeout_ms, uint32 event);

#endif							/* TRIDENT_BASE_WAIT_H */
