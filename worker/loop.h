/*
 * loop.h - the time by which a worker keeps times
 *
 * ev_now() is the wall clock's, which is set back and forth by whoever may:
 * a wait that was kept by it would last an hour longer, or seem an outage.
 * This is the clock of the loop's timers, as of the same moment of its turn:
 * what one of them was set for has come when it fires.
 */
#ifndef PLEXBRIDGE_WORKER_LOOP_H
#define PLEXBRIDGE_WORKER_LOOP_H

#include <ev.h>

/* Seconds of CLOCK_MONOTONIC as the loop's turn began, or ev_now_update() was called. */
static inline ev_tstamp
loop_now(struct ev_loop *loop)
{
	ev_timer due_now;
	ev_tstamp now;

	/* Libev tells it nobody, but by when a timer is due that was set for at once. */
	ev_init(&due_now, NULL);
	ev_timer_set(&due_now, 0., 0.);
	ev_timer_start(loop, &due_now);
	now = due_now.at; /* until it is stopped */
	ev_timer_stop(loop, &due_now);
	return now;
}

#endif
