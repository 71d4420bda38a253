-- Contract: CREATE, ALTER and DROP EXTENSION, in any schema.
BEGIN;
SELECT plan(18);

/* Another schema than public, one that no search_path holds. */
CREATE SCHEMA "Other Place";
SELECT lives_ok('CREATE EXTENSION trident SCHEMA "Other Place"',
	'is created in a schema that is named');
SELECT has_schema('trident');
SELECT has_function('Other Place', 'trident_search', 'functions go there');
SELECT hasnt_function('public', 'trident_search', 'and not to public');
SELECT is('[3,4]'::trident.vector OPERATOR("Other Place".<->) '[0,0]', 5::float8,
	'operators work there');
CREATE TABLE item (id int PRIMARY KEY, embedding trident.vector(2));
INSERT INTO item VALUES (1, '[1,0]'), (2, '[0,1]');
SELECT results_eq(
	$$SELECT id FROM "Other Place".trident_search('item', '[0,1]')$$,
	ARRAY['2', '1'], 'a search works there');
SELECT results_eq(
	$$SELECT id FROM "Other Place".trident_search('item', '[0,1]', filter => 'id < $1', filter_args => '[2]')$$,
	ARRAY['1'], 'a search with a filter too');
SELECT throws_ok('ALTER EXTENSION trident SET SCHEMA public', '0A000', NULL,
	'cannot be moved: its objects would not find one another');
SELECT throws_ok('DROP EXTENSION trident', '2BP01', NULL,
	'is not dropped while a column has its type');
SELECT throws_ok('DROP SCHEMA trident CASCADE', '2BP01', NULL,
	'its schema is not dropped without it');
DROP TABLE item;
SELECT lives_ok('DROP EXTENSION trident', 'is dropped');
SELECT hasnt_schema('trident', 'its schema is gone');
SELECT is_empty(
	$$SELECT proname FROM pg_proc WHERE probin LIKE '%/trident'$$,
	'no function of its library is left');
SELECT is_empty(
	$$SELECT oid FROM pg_operator WHERE oprnamespace = '"Other Place"'::regnamespace$$,
	'no operator is left');
SELECT lives_ok('DROP SCHEMA "Other Place"', 'nothing is left in its schema');

SELECT lives_ok('CREATE EXTENSION trident', 'can be created again');
DROP EXTENSION trident;

/* A schema of this name is somebody else's. */
CREATE SCHEMA trident;
SELECT throws_ok('CREATE EXTENSION trident', '42P06',
	'schema "trident" already exists', 'does not take over a schema that is there');
SELECT is_empty($$SELECT FROM pg_extension WHERE extname = 'trident'$$,
	'and is not there then');

SELECT * FROM finish();
ROLLBACK;
