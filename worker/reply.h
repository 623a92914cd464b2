/*
 * reply.h - what a response head says, field by field (RFC 9110)
 *
 * Pure. Lines come as curl gives them: one field a call, redirects and
 * 100-continue heads one after the other; each status line starts anew.
 * Values that do not fit are dropped, but for a Location, which is noted as
 * too long; so are fields with a NUL or a CR inside, because some values go
 * back to the server (If-Range).
 */
#ifndef PLEXBRIDGE_WORKER_REPLY_H
#define PLEXBRIDGE_WORKER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/url.h"

struct reply {
	int status; /* 0 before the status line */
	int64_t length; /* Content-Length; -1 unknown */
	int64_t first, last; /* Content-Range: bytes first-last/total; first -1: none or unreadable */
	int64_t total; /* -1: unknown; a 416 gives it alone */
	bool encoded; /* a Content-Encoding other than identity */
	bool location_too_long;
	char type[64]; /* Content-Type without parameters, lower case */
	char etag[128]; /* as sent, strong ones only */
	char modified[64]; /* Last-Modified, as sent */
	char *location; /* as sent, under URL_MAX bytes; NULL when there was none. The reply's own */
};

/* Nothing is known. */
void reply_init(struct reply *reply);

/* Give back what it holds; nothing is known again. */
void reply_clear(struct reply *reply);

/* One line with its line end. true when it was the empty line that ends a head which is not 1xx. */
bool reply_line(struct reply *reply, const char *line, size_t len);

/* May body bytes of the two replies be put together? false only when they say they are of different files. */
bool reply_same_file(const struct reply *a, const struct reply *b);

/* Is it certain? true only when they agree in something that tells files apart: length, ETag or date. */
bool reply_surely_same(const struct reply *a, const struct reply *b);

#endif
