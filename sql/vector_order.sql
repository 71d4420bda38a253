-- Order of vectors: comparison, btree, sorting, joining, grouping.
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

-- The first elements that differ decide, then the length; -0 is 0.
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt,
	trident.vector_cmp(a, b) AS cmp
FROM (VALUES ('[1,2]'::vector, '[1,2]'::vector), ('[1,2]', '[1,3]'), ('[2]', '[1,9]'),
	('[1]', '[1,-9]'), ('[-1]', '[1]'), ('[0]', '[-0]'), ('[-2]', '[-1]'),
	('[1e-45]', '[0]'), ('[3.4028235e38]', '[-3.4028235e38]')) AS t (a, b);
SELECT '[1]'::vector < NULL, NULL::vector = NULL;

-- Rows around the two sizes at which the storage of a value changes.
CREATE TABLE vector_order (id int, v vector);
INSERT INTO vector_order SELECT i, array_fill((i * 37) % 100 - 50, ARRAY[1 + i % 60])::vector
FROM generate_series(1, 600) AS i;
INSERT INTO vector_order VALUES (0, NULL);
CREATE INDEX vector_order_v ON vector_order (v);
ANALYZE vector_order;
SET enable_seqscan = off;
SET enable_sort = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM vector_order WHERE v = '[1,1]';
EXPLAIN (COSTS OFF) SELECT id FROM vector_order WHERE v > '[48]' AND v <= '[49,49]' ORDER BY v;
EXPLAIN (COSTS OFF) SELECT id FROM vector_order ORDER BY v DESC LIMIT 3;
SELECT id, vector_dims(v), subvector(v, 1, 1) FROM vector_order
WHERE v > '[48]' AND v <= '[49,49]' ORDER BY v, id;
SELECT id, v FROM vector_order WHERE v IS NULL;
CREATE TEMP TABLE vector_order_by_index AS SELECT row_number() OVER () AS n, v FROM (SELECT v FROM vector_order ORDER BY v) AS t;
RESET enable_sort;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SET enable_indexonlyscan = off;
CREATE TEMP TABLE vector_order_by_sort AS SELECT row_number() OVER () AS n, v FROM (SELECT v FROM vector_order ORDER BY v) AS t;
SELECT count(*) AS same FROM vector_order_by_index AS a JOIN vector_order_by_sort AS b USING (n)
WHERE a.v IS NOT DISTINCT FROM b.v;
SELECT count(*) AS out_of_order FROM vector_order_by_sort AS a JOIN vector_order_by_sort AS b ON b.n = a.n + 1 WHERE a.v > b.v;
RESET ALL;
SET search_path = "$user", public, trident;

-- Equality serves DISTINCT, GROUP BY, UNION, merge join and uniqueness.
SELECT count(DISTINCT v) = (SELECT count(*) FROM (SELECT v FROM vector_order WHERE v IS NOT NULL GROUP BY v) AS t) FROM vector_order;
SELECT v FROM (VALUES ('[1]'::vector), ('[-0]'), ('[1]'), ('[0]')) AS t (v) UNION SELECT '[2]' ORDER BY v DESC LIMIT 2;
SELECT count(*) FROM (VALUES ('[1]'::vector), ('[2]'), ('[3]')) AS a (v) JOIN (VALUES ('[2]'::vector), ('[3]'), ('[4]')) AS b (v) USING (v);
SELECT count(*) = (SELECT count(*) FROM vector_order WHERE v IS NOT NULL) AS self_join_finds_all
FROM vector_order AS a WHERE v IN (SELECT v FROM vector_order);
CREATE UNIQUE INDEX vector_order_unique ON vector_order (v) WHERE id < 40;
SELECT pg_temp.outcome('INSERT INTO vector_order SELECT 39, v FROM vector_order WHERE id = 3');
DROP TABLE vector_order;

-- Each operator with its mirror, its opposite and its estimator.
SELECT o.oprname, c.oprname AS commutator, n.oprname AS negator, o.oprrest, o.oprjoin
FROM pg_operator AS o JOIN pg_operator AS c ON c.oid = o.oprcom JOIN pg_operator AS n ON n.oid = o.oprnegate
WHERE o.oprleft = 'vector'::regtype ORDER BY o.oprname COLLATE "C";
