/*
 * key.c
 *	  The key column: labels of rows, and labels that a scan looks for.
 *
 * A label is the opclass's hash of the value (support function 2), so equal
 * values have equal labels, across the integer types too.  The executor
 * rechecks the condition itself.
 */
#include "postgres.h"

#include "access/genam.h"
#include "lib/qunique.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/index.h"
#include "index/key.h"

#define NULL_LABEL 0

/* A hash as label: 0 is taken. */
static uint32
hash_label(uint32 hash)
{
	return hash == NULL_LABEL ? 1 : hash;
}

uint32
trident_index_key_label(Relation index, Datum key, bool isnull)
{
	FmgrInfo   *hash;

	if (isnull)
		return NULL_LABEL;
	hash = index_getprocinfo(index, 2, TRIDENT_INDEX_HASH_PROC);
	return hash_label(DatumGetUInt32(FunctionCall1Coll(hash,
													   index->rd_indcollation[1],
													   key)));
}

/* The hash function of a condition's values, which may be of another type. */
static FmgrInfo *
condition_hash(Relation index, Oid type)
{
	FmgrInfo   *hash;
	Oid			proc;

	if (!OidIsValid(type) || type == index->rd_opcintype[1])
		return index_getprocinfo(index, 2, TRIDENT_INDEX_HASH_PROC);
	proc = get_opfamily_proc(index->rd_opfamily[1], type, type,
							 TRIDENT_INDEX_HASH_PROC);
	if (!OidIsValid(proc))
		elog(ERROR, "no hash function for type %u in operator family %u",
			 type, index->rd_opfamily[1]);
	hash = palloc(sizeof(FmgrInfo));
	fmgr_info(proc, hash);
	return hash;
}

/* The label of a condition's value. */
static uint32
condition_label(Relation index, FmgrInfo *hash, Datum value)
{
	return hash_label(DatumGetUInt32(FunctionCall1Coll(hash,
													   index->rd_indcollation[1],
													   value)));
}

static int
compare_labels(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return x < y ? -1 : x > y;
}

/* The labels of an array's elements, in order, each once; nulls never match. */
static void
array_labels(Relation index, Oid type, Datum value, int *nlabels,
			 uint32 **labels)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	FmgrInfo   *hash = condition_hash(index, type);
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			i;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign,
					  &elements, &nulls, &n);
	*labels = palloc(sizeof(uint32) * Max(n, 1));
	*nlabels = 0;
	for (i = 0; i < n; i++)
	{
		if (!nulls[i])
			(*labels)[(*nlabels)++] = condition_label(index, hash, elements[i]);
	}
	qsort(*labels, *nlabels, sizeof(uint32), compare_labels);
	*nlabels = (int) qunique(*labels, *nlabels, sizeof(uint32), compare_labels);
}

bool
trident_index_key_labels(Relation index, ScanKey keys, int nkeys,
						 int *nlabels, uint32 **labels)
{
	int			i;

	*nlabels = -1;
	*labels = NULL;
	for (i = 0; i < nkeys; i++)
	{
		if (keys[i].sk_flags & SK_ISNULL)
			return false;
		/* the first condition narrows; the recheck sees to the others */
		if (*nlabels >= 0)
			continue;
		if (keys[i].sk_flags & SK_SEARCHARRAY)
			array_labels(index, keys[i].sk_subtype, keys[i].sk_argument,
						 nlabels, labels);
		else
		{
			*labels = palloc(sizeof(uint32));
			(*labels)[0] = condition_label(index,
										   condition_hash(index, keys[i].sk_subtype),
										   keys[i].sk_argument);
			*nlabels = 1;
		}
		if (*nlabels == 0)
			return false;
	}
	return true;
}
