/*
 * 43_node_view.sql
 *	  View trident.node: the servers, what is set for them, and what was seen.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE VIEW trident.node AS
	SELECT s.srvname AS node,
		o.option->>'host' AS host,
		o.option->>'port' AS port,
		o.option->>'dbname' AS dbname,
		coalesce(n.uuid, e.uuid) AS uuid,
		e.server_version,
		e.trident_version,
		CASE WHEN x.breaker <> 'closed' THEN 'away'
			WHEN e.checked_at IS NULL THEN 'unchecked'
			WHEN e.error IS NULL THEN 'ok'
			ELSE 'error' END AS status,
		e.in_recovery,
		greatest(e.seen_at, x.answered_at) AS last_seen,
		e.connect_ms,
		x.p50_ms,
		x.p95_ms,
		x.p99_ms,
		e.error
	FROM pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper w
			ON w.oid = s.srvfdw AND w.fdwname = 'postgres_fdw'
		CROSS JOIN LATERAL (
			SELECT jsonb_object_agg(option_name, option_value) AS option
			FROM pg_catalog.pg_options_to_table(s.srvoptions)) o
		LEFT JOIN trident.node_setting n ON n.node = s.srvname
		LEFT JOIN trident.node_seen e ON e.node = s.srvname
		LEFT JOIN trident.exchange_rows() x ON x.server = s.oid
	UNION ALL
	SELECT 'local', NULL, current_setting('port'), current_database(), i.uuid,
		current_setting('server_version'), x.extversion, 'ok',
		pg_is_in_recovery(), now(), NULL, NULL, NULL, NULL, NULL
	FROM trident.node_identity i, pg_catalog.pg_extension x
	WHERE x.extname = 'trident';
COMMENT ON VIEW trident.node IS
	'the nodes that this database knows, itself as local among them: address, uuid, versions, recovery state and error as trident_node_check() last found them; status: ok, error, unchecked, or away while the exchange does not try to reach it; last_seen by a check or a call; connect_ms that connecting took; p50_ms, p95_ms and p99_ms, the times of its answers since server start, where trident is preloaded';
COMMENT ON COLUMN trident.node.node IS 'name of the server; local: this database';
COMMENT ON COLUMN trident.node.host IS 'option of the server, as are port and dbname';
COMMENT ON COLUMN trident.node.port IS 'of local, that of this server';
COMMENT ON COLUMN trident.node.dbname IS 'of local, this database';
COMMENT ON COLUMN trident.node.uuid IS 'what the node is known by';
COMMENT ON COLUMN trident.node.server_version IS 'of PostgreSQL there, when last checked';
COMMENT ON COLUMN trident.node.trident_version IS 'of the extension there, when last checked';
COMMENT ON COLUMN trident.node.status IS 'ok, error, unchecked, or away: not tried at the moment';
COMMENT ON COLUMN trident.node.in_recovery IS 'whether it was a standby when last checked';
COMMENT ON COLUMN trident.node.last_seen IS 'when it last answered a check or a call';
COMMENT ON COLUMN trident.node.connect_ms IS 'milliseconds that connecting took in the last check';
COMMENT ON COLUMN trident.node.p50_ms IS 'milliseconds in which half of the calls were answered';
COMMENT ON COLUMN trident.node.p95_ms IS 'the same for 95 of 100 calls';
COMMENT ON COLUMN trident.node.p99_ms IS 'the same for 99 of 100 calls';
COMMENT ON COLUMN trident.node.error IS 'of the last check; NULL: none';
GRANT SELECT ON trident.node TO pg_monitor;
