-- Contract: every object is commented, and is where it belongs.
BEGIN;
CREATE EXTENSION trident;
SELECT plan(8);

CREATE TEMP VIEW member AS
SELECT d.classid, d.objid,
	(pg_identify_object(d.classid, d.objid, 0)).*
FROM pg_depend d
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'trident');

/* So that an empty catalog does not pass. */
SELECT cmp_ok((SELECT count(*) FROM member), '>', 100::bigint,
	'the extension has objects');

/* Array and row types have no comments; the extension has its own. */
SELECT is_empty(
	$$SELECT type, identity FROM member
	WHERE coalesce(obj_description(objid, classid::regclass::name), '') = ''
		AND NOT (type = 'type' AND identity LIKE '%[]')
		AND NOT (classid = 'pg_type'::regclass AND objid IN (
			SELECT reltype FROM pg_class WHERE relkind <> 'c'))$$,
	'every object has a comment');
SELECT isnt(obj_description(oid, 'pg_extension'), NULL,
	'the extension has a comment')
FROM pg_extension WHERE extname = 'trident';

SELECT is_empty(
	$$SELECT type, identity FROM member
	WHERE type IN ('table', 'view', 'sequence', 'type')
		AND schema IS DISTINCT FROM 'trident'$$,
	'types, tables and views are in schema trident');

/* Else it would meet objects of others: pgvector's among them. */
SELECT is_empty(
	$$SELECT p.oid::regprocedure
	FROM pg_proc p JOIN member m
		ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
	WHERE m.schema = 'public' AND p.proname !~ '^trident_'
		AND NOT EXISTS (
			SELECT FROM unnest(p.proargtypes) AS a (oid)
				JOIN pg_type t ON t.oid = a.oid
			WHERE t.typnamespace = 'trident'::regnamespace)$$,
	'no function on built-in types alone in the install schema');
SELECT is_empty(
	$$SELECT o.oid::regoperator
	FROM pg_operator o JOIN member m
		ON m.classid = 'pg_operator'::regclass AND m.objid = o.oid
	WHERE NOT EXISTS (
		SELECT FROM pg_type t
		WHERE t.oid IN (o.oprleft, o.oprright)
			AND t.typnamespace = 'trident'::regnamespace)$$,
	'no operator on built-in types alone');

SELECT is_empty(
	$$SELECT p.oid::regprocedure
	FROM pg_proc p JOIN member m
		ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
	WHERE p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql')
		AND p.prosqlbody IS NULL AND p.proconfig IS NULL$$,
	'no SQL function looks up names at run time by the search_path of the caller');

SELECT is_empty(
	$$SELECT name FROM pg_settings
	WHERE name LIKE 'trident.%'
		AND (short_desc IS NULL OR short_desc !~ '^[A-Z].*\.$')$$,
	'every setting has a description');

SELECT * FROM finish();
ROLLBACK;
