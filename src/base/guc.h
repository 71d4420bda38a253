/*
 * guc.h
 *	  The settings of trident: their variables, and the one call that
 *	  defines them.
 *
 * A setting is read anywhere and assigned only by guc.c.  Its name carries
 * its capability: trident.<capability>_<noun>.
 */
#ifndef TRIDENT_BASE_GUC_H
#define TRIDENT_BASE_GUC_H

/* trident.exchange_mode: who runs calls to nodes. */
typedef enum TridentBaseExchangeMode
{
	TRIDENT_BASE_EXCHANGE_MODE_AUTO,	/* the worker, else the backend */
	TRIDENT_BASE_EXCHANGE_MODE_WORKER,	/* the worker, else an error */
	TRIDENT_BASE_EXCHANGE_MODE_DIRECT	/* the backend */
} TridentBaseExchangeMode;

/* trident.exchange_bundle_size: calls in one statement at most, and its bound. */
#define TRIDENT_BASE_EXCHANGE_MAX_BUNDLE 64
extern int	trident_base_exchange_bundle_size;

/* trident.exchange_connect_timeout: ms until a connection is established. */
extern int	trident_base_exchange_connect_timeout;

/* trident.exchange_idle_timeout: ms that an unused connection is kept; 0: ever. */
extern int	trident_base_exchange_idle_timeout;

/* trident.exchange_lifetime: ms that a connection is used; 0: for ever. */
extern int	trident_base_exchange_lifetime;

/* trident.exchange_memory: kB of shared memory for calls and replies. */
extern int	trident_base_exchange_memory;

extern int	trident_base_exchange_mode;

/* trident.exchange_pool_size: connections to one host and port at most. */
extern int	trident_base_exchange_pool_size;

/* trident.exchange_reply_size: kB of one answer at most. */
extern int	trident_base_exchange_reply_size;

/* trident.exchange_timeout: ms until a call without a deadline is given up. */
extern int	trident_base_exchange_timeout;

/* trident.index_order: what becomes of rows that a scan finds late. */
typedef enum TridentBaseIndexOrder
{
	TRIDENT_BASE_INDEX_ORDER_AUTO,	/* returned last */
	TRIDENT_BASE_INDEX_ORDER_STRICT /* left out */
} TridentBaseIndexOrder;

extern int	trident_base_index_order;

/* trident.index_probes: lists to probe; 0: what index_target_recall needs. */
extern int	trident_base_index_probes;

/* trident.index_target_recall: the recall that a scan aims at; 1: exact. */
extern double trident_base_index_target_recall;

/* trident.ingest_connect_timeout: for each phase of connecting; ms. */
extern int	trident_base_ingest_connect_timeout;

/* trident.ingest_connections: SSH connections to one host. */
extern int	trident_base_ingest_connections;

/* trident.ingest_files: files open at once on one connection. */
extern int	trident_base_ingest_files;

/* trident.ingest_idle_timeout: how long a connection is kept; ms. */
extern int	trident_base_ingest_idle_timeout;

/* trident.ingest_memory: kB of names and ranges of one job at most. */
extern int	trident_base_ingest_memory;

/* trident.ingest_request_timeout: for an answer of an SFTP server; ms. */
extern int	trident_base_ingest_request_timeout;

/* trident.ingest_worker_timeout: how long the worker stays without work; ms. */
extern int	trident_base_ingest_worker_timeout;

/* trident.job_retention: how long records of ended jobs are kept; min. */
extern int	trident_base_job_retention;

/* trident.simd: which kernels to use; the values of TridentSimdLevel + auto. */
extern int	trident_base_simd;

/* trident.search_filter_extensions: names, separated by commas. */
extern char *trident_base_search_filter_extensions;

/*
 * trident.search_max_k: the largest k that trident_search accepts, and the
 * largest that it may be set to, which holds on every node.
 */
#define TRIDENT_BASE_SEARCH_MAX_K 1000000
extern int	trident_base_search_max_k;

/* trident.search_read_your_writes: plain SQL after writes to a node. */
extern bool trident_base_search_read_your_writes;

/* trident.search_scatter: ask the nodes of foreign partitions. */
extern bool trident_base_search_scatter;

/* trident.worker_idle_timeout: a worker without work ends after it, in ms. */
extern int	trident_base_worker_idle_timeout;

/* trident.worker_max: how many workers may run in the whole server. */
extern int	trident_base_worker_max;

/* trident.worker_probe_interval: how often each database is looked at, in ms. */
extern int	trident_base_worker_probe_interval;

/*
 * Called when trident.simd changes, with the new value.  base knows no other
 * folder, so trident.c points this at simd before the settings are defined.
 */
typedef void (*TridentBaseSimdAssign) (int level);

extern void trident_base_guc_init(TridentBaseSimdAssign simd_assign);

#endif							/* TRIDENT_BASE_GUC_H */
