/*
 * ring.c - how the promise in ring.h is kept
 *
 * Each block has its length and whether it lives in front of it. All
 * lengths are multiples of the head's, so that what is left at the end
 * always has room for one that says: go on at the beginning.
 */
#include "worker/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

#define SHORT_MAX 50 /* a second or two of pictures that found no place: no accident */

struct head {
	size_t len; /* with this head */
	size_t lives;
};

static struct head *
head_at(const struct ring *r, size_t at)
{
	return (struct head *)(void *)(r->base + at);
}

/* With its head, in whole heads. */
static size_t
whole(size_t len)
{
	return (len + sizeof(struct head) - 1) / sizeof(struct head) * sizeof(struct head) + sizeof(struct head);
}

/* Only an empty one can: blocks stay where they are. */
static void
grow(struct ring *r)
{
	size_t cap = r->cap == 0 ? RING_FIRST : PB_MIN(r->cap + RING_FIRST / 2, RING_MAX);

	if (r->cap == cap || (r->cap > 0 && r->short_of < SHORT_MAX))
		return;
	free(r->base);
	r->base = malloc(cap);
	r->cap = r->base != NULL ? cap : 0;
	r->head = r->tail = r->last = 0;
	r->short_of = 0;
}

static void
put(struct ring *r, size_t at, size_t len, bool lives)
{
	*head_at(r, at) = (struct head){ .len = len, .lives = lives };
	r->used += len;
	r->head = at + len == r->cap ? 0 : at + len;
}

uint8_t *
ring_take(struct ring *r, size_t len)
{
	size_t need = whole(len);

	if (len > RING_MAX)
		return NULL;
	if (r->used == 0)
		grow(r);
	if (need > r->cap - r->used) {
		r->short_of++;
		return NULL;
	}
	if (r->head >= r->tail && need > r->cap - r->head) {
		if (need > r->tail) {
			r->short_of++;
			return NULL;
		}
		put(r, r->head, r->cap - r->head, false);
	} else if (r->head < r->tail && need > r->tail - r->head) {
		r->short_of++;
		return NULL;
	}
	r->last = r->head;
	put(r, r->head, need, true);
	return r->base + r->last + sizeof(struct head);
}

bool
ring_extend(struct ring *r, const uint8_t *block, size_t len)
{
	size_t at, need = whole(len), end;

	if (!ring_has(r, block) || len > RING_MAX)
		return false;
	at = (size_t)(block - r->base) - sizeof(struct head);
	end = at < r->tail ? r->tail : r->cap;
	if (at != r->last || need > end - at)
		return false;
	r->used -= head_at(r, at)->len;
	put(r, at, need, true);
	return true;
}

void
ring_free(struct ring *r, uint8_t *block)
{
	size_t at = (size_t)(block - r->base) - sizeof(struct head);

	pb_assert(ring_has(r, block) && head_at(r, at)->lives);
	head_at(r, at)->lives = false;
	while (r->used > 0 && !head_at(r, r->tail)->lives) {
		size_t len = head_at(r, r->tail)->len;

		r->used -= len;
		r->tail = r->tail + len == r->cap ? 0 : r->tail + len;
	}
	if (r->used == 0)
		r->head = r->tail = r->last = 0;
}

void
ring_clear(struct ring *r)
{
	free(r->base);
	memset(r, 0, sizeof(*r));
}
