/*
 * raise.c
 *	  The errors of replies, as PostgreSQL's own: every failure of a node
 *	  reaches a user through here.
 *
 * What a node says is quoted as its own words, never taken for ours: it may
 * have been said before the other end was known.
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "lib/stringinfo.h"

#include "base/compat.h"
#include "exchange/exchange.h"

const char *
trident_exchange_node_name(Oid node)
{
	ForeignServer *server = GetForeignServerExtended(node, FSV_MISSING_OK);

	return server ? server->servername : psprintf("OID %u, dropped since", node);
}

const char *
trident_exchange_origin_name(TridentExchangeOrigin origin)
{
	static const char *const names[] = {
		"remote", "connect", "handshake", "timeout", "breaker", "limit"
	};

	return names[origin];
}

/* The primary message. */
static char *
primary(const TridentExchangeReply *reply)
{
	const char *node = trident_exchange_node_name(reply->node);

	switch (reply->origin)
	{
		case TRIDENT_EXCHANGE_FROM_REMOTE:
			return psprintf("node \"%s\" raised an error: %s", node, reply->message);
		case TRIDENT_EXCHANGE_FROM_CONNECT:
			return psprintf("could not reach node \"%s\"", node);
		case TRIDENT_EXCHANGE_FROM_HANDSHAKE:
			return psprintf("cannot use node \"%s\": %s", node, reply->message);
		case TRIDENT_EXCHANGE_FROM_TIMEOUT:
			return psprintf("node \"%s\" did not answer in time", node);
		case TRIDENT_EXCHANGE_FROM_BREAKER:
			return psprintf("node \"%s\" was not asked, since it failed moments ago", node);
		case TRIDENT_EXCHANGE_FROM_LIMIT:
			break;
	}
	return psprintf("could not ask node \"%s\": %s", node, reply->message);
}

/* What it or the network said, and after how long. */
static char *
detail(const TridentExchangeReply *reply)
{
	StringInfoData buf;

	initStringInfo(&buf);
	switch (reply->origin)
	{
		case TRIDENT_EXCHANGE_FROM_REMOTE:
			appendStringInfo(&buf, "It came with SQLSTATE %s", unpack_sql_state(reply->sqlstate));
			if (reply->detail)
				appendStringInfo(&buf, " and the detail \"%s\"", reply->detail);
			break;
		case TRIDENT_EXCHANGE_FROM_CONNECT:
			appendStringInfo(&buf, "The reason given was \"%s\"", reply->message);
			break;
		case TRIDENT_EXCHANGE_FROM_BREAKER:
			appendStringInfo(&buf, "The reason given then was \"%s\"",
							 reply->detail ? reply->detail : "");
			break;
		case TRIDENT_EXCHANGE_FROM_LIMIT:
			appendStringInfoString(&buf, "It was given up");
			break;
		default:
			appendStringInfo(&buf, "There was %s", reply->message);
			break;
	}
	appendStringInfo(&buf, ", after %.1f ms", reply->ms);
	if (reply->attempts > 1)
		appendStringInfo(&buf, " and %d attempts", reply->attempts);
	appendStringInfoChar(&buf, '.');
	return buf.data;
}

static const char *
hint(const TridentExchangeReply *reply)
{
	if (reply->hint)
		return reply->hint;
	if (reply->origin == TRIDENT_EXCHANGE_FROM_REMOTE)
		return "See the server log of the node.";
	return "Check that the node runs, and what trident_node_check() says of it.";
}

void
trident_exchange_raise(int elevel, const TridentExchangeReply *reply)
{
	ereport(elevel,
			(errcode(reply->sqlstate),
			 errmsg_internal("%s", primary(reply)),
			 reply->origin == TRIDENT_EXCHANGE_FROM_HANDSHAKE ? 0
			 : errdetail_internal("%s", detail(reply)),
			 errhint("%s", hint(reply)),
			 reply->purpose ? errcontext("%s", reply->purpose) : 0));
}
