/*
 * demo.sql
 *	  The demonstration: loads test/data and searches it.
 *
 * The variables are data, the path of that folder on the server, and next,
 * the text of try.sql.
 */
\pset footer off
\pset border 1
SET client_min_messages = warning;

\echo
\echo '1. The extension'
\echo
\echo '    CREATE EXTENSION trident;'
CREATE EXTENSION trident;
SELECT split_part(version(), ' ', 2) AS postgresql,
	extversion AS trident,
	trident_simd_level() AS kernels
FROM pg_extension WHERE extname = 'trident' \gset
\echo
\echo '    PostgreSQL' :postgresql', trident' :trident', distances by' :kernels

\echo
\echo '2. Real vectors: 10,000 SIFT descriptors of photographs, 128 dimensions each'
\echo
\echo '    CREATE TABLE descriptor (id bigint PRIMARY KEY, embedding trident.vector(128));'
\echo '    INSERT INTO descriptor'
\echo '        SELECT id, embedding FROM trident_vecs_read(\'test/data/sift10k_base.bvecs\');'
CREATE TABLE descriptor (id bigint PRIMARY KEY, embedding trident.vector(128));
SELECT clock_timestamp() AS began \gset
INSERT INTO descriptor
	SELECT id, embedding
	FROM trident_vecs_read(:'data' || '/sift10k_base.bvecs');
SELECT round(extract(epoch FROM clock_timestamp() - :'began') * 1000) AS ms,
	(SELECT count(*) FROM descriptor) AS loaded \gset
VACUUM ANALYZE descriptor;

/* The queries, and for each its ten true neighbors in order. */
CREATE TABLE query (id bigint PRIMARY KEY, embedding trident.vector(128));
INSERT INTO query
	SELECT id, embedding
	FROM trident_vecs_read(:'data' || '/sift10k_query.bvecs');
CREATE TABLE truth (id bigint PRIMARY KEY, ids integer[]);
INSERT INTO truth
	SELECT id, ids[1:10]
	FROM trident_ivecs_read(:'data' || '/sift10k_gt.ivecs');
VACUUM ANALYZE query, truth;
\echo
\echo '   ' :loaded 'rows in' :ms 'ms.  The table query holds 100 vectors of other photographs.'

\echo
\echo '3. The five nearest to the first query'
\echo
\echo '    SELECT id, distance FROM trident_search(\'descriptor\','
\echo '        (SELECT embedding FROM query WHERE id = 0), k => 5);'
\echo
SELECT id, round(distance::numeric, 3) AS distance
FROM trident_search('descriptor', (SELECT embedding FROM query WHERE id = 0), k => 5);

\echo '   The same in plain SQL:'
\echo
\echo '    SELECT id, embedding <-> (SELECT embedding FROM query WHERE id = 0) AS distance'
\echo '    FROM descriptor ORDER BY distance, id LIMIT 5;'
\echo
SELECT id, round((embedding <-> (SELECT embedding FROM query WHERE id = 0))::numeric, 3) AS distance
FROM descriptor ORDER BY embedding <-> (SELECT embedding FROM query WHERE id = 0), id LIMIT 5;

\echo '4. Recall and speed over the 100 queries, k = 10'
\echo

/* What each way answered and how long it took, by the order of the ways. */
CREATE TEMP TABLE answer (way int, query bigint, id bigint, distance float8);
CREATE TEMP TABLE way (way int, name text, seconds numeric);

/* One pass first, so that no way pays for the cold start. */
SELECT count(*) AS rows
FROM query q, trident_search('descriptor', q.embedding) s \gset
SELECT clock_timestamp() AS began \gset
INSERT INTO answer
	SELECT 1, q.id, s.id::bigint, s.distance
	FROM query q, trident_search('descriptor', q.embedding) s;
INSERT INTO way VALUES (1, 'trident_search',
	extract(epoch FROM clock_timestamp() - :'began'));

SELECT clock_timestamp() AS began \gset
INSERT INTO answer
	SELECT 2, q.id, s.id, s.distance
	FROM query q,
		LATERAL (SELECT id, embedding <-> q.embedding AS distance
				 FROM descriptor
				 ORDER BY embedding <-> q.embedding LIMIT 10) s;
INSERT INTO way VALUES (2, 'plain SQL, ORDER BY embedding <-> q LIMIT 10',
	extract(epoch FROM clock_timestamp() - :'began'));

/*
 * A row is right if it is no farther than the true tenth neighbor: where
 * several are as far as the tenth, each of them is.
 */
CREATE TEMP VIEW recall AS
WITH bound AS (
	SELECT q.id AS query, max(d.embedding <-> q.embedding) AS farthest
	FROM query q JOIN truth t USING (id)
		JOIN descriptor d ON d.id = ANY (t.ids)
	GROUP BY q.id)
SELECT w.way, w.name,
	round(count(*) FILTER (WHERE a.distance <= b.farthest) / 1000.0, 3) AS "recall@10",
	round(100 / w.seconds) AS "queries per second"
FROM way w JOIN answer a USING (way) JOIN bound b USING (query)
GROUP BY w.way, w.name, w.seconds
ORDER BY w.way;

SELECT name AS way, "recall@10", "queries per second" FROM recall;

\echo '   Both read every row, so the answers are exact: recall 1.000, against the true'
\echo '   neighbors that came with the data.  One session, this machine.'
\echo
\echo '5. An index'
\echo
\echo '    CREATE INDEX ON descriptor USING trident (embedding vector_l2_ops);'
SELECT clock_timestamp() AS began \gset
CREATE INDEX ON descriptor USING trident (embedding vector_l2_ops);
SELECT round(extract(epoch FROM clock_timestamp() - :'began') * 1000) AS ms \gset
\echo
\echo '    built in' :ms 'ms; the plain SQL of above, now by the index:'
\echo
SELECT count(s.id) AS rows
FROM query q, LATERAL (SELECT id FROM descriptor
					   ORDER BY embedding <-> q.embedding LIMIT 10) s \gset
SELECT clock_timestamp() AS began \gset
INSERT INTO answer
	SELECT 3, q.id, s.id, s.distance
	FROM query q,
		LATERAL (SELECT id, embedding <-> q.embedding AS distance
				 FROM descriptor
				 ORDER BY embedding <-> q.embedding LIMIT 10) s;
INSERT INTO way VALUES (3, 'plain SQL with the index',
	extract(epoch FROM clock_timestamp() - :'began'));
SELECT name AS way, "recall@10", "queries per second"
FROM recall WHERE way = 3;
SELECT setting AS target FROM pg_settings
WHERE name = 'trident.index_target_recall' \gset

\echo '   An index reads a part of the rows: trident.index_target_recall, here' :target','
\echo '   says how many of the true neighbors it should find.'
\echo
\echo '6. To try next'
\echo
\echo :next
