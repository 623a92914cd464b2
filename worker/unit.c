/*
 * unit.c - how units are kept
 *
 * A stream makes fifty units or more a second. Sounds are all of about the
 * same size: their buffers go round. Pictures are not: buffers that went
 * round would all grow to the size of the largest.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/conform.h"
#include "worker/unit.h"

#define POOL_BYTES (64u << 10)
#define POOL_UNITS 256
#define PICTURE_STEP 8192

struct unit *
unit_new(struct pool *pool, enum role role)
{
	struct unit *u = pool->unit[role];

	if (u != NULL) {
		pool->unit[role] = u->next;
		pool->bytes -= u->cap;
		pool->n--;
	} else {
		u = calloc(1, sizeof(*u));
		if (u == NULL)
			return NULL;
	}
	u->next = NULL;
	u->pool = pool;
	u->role = role;
	u->len = u->body = 0;
	u->raw_dts = u->raw_pts = TS_NOTIME;
	u->cts_90k = 0;
	u->key = u->begins = false;
	return u;
}

static void
drop_buffer(struct unit *u)
{
	if (ring_has(&u->pool->ring, u->buf))
		ring_free(&u->pool->ring, u->buf);
	else
		free(u->buf);
	u->buf = NULL;
	u->cap = 0;
}

void
unit_free(struct pool *pool, struct unit *u)
{
	if (u == NULL)
		return;
	if (u->role == ROLE_VIDEO || pool->bytes + u->cap > POOL_BYTES)
		drop_buffer(u);
	if (pool->n == POOL_UNITS) {
		free(u->buf);
		free(u);
		return;
	}
	u->next = pool->unit[u->role];
	pool->unit[u->role] = u;
	pool->bytes += u->cap;
	pool->n++;
}

/* Room for cap bytes of a picture in the ring. false: there is none. */
static bool
grow_in_ring(struct unit *u, size_t cap)
{
	struct ring *ring = &u->pool->ring;
	uint8_t *buf;

	if (ring_extend(ring, u->buf, cap))
		return true;
	if (u->buf != NULL && !ring_has(ring, u->buf))
		return false; /* it left once; no to and fro */
	buf = ring_take(ring, cap);
	if (buf == NULL)
		return false;
	if (u->len > 0)
		memcpy(buf, u->buf, u->len);
	if (u->buf != NULL)
		ring_free(ring, u->buf);
	u->buf = buf;
	return true;
}

int
unit_grow(struct unit *u, size_t more)
{
	size_t need = u->len + more, cap;
	bool in_ring = ring_has(&u->pool->ring, u->buf);
	uint8_t *buf;

	if (more <= u->cap - u->len)
		return 0;
	if (need > CONFORM_PES_MAX)
		return PB_ELIMIT;
	cap = PB_MIN(need + PICTURE_STEP, (size_t)CONFORM_PES_MAX);
	if (u->role == ROLE_VIDEO && grow_in_ring(u, cap)) {
		u->cap = cap;
		return 0;
	}
	cap = PB_MIN(need + need / 2 + 1024, (size_t)CONFORM_PES_MAX);
	buf = realloc(in_ring ? NULL : u->buf, cap);
	if (buf == NULL)
		return PB_ENOMEM;
	if (in_ring) {
		memcpy(buf, u->buf, u->len);
		ring_free(&u->pool->ring, u->buf);
	}
	u->buf = buf;
	u->cap = cap;
	return 0;
}

void
queue_push(struct queue *q, struct unit *u)
{
	u->next = NULL;
	if (q->last != NULL)
		q->last->next = u;
	else
		q->first = u;
	q->last = u;
	q->n++;
	q->bytes += u->len;
}

struct unit *
queue_pop(struct queue *q)
{
	struct unit *u = q->first;

	if (u == NULL)
		return NULL;
	q->first = u->next;
	if (q->first == NULL)
		q->last = NULL;
	q->n--;
	q->bytes -= u->len;
	u->next = NULL;
	return u;
}

void
queue_clear(struct pool *pool, struct queue *q)
{
	struct unit *u;

	while ((u = queue_pop(q)) != NULL)
		unit_free(pool, u);
}

void
pool_clear(struct pool *pool)
{
	struct unit *u;

	for (int r = 0; r < ROLES; r++)
		while ((u = pool->unit[r]) != NULL) {
			pool->unit[r] = u->next;
			free(u->buf);
			free(u);
		}
	pool->bytes = pool->n = 0;
	ring_clear(&pool->ring);
}
