/*
 * exif_boxes.c
 *	  Where EXIF and XMP stand in files of boxes: HEIC, HEIF, AVIF, JPEG 2000,
 *	  JPEG XL, Canon CR3.
 *
 * Boxes have a size and a type, and stand one behind another or in another
 * (ISO/IEC 14496-12).  HEIF keeps EXIF as an item: meta/iinf tells its number
 * by its type, meta/iloc where the bytes of that number are.  JPEG XL has a box
 * Exif, JPEG 2000 and CR3 have boxes uuid; CR3 has one TIFF for each directory.
 */
#include "c.h"

#include "ingest/exif_walk.h"

/* Extents of more bits than that lead out of any file. */
#define MAX_OFFSET (PG_UINT64_MAX / 4)

static const char uuid_jp2_exif[] = "JpgTiffExif->JP2";
static const char uuid_xmp[] =
"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac";
static const char uuid_canon[] =
"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";

/* A box: its type and its contents. */
typedef struct Box
{
	uint8		type[4];
	uint64		start;
	uint64		end;
} Box;

/* What is gathered from the box meta of HEIF. */
typedef struct Items
{
	uint32		exif;			/* number of the item; 0: none */
	uint32		xmp;
	TridentExifSpan iloc;
	TridentExifSpan idat;
} Items;

/*
 * The box at *at, which is moved behind it; end is that of what it stands in.
 * False at the end, or if it is not known or no box.
 */
static bool
next_box(TridentExifReader *reader, uint64 *at, uint64 end, Box *box)
{
	uint8		head[16];
	uint64		size;
	int			length = 8;

	if (*at >= end || !trident_exif_step(reader) ||
		!trident_exif_read(reader, *at, 8, head,
						   Min(end - *at, TRIDENT_EXIF_GULP_BLOCK)))
		return false;
	size = trident_exif_big32(head);
	memcpy(box->type, head + 4, 4);
	if (size == 1)
	{
		length = 16;
		if (!trident_exif_read(reader, *at, 16, head, TRIDENT_EXIF_GULP_BLOCK))
			return false;
		size = (uint64) trident_exif_big32(head + 8) << 32 | trident_exif_big32(head + 12);
	}
	else if (size == 0)
		size = end - *at;
	if (size < (uint64) length || size > end - *at)
	{
		/* What ends behind the end of the file was cut off, or lies. */
		reader->is_damaged = reader->is_damaged || size < (uint64) length ||
			end != reader->input->file_size;
		reader->is_truncated = true;
		return false;
	}
	box->start = *at + length;
	box->end = *at + size;
	*at = box->end;
	return true;
}

static bool
is_type(const Box *box, const char *type)
{
	return memcmp(box->type, type, 4) == 0;
}

/* A number of 0 to 8 bytes. */
static bool
take_number(TridentExifReader *reader, uint64 *at, int length, uint64 *number)
{
	uint8		bytes[8];

	*number = 0;
	if (length == 0)
		return true;
	if (length > 8 ||
		!trident_exif_read(reader, *at, length, bytes, TRIDENT_EXIF_GULP_BLOCK))
		return false;
	for (int i = 0; i < length; i++)
		*number = *number << 8 | bytes[i];
	*at += length;
	return true;
}

/* One entry of iinf: the number of an item, and what it is. */
static void
read_item_info(TridentExifReader *reader, const Box *box, Items *items)
{
	uint64		at = box->start;
	uint64		version;
	uint64		number;
	uint64		type;

	if (!take_number(reader, &at, 1, &version) || version < 2)
		return;
	at += 3;
	if (!take_number(reader, &at, version == 2 ? 2 : 4, &number))
		return;
	at += 2;					/* protection */
	if (!take_number(reader, &at, 4, &type) || at > box->end)
		return;
	if (type == 0x45786966 && items->exif == 0) /* Exif */
		items->exif = (uint32) number;
	else if (type == 0x6d696d65 && items->xmp == 0) /* mime */
	{
		char		name[32];
		uint64		length = Min(box->end - at, sizeof(name));

		/* Behind the name of the item, the type of its contents. */
		if (length > 0 && trident_exif_read(reader, at, length, name,
											TRIDENT_EXIF_GULP_BLOCK))
		{
			const char *nul = memchr(name, '\0', length);

			if (nul != NULL && name + length - nul > 19 &&
				memcmp(nul + 1, "application/rdf+xml", Min(19, name + length - nul - 1)) == 0)
				items->xmp = (uint32) number;
		}
	}
}

/* The boxes in iinf. */
static void
read_item_infos(TridentExifReader *reader, const Box *iinf, bool want_xmp,
				Items *items)
{
	uint64		at = iinf->start;
	uint64		version;
	uint64		count;
	Box			box;

	if (!take_number(reader, &at, 1, &version))
		return;
	at += 3;
	if (!take_number(reader, &at, version == 0 ? 2 : 4, &count))
		return;
	while ((items->exif == 0 || (want_xmp && items->xmp == 0)) &&
		   next_box(reader, &at, iinf->end, &box))
	{
		if (is_type(&box, "infe"))
			read_item_info(reader, &box, items);
	}
}

/* The widths of the numbers in iloc, in bytes. */
typedef struct Widths
{
	int			version;
	int			offset;
	int			length;
	int			base;
	int			index;
} Widths;

/*
 * One item of iloc.  Sets its number and its first extent; *method is how its
 * offset counts.
 */
static bool
read_location(TridentExifReader *reader, uint64 *at, const Widths *widths,
			  uint32 *number, uint64 *method, TridentExifSpan *extent)
{
	uint64		value;
	uint64		base;
	uint64		extents;
	uint64		offset;
	uint64		length;

	*method = 0;
	extent->is_known = false;
	if (!take_number(reader, at, widths->version < 2 ? 2 : 4, &value))
		return false;
	*number = (uint32) value;
	if (widths->version >= 1 && !take_number(reader, at, 2, method))
		return false;
	*method &= 15;
	*at += 2;					/* reference to data elsewhere */
	if (!take_number(reader, at, widths->base, &base) ||
		!take_number(reader, at, 2, &extents))
		return false;
	for (uint64 i = 0; i < extents; i++)
	{
		if (!trident_exif_step(reader))
			return false;
		if (widths->version >= 1)
			*at += widths->index;
		if (!take_number(reader, at, widths->offset, &offset) ||
			!take_number(reader, at, widths->length, &length))
			return false;
		if (i == 0 && base < MAX_OFFSET && offset < MAX_OFFSET)
			trident_exif_span(extent, base + offset, length == 0 ? MAX_OFFSET : length);
	}
	return true;
}

/* An item's first extent becomes the place of EXIF or XMP. */
static void
set_item(TridentExifReader *reader, const Items *items, uint64 method,
		 TridentExifSpan extent, bool is_exif, TridentExifPlaces *places)
{
	uint8		bytes[4];
	uint64		skip;

	if (!extent.is_known || method > 1 || (method == 1 && !items->idat.is_known))
	{
		reader->is_damaged = true;
		return;
	}
	if (method == 1)
	{
		if (extent.start > items->idat.end - items->idat.start)
		{
			reader->is_damaged = true;
			return;
		}
		extent.start += items->idat.start;
		extent.end = Min(extent.end + items->idat.start, items->idat.end);
	}
	if (!is_exif)
	{
		trident_exif_span(&places->xmp, extent.start, extent.end - extent.start);
		return;
	}
	/* It begins with how far behind that the TIFF begins. */
	if (!trident_exif_read(reader, extent.start, 4, bytes, TRIDENT_EXIF_GULP_BLOCK))
		return;
	skip = 4 + (uint64) trident_exif_big32(bytes);
	if (extent.end < extent.start || skip > extent.end - extent.start)
		reader->is_damaged = true;
	else
		trident_exif_span(&places->tiff, extent.start + skip,
						  extent.end - extent.start - skip);
}

/* Find the items in iloc. */
static void
read_locations(TridentExifReader *reader, const Items *items, bool want_xmp,
			   TridentExifPlaces *places)
{
	uint64		at = items->iloc.start;
	uint64		version;
	uint64		sizes;
	uint64		count;
	Widths		widths;

	if (!take_number(reader, &at, 1, &version))
		return;
	at += 3;
	if (!take_number(reader, &at, 2, &sizes) ||
		!take_number(reader, &at, version < 2 ? 2 : 4, &count))
		return;
	widths.version = (int) version;
	widths.offset = sizes >> 12 & 15;
	widths.length = sizes >> 8 & 15;
	widths.base = sizes >> 4 & 15;
	widths.index = sizes & 15;
	for (uint64 i = 0; i < count; i++)
	{
		TridentExifSpan extent;
		uint32		number;
		uint64		method;

		if (!trident_exif_step(reader) ||
			!read_location(reader, &at, &widths, &number, &method, &extent))
			return;
		if (at > items->iloc.end)
		{
			reader->is_damaged = true;
			return;
		}
		if (number != 0 && number == items->exif)
			set_item(reader, items, method, extent, true, places);
		else if (number != 0 && want_xmp && number == items->xmp)
			set_item(reader, items, method, extent, false, places);
	}
}

/* The box meta of HEIF. */
static void
read_meta(TridentExifReader *reader, const Box *meta, bool want_xmp,
		  TridentExifPlaces *places)
{
	Items		items = {0};
	uint64		at = meta->start + 4;	/* version and flags */
	Box			box;

	while (next_box(reader, &at, meta->end, &box))
	{
		if (is_type(&box, "iinf"))
			read_item_infos(reader, &box, want_xmp, &items);
		else if (is_type(&box, "iloc"))
			trident_exif_span(&items.iloc, box.start, box.end - box.start);
		else if (is_type(&box, "idat"))
			trident_exif_span(&items.idat, box.start, box.end - box.start);
	}
	if (reader->need.to == 0 && items.iloc.is_known &&
		(items.exif != 0 || items.xmp != 0))
		read_locations(reader, &items, want_xmp, places);
}

/* The TIFFs of a CR3. */
static void
read_canon(TridentExifReader *reader, uint64 at, uint64 end,
		   TridentExifPlaces *places)
{
	Box			box;

	while (next_box(reader, &at, end, &box))
	{
		uint64		length = box.end - box.start;

		if (is_type(&box, "CMT1"))
			trident_exif_span(&places->tiff, box.start, length);
		else if (is_type(&box, "CMT2"))
			trident_exif_span(&places->exif, box.start, length);
		else if (is_type(&box, "CMT4"))
			trident_exif_span(&places->gps, box.start, length);
	}
}

/* A box uuid: 16 bytes that name it, then what it is named for. */
static void
read_uuid(TridentExifReader *reader, const Box *box, TridentExifPlaces *places)
{
	uint8		uuid[16];
	uint64		start = box->start + sizeof(uuid);

	if (box->end < start ||
		!trident_exif_read(reader, box->start, sizeof(uuid), uuid,
						   TRIDENT_EXIF_GULP_BLOCK))
		return;
	if (memcmp(uuid, uuid_jp2_exif, sizeof(uuid)) == 0)
		trident_exif_span(&places->tiff, start, box->end - start);
	else if (memcmp(uuid, uuid_xmp, sizeof(uuid)) == 0)
		trident_exif_span(&places->xmp, start, box->end - start);
	else if (memcmp(uuid, uuid_canon, sizeof(uuid)) == 0)
		read_canon(reader, start, box->end, places);
}

/* A box Exif of JPEG XL, or one that has it compressed. */
static void
read_jxl(TridentExifReader *reader, const Box *box, TridentExifPlaces *places)
{
	uint8		bytes[4];
	uint64		skip;

	if (!trident_exif_read(reader, box->start, 4, bytes, TRIDENT_EXIF_GULP_BLOCK))
		return;
	if (is_type(box, "brob"))
	{
		reader->is_compressed = reader->is_compressed || memcmp(bytes, "Exif", 4) == 0;
		return;
	}
	skip = 4 + (uint64) trident_exif_big32(bytes);
	if (skip > box->end - box->start)
		reader->is_damaged = true;
	else
		trident_exif_span(&places->tiff, box->start + skip,
						  box->end - box->start - skip);
}

/* See exif_walk.h.  start: of the first box. */
void
trident_exif_boxes_locate(TridentExifReader *reader, uint64 start,
						  bool want_xmp, TridentExifPlaces *places)
{
	uint64		at = start;
	Box			box;

	while (!(want_xmp ? places->xmp.is_known : places->tiff.is_known) &&
		   next_box(reader, &at, reader->input->file_size, &box))
	{
		uint64		inner = box.start;
		Box			part;

		if (is_type(&box, "meta"))
		{
			read_meta(reader, &box, want_xmp, places);
			return;				/* what follows it is pictures */
		}
		if (is_type(&box, "uuid"))
			read_uuid(reader, &box, places);
		else if (is_type(&box, "Exif") || is_type(&box, "brob"))
			read_jxl(reader, &box, places);
		else if (is_type(&box, "xml "))
			trident_exif_span(&places->xmp, box.start, box.end - box.start);
		else if (is_type(&box, "moov"))
		{
			while (next_box(reader, &inner, box.end, &part))
			{
				if (is_type(&part, "uuid"))
					read_uuid(reader, &part, places);
			}
			return;
		}
	}
}
