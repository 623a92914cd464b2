/*
 * prefetch.h - which segments, how many at once, in which order they leave
 *
 * A queue of segments in the order of playing. The first is in hand: its
 * bytes go on as they arrive. Up to `prefetch` of them (settings) are in
 * flight or ready; those behind the first are kept as they came, encrypted
 * if they are. A segment that can't be had in time is given up and said so;
 * the next one follows.
 *
 *   order     `begin`, `data`..., `end` or `lost`, one segment after the other
 *   bounds    PREFETCH_QUEUE segments, PREFETCH_KEPT bytes behind the first
 *   again     what came is an error page, or empty: fetched again while its
 *             deadline allows
 *   deadline  a segment's own length and the reserve in hand, less 2 s
 *             (hls.md 7); never less than 3 s. One that trickles past it is
 *             cut when the picture stands and the next one has been whole for
 *             a second
 *   depth     one, while the pool has one connection: what it was asked for
 *             behind the first before, and has not begun, is asked for in its
 *             turn
 *   blocking  never; at most PREFETCH_TURN bytes are handed on in one turn
 */
#ifndef PLEXBRIDGE_WORKER_PREFETCH_H
#define PLEXBRIDGE_WORKER_PREFETCH_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"
#include "ipc/state.h"
#include "worker/fetch.h"
#include "worker/source.h"

#define PREFETCH_QUEUE 64
#define PREFETCH_KEPT ((size_t)24 << 20)
#define PREFETCH_TURN ((size_t)4 << 20)

struct prefetch;

struct prefetch_ops {
	void (*begin)(void *arg, const struct source_segment *segment); /* url is NULL in it */
	/* Plain TS. PB_EFORMAT: nothing of it is any good, it may be fetched once more; other errors refuse it for good. */
	int (*data)(void *arg, const void *buf, size_t len);
	/* truncated: bytes are missing at its end. 0, or as data: nothing came of it. */
	int (*end)(void *arg, bool truncated);
	/*
	 * It could not be had; `begin` may or may not have been called. status: of
	 * HTTP, 0 when there was none. reason NULL: its bytes are of no use, and
	 * who took them knows why.
	 */
	void (*lost)(void *arg, const struct source_segment *segment, int status, const char *reason);
	/*
	 * The server refuses it (401, 403, 404, 410). true: somebody finds out
	 * where it is now, prefetch_clear() was called (which ends segment and
	 * reason), it will be added again.
	 */
	bool (*gone)(void *arg, const struct source_segment *segment, int status, const char *reason);
	/* May data be taken now? Otherwise prefetch_resume() when it may. */
	bool (*room)(void *arg);
	/* A place in the queue is free. */
	void (*drained)(void *arg);
	uint32_t (*reserve_ms)(void *arg);
};

/* Borrows all for its life. 0 or PB_ENOMEM. */
int prefetch_new(struct prefetch **out, struct ev_loop *loop, struct fetch_pool *pool, const struct msg_tune *tune,
    struct state *state, const struct prefetch_ops *ops, void *arg);
void prefetch_free(struct prefetch **prefetch);

bool prefetch_room(const struct prefetch *prefetch);
bool prefetch_empty(const struct prefetch *prefetch);

/* Queue one; its strings are copied. 0, PB_ENOMEM, PB_ELIMIT (no room). */
int prefetch_add(struct prefetch *prefetch, const struct source_segment *segment);

/* Data may be taken again. */
void prefetch_resume(struct prefetch *prefetch);

/* Forget all that is queued, in flight and kept. */
void prefetch_clear(struct prefetch *prefetch);

/*
 * Forget what has not come yet: what is whole, in front, stays. Gives the
 * length of what is forgotten, as the playlist said, in milliseconds.
 */
uint64_t prefetch_drop_rest(struct prefetch *prefetch);

/*
 * Forget what is neither in hand nor whole: it will come from elsewhere.
 * Gives the serial of the first such (UINT64_MAX: there is none), and in *ms
 * how long they are by the playlist.
 */
uint64_t prefetch_drop_waiting(struct prefetch *prefetch, uint64_t *ms);

/* Until then (loop time) the first media is waited for, whatever the reserve; 0: it is there. */
void prefetch_tuning(struct prefetch *prefetch, ev_tstamp until);

/* Have so many segments more under way than the setting says. */
void prefetch_deepen(struct prefetch *prefetch, uint32_t more);

/*
 * Begin no more while so many are under way, whatever else was said: on a
 * narrow way each takes from the one in hand. 0: no such bound.
 */
void prefetch_most(struct prefetch *prefetch, uint32_t most);

#endif
