/*
 * 25_vecs.sql
 *	  Vector data set files of the server as rows.
 *
 * The functions that users call are SQL functions that the planner can put in
 * place (hence STABLE and not STRICT): a function of C in FROM would have all
 * its rows collected before the first one is used.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION trident.vecs_rows(path text, format text,
	OUT id bigint, OUT embedding trident.vector) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_vecs_rows'
	LANGUAGE C STABLE PARALLEL SAFE ROWS 1000000;
COMMENT ON FUNCTION trident.vecs_rows(text, text) IS
	'implements trident_vecs_read';

CREATE FUNCTION trident.ivecs_rows(path text,
	OUT id bigint, OUT ids integer[]) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_ivecs_rows'
	LANGUAGE C STABLE PARALLEL SAFE ROWS 10000;
COMMENT ON FUNCTION trident.ivecs_rows(text) IS
	'implements trident_ivecs_read';

CREATE FUNCTION @extschema@.trident_vecs_read(path text, format text DEFAULT NULL)
	RETURNS TABLE (id bigint, embedding trident.vector)
	LANGUAGE SQL STABLE PARALLEL SAFE ROWS 1000000
BEGIN ATOMIC
	SELECT (file.r).id, (file.r).embedding
	FROM (SELECT trident.vecs_rows(path, format) AS r) AS file;
END;
COMMENT ON FUNCTION @extschema@.trident_vecs_read(text, text) IS
	'the vectors of a file on the server: fvecs, bvecs, f16vecs or i8vecs by its extension or by format; id is the row number from 0; needs pg_read_server_files; a damaged file is an error that names row and byte offset';

CREATE FUNCTION @extschema@.trident_ivecs_read(path text)
	RETURNS TABLE (id bigint, ids integer[])
	LANGUAGE SQL STABLE PARALLEL SAFE ROWS 10000
BEGIN ATOMIC
	SELECT (file.r).id, (file.r).ids
	FROM (SELECT trident.ivecs_rows(path) AS r) AS file;
END;
COMMENT ON FUNCTION @extschema@.trident_ivecs_read(text) IS
	'the rows of an ivecs file on the server, such as the true neighbors of each query; id is the row number from 0; needs pg_read_server_files; a damaged file is an error that names row and byte offset';
