/*
 * stream.c - a stream and its worker: begins, hand-overs, lingers and ends
 *
 * A stream that ends gives its tuner up at once, but stays in the list until
 * its worker is proven dead: until then its provider may still count the
 * upstream connection, and its spool still takes memory.
 */
#include "supervisor/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "base/url.h"
#include "ipc/spool.h"
#include "ipc/tune.h"
#include "supervisor/history.h"
#include "supervisor/slates.h"
#include "supervisor/succession.h"
#include "supervisor/tuner.h"

#define SLOTS_FIRST 16
#define CLOCK_SLACK_S 3.0 /* what the clock began with, and what is ahead of it */

static const char *const names[STREAM_STATES] = { "waiting", "tuning", "live", "orphan", "ending" };

const char *
stream_state_name(const struct stream *s)
{
	if (s->state_now == STREAM_LIVE && TAILQ_EMPTY(&s->clients))
		return "lingering";
	return names[s->state_now];
}

void
stream_note(struct stream *s)
{
	struct keep *keep = s->streams->keep;
	struct ledger_stream entry = {
		.number = s->number,
		.tuner = s->tuner,
		.live = s->state_now == STREAM_LIVE || s->state_now == STREAM_ORPHAN || s->renewed,
		.restarts = s->restarts,
		.retunes = s->retunes,
		.deaths_row = s->crashes.row,
		.crashes = s->crashes.count,
		.poisoned = s->crashes.poisoned,
		.skip_set = s->crashes.skip_set,
		.suspect = s->crashes.suspect,
		.skip_serial = s->crashes.skip_serial,
		.born_ns = (int64_t)(s->born * 1e9),
	};

	if (s->state_now == STREAM_ENDING) {
		keep_stream_gone(keep, s->number);
		return;
	}
	snprintf(entry.guide_number, sizeof(entry.guide_number), "%s", s->guide_number);
	keep_stream(keep, &entry);
}

void
stream_set_state(struct stream *s, enum stream_state to)
{
	ev_tstamp now = loop_now(s->streams->loop);

	log_event(LOG_INFO, "stream.state", "channel=%s stream=%" PRIu64 " tuner=%d from=%s to=%s after_ms=%.0f",
	    s->guide_number, s->number, s->tuner, names[s->state_now], names[to], (now - s->since) * 1e3);
	s->state_now = to;
	s->since = now;
	stream_note(s);
}

/*
 * Slots
 */

bool
stream_slot_claim(struct stream *s, struct client *client, uint32_t slot)
{
	if (slot >= STATE_SLOTS)
		return false;
	if (slot >= s->slot_count) {
		uint32_t count = PB_MAX(s->slot_count, (uint32_t)SLOTS_FIRST);
		struct client **more;

		while (count <= slot)
			count *= 2;
		count = PB_MIN(count, (uint32_t)STATE_SLOTS);
		more = reallocarray(s->slots, count, sizeof(struct client *));
		if (more == NULL)
			return false;
		memset(more + s->slot_count, 0, (count - s->slot_count) * sizeof(struct client *));
		s->slots = more;
		s->slot_count = count;
	}
	if (s->slots[slot] != NULL)
		return false;
	s->slots[slot] = client;
	return true;
}

uint32_t
stream_slot_take(struct stream *s, struct client *client)
{
	uint32_t n;

	for (n = 0; n < s->slot_count; n++)
		if (s->slots[n] == NULL)
			break;
	return stream_slot_claim(s, client, n) ? n : CLIENT_NO_SLOT;
}

void
stream_slot_free(struct stream *s, uint32_t slot)
{
	pb_assert(slot < s->slot_count && s->slots[slot] != NULL);
	s->slots[slot] = NULL;
	if (s->state != NULL)
		atomic_store_explicit(&s->state->slots[slot].phase, SLOT_FREE, memory_order_release);
}

/*
 * Ends
 */

size_t
stream_watchers(const struct stream *s)
{
	const struct client *c;
	size_t n = 0;

	TAILQ_FOREACH(c, &s->clients, link)
	n += c->phase != CLIENT_DROPPING;
	return n;
}

void
stream_drop_memory(struct stream *s)
{
	history_keep(s->streams->history, s->guide_number, s->number, s->state);
	state_unmap(&s->state);
	if (s->held)
		keep_memory_gone(s->streams->keep, s->number);
	s->held = false;
	if (s->spool_fd != -1)
		close(s->spool_fd);
	if (s->state_fd != -1)
		close(s->state_fd);
	s->spool_fd = s->state_fd = -1;
}

static void
stream_free(struct stream *s)
{
	pb_assert(TAILQ_EMPTY(&s->clients) && s->worker == NULL);
	ev_timer_stop(s->streams->loop, &s->linger);
	ev_timer_stop(s->streams->loop, &s->again);
	TAILQ_REMOVE(&s->streams->all, s, link);
	s->streams->count--;
	stream_slot_give_up(s);
	upstream_give_up(s);
	stream_drop_memory(s);
	if (s->quarantine_fd != -1)
		close(s->quarantine_fd);
	free(s->slots);
	free(s);
}

void
stream_end(struct stream *s, const char *why, int code)
{
	struct client *c, *next;

	if (s->state_now == STREAM_ENDING)
		return;
	if (s->handover.pending)
		succession_log(s, false);
	log_event(LOG_INFO, "stream.end", "channel=%s stream=%" PRIu64 " tuner=%d seconds=%.1f clients=%zu why=\"%s\"",
	    s->guide_number, s->number, s->tuner, loop_now(s->streams->loop) - s->born, stream_watchers(s), why);
	ev_timer_stop(s->streams->loop, &s->linger);
	ev_timer_stop(s->streams->loop, &s->again);
	stream_set_state(s, STREAM_ENDING);
	stream_slot_unhold(s);
	s->tuner = -1;
	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->phase == CLIENT_WAITING)
			client_refuse(c, code, why);
		else
			client_end(c, why);
	}
	if (s->worker != NULL)
		worker_stop(s->worker);
	else
		stream_free(s);
}

static void
on_linger(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct stream *s = watch->data;
	struct streams *all = s->streams;

	(void)loop;
	(void)revents;
	stream_end(s, "nobody watches", TUNER_SYSTEM_BUSY);
	streams_pump(all);
}

/* One that was cut off finds its picture again while it may come back; who sets linger to 0 wants no waiting at all. */
static double
linger_s(const struct stream *s)
{
	double linger = s->streams->config->stream.linger_ms / 1e3;

	return linger == 0 ? 0 : PB_MAX(linger, s->back_until - loop_now(s->streams->loop));
}

void
stream_client_left(struct stream *s)
{
	if (s->state_now == STREAM_ENDING)
		return;
	s->left_at = loop_now(s->streams->loop);
	if (stream_watchers(s) > 0 || ev_is_active(&s->linger))
		return;
	ev_timer_set(&s->linger, linger_s(s), 0.0);
	ev_timer_start(s->streams->loop, &s->linger);
}

/*
 * The worker
 */

void
stream_pay(struct stream *s)
{
	struct client *c;

	upstream_pay(s);
	if (s->worker == NULL || s->worker->state != W_LIVE)
		return;
	while ((c = TAILQ_FIRST(&s->owed)) != NULL)
		if (client_pay(c) != 0)
			return;
	if (s->handover.pending)
		succession_log(s, true);
}

bool
stream_pack(struct msg_tune *tune, struct stream *s, const struct config *config, const char **why)
{
	const struct channel *channel = config_find_playing(config, s->guide_number);
	const char *url;

	*why = "the channel is gone";
	if (channel == NULL)
		return false;
	url = channel->testcard ? s->streams->testcard_url : channel->url;
	*why = "the test card's origin is not there";
	if (url == NULL || tune_pack(tune, config, channel, channel->testcard ? url : NULL, why) != 0)
		return false;
	tune->stream = s->number;
	tune->learned_ms = learned_of(&s->streams->learned, s->guide_number);
	if (channel->testcard)
		tune->settings.private_targets = 1; /* it's on this machine, and ours */
	url_redact(s->url, sizeof(s->url), url);
	return true;
}

/* There is media, and a worker that has it: who waits is served. */
static void
serve(struct stream *s)
{
	struct client *c, *next;

	s->renewed = false;
	stream_set_state(s, STREAM_LIVE);
	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->phase == CLIENT_WAITING)
			client_media(c);
	}
	stream_pay(s);
}

/*
 * Where the clock of a renewed stream begins: where it was is not known, but
 * it can't have been later than this, so that times rise for who watches.
 */
static int64_t
clock_behind(const struct stream *s)
{
	double lived_s = PB_MAX(loop_now(s->streams->loop) - s->born, 0.0);
	double drift_s = lived_s / 400; /* 0.2 % (worker/pace.h), and some */

	return (int64_t)((lived_s + drift_s + s->streams->config->stream.burst_ms / 1e3 + CLOCK_SLACK_S) * 90000);
}

/* Which source its worker will begin with (worker/line.c): as it is told, or where the one before was. */
static unsigned
first_source(const struct stream *s, const struct msg_tune *tune)
{
	uint32_t n = tune->source_set ? tune->source
	    : tune->adopt             ? atomic_load_explicit(&s->state->sources.in_use, memory_order_relaxed)
				      : 0;

	return n < tune->source_count ? n : 0;
}

/* What may stand in for media. It is opened for each worker anew: files come and go. 0, PB_AGAIN, PB_ESYS. */
static int
tell_slates(struct stream *s)
{
	const struct config *config = s->streams->config;
	int fds[MSG_SLATES_MAX], err = 0;
	size_t n;

	if (config->stream.slate_after_ms == 0)
		return 0;
	n = slates_open(config->stream.slate_dir, config->server.state_dir, fds);
	for (size_t i = 0; i < n && err == 0; i += MSG_FDS_MAX) {
		struct msg_slate msg = { .first = (uint32_t)i };

		err =
		    worker_send(s->worker, MSG_S_SLATE, &msg, sizeof(msg), fds + i, PB_MIN(n - i, (size_t)MSG_FDS_MAX));
	}
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return err;
}

/* Tell the worker what to play, or to go on with. May free s. */
static void
send_tune(struct stream *s)
{
	struct msg_tune tune;
	const char *why;
	int fds[3] = { s->spool_fd, s->state_fd, s->slot.fd };
	bool adopts = s->state_now == STREAM_ORPHAN;
	int err;

	if (!stream_pack(&tune, s, s->streams->config, &why)) {
		/* Who watches stays connected: it is asked again when this worker is dead. */
		if (adopts)
			worker_stop(s->worker);
		else
			stream_end(s, why, TUNER_TUNE_FAILED);
		return;
	}
	tune.adopt = adopts;
	tune.skip_set = adopts && s->crashes.skip_set;
	tune.skip_serial = s->crashes.skip_serial;
	if (adopts)
		succession_pack(s, &tune);
	if (s->renewed)
		tune.settings.first_dts_90k = clock_behind(s);
	upstream_begins_with(s, first_source(s, &tune));
	err = succession_quarantine(s);
	if (err == 0)
		err = tell_slates(s);
	if (err == 0)
		err = upstream_tell_first(s, tune.source_count);
	if (err == 0)
		err = worker_send(s->worker, MSG_S_TUNE, &tune, sizeof(tune), fds, s->slot.fd != -1 ? 3 : 2);
	s->tune_owed = err == PB_AGAIN;
	if (err != 0)
		return;
	worker_tuned(s->worker, s->state, adopts);
	succession_packed(s);
	if (adopts)
		serve(s);
}

static void
on_writable(struct worker *w)
{
	struct stream *s = w->user;

	if (s->tune_owed)
		send_tune(s);
	else
		stream_pay(s);
}

static void
on_media(struct worker *w)
{
	struct stream *s = w->user;

	if (s->state_now != STREAM_TUNING)
		return;
	serve(s);
	workers_tuned(s->streams->workers);
}

static void
on_failed(struct worker *w, unsigned code, enum msg_failed_why of, const char *reason)
{
	struct stream *s = w->user;
	bool unlike = of == FAILED_CODEC;

	if (s->state_now == STREAM_ENDING || s->streams->closing)
		return;
	s->streams->failed++;
	if (s->renewed && stream_watchers(s) > 0 && !unlike) {
		/* They were served before: they wait for as long as it takes. */
		log_event(LOG_WARNING, "stream.failed", "channel=%s stream=%" PRIu64 " code=%u why=\"%s\"",
		    s->guide_number, s->number, code, reason);
		worker_stop(w);
		return;
	}
	log_event(stream_watchers(s) > 0 ? LOG_ERR : LOG_WARNING, "stream.failed",
	    "channel=%s stream=%" PRIu64 " code=%u why=\"%s\"", s->guide_number, s->number, code, reason);
	/* Who tunes again gets a stream of those codecs (design/architecture.md, "What may never change"). */
	stream_end(s, unlike ? "codec-change" : "source-failed", (int)code);
}

static void
on_slot(struct worker *w, const struct msg_slot_want *want)
{
	upstream_wants_slot(w->user, want);
}

static void
on_limit(struct worker *w, const struct msg_limit_report *report)
{
	upstream_hears(w->user, report);
}

static void
on_report(struct worker *w, const struct msg_client_report *report)
{
	struct stream *s = w->user;
	struct client *c = report->slot < s->slot_count ? s->slots[report->slot] : NULL;

	/* One that we ended meanwhile is not there any more; numbers are never used twice. */
	if (c != NULL && c->number == report->client)
		client_reported(c, report);
}

static void
on_died(struct worker *w, int status)
{
	struct stream *s = w->user;
	struct streams *all = s->streams;

	s->worker = NULL;
	s->tune_owed = false;
	upstream_reset(s);
	if (s->state_now == STREAM_ENDING)
		stream_free(s);
	else if (!all->closing) /* else the next supervisor goes on with it */
		succession_begin(s, w, status);
	streams_pump(all);
}

/* It may write still, and nobody can stop it: who watches is better off with nothing. May free s. */
static void
on_undead(struct worker *w)
{
	struct stream *s = w->user;

	stream_end(s, "worker-undead", TUNER_SYSTEM_BUSY);
	streams_pump(s->streams);
}

static const struct worker_calls calls = { on_media, on_failed, on_report, on_slot, on_limit, on_writable, on_undead,
	on_died };

void
stream_has_worker(struct stream *s, struct worker *w)
{
	s->worker = w;
	s->tuned_at = loop_now(s->streams->loop);
	s->moved_ns = 0;
	w->calls = &calls;
	w->user = s;
	w->channel = s->guide_number;
	worker_taken(w);
}

void
stream_begin(struct stream *s, struct worker *w)
{
	bool adopts = s->state_now == STREAM_ORPHAN;

	pb_assert(s->worker == NULL && (s->spool_fd != -1) == (adopts || s->renewed));
	if (s->spool_fd == -1 && (spool_create(&s->spool_fd) != 0 || state_create(&s->state_fd, &s->state) != 0)) {
		log_event(LOG_ERR, "stream.memory", "channel=%s why=\"%s\"", s->guide_number, strerror(errno));
		stream_end(s, "no memory", TUNER_SYSTEM_BUSY);
		return;
	}
	if (!adopts && !s->renewed)
		s->held = keep_memory(s->streams->keep, s->number, s->spool_fd, s->state_fd);
	stream_has_worker(s, w);
	if (!adopts) {
		stream_set_state(s, STREAM_TUNING);
		workers_tuning(s->streams->workers);
	}
	send_tune(s);
}

struct stream *
stream_new(struct streams *all, uint64_t number, const struct channel *channel, int tuner)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->streams = all;
	s->number = number;
	s->tuner = tuner;
	s->born = s->since = s->left_at = loop_now(all->loop);
	s->spool_fd = s->state_fd = s->slot.fd = s->quarantine_fd = -1;
	s->source_next = -1;
	upstream_init(&s->upstream);
	snprintf(s->guide_number, sizeof(s->guide_number), "%s", channel->guide_number);
	snprintf(s->name, sizeof(s->name), "%s", channel->name != NULL ? channel->name : "");
	snprintf(s->provider, sizeof(s->provider), "%s", channel->provider != NULL ? channel->provider : "");
	TAILQ_INIT(&s->clients);
	TAILQ_INIT(&s->owed);
	ev_timer_init(&s->linger, on_linger, 0.0, 0.0);
	ev_timer_init(&s->again, succession_again, 0.0, 0.0);
	s->linger.data = s->again.data = s;
	TAILQ_INSERT_TAIL(&all->all, s, link);
	all->count++;
	stream_note(s);
	return s;
}

const struct client *
stream_viewer(const struct stream *s)
{
	const struct client *c;

	TAILQ_FOREACH(c, &s->clients, link)
	if (c->phase != CLIENT_DROPPING && !c->eof)
		return c;
	return NULL;
}

uint64_t
stream_rate_bits(const struct stream *s)
{
	uint64_t kbps =
	    s->state == NULL ? 0 : atomic_load_explicit(&s->state->figures.media_kbps, memory_order_relaxed);
	const struct client *c = stream_viewer(s);
	double seconds = c == NULL || c->served_at == 0 ? 0 : loop_now(s->streams->loop) - c->served_at;

	if (kbps != 0 || c == NULL)
		return kbps * 1000;
	return (uint64_t)((double)PB_MIN(client_bytes(c), UINT64_C(1) << 48) * 8 / PB_MAX(seconds, 1.0));
}
