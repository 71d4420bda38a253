/*
 * am.h
 *	  The functions that make up the access method, by the file they are in.
 *
 * Their contracts are those of PostgreSQL's index access method interface.
 */
#ifndef TRIDENT_INDEX_AM_H
#define TRIDENT_INDEX_AM_H

#include "access/amapi.h"
#include "access/genam.h"

#include "index/index.h"
#include "index/scan.h"

/* Options of CREATE INDEX ... WITH; 0 is automatic. */
typedef struct TridentIndexOptions
{
	int32		vl_len_;		/* varlena header */
	int			lists;
	int			bits;
	int			sample;			/* rows a list to train with */
} TridentIndexOptions;

/* Phases in pg_stat_progress_create_index; 1 is "initializing". */
#define TRIDENT_INDEX_PHASE_SAMPLE	2
#define TRIDENT_INDEX_PHASE_TRAIN	3
#define TRIDENT_INDEX_PHASE_ENCODE	4
#define TRIDENT_INDEX_PHASE_SORT	5
#define TRIDENT_INDEX_PHASE_WRITE	6
#define TRIDENT_INDEX_PHASE_MEASURE 7
#define TRIDENT_INDEX_PHASE_LOG		8

/* build.c */
extern IndexBuildResult *trident_index_build(Relation heap, Relation index,
											 IndexInfo *index_info);
extern void trident_index_build_empty(Relation index);

/*
 * Draw the sample that is planned and train: nlists, ncoarse of meta and
 * *sampled are set.  A flat model where there are too few rows.  Allocated in
 * the current context; parallel, whose memory is used instead, may be NULL.
 */
struct TridentIndexParallel;
struct TridentIndexSampled;
extern TridentIndexCentroids *trident_index_train_table(Relation heap,
														Relation index,
														IndexInfo *index_info,
														const TridentIndexCoder *coder,
														TridentIndexMeta *meta,
														struct TridentIndexSampled *sampled,
														struct TridentIndexParallel *parallel);

/* insert.c */

/*
 * Encode and insert one row, its value being not null and detoasted if model
 * is the cached one, into the lists of model; see trident_index_list_insert.
 */
extern void trident_index_insert_value(Relation index,
									   const TridentIndexModel *model,
									   Datum value, uint32 label,
									   ItemPointer tid);
extern bool trident_index_insert(Relation index, Datum *values, bool *isnull,
								 ItemPointer heap_tid, Relation heap,
								 IndexUniqueCheck check, bool unchanged,
								 IndexInfo *index_info);

/* vacuum.c */
extern IndexBulkDeleteResult *trident_index_bulk_delete(IndexVacuumInfo *info,
														IndexBulkDeleteResult *stats,
														IndexBulkDeleteCallback callback,
														void *callback_state);
extern IndexBulkDeleteResult *trident_index_vacuum_cleanup(IndexVacuumInfo *info,
														   IndexBulkDeleteResult *stats);

/* retrain.c */

/* Train the index if its rows call for it; true when that was done. */
extern bool trident_index_retrain_if_due(Relation index, double rows);

/* cost.c */
extern void trident_index_cost(struct PlannerInfo *root, struct IndexPath *path,
							   double loop_count, Cost *startup, Cost *total,
							   Selectivity *selectivity, double *correlation,
							   double *pages);

/* path.c */

/* Have the planner ask us for paths; called once, when the library is loaded. */
extern void trident_index_path_init(void);

/* explain.c */

/* Have EXPLAIN ask us, where it does; called once, when the library is loaded. */
extern void trident_index_explain_init(void);

/* scan.c */
extern IndexScanDesc trident_index_beginscan(Relation index, int nkeys,
											 int norderbys);
extern void trident_index_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
								 ScanKey orderbys, int norderbys);
extern bool trident_index_gettuple(IndexScanDesc scan, ScanDirection direction);
extern void trident_index_endscan(IndexScanDesc scan);

/* What the last scan of this backend did. */
extern const TridentIndexScanStats *trident_index_last_scan_stats(void);

#endif							/* TRIDENT_INDEX_AM_H */
