/*
 * turn.h - how long a turn of the loop takes
 *
 * A turn is from the moment the kernel has events for us to the moment we
 * wait for more. No turn may take over TURN_LIMIT_MS: while one goes on,
 * nobody else is served. A longer one is logged.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_TURN_H
#define PLEXBRIDGE_SUPERVISOR_TURN_H

#include <ev.h>
#include <stdint.h>

#define TURN_LIMIT_MS 100.0

struct turn {
	ev_check begin;
	ev_prepare end;
	int64_t began_ns; /* 0: not in a turn */
	double max_ms; /* of all turns */
	uint64_t turns, long_turns;
};

/* Measure from now on. */
void turn_start(struct turn *turn, struct ev_loop *loop);

#endif
