/*
 * testcard.h - the origin of the built-in channel
 *
 * A plexbridge-origin of our own, as `worker_user`, on a loopback port that
 * stays the same for as long as the supervisor lives: the listening socket
 * is ours, the process is started again (with backoff) when it dies.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_TESTCARD_H
#define PLEXBRIDGE_SUPERVISOR_TESTCARD_H

#include <ev.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/child.h"

#define TESTCARD_BACKOFF_S 0.1
#define TESTCARD_BACKOFF_MAX_S 30.0
#define TESTCARD_STOP_S 2.0 /* from SIGTERM to SIGKILL */

struct testcard {
	struct ev_loop *loop;
	struct child_limits limits;
	struct child child;
	char program[PATH_MAX];
	int fd; /* listening; -1: never started */
	char url[64]; /* of its master playlist; "" when never started */
	bool wanted;
	unsigned failures; /* in a row */
	ev_tstamp born;
	ev_timer again, kill;
};

void testcard_init(struct testcard *card, struct ev_loop *loop, const struct privs *privs);

/* Bind and start it; nothing to do when it is there. 0, PB_ESYS with errno, PB_NO: there is no such program. */
int testcard_start(struct testcard *card);

/* End the process; the port stays ours. Not wanted any more. */
void testcard_stop(struct testcard *card);

#endif
