/*
 * exif_input.c
 *	  The bytes of a file of which some ranges are known.
 */
#include "c.h"

#include "ingest/exif_walk.h"

/*
 * Note that these bytes are needed.  Needs that are near are one, so that they
 * cost one read; of others the first counts, the next parse will name the
 * rest.
 */
static void
note_need(TridentExifReader *reader, uint64 from, uint64 to)
{
	TridentExifNeed *need = reader->is_optional ? &reader->optional : &reader->need;
	uint64		low = Min(need->from, from);
	uint64		high = Max(need->to, to);

	if (need->to == 0)
	{
		need->from = from;
		need->to = to;
	}
	else if (high - low <= TRIDENT_EXIF_GULP_MERGED)
	{
		need->from = low;
		need->to = high;
	}
}

/* The range that has the byte at that offset. */
static const TridentExifRange *
range_at(const TridentExifInput *input, uint64 at)
{
	for (int i = 0; i < input->count; i++)
	{
		const TridentExifRange *range = &input->ranges[i];

		if (at >= range->offset && at - range->offset < range->length)
			return range;
	}
	return NULL;
}

/* See exif_walk.h. */
bool
trident_exif_read(TridentExifReader *reader, uint64 at, uint64 length,
				  void *to, uint64 gulp)
{
	uint64		size = reader->input->file_size;
	uint64		done = 0;

	if (at > size || length > size - at)
	{
		reader->is_truncated = reader->is_truncated || !reader->is_optional;
		return false;
	}
	while (done < length)
	{
		const TridentExifRange *range = range_at(reader->input, at + done);
		uint64		from;
		uint64		part;

		if (range == NULL)
		{
			from = at + done;
			note_need(reader, from,
					  from + Min(Max(length - done, gulp), size - from));
			return false;
		}
		from = at + done - range->offset;
		part = Min(length - done, range->length - from);
		memcpy((uint8 *) to + done, range->bytes + from, part);
		done += part;
	}
	return true;
}

/* See exif_walk.h. */
bool
trident_exif_step(TridentExifReader *reader)
{
	if (reader->steps > 0)
		reader->steps--;
	return reader->steps > 0;
}

/* See exif_walk.h. */
void
trident_exif_span(TridentExifSpan *span, uint64 start, uint64 length)
{
	if (span->is_known)
		return;
	span->is_known = true;
	span->start = start;
	span->end = start + Min(length, PG_UINT64_MAX - start);
}

/* See exif_walk.h. */
void
trident_exif_text_copy(char *to, const char *from, size_t size)
{
	size_t		length = strlen(from);

	if (length >= size)
		length = size - 1;
	memcpy(to, from, length);
	to[length] = '\0';
}

static char
lower(char letter)
{
	return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter;
}

/* See exif_walk.h. */
bool
trident_exif_text_begins(const char *text, const char *prefix)
{
	for (; *prefix != '\0'; text++, prefix++)
	{
		if (lower(*text) != lower(*prefix))
			return false;
	}
	return true;
}
