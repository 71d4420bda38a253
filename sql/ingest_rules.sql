-- What counts as a position: each rule of src/ingest/README on a photo of its own.
SET TimeZone = 'UTC';

-- Numbers as TIFF has them, little-endian.
CREATE FUNCTION pg_temp.le(n bigint, size integer) RETURNS bytea LANGUAGE sql AS
$$SELECT string_agg(set_byte('\x00', 0, ((n >> 8 * i) & 255)::integer), '' ORDER BY i) FROM generate_series(0, size - 1) i$$;
-- Fractions: "48/1 51/1 29/1", unsigned (5) or signed (10).
CREATE FUNCTION pg_temp.fractions(list text) RETURNS bytea LANGUAGE sql AS
$$SELECT coalesce(string_agg(pg_temp.le(n::bigint & 4294967295, 4), '' ORDER BY i), '') FROM regexp_split_to_table(list, '[ /]') WITH ORDINALITY AS t (n, i) WHERE n <> ''$$;

-- A TIFF directory at an offset.  Entries: tag, type, count, value.
CREATE TYPE pg_temp.entry AS (tag integer, type integer, count bigint, value bytea);
CREATE FUNCTION pg_temp.ifd(at integer, entries pg_temp.entry[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	t bytea := pg_temp.le(cardinality(entries), 2);
	v bytea := '';
	behind integer := at + 2 + 12 * cardinality(entries) + 4;
	e pg_temp.entry;
BEGIN
	FOREACH e IN ARRAY entries LOOP
		t := t || pg_temp.le(e.tag, 2) || pg_temp.le(e.type, 2) || pg_temp.le(e.count, 4);
		IF length(e.value) <= 4 THEN
			t := t || substring(e.value || '\x00000000'::bytea FOR 4);
		ELSE
			t := t || pg_temp.le(behind + length(v), 4);
			v := v || e.value;
		END IF;
	END LOOP;
	RETURN t || '\x00000000' || v;
END $$;

-- An entry in words: "lat 48/1 51/1 29/1", "latref N", "alt 43/10", ...
CREATE FUNCTION pg_temp.entry_of(word text, value text) RETURNS pg_temp.entry LANGUAGE sql AS $$
SELECT ROW(tag, type, CASE WHEN type = 5 OR type = 10 THEN length(v) / 8 ELSE length(v) END, v)::pg_temp.entry
FROM (VALUES ('latref', 1, 2), ('lat', 2, 5), ('lonref', 3, 2), ('lon', 4, 5), ('altref', 5, 1), ('altrefdigit', 5, 2), ('altrefbyte', 5, 7), ('alt', 6, 5), ('time', 7, 5), ('status', 9, 2),
	('datum', 18, 2),
	('dirref', 16, 2), ('dir', 17, 5), ('date', 29, 2), ('slat', 2, 10), ('textlat', 2, 2),
	('original', 36867, 2), ('digitized', 36868, 2), ('offset', 36880, 2), ('offsetoriginal', 36881, 2), ('subsec', 37521, 2),
	('make', 271, 2)) AS w (name, tag, type),
	LATERAL (SELECT CASE WHEN type = 2 THEN convert_to(value, 'UTF8') || '\x00' WHEN type IN (1, 7) THEN pg_temp.le(ascii(value) - ascii('0'), 1) ELSE pg_temp.fractions(value) END AS v) x
WHERE name = word
$$;
CREATE FUNCTION pg_temp.entries(list text, low integer, high integer) RETURNS pg_temp.entry[] LANGUAGE sql AS $$
SELECT coalesce(array_agg(e ORDER BY (e).tag), '{}') FROM regexp_split_to_table(list, '; ') w,
	LATERAL (SELECT pg_temp.entry_of(split_part(w, ' ', 1), substr(w, strpos(w, ' ') + 1)) AS e) x WHERE (e).tag BETWEEN low AND high
$$;
-- A photo whose EXIF says that.
CREATE FUNCTION pg_temp.photo(list text) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	gps pg_temp.entry[] := pg_temp.entries(list, 0, 100);
	exif pg_temp.entry[] := pg_temp.entries(list, 30000, 40000);
	ifd0 pg_temp.entry[] := pg_temp.entries(list, 200, 300);
	size integer := length(pg_temp.ifd(8, ifd0)) + 24;
	tail bytea := pg_temp.ifd(8 + size, exif);
BEGIN
	ifd0 := ifd0 || ROW(34665, 4, 1, pg_temp.le(8 + size, 4))::pg_temp.entry
		|| ROW(34853, 4, 1, pg_temp.le(8 + size + length(tail), 4))::pg_temp.entry;
	RETURN '\x49492a0008000000'::bytea || pg_temp.ifd(8, ifd0) || tail || pg_temp.ifd(8 + size + length(tail), gps);
END $$;

CREATE TABLE rule (n serial, says text, exif text);
INSERT INTO rule (says, exif) VALUES
	('R1 a position', 'latref N; lat 48/1 51/1 2964/100; lonref E; lon 2/1 17/1 4032/100'),
	('R1 south and west', 'latref S; lat 48/1 51/1 2964/100; lonref W; lon 2/1 17/1 4032/100'),
	('R2 decimal degrees', 'latref N; lat 485823333/10000000; lonref E; lon 22945333/10000000'),
	('R2 two fractions', 'latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1'),
	('R2 decimal minutes', 'latref N; lat 48/1 51494/1000 0/1; lonref E; lon 2/1 17672/1000 0/1'),
	('R2 61 minutes', 'latref N; lat 10/1 61/1 0/1; lonref E; lon 2/1 17/1 0/1'),
	('R2 61 minutes, out of range', 'latref N; lat 89/1 61/1 0/1; lonref E; lon 2/1 17/1 0/1'),
	('R2 large fractions', 'latref N; lat 48/1 51/1 4000000000/4294967295; lonref E; lon 2/1 17/1 0/1'),
	('R2 four fractions', 'latref N; lat 48/1 51/1 0/1 0/1; lonref E; lon 2/1 17/1 0/1'),
	('R2 no fraction', 'latref N; lat ; lonref E; lon 2/1 17/1 0/1'),
	('R2 signed, positive', 'latref N; slat 48/1 51/1 29/1; lonref E; lon 2/1 17/1 0/1'),
	('R2 signed, negative', 'latref N; slat -48/1 51/1 29/1; lonref E; lon 2/1 17/1 0/1'),
	('R2 text', 'latref N; textlat 48.858222; lonref E; lon 2/1 17/1 0/1'),
	('R3 refs in lower case', 'latref s; lat 48/1 51/1 0/1; lonref w; lon 2/1 17/1 0/1'),
	('R3 refs as words', 'latref South; lat 48/1 51/1 0/1; lonref West; lon 2/1 17/1 0/1'),
	('R3 no refs', 'lat 48/1 51/1 0/1; lon 2/1 17/1 0/1'),
	('R3 other refs', 'latref X; lat 48/1 51/1 0/1; lonref E; lon 2/1 17/1 0/1'),
	('R3 empty ref', 'latref ; lat 48/1 51/1 0/1; lonref E; lon 2/1 17/1 0/1'),
	('R3 refs exchanged', 'latref E; lat 48/1 51/1 0/1; lonref N; lon 2/1 17/1 0/1'),
	('R4 degrees of n/0', 'latref N; lat 48/0 51/1 0/1; lonref E; lon 2/1 17/1 0/1'),
	('R4 degrees of 0/0', 'latref N; lat 0/0 0/0 0/0; lonref E; lon 0/0 0/0 0/0'),
	('R4 minutes of n/0', 'latref N; lat 48/1 51/0 0/1; lonref E; lon 2/1 17/1 0/1'),
	('R4 seconds of 0/0', 'latref N; lat 48/1 51/1 0/0; lonref E; lon 2/1 17/1 0/0'),
	('R5 91 degrees', 'latref N; lat 91/1 0/1 0/1; lonref E; lon 2/1 17/1 0/1'),
	('R5 181 degrees', 'latref N; lat 48/1 0/1 0/1; lonref E; lon 181/1 0/1 0/1'),
	('R5 a pole at the antimeridian', 'latref S; lat 90/1 0/1 0/1; lonref W; lon 180/1 0/1 0/1'),
	('R6 null island', 'latref N; lat 0/1 0/1 0/1; lonref E; lon 0/1 0/1 0/1'),
	('R6 on the equator', 'latref N; lat 0/1 0/1 0/1; lonref E; lon 2/1 0/1 0/1'),
	('R6 nearly null', 'latref N; lat 0/1 0/1 1/1000; lonref E; lon 0/1 0/1 1/1000'),
	('R7 only a latitude', 'latref N; lat 48/1 51/1 0/1'),
	('R7 neither', 'alt 15/1; dir 315/1'),
	('R8 an empty directory', ''),
	('R15 a fix', 'latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1; status A'),
	('R15 no fix', 'latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1; status V'),
	('R15 no fix, no position', 'status V'),
	('R16 WGS84', 'latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1; datum WGS-84   '),
	('R16 nothing said', 'latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1; datum '),
	('R16 another datum', 'latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1; datum TOKYO');
SELECT says, status, reason, latitude::numeric(10,7), longitude::numeric(10,7)
FROM rule, trident_exif_gps(pg_temp.photo(exif), 100000) ORDER BY n;

TRUNCATE rule;
INSERT INTO rule (says, exif) VALUES
	('R9 above sea', 'altref 0; alt 88480/10'), ('R9 without ref', 'alt 88480/10'), ('R9 below sea', 'altref 1; alt 4305/10'),
	('R9 above the ellipsoid', 'altref 2; alt 50/1'), ('R9 below the ellipsoid', 'altref 3; alt 50/1'),
	('R9 no such ref', 'altref 5; alt 50/1'), ('R9 ref as a digit', 'altrefdigit 1; alt 50/1'), ('R9 ref of another type', 'altrefbyte 1; alt 50/1'),
	('R9 n/0', 'alt 50/0'), ('R9 beyond reason', 'alt 4294967295/1'),
	('R11 true north', 'dirref T; dir 34805/100'), ('R11 magnetic north', 'dirref M; dir 0/1'), ('R11 no ref', 'dir 90/1'),
	('R11 360', 'dirref T; dir 360/1'), ('R11 361', 'dirref T; dir 361/1'), ('R11 n/0', 'dirref T; dir 1/0');
SELECT says, status, altitude_m, altitude_source, direction, direction_ref
FROM rule, trident_exif_gps(pg_temp.photo('latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1; ' || exif), 100000) ORDER BY n;

TRUNCATE rule;
INSERT INTO rule (says, exif) VALUES
	('R12 with its offset', 'original 2024:02:29 23:59:59; offsetoriginal +02:00; subsec 5'),
	('R12 with the other offset', 'original 2024:02:29 23:59:59; offset -03:30'),
	('R12 offset before GPS', 'original 2024:02:29 23:59:59; offset Z; time 10/1 17/1 235/10; date 2019:03:30'),
	('R12 GPS', 'original 2024:02:29 23:59:59; time 10/1 17/1 235/10; date 2019:03:30'),
	('R12 GPS alone', 'time 10/1 17/1 23/1; date 2019:03:30'),
	('R12 no date', 'time 10/1 17/1 23/1'), ('R12 no such date', 'time 10/1 17/1 23/1; date 2019:02:29'), ('R12 25 hours', 'time 25/1 17/1 23/1; date 2019:03:30'),
	('R12 no zone', 'original 2024:02:29 23:59:59'), ('R12 digitized', 'digitized 2024:02:29 23:59:59; offset +01:00'),
	('R12 a clock not set', 'original     :  :     :  :  '), ('R12 zeros', 'original 0000:00:00 00:00:00'), ('R12 no leap year', 'original 2023:02:29 10:00:00');
SELECT says, captured_at, captured_local, captured_zone
FROM rule, trident_exif_gps(pg_temp.photo('latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1; ' || exif), 100000) ORDER BY n;

-- R8 A pointer that leads out of the file, and one that leads back.
SELECT p, status, reason FROM (VALUES ('ffffffff'), ('f0ffffff'), ('00000080'), ('00000000'), ('08000000')) AS v (p),
	LATERAL (SELECT pg_temp.photo('latref N; lat 48/1 51/1; lonref E; lon 2/1 17/1') AS f) x,
	LATERAL (SELECT overlay(f PLACING decode(p, 'hex') FROM position('\x2588040001000000'::bytea IN f) + 8) AS broken) y,
	trident_exif_gps(broken, length(broken));

-- R1 and R10: XMP, as a JPEG without EXIF has it.
CREATE FUNCTION pg_temp.xmp(packet text) RETURNS bytea LANGUAGE sql AS
$$SELECT '\xffd8ffe1'::bytea || set_byte(set_byte('\x0000', 0, (length(b) + 2) / 256), 1, (length(b) + 2) % 256) || b || '\xffd9'
FROM (SELECT convert_to('http://ns.adobe.com/xap/1.0/', 'UTF8') || '\x00' || convert_to(packet, 'UTF8') AS b) x$$;
TRUNCATE rule;
INSERT INTO rule (says, exif) VALUES
	('attributes', '<rdf:Description exif:GPSLatitude="33,51.58S" exif:GPSLongitude=''151,12.6E'' exif:GPSAltitude = "43/10" exif:GPSAltitudeRef="1"/>'),
	('elements', '<exif:GPSLatitude>33,51,34.8N</exif:GPSLatitude> <exif:GPSLongitude> 151,12,36W </exif:GPSLongitude>'),
	('of a drone', '<x drone-dji:GpsLatitude="-33.859667" drone-dji:GpsLongitude="+151.21" drone-dji:RelativeAltitude="-1.50" drone-dji:AbsoluteAltitude="+52.10"/>'),
	('misspelled', '<x drone-dji:GpsLatitude="-33.859667" drone-dji:GpsLongtitude="+151.21"/>'),
	('0, 0', '<x drone-dji:GpsLatitude="0.0" drone-dji:GpsLongitude="-0"/>'),
	('half', '<x exif:GPSLatitude="33,51.58S"/>'), ('no ref', '<x exif:GPSLatitude="33,51.58" exif:GPSLongitude="151,12.6"/>'),
	('no number', '<x drone-dji:GpsLatitude="1e400" drone-dji:GpsLongitude="nan"/>'), ('out of range', '<x exif:GPSLatitude="90,1N" exif:GPSLongitude="1,1E"/>'),
	('the first counts', '<x drone-dji:GpsLatitude="1" drone-dji:GpsLongitude="2"/><x drone-dji:GpsLatitude="3" drone-dji:GpsLongitude="4"/>'),
	('in text', '<dc:description> exif:GPSLatitude="33,51.58S" exif:GPSLongitude="151,12.6E" </dc:description>'),
	('in a comment', '<!-- <x exif:GPSLatitude="33,51.58S" exif:GPSLongitude="151,12.6E"/> --->'),
	('in another value', '<x dc:a='' exif:GPSLatitude="33,51.58S" exif:GPSLongitude="151,12.6E"''/>'),
	('entities are not expanded', '<!DOCTYPE a [<!ENTITY l "33,51.58S">]><x exif:GPSLatitude="&l;" exif:GPSLongitude="151,12.6E"/>'),
	('cut off', '<x exif:GPSLatitude="33,51.58S" exif:GPSLongitude="151,12.6E');
SELECT says, status, reason, latitude::numeric(10,7), longitude::numeric(10,7), position_source AS from, altitude_m, altitude_source, relative_altitude_m
FROM rule, LATERAL (SELECT pg_temp.xmp(exif) AS f) x, trident_exif_gps(f, length(f)) ORDER BY n;

-- Text that is not UTF-8, or not fit to be shown.
SELECT make, trident_exif(f) ->> 'Make' AS tag
FROM (SELECT overlay(pg_temp.photo('make Ca__n; lat 1/1; latref N; lonref E; lon 1/1') PLACING '\xe90a'::bytea FROM position('__'::bytea IN pg_temp.photo('make Ca__n; lat 1/1; latref N; lonref E; lon 1/1'))) AS f) x, trident_exif_gps(f, length(f));
DROP TABLE rule;
