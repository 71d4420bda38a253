--
-- Collections whose shards are all in this database: numbers, keys, what is
-- refused; and that plain SQL finds what it found before.
--
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA collection_local;
SET search_path = collection_local, public, trident;

-- The number of a shard is that of the server's partitioning by hash.
CREATE TABLE h (a int, b text, c uuid, d timestamptz, e numeric, f bytea, g bool, h int[], i float8)
	PARTITION BY HASH (a, b, c, d, e, f, g, h, i);
CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 5, REMAINDER 0);
CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 5, REMAINDER 1);
CREATE TABLE h2 PARTITION OF h FOR VALUES WITH (MODULUS 5, REMAINDER 2);
CREATE TABLE h3 PARTITION OF h FOR VALUES WITH (MODULUS 5, REMAINDER 3);
CREATE TABLE h4 PARTITION OF h FOR VALUES WITH (MODULUS 5, REMAINDER 4);
INSERT INTO h SELECT i, CASE WHEN i % 7 > 0 THEN 'text ' || i END, md5(i::text)::uuid, '2026-01-01'::timestamptz + i * interval '1 hour',
	i / 3.0, decode(md5(i::text), 'hex'), i % 2 = 0, ARRAY[i, i * 2], i / 7.0::float8 FROM generate_series(-50, 500) i;
SELECT count(*), count(DISTINCT tableoid), count(*) FILTER (WHERE right(tableoid::regclass::text, 1)::int
	<> trident.shard_number(5, a, b, c, d, e, f, g, h, i)) AS wrong FROM h;
SELECT trident.shard_number(4, NULL::int), trident.shard_number(NULL, 1);
SELECT trident.shard_number(0, 1);
SELECT trident.shard_number(4, VARIADIC ARRAY[1, 2]);
SELECT trident.shard_number(4, point(1, 2));

-- A plain table with everything about it.
CREATE TABLE item (id serial, tenant text NOT NULL, embedding vector(2), n int GENERATED ALWAYS AS (id * 2) STORED,
	price numeric DEFAULT 1 CHECK (price > 0), PRIMARY KEY (id, tenant));
INSERT INTO item (tenant, embedding) SELECT 't' || i % 3, ARRAY[i, i % 5]::vector FROM generate_series(1, 300) i;
CREATE INDEX item_embedding ON item USING trident (embedding vector_l2_ops);
CREATE INDEX item_tenant ON item (tenant, lower(tenant)) INCLUDE (price) WHERE price > 0;
COMMENT ON TABLE item IS 'what it is';
COMMENT ON INDEX item_tenant IS 'what that is';
SELECT trident_collection_distribute('item', '{local}', 4);
SELECT key, vector_column, shards FROM trident.collection WHERE collection = 'item'::regclass;
SELECT shard, node, rows, indexes, misplaced, ok, detail FROM trident_collection_status('item', true);
SELECT obj_description('item'::regclass), obj_description('item_tenant'::regclass), pg_get_serial_sequence('item', 'id');
INSERT INTO item (tenant) VALUES ('new') RETURNING id, tenant, n, price;
SELECT id, tenant FROM item ORDER BY embedding <-> '[7,2]', id LIMIT 3;
SELECT id, distance, node FROM trident_search('item', '[7,2]', k => 3);
\set VERBOSITY sqlstate
INSERT INTO item (id, tenant) VALUES (1, 't1');
\set VERBOSITY default
SELECT trident_collection_upsert('item', $$VALUES (1, 't1', 5), (1000, 't1', 6)$$, '{id,tenant,price}');
SELECT id, tenant, n, price FROM item WHERE id IN (1, 1000) ORDER BY id;
SELECT trident_collection_load('item', 'SELECT i, ''l'' FROM generate_series(2001, 2100) i', '{id,tenant}');
SELECT trident_collection_load('item', 'SELECT 1', '{id,nosuch}');
SELECT trident_collection_load('item', 'SELECT 1', '{id,id}');
SELECT trident_collection_load('item', 'SELECT 1', '{id,tenant}');
SELECT trident_collection_load('item', 'SELECT 1; SELECT 2', '{id}');

-- Its definition.
ALTER TABLE item ADD COLUMN extra int DEFAULT 3;
CREATE INDEX item_extra ON item (extra);
SELECT DISTINCT indexes, ok FROM trident_collection_status('item');
DROP INDEX item_extra;
ALTER TABLE item RENAME COLUMN extra TO more;
SELECT format('ALTER TABLE item DETACH PARTITION %s', inhrelid::regclass) AS detach
FROM pg_inherits WHERE inhparent = 'item'::regclass ORDER BY inhrelid LIMIT 1 \gset
\set VERBOSITY terse
:detach;
\set VERBOSITY default
SELECT * FROM trident_collection_sync('item');

-- What is refused, and with which code.
\set VERBOSITY sqlstate
SELECT trident_collection_distribute('item', '{local}');
SELECT trident_collection_distribute('item_embedding', '{local}');
SELECT trident_collection_distribute(0, '{local}');
SELECT trident_collection_distribute(NULL, '{local}');
CREATE TABLE plain (id int PRIMARY KEY, n int);
SELECT trident_collection_distribute('plain', '{}');
SELECT trident_collection_distribute('plain', '{local,local}');
SELECT trident_collection_distribute('plain', '{nosuch}');
SELECT trident_collection_distribute('plain', '{local}', 0);
SELECT trident_collection_distribute('plain', '{local}', 2000);
SELECT trident_collection_distribute('plain', '{local}', key => '{nosuch}');
CREATE TABLE nokey (id int);
SELECT trident_collection_distribute('nokey', '{local}');
CREATE TEMP TABLE passing (id int PRIMARY KEY);
SELECT trident_collection_distribute('passing', '{local}');
SELECT trident_collection_distribute('h', '{local}', key => '{a}');
SELECT trident_collection_status('plain');
SELECT trident_collection_sync('plain');
SELECT trident_collection_undistribute('plain');
SELECT trident_collection_detach('item');
SELECT trident_collection_move_shard('item', 99, 'local');
BEGIN;
SELECT trident_collection_undistribute('item');
ROLLBACK;
SELECT trident.collection_ddl_end();
\set VERBOSITY default
CREATE TABLE child () INHERITS (plain);
CREATE RULE nothing AS ON DELETE TO plain DO INSTEAD NOTHING;
CREATE VIEW looks AS SELECT id FROM plain;
ALTER TABLE plain ADD UNIQUE (n);
SELECT trident_collection_distribute('plain', '{local}');

-- All is one transaction.
DROP TABLE plain CASCADE;
CREATE TABLE plain (id int PRIMARY KEY);
BEGIN;
SELECT trident_collection_distribute('plain', '{local}', 2);
ROLLBACK;
SELECT relkind FROM pg_class WHERE oid = 'plain'::regclass;

-- It comes home as a partitioned table with its key.
SELECT trident_collection_undistribute('item');
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'item'::regclass AND contype = 'p';
SELECT count(*) FROM item;
SELECT count(*) FROM trident.collection;
DROP TABLE item;
SELECT count(*) FROM pg_class WHERE relnamespace = 'trident_shard'::regnamespace;

-- Nodes, without one.
\set VERBOSITY sqlstate
SELECT trident_node_add('local', 'localhost');
SELECT trident_node_add(NULL, 'localhost');
SELECT trident_node_add('n', NULL);
SELECT trident_node_add('n', 'localhost', options => '{"sslpassword": "x"}');
SELECT trident_node_add('n', 'localhost', options => '{"nosuch": "x"}');
SELECT trident_node_remove('local');
SELECT trident_node_remove('nosuch');
SELECT trident_node_check('nosuch');
SELECT trident_node_check('local');
\set VERBOSITY default
SELECT trident_node_add('n', 'nowhere.invalid', 1, 'db', options => '{"fetch_size": "50", "sslmode": "require"}');
SELECT unnest(srvoptions) FROM pg_foreign_server WHERE srvname = 'n' ORDER BY 1;
SELECT trident_node_add('n', 'localhost');
SELECT node, checked, ok FROM trident_node_check('n');
SELECT node, host, port, dbname, status FROM trident.node WHERE node <> 'local';
SELECT trident_node_remove('n');
SELECT trident_node_identity() = uuid FROM trident.node WHERE node = 'local';

DROP EXTENSION postgres_fdw CASCADE;
SELECT trident_node_add('n', 'localhost');
SET client_min_messages = warning;
DROP SCHEMA collection_local CASCADE;
DROP SCHEMA trident_shard CASCADE;
