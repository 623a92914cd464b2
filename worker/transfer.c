/*
 * transfer.c - how the promise in transfer.h is kept
 *
 * Whatever is asked for from inside curl is noted and done when curl has
 * returned. What is asked for elsewhere is done from an ev_prepare, which
 * runs before the loop sleeps: so a request is on the wire in the turn in
 * which it was made, and all that was asked for in one turn is done in the
 * order in which it was asked.
 */
#include "worker/transfer.h"

#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/pb.h"

#define SPARE_MAX 4 /* handles kept for reuse; each has a buffer of its own */
#define ROUNDS_MAX 8 /* of work in one turn; what is left comes in the next */

struct sock {
	ev_io io;
	struct transfers *ts;
};

struct transfers {
	struct ev_loop *loop;
	CURLM *multi;
	CURLSH *share;
	struct transfers_hooks hooks;
	ev_timer timer; /* curl's */
	ev_timer soon; /* work that is left for the next turn */
	ev_prepare prepare; /* active while there is work */
	bool kicked; /* hooks.work is wanted */
	bool due; /* curl wants to be called at once */
	bool in_curl, in_run;
	TAILQ_HEAD(, transfer) noted; /* ended or to be unpaused, from inside curl */
	TAILQ_HEAD(, transfer) spare;
	size_t nspare;
};

static void run(struct transfers *ts);

static void
want_run(struct transfers *ts)
{
	if (!ts->in_run)
		ev_prepare_start(ts->loop, &ts->prepare);
}

static void
action(struct transfers *ts, curl_socket_t fd, int mask)
{
	int running;

	ts->in_curl = true;
	curl_multi_socket_action(ts->multi, fd, mask, &running);
	ts->in_curl = false;
}

static void
on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct transfers *ts = ((struct sock *)w->data)->ts;
	int mask = (revents & EV_READ ? CURL_CSELECT_IN : 0) | (revents & EV_WRITE ? CURL_CSELECT_OUT : 0);

	(void)loop;
	action(ts, w->fd, mask); /* w may be gone now */
	run(ts);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct transfers *ts = w->data;

	(void)loop;
	(void)revents;
	ts->due = true;
	run(ts);
}

static void
on_soon(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	run(w->data);
}

static void
on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)revents;
	ev_prepare_stop(loop, w);
	run(w->data);
}

static int
on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sockp)
{
	struct transfers *ts = arg;
	struct sock *s = sockp;

	(void)easy;
	if (s != NULL)
		ev_io_stop(ts->loop, &s->io);
	if (what == CURL_POLL_REMOVE) {
		free(s);
		curl_multi_assign(ts->multi, fd, NULL);
		return 0;
	}
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return -1; /* curl fails the transfers */
		s->ts = ts;
		curl_multi_assign(ts->multi, fd, s);
	}
	ev_io_init(&s->io, on_io, fd, (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
	s->io.data = s;
	ev_io_start(ts->loop, &s->io);
	return 0;
}

static int
on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct transfers *ts = arg;

	(void)multi;
	ev_timer_stop(ts->loop, &ts->timer);
	ts->due = false;
	if (timeout_ms == 0) {
		ts->due = true;
		want_run(ts);
	} else if (timeout_ms > 0) {
		ev_timer_set(&ts->timer, (double)timeout_ms / 1e3, 0.);
		ev_timer_start(ts->loop, &ts->timer);
	}
	return 0;
}

/* Out of curl, its handle cleaned for the next one. Never called inside curl. */
static void
retire(struct transfers *ts, struct transfer *t)
{
	if (t->added)
		curl_multi_remove_handle(ts->multi, t->easy);
	t->added = false;
	if (ts->nspare >= SPARE_MAX) {
		curl_easy_cleanup(t->easy);
		free(t);
		return;
	}
	curl_easy_setopt(t->easy, CURLOPT_COOKIEFILE, NULL); /* which curl's reset would leak; shared cookies stay */
	curl_easy_reset(t->easy);
	TAILQ_INSERT_HEAD(&ts->spare, t, link);
	ts->nspare++;
}

static void
do_noted(struct transfers *ts)
{
	struct transfer *t;

	while ((t = TAILQ_FIRST(&ts->noted)) != NULL) {
		TAILQ_REMOVE(&ts->noted, t, link);
		if (t->ended) {
			retire(ts, t);
			continue;
		}
		t->unpause = false;
		ts->in_curl = true; /* it may hand out bytes at once */
		curl_easy_pause(t->easy, CURLPAUSE_CONT);
		ts->in_curl = false;
	}
}

static void
do_over(struct transfers *ts)
{
	struct transfer *t;
	CURLMsg *m;
	char *priv;
	int left;

	while ((m = curl_multi_info_read(ts->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &priv) != CURLE_OK)
			continue;
		t = (struct transfer *)(void *)priv;
		if (t->owner != NULL)
			ts->hooks.over(ts->hooks.arg, t, m->data.result);
	}
}

static void
run(struct transfers *ts)
{
	int rounds;

	pb_assert(!ts->in_run && !ts->in_curl);
	ts->in_run = true;
	for (rounds = 0; rounds < ROUNDS_MAX; rounds++) {
		do_noted(ts);
		do_over(ts);
		if (ts->kicked) {
			ts->kicked = false;
			ts->hooks.work(ts->hooks.arg);
		}
		if (ts->due) {
			ts->due = false;
			action(ts, CURL_SOCKET_TIMEOUT, 0);
			continue;
		}
		if (TAILQ_EMPTY(&ts->noted) && !ts->kicked)
			break;
	}
	ts->in_run = false;
	if (rounds == ROUNDS_MAX && !ev_is_active(&ts->soon)) {
		ev_timer_set(&ts->soon, 0., 0.);
		ev_timer_start(ts->loop, &ts->soon);
	}
}

int
transfers_new(struct transfers **out, struct ev_loop *loop, unsigned connections, const struct transfers_hooks *hooks)
{
	struct transfers *ts;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return PB_ESYS;
	ts = calloc(1, sizeof(*ts));
	if (ts == NULL)
		return PB_ENOMEM;
	ts->loop = loop;
	ts->hooks = *hooks;
	TAILQ_INIT(&ts->noted);
	TAILQ_INIT(&ts->spare);
	ev_timer_init(&ts->timer, on_timer, 0., 0.);
	ev_timer_init(&ts->soon, on_soon, 0., 0.);
	ev_prepare_init(&ts->prepare, on_prepare);
	ts->timer.data = ts->soon.data = ts->prepare.data = ts;
	ts->multi = curl_multi_init();
	ts->share = curl_share_init();
	if (ts->multi == NULL || ts->share == NULL) {
		transfers_free(&ts);
		return PB_ENOMEM;
	}
	curl_multi_setopt(ts->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(ts->multi, CURLMOPT_SOCKETDATA, ts);
	curl_multi_setopt(ts->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(ts->multi, CURLMOPT_TIMERDATA, ts);
	curl_multi_setopt(ts->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)connections);
	curl_multi_setopt(ts->multi, CURLMOPT_MAXCONNECTS, (long)connections + 2);
	curl_share_setopt(ts->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
	curl_share_setopt(ts->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	*out = ts;
	return 0;
}

void
transfers_keep(struct transfers *ts, unsigned idle)
{
	curl_multi_setopt(ts->multi, CURLMOPT_MAXCONNECTS, (long)PB_MAX(idle, 1u));
}

void
transfers_one(struct transfers *ts, bool one)
{
	curl_multi_setopt(ts->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, one ? 1L : 0L);
}

void
transfers_free(struct transfers **tsp)
{
	struct transfers *ts = *tsp;
	struct transfer *t;

	if (ts == NULL)
		return;
	pb_assert(!ts->in_run && !ts->in_curl);
	do_noted(ts); /* the last of its rounds may have left some */
	while ((t = TAILQ_FIRST(&ts->spare)) != NULL) {
		TAILQ_REMOVE(&ts->spare, t, link);
		curl_easy_cleanup(t->easy);
		free(t);
	}
	if (ts->multi != NULL)
		curl_multi_cleanup(ts->multi); /* removes the sockets through their callback */
	if (ts->share != NULL)
		curl_share_cleanup(ts->share);
	ev_timer_stop(ts->loop, &ts->timer);
	ev_timer_stop(ts->loop, &ts->soon);
	ev_prepare_stop(ts->loop, &ts->prepare);
	free(ts);
	curl_global_cleanup();
	*tsp = NULL;
}

void
transfers_kick(struct transfers *ts)
{
	ts->kicked = true;
	want_run(ts);
}

struct transfer *
transfer_new(struct transfers *ts, void *owner)
{
	struct transfer *t = TAILQ_FIRST(&ts->spare);
	CURL *easy;

	if (t != NULL) {
		TAILQ_REMOVE(&ts->spare, t, link);
		ts->nspare--;
	} else {
		easy = curl_easy_init();
		t = calloc(1, sizeof(*t));
		if (easy == NULL || t == NULL) {
			curl_easy_cleanup(easy);
			free(t);
			return NULL;
		}
		t->easy = easy;
	}
	t->owner = owner;
	t->ended = t->unpause = false;
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(t->easy, CURLOPT_SHARE, ts->share);
	curl_easy_setopt(t->easy, CURLOPT_COOKIEFILE, ""); /* cookies on, nothing is read */
	return t;
}

int
transfer_start(struct transfers *ts, struct transfer *t)
{
	pb_assert(!ts->in_curl);
	if (curl_multi_add_handle(ts->multi, t->easy) != CURLM_OK)
		return PB_ENOMEM;
	t->added = true;
	return 0;
}

void
transfer_unpause(struct transfers *ts, struct transfer *t)
{
	if (t->unpause)
		return;
	t->unpause = true;
	TAILQ_INSERT_TAIL(&ts->noted, t, link);
	want_run(ts);
}

void
transfer_end(struct transfers *ts, struct transfer **tp)
{
	struct transfer *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	t->owner = NULL;
	t->ended = true;
	if (t->unpause)
		TAILQ_REMOVE(&ts->noted, t, link);
	t->unpause = false;
	if (!ts->in_curl) {
		retire(ts, t);
		return;
	}
	TAILQ_INSERT_TAIL(&ts->noted, t, link);
	want_run(ts);
}
