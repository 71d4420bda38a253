/*
 * introduce.sql
 *	  Lets a node know another one.
 *
 * The variables are name, host and port of the other; TRIDENT_PASSWORD in the
 * environment is the password of the roles there.
 */
\getenv password TRIDENT_PASSWORD
SET client_min_messages = warning;
SET log_statement = none;
SET log_min_error_statement = panic;
\o /dev/null
SELECT trident_node_add(:'name', :'host', :port, 'demo');
\o
GRANT USAGE ON FOREIGN SERVER :"name" TO demo;
CREATE USER MAPPING FOR demo SERVER :"name" OPTIONS (user 'demo', password :'password');
CREATE USER MAPPING FOR postgres SERVER :"name" OPTIONS (user 'postgres', password :'password');
