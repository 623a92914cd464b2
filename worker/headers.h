/*
 * headers.h - the operator's request headers, and how far each may go
 *
 * A channel may need headers that the operator wrote: a Referer, a token.
 * Those that look like a secret stay with the host they were meant for when
 * a redirect leads elsewhere (worker/fetch.h); so there are two lists. Cookie is kept apart,
 * to be joined with those that servers set: two Cookie fields would be one
 * too many. Range and If-Range are ours alone and left out.
 */
#ifndef PLEXBRIDGE_WORKER_HEADERS_H
#define PLEXBRIDGE_WORKER_HEADERS_H

#include <stddef.h>

struct curl_slist;

/* Zeroed memory is a set without a header. */
struct headers {
	struct curl_slist *all; /* "Name: value" each */
	struct curl_slist *abroad; /* without those that stay with their host */
	char *cookie; /* its value; NULL: none */
};

/*
 * Add lines: "Name: value\0Name: value\0", borrowed for the call. 0;
 * PB_EFORMAT for what is no header line, or not terminated; PB_ENOMEM. After
 * an error some may have been added.
 */
int headers_add(struct headers *headers, const char *lines, size_t len);

/* Give back what it holds; without a header again. */
void headers_clear(struct headers *headers);

#endif
