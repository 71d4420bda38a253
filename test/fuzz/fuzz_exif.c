/*
 * fuzz_exif.c
 *	  The parser of photos on any file, read as a whole and by parts.
 *
 * The first byte chooses the length of the head and when XMP is read.  No
 * answer may be a position off the globe; reading ends within the limits; what
 * is asked for lies in the file and was not known; and the position that is
 * found by parts is the one that is found in the whole.
 */
#include "postgres.h"

#include <math.h>

#include "shim.h"
#include "ingest/exif_walk.h"

/* What has to hold of every answer. */
static void
check_result(const TridentExifResult *r, uint64 size)
{
	SHIM_HOLDS((r->status == TRIDENT_EXIF_FOUND) <=
			   (r->position_source != TRIDENT_EXIF_SOURCE_NONE));
	if (r->position_source != TRIDENT_EXIF_SOURCE_NONE)
	{
		SHIM_HOLDS(fabs(r->latitude) <= 90 && fabs(r->longitude) <= 180);
		SHIM_HOLDS(r->latitude != 0 || r->longitude != 0);
	}
	if (r->status == TRIDENT_EXIF_NEED)
		SHIM_HOLDS(r->need_from < r->need_to && r->need_to <= size);
	else
		SHIM_HOLDS((r->status == TRIDENT_EXIF_FOUND) ==
				   (r->reason == TRIDENT_EXIF_REASON_NONE));
	if (r->altitude_source != TRIDENT_EXIF_SOURCE_NONE)
		SHIM_HOLDS(fabs(r->altitude_m) <= 100000);
	if (r->direction_ref != 0)
		SHIM_HOLDS(r->direction >= 0 && r->direction < 360);
	SHIM_HOLDS(strlen(r->make) < TRIDENT_EXIF_TEXT && strlen(r->model) < TRIDENT_EXIF_TEXT);
	SHIM_HOLDS(trident_exif_status_name(r->status) != NULL);
}

/* Read by parts; false if that met a limit. */
static bool
read_by_parts(const uint8 *bytes, uint64 size, uint64 head, TridentExifXmp xmp,
			  TridentExifResult *result)
{
	TridentExifRange ranges[TRIDENT_EXIF_MAX_READS + 1];
	TridentExifInput input = {ranges, 0, size, xmp};
	uint64		from = 0;
	uint64		to = Min(head, size);

	for (;;)
	{
		TridentExifRange *range = &ranges[input.count];

		SHIM_HOLDS(input.count < TRIDENT_EXIF_MAX_READS);
		range->offset = from;
		range->length = to - from;
		range->bytes = memcpy(palloc(Max(to - from, 1)), bytes + from, to - from);
		input.count++;
		(void) trident_exif_parse(&input, result);
		check_result(result, size);
		if (result->status != TRIDENT_EXIF_NEED)
			return result->reason != TRIDENT_EXIF_REASON_LIMIT &&
				input.count < TRIDENT_EXIF_MAX_READS;
		from = result->need_from;
		to = result->need_to;
		for (int i = 0; i < input.count; i++)
			SHIM_HOLDS(from < ranges[i].offset ||
					   from >= ranges[i].offset + ranges[i].length);
	}
}

static void
ignore_tag(TridentExifTiff *tiff, TridentExifDirectory directory,
		   const TridentExifEntry *entry, void *arg)
{
	double		value;

	(void) trident_exif_tag_name(directory, entry->tag);
	(void) trident_exif_sexagesimal(tiff, entry, &value);
}

static void
ignore_property(void *arg, const char *name, const char *value)
{
	SHIM_HOLDS(*value != '\0' && strlen(name) < 256);
}

/* What trident_exif does. */
static void
walk_all(const TridentExifInput *input)
{
	TridentExifReader reader = {0};
	TridentExifPlaces places = {0};

	reader.input = input;
	reader.steps = TRIDENT_EXIF_MAX_STEPS;
	(void) trident_exif_locate(&reader, true, &places);
	if (places.tiff.is_known)
		trident_exif_tags_walk(&reader, &places, ignore_tag, NULL);
	if (places.xmp.is_known)
		trident_exif_xmp_walk(&reader, &places.xmp, ignore_property, NULL, NULL);
}

int			LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	TridentExifRange range = {0};
	TridentExifInput input = {&range, 1, 0, TRIDENT_EXIF_XMP_AUTO};
	TridentExifResult whole;
	TridentExifResult parts;
	uint8		choice;

	if (size < 1)
		return 0;
	choice = data[0];
	size--;
	range.length = size;
	range.bytes = memcpy(palloc(Max(size, 1)), data + 1, size);
	input.xmp = (TridentExifXmp) (choice % 3);

	/* A file of unknown size may need more; one of known size never does. */
	input.file_size = TRIDENT_EXIF_SIZE_UNKNOWN;
	(void) trident_exif_parse(&input, &whole);
	check_result(&whole, TRIDENT_EXIF_SIZE_UNKNOWN);
	input.file_size = size;
	SHIM_HOLDS(trident_exif_parse(&input, &whole) != TRIDENT_EXIF_NEED);
	check_result(&whole, size);

	if (read_by_parts(range.bytes, size, 1 + 16 * (choice / 3), input.xmp, &parts))
	{
		SHIM_HOLDS(parts.status == whole.status && parts.reason == whole.reason);
		SHIM_HOLDS(parts.latitude == whole.latitude && parts.longitude == whole.longitude);
	}
	else if (parts.status == TRIDENT_EXIF_FOUND && whole.status == TRIDENT_EXIF_FOUND)
		SHIM_HOLDS(parts.latitude == whole.latitude && parts.longitude == whole.longitude);
	walk_all(&input);
	shim_reset();
	return 0;
}
