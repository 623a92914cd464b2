/*
 * private.c - how the promise in private.h is kept
 */
#include "base/private.h"

#include <netinet/in.h>
#include <string.h>

#include "base/pb.h"

/* IANA's special-purpose registry, as far as it is not for everybody's use. */
bool
private_v4(uint32_t a)
{
	static const struct {
		uint32_t net;
		int bits;
	} nets[] = {
		{ 0x00000000, 8 }, /* this network */
		{ 0x0a000000, 8 }, /* 10/8 */
		{ 0x64400000, 10 }, /* 100.64/10, carriers' NAT and overlay networks */
		{ 0x7f000000, 8 }, /* loopback */
		{ 0xa9fe0000, 16 }, /* link-local, and clouds' metadata */
		{ 0xac100000, 12 }, /* 172.16/12 */
		{ 0xc0000000, 24 }, /* 192.0.0/24 */
		{ 0xc0a80000, 16 }, /* 192.168/16 */
		{ 0xc6120000, 15 }, /* 198.18/15, benchmarks */
		{ 0xe0000000, 3 }, /* multicast, reserved, broadcast */
	};

	for (size_t i = 0; i < NITEMS(nets); i++)
		if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0)
			return true;
	return false;
}

static uint32_t
be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool
private_v6(const uint8_t b[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zero[12];
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

	/* An IPv4 address in disguise is judged as what it is; ::/96 has also :: and ::1, both in 0/8. */
	if (memcmp(b, mapped, 12) == 0 || memcmp(b, zero, 12) == 0 || memcmp(b, nat64, 12) == 0)
		return private_v4(be32(b + 12));
	if (b[0] == 0x20 && b[1] == 0x02)
		return private_v4(be32(b + 2)); /* 6to4 */
	if (b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b)
		return true; /* 64:ff9b:1::/48, local NAT64 */
	if ((b[0] & 0xfe) == 0xfc || b[0] == 0xff)
		return true; /* unique local; multicast */
	return b[0] == 0xfe && (b[1] & 0x80) != 0; /* link-local, site-local */
}

bool
private_sockaddr(const struct sockaddr *sa)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&sin, sa, sizeof(sin));
		return private_v4(ntohl(sin.sin_addr.s_addr));
	case AF_INET6:
		memcpy(&sin6, sa, sizeof(sin6));
		return private_v6(sin6.sin6_addr.s6_addr);
	default:
		return true;
	}
}
