/*
 * routes.c - how the promise in routes.h is kept
 */
#include "worker/routes.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"

#define DATAGRAM_MAX 32768
#define TURN_MAX 64 /* datagrams, before the loop turns again */

struct routes {
	struct ev_loop *loop;
	struct routes_ops ops;
	ev_io io;
	ev_timer calm;
	uint8_t buf[DATAGRAM_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* The own address in an address message, if it is one of IP. */
static bool
address_of(const struct nlmsghdr *h, struct sockaddr_storage *out)
{
	const struct ifaddrmsg *msg = NLMSG_DATA(h);
	const struct rtattr *a;
	int left;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)))
		return false;
	left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*msg)));
	memset(out, 0, sizeof(*out));
	out->ss_family = msg->ifa_family;
	for (a = IFA_RTA(msg); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		/* IFA_LOCAL is the own end; point to point, IFA_ADDRESS is the other one. */
		if (msg->ifa_family == AF_INET && a->rta_type == IFA_LOCAL &&
		    RTA_PAYLOAD(a) == sizeof(struct in_addr)) {
			memcpy(&((struct sockaddr_in *)(void *)out)->sin_addr, RTA_DATA(a), sizeof(struct in_addr));
			return true;
		}
		if (msg->ifa_family == AF_INET6 && a->rta_type == IFA_ADDRESS &&
		    RTA_PAYLOAD(a) == sizeof(struct in6_addr)) {
			memcpy(&((struct sockaddr_in6 *)(void *)out)->sin6_addr, RTA_DATA(a), sizeof(struct in6_addr));
			return true;
		}
	}
	return false;
}

/* Routes of the main table only: the local ones follow the addresses, and caches are nobody's way. */
static bool
is_way(const struct nlmsghdr *h)
{
	const struct rtmsg *msg = NLMSG_DATA(h);

	return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*msg)) && msg->rtm_table == RT_TABLE_MAIN &&
	    (msg->rtm_flags & RTM_F_CLONED) == 0;
}

bool
routes_hear(const void *buf, size_t len, void (*gone)(void *arg, const struct sockaddr *address), void *arg)
{
	const struct nlmsghdr *h = buf;
	struct sockaddr_storage address;
	int left = (int)PB_MIN(len, (size_t)DATAGRAM_MAX);
	bool changed = false;

	/* What is aligned up may end behind the last byte: left is less than nothing then. */
	for (; left > 0 && NLMSG_OK(h, (unsigned)left); h = NLMSG_NEXT(h, left)) {
		switch (h->nlmsg_type) {
		case RTM_DELADDR:
			if (address_of(h, &address))
				gone(arg, (const struct sockaddr *)&address);
			changed = true;
			break;
		case RTM_NEWADDR:
		case RTM_NEWLINK:
		case RTM_DELLINK:
			changed = true;
			break;
		case RTM_NEWROUTE:
		case RTM_DELROUTE:
			changed = changed || is_way(h);
			break;
		default:
			break;
		}
	}
	return changed;
}

static void
routes_calm(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct routes *r = w->data;

	(void)revents;
	ev_timer_stop(loop, w);
	r->ops.changed(r->ops.arg);
}

static void
routes_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct routes *r = w->data;
	bool changed = false;

	(void)revents;
	for (int n = 0; n < TURN_MAX; n++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t len =
		    recvfrom(w->fd, r->buf, sizeof(r->buf), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

		if (len == -1 && errno == ENOBUFS) {
			changed = true; /* more than we could hear: something did change */
			continue;
		}
		if (len <= 0)
			break;
		if (from.nl_pid == 0)
			changed = routes_hear(r->buf, (size_t)len, r->ops.gone, r->ops.arg) || changed;
	}
	if (changed && !ev_is_active(&r->calm)) {
		ev_timer_set(&r->calm, ROUTES_CALM_S, 0.);
		ev_timer_start(loop, &r->calm);
	}
}

int
routes_new(struct routes **out, struct ev_loop *loop, const struct routes_ops *ops)
{
	struct sockaddr_nl self = {
		.nl_family = AF_NETLINK,
		.nl_groups =
		    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	struct routes *r;

	if (fd == -1)
		return PB_ESYS;
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) == -1) {
		close(fd);
		return PB_ESYS;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		close(fd);
		return PB_ENOMEM;
	}
	r->loop = loop;
	r->ops = *ops;
	ev_io_init(&r->io, routes_readable, fd, EV_READ);
	ev_init(&r->calm, routes_calm);
	r->io.data = r->calm.data = r;
	ev_io_start(loop, &r->io);
	*out = r;
	return 0;
}

void
routes_free(struct routes **routes)
{
	struct routes *r = *routes;

	if (r == NULL)
		return;
	ev_io_stop(r->loop, &r->io);
	ev_timer_stop(r->loop, &r->calm);
	close(r->io.fd);
	free(r);
	*routes = NULL;
}
