/*
 * outlook.h - once a second: how upstream is, and what follows from it
 *
 * Takes the figures of a second and says how patient requests should be, how
 * many segments to have under way and what reserve to keep. Three states
 * (worker/quality.h); degraded means longer time-outs, deeper prefetch and a
 * larger reserve, until it has been good again.
 *
 *   lately   the last OUTLOOK_S seconds
 *   loss     of segments of TCP: those of ours that were sent again, and
 *            those of theirs that came out of order, which is what a lost
 *            one does to all behind it: never less than what was lost
 *
 * Pure: no I/O, no clock; time is passed in, in seconds.
 */
#ifndef PLEXBRIDGE_WORKER_OUTLOOK_H
#define PLEXBRIDGE_WORKER_OUTLOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"
#include "ipc/state.h"
#include "worker/fetch.h"
#include "worker/learn.h"
#include "worker/quality.h"

#define OUTLOOK_S 10

/* Counters of one moment; the difference of two is what happened between them. */
struct outlook_counts {
	uint64_t requests, troubles; /* troubles: tries that failed */
	uint64_t segments, losses, resent;
};

struct outlook {
	struct quality quality;
	struct learn learn;
	struct outlook_counts ring[OUTLOOK_S]; /* as of so many seconds ago */
	unsigned at;
	uint32_t setting_ms; /* the reserve as it was set, or reached at the start; 0: not known yet */
	uint32_t most_ms; /* reserve_max */
	bool fixed; /* the operator named a reserve: it is not learned */
	uint32_t loss_permille, error_permille, retransmits; /* lately */
};

struct outlook_look {
	double now_s;
	struct fetch_figures figures;
	struct fetch_way way;
	uint64_t media; /* grows whenever media comes from the source */
	uint32_t target_ms;
	uint32_t latency_limit_ms;
	bool dry; /* all that exists is released, and it is not enough */
};

/* What happened in this second, for the log. */
enum { OUTLOOK_QUALITY = 1, OUTLOOK_LEARNED = 2 };

void outlook_init(struct outlook *outlook, const struct msg_settings *settings, uint32_t learned_ms, double now_s);

/* The counters of that moment. */
struct outlook_counts outlook_counts(const struct outlook_look *look);

/* A second has passed: OUTLOOK_... */
unsigned outlook_second(struct outlook *outlook, const struct outlook_look *look);

/* The source is another from now on: what was lately is forgotten, and it is taken to be as it was. */
void outlook_other(struct outlook *outlook, const struct outlook_look *look, enum state_quality was);

/* What a tune asks for: the setting or, if that is auto, what was learned and auto_ms at least. */
uint32_t outlook_start_ms(const struct msg_settings *settings, uint32_t learned_ms, uint32_t auto_ms);

/* This is the reserve that was set, or reached; from now on there is a target. */
void outlook_reached(struct outlook *outlook, uint32_t reserve_ms);

/* The reserve to keep; 0: not known yet. */
uint32_t outlook_reserve_ms(const struct outlook *outlook);

/* How long to wait for everybody, in permille of the settings. */
uint32_t outlook_patience(const struct outlook *outlook);

/* So many segments more than the setting says are to be under way or ready. */
uint32_t outlook_deeper(const struct outlook *outlook);

#endif
