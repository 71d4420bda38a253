--
-- trident_search: it reads what the caller may read, and nothing more.
--
CREATE ROLE search_owner;
CREATE ROLE search_reader;
CREATE SCHEMA search_rights AUTHORIZATION search_owner;
SET search_path = search_rights, public, trident;
\x on
\pset format unaligned

SET ROLE search_owner;
CREATE TABLE item (id integer PRIMARY KEY, tenant text, embedding vector(2), hidden text);
INSERT INTO item SELECT i, CASE WHEN i % 2 = 0 THEN 'search_reader' ELSE 'other' END, ARRAY[i, 0]::vector, 'h' || i
	FROM generate_series(1, 6) i;
CREATE TABLE parted (id integer PRIMARY KEY, embedding vector(2), hidden text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (4);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (4) TO (9);
INSERT INTO parted SELECT id, embedding, hidden FROM item;
CREATE FUNCTION refused(sql text, OUT state text, OUT message text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql INTO message;
	state = 'none';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
END $$;
CREATE FUNCTION ids(collection regclass, variadic arguments text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE ids text;
BEGIN
	EXECUTE format('SELECT string_agg(id, '' '' ORDER BY distance) FROM trident_search(%s)',
		array_to_string(ARRAY[quote_literal(collection), quote_literal('[0,0]')] || arguments, ', ')) INTO ids;
	RETURN ids;
END $$;
GRANT USAGE ON SCHEMA search_rights TO search_reader;

-- SELECT on the columns used: those of the vector, the key, the payload and
-- the filter, in both ways that a search is run.
SET ROLE search_reader;
SELECT * FROM refused($$ SELECT ids('item') $$);
SELECT * FROM refused($$ SELECT ids('parted') $$);
SET ROLE search_owner;
GRANT SELECT (embedding) ON item, parted TO search_reader;
SET ROLE search_reader;
SELECT * FROM refused($$ SELECT ids('item') $$);
SET ROLE search_owner;
GRANT SELECT (id) ON item, parted TO search_reader;
SET ROLE search_reader;
SELECT * FROM refused($$ SELECT ids('item') $$);
SELECT * FROM refused($$ SELECT ids('parted') $$);
SELECT * FROM refused($$ SELECT ids('item', 'columns => ''{hidden}''') $$);
SELECT * FROM refused($$ SELECT ids('item', 'key => ''{hidden}''') $$);
SELECT * FROM refused($$ SELECT ids('item', 'filter => ''hidden > ''''a''''''') $$);
SELECT * FROM refused($$ SELECT ids('item', 'filter => ''id > 3''') $$);
SELECT * FROM refused($$ SELECT ids('parted_1') $$);
-- The table of a row in a partition takes SELECT on the whole collection where
-- the executor tells it; the one pass knows it.
SELECT id, shard FROM trident_search('parted', '[0,0]', 1);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT id, node, shard FROM trident_search('parted', '[0,0]', 1);
SELECT * FROM refused($$ SELECT ids('item', 'columns => ''{hidden}''') $$);
COMMIT;
-- A plan that another role had made serves nobody else.
RESET ROLE;
SELECT ids('item', 'columns => ''{hidden}''');
SET ROLE search_reader;
SELECT * FROM refused($$ SELECT ids('item', 'columns => ''{hidden}''') $$);
SET ROLE search_owner;
REVOKE SELECT (id) ON item FROM search_reader;
SET ROLE search_reader;
SELECT * FROM refused($$ SELECT ids('item') $$);
SET ROLE search_owner;
GRANT SELECT ON item, parted TO search_reader;
SET ROLE search_reader;
SELECT ids('item'), ids('parted');

-- USAGE on the schema, as SQL asks it for a name.
SELECT 'item'::regclass::oid AS item \gset
RESET ROLE;
REVOKE USAGE ON SCHEMA search_rights FROM search_reader;
SET ROLE search_reader;
SET search_path = public, trident;
\set VERBOSITY terse
SELECT id FROM trident_search(:item::regclass, '[0,0]', 1);
\set VERBOSITY default
RESET ROLE;
GRANT USAGE ON SCHEMA search_rights TO search_reader;
SET search_path = search_rights, public, trident;

-- Row security: rows that the role may not see are not there, and the policy
-- is applied to each role anew.
SET ROLE search_owner;
ALTER TABLE item ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON item USING (tenant = current_user);
ALTER TABLE parted ENABLE ROW LEVEL SECURITY;
CREATE POLICY late ON parted USING (id > 2);
SELECT ids('item'), ids('parted');
SET ROLE search_reader;
SELECT ids('item'), ids('parted'), ids('item', 'filter => ''id < 5''', 'k => 1');
-- No filter sees a row before the policy does.
SELECT * FROM refused($$ SELECT ids('item', 'filter => ''1 / (id - 3) < 9''') $$);
SET row_security = off;
SELECT * FROM refused($$ SELECT ids('item') $$);
RESET row_security;
RESET ROLE;
SELECT ids('item'), ids('parted');
SET ROLE search_owner;
ALTER TABLE item FORCE ROW LEVEL SECURITY;
SELECT ids('item');
ALTER TABLE item NO FORCE ROW LEVEL SECURITY;
SELECT ids('item');
DROP POLICY own ON item;
SET ROLE search_reader;
SELECT ids('item');

-- A policy may itself search.
SET ROLE search_owner;
CREATE POLICY near ON item USING (id::text IN (SELECT s.id FROM trident_search('parted', '[4.2,0]', 2) s));
SET ROLE search_reader;
SELECT ids('item');

-- Code that runs while a search is planned may itself search, more often than
-- statements are kept, and fail.
SET ROLE search_owner;
CREATE FUNCTION searches(boolean) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..200 LOOP
		PERFORM trident_search('parted', '[4.2,0]', i);
	END LOOP;
	IF current_setting('search.fails', true) = 'yes' THEN
		RAISE EXCEPTION 'the policy fails';
	END IF;
	RETURN $1;
END $$;
CREATE POLICY busy ON item AS RESTRICTIVE USING (searches(true));
SET ROLE search_reader;
SELECT ids('item');
SET search.fails = yes;
SELECT * FROM refused($$ SELECT ids('item', 'k => 3') $$);
RESET search.fails;
SELECT ids('item', 'k => 3');
SET ROLE search_owner;
DROP POLICY busy ON item;

-- Inside a SECURITY DEFINER function the rights are the definer's.
SET ROLE search_owner;
CREATE FUNCTION for_all() RETURNS text SECURITY DEFINER
	SET search_path = search_rights, public, trident LANGUAGE sql AS $$ SELECT ids('item', 'columns => ''{hidden}''') $$;
SET ROLE search_reader;
SELECT for_all();

-- Functions of the filter are subject to EXECUTE, in the one pass too.
RESET ROLE;
DROP POLICY near ON item;
ALTER TABLE item DISABLE ROW LEVEL SECURITY;
REVOKE EXECUTE ON FUNCTION pg_catalog.upper(text) FROM PUBLIC;
SET ROLE search_reader;
SELECT * FROM refused($$ SELECT ids('item', 'filter => ''upper(hidden) = ''''H3''''''') $$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION pg_catalog.upper(text) TO PUBLIC;
SET ROLE search_reader;
SELECT ids('item', 'filter => ''upper(hidden) = ''''H3''''''');

\x off
\pset format aligned
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA search_rights CASCADE;
DROP ROLE search_owner, search_reader;
