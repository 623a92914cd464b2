/*
 * sockets.c - how the promise in sockets.h is kept
 */
#include "worker/sockets.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/pb.h"
#include "worker/wire.h"

void
sockets_add(struct sockets *all, int fd)
{
	if (all->count < SOCKETS_MAX)
		all->one[all->count++] = (struct sockets_one){ .fd = fd };
}

/* What has come since the last look; a counter of the kernel's may wrap. */
static uint32_t
look(struct sockets *all, struct sockets_one *s)
{
	struct wire wire;

	if (wire_read(s->fd, &wire) != 0)
		return 0;
	all->retransmits += wire.retransmits - s->retransmits;
	all->out_of_order += wire.out_of_order - s->out_of_order;
	all->segments_in += wire.segments_in - s->segments_in;
	all->segments_out += wire.segments_out - s->segments_out;
	s->retransmits = wire.retransmits;
	s->out_of_order = wire.out_of_order;
	s->segments_in = wire.segments_in;
	s->segments_out = wire.segments_out;
	return wire.segments_in > 0 ? wire.rtt_us : 0; /* the kernel's guess before the first answer is none */
}

void
sockets_remove(struct sockets *all, int fd)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->one[i].fd != fd)
			continue;
		(void)look(all, &all->one[i]);
		all->one[i] = all->one[--all->count];
		return;
	}
}

void
sockets_read(struct sockets *all)
{
	uint64_t sum_us = 0;
	uint32_t rtt_us;
	size_t n = 0;

	for (size_t i = 0; i < all->count; i++) {
		rtt_us = look(all, &all->one[i]);
		sum_us += rtt_us;
		n += rtt_us > 0;
	}
	all->rtt_ms = n > 0 ? (uint32_t)((sum_us / n + 999) / 1000) : 0;
}

static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr *b)
{
	if (a->ss_family != b->sa_family)
		return false;
	if (b->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		    ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return b->sa_family == AF_INET6 &&
	    memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		&((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static void
end(const struct sockets_one *s)
{
	(void)shutdown(s->fd, SHUT_RDWR); /* curl sees its end, and opens another */
}

void
sockets_end_all(struct sockets *all)
{
	for (size_t i = 0; i < all->count; i++)
		end(&all->one[i]);
}

size_t
sockets_end(struct sockets *all, const struct sockaddr *address)
{
	struct sockaddr_storage own;
	size_t ended = 0;

	for (size_t i = 0; i < all->count; i++) {
		socklen_t len = sizeof(own);

		if (getsockname(all->one[i].fd, (struct sockaddr *)&own, &len) == -1 || !same_address(&own, address))
			continue;
		end(&all->one[i]);
		ended++;
	}
	return ended;
}
