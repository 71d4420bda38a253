-- Contract: types, casts, operators and operator classes.
BEGIN;
CREATE EXTENSION trident;
SET LOCAL search_path = public, tap, trident;
SELECT plan(24);

SELECT set_eq(
	$$SELECT t.typname::text, t.typlen::int, t.typstorage::text,
		t.typalign::text, t.typsend::text, t.typmodin::text
	FROM pg_type t
	WHERE t.typnamespace = 'trident'::regnamespace AND t.typtype = 'b'
		AND t.typelem = 0$$,
	$$VALUES ('vector', -1, 'e', 'i', 'vector_send', 'vector_typmod_in'),
		('halfvec', -1, 'e', 'i', 'halfvec_send', 'halfvec_typmod_in')$$,
	'types: varlena, external storage, aligned as int');

CREATE TEMP TABLE kept (v trident.vector(3), h trident.halfvec(16000));
SELECT col_type_is('kept', 'v', 'vector(3)', 'a column keeps its dimensions');
SELECT col_type_is('kept', 'h', 'halfvec(16000)', 'up to the largest number');

SELECT set_eq(
	$$SELECT format_type(castsource, NULL) AS source,
		format_type(casttarget, NULL) AS target,
		castcontext::text
	FROM pg_cast
	WHERE 'trident.vector'::regtype IN (castsource, casttarget)
		OR 'trident.halfvec'::regtype IN (castsource, casttarget)$$,
	$$VALUES ('vector', 'vector', 'i'), ('halfvec', 'halfvec', 'i'),
		('vector', 'halfvec', 'i'), ('halfvec', 'vector', 'a'),
		('vector', 'real[]', 'i'), ('halfvec', 'real[]', 'a'),
		('integer[]', 'vector', 'a'), ('integer[]', 'halfvec', 'a'),
		('real[]', 'vector', 'a'), ('real[]', 'halfvec', 'a'),
		('double precision[]', 'vector', 'a'),
		('double precision[]', 'halfvec', 'a'),
		('numeric[]', 'vector', 'a'), ('numeric[]', 'halfvec', 'a')$$,
	'casts, i for implicit and a for assignment');

CREATE TEMP VIEW operator AS
SELECT o.*, o.oprleft::regtype::text AS type
FROM pg_operator o
	JOIN pg_depend d ON d.classid = 'pg_operator'::regclass
		AND d.objid = o.oid AND d.deptype = 'e'
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = e.oid
WHERE e.extname = 'trident';

SELECT set_eq(
	$$SELECT type, oprname::text, format_type(oprresult, NULL) FROM operator$$,
	$$SELECT t, o, CASE r WHEN 'same' THEN t ELSE r END
	FROM (VALUES ('vector'), ('halfvec')) AS types (t),
		(VALUES ('<->', 'double precision'), ('<#>', 'double precision'),
			('<=>', 'double precision'), ('<+>', 'double precision'),
			('+', 'same'), ('-', 'same'), ('*', 'same'), ('||', 'same'),
			('<', 'boolean'), ('<=', 'boolean'), ('=', 'boolean'),
			('<>', 'boolean'), ('>=', 'boolean'), ('>', 'boolean'))
			AS operators (o, r)$$,
	'operators and what they return');

SELECT is_empty(
	$$SELECT oid::regoperator FROM operator
	WHERE oprnamespace <> 'public'::regnamespace OR oprleft <> oprright$$,
	'operators are in the install schema, between values of one type');

SELECT is_empty(
	$$SELECT oid::regoperator FROM operator
	WHERE oprname IN ('<->', '<#>', '<=>', '<+>', '+', '*', '=', '<>')
		AND oprcom <> oid$$,
	'distances, sum, product and equality are their own commutators');

SELECT is_empty(
	$$SELECT o.oid::regoperator, c.oid::regoperator
	FROM operator o LEFT JOIN operator c ON c.oid = o.oprcom
	WHERE o.oprname IN ('<', '<=', '>=', '>')
		AND (o.oprname, coalesce(c.oprname, '')) NOT IN (('<', '>'),
			('>', '<'), ('<=', '>='), ('>=', '<='))$$,
	'inequalities have their commutators');

SELECT is_empty(
	$$SELECT o.oid::regoperator
	FROM operator o LEFT JOIN operator n ON n.oid = o.oprnegate
	WHERE o.oprname IN ('<', '<=', '=', '<>', '>=', '>')
		AND (o.oprname, coalesce(n.oprname, '')) NOT IN (('<', '>='),
			('>=', '<'), ('<=', '>'), ('>', '<='), ('=', '<>'), ('<>', '='))$$,
	'comparisons have their negators');

SELECT set_eq(
	$$SELECT c.opcname::text, a.amname::text, format_type(c.opcintype, NULL),
		c.opcdefault, f.opfname::text
	FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
		JOIN pg_opfamily f ON f.oid = c.opcfamily
	WHERE c.opcnamespace = 'public'::regnamespace$$,
	$$VALUES
		('trident_vector_ops', 'btree', 'vector', true, 'trident_vector_ops'),
		('trident_halfvec_ops', 'btree', 'halfvec', true, 'trident_halfvec_ops'),
		('vector_l2_ops', 'trident', 'vector', true, 'vector_l2_ops'),
		('vector_ip_ops', 'trident', 'vector', false, 'vector_ip_ops'),
		('vector_cosine_ops', 'trident', 'vector', false, 'vector_cosine_ops'),
		('halfvec_l2_ops', 'trident', 'halfvec', true, 'halfvec_l2_ops'),
		('halfvec_ip_ops', 'trident', 'halfvec', false, 'halfvec_ip_ops'),
		('halfvec_cosine_ops', 'trident', 'halfvec', false, 'halfvec_cosine_ops'),
		('int2_ops', 'trident', 'smallint', true, 'integer_ops'),
		('int4_ops', 'trident', 'integer', true, 'integer_ops'),
		('int8_ops', 'trident', 'bigint', true, 'integer_ops'),
		('uuid_ops', 'trident', 'uuid', true, 'uuid_ops'),
		('text_ops', 'trident', 'text', true, 'text_ops')$$,
	'operator classes');

SELECT ok(amvalidate(oid), opcname || ' is complete')
FROM pg_opclass WHERE opcnamespace = 'public'::regnamespace ORDER BY opcname;

/* Without trident in the search_path the operators are found all the same. */
SET LOCAL search_path = public, tap;
SELECT is('[1,2]'::trident.vector <-> '[1,4]', 2::float8,
	'the operators need no schema trident in the search_path');

SELECT * FROM finish();
ROLLBACK;
