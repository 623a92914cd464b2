/*
 * fetch.c - how the promise in fetch.h is kept
 *
 * A fetch goes round: queue (a place at its host, hosts.h), name, transfer,
 * verdict (verdict.h); and from there to its end, to another host (a
 * redirect), or through a pause back to the queue. A verdict is only ever
 * asked for outside of curl: what curl's callbacks find is noted in the
 * fetch, and curl is told to stop.
 *
 * curl itself never looks up a name (its resolver would be a thread, or block
 * us): each request carries the addresses with it, and a callback refuses
 * what it would still want to look up. Nor does it follow redirects, because
 * each step is another name and may lead where it must not. Nor does it queue
 * for a connection: its connect timeout would run meanwhile.
 */
#include "worker/fetch_inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/verdict.h"

#define FREE_RETRIES 2 /* on a fresh connection, not counted as tries */
#define COLLECT_TIMES 4 /* a playlist has so many try timeouts in all, however it drips */
#define LAUNCHES_MAX 32 /* in one round */
#define TRY_SHARE 0.5
#define TRY_SHARE_HEDGED 0.8
#define TRY_MIN_S 1. /* a deadline makes a try no shorter, */
#define TRY_MEANS 2 /* ... nor than so many times what answers of its sort take: the next one would be as slow */
#define HELD_MAX_S 10. /* behind its deadline: after a longer hold what was asked for is hardly there any more */
#define HELD_LEFT_S 3. /* what is left for it then */
#define PERSIST_SHARE 4 /* of the time left is waited before a try beyond the last */

static void begin(struct fetch *f);
static void finish(struct fetch *f, int err);
static void redirect(struct fetch *f);
static void succeeded(struct fetch *f);

void
fetch_because(struct fetch *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
}

/* xorshift64*: enough to keep channels from beating together, and repeatable. */
static double
random_unit(struct fetch_pool *p)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return (double)(p->random * UINT64_C(2685821657736338717) >> 11) / (double)(UINT64_C(1) << 53);
}

static uint64_t
hash(const char *s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return h;
}

bool
fetch_abroad(const struct fetch *f)
{
	uint64_t home = hash(f->home);

	if (strcmp(f->parts.host, f->home) != 0)
		return true;
	for (unsigned i = 0; i < FETCH_LED_MAX; i++)
		if (f->pool->requests[f->o.source].led[i] == home)
			return true;
	return false;
}

/* The operator wrote its URL, so its host is no stranger, whatever led there. */
static void
note_own(struct fetch *f)
{
	uint64_t *led = f->pool->requests[f->o.source].led, home = hash(f->home);

	f->pool->requests[f->o.source].own = home;
	for (unsigned i = 0; i < FETCH_LED_MAX; i++)
		if (led[i] == home)
			led[i] = 0;
}

/* A redirect led to where it goes now: so will whatever is relative to the answer. */
static void
note_led(struct fetch *f)
{
	unsigned source = f->o.source, *next = &f->pool->requests[source].led_next;
	uint64_t *led = f->pool->requests[source].led, host = hash(f->parts.host);

	if (strcmp(f->parts.host, f->home) == 0 || host == f->pool->requests[source].own)
		return;
	for (unsigned i = 0; i < FETCH_LED_MAX; i++)
		if (led[i] == host)
			return;
	led[*next] = host;
	*next = (*next + 1) % FETCH_LED_MAX;
}

static void
leave_host(struct fetch *f)
{
	if (hosts_leave(&f->place))
		transfers_kick(f->pool->transfers); /* who waits for this place? */
}

/* Time. */

double
fetch_answer_s(const struct fetch *f)
{
	return f->first_byte > 0 ? PB_MAX(f->first_byte - f->began_at, 0.) : 0;
}

/*
 * What is asked for until it is missed loses no time to a hold that ends soon:
 * meanwhile nothing else can be had, either. Nor does a first try to the queue,
 * as far as it was promised that.
 */
static ev_tstamp
deadline(const struct fetch *f)
{
	ev_tstamp hold = f->pool->hold, at = f->o.deadline;

	if (at <= 0)
		return at;
	at += f->tries == 0 ? f->o.queue_s : f->queued_s;
	if (!f->o.persist || hold <= f->started || hold > at + HELD_MAX_S)
		return at;
	return PB_MAX(at, hold + HELD_LEFT_S);
}

/*
 * Of the time left. Half, so that there is another try: but where a second
 * request goes out beside a late one, that is the other try, and an answer
 * that is slow is not cut off for one that would be as slow.
 */
static double
try_share(const struct fetch *f)
{
	return f->o.hedge_ms > 0 && !f->pool->hosts.one ? TRY_SHARE_HEDGED : TRY_SHARE;
}

/*
 * Each try is more patient than the one before, as long as there is time: it
 * leaves some of what the deadline leaves to the next one.
 */
static double
try_timeout(const struct fetch *f)
{
	const struct msg_settings *s = &f->pool->settings;
	double seconds = ((double)s->try_timeout_ms + (double)f->failed * s->try_step_ms) / 1e3 * f->pool->patience;
	double least = PB_MAX(TRY_MIN_S, TRY_MEANS * fetch_history(f)->mean_ms / 1e3);

	if (deadline(f) <= 0)
		return seconds;
	return PB_MIN(seconds, PB_MAX((deadline(f) - loop_now(f->pool->loop)) * try_share(f), least));
}

/* A body that moves is not cut by the deadline; but half a playlist is of no use to anybody. */
static bool
deadline_rules(const struct fetch *f)
{
	return deadline(f) > 0 && (f->got == 0 || fetch_collected(f)) && f->state != PAUSED;
}

/* When something has to happen, 0: never by itself. */
static ev_tstamp
due(const struct fetch *f)
{
	ev_tstamp at = 0;

	if (f->state == WAITING)
		at = f->wake;
	else if (f->state == NAMING || f->state == RUNNING)
		at = f->active_at + f->try_s;
	if (f->state == RUNNING && fetch_collected(f))
		at = PB_MIN(at, f->began_at + COLLECT_TIMES * f->try_s);
	if (hedge_late_at(f) > 0)
		at = PB_MIN(at, hedge_late_at(f));
	if (deadline_rules(f) && (at == 0 || deadline(f) < at))
		at = deadline(f);
	return at;
}

void
fetch_arm(struct fetch *f)
{
	ev_tstamp at = due(f);

	ev_timer_stop(f->pool->loop, &f->timer);
	if (at == 0)
		return;
	ev_timer_set(&f->timer, PB_MAX(at - loop_now(f->pool->loop), 0.), 0.);
	ev_timer_start(f->pool->loop, &f->timer);
}

static void
stop_transfer(struct fetch *f)
{
	resolve_cancel(&f->query);
	transfer_end(f->pool->transfers, &f->t);
	fetch_pool_meter(f);
	hedge_drop(f);
}

/* Round again, in delay seconds and not sooner; but there is nothing to wait for when the deadline has passed. */
static void
again_in(struct fetch *f, double delay)
{
	ev_tstamp now = loop_now(f->pool->loop);

	stop_transfer(f);
	leave_host(f);
	f->got = 0;
	if (deadline(f) > 0 && now >= deadline(f)) {
		finish(f, PB_ETIME);
		return;
	}
	f->pool->figures.retries++;
	if (delay <= 0) {
		begin(f);
		return;
	}
	f->state = WAITING;
	f->wake = now + delay;
	fetch_arm(f);
}

/* ... never past the deadline, and with time left to use the answer. */
static void
again(struct fetch *f, double delay)
{
	if (deadline(f) > 0)
		delay = PB_MIN(delay, (deadline(f) - loop_now(f->pool->loop)) / 2);
	again_in(f, delay);
}

/* How far curl got on a connection, and what the system said when it got no further. */
static enum trouble_reach
reach(const struct fetch *f, long *os_error)
{
	curl_off_t connected_us = 0, ready_us = 0;

	*os_error = 0;
	if (f->t == NULL)
		return REACH_NOTHING;
	curl_easy_getinfo(f->t->easy, CURLINFO_OS_ERRNO, os_error);
	curl_easy_getinfo(f->t->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	curl_easy_getinfo(f->t->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	return ready_us > 0 ? REACH_SERVER : connected_us > 0 ? REACH_HOST : REACH_NOTHING;
}

/*
 * Is what the response in hand was to bring less than what was asked for? A
 * server may cut a range shorter than it was told (RFC 9110 14.2), and say so.
 */
static bool
partial(const struct fetch *f)
{
	uint64_t at = f->o.range.offset + f->pos, end = f->reply.total >= 0 ? (uint64_t)f->reply.total : UINT64_MAX;

	if (f->o.kind != FETCH_SEGMENT || f->reply.status != 206 || f->reply.encoded)
		return false;
	if (f->o.range.length > 0)
		end = PB_MIN(end, f->o.range.offset + f->o.range.length);
	else if (f->reply.total < 0)
		return false; /* nobody knows */
	return at < end;
}

/* What is known of the try in hand, which ended with code. */
static struct verdict_try
known(const struct fetch *f, CURLcode code)
{
	long os_error;
	enum trouble_reach reached = reach(f, &os_error);

	return (struct verdict_try){
		.kind = f->o.kind,
		.reused = f->reused,
		.fresh = f->fresh,
		.addresses = (unsigned)f->addrs.count,
		.got = f->got,
		.pos = f->pos,
		.wanted = f->head_over && !f->discard,
		.unwanted = f->discard,
		.status = f->reply.status,
		.location = f->reply.location != NULL || f->reply.location_too_long,
		.ranged = f->ranged,
		.had_all = (f->first.length >= 0 && f->first.status != 206 && f->pos == (uint64_t)f->first.length) ||
		    (f->reply.status == 416 && f->reply.total >= 0 &&
			f->o.range.offset + f->pos == (uint64_t)f->reply.total),
		.partial = partial(f),
		.missing_ms = f->o.missing_ms,
		.missing_s = f->missing_since > 0 ? loop_now(f->pool->loop) - f->missing_since : 0,
		.crowd = f->crowd && !f->let_off,
		.busy = f->busy,
		.retry_after_ms = f->retry_after_ms,
		.left_s = deadline(f) > 0 ? deadline(f) - loop_now(f->pool->loop) : 0,
		.refused = f->refused,
		.whole = f->whole,
		.replan = f->replan,
		.stop_err = f->stop_err,
		.code = (int)code,
		.verify = f->verify,
		.connected = f->connect_ms > 0,
		.reach = reached,
		.os_error = os_error,
	};
}

/* A try failed in a way that another may not. */
static void
failed(struct fetch *f, int err)
{
	const struct msg_settings *s = &f->pool->settings;
	bool moved = f->got >= VERDICT_MOVED_WELL;
	double pause_s, left_s = deadline(f) - loop_now(f->pool->loop);

	if (moved && !fetch_collected(f))
		f->failed = 0;
	if (++f->failed >= f->tries_max && !(f->o.persist && left_s > TRY_MIN_S)) {
		finish(f, err);
		return;
	}
	pause_s = verdict_pause(f->failed, s->backoff_ms, s->backoff_max_ms, f->retry_after_ms, random_unit(f->pool));
	/* The nearer the deadline, the oftener: the last quarter of the time is what the answer itself needs. */
	if (f->o.persist && deadline(f) > 0 && f->retry_after_ms == 0)
		pause_s = PB_MIN(pause_s, left_s / PERSIST_SHARE);
	f->failed = PB_MIN(f->failed, PB_MAX(f->tries_max, 1U));
	again(f, moved ? 0. : pause_s);
}

/* Do what the verdict says. */
static void
obey(struct fetch *f, const struct verdict *v)
{
	stop_transfer(f);
	if (v->why[0] != '\0')
		fetch_because(f, "%s", v->why);
	if (v->trouble != TROUBLE_NONE && v->what != VERDICT_DONE && v->what != VERDICT_REDIRECT &&
	    v->what != VERDICT_STALE)
		fetch_pool_note_trouble(f, v->trouble);
	f->fresh = v->fresh;
	f->rotate += v->rotate;
	f->no_range |= v->whole;
	if (v->doubt)
		resolve_doubt(f->pool->resolve, f->parts.host);
	if (v->http2)
		hosts_http2_failed(&f->place, loop_now(f->pool->loop));
	switch (v->what) {
	case VERDICT_DONE:
		succeeded(f);
		break;
	case VERDICT_END:
		finish(f, v->err);
		break;
	case VERDICT_REDIRECT:
		redirect(f);
		break;
	case VERDICT_NOW:
		again(f, 0.);
		break;
	case VERDICT_MISSING:
		if (f->missing_since == 0)
			f->missing_since = loop_now(f->pool->loop);
		again(f, VERDICT_MISSING_S);
		break;
	case VERDICT_BUSY:
		if (f->crowd && !f->let_off)
			f->let_off = true;
		else
			f->busy++;
		again_in(f, v->pause_s);
		break;
	case VERDICT_STALE:
		if (f->free_retries++ < FREE_RETRIES)
			again(f, 0.);
		else
			failed(f, v->err);
		break;
	case VERDICT_RETRY:
		failed(f, v->err);
		break;
	}
}

/* What is on the wire has had its time. Curl itself would mostly wait for its connection for longer. */
static void
given_up(struct fetch *f)
{
	fetch_pool_find_way(f->pool, f->t, CURLE_OPERATION_TIMEDOUT);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fetch *f = w->data;
	ev_tstamp now = loop_now(loop), at = due(f);
	struct verdict_try t;
	struct verdict v;

	(void)revents;
	if (at == 0 || now + 1e-6 < at) { /* it paused, or bytes came meanwhile */
		fetch_arm(f);
		return;
	}
	if (deadline_rules(f) && now + 1e-6 >= deadline(f)) {
		if (f->why[0] == '\0')
			fetch_because(f, "nothing came before the deadline");
		if (now - PB_MAX(f->active_at, f->named_at) >= TRY_MIN_S) /* else it had no time at all */
			given_up(f);
		finish(f, PB_ETIME);
		return;
	}
	if (f->state == WAITING) {
		begin(f);
		return;
	}
	if (hedge_late_at(f) > 0 && now + 1e-6 >= hedge_late_at(f)) {
		hedge_ask(f);
		fetch_arm(f);
		return;
	}
	given_up(f);
	if (f->hedge.t != NULL) { /* the first had its time; the second has the rest of its own */
		hedge_take(f);
		fetch_arm(f);
		return;
	}
	f->curl_code = CURLE_OPERATION_TIMEDOUT;
	if (f->t != NULL && f->pool->phases.answer_ms < 0)
		fetch_pool_note_phases(&f->pool->phases, f->t->easy);
	t = known(f, CURLE_OPERATION_TIMEDOUT);
	v = verdict_timeout(&t, f->state == NAMING, f->try_s);
	obey(f, &v);
}

/* From the queue to the wire. */

/* It goes on the wire now: who is there already is not alone any more, and neither is it. */
static void
note_crowd(struct fetch *f)
{
	struct fetch *other;

	f->crowd = false;
	TAILQ_FOREACH(other, &f->pool->fetches, link)
	if (other != f && other->t != NULL)
		f->crowd = other->crowd = true;
}

static void
named(struct fetch *f, int err)
{
	struct fetch_pool *p = f->pool;
	struct verdict_try t;
	struct verdict v;
	bool led;

	if (err != 0) {
		t = known(f, CURLE_OK);
		v = verdict_name(&t, err);
		obey(f, &v);
		return;
	}
	if (p->phases.dns_ms < 0)
		p->phases.dns_ms = (int)PB_MAX((loop_now(p->loop) - f->naming_at) * 1e3, 0.);
	led = (p->led >> f->o.source & 1) != 0;
	if (f->o.channel_url && f->hops == 0 && p->source == SOURCE_UNKNOWN)
		p->source = !led && resolve_all_private(&f->addrs) ? SOURCE_PRIVATE : SOURCE_PUBLIC;
	if (!fetch_ask_private(f) && resolve_all_private(&f->addrs)) {
		fetch_because(f,
		    led && f->o.channel_url && f->hops == 0
			? "a list on a public address led to a private one, and private_targets is no"
			: "a public source led to a private address, and private_targets is no");
		fetch_pool_note_trouble(f, TROUBLE_REDIRECT);
		finish(f, PB_NO);
		return;
	}
	f->named_at = loop_now(p->loop);
	f->t = transfer_new(p->transfers, f);
	if (f->t == NULL) {
		finish(f, PB_ENOMEM);
		return;
	}
	note_crowd(f);
	f->state = RUNNING;
	f->try_s = try_timeout(f);
	f->ranged = fetch_ask(f, f->t, f->fresh, f->rotate);
	p->figures.requests++;
	if (transfer_start(p->transfers, f->t) != 0)
		finish(f, PB_ENOMEM);
	else
		fetch_arm(f);
}

static void
on_named(void *arg, int err, const struct resolve_addrs *addrs)
{
	struct fetch *f = arg;

	f->query = NULL;
	if (addrs != NULL)
		f->addrs = *addrs;
	named(f, err);
}

static void
launch(struct fetch *f)
{
	const struct msg_settings *s = &f->pool->settings;
	int err;

	if (f->hops == 0) {
		f->active_at = f->began_at = loop_now(f->pool->loop);
		if (f->tries++ == 0)
			f->queued_s = PB_MIN(f->began_at - f->started, f->o.queue_s);
	}
	f->state = NAMING;
	f->naming_at = loop_now(f->pool->loop);
	f->try_s = try_timeout(f);
	f->hedge.spent = false;
	reply_clear(&f->reply);
	f->head_over = f->discard = f->refused = f->whole = f->replan = false;
	f->discarded = 0;
	f->skip = f->got = 0;
	f->first_byte = 0;
	f->stop_err = 0;
	f->retry_after_ms = 0;
	body_clear(&f->body);
	if (fetch_collected(f))
		f->pos = 0;
	err = resolve_start(f->pool->resolve, f->parts.host, s->connect_timeout_ms, &f->addrs, on_named, f, &f->query);
	if (err == PB_AGAIN)
		fetch_arm(f);
	else
		named(f, err);
}

void
fetch_work(void *arg)
{
	struct fetch_pool *p = arg;

	if (loop_now(p->loop) < p->hold)
		return;
	for (unsigned n = 0; n < LAUNCHES_MAX; n++) {
		struct place *place = hosts_next(&p->hosts);
		struct fetch *f;

		if (place == NULL)
			return;
		f = place->owner;
		if (place == &f->hedge.place)
			hedge_launch(f);
		else
			launch(f);
	}
	transfers_kick(p->transfers);
}

/* Into the queue of its host: a new one at the end, one that was there before at the front. */
static int
enqueue(struct fetch *f)
{
	int err = hosts_queue(&f->pool->hosts, &f->place, f->parts.host, f->parts.port, f->tries > 0);

	if (err != 0)
		return err;
	f->state = QUEUED;
	transfers_kick(f->pool->transfers);
	fetch_arm(f);
	return 0;
}

static void
begin(struct fetch *f)
{
	char *now = strdup(f->url);

	if (now == NULL) {
		finish(f, PB_ENOMEM);
		return;
	}
	free(f->now);
	f->now = now;
	pb_assert(url_parse(&f->parts, f->now) == 0); /* it did in fetch_start() */
	f->hops = 0;
	f->seen[0] = hash(f->now);
	if (enqueue(f) != 0)
		finish(f, PB_ENOMEM);
}

/* Where a try leads. */

static void
redirect(struct fetch *f)
{
	char next[URL_MAX];
	unsigned seen = 0;
	uint64_t h;
	int err;

	if (f->reply.location_too_long) {
		fetch_because(f, "a Location of more than %d bytes", URL_MAX);
		fetch_pool_note_trouble(f, TROUBLE_REDIRECT);
		finish(f, PB_ELIMIT);
		return;
	}
	err = url_resolve(next, sizeof(next), f->now, f->reply.location, strlen(f->reply.location));
	if (err == 0)
		err = url_parse(&f->parts, next);
	if (err != 0) {
		fetch_because(
		    f, err == PB_NO ? "redirected to something else than http and https" : "redirected to no URL");
		fetch_pool_note_trouble(f, TROUBLE_REDIRECT);
		finish(f, err == PB_NO ? PB_ENOSUP : err);
		return;
	}
	/* To the same URL once more is how cookies are set; twice more is a loop. */
	h = hash(next);
	for (unsigned i = 0; i <= f->hops; i++)
		seen += f->seen[i] == h;
	if (seen >= 2 || f->hops >= FETCH_REDIRECTS_MAX) {
		fetch_because(f, seen >= 2 ? "redirected in a circle" : "more than %d redirects", FETCH_REDIRECTS_MAX);
		fetch_pool_note_trouble(f, TROUBLE_REDIRECT);
		finish(f, PB_ELIMIT);
		return;
	}
	f->seen[++f->hops] = h;
	free(f->now);
	f->now = strdup(next);
	if (f->now == NULL) {
		finish(f, PB_ENOMEM);
		return;
	}
	f->pool->figures.redirects++;
	note_led(f);
	leave_host(f);
	if (enqueue(f) != 0)
		finish(f, PB_ENOMEM);
}

static void
succeeded(struct fetch *f)
{
	int err = 0;

	if (f->o.kind == FETCH_PLAYLIST)
		err = body_gunzip(&f->body);
	if (err != 0)
		fetch_because(f, "a gzip body that can't be inflated: %s", pb_strerror(err));
	finish(f, err);
}

void
fetch_over(void *arg, struct transfer *t, CURLcode code)
{
	struct fetch *f = t->owner;
	struct verdict_try facts;
	struct verdict v;

	(void)arg;
	fetch_pool_find_way(f->pool, t, code);
	if (t == f->hedge.t) { /* it came to nothing: the first one goes on */
		hedge_drop(f);
		return;
	}
	if (f->hedge.t != NULL && f->stop_err == 0 && !f->whole && !f->replan && !f->refused &&
	    (f->discard ? f->status >= 500 && !verdict_busy(f->status) : code != CURLE_OK)) {
		fetch_pool_measure(f);
		hedge_take(f); /* the first one has failed, the second may yet answer */
		fetch_arm(f);
		return;
	}
	f->curl_code = f->stop_err != 0 || f->whole || f->discard || f->replan ? CURLE_OK : (int)code;
	fetch_pool_measure(f);
	if (f->head_over && f->reply.status >= 200 && f->reply.location == NULL &&
	    (f->o.kind != FETCH_STREAM || f->discard))
		fetch_pool_answered(f);
	facts = known(f, code);
	v = verdict_transfer(&facts);
	obey(f, &v);
}

static void
fetch_free(struct fetch *f)
{
	free(f->url);
	free(f->now);
	reply_clear(&f->reply);
	reply_clear(&f->first);
	reply_clear(&f->hedge.reply);
	body_clear(&f->body);
	free(f);
}

/* Out of the pool and everything it is part of; the memory stays. */
static void
detach(struct fetch *f)
{
	stop_transfer(f);
	leave_host(f);
	ev_timer_stop(f->pool->loop, &f->timer);
	TAILQ_REMOVE(&f->pool->fetches, f, link);
}

static void
finish(struct fetch *f, int err)
{
	struct fetch_result r = { .err = err, .url = f->now != NULL ? f->now : f->url };
	char reason[FETCH_REASON_MAX], shown[FETCH_REASON_MAX / 2];

	detach(f);
	reason[0] = '\0';
	if (err != 0) {
		f->pool->figures.errors++;
		snprintf(reason, sizeof(reason), "%s (%u %s): %s", f->why[0] != '\0' ? f->why : pb_strerror(err),
		    f->tries, f->tries == 1 ? "try" : "tries", url_redact(shown, sizeof(shown), r.url));
	}
	r.reason = reason;
	r.http_status = f->status;
	r.curl_code = f->curl_code;
	if (err == 0 && fetch_collected(f)) {
		r.body = f->body.data != NULL ? f->body.data : "";
		r.body_len = f->body.len;
	}
	r.bytes = f->pos;
	r.tries = f->tries;
	r.connect_ms = f->connect_ms;
	r.ttfb_ms = f->ttfb_ms;
	r.total_ms = (uint32_t)PB_MAX((loop_now(f->pool->loop) - f->started) * 1e3, 0.);
	r.answer_s = fetch_answer_s(f);
	r.retry_after_ms = f->retry_after_ms;
	r.range_ignored = f->range_ignored;
	r.reused = f->reused;
	r.http2 = f->http2;
	f->finished = true;
	f->o.on_done(f->o.arg, &r);
	fetch_free(f);
}

int
fetch_start(struct fetch_pool *p, const struct fetch_options *options, struct fetch **out)
{
	struct url_parts parts;
	struct fetch *f;
	int err = url_parse(&parts, options->url);

	if (err != 0)
		return err == PB_NO ? PB_ENOSUP : err;
	pb_assert(options->on_done != NULL && options->source < MSG_SOURCES_MAX);
	pb_assert(options->on_data != NULL || options->kind == FETCH_PLAYLIST || options->kind == FETCH_KEY);
	if (options->range.offset > INT64_MAX / 4 || options->range.length > INT64_MAX / 4)
		return PB_ELIMIT;
	if (options->range.length > FETCH_SEGMENT_MAX && options->kind == FETCH_SEGMENT)
		return PB_ELIMIT;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return PB_ENOMEM;
	f->url = strdup(options->url);
	f->now = strdup(options->url);
	if (f->url == NULL || f->now == NULL) {
		fetch_free(f);
		return PB_ENOMEM;
	}
	f->pool = p;
	f->parts = parts;
	memcpy(f->home, parts.host, sizeof(f->home));
	f->seen[0] = hash(f->now);
	f->o = *options;
	f->o.url = f->url;
	if (f->o.channel_url)
		note_own(f);
	if (options->kind != FETCH_SEGMENT)
		f->o.range = (struct fetch_range){ 0 };
	f->tries_max = options->tries > 0 ? options->tries : PB_MAX(p->settings.tries, 1U);
	f->body.max = options->kind == FETCH_KEY ? FETCH_KEY_MAX : FETCH_PLAYLIST_MAX;
	f->fresh = options->elsewhere > 0 && !p->hosts.one;
	f->rotate = options->elsewhere;
	f->started = loop_now(p->loop);
	reply_init(&f->reply);
	reply_init(&f->first);
	reply_init(&f->hedge.reply);
	ev_timer_init(&f->timer, on_timer, 0., 0.);
	f->timer.data = f;
	f->place.owner = f->hedge.place.owner = f;
	err = enqueue(f);
	if (err != 0) {
		fetch_free(f);
		return err;
	}
	TAILQ_INSERT_TAIL(&p->fetches, f, link);
	*out = f;
	return 0;
}

void
fetch_resume(struct fetch *f)
{
	if (f->state != PAUSED)
		return;
	f->state = RUNNING;
	f->active_at = loop_now(f->pool->loop);
	transfer_unpause(f->pool->transfers, f->t);
	fetch_pool_meter(f);
	fetch_arm(f);
}

void
fetch_set_deadline(struct fetch *f, ev_tstamp deadline)
{
	if (f->o.deadline == deadline || f->finished)
		return;
	f->o.deadline = deadline;
	fetch_arm(f);
}

void
fetch_cancel(struct fetch **fp)
{
	struct fetch *f = *fp;

	*fp = NULL;
	if (f == NULL || f->finished)
		return;
	detach(f);
	fetch_free(f);
}
