--
-- The key column: conditions that the index takes in, for every type.
--
CREATE SCHEMA index_key;
SET search_path = index_key, public, trident;
SET enable_seqscan = off;
-- A plan, without the lines by which 18 marks what is switched off.
CREATE FUNCTION plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		CONTINUE WHEN line ~ '^ *Disabled: true$';
		RETURN NEXT line;
	END LOOP;
END $$;

CREATE TABLE item (id integer PRIMARY KEY, k2 smallint, k4 integer, k8 bigint, u uuid, t text, c varchar(20), v vector(40));
INSERT INTO item
SELECT i, k, k, k, ('00000000-0000-0000-0000-' || lpad((k + 20)::text, 12, '0'))::uuid, 'key ' || k, 'key ' || k, v
FROM (SELECT i, nullif(abs(hashint4(i)) % 50, 49) - 20 AS k, array_agg(sin(i * n * 12.9898 + n) ORDER BY n)::vector AS v
	FROM generate_series(1, 5000) AS i, generate_series(1, 40) AS n GROUP BY i) AS s;
CREATE INDEX item_k2 ON item USING trident (v vector_l2_ops, k2) WITH (lists = 20);
CREATE INDEX item_k4 ON item USING trident (v vector_l2_ops, k4) WITH (lists = 20);
CREATE INDEX item_k8 ON item USING trident (v vector_l2_ops, k8) WITH (lists = 20);
CREATE INDEX item_u ON item USING trident (v vector_l2_ops, u) WITH (lists = 20);
CREATE INDEX item_t ON item USING trident (v vector_l2_ops, t) WITH (lists = 20);
CREATE INDEX item_c ON item USING trident (v vector_l2_ops, c) WITH (lists = 20);
ANALYZE item;

CREATE FUNCTION query() RETURNS vector LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT v FROM item WHERE id = 77); END';

-- What becomes of a condition: the index takes it, or it is a filter; which
-- index; and the ten nearest, compared with those of the table read whole.
CREATE FUNCTION near(condition text, OUT taken text, OUT rows integer, OUT same integer) LANGUAGE plpgsql AS $$
DECLARE
	statement text = format('SELECT id FROM item WHERE %s ORDER BY v <-> query() LIMIT 10', condition);
	line text;
	index text;
	found integer[];
	nearest integer[];
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		index = coalesce(substring(line FROM 'Index Scan using (item_\w+) on item$'), index);
		taken = nullif(concat_ws(', ', taken, substring(line FROM 'Index Cond: .*') || ' by ' || index, substring(line FROM 'Filter: .*')), '');
	END LOOP;
	EXECUTE format('SELECT array_agg(id) FROM (%s) AS t', statement) INTO found;
	PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true);
	EXECUTE format('SELECT array_agg(id) FROM (%s) AS t', statement) INTO nearest;
	PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_seqscan', 'off', true);
	rows = coalesce(cardinality(found), 0);
	same = (SELECT count(*) FROM unnest(found) AS f WHERE f = ANY (nearest));
END $$;

-- Read exactly, the rows are those of the table.
SET trident.index_target_recall = 1;
SELECT condition, (near(condition)).* FROM unnest(ARRAY[
	'k2 = 5', 'k2 = 5::smallint', 'k2 = 5::bigint', 'k4 = 5', 'k4 = 5::smallint', 'k4 = 5::bigint', 'k4 = -5',
	'k8 = 5', 'k8 = 5::smallint', 'k8 = -5', 'k8 = 5::bigint', '5 = k8', 'k8 = 5000000000', 'k8 = -20',
	'u = ''00000000-0000-0000-0000-000000000005''', 't = ''key 5''', 't = ''key 5''::varchar', 'c = ''key 5''', 'c = ''key 5''::text',
	't = ''none''']) AS condition;
SELECT condition, (near(condition)).* FROM unnest(ARRAY[
	'k4 IN (5, 6, 7)', 'k4 = ANY (''{5,6,7}'')', 'k8 IN (5, 6)', 'k8 = ANY (ARRAY[5, 6]::integer[])', 'k8 = ANY (ARRAY[5, 6]::smallint[])',
	'k2 = ANY (ARRAY[5, 6]::bigint[])', 'k4 = ANY (''{5,5,5,NULL}'')', 'k4 = ANY (''{}'')', 'k4 = ANY (''{NULL}'')', 'k4 = ANY (NULL::integer[])',
	't IN (''key 5'', ''key 6'')', 't = ANY (ARRAY[''key 5'', ''none'']::varchar[])', 'c IN (''key 5'', ''none'')',
	'u IN (''00000000-0000-0000-0000-000000000005'', ''00000000-0000-0000-0000-000000000006'')',
	'k4 IN (5, 6) AND k4 IN (6, 7)', 'k4 = 5 AND id % 2 = 0', 'k4 = NULL']) AS condition;
-- What is left of these before planning, or what it is called, differs between majors.
SELECT condition, rows, same FROM unnest(ARRAY[
	'k4 = 5 AND k4 IN (5, 6)', 'k4 = 5 AND k4 = 6', 'k4 = 5 OR k4 = 6',
	-- more values than are compared one by one, and each many times
	'k4 = ANY (ARRAY(SELECT (i * 7) % 18 FROM generate_series(1, 100) AS i))']) AS condition, LATERAL near(condition);
-- Conditions that it does not take are filters.
SELECT condition, (near(condition)).* FROM unnest(ARRAY[
	'k4 < -15', 'k4 IS NULL', 'k4 <> ALL (''{5,6}'')', 'k4 = 5 OR id = 6', 'k4 = 5.0', 't LIKE ''key 5%''', 't COLLATE "POSIX" = ''key 5''']) AS condition;
-- At the recall that is aimed at by default.
RESET trident.index_target_recall;
SELECT condition, rows, same >= 8 AS good FROM unnest(ARRAY[
	'k4 = 5', 'k4 IN (5, 6, 7)', 'k4 IS NULL', 'id % 100 = 5',
	'k4 = ANY (ARRAY(SELECT (i * 7) % 18 FROM generate_series(1, 100) AS i))']) AS condition, LATERAL near(condition);

-- Rows without a key, and a scan without a condition.
SELECT count(*), count(DISTINCT id), count(k4) FROM (SELECT id, k4 FROM item ORDER BY v <-> (SELECT v FROM item WHERE id = 77)) AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM item WHERE k4 = 5 ORDER BY v <-> (SELECT v FROM item WHERE id = 77)) AS t;

-- A key without an order is no use of the index.
SET enable_bitmapscan = off;
SELECT plan('SELECT id FROM item WHERE k4 = 5');
SELECT plan('SELECT id FROM item WHERE k4 = 5 ORDER BY id DESC LIMIT 1');
SELECT plan('SELECT count(*) FROM item WHERE k4 IN (5, 6)');
RESET enable_bitmapscan;
SELECT plan('UPDATE item SET k4 = 5 WHERE k4 = 5');

-- Prepared: a parameter as key and as array, and the same plan for all values.
DROP INDEX item_k2, item_k8, item_u, item_t, item_c;
SET plan_cache_mode = force_generic_plan;
SELECT v AS v_77 FROM item WHERE id = 77 \gset
PREPARE one(vector, integer) AS SELECT id, k4 FROM item WHERE k4 = $2 ORDER BY v <-> $1 LIMIT 3;
EXPLAIN (COSTS OFF) EXECUTE one(:'v_77', 7);
EXECUTE one(:'v_77', 7);
EXECUTE one(:'v_77', 1000);
EXECUTE one(:'v_77', NULL);
PREPARE big(vector, bigint) AS SELECT id, k4 FROM item WHERE k4 = $2 ORDER BY v <-> $1 LIMIT 1;
EXECUTE big(:'v_77', 7);
EXECUTE big(:'v_77', 4294967303);
PREPARE any_of(vector, integer[]) AS SELECT id, k4 FROM item WHERE k4 = ANY ($2) ORDER BY v <-> $1 LIMIT 3;
EXPLAIN (COSTS OFF) EXECUTE any_of(:'v_77', '{7,8}');
EXECUTE any_of(:'v_77', '{7,8}');
EXECUTE any_of(:'v_77', '{}');
EXECUTE any_of(:'v_77', NULL);
EXECUTE any_of(:'v_77', '{NULL,7}');
RESET plan_cache_mode;
-- The key from another table: a scan for each.
CREATE TABLE tenant (k integer);
INSERT INTO tenant VALUES (-20), (7), (NULL), (28), (1000);
ANALYZE tenant;
SELECT plan('SELECT k, n FROM tenant, LATERAL (SELECT count(*) AS n FROM
	(SELECT 1 FROM item WHERE k4 = k ORDER BY v <-> query() LIMIT 30) AS s) AS t');
SELECT k, n FROM tenant, LATERAL (SELECT count(*) AS n FROM
	(SELECT 1 FROM item WHERE k4 = k ORDER BY v <-> query() LIMIT 30) AS s) AS t ORDER BY k;

-- A key that changes, by itself and with the row.
UPDATE item SET k4 = 1000 WHERE k4 = 7;
EXECUTE one(:'v_77', 7);
SELECT count(*) FROM (SELECT 1 FROM item WHERE k4 = 1000 ORDER BY v <-> (SELECT v FROM item WHERE id = 78)) AS t;
UPDATE item SET k4 = NULL WHERE k4 = 1000;
SELECT count(*) FROM (SELECT 1 FROM item WHERE k4 = 1000 ORDER BY v <-> (SELECT v FROM item WHERE id = 78)) AS t;
VACUUM item;
SELECT count(*) FROM (SELECT 1 FROM item WHERE k4 = 8 ORDER BY v <-> (SELECT v FROM item WHERE id = 78)) AS t;

-- Text by its collation: one that does not tell case apart.
CREATE TABLE word (id integer, w text, v vector(3));
INSERT INTO word SELECT i, CASE i % 3 WHEN 0 THEN 'abc' WHEN 1 THEN 'ABC' ELSE 'other' END, ARRAY[i, 1, 1]::vector FROM generate_series(1, 300) AS i;
CREATE INDEX word_w ON word USING trident (v, w);
EXPLAIN (COSTS OFF) SELECT id FROM word WHERE w = 'abc' ORDER BY v <-> '[7,1,1]' LIMIT 2;
SELECT id, w FROM word WHERE w = 'abc' ORDER BY v <-> '[7,1,1]' LIMIT 3;
-- An expression as key.
CREATE INDEX word_lower ON word USING trident (v, lower(w));
EXPLAIN (COSTS OFF) SELECT id FROM word WHERE lower(w) = 'abc' ORDER BY v <-> '[7,1,1]' LIMIT 2;
SELECT id, w FROM word WHERE lower(w) = 'abc' ORDER BY v <-> '[7,1,1]' LIMIT 3;
-- What a user asks by an expression does not evaluate the key's, whose function may be another's.
CREATE FUNCTION secret_key(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE TABLE told (id integer, v vector(40));
INSERT INTO told SELECT id, v FROM item WHERE id <= 10;
CREATE INDEX told_v ON told USING trident ((l2_normalize(v)::vector(40)) vector_l2_ops, secret_key(id)) WITH (lists = 1);
REVOKE EXECUTE ON FUNCTION secret_key FROM PUBLIC;
CREATE ROLE regress_index_key;
GRANT USAGE ON SCHEMA index_key TO regress_index_key;
GRANT SELECT ON told TO regress_index_key;
SET ROLE regress_index_key;
SELECT plan('SELECT id FROM told ORDER BY l2_normalize(v)::vector(40) <-> array_fill(1, ARRAY[40])::vector LIMIT 1');
SELECT id FROM told ORDER BY l2_normalize(v)::vector(40) <-> (SELECT l2_normalize(v) FROM told WHERE id = 3) LIMIT 1;
RESET ROLE;
-- A bytea is no key; a halfvec column has one as a vector column has.
CREATE TABLE other (b bytea, h halfvec(3), k integer);
CREATE INDEX ON other USING trident (h, b);
CREATE INDEX other_k ON other USING trident (h, k);
INSERT INTO other VALUES ('', '[1,2,3]', 1), ('', '[1,2,4]', 2), ('', NULL, 1);
SELECT h FROM other WHERE k = 1 ORDER BY h <-> '[1,2,4]';

SET client_min_messages = warning;
DROP SCHEMA index_key CASCADE;
DROP ROLE regress_index_key;
