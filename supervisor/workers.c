/*
 * workers.c - when to start a worker, and when to kill one
 */
#include "supervisor/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"

/* One that died of itself so soon after it was ready was never good: it would be started in a circle. */
#define GOOD_AFTER_S 1.0

static void
apply(struct workers *pool, const struct workers_settings *settings)
{
	/* A hang lasts the watchdog and up to a tick: no more than a sixteenth on top. */
	double tick_s = settings->watchdog_ms / 16e3;

	pool->log_level = settings->log_level;
	pool->log_json = settings->log_json;
	pool->log_syslog = settings->log_syslog;
	pool->watchdog_ms = settings->watchdog_ms;
	pool->memory_bytes = CHILD_LIMITED ? settings->worker_memory : 0;
	pool->limits.data_bytes = 2 * pool->memory_bytes;
	tick_s = PB_MAX(0.05, PB_MIN(tick_s, 0.125));
	pool->tick.repeat = tick_s;
	ev_timer_again(pool->loop, &pool->tick);
	pool->ticked_ns = monotonic_ns();
}

static size_t
idle(const struct workers *pool)
{
	const struct worker *w;
	size_t n = 0;

	LIST_FOREACH(w, &pool->all, link)
	if (w->calls == NULL && (w->state == W_STARTING || w->state == W_WARM))
		n++;
	return n;
}

static void
start_at(struct workers *pool, double when)
{
	ev_timer_stop(pool->loop, &pool->start);
	ev_timer_set(&pool->start, PB_MAX(0.0, when - monotonic_s()), 0.0);
	ev_timer_start(pool->loop, &pool->start);
}

static double
jitter(double seconds)
{
	return seconds * (0.75 + 0.5 * ((double)arc4random() / 4294967296.0));
}

static void
failed(struct workers *pool)
{
	double wait = WORKERS_BACKOFF_S;

	for (unsigned i = 0; i < pool->failures && wait < WORKERS_BACKOFF_MAX_S; i++)
		wait *= 2;
	pool->failures++;
	wait = jitter(PB_MIN(wait, WORKERS_BACKOFF_MAX_S));
	pool->not_before = monotonic_s() + wait;
	log_event(LOG_WARNING, "worker.backoff", "failures=%u wait_ms=%.0f", pool->failures, wait * 1e3);
}

void
workers_fill(struct workers *pool)
{
	size_t missing, have = idle(pool);

	missing = 1 + pool->waiting > have ? 1 + pool->waiting - have : 0;
	/* While none ever becomes ready, one try at a time is enough. */
	if (pool->failures > 0)
		missing = have == 0 ? 1 : 0;
	while (missing > 0 && !pool->closing && !pool->refused) {
		double now = monotonic_s();
		struct worker *w;

		if (now < pool->not_before) {
			start_at(pool, pool->not_before);
			return;
		}
		if (pool->waiting == 0 && now < pool->alone_until) {
			start_at(pool, pool->alone_until);
			return;
		}
		if (now - pool->window >= 1.0) {
			pool->window = now;
			pool->window_starts = 0;
		}
		if (pool->exempt > 0) {
			pool->exempt--;
		} else if (pool->window_starts >= WORKERS_STARTS_PER_S) {
			start_at(pool, pool->window + 1.0);
			return;
		} else {
			pool->window_starts++;
		}
		w = worker_start(pool);
		if (w == NULL) {
			log_event(LOG_ERR, "worker.start", "why=\"%s\"", strerror(errno));
			failed(pool);
			continue;
		}
		pool->starts++;
		LIST_INSERT_HEAD(&pool->all, w, link);
		missing--;
	}
}

static void
on_start(struct ev_loop *loop, ev_timer *watch, int revents)
{
	(void)loop;
	(void)revents;
	workers_fill(watch->data);
}

static void
on_tick(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct workers *pool = watch->data;
	int64_t now_ns = monotonic_ns();
	bool paused = now_ns - pool->ticked_ns > (int64_t)pool->watchdog_ms * 500000;
	struct worker *w, *next;

	(void)loop;
	(void)revents;
	pool->ticked_ns = now_ns;
	for (w = LIST_FIRST(&pool->all); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (paused)
			w->watched_ns = now_ns; /* it may have been paused with us */
		else if (worker_hangs(w, now_ns, pool->watchdog_ms))
			worker_kill(w, "its heart stands still longer than watchdog allows");
	}
}

static void
on_ping(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct workers *pool = watch->data;
	struct worker *w;

	(void)loop;
	(void)revents;
	/* A full channel has enough in it to hear of us. */
	LIST_FOREACH(w, &pool->all, link)
	if (w->fd != -1)
		(void)msg_send(w->fd, MSG_S_PING, NULL, 0, NULL, 0);
}

int
workers_init(
    struct workers *pool, struct ev_loop *loop, const struct privs *privs, const struct workers_settings *settings)
{
	pool->loop = loop;
	pool->limits.privs = privs;
	LIST_INIT(&pool->all);
	if (pool->program[0] == '\0' && !child_program(pool->program, sizeof(pool->program), "plexbridge-worker"))
		return PB_NO;
	ev_timer_init(&pool->start, on_start, 0.0, 0.0);
	ev_timer_init(&pool->tick, on_tick, 0.0, 0.5);
	ev_timer_init(&pool->ping, on_ping, MSG_PING_S, MSG_PING_S);
	pool->start.data = pool->tick.data = pool->ping.data = pool;
	apply(pool, settings);
	ev_timer_start(loop, &pool->ping);
	workers_fill(pool);
	return 0;
}

void
workers_reload(struct workers *pool, const struct workers_settings *settings)
{
	bool other = settings->log_level != pool->log_level || settings->log_json != pool->log_json ||
	    settings->log_syslog != pool->log_syslog ||
	    (CHILD_LIMITED && settings->worker_memory != pool->memory_bytes);
	struct worker *w;

	apply(pool, settings);
	if (other)
		LIST_FOREACH(w, &pool->all, link)
	if (w->calls == NULL)
		worker_stop(w);
	pool->refused = false;
	pool->failures = 0;
	pool->not_before = 0;
	workers_fill(pool);
}

struct worker *
workers_take(struct workers *pool)
{
	struct worker *w;

	LIST_FOREACH(w, &pool->all, link)
	if (w->calls == NULL && w->state == W_WARM) {
		pool->taken_at = monotonic_s();
		return w;
	}
	return NULL;
}

void
workers_tuning(struct workers *pool)
{
	pool->alone_until = monotonic_s() + WORKERS_ALONE_S;
}

void
workers_tuned(struct workers *pool)
{
	pool->alone_until = PB_MIN(pool->alone_until, monotonic_s() + WORKERS_SERVED_S);
	workers_fill(pool);
}

void
workers_waiting(struct workers *pool, size_t streams)
{
	pool->waiting = streams;
	workers_fill(pool);
}

void
workers_exempt(struct workers *pool, size_t streams)
{
	pool->exempt = streams;
}

const struct worker *
workers_spare(const struct workers *pool)
{
	const struct worker *w, *spare = NULL;

	LIST_FOREACH(w, &pool->all, link)
	if (w->calls == NULL && (w->state == W_WARM || (w->state == W_STARTING && spare == NULL)))
		spare = w;
	return spare;
}

bool
workers_ready(const struct workers *pool)
{
	const struct worker *spare = workers_spare(pool);

	if (pool->closing || pool->refused)
		return false;
	return (spare != NULL && spare->state == W_WARM) ||
	    (pool->failures == 0 && monotonic_s() - pool->taken_at < WORKERS_ALONE_S + WORKERS_REPLACED_S);
}

void
workers_warm(struct workers *pool, struct worker *worker)
{
	(void)worker;
	if (!pool->closing)
		pool->on_spare(pool->user);
}

void
workers_lost(struct workers *pool, const struct worker *w, int status, bool ready)
{
	char text[32];

	if (ready && loop_now(pool->loop) - w->born >= GOOD_AFTER_S)
		pool->failures = 0;
	if (w->asked)
		return;
	pool->deaths++;
	/* The stream that had it says it with all that belongs to it. */
	if (w->calls == NULL)
		log_event(LOG_WARNING, "worker.death", "pid=%d %s=%d stream=- clients=0", (int)w->pid,
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == PB_EXIT_PERMANENT && !ready) {
		pool->refused = true;
		log_event(LOG_ERR, "worker.refused",
		    "why=\"%s says that it will fail again (%s): waiting for a reload\"", pool->program,
		    child_status_text(text, sizeof(text), status));
		return;
	}
	if (!ready || (w->calls == NULL && loop_now(pool->loop) - w->born < GOOD_AFTER_S))
		failed(pool);
}

void
workers_close(struct workers *pool)
{
	struct worker *w, *next;

	pool->closing = true;
	ev_timer_stop(pool->loop, &pool->start);
	for (w = LIST_FIRST(&pool->all); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (!w->kept)
			worker_stop(w);
	}
}

bool
workers_busy(const struct workers *pool)
{
	const struct worker *w;

	LIST_FOREACH(w, &pool->all, link)
	if (!w->kept)
		return true;
	return false;
}

struct worker *
workers_claim(struct workers *pool, uint64_t stream)
{
	struct worker *w;

	LIST_FOREACH(w, &pool->all, link)
	if (w->passed_for == stream && w->calls == NULL && w->state == W_LIVE)
		return w;
	return NULL;
}

void
workers_end_unclaimed(struct workers *pool)
{
	struct worker *w;

	LIST_FOREACH(w, &pool->all, link)
	if (w->passed_for != 0 && w->calls == NULL && w->state == W_LIVE) {
		worker_listen(w, NULL);
		worker_stop(w);
	}
}

void
workers_open(struct workers *pool)
{
	struct worker *w;

	LIST_FOREACH(w, &pool->all, link)
	if (w->kept)
		worker_keep(w, false);
	pool->closing = false;
	workers_fill(pool);
}

size_t
workers_warm_count(const struct workers *pool)
{
	const struct worker *w;
	size_t n = 0;

	LIST_FOREACH(w, &pool->all, link)
	n += w->calls == NULL && w->state == W_WARM;
	return n;
}
