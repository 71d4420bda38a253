/*
 * exif_chunks.c
 *	  Where EXIF and XMP stand in PNG and WebP.
 *
 * Both are chunks of type and length.
 */
#include "c.h"

#include "ingest/exif_walk.h"

#define PNG_HEAD 8				/* length and type of a chunk */
#define PNG_CRC 4
/* How far from the end of a PNG EXIF behind the picture is looked for. */
#define PNG_TAIL 16384

#define WEBP_HAS_EXIF 0x08
#define WEBP_HAS_XMP 0x04

static const char png_xmp_name[] = "XML:com.adobe.xmp";

/* Look into a chunk of a PNG that may be EXIF or XMP. */
static void
look_into_png(TridentExifReader *reader, const uint8 *type, uint64 start,
			  uint64 length, TridentExifPlaces *places)
{
	/* The name with its NUL, compressed or not, method. */
	char		name[sizeof(png_xmp_name) + 2];

	if (memcmp(type, "eXIf", 4) == 0)
		trident_exif_span(&places->tiff, start, length);
	else if (memcmp(type, "iTXt", 4) == 0 && length >= sizeof(name) &&
			 trident_exif_read(reader, start, sizeof(name), name,
							   TRIDENT_EXIF_GULP_BLOCK) &&
			 memcmp(name, png_xmp_name, sizeof(png_xmp_name)) == 0 &&
			 name[sizeof(png_xmp_name)] == 0)
		/* Language and translated name, both ended by NUL, are no markup. */
		trident_exif_span(&places->xmp, start + sizeof(name),
						  length - sizeof(name));
}

/*
 * Walk over the chunks from at on.  True if they end where the file does.
 * behind_picture: set when the data of the picture are met, where the walk
 * then ends; NULL walks over them.
 */
static bool
walk_png(TridentExifReader *reader, uint64 at, TridentExifPlaces *places,
		 bool *behind_picture)
{
	uint8		head[PNG_HEAD];

	for (;;)
	{
		uint64		length;

		if (!trident_exif_step(reader) ||
			!trident_exif_read(reader, at, PNG_HEAD, head, TRIDENT_EXIF_GULP_HEADER))
			return false;
		length = trident_exif_big32(head);
		if (length > PG_INT32_MAX)
		{
			reader->is_damaged = true;
			return false;
		}
		if (memcmp(head + 4, "IEND", 4) == 0)
			return at + PNG_HEAD + PNG_CRC == reader->input->file_size;
		if (behind_picture != NULL && memcmp(head + 4, "IDAT", 4) == 0)
		{
			*behind_picture = true;
			return true;
		}
		look_into_png(reader, head + 4, at + PNG_HEAD, length, places);
		at += PNG_HEAD + length + PNG_CRC;
	}
}

/*
 * Find EXIF behind the picture.  The chunks of the picture may be thousands,
 * too many to read the header of each, so chunks are looked for backwards from
 * the end: something that reads like the header of one counts if chunks lead
 * from there exactly to the end of the file.
 */
static void
search_png_tail(TridentExifReader *reader, TridentExifPlaces *places)
{
	uint64		size = reader->input->file_size;
	uint64		start;
	uint8		window[512];

	start = size > PNG_TAIL ? size - PNG_TAIL : 0;
	for (uint64 at = start; at + PNG_HEAD < size; at += sizeof(window) - PNG_HEAD)
	{
		int			length = (int) Min(sizeof(window), size - at);

		if (!trident_exif_read(reader, at, length, window, size - at))
			return;
		for (int i = 4; i + 4 <= length; i++)
		{
			TridentExifPlaces found = {0};
			TridentExifReader trial = *reader;

			if (memcmp(window + i, "eXIf", 4) != 0)
				continue;
			trial.steps = Min(trial.steps, 64);
			if (walk_png(&trial, at + i - 4, &found, NULL))
			{
				trident_exif_span(&places->tiff, found.tiff.start,
								  found.tiff.end - found.tiff.start);
				return;
			}
		}
	}
}

/* See exif_walk.h.  start: of the first chunk. */
void
trident_exif_png_locate(TridentExifReader *reader, uint64 start, bool want_xmp,
						TridentExifPlaces *places)
{
	bool		behind_picture = false;

	/* Without the size of the file, there is no end to look backwards from. */
	if (reader->input->file_size == TRIDENT_EXIF_SIZE_UNKNOWN)
	{
		(void) walk_png(reader, start, places, NULL);
		return;
	}
	(void) walk_png(reader, start, places, &behind_picture);
	if (behind_picture && !places->tiff.is_known)
		search_png_tail(reader, places);
}

/* See exif_walk.h.  start: of the first chunk. */
void
trident_exif_webp_locate(TridentExifReader *reader, uint64 start,
						 bool want_xmp, TridentExifPlaces *places)
{
	uint64		at = start;
	uint8		head[9];

	/* The first chunk tells what there is; a simple file has neither. */
	if (!trident_exif_read(reader, at, sizeof(head), head, TRIDENT_EXIF_GULP_BLOCK) ||
		memcmp(head, "VP8X", 4) != 0)
		return;
	if ((head[8] & (want_xmp ? WEBP_HAS_XMP : WEBP_HAS_EXIF)) == 0)
		return;
	while (!(want_xmp ? places->xmp.is_known : places->tiff.is_known))
	{
		uint64		length;
		char		name[6];

		if (at >= reader->input->file_size || !trident_exif_step(reader) ||
			!trident_exif_read(reader, at, 8, head, TRIDENT_EXIF_GULP_BLOCK))
			return;
		length = (uint64) head[4] | (uint64) head[5] << 8 |
			(uint64) head[6] << 16 | (uint64) head[7] << 24;
		at += 8;
		if (memcmp(head, "XMP ", 4) == 0)
			trident_exif_span(&places->xmp, at, length);
		else if (memcmp(head, "EXIF", 4) == 0)
		{
			int			skip;

			/* Some writers leave the name that it has in a JPEG. */
			if (length < 6 || !trident_exif_read(reader, at, 6, name,
												 TRIDENT_EXIF_GULP_BLOCK))
				return;
			skip = memcmp(name, "Exif\0", 5) == 0 ? 6 : 0;
			trident_exif_span(&places->tiff, at + skip, length - skip);
		}
		at += length + (length & 1);
	}
}
