/*
 * routes.h - told at once when an address or a route of this machine changes
 *
 * A netlink socket (rtnetlink(7)) that hears of links, addresses and routes.
 * Changes come in heaps (a cable is pulled, DHCP renews): they are gathered
 * for ROUTES_CALM_S and told once.
 *
 *   blocking  never
 *   trust     the kernel's messages, from the kernel only (port 0); what is
 *             not understood is skipped
 */
#ifndef PLEXBRIDGE_WORKER_ROUTES_H
#define PLEXBRIDGE_WORKER_ROUTES_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ROUTES_CALM_S 0.1

struct routes;

struct routes_ops {
	/* This machine has lost an address. At once. */
	void (*gone)(void *arg, const struct sockaddr *address);
	/* The way out may be another now. Once for a heap of changes. */
	void (*changed)(void *arg);
	void *arg;
};

/* Gives *out. 0, PB_ENOMEM, PB_ESYS (no netlink here: nothing will be told). */
int routes_new(struct routes **out, struct ev_loop *loop, const struct routes_ops *ops);
void routes_free(struct routes **routes);

/* What one datagram says. true: a change worth telling. For routes.c, and its tests. */
bool routes_hear(const void *buf, size_t len, void (*gone)(void *arg, const struct sockaddr *address), void *arg);

#endif
