/*
 * url.h - URLs as RFC 3986 has them, with what playlists in the wild need
 *
 * Pure. Only http and https are URLs to fetch. Strings are NUL-terminated,
 * at most URL_MAX bytes with the NUL; what would be longer is PB_ELIMIT.
 */
#ifndef PLEXBRIDGE_BASE_URL_H
#define PLEXBRIDGE_BASE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_MAX 8192
#define URL_HOST_MAX 256

struct url_parts {
	bool https;
	char host[URL_HOST_MAX]; /* lower case; an IPv6 literal without its brackets */
	bool literal; /* the host is an IPv4 or IPv6 address */
	uint16_t port; /* explicit, or the scheme's */
	bool userinfo; /* there is a user or password in it */
};

/*
 * Take a URL apart. 0, PB_NO for another scheme than http/https, PB_EFORMAT
 * for what is no URL (no host, bad port, control characters, blanks in the
 * host), PB_ELIMIT.
 */
int url_parse(struct url_parts *out, const char *url);

/*
 * How long "scheme://authority/" is at the begin of a URL that url_parse()
 * took; 0 when no path follows. Who reads a hundred thousand URLs of one
 * server need not have each taken apart: what begins with the same and has
 * no control characters is taken, too.
 */
size_t url_origin(const char *url);

/*
 * Resolve ref (as written in a playlist, len bytes, not NUL-terminated)
 * against base (absolute; NULL when there is none, then only an absolute
 * ref resolves) into out[size]: RFC 3986 5.2; excess ".." stops at
 * the root, the fragment is dropped, blanks and bytes above 0x7e are
 * percent-encoded, %xx is left alone, the scheme is made lower case.
 * A data: URI passes as it is. 0, PB_EFORMAT, PB_ELIMIT.
 */
int url_resolve(char *out, size_t size, const char *base, const char *ref, size_t len);

/* Append base's query to url when url has none (the append_query setting). In place; 0 or PB_ELIMIT. */
int url_append_query(char *url, size_t size, const char *base);

/*
 * A URL that may be shown: user and password become "***", as do query
 * values, and path segments that look like a secret (Xtream's
 * /live/USER/PASSWORD/1.ts and /hlsr/TOKEN/USER/PASSWORD/..., or 20 and more characters of token). Always
 * terminates out; a URL that does not parse is shown as its scheme and
 * "***". Returns out.
 */
char *url_redact(char *out, size_t size, const char *url);

/* Same path and file, whatever scheme, host and query: tokens and hosts change with each reload. */
bool url_same_path(const char *a, const char *b);

/* That path, inside url: at[len], not NUL-terminated; borrowed from url. May be empty. */
struct url_path {
	const char *at;
	size_t len;
};
struct url_path url_path(const char *url);

/* The value of the first query parameter of that name, as it stands in url: *value has *len bytes. */
bool url_query_value(const char *url, const char *name, const char **value, size_t *len);

#endif
