/*
 * doctor.h - plexbridgectl doctor: this machine and its network, checked
 *
 * Each check looks at one thing that makes streams fail, says pass, warn,
 * fail or skip (where it can't be known here), what it saw, and the command
 * that mends it. Needs no privileges and changes nothing; what it sends is
 * a few echo requests and connections.
 *
 *   blocking  yes, up to PROBE_MS (ctl/probe.h) for each address that is probed
 */
#ifndef PLEXBRIDGE_CTL_DOCTOR_H
#define PLEXBRIDGE_CTL_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl/checks.h"

struct doctor_options {
	const char *socket; /* plexbridged's; it need not answer */
	const char *client; /* an address, NULL: those that status knows */
	bool json, watch, utf8;
};

/* All of them; again and again with watch. The exit status: 0 when none failed, else 1. */
int doctor_run(const struct doctor_options *options);

#endif
