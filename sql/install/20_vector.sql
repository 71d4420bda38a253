/*
 * 20_vector.sql
 *	  The type trident.vector.
 *
 * Type and support functions live in schema trident; what pgvector's users
 * call by name, the operators and the btree class live in the install schema.
 * Beside pgvector in one schema nothing clashes, because every function and
 * operator here takes a type of trident's, and the btree family has a name of
 * its own.
 */

SET LOCAL search_path = @extschema@, pg_temp;

CREATE TYPE trident.vector;

CREATE FUNCTION trident.vector_in(cstring, oid, integer) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_in(cstring, oid, integer) IS
	'input: text [1,2,3]';

CREATE FUNCTION trident.vector_out(trident.vector) RETURNS cstring
	AS 'MODULE_PATHNAME', 'trident_vector_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_out(trident.vector) IS
	'output: text [1,2,3], shortest decimals that read back the same';

CREATE FUNCTION trident.vector_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_vector_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_typmod_in(cstring[]) IS
	'type modifier: the number of dimensions of vector(n), 1 to 16000';

CREATE FUNCTION trident.vector_recv(internal, oid, integer) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_recv(internal, oid, integer) IS
	'input: binary, big-endian int16 dimensions, int16 0, float4 each';

CREATE FUNCTION trident.vector_send(trident.vector) RETURNS bytea
	AS 'MODULE_PATHNAME', 'trident_vector_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_send(trident.vector) IS
	'output: binary, big-endian int16 dimensions, int16 0, float4 each';

CREATE TYPE trident.vector (
	INPUT = trident.vector_in,
	OUTPUT = trident.vector_out,
	TYPMOD_IN = trident.vector_typmod_in,
	RECEIVE = trident.vector_recv,
	SEND = trident.vector_send,
	STORAGE = external
);
COMMENT ON TYPE trident.vector IS
	'single-precision vector of 1 to 16000 finite elements, 4 bytes each and 8 more; vector(n) takes n dimensions only';

/* distances */

CREATE FUNCTION l2_distance(trident.vector, trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_distance(trident.vector, trident.vector) IS
	'Euclidean distance; different dimensions are an error';

CREATE FUNCTION inner_product(trident.vector, trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION inner_product(trident.vector, trident.vector) IS
	'inner product; different dimensions are an error';

CREATE FUNCTION cosine_distance(trident.vector, trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cosine_distance(trident.vector, trident.vector) IS
	'1 - cosine of the angle, 0 to 2; NaN if either is all zeroes; different dimensions are an error';

CREATE FUNCTION l1_distance(trident.vector, trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l1_distance(trident.vector, trident.vector) IS
	'taxicab distance: the sum of absolute differences; different dimensions are an error';

CREATE FUNCTION trident.vector_l2_squared_distance(trident.vector, trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_l2_squared_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_l2_squared_distance(trident.vector, trident.vector) IS
	'squared Euclidean distance; index support';

CREATE FUNCTION trident.vector_negative_inner_product(trident.vector, trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_negative_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_negative_inner_product(trident.vector, trident.vector) IS
	'inner product times -1; implements <#>';

CREATE FUNCTION trident.vector_spherical_distance(trident.vector, trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_spherical_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_spherical_distance(trident.vector, trident.vector) IS
	'angle between unit vectors over pi, 0 to 1; index support';

/* properties and parts */

CREATE FUNCTION vector_dims(trident.vector) RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_vector_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_dims(trident.vector) IS
	'number of dimensions';

CREATE FUNCTION vector_norm(trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_norm(trident.vector) IS
	'Euclidean length';

CREATE FUNCTION l2_norm(trident.vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_vector_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_norm(trident.vector) IS
	'Euclidean length';

CREATE FUNCTION l2_normalize(trident.vector) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_normalize(trident.vector) IS
	'scaled to Euclidean length 1; all zeroes stay all zeroes';

CREATE FUNCTION binary_quantize(trident.vector) RETURNS bit
	AS 'MODULE_PATHNAME', 'trident_vector_binary_quantize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION binary_quantize(trident.vector) IS
	'one bit an element, set where it is above 0';

CREATE FUNCTION subvector(trident.vector, integer, integer) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION subvector(trident.vector, integer, integer) IS
	'elements from a 1-based start, at most count of them; none is an error';

/* arithmetic */

CREATE FUNCTION trident.vector_add(trident.vector, trident.vector) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_add(trident.vector, trident.vector) IS
	'implements +; overflow is an error';

CREATE FUNCTION trident.vector_sub(trident.vector, trident.vector) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_sub' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_sub(trident.vector, trident.vector) IS
	'implements -; overflow is an error';

CREATE FUNCTION trident.vector_mul(trident.vector, trident.vector) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_mul' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_mul(trident.vector, trident.vector) IS
	'implements *; overflow and underflow are errors';

CREATE FUNCTION trident.vector_concat(trident.vector, trident.vector) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_concat' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_concat(trident.vector, trident.vector) IS
	'implements ||; more than 16000 dimensions are an error';

/* comparison: the first elements that differ decide, then the length */

CREATE FUNCTION trident.vector_lt(trident.vector, trident.vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_vector_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_lt(trident.vector, trident.vector) IS
	'implements <';

CREATE FUNCTION trident.vector_le(trident.vector, trident.vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_vector_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_le(trident.vector, trident.vector) IS
	'implements <=';

CREATE FUNCTION trident.vector_eq(trident.vector, trident.vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_vector_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_eq(trident.vector, trident.vector) IS
	'implements =';

CREATE FUNCTION trident.vector_ne(trident.vector, trident.vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_vector_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_ne(trident.vector, trident.vector) IS
	'implements <>';

CREATE FUNCTION trident.vector_ge(trident.vector, trident.vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_vector_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_ge(trident.vector, trident.vector) IS
	'implements >=';

CREATE FUNCTION trident.vector_gt(trident.vector, trident.vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_vector_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_gt(trident.vector, trident.vector) IS
	'implements >';

CREATE FUNCTION trident.vector_cmp(trident.vector, trident.vector) RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_vector_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_cmp(trident.vector, trident.vector) IS
	'-1, 0 or 1 as the first is less, equal or greater; btree support';

/* aggregates */

CREATE FUNCTION trident.vector_accum(double precision[], trident.vector) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'trident_vector_accum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_accum(double precision[], trident.vector) IS
	'transition of avg: {count, sums}';

CREATE FUNCTION trident.vector_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'trident_vector_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_combine(double precision[], double precision[]) IS
	'combines two states of avg in parallel plans';

CREATE FUNCTION trident.vector_avg(double precision[]) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_avg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_avg(double precision[]) IS
	'final step of avg: sums over count; NULL for no rows';

CREATE AGGREGATE avg(trident.vector) (
	SFUNC = trident.vector_accum,
	STYPE = double precision[],
	FINALFUNC = trident.vector_avg,
	COMBINEFUNC = trident.vector_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE avg(trident.vector) IS
	'average of each dimension over all non-NULL values, summed in double precision';

CREATE AGGREGATE sum(trident.vector) (
	SFUNC = trident.vector_add,
	STYPE = trident.vector,
	COMBINEFUNC = trident.vector_add,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sum(trident.vector) IS
	'sum of each dimension over all non-NULL values, in single-precision arithmetic; overflow is an error';

/* casts */

CREATE FUNCTION trident.vector(trident.vector, integer, boolean) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_coerce' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector(trident.vector, integer, boolean) IS
	'checks the dimensions of vector(n)';

CREATE FUNCTION trident.array_to_vector(integer[], integer, boolean) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.array_to_vector(integer[], integer, boolean) IS
	'array of integer to vector; NULL, NaN, infinity and more than one array dimension are errors';

CREATE FUNCTION trident.array_to_vector(real[], integer, boolean) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.array_to_vector(real[], integer, boolean) IS
	'array of real to vector; NULL, NaN, infinity and more than one array dimension are errors';

CREATE FUNCTION trident.array_to_vector(double precision[], integer, boolean) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.array_to_vector(double precision[], integer, boolean) IS
	'array of double precision to vector; NULL, NaN, infinity and more than one array dimension are errors';

CREATE FUNCTION trident.array_to_vector(numeric[], integer, boolean) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.array_to_vector(numeric[], integer, boolean) IS
	'array of numeric to vector; NULL, NaN, infinity and more than one array dimension are errors';

CREATE FUNCTION trident.vector_to_float4(trident.vector, integer, boolean) RETURNS real[]
	AS 'MODULE_PATHNAME', 'trident_vector_to_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_to_float4(trident.vector, integer, boolean) IS
	'vector to array of real';

CREATE CAST (trident.vector AS trident.vector)
	WITH FUNCTION trident.vector(trident.vector, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (trident.vector AS trident.vector) IS 'checks the dimensions of vector(n)';

CREATE CAST (trident.vector AS real[])
	WITH FUNCTION trident.vector_to_float4(trident.vector, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (trident.vector AS real[]) IS 'exact';

CREATE CAST (integer[] AS trident.vector)
	WITH FUNCTION trident.array_to_vector(integer[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (integer[] AS trident.vector) IS 'rounds each element; NULL, NaN and infinity are errors';

CREATE CAST (real[] AS trident.vector)
	WITH FUNCTION trident.array_to_vector(real[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (real[] AS trident.vector) IS 'exact; NULL, NaN and infinity are errors';

CREATE CAST (double precision[] AS trident.vector)
	WITH FUNCTION trident.array_to_vector(double precision[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (double precision[] AS trident.vector) IS 'rounds each element; NULL, NaN and infinity are errors';

CREATE CAST (numeric[] AS trident.vector)
	WITH FUNCTION trident.array_to_vector(numeric[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (numeric[] AS trident.vector) IS 'rounds each element; NULL, NaN and infinity are errors';

/* operators */

CREATE OPERATOR <-> (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = l2_distance,
	COMMUTATOR = <->
);
COMMENT ON OPERATOR <-> (trident.vector, trident.vector) IS
	'Euclidean distance';

CREATE OPERATOR <#> (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_negative_inner_product,
	COMMUTATOR = <#>
);
COMMENT ON OPERATOR <#> (trident.vector, trident.vector) IS
	'inner product times -1, so that the nearest comes first';

CREATE OPERATOR <=> (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = cosine_distance,
	COMMUTATOR = <=>
);
COMMENT ON OPERATOR <=> (trident.vector, trident.vector) IS
	'cosine distance, 0 to 2; NaN if either is all zeroes';

CREATE OPERATOR <+> (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = l1_distance,
	COMMUTATOR = <+>
);
COMMENT ON OPERATOR <+> (trident.vector, trident.vector) IS
	'taxicab distance';

CREATE OPERATOR + (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_add,
	COMMUTATOR = +
);
COMMENT ON OPERATOR + (trident.vector, trident.vector) IS
	'sum of each dimension; overflow is an error';

CREATE OPERATOR - (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_sub
);
COMMENT ON OPERATOR - (trident.vector, trident.vector) IS
	'difference of each dimension; overflow is an error';

CREATE OPERATOR * (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_mul,
	COMMUTATOR = *
);
COMMENT ON OPERATOR * (trident.vector, trident.vector) IS
	'product of each dimension; overflow and underflow are errors';

CREATE OPERATOR || (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_concat
);
COMMENT ON OPERATOR || (trident.vector, trident.vector) IS
	'concatenation; more than 16000 dimensions are an error';

CREATE OPERATOR < (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_lt,
	COMMUTATOR = >, NEGATOR = >=,
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR < (trident.vector, trident.vector) IS
	'less than';

CREATE OPERATOR <= (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_le,
	COMMUTATOR = >=, NEGATOR = >,
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR <= (trident.vector, trident.vector) IS
	'less than or equal';

CREATE OPERATOR = (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_eq,
	COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (trident.vector, trident.vector) IS
	'equal';

CREATE OPERATOR <> (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_ne,
	COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (trident.vector, trident.vector) IS
	'not equal';

CREATE OPERATOR >= (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_ge,
	COMMUTATOR = <=, NEGATOR = <,
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR >= (trident.vector, trident.vector) IS
	'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = trident.vector, RIGHTARG = trident.vector, FUNCTION = trident.vector_gt,
	COMMUTATOR = <, NEGATOR = <=,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR > (trident.vector, trident.vector) IS
	'greater than';

CREATE OPERATOR FAMILY trident_vector_ops USING btree;
COMMENT ON OPERATOR FAMILY trident_vector_ops USING btree IS
	'order of trident.vector: the first elements that differ decide, then the length';

CREATE OPERATOR CLASS trident_vector_ops
	DEFAULT FOR TYPE trident.vector USING btree FAMILY trident_vector_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 trident.vector_cmp(trident.vector, trident.vector);
COMMENT ON OPERATOR CLASS trident_vector_ops USING btree IS
	'order of trident.vector: the first elements that differ decide, then the length';
