--
-- Functions that look into an index: trident_index_stats, trident_last_scan,
-- trident_index_prewarm; trident_index_check and trident_recall on what is
-- sound (damage: test/tap/110_index_check.pl).
--
CREATE SCHEMA index_inspect;
SET search_path = index_inspect, public, trident;
SET enable_seqscan = off;

CREATE FUNCTION refused(sql text, OUT state text, OUT message text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	state = 'none';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
END $$;

-- No scan yet in this session: no row.
SELECT * FROM trident_last_scan();

-- 2,000 points around 40 centres, 64 dims.
CREATE TABLE item (id int PRIMARY KEY, tenant int, embedding vector(64));
INSERT INTO item SELECT i, i % 7, (SELECT array_agg(
		1000 * sin(i % 40 * 100 + d) + 50 * sin(i * 7919.0 + d * i % 13)
		ORDER BY d) FROM generate_series(1, 64) d)::vector
	FROM generate_series(1, 2000) i;
INSERT INTO item VALUES (2001, 1, NULL), (2002, 2, array_fill(0, ARRAY[64])::vector);
CREATE INDEX item_l2 ON item USING trident (embedding vector_l2_ops) WITH (lists = 20);
CREATE INDEX item_cosine ON item USING trident (embedding vector_cosine_ops, tenant) WITH (bits = 8);
CREATE TABLE small (id int, embedding halfvec(3));
CREATE INDEX small_ip ON small USING trident (embedding halfvec_ip_ops);

-- trident_index_stats.
\x on
SELECT metric, dimensions, format, bits, has_key, generation, trained_rows,
	lists BETWEEN 10 AND 20 AS lists, coarse_lists > 0 AS coarse_lists,
	rows, rows_dead, rows_outside, list_rows_mean = rows::float8 / lists AS list_rows_mean,
	list_rows_p50 BETWEEN 1 AND list_rows_p99 AS p50, list_rows_p99 <= list_rows_max AS p99,
	imbalance BETWEEN 1 AND lists AS imbalance, lists_empty < lists AS lists_empty, lists_with_holes,
	fill > 0 AND fill <= 1 AS fill, size_bytes = pg_relation_size('item_l2') AS size,
	model_bytes + directory_bytes + list_bytes + free_bytes = size_bytes AS parts,
	directory_bytes, free_bytes, probes BETWEEN 1 AND lists AS probes, curve_queries,
	jsonb_array_length(recall_curve) AS curve
	FROM trident_index_stats('item_l2');
SELECT metric, dimensions, format, bits, has_key, trained_rows, lists, coarse_lists,
	rows, rows_dead, rows_outside, list_rows_max, imbalance, probes, curve_queries, recall_curve
	FROM trident_index_stats('item_cosine', true);
SELECT * FROM trident_index_stats('small_ip', scan_table => true);
\x off

-- The curve: more recall and more rows take more lists, never fewer.
SELECT count(*) AS points, count(DISTINCT k) AS ks,
	bool_and(lists BETWEEN 1 AND 20) AS in_range,
	bool_and(lists >= less) AS rises
	FROM (SELECT c.k, c.lists, lag(c.lists) OVER (PARTITION BY c.k ORDER BY c.recall) AS less
		FROM trident_index_stats('item_l2') s,
			jsonb_to_recordset(s.recall_curve) AS c (k int, recall float8, lists int)) p;

-- Probes follow the settings.
SET trident.index_probes = 3;
SELECT probes FROM trident_index_stats('item_l2');
SET trident.index_probes = 1000;
SELECT probes = lists FROM trident_index_stats('item_l2');
RESET trident.index_probes;
SET trident.index_target_recall = 1;
SELECT probes = lists FROM trident_index_stats('item_l2');
RESET trident.index_target_recall;

-- Dead rows are those that vacuum will remove; the room that they leave is
-- then seen.
DELETE FROM item WHERE id <= 100;
SELECT rows, rows_dead, rows_outside, lists_with_holes > 0 AS holes FROM trident_index_stats('item_l2', true);
VACUUM item;
SELECT rows, rows_dead, rows_outside, lists_with_holes > 0 AS holes FROM trident_index_stats('item_l2', true);

-- trident_last_scan.
CREATE FUNCTION last_scan(OUT index regclass, OUT lists boolean, OUT lists_probed boolean,
	OUT codes boolean, OUT reranked boolean, OUT rows_returned bigint,
	OUT rescored int, OUT target_recall float8)
LANGUAGE sql AS $$
	SELECT index, lists = (trident_index_stats(index)).lists, lists_probed BETWEEN 1 AND lists,
		codes_scanned >= codes_refined, rows_reranked BETWEEN rows_returned AND codes_scanned,
		rows_returned, rescored, target_recall
	FROM trident_last_scan() $$;
SELECT count(*) FROM (SELECT FROM item ORDER BY embedding <-> (SELECT embedding FROM item WHERE id = 500) LIMIT 5) s;
SELECT * FROM last_scan();
SELECT count(*) FROM (SELECT FROM item WHERE tenant = 3 ORDER BY embedding <=> (SELECT embedding FROM item WHERE id = 500) LIMIT 7) s;
SELECT * FROM last_scan();
BEGIN;
SET LOCAL trident.index_probes = 2;
SELECT count(*) FROM (SELECT FROM item ORDER BY embedding <-> (SELECT embedding FROM item WHERE id = 500) LIMIT 5) s;
SELECT index, lists_probed, rows_returned, target_recall FROM trident_last_scan();
COMMIT;
-- Where a major lets us, EXPLAIN has the same of each scan.
DO $$
DECLARE
	node jsonb;
	now record;
	is_18 boolean = current_setting('server_version_num')::int >= 180000;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) SELECT FROM item ORDER BY embedding <-> (SELECT embedding FROM item WHERE id = 500) LIMIT 5' INTO node;
	SELECT * INTO now FROM trident_last_scan();
	node = jsonb_path_query_first(node, '$.** ? (@."Index Name" == "item_l2")');
	IF is_18 <> coalesce((node->>'Lists Probed')::int = now.lists_probed AND (node->>'Lists')::int = now.lists AND
		(node->>'Codes Scanned')::int = now.codes_scanned AND (node->>'Rows Reranked')::int = now.rows_reranked AND
		(node->>'Target Recall')::float8 = now.target_recall AND (node->>'Index Searches')::int = 1, false) THEN
		RAISE EXCEPTION 'EXPLAIN has %, not %', node, now;
	END IF;
END $$;
-- An error within a scan leaves the one before.
SELECT 1 / (id - id) FROM item ORDER BY embedding <-> (SELECT embedding FROM item WHERE id = 500) LIMIT 5;
SELECT index, rows_returned FROM trident_last_scan();

-- Pages are counted as found in memory, those too that are looked for where they were last.
SET trident.index_probes = 20;
SELECT count(*) FROM (SELECT id FROM item ORDER BY embedding <-> (SELECT embedding FROM item WHERE id = 7) LIMIT 3) AS s;
SELECT pg_stat_force_next_flush();
SELECT idx_blks_hit AS hit_before FROM pg_statio_user_indexes WHERE indexrelid = 'item_l2'::regclass \gset
SELECT count(*) FROM (SELECT id FROM item ORDER BY embedding <-> (SELECT embedding FROM item WHERE id = 7) LIMIT 3) AS s;
RESET trident.index_probes;
SELECT pg_stat_force_next_flush();
SELECT idx_blks_hit - :hit_before >= 20 AS counted FROM pg_statio_user_indexes WHERE indexrelid = 'item_l2'::regclass;

-- trident_index_prewarm.
SELECT trident_index_prewarm('item_l2') = pg_relation_size('item_l2') / current_setting('block_size')::int AS prewarmed;
SELECT trident_index_prewarm('small_ip');

-- trident_index_check: nothing to find in sound indexes, whatever was done.
SELECT * FROM trident_index_check('item_l2');
SELECT * FROM trident_index_check('small_ip', heap_all_indexed => true);
CREATE TABLE changed (id int, tenant text, embedding vector(64));
CREATE INDEX changed_l2 ON changed USING trident (embedding, tenant) WITH (lists = 4);
CREATE INDEX changed_ip ON changed USING trident (embedding vector_ip_ops) WHERE id % 2 = 0;
CREATE INDEX changed_part ON changed USING trident ((subvector(embedding, 3, 7)::vector(7)) vector_cosine_ops);
INSERT INTO changed SELECT id, 't' || id % 3, embedding FROM item WHERE id > 500;
INSERT INTO changed SELECT id, NULL, embedding FROM item WHERE id < 500;
SELECT i, c.* FROM unnest(ARRAY['changed_l2', 'changed_ip', 'changed_part']) i, trident_index_check(i, true) c;
UPDATE changed SET embedding = embedding + embedding WHERE id % 3 = 0;
UPDATE changed SET tenant = 't' WHERE id % 5 = 0;
DELETE FROM changed WHERE id % 7 = 0;
SELECT i, c.* FROM unnest(ARRAY['changed_l2', 'changed_ip', 'changed_part']) i, trident_index_check(i, true) c;
VACUUM changed;
INSERT INTO changed SELECT id, 'u', embedding FROM item;
SELECT i, c.* FROM unnest(ARRAY['changed_l2', 'changed_ip', 'changed_part']) i, trident_index_check(i, true) c;
REINDEX TABLE changed;
BEGIN;
INSERT INTO changed SELECT id, 'rolled back', embedding FROM item;
SELECT i, c.* FROM unnest(ARRAY['changed_l2', 'changed_ip', 'changed_part']) i, trident_index_check(i, true) c;
ROLLBACK;
-- What other kernels make of a row is the same, or as good.
SET trident.simd = scalar;
SELECT i, c.* FROM unnest(ARRAY['changed_l2', 'changed_ip', 'changed_part', 'item_l2', 'item_cosine']) i,
	trident_index_check(i, true) c;
RESET trident.simd;
-- It has compared something: the rows of a table that is not told of them.
UPDATE pg_index SET indisready = false WHERE indexrelid = 'changed_l2'::regclass;
INSERT INTO changed SELECT id, 'untold', embedding FROM item WHERE id BETWEEN 101 AND 103;
UPDATE pg_index SET indisready = true WHERE indexrelid = 'changed_l2'::regclass;
SELECT block, regexp_replace(problem, '\(.*\)', '(...)') FROM trident_index_check('changed_l2', true);
SELECT * FROM trident_index_check('changed_l2');
DELETE FROM changed WHERE tenant = 'untold';
-- trident_recall: exact where that is asked for, and where all lists are read.
SET trident.index_target_recall = 1;
SELECT i, r.queries, r.recall, r.recall_min, r.target_recall,
	r.lists_probed >= 1 AND r.codes_scanned >= 1 AS counts,
	r.index_ms > 0 AND r.exact_ms > 0 AS times
	FROM unnest(ARRAY['item_l2', 'item_cosine', 'changed_l2', 'changed_ip', 'changed_part']) i,
		trident_recall(i, 50, 5) r;
RESET trident.index_target_recall;
SELECT r.queries, r.recall >= 0.85 AS recall, r.recall_min BETWEEN 0 AND r.recall AS recall_min, r.target_recall,
	r.lists_probed >= 1 AND r.codes_scanned >= 1 AS counts,
	r.index_ms > 0 AND r.exact_ms > 0 AS times
	FROM trident_recall('item_l2') r;
-- It sees what is missed: the 200 nearest are in several lists; and a row that
-- is not in the index is found by nobody.
SET trident.index_probes = 1;
SELECT queries, recall < 1 AS recall, target_recall, lists_probed >= 1 AS lists_probed
	FROM trident_recall('item_l2', 200, 200);
RESET trident.index_probes;
SET trident.index_target_recall = 1;
CREATE TABLE pair (id int, embedding vector(2));
INSERT INTO pair VALUES (1, '[0,0]'), (2, '[5,5]'), (3, '[5,5]');
CREATE INDEX pair_l2 ON pair USING trident (embedding);
SELECT queries, recall, recall_min, lists_probed FROM trident_recall('pair_l2', k => 3);
UPDATE pg_index SET indisready = false WHERE indexrelid = 'pair_l2'::regclass;
INSERT INTO pair VALUES (4, '[0,1]');
UPDATE pg_index SET indisready = true WHERE indexrelid = 'pair_l2'::regclass;
SELECT queries, recall, recall_min FROM trident_recall('pair_l2', k => 2);
RESET trident.index_target_recall;
-- Among rows equally near any will do.
UPDATE pair SET embedding = '[1,1]';
SELECT queries, recall FROM trident_recall('pair_l2', k => 2);
-- Nothing to search for; nothing to find.
SELECT * FROM trident_recall('small_ip');
INSERT INTO small VALUES (1, '[1,2,3]'), (2, NULL);
SELECT queries, recall FROM trident_recall('small_ip');
SELECT a, r.* FROM unnest(ARRAY['0', '1001', 'k => 1', 'k => 10001']) a,
	refused(format('SELECT trident_recall(''small_ip'', %s)', a)) r;

-- What is no index of ours, or cannot be read.
CREATE TABLE parted (embedding vector(3)) PARTITION BY RANGE (embedding);
CREATE INDEX parted_l2 ON parted USING trident (embedding);
SELECT c, r.* FROM unnest(ARRAY['item', 'item_pkey', 'parted_l2']) c,
	refused(format('SELECT * FROM trident_index_stats(%L)', c)) r;
SELECT r.* FROM refused('SELECT trident_index_stats(1::oid)') r;
SELECT c, r.* FROM unnest(ARRAY['item', 'item_pkey', 'parted_l2']) c,
	refused(format('SELECT trident_index_prewarm(%L)', c)) r;
SELECT c, r.* FROM unnest(ARRAY['item', 'item_pkey', 'parted_l2']) c,
	refused(format('SELECT trident_index_check(%L)', c)) r;
SELECT c, r.* FROM unnest(ARRAY['item', 'item_pkey', 'parted_l2']) c,
	refused(format('SELECT trident_recall(%L)', c)) r;

-- Rights: SELECT on the table; trident_index_check must be granted.
CREATE ROLE index_inspect_reader;
GRANT USAGE ON SCHEMA index_inspect TO index_inspect_reader;
GRANT SELECT ON small TO index_inspect_reader;
SET ROLE index_inspect_reader;
SELECT rows FROM trident_index_stats('small_ip', true);
SELECT trident_index_prewarm('small_ip');
SELECT count(*) FROM trident_last_scan();
SELECT c, r.* FROM unnest(ARRAY['trident_index_stats(%L)', 'trident_index_prewarm(%L)', 'trident_recall(%L)']) c,
	refused(format('SELECT ' || c, 'item_l2')) r;
SELECT queries FROM trident_recall('small_ip');
SELECT * FROM refused($$ SELECT trident_index_check('small_ip') $$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION trident_index_check(regclass, boolean) TO index_inspect_reader;
SET ROLE index_inspect_reader;
SELECT * FROM trident_index_check('item_l2', true);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION trident_index_check(regclass, boolean) FROM index_inspect_reader;

-- Recall is not measured on rows that policies hide.
ALTER TABLE small ENABLE ROW LEVEL SECURITY;
SET ROLE index_inspect_reader;
SELECT * FROM refused($$ SELECT trident_recall('small_ip') $$);
SELECT rows FROM trident_index_stats('small_ip');
SET row_security = off;
SELECT * FROM refused($$ SELECT trident_recall('small_ip') $$);
RESET row_security;
RESET ROLE;
SELECT queries FROM trident_recall('small_ip');

-- Functions in the definition of an index run as the owner of the table.
CREATE FUNCTION who(id int) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE NOTICE 'called as %', current_user;
	RETURN ARRAY[id, 1, 2]::trident.vector;
END $$;
CREATE ROLE index_inspect_owner;
GRANT USAGE, CREATE ON SCHEMA index_inspect TO index_inspect_owner;
CREATE TABLE owned (id int);
ALTER TABLE owned OWNER TO index_inspect_owner;
INSERT INTO owned VALUES (1);
SET client_min_messages = warning;
CREATE INDEX owned_l2 ON owned USING trident ((who(id)::vector(3)) vector_l2_ops) WHERE id > 0;
RESET client_min_messages;
SELECT rows, rows_outside FROM trident_index_stats('owned_l2', true);
SELECT * FROM trident_index_check('owned_l2', true);
SELECT queries FROM trident_recall('owned_l2');

SET client_min_messages = warning;
DROP SCHEMA index_inspect CASCADE;
DROP ROLE index_inspect_reader, index_inspect_owner;
