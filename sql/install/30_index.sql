/*
 * 30_index.sql
 *	  The access method trident: handler, operator classes, and functions that
 *	  look into an index.
 */

SET LOCAL search_path = @extschema@, pg_temp;

CREATE FUNCTION trident.index_handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'trident_index_handler' LANGUAGE C STRICT;
COMMENT ON FUNCTION trident.index_handler(internal) IS
	'handler of the access method trident';

CREATE ACCESS METHOD trident TYPE INDEX HANDLER trident.index_handler;
COMMENT ON ACCESS METHOD trident IS
	'nearest-neighbor index for vector and halfvec: inverted lists of quantised codes (IVF, RaBitQ), exact distances from the table';

/* Support function 1 of a vector class: its metric, plus 16 for halfvec. */

CREATE FUNCTION trident.index_kind_vector_l2() RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_index_kind_vector_l2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.index_kind_vector_l2() IS
	'index support: vector, L2 distance';

CREATE FUNCTION trident.index_kind_vector_ip() RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_index_kind_vector_ip' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.index_kind_vector_ip() IS
	'index support: vector, negative inner product';

CREATE FUNCTION trident.index_kind_vector_cosine() RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_index_kind_vector_cosine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.index_kind_vector_cosine() IS
	'index support: vector, cosine distance';

CREATE FUNCTION trident.index_kind_halfvec_l2() RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_index_kind_halfvec_l2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.index_kind_halfvec_l2() IS
	'index support: halfvec, L2 distance';

CREATE FUNCTION trident.index_kind_halfvec_ip() RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_index_kind_halfvec_ip' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.index_kind_halfvec_ip() IS
	'index support: halfvec, negative inner product';

CREATE FUNCTION trident.index_kind_halfvec_cosine() RETURNS integer
	AS 'MODULE_PATHNAME', 'trident_index_kind_halfvec_cosine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trident.index_kind_halfvec_cosine() IS
	'index support: halfvec, cosine distance';

/* Classes of the vector column: strategy 1 orders by distance. */

CREATE OPERATOR CLASS vector_l2_ops
	DEFAULT FOR TYPE trident.vector USING trident AS
	OPERATOR 1 <-> (trident.vector, trident.vector) FOR ORDER BY float_ops,
	FUNCTION 1 trident.index_kind_vector_l2();
COMMENT ON OPERATOR FAMILY vector_l2_ops USING trident IS
	'nearest vectors by L2 distance';
COMMENT ON OPERATOR CLASS vector_l2_ops USING trident IS
	'nearest vectors by L2 distance, ORDER BY column <-> query';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE trident.vector USING trident AS
	OPERATOR 1 <#> (trident.vector, trident.vector) FOR ORDER BY float_ops,
	FUNCTION 1 trident.index_kind_vector_ip();
COMMENT ON OPERATOR FAMILY vector_ip_ops USING trident IS
	'nearest vectors by inner product';
COMMENT ON OPERATOR CLASS vector_ip_ops USING trident IS
	'nearest vectors by inner product, ORDER BY column <#> query';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE trident.vector USING trident AS
	OPERATOR 1 <=> (trident.vector, trident.vector) FOR ORDER BY float_ops,
	FUNCTION 1 trident.index_kind_vector_cosine();
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING trident IS
	'nearest vectors by cosine distance';
COMMENT ON OPERATOR CLASS vector_cosine_ops USING trident IS
	'nearest vectors by cosine distance, ORDER BY column <=> query; vectors of norm 0 are not indexed';

CREATE OPERATOR CLASS halfvec_l2_ops
	DEFAULT FOR TYPE trident.halfvec USING trident AS
	OPERATOR 1 <-> (trident.halfvec, trident.halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 trident.index_kind_halfvec_l2();
COMMENT ON OPERATOR FAMILY halfvec_l2_ops USING trident IS
	'nearest halfvecs by L2 distance';
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING trident IS
	'nearest halfvecs by L2 distance, ORDER BY column <-> query';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE trident.halfvec USING trident AS
	OPERATOR 1 <#> (trident.halfvec, trident.halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 trident.index_kind_halfvec_ip();
COMMENT ON OPERATOR FAMILY halfvec_ip_ops USING trident IS
	'nearest halfvecs by inner product';
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING trident IS
	'nearest halfvecs by inner product, ORDER BY column <#> query';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE trident.halfvec USING trident AS
	OPERATOR 1 <=> (trident.halfvec, trident.halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 trident.index_kind_halfvec_cosine();
COMMENT ON OPERATOR FAMILY halfvec_cosine_ops USING trident IS
	'nearest halfvecs by cosine distance';
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING trident IS
	'nearest halfvecs by cosine distance, ORDER BY column <=> query; vectors of norm 0 are not indexed';

/*
 * Classes of the key column: strategy 2 is equality, support function 2 the
 * hash that a row is labelled with.  The integers form one family, so that a
 * bigint column is found by an integer constant.
 */

CREATE OPERATOR FAMILY integer_ops USING trident;
COMMENT ON OPERATOR FAMILY integer_ops USING trident IS
	'equality of the key column, smallint, integer and bigint alike';

CREATE OPERATOR CLASS int2_ops
	DEFAULT FOR TYPE int2 USING trident FAMILY integer_ops AS
	OPERATOR 2 = (int2, int2),
	FUNCTION 2 pg_catalog.hashint2(int2);
COMMENT ON OPERATOR CLASS int2_ops USING trident IS
	'key column of type smallint';

CREATE OPERATOR CLASS int4_ops
	DEFAULT FOR TYPE int4 USING trident FAMILY integer_ops AS
	OPERATOR 2 = (int4, int4),
	FUNCTION 2 pg_catalog.hashint4(int4);
COMMENT ON OPERATOR CLASS int4_ops USING trident IS
	'key column of type integer';

CREATE OPERATOR CLASS int8_ops
	DEFAULT FOR TYPE int8 USING trident FAMILY integer_ops AS
	OPERATOR 2 = (int8, int8),
	FUNCTION 2 pg_catalog.hashint8(int8);
COMMENT ON OPERATOR CLASS int8_ops USING trident IS
	'key column of type bigint';

ALTER OPERATOR FAMILY integer_ops USING trident ADD
	OPERATOR 2 = (int2, int4),
	OPERATOR 2 = (int2, int8),
	OPERATOR 2 = (int4, int2),
	OPERATOR 2 = (int4, int8),
	OPERATOR 2 = (int8, int2),
	OPERATOR 2 = (int8, int4);

CREATE OPERATOR CLASS uuid_ops
	DEFAULT FOR TYPE uuid USING trident AS
	OPERATOR 2 = (uuid, uuid),
	FUNCTION 2 pg_catalog.uuid_hash(uuid);
COMMENT ON OPERATOR FAMILY uuid_ops USING trident IS
	'equality of the key column, uuid';
COMMENT ON OPERATOR CLASS uuid_ops USING trident IS
	'key column of type uuid';

CREATE OPERATOR CLASS text_ops
	DEFAULT FOR TYPE text USING trident AS
	OPERATOR 2 = (text, text),
	FUNCTION 2 pg_catalog.hashtext(text);
COMMENT ON OPERATOR FAMILY text_ops USING trident IS
	'equality of the key column, text and varchar, by its collation';
COMMENT ON OPERATOR CLASS text_ops USING trident IS
	'key column of type text or varchar';
