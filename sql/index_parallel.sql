-- VACUUM with workers: they remove dead rows of an index each, and the leader, still in parallel mode, trains.
CREATE SCHEMA index_parallel;
SET search_path = index_parallel, public, trident;
SET min_parallel_index_scan_size = 0;
SET max_parallel_maintenance_workers = 2;
CREATE TABLE item (id integer, v vector(33));
ALTER TABLE item ALTER v SET STORAGE external;
CREATE INDEX item_l2 ON item USING trident (v vector_l2_ops) WITH (lists = 20);
-- An expression, whose function asks the database.
CREATE FUNCTION turned(vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE SET search_path = public, trident AS 'BEGIN RETURN (SELECT $1 * array_fill(-1, ARRAY[33])::vector); END';
CREATE INDEX item_turned ON item USING trident ((turned(v)::vector(33)) vector_cosine_ops, id) WITH (lists = 20);
INSERT INTO item SELECT i, (SELECT array_agg(sin(i * n * 12.9898 + n * n))::vector FROM generate_series(1, 33) AS n) FROM generate_series(1, 11000) AS i;
SELECT lists FROM trident_index_stats('item_l2') UNION ALL SELECT lists FROM trident_index_stats('item_turned');
DELETE FROM item WHERE id % 20 = 0;
VACUUM (PARALLEL 2) item;
SELECT lists, rows FROM trident_index_stats('item_l2') UNION ALL SELECT lists, rows FROM trident_index_stats('item_turned');
SELECT * FROM trident_index_check('item_l2', true);
SELECT * FROM trident_index_check('item_turned', true);
-- Nothing to remove: the leader alone counts the rows.
INSERT INTO item SELECT id + 100000, v FROM item WHERE id < 100;
VACUUM (PARALLEL 2) item;
SELECT lists, rows FROM trident_index_stats('item_l2') UNION ALL SELECT lists, rows FROM trident_index_stats('item_turned');
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM item ORDER BY v <-> (SELECT v FROM item WHERE id = 7)) AS s;
SELECT id FROM item ORDER BY turned(v)::vector(33) <=> (SELECT turned(v) FROM item WHERE id = 7), id LIMIT 2;

SET client_min_messages = warning;
DROP SCHEMA index_parallel CASCADE;
