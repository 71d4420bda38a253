/*
 * exif_parse.c
 *	  Which format a file is of, and what it tells in the end.
 */
#include "c.h"

#include "ingest/exif_walk.h"

#define LOOK 16					/* bytes that tell the format */
#define RAF_JPEG_OFFSET 84
/* GPS in XMP is read for these makes too: they add the relative altitude. */
static const char *const drone_makes[] = {
	"DJI", "Hasselblad", "Autel", "Parrot", "Skydio", "senseFly", "XAG", "Yuneec"
};

static const char *const status_names[] = {
	[TRIDENT_EXIF_FOUND] = "found", [TRIDENT_EXIF_ABSENT] = "absent",
	[TRIDENT_EXIF_INVALID] = "invalid", [TRIDENT_EXIF_NEED] = "need"
};

static const char *const reason_names[] = {
	[TRIDENT_EXIF_REASON_NONE] = NULL,
	[TRIDENT_EXIF_REASON_FORMAT] = "format",
	[TRIDENT_EXIF_REASON_NO_EXIF] = "no_exif",
	[TRIDENT_EXIF_REASON_NO_GPS] = "no_gps",
	[TRIDENT_EXIF_REASON_NO_POSITION] = "no_position",
	[TRIDENT_EXIF_REASON_INCOMPLETE] = "incomplete",
	[TRIDENT_EXIF_REASON_NO_REF] = "no_ref",
	[TRIDENT_EXIF_REASON_UNDEFINED] = "undefined",
	[TRIDENT_EXIF_REASON_TYPE] = "type",
	[TRIDENT_EXIF_REASON_RANGE] = "range",
	[TRIDENT_EXIF_REASON_ZERO] = "zero",
	[TRIDENT_EXIF_REASON_VOID] = "void",
	[TRIDENT_EXIF_REASON_DATUM] = "datum",
	[TRIDENT_EXIF_REASON_DAMAGED] = "damaged",
	[TRIDENT_EXIF_REASON_COMPRESSED] = "compressed",
	[TRIDENT_EXIF_REASON_TRUNCATED] = "truncated",
	[TRIDENT_EXIF_REASON_LIMIT] = "limit"
};

static const char *const source_names[] = {
	[TRIDENT_EXIF_SOURCE_NONE] = NULL, [TRIDENT_EXIF_SOURCE_EXIF] = "exif",
	[TRIDENT_EXIF_SOURCE_ELLIPSOID] = "ellipsoid",
	[TRIDENT_EXIF_SOURCE_XMP] = "xmp", [TRIDENT_EXIF_SOURCE_DRONE] = "drone"
};

static const char *const zone_names[] = {
	[TRIDENT_EXIF_ZONE_UNKNOWN] = NULL, [TRIDENT_EXIF_ZONE_OFFSET] = "offset",
	[TRIDENT_EXIF_ZONE_GPS] = "gps"
};

/* See exif.h. */
const char *
trident_exif_status_name(TridentExifStatus status)
{
	return status_names[status];
}

/* See exif.h. */
const char *
trident_exif_reason_name(TridentExifReason reason)
{
	return reason_names[reason];
}

/* See exif.h. */
const char *
trident_exif_source_name(TridentExifSource source)
{
	return source_names[source];
}

/* See exif.h. */
const char *
trident_exif_zone_name(TridentExifZone zone)
{
	return zone_names[zone];
}

/* See exif_walk.h. */
bool
trident_exif_has_no_coordinate(const TridentExifResult *result)
{
	return result->position_source == TRIDENT_EXIF_SOURCE_NONE &&
		(result->reason == TRIDENT_EXIF_REASON_NONE ||
		 result->reason == TRIDENT_EXIF_REASON_NO_EXIF ||
		 result->reason == TRIDENT_EXIF_REASON_NO_GPS ||
		 result->reason == TRIDENT_EXIF_REASON_NO_POSITION);
}

/*
 * The walker for a file that begins with these bytes, and where it begins; a
 * TIFF is a place itself.  NULL and no place: none that is read here.
 */
static TridentExifLocate
recognize(const TridentExifReader *reader, const uint8 *head, uint64 *start,
		  TridentExifPlaces *places)
{
	uint64		size = reader->input->file_size;

	*start = 0;
	if (memcmp(head, "\xff\xd8\xff", 3) == 0)
	{
		*start = 2;
		return trident_exif_jpeg_locate;
	}
	if (memcmp(head, "\xff\x01" "Exiv2", 7) == 0)
	{
		*start = 7;
		return trident_exif_jpeg_locate;
	}
	if (memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0)
	{
		*start = 8;
		return trident_exif_png_locate;
	}
	if (memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WEBP", 4) == 0)
	{
		*start = 12;
		return trident_exif_webp_locate;
	}
	if (memcmp(head + 4, "ftyp", 4) == 0 ||
		memcmp(head, "\0\0\0\x0cJXL \r\n\x87\n", 12) == 0 ||
		memcmp(head, "\0\0\0\x0cjP  \r\n\x87\n", 12) == 0)
		return trident_exif_boxes_locate;
	if (memcmp(head, "Exif\0", 5) == 0)
		trident_exif_span(&places->tiff, 6, size - 6);
	else if (memcmp(head, "II*\0", 4) == 0 || memcmp(head, "MM\0*", 4) == 0 ||
			 memcmp(head, "II+\0", 4) == 0 || memcmp(head, "MM\0+", 4) == 0 ||
			 memcmp(head, "IIRO", 4) == 0 || memcmp(head, "IIRS", 4) == 0 ||
			 memcmp(head, "MMOR", 4) == 0 || memcmp(head, "IIU\0", 4) == 0)
		trident_exif_span(&places->tiff, 0, size);
	return NULL;
}

/* A Fujifilm raw file says where the JPEG in it is. */
static bool
locate_in_raf(TridentExifReader *reader, bool want_xmp, TridentExifPlaces *places)
{
	uint8		bytes[4];
	uint64		at;

	if (!trident_exif_read(reader, RAF_JPEG_OFFSET, 4, bytes, TRIDENT_EXIF_GULP_BLOCK))
		return true;
	at = trident_exif_big32(bytes);
	if (!trident_exif_read(reader, at, 3, bytes, TRIDENT_EXIF_GULP_BLOCK))
		return true;
	if (memcmp(bytes, "\xff\xd8\xff", 3) == 0)
		trident_exif_jpeg_locate(reader, at + 2, want_xmp, places);
	else
		reader->is_damaged = true;
	return true;
}

/* See exif_walk.h. */
bool
trident_exif_locate(TridentExifReader *reader, bool want_xmp,
					TridentExifPlaces *places)
{
	uint8		head[LOOK];
	uint64		start;
	TridentExifLocate locate;

	if (reader->input->file_size < LOOK)
		return false;
	if (!trident_exif_read(reader, 0, LOOK, head, TRIDENT_EXIF_HEAD))
		return true;
	if (memcmp(head, "FUJIFILMCCD-RAW ", LOOK) == 0)
		return locate_in_raf(reader, want_xmp, places);
	locate = recognize(reader, head, &start, places);
	if (locate != NULL)
		locate(reader, start, want_xmp, places);
	return locate != NULL || places->tiff.is_known;
}

/* Is XMP to be read for what EXIF has told? */
static bool
wants_xmp(TridentExifXmp xmp, const TridentExifResult *result)
{
	if (xmp != TRIDENT_EXIF_XMP_AUTO)
		return xmp == TRIDENT_EXIF_XMP_ALWAYS;
	if (trident_exif_has_no_coordinate(result))
		return true;
	for (int i = 0; i < (int) lengthof(drone_makes); i++)
	{
		if (trident_exif_text_begins(result->make, drone_makes[i]))
			return true;
	}
	return false;
}

/*
 * Ask for what is needed, if that is still allowed; false if it is not.
 */
static bool
ask_for(const TridentExifInput *input, const TridentExifNeed *need,
		TridentExifResult *result)
{
	uint64		read = 0;

	/* What came first is the caller's choice. */
	for (int i = 1; i < input->count; i++)
		read += Min(input->ranges[i].length, TRIDENT_EXIF_MAX_BYTES);
	if (input->count >= TRIDENT_EXIF_MAX_READS || read >= TRIDENT_EXIF_MAX_BYTES)
		return false;
	result->need_from = need->from;
	result->need_to = need->from + Min(need->to - need->from,
									   TRIDENT_EXIF_MAX_BYTES - read);
	return true;
}

/* The answer to what was found, or could not be. */
static TridentExifStatus
conclude(const TridentExifReader *reader, TridentExifResult *result)
{
	bool		is_found = result->position_source != TRIDENT_EXIF_SOURCE_NONE;
	bool		is_open = !is_found && trident_exif_has_no_coordinate(result);

	if (reader->need.to > 0)
	{
		if (ask_for(reader->input, &reader->need, result))
		{
			result->reason = TRIDENT_EXIF_REASON_NONE;
			return TRIDENT_EXIF_NEED;
		}
		if (!is_found)
			result->reason = TRIDENT_EXIF_REASON_LIMIT;
	}
	else if (is_found && reader->optional.to > 0 &&
			 ask_for(reader->input, &reader->optional, result))
		return TRIDENT_EXIF_NEED;
	else if (is_open && reader->steps <= 0)
		result->reason = TRIDENT_EXIF_REASON_LIMIT;
	else if (is_open && reader->is_compressed)
		result->reason = TRIDENT_EXIF_REASON_COMPRESSED;
	else if (is_open && reader->is_damaged)
		result->reason = TRIDENT_EXIF_REASON_DAMAGED;
	else if (is_open && reader->is_truncated)
		result->reason = TRIDENT_EXIF_REASON_TRUNCATED;

	if (is_found)
		return TRIDENT_EXIF_FOUND;
	return result->reason <= TRIDENT_EXIF_REASON_NO_POSITION ?
		TRIDENT_EXIF_ABSENT : TRIDENT_EXIF_INVALID;
}

/* See exif.h. */
TridentExifStatus
trident_exif_parse(const TridentExifInput *input, TridentExifResult *result)
{
	TridentExifReader reader = {0};
	TridentExifPlaces places = {0};

	memset(result, 0, sizeof(*result));
	result->reason = TRIDENT_EXIF_REASON_NO_EXIF;
	reader.input = input;
	reader.steps = TRIDENT_EXIF_MAX_STEPS;
	if (!trident_exif_locate(&reader, false, &places))
		result->reason = TRIDENT_EXIF_REASON_FORMAT;
	else
	{
		if (places.tiff.is_known)
			trident_exif_gps_read(&reader, &places, result);
		if (reader.need.to == 0 && wants_xmp(input->xmp, result))
		{
			reader.is_optional = !trident_exif_has_no_coordinate(result);
			if (!places.xmp.is_known)
				(void) trident_exif_locate(&reader, true, &places);
			reader.is_optional = false;
			if (places.xmp.is_known)
				trident_exif_xmp_read(&reader, &places.xmp, result);
		}
	}
	result->status = conclude(&reader, result);
	return result->status;
}
