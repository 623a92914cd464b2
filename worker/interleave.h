/*
 * interleave.h - two queues of units -> one order, by DTS
 *
 * Holds each role's units, in their order, until the other role can't have
 * an earlier one any more; then writes them through tsmux. A role that is
 * listed but dries up is not waited for, and filled by who knows how.
 *
 *   state      mux.s and left_offset: that of the last unit which left
 *   memory     units of a second, or as long as one role comes behind the
 *              other: three seconds or 16 MiB; the output (worker/tsmux.h)
 *
 * Not here: what dries up, and how long to wait (worker/splice.h, which sees
 * all that arrives).
 */
#ifndef PLEXBRIDGE_WORKER_INTERLEAVE_H
#define PLEXBRIDGE_WORKER_INTERLEAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ts.h"
#include "worker/tsmux.h"
#include "worker/unit.h"

#define INTERLEAVE_LAG_MAX_90K (3 * 90000) /* no role is waited for longer than this */

struct interleave {
	struct pool *pool; /* borrowed */
	struct queue queue[ROLES];
	struct tsmux mux;
	int64_t left_offset; /* of the last unit that left; when has_left */
	bool has_left;
	int (*written)(void *arg);

	/* What is known of the units to come; the caller's, before it puts one. */
	int64_t since_90k; /* where this epoch begins: nothing comes from before, while nothing of a role left yet */
	int64_t lag_90k[ROLES]; /* as far as that a role comes behind the other; up to INTERLEAVE_LAG_MAX_90K */
	bool is_dry[ROLES];

	/* Nothing comes of a role: fill it up to there, behind what left of it. NULL: it stays dry. PB_ENOMEM ends it. */
	int (*dry)(void *arg, enum role role, int64_t until_90k);
	void *arg;

	uint64_t arrived; /* units that were put here */
	uint64_t units[ROLES]; /* that went out */
	uint64_t keys;
	uint64_t late; /* dropped: too late for the clock */
	uint64_t damaged; /* dropped: no room for them in the output */
	int64_t key_interval_90k; /* between the last two key frames, 0 before */
};

/*
 * written is told, between two units, when INTERLEAVE_WRITTEN bytes of
 * output or more wait in mux; its error ends the call that it came from.
 * NULL: nobody is.
 */
#define INTERLEAVE_WRITTEN ((size_t)64 << 10)
void interleave_init(struct interleave *il, struct pool *pool, int (*written)(void *arg), void *arg);
void interleave_clear(struct interleave *il);

/* Did anything leave, in this life or an earlier one? */
static inline bool
interleave_started(const struct interleave *il)
{
	return il->mux.s.last_pcr_27m != TS_NOTIME;
}
static inline bool
interleave_listed(const struct interleave *il, enum role role)
{
	return il->mux.s.stream[role].listed;
}

/* Take u, later than all of its role before, and let go what may. 0, PB_ENOMEM. */
int interleave_put(struct interleave *il, struct unit *u);

/* Is any here that has not left? */
static inline bool
interleave_waits(const struct interleave *il)
{
	return il->queue[ROLE_VIDEO].first != NULL || il->queue[ROLE_AUDIO].first != NULL;
}

/* Let go all that is here. 0, PB_ENOMEM. */
int interleave_flush(struct interleave *il);

#endif
