/*
 * ifaces.c - getifaddrs(3), and a netlink socket that says when to ask again
 *
 * In a container with a net of its own the one way out is a veth: its
 * address is the bridge's and means nothing to the LAN. With the host's
 * network there are other interfaces, and all is as without a container.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pb.h"
#include "supervisor/ifaces.h"

static struct iface *
iface_of(struct ifaces *all, const struct ifaddrs *a)
{
	unsigned index = if_nametoindex(a->ifa_name);
	struct iface *iface;

	if (index == 0)
		return NULL;
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].index == index)
			return &all->at[i];
	if (all->count == NITEMS(all->at))
		return NULL;
	iface = &all->at[all->count++];
	memset(iface, 0, sizeof(*iface));
	iface->index = index;
	(void)snprintf(iface->name, sizeof(iface->name), "%s", a->ifa_name);
	iface->up = (a->ifa_flags & IFF_UP) != 0 && (a->ifa_flags & IFF_RUNNING) != 0;
	iface->multicast = (a->ifa_flags & IFF_MULTICAST) != 0;
	iface->loopback = (a->ifa_flags & IFF_LOOPBACK) != 0;
	return iface;
}

static const uint8_t *
raw(const struct addr *addr, size_t *len)
{
	if (addr->sa.any.sa_family == AF_INET) {
		*len = 4;
		return (const uint8_t *)&addr->sa.v4.sin_addr;
	}
	*len = addr->sa.any.sa_family == AF_INET6 ? 16 : 0;
	return (const uint8_t *)&addr->sa.v6.sin6_addr;
}

static unsigned
bits_of(const struct sockaddr *mask, int family)
{
	const uint8_t *bytes;
	struct addr as;
	unsigned bits = 0;
	size_t len;

	if (mask == NULL)
		return 0;
	memset(&as, 0, sizeof(as));
	memcpy(&as, mask, family == AF_INET ? sizeof(as.sa.v4) : sizeof(as.sa.v6));
	as.sa.any.sa_family = (sa_family_t)family;
	bytes = raw(&as, &len);
	for (size_t i = 0; i < len; i++)
		bits += (unsigned)__builtin_popcount(bytes[i]);
	return bits;
}

/* Somebody put us into a container: its makers leave a mark. */
static bool
in_container(void)
{
	return access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0 ||
	    (getenv("container") != NULL && getenv("container")[0] != '\0');
}

/* One end of a veth, whose other end is in another net: at a bridge. (A macvlan is of the LAN itself.) */
static bool
is_paired(int fd, const struct iface *iface)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq req;

	memset(&req, 0, sizeof(req));
	memcpy(req.ifr_name, iface->name, sizeof(req.ifr_name));
	req.ifr_data = (void *)&info;
	return ioctl(fd, SIOCETHTOOL, &req) == 0 && strcmp(info.driver, "veth") == 0;
}

static bool
behind_bridge(const struct ifaces *all)
{
	size_t ways = 0, paired = 0;
	int fd;

	if (!in_container())
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; fd != -1 && i < all->count; i++) {
		if (all->at[i].loopback || !all->at[i].up)
			continue;
		ways++;
		paired += is_paired(fd, &all->at[i]);
	}
	if (fd != -1)
		(void)close(fd);
	return ways > 0 && paired == ways;
}

int
ifaces_read(struct ifaces *out)
{
	struct ifaddrs *list;

	memset(out, 0, sizeof(*out));
	if (getifaddrs(&list) == -1)
		return PB_ESYS;
	for (const struct ifaddrs *a = list; a != NULL; a = a->ifa_next) {
		struct iface *iface = iface_of(out, a);
		struct iface_addr *at = &out->addrs[out->addr_count];

		if (iface == NULL || a->ifa_addr == NULL || out->addr_count == NITEMS(out->addrs))
			continue;
		if (a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6)
			continue;
		at->iface = iface->index;
		addr_set(&at->addr, a->ifa_addr,
		    a->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		at->bits = bits_of(a->ifa_netmask, a->ifa_addr->sa_family);
		out->addr_count++;
	}
	freeifaddrs(list);
	out->container = behind_bridge(out);
	return 0;
}

const struct iface *
ifaces_find(const struct ifaces *all, unsigned index)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].index == index)
			return &all->at[i];
	return NULL;
}

bool
ifaces_listed(const struct ifaces *all, const struct iface *iface, const struct config_list *list)
{
	char text[ADDR_TEXT];

	if (list->count == 0 || iface->loopback)
		return true;
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], iface->name) == 0)
			return true;
		for (size_t j = 0; j < all->addr_count; j++)
			if (all->addrs[j].iface == iface->index &&
			    strcmp(addr_ip(&all->addrs[j].addr, text), list->items[i]) == 0)
				return true;
	}
	return false;
}

static bool
same_net(const struct iface_addr *at, const struct addr *addr)
{
	size_t len, other_len;
	const uint8_t *a = raw(&at->addr, &len), *b = raw(addr, &other_len);
	unsigned whole = at->bits / 8, left = at->bits % 8;

	if (len == 0 || len != other_len || at->bits > len * 8 || at->bits == 0)
		return false;
	if (memcmp(a, b, whole) != 0)
		return false;
	return left == 0 || ((a[whole] ^ b[whole]) & (uint8_t)(0xff00 >> left)) == 0;
}

bool
ifaces_ipv4(const struct ifaces *all, unsigned index, const struct addr *peer, struct addr *out)
{
	const struct iface_addr *found = NULL;

	for (size_t i = 0; i < all->addr_count; i++) {
		const struct iface_addr *at = &all->addrs[i];

		if (at->iface != index || at->addr.sa.any.sa_family != AF_INET)
			continue;
		if (found == NULL)
			found = at;
		if (peer != NULL && same_net(at, peer)) {
			found = at;
			break;
		}
	}
	if (found == NULL)
		return false;
	*out = found->addr;
	return true;
}

bool
ifaces_own(const struct ifaces *all, const struct addr *addr)
{
	size_t len, other;
	const uint8_t *b = raw(addr, &len);

	for (size_t i = 0; len > 0 && i < all->addr_count; i++) {
		const uint8_t *a = raw(&all->addrs[i].addr, &other);

		if (other == len && memcmp(a, b, len) == 0)
			return true;
	}
	return false;
}

bool
ifaces_on_link(const struct ifaces *all, const struct addr *addr)
{
	for (size_t i = 0; i < all->addr_count; i++)
		if (same_net(&all->addrs[i], addr))
			return true;
	return false;
}

static void
on_calm(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct ifaces_watch *watch = timer->data;

	(void)loop;
	(void)events;
	watch->changed(watch->arg);
}

/* What is said doesn't matter, only that something was; also when so much was said that some of it is lost (ENOBUFS). */
static void
on_news(struct ev_loop *loop, ev_io *io, int events)
{
	struct ifaces_watch *watch = io->data;
	char bytes[8192];

	(void)events;
	for (int i = 0; i < 16; i++)
		if (recv(io->fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			break;
	if (ev_is_active(&watch->calm))
		return;
	ev_timer_set(&watch->calm, IFACES_CALM_S, 0.0);
	ev_timer_start(loop, &watch->calm);
}

int
ifaces_watch(struct ifaces_watch *watch, struct ev_loop *loop, void (*changed)(void *arg), void *arg)
{
	struct sockaddr_nl here = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err;

	watch->changed = changed;
	watch->arg = arg;
	ev_timer_init(&watch->calm, on_calm, 0.0, 0.0);
	watch->calm.data = watch;
	ev_io_init(&watch->io, on_news, fd, EV_READ);
	watch->io.data = watch;
	if (fd == -1)
		return PB_ESYS;
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) == -1) {
		err = errno;
		(void)close(fd);
		watch->io.fd = -1;
		errno = err;
		return PB_ESYS;
	}
	ev_io_start(loop, &watch->io);
	return 0;
}

void
ifaces_unwatch(struct ifaces_watch *watch, struct ev_loop *loop)
{
	if (watch->changed == NULL)
		return;
	ev_timer_stop(loop, &watch->calm);
	if (watch->io.fd == -1)
		return;
	ev_io_stop(loop, &watch->io);
	(void)close(watch->io.fd);
	watch->io.fd = -1;
}
