/*
 * splice.h - units with a source's times -> units on one clock that never steps
 *
 * Every cut is made here, and only here: ad break, failover, time jump, new
 * time base, a source asked again. Between two cuts (an epoch) one offset
 * turns the source's clock into the output's, for both roles, so that lips
 * stay in sync; at a cut the next epoch begins at a key frame, right behind
 * what went before. Units that went out already, fit nowhere or lean on
 * pictures that are gone are dropped.
 *
 *   times      90 kHz; the source's unwrapped around splice_state.ref, the
 *              output's unwrapped for ever
 *   state      struct splice_state, at a segment's begin, for a snapshot:
 *              it and the segment's units decide all
 *   trust      the source's times are claims: each is checked against the one
 *              before it
 *   memory     units up to CONFORM_START_MAX until the stream's start is
 *              decided, 1 MiB while a joint waits
 *
 * Not here: what a unit is (worker/demux.h), when it leaves (worker/interleave.h).
 */
#ifndef PLEXBRIDGE_WORKER_SPLICE_H
#define PLEXBRIDGE_WORKER_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/demux.h"
#include "worker/interleave.h"
#include "worker/keyframe.h"
#include "worker/unit.h"

#define SPLICE_PRINTS 32 /* access units remembered to tell a repeat */

enum splice_phase {
	SPLICE_START, /* nothing went out; streams are not listed yet */
	SPLICE_JOINT, /* a splice waits for its key frame */
	SPLICE_RUN,
	SPLICE_PHASES
};

enum splice_need {
	NEED_NO_KEY,
	NEED_KEY,
	NEED_KEY_IF_MISSING, /* ...if its next picture does not follow the last one closely */
	SPLICE_NEEDS
};

/* Where one role stands. */
struct splice_track {
	int64_t src; /* DTS of its last unit, the source's clock unwrapped; TS_NOTIME in a new epoch */
	int64_t raw; /* the same or a dropped one's, 33 bits; TS_NOTIME */
	int64_t out; /* its DTS on the output's clock; TS_NOTIME before the first */
	int64_t end; /* where its last unit ends, on the output's clock, by PTS */
	int64_t dur; /* a unit's duration */
	int64_t cts; /* the last sane PTS - DTS */
	uint64_t print[SPLICE_PRINTS];
	uint32_t nprints;
	uint32_t reserved;
};

/* Plain, for a snapshot. */
struct splice_state {
	struct splice_track track[ROLES];
	struct keyframe key;
	int64_t offset; /* output = source + offset */
	int64_t ref; /* a source time near now, unwrapped: the way round the circle */
	int64_t old_offset; /* those of the epoch before: its audio may come late */
	int64_t old_ref;
	int64_t joint_out; /* where this epoch begins on the output's clock */
	int64_t filled_raw[ROLES]; /* filled: the last unit before filler, the source's clock, 33 bits; TS_NOTIME */
	int64_t joint_pts; /* pictures shown before this one have lost what they lean on */
	int64_t
	    met[ROLES]; /* the other role's first DTS since a unit of this one came, the output's clock; TS_NOTIME */
	int64_t lag_90k[ROLES]; /* as far as that a role was seen to come behind the other */
	uint32_t source;
	uint8_t phase; /* enum splice_phase */
	uint8_t have_old;
	uint8_t need_key; /* enum splice_need: must video go on at a key frame? */
	uint8_t filled; /* filler went out behind the last unit: nothing before that comes again */
};

struct splice_counts {
	uint64_t early; /* units dropped: they wait for a key frame, or stand before it */
	uint64_t late; /* ...times that fit nowhere */
	uint64_t repeats; /* ...sent already */
	uint64_t unlisted; /* ...of a role that our PMT does not have */
	uint64_t splices;
	uint64_t time_repairs;
};

struct splice {
	struct splice_state s;
	struct pool *pool; /* borrowed, as the next two */
	const struct demux *from; /* which streams there are */
	struct interleave *to;
	int64_t first_dts_90k; /* of the stream's first unit */

	struct queue held; /* units that wait for a decision: start, joint, strays */
	struct unit *held_key; /* the first key frame among them */
	int64_t span[ROLES][2]; /* first and newest raw DTS of this segment; TS_NOTIME */
	bool again; /* what was held arrives once more: when that is says nothing */
	bool resend; /* a repeat of what went out is expected, not a jump */

	/* Of this segment. */
	uint32_t duration_ms;
	bool first[ROLES]; /* no unit of it was mapped yet */
	bool video_since; /* video came since audio began to wait */
	uint64_t carried; /* units that were understood */

	struct splice_counts counts;
};

/* Borrows all for as long as s lives; the caller sets nothing else, but resend. */
void splice_init(
    struct splice *s, struct pool *pool, const struct demux *from, struct interleave *to, int64_t first_dts_90k);
void splice_clear(struct splice *s);

/*
 * A segment begins. anew: it has another source or another time base, and
 * is joined behind what went before. duration_ms: 0 when not known.
 */
void splice_begin(struct splice *s, bool anew, uint32_t source, uint32_t duration_ms);

/* Take a unit of the source. 0, PB_ENOMEM. */
int splice_put(struct splice *s, struct unit *u);

/* The segment is over: what waits for more of it is decided now. 0, PB_ENOMEM. */
int splice_end(struct splice *s);

/*
 * Filler goes out in place of what does not come: what comes then is joined
 * behind it, at a key frame. Nothing may wait in the interleaver.
 */
void splice_fill(struct splice *s);

/* Filler has gone out up to this unit, which ends there. */
void splice_filled(struct splice *s, enum role role, int64_t dts_90k, int64_t end_90k);

/* A connection begins where another ended: were pictures missed between the two? The first one will tell. */
void splice_reconnect(struct splice *s);

/* Whatever waits still, waits in vain. */
void splice_drop(struct splice *s);

/*
 * For a state from a snapshot whose segment is not fed again: go on near
 * what left last.
 */
void splice_catch_up(struct splice *s);

/* Is this a state to go on from? For states from outside. */
bool splice_state_ok(const struct splice_state *s);

/* Small enough that no sum of a few of them overflows; ten thousand years are. */
bool splice_number_ok(int64_t t);

#endif
