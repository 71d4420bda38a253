-- The text form of vector: what is read, how it is written, what is refused.
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

-- Numbers as strtof takes them, written as the shortest that reads back.
SELECT t AS literal, pg_temp.outcome(format('SELECT %L::vector', t)) AS vector
FROM unnest(ARRAY['[1]', '[0,-0]', '[+1.50,-.5,5.]', '[1e3,1E-3,1e+0]',
	'[0x1p4,0X.8p1]', '[16777217]', '[0.1,0.10000000149011612]',
	'[3.4028235e38,-3.4028235e38]', '[1.1754944e-38]', '[1e-45]', '[1e-46]',
	'[7.0064923216240853e-46]', '[7.0064923216240854e-46]',
	'[1.00000017881393432617187499]', '[1.00000017881393432617187500]',
	'[1.00000017881393432617187501]', '[8388609.5,8388610.5]', '[1.00000661611557,1.00001460313797]',
	'[123456789012345678901234567890]', '[0.000000000000000000000000000000000001]',
	'[00000000000000000000000001]', '[1e-0000000000000000000001]']) AS t;

-- Every kind of white space, around everything but not within a number.
SELECT concat(s, '[', s, '1', s, ',', s, '2', s, ']', s)::vector
FROM concat(' ', chr(9), chr(10), chr(11), chr(12), chr(13)) AS s;
SELECT pg_temp.outcome($$SELECT '[1 2]'::vector$$);
SELECT pg_temp.outcome($$SELECT '[- 1]'::vector$$);

-- What is no vector.
SELECT t AS literal, pg_temp.outcome(format('SELECT %L::vector', t)) AS outcome
FROM unnest(ARRAY['', ' ', '1', '{1}', '(1)', '[', '[ ', '[,', '[]', '[ ]',
	'[,]', '[1', '[1,', '[1,]', '[,1]', '[1,,2]', '[1;2]', '[a]', '[1a]', '[1e]',
	'[1e+]', '[.]', '[-]', '[+-1]', '[--1]', '[0x]', '[1.2.3]', '[1]]', '[1] x',
	'[1],[2]', '[[1]]', '["1"]', '[NULL]', '[1e5']) AS t;

-- No NaN, no infinity, nothing that would become one.
SELECT t AS literal, pg_temp.outcome(format('SELECT %L::vector', t)) AS outcome
FROM unnest(ARRAY['[NaN]', '[-nan]', '[nan(1)]', '[1,inf]', '[Infinity]',
	'[-INF]', '[3.4028236e38]', '[1, -4e38 ]', '[1e999]', '[-1e99999999999]',
	'[340282356779733661637539395458142568448]',
	'[340282356779733661637539395458142568447]']) AS t;

-- 1 to 16000 dimensions.
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::vector);
SELECT split_part(pg_temp.outcome(format('SELECT %L::vector',
	'[' || repeat('1,', 16000) || '1]')), '[', 1);
SELECT split_part(pg_temp.outcome(format('SELECT %L::vector',
	'[' || repeat('1,', 16000) || 'x]')), '[', 1);

-- The longest numbers fill the buffer that output makes.
SELECT length(v::text), v::text = ('[' || repeat('-1.1754944e-38,', 15999) || '-1.1754944e-38]')
FROM (SELECT ('[' || repeat('-1.1754944e-38,', 15999) || '-1.1754944e-38]')::vector) AS t (v);

-- Reading is right to the last bit: as float4in reads the same decimals.
SELECT count(*) AS numbers, count(*) FILTER (WHERE float4send(
	((('[' || d || ']')::vector)::real[])[1]) <> float4send(d::real)) AS differ
FROM (SELECT sign || i * 7919 % 100003 || '.' || i * 104729 % 1000003 || 'e' || e AS d
	FROM generate_series(1, 400) AS i, generate_series(-42, 30) AS e,
		unnest(ARRAY['', '-', '+']) AS sign) AS t;
