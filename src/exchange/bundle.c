/*
 * bundle.c
 *	  Calls of several callers as one statement.
 *
 * Where calls wait for a connection, those that differ in one parameter alone
 * may be sent together, if their caller named the statement that answers
 * several: an array takes the place of that parameter, and the answer has a
 * row for each.  What a node does for every statement, and for a search even
 * the reading of its rows, is done once then.
 *
 * Calls of a bundle have one route: one server, role and class.  Each has its
 * own deadline and is given up by itself; the statement goes on for the others
 * until there are none.  When it fails, each is sent again by itself, so that
 * no call ever gets another's error.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/guc.h"
#include "exchange/bundle.h"

/* Of those that wait, so many are looked at for one bundle. */
#define LOOK_AT (2 * TRIDENT_BASE_EXCHANGE_MAX_BUNDLE)

/* The words before the elements of an array in binary form: dimensions, nulls,
 * type, and the size and first index of the dimension. */
#define ARRAY_WORDS 5

/* Are both values of the parameter the same? */
static bool
same_value(const TridentExchangeCall *a, const TridentExchangeCall *b, int i)
{
	bool		is_binary = a->formats && a->formats[i] == 1;

	if (is_binary != (b->formats && b->formats[i] == 1))
		return false;
	if (a->values[i] == NULL || b->values[i] == NULL)
		return a->values[i] == b->values[i];
	if (is_binary)
		return a->lengths[i] == b->lengths[i] &&
			memcmp(a->values[i], b->values[i], a->lengths[i]) == 0;
	return strcmp(a->values[i], b->values[i]) == 0;
}

/* Do the calls differ in the parameter of "many" alone? */
static bool
is_alike(const TridentExchangeCall *a, const TridentExchangeCall *b)
{
	if (b->many == NULL || a->many_param != b->many_param || a->nparams != b->nparams ||
		a->types || b->types || a->binary != b->binary || strcmp(a->many, b->many) != 0)
		return false;
	for (int i = 0; i < a->nparams; i++)
	{
		if (i != a->many_param && !same_value(a, b, i))
			return false;
	}
	return true;
}

bool
trident_exchange_bundle_may_share(const TridentExchangeTask *task)
{
	const TridentExchangeCall *call = task->call;

	return call->many && !task->is_alone && call->call_class != TRIDENT_EXCHANGE_WRITE &&
		call->formats && call->formats[call->many_param] == 1 &&
		call->values[call->many_param];
}

int
trident_exchange_bundle_choose(TridentExchangeRoute *route, int most,
							   TridentExchangeTask **tasks)
{
	TridentExchangeTask *first = dlist_head_element(TridentExchangeTask, node,
													&route->waiting);
	dlist_iter	iter;
	int			n = 0;
	int			seen = 0;

	tasks[n++] = first;
	if (most < 2 || !trident_exchange_bundle_may_share(first))
		return n;
	dlist_foreach(iter, &route->waiting)
	{
		TridentExchangeTask *task = dlist_container(TridentExchangeTask, node, iter.cur);

		if (n == most || seen++ == LOOK_AT)
			break;
		if (task != first && trident_exchange_bundle_may_share(task) &&
			is_alike(first->call, task->call))
			tasks[n++] = task;
	}
	return n;
}

static char *
put_word(char *at, uint32 value)
{
	value = pg_hton32(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

/* The values of the parameter as an array of bytea, in binary form. */
static Size
array_size(TridentExchangeTask *const *tasks, int n, int param)
{
	Size		size = sizeof(uint32) * (ARRAY_WORDS + n);

	for (int i = 0; i < n; i++)
		size += tasks[i]->call->lengths[param];
	return size;
}

static void
put_array(char *at, TridentExchangeTask *const *tasks, int n, int param)
{
	const uint32 head[ARRAY_WORDS] = {1, 0, BYTEAOID, n, 1};

	for (int i = 0; i < ARRAY_WORDS; i++)
		at = put_word(at, head[i]);
	for (int i = 0; i < n; i++)
	{
		const TridentExchangeCall *call = tasks[i]->call;

		at = put_word(at, call->lengths[param]);
		memcpy(at, call->values[param], call->lengths[param]);
		at += call->lengths[param];
	}
}

void *
trident_exchange_bundle_make(TridentExchangeTask *const *tasks, int n,
							 TridentExchangeCall *call)
{
	const TridentExchangeCall *first = tasks[0]->call;
	int			nparams = first->nparams;
	int			param = first->many_param;
	Size		size = array_size(tasks, n, param);
	Size		values_size = sizeof(char *) * nparams;
	Size		ints_size = MAXALIGN(sizeof(int) * nparams);
	char	   *memory;
	const char **values;
	int		   *lengths;
	char	   *array;

	if (size > MaxAllocSize / 2)
		return NULL;
	memory = MemoryContextAllocExtended(TopMemoryContext,
										values_size + ints_size + size,
										MCXT_ALLOC_NO_OOM);
	if (memory == NULL)
		return NULL;
	values = (const char **) memory;
	lengths = (int *) (memory + values_size);
	array = memory + values_size + ints_size;
	memcpy(values, first->values, values_size);
	memcpy(lengths, first->lengths, sizeof(int) * nparams);
	put_array(array, tasks, n, param);
	values[param] = array;
	lengths[param] = size;
	*call = *first;
	call->sql = first->many;
	call->many = NULL;
	call->values = values;
	call->lengths = lengths;
	return memory;
}
