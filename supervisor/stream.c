/*
 * stream.c - tunes, joins, hand-overs, lingers and ends
 *
 * A stream that ends gives its tuner up at once, but stays in the list until
 * its worker is proven dead: until then its provider may still count the
 * upstream connection, and its spool still takes memory.
 */
#include "supervisor/slates.h"
#include "supervisor/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "base/url.h"
#include "ipc/spool.h"
#include "ipc/tune.h"
#include "supervisor/choose.h"
#include "supervisor/history.h"
#include "supervisor/succession.h"
#include "supervisor/tuner.h"

#define LOOK_S 1.0
#define SLOTS_FIRST 16
#define CLOCK_SLACK_S 3.0 /* what the clock began with, and what is ahead of it */
#define ORIGIN_WAIT_S 1.0 /* until the test card's origin is asked for again */

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
		.born_ns = PB_MAX(monotonic_ns() - (int64_t)((ev_now(s->streams->loop) - s->born) * 1e9), INT64_C(1)),
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
	ev_tstamp now = ev_now(s->streams->loop);

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
 * Provider slots
 */

static int
provider_max(const struct config *config, const char *name)
{
	for (size_t i = 0; name != NULL && i < config->provider_count; i++)
		if (strcmp(config->providers[i].name, name) == 0)
			return config->providers[i].max_streams;
	return 0;
}

/* The holder's copy is not needed any more: no worker outlives us, so the lock need not. */
static void
slot_unhold(struct stream *s)
{
	if (s->slot_held)
		keep_slot_gone(s->streams->keep, s->number);
	s->slot_held = false;
}

void
stream_slot_give_up(struct stream *s)
{
	slot_unhold(s);
	slot_release(&s->slot);
}

/* Where no lock is to be had, only the streams that run are counted (choose.h): said once. */
static void
say_unlimited(struct streams *all, const char *provider)
{
	if (!all->unlimited)
		log_event(LOG_WARNING, "provider.slots",
		    "provider=\"%s\" why=\"can't be locked in state_dir: %s; "
		    "max_streams may be exceeded for a moment\"",
		    provider, strerror(errno));
	all->unlimited = true;
}

/*
 * Does it have a slot of its provider, or needs none? One that it gets here
 * is kept until its worker is proven dead; a hand-over doesn't touch it.
 */
static bool
slot_have(struct stream *s)
{
	struct streams *all = s->streams;
	const struct stream *other;
	int max = provider_max(all->config, s->provider), above = 0;
	int err;

	if (max == 0 || s->slot.fd != -1)
		return true;
	TAILQ_FOREACH(other, &all->all, link)
	above += other->slot.fd != -1 && other->slot.n >= max && strcmp(other->provider, s->provider) == 0;
	err = slot_take(&all->slots, s->provider, max, above, &s->slot);
	if (err == 0)
		s->slot_held = keep_slot(all->keep, s->number, s->slot.fd);
	else if (err != PB_NO)
		say_unlimited(all, s->provider);
	return err != PB_NO;
}

/* Has it a slot of that provider, as its own or as that of its backup? */
static bool
slot_of(const struct stream *s, const char *provider)
{
	return (s->slot.fd != -1 && strcmp(s->provider, provider) == 0) ||
	    (s->upstream.slot.fd != -1 && strcmp(s->upstream.provider, provider) == 0);
}

/* Will a new stream of that provider get a slot: now, or as soon as one of ours is proven dead? */
static bool
slot_promised(struct streams *all, const char *provider, int max)
{
	struct slot slot = { .fd = -1 };
	const struct stream *s;
	bool promised;

	if (max == 0)
		return true;
	TAILQ_FOREACH(s, &all->all, link)
	if (s->state_now == STREAM_ENDING && slot_of(s, provider))
		return true;
	promised = slot_take(&all->slots, provider, max, 0, &slot) != PB_NO;
	slot_release(&slot);
	return promised;
}

void
stream_slot_restore(struct stream *s)
{
	struct keep *keep = s->streams->keep;
	int fd = keep_claim(keep, LEDGER_FD_SLOT, s->number);

	if (fd == -1)
		return;
	s->slot_held = true;
	if (slot_adopt(&s->streams->slots, s->provider, fd, &s->slot) != 0)
		slot_unhold(s); /* the channel has another provider by now */
}

void
stream_look_up_provider(struct stream *s, bool goes_on)
{
	const struct channel *channel = config_find_playing(s->streams->config, s->guide_number);
	const char *provider = channel != NULL && channel->provider != NULL ? channel->provider : "";

	if (!goes_on || strcmp(provider, s->provider) != 0)
		stream_slot_give_up(s);
	snprintf(s->provider, sizeof(s->provider), "%s", provider);
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
	    s->guide_number, s->number, s->tuner, ev_now(s->streams->loop) - s->born, stream_watchers(s), why);
	ev_timer_stop(s->streams->loop, &s->linger);
	ev_timer_stop(s->streams->loop, &s->again);
	stream_set_state(s, STREAM_ENDING);
	slot_unhold(s);
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

	return linger == 0 ? 0 : PB_MAX(linger, s->back_until - ev_now(s->streams->loop));
}

void
stream_client_left(struct stream *s)
{
	if (s->state_now == STREAM_ENDING)
		return;
	s->left_at = ev_now(s->streams->loop);
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

/* What the worker is to play; false with *why when it can't be said. */
static bool
pack_tune(struct msg_tune *tune, struct stream *s, const struct config *config, const char **why)
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
	double lived_s = PB_MAX(ev_now(s->streams->loop) - s->born, 0.0);
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

	if (!pack_tune(&tune, s, s->streams->config, &why)) {
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

	if (s->state_now == STREAM_TUNING)
		serve(s);
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
	s->tuned_at = ev_now(s->streams->loop);
	s->moved_ns = 0;
	w->calls = &calls;
	w->user = s;
	w->channel = s->guide_number;
}

/* Give a warm worker to a stream, which begins or goes on with it. May free s. */
static void
begin(struct stream *s, struct worker *w)
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
	if (!adopts)
		stream_set_state(s, STREAM_TUNING);
	send_tune(s);
}

/*
 * The holder
 */

static void settle_all(struct streams *all);

static void
on_barrier(void *user, int err)
{
	struct streams *all = user;
	struct stream *s;
	struct client *c;

	all->settling = false;
	if (err != 0)
		log_event(LOG_WARNING, "keep.late",
		    "why=\"the holder does not answer: %s; viewers are served all the same\"", pb_strerror(err));
	TAILQ_FOREACH(s, &all->all, link)
	TAILQ_FOREACH(c, &s->clients, link)
	if (c->behind)
		client_settled(c);
	settle_all(all);
	TAILQ_FOREACH(s, &all->all, link)
	stream_pay(s);
}

/* One barrier covers all who wait for one; those who come while it is under way wait for the next. */
static void
settle_all(struct streams *all)
{
	struct stream *s;
	struct client *c;
	bool waits = false;
	int err = 0;

	if (all->settling)
		return;
	TAILQ_FOREACH(s, &all->all, link)
	TAILQ_FOREACH(c, &s->clients, link)
	waits |= c->behind = c->unsettled;
	if (!waits)
		return;
	if (keep_there(all->keep)) {
		err = notify_barrier(all->keep->notify, KEEP_BARRIER_S, on_barrier, all);
		all->settling = err == 0;
		if (err == 0)
			return;
		log_event(LOG_WARNING, "keep.late", "why=\"no barrier: %s; viewers are served all the same\"",
		    pb_strerror(err));
	}
	TAILQ_FOREACH(s, &all->all, link)
	TAILQ_FOREACH(c, &s->clients, link)
	if (c->behind)
		client_settled(c);
}

void
stream_settle(struct stream *s)
{
	settle_all(s->streams);
}

struct stream *
streams_find(struct streams *all, uint64_t number)
{
	struct stream *s;

	TAILQ_FOREACH(s, &all->all, link)
	if (s->number == number)
		return s;
	return NULL;
}

/*
 * Tunes
 */

/* Can it begin, or go on, as soon as there is a worker? */
static bool
wants_worker(struct stream *s)
{
	struct msg_tune tune;
	const char *why;

	if (s->worker != NULL || (s->state_now != STREAM_WAITING && s->state_now != STREAM_ORPHAN))
		return false;
	if (ev_now(s->streams->loop) < s->not_before || !slot_have(s))
		return false;
	if (s->state_now == STREAM_WAITING || pack_tune(&tune, s, s->streams->config, &why))
		return true;
	log_event(LOG_WARNING, "stream.backoff", "channel=%s stream=%" PRIu64 " wait_ms=%.0f why=\"%s\"",
	    s->guide_number, s->number, ORIGIN_WAIT_S * 1e3, why);
	succession_wait(s, ORIGIN_WAIT_S);
	return false;
}

/* Give workers to the streams in that state that wait for one, in the order in which they came. Gives how many still do. */
static size_t
give_workers(struct streams *all, enum stream_state state)
{
	struct stream *s, *next;
	size_t waiting = 0;

	for (s = TAILQ_FIRST(&all->all); s != NULL; s = next) {
		struct worker *w;

		next = TAILQ_NEXT(s, link);
		if (s->state_now != state || !wants_worker(s))
			continue;
		w = workers_take(all->workers);
		if (w != NULL)
			begin(s, w);
		else
			waiting++;
	}
	return waiting;
}

/* Who is watched comes first, then who wants to be. */
void
streams_pump(struct streams *all)
{
	size_t waiting;

	if (all->closing || all->frozen)
		return;
	waiting = give_workers(all, STREAM_ORPHAN);
	waiting += give_workers(all, STREAM_WAITING);
	if (waiting == 0)
		succession_retire_one(all);
	workers_waiting(all->workers, waiting);
}

static void
on_spare(void *user)
{
	streams_pump(user);
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
	s->born = s->since = s->left_at = ev_now(all->loop);
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

static enum seat_use
use_of(const struct stream *s)
{
	enum seat_use use = SEAT_LINGERING;
	const struct client *c;

	TAILQ_FOREACH(c, &s->clients, link)
	{
		if (c->phase == CLIENT_DROPPING)
			continue;
		if (!c->eof && !client_paused(c))
			return SEAT_WATCHED;
		if (!c->eof)
			use = SEAT_STALLED;
		else if (use == SEAT_LINGERING)
			use = SEAT_LEFT;
	}
	return use;
}

/* Who has which tuner; into seats[] and of[], both of STREAMS_MAX. */
static size_t
seat_all(const struct streams *all, const struct channel *channel, struct seat *seats, struct stream **of)
{
	struct stream *s;
	size_t n = 0;

	TAILQ_FOREACH(s, &all->all, link)
	{
		if (s->state_now == STREAM_ENDING)
			continue;
		of[n] = s;
		seats[n++] = (struct seat){
			.tuner = s->tuner,
			.use = use_of(s),
			.same_channel = strcmp(s->guide_number, channel->guide_number) == 0,
			.same_provider = channel->provider != NULL &&
			    (strcmp(s->provider, channel->provider) == 0 || slot_of(s, channel->provider)),
			.idle_s = ev_now(all->loop) - s->left_at,
		};
	}
	return n;
}

static bool
frees_slot(const struct choice *choice, const struct seat *seats)
{
	for (size_t i = 0; i < NITEMS(choice->give_up); i++)
		if (choice->give_up[i] != -1 && seats[choice->give_up[i]].same_provider)
			return true;
	return false;
}

/* The stream that plays the channel, or a new one; NULL with *error. */
static struct stream *
find_stream(struct streams *all, const struct channel *channel, int first, int tuner_count, int tuner, int *error)
{
	static struct seat seats[STREAMS_MAX];
	static struct stream *of[STREAMS_MAX];
	struct stream *s;
	struct choice choice;
	size_t n = seat_all(all, channel, seats, of);
	int max = provider_max(all->config, channel->provider);

	choose_tuner(&choice, seats, n, tuner == -1 ? -1 : first + tuner, first, tuner_count, max);
	*error = choice.error;
	if (choice.error != 0)
		return NULL;
	if (choice.join != -1) {
		all->joins++;
		return of[choice.join];
	}
	*error = TUNER_ALL_IN_USE;
	if (!frees_slot(&choice, seats) && !slot_promised(all, channel->provider, max))
		return NULL;
	*error = TUNER_SYSTEM_BUSY;
	if (all->count == STREAMS_MAX || streams_memory(all) >= all->memory_limit)
		return NULL;
	s = stream_new(all, keep_number(all->keep), channel, choice.tuner);
	if (s == NULL)
		return NULL;
	for (size_t i = 0; i < NITEMS(choice.give_up); i++)
		if (choice.give_up[i] != -1)
			stream_end(of[choice.give_up[i]], "tuner-needed", TUNER_ALL_IN_USE);
	all->tunes++;
	return s;
}

void
streams_tune(struct streams *all, struct http_conn *conn, const struct request *req, const struct channel *channel,
    int first, int tuner_count, int tuner, uint32_t duration_s)
{
	struct http_taken taken;
	struct client *client;
	struct stream *s = NULL;
	int error = TUNER_SYSTEM_BUSY;

	if (!all->closing)
		s = find_stream(all, channel, first, tuner_count, tuner, &error);
	if (s == NULL) {
		char peer[ADDR_TEXT];

		all->refused++;
		log_event(LOG_WARNING, "tune.refused", "channel=%s peer=%s code=%d", channel->guide_number,
		    addr_ip(http_peer(conn), peer), error);
		http_reply(conn, tuner_error_status(error), NULL, tuner_error_head(error), NULL, 0);
		return;
	}
	http_take(conn, &taken);
	client = client_new(s, keep_number(all->keep), &taken, req->agent, duration_s);
	if (client == NULL) {
		http_return(
		    all->http, &taken, tuner_error_status(TUNER_SYSTEM_BUSY), tuner_error_head(TUNER_SYSTEM_BUSY));
		stream_client_left(s);
	} else {
		ev_timer_stop(all->loop, &s->linger);
		if (s->state_now == STREAM_LIVE) {
			client_media(client);
			stream_pay(s);
		}
	}
	streams_pump(all);
}

/*
 * All of them
 */

static void
on_tick(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct streams *all = watch->data;
	struct stream *s;
	struct client *c, *next;
	int64_t now_ns = monotonic_ns();
	/* As in workers.c: who was paused with us is not to blame. */
	bool paused =
	    now_ns - all->looked_ns > (int64_t)(LOOK_S * 1e9) + (int64_t)all->config->stream.watchdog_ms * 500000;

	(void)revents;
	all->looked_ns = now_ns;
	all->looks++;
	TAILQ_FOREACH(s, &all->all, link)
	{
		for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
			next = TAILQ_NEXT(c, link);
			client_look(c);
		}
		succession_watch(s, now_ns, paused);
		if (s->state_now == STREAM_LIVE && s->state != NULL)
			learned_note(&all->learned, s->guide_number,
			    atomic_load_explicit(&s->state->figures.learned_ms, memory_order_relaxed));
	}
	learned_save(&all->learned, all->config->server.state_dir, ev_now(loop));
	streams_pump(all);
}

void
streams_init(
    struct streams *all, struct ev_loop *loop, struct workers *workers, const struct config *config, struct keep *keep)
{
	all->keep = keep;
	all->loop = loop;
	all->workers = workers;
	all->config = config;
	TAILQ_INIT(&all->all);
	workers->on_spare = on_spare;
	workers->user = all;
	all->looked_ns = monotonic_ns();
	ev_timer_init(&all->tick, on_tick, LOOK_S, LOOK_S);
	all->tick.data = all;
	ev_timer_start(loop, &all->tick);
	learned_load(&all->learned, config->server.state_dir);
	(void)slots_open(&all->slots, config->server.state_dir); /* if not, it's said when a slot is needed */
}

/* Would its worker be told something else by the new configuration? */
static bool
is_other(struct stream *s, const struct config *old, const struct config *new)
{
	struct msg_tune was, is;
	const char *why;

	if (!pack_tune(&was, s, old, &why) || !pack_tune(&is, s, new, &why))
		return false;
	return memcmp(&was, &is, sizeof(is)) != 0 ||
	    upstream_is_other(
		config_find_playing(old, s->guide_number), old, config_find_playing(new, s->guide_number), new);
}

void
streams_reload(struct streams *all, const struct config *config)
{
	const struct config *old = all->config;
	struct stream *s, *next;

	all->config = config;
	for (s = TAILQ_FIRST(&all->all); s != NULL; s = next) {
		const struct channel *channel = config_find_playing(config, s->guide_number);

		next = TAILQ_NEXT(s, link);
		if (channel == NULL) {
			stream_end(s, "removed", TUNER_TUNE_FAILED);
			continue;
		}
		snprintf(s->name, sizeof(s->name), "%s", channel->name != NULL ? channel->name : "");
		if (is_other(s, old, config))
			succession_retire(s, "reload");
		if (s->worker != NULL)
			(void)slot_have(s); /* its provider may have a limit by now */
	}
	streams_pump(all);
}

bool
streams_restart(struct streams *all, const char *guide_number, const char *why)
{
	struct stream *s;

	TAILQ_FOREACH(s, &all->all, link)
	if (s->state_now != STREAM_ENDING && strcmp(s->guide_number, guide_number) == 0) {
		succession_retire(s, why);
		streams_pump(all);
		return true;
	}
	return false;
}

void
streams_close(struct streams *all, const char *why)
{
	struct stream *s, *next;

	all->closing = true;
	ev_timer_stop(all->loop, &all->tick);
	for (s = TAILQ_FIRST(&all->all); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		stream_end(s, why, TUNER_SYSTEM_BUSY);
	}
}

void
streams_leave(struct streams *all)
{
	all->closing = true;
	ev_timer_stop(all->loop, &all->tick);
}

void
streams_freeze(struct streams *all)
{
	all->frozen = true;
}

void
streams_thaw(struct streams *all)
{
	all->frozen = false;
	streams_pump(all);
}

int
streams_each_fd(struct streams *all, int (*fn)(void *user, const char *name, int fd), void *user)
{
	const struct stream *s;
	const struct client *c;
	char name[LEDGER_NAME];
	int err = 0;

	TAILQ_FOREACH(s, &all->all, link)
	{
		if (s->state_now == STREAM_ENDING)
			continue;
		if (err == 0 && s->spool_fd != -1)
			err = fn(user, ledger_name(name, LEDGER_FD_SPOOL, s->number), s->spool_fd);
		if (err == 0 && s->state_fd != -1)
			err = fn(user, ledger_name(name, LEDGER_FD_STATE, s->number), s->state_fd);
		if (err == 0 && s->slot.fd != -1)
			err = fn(user, ledger_name(name, LEDGER_FD_SLOT, s->number), s->slot.fd);
		if (err == 0 && s->upstream.slot.fd != -1)
			err = fn(user, ledger_name(name, LEDGER_FD_BACKUP, s->number), s->upstream.slot.fd);
		TAILQ_FOREACH(c, &s->clients, link)
		if (err == 0 && c->conn.fd != -1)
			err = fn(user, ledger_name(name, LEDGER_FD_CLIENT, c->number), c->conn.fd);
	}
	return err;
}

/* Is all that its worker was told, and is to be told, in ledger and state? */
static bool
is_steady(const struct stream *s)
{
	const struct client *c;

	if (s->state_now != STREAM_LIVE || s->worker == NULL || s->worker->state != W_LIVE || s->worker->fd == -1 ||
	    s->tune_owed || s->handover.pending || !TAILQ_EMPTY(&s->owed) || !upstream_quiet(&s->upstream))
		return false;
	TAILQ_FOREACH(c, &s->clients, link)
	if (c->phase != CLIENT_SERVED)
		return false;
	return true;
}

int
streams_each_steady(struct streams *all, int (*fn)(void *user, uint64_t stream, struct worker *worker), void *user)
{
	struct stream *s;
	int err = 0;

	TAILQ_FOREACH(s, &all->all, link)
	{
		if (err != 0 || !is_steady(s))
			continue;
		worker_keep(s->worker, true);
		err = fn(user, s->number, s->worker);
	}
	return err;
}

uint64_t
streams_memory(const struct streams *all)
{
	const struct stream *s;
	uint64_t bytes = 0;

	TAILQ_FOREACH(s, &all->all, link)
	if (s->spool_fd != -1)
		bytes += spool_memory(s->spool_fd);
	return bytes;
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
	double seconds = c == NULL || c->served_at == 0 ? 0 : ev_now(s->streams->loop) - c->served_at;

	if (kbps != 0 || c == NULL)
		return kbps * 1000;
	return (uint64_t)((double)PB_MIN(client_bytes(c), UINT64_C(1) << 48) * 8 / PB_MAX(seconds, 1.0));
}

const struct stream *
streams_on_tuner(const struct streams *all, int tuner)
{
	const struct stream *s;

	TAILQ_FOREACH(s, &all->all, link)
	if (s->tuner == tuner && s->state_now != STREAM_ENDING)
		return s;
	return NULL;
}
