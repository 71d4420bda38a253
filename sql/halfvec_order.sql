-- Order of halfvecs: comparison, btree, sorting, joining.
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

SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge,
	a > b AS gt, trident.halfvec_cmp(a, b) AS cmp
FROM (VALUES ('[1,2]'::halfvec, '[1,2]'::halfvec), ('[1,2]', '[1,3]'),
	('[2]', '[1,9]'), ('[1]', '[1,-9]'), ('[-1]', '[1]'), ('[0]', '[-0]'),
	('[-2]', '[-1]'), ('[6e-8]', '[0]'), ('[-6e-8]', '[-0]'),
	('[65504]', '[-65504]')) AS t (a, b);

-- Ordered as the vectors of the same elements are.
CREATE TABLE halfvec_order AS
SELECT i AS id, array_fill((i * 37) % 100 * 0.01 - 0.5, ARRAY[1 + i % 70])::halfvec AS h
FROM generate_series(1, 600) AS i;
INSERT INTO halfvec_order VALUES (0, NULL);
SELECT count(*) AS elsewhere
FROM (SELECT row_number() OVER (ORDER BY h, id) AS a,
	row_number() OVER (ORDER BY h::vector, id) AS b FROM halfvec_order) AS t
WHERE a <> b;
CREATE INDEX halfvec_order_h ON halfvec_order (h);
ANALYZE halfvec_order;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM halfvec_order WHERE h = '[-0.5]';
EXPLAIN (COSTS OFF) SELECT id FROM halfvec_order WHERE h > '[0.48]' ORDER BY h;
SELECT id, vector_dims(h), subvector(h, 1, 1) FROM halfvec_order
WHERE h > '[0.48]' AND h < '[0.49]' ORDER BY h, id;
SELECT count(*) = (SELECT count(*) FROM halfvec_order WHERE h IS NOT NULL) AS finds_all
FROM halfvec_order WHERE h IN (SELECT h FROM halfvec_order);
DROP TABLE halfvec_order;

SELECT o.oprname, c.oprname AS commutator, n.oprname AS negator, o.oprrest, o.oprjoin
FROM pg_operator AS o JOIN pg_operator AS c ON c.oid = o.oprcom
JOIN pg_operator AS n ON n.oid = o.oprnegate
WHERE o.oprleft = 'halfvec'::regtype ORDER BY o.oprname COLLATE "C";
