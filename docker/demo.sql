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

/* One pass first, so that neither side pays for the cold start. */
SELECT count(*) AS rows
FROM query q, trident_search('descriptor', q.embedding) s \gset
SELECT clock_timestamp() AS began \gset
CREATE TEMP TABLE by_search AS
	SELECT q.id AS query, s.id::bigint, s.distance
	FROM query q, trident_search('descriptor', q.embedding) s;
SELECT extract(epoch FROM clock_timestamp() - :'began') AS search_s \gset

SELECT count(s.id) AS rows
FROM query q, LATERAL (SELECT id FROM descriptor
					   ORDER BY embedding <-> q.embedding LIMIT 10) s \gset
SELECT clock_timestamp() AS began \gset
CREATE TEMP TABLE by_sql AS
	SELECT q.id AS query, s.id, s.distance
	FROM query q,
		LATERAL (SELECT id, embedding <-> q.embedding AS distance
				 FROM descriptor
				 ORDER BY embedding <-> q.embedding LIMIT 10) s;
SELECT extract(epoch FROM clock_timestamp() - :'began') AS sql_s \gset

/*
 * A row is right if it is no farther than the true tenth neighbor: where
 * several are as far as the tenth, each of them is.
 */
WITH bound AS (
	SELECT q.id AS query, max(d.embedding <-> q.embedding) AS farthest
	FROM query q JOIN truth t USING (id)
		JOIN descriptor d ON d.id = ANY (t.ids)
	GROUP BY q.id),
answer AS (
	SELECT 'trident_search' AS way, 1 AS place, :search_s AS s, * FROM by_search
	UNION ALL
	SELECT 'plain SQL, ORDER BY embedding <-> q', 2, :sql_s, * FROM by_sql)
SELECT way,
	round(count(*) FILTER (WHERE distance <= farthest) / 1000.0, 3) AS "recall@10",
	round(100 / s::numeric) AS "queries per second"
FROM answer JOIN bound USING (query)
GROUP BY way, place, s
ORDER BY place;

\echo '   Both read every row, so the answers are exact: recall 1.000, against the true'
\echo '   neighbors that came with the data.  One session, no index, this machine.'
\echo
\echo '5. To try next'
\echo
\echo :next
