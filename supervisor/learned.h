/*
 * learned.h - the reserves that outages taught, beyond the life of a stream
 *
 * A worker learns how long its source goes away (worker/learn.h) and forgets
 * it when its last viewer leaves. What it knew is kept here by channel, and
 * told to the next worker with its tune; and in a file of state_dir, so that
 * a restart doesn't forget it either.
 *
 *   trust     a worker's figure is bounded by LEARNED_MAX_MS, the file is
 *             read as hostile input
 *   bounds    LEARNED_CHANNELS; the one that was noted longest ago goes first
 *   blocking  the file only, of 64 KiB at most, at start and when a figure
 *             has changed, no oftener than once a minute
 */
#ifndef PLEXBRIDGE_SUPERVISOR_LEARNED_H
#define PLEXBRIDGE_SUPERVISOR_LEARNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/lineup.h"

#define LEARNED_CHANNELS 1024
#define LEARNED_MAX_MS 3600000
#define LEARNED_SAVE_S 60.0

struct learned {
	size_t count;
	uint64_t clock; /* grows with each note */
	bool changed; /* since it was saved */
	double saved_s;
	struct learned_one {
		char guide_number[GUIDE_NUMBER_MAX];
		uint32_t ms;
		uint64_t noted;
	} one[LEARNED_CHANNELS];
};

/* What was learned of a channel; 0: nothing. */
uint32_t learned_of(const struct learned *learned, const char *guide_number);

/* A worker says so; 0 forgets it. */
void learned_note(struct learned *learned, const char *guide_number, uint32_t ms);

/* Read what learned_text() once gave; lines that are none are skipped. */
void learned_read(struct learned *learned, const char *text, size_t len);

/* One line a channel, "NUMBER MS\n", oldest note first. Gives a string (free(3)), NULL without memory. */
char *learned_text(const struct learned *learned, size_t *len);

/* Load from and save to state_dir. Saving does nothing while nothing changed, or sooner than LEARNED_SAVE_S after the last. */
void learned_load(struct learned *learned, const char *state_dir);
void learned_save(struct learned *learned, const char *state_dir, double now_s);

#endif
