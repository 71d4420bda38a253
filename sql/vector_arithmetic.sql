-- What makes vectors of vectors: + - * ||, parts, normalizing, signs.
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

SELECT query, pg_temp.outcome('SELECT ' || query) AS outcome FROM unnest(ARRAY[
	'''[1,2,3]''::vector + ''[0.5,-2,0]''', '''[1]''::vector + ''[1,2]''',
	'''[3.4028235e38]''::vector + ''[3.4028235e38]''', '''[1e-45]''::vector + ''[-1e-45]''',
	'''[1,2,3]''::vector - ''[0.5,-2,3]''', '''[1,2]''::vector - ''[1]''',
	'''[-3.4028235e38]''::vector - ''[3.4028235e38]''', '''[0]''::vector - ''[0]''',
	'''[1,2,3]''::vector * ''[0.5,-2,0]''', '''[1,2]''::vector * ''[1]''',
	'''[1e20]''::vector * ''[1e20]''', '''[1e-30]''::vector * ''[1e-30]''',
	'''[0]''::vector * ''[1e-30]''', '''[1e-30]''::vector * ''[-0]''', '''[1e-30]''::vector * ''[1e-15]''',
	'''[1,2]''::vector || ''[3]''', 'vector_dims(array_fill(1, ARRAY[8000])::vector || array_fill(2, ARRAY[8000])::vector)',
	'array_fill(1, ARRAY[16000])::vector || ''[1]''',
	'''[1]''::vector + NULL', 'NULL::vector || ''[1]''']) AS query;

-- The operands stay as they were.
CREATE TABLE vector_arithmetic (v vector);
INSERT INTO vector_arithmetic VALUES ('[1,2]'), ('[3,4]');
SELECT v + '[1,1]' AS plus, v - '[1,1]' AS minus, v * '[2,2]' AS times, v FROM vector_arithmetic;
DROP TABLE vector_arithmetic;

-- A part: a start that counts from 1, and at most so many elements.
SELECT start, count, pg_temp.outcome(format('SELECT subvector(''[1,2,3,4,5]''::vector, %s, %s)', start, count)) AS part
FROM (VALUES (1, 5), (1, 1), (5, 1), (2, 3), (4, 9), (0, 3), (-1, 3), (-1, 2), (6, 1), (0, 1), (1, 0), (1, -1),
	(2147483647, 2147483647), (3, 2147483647), (-2147483647, 2147483647), (-2147483646, 2147483647),
	(-2147483645, 2147483647)) AS t (start, count);

-- Of length 1; zeroes stay.
SELECT l2_normalize(v), vector_norm(l2_normalize(v))::numeric(8,6) AS norm
FROM (VALUES ('[3,4]'::vector), ('[-5]'), ('[0,0,0]'), ('[1,1,1,1]'), ('[3e38]'), ('[1e-45]')) AS t (v);

-- A bit an element: is it above zero?
SELECT binary_quantize(v), length(binary_quantize(v))
FROM (VALUES ('[1]'::vector), ('[0]'), ('[-1]'), ('[1e-45,-1e-45,-0]'), ('[1,1,1,1,1,1,1,1]'),
	('[1,-1,1,-1,1,-1,1,-1,1]'), ('[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]')) AS t (v);
SELECT binary_quantize(array_agg(i % 3 - 1)::vector) = string_agg((i % 3 = 2)::int::text, '')::varbit
FROM generate_series(1, 16000) AS i;
