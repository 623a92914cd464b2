/*
 * late.h - is an answer late by its own history, and may it be asked for twice?
 *
 * A second request for what is late (a hedge) cures a connection or a node
 * that hangs, in a fraction of the time that a time-out takes. Made without
 * measure it doubles the load of a server that is slow because of its load:
 * so each second request is paid from a budget that only answers fill.
 *
 *   late     later than mean + 4 deviations of what came before (as RFC 6298
 *            does for a retransmission), at least LATE_FLOOR_MS
 *   budget   LATE_BURST at once, then one for each ten answers; during an
 *            outage nothing answers, so nothing is asked for twice for long
 *
 * Pure: no I/O, no clock.
 */
#ifndef PLEXBRIDGE_WORKER_LATE_H
#define PLEXBRIDGE_WORKER_LATE_H

#include <stdbool.h>
#include <stdint.h>

#define LATE_FLOOR_MS 300
#define LATE_BURST 3

struct late {
	double mean_ms, deviation_ms; /* 0 before the first answer */
	bool known;
	double budget;
};

void late_init(struct late *late);

/* An answer began after so long. */
void late_heard(struct late *late, uint32_t ms);

/* From when on one is late; most_ms when nothing is known yet, and never more than that. */
uint32_t late_after_ms(const struct late *late, uint32_t most_ms);

/* May there be a second request now? true: it is paid for. */
bool late_spend(struct late *late);

#endif
