/*
 * choose.h - who gets which tuner
 *
 * Pure. A tuner is a running channel, a provider's slot too; a second viewer
 * of a channel takes neither. What nobody watches any more is given up at
 * once when somebody else needs it: first what only lingers, then what only
 * clients hold that have closed their side, then what only such clients hold
 * as acknowledge but don't read.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_CHOOSE_H
#define PLEXBRIDGE_SUPERVISOR_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are given up, last first. */
enum seat_use {
	SEAT_WATCHED,
	SEAT_STALLED, /* all of its clients are paused, or closed their side */
	SEAT_LEFT, /* all of its clients closed their side */
	SEAT_LINGERING, /* no clients */
};

/* One running stream. */
struct seat {
	int tuner;
	enum seat_use use;
	bool same_channel; /* as the one that is asked for */
	bool same_provider; /* likewise; false when it has none */
	double idle_s; /* how long it has been used so */
};

struct choice {
	int error; /* 0, 804 or 805; the rest counts only when 0 */
	int join; /* index of the seat that already plays the channel, or -1 */
	int tuner; /* for a new stream */
	int give_up[2]; /* indices of seats that must end first, -1: none */
};

/*
 * The device that is asked has the tuners from first on, tuner_count of
 * them. wanted: the number of one of them, or -1 for any. provider_max: streams that the
 * channel's provider allows, 0 for any number.
 */
void choose_tuner(struct choice *out, const struct seat *seats, size_t count, int wanted, int first, int tuner_count,
    int provider_max);

#endif
