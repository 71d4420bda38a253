-- Positions, times and tags out of photos of each format, whole and by parts.
\getenv abs_srcdir PG_ABS_SRCDIR
\set folder :abs_srcdir '/test/data/photos/'
SET TimeZone = 'UTC';

CREATE TABLE photo AS
SELECT name, pg_read_binary_file(:'folder' || name) AS bytes
FROM unnest(string_to_array('before.png behind.png big.jpg drone.jpg drone_xmp.jpg far.jpg little.jpg none.jpg photo.heic photo.jp2 photo.jxl photo.tif photo.webp xmp.jpg', ' ')) AS name;

SELECT name, status, reason, latitude::numeric(9,6), longitude::numeric(9,6), position_source AS from,
	altitude_m::numeric(7,2) AS altitude, altitude_source AS of, relative_altitude_m AS relative
FROM photo, trident_exif_gps(bytes, length(bytes)) ORDER BY name COLLATE "C";

SELECT name, direction, direction_ref, captured_at, captured_local, captured_zone, make, model
FROM photo, trident_exif_gps(bytes, length(bytes)) ORDER BY name COLLATE "C";

-- A head that does not suffice tells what is missing; the file, known that
-- far, has the answer.  Bytes that were not asked for are zeros here.
CREATE FUNCTION pg_temp.by_parts(bytes bytea, head integer, OUT reads integer, OUT bytes_read bigint, OUT latitude numeric, OUT status text)
LANGUAGE plpgsql AS $$
DECLARE
	known bytea := substring(bytes FOR head);
	r record;
BEGIN
	reads := 1;
	bytes_read := head;
	LOOP
		SELECT * INTO r FROM trident_exif_gps(known, length(bytes));
		EXIT WHEN r.status <> 'need' OR reads = 8;
		-- The function takes one range: here from the beginning on.
		known := substring(bytes FOR r.need_to::integer);
		bytes_read := bytes_read + r.need_to - r.need_from;
		reads := reads + 1;
	END LOOP;
	latitude := r.latitude::numeric(9,6);
	status := r.status;
END $$;
SELECT name, head, p.* FROM photo, (VALUES (32), (256), (8192)) AS h (head), pg_temp.by_parts(bytes, head) p
WHERE head < length(bytes) ORDER BY name COLLATE "C", head;

-- Without the size of the file its end is not known.
SELECT n, status, reason, need_from, need_to
FROM photo, (VALUES (0), (100), (300), (477)) AS v (n), trident_exif_gps(substring(bytes FOR n))
WHERE name = 'little.jpg' ORDER BY n;
-- With it, what is missing was cut off.
SELECT n, status, reason, need_from, need_to
FROM photo, (VALUES (0), (100), (300), (477)) AS v (n), trident_exif_gps(substring(bytes FOR n), n)
WHERE name = 'little.jpg' ORDER BY n;

-- When XMP is read.
SELECT name, xmp, status, latitude::numeric(9,6), relative_altitude_m
FROM photo, (VALUES ('auto'), ('always'), ('never')) AS x (xmp), trident_exif_gps(bytes, length(bytes), xmp)
WHERE name IN ('drone.jpg', 'drone_xmp.jpg', 'xmp.jpg') ORDER BY name COLLATE "C", xmp;

-- Tags under exiftool's names.
SELECT jsonb_pretty(trident_exif(bytes)) FROM photo WHERE name = 'drone.jpg';
SELECT name, trident_exif(bytes) FROM photo WHERE name IN ('xmp.jpg', 'none.jpg', 'big.jpg') ORDER BY name COLLATE "C";
SELECT count(*), count(DISTINCT trident_exif(bytes)) FROM photo
WHERE name IN ('before.png', 'behind.png', 'little.jpg', 'photo.heic', 'photo.jp2', 'photo.jxl', 'photo.tif', 'photo.webp');

-- No photo, nothing, and arguments that make no sense.
SELECT v, trident_exif(v), g.status, g.reason FROM (VALUES (NULL), (''::bytea), ('hello, not a picture'), ('\xffd8'), ('\xffd8ffd9'), ('\xffd8ff000102030405060708090a0b0c0d0e0f')) AS t (v), trident_exif_gps(v, length(v)) g;
SELECT trident_exif_gps('\xffd8ffe0', 3);
SELECT trident_exif('\xffd8ffe0', 3);
SELECT trident_exif_gps('\xffd8ffe0', -1);
SELECT trident_exif_gps('\xffd8ffe0', NULL, 'sometimes');

DROP TABLE photo;
