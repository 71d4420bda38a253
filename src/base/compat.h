/*
 * compat.h
 *	  The one place that knows which PostgreSQL major this is compiled for.
 *
 * Supported are the majors that the community supports: 15, 16, 17 and 18.
 * Whatever differs between them gets a name here, so that no other file
 * tests PG_VERSION_NUM.
 */
#ifndef TRIDENT_BASE_COMPAT_H
#define TRIDENT_BASE_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "trident needs PostgreSQL 15 or later"
#endif
#if PG_VERSION_NUM >= 190000
#error "trident supports PostgreSQL 15 to 18; this major is newer"
#endif

/* PG 16 made varatt.h a header of its own. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* PG 16 lets a caller ask to get an error back; before, it is raised. */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

/* PG 16 keeps what may be read beside the range table, not in it. */
#if PG_VERSION_NUM >= 160000
#define TridentCheckPermissions(statement) \
	((void) ExecCheckPermissions((statement)->rtable, (statement)->permInfos, true))
#else
#define TridentCheckPermissions(statement) \
	((void) ExecCheckRTPerms((statement)->rtable, true))
#endif

/* Those columns of a table of the statement are selected. */
#if PG_VERSION_NUM >= 160000
#define TridentRequireSelect(statement, rte, columns) \
	do { \
		RTEPermissionInfo *info_ = addRTEPermissionInfo(&(statement)->permInfos, rte); \
		info_->requiredPerms = ACL_SELECT; \
		info_->selectedCols = (columns); \
	} while (0)
#else
#define TridentRequireSelect(statement, rte, columns) \
	do { \
		(rte)->requiredPerms = ACL_SELECT; \
		(rte)->selectedCols = (columns); \
	} while (0)
#endif

/* PG 16 has one function for the rights on any kind of object. */
#if PG_VERSION_NUM >= 160000
#define TridentServerAclCheck(server, role, mode) \
	object_aclcheck(ForeignServerRelationId, server, role, mode)
#define TridentOwnsRelation(relation, role) \
	object_ownercheck(RelationRelationId, relation, role)
#else
#define TridentServerAclCheck(server, role, mode) \
	pg_foreign_server_aclcheck(server, role, mode)
#define TridentOwnsRelation(relation, role) \
	pg_class_ownercheck(relation, role)
#endif

/* Run a query to its end, once.  PG 18 drops the last argument. */
#if PG_VERSION_NUM >= 180000
#define TridentExecutorRun(query) ExecutorRun(query, ForwardScanDirection, 0)
#else
#define TridentExecutorRun(query) ExecutorRun(query, ForwardScanDirection, 0, true)
#endif

/* Does an Append or MergeAppend choose among its children when it runs? */
#if PG_VERSION_NUM >= 180000
#define TridentAppendPrunes(append) ((append)->part_prune_index >= 0)
#else
#define TridentAppendPrunes(append) ((append)->part_prune_info != NULL)
#endif

/* An Append that was made by hand, all zeros, chooses none. */
#if PG_VERSION_NUM >= 180000
#define TridentAppendPrunesNothing(append) ((append)->part_prune_index = -1)
#else
#define TridentAppendPrunesNothing(append) ((append)->part_prune_info = NULL)
#endif

/* The relations that a scan of a foreign server stands for; joins apart in PG 16. */
#if PG_VERSION_NUM >= 160000
#define TridentForeignScanRelids(scan) ((scan)->fs_base_relids)
#else
#define TridentForeignScanRelids(scan) ((scan)->fs_relids)
#endif

/* PG 16 renames relfilenode to locator. */
#if PG_VERSION_NUM >= 160000
#define TridentRelationLocator(rel) ((rel)->rd_locator)
#else
#define TridentRelationLocator(rel) ((rel)->rd_node)
#endif

/* PG 17 drops old_snapshot_threshold. */
#if PG_VERSION_NUM >= 170000
#define TridentTestForOldSnapshot(snapshot, rel, page) ((void) 0)
#else
#define TridentTestForOldSnapshot(snapshot, rel, page) \
	TestForOldSnapshot(snapshot, rel, page)
#endif

/* PG 17 makes maintenance run with a safe search_path. */
#if PG_VERSION_NUM >= 170000
#define TridentRestrictSearchPath() RestrictSearchPath()
#else
#define TridentRestrictSearchPath() ((void) 0)
#endif

/* PG 18 has the attribute as pg_noreturn, in front of a declaration. */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* PG 18 has generated columns that are computed when they are read. */
#if PG_VERSION_NUM >= 180000
#define TridentIsVirtual(att) ((att)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define TridentIsVirtual(att) ((void) (att), false)
#endif

/* PG 18 counts what an index scan does for EXPLAIN, if asked to. */
#if PG_VERSION_NUM >= 180000
#define TridentIndexBeginScan(heap, index, snapshot, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, norderbys)
#else
#define TridentIndexBeginScan(heap, index, snapshot, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, nkeys, norderbys)
#endif

/* And counts the searches by it, for us to count. */
#if PG_VERSION_NUM >= 180000
#define TridentCountIndexSearch(scan) \
	((void) ((scan)->instrument && (scan)->instrument->nsearches++))
#else
#define TridentCountIndexSearch(scan) ((void) 0)
#endif

/* PG 18 lets an extension add to what EXPLAIN tells of a node of the plan. */
#if PG_VERSION_NUM >= 180000
#define TRIDENT_HAS_EXPLAIN_HOOK
#endif

/*
 * PG 18 prefers the path with fewer disabled nodes, whatever its cost: one
 * that cannot be run counts more of them than a scan that enable_... forbids.
 */
#if PG_VERSION_NUM >= 180000
#define TridentDisablePath(path) ((void) ((path)->disabled_nodes += 2))
#else
#define TridentDisablePath(path) ((void) 0)
#endif

/* PG 17 tells by a type of backend what a process is. */
#if PG_VERSION_NUM >= 170000
#define TridentIsAutovacuum() AmAutoVacuumWorkerProcess()
#else
#define TridentIsAutovacuum() IsAutoVacuumWorkerProcess()
#endif

/* PG 17 looks into statistics for the length of an array. */
#if PG_VERSION_NUM >= 170000
#define TridentArrayLength(root, array) estimate_array_length(root, array)
#else
#define TridentArrayLength(root, array) estimate_array_length(array)
#endif

/* PG 18 tells ANALYZE from VACUUM. */
#if PG_VERSION_NUM >= 180000
#define TridentVacuumDelayPoint() vacuum_delay_point(false)
#else
#define TridentVacuumDelayPoint() vacuum_delay_point()
#endif

/* A message in the log that is part of the transaction; PG 17 may flush it too. */
#if PG_VERSION_NUM >= 170000
#define TridentLogMessage(prefix, message, size) \
	LogLogicalMessage(prefix, message, size, true, false)
#else
#define TridentLogMessage(prefix, message, size) \
	LogLogicalMessage(prefix, message, size, true)
#endif

/* PG 17 lets an extension name what it waits for. */
#if PG_VERSION_NUM >= 170000
#define TridentWaitEventNew(name) WaitEventExtensionNew(name)
#else
#define TridentWaitEventNew(name) ((void) (name), PG_WAIT_EXTENSION)
#endif

/* PG 16 has one check of ownership for all kinds of objects. */
#if PG_VERSION_NUM >= 160000
#define TridentDatabaseOwner(database, role) \
	object_ownercheck(DatabaseRelationId, database, role)
#define TridentExtensionOwner(extension, role) \
	object_ownercheck(ExtensionRelationId, extension, role)
#else
#define TridentDatabaseOwner(database, role) \
	pg_database_ownercheck(database, role)
#define TridentExtensionOwner(extension, role) \
	pg_extension_ownercheck(extension, role)
#endif

/* PG 17 lets a resource owner free a set of wait events; ours outlive it. */
#if PG_VERSION_NUM >= 170000
#define TridentCreateWaitEventSet(context, nevents) CreateWaitEventSet(NULL, nevents)
#else
#define TridentCreateWaitEventSet(context, nevents) CreateWaitEventSet(context, nevents)
#endif

#endif							/* TRIDENT_BASE_COMPAT_H */
