/*
 * 45_collection.sql
 *	  Collections: tables whose rows stand in shards on several nodes.
 *
 * The truth about shards is in the catalogs: a collection is a table that is
 * partitioned by hash, and its leaves are shards here or foreign tables for
 * those on nodes.  What the catalogs cannot say is in trident.collection.
 */

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
