/*
 * 00_base.sql
 *	  The schema that holds trident's types, tables, views and support
 *	  functions.  What a user calls lives in the schema that CREATE EXTENSION
 *	  installs into.
 */
\echo Use "CREATE EXTENSION trident" to load this file. \quit

/* Plain CREATE: an existing schema of this name is somebody else's. */
CREATE SCHEMA trident;
COMMENT ON SCHEMA trident IS 'types, tables, views and support functions of the extension trident';

/* Types must be reachable by everybody; nobody creates objects here. */
GRANT USAGE ON SCHEMA trident TO PUBLIC;
