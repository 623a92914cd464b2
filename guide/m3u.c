/*
 * m3u.c - line by line, with one entry in hand
 *
 * What stands before a URL belongs to it; the URL ends it. Values are cut
 * out of copies of their lines, which live in one buffer until the URL has
 * come: an entry needs no allocation.
 */
#include "guide/m3u.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/pb.h"
#include "base/utf8.h"
#include "guide/latin.h"

#define HOLD_MAX ((size_t)4 * M3U_LINE_MAX) /* of one entry's lines and headers */

struct m3u {
	const struct entry_events *events;
	unsigned line;
	char first[4]; /* bytes, until there are enough to tell the encoding */
	size_t first_len;
	bool begun, skipping; /* the rest of a line that is too long */
	bool wide, big; /* UTF-16, and its byte order */
	bool odd; /* half of a character is in odd_byte */
	unsigned char odd_byte;
	bool had_cr;
	unsigned surrogate;
	bool extinf; /* there was one since the last URL */
	bool any; /* something that only a list of channels has was there */
	uint64_t vain; /* bytes until then */
	size_t len;
	char text[M3U_LINE_MAX]; /* the line in hand */
	char line8[3 * M3U_LINE_MAX]; /* the same as UTF-8, when it was not */
	size_t held;
	char hold[HOLD_MAX];
	struct entry entry;
	const char *why;
};

static int take_line(struct m3u *m);
static int refuse(struct m3u *m, const char *why);

int
m3u_new(struct m3u **out, const struct entry_events *events)
{
	struct m3u *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return PB_ENOMEM;
	m->events = events;
	m->why = "";
	*out = m;
	return 0;
}

void
m3u_free(struct m3u **m3u)
{
	free(*m3u);
	*m3u = NULL;
}

const char *
m3u_why(const struct m3u *m3u)
{
	return m3u->why;
}

static void __attribute__((format(printf, 2, 3))) wrong(struct m3u *m, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	m->events->wrong(m->events->user, m->line, why);
}

static void
forget(struct m3u *m)
{
	static const struct entry none = {
		.name = "",
		.url = "",
		.tvg_id = "",
		.tvg_name = "",
		.logo = "",
		.chno = "",
		.group = "",
		.extgrp = "",
		.user_agent = "",
	};

	m->entry = none;
	m->held = 0;
	m->extinf = false;
}

static int
end_line(struct m3u *m)
{
	int err;

	m->line++;
	if (m->skipping) {
		wrong(m, "the line has more than %d bytes", M3U_LINE_MAX - 1);
		m->skipping = false;
		forget(m);
		m->len = 0;
		return 0;
	}
	m->text[m->len] = '\0';
	err = take_line(m);
	m->len = 0;
	return err;
}

static int
take_byte(struct m3u *m, char c)
{
	if (c == '\n' && m->had_cr) {
		m->had_cr = false;
		return 0;
	}
	m->had_cr = c == '\r';
	if (c == '\n' || c == '\r')
		return end_line(m);
	if (m->len == sizeof(m->text) - 1)
		m->skipping = true;
	else
		m->text[m->len++] = c == '\0' ? ' ' : c;
	return 0;
}

/* A character of UTF-16, as UTF-8. */
static int
take_unit(struct m3u *m, unsigned unit)
{
	char out[4];
	size_t n;
	int err = 0;

	if (unit >= 0xd800 && unit < 0xdc00) {
		m->surrogate = unit;
		return 0;
	}
	if (unit >= 0xdc00 && unit < 0xe000)
		unit = m->surrogate != 0 ? 0x10000 + ((m->surrogate - 0xd800) << 10) + (unit - 0xdc00) : 0xfffd;
	m->surrogate = 0;
	n = latin_put(out, unit);
	for (size_t i = 0; i < n && err == 0; i++)
		err = take_byte(m, out[i]);
	return err;
}

/* A byte order mark decides how bytes are read; without one zeros do. */
static size_t
begin(struct m3u *m, const char *bytes, size_t len)
{
	m->begun = true;
	forget(m);
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		return 3;
	if (len >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0)) {
		m->wide = true;
		m->big = bytes[0] == '\xfe';
		return 2;
	}
	if (len >= 2 && (bytes[0] == '\0') != (bytes[1] == '\0')) {
		m->wide = true;
		m->big = bytes[0] == '\0';
	}
	return 0;
}

/* How many bytes of len are before the first c? */
static size_t
upto(const char *bytes, size_t len, char c)
{
	const char *at = memchr(bytes, c, len);

	return at != NULL ? (size_t)(at - bytes) : len;
}

/* As many bytes of a line as there are at once: memchr() is much faster than a byte at a time. */
static size_t
take_run(struct m3u *m, const char *bytes, size_t len)
{
	size_t n = 0, room = sizeof(m->text) - 1 - m->len;

	n = upto(bytes, upto(bytes, upto(bytes, len, '\n'), '\r'), '\0');
	if (n == 0)
		return 0;
	m->had_cr = false;
	if (n > room)
		m->skipping = true;
	memcpy(m->text + m->len, bytes, PB_MIN(n, room));
	m->len += PB_MIN(n, room);
	return n;
}

static int
feed(struct m3u *m, const char *bytes, size_t len)
{
	size_t at = 0;
	int err = 0;

	while (at < len && err == 0) {
		if (m->wide) {
			unsigned char c = (unsigned char)bytes[at++];

			m->odd = !m->odd;
			if (m->odd)
				m->odd_byte = c;
			else
				err = take_unit(
				    m, m->big ? (unsigned)m->odd_byte << 8 | c : (unsigned)c << 8 | m->odd_byte);
			continue;
		}
		at += take_run(m, bytes + at, len - at);
		if (at < len)
			err = take_byte(m, bytes[at++]);
	}
	return err;
}

static int
feed_first(struct m3u *m)
{
	size_t at = begin(m, m->first, m->first_len);

	return feed(m, m->first + at, m->first_len - at);
}

int
m3u_feed(struct m3u *m, const char *bytes, size_t len)
{
	int err;

	if (!m->begun) {
		size_t n = PB_MIN(sizeof(m->first) - m->first_len, len);

		memcpy(m->first + m->first_len, bytes, n);
		m->first_len += n;
		if (m->first_len < sizeof(m->first))
			return 0;
		err = feed_first(m);
		if (err != 0)
			return err;
		bytes += n;
		len -= n;
	}
	/* Noise may have no end. */
	m->vain += m->any ? 0 : len;
	if (m->vain > M3U_VAIN_MAX)
		return refuse(m, "it is no playlist");
	return feed(m, bytes, len);
}

int
m3u_end(struct m3u *m)
{
	int err = m->begun ? 0 : feed_first(m);

	if (err != 0)
		return err;
	err = m->len > 0 || m->skipping ? end_line(m) : 0;

	if (err == 0 && m->extinf)
		wrong(m, "an #EXTINF without a URL behind it");
	return err;
}

/* A copy that lives as long as the entry. "" when there is no room: then the entry has more than any may. */
static const char *
hold(struct m3u *m, const char *text, size_t len)
{
	char *copy = m->hold + m->held;

	while (len > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (len == 0 || len >= sizeof(m->hold) - m->held)
		return "";
	memcpy(copy, text, len);
	copy[len] = '\0';
	m->held += len + 1;
	return copy;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Inlined, so that the lengths of words are known beforehand: a list asks for millions. */
static inline __attribute__((always_inline)) bool
is(const char *name, size_t len, const char *what)
{
	return strlen(what) == len && strncasecmp(name, what, len) == 0;
}

/* A field's name (RFC 9110, 5.1)? */
static bool
is_field(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && strchr("!#$%&'*+-.^_`|~", name[i]) == NULL)
			return false;
	return true;
}

/* Of the connection, not of the source: they are the worker's alone. */
static bool
is_ours(const char *name, size_t len)
{
	static const char *const ours[] = { "connection", "content-length", "range", "transfer-encoding", "upgrade" };

	for (size_t i = 0; i < NITEMS(ours); i++)
		if (is(name, len, ours[i]))
			return true;
	return false;
}

/* "Name: value" into the entry; decode: the value is percent-encoded. */
static void
add_header(struct m3u *m, const char *name, size_t name_len, const char *value, size_t len, bool decode)
{
	char text[4096];
	size_t at = 0;

	while (len > 0 && (*value == ' ' || *value == '"')) {
		value++;
		len--;
	}
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '"'))
		len--;
	if (name_len == 0 || len == 0 || name_len + len + 3 > sizeof(text) || is_ours(name, name_len))
		return;
	if (!is_field(name, name_len)) {
		wrong(m, "a header's name is none");
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (decode && value[i] == '%' && i + 2 < len + 0 && hex(value[i + 1]) >= 0 && hex(value[i + 2]) >= 0) {
			text[at++] = (char)(hex(value[i + 1]) << 4 | hex(value[i + 2]));
			i += 2;
		} else
			text[at++] = value[i];
	}
	if (!utf8_plain(text, at)) {
		wrong(m, "header %.*s: its value is no text", (int)PB_MIN(name_len, (size_t)64), name);
		return;
	}
	if (name_len == 10 && strncasecmp(name, "User-Agent", 10) == 0) {
		m->entry.user_agent = hold(m, text, at);
		return;
	}
	if (m->entry.header_count == ENTRY_HEADERS_MAX)
		return;
	memmove(text + name_len + 2, text, at);
	memcpy(text, name, name_len);
	text[name_len] = ':';
	text[name_len + 1] = ' ';
	/* The later one of a name counts. */
	for (unsigned i = 0; i < m->entry.header_count; i++)
		if (strncasecmp(m->entry.headers[i], text, name_len + 1) == 0) {
			m->entry.headers[i] = hold(m, text, at + name_len + 2);
			return;
		}
	m->entry.headers[m->entry.header_count++] = hold(m, text, at + name_len + 2);
}

/* "A=b&C=d" */
static void
add_headers(struct m3u *m, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "&");
		size_t name = strcspn(text, "=");

		if (name < len)
			add_header(m, text, name, text + name + 1, len - name - 1, true);
		text += len + (text[len] == '&');
	}
}

/* How many blanks there are. strspn() makes itself a table for as little as that. */
static size_t
blanks(const char *s)
{
	size_t n = 0;

	while (s[n] == ' ' || s[n] == '\t')
		n++;
	return n;
}

/* Letters, digits and dashes, as attributes' names are. */
static size_t
word(const char *s)
{
	size_t n = 0;

	while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') || (s[n] >= '0' && s[n] <= '9') ||
	    s[n] == '-' || s[n] == '_' || s[n] == '.')
		n++;
	return n;
}

/* Does an attribute, the name, or nothing follow? Only then a quote was the last one of its value. */
static bool
ends_value(const char *s)
{
	s += blanks(s);
	if (*s == '\0' || *s == ',')
		return true;
	return word(s) > 0 && s[word(s)] == '=';
}

/* The value at s: *value has *len bytes. Gives what is behind it. */
static const char *
cut_value(const char *s, const char **value, size_t *len)
{
	const char *end;

	*value = s;
	if (*s != '"') {
		*len = strcspn(s, " \t,");
		return s + *len;
	}
	*value = ++s;
	for (end = strchr(s, '"'); end != NULL; end = strchr(end + 1, '"'))
		if (end[-1] != '\\' && ends_value(end + 1)) {
			*len = (size_t)(end - s);
			return end + 1;
		}
	/* Never closed: up to the name, or all. */
	*len = strcspn(s, ",\"");
	return s + *len + (s[*len] == '"');
}

/* Hours, perhaps with a fraction, to minutes. */
static int
shift(const char *value)
{
	double hours = strtod(value, NULL);

	return hours >= -24 && hours <= 24 ? (int)(hours * 60) : 0;
}

static void
take_attribute(struct m3u *m, const char *name, size_t len, const char *value, size_t value_len)
{
	struct entry *e = &m->entry;

	if (is(name, len, "tvg-id"))
		e->tvg_id = hold(m, value, value_len);
	else if (is(name, len, "channel-id") || is(name, len, "tvc-guide-stationid")) {
		if (e->tvg_id[0] == '\0')
			e->tvg_id = hold(m, value, value_len);
	} else if (is(name, len, "tvg-name"))
		e->tvg_name = hold(m, value, value_len);
	else if (is(name, len, "tvg-logo") || (is(name, len, "logo") && e->logo[0] == '\0'))
		e->logo = hold(m, value, value_len);
	else if (is(name, len, "tvg-chno") ||
	    ((is(name, len, "channel-number") || is(name, len, "ch-number")) && e->chno[0] == '\0'))
		e->chno = hold(m, value, value_len);
	else if (is(name, len, "group-title"))
		e->group = hold(m, value, value_len);
	else if (is(name, len, "tvg-shift") || is(name, len, "timeshift"))
		e->shift_min = shift(hold(m, value, value_len));
	else if (is(name, len, "radio"))
		e->radio = is(value, value_len, "true") || is(value, value_len, "1") || is(value, value_len, "yes");
	else if (is(name, len, "user-agent") || is(name, len, "http-user-agent"))
		e->user_agent = hold(m, value, value_len);
	else if (is(name, len, "referer") || is(name, len, "referrer") || is(name, len, "http-referrer"))
		add_header(m, "Referer", 7, value, value_len, false);
}

/* Behind "#EXTINF:": a duration, attributes, a comma, the name. */
static void
take_extinf(struct m3u *m, const char *s)
{
	if (m->extinf) {
		wrong(m, "an #EXTINF, and the one before had no URL");
		forget(m);
	}
	m->extinf = true;
	s += blanks(s);
	s += strspn(s, "-+0123456789.");
	for (;;) {
		const char *value;
		size_t len, value_len;

		s += blanks(s);
		if (*s == ',' || *s == '\0')
			break;
		len = word(s);
		if (len == 0 || s[len] != '=') {
			/* Not an attribute: the next one, or the name, is behind it. */
			s += len > 0 ? len : 1;
			continue;
		}
		const char *name = s;

		s = cut_value(s + len + 1, &value, &value_len);
		take_attribute(m, name, len, value, value_len);
	}
	if (*s == ',')
		m->entry.name = hold(m, s + 1, strlen(s + 1));
}

static void
take_vlc(struct m3u *m, const char *s)
{
	size_t len = strcspn(s, "=");
	const char *value = s + len + 1;

	if (s[len] == '\0')
		return;
	if (is(s, len, "http-user-agent"))
		add_header(m, "User-Agent", 10, value, strlen(value), false);
	else if (is(s, len, "http-referrer") || is(s, len, "http-referer"))
		add_header(m, "Referer", 7, value, strlen(value), false);
	else if (is(s, len, "http-origin"))
		add_header(m, "Origin", 6, value, strlen(value), false);
	else if (is(s, len, "http-cookies"))
		add_header(m, "Cookie", 6, value, strlen(value), false);
}

static void
take_kodi(struct m3u *m, const char *s)
{
	size_t len = strcspn(s, "=");

	if (s[len] == '=' &&
	    (is(s, len, "inputstream.adaptive.stream_headers") || is(s, len, "inputstream.adaptive.manifest_headers") ||
		is(s, len, "inputstream.adaptive.common_headers")))
		add_headers(m, s + len + 1);
}

static void
take_begin(struct m3u *m, const char *s)
{
	while (*s != '\0') {
		const char *value, *name;
		size_t len, value_len;

		s += strspn(s, " \t,");
		len = word(s);
		if (len == 0 || s[len] != '=') {
			s += len > 0 ? len : *s != '\0';
			continue;
		}
		name = s;
		s = cut_value(s + len + 1, &value, &value_len);
		if (is(name, len, "url-tvg") || is(name, len, "x-tvg-url") || is(name, len, "tvg-url")) {
			char url[4096];

			/* Several are separated by commas; the first one is it. */
			value_len = PB_MIN(value_len, strcspn(value, ",\""));
			if (value_len > 0 && value_len < sizeof(url)) {
				memcpy(url, value, value_len);
				url[value_len] = '\0';
				m->events->guide(m->events->user, url);
			}
		}
	}
}

/* Is it for one who wants to choose what to see, not for one who switches on? */
static bool
is_vod(const char *url)
{
	static const char *const ends[] = { ".mp4", ".mkv", ".avi", ".mov", ".wmv", ".flv" };
	size_t len = strcspn(url, "?#|");

	for (size_t i = 0; i + 7 <= len; i++)
		if (url[i] == '/' && ((url[i + 1] | 0x20) == 'm' || (url[i + 1] | 0x20) == 's') &&
		    (strncasecmp(url + i, "/movie/", 7) == 0 ||
			(i + 8 <= len && strncasecmp(url + i, "/series/", 8) == 0)))
			return true;
	for (size_t i = 0; i < NITEMS(ends) && len > 4 && url[len - 4] == '.'; i++)
		if (len > strlen(ends[i]) && strncasecmp(url + len - strlen(ends[i]), ends[i], strlen(ends[i])) == 0)
			return true;
	return false;
}

static int
take_url(struct m3u *m, char *url)
{
	struct entry *e = &m->entry;
	char *bar = url;
	int err;

	/* A '|' may be part of a URL; one that is followed by Name= is not. */
	while ((bar = strchr(bar, '|')) != NULL) {
		size_t n = word(bar + 1);

		if (n > 0 && bar[1 + n] == '=') {
			*bar = '\0';
			add_headers(m, bar + 1);
			break;
		}
		bar++;
	}
	e->line = m->line;
	e->url = hold(m, url, strlen(url));
	e->vod = is_vod(e->url);
	if (e->name[0] == '\0')
		e->name = e->tvg_name[0] != '\0' ? e->tvg_name : e->tvg_id;
	if (!m->extinf) {
		wrong(m, "a URL without an #EXTINF before it");
		err = 0;
	} else if (e->name[0] == '\0') {
		wrong(m, "an entry without a name");
		err = 0;
	} else
		err = m->events->entry(m->events->user, e);
	forget(m);
	return err;
}

static bool
begins(const char *s, const char *what)
{
	return strncasecmp(s, what, strlen(what)) == 0;
}

static int
refuse(struct m3u *m, const char *why)
{
	m->why = why;
	return PB_EFORMAT;
}

static int
take_line(struct m3u *m)
{
	char *s = m->text;
	size_t len = m->len;

	/* Most lines are: then there is nothing to convert or to clean. */
	if (utf8_ascii(s, len) < len) {
		if (!utf8_valid(s, len)) {
			s = m->line8;
			latin_to_utf8(s, sizeof(m->line8), m->text, len);
		}
		for (char *c = s; *c != '\0'; c++)
			if ((unsigned char)*c < 0x20 || *c == 0x7f)
				*c = ' ';
	}
	s += strspn(s, " ");
	if (*s == '\0')
		return 0;
	if (*s == '<')
		return refuse(m, "it is a web page, not a playlist");
	if (*s != '#')
		return take_url(m, s);
	if (begins(s, "#EXTINF:")) {
		m->any = true;
		take_extinf(m, s + 8);
	} else if (begins(s, "#EXTGRP:"))
		m->entry.extgrp = hold(m, s + 8, strlen(s + 8));
	else if (begins(s, "#EXTVLCOPT:"))
		take_vlc(m, s + 11);
	else if (begins(s, "#KODIPROP:"))
		take_kodi(m, s + 10);
	else if (begins(s, "#EXTM3U")) {
		m->any = true;
		take_begin(m, s + 7);
	} else if (begins(s, "#EXT-X-TARGETDURATION:") || begins(s, "#EXT-X-STREAM-INF:"))
		return refuse(m, "it is one channel's HLS playlist, not a list of channels");
	return 0;
}
