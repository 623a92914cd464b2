/*
 * loop.h - the time by which a process with a loop keeps times
 *
 * ev_now() is the wall clock's, which is set back and forth by whoever may:
 * a wait that was kept by it would last an hour longer, or seem an outage,
 * and what is shown as an age would be one of the clock. This is the clock of
 * the loop's timers, as of the same moment of its turn: what one of them was
 * set for has come when it fires. It is the same in all processes of this
 * machine, until that is started again.
 *
 * Not here: what day it is (time(3)), for who tells people or other machines.
 */
#ifndef PLEXBRIDGE_BASE_LOOP_H
#define PLEXBRIDGE_BASE_LOOP_H

#include <ev.h>

/* Seconds of CLOCK_MONOTONIC as the loop's turn began, or ev_now_update() was called. Never 0. */
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
