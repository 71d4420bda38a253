/*
 * worker_probe.c
 *	  What a database needs: a short-lived worker that looks and says.
 *
 * Only a process connected to a database sees whether the extension is there
 * and whether there is work to do.  The launcher starts this kind for each
 * database in turn.  It forgets what is left of an extension that is gone,
 * and asks for every kind whose probe says yes.  A probe that fails is shown
 * in trident.stat_worker as any other worker that failed.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/worker_entry.h"

/* A database that does not answer by then is not waited for. */
#define PROBE_MS 10000

static void run_probe(int number);

const TridentBaseWorkerKind trident_base_worker_probe_kind = {
	.name = "probe",
	.run = run_probe,
	.on_standby = true
};

/* Free the entries of this database that belong to another extension. */
static void
forget_others(Oid extension)
{
	TridentBaseWorkerLock();
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (entry->database == MyDatabaseId &&
			entry->kind != TRIDENT_BASE_WORKER_PROBE &&
			entry->extension != extension && !trident_base_worker_live(entry))
			entry->state = TRIDENT_BASE_WORKER_FREE;
	}
	TridentBaseWorkerUnlock();
}

/* Does the kind's own question say that it is needed? */
static bool
is_needed(const TridentBaseWorkerKind *kind)
{
	bool		isnull;
	Datum		answer;

	if (SPI_execute(kind->probe, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "the probe of trident %s worker gave no row", kind->name);
	answer = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return !isnull && DatumGetBool(answer);
}

static void
run_probe(int number)
{
	Oid			extension;

	trident_base_worker_begin(PROBE_MS);
	extension = trident_base_extension_oid();
	forget_others(extension);
	if (OidIsValid(extension))
	{
		trident_base_worker_check_version(extension);
		for (int i = 0; i < trident_base_worker_kind_count(); i++)
		{
			const TridentBaseWorkerKind *kind = trident_base_worker_kind(i);

			if (kind->probe && trident_base_worker_kind_allowed(i) &&
				is_needed(kind))
				trident_base_worker_want(MyDatabaseId, extension, i);
		}
	}
	trident_base_worker_commit();
}
