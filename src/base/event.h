/*
 * event.h
 *	  Functions of event triggers.
 */
#ifndef TRIDENT_BASE_EVENT_H
#define TRIDENT_BASE_EVENT_H

#include "commands/event_trigger.h"
#include "fmgr.h"

/*
 * What the event trigger is called for.  Error 39P03 if the function was
 * called in another way.
 */
extern EventTriggerData *trident_base_event(FunctionCallInfo fcinfo);

#endif							/* TRIDENT_BASE_EVENT_H */
