/*
 * reply.c - how the promise in reply.h is kept
 */
#include "worker/reply.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
reply_init(struct reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->length = reply->first = reply->last = reply->total = -1;
}

void
reply_clear(struct reply *reply)
{
	free(reply->location);
	reply_init(reply);
}

static void
keep(char *to, size_t size, const char *value, size_t len)
{
	if (len >= size)
		len = 0;
	memcpy(to, value, len);
	to[len] = '\0';
}

/* Digits at *p up to end; -1 when there are none or too many. */
static int64_t
number(const char **p, const char *end)
{
	int64_t n = 0;
	const char *from = *p;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		if (n > (INT64_MAX - 9) / 10)
			return -1;
		n = n * 10 + (**p - '0');
	}
	return *p == from ? -1 : n;
}

/* "bytes 0-499/1234"; the total may be an asterisk (RFC 9110 14.4). */
static void
content_range(struct reply *reply, const char *p, size_t len)
{
	const char *end = p + len;
	int64_t first, last, total = -1;

	reply->first = reply->last = reply->total = -1;
	if (len < 6 || strncasecmp(p, "bytes", 5) != 0)
		return;
	for (p += 5; p < end && (*p == ' ' || *p == '='); p++)
		;
	if (p < end && *p == '*') { /* of a 416: nothing but the total */
		if (++p < end && *p++ == '/')
			reply->total = number(&p, end);
		return;
	}
	first = number(&p, end);
	if (first < 0 || p == end || *p++ != '-')
		return;
	last = number(&p, end);
	if (last < first || p == end || *p++ != '/')
		return;
	if (p < end && *p != '*') {
		total = number(&p, end);
		if (total <= last)
			return;
	}
	reply->first = first;
	reply->last = last;
	reply->total = total;
}

static void
field(struct reply *reply, const char *name, size_t name_len, const char *value, size_t len)
{
#define IS(text) (name_len == sizeof(text) - 1 && strncasecmp(name, text, sizeof(text) - 1) == 0)
	if (IS("Content-Length")) {
		const char *p = value;

		reply->length = number(&p, value + len);
	} else if (IS("Content-Range")) {
		content_range(reply, value, len);
	} else if (IS("Content-Encoding")) {
		reply->encoded = len > 0 && !(len == 8 && strncasecmp(value, "identity", 8) == 0);
	} else if (IS("Content-Type")) {
		const char *semicolon = memchr(value, ';', len);

		if (semicolon != NULL)
			len = (size_t)(semicolon - value);
		while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
			len--;
		keep(reply->type, sizeof(reply->type), value, len);
		for (char *p = reply->type; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
	} else if (IS("ETag")) {
		if (len >= 2 && value[0] == '"' && value[len - 1] == '"')
			keep(reply->etag, sizeof(reply->etag), value, len);
	} else if (IS("Last-Modified")) {
		keep(reply->modified, sizeof(reply->modified), value, len);
	} else if (IS("Location")) {
		free(reply->location);
		reply->location_too_long = len >= URL_MAX;
		reply->location = reply->location_too_long ? NULL : strndup(value, len);
	}
#undef IS
}

bool
reply_line(struct reply *reply, const char *line, size_t len)
{
	const char *colon;
	size_t name_len;

	while (len > 0 &&
	    (line[len - 1] == '\n' || line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (len == 0)
		return reply->status >= 200;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		const char *p = memchr(line, ' ', len);

		reply_clear(reply);
		if (p != NULL) {
			int64_t status;

			p++;
			status = number(&p, line + len);
			reply->status = status < 0 || status > 999 ? 0 : (int)status;
		}
		return false;
	}
	colon = memchr(line, ':', len);
	if (colon == NULL || memchr(line, '\0', len) != NULL || memchr(line, '\r', len) != NULL)
		return false; /* no field, or a dangerous one (RFC 9110 5.5) */
	name_len = (size_t)(colon - line);
	for (colon++; colon < line + len && (*colon == ' ' || *colon == '\t'); colon++)
		;
	field(reply, line, name_len, colon, (size_t)(line + len - colon));
	return false;
}

/* Bytes of the whole file, of which the body may be a part; -1 unknown. */
static int64_t
whole_length(const struct reply *reply)
{
	return reply->status == 206 ? reply->total : reply->length;
}

static bool
differ(const char *a, const char *b)
{
	return a[0] != '\0' && b[0] != '\0' && strcmp(a, b) != 0;
}

bool
reply_same_file(const struct reply *a, const struct reply *b)
{
	int64_t total_a = whole_length(a);
	int64_t total_b = whole_length(b);

	if (a->encoded || b->encoded)
		return !differ(a->etag, b->etag); /* lengths are of something else */
	if (total_a >= 0 && total_b >= 0 && total_a != total_b)
		return false;
	/* Servers behind one name often disagree in their ETags, so equal dates speak for it too. */
	return !differ(a->etag, b->etag) || (a->modified[0] != '\0' && strcmp(a->modified, b->modified) == 0);
}

bool
reply_surely_same(const struct reply *a, const struct reply *b)
{
	if (!reply_same_file(a, b))
		return false;
	if (!a->encoded && !b->encoded && whole_length(a) >= 0 && whole_length(a) == whole_length(b))
		return true;
	return (a->etag[0] != '\0' && strcmp(a->etag, b->etag) == 0) ||
	    (a->modified[0] != '\0' && strcmp(a->modified, b->modified) == 0);
}
