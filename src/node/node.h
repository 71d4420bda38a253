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

/* The uuid of this database, as text, palloc'd. */
extern char *trident_node_own_uuid(void);

/*
 * Connect to nodes (of char *) and compare them with this one; raise the
 * first thing that is not as it must be, with what to do about it.
 */
extern void trident_node_require(List *names);

#endif							/* TRIDENT_NODE_NODE_H */
