/*
 * learn.h - the reserve that a source's outages ask for
 *
 * A source that goes away for twelve seconds once a day needs a reserve of
 * twelve seconds and something over; one that never does needs none. What
 * was seen decides: the longest outage of the last day or so, and a quarter
 * more.
 *
 *   outage   no media for longer than two target durations
 *   wanted   grows at once; shrinks by a quarter for each day in which no
 *            outage needed even half of it
 *   bounds   [0, most_ms]; 0: nothing was learned, the setting is enough
 *
 * Pure: no I/O, no clock; time is passed in, in seconds.
 */
#ifndef PLEXBRIDGE_WORKER_LEARN_H
#define PLEXBRIDGE_WORKER_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#define LEARN_FORGET_S 86400.0

struct learn {
	uint32_t wanted_ms;
	uint32_t outages; /* seen, ever */
	uint32_t longest_ms; /* of them */
	uint64_t media_ms; /* as of the last look */
	double moved_s; /* when media last came */
	double needed_s; /* when half of wanted_ms was last needed */
	bool in_outage;
};

/* known_ms: what was learned in an earlier life. */
void learn_init(struct learn *learn, uint32_t known_ms, double now_s);

/*
 * A look, about once a second: media_ms exist by now, segments last
 * target_ms (0: not known yet, nothing is learned). true: an outage has
 * just ended, and wanted_ms is more than it was before it.
 */
bool learn_second(struct learn *learn, uint64_t media_ms, uint32_t target_ms, uint32_t most_ms, double now_s);

/* The reserve to keep: what the setting says, or what was learned; half as much again while the source is degraded. */
uint32_t learn_target_ms(const struct learn *learn, uint32_t setting_ms, uint32_t most_ms, bool degraded);

#endif
