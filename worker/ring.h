/*
 * ring.h - blocks of bytes that go about in the order in which they came
 *
 * Pictures on their way through conform are made one after the other, each
 * growing packet by packet, and leave in that order. In a ring the newest
 * grows where it stands, and no memory comes from the system or goes back to
 * it while a stream runs: asking for pages anew costs more than filling them.
 *
 *   blocks    any may end first; their room is free again when all before
 *             them have ended
 *   bounds    RING_FIRST bytes, RING_MAX at most: what has no place in it
 *             its owner keeps elsewhere; a ring that was too short often
 *             grows by a little when it is empty
 */
#ifndef PLEXBRIDGE_WORKER_RING_H
#define PLEXBRIDGE_WORKER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_FIRST ((size_t)256 << 10)
#define RING_MAX ((size_t)2 << 20)

/* Zero it to begin; ring_clear() gives its memory back. */
struct ring {
	uint8_t *base;
	size_t cap;
	size_t head; /* where the next block begins */
	size_t tail; /* the oldest block */
	size_t last; /* the newest block */
	size_t used; /* blocks and the gap at the end, in bytes; 0: empty */
	unsigned short_of; /* blocks that had no place since it last grew */
};

/* A block of len bytes or a little more, or NULL: there is no room for it. */
uint8_t *ring_take(struct ring *ring, size_t len);

/* Have the newest block be len bytes long, if it is that and there is room behind it. */
bool ring_extend(struct ring *ring, const uint8_t *block, size_t len);

/* Is it one of this ring's? */
static inline bool
ring_has(const struct ring *ring, const uint8_t *block)
{
	return ring->base != NULL && block >= ring->base && block < ring->base + ring->cap;
}

void ring_free(struct ring *ring, uint8_t *block);

/* All blocks have ended. */
void ring_clear(struct ring *ring);

#endif
