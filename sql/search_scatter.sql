--
-- trident_search over shards on nodes: servers that lead back to this database
-- stand for other machines.  What is found, by which path, and what is not.
--
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
SET trident.exchange_mode = direct;
CREATE SCHEMA search_scatter;
CREATE SCHEMA search_far;
SET search_path = search_scatter, public, trident;
CREATE FUNCTION loop_server(name text, more text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER postgres_fdw
		OPTIONS (host %L, port %L, dbname %L, extensions ''trident''%s)', name,
		split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database(), more);
	EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS (user %L)', name, current_user);
END $$;
SELECT loop_server('node_a');
SELECT loop_server('node_b');

CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');
CREATE TYPE size AS (width integer, made date);
CREATE DOMAIN amount AS numeric(10, 2) CHECK (value >= 0);
CREATE TABLE item (id bigint NOT NULL, embedding vector(2), title text, mood mood, size size, amount amount,
	at timestamptz, took interval, tags text[], numbers integer[], doc jsonb, code char(4), kind regtype)
	PARTITION BY HASH (id);
CREATE TABLE search_far.item_1 (LIKE item, PRIMARY KEY (id));
CREATE TABLE search_far.item_2 (LIKE item, PRIMARY KEY (id));
CREATE TABLE search_far.item_3 (LIKE item, PRIMARY KEY (id));
CREATE TABLE item_0 PARTITION OF item FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE FOREIGN TABLE item_1 PARTITION OF item FOR VALUES WITH (MODULUS 4, REMAINDER 1)
	SERVER node_a OPTIONS (schema_name 'search_far');
CREATE FOREIGN TABLE item_2 PARTITION OF item FOR VALUES WITH (MODULUS 4, REMAINDER 2)
	SERVER node_a OPTIONS (schema_name 'search_far');
CREATE FOREIGN TABLE item_3 PARTITION OF item FOR VALUES WITH (MODULUS 4, REMAINDER 3)
	SERVER node_b OPTIONS (schema_name 'search_far');
INSERT INTO item SELECT i, CASE WHEN i % 10 <> 0 THEN ARRAY[i, i % 3]::vector END, 't' || i, (ARRAY['sad', 'ok', 'glad'])[i % 3 + 1]::mood,
	ROW(i, '2024-01-01'::date + i)::size, i / 3.0, '2024-01-01 00:00:00+00'::timestamptz + make_interval(hours => i), make_interval(mins => i),
	ARRAY['a "b"', NULL, 't' || i], ARRAY[i, i + 1], jsonb_build_object('n', i), 'c' || i, 'integer'
	FROM generate_series(1, 200) i;
-- Whether by a worker or not is the server's settings' business.
CREATE VIEW last AS SELECT node, shard, CASE WHEN path IN ('direct', 'worker') THEN 'asked' ELSE path END AS path, rows, attempts, error, coverage, reason FROM trident_last_search();

-- Every node at once, with values of every type.
SELECT id, distance, node, shard FROM trident_search('item', '[50,1]', 6, key => '{id}');
SELECT * FROM last;
SET TimeZone = 'Asia/Tokyo';
SET IntervalStyle = sql_standard;
SET DateStyle = 'SQL, DMY';
SELECT id, payload FROM trident_search('item', '[52,1]', 3, key => '{id}',
	columns => '{title,mood,size,amount,at,took,tags,numbers,doc,code,kind,embedding}');
SELECT count(*) AS differences FROM (
	SELECT id::bigint, payload FROM trident_search('item', '[0,0]', 200, key => '{id}',
		columns => '{title,mood,size,amount,at,took,tags,numbers,doc,code,kind,embedding}')) found
	FULL JOIN (SELECT id, to_jsonb(item) - 'id' AS payload FROM item WHERE embedding IS NOT NULL) plain USING (id)
	WHERE found.payload IS DISTINCT FROM plain.payload;
RESET TimeZone;
RESET IntervalStyle;
RESET DateStyle;
-- Keys of several columns and of other types; other metrics; the other type.
SELECT id, distance FROM trident_search('item', '[50,1]', 3, key => '{mood,id}', metric => 'l1');
SELECT id, distance FROM trident_search('item', '[50,1]', 3, key => '{title}', metric => 'ip');
SELECT id, distance FROM trident_search('item', '[50,1]', 3, key => '{id}', metric => 'cosine');
CREATE TABLE half (id integer NOT NULL, v halfvec(2)) PARTITION BY LIST (id);
CREATE TABLE search_far.half_1 (LIKE half);
CREATE FOREIGN TABLE half_1 PARTITION OF half FOR VALUES IN (1, 2) SERVER node_a OPTIONS (schema_name 'search_far');
INSERT INTO half VALUES (1, '[1,1]'), (2, '[1.5,1]');
SELECT * FROM trident_search('half', '[1.0001,1]', 3, key => '{id}', columns => '{v}');

-- Filters go along, with values of any type; one on the key chooses nodes.
SELECT id FROM trident_search('item', '[50,1]', 4, key => '{id}',
	filter => 'mood = $1 and amount < $2 and tags @> $3 and at < now() and took > $4 and title like ''t%''',
	filter_args => '["ok", 40.5, ["a \"b\""], "10 minutes"]');
SELECT * FROM last;
SELECT id, shard FROM trident_search('item', '[50,1]', 4, key => '{id}', filter => 'id = $1', filter_args => '[7]');
SELECT * FROM last;
SELECT id, node FROM trident_search('item', '[50,1]', 2, key => '{id}', filter => 'id in (7, 8, 9)');
SELECT count(*) FROM trident_search('item', '[50,1]', 4, key => '{id}', filter => 'false');
\set VERBOSITY terse
SELECT * FROM trident_search('item', '[50,1]', 1, key => '{id}', filter => '10 / (id - 51) > 0');
\set VERBOSITY default
-- An operator of the same name does not take the place of the built-in one there.
CREATE FUNCTION trojan(bigint, bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'the trojan ran'; END $$;
CREATE OPERATOR = (FUNCTION = trojan, LEFTARG = bigint, RIGHTARG = bigint);
SELECT id FROM trident_search('item', '[50,1]', 1, key => '{id}', filter => 'id operator(pg_catalog.=) 51::bigint or id operator(pg_catalog.=) 53::bigint');
SELECT path FROM last;
DROP OPERATOR search_scatter.= (bigint, bigint);

-- Fewer rows than k are asked for where that will do, and more where it will
-- not: here all of the nearest are in one shard.
CREATE TABLE near (id integer NOT NULL, embedding vector(1)) PARTITION BY HASH (id);
CREATE FUNCTION near_shards(n integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 0 .. n - 1 LOOP
		EXECUTE format('CREATE TABLE search_far.near_%s (LIKE near, PRIMARY KEY (id))', i);
		EXECUTE format('CREATE FOREIGN TABLE near_%s PARTITION OF near FOR VALUES WITH (MODULUS %s, REMAINDER %s)
			SERVER %s OPTIONS (schema_name ''search_far'')', i, n, i, CASE WHEN i % 4 = 0 THEN 'node_a' ELSE 'node_b' END);
	END LOOP;
END $$;
SELECT near_shards(8);
INSERT INTO near SELECT i, ARRAY[i]::vector FROM generate_series(1, 1000) i;
SELECT count(*), sum(distance) FROM trident_search('near', '[0]', 100, key => '{id}');
SELECT node, sum(rows) < 100 AS is_reduced, max(attempts) AS attempts FROM last GROUP BY node ORDER BY node;
UPDATE near SET embedding = '[1]' WHERE tableoid = 'near_0'::regclass;
SELECT count(*), sum(distance) FROM trident_search('near', '[0]', 100, key => '{id}');
SELECT node, sum(rows) AS rows, max(attempts) AS attempts FROM last GROUP BY node ORDER BY node;
SELECT count(*), count(DISTINCT id) FROM trident_search('near', '[0]', 2000, key => '{id}');

-- What goes as plain SQL, and why.
CREATE FUNCTION why(query text DEFAULT $$ SELECT * FROM trident_search('item', '[50,1]', 2, key => '{id}') $$)
RETURNS TABLE (ids text, path text, reason text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT string_agg(s.id, '','') FROM (%s) s', query) INTO ids;
	RETURN QUERY SELECT why.ids, string_agg(DISTINCT l.path, ','), min(l.reason) FROM last l;
END $$;
SELECT * FROM why();
SELECT * FROM why($$ SELECT * FROM trident_search('item', '[50,1]', 2, key => '{id}', filter => 'at < date ''2024-03-01''') $$);
SET trident.search_scatter = off;
SELECT * FROM why();
RESET trident.search_scatter;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM why();
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM why();
COMMIT;
ALTER FOREIGN TABLE item_3 ALTER title OPTIONS (column_name 'title');
SELECT * FROM why();
ALTER TABLE search_far.item_3 RENAME title TO name;
ALTER FOREIGN TABLE item_3 ALTER title OPTIONS (SET column_name 'name');
SELECT * FROM why($$ SELECT * FROM trident_search('item', '[50,1]', 2, key => '{title}') $$);
ALTER TABLE search_far.item_3 RENAME name TO title;
ALTER FOREIGN TABLE item_3 ALTER title OPTIONS (DROP column_name);
SELECT * FROM why();

-- Where foreign tables are restricted they stay so, planned before or not.
SET restrict_nonsystem_relation_kind = 'foreign-table';
SELECT * FROM trident_search('item', '[50,1]', 2, key => '{id}');
RESET restrict_nonsystem_relation_kind;
-- Children need not be partitions.
CREATE TABLE parent (id integer, embedding vector(1));
CREATE TABLE search_far.child (id integer, embedding vector(1));
CREATE FOREIGN TABLE child () INHERITS (parent) SERVER node_a OPTIONS (schema_name 'search_far');
INSERT INTO parent VALUES (1, '[1]'), (3, '[3]');
INSERT INTO child VALUES (2, '[2]');
SELECT id, node, shard FROM trident_search('parent', '[0]', 2, key => '{id}');
SELECT DISTINCT path FROM last ORDER BY path;
-- Many searches in one statement.
SELECT count(*), sum(s.distance) FROM generate_series(1, 50) i, trident_search('item', ARRAY[i, 0]::vector, 3, key => '{id}') s;
SELECT count(*), sum(d) FROM generate_series(1, 50) i, LATERAL (SELECT embedding <-> ARRAY[i, 0]::vector AS d FROM item ORDER BY d LIMIT 3) s;

-- What this transaction wrote is found: by each kind of write, also when it
-- comes before trident is loaded.
BEGIN;
INSERT INTO item VALUES (1003, '[50,1]');
SELECT * FROM why();
ROLLBACK;
SELECT * FROM why();
ALTER ROLE CURRENT_USER IN DATABASE :"DBNAME" SET search_path = search_scatter, public, trident;
ALTER ROLE CURRENT_USER IN DATABASE :"DBNAME" SET trident.exchange_mode = direct;
\c
BEGIN;
DELETE FROM item_1;
SELECT ids, path FROM why();
ROLLBACK;
\c
BEGIN;
COPY item (id, embedding) FROM stdin;
1003	[50,1]
\.
SELECT ids, path FROM why();
ROLLBACK;
\c
BEGIN;
TRUNCATE item_1;
SELECT ids, path FROM why();
ROLLBACK;
\c
BEGIN;
TRUNCATE parent;
SELECT ids, path FROM why();
ROLLBACK;
\c
WITH new AS (INSERT INTO item VALUES (1003, '[50,1]') RETURNING id)
SELECT new.id AS new, s.id FROM new, trident_search('item', '[50,1]', 1, key => '{id}') s;
SELECT DISTINCT path FROM last ORDER BY path;
DELETE FROM item WHERE id = 1003;
CREATE FUNCTION write_and_search() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE item SET embedding = '[50,1]' WHERE id = 199;
	RETURN (SELECT format('%s %s', ids, path) FROM why());
END $$;
\c
SELECT write_and_search();
BEGIN;
SAVEPOINT a;
DELETE FROM item WHERE id = 199;
SELECT * FROM why();
ROLLBACK TO a;
SELECT * FROM why();
COMMIT;
SELECT * FROM why();
-- Writes elsewhere do not matter.
BEGIN;
CREATE TABLE other (n integer);
INSERT INTO other VALUES (1);
INSERT INTO item_0 SELECT 1000, '[50,1]' WHERE satisfies_hash_partition('item'::regclass, 4, 0, 1000::bigint);
SELECT ids, path, reason FROM why();
ROLLBACK;
-- Nor where they are told not to.
BEGIN;
DELETE FROM item WHERE id = 199;
SET LOCAL trident.search_read_your_writes = off;
SELECT * FROM why();
ROLLBACK;

-- Rights: the collection's here, the mapped role's there.
CREATE ROLE regress_search_scatter;
GRANT USAGE ON SCHEMA search_scatter TO regress_search_scatter;
GRANT SELECT (id, embedding) ON item TO regress_search_scatter;
GRANT SELECT ON last TO regress_search_scatter;
SET ROLE regress_search_scatter;
SELECT count(*) FROM trident_search('item', '[50,1]', 2, key => '{id}', columns => '{title}');
SELECT count(*) FROM trident_search('item', '[50,1]', 2, key => '{id}', filter => 'title > ''a''');
RESET ROLE;
GRANT SELECT ON item TO regress_search_scatter;
ALTER TABLE item ENABLE ROW LEVEL SECURITY;
CREATE POLICY high ON item USING (id > 60);
CREATE USER MAPPING FOR regress_search_scatter SERVER node_a OPTIONS (user :'USER', password_required 'false');
CREATE USER MAPPING FOR regress_search_scatter SERVER node_b OPTIONS (user :'USER', password_required 'false');
SELECT * FROM why();
SET ROLE regress_search_scatter;
SELECT * FROM trident_search('item', '[50,1]', 2, key => '{id}', filter => 'id = 41');
SELECT * FROM trident_search('item', '[50,1]', 2, key => '{id}', filter => 'id = 81');
SELECT reason FROM last;
RESET ROLE;
ALTER TABLE item DISABLE ROW LEVEL SECURITY;

-- A node that is away.
SELECT loop_server('node_gone', ', connect_timeout ''2''');
ALTER SERVER node_gone OPTIONS (SET port '1');
CREATE TABLE part (id integer NOT NULL, embedding vector(1)) PARTITION BY LIST (id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0);
CREATE FOREIGN TABLE part_1 PARTITION OF part FOR VALUES IN (1) SERVER node_gone;
CREATE FOREIGN TABLE part_2 PARTITION OF part FOR VALUES IN (2) SERVER node_a OPTIONS (schema_name 'search_far');
CREATE TABLE search_far.part_2 (LIKE part);
INSERT INTO part_0 VALUES (0, '[0]');
INSERT INTO part_2 VALUES (2, '[2]');
CREATE FUNCTION failure(query text, OUT state text, OUT message text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
	message = substring(message FROM '^[^:]*');
END $$;
SELECT * FROM failure($$ SELECT * FROM trident_search('part', '[0]', key => '{id}') $$);
SELECT node, shard, rows, substring(error FROM '^[^:]*') AS error, coverage FROM last ORDER BY shard::text;
\set VERBOSITY sqlstate
SELECT id, node FROM trident_search('part', '[0]', key => '{id}', partial => 'allow');
\set VERBOSITY default
SELECT node, shard, rows, substring(error FROM '^[^:]*') AS error, coverage FROM last ORDER BY shard::text;
SELECT id, node FROM trident_search('part', '[0]', key => '{id}', filter => 'id <> 1');

-- A node that takes too long: its table is locked.
SELECT * FROM failure($$ LOCK TABLE search_far.part_2; SELECT * FROM trident_search('part', '[0]', key => '{id}', filter => 'id = 2', deadline => '200 ms') $$);
BEGIN;
LOCK TABLE search_far.part_2;
\set VERBOSITY sqlstate
SELECT id FROM trident_search('part', '[0]', key => '{id}', filter => 'id <> 1', deadline => '200 ms', partial => 'allow');
\set VERBOSITY default
COMMIT;

-- Mistakes are no missing shards, and what is wrong there is told.
\set VERBOSITY terse
SELECT * FROM trident_search('item', '[50,1]', 1, key => '{id}', filter => '10 / (id - 51) > 0', partial => 'allow');
\set VERBOSITY default
SELECT * FROM trident_search('item', '[50,1]', 1, key => '{id}', partial => 'maybe');
SELECT * FROM trident_search('item', '[50,1]', 1, key => '{id}', partial => NULL);
SELECT * FROM trident_search('item', '[50,1]', 1, key => '{id}', deadline => '0 s');
ALTER TABLE search_far.item_3 DROP COLUMN doc;
SELECT * FROM failure($$ SELECT * FROM trident_search('item', '[50,1]', 1, key => '{id}', columns => '{doc}') $$);
-- Types that differ travel as text.
ALTER TABLE search_far.item_3 ALTER id TYPE numeric, ALTER amount TYPE text USING amount::text;
SELECT id, payload FROM trident_search('item', '[50,1]', 3, key => '{id}', columns => '{amount}', filter => 'id >= 50');

-- The function that nodes are asked by is no way around rights.
SET ROLE regress_search_scatter;
SELECT trident.search_shards(1, '{search_far.item_1}', '[1,1]', 1, 'l2', 'embedding', '{id}', '{}', '{int8}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
RESET ROLE;
SELECT trident.search_shards(99, '{search_far.item_1}', '[1,1]', 1, 'l2', 'embedding', '{id}', '{}', '{int8}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT trident.search_shards(1, '{search_far.item_1}', '[1,1]', 1, 'l2', 'embedding', '{id}', '{}', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT trident.search_shards(1, '{search_far.item_1}', '[1,1]', 1, 'l2', 'embedding', '{id}', '{}', '{int8}', 'pg_read_file(''x'') = ''''', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT trident.search_shards(1, '{search_far.item_1}', '[1,1]', 1, 'l2', 'embedding', '{id}', '{}', '{int8}', 'id = $2; select 1', '{int8}', '{1}', NULL, NULL, NULL, NULL, NULL);
SELECT length(trident.search_shards(1, '{search_far.item_1}', '[1,1]', 2, 'l2', 'embedding', '{id}', '{}', '{int8}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
-- None beyond the bound, ties with it included.
SELECT length(trident.search_shards(1, '{search_far.item_1}', '[1,1]', 2, 'l2', 'embedding', '{id}', '{}', '{int8}', NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL));

SET client_min_messages = warning;
DROP SCHEMA search_scatter, search_far CASCADE;
ALTER ROLE CURRENT_USER IN DATABASE :"DBNAME" RESET ALL;
DROP EXTENSION postgres_fdw CASCADE;
DROP ROLE regress_search_scatter;
