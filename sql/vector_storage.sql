-- How values are stored: as pgvector stores them, whatever their size.
SET search_path = "$user", public, trident;

SELECT typname, typlen, typalign, typstorage, typcategory, typdelim FROM pg_type
WHERE oid IN ('vector'::regtype, 'halfvec'::regtype) ORDER BY typname DESC;

-- 8 bytes and 4 (2) an element; up to 126 bytes the header has one byte.
SELECT d, pg_column_size(v) AS built, pg_column_size(h) AS built_half
FROM (SELECT d, array_fill(1, ARRAY[d])::vector AS v, array_fill(1, ARRAY[d])::halfvec AS h
	FROM unnest(ARRAY[1, 3, 29, 30, 60, 128, 1536, 16000]) AS d) AS t;
CREATE TABLE vector_storage (d int, v vector, h halfvec);
INSERT INTO vector_storage SELECT d, array_fill(1, ARRAY[d])::vector, array_fill(1, ARRAY[d])::halfvec
FROM unnest(ARRAY[1, 3, 29, 30, 60, 128, 480, 520, 1536, 16000]) AS d;
SELECT d, pg_column_size(v), pg_column_size(h), vector_dims(v), vector_dims(h),
	v <-> array_fill(1, ARRAY[d])::vector AS same, h <-> array_fill(1, ARRAY[d])::halfvec AS same_half,
	vector_norm(v)::numeric(10,4), l2_norm(h)::numeric(10,4) FROM vector_storage ORDER BY d;

-- Toasted, never compressed.
SELECT count(*) FILTER (WHERE pg_column_compression(v) IS NOT NULL) AS compressed,
	pg_relation_size(reltoastrelid) > 0 AS toasted
FROM vector_storage, pg_class WHERE pg_class.oid = 'vector_storage'::regclass GROUP BY reltoastrelid;

DROP TABLE vector_storage;
