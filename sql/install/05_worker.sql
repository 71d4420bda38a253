/*
 * 05_worker.sql
 *	  Background workers: what is seen of them, and how they are stopped.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION trident.worker_rows(
	OUT kind text,
	OUT database oid,
	OUT number integer,
	OUT state text,
	OUT pid integer,
	OUT started_at timestamptz,
	OUT restarts bigint,
	OUT activity text,
	OUT retry_at timestamptz,
	OUT error_at timestamptz,
	OUT error_code text,
	OUT error text,
	OUT hint text)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_worker_rows' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 8;
COMMENT ON FUNCTION trident.worker_rows() IS
	'rows of trident.stat_worker, with the database by its OID';
REVOKE ALL ON FUNCTION trident.worker_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trident.worker_rows() TO pg_monitor;

CREATE VIEW trident.stat_worker AS
	SELECT w.kind, d.datname AS database, w.number, w.state, w.pid, w.started_at, w.restarts,
		w.activity, w.retry_at, w.error_at, w.error_code, w.error, w.hint
	FROM trident.worker_rows() w
	LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) w.database;
COMMENT ON VIEW trident.stat_worker IS
	'background workers of all databases of this server, running or not, and the launcher that starts them; empty where trident is not in shared_preload_libraries';
COMMENT ON COLUMN trident.stat_worker.kind IS
	'launcher; probe (a short look whether a database needs workers); or what the worker serves';
COMMENT ON COLUMN trident.stat_worker.database IS
	'the database it serves; NULL for the launcher';
COMMENT ON COLUMN trident.stat_worker.number IS
	'from 0, where a database has several workers of a kind';
COMMENT ON COLUMN trident.stat_worker.state IS
	'stopped: nothing needs it; starting; ready: it serves; failed: it ended by an error or could not be started, as error says';
COMMENT ON COLUMN trident.stat_worker.pid IS
	'its process, as in pg_stat_activity; NULL while there is none';
COMMENT ON COLUMN trident.stat_worker.started_at IS
	'when it was last started';
COMMENT ON COLUMN trident.stat_worker.restarts IS
	'how often it was started after the first time';
COMMENT ON COLUMN trident.stat_worker.activity IS
	'what it says it is doing';
COMMENT ON COLUMN trident.stat_worker.retry_at IS
	'when failed and still needed: it is started again then';
COMMENT ON COLUMN trident.stat_worker.error_at IS
	'when the last error was';
COMMENT ON COLUMN trident.stat_worker.error_code IS
	'its SQLSTATE';
COMMENT ON COLUMN trident.stat_worker.error IS
	'its message: why the worker ended or could not be started';
COMMENT ON COLUMN trident.stat_worker.hint IS
	'what to do about it';
GRANT SELECT ON trident.stat_worker TO pg_monitor;

CREATE FUNCTION @extschema@.trident_worker_stop(
	database name DEFAULT NULL,
	kind text DEFAULT NULL,
	restart boolean DEFAULT false)
RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_worker_stop' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.trident_worker_stop(name, text, boolean) IS
	'ends the background workers of a database (NULL: this one), of one kind or all, and forgets their failures; with restart they start again at once, else when they are next needed; returns how many were running; error 55006 if they do not end within 5 seconds, 55000 where trident is not preloaded';
REVOKE ALL ON FUNCTION @extschema@.trident_worker_stop(name, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.trident_worker_stop(name, text, boolean) TO pg_signal_backend;
