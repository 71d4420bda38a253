/*
 * fuzz_vecs.c
 *	  The reader of data set files on any file, in reads of any sizes.
 *
 * The first byte chooses the format, the second how much a read gives; the
 * rest is the file.  Rows must be those that are found by walking over the
 * whole file in memory, whatever the reads, and every outcome must be the one
 * that the bytes at its offset call for.
 */
#include "postgres.h"

#include "shim.h"
#include "vector/vecs.h"

typedef struct File
{
	const char *bytes;
	size_t		size;
	size_t		most;			/* that one read gives */
} File;

static const size_t element_size[] = {
	[TRIDENT_VECS_FVECS] = 4, [TRIDENT_VECS_F16VECS] = 2,
	[TRIDENT_VECS_BVECS] = 1, [TRIDENT_VECS_I8VECS] = 1,
	[TRIDENT_VECS_IVECS] = 4
};

static size_t
read_file(void *arg, char *to, size_t room, int64 at)
{
	File	   *file = arg;
	size_t		length;

	SHIM_HOLDS(room > 0);
	SHIM_HOLDS(at >= 0 && (size_t) at <= file->size);
	length = Min(Min(room, file->most), file->size - (size_t) at);
	memcpy(to, file->bytes + at, length);
	return length;
}

/* Take the elements out of a row, into space of their exact size. */
static void
take_elements(TridentVecsFormat format, const char *data, int dim)
{
	if (format == TRIDENT_VECS_IVECS)
		trident_vecs_int32s(data, dim, palloc(dim * sizeof(int32)));
	else if (format == TRIDENT_VECS_F16VECS)
		trident_vecs_halves(data, dim, palloc(dim * sizeof(uint16)));
	else
		trident_vecs_floats(format, data, dim, palloc(dim * sizeof(float)));
}

/* Does the row at offset call for that outcome? */
static void
check_outcome(const TridentVecsReader *reader, TridentVecsOutcome outcome,
			  const File *file, const char *data, int first_dim)
{
	size_t		left = file->size - (size_t) reader->offset;
	const uint8 *at = (const uint8 *) file->bytes + reader->offset;
	int32		dim = 0;
	size_t		size;

	if (left >= TRIDENT_VECS_HEAD)
		dim = (int32) (at[0] | at[1] << 8 | at[2] << 16 | (uint32) at[3] << 24);
	size = TRIDENT_VECS_HEAD + dim * element_size[reader->format];

	if (left == 0)
		SHIM_HOLDS(outcome == TRIDENT_VECS_END);
	else if (left < TRIDENT_VECS_HEAD)
		SHIM_HOLDS(outcome == TRIDENT_VECS_CUT_OFF && reader->dim == 0 &&
				   reader->available == left);
	else if (dim < 1 || dim > TRIDENT_VECS_MAX_DIM)
		SHIM_HOLDS(outcome == TRIDENT_VECS_BAD_DIM && reader->dim == dim);
	else if (first_dim != 0 && dim != first_dim)
		SHIM_HOLDS(outcome == TRIDENT_VECS_OTHER_DIM && reader->dim == dim);
	else if (left < size)
		SHIM_HOLDS(outcome == TRIDENT_VECS_CUT_OFF && reader->size == size &&
				   reader->available == left);
	else
	{
		SHIM_HOLDS(outcome == TRIDENT_VECS_ROW && reader->size == size);
		SHIM_HOLDS(memcmp(data, at, size) == 0);
	}
}

int			LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	TridentVecsReader reader = {0};
	TridentVecsOutcome outcome;
	File		file;
	int64		rows = 0;
	int64		offset = 0;
	int			first_dim = 0;

	if (size < 2)
		return 0;
	file.size = size - 2;
	file.bytes = memcpy(palloc(file.size), data + 2, file.size);
	file.most = data[1] + 1;
	reader.format = (TridentVecsFormat) (data[0] % TRIDENT_VECS_UNKNOWN);
	reader.read = read_file;
	reader.arg = &file;
	reader.buffer_size = TRIDENT_VECS_MIN_BUFFER;
	reader.buffer = palloc(reader.buffer_size);
	reader.row = -1;

	do
	{
		const char *row = NULL;

		outcome = trident_vecs_next(&reader, &row);
		SHIM_HOLDS(reader.row == rows && reader.offset == offset);
		check_outcome(&reader, outcome, &file, row, first_dim);
		if (outcome == TRIDENT_VECS_ROW)
		{
			take_elements(reader.format, row, reader.dim);
			first_dim = reader.dim;
			offset += reader.size;
			rows++;
		}
	} while (outcome == TRIDENT_VECS_ROW);

	/* Names of formats are from outside too. */
	{
		char	   *name = palloc(size + 1);

		memcpy(name, data, size);
		name[size] = '\0';
		(void) trident_vecs_format_named(name);
		(void) trident_vecs_format_of_path(name);
	}
	shim_reset();
	return 0;
}
