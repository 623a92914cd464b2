/*
 * tsmux.h - access units -> packets, on PIDs that never change
 *
 * The last part of conform: it is given whole access units in the order in
 * which they shall leave, with times on the output's clock, and writes them
 * with our own headers, counters, PAT, PMT and PCR.
 *
 *   pcr_27m, dts_90k   the output's clock, unwrapped; wrapped in the packets
 *   memory             one output buffer, given back when it was large
 *
 * Not here: which units, in which order, at which time (worker/conform.h).
 */
#ifndef PLEXBRIDGE_WORKER_TSMUX_H
#define PLEXBRIDGE_WORKER_TSMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/psi.h"

#define TSMUX_PID_PMT 0x1000
#define TSMUX_PROGRAM 1
#define TSMUX_AUDIO_MAX 65500 /* an audio unit's bytes: its PES length must fit 16 bits */

enum role { ROLE_VIDEO, ROLE_AUDIO, ROLES };

/* A place in the output that is worth knowing; conform.h gives it to its caller. */
struct conform_mark {
	size_t at; /* bytes from the start of this output */
	int64_t pcr_27m; /* the clock there */
	int64_t dts_90k; /* of the access unit that follows */
	bool key; /* PAT, PMT and a key frame stand here: join here */
};

/* One stream as our PMT lists it; fixed for the output's life. */
struct tsmux_stream {
	uint8_t listed;
	uint8_t codec; /* enum es_codec */
	uint8_t type;
	uint8_t desc_len;
	uint8_t desc[PSI_DESC_MAX];
};

/* All that another process needs to go on. Plain, for a snapshot. */
struct tsmux_state {
	struct tsmux_stream stream[ROLES];
	int64_t last_dts[ROLES]; /* TS_NOTIME before the first */
	int64_t last_pcr_27m; /* TS_NOTIME before the first */
	int64_t last_psi_27m;
	int64_t last_key_90k; /* DTS of the last key unit, or TS_NOTIME */
	uint8_t cc_pat;
	uint8_t cc_pmt;
	uint8_t cc[ROLES];
	uint8_t reserved[4];
};

struct tsmux {
	struct tsmux_state s;
	uint8_t *out;
	size_t len;
	size_t cap;
	struct conform_mark *mark;
	size_t nmarks;
	size_t mark_cap;
	uint64_t pcr_repairs; /* PCR packets put in between, to keep the distance */
};

struct tsmux_unit {
	enum role role;
	const uint8_t *data;
	size_t len;
	int64_t dts_90k;
	int64_t pts_90k;
	int64_t floor_90k; /* no unit that leaves from now on has an earlier DTS */
	bool key;
};

void tsmux_init(struct tsmux *mux);
void tsmux_clear(struct tsmux *mux);

/* Forget the output given so far; buffers that grew large shrink. */
void tsmux_reset(struct tsmux *mux);

/*
 * Append one unit. 0; PB_NO when it comes too late for the clock (nothing
 * is written); PB_ELIMIT when the output is full, PB_ENOMEM: nothing is
 * written either.
 */
int tsmux_put(struct tsmux *mux, const struct tsmux_unit *unit);

/* Is this a state that tsmux_put() can go on from? For states from outside. */
bool tsmux_state_ok(const struct tsmux_state *s);

uint16_t tsmux_pid(enum role role);

#endif
