/*
 * announce.c - SSDP: announcements, farewells, and answers to searches
 *
 * The port is shared with whatever else speaks UPnP on this host
 * (SO_REUSEADDR and SO_REUSEPORT): multicast reaches all of them. Each
 * interface is told its own address. A search is answered a little later,
 * at random, as it asks for, so that a LAN's devices don't all speak at once.
 */
#include "supervisor/discovery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/supervisor.h"

#define GROUP 0xeffffffa /* 239.255.255.250 */
#define NAME "udp 0.0.0.0:1900"
#define TTL 2
#define DELAY_MAX_S 1.0
#define LOCATION 96

static int
bind_port(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(SSDP_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, off = 0, ttl = TTL;
	int err;

	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0 &&
	    /* Only groups that we joined ourselves, on the interfaces where we did. */
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off)) == 0 &&
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) == 0 &&
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0)
		return fd;
	err = errno;
	(void)close(fd);
	errno = err;
	return -1;
}

void
announce_bind(struct discovery *d)
{
	d->ssdp.fd = discovery_claim(d, NAME);
	if (d->ssdp.fd != -1)
		return;
	d->ssdp.fd = bind_port();
	if (d->ssdp.fd != -1)
		discovery_keep(d, NAME, d->ssdp.fd);
	else
		log_event(LOG_ERR, "ssdp.failed",
		    "port=\"" NAME "\" why=\"%s: not announced by SSDP; all else works without\"", strerror(errno));
}

/* Where an interface is told that the unit is. false: it isn't there. */
static bool
location(const struct discovery *d, const struct unit *unit, const struct discovery_from *from, char out[LOCATION])
{
	char base[DISCOVER_BASE_MAX + 1];

	if (unit->config == NULL || !discovery_base(d, unit, from, base))
		return false;
	(void)snprintf(out, LOCATION, "%s%.40s/device.xml", base,
	    unit->port == 0 && unit->config->path != NULL ? unit->config->path : "");
	return true;
}

/* Interfaces on which there may be somebody: up, with multicast, in the list. */
static bool
speaks_on(const struct discovery *d, const struct iface *iface)
{
	return iface->up && iface->multicast && ifaces_listed(&d->ifaces, iface, &d->sup->config->discovery.interfaces);
}

static void
tell_all(struct discovery *d, bool alive)
{
	char text[SSDP_TEXT], where[LOCATION];

	for (size_t i = 0; i < d->ifaces.count; i++) {
		const struct iface *iface = &d->ifaces.at[i];
		struct discovery_from to = { .iface = iface->index };

		if (!speaks_on(d, iface) || !ifaces_ipv4(&d->ifaces, iface->index, NULL, &to.local))
			continue;
		to.peer.sa.v4.sin_family = AF_INET;
		to.peer.sa.v4.sin_port = htons(SSDP_PORT);
		to.peer.sa.v4.sin_addr.s_addr = htonl(GROUP);
		for (size_t j = 0; j < d->sup->units.count; j++) {
			const struct unit *unit = &d->sup->units.at[j];
			const struct ssdp_device device = { .uuid = unit->device.uuid, .location = where };

			if (!location(d, unit, &to, where))
				continue;
			for (enum ssdp_target t = SSDP_ROOT; t < SSDP_TARGETS; t++) {
				size_t len = alive ? ssdp_alive(text, &device, t) : ssdp_byebye(text, &device, t);

				discovery_reply(d->ssdp.fd, text, len, &to);
				d->stats.announcements++;
			}
		}
	}
}

static void
on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	tell_all(timer->data, true);
}

/* Now, once more in a moment, and then as long as nothing changes. */
static void
announce(struct discovery *d)
{
	struct ev_loop *loop = d->sup->loop;

	tell_all(d, true);
	ev_timer_stop(loop, &d->again);
	ev_timer_set(&d->again, ANNOUNCE_AGAIN_S, 0.0);
	ev_timer_start(loop, &d->again);
	ev_timer_stop(loop, &d->every);
	ev_timer_set(&d->every, ANNOUNCE_EVERY_S, ANNOUNCE_EVERY_S);
	ev_timer_start(loop, &d->every);
}

/* The group, on each interface; one that we are in already is fine. */
static void
join(struct discovery *d)
{
	for (size_t i = 0; i < d->ifaces.count; i++) {
		struct ip_mreqn req = { .imr_ifindex = (int)d->ifaces.at[i].index };

		req.imr_multiaddr.s_addr = htonl(GROUP);
		if (speaks_on(d, &d->ifaces.at[i]))
			(void)setsockopt(d->ssdp.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req));
	}
}

/*
 * Searches
 */

static double
now_s(void)
{
	return (double)monotonic_ns() / 1e9;
}

static void
answer_search(struct discovery *d, const struct announce_wait *w)
{
	char text[SSDP_TEXT], where[LOCATION];

	for (size_t i = 0; i < d->sup->units.count; i++) {
		const struct unit *unit = &d->sup->units.at[i];
		const struct ssdp_device device = { .uuid = unit->device.uuid, .location = where };

		if (!location(d, unit, &w->from, where))
			continue;
		for (enum ssdp_target t = SSDP_ROOT; t < SSDP_TARGETS; t++) {
			if (!w->search.all &&
			    (t != w->search.target ||
				(t == SSDP_UUID && strcmp(w->search.uuid, unit->device.uuid) != 0)))
				continue;
			discovery_reply(d->ssdp.fd, text, ssdp_answer(text, &device, t, time(NULL)), &w->from);
		}
	}
}

static void
wait_for_next(struct discovery *d)
{
	double due_s = 0;

	for (size_t i = 0; i < d->waiting_count; i++)
		if (i == 0 || d->waiting[i].due_s < due_s)
			due_s = d->waiting[i].due_s;
	ev_timer_stop(d->sup->loop, &d->answer);
	if (d->waiting_count == 0)
		return;
	ev_timer_set(&d->answer, PB_MAX(due_s - now_s(), 0.0), 0.0);
	ev_timer_start(d->sup->loop, &d->answer);
}

static void
on_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct discovery *d = timer->data;
	double now = now_s() + 0.001;

	(void)loop;
	(void)events;
	for (size_t i = 0; i < d->waiting_count;) {
		if (d->waiting[i].due_s > now) {
			i++;
			continue;
		}
		answer_search(d, &d->waiting[i]);
		d->waiting[i] = d->waiting[--d->waiting_count];
	}
	wait_for_next(d);
}

static void
on_search(struct ev_loop *loop, ev_io *io, int events)
{
	struct discovery *d = io->data;
	struct announce_wait w;
	char bytes[2048];

	(void)loop;
	(void)events;
	for (int i = 0; i < DISCOVERY_BATCH; i++) {
		ssize_t n = discovery_receive(io->fd, bytes, sizeof(bytes), &w.from);
		int err;

		if (n == -1)
			break;
		if (n == 0)
			continue;
		err = ssdp_parse(&w.search, bytes, (size_t)n);
		if (err != 0) {
			d->stats.broken += err != PB_NO;
			continue;
		}
		if (!discovery_admits(d, &w.from.peer, w.from.iface))
			continue;
		/* When too many wait the asker asks again: each search is sent some times. */
		if (d->waiting_count == NITEMS(d->waiting)) {
			d->stats.limited++;
			continue;
		}
		d->stats.searches++;
		/* A group's address is none of ours: the interface's, in the asker's net. */
		if (w.from.local.sa.any.sa_family != AF_INET || !ifaces_own(&d->ifaces, &w.from.local))
			addr_set(&w.from.local, NULL, 0);
		if (w.from.local.sa.any.sa_family != AF_INET)
			(void)ifaces_ipv4(&d->ifaces, w.from.iface, &w.from.peer, &w.from.local);
		w.due_s = now_s() + (double)(random() % 1000) / 1000.0 * PB_MIN((double)w.search.mx_s, DELAY_MAX_S);
		d->waiting[d->waiting_count++] = w;
	}
	wait_for_next(d);
}

void
announce_start(struct discovery *d)
{
	if (d->ssdp.fd == -1)
		return;
	srandom((unsigned)monotonic_ns());
	ev_init(&d->again, on_again);
	d->again.data = d;
	ev_init(&d->every, on_again);
	d->every.data = d;
	ev_init(&d->answer, on_due);
	d->answer.data = d;
	ev_io_init(&d->ssdp, on_search, d->ssdp.fd, EV_READ);
	d->ssdp.data = d;
	ev_io_start(d->sup->loop, &d->ssdp);
	join(d);
	log_event(LOG_INFO, "ssdp.start", "uuid=%s every_s=%.0f", d->sup->units.at[0].device.uuid, ANNOUNCE_EVERY_S);
	announce(d);
}

void
announce_changed(struct discovery *d)
{
	if (d->ssdp.fd == -1)
		return;
	join(d);
	announce(d);
}

void
announce_stop(struct discovery *d)
{
	if (d->ssdp.fd == -1)
		return;
	tell_all(d, false);
	ev_io_stop(d->sup->loop, &d->ssdp);
	ev_timer_stop(d->sup->loop, &d->again);
	ev_timer_stop(d->sup->loop, &d->every);
	ev_timer_stop(d->sup->loop, &d->answer);
}
