/*
 * 45_collection.sql
 *	  Collections: tables whose rows stand in shards on several nodes.
 *
 * The truth about shards is in the catalogs: a collection is a table that is
 * partitioned by hash, and its leaves are shards here or foreign tables for
 * those on nodes.  What the catalogs cannot say is in trident.collection.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE TABLE trident.collection (
	collection regclass PRIMARY KEY,
	id uuid NOT NULL UNIQUE,
	key name[] NOT NULL,
	vector_column name,
	shards integer NOT NULL CHECK (shards > 0),
	home uuid NOT NULL,
	node uuid NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE trident.collection IS
	'the distributed collections of this database: key names the columns that identify a row, vector_column the one that is searched (NULL: the only one), shards how many there are, home the node that may change the definition, node the one that wrote this row: where it is not the uuid of this database the row came by a dump, and trident_collection_sync() takes the collection over; id names the shards; dumped';
COMMENT ON COLUMN trident.collection.collection IS 'its table';
COMMENT ON COLUMN trident.collection.id IS 'names its shards';
COMMENT ON COLUMN trident.collection.key IS 'the columns that identify a row';
COMMENT ON COLUMN trident.collection.vector_column IS 'the column that is searched; NULL: the only one of a vector type';
COMMENT ON COLUMN trident.collection.shards IS 'how many there are, here and on nodes';
COMMENT ON COLUMN trident.collection.home IS 'uuid of the node that may change the definition';
COMMENT ON COLUMN trident.collection.node IS 'uuid of the node that wrote this row';
COMMENT ON COLUMN trident.collection.created_at IS 'when it was distributed or attached';
SELECT pg_catalog.pg_extension_config_dump('trident.collection', '');
GRANT SELECT ON trident.collection TO PUBLIC;

CREATE TABLE trident.collection_leftover (
	node name NOT NULL,
	shard text NOT NULL,
	collection text NOT NULL,
	dropped_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (node, shard));
COMMENT ON TABLE trident.collection_leftover IS
	'shards, tables of schema trident_shard on nodes, that are dropped here but may still be there, until trident_collection_cleanup() has seen to it';

CREATE FUNCTION trident.shard_number(shards integer, VARIADIC key "any")
RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_collection_shard_number' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION trident.shard_number(integer, "any") IS
	'the number, from 0, of the shard out of so many that a row with this partition key belongs to: that of the server''s partitioning by hash; checks on shards call it';

CREATE FUNCTION @extschema@.trident_collection_distribute(
	collection regclass,
	nodes name[],
	shards integer DEFAULT NULL,
	key name[] DEFAULT NULL)
RETURNS bigint
	AS 'MODULE_PATHNAME', 'trident_collection_distribute' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_collection_distribute(regclass, name[], integer, name[]) IS
	'turns a table, plain or partitioned by hash, into a collection: its rows move into so many shards (NULL: one a node) on the nodes named, local being this database, each with the key (NULL: the primary key) as primary key and the indexes of the table; returns how many rows moved; all of it or nothing; a plain table is replaced by a partitioned one of the same name; error 2BP01 where foreign keys reference the table, TR004 where a node is not as it must be';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_distribute(regclass, name[], integer, name[]) FROM PUBLIC;

CREATE FUNCTION trident.next_identity(sequence regclass)
RETURNS bigint
	AS 'MODULE_PATHNAME', 'trident_collection_next_identity' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION trident.next_identity(regclass) IS
	'the next value of an identity column, by its sequence, for roles with INSERT on the table; queries of trident_collection_load call it; error 42809 for another sequence';

CREATE FUNCTION @extschema@.trident_collection_load(
	collection regclass,
	query text,
	columns name[] DEFAULT NULL)
RETURNS bigint
	AS 'MODULE_PATHNAME', 'trident_collection_load' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_collection_load(regclass, text, name[]) IS
	'writes the rows of a query, run with the rights and the search_path of the caller, into a collection, all shards at once; columns names those that the query has, in its order (NULL: all but generated ones), others get their defaults; returns how many rows; on nodes they are visible once the transaction has committed, to it as to others';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_load(regclass, text, name[]) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_collection_upsert(
	collection regclass,
	query text,
	columns name[] DEFAULT NULL,
	update boolean DEFAULT true)
RETURNS bigint
	AS 'MODULE_PATHNAME', 'trident_collection_upsert' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_collection_upsert(regclass, text, name[], boolean) IS
	'as trident_collection_load(), but a row whose key is there already replaces that one (update) or is left out; returns how many rows were inserted or replaced; error 21000 where update finds one key twice in the query';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_upsert(regclass, text, name[], boolean) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_collection_status(
	collection regclass,
	verify boolean DEFAULT false,
	OUT shard integer,
	OUT node name,
	OUT shard_table text,
	OUT rows bigint,
	OUT size_bytes bigint,
	OUT indexes integer,
	OUT misplaced bigint,
	OUT ok boolean,
	OUT detail text)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_collection_status' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.trident_collection_status(regclass, boolean) IS
	'the shards of a collection: their node, the table there, rows (as the node last estimated; counted with verify), size with indexes, how many valid indexes beside the key, misplaced rows that belong to another shard (only with verify, which reads all rows), and in detail why a shard is not ok: the error of its node, how its definition differs from that of the collection, or that it has lost its partition; needs SELECT on the collection';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_status(regclass, boolean) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_collection_move_shard(collection regclass, shard integer, node name)
RETURNS bigint
	AS 'MODULE_PATHNAME', 'trident_collection_move_shard' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_collection_move_shard(regclass, integer, name) IS
	'moves a shard of a collection to another node, local being this database, and returns how many rows it has; meanwhile the collection is read as ever, and writes and DDL wait; for the switch in the end readers wait too; not in a transaction block; nodes that have the collection attached must run trident_collection_sync()';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_move_shard(regclass, integer, name) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_collection_undistribute(collection regclass)
RETURNS bigint
	AS 'MODULE_PATHNAME', 'trident_collection_undistribute' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_collection_undistribute(regclass) IS
	'brings all rows of a collection home and returns how many came from nodes; it stays partitioned by hash, with the key as its primary key; not in a transaction block';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_undistribute(regclass) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_collection_sync(
	collection regclass,
	OUT shard integer,
	OUT node name,
	OUT action text)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_collection_sync' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.trident_collection_sync(regclass) IS
	'makes the shards of a collection what its table is, in columns, checks and indexes, and returns the statements run on nodes; takes over a collection that came by a dump; where the collection is attached, makes its table here what its home has, in place, and returns nothing';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_sync(regclass) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_collection_attach(collection text, from_node name)
RETURNS regclass
	AS 'MODULE_PATHNAME', 'trident_collection_attach' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_collection_attach(text, name) IS
	'makes a collection that another node has, named as there, available here under the same name, over the same shards; the nodes of its shards must be known here and checked; defaults of columns stay at its home';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_attach(text, name) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_collection_detach(collection regclass)
RETURNS void
	AS 'MODULE_PATHNAME', 'trident_collection_detach' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.trident_collection_detach(regclass) IS
	'drops what trident_collection_attach() made; the shards and the collection at its home stay';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_detach(regclass) FROM PUBLIC;

CREATE FUNCTION @extschema@.trident_collection_cleanup(
	OUT node name,
	OUT shard_table text,
	OUT done boolean,
	OUT action text)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_collection_cleanup' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.trident_collection_cleanup() IS
	'drops shards that failed or dropped collections of this database left on nodes, and returns what was found where: done is false where action says what is in the way, or that a shard is of no collection that this database knows, which is kept';
REVOKE EXECUTE ON FUNCTION @extschema@.trident_collection_cleanup() FROM PUBLIC;

CREATE FUNCTION trident.collection_ddl_start()
RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'trident_collection_ddl_start' LANGUAGE C;
COMMENT ON FUNCTION trident.collection_ddl_start() IS
	'notes of which collections a command drops indexes, and refuses to detach their shards';

CREATE FUNCTION trident.collection_ddl_end()
RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'trident_collection_ddl_end' LANGUAGE C;
COMMENT ON FUNCTION trident.collection_ddl_end() IS
	'does on the shards what a command did on the table of a collection, or refuses it';

CREATE FUNCTION trident.collection_ddl_drop()
RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'trident_collection_ddl_drop' LANGUAGE C;
COMMENT ON FUNCTION trident.collection_ddl_drop() IS
	'records the shards of a collection that is dropped for trident_collection_cleanup(), and takes from shards what a collection lost with something else; error 2BP01 for what drops shards without it';

CREATE EVENT TRIGGER trident_collection_ddl_start ON ddl_command_start
	WHEN TAG IN ('DROP INDEX', 'ALTER TABLE')
	EXECUTE FUNCTION trident.collection_ddl_start();
COMMENT ON EVENT TRIGGER trident_collection_ddl_start IS
	'notes of which collections an index is dropped, and keeps their shards attached';

CREATE EVENT TRIGGER trident_collection_ddl_end ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'CREATE INDEX', 'ALTER INDEX', 'DROP INDEX')
	EXECUTE FUNCTION trident.collection_ddl_end();
COMMENT ON EVENT TRIGGER trident_collection_ddl_end IS
	'keeps the shards of collections what their tables are';

CREATE EVENT TRIGGER trident_collection_ddl_drop ON sql_drop
	EXECUTE FUNCTION trident.collection_ddl_drop();
COMMENT ON EVENT TRIGGER trident_collection_ddl_drop IS
	'records what dropped collections leave on nodes, and keeps the shards of others what their tables are';
