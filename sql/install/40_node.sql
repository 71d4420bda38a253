/*
 * 40_node.sql
 *	  Nodes: who this database is, and the databases that it can reach.
 *
 * A node is a server of postgres_fdw.  What the wrapper has no option for
 * stands in trident.node_setting, which is dumped; what was seen of a node
 * stands in trident.node_seen, which is not, no more than the identity: a
 * copy made from a dump is another node.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE TABLE trident.node_identity (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	uuid uuid NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE trident.node_identity IS
	'one row: the uuid of this node, made by CREATE EXTENSION and never dumped; a physical copy has the same until trident_node_new_identity()';
INSERT INTO trident.node_identity (uuid) VALUES (gen_random_uuid());
GRANT SELECT ON trident.node_identity TO PUBLIC;

CREATE TABLE trident.node_setting (
	node name PRIMARY KEY,
	uuid uuid UNIQUE,
	pool_size integer CHECK (pool_size > 0),
	added_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE trident.node_setting IS
	'what is set for a node beyond the options of its server: the uuid that it must have (NULL until trident_node_check() first reached it), and how many connections to it at most (NULL: trident.exchange_pool_size); dumped';
SELECT pg_catalog.pg_extension_config_dump('trident.node_setting', '');

/* Also for who follows a hint and writes to the table. */
CREATE FUNCTION trident.node_setting_changed()
RETURNS trigger
	AS 'MODULE_PATHNAME', 'trident_node_setting_changed' LANGUAGE C;
COMMENT ON FUNCTION trident.node_setting_changed() IS
	'lets every session and the exchange worker ask anew what is set for the node; error 39P01 as a trigger of another table';
CREATE TRIGGER node_setting_changed
	AFTER INSERT OR UPDATE OR DELETE ON trident.node_setting
	FOR EACH ROW EXECUTE FUNCTION trident.node_setting_changed();

/* Nodes that attach a collection ask where its shards are. */
GRANT SELECT (node, uuid) ON trident.node_setting TO PUBLIC;

CREATE TABLE trident.node_seen (
	node name PRIMARY KEY,
	uuid uuid,
	server_version text,
	trident_version text,
	in_recovery boolean,
	connect_ms float8,
	seen_at timestamptz,
	checked_at timestamptz NOT NULL,
	error text);
COMMENT ON TABLE trident.node_seen IS
	'what the last trident_node_check() saw of each node; not dumped';

CREATE FUNCTION trident.processors()
RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_exchange_processors' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.processors() IS
	'how many processors this machine has: what other nodes ask when they connect, since more statements than that at a time only slow each other down';

CREATE FUNCTION @extschema@.trident_node_identity()
RETURNS uuid
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN (SELECT i.uuid FROM trident.node_identity i);
COMMENT ON FUNCTION @extschema@.trident_node_identity() IS
	'the uuid that identifies this database as a node of a fleet; a standby has that of its primary';

CREATE FUNCTION @extschema@.trident_node_new_identity()
RETURNS uuid
	AS 'MODULE_PATHNAME', 'trident_node_new_identity' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_node_new_identity() IS
	'gives this database a new uuid and returns it: for one that was made as a physical copy of a node that goes on living; collections distributed before are those of the other until trident_collection_sync() takes them over; so are transactions that it has prepared on nodes, of which trident_collection_cleanup() then only tells: where no other database has the old uuid, run that first';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_node_new_identity() FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_node_add(
	name name,
	host text,
	port integer DEFAULT 5432,
	dbname name DEFAULT current_database(),
	fetch_size integer DEFAULT 1000,
	batch_size integer DEFAULT 1000,
	pool_size integer DEFAULT NULL,
	options jsonb DEFAULT NULL)
RETURNS text
	AS 'MODULE_PATHNAME', 'trident_node_add' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_node_add(name, text, integer, name, integer, integer, integer, jsonb) IS
	'makes a postgres_fdw server of that name for the database of another machine, set for a fleet (extensions, fetch_size, batch_size, async_capable, parallel_commit); host may list several; options are further ones of the server, by name; takes no password: returns the CREATE USER MAPPING to run next; error 0A000 without the extension postgres_fdw, 42710 where the server exists, HV00D for an option that a server has not, such as password';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_node_add(name, text, integer, name, integer, integer, integer, jsonb) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_node_remove(name name)
RETURNS void
	AS 'MODULE_PATHNAME', 'trident_node_remove' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_node_remove(name) IS
	'drops the server of a node and its user mappings; error 2BP01 while a collection has shards there or any foreign table uses it, or while trident_collection_cleanup() has work there';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_node_remove(name) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_node_check(
	name name DEFAULT NULL,
	OUT node name,
	OUT checked text,
	OUT ok boolean,
	OUT detail text)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_node_check' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION @extschema@.trident_node_check(name) IS
	'connects to one node or to all (NULL) as the caller''s user mappings say, and compares them with this one, a row for each thing checked; ok is false where detail says what to do; records what it saw for view trident.node, and the uuid of a node that it sees for the first time';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_node_check(name) FROM PUBLIC;

CREATE FUNCTION trident.node_ddl_end()
RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'trident_node_ddl_end' LANGUAGE C;
COMMENT ON FUNCTION trident.node_ddl_end() IS
	'gives what is known of a node the name that ALTER SERVER ... RENAME gave it; error 42939 for a node of the name local';

CREATE EVENT TRIGGER trident_node_ddl_end ON ddl_command_end
	WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER')
	EXECUTE FUNCTION trident.node_ddl_end();
COMMENT ON EVENT TRIGGER trident_node_ddl_end IS
	'keeps the settings of nodes when they are renamed, and their names from being local';
