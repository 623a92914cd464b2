/*
 * tally.h - how each of a channel's sources was, second by second and minute by minute
 *
 * The figures of a stream (ipc/state.h) are of the source in use; these are
 * each source's own, for as long as the stream lives: what happened while it
 * was in use, lately and in each of the last STATE_MINUTES minutes in which it
 * was. They lie in the stream's state, so that a successor goes on with them.
 *
 * Pure but for the memory it is given: no I/O, no clock; time is passed in.
 */
#ifndef PLEXBRIDGE_WORKER_TALLY_H
#define PLEXBRIDGE_WORKER_TALLY_H

#include <stdint.h>

#include "ipc/state.h"

/* As of one moment: counts are this worker's, ever. */
struct tally_look {
	int64_t now_ms; /* CLOCK_MONOTONIC */
	uint64_t bytes, requests, troubles; /* troubles: tries that failed, requests that ended so */
	uint64_t segments, losses, resent; /* of TCP, as worker/outlook.h counts them */
	uint32_t latency_ms, throughput_kbps, rtt_ms;
	uint32_t loss_permille, error_permille; /* lately */
	enum state_quality quality;
};

struct tally {
	unsigned source; /* the one in use at the last look */
	struct tally_look last;
};

/* A worker begins, with counts of 0, at that source. */
void tally_init(struct tally *tally, unsigned source, int64_t now_ms);

/*
 * A second has passed: what happened since the last look is of the source
 * that was in use then; `source` is from now on.
 */
void tally_second(struct tally *tally, struct state_sources *to, unsigned source, const struct tally_look *look);

/* How that source was when it was last in use; normal when that is TALLY_STALE_MS past, or never was. */
#define TALLY_STALE_MS 600000
enum state_quality tally_quality(const struct state_source *one, int64_t now_ms);

#endif
