/*
 * request.h - one HTTP/1.0 or 1.1 request head, strictly (RFC 9112)
 *
 * Pure: bytes in, a struct out, no allocation. Used by the tuner port, the
 * control socket and the origin. Input is hostile.
 *
 *   bounds   REQUEST_HEAD_MAX bytes, REQUEST_HEADERS_MAX header lines
 *   refused  (400) bare CR, NUL and control characters, obs-fold, blanks
 *            before the colon, a missing or double Host in HTTP/1.1, two
 *            Content-Lengths, Transfer-Encoding together with a length, a
 *            target that is not origin-form or absolute-form
 */
#ifndef PLEXBRIDGE_BASE_REQUEST_H
#define PLEXBRIDGE_BASE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_HEAD_MAX 8192
#define REQUEST_HEADERS_MAX 64
#define REQUEST_PATH_MAX 1024
#define REQUEST_QUERY_MAX 7168 /* holds a URL of 4 KiB in which every third byte is a "%25" */

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_POST, REQUEST_OTHER };

struct request {
	enum request_method method;
	int minor; /* HTTP/1.minor: 0 or 1 */
	char path[REQUEST_PATH_MAX]; /* decoded, "//" collapsed, begins with '/', valid UTF-8, no NUL */
	char query[REQUEST_QUERY_MAX]; /* as sent, without the '?', "" when none */
	char host[256]; /* Host field as sent, "" when none */
	char agent[256]; /* User-Agent, cut; printable */
	uint64_t body_len; /* Content-Length, 0 when none */
	bool chunked; /* a Transfer-Encoding was given */
	bool upgrade; /* an Upgrade field was given */
	size_t head_len; /* bytes of the head with its empty line */
};

/*
 * Parse the head at the beginning of buf. 0 when it is whole;
 * PB_AGAIN when more bytes are needed (len < REQUEST_HEAD_MAX); otherwise
 * PB_EFORMAT, and *status is the answer owed: 400, 414, 431, or 505.
 */
int request_parse(struct request *out, const char *buf, size_t len, int *status);

/*
 * The value of the first header line with that name (any case) in a head
 * that request_parse() accepted, blanks around it removed, into out[size].
 * false when it is not there or does not fit.
 */
bool request_field(const char *head, size_t head_len, const char *name, char *out, size_t size);

/*
 * Does the value of an Accept-Encoding field take this content coding (RFC
 * 9110 12.5.3)? By its name in any case, else by "*"; with a weight of 0 it
 * does not. A weight that is none counts as 0: what is sent as it is can be
 * read by everybody.
 */
bool request_accepts(const char *field, const char *coding);

/*
 * The value of a query parameter, percent-decoded ('+' stays '+'; the
 * HDHomeRun favourite syntax needs it) into out[size]. false when it is not
 * there, does not fit or is not decodable.
 */
bool request_param(const struct request *req, const char *name, char *out, size_t size);

#endif
