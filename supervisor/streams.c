/*
 * streams.c - all streams: who gets a worker, what the holder is waited for, once a second
 */
#include "supervisor/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "ipc/spool.h"
#include "supervisor/succession.h"
#include "supervisor/tuner.h"

#define LOOK_S 1.0
#define ORIGIN_WAIT_S 1.0 /* until the test card's origin is asked for again */

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
 * Workers
 */

/* Can it begin, or go on, as soon as there is a worker? May free s. */
static bool
wants_worker(struct stream *s)
{
	struct msg_tune tune;
	const char *why;

	if (s->worker != NULL || (s->state_now != STREAM_WAITING && s->state_now != STREAM_ORPHAN))
		return false;
	if (ev_is_active(&s->again) || !stream_slot_have(s))
		return false;
	if (s->state_now == STREAM_WAITING || stream_pack(&tune, s, s->streams->config, &why))
		return true;
	/* Then nobody will ever know what to play: no tuner is held for that. */
	if (config_find_playing(s->streams->config, s->guide_number) == NULL) {
		stream_end(s, "removed", TUNER_TUNE_FAILED);
		return false;
	}
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
			stream_begin(s, w);
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

/*
 * From beginning to end
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
	learned_save(&all->learned, all->config->server.state_dir, loop_now(loop));
	streams_pump(all);
}

/* Viewers must leave descriptors for workers, and for those who only ask. */
static size_t
clients_max(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_cur == RLIM_INFINITY)
		return LEDGER_CLIENTS;
	return PB_MIN((size_t)files.rlim_cur / 4, (size_t)LEDGER_CLIENTS);
}

void
streams_init(
    struct streams *all, struct ev_loop *loop, struct workers *workers, const struct config *config, struct keep *keep)
{
	all->keep = keep;
	all->loop = loop;
	all->workers = workers;
	all->config = config;
	all->clients_max = clients_max();
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

	if (!stream_pack(&was, s, old, &why) || !stream_pack(&is, s, new, &why))
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
			(void)stream_slot_have(s); /* its provider may have a limit by now */
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

const struct stream *
streams_on_tuner(const struct streams *all, int tuner)
{
	const struct stream *s;

	TAILQ_FOREACH(s, &all->all, link)
	if (s->tuner == tuner && s->state_now != STREAM_ENDING)
		return s;
	return NULL;
}
