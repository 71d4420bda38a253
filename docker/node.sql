/*
 * node.sql
 *	  A database becomes a node: the extension, and an ordinary role that may
 *	  have collections.
 *
 * TRIDENT_PASSWORD in the environment is the password of the role.
 */
\getenv password TRIDENT_PASSWORD
SET client_min_messages = warning;
SET log_statement = none;
SET log_min_error_statement = panic;
CREATE EXTENSION trident;
CREATE EXTENSION postgres_fdw;
CREATE ROLE demo LOGIN PASSWORD :'password';
GRANT CREATE ON SCHEMA public TO demo;
CREATE SCHEMA trident_shard AUTHORIZATION demo;

/* To steer a fleet; and to look at its views and read files of vectors. */
SELECT format('GRANT EXECUTE ON FUNCTION %s TO demo', p.oid::regprocedure)
FROM pg_proc p
WHERE p.proname ~ '^trident_(collection_|node_check$)' \gexec
GRANT pg_monitor, pg_read_server_files TO demo;
