/*
 * m3u8.c - how the promise in m3u8.h is kept
 *
 * The C library's number and date readers know locales, exponents and a
 * time zone of the machine; a playlist knows none of them.
 */
#include "worker/m3u8.h"

#include <string.h>

/* A double holds every integer of so many digits, and 10^18 as well, closely enough for one division. */
#define DECIMAL_DIGITS 18

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static char *
skip_blanks(char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

static void
cut_blanks(char *start, char *end)
{
	while (end > start && is_blank(end[-1]))
		end--;
	*end = '\0';
}

bool
m3u8_is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

char *
m3u8_line(char **at, char *end, unsigned *bad)
{
	while (*at < end) {
		char *line = *at;
		char *eol = line;

		while (eol < end && *eol != '\n' && *eol != '\r')
			eol++;
		*at = eol < end ? eol + 1 : end; /* the LF of a CR LF is a blank line of its own */
		if (eol > line && memchr(line, '\0', (size_t)(eol - line)) != NULL) {
			++*bad;
			continue;
		}
		*eol = '\0';
		line = skip_blanks(line);
		if (line == eol)
			continue;
		cut_blanks(line, eol);
		return line;
	}
	return NULL;
}

bool
m3u8_tag(char *line, const char *name, char **value)
{
	size_t len = strlen(name);
	char *at;

	if (line[0] != '#' || strncmp(line + 1, name, len) != 0)
		return false;
	at = line + 1 + len;
	if (*at != '\0' && *at != ':' && !is_blank(*at))
		return false;
	at = skip_blanks(at);
	if (*at == ':')
		at = skip_blanks(at + 1);
	*value = at;
	return true;
}

bool
m3u8_attr(char **at, struct m3u8_attr *out)
{
	char *s = *at;

	for (;;) {
		char *equals;

		while (is_blank(*s) || *s == ',')
			s++;
		*at = s;
		if (*s == '\0')
			return false;
		out->name = s;
		s += strcspn(s, "=,");
		if (*s != '=')
			continue;
		equals = s;
		s = skip_blanks(s + 1);
		if (*s == '"') {
			out->value = ++s;
			s = strchr(s, '"');
			if (s == NULL) { /* no end: all that follows is lost with it */
				*at = out->value + strlen(out->value);
				return false;
			}
			*s++ = '\0';
			s += strcspn(s, ",");
		} else {
			char *end;

			out->value = s;
			s += strcspn(s, ",");
			end = s;
			if (*s == ',')
				s++;
			cut_blanks(out->value, end);
		}
		cut_blanks(out->name, equals);
		*at = s;
		return true;
	}
}

bool
m3u8_u64(const char *s, uint64_t *out)
{
	uint64_t n = 0;

	if (!is_digit(*s))
		return false;
	for (; is_digit(*s); s++)
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) || __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return false;
	*out = n;
	return true;
}

bool
m3u8_decimal(const char *s, double *out)
{
	uint64_t mantissa = 0;
	uint64_t scale = 1;
	int digits = 0;
	bool negative = *s == '-';
	bool point = false;
	bool any = false;

	if (*s == '-' || *s == '+')
		s++;
	for (; is_digit(*s) || (*s == '.' && !point); s++) {
		if (*s == '.') {
			point = true;
			continue;
		}
		any = true;
		if (digits == DECIMAL_DIGITS) {
			if (!point)
				return false;
			continue; /* finer than a double */
		}
		if (mantissa > 0 || *s != '0')
			digits++;
		mantissa = mantissa * 10 + (uint64_t)(*s - '0');
		if (point) {
			if (scale >= UINT64_C(1000000000000000000))
				digits = DECIMAL_DIGITS;
			else
				scale *= 10;
		}
	}
	if (!any)
		return false;
	*out = (double)mantissa / (double)scale;
	if (negative)
		*out = -*out;
	return true;
}

bool
m3u8_byterange(const char *s, uint64_t *length, uint64_t *offset, bool *has_offset)
{
	uint64_t len, at = 0, end;
	const char *sign = strchr(s, '@');

	if (!m3u8_u64(s, &len) || len == 0)
		return false;
	if (sign != NULL) {
		do
			sign++;
		while (is_blank(*sign));
		if (!m3u8_u64(sign, &at))
			return false;
	}
	if (__builtin_add_overflow(len, at, &end) || end > INT64_MAX)
		return false;
	*length = len;
	*offset = at;
	*has_offset = sign != NULL;
	return true;
}

bool
m3u8_resolution(const char *s, uint32_t *width, uint32_t *height)
{
	uint64_t w, h;
	const char *x = s + strspn(s, "0123456789");

	if ((*x != 'x' && *x != 'X') || !m3u8_u64(s, &w) || !m3u8_u64(x + 1, &h))
		return false;
	if (w == 0 || h == 0 || w > UINT16_MAX || h > UINT16_MAX)
		return false;
	*width = (uint32_t)w;
	*height = (uint32_t)h;
	return true;
}

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
m3u8_iv(const char *s, uint8_t iv[16])
{
	size_t len;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	len = strlen(s);
	if (len == 0 || len > 32)
		return false;
	memset(iv, 0, 16);
	for (size_t i = 0; i < len; i++) {
		int digit = hex_value(s[i]);
		size_t nibble = 32 - len + i;

		if (digit == -1)
			return false;
		iv[nibble / 2] |= (uint8_t)(nibble % 2 == 0 ? digit << 4 : digit);
	}
	return true;
}

/* n digits, exactly. -1 when they are not there. */
static int
fixed(const char **s, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++, ++*s) {
		if (!is_digit(**s))
			return -1;
		value = value * 10 + (**s - '0');
	}
	return value;
}

/* Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that leap days come last. */
static int64_t
days_from_civil(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year;
	int era = y / 400;
	int year_of_era = y - era * 400;
	int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return (int64_t)era * 146097 + day_of_era - 719468;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static bool
zone_minutes(const char *s, int *minutes)
{
	int sign = *s == '-' ? -1 : 1;
	int h, m = 0;

	*minutes = 0;
	if (*s == '\0' || *s == 'Z' || *s == 'z')
		return true;
	if (*s != '+' && *s != '-')
		return false;
	s++;
	h = fixed(&s, 2);
	if (*s == ':')
		s++;
	if (is_digit(*s))
		m = fixed(&s, 2);
	if (h < 0 || h > 23 || m < 0 || m > 59)
		return false;
	*minutes = sign * (h * 60 + m);
	return true;
}

bool
m3u8_date(const char *s, int64_t *ms)
{
	int year, month, day, hour, minute, second, zone;
	int frac = 0;

	year = fixed(&s, 4);
	if (year < 1 || *s++ != '-')
		return false;
	month = fixed(&s, 2);
	if (month < 1 || month > 12 || *s++ != '-')
		return false;
	day = fixed(&s, 2);
	if (day < 1 || day > days_in_month(year, month) || (*s != 'T' && *s != 't' && *s != ' '))
		return false;
	s++;
	hour = fixed(&s, 2);
	if (hour < 0 || hour > 23 || *s++ != ':')
		return false;
	minute = fixed(&s, 2);
	if (minute < 0 || minute > 59 || *s++ != ':')
		return false;
	second = fixed(&s, 2);
	if (second < 0 || second > 60)
		return false;
	if (*s == '.' || *s == ',') {
		int scale = 100;

		for (s++; is_digit(*s); s++, scale /= 10)
			frac += (*s - '0') * scale;
	}
	while (is_blank(*s))
		s++;
	if (!zone_minutes(s, &zone))
		return false;
	*ms = (((days_from_civil(year, month, day) * 24 + hour) * 60 + minute - zone) * 60 + second) * 1000 + frac;
	return true;
}
