/*
 * drill.h - plexbridgectl drill: outages made on purpose, ridden out or not
 *
 * Starts a bridge of this installation, an origin that fails on command and
 * viewers that judge what they get, all on loopback, with a configuration
 * and state of their own: what runs already is not touched. Every outage has
 * a channel of its own, so all happen at the same time. Afterwards all of it
 * is ended and removed.
 *
 *   blocking  yes, half a minute; with full ten times as long
 */
#ifndef PLEXBRIDGE_CTL_DRILL_H
#define PLEXBRIDGE_CTL_DRILL_H

#include <stdbool.h>

struct drill_options {
	bool json, full, utf8;
};

/* The exit status: 0 when every outage was ridden out, else 1. */
int drill_run(const struct drill_options *options);

#endif
