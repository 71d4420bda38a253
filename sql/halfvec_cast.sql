-- Casts to and from halfvec; vector_cast lists them all.
SET search_path = "$user", public, trident;
-- What a query gives: its value, or SQLSTATE, message, detail and hint.
CREATE FUNCTION pg_temp.outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
	hint text;
BEGIN
	EXECUTE query INTO result;
	RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' / ', SQLSTATE, SQLERRM, nullif(detail, ''),
		nullif(hint, ''));
END $$;

SELECT query, pg_temp.outcome('SELECT ' || query) AS outcome FROM unnest(ARRAY[
	'ARRAY[1,-2,3]::halfvec', 'ARRAY[2049,65519]::halfvec', 'ARRAY[65520]::halfvec',
	'ARRAY[1.5,0.1]::halfvec', 'ARRAY[1.5,0.1]::real[]::halfvec',
	'ARRAY[1.5,0.1]::float8[]::halfvec', 'ARRAY[1,2]::halfvec(3)',
	'''{}''::int[]::halfvec', '''{{1},{2}}''::int[]::halfvec',
	'''{1,NULL}''::real[]::halfvec', '''{NULL}''::numeric[]::halfvec',
	'''{NaN}''::real[]::halfvec', '''{Infinity}''::float8[]::halfvec',
	'''{-Infinity}''::numeric[]::halfvec', '''{65520}''::real[]::halfvec',
	'''{-1e5}''::float8[]::halfvec', '''{1e39}''::float8[]::halfvec',
	'''{1e-9}''::float8[]::halfvec', 'array_fill(1, ARRAY[16001])::halfvec',
	'vector_dims(array_fill(1, ARRAY[16000])::halfvec)', 'ARRAY[1::bigint]::halfvec',
	'''[1,0.1]''::halfvec::real[]', '''[1,0.1]''::halfvec::vector',
	'''[1,2]''::halfvec::vector(3)', '''[1,2]''::halfvec::vector(2)',
	'''[1,2]''::halfvec::halfvec(3)', '''[1]''::halfvec::float8[]',
	'NULL::halfvec::vector', 'NULL::vector::halfvec']) AS query;
