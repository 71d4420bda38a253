-- What is wrong with a data set file is said with row and byte offset.
SET search_path = "$user", public, trident;
\getenv abs_builddir PG_ABS_BUILDDIR
\set dir :abs_builddir '/results/'

-- What reading a file of these bytes gives; the folder is left out.
CREATE FUNCTION pg_temp.read(name text, contents bytea, dir text, format text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	lo oid;
	result text;
	detail text;
	hint text;
BEGIN
	IF contents IS NOT NULL THEN
		lo := lo_from_bytea(0, contents);
		PERFORM lo_export(lo, dir || name);
		PERFORM lo_unlink(lo);
	END IF;
	IF name LIKE '%.ivecs' AND format IS NULL THEN
		SELECT string_agg(ids::text, ' ' ORDER BY id) INTO result FROM trident_ivecs_read(dir || name);
	ELSE
		SELECT string_agg(embedding::text, ' ' ORDER BY id) INTO result FROM trident_vecs_read(dir || name, format);
	END IF;
	RETURN coalesce(result, 'no rows');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN replace(concat_ws(E'\n', SQLSTATE || ': ' || SQLERRM, nullif(detail, ''), nullif(hint, '')), rtrim(dir, '/'), '...');
END $$;
\pset format unaligned
\pset tuples_only on

-- Cut off in the dimension count, in the elements, in a later row.
SELECT pg_temp.read('vecs_bad.fvecs', bytes, :'dir') FROM (VALUES ('\x01'::bytea), ('\x010000'), ('\x01000000'), ('\x010000000000'),
	('\x010000000000803f00'), ('\x010000000000803f01000000'), ('\x010000000000803f010000000000')) AS t (bytes);
SELECT pg_temp.read('vecs_bad.bvecs', '\x0200000001020200000001', :'dir');
SELECT pg_temp.read('vecs_bad.f16vecs', '\x02000000003c003c02000000003c00', :'dir');
SELECT pg_temp.read('vecs_bad.i8vecs', '\x0300000001', :'dir');
SELECT pg_temp.read('vecs_bad.ivecs', '\x0100000001000000010000000100', :'dir');

-- Dimension counts that cannot be, and that change.
SELECT pg_temp.read('vecs_bad.bvecs', bytes, :'dir') FROM (VALUES ('\x00000000'::bytea), ('\xffffffff'), ('\x00000080'), ('\x813e0000'),
	('\x0100000001 00000000'), ('\x0100000001 0200000001 02'), ('\x020000000102 0100000001')) AS t (bytes);
SELECT pg_temp.read('vecs_bad.ivecs', '\x0100000001000000 0200000001000000 01000000', :'dir');
SELECT length(pg_temp.read('vecs_bad.bvecs', '\x803e0000'::bytea || decode(repeat('01', 16000), 'hex'), :'dir'));
SELECT vector_dims(embedding), vector_norm(embedding) FROM trident_vecs_read(:'dir' || 'vecs_bad.bvecs');

-- Row and offset far into a file: in the second buffer.
SELECT pg_temp.read('vecs_bad.bvecs', (SELECT string_agg('\xc8000000'::bytea || decode(repeat('07', 200), 'hex'), ''::bytea)
	FROM generate_series(1, 2000)) || '\xc7000000', :'dir');

-- Elements that a vector cannot have.
SELECT pg_temp.read('vecs_bad.fvecs', bytes, :'dir') FROM (VALUES ('\x010000000000c07f'::bytea), ('\x01000000000080ff'),
	('\x020000000000803f0000803f 020000000000803f0000807f')) AS t (bytes);
SELECT pg_temp.read('vecs_bad.f16vecs', bytes, :'dir') FROM (VALUES ('\x01000000007e'::bytea), ('\x01000000007c'), ('\x0100000000fc')) AS t (bytes);

-- No file, no format, no path; a folder, a device.
SELECT pg_temp.read('vecs_none.fvecs', NULL, :'dir');
SELECT pg_temp.read('', NULL, :'dir', 'fvecs');
SELECT pg_temp.read('null', NULL, '/dev/', 'fvecs');
SELECT pg_temp.read('vecs_bad.fvecs', '', :'dir');
SELECT pg_temp.read('vecs_bad.dat', '', :'dir');
SELECT pg_temp.read('vecs_bad', '', :'dir');
SELECT pg_temp.read('vecs_bad.FVECS', '', :'dir');
SELECT pg_temp.read('vecs_bad.dat', '', :'dir', 'fvec');
SELECT pg_temp.read('vecs_bad.fvecs', '', :'dir', '');
SELECT pg_temp.read('vecs_bad.ivecs', '', :'dir', 'ivecs');
-- A named pipe is refused at once, not waited for.
\! rm -f "$PG_ABS_BUILDDIR/results/vecs_pipe.fvecs"
\! mkfifo -m 644 "$PG_ABS_BUILDDIR/results/vecs_pipe.fvecs"
SELECT pg_temp.read('vecs_pipe.fvecs', NULL, :'dir');

-- A file that loses its end while it is read, even if that leaves whole rows.
CREATE FUNCTION pg_temp.read_while_shrinking(dir text, rows_left int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := dir || 'vecs_shrinking.bvecs';
	bytes bytea := decode(repeat('c8000000' || repeat('07', 200), 3000), 'hex');
	lo oid := lo_from_bytea(0, bytes);
	rest oid := lo_from_bytea(0, substr(bytes, 1, rows_left * 204));
	c refcursor;
	row record;
	rows int := 0;
	detail text;
BEGIN
	PERFORM lo_export(lo, file);
	OPEN c FOR SELECT * FROM trident_vecs_read(file);
	BEGIN
		LOOP
			FETCH c INTO row;
			EXIT WHEN NOT FOUND;
			rows := rows + 1;
			IF rows = 1 THEN
				PERFORM lo_export(rest, file);
			END IF;
		END LOOP;
		RETURN rows || ' rows and no error';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RETURN replace(concat_ws(E'\n', SQLSTATE || ': ' || SQLERRM, detail), rtrim(dir, '/'), '...');
	END;
END $$;
SELECT pg_temp.read_while_shrinking(:'dir', 3000);
SELECT pg_temp.read_while_shrinking(:'dir', 2000);
SELECT pg_temp.read_while_shrinking(:'dir', 10);
\pset tuples_only off
\pset format aligned
SELECT * FROM trident_vecs_read('a.ivecs');
SELECT * FROM trident_vecs_read(NULL);
SELECT * FROM trident_ivecs_read(NULL);

-- Only those who may read the server's files, and they learn nothing else.
CREATE ROLE regress_vecs_reader;
SET ROLE regress_vecs_reader;
SELECT * FROM trident_vecs_read('PG_VERSION', 'bvecs');
SELECT * FROM trident_vecs_read('no such file', 'bvecs');
SELECT * FROM trident_ivecs_read('PG_VERSION');
SELECT * FROM trident_vecs_read(NULL);
SELECT trident.vecs_rows('PG_VERSION', 'bvecs');
RESET ROLE;
GRANT pg_read_server_files TO regress_vecs_reader;
SET ROLE regress_vecs_reader;
-- A relative path starts at the data directory.
SELECT * FROM trident_vecs_read('PG_VERSION', 'bvecs');
SELECT * FROM trident_vecs_read('./global/../no such file', 'bvecs');
RESET ROLE;
DROP ROLE regress_vecs_reader;
