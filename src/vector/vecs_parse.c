/*
 * vecs_parse.c
 *	  The rows of vector data set files, from bytes.
 */
#include "c.h"

#include <string.h>

#include "port/pg_bswap.h"

#include "vector/vecs.h"

static const struct
{
	const char *name;
	size_t		element_size;
}			formats[] = {
	[TRIDENT_VECS_FVECS] = {"fvecs", 4},
	[TRIDENT_VECS_F16VECS] = {"f16vecs", 2},
	[TRIDENT_VECS_BVECS] = {"bvecs", 1},
	[TRIDENT_VECS_I8VECS] = {"i8vecs", 1},
	[TRIDENT_VECS_IVECS] = {"ivecs", 4},
};

/* Little-endian to host. */
static inline uint32
little32(uint32 x)
{
#ifdef WORDS_BIGENDIAN
	return pg_bswap32(x);
#else
	return x;
#endif
}

static inline uint16
little16(uint16 x)
{
#ifdef WORDS_BIGENDIAN
	return pg_bswap16(x);
#else
	return x;
#endif
}

/* See vecs.h. */
TridentVecsFormat
trident_vecs_format_named(const char *name)
{
	for (int i = 0; i < TRIDENT_VECS_UNKNOWN; i++)
	{
		if (strcmp(name, formats[i].name) == 0)
			return (TridentVecsFormat) i;
	}
	return TRIDENT_VECS_UNKNOWN;
}

/* See vecs.h. */
const char *
trident_vecs_format_name(TridentVecsFormat format)
{
	return formats[format].name;
}

/* See vecs.h. */
TridentVecsFormat
trident_vecs_format_of_path(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? trident_vecs_format_named(dot + 1) : TRIDENT_VECS_UNKNOWN;
}

/*
 * Have at least size bytes from start on in the buffer, or all that the file
 * has left.  What is in it moves to the front, so that they fit.
 */
static void
fill_buffer(TridentVecsReader *reader, size_t size)
{
	while (reader->end - reader->start < size && !reader->at_end)
	{
		size_t		got;

		memmove(reader->buffer, reader->buffer + reader->start,
				reader->end - reader->start);
		reader->end -= reader->start;
		reader->start = 0;
		got = reader->read(reader->arg, reader->buffer + reader->end,
						   reader->buffer_size - reader->end, reader->read_at);
		reader->end += got;
		reader->read_at += got;
		reader->at_end = (got == 0);
	}
	reader->available = Min(reader->end - reader->start, size);
}

/* See vecs.h. */
TridentVecsOutcome
trident_vecs_next(TridentVecsReader *reader, const char **data)
{
	uint32		head;

	/* Step over the row before. */
	reader->start += reader->size;
	reader->offset += reader->size;
	reader->row++;
	reader->dim = 0;
	reader->size = TRIDENT_VECS_HEAD;

	fill_buffer(reader, reader->size);
	if (reader->available == 0)
		return TRIDENT_VECS_END;
	if (reader->available < reader->size)
		return TRIDENT_VECS_CUT_OFF;
	memcpy(&head, reader->buffer + reader->start, sizeof(head));
	reader->dim = (int32) little32(head);
	if (reader->dim < 1 || reader->dim > TRIDENT_VECS_MAX_DIM)
		return TRIDENT_VECS_BAD_DIM;
	if (reader->first_dim == 0)
		reader->first_dim = reader->dim;
	if (reader->dim != reader->first_dim)
		return TRIDENT_VECS_OTHER_DIM;

	reader->size += reader->dim * formats[reader->format].element_size;
	fill_buffer(reader, reader->size);
	if (reader->available < reader->size)
		return TRIDENT_VECS_CUT_OFF;
	*data = reader->buffer + reader->start;
	return TRIDENT_VECS_ROW;
}

/* See vecs.h. */
void
trident_vecs_floats(TridentVecsFormat format, const char *data, int dim,
					float *x)
{
	data += TRIDENT_VECS_HEAD;
	if (format == TRIDENT_VECS_BVECS)
	{
		for (int i = 0; i < dim; i++)
			x[i] = (float) ((const uint8 *) data)[i];
	}
	else if (format == TRIDENT_VECS_I8VECS)
	{
		for (int i = 0; i < dim; i++)
			x[i] = (float) ((const int8 *) data)[i];
	}
	else
	{
		uint32		bits;

		for (int i = 0; i < dim; i++)
		{
			memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
			bits = little32(bits);
			memcpy(&x[i], &bits, sizeof(bits));
		}
	}
}

/* See vecs.h. */
void
trident_vecs_int32s(const char *data, int dim, int32 *x)
{
	memcpy(x, data + TRIDENT_VECS_HEAD, dim * sizeof(*x));
	for (int i = 0; i < dim; i++)
		x[i] = (int32) little32((uint32) x[i]);
}

/* See vecs.h. */
void
trident_vecs_halves(const char *data, int dim, uint16 *x)
{
	memcpy(x, data + TRIDENT_VECS_HEAD, dim * sizeof(*x));
	for (int i = 0; i < dim; i++)
		x[i] = little16(x[i]);
}
