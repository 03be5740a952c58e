/* XEP-0082 times; the declarations are in encode.h. Calendar arithmetic is proleptic Gregorian on days since 1970-01-01. */
#include "proto/base/encode.h"

#define DAY_MS      86400000LL
#define STAMP_CHARS 64 /* longer input is no time */

/* Counting years from March puts the leap day last; 400 years are one era of 146097 days. */
static int64_t days_from_date(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted = (5 * day_of_year + 2) / 153;
	*day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
	*month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static char *put_digits(char *p, unsigned v, int n)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + n;
}

struct str stamp_format(char out[STAMP_BYTES], int64_t unix_ms, bool with_ms)
{
	static const int64_t first_ms = -62167219200000LL, last_ms = 253402300799999LL; /* years 0000 to 9999 */
	int year, month, day;
	unix_ms = unix_ms < first_ms ? first_ms : unix_ms > last_ms ? last_ms : unix_ms;
	int64_t days = unix_ms / DAY_MS - (unix_ms % DAY_MS < 0);
	unsigned ms = (unsigned)(unix_ms - days * DAY_MS);
	date_from_days(days, &year, &month, &day);
	char *p = put_digits(out, (unsigned)year, 4);
	*p++ = '-';
	p = put_digits(p, (unsigned)month, 2);
	*p++ = '-';
	p = put_digits(p, (unsigned)day, 2);
	*p++ = 'T';
	p = put_digits(p, ms / 3600000, 2);
	*p++ = ':';
	p = put_digits(p, ms / 60000 % 60, 2);
	*p++ = ':';
	p = put_digits(p, ms / 1000 % 60, 2);
	if (with_ms) {
		*p++ = '.';
		p = put_digits(p, ms % 1000, 3);
	}
	*p++ = 'Z';
	*p = '\0';
	return str_span(out, (size_t)(p - out));
}

/* Takes exactly n digits; false leaves garbage. */
static bool take_number(struct str *s, size_t n, int *out)
{
	uint64_t v;
	if (s->len < n || !str_to_u64(str_span(s->p, n), &v))
		return false;
	*out = (int)v;
	*s = str_span(s->p + n, s->len - n);
	return true;
}

static bool take_char(struct str *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = str_span(s->p + 1, s->len - 1);
	return true;
}

/* An optional fraction of any length; milliseconds count, the rest is cut off. */
static bool take_fraction(struct str *s, int *ms)
{
	int digits = 0, digit;
	*ms = 0;
	if (!take_char(s, '.'))
		return true;
	for (int weight = 100; take_number(s, 1, &digit); weight /= 10, digits++)
		*ms += digit * weight;
	return digits > 0;
}

/* "Z" or "+hh:mm" or "-hh:mm", at most 14 hours as in XML Schema. */
static bool take_zone(struct str *s, int *minutes)
{
	int hh, mm, sign = 1;
	*minutes = 0;
	if (take_char(s, 'Z'))
		return true;
	if (take_char(s, '-'))
		sign = -1;
	else if (!take_char(s, '+'))
		return false;
	if (!take_number(s, 2, &hh) || !take_char(s, ':') || !take_number(s, 2, &mm) || mm > 59 || hh * 60 + mm > 14 * 60)
		return false;
	*minutes = sign * (hh * 60 + mm);
	return true;
}

static int month_days(int year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

enum err stamp_parse(struct str s, int64_t *unix_ms)
{
	int year, month, day, hour, minute, second, ms, zone;
	if (s.len > STAMP_CHARS)
		return ERR_INVALID;
	if (!take_number(&s, 4, &year) || !take_char(&s, '-') || !take_number(&s, 2, &month) || !take_char(&s, '-') ||
	    !take_number(&s, 2, &day) || !take_char(&s, 'T'))
		return ERR_INVALID;
	if (!take_number(&s, 2, &hour) || !take_char(&s, ':') || !take_number(&s, 2, &minute) || !take_char(&s, ':') ||
	    !take_number(&s, 2, &second) || !take_fraction(&s, &ms) || !take_zone(&s, &zone) || s.len)
		return ERR_INVALID;
	if (month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour > 23 || minute > 59 || second > 59)
		return ERR_INVALID;
	*unix_ms = days_from_date(year, month, day) * DAY_MS + ((hour * 60LL + minute - zone) * 60 + second) * 1000 + ms;
	return ERR_NONE;
}
