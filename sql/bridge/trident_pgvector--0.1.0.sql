/*
 * trident_pgvector--0.1.0.sql
 *	  A bridge between two extensions: casts between the vector types of
 *	  trident and pgvector, whose values are the same bytes.
 *
 * An extension of its own, so that the casts belong to something that is
 * dumped, and that goes when either of the two goes.  On assignment only: an
 * implicit cast would make each operator, known to both, ambiguous.
 */
\echo Use "CREATE EXTENSION trident_pgvector" to load this file. \quit

/* The schema that this installs into may have functions of others. */
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
	theirs constant text = (SELECT pg_catalog.quote_ident(n.nspname::pg_catalog.text)
		FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
		WHERE e.extname OPERATOR(pg_catalog.=) 'vector');
	ours constant text = 'trident';
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['vector', 'halfvec'] LOOP
		EXECUTE pg_catalog.format('CREATE CAST (%1$s.%3$I AS %2$s.%3$I) WITHOUT FUNCTION AS ASSIGNMENT', theirs, ours, name);
		EXECUTE pg_catalog.format('CREATE CAST (%1$s.%3$I AS %2$s.%3$I) WITHOUT FUNCTION AS ASSIGNMENT', ours, theirs, name);
		EXECUTE pg_catalog.format('COMMENT ON CAST (%1$s.%3$I AS %2$s.%3$I) IS %4$L', theirs, ours, name,
			pg_catalog.format('takes a %s of pgvector as one of trident, the bytes as they are', name));
		EXECUTE pg_catalog.format('COMMENT ON CAST (%1$s.%3$I AS %2$s.%3$I) IS %4$L', ours, theirs, name,
			pg_catalog.format('takes a %s of trident as one of pgvector, the bytes as they are', name));
	END LOOP;
END $$;
