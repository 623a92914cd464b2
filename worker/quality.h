/*
 * quality.h - how good upstream is: normal, degraded, outage
 *
 * Pure: one second's figures in, a state out, with hysteresis, so that a
 * single slow answer is no event and a single quick one no recovery.
 */
#ifndef PLEXBRIDGE_WORKER_QUALITY_H
#define PLEXBRIDGE_WORKER_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/state.h"

struct quality {
	enum state_quality state;
	uint64_t retries, errors; /* as of the last second */
	unsigned bad_s, good_s; /* seconds in a row */
	unsigned trouble; /* decaying count of retries and errors */
	unsigned decay_s; /* seconds since it was halved */
};

/* One second's look. latency_limit_ms: above it a source is degraded. */
struct quality_sample {
	uint32_t latency_ms;
	uint32_t latency_limit_ms;
	uint64_t retries, errors; /* ever */
	uint32_t loss_permille; /* lately */
	bool dry; /* all that exists is released, and it is not enough */
};

/* true when the state changed. */
bool quality_second(struct quality *quality, const struct quality_sample *sample);

const char *quality_name(enum state_quality state);

#endif
