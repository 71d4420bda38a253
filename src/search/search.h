/*
 * search.h
 *	  What the files of trident_search hand to one another.
 *
 * A search goes through them in this order:
 *
 *		search.c		the SQL function: arguments in, rows out
 *		objects.c		the types and operators of the extension, by OID
 *		resolve.c		which columns and which metric are meant
 *		registry.c		key and vector column of a distributed collection
 *		filter*.c		the filter, from untrusted text to checked SQL
 *		simple.c		the plan where there is no choice, made at once
 *		plan.c			else the search as one SQL statement, its plan kept
 *		run.c			one plan run, whichever way
 *		exact.c			that plan run in one pass, where it reads every row
 *		pages.c			the rows of a table in memory, for that pass
 *		top.c			the k nearest rows seen so far
 *		result.c		the rows in the form that they are returned in
 *
 * Where rows stand on other nodes, scatter.h goes on from plan.c.  Nothing
 * outlives the call but what objects.c and plan.c cache, and last.c's notes.
 */
#ifndef TRIDENT_SEARCH_SEARCH_H
#define TRIDENT_SEARCH_SEARCH_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "nodes/params.h"
#include "nodes/pg_list.h"
#include "nodes/plannodes.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"
#include "utils/plancache.h"
#include "utils/relcache.h"
#include "utils/sortsupport.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "vector/vector.h"

/* The arguments of trident_search; what was not given is NULL or NIL. */
typedef struct TridentSearchRequest
{
	Oid			collection;
	Datum		query;			/* a vector */
	int			k;
	const char *vector_column;
	const char *metric;
	const char *filter;
	Jsonb	   *filter_args;
	List	   *columns;		/* of char *: the payload */
	List	   *key;			/* of char * */
	bool		allows_partial; /* a node that is missing is no error */
	TimestampTz deadline;		/* of answers of nodes; 0: none */
} TridentSearchRequest;

/* The same, resolved against the catalogs. */
typedef struct TridentSearchTarget
{
	Relation	rel;			/* open; the lock stays until commit */
	bool		has_children;	/* rows may be in other tables than rel */

	const char *vector_name;	/* the vector column */
	TridentVectorKind kind;
	TridentVectorMetric metric;
	Datum		vector;			/* the query as it was given, detoasted */
	Oid			query_type;		/* of that column, less any domain */
	Datum		query;			/* detoasted, of that type */
	int			dim;
	int			k;

	/* What is kept of a row: its key, then its payload. */
	int			nkeys;
	int			ncolumns;		/* keys and payload together */
	TupleDesc	row_desc;		/* the columns, named as in rel */
	bool		has_virtual;	/* one of them stands in no row: it is computed */
	SortSupport key_order;		/* nkeys of them */
} TridentSearchTarget;

/* A search as a statement that is planned, from plan.c's cache or new. */
typedef struct TridentSearchPlan
{
	const TridentSearchTarget *target;
	const char *sql;			/* NULL: simple.c made it, as of the next three */
	bool		has_shard;		/* the second column is the row's table */
	ParamListInfo params;
	CachedPlan *cached;
	PlannedStmt *statement;		/* in cached, if there is one */
	struct TridentSearchSplit *split;	/* the same; NULL: nothing is foreign */
} TridentSearchPlan;

/* A filter that may be run. */
typedef struct TridentSearchFilter
{
	char	   *sql;			/* over the columns of alias c; its parameters
								 * are $2 and on, for $1 is the query */
	int			nparams;
	Oid		   *types;
	Datum	   *values;
	bool	   *nulls;
	Node	   *expr;			/* what sql was written from */
	bool		is_immutable;	/* no value of it depends on the session */
	List	   *extensions;		/* OIDs, of whose functions it has some */
	Bitmapset  *columns;		/* of the collection, as attribute numbers */
} TridentSearchFilter;

/* A row among the nearest. */
typedef struct TridentSearchRow
{
	double		distance;
	Oid			shard;			/* InvalidOid if not known */
	HeapTuple	tuple;			/* of row_desc */
} TridentSearchRow;

/* The nearest rows so far: a heap, the farthest on top, once it is full. */
typedef struct TridentSearchTop
{
	const TridentSearchTarget *target;
	MemoryContext context;		/* holds all of it */
	int			nrows;
	int			capacity;		/* rows allocated; grows up to k */
	double		bound;			/* no row beyond is kept; infinity */
	Oid			shard;			/* what all rows offered are of; or invalid */
	TridentSearchRow *rows;
} TridentSearchTop;

/* A scan of the pages of a heap; private to pages.c. */
typedef struct TridentSearchPages TridentSearchPages;

/* The extension's own types. */
typedef struct TridentSearchObjects
{
	Oid			type[TRIDENT_VECTOR_KINDS];
} TridentSearchObjects;

/* writes.c */

/* Installs the hooks by which writes are noticed; called once, by _PG_init. */
extern void trident_search_init(void);

/* objects.c */

/* Looked up once and kept until the catalogs change.  Errors: none is there. */
extern const TridentSearchObjects *trident_search_objects(void);

/* The operator of two such values, as long; the same errors. */
extern Oid	trident_search_operator(TridentVectorKind kind, TridentVectorMetric metric);

/* Is the object of this catalog a member of that extension? */
extern bool trident_search_is_member(Oid catalog, Oid object, Oid extension);

/* resolve.c */

/* The column of that name; InvalidAttrNumber: there is none. */
extern AttrNumber trident_search_column(Relation rel, const char *name);

/*
 * A query as a value of the type of the target's vector column; error 22000
 * where its dimensions are not the target's.
 */
extern Datum trident_search_query_value(const TridentSearchTarget *target,
										TridentVector *vector);

/*
 * Opens and locks the collection as a SELECT would.  Checks everything about
 * the request but its filter, the privileges and k; every error has a hint.
 */
extern TridentSearchTarget *trident_search_resolve(const TridentSearchRequest *request);

/* The name of a metric, as it is given to trident_search. */
extern const char *trident_search_metric_name(TridentVectorMetric metric);

/* registry.c */

/*
 * Is it a distributed collection?  Then its key, a list of char *, and its
 * vector column, NULL if none is noted.
 */
extern bool trident_search_registered(Oid collection, List **key,
									  char **vector_column);

/* An error (55000) if a partitioned table is one and lacks shards. */
extern void trident_search_check_shards(Relation rel);

/* filter.c */

/*
 * Parses, checks and deparses a filter; NULL if the request has none.
 * Raises an error of the parser, with its position in the filter and a hint,
 * or one of SQLSTATE TR104.
 */
extern TridentSearchFilter *trident_search_filter(const TridentSearchTarget *target,
												  const TridentSearchRequest *request);

/*
 * The filter as SQL for other nodes, where the search_path is pg_catalog, as
 * it has to be set for this call: operators of other schemas are then named
 * with them.
 */
extern char *trident_search_filter_wire(const TridentSearchTarget *target,
										const TridentSearchFilter *filter);

/*
 * The filter of a search that another node passes on: deparsed there, with
 * values for $2 and on.  Checked as any other; SQLSTATE TR104.
 */
extern TridentSearchFilter *trident_search_filter_received(const TridentSearchTarget *target,
														   const char *text,
														   int nparams,
														   char *const *types,
														   char *const *values,
														   const bool *nulls);

/* filter_parse.c */

#define TRIDENT_SEARCH_FILTER_HINT \
	"Write the filter as one boolean expression over the columns of the collection, with $1, $2 ... for the elements of filter_args."

/* The raw expression that the text consists of; TR104 if it is none. */
extern Node *trident_search_filter_parse(const char *text);

/*
 * The boolean expression over rel, of which alias, or NULL, is the name.
 * types has the types of the parameters $1 to $nparams; where one is
 * InvalidOid it is inferred and set.  shift is added to their numbers.  Runs
 * no code but that of the server and of extensions that are let in; TR104.
 * Takes raw apart.
 */
extern Node *trident_search_filter_analyse(struct ParseState *pstate,
										   Relation rel, Alias *alias,
										   Node *raw, Oid *types, int nparams,
										   int shift);

/* filter_check.c */

/* Raises TR104: the expression has a subquery at node. */
extern void trident_search_filter_refuse_subquery(struct ParseState *pstate,
												  Node *node) pg_attribute_noreturn();

/*
 * Raises TR104 unless every part of the expression is on the list of what a
 * filter may hold.  folded: session values are no longer welcome.
 */
extern void trident_search_filter_check(struct ParseState *pstate, Node *expr,
										bool folded);

/* May values of the type be made from text that a stranger wrote? */
extern bool trident_search_filter_accepts_type(Oid type);

/* The extensions, by OID, whose functions an expression calls. */
extern List *trident_search_filter_extensions(Node *expr);

/*
 * The expression with each of its parts that is a value of the session, such
 * as now(), replaced by a parameter that is appended to the filter's.
 */
extern Node *trident_search_filter_fold(Node *expr, TridentSearchFilter *filter);

/* filter_args.c */

/*
 * Returns how many parameters the expression has; raises an error unless args,
 * NULL for none, is an array of as many elements.  raw is the expression as it was parsed:
 * the analysis takes memory by the highest number of a parameter.
 */
extern int	trident_search_filter_check_args(Node *raw, Jsonb *args);

/*
 * The elements of filter_args as values of the parameters' types, which are
 * in the filter; sets its values and nulls.
 */
extern void trident_search_filter_bind(TridentSearchFilter *filter, Jsonb *args);

/* simple.c */

/*
 * Plans the search without the planner, and locks all its tables; NULL: that
 * is not possible, or not worth it any more, in this session.
 */
extern TridentSearchPlan *trident_search_simple(const TridentSearchTarget *target,
												const TridentSearchFilter *filter);

/* plan.c */

/*
 * Plans the search or takes its plan from the cache; locks all tables of the
 * plan.  filter may be NULL.
 */
extern TridentSearchPlan *trident_search_plan(const TridentSearchTarget *target,
											  const TridentSearchFilter *filter);

/* Lets go of the plan, whoever made it. */
extern void trident_search_plan_release(TridentSearchPlan *plan);

/* run.c */

/*
 * Offers the rows of a statement, the plan's own or a part of it, to one top
 * for each of the queries, which are of the target's query_type, by the
 * cheaper way to run it; true: that was one pass, for all queries together.
 * Checks privileges.
 */
extern bool trident_search_run(const TridentSearchPlan *plan, PlannedStmt *statement,
							   const Datum *queries, TridentSearchTop *const *tops,
							   int n);

/* deadline.c */

/*
 * The same for the target's query by a deadline, 0: none; error TR002 where it
 * passes before.  Its locks and memory are left to the end of the transaction
 * then, as by any error.
 */
extern bool trident_search_run_until(TimestampTz deadline, const TridentSearchPlan *plan,
									 PlannedStmt *statement, TridentSearchTop *top);

/* exact.c */

/*
 * Reads all rows of the scans (SeqScan nodes of the statement) under the
 * active snapshot, once for all queries, each of which has a top.  The caller
 * has checked privileges and row security, and holds locks on the relations.
 */
extern void trident_search_exact(const TridentSearchTarget *target,
								 const PlannedStmt *statement, List *scans,
								 ParamListInfo params, const Datum *queries,
								 TridentSearchTop *const *tops, int n);

/* pages.c */

/*
 * Are the pages of a table best read directly?  Otherwise the caller scans it
 * through its access method.
 */
extern bool trident_search_pages_serve(Relation rel);

/* Begins to read all rows of such a table that the active snapshot sees. */
extern TridentSearchPages *trident_search_pages_begin(Relation rel);

/* The next row, valid until the next call or the end; NULL: there is none. */
extern HeapTuple trident_search_pages_next(TridentSearchPages *pages);

/* Stores the row that came last in a slot of the table, which pins its page. */
extern void trident_search_pages_store(TridentSearchPages *pages,
									   TupleTableSlot *slot);

/* Lets go of the last page. */
extern void trident_search_pages_end(TridentSearchPages *pages);

/* top.c */

extern TridentSearchTop *trident_search_top_new(const TridentSearchTarget *target);

/*
 * Keeps a copy of the row if it is among the k nearest so far; values are
 * those of row_desc.
 */
extern void trident_search_top_offer(TridentSearchTop *top, double distance,
									 Oid shard, Datum *values, bool *nulls);

/* Offers a row of another top of the same target, with its shard. */
extern void trident_search_top_offer_row(TridentSearchTop *top,
										 const TridentSearchRow *row);

/* Sorts by distance, NaN last as in SQL, then by key. */
extern void trident_search_top_sort(TridentSearchTop *top);

/*
 * The distance beyond which no row will be kept any more: one comparison
 * spares the caller all further work.  A NaN compares false, and so passes.
 */
static inline bool
trident_search_top_refuses(const TridentSearchTop *top, double distance)
{
	return distance > top->bound ||
		(top->nrows == top->target->k && distance > top->rows[0].distance);
}

/* result.c */

/* Appends the rows in the form of trident_search's result. */
extern void trident_search_result(const TridentSearchTop *top,
								  Tuplestorestate *store, TupleDesc desc);

#endif							/* TRIDENT_SEARCH_SEARCH_H */
