/*
 * line.c - each station's callback is the next station's call
 */
#include "worker/line.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/pb.h"
#include "worker/es.h"
#include "worker/failover.h"
#include "worker/fetch.h"
#include "worker/outlook.h"
#include "worker/pace.h"
#include "worker/prefetch.h"
#include "worker/quarantine.h"
#include "worker/quality.h"
#include "worker/routes.h"
#include "worker/source.h"
#include "worker/step.h"
#include "worker/tally.h"
#include "worker/vitals.h"
#include "worker/writer.h"

/* A player needs the first key frame and the next to begin: never a smaller burst, window or not. */
#define BURST_FLOOR_MS 1000
#define LOST_REOPEN 2 /* segments in a row that the source no longer has */
#define LOST_REFUSE 3 /* segments in a row that gave no picture, before media */
#define SETTLE_S 5 /* a tune opens as many connections as it may; then one a host is enough */
#define TRIM_S 60 /* so often memory is given back, after the first time: its pages cost more than they are worth */
#define LEARN_S 30 /* after so long the reserve that was reached is the one to keep */
#define RESERVE_MIN_MS 500
#define SLICE_S 2 /* of a plain stream, as if they were segments */
#define TUNE_TIMEOUT_MS 15000
#define GONE_EARLY_S 2. /* a segment that the server refuses is given up so long before it is missed */
#define GONE_MIN_S 3.
#define SHORT_SHARE 0.67 /* of the reserve to keep: with less it is short */
#define PAUSE_NS INT64_C(1000000000) /* between two ticks: the machine was paused */
#define UNLIKE_NS \
	INT64_C(10000000000) /* so long filler runs while sources with the stream's codecs are looked for... */
#define UNLIKE_OLD_NS \
	INT64_C(20000000000) /* ...and one with others must have been there lately: else a tune gets nothing */
#define NEED_SHARE 0.25 /* of a new segment in what segments take */
#define STILL_S 1. /* without a byte of a segment that is under way: how wide the way is, is not known */

struct line {
	struct ev_loop *loop;
	struct msg_tune tune;
	struct state *state;
	struct fetch_pool *pool;
	struct source *source;
	struct failover *failover;
	struct prefetch *prefetch;
	struct quarantine *quarantine; /* NULL: no segment is wanted for it */
	struct writer *writer;
	const struct line_ops *ops;
	void *arg;
	struct outlook outlook;
	struct step step;
	struct tally tally;
	struct routes *routes; /* NULL: the kernel doesn't tell */
	uint64_t fed; /* bytes of media from the source */
	ev_timer tick, second;
	ev_timer hold; /* until the source may be asked */
	unsigned seconds; /* since media */
	unsigned lost, useless; /* in a row */
	int data_err; /* of the segment in hand */
	uint64_t begun_at; /* the stream's head when it began: did anything come of it? */
	uint64_t gone; /* serial + 1 of a segment that the server refuses, 0: none */
	unsigned gone_times;
	ev_tstamp gone_until; /* how long it is worth asking for */
	bool media, finishing, failed;
	uint64_t connections; /* of a plain stream: each is a segment of its own */
	uint64_t next_serial; /* behind the last segment, or connection, that began */
	bool limited[MSG_SOURCES_MAX]; /* its account counts connections */
	bool counted[MSG_SOURCES_MAX]; /* it has an account, whose denials the supervisor counts */
	unsigned feeding; /* the source whose bytes are in hand */
	uint64_t keys; /* that reached the spool from it since the last switch */
	struct vitals vitals; /* of that source */
	uint64_t vital_keys; /* key frames before what is looked at now */
	uint32_t segment_ms; /* of the one in hand */
	uint64_t segment_bytes; /* of it, so far */
	double need_bps; /* what segments really take, smoothed; 0: not known */
	bool streaming; /* a plain stream: it is looked at slice by slice */
	int64_t filler_ns; /* since when there is filler; 0: there is none */
	int64_t media_ns; /* when media last came to the spool; later by what we were paused since */
	int64_t ticked_ns;
	int64_t unlike_ns,
	    unlike_last_ns; /* since when, and when last, a source had other codecs; 0: media came since */
	char unlike[160]; /* which */
	bool again; /* the segment that `resumed` names comes once more, from its start */
	struct state_upstream resumed;
	/* Loop times of a tune's way to its picture; 0: not yet. */
	ev_tstamp opened_at, playlist_at, segment_at;
	bool phases_said;
	uint32_t dry; /* enum state_dry, as was said */
	bool owes; /* it was said that the spool is full */
};

static void examine_begin(struct line *l);
static void examine_end(struct line *l, uint32_t duration_ms, bool slice);

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Say it when filler begins, and when media is back. */
static void
watch_filler(struct line *l, int64_t now)
{
	bool filling = writer_filling(l->writer);

	if (filling == (l->filler_ns != 0))
		return;
	if (filling) {
		log_event(LOG_WARNING, "filler.begin", "channel=%s fillers=%u why=\"%.*s\"", l->tune.guide_number,
		    atomic_load(&l->state->figures.fillers), (int)sizeof(l->state->reason) - 1, l->state->reason);
		l->filler_ns = now;
		return;
	}
	log_event(LOG_INFO, "filler.end", "channel=%s duration_ms=%lld", l->tune.guide_number,
	    (long long)((now - l->filler_ns) / 1000000));
	l->filler_ns = 0;
}

/* Say it when one of the two streams dries up alone, and when it is back. */
static void
watch_dry(struct line *l)
{
	uint32_t dry = atomic_load(&l->state->figures.dry), changed = dry ^ l->dry;

	l->dry = dry;
	for (uint32_t bit = DRY_VIDEO; bit <= DRY_AUDIO; bit <<= 1)
		if (changed & bit)
			log_event(dry & bit ? LOG_WARNING : LOG_INFO, dry & bit ? "stream.dry" : "stream.again",
			    "channel=%s of=%s why=\"%s\"", l->tune.guide_number, bit == DRY_VIDEO ? "video" : "audio",
			    dry & bit ? "the source sends the other alone; filler takes its place" : "it comes again");
}

/* Say it when a slate takes the place of the still, or that none fits. */
static void
watch_slate(struct line *l)
{
	const char *why;

	if (writer_slate_news(l->writer, &why))
		log_event(*why == '\0' ? LOG_INFO : LOG_WARNING, *why == '\0' ? "filler.slate" : "filler.no-slate",
		    "channel=%s why=\"%s\"", l->tune.guide_number, why);
}

/* When all that is left can't be joined to the stream, it is better tuned anew. */
static void
watch_unlike(struct line *l, int64_t now)
{
	int64_t since_ns = l->unlike_ns;

	if (since_ns == 0 || l->failed || !(l->filler_ns != 0 || writer_dry(l->writer)))
		return;
	since_ns = PB_MAX(since_ns, l->filler_ns);
	if (now - since_ns < UNLIKE_NS || now - l->unlike_last_ns > UNLIKE_OLD_NS)
		return;
	l->failed = true;
	log_event(LOG_ERR, "stream.unlike", "channel=%s filler_ms=%lld why=\"%s\"", l->tune.guide_number,
	    l->filler_ns != 0 ? (long long)((now - l->filler_ns) / 1000000) : 0, l->unlike);
	ev_timer_stop(l->loop, &l->second);
	l->ops->unlike(l->arg, l->unlike);
}

/* The machine has no memory for the spool: an operator has to know, once. */
static void
watch_owed(struct line *l)
{
	bool owes = writer_owes(l->writer);

	if (owes == l->owes)
		return;
	l->owes = owes;
	log_event(owes ? LOG_ERR : LOG_INFO, owes ? "spool.full" : "spool.again", "channel=%s why=\"%s\"",
	    l->tune.guide_number,
	    owes ? "the machine or the cgroup has no memory for what came; it waits" : "what waited was written");
}

/* A machine that was paused has not waited for the source: nobody is to be left for it. */
static void
watch_pause(struct line *l, int64_t now)
{
	int64_t paused_ns = l->ticked_ns != 0 ? now - l->ticked_ns : 0;

	l->ticked_ns = now;
	if (paused_ns < PAUSE_NS)
		return;
	l->media_ns = PB_MIN(l->media_ns + paused_ns, now);
	writer_paused(l->writer, now);
	log_event(
	    LOG_INFO, "worker.paused", "channel=%s ms=%lld", l->tune.guide_number, (long long)(paused_ns / 1000000));
}

static void
line_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct line *l = w->data;
	int64_t now = now_ns();

	(void)loop;
	(void)revents;
	watch_pause(l, now);
	atomic_store_explicit(&l->state->heartbeat_ns, now, memory_order_release);
	if (!ev_is_active(&l->hold))
		failover_tick(l->failover);
	if (writer_tick(l->writer, now, l->ops->hold_at(l->arg)))
		l->ops->released(l->arg);
	watch_filler(l, now);
	watch_owed(l);
	watch_unlike(l, now);
	watch_dry(l);
	watch_slate(l);
	if (writer_room(l->writer)) {
		prefetch_resume(l->prefetch);
		source_resume(l->source);
	}
	if (l->finishing && prefetch_empty(l->prefetch)) {
		writer_finish(l->writer);
		if (writer_done(l->writer) || !l->media) {
			l->finishing = false;
			l->ops->ended(l->arg);
		}
	}
}

static void
line_held(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct line *l = w->data;

	(void)loop;
	(void)revents;
	source_open(l->source);
}

/* What the operator is shown. */
static void
publish(struct line *l)
{
	struct state_figures *f = &l->state->figures;
	struct fetch_figures from = fetch_pool_figures(l->pool);
	const struct conform_stats *stats = conform_stats(writer_conform(l->writer));

	atomic_store(&f->upstream_bytes, from.bytes);
	atomic_store(&f->requests, from.requests);
	atomic_store(&f->errors, from.errors);
	atomic_store(&f->retries, from.retries);
	atomic_store(&f->hedges, from.hedges);
	atomic_store(&f->hedges_won, from.hedges_won);
	atomic_store(&f->latency_ms, from.ttfb_ms);
	atomic_store(&f->throughput_kbps, (uint32_t)PB_MIN(from.throughput_bps / 1000, UINT32_MAX));
	atomic_store(&f->splices, stats->splices);
}

static bool
limited(const struct line *l, unsigned n)
{
	return l->limited[n];
}

/* What the rush of a tune needed and the stream does not. */
static void
settle(struct line *l)
{
	fetch_pool_settle(l->pool);
	if (l->seconds == SETTLE_S || l->seconds % TRIM_S == 0)
		(void)malloc_trim(0);
}

/* How far a tune came, and in which time: for plexbridgectl why. why is NULL when it has a picture. */
static void
say_phases(struct line *l, const char *why)
{
	struct fetch_phases p = fetch_pool_phases(l->pool);
	ev_tstamp now = ev_now(l->loop);
	bool answered = p.answer_ms >= 0;

	if (l->phases_said || l->opened_at == 0)
		return;
	l->phases_said = true;
	log_event(LOG_INFO, "tune.phases",
	    "channel=%s dns_ms=%d tcp_ms=%d tls_ms=%d answer_ms=%d playlist_ms=%.0f segment_ms=%.0f key_ms=%.0f "
	    "stuck=%s "
	    "why=\"%s\"",
	    l->tune.guide_number, p.dns_ms, p.tcp_ms, p.tls_ms, p.answer_ms,
	    l->playlist_at > 0 ? (l->playlist_at - l->opened_at) * 1e3 : -1,
	    l->segment_at > 0 ? (l->segment_at - l->opened_at) * 1e3 : -1,
	    why == NULL ? (now - l->opened_at) * 1e3 : -1,
	    why == NULL               ? "-"
		: p.dns_ms < 0        ? "dns"
		: p.tcp_ms < 0        ? "tcp"
		: p.tls_ms < 0        ? "tls"
		: !answered           ? "answer"
		: l->playlist_at == 0 ? "playlist"
		: l->segment_at == 0  ? "segment"
				      : "key",
	    why != NULL ? why : "");
}

/* What failed in this second, once: a source that is down fails several times in each. */
static void
record_trouble(struct line *l)
{
	struct fetch_trouble t;
	char text[RECORDER_TEXT];

	if (!fetch_pool_trouble(l->pool, &t))
		return;
	snprintf(text, sizeof(text), "class=%s kind=%s status=%d tries=%u host=%.60s why=\"%.100s\"",
	    trouble_name(t.what), fetch_kind_name(t.kind), t.http_status, t.tries, t.host, t.why);
	recorder_event_put(&l->state->recorder, LOG_WARNING, "fetch.failed", text);
}

static struct outlook_look
outlook_now(struct line *l)
{
	return (struct outlook_look){
		.now_s = ev_now(l->loop),
		.figures = fetch_pool_figures(l->pool),
		.way = fetch_pool_way(l->pool),
		.media = l->fed,
		.target_ms = atomic_load(&l->state->figures.target_ms),
		.latency_limit_ms = l->tune.settings.latency_ms,
		.dry = writer_dry(l->writer),
	};
}

/* The second counts for the source in use. */
static void
tally(struct line *l, const struct outlook_look *look)
{
	struct outlook_counts counts = outlook_counts(look);
	struct tally_look now = {
		.now_ms = now_ns() / 1000000,
		.bytes = look->figures.bytes,
		.requests = counts.requests,
		.troubles = counts.troubles,
		.segments = counts.segments,
		.losses = counts.losses,
		.resent = counts.resent,
		.latency_ms = look->figures.ttfb_ms,
		.throughput_kbps = (uint32_t)PB_MIN(look->figures.throughput_bps / 1000, UINT32_MAX),
		.rtt_ms = look->way.rtt_ms,
		.loss_permille = l->outlook.loss_permille,
		.error_permille = l->outlook.error_permille,
		.quality = l->outlook.quality.state,
	};

	tally_second(&l->tally, &l->state->sources, failover_now(l->failover), &now);
}

/* How upstream is, and what follows from it. */
static void
look_out(struct line *l)
{
	struct state_figures *f = &l->state->figures;
	struct outlook_look look = outlook_now(l);
	unsigned events = outlook_second(&l->outlook, &look);
	uint32_t keep_ms;

	tally(l, &look);
	if (l->seconds == LEARN_S) {
		uint32_t reached_ms = PB_MAX(writer_reached_ms(l->writer), (uint32_t)RESERVE_MIN_MS);

		outlook_reached(&l->outlook, reached_ms);
		log_event(LOG_INFO, "reserve.reached", "channel=%s reserve_ms=%u", l->tune.guide_number, reached_ms);
	}
	keep_ms = outlook_reserve_ms(&l->outlook);
	if (keep_ms != 0 && keep_ms != atomic_load(&f->reserve_target_ms))
		writer_keep_reserve(l->writer, keep_ms);
	fetch_pool_patience(l->pool, outlook_patience(&l->outlook));
	prefetch_deepen(l->prefetch, outlook_deeper(&l->outlook));
	atomic_store(&f->try_timeout_ms,
	    (uint32_t)((uint64_t)l->tune.settings.try_timeout_ms * outlook_patience(&l->outlook) / 1000));
	atomic_store(&f->prefetch,
	    limited(l, failover_now(l->failover)) ? 1 : l->tune.settings.prefetch + outlook_deeper(&l->outlook));
	atomic_store(&f->quality, (uint32_t)l->outlook.quality.state);
	atomic_store(&f->rtt_ms, look.way.rtt_ms);
	atomic_store(&f->retransmits, l->outlook.retransmits);
	atomic_store(&f->loss_permille, l->outlook.loss_permille);
	atomic_store(&f->error_permille, l->outlook.error_permille);
	atomic_store(&f->learned_ms, l->outlook.learn.wanted_ms);
	if (events & OUTLOOK_QUALITY)
		log_event(l->outlook.quality.state == QUALITY_OUTAGE ? LOG_ERR : LOG_INFO, "quality",
		    "channel=%s state=%s latency_ms=%u rtt_ms=%u loss_permille=%u error_permille=%u throughput_kbps=%u"
		    " reserve_ms=%u",
		    l->tune.guide_number, quality_name(l->outlook.quality.state), look.figures.ttfb_ms, look.way.rtt_ms,
		    l->outlook.loss_permille, l->outlook.error_permille, atomic_load(&f->throughput_kbps),
		    writer_reserve_ms(l->writer));
	if (events & OUTLOOK_LEARNED)
		log_event(LOG_INFO, "reserve.learned", "channel=%s wanted_ms=%u outages=%u longest_ms=%u reserve_ms=%u",
		    l->tune.guide_number, l->outlook.learn.wanted_ms, l->outlook.learn.outages,
		    l->outlook.learn.longest_ms, writer_reserve_ms(l->writer));
}

/* A segment is whole: so much its variant takes. */
static void
note_need(struct line *l)
{
	double bps;

	if (l->segment_ms == 0 || l->segment_bytes == 0)
		return;
	bps = (double)l->segment_bytes * 8e3 / l->segment_ms;
	l->need_bps = l->need_bps <= 0 ? bps : l->need_bps + (bps - l->need_bps) * NEED_SHARE;
}

/* A way that carries so many streams like this one. */
static void
spread_over(struct line *l, double carried)
{
	prefetch_most(l->prefetch, carried < PREFETCH_QUEUE ? 1 + (uint32_t)carried : 0);
}

/*
 * While the reserve is short, as many segments at once as the way carries, and
 * one more: a server that paces each by itself carries that one, too, and
 * a narrow way loses little time to it.
 */
static void
spread(struct line *l)
{
	uint64_t bps = fetch_pool_figures(l->pool).throughput_bps;
	bool is_short = writer_reserve_ms(l->writer) < atomic_load(&l->state->figures.reserve_target_ms) * SHORT_SHARE;

	if (!is_short)
		prefetch_most(l->prefetch, 0);
	else if (l->need_bps > 0 && bps > 0)
		spread_over(l, (double)bps / l->need_bps);
	/* Else it is not known yet: what the worker before knew holds. */
}

/* Is the variant that is played the one to play? */
static void
look_at_variant(struct line *l)
{
	struct step_variant variants[STEP_VARIANTS_MAX];
	struct fetch_figures from = fetch_pool_figures(l->pool);
	struct step_look look = {
		.now_s = ev_now(l->loop),
		.throughput_bps = from.still_s < STILL_S ? from.throughput_bps : 0,
		.media_bps = (uint64_t)l->need_bps,
		.reserve_ms = writer_reserve_ms(l->writer),
		.normal = l->outlook.quality.state == QUALITY_NORMAL,
	};
	size_t current = 0, to, n;
	uint64_t serial, ms;

	if (l->finishing || ev_is_active(&l->hold))
		return;
	n = source_variants(l->source, variants, NITEMS(variants), &current);
	to = n < 2 ? current : step_second(&l->step, variants, n, current, &look);
	if (to == current)
		return;
	serial = prefetch_drop_waiting(l->prefetch, &ms);
	if (!source_step(l->source, to, serial, ms)) {
		source_reopen(l->source, "a variant of the playlist has no usable address");
		return;
	}
	log_event(LOG_INFO, "variant.step",
	    "channel=%s from_kbps=%" PRIu64 " to_kbps=%" PRIu64 " width=%u height=%u throughput_kbps=%" PRIu64
	    " need_kbps=%.0f reserve_ms=%u",
	    l->tune.guide_number, variants[current].bandwidth_bps / 1000, variants[to].bandwidth_bps / 1000,
	    variants[to].width, variants[to].height, look.throughput_bps / 1000, l->need_bps / 1e3, look.reserve_ms);
	/* Others of a master are as far from what they say as this one. */
	l->need_bps *= (double)variants[to].bandwidth_bps / (double)variants[current].bandwidth_bps;
	spread(l);
}

static void
line_second(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct line *l = w->data;

	(void)loop;
	(void)revents;
	if (fetch_pool_second(l->pool))
		log_event(LOG_INFO, "network.return", "channel=%s interface=\"%s\"", l->tune.guide_number,
		    fetch_pool_way(l->pool).interface);
	strlcpy(l->state->interface, fetch_pool_way(l->pool).interface, sizeof(l->state->interface));
	publish(l);
	record_trouble(l);
	if (!l->media)
		return;
	if (l->streaming && l->seconds % SLICE_S == 0) {
		examine_end(l, SLICE_S * 1000, true);
		examine_begin(l);
	}
	if (++l->seconds % SETTLE_S == 0)
		settle(l);
	look_out(l);
	spread(l);
	look_at_variant(l);
}

/* The kernel's word on this machine's own addresses and routes. */

static void
address_gone(void *arg, const struct sockaddr *address)
{
	struct line *l = arg;

	fetch_pool_rerouted(l->pool, address);
}

static void
routes_changed(void *arg)
{
	struct line *l = arg;

	fetch_pool_rerouted(l->pool, NULL);
	log_event(LOG_INFO, "network.changed", "channel=%s interface=\"%s\"", l->tune.guide_number,
	    fetch_pool_way(l->pool).interface);
}

/* Source's side. */

static bool
source_may_add(void *arg)
{
	struct line *l = arg;

	return prefetch_room(l->prefetch);
}

static int
source_adds(void *arg, const struct source_segment *segment)
{
	struct line *l = arg;

	if (segment->skip)
		quarantine_take(l->quarantine, segment);
	return prefetch_add(l->prefetch, segment);
}

static void
source_starts(void *arg, uint32_t behind_ms, uint32_t reserve_ms)
{
	struct line *l = arg;
	uint32_t burst_ms = l->tune.settings.burst_ms;

	l->playlist_at = ev_now(l->loop);
	/* A window that is too short shrinks the burst first. */
	if (behind_ms < burst_ms + reserve_ms)
		burst_ms =
		    PB_MIN(burst_ms, PB_MAX(behind_ms > reserve_ms ? behind_ms - reserve_ms : 0, BURST_FLOOR_MS));
	if (behind_ms != UINT32_MAX)
		reserve_ms = behind_ms > burst_ms ? behind_ms - burst_ms : 0;
	writer_set_start(l->writer, burst_ms, reserve_ms);
	log_event(LOG_INFO, "stream.start", "channel=%s burst_ms=%u reserve_ms=%u", l->tune.guide_number, burst_ms,
	    reserve_ms);
}

static void
source_ended(void *arg)
{
	struct line *l = arg;

	l->finishing = true;
}

static void
source_failed(void *arg, uint32_t code, const char *reason)
{
	struct line *l = arg;

	failover_certain(l->failover, code, reason);
}

static void
source_troubled(void *arg, const char *reason)
{
	struct line *l = arg;

	failover_certain(l->failover, 806, reason);
}

/* Failover's side. */

static void
all_failed(void *arg, uint32_t code, const char *reason)
{
	struct line *l = arg;

	if (l->failed)
		return;
	l->failed = true;
	record_trouble(l);
	say_phases(l, reason);
	ev_timer_stop(l->loop, &l->tick);
	ev_timer_stop(l->loop, &l->second);
	l->ops->failed(l->arg, code, reason);
}

static uint32_t
line_reserve_ms(void *arg)
{
	struct line *l = arg;

	return writer_reserve_ms(l->writer);
}

static void
look(void *arg, struct sources_look *out)
{
	struct line *l = arg;

	out->target_ms = atomic_load(&l->state->figures.target_ms);
	out->reserve_ms = l->media ? writer_reserve_ms(l->writer) : 0;
	/* Nothing is wanted while the reserve is full, or the end was reached. */
	if (!l->media || l->finishing || ev_is_active(&l->hold) || !writer_room(l->writer))
		l->media_ns = now_ns();
	out->standing_ms = (uint32_t)PB_MIN((now_ns() - l->media_ns) / 1000000, (int64_t)UINT32_MAX);
}

static void
switch_to(void *arg, unsigned n, const char *url, bool keep)
{
	struct line *l = arg;
	uint64_t missed_ms = source_missed_ms(l->source);
	struct outlook_look look = outlook_now(l);

	tally(l, &look); /* up to now it was the other one's */
	outlook_other(&l->outlook, &look, tally_quality(&l->state->sources.at[n], now_ns() / 1000000));
	if (!keep)
		missed_ms += prefetch_drop_rest(l->prefetch);
	prefetch_depth(l->prefetch, limited(l, n) ? 1 : l->tune.settings.prefetch);
	l->lost = l->useless = 0;
	l->gone = 0;
	l->keys = 0;
	l->streaming = false;
	vitals_init(&l->vitals);
	step_init(&l->step, ev_now(l->loop));
	l->need_bps = 0;
	prefetch_most(l->prefetch, 0);
	l->finishing = false;
	source_switch(l->source, n, url, PB_MAX(l->next_serial, l->connections),
	    (uint32_t)PB_MIN(missed_ms, (uint64_t)l->tune.settings.reserve_max_ms));
}

static void
want_slot(void *arg, unsigned n, bool want)
{
	struct line *l = arg;

	if (l->ops->want_slot != NULL)
		l->ops->want_slot(l->arg, n, want);
}

static void
report(void *arg, const struct msg_limit_report *r)
{
	struct line *l = arg;

	if (l->ops->report != NULL)
		l->ops->report(l->arg, r);
}

static void
answered(void *arg, int status, uint32_t retry_after_ms, bool channel_url)
{
	struct line *l = arg;

	failover_answered(l->failover, status, retry_after_ms, channel_url);
}

/* What came of bytes of the source in hand: media in the spool, and whose? */
static void
arrived(struct line *l, uint64_t head, uint64_t keys)
{
	if (atomic_load(&l->state->head) == head)
		return;
	l->media_ns = now_ns();
	l->unlike_ns = 0;
	if (l->feeding != failover_now(l->failover))
		return;
	/* A picture to begin with, and something that follows it in time. */
	if (l->keys > 0)
		failover_good(l->failover);
	l->keys += conform_stats(writer_conform(l->writer))->keys - keys;
}

/* A segment, or a slice of an endless one, begins. */
static void
examine_begin(struct line *l)
{
	vitals_begin(&l->vitals);
	l->vital_keys = conform_stats(writer_conform(l->writer))->keys;
}

/* ...and is over: is its source still a channel? */
static void
examine_end(struct line *l, uint32_t duration_ms, bool slice)
{
	uint64_t keys = conform_stats(writer_conform(l->writer))->keys - l->vital_keys;
	enum vital found = vitals_end(&l->vitals, duration_ms, keys, atomic_load(&l->state->figures.target_ms), slice);

	if (found == VITAL_GOOD || !l->media || l->feeding != failover_now(l->failover))
		return;
	if (vital_fails(found))
		failover_vital(l->failover, vital_text(found));
	else
		failover_doubt(l->failover, vital_text(found));
}

/* Media is there, but of codecs that the stream's PMT does not have. */
static void
note_unlike(struct line *l)
{
	l->unlike_last_ns = now_ns();
	if (l->unlike_ns == 0)
		l->unlike_ns = l->unlike_last_ns;
	strlcpy(l->unlike, conform_reason(writer_conform(l->writer)), sizeof(l->unlike));
}

static int
feed(struct line *l, const void *buf, size_t len)
{
	uint64_t head = atomic_load(&l->state->head), keys = conform_stats(writer_conform(l->writer))->keys;
	int err;

	if (l->segment_at == 0)
		l->segment_at = ev_now(l->loop);
	err = writer_feed(l->writer, buf, len, now_ns());
	if (err >= 0)
		vitals_feed(&l->vitals, buf, len);
	arrived(l, head, keys);
	if (l->media && conform_unlike(writer_conform(l->writer)))
		note_unlike(l);
	return err;
}

static int
end(struct line *l, bool truncated)
{
	uint64_t head = atomic_load(&l->state->head), keys = conform_stats(writer_conform(l->writer))->keys;
	int err = writer_end(l->writer, truncated, now_ns());

	arrived(l, head, keys);
	return err;
}

static void
stream_begins(void *arg)
{
	struct line *l = arg;
	struct conform_input input = { .source = failover_now(l->failover), .continues = true };
	struct state_upstream upstream = { .source = input.source, .stream = 1 };

	/* The same clock may go on behind a new connection: conform finds out. */
	l->connections = PB_MAX(l->connections, l->next_serial);
	input.msn = upstream.serial = l->connections++;
	l->next_serial = l->connections;
	l->feeding = input.source;
	l->streaming = true;
	examine_begin(l);
	atomic_store(&l->state->in_hand, upstream.serial + 1);
	writer_upstream(l->writer, &upstream);
	writer_begin(l->writer, &input);
}

static int
stream_feeds(void *arg, const void *buf, size_t len)
{
	struct line *l = arg;

	if (!writer_room(l->writer))
		return PB_AGAIN;
	l->fed += len;
	return feed(l, buf, len);
}

static void
stream_ends(void *arg)
{
	struct line *l = arg;

	l->streaming = false;
	(void)end(l, true);
}

/* Prefetch's side. */

static void
segment_begins(void *arg, const struct source_segment *segment)
{
	struct line *l = arg;
	struct conform_input input = {
		.msn = segment->serial,
		.source = segment->source,
		.duration_ms = segment->duration_ms,
		.discontinuity = segment->discontinuity || l->lost > 0,
	};
	struct state_upstream upstream = {
		.source = segment->source, .epoch = segment->epoch, .msn = segment->msn, .serial = segment->serial
	};

	if (l->again && segment->serial == l->resumed.serial)
		input.discontinuity = l->resumed.discontinuity; /* as it was told the first time */
	l->again = false;
	upstream.discontinuity = input.discontinuity;
	atomic_store(&l->state->in_hand, upstream.serial + 1);
	PB_FAULT("begin");
	l->data_err = 0;
	l->feeding = segment->source;
	l->segment_ms = segment->duration_ms;
	l->segment_bytes = 0;
	atomic_store(&l->state->figures.step_bps, segment->step_bps);
	examine_begin(l);
	l->next_serial = PB_MAX(l->next_serial, segment->serial + 1);
	l->begun_at = atomic_load(&l->state->head);
	writer_upstream(l->writer, &upstream);
	writer_begin(l->writer, &input);
}

static int
segment_feeds(void *arg, const void *buf, size_t len)
{
	struct line *l = arg;
	int err = feed(l, buf, len);

	l->fed += len;
	l->segment_bytes += len;
	if (err >= 0)
		return 0;
	l->data_err = err;
	/* What has left can't be fetched again: then it is over with it. */
	return err == PB_EFORMAT && atomic_load(&l->state->head) != l->begun_at ? PB_ENOSUP : err;
}

/* Nothing came of it: say so, and decide whether this source is any good. */
static void
segment_useless(struct line *l, const char *why)
{
	bool refused = l->data_err == PB_ENOSUP;

	log_event(LOG_WARNING, "segment.useless", "channel=%s why=\"%s\"", l->tune.guide_number, why);
	if (refused || ++l->useless >= LOST_REFUSE) {
		l->useless = 0;
		source_refuse(l->source, refused ? 806 : 807, why);
	}
}

static int
segment_ends(void *arg, bool truncated)
{
	struct line *l = arg;
	int err = end(l, truncated);

	PB_FAULT("end");
	if (err < 0 && l->data_err == 0)
		l->data_err = err;
	if (l->data_err != 0)
		return l->data_err;
	l->lost = 0;
	l->gone = 0;
	if (!truncated) {
		note_need(l);
		examine_end(l, l->segment_ms, false);
	}
	if (l->media)
		l->useless = 0;
	else if (++l->useless >= LOST_REFUSE)
		source_refuse(l->source, 807, conform_reason(writer_conform(l->writer)));
	return 0;
}

static void
segment_lost(void *arg, const struct source_segment *segment, int status, const char *reason)
{
	struct line *l = arg;
	struct state_upstream upstream = {
		.source = segment->source, .epoch = segment->epoch, .msn = segment->msn, .serial = segment->serial
	};

	l->lost++;
	l->gone = 0;
	writer_pass(l->writer, &upstream);
	if (reason == NULL) {
		segment_useless(l, conform_reason(writer_conform(l->writer)));
		return;
	}
	log_event(LOG_WARNING, "segment.lost", "channel=%s msn=%llu status=%d why=\"%s\"", l->tune.guide_number,
	    (unsigned long long)segment->msn, status, reason);
	strlcpy(l->state->reason, reason, sizeof(l->state->reason));
	if (!l->media && l->lost >= LOST_REFUSE)
		source_refuse(l->source, status == 200 || status == 206 ? 807 : 806, reason);
	else if (l->lost >= LOST_REOPEN)
		source_reopen(l->source, reason);
}

/*
 * The server refuses a segment: its token or its node is dead, or it never
 * was there. The channel's own URL may lead to it elsewhere; that is worth
 * trying as long as nobody misses it.
 */
static bool
segment_gone(void *arg, const struct source_segment *segment, int status, const char *reason)
{
	static const double delays_s[] = { 0., .5, 1., 2. };
	struct line *l = arg;
	ev_tstamp now = ev_now(l->loop);

	(void)status;
	if (!l->media || segment->source != failover_now(l->failover))
		return false;
	if (l->gone != segment->serial + 1) {
		l->gone = segment->serial + 1;
		l->gone_times = 0;
		l->gone_until =
		    now + PB_MAX(segment->duration_ms / 1e3 + line_reserve_ms(l) / 1e3 - GONE_EARLY_S, GONE_MIN_S);
	}
	if (now >= l->gone_until)
		return false;
	prefetch_clear(l->prefetch);
	source_go_back(
	    l->source, segment->msn, segment->serial, delays_s[PB_MIN(l->gone_times, NITEMS(delays_s) - 1)], reason);
	l->gone_times++;
	return true;
}

static bool
line_has_room(void *arg)
{
	struct line *l = arg;

	return writer_room(l->writer);
}

static void
line_drained(void *arg)
{
	struct line *l = arg;

	source_feed(l->source);
}

/* Writer's side. */

static void
writer_before_tail(void *arg, uint64_t new_tail)
{
	struct line *l = arg;

	l->ops->before_tail(l->arg, new_tail);
}

static void
writer_media(void *arg)
{
	struct line *l = arg;

	l->media = true;
	say_phases(l, NULL);
	l->useless = 0;
	source_has_media(l->source);
	prefetch_tuning(l->prefetch, 0);
	l->ops->media(l->arg);
}

static bool
line_counted(void *arg)
{
	struct line *l = arg;

	return l->counted[failover_now(l->failover)];
}

static const struct source_ops source_ops = {
	.room = source_may_add,
	.segment = source_adds,
	.stream_begin = stream_begins,
	.stream_data = stream_feeds,
	.stream_end = stream_ends,
	.start = source_starts,
	.ended = source_ended,
	.failed = source_failed,
	.trouble = source_troubled,
	.reserve_ms = line_reserve_ms,
	.counted = line_counted,
};

static const struct prefetch_ops prefetch_ops = {
	.begin = segment_begins,
	.data = segment_feeds,
	.end = segment_ends,
	.lost = segment_lost,
	.gone = segment_gone,
	.room = line_has_room,
	.drained = line_drained,
	.reserve_ms = line_reserve_ms,
};

static const struct failover_ops failover_ops = {
	.switch_to = switch_to,
	.failed = all_failed,
	.want_slot = want_slot,
	.report = report,
	.look = look,
};

static const struct writer_ops writer_ops = {
	.before_tail = writer_before_tail,
	.media = writer_media,
};

/* Take over what another worker left. */
/* As narrow a way as the worker before measured: else the first segment shares it with those that are not due yet. */
static void
inherit_spread(struct line *l)
{
	uint32_t way_kbps = atomic_load(&l->state->figures.throughput_kbps);
	uint32_t media_kbps = atomic_load(&l->state->figures.media_kbps);

	if (way_kbps > 0 && media_kbps > 0)
		spread_over(l, (double)way_kbps / media_kbps);
}

static int
line_adopt(struct line *l)
{
	bool in_segment = false, passed = false;
	int err = writer_resume(l->writer, now_ns(), &l->resumed, &in_segment, &passed);

	if (err != 0)
		return err;
	l->media = true;
	l->again = in_segment;
	l->lost = passed;
	l->connections = l->resumed.stream ? l->resumed.serial : 0;
	l->next_serial = l->resumed.serial + 1;
	if (l->resumed.source == failover_now(l->failover)) {
		inherit_spread(l);
		source_resume_at(l->source, &l->resumed, in_segment);
	} else {
		l->again = false;
		source_resume_other(l->source, l->next_serial, writer_reserve_ms(l->writer));
	}
	return 0;
}

/* Where it begins: as it is told, or where the worker before was. */
static unsigned
first_source(const struct msg_tune *tune, const struct sources_list *list, struct state *state)
{
	uint32_t first = tune->source_set ? tune->source : tune->adopt ? atomic_load(&state->sources.in_use) : 0;

	return first < list->count ? first : 0;
}

/* What requests to each backup say. */
static int
say_requests(struct line *l, const struct sources_list *list)
{
	for (unsigned n = 1; n < list->count; n++) {
		int err = list->at[n].request != NULL ? fetch_pool_request(l->pool, n, list->at[n].request) : 0;

		if (err == PB_EFORMAT)
			log_event(LOG_WARNING, "source.headers",
			    "channel=%s source=%u why=\"a header that is none: it is asked without\"",
			    l->tune.guide_number, n);
		else if (err != 0)
			return err;
	}
	return 0;
}

int
line_new(struct line **out, struct ev_loop *loop, struct resolve *resolve, const struct msg_tune *tune,
    const struct sources_list *list, int spool_fd, struct state *state, const struct line_ops *ops, void *arg)
{
	struct line *l = calloc(1, sizeof(*l));
	struct fetch_pool_options options;
	unsigned first = first_source(tune, list, state);
	struct routes_ops routes_ops = { .gone = address_gone, .changed = routes_changed };
	int err = PB_ENOMEM;

	if (l == NULL)
		return PB_ENOMEM;
	for (unsigned i = 0; i < list->count; i++) {
		l->limited[i] = list->at[i].of.streams > 0;
		l->counted[i] = list->at[i].of.account != 0;
	}
	l->media_ns = now_ns();
	l->loop = loop;
	l->tune = *tune;
	l->state = state;
	l->ops = ops;
	l->arg = arg;
	ev_timer_init(&l->tick, line_tick, 0., PACE_TICK_S);
	ev_timer_init(&l->second, line_second, 1., 1.);
	ev_timer_init(&l->hold, line_held, 0., 0.);
	l->tick.data = l->second.data = l->hold.data = l;
	step_init(&l->step, ev_now(loop));
	outlook_init(&l->outlook, &l->tune.settings, l->tune.learned_ms, ev_now(loop));
	options = (struct fetch_pool_options){
		.resolve = resolve,
		.settings = &l->tune.settings,
		.request = &l->tune.request,
		.answered = answered,
		.arg = l,
	};
	if ((err = fetch_pool_new(&l->pool, loop, &options)) != 0 || (err = say_requests(l, list)) != 0 ||
	    (err = writer_new(&l->writer, spool_fd, state, &l->tune.settings, &writer_ops, l)) != 0 ||
	    (err = prefetch_new(&l->prefetch, loop, l->pool, &l->tune, state, &prefetch_ops, l)) != 0 ||
	    (err = failover_new(
		 &l->failover, loop, l->pool, &l->tune, list, first, tune->adopt, state, &failover_ops, l)) != 0 ||
	    (err = source_new(&l->source, loop, l->pool, &l->tune, first, list->at[first].url, &state->figures,
		 state->reason, &source_ops, l)) != 0 ||
	    (tune->adopt && (err = line_adopt(l)) != 0)) {
		line_free(&l);
		return err;
	}
	tally_init(&l->tally, failover_now(l->failover), now_ns() / 1000000);
	if (tune->adopt)
		l->outlook.quality.state =
		    tally_quality(&state->sources.at[failover_now(l->failover)], now_ns() / 1000000);
	routes_ops.arg = l;
	if (routes_new(&l->routes, loop, &routes_ops) != 0)
		log_event(
		    LOG_INFO, "network.unheard", "channel=%s", l->tune.guide_number); /* time-outs tell, if later */
	*out = l;
	return 0;
}

void
line_free(struct line **line)
{
	struct line *l = *line;

	if (l == NULL)
		return;
	if (l->opened_at != 0)
		say_phases(l, "ended before there was a picture"); /* at tune_timeout, or because the viewer went */
	ev_timer_stop(l->loop, &l->tick);
	ev_timer_stop(l->loop, &l->second);
	ev_timer_stop(l->loop, &l->hold);
	routes_free(&l->routes);
	quarantine_free(&l->quarantine);
	failover_free(&l->failover);
	source_free(&l->source);
	prefetch_free(&l->prefetch);
	writer_free(&l->writer);
	fetch_pool_free(&l->pool);
	free(l);
	*line = NULL;
}

void
line_quarantine(struct line *l, const struct msg_quarantine *msg, int fd)
{
	quarantine_free(&l->quarantine);
	l->quarantine = quarantine_new(l->loop, l->pool, l->tune.guide_number, fd, msg->serial, msg->bytes_max);
}

void
line_slates(struct line *l, int fds[MSG_SLATES_MAX])
{
	writer_slates(l->writer, fds);
}

void
line_open(struct line *l)
{
	uint32_t ms = l->tune.settings.tune_timeout_ms;

	if (!l->media)
		l->opened_at = ev_now(l->loop);
	if (!l->media)
		prefetch_tuning(l->prefetch, ev_now(l->loop) + (ms != 0 ? ms : TUNE_TIMEOUT_MS) / 1e3);
	ev_timer_start(l->loop, &l->tick);
	ev_timer_start(l->loop, &l->second);
	if (limited(l, failover_now(l->failover)))
		prefetch_depth(l->prefetch, 1);
	failover_open(l->failover);
	if (l->tune.hold_ms == 0) {
		source_open(l->source);
		return;
	}
	log_event(LOG_INFO, "stream.hold", "channel=%s hold_ms=%u reserve_ms=%u", l->tune.guide_number, l->tune.hold_ms,
	    writer_reserve_ms(l->writer));
	ev_timer_set(&l->hold, l->tune.hold_ms / 1e3, 0.);
	ev_timer_start(l->loop, &l->hold);
}

void
line_slot(struct line *l, unsigned n, bool granted)
{
	failover_slot(l->failover, n, granted);
}

void
line_limit(struct line *l, const struct msg_limit *limit)
{
	failover_limit(l->failover, limit);
}

uint64_t
line_released_ms(const struct line *l)
{
	return writer_released_ms(l->writer);
}
