/*
 * exif.h
 *	  Where, when and with what a photo was taken, out of part of its file.
 *	  Pure: no palloc, no ereport, no server.
 *
 * The caller reads the head of a file (TRIDENT_EXIF_HEAD bytes, or what it
 * likes) and asks trident_exif_parse.  The answer is final, or names the one
 * range of bytes that has to be read next; the caller reads it while the file
 * is open, adds it to the ranges that it has and asks again, from the start:
 *
 *		ranges[0] = head; count = 1;
 *		while (trident_exif_parse(&input, &result) == TRIDENT_EXIF_NEED)
 *			read [result.need_from, result.need_to) into ranges[count++]
 *
 * That ends: an answer is final once there are TRIDENT_EXIF_MAX_READS ranges,
 * or those behind the first come to TRIDENT_EXIF_MAX_BYTES.  A read that gives
 * less than it was asked for is added as it is; if it met the end of the file,
 * file_size is that from then on.  No state is kept between calls, nothing is
 * allocated, and every file is taken to be hostile: each offset is checked, and
 * work is bounded by steps that are counted, never by what a file says.
 *
 * What counts as a position, and what is preferred to what: README.
 */
#ifndef TRIDENT_INGEST_EXIF_H
#define TRIDENT_INGEST_EXIF_H

#include "c.h"

/* Bytes to read first: 5 of 6 photos need no more. */
#define TRIDENT_EXIF_HEAD 8192
/* The ranges that one file is read in, at most, and the bytes in them. */
#define TRIDENT_EXIF_MAX_READS 8
#define TRIDENT_EXIF_MAX_BYTES (512 * 1024)
/* Longest make and model that are kept, with the NUL. */
#define TRIDENT_EXIF_TEXT 64

typedef enum TridentExifStatus
{
	TRIDENT_EXIF_FOUND,			/* there is a position */
	TRIDENT_EXIF_ABSENT,		/* the file tells none */
	TRIDENT_EXIF_INVALID,		/* what it tells is no position */
	TRIDENT_EXIF_NEED			/* not known yet: read need_from .. need_to */
} TridentExifStatus;

/* Why there is no position; NONE when there is one, or more is needed. */
typedef enum TridentExifReason
{
	TRIDENT_EXIF_REASON_NONE,
	/* of ABSENT */
	TRIDENT_EXIF_REASON_FORMAT, /* no image format that is read here */
	TRIDENT_EXIF_REASON_NO_EXIF,	/* neither EXIF nor XMP in it */
	TRIDENT_EXIF_REASON_NO_GPS, /* EXIF or XMP, without GPS */
	TRIDENT_EXIF_REASON_NO_POSITION,	/* GPS tags, but neither latitude nor
										 * longitude among them */
	/* of INVALID */
	TRIDENT_EXIF_REASON_INCOMPLETE, /* only one of latitude and longitude */
	TRIDENT_EXIF_REASON_NO_REF, /* no or no valid N, S, E, W */
	TRIDENT_EXIF_REASON_UNDEFINED,	/* a fraction with denominator 0 */
	TRIDENT_EXIF_REASON_TYPE,	/* not one to three unsigned fractions */
	TRIDENT_EXIF_REASON_RANGE,	/* beyond 90 or 180 degrees */
	TRIDENT_EXIF_REASON_ZERO,	/* 0, 0: what devices without a fix write */
	TRIDENT_EXIF_REASON_VOID,	/* the receiver had no fix */
	TRIDENT_EXIF_REASON_DATUM,	/* degrees of another datum than WGS84 */
	TRIDENT_EXIF_REASON_DAMAGED,	/* offsets or lengths lead nowhere */
	TRIDENT_EXIF_REASON_COMPRESSED, /* EXIF that would have to be unpacked */
	TRIDENT_EXIF_REASON_TRUNCATED,	/* the file ends before */
	TRIDENT_EXIF_REASON_LIMIT	/* more reads or steps than are allowed */
} TridentExifReason;

typedef enum TridentExifSource
{
	TRIDENT_EXIF_SOURCE_NONE,
	TRIDENT_EXIF_SOURCE_EXIF,	/* GPS IFD */
	TRIDENT_EXIF_SOURCE_ELLIPSOID,	/* GPS IFD, above the ellipsoid (altitudes) */
	TRIDENT_EXIF_SOURCE_XMP,	/* XMP, exif:GPS... */
	TRIDENT_EXIF_SOURCE_DRONE	/* XMP, drone-dji:... and alike */
} TridentExifSource;

/* How captured_at is known. */
typedef enum TridentExifZone
{
	TRIDENT_EXIF_ZONE_UNKNOWN,	/* not at all, or local time only */
	TRIDENT_EXIF_ZONE_OFFSET,	/* DateTimeOriginal and its offset from UTC */
	TRIDENT_EXIF_ZONE_GPS		/* GPSDateStamp and GPSTimeStamp */
} TridentExifZone;

/* When XMP is read for what EXIF does not have; costs a read, often. */
typedef enum TridentExifXmp
{
	TRIDENT_EXIF_XMP_AUTO,		/* no position in EXIF, or a drone's make */
	TRIDENT_EXIF_XMP_ALWAYS,
	TRIDENT_EXIF_XMP_NEVER
} TridentExifXmp;

/* Bytes of the file that are known.  Ranges may touch and overlap. */
typedef struct TridentExifRange
{
	uint64		offset;
	uint64		length;
	const uint8 *bytes;
} TridentExifRange;

typedef struct TridentExifInput
{
	const TridentExifRange *ranges; /* in the order of their reads */
	int			count;
	uint64		file_size;		/* TRIDENT_EXIF_SIZE_UNKNOWN if not known */
	TridentExifXmp xmp;
} TridentExifInput;

#define TRIDENT_EXIF_SIZE_UNKNOWN PG_UINT64_MAX

typedef struct TridentExifResult
{
	TridentExifStatus status;
	TridentExifReason reason;

	/* NEED: read these bytes, up to need_to exclusive; never empty */
	uint64		need_from;
	uint64		need_to;

	/*
	 * What follows is set as far as it is known, with every status: a photo
	 * without a position has a time and a camera.
	 */
	TridentExifSource position_source;	/* NONE: no position */
	double		latitude;		/* degrees, WGS84, north positive */
	double		longitude;		/* degrees, WGS84, east positive */

	TridentExifSource altitude_source;	/* NONE: no altitude */
	double		altitude_m;		/* meters, below the sea negative */

	bool		has_relative_altitude;
	double		relative_altitude_m;	/* meters above the take-off */

	char		direction_ref;	/* 'T' true, 'M' magnetic, 0 no direction,
								 * '?' not told */
	double		direction;		/* degrees clockwise of north, 0 .. <360 */

	bool		has_captured_at;
	int64		captured_at_us; /* since 1970-01-01 00:00 UTC */
	bool		has_captured_local;
	int64		captured_local_us;	/* as the camera's clock showed, since
									 * 1970-01-01 00:00 of it */
	TridentExifZone zone;

	/* as in the file, which need not be UTF-8; "" if not told */
	char		make[TRIDENT_EXIF_TEXT];
	char		model[TRIDENT_EXIF_TEXT];
} TridentExifResult;

/*
 * Parse what is known of a file.  All of *result is set.  Returns its status.
 */
extern TridentExifStatus trident_exif_parse(const TridentExifInput *input,
											TridentExifResult *result);

/*
 * Words for SQL and for trident.ingest_error: found, absent, invalid, need;
 * no_gps ...; exif ...; offset ....  NULL for NONE and UNKNOWN.
 */
extern const char *trident_exif_status_name(TridentExifStatus status);
extern const char *trident_exif_reason_name(TridentExifReason reason);
extern const char *trident_exif_source_name(TridentExifSource source);
extern const char *trident_exif_zone_name(TridentExifZone zone);

#endif							/* TRIDENT_INGEST_EXIF_H */
