/*
 * attach.c
 *	  trident_collection_attach and _detach: the same collection on another
 *	  node, so that any node can be asked.
 *
 * The table is made again from what its home, or any node that has it, tells:
 * columns, checks, indexes, and for each shard the uuid of its node, which is
 * looked up among the nodes known here.  A shard that stands here becomes a
 * partition as it is; the others are foreign tables.  The home alone changes
 * the definition; trident_collection_sync() does the same here, in place: what
 * stays, and what was made of it here, such as rights and views, is kept.
 *
 * Trust: what the node tells becomes DDL with the rights of the caller, so it
 * is taken as names and uuids where it can be.  Columns, checks and indexes
 * come as SQL: each statement made of them must be the one that it is meant
 * to be, about the table that was asked for, with nothing in it but columns,
 * checks, and expressions that change nothing.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/uuid.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/sql.h"
#include "collection/inventory.h"
#include "collection/shard.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_collection_attach);
PG_FUNCTION_INFO_V1(trident_collection_detach);

/* $1: the collection.  One row. */
static const char *const collection_query =
"SELECT k.id, k.home, k.key, k.vector_column, k.shards, n.nspname, c.relname,"
" (SELECT array_agg(a.attname ORDER BY x.n)"
"  FROM pg_partitioned_table p, unnest(p.partattrs) WITH ORDINALITY x (attnum, n)"
"   JOIN pg_attribute a ON a.attnum = x.attnum WHERE p.partrelid = c.oid AND a.attrelid = c.oid)"
" FROM trident.collection k JOIN pg_class c ON c.oid = k.collection JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE k.collection = $1::text::regclass";

/* $1: the collection.  A row for each shard: number, uuid of its node. */
static const char *const shards_query =
"SELECT " TRIDENT_COLLECTION_NUMBER_SQL ","
" CASE WHEN f.ftrelid IS NULL THEN i.uuid ELSE s.uuid END"
" FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid CROSS JOIN trident.node_identity i"
"  LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid LEFT JOIN pg_foreign_server v ON v.oid = f.ftserver"
"  LEFT JOIN trident.node_setting s ON s.node = v.srvname"
" WHERE h.inhparent = $1::text::regclass ORDER BY 1";

/* Ask about the collection; raises what the node says. */
static const TridentExchangeReply *
ask(TridentExchangeSession *session, const char *sql, const char *name)
{
	const char *values[] = {name};
	TridentExchangeCall call = {
		.sql = sql,
		.nparams = 1,
		.values = values,
		.purpose = "the definition of a collection"
	};
	const TridentExchangeReply *reply =
		trident_exchange_session_exec(session, &call, 0);

	if (!reply->ok)
		trident_exchange_raise(ERROR, reply);
	return reply;
}

static char *
text_of(const TridentExchangeReply *reply, int row, int column)
{
	return pstrdup(trident_exchange_text(reply, row, column));
}

/* A uuid, as our own are written. */
static char *
uuid_of(const TridentExchangeReply *reply, int row, int column)
{
	const char *text = trident_exchange_text(reply, row, column);
	Datum		uuid = DirectFunctionCall1(uuid_in, CStringGetDatum(text));

	return DatumGetCString(DirectFunctionCall1(uuid_out, uuid));
}

static List *
names_of(const TridentExchangeReply *reply, int row, int column, const char *what)
{
	return trident_collection_names(
		OidInputFunctionCall(F_ARRAY_IN, text_of(reply, row, column), NAMEOID, -1), what);
}

static void pg_attribute_noreturn()
refuse_answer(const char *name, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("the node's definition of collection %s cannot be used", name),
			 errdetail("It has %s.", what),
			 errhint("Look at the collection, and at who may change what, on the node.")));
}

/* What the node says of the collection; hash gets its partition key. */
static TridentCollection *
ask_collection(TridentExchangeSession *session, const char *name, const char *node,
			   List **hash)
{
	const TridentExchangeReply *reply = ask(session, collection_query, name);
	TridentCollection *collection = palloc0(sizeof(TridentCollection));
	RangeVar   *asked = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));

	if (reply->nrows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("node \"%s\" has no distributed collection %s", node, name),
				 errhint("Name one that is in trident.collection there.")));
	if (asked->schemaname == NULL ||
		strcmp(asked->schemaname, trident_exchange_text(reply, 0, 5)) != 0 ||
		strcmp(asked->relname, trident_exchange_text(reply, 0, 6)) != 0)
		refuse_answer(name, "another name; it is to be asked for as schema.name");
	collection->id = uuid_of(reply, 0, 0);
	collection->home = uuid_of(reply, 0, 1);
	collection->key = names_of(reply, 0, 2, "key columns");
	if (trident_exchange_value(reply, 0, 3, NULL))
		collection->vector_column = text_of(reply, 0, 3);
	collection->modulus = pg_strtoint32(trident_exchange_text(reply, 0, 4));
	collection->name = quote_qualified_identifier(asked->schemaname, asked->relname);
	*hash = names_of(reply, 0, 7, "columns of the partition key");
	collection->hash_columns = trident_collection_join_names(*hash);
	collection->node = trident_node_own_uuid();
	return collection;
}

/* The name here of the node with that uuid. */
static char *
node_of(const char *uuid, const char *own, int number)
{
	const char *args[] = {uuid};
	TridentBaseSql sql;
	char	   *name;

	if (uuid && strcmp(uuid, own) == 0)
		return TRIDENT_NODE_LOCAL;
	trident_base_sql_begin_as_owner(&sql);
	name = trident_base_sql_value(
		"SELECT n.node FROM trident.node_setting n JOIN pg_foreign_server s ON s.srvname = n.node"
		" WHERE n.uuid = $1::uuid", 1, args);
	trident_base_sql_end(&sql);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the node of shard %d is not known here", number),
				 errdetail("Its uuid is %s.", uuid ? uuid : "not known there either"),
				 errhint("Add it with trident_node_add() and run trident_node_check().")));
	return name;
}

/* Is the statement of that kind, about the collection, and the only one? */
static Node *
parse_one(const TridentCollection *collection, const char *sql, NodeTag tag)
{
	List	   *parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	Node	   *statement = list_length(parsed) == 1 ?
		((RawStmt *) linitial(parsed))->stmt : NULL;
	RangeVar   *table;

	if (statement == NULL || nodeTag(statement) != tag)
		refuse_answer(collection->name, "more in it than a table");
	table = tag == T_CreateStmt ? ((CreateStmt *) statement)->relation :
		tag == T_AlterTableStmt ? ((AlterTableStmt *) statement)->relation :
		((IndexStmt *) statement)->relation;
	if (table->schemaname == NULL ||
		strcmp(quote_qualified_identifier(table->schemaname, table->relname),
			   collection->name) != 0)
		refuse_answer(collection->name, "another table in it");
	return statement;
}

/* Only NOT NULL and generation may be said of a column, only CHECK beside. */
static void
check_element(const TridentCollection *collection, Node *element)
{
	ListCell   *lc;

	if (IsA(element, Constraint) && ((Constraint *) element)->contype == CONSTR_CHECK)
		return;
	if (!IsA(element, ColumnDef))
		refuse_answer(collection->name, "more in it than columns and checks");
	foreach(lc, ((ColumnDef *) element)->constraints)
	{
		ConstrType	type = lfirst_node(Constraint, lc)->contype;

		if (type != CONSTR_NOTNULL && type != CONSTR_GENERATED)
			refuse_answer(collection->name, "a constraint or default in a column");
	}
}

/* CREATE TABLE of columns and checks, if it is nothing else. */
static void
check_table(const TridentCollection *collection, const char *sql)
{
	CreateStmt *create = (CreateStmt *) parse_one(collection, sql, T_CreateStmt);
	ListCell   *lc;

	if (create->partspec == NULL || create->inhRelations || create->partbound ||
		create->ofTypename || create->options || create->tablespacename ||
		create->accessMethod)
		refuse_answer(collection->name, "more in it than columns and checks");
	foreach(lc, create->tableElts)
		check_element(collection, lfirst(lc));
}

/* ALTER TABLE of one column or check, or CREATE INDEX, if it is nothing else. */
static void
check_addition(const TridentCollection *collection, const char *sql)
{
	AlterTableStmt *alter;
	AlterTableCmd *cmd;

	if (strncmp(sql, "CREATE INDEX ", strlen("CREATE INDEX ")) == 0)
	{
		(void) parse_one(collection, sql, T_IndexStmt);
		return;
	}
	alter = (AlterTableStmt *) parse_one(collection, sql, T_AlterTableStmt);
	cmd = linitial_node(AlterTableCmd, alter->cmds);
	if (list_length(alter->cmds) != 1)
		refuse_answer(collection->name, "more in it than columns and checks");
	if (cmd->subtype == AT_AddColumn || cmd->subtype == AT_AddConstraint)
		check_element(collection, cmd->def);
	else if (cmd->subtype != AT_SetNotNull && cmd->subtype != AT_DropNotNull)
		refuse_answer(collection->name, "more in it than columns and checks");
}

/*
 * An error if a check could do something: whoever inserts would run it.  What
 * columns and indexes compute is immutable, or the server refuses it.
 */
static void
check_checks(const TridentCollection *collection)
{
	const char *args[] = {collection->name};
	List	   *checks;
	ListCell   *lc;

	checks = trident_base_sql_list(
		"SELECT conbin FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'", 1, args);
	foreach(lc, checks)
	{
		if (contain_volatile_functions(stringToNode(lfirst(lc))))
			refuse_answer(collection->name, "a check with a volatile function");
	}
}

/* The table here, with its indexes and without partitions. */
static void
make_table(TridentCollection *collection, TridentExchangeSession *session,
		   const char *name)
{
	const TridentExchangeReply *reply;
	const char *args[] = {collection->name};
	char	   *statement;
	TridentBaseSql sql;

	trident_base_sql_begin(&sql);
	reply = ask(session, trident_collection_elements_query, name);
	statement = psprintf("CREATE TABLE %s (%s) PARTITION BY HASH (%s)", collection->name,
						 text_of(reply, 0, 0), collection->hash_columns);
	check_table(collection, statement);
	trident_base_sql_run(statement, 0, NULL);
	check_checks(collection);
	reply = ask(session, trident_collection_indexes_query, name);
	for (int i = 0; i < reply->nrows; i++)
	{
		statement = psprintf("CREATE INDEX %s ON %s %s", quote_identifier(text_of(reply, i, 0)),
							 collection->name, text_of(reply, i, 1));
		(void) parse_one(collection, statement, T_IndexStmt);
		trident_base_sql_run(statement, 0, NULL);
	}
	collection->oid = (Oid) strtoul(trident_base_sql_value("SELECT $1::regclass::oid", 1, args),
									NULL, 10);
	trident_base_sql_end(&sql);
}

/* Ask where its shards stand. */
static void
ask_shards(TridentExchangeSession *session, TridentCollection *collection,
		   const char *name)
{
	const TridentExchangeReply *reply = ask(session, shards_query, name);

	for (int i = 0; i < reply->nrows; i++)
	{
		int			number = pg_strtoint32(trident_exchange_text(reply, i, 0));
		const char *uuid = trident_exchange_value(reply, i, 1, NULL);
		char	   *holder = node_of(uuid ? uuid_of(reply, i, 1) : NULL,
									 collection->node, number);

		collection->shards = lappend(collection->shards,
									 trident_collection_shard_new(collection, number, holder));
	}
}

/* Make the collection of that name here as the node has it. */
static Oid
attach(const char *name, const char *node)
{
	TridentExchangeSession *session;
	TridentCollection *collection;
	List	   *hash;

	trident_node_require(list_make1(pstrdup(node)), 0);
	session = trident_exchange_session_open(trident_node_server(node), 0, 0);
	collection = ask_collection(session, name, node, &hash);
	if (strcmp(collection->home, collection->node) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this node is the home of collection %s", collection->name),
				 errhint("Attach it on other nodes.")));
	make_table(collection, session, name);
	trident_collection_check_hash(collection->oid, hash);
	ask_shards(session, collection, name);
	trident_exchange_session_close(session);
	for (int i = 0; i < list_length(collection->shards); i++)
	{
		if (i == 0)
			trident_collection_make_schema(NIL);
		trident_collection_attach_leaf(collection, list_nth(collection->shards, i));
	}
	trident_collection_register(collection);
	return collection->oid;
}

/* Drop the table here; shards that stand here stay, as tables of their own. */
static void
detach(const TridentCollection *collection)
{
	TridentBaseSql sql;
	ListCell   *lc;

	trident_collection_set_quiet(true);
	trident_base_sql_begin(&sql);
	foreach(lc, collection->shards)
	{
		TridentCollectionShard *shard = lfirst(lc);

		if (!OidIsValid(shard->server))
			trident_base_sql_run(psprintf("ALTER TABLE %s DETACH PARTITION %s", collection->name,
										  quote_qualified_identifier(TRIDENT_COLLECTION_SCHEMA,
																	 shard->table)), 0, NULL);
	}
	trident_base_sql_run(psprintf("DROP TABLE %s", collection->name), 0, NULL);
	trident_base_sql_end(&sql);
	trident_collection_unregister(collection->oid);
	trident_collection_set_quiet(false);
}

Datum
trident_collection_attach(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(attach(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						 NameStr(*PG_GETARG_NAME(1))));
}

Datum
trident_collection_detach(PG_FUNCTION_ARGS)
{
	TridentCollection *collection;

	relation_close(trident_collection_open(PG_GETARG_OID(0), AccessExclusiveLock), NoLock);
	collection = trident_collection_find(PG_GETARG_OID(0), false);
	if (strcmp(collection->home, trident_node_own_uuid()) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this node is the home of collection %s", collection->name),
				 errhint("Use trident_collection_undistribute(), or DROP TABLE to drop it with its rows.")));
	detach(collection);
	PG_RETURN_VOID();
}

/* The statements, of char *, one after another. */
static void
run_all(List *statements)
{
	TridentBaseSql sql;
	ListCell   *lc;

	trident_base_sql_begin(&sql);
	foreach(lc, statements)
		trident_base_sql_run(lfirst(lc), 0, NULL);
	trident_base_sql_end(&sql);
}

/* An error if what the home has now is not the collection attached here. */
static void
require_same(const TridentCollection *here, const TridentCollection *there,
			 const char *node)
{
	if (strcmp(here->id, there->id) != 0 || here->modulus != there->modulus ||
		strcmp(here->hash_columns, there->hash_columns) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("collection %s of node \"%s\" is another one than the one attached here",
						here->name, node),
				 errhint("Use trident_collection_detach(), and then trident_collection_attach().")));
}

/* The leaf is a leaf no more; one that is foreign is dropped. */
static void
remove_leaf(const TridentCollection *collection, const TridentCollectionShard *shard)
{
	char	   *leaf = trident_collection_table_name(shard->leaf);

	run_all(list_make1(psprintf("ALTER TABLE %s DETACH PARTITION %s", collection->name, leaf)));
	if (OidIsValid(shard->server))
		run_all(list_make1(psprintf("DROP FOREIGN TABLE %s", leaf)));
}

/*
 * Let the leaves be those of the home, and the table as it is there.  Where
 * that changes, no leaf is there meanwhile: a shard that stands here has had
 * the change from its home.
 */
static void
follow_home(const TridentCollection *here, TridentCollection *there,
			List *removals, List *additions)
{
	bool		changes = removals != NIL || additions != NIL;
	List	   *leaves = list_copy(there->shards);
	ListCell   *lc;

	foreach(lc, here->shards)
	{
		TridentCollectionShard *old = lfirst(lc);
		TridentCollectionShard *same = NULL;
		ListCell   *other;

		foreach(other, there->shards)
		{
			TridentCollectionShard *shard = lfirst(other);

			if (!changes && shard->number == old->number && shard->server == old->server)
				same = shard;
		}
		if (same)
			leaves = list_delete_ptr(leaves, same);
		else
			remove_leaf(here, old);
	}
	run_all(removals);
	run_all(additions);
	if (additions != NIL)
	{
		TridentBaseSql sql;

		trident_base_sql_begin(&sql);
		check_checks(there);
		trident_base_sql_end(&sql);
	}
	foreach(lc, leaves)
		trident_collection_attach_leaf(there, lfirst(lc));
}

void
trident_collection_reattach(const TridentCollection *collection)
{
	char	   *node = node_of(collection->home, collection->node, 0);
	TridentExchangeSession *session;
	const TridentExchangeReply *reply;
	TridentCollection *there;
	List	   *hash;
	List	   *removals;
	List	   *additions;
	ListCell   *lc;

	trident_node_require(list_make1(node), 0);
	session = trident_exchange_session_open(trident_node_server(node), 0, 0);
	there = ask_collection(session, collection->name, node, &hash);
	require_same(collection, there, node);
	there->oid = collection->oid;
	reply = ask(session, trident_collection_inventory_query, collection->name);
	trident_collection_changes(collection, trident_collection_inventory(collection->oid),
							   trident_collection_inventory_read(reply),
							   &removals, &additions);
	foreach(lc, additions)
		check_addition(collection, lfirst(lc));
	ask_shards(session, there, collection->name);
	trident_exchange_session_close(session);

	trident_collection_set_quiet(true);
	follow_home(collection, there, removals, additions);
	trident_collection_set_quiet(false);
	if (strcmp(collection->home, there->home) != 0)
	{
		trident_collection_unregister(collection->oid);
		trident_collection_register(there);
	}
}
