--
-- Collections whose shards are all in this database: that values come through
-- as they are, who may do what, and that no shard is lost without a word.
--
CREATE EXTENSION postgres_fdw;
CREATE ROLE regress_trident_owner;
CREATE ROLE regress_trident_writer;
CREATE SCHEMA collection_care;
GRANT USAGE, CREATE ON SCHEMA collection_care TO regress_trident_owner;
GRANT USAGE ON SCHEMA collection_care TO regress_trident_writer;
GRANT EXECUTE ON FUNCTION trident_collection_load, trident_collection_upsert TO regress_trident_writer;
SET search_path = collection_care, public, trident;

-- Each column of a key has its own collation.
CREATE TABLE two (a text COLLATE "C", b text COLLATE "POSIX", PRIMARY KEY (a, b)) PARTITION BY HASH (a, b);
CREATE TABLE two0 PARTITION OF two FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE two1 PARTITION OF two FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE two2 PARTITION OF two FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO two SELECT 'a' || i, 'b' || i FROM generate_series(1, 100) i;
SELECT count(*) FILTER (WHERE right(tableoid::regclass::text, 1)::int <> trident.shard_number(3, a, b)) AS wrong FROM two;
SELECT trident_collection_distribute('two', '{local}', 2);
SELECT trident_collection_load('two', $$SELECT 'c' || i, 'd' || i FROM generate_series(1, 100) i$$);
SELECT sum(misplaced) FROM trident_collection_status('two', true);
CREATE TABLE other (a text COLLATE "C") PARTITION BY HASH (a COLLATE "POSIX");
SELECT trident_collection_distribute('other', '{local}', key => '{a}');

-- A hash of OIDs is another on each node.
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN moods AS mood[];
CREATE TYPE pair AS (a int, b mood);
CREATE TYPE mood_range AS RANGE (subtype = mood, multirange_type_name = mood_ranges);
CREATE TABLE by_oid (a mood, b moods, c pair, d mood_range, e mood_ranges, f regclass, g int4range, h int[], i oid);
SELECT trident_collection_distribute('by_oid', '{local}', key => '{i,a}');
\set VERBOSITY sqlstate
SELECT trident_collection_distribute('by_oid', '{local}', key => '{b}');
SELECT trident_collection_distribute('by_oid', '{local}', key => '{c}');
SELECT trident_collection_distribute('by_oid', '{local}', key => '{d}');
SELECT trident_collection_distribute('by_oid', '{local}', key => '{e}');
SELECT trident_collection_distribute('by_oid', '{local}', key => '{f}');
CREATE TABLE by_part (a mood, b int) PARTITION BY HASH (a);
SELECT trident_collection_distribute('by_part', '{local}', key => '{a,b}');
\set VERBOSITY default
SELECT trident_collection_distribute('by_oid', '{local}', key => '{g,h,i}');

-- A load cuts nothing, and values of identity columns are taken as by COPY.
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN seven AS int DEFAULT 7;
CREATE TABLE exact (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, c char(5), b bit(4), s short, n seven);
SELECT trident_collection_distribute('exact', '{local}', 2);
SELECT trident_collection_load('exact', $$SELECT 'abc', B'1010', 'xyz'$$, '{c,b,s}');
SELECT trident_collection_load('exact', $$SELECT 100, 'abcde', B'0101', 'x', 8$$);
SELECT * FROM exact ORDER BY id;
\set VERBOSITY terse
SELECT trident_collection_load('exact', $$SELECT 101, 'abcdef', B'0101', 'x', 8$$);
SELECT trident_collection_load('exact', $$SELECT 101, 'abc', B'01010', 'x', 8$$);
SELECT trident_collection_load('exact', $$SELECT 101, 'abc', B'0101', 'xyz '::text || '1', 8$$);
\set VERBOSITY default

-- Whatever the session thinks of backslashes.
SET standard_conforming_strings = off;
SELECT shard, ok FROM trident_collection_status('exact');
RESET standard_conforming_strings;

-- A table of another role, with a sequence.
SET ROLE regress_trident_owner;
CREATE FUNCTION is_fine(int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE TABLE owned (id serial PRIMARY KEY, n int);
INSERT INTO owned (n) SELECT i FROM generate_series(1, 20) i;
GRANT SELECT, INSERT, UPDATE ON owned TO regress_trident_writer;
RESET ROLE;
SELECT trident_collection_distribute('owned', '{local}', 2);
SELECT pg_get_userbyid(relowner), pg_get_serial_sequence('owned', 'id'), has_table_privilege('regress_trident_writer', oid, 'INSERT') FROM pg_class WHERE oid = 'owned'::regclass;

-- An upsert needs rights on the collection, and runs nothing of the caller's.
SET ROLE regress_trident_writer;
SELECT trident_collection_upsert('owned', 'SELECT i, 0 FROM generate_series(11, 30) i');
SELECT count(*), sum(n) FROM owned;
RESET ROLE;
REVOKE UPDATE ON owned FROM regress_trident_writer;
SET ROLE regress_trident_writer;
\set VERBOSITY sqlstate
SELECT trident_collection_upsert('owned', 'SELECT 1, 1');
RESET ROLE;
GRANT UPDATE ON owned TO regress_trident_writer;
CREATE FUNCTION tells_role() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE '%', current_user; RETURN NEW; END$$;
DO $$DECLARE leaf regclass; BEGIN
	FOR leaf IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'owned'::regclass LOOP
		EXECUTE format('CREATE TRIGGER mine BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION tells_role()', leaf);
	END LOOP;
END$$;
SET ROLE regress_trident_writer;
SELECT trident_collection_upsert('owned', 'SELECT 1, 1');
\set VERBOSITY default
RESET ROLE;
DO $$DECLARE leaf regclass; BEGIN
	FOR leaf IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'owned'::regclass LOOP
		EXECUTE format('DROP TRIGGER mine ON %s', leaf);
	END LOOP;
END$$;

-- What INSERT would set off is not passed over.
CREATE TRIGGER mine BEFORE INSERT ON owned FOR EACH ROW EXECUTE FUNCTION tells_role();
SELECT trident_collection_load('owned', 'SELECT 50, 1');
SELECT trident_collection_upsert('owned', 'SELECT 50, 1');
ALTER TABLE owned DISABLE TRIGGER mine;
SELECT trident_collection_load('owned', 'SELECT 50, 1');
DROP TRIGGER mine ON owned;
CREATE RULE passed AS ON INSERT TO owned DO ALSO NOTIFY owned;
SELECT trident_collection_load('owned', 'SELECT 51, 1');
DROP RULE passed ON owned;
CREATE FUNCTION checks(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN is_fine($1); END';
ALTER TABLE owned ADD CHECK (checks(n));
CREATE SCHEMA care_writer AUTHORIZATION regress_trident_writer;
SET ROLE regress_trident_writer;
CREATE FUNCTION care_writer.is_fine(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'as %', current_user; RETURN true; END$$;
SET search_path = care_writer, collection_care, public;
SELECT trident_collection_load('owned', 'SELECT 101, 1');
\set VERBOSITY sqlstate
SELECT trident_collection_upsert('owned', 'SELECT 101, 2');
\set VERBOSITY default

-- Nor by a text that is more than a query: a cast that is left to the end.
CREATE TYPE care_writer.wrapped AS (x int);
CREATE FUNCTION care_writer.unwrap(care_writer.wrapped) RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'as %', current_user; RETURN ($1).x; END$$;
CREATE CAST (care_writer.wrapped AS int) WITH FUNCTION care_writer.unwrap(care_writer.wrapped) AS ASSIGNMENT;
SELECT trident_collection_upsert('owned', $$SELECT 1, 1) AS q (id, n)) AS d (a, b),
	(SELECT ROW(500 + i)::care_writer.wrapped AS id, 0 AS n FROM generate_series(1, 10) i, (SELECT 1, 1$$);
SELECT trident_collection_upsert('owned', $$DELETE FROM owned RETURNING id, n$$);
\set VERBOSITY terse
SELECT trident_collection_upsert('owned', $$SELECT ROW(500)::care_writer.wrapped, 0$$);
\set VERBOSITY default
SELECT trident_collection_load('owned', $$TABLE owned WHERE$$);
SELECT trident_collection_load('owned', $$VALUES (600, 1) -- with a comment$$);
RESET ROLE;
SET search_path = collection_care, public, trident;

-- Whoever distributes a table runs nothing of its owner's.
SET ROLE regress_trident_owner;
CREATE FUNCTION tells(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN IF current_user <> 'regress_trident_owner' THEN RAISE NOTICE 'as %', current_user; END IF; RETURN $1; END$$;
CREATE TABLE telling (id int PRIMARY KEY CHECK (tells(id) > 0), n int GENERATED ALWAYS AS (tells(id)) STORED);
INSERT INTO telling SELECT i FROM generate_series(1, 20) i;
CREATE INDEX ON telling (tells(n));
RESET ROLE;
SELECT trident_collection_distribute('telling', '{local}', 2);
SELECT count(*), sum(n) FROM telling;
INSERT INTO telling VALUES (21);
DROP TABLE telling;

-- A name is what it is, and rights are those that were there.
CREATE ROLE "regress_trident Owner";
GRANT CREATE, USAGE ON SCHEMA collection_care, trident_shard TO "regress_trident Owner";
GRANT EXECUTE ON FUNCTION trident_collection_distribute TO "regress_trident Owner";
SET ROLE "regress_trident Owner";
ALTER DEFAULT PRIVILEGES GRANT SELECT, DELETE ON TABLES TO regress_trident_writer, PUBLIC;
CREATE TABLE rights (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int);
REVOKE ALL ON rights FROM regress_trident_writer, PUBLIC;
GRANT INSERT ON rights TO regress_trident_writer;
SELECT trident_collection_distribute('rights', '{local}', 2);
SELECT pg_get_userbyid(grantee) AS grantee, privilege_type FROM pg_class, aclexplode(relacl) WHERE oid = 'rights'::regclass AND grantee <> relowner;

-- A sequence of an identity column asks for no right of its own.
SET ROLE regress_trident_writer;
INSERT INTO rights (n) VALUES (1);
SELECT trident_collection_load('rights', 'VALUES (2), (3)', '{n}');
SELECT pg_get_serial_sequence('rights', 'id') AS identity \gset
\set VERBOSITY sqlstate
SELECT nextval(:'identity');
SELECT trident.next_identity('owned_id_seq');
RESET ROLE;
REVOKE INSERT ON rights FROM regress_trident_writer;
SET ROLE regress_trident_writer;
SELECT trident.next_identity(:'identity');
\set VERBOSITY default
RESET ROLE;
SELECT * FROM rights ORDER BY id;
DROP TABLE rights;
DROP OWNED BY "regress_trident Owner";
DROP ROLE "regress_trident Owner";

-- No shard is lost but with its collection.
SELECT inhrelid::regclass AS leaf FROM pg_inherits WHERE inhparent = 'owned'::regclass ORDER BY inhrelid LIMIT 1 \gset
\set VERBOSITY sqlstate
DROP TABLE :leaf;
DROP SCHEMA trident_shard CASCADE;
ALTER TABLE owned DETACH PARTITION :leaf CONCURRENTLY;
ALTER TABLE owned DETACH PARTITION :leaf;
\set VERBOSITY default
SELECT count(*), count(*) FILTER (WHERE inhdetachpending) FROM pg_inherits WHERE inhparent = 'owned'::regclass;
SELECT shard, ok FROM trident_collection_status('owned');
CREATE TABLE found (id int PRIMARY KEY, v vector(2));
INSERT INTO found SELECT i, ARRAY[i, i]::vector FROM generate_series(1, 10) i;
SELECT trident_collection_distribute('found', '{local}', 2);
SELECT inhrelid::regclass AS leaf FROM pg_inherits WHERE inhparent = 'found'::regclass ORDER BY inhrelid LIMIT 1 \gset
SELECT count(*) FROM trident_search('found', '[1,1]', k => 20);
-- By one who has turned the event trigger off.
BEGIN;
ALTER EVENT TRIGGER trident_collection_ddl_drop DISABLE;
DROP TABLE :leaf;
ALTER EVENT TRIGGER trident_collection_ddl_drop ENABLE;
SELECT shard, node, rows IS NULL AS no_rows, ok, detail FROM trident_collection_status('found') WHERE NOT ok;
SAVEPOINT refused;
SELECT count(*) FROM trident_search('found', '[1,1]', k => 20);
ROLLBACK TO refused;
SELECT trident_collection_load('found', $$SELECT i, '[1,2]'::vector FROM generate_series(11, 30) i$$);
ROLLBACK;
DROP TABLE found;

-- The name of this database is no node's, and no two nodes are one.
CREATE SERVER local FOREIGN DATA WRAPPER postgres_fdw;
CREATE SERVER remote FOREIGN DATA WRAPPER postgres_fdw;
ALTER SERVER remote RENAME TO local;
CREATE FOREIGN DATA WRAPPER care_other;
CREATE SERVER local FOREIGN DATA WRAPPER care_other;
BEGIN;
INSERT INTO trident.node_setting (node, uuid) VALUES ('care_1', '11111111-1111-1111-1111-111111111111');
\set VERBOSITY sqlstate
INSERT INTO trident.node_setting (node, uuid) VALUES ('care_2', '11111111-1111-1111-1111-111111111111');
\set VERBOSITY default
ROLLBACK;

SET client_min_messages = warning;
DROP FOREIGN DATA WRAPPER care_other CASCADE;
DROP SCHEMA collection_care, care_writer CASCADE;
DROP SCHEMA trident_shard CASCADE;
REVOKE EXECUTE ON FUNCTION trident_collection_load, trident_collection_upsert FROM regress_trident_writer;
DROP ROLE regress_trident_owner, regress_trident_writer;
DROP EXTENSION postgres_fdw CASCADE;
