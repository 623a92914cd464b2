/*
 * ifaces.h - the machine's network interfaces, and word of their changes
 *
 * Reading them asks the kernel and waits for nobody. Whoever is told of a
 * change reads them anew.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_IFACES_H
#define PLEXBRIDGE_SUPERVISOR_IFACES_H

#include <ev.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "supervisor/addr.h"

#define IFACES_MAX 64
#define IFACES_ADDRS 256 /* of all interfaces */
#define IFACES_CALM_S 0.2 /* changes come in groups: told so long after the first */

struct iface {
	unsigned index;
	char name[IF_NAMESIZE];
	bool up, multicast, loopback;
};

struct iface_addr {
	unsigned iface; /* index of its interface */
	struct addr addr;
	unsigned bits; /* of its prefix */
};

struct ifaces {
	struct iface at[IFACES_MAX];
	size_t count;
	struct iface_addr addrs[IFACES_ADDRS];
	size_t addr_count;
	bool container; /* all of this is a container's own, and leads out over a bridge */
};

/* Read them. 0 or PB_ESYS. */
int ifaces_read(struct ifaces *out);

/* The interface with this index; NULL: it is gone. */
const struct iface *ifaces_find(const struct ifaces *ifaces, unsigned index);

/* Is it in the list (names and addresses; an empty list has all)? The loopback is always. */
bool ifaces_listed(const struct ifaces *ifaces, const struct iface *iface, const struct config_list *list);

/* An IPv4 address of this interface: that in the asker's net, else its first. false: it has none. peer may be NULL. */
bool ifaces_ipv4(const struct ifaces *ifaces, unsigned index, const struct addr *peer, struct addr *out);

/* Is it one of this machine's addresses? */
bool ifaces_own(const struct ifaces *ifaces, const struct addr *addr);

/* Is this address in a net of ours, with no router between? */
bool ifaces_on_link(const struct ifaces *ifaces, const struct addr *addr);

struct ifaces_watch {
	ev_io io; /* fd -1: none */
	ev_timer calm;
	void (*changed)(void *arg);
	void *arg;
};

/* Call changed() after addresses or interfaces came or went. 0 or PB_ESYS: nobody will tell. */
int ifaces_watch(struct ifaces_watch *watch, struct ev_loop *loop, void (*changed)(void *arg), void *arg);
void ifaces_unwatch(struct ifaces_watch *watch, struct ev_loop *loop);

#endif
