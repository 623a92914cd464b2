/*
 * turn.c - check comes right after the wait, prepare right before it
 */
#include "supervisor/turn.h"

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/worker.h"

static void
on_begin(struct ev_loop *loop, ev_check *watch, int revents)
{
	struct turn *turn = watch->data;

	(void)loop;
	(void)revents;
	turn->began_ns = monotonic_ns();
}

static void
on_end(struct ev_loop *loop, ev_prepare *watch, int revents)
{
	struct turn *turn = watch->data;
	double ms;

	(void)loop;
	(void)revents;
	if (turn->began_ns == 0)
		return;
	ms = (double)(monotonic_ns() - turn->began_ns) / 1e6;
	turn->began_ns = 0;
	turn->turns++;
	turn->max_ms = PB_MAX(turn->max_ms, ms);
	if (ms > TURN_LIMIT_MS) {
		turn->long_turns++;
		log_event(LOG_WARNING, "loop.turn", "ms=%.0f limit_ms=%.0f", ms, TURN_LIMIT_MS);
	}
}

void
turn_start(struct turn *turn, struct ev_loop *loop)
{
	ev_check_init(&turn->begin, on_begin);
	ev_prepare_init(&turn->end, on_end);
	/* First after the wait, last before it: what other watchers do in between counts. */
	ev_set_priority(&turn->begin, EV_MAXPRI);
	ev_set_priority(&turn->end, EV_MINPRI);
	turn->begin.data = turn->end.data = turn;
	ev_check_start(loop, &turn->begin);
	ev_prepare_start(loop, &turn->end);
}
