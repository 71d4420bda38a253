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
\echo '    SELECT node, port, server_version, status, round(latency_ms) AS ms FROM trident.node;'
\echo
SELECT count(*) FILTER (WHERE NOT ok) AS failed FROM trident_node_check() \gset
SELECT node, port, server_version, status, round(latency_ms) AS ms FROM trident.node ORDER BY node;

/* Those of the exchange, as far as this build has them. */
SELECT bool_or(c.relname = 'stat_exchange') IS TRUE AS has_exchange,
	bool_or(c.relname = 'stat_pool') IS TRUE AS has_pool,
	bool_or(c.relname = 'stat_worker') IS TRUE AS has_worker
FROM pg_class c
WHERE c.relnamespace = 'trident'::regnamespace AND c.relkind = 'v' \gset
\if :has_exchange
\echo '    SELECT * FROM trident.stat_exchange;'
\echo
\x on
SELECT * FROM trident.stat_exchange;
\x off
\endif
\if :has_pool
\echo '    SELECT * FROM trident.stat_pool;'
\echo
\x on
SELECT * FROM trident.stat_pool;
\x off
\endif
\if :has_worker
\echo '    SELECT * FROM trident.stat_worker;'
\echo
\x on
SELECT * FROM trident.stat_worker;
\x off
\endif
\echo '9. To try next'
\echo
\echo :next
