/*
 * worker_test.c
 *	  A kind of worker for tests of the machinery; with fault points only.
 *
 * It is needed where there is a relation worker_test_wanted, fails as
 * trident.fault says at point "worker_turn", and otherwise does nothing.
 * Tests declare the functions here themselves.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/guc.h"
#include "base/wait.h"
#include "base/worker_entry.h"

#ifdef TRIDENT_FAULTS

static void run_test(int number);

static const TridentBaseWorkerKind test_kind = {
	.name = "test",
	.run = run_test,
	.probe = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'worker_test_wanted')",
	.idle_timeout_ms = &trident_base_worker_idle_timeout
};

static int	test_number = -1;

PG_FUNCTION_INFO_V1(trident_test_worker_ensure);
PG_FUNCTION_INFO_V1(trident_test_worker_wake);
PG_FUNCTION_INFO_V1(trident_test_worker_at_commit);

void
trident_base_worker_test_init(void)
{
	test_number = trident_base_worker_define(&test_kind);
}

static void
run_test(int number)
{
	static uint32 event = 0;

	trident_base_wait_event(&event, "TridentTestMain");
	trident_base_worker_ready();
	while (trident_base_worker_turn())
	{
		TRIDENT_FAULT("worker_turn");
		trident_base_worker_activity("waiting for the test");
		trident_base_wait(50, event);
	}
	TRIDENT_FAULT("worker_leave");
}

/* trident_test_worker_ensure(timeout_ms int) returns its generation */
Datum
trident_test_worker_ensure(PG_FUNCTION_ARGS)
{
	TridentBaseWorker worker;
	TridentBaseWorkerFailure failure;

	if (!trident_base_worker_ensure(test_number, 0, PG_GETARG_INT32(0), &worker,
									&failure))
		trident_base_worker_fail(&failure);
	PG_RETURN_INT64(worker.generation);
}

/* Is there one, alive and to be woken? */
Datum
trident_test_worker_wake(PG_FUNCTION_ARGS)
{
	TridentBaseWorker worker;

	PG_RETURN_BOOL(trident_base_worker_find(test_number, 0, &worker) &&
				   trident_base_worker_alive(&worker) &&
				   trident_base_worker_wake(&worker));
}

Datum
trident_test_worker_at_commit(PG_FUNCTION_ARGS)
{
	trident_base_worker_start_at_commit(test_number);
	PG_RETURN_VOID();
}

#else

void
trident_base_worker_test_init(void)
{
}

#endif							/* TRIDENT_FAULTS */
