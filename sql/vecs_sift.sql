-- The real data of test/data: read whole, and searched exactly.
SET search_path = "$user", public, trident;
\getenv abs_srcdir PG_ABS_SRCDIR
\set base :abs_srcdir '/test/data/sift10k_base.bvecs'
\set query :abs_srcdir '/test/data/sift10k_query.bvecs'
\set ids :abs_srcdir '/test/data/sift10k_gt.ivecs'
\set distances :abs_srcdir '/test/data/sift10k_gt.dist.fvecs'
CREATE TABLE vecs_sift AS SELECT * FROM trident_vecs_read(:'base');
CREATE TEMP TABLE vecs_sift_query AS SELECT * FROM trident_vecs_read(:'query');
SELECT count(*), min(id), max(id), min(vector_dims(embedding)), max(vector_dims(embedding)),
	count(*) FILTER (WHERE embedding <> embedding::halfvec::vector) AS not_in_halfvec
FROM vecs_sift;

-- The published distances are those of the published ids.
SELECT count(*), count(*) FILTER (WHERE vector_l2_squared_distance(q.embedding, b.embedding) <> d) AS differ
FROM trident_ivecs_read(:'ids') AS i JOIN trident_vecs_read(:'distances') AS f USING (id)
JOIN vecs_sift_query AS q USING (id), unnest(i.ids, f.embedding::real[]) AS t (n, d), vecs_sift AS b WHERE b.id = n;

-- The ten nearest of each query are as near as the published ones.
SELECT count(*), count(*) FILTER (WHERE nearest = (f.embedding::real[])[1:10]) AS exact
FROM vecs_sift_query AS q JOIN trident_vecs_read(:'distances') AS f USING (id),
	LATERAL (SELECT array_agg(d::real ORDER BY d) AS nearest
		FROM (SELECT vector_l2_squared_distance(b.embedding, q.embedding) AS d FROM vecs_sift AS b
			ORDER BY b.embedding <-> q.embedding LIMIT 10) AS t) AS n;
DROP TABLE vecs_sift;
