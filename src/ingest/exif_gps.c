/*
 * exif_gps.c
 *	  What the entries of EXIF mean: position, altitude, time, camera.
 *
 * The rules (R1 ...) stand in README.
 */
#include "c.h"

#include <math.h>

#include "ingest/exif_walk.h"

#define MIN_ALTITUDE (-20000.0)
#define MAX_ALTITUDE 100000.0
/* Room for what text of EXIF is looked at, with a NUL. */
#define TEXT_SIZE TRIDENT_EXIF_TEXT

/* Tags: IFD0 */
enum
{
	TAG_MAKE = 0x010f,
	TAG_MODEL = 0x0110
};

/* ... EXIF IFD */
enum
{
	TAG_TIME_ORIGINAL = 0x9003,
	TAG_TIME_DIGITIZED = 0x9004,
	TAG_OFFSET_TIME = 0x9010,
	TAG_OFFSET_ORIGINAL = 0x9011,
	TAG_SUBSEC_ORIGINAL = 0x9291,
	TAG_SUBSEC_DIGITIZED = 0x9292
};

/* ... GPS IFD */
enum
{
	GPS_LATITUDE_REF = 1,
	GPS_LATITUDE = 2,
	GPS_LONGITUDE_REF = 3,
	GPS_LONGITUDE = 4,
	GPS_ALTITUDE_REF = 5,
	GPS_ALTITUDE = 6,
	GPS_TIME = 7,
	GPS_STATUS = 9,
	GPS_DIRECTION_REF = 16,
	GPS_DIRECTION = 17,
	GPS_DATUM = 18,
	GPS_DATE = 29
};

/* A latitude or longitude, as far as it is told. */
typedef struct Angle
{
	bool		is_told;
	TridentExifReason reason;	/* against it */
	double		degrees;
	char		ref;			/* capital; 0: none */
} Angle;

/* What is gathered before it can be put together. */
typedef struct Gathered
{
	TridentExifResult *result;
	TridentExifPlaces *places;
	uint64		exif_offset;	/* 0: no such directory */
	uint64		gps_offset;

	Angle		latitude;
	Angle		longitude;
	bool		is_void;		/* what the receiver says of it */
	bool		is_other_datum;
	uint8		altitude_ref;
	bool		has_altitude;
	double		altitude;
	char		direction_ref;
	bool		has_direction;
	double		direction;
	bool		has_gps_time;
	int64		gps_time_us;
	bool		has_gps_date;
	int64		gps_date_us;
	bool		has_gps;		/* any tag but the version */

	char		original[TEXT_SIZE];
	char		digitized[TEXT_SIZE];
	char		offset[TEXT_SIZE];
	char		offset_original[TEXT_SIZE];
	char		subsec_original[TEXT_SIZE];
	char		subsec_digitized[TEXT_SIZE];
} Gathered;

/* Text of an entry, without what cameras pad it with.  "" if there is none. */
static void
take_text(TridentExifTiff *tiff, const TridentExifEntry *entry, char *text)
{
	int			length = (int) Min(entry->size, TEXT_SIZE - 1);

	text[0] = '\0';
	if ((entry->type != TRIDENT_EXIF_ASCII && entry->type != TRIDENT_EXIF_BYTE &&
		 entry->type != TRIDENT_EXIF_UNDEFINED) ||
		!trident_exif_entry_read(tiff, entry, length, (uint8 *) text))
		return;
	text[length] = '\0';
	for (length = (int) strlen(text); length > 0 && text[length - 1] == ' ';)
		text[--length] = '\0';
}

/*
 * The fraction at an index of an entry.  NONE if it is one; UNDEFINED if its
 * denominator is 0, with *is_empty if its numerator is too.
 */
static TridentExifReason
take_fraction(TridentExifTiff *tiff, const uint8 *bytes, uint16 type,
			  double *value, bool *is_empty)
{
	uint32		numerator = (uint32) trident_exif_number(tiff, bytes, 4);
	uint32		denominator = (uint32) trident_exif_number(tiff, bytes + 4, 4);

	*is_empty = numerator == 0;
	if (denominator == 0)
		return TRIDENT_EXIF_REASON_UNDEFINED;
	if (type == TRIDENT_EXIF_SRATIONAL)
		*value = (double) (int32) numerator / (double) (int32) denominator;
	else
		*value = (double) numerator / (double) denominator;
	return TRIDENT_EXIF_REASON_NONE;
}

static bool
is_fractions(const TridentExifEntry *entry, uint64 most)
{
	return (entry->type == TRIDENT_EXIF_RATIONAL ||
			entry->type == TRIDENT_EXIF_SRATIONAL) &&
		entry->count >= 1 && entry->count <= most;
}

/* See exif_walk.h. */
TridentExifReason
trident_exif_sexagesimal(TridentExifTiff *tiff, const TridentExifEntry *entry,
						 double *value)
{
	uint8		bytes[3 * 8];
	double		parts[3] = {0};

	*value = 0;
	if (!is_fractions(entry, 3))
		return TRIDENT_EXIF_REASON_TYPE;
	if (!trident_exif_entry_read(tiff, entry, entry->size, bytes))
		return tiff->reader->is_truncated ? TRIDENT_EXIF_REASON_TRUNCATED :
			TRIDENT_EXIF_REASON_DAMAGED;
	for (int i = 0; i < (int) entry->count; i++)
	{
		bool		is_empty;
		TridentExifReason reason = take_fraction(tiff, bytes + 8 * i,
												 entry->type, &parts[i], &is_empty);

		if (reason != TRIDENT_EXIF_REASON_NONE && (i == 0 || !is_empty))
			return reason;
		if (parts[i] < 0)
			return TRIDENT_EXIF_REASON_TYPE;
	}
	*value = parts[0] + (parts[1] * 60 + parts[2]) / 3600;
	return TRIDENT_EXIF_REASON_NONE;
}

/* A single fraction. */
static bool
take_number(TridentExifTiff *tiff, const TridentExifEntry *entry, double *value)
{
	uint8		bytes[8];
	bool		is_empty;

	return is_fractions(entry, 1) &&
		trident_exif_entry_read(tiff, entry, 8, bytes) &&
		take_fraction(tiff, bytes, entry->type, value,
					  &is_empty) == TRIDENT_EXIF_REASON_NONE;
}

static void
take_angle(TridentExifTiff *tiff, const TridentExifEntry *entry, Angle *angle)
{
	angle->is_told = true;
	angle->reason = trident_exif_sexagesimal(tiff, entry, &angle->degrees);
}

/* The first letter of a ref, as a capital (R3). */
static char
take_ref(TridentExifTiff *tiff, const TridentExifEntry *entry)
{
	char		text[TEXT_SIZE];

	take_text(tiff, entry, text);
	return text[0] >= 'a' && text[0] <= 'z' ? text[0] - 'a' + 'A' : text[0];
}

/* What an altitude is above (R9), 0 to 3; anything else is not told: 0. */
static uint8
take_altitude_ref(TridentExifTiff *tiff, const TridentExifEntry *entry)
{
	uint8		ref = 0;

	if ((entry->type != TRIDENT_EXIF_BYTE && entry->type != TRIDENT_EXIF_UNDEFINED &&
		 entry->type != TRIDENT_EXIF_ASCII) ||
		!trident_exif_entry_read(tiff, entry, 1, &ref))
		return 0;
	/* Some write it as a digit. */
	if (ref >= '0' && ref <= '3')
		ref -= '0';
	return ref <= 3 ? ref : 0;
}

/*
 * Is a datum WGS84, or within a few meters of it (R16)?  One that is not told
 * is.
 */
static bool
is_wgs84(const char *datum)
{
	static const char *const same[] = {"WGS84", "WGS1984", "NAD83", "ETRS", "ITRF", "JGD", "GDA", "CGCS2000", "PZ90"};
	char		name[TEXT_SIZE];
	int			n = 0;

	for (; *datum; datum++)
		if ((*datum >= '0' && *datum <= '9') || (*datum >= 'A' && *datum <= 'Z') ||
			(*datum >= 'a' && *datum <= 'z'))
			name[n++] = *datum;
	name[n] = '\0';
	for (int i = 0; i < (int) lengthof(same); i++)
		if (trident_exif_text_begins(name, same[i]))
			return true;
	return n == 0;
}

/* One entry of IFD0. */
static bool
visit_ifd0(TridentExifTiff *tiff, const TridentExifEntry *entry, void *arg)
{
	Gathered   *gathered = arg;
	bool		was_optional = tiff->reader->is_optional;

	switch (entry->tag)
	{
		case TRIDENT_EXIF_TAG_EXIF_IFD:
			(void) trident_exif_entry_offset(tiff, entry, &gathered->exif_offset);
			break;
		case TRIDENT_EXIF_TAG_GPS_IFD:
			(void) trident_exif_entry_offset(tiff, entry, &gathered->gps_offset);
			break;
		case TRIDENT_EXIF_TAG_XMP:
			if (entry->at <= tiff->span.end - tiff->span.start)
				trident_exif_span(&gathered->places->xmp,
								  tiff->span.start + entry->at, entry->size);
			break;
		case TAG_MAKE:
		case TAG_MODEL:
			tiff->reader->is_optional = true;
			take_text(tiff, entry, entry->tag == TAG_MAKE ?
					  gathered->result->make : gathered->result->model);
			tiff->reader->is_optional = was_optional;
			break;
	}
	return true;
}

/* One entry of the EXIF IFD. */
static bool
visit_exif(TridentExifTiff *tiff, const TridentExifEntry *entry, void *arg)
{
	Gathered   *gathered = arg;

	switch (entry->tag)
	{
		case TAG_TIME_ORIGINAL:
			take_text(tiff, entry, gathered->original);
			break;
		case TAG_TIME_DIGITIZED:
			take_text(tiff, entry, gathered->digitized);
			break;
		case TAG_OFFSET_TIME:
			take_text(tiff, entry, gathered->offset);
			break;
		case TAG_OFFSET_ORIGINAL:
			take_text(tiff, entry, gathered->offset_original);
			break;
		case TAG_SUBSEC_ORIGINAL:
			take_text(tiff, entry, gathered->subsec_original);
			break;
		case TAG_SUBSEC_DIGITIZED:
			take_text(tiff, entry, gathered->subsec_digitized);
			break;
	}
	return true;
}

/* The entries of the GPS IFD that are not of the position. */
static void
take_gps_detail(TridentExifTiff *tiff, const TridentExifEntry *entry,
				Gathered *gathered)
{
	char		text[TEXT_SIZE];
	double		hours;

	switch (entry->tag)
	{
		case GPS_ALTITUDE_REF:
			gathered->altitude_ref = take_altitude_ref(tiff, entry);
			break;
		case GPS_ALTITUDE:
			gathered->has_altitude = take_number(tiff, entry, &gathered->altitude);
			break;
		case GPS_TIME:
			gathered->has_gps_time = entry->count == 3 &&
				trident_exif_sexagesimal(tiff, entry, &hours) == TRIDENT_EXIF_REASON_NONE &&
				hours < 24;
			if (gathered->has_gps_time)
				gathered->gps_time_us = (int64) rint(hours * 3600e6);
			break;
		case GPS_STATUS:
			gathered->is_void = take_ref(tiff, entry) == 'V';
			break;
		case GPS_DATUM:
			take_text(tiff, entry, text);
			gathered->is_other_datum = !is_wgs84(text);
			break;
		case GPS_DIRECTION_REF:
			gathered->direction_ref = take_ref(tiff, entry);
			break;
		case GPS_DIRECTION:
			gathered->has_direction = take_number(tiff, entry, &gathered->direction);
			break;
		case GPS_DATE:
			take_text(tiff, entry, text);
			gathered->has_gps_date = trident_exif_date_parse(text, &gathered->gps_date_us);
			break;
	}
}

/* One entry of the GPS IFD. */
static bool
visit_gps(TridentExifTiff *tiff, const TridentExifEntry *entry, void *arg)
{
	Gathered   *gathered = arg;

	if (entry->tag != 0)
		gathered->has_gps = true;
	switch (entry->tag)
	{
		case GPS_LATITUDE:
			take_angle(tiff, entry, &gathered->latitude);
			break;
		case GPS_LONGITUDE:
			take_angle(tiff, entry, &gathered->longitude);
			break;
		case GPS_LATITUDE_REF:
			gathered->latitude.ref = take_ref(tiff, entry);
			break;
		case GPS_LONGITUDE_REF:
			gathered->longitude.ref = take_ref(tiff, entry);
			break;
		default:
			take_gps_detail(tiff, entry, gathered);
	}
	return true;
}

/* See exif_walk.h. */
void
trident_exif_position_set(TridentExifResult *result, TridentExifSource source,
						  double latitude, double longitude)
{
	result->position_source = TRIDENT_EXIF_SOURCE_NONE;
	/* Comparisons are false for what is not a number. */
	if (!(fabs(latitude) <= 90 && fabs(longitude) <= 180))
		result->reason = TRIDENT_EXIF_REASON_RANGE;
	else if (latitude == 0 && longitude == 0)
		result->reason = TRIDENT_EXIF_REASON_ZERO;
	else
	{
		result->reason = TRIDENT_EXIF_REASON_NONE;
		result->position_source = source;
		result->latitude = latitude;
		result->longitude = longitude;
	}
}

/* See exif_walk.h. */
void
trident_exif_altitude_set(TridentExifResult *result, TridentExifSource source,
						  double meters)
{
	if (!(meters >= MIN_ALTITUDE && meters <= MAX_ALTITUDE))
		return;
	result->altitude_source = source;
	result->altitude_m = meters;
}

/* The position, or why there is none (R1 - R7, R15, R16). */
static void
conclude_position(const Gathered *gathered)
{
	TridentExifResult *result = gathered->result;
	const Angle *latitude = &gathered->latitude;
	const Angle *longitude = &gathered->longitude;

	if (!latitude->is_told && !longitude->is_told)
		result->reason = gathered->has_gps ? TRIDENT_EXIF_REASON_NO_POSITION :
			TRIDENT_EXIF_REASON_NO_GPS;
	else if (!latitude->is_told || !longitude->is_told)
		result->reason = TRIDENT_EXIF_REASON_INCOMPLETE;
	else if (latitude->reason != TRIDENT_EXIF_REASON_NONE)
		result->reason = latitude->reason;
	else if (longitude->reason != TRIDENT_EXIF_REASON_NONE)
		result->reason = longitude->reason;
	else if ((latitude->ref != 'N' && latitude->ref != 'S') ||
			 (longitude->ref != 'E' && longitude->ref != 'W'))
		result->reason = TRIDENT_EXIF_REASON_NO_REF;
	else if (gathered->is_void)
		result->reason = TRIDENT_EXIF_REASON_VOID;
	else if (gathered->is_other_datum)
		result->reason = TRIDENT_EXIF_REASON_DATUM;
	else
		trident_exif_position_set(result, TRIDENT_EXIF_SOURCE_EXIF,
								  latitude->ref == 'N' ? latitude->degrees : -latitude->degrees,
								  longitude->ref == 'E' ? longitude->degrees : -longitude->degrees);
}

/* Altitude and direction (R9, R11). */
static void
conclude_details(const Gathered *gathered)
{
	TridentExifResult *result = gathered->result;

	if (gathered->has_altitude)
	{
		bool		is_below = gathered->altitude_ref == 1 || gathered->altitude_ref == 3;
		bool		is_ellipsoid = gathered->altitude_ref == 2 || gathered->altitude_ref == 3;

		trident_exif_altitude_set(result, is_ellipsoid ?
								  TRIDENT_EXIF_SOURCE_ELLIPSOID : TRIDENT_EXIF_SOURCE_EXIF,
								  is_below ? -fabs(gathered->altitude) : gathered->altitude);
	}
	if (gathered->has_direction && gathered->direction >= 0 && gathered->direction <= 360)
	{
		result->direction = gathered->direction == 360 ? 0 : gathered->direction;
		result->direction_ref = gathered->direction_ref == 'T' ||
			gathered->direction_ref == 'M' ? gathered->direction_ref : '?';
	}
}

/* When it was taken (R12). */
static void
conclude_time(const Gathered *gathered)
{
	TridentExifResult *result = gathered->result;
	const char *subsec = gathered->subsec_original;
	int64		offset;

	result->has_captured_local =
		trident_exif_time_parse(gathered->original, &result->captured_local_us);
	if (!result->has_captured_local)
	{
		subsec = gathered->subsec_digitized;
		result->has_captured_local =
			trident_exif_time_parse(gathered->digitized, &result->captured_local_us);
	}
	if (result->has_captured_local)
		result->captured_local_us += trident_exif_fraction_parse(subsec);

	if (result->has_captured_local &&
		(trident_exif_offset_parse(gathered->offset_original, &offset) ||
		 trident_exif_offset_parse(gathered->offset, &offset)))
	{
		result->has_captured_at = true;
		result->captured_at_us = result->captured_local_us - offset;
		result->zone = TRIDENT_EXIF_ZONE_OFFSET;
	}
	else if (gathered->has_gps_time && gathered->has_gps_date)
	{
		result->has_captured_at = true;
		result->captured_at_us = gathered->gps_date_us + gathered->gps_time_us;
		result->zone = TRIDENT_EXIF_ZONE_GPS;
	}
}

/* Walk a directory, of a TIFF structure of its own (CR3) or of the main one. */
static void
walk_part(TridentExifReader *reader, TridentExifTiff *main, uint64 offset,
		  const TridentExifSpan *own, TridentExifVisit visit, void *arg)
{
	TridentExifTiff tiff;

	if (own->is_known)
	{
		if (trident_exif_tiff_open(&tiff, reader, own))
			trident_exif_ifd_walk(&tiff, tiff.ifd0, visit, arg);
	}
	else if (offset != 0)
		trident_exif_ifd_walk(main, offset, visit, arg);
}

/* See exif_walk.h. */
void
trident_exif_gps_read(TridentExifReader *reader, TridentExifPlaces *places,
					  TridentExifResult *result)
{
	Gathered	gathered = {0};
	TridentExifTiff tiff;

	gathered.result = result;
	gathered.places = places;
	if (!trident_exif_tiff_open(&tiff, reader, &places->tiff))
		return;
	trident_exif_ifd_walk(&tiff, tiff.ifd0, visit_ifd0, &gathered);
	walk_part(reader, &tiff, gathered.gps_offset, &places->gps, visit_gps,
			  &gathered);
	reader->is_optional = true;
	walk_part(reader, &tiff, gathered.exif_offset, &places->exif, visit_exif,
			  &gathered);
	reader->is_optional = false;
	conclude_position(&gathered);
	conclude_details(&gathered);
	conclude_time(&gathered);
}

/* All tags for somebody else. */
typedef struct Teller
{
	TridentExifDirectory directory;
	TridentExifTag tag;
	void	   *arg;
} Teller;

static bool
visit_any(TridentExifTiff *tiff, const TridentExifEntry *entry, void *arg)
{
	Teller	   *teller = arg;

	teller->tag(tiff, teller->directory, entry, teller->arg);
	return true;
}

/* See exif_walk.h. */
void
trident_exif_tags_walk(TridentExifReader *reader, TridentExifPlaces *places,
					   TridentExifTag tag, void *arg)
{
	TridentExifResult result = {0};
	Gathered	gathered = {0};
	TridentExifTiff tiff;
	Teller		teller = {TRIDENT_EXIF_IFD0, tag, arg};

	gathered.result = &result;
	gathered.places = places;
	if (!trident_exif_tiff_open(&tiff, reader, &places->tiff))
		return;
	/* Once for where the others are, once for the tags. */
	trident_exif_ifd_walk(&tiff, tiff.ifd0, visit_ifd0, &gathered);
	trident_exif_ifd_walk(&tiff, tiff.ifd0, visit_any, &teller);
	teller.directory = TRIDENT_EXIF_EXIF;
	walk_part(reader, &tiff, gathered.exif_offset, &places->exif, visit_any,
			  &teller);
	teller.directory = TRIDENT_EXIF_GPS;
	walk_part(reader, &tiff, gathered.gps_offset, &places->gps, visit_any,
			  &teller);
}
