/*
 * hedge.c - a second request on a new connection, at another address where there is one
 *
 * It shares the fetch's place in the queue of its host, in front. Whichever
 * answers first is taken; the other is dropped with its connection.
 */
#include "worker/fetch_inside.h"

#include "base/pb.h"

ev_tstamp
hedge_late_at(const struct fetch *f)
{
	if (f->state != RUNNING || f->o.hedge_ms == 0 || f->pool->hosts.one || f->hedge.spent || f->discard)
		return 0;
	return f->active_at + late_after_ms(fetch_history(f), f->o.hedge_ms) / 1e3;
}

bool
hedge_runs(const struct fetch *f)
{
	return f->hedge.t != NULL || f->hedge.place.host != NULL;
}

void
hedge_ask(struct fetch *f)
{
	f->hedge.spent = true;
	if (!late_spend(fetch_history(f)))
		return;
	if (hosts_queue(&f->pool->hosts, &f->hedge.place, f->parts.host, f->parts.port, true) == 0)
		transfers_kick(f->pool->transfers);
}

void
hedge_launch(struct fetch *f)
{
	struct fetch_pool *p = f->pool;

	if (f->state != RUNNING || f->hedge.t != NULL || (f->hedge.t = transfer_new(p->transfers, f)) == NULL) {
		hedge_drop(f);
		return;
	}
	f->hedge.began_at = loop_now(p->loop);
	f->crowd = true; /* two are under way now */
	f->hedge.ranged = fetch_ask(f, f->hedge.t, true, f->rotate + 1);
	p->figures.requests++;
	p->figures.hedges++;
	if (transfer_start(p->transfers, f->hedge.t) != 0)
		hedge_drop(f);
}

bool
hedge_fits(const struct fetch *f)
{
	const struct reply *reply = &f->hedge.reply;

	if (reply->status >= 300 && reply->status < 400)
		return reply->location != NULL && f->pos == 0;
	if (reply->status != 200 && reply->status != 203 && reply->status != 206)
		return false;
	if (fetch_collected(f) || f->pos == 0)
		return true;
	return reply->status == 206 && reply->first == (int64_t)(f->o.range.offset + f->pos) &&
	    reply_same_file(&f->first, reply);
}

void
hedge_take(struct fetch *f)
{
	transfer_end(f->pool->transfers, &f->t);
	if (hosts_leave(&f->place))
		transfers_kick(f->pool->transfers);
	f->t = f->hedge.t;
	f->hedge.t = NULL;
	f->place = f->hedge.place; /* it is taken, so nothing else points to it */
	f->hedge.place.host = NULL;
	f->hedge.place.taken = false;
	reply_clear(&f->reply);
	f->reply = f->hedge.reply;
	reply_init(&f->hedge.reply);
	f->ranged = f->hedge.ranged;
	f->active_at = f->hedge.began_at;
	f->fresh = true;
	f->rotate++;
	f->head_over = f->discard = f->refused = f->whole = f->replan = false;
	f->discarded = 0;
	f->skip = f->got = 0;
	f->first_byte = 0;
	f->stop_err = 0;
	fetch_pool_meter(f);
	body_clear(&f->body);
	if (fetch_collected(f))
		f->pos = 0;
}

void
hedge_drop(struct fetch *f)
{
	transfer_end(f->pool->transfers, &f->hedge.t);
	if (hosts_leave(&f->hedge.place))
		transfers_kick(f->pool->transfers);
	reply_clear(&f->hedge.reply);
}
