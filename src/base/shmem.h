/*
 * shmem.h
 *	  Areas of the server's main shared memory segment, one a folder.
 *
 * A folder registers its area from its init call in _PG_init; its size is
 * fixed at server start, from settings.  All is there only when the library
 * is in shared_preload_libraries: otherwise the pointers stay NULL, and
 * trident_base_preloaded() says so.
 */
#ifndef TRIDENT_BASE_SHMEM_H
#define TRIDENT_BASE_SHMEM_H

#include "storage/lwlock.h"

/*
 * One area.  The struct, and what it points to, lives as long as the process:
 * static.  "size" is asked once, after all settings have their values.
 * "init" is called once a server start (and again after a crash), on zeroed
 * memory, with nobody else there; *area and *locks are set before.
 */
typedef struct TridentBaseShmemArea
{
	const char *name;			/* "trident exchange"; also of the tranche */
	Size		(*size) (void);
	void		(*init) (void *area, Size size);
	int			nlocks;			/* LWLocks wanted; may be 0 */
	void	  **area;			/* set to the area in every process */
	LWLockPadded **locks;		/* set to the locks; NULL if there are none */
} TridentBaseShmemArea;

/* Install the hooks.  Before any area is registered, from _PG_init. */
extern void trident_base_shmem_init(void);

/* Register an area.  From _PG_init; does nothing when not preloaded. */
extern void trident_base_shmem_register(const TridentBaseShmemArea *area);

/* Is the library loaded, or being loaded, by shared_preload_libraries? */
extern bool trident_base_preloaded(void);

/*
 * Raise an error that says that "what" ("the exchange", "trident_ingest()")
 * needs the library preloaded, and how that is done; return when it is.
 */
extern void trident_base_require_preload(const char *what);

#endif							/* TRIDENT_BASE_SHMEM_H */
