-- Casts between vector, halfvec and arrays.
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

SELECT castsource::regtype, casttarget::regtype, castcontext, castmethod
FROM pg_cast WHERE 'vector'::regtype IN (castsource, casttarget) OR 'halfvec'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

SELECT query, pg_temp.outcome('SELECT ' || query) AS outcome FROM unnest(ARRAY[
	'ARRAY[1,-2,3]::vector', 'ARRAY[16777217,-2147483648]::vector', 'ARRAY[1.5,0.1]::vector',
	'ARRAY[1.5,0.1]::real[]::vector', 'ARRAY[1.5,0.1]::float8[]::vector',
	'ARRAY[1.5,0.1]::numeric[]::vector', 'ARRAY[1,2]::vector(2)', 'ARRAY[1,2]::real[]::vector(3)',
	'''{}''::int[]::vector', '''{}''::numeric[]::vector', '''{{1,2},{3,4}}''::int[]::vector',
	'''[5:6]={1,2}''::int[]::vector', '''{1,NULL}''::int[]::vector', '''{1,NULL}''::real[]::vector',
	'''{NULL}''::float8[]::vector', '''{NULL}''::numeric[]::vector',
	'(ARRAY[1,NULL,3])[1:1]::vector', '''{NaN}''::real[]::vector', '''{NaN}''::float8[]::vector', '''{NaN}''::numeric[]::vector',
	'''{-Infinity}''::real[]::vector', '''{Infinity}''::float8[]::vector', '''{Infinity}''::numeric[]::vector', '''{1e39}''::float8[]::vector',
	'''{-1e39}''::numeric[]::vector', '''{1e-50}''::float8[]::vector', '''{1e-50}''::numeric[]::vector',
	'array_fill(1, ARRAY[16001])::vector', 'array_fill(1::numeric, ARRAY[16001])::vector',
	'vector_dims(array_fill(1, ARRAY[16000])::vector)', 'ARRAY[1::bigint]::vector', 'ARRAY[''1'']::vector',
	'''[1,2.5]''::vector::real[]', '''[1,2.5]''::vector::float8[]', '''[1]''::vector::int[]',
	'''[1,2.5]''::vector::halfvec', '''[1,2]''::vector::halfvec(3)', '''[1,2]''::vector::halfvec(2)', '''[65519.996]''::vector::halfvec',
	'''[65520]''::vector::halfvec', '''[-1e30]''::vector::halfvec', '''[1e-8,2.9e-8,3e-8]''::vector::halfvec', '''[0.1]''::vector::halfvec::vector',
	'''[1,2]''::vector::vector(2)', '''[1,2]''::vector::vector(3)',
	'NULL::real[]::vector', 'NULL::vector::real[]']) AS query;

-- Implicit: vector where real[] is asked for; assignment: arrays into columns.
CREATE FUNCTION pg_temp.total(a real[]) RETURNS real LANGUAGE sql AS 'SELECT sum(e) FROM unnest(a) AS e';
SELECT pg_temp.total('[1,2,3]'::vector), '[1,2]'::vector <-> '[4,6]'::halfvec AS of_both;
SELECT pg_temp.outcome('SELECT pg_temp.total(''[1,2,3]''::halfvec)');
SELECT cardinality(v::real[]), v::real[] = array_agg FROM (SELECT array_agg(i::real)::vector AS v, array_agg(i::real) FROM generate_series(1, 16000) AS i) AS t;
CREATE TABLE vector_cast (v vector(2), h halfvec(2), a real[]);
INSERT INTO vector_cast (v) VALUES (ARRAY[1,2]), (ARRAY[1.5,2.5]::float8[]), ('[1,2]'::halfvec);
INSERT INTO vector_cast (h) VALUES (ARRAY[1,2]), (ARRAY[1.5,2.5]::numeric[]), ('[1,2]'::vector);
INSERT INTO vector_cast (a) VALUES ('[1,2]'::vector), ('[1,2]'::halfvec);
SELECT * FROM vector_cast;
DROP TABLE vector_cast;

-- Casts must not change what plain arrays mean.
SELECT ARRAY[1,2] = ARRAY[1,2], ARRAY[1.5] || 2.5, '{1,2}'::int[] < '{1,3}';
