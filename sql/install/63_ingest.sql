/*
 * 63_ingest.sql
 *	  Ingesting photos: a job of the ingest worker.
 */

SET LOCAL search_path = trident, pg_temp;

CREATE FUNCTION @extschema@.trident_ingest(
	source text,
	path text,
	recursive boolean DEFAULT true,
	max_depth integer DEFAULT 32,
	include text[] DEFAULT NULL,
	exclude text[] DEFAULT '{}',
	dry_run boolean DEFAULT false,
	xmp text DEFAULT 'auto')
	RETURNS bigint
	AS 'MODULE_PATHNAME', 'trident_ingest'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION @extschema@.trident_ingest(text, text, boolean, integer, text[], text[], boolean, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.trident_ingest(text, text, boolean, integer, text[], text[], boolean, text) IS
	'submits a job that writes the positions of the photos below a folder of a source into trident.photo and trident.gps_point, and returns its id; begins when the transaction commits, see trident.job and trident_job_wait; unchanged images (path, size, time of last change) are not read again; recursive, max_depth: folders below it too; include: patterns of images instead of jpg, jpeg, png, tif, tiff, dng, webp, heic, heif and avif; exclude: patterns of images and folders (names, or paths below it where the pattern has a slash; in either case); dry_run: only lists and counts; xmp: auto, always or never read XMP for what EXIF lacks; links and names that begin with a dot are left out';
