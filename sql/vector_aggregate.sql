-- avg and sum of vectors, plain, grouped, windowed and in parallel.
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

SELECT avg(v), sum(v), count(v) FROM (VALUES ('[1,2,3]'::vector), ('[3,5,7]'), (NULL), ('[2,2,2]')) AS t (v);
SELECT avg(v), sum(v) FROM (VALUES (NULL::vector)) AS t (v);
SELECT avg(v), sum(v) FROM (SELECT '[1]'::vector WHERE false) AS t (v);
SELECT g, avg(v), sum(v) FROM (VALUES (1, '[1]'::vector), (2, '[1,2]'), (1, '[2]'), (2, '[3,4]')) AS t (g, v) GROUP BY g ORDER BY g;
SELECT avg(DISTINCT v), sum(v ORDER BY v DESC), avg(v) FILTER (WHERE v < '[3]') FROM (VALUES ('[1]'::vector), ('[1]'), ('[4]')) AS t (v);
SELECT query, pg_temp.outcome('SELECT ' || query) AS outcome FROM unnest(ARRAY[
	'avg(v) FROM (VALUES (''[1,2]''::vector), (''[3]'')) AS t (v)', 'sum(v) FROM (VALUES (''[1,2]''::vector), (''[3]'')) AS t (v)',
	'avg(v) FROM (VALUES (''[3e38]''::vector), (''[3e38]'')) AS t (v)', 'sum(v) FROM (VALUES (''[3e38]''::vector), (''[3e38]'')) AS t (v)'
	]) AS query;

-- Sums of avg are float8: what float4 would lose comes back.
SELECT avg(v), sum(v) FROM (VALUES ('[16777216]'::vector), ('[1]'), ('[1]'), ('[-16777216]')) AS t (v);

-- States change in place; rows already given out must not.
SELECT id, avg(v) OVER w, sum(v) OVER w, avg(v) OVER (ORDER BY id ROWS 1 PRECEDING) AS moving
FROM (VALUES (1, '[1,10]'::vector), (2, '[2,20]'), (3, NULL), (4, '[6,60]')) AS t (id, v)
WINDOW w AS (ORDER BY id) ORDER BY id;
SELECT array_agg(s ORDER BY id), array_agg(a ORDER BY id) FROM (SELECT id, sum(v) OVER (ORDER BY id) AS s, avg(v) OVER (ORDER BY id) AS a
	FROM (VALUES (1, '[1]'::vector), (2, '[2]'), (3, '[3]')) AS t (id, v)) AS t;
SELECT g, avg(v), sum(v) FROM (VALUES (1, '[1]'::vector), (2, '[5]'), (1, '[3]')) AS t (g, v) GROUP BY GROUPING SETS ((g), ()) ORDER BY g;

-- The input is not changed: short, plain and toasted values.
CREATE TABLE vector_aggregate (id int, v vector);
INSERT INTO vector_aggregate SELECT i, array_fill(i, ARRAY[d])::vector FROM generate_series(1, 3) AS i, unnest(ARRAY[2, 100, 4000]) AS d;
SELECT vector_dims(v), subvector(sum(v), 1, 2), subvector(avg(v), 1, 2) FROM vector_aggregate GROUP BY vector_dims(v) ORDER BY 1;
SELECT id, vector_dims(v), subvector(v, 1, 2) FROM vector_aggregate ORDER BY 2, 1;
DROP TABLE vector_aggregate;

-- In parallel.
CREATE TABLE vector_aggregate (v vector(3)) WITH (parallel_workers = 2);
INSERT INTO vector_aggregate SELECT ARRAY[i, -i, i % 10]::vector FROM generate_series(1, 2000) AS i;
INSERT INTO vector_aggregate VALUES (NULL);
ANALYZE vector_aggregate;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v) FROM vector_aggregate;
SELECT avg(v), sum(v) FROM vector_aggregate;
SELECT avg(v), sum(v) FROM vector_aggregate WHERE v = '[7,-7,7]';
SELECT avg(v), sum(v) FROM vector_aggregate WHERE v IS NULL;
SET max_parallel_workers_per_gather = 0;
SELECT avg(v), sum(v) FROM vector_aggregate;
DROP TABLE vector_aggregate;
RESET ALL;
SET search_path = "$user", public, trident;

-- The support functions take any array a caller likes to give them.
SELECT query, pg_temp.outcome('SELECT trident.' || query) AS outcome FROM unnest(ARRAY[
	'vector_accum(''{0}'', ''[1,2]'')', 'vector_accum(''{2,1,1}'', ''[1,2]'')', 'vector_accum(''{2,1}'', ''[1,2]'')',
	'vector_accum(''{}'', ''[1]'')', 'vector_accum(''{{0}}'', ''[1]'')', 'vector_accum(''{NULL}'', ''[1]'')',
	'vector_accum(''[3:4]={1,5}'', ''[1]'')', 'vector_accum(''{1,1.7e308}'', ''[1]'')', 'vector_accum(''{1,Infinity}'', ''[1]'')',
	'vector_combine(''{0}'', ''{0}'')', 'vector_combine(''{0}'', ''{1,2}'')', 'vector_combine(''{1,2}'', ''{0}'')',
	'vector_combine(''{1,2,3}'', ''{4,5,6}'')', 'vector_combine(''{1,2}'', ''{1,2,3}'')', 'vector_combine(''{1,1e308}'', ''{1,1e308}'')',
	'vector_combine(''{}'', ''{0}'')', 'vector_combine(''{0}'', ''{NULL}'')', 'vector_combine(array_fill(1, ARRAY[16002])::float8[], ''{0}'')',
	'vector_avg(''{0}'')', 'vector_avg(''{0,1}'')', 'vector_avg(''{2,3,5}'')', 'vector_avg(''{1}'')', 'vector_avg(''{}'')', 'vector_avg(''{1,NaN}'')',
	'vector_avg(''{1,1e300}'')', 'vector_avg(array_fill(1, ARRAY[16002])::float8[])']) AS query;
