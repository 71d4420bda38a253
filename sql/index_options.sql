--
-- CREATE INDEX: what it accepts, what it refuses and how, and settings.
--
CREATE SCHEMA index_options;
SET search_path = index_options, public, trident;
SET enable_seqscan = off;

-- What a statement gives: "done", or SQLSTATE, message, detail and hint.
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || SQLERRM, 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''));
END $$;

CREATE TABLE item (id integer, tenant integer, label text, v vector(64), w vector(64), h halfvec(64), free vector);
INSERT INTO item
SELECT i, i % 7, 'l' || i % 3, v, v, v::halfvec, v
FROM (SELECT i, array_agg(sin(i * n * 12.9898 + n) ORDER BY n)::vector AS v
	FROM generate_series(1, 1000) AS i, generate_series(1, 64) AS n GROUP BY i) AS t;

CREATE FUNCTION query() RETURNS vector LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT v FROM item WHERE id = 77); END';

-- Options: lists, bits, sample; each alone and together, at the ends of its range.
SELECT options, outcome(format('CREATE INDEX ON item USING trident (v) WITH (%s)', options))
FROM unnest(ARRAY['lists = 0', 'lists = 1', 'lists = 10', 'lists = 32768', 'bits = 0', 'bits = 4', 'bits = 8',
	'sample = 0', 'sample = 1', 'sample = 10000', 'lists = 10, bits = 8, sample = 50']) AS options;
-- Each finds every row, nearest first.
DO $$
DECLARE
	index regclass;
	total integer;
	nearest integer;
BEGIN
	FOR index IN SELECT indexrelid FROM pg_index WHERE indrelid = 'item'::regclass ORDER BY indexrelid DESC LOOP
		SELECT count(DISTINCT id), min(id) FILTER (WHERE n = 1) INTO total, nearest FROM
			(SELECT id, row_number() OVER () AS n FROM
				(SELECT id FROM item ORDER BY v <-> (SELECT v FROM item WHERE id = 77)) AS s) AS t;
		IF total <> 1000 OR nearest <> 77 THEN
			RAISE EXCEPTION '% found % rows, % first', index, total, nearest;
		END IF;
		EXECUTE 'DROP INDEX ' || index;
	END LOOP;
END $$;
SELECT options, outcome(format('CREATE INDEX ON item USING trident (v) WITH (%s)', options))
FROM unnest(ARRAY['lists = -1', 'lists = 32769', 'lists = x', 'lists = 1.5', 'bits = -1', 'bits = 9', 'bits = 3', 'bits = 1',
	'sample = -1', 'sample = 10001', 'probes = 1', 'm = 16', 'fillfactor = 70']) AS options;
-- They change by ALTER INDEX, and count from the next REINDEX on.
CREATE INDEX item_v ON item USING trident (v) WITH (lists = 5);
ALTER INDEX item_v SET (lists = 8, bits = 8);
REINDEX INDEX item_v;
SELECT reloptions FROM pg_class WHERE oid = 'item_v'::regclass;
SELECT outcome('ALTER INDEX item_v SET (bits = 5)');
ALTER INDEX item_v RESET (lists, bits);
DROP INDEX item_v;

-- Columns that it does not take.
SELECT definition, outcome('CREATE INDEX ON item USING trident ' || definition)
FROM unnest(ARRAY['(free)', '(v, w)', '(tenant, v)', '(tenant)', '(v, tenant, label)', '(v, tenant, w)', '(id, tenant)']) AS definition;
SELECT definition, outcome('CREATE ' || definition)
FROM unnest(ARRAY['UNIQUE INDEX ON item USING trident (v)', 'INDEX ON item USING trident (v) INCLUDE (id)',
	'INDEX ON item USING trident (v vector_l1_ops)', 'INDEX ON item USING trident (v halfvec_l2_ops)',
	'INDEX ON item USING trident (v DESC)', 'INDEX ON item USING trident (v NULLS FIRST)',
	'INDEX ON item USING trident (v, label text_pattern_ops)', 'INDEX ON item USING trident ((label::json))']) AS definition;
-- How the operator is written differs between majors.
SELECT regexp_replace(outcome('ALTER TABLE item ADD EXCLUDE USING trident (v WITH =)'), '(public|trident)\.', '', 'g') AS outcome;
SELECT outcome('CLUSTER item USING ' || (SELECT 'item_c' FROM (SELECT outcome('CREATE INDEX item_c ON item USING trident (v)')) AS t));
DROP INDEX item_c;

-- Dimensions: up to what the types hold.
CREATE TABLE wide (id integer, v vector(16000), h halfvec(16000));
INSERT INTO wide SELECT i, array_agg(sin(i * n) ORDER BY n)::vector, array_agg(sin(i * n) ORDER BY n)::vector::halfvec
FROM generate_series(1, 12) AS i, generate_series(1, 16000) AS n GROUP BY i;
SELECT outcome('CREATE INDEX ON wide USING trident (v) WITH (bits = 8)');
SELECT outcome('CREATE INDEX ON wide USING trident (h halfvec_cosine_ops)');
SELECT id FROM wide ORDER BY v <-> (SELECT v FROM wide WHERE id = 7) LIMIT 1;
SELECT id FROM wide ORDER BY h <=> (SELECT h FROM wide WHERE id = 7) LIMIT 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM wide ORDER BY v <-> (SELECT v FROM wide WHERE id = 7)) AS t;
SELECT outcome('CREATE TABLE wider (v vector(16001))');
SELECT outcome('CREATE INDEX ON item USING trident ((v::vector(16001)))');
-- One dimension, and those at which the way rows are kept changes.
DO $$
DECLARE
	d integer;
	found integer;
BEGIN
	FOREACH d IN ARRAY '{1,2,31,32,33,1023,1024,1025,2000,4096,4097}'::integer[] LOOP
		EXECUTE format('CREATE TABLE dims AS SELECT i AS id, array_agg(sin(i * n * 1.7) ORDER BY n)::vector(%s) AS v '
			'FROM generate_series(1, 25) AS i, generate_series(1, %s) AS n GROUP BY i', d, d);
		CREATE INDEX ON dims USING trident (v vector_l2_ops) WITH (lists = 3);
		CREATE INDEX ON dims USING trident (v vector_ip_ops) WITH (bits = 8);
		SELECT count(*) FROM dims AS q
		WHERE id = (SELECT id FROM dims AS t ORDER BY t.v <-> q.v LIMIT 1)
			AND (SELECT count(DISTINCT id) = 25 FROM (SELECT id FROM dims AS t ORDER BY t.v <-> q.v OFFSET 0) AS s)
			AND (SELECT count(DISTINCT id) = 25 FROM (SELECT id FROM dims AS t ORDER BY t.v <#> q.v OFFSET 0) AS s) INTO found;
		IF found <> 25 THEN
			RAISE INFO '% dimensions: % of 25', d, found;
		END IF;
		DROP TABLE dims;
	END LOOP;
END $$;

-- An expression instead of a column, and an index of some rows only.
CREATE INDEX item_half ON item USING trident ((v::halfvec(64)) halfvec_l2_ops);
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY v::halfvec(64) <-> query()::halfvec LIMIT 2;
SELECT id FROM item ORDER BY v::halfvec(64) <-> (SELECT v::halfvec(64) FROM item WHERE id = 77) LIMIT 1;
CREATE INDEX item_cast ON item USING trident ((free::vector(64)) vector_cosine_ops);
EXPLAIN (COSTS OFF) SELECT id FROM item ORDER BY free::vector(64) <=> query() LIMIT 2;
SELECT id FROM item ORDER BY free::vector(64) <=> (SELECT v FROM item WHERE id = 77) LIMIT 1;
INSERT INTO item (id, v, free) SELECT 1001, v, v FROM item WHERE id = 77;
SELECT id FROM item WHERE id <> 77 ORDER BY v::halfvec(64) <-> (SELECT v::halfvec(64) FROM item WHERE id = 77) LIMIT 1;
SELECT outcome('INSERT INTO item (id, free) VALUES (1002, ''[1,2,3]'')');
DELETE FROM item WHERE id > 1000;
DROP INDEX item_half, item_cast;
CREATE INDEX item_some ON item USING trident (v) WHERE tenant = 3;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE tenant = 3 ORDER BY v <-> query() LIMIT 2;
EXPLAIN (COSTS OFF) SELECT id FROM item WHERE tenant = 4 ORDER BY v <-> query() LIMIT 2;
SELECT count(*), min(tenant), max(tenant) FROM
	(SELECT tenant FROM item WHERE tenant = 3 ORDER BY v <-> array_fill(1, '{64}')::vector) AS t;
UPDATE item SET tenant = 4 WHERE id = 3;
UPDATE item SET tenant = 3 WHERE id = 4;
SELECT count(*) FROM (SELECT tenant FROM item WHERE tenant = 3 ORDER BY v <-> array_fill(1, '{64}')::vector) AS t;
-- The rows of an expression that is NULL, or an error.
CREATE INDEX item_null ON item USING trident ((CASE WHEN id > 10 THEN w END::vector(64)));
SELECT count(*) FROM (SELECT 1 FROM item ORDER BY (CASE WHEN id > 10 THEN w END::vector(64)) <-> (SELECT v FROM item WHERE id = 77)) AS t;
DROP INDEX item_null;
SELECT outcome('CREATE INDEX ON item USING trident ((CASE WHEN id / (id - 10) > 0 THEN w END::vector(64)))');
SELECT outcome('CREATE INDEX ON item USING trident ((subvector(v, 1, 3)))');
SELECT outcome('CREATE INDEX ON item USING trident ((CASE WHEN id > 10 THEN w END))');
CREATE INDEX item_sub ON item USING trident ((subvector(v, 1, 3)::vector(3)));
SELECT id FROM item ORDER BY subvector(v, 1, 3)::vector(3) <-> (SELECT subvector(v, 1, 3) FROM item WHERE id = 77) LIMIT 1;

-- A column's type changes, and the index follows or says why not.
CREATE INDEX item_h ON item USING trident (h);
SELECT outcome('ALTER TABLE item ALTER h TYPE halfvec(64)');
SELECT outcome('ALTER TABLE item ALTER h TYPE vector(64)');
SELECT outcome('ALTER TABLE item ALTER h TYPE halfvec');
DROP INDEX item_h;

-- Settings: ranges, and values that ask for more than there is.
SELECT name, setting, min_val, max_val, enumvals, context FROM pg_settings WHERE name LIKE 'trident.index%' ORDER BY name;
SELECT setting, outcome('SET LOCAL ' || setting)
FROM unnest(ARRAY['trident.index_target_recall = 0', 'trident.index_target_recall = 1', 'trident.index_target_recall = 1.1',
	'trident.index_target_recall = -0.1', 'trident.index_target_recall = nan', 'trident.index_probes = 32768',
	'trident.index_probes = -1', 'trident.index_probes = 32769', 'trident.index_order = relaxed',
	'trident.index_recall = 1']) AS setting;
CREATE INDEX item_lists ON item USING trident (w) WITH (lists = 10);
SET trident.index_probes = 32768;
SELECT id FROM item ORDER BY w <-> (SELECT v FROM item WHERE id = 77) LIMIT 1;
RESET trident.index_probes;
SET trident.index_target_recall = 0;
SELECT id FROM item ORDER BY w <-> (SELECT v FROM item WHERE id = 77) LIMIT 1;
RESET trident.index_target_recall;

-- What the access method can do, as PostgreSQL shows it.
SELECT property, pg_indexam_has_property(a.oid, property) AS am
FROM pg_am AS a, unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) AS property
WHERE amname = 'trident';
SELECT property, pg_index_has_property('item_lists', property) AS index
FROM unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) AS property;
SELECT property, pg_index_column_has_property('item_lists', 1, property) AS "column"
FROM unnest(ARRAY['orderable', 'distance_orderable', 'returnable', 'search_array', 'search_nulls']) AS property;
SELECT opcname, amvalidate(c.oid) FROM pg_opclass AS c JOIN pg_am AS a ON a.oid = opcmethod WHERE amname = 'trident' ORDER BY opcname;

SET client_min_messages = warning;
DROP SCHEMA index_options CASCADE;
