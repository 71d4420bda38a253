/*
 * exif_walk.h
 *	  What the files of the parser share; see exif.h for what it is.
 */
#ifndef TRIDENT_INGEST_EXIF_WALK_H
#define TRIDENT_INGEST_EXIF_WALK_H

#include "ingest/exif.h"

/* Segments, boxes, chunks and entries that are looked at in one parse. */
#define TRIDENT_EXIF_MAX_STEPS 8192
/* Bytes of an XMP packet that are looked at. */
#define TRIDENT_EXIF_MAX_XMP (64 * 1024)

/*
 * How much is asked for when something is not known: what is near will be
 * wanted next.  A header of a segment is often the last thing, a directory
 * has its values behind it.
 */
#define TRIDENT_EXIF_GULP_HEADER 1024
#define TRIDENT_EXIF_GULP_BLOCK 2048
/* Needs that lie within so many bytes are one. */
#define TRIDENT_EXIF_GULP_MERGED 16384

typedef struct TridentExifNeed
{
	uint64		from;
	uint64		to;				/* 0: nothing is needed */
} TridentExifNeed;

/* One parse: the file, and what came up while reading it. */
typedef struct TridentExifReader
{
	const TridentExifInput *input;
	int			steps;			/* left */
	bool		is_optional;	/* what is read now, one can do without */
	TridentExifNeed need;		/* what one cannot */
	TridentExifNeed optional;	/* what one can */
	bool		is_truncated;	/* the file ends before what was to be read */
	bool		is_damaged;		/* something leads out of where it stands */
	bool		is_compressed;	/* EXIF that would have to be unpacked */
} TridentExifReader;

/* A stretch of the file; end is exclusive. */
typedef struct TridentExifSpan
{
	bool		is_known;
	uint64		start;
	uint64		end;
} TridentExifSpan;

/* Where in the file things are. */
typedef struct TridentExifPlaces
{
	TridentExifSpan tiff;		/* a TIFF structure: IFD0 and what it leads to */
	TridentExifSpan exif;		/* CR3: a TIFF whose IFD0 is the EXIF IFD */
	TridentExifSpan gps;		/* CR3: ... is the GPS IFD */
	TridentExifSpan xmp;		/* an XMP packet */
} TridentExifPlaces;

/* exif_input.c */

/*
 * Copy the bytes from at on to *to.  False if they are not all known, or the
 * file has none: *reader then has the need, or is_truncated.  gulp: how many
 * to ask for in that case, if more than length.
 */
extern bool trident_exif_read(TridentExifReader *reader, uint64 at,
							  uint64 length, void *to, uint64 gulp);

/* Count one step; false when there are none left. */
extern bool trident_exif_step(TridentExifReader *reader);

/* Big-endian, as all containers but TIFF and RIFF have it. */
static inline uint16
trident_exif_big16(const uint8 *bytes)
{
	return (uint16) (bytes[0] << 8 | bytes[1]);
}

static inline uint32
trident_exif_big32(const uint8 *bytes)
{
	return (uint32) bytes[0] << 24 | (uint32) bytes[1] << 16 |
		(uint32) bytes[2] << 8 | bytes[3];
}

/* Copy text, as much as fits into size bytes with its NUL. */
extern void trident_exif_text_copy(char *to, const char *from, size_t size);

/* Does text begin with prefix, in either case of its letters? */
extern bool trident_exif_text_begins(const char *text, const char *prefix);

/*
 * Set *span to length bytes from start on, unless it is known already: the
 * first of each counts.
 */
extern void trident_exif_span(TridentExifSpan *span, uint64 start,
							  uint64 length);

/* exif_tiff.c */

enum
{
	TRIDENT_EXIF_BYTE = 1,
	TRIDENT_EXIF_ASCII = 2,
	TRIDENT_EXIF_SHORT = 3,
	TRIDENT_EXIF_LONG = 4,
	TRIDENT_EXIF_RATIONAL = 5,
	TRIDENT_EXIF_SBYTE = 6,
	TRIDENT_EXIF_UNDEFINED = 7,
	TRIDENT_EXIF_SSHORT = 8,
	TRIDENT_EXIF_SLONG = 9,
	TRIDENT_EXIF_SRATIONAL = 10,
	TRIDENT_EXIF_FLOAT = 11,
	TRIDENT_EXIF_DOUBLE = 12
};

/* Entries that lead to other places. */
enum
{
	TRIDENT_EXIF_TAG_XMP = 0x02bc,
	TRIDENT_EXIF_TAG_EXIF_IFD = 0x8769,
	TRIDENT_EXIF_TAG_GPS_IFD = 0x8825
};

/* A TIFF structure; its offsets count from the start of the span. */
typedef struct TridentExifTiff
{
	TridentExifReader *reader;
	TridentExifSpan span;
	bool		is_little;		/* little-endian */
	bool		is_big_tiff;	/* 64-bit offsets */
	uint64		ifd0;			/* offset of its first directory */
} TridentExifTiff;

typedef struct TridentExifEntry
{
	uint16		tag;
	uint16		type;
	uint64		count;			/* of values of that type */
	uint64		size;			/* of all, in bytes; 0 if the type is not known */
	uint64		at;				/* their offset in the structure */
} TridentExifEntry;

/* Called with each entry of a directory; false ends the walk. */
typedef bool (*TridentExifVisit) (TridentExifTiff *tiff,
								  const TridentExifEntry *entry, void *arg);

/*
 * Read the header of a TIFF structure.  False if it is none (is_damaged), or
 * not known.
 */
extern bool trident_exif_tiff_open(TridentExifTiff *tiff,
								   TridentExifReader *reader,
								   const TridentExifSpan *span);

/* Visit the entries of the directory at that offset. */
extern void trident_exif_ifd_walk(TridentExifTiff *tiff, uint64 offset,
								  TridentExifVisit visit, void *arg);

/*
 * Copy the first length bytes of an entry's values.  False if it has not so
 * many, or they are not known.
 */
extern bool trident_exif_entry_read(TridentExifTiff *tiff,
									const TridentExifEntry *entry,
									uint64 length, uint8 *to);

/* A number of that many bytes (2, 4 or 8) in the order of the structure. */
extern uint64 trident_exif_number(const TridentExifTiff *tiff,
								  const uint8 *bytes, int length);

/* The offset that an entry of type LONG leads to; false if it has none. */
extern bool trident_exif_entry_offset(TridentExifTiff *tiff,
									  const TridentExifEntry *entry,
									  uint64 *offset);

/* exif_gps.c */

/*
 * What the TIFF structures of a file tell.  Sets what it finds in *result, and
 * its reason if they tell no position; finds out where XMP is, if TIFF leads
 * to it.
 */
extern void trident_exif_gps_read(TridentExifReader *reader,
								  TridentExifPlaces *places,
								  TridentExifResult *result);

/*
 * Check a position and put it into *result, or the reason against it.
 */
extern void trident_exif_position_set(TridentExifResult *result,
									  TridentExifSource source,
									  double latitude, double longitude);

/* The directories that are looked into. */
typedef enum TridentExifDirectory
{
	TRIDENT_EXIF_IFD0,
	TRIDENT_EXIF_EXIF,
	TRIDENT_EXIF_GPS
} TridentExifDirectory;

/* Called with each entry of the directories of a file. */
typedef void (*TridentExifTag) (TridentExifTiff *tiff,
								TridentExifDirectory directory,
								const TridentExifEntry *entry, void *arg);

/* Call tag with all entries that are known; finds out where XMP is too. */
extern void trident_exif_tags_walk(TridentExifReader *reader,
								   TridentExifPlaces *places,
								   TridentExifTag tag, void *arg);

/*
 * One to three fractions, of a circle or of a day, in degrees or hours: by
 * rules R2 and R4 of README; the reason against it, or NONE.
 */
extern TridentExifReason trident_exif_sexagesimal(TridentExifTiff *tiff,
												  const TridentExifEntry *entry,
												  double *value);

/* Put an altitude into *result, unless it is beyond reason. */
extern void trident_exif_altitude_set(TridentExifResult *result,
									  TridentExifSource source, double meters);

/* exif_tags.c */

/* The name of a tag, as exiftool has it; NULL if it is not known here. */
extern const char *trident_exif_tag_name(TridentExifDirectory directory,
										 uint16 tag);

/* exif_time.c */

/*
 * Microseconds since 1970-01-01 00:00 of the date and time that the text
 * begins with: YYYY:MM:DD HH:MM:SS, or with - and T as in XMP.  False if it is
 * none.
 */
extern bool trident_exif_time_parse(const char *text, int64 *us);

/* Of a date alone. */
extern bool trident_exif_date_parse(const char *text, int64 *us);

/* Microseconds of an offset from UTC: Z, +HH:MM, -HH:MM. */
extern bool trident_exif_offset_parse(const char *text, int64 *us);

/* Microseconds of the digits behind a decimal point. */
extern int64 trident_exif_fraction_parse(const char *digits);

/* exif_xmp.c */

/* What the XMP packet of a file adds to what is known from EXIF. */
extern void trident_exif_xmp_read(TridentExifReader *reader,
								  const TridentExifSpan *packet,
								  TridentExifResult *result);

/* A property of an XMP packet: its name with prefix, its value as it stands. */
typedef void (*TridentExifProperty) (void *arg, const char *name,
									 const char *value);

/*
 * Call property with each simple property of a packet; *is_done, unless is_done is
 * NULL, ends the walk.  Values longer than a coordinate or name would be are left out.
 */
extern void trident_exif_xmp_walk(TridentExifReader *reader,
								  const TridentExifSpan *packet,
								  TridentExifProperty property, void *arg,
								  const bool *is_done);

/* A decimal number, all of text; false if it is none. */
extern bool trident_exif_decimal_parse(const char *text, double *value);

/* exif_jpeg.c, exif_chunks.c, exif_boxes.c */

/*
 * Find the EXIF of a file of that format; with want_xmp, find XMP too.  start:
 * where the format begins.
 */
typedef void (*TridentExifLocate) (TridentExifReader *reader, uint64 start,
								   bool want_xmp, TridentExifPlaces *places);

extern void trident_exif_jpeg_locate(TridentExifReader *reader, uint64 start,
									 bool want_xmp, TridentExifPlaces *places);
extern void trident_exif_png_locate(TridentExifReader *reader, uint64 start,
									bool want_xmp, TridentExifPlaces *places);
extern void trident_exif_webp_locate(TridentExifReader *reader, uint64 start,
									 bool want_xmp, TridentExifPlaces *places);
extern void trident_exif_boxes_locate(TridentExifReader *reader, uint64 start,
									  bool want_xmp, TridentExifPlaces *places);

/* exif_parse.c */

/*
 * Has no latitude or longitude been met so far, right or wrong?  Then XMP may
 * still tell the position.
 */
extern bool trident_exif_has_no_coordinate(const TridentExifResult *result);

/*
 * Find out what format a file is of, and where EXIF and, with want_xmp, XMP
 * are in it.  False if it is none that is read here.
 */
extern bool trident_exif_locate(TridentExifReader *reader, bool want_xmp,
								TridentExifPlaces *places);

#endif							/* TRIDENT_INGEST_EXIF_WALK_H */
