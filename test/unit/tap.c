/*
 * tap.c
 *	  A test runner in one page: prints the Test Anything Protocol.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tap.h"

static int	passed_count = 0;
static int	failed_count = 0;
static int	skipped_count = 0;

/* How many tests there were so far. */
static int
test_count(void)
{
	return passed_count + failed_count + skipped_count;
}

/* Report one test under a name made from format; returns whether it passed. */
bool
tap_ok(bool passed, const char *format,...)
{
	va_list		args;

	if (passed)
		passed_count++;
	else
		failed_count++;

	printf("%sok %d - ", passed ? "" : "not ", test_count());
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return passed;
}

/* Report one test that cannot run here, and why. */
void
tap_skip(const char *name, const char *reason)
{
	skipped_count++;
	printf("ok %d - %s # SKIP %s\n", test_count(), name, reason);
}

/* Say more about the test that is reported next; no newline at the end. */
void
tap_note(const char *format,...)
{
	va_list		args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* Print the plan; the result is main's. */
int
tap_done(void)
{
	printf("1..%d\n", test_count());
	return failed_count == 0 ? 0 : 1;
}
