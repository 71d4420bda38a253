/*
 * test_exif.c
 *	  Proves that a photo read by parts tells what it tells as a whole, in few
 *	  reads, and that reading ends whatever the reads give.
 *
 * The photos are those of test/data/photos.  libexif has the second opinion in
 * JPEG where it is installed: see Makefile.
 */
#include "c.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_LIBEXIF
#include <libexif/exif-data.h>
#endif

#include "ingest/exif_walk.h"
#include "tap.h"

#define FOLDER "../data/photos"
#define MAX_PHOTOS 32

typedef struct Photo
{
	char		name[64];
	uint8	   *bytes;
	uint64		size;
	TridentExifResult whole;
} Photo;

static Photo photos[MAX_PHOTOS];
static int	photo_count = 0;

static void
load_photo(const char *name)
{
	Photo	   *photo = &photos[photo_count];
	FILE	   *file = fopen(name, "rb");

	trident_exif_text_copy(photo->name, name, sizeof(photo->name));
	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
		return;
	photo->size = (uint64) ftell(file);
	photo->bytes = malloc(photo->size);
	rewind(file);
	if (fread(photo->bytes, 1, photo->size, file) == photo->size)
		photo_count++;
	fclose(file);
}

static void
load_photos(void)
{
	DIR		   *folder = chdir(FOLDER) == 0 ? opendir(".") : NULL;
	struct dirent *entry;

	while (folder != NULL && photo_count < MAX_PHOTOS && (entry = readdir(folder)) != NULL)
	{
		if (entry->d_name[0] != '.')
			load_photo(entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
}

/*
 * Read a photo as the parser asks; each read gives at most so many bytes.
 * Returns how many reads that took.
 */
static int
read_photo(const Photo *photo, uint64 head, uint64 most, TridentExifResult *result)
{
	TridentExifRange ranges[TRIDENT_EXIF_MAX_READS];
	TridentExifInput input = {ranges, 1, photo->size, TRIDENT_EXIF_XMP_AUTO};
	uint8	   *copies[TRIDENT_EXIF_MAX_READS];

	for (int i = 0;; i++)
	{
		uint64		from = i == 0 ? 0 : result->need_from;
		uint64		length = i == 0 ? Min(head, photo->size) :
			Min(result->need_to - result->need_from, most);

		/* Space of its own for each, so that no read leaves its range. */
		copies[i] = malloc(Max(length, 1));
		memcpy(copies[i], photo->bytes + from, length);
		ranges[i] = (TridentExifRange) {from, length, copies[i]};
		input.count = i + 1;
		if (trident_exif_parse(&input, result) != TRIDENT_EXIF_NEED)
			break;
		if (result->need_from >= result->need_to || result->need_to > photo->size)
			break;
	}
	for (int i = 0; i < input.count; i++)
		free(copies[i]);
	return input.count;
}

static bool
is_same(const TridentExifResult *a, const TridentExifResult *b)
{
	return a->status == b->status && a->reason == b->reason &&
		(a->status != TRIDENT_EXIF_FOUND ||
		 (a->latitude == b->latitude && a->longitude == b->longitude &&
		  a->altitude_m == b->altitude_m && a->direction == b->direction &&
		  a->has_relative_altitude == b->has_relative_altitude &&
		  a->captured_at_us == b->captured_at_us &&
		  strcmp(a->make, b->make) == 0 && strcmp(a->model, b->model) == 0));
}

/* Every head, and reads that give what they are asked for. */
static void
test_heads(const Photo *photo)
{
	int			most = 0;
	int			differ = 0;

	for (uint64 head = 1; head <= photo->size; head += head < 1000 ? 1 : 501)
	{
		TridentExifResult result;
		int			reads = read_photo(photo, head, PG_UINT64_MAX, &result);

		most = Max(most, reads);
		if (!is_same(&result, &photo->whole) && differ++ == 0)
			tap_note("head of %d: %s", (int) head,
					 trident_exif_status_name(result.status));
	}
	tap_ok(differ == 0, "%s: the same from every head", photo->name);
	tap_ok(most <= 5, "%s: in %d reads at most", photo->name, most);
}

/* Reads that give less than they are asked for: the same, or a limit. */
static void
test_short_reads(const Photo *photo)
{
	static const uint64 sizes[] = {0, 1, 7, 64, 500};
	int			wrong = 0;

	for (int i = 0; i < (int) lengthof(sizes); i++)
	{
		TridentExifResult result;
		int			reads = read_photo(photo, 40, sizes[i], &result);

		if (reads > TRIDENT_EXIF_MAX_READS || result.status == TRIDENT_EXIF_NEED ||
			(result.status == TRIDENT_EXIF_FOUND &&
			 (result.latitude != photo->whole.latitude ||
			  result.longitude != photo->whole.longitude)) ||
			(result.status != TRIDENT_EXIF_FOUND &&
			 result.reason != TRIDENT_EXIF_REASON_LIMIT && !is_same(&result, &photo->whole)))
			wrong++;
	}
	tap_ok(wrong == 0, "%s: short reads end, with the position or a limit", photo->name);
}

/* A file that ends anywhere: never a need, never another position. */
static void
test_cut(const Photo *photo)
{
	int			wrong = 0;

	for (uint64 size = 0; size < photo->size; size += size < 1000 ? 1 : 97)
	{
		uint8	   *copy = malloc(Max(size, 1));
		TridentExifRange range = {0, size, copy};
		TridentExifInput input = {&range, 1, size, TRIDENT_EXIF_XMP_AUTO};
		TridentExifResult result;

		memcpy(copy, photo->bytes, size);
		if (trident_exif_parse(&input, &result) == TRIDENT_EXIF_NEED ||
			(result.status == TRIDENT_EXIF_FOUND &&
			 (result.latitude != photo->whole.latitude ||
			  result.longitude != photo->whole.longitude)))
			wrong++;
		free(copy);
	}
	tap_ok(wrong == 0, "%s: cut off anywhere, no need and no other position", photo->name);
}

#ifdef HAVE_LIBEXIF
static double
libexif_degrees(ExifContent *gps, ExifByteOrder order, int tag)
{
	ExifEntry  *entry = exif_content_get_entry(gps, (ExifTag) tag);
	double		degrees = 0;
	double		unit = 1;

	for (int i = 0; entry != NULL && i < 3; i++, unit *= 60)
	{
		ExifRational part = exif_get_rational(entry->data + 8 * i, order);

		degrees += (double) part.numerator / part.denominator / unit;
	}
	return degrees;
}

static void
test_libexif(const Photo *photo)
{
	ExifData   *data = exif_data_new_from_data(photo->bytes, (unsigned int) photo->size);
	ExifContent *gps = data->ifd[EXIF_IFD_GPS];
	ExifByteOrder order = exif_data_get_byte_order(data);
	double		latitude = libexif_degrees(gps, order, 2);
	double		longitude = libexif_degrees(gps, order, 4);

	tap_ok(latitude - 1e-9 < fabs(photo->whole.latitude) &&
		   fabs(photo->whole.latitude) < latitude + 1e-9 &&
		   longitude - 1e-9 < fabs(photo->whole.longitude) &&
		   fabs(photo->whole.longitude) < longitude + 1e-9,
		   "%s: libexif finds the same", photo->name);
	exif_data_unref(data);
}
#endif

static void
test_decimals(void)
{
	static const struct
	{
		const char *text;
		bool		is_number;
		double		value;
	}			cases[] = {
		{"0", true, 0}, {"-0.5", true, -0.5}, {"+47.3541841", true, 47.3541841},
		{".5", true, 0.5}, {"5.", true, 5}, {"123456789012345678.5", false, 0},
		{"0.12345678901234567890123", true, 0.12345678901234567},
		{"", false, 0}, {"-", false, 0}, {".", false, 0}, {"1e5", false, 0},
		{"1.2.3", false, 0}, {" 1", false, 0}, {"nan", false, 0}, {"0x10", false, 0}
	};
	int			wrong = 0;

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		double		value;
		bool		is_number = trident_exif_decimal_parse(cases[i].text, &value);

		if (is_number != cases[i].is_number ||
			(is_number && (value < cases[i].value - 1e-15 * 100 ||
						   value > cases[i].value + 1e-15 * 100)))
		{
			tap_note("\"%s\"", cases[i].text);
			wrong++;
		}
	}
	tap_ok(wrong == 0, "decimal numbers");
}

int
main(void)
{
	load_photos();
	tap_ok(photo_count >= 14, "%d photos in " FOLDER, photo_count);
	for (int i = 0; i < photo_count; i++)
	{
		Photo	   *photo = &photos[i];
		TridentExifRange range = {0, photo->size, photo->bytes};
		TridentExifInput input = {&range, 1, photo->size, TRIDENT_EXIF_XMP_AUTO};

		(void) trident_exif_parse(&input, &photo->whole);
		test_heads(photo);
		test_short_reads(photo);
		test_cut(photo);
#ifdef HAVE_LIBEXIF
		if (photo->whole.position_source == TRIDENT_EXIF_SOURCE_EXIF &&
			strstr(photo->name, ".jpg") != NULL)
			test_libexif(photo);
#endif
	}
	test_decimals();
	return tap_done();
}
