/*
 * address.c - addresses to listen on, and addresses that may come in
 */
#include "config/value.h"
#include "base/pb.h"
#include "base/url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define ADDR_RIGHT "an address is like 0.0.0.0:5004, [::]:5004 or :80"
#define ALLOW_RIGHT "private, any, an address or a prefix like 10.0.0.0/8 would be right"

static int
refuse(const char **why, const char *right)
{
	*why = right;
	return PB_EFORMAT;
}

int
value_addr(struct config_addr *out, const char *text, const char **why)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	struct config_addr addr = { 0 };
	unsigned long port;
	size_t len;

	if (colon == NULL)
		return refuse(why, ADDR_RIGHT);
	len = (size_t)(colon - text);
	port = strspn(colon + 1, "0123456789") == strlen(colon + 1) ? strtoul(colon + 1, NULL, 10) : 0;
	if (strlen(colon + 1) > 5 || port < 1 || port > 65535 || len >= sizeof(host))
		return refuse(why, ADDR_RIGHT);
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		addr.sa.v6.sin6_family = AF_INET6;
		addr.sa.v6.sin6_port = htons((uint16_t)port);
		addr.len = sizeof(addr.sa.v6);
		if (inet_pton(AF_INET6, host + 1, &addr.sa.v6.sin6_addr) != 1)
			return refuse(why, ADDR_RIGHT);
	} else {
		addr.sa.v4.sin_family = AF_INET;
		addr.sa.v4.sin_port = htons((uint16_t)port);
		addr.len = sizeof(addr.sa.v4);
		if (len > 0 && inet_pton(AF_INET, host, &addr.sa.v4.sin_addr) != 1)
			return refuse(why, ADDR_RIGHT);
	}
	*out = addr;
	return 0;
}

char *
value_addr_format(char *out, size_t size, const struct config_addr *addr)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (addr->sa.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr->sa.v6.sin6_addr, host, sizeof(host));
		snprintf(out, size, "[%s]:%u", host, ntohs(addr->sa.v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &addr->sa.v4.sin_addr, host, sizeof(host));
		snprintf(out, size, "%s:%u", host, ntohs(addr->sa.v4.sin_port));
	}
	return out;
}

/* Set all bits behind the prefix to 0, so that a comparison need not look at them. */
static void
mask(uint8_t *addr, size_t len, unsigned bits)
{
	for (size_t i = 0; i < len; i++) {
		unsigned keep = bits > i * 8 ? bits - (unsigned)i * 8 : 0;

		if (keep < 8)
			addr[i] &= (uint8_t)(0xff00 >> keep);
	}
}

int
value_allow(struct config_allow *out, const char *text, const char **why)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	struct config_prefix prefix = { 0 };
	char host[INET6_ADDRSTRLEN];
	unsigned most;

	if (strcmp(text, "any") == 0) {
		out->any = true;
		return 0;
	}
	if (strcmp(text, "private") == 0) {
		out->private = true;
		return 0;
	}
	if (len >= sizeof(host))
		return refuse(why, ALLOW_RIGHT);
	memcpy(host, text, len);
	host[len] = '\0';
	prefix.family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(prefix.family, host, prefix.addr) != 1)
		return refuse(why, ALLOW_RIGHT);
	most = prefix.family == AF_INET6 ? 128 : 32;
	prefix.bits = most;
	if (slash != NULL) {
		size_t digits = strspn(slash + 1, "0123456789");

		if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
			return refuse(why, ALLOW_RIGHT);
		prefix.bits = (unsigned)strtoul(slash + 1, NULL, 10);
		if (prefix.bits > most)
			return refuse(why, "a prefix has at most 32 bits, 128 for IPv6");
	}
	if (out->count == CONFIG_ALLOW_MAX)
		return refuse(why, "at most 32 prefixes would be right");
	mask(prefix.addr, most / 8, prefix.bits);
	out->prefixes[out->count++] = prefix;
	return 0;
}

char *
value_prefix_format(char *out, size_t size, const struct config_prefix *prefix)
{
	char host[INET6_ADDRSTRLEN] = "";
	unsigned most = prefix->family == AF_INET6 ? 128 : 32;

	inet_ntop(prefix->family, prefix->addr, host, sizeof(host));
	if (prefix->bits == most)
		snprintf(out, size, "%s", host);
	else
		snprintf(out, size, "%s/%u", host, prefix->bits);
	return out;
}

int
value_hostport(const char *text, const char **why)
{
	static const char right[] = "what clients can reach would be right, like 192.168.1.5:5004";
	struct url_parts parts;
	char url[URL_HOST_MAX + 32];

	if (strlen(text) > URL_HOST_MAX || strpbrk(text, "/?#@\\ \t") != NULL)
		return refuse(why, right);
	snprintf(url, sizeof(url), "http://%s/", text);
	if (url_parse(&parts, url) != 0)
		return refuse(why, right);
	return 0;
}

static bool
matches(const struct config_prefix *prefix, int family, const uint8_t *addr)
{
	size_t whole = prefix->bits / 8;
	unsigned left = prefix->bits % 8;

	if (prefix->family != family || memcmp(prefix->addr, addr, whole) != 0)
		return false;
	return left == 0 || prefix->addr[whole] == (addr[whole] & (uint8_t)(0xff00 >> left));
}

/* Loopback, RFC 1918, RFC 3927, RFC 4291, RFC 4193. */
static const struct config_prefix private_prefixes[] = {
	{ AF_INET, { 127 }, 8 },
	{ AF_INET, { 10 }, 8 },
	{ AF_INET, { 172, 16 }, 12 },
	{ AF_INET, { 192, 168 }, 16 },
	{ AF_INET, { 169, 254 }, 16 },
	{ AF_INET6, { [15] = 1 }, 128 },
	{ AF_INET6, { 0xfe, 0x80 }, 10 },
	{ AF_INET6, { 0xfc }, 7 },
};

bool
config_allows(const struct config_allow *allow, const struct sockaddr *from)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	uint8_t addr[16];
	int family = from->sa_family;

	if (allow->any)
		return true;
	if (family == AF_INET) {
		memcpy(addr, &v4->sin_addr, 4);
	} else if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(addr, v6->sin6_addr.s6_addr + 12, 4);
		family = AF_INET;
	} else if (family == AF_INET6) {
		memcpy(addr, &v6->sin6_addr, 16);
	} else {
		return false;
	}
	for (size_t i = 0; allow->private && i < NITEMS(private_prefixes); i++) {
		if (matches(&private_prefixes[i], family, addr))
			return true;
	}
	for (size_t i = 0; i < allow->count; i++) {
		if (matches(&allow->prefixes[i], family, addr))
			return true;
	}
	return false;
}
