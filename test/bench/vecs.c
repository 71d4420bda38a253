/*
 * vecs.c
 *	  The field's files of vectors: .bvecs, .i8vecs, .f16vecs, .fvecs, .ivecs.
 *
 * A row is an int32 dimension and so many elements, little endian.  The file
 * is mapped, and must be a whole number of rows of one dimension.  It stays
 * mapped until the program ends.
 */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static const struct
{
	const char *suffix;
	VecsKind	kind;
	int			bytes;
}			kinds[] =
{
	{".bvecs", VECS_U8, 1},
	{".i8vecs", VECS_I8, 1},
	{".f16vecs", VECS_F16, 2},
	{".fvecs", VECS_F32, 4},
	{".ivecs", VECS_I32, 4},
};

static void
set_kind(Vecs *v, const char *path)
{
	size_t		len = strlen(path);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		size_t		slen = strlen(kinds[i].suffix);

		if (len > slen && strcmp(path + len - slen, kinds[i].suffix) == 0)
		{
			v->kind = kinds[i].kind;
			v->elem_bytes = kinds[i].bytes;
			return;
		}
	}
	die("unknown kind of vector file", path);
}

static size_t
row_bytes(const Vecs *v)
{
	return sizeof(int32_t) + (size_t) v->dim * v->elem_bytes;
}

static const char *
row_at(const Vecs *v, int64_t row)
{
	if (row < 0 || row >= v->n)
		die("row beyond the end of a vector file", NULL);
	return v->map + row * row_bytes(v) + sizeof(int32_t);
}

/*
 * Maps a file.  The dimension of every row is looked at once, so that the
 * readers below need no checks of their own.
 */
void
vecs_open(Vecs *v, const char *path)
{
	int			fd = open(path, O_RDONLY);
	struct stat st;
	int32_t		dim;

	set_kind(v, path);
	if (fd < 0 || fstat(fd, &st) != 0)
		die("could not open", path);
	if (st.st_size < (off_t) sizeof(dim))
		die("no row in", path);
	v->map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (v->map == MAP_FAILED)
		die("could not map", path);
	close(fd);

	memcpy(&dim, v->map, sizeof(dim));
	v->dim = dim;
	if (dim < 1 || st.st_size % row_bytes(v) != 0)
		die("not a whole number of rows in", path);
	v->n = st.st_size / row_bytes(v);
	for (int64_t i = 0; i < v->n; i++)
	{
		memcpy(&dim, v->map + i * row_bytes(v), sizeof(dim));
		if (dim != v->dim)
			die("rows of several dimensions in", path);
	}
}

static float
half_value(const char *p)
{
	uint16_t	h;
	int			exponent;
	int			mantissa;
	float		value;

	memcpy(&h, p, sizeof(h));
	exponent = (h >> 10) & 31;
	mantissa = h & 1023;
	if (exponent == 31)
		value = mantissa ? NAN : INFINITY;
	else if (exponent == 0)
		value = ldexpf(mantissa, -24);
	else
		value = ldexpf(1024 + mantissa, exponent - 25);
	return (h >> 15) ? -value : value;
}

/* Element col of a row, converted; not for .ivecs. */
float
vecs_float(const Vecs *v, int64_t row, int col)
{
	const char *p = row_at(v, row) + (size_t) col * v->elem_bytes;
	float		value;

	switch (v->kind)
	{
		case VECS_U8:
			return *(const uint8_t *) p;
		case VECS_I8:
			return *(const int8_t *) p;
		case VECS_F16:
			return half_value(p);
		case VECS_F32:
			memcpy(&value, p, sizeof(value));
			return value;
		case VECS_I32:
			break;
	}
	die("a file of ids is no file of vectors", NULL);
}

/* All v->dim elements of a row. */
void
vecs_row(const Vecs *v, int64_t row, float *out)
{
	for (int i = 0; i < v->dim; i++)
		out[i] = vecs_float(v, row, i);
}

/* Element col of a row of an .ivecs file. */
int32_t
vecs_int(const Vecs *v, int64_t row, int col)
{
	int32_t		value;

	if (v->kind != VECS_I32)
		die("a file of vectors is no file of ids", NULL);
	memcpy(&value, row_at(v, row) + (size_t) col * 4, sizeof(value));
	return value;
}
