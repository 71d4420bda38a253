/*
 * 60_source.sql
 *	  Sources: foreign servers that photos are read from by SFTP, and looking
 *	  around there.
 *
 * A role needs USAGE on a server and a user mapping, as with postgres_fdw; so
 * the functions that look are open to everybody.  Who may create a server may
 * make this machine connect anywhere: USAGE on the wrapper is not PUBLIC's, nor
 * is the function that asks any host for its key.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION trident.ingest_validator(options text[], catalog oid)
	RETURNS void
	AS 'MODULE_PATHNAME', 'trident_ingest_validator'
	LANGUAGE C STRICT;
COMMENT ON FUNCTION trident.ingest_validator(text[], oid) IS
	'validator of the foreign data wrapper trident_sftp';

CREATE FOREIGN DATA WRAPPER trident_sftp
	VALIDATOR trident.ingest_validator;
COMMENT ON FOREIGN DATA WRAPPER trident_sftp IS
	'SFTP servers; server options: host, port (22), host_key (fingerprints or public keys), compression (false), connections, files (open at once on each), bandwidth (kB/s, 0: no limit); user mapping options: user, password or private_key or private_key_file (superusers only), passphrase';

CREATE FUNCTION trident.ingest_mapping_changed()
	RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'trident_ingest_mapping_changed'
	LANGUAGE C;
COMMENT ON FUNCTION trident.ingest_mapping_changed() IS
	'writes into a new user mapping where its source leads to, and lets nobody else write that, nor anybody but superusers name a file of the server';

CREATE EVENT TRIGGER trident_ingest_mapping_changed
	ON ddl_command_end WHEN TAG IN ('CREATE USER MAPPING', 'ALTER USER MAPPING')
	EXECUTE FUNCTION trident.ingest_mapping_changed();
ALTER EVENT TRIGGER trident_ingest_mapping_changed ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER trident_ingest_mapping_changed IS
	'a source''s owner who changes where it leads to gets no credentials of others, and no role but a superuser a file of the server';

CREATE FUNCTION @extschema@.trident_sftp_confirm(source text)
	RETURNS text
	AS 'MODULE_PATHNAME', 'trident_sftp_confirm'
	LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_sftp_confirm(text) IS
	'agrees that the credentials of the current role''s user mapping may be sent to where the source leads now; returns host, port and host key; needed after the owner of the source has changed one of them';

CREATE FUNCTION @extschema@.trident_sftp_host_key(host text, port integer DEFAULT 22,
	OUT type text, OUT fingerprint text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_sftp_host_key'
	LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 2;
REVOKE ALL ON FUNCTION @extschema@.trident_sftp_host_key(text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.trident_sftp_host_key(text, integer) IS
	'asks an SSH server for its host keys, one of each type that can be used, without logging in: type and fingerprint SHA256:..., as for the option host_key; compare it with what the server''s administrator says; an error when the server cannot be reached or has no such key';

CREATE FUNCTION @extschema@.trident_sftp_list(source text, path text DEFAULT '.',
	OUT name text, OUT kind text, OUT size bigint, OUT modified timestamptz,
	OUT mode text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_sftp_list'
	LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.trident_sftp_list(text, text) IS
	'what a folder on a source holds, in the server''s order: name (bytes that are not valid text, control characters and backslashes as \xHH), kind (file, folder, link, other), size in bytes, time of last change, permission bits in octal; links are not followed; an error if there is no such folder or it cannot be read';

CREATE FUNCTION @extschema@.trident_sftp_stat(source text, path text,
	OUT name text, OUT kind text, OUT size bigint, OUT modified timestamptz,
	OUT mode text) RETURNS record
	AS 'MODULE_PATHNAME', 'trident_sftp_stat'
	LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.trident_sftp_stat(text, text) IS
	'what is at a path on a source, as in trident_sftp_list, name being the path; all columns NULL if nothing is there; a link is not followed';

CREATE FUNCTION @extschema@.trident_sftp_read(source text, path text,
	"offset" bigint DEFAULT 0, length bigint DEFAULT NULL) RETURNS bytea
	AS 'MODULE_PATHNAME', 'trident_sftp_read'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.trident_sftp_read(text, text, bigint, bigint) IS
	'bytes of a file on a source, from offset (bytes, from 0), at most length (NULL: up to the end); shorter where the file ends before, empty behind its end; an error if there is no such file or it cannot be read';
