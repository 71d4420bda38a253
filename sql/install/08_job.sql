/*
 * 08_job.sql
 *	  Jobs: long work in the background, its state and progress.
 *
 * The record of jobs belongs to a server's own work and is not dumped.  Nobody
 * reads it but through the view: a role sees its own jobs and those of roles
 * it is a member of, pg_monitor all of them, without their arguments.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE TABLE trident.job_record (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL,
	owner oid NOT NULL,
	arguments jsonb NOT NULL,
	state text NOT NULL DEFAULT 'waiting'
		CHECK (state IN ('waiting', 'running', 'done', 'failed', 'canceled')),
	attempts integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now(),
	started_at timestamptz,
	ended_at timestamptz,
	progress jsonb,
	error_code text,
	error text,
	detail text,
	hint text);
CREATE INDEX job_record_open ON trident.job_record (kind, id) WHERE state IN ('waiting', 'running');
COMMENT ON TABLE trident.job_record IS
	'jobs submitted in this database, as trident.job shows them; written by the extension only; not dumped';
COMMENT ON SEQUENCE trident.job_record_id_seq IS
	'numbers jobs';

CREATE FUNCTION trident.job_live_rows(OUT id bigint, OUT state text, OUT started_at timestamptz,
	OUT done bigint, OUT total bigint, OUT progress jsonb)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_job_live_rows'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 8;
COMMENT ON FUNCTION trident.job_live_rows() IS
	'jobs of this database in shared memory: state and counters as they are now, whatever the snapshot; for trident.job';

CREATE VIEW trident.job WITH (security_barrier) AS
	SELECT r.id, pg_catalog.pg_get_userbyid(r.owner) AS owner, r.kind,
		CASE WHEN pg_catalog.pg_has_role(r.owner, 'USAGE') THEN r.arguments END AS arguments,
		CASE WHEN r.state IN ('waiting', 'running') THEN coalesce(l.state, r.state) ELSE r.state END AS state,
		r.created_at, coalesce(r.started_at, l.started_at) AS started_at, r.ended_at, r.attempts,
		l.done, l.total,
		round(l.done / nullif(extract(epoch FROM coalesce(r.ended_at, clock_timestamp()) - l.started_at), 0), 1) AS per_second,
		CASE WHEN l.state = 'running' AND l.done > 0 THEN
			round((l.total - l.done) * extract(epoch FROM clock_timestamp() - l.started_at) / l.done, 1) END AS seconds_left,
		CASE WHEN r.state IN ('waiting', 'running') THEN coalesce(l.progress, r.progress) ELSE r.progress END AS progress,
		r.error_code, r.error, r.detail, r.hint
	FROM trident.job_record r LEFT JOIN trident.job_live_rows() l USING (id)
	WHERE pg_catalog.pg_has_role(r.owner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
GRANT SELECT ON trident.job TO PUBLIC;
COMMENT ON VIEW trident.job IS
	'jobs of the current role and of roles it is a member of; members of pg_monitor see all, without arguments; what is running is shown as it is now, whatever the snapshot';
COMMENT ON COLUMN trident.job.owner IS 'the role that it is done for, with that role''s rights';
COMMENT ON COLUMN trident.job.kind IS 'what it does: ingest';
COMMENT ON COLUMN trident.job.arguments IS 'what it was submitted with';
COMMENT ON COLUMN trident.job.state IS 'waiting, running, done, failed or canceled';
COMMENT ON COLUMN trident.job.attempts IS 'how often it was begun, but for times that the worker ended in order: more than once when the server or the worker went down meanwhile';
COMMENT ON COLUMN trident.job.done IS 'what is done, in the unit of the kind (ingest: images)';
COMMENT ON COLUMN trident.job.total IS 'of how much, as far as is known yet';
COMMENT ON COLUMN trident.job.per_second IS 'done a second, since it was begun';
COMMENT ON COLUMN trident.job.seconds_left IS 'until all that is known is done, at that rate; NULL unless running';
COMMENT ON COLUMN trident.job.progress IS 'counters of the kind (ingest: of the current attempt, but points, bytes, connections and retries of all)';
COMMENT ON COLUMN trident.job.error_code IS 'SQLSTATE of why it has failed';

CREATE FUNCTION @extschema@.trident_job_wait(id bigint, timeout interval DEFAULT NULL)
	RETURNS text
	AS 'MODULE_PATHNAME', 'trident_job_wait'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_job_wait(bigint, interval) IS
	'waits until a job has ended, at most for timeout (NULL: as long as it takes); returns its state: done, failed, canceled, or waiting or running when the timeout came first; an error for a job of the current transaction, which begins at commit';

CREATE FUNCTION @extschema@.trident_job_cancel(id bigint)
	RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_job_cancel'
	LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_job_cancel(bigint) IS
	'asks for the end of a job of the current role, or of a role it is a member of: true if it was waiting or running; a running one ends soon after, keeping what it has done, whatever becomes of the transaction';
