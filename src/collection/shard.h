/*
 * shard.h
 *	  What the files of collections hand to one another.
 *
 *		registry.c		a collection and its shards, from the catalogs
 *		number.c		the shard that a row belongs to
 *		remote.c		the transactions on nodes that go with this one
 *		commit.c		how those end, with this one
 *		define.c		the definition of a shard, as SQL
 *		stream.c		rows of a query into shards, all at once
 *		replace.c		a plain table gives way to a partitioned one
 *		distribute.c	a table becomes a collection
 *		load.c			rows of a query into a collection
 *		move.c			shards change their node
 *		inventory.c		what a table consists of, compared and mended
 *		status.c		every shard as it is found
 *		sync.c			the shards follow the table
 *		attach.c		the same collection on another node
 *		cleanup.c		what failures left behind
 *
 * Everything is done in one order: what a node needs is made there first and
 * prepared, or where a node does not allow that committed, last before the
 * local commit; the local commit is the decision; what is no longer needed is
 * dropped after it.  So whoever dies, and when, a collection is whole: either
 * the old one or the new one.  What may stay behind are tables that nobody
 * reads, or prepared transactions whose end is decided;
 * trident_collection_cleanup() finds both.
 */
#ifndef TRIDENT_COLLECTION_SHARD_H
#define TRIDENT_COLLECTION_SHARD_H

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

#include "collection/collection.h"
#include "exchange/exchange.h"

/* Connections to one node in one transaction: the shards share them. */
#define TRIDENT_COLLECTION_LANES 4

/* A shard: a leaf of the collection. */
typedef struct TridentCollectionShard
{
	int			number;			/* the remainder */
	char	   *node;
	Oid			server;			/* InvalidOid: local */
	Oid			leaf;			/* the partition here; InvalidOid: none yet */
	char	   *table;			/* its name in TRIDENT_COLLECTION_SCHEMA, there */
} TridentCollectionShard;

typedef struct TridentCollection
{
	Oid			oid;
	char	   *name;			/* qualified and quoted */
	char	   *id;				/* the uuid, as text */
	char	   *home;			/* the node that may change it */
	char	   *node;			/* the node whose registry has it */
	List	   *key;			/* of char * */
	char	   *vector_column;	/* or NULL */
	char	   *hash_columns;	/* the partition key: quoted, with commas */
	int			modulus;
	List	   *shards;			/* of TridentCollectionShard *, by number */
} TridentCollection;

/*
 * Parts of queries.  The number of the shard whose leaf is c, of pg_class; and of
 * column a, of pg_attribute: its collation if that is not its type's, and its
 * type, with that and with what is computed for it.  t is its pg_type, c and cn
 * its collation and the schema of that, d its pg_attrdef.
 */
#define TRIDENT_COLLECTION_NUMBER_SQL \
	"substring(pg_get_expr(c.relpartbound, c.oid) FROM 'remainder ([0-9]+)[)]$')::int"
#define TRIDENT_COLLECTION_COLLATE_SQL \
	" CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %I.%I', cn.nspname, c.collname) END"
#define TRIDENT_COLLECTION_TYPE_SQL \
	"format_type(a.atttypid, a.atttypmod)," TRIDENT_COLLECTION_COLLATE_SQL "," \
	" CASE WHEN a.attgenerated <> ''" \
	"  THEN format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid)," \
	"   CASE a.attgenerated WHEN 'v' THEN 'VIRTUAL' ELSE 'STORED' END) END"
#define TRIDENT_COLLECTION_TYPE_FROM_SQL \
	" FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid" \
	"  LEFT JOIN pg_collation c ON c.oid = a.attcollation" \
	"  LEFT JOIN pg_namespace cn ON cn.oid = c.collnamespace" \
	"  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"

/* registry.c */

/*
 * Open and lock the table, of which the caller must be the owner.  The lock
 * stays until the end of the transaction.
 */
extern Relation trident_collection_open(Oid table, LOCKMODE lockmode);

/*
 * The collection that is registered for a table; with missing_ok NULL where
 * there is none, else an error.
 */
extern TridentCollection *trident_collection_find(Oid table, bool missing_ok);

/* An error unless this node may change the definition of the collection. */
extern void trident_collection_require_home(const TridentCollection *collection);

/* Write the registry's row; remove it. */
extern void trident_collection_register(const TridentCollection *collection);
extern void trident_collection_unregister(Oid table);

/* The names in a name[]; an error that begins with "what" if one is twice. */
extern List *trident_collection_names(Datum array, const char *what);

/* The names (of char *), quoted, with commas between; palloc'd. */
extern char *trident_collection_join_names(List *names);

/* Is the name among those? */
extern bool trident_collection_has_name(List *names, const char *name);

/* The name of a table here, qualified and quoted. */
extern char *trident_collection_table_name(Oid table);

/* A new shard of the collection, without a leaf. */
extern TridentCollectionShard *trident_collection_shard_new(const TridentCollection *collection,
															int number, const char *node);

/* Record that a shard is to be dropped once this transaction has committed. */
extern void trident_collection_leave(const TridentCollection *collection,
									 const TridentCollectionShard *shard);

/* number.c */

/* Is it regclass or one of its kin, whose values are OIDs of this database? */
extern bool trident_collection_is_alias(Oid type);

/*
 * An error (0A000) if the hash of one of those columns (of char *) of a table
 * is not the same on every node, and so no row's shard is.
 */
extern void trident_collection_check_hash(Oid table, List *columns);

/* remote.c */

/*
 * An error (25001) where the transaction keeps one snapshot: what is read
 * with that is not what a lock protects now, and would be lost by a copy.
 */
extern void trident_collection_refuse_old_snapshot(void);

/* A connection to a node with a transaction that goes with ours. */
typedef struct TridentCollectionLink TridentCollectionLink;

/* Run a statement there; its error is raised.  The reply lives until the next. */
extern const TridentExchangeReply *trident_collection_run(TridentCollectionLink *link,
														  const char *sql);

/* The same in two steps, for several nodes at once. */
extern void trident_collection_send(TridentCollectionLink *link, const char *sql);
extern const TridentExchangeReply *trident_collection_receive(TridentCollectionLink *link);

/*
 * The connection on which all about one of those shards goes, for what is not
 * committed is seen by no other; NULL for a local one.  Shards of one node
 * share a few.  Opened with the user mapping of the current role if need be.
 * An error inside a subtransaction, which could be rolled back here but not
 * there.
 */
extern TridentCollectionLink *trident_collection_shard_link(List *shards,
															const TridentCollectionShard *shard);

/*
 * Run for each shard the statements of the list at its place in "statements"
 * (of List * of char *): all nodes at once, local ones meanwhile.
 */
extern void trident_collection_run_all(List *shards, List *statements);

/* Make the schema of shards where it is missing, here and on the nodes. */
extern void trident_collection_make_schema(List *shards);

/*
 * What was left for after our commit (trident_collection_after_commit) on the
 * shard's node, by whichever role, is not to be done any more.
 */
extern void trident_collection_forget_after(const TridentCollectionShard *shard,
											const char *sql);

/* A temporary table was used there: the transaction cannot be prepared. */
extern void trident_collection_uses_temporary(TridentCollectionLink *link);

/* The session, for COPY. */
extern TridentExchangeSession *trident_collection_session(TridentCollectionLink *link);

/*
 * A connection whose transaction does not end with ours but after it, with
 * what is left to do there in it: so locks taken there hold until that is done.
 * Errors as for trident_collection_shard_link.
 */
extern TridentCollectionLink *trident_collection_hold_link(const char *node);

/*
 * DDL on collections is our own from now on, and no business of the event
 * triggers; until set to false or the end of the transaction.
 */
extern void trident_collection_set_quiet(bool on);
extern bool trident_collection_is_quiet(void);

/* commit.c */

/*
 * Run a statement there after our commit.  What becomes of it is only told by
 * a warning, so it has to be one that trident_collection_cleanup() makes good.
 */
extern void trident_collection_after_commit(TridentCollectionLink *link,
											const char *sql);

/* define.c */

/*
 * Queries about the table whose name, as text, is $1: its columns and
 * checks as CREATE TABLE lists them, one row; and its indexes but for keys:
 * the name, and the definition from USING on.
 */
extern const char *const trident_collection_elements_query;
extern const char *const trident_collection_indexes_query;

/*
 * The statements that make the table of a shard, of char *, without keys and
 * indexes; and those that add them, once it has its rows.  definition is the
 * table whose columns, constraints and indexes are meant.
 */
extern List *trident_collection_define_table(const TridentCollection *collection,
											 const TridentCollectionShard *shard,
											 Oid definition);
extern List *trident_collection_define_indexes(const TridentCollection *collection,
											   const TridentCollectionShard *shard,
											   Oid definition);

/* What a shard's comment is, while its collection is not committed and after. */
extern char *trident_collection_define_comment(const TridentCollection *collection,
											   const TridentCollectionShard *shard,
											   bool pending);

/*
 * Make a shard, whose table is complete, the leaf of its collection; and
 * record its OID in it.
 */
extern void trident_collection_attach_leaf(const TridentCollection *collection,
										   TridentCollectionShard *shard);

/* distribute.c */

/*
 * What nodes need that get shards, for trident_node_require(); where the key has
 * text, the collation of this database.
 */
extern int	trident_collection_needs(const TridentCollection *collection);

/* replace.c */

/*
 * Put a table partitioned by hash of hash_columns in the place of a plain
 * one: of the same name, columns, defaults, checks, owner, rights, comments
 * and indexes, but for keys, without rows.  The plain one is dropped; sets oid.
 */
extern void trident_collection_replace_plain(TridentCollection *collection);

/* attach.c */

/*
 * Make an attached collection what its home has now: the table stays, with all
 * that belongs to it.  An error where the home has another collection.
 */
extern void trident_collection_reattach(const TridentCollection *collection);

/* stream.c */

/* What becomes of a row whose key is there already. */
typedef enum TridentCollectionConflict
{
	TRIDENT_COLLECTION_CONFLICT_ERROR,
	TRIDENT_COLLECTION_CONFLICT_NOTHING,
	TRIDENT_COLLECTION_CONFLICT_UPDATE
} TridentCollectionConflict;

/*
 * Run a query, with the rights and the search_path of the caller, and write
 * its rows into the shards given (of TridentCollectionShard *): its columns
 * are those listed (of char *), and then the number of the shard.  Rows of
 * other shards are an error.  Returns how many the shards took.
 */
extern uint64 trident_collection_stream(const TridentCollection *collection,
										List *shards, const char *query,
										List *columns,
										TridentCollectionConflict conflict);

/*
 * The rows of a table of that name on a node, as the transaction of the link
 * sees them now, into a shard without rows that takes its place.  Returns how
 * many.
 */
extern uint64 trident_collection_stream_shard(const TridentCollection *collection,
											  TridentCollectionShard *target,
											  TridentCollectionLink *source,
											  const char *table);

/* The columns that rows are written with: all but generated ones. */
extern List *trident_collection_columns(Oid table);

#endif							/* TRIDENT_COLLECTION_SHARD_H */
