/*
 * headers.c - how the promise in headers.h is kept
 */
#include "worker/headers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/pb.h"

/* Is it a secret by its name? Providers invent theirs, so parts of names must do. */
static bool
stays_home(const char *name, size_t len)
{
	static const char *const secret[] = { "auth", "cookie", "token", "api-key", "apikey", "secret", "session" };

	for (size_t i = 0; i < NITEMS(secret); i++)
		for (size_t at = 0; at + strlen(secret[i]) <= len; at++)
			if (strncasecmp(name + at, secret[i], strlen(secret[i])) == 0)
				return true;
	return false;
}

static int
list_add(struct curl_slist **list, const char *line)
{
	struct curl_slist *grown = curl_slist_append(*list, line);

	if (grown == NULL)
		return PB_ENOMEM;
	*list = grown;
	return 0;
}

static int
add_line(struct headers *h, const char *line)
{
	const char *colon = strchr(line, ':');
	size_t len = colon != NULL ? (size_t)(colon - line) : 0;
	int err;

	if (len == 0)
		return PB_EFORMAT;
	for (const char *c = line; *c != '\0'; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f || (c < colon && *c == ' '))
			return PB_EFORMAT;
	for (colon++; *colon == ' ' || *colon == '\t'; colon++)
		;
	if ((len == 5 && strncasecmp(line, "Range", 5) == 0) || (len == 8 && strncasecmp(line, "If-Range", 8) == 0))
		return 0; /* ours alone */
	if (len == 6 && strncasecmp(line, "Cookie", 6) == 0) {
		free(h->cookie);
		h->cookie = strdup(colon);
		return h->cookie != NULL ? 0 : PB_ENOMEM;
	}
	err = list_add(&h->all, line);
	if (err == 0 && !stays_home(line, len))
		err = list_add(&h->abroad, line);
	return err;
}

int
headers_add(struct headers *headers, const char *lines, size_t len)
{
	size_t n;
	int err = 0;

	for (size_t at = 0; at < len && err == 0; at += n + 1) {
		n = strnlen(lines + at, len - at);
		if (at + n == len)
			return PB_EFORMAT; /* the last one is not terminated */
		if (n > 0)
			err = add_line(headers, lines + at);
	}
	return err;
}

void
headers_clear(struct headers *headers)
{
	curl_slist_free_all(headers->all);
	curl_slist_free_all(headers->abroad);
	free(headers->cookie);
	memset(headers, 0, sizeof(*headers));
}
