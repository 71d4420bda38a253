/*
 * objects.c
 *	  The extension's own types and operators.
 *
 * Types are found in schema trident, which the extension makes and nobody else
 * creates objects in.  Operators are in the schema that the extension was
 * installed in, among others maybe, so they are found as its members, never by a
 * search_path: one of the same name over the same types may exist elsewhere.
 * That reads pg_extension and pg_depend, which have no system cache: a session
 * that connects for one search is spared it where no operator is needed.  The
 * answer is kept until anything changes in the catalogs that it came from, which
 * covers DROP and CREATE EXTENSION in a session that goes on.
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "search/search.h"

static TridentSearchObjects objects;

/* Each is looked up when it is asked for: a session may search once only. */
static Oid	operators[TRIDENT_VECTOR_KINDS][TRIDENT_VECTOR_METRICS];

/* How often the catalogs changed: now, and when objects was looked up. */
static uint64 changes = 1;
static uint64 changes_seen = 0;

static const char *const type_name[TRIDENT_VECTOR_KINDS] = {
	[TRIDENT_VECTOR_FLOAT4] = "vector",
	[TRIDENT_VECTOR_FLOAT2] = "halfvec"
};

static const char *const operator_name[TRIDENT_VECTOR_METRICS] = {
	[TRIDENT_VECTOR_L2] = "<->",
	[TRIDENT_VECTOR_IP] = "<#>",
	[TRIDENT_VECTOR_COSINE] = "<=>",
	[TRIDENT_VECTOR_L1] = "<+>"
};

static void
count_change(Datum arg, int cache, uint32 hash)
{
	changes++;
}

bool
trident_search_is_member(Oid catalog, Oid object, Oid extension)
{
	return getExtensionOfObject(catalog, object) == extension;
}

/* The type of that name in schema trident. */
static Oid
find_type(const char *name, Oid schema)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum(name),
									   ObjectIdGetDatum(schema));

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type trident.%s is not part of extension trident", name),
				 errhint("Create the extension anew with DROP EXTENSION trident and CREATE EXTENSION trident.")));
	return type;
}

/* The member of the extension among the operators name(type, type). */
static Oid
find_operator(const char *name, Oid type, Oid extension)
{
	CatCList   *list = SearchSysCacheList3(OPERNAMENSP,
										   CStringGetDatum(name),
										   ObjectIdGetDatum(type),
										   ObjectIdGetDatum(type));
	Oid			found = InvalidOid;

	for (int i = 0; i < list->n_members && !OidIsValid(found); i++)
	{
		HeapTuple	tuple = &list->members[i]->tuple;
		Oid			oid = ((Form_pg_operator) GETSTRUCT(tuple))->oid;

		if (trident_search_is_member(OperatorRelationId, oid, extension))
			found = oid;
	}
	ReleaseSysCacheList(list);
	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("operator %s of type %s is not part of extension trident",
						name, format_type_be(type)),
				 errhint("Create the extension anew with DROP EXTENSION trident and CREATE EXTENSION trident.")));
	return found;
}

const TridentSearchObjects *
trident_search_objects(void)
{
	static bool registered = false;
	TridentSearchObjects found;
	Oid			schema;
	uint64		before;

	if (changes_seen == changes)
		return &objects;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(TYPEOID, count_change, (Datum) 0);
		CacheRegisterSyscacheCallback(OPEROID, count_change, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, count_change, (Datum) 0);
		registered = true;
	}

	/* Noted before looking, so that a change meanwhile is not overlooked. */
	before = changes;
	schema = get_namespace_oid("trident", false);
	for (int kind = 0; kind < TRIDENT_VECTOR_KINDS; kind++)
		found.type[kind] = find_type(type_name[kind], schema);
	objects = found;
	memset(operators, 0, sizeof(operators));
	changes_seen = before;
	return &objects;
}

Oid
trident_search_operator(TridentVectorKind kind, TridentVectorMetric metric)
{
	const TridentSearchObjects *known = trident_search_objects();
	uint64		before = changes;
	Oid			found = operators[kind][metric];

	if (OidIsValid(found))
		return found;
	found = find_operator(operator_name[metric], known->type[kind],
						  get_extension_oid("trident", false));
	if (before == changes)
		operators[kind][metric] = found;
	return found;
}
