/*
 * failover.c - decisions in, switches out
 *
 * A slot that was asked for makes a switch wait; the source before goes on
 * until the answer is there. So there are three steps: decided (`to`),
 * granted, done in a turn of its own (`soon`).
 */
#include "worker/failover.h"

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "base/url.h"
#include "worker/source.h"
#include "worker/verdict.h"

#define URL_SHOWN 160
#define PROBE_STILL_TARGETS 3 /* a playlist that is looked at and has nothing new for so long is not good, */
#define PROBE_STILL_S 1. /* ...and the time that a request takes */
#define PROBE_STREAM_S 5. /* between two looks at a plain stream */
#define SLOT_WAIT_S 5. /* the supervisor answers in milliseconds */
#define LATER_MAX_MS 30000 /* a server that nobody has an account with is believed so far when it says "later" */
#define NOBODY 0

struct failover {
	struct ev_loop *loop;
	struct fetch_pool *pool;
	const struct msg_tune *tune;
	struct sources_list list;
	struct sources machine;
	struct state *state;
	const struct failover_ops *ops;
	void *arg;
	ev_timer soon; /* a switch is to be made, or the end to be told */
	unsigned playing; /* whose bytes come, or would: what the line is set to */
	int to; /* switch to this one; -1: to none */
	bool keep, back; /* ...what the one before listed; it's a return */
	bool asked, granted; /* for its slot */
	int slot_of; /* the source for which a slot of another account is held; -1 */
	bool over;
	uint32_t code; /* of the first source that failed before media */
	char reason[STATE_REASON_MAX];
	char why[STATE_REASON_MAX];

	struct source *probe; /* looks at a better source, */
	unsigned probe_of; /* ...at this one, */
	struct fetch_pool *probe_pool; /* ...by a way out of its own */
	uint32_t probe_wait_ms; /* what it says is the time to come back after; 0: nothing */
	bool probe_listed; /* it has had a list */
	bool probe_over; /* to be ended in a turn of its own */
	ev_tstamp probe_moved, probe_again; /* the next look at a plain stream; 0: it is followed */
	struct state_figures *probe_figures;
	char probe_reason[STATE_REASON_MAX];

	unsigned failed_row, failed_of; /* failures in a row, and of which source */
	unsigned busy_row; /* refusals of an account that nobody else keeps */
	bool one[MSG_SOURCES_MAX]; /* a source that refused has one connection from then on (hls.md 7) */
	bool troubled[MSG_SOURCES_MAX]; /* a refusal of its account was told, by us or to us: an answer will be, too */
	ev_tstamp held_until;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
look(struct failover *f, struct sources_look *out)
{
	memset(out, 0, sizeof(*out));
	f->ops->look(f->arg, out);
	out->now_ms = now_ms();
}

static bool
limited(const struct failover *f, unsigned n)
{
	return f->list.at[n].of.streams > 0;
}

/* Is a slot to be asked for before n is opened? The account of url has one with the tune. */
static bool
needs_slot(const struct failover *f, unsigned n)
{
	return limited(f, n) && f->list.at[n].of.account != f->list.at[0].of.account;
}

/* Show what the machine knows, and leave it to a successor. */
static void
publish(struct failover *f)
{
	struct state_sources *to = &f->state->sources;

	atomic_store(&to->count, f->machine.count);
	atomic_store(&to->in_use, f->playing);
	atomic_store(&f->state->figures.source, f->playing);
	for (unsigned i = 0; i < f->machine.count; i++) {
		const struct sources_one *one = &f->machine.at[i];

		atomic_store(&to->at[i].health, (uint32_t)one->health);
		atomic_store(&to->at[i].failures, one->failures);
		atomic_store(&to->at[i].row, one->row);
		atomic_store(&to->at[i].tried_ns, one->tried_ms * 1000000);
		atomic_store(&to->at[i].failed_ns, one->failed_ms * 1000000);
		atomic_store(&to->at[i].doubt_ns, one->doubt_ms * 1000000);
	}
}

static void
note_reason(struct failover *f, unsigned n, const char *why)
{
	strlcpy(f->state->sources.at[n].reason, why, sizeof(f->state->sources.at[n].reason));
}

static void
recall(struct failover *f)
{
	const struct state_sources *from = &f->state->sources;
	unsigned count = PB_MIN(atomic_load(&from->count), (uint32_t)f->list.count);

	for (unsigned i = 0; i < count; i++) {
		struct sources_one was = {
			.health =
			    (enum state_source_health)PB_MIN(atomic_load(&from->at[i].health), (uint32_t)SOURCE_FAILED),
			.failures = atomic_load(&from->at[i].failures),
			.row = atomic_load(&from->at[i].row),
			.tried_ms = PB_MIN(PB_MAX(atomic_load(&from->at[i].tried_ns) / 1000000, (int64_t)0), now_ms()),
			.failed_ms =
			    PB_MIN(PB_MAX(atomic_load(&from->at[i].failed_ns) / 1000000, (int64_t)0), now_ms()),
			.doubt_ms = PB_MIN(PB_MAX(atomic_load(&from->at[i].doubt_ns) / 1000000, (int64_t)0), now_ms()),
		};

		sources_recall(&f->machine, i, &was);
	}
}

static void
act_soon(struct failover *f)
{
	if (ev_is_active(&f->soon))
		return;
	ev_timer_set(&f->soon, 0., 0.);
	ev_timer_start(f->loop, &f->soon);
}

/*
 * The look at a better source
 */

static void
probe_end(struct failover *f)
{
	source_free(&f->probe);
	fetch_pool_free(&f->probe_pool);
	free(f->probe_figures);
	f->probe_figures = NULL;
	f->probe_over = false;
}

static void
probe_verdict(struct failover *f, bool good)
{
	sources_probed(&f->machine, good, f->probe_wait_ms, now_ms());
	if (!good) {
		f->probe_over = true;
		act_soon(f);
	}
}

static bool
probe_room(void *arg)
{
	(void)arg;
	return true;
}

static int
probe_segment(void *arg, const struct source_segment *segment)
{
	(void)arg;
	(void)segment; /* that it is listed is all that is wanted of it */
	return 0;
}

/* What is listed at first may be long dead: what comes after it counts. */
static void
probe_moved(void *arg)
{
	struct failover *f = arg;

	f->probe_moved = loop_now(f->loop);
	if (f->probe_listed)
		probe_verdict(f, true);
	else
		source_has_media(
		    f->probe); /* what a tune is given for its first answers is no bound of its later ones */
	f->probe_listed = true;
}

/* A plain stream has begun: that is enough, it is not to be carried twice. The next look is a connection of its own. */
static void
probe_stream(void *arg)
{
	struct failover *f = arg;

	f->probe_moved = loop_now(f->loop);
	probe_verdict(f, true);
	f->probe_again = loop_now(f->loop) + PB_MAX(PROBE_STREAM_S, f->tune->settings.return_after_ms / 4e3);
	f->probe_over = true;
	act_soon(f);
}

static int
probe_data(void *arg, const void *buf, size_t len)
{
	(void)arg;
	(void)buf;
	(void)len;
	return PB_NO;
}

static void
probe_nothing(void *arg)
{
	(void)arg;
}

static void
probe_start(void *arg, uint32_t behind_ms, uint32_t reserve_ms)
{
	(void)arg;
	(void)behind_ms;
	(void)reserve_ms;
}

static void
probe_failed(void *arg, uint32_t code, const char *reason)
{
	struct failover *f = arg;

	(void)code;
	note_reason(f, f->probe_of, reason);
	probe_verdict(f, false);
}

static uint32_t
probe_reserve(void *arg)
{
	(void)arg;
	return 60000; /* no hurry */
}

static const struct source_ops probe_ops = {
	.room = probe_room,
	.segment = probe_segment,
	.stream_begin = probe_stream,
	.stream_data = probe_data,
	.stream_end = probe_nothing,
	.start = probe_start,
	.ended = probe_nothing,
	.failed = probe_failed,
	.moved = probe_moved,
	.reserve_ms = probe_reserve,
};

/* Asked as it would be if it played; what is no header was said when the line began. */
static int
probe_way(struct failover *f, unsigned n)
{
	const struct msg_request *request = n > 0 ? f->list.at[n].request : NULL;
	int err = f->ops->new_pool(f->arg, &f->probe_pool);

	if (err == 0)
		fetch_pool_one(f->probe_pool, f->one[n]);
	if (err == 0 && request != NULL && fetch_pool_request(f->probe_pool, n, request) == PB_ENOMEM)
		err = PB_ENOMEM;
	return err;
}

static void
probe_begin(struct failover *f, unsigned n)
{
	probe_end(f);
	f->probe_again = 0;
	f->probe_listed = false;
	f->probe_of = n;
	f->probe_wait_ms = 0;
	f->probe_figures = calloc(1, sizeof(*f->probe_figures));
	if (f->probe_figures == NULL || probe_way(f, n) != 0 ||
	    source_new(&f->probe, f->loop, f->probe_pool, f->tune, n, f->list.at[n].url, f->probe_figures,
		f->probe_reason, &probe_ops, f) != 0) {
		probe_verdict(f, false);
		return;
	}
	f->probe_moved = loop_now(f->loop);
	log_event(LOG_DEBUG, "source.probe", "channel=%s source=%u", f->tune->guide_number, n);
	source_open(f->probe);
}

static void
probe_look(struct failover *f)
{
	double target_s;

	if (f->probe == NULL) {
		if (f->machine.probe >= 0 && f->probe_again > 0 && loop_now(f->loop) >= f->probe_again)
			probe_begin(f, (unsigned)f->machine.probe);
		return;
	}
	target_s = PB_MAX(atomic_load(&f->probe_figures->target_ms) / 1e3, 1.);
	if (loop_now(f->loop) - f->probe_moved > PROBE_STILL_TARGETS * target_s + PROBE_STILL_S)
		probe_verdict(f, false);
}

/*
 * Switches
 */

static void
do_switch(struct failover *f)
{
	unsigned n = (unsigned)f->to, from = f->playing;
	char was[URL_SHOWN], is[URL_SHOWN];
	/* Side by side with what follows, its rest would take more connections than it may. */
	bool counts = limited(f, from) || f->one[from], keep = f->keep && !counts;
	struct sources_look stands;

	look(f, &stands);
	probe_end(f);
	f->to = -1;
	f->asked = f->granted = false;
	f->playing = n;
	log_event(f->back ? LOG_INFO : LOG_WARNING, f->back ? "source.return" : "source.switch",
	    "channel=%s from=%u to=%u reserve_ms=%u was=%s is=%s why=\"%s\"", f->tune->guide_number, from, n,
	    stands.reserve_ms, url_redact(was, sizeof(was), f->list.at[from].url),
	    url_redact(is, sizeof(is), f->list.at[n].url), f->why);
	atomic_fetch_add(f->back ? &f->state->sources.returns : &f->state->sources.failovers, 1);
	fetch_pool_one(f->pool, limited(f, n) || f->one[n]);
	f->held_until = 0;
	fetch_pool_hold(f->pool, 0);
	f->ops->switch_to(f->arg, n, f->list.at[n].url, keep);
	if (counts)
		fetch_pool_hang_up(f->pool); /* what is kept idle counts, too; nothing else is left of it */
	if (f->slot_of >= 0 && f->list.at[f->slot_of].of.account != f->list.at[n].of.account) {
		f->ops->want_slot(f->arg, (unsigned)f->slot_of, false);
		f->slot_of = -1;
	}
	if (needs_slot(f, n))
		f->slot_of = (int)n;
	publish(f);
}

static void
failover_soon(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct failover *f = w->data;

	(void)loop;
	(void)revents;
	if (f->probe_over)
		probe_end(f);
	if (f->over) {
		f->over = false;
		f->ops->failed(f->arg, f->code != 0 ? f->code : 806, f->reason);
		return;
	}
	if (f->to < 0)
		return;
	if (needs_slot(f, (unsigned)f->to) && !f->granted &&
	    !(f->slot_of >= 0 && f->list.at[f->slot_of].of.account == f->list.at[f->to].of.account)) {
		if (!f->asked)
			f->ops->want_slot(f->arg, (unsigned)f->to, true);
		f->asked = true;
		return; /* failover_slot() goes on */
	}
	do_switch(f);
}

/* What is to be done about an answer of the machine. */
static void
obey(struct failover *f, unsigned before, const struct sources_answer *answer, bool failed, const char *why)
{
	char shown[URL_SHOWN];

	if (failed && (answer->why != NULL || answer->act != SOURCES_STAY)) {
		f->failed_row = f->failed_of == before ? f->failed_row + 1 : 1;
		f->failed_of = before;
		log_event(log_again(f->failed_row) ? LOG_WARNING : LOG_DEBUG, "source.failed",
		    "channel=%s source=%u url=%s why=\"%s\"", f->tune->guide_number, before,
		    url_redact(shown, sizeof(shown), f->list.at[before].url), why != NULL ? why : answer->why);
		note_reason(f, before, why != NULL ? why : answer->why);
	}
	switch (answer->act) {
	case SOURCES_STAY:
		break;
	case SOURCES_SWITCH:
		f->to = (int)answer->to;
		f->back = answer->back;
		f->keep = f->machine.at[before].health != SOURCE_FAILED;
		f->asked = f->granted = false;
		strlcpy(f->why, why != NULL ? why : answer->why != NULL ? answer->why : "", sizeof(f->why));
		act_soon(f);
		break;
	case SOURCES_PROBE:
		probe_begin(f, answer->to);
		break;
	case SOURCES_GIVE_UP:
		f->over = true;
		act_soon(f);
		break;
	}
	publish(f);
}

void
failover_tick(struct failover *f)
{
	struct sources_look stands;
	unsigned before = f->machine.now;
	struct sources_answer answer;

	if (f->to >= 0 && f->asked)
		return; /* the supervisor answers at once */
	if (!f->probe_over)
		probe_look(f);
	look(f, &stands);
	answer = sources_tick(&f->machine, &stands);
	if (answer.act != SOURCES_STAY || answer.why != NULL)
		obey(f, before, &answer, f->machine.at[before].health == SOURCE_FAILED, NULL);
}

void
failover_good(struct failover *f)
{
	enum state_source_health was = f->machine.at[f->machine.now].health;

	if (f->to >= 0)
		return;
	if (f->machine.trying && f->machine.media)
		log_event(LOG_INFO, "source.good", "channel=%s source=%u after_ms=%lld", f->tune->guide_number,
		    f->machine.now, (long long)(now_ms() - f->machine.since_ms));
	f->failed_row = 0;
	sources_good(&f->machine, now_ms());
	if (f->machine.at[f->machine.now].health != was)
		publish(f);
}

void
failover_certain(struct failover *f, uint32_t code, const char *reason)
{
	struct sources_look stands;
	struct sources_answer answer;
	unsigned before = f->machine.now;

	if (f->to >= 0)
		return;
	if (f->code == 0) {
		f->code = code;
		strlcpy(f->reason, reason, sizeof(f->reason));
	}
	look(f, &stands);
	answer = sources_certain(&f->machine, &stands, reason);
	obey(f, before, &answer, f->machine.at[before].health == SOURCE_FAILED, reason);
}

void
failover_vital(struct failover *f, const char *reason)
{
	struct sources_look stands;
	struct sources_answer answer;
	unsigned before = f->machine.now;

	if (f->to >= 0)
		return;
	look(f, &stands);
	answer = sources_vital(&f->machine, &stands, reason);
	obey(f, before, &answer, true, reason);
}

void
failover_doubt(struct failover *f, const char *reason)
{
	struct sources_look stands;
	struct sources_answer answer;
	unsigned before = f->machine.now;

	if (f->to >= 0)
		return;
	look(f, &stands);
	log_event(LOG_INFO, "source.doubt", "channel=%s source=%u why=\"%s\"", f->tune->guide_number, before, reason);
	note_reason(f, before, reason);
	answer = sources_doubt(&f->machine, &stands, reason);
	obey(f, before, &answer, false, reason);
}

/*
 * Limits
 */

/* Nobody asks the account of `account` for so long. */
static void
hold(struct failover *f, uint32_t account, uint32_t wait_ms, const char *why)
{
	struct sources_look stands;
	struct sources_answer answer;
	unsigned before = f->machine.now;

	if (f->list.at[f->playing].of.account == account) {
		if (wait_ms > 0)
			log_event(LOG_WARNING, "source.wait", "channel=%s source=%u wait_ms=%u why=\"%s\"",
			    f->tune->guide_number, f->playing, wait_ms, why);
		f->held_until = loop_now(f->loop) + wait_ms / 1e3;
		fetch_pool_hold(f->pool, f->held_until);
		atomic_store(&f->state->sources.hold_ms, wait_ms);
	}
	if (f->probe != NULL && account != NOBODY && f->list.at[f->probe_of].of.account == account)
		fetch_pool_hold(f->probe_pool, loop_now(f->loop) + wait_ms / 1e3);
	if (account == NOBODY || f->to >= 0)
		return;
	look(f, &stands);
	answer = sources_held(&f->machine, &stands, account, wait_ms);
	if (answer.act != SOURCES_STAY || answer.why != NULL) {
		if (f->code == 0) {
			f->code = 805;
			strlcpy(f->reason, why, sizeof(f->reason));
		}
		obey(f, before, &answer, true, why);
	}
}

/* Has that account its troubles? */
static void
note_trouble(struct failover *f, uint32_t account, bool troubled)
{
	for (unsigned i = 0; i < f->list.count; i++)
		if (f->list.at[i].of.account == account)
			f->troubled[i] = troubled;
}

/* It said "too many": one connection from now on, to all of its account; and none only to look. */
static void
one_only(struct failover *f, unsigned source)
{
	uint32_t account = f->list.at[source].of.account;

	for (unsigned i = 0; i < f->list.count; i++)
		f->one[i] |= i == source || (account != NOBODY && f->list.at[i].of.account == account);
	if (f->one[f->playing])
		fetch_pool_one(f->pool, true);
	if (account == NOBODY)
		return;
	sources_counts(&f->machine, account);
	if (f->probe != NULL && f->list.at[f->probe_of].of.account == account)
		probe_verdict(f, false);
}

/* Too many of ours were under way at once. Nobody else has to wait, and we only until they are closed. */
static void
make_room(struct failover *f)
{
	if (loop_now(f->loop) < f->held_until)
		return;
	log_event(LOG_WARNING, "source.wait", "channel=%s source=%u wait_ms=%.0f why=\"%s\"", f->tune->guide_number,
	    f->playing, VERDICT_CROWD_S * 1e3, "too many at once, the provider says: one at a time from now on");
	f->held_until = loop_now(f->loop) + VERDICT_CROWD_S;
	fetch_pool_hold(f->pool, f->held_until);
}

void
failover_answered(struct failover *f, const struct fetch_answer *answer)
{
	unsigned source = answer->source;
	int status = answer->status;
	uint32_t retry_after_ms = answer->retry_after_ms;
	struct msg_limit_report report = {
		.source = source, .status = (uint32_t)status, .retry_after_ms = retry_after_ms
	};
	uint32_t account = f->list.at[source].of.account, wait_ms;
	bool plays = source == f->playing || (account != NOBODY && account == f->list.at[f->playing].of.account);
	/* Of anything else it is that one server's, or file's, own matter: who fetched it waits. */
	bool later = status == 503 && retry_after_ms > 0 && answer->channel_url && source == f->playing;

	if (verdict_busy(status) && !f->one[source])
		one_only(f, source);
	if (f->probe != NULL && source == f->probe_of && status >= 400)
		f->probe_wait_ms = PB_MIN(retry_after_ms, (uint32_t)LATER_MAX_MS);
	if (account == NOBODY && !plays)
		return; /* the one that plays knows nothing of it */
	if (verdict_busy(status) && answer->crowd && retry_after_ms == 0 && source == f->playing) {
		make_room(f);
		return;
	}
	if (verdict_busy(status) || later) {
		report.what = LIMIT_BUSY;
		wait_ms = PB_MIN(retry_after_ms, (uint32_t)(account == NOBODY ? LATER_MAX_MS : MSG_LIMIT_FIRST_MS));
		/* What was on its way when the waiting began says nothing new. */
		if (wait_ms == 0 && account == NOBODY && loop_now(f->loop) >= f->held_until) {
			wait_ms = (uint32_t)(verdict_busy_pause(f->busy_row) * 1e3);
			f->busy_row++;
		}
		/* At once; the supervisor may say more. */
		if (wait_ms > 0 && (!plays || loop_now(f->loop) + wait_ms / 1e3 > f->held_until))
			hold(f, account, wait_ms,
			    retry_after_ms > 0 ? "the provider said when to come back"
					       : "too many requests or connections, the provider says");
	} else if (answer->channel_url && verdict_denied(status) && source == f->playing) {
		report.what = LIMIT_DENIED;
	} else if (status < 300 && f->troubled[source] && (!plays || loop_now(f->loop) >= f->held_until)) {
		/* Not what was asked for before the waiting: it would count for nothing, and be the last to be told. */
		report.what = LIMIT_GOOD;
		if (plays) {
			f->busy_row = 0;
			atomic_store(&f->state->sources.hold_ms, 0);
		}
	} else {
		return;
	}
	note_trouble(f, account, report.what != LIMIT_GOOD);
	if (account != NOBODY)
		f->ops->report(f->arg, &report);
}

void
failover_rerouted(struct failover *f, const struct sockaddr *gone)
{
	if (f->probe_pool != NULL)
		fetch_pool_rerouted(f->probe_pool, gone);
}

void
failover_limit(struct failover *f, const struct msg_limit *limit)
{
	/* Also when the time is over: whether it answers again is what the supervisor waits for. */
	note_trouble(f, limit->account, true);
	hold(f, limit->account, PB_MIN(limit->wait_ms, (uint32_t)MSG_LIMIT_MAX_MS), limit->why);
}

void
failover_slot(struct failover *f, unsigned n, bool granted)
{
	if (f->to != (int)n && f->slot_of == (int)n && f->playing == n) {
		/* It goes on where the worker before was. */
		fetch_pool_hold(f->pool, PB_MAX(f->held_until, 0.));
		if (!granted) {
			f->slot_of = -1;
			failover_vital(f, "its provider has no slot free");
		}
		return;
	}
	if (f->to != (int)n) {
		if (granted && f->slot_of != (int)n)
			f->ops->want_slot(f->arg, n, false); /* it has come too late */
		return;
	}
	f->granted = granted;
	if (!granted) {
		log_event(LOG_WARNING, "source.failed", "channel=%s source=%u why=\"its provider has no slot free\"",
		    f->tune->guide_number, n);
		note_reason(f, n, "its provider has no slot free");
		f->to = -1;
		sources_refused(&f->machine, n, f->playing, now_ms());
		publish(f);
		return;
	}
	act_soon(f);
}

/*
 * Life
 */

int
failover_new(struct failover **out, struct ev_loop *loop, struct fetch_pool *pool, const struct msg_tune *tune,
    const struct sources_list *list, unsigned first, bool media, struct state *state, const struct failover_ops *ops,
    void *arg)
{
	struct failover *f = calloc(1, sizeof(*f));
	uint32_t tune_ms = tune->settings.tune_timeout_ms != 0 ? tune->settings.tune_timeout_ms : 15000;

	if (f == NULL)
		return PB_ENOMEM;
	f->loop = loop;
	f->pool = pool;
	f->tune = tune;
	f->list = *list;
	f->state = state;
	f->ops = ops;
	f->arg = arg;
	f->to = f->slot_of = -1;
	ev_init(&f->soon, failover_soon);
	f->soon.data = f;
	sources_init(&f->machine, list, first, media, PB_MAX(tune->settings.return_after_ms, 1u), tune_ms, now_ms());
	if (media)
		recall(f);
	f->playing = f->machine.now;
	publish(f);
	*out = f;
	return 0;
}

void
failover_free(struct failover **failover)
{
	struct failover *f = *failover;

	if (f == NULL)
		return;
	probe_end(f);
	ev_timer_stop(f->loop, &f->soon);
	free(f);
	*failover = NULL;
}

unsigned
failover_now(const struct failover *f)
{
	return f->playing;
}

const char *
failover_url(const struct failover *f)
{
	return f->list.at[f->playing].url;
}

void
failover_open(struct failover *f)
{
	fetch_pool_one(f->pool, limited(f, f->playing));
	if (f->tune->hold_ms > 0)
		fetch_pool_hold(f->pool, loop_now(f->loop) + f->tune->hold_ms / 1e3);
	if (!needs_slot(f, f->playing))
		return;
	/* The worker before had one, which ended with it. Without one it goes on elsewhere. */
	f->slot_of = (int)f->playing;
	f->held_until = loop_now(f->loop) + f->tune->hold_ms / 1e3;
	fetch_pool_hold(f->pool, f->held_until + SLOT_WAIT_S);
	f->ops->want_slot(f->arg, f->playing, true);
}
