/*
 * demo_search.sql
 *	  The demonstration: real vectors over three nodes, searched from one.
 *
 * The variable data is the path of test/data on the server.
 */
\pset footer off
\pset border 1
SET client_min_messages = warning;

\echo
\echo '1. Three nodes'
\echo
SELECT split_part(version(), ' ', 2) AS postgresql,
	extversion AS trident,
	trident_simd_level() AS kernels
FROM pg_extension WHERE extname = 'trident' \gset
\echo '    PostgreSQL' :postgresql', trident' :trident', distances by' :kernels
\echo
\echo '   Node 1 is this one.  It was told of each other by'
\echo
\echo '    SELECT trident_node_add(\'node2\', host, port, \'demo\');'
\echo '    CREATE USER MAPPING FOR demo SERVER node2 OPTIONS (user \'demo\', password ...);'
\echo
\echo '    SELECT node, checked, ok, detail FROM trident_node_check();'
\echo
SELECT node, checked, ok, detail FROM trident_node_check()
WHERE checked IN ('connection', 'extension', 'identity', 'shards');

\echo '2. Real vectors: SIFT descriptors of photographs, 128 dimensions each'
\echo
\echo '    CREATE TABLE descriptor (id bigint PRIMARY KEY, embedding trident.vector(128));'
\echo '    INSERT INTO descriptor'
\echo '        SELECT id, embedding FROM trident_vecs_read(\'test/data/sift10k_base.bvecs\')'
\echo '        WHERE id < 5000;'
CREATE TABLE descriptor (id bigint PRIMARY KEY, embedding trident.vector(128));
INSERT INTO descriptor
	SELECT id, embedding FROM trident_vecs_read(:'data' || '/sift10k_base.bvecs')
	WHERE id < 5000;
\echo
\echo '   The table becomes a collection: six shards on three nodes, with their keys.'
\echo
\echo '    SELECT trident_collection_distribute(\'descriptor\', \'{local,node2,node3}\', shards => 6);'
SELECT clock_timestamp() AS began \gset
SELECT trident_collection_distribute('descriptor', '{local,node2,node3}', shards => 6) AS moved \gset
SELECT round(extract(epoch FROM clock_timestamp() - :'began') * 1000) AS ms \gset
\echo
\echo '   ' :moved 'rows moved in' :ms 'ms.  The other half goes to all shards at once:'
\echo
\echo '    SELECT trident_collection_load(\'descriptor\', \'SELECT ... WHERE id >= 5000\');'
SELECT clock_timestamp() AS began \gset
SELECT trident_collection_load('descriptor',
	format('SELECT id, embedding FROM trident_vecs_read(%L) WHERE id >= 5000', :'data' || '/sift10k_base.bvecs')) AS loaded \gset
SELECT round(extract(epoch FROM clock_timestamp() - :'began') * 1000) AS ms \gset
\echo
\echo '   ' :loaded 'rows in' :ms 'ms.'
\echo
\echo '    SELECT shard, node, rows, size_bytes, misplaced, ok'
\echo '    FROM trident_collection_status(\'descriptor\', verify => true);'
\echo
SELECT shard, node, rows, size_bytes, misplaced, ok
FROM trident_collection_status('descriptor', verify => true);

/* The queries, and for each its ten true neighbors in order. */
CREATE TABLE query (id bigint PRIMARY KEY, embedding trident.vector(128));
INSERT INTO query
	SELECT id, embedding
	FROM trident_vecs_read(:'data' || '/sift10k_query.bvecs');
CREATE TABLE truth (id bigint PRIMARY KEY, ids integer[]);
INSERT INTO truth
	SELECT id, ids[1:10]
	FROM trident_ivecs_read(:'data' || '/sift10k_gt.ivecs');
ANALYZE descriptor;
VACUUM ANALYZE query, truth;

\echo '3. The five nearest to the first of 100 queries, from all nodes'
\echo
\echo '    SELECT id, distance, node FROM trident_search(\'descriptor\','
\echo '        (SELECT embedding FROM query WHERE id = 0), k => 5);'
\echo
SELECT id, round(distance::numeric, 3) AS distance, node
FROM trident_search('descriptor', (SELECT embedding FROM query WHERE id = 0), k => 5);

\echo '   The same in plain SQL, since a collection is a partitioned table:'
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
CREATE TEMP TABLE bound AS
	SELECT q.id AS query, max(d.embedding <-> q.embedding) AS farthest
	FROM query q JOIN truth t USING (id)
		JOIN (SELECT * FROM descriptor OFFSET 0) d ON d.id = ANY (t.ids)
	GROUP BY q.id;
CREATE TEMP VIEW recall AS
SELECT w.way, w.name,
	round(count(*) FILTER (WHERE a.distance <= b.farthest) / 1000.0, 3) AS "recall@10",
	round(100 / w.seconds) AS "queries per second"
FROM way w JOIN answer a USING (way) JOIN bound b USING (query)
GROUP BY w.way, w.name, w.seconds
ORDER BY w.way;

SELECT name AS way, "recall@10", "queries per second" FROM recall;

\echo '   Both read every row of every node, so the answers are exact: recall 1.000, against'
\echo '   the true neighbors that came with the data.  One session, all nodes on this machine.'
\echo
\echo '5. An index'
\echo
\echo '    CREATE INDEX ON descriptor USING trident (embedding vector_l2_ops);'
SELECT clock_timestamp() AS began \gset
CREATE INDEX ON descriptor USING trident (embedding vector_l2_ops);
SELECT round(extract(epoch FROM clock_timestamp() - :'began') * 1000) AS ms \gset
\echo
\echo '    built on every shard, on all nodes at once, in' :ms 'ms.  Now both use it:'
\echo
SELECT count(*) AS rows
FROM query q, trident_search('descriptor', q.embedding) s \gset
SELECT clock_timestamp() AS began \gset
INSERT INTO answer
	SELECT 3, q.id, s.id::bigint, s.distance
	FROM query q, trident_search('descriptor', q.embedding) s;
INSERT INTO way VALUES (3, 'trident_search with the index',
	extract(epoch FROM clock_timestamp() - :'began'));
SELECT count(s.id) AS rows
FROM query q, LATERAL (SELECT id FROM descriptor
					   ORDER BY embedding <-> q.embedding LIMIT 10) s \gset
SELECT clock_timestamp() AS began \gset
INSERT INTO answer
	SELECT 4, q.id, s.id, s.distance
	FROM query q,
		LATERAL (SELECT id, embedding <-> q.embedding AS distance
				 FROM descriptor
				 ORDER BY embedding <-> q.embedding LIMIT 10) s;
INSERT INTO way VALUES (4, 'plain SQL with the index',
	extract(epoch FROM clock_timestamp() - :'began'));
SELECT name AS way, "recall@10", "queries per second"
FROM recall WHERE way >= 3;
SELECT setting AS target FROM pg_settings
WHERE name = 'trident.index_target_recall' \gset

\echo '   An index reads a part of the rows: trident.index_target_recall, here' :target','
\echo '   says how many of the true neighbors it should find.'
