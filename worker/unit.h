/*
 * unit.h - access units on their way through conform, and queues of them
 *
 * A unit is one PES of the source in a buffer of its own: found by demux,
 * given its time by splice, sent off by interleave. It has one owner at any
 * time; a function that is given a unit takes it, also when it fails.
 *
 *   raw_...    the source's clock, 33 bits, TS_NOTIME when not said
 *   dts, pts   the output's, unwrapped
 *   memory     a unit's buffer grows up to CONFORM_PES_MAX: a picture's in
 *              the pool's ring, as long as there is room; of other buffers
 *              the pool keeps a few for the next unit
 */
#ifndef PLEXBRIDGE_WORKER_UNIT_H
#define PLEXBRIDGE_WORKER_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/ring.h"
#include "worker/tsmux.h"

struct pool;

struct unit {
	struct unit *next;
	struct pool *pool; /* where it came from */
	uint8_t *buf; /* header of the source's PES, then the access unit */
	size_t cap;
	size_t len;
	size_t body; /* where the access unit begins in buf */
	enum role role;
	int64_t raw_dts;
	int64_t raw_pts;
	int64_t cts_90k; /* PTS - DTS */
	int64_t dts;
	int64_t pts;
	int64_t offset; /* dts less the source's, unwrapped */
	bool key; /* decoding can begin here */
	bool begins; /* ...and does: what went before is of no use to it */
};

/* First in, first out. Zero it to begin. */
struct queue {
	struct unit *first;
	struct unit *last;
	size_t n;
	size_t bytes;
};

/* Units that nobody needs now. Zero it to begin; pool_clear() gives its memory back. */
struct pool {
	struct unit *unit[ROLES];
	size_t n;
	size_t bytes;
	struct ring ring;
};

/* The access unit itself. */
static inline const uint8_t *
unit_body(const struct unit *u)
{
	return u->buf + u->body;
}
static inline size_t
unit_body_len(const struct unit *u)
{
	return u->len - u->body;
}

/* An empty unit without times, or NULL when there is no memory. */
struct unit *unit_new(struct pool *pool, enum role role);

/* End it; NULL is fine. */
void unit_free(struct pool *pool, struct unit *u);

/* Make room for more bytes behind len. 0, PB_ELIMIT, PB_ENOMEM; the unit is as it was then. */
int unit_grow(struct unit *u, size_t more);

void queue_push(struct queue *q, struct unit *u);

/* NULL when it is empty. */
struct unit *queue_pop(struct queue *q);

void queue_clear(struct pool *pool, struct queue *q);

void pool_clear(struct pool *pool);

#endif
