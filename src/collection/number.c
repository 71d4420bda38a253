/*
 * number.c
 *	  The shard that a row belongs to.
 *
 * The same computation as the server's hash partitioning with the default
 * operator classes and the columns' own collations, so that a check on a
 * shard, on a node that knows no partitioned table, refuses what the home of
 * the collection would not have sent there.
 *
 * Types whose hash is one of OIDs (enums, regclass and its kin, and what is
 * made of those) have another on each node, and are refused as keys.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "collection/shard.h"

PG_FUNCTION_INFO_V1(trident_collection_shard_number);

bool
trident_collection_is_alias(Oid type)
{
	/* of the server's own, all that have such a name */
	return type < FirstUnpinnedObjectId &&
		strncmp(format_type_be(type), "reg", 3) == 0;
}

/* Is the hash of a value the same on every node? */
static bool
hashes_alike(Oid type)
{
	TypeCacheEntry *entry;

	check_stack_depth();
	type = getBaseType(type);
	if (OidIsValid(get_element_type(type)))
		return hashes_alike(get_element_type(type));
	switch (get_typtype(type))
	{
		case TYPTYPE_BASE:
			return !trident_collection_is_alias(type);
		case TYPTYPE_RANGE:
			return hashes_alike(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return hashes_alike(get_multirange_range(type));
		case TYPTYPE_COMPOSITE:
			entry = lookup_type_cache(type, TYPECACHE_TUPDESC);
			for (int i = 0; i < entry->tupDesc->natts; i++)
			{
				Form_pg_attribute att = TupleDescAttr(entry->tupDesc, i);

				if (!att->attisdropped && !hashes_alike(att->atttypid))
					return false;
			}
			return true;
		default:
			return false;
	}
}

void
trident_collection_check_hash(Oid table, List *columns)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		Oid			type = get_atttype(table, get_attnum(table, lfirst(lc)));

		if (!hashes_alike(type))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot distribute rows by column \"%s\" of type %s",
							(char *) lfirst(lc), format_type_be(type)),
					 errdetail("Its hash depends on OIDs, which are others on each node."),
					 errhint("Name columns of other types as key, or make this one text.")));
	}
}

/* What an argument is hashed with. */
typedef struct Hash
{
	FmgrInfo	function;
	Oid			collation;
} Hash;

/* The collation of an argument: each column of a key has its own. */
static Oid
argument_collation(FunctionCallInfo fcinfo, int n)
{
	Node	   *call = fcinfo->flinfo->fn_expr;

	return call && IsA(call, FuncExpr) && n < list_length(((FuncExpr *) call)->args) ?
		exprCollation(list_nth(((FuncExpr *) call)->args, n)) : PG_GET_COLLATION();
}

/* How an argument is hashed, kept for the life of the call site. */
static Hash *
hash_of(FunctionCallInfo fcinfo, int n)
{
	Hash	   *hashes = fcinfo->flinfo->fn_extra;

	if (hashes == NULL)
	{
		hashes = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
										sizeof(Hash) * PG_NARGS());
		fcinfo->flinfo->fn_extra = hashes;
	}
	if (hashes[n].function.fn_oid == InvalidOid)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, n);
		TypeCacheEntry *entry = lookup_type_cache(type,
												  TYPECACHE_HASH_EXTENDED_PROC_FINFO);

		if (!OidIsValid(entry->hash_extended_proc))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("type %s has no default hash function",
							format_type_be(type)),
					 errhint("Partition by columns of types that can be hashed.")));
		hashes[n].collation = argument_collation(fcinfo, n);
		fmgr_info_copy(&hashes[n].function, &entry->hash_extended_proc_finfo,
					   fcinfo->flinfo->fn_mcxt);
	}
	return &hashes[n];
}

Datum
trident_collection_shard_number(PG_FUNCTION_ARGS)
{
	int32		modulus;
	uint64		hash = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	modulus = PG_GETARG_INT32(0);
	if (modulus <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of shards must be greater than zero"),
				 errhint("Pass the number of shards of the collection.")));
	if (get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the key cannot be passed as an array"),
				 errhint("Pass the columns of the key one by one.")));
	for (int i = 1; i < PG_NARGS(); i++)
	{
		Hash	   *how;
		Datum		part;

		if (PG_ARGISNULL(i))
			continue;
		how = hash_of(fcinfo, i);
		part = FunctionCall2Coll(&how->function, how->collation, PG_GETARG_DATUM(i),
								 UInt64GetDatum(HASH_PARTITION_SEED));
		hash = hash_combine64(hash, DatumGetUInt64(part));
	}
	PG_RETURN_INT32((int32) (hash % (uint64) modulus));
}
