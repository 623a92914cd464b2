/*
 * step.h - which variant of a master can be carried
 *
 * Before a reserve is spent because the way to the source is too narrow for
 * the variant that is played, a lesser one is taken; when the way has been
 * wide enough for long, a better one again.
 *
 *   down   the throughput is less than the variant needs, the reserve has
 *          begun to shrink and would last less than STEP_HORIZON_S at that
 *          rate (twice as long when the source is degraded), for two looks in
 *          a row: the best that needs four fifths of the throughput, of the
 *          same picture size if there is one; the least if none is small
 *          enough
 *   up     the throughput has been half more than the better variant needs
 *          for STEP_GOOD_S and the source was normal, and STEP_AGAIN_S have
 *          passed since the last step; twice as long (to an hour) when the
 *          last step up had to be taken back
 *   often  at most one step in STEP_AGAIN_S, but for a step down without
 *          which the picture would stop
 *
 * What a variant needs is what its bandwidth says, corrected by what the one
 * that is played really takes.
 *
 * Pure: no I/O, no clock; time is passed in, in seconds.
 */
#ifndef PLEXBRIDGE_WORKER_STEP_H
#define PLEXBRIDGE_WORKER_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STEP_VARIANTS_MAX 64
#define STEP_HORIZON_S 30.0
#define STEP_GOOD_S 60.0
#define STEP_AGAIN_S 600.0
#define STEP_AGAIN_MAX_S 3600.0
#define STEP_SETTLE_S 20.0 /* after a step the figures are still those of the variant before */
#define STEP_LOOKS 32 /* the reserve shrinks when it is less than it was in one of so many looks, */
#define STEP_SHRUNK_MS 500 /* by so much, */
#define STEP_LOW_MS 1000 /* or when there is none to speak of */

struct step_variant {
	uint64_t bandwidth_bps; /* as the master says */
	uint32_t width, height;
	bool usable; /* may be played, and in this stream */
};

struct step_look {
	double now_s;
	uint64_t throughput_bps; /* 0: not known */
	uint64_t media_bps; /* what the segments of the one that is played take; 0: not known */
	uint32_t reserve_ms;
	bool normal; /* the source's state */
};

struct step {
	bool stepped;
	double changed_s; /* the last step, or the start */
	double up_s; /* the last one up; 0: none */
	double good_s; /* since when a better one could be carried; 0: it can't */
	double again_s; /* how long the next one up has to wait after the last step */
	unsigned bad; /* looks in a row */
	uint32_t reserve_ms[STEP_LOOKS]; /* as of the last looks */
	unsigned looks;
};

void step_init(struct step *step, double now_s);

/*
 * A look, about once a second: the variant to play, `current` unless a step
 * is to be taken. The step counts as taken.
 */
size_t step_second(
    struct step *step, const struct step_variant *variants, size_t count, size_t current, const struct step_look *look);

#endif
