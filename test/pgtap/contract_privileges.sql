-- Contract: what a user without privileges may do, and may not.
BEGIN;
CREATE EXTENSION trident;
CREATE ROLE tap_plain;
GRANT USAGE ON SCHEMA tap TO tap_plain;
SELECT plan(16);

SELECT schema_privs_are('trident', 'tap_plain', ARRAY['USAGE'],
	'PUBLIC uses schema trident and creates nothing there');
SELECT is_empty(
	$$SELECT p.oid::regprocedure
	FROM pg_proc p JOIN pg_depend d
		ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'trident')
		AND NOT has_function_privilege('tap_plain', p.oid, 'EXECUTE')
		AND p.proname NOT IN ('trident_index_check', 'trident_sftp_host_key', 'trident_postgis_enable', 'trident_ingest',
			'worker_rows', 'exchange_rows', 'exchange_memory')
		AND p.proname !~ '^trident_(node|collection|worker|exchange)_'$$,
	'every function may be called but those that look into an index or steer a fleet; what they read is guarded by itself');
SELECT is_empty(
	$$SELECT p.oid::regprocedure
	FROM pg_proc p JOIN pg_depend d
		ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'trident')
		AND has_function_privilege('tap_plain', p.oid, 'EXECUTE')
		AND p.proname ~ '^trident_(node|collection|worker|exchange)_' AND p.proname <> 'trident_node_identity'$$,
	'what steers a fleet must be granted');
SELECT function_privs_are('public', 'trident_index_check', ARRAY['regclass', 'boolean'],
	'tap_plain', '{}', 'the check of an index must be granted');
SELECT ok(has_type_privilege('tap_plain', 'trident.vector', 'USAGE'),
	'PUBLIC uses the type vector');
SELECT ok(has_type_privilege('tap_plain', 'trident.halfvec', 'USAGE'),
	'PUBLIC uses the type halfvec');

CREATE TABLE item (id int PRIMARY KEY, embedding trident.vector(2), secret text);
INSERT INTO item VALUES (1, '[1,0]', 'a'), (2, '[0,1]', 'b');
CREATE SCHEMA tap_own AUTHORIZATION tap_plain;

SET LOCAL ROLE tap_plain;
SELECT lives_ok('CREATE TABLE tap_own.item (id int PRIMARY KEY, embedding trident.halfvec(2))',
	'creates a table with vectors');
SELECT lives_ok($$INSERT INTO tap_own.item VALUES (1, '[1,2]')$$,
	'writes vectors');
SELECT results_eq($$SELECT id FROM trident_search('tap_own.item', '[1,2]')$$,
	ARRAY['1'], 'searches them');
SELECT throws_ok('CREATE TABLE trident.item ()', '42501', NULL,
	'creates nothing in schema trident');
SELECT throws_ok($$SELECT * FROM trident_search('item', '[1,0]')$$, '42501', NULL,
	'searches no table that it may not read');
SELECT throws_ok($$SELECT * FROM trident_vecs_read('/etc/passwd', 'fvecs')$$,
	'42501', NULL, 'reads no vector files of the server');
SELECT throws_ok($$SELECT * FROM trident_ivecs_read('/etc/passwd')$$,
	'42501', NULL, 'reads no integer files of the server');
SELECT lives_ok($$SET LOCAL trident.simd = 'scalar'$$, 'chooses its kernels');

RESET ROLE;
GRANT SELECT (id, embedding) ON item TO tap_plain;
SET LOCAL ROLE tap_plain;
SELECT results_eq($$SELECT id FROM trident_search('item', '[1,0]', k => 1)$$,
	ARRAY['1'], 'searches what it was granted');
SELECT throws_ok($$SELECT * FROM trident_search('item', '[1,0]', columns => '{secret}')$$,
	'42501', NULL, 'gets no column that it was not granted');

RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
