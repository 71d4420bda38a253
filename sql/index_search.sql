--
-- trident_search with an index: which way it goes, the metric, the order.
--
CREATE SCHEMA index_search;
SET search_path = index_search, public, trident;
CREATE TABLE item (id integer PRIMARY KEY, tenant integer, title text, v vector(40), w vector(40));
INSERT INTO item
SELECT i, abs(hashint4(i)) % 20, 't' || i, v, v
FROM (SELECT i, array_agg(sin(i * n * 12.9898 + n * n)::real + hashint4(i * 1000 + n) / 2147483648.0 ORDER BY n)::vector AS v
	FROM generate_series(1, 10000) AS i, generate_series(1, 40) AS n GROUP BY i) AS s;
CREATE INDEX item_v ON item USING trident (v vector_cosine_ops, tenant);
VACUUM ANALYZE item;
SELECT v AS q FROM item WHERE id = 77 \gset

-- The metric is that of the index; the planner's choice is told at debug1.
SET client_min_messages = debug1;
SELECT id, distance FROM trident_search('item', :'q', 1, vector_column => 'v');
SELECT id FROM trident_search('item', :'q', 1, vector_column => 'v', filter => 'tenant = $1', filter_args => (SELECT to_jsonb(ARRAY[tenant]) FROM item WHERE id = 77));
SELECT id FROM trident_search('item', :'q', 1, vector_column => 'v', metric => 'l2');
RESET client_min_messages;
-- In order of distance; those of plain SQL.
SELECT count(*), bool_and(distance >= coalesce(before, 0)) AS sorted
FROM (SELECT distance, lag(distance) OVER () AS before FROM trident_search('item', :'q', 500, vector_column => 'v')) AS t;
SET trident.index_target_recall = 1;
SELECT count(*), count(*) FILTER (WHERE s.id = t.id::text AND s.distance = t.distance) AS same
FROM (SELECT row_number() OVER () AS n, * FROM trident_search('item', :'q', 50, vector_column => 'v')) AS s
JOIN (SELECT row_number() OVER (ORDER BY v <=> :'q', id) AS n, id, v <=> :'q' AS distance FROM item) AS t USING (n);
SELECT count(*), count(*) FILTER (WHERE s.id = t.id::text AND s.distance = t.distance) AS same
FROM (SELECT row_number() OVER () AS n, * FROM trident_search('item', :'q', 50, vector_column => 'v', filter => 'tenant in ($1, $2)', filter_args => '[3, 5]')) AS s
JOIN (SELECT row_number() OVER (ORDER BY v <=> :'q', id) AS n, id, v <=> :'q' AS distance FROM item WHERE tenant IN (3, 5)) AS t USING (n);
RESET trident.index_target_recall;
-- As many rows as there are, whatever the filter.
SELECT count(*) FROM trident_search('item', :'q', 10, vector_column => 'v', filter => 'tenant = $1 and title like $2', filter_args => '[3, "t99%"]');
SELECT count(*) FROM item WHERE tenant = 3 AND title LIKE 't99%';
-- Indexes of several metrics: which, must be said.
CREATE INDEX item_v2 ON item USING trident (v vector_l2_ops);
SELECT id FROM trident_search('item', :'q', 1, vector_column => 'v');
SELECT id, distance FROM trident_search('item', :'q', 1, vector_column => 'v', metric => 'cosine');
SELECT id, distance FROM trident_search('item', :'q', 1, vector_column => 'v', metric => 'l2');
-- No index on the other column: L2.
SELECT id, distance FROM trident_search('item', :'q', 1, vector_column => 'w');
-- An index that is dropped or made invalid between calls.
DROP INDEX item_v2;
SELECT id, distance FROM trident_search('item', :'q', 1, vector_column => 'v');
DROP INDEX item_v;
SELECT id, distance FROM trident_search('item', :'q', 1, vector_column => 'v');

-- Partitions, each with its index.
CREATE TABLE part (id integer PRIMARY KEY, v vector(40)) PARTITION BY HASH (id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO part SELECT id, v FROM item;
CREATE INDEX ON part USING trident (v vector_ip_ops);
VACUUM ANALYZE part;
SET trident.index_target_recall = 1;
SELECT count(*), count(*) FILTER (WHERE s.distance = t.distance) AS same
FROM (SELECT row_number() OVER () AS n, * FROM trident_search('part', :'q', 50)) AS s
JOIN (SELECT row_number() OVER (ORDER BY v <#> :'q', id) AS n, v <#> :'q' AS distance FROM part) AS t USING (n);
RESET trident.index_target_recall;

SET client_min_messages = warning;
DROP SCHEMA index_search CASCADE;
