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
#include "worker/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/pb.h"
#include "ipc/msg.h"
#include "worker/body.h"
#include "worker/headers.h"
#include "worker/hosts.h"
#include "worker/interfaces.h"
#include "worker/late.h"
#include "worker/meter.h"
#include "worker/reply.h"
#include "worker/resolve.h"
#include "worker/sockets.h"
#include "worker/transfer.h"
#include "worker/verdict.h"

#define DISCARD_MAX ((size_t)16 << 10) /* of an error page, to keep the connection; more costs more than a new one */
#define FREE_RETRIES 2                 /* on a fresh connection, not counted as tries */
#define COLLECT_TIMES 4                /* a playlist has so many try timeouts in all, however it drips */
#define CONN_IDLE_S 30L
#define SEGMENT_BUFFER (64L << 10) /* a read: less costs CPU, more costs every worker memory */
#define LAUNCHES_MAX 32 /* in one round */
#define TRY_MIN_S 1. /* a deadline makes a try no shorter */
#define PERSIST_SHARE 4 /* of the time left is waited before a try beyond the last */

enum state { QUEUED, NAMING, RUNNING, PAUSED, WAITING };

struct fetch_pool {
	struct ev_loop *loop;
	struct transfers *transfers;
	struct resolve *resolve;
	struct msg_settings settings;
	char *user_agent, *ca_file;
	const char *ca_path;               /* curl's own string; NULL: not used */
	struct headers headers;
	bool headers_one_host;
	enum { SOURCE_UNKNOWN, SOURCE_PUBLIC, SOURCE_PRIVATE } source;
	uint64_t random;
	struct fetch_figures figures;
	struct fetch_phases phases;
	struct fetch_trouble trouble;
	struct hosts hosts;
	struct late late[2]; /* what is handed on as it comes, and what is collected */
	struct meter meter;
	struct sockets sockets;
	struct interfaces interfaces;
	double patience;
	ev_tstamp hold; /* no request before */
	ev_timer held;
	void (*answered)(void *arg, int status, uint32_t retry_after_ms, bool channel_url);
	void *arg;
	TAILQ_HEAD(, fetch) fetches;
};

/* A second request beside the one in hand, until one of them answers. */
struct hedge {
	struct place place; /* owner is the fetch, as of its own */
	struct transfer *t;
	struct reply reply;
	bool ranged;
	bool spent; /* the try in hand had its second request */
	ev_tstamp began_at;
};

struct fetch {
	TAILQ_ENTRY(fetch) link;
	struct fetch_pool *pool;
	struct fetch_options o; /* o.url: see url */
	enum state state;
	bool finished;          /* on_done is on the stack */

	char *url;              /* as asked for */
	char *now;              /* after redirects */
	struct url_parts parts; /* of now */
	char home[URL_HOST_MAX];
	unsigned hops;
	uint64_t seen[FETCH_REDIRECTS_MAX + 1];

	struct place place; /* at the host of now */
	struct resolve_query *query;
	struct resolve_addrs addrs;
	struct transfer *t;
	struct hedge hedge;
	ev_timer timer;
	ev_tstamp started, began_at, active_at, wake, missing_since;
	ev_tstamp naming_at;

	unsigned tries, tries_max;
	unsigned failed;      /* tries that count against tries_max */
	unsigned free_retries;
	unsigned rotate; /* which address goes first */
	double try_s; /* how long the one in hand may be silent */
	bool fresh; /* not on a kept connection */
	bool no_range; /* ranges don't work here: take the whole and cut */

	/* The response in hand. */
	struct reply reply;
	bool head_over, discard, ranged, refused, whole, replan;
	size_t discarded;
	uint64_t skip;        /* bytes of body still to be dropped in front */
	uint64_t got;         /* bytes taken from it */
	ev_tstamp first_byte;
	bool metered, at_edge; /* the pool's meter has it as moving, and how */
	int stop_err;         /* why a callback stopped curl */

	struct reply first;   /* the one that delivered the first bytes */
	uint64_t pos;         /* bytes delivered */
	struct body body;

	/* For the result. */
	int status, curl_code;
	long verify; /* X509_V_... */
	uint32_t connect_ms, ttfb_ms, retry_after_ms;
	bool range_ignored, reused, http2;
	char why[FETCH_REASON_MAX / 2];
};

static void begin(struct fetch *f);
static void finish(struct fetch *f, int err);
static void note_phases(struct fetch_phases *p, CURL *e);
static void redirect(struct fetch *f);
static void ask_twice(struct fetch *f);
static void take_hedge(struct fetch *f);
static void succeeded(struct fetch *f);

static bool
collected(const struct fetch *f)
{
	return f->o.kind == FETCH_PLAYLIST || f->o.kind == FETCH_KEY;
}

static void because(struct fetch *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void
because(struct fetch *f, const char *fmt, ...)
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

static void
leave_host(struct fetch *f)
{
	if (hosts_leave(&f->place))
		transfers_kick(f->pool->transfers); /* who waits for this place? */
}

static bool
http2_wanted(const struct fetch *f)
{
	/* One endless body: a connection of its own pauses better than a window. */
	return f->o.kind != FETCH_STREAM && hosts_http2(&f->place);
}

static struct late *
history(const struct fetch *f)
{
	return &f->pool->late[collected(f)];
}

/* No second request any more, whatever became of it. */
static void
drop_hedge(struct fetch *f)
{
	transfer_end(f->pool->transfers, &f->hedge.t);
	if (hosts_leave(&f->hedge.place))
		transfers_kick(f->pool->transfers);
	reply_clear(&f->hedge.reply);
}

static bool
hedged(const struct fetch *f)
{
	return f->hedge.t != NULL || f->hedge.place.host != NULL;
}

/* A segment's body moves, or doesn't: the pool's meter is told, whenever that may have changed. */
static void
meter_follow(struct fetch *f)
{
	ev_tstamp now = ev_now(f->pool->loop);
	bool moves = f->o.kind == FETCH_SEGMENT && f->state == RUNNING && f->t != NULL && f->first_byte > 0 && !f->discard;
	bool at_edge = moves && now - f->first_byte < f->o.making_ms / 1e3;

	if (f->metered == moves && f->at_edge == at_edge)
		return;
	if (f->metered)
		meter_end(&f->pool->meter, f->at_edge, now);
	if (moves)
		meter_begin(&f->pool->meter, at_edge, now);
	f->metered = moves;
	f->at_edge = at_edge;
}

/* Time. */

/*
 * Each try is more patient than the one before, as long as there is time: it
 * leaves half of what the deadline leaves to the next one.
 */
static double
try_timeout(const struct fetch *f)
{
	const struct msg_settings *s = &f->pool->settings;
	double seconds = ((double)s->try_timeout_ms + (double)f->failed * s->try_step_ms) / 1e3 * f->pool->patience;

	if (f->o.deadline <= 0)
		return seconds;
	return PB_MIN(seconds, PB_MAX((f->o.deadline - ev_now(f->pool->loop)) / 2, TRY_MIN_S));
}

/* A body that moves is not cut by the deadline; but half a playlist is of no use to anybody. */
static bool
deadline_rules(const struct fetch *f)
{
	return f->o.deadline > 0 && (f->got == 0 || collected(f)) && f->state != PAUSED;
}

/* When the try in hand is late, 0: never. */
static ev_tstamp
late_at(const struct fetch *f)
{
	if (f->state != RUNNING || f->o.hedge_ms == 0 || f->pool->hosts.one || f->hedge.spent || f->discard)
		return 0;
	return f->active_at + late_after_ms(history(f), f->o.hedge_ms) / 1e3;
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
	if (f->state == RUNNING && collected(f))
		at = PB_MIN(at, f->began_at + COLLECT_TIMES * f->try_s);
	if (late_at(f) > 0)
		at = PB_MIN(at, late_at(f));
	if (deadline_rules(f) && (at == 0 || f->o.deadline < at))
		at = f->o.deadline;
	return at;
}

static void
arm(struct fetch *f)
{
	ev_tstamp at = due(f);

	ev_timer_stop(f->pool->loop, &f->timer);
	if (at == 0)
		return;
	ev_timer_set(&f->timer, PB_MAX(at - ev_now(f->pool->loop), 0.), 0.);
	ev_timer_start(f->pool->loop, &f->timer);
}

static void
stop_transfer(struct fetch *f)
{
	resolve_cancel(&f->query);
	transfer_end(f->pool->transfers, &f->t);
	meter_follow(f);
	drop_hedge(f);
}

/* Round again, in delay seconds; never past the deadline, and with time left to use the answer. */
static void
again(struct fetch *f, double delay)
{
	ev_tstamp now = ev_now(f->pool->loop);

	stop_transfer(f);
	leave_host(f);
	f->got = 0;
	if (f->o.deadline > 0 && now >= f->o.deadline) {
		finish(f, PB_ETIME);
		return;
	}
	if (f->o.deadline > 0)
		delay = PB_MIN(delay, (f->o.deadline - now) / 2);
	f->pool->figures.retries++;
	if (delay <= 0) {
		begin(f);
		return;
	}
	f->state = WAITING;
	f->wake = now + delay;
	arm(f);
}

/* A try failed, in that way; f->why and the response in hand say more. */
static void
note_trouble(struct fetch *f, enum trouble what)
{
	struct fetch_trouble *t = &f->pool->trouble;

	t->tries++;
	t->what = what;
	t->kind = f->o.kind;
	t->http_status = f->reply.status;
	snprintf(t->why, sizeof(t->why), "%s", f->why);
	snprintf(t->host, sizeof(t->host), "%s", f->parts.host);
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
		    (f->reply.status == 416 && f->reply.total >= 0 && f->o.range.offset + f->pos == (uint64_t)f->reply.total),
		.missing_ms = f->o.missing_ms,
		.missing_s = f->missing_since > 0 ? ev_now(f->pool->loop) - f->missing_since : 0,
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
	double pause_s, left_s = f->o.deadline - ev_now(f->pool->loop);

	if (moved && !collected(f))
		f->failed = 0;
	if (++f->failed >= f->tries_max && !(f->o.persist && left_s > TRY_MIN_S)) {
		finish(f, err);
		return;
	}
	pause_s = verdict_pause(f->failed, s->backoff_ms, s->backoff_max_ms, f->retry_after_ms, random_unit(f->pool));
	/* The nearer the deadline, the oftener: the last quarter of the time is what the answer itself needs. */
	if (f->o.persist && f->o.deadline > 0 && f->retry_after_ms == 0)
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
		because(f, "%s", v->why);
	if (v->trouble != TROUBLE_NONE && v->what != VERDICT_DONE && v->what != VERDICT_REDIRECT && v->what != VERDICT_STALE)
		note_trouble(f, v->trouble);
	f->fresh = v->fresh;
	f->rotate += v->rotate;
	f->no_range |= v->whole;
	if (v->doubt)
		resolve_doubt(f->pool->resolve, f->parts.host);
	if (v->http2)
		hosts_http2_failed(&f->place, ev_now(f->pool->loop));
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
			f->missing_since = ev_now(f->pool->loop);
		again(f, VERDICT_MISSING_S);
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

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fetch *f = w->data;
	ev_tstamp now = ev_now(loop), at = due(f);
	struct verdict_try t;
	struct verdict v;

	(void)revents;
	if (at == 0 || now + 1e-6 < at) { /* it paused, or bytes came meanwhile */
		arm(f);
		return;
	}
	if (deadline_rules(f) && now + 1e-6 >= f->o.deadline) {
		if (f->why[0] == '\0')
			because(f, "nothing came before the deadline");
		finish(f, PB_ETIME);
		return;
	}
	if (f->state == WAITING) {
		begin(f);
		return;
	}
	if (late_at(f) > 0 && now + 1e-6 >= late_at(f)) {
		ask_twice(f);
		arm(f);
		return;
	}
	if (f->hedge.t != NULL) { /* the first had its time; the second has the rest of its own */
		take_hedge(f);
		arm(f);
		return;
	}
	f->curl_code = CURLE_OPERATION_TIMEDOUT;
	if (f->t != NULL && f->pool->phases.answer_ms < 0)
		note_phases(&f->pool->phases, f->t->easy);
	t = known(f, CURLE_OPERATION_TIMEDOUT);
	v = verdict_timeout(&t, f->state == NAMING, f->try_s);
	obey(f, &v);
}

/* What curl calls. */

static size_t
stop(struct fetch *f, int err)
{
	f->stop_err = err;
	return 0;
}

/* What on_data will get in all, -1 unknown. */
static int64_t
expected(const struct fetch *f)
{
	int64_t total = f->reply.status == 206 ? f->reply.total : f->reply.length;
	int64_t from = (int64_t)f->o.range.offset;

	if (f->reply.encoded)
		return -1;
	if (f->o.range.length == 0)
		return total;
	if (total >= 0 && total - from < (int64_t)f->o.range.length)
		return PB_MAX(total - from, 0);
	return (int64_t)f->o.range.length;
}

/* Does this head go on where we are? 0, or what is wrong. */
static int
check_body_head(struct fetch *f)
{
	uint64_t want = f->o.range.offset + f->pos;
	int64_t length;

	if (f->reply.status == 206 && f->reply.first != (int64_t)want) {
		because(f, "206 that begins at %" PRId64 " instead of %" PRIu64, f->reply.first, want);
		if (f->no_range || !f->ranged)
			return PB_EFORMAT;
		f->no_range = f->replan = true;
		return PB_EFORMAT;
	}
	f->skip = f->reply.status == 206 ? 0 : want;
	if (f->pos > 0) {
		bool same = f->reply.status == 206 ? reply_same_file(&f->first, &f->reply) :
						     reply_surely_same(&f->first, &f->reply);

		if (!same) {
			because(f, "changed while it was fetched");
			return PB_EFORMAT;
		}
	} else {
		reply_clear(&f->first);
		f->first = f->reply;
		f->first.location = NULL;
	}
	if (f->o.kind == FETCH_STREAM)
		return 0;
	if (f->o.range.length > 0 && f->reply.status != 206)
		f->range_ignored = true;
	if (f->reply.encoded)
		f->no_range = true; /* ranges would count other bytes than we do */
	length = expected(f);
	if (length == 0 && f->o.range.length > 0) {
		because(f, "its byte range lies behind its end");
		return PB_EFORMAT;
	}
	if (length > (int64_t)FETCH_SEGMENT_MAX || f->skip > FETCH_SEGMENT_MAX) {
		because(f, "a segment of %" PRId64 " bytes", f->reply.length);
		return PB_ELIMIT;
	}
	return 0;
}

static int
accept_head(struct transfer *t, struct fetch *f)
{
	struct fetch_head head;
	int err = 0;

	if (!collected(f))
		err = check_body_head(f);
	else if (f->reply.length > (int64_t)f->body.max && !f->reply.encoded)
		err = PB_ELIMIT, because(f, "a body of %" PRId64 " bytes", f->reply.length);
	if (err != 0)
		return err;
	if (f->o.on_head != NULL) {
		head.url = f->now;
		head.type = f->reply.type;
		head.status = f->reply.status;
		head.length = expected(f);
		head.at = f->pos;
		head.tries = f->tries;
		f->o.on_head(f->o.arg, &head);
		if (t->owner != f)
			return PB_NO; /* cancelled: f is gone */
	}
	return 0;
}

/* Is what the second request was answered a good answer, and does it go on where we are? */
static bool
hedge_fits(const struct fetch *f)
{
	const struct reply *reply = &f->hedge.reply;

	if (reply->status >= 300 && reply->status < 400)
		return reply->location != NULL && f->pos == 0;
	if (reply->status != 200 && reply->status != 203 && reply->status != 206)
		return false;
	if (collected(f) || f->pos == 0)
		return true;
	return reply->status == 206 && reply->first == (int64_t)(f->o.range.offset + f->pos) &&
	    reply_same_file(&f->first, reply);
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct fetch *f = t->owner;
	int err;

	if (f == NULL)
		return 0;
	n *= size;
	if (t == f->hedge.t) {
		if (!reply_line(&f->hedge.reply, line, n))
			return n;
		if (!hedge_fits(f)) {
			drop_hedge(f);
			return 0;
		}
		late_heard(history(f), (uint32_t)((ev_now(f->pool->loop) - f->active_at) * 1e3));
		f->pool->figures.hedges_won++;
		take_hedge(f);
	} else if (f->head_over || !reply_line(&f->reply, line, n))
		return n; /* in the middle, or trailers */
	f->head_over = true;
	f->status = f->reply.status;
	if (f->status != 200 && f->status != 203 && f->status != 206) {
		f->discard = true;
		return n;
	}
	drop_hedge(f); /* it was taken, or comes too late */
	err = accept_head(t, f);
	if (t->owner != f)
		return 0;
	return err == 0 ? n : stop(f, err);
}

static size_t
take(struct transfer *t, struct fetch *f, const char *buf, size_t n)
{
	uint64_t skip = PB_MIN(f->skip, n), left;
	size_t len = n - (size_t)skip;
	int err = 0;

	if (f->o.range.length > 0) {
		left = f->o.range.length - f->pos;
		len = PB_MIN(len, left);
	}
	if (f->o.kind == FETCH_SEGMENT && len > FETCH_SEGMENT_MAX - f->pos) {
		because(f, "a segment of more than %" PRIu64 " bytes", FETCH_SEGMENT_MAX);
		return stop(f, PB_ELIMIT);
	}
	if (len > 0)
		err = f->o.on_data(f->o.arg, buf + skip, len);
	if (t->owner != f)
		return 0; /* cancelled: f is gone */
	if (err == PB_AGAIN) {
		f->state = PAUSED;
		meter_follow(f);
		return CURL_WRITEFUNC_PAUSE; /* curl keeps all n bytes and brings them again */
	}
	if (f->metered)
		meter_bytes(&f->pool->meter, n, f->active_at);
	if (err != 0) {
		because(f, "its reader gave up: %s", pb_strerror(err));
		return stop(f, err);
	}
	f->skip -= skip;
	f->pos += len;
	f->got += len;
	f->pool->figures.bytes += n;
	if (f->o.range.length > 0 && f->pos == f->o.range.length && f->reply.status != 206) {
		f->whole = true; /* the rest of the file is of no use */
		return 0;
	}
	return n;
}

static size_t
on_body(char *buf, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct fetch *f = t->owner;
	int err;

	if (f == NULL || t == f->hedge.t)
		return 0;
	n *= size;
	if (f->discard) { /* and its time runs on */
		f->discarded += n;
		return f->discarded > DISCARD_MAX ? 0 : n;
	}
	if (hedged(f))
		drop_hedge(f); /* it moves again */
	f->active_at = ev_now(f->pool->loop);
	if (f->first_byte == 0)
		f->first_byte = f->active_at;
	meter_follow(f);
	if (!collected(f))
		return take(t, f, buf, n);
	err = body_append(&f->body, buf, n);
	if (err == PB_ELIMIT)
		because(f, "a %s of more than %zu bytes", f->o.kind == FETCH_KEY ? "key" : "playlist", f->body.max);
	if (err != 0)
		return stop(f, err);
	f->got += n;
	f->pos = f->body.len;
	f->pool->figures.bytes += n;
	return n;
}

static bool
may_be_private(const struct fetch *f)
{
	return f->pool->settings.private_targets || f->pool->source == SOURCE_PRIVATE;
}

static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *sa)
{
	struct fetch *f = ((struct transfer *)arg)->owner;
	int fd;

	(void)purpose;
	if (f == NULL)
		return CURL_SOCKET_BAD;
	/* The last gate: whatever was resolved, this is what would be connected to. */
	if (!may_be_private(f) && resolve_private_sockaddr(&sa->addr)) {
		f->refused = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(sa->family, sa->socktype | SOCK_CLOEXEC, sa->protocol);
	if (fd == -1)
		return CURL_SOCKET_BAD;
	sockets_add(&f->pool->sockets, fd);
	return fd;
}

static int
on_close(void *arg, curl_socket_t fd)
{
	struct fetch_pool *p = arg;

	sockets_remove(&p->sockets, fd);
	return close(fd);
}

static int
on_resolver(void *resolver, void *reserved, void *arg)
{
	(void)resolver;
	(void)reserved;
	(void)arg;
	return 1; /* curl was about to look up a name itself: never */
}

/* From the queue to the wire. */

static void
set_name(struct fetch *f, struct transfer *t, unsigned rotate)
{
	char *at = t->resolve_text, *end = at + sizeof(t->resolve_text);
	int family = AF_UNSPEC, shown = 0;
	char text[64];

	if (f->parts.literal)
		return;
	/* "+": it may leave curl's cache by its age; we bring it each time. */
	at += snprintf(at, (size_t)(end - at), "+%s:%u", f->parts.host, f->parts.port);
	for (size_t i = 0; i < f->addrs.count && end - at > 64; i++) {
		const struct resolve_addr *a = &f->addrs.addr[(i + rotate) % f->addrs.count];

		/* curl races the families (RFC 8305): two connections at once, if they both may be. */
		if (f->pool->hosts.one && family != AF_UNSPEC && a->family != family)
			continue;
		family = a->family;
		at += snprintf(at, (size_t)(end - at), family == AF_INET6 ? "%c[%s]" : "%c%s", shown++ == 0 ? ':' : ',',
		    resolve_text(a, text, sizeof(text)));
	}
	t->resolve = (struct curl_slist){ .data = t->resolve_text };
	curl_easy_setopt(t->easy, CURLOPT_RESOLVE, &t->resolve);
	curl_easy_setopt(t->easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolver);
}

/* true: only a part is asked for. */
static bool
set_range(struct fetch *f, struct transfer *t, struct curl_slist *headers)
{
	uint64_t from = f->o.range.offset + f->pos;
	const char *validator = f->first.etag[0] != '\0' ? f->first.etag : f->first.modified;
	bool ranged = !collected(f) && f->o.kind != FETCH_STREAM && !f->no_range && (from > 0 || f->o.range.length > 0);
	char range[64];

	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers);
	if (!ranged)
		return false;
	if (f->o.range.length > 0)
		snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, from, f->o.range.offset + f->o.range.length - 1);
	else
		snprintf(range, sizeof(range), "%" PRIu64 "-", from);
	curl_easy_setopt(t->easy, CURLOPT_RANGE, range);
	if (f->pos == 0 || validator[0] == '\0')
		return true;
	snprintf(t->header_text, sizeof(t->header_text), "If-Range: %s", validator);
	t->header = (struct curl_slist){ .data = t->header_text, .next = headers };
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, &t->header);
	return true;
}

/* All that t is to be told, for what f wants next. true: it is only a part. */
static bool
set_options(struct fetch *f, struct transfer *t, bool fresh, unsigned rotate)
{
	struct fetch_pool *p = f->pool;
	const struct msg_settings *s = &p->settings;
	long keepalive_s = PB_MAX((long)(s->keepalive_ms / 1000), 1L);
	bool abroad = p->headers_one_host && strcmp(f->parts.host, f->home) != 0;
	const char *interface = interfaces_now(&p->interfaces);
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_URL, f->now);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not the environment's */
	curl_easy_setopt(
	    e, CURLOPT_HTTP_VERSION, (long)(http2_wanted(f) ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(s->connect_timeout_ms * p->patience));
	if (interface[0] != '\0')
		curl_easy_setopt(e, CURLOPT_INTERFACE, interface);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, keepalive_s);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, keepalive_s);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, CONN_IDLE_S);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, p->user_agent);
	if (p->headers.cookie != NULL && !abroad)
		curl_easy_setopt(e, CURLOPT_COOKIE, p->headers.cookie);
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, collected(f) ? "" : "identity");
	if (!collected(f))
		curl_easy_setopt(e, CURLOPT_BUFFERSIZE, SEGMENT_BUFFER);
	if (p->ca_file != NULL || p->ca_path != NULL) {
		curl_easy_setopt(e, CURLOPT_CAINFO, p->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, p->ca_path);
	}
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, p);
	set_name(f, t, rotate);
	return set_range(f, t, abroad ? p->headers.abroad : p->headers.all);
}

static void
named(struct fetch *f, int err)
{
	struct fetch_pool *p = f->pool;
	struct verdict_try t;
	struct verdict v;

	if (err != 0) {
		t = known(f, CURLE_OK);
		v = verdict_name(&t, err);
		obey(f, &v);
		return;
	}
	if (p->phases.dns_ms < 0)
		p->phases.dns_ms = (int)PB_MAX((ev_now(p->loop) - f->naming_at) * 1e3, 0.);
	if (f->o.channel_url && f->hops == 0 && p->source == SOURCE_UNKNOWN)
		p->source = resolve_all_private(&f->addrs) ? SOURCE_PRIVATE : SOURCE_PUBLIC;
	if (!may_be_private(f) && resolve_all_private(&f->addrs)) {
		because(f, "a public source led to a private address");
		note_trouble(f, TROUBLE_REDIRECT);
		finish(f, PB_NO);
		return;
	}
	f->t = transfer_new(p->transfers, f);
	if (f->t == NULL) {
		finish(f, PB_ENOMEM);
		return;
	}
	f->state = RUNNING;
	f->try_s = try_timeout(f);
	f->ranged = set_options(f, f->t, f->fresh, f->rotate);
	p->figures.requests++;
	if (transfer_start(p->transfers, f->t) != 0)
		finish(f, PB_ENOMEM);
	else
		arm(f);
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
		f->active_at = f->began_at = ev_now(f->pool->loop);
		f->tries++;
	}
	f->state = NAMING;
	f->naming_at = ev_now(f->pool->loop);
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
	if (collected(f))
		f->pos = 0;
	err = resolve_start(f->pool->resolve, f->parts.host, s->connect_timeout_ms, &f->addrs, on_named, f, &f->query);
	if (err == PB_AGAIN)
		arm(f);
	else
		named(f, err);
}

/* A place for a second request, if it may be: it goes in front of those that have not begun. */
static void
ask_twice(struct fetch *f)
{
	f->hedge.spent = true;
	if (!late_spend(history(f)))
		return;
	if (hosts_queue(&f->pool->hosts, &f->hedge.place, f->parts.host, f->parts.port, true) == 0)
		transfers_kick(f->pool->transfers);
}

static void
launch_hedge(struct fetch *f)
{
	struct fetch_pool *p = f->pool;

	if (f->state != RUNNING || f->hedge.t != NULL || (f->hedge.t = transfer_new(p->transfers, f)) == NULL) {
		drop_hedge(f);
		return;
	}
	f->hedge.began_at = ev_now(p->loop);
	f->hedge.ranged = set_options(f, f->hedge.t, true, f->rotate + 1);
	p->figures.requests++;
	p->figures.hedges++;
	if (transfer_start(p->transfers, f->hedge.t) != 0)
		drop_hedge(f);
}

/* The second request is the one from now on; whatever the first would still bring is not wanted. */
static void
take_hedge(struct fetch *f)
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
	meter_follow(f);
	body_clear(&f->body);
	if (collected(f))
		f->pos = 0;
}

static void
on_work(void *arg)
{
	struct fetch_pool *p = arg;

	if (ev_now(p->loop) < p->hold)
		return;
	for (unsigned n = 0; n < LAUNCHES_MAX; n++) {
		struct place *place = hosts_next(&p->hosts);
		struct fetch *f;

		if (place == NULL)
			return;
		f = place->owner;
		if (place == &f->hedge.place)
			launch_hedge(f);
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
	arm(f);
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
		because(f, "a Location of more than %d bytes", URL_MAX);
		note_trouble(f, TROUBLE_REDIRECT);
		finish(f, PB_ELIMIT);
		return;
	}
	err = url_resolve(next, sizeof(next), f->now, f->reply.location, strlen(f->reply.location));
	if (err == 0)
		err = url_parse(&f->parts, next);
	if (err != 0) {
		because(f, err == PB_NO ? "redirected to something else than http and https" : "redirected to no URL");
		note_trouble(f, TROUBLE_REDIRECT);
		finish(f, err == PB_NO ? PB_ENOSUP : err);
		return;
	}
	/* To the same URL once more is how cookies are set; twice more is a loop. */
	h = hash(next);
	for (unsigned i = 0; i <= f->hops; i++)
		seen += f->seen[i] == h;
	if (seen >= 2 || f->hops >= FETCH_REDIRECTS_MAX) {
		because(f, seen >= 2 ? "redirected in a circle" : "more than %d redirects", FETCH_REDIRECTS_MAX);
		note_trouble(f, TROUBLE_REDIRECT);
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
		because(f, "a gzip body that can't be inflated: %s", pb_strerror(err));
	finish(f, err);
}

static uint32_t
smooth(uint32_t old, uint32_t new)
{
	return old == 0 ? new : (uint32_t)(((uint64_t)old * 7 + new) / 8);
}

/* The first connection, as far as it got. */
static void
note_phases(struct fetch_phases *p, CURL *e)
{
	curl_off_t tcp_us = 0, tls_us = 0, ready_us = 0, first_us = 0;

	curl_easy_getinfo(e, CURLINFO_CONNECT_TIME_T, &tcp_us);
	curl_easy_getinfo(e, CURLINFO_APPCONNECT_TIME_T, &tls_us);
	curl_easy_getinfo(e, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	curl_easy_getinfo(e, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
	if (p->tcp_ms < 0 && tcp_us > 0)
		p->tcp_ms = (int)PB_MIN(tcp_us / 1000, 86400000);
	if (p->tls_ms < 0 && ready_us > 0)
		p->tls_ms = tls_us > tcp_us ? (int)PB_MIN((tls_us - tcp_us) / 1000, 86400000) : 0;
	if (p->answer_ms < 0 && ready_us > 0 && first_us > ready_us)
		p->answer_ms = (int)PB_MIN((first_us - ready_us) / 1000, 86400000);
}

static void
measure(struct fetch *f)
{
	struct fetch_figures *fig = &f->pool->figures;
	curl_off_t connect_us = 0, tls_us = 0, first_us = 0, retry_s = 0;
	long connects = 0, version = 0;
	CURL *e = f->t->easy;

	curl_easy_getinfo(e, CURLINFO_NUM_CONNECTS, &connects);
	curl_easy_getinfo(e, CURLINFO_HTTP_VERSION, &version);
	curl_easy_getinfo(e, CURLINFO_CONNECT_TIME_T, &connect_us);
	curl_easy_getinfo(e, CURLINFO_APPCONNECT_TIME_T, &tls_us);
	curl_easy_getinfo(e, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
	curl_easy_getinfo(e, CURLINFO_RETRY_AFTER, &retry_s);
	if (f->pool->phases.answer_ms < 0)
		note_phases(&f->pool->phases, e);
	curl_easy_getinfo(e, CURLINFO_SSL_VERIFYRESULT, &f->verify);
	fig->connects += (uint64_t)PB_MAX(connects, 0L);
	f->reused = connects == 0;
	f->http2 = version == CURL_HTTP_VERSION_2_0;
	f->connect_ms = connects > 0 ? (uint32_t)((PB_MAX(connect_us, tls_us) + 999) / 1000) : 0;
	f->ttfb_ms = (uint32_t)(first_us / 1000);
	f->retry_after_ms = (uint32_t)PB_MIN(PB_MAX(retry_s, 0), 86400) * 1000;
	if (first_us > 0 && f->head_over && !f->discard)
		late_heard(history(f), f->ttfb_ms);
	if (first_us > 0)
		fig->ttfb_ms = smooth(fig->ttfb_ms, PB_MAX(f->ttfb_ms, 1U));
}

/* A route that is dead is dead for all addresses behind it: try the next interface, if there are several. */
static void
find_way(struct fetch *f, CURLcode code)
{
	struct fetch_pool *p = f->pool;
	long os_errno = 0, connects = 0;

	curl_easy_getinfo(f->t->easy, CURLINFO_OS_ERRNO, &os_errno);
	curl_easy_getinfo(f->t->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (f->head_over)
		return;
	if (code == CURLE_INTERFACE_FAILED ||
	    (code == CURLE_COULDNT_CONNECT &&
		(os_errno == ENETUNREACH || os_errno == EHOSTUNREACH || os_errno == ENETDOWN)) ||
	    ((code == CURLE_OPERATION_TIMEDOUT || code == CURLE_COULDNT_CONNECT) && os_errno == ETIMEDOUT) ||
	    (code == CURLE_OPERATION_TIMEDOUT && connects == 0))
		(void)interfaces_next(&p->interfaces, ev_now(p->loop));
}

static void
on_over(void *arg, struct transfer *t, CURLcode code)
{
	struct fetch *f = t->owner;
	struct verdict_try facts;
	struct verdict v;

	(void)arg;
	if (t == f->hedge.t) { /* it came to nothing: the first one goes on */
		drop_hedge(f);
		return;
	}
	if (f->hedge.t != NULL && f->stop_err == 0 && !f->whole && !f->replan && !f->refused &&
	    (f->discard ? f->status >= 500 : code != CURLE_OK)) {
		measure(f);
		take_hedge(f); /* the first one has failed, the second may yet answer */
		arm(f);
		return;
	}
	find_way(f, code);
	f->curl_code = f->stop_err != 0 || f->whole || f->discard || f->replan ? CURLE_OK : (int)code;
	measure(f);
	if (f->pool->answered != NULL && f->head_over && f->reply.status >= 200 && f->reply.location == NULL)
		f->pool->answered(f->pool->arg, f->reply.status, f->retry_after_ms, f->o.channel_url && f->hops == 0);
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
		snprintf(reason, sizeof(reason), "%s (%u %s): %s", f->why[0] != '\0' ? f->why : pb_strerror(err), f->tries,
		    f->tries == 1 ? "try" : "tries", url_redact(shown, sizeof(shown), r.url));
	}
	r.reason = reason;
	r.http_status = f->status;
	r.curl_code = f->curl_code;
	if (err == 0 && collected(f)) {
		r.body = f->body.data != NULL ? f->body.data : "";
		r.body_len = f->body.len;
	}
	r.bytes = f->pos;
	r.tries = f->tries;
	r.connect_ms = f->connect_ms;
	r.ttfb_ms = f->ttfb_ms;
	r.total_ms = (uint32_t)PB_MAX((ev_now(f->pool->loop) - f->started) * 1e3, 0.);
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
	pb_assert(options->on_done != NULL);
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
	if (options->kind != FETCH_SEGMENT)
		f->o.range = (struct fetch_range){ 0 };
	f->tries_max = options->tries > 0 ? options->tries : PB_MAX(p->settings.tries, 1U);
	f->body.max = options->kind == FETCH_KEY ? FETCH_KEY_MAX : FETCH_PLAYLIST_MAX;
	f->started = ev_now(p->loop);
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
	f->active_at = ev_now(f->pool->loop);
	transfer_unpause(f->pool->transfers, f->t);
	meter_follow(f);
	arm(f);
}

void
fetch_set_deadline(struct fetch *f, ev_tstamp deadline)
{
	if (f->o.deadline == deadline || f->finished)
		return;
	f->o.deadline = deadline;
	arm(f);
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

/* Pools. */

/*
 * The system's certificates as a folder of hashed names, if it has one. A
 * bundle is parsed whole at the first connection: 3 MiB and 30 ms for each
 * worker; in the folder only the one that is needed is looked up.
 */
static const char *
hashed_certificates(void)
{
	const char *path = curl_version_info(CURLVERSION_NOW)->capath;
	struct dirent *entry;
	bool hashed = false;
	DIR *dir;

	dir = path != NULL ? opendir(path) : NULL;
	if (dir == NULL)
		return NULL;
	while (!hashed && (entry = readdir(dir)) != NULL)
		hashed = strspn(entry->d_name, "0123456789abcdef") == 8 && strcmp(entry->d_name + 8, ".0") == 0;
	closedir(dir);
	return hashed ? path : NULL;
}

static void
on_held(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fetch_pool *p = w->data;

	(void)loop;
	(void)revents;
	transfers_kick(p->transfers);
}

int
fetch_pool_new(struct fetch_pool **out, struct ev_loop *loop, const struct fetch_pool_options *o)
{
	const char *agent = o->user_agent != NULL && o->user_agent[0] != '\0' ? o->user_agent : "PlexBridge";
	struct transfers_hooks hooks = { .work = on_work, .over = on_over };
	struct fetch_pool *p = calloc(1, sizeof(*p));
	int err;

	if (p == NULL)
		return PB_ENOMEM;
	hosts_init(&p->hosts, o->settings->connections);
	TAILQ_INIT(&p->fetches);
	p->loop = loop;
	p->resolve = o->resolve;
	p->patience = 1;
	meter_init(&p->meter, ev_now(loop));
	late_init(&p->late[0]);
	late_init(&p->late[1]);
	interfaces_init(&p->interfaces, o->settings->interfaces);
	p->settings = *o->settings;
	p->settings.connections = PB_MAX(p->settings.connections, 1U);
	p->headers_one_host = o->headers_one_host;
	p->random = o->seed;
	p->answered = o->answered;
	p->arg = o->arg;
	ev_timer_init(&p->held, on_held, 0., 0.);
	p->held.data = p;
	p->phases = (struct fetch_phases){ -1, -1, -1, -1 };
	while (p->random == 0)
		if (getrandom(&p->random, sizeof(p->random), 0) != (ssize_t)sizeof(p->random))
			p->random = (uint64_t)getpid();
	p->user_agent = strdup(agent);
	p->ca_file = o->ca_file != NULL ? strdup(o->ca_file) : NULL;
	p->ca_path = o->ca_file == NULL ? hashed_certificates() : NULL;
	hooks.arg = p;
	if (p->user_agent == NULL || (o->ca_file != NULL && p->ca_file == NULL))
		err = PB_ENOMEM;
	else
		err = headers_add(&p->headers, o->headers, o->headers_len);
	if (err == 0)
		err = transfers_new(&p->transfers, loop, p->settings.connections, &hooks);
	if (err != 0) {
		fetch_pool_free(&p);
		return err;
	}
	*out = p;
	return 0;
}

void
fetch_pool_free(struct fetch_pool **pp)
{
	struct fetch_pool *p = *pp;
	struct fetch *f;

	if (p == NULL)
		return;
	while ((f = TAILQ_FIRST(&p->fetches)) != NULL)
		fetch_cancel(&f);
	ev_timer_stop(p->loop, &p->held);
	hosts_clear(&p->hosts);
	transfers_free(&p->transfers);
	headers_clear(&p->headers);
	free(p->user_agent);
	free(p->ca_file);
	free(p);
	*pp = NULL;
}

void
fetch_pool_new_source(struct fetch_pool *p)
{
	p->source = SOURCE_UNKNOWN;
	p->figures.ttfb_ms = 0;
	p->figures.throughput_bps = 0;
	meter_forget(&p->meter);
	late_init(&p->late[0]);
	late_init(&p->late[1]);
}

void
fetch_pool_one(struct fetch_pool *p, bool one)
{
	struct fetch *f;

	p->hosts.one = one;
	transfers_one(p->transfers, one);
	TAILQ_FOREACH(f, &p->fetches, link)
	if (one && hedged(f))
		drop_hedge(f);
}

void
fetch_pool_hold(struct fetch_pool *p, ev_tstamp until)
{
	p->hold = until;
	ev_timer_stop(p->loop, &p->held);
	ev_timer_set(&p->held, PB_MAX(until - ev_now(p->loop), 0.) + 1e-3, 0.);
	ev_timer_start(p->loop, &p->held);
}

void
fetch_pool_settle(struct fetch_pool *p)
{
	transfers_keep(p->transfers, (unsigned)p->hosts.count);
}

struct fetch_phases
fetch_pool_phases(const struct fetch_pool *p)
{
	return p->phases;
}

bool
fetch_pool_trouble(struct fetch_pool *p, struct fetch_trouble *out)
{
	if (p->trouble.tries == 0)
		return false;
	*out = p->trouble;
	p->trouble.tries = 0;
	return true;
}

const char *
fetch_kind_name(enum fetch_kind kind)
{
	static const char *const names[] = { "playlist", "key", "segment", "stream" };

	return (unsigned)kind < NITEMS(names) ? names[kind] : "request";
}

void
fetch_pool_patience(struct fetch_pool *p, uint32_t permille)
{
	p->patience = PB_MAX(permille, 1U) / 1e3;
}

void
fetch_pool_rerouted(struct fetch_pool *p, const struct sockaddr *gone)
{
	struct fetch *f;

	if (gone != NULL)
		(void)sockets_end(&p->sockets, gone);
	interfaces_first(&p->interfaces);
	TAILQ_FOREACH(f, &p->fetches, link)
	if (f->state == WAITING) {
		f->wake = ev_now(p->loop);
		arm(f);
	}
}

bool
fetch_pool_second(struct fetch_pool *p)
{
	struct fetch *f;

	TAILQ_FOREACH(f, &p->fetches, link)
	meter_follow(f); /* what was in the making isn't for ever */
	p->figures.throughput_bps = meter_bps(&p->meter, ev_now(p->loop));
	p->figures.still_s = meter_still_s(&p->meter, ev_now(p->loop));
	return interfaces_second(&p->interfaces, ev_now(p->loop));
}

struct fetch_way
fetch_pool_way(struct fetch_pool *p)
{
	sockets_read(&p->sockets);
	return (struct fetch_way){
		.retransmits = p->sockets.retransmits,
		.out_of_order = p->sockets.out_of_order,
		.segments_in = p->sockets.segments_in,
		.segments_out = p->sockets.segments_out,
		.rtt_ms = p->sockets.rtt_ms,
		.interface = interfaces_name(&p->interfaces),
	};
}

struct fetch_figures
fetch_pool_figures(const struct fetch_pool *p)
{
	return p->figures;
}
