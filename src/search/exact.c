/*
 * exact.c
 *	  A search that reads every row: one pass per table, without the executor.
 *
 * The executor spends on each row a projection, a call of the operator through
 * the function manager and a tuple in a sort; here a row costs the scan, the
 * filter, and one kernel on the vector where it stands in its page.  Only rows
 * that enter the k nearest are taken apart any further.  Several queries at once
 * share the pass: most of a row's cost is finding it, not its distance.
 *
 * The tables and the conditions on their rows are those of the SeqScan nodes
 * of a plan: with the filter's columns mapped to each table's own, and without
 * what the planner proved to hold or not to matter.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "search/search.h"

/* One table on the way of the pass. */
typedef struct Pass
{
	const TridentSearchTarget *target;
	TridentVectorDistance distance_of;
	int			nqueries;
	const Datum *queries;
	TridentSearchTop *const *tops;	/* one a query */
	ExprContext *context;		/* per-tuple memory is reset when used */

	Oid			table;
	AttrNumber	vector;			/* the vector column, in this table */
	AttrNumber *columns;		/* those of row_desc, in this table */
	ExprState  *filter;			/* NULL: all rows */
	TupleTableSlot *slot;

	/* Of the row at hand, in the form of row_desc. */
	Datum	   *values;
	bool	   *nulls;
} Pass;

/* An aligned copy of a vector that is too small to stand aligned in a row. */
typedef union ShortVector
{
	TridentVector vector;
	char		bytes[VARATT_SHORT_MAX + VARHDRSZ];
} ShortVector;

/* Is the condition that the vector is not NULL, which the pass sees to? */
static bool
is_vector_test(Node *clause, AttrNumber vector)
{
	NullTest   *test = (NullTest *) clause;

	return IsA(clause, NullTest) && test->nulltesttype == IS_NOT_NULL &&
		IsA(test->arg, Var) && ((Var *) test->arg)->varattno == vector;
}

static ExprState *
prepare_filter(const Pass *pass, List *qual)
{
	List	   *clauses = NIL;
	ListCell   *lc;

	foreach(lc, qual)
	{
		if (!is_vector_test(lfirst(lc), pass->vector))
			clauses = lappend(clauses, lfirst(lc));
	}
	return ExecInitQual(clauses, NULL);
}

/* The column of that name in a table; children have all of their parent's. */
static AttrNumber
column_of_table(Relation rel, const char *name)
{
	AttrNumber	attno = trident_search_column(rel, name);

	if (attno == InvalidAttrNumber)
		elog(ERROR, "column \"%s\" of relation %u does not exist", name,
			 RelationGetRelid(rel));
	return attno;
}

/* Set the pass up for the table that a node of the plan scans. */
static void
prepare_table(Pass *pass, const Plan *plan, Relation rel)
{
	const TridentSearchTarget *target = pass->target;

	pass->table = RelationGetRelid(rel);
	pass->vector = column_of_table(rel, target->vector_name);
	for (int i = 0; i < target->ncolumns; i++)
		pass->columns[i] =
			column_of_table(rel,
							NameStr(TupleDescAttr(target->row_desc, i)->attname));
	pass->filter = prepare_filter(pass, plan->qual);
	pass->slot = table_slot_create(rel, NULL);
	pass->context->ecxt_scantuple = pass->slot;
}

/* The vector in a column, where it stands if it can be read there. */
static inline TridentVector *
read_vector(const Pass *pass, Datum datum, ShortVector *copy)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(datum);

	if (likely(!VARATT_IS_EXTENDED(value)))
		return (TridentVector *) value;
	if (VARATT_IS_SHORT(value) && !VARATT_IS_EXTERNAL(value))
	{
		Size		size = VARSIZE_ANY_EXHDR(value);

		SET_VARSIZE(copy, size + VARHDRSZ);
		memcpy(VARDATA(copy), VARDATA_SHORT(value), size);
		return &copy->vector;
	}
	else
	{
		MemoryContext per_tuple = pass->context->ecxt_per_tuple_memory;
		MemoryContext old;

		MemoryContextReset(per_tuple);
		old = MemoryContextSwitchTo(per_tuple);
		value = pg_detoast_datum(value);
		MemoryContextSwitchTo(old);
		return (TridentVector *) value;
	}
}

static void
offer_row(Pass *pass, TridentSearchTop *top, double distance)
{
	for (int i = 0; i < pass->target->ncolumns; i++)
		pass->values[i] = slot_getattr(pass->slot, pass->columns[i],
									   &pass->nulls[i]);
	trident_search_top_offer(top, distance, pass->table, pass->values, pass->nulls);
}

static void
refuse_dim(const TridentSearchTarget *target, int dim)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("different %s dimensions %d and %d",
					target->kind == TRIDENT_VECTOR_FLOAT4 ? "vector" : "halfvec",
					dim, target->dim),
			 errhint("Exclude the rows of other dimensions by a filter, or give column \"%s\" a type with dimensions.",
					 target->vector_name)));
}

/* The layout of both kinds is one up to their elements. */
StaticAssertDecl(offsetof(TridentVector, x) == offsetof(TridentHalfvec, x) &&
				 offsetof(TridentVector, dim) == offsetof(TridentHalfvec, dim),
				 "vector and halfvec have one header");

/* Offer the row at hand, of pages or in the slot, to every query's nearest. */
static inline void
offer_vector(Pass *pass, TridentSearchPages *pages, const TridentVector *vector)
{
	int			dim = pass->target->dim;

	for (int i = 0; i < pass->nqueries; i++)
	{
		TridentVector *query = (TridentVector *) DatumGetPointer(pass->queries[i]);
		double		distance = pass->distance_of(dim, vector->x, query->x);

		if (trident_search_top_refuses(pass->tops[i], distance))
			continue;
		if (pages)
			trident_search_pages_store(pages, pass->slot);
		offer_row(pass, pass->tops[i], distance);
	}
}

/*
 * Read all rows of the table that the pass is set up for.  Of a row in memory
 * its vector is read where it stands; it goes into the slot, and is taken apart,
 * only for a filter or when it is among the nearest.
 */
static void
scan_table(Pass *pass, Relation rel)
{
	TridentSearchPages *pages = trident_search_pages_serve(rel) ?
		trident_search_pages_begin(rel) : NULL;
	TableScanDesc scan = pages ? NULL :
		table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	ShortVector copy;
	HeapTuple	row = NULL;

	while (pages ? (row = trident_search_pages_next(pages)) != NULL :
		   table_scan_getnextslot(scan, ForwardScanDirection, pass->slot))
	{
		TridentVector *vector;
		Datum		datum;
		bool		is_null;

		CHECK_FOR_INTERRUPTS();
		if (pass->filter)
		{
			if (pages)
				trident_search_pages_store(pages, pass->slot);
			ResetExprContext(pass->context);
			if (!ExecQual(pass->filter, pass->context))
				continue;
		}
		datum = pages ? heap_getattr(row, pass->vector, RelationGetDescr(rel), &is_null) :
			slot_getattr(pass->slot, pass->vector, &is_null);
		if (is_null)
			continue;
		vector = read_vector(pass, datum, &copy);
		if (unlikely(vector->dim != pass->target->dim))
			refuse_dim(pass->target, vector->dim);
		offer_vector(pass, pages, vector);
	}
	if (pages)
		trident_search_pages_end(pages);
	else
		table_endscan(scan);
}

void
trident_search_exact(const TridentSearchTarget *target,
					 const PlannedStmt *statement, List *scans,
					 ParamListInfo params, const Datum *queries,
					 TridentSearchTop *const *tops, int n)
{
	EState	   *estate = CreateExecutorState();
	Pass		pass = {
		.target = target,
		.distance_of = trident_vector_distance(target->kind, target->metric),
		.nqueries = n,
		.queries = queries,
		.tops = tops,
		.context = GetPerTupleExprContext(estate),
		.columns = palloc(sizeof(AttrNumber) * target->ncolumns),
		.values = palloc(sizeof(Datum) * target->ncolumns),
		.nulls = palloc(sizeof(bool) * target->ncolumns)
	};
	ListCell   *lc;

	pass.context->ecxt_param_list_info = params;
	foreach(lc, scans)
	{
		Plan	   *plan = lfirst(lc);
		RangeTblEntry *rte = rt_fetch(((Scan *) plan)->scanrelid, statement->rtable);
		Relation	rel = table_open(rte->relid, AccessShareLock);

		prepare_table(&pass, plan, rel);
		scan_table(&pass, rel);
		ExecDropSingleTupleTableSlot(pass.slot);
		table_close(rel, NoLock);
	}
	FreeExecutorState(estate);
}
