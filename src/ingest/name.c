/*
 * name.c
 *	  Names of files: bytes on the server, text in the database.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "ingest/name.h"

/*
 * Does a character beyond ASCII do something instead of being seen: control
 * characters, ends of lines and paragraphs, and what turns the direction of
 * the text around it?
 */
static bool
is_control(pg_wchar c)
{
	return c < 0xa0 || c == 0x061c || c == 0x200e || c == 0x200f ||
		(c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* How many bytes from here are one printable character of the database's
 * encoding; 0: none, the byte has to be escaped. */
static int
character_length(const char *bytes, size_t left)
{
	unsigned char first = (unsigned char) bytes[0];
	int			length;

	if (first < 0x20 || first == 0x7f || first == '\\')
		return 0;
	if (first < 0x80)
		return 1;
	if (GetDatabaseEncoding() != PG_UTF8)
		return 0;
	length = pg_utf_mblen((const unsigned char *) bytes);
	if ((size_t) length > left ||
		!pg_utf8_islegal((const unsigned char *) bytes, length))
		return 0;
	return is_control(utf8_to_unicode((const unsigned char *) bytes)) ? 0 : length;
}

char *
trident_ingest_name_show(const char *bytes, size_t length)
{
	StringInfoData text;
	size_t		at = 0;

	initStringInfo(&text);
	while (at < length)
	{
		int			n = character_length(bytes + at, length - at);

		if (n > 0)
			appendBinaryStringInfo(&text, bytes + at, n);
		else
			appendStringInfo(&text, "\\x%02x", (unsigned char) bytes[at]);
		at += Max(n, 1);
	}
	return text.data;
}

/* The value of a hexadecimal digit, or -1. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *
trident_ingest_name_parse(const char *text, size_t *length)
{
	char	   *bytes = palloc(strlen(text) + 1);
	size_t		n = 0;

	while (*text)
	{
		int			high;
		int			low;

		if (*text != '\\')
		{
			bytes[n++] = *text++;
			continue;
		}
		high = text[1] == 'x' ? hex_digit(text[2]) : -1;
		low = high >= 0 ? hex_digit(text[3]) : -1;
		if (low < 0 || (high == 0 && low == 0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid escape in a path: \"%s\"", text),
					 errhint("A backslash stands before xHH, two hexadecimal digits of a byte; write a backslash itself as \\x5c.")));
		bytes[n++] = (char) (high * 16 + low);
		text += 4;
	}
	bytes[n] = '\0';
	*length = n;
	return bytes;
}
