-- The binary form of vector and halfvec: as pgvector's, and checked.
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

-- int16 dimensions, int16 0, then the elements, all big-endian.
SELECT trident.vector_send('[1,-2,0.5]'), trident.halfvec_send('[1,-2,0.5]');

-- COPY reads what COPY writes, to the last bit.
\getenv abs_builddir PG_ABS_BUILDDIR
\set file :abs_builddir '/results/vector_binary.copy'
CREATE TABLE vector_binary_from (id int, v vector, h halfvec(2));
INSERT INTO vector_binary_from VALUES
	(1, '[1,-0,3.4028235e38,1e-45]', '[65504,-6e-08]'), (2, NULL, NULL),
	(3, array_fill(0.1::real, ARRAY[16000])::vector, '[0,-0]');
CREATE TABLE vector_binary_to (LIKE vector_binary_from);
COPY vector_binary_from TO :'file' (FORMAT binary);
COPY vector_binary_to FROM :'file' (FORMAT binary);
SELECT id, a.v::text = b.v::text AS v, trident.vector_send(a.v) = trident.vector_send(b.v) AS v_bits,
	a.h::text = b.h::text AS h, trident.halfvec_send(a.h) = trident.halfvec_send(b.h) AS h_bits
FROM vector_binary_from AS a JOIN vector_binary_to AS b USING (id) ORDER BY id;

-- What COPY makes of a field of these bytes.
CREATE TABLE vector_binary_vector (v vector);
CREATE TABLE vector_binary_vector_3 (v vector(3));
CREATE TABLE vector_binary_halfvec (v halfvec);
CREATE FUNCTION pg_temp.receive(type text, field bytea, file text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	lo oid := lo_from_bytea(0,
		'\x5047434f50590aff0d0a00' || '\x0000000000000000'::bytea ||
		int2send(1::int2) || int4send(length(field)) || field ||
		int2send((-1)::int2));
BEGIN
	PERFORM lo_export(lo, file);
	PERFORM lo_unlink(lo);
	EXECUTE format('TRUNCATE vector_binary_%s', type);
	EXECUTE format('COPY vector_binary_%s FROM %L (FORMAT binary)', type, file);
	RETURN pg_temp.outcome(format('SELECT v FROM vector_binary_%s', type));
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' / ' || SQLERRM;
END $$;
SELECT type, field, pg_temp.receive(type, field, :'file') AS outcome
FROM (VALUES
	('vector', '\x000200003f800000c0000000'::bytea),
	('vector', '\x'), ('vector', '\x00'), ('vector', '\x000100'),
	('vector', '\x00010000'), ('vector', '\x000100003f8000'),
	('vector', '\x000100003f80000000'), ('vector', '\x00000000'),
	('vector', '\xffff0000'), ('vector', '\x800000003f800000'),
	('vector', '\x3e800000'), ('vector', '\x3e8100003f800000'),
	('vector', '\x000100013f800000'), ('vector', '\x0001ffff3f800000'),
	('vector', '\x000100007fc00000'), ('vector', '\x000100007f800001'),
	('vector', '\x00010000ff800000'), ('vector', '\x0001000080000001'),
	('vector_3', '\x000300003f8000003f8000003f800000'),
	('vector_3', '\x000200003f8000003f800000'),
	('halfvec', '\x000200003c00c000'), ('halfvec', '\x'),
	('halfvec', '\x000100003c'), ('halfvec', '\x000100003c0000'),
	('halfvec', '\x00000000'), ('halfvec', '\xffff0000'),
	('halfvec', '\x3e8100003c00'), ('halfvec', '\x000100013c00'),
	('halfvec', '\x000100007e00'), ('halfvec', '\x000100007c01'),
	('halfvec', '\x00010000fc00'), ('halfvec', '\x000100008001')
) AS t (type, field);
DROP TABLE vector_binary_from, vector_binary_to, vector_binary_vector,
	vector_binary_vector_3, vector_binary_halfvec;
