/*
 * url.c - how the promise in url.h is kept
 *
 * One scanner (struct span, split()) takes any reference apart by RFC 3986
 * appendix B; everything else works on its five pieces. Nothing here
 * allocates, and every loop runs over its input once, because the input is
 * whatever a provider wrote.
 */
#include "base/url.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/pb.h"

/* A file name or path segment of so many characters is taken for a token when it is shown. */
#define TOKEN_LEN 20

/* A piece of a URL: at[len]; at is NULL when the piece is not there at all ("" and absent differ). */
struct span {
	const char *at;
	size_t len;
};

/* RFC 3986 3: scheme ":" ["//" authority] path ["?" query]; the fragment is left out everywhere. */
struct pieces {
	struct span scheme, authority, path, query;
};

/* Where a result grows; full is set once something did not fit. */
struct out {
	char *buf;
	size_t size, len;
	bool full;
};

static void split(struct pieces *p, const char *ref, size_t len);
static void put(struct out *o, const char *s, size_t len);
static void put_encoded(struct out *o, struct span s);
static void put_path(struct out *o, const char *path, size_t len);
static bool has_controls(const char *s, size_t len);
static int parse_authority(struct url_parts *out, struct span auth);
static int parse_host(struct url_parts *out, struct span host);
static void redact_path(struct out *o, struct span path);
static void redact_query(struct out *o, struct span query);

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
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

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool
span_is(struct span s, const char *word)
{
	return s.at != NULL && s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

int
url_parse(struct url_parts *out, const char *url)
{
	struct pieces p;
	size_t len = strlen(url);

	memset(out, 0, sizeof(*out));
	if (len >= URL_MAX)
		return PB_ELIMIT;
	if (has_controls(url, len))
		return PB_EFORMAT;
	split(&p, url, len);
	if (p.scheme.at == NULL)
		return PB_EFORMAT;
	if (!span_is(p.scheme, "http") && !span_is(p.scheme, "https"))
		return PB_NO;
	out->https = p.scheme.len == strlen("https");
	if (p.authority.at == NULL)
		return PB_EFORMAT;
	return parse_authority(out, p.authority);
}

size_t
url_origin(const char *url)
{
	const char *authority = strstr(url, "://");
	size_t len;

	if (authority == NULL)
		return 0;
	authority += strlen("://");
	len = strcspn(authority, "/?#");
	return authority[len] == '/' ? (size_t)(authority - url) + len + 1 : 0;
}

int
url_resolve(char *out, size_t size, const char *base, const char *ref, size_t len)
{
	struct pieces r, b = { 0 };
	struct out o = { out, size, 0, false };
	struct span scheme, authority;
	size_t keep;

	pb_assert(size > 0);
	out[0] = '\0';
	while (len > 0 && (*ref == ' ' || *ref == '\t'))
		ref++, len--;
	while (len > 0 && (ref[len - 1] == ' ' || ref[len - 1] == '\t'))
		len--;
	if (len >= URL_MAX)
		return PB_ELIMIT;
	if (has_controls(ref, len))
		return PB_EFORMAT;
	split(&r, ref, len);
	if (span_is(r.scheme, "data")) {
		put(&o, ref, len);
		goto done;
	}

	/* RFC 3986 5.2.2, without the fragment. */
	if (r.scheme.at == NULL) {
		if (base == NULL)
			return PB_EFORMAT;
		if (strlen(base) >= URL_MAX)
			return PB_ELIMIT;
		split(&b, base, strlen(base));
		if (b.scheme.at == NULL || span_is(b.scheme, "data") || has_controls(base, strlen(base)))
			return PB_EFORMAT;
	}
	scheme = r.scheme.at != NULL ? r.scheme : b.scheme;
	authority = r.scheme.at != NULL || r.authority.at != NULL ? r.authority : b.authority;
	for (size_t i = 0; i < scheme.len; i++)
		put(&o, &(char){ lower(scheme.at[i]) }, 1);
	put(&o, ":", 1);
	if (authority.at != NULL) {
		put(&o, "//", 2);
		put_encoded(&o, authority);
	}
	if (r.scheme.at != NULL || r.authority.at != NULL || (r.path.len > 0 && r.path.at[0] == '/')) {
		put_path(&o, r.path.at, r.path.len);
	} else if (r.path.len == 0) {
		put_path(&o, b.path.at, b.path.len);
		if (r.query.at == NULL)
			r.query = b.query;
	} else {
		char merged[2 * URL_MAX];
		struct out m = { merged, sizeof(merged), 0, false };

		for (keep = b.path.len; keep > 0 && b.path.at[keep - 1] != '/'; keep--)
			;
		if (b.path.len == 0 && b.authority.at != NULL)
			put(&m, "/", 1);
		put(&m, b.path.at, keep);
		put(&m, r.path.at, r.path.len);
		put_path(&o, merged, m.len);
	}
	if (r.query.at != NULL) {
		put(&o, "?", 1);
		put_encoded(&o, r.query);
	}
done:
	if (o.full || o.len >= URL_MAX) {
		out[0] = '\0';
		return PB_ELIMIT;
	}
	return 0;
}

int
url_append_query(char *url, size_t size, const char *base)
{
	struct pieces u, b;
	size_t len = strlen(url);
	size_t at;

	split(&u, url, len);
	split(&b, base, strlen(base));
	if (u.query.at != NULL || b.query.at == NULL || b.query.len == 0 || span_is(u.scheme, "data"))
		return 0;
	at = (size_t)(u.path.at - url) + u.path.len; /* a fragment ends here, if there was one */
	if (at + 1 + b.query.len + 1 > PB_MIN(size, (size_t)URL_MAX))
		return PB_ELIMIT;
	url[at] = '?';
	memcpy(url + at + 1, b.query.at, b.query.len);
	url[at + 1 + b.query.len] = '\0';
	return 0;
}

char *
url_redact(char *out, size_t size, const char *url)
{
	struct out o = { out, size, 0, false };
	struct url_parts parts;
	struct pieces p;
	struct span host;

	pb_assert(size > 0);
	out[0] = '\0';
	split(&p, url, strlen(url));
	if (url_parse(&parts, url) != 0) {
		if (p.scheme.at != NULL && p.scheme.len < TOKEN_LEN) {
			put(&o, p.scheme.at, p.scheme.len);
			put(&o, p.authority.at != NULL ? "://" : ":", p.authority.at != NULL ? 3 : 1);
		}
		put(&o, "***", 3);
		return out;
	}
	put(&o, p.scheme.at, p.scheme.len);
	put(&o, "://", 3);
	host = p.authority;
	if (parts.userinfo) {
		const char *at = memrchr(host.at, '@', host.len);

		host.len -= (size_t)(at + 1 - host.at);
		host.at = at + 1;
		put(&o, "***@", 4);
	}
	put(&o, host.at, host.len);
	redact_path(&o, p.path);
	if (p.query.at != NULL)
		redact_query(&o, p.query);
	return out;
}

bool
url_same_path(const char *a, const char *b)
{
	struct pieces pa, pb;
	struct span root = { "/", 1 };

	split(&pa, a, strlen(a));
	split(&pb, b, strlen(b));
	if (pa.path.len == 0)
		pa.path = root;
	if (pb.path.len == 0)
		pb.path = root;
	return pa.path.len == pb.path.len && memcmp(pa.path.at, pb.path.at, pa.path.len) == 0;
}

struct url_path
url_path(const char *url)
{
	struct pieces p;

	split(&p, url, strlen(url));
	return (struct url_path){ p.path.at, p.path.len };
}

bool
url_query_value(const char *url, const char *name, const char **value, size_t *len)
{
	struct pieces p;
	size_t name_len = strlen(name);
	const char *at, *end, *amp;

	split(&p, url, strlen(url));
	if (p.query.at == NULL)
		return false;
	end = p.query.at + p.query.len;
	for (at = p.query.at; at < end; at = amp + 1) {
		amp = memchr(at, '&', (size_t)(end - at));
		if (amp == NULL)
			amp = end;
		if ((size_t)(amp - at) > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == '=') {
			*value = at + name_len + 1;
			*len = (size_t)(amp - *value);
			return true;
		}
	}
	return false;
}

/* RFC 3986 appendix B. Every reference splits; whether the pieces are any good is the caller's question. */
static void
split(struct pieces *p, const char *ref, size_t len)
{
	const char *end = ref + len;
	const char *at = ref;
	const char *hash;

	memset(p, 0, sizeof(*p));
	while (at < end && (is_alpha(*at) || (at > ref && (is_digit(*at) || *at == '+' || *at == '-' || *at == '.'))))
		at++;
	if (at > ref && at < end && *at == ':') {
		p->scheme = (struct span){ ref, (size_t)(at - ref) };
		at++;
	} else {
		at = ref;
	}
	hash = memchr(at, '#', (size_t)(end - at));
	if (hash != NULL)
		end = hash;
	if (end - at >= 2 && at[0] == '/' && at[1] == '/') {
		at += 2;
		p->authority.at = at;
		while (at < end && *at != '/' && *at != '?')
			at++;
		p->authority.len = (size_t)(at - p->authority.at);
	}
	p->path.at = at;
	while (at < end && *at != '?')
		at++;
	p->path.len = (size_t)(at - p->path.at);
	if (at < end)
		p->query = (struct span){ at + 1, (size_t)(end - at - 1) };
}

static void
put(struct out *o, const char *s, size_t len)
{
	if (len == 0)
		return;
	if (len >= o->size - o->len) {
		o->full = true;
		len = o->size - o->len - 1;
	}
	memcpy(o->buf + o->len, s, len);
	o->len += len;
	o->buf[o->len] = '\0';
}

/* Blanks and what is not printable ASCII can't stand in a request line. */
static void
put_encoded(struct out *o, struct span s)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t from = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c > 0x20 && c < 0x7f)
			continue;
		put(o, s.at + from, i - from);
		put(o, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
		from = i + 1;
	}
	put(o, s.at + from, s.len - from);
}

/*
 * RFC 3986 5.2.4, remove_dot_segments, segment by segment. ".." takes back
 * what the segment before it wrote: each byte is written and taken back at
 * most once. What stands in front of the path in o is never taken.
 */
static void
put_path(struct out *o, const char *path, size_t len)
{
	const char *end = path + len;
	const char *at = path;
	size_t start = o->len;
	bool rooted = len > 0 && *path == '/';

	while (at < end) {
		const char *seg = *at == '/' ? at + 1 : at;
		const char *next = memchr(seg, '/', (size_t)(end - seg));
		size_t n;

		if (next == NULL)
			next = end;
		n = (size_t)(next - seg);
		if (n == 1 && seg[0] == '.') {
			if (next == end && (rooted || o->len > start))
				put(o, "/", 1);
		} else if (n == 2 && seg[0] == '.' && seg[1] == '.') {
			while (o->len > start && o->buf[o->len - 1] != '/')
				o->len--;
			if (o->len > start)
				o->len--;
			if (next == end && (rooted || o->len > start))
				put(o, "/", 1);
		} else {
			if (at < seg && (rooted || o->len > start))
				put(o, "/", 1);
			put_encoded(o, (struct span){ seg, n });
		}
		at = next;
	}
	o->buf[o->len] = '\0';
}

/* A tab is a blank here: it is encoded. Everything else below 0x20, and DEL in a URL to fetch, is not text. */
static bool
has_controls(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 && s[i] != '\t')
			return true;
	return false;
}

static int
parse_authority(struct url_parts *out, struct span auth)
{
	const char *at = memrchr(auth.at, '@', auth.len);
	const char *colon;
	struct span host = auth;
	unsigned port = 0;

	if (memchr(auth.at, '\\', auth.len) != NULL) /* browsers end the host there, curl does not */
		return PB_EFORMAT;
	if (at != NULL) {
		out->userinfo = true;
		host.at = at + 1;
		host.len = auth.len - (size_t)(host.at - auth.at);
	}
	out->port = out->https ? 443 : 80;
	if (host.len > 0 && host.at[0] == '[') {
		const char *bracket = memchr(host.at, ']', host.len);
		struct in6_addr addr;
		size_t n;

		if (bracket == NULL)
			return PB_EFORMAT;
		n = (size_t)(bracket - host.at - 1);
		colon = bracket + 1;
		if (n == 0 || n >= sizeof(out->host))
			return PB_EFORMAT;
		for (size_t i = 0; i < n; i++)
			out->host[i] = lower(host.at[1 + i]);
		out->host[n] = '\0';
		if (inet_pton(AF_INET6, out->host, &addr) != 1)
			return PB_EFORMAT;
		out->literal = true;
		if (colon < host.at + host.len && *colon != ':')
			return PB_EFORMAT;
	} else {
		int err;

		colon = memchr(host.at, ':', host.len);
		if (colon == NULL)
			colon = host.at + host.len;
		err = parse_host(out, (struct span){ host.at, (size_t)(colon - host.at) });
		if (err != 0)
			return err;
	}
	if (colon == host.at + host.len || colon + 1 == host.at + host.len)
		return 0; /* "host" and "host:" (RFC 3986 3.2.3) */
	for (const char *p = colon + 1; p < host.at + host.len; p++) {
		if (!is_digit(*p))
			return PB_EFORMAT;
		port = port * 10 + (unsigned)(*p - '0');
		if (port > UINT16_MAX)
			return PB_EFORMAT;
	}
	if (port == 0)
		return PB_EFORMAT;
	out->port = (uint16_t)port;
	return 0;
}

/*
 * A name, percent-decoded, or an IPv4 address in any of the forms that
 * inet_aton() and curl take ("127.1", "0x7f000001"): those are written out,
 * so that nobody who looks at the host is told another one than curl uses.
 */
static int
parse_host(struct url_parts *out, struct span host)
{
	struct in_addr addr;
	size_t n = 0;

	for (size_t i = 0; i < host.len; i++) {
		unsigned char c = (unsigned char)host.at[i];

		if (c == '%') {
			int hi = i + 2 < host.len ? hex_value(host.at[i + 1]) : -1;
			int lo = i + 2 < host.len ? hex_value(host.at[i + 2]) : -1;

			if (hi == -1 || lo == -1)
				return PB_EFORMAT;
			c = (unsigned char)(hi << 4 | lo);
			i += 2;
		}
		if (c <= 0x20 || c == 0x7f || strchr("\"#%/<>?@[\\]^`{|}:", c) != NULL)
			return PB_EFORMAT;
		if (n + 1 >= sizeof(out->host))
			return PB_ELIMIT;
		out->host[n++] = lower((char)c);
	}
	out->host[n] = '\0';
	if (n == 0)
		return PB_EFORMAT;

	if (is_digit(out->host[0])) {
		char name[URL_HOST_MAX];

		memcpy(name, out->host, n + 1);
		if (n > 1 && name[n - 1] == '.')
			name[n - 1] = '\0';
		if (inet_aton(name, &addr) != 0) {
			out->literal = true;
			if (inet_ntop(AF_INET, &addr, out->host, sizeof(out->host)) == NULL)
				return PB_EFORMAT;
		}
	}
	return 0;
}

/* The segment's length without a file extension of up to five letters and digits. */
static size_t
stem_len(const char *seg, size_t len)
{
	const char *dot = memrchr(seg, '.', len);

	if (dot == NULL || len - (size_t)(dot - seg) > 6)
		return len;
	for (const char *p = dot + 1; p < seg + len; p++)
		if (!is_alpha(*p) && !is_digit(*p))
			return len;
	return (size_t)(dot - seg);
}

static bool
all_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_digit(s[i]))
			return false;
	return len > 0;
}

/* How many segments behind this one are an account: "live/USER/PASSWORD/...", "hlsr/TOKEN/USER/PASSWORD/...". */
static size_t
account_len(struct span seg)
{
	static const char *const words[] = { "live", "movie", "series", "timeshift", "streaming", "play" };

	for (size_t i = 0; i < NITEMS(words); i++)
		if (span_is(seg, words[i]))
			return 2;
	return span_is(seg, "hlsr") ? 3 : 0;
}

/*
 * How many segments from the front hide an account: after /live/ and its
 * like the next two, after /hlsr/ (Xtream's segments) three; in the short form /USER/PASSWORD/NUMBER[.ts] the first
 * two. Written as indices [*from, *to).
 */
static void
find_account(struct span path, size_t *from, size_t *to)
{
	const char *end = path.at + path.len;
	const char *at = path.at;
	size_t index = 0;
	struct span seg = { NULL, 0 };

	*from = *to = 0;
	while (at < end) {
		const char *next;

		if (*at == '/')
			at++;
		next = memchr(at, '/', (size_t)(end - at));
		if (next == NULL)
			next = end;
		seg = (struct span){ at, (size_t)(next - at) };
		if (*to == 0 && account_len(seg) > 0) {
			*from = index + 1;
			*to = *from + account_len(seg);
		}
		index++;
		at = next;
	}
	if (index <= *to) { /* the file itself is no password */
		*from = *to = 0;
	}
	if (*to == 0 && index == 3 && all_digits(seg.at, stem_len(seg.at, seg.len)))
		*to = 2;
}

static void
redact_path(struct out *o, struct span path)
{
	const char *end = path.at + path.len;
	const char *at = path.at;
	size_t from, to;

	find_account(path, &from, &to);
	for (size_t index = 0; at < end; index++) {
		const char *next, *equals;
		size_t n, stem;

		if (*at == '/') {
			put(o, "/", 1);
			at++;
		}
		next = memchr(at, '/', (size_t)(end - at));
		if (next == NULL)
			next = end;
		n = (size_t)(next - at);
		stem = stem_len(at, n);
		equals = memchr(at, '=', n);
		if (index >= from && index < to) {
			put(o, "***", 3);
		} else if (stem >= TOKEN_LEN) {
			put(o, "***", 3);
			put(o, at + stem, n - stem);
		} else if (equals != NULL) { /* "hdnts=...", ";jsessionid=..." */
			put(o, at, (size_t)(equals + 1 - at));
			put(o, "***", 3);
		} else {
			put(o, at, n);
		}
		at = next;
	}
}

/* Names are shown, values never; a value without a name is taken for one. */
static void
redact_query(struct out *o, struct span query)
{
	const char *end = query.at + query.len;
	const char *at = query.at;

	put(o, "?", 1);
	while (at < end) {
		const char *amp = memchr(at, '&', (size_t)(end - at));
		const char *equals;

		if (amp == NULL)
			amp = end;
		equals = memchr(at, '=', (size_t)(amp - at));
		if (equals != NULL && equals - at < TOKEN_LEN)
			put(o, at, (size_t)(equals + 1 - at));
		if (amp > at)
			put(o, "***", 3);
		if (amp < end)
			put(o, "&", 1);
		at = amp + (amp < end);
	}
}
