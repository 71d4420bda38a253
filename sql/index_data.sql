--
-- The index on the real data of test/data: recall, order, repeatable.
--
CREATE SCHEMA index_data;
SET search_path = index_data, public, trident;
\getenv abs_srcdir PG_ABS_SRCDIR
\set base :abs_srcdir '/test/data/sift10k_base.bvecs'
\set query :abs_srcdir '/test/data/sift10k_query.bvecs'
\set ids :abs_srcdir '/test/data/sift10k_gt.ivecs'
\set distances :abs_srcdir '/test/data/sift10k_gt.dist.fvecs'
CREATE TABLE sift AS SELECT id, embedding::vector(128), embedding::halfvec(128) AS half, id % 100 AS tenant FROM trident_vecs_read(:'base');
CREATE TABLE query AS SELECT * FROM trident_vecs_read(:'query');
CREATE TABLE truth AS SELECT id, i.ids[1:10] AS ids, (f.embedding::real[])[1:10] AS distances
FROM trident_ivecs_read(:'ids') AS i JOIN trident_vecs_read(:'distances') AS f USING (id);
ANALYZE;

-- Recall: rows no farther than the tenth of the truth, of ten, over all queries.
CREATE FUNCTION recall(k integer DEFAULT 10) RETURNS numeric LANGUAGE sql AS $$
	SELECT round(avg((SELECT count(*) FILTER (WHERE d <= distances[k]) FROM
		(SELECT vector_l2_squared_distance(s.embedding, q.embedding)::real AS d FROM sift AS s
			ORDER BY s.embedding <-> q.embedding LIMIT k) AS t)) / k, 4)
	FROM query AS q JOIN truth USING (id)
$$;
CREATE FUNCTION answers() RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(answer, ';' ORDER BY id)) FROM query AS q, LATERAL
		(SELECT string_agg(id || ' ' || d, ',') AS answer FROM
			(SELECT s.id, s.embedding <-> q.embedding AS d FROM sift AS s ORDER BY s.embedding <-> q.embedding LIMIT 10) AS t) AS a
$$;
SELECT recall() AS without_index;

CREATE INDEX sift_index ON sift USING trident (embedding vector_l2_ops);
EXPLAIN (COSTS OFF) SELECT s.id FROM query AS q, LATERAL (SELECT id FROM sift ORDER BY sift.embedding <-> q.embedding LIMIT 10) AS s;
SELECT recall() >= 0.95 AS good, recall(1) >= 0.95 AS good_1;
SET trident.index_target_recall = 0.99;
SELECT recall() >= 0.99 AS good;
-- Exact: the distances of the truth, every one.
SET trident.index_target_recall = 1;
SELECT count(*), count(*) FILTER (WHERE found = distances) AS same FROM query AS q JOIN truth USING (id), LATERAL
	(SELECT array_agg(d) AS found FROM (SELECT vector_l2_squared_distance(s.embedding, q.embedding)::real AS d
		FROM sift AS s ORDER BY s.embedding <-> q.embedding LIMIT 10) AS t) AS f;
-- The more recall is aimed at, the more is found; probes likewise.
SELECT bool_and(recall >= before) AS rising FROM (SELECT recall, lag(recall) OVER (ORDER BY target) AS before FROM
	(SELECT target, (SELECT recall() FROM set_config('trident.index_target_recall', target::text, false) OFFSET 0) AS recall
		FROM unnest('{0.5,0.8,0.9,0.95,0.99,1}'::float8[]) AS target) AS t) AS t;
RESET trident.index_target_recall;
SET trident.index_probes = 1;
SELECT recall() < 0.95 AS little;
SET trident.index_probes = 32768;
SELECT recall() >= 0.999 AS all_lists;
RESET trident.index_probes;

-- The same query has the same answer, again, after REINDEX and with any kernel.
SELECT answers() AS before \gset
SELECT answers() = :'before' AS same;
REINDEX INDEX sift_index;
SELECT answers() = :'before' AS same;
SET trident.simd = scalar;
SELECT answers() = :'before' AS same;
RESET trident.simd;

-- Filters: ten rows of the tenant, and which; read from the table to compare.
CREATE FUNCTION filtered_recall(condition text) RETURNS TABLE (rows numeric, recall numeric) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT avg(cardinality(found)), round(avg((SELECT count(*) FROM unnest(found) AS d WHERE d <= nearest[10])) / 10, 4)
		FROM query AS q,
			LATERAL (SELECT array_agg(d) AS found FROM (SELECT s.embedding <-> q.embedding AS d FROM sift AS s
				WHERE %s ORDER BY s.embedding <-> q.embedding LIMIT 10) AS t) AS f,
			LATERAL (SELECT array_agg(d ORDER BY d) AS nearest FROM (SELECT s.embedding <-> q.embedding AS d FROM sift AS s
				WHERE %s ORDER BY (s.embedding <-> q.embedding) + 0 LIMIT 10) AS t) AS n', condition, condition);
END $$;
SELECT condition, round(rows) AS rows, recall >= 0.95 AS good
FROM unnest('{tenant < 50,tenant < 10,tenant = 7,tenant = 7 AND id % 3 = 0}'::text[]) AS condition, LATERAL filtered_recall(condition);
CREATE INDEX sift_tenant ON sift USING trident (embedding vector_l2_ops, tenant);
SELECT condition, round(rows) AS rows, recall >= 0.95 AS good
FROM unnest('{tenant = 7,"tenant IN (7, 8, 9)",tenant = 7 AND id % 3 = 0,tenant > 90}'::text[]) AS condition, LATERAL filtered_recall(condition);
DROP INDEX sift_index, sift_tenant;

-- halfvec, 8 bits, cosine and inner product against the table read whole.
CREATE FUNCTION recall_of(distance text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	result numeric;
BEGIN
	EXECUTE format('SELECT round(avg((SELECT count(*) FROM unnest(found) AS d WHERE d <= nearest[10])) / 10, 4) FROM query AS q,
		LATERAL (SELECT array_agg(d) AS found FROM (SELECT %1$s AS d FROM sift AS s ORDER BY %1$s LIMIT 10) AS t) AS f,
		LATERAL (SELECT array_agg(d ORDER BY d) AS nearest FROM (SELECT %1$s AS d FROM sift AS s ORDER BY (%1$s) + 0 LIMIT 10) AS t) AS n', distance) INTO result;
	RETURN result;
END $$;
CREATE INDEX ON sift USING trident (embedding vector_cosine_ops);
SELECT recall_of('s.embedding <=> q.embedding') >= 0.95 AS good;
DROP INDEX sift_embedding_idx;
CREATE INDEX ON sift USING trident (embedding vector_ip_ops);
SELECT recall_of('s.embedding <#> q.embedding') >= 0.94 AS good;
DROP INDEX sift_embedding_idx;
CREATE INDEX ON sift USING trident (half halfvec_l2_ops);
SELECT recall_of('s.half <-> q.embedding::halfvec(128)') >= 0.95 AS good;
CREATE INDEX ON sift USING trident (embedding) WITH (bits = 8);
SELECT recall() >= 0.95 AS good;
DROP INDEX sift_embedding_idx, sift_half_idx;

-- A flat index, filled a row at a time and trained by VACUUM, is as good.
CREATE TABLE later (LIKE sift);
CREATE INDEX later_index ON later USING trident (embedding vector_l2_ops) WITH (lists = 100);
INSERT INTO later SELECT * FROM sift;
ALTER TABLE sift RENAME TO sift_before;
ALTER TABLE later RENAME TO sift;
ANALYZE sift;
SELECT recall() >= 0.95 AS good;
VACUUM sift;
SELECT recall() >= 0.95 AS good;
DELETE FROM sift WHERE id % 2 = 0;
INSERT INTO sift SELECT * FROM sift_before WHERE id % 2 = 0;
SELECT recall() >= 0.95 AS good;
VACUUM sift;
SELECT recall() >= 0.95 AS good;

SET client_min_messages = warning;
DROP SCHEMA index_data CASCADE;
