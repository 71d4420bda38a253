/*
 * 21_halfvec.sql
 *	  The type trident.halfvec.
 *
 * Type and support functions live in schema trident; what pgvector's users
 * call by name, the operators and the btree class live in the install schema.
 * Beside pgvector in one schema nothing clashes, because every function and
 * operator here takes a type of trident's, and the btree family has a name of
 * its own.
 * The casts between the two types are here too.
 */

SET LOCAL search_path = @extschema@, pg_temp;

CREATE TYPE trident.halfvec;

CREATE FUNCTION trident.halfvec_in(cstring, oid, integer) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_in(cstring, oid, integer) IS
	'input: text [1,2,3]';

CREATE FUNCTION trident.halfvec_out(trident.halfvec) RETURNS cstring
	AS 'MODULE_PATHNAME', 'trident_halfvec_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_out(trident.halfvec) IS
	'output: text [1,2,3], shortest decimals that read back the same';

CREATE FUNCTION trident.halfvec_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_halfvec_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_typmod_in(cstring[]) IS
	'type modifier: the number of dimensions of halfvec(n), 1 to 16000';

CREATE FUNCTION trident.halfvec_recv(internal, oid, integer) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_recv(internal, oid, integer) IS
	'input: binary, big-endian int16 dimensions, int16 0, float2 each';

CREATE FUNCTION trident.halfvec_send(trident.halfvec) RETURNS bytea
	AS 'MODULE_PATHNAME', 'trident_halfvec_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_send(trident.halfvec) IS
	'output: binary, big-endian int16 dimensions, int16 0, float2 each';

CREATE TYPE trident.halfvec (
	INPUT = trident.halfvec_in,
	OUTPUT = trident.halfvec_out,
	TYPMOD_IN = trident.halfvec_typmod_in,
	RECEIVE = trident.halfvec_recv,
	SEND = trident.halfvec_send,
	STORAGE = external
);
COMMENT ON TYPE trident.halfvec IS
	'half-precision vector of 1 to 16000 finite elements, 2 bytes each and 8 more; halfvec(n) takes n dimensions only';

/* distances */

CREATE FUNCTION l2_distance(trident.halfvec, trident.halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_halfvec_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_distance(trident.halfvec, trident.halfvec) IS
	'Euclidean distance; different dimensions are an error';

CREATE FUNCTION inner_product(trident.halfvec, trident.halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_halfvec_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION inner_product(trident.halfvec, trident.halfvec) IS
	'inner product; different dimensions are an error';

CREATE FUNCTION cosine_distance(trident.halfvec, trident.halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_halfvec_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cosine_distance(trident.halfvec, trident.halfvec) IS
	'1 - cosine of the angle, 0 to 2; NaN if either is all zeroes; different dimensions are an error';

CREATE FUNCTION l1_distance(trident.halfvec, trident.halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_halfvec_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l1_distance(trident.halfvec, trident.halfvec) IS
	'taxicab distance: the sum of absolute differences; different dimensions are an error';

CREATE FUNCTION trident.halfvec_l2_squared_distance(trident.halfvec, trident.halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_halfvec_l2_squared_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_l2_squared_distance(trident.halfvec, trident.halfvec) IS
	'squared Euclidean distance; index support';

CREATE FUNCTION trident.halfvec_negative_inner_product(trident.halfvec, trident.halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_halfvec_negative_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_negative_inner_product(trident.halfvec, trident.halfvec) IS
	'inner product times -1; implements <#>';

CREATE FUNCTION trident.halfvec_spherical_distance(trident.halfvec, trident.halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_halfvec_spherical_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_spherical_distance(trident.halfvec, trident.halfvec) IS
	'angle between unit vectors over pi, 0 to 1; index support';

/* properties and parts */

CREATE FUNCTION vector_dims(trident.halfvec) RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_halfvec_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_dims(trident.halfvec) IS
	'number of dimensions';

CREATE FUNCTION l2_norm(trident.halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'trident_halfvec_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_norm(trident.halfvec) IS
	'Euclidean length';

CREATE FUNCTION l2_normalize(trident.halfvec) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_normalize(trident.halfvec) IS
	'scaled to Euclidean length 1; all zeroes stay all zeroes';

CREATE FUNCTION binary_quantize(trident.halfvec) RETURNS bit
	AS 'MODULE_PATHNAME', 'trident_halfvec_binary_quantize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION binary_quantize(trident.halfvec) IS
	'one bit an element, set where it is above 0';

CREATE FUNCTION subvector(trident.halfvec, integer, integer) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION subvector(trident.halfvec, integer, integer) IS
	'elements from a 1-based start, at most count of them; none is an error';

/* arithmetic */

CREATE FUNCTION trident.halfvec_add(trident.halfvec, trident.halfvec) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_add(trident.halfvec, trident.halfvec) IS
	'implements +; overflow is an error';

CREATE FUNCTION trident.halfvec_sub(trident.halfvec, trident.halfvec) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_sub' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_sub(trident.halfvec, trident.halfvec) IS
	'implements -; overflow is an error';

CREATE FUNCTION trident.halfvec_mul(trident.halfvec, trident.halfvec) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_mul' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_mul(trident.halfvec, trident.halfvec) IS
	'implements *; overflow and underflow are errors';

CREATE FUNCTION trident.halfvec_concat(trident.halfvec, trident.halfvec) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_concat' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_concat(trident.halfvec, trident.halfvec) IS
	'implements ||; more than 16000 dimensions are an error';

/* comparison: the first elements that differ decide, then the length */

CREATE FUNCTION trident.halfvec_lt(trident.halfvec, trident.halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_halfvec_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_lt(trident.halfvec, trident.halfvec) IS
	'implements <';

CREATE FUNCTION trident.halfvec_le(trident.halfvec, trident.halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_halfvec_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_le(trident.halfvec, trident.halfvec) IS
	'implements <=';

CREATE FUNCTION trident.halfvec_eq(trident.halfvec, trident.halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_halfvec_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_eq(trident.halfvec, trident.halfvec) IS
	'implements =';

CREATE FUNCTION trident.halfvec_ne(trident.halfvec, trident.halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_halfvec_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_ne(trident.halfvec, trident.halfvec) IS
	'implements <>';

CREATE FUNCTION trident.halfvec_ge(trident.halfvec, trident.halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_halfvec_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_ge(trident.halfvec, trident.halfvec) IS
	'implements >=';

CREATE FUNCTION trident.halfvec_gt(trident.halfvec, trident.halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'trident_halfvec_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_gt(trident.halfvec, trident.halfvec) IS
	'implements >';

CREATE FUNCTION trident.halfvec_cmp(trident.halfvec, trident.halfvec) RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_halfvec_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_cmp(trident.halfvec, trident.halfvec) IS
	'-1, 0 or 1 as the first is less, equal or greater; btree support';

/* aggregates */

CREATE FUNCTION trident.halfvec_accum(double precision[], trident.halfvec) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'trident_halfvec_accum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_accum(double precision[], trident.halfvec) IS
	'transition of avg: {count, sums}';

CREATE FUNCTION trident.halfvec_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'trident_halfvec_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_combine(double precision[], double precision[]) IS
	'combines two states of avg in parallel plans';

CREATE FUNCTION trident.halfvec_avg(double precision[]) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_avg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_avg(double precision[]) IS
	'final step of avg: sums over count; NULL for no rows';

CREATE AGGREGATE avg(trident.halfvec) (
	SFUNC = trident.halfvec_accum,
	STYPE = double precision[],
	FINALFUNC = trident.halfvec_avg,
	COMBINEFUNC = trident.halfvec_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE avg(trident.halfvec) IS
	'average of each dimension over all non-NULL values, summed in double precision';

CREATE AGGREGATE sum(trident.halfvec) (
	SFUNC = trident.halfvec_add,
	STYPE = trident.halfvec,
	COMBINEFUNC = trident.halfvec_add,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sum(trident.halfvec) IS
	'sum of each dimension over all non-NULL values, in half-precision arithmetic; overflow is an error';

/* casts */

CREATE FUNCTION trident.halfvec(trident.halfvec, integer, boolean) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_coerce' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec(trident.halfvec, integer, boolean) IS
	'checks the dimensions of halfvec(n)';

CREATE FUNCTION trident.array_to_halfvec(integer[], integer, boolean) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.array_to_halfvec(integer[], integer, boolean) IS
	'array of integer to halfvec; NULL, NaN, infinity and more than one array dimension are errors';

CREATE FUNCTION trident.array_to_halfvec(real[], integer, boolean) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.array_to_halfvec(real[], integer, boolean) IS
	'array of real to halfvec; NULL, NaN, infinity and more than one array dimension are errors';

CREATE FUNCTION trident.array_to_halfvec(double precision[], integer, boolean) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.array_to_halfvec(double precision[], integer, boolean) IS
	'array of double precision to halfvec; NULL, NaN, infinity and more than one array dimension are errors';

CREATE FUNCTION trident.array_to_halfvec(numeric[], integer, boolean) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.array_to_halfvec(numeric[], integer, boolean) IS
	'array of numeric to halfvec; NULL, NaN, infinity and more than one array dimension are errors';

CREATE FUNCTION trident.halfvec_to_float4(trident.halfvec, integer, boolean) RETURNS real[]
	AS 'MODULE_PATHNAME', 'trident_halfvec_to_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_to_float4(trident.halfvec, integer, boolean) IS
	'halfvec to array of real';

CREATE FUNCTION trident.vector_to_halfvec(trident.vector, integer, boolean) RETURNS trident.halfvec
	AS 'MODULE_PATHNAME', 'trident_halfvec_from_vector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.vector_to_halfvec(trident.vector, integer, boolean) IS
	'rounds each element to half precision; above 65504 is an error';

CREATE FUNCTION trident.halfvec_to_vector(trident.halfvec, integer, boolean) RETURNS trident.vector
	AS 'MODULE_PATHNAME', 'trident_vector_from_halfvec' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.halfvec_to_vector(trident.halfvec, integer, boolean) IS
	'halfvec to vector, exactly';

CREATE CAST (trident.halfvec AS trident.halfvec)
	WITH FUNCTION trident.halfvec(trident.halfvec, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (trident.halfvec AS trident.halfvec) IS 'checks the dimensions of halfvec(n)';

CREATE CAST (trident.halfvec AS real[])
	WITH FUNCTION trident.halfvec_to_float4(trident.halfvec, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (trident.halfvec AS real[]) IS 'exact';

CREATE CAST (integer[] AS trident.halfvec)
	WITH FUNCTION trident.array_to_halfvec(integer[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (integer[] AS trident.halfvec) IS 'rounds each element; NULL, NaN and infinity are errors';

CREATE CAST (real[] AS trident.halfvec)
	WITH FUNCTION trident.array_to_halfvec(real[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (real[] AS trident.halfvec) IS 'rounds each element; NULL, NaN and infinity are errors';

CREATE CAST (double precision[] AS trident.halfvec)
	WITH FUNCTION trident.array_to_halfvec(double precision[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (double precision[] AS trident.halfvec) IS 'rounds each element; NULL, NaN and infinity are errors';

CREATE CAST (numeric[] AS trident.halfvec)
	WITH FUNCTION trident.array_to_halfvec(numeric[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (numeric[] AS trident.halfvec) IS 'rounds each element; NULL, NaN and infinity are errors';

CREATE CAST (trident.vector AS trident.halfvec)
	WITH FUNCTION trident.vector_to_halfvec(trident.vector, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (trident.vector AS trident.halfvec) IS 'rounds each element; above 65504 is an error';

CREATE CAST (trident.halfvec AS trident.vector)
	WITH FUNCTION trident.halfvec_to_vector(trident.halfvec, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (trident.halfvec AS trident.vector) IS 'exact';

/* operators */

CREATE OPERATOR <-> (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = l2_distance,
	COMMUTATOR = <->
);
COMMENT ON OPERATOR <-> (trident.halfvec, trident.halfvec) IS
	'Euclidean distance';

CREATE OPERATOR <#> (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_negative_inner_product,
	COMMUTATOR = <#>
);
COMMENT ON OPERATOR <#> (trident.halfvec, trident.halfvec) IS
	'inner product times -1, so that the nearest comes first';

CREATE OPERATOR <=> (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = cosine_distance,
	COMMUTATOR = <=>
);
COMMENT ON OPERATOR <=> (trident.halfvec, trident.halfvec) IS
	'cosine distance, 0 to 2; NaN if either is all zeroes';

CREATE OPERATOR <+> (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = l1_distance,
	COMMUTATOR = <+>
);
COMMENT ON OPERATOR <+> (trident.halfvec, trident.halfvec) IS
	'taxicab distance';

CREATE OPERATOR + (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_add,
	COMMUTATOR = +
);
COMMENT ON OPERATOR + (trident.halfvec, trident.halfvec) IS
	'sum of each dimension; overflow is an error';

CREATE OPERATOR - (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_sub
);
COMMENT ON OPERATOR - (trident.halfvec, trident.halfvec) IS
	'difference of each dimension; overflow is an error';

CREATE OPERATOR * (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_mul,
	COMMUTATOR = *
);
COMMENT ON OPERATOR * (trident.halfvec, trident.halfvec) IS
	'product of each dimension; overflow and underflow are errors';

CREATE OPERATOR || (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_concat
);
COMMENT ON OPERATOR || (trident.halfvec, trident.halfvec) IS
	'concatenation; more than 16000 dimensions are an error';

CREATE OPERATOR < (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_lt,
	COMMUTATOR = >, NEGATOR = >=,
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR < (trident.halfvec, trident.halfvec) IS
	'less than';

CREATE OPERATOR <= (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_le,
	COMMUTATOR = >=, NEGATOR = >,
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR <= (trident.halfvec, trident.halfvec) IS
	'less than or equal';

CREATE OPERATOR = (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_eq,
	COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (trident.halfvec, trident.halfvec) IS
	'equal';

CREATE OPERATOR <> (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_ne,
	COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (trident.halfvec, trident.halfvec) IS
	'not equal';

CREATE OPERATOR >= (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_ge,
	COMMUTATOR = <=, NEGATOR = <,
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR >= (trident.halfvec, trident.halfvec) IS
	'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = trident.halfvec, RIGHTARG = trident.halfvec, FUNCTION = trident.halfvec_gt,
	COMMUTATOR = <, NEGATOR = <=,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR > (trident.halfvec, trident.halfvec) IS
	'greater than';

CREATE OPERATOR FAMILY trident_halfvec_ops USING btree;
COMMENT ON OPERATOR FAMILY trident_halfvec_ops USING btree IS
	'order of trident.halfvec: the first elements that differ decide, then the length';

CREATE OPERATOR CLASS trident_halfvec_ops
	DEFAULT FOR TYPE trident.halfvec USING btree FAMILY trident_halfvec_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 trident.halfvec_cmp(trident.halfvec, trident.halfvec);
COMMENT ON OPERATOR CLASS trident_halfvec_ops USING btree IS
	'order of trident.halfvec: the first elements that differ decide, then the length';
