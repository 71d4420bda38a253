/*
 * load-site.sql
 *	  A folder of photos on the server, made by test/tools/photo, as a site:
 *	  what ingest does, without a source.
 *
 * psql variables: folder.  Sets site to the id.
 */
INSERT INTO trident.site (source, path) VALUES ('files', '/homes/Ada/20240612_tower') RETURNING id AS site \gset
CREATE TEMP TABLE file AS
SELECT d.name AS folder, f.name, s.size, s.modification AS modified, g.*
FROM pg_ls_dir(:'folder') AS d (name), pg_ls_dir(:'folder' || '/' || d.name) AS f (name),
	pg_stat_file(:'folder' || '/' || d.name || '/' || f.name) s,
	trident_exif_gps(pg_read_binary_file(:'folder' || '/' || d.name || '/' || f.name, 0, 8192), s.size) g;
INSERT INTO trident.site_folder (site, path, files, images, bytes, points)
SELECT :site, folder, count(*), count(*), sum(size), count(latitude) FROM file GROUP BY folder;
INSERT INTO trident.photo (site, folder, name, size, modified, status, reason, captured_at, captured_local, captured_zone, make, model)
SELECT :site, d.id, f.name, f.size, f.modified, f.status, f.reason, f.captured_at, f.captured_local, f.captured_zone, f.make, f.model
FROM file f JOIN trident.site_folder d ON d.site = :site AND d.path = f.folder;
INSERT INTO trident.gps_point (photo, site, folder, latitude, longitude, position_source, altitude_m, altitude_source, relative_altitude_m, direction, direction_ref)
SELECT p.id, :site, d.id, f.latitude, f.longitude, f.position_source, f.altitude_m, f.altitude_source, f.relative_altitude_m, f.direction, f.direction_ref
FROM file f JOIN trident.site_folder d ON d.site = :site AND d.path = f.folder
	JOIN trident.photo p ON p.folder = d.id AND p.name = f.name
WHERE f.status = 'found';
DROP TABLE file;
