/*
 * registry.c
 *	  Key, vector column and number of shards of a distributed collection.
 *
 * A parent of foreign partitions can have no primary key; the key was noted
 * when the collection was distributed.  What is noted changes only with
 * commands that also change the table, so it is kept until the server says
 * that the table changed.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "partitioning/partdesc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "collection/collection.h"
#include "search/search.h"

/* As many collections are kept. */
#define MAX_KEPT 64

typedef struct Kept
{
	Oid			collection;		/* InvalidOid: the entry is free */
	List	   *key;			/* of char *; NIL: not distributed */
	char	   *vector_column;
	int			shards;			/* that it should have; 0: not distributed */
} Kept;

static Kept kept[MAX_KEPT];
static int	next = 0;			/* the entry to be used next */
static MemoryContext context = NULL;

static void
forget(Kept *entry)
{
	entry->collection = InvalidOid;
	list_free_deep(entry->key);
	if (entry->vector_column)
		pfree(entry->vector_column);
	entry->key = NIL;
	entry->vector_column = NULL;
}

/* InvalidOid: anything may have changed. */
static void
table_changed(Datum arg, Oid table)
{
	for (int i = 0; i < MAX_KEPT; i++)
	{
		if (OidIsValid(kept[i].collection) &&
			(!OidIsValid(table) || table == kept[i].collection))
			forget(&kept[i]);
	}
}

static Kept *
find(Oid collection)
{
	for (int i = 0; i < MAX_KEPT; i++)
	{
		if (kept[i].collection == collection)
			return &kept[i];
	}
	return NULL;
}

static List *
copy_names(List *names)
{
	List	   *copy = NIL;
	ListCell   *lc;

	foreach(lc, names)
		copy = lappend(copy, pstrdup(lfirst(lc)));
	return copy;
}

/* The entry of a table, made if need be. */
static const Kept *
entry_of(Oid collection)
{
	Kept	   *entry = find(collection);
	char	   *vector;
	int			shards;
	List	   *names;
	MemoryContext old;

	if (entry)
		return entry;
	if (context == NULL)
	{
		CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
		context = AllocSetContextCreate(CacheMemoryContext,
										"trident search registry",
										ALLOCSET_SMALL_SIZES);
	}
	names = trident_collection_key(collection, &vector, &shards);
	entry = &kept[next];
	next = (next + 1) % MAX_KEPT;
	forget(entry);
	old = MemoryContextSwitchTo(context);
	entry->key = copy_names(names);
	entry->vector_column = vector ? pstrdup(vector) : NULL;
	MemoryContextSwitchTo(old);
	entry->shards = shards;
	entry->collection = collection;
	return entry;
}

bool
trident_search_registered(Oid collection, List **key, char **vector_column)
{
	const Kept *entry = entry_of(collection);

	*key = copy_names(entry->key);
	*vector_column = entry->vector_column ? pstrdup(entry->vector_column) : NULL;
	return *key != NIL;
}

void
trident_search_check_shards(Relation rel)
{
	int			shards = entry_of(RelationGetRelid(rel))->shards;
	int			nparts = RelationGetPartitionDesc(rel, true)->nparts;

	if (nparts < shards)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("collection \"%s\" has only %d of its %d shards",
						RelationGetRelationName(rel), nparts, shards),
				 errdetail("The others were dropped or detached here, and their rows would be missing."),
				 errhint("See with trident_collection_status() which, and attach them again with ALTER TABLE ... ATTACH PARTITION.")));
}
