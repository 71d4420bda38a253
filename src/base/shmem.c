/*
 * shmem.c
 *	  Areas of the server's main shared memory segment, one a folder.
 *
 * The postmaster asks for the sum of the sizes in shmem_request_hook, when
 * all settings have their values, and makes the areas in shmem_startup_hook.
 * Other processes inherit the pointers, or, where they are not forked, find
 * the areas in the same hook.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "base/shmem.h"

#define MAX_AREAS 16

static TridentBaseShmemArea areas[MAX_AREAS];
static int	narea = 0;
static bool preloaded = false;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_areas(void)
{
	if (previous_request_hook)
		previous_request_hook();

	for (int i = 0; i < narea; i++)
	{
		RequestAddinShmemSpace(MAXALIGN(areas[i].size()));
		if (areas[i].nlocks > 0)
			RequestNamedLWLockTranche(areas[i].name, areas[i].nlocks);
	}
}

static void
make_areas(void)
{
	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < narea; i++)
	{
		const TridentBaseShmemArea *area = &areas[i];
		Size		size = MAXALIGN(area->size());
		bool		found;

		*area->area = ShmemInitStruct(area->name, size, &found);
		if (area->nlocks > 0)
			*area->locks = GetNamedLWLockTranche(area->name);
		if (!found)
		{
			memset(*area->area, 0, size);
			area->init(*area->area, size);
		}
	}
	LWLockRelease(AddinShmemInitLock);
}

void
trident_base_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	preloaded = true;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_areas;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_areas;
}

void
trident_base_shmem_register(const TridentBaseShmemArea *area)
{
	if (!preloaded)
		return;
	if (narea == MAX_AREAS)
		elog(ERROR, "too many areas of shared memory");
	areas[narea++] = *area;
}

bool
trident_base_preloaded(void)
{
	return preloaded;
}

void
trident_base_require_preload(const char *what)
{
	if (preloaded)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s needs the library trident to be loaded at server start", what),
			 errhint("Add trident to shared_preload_libraries in postgresql.conf and restart the server.")));
}
