/*
 * rename.c
 *	  A node gets a name: not that of this database; and what is known of one
 *	  that gets another follows.
 *
 * A node's settings stand by its name, since that is what a dump has of a
 * server.  ALTER SERVER ... RENAME is PostgreSQL's own command; without this
 * the renamed node would lose the uuid that it must present.
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/foreign.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"

#include "base/compat.h"
#include "base/event.h"
#include "base/sql.h"
#include "exchange/exchange.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(trident_node_ddl_end);

/* Tables that have nodes by name, in column node. */
static const char *const tables[] = {
	"trident.node_setting", "trident.node_seen", "trident.collection_leftover"
};

void
trident_node_check_name(const char *name)
{
	if (trident_node_is_local(name))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("node name \"%s\" means this database", name),
				 errhint("Choose another name.")));
}

/* The settings of a node go over to its new name. */
static void
follow(const char *old, const char *new)
{
	const char *args[] = {old, new};
	TridentBaseSql sql;

	trident_base_sql_begin_as_owner(&sql);
	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		/* of a server of that name which is dropped: there cannot be another */
		trident_base_sql_run(psprintf("DELETE FROM %s WHERE node = $2::name AND $1 <> $2",
									  tables[i]), 2, args);
		trident_base_sql_run(psprintf("UPDATE %s SET node = $2::name WHERE node = $1::name",
									  tables[i]), 2, args);
	}
	trident_base_sql_end(&sql);
}

Datum
trident_node_ddl_end(PG_FUNCTION_ARGS)
{
	Node	   *statement = trident_base_event(fcinfo)->parsetree;
	const char *name = NULL;
	ForeignServer *server;

	if (IsA(statement, CreateForeignServerStmt))
		name = ((CreateForeignServerStmt *) statement)->servername;
	else if (IsA(statement, RenameStmt) &&
			 ((RenameStmt *) statement)->renameType == OBJECT_FOREIGN_SERVER)
		name = ((RenameStmt *) statement)->newname;
	if (name == NULL)
		PG_RETURN_NULL();
	server = GetForeignServerByName(name, true);
	if (server && trident_exchange_is_node(server))
		trident_node_check_name(name);
	if (IsA(statement, RenameStmt))
		follow(strVal(((RenameStmt *) statement)->object), name);
	PG_RETURN_NULL();
}
