/*
 * unit.c - how units are kept
 *
 * A stream makes fifty units or more a second, all of about the same sizes:
 * their buffers go round. A big key frame fits the pool as well, so that it
 * is not mapped anew each time.
 */
#include <stdlib.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/conform.h"
#include "worker/unit.h"

#define POOL_MAX (512u << 10)

struct unit *
unit_new(struct pool *pool, enum role role)
{
	struct unit *u = pool->unit;

	if (u != NULL) {
		pool->unit = u->next;
		pool->bytes -= u->cap;
	} else {
		u = calloc(1, sizeof(*u));
		if (u == NULL)
			return NULL;
	}
	u->next = NULL;
	u->role = role;
	u->len = u->body = 0;
	u->raw_dts = u->raw_pts = TS_NOTIME;
	u->cts_90k = 0;
	u->key = false;
	return u;
}

void
unit_free(struct pool *pool, struct unit *u)
{
	if (u == NULL)
		return;
	if (pool->bytes + u->cap <= POOL_MAX) {
		u->next = pool->unit;
		pool->unit = u;
		pool->bytes += u->cap;
		return;
	}
	free(u->buf);
	free(u);
}

int
unit_grow(struct unit *u, size_t more)
{
	size_t cap;
	uint8_t *buf;

	if (more <= u->cap - u->len)
		return 0;
	cap = u->len + more;
	if (cap > CONFORM_PES_MAX)
		return PB_ELIMIT;
	cap = PB_MIN(cap + cap / 2 + 1024, (size_t)CONFORM_PES_MAX);
	buf = realloc(u->buf, cap);
	if (buf == NULL)
		return PB_ENOMEM;
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

	while ((u = pool->unit) != NULL) {
		pool->unit = u->next;
		free(u->buf);
		free(u);
	}
	pool->bytes = 0;
}
