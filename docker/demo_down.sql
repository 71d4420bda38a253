/*
 * demo_down.sql
 *	  The demonstration while a node is away.
 */
\pset footer off
\pset border 1

\echo
\echo '6. Node 3 is stopped.  A search is an error, never silently short:'
\echo
\echo '    SELECT id, distance, node FROM trident_search(\'descriptor\','
\echo '        (SELECT embedding FROM query WHERE id = 0), k => 5);'
\echo
\set ON_ERROR_STOP off
\set VERBOSITY terse
SELECT id FROM trident_search('descriptor', (SELECT embedding FROM query WHERE id = 0), k => 5);
\set ON_ERROR_STOP on

\echo
\echo '   Unless what is left will do:  partial => \'allow\''
\echo
SELECT id, round(distance::numeric, 3) AS distance, node
FROM trident_search('descriptor', (SELECT embedding FROM query WHERE id = 0), k => 5, partial => 'allow');
\echo '    SELECT node, shard, path, rows, coverage, error FROM trident_last_search();'
\echo
SELECT node, substring(shard::text FROM '\d+$')::int AS shard, path, rows, round(coverage::numeric, 2) AS coverage, left(error, 40) AS error
FROM trident_last_search() ORDER BY 2;

\echo
\echo '    SELECT shard, node, ok, detail FROM trident_collection_status(\'descriptor\');'
\echo
SELECT shard, node, ok, left(detail, 60) AS detail FROM trident_collection_status('descriptor');
