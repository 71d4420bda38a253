/*
 * 00_base.sql
 *	  The schema that holds trident's types, tables, views and support
 *	  functions.  What a user calls lives in the schema that CREATE EXTENSION
 *	  installs into.
 *
 * Others may create objects in that schema, and of functions and operators the
 * one that fits the arguments best is taken, wherever it stands in the path.
 * So every file says by its first statement where its names are looked up:
 * "trident, pg_temp" where there are expressions (views, checks, policies,
 * bodies, queries), what users call being named with @extschema@; that schema
 * only where nothing but objects of our own types is named.  test/lint looks.
 */
\echo Use "CREATE EXTENSION trident" to load this file. \quit

/* Plain CREATE: an existing schema of this name is somebody else's. */
CREATE SCHEMA trident;
COMMENT ON SCHEMA trident IS 'types, tables, views and support functions of the extension trident';

/* Types must be reachable by everybody; nobody creates objects here. */
GRANT USAGE ON SCHEMA trident TO PUBLIC;
