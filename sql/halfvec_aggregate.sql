-- avg and sum of halfvecs, plain, windowed and in parallel.
SET search_path = "$user", public, trident;
-- What a query gives: its value, or SQLSTATE, message, detail and hint.
CREATE FUNCTION pg_temp.outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
	hint text;
BEGIN
	EXECUTE query INTO result;
	RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' / ', SQLSTATE, SQLERRM, nullif(detail, ''),
		nullif(hint, ''));
END $$;

SELECT avg(v), sum(v), count(v)
FROM (VALUES ('[1,2,3]'::halfvec), ('[3,5,7]'), (NULL), ('[2,2,2]')) AS t (v);
SELECT avg(v), sum(v) FROM (VALUES (NULL::halfvec)) AS t (v);
SELECT query, pg_temp.outcome('SELECT ' || query) AS outcome FROM unnest(ARRAY[
	'avg(v) FROM (VALUES (''[1,2]''::halfvec), (''[3]'')) AS t (v)',
	'sum(v) FROM (VALUES (''[1,2]''::halfvec), (''[3]'')) AS t (v)',
	'avg(v) FROM (VALUES (''[65504]''::halfvec), (''[65504]'')) AS t (v)',
	'sum(v) FROM (VALUES (''[65504]''::halfvec), (''[65504]'')) AS t (v)',
	'trident.halfvec_accum(''{0}'', ''[1,2]'')',
	'trident.halfvec_accum(''{2,1}'', ''[1,2]'')',
	'trident.halfvec_accum(''{}'', ''[1]'')',
	'trident.halfvec_combine(''{0}'', ''{1,2}'')',
	'trident.halfvec_combine(''{1,2}'', ''{1,2,3}'')',
	'trident.halfvec_combine(''{{0}}'', ''{0}'')',
	'trident.halfvec_avg(''{0}'')', 'trident.halfvec_avg(''{2,3,5}'')',
	'trident.halfvec_avg(''{1}'')', 'trident.halfvec_avg(''{NULL}'')',
	'trident.halfvec_avg(''{1,65520}'')', 'trident.halfvec_avg(''{1,NaN}'')',
	'trident.halfvec_avg(''{1,Infinity}'')',
	'trident.halfvec_avg(array_fill(1, ARRAY[16002])::float8[])']) AS query;
SELECT id, avg(v) OVER w, sum(v) OVER w
FROM (VALUES (1, '[1,10]'::halfvec), (2, '[2,20]'), (3, NULL), (4, '[6,60]')) AS t (id, v)
WINDOW w AS (ORDER BY id) ORDER BY id;
CREATE TABLE halfvec_aggregate (v halfvec(3)) WITH (parallel_workers = 2);
INSERT INTO halfvec_aggregate
SELECT ARRAY[i, -i, i % 10]::halfvec FROM generate_series(1, 300) AS i;
ANALYZE halfvec_aggregate;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v) FROM halfvec_aggregate;
SELECT avg(v) FROM halfvec_aggregate;
SET max_parallel_workers_per_gather = 0;
SELECT avg(v) FROM halfvec_aggregate;
DROP TABLE halfvec_aggregate;
