/*
 * gather.c
 *	  Nodes asked for their part of a search, and their answers.
 *
 * A node is asked once for all of its shards: one statement, prepared on the
 * connection, whose text is the same for every search of every collection, and
 * one value for an answer.  A node's shards are searched one after another by
 * one server process; nodes work side by side.  Searches of several callers
 * that differ in the query alone may be sent as one (exchange/bundle.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/guc.h"
#include "exchange/exchange.h"
#include "search/scatter.h"

#define STATEMENT \
	"SELECT trident.search_shards($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
#define MANY \
	"SELECT trident.search_shards_many($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
#define NPARAMS 17

/* Answers of so many rows are not asked for together: they take memory. */
#define MANY_LIMIT 1000

/* The parameter that is binary. */
#define PARAM_VECTOR 2

/* The text of an array of texts; an element may be NULL. */
static char *
text_array(char *const *texts, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * (n + 1));
	bool	   *nulls = palloc(sizeof(bool) * (n + 1));
	int			dims[] = {n};
	int			bounds[] = {1};
	ArrayType  *array;

	for (int i = 0; i < n; i++)
	{
		nulls[i] = texts[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	array = n == 0 ? construct_empty_array(TEXTOID) :
		construct_md_array(values, nulls, 1, dims, bounds, TEXTOID, -1, false,
						   TYPALIGN_INT);
	return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(array));
}

/* The filter's values, as text that the node reads alike. */
static void
write_filter(TridentSearchQuestion *question, const TridentSearchFilter *filter)
{
	char	  **types = palloc(sizeof(char *) * (filter->nparams + 1));
	char	  **values = palloc(sizeof(char *) * (filter->nparams + 1));
	int			level = trident_search_wire_begin();

	question->filter = trident_search_filter_wire(question->target, filter);
	for (int i = 0; i < filter->nparams; i++)
	{
		types[i] = format_type_extended(filter->types[i], -1,
										FORMAT_TYPE_FORCE_QUALIFY);
		values[i] = filter->nulls[i] ? NULL :
			trident_search_wire_text(filter->values[i], filter->types[i]);
	}
	trident_search_wire_end(level);
	question->filter_types = text_array(types, filter->nparams);
	question->filter_values = text_array(values, filter->nparams);
}

TridentSearchQuestion *
trident_search_question(const TridentSearchTarget *target,
						const TridentSearchRequest *request,
						const TridentSearchFilter *filter)
{
	TridentSearchQuestion *question = palloc0(sizeof(TridentSearchQuestion));
	char	  **names = palloc(sizeof(char *) * target->ncolumns);
	char	  **types = palloc(sizeof(char *) * target->ncolumns);
	Oid			function;
	bool		is_varlena;
	bytea	   *vector;

	question->target = target;
	getTypeBinaryOutputInfo(trident_search_objects()->type[TRIDENT_VECTOR_FLOAT4],
							&function, &is_varlena);
	vector = OidSendFunctionCall(function, target->vector);
	question->vector = VARDATA(vector);
	question->vector_length = VARSIZE(vector) - VARHDRSZ;

	for (int i = 0; i < target->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(target->row_desc, i);
		const char *type = trident_search_wire_type(att->atttypid);

		names[i] = NameStr(att->attname);
		types[i] = unconstify(char *, type ? type : "");
	}
	question->key = text_array(names, target->nkeys);
	question->columns = text_array(names + target->nkeys,
								   target->ncolumns - target->nkeys);
	question->types = text_array(types, target->ncolumns);
	if (filter)
		write_filter(question, filter);
	question->target_recall = psprintf("%.17g", trident_base_index_target_recall);
	question->probes = psprintf("%d", trident_base_index_probes);
	question->order = GetConfigOption("trident.index_order", false, false);
	return question;
}

/* What the node is asked for, for people. */
static char *
purpose(const TridentSearchQuestion *question, const TridentSearchNode *node)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, node->nshards == 1 ? "search of shard " : "search of shards ");
	for (int i = 0; i < node->nshards; i++)
		appendStringInfo(&out, "%s\"%s\"", i > 0 ? ", " : "",
						 get_rel_name(node->shards[i]));
	appendStringInfo(&out, " of collection \"%s\"",
					 RelationGetRelationName(question->target->rel));
	return out.data;
}

/* The call that asks a node. */
static void
make_call(const TridentSearchQuestion *question, const TridentSearchLeg *leg,
		  TridentExchangeCall *call)
{
	const char *values[NPARAMS] = {
		CppAsString2(TRIDENT_SEARCH_WIRE_VERSION),
		leg->node->remote_names,
		question->vector,
		psprintf("%d", leg->limit),
		trident_search_metric_name(question->target->metric),
		question->target->vector_name,
		question->key,
		question->columns,
		question->types,
		question->filter,
		question->filter_types,
		question->filter_values,
		isinf(leg->bound) ? NULL : psprintf("%.17g", leg->bound),
		question->target_recall,
		question->probes,
		question->order,
		trident_base_search_filter_extensions
	};
	int		   *lengths = palloc0(sizeof(int) * NPARAMS);
	int		   *formats = palloc0(sizeof(int) * NPARAMS);
	const char **copy = palloc(sizeof(values));

	memcpy(copy, values, sizeof(values));
	lengths[PARAM_VECTOR] = question->vector_length;
	formats[PARAM_VECTOR] = 1;

	memset(call, 0, sizeof(*call));
	call->node = leg->node->server;
	call->call_class = TRIDENT_EXCHANGE_READ;
	call->sql = STATEMENT;
	if (leg->limit <= MANY_LIMIT && isinf(leg->bound))
	{
		call->many = MANY;
		call->many_param = PARAM_VECTOR;
	}
	call->prepare = true;
	call->binary = true;
	call->nparams = NPARAMS;
	call->values = copy;
	call->lengths = lengths;
	call->formats = formats;
	call->purpose = purpose(question, leg->node);
}

TridentExchangeBatch *
trident_search_ask(const TridentSearchQuestion *question, TridentSearchLeg *legs,
				   int n, TimestampTz deadline)
{
	TridentExchangeCall *calls = palloc(sizeof(TridentExchangeCall) * n);
	int			ncalls = 0;

	for (int i = 0; i < n; i++)
	{
		if (legs[i].is_asked)
			make_call(question, &legs[i], &calls[ncalls++]);
	}
	return trident_exchange_submit(calls, ncalls, deadline);
}

/*
 * Does the reply tell that the node is away, and not that the search is wrong,
 * nor that this role may not go there?
 */
static bool
is_missing(const TridentExchangeReply *reply)
{
	if (reply->origin != TRIDENT_EXCHANGE_FROM_REMOTE &&
		(reply->origin != TRIDENT_EXCHANGE_FROM_HANDSHAKE ||
		 reply->sqlstate == TRIDENT_ERRCODE_EXCHANGE_HANDSHAKE))
		return true;
	switch (ERRCODE_TO_CATEGORY(reply->sqlstate))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
		case ERRCODE_TRANSACTION_ROLLBACK:
			return true;
		default:
			return false;
	}
}

/*
 * The SQLSTATE of a failure: the node's own, but for what the node was told
 * to do: it cancels the statement itself when the deadline passes.
 */
static int
failure_code(const TridentExchangeReply *reply)
{
	return reply->sqlstate == ERRCODE_QUERY_CANCELED ?
		TRIDENT_ERRCODE_EXCHANGE_TIMEOUT : reply->sqlstate;
}

void
trident_search_raise(const TridentSearchLeg *leg)
{
	const TridentExchangeReply *reply = leg->reply;
	StringInfoData shards;

	initStringInfo(&shards);
	for (int i = 0; i < leg->node->nshards; i++)
		appendStringInfo(&shards, "%s\"%s\"", i > 0 ? ", " : "",
						 get_rel_name(leg->node->shards[i]));
	ereport(ERROR,
			(errcode(failure_code(reply)),
			 errmsg("could not search shard %s on node \"%s\": %s",
					shards.data, leg->node->name, reply->message),
			 errdetail("SQLSTATE %s after %.0f ms and %d attempts.%s%s",
					   unpack_sql_state(reply->sqlstate), leg->ms, leg->attempts,
					   reply->detail ? " " : "", reply->detail ? reply->detail : ""),
			 reply->hint ? errhint("%s", reply->hint) :
			 is_missing(reply) ?
			 errhint("See that the node runs and can be reached; partial => 'allow' returns what the other nodes have.") :
			 errhint("Correct the search, or the tables of the node; its log has the whole error.")));
}

/* Tells whose answer it is that cannot be read. */
static void
answer_error_context(void *arg)
{
	errcontext("answer of node \"%s\"", (const char *) arg);
}

static void
take_answer(const TridentSearchQuestion *question, TridentSearchLeg *leg,
			const TridentExchangeReply *reply)
{
	ErrorContextCallback callback;
	const char *data = NULL;
	int			length = 0;

	callback.callback = answer_error_context;
	callback.arg = unconstify(char *, leg->node->name);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	if (reply->nrows == 1 && reply->ncolumns == 1)
		data = trident_exchange_value(reply, 0, 0, &length);
	trident_search_wire_open(&leg->answer, question->target, leg->node->nshards,
							 data ? data : "", data ? length : 0);
	leg->is_answered = true;
	leg->error = NULL;

	error_context_stack = callback.previous;
}

TridentSearchLeg *
trident_search_await(TridentExchangeBatch *batch,
					 const TridentSearchQuestion *question,
					 TridentSearchLeg *legs, bool allows_partial)
{
	const TridentExchangeReply *reply;

	while ((reply = trident_exchange_next(batch)) != NULL)
	{
		TridentSearchLeg *leg = legs;

		/* A node is in one leg only. */
		while (leg->node->server != reply->node)
			leg++;
		leg->is_asked = false;
		leg->is_answered = false;
		leg->attempts += reply->attempts;
		leg->ms += reply->ms;
		leg->path = reply->path == TRIDENT_EXCHANGE_WORKER ? "worker" : "direct";
		leg->reply = reply;
		if (reply->ok)
			take_answer(question, leg, reply);
		else
		{
			leg->error = psprintf("%s: %s", unpack_sql_state(failure_code(reply)),
								  reply->message);
			if (!allows_partial || !is_missing(reply))
				return leg;
		}
	}
	return NULL;
}
