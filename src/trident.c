/*
 * trident.c
 *	  What PostgreSQL calls when it loads the library: one init call a folder.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/guc.h"
#include "base/shmem.h"
#include "base/worker.h"
#include "collection/collection.h"
#include "exchange/exchange.h"
#include "index/index.h"
#include "ingest/ingest.h"
#include "job/job.h"
#include "node/node.h"
#include "search/search.h"
#include "simd/simd.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	trident_base_shmem_init();
	trident_base_fault_init();
	/* The setting's first assignment chooses the kernels. */
	trident_base_guc_init(trident_simd_choose);
	trident_base_worker_init();
	trident_index_init();
	trident_job_init();
	trident_ingest_init();
	trident_exchange_init();
	trident_node_init();
	trident_collection_init();
	trident_search_init();
}
