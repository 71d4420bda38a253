-- What makes halfvecs of halfvecs: + - * ||, parts, normalizing, signs.
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

SELECT op, a, b, pg_temp.outcome(format('SELECT %L::halfvec %s %L', a, op, b)) AS outcome
FROM (VALUES ('+', '[1,2,3]', '[0.5,-2,0]'), ('+', '[1]', '[1,2]'),
	('+', '[65504]', '[65504]'), ('+', '[65504]', '[15]'),
	('+', '[65504]', '[16]'), ('+', '[2048]', '[1]'), ('+', '[2048]', '[3]'),
	('+', '[6e-8]', '[-6e-8]'), ('-', '[1,2,3]', '[0.5,-2,3]'),
	('-', '[1,2]', '[1]'), ('-', '[-65504]', '[65504]'),
	('*', '[1,2,3]', '[0.5,-2,0]'), ('*', '[1,2]', '[1]'),
	('*', '[256]', '[256]'), ('*', '[256]', '[255]'), ('*', '[1e-4]', '[1e-4]'),
	('*', '[1e-4]', '[1e-3]'), ('*', '[0]', '[1e-4]'), ('*', '[1e-4]', '[-0]'),
	('||', '[1,2]', '[3]')) AS t (op, a, b);
SELECT pg_temp.outcome('SELECT array_fill(1, ARRAY[16000])::halfvec || ''[1]''');
SELECT '[1]'::halfvec + NULL;

-- Rounded once: no neighbour of a sum is nearer to the exact sum.
SELECT count(*), count(*) FILTER (WHERE (sum::real[])[1] <> x + y) AS inexact,
	count(*) FILTER (WHERE abs((sum::real[])[1] - (x + y)) > abs((up::real[])[1] - (x + y))
		OR abs((sum::real[])[1] - (x + y)) > abs((down::real[])[1] - (x + y))) AS not_nearest
FROM (SELECT a + b AS sum, (a::real[])[1]::float8 AS x, (b::real[])[1]::float8 AS y,
		(a + b) * ARRAY[1 + 1 / 1024.0]::halfvec AS up, (a + b) * ARRAY[1 - 1 / 1024.0]::halfvec AS down
	FROM (SELECT ARRAY[i * 0.37 + 1]::halfvec AS a, ARRAY[j * -0.0123 + 0.01]::halfvec AS b
		FROM generate_series(1, 60) AS i, generate_series(1, 60) AS j) AS t) AS t;

SELECT start, count, pg_temp.outcome(format(
	'SELECT subvector(''[1,2,3,4,5]''::halfvec, %s, %s)', start, count)) AS part
FROM (VALUES (1, 5), (2, 3), (4, 9), (-1, 3), (-1, 2), (6, 1), (1, 0), (1, -1),
	(2147483647, 2147483647), (-2147483645, 2147483647)) AS t (start, count);
SELECT l2_normalize(v), l2_norm(l2_normalize(v))::numeric(8,3) AS norm
FROM (VALUES ('[3,4]'::halfvec), ('[-5]'), ('[0,0,0]'), ('[65504]'), ('[6e-8]')) AS t (v);
SELECT binary_quantize(v), length(binary_quantize(v))
FROM (VALUES ('[1]'::halfvec), ('[0]'), ('[6e-8,-6e-8,-0]'), ('[1,1,1,1,1,1,1,1]'),
	('[1,-1,1,-1,1,-1,1,-1,1]')) AS t (v);
