/*
 * handler.c
 *	  The access method's description of itself: routine, options, opclasses.
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "fmgr.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "index/am.h"
#include "index/code.h"
#include "index/train.h"

PG_FUNCTION_INFO_V1(trident_index_handler);
PG_FUNCTION_INFO_V1(trident_index_kind_vector_l2);
PG_FUNCTION_INFO_V1(trident_index_kind_vector_ip);
PG_FUNCTION_INFO_V1(trident_index_kind_vector_cosine);
PG_FUNCTION_INFO_V1(trident_index_kind_halfvec_l2);
PG_FUNCTION_INFO_V1(trident_index_kind_halfvec_ip);
PG_FUNCTION_INFO_V1(trident_index_kind_halfvec_cosine);

static relopt_kind options_kind;

/* Support function 1 of the opclasses: metric, plus 16 for halfvec. */
Datum
trident_index_kind_vector_l2(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(TRIDENT_INDEX_L2);
}

Datum
trident_index_kind_vector_ip(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(TRIDENT_INDEX_IP);
}

Datum
trident_index_kind_vector_cosine(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(TRIDENT_INDEX_COSINE);
}

Datum
trident_index_kind_halfvec_l2(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(16 + TRIDENT_INDEX_L2);
}

Datum
trident_index_kind_halfvec_ip(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(16 + TRIDENT_INDEX_IP);
}

Datum
trident_index_kind_halfvec_cosine(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(16 + TRIDENT_INDEX_COSINE);
}

void
trident_index_init(void)
{
	options_kind = add_reloption_kind();
	add_int_reloption(options_kind, "lists",
					  "Number of lists; 0 chooses by the number of rows",
					  0, 0, TRIDENT_INDEX_MAX_LISTS, AccessExclusiveLock);
	add_int_reloption(options_kind, "bits",
					  "Bits a dimension of the codes: 4 or 8; 0 is 4",
					  0, 0, 8, AccessExclusiveLock);
	add_int_reloption(options_kind, "sample",
					  "Rows a list that centroids are trained with; 0 is automatic",
					  0, 0, 10000, AccessExclusiveLock);
	trident_index_path_init();
	trident_index_explain_init();
}

static bytea *
index_options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt table[] = {
		{"lists", RELOPT_TYPE_INT, offsetof(TridentIndexOptions, lists)},
		{"bits", RELOPT_TYPE_INT, offsetof(TridentIndexOptions, bits)},
		{"sample", RELOPT_TYPE_INT, offsetof(TridentIndexOptions, sample)},
	};
	TridentIndexOptions *options;

	options = (TridentIndexOptions *)
		build_reloptions(reloptions, validate, options_kind,
						 sizeof(TridentIndexOptions), table, lengthof(table));
	if (validate && options &&
		options->bits != 0 && options->bits != 4 && options->bits != 8)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value %d out of bounds for option \"bits\"", options->bits),
				 errhint("Use 4 or 8.")));
	return (bytea *) options;
}

/* Names of the phases of a build, for pg_stat_progress_create_index. */
static char *
phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case TRIDENT_INDEX_PHASE_SAMPLE:
			return "sampling rows";
		case TRIDENT_INDEX_PHASE_TRAIN:
			return "training centroids";
		case TRIDENT_INDEX_PHASE_ENCODE:
			return "encoding rows";
		case TRIDENT_INDEX_PHASE_SORT:
			return "sorting codes";
		case TRIDENT_INDEX_PHASE_WRITE:
			return "writing lists";
		case TRIDENT_INDEX_PHASE_MEASURE:
			return "measuring recall";
		case TRIDENT_INDEX_PHASE_LOG:
			return "logging pages";
		default:
			return NULL;
	}
}

/* Does this opclass belong to the vector column? */
static bool
orders_by_distance(CatCList *operators)
{
	int			i;

	for (i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop op = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		if (op->amopstrategy == TRIDENT_INDEX_ORDER_STRATEGY)
			return true;
	}
	return false;
}

/* Check the operators of a family; reports and returns false on a fault. */
static bool
validate_operators(CatCList *operators, const char *family)
{
	bool		valid = true;
	int			i;

	for (i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop op = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);
		bool		orders = op->amopstrategy == TRIDENT_INDEX_ORDER_STRATEGY;
		Oid			result = orders ? FLOAT8OID : BOOLOID;

		if (op->amopstrategy < 1 || op->amopstrategy > TRIDENT_INDEX_STRATEGIES ||
			op->amoppurpose != (orders ? AMOP_ORDER : AMOP_SEARCH) ||
			!check_amop_signature(op->amopopr, result, op->amoplefttype,
								  op->amoprighttype))
		{
			ereport(INFO,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("operator family \"%s\" of access method %s contains a wrong operator %s",
							family, "trident", format_operator(op->amopopr))));
			valid = false;
		}
	}
	return valid;
}

/* Check the support functions of a family likewise. */
static bool
validate_procs(CatCList *procs, const char *family, bool is_vector)
{
	bool		valid = true;
	int			i;

	for (i = 0; i < procs->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc) GETSTRUCT(&procs->members[i]->tuple);
		bool		ok;

		if (is_vector)
			ok = proc->amprocnum == TRIDENT_INDEX_KIND_PROC &&
				check_amproc_signature(proc->amproc, INT4OID, true, 0, 0);
		else
			ok = proc->amprocnum == TRIDENT_INDEX_HASH_PROC &&
				check_amproc_signature(proc->amproc, INT4OID, false, 1, 1,
									   proc->amproclefttype);
		if (!ok)
		{
			ereport(INFO,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("operator family \"%s\" of access method %s contains a wrong function %s",
							family, "trident", format_procedure(proc->amproc))));
			valid = false;
		}
	}
	return valid;
}

static bool
index_validate(Oid opclass)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	Oid			family;
	char	   *name;
	CatCList   *operators;
	CatCList   *procs;
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass);
	family = ((Form_pg_opclass) GETSTRUCT(tuple))->opcfamily;
	ReleaseSysCache(tuple);
	tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(family));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator family %u", family);
	name = pstrdup(NameStr(((Form_pg_opfamily) GETSTRUCT(tuple))->opfname));
	ReleaseSysCache(tuple);

	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(family));
	procs = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(family));
	valid = validate_operators(operators, name);
	valid = validate_procs(procs, name, orders_by_distance(operators)) && valid;
	if (operators->n_members == 0 || procs->n_members == 0)
	{
		ereport(INFO,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("operator family \"%s\" of access method %s lacks an operator or support function",
						name, "trident")));
		valid = false;
	}
	ReleaseCatCacheList(procs);
	ReleaseCatCacheList(operators);
	return valid;
}

Datum
trident_index_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = TRIDENT_INDEX_STRATEGIES;
	am->amsupport = TRIDENT_INDEX_PROCS;
	am->amoptsprocnum = 0;
	am->amcanorder = false;
	am->amcanorderbyop = true;
	am->amcanbackward = false;
	am->amcanunique = false;
	am->amcanmulticol = true;
	am->amoptionalkey = true;
	am->amsearcharray = true;
	am->amsearchnulls = false;
	am->amstorage = false;
	am->amclusterable = false;
	am->ampredlocks = false;
	am->amcanparallel = false;
	am->amcaninclude = false;
	am->amusemaintenanceworkmem = false;
	am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	am->amkeytype = InvalidOid;

	am->ambuild = trident_index_build;
	am->ambuildempty = trident_index_build_empty;
	am->aminsert = trident_index_insert;
	am->ambulkdelete = trident_index_bulk_delete;
	am->amvacuumcleanup = trident_index_vacuum_cleanup;
	am->amcostestimate = trident_index_cost;
	am->amoptions = index_options;
	am->ambuildphasename = phase_name;
	am->amvalidate = index_validate;
	am->ambeginscan = trident_index_beginscan;
	am->amrescan = trident_index_rescan;
	am->amgettuple = trident_index_gettuple;
	am->amendscan = trident_index_endscan;
	PG_RETURN_POINTER(am);
}
