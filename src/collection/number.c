/*
 * number.c
 *	  The shard that a row belongs to.
 *
 * The same computation as the server's hash partitioning with the default
 * operator classes, so that a check on a shard, on a node that knows no
 * partitioned table, refuses what the home of the collection would not have
 * sent there.
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "collection/shard.h"

PG_FUNCTION_INFO_V1(trident_collection_shard_number);

/* The hash function of a type, kept for the life of the call site. */
static FmgrInfo *
hash_function(FunctionCallInfo fcinfo, int n)
{
	FmgrInfo   *functions = fcinfo->flinfo->fn_extra;

	if (functions == NULL)
	{
		functions = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
										   sizeof(FmgrInfo) * PG_NARGS());
		fcinfo->flinfo->fn_extra = functions;
	}
	if (functions[n].fn_oid == InvalidOid)
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
		fmgr_info_copy(&functions[n], &entry->hash_extended_proc_finfo,
					   fcinfo->flinfo->fn_mcxt);
	}
	return &functions[n];
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
		Datum		part;

		if (PG_ARGISNULL(i))
			continue;
		part = FunctionCall2Coll(hash_function(fcinfo, i), PG_GET_COLLATION(),
								 PG_GETARG_DATUM(i),
								 UInt64GetDatum(HASH_PARTITION_SEED));
		hash = hash_combine64(hash, DatumGetUInt64(part));
	}
	PG_RETURN_INT32((int32) (hash % (uint64) modulus));
}
