/*
 * 50_search.sql
 *	  trident_search.
 *
 * Everybody may call it: it reads with the rights of the caller, under row
 * security.  A NULL query is an error, so it is not strict.
 */

CREATE FUNCTION trident_search(
	collection regclass,
	query trident.vector,
	k integer DEFAULT 10,
	vector_column name DEFAULT NULL,
	metric text DEFAULT NULL,
	filter text DEFAULT NULL,
	filter_args jsonb DEFAULT NULL,
	columns name[] DEFAULT '{}',
	key name[] DEFAULT NULL)
RETURNS TABLE (
	id text,
	distance float8,
	node name,
	shard regclass,
	payload jsonb)
	AS 'MODULE_PATHNAME', 'trident_search' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION trident_search(regclass, trident.vector, integer, name, text, text, jsonb, name[], name[]) IS
	'the k rows of a table whose vectors are nearest to query, nearest first, then by key: their key as text, the distance as the operator of metric (l2, ip, cosine, l1) gives it, the node and the table they stand in, and columns as jsonb; of rows for which filter, a boolean expression with $1 ... for the elements of filter_args, is true';
