-- The text form of halfvec: read as float4, rounded to float16, written widened.
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

SELECT t AS literal, pg_temp.outcome(format('SELECT %L::halfvec', t)) AS halfvec
FROM unnest(ARRAY['[1,-2,+3]', ' [ 1 , 2 ] ', '[0,-0]', '[.5,5.,1e2,0x10]',
	'[0.1,0.3333333]', '[65504,-65504]', '[65519.99,-65519.99]', '[65520]',
	'[1,-65520]', '[1e5]', '[4e38]', '[1e999]', '[6.1035156e-05]',
	'[6.0975552e-05]', '[5.9604645e-08]', '[2.9802322e-08]',
	'[2.9802326e-08]', '[-1e-8]', '[1e-46]', '[2048,2049,2050,2051,2052]',
	'[1.00048828125,1.00146484375]', '[NaN]', '[inf]', '[-Infinity]', '', '1',
	'[', '[]', '[ ]', '[1', '[1,]', '[,1]', '[1,,2]', '[1a]', '[x]', '[1]x',
	'[1] [2]', '[[1]]']) AS t;

-- 1 to 16000 dimensions.
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::halfvec);
SELECT split_part(pg_temp.outcome(format('SELECT %L::halfvec',
	'[' || repeat('1,', 16000) || '1]')), '[', 1);

-- All 63488 finite bit patterns come back from their text.
CREATE TABLE halfvec_text AS
SELECT ('[' || (sign || (CASE WHEN e = 0 THEN m / 1024.0::float8 * 2.0 ^ -14
	ELSE (1 + m / 1024.0::float8) * 2.0 ^ (e - 15) END))::real || ']')::halfvec AS h
FROM unnest(ARRAY['', '-']) AS sign, generate_series(0, 30) AS e,
	generate_series(0, 1023) AS m;
SELECT count(*), count(DISTINCT trident.halfvec_send(h)) AS bit_patterns,
	count(DISTINCT h) AS values, count(*) FILTER (WHERE
		trident.halfvec_send(h::text::halfvec) <> trident.halfvec_send(h)) AS differ
FROM halfvec_text;
DROP TABLE halfvec_text;
