/*
 * fault.h
 *	  Named points where a test can make the code stop, fail or die.
 *
 * Compiled in by -DTRIDENT_FAULTS only; otherwise TRIDENT_FAULT() is nothing.
 * A point acts when trident.fault names it: "point:error" raises an error,
 * "point:exit" ends the process as a crash would (the postmaster restarts
 * all), "point:wait" waits until the advisory lock 8400 can be had, so that a
 * test parks the code by holding that lock.  A number after the action skips
 * so many passes first: "point:exit:3".
 */
#ifndef TRIDENT_BASE_FAULT_H
#define TRIDENT_BASE_FAULT_H

#ifdef TRIDENT_FAULTS
#define TRIDENT_FAULT(point) trident_base_fault(point)
#else
#define TRIDENT_FAULT(point) ((void) 0)
#endif

/* Define the setting; nothing in a build without fault points. */
extern void trident_base_fault_init(void);

/* Act as the setting says if it names this point; see above. */
extern void trident_base_fault(const char *point);

#endif							/* TRIDENT_BASE_FAULT_H */
