/*
 * worker_view.c
 *	  What SQL sees of workers, and how an administrator stops them.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "base/worker_entry.h"

/* How long the administrator's functions wait. */
#define STOP_MS 5000

#define COLUMNS 13

PG_FUNCTION_INFO_V1(trident_worker_rows);
PG_FUNCTION_INFO_V1(trident_worker_stop);

static const char *const state_names[] = {
	[TRIDENT_BASE_WORKER_FREE] = "free",
	[TRIDENT_BASE_WORKER_IDLE] = "stopped",
	[TRIDENT_BASE_WORKER_STARTING] = "starting",
	[TRIDENT_BASE_WORKER_RUNNING] = "starting",
	[TRIDENT_BASE_WORKER_READY] = "ready",
	[TRIDENT_BASE_WORKER_FAILED] = "failed"
};

/* Text of a process whose database may have another encoding. */
static Datum
text_of_other(const char *text, bool *isnull)
{
	char	   *copy;

	*isnull = text[0] == '\0';
	if (*isnull)
		return (Datum) 0;
	copy = pstrdup(text);
	if (!pg_verifymbstr(copy, strlen(copy), true))
		for (char *c = copy; *c; c++)
			if (IS_HIGHBIT_SET(*c))
				*c = '?';
	return CStringGetTextDatum(copy);
}

static void
put_launcher(ReturnSetInfo *result)
{
	Datum		values[COLUMNS] = {0};
	bool		isnull[COLUMNS];
	pid_t		pid;
	TimestampTz started_at;

	TridentBaseWorkerLockShared();
	pid = trident_base_worker_shared->launcher_pid;
	started_at = trident_base_worker_shared->launcher_started_at;
	TridentBaseWorkerUnlock();

	memset(isnull, true, sizeof(isnull));
	values[0] = CStringGetTextDatum("launcher");
	isnull[0] = false;
	values[3] = CStringGetTextDatum(pid ? "ready" : "stopped");
	isnull[3] = false;
	values[4] = Int32GetDatum(pid);
	isnull[4] = pid == 0;
	values[5] = TimestampTzGetDatum(started_at);
	isnull[5] = pid == 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
}

static void
put_entry(ReturnSetInfo *result, const TridentBaseWorkerEntry *entry)
{
	Datum		values[COLUMNS] = {0};
	bool		isnull[COLUMNS] = {0};
	bool		failed = entry->state == TRIDENT_BASE_WORKER_FAILED;

	values[0] = CStringGetTextDatum(trident_base_worker_kind(entry->kind)->name);
	values[1] = ObjectIdGetDatum(entry->database);
	values[2] = Int32GetDatum(entry->number);
	values[3] = CStringGetTextDatum(state_names[entry->state]);
	values[4] = Int32GetDatum(entry->pid);
	isnull[4] = entry->pid == 0;
	values[5] = TimestampTzGetDatum(entry->started_at);
	isnull[5] = entry->starts == 0;
	values[6] = Int64GetDatum(Max(entry->starts - 1, 0));
	values[7] = text_of_other(entry->activity, &isnull[7]);
	values[8] = TimestampTzGetDatum(entry->retry_at);
	isnull[8] = !(failed && entry->wanted);
	values[9] = TimestampTzGetDatum(entry->error_at);
	values[10] = CStringGetTextDatum(unpack_sql_state(entry->sqlstate));
	values[11] = text_of_other(entry->error, &isnull[11]);
	isnull[9] = isnull[10] = entry->sqlstate == 0;
	values[12] = text_of_other(entry->hint, &isnull[12]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
}

/* The rows of trident.stat_worker; none when not preloaded. */
Datum
trident_worker_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (trident_base_worker_shared == NULL)
		return (Datum) 0;
	put_launcher(result);
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry entry;

		TridentBaseWorkerLockShared();
		memcpy(&entry, &trident_base_worker_shared->entries[i], sizeof(entry));
		TridentBaseWorkerUnlock();
		if (entry.state != TRIDENT_BASE_WORKER_FREE)
			put_entry(result, &entry);
	}
	return (Datum) 0;
}

/* The number of the kind of that name, probe and launcher left out. */
static int
kind_by_name(const char *name)
{
	for (int i = 0; i < trident_base_worker_kind_count(); i++)
		if (i != TRIDENT_BASE_WORKER_PROBE &&
			strcmp(trident_base_worker_kind(i)->name, name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no kind of worker \"%s\"", name),
			 errhint("Look into trident.stat_worker for the kinds there are.")));
}

/*
 * Note what is to be stopped, so that it starts again at once if it was
 * running or waiting to be tried again; forget failures in either case.
 */
static int
prepare_stop(Oid database, int kind, bool restart, bool *again)
{
	int			live = 0;

	TridentBaseWorkerLock();
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		again[i] = false;
		if (entry->state == TRIDENT_BASE_WORKER_FREE ||
			entry->database != database || entry->kind == TRIDENT_BASE_WORKER_PROBE ||
			(kind >= 0 && entry->kind != kind))
			continue;
		again[i] = restart && (entry->wanted || trident_base_worker_live(entry));
		if (trident_base_worker_live(entry))
			live++;
		else
		{
			entry->wanted = false;
			entry->failures = 0;
			entry->state = TRIDENT_BASE_WORKER_IDLE;
		}
	}
	TridentBaseWorkerUnlock();
	return live;
}

/* trident_worker_stop(database name, kind text, restart boolean) */
Datum
trident_worker_stop(PG_FUNCTION_ARGS)
{
	Oid			database = MyDatabaseId;
	int			kind = -1;
	bool		restart = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	int			live;
	bool	   *again;

	trident_base_require_preload("trident_worker_stop()");
	if (!PG_ARGISNULL(0))
		database = get_database_oid(NameStr(*PG_GETARG_NAME(0)), false);
	if (!PG_ARGISNULL(1))
		kind = kind_by_name(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	again = palloc(trident_base_worker_shared->nentries * sizeof(bool));
	live = prepare_stop(database, kind, restart, again);
	if (!trident_base_worker_stop(database, kind, STOP_MS))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("workers did not stop within %d s", STOP_MS / 1000),
				 errhint("Try again, or look into trident.stat_worker for what they do.")));

	TridentBaseWorkerLock();
	for (int i = 0; i < trident_base_worker_shared->nentries; i++)
	{
		TridentBaseWorkerEntry *entry = &trident_base_worker_shared->entries[i];

		if (again[i] && entry->state != TRIDENT_BASE_WORKER_FREE &&
			entry->database == database)
			entry->wanted = true;
	}
	TridentBaseWorkerUnlock();
	trident_base_worker_wake_launcher();
	PG_RETURN_INT32(live);
}
