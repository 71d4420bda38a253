-- Distances of vectors: values, extremes, operators, planner facts.
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
FROM (VALUES ('[0,0]'::vector, '[3,4]'::vector), ('[1,2,3]', '[1,2,3]'),
	('[1,2]', '[-1,-2]'), ('[1,0]', '[0,5]'), ('[2]', '[-3]'),
	('[1,2,3,4,5,6,7,8,9]', '[9,8,7,6,5,4,3,2,1]'),
	('[1.5,-2.5]', '[-0,0]')) AS t (a, b);

-- The operators say the same; <#> is negative so that the nearest comes first.
SELECT a <-> b = l2_distance(a, b) AS l2, a <#> b = -inner_product(a, b) AS ip,
	a <=> b = cosine_distance(a, b) AS cosine, a <+> b = l1_distance(a, b) AS l1,
	trident.vector_l2_squared_distance(a, b) AS squared
FROM (SELECT '[1,2,3]'::vector AS a, '[2,4,8]'::vector AS b) AS t;

-- Sums are float4: they overflow to infinity, and cosine to NaN.
SELECT '[3e38]'::vector <-> '[-3e38]', '[3e38]'::vector <#> '[3e38]',
	'[3e38]'::vector <=> '[3e38]', '[3e38]'::vector <+> '[-3e38]';
SELECT '[0,0]'::vector <=> '[1,2]' AS zero_norm, '[1e-30]'::vector <=> '[1]' AS tiny_norm;

-- Rounding does not take the cosine out of 0..2.
SELECT bool_and(a <=> a >= 0) AS lower_bound, bool_and(a <=> b <= 2) AS upper_bound
FROM (SELECT ARRAY[0.1 * i, 0.7, 1.0 / i]::real[]::vector AS a,
	ARRAY[-0.1 * i, -0.7, -1.0 / i]::real[]::vector AS b
	FROM generate_series(1, 1000) AS i) AS t;

-- The angle between unit vectors, over pi.
SELECT trident.vector_spherical_distance('[1,0]', '[0,1]'),
	trident.vector_spherical_distance('[1,0]', '[-1,0]'),
	trident.vector_spherical_distance('[2,0]', '[2,0]');

-- NULL in, NULL out; different dimensions are an error.
SELECT '[1]'::vector <-> NULL, NULL::vector <=> '[1]', l1_distance(NULL::vector, NULL);
SELECT query, pg_temp.outcome('SELECT ' || query) AS outcome FROM unnest(ARRAY[
	'''[1,2]''::vector <-> ''[3]''', '''[1,2]''::vector <#> ''[3]''',
	'''[1,2]''::vector <=> ''[3]''', '''[1,2]''::vector <+> ''[3]''',
	'trident.vector_l2_squared_distance(''[1,2]'', ''[3]'')',
	'trident.vector_spherical_distance(''[1,2]'', ''[3]'')']) AS query;

-- Lengths.
SELECT v, vector_dims(v), vector_norm(v), l2_norm(v), l2_normalize(v)
FROM (VALUES ('[3,4]'::vector), ('[0,0]'), ('[-2]'), ('[3e38,0]'), ('[1e-45]')) AS t (v);
SELECT vector_norm('[3e38,3e38]'), l2_normalize('[3e38,3e38]'::vector);

-- Every level of instructions gives these whole numbers exactly, at lengths
-- around the width of its registers; one that is missing falls back.
CREATE TABLE vector_distance AS
SELECT n, array_agg(i % 7 - 3 ORDER BY i)::vector AS a,
	array_agg(i % 5 - 2 ORDER BY i)::vector AS b
FROM generate_series(1, 70) AS n, generate_series(1, n) AS i GROUP BY n;
SET trident.simd = scalar;
CREATE TEMP TABLE vector_distance_scalar AS SELECT n, trident.vector_l2_squared_distance(a, b) AS l2,
	a <#> b AS ip, a <+> b AS l1, vector_norm(a) AS norm FROM vector_distance;
SET trident.simd = avx2;
SELECT n, trident.vector_l2_squared_distance(a, b), a <#> b, a <+> b, vector_norm(a) FROM vector_distance
EXCEPT TABLE vector_distance_scalar;
SET trident.simd = avx512;
SELECT n, trident.vector_l2_squared_distance(a, b), a <#> b, a <+> b, vector_norm(a) FROM vector_distance
EXCEPT TABLE vector_distance_scalar;
SET trident.simd = neon;
SELECT n, trident.vector_l2_squared_distance(a, b), a <#> b, a <+> b, vector_norm(a) FROM vector_distance
EXCEPT TABLE vector_distance_scalar;
RESET trident.simd;
SELECT n, trident.vector_l2_squared_distance(a, b), a <#> b, a <+> b, vector_norm(a) FROM vector_distance
EXCEPT TABLE vector_distance_scalar;
SELECT n, l2, ip, l1, norm::numeric(10,5) FROM vector_distance_scalar WHERE n IN (1, 8, 9, 70) ORDER BY n;
DROP TABLE vector_distance;

-- What the planner may know: commutators, no leakproofness.
SELECT o.oprname, c.oprname AS commutator, p.provolatile, p.proisstrict, p.proparallel, p.proleakproof
FROM pg_operator AS o JOIN pg_proc AS p ON p.oid = o.oprcode
LEFT JOIN pg_operator AS c ON c.oid = o.oprcom
WHERE o.oprleft = 'vector'::regtype AND o.oprname IN ('<->', '<#>', '<=>', '<+>')
ORDER BY o.oprname COLLATE "C";
