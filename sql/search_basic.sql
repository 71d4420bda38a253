--
-- trident_search: what it returns, over every kind of collection and key.
--
CREATE SCHEMA search_basic;
SET search_path = search_basic, public, trident;
SET extra_float_digits = 0;

CREATE TABLE item (
	id integer PRIMARY KEY,
	embedding vector(3),
	title text,
	price numeric(8,2),
	double_price numeric GENERATED ALWAYS AS (price * 2) STORED);
INSERT INTO item (id, embedding, title, price) VALUES
	(1, '[0,0,0]', 'origin', 1.5),
	(2, '[1,0,0]', 'x', 2.5),
	(3, '[0,1,0]', 'y', NULL),
	(4, '[0,0,1]', NULL, 4.5),
	(5, '[3,4,0]', 'far', 5.5),
	(6, NULL, 'nowhere', 6.5);

-- Each metric; ties are in the order of the key, and NULL vectors never come.
SELECT * FROM trident_search('item', '[0,0,0]');
SELECT id, distance FROM trident_search('item', '[1,1,0]', 3, metric => 'l2');
SELECT id, distance FROM trident_search('item', '[1,1,0]', 3, metric => 'ip');
SELECT id, distance FROM trident_search('item', '[1,1,0]', 3, metric => 'l1');
-- The cosine with a zero vector is NaN, and sorts last as in SQL.
SELECT id, distance FROM trident_search('item', '[1,1,0]', 10, metric => 'cosine');
SELECT id, embedding <=> '[1,1,0]' AS distance FROM item
	WHERE embedding IS NOT NULL ORDER BY 2, 1;
SELECT id, distance FROM trident_search('item', '[0,0,0]', 10, metric => 'cosine');

-- k below, at and above the number of rows.
SELECT count(*) FROM trident_search('item', '[0,0,0]', 1);
SELECT count(*) FROM trident_search('item', '[0,0,0]', 5);
SELECT count(*) FROM trident_search('item', '[0,0,0]', 10000);
-- Which of the rows at one distance are kept is decided by the key.
SELECT id FROM trident_search('item', '[0,0,0]', 2);
SELECT id FROM trident_search('item', '[0,0,0]', 3);
SELECT id FROM trident_search('item', '[0,0,0]', 3, filter => 'id <> 2');
CREATE TABLE nothing (id integer PRIMARY KEY, embedding vector(3));
SELECT * FROM trident_search('nothing', '[0,0,0]');

-- The payload: NULL unless columns are named; generated columns, NULLs and
-- the vector itself may be.
SELECT id, payload FROM trident_search('item', '[0,0,0]', 2,
	columns => '{title,price,double_price,embedding,id}');
SELECT id, payload FROM trident_search('item', '[0,0,1]', 1,
	columns => '{title}');
SELECT id, payload FROM trident_search('item', '[0,0,0]', 1, columns => NULL);

-- As a part of queries: lateral, in a sublink, under a join and an aggregate.
SELECT q.id, s.id, s.distance FROM item q,
	LATERAL trident_search('item', q.embedding, 2, filter => 'id <> $1',
						   filter_args => jsonb_build_array(q.id)) s
	WHERE q.embedding IS NOT NULL ORDER BY q.id, s.distance, s.id;
SELECT title FROM item WHERE id IN (SELECT id::integer FROM trident_search('item', '[0,0,0]', 2))
	ORDER BY id;
SELECT (trident_search('item', '[3,4,0]', 1)).*;

-- Keys.  The order is that of the key's type and collation, not of its text.
CREATE TABLE by_name (
	name text COLLATE "C" PRIMARY KEY,
	other text COLLATE "und-x-icu",
	number integer,
	embedding vector(1));
INSERT INTO by_name
	SELECT n, n, i, '[1]' FROM unnest('{b,A,a,B,10,9}'::text[]) WITH ORDINALITY AS u(n, i);
SELECT string_agg(id, ' ' ORDER BY n) FROM
	(SELECT id, row_number() OVER () AS n FROM trident_search('by_name', '[0]')) s;
SELECT string_agg(id, ' ' ORDER BY n) FROM
	(SELECT id, row_number() OVER () AS n FROM trident_search('by_name', '[0]', key => '{other}')) s;
SELECT string_agg(id, ' ' ORDER BY n) FROM
	(SELECT id, row_number() OVER () AS n FROM trident_search('by_name', '[0]', 3, key => '{other}')) s;
SELECT id FROM trident_search('by_name', '[0]', key => '{number,name}');
-- A key may be NULL; such rows come last.
UPDATE by_name SET other = NULL WHERE number = 3;
SELECT id, payload FROM trident_search('by_name', '[0]', key => '{other}', columns => '{number}');

-- A composite key is in the text form of a row, in the order of the index.
CREATE TABLE part_of (
	a integer, embedding vector(2), b text, PRIMARY KEY (b, a));
INSERT INTO part_of VALUES (1, '[1,1]', 'x y'), (10, '[1,1]', 'a"b'), (9, '[1,1]', 'a"b'), (2, '[1,1]', '');
SELECT id FROM trident_search('part_of', '[1,1]');

-- halfvec: the query is cast to it.
CREATE TABLE half (id integer PRIMARY KEY, embedding halfvec(2));
INSERT INTO half VALUES (1, '[1,2]'), (2, '[0.1,0.2]'), (3, '[-1,5]');
SELECT id, distance FROM trident_search('half', '[0.1,0.2]');
SELECT id, embedding <-> '[0.1,0.2]'::halfvec AS distance FROM half ORDER BY 2;
SELECT h.id, s.distance = (h.embedding <#> '[0.1,0.2]') AS equal
	FROM trident_search('half', '[0.1,0.2]', metric => 'ip') s JOIN half h ON s.id = h.id::text
	ORDER BY s.distance;

-- A domain over a vector type is a vector column.
CREATE DOMAIN vec2 AS vector(2) CHECK (vector_dims(VALUE) = 2);
CREATE TABLE in_domain (id integer PRIMARY KEY, embedding vec2);
INSERT INTO in_domain VALUES (1, '[1,2]'), (2, '[2,1]');
SELECT id, distance FROM trident_search('in_domain', '[1,2]');

-- Vectors out of line, and compressed ones.
CREATE TABLE wide (id integer PRIMARY KEY, pad text, embedding vector(3000), packed vector(3000));
ALTER TABLE wide ALTER packed SET STORAGE extended;
INSERT INTO wide SELECT i, 'p', array_fill(i, '{3000}')::vector, array_fill(i, '{3000}')::vector
	FROM generate_series(1, 20) i;
SELECT id, round(distance) FROM trident_search('wide', array_fill(7, '{3000}')::vector, 3, 'embedding');
SELECT id, round(distance) FROM trident_search('wide', array_fill(7, '{3000}')::vector, 3, 'packed');

-- Partitions whose columns stand at other places, at two levels.
CREATE TABLE event (
	region text, id integer, embedding vector(2), note text,
	PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE event_eu PARTITION OF event FOR VALUES IN ('eu');
CREATE TABLE event_us (
	junk1 integer, note text, embedding vector(2), junk2 integer,
	id integer NOT NULL, region text NOT NULL);
ALTER TABLE event_us DROP junk1, DROP junk2;
ALTER TABLE event ATTACH PARTITION event_us FOR VALUES IN ('us');
CREATE TABLE event_rest PARTITION OF event DEFAULT PARTITION BY RANGE (id);
CREATE TABLE event_rest_1 (embedding vector(2), id integer NOT NULL, note text, region text NOT NULL);
ALTER TABLE event_rest ATTACH PARTITION event_rest_1 DEFAULT;
INSERT INTO event SELECT r, i, ARRAY[i, length(r)]::vector, r || i
	FROM unnest('{eu,us,asia}'::text[]) r, generate_series(1, 5) i;
SELECT * FROM trident_search('event', '[3,3]', 5, columns => '{note}');
SELECT id, shard FROM trident_search('event', '[3,3]', 5, filter => $$region = 'us'$$);
SELECT id, shard FROM trident_search('event', '[3,3]', 5, filter => 'note like $1 and region = $2',
	filter_args => '["%s%", "asia"]');
SELECT id, shard FROM trident_search('event_us', '[3,3]', 2, key => '{id}');
SELECT * FROM trident_search('event', '[3,3]', 5, filter => $$region = 'eu' and region = 'us'$$);

-- Children of a table are searched with it, as in SQL.
CREATE TABLE parent (id integer PRIMARY KEY, embedding vector(2));
CREATE TABLE child (extra integer) INHERITS (parent);
INSERT INTO parent VALUES (1, '[1,1]');
INSERT INTO child VALUES (2, '[2,2]', 3);
SELECT id, shard FROM trident_search('parent', '[2,2]');
SELECT id, shard, payload FROM trident_search('child', '[2,2]', key => '{id}', columns => '{extra}');

-- Materialized views and temporary tables.
CREATE MATERIALIZED VIEW cheap AS SELECT * FROM item WHERE price < 3;
SELECT id, shard FROM trident_search('cheap', '[1,0,0]', key => '{id}');
CREATE TEMP TABLE passing (id integer PRIMARY KEY, embedding vector(2));
INSERT INTO passing VALUES (1, '[1,1]'), (2, '[2,2]');
SELECT id, distance, shard FROM trident_search('passing', '[2,2]', 1);

-- Names that need quotes.
CREATE SCHEMA "odd ""schema";
CREATE TABLE "odd ""schema"."a table" ("the ""key" integer PRIMARY KEY, "select" vector(1), "c" text);
INSERT INTO "odd ""schema"."a table" VALUES (1, '[1]', 'one'), (2, '[2]', 'two');
SELECT * FROM trident_search('"odd ""schema"."a table"', '[2]', columns => '{"the \"key",c,select}',
	filter => $$"the ""key" > 1 and c = 'two' and "a table".c is not null$$);

-- Metrics from the column's indexes: any that orders by one of the operators.
-- These are on no row, and of a class that could hold none.
CREATE OPERATOR CLASS test_cosine_ops FOR TYPE trident.vector USING gist AS
	OPERATOR 1 <=> (trident.vector, trident.vector) FOR ORDER BY float_ops,
	FUNCTION 1 gist_point_consistent(internal, point, smallint, oid, internal),
	FUNCTION 2 gist_box_union(internal, internal),
	FUNCTION 5 gist_box_penalty(internal, internal, internal),
	FUNCTION 6 gist_box_picksplit(internal, internal),
	FUNCTION 7 gist_box_same(box, box, internal);
CREATE OPERATOR CLASS test_ip_ops FOR TYPE trident.vector USING gist AS
	OPERATOR 1 <#> (trident.vector, trident.vector) FOR ORDER BY float_ops,
	FUNCTION 1 gist_point_consistent(internal, point, smallint, oid, internal),
	FUNCTION 2 gist_box_union(internal, internal),
	FUNCTION 5 gist_box_penalty(internal, internal, internal),
	FUNCTION 6 gist_box_picksplit(internal, internal),
	FUNCTION 7 gist_box_same(box, box, internal);
CREATE INDEX item_cosine ON item USING gist (embedding test_cosine_ops) WHERE false;
SELECT id, distance FROM trident_search('item', '[1,1,0]', 2);
SELECT id, distance FROM trident_search('item', '[1,1,0]', 2, metric => 'l2');
CREATE INDEX item_ip ON item USING gist (embedding test_ip_ops) WHERE false;
SELECT * FROM trident_search('item', '[1,1,0]', 2);
SELECT id, distance FROM trident_search('item', '[1,1,0]', 1, metric => 'ip');
DROP INDEX item_cosine;
SELECT id, distance FROM trident_search('item', '[1,1,0]', 1);

SET client_min_messages = warning;
DROP SCHEMA search_basic, "odd ""schema" CASCADE;
