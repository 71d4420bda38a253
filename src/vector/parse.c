/*
 * parse.c
 *	  From text to elements: the grammar of vector and halfvec literals.
 *
 *		literal = ws "[" ws number ws { "," ws number ws } "]" ws
 *
 * where ws is any run of the six ASCII spaces and number is what strtof takes.
 *
 * Nearly all numbers met in practice are short decimals, and strtof is slow on
 * them.  For a mantissa below 2^53 and a power of ten up to 22 both are exact
 * float8 values, so one float8 multiplication or division rounds the decimal
 * once (Clinger, "How to Read Floating Point Numbers Accurately", 1990).
 * Rounding that to float4 would be a second rounding, which can only differ
 * from the right answer when the first one landed exactly halfway between two
 * float4 values; that case, and everything else unusual, goes to strtof.
 */
#include "c.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vector/parse.h"

/* The largest power of ten that float8 holds exactly is 10^22. */
#define EXACT_POWER 22
/* 19 digits might pass 2^63; 15 stay below 2^53. */
#define EXACT_DIGITS 15

static const double power_of_ten[EXACT_POWER + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

static inline bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline const char *
skip_spaces(const char *at)
{
	while (is_space(*at))
		at++;
	return at;
}

/* The exponent part at *at, which is "e" or "E"; false if it is malformed. */
static bool
read_exponent(const char **at, int *exponent)
{
	const char *p = *at + 1;
	bool		negative = (*p == '-');
	int			value = 0;

	if (*p == '-' || *p == '+')
		p++;
	if (!is_digit(*p))
		return false;
	for (; is_digit(*p); p++)
	{
		if (value > 999)
			return false;
		value = value * 10 + (*p - '0');
	}
	*exponent += negative ? -value : value;
	*at = p;
	return true;
}

/*
 * mantissa * 10^exponent as float4, correctly rounded; false if this way of
 * computing it cannot promise that.  mantissa is below 10^15.
 */
static bool
scale_exactly(int64 mantissa, int exponent, float *value)
{
	double		exact;
	uint64		bits;

	if (exponent < -EXACT_POWER || exponent > EXACT_POWER)
		return false;
	if (exponent < 0)
		exact = (double) mantissa / power_of_ten[-exponent];
	else
		exact = (double) mantissa * power_of_ten[exponent];

	/* Subnormal and overflowing float4 have other halfway points. */
	if (mantissa != 0 && (exact < FLT_MIN || exact >= FLT_MAX))
		return false;

	/* float8 has 29 more bits than float4: is it a tie? */
	memcpy(&bits, &exact, sizeof(bits));
	if ((bits & 0x1fffffff) == 0x10000000)
		return false;

	*value = (float) exact;
	return true;
}

/* A short decimal at *at, moved past it; false leaves it to strtof. */
static bool
read_short_decimal(const char **at, float *value)
{
	const char *p = *at;
	bool		negative = (*p == '-');
	int64		mantissa = 0;
	int			digits = 0;
	int			exponent = 0;

	if (*p == '-' || *p == '+')
		p++;
	for (; is_digit(*p); p++, digits++)
	{
		if (digits == EXACT_DIGITS)
			return false;
		mantissa = mantissa * 10 + (*p - '0');
	}
	if (*p == '.')
	{
		for (p++; is_digit(*p); p++, digits++)
		{
			if (digits == EXACT_DIGITS)
				return false;
			mantissa = mantissa * 10 + (*p - '0');
			exponent--;
		}
	}
	if (digits == 0)
		return false;
	if ((*p == 'e' || *p == 'E') && !read_exponent(&p, &exponent))
		return false;

	/* A hexadecimal number, say, is not over yet. */
	if (*p != ',' && *p != ']' && !is_space(*p))
		return false;
	if (!scale_exactly(mantissa, exponent, value))
		return false;
	if (negative)
		*value = -*value;
	*at = p;
	return true;
}

/* One element at *at, moved past it. */
static TridentVectorParseOutcome
read_element(const char **at, TridentVectorParse *parse)
{
	const char *start = *at;
	float	   *value = &parse->x[parse->dim];
	bool		overflow = false;

	if (!read_short_decimal(at, value))
	{
		char	   *end;

		errno = 0;
		*value = strtof(start, &end);
		if (end == start)
			return TRIDENT_VECTOR_PARSE_SYNTAX;
		overflow = (errno == ERANGE && isinf(*value));
		*at = end;
	}
	if (overflow || (fabsf(*value) >= parse->limit && !isinf(*value)))
	{
		parse->at = start;
		parse->length = (int) (*at - start);
		return TRIDENT_VECTOR_PARSE_RANGE;
	}
	if (isnan(*value))
		return TRIDENT_VECTOR_PARSE_NAN;
	if (isinf(*value))
		return TRIDENT_VECTOR_PARSE_INFINITE;
	parse->dim++;
	return TRIDENT_VECTOR_PARSE_OK;
}

/* See parse.h. */
TridentVectorParseOutcome
trident_vector_parse(const char *text, TridentVectorParse *parse)
{
	const char *at = skip_spaces(text);

	parse->dim = 0;
	if (*at != '[')
		return TRIDENT_VECTOR_PARSE_NO_BRACKET;
	at = skip_spaces(at + 1);
	if (*at == ']')
		return TRIDENT_VECTOR_PARSE_EMPTY;

	for (;;)
	{
		TridentVectorParseOutcome outcome;

		if (parse->dim == parse->max_dim)
			return TRIDENT_VECTOR_PARSE_TOO_MANY;
		at = skip_spaces(at);
		outcome = read_element(&at, parse);
		if (outcome != TRIDENT_VECTOR_PARSE_OK)
			return outcome;
		at = skip_spaces(at);
		if (*at == ']')
			break;
		if (*at != ',')
			return TRIDENT_VECTOR_PARSE_SYNTAX;
		at++;
	}

	at = skip_spaces(at + 1);
	return *at == '\0' ? TRIDENT_VECTOR_PARSE_OK : TRIDENT_VECTOR_PARSE_JUNK;
}
