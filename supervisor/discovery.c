/*
 * discovery.c - interfaces, the addresses that are told, and UDP 65001
 *
 * The sockets are bound to the wildcard: one that is bound to an address
 * hears no broadcast. Without SO_REUSEADDR, so that another program that
 * answers there shows: two would take each other's requests.
 */
#include "supervisor/discovery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/supervisor.h"

#define GROUP_LINK "ff02::176"
#define GROUP_SITE "ff05::176"

enum { V4, V6 };
static const char *const udp_names[] = { "udp 0.0.0.0:65001", "udp [::]:65001" };
static const char *const tcp_names[] = { "tcp 0.0.0.0:65001", "tcp [::]:65001" };

static void on_datagram(struct ev_loop *loop, ev_io *io, int events);
static void on_change(void *arg);

void
discovery_init(struct discovery *d, struct supervisor *sup)
{
	memset(d, 0, sizeof(*d));
	d->sup = sup;
	d->udp[V4].fd = d->udp[V6].fd = d->ssdp.fd = d->tcp[V4] = d->tcp[V6] = -1;
	for (size_t i = 0; i < NITEMS(d->remote); i++)
		d->remote[i].io.fd = -1;
}

int
discovery_claim(struct discovery *d, const char *name)
{
	return keep_socket_claim(&d->sup->keep, LEDGER_DISCOVERY, name);
}

void
discovery_keep(struct discovery *d, const char *name, int fd)
{
	keep_socket(&d->sup->keep, LEDGER_DISCOVERY, name, fd);
}

/*
 * Sockets
 */

static int
set(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

/* Bind one of the four. -1 with errno. */
static int
bind_port(int family, int type)
{
	struct addr any = { .sa.any.sa_family = (sa_family_t)family };
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = -1;

	if (fd == -1)
		return -1;
	if (family == AF_INET6) {
		any.sa.v6.sin6_port = htons(DISCOVERY_PORT);
		err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	} else {
		any.sa.v4.sin_port = htons(DISCOVERY_PORT);
		err = 0;
	}
	if (err == 0 && type == SOCK_STREAM)
		err = set(fd, SOL_SOCKET, SO_REUSEADDR); /* of connections of the last one that are not gone yet */
	if (err == 0 && type == SOCK_DGRAM)
		err = family == AF_INET6 ? set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) : set(fd, IPPROTO_IP, IP_PKTINFO);
	if (err == 0)
		err = bind(fd, &any.sa.any, family == AF_INET6 ? sizeof(any.sa.v6) : sizeof(any.sa.v4));
	if (err == 0 && type == SOCK_STREAM)
		err = listen(fd, REMOTE_CONNS);
	if (err == 0)
		return fd;
	err = errno;
	(void)close(fd);
	errno = err;
	return -1;
}

static int
have_port(struct discovery *d, const char *name, int family, int type)
{
	int fd = discovery_claim(d, name);

	if (fd != -1)
		return fd;
	fd = bind_port(family, type);
	if (fd != -1)
		discovery_keep(d, name, fd);
	return fd;
}

static void
let_go(ev_io *io)
{
	if (io->fd != -1)
		(void)close(io->fd);
	io->fd = -1;
}

/* TCP first: without it UDP is not answered. */
static void
have_family(struct discovery *d, int at, int family)
{
	const char *name = tcp_names[at];

	d->tcp[at] = have_port(d, name, family, SOCK_STREAM);
	if (d->tcp[at] != -1) {
		name = udp_names[at];
		d->udp[at].fd = have_port(d, name, family, SOCK_DGRAM);
	}
	if (d->udp[at].fd != -1)
		return;
	/* A machine without IPv6 is none that lacks something. */
	log_event(family == AF_INET ? LOG_ERR : LOG_DEBUG, "discovery.failed",
	    "port=\"%s\" why=\"%s: not found by UDP discovery; clients can be told our address by hand%s\"", name,
	    strerror(errno),
	    errno == EADDRINUSE ? "; another tuner or DVR of HDHomeRun's runs here, or set [discovery] hdhomerun = no"
				: "");
	if (d->tcp[at] == -1)
		return;
	/* Not even the holder may have it: nobody would answer who connects. */
	keep_socket_gone(&d->sup->keep, d->tcp[at]);
	(void)close(d->tcp[at]);
	d->tcp[at] = -1;
}

void
discovery_bind(struct discovery *d)
{
	const struct config_discovery *c = &d->sup->config->discovery;

	if (c->hdhomerun) {
		have_family(d, V4, AF_INET);
		have_family(d, V6, AF_INET6);
	}
	if (c->ssdp)
		announce_bind(d);
}

/*
 * What we are told and tell
 */

static bool
is_wildcard(const struct config_addr *at)
{
	return at->sa.any.sa_family == AF_INET ? at->sa.v4.sin_addr.s_addr == htonl(INADDR_ANY)
					       : IN6_IS_ADDR_UNSPECIFIED(&at->sa.v6.sin6_addr);
}

/* The port of HTTP at this IPv4 address; 80 where there is a choice. 0: none. */
static uint16_t
port_at(const struct config_addrs *listen, const struct unit *unit, const struct addr *local)
{
	uint16_t found = 0;

	for (size_t i = 0; i < listen->count; i++) {
		struct addr at;

		addr_set(&at, &listen->at[i].sa.any, listen->at[i].len);
		if (!is_wildcard(&listen->at[i]) &&
		    (at.sa.any.sa_family != AF_INET || at.sa.v4.sin_addr.s_addr != local->sa.v4.sin_addr.s_addr))
			continue;
		if (unit->port != 0)
			return unit->port; /* is where the others are */
		if (found == 0 || addr_port(&at) == 80)
			found = addr_port(&at);
	}
	return found;
}

bool
discovery_base(const struct discovery *d, const struct unit *unit, const struct discovery_from *from,
    char out[DISCOVER_BASE_MAX + 1])
{
	const struct config_server *server = &d->sup->config->server;
	struct addr at = from->local;
	char ip[ADDR_TEXT];
	uint16_t port = 0;

	if (server->advertise != NULL && tuner_advertised(server->advertise, ip, &port)) {
		if (unit->port != 0)
			port = unit->port;
	} else {
		if (at.sa.any.sa_family != AF_INET && !ifaces_ipv4(&d->ifaces, from->iface, &from->peer, &at))
			return false;
		port = port_at(&server->listen, unit, &at);
		addr_ip(&at, ip);
	}
	if (port == 0 || strlen(ip) > 15)
		return false;
	(void)snprintf(out, DISCOVER_BASE_MAX + 1, "http://%.15s:%u", ip, (unsigned)port);
	return true;
}

bool
discovery_may_ask(struct discovery *d, const struct addr *peer)
{
	if (ifaces_on_link(&d->ifaces, peer) || config_allows(&d->sup->config->server.allow, &peer->sa.any))
		return true;
	d->stats.strangers++;
	return false;
}

bool
discovery_admits(struct discovery *d, const struct addr *peer, unsigned index)
{
	const struct iface *iface = ifaces_find(&d->ifaces, index);

	/* One that is newer than what we know has no list to be in. */
	if (iface != NULL ? !ifaces_listed(&d->ifaces, iface, &d->sup->config->discovery.interfaces)
			  : d->sup->config->discovery.interfaces.count > 0)
		return false;
	if (!discovery_may_ask(d, peer))
		return false;
	if (limit_take(&d->limit, peer, (double)monotonic_ns() / 1e9))
		return true;
	d->stats.limited++;
	return false;
}

/*
 * Datagrams
 */

ssize_t
discovery_receive(int fd, void *bytes, size_t size, struct discovery_from *from)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage all;
	} sa;
	union {
		char bytes[256];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &sa,
		.msg_namelen = sizeof(sa),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (n == -1)
		return errno == EINTR || errno == ECONNREFUSED ? 0 : -1;
	addr_set(&from->peer, &sa.any, msg.msg_namelen);
	addr_set(&from->local, NULL, 0);
	from->iface = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			from->iface = (unsigned)info.ipi_ifindex;
			if (info.ipi_spec_dst.s_addr != htonl(INADDR_ANY)) {
				from->local.sa.v4.sin_family = AF_INET;
				from->local.sa.v4.sin_addr = info.ipi_spec_dst;
			}
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			from->iface = info.ipi6_ifindex;
			if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) {
				from->local.sa.v6.sin6_family = AF_INET6;
				from->local.sa.v6.sin6_addr = info.ipi6_addr;
			}
		}
	}
	return (msg.msg_flags & MSG_TRUNC) != 0 ? 0 : n;
}

void
discovery_reply(int fd, const void *bytes, size_t len, const struct discovery_from *from)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct addr to = from->peer;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr msg = {
		.msg_name = &to.sa.any,
		.msg_namelen = to.sa.any.sa_family == AF_INET6 ? sizeof(to.sa.v6) : sizeof(to.sa.v4),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
	};
	struct cmsghdr *c = &control.align;

	if (to.sa.any.sa_family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_ifindex = from->iface };

		if (from->local.sa.any.sa_family == AF_INET6)
			info.ipi6_addr = from->local.sa.v6.sin6_addr;
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		msg.msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in_pktinfo info = { .ipi_ifindex = (int)from->iface };

		if (from->local.sa.any.sa_family == AF_INET)
			info.ipi_spec_dst = from->local.sa.v4.sin_addr;
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		msg.msg_controllen = CMSG_SPACE(sizeof(info));
	}
	/* It may be lost like any datagram; who asked asks again. */
	(void)sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A broadcast's own address is none to answer from: then that in the asker's net. */
static void
mend_local(const struct discovery *d, struct discovery_from *from)
{
	uint32_t ip = ntohl(from->local.sa.v4.sin_addr.s_addr);

	if (from->peer.sa.any.sa_family != AF_INET)
		return;
	if (from->local.sa.any.sa_family != AF_INET || ip >= 0xe0000000 || ip == INADDR_ANY)
		addr_set(&from->local, NULL, 0);
	if (from->local.sa.any.sa_family != AF_INET)
		(void)ifaces_ipv4(&d->ifaces, from->iface, &from->peer, &from->local);
}

static void
answer_units(struct discovery *d, int fd, const struct discover_request *request, const struct discovery_from *from)
{
	static struct packet_writer w;
	char base[DISCOVER_BASE_MAX + 1];

	for (size_t i = 0; i < d->sup->units.count; i++) {
		const struct unit *unit = &d->sup->units.at[i];
		struct discover_device device = { .id = unit->device.id, .auth = unit->device.auth, .base = base };
		size_t len;

		/* One that has a path only can't be told: there is no room for it, nor for what clients put behind it. */
		if (unit->config == NULL || (i > 0 && unit->port == 0) || !discover_matches(request, unit->device.id) ||
		    !discovery_base(d, unit, from, base))
			continue;
		device.tuner_count = unit->config->tuner_count;
		len = discover_reply(&w, &device);
		if (len == 0)
			continue;
		discovery_reply(fd, w.bytes, len, from);
		d->stats.replies++;
	}
}

static void
on_datagram(struct ev_loop *loop, ev_io *io, int events)
{
	struct discovery *d = io->data;
	uint8_t bytes[PACKET_MAX];
	struct discovery_from from;
	struct discover_request request;

	(void)loop;
	(void)events;
	for (int i = 0; i < DISCOVERY_BATCH; i++) {
		ssize_t n = discovery_receive(io->fd, bytes, sizeof(bytes), &from);

		if (n == -1)
			return;
		if (n == 0)
			continue;
		d->stats.requests++;
		if (discover_parse(&request, bytes, (size_t)n) != 0)
			d->stats.broken++;
		else if (discovery_admits(d, &from.peer, from.iface)) {
			mend_local(d, &from);
			meant_note(&d->meant, &from.peer, request.id, (double)monotonic_ns() / 1e9);
			answer_units(d, io->fd, &request, &from);
		}
	}
}

/*
 * Begin and end
 */

/* Groups of IPv6, on each interface; one that we are in already is fine. */
static void
join_groups(struct discovery *d)
{
	static const char *const groups[] = { GROUP_LINK, GROUP_SITE };

	for (size_t i = 0; d->udp[V6].fd != -1 && i < d->ifaces.count; i++) {
		const struct iface *iface = &d->ifaces.at[i];

		if (!iface->up || !iface->multicast ||
		    !ifaces_listed(&d->ifaces, iface, &d->sup->config->discovery.interfaces))
			continue;
		for (size_t j = 0; j < NITEMS(groups); j++) {
			struct ipv6_mreq req = { .ipv6mr_interface = iface->index };

			(void)inet_pton(AF_INET6, groups[j], &req.ipv6mr_multiaddr);
			(void)setsockopt(d->udp[V6].fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &req, sizeof(req));
		}
	}
}

/* What would work, and tell clients what they can't reach, is said once and plainly. */
static void
say_container(struct discovery *d)
{
	struct addr first;
	char ip[ADDR_TEXT] = "-";

	if (!d->ifaces.container || d->sup->config->server.advertise != NULL)
		return;
	for (size_t i = 0; i < d->ifaces.count && strcmp(ip, "-") == 0; i++) {
		const struct iface *iface = &d->ifaces.at[i];

		if (!iface->loopback && ifaces_listed(&d->ifaces, iface, &d->sup->config->discovery.interfaces) &&
		    ifaces_ipv4(&d->ifaces, iface->index, NULL, &first))
			addr_ip(&first, ip);
	}
	if (strcmp(ip, d->warned_of) == 0)
		return;
	(void)snprintf(d->warned_of, sizeof(d->warned_of), "%s", ip);
	log_event(LOG_WARNING, "discovery.container",
	    "address=%s why=\"this is a container's own address, behind its host's bridge: clients of the LAN that are "
	    "told it "
	    "can't reach it, and their searches don't come in here. Use the host's network, or set [server] "
	    "advertise\"",
	    ip);
}

static void
say_ports(const struct discovery *d)
{
	const struct config_addrs *listen = &d->sup->config->server.listen;
	bool has_80 = false;

	for (size_t i = 0; i < listen->count; i++) {
		struct addr at;

		addr_set(&at, &listen->at[i].sa.any, listen->at[i].len);
		has_80 |= addr_port(&at) == 80;
	}
	log_event(LOG_INFO, "discovery.start", "udp=65001 tcp=65001 interfaces=%zu addresses=%zu", d->ifaces.count,
	    d->ifaces.addr_count);
	if (!has_80 && d->sup->config->server.advertise == NULL)
		log_event(LOG_WARNING, "discovery.port80",
		    "why=\"port 80 is not ours: after a search Jellyfin, Emby and Channels ask there, and Jellyfin's "
		    "search ends "
		    "when nobody answers. Add :80 to [server] listen, or set [discovery] hdhomerun = no; Plex and Kodi "
		    "need neither\"");
}

static void
on_change(void *arg)
{
	static struct ifaces now;
	struct discovery *d = arg;

	/* Much is said that changes nothing for us: a link's counters, the age of an address. */
	if (ifaces_read(&now) != 0 || memcmp(&now, &d->ifaces, sizeof(now)) == 0)
		return;
	d->ifaces = now;
	log_event(
	    LOG_INFO, "discovery.interfaces", "interfaces=%zu addresses=%zu", d->ifaces.count, d->ifaces.addr_count);
	say_container(d);
	join_groups(d);
	announce_changed(d);
}

void
discovery_start(struct discovery *d)
{
	struct ev_loop *loop = d->sup->loop;

	if (d->udp[V4].fd == -1 && d->udp[V6].fd == -1 && d->ssdp.fd == -1)
		return;
	d->started = true;
	(void)ifaces_read(&d->ifaces);
	if (ifaces_watch(&d->watch, loop, on_change, d) != 0)
		log_event(
		    LOG_WARNING, "discovery.watch", "why=\"%s: changes of addresses are not seen\"", strerror(errno));
	say_container(d);
	for (size_t i = 0; i < NITEMS(d->udp); i++) {
		if (d->udp[i].fd == -1)
			continue;
		ev_io_init(&d->udp[i], on_datagram, d->udp[i].fd, EV_READ);
		ev_set_priority(&d->udp[i], EV_MAXPRI);
		d->udp[i].data = d;
		ev_io_start(loop, &d->udp[i]);
	}
	if (d->udp[V4].fd != -1 || d->udp[V6].fd != -1)
		say_ports(d);
	join_groups(d);
	remote_start(d);
	announce_start(d);
}

void
discovery_reload(struct discovery *d)
{
	if (!d->started)
		return;
	say_container(d);
	announce_changed(d);
}

void
discovery_stop(struct discovery *d)
{
	struct ev_loop *loop = d->sup != NULL ? d->sup->loop : NULL;

	if (d->sup == NULL)
		return;
	if (d->started) {
		announce_stop(d);
		remote_stop(d);
		ifaces_unwatch(&d->watch, loop);
		for (size_t i = 0; i < NITEMS(d->udp); i++)
			if (d->udp[i].fd != -1)
				ev_io_stop(loop, &d->udp[i]);
	}
	d->started = false;
	for (size_t i = 0; i < NITEMS(d->udp); i++) {
		let_go(&d->udp[i]);
		if (d->tcp[i] != -1)
			(void)close(d->tcp[i]);
		d->tcp[i] = -1;
	}
	let_go(&d->ssdp);
}
