/*
 * line.c - each station's callback is the next station's call
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/pb.h"
#include "worker/line_inside.h"

/* A player needs the first key frame and the next to begin: never a smaller burst, window or not. */
#define BURST_FLOOR_MS 1000
#define TUNE_TIMEOUT_MS 15000

/* The kernel's word on this machine's own addresses and routes. */

static void
address_gone(void *arg, const struct sockaddr *address)
{
	struct line *l = arg;

	fetch_pool_rerouted(l->pool, address);
	failover_rerouted(l->failover, address);
}

static void
routes_changed(void *arg)
{
	struct line *l = arg;

	fetch_pool_rerouted(l->pool, NULL);
	failover_rerouted(l->failover, NULL);
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

	l->playlist_at = loop_now(l->loop);
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
	line_record_trouble(l);
	line_say_phases(l, reason);
	ev_timer_stop(l->loop, &l->tick);
	ev_timer_stop(l->loop, &l->second);
	l->ops->failed(l->arg, code, reason);
}

uint32_t
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
		l->media_ns = line_now_ns();
	out->standing_ms = (uint32_t)PB_MIN((line_now_ns() - l->media_ns) / 1000000, (int64_t)UINT32_MAX);
}

static void
switch_to(void *arg, unsigned n, const char *url, bool keep)
{
	struct line *l = arg;
	uint64_t missed_ms = source_missed_ms(l->source);
	struct outlook_look look = line_outlook(l);

	line_tally(l, &look); /* up to now it was the other one's */
	outlook_other(&l->outlook, &look, tally_quality(&l->state->sources.at[n], line_now_ns() / 1000000));
	if (!keep)
		missed_ms += prefetch_drop_rest(l->prefetch);
	l->lost = l->useless = 0;
	l->gone = 0;
	l->keys = 0;
	l->streaming = false;
	vitals_init(&l->vitals);
	step_init(&l->step, loop_now(l->loop));
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
answered(void *arg, const struct fetch_answer *answer)
{
	struct line *l = arg;

	failover_answered(l->failover, answer);
}

/* The line's way out, and another one for a look at a source that it does not play. */
static int
new_pool(void *arg, struct fetch_pool **out)
{
	struct line *l = arg;
	struct fetch_pool_options options = {
		.resolve = l->resolve,
		.settings = &l->tune.settings,
		.request = &l->tune.request,
		.led = l->tune.led,
		.answered = answered,
		.arg = l,
	};

	return fetch_pool_new(out, l->loop, &options);
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
	line_say_phases(l, NULL);
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
	.stream_begin = line_stream_begins,
	.stream_data = line_stream_feeds,
	.stream_end = line_stream_ends,
	.start = source_starts,
	.ended = source_ended,
	.failed = source_failed,
	.trouble = source_troubled,
	.reserve_ms = line_reserve_ms,
	.counted = line_counted,
};

static const struct failover_ops failover_ops = {
	.switch_to = switch_to,
	.failed = all_failed,
	.want_slot = want_slot,
	.report = report,
	.look = look,
	.new_pool = new_pool,
};

static const struct writer_ops writer_ops = {
	.before_tail = writer_before_tail,
	.media = writer_media,
};

/* As narrow a way as the worker before measured: else the first segment shares it with those that are not due yet. */
static void
inherit_spread(struct line *l)
{
	uint32_t way_kbps = atomic_load(&l->state->figures.throughput_kbps);
	uint32_t media_kbps = atomic_load(&l->state->figures.media_kbps);

	if (way_kbps > 0 && media_kbps > 0)
		line_spread_over(l, (double)way_kbps / media_kbps);
}

/* Take over what another worker left. */
static int
line_adopt(struct line *l)
{
	bool in_segment = false, passed = false;
	int err = writer_resume(l->writer, line_now_ns(), &l->resumed, &in_segment, &passed);

	if (err != 0)
		return err;
	l->media = true;
	l->again = in_segment;
	l->hole = passed;
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
	unsigned first = first_source(tune, list, state);
	struct routes_ops routes_ops = { .gone = address_gone, .changed = routes_changed };
	int err = PB_ENOMEM;

	if (l == NULL)
		return PB_ENOMEM;
	for (unsigned i = 0; i < list->count; i++)
		l->counted[i] = list->at[i].of.account != 0;
	l->media_ns = line_now_ns();
	l->loop = loop;
	l->resolve = resolve;
	l->tune = *tune;
	l->state = state;
	l->ops = ops;
	l->arg = arg;
	ev_timer_init(&l->tick, line_tick, 0., PACE_TICK_S);
	ev_timer_init(&l->second, line_second, 1., 1.);
	ev_timer_init(&l->hold, line_held, 0., 0.);
	l->tick.data = l->second.data = l->hold.data = l;
	step_init(&l->step, loop_now(loop));
	outlook_init(&l->outlook, &l->tune.settings, l->tune.learned_ms, loop_now(loop));
	if ((err = new_pool(l, &l->pool)) != 0 || (err = say_requests(l, list)) != 0 ||
	    (err = writer_new(&l->writer, spool_fd, state, &l->tune.settings, &writer_ops, l)) != 0 ||
	    (err = prefetch_new(&l->prefetch, loop, l->pool, &l->tune, state, &line_prefetch_ops, l)) != 0 ||
	    (err = failover_new(
		 &l->failover, loop, l->pool, &l->tune, list, first, tune->adopt, state, &failover_ops, l)) != 0 ||
	    (err = source_new(&l->source, loop, l->pool, &l->tune, first, list->at[first].url, &state->figures,
		 state->reason, &source_ops, l)) != 0 ||
	    (tune->adopt && (err = line_adopt(l)) != 0)) {
		line_free(&l);
		return err;
	}
	tally_init(&l->tally, failover_now(l->failover), line_now_ns() / 1000000);
	if (tune->adopt)
		l->outlook.quality.state =
		    tally_quality(&state->sources.at[failover_now(l->failover)], line_now_ns() / 1000000);
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
		line_say_phases(
		    l, "ended before there was a picture"); /* at tune_timeout, or because the viewer went */
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
		l->opened_at = loop_now(l->loop);
	if (!l->media)
		prefetch_tuning(l->prefetch, loop_now(l->loop) + (ms != 0 ? ms : TUNE_TIMEOUT_MS) / 1e3);
	ev_timer_start(l->loop, &l->tick);
	ev_timer_start(l->loop, &l->second);
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
line_offset_at(const struct line *l, uint64_t ms)
{
	return writer_offset_at(l->writer, ms);
}
