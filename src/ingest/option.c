/*
 * option.c
 *	  Options of sources and of their user mappings.
 *
 * Secrets belong into user mappings, which only their role and superusers
 * read; the validator refuses them elsewhere, without repeating their value.
 * Who may set which option of a mapping is decided in confirm.c.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "ingest/option.h"
#include "ingest/ssh.h"

typedef enum OptionKind
{
	OPTION_TEXT,
	OPTION_NUMBER,
	OPTION_CLAIM,
	OPTION_HOST_KEY
} OptionKind;

typedef struct Option
{
	const char *name;
	Oid			catalog;		/* whose option it is */
	OptionKind	kind;
	int			least;			/* of a number */
	int			most;
} Option;

static const Option known_options[] = {
	{"host", ForeignServerRelationId, OPTION_TEXT, 0, 0},
	{"port", ForeignServerRelationId, OPTION_NUMBER, 1, 65535},
	{"host_key", ForeignServerRelationId, OPTION_HOST_KEY, 0, 0},
	{"compression", ForeignServerRelationId, OPTION_CLAIM, 0, 0},
	{"connections", ForeignServerRelationId, OPTION_NUMBER, 1, 16},
	{"files", ForeignServerRelationId, OPTION_NUMBER, 1, 4096},
	{"bandwidth", ForeignServerRelationId, OPTION_NUMBER, 0, 10 * 1024 * 1024},
	{"user", UserMappingRelationId, OPTION_TEXT, 0, 0},
	{"password", UserMappingRelationId, OPTION_TEXT, 0, 0},
	{"private_key", UserMappingRelationId, OPTION_TEXT, 0, 0},
	{"private_key_file", UserMappingRelationId, OPTION_TEXT, 0, 0},
	{"passphrase", UserMappingRelationId, OPTION_TEXT, 0, 0},
	{"confirmed", UserMappingRelationId, OPTION_TEXT, 0, 0}
};

const char *
trident_ingest_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

int
trident_ingest_option_int(List *options, const char *name, int absent)
{
	const char *value = trident_ingest_option(options, name);

	return value ? (int) strtol(value, NULL, 10) : absent;
}

bool
trident_ingest_option_bool(List *options, const char *name, bool absent)
{
	const char *value = trident_ingest_option(options, name);
	bool		result;

	return value && parse_bool(value, &result) ? result : absent;
}

/* The names that options of a catalog may have, for a hint. */
static char *
valid_names(Oid catalog)
{
	StringInfoData names;

	initStringInfo(&names);
	for (size_t i = 0; i < lengthof(known_options); i++)
		if (known_options[i].catalog == catalog)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", known_options[i].name);
	return names.data;
}

static const Option *
find_option(const char *name, Oid catalog)
{
	for (size_t i = 0; i < lengthof(known_options); i++)
	{
		if (strcmp(known_options[i].name, name) != 0)
			continue;
		if (known_options[i].catalog == catalog)
			return &known_options[i];
		if (known_options[i].catalog == UserMappingRelationId)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("option \"%s\" belongs into a user mapping", name),
					 errdetail("Options of a foreign server can be read by everybody."),
					 errhint("Set it with CREATE USER MAPPING or ALTER USER MAPPING.")));
	}
	if (catalog == ForeignServerRelationId || catalog == UserMappingRelationId)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", name),
				 errhint("Valid options here are: %s.", valid_names(catalog))));
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 errhint("Set options of a foreign server or a user mapping of trident_sftp instead.")));
	pg_unreachable();
}

static void
check_value(const Option *option, const char *value)
{
	bool		claim;
	char	   *end;
	long		number;

	switch (option->kind)
	{
		case OPTION_TEXT:
			if (value[0] == '\0')
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_STRING_FORMAT),
						 errmsg("option \"%s\" must not be empty", option->name),
						 errhint("Leave the option out instead.")));
			break;
		case OPTION_NUMBER:
			errno = 0;
			number = strtol(value, &end, 10);
			if (end == value || *end != '\0' || errno != 0 ||
				number < option->least || number > option->most)
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						 errmsg("invalid value for option \"%s\": \"%s\"", option->name, value),
						 errhint("Give a whole number from %d to %d.", option->least, option->most)));
			break;
		case OPTION_CLAIM:
			if (!parse_bool(value, &claim))
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						 errmsg("invalid value for option \"%s\": \"%s\"", option->name, value),
						 errhint("Give true or false.")));
			break;
		case OPTION_HOST_KEY:
			if (!trident_ingest_host_key_is_valid(value))
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						 errmsg("option \"%s\" has an entry that is no host key", option->name),
						 errdetail("Entries are fingerprints such as SHA256:..., public keys, or lines of known_hosts without markers, separated by commas or line feeds."),
						 errhint("Ask trident_sftp_host_key() for the fingerprints of a server.")));
			break;
	}
}

PG_FUNCTION_INFO_V1(trident_ingest_validator);

/* The validator of trident_sftp: (options text[], catalog oid). */
Datum
trident_ingest_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *element = lfirst(cell);
		const Option *option = find_option(element->defname, catalog);

		check_value(option, defGetString(element));
	}
	if (catalog == ForeignServerRelationId && !trident_ingest_option(options, "host"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"host\" is missing"),
				 errhint("Name the SFTP server: OPTIONS (host 'sftp.example.org', ...).")));
	if (catalog == UserMappingRelationId &&
		trident_ingest_option(options, "private_key") &&
		trident_ingest_option(options, "private_key_file"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("options \"private_key\" and \"private_key_file\" exclude each other"),
				 errhint("Drop one of them.")));
	PG_RETURN_VOID();
}
