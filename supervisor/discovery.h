/*
 * discovery.h - how clients find us: UDP and TCP 65001, and SSDP
 *
 *   discovery.c   interfaces, addresses that are told, and UDP 65001
 *   remote.c      TCP 65001: hdhomerun_config and its like
 *   announce.c    SSDP: multicast to 239.255.255.250:1900
 *
 * One socket of each kind serves all interfaces: the kernel says where a
 * packet came in and for which of our addresses it was (IP_PKTINFO), and the
 * reply leaves from there, with that address in its URLs. What is answered
 * on UDP 65001 goes out in the same call, before whatever else the loop has
 * to do in that turn (libev's highest priority).
 *
 *   asked by  addresses in a net of ours, and those that [server] allow has
 *   bounds    answers to one asker (limit.h), connections, waiting searches
 *   failure   a socket that can't be had is a line in the log: the tuner port
 *             works without, and a tuner can be added by its address
 *   UDP       is answered only where TCP 65001 is: clients crash otherwise
 *   handed on sockets outlive this supervisor (keep.h); connections don't:
 *             clients open another
 */
#ifndef PLEXBRIDGE_SUPERVISOR_DISCOVERY_H
#define PLEXBRIDGE_SUPERVISOR_DISCOVERY_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/discover.h"
#include "supervisor/ifaces.h"
#include "supervisor/limit.h"
#include "supervisor/listen.h"
#include "supervisor/meant.h"
#include "supervisor/packet.h"
#include "supervisor/ssdp.h"
#include "supervisor/units.h"

#define DISCOVERY_PORT 65001
#define DISCOVERY_BATCH 32 /* datagrams read at once */

#define REMOTE_CONNS 32
#define REMOTE_IDLE_S 60.0

#define SSDP_PORT 1900
#define ANNOUNCE_EVERY_S 300.0
#define ANNOUNCE_AGAIN_S 0.2 /* each announcement is sent twice: it is UDP */
#define ANNOUNCE_WAITING 64 /* searches whose answer is not due yet */

struct supervisor;
struct discovery;

struct discovery_stats {
	uint64_t requests, replies; /* UDP 65001 */
	uint64_t limited; /* asked too often, on either */
	uint64_t strangers; /* neither near nor allowed, likewise */
	uint64_t broken; /* what can't be understood, on all three */
	uint64_t connections, variables; /* TCP 65001 */
	uint64_t searches, announcements; /* SSDP */
};

/* What came with a datagram. */
struct discovery_from {
	struct addr peer, local; /* local: for which of ours it was; AF_UNSPEC: a group's */
	unsigned iface;
};

struct remote_conn {
	struct discovery *discovery;
	size_t unit; /* whose variables it asks for */
	ev_io io; /* fd -1: free */
	ev_timer idle;
	uint8_t bytes[PACKET_MAX];
	size_t len;
	uint64_t turn; /* of its last use */
};

struct announce_wait {
	struct discovery_from from;
	struct ssdp_search search;
	double due_s;
};

struct discovery {
	struct supervisor *sup;
	bool started;
	char warned_of[ADDR_TEXT]; /* a container's own address; "": none yet */
	struct ifaces ifaces;
	struct ifaces_watch watch;
	struct limit limit;
	struct meant meant;
	struct discovery_stats stats;
	ev_io udp[2]; /* IPv4, IPv6; fd -1: none */
	int tcp[2]; /* likewise; until remote_start() */
	struct listen *listen;
	struct remote_conn remote[REMOTE_CONNS];
	uint64_t turn;
	ev_io ssdp; /* IPv4 only; fd -1: none */
	ev_timer again, every, answer;
	struct announce_wait waiting[ANNOUNCE_WAITING];
	size_t waiting_count;
};

/* To be called once, first; borrows sup for ever. */
void discovery_init(struct discovery *discovery, struct supervisor *sup);

/* Have the sockets that the configuration wants: those that were held, or new ones. Logs. */
void discovery_bind(struct discovery *discovery);

/* Clients can be served now: answer and announce. */
void discovery_start(struct discovery *discovery);

/* Another configuration is in force: say where we are now. */
void discovery_reload(struct discovery *discovery);

/* Say goodbye, and close. Nothing bound is fine. */
void discovery_stop(struct discovery *discovery);

/*
 * For the three files
 */

/* Read one datagram. Its length; -1 when there is none; 0 for one to be dropped. */
ssize_t discovery_receive(int fd, void *bytes, size_t size, struct discovery_from *from);

/* Send one back, from where it came in; or out of an interface to `to`. */
void discovery_reply(int fd, const void *bytes, size_t len, const struct discovery_from *from);

/* May this one ask, and is it his turn? Counts. */
bool discovery_admits(struct discovery *discovery, const struct addr *peer, unsigned iface);
bool discovery_may_ask(struct discovery *discovery, const struct addr *peer);

/*
 * "http://192.0.2.10:5004": where a client that asked on that interface
 * reaches the unit, its path not included. false: nowhere.
 */
bool discovery_base(const struct discovery *discovery, const struct unit *unit, const struct discovery_from *from,
    char out[DISCOVER_BASE_MAX + 1]);

/* Keep a socket for whoever comes after us, under this name; or have one that was kept: -1 is none. */
int discovery_claim(struct discovery *discovery, const char *name);
void discovery_keep(struct discovery *discovery, const char *name, int fd);

void remote_start(struct discovery *discovery);
void remote_stop(struct discovery *discovery);
void announce_bind(struct discovery *discovery);
void announce_start(struct discovery *discovery);
void announce_changed(struct discovery *discovery); /* the interfaces are others now */
void announce_stop(struct discovery *discovery);

#endif
