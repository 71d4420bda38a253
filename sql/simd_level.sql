-- trident.simd chooses the kernels, and trident_simd_level() tells which: the
-- level asked for or a lower one, in every way that a setting changes.  What
-- this processor can run is not known here, so answers are compared, not shown.

-- scalar is on every processor
SET trident.simd = scalar;
SELECT trident_simd_level();

-- the others fall back
SET trident.simd = neon;
SELECT trident_simd_level() IN ('scalar', 'neon');
SET trident.simd = avx2;
SELECT trident_simd_level() IN ('scalar', 'neon', 'avx2');
SET trident.simd = avx512;
SELECT trident_simd_level() AS best \gset
SELECT :'best' IN ('scalar', 'neon', 'avx2', 'avx512');

-- auto, the default, takes the best
SET trident.simd = auto;
SELECT trident_simd_level() = :'best';
RESET trident.simd;
SHOW trident.simd;
SELECT trident_simd_level() = :'best';

-- the kernels follow the setting out of a transaction and out of a function
BEGIN;
SET LOCAL trident.simd = scalar;
SELECT trident_simd_level();
SAVEPOINT s;
SET LOCAL trident.simd = auto;
SELECT trident_simd_level() = :'best';
ROLLBACK TO s;
SELECT trident_simd_level();
COMMIT;
SELECT trident_simd_level() = :'best';

CREATE FUNCTION level_in_function() RETURNS text
	LANGUAGE sql SET trident.simd = scalar
	RETURN trident_simd_level();
SELECT level_in_function(), trident_simd_level() = :'best';
DROP FUNCTION level_in_function();

-- a parallel worker computes with what its leader does
SET trident.simd = scalar;
SELECT set_config(name, 'on', false) FROM pg_settings
	WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT trident_simd_level();
SELECT set_config(name, 'off', false) FROM pg_settings
	WHERE name IN ('force_parallel_mode', 'debug_parallel_query');

-- sums of small integers are exact: every level gives the same
CREATE TEMP TABLE pair AS
	SELECT array_agg(i ORDER BY i)::trident.vector AS a,
		array_agg(i % 5 ORDER BY i)::trident.vector AS b
	FROM generate_series(1, 37) i;
CREATE FUNCTION distances(level text) RETURNS SETOF numeric[]
	LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('trident.simd', level, true);
	RETURN QUERY SELECT ARRAY[
			round((a <-> b)::numeric, 6), round((a <#> b)::numeric, 6),
			round((a <=> b)::numeric, 6), round((a <+> b)::numeric, 6),
			round(vector_norm(a)::numeric, 6),
			round((a::trident.halfvec <-> b::trident.halfvec)::numeric, 6),
			round((a::trident.halfvec <#> b::trident.halfvec)::numeric, 6),
			round((a::trident.halfvec <=> b::trident.halfvec)::numeric, 6),
			round((a::trident.halfvec <+> b::trident.halfvec)::numeric, 6),
			round(l2_norm(a::trident.halfvec)::numeric, 6)]
		FROM pair;
END $$;
SELECT level, distances(level)
	FROM unnest('{scalar,neon,avx2,avx512,auto}'::text[]) level;
DROP FUNCTION distances;
RESET trident.simd;

-- a level that does not exist
SET trident.simd = mmx;
