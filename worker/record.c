/*
 * record.c - differences of what only grows
 */
#include "worker/record.h"

#include <string.h>

#include "base/log.h"
#include "base/pb.h"

#define SILENT_MS 2000 /* without an acknowledgement */

static uint64_t
load64(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static uint32_t
load32(const _Atomic uint32_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* What was added since *before, which is set to now. A new worker counts from nothing: that is no step. */
static uint64_t
added(uint64_t *before, uint64_t now)
{
	uint64_t n = now >= *before ? now - *before : now;

	*before = now;
	return n;
}

static uint32_t
added32(uint64_t *before, uint64_t now)
{
	uint64_t n = added(before, now);

	return (uint32_t)PB_MIN(n, (uint64_t)UINT32_MAX);
}

/* How much somebody would want to see this one: trouble counts, then how far it is behind. */
static uint64_t
weight(const struct recorder_client *c)
{
	return (uint64_t)c->paused * 1000000 + (uint64_t)c->retransmits * 1000 + (uint64_t)c->zero_window_ms * 10 +
	    (uint64_t)c->unacked_ms * 10 + c->behind_ms;
}

/* Among the worst, if it is one of them. */
static void
list_client(struct recorder_second *s, const struct recorder_client *c)
{
	uint32_t least = 0;

	if (s->listed < RECORDER_CLIENTS) {
		s->worst[s->listed++] = *c;
		return;
	}
	for (uint32_t i = 1; i < RECORDER_CLIENTS; i++)
		if (weight(&s->worst[i]) < weight(&s->worst[least]))
			least = i;
	if (weight(c) > weight(&s->worst[least]))
		s->worst[least] = *c;
}

/* What the kernel says of its connection (worker/client.c asked it); the first look at one tells no second. */
static void
connection(struct record *r, uint32_t n, struct recorder_client *c)
{
	const struct state_client *f = &r->state->clients[n];
	struct record_client *before = &r->clients[n];
	uint32_t retransmits = load32(&f->retransmits), zero_window_ms = load32(&f->zero_window_ms);

	if (load64(&f->client) != c->client)
		return;
	c->rtt_ms = load32(&f->rtt_us) / 1000;
	c->delivery_kbps = load32(&f->delivery_kbps);
	c->unacked_ms = load32(&f->unacked_ms);
	if (before->client == c->client) {
		c->retransmits = retransmits - PB_MIN(before->retransmits, retransmits);
		c->zero_window_ms = zero_window_ms - PB_MIN(before->zero_window_ms, zero_window_ms);
	}
	*before = (struct record_client){ c->client, retransmits, zero_window_ms };
}

static void
look_at_clients(struct record *r, struct recorder_second *s, const struct state_view *view)
{
	for (uint32_t i = 0; i < r->slots; i++) {
		const struct state_slot *slot = &r->state->slots[i];
		struct recorder_client c = { 0 };

		if (load32(&slot->phase) != SLOT_BODY)
			continue;
		s->clients++;
		c.client = slot->client;
		c.behind_ms = (uint32_t)PB_MIN(
		    state_span_ms(r->state, load64(&slot->offset), view->released), (uint64_t)UINT32_MAX);
		connection(r, i, &c);
		/* One that is not even heard of does not pause: that is the way's matter, or its machine's. */
		c.paused = load32(&slot->paused) != 0 && c.unacked_ms <= SILENT_MS;
		list_client(s, &c);
	}
}

void
record_second(struct record *r)
{
	const struct state_figures *f = &r->state->figures;
	struct recorder_second s = { .at_ms = recorder_now_ms() };
	struct state_view view;

	state_view(r->state, &view);
	s.upstream_bytes = added(&r->before.upstream_bytes, load64(&f->upstream_bytes));
	s.released_bytes = added(&r->before.released, view.released);
	s.requests = added32(&r->before.requests, load64(&f->requests));
	s.retries = added32(&r->before.retries, load64(&f->retries));
	s.errors = added32(&r->before.errors, load64(&f->errors));
	s.segments = added32(&r->before.segments, load64(&f->segments));
	s.segments_lost = added32(&r->before.segments_lost, load64(&f->segments_lost));
	s.splices = added32(&r->before.splices, load64(&f->splices));
	s.filler = added(&r->before.filler_ms, load64(&f->filler_ms)) > 0;
	s.underruns = added32(&r->before.underruns, load64(&f->underruns));
	s.latency_ms = load32(&f->latency_ms);
	s.throughput_kbps = load32(&f->throughput_kbps);
	s.reserve_ms = (uint32_t)PB_MIN(view.reserve_ms, (uint64_t)UINT32_MAX);
	s.target_ms = load32(&f->target_ms);
	s.quality = load32(&f->quality);
	s.rtt_ms = load32(&f->rtt_ms);
	s.loss_permille = load32(&f->loss_permille);
	s.source = load32(&f->source);
	s.http_status = load32(&f->http_status);
	look_at_clients(r, &s, &view);
	recorder_second_put(&r->state->recorder, &s);
}

static void
on_second(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	record_second(w->data);
}

static void
on_event(void *arg, int level, const char *event, const char *pairs)
{
	struct state *state = arg;

	recorder_event_put(&state->recorder, level, event, pairs);
}

void
record_start(struct record *r, struct ev_loop *loop, struct state *state)
{
	const struct state_figures *f = &state->figures;

	memset(r, 0, sizeof(*r));
	r->loop = loop;
	r->state = state;
	r->before.upstream_bytes = load64(&f->upstream_bytes);
	r->before.requests = load64(&f->requests);
	r->before.retries = load64(&f->retries);
	r->before.errors = load64(&f->errors);
	r->before.segments = load64(&f->segments);
	r->before.segments_lost = load64(&f->segments_lost);
	r->before.splices = load64(&f->splices);
	r->before.underruns = load64(&f->underruns);
	r->before.filler_ms = load64(&f->filler_ms);
	r->before.released = load64(&state->released);
	log_tap(on_event, state);
	ev_timer_init(&r->second, on_second, 1., 1.);
	r->second.data = r;
	ev_timer_start(loop, &r->second);
}

void
record_stop(struct record *r)
{
	if (r->loop == NULL)
		return;
	log_tap(NULL, NULL);
	ev_timer_stop(r->loop, &r->second);
	r->loop = NULL;
}

void
record_slot(struct record *r, uint32_t slot)
{
	if (slot < STATE_SLOTS)
		r->slots = PB_MAX(r->slots, slot + 1);
}
