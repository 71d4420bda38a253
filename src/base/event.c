/*
 * event.c
 *	  Functions of event triggers.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/event.h"

EventTriggerData *
trident_base_event(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function can only be called as an event trigger"),
				 errhint("Run the command that the event trigger is for.")));
	return (EventTriggerData *) fcinfo->context;
}
