--
-- Which plan is chosen, with the planner's settings as they come.
--
CREATE SCHEMA index_plan;
SET search_path = index_plan, public, trident;
-- Servers differ in what they do in parallel; nothing here depends on it.
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION center() RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT array_fill(0.5, ''{48}'')::vector';
-- In a plan it is short, and it is taken for a constant.
CREATE FUNCTION q() RETURNS vector LANGUAGE plpgsql STABLE COST 0.001 AS 'BEGIN RETURN center(); END';

-- Few enough rows for ANALYZE to read them all.
CREATE TABLE item (id integer PRIMARY KEY, c100 integer, c2 integer, rare integer, title text, v vector(48));
INSERT INTO item
SELECT i, i % 100, i % 2, CASE WHEN i % 1000 = 0 THEN 1 ELSE 0 END, CASE WHEN i % 10 = 0 THEN 'some' ELSE 'other' END || i, v
FROM (SELECT i, array_agg(hashint4(i * 100 + n) / 4294967296.0 + 0.5 ORDER BY n)::vector AS v
	FROM generate_series(1, 20000) AS i, generate_series(1, 48) AS n GROUP BY i) AS s;
CREATE INDEX item_v ON item USING trident (v vector_l2_ops);
VACUUM ANALYZE item;

-- The nearest few: the index.  All rows, in order: a sort.
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id, v <-> q() AS distance FROM item ORDER BY distance LIMIT 1;
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q() LIMIT 100 OFFSET 20;
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q();
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q() LIMIT 15000;
-- SSDs: still a sort.
SET random_page_cost = 1.1;
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q();
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q() LIMIT 10;
RESET random_page_cost;
-- No order, no index.
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE v <-> q() < 1;
EXPLAIN (COSTS OFF) SELECT count(*) FROM item;
EXPLAIN (COSTS OFF) SELECT min(v <-> q()) FROM item;

-- A scan for ten rows costs what as many lists cost as it scores on average.
CREATE FUNCTION startup(probes integer) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	PERFORM set_config('trident.index_probes', probes::text, true);
	EXECUTE 'EXPLAIN (FORMAT JSON) SELECT id FROM item ORDER BY v <-> q() LIMIT 10' INTO plan;
	PERFORM set_config('trident.index_probes', '0', true);
	RETURN plan->0->'Plan'->>'Startup Cost';
END $$;
SELECT lists > 32 AS patient, startup(0) > startup(probes - 1) AND startup(0) <= startup(probes) AS follows FROM trident_index_stats('item_v');

-- Filters that let many rows through: the index.
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE c2 = 1 ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE c100 <> 7 ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE title LIKE 'some%' ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE v <-> q() < 1 ORDER BY v <-> q() LIMIT 10;
-- Filters that let few through: read all, or by the index of the filter.
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE rare = 1 ORDER BY v <-> q() LIMIT 10;
CREATE INDEX item_rare ON item (rare) WHERE rare = 1;
CREATE INDEX item_c100 ON item (c100);
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE rare = 1 ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE c100 = 7 ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE c100 <> 7 ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE id = 7 ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE id IN (7, 8, 9) ORDER BY v <-> q() LIMIT 10;

-- The key column instead of a filter: the index.
CREATE INDEX item_v_c100 ON item USING trident (v vector_l2_ops, c100);
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE c100 = 7 ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE c100 IN (7, 8, 9) ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE c100 = 7 AND c2 = 1 ORDER BY v <-> q() LIMIT 10;
DROP INDEX item_v_c100;
-- An index of the filter's rows alone.
CREATE INDEX item_v_7 ON item USING trident (v vector_l2_ops) WHERE c100 = 7;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE c100 = 7 ORDER BY v <-> q() LIMIT 10;
DROP INDEX item_v_7;

-- Joins, and what stands above or below.
CREATE TABLE category (c integer PRIMARY KEY, name text);
INSERT INTO category SELECT i, 'category ' || i FROM generate_series(0, 99) AS i;
VACUUM ANALYZE category;
EXPLAIN (COSTS OFF) SELECT id, name FROM item JOIN category ON c = c100 ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id, name FROM (SELECT * FROM item ORDER BY v <-> q() LIMIT 10) AS t JOIN category ON c = c100;
EXPLAIN (COSTS OFF) SELECT c, id FROM category, LATERAL (SELECT id FROM item WHERE c2 = c % 2 ORDER BY v <-> q() LIMIT 1) AS t;
EXPLAIN (COSTS OFF) SELECT array_agg(id) FROM (SELECT id FROM item ORDER BY v <-> q() LIMIT 10) AS t;
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q() FETCH FIRST 10 ROWS WITH TIES;
EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT id FROM item ORDER BY v <-> q();
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q() LIMIT 10 FOR UPDATE;

-- Prepared statements: the same without values; LIMIT as a parameter is taken
-- for a tenth of the rows.
SET plan_cache_mode = force_generic_plan;
PREPARE near(vector) AS SELECT id FROM item ORDER BY v <-> $1 LIMIT 10;
EXPLAIN (COSTS OFF) EXECUTE near(NULL);
PREPARE near_k(vector, integer) AS SELECT id FROM item ORDER BY v <-> $1 LIMIT $2;
EXPLAIN (COSTS OFF) EXECUTE near_k(NULL, 10);
PREPARE near_c2(vector, integer) AS SELECT id FROM item WHERE c2 = $2 ORDER BY v <-> $1 LIMIT 10;
EXPLAIN (COSTS OFF) EXECUTE near_c2(NULL, 1);
PREPARE near_c100(vector, integer) AS SELECT id FROM item WHERE c100 = $2 ORDER BY v <-> $1 LIMIT 10;
EXPLAIN (COSTS OFF) EXECUTE near_c100(NULL, 1);
RESET plan_cache_mode;
-- Left to itself a statement keeps the index after five executions.
DO $$
DECLARE
	line text;
	taken text[];
BEGIN
	PREPARE by_itself(vector, integer) AS SELECT id FROM item ORDER BY v <-> $1 LIMIT $2;
	FOR i IN 1..8 LOOP
		FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) EXECUTE by_itself(center(), 10)' LOOP
			taken = taken || substring(line FROM 'Index Scan using item_v');
		END LOOP;
	END LOOP;
	RAISE INFO '% of 8', cardinality(array_remove(taken, NULL));
END $$;

-- An exact answer is asked for: reading the table is the cheaper way to it.
SET trident.index_target_recall = 1;
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q() LIMIT 10;
RESET trident.index_target_recall;

-- Small tables, by the rows they have.
CREATE TABLE small (id integer, v vector(48));
INSERT INTO small SELECT id, v FROM item WHERE id <= 50;
CREATE INDEX small_v ON small USING trident (v vector_l2_ops);
VACUUM ANALYZE small;
EXPLAIN (COSTS OFF) SELECT id FROM small ORDER BY v <-> q() LIMIT 10;
INSERT INTO small SELECT id, v FROM item WHERE id BETWEEN 51 AND 2000;
VACUUM ANALYZE small;
EXPLAIN (COSTS OFF) SELECT id FROM small ORDER BY v <-> q() LIMIT 10;
-- Vectors that are stored out of line: the pages of the table tell little.
CREATE TABLE wide (id integer, c integer, v vector(768));
INSERT INTO wide SELECT i, i % 20, array_agg(hashint4(i * 1000 + n) / 4294967296.0 + 0.5 ORDER BY n)::vector
FROM generate_series(1, 1000) AS i, generate_series(1, 768) AS n GROUP BY i;
CREATE INDEX wide_v ON wide USING trident (v vector_l2_ops);
VACUUM ANALYZE wide;
CREATE FUNCTION wide_q() RETURNS vector LANGUAGE plpgsql STABLE COST 0.001 AS 'BEGIN RETURN array_fill(0.5, ''{768}'')::vector; END';
EXPLAIN (COSTS OFF) SELECT id FROM wide ORDER BY v <-> wide_q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM wide WHERE c <> 1 ORDER BY v <-> wide_q() LIMIT 10;
-- Each row that a filter takes away has been read from there: few match, few are read.
EXPLAIN (COSTS OFF) SELECT id FROM wide WHERE c = 1 ORDER BY v <-> wide_q() LIMIT 10;

-- Partitions: the nearest of each, merged; and those that are left.
CREATE TABLE part (id integer, day integer, v vector(48)) PARTITION BY RANGE (day);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (50);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (50) TO (100);
INSERT INTO part SELECT id, c100, v FROM item;
CREATE INDEX part_v ON part USING trident (v vector_l2_ops);
VACUUM ANALYZE part;
EXPLAIN (COSTS OFF) SELECT id FROM part ORDER BY v <-> q() LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM part WHERE day < 50 ORDER BY v <-> q() LIMIT 10;
-- One partition has no such index: its nearest by a sort.
CREATE TABLE part_3 (LIKE part);
INSERT INTO part_3 SELECT id, 100, v FROM small;
CREATE INDEX part_other ON part_3 USING trident (v vector_cosine_ops);
ALTER TABLE part_3 ADD CHECK (day = 100);
VACUUM ANALYZE part_3;
DROP INDEX part_v;
CREATE INDEX part_1_v ON part_1 USING trident (v vector_l2_ops);
CREATE INDEX part_2_v ON part_2 USING trident (v vector_l2_ops);
ALTER TABLE part ATTACH PARTITION part_3 FOR VALUES FROM (100) TO (101);
EXPLAIN (COSTS OFF) SELECT id FROM part ORDER BY v <-> q() LIMIT 10;

-- Row security is a filter.
CREATE POLICY even ON item USING (c2 = 0);
ALTER TABLE item ENABLE ROW LEVEL SECURITY;
CREATE ROLE regress_index_plan;
GRANT USAGE ON SCHEMA index_plan TO regress_index_plan;
GRANT SELECT ON item TO regress_index_plan;
SET ROLE regress_index_plan;
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v <-> q() LIMIT 10;
SELECT count(*), count(*) FILTER (WHERE id % 2 = 0) AS even FROM (SELECT id FROM item ORDER BY v <-> q() LIMIT 10) AS t;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA index_plan CASCADE;
DROP ROLE regress_index_plan;
