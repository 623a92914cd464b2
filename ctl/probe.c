/*
 * probe.c - sockets that ask, and nothing else
 */
#include "ctl/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/wireless.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"

#define DUMP_BYTES 32768 /* what the kernel gives at once (netlink(7)) */

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

bool
probe_parse(struct address *out, const char *text, uint16_t port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV },
			*list = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (getaddrinfo(text, service, &hints, &list) != 0)
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(&out->sa, list->ai_addr, PB_MIN((size_t)list->ai_addrlen, sizeof(out->sa)));
	out->len = list->ai_addrlen;
	freeaddrinfo(list);
	return true;
}

/* Its bytes in network order, *len of them: 4 or 16. */
static const uint8_t *
raw(const struct sockaddr *sa, size_t *len)
{
	*len = sa->sa_family == AF_INET ? 4 : 16;
	if (sa->sa_family == AF_INET)
		return (const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	return (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
}

static void
count(struct probe *p, double ms)
{
	p->rtt_ms_mean = (p->rtt_ms_mean * p->answered + ms) / (p->answered + 1);
	p->rtt_ms_max = PB_MAX(p->rtt_ms_max, ms);
	p->answered++;
}

/* The kernel fills in identifier and checksum of such a socket, which needs no privileges (icmp(7)). */
bool
probe_ping(struct probe *p, const struct address *to)
{
	bool v4 = to->sa.any.sa_family == AF_INET;
	int fd = socket(to->sa.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (fd == -1)
		return false;
	p->how = "icmp";
	for (unsigned i = 0; i < PROBES; i++) {
		struct icmphdr echo = { .type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
			.un.echo.sequence = htons((uint16_t)i) };
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		double begun = now_ms();
		char in[256];

		if (sendto(fd, &echo, sizeof(echo), 0, &to->sa.any, to->len) == -1) {
			close(fd);
			return false;
		}
		p->sent++;
		if (poll(&ready, 1, PROBE_MS) == 1 && recv(fd, in, sizeof(in), 0) > 0)
			count(p, now_ms() - begun);
	}
	close(fd);
	return true;
}

bool
probe_connect(const struct address *to, double *ms)
{
	int fd = socket(to->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err = 0;
	socklen_t err_len = sizeof(err);
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	double begun = now_ms();
	bool answered;

	if (fd == -1)
		return false;
	answered = connect(fd, &to->sa.any, to->len) == 0 || errno == ECONNREFUSED;
	if (!answered && errno == EINPROGRESS && poll(&ready, 1, PROBE_MS) == 1)
		answered =
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len) == 0 && (err == 0 || err == ECONNREFUSED);
	*ms = now_ms() - begun;
	close(fd);
	return answered;
}

void
probe_tcp(struct probe *p, const struct address *to)
{
	p->how = "tcp";
	for (unsigned i = 0; i < PROBES; i++) {
		double ms;

		p->sent++;
		if (probe_connect(to, &ms))
			count(p, ms);
	}
}

/* Are both equal where the mask says so? */
static bool
same_net(const struct sockaddr *a, const struct sockaddr *b, const struct sockaddr *mask)
{
	size_t len;
	const uint8_t *x = raw(a, &len), *y = raw(b, &len), *m = raw(mask, &len);

	for (size_t i = 0; i < len; i++)
		if ((x[i] & m[i]) != (y[i] & m[i]))
			return false;
	return true;
}

bool
probe_on_link(const struct address *to, char interface[IF_NAMESIZE])
{
	struct ifaddrs *all = NULL, *i;
	bool ours = false;

	interface[0] = '\0';
	if (getifaddrs(&all) == -1)
		return false;
	for (i = all; i != NULL && !ours; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_netmask == NULL || i->ifa_addr->sa_family != to->sa.any.sa_family ||
		    !(i->ifa_flags & IFF_UP))
			continue;
		/* Link-local ones are alike on every interface: theirs is said beside. */
		if (to->sa.any.sa_family == AF_INET6 && to->sa.v6.sin6_scope_id != 0 &&
		    to->sa.v6.sin6_scope_id != if_nametoindex(i->ifa_name))
			continue;
		ours = same_net(i->ifa_addr, &to->sa.any, i->ifa_netmask);
		if (ours)
			snprintf(interface, IF_NAMESIZE, "%s", i->ifa_name);
	}
	freeifaddrs(all);
	return ours;
}

long
probe_path_mtu(const struct address *to)
{
	bool v4 = to->sa.any.sa_family == AF_INET;
	int fd = socket(to->sa.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), mtu = -1;
	socklen_t len = sizeof(mtu);

	if (fd == -1)
		return -1;
	if (connect(fd, &to->sa.any, to->len) == -1 ||
	    getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &len) == -1)
		mtu = -1;
	close(fd);
	return mtu;
}

/* What one message of the dump says of it. */
static enum neighbour
neighbour_in(struct nlmsghdr *head, const struct address *of)
{
	struct ndmsg *nd = NLMSG_DATA(head);
	struct rtattr *attr = (struct rtattr *)(void *)((char *)nd + NLMSG_ALIGN(sizeof(*nd)));
	int left = (int)(head->nlmsg_len - NLMSG_LENGTH(sizeof(*nd)));
	size_t len;
	const uint8_t *bytes = raw(&of->sa.any, &len);

	if (head->nlmsg_type != RTM_NEWNEIGH || head->nlmsg_len < NLMSG_LENGTH(sizeof(*nd)) ||
	    nd->ndm_family != of->sa.any.sa_family)
		return NEIGHBOUR_UNKNOWN;
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == NDA_DST && RTA_PAYLOAD(attr) == len && memcmp(RTA_DATA(attr), bytes, len) == 0)
			return (nd->ndm_state & (NUD_FAILED | NUD_INCOMPLETE)) != 0 ? NEIGHBOUR_SILENT
										    : NEIGHBOUR_KNOWN;
	return NEIGHBOUR_UNKNOWN;
}

enum neighbour
probe_neighbour(const struct address *of)
{
	struct {
		struct nlmsghdr head;
		struct ndmsg nd;
	} ask = { .head = { .nlmsg_len = sizeof(ask),
		      .nlmsg_type = RTM_GETNEIGH,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.nd = { .ndm_family = (unsigned char)of->sa.any.sa_family } };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	static _Alignas(struct nlmsghdr) char in[DUMP_BYTES];
	enum neighbour state = NEIGHBOUR_UNKNOWN;
	bool more = true;

	if (fd == -1)
		return state;
	more = send(fd, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask);
	while (more && state == NEIGHBOUR_UNKNOWN) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&ready, 1, PROBE_MS) == 1 ? recv(fd, in, sizeof(in), 0) : -1;
		struct nlmsghdr *head = (struct nlmsghdr *)(void *)in;
		int left = n > 0 ? (int)n : 0;

		more = n > 0;
		/* What is aligned up may end behind the last byte: left is less than nothing then. */
		for (; left > 0 && NLMSG_OK(head, (unsigned)left) && state == NEIGHBOUR_UNKNOWN;
		     head = NLMSG_NEXT(head, left)) {
			if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
				more = false;
			else
				state = neighbour_in(head, of);
		}
	}
	close(fd);
	return state;
}

int
probe_power_saving(const char *interface)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct iwreq req;
	int on = -1;

	if (fd == -1)
		return -1;
	memset(&req, 0, sizeof(req));
	snprintf(req.ifr_ifrn.ifrn_name, IFNAMSIZ, "%s", interface);
	if (ioctl(fd, SIOCGIWPOWER, &req) == 0)
		on = req.u.power.disabled ? 0 : 1;
	close(fd);
	return on;
}
