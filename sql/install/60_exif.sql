/*
 * 60_exif.sql
 *	  What photos tell, out of their first bytes.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION @extschema@.trident_exif(head bytea, file_size bigint DEFAULT NULL)
RETURNS jsonb
	AS 'MODULE_PATHNAME', 'trident_exif' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.trident_exif(bytea, bigint) IS
	'tags of a photo (EXIF: IFD0, EXIF, GPS; XMP of EXIF, camera and drone) under exiftool''s names: numbers as numbers, several values as an array, degrees as decimal ones without sign; head is the file or its beginning, of which as much is told as is there; NULL if it is no image of a known format';

CREATE FUNCTION @extschema@.trident_exif_gps(
	head bytea,
	file_size bigint DEFAULT NULL,
	xmp text DEFAULT 'auto',
	OUT latitude float8,
	OUT longitude float8,
	OUT altitude_m float8,
	OUT altitude_source text,
	OUT relative_altitude_m float8,
	OUT direction float8,
	OUT captured_at timestamptz,
	OUT make text,
	OUT model text,
	OUT status text,
	OUT reason text,
	OUT need_from bigint,
	OUT need_to bigint,
	OUT position_source text,
	OUT direction_ref "char",
	OUT captured_local timestamp,
	OUT captured_zone text)
	AS 'MODULE_PATHNAME', 'trident_exif_gps' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.trident_exif_gps(bytea, bigint, text) IS
	'where and when a photo was taken: degrees WGS84, north and east positive; altitude_m in meters above sea, or above the ellipsoid if altitude_source says so; relative_altitude_m above the take-off; direction in degrees clockwise of the north that direction_ref names (T, M); captured_at a moment, captured_local what the camera''s clock showed; status found, absent, invalid with a reason, or need: then head is too short, and bytes need_from to need_to (exclusive) of the file are to be there; head is the file or its beginning, file_size (bytes) its size if known; xmp (auto, always, never) says when XMP is read for what EXIF does not have; all NULL for a NULL head';
