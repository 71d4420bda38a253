/*
 * 50_search.sql
 *	  trident_search.
 *
 * Everybody may call it: it reads with the rights of the caller, under row
 * security.  A NULL query is an error, so it is not strict.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION @extschema@.trident_search(
	collection regclass,
	query trident.vector,
	k integer DEFAULT 10,
	vector_column name DEFAULT NULL,
	metric text DEFAULT NULL,
	filter text DEFAULT NULL,
	filter_args jsonb DEFAULT NULL,
	columns name[] DEFAULT '{}',
	key name[] DEFAULT NULL,
	partial text DEFAULT 'error',
	deadline interval DEFAULT NULL)
RETURNS TABLE (
	id text,
	distance float8,
	node name,
	shard regclass,
	payload jsonb)
	AS 'MODULE_PATHNAME', 'trident_search' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION @extschema@.trident_search(regclass, trident.vector, integer, name, text, text, jsonb, name[], name[], text, interval) IS
	'the k rows of a table whose vectors are nearest to query, nearest first, then by key: their key as text, the distance as the operator of metric (l2, ip, cosine, l1) gives it, the node and the table they stand in, and columns as jsonb; of rows for which filter, a boolean expression with $1 ... for the elements of filter_args, is true; foreign partitions of postgres_fdw are searched by their nodes, all at once; a node without an answer, or without one within deadline, is an error, or with partial => ''allow'' a warning of SQLSTATE TR105; error TR002 where this server itself is not done by the deadline';

CREATE FUNCTION @extschema@.trident_last_search(
	OUT node name,
	OUT shard regclass,
	OUT path text,
	OUT rows bigint,
	OUT ms float8,
	OUT search_ms float8,
	OUT attempts integer,
	OUT error text,
	OUT coverage float8,
	OUT reason text,
	OUT merge_ms float8,
	OUT total_ms float8)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'trident_last_search' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION @extschema@.trident_last_search() IS
	'what the last trident_search() of this session did, a row for each shard: the node that it is on (local: this one) and its table here; path worker or direct (asked through the exchange), pass or plan (read here, in one pass or by the executor) or fdw (plain SQL through postgres_fdw, for that reason); rows that it contributed, milliseconds until they were here and that the shard itself was searched for (NULL: unknown), how often its node was asked, the error of one that is missing, and the share of the collection''s rows that it covers (0 if missing, so that the sum tells how complete the answer is); and of the search as a whole, milliseconds that merging the answers took (NULL: nothing was merged) and that all of it took (NULL: it did not get to its end)';

CREATE FUNCTION trident.search_shards(
	wire integer,
	shards text[],
	query trident.vector,
	k integer,
	metric text,
	vector_column text,
	key text[],
	columns text[],
	types text[],
	filter text,
	filter_types text[],
	filter_values text[],
	bound float8,
	target_recall float8,
	probes integer,
	index_order text,
	filter_extensions text)
RETURNS bytea
	AS 'MODULE_PATHNAME', 'trident_search_shards' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION trident.search_shards(integer, text[], trident.vector, integer, text, text, text[], text[], text[], text, text[], text[], float8, float8, integer, text, text) IS
	'what trident_search() on another node calls here: the k nearest rows of tables of this node together, none beyond bound, packed; with the rights of the role that calls; error 08P01 where version wire of the form is not served';

CREATE FUNCTION trident.search_shards_many(
	wire integer,
	shards text[],
	queries bytea[],
	k integer,
	metric text,
	vector_column text,
	key text[],
	columns text[],
	types text[],
	filter text,
	filter_types text[],
	filter_values text[],
	bound float8,
	target_recall float8,
	probes integer,
	index_order text,
	filter_extensions text)
RETURNS SETOF bytea
	AS 'MODULE_PATHNAME', 'trident_search_shards_many' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 16;
COMMENT ON FUNCTION trident.search_shards_many(integer, text[], bytea[], integer, text, text, text[], text[], text[], text, text[], text[], float8, float8, integer, text, text) IS
	'trident.search_shards() for up to 1000 queries of equal dimensions at once, each a vector in the binary form of its type: a row for each, in their order; an error of one is an error of all';
