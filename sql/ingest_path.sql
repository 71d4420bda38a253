-- Sites: classes of folders, outliers, nearest photos, flight paths in each format.
SET TimeZone = 'UTC';
\set SHOW_CONTEXT never

-- Classes by names, first match in the order of the rules; a rule of one's own comes before.
SELECT f, c.* FROM unnest(ARRAY['Orbit_1', 'scan orbit', 'SCANS', 'center', 'DownLook', 'uplook', 'Civil works', 'road', 'misc', '']) f, trident.folder_class_of(f) c;
INSERT INTO trident.site (source, path) VALUES ('nas', '/homes/Ada/survey/1234567890_tower') RETURNING owner = current_user AS own, site_code, pilot;
INSERT INTO trident.site (source, path) VALUES ('nas', '/data/x') RETURNING site_code, pilot;
INSERT INTO trident.site_folder (site, path, images, files, bytes, class) VALUES (1, 'a/Orbit', 6, 7, 12000000, 'mine'), (1, 'Road', 2, 2, 5, NULL), (1, '<b>&"''', 1, 1, 1, NULL), (1, '', 0, 0, 0, NULL);
SELECT id, path, name, class, color, is_path FROM trident.site_folder ORDER BY id;
INSERT INTO trident.folder_class VALUES ('RB', 'own', '#123456', true);
SELECT path, class, color FROM trident.site_folder ORDER BY id;
UPDATE trident.folder_class SET color = '#654321';
SELECT path, class, color FROM trident.site_folder ORDER BY id;
DELETE FROM trident.folder_class;
SELECT path, class, color FROM trident.site_folder ORDER BY id;
INSERT INTO trident.folder_class VALUES ('x', 'own', 'red', true);
INSERT INTO trident.folder_class VALUES ('', 'own', '#000000', true);

-- Photos in the order of the camera's clock, not of their names; hostile names.
INSERT INTO trident.photo (id, site, folder, name, size, status, captured_at, captured_local)
SELECT n, 1, CASE WHEN n <= 6 THEN 1 WHEN n <= 8 THEN 2 ELSE 3 END, name, 1, 'found', '2024-05-06 10:00+00'::timestamptz - n * interval '1 min', NULL
FROM unnest(ARRAY['f.jpg', 'e.jpg', 'd.jpg', 'c.jpg', 'b.jpg', 'far.jpg', 'road1', 'road2',
	E'=cmd|''/C calc''!A0 </script><script>alert(1)</script> ]]> & "x"\x01\u2028.jpg']) WITH ORDINALITY AS t (name, n);
INSERT INTO trident.gps_point (photo, site, folder, latitude, longitude, altitude_m, relative_altitude_m, direction, direction_ref)
SELECT p.id, p.site, p.folder, 10 + CASE WHEN p.id = 6 THEN 5 ELSE p.id * 1e-4 END, 0.0000003 * p.id, CASE WHEN p.folder < 3 THEN p.id END, NULL, 90, 'T' FROM trident.photo p;

SELECT * FROM trident_gps_outliers(1);
SELECT count(*) FROM trident_gps_outliers(1, 1e6);
SELECT photo, folder, name, round(distance_m::numeric, 3) AS distance_m FROM trident_nearest_photos(1, 10.0003, 0, 3);
SELECT count(*) FROM trident_nearest_photos(1, 10, 0, 100);

-- The quartiles are those of percentile_cont; points across the antimeridian are near.
INSERT INTO trident.site_folder (site, path) VALUES (2, 'scan') RETURNING id;
INSERT INTO trident.photo (id, site, folder, name, size, status) SELECT 100 + n, 2, 5, n::text, 1, 'found' FROM generate_series(1, 9) n;
INSERT INTO trident.gps_point (photo, site, folder, latitude, longitude) SELECT 100 + n, 2, 5, n, CASE WHEN n < 5 THEN 179 + n * 0.1 WHEN n < 9 THEN -181 + n * 0.1 + 0.5 ELSE -90 END FROM generate_series(1, 9) n;
SELECT photo, axis FROM trident_gps_outliers(2);
SELECT photo, axis FROM trident_gps_outliers(2, 0) ORDER BY photo;
SELECT photo, round(distance_m::numeric) AS distance_m FROM trident_nearest_photos(2, 5, 180, 2);

\pset format unaligned
SELECT jsonb_pretty(trident_flight_path(1)::jsonb #> '{features,0}'), trident_flight_path(1)::jsonb #> '{features,1}';
SELECT f ->> 'geometry' FROM jsonb_array_elements(trident_flight_path(1)::jsonb -> 'features') f;
SELECT trident_flight_path(1, 'csv');
SELECT trident_flight_path(1, 'kml');
SELECT trident_flight_path(1, 'gpx');
\pset format aligned

-- Well formed, whatever the names are.
CREATE FUNCTION pg_temp.is_document(value text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN xmlparse(DOCUMENT value) IS DOCUMENT;
EXCEPTION WHEN feature_not_supported THEN
	RETURN true;	/* a server without libxml */
END $$;
SELECT s AS site, f AS format, pg_temp.is_document(trident_flight_path(s, f)) FROM generate_series(1, 2) s, unnest(ARRAY['kml', 'gpx']) f ORDER BY 1, 2;
SELECT s AS site, jsonb_typeof(trident_flight_path(s, 'geojson')::jsonb -> 'features') FROM generate_series(1, 2) s;
-- The page: its data are JSON without a tag, the name is nowhere else, nothing is loaded.
WITH page AS (SELECT s, trident_flight_path(s, 'html') AS html FROM generate_series(1, 2) s),
	part AS (SELECT s, html, substring(html FROM '<script type="application/json" id="data">(.*?)</script>') AS data FROM page)
SELECT s AS site, data::jsonb ->> 'title' AS title, jsonb_array_length(data::jsonb -> 'folders') AS folders, strpos(data, '<') AS tag,
	data::jsonb #>> '{folders,1,points,0,5}' AS name, replace(html, data, '') ~ 'alert|calc' AS leaks,
	(SELECT count(*) FROM regexp_matches(html, '<script', 'g')) AS scripts, html ~* '(src|href|url\s*\()\s*=?\s*["'']?(https?:)?//' AS loads,
	substring(html FROM '<title>(.*?)</title>') AS title_tag, html LIKE '<!DOCTYPE html>%</html>_' AS whole
FROM part ORDER BY s;

-- A site without photos, or without positions.
INSERT INTO trident.site (source, path) VALUES ('nas', '') RETURNING id;
SELECT f, length(trident_flight_path(3, f)) > 0 AS some FROM unnest(ARRAY['geojson', 'kml', 'gpx', 'csv', 'html']) f;
SELECT trident_flight_path(3), count(o) FROM trident_gps_outliers(3) o;

-- Arguments that make no sense.
SELECT trident_flight_path(99);
SELECT trident_flight_path(NULL);
SELECT trident_flight_path(1, 'shp');
SELECT trident_flight_path(1, NULL);
SELECT * FROM trident_gps_outliers(99);
SELECT * FROM trident_gps_outliers(1, -1);
SELECT * FROM trident_gps_outliers(1, 'NaN');
SELECT * FROM trident_nearest_photos(1, 91, 0);
SELECT * FROM trident_nearest_photos(1, 0, NULL);
SELECT * FROM trident_nearest_photos(1, 0, 0, 0);
SELECT * FROM trident_nearest_photos(99, 0, 0);
SELECT trident_postgis_enable();

-- Rows are their owner's: others see nothing, write nothing, find out nothing.
CREATE ROLE regress_ingest_ada;
CREATE ROLE regress_ingest_bob;
CREATE ROLE regress_ingest_team;
GRANT regress_ingest_team TO regress_ingest_ada, regress_ingest_bob;
ALTER SEQUENCE trident.site_id_seq RESTART 1001;
ALTER SEQUENCE trident.site_folder_id_seq RESTART 1001;
ALTER SEQUENCE trident.photo_id_seq RESTART 1001;
SET ROLE regress_ingest_ada;
INSERT INTO trident.site (id, source, path) VALUES (1003, 'nas', '/taken');
INSERT INTO trident.site (source, path) VALUES ('nas', '/ada');
INSERT INTO trident.site (owner, source, path) VALUES ('regress_ingest_team', 'nas', '/team');
INSERT INTO trident.site (owner, source, path) VALUES ('regress_ingest_bob', 'nas', '/bob');
INSERT INTO trident.site_folder (site, path) VALUES (1001, 'scan'), (1002, 'road');
INSERT INTO trident.site_folder (site, path) VALUES (1, 'scan');
INSERT INTO trident.photo (site, folder, name, size, status) VALUES (1001, 1001, 'a', 1, 'found');
INSERT INTO trident.photo (site, folder, name, size, status) VALUES (1001, 1, 'b', 1, 'found');
INSERT INTO trident.gps_point (photo, site, folder, latitude, longitude) VALUES (1001, 1001, 1001, 1, 2);
INSERT INTO trident.ingest_error (site, path, kind, reason) VALUES (1001, 'a', 'image', 'zero'), (NULL, '/x', 'site', 'no_such_file');
INSERT INTO trident.ingest_error (site, path, kind, reason) VALUES (1, 'a', 'image', 'zero');
INSERT INTO trident.folder_class VALUES ('x', 'own', '#000000', true);
SELECT id, owner, path FROM trident.site ORDER BY id;
SELECT count(*) FROM trident_nearest_photos(1001, 1, 2);
SELECT trident_flight_path(1);
SET ROLE regress_ingest_bob;
SELECT id, owner, path FROM trident.site ORDER BY id;
SELECT (SELECT count(*) FROM trident.site_folder) AS folders, (SELECT count(*) FROM trident.photo) AS photos,
	(SELECT count(*) FROM trident.gps_point) AS points, (SELECT count(*) FROM trident.ingest_error) AS errors;
DELETE FROM trident.photo;
UPDATE trident.site SET path = 'mine' WHERE id = 1001;
UPDATE trident.site SET owner = 'regress_ingest_bob' WHERE id = 1002;
SELECT trident_flight_path(1001);
SELECT trident_postgis_enable();
RESET ROLE;
SELECT count(*) FROM trident.photo WHERE id = 1001;

-- A site goes with all that belongs to it.
DELETE FROM trident.site;
SELECT (SELECT count(*) FROM trident.site_folder) AS folders, (SELECT count(*) FROM trident.photo) AS photos,
	(SELECT count(*) FROM trident.gps_point) AS points, (SELECT count(*) FROM trident.ingest_error) AS errors;
DROP ROLE regress_ingest_ada, regress_ingest_bob, regress_ingest_team;
