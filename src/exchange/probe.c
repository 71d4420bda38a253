/*
 * probe.c
 *	  A SQL function that runs any statement on nodes: for tests.
 *
 * Only in a build with fault points, and in no install script: a test makes
 * the function itself, as a superuser, with CREATE FUNCTION ... LANGUAGE C.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "exchange/exchange.h"

#ifdef TRIDENT_FAULTS

PG_FUNCTION_INFO_V1(trident_exchange_probe);
PG_FUNCTION_INFO_V1(trident_exchange_probe_session);

/* The elements of an array of text; NULL ones are NULL. */
static const char **
text_elements(ArrayType *array, int *n)
{
	Datum	   *datums;
	bool	   *nulls;
	const char **texts;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &datums, &nulls, n);
	texts = palloc(sizeof(char *) * (*n + 1));
	for (int i = 0; i < *n; i++)
		texts[i] = nulls[i] ? NULL : TextDatumGetCString(datums[i]);
	return texts;
}

/* A row of the answer: the first value, and what is known of the call. */
static void
put_row(ReturnSetInfo *info, const TridentExchangeReply *reply)
{
	Datum		values[10];
	bool		nulls[10] = {0};
	const char *value = NULL;

	if (reply->ok && reply->nrows > 0 && reply->ncolumns > 0)
		value = trident_exchange_value(reply, 0, 0, NULL);
	values[0] = Int32GetDatum(reply->call);
	values[1] = BoolGetDatum(reply->ok);
	values[2] = value ? CStringGetTextDatum(value) : (Datum) 0;
	nulls[2] = value == NULL;
	values[3] = Int32GetDatum(reply->nrows);
	values[4] = reply->ok ? (Datum) 0
		: CStringGetTextDatum(psprintf("%s %s: %s", unpack_sql_state(reply->sqlstate),
									   trident_exchange_origin_name(reply->origin),
									   reply->message));
	nulls[4] = reply->ok;
	values[5] = Int32GetDatum(reply->attempts);
	values[6] = CStringGetTextDatum(reply->path == TRIDENT_EXCHANGE_WORKER ? "worker" : "direct");
	values[7] = BoolGetDatum(reply->reused);
	values[8] = Float8GetDatum(reply->ms);
	values[9] = Int32GetDatum(reply->remote_pid);
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/*
 * trident_exchange_probe(nodes text[], sql text, args text[], class int,
 *		deadline_ms int, prepare bool, raise bool)
 *	RETURNS TABLE (call int, ok bool, value text, nrows int, error text,
 *		attempts int, path text, reused bool, ms float8, pid int)
 */
Datum
trident_exchange_probe(PG_FUNCTION_ARGS)
{
	TridentExchangeCall *calls;
	TridentExchangeBatch *batch;
	const TridentExchangeReply *reply;
	int			ncalls;
	int			nargs;
	const char **nodes = text_elements(PG_GETARG_ARRAYTYPE_P(0), &ncalls);
	const char **args = text_elements(PG_GETARG_ARRAYTYPE_P(2), &nargs);

	InitMaterializedSRF(fcinfo, 0);
	calls = palloc0(sizeof(TridentExchangeCall) * ncalls);
	for (int i = 0; i < ncalls; i++)
	{
		calls[i].node = GetForeignServerByName(nodes[i], false)->serverid;
		calls[i].call_class = PG_GETARG_INT32(3);
		calls[i].sql = i > 0 ? calls[0].sql : text_to_cstring(PG_GETARG_TEXT_PP(1));
		calls[i].prepare = PG_GETARG_BOOL(5);
		calls[i].nparams = nargs;
		calls[i].values = args;
		calls[i].purpose = psprintf("probe %d", i);
	}
	batch = trident_exchange_submit(calls, ncalls, PG_GETARG_INT32(4) == 0 ? 0
									: TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
																  PG_GETARG_INT32(4)));
	while ((reply = trident_exchange_next(batch)) != NULL)
	{
		if (!reply->ok && PG_GETARG_BOOL(6))
			trident_exchange_raise(ERROR, reply);
		put_row((ReturnSetInfo *) fcinfo->resultinfo, reply);
	}
	trident_exchange_end(batch);
	return (Datum) 0;
}

/*
 * trident_exchange_probe_session(node text, sql text[], copy_data text)
 *	RETURNS TABLE as above; statements one after another in one session.
 */
Datum
trident_exchange_probe_session(PG_FUNCTION_ARGS)
{
	int			n;
	const char **sql = text_elements(PG_GETARG_ARRAYTYPE_P(1), &n);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			node = GetForeignServerByName(name, false)->serverid;
	const char *data = text_to_cstring(PG_GETARG_TEXT_PP(2));
	TridentExchangeSession *session = trident_exchange_session_open(node, 0, 0);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n; i++)
	{
		TridentExchangeCall call = {.sql = sql[i]};
		const TridentExchangeReply *reply = trident_exchange_session_exec(session, &call, 0);

		if (reply->ok && pg_strncasecmp(sql[i], "COPY", 4) == 0)
		{
			trident_exchange_session_copy_put(session, data, strlen(data));
			reply = trident_exchange_session_copy_end(session, false);
		}
		put_row((ReturnSetInfo *) fcinfo->resultinfo, reply);
	}
	trident_exchange_session_close(session);
	return (Datum) 0;
}

#endif							/* TRIDENT_FAULTS */
