/*
 * fault.c
 *	  Named points where a test can make the code stop, fail or die.
 *
 * The setting is defined here and not in guc.c, since a build for users has
 * neither.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/fault.h"

#ifdef TRIDENT_FAULTS

/* The advisory lock that a point with action "wait" waits for. */
#define FAULT_LOCK 8400

/* trident.fault: "point:action" or "point:action:skip". */
static char *fault_setting = NULL;

/* Times that the point has been passed over. */
static int	passes = 0;

void
trident_base_fault_init(void)
{
	DefineCustomStringVariable("trident.fault",
							   "Names a point of the code where a test makes it stop, fail or die.",
							   NULL, &fault_setting, NULL,
							   PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

void
trident_base_fault(const char *point)
{
	size_t		length = strlen(point);
	const char *action;
	const char *skip;

	if (fault_setting == NULL || strncmp(fault_setting, point, length) != 0 ||
		fault_setting[length] != ':')
		return;
	action = fault_setting + length + 1;
	skip = strchr(action, ':');
	if (skip && passes++ < pg_strtoint32(skip + 1))
		return;
	passes = 0;
	if (strncmp(action, "error", 5) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("fault \"%s\"", point),
				 errhint("RESET trident.fault.")));
	if (strncmp(action, "exit", 4) == 0)
	{
		/* else what was logged last would be lost with the process */
		XLogFlush(XactLastRecEnd);
		_exit(2);
	}
	if (strncmp(action, "wait", 4) == 0)
	{
		DirectFunctionCall1(pg_advisory_lock_int8, Int64GetDatum(FAULT_LOCK));
		DirectFunctionCall1(pg_advisory_unlock_int8, Int64GetDatum(FAULT_LOCK));
	}
}

#else

void
trident_base_fault_init(void)
{
}

#endif							/* TRIDENT_FAULTS */
