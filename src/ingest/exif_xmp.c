/*
 * exif_xmp.c
 *	  Positions out of XMP packets.
 *
 * XMP is RDF in XML, but what is wanted of it are a few simple properties:
 * attributes name="value" or elements <name>value</name>, with the prefixes
 * that all writers use.  So this reads tags, attributes and text of elements
 * and nothing else of XML: no entity is expanded, no document type looked at,
 * nothing nests.  Text, comments and other values are not searched for names.
 */
#include "c.h"

#include "ingest/exif_walk.h"

/* Longer names and values are none that are looked for; with a NUL. */
#define VALUE_SIZE 128

/* A packet, read byte by byte through a window. */
typedef struct Packet
{
	TridentExifReader *reader;
	uint64		at;				/* of the byte behind the window */
	uint64		end;
	uint8		window[512];
	int			used;
	int			filled;
} Packet;

/* A piece of text of a packet; too_long: not all of it. */
typedef struct Piece
{
	char		text[VALUE_SIZE];
	int			length;
	bool		too_long;
} Piece;

/* What is taken out of a packet; 0 or "": not met. */
typedef struct Properties
{
	char		latitude[VALUE_SIZE];
	char		longitude[VALUE_SIZE];
	char		altitude[VALUE_SIZE];
	char		altitude_ref[VALUE_SIZE];
	char		drone_latitude[VALUE_SIZE];
	char		drone_longitude[VALUE_SIZE];
	char		drone_altitude[VALUE_SIZE];
	char		relative_altitude[VALUE_SIZE];
	char		original[VALUE_SIZE];
	char		created[VALUE_SIZE];
	char		make[VALUE_SIZE];
	char		model[VALUE_SIZE];
	bool		needs_position; /* else only the relative altitude */
	bool		is_done;
} Properties;

/* The next byte, or -1 at the end of what is there or known. */
static int
next_byte(Packet *packet)
{
	if (packet->used >= packet->filled)
	{
		int			length = (int) Min(sizeof(packet->window), packet->end - packet->at);

		/* The rest of the packet comes in one read. */
		if (length == 0 ||
			!trident_exif_read(packet->reader, packet->at, length,
							   packet->window, packet->end - packet->at))
		{
			packet->end = packet->at;
			return -1;
		}
		packet->at += length;
		packet->filled = length;
		packet->used = 0;
	}
	return packet->window[packet->used++];
}

static void
add_byte(Piece *piece, int byte)
{
	if (piece->length < VALUE_SIZE - 1 && byte != '\0')
		piece->text[piece->length++] = (char) byte;
	else
		piece->too_long = true;
}

static void
clear_piece(Piece *piece)
{
	piece->length = 0;
	piece->too_long = false;
}

static bool
is_space(int byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Give a property out, without space around its value. */
static void
tell(Piece *name, Piece *value, TridentExifProperty property, void *arg)
{
	char	   *text = value->text;

	while (value->length > 0 && is_space((unsigned char) text[value->length - 1]))
		value->length--;
	text[value->length] = '\0';
	name->text[name->length] = '\0';
	while (is_space((unsigned char) *text))
		text++;
	if (!name->too_long && !value->too_long && *text != '\0')
		property(arg, name->text, text);
}

/* Skip up to the text that ends a comment and the like. */
static void
skip_past(Packet *packet, const char *end)
{
	int			length = (int) strlen(end);
	int			matched = 0;
	int			byte;

	/* All bytes of these ends but the last are the same. */
	while (matched < length && (byte = next_byte(packet)) >= 0)
	{
		if (byte == end[matched])
			matched++;
		else if (!(matched == length - 1 && matched > 0 && byte == end[0]))
			matched = 0;
	}
}

/* Behind "<!": a comment, character data, or a declaration. */
static void
skip_declaration(Packet *packet)
{
	int			byte = next_byte(packet);

	if (byte == '-')
		skip_past(packet, "-->");
	else if (byte == '[')
		skip_past(packet, "]]>");
	else if (byte >= 0 && byte != '>')
		skip_past(packet, ">");
}

/*
 * The attributes of a tag whose name has been read, up to its end; byte is the
 * one behind the name.
 */
static void
read_attributes(Packet *packet, int byte, TridentExifProperty property,
				void *arg)
{
	Piece		name;
	Piece		value;

	clear_piece(&name);
	while (byte >= 0 && byte != '>')
	{
		if (byte == '"' || byte == '\'')
		{
			int			quote = byte;

			clear_piece(&value);
			while ((byte = next_byte(packet)) >= 0 && byte != quote)
				add_byte(&value, byte);
			if (byte == quote)
				tell(&name, &value, property, arg);
			clear_piece(&name);
		}
		else if (byte != '=' && byte != '/' && !is_space(byte))
			add_byte(&name, byte);
		byte = next_byte(packet);
	}
}

/* See exif_walk.h. */
void
trident_exif_xmp_walk(TridentExifReader *reader, const TridentExifSpan *span,
					  TridentExifProperty property, void *arg,
					  const bool *is_done)
{
	Packet		packet = {reader, span->start, span->end, {0}, 0, 0};
	Piece		element;
	Piece		text;
	int			byte;

	packet.end = Min(span->end, span->start + TRIDENT_EXIF_MAX_XMP);
	clear_piece(&element);
	clear_piece(&text);
	while ((is_done == NULL || !*is_done) && (byte = next_byte(&packet)) >= 0)
	{
		if (byte != '<')
		{
			add_byte(&text, byte);
			continue;
		}
		byte = next_byte(&packet);
		if (byte == '/')
		{
			if (element.length > 0)
				tell(&element, &text, property, arg);
			clear_piece(&element);
			skip_past(&packet, ">");
		}
		else if (byte == '!')
			skip_declaration(&packet);
		else if (byte == '?')
			skip_past(&packet, ">");
		else
		{
			clear_piece(&element);
			for (; byte >= 0 && !is_space(byte) && byte != '>' && byte != '/';
				 byte = next_byte(&packet))
				add_byte(&element, byte);
			read_attributes(&packet, byte, property, arg);
		}
		clear_piece(&text);
	}
}

/* See exif_walk.h. */
bool
trident_exif_decimal_parse(const char *text, double *value)
{
	bool		is_negative = *text == '-';
	double		number = 0;
	double		unit = 1;
	int			digits = 0;
	bool		is_fraction = false;

	if (*text == '-' || *text == '+')
		text++;
	for (; (*text >= '0' && *text <= '9') || (*text == '.' && !is_fraction); text++)
	{
		if (*text == '.')
		{
			is_fraction = true;
			continue;
		}
		/* Beyond what a double holds, digits change nothing. */
		if (++digits <= 17)
		{
			number = number * 10 + (*text - '0');
			unit *= is_fraction ? 10 : 1;
		}
		else if (!is_fraction)
			return false;
	}
	*value = (is_negative ? -number : number) / unit;
	return digits > 0 && *text == '\0';
}

/* A fraction n/d, or a decimal number. */
static bool
parse_fraction(char *text, double *value)
{
	char	   *slash = strchr(text, '/');
	double		denominator;

	if (slash == NULL)
		return trident_exif_decimal_parse(text, value);
	*slash = '\0';
	if (!trident_exif_decimal_parse(text, value) ||
		!trident_exif_decimal_parse(slash + 1, &denominator) || denominator == 0)
		return false;
	*value /= denominator;
	return true;
}

/*
 * An angle as XMP writes it: degrees,minutes,secondsN or degrees,minutesN.
 */
static bool
parse_angle(char *text, const char *positive, const char *negative,
			double *degrees)
{
	int			length = (int) strlen(text);
	char		ref = length > 0 ? text[length - 1] : '\0';
	double		unit = 1;

	*degrees = 0;
	if (ref == '\0' ||
		(strchr(positive, ref) == NULL && strchr(negative, ref) == NULL))
		return false;
	text[length - 1] = '\0';
	while (text != NULL)
	{
		char	   *comma = strchr(text, ',');
		double		part;

		if (comma != NULL)
			*comma++ = '\0';
		if (unit > 3600 || *text == '-' || *text == '+' ||
			!trident_exif_decimal_parse(text, &part))
			return false;
		*degrees += part / unit;
		unit *= 60;
		text = comma;
	}
	if (strchr(negative, ref) != NULL)
		*degrees = -*degrees;
	return true;
}

/* Where a property of that name is kept; NULL if it is not wanted. */
static char *
place_of(Properties *properties, const char *name)
{
	const struct
	{
		const char *name;
		char	   *place;
	}			wanted[] = {
		{"exif:GPSLatitude", properties->latitude},
		{"exif:GPSLongitude", properties->longitude},
		{"exif:GPSAltitude", properties->altitude},
		{"exif:GPSAltitudeRef", properties->altitude_ref},
		{"exif:DateTimeOriginal", properties->original},
		{"xmp:CreateDate", properties->created},
		{"tiff:Make", properties->make},
		{"tiff:Model", properties->model},
	};
	const struct
	{
		const char *name;
		char	   *place;
	}			of_drone[] = {
		{"GpsLatitude", properties->drone_latitude},
		{"GpsLongitude", properties->drone_longitude},
		{"GpsLongtitude", properties->drone_longitude},
		{"AbsoluteAltitude", properties->drone_altitude},
		{"RelativeAltitude", properties->relative_altitude},
	};

	for (int i = 0; i < (int) lengthof(wanted); i++)
	{
		if (strcmp(name, wanted[i].name) == 0)
			return wanted[i].place;
	}
	if (strncmp(name, "drone-", 6) != 0 || (name = strchr(name, ':')) == NULL)
		return NULL;
	name++;
	for (int i = 0; i < (int) lengthof(of_drone); i++)
	{
		if (strlen(name) == strlen(of_drone[i].name) &&
			trident_exif_text_begins(name, of_drone[i].name))
			return of_drone[i].place;
	}
	return NULL;
}

/* Keep a property that is wanted; the first of a name counts. */
static void
keep_property(void *arg, const char *name, const char *value)
{
	Properties *properties = arg;
	char	   *place = place_of(properties, name);

	if (place == NULL || *place != '\0')
		return;
	trident_exif_text_copy(place, value, VALUE_SIZE);
	if (!properties->needs_position && place == properties->relative_altitude)
		properties->is_done = true;
}

/* The position, if EXIF has none (R1). */
static void
conclude_position(Properties *properties, TridentExifResult *result)
{
	double		latitude;
	double		longitude;

	if (properties->latitude[0] != '\0' && properties->longitude[0] != '\0')
	{
		if (parse_angle(properties->latitude, "Nn", "Ss", &latitude) &&
			parse_angle(properties->longitude, "Ee", "Ww", &longitude))
			trident_exif_position_set(result, TRIDENT_EXIF_SOURCE_XMP, latitude,
									  longitude);
		else
			result->reason = TRIDENT_EXIF_REASON_TYPE;
	}
	else if (properties->drone_latitude[0] != '\0' &&
			 properties->drone_longitude[0] != '\0')
	{
		if (trident_exif_decimal_parse(properties->drone_latitude, &latitude) &&
			trident_exif_decimal_parse(properties->drone_longitude, &longitude))
			trident_exif_position_set(result, TRIDENT_EXIF_SOURCE_DRONE, latitude,
									  longitude);
		else
			result->reason = TRIDENT_EXIF_REASON_TYPE;
	}
	else if (properties->latitude[0] != '\0' || properties->longitude[0] != '\0' ||
			 properties->drone_latitude[0] != '\0' ||
			 properties->drone_longitude[0] != '\0')
		result->reason = TRIDENT_EXIF_REASON_INCOMPLETE;
	else if (result->reason == TRIDENT_EXIF_REASON_NO_EXIF)
		result->reason = TRIDENT_EXIF_REASON_NO_GPS;
}

/* Altitudes (R9, R10). */
static void
conclude_altitudes(Properties *properties, TridentExifResult *result)
{
	double		meters;

	if (trident_exif_decimal_parse(properties->relative_altitude, &meters) &&
		meters >= -20000 && meters <= 100000)
	{
		result->has_relative_altitude = true;
		result->relative_altitude_m = meters;
	}
	if (result->altitude_source != TRIDENT_EXIF_SOURCE_NONE)
		return;
	if (parse_fraction(properties->altitude, &meters))
		trident_exif_altitude_set(result, TRIDENT_EXIF_SOURCE_XMP,
								  properties->altitude_ref[0] == '1' && meters > 0 ?
								  -meters : meters);
	else if (trident_exif_decimal_parse(properties->drone_altitude, &meters))
		trident_exif_altitude_set(result, TRIDENT_EXIF_SOURCE_DRONE, meters);
}

/* The time and the camera, if EXIF does not tell (R12). */
static void
conclude_rest(Properties *properties, TridentExifResult *result)
{
	const char *time = properties->original[0] != '\0' ? properties->original :
		properties->created;
	int64		offset;

	if (result->make[0] == '\0')
		trident_exif_text_copy(result->make, properties->make, TRIDENT_EXIF_TEXT);
	if (result->model[0] == '\0')
		trident_exif_text_copy(result->model, properties->model, TRIDENT_EXIF_TEXT);
	if (result->has_captured_local ||
		!trident_exif_time_parse(time, &result->captured_local_us))
		return;
	result->has_captured_local = true;
	/* Behind YYYY-MM-DDTHH:MM there may be seconds, a fraction, a zone. */
	for (time += 16; *time == ':' || (*time >= '0' && *time <= '9'); time++);
	if (*time == '.')
	{
		result->captured_local_us += trident_exif_fraction_parse(++time);
		while (*time >= '0' && *time <= '9')
			time++;
	}
	if (!result->has_captured_at && trident_exif_offset_parse(time, &offset))
	{
		result->has_captured_at = true;
		result->captured_at_us = result->captured_local_us - offset;
		result->zone = TRIDENT_EXIF_ZONE_OFFSET;
	}
}

/* See exif_walk.h. */
void
trident_exif_xmp_read(TridentExifReader *reader, const TridentExifSpan *packet,
					  TridentExifResult *result)
{
	Properties	properties = {0};

	properties.needs_position = trident_exif_has_no_coordinate(result);
	reader->is_optional = !properties.needs_position;
	trident_exif_xmp_walk(reader, packet, keep_property, &properties,
						  &properties.is_done);
	reader->is_optional = false;
	if (properties.needs_position)
		conclude_position(&properties, result);
	conclude_altitudes(&properties, result);
	if (properties.needs_position)
		conclude_rest(&properties, result);
}
