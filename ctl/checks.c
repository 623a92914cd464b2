/*
 * checks.c - limits with their reasons
 */
#include "ctl/checks.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

#define RETRANSMIT_WARN 0.01 /* of all segments: more is a bad cable or Wi-Fi */
#define RETRANSMIT_FAIL 0.05
#define SEGMENTS_LEAST 1000 /* fewer tell nothing */
#define RESETS_WARN 0.05 /* of all connections */
#define ERRORS_WARN 1e-4 /* of all packets of an interface */
#define RTT_CLIENT_MS 50 /* a home network has less than 5 */
#define RTT_SOURCE_MS 200
#define DNS_WARN_MS 200
#define IP_MOST 65535L /* bytes of a packet; loopback says one more */
#define CHANNELS_MAX 480 /* Plex takes no more from one tuner */
#define NAT_IDLE_S 7440 /* RFC 5382, REQ-5: 2 h 4 min */
#define KEEPALIVE_TIME_S 120
#define KEEPALIVE_INTERVAL_S 30
#define KEEPALIVE_PROBES 4

const char *
finding_name(enum finding_level level)
{
	static const char *const names[] = { "pass", "warn", "fail", "skip" };

	return names[level];
}

void
finding_set(struct finding *f, enum finding_level level, const char *mend, const char *fmt, ...)
{
	va_list ap;

	f->level = level;
	snprintf(f->mend, sizeof(f->mend), "%s", level == FOUND_PASS || level == FOUND_SKIP ? "" : mend);
	va_start(ap, fmt);
	vsnprintf(f->saw, sizeof(f->saw), fmt, ap);
	va_end(ap);
}

/* The word number n of a line, from 0; its length in *len, 0 when there is none. */
static const char *
word(const char *line, size_t n, size_t *len)
{
	for (;; n--) {
		line += strspn(line, " \t");
		*len = strcspn(line, " \t\n");
		if (n == 0 || *len == 0)
			return line;
		line += *len;
	}
}

static const char *
next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line == '\n' ? line + 1 : line;
}

int64_t
checks_counter(const char *text, const char *group, const char *key)
{
	size_t group_len = strlen(group), key_len = strlen(key), len;
	const char *names = NULL;

	for (const char *line = text; *line != '\0'; line = next_line(line)) {
		if (strncmp(line, group, group_len) != 0 || line[group_len] != ':')
			continue;
		if (names == NULL) {
			names = line;
			continue;
		}
		for (size_t i = 1; i < 512; i++) {
			const char *name = word(names, i, &len);

			if (len == 0)
				return -1;
			if (len != key_len || strncmp(name, key, len) != 0)
				continue;
			name = word(line, i, &len);
			return len > 0 ? strtoll(name, NULL, 10) : -1;
		}
		return -1;
	}
	return -1;
}

void
check_retransmissions(struct finding *f, const char *snmp)
{
	int64_t out = checks_counter(snmp, "Tcp", "OutSegs"), again = checks_counter(snmp, "Tcp", "RetransSegs");
	double part = out > 0 ? (double)again / (double)out : 0;

	if (out < SEGMENTS_LEAST || again < 0)
		finding_set(f, FOUND_SKIP, "", "too few segments to tell");
	else
		finding_set(f,
		    part >= RETRANSMIT_FAIL       ? FOUND_FAIL
			: part >= RETRANSMIT_WARN ? FOUND_WARN
						  : FOUND_PASS,
		    "ss -tni (retrans: to whom?); a cable instead of Wi-Fi on that way, or another cable",
		    "%.2f %% of %lld segments were sent again", part * 100, (long long)out);
}

void
check_resets(struct finding *f, const char *snmp)
{
	int64_t resets = checks_counter(snmp, "Tcp", "EstabResets"), opens = checks_counter(snmp, "Tcp", "ActiveOpens");
	int64_t passive = checks_counter(snmp, "Tcp", "PassiveOpens"), all = opens + passive;

	if (resets < 0 || opens < 0 || passive < 0 || all < 100)
		finding_set(f, FOUND_SKIP, "", "too few connections to tell");
	else
		finding_set(f, (double)resets > RESETS_WARN * (double)all ? FOUND_WARN : FOUND_PASS,
		    "ss -tni; look for a firewall or NAT that forgets connections",
		    "%lld of %lld connections were reset", (long long)resets, (long long)all);
}

void
check_listen_drops(struct finding *f, const char *netstat)
{
	int64_t overflows = checks_counter(netstat, "TcpExt", "ListenOverflows");
	int64_t drops = checks_counter(netstat, "TcpExt", "ListenDrops");

	if (overflows < 0 || drops < 0)
		finding_set(f, FOUND_SKIP, "", "the kernel does not say");
	else
		finding_set(f, drops > 0 ? FOUND_WARN : FOUND_PASS, "sysctl -w net.core.somaxconn=4096",
		    "%lld connections were dropped before they were accepted", (long long)drops);
}

void
check_interfaces(struct finding *f, const char *dev)
{
	char worst[32] = "", name[32], mend[sizeof(f->mend)];
	int64_t bad = 0, all = 0, n[16];
	double most = 0;

	for (const char *line = dev; *line != '\0'; line = next_line(line)) {
		const char *colon = strchr(line, ':'), *start = line + strspn(line, " ");
		size_t len;

		if (colon == NULL || colon > line + strcspn(line, "\n"))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)PB_MIN((size_t)(colon - start), sizeof(name) - 1), start);
		if (strcmp(name, "lo") == 0)
			continue;
		for (size_t i = 0; i < NITEMS(n); i++) {
			const char *w = word(colon + 1, i, &len);

			n[i] = len > 0 ? strtoll(w, NULL, 10) : 0;
		}
		/* Receive: bytes packets errs drop...; transmit begins at 8. */
		if (n[1] + n[9] >= SEGMENTS_LEAST &&
		    (double)(n[2] + n[3] + n[10] + n[11]) / (double)(n[1] + n[9]) >= most) {
			most = (double)(n[2] + n[3] + n[10] + n[11]) / (double)(n[1] + n[9]);
			bad = n[2] + n[3] + n[10] + n[11];
			all = n[1] + n[9];
			snprintf(worst, sizeof(worst), "%s", name);
		}
	}
	snprintf(mend, sizeof(mend), "ethtool -S %s; another cable, port or driver", worst);
	if (worst[0] == '\0')
		finding_set(f, FOUND_SKIP, "", "no interface has carried enough to tell");
	else
		finding_set(f, most >= ERRORS_WARN ? FOUND_WARN : FOUND_PASS, mend,
		    "%s: %lld errors and drops in %lld packets", worst, (long long)bad, (long long)all);
}

void
checks_gateway(const char *route, char out[INET_ADDRSTRLEN], char dev[CHECKS_INTERFACE])
{
	size_t len;

	out[0] = dev[0] = '\0';
	for (const char *line = next_line(route); *line != '\0'; line = next_line(line)) {
		const char *name = word(line, 0, &len), *destination, *gateway;
		size_t name_len = len;
		struct in_addr a;

		destination = word(line, 1, &len);
		if (len != 8 || strncmp(destination, "00000000", 8) != 0)
			continue;
		gateway = word(line, 2, &len);
		a.s_addr = (in_addr_t)strtoul(gateway, NULL, 16);
		inet_ntop(AF_INET, &a, out, INET_ADDRSTRLEN);
		snprintf(dev, CHECKS_INTERFACE, "%.*s", (int)PB_MIN(name_len, (size_t)CHECKS_INTERFACE - 1), name);
		return;
	}
}

void
check_gateway(struct finding *f, const char *gateway, const char *interface, enum neighbour state)
{
	char mend[sizeof(f->mend)];

	if (gateway[0] == '\0') {
		finding_set(f, FOUND_WARN, "ip route add default via ROUTER", "there is no default route");
		return;
	}
	snprintf(mend, sizeof(mend), "ip neigh flush dev %s; then look at the router and the cable to it", interface);
	finding_set(f,
	    state == NEIGHBOUR_SILENT        ? FOUND_FAIL
		: state == NEIGHBOUR_UNKNOWN ? FOUND_SKIP
					     : FOUND_PASS,
	    mend,
	    state == NEIGHBOUR_SILENT        ? "%s on %s does not answer ARP"
		: state == NEIGHBOUR_UNKNOWN ? "%s on %s: not asked lately"
					     : "%s on %s answers",
	    gateway, interface);
}

void
check_neighbour(struct finding *f, enum neighbour state, const char *address, bool same_subnet)
{
	char mend[sizeof(f->mend)];

	snprintf(mend, sizeof(mend), "ip neigh flush to %.60s; is that machine on, and on this network?", address);
	if (!same_subnet || state == NEIGHBOUR_UNKNOWN)
		finding_set(f, FOUND_SKIP, "",
		    same_subnet ? "%s: not asked lately" : "%s is reached through a router or this machine", address);
	else
		finding_set(f, state == NEIGHBOUR_SILENT ? FOUND_FAIL : FOUND_PASS, mend,
		    state == NEIGHBOUR_SILENT ? "%s does not answer for its hardware address" : "%s answers", address);
}

void
check_container(struct finding *f, bool in_container, const char *route)
{
	char gateway[INET_ADDRSTRLEN], dev[CHECKS_INTERFACE];
	bool bridged;

	checks_gateway(route, gateway, dev);
	/* The bridges of Docker and Podman by default. */
	bridged = strncmp(gateway, "172.17.", 7) == 0 || strncmp(gateway, "172.18.", 7) == 0 ||
	    strncmp(gateway, "10.88.", 6) == 0 || strncmp(gateway, "10.0.2.", 7) == 0;
	if (!in_container)
		finding_set(f, FOUND_PASS, "", "no container");
	else
		finding_set(f, bridged ? FOUND_WARN : FOUND_PASS, "docker run --network host ...",
		    bridged ? "a container behind a bridge (gateway %s): discovery can't be heard outside"
			    : "a container (gateway %s)",
		    gateway[0] != '\0' ? gateway : "none");
}

void
check_keepalive(struct finding *f, long time_s, long interval_s, long probes)
{
	char mend[sizeof(f->mend)];
	bool late = time_s > NAT_IDLE_S, long_wait = interval_s * probes > NAT_IDLE_S;

	snprintf(mend, sizeof(mend),
	    "sysctl -w net.ipv4.tcp_keepalive_time=%d net.ipv4.tcp_keepalive_intvl=%d net.ipv4.tcp_keepalive_probes=%d",
	    KEEPALIVE_TIME_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES);
	if (time_s < 0 || interval_s < 0 || probes < 0)
		finding_set(f, FOUND_SKIP, "", "the kernel does not say");
	else
		finding_set(f, late || long_wait ? FOUND_WARN : FOUND_PASS, mend,
		    late ? "others ask after %ld s (then every %ld s, %ld times): a router may have forgotten them"
			: long_wait
			? "others ask after %ld s, then every %ld s, %ld times: who is gone is noticed late"
			: "others ask after %ld s, then every %ld s, %ld times; plexbridged's own after 10 s",
		    time_s, interval_s, probes);
}

void
check_probe(struct finding *f, const struct probe *p, const char *address, bool source)
{
	double limit_ms = source ? RTT_SOURCE_MS : RTT_CLIENT_MS;
	char mend[sizeof(f->mend)];

	snprintf(mend, sizeof(mend),
	    source ? "mtr %.60s; talk to the provider or the line's owner"
		   : "mtr %.60s; a cable instead of Wi-Fi, another switch port",
	    address);
	if (p->sent == 0)
		finding_set(f, FOUND_SKIP, "", "%s can't be probed from here", address);
	else if (p->answered == 0)
		finding_set(f, strcmp(p->how, "icmp") == 0 ? FOUND_WARN : FOUND_FAIL, mend,
		    "%s: no answer to %u probes (%s)", address, p->sent, p->how);
	else
		finding_set(f,
		    p->answered < p->sent           ? FOUND_FAIL
			: p->rtt_ms_mean > limit_ms ? FOUND_WARN
						    : FOUND_PASS,
		    mend, "%s: %u of %u lost, round trip %.1f ms, at most %.1f ms (%s)", address, p->sent - p->answered,
		    p->sent, p->rtt_ms_mean, p->rtt_ms_max, p->how);
}

void
check_mtu(struct finding *f, const char *interface, long mtu, long path_mtu)
{
	char mend[sizeof(f->mend)];

	if (mtu <= 0)
		finding_set(f, FOUND_SKIP, "", "not known");
	else if (path_mtu > 0 && path_mtu < PB_MIN(mtu, IP_MOST)) {
		snprintf(mend, sizeof(mend), "ip link set dev %s mtu %ld", interface, path_mtu);
		finding_set(f, FOUND_WARN, mend, "%s has %ld, the path only %ld", interface, mtu, path_mtu);
	} else {
		snprintf(mend, sizeof(mend), "ip link set dev %s mtu 1500", interface);
		finding_set(f,
		    mtu < 1280       ? FOUND_FAIL
			: mtu < 1500 ? FOUND_WARN
				     : FOUND_PASS,
		    mend, "%s has %ld", interface, mtu);
	}
}

void
check_wireless(struct finding *f, const char *interface, bool wireless, int power_save)
{
	char mend[sizeof(f->mend)];

	snprintf(mend, sizeof(mend), power_save > 0 ? "iw dev %s set power_save off" : "iw dev %s get power_save",
	    interface);
	if (!wireless)
		finding_set(f, FOUND_PASS, "", "no wireless interface is up");
	else
		finding_set(f, power_save == 0 ? FOUND_PASS : FOUND_WARN, mend, "%s is wireless, power saving %s",
		    interface,
		    power_save > 0        ? "is on"
			: power_save == 0 ? "is off"
					  : "is not known");
}

void
check_clock(struct finding *f, bool synchronized, long error_us)
{
	finding_set(f, synchronized ? FOUND_PASS : FOUND_WARN, "timedatectl set-ntp true",
	    synchronized ? "synchronized, within %.1f ms"
			 : "not synchronized (error up to %.1f ms): the guide's times would be wrong",
	    (double)error_us / 1e3);
}

void
check_dns(struct finding *f, const char *host, bool found, double ms)
{
	char mend[sizeof(f->mend)];

	snprintf(mend, sizeof(mend), "resolvectl query %.60s; another nameserver in /etc/resolv.conf", host);
	if (!found)
		finding_set(f, FOUND_FAIL, mend, "%.80s has no address (%.0f ms)", host, ms);
	else
		finding_set(f, ms > DNS_WARN_MS ? FOUND_WARN : FOUND_PASS, mend, "%.80s in %.0f ms", host, ms);
}

void
check_channels(struct finding *f, const char *device, long count)
{
	finding_set(f, count > CHANNELS_MAX ? FOUND_WARN : FOUND_PASS,
	    "plexbridge.ini: a [tuner NAME] for each part of the lineup, or `limit` of the provider",
	    count > CHANNELS_MAX ? "%.60s has %ld: Plex takes at most 480 of one tuner" : "%.60s has %ld", device,
	    count);
}
