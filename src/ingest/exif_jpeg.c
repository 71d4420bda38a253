/*
 * exif_jpeg.c
 *	  Where EXIF and XMP stand in JPEG files, and in what is made like them.
 *
 * A JPEG is segments, marker and length each, up to the picture itself.  EXIF
 * and XMP are segments APP1 with a name of their own.  EXV (Exiv2) has other
 * bytes at its beginning, RAF (Fujifilm) has a whole JPEG in it.
 */
#include "c.h"

#include "ingest/exif_walk.h"

#define MARKER_APP1 0xe1
#define MARKER_START_OF_SCAN 0xda
#define MARKER_END_OF_IMAGE 0xd9
/* Bytes of anything between two segments that are forgiven. */
#define MAX_GARBAGE 64

static const char exif_name[] = "Exif\0";	/* and one byte of anything */
static const char xmp_name[] = "http://ns.adobe.com/xap/1.0/";

/* Look into a segment APP1; length bytes from start on. */
static bool
look_into(TridentExifReader *reader, uint64 start, uint64 length,
		  TridentExifPlaces *places)
{
	char		name[sizeof(xmp_name)];

	if (length < 6)
		return true;
	if (!trident_exif_read(reader, start, 6, name, TRIDENT_EXIF_GULP_BLOCK))
		return false;
	if (memcmp(name, exif_name, 5) == 0)
	{
		trident_exif_span(&places->tiff, start + 6, length - 6);
		return true;
	}
	if (memcmp(name, xmp_name, 6) != 0 || length < sizeof(xmp_name))
		return true;
	if (!trident_exif_read(reader, start, sizeof(xmp_name), name,
						   TRIDENT_EXIF_GULP_BLOCK))
		return false;
	if (memcmp(name, xmp_name, sizeof(xmp_name)) == 0)
		trident_exif_span(&places->xmp, start + sizeof(xmp_name),
						  length - sizeof(xmp_name));
	return true;
}

/* See exif_walk.h.  start: of the first segment. */
void
trident_exif_jpeg_locate(TridentExifReader *reader, uint64 start,
						 bool want_xmp, TridentExifPlaces *places)
{
	uint64		at = start;
	int			garbage = 0;
	uint8		head[4];

	while (!(want_xmp ? places->xmp.is_known : places->tiff.is_known))
	{
		uint64		length;

		if (!trident_exif_step(reader) ||
			!trident_exif_read(reader, at, 2, head, TRIDENT_EXIF_GULP_HEADER))
			return;
		if (head[0] != 0xff || head[1] == 0xff)
		{
			/* Fill bytes may be any number, garbage not. */
			if (head[0] != 0xff && ++garbage > MAX_GARBAGE)
			{
				reader->is_damaged = true;
				return;
			}
			at++;
			continue;
		}
		if (head[1] == MARKER_START_OF_SCAN || head[1] == MARKER_END_OF_IMAGE)
			return;
		if (!trident_exif_read(reader, at, 4, head, TRIDENT_EXIF_GULP_HEADER))
			return;
		length = trident_exif_big16(head + 2);
		if (length < 2)
		{
			reader->is_damaged = true;
			return;
		}
		if (head[1] == MARKER_APP1 &&
			!look_into(reader, at + 4, length - 2, places))
			return;
		at += 2 + length;
	}
}
