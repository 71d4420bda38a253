/*
 * remote.h
 *	  The transactions on nodes that go with one here, between the file that
 *	  makes them and the one that ends them.
 */
#ifndef TRIDENT_COLLECTION_REMOTE_H
#define TRIDENT_COLLECTION_REMOTE_H

#include "collection/shard.h"

/* What gids of prepared transactions begin with; our uuid follows. */
#define TRIDENT_COLLECTION_GID "trident_collection_"

typedef enum TridentCollectionPhase
{
	TRIDENT_COLLECTION_OPEN,
	TRIDENT_COLLECTION_PREPARING,	/* asked to; the answer was not read */
	TRIDENT_COLLECTION_PREPARED,
	TRIDENT_COLLECTION_ENDED,
	TRIDENT_COLLECTION_LOST		/* nothing more is done; it may not have ended */
} TridentCollectionPhase;

struct TridentCollectionLink
{
	const char *node;
	Oid			server;
	Oid			role;
	int			lane;
	TridentExchangeSession *session;
	const char *home;			/* our uuid */
	int			max_prepared;	/* max_prepared_transactions there */
	bool		is_unpreparable;	/* it has used a temporary table */
	bool		ends_late;		/* after our commit, with what is left to do */
	bool		is_last;		/* was to end late, and is prepared with the rest */
	List	   *afters;			/* statements for after our commit, of char * */
	TridentCollectionPhase phase;
	char	   *gid;			/* from PREPARING on */
};

/* The links of this transaction, of TridentCollectionLink *. */
extern List *trident_collection_links(void);

/* Close and forget them; what is open there is rolled back. */
extern void trident_collection_close_links(void);

/* The subtransaction is aborted: so is what it has set quiet. */
extern void trident_collection_forget_quiet(SubTransactionId subid);

/* lock_timeout for sessions on nodes, in ms, as text; palloc'd. */
extern char *trident_collection_lock_timeout(void);

#endif							/* TRIDENT_COLLECTION_REMOTE_H */
