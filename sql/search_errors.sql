--
-- trident_search: what it refuses, with SQLSTATE, message, detail and hint.
--
CREATE SCHEMA search_errors;
SET search_path = search_errors, public, trident;

CREATE FUNCTION refused(sql text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	state = 'none';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
\x on
\pset format unaligned

CREATE TABLE item (id integer PRIMARY KEY, embedding vector(3), title text, doc json, point point);
INSERT INTO item VALUES (1, '[1,2,3]', 'one');

-- The collection.
SELECT * FROM refused($$ SELECT * FROM trident_search(NULL, '[1,2,3]') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('missing', '[1,2,3]') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search(4294967295::oid::regclass, '[1,2,3]') $$);
CREATE VIEW view AS SELECT * FROM item;
SELECT * FROM refused($$ SELECT * FROM trident_search('view', '[1,2,3]') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item_pkey', '[1,2,3]') $$);
CREATE SEQUENCE sequence;
SELECT * FROM refused($$ SELECT * FROM trident_search('sequence', '[1,2,3]') $$);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE foreign_item (id integer, embedding vector(3)) SERVER nowhere;
SELECT * FROM refused($$ SELECT * FROM trident_search('foreign_item', '[1,2,3]') $$);
CREATE TYPE composite AS (id integer, embedding vector(3));
SELECT * FROM refused($$ SELECT * FROM trident_search('composite', '[1,2,3]') $$);
CREATE MATERIALIZED VIEW unfilled AS SELECT * FROM item WITH NO DATA;
SELECT * FROM refused($$ SELECT * FROM trident_search('unfilled', '[1,2,3]', key => '{id}') $$);

-- The query.
SELECT * FROM refused($$ SELECT * FROM trident_search('item', NULL) $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2]') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2') $$);
-- Of a column without dimensions the rows tell.
CREATE TABLE loose (id integer PRIMARY KEY, embedding vector, half halfvec);
INSERT INTO loose VALUES (1, '[1,2,3]', '[1,2,3]'), (2, '[1,2]', '[1,2]');
SELECT * FROM refused($$ SELECT * FROM trident_search('loose', '[1,2]', 10, 'embedding') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('loose', '[1,2]', 10, 'half') $$);
SELECT id FROM trident_search('loose', '[1,2]', 10, 'half', filter => 'vector_dims(half) = 2');
-- A query may not fit into a column of halves.
SELECT * FROM refused($$ SELECT * FROM trident_search('loose', '[1,1e30]', 10, 'half') $$);

-- k.
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', 0) $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', -1) $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', NULL) $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', 10001) $$);
SET trident.search_max_k = 5;
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', 6) $$);
RESET trident.search_max_k;

-- The vector column.
CREATE TABLE plain (id integer PRIMARY KEY, number integer, dropped vector(3));
ALTER TABLE plain DROP dropped;
SELECT * FROM refused($$ SELECT * FROM trident_search('plain', '[1,2,3]') $$);
CREATE TABLE several (id integer PRIMARY KEY, a vector(3), "B" halfvec(3), c vector(3));
ALTER TABLE several DROP c;
SELECT * FROM refused($$ SELECT * FROM trident_search('several', '[1,2,3]') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('several', '[1,2,3]', vector_column => 'c') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('several', '[1,2,3]', vector_column => 'id') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('several', '[1,2,3]', vector_column => 'B') $$);

-- The metric.
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', metric => 'L2') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', metric => '') $$);

-- The key and the columns.
CREATE TABLE keyless (id integer UNIQUE, embedding vector(3));
SELECT * FROM refused($$ SELECT * FROM trident_search('keyless', '[1,2,3]') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', key => '{}') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', key => '{id,NULL}') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', key => '{ID}') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', key => '{ctid}') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', key => '{point}') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', columns => '{title,nothing}') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', columns => '{NULL}') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', columns => (SELECT array_agg('title'::name) FROM generate_series(1, 1700))) $$);

-- The filter; more of it in search_filter.
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter => 'title') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter => 'title =') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter => '') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter => 'id > $1') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter => 'id > $1', filter_args => '[1, 2]') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter => 'id > $1', filter_args => '1') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter => 'id > $1', filter_args => '{"1": 2}') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter_args => '[1]') $$);
SELECT * FROM refused($$ SELECT * FROM trident_search('item', '[1,2,3]', filter => 'id > $1', filter_args => '["one"]') $$);

-- The deadline holds for rows of this server too: by the pass and by the executor.
CREATE TABLE much (id integer PRIMARY KEY, embedding vector(3));
INSERT INTO much SELECT i, '[1,2,3]' FROM generate_series(1, 30000) i;
SELECT * FROM refused($$ SELECT * FROM trident_search('much', '[1,2,3]', deadline => '1 microsecond') $$);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM refused($$ SELECT * FROM trident_search('much', '[1,2,3]', deadline => '1 microsecond') $$);
COMMIT;
SELECT count(*) FROM trident_search('much', '[1,2,3]', 5, deadline => '1 hour');

-- So it does around another search, of a policy's code, with more time.
CREATE FUNCTION slow() RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM trident_search('search_errors.item', '[1,2,3]', 1, deadline => '1 hour');
	PERFORM pg_sleep(120);
	RETURN true;
END $$;
CREATE TABLE guarded (id integer PRIMARY KEY, embedding vector(3));
INSERT INTO guarded VALUES (1, '[1,2,3]');
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY slow ON guarded USING (slow());
CREATE ROLE regress_search_errors;
GRANT USAGE ON SCHEMA search_errors TO regress_search_errors;
GRANT SELECT ON item, guarded TO regress_search_errors;
SET ROLE regress_search_errors;
SELECT * FROM refused($$ SELECT * FROM trident_search('guarded', '[1,2,3]', deadline => '200 ms') $$);
RESET ROLE;

\x off
\pset format aligned
SET client_min_messages = warning;
DROP SCHEMA search_errors CASCADE;
DROP ROLE regress_search_errors;
DROP FOREIGN DATA WRAPPER nowhere CASCADE;
