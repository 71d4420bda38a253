/*
 * confirm.c
 *	  Consent of a role to where its credentials are sent, and who may set which
 *	  options of a user mapping.
 *
 * The option "confirmed" of a user mapping is written here only: by the event
 * trigger when the mapping is created, since who creates it gives the
 * credentials and can see where the server leads; and by the mapping's own
 * role, by trident_sftp_confirm().  A command that names the option is refused
 * by the event trigger, unless a superuser gives it, as one who restores a
 * dump does.
 *
 * So is one that names a file of the server for a private key.  Such a mapping
 * is its role's otherwise: it may confirm it, change the rest, and drop the
 * file.  A validator could not tell these apart, for it sees the options that
 * there will be, not which of them a command sets.  The trigger fires always,
 * whatever session_replication_role is.
 */
#include "postgres.h"

#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/event.h"
#include "ingest/option.h"
#include "ingest/source.h"

/* Set the option of a mapping, whoever the current role is. */
static void
set_confirmed(ForeignServer *server, RoleSpec *role, bool is_set, char *target)
{
	AlterUserMappingStmt *statement = makeNode(AlterUserMappingStmt);

	statement->user = role;
	statement->servername = server->servername;
	statement->options = list_make1(makeDefElemExtended(NULL, "confirmed",
														(Node *) makeString(target),
														is_set ? DEFELEM_SET : DEFELEM_ADD, -1));
	AlterUserMapping(statement);
}

/* Did the command create a mapping, or was there one before? */
static bool
has_created(void)
{
	bool		created;

	SPI_connect();
	if (SPI_execute("SELECT 1 FROM pg_catalog.pg_event_trigger_ddl_commands() c"
					" WHERE c.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_user_mapping'::pg_catalog.regclass",
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not ask what the command did");
	created = SPI_processed > 0;
	SPI_finish();
	return created;
}

/* Is the server a source? */
static bool
is_source(const ForeignServer *server)
{
	return server && trident_ingest_source_is_wrapper(server->fdwid);
}

/* A command gives these options: an error where its role may not. */
static void
check_options(List *options)
{
	ListCell   *cell;

	if (superuser())
		return;
	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, "confirmed") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("option \"%s\" cannot be set by hand", option->defname),
					 errhint("The mapping's role calls trident_sftp_confirm().")));
		if (strcmp(option->defname, "private_key_file") == 0 &&
			option->defaction != DEFELEM_DROP)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("only superusers may set option \"%s\"", option->defname),
					 errdetail("The file is read with the rights of the server."),
					 errhint("Put the key itself into the option private_key.")));
	}
}

PG_FUNCTION_INFO_V1(trident_ingest_mapping_changed);

/* Event trigger at the end of CREATE and ALTER USER MAPPING. */
Datum
trident_ingest_mapping_changed(PG_FUNCTION_ARGS)
{
	Node	   *command = trident_base_event(fcinfo)->parsetree;
	CreateUserMappingStmt *statement;
	ForeignServer *server;

	if (IsA(command, AlterUserMappingStmt))
	{
		AlterUserMappingStmt *change = (AlterUserMappingStmt *) command;

		if (is_source(GetForeignServerByName(change->servername, true)))
			check_options(change->options);
	}
	if (!IsA(command, CreateUserMappingStmt))
		PG_RETURN_VOID();
	statement = (CreateUserMappingStmt *) command;
	server = GetForeignServerByName(statement->servername, true);
	if (!is_source(server) || !has_created())
		PG_RETURN_VOID();
	check_options(statement->options);

	/* A dump brings what was confirmed where it was made. */
	if (trident_ingest_option(statement->options, "confirmed"))
		PG_RETURN_VOID();
	set_confirmed(server, statement->user, false,
				  trident_ingest_source_target_text(server->options));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(trident_sftp_confirm);

Datum
trident_sftp_confirm(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ForeignServer *server = GetForeignServerByName(name, false);
	RoleSpec   *role = makeNode(RoleSpec);
	char	   *target = trident_ingest_source_target_text(server->options);
	UserMapping *mapping;

	if (!is_source(server))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("foreign server \"%s\" is not a source", name),
				 errhint("Name a foreign server of the foreign data wrapper trident_sftp.")));
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(GetUserId()),
							   ObjectIdGetDatum(server->serverid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" has no user mapping of its own for source \"%s\"",
						GetUserNameFromId(GetUserId(), false), name),
				 errhint("Create one with CREATE USER MAPPING FOR CURRENT_USER, which confirms it too; a mapping for PUBLIC needs no confirmation.")));
	mapping = GetUserMapping(GetUserId(), server->serverid);
	role->roletype = ROLESPEC_CURRENT_USER;
	role->location = -1;
	set_confirmed(server, role, trident_ingest_option(mapping->options, "confirmed") != NULL, target);
	PG_RETURN_TEXT_P(cstring_to_text(target));
}
