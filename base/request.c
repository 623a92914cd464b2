/*
 * request.c - a request head, read once from left to right
 *
 * The head must be whole before anything in it is believed, so the first
 * step only looks for its end, and refuses on the way what no head may
 * hold; every later step may then rely on lines that end in CR LF (or a
 * bare LF, which RFC 9112 2.2 allows a recipient to take) and on bytes that
 * are text.
 */
#include "base/request.h"

#include <string.h>
#include <strings.h>

#include "base/pb.h"

struct line {
	const char *at;
	size_t len; /* without its end */
};

/* What has been seen of the fields that may come once only. */
struct seen {
	bool host;
	bool length;
	bool coding;
};

static int find_end(const char *buf, size_t len, size_t *head_len);
static bool next_line(const char **at, const char *end, struct line *line);
static int parse_start(struct request *out, struct line line, int *status);
static int parse_target(struct request *out, const char *target, size_t len, int *status);
static int parse_path(struct request *out, const char *path, size_t len, int *status);
static int parse_field(struct request *out, struct line line, struct seen *seen);
static void put_agent(struct request *out, const char *value, size_t len);
static bool valid_host(const char *value, size_t len);
static bool valid_utf8(const char *text, size_t len);

static int
refuse(int *status, int code)
{
	*status = code;
	return PB_EFORMAT;
}

static bool
is_token(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

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

int
request_parse(struct request *out, const char *buf, size_t len, int *status)
{
	const char *at = buf;
	const char *end;
	struct line line;
	struct seen seen = { false, false, false };
	int fields = 0;
	int err;

	memset(out, 0, sizeof(*out));
	*status = 0;
	err = find_end(buf, PB_MIN(len, REQUEST_HEAD_MAX), &out->head_len);
	if (err == PB_AGAIN && len >= REQUEST_HEAD_MAX) {
		/* Which of the two was too long decides what is said about it. */
		return refuse(status, memchr(buf, '\n', REQUEST_HEAD_MAX) == NULL ? 414 : 431);
	}
	if (err == PB_AGAIN)
		return PB_AGAIN;
	if (err != 0)
		return refuse(status, 400);

	end = buf + out->head_len;
	/* An empty line before the request line is left over from an older body (RFC 9112 2.2). */
	do {
		if (!next_line(&at, end, &line))
			return refuse(status, 400);
	} while (line.len == 0);
	err = parse_start(out, line, status);
	if (err != 0)
		return err;
	while (next_line(&at, end, &line) && line.len > 0) {
		if (++fields > REQUEST_HEADERS_MAX)
			return refuse(status, 431);
		if (parse_field(out, line, &seen) != 0)
			return refuse(status, 400);
	}
	if (out->minor == 1 && !seen.host)
		return refuse(status, 400);
	if (seen.length && seen.coding)
		return refuse(status, 400);
	return 0;
}

bool
request_field(const char *head, size_t head_len, const char *name, char *out, size_t size)
{
	const char *at = head;
	const char *end = head + head_len;
	size_t name_len = strlen(name);
	struct line line;

	while (next_line(&at, end, &line)) {
		const char *value;
		size_t len;

		if (line.len <= name_len || line.at[name_len] != ':' || strncasecmp(line.at, name, name_len) != 0)
			continue;
		value = line.at + name_len + 1;
		len = line.len - name_len - 1;
		while (len > 0 && (*value == ' ' || *value == '\t'))
			value++, len--;
		while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
			len--;
		if (len >= size)
			return false;
		memcpy(out, value, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

/* Is this weight, "q=" and a number of 0 to 1 with up to three digits behind the dot, above 0? */
static bool
weighs(const char *s, size_t len)
{
	bool some = len > 2 && s[2] == '1';

	if (len < 3 || len > 7 || (s[0] | 0x20) != 'q' || s[1] != '=' || (s[2] != '0' && s[2] != '1') ||
	    (len > 3 && s[3] != '.'))
		return false;
	for (size_t i = 4; i < len; i++) {
		if (s[i] < '0' || s[i] > (s[2] == '1' ? '0' : '9'))
			return false;
		some |= s[i] != '0';
	}
	return some;
}

bool
request_accepts(const char *field, const char *coding)
{
	static const char blanks[] = " \t";
	bool named = false, taken = false;

	for (const char *at = field; *at != '\0';) {
		size_t len, end = strcspn(at, ",");
		const char *next = at + end + (at[end] == ',');
		bool any;

		at += PB_MIN(strspn(at, blanks), end);
		len = strcspn(at, ",; \t");
		any = len == 1 && at[0] == '*';
		if (any ? !named : len == strlen(coding) && strncasecmp(at, coding, len) == 0) {
			const char *weight = at + len + strspn(at + len, blanks);
			bool ok = *weight == ',' || *weight == '\0';

			if (*weight == ';') {
				weight += 1 + strspn(weight + 1, blanks);
				ok = weighs(weight, strcspn(weight, ", \t"));
			}
			named |= !any;
			taken = ok;
		}
		at = next;
	}
	return taken;
}

bool
request_param(const struct request *req, const char *name, char *out, size_t size)
{
	const char *at = req->query;
	size_t name_len = strlen(name);

	while (*at != '\0') {
		size_t len = strcspn(at, "&");
		size_t n = 0;

		if (len < name_len || strncmp(at, name, name_len) != 0 || (len > name_len && at[name_len] != '=')) {
			at += len + (at[len] == '&');
			continue;
		}
		for (size_t i = PB_MIN(name_len + 1, len); i < len; i++) {
			char c = at[i];

			if (c == '%') {
				int hi = i + 2 < len ? hex_digit(at[i + 1]) : -1;
				int lo = i + 2 < len ? hex_digit(at[i + 2]) : -1;

				if (hi < 0 || lo < 0 || (hi == 0 && lo == 0))
					return false;
				c = (char)(hi << 4 | lo);
				i += 2;
			}
			if (n + 1 >= size)
				return false;
			out[n++] = c;
		}
		if (n >= size)
			return false;
		out[n] = '\0';
		return true;
	}
	return false;
}

/* Where the empty line ends. Leading empty lines do not count as that line. */
static int
find_end(const char *buf, size_t len, size_t *head_len)
{
	bool text = false; /* a line that is not empty was seen */
	size_t in_line = 0; /* bytes of this line so far */
	int leading = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (c == '\r') {
			if (i + 1 < len && buf[i + 1] != '\n')
				return PB_EFORMAT; /* a bare CR: two readers could disagree on where the line ends */
			continue;
		}
		if (c == '\n') {
			if (in_line > 0) {
				text = true;
				in_line = 0;
				continue;
			}
			if (text) {
				*head_len = i + 1;
				return 0;
			}
			if (++leading > 2)
				return PB_EFORMAT;
			continue;
		}
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return PB_EFORMAT;
		in_line++;
	}
	return PB_AGAIN;
}

static bool
next_line(const char **at, const char *end, struct line *line)
{
	const char *nl;

	if (*at >= end)
		return false;
	nl = memchr(*at, '\n', (size_t)(end - *at));
	if (nl == NULL)
		return false;
	line->at = *at;
	line->len = (size_t)(nl - *at);
	if (line->len > 0 && nl[-1] == '\r')
		line->len--;
	*at = nl + 1;
	return true;
}

/* METHOD SP target SP HTTP/1.x, with one blank between them and no other (RFC 9112 3). */
static int
parse_start(struct request *out, struct line line, int *status)
{
	static const struct {
		const char *name;
		enum request_method method;
	} methods[] = { { "GET", REQUEST_GET }, { "HEAD", REQUEST_HEAD }, { "POST", REQUEST_POST } };
	const char *target = memchr(line.at, ' ', line.len);
	const char *version;
	size_t method_len;
	size_t target_len;
	size_t version_len;

	if (target == NULL || target == line.at)
		return refuse(status, 400);
	method_len = (size_t)(target - line.at);
	for (size_t i = 0; i < method_len; i++)
		if (!is_token((unsigned char)line.at[i]))
			return refuse(status, 400);
	out->method = REQUEST_OTHER;
	for (size_t i = 0; i < NITEMS(methods); i++)
		if (strlen(methods[i].name) == method_len && memcmp(methods[i].name, line.at, method_len) == 0)
			out->method = methods[i].method;

	target++;
	version = memchr(target, ' ', line.len - method_len - 1);
	if (version == NULL || version == target)
		return refuse(status, 400); /* also HTTP/0.9, which has no version */
	target_len = (size_t)(version - target);
	version++;
	version_len = line.len - method_len - target_len - 2;
	if (version_len != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.' || version[5] < '0' ||
	    version[5] > '9' || version[7] < '0' || version[7] > '9')
		return refuse(status, 400);
	if (version[5] != '1')
		return refuse(status, 505);
	out->minor = version[7] == '0' ? 0 : 1;
	return parse_target(out, target, target_len, status);
}

static int
parse_target(struct request *out, const char *target, size_t len, int *status)
{
	const char *query;
	size_t path_len;

	/* The blank that would end it is known to be absent; a tab is no part of a URI either. */
	if (memchr(target, '\t', len) != NULL)
		return refuse(status, 400);
	if (len > 7 && strncasecmp(target, "http://", 7) == 0) {
		size_t host_len = 0;

		target += 7;
		len -= 7;
		while (host_len < len && target[host_len] != '/' && target[host_len] != '?')
			host_len++;
		if (host_len == 0 || !valid_host(target, host_len))
			return refuse(status, 400);
		target += host_len;
		len -= host_len;
		if (len == 0 || *target == '?') {
			/* "http://host" and "http://host?q" mean the root. */
			out->path[0] = '/';
			if (len > sizeof(out->query))
				return refuse(status, 414);
			if (len > 0)
				memcpy(out->query, target + 1, len - 1);
			return 0;
		}
	}
	if (*target != '/')
		return refuse(status, 400);
	if (memchr(target, '#', len) != NULL)
		return refuse(status, 400);
	query = memchr(target, '?', len);
	path_len = query == NULL ? len : (size_t)(query - target);
	if (query != NULL) {
		size_t query_len = len - path_len - 1;

		if (query_len >= sizeof(out->query))
			return refuse(status, 414);
		memcpy(out->query, query + 1, query_len);
	}
	return parse_path(out, target, path_len, status);
}

static int
parse_path(struct request *out, const char *path, size_t len, int *status)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = path[i];

		if (c == '%') {
			int hi = i + 2 < len ? hex_digit(path[i + 1]) : -1;
			int lo = i + 2 < len ? hex_digit(path[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				return refuse(status, 400);
			c = (char)(hi << 4 | lo);
			if ((unsigned char)c < 0x20 || c == 0x7f)
				return refuse(status, 400);
			i += 2;
		}
		if (c == '/' && n > 0 && out->path[n - 1] == '/')
			continue;
		if (n + 1 >= sizeof(out->path))
			return refuse(status, 414);
		out->path[n++] = c;
	}
	if (!valid_utf8(out->path, n))
		return refuse(status, 400);
	return 0;
}

static int
parse_length(struct request *out, const char *value, size_t len)
{
	uint64_t n = 0;

	if (len == 0 || len > 18)
		return PB_EFORMAT;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return PB_EFORMAT;
		n = n * 10 + (uint64_t)(value[i] - '0');
	}
	out->body_len = n;
	return 0;
}

static bool
name_is(const char *name, size_t len, const char *want)
{
	return strlen(want) == len && strncasecmp(name, want, len) == 0;
}

static int
parse_field(struct request *out, struct line line, struct seen *seen)
{
	const char *colon = memchr(line.at, ':', line.len);
	const char *value;
	size_t name_len;
	size_t len;

	if (colon == NULL || colon == line.at)
		return PB_EFORMAT;
	name_len = (size_t)(colon - line.at);
	/* A blank at the line's begin would be obs-fold, one before the colon a smuggled name: no token has any. */
	for (size_t i = 0; i < name_len; i++)
		if (!is_token((unsigned char)line.at[i]))
			return PB_EFORMAT;
	value = colon + 1;
	len = line.len - name_len - 1;
	while (len > 0 && (*value == ' ' || *value == '\t'))
		value++, len--;
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;

	if (name_is(line.at, name_len, "Host")) {
		if (seen->host || len >= sizeof(out->host) || !valid_host(value, len))
			return PB_EFORMAT;
		seen->host = true;
		memcpy(out->host, value, len);
	} else if (name_is(line.at, name_len, "Content-Length")) {
		if (seen->length)
			return PB_EFORMAT;
		seen->length = true;
		return parse_length(out, value, len);
	} else if (name_is(line.at, name_len, "Transfer-Encoding")) {
		seen->coding = true;
		out->chunked = true;
	} else if (name_is(line.at, name_len, "Upgrade")) {
		out->upgrade = true;
	} else if (name_is(line.at, name_len, "User-Agent")) {
		put_agent(out, value, len);
	}
	return 0;
}

/* For the log and the status page: what can't be shown is shown as '?'. */
static void
put_agent(struct request *out, const char *value, size_t len)
{
	size_t n = PB_MIN(len, sizeof(out->agent) - 1);

	for (size_t i = 0; i < n; i++)
		out->agent[i] = (unsigned char)value[i] >= 0x20 && (unsigned char)value[i] < 0x7f ? value[i] : '?';
	out->agent[n] = '\0';
}

/* uri-host [":" port], by its characters; an empty one is allowed (RFC 9112 3.2). */
static bool
valid_host(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = value[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
			continue;
		if (strchr("-._~!$&'()*+,;=:[]%", c) == NULL || c == '\0')
			return false;
	}
	return true;
}

/* RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF. */
static bool
valid_utf8(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < len;) {
		size_t more;
		uint32_t c = s[i];

		if (c < 0x80) {
			i++;
			continue;
		}
		if (c >= 0xc2 && c <= 0xdf)
			more = 1, c &= 0x1f;
		else if (c >= 0xe0 && c <= 0xef)
			more = 2, c &= 0x0f;
		else if (c >= 0xf0 && c <= 0xf4)
			more = 3, c &= 0x07;
		else
			return false;
		if (i + more >= len)
			return false;
		for (size_t k = 1; k <= more; k++) {
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (s[i + k] & 0x3f);
		}
		if ((more == 2 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
		    (more == 3 && (c < 0x10000 || c > 0x10ffff)))
			return false;
		i += more + 1;
	}
	return true;
}
