-- vector(n) and halfvec(n): n is checked when declared and when stored.
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

SELECT type, pg_temp.outcome(format('SELECT $$[1,2,3]$$::%s', type)) AS outcome
FROM unnest(ARRAY['vector(3)', 'vector(2)', 'vector(4)', 'vector(1)', 'vector(16000)',
	'vector(0)', 'vector(-1)', 'vector(16001)', 'vector(2147483648)', 'vector(3,3)',
	'vector()', 'vector(''3'')', 'vector(''x'')', 'vector(NULL)', 'vector(3.0)',
	'halfvec(3)', 'halfvec(2)', 'halfvec(0)', 'halfvec(16001)', 'halfvec(3,3)']) AS type;

CREATE TABLE vector_typmod (v vector(3), h halfvec(3), vs vector(2)[]);
SELECT attname, format_type(atttypid, atttypmod), attstorage, atttypmod
FROM pg_attribute WHERE attrelid = 'vector_typmod'::regclass AND attnum > 0
ORDER BY attnum;

-- On every way in: literal, cast, array, other type, update, array of vectors.
INSERT INTO vector_typmod VALUES ('[1,2,3]', '[1,2,3]', '{"[1,2]"}');
SELECT query, pg_temp.outcome(query) AS outcome FROM unnest(ARRAY[
	'INSERT INTO vector_typmod (v) VALUES (''[1,2]'')',
	'INSERT INTO vector_typmod (v) VALUES (''[1,2]''::vector)',
	'INSERT INTO vector_typmod (v) VALUES (ARRAY[1,2])',
	'INSERT INTO vector_typmod (v) VALUES (''[1,2]''::halfvec)',
	'INSERT INTO vector_typmod (h) VALUES (''[1,2]''::halfvec)',
	'INSERT INTO vector_typmod (h) VALUES (''[1,2]''::vector)',
	'INSERT INTO vector_typmod (h) VALUES (ARRAY[1,2]::real[])',
	'INSERT INTO vector_typmod (vs) VALUES (''{"[1,2,3]"}'')',
	'UPDATE vector_typmod SET v = v || v',
	'ALTER TABLE vector_typmod ALTER v TYPE vector(4)',
	'ALTER TABLE vector_typmod ALTER v TYPE halfvec(4)']) AS query;
ALTER TABLE vector_typmod ALTER v TYPE vector, ALTER h TYPE vector(3);
INSERT INTO vector_typmod (v) VALUES ('[1,2]');
SELECT * FROM vector_typmod;
DROP TABLE vector_typmod;
