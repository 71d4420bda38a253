/*
 * start.h
 *	  Submitting an ingest job, and reading what was submitted.
 */
#ifndef TRIDENT_INGEST_START_H
#define TRIDENT_INGEST_START_H

#include "ingest/run.h"

/* The number of the kind of job that ingest is. */
extern int	trident_ingest_job_kind(void);

/* Read a job's arguments; strings are palloc'd.  In a transaction. */
extern void trident_ingest_start_options(const char *arguments, TridentIngestOptions *options);

#endif							/* TRIDENT_INGEST_START_H */
