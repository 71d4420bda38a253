/*
 * 10_simd.sql
 *	  What SQL sees of the kernels.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION @extschema@.trident_simd_level() RETURNS text
	AS 'MODULE_PATHNAME', 'trident_simd_level' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.trident_simd_level() IS
	'processor instructions that distances are computed with in this session: scalar, neon, avx2 or avx512; what trident.simd asks for, or the next lower level that this processor has';
