/*
 * exif_time.c
 *	  Dates and times as cameras write them.
 */
#include "c.h"

#include "ingest/exif_walk.h"

#define SECOND_US INT64CONST(1000000)
#define DAY_US (86400 * SECOND_US)

/*
 * The digits of text at once, as many as count.  False if there are others
 * among them.
 */
static bool
take_digits(const char **text, int count, int *number)
{
	*number = 0;
	for (int i = 0; i < count; i++)
	{
		if (**text < '0' || **text > '9')
			return false;
		*number = *number * 10 + (*(*text)++ - '0');
	}
	return true;
}

/* One character, of those in any. */
static bool
take_any(const char **text, const char *any)
{
	if (**text == '\0' || strchr(any, **text) == NULL)
		return false;
	(*text)++;
	return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64
days_of(int year, int month, int day)
{
	/* Years begin in March, so that the leap day is the last one. */
	int			y = month > 2 ? year : year - 1;
	int			m = month > 2 ? month - 3 : month + 9;

	return (int64) 365 * y + y / 4 - y / 100 + y / 400 +
		(153 * m + 2) / 5 + day - 1 - 719468;
}

static int
month_length(int year, int month)
{
	static const uint8 lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && is_leap ? 29 : lengths[month - 1];
}

/* A date; *text is moved behind it. */
static bool
take_date(const char **text, int64 *us)
{
	int			year;
	int			month;
	int			day;

	if (!take_digits(text, 4, &year) || !take_any(text, ":-") ||
		!take_digits(text, 2, &month) || !take_any(text, ":-") ||
		!take_digits(text, 2, &day) || year < 1 || month < 1 || month > 12 ||
		day < 1 || day > month_length(year, month))
		return false;
	*us = days_of(year, month, day) * DAY_US;
	return true;
}

/* See exif_walk.h. */
bool
trident_exif_date_parse(const char *text, int64 *us)
{
	return take_date(&text, us);
}

/* See exif_walk.h. */
bool
trident_exif_time_parse(const char *text, int64 *us)
{
	int			hour;
	int			minute;
	int			second = 0;

	if (!take_date(&text, us) || !take_any(&text, " T") ||
		!take_digits(&text, 2, &hour) || !take_any(&text, ":") ||
		!take_digits(&text, 2, &minute))
		return false;
	if (take_any(&text, ":") && !take_digits(&text, 2, &second))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	*us += (hour * 3600 + minute * 60 + second) * SECOND_US;
	return true;
}

/* See exif_walk.h. */
bool
trident_exif_offset_parse(const char *text, int64 *us)
{
	bool		is_west = *text == '-';
	int			hours;
	int			minutes;

	*us = 0;
	if (*text == 'Z')
		return true;
	if (!take_any(&text, "+-") || !take_digits(&text, 2, &hours) ||
		!take_any(&text, ":") || !take_digits(&text, 2, &minutes) ||
		hours > 15 || minutes > 59)
		return false;
	*us = (hours * 3600 + minutes * 60) * SECOND_US * (is_west ? -1 : 1);
	return true;
}

/* See exif_walk.h. */
int64
trident_exif_fraction_parse(const char *digits)
{
	int64		unit = SECOND_US;
	int64		us = 0;

	for (; *digits >= '0' && *digits <= '9' && unit > 1; digits++)
	{
		unit /= 10;
		us += (*digits - '0') * unit;
	}
	return us;
}
