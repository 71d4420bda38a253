/*
 * scatter.h
 *	  What the files hand to one another by which a search asks other nodes.
 *
 * Rows of a collection may stand in foreign tables of postgres_fdw: shards on
 * nodes.  Such a search goes on, after search.h's plan.c, through
 *
 *		split.c			which part of the plan is whose: local tables, nodes
 *		writes.c		what this transaction wrote, which nodes do not see
 *		scatter.c		nodes asked, local tables read meanwhile, answers merged
 *		gather.c		one node: what it is asked, what it answered
 *		wire.c			values and rows as they travel
 *		shards.c		the other side: the function that a node is asked by
 *		last.c			what the last search did, shard by shard
 *
 * and where it may not, the plan is run as plain SQL is.
 */
#ifndef TRIDENT_SEARCH_SCATTER_H
#define TRIDENT_SEARCH_SCATTER_H

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "search/search.h"

/* The version of what travels: arguments of search_shards, and its answer. */
#define TRIDENT_SEARCH_WIRE_VERSION 1

/* The shards that a search finds on one node. */
typedef struct TridentSearchNode
{
	Oid			server;
	const char *name;			/* of the server */
	int			nshards;
	Oid		   *shards;			/* the foreign tables */
	char	   *remote_names;	/* the tables there: text of a text[] */
} TridentSearchNode;

/* Who runs which part of a plan. */
typedef struct TridentSearchSplit
{
	/* Why it is all run here, as plain SQL; NULL: it is not. */
	const char *reason;

	PlannedStmt *local;			/* what is left for this node; NULL: nothing */
	int			nlocal;
	Oid		   *local_shards;	/* the tables that it reads */
	int			nnodes;
	TridentSearchNode *nodes;
	int			nshards;		/* leaves in all, local ones too */
	bool		is_hashed;		/* rows are spread over them by hash */
} TridentSearchSplit;

/* How one shard was searched. */
typedef struct TridentSearchShardRun
{
	Oid			shard;
	const char *node;			/* a server; NULL: here */
	const char *path;			/* as trident_last_search() shows it */
	int64		rows;			/* that came of it */
	double		ms;				/* until its rows were here */
	double		search_ms;		/* that it was searched for; below 0: unknown */
	int			attempts;
	const char *error;			/* NULL: none */
} TridentSearchShardRun;

/* What a node said of one shard. */
typedef struct TridentSearchShardAnswer
{
	int			rows;			/* of it in the answer */
	double		search_ms;
	char		path;			/* 'p' one pass, 'x' the executor */
} TridentSearchShardAnswer;

/* A node's answer, its rows not yet read. */
typedef struct TridentSearchAnswer
{
	StringInfoData data;
	int			first_row;		/* where rows begin in it */
	int			nshards;
	TridentSearchShardAnswer *shards;
	bool	   *is_binary;		/* of each column */
	int			nrows;
	double		last;			/* distance of the farthest, once it was read */
} TridentSearchAnswer;

/* wire.c */

/*
 * The name of a type whose values travel in binary form; NULL: as text.
 * Types with the name are the same on every node.
 */
extern const char *trident_search_wire_type(Oid type);

/* The value as text that every node reads alike; call between the two below. */
extern char *trident_search_wire_text(Datum value, Oid type);

/*
 * Settings under which values become text and are read again, as postgres_fdw
 * sets them.  end takes what begin returned.
 */
extern int	trident_search_wire_begin(void);
extern void trident_search_wire_end(int level);

/* The sorted rows as an answer; types are the caller's names for columns. */
extern bytea *trident_search_wire_write(const TridentSearchTop *top, int nshards,
										const Oid *shards,
										const TridentSearchShardAnswer *answers,
										char *const *types);

/*
 * Opens an answer of so many shards; error 08P01 where it is none.  What it
 * points to stays the caller's.
 */
extern void trident_search_wire_open(TridentSearchAnswer *answer,
									 const TridentSearchTarget *target,
									 int nshards, const char *data, int length);

/*
 * Offers its rows, whose tables here are shards, and sets last; can be called
 * again.  Errors: 08P01.
 */
extern void trident_search_wire_read(TridentSearchAnswer *answer,
									 const Oid *shards, TridentSearchTop *top);

/* split.c */

/*
 * Splits a plan; all of it is allocated in context.  The plan itself is left
 * as it is.  What it decides depends on the plan alone.  NULL: no table of
 * the plan is foreign.
 */
extern TridentSearchSplit *trident_search_split(const TridentSearchTarget *target,
												PlannedStmt *statement,
												MemoryContext context);

/*
 * The split of a search over foreign tables, each of a node, and local tables
 * that the statement, NULL for none, reads: lists of OIDs.
 */
extern TridentSearchSplit *trident_search_split_tables(const TridentSearchTarget *target,
													   List *foreign, List *local,
													   PlannedStmt *statement);

/* gather.c */

/* What is asked of every node of a search. */
typedef struct TridentSearchQuestion
{
	const TridentSearchTarget *target;
	const char *vector;			/* as its type sends it */
	int			vector_length;
	char	   *key;			/* texts of text[] */
	char	   *columns;
	char	   *types;
	const char *filter;			/* NULL: none, as of the next two */
	char	   *filter_types;
	char	   *filter_values;
	char	   *target_recall;
	char	   *probes;
	const char *order;
} TridentSearchQuestion;

/* One node of a search: what it was asked last, and what it answered. */
typedef struct TridentSearchLeg
{
	const TridentSearchNode *node;
	int			limit;			/* rows that were asked for */
	double		bound;			/* none beyond; infinity: no bound */
	bool		is_asked;		/* the answer is not here yet */
	bool		is_answered;
	TridentSearchAnswer answer;

	const struct TridentExchangeReply *reply;	/* the last one */

	/* Over all times that it was asked. */
	int			attempts;
	double		ms;
	const char *path;
	const char *error;			/* of the last time; NULL: none */
} TridentSearchLeg;

/* The search as every node of it is asked; all palloc'd. */
extern TridentSearchQuestion *trident_search_question(const TridentSearchTarget *target,
													  const TridentSearchRequest *request,
													  const TridentSearchFilter *filter);

/* Asks those legs that are to be; their replies belong to the batch. */
extern struct TridentExchangeBatch *trident_search_ask(const TridentSearchQuestion *question,
													   TridentSearchLeg *legs, int n,
													   TimestampTz deadline);

/*
 * Waits for all replies.  Returns the leg of the first that is an error to be
 * raised: any where not allows_partial, what is wrong with the question always.
 */
extern TridentSearchLeg *trident_search_await(struct TridentExchangeBatch *batch,
											  const TridentSearchQuestion *question,
											  TridentSearchLeg *legs,
											  bool allows_partial);

/* Raises the error of a leg; its batch is still there. */
extern void trident_search_raise(const TridentSearchLeg *leg) pg_attribute_noreturn();

/* writes.c */

/*
 * Why must this search run as plain SQL, for the sake of what this transaction
 * wrote, or may have before this library was loaded?  NULL: it need not.
 */
extern const char *trident_search_writes_reason(const TridentSearchSplit *split);

/* scatter.c */

/* Why must this search run as plain SQL?  NULL: it need not. */
extern const char *trident_search_plain_reason(const TridentSearchFilter *filter,
											   const TridentSearchPlan *plan);

/*
 * Asks the nodes of the plan's split, reads the local part meanwhile, and
 * returns the nearest of all, sorted.  Checks privileges.
 */
extern TridentSearchTop *trident_search_scatter(const TridentSearchRequest *request,
												const TridentSearchFilter *filter,
												const TridentSearchPlan *plan);

/* last.c */

/* Forgets the search before, and notes why this one is plain SQL or NULL. */
extern void trident_search_last_begin(const char *reason);
extern void trident_search_last_add(const TridentSearchShardRun *run);

/* Notes how long answers were merged, and how long the whole search took. */
extern void trident_search_last_merged(double ms);
extern void trident_search_last_end(double ms);

/* Notes one whole plan, run here since start, by its tables. */
extern void trident_search_last_add_plan(const TridentSearchPlan *plan, bool is_pass,
										 const TridentSearchTop *top, double ms);

#endif							/* TRIDENT_SEARCH_SCATTER_H */
