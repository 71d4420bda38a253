/*
 * node.h
 *	  The nodes of the fleet, as other folders see them.
 *
 * A node is a postgres_fdw server.  This database itself is the node "local"
 * wherever nodes are named.
 */
#ifndef TRIDENT_NODE_NODE_H
#define TRIDENT_NODE_NODE_H

#include "nodes/pg_list.h"

/* What this database calls itself. */
#define TRIDENT_NODE_LOCAL "local"

/* Is it this database? */
extern bool trident_node_is_local(const char *name);

/*
 * OID of the server of a node, InvalidOid for the local one.  An error with a
 * hint unless it is a server of postgres_fdw that the caller may use.
 */
extern Oid	trident_node_server(const char *name);

/* An error if the name is that of this database, and no node's. */
extern void trident_node_check_name(const char *name);

/* The uuid of this database, as text, palloc'd. */
extern char *trident_node_own_uuid(void);

/* What trident_node_require asks of nodes beyond being of this fleet. */
#define TRIDENT_NODE_NEEDS_WRITES		0x01	/* shards are made there */
#define TRIDENT_NODE_NEEDS_COLLATION	0x02	/* text is compared there */

/*
 * Connect to nodes (of char *) as the current role and compare them with this
 * one; raise the first thing that is not as it must be, with what to do.
 */
extern void trident_node_require(List *names, int needs);

/* Called once, by _PG_init, after the exchange. */
extern void trident_node_init(void);

#endif							/* TRIDENT_NODE_NODE_H */
