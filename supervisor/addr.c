/*
 * addr.c - how the promise in addr.h is kept
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/addr.h"

void
addr_set(struct addr *out, const struct sockaddr *sa, socklen_t len)
{
	memset(out, 0, sizeof(*out));
	out->sa.any.sa_family = AF_UNSPEC;
	if (sa == NULL || len < sizeof(sa->sa_family))
		return;
	if (sa->sa_family == AF_UNIX) {
		out->sa.any.sa_family = AF_UNIX;
	} else if (sa->sa_family == AF_INET && len >= sizeof(out->sa.v4)) {
		memcpy(&out->sa.v4, sa, sizeof(out->sa.v4));
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(out->sa.v6)) {
		struct sockaddr_in6 v6;

		memcpy(&v6, sa, sizeof(v6));
		if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
			out->sa.v6 = v6;
			return;
		}
		out->sa.v4.sin_family = AF_INET;
		out->sa.v4.sin_port = v6.sin6_port;
		memcpy(&out->sa.v4.sin_addr, v6.sin6_addr.s6_addr + 12, 4);
	}
}

uint16_t
addr_port(const struct addr *addr)
{
	if (addr->sa.any.sa_family == AF_INET)
		return ntohs(addr->sa.v4.sin_port);
	if (addr->sa.any.sa_family == AF_INET6)
		return ntohs(addr->sa.v6.sin6_port);
	return 0;
}

bool
addr_takes(const struct addr *bound, const struct addr *to)
{
	bool v4 = bound->sa.any.sa_family == AF_INET;

	if (v4 && bound->sa.v4.sin_addr.s_addr == htonl(INADDR_ANY))
		return to->sa.any.sa_family == AF_INET;
	if (bound->sa.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&bound->sa.v6.sin6_addr))
		return true;
	if (bound->sa.any.sa_family != to->sa.any.sa_family)
		return false;
	return v4 ? bound->sa.v4.sin_addr.s_addr == to->sa.v4.sin_addr.s_addr
		  : memcmp(&bound->sa.v6.sin6_addr, &to->sa.v6.sin6_addr, sizeof(to->sa.v6.sin6_addr)) == 0;
}

char *
addr_ip(const struct addr *addr, char out[ADDR_TEXT])
{
	const char *done = NULL;

	if (addr->sa.any.sa_family == AF_INET)
		done = inet_ntop(AF_INET, &addr->sa.v4.sin_addr, out, ADDR_TEXT);
	else if (addr->sa.any.sa_family == AF_INET6)
		done = inet_ntop(AF_INET6, &addr->sa.v6.sin6_addr, out, ADDR_TEXT);
	if (done == NULL)
		(void)snprintf(out, ADDR_TEXT, "%s", addr->sa.any.sa_family == AF_UNIX ? "unix" : "-");
	return out;
}

char *
addr_text(const struct addr *addr, char out[ADDR_TEXT])
{
	char ip[ADDR_TEXT];
	bool v6 = addr->sa.any.sa_family == AF_INET6;

	addr_ip(addr, ip);
	if (v6 || addr->sa.any.sa_family == AF_INET)
		(void)snprintf(
		    out, ADDR_TEXT, "%s%.46s%s:%u", v6 ? "[" : "", ip, v6 ? "]" : "", (unsigned)addr_port(addr));
	else
		memcpy(out, ip, ADDR_TEXT);
	return out;
}
