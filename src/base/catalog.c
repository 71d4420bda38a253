/*
 * catalog.c
 *	  What this database says of the extension.
 *
 * pg_extension has no system cache, so its OID is remembered together with
 * the OID of the schema trident.  That schema is a member of the extension:
 * as long as it is the same, so is the extension.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/compat.h"

Oid
trident_base_extension_oid(void)
{
	static Oid	known_schema = InvalidOid;
	static Oid	known_extension = InvalidOid;
	Oid			schema = get_namespace_oid("trident", true);

	if (!OidIsValid(schema))
		return InvalidOid;
	if (schema != known_schema)
	{
		known_extension = get_extension_oid("trident", true);
		/* A schema of that name may be somebody else's: ask again then. */
		known_schema = OidIsValid(known_extension) ? schema : InvalidOid;
	}
	return known_extension;
}

/* A copy of its row; NULL: there is none. */
static HeapTuple
extension_row(Oid extension, TupleDesc *columns)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		row = heap_copytuple(row);
	*columns = CreateTupleDescCopy(RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return row;
}

char *
trident_base_extension_version(Oid extension)
{
	TupleDesc	columns;
	HeapTuple	row = extension_row(extension, &columns);
	Datum		datum;
	bool		isnull;

	if (row == NULL)
		return NULL;
	datum = heap_getattr(row, Anum_pg_extension_extversion, columns, &isnull);
	return isnull ? NULL : TextDatumGetCString(datum);
}

bool
trident_base_extension_is_mine(Oid extension)
{
	TupleDesc	columns;
	HeapTuple	row = extension_row(extension, &columns);

	return row != NULL &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(row->t_data));
}
