/*
 * probe.h - what the doctor asks of this machine's network
 *
 * Echo requests and connections that are ended at once, and what the kernel
 * knows of addresses, neighbours and interfaces. Needs no privileges and
 * changes nothing. IPv4 and IPv6 alike.
 *
 *   blocking  yes: each echo request or connection up to PROBE_MS
 */
#ifndef PLEXBRIDGE_CTL_PROBE_H
#define PLEXBRIDGE_CTL_PROBE_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ctl/checks.h"

#define PROBE_MS 1000
#define PROBES 5

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
	socklen_t len;
};

/* A numeric address ("10.0.0.2", "fe80::1%eth0") with a port. false: it is none. */
bool probe_parse(struct address *out, const char *text, uint16_t port);

/* Echo requests. false: this process may send none, or there is no way. */
bool probe_ping(struct probe *p, const struct address *to);

/* Connections: one that is refused has been there and back as well. */
bool probe_connect(const struct address *to, double *ms);
void probe_tcp(struct probe *p, const struct address *to);

/* Is it on a network of ours? Its interface then, else "". */
bool probe_on_link(const struct address *to, char interface[IF_NAMESIZE]);

/* What the kernel has learned of the way (IP_MTU); -1: nothing. */
long probe_path_mtu(const struct address *to);

/* What the kernel knows of a neighbour's hardware address (rtnetlink(7), RTM_GETNEIGH). */
enum neighbour probe_neighbour(const struct address *of);

/* Does this interface sleep between packets (SIOCGIWPOWER)? 1, 0, or -1: its driver does not say. */
int probe_power_saving(const char *interface);

#endif
