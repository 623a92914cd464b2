/*
 * pace.c - a clock that starts with the first byte and never jumps
 *
 * A player begins to play when it gets its first picture: it has played
 * (now - anchor) of media. As long as that much exists nobody starves, and
 * what comes late is let through at once, back to `burst` ahead of the
 * player. Only when a player's position passes the head is it standing
 * still; then the anchor is moved along, so that afterwards media is
 * released in real time again and not in one heap.
 */
#include "worker/pace.h"

#include <string.h>

#include "base/pb.h"
#include "base/ts.h"

#define MS_27M ((int64_t)27000)
#define RATE_MAX_PPM 2000
/* A reserve that is off by a quarter of its target turns the rate fully. */
#define RATE_SLOPE 4
#define SMOOTH_S 30
#define SETTLE_MS 30000

static int64_t
media_27m(int64_t ns)
{
	return ns * 27 / 1000;
}

void
pace_init(struct pace *pace, uint32_t burst_ms)
{
	memset(pace, 0, sizeof(*pace));
	pace->burst_27m = burst_ms * MS_27M;
}

void
pace_set_burst(struct pace *pace, uint32_t burst_ms)
{
	if (!pace->started)
		pace->burst_27m = burst_ms * MS_27M;
}

void
pace_draw_in(struct pace *pace, int64_t by_27m)
{
	/* A player that is ahead of what exists stands still: its clock is drawn in with the burst's. */
	pace->anchor_pcr_27m -= PB_MAX(by_27m - pace->burst_27m, 0);
	pace->burst_27m = PB_MAX(pace->burst_27m - by_27m, 0);
}

void
pace_set_target(struct pace *pace, uint32_t reserve_ms)
{
	pace->target_27m = reserve_ms * MS_27M;
}

/* How far a player that began at the first byte has played. */
static int64_t
player(const struct pace *pace, int64_t now_ns)
{
	int64_t elapsed = media_27m(now_ns - pace->anchor_ns);

	return pace->anchor_pcr_27m + elapsed + elapsed / 1000 * pace->rate_ppm / 1000;
}

int64_t
pace_position(const struct pace *pace, int64_t now_ns)
{
	return pace->started ? player(pace, now_ns) + pace->burst_27m : TS_NOTIME;
}

/* Move the anchor to now without moving the position: the rate may change from here on. */
static void
reanchor(struct pace *pace, int64_t at_27m, int64_t now_ns)
{
	pace->anchor_pcr_27m = at_27m;
	pace->anchor_ns = now_ns;
}

static void
follow_reserve(struct pace *pace, int64_t now_ns)
{
	int64_t passed_ms = (now_ns - pace->last_ns) / 1000000;
	int64_t error, ppm;

	if (passed_ms < 1000)
		return;
	pace->last_ns = now_ns;
	if (pace->smooth_27m == 0)
		pace->smooth_27m = pace->reserve_27m;
	pace->smooth_27m +=
	    (pace->reserve_27m - pace->smooth_27m) * PB_MIN(passed_ms, SMOOTH_S * 1000) / (SMOOTH_S * 1000);
	pace->borrowed_27m = PB_MAX(pace->borrowed_27m - passed_ms * MS_27M / 1000 * pace->rate_ppm / 1000, INT64_C(0));
	pace->settled_ms += passed_ms;
	if (pace->base_27m == 0 && pace->settled_ms >= SETTLE_MS)
		pace->base_27m = pace->smooth_27m;
	if (pace->target_27m == 0)
		return;
	error = pace->smooth_27m - pace->target_27m;
	ppm = error * RATE_SLOPE * RATE_MAX_PPM / pace->target_27m;
	ppm = PB_MAX(PB_MIN(ppm, RATE_MAX_PPM), -RATE_MAX_PPM);
	/* Drift is followed whatever it costs; more than there was is not. */
	if (ppm < 0 && pace->borrowed_27m >= pace->burst_27m / 2 && pace->smooth_27m >= pace->base_27m)
		ppm = 0;
	if (ppm != pace->rate_ppm) {
		reanchor(pace, player(pace, now_ns), now_ns);
		pace->rate_ppm = ppm;
	}
}

static int64_t
mark_pcr(const struct state *state, uint64_t n)
{
	return atomic_load_explicit(&state->marks[n % STATE_INDEX].pcr_27m_key, memory_order_relaxed) >> 1;
}

static uint64_t
mark_offset(const struct state *state, uint64_t n)
{
	return atomic_load_explicit(&state->marks[n % STATE_INDEX].offset, memory_order_relaxed);
}

void
pace_resume(
    struct pace *pace, const struct state *state, const struct state_snapshot *from, uint64_t released, int64_t now_ns)
{
	uint64_t first = from->marks >= STATE_INDEX ? from->marks - STATE_INDEX + 1 : 0;

	pace_init(pace, 0);
	pace->started = from->anchor_ns != 0;
	pace->anchor_ns = from->anchor_ns;
	pace->anchor_pcr_27m = from->anchor_pcr_27m;
	pace->burst_27m = from->burst_27m;
	pace->target_27m = from->target_27m;
	pace->rate_ppm = from->rate_ppm;
	pace->last_ns = now_ns;
	for (pace->next = from->marks; pace->next > first && mark_offset(state, pace->next - 1) >= released;
	     pace->next--)
		;
	/* Its first commit comes before the first release. */
	pace->position_27m = pace->started ? pace_position(pace, now_ns) : from->head_pcr_27m;
	pace->reserve_27m = PB_MAX(from->head_pcr_27m - pace->position_27m, 0);
}

uint64_t
pace_release(struct pace *pace, const struct state *state, uint64_t marks, uint64_t head, int64_t head_pcr_27m,
    uint64_t released, int64_t now_ns)
{
	int64_t position;

	if (marks == 0 || head == 0)
		return released;
	if (!pace->started) {
		pace->started = true;
		pace->last_ns = now_ns;
		reanchor(pace, mark_pcr(state, 0), now_ns);
	}
	if (pace->next + STATE_INDEX <= marks)
		pace->next = marks - STATE_INDEX + 1;
	if (player(pace, now_ns) > head_pcr_27m) {
		if (!pace->dry)
			pace->stalls++;
		pace->dry = true;
		pace->borrowed_27m = 0; /* it stood still, and is given the burst again */
		reanchor(pace, head_pcr_27m, now_ns);
	} else {
		pace->dry = false;
	}
	position = pace->position_27m = pace_position(pace, now_ns);
	while (pace->next < marks && mark_pcr(state, pace->next) <= position)
		pace->next++;
	if (pace->next < marks)
		released = PB_MAX(released, mark_offset(state, pace->next));
	else
		released = head;
	pace->reserve_27m = PB_MAX(head_pcr_27m - position, 0);
	follow_reserve(pace, now_ns);
	return released;
}
