/*
 * tap.h
 *	  A test runner in one page: prints the Test Anything Protocol.
 *
 * Knows nothing of PostgreSQL, whose c.h redirects printf to a library that
 * these tests do without; so tests that include c.h print through this.
 */
#ifndef TRIDENT_TEST_UNIT_TAP_H
#define TRIDENT_TEST_UNIT_TAP_H

#include <stdbool.h>

#define TAP_FORMAT(f, a) __attribute__((__format__(__printf__, f, a)))

/* Report one test under a name made from format; returns whether it passed. */
extern bool tap_ok(bool passed, const char *format,...) TAP_FORMAT(2, 3);

/* Report one test that cannot run here, and why. */
extern void tap_skip(const char *name, const char *reason);

/* Say more about the test that is reported next; no newline at the end. */
extern void tap_note(const char *format,...) TAP_FORMAT(1, 2);

/* Print the plan and the count; the result is main's. */
extern int	tap_done(void);

#endif							/* TRIDENT_TEST_UNIT_TAP_H */
