/*
 * source.c
 *	  A source: a foreign server of trident_sftp and one role's user mapping.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/guc.h"
#include "ingest/option.h"
#include "ingest/source.h"

/* A private key in a file is not longer than this. */
#define KEY_FILE_MAX (64 * 1024)

bool
trident_ingest_source_is_wrapper(Oid wrapper_id)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(wrapper_id);

	return strcmp(wrapper->fdwname, TRIDENT_INGEST_WRAPPER) == 0;
}

char *
trident_ingest_source_target_text(List *server_options)
{
	const char *host_key = trident_ingest_option(server_options, "host_key");

	return psprintf("%s:%d %s",
					trident_ingest_option(server_options, "host"),
					trident_ingest_option_int(server_options, "port", TRIDENT_INGEST_DEFAULT_PORT),
					host_key ? host_key : "-");
}

/* The server of this name, if it is one of ours and the role may use it. */
static ForeignServer *
find_server(const char *name, Oid role)
{
	ForeignServer *server = GetForeignServerByName(name, true);

	if (!server)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" does not exist", name),
				 errhint("Create it: CREATE SERVER %s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host '...').",
						 quote_identifier(name))));
	if (!trident_ingest_source_is_wrapper(server->fdwid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("foreign server \"%s\" is not a source", name),
				 errhint("Name a foreign server of the foreign data wrapper trident_sftp.")));
	if (TridentServerAclCheck(server->serverid, role, ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for source \"%s\"", name),
				 errhint("Its owner grants the right: GRANT USAGE ON FOREIGN SERVER %s TO %s.",
						 quote_identifier(name),
						 quote_identifier(GetUserNameFromId(role, false)))));
	return server;
}

/* The options of the role's user mapping, or PUBLIC's; whose, and its OID. */
static List *
find_mapping(ForeignServer *server, Oid role, Oid *mapping_id, Oid *mapping_role)
{
	HeapTuple	tuple;
	Datum		options;
	bool		is_null;
	List	   *list;

	*mapping_role = role;
	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(role),
							ObjectIdGetDatum(server->serverid));
	if (!HeapTupleIsValid(tuple))
	{
		*mapping_role = InvalidOid;
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server->serverid));
	}
	if (!HeapTupleIsValid(tuple))
	{
		const char *user = GetUserNameFromId(role, false);

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" has no user mapping for source \"%s\"", user, server->servername),
				 errhint("Create it: CREATE USER MAPPING FOR %s SERVER %s OPTIONS (user '...', private_key '...').",
						 quote_identifier(user), quote_identifier(server->servername))));
	}
	*mapping_id = ((Form_pg_user_mapping) GETSTRUCT(tuple))->oid;
	options = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							  Anum_pg_user_mapping_umoptions, &is_null);
	list = is_null ? NIL : untransformRelOptions(options);
	ReleaseSysCache(tuple);
	return list;
}

/* Has the mapping's role agreed to where the server leads? */
static void
check_confirmed(ForeignServer *server, List *mapping, Oid mapping_role)
{
	const char *confirmed = trident_ingest_option(mapping, "confirmed");
	char	   *target;

	/* What the owner may read or send elsewhere anyway needs no consent. */
	if (!OidIsValid(mapping_role) || mapping_role == server->owner)
		return;
	target = trident_ingest_source_target_text(server->options);
	if (confirmed && strcmp(confirmed, target) == 0)
		return;
	ereport(ERROR,
			(errcode(TRIDENT_ERRCODE_INGEST_UNCONFIRMED),
			 errmsg("source \"%s\" leads elsewhere since the user mapping was confirmed", server->servername),
			 errdetail("It leads to %s now; what was confirmed is %s.",
					   target, confirmed ? confirmed : "nothing"),
			 errhint("If your credentials may go there, confirm: SELECT trident_sftp_confirm(%s).",
					 quote_literal_cstr(server->servername))));
}

/* Contents of the file that a superuser named; errors do not show its path. */
static char *
read_key_file(const char *path, const char *source)
{
	FILE	   *file = AllocateFile(path, "r");
	char	   *key;
	size_t		length;

	if (!file)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open the private key file of source \"%s\": %m", source),
				 errhint("Let the operating system's user of the database server read the file that the option private_key_file names.")));
	key = palloc(KEY_FILE_MAX + 1);
	length = fread(key, 1, KEY_FILE_MAX + 1, file);
	if (ferror(file) || length > KEY_FILE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the private key file of source \"%s\" is none", source),
				 errhint("Name a file that ssh-keygen wrote in the option private_key_file.")));
	FreeFile(file);
	key[length] = '\0';
	return key;
}

TridentIngestSettings
trident_ingest_source_settings(void)
{
	TridentIngestSettings settings;

	settings.connect_timeout_ms = trident_base_ingest_connect_timeout;
	settings.request_timeout_ms = trident_base_ingest_request_timeout;
	settings.connections = trident_base_ingest_connections;
	settings.files = trident_base_ingest_files;
	return settings;
}

TridentIngestSource *
trident_ingest_source_load(const char *name, Oid role, const TridentIngestSettings *settings)
{
	ForeignServer *server = find_server(name, role);
	TridentIngestSource *source = palloc0(sizeof(TridentIngestSource));
	Oid			mapping_role;
	List	   *mapping = find_mapping(server, role, &source->mapping_id, &mapping_role);
	const char *key_file = trident_ingest_option(mapping, "private_key_file");

	check_confirmed(server, mapping, mapping_role);
	source->server_id = server->serverid;
	source->server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID,
												ObjectIdGetDatum(source->server_id));
	source->mapping_hash = GetSysCacheHashValue1(USERMAPPINGOID,
												 ObjectIdGetDatum(source->mapping_id));
	source->name = server->servername;
	source->target.source = quote_identifier(server->servername);
	source->target.host = trident_ingest_option(server->options, "host");
	source->target.port = trident_ingest_option_int(server->options, "port", TRIDENT_INGEST_DEFAULT_PORT);
	source->target.host_key = trident_ingest_option(server->options, "host_key");
	source->target.compression = trident_ingest_option_bool(server->options, "compression", false);
	source->target.timeout_ms = settings->connect_timeout_ms;
	source->target.user = trident_ingest_option(mapping, "user");
	source->target.password = trident_ingest_option(mapping, "password");
	source->target.private_key = key_file ? read_key_file(key_file, name) :
		trident_ingest_option(mapping, "private_key");
	source->target.passphrase = trident_ingest_option(mapping, "passphrase");
	source->connections = trident_ingest_option_int(server->options, "connections",
													settings->connections);
	source->files = trident_ingest_option_int(server->options, "files", settings->files);
	source->request_timeout_ms = settings->request_timeout_ms;
	source->bandwidth_kb = trident_ingest_option_int(server->options, "bandwidth", 0);

	if (!source->target.user || (!source->target.password && !source->target.private_key))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("user mapping for source \"%s\" has no credentials", name),
				 errhint("Set its options user, and private_key or password.")));
	return source;
}
