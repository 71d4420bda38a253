/*
 * exif.c
 *	  trident_exif and trident_exif_gps: the parser for SQL.
 *
 * Text of a photo need not be in any encoding: it is shown as names of files
 * are, with \xHH for what is not valid.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "ingest/exif_walk.h"
#include "ingest/name.h"

/* Values of one tag that are told; more are tables and thumbnails. */
#define MAX_VALUES 16
#define MAX_TEXT 1024
#define EPOCH_US ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(trident_exif);
PG_FUNCTION_INFO_V1(trident_exif_gps);

/* A JSON object that is being written. */
typedef struct Writer
{
	StringInfoData json;
	bool		has_any;
} Writer;

/* What is known of the file, out of the arguments of a call. */
static void
take_input(FunctionCallInfo fcinfo, TridentExifRange *range,
		   TridentExifInput *input)
{
	bytea	   *head = PG_GETARG_BYTEA_PP(0);

	range->offset = 0;
	range->length = VARSIZE_ANY_EXHDR(head);
	range->bytes = (const uint8 *) VARDATA_ANY(head);
	input->ranges = range;
	input->count = 1;
	input->file_size = TRIDENT_EXIF_SIZE_UNKNOWN;
	input->xmp = TRIDENT_EXIF_XMP_AUTO;
	if (PG_ARGISNULL(1))
		return;
	if (PG_GETARG_INT64(1) < 0 || (uint64) PG_GETARG_INT64(1) < range->length)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("file_size is less than the length of head"),
				 errdetail("The size is %lld, the head has %llu bytes.",
						   (long long) PG_GETARG_INT64(1),
						   (unsigned long long) range->length),
				 errhint("Pass the size of the whole file in bytes, or NULL.")));
	input->file_size = (uint64) PG_GETARG_INT64(1);
}

static TridentExifXmp
take_xmp(text *word)
{
	char	   *name = text_to_cstring(word);

	if (strcmp(name, "auto") == 0)
		return TRIDENT_EXIF_XMP_AUTO;
	if (strcmp(name, "always") == 0)
		return TRIDENT_EXIF_XMP_ALWAYS;
	if (strcmp(name, "never") == 0)
		return TRIDENT_EXIF_XMP_NEVER;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for xmp: \"%s\"", name),
			 errhint("Choose auto, always or never.")));
	return TRIDENT_EXIF_XMP_AUTO;	/* keep compiler quiet */
}

/* Text as a Datum, NULL if there is none. */
static Datum
text_datum(const char *text, bool *is_null)
{
	*is_null = text == NULL || *text == '\0';
	return *is_null ? (Datum) 0 :
		CStringGetTextDatum(trident_ingest_name_show(text, strlen(text)));
}

/*
 * trident_exif_gps(head, file_size, xmp)
 */
Datum
trident_exif_gps(PG_FUNCTION_ARGS)
{
	TupleDesc	descriptor;
	TridentExifRange range;
	TridentExifInput input;
	TridentExifResult r;
	Datum		values[17] = {0};
	bool		nulls[17] = {0};
	bool		has_position;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	take_input(fcinfo, &range, &input);
	if (!PG_ARGISNULL(2))
		input.xmp = take_xmp(PG_GETARG_TEXT_PP(2));
	(void) trident_exif_parse(&input, &r);

	has_position = r.position_source != TRIDENT_EXIF_SOURCE_NONE;
	values[0] = Float8GetDatum(r.latitude);
	values[1] = Float8GetDatum(r.longitude);
	nulls[0] = nulls[1] = !has_position;
	values[2] = Float8GetDatum(r.altitude_m);
	nulls[2] = r.altitude_source == TRIDENT_EXIF_SOURCE_NONE;
	values[3] = text_datum(trident_exif_source_name(r.altitude_source), &nulls[3]);
	values[4] = Float8GetDatum(r.relative_altitude_m);
	nulls[4] = !r.has_relative_altitude;
	values[5] = Float8GetDatum(r.direction);
	nulls[5] = nulls[14] = r.direction_ref == 0;
	values[6] = TimestampTzGetDatum(r.captured_at_us - EPOCH_US);
	nulls[6] = !r.has_captured_at;
	values[7] = text_datum(r.make, &nulls[7]);
	values[8] = text_datum(r.model, &nulls[8]);
	values[9] = text_datum(trident_exif_status_name(r.status), &nulls[9]);
	values[10] = text_datum(trident_exif_reason_name(r.reason), &nulls[10]);
	values[11] = Int64GetDatum((int64) r.need_from);
	values[12] = Int64GetDatum((int64) r.need_to);
	nulls[11] = nulls[12] = r.status != TRIDENT_EXIF_NEED;
	values[13] = text_datum(trident_exif_source_name(r.position_source), &nulls[13]);
	values[14] = CharGetDatum(r.direction_ref);
	values[15] = TimestampGetDatum(r.captured_local_us - EPOCH_US);
	nulls[15] = !r.has_captured_local;
	values[16] = text_datum(trident_exif_zone_name(r.zone), &nulls[16]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor),
													  values, nulls)));
}

static void
write_key(Writer *writer, const char *name)
{
	if (writer->has_any)
		appendStringInfoChar(&writer->json, ',');
	writer->has_any = true;
	escape_json(&writer->json, name);
	appendStringInfoChar(&writer->json, ':');
}

static void
write_text(Writer *writer, const char *text, size_t length)
{
	escape_json(&writer->json, trident_ingest_name_show(text, length));
}

static void
write_number(Writer *writer, double number)
{
	if (isfinite(number))
		appendStringInfoString(&writer->json, float8out_internal(number));
	else
		appendStringInfoString(&writer->json, "null");
}

/* One number of a tag that is not text. */
static void
write_value(Writer *writer, const TridentExifTiff *tiff, uint16 type,
			const uint8 *bytes, int size)
{
	uint64		bits = trident_exif_number(tiff, bytes, type == TRIDENT_EXIF_RATIONAL ||
										   type == TRIDENT_EXIF_SRATIONAL ? 4 : size);
	uint32		denominator;

	switch (type)
	{
		case TRIDENT_EXIF_RATIONAL:
		case TRIDENT_EXIF_SRATIONAL:
			denominator = (uint32) trident_exif_number(tiff, bytes + 4, 4);
			if (denominator == 0)
				appendStringInfoString(&writer->json, "null");
			else if (type == TRIDENT_EXIF_RATIONAL)
				write_number(writer, (double) (uint32) bits / denominator);
			else
				write_number(writer, (double) (int32) (uint32) bits / (int32) denominator);
			break;
		case TRIDENT_EXIF_SBYTE:
			write_number(writer, (int8) bits);
			break;
		case TRIDENT_EXIF_SSHORT:
			write_number(writer, (int16) bits);
			break;
		case TRIDENT_EXIF_SLONG:
			write_number(writer, (int32) (uint32) bits);
			break;
		case TRIDENT_EXIF_FLOAT:
			{
				uint32		word = (uint32) bits;
				float		number;

				memcpy(&number, &word, sizeof(number));
				write_number(writer, number);
				break;
			}
		case TRIDENT_EXIF_DOUBLE:
			{
				double		number;

				memcpy(&number, &bits, sizeof(number));
				write_number(writer, number);
				break;
			}
		default:
			write_number(writer, (double) bits);
	}
}

/* A tag that is text, or bytes that are text. */
static void
write_text_tag(Writer *writer, TridentExifTiff *tiff, const char *name,
			   const TridentExifEntry *entry)
{
	uint64		length = Min(entry->size, MAX_TEXT);
	char		text[MAX_TEXT];

	if (!trident_exif_entry_read(tiff, entry, length, (uint8 *) text))
		return;
	length = strnlen(text, length);
	while (length > 0 && text[length - 1] == ' ')
		length--;
	write_key(writer, name);
	write_text(writer, text, length);
}

/* GPSLatitude and its like, as decimal degrees; a time as HH:MM:SS. */
static void
write_sexagesimal(Writer *writer, TridentExifTiff *tiff, const char *name,
				  const TridentExifEntry *entry)
{
	double		value;

	if (trident_exif_sexagesimal(tiff, entry, &value) != TRIDENT_EXIF_REASON_NONE)
		return;
	write_key(writer, name);
	if (entry->tag != 7)
		write_number(writer, value);
	else
	{
		double		seconds = rint(value * 3600e6) / 1e6;
		int			whole = (int) Min(seconds, 86400);
		char	   *rest = psprintf("%09.6f", seconds - whole / 60 * 60);
		int			length = (int) strlen(rest);

		while (length > 2 && (rest[length - 1] == '0' || rest[length - 1] == '.'))
		{
			if (rest[--length] == '.')
				break;
		}
		rest[length] = '\0';
		appendStringInfo(&writer->json, "\"%02d:%02d:%s\"", whole / 3600,
						 whole / 60 % 60, rest);
	}
}

/* One entry of a directory. */
static void
write_tag(TridentExifTiff *tiff, TridentExifDirectory directory,
		  const TridentExifEntry *entry, void *arg)
{
	Writer	   *writer = arg;
	const char *name = trident_exif_tag_name(directory, entry->tag);
	uint8		bytes[8 * MAX_VALUES];
	int			size;

	if (name == NULL || entry->size == 0)
		return;
	if (entry->type == TRIDENT_EXIF_ASCII || entry->type == TRIDENT_EXIF_UNDEFINED)
	{
		write_text_tag(writer, tiff, name, entry);
		return;
	}
	if (directory == TRIDENT_EXIF_GPS &&
		(entry->tag == 2 || entry->tag == 4 || entry->tag == 7 ||
		 entry->tag == 20 || entry->tag == 22))
	{
		write_sexagesimal(writer, tiff, name, entry);
		return;
	}
	if (entry->count > MAX_VALUES ||
		!trident_exif_entry_read(tiff, entry, entry->size, bytes))
		return;
	size = (int) (entry->size / entry->count);
	write_key(writer, name);
	if (entry->count > 1)
		appendStringInfoChar(&writer->json, '[');
	for (int i = 0; i < (int) entry->count; i++)
	{
		if (i > 0)
			appendStringInfoChar(&writer->json, ',');
		write_value(writer, tiff, entry->type, bytes + i * size, size);
	}
	if (entry->count > 1)
		appendStringInfoChar(&writer->json, ']');
}

/* One property of XMP. */
static void
write_property(void *arg, const char *name, const char *value)
{
	static const char *const prefixes[] = {
		"exif:", "tiff:", "xmp:", "aux:", "Camera:"
	};
	Writer	   *writer = arg;
	const char *colon = strchr(name, ':');
	bool		is_wanted = strncmp(name, "drone-", 6) == 0;
	double		number;

	for (int i = 0; i < (int) lengthof(prefixes); i++)
		is_wanted = is_wanted || strncmp(name, prefixes[i], strlen(prefixes[i])) == 0;
	if (colon == NULL || !is_wanted)
		return;
	name = colon + 1;
	/* exiftool spells it as EXIF does. */
	name = trident_ingest_name_show(name, strlen(name));
	write_key(writer, strncmp(name, "Gps", 3) == 0 ? psprintf("GPS%s", name + 3) : name);
	if (trident_exif_decimal_parse(value, &number))
		write_number(writer, number);
	else
		write_text(writer, value, strlen(value));
}

/*
 * trident_exif(head, file_size)
 */
Datum
trident_exif(PG_FUNCTION_ARGS)
{
	TridentExifRange range;
	TridentExifInput input;
	TridentExifReader reader = {0};
	TridentExifPlaces places = {0};
	Writer		tags = {0};
	Writer		xmp = {0};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	take_input(fcinfo, &range, &input);
	/* What is not there is not told. */
	if (PG_ARGISNULL(1))
		input.file_size = range.length;
	reader.input = &input;
	reader.steps = TRIDENT_EXIF_MAX_STEPS;
	if (!trident_exif_locate(&reader, false, &places))
		PG_RETURN_NULL();
	initStringInfo(&tags.json);
	initStringInfo(&xmp.json);
	if (places.tiff.is_known)
		trident_exif_tags_walk(&reader, &places, write_tag, &tags);
	if (!places.xmp.is_known)
		(void) trident_exif_locate(&reader, true, &places);
	if (places.xmp.is_known)
		trident_exif_xmp_walk(&reader, &places.xmp, write_property, &xmp, NULL);

	/* Of two with one name the later one counts: EXIF. */
	return DirectFunctionCall1(jsonb_in,
							   CStringGetDatum(psprintf("{%s%s%s}", xmp.json.data,
														xmp.has_any && tags.has_any ? "," : "",
														tags.json.data)));
}
