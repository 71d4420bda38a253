-- Data set files as rows: every format, and the ways in which rows are asked for.
SET search_path = "$user", public, trident;
\getenv abs_builddir PG_ABS_BUILDDIR
\set dir :abs_builddir '/results/'
\set fvecs :dir 'vecs_read.fvecs'
\set f16vecs :dir 'vecs_read.f16vecs'
\set bvecs :dir 'vecs_read.bvecs'
\set i8vecs :dir 'vecs_read.i8vecs'
\set ivecs :dir 'vecs_read.ivecs'
\set empty :dir 'vecs_empty.fvecs'
\set other :dir 'vecs_read.dat'
\set many :dir 'vecs_many.bvecs'

CREATE FUNCTION pg_temp.write(file text, contents bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	lo oid := lo_from_bytea(0, contents);
BEGIN
	PERFORM lo_export(lo, file);
	PERFORM lo_unlink(lo);
END $$;

-- Rows of two or three: dimensions, then elements, little-endian.
SELECT pg_temp.write(:'fvecs', '\x02000000 0000803f 000000c0 02000000 ffff7f7f 00000080');
SELECT pg_temp.write(:'f16vecs', '\x03000000 003c 00c0 ff7b 03000000 0080 0100 0000');
SELECT pg_temp.write(:'bvecs', '\x03000000 00 7f ff 03000000 01 02 80');
SELECT pg_temp.write(:'i8vecs', '\x03000000 00 7f ff 03000000 01 02 80');
SELECT pg_temp.write(:'ivecs', '\x02000000 01000000 ffffffff 02000000 00000080 00010000');
SELECT pg_temp.write(:'empty', '');
SELECT pg_temp.write(:'other', '\x01000000 2a');
SELECT * FROM trident_vecs_read(:'fvecs');
SELECT * FROM trident_vecs_read(:'f16vecs');
SELECT * FROM trident_vecs_read(:'bvecs');
SELECT * FROM trident_vecs_read(:'i8vecs');
SELECT * FROM trident_ivecs_read(:'ivecs');
SELECT * FROM trident_vecs_read(:'empty');
SELECT * FROM trident_vecs_read(:'other', 'bvecs');
SELECT * FROM trident_vecs_read(format => 'i8vecs', path => :'bvecs');
SELECT pg_typeof(id), pg_typeof(embedding) FROM trident_vecs_read(:'other', 'bvecs');
SELECT pg_typeof(id), pg_typeof(ids) FROM trident_ivecs_read(:'ivecs') LIMIT 1;

-- 3000 rows of 200 bytes: several times what is read at once.
SELECT pg_temp.write(:'many', (SELECT string_agg('\xc8000000'::bytea
	|| decode(repeat(lpad(to_hex(i % 256), 2, '0'), 200), 'hex'), ''::bytea ORDER BY i)
	FROM generate_series(0, 2999) AS i));
SELECT count(*), min(id), max(id), count(DISTINCT id),
	bool_and(embedding = array_fill((id % 256)::int, ARRAY[200])::vector) AS right
FROM trident_vecs_read(:'many');

-- In FROM it is put in place, so that rows are read as they are asked for.
EXPLAIN (COSTS OFF) SELECT id FROM trident_vecs_read('x.fvecs') LIMIT 1;
EXPLAIN (COSTS OFF) SELECT ids FROM trident_ivecs_read('x.ivecs');
SELECT id FROM trident_vecs_read(:'many') LIMIT 2;
SELECT id FROM trident_vecs_read(:'many') OFFSET 2998;
SELECT count(*) FROM (SELECT trident_vecs_read(:'many')) AS t;
SELECT id, ordinality FROM trident_vecs_read(:'bvecs') WITH ORDINALITY;
SELECT f.n, v.id, v.embedding
FROM (VALUES (1, :'bvecs'), (2, :'other'), (3, :'fvecs')) AS f (n, path),
	trident_vecs_read(path, CASE n WHEN 2 THEN 'bvecs' END) AS v ORDER BY 1, 2;
SELECT a.id, b.id FROM generate_series(1, 2) AS n, LATERAL (SELECT id FROM trident_vecs_read(:'many') LIMIT n) AS a,
	trident_vecs_read(:'bvecs') AS b ORDER BY n, a.id, b.id;
CREATE TABLE vecs_read (id bigint PRIMARY KEY, embedding vector(200), half halfvec(200));
INSERT INTO vecs_read SELECT id, embedding, embedding FROM trident_vecs_read(:'many') WHERE id % 1000 = 1;
SELECT id, subvector(embedding, 1, 2), subvector(half, 199, 9), vector_dims(half) FROM vecs_read;
DROP TABLE vecs_read;

-- A cursor goes on after the savepoint that it was first read in is gone.
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM trident_vecs_read(:'many');
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
MOVE 2000 FROM c;
FETCH 1 FROM c;
CLOSE c;
COMMIT;

-- No file stays open: not at the end, not before it, not after an error.
DO $$
BEGIN
	FOR i IN 1..1500 LOOP
		BEGIN
			PERFORM trident_vecs_read('PG_VERSION', 'bvecs');
			RAISE EXCEPTION 'PG_VERSION is no data set';
		EXCEPTION WHEN data_exception THEN
		END;
	END LOOP;
END $$;
SELECT count(*) FROM generate_series(1, 1500) AS i,
	LATERAL (SELECT id FROM trident_vecs_read(CASE WHEN i > 0 THEN :'many' END) LIMIT 1) AS t;
SELECT sum(n) FROM generate_series(1, 1500) AS i,
	LATERAL (SELECT count(*) AS n FROM trident_vecs_read(CASE WHEN i > 0 THEN :'fvecs' END)) AS t;
