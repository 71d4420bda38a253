/*
 * inventory.c
 *	  What a table consists of, compared with what it should, and how to mend
 *	  the difference.
 *
 * One query, run here on the collection's table and on a node on the table of
 * a shard, lists columns, checks and indexes as text, deparsed alike.  The
 * comparison is of sets: the order of columns and the names of indexes mean
 * nothing.  What only adds is done before the commit and what takes away
 * after it, so that a failure leaves a shard with more than it needs, never
 * with less.
 */
#include "postgres.h"

#include "access/relation.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/sql.h"
#include "collection/inventory.h"

#define NUMBER_CHECK "trident_shard_number"

/* The parts of a table, which is an expression of SQL. */
#define PARTS_OF(table) \
	"SELECT 'column', a.attname::text, concat(" TRIDENT_COLLECTION_TYPE_SQL ")," \
	"  a.attnotnull" \
	TRIDENT_COLLECTION_TYPE_FROM_SQL \
	" WHERE a.attrelid = " table " AND a.attnum > 0 AND NOT a.attisdropped" \
	" UNION ALL" \
	" SELECT CASE k.contype WHEN 'c' THEN 'check' ELSE 'key' END, k.conname::text," \
	"  pg_get_constraintdef(k.oid), false" \
	" FROM pg_constraint k WHERE k.conrelid = " table " AND k.contype IN ('c', 'p')" \
	" UNION ALL" \
	" SELECT CASE WHEN i.indisvalid OR x.relkind = 'I' THEN 'index' ELSE 'broken index' END," \
	"  format('%I.%I', xn.nspname, x.relname)," \
	"  substr(pg_get_indexdef(i.indexrelid), 1 + length(format('CREATE INDEX %I ON %s%I.%I ', x.relname," \
	"   CASE x.relkind WHEN 'I' THEN 'ONLY ' END, n.nspname, r.relname))), false" \
	" FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace xn ON xn.oid = x.relnamespace" \
	"  JOIN pg_class r ON r.oid = i.indrelid JOIN pg_namespace n ON n.oid = r.relnamespace" \
	" WHERE i.indrelid = " table " AND NOT i.indisunique AND NOT i.indisexclusion" \
	" ORDER BY 1, 2"

const char *const trident_collection_inventory_query = PARTS_OF("$1::text::regclass");

/* Here by its OID: who may ask about a table need not be let into its schema. */
static const char *const parts_here_query = PARTS_OF("$1::oid");

static TridentCollectionItem *
make_item(const char *kind, const char *name, const char *definition,
		  bool not_null)
{
	TridentCollectionItem *item = palloc(sizeof(TridentCollectionItem));

	item->kind = pstrdup(kind);
	item->name = pstrdup(name);
	item->definition = pstrdup(definition);
	item->not_null = not_null;
	return item;
}

List *
trident_collection_inventory(Oid table)
{
	const char *args[] = {psprintf("%u", table)};
	List	   *items = NIL;
	TridentBaseRows *rows;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	rows = trident_base_sql_rows(parts_here_query, 1, args);
	trident_base_sql_end(&sql);
	for (int i = 0; i < rows->nrows; i++)
	{
		char	  **v = rows->value[i];

		items = lappend(items, make_item(v[0], v[1], v[2], v[3][0] == 't'));
	}
	return items;
}

List *
trident_collection_inventory_read(const TridentExchangeReply *reply)
{
	List	   *items = NIL;

	for (int i = 0; i < reply->nrows; i++)
		items = lappend(items, make_item(trident_exchange_text(reply, i, 0),
										 trident_exchange_text(reply, i, 1),
										 trident_exchange_text(reply, i, 2),
										 trident_exchange_text(reply, i, 3)[0] == 't'));
	return items;
}

/* The item of that kind and name. */
static TridentCollectionItem *
named(List *items, const char *kind, const char *name)
{
	ListCell   *lc;

	foreach(lc, items)
	{
		TridentCollectionItem *item = lfirst(lc);

		if (strcmp(item->kind, kind) == 0 && strcmp(item->name, name) == 0)
			return item;
	}
	return NULL;
}

/* How many indexes of that definition; index items count, broken ones not. */
static int
count_indexes(List *items, const char *definition)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, items)
	{
		TridentCollectionItem *item = lfirst(lc);

		n += strcmp(item->kind, "index") == 0 && strcmp(item->definition, definition) == 0;
	}
	return n;
}

static bool
has_kind(List *items, const char *kind)
{
	ListCell   *lc;

	foreach(lc, items)
	{
		if (strcmp(((TridentCollectionItem *) lfirst(lc))->kind, kind) == 0)
			return true;
	}
	return false;
}

static bool
is_kind(const TridentCollectionItem *item, const char *kind)
{
	return strcmp(item->kind, kind) == 0;
}

/* Must the column be NOT NULL in a shard? */
static bool
wants_not_null(const TridentCollection *collection,
			   const TridentCollectionItem *column)
{
	return column->not_null ||
		trident_collection_has_name(collection->key, column->name);
}

static void
note(StringInfo text, const char *what, const char *name)
{
	appendStringInfo(text, "%s%s %s", text->len > 0 ? "; " : "", what, name);
}

/* What a shard has that it should not, or should not have so. */
static void
note_extra(StringInfo text, List *wanted, List *there)
{
	ListCell   *lc;

	foreach(lc, there)
	{
		TridentCollectionItem *item = lfirst(lc);

		if (is_kind(item, "column") && named(wanted, "column", item->name) == NULL)
			note(text, "extra column", item->name);
		else if (is_kind(item, "check") && strcmp(item->name, NUMBER_CHECK) != 0 &&
				 named(wanted, "check", item->name) == NULL)
			note(text, "extra check", item->name);
		else if (is_kind(item, "broken index"))
			note(text, "broken index", item->name);
		else if (is_kind(item, "index") &&
				 count_indexes(wanted, item->definition) < count_indexes(there, item->definition))
			note(text, "extra index", item->name);
	}
}

char *
trident_collection_drift(const TridentCollection *collection,
						 const TridentCollectionShard *shard,
						 List *wanted, List *there)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, wanted)
	{
		TridentCollectionItem *item = lfirst(lc);
		TridentCollectionItem *twin = named(there, item->kind, item->name);

		if (is_kind(item, "index"))
		{
			if (count_indexes(there, item->definition) < count_indexes(wanted, item->definition))
				note(&text, "no index", item->definition);
		}
		else if (is_kind(item, "key"))
			continue;
		else if (twin == NULL)
			note(&text, is_kind(item, "column") ? "no column" : "no check", item->name);
		else if (strcmp(twin->definition, item->definition) != 0)
			note(&text, psprintf("another %s", item->kind), item->name);
		else if (is_kind(item, "column") &&
				 twin->not_null != wants_not_null(collection, item))
			note(&text, twin->not_null ? "NOT NULL in column" : "no NOT NULL in column",
				 item->name);
	}
	if (!has_kind(there, "key"))
		note(&text, "no", "primary key");
	if (named(there, "check", NUMBER_CHECK) == NULL)
		note(&text, "no check", NUMBER_CHECK);
	note_extra(&text, wanted, there);
	return text.len > 0 ? text.data : NULL;
}

/* The value of an expression of a table as text, for nodes; NULL if it is. */
static char *
evaluate(Relation rel, Node *expression, Oid type)
{
	EState	   *state = CreateExecutorState();
	Oid			role;
	int			security;
	int			guc_level;
	Datum		value;
	bool		is_null;
	char	   *text = NULL;
	Oid			function;
	bool		is_varlena;

	/* whoever brings the shards up to date does not run what the owner wrote */
	GetUserIdAndSecContext(&role, &security);
	if (role != rel->rd_rel->relowner)
		SetUserIdAndSecContext(rel->rd_rel->relowner,
							   security | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	value = ExecEvalExprSwitchContext(ExecPrepareExpr((Expr *) expression, state),
									  GetPerTupleExprContext(state), &is_null);
	guc_level = trident_base_sql_neutral();
	getTypeOutputInfo(type, &function, &is_varlena);
	if (!is_null)
		text = OidOutputFunctionCall(function, value);
	AtEOXact_GUC(true, guc_level);
	SetUserIdAndSecContext(role, security);
	FreeExecutorState(state);
	return text;
}

/*
 * What the rows that are there get as value of a new column, as a literal;
 * NULL: nothing.  It is computed here, once, as the server has just done for
 * local rows: now() on a node is another time.
 */
static char *
fill_of(const TridentCollection *collection, const char *column)
{
	Relation	rel = relation_open(collection->oid, AccessShareLock);
	AttrNumber	number = get_attnum(collection->oid, column);
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), number - 1);
	Node	   *expression = att->attgenerated ? NULL : build_column_default(rel, number);
	char	   *text = NULL;

	if (contain_volatile_functions(expression))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot add column \"%s\" to the shards of %s with a volatile default",
						column, collection->name),
				 errhint("Add the column without a default, and set the default in a second statement.")));
	if (expression)
		text = evaluate(rel, expression, att->atttypid);
	relation_close(rel, NoLock);
	return text ? quote_literal_cstr(text) : NULL;
}

/* ADD COLUMN, with what the rows that are there get as its value. */
static List *
add_column(const TridentCollection *collection, const char *table,
		   const TridentCollectionItem *column)
{
	const char *name = quote_identifier(column->name);
	const char *fill = fill_of(collection, column->name);
	List	   *statements;

	statements = list_make1(psprintf("ALTER TABLE %s ADD COLUMN %s %s%s%s%s", table, name,
									 column->definition,
									 fill ? " DEFAULT " : "", fill ? fill : "",
									 wants_not_null(collection, column) ? " NOT NULL" : ""));
	if (fill)
		statements = lappend(statements,
							 psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT",
									  table, name));
	return statements;
}

static void pg_attribute_noreturn()
refuse_old_column(const TridentCollection *collection, const char *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot add column \"%s\" to the shards of %s, which still have one of that name",
					column, collection->name),
			 errdetail("It was dropped in this transaction, or a node did not follow when it was; its values would come back."),
			 errhint("Add the column in another transaction than the one that drops it, and run trident_collection_sync() between them if a node did not follow.")));
}

/* The columns that are wanted and not there, or there in another form. */
static void
repair_columns(const TridentCollection *collection, const char *table,
			   List *wanted, List *there, List *added, List **before)
{
	ListCell   *lc;

	foreach(lc, wanted)
	{
		TridentCollectionItem *item = lfirst(lc);
		TridentCollectionItem *twin = named(there, item->kind, item->name);

		if (!is_kind(item, "column"))
			continue;
		if (twin == NULL)
			*before = list_concat(*before, add_column(collection, table, item));
		else if (trident_collection_has_name(added, item->name))
			refuse_old_column(collection, item->name);
		else if (strcmp(twin->definition, item->definition) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot change the type of column \"%s\" of distributed collection %s",
							item->name, collection->name),
					 errdetail("It is %s in a shard, and %s in the collection.",
							   twin->definition, item->definition),
					 errhint("Add another column, or use trident_collection_undistribute(), change it, and distribute the collection again.")));
		else if (twin->not_null != wants_not_null(collection, item))
			*before = lappend(*before,
							  psprintf("ALTER TABLE %s ALTER COLUMN %s %s NOT NULL", table,
									   quote_identifier(item->name),
									   twin->not_null ? "DROP" : "SET"));
	}
}

/* The same of checks, which may be about columns that were missing. */
static void
repair_checks(const char *table, List *wanted, List *there, List **before)
{
	ListCell   *lc;

	foreach(lc, wanted)
	{
		TridentCollectionItem *item = lfirst(lc);
		const char *name = quote_identifier(item->name);
		TridentCollectionItem *twin = named(there, item->kind, item->name);

		if (!is_kind(item, "check") ||
			(twin && strcmp(twin->definition, item->definition) == 0))
			continue;
		*before = lappend(*before,
						  psprintf("ALTER TABLE %s %s%s%s ADD CONSTRAINT %s %s", table,
								   twin ? "DROP CONSTRAINT " : "", twin ? name : "",
								   twin ? "," : "", name, item->definition));
	}
}

char *
trident_collection_removal(const TridentCollectionShard *shard,
						   const TridentCollectionItem *item)
{
	if (is_kind(item, "column"))
		return psprintf("ALTER TABLE %s DROP COLUMN %s",
						quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table),
						quote_identifier(item->name));
	if (is_kind(item, "index") || is_kind(item, "broken index"))
		return psprintf("DROP INDEX IF EXISTS %s", item->name);
	return NULL;
}

/* Indexes as a multiset: what is missing is made, what is too much goes. */
static void
repair_indexes(const TridentCollectionShard *shard, List *wanted, List *there,
			   List **before, List **after)
{
	const char *table = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
	List	   *done = NIL;
	ListCell   *lc;

	foreach(lc, list_concat_copy(wanted, there))
	{
		TridentCollectionItem *item = lfirst(lc);
		int			missing;

		if (is_kind(item, "broken index"))
			*after = lappend(*after, trident_collection_removal(shard, item));
		if (!is_kind(item, "index") ||
			trident_collection_has_name(done, item->definition))
			continue;
		done = lappend(done, (void *) item->definition);
		missing = count_indexes(wanted, item->definition) -
			count_indexes(there, item->definition);
		for (int i = 0; i < missing; i++)
			*before = lappend(*before, psprintf("CREATE INDEX ON %s %s", table,
												item->definition));
		if (missing < 0)
		{
			ListCell   *t;

			foreach(t, there)
			{
				TridentCollectionItem *extra = lfirst(t);

				if (missing < 0 && is_kind(extra, "index") &&
					strcmp(extra->definition, item->definition) == 0)
				{
					*after = lappend(*after, trident_collection_removal(shard, extra));
					missing++;
				}
			}
		}
	}
}

void
trident_collection_repair(const TridentCollection *collection,
						  const TridentCollectionShard *shard,
						  List *wanted, List *there, List *added,
						  List **before, List **after)
{
	const char *table = quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA, shard->table);
	ListCell   *lc;

	*before = *after = NIL;
	repair_columns(collection, table, wanted, there, added, before);
	repair_checks(table, wanted, there, before);
	if (named(there, "check", NUMBER_CHECK) == NULL)
		*before = lappend(*before,
						  psprintf("ALTER TABLE %s ADD CONSTRAINT " NUMBER_CHECK
								   " CHECK (trident.shard_number(%d, %s) = %d)", table,
								   collection->modulus, collection->hash_columns,
								   shard->number));
	repair_indexes(shard, wanted, there, before, after);
	foreach(lc, there)
	{
		TridentCollectionItem *item = lfirst(lc);

		if (is_kind(item, "check") && strcmp(item->name, NUMBER_CHECK) != 0 &&
			named(wanted, "check", item->name) == NULL)
			*before = lappend(*before, psprintf("ALTER TABLE %s DROP CONSTRAINT %s", table,
												quote_identifier(item->name)));
		else if (is_kind(item, "column") && named(wanted, "column", item->name) == NULL)
			*after = lappend(*after, trident_collection_removal(shard, item));
	}
	if (!has_kind(there, "key"))
		*before = lappend(*before,
						  psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", table,
								   trident_collection_join_names(collection->key)));
}

/* The name of an index without its schema, quoted. */
static const char *
bare_name(const char *index)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(index));

	return quote_identifier(strVal(llast(names)));
}

/* What a part of an attached collection's table needs to be what it is at home. */
static void
change_item(const char *table, const TridentCollectionItem *item,
			const TridentCollectionItem *twin, List **removals, List **additions)
{
	const char *name = quote_identifier(item->name);

	if (is_kind(item, "check"))
	{
		if (twin && strcmp(twin->definition, item->definition) == 0)
			return;
		if (twin)
			*removals = lappend(*removals, psprintf("ALTER TABLE %s DROP CONSTRAINT %s", table, name));
		*additions = lappend(*additions, psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s",
												  table, name, item->definition));
	}
	else if (twin == NULL)
		*additions = lappend(*additions, psprintf("ALTER TABLE %s ADD COLUMN %s %s%s",
												  table, name, item->definition,
												  item->not_null ? " NOT NULL" : ""));
	else if (strcmp(twin->definition, item->definition) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of collection %s is %s here, and %s at its home",
						item->name, table, twin->definition, item->definition),
				 errhint("Use trident_collection_detach(), and then trident_collection_attach().")));
	else if (twin->not_null != item->not_null)
		*additions = lappend(*additions, psprintf("ALTER TABLE %s ALTER COLUMN %s %s NOT NULL", table,
												  name, twin->not_null ? "DROP" : "SET"));
}

/* Parts of "some" that "others" have not: indexes by what they are. */
static List *
without(List *some, List *others)
{
	List	   *rest = NIL;
	List	   *left = list_copy(others);
	ListCell   *lc;

	foreach(lc, some)
	{
		TridentCollectionItem *item = lfirst(lc);
		ListCell   *other;
		bool		found = false;

		foreach(other, left)
		{
			TridentCollectionItem *twin = lfirst(other);

			if (strcmp(twin->kind, item->kind) != 0 ||
				strcmp(is_kind(item, "index") ? twin->definition : twin->name,
					   is_kind(item, "index") ? item->definition : item->name) != 0)
				continue;
			found = true;
			left = foreach_delete_current(left, other);
			break;
		}
		if (!found)
			rest = lappend(rest, item);
	}
	return rest;
}

void
trident_collection_changes(const TridentCollection *collection, List *here,
						   List *wanted, List **removals, List **additions)
{
	const char *table = collection->name;
	List	   *drops = NIL;
	ListCell   *lc;

	*removals = *additions = NIL;
	foreach(lc, without(here, wanted))
	{
		TridentCollectionItem *item = lfirst(lc);

		if (is_kind(item, "index"))
			*removals = lappend(*removals, psprintf("DROP INDEX %s", item->name));
		else if (is_kind(item, "check"))
			*removals = lappend(*removals, psprintf("ALTER TABLE %s DROP CONSTRAINT %s", table,
													quote_identifier(item->name)));
		else if (is_kind(item, "column"))
			drops = lappend(drops, psprintf("ALTER TABLE %s DROP COLUMN %s", table,
											quote_identifier(item->name)));
	}
	/* columns before the checks and indexes that may be about them */
	foreach(lc, wanted)
	{
		TridentCollectionItem *item = lfirst(lc);

		if (is_kind(item, "column"))
			change_item(table, item, named(here, "column", item->name),
						removals, additions);
	}
	foreach(lc, wanted)
	{
		TridentCollectionItem *item = lfirst(lc);

		if (is_kind(item, "check"))
			change_item(table, item, named(here, "check", item->name),
						removals, additions);
	}
	foreach(lc, without(wanted, here))
	{
		TridentCollectionItem *item = lfirst(lc);

		if (is_kind(item, "index"))
			*additions = lappend(*additions,
								 psprintf("CREATE INDEX %s ON %s %s",
										  bare_name(item->name), table,
										  item->definition));
	}
	*removals = list_concat(*removals, drops);
}
