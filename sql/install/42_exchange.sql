/*
 * 42_exchange.sql
 *	  Views over what is counted of calls to nodes, connections and memory.
 *
 * All of it is in shared memory, counted since server start, and there only
 * where trident is in shared_preload_libraries: else the views are empty.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION trident.exchange_rows(
	OUT server oid,
	OUT calls bigint,
	OUT direct_calls bigint,
	OUT errors bigint,
	OUT failures bigint,
	OUT timeouts bigint,
	OUT rejected bigint,
	OUT retries bigint,
	OUT cancels bigint,
	OUT bytes_sent bigint,
	OUT bytes_received bigint,
	OUT mean_ms float8,
	OUT p50_ms float8,
	OUT p95_ms float8,
	OUT p99_ms float8,
	OUT max_ms float8,
	OUT breaker text,
	OUT breaker_opens bigint,
	OUT answered_at timestamptz,
	OUT failed_at timestamptz,
	OUT connections integer,
	OUT running integer,
	OUT waiting integer,
	OUT place_connections integer,
	OUT opened bigint,
	OUT open_failures bigint,
	OUT closed bigint,
	OUT reused bigint,
	OUT bundled bigint)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_exchange_rows' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION trident.exchange_rows() IS
	'what is counted of each node of this database, for the views trident.stat_exchange and trident.stat_pool';
REVOKE ALL ON FUNCTION trident.exchange_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trident.exchange_rows() TO pg_monitor;

CREATE FUNCTION trident.exchange_memory(
	OUT slots integer,
	OUT slots_used integer,
	OUT memory bigint,
	OUT memory_used bigint)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_exchange_memory' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION trident.exchange_memory() IS
	'the row of the view trident.stat_exchange_memory';
REVOKE ALL ON FUNCTION trident.exchange_memory() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trident.exchange_memory() TO pg_monitor;

CREATE VIEW trident.stat_exchange AS
	SELECT s.srvname AS node, e.calls, e.direct_calls, e.errors, e.failures, e.timeouts,
		e.rejected, e.retries, e.cancels, e.bundled, e.bytes_sent, e.bytes_received, e.mean_ms, e.p50_ms,
		e.p95_ms, e.p99_ms, e.max_ms, e.breaker, e.breaker_opens, e.answered_at, e.failed_at
	FROM trident.exchange_rows() e
	JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) e.server;
COMMENT ON VIEW trident.stat_exchange IS
	'calls to each node of this database since server start, by all sessions; empty where trident is not in shared_preload_libraries';
COMMENT ON COLUMN trident.stat_exchange.node IS 'the node';
COMMENT ON COLUMN trident.stat_exchange.calls IS 'statements that ended, in any way but by being given up';
COMMENT ON COLUMN trident.stat_exchange.direct_calls IS 'those of them run by the session itself, not by the exchange worker';
COMMENT ON COLUMN trident.stat_exchange.errors IS 'those that the node answered with an error';
COMMENT ON COLUMN trident.stat_exchange.failures IS 'those without an answer, since no connection came about or it was lost';
COMMENT ON COLUMN trident.stat_exchange.timeouts IS 'those without an answer before their deadline';
COMMENT ON COLUMN trident.stat_exchange.rejected IS 'those not tried: the breaker was open, or a bound was met';
COMMENT ON COLUMN trident.stat_exchange.retries IS 'times that a call was tried again';
COMMENT ON COLUMN trident.stat_exchange.cancels IS 'calls given up by the session while they ran; not among calls';
COMMENT ON COLUMN trident.stat_exchange.bundled IS 'calls that were sent in one statement with others, since they waited for a connection together';
COMMENT ON COLUMN trident.stat_exchange.bytes_sent IS 'bytes of parameters, and of statements that are not kept prepared';
COMMENT ON COLUMN trident.stat_exchange.bytes_received IS 'bytes of memory that results took';
COMMENT ON COLUMN trident.stat_exchange.mean_ms IS 'mean time from submission until the answer, of calls that succeeded; ms';
COMMENT ON COLUMN trident.stat_exchange.p50_ms IS 'the time that half of them did not exceed, within 1.6 %; ms';
COMMENT ON COLUMN trident.stat_exchange.p95_ms IS 'the time that 95 % of them did not exceed; ms';
COMMENT ON COLUMN trident.stat_exchange.p99_ms IS 'the time that 99 % of them did not exceed; ms';
COMMENT ON COLUMN trident.stat_exchange.max_ms IS 'the longest; ms';
COMMENT ON COLUMN trident.stat_exchange.breaker IS 'closed: calls go to the node; open: they fail at once for a while, since connecting failed three times in a row; half-open: the next one is tried';
COMMENT ON COLUMN trident.stat_exchange.breaker_opens IS 'times that it opened';
COMMENT ON COLUMN trident.stat_exchange.answered_at IS 'when the node answered last';
COMMENT ON COLUMN trident.stat_exchange.failed_at IS 'when a call failed last other than by an error of the node';
GRANT SELECT ON trident.stat_exchange TO pg_monitor;

CREATE VIEW trident.stat_pool AS
	SELECT s.srvname AS node, e.connections, e.running, e.waiting, e.place_connections,
		coalesce(n.pool_size, pg_catalog.current_setting('trident.exchange_pool_size')::integer) AS pool_size,
		e.opened, e.open_failures, e.closed, e.reused
	FROM trident.exchange_rows() e
	JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) e.server
	LEFT JOIN trident.node_setting n ON n.node OPERATOR(pg_catalog.=) s.srvname;
COMMENT ON VIEW trident.stat_pool IS
	'connections to each node of this database, of all processes, now and since server start; empty where trident is not in shared_preload_libraries';
COMMENT ON COLUMN trident.stat_pool.node IS 'the node';
COMMENT ON COLUMN trident.stat_pool.connections IS 'connections now, being made, idle or busy';
COMMENT ON COLUMN trident.stat_pool.running IS 'calls that run now, each over a connection of its own but for those that were sent together';
COMMENT ON COLUMN trident.stat_pool.waiting IS 'calls that wait for a connection now';
COMMENT ON COLUMN trident.stat_pool.place_connections IS 'connections now to the same host and port, of all databases of this server: what pool_size bounds';
COMMENT ON COLUMN trident.stat_pool.pool_size IS 'how many there may be: the setting of the node, else trident.exchange_pool_size';
COMMENT ON COLUMN trident.stat_pool.opened IS 'connections established';
COMMENT ON COLUMN trident.stat_pool.open_failures IS 'attempts to connect that failed';
COMMENT ON COLUMN trident.stat_pool.closed IS 'connections closed, failed attempts among them';
COMMENT ON COLUMN trident.stat_pool.reused IS 'calls over a connection that had served another before';
GRANT SELECT ON trident.stat_pool TO pg_monitor;

CREATE VIEW trident.stat_exchange_memory AS
	SELECT m.slots, m.slots_used, m.memory, m.memory_used FROM trident.exchange_memory() m;
COMMENT ON VIEW trident.stat_exchange_memory IS
	'shared memory that calls and replies pass through, of all databases of this server; no row where trident is not in shared_preload_libraries';
COMMENT ON COLUMN trident.stat_exchange_memory.slots IS 'batches of calls that there can be at a time';
COMMENT ON COLUMN trident.stat_exchange_memory.slots_used IS 'batches under way or being cleared away now';
COMMENT ON COLUMN trident.stat_exchange_memory.memory IS 'bytes set aside for calls and replies, as trident.exchange_memory says';
COMMENT ON COLUMN trident.stat_exchange_memory.memory_used IS 'bytes in use now';
GRANT SELECT ON trident.stat_exchange_memory TO pg_monitor;

CREATE FUNCTION @extschema@.trident_exchange_reset()
RETURNS void
	AS 'MODULE_PATHNAME', 'trident_exchange_reset' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.trident_exchange_reset() IS
	'sets what is counted of the nodes of this database in trident.stat_exchange and trident.stat_pool back to zero, but for what is under way; error 55000 where trident is not preloaded';
REVOKE ALL ON FUNCTION @extschema@.trident_exchange_reset() FROM PUBLIC;
