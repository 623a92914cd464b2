/*
 * interleave.c - how the order is found
 *
 * The state is that of the last unit which left, and nothing else: a
 * successor that is given the same units again goes on behind it. So a unit
 * may leave for what arrived so far, and for what it would have left for
 * with all before it that are gone now; never for when it was put here.
 */
#include "base/pb.h"
#include "worker/interleave.h"

#define HOLD_90K INT64_C(90000) /* units wait that long for the other stream's turn, or as long as that lags */
#define DEAD_90K INTERLEAVE_LAG_MAX_90K /* for a stream that far behind the clock does not stand still */
#define HELD_MAX ((size_t)16 << 20) /* bytes of a stream that wait */
#define RADIO_KEY_90K 45000 /* audio alone: a place to join every half second */

void
interleave_init(struct interleave *il, struct pool *pool, int (*written)(void *arg), void *arg)
{
	*il = (struct interleave){ .pool = pool, .written = written, .arg = arg };
	tsmux_init(&il->mux);
}

void
interleave_clear(struct interleave *il)
{
	for (int r = 0; r < ROLES; r++)
		queue_clear(il->pool, &il->queue[r]);
	tsmux_clear(&il->mux);
}

static enum role
other(enum role role)
{
	return role == ROLE_VIDEO ? ROLE_AUDIO : ROLE_VIDEO;
}

/* Is it time for the first unit of role, with nothing of the other one here? */
static bool
may_leave(const struct interleave *il, enum role role)
{
	const struct queue *q = &il->queue[role];
	enum role o = other(role);

	/* Nothing comes before the first key frame: no wait. */
	if (!interleave_listed(il, o) || !interleave_started(il))
		return true;
	return q->last->dts - q->first->dts >= PB_MAX(HOLD_90K, il->lag_90k[o]) || q->bytes >= HELD_MAX;
}

/* The first unit of role leaves, the other one is dry: when it comes back, then not before this. */
static int64_t
dry_until(const struct interleave *il, enum role role)
{
	const struct queue *q = &il->queue[role];

	return PB_MIN(q->first->dts, q->last->dts - il->lag_90k[other(role)]);
}

/* No unit that is still to come has a DTS before this, as far as is known. */
static int64_t
floor_dts(const struct interleave *il, const struct unit *u)
{
	const struct tsmux_state *s = &il->mux.s;
	enum role o = other(u->role);
	int64_t to_come;

	if (!s->stream[o].listed)
		return u->dts;
	if (il->is_dry[o] && il->dry != NULL && il->queue[o].first == NULL)
		return dry_until(il, u->role);
	if (il->queue[o].first != NULL)
		to_come = il->queue[o].first->dts;
	else
		to_come = s->last_dts[o] != TS_NOTIME ? s->last_dts[o] + 1 : il->since_90k;
	if (u->dts - to_come > DEAD_90K)
		return u->dts;
	return PB_MIN(u->dts, to_come);
}

static int
leave_one(struct interleave *il, enum role role)
{
	struct unit *u = il->queue[role].first;
	const struct tsmux_state *s = &il->mux.s;
	int64_t key_before = s->last_key_90k;
	struct tsmux_unit out = {
		.role = role,
		.data = unit_body(u),
		.len = unit_body_len(u),
		.dts_90k = u->dts,
		.pts_90k = u->pts,
		.floor_90k = floor_dts(il, u),
		.key = u->key,
	};
	int err;

	if (!s->stream[ROLE_VIDEO].listed)
		out.key = key_before == TS_NOTIME || u->dts - key_before >= RADIO_KEY_90K;
	err = tsmux_put(&il->mux, &out);
	if (err == PB_ENOMEM)
		return err;
	queue_pop(&il->queue[role]);
	if (err == 0) {
		il->left_offset = u->offset;
		il->has_left = true;
		il->units[role]++;
		if (out.key) {
			il->keys++;
			il->key_interval_90k = key_before == TS_NOTIME ? 0 : u->dts - key_before;
		}
	} else if (err == PB_NO)
		il->late++;
	else
		il->damaged++;
	unit_free(il->pool, u);
	return il->written != NULL && il->mux.len >= INTERLEAVE_WRITTEN ? il->written(il->arg) : 0;
}

/* The first unit of role leaves without one of the other behind it: is that one dry, and what then? */
static int
leave_alone(struct interleave *il, enum role role)
{
	enum role o = other(role);
	int err = 0;

	if (interleave_listed(il, o) && interleave_started(il) && il->is_dry[o] && il->dry != NULL)
		err = il->dry(il->arg, o, dry_until(il, role));
	return err != 0 ? err : leave_one(il, role);
}

static int
leave(struct interleave *il, bool all)
{
	int err = 0;

	while (err == 0) {
		const struct unit *v = il->queue[ROLE_VIDEO].first;
		const struct unit *a = il->queue[ROLE_AUDIO].first;

		if (v != NULL && a != NULL)
			err = leave_one(il, v->dts <= a->dts ? ROLE_VIDEO : ROLE_AUDIO);
		else if (v != NULL && (all || may_leave(il, ROLE_VIDEO)))
			err = leave_alone(il, ROLE_VIDEO);
		else if (a != NULL && (all || may_leave(il, ROLE_AUDIO)))
			err = leave_alone(il, ROLE_AUDIO);
		else
			break;
	}
	return err;
}

int
interleave_put(struct interleave *il, struct unit *u)
{
	il->arrived++;
	queue_push(&il->queue[u->role], u);
	return leave(il, false);
}

int
interleave_flush(struct interleave *il)
{
	return leave(il, true);
}
