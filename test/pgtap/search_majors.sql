-- Search: what only later majors have.  Virtual generated columns, of 18, are
-- computed also where the search reads rows by itself; an infinite deadline,
-- which an interval can be since 17, is refused.
BEGIN;
CREATE EXTENSION trident;
CREATE EXTENSION postgres_fdw;
SELECT plan(7);

CREATE FUNCTION major() RETURNS int LANGUAGE sql AS
	$$ SELECT current_setting('server_version_num')::int / 10000 $$;
CREATE TABLE item (id int PRIMARY KEY, embedding trident.vector(2) NOT NULL);
INSERT INTO item SELECT i, ARRAY[i, 1]::trident.vector FROM generate_series(1, 20) i;
DO $$ BEGIN
	IF major() >= 18 THEN
		EXECUTE 'ALTER TABLE item ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) VIRTUAL';
	END IF;
END $$;

SELECT CASE WHEN major() < 18 THEN skip('virtual generated columns came with 18', 6)
	ELSE collect_tap(
		results_eq(
			$q$ SELECT id, payload->>'twice' FROM trident_search('item', '[7,1]', 2, columns => '{twice}') $q$,
			$q$ VALUES ('7', '14'), ('6', '12') $q$,
			'a virtual column as payload'),
		results_eq(
			$q$ SELECT id FROM trident_search('item', '[7,1]', 2, key => '{twice}') $q$,
			$q$ VALUES ('14'), ('12') $q$,
			'a virtual column as key'),
		results_eq(
			$q$ SELECT id FROM trident_search('item', '[7,1]', 2, filter => 'twice > 14') $q$,
			$q$ VALUES ('8'), ('9') $q$,
			'a filter by a virtual column'),
		lives_ok($q$ SELECT trident_collection_distribute('item', '{local}', 2) $q$,
			'a table with a virtual column is distributed'),
		is_empty($q$ SELECT shard, detail FROM trident_collection_status('item', true) WHERE NOT ok $q$,
			'its shards are as they should be'),
		results_eq(
			$q$ SELECT id, payload->>'twice' FROM trident_search('item', '[7,1]', 2, columns => '{twice}') $q$,
			$q$ VALUES ('7', '14'), ('6', '12') $q$,
			'and searched'))
	END;

SELECT CASE WHEN major() < 17 THEN skip('infinite intervals came with 17', 1)
	ELSE throws_ok($q$ SELECT FROM trident_search('item', '[7,1]', 2, deadline => 'infinity') $q$,
		'22023', 'deadline must be finite', 'an infinite deadline')
	END;

SELECT * FROM finish();
ROLLBACK;
