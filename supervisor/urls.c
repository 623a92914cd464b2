/*
 * urls.c - under which address a client reaches us (tuner.h)
 *
 * The Host field is the client's own word for us, right behind NAT and in a
 * container too, where our socket's address is not. It is also whatever the
 * client likes: it goes into documents, so only plain names and addresses
 * pass.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "supervisor/tuner.h"

struct authority {
	char host[256]; /* with the brackets of an IPv6 address */
	uint16_t port; /* 80 when none was given, as http has it */
};

static bool parse_host(struct authority *out, const char *text);
static bool parse_port(uint16_t *out, const char *text);
static bool plain_name(const char *host);
static void put(char out[TUNER_BASE_MAX], const struct authority *at, uint16_t port, const char *prefix);

void
tuner_urls(struct tuner_urls *out, const char *host, const struct addr *local, const char *advertise,
    uint16_t stream_port, uint16_t unit_port, const char *prefix)
{
	struct authority at;
	char ip[ADDR_TEXT];

	if (advertise != NULL && parse_host(&at, advertise)) {
		if (unit_port != 0)
			at.port = unit_port;
		put(out->base, &at, at.port, prefix);
		put(out->stream, &at, at.port, prefix);
		return;
	}
	if (host == NULL || !parse_host(&at, host)) {
		addr_ip(local, ip);
		at.port = addr_port(local);
		(void)snprintf(at.host, sizeof(at.host), local->sa.any.sa_family == AF_INET6 ? "[%s]" : "%s",
		    at.port == 0 ? "127.0.0.1" : ip);
	}
	put(out->base, &at, at.port, prefix);
	put(out->stream, &at, at.port == 80 && addr_port(local) == 80 && stream_port != 0 ? stream_port : at.port,
	    prefix);
}

bool
tuner_advertised(const char *advertise, char ip[ADDR_TEXT], uint16_t *port)
{
	struct authority at;
	struct in_addr v4;

	if (!parse_host(&at, advertise) || inet_pton(AF_INET, at.host, &v4) != 1)
		return false;
	(void)snprintf(ip, ADDR_TEXT, "%.15s", at.host);
	*port = at.port;
	return true;
}

/* An address, whatever it is the address of: also one that no document of ours would have in it. */
static bool
is_literal(const char *host)
{
	bool v6 = host[0] == '[';
	size_t len = strcspn(host + v6, v6 ? "%]" : ":");
	char text[ADDR_TEXT];
	struct in6_addr literal;

	if (len >= sizeof(text))
		return false;
	memcpy(text, host + v6, len);
	text[len] = '\0';
	return inet_pton(v6 ? AF_INET6 : AF_INET, text, &literal) == 1;
}

bool
tuner_host_ours(const char *host, const char *const *names, size_t count)
{
	size_t len = strcspn(host, ":");

	if (len == 0 || is_literal(host))
		return true;
	if (len > 1 && host[len - 1] == '.')
		len--; /* the root's */
	if (memchr(host, '.', len) == NULL)
		return true;
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == len && strncasecmp(host, names[i], len) == 0)
			return true;
	return false;
}

/* http's own port is not written: so does the real device. */
static void
put(char out[TUNER_BASE_MAX], const struct authority *at, uint16_t port, const char *prefix)
{
	if (port == 80)
		(void)snprintf(out, TUNER_BASE_MAX, "http://%s%.33s", at->host, prefix);
	else
		(void)snprintf(out, TUNER_BASE_MAX, "http://%s:%u%.33s", at->host, (unsigned)port, prefix);
}

/* host[:port] or [v6][:port]. false for what can't be an address of ours. */
static bool
parse_host(struct authority *out, const char *text)
{
	struct in6_addr v6;
	struct in_addr v4;
	const char *end;
	size_t len;

	if (text[0] == '[') {
		end = strchr(text, ']');
		len = end == NULL ? 0 : (size_t)(end - text) - 1;
		if (len == 0 || len >= ADDR_TEXT)
			return false;
		memcpy(out->host, text + 1, len);
		out->host[len] = '\0';
		if (inet_pton(AF_INET6, out->host, &v6) != 1 || IN6_IS_ADDR_UNSPECIFIED(&v6) ||
		    IN6_IS_ADDR_MULTICAST(&v6))
			return false;
		(void)snprintf(out->host, sizeof(out->host), "%.*s", (int)(len + 2), text);
		return parse_port(&out->port, end + 1);
	}
	len = strcspn(text, ":");
	if (len == 0 || len > 253)
		return false;
	memcpy(out->host, text, len);
	out->host[len] = '\0';
	if (inet_pton(AF_INET, out->host, &v4) == 1) {
		uint32_t ip = ntohl(v4.s_addr);

		if (ip >> 24 == 0 || ip >= 0xe0000000)
			return false; /* wildcard, multicast, broadcast */
	} else if (!plain_name(out->host)) {
		return false;
	}
	return parse_port(&out->port, text + len);
}

/* ":5004", or nothing. */
static bool
parse_port(uint16_t *out, const char *text)
{
	unsigned port = 0;

	*out = 80;
	if (text[0] == '\0')
		return true;
	if (text[0] != ':' || text[1] == '\0' || strlen(text) > 6)
		return false;
	for (const char *at = text + 1; *at != '\0'; at++) {
		if (*at < '0' || *at > '9')
			return false;
		port = port * 10 + (unsigned)(*at - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return false;
	*out = (uint16_t)port;
	return true;
}

/* Letters, digits, '-', '_' and single dots; at least one letter, or it would be a number in some odd notation. */
static bool
plain_name(const char *host)
{
	bool letter = false;

	if (host[0] == '.' || host[0] == '-')
		return false;
	for (const char *at = host; *at != '\0'; at++) {
		bool alpha = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');

		letter |= alpha;
		if (!alpha && !(*at >= '0' && *at <= '9') && *at != '-' && *at != '_' && *at != '.')
			return false;
		if (*at == '.' && at[1] == '.')
			return false;
	}
	return letter && strncmp(host, "0x", 2) != 0;
}
