/*
 * ingest.h
 *	  Ingest: what trident.c calls.
 */
#ifndef TRIDENT_INGEST_INGEST_H
#define TRIDENT_INGEST_INGEST_H

/* Define the kind of worker and of job; from _PG_init, after those of base. */
extern void trident_ingest_init(void);

#endif							/* TRIDENT_INGEST_INGEST_H */
