/*
 * stream.c - tunes, joins, lingers and ends
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
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "base/url.h"
#include "ipc/spool.h"
#include "ipc/tune.h"
#include "supervisor/choose.h"
#include "supervisor/tuner.h"

#define LOOK_S 1.0
#define SLOTS_FIRST 16

static void pump(struct streams *all);

const char *
stream_state_name(const struct stream *s)
{
	static const char *const names[STREAM_STATES] = { "waiting", "tuning", "live", "ending" };

	if (s->state_now == STREAM_LIVE && TAILQ_EMPTY(&s->clients))
		return "lingering";
	return names[s->state_now];
}

static void
set_state(struct stream *s, enum stream_state to)
{
	static const char *const names[STREAM_STATES] = { "waiting", "tuning", "live", "ending" };
	ev_tstamp now = ev_now(s->streams->loop);

	log_event(LOG_INFO, "stream.state", "channel=%s stream=%" PRIu64 " tuner=%d from=%s to=%s after_ms=%.0f",
	    s->guide_number, s->number, s->tuner, names[s->state_now], names[to], (now - s->since) * 1e3);
	s->state_now = to;
	s->since = now;
}

/*
 * Slots
 */

uint32_t
stream_slot_take(struct stream *s, struct client *client)
{
	struct client **more;
	uint32_t n;

	for (n = 0; n < s->slot_count; n++)
		if (s->slots[n] == NULL)
			break;
	if (n == s->slot_count) {
		uint32_t count = n == 0 ? SLOTS_FIRST : PB_MIN(n * 2, (uint32_t)STATE_SLOTS);

		if (n == STATE_SLOTS)
			return CLIENT_NO_SLOT;
		more = reallocarray(s->slots, count, sizeof(struct client *));
		if (more == NULL)
			return CLIENT_NO_SLOT;
		memset(more + n, 0, (count - n) * sizeof(struct client *));
		s->slots = more;
		s->slot_count = count;
	}
	s->slots[n] = client;
	return n;
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

static size_t
watchers(const struct stream *s)
{
	const struct client *c;
	size_t n = 0;

	TAILQ_FOREACH (c, &s->clients, link)
		n += c->phase != CLIENT_DROPPING;
	return n;
}

static void
drop_memory(struct stream *s)
{
	state_unmap(&s->state);
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
	TAILQ_REMOVE(&s->streams->all, s, link);
	s->streams->count--;
	drop_memory(s);
	free(s->slots);
	free(s);
}

/* Who waits is answered 503 with code; who was served is ended with why. May free s. */
static void
stream_end(struct stream *s, const char *why, int code)
{
	struct client *c, *next;

	if (s->state_now == STREAM_ENDING)
		return;
	log_event(LOG_INFO, "stream.end", "channel=%s stream=%" PRIu64 " tuner=%d seconds=%.1f clients=%zu why=\"%s\"",
	    s->guide_number, s->number, s->tuner, ev_now(s->streams->loop) - s->born, watchers(s), why);
	ev_timer_stop(s->streams->loop, &s->linger);
	set_state(s, STREAM_ENDING);
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
	pump(all);
}

void
stream_client_left(struct stream *s)
{
	if (s->state_now == STREAM_ENDING)
		return;
	s->left_at = ev_now(s->streams->loop);
	if (watchers(s) > 0 || ev_is_active(&s->linger))
		return;
	ev_timer_set(&s->linger, s->streams->config->stream.linger_ms / 1e3, 0.0);
	ev_timer_start(s->streams->loop, &s->linger);
}

/*
 * The worker
 */

void
stream_pay(struct stream *s)
{
	struct client *c;

	if (s->worker == NULL || s->worker->state != W_LIVE)
		return;
	while ((c = TAILQ_FIRST(&s->owed)) != NULL)
		if (client_pay(c) != 0)
			return;
}

/* What the worker is to play; false with *why when it can't be said. */
static bool
pack_tune(struct msg_tune *tune, struct stream *s, const char **why)
{
	const struct config *config = s->streams->config;
	const struct channel *channel = lineup_find(&config->lineup, s->guide_number);
	const char *url;

	*why = "the channel is gone";
	if (channel == NULL)
		return false;
	url = channel->testcard ? s->streams->testcard_url : channel->url;
	*why = "the test card's origin is not there";
	if (url == NULL || tune_pack(tune, config, channel, url, why) != 0)
		return false;
	tune->stream = s->number;
	if (channel->testcard)
		tune->settings.private_targets = 1; /* it's on this machine, and ours */
	url_redact(s->url, sizeof(s->url), url);
	return true;
}

/* Tell the worker what to play. May free s. */
static void
send_tune(struct stream *s)
{
	struct msg_tune tune;
	const char *why;
	int fds[2] = { s->spool_fd, s->state_fd };
	int err;

	if (!pack_tune(&tune, s, &why)) {
		stream_end(s, why, TUNER_TUNE_FAILED);
		return;
	}
	err = worker_send(s->worker, MSG_S_TUNE, &tune, sizeof(tune), fds, NITEMS(fds));
	s->tune_owed = err == PB_AGAIN;
	if (err == 0)
		worker_tuned(s->worker, s->state);
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
	struct client *c, *next;

	if (s->state_now != STREAM_TUNING)
		return;
	set_state(s, STREAM_LIVE);
	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->phase == CLIENT_WAITING)
			client_media(c);
	}
	stream_pay(s);
}

static void
on_failed(struct worker *w, unsigned code, const char *reason)
{
	struct stream *s = w->user;

	if (s->state_now == STREAM_ENDING)
		return;
	s->streams->failed++;
	log_event(watchers(s) > 0 ? LOG_ERR : LOG_WARNING, "stream.failed", "channel=%s stream=%" PRIu64 " code=%u why=\"%s\"",
	    s->guide_number, s->number, code, reason);
	stream_end(s, "source-failed", (int)code);
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

/*
 * Its worker is proven dead. What becomes of the stream is decided here and
 * nowhere else; the hand-over to the spare takes this place. Until then:
 * who has seen bytes is ended, who waits for media is tuned again on the
 * spare, on a fresh spool. May free s.
 */
static void
stream_succeed(struct stream *s, int status)
{
	struct client *c, *next;

	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->phase == CLIENT_OWED)
			client_wait_again(c);
		else if (c->phase != CLIENT_WAITING)
			client_end(c, "worker-died");
	}
	if (watchers(s) == 0 || s->retunes == STREAM_RETUNES ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == PB_EXIT_PERMANENT)) {
		stream_end(s, "worker-died", TUNER_TUNE_FAILED);
		return;
	}
	drop_memory(s);
	s->retunes++;
	s->restarts++;
	set_state(s, STREAM_WAITING);
}

static void
on_died(struct worker *w, int status)
{
	struct stream *s = w->user;
	struct streams *all = s->streams;

	s->worker = NULL;
	s->tune_owed = false;
	if (s->state_now == STREAM_ENDING)
		stream_free(s);
	else {
		log_event(watchers(s) > 0 ? LOG_ERR : LOG_WARNING, "worker.death",
		    "pid=%d %s=%d channel=%s stream=%" PRIu64 " clients=%zu ms=%.0f", (int)w->pid,
		    WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		    s->guide_number, s->number, watchers(s), (ev_now(all->loop) - w->born) * 1e3);
		stream_succeed(s, status);
	}
	pump(all);
}

static const struct worker_calls calls = { on_media, on_failed, on_report, on_writable, on_died };

/* Give a warm worker to a stream. May free s. */
static void
begin(struct stream *s, struct worker *w)
{
	pb_assert(s->worker == NULL && s->spool_fd == -1);
	if (spool_create(&s->spool_fd) != 0 || state_create(&s->state_fd, &s->state) != 0) {
		log_event(LOG_ERR, "stream.memory", "channel=%s why=\"%s\"", s->guide_number, strerror(errno));
		stream_end(s, "no memory", TUNER_SYSTEM_BUSY);
		return;
	}
	s->worker = w;
	w->calls = &calls;
	w->user = s;
	w->channel = s->guide_number;
	set_state(s, STREAM_TUNING);
	send_tune(s);
}

/*
 * Tunes
 */

/* Streams of its provider whose worker is not proven dead: each may hold a connection there. */
static bool
provider_has_room(const struct stream *s)
{
	const struct config *config = s->streams->config;
	const struct stream *other;
	int used = 0, max = 0;

	for (size_t i = 0; i < config->provider_count; i++)
		if (strcmp(config->providers[i].name, s->provider) == 0)
			max = config->providers[i].max_streams;
	if (max == 0)
		return true;
	TAILQ_FOREACH (other, &s->streams->all, link)
		used += other->worker != NULL && strcmp(other->provider, s->provider) == 0;
	return used < max;
}

/* Give workers to the streams that wait for one, in the order in which they came. */
static void
pump(struct streams *all)
{
	struct stream *s, *next;
	size_t waiting = 0;

	if (all->closing)
		return;
	for (s = TAILQ_FIRST(&all->all); s != NULL; s = next) {
		struct worker *w;

		next = TAILQ_NEXT(s, link);
		if (s->state_now != STREAM_WAITING || !provider_has_room(s))
			continue;
		w = workers_take(all->workers);
		if (w != NULL)
			begin(s, w);
		else
			waiting++;
	}
	workers_waiting(all->workers, waiting);
}

static void
on_spare(void *user)
{
	pump(user);
}

static struct stream *
stream_new(struct streams *all, const struct channel *channel, int tuner)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->streams = all;
	s->number = ++all->last_stream;
	s->tuner = tuner;
	s->born = s->since = s->left_at = ev_now(all->loop);
	s->spool_fd = s->state_fd = -1;
	snprintf(s->guide_number, sizeof(s->guide_number), "%s", channel->guide_number);
	snprintf(s->name, sizeof(s->name), "%s", channel->name != NULL ? channel->name : "");
	snprintf(s->provider, sizeof(s->provider), "%s", channel->provider != NULL ? channel->provider : "");
	TAILQ_INIT(&s->clients);
	TAILQ_INIT(&s->owed);
	ev_timer_init(&s->linger, on_linger, 0.0, 0.0);
	s->linger.data = s;
	TAILQ_INSERT_TAIL(&all->all, s, link);
	all->count++;
	return s;
}

static enum seat_use
use_of(const struct stream *s)
{
	enum seat_use use = SEAT_LINGERING;
	const struct client *c;

	TAILQ_FOREACH (c, &s->clients, link) {
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

	TAILQ_FOREACH (s, &all->all, link) {
		if (s->state_now == STREAM_ENDING)
			continue;
		of[n] = s;
		seats[n++] = (struct seat){
			.tuner = s->tuner,
			.use = use_of(s),
			.same_channel = strcmp(s->guide_number, channel->guide_number) == 0,
			.same_provider = channel->provider != NULL && strcmp(s->provider, channel->provider) == 0,
			.idle_s = ev_now(all->loop) - s->left_at,
		};
	}
	return n;
}

static int
provider_max(const struct config *config, const char *name)
{
	for (size_t i = 0; name != NULL && i < config->provider_count; i++)
		if (strcmp(config->providers[i].name, name) == 0)
			return config->providers[i].max_streams;
	return 0;
}

/* The stream that plays the channel, or a new one; NULL with *error. */
static struct stream *
find_stream(struct streams *all, const struct channel *channel, int tuner, int *error)
{
	static struct seat seats[STREAMS_MAX];
	static struct stream *of[STREAMS_MAX];
	struct stream *s;
	struct choice choice;
	size_t n = seat_all(all, channel, seats, of);

	choose_tuner(&choice, seats, n, tuner, all->config->tuner.tuner_count,
	    provider_max(all->config, channel->provider));
	*error = choice.error;
	if (choice.error != 0)
		return NULL;
	if (choice.join != -1) {
		all->joins++;
		return of[choice.join];
	}
	*error = TUNER_SYSTEM_BUSY;
	if (all->count == STREAMS_MAX || streams_memory(all) >= all->memory_limit)
		return NULL;
	s = stream_new(all, channel, choice.tuner);
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
    int tuner, uint32_t duration_s)
{
	struct http_taken taken;
	struct client *client;
	struct stream *s = NULL;
	int error = TUNER_SYSTEM_BUSY;

	if (!all->closing)
		s = find_stream(all, channel, tuner, &error);
	if (s == NULL) {
		char peer[ADDR_TEXT];

		all->refused++;
		log_event(LOG_WARNING, "tune.refused", "channel=%s peer=%s code=%d", channel->guide_number,
		    addr_ip(http_peer(conn), peer), error);
		http_reply(conn, tuner_error_status(error), NULL, tuner_error_head(error), NULL, 0);
		return;
	}
	http_take(conn, &taken);
	client = client_new(s, ++all->last_client, &taken, req->agent, duration_s);
	if (client == NULL) {
		http_return(all->http, &taken, tuner_error_status(TUNER_SYSTEM_BUSY), tuner_error_head(TUNER_SYSTEM_BUSY));
		stream_client_left(s);
	} else {
		ev_timer_stop(all->loop, &s->linger);
		if (s->state_now == STREAM_LIVE) {
			client_media(client);
			stream_pay(s);
		}
	}
	pump(all);
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

	(void)loop;
	(void)revents;
	TAILQ_FOREACH (s, &all->all, link)
		for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
			next = TAILQ_NEXT(c, link);
			client_look(c);
		}
}

void
streams_init(struct streams *all, struct ev_loop *loop, struct workers *workers, const struct config *config)
{
	all->loop = loop;
	all->workers = workers;
	all->config = config;
	TAILQ_INIT(&all->all);
	workers->on_spare = on_spare;
	workers->user = all;
	ev_timer_init(&all->tick, on_tick, LOOK_S, LOOK_S);
	all->tick.data = all;
	ev_timer_start(loop, &all->tick);
}

void
streams_reload(struct streams *all, const struct config *config)
{
	struct stream *s, *next;

	all->config = config;
	for (s = TAILQ_FIRST(&all->all); s != NULL; s = next) {
		const struct channel *channel = lineup_find(&config->lineup, s->guide_number);

		next = TAILQ_NEXT(s, link);
		if (channel == NULL)
			stream_end(s, "removed", TUNER_TUNE_FAILED);
		else
			snprintf(s->name, sizeof(s->name), "%s", channel->name != NULL ? channel->name : "");
	}
	pump(all);
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

uint64_t
streams_memory(const struct streams *all)
{
	const struct stream *s;
	uint64_t bytes = 0;

	TAILQ_FOREACH (s, &all->all, link)
		if (s->spool_fd != -1)
			bytes += spool_memory(s->spool_fd);
	return bytes;
}

const struct stream *
streams_on_tuner(const struct streams *all, int tuner)
{
	const struct stream *s;

	TAILQ_FOREACH (s, &all->all, link)
		if (s->tuner == tuner && s->state_now != STREAM_ENDING)
			return s;
	return NULL;
}
