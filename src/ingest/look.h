/*
 * look.h
 *	  A backend's own connection to a source, for looking around.
 */
#ifndef TRIDENT_INGEST_LOOK_H
#define TRIDENT_INGEST_LOOK_H

#include "base/compat.h"
#include "ingest/connection.h"
#include "ingest/source.h"

/*
 * A connection to the source as the current role, made or taken from this
 * transaction: calls that follow one another share it, and the end of the
 * transaction closes it.
 */
extern TridentIngestConnection *trident_ingest_look_connect(const char *source_name);

/* Raise a STATUS as an error about a path. */
extern void trident_ingest_look_fail(uint32 status, const char *path) pg_attribute_noreturn();

#endif							/* TRIDENT_INGEST_LOOK_H */
