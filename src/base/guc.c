/*
 * guc.c
 *	  The table of trident's settings.
 *
 * Every setting stands here, in alphabetical order, and nowhere else: name,
 * description, default, range and who may change it.  docs/reference is
 * generated from what pg_settings shows of them.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/shmem.h"

int			trident_base_exchange_bundle_size = 16;
int			trident_base_exchange_connect_timeout = 5000;
int			trident_base_exchange_idle_timeout = 600000;
int			trident_base_exchange_lifetime = 3600000;
int			trident_base_exchange_memory = 16384;
int			trident_base_exchange_mode = TRIDENT_BASE_EXCHANGE_MODE_AUTO;
int			trident_base_exchange_pool_size = 8;
int			trident_base_exchange_reply_size = 262144;
int			trident_base_exchange_timeout = 30000;
int			trident_base_index_order = TRIDENT_BASE_INDEX_ORDER_AUTO;
int			trident_base_index_probes = 0;
double		trident_base_index_target_recall = 0.95;
int			trident_base_ingest_connect_timeout = 10000;
int			trident_base_ingest_connections = 4;
int			trident_base_ingest_files = 0;
int			trident_base_ingest_idle_timeout = 300000;
int			trident_base_ingest_memory = 524288;
int			trident_base_ingest_request_timeout = 30000;
int			trident_base_ingest_worker_timeout = 600000;
int			trident_base_job_retention = 43200;
int			trident_base_simd = -1;
char	   *trident_base_search_filter_extensions = NULL;
int			trident_base_search_max_k = 10000;
bool		trident_base_search_read_your_writes = true;
bool		trident_base_search_scatter = true;
int			trident_base_worker_idle_timeout = 600000;
int			trident_base_worker_max = 8;
int			trident_base_worker_probe_interval = 60000;

static TridentBaseSimdAssign simd_assign_callback = NULL;

/* The numbers are those of TridentSimdLevel in simd/simd.h; -1 is auto. */
static const struct config_enum_entry simd_options[] = {
	{"auto", -1, false},
	{"scalar", 0, false},
	{"neon", 1, false},
	{"avx2", 2, false},
	{"avx512", 3, false},
	{NULL, 0, false}
};

static const struct config_enum_entry exchange_mode_options[] = {
	{"auto", TRIDENT_BASE_EXCHANGE_MODE_AUTO, false},
	{"worker", TRIDENT_BASE_EXCHANGE_MODE_WORKER, false},
	{"direct", TRIDENT_BASE_EXCHANGE_MODE_DIRECT, false},
	{NULL, 0, false}
};

static const struct config_enum_entry index_order_options[] = {
	{"auto", TRIDENT_BASE_INDEX_ORDER_AUTO, false},
	{"strict", TRIDENT_BASE_INDEX_ORDER_STRICT, false},
	{NULL, 0, false}
};

static void
assign_simd(int newval, void *extra)
{
	if (simd_assign_callback)
		simd_assign_callback(newval);
}

/* Is it a list of identifiers? */
static bool
check_names(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		is_list = SplitIdentifierString(copy, ',', &names);

	if (!is_list)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(names);
	pfree(copy);
	return is_list;
}

/*
 * Define all settings and reserve the prefix.  Called once, from _PG_init.
 * simd_assign is told of every value of trident.simd, the first included.
 */
void
trident_base_guc_init(TridentBaseSimdAssign simd_assign)
{
	simd_assign_callback = simd_assign;

	DefineCustomIntVariable("trident.exchange_bundle_size",
							"Sets how many searches may go to a node in one statement.",
							"Searches that wait for a connection and differ in the query vector alone share "
							"one, and the reading of rows with it. 1 sends each by itself.",
							&trident_base_exchange_bundle_size,
							16, 1, TRIDENT_BASE_EXCHANGE_MAX_BUNDLE,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.exchange_connect_timeout",
							"Sets how long to wait for a connection to a node.",
							NULL,
							&trident_base_exchange_connect_timeout,
							5000, 10, 600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.exchange_idle_timeout",
							"Sets how long a connection to a node is kept while nobody uses it.",
							"0 keeps it until trident.exchange_lifetime ends it.",
							&trident_base_exchange_idle_timeout,
							600000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.exchange_lifetime",
							"Sets how long a connection to a node is used before another takes its place.",
							"A process serves a connection on the node, and its memory grows with what it has seen. "
							"0 uses connections for ever.",
							&trident_base_exchange_lifetime,
							3600000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.exchange_memory",
							"Sets the shared memory that calls to nodes and their replies pass through.",
							"Reserved at server start. A reply that finds no room is fetched by the backend itself. "
							"Without trident in shared_preload_libraries there is none.",
							&trident_base_exchange_memory,
							16384, 2048, 1024 * 1024,
							trident_base_preloaded() ? PGC_POSTMASTER : PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomEnumVariable("trident.exchange_mode",
							 "Selects who connects to nodes.",
							 "auto takes the exchange worker, whose connections all sessions share, and where there "
							 "is none the session itself; worker insists on the worker; direct on the session.",
							 &trident_base_exchange_mode,
							 TRIDENT_BASE_EXCHANGE_MODE_AUTO, exchange_mode_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.exchange_pool_size",
							"Sets how many connections there may be to one node.",
							"Counts all databases, roles and sessions of this server together, where trident is in "
							"shared_preload_libraries; otherwise each session. Each runs one statement at a time.",
							&trident_base_exchange_pool_size,
							8, 1, 1000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.exchange_reply_size",
							"Sets the largest answer that is taken from a node.",
							"A node that sends more, be it broken or hostile, is disconnected while it sends. "
							"The exchange worker takes the server's value, and no more than trident.exchange_memory.",
							&trident_base_exchange_reply_size,
							262144, 64, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.exchange_timeout",
							"Sets how long to wait for a node's answer where the call names no deadline.",
							"The node is told, as its statement_timeout.",
							&trident_base_exchange_timeout,
							30000, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomEnumVariable("trident.index_order",
							 "Selects what an index scan does with rows found after farther ones were returned.",
							 "auto returns them after all others, so that a query gets every row "
							 "there is; strict leaves them out, so that rows always come in order.",
							 &trident_base_index_order,
							 TRIDENT_BASE_INDEX_ORDER_AUTO, index_order_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.index_probes",
							"Sets the number of lists that an index scan probes first.",
							"The default, 0, probes as many as trident.index_target_recall needs. "
							"A number beyond the lists of an index means all of them.",
							&trident_base_index_probes,
							0, 0, 32768,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomRealVariable("trident.index_target_recall",
							 "Sets the share of the true nearest rows that an index scan aims to find.",
							 "The work that it takes is read from a curve measured when the index "
							 "was built. 1 reads all lists.",
							 &trident_base_index_target_recall,
							 0.95, 0.0, 1.0,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.ingest_connect_timeout",
							"Sets how long each phase of connecting to an SFTP server may take.",
							"The phases are the connection itself, the handshake, the login, and "
							"opening the channel. A job has the value of the session that submitted it.",
							&trident_base_ingest_connect_timeout,
							10000, 100, 3600000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.ingest_connections",
							"Sets up to how many SSH connections to one host ingest jobs make further ones.",
							"Each job has one, whatever this says, and makes another while it has much "
							"more to do than the server lets it do at once on one, and all jobs of the "
							"database together have fewer to that host and port. Requests travel "
							"hundreds at a time on each, so that one is enough for most sites. The "
							"option connections of a source overrides this.",
							&trident_base_ingest_connections,
							4, 1, 16,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.ingest_files",
							"Sets how many files are open at once on one SSH connection.",
							"The default, 0, opens as many as the server says it allows, or 128; one "
							"that refuses more is asked for less. The option files of a source "
							"overrides this.",
							&trident_base_ingest_files,
							0, 0, 4096,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.ingest_idle_timeout",
							"Sets how long the ingest worker keeps an SSH connection that is not used.",
							"A kept connection saves the next job some seven round trips and a login. "
							"0 keeps it until the worker ends or the server closes it.",
							&trident_base_ingest_idle_timeout,
							300000, 0, 86400000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.ingest_memory",
							"Sets how much memory an ingest job may use for what a server lists and sends.",
							"A job whose site has more names than that holds fails; each takes some "
							"64 bytes, each folder some 800. Of images that are being read a quarter "
							"is held at most, which slows a job and does not end it.",
							&trident_base_ingest_memory,
							524288, 4096, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.ingest_request_timeout",
							"Sets how long an SFTP server may leave requests unanswered.",
							"A connection that gives no whole answer for longer is given up and made anew.",
							&trident_base_ingest_request_timeout,
							30000, 100, 3600000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.ingest_worker_timeout",
							"Sets how long the ingest worker stays when there is no job.",
							"It keeps connections to sources meanwhile; 0 lets it stay.",
							&trident_base_ingest_worker_timeout,
							600000, 0, 86400000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.job_retention",
							"Sets how long the records of jobs that have ended are kept.",
							"They are looked for while a worker runs, every ten minutes. 0 keeps them "
							"for ever. What a job has written, its errors too, stays.",
							&trident_base_job_retention,
							43200, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);

	DefineCustomStringVariable("trident.search_filter_extensions",
							   "Lists the extensions whose functions a search filter may call.",
							   "Built-in functions and those of trident itself may always be called. "
							   "The functions must be immutable.",
							   &trident_base_search_filter_extensions,
							   "",
							   PGC_USERSET, GUC_LIST_INPUT, check_names, NULL, NULL);

	DefineCustomIntVariable("trident.search_max_k",
							"Sets the largest number of neighbors that one search may ask for.",
							"Bounds the memory of one trident_search() call.",
							&trident_base_search_max_k,
							10000, 1, TRIDENT_BASE_SEARCH_MAX_K,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("trident.search_read_your_writes",
							 "Makes searches see what the transaction wrote to other nodes.",
							 "After a write through a foreign table, searches of that node in the "
							 "same transaction run as plain SQL, which sees it but is slower. "
							 "Off, they ask the node, which does not.",
							 &trident_base_search_read_your_writes,
							 true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("trident.search_scatter",
							 "Asks the nodes of foreign partitions to search their shards, all at once.",
							 "Off, a search of them runs as plain SQL through postgres_fdw, "
							 "which reads them one after another.",
							 &trident_base_search_scatter,
							 true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomEnumVariable("trident.simd",
							 "Selects the processor instructions that distances are computed with.",
							 "The default, auto, takes the fastest that this processor has; "
							 "a level that it lacks falls back to the next lower one. "
							 "trident_simd_level() shows the one in use.",
							 &trident_base_simd,
							 -1, simd_options,
							 PGC_USERSET, 0, NULL, assign_simd, NULL);

	DefineCustomIntVariable("trident.worker_idle_timeout",
							"Sets the time after which a background worker without work ends.",
							"It starts again when it is needed, which takes some 20 ms. 0 lets it run for ever.",
							&trident_base_worker_idle_timeout,
							600000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.worker_max",
							"Sets how many background workers of trident may run at a time.",
							"Counts all databases; the launcher and the short probes of databases come on top. "
							"Each takes one of max_worker_processes. "
							"Without trident in shared_preload_libraries there are none.",
							&trident_base_worker_max,
							8, 1, 1000,
							trident_base_preloaded() ? PGC_POSTMASTER : PGC_SIGHUP,
							0, NULL, NULL, NULL);

	DefineCustomIntVariable("trident.worker_probe_interval",
							"Sets how often each database is asked whether it needs a background worker.",
							"It is asked too at server start, after promotion, and when the extension is created, updated or dropped.",
							&trident_base_worker_probe_interval,
							60000, 100, 86400000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	MarkGUCPrefixReserved("trident");
}
