/*
 * greet.c
 *	  The handshake: who a node is, before anything is asked of it.
 *
 * Two questions in one round trip, each in a transaction of its own, since
 * the second fails where trident is not installed.  A node that the registry
 * knows must present the uuid recorded there, which catches names that lead
 * elsewhere and copies of other nodes, and a trident of the same release.  Of
 * a server that is in no registry nothing is required.
 */
#include "postgres.h"

#include <unistd.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/error.h"
#include "exchange/conn.h"

PG_FUNCTION_INFO_V1(trident_exchange_processors);

static const char facts_question[] =
"SELECT current_setting('server_version_num'), pg_is_in_recovery(),"
" getdatabaseencoding(), (SELECT system_identifier FROM pg_control_system()),"
" (SELECT oid FROM pg_database WHERE datname = current_database()),"
" (SELECT extversion FROM pg_extension WHERE extname = 'trident'),"
" (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
" WHERE extname = 'trident')";

static const char uuid_question[] =
"SELECT uuid, trident.processors() FROM trident.node_identity";

bool
trident_exchange_greet_send(PGconn *pg)
{
	return PQsendQueryParams(pg, facts_question, 0, NULL, NULL, NULL, NULL, 0) &&
		PQpipelineSync(pg) &&
		PQsendQueryParams(pg, uuid_question, 0, NULL, NULL, NULL, NULL, 0) &&
		PQpipelineSync(pg);
}

/* The other side of the second question. */
Datum
trident_exchange_processors(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(sysconf(_SC_NPROCESSORS_ONLN));
}

/* 32 hexadecimal digits, with or without dashes; false: it is no uuid. */
static bool
parse_uuid(const char *text, pg_uuid_t *uuid)
{
	int			n = 0;

	for (; *text; text++)
	{
		const char *digits = "0123456789abcdef";
		const char *digit;

		if (*text == '-')
			continue;
		digit = strchr(digits, *text);
		if (digit == NULL || n == 2 * UUID_LEN)
			return false;
		if (n % 2 == 0)
			uuid->data[n / 2] = (digit - digits) << 4;
		else
			uuid->data[n / 2] |= digit - digits;
		n++;
	}
	return n == 2 * UUID_LEN;
}

/* Copy a text; what is none in our encoding, or is cut into none, is empty. */
static void
take_text(char *to, const PGresult *result, int column)
{
	strlcpy(to, PQgetvalue(result, 0, column), NAMEDATALEN);
	if (!pg_verifymbstr(to, strlen(to), true))
		to[0] = '\0';
}

void
trident_exchange_greet_take(TridentExchangeConn *conn, const PGresult *result)
{
	TridentExchangeFacts *facts = &conn->facts;

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		return;
	if (PQnfields(result) == 7)
	{
		facts->server_version_num = strtol(PQgetvalue(result, 0, 0), NULL, 10);
		facts->in_recovery = PQgetvalue(result, 0, 1)[0] == 't';
		take_text(facts->encoding, result, 2);
		facts->system_identifier = strtoull(PQgetvalue(result, 0, 3), NULL, 10);
		facts->database = strtoul(PQgetvalue(result, 0, 4), NULL, 10);
		take_text(facts->extension_version, result, 5);
		take_text(facts->install_schema, result, 6);
	}
	else if (PQnfields(result) == 2)
	{
		facts->has_uuid = parse_uuid(PQgetvalue(result, 0, 0), &facts->uuid);
		facts->processors = strtol(PQgetvalue(result, 0, 1), NULL, 10);
	}
}

/* "0.1" of "0.1.0": releases that differ in what follows talk to each other. */
static size_t
release_length(const char *version)
{
	const char *dot = strchr(version, '.');

	if (dot)
		dot = strchr(dot + 1, '.');
	return dot ? (size_t) (dot - version) : strlen(version);
}

static void
refuse(TridentExchangeConn *conn, const char *message, const char *hint)
{
	trident_exchange_conn_fail(conn, TRIDENT_EXCHANGE_FROM_HANDSHAKE,
							   TRIDENT_ERRCODE_EXCHANGE_HANDSHAKE, message, hint);
}

bool
trident_exchange_greet_check(TridentExchangeConn *conn)
{
	TridentExchangeFacts *facts = &conn->facts;
	const char *version = facts->extension_version;
	char		message[256];

	facts->connect_ms = (GetCurrentTimestamp() - conn->started_at) / 1000.0;
	if (facts->server_version_num == 0)
	{
		refuse(conn, "the node does not answer the handshake",
			   "Check that the node is a PostgreSQL server, and its log.");
		return false;
	}
	if (!conn->has_uuid)
		return true;

	if (version[0] == '\0')
	{
		refuse(conn, "trident is not installed in the node's database",
			   "Run CREATE EXTENSION trident there.");
		return false;
	}
	if (release_length(version) != release_length(TRIDENT_BASE_VERSION) ||
		strncmp(version, TRIDENT_BASE_VERSION, release_length(version)) != 0)
	{
		snprintf(message, sizeof(message),
				 "the node has trident %s, this server %s", version, TRIDENT_BASE_VERSION);
		refuse(conn, message,
			   "Install the same release on both, then run ALTER EXTENSION trident UPDATE.");
		return false;
	}
	if (!facts->has_uuid || memcmp(&facts->uuid, &conn->uuid, sizeof(pg_uuid_t)) != 0)
	{
		refuse(conn, "another database answers than the one registered as this node",
			   "If the server's options are right, remove the node and add it again; "
			   "after copying a node, run trident_node_new_identity() on the copy.");
		return false;
	}
	return true;
}
