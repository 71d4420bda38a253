--
-- Text keys by a nondeterministic collation, where the server has ICU.
--
CREATE SCHEMA index_collation;
SET search_path = index_collation, public, trident;
SELECT count(*) = 0 AS skip FROM pg_collation WHERE collname = 'und-x-icu' \gset
SET client_min_messages = warning;
\if :skip
DROP SCHEMA index_collation;
\quit
\endif
SET enable_seqscan = off;
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE word (id integer, w text COLLATE any_case, v vector(3));
INSERT INTO word SELECT i, CASE i % 3 WHEN 0 THEN 'abc' WHEN 1 THEN 'ABC' ELSE 'other' END, ARRAY[i, 1, 1]::vector FROM generate_series(1, 300) AS i;
CREATE INDEX ON word USING trident (v, w);
EXPLAIN (COSTS OFF) SELECT id, w FROM word WHERE w = 'aBc' ORDER BY v <-> '[7,1,1]' LIMIT 3;
SELECT id, w FROM word WHERE w = 'aBc' ORDER BY v <-> '[7.1,1,1]' LIMIT 3;
SELECT count(*) FROM (SELECT 1 FROM word WHERE w IN ('aBc', 'nothing') ORDER BY v <-> '[7.1,1,1]') AS t;
-- Another collation's equality is a filter.
EXPLAIN (COSTS OFF) SELECT id, w FROM word WHERE w = 'ABC' COLLATE "C" ORDER BY v <-> '[7,1,1]' LIMIT 3;
SELECT id, w FROM word WHERE w = 'ABC' COLLATE "C" ORDER BY v <-> '[7.1,1,1]' LIMIT 3;
SET client_min_messages = warning;
DROP SCHEMA index_collation CASCADE;
