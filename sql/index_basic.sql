--
-- The access method: what a scan returns, in which order, however it is run.
--
CREATE SCHEMA index_basic;
SET search_path = index_basic, public, trident;
-- Tables this small are read whole otherwise.
SET enable_seqscan = off;
-- A plan, without the lines by which 18 marks what is switched off.
CREATE FUNCTION plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		CONTINUE WHEN line ~ '^ *Disabled: true$';
		RETURN NEXT line;
	END LOOP;
END $$;

-- Every operator class: nearest first; NULL never, zero vectors not by cosine.
CREATE TABLE item (id integer, v vector(3), h halfvec(3));
INSERT INTO item SELECT id, v::vector, v::halfvec FROM (VALUES
	(1, '[0,0,0]'), (2, '[1,2,3]'), (3, '[1,1,1]'), (4, NULL), (5, '[1,2,4]'), (6, '[-1,-2,-3]')) AS t (id, v);

CREATE INDEX ON item USING trident (v vector_l2_ops);
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> '[3,3,3]';
SELECT id, v <-> '[3,3,3]' AS distance FROM item ORDER BY v <-> '[3,3,3]';
SELECT id FROM item ORDER BY '[3,3,3]' <-> v LIMIT 2;
INSERT INTO item (id, v) VALUES (7, '[2.5,3,3]');
SELECT id FROM item ORDER BY v <-> '[3,3,3]' LIMIT 2;
DELETE FROM item WHERE id = 7;
-- A query that is NULL: every row has a distance that is NULL.
SELECT count(*), count(distance) FROM (SELECT v <-> NULL::vector AS distance FROM item ORDER BY v <-> NULL::vector) AS t;
SELECT count(*) FROM (SELECT 1 FROM item ORDER BY v <-> (SELECT NULL::vector)) AS t;
SELECT count(*) FROM item;
DROP INDEX item_v_idx;

CREATE INDEX ON item USING trident (v vector_ip_ops);
SELECT id, v <#> '[3,3,3]' AS distance FROM item ORDER BY v <#> '[3,3,3]';
SELECT count(*) FROM (SELECT 1 FROM item ORDER BY v <#> '[0,0,0]') AS t;
DROP INDEX item_v_idx;

CREATE INDEX ON item USING trident (v vector_cosine_ops);
SELECT id, round((v <=> '[3,3,3]')::numeric, 6) AS distance FROM item ORDER BY v <=> '[3,3,3]';
INSERT INTO item (id, v) VALUES (7, '[0,0,0]'), (8, '[30,31,32]');
SELECT id FROM item ORDER BY v <=> '[3,3,3]';
-- To a zero vector there is no angle: every row's distance is NaN.
SELECT count(*), count(*) FILTER (WHERE distance = 'NaN')
FROM (SELECT v <=> '[0,0,0]' AS distance FROM item ORDER BY v <=> '[0,0,0]') AS t;
DELETE FROM item WHERE id > 6;
DROP INDEX item_v_idx;

CREATE INDEX ON item USING trident (h halfvec_l2_ops);
SELECT id, h <-> '[3,3,3]' AS distance FROM item ORDER BY h <-> '[3,3,3]';
DROP INDEX item_h_idx;
CREATE INDEX ON item USING trident (h halfvec_ip_ops);
SELECT id, h <#> '[3,3,3]' AS distance FROM item ORDER BY h <#> '[3,3,3]';
DROP INDEX item_h_idx;
CREATE INDEX ON item USING trident (h halfvec_cosine_ops);
SELECT id, round((h <=> '[3,3,3]')::numeric, 6) AS distance FROM item ORDER BY h <=> '[3,3,3]';
DROP INDEX item_h_idx;

-- The default class of a type is that of L2 distance.
CREATE INDEX item_default ON item USING trident (v);
CREATE INDEX item_default_half ON item USING trident (h);
SELECT pg_get_indexdef('item_default'::regclass), pg_get_indexdef('item_default_half'::regclass);
DROP INDEX item_default, item_default_half;

-- Values without a limit in float4: no row is lost on the way.
CREATE TABLE extreme (id integer, v vector(2));
INSERT INTO extreme VALUES (1, '[3e38,3e38]'), (2, '[-3e38,3e38]'), (3, '[1e-45,1e-45]'), (4, '[0,1]'), (5, '[3e38,0]');
CREATE INDEX ON extreme USING trident (v vector_l2_ops);
SELECT id FROM extreme ORDER BY v <-> '[3e38,3e38]';
DROP INDEX extreme_v_idx;
CREATE INDEX ON extreme USING trident (v vector_ip_ops);
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM extreme ORDER BY v <#> '[3e38,3e38]') AS t;
DROP INDEX extreme_v_idx;
CREATE INDEX ON extreme USING trident (v vector_cosine_ops);
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM extreme ORDER BY v <=> '[1,1]') AS t;

-- An index of an empty table, then rows, TRUNCATE, and rows again.
CREATE TABLE growing (id integer, v vector(3));
CREATE INDEX ON growing USING trident (v vector_l2_ops);
SELECT id FROM growing ORDER BY v <-> '[1,1,1]' LIMIT 5;
INSERT INTO growing SELECT i, ARRAY[i, i, i]::vector FROM generate_series(1, 1000) AS i;
SELECT id FROM growing ORDER BY v <-> '[700.1,700,700]' LIMIT 3;
TRUNCATE growing;
SELECT id FROM growing ORDER BY v <-> '[1,1,1]' LIMIT 5;
INSERT INTO growing VALUES (1, '[1,2,3]'), (2, NULL), (3, '[1,2,2]');
SELECT id FROM growing ORDER BY v <-> '[1,2,2]' LIMIT 5;
DROP TABLE growing;

-- More rows, in lists: the order is that of a table read whole.
CREATE TABLE sphere (id integer PRIMARY KEY, category integer, v vector(8), h halfvec(8));
INSERT INTO sphere
SELECT i, i % 10, array_agg(sin(i * n * 12.9898 + n) ORDER BY n)::vector, array_agg(sin(i * n * 12.9898 + n) ORDER BY n)::vector::halfvec
FROM generate_series(1, 2000) AS i, generate_series(1, 8) AS n GROUP BY i;
CREATE INDEX sphere_v ON sphere USING trident (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX sphere_h ON sphere USING trident (h halfvec_cosine_ops) WITH (lists = 20);
ANALYZE sphere;
CREATE TABLE nearest (n integer, distance float8);
SET enable_seqscan = on;
SET enable_indexscan = off;
INSERT INTO nearest
SELECT row_number() OVER (ORDER BY d), d FROM (SELECT v <-> (SELECT v FROM sphere WHERE id = 77) AS d FROM sphere) AS t;
RESET enable_indexscan;
SET enable_seqscan = off;
-- All rows are returned, each once, be the recall aimed at ever so low.
SET trident.index_target_recall = 0.5;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM sphere ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77)) AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM sphere ORDER BY h <=> (SELECT h FROM sphere WHERE id = 77)) AS t;
SET trident.index_probes = 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM sphere ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77)) AS t;
RESET trident.index_probes;
-- Rows found late come last; strict leaves them out and keeps the order.
CREATE FUNCTION returned(OUT total integer, OUT sorted boolean) LANGUAGE plpgsql AS $$
DECLARE
	last float8 = -1;
	d float8;
BEGIN
	total = 0;
	sorted = true;
	FOR d IN SELECT v <-> (SELECT v FROM sphere WHERE id = 77) FROM sphere ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77) LOOP
		total = total + 1;
		sorted = sorted AND d >= last;
		last = d;
	END LOOP;
END $$;
SET trident.index_probes = 1;
SELECT * FROM returned();
SET trident.index_order = strict;
SELECT total < 2000 AS some_left_out, total >= 20 AS some_returned, sorted FROM returned();
-- Exact: every row, in order, in either mode.
RESET trident.index_probes;
SET trident.index_target_recall = 1;
SELECT * FROM returned();
RESET trident.index_order;
SELECT * FROM returned();
SELECT count(*) FILTER (WHERE nearest.distance = t.distance) AS same
FROM nearest JOIN (SELECT row_number() OVER () AS n, distance FROM
	(SELECT v <-> (SELECT v FROM sphere WHERE id = 77) AS distance FROM sphere ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77)) AS s) AS t USING (n);
RESET trident.index_target_recall;

-- A filter on another column costs lists, never rows.
SELECT c, n FROM generate_series(0, 9) AS c,
	LATERAL (SELECT count(*) AS n FROM (SELECT 1 FROM sphere WHERE category = c
		ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 50) AS t) AS t;

-- A cursor, in steps, past its end, and with rows added and removed meanwhile.
BEGIN;
SET LOCAL trident.index_target_recall = 1;
DECLARE c CURSOR FOR SELECT id FROM sphere ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77);
FETCH 1 FROM c;
INSERT INTO sphere SELECT 2000 + id, category, v, h FROM sphere;
DELETE FROM sphere WHERE id % 2 = 0;
MOVE 1000 FROM c;
MOVE 998 FROM c;
FETCH 5 FROM c;
FETCH 5 FROM c;
CLOSE c;
ROLLBACK;
-- Backwards it takes a sort.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM sphere ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77) LIMIT 3;
FETCH ALL FROM c;
FETCH BACKWARD 3 FROM c;
ROLLBACK;

-- A scan for each row of another table: rescans, with queries that are NULL too.
CREATE TABLE query (q integer, v vector(8));
INSERT INTO query SELECT id, v FROM sphere WHERE id IN (3, 500, 1999);
INSERT INTO query VALUES (0, NULL);
SELECT plan('SELECT q, id FROM query, LATERAL (SELECT id FROM sphere ORDER BY sphere.v <-> query.v LIMIT 2) AS t');
SELECT q, count(*), min(id) FILTER (WHERE d = 0) AS itself
FROM query, LATERAL (SELECT id, sphere.v <-> query.v AS d FROM sphere ORDER BY sphere.v <-> query.v LIMIT 20) AS t
GROUP BY q ORDER BY q;

-- Prepared, with the value in the plan and without; LIMIT as a parameter.
PREPARE near(vector, integer) AS SELECT id FROM sphere ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_custom_plan;
SELECT v AS v_77 FROM sphere WHERE id = 77 \gset
SELECT v AS v_1234 FROM sphere WHERE id = 1234 \gset
EXECUTE near(:'v_77', 1);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE near('[0,0,0,0,0,0,0,0]', 1);
EXECUTE near(:'v_77', 1);
EXECUTE near(:'v_1234', 1);
EXECUTE near(NULL, 0);
-- A query of other dimensions is an error, however it comes.
EXECUTE near('[1,2,3]', 1);
RESET plan_cache_mode;
SELECT id FROM sphere ORDER BY v <-> '[1,2,3]' LIMIT 1;
-- A subquery as the query vector; one row that there is not.
SELECT id FROM sphere ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77) LIMIT 1;
SELECT count(*) FROM (SELECT id FROM sphere ORDER BY v <-> (SELECT v FROM sphere WHERE id = -1) LIMIT 7) AS t;
-- In a function, in a CTE, with OFFSET, under a join and a set operation.
CREATE FUNCTION nearest_to(vector) RETURNS integer LANGUAGE sql STABLE AS 'SELECT id FROM sphere ORDER BY v <-> $1 LIMIT 1';
SELECT nearest_to(v) FROM sphere WHERE id IN (5, 6) ORDER BY id;
WITH near AS MATERIALIZED (SELECT id, v <-> '[1,1,1,1,0,0,0,0]' AS d FROM sphere ORDER BY v <-> '[1,1,1,1,0,0,0,0]' LIMIT 100)
SELECT count(*), count(*) FILTER (WHERE category < 10) AS joined FROM near JOIN sphere USING (id);
SELECT (SELECT id FROM sphere ORDER BY v <-> q.v OFFSET 1 LIMIT 1) = (SELECT id FROM sphere ORDER BY v <-> q.v OFFSET 1 LIMIT 1) AS same FROM query AS q WHERE q.v IS NOT NULL;

-- What the index does not order: other operators, farthest first, expressions.
SELECT plan('SELECT id FROM sphere ORDER BY v <=> ''[1,1,1,1,0,0,0,0]'' LIMIT 2');
SELECT plan('SELECT id FROM sphere ORDER BY v <-> ''[1,1,1,1,0,0,0,0]'' DESC LIMIT 2');
SELECT plan('SELECT id FROM sphere ORDER BY 1 - (v <-> ''[1,1,1,1,0,0,0,0]'') LIMIT 2');
SELECT plan('SELECT id FROM sphere ORDER BY l2_distance(v, ''[1,1,1,1,0,0,0,0]'') LIMIT 2');

-- Rows that are all alike: every one is returned.
CREATE TABLE same AS SELECT i AS id, '[1,2,3]'::vector(3) AS v FROM generate_series(1, 5000) AS i;
CREATE INDEX ON same USING trident (v vector_l2_ops) WITH (lists = 10);
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM same ORDER BY v <-> '[1,2,4]') AS t;
INSERT INTO same SELECT id + 5000, v FROM same;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM same ORDER BY v <-> '[1,2,4]') AS t;
CREATE TABLE same_wide AS SELECT i AS id, array_fill(1, '{64}')::vector(64) AS v FROM generate_series(1, 3000) AS i;
CREATE INDEX ON same_wide USING trident (v vector_cosine_ops) WITH (lists = 10);
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM same_wide ORDER BY v <=> array_fill(2, '{64}')::vector) AS t;

-- Temporary, unlogged and partitioned tables.
CREATE TEMP TABLE fleeting AS SELECT * FROM sphere;
CREATE INDEX ON fleeting USING trident (v vector_l2_ops) WITH (lists = 20);
SELECT id FROM fleeting ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77) LIMIT 1;
CREATE UNLOGGED TABLE light AS SELECT * FROM sphere;
CREATE INDEX ON light USING trident (v vector_l2_ops) WITH (lists = 20);
SELECT id FROM light ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77) LIMIT 1;
CREATE TABLE part (id integer, v vector(8)) PARTITION BY HASH (id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON part USING trident (v vector_l2_ops) WITH (lists = 5);
INSERT INTO part SELECT id, v FROM sphere;
EXPLAIN (COSTS OFF) SELECT id FROM part ORDER BY v <-> '[1,1,1,1,0,0,0,0]' LIMIT 2;
SELECT id FROM part ORDER BY v <-> (SELECT v FROM sphere WHERE id = 77) LIMIT 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM part ORDER BY v <-> '[1,1,1,1,0,0,0,0]') AS t;

-- Updates: of the vector, of another column with and without room in the page.
UPDATE sphere SET v = '[9,9,9,9,9,9,9,9]' WHERE id = 77;
UPDATE sphere SET category = 11 WHERE id % 7 = 0;
SELECT id, category FROM sphere ORDER BY v <-> '[9,9,9,9,9,9,9,8]' LIMIT 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM sphere ORDER BY v <-> '[9,9,9,9,9,9,9,8]') AS t;
UPDATE sphere SET v = NULL WHERE id = 77;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM sphere ORDER BY v <-> '[9,9,9,9,9,9,9,8]') AS t;
DELETE FROM sphere WHERE id > 1000;
VACUUM sphere;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM sphere ORDER BY v <-> '[9,9,9,9,9,9,9,8]') AS t;
REINDEX INDEX sphere_v;
REINDEX INDEX CONCURRENTLY sphere_h;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM sphere ORDER BY v <-> '[9,9,9,9,9,9,9,8]') AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM sphere ORDER BY h <=> '[9,9,9,9,9,9,9,8]') AS t;

-- A hole in each page of a list, wherever the last was found: all are filled.
CREATE TABLE hole (id integer, v vector(4)) WITH (autovacuum_enabled = off);
INSERT INTO hole SELECT i, ARRAY[i, 1, 2, 3]::vector FROM generate_series(1, 30000) i;
CREATE INDEX hole_v ON hole USING trident (v) WITH (lists = 1);
DELETE FROM hole WHERE id % 250 = 0;
-- A worker's snapshot that is older keeps the rows.
DO $$BEGIN
	WHILE EXISTS (SELECT FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND (datname = current_database()) IS NOT FALSE) LOOP
		PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
	END LOOP;
END$$;
VACUUM hole;
SELECT pg_relation_size('hole_v') AS before \gset
INSERT INTO hole SELECT -i, ARRAY[-i, 1, 2, 3]::vector FROM generate_series(1, 100) i;
SELECT pg_relation_size('hole_v') = :before AS holes_are_used;
SELECT count(*) FROM (SELECT FROM hole ORDER BY v <-> '[0,1,2,3]') AS t;
SELECT count(*) FROM trident_index_check('hole_v', true);

SET client_min_messages = warning;
DROP SCHEMA index_basic CASCADE;
