/*
 * option.h
 *	  Options of sources and of their user mappings.
 */
#ifndef TRIDENT_INGEST_OPTION_H
#define TRIDENT_INGEST_OPTION_H

#include "nodes/pg_list.h"

#define TRIDENT_INGEST_DEFAULT_PORT 22

/* Value of an option; NULL when it is not set.  Points into the list. */
extern const char *trident_ingest_option(List *options, const char *name);

/* The same as a number of a given range, checked by the validator before. */
extern int	trident_ingest_option_int(List *options, const char *name, int absent);

/* The same as a claim. */
extern bool trident_ingest_option_bool(List *options, const char *name, bool absent);

#endif							/* TRIDENT_INGEST_OPTION_H */
