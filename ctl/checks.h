/*
 * checks.h - what the doctor makes of what it read
 *
 * Pure: the text of a file under /proc or the figures of a probe in, a
 * finding out. Reading and probing is doctor.c's.
 */
#ifndef PLEXBRIDGE_CTL_CHECKS_H
#define PLEXBRIDGE_CTL_CHECKS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define CHECKS_INTERFACE 16 /* IF_NAMESIZE */

enum finding_level { FOUND_PASS, FOUND_WARN, FOUND_FAIL, FOUND_SKIP };

struct finding {
	enum finding_level level;
	char saw[160]; /* what was seen, with numbers */
	char mend[160]; /* the command that mends it, "" when nothing is to be mended */
};

const char *finding_name(enum finding_level level);

void finding_set(struct finding *f, enum finding_level level, const char *mend, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* A number of /proc/net/snmp or netstat: the value under `key` in the pair of lines that begin with `group`. -1: none. */
int64_t checks_counter(const char *text, const char *group, const char *key);

/* Segments sent again, of those sent (snmp). */
void check_retransmissions(struct finding *f, const char *snmp);
void check_resets(struct finding *f, const char *snmp);

/* Connections dropped because nobody accepted them (netstat, TcpExt). */
void check_listen_drops(struct finding *f, const char *netstat);

/* Errors and drops of an interface (/proc/net/dev). */
void check_interfaces(struct finding *f, const char *dev);

/* The default gateway of /proc/net/route and the interface to it, both "" when there is none. */
void checks_gateway(const char *route, char gateway[INET_ADDRSTRLEN], char interface[CHECKS_INTERFACE]);

/* Of an address on a network of ours: does it say which hardware it has (ARP, RFC 826; RFC 4861, 7.2)? */
enum neighbour { NEIGHBOUR_UNKNOWN, NEIGHBOUR_SILENT, NEIGHBOUR_KNOWN };
void check_gateway(struct finding *f, const char *gateway, const char *interface, enum neighbour state);

/* The same of one that watches; one that is routed is skipped. */
void check_neighbour(struct finding *f, enum neighbour state, const char *address, bool same_subnet);

/* In a container whose network is a bridge? */
void check_container(struct finding *f, bool in_container, const char *route);

/*
 * net.ipv4.tcp_keepalive_*, which Plex and others use; our own connections
 * have their own. The first probe is to be sent before a router may forget a
 * connection that is idle: after 2 h 4 min (RFC 5382, REQ-5). -1: not known.
 */
void check_keepalive(struct finding *f, long time_s, long interval_s, long probes);

/* Echo requests or connections: answers of sent, round trips. what: whose. */
struct probe {
	unsigned sent, answered;
	double rtt_ms_mean, rtt_ms_max;
	const char *how; /* "icmp", "tcp" */
};
void check_probe(struct finding *f, const struct probe *probe, const char *address, bool source);

/* path_mtu: of the way to somebody; -1: not known. */
void check_mtu(struct finding *f, const char *interface, long mtu, long path_mtu);

/* power_save: 1, 0, or -1: not known. */
void check_wireless(struct finding *f, const char *interface, bool wireless, int power_save);
void check_clock(struct finding *f, bool synchronized, long error_us);
void check_dns(struct finding *f, const char *host, bool found, double ms);

/* Channels of one tuner; device: its name. Plex takes 480. */
void check_channels(struct finding *f, const char *device, long count);

#endif
