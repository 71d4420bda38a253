--
-- trident_search: which way a search is run, and plans that outlive changes.
--
CREATE SCHEMA search_plan;
SET search_path = search_plan, public, trident;

-- The way taken is told at level debug1.
CREATE TABLE item (id integer PRIMARY KEY, tenant integer, embedding vector(2), title text);
INSERT INTO item SELECT i, i % 10, ARRAY[i, i % 5]::vector, 't' || i FROM generate_series(1, 2000) i;
CREATE INDEX ON item (tenant);
VACUUM ANALYZE item;
SET client_min_messages = debug1;
SELECT id FROM trident_search('item', '[7,2]', 2);
SELECT id FROM trident_search('item', '[7,2]', 2, filter => 'id > $1', filter_args => '[7]');
-- An index that serves the filter better is used.
SELECT id FROM trident_search('item', '[7,2]', 2, filter => 'id between 20 and 30');
SELECT id FROM trident_search('item', '[7,2]', 2, filter => 'tenant = $1 and id < 100', filter_args => '[3]');
-- A plan that finds nothing to read.
SELECT id FROM trident_search('item', '[7,2]', 2, filter => 'false');
-- Where reads are recorded or one snapshot serves many statements.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT id FROM trident_search('item', '[7,2]', 1);
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT id FROM trident_search('item', '[7,2]', 1);
COMMIT;
-- A parallel plan over whole tables is the same pass.
RESET client_min_messages;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY embedding <-> '[7,2]' LIMIT 2;
SET client_min_messages = debug1;
SELECT id FROM trident_search('item', '[7,2]', 2, columns => '{title}');
-- But not where the executor's workers outrun it: with more of them, and over
-- vectors that are stored out of line.
SET max_parallel_workers_per_gather = 3;
SET client_min_messages = notice;
ALTER TABLE item SET (parallel_workers = 3);
SET client_min_messages = debug1;
SELECT id FROM trident_search('item', '[7,2]', 1, columns => '{title}');
SET max_parallel_workers_per_gather = 2;
RESET client_min_messages;
CREATE TABLE wide AS SELECT i AS id, array_fill(i, '{3000}')::vector(3000) AS embedding FROM generate_series(1, 50) i;
ANALYZE wide;
SET client_min_messages = debug1;
SELECT id FROM trident_search('wide', array_fill(7, '{3000}')::vector, 1, key => '{id}');
SET max_parallel_workers_per_gather = 0;
SELECT id FROM trident_search('wide', array_fill(7, '{3000}')::vector, 1, key => '{id}');
-- A setting of the planner counts from the next call on.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT id FROM trident_search('item', '[7,2]', 1, filter => 'id > 0');
RESET enable_seqscan;
SELECT id FROM trident_search('item', '[7,2]', 1, filter => 'id > 0');
RESET enable_bitmapscan;
RESET client_min_messages;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET max_parallel_workers_per_gather;

-- Partitions: one pass over those that the filter leaves, with its value known
-- or not when the plan is made.
CREATE TABLE event (id integer, day date, embedding vector(2), PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
INSERT INTO event SELECT i, '2024-01-01'::date + i % 90, ARRAY[i, 1]::vector FROM generate_series(1, 900) i;
ANALYZE event;
SET client_min_messages = debug1;
SELECT id, shard FROM trident_search('event', '[70,1]', 1);
SELECT id, shard FROM trident_search('event', '[70,1]', 1, filter => 'day < $1', filter_args => '["2024-02-15"]');
SELECT id, shard FROM trident_search('event', '[70,1]', 1, filter => 'day >= $1', filter_args => '["2024-03-05"]');
SELECT id, shard FROM trident_search('event', '[70,1]', 1, filter => 'day < now() and day >= $1::date + 60', filter_args => '["2024-01-01"]');
RESET client_min_messages;

-- What changes between calls is seen by the next.
SELECT id FROM trident_search('item', '[2005,5]', 2);
INSERT INTO item VALUES (2001, 0, '[2005,5]', 'new');
SELECT id, payload FROM trident_search('item', '[2005,5]', 2, columns => '{title}');
DELETE FROM item WHERE id = 2000;
UPDATE item SET title = 'newer' WHERE id = 2001;
SELECT id, payload FROM trident_search('item', '[2005,5]', 2, columns => '{title}');
BEGIN;
DELETE FROM item WHERE id = 2001;
SELECT id FROM trident_search('item', '[2005,5]', 1);
ROLLBACK;
SELECT id FROM trident_search('item', '[2005,5]', 1);

-- Changes of the table, under statements that are kept.
CREATE FUNCTION near() RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY SELECT format('%s %s %s', id, shard, payload) FROM trident_search('item', '[2005,5]', 1,
		filter => 'title = $1', filter_args => '["newer"]', columns => '{title}');
END $$;
SELECT near();
ALTER TABLE item ADD COLUMN extra integer DEFAULT 5;
SELECT near();
ALTER TABLE item ALTER id TYPE bigint;
SELECT near();
ALTER TABLE item ALTER title TYPE varchar(30);
SELECT near();
ALTER TABLE item ALTER title TYPE jsonb USING to_jsonb(title);
SELECT near();
ALTER TABLE item ALTER title TYPE text USING title #>> '{}';
SELECT near();
ALTER TABLE item RENAME TO thing;
SELECT near();
CREATE TABLE item (title text, id text PRIMARY KEY, embedding halfvec(2));
INSERT INTO item VALUES ('newer', 'another', '[2005,6]');
SELECT near();
DROP TABLE item;
ALTER TABLE thing RENAME TO item;
SELECT near();
ALTER TABLE item DROP COLUMN extra, DROP CONSTRAINT item_pkey;
SELECT near();
ALTER TABLE item ADD PRIMARY KEY (id, tenant);
SELECT near();
CREATE SCHEMA search_plan_2;
CREATE TABLE search_plan_2.item (id integer PRIMARY KEY, title text, embedding vector(2));
INSERT INTO search_plan_2.item VALUES (0, 'newer', '[0,0]');
SET search_path = search_plan_2, search_plan, public, trident;
\c -
SET search_path = search_plan_2, search_plan, public, trident;
SELECT near();
-- A name in a filter means what it means in the caller's path.
CREATE OPERATOR public.=== (FUNCTION = int4eq, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR search_plan.=== (FUNCTION = int4ne, LEFTARG = integer, RIGHTARG = integer);
SET search_path = public, trident;
SELECT id FROM trident_search('search_plan.item', '[2005,5]', 1, filter => 'tenant === 5');
SET search_path = search_plan, public, trident;
SELECT id FROM trident_search('search_plan.item', '[2005,5]', 1, filter => 'tenant === 5');
SET search_path = public, trident;
SELECT id FROM trident_search('search_plan.item', '[2005,5]', 1, filter => 'tenant === 5');
DROP OPERATOR public.=== (integer, integer);
SET search_path = search_plan, public, trident;

-- Ways of calling: prepared, by cursor, from PL/pgSQL, after an error.
PREPARE search(vector, integer, jsonb) AS
	SELECT id FROM trident_search('item', $1, $2, filter => 'tenant = $1', filter_args => $3);
EXECUTE search('[7,2]', 2, '[7]');
EXECUTE search('[7,2]', 1, '[8]');
EXECUTE search('[7,2]', 0, '[8]');
EXECUTE search('[7,2]', 2, '[7]');
DEALLOCATE search;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM trident_search('item', '[7,2]', 5);
FETCH 2 FROM c;
DELETE FROM item WHERE id < 50;
FETCH 2 FROM c;
SAVEPOINT s;
SELECT id FROM trident_search('item', '[7]', 5);
ROLLBACK TO s;
SELECT id FROM trident_search('item', '[7,2]', 1);
ROLLBACK TO s;
ROLLBACK;
DO $$
DECLARE n integer = 0;
BEGIN
	-- errors of a search leave the next one as it was
	FOR i IN 1..300 LOOP
		BEGIN
			PERFORM trident_search('item', '[7,2]', 3, filter => '1 / (id - 100) < 5');
		EXCEPTION WHEN division_by_zero THEN
			n = n + 1;
		END;
		PERFORM trident_search('item', '[7,2]', 3);
	END LOOP;
	RAISE INFO '% errors', n;
	-- more statements than are kept, twice
	n = 0;
	FOR i IN 1..200 LOOP
		n = n + (SELECT count(*) FROM trident_search('item', '[7,2]', 1 + i % 100));
	END LOOP;
	RAISE INFO '% rows', n;
END $$;

-- k at its limit, and far more rows than that at one distance.
SET trident.search_max_k = 1000000;
CREATE TABLE same AS SELECT i AS id, '[1,1]'::vector(2) AS embedding FROM generate_series(1, 20000) i ORDER BY i * 7919 % 20011;
SELECT count(*), min(id::int), max(id::int), count(DISTINCT id) FROM trident_search('same', '[1,1]', 10000, key => '{id}');
SELECT count(*) FROM trident_search('same', '[1,1]', 1000000, key => '{id}');
-- Rows in the order that replaces the farthest each time.
CREATE TABLE falling AS SELECT i AS id, ARRAY[20000 - i]::vector(1) AS embedding FROM generate_series(0, 20000) i;
SELECT string_agg(id, ' ') FROM trident_search('falling', '[0]', 5, key => '{id}');
RESET trident.search_max_k;

-- Rows of the snapshot only: dead, updated and deleted ones, in pages that are
-- marked all visible and not.
CREATE TABLE churn (id integer PRIMARY KEY, embedding vector(1));
INSERT INTO churn SELECT i, ARRAY[i]::vector FROM generate_series(1, 3000) i;
VACUUM churn;
UPDATE churn SET embedding = ARRAY[id + 0.25]::vector WHERE id % 3 = 0;
DELETE FROM churn WHERE id % 3 = 1;
SELECT id, distance FROM trident_search('churn', '[0]', 4);
SELECT count(*) FROM trident_search('churn', '[0]', 5000);
VACUUM churn;
INSERT INTO churn SELECT i, ARRAY[i]::vector FROM generate_series(3001, 3500) i;
SELECT count(*) FROM trident_search('churn', '[0]', 5000);
BEGIN;
DELETE FROM churn;
SELECT count(*) FROM trident_search('churn', '[0]', 5000);
ROLLBACK;
SELECT count(*) FROM trident_search('churn', '[0]', 5000);

SET client_min_messages = warning;
DROP SCHEMA search_plan, search_plan_2 CASCADE;
