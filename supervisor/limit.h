/*
 * limit.h - how often one asker is answered
 *
 * Pure: time is passed in. A bucket for each of the last LIMIT_ASKERS
 * addresses: LIMIT_BURST answers at once, LIMIT_RATE a second for ever. So
 * a client that searches hard is never left without (a search is two
 * packets), and one that is forged is no amplifier.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_LIMIT_H
#define PLEXBRIDGE_SUPERVISOR_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/addr.h"

#define LIMIT_ASKERS 256
#define LIMIT_RATE 16.0
#define LIMIT_BURST 32.0

/* All zero is one that nobody asked yet. */
struct limit {
	struct {
		uint8_t key[17]; /* family and address */
		double left;
		double at_s; /* when left was right; 0: free */
	} askers[LIMIT_ASKERS];
};

/* May it be answered now? Takes one from its bucket when so. now_s: a clock that doesn't go back, above 0. */
bool limit_take(struct limit *limit, const struct addr *asker, double now_s);

#endif
