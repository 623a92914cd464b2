/*
 * line_clock.c - what a line does by the clock: ten times a second it releases, every second it measures
 */
#include <bsd/string.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/pb.h"
#include "worker/line_inside.h"

#define WAIT_MS 1000 /* without its name, or a connection: what waits for longer is noted each second */
#define SETTLE_S 5 /* a tune opens as many connections as it may; then one a host is enough */
#define TRIM_S 60 /* so often memory is given back, after the first time: its pages cost more than they are worth */
#define LEARN_S 30 /* after so long the reserve that was reached is the one to keep */
#define RESERVE_MIN_MS 500
#define SLICE_S 2 /* of a plain stream, as if they were segments */
#define SHORT_SHARE 0.67 /* of the reserve to keep: with less it is short */
#define PAUSE_NS INT64_C(1000000000) /* between two ticks: the machine was paused */
#define UNLIKE_NS \
	INT64_C(10000000000) /* so long filler runs while sources with the stream's codecs are looked for... */
#define UNLIKE_OLD_NS \
	INT64_C(20000000000) /* ...and one with others must have been there lately: else a tune gets nothing */
#define STILL_S 1. /* without a byte of a segment that is under way: how wide the way is, is not known */

int64_t
line_now_ns(void)
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

void
line_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct line *l = w->data;
	int64_t now = line_now_ns();

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

void
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

/* What the rush of a tune needed and the stream does not. */
static void
settle(struct line *l)
{
	fetch_pool_settle(l->pool);
	if (l->seconds == SETTLE_S || l->seconds % TRIM_S == 0)
		(void)malloc_trim(0);
}

/* How far a tune came, and in which time: for plexbridgectl why. why is NULL when it has a picture. */
void
line_say_phases(struct line *l, const char *why)
{
	struct fetch_phases p = fetch_pool_phases(l->pool);
	ev_tstamp now = loop_now(l->loop);
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
void
line_record_trouble(struct line *l)
{
	struct fetch_trouble t;
	struct fetch_wait wait;
	char text[RECORDER_TEXT];

	/* An outage may be over before a try of it is. */
	if (fetch_pool_waits(l->pool, WAIT_MS, &wait)) {
		snprintf(
		    text, sizeof(text), "phase=%s ms=%u host=%.60s", wait.naming ? "dns" : "tcp", wait.ms, wait.host);
		recorder_event_put(&l->state->recorder, LOG_WARNING, "fetch.waits", text);
	}
	if (!fetch_pool_trouble(l->pool, &t))
		return;
	snprintf(text, sizeof(text), "class=%s kind=%s status=%d tries=%u host=%.60s why=\"%.100s\"",
	    trouble_name(t.what), fetch_kind_name(t.kind), t.http_status, t.tries, t.host, t.why);
	recorder_event_put(&l->state->recorder, LOG_WARNING, "fetch.failed", text);
}

struct outlook_look
line_outlook(struct line *l)
{
	return (struct outlook_look){
		.now_s = loop_now(l->loop),
		.figures = fetch_pool_figures(l->pool),
		.way = fetch_pool_way(l->pool),
		.media = l->fed,
		.target_ms = atomic_load(&l->state->figures.target_ms),
		.latency_limit_ms = l->tune.settings.latency_ms,
		.dry = writer_dry(l->writer),
	};
}

/* The second counts for the source in use. */
void
line_tally(struct line *l, const struct outlook_look *look)
{
	struct outlook_counts counts = outlook_counts(look);
	struct tally_look now = {
		.now_ms = line_now_ns() / 1000000,
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
	struct outlook_look look = line_outlook(l);
	unsigned events = outlook_second(&l->outlook, &look);
	uint32_t keep_ms;

	line_tally(l, &look);
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
	atomic_store(
	    &f->prefetch, fetch_pool_is_one(l->pool) ? 1 : l->tune.settings.prefetch + outlook_deeper(&l->outlook));
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

/* A way that carries so many streams like this one. */
void
line_spread_over(struct line *l, double carried)
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
		line_spread_over(l, (double)bps / l->need_bps);
	/* Else it is not known yet: what the worker before knew holds. */
}

/* Is the variant that is played the one to play? */
static void
look_at_variant(struct line *l)
{
	struct step_variant variants[STEP_VARIANTS_MAX];
	struct fetch_figures from = fetch_pool_figures(l->pool);
	struct step_look look = {
		.now_s = loop_now(l->loop),
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

void
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
	line_record_trouble(l);
	if (!l->media)
		return;
	if (l->streaming && l->seconds % SLICE_S == 0) {
		line_examine_end(l, SLICE_S * 1000, true);
		line_examine_begin(l);
	}
	if (++l->seconds % SETTLE_S == 0)
		settle(l);
	look_out(l);
	spread(l);
	look_at_variant(l);
}
