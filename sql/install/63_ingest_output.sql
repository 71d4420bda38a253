/*
 * 63_ingest_output.sql
 *	  What is asked of positions: outliers, nearest photos, flight paths.
 *
 * All of it reads with the rights of the caller, under row security.  Names of
 * files are a stranger's: each format escapes them in its own way, and control
 * characters leave all of them.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION trident.csv_text(value text)
RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT '"' || replace(CASE WHEN v.text ~ '^[=+\-@]' THEN '''' ELSE '' END || v.text, '"', '""') || '"'
	FROM (VALUES (regexp_replace(coalesce(value, ''), '[\x01-\x1f\x7f-\x9f]', '', 'g'))) AS v (text));
COMMENT ON FUNCTION trident.csv_text(text) IS
	'text quoted for CSV; an apostrophe goes before what a spreadsheet would take for a formula, control characters are left out';

CREATE FUNCTION trident.decimal_text(value float8)
RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN trim_scale(round(value::numeric, 9))::text;
COMMENT ON FUNCTION trident.decimal_text(float8) IS
	'a number in decimals, never with an exponent, to 9 places';

CREATE FUNCTION trident.site_outlier(of_site bigint, multiplier float8)
RETURNS TABLE (photo bigint, axis text)
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	/* Across the antimeridian, western longitudes count on beyond 180. */
	WITH point AS (
		SELECT g.photo, g.latitude,
			CASE WHEN g.longitude < 0 AND max(g.longitude) OVER () - min(g.longitude) OVER () > 180
				THEN g.longitude + 360 ELSE g.longitude END AS longitude
		FROM trident.gps_point g JOIN trident.site_folder f ON f.id = g.folder
		WHERE g.site = of_site AND f.is_path),
	quartile AS (
		SELECT percentile_cont(ARRAY[0.25, 0.75]::float8[]) WITHIN GROUP (ORDER BY p.latitude) AS latitude,
			percentile_cont(ARRAY[0.25, 0.75]::float8[]) WITHIN GROUP (ORDER BY p.longitude) AS longitude
		FROM point p),
	bound AS (
		SELECT q.latitude[1] - multiplier * (q.latitude[2] - q.latitude[1]) AS south,
			q.latitude[2] + multiplier * (q.latitude[2] - q.latitude[1]) AS north,
			q.longitude[1] - multiplier * (q.longitude[2] - q.longitude[1]) AS west,
			q.longitude[2] + multiplier * (q.longitude[2] - q.longitude[1]) AS east
		FROM quartile q),
	test AS (
		SELECT p.photo, p.latitude NOT BETWEEN b.south AND b.north AS by_latitude,
			p.longitude NOT BETWEEN b.west AND b.east AS by_longitude
		FROM point p CROSS JOIN bound b)
	SELECT t.photo, CASE WHEN t.by_latitude AND t.by_longitude THEN 'both'
		WHEN t.by_latitude THEN 'latitude' ELSE 'longitude' END
	FROM test t
	WHERE t.by_latitude OR t.by_longitude;
END;
COMMENT ON FUNCTION trident.site_outlier(bigint, float8) IS
	'implements trident_gps_outliers';

CREATE FUNCTION trident.site_check(of_site bigint)
RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM trident.site s WHERE s.id = of_site) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('site %s does not exist', coalesce(of_site::text, 'NULL')),
			DETAIL = 'Or it belongs to a role that the current one is not a member of.',
			HINT = 'Choose an id of trident.site.';
	END IF;
END $$;
COMMENT ON FUNCTION trident.site_check(bigint) IS
	'an error unless the caller sees a site of that id';

CREATE FUNCTION @extschema@.trident_gps_outliers(site bigint, multiplier float8 DEFAULT 4.0)
RETURNS TABLE (photo bigint, folder text, name text, latitude float8, longitude float8, axis text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM trident.site_check(trident_gps_outliers.site);
	IF multiplier IS NULL OR NOT (multiplier >= 0 AND multiplier < 'Infinity') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('invalid multiplier: %s', coalesce(multiplier::text, 'NULL')),
			HINT = 'Pass a number from 0 on; 4 is usual.';
	END IF;
	RETURN QUERY
	SELECT o.photo, f.path, p.name, g.latitude, g.longitude, o.axis
	FROM trident.site_outlier(trident_gps_outliers.site, multiplier) o
		JOIN trident.gps_point g ON g.photo = o.photo
		JOIN trident.photo p ON p.id = o.photo
		JOIN trident.site_folder f ON f.id = g.folder
	ORDER BY f.path COLLATE "C", p.name;
END $$;
COMMENT ON FUNCTION @extschema@.trident_gps_outliers(bigint, float8) IS
	'photos of a site that are far from the others: whose latitude or longitude, or both (axis), lies more than multiplier times the interquartile range below the first or above the third quartile (interpolated linearly) of all photos in folders of the flight path (trident.site_folder.is_path); an error if the site does not exist';

CREATE FUNCTION @extschema@.trident_nearest_photos(site bigint, latitude float8, longitude float8, k integer DEFAULT 10)
RETURNS TABLE (photo bigint, folder text, name text, photo_latitude float8, photo_longitude float8,
	altitude_m float8, captured_at timestamptz, distance_m float8)
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	lat constant float8 := trident_nearest_photos.latitude;
	lon constant float8 := trident_nearest_photos.longitude;
BEGIN
	PERFORM trident.site_check(trident_nearest_photos.site);
	IF (lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180) IS NOT TRUE THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a position: latitude %s, longitude %s', coalesce(lat::text, 'NULL'), coalesce(lon::text, 'NULL')),
			HINT = 'Pass degrees: latitude of -90 to 90, longitude of -180 to 180.';
	END IF;
	IF k IS NULL OR k < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('invalid k: %s', coalesce(k::text, 'NULL')),
			HINT = 'Pass how many photos to return, 1 or more.';
	END IF;
	RETURN QUERY
	SELECT n.photo, f.path, p.name, n.latitude, n.longitude, n.altitude_m, p.captured_at, n.distance
	FROM (SELECT g.*, 2 * 6371008.8 * asin(sqrt(least(1,
				sind((g.latitude - lat) / 2) ^ 2 + cosd(lat) * cosd(g.latitude) * sind((g.longitude - lon) / 2) ^ 2))) AS distance
		  FROM trident.gps_point g
		  WHERE g.site = trident_nearest_photos.site
		  ORDER BY distance, g.photo
		  LIMIT k) n
		JOIN trident.photo p ON p.id = n.photo
		JOIN trident.site_folder f ON f.id = n.folder
	ORDER BY n.distance, n.photo;
END $$;
COMMENT ON FUNCTION @extschema@.trident_nearest_photos(bigint, float8, float8, integer) IS
	'the k photos of a site that were taken nearest to a position in degrees WGS84, nearest first: distance_m in meters along a sphere of the mean radius of the earth, heights left aside; an error if the site does not exist';

/* Points in the order of the flight: by the camera's clock, then by name. */
CREATE FUNCTION trident.flight_point(of_site bigint)
RETURNS TABLE (folder bigint, step bigint, photo bigint, name text, latitude float8, longitude float8,
	altitude_m float8, relative_altitude_m float8, direction float8, captured_at timestamptz,
	captured_local timestamp, is_outlier boolean)
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT g.folder,
		row_number() OVER (PARTITION BY g.folder
			ORDER BY coalesce(p.captured_local, p.captured_at AT TIME ZONE 'UTC'), p.name, p.id),
		g.photo, p.name, g.latitude, g.longitude, g.altitude_m, g.relative_altitude_m, g.direction,
		p.captured_at, p.captured_local,
		g.photo IN (SELECT o.photo FROM trident.site_outlier(of_site, 4.0) o)
	FROM trident.gps_point g JOIN trident.photo p ON p.id = g.photo
	WHERE g.site = of_site;
END;
COMMENT ON FUNCTION trident.flight_point(bigint) IS
	'the photos of a site with a position, numbered in each folder in the order of the flight';

CREATE FUNCTION trident.flight_geojson(of_site bigint)
RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH point AS (
		SELECT t.*, f.path, f.class, f.color, CASE WHEN t.altitude_m IS NULL
			THEN json_build_array(t.longitude, t.latitude)
			ELSE json_build_array(t.longitude, t.latitude, t.altitude_m) END AS coordinates
		FROM trident.flight_point(of_site) t JOIN trident.site_folder f ON f.id = t.folder),
	feature AS (
		/* A line has height in all of its points or in none. */
		SELECT p.path, 0 AS step, json_build_object('type', 'Feature',
			'geometry', json_build_object('type', 'LineString', 'coordinates',
				CASE WHEN bool_and(p.altitude_m IS NOT NULL) THEN json_agg(p.coordinates ORDER BY p.step)
				ELSE json_agg(json_build_array(p.longitude, p.latitude) ORDER BY p.step) END),
			'properties', json_build_object('folder', p.path, 'class', p.class, 'stroke', p.color, 'photos', count(*))) AS value
		FROM point p
		WHERE NOT p.is_outlier
		GROUP BY p.folder, p.path, p.class, p.color
		HAVING count(*) > 1
		UNION ALL
		SELECT p.path, p.step, json_build_object('type', 'Feature', 'id', p.photo,
			'geometry', json_build_object('type', 'Point', 'coordinates', p.coordinates),
			'properties', json_build_object('folder', p.path, 'name', p.name, 'class', p.class,
				'marker-color', p.color, 'relative_altitude_m', p.relative_altitude_m,
				'direction', p.direction, 'captured_at', p.captured_at,
				'captured_local', p.captured_local, 'is_outlier', p.is_outlier))
		FROM point p)
	SELECT json_build_object('type', 'FeatureCollection', 'features',
		coalesce((SELECT json_agg(f.value ORDER BY f.path COLLATE "C", f.step) FROM feature f), '[]'))::text;
END;
COMMENT ON FUNCTION trident.flight_geojson(bigint) IS
	'implements trident_flight_path';

CREATE FUNCTION trident.flight_title(of_site bigint)
RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT concat_ws(', ', coalesce('Site ' || s.site_code, nullif(regexp_replace(s.path, '^.*/', ''), ''), s.path), s.pilot)
	FROM trident.site s WHERE s.id = of_site;
END;
COMMENT ON FUNCTION trident.flight_title(bigint) IS
	'what a site is called: its code or folder, and the pilot';

CREATE FUNCTION trident.flight_kml(of_site bigint)
RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH point AS (
		SELECT t.*, trident.decimal_text(t.longitude) || ',' || trident.decimal_text(t.latitude)
			|| coalesce(',' || trident.decimal_text(t.altitude_m), '') AS coordinates,
			CASE WHEN t.altitude_m IS NULL THEN '' ELSE '<altitudeMode>absolute</altitudeMode>' END AS mode
		FROM trident.flight_point(of_site) t),
	folder AS (
		SELECT f.path, '<Style id="folder' || f.id || '"><LineStyle><color>' || k.color || '</color><width>3</width></LineStyle><IconStyle><color>'
			|| k.color || E'</color><scale>0.6</scale></IconStyle></Style>\n' AS style,
			'<Folder><name>' || trident.xml_text(CASE f.path WHEN '' THEN '(site)' ELSE f.path END) || '</name><description>'
			|| trident.xml_text(f.class) || E'</description>\n'
			|| coalesce((SELECT '<Placemark><name>flight</name><styleUrl>#folder' || f.id || '</styleUrl><LineString>'
					|| CASE WHEN bool_and(p.altitude_m IS NOT NULL) THEN '<altitudeMode>absolute</altitudeMode>' ELSE '<tessellate>1</tessellate>' END
					|| '<coordinates>' || string_agg(p.coordinates, ' ' ORDER BY p.step) || E'</coordinates></LineString></Placemark>\n'
				FROM point p WHERE p.folder = f.id AND NOT p.is_outlier HAVING count(*) > 1), '')
			|| coalesce((SELECT string_agg('<Placemark><name>' || trident.xml_text(p.name) || '</name>'
					|| coalesce('<TimeStamp><when>' || to_char(p.captured_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '</when></TimeStamp>', '')
					|| '<styleUrl>#folder' || f.id || '</styleUrl><Point>' || p.mode || '<coordinates>' || p.coordinates || E'</coordinates></Point></Placemark>\n',
					'' ORDER BY p.step)
				FROM point p WHERE p.folder = f.id), '')
			|| E'</Folder>\n' AS body
		FROM trident.site_folder f,
			LATERAL (SELECT 'ff' || substr(f.color, 6, 2) || substr(f.color, 4, 2) || substr(f.color, 2, 2) AS color) k
		WHERE f.site = of_site AND EXISTS (SELECT FROM point p WHERE p.folder = f.id))
	SELECT E'<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>'
		|| trident.xml_text(trident.flight_title(of_site)) || E'</name>\n'
		|| coalesce(string_agg(f.style, '' ORDER BY f.path COLLATE "C") || string_agg(f.body, '' ORDER BY f.path), '')
		|| E'</Document></kml>\n'
	FROM folder f;
END;
COMMENT ON FUNCTION trident.flight_kml(bigint) IS
	'implements trident_flight_path';

CREATE FUNCTION trident.flight_gpx(of_site bigint)
RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH point AS (
		SELECT t.*, f.path, f.class, ' lat="' || trident.decimal_text(t.latitude) || '" lon="' || trident.decimal_text(t.longitude) || '">'
			|| coalesce('<ele>' || trident.decimal_text(t.altitude_m) || '</ele>', '')
			|| coalesce('<time>' || to_char(t.captured_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '</time>', '')
			|| '<name>' || trident.xml_text(t.name) || '</name>' AS body
		FROM trident.flight_point(of_site) t JOIN trident.site_folder f ON f.id = t.folder),
	track AS (
		SELECT p.path, '<trk><name>' || trident.xml_text(CASE p.path WHEN '' THEN '(site)' ELSE p.path END) || '</name><type>'
			|| trident.xml_text(p.class) || E'</type><trkseg>\n'
			|| string_agg('<trkpt' || p.body || E'</trkpt>\n', '' ORDER BY p.step) || E'</trkseg></trk>\n' AS body
		FROM point p
		WHERE NOT p.is_outlier
		GROUP BY p.folder, p.path, p.class)
	SELECT E'<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="trident" xmlns="http://www.topografix.com/GPX/1/1"><metadata><name>'
		|| trident.xml_text(trident.flight_title(of_site)) || E'</name></metadata>\n'
		|| coalesce((SELECT string_agg('<wpt' || p.body || E'</wpt>\n', '' ORDER BY p.path COLLATE "C", p.step) FROM point p), '')
		|| coalesce((SELECT string_agg(t.body, '' ORDER BY t.path COLLATE "C") FROM track t), '')
		|| E'</gpx>\n';
END;
COMMENT ON FUNCTION trident.flight_gpx(bigint) IS
	'implements trident_flight_path';

CREATE FUNCTION trident.flight_csv(of_site bigint)
RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT E'folder,name,class,latitude,longitude,altitude_m,relative_altitude_m,direction,captured_at,captured_local,is_outlier\n'
		|| coalesce(string_agg(concat_ws(',', trident.csv_text(f.path), trident.csv_text(t.name), trident.csv_text(f.class),
			trident.decimal_text(t.latitude), trident.decimal_text(t.longitude),
			coalesce(trident.decimal_text(t.altitude_m), ''), coalesce(trident.decimal_text(t.relative_altitude_m), ''),
			coalesce(trident.decimal_text(t.direction), ''),
			coalesce(to_char(t.captured_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), ''),
			coalesce(to_char(t.captured_local, 'YYYY-MM-DD"T"HH24:MI:SS.MS'), ''), t.is_outlier::text) || E'\n',
			'' ORDER BY f.path COLLATE "C", t.step), '')
	FROM trident.flight_point(of_site) t JOIN trident.site_folder f ON f.id = t.folder;
END;
COMMENT ON FUNCTION trident.flight_csv(bigint) IS
	'implements trident_flight_path';

CREATE FUNCTION trident.flight_html(of_site bigint)
RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH point AS (
		SELECT t.folder, json_agg(json_build_array(t.longitude, t.latitude, t.altitude_m, t.relative_altitude_m,
			t.direction, t.name, to_char(coalesce(t.captured_local, t.captured_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD HH24:MI:SS'),
			t.is_outlier) ORDER BY t.step) AS points
		FROM trident.flight_point(of_site) t
		GROUP BY t.folder),
	folder AS (
		SELECT coalesce(json_agg(json_build_object('path', f.path, 'class', f.class, 'color', f.color, 'is_path', f.is_path,
				'images', f.images, 'bytes', f.bytes, 'error', f.error, 'points', coalesce(p.points, '[]')) ORDER BY f.path COLLATE "C"), '[]') AS folders,
			coalesce(sum(f.images), 0) AS images, coalesce(sum(f.bytes), 0) AS bytes
		FROM trident.site_folder f LEFT JOIN point p ON p.folder = f.id
		WHERE f.site = of_site)
	SELECT trident.flight_page(trident.flight_title(of_site),
		json_build_object('title', trident.flight_title(of_site), 'subtitle', s.source || ': ' || s.path,
			'images', f.images, 'bytes', f.bytes, 'folders', f.folders))
	FROM trident.site s CROSS JOIN folder f
	WHERE s.id = of_site;
END;
COMMENT ON FUNCTION trident.flight_html(bigint) IS
	'implements trident_flight_path';

CREATE FUNCTION @extschema@.trident_flight_path(site bigint, format text DEFAULT 'geojson')
RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM trident.site_check(site);
	CASE format
		WHEN 'geojson' THEN RETURN trident.flight_geojson(site);
		WHEN 'kml' THEN RETURN trident.flight_kml(site);
		WHEN 'gpx' THEN RETURN trident.flight_gpx(site);
		WHEN 'csv' THEN RETURN trident.flight_csv(site);
		WHEN 'html' THEN RETURN trident.flight_html(site);
		ELSE
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('invalid format: %s', coalesce(quote_literal(format), 'NULL')),
				HINT = 'Choose geojson, kml, gpx, csv or html.';
	END CASE;
END $$;
COMMENT ON FUNCTION @extschema@.trident_flight_path(bigint, text) IS
	'where the photos of a site were taken, as a path for each folder by the camera''s clock and a point for each photo, as geojson, kml, gpx, csv or html (one page that needs no network, colored by class of folder); outliers (trident_gps_outliers) are points but not of a path; degrees WGS84, meters; an error if the site does not exist';

CREATE FUNCTION @extschema@.trident_postgis_enable()
RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	postgis text;
BEGIN
	SELECT quote_ident(n.nspname) INTO postgis
	FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
	WHERE e.extname = 'postgis';
	IF postgis IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'PostGIS is not installed in this database',
			HINT = 'Run CREATE EXTENSION postgis first.';
	END IF;
	EXECUTE format($view$
		CREATE OR REPLACE VIEW trident.gps_geometry WITH (security_invoker = true) AS
		SELECT g.photo, g.site, g.folder, p.name, f.path AS folder_path, f.class, f.color,
			g.altitude_m, g.relative_altitude_m, g.direction, p.captured_at, p.captured_local,
			%1$s.ST_SetSRID(%1$s.ST_MakePoint(g.longitude, g.latitude, coalesce(g.altitude_m, 0)), 4326)::%1$s.geometry(PointZ, 4326) AS geom,
			%1$s.ST_SetSRID(%1$s.ST_MakePoint(g.longitude, g.latitude, coalesce(g.altitude_m, 0)), 4326)::%1$s.geography(PointZ, 4326) AS geog
		FROM trident.gps_point g
			JOIN trident.photo p ON p.id = g.photo
			JOIN trident.site_folder f ON f.id = g.folder$view$, postgis);
	COMMENT ON VIEW trident.gps_geometry IS
		'positions of photos as PostGIS geometry and geography (PointZ, 4326; height 0 where none is known); made by trident_postgis_enable()';
	GRANT SELECT ON trident.gps_geometry TO PUBLIC;
	RETURN 'view trident.gps_geometry created';
END $$;
REVOKE EXECUTE ON FUNCTION @extschema@.trident_postgis_enable() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.trident_postgis_enable() IS
	'creates the view trident.gps_geometry: positions of photos as PostGIS geometry and geography; it belongs to the caller, not to the extension: drop it before DROP EXTENSION trident or postgis; an error if PostGIS is not installed';
