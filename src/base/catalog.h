/*
 * catalog.h
 *	  What this database says of the extension.
 */
#ifndef TRIDENT_BASE_CATALOG_H
#define TRIDENT_BASE_CATALOG_H

/*
 * The version of the SQL objects that this library serves: default_version
 * of trident.control.  Workers start only where they agree.
 */
#define TRIDENT_BASE_VERSION "0.1.0"

/*
 * OID of the extension in this database; InvalidOid where it is not.  Cheap
 * enough for every call: a look into the system cache as long as the schema
 * trident is the same.  In a transaction.  Shared state is keyed by it beside
 * the database, so that a re-created extension inherits nothing.
 */
extern Oid	trident_base_extension_oid(void);

/* Its version, palloc'd; NULL where there is no such extension. */
extern char *trident_base_extension_version(Oid extension);

/* Has this transaction created or updated it, so that no other sees it yet? */
extern bool trident_base_extension_is_mine(Oid extension);

#endif							/* TRIDENT_BASE_CATALOG_H */
