/*
 * 31_inspect.sql
 *	  Functions that look into an index of access method trident.
 *
 * Those that everybody may call read nothing without SELECT on the table.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION @extschema@.trident_last_scan(
	OUT index regclass,
	OUT lists integer,
	OUT lists_probed integer,
	OUT codes_scanned bigint,
	OUT codes_refined bigint,
	OUT rows_reranked bigint,
	OUT rows_returned bigint,
	OUT rescored integer,
	OUT target_recall float8)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_last_scan' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION @extschema@.trident_last_scan() IS
	'what the last finished scan of a trident index in this session did: the index and how many lists it has, lists probed, codes scanned and finer codes looked at, rows of the table read and rows returned, how often lists were scored again because more rows were taken than expected, and the recall aimed at (NULL where trident.index_probes gives the lists); no row when there was none, and nothing of scans by parallel workers';

CREATE FUNCTION @extschema@.trident_index_prewarm(index regclass)
RETURNS bigint
	AS 'MODULE_PATHNAME', 'trident_index_prewarm' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.trident_index_prewarm(regclass) IS
	'reads all pages of a trident index into shared buffers, and its model into the memory of this session; returns how many pages; needs SELECT on the table; error 42809 for any other index';

CREATE FUNCTION @extschema@.trident_index_stats(
	index regclass,
	scan_table boolean DEFAULT false,
	OUT metric text,
	OUT dimensions integer,
	OUT format text,
	OUT bits integer,
	OUT has_key boolean,
	OUT generation bigint,
	OUT trained_rows bigint,
	OUT lists integer,
	OUT coarse_lists integer,
	OUT rows bigint,
	OUT rows_dead bigint,
	OUT rows_outside bigint,
	OUT list_rows_mean float8,
	OUT list_rows_p50 bigint,
	OUT list_rows_p99 bigint,
	OUT list_rows_max bigint,
	OUT imbalance float8,
	OUT lists_empty integer,
	OUT lists_with_holes integer,
	OUT fill float8,
	OUT size_bytes bigint,
	OUT model_bytes bigint,
	OUT directory_bytes bigint,
	OUT list_bytes bigint,
	OUT free_bytes bigint,
	OUT probes integer,
	OUT curve_queries integer,
	OUT recall_curve jsonb)
	AS 'MODULE_PATHNAME', 'trident_index_stats' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.trident_index_stats(regclass, boolean) IS
	'a trident index in numbers, from a pass over its pages: metric (l2, ip, cosine), dimensions, format of its rows (exact values, signs and finer codes, wide: finer codes alone), bits a dimension of the finer codes; generation (counts trainings) and rows it was trained with (NULL: one list, not trained yet); lists and coarse cells; rows, and with scan_table, which reads the whole table, those dead (not visible now, until vacuum) and rows of the table outside the index (NULL, or norm 0 under cosine; otherwise these two are NULL); rows a list, and imbalance, 1 for lists of equal length: so many times more rows are scanned than then; lists with room that vacuum left; share of list pages in use; bytes in all, of the model, the directory, the lists, and free; lists that LIMIT 10 probes on average with the present settings; the recall curve measured when it was trained, with how many queries, as an array of {"k", "recall", "lists"}; needs SELECT on the table';

CREATE FUNCTION @extschema@.trident_index_check(
	index regclass,
	heap_all_indexed boolean DEFAULT false)
RETURNS TABLE (
	block bigint,
	problem text)
	AS 'MODULE_PATHNAME', 'trident_index_check' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.trident_index_check(regclass, boolean) IS
	'what is damaged in a trident index, a row for each finding, with the block of the index where it was found (NULL: the index as a whole); no row: the index is sound.  It reads every page; with heap_all_indexed it also compares the entries with all rows of the table: each row that should be in the index is there once, with its own vector and key, and no entry leads to nowhere.  Reads and writes go on meanwhile, vacuum of the table waits (a ShareUpdateExclusive lock; on a standby none).  EXECUTE must be granted';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_index_check(regclass, boolean) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_recall(
	index regclass,
	sample integer DEFAULT 100,
	k integer DEFAULT 10,
	OUT queries integer,
	OUT recall float8,
	OUT recall_min float8,
	OUT target_recall float8,
	OUT lists_probed float8,
	OUT codes_scanned float8,
	OUT rows_reranked float8,
	OUT index_ms float8,
	OUT exact_ms float8)
	AS 'MODULE_PATHNAME', 'trident_recall' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.trident_recall(regclass, integer, integer) IS
	'the recall that searches by a trident index have with the settings of this session, measured against exact answers: sample rows of the table (1 to 1000), drawn at random, are searched for, each as by LIMIT k (2 to 10000), and what is found beside the row itself is compared with the k - 1 nearest; rows equally near count alike.  How many queries there were, their recall, that of the worst one, and the recall aimed at (NULL where trident.index_probes gives the lists); lists probed, codes scanned and rows of the table read, a query; the time of a search, the median in milliseconds, and that of an exact one by a pass over the whole table.  Reads the table three times and compares every row with every query.  Queries that are not rows of the table may find less.  Needs SELECT on the table; refused under row security';
