--
-- trident_search: the first search of a collection in a session, planned
-- without the planner where it leaves no choice.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE ROLE simple_reader;
CREATE SCHEMA search_simple;
CREATE SCHEMA search_simple_far;
-- What each new session has, until the end of this file.
SELECT current_database() AS db \gset
ALTER DATABASE :"db" SET search_path = search_simple, public, trident;
ALTER DATABASE :"db" SET trident.exchange_mode = direct;
ALTER DATABASE :"db" SET session_preload_libraries = trident;
\c -
SELECT format('CREATE SERVER simple_node FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
	split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()) AS make \gset
:make;
CREATE USER MAPPING FOR CURRENT_USER SERVER simple_node OPTIONS (user :'USER');
CREATE TABLE item (id integer NOT NULL, gone integer, embedding vector(2), note text) PARTITION BY HASH (id);
CREATE TABLE item_0 PARTITION OF item (PRIMARY KEY (id)) FOR VALUES WITH (MODULUS 3, REMAINDER 0);
ALTER TABLE item DROP gone;
CREATE TABLE item_1 (note text, embedding vector(2), id integer PRIMARY KEY);	-- in another order
ALTER TABLE item ATTACH PARTITION item_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE search_simple_far.item_2 (LIKE item, PRIMARY KEY (id));
CREATE FOREIGN TABLE item_2 PARTITION OF item FOR VALUES WITH (MODULUS 3, REMAINDER 2)
	SERVER simple_node OPTIONS (schema_name 'search_simple_far');
INSERT INTO item SELECT i, CASE WHEN i % 7 <> 0 THEN ARRAY[i, i % 3]::vector END, 'n' || i FROM generate_series(1, 300) i;
CREATE TABLE half (id integer PRIMARY KEY, embedding halfvec(2));
INSERT INTO half SELECT i, ARRAY[i, 0]::halfvec FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW taken AS SELECT id, embedding FROM item WHERE id < 100;
CREATE VIEW last AS SELECT node, shard, CASE WHEN path IN ('direct', 'worker') THEN 'asked' ELSE path END AS path, rows, coverage, reason FROM trident_last_search();
GRANT USAGE ON SCHEMA search_simple TO simple_reader;
-- The answer, and what plain SQL says.
CREATE FUNCTION same(k integer DEFAULT 10) RETURNS boolean LANGUAGE sql AS $$
	SELECT (SELECT array_agg(s ORDER BY n) FROM (SELECT id, distance, shard, payload, row_number() OVER () AS n
			FROM trident_search('item', '[50,1]', k, key => '{id}', columns => '{note}')) s)
		= (SELECT array_agg(s ORDER BY n) FROM (SELECT id::text, embedding <-> '[50,1]', tableoid::regclass, jsonb_build_object('note', note),
				row_number() OVER (ORDER BY embedding <-> '[50,1]', id) AS n
			FROM item WHERE embedding IS NOT NULL ORDER BY n LIMIT k) s) $$;

-- The first is; the second has a plan of the planner, which is kept.
SET client_min_messages = debug1;
SELECT same();
SELECT * FROM last;
SELECT same();
SELECT * FROM last;
SELECT same(1000);
-- What the whole took, and merging; of a search that failed, neither.
SELECT bool_and(merge_ms BETWEEN 0 AND total_ms) AS merged, bool_and(ms <= total_ms) AS whole FROM trident_last_search();
RESET client_min_messages;
SELECT min(id) AS far FROM item_2 \gset
\set VERBOSITY terse
SELECT id FROM trident_search('item', '[50,1]', 1, key => '{id}', filter => '1 / (id - ' || :far || ') < 9');
\set VERBOSITY default
SELECT node, error IS NULL AS found, merge_ms, total_ms FROM trident_last_search() ORDER BY shard;
SET client_min_messages = debug1;
-- Other collections, other kinds of them.
SELECT id, distance, node, shard FROM trident_search('half', '[7.2,0]', 2);
SELECT id, distance, node, shard FROM trident_search('taken', '[7,1]', 2, key => '{id}');
SELECT * FROM last;
SELECT merge_ms, total_ms >= ms AS whole FROM trident_last_search();
\c -
SELECT same(1000), same(1);

-- What has a choice, or is not to be decided here, goes to the planner.
SET client_min_messages = debug1;
SELECT id FROM trident_search('half', '[7.2,0]', 1, filter => 'id > 10');
\c -
CREATE INDEX half_embedding ON half USING trident (embedding halfvec_l2_ops);
SET enable_indexscan = off;
SET client_min_messages = debug1;
SELECT id FROM trident_search('half', '[7.2,0]', 1);
\c -
DROP INDEX half_embedding;
CREATE INDEX half_id ON half USING hash (id);
SET client_min_messages = debug1;
SELECT id FROM trident_search('half', '[7.2,0]', 1);
\c -
ALTER TABLE half SET (parallel_workers = 2);
SET client_min_messages = debug1;
SELECT id FROM trident_search('half', '[7.2,0]', 1);
\c -
ALTER TABLE half RESET (parallel_workers);
CREATE TABLE parent (id integer PRIMARY KEY, embedding vector(1));
CREATE TABLE child () INHERITS (parent);
INSERT INTO child VALUES (1, '[1]');
SET client_min_messages = debug1;
SELECT id, shard FROM trident_search('parent', '[1]', 1);
\c -
SET client_min_messages = debug1;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT same();
COMMIT;
\c -
SET trident.search_scatter = off;
SET client_min_messages = debug1;
SELECT same();
SELECT * FROM last;
\c -
BEGIN;
UPDATE item SET note = 'new' WHERE id = 50;
SELECT same();
SELECT DISTINCT path, reason FROM last;
ROLLBACK;
\c -
ALTER FOREIGN TABLE item_2 ALTER note OPTIONS (column_name 'note_2');
ALTER TABLE search_simple_far.item_2 RENAME note TO note_2;
SELECT same();
SELECT DISTINCT path, reason FROM last;
ALTER FOREIGN TABLE item_2 ALTER note OPTIONS (DROP column_name);
ALTER TABLE search_simple_far.item_2 RENAME note_2 TO note;
\c -
CREATE TABLE tree (id integer NOT NULL, embedding vector(1)) PARTITION BY LIST (id);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES IN (1, 2) PARTITION BY LIST (id);
CREATE TABLE tree_1_1 PARTITION OF tree_1 FOR VALUES IN (1);
INSERT INTO tree VALUES (1, '[1]');
CREATE TABLE bare (id integer NOT NULL, embedding vector(1)) PARTITION BY LIST (id);
SET client_min_messages = debug1;
SELECT id, shard FROM trident_search('tree', '[1]', 1, key => '{id}');
SELECT count(*) FROM trident_search('bare', '[1]', 1, key => '{id}');
-- Shards that came or went since are seen by the next session's first search.
\c -
ALTER TABLE item DETACH PARTITION item_1;
\c -
SELECT same();
SELECT shard FROM last;
ALTER TABLE item ATTACH PARTITION item_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);

-- A plan, without the parameter that 17 does not tell any more.
CREATE FUNCTION plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		RETURN NEXT regexp_replace(line, ' \(returns .*\)', '');
	END LOOP;
END $$;
-- A key that was recorded, as when a table is distributed, is read as catalogs
-- are: beside parallel workers too, and whatever the transaction's snapshot.
INSERT INTO trident.collection (collection, id, key, shards, home, node)
	VALUES ('item', gen_random_uuid(), '{id}', 3, gen_random_uuid(), gen_random_uuid());
\c -
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT * FROM plan($$ SELECT count(*), (SELECT string_agg(id, ',') FROM trident_search('item', '[50,1]', 2)) FROM item_0 $$);
SELECT count(*), (SELECT string_agg(id, ',') FROM trident_search('item', '[50,1]', 2)) FROM item_0;
\c -
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT string_agg(id, ',') FROM trident_search('item', '[50,1]', 2);
COMMIT;
DELETE FROM trident.collection WHERE collection = 'item'::regclass;

-- Rights are those that SQL asks for: of each column, of the schema, and no
-- more than that.
CREATE FUNCTION refused(sql text, OUT state text, OUT message text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql INTO message;
	state = 'none';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
END $$;
\c -
SET ROLE simple_reader;
SET client_min_messages = debug1;
SELECT * FROM refused($$ SELECT id FROM trident_search('item', '[50,1]', 1, key => '{id}') $$);
\c -
GRANT SELECT (id, embedding) ON item TO simple_reader;
GRANT SELECT (embedding) ON half TO simple_reader;
SET ROLE simple_reader;
SET client_min_messages = debug1;
SELECT * FROM refused($$ SELECT id FROM trident_search('item', '[50,1]', 1, key => '{id}', columns => '{note}') $$);
SELECT * FROM refused($$ SELECT id FROM trident_search('half', '[50,1]', 1) $$);
-- Rows of the other node come by a connection of one's own, which takes a mapping.
\c -
SET ROLE simple_reader;
SELECT state FROM refused($$ SELECT id FROM trident_search('item', '[50,1]', 1, key => '{id}') $$);
RESET ROLE;
SELECT 'half'::regclass::oid AS half \gset
GRANT SELECT ON half TO simple_reader;
REVOKE USAGE ON SCHEMA search_simple FROM simple_reader;
\c -
SET ROLE simple_reader;
SET search_path = public, trident;
\set VERBOSITY terse
SELECT id FROM trident_search(:half::regclass, '[7.2,0]', 1);
\set VERBOSITY default
\c -
GRANT USAGE ON SCHEMA search_simple TO simple_reader;
-- Row security of the collection is applied; that of a shard is not, as in SQL.
ALTER TABLE half ENABLE ROW LEVEL SECURITY;
CREATE POLICY late ON half USING (id > 15);
\c -
SET ROLE simple_reader;
SET client_min_messages = debug1;
SELECT id FROM trident_search('half', '[7.2,0]', 1);
\c -
CREATE TABLE own (id integer, embedding vector(1)) PARTITION BY LIST (id);
CREATE TABLE own_1 PARTITION OF own FOR VALUES IN (1);
INSERT INTO own VALUES (1, '[1]');
ALTER TABLE own_1 ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON own TO simple_reader;
\c -
SET ROLE simple_reader;
SET client_min_messages = debug1;
SELECT id, shard FROM trident_search('own', '[1]', 1, key => '{id}');

\c -
ALTER DATABASE :"db" RESET search_path;
ALTER DATABASE :"db" RESET trident.exchange_mode;
ALTER DATABASE :"db" RESET session_preload_libraries;
SET client_min_messages = warning;
DROP SERVER simple_node CASCADE;
DROP SCHEMA search_simple, search_simple_far CASCADE;
DROP ROLE simple_reader;
