/*
 * pace.h - releases the stream by its own programme clock
 *
 * The reserve stays here and not in the air: after a burst the stream is
 * released in real time by PCR. Pure: marks and snapshot in, an offset
 * out; the time is passed in.
 *
 *   now_ns      CLOCK_MONOTONIC
 *   position    PCR up to which the stream may have been sent:
 *               anchor_pcr + burst + (now - anchor) * rate
 *   rate        1 +- 0.2 %, follows the reserve, so that clock drift never
 *               eats it. A slower one is borrowed from who watches, whose
 *               clock goes on: for a reserve that is to be larger than it was
 *               reached, that is no more than half of the burst
 *   stall       when a player that began at the first byte would have run
 *               dry, its clock stands still; so does ours, and media goes
 *               on in real time from where it stood
 *
 * Everything it needs to go on in another process is in the snapshot.
 */
#ifndef PLEXBRIDGE_WORKER_PACE_H
#define PLEXBRIDGE_WORKER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/state.h"

#define PACE_TICK_S 0.1 /* what a send costs is its size; mpegts.md 7, issue's measurement */

struct pace {
	bool started;
	int64_t anchor_ns;
	int64_t anchor_pcr_27m;
	int64_t burst_27m;
	int64_t rate_ppm;
	uint64_t next; /* the first mark not yet released */
	int64_t position_27m; /* as of the last release */
	int64_t reserve_27m; /* head - position, as of the last release; never negative */
	int64_t smooth_27m; /* its slow average */
	int64_t target_27m; /* what it should be; 0 until known */
	int64_t base_27m; /* what it was, when it had settled; 0 until then */
	int64_t borrowed_27m; /* what a player's clock has gone ahead of ours since */
	int64_t settled_ms; /* released for so long */
	int64_t last_ns;
	uint64_t stalls;
	bool dry;
};

void pace_init(struct pace *pace, uint32_t burst_ms);

/* Go on with the clock of a stream that another worker released up to `released`. */
void pace_resume(
    struct pace *pace, const struct state *state, const struct state_snapshot *from, uint64_t released, int64_t now_ns);

/* What the burst really is, once the window is known; before the first release only. */
void pace_set_burst(struct pace *pace, uint32_t burst_ms);

/*
 * How far the stream is released now: an offset at a mark, or head.
 * Never less than `released`. marks and head are the committed ones.
 */
uint64_t pace_release(struct pace *pace, const struct state *state, uint64_t marks, uint64_t head, int64_t head_pcr_27m,
    uint64_t released, int64_t now_ns);

/*
 * Stand so much further back: nothing was there to be released, and what
 * comes shall not leave in one heap.
 */
void pace_draw_in(struct pace *pace, int64_t by_27m);

/* When the reserve that was reached at the start is known, or learned anew. */
void pace_set_target(struct pace *pace, uint32_t reserve_ms);

/* The PCR that may be released now, or TS_NOTIME before the start. */
int64_t pace_position(const struct pace *pace, int64_t now_ns);

#endif
