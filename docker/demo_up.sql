/*
 * demo_up.sql
 *	  The demonstration when the node is back: the answer, and the views.
 *
 * The variable next is the text of try.sql.
 */
\pset footer off
\pset border 1
SET client_min_messages = warning;

\echo
\echo '7. Node 3 is started.  The next search is complete again:'
\echo
DO $$
BEGIN
	/* Who found it away does not ask again at once. */
	FOR i IN 1 .. 300 LOOP
		BEGIN
			PERFORM FROM trident_search('descriptor', (SELECT embedding FROM query WHERE id = 0), k => 5);
			EXIT;
		EXCEPTION WHEN OTHERS THEN
			IF i = 300 THEN
				RAISE;
			END IF;
			PERFORM pg_sleep(0.1);
		END;
	END LOOP;
END $$;
SELECT id, round(distance::numeric, 3) AS distance, node
FROM trident_search('descriptor', (SELECT embedding FROM query WHERE id = 0), k => 5);

\echo '8. What there is to look at'
\echo
\echo '    SELECT node, port, server_version, status, round(p50_ms::numeric, 2) AS p50_ms FROM trident.node;'
\echo
SELECT count(*) FILTER (WHERE NOT ok) AS failed FROM trident_node_check() \gset
SELECT node, port, server_version, status, round(p50_ms::numeric, 2) AS p50_ms FROM trident.node ORDER BY node;

\echo '    SELECT node, calls, failures, bytes_received, p50_ms, p99_ms, breaker FROM trident.stat_exchange;'
\echo
SELECT node, calls, failures, bytes_received, round(p50_ms::numeric, 2) AS p50_ms,
	round(p99_ms::numeric, 2) AS p99_ms, breaker FROM trident.stat_exchange ORDER BY node;
\echo '    SELECT node, connections, pool_size, opened, reused FROM trident.stat_pool;'
\echo
SELECT node, connections, pool_size, opened, reused FROM trident.stat_pool ORDER BY node;
\echo '    SELECT kind, database, state, restarts, activity FROM trident.stat_worker;'
\echo
SELECT kind, database, state, restarts, activity FROM trident.stat_worker ORDER BY kind;
\echo '9. To try next'
\echo
\echo :next
