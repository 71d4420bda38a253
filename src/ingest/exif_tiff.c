/*
 * exif_tiff.c
 *	  TIFF: directories (IFDs) and their entries.
 *
 * All formats keep EXIF as a TIFF structure: a header with the byte order and
 * the offset of the first directory, directories of entries of 12 bytes (20
 * in BigTIFF), each with its value if that has no more than 4 (8) bytes, else
 * with its offset.  Offsets count from the header, and lead anywhere in a
 * hostile file: none is followed that leaves the span of the structure, and no
 * directory leads to another one but by the two pointers that exif_gps.c knows,
 * so that there is nothing to loop in.
 */
#include "c.h"

#include "ingest/exif_walk.h"

#define TIFF_MAGIC 42
#define BIG_TIFF_MAGIC 43
#define ORF_MAGIC 0x4f52		/* Olympus */
#define ORF_OLD_MAGIC 0x5352
#define RW2_MAGIC 0x55			/* Panasonic */

static const uint8 type_size[] = {
	[TRIDENT_EXIF_BYTE] = 1, [TRIDENT_EXIF_ASCII] = 1,
	[TRIDENT_EXIF_SHORT] = 2, [TRIDENT_EXIF_LONG] = 4,
	[TRIDENT_EXIF_RATIONAL] = 8, [TRIDENT_EXIF_SBYTE] = 1,
	[TRIDENT_EXIF_UNDEFINED] = 1, [TRIDENT_EXIF_SSHORT] = 2,
	[TRIDENT_EXIF_SLONG] = 4, [TRIDENT_EXIF_SRATIONAL] = 8,
	[TRIDENT_EXIF_FLOAT] = 4, [TRIDENT_EXIF_DOUBLE] = 8,
	[13] = 4 /* IFD */ , [16] = 8, [17] = 8, [18] = 8	/* of BigTIFF */
};

/* See exif_walk.h. */
uint64
trident_exif_number(const TridentExifTiff *tiff, const uint8 *bytes, int length)
{
	uint64		number = 0;

	for (int i = 0; i < length; i++)
		number = number << 8 | bytes[tiff->is_little ? length - 1 - i : i];
	return number;
}

/*
 * Copy length bytes at an offset of the structure.  They must be within it.
 */
static bool
read_offset(TridentExifTiff *tiff, uint64 offset, uint64 length, void *to)
{
	uint64		room = tiff->span.end - tiff->span.start;

	if (offset > room || length > room - offset)
	{
		if (tiff->reader->is_optional)
			return false;
		/* Of a file, the end of the structure is where it was cut off. */
		if (tiff->span.end >= tiff->reader->input->file_size)
			tiff->reader->is_truncated = true;
		else
			tiff->reader->is_damaged = true;
		return false;
	}
	return trident_exif_read(tiff->reader, tiff->span.start + offset, length,
							 to, Min(room - offset, TRIDENT_EXIF_GULP_BLOCK));
}

/* See exif_walk.h. */
bool
trident_exif_tiff_open(TridentExifTiff *tiff, TridentExifReader *reader,
					   const TridentExifSpan *span)
{
	uint8		head[16];
	uint64		magic;

	tiff->reader = reader;
	tiff->span = *span;
	if (!read_offset(tiff, 0, 8, head))
		return false;
	tiff->is_little = head[0] == 'I';
	magic = trident_exif_number(tiff, head + 2, 2);
	tiff->is_big_tiff = magic == BIG_TIFF_MAGIC;
	if ((head[0] != 'I' && head[0] != 'M') || head[0] != head[1] ||
		(magic != TIFF_MAGIC && magic != BIG_TIFF_MAGIC && magic != ORF_MAGIC &&
		 magic != ORF_OLD_MAGIC && magic != RW2_MAGIC))
	{
		reader->is_damaged = true;
		return false;
	}
	if (tiff->is_big_tiff && !read_offset(tiff, 0, 16, head))
		return false;
	tiff->ifd0 = tiff->is_big_tiff ? trident_exif_number(tiff, head + 8, 8) :
		trident_exif_number(tiff, head + 4, 4);
	return true;
}

/*
 * Take an entry of a directory apart.  offset is that of the entry.
 */
static void
take_entry(const TridentExifTiff *tiff, const uint8 *bytes, uint64 offset,
		   TridentExifEntry *entry)
{
	int			width = tiff->is_big_tiff ? 8 : 4;
	const uint8 *value = bytes + 4 + width;
	int			size;

	entry->tag = (uint16) trident_exif_number(tiff, bytes, 2);
	entry->type = (uint16) trident_exif_number(tiff, bytes + 2, 2);
	entry->count = trident_exif_number(tiff, bytes + 4, width);
	size = entry->type < lengthof(type_size) ? type_size[entry->type] : 0;
	if (size > 0 && entry->count > PG_UINT64_MAX / size)
		size = 0;
	entry->size = entry->count * size;
	entry->at = entry->size <= (uint64) width ? offset + 4 + width :
		trident_exif_number(tiff, value, width);
}

/* See exif_walk.h. */
void
trident_exif_ifd_walk(TridentExifTiff *tiff, uint64 offset,
					  TridentExifVisit visit, void *arg)
{
	int			count_length = tiff->is_big_tiff ? 8 : 2;
	int			length = tiff->is_big_tiff ? 20 : 12;
	uint8		bytes[20];
	uint64		count;

	if (!read_offset(tiff, offset, count_length, bytes))
		return;
	count = trident_exif_number(tiff, bytes, count_length);
	offset += count_length;
	for (uint64 i = 0; i < count; i++)
	{
		TridentExifEntry entry;

		if (!trident_exif_step(tiff->reader) ||
			!read_offset(tiff, offset, length, bytes))
			return;
		take_entry(tiff, bytes, offset, &entry);
		if (!visit(tiff, &entry, arg))
			return;
		offset += length;
	}
}

/* See exif_walk.h. */
bool
trident_exif_entry_read(TridentExifTiff *tiff, const TridentExifEntry *entry,
						uint64 length, uint8 *to)
{
	return length > 0 && length <= entry->size &&
		read_offset(tiff, entry->at, length, to);
}

/* See exif_walk.h. */
bool
trident_exif_entry_offset(TridentExifTiff *tiff, const TridentExifEntry *entry,
						  uint64 *offset)
{
	uint8		bytes[8];
	int			length = (int) Min(entry->size, sizeof(bytes));

	if ((length != 4 && length != 8) ||
		!trident_exif_entry_read(tiff, entry, length, bytes))
		return false;
	*offset = trident_exif_number(tiff, bytes, length);
	return true;
}
