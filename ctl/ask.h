/*
 * ask.h - one request over the control socket
 */
#ifndef PLEXBRIDGE_CTL_ASK_H
#define PLEXBRIDGE_CTL_ASK_H

#include <stdbool.h>
#include <stddef.h>

#define ASK_TIMEOUT_MS 5000L
#define ASK_REFRESH_MS 900000L /* all providers, one after the other */
#define ASK_UPGRADE_MS 30000L /* longer than plexbridged ever takes for one */
#define ASK_BODY_MAX ((size_t)64 << 20)

struct answer {
	long status;
	char *body; /* NUL-terminated; the caller frees it */
	size_t len;
};

/*
 * Put word behind what is in out[size], as a query's value: encoded where it
 * must be (RFC 3986 3.4). false: it does not fit.
 */
bool ask_add(char *out, size_t size, const char *word);

/*
 * GET path (POST when post) from the plexbridged behind the socket. 0;
 * otherwise PB_ENET and why[size] says what is wrong and what to do about
 * it. Blocks up to timeout_ms.
 */
int ask(struct answer *out, const char *socket, const char *path, bool post, long timeout_ms, char *why, size_t size);

#endif
