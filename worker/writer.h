/*
 * writer.h - the spool station: conform, append, commit, release, reclaim
 *
 * Takes a segment's bytes in their order, lets conform make one continuous
 * stream of them, appends what comes out and commits it; releases it by
 * the pacer; gives back what lies behind the window. When the reserve is
 * spent it is the one that says so, and fills (worker/filler.h) until media
 * comes: with the tick, no more than half a second ahead of what is released.
 *
 *   owner     of state's written fields while the stream is this worker's
 *   bounds    reserve in seconds (reserve_max) and window plus reserve in
 *             bytes (spool_max): history goes first, then no more is taken in
 *   blocking  never
 */
#ifndef PLEXBRIDGE_WORKER_WRITER_H
#define PLEXBRIDGE_WORKER_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/msg.h"
#include "ipc/state.h"
#include "worker/conform.h"

struct writer;

/* Told before the tail moves, and when the stream has its first key frame to send. */
struct writer_ops {
	void (*before_tail)(void *arg, uint64_t new_tail);
	void (*media)(void *arg);
};

/* Borrows all but makes its own conformer. 0, PB_ENOMEM. */
int writer_new(struct writer **out, int spool_fd, struct state *state, const struct msg_settings *settings,
    const struct writer_ops *ops, void *arg);
void writer_free(struct writer **writer);

/*
 * Go on from the commit of the worker before, before anything is fed.
 * *upstream says where it was, *in_segment whether that segment was not
 * over yet: then it is fed again from its start, what has left is dropped.
 * *passed: it was given up, and what follows begins anew.
 * 0; PB_NO when there is nothing to go on from (no key frame was out);
 * PB_EFORMAT when the snapshot is none.
 */
int writer_resume(
    struct writer *writer, int64_t now_ns, struct state_upstream *upstream, bool *in_segment, bool *passed);

/* Where upstream is; becomes part of the next commit. */
void writer_upstream(struct writer *writer, const struct state_upstream *upstream);

/*
 * Nothing more will come of the segment that upstream names: commit that,
 * so that a successor does not try it again.
 */
void writer_pass(struct writer *writer, const struct state_upstream *upstream);

/* A segment begins, its bytes come, it ends: as conform_begin(), _feed() and _end(). now_ns: CLOCK_MONOTONIC. */
void writer_begin(struct writer *writer, const struct conform_input *input);
int writer_feed(struct writer *writer, const void *buf, size_t len, int64_t now_ns);
int writer_end(struct writer *writer, bool truncated, int64_t now_ns);

/* May more be fed? No, while the reserve is at its bound, or the spool could not take what came before. */
bool writer_room(const struct writer *writer);

/*
 * Release what is due and give back what lies behind the window; hold_at:
 * offset that the tail must not pass (UINT64_MAX: none). true when more
 * was released.
 */
bool writer_tick(struct writer *writer, int64_t now_ns, uint64_t hold_at);

/*
 * The machine stood still until now. What is due may be had of the source at
 * once: filler waits for it as long as ever, from now on.
 */
void writer_paused(struct writer *writer, int64_t now_ns);

/* No more will come: release the rest in time; writer_done() when all of it is out. */
void writer_finish(struct writer *writer);
bool writer_done(const struct writer *writer);

/* What the window allowed at the start, in milliseconds. */
void writer_set_start(struct writer *writer, uint32_t burst_ms, uint32_t reserve_ms);

/* The reserve as it was lately, its ups and downs evened out. */
uint32_t writer_reached_ms(const struct writer *writer);

/* The reserve to keep from now on: the rate follows it, within what the pacer may. */
void writer_keep_reserve(struct writer *writer, uint32_t reserve_ms);

/* All that exists is released, and a player would have run dry. */
bool writer_dry(const struct writer *writer);

/* Filler goes out: the reserve is spent, and nothing of what came since is out yet. */
bool writer_filling(const struct writer *writer);

/* What may stand in for media: takes those of fds that are not -1, and leaves -1. */
void writer_slates(struct writer *writer, int fds[MSG_SLATES_MAX]);

/* Since it was last asked: did a slate come on (*why is ""), or was none found that fits (*why)? */
bool writer_slate_news(struct writer *writer, const char **why);

/* The machine has no memory for the spool: what came waits, and is tried again with each tick. */
bool writer_owes(const struct writer *writer);

uint32_t writer_reserve_ms(const struct writer *writer);

/* The offset, between two units, where the stream is so old; UINT64_MAX: so much is not released yet. */
uint64_t writer_offset_at(const struct writer *writer, uint64_t ms);

bool writer_has_media(const struct writer *writer);
/* Its conformer, for figures and reasons. Borrowed. */
struct conform *writer_conform(struct writer *writer);

#endif
