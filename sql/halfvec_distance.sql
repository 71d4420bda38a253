-- Distances of halfvecs: values, extremes, operators.
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

SELECT a, b, l2_distance(a, b) AS l2, inner_product(a, b) AS ip,
	cosine_distance(a, b)::numeric(10,6) AS cosine, l1_distance(a, b) AS l1
FROM (VALUES ('[0,0]'::halfvec, '[3,4]'::halfvec), ('[1,2,3]', '[1,2,3]'),
	('[1,2]', '[-1,-2]'), ('[1,0]', '[0,5]'), ('[2]', '[-3]'),
	('[1,2,3,4,5,6,7,8,9]', '[9,8,7,6,5,4,3,2,1]'),
	('[65504,65504]', '[-65504,-65504]'), ('[6e-8]', '[6e-8]')) AS t (a, b);
SELECT a <-> b = l2_distance(a, b) AS l2, a <#> b = -inner_product(a, b) AS ip,
	a <=> b = cosine_distance(a, b) AS cosine, a <+> b = l1_distance(a, b) AS l1,
	trident.halfvec_l2_squared_distance(a, b) AS squared
FROM (SELECT '[1,2,3]'::halfvec AS a, '[2,4,8]'::halfvec AS b) AS t;
SELECT trident.halfvec_spherical_distance('[1,0]', '[0,1]'),
	trident.halfvec_spherical_distance('[1,0]', '[-1,0]'),
	trident.halfvec_spherical_distance('[2,0]', '[2,0]');
SELECT '[1]'::halfvec <-> NULL, NULL::halfvec <=> '[1]';
SELECT query, pg_temp.outcome('SELECT ' || query) AS outcome FROM unnest(ARRAY[
	'''[1,2]''::halfvec <-> ''[3]''', '''[1,2]''::halfvec <#> ''[3]''',
	'''[1,2]''::halfvec <=> ''[3]''', '''[1,2]''::halfvec <+> ''[3]''',
	'trident.halfvec_l2_squared_distance(''[1,2]'', ''[3]'')',
	'trident.halfvec_spherical_distance(''[1,2]'', ''[3]'')']) AS query;
SELECT v, vector_dims(v), l2_norm(v), l2_normalize(v)
FROM (VALUES ('[3,4]'::halfvec), ('[0,0]'), ('[-2]'), ('[65504,0]'),
	('[65504,65504]'), ('[6e-8]')) AS t (v);

-- Every level of instructions gives these whole numbers exactly, at lengths
-- around the width of its registers; one that is missing falls back.
CREATE TABLE halfvec_distance AS
SELECT n, array_agg(i % 7 - 3 ORDER BY i)::halfvec AS a,
	array_agg(i % 5 - 2 ORDER BY i)::halfvec AS b
FROM generate_series(1, 70) AS n, generate_series(1, n) AS i GROUP BY n;
CREATE VIEW halfvec_distance_all AS
SELECT n, trident.halfvec_l2_squared_distance(a, b) AS l2, a <#> b AS ip,
	a <+> b AS l1, l2_norm(a) AS norm FROM halfvec_distance;
SET trident.simd = scalar;
CREATE TEMP TABLE halfvec_distance_scalar AS TABLE halfvec_distance_all;
SET trident.simd = avx2;
TABLE halfvec_distance_all EXCEPT TABLE halfvec_distance_scalar;
SET trident.simd = avx512;
TABLE halfvec_distance_all EXCEPT TABLE halfvec_distance_scalar;
SET trident.simd = neon;
TABLE halfvec_distance_all EXCEPT TABLE halfvec_distance_scalar;
RESET trident.simd;
TABLE halfvec_distance_all EXCEPT TABLE halfvec_distance_scalar;
SELECT n, l2, ip, l1, norm::numeric(10,5) FROM halfvec_distance_scalar
WHERE n IN (1, 8, 9, 70) ORDER BY n;

-- The same as those of the vectors of the same elements.
SELECT count(*) FROM halfvec_distance
WHERE a <-> b <> a::vector <-> b::vector OR a <#> b <> a::vector <#> b::vector
	OR a <+> b <> a::vector <+> b::vector OR l2_norm(a) <> vector_norm(a::vector);
DROP TABLE halfvec_distance CASCADE;

SELECT o.oprname, c.oprname AS commutator, p.provolatile, p.proisstrict,
	p.proparallel, p.proleakproof
FROM pg_operator AS o JOIN pg_proc AS p ON p.oid = o.oprcode
LEFT JOIN pg_operator AS c ON c.oid = o.oprcom
WHERE o.oprleft = 'halfvec'::regtype AND o.oprname IN ('<->', '<#>', '<=>', '<+>')
ORDER BY o.oprname COLLATE "C";
