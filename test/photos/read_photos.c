/*
 * read_photos.c
 *	  The parser on files, read as the worker reads them.
 *
 * usage: read_photos file...
 *
 * For each file a line, separated by tabs: name, status, reason, latitude,
 * longitude, altitude, its source, relative altitude, direction, captured_at
 * and captured_local in seconds, zone, make, model, reads, bytes read.  What is
 * not known is empty.  The file is read twice: in the ranges that the parser
 * asks for, and as a whole; a line "differs" follows if the answers do.  (Time
 * and camera are looked for further only in photos with a position.)
 */
#include "c.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/exif.h"

/* c.h leads these to a library that this does without. */
#undef printf
#undef fprintf

/* Read one range of a file into space of its own exact size. */
static TridentExifRange
read_range(int fd, uint64 from, uint64 to)
{
	TridentExifRange range = {from, 0, NULL};
	uint8	   *bytes = malloc(Max(to - from, 1));
	ssize_t		got = pread(fd, bytes, to - from, (off_t) from);

	range.length = got > 0 ? (uint64) got : 0;
	range.bytes = realloc(bytes, Max(range.length, 1));
	return range;
}

/* Parse a file in reads; *reads and *bytes are what it took. */
static void
parse_in_reads(int fd, uint64 size, uint64 head, TridentExifResult *result,
			   int *reads, uint64 *bytes)
{
	TridentExifRange ranges[TRIDENT_EXIF_MAX_READS];
	TridentExifInput input = {ranges, 1, size, TRIDENT_EXIF_XMP_AUTO};

	ranges[0] = read_range(fd, 0, Min(head, size));
	*bytes = ranges[0].length;
	while (trident_exif_parse(&input, result) == TRIDENT_EXIF_NEED)
	{
		ranges[input.count] = read_range(fd, result->need_from, result->need_to);
		*bytes += ranges[input.count].length;
		input.count++;
	}
	*reads = input.count;
	for (int i = 0; i < input.count; i++)
		free(unconstify(uint8 *, ranges[i].bytes));
}

static void
print_result(const char *name, const TridentExifResult *r, int reads, uint64 bytes)
{
	const char *source = trident_exif_source_name(r->altitude_source);
	const char *zone = trident_exif_zone_name(r->zone);
	const char *reason = trident_exif_reason_name(r->reason);

	printf("%s\t%s\t%s\t", name, trident_exif_status_name(r->status), reason ? reason : "");
	if (r->status == TRIDENT_EXIF_FOUND)
		printf("%.9f\t%.9f\t", r->latitude, r->longitude);
	else
		printf("\t\t");
	if (source != NULL)
		printf("%.6f\t%s\t", r->altitude_m, source);
	else
		printf("\t\t");
	if (r->has_relative_altitude)
		printf("%.3f", r->relative_altitude_m);
	printf("\t");
	if (r->direction_ref != 0)
		printf("%.6f%c", r->direction, r->direction_ref);
	printf("\t");
	if (r->has_captured_at)
		printf("%.6f", r->captured_at_us / 1e6);
	printf("\t");
	if (r->has_captured_local)
		printf("%.6f", r->captured_local_us / 1e6);
	printf("\t%s\t%s\t%s\t%d\t%d\n", zone ? zone : "", r->make, r->model, reads, (int) bytes);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		int			fd = open(argv[i], O_RDONLY);
		struct stat info;
		TridentExifResult result;
		TridentExifResult whole;
		int			reads;
		uint64		bytes;

		if (fd < 0 || fstat(fd, &info) != 0)
		{
			fprintf(stderr, "could not open %s\n", argv[i]);
			return 1;
		}
		parse_in_reads(fd, (uint64) info.st_size, TRIDENT_EXIF_HEAD, &result, &reads, &bytes);
		print_result(argv[i], &result, reads, bytes);
		parse_in_reads(fd, (uint64) info.st_size, (uint64) info.st_size, &whole, &reads, &bytes);
		result.need_from = whole.need_from;
		result.need_to = whole.need_to;
		if (result.reason != TRIDENT_EXIF_REASON_LIMIT &&
			(result.status != whole.status || result.reason != whole.reason ||
			 (result.status == TRIDENT_EXIF_FOUND &&
			  memcmp(&result, &whole, sizeof(result)) != 0)))
		{
			printf("differs\t");
			print_result(argv[i], &whole, reads, bytes);
		}
		close(fd);
	}
	return 0;
}
