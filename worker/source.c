/*
 * source.c - open, follow, and go back to the beginning when that helps
 *
 * The channel's own URL is the only one that is good for ever. Variant and
 * effective URLs (after redirects) carry tokens and name nodes: they are
 * used while they work, and given up for the one before them when they
 * don't (reference/hls.md 2).
 */
#include "worker/source.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "worker/outlook.h"
#include "worker/source_inside.h"
#include "worker/verdict.h"

#define TUNE_TIMEOUT_MS 15000
#define REOPEN_FLOOR_S 0.5 /* between two tries of the channel's URL */
#define REOPEN_MAX_S 10.
#define EXCLUDE_S 60. /* how long a variant that failed loses to the others (hls.md 3) */
#define CONFIRM_S 0.3
#define RESERVE_TARGETS 3 /* reserve = auto */
#define REQUEST_MIN_S 3.
#define STARVED_MS 1500 /* with less in hand the source is asked as if the picture stood already: */
#define STARVED_PAUSE_S 0.5 /* ... so soon after a failure, */
#define STARVED_TRY_S 2. /* ... and no answer is waited for longer: media is back 2 s after the source is. */
#define OPENS_TIMES 3 /* ... than so many times what the channel's URL takes to answer, whatever that leads through; */
#define OPEN_QUEUE_S 10. /* ... and only from when it is asked: a hold, or another one's turn, comes before. */
#define STARVED_QUICK_S 120. /* After so much of it, it is a long outage, or a source that has become slow: */
#define STARVED_LONG_S 2. /* ... such a pause, */
#define STARVED_SLOW 4 /* ... and every so manieth try as patient as ever */
#define HEDGE_MAX_MS 5000
#define LED_TRIES 2 /* of an address that a redirect led to */
#define LED_WAIT_S 1.5
#define STILL_FRESH 1.5 /* target durations without news: another connection, another address (hls.md 4.5); */
#define STILL_RESOLVE 2.5 /* ...where the playlist once came from; */
#define STILL_AGAIN 1. /* ...so much later the channel's URL, and from then on ever more rarely */
#define STILL_MAX_S 60.
#define TOKEN_MIN_S 1. /* what is refused sooner was no question of age */
#define TOKEN_RENEW 0.8 /* of a token's life */

static void load(struct source *s);
static void renew(struct source *s);
static void open_channel(struct source *s);
static void source_timer(struct ev_loop *, ev_timer *, int);

int
source_new(struct source **out, struct ev_loop *loop, struct fetch_pool *pool, const struct msg_tune *tune,
    unsigned number, const char *url, struct state_figures *figures, char *reason, const struct source_ops *ops,
    void *arg)
{
	struct source *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return PB_ENOMEM;
	s->loop = loop;
	s->pool = pool;
	s->tune = tune;
	s->number = number;
	strlcpy(s->url, url, sizeof(s->url));
	s->figures = figures;
	s->reason = reason;
	s->ops = ops;
	s->arg = arg;
	s->variant = -1;
	s->limit.kind = tune->settings.variant_kind;
	s->limit.value = tune->settings.variant_value;
	ev_init(&s->timer, source_timer);
	s->timer.data = s;
	track_init(&s->track);
	*out = s;
	return 0;
}

static void
drop_master(struct source *s)
{
	playlist_clear(&s->master);
	free(s->excluded);
	s->excluded = NULL;
	s->variant = -1;
}

void
source_free(struct source **source)
{
	struct source *s = *source;

	if (s == NULL)
		return;
	fetch_cancel(&s->fetch);
	ev_timer_stop(s->loop, &s->timer);
	playlist_clear(&s->list);
	drop_master(s);
	source_stream_forget(s);
	track_clear(&s->track);
	free(s);
	*source = NULL;
}

void
source_say(struct source *s, int level, const char *event, const char *why)
{
	log_event(level, event, "channel=%s why=\"%s\"", s->tune->guide_number, why);
	strlcpy(s->reason, why, STATE_REASON_MAX);
}

/* Before media a failure ends it; afterwards nothing does. */
void
source_fail(struct source *s, uint32_t code, const char *reason)
{
	s->what = ENDED;
	fetch_cancel(&s->fetch);
	ev_timer_stop(s->loop, &s->timer);
	strlcpy(s->reason, reason, STATE_REASON_MAX);
	s->ops->failed(s->arg, code, reason);
}

static void
wait_s(struct source *s, double seconds)
{
	ev_timer_stop(s->loop, &s->timer);
	ev_timer_set(&s->timer, seconds, 0.);
	ev_timer_start(s->loop, &s->timer);
}

/* To be denied once a second looks like a ban, and bans other streams, too. */
static bool
may_be_urged(const struct source *s)
{
	return !verdict_denied((int)atomic_load(&s->figures->http_status)) || s->ops->counted == NULL ||
	    !s->ops->counted(s->arg);
}

/* Is there nothing left to play, or nearly, and may it be asked for more? */
static bool
is_starved(const struct source *s)
{
	return s->has_media && s->ops->reserve_ms(s->arg) < STARVED_MS && may_be_urged(s);
}

/*
 * So long a pause may be at most: a source that is back is to be found while
 * there is something left to play. One that must not be urged is asked once
 * before that is over.
 */
static double
patience_s(const struct source *s)
{
	double left_s = ((double)s->ops->reserve_ms(s->arg) - STARVED_MS) / 1e3;

	if (!s->has_media || left_s <= 0)
		return REOPEN_MAX_S;
	return PB_MAX(may_be_urged(s) ? left_s / 2 : left_s, REOPEN_FLOOR_S);
}

/* The longest, and what was long once is forgotten. */
void
source_note_opening(struct source *s, double answer_s)
{
	s->opens_s = PB_MAX(answer_s, s->opens_s / 2);
}

/* One more in a row. */
void
source_failed_again(struct source *s)
{
	if (s->open_failures++ == 0)
		s->failing_since = loop_now(s->loop);
}

static bool
fails_for_long(const struct source *s)
{
	return s->open_failures > 0 && loop_now(s->loop) - s->failing_since > STARVED_QUICK_S;
}

/* The stream goes on trying: from the channel's own URL, slower each time, but for one that waits for it. */
void
source_open_later(struct source *s)
{
	double delay = REOPEN_FLOOR_S;

	for (unsigned n = s->open_failures; n > 1 && delay < REOPEN_MAX_S; n--)
		delay *= 2;
	if (is_starved(s))
		delay = PB_MIN(delay, fails_for_long(s) ? STARVED_LONG_S : STARVED_PAUSE_S);
	fetch_cancel(&s->fetch);
	s->what = OPENING;
	wait_s(s, PB_MIN(PB_MIN(delay, REOPEN_MAX_S) * (0.8 + 0.4 * drand48()), patience_s(s)));
}

/* The channel's URL itself failed. */
static void
open_failed(struct source *s, uint32_t code, const char *reason)
{
	source_failed_again(s);
	if (!s->has_media) {
		source_fail(s, code, reason);
		return;
	}
	/* The first, the second, the fourth of them...: an outage is long, and asked about once a second. */
	source_say(s, log_again(s->open_failures) ? LOG_WARNING : LOG_DEBUG, "source.open-failed", reason);
	source_open_later(s);
	if (s->ops->trouble != NULL)
		s->ops->trouble(s->arg, reason);
}

/*
 * What was listed and not handed out, and the segments from `serial` on
 * (UINT64_MAX: none), ms of media, are to come from the next list: it may be
 * of another variant, or of another node.
 */
static void
take_back(struct source *s, uint64_t serial, uint64_t ms)
{
	if (s->list.kind == PLAYLIST_MEDIA)
		for (size_t i = s->next; i < s->news.first + s->news.count; i++) {
			serial = PB_MIN(serial, s->news.serial + (i - s->news.first));
			ms += s->list.segments[i].duration_ms;
		}
	playlist_clear(&s->list);
	if (!s->track.started)
		return;
	track_rewind(&s->track, serial, ms);
	track_restart(&s->track);
}

static void
reopen(struct source *s, int level, const char *why)
{
	if (s->what == ENDED || (s->what == OPENING && s->open_failures > 0))
		return;
	source_say(s, level, "source.reopen", why);
	if (s->open_failures == 0)
		source_failed_again(s);
	if (s->what == FOLLOWING)
		take_back(s, UINT64_MAX, 0);
	source_open_later(s);
}

void
source_reopen(struct source *s, const char *why)
{
	reopen(s, LOG_WARNING, why);
}

bool
source_go_back(struct source *s, uint64_t msn, uint64_t serial, double delay_s, const char *why)
{
	if (s->what == ENDED && !s->vod)
		return false;
	source_say(s, LOG_WARNING, "source.reopen", why);
	fetch_cancel(&s->fetch);
	playlist_clear(&s->list);
	track_clear(&s->track);
	s->resuming = true;
	s->resume_msn = msn;
	s->resume_serial = serial;
	s->discontinuity = false;
	s->what = OPENING;
	wait_s(s, delay_s);
	return true;
}

/* Follow that one; its URL is in media_url. */
static void
play_variant(struct source *s, size_t variant)
{
	const struct playlist_variant *v = &s->master.variants[variant];

	s->variant = (int)variant;
	s->led.since = 0;
	strlcpy(s->now_url, s->media_url, sizeof(s->now_url));
	atomic_store(&s->figures->width, v->width);
	atomic_store(&s->figures->height, v->height);
	atomic_store(&s->figures->bandwidth_kbps, (uint32_t)(v->bandwidth / 1000));
	s->what = FOLLOWING;
	load(s);
}

static bool
lately_excluded(const struct source *s, size_t variant)
{
	return s->excluded[variant] && loop_now(s->loop) - s->excluded_at <= EXCLUDE_S;
}

/* The best that didn't fail lately and that the way carries, as the last step found; else as if it did. */
static int
choose_variant(struct source *s, const char **why)
{
	size_t n = s->master.variant_count;
	bool *barred = s->step_bps > 0 ? calloc(n + 1, sizeof(*barred)) : NULL;
	int chosen = -1;

	for (size_t i = 0; barred != NULL && i < n; i++)
		barred[i] = s->excluded[i] || s->master.variants[i].bandwidth > s->step_bps;
	if (barred != NULL)
		chosen = playlist_choose_variant(&s->master, &s->limit, barred, why);
	free(barred);
	return chosen >= 0 ? chosen : playlist_choose_variant(&s->master, &s->limit, s->excluded, why);
}

/* Does anybody have to be tried before the best is? After EXCLUDE_S all are good again. */
static bool
follow_variant(struct source *s)
{
	const char *why = NULL;
	int chosen;

	if (s->excluded != NULL && loop_now(s->loop) - s->excluded_at > EXCLUDE_S)
		memset(s->excluded, 0, s->master.variant_count * sizeof(*s->excluded));
	chosen = choose_variant(s, &why);
	if (chosen < 0) {
		open_failed(s, 806, why != NULL ? why : pb_strerror(chosen));
		return false;
	}
	if (playlist_resolve(&s->master, s->master.variants[chosen].uri, s->media_url, sizeof(s->media_url)) != 0) {
		s->excluded[chosen] = true;
		s->excluded_at = loop_now(s->loop);
		return follow_variant(s);
	}
	s->opened.since = s->load_start;
	play_variant(s, (size_t)chosen);
	return true;
}

size_t
source_variants(const struct source *s, struct step_variant *out, size_t max, size_t *current)
{
	size_t n = PB_MIN(s->master.variant_count, max);

	if (s->what != FOLLOWING || s->vod || !s->track.started || s->track.restarting || s->resuming ||
	    s->master.kind != PLAYLIST_MASTER || s->variant < 0 || (size_t)s->variant >= n)
		return 0;
	for (size_t i = 0; i < n; i++)
		out[i] = (struct step_variant){
			.bandwidth_bps = s->master.variants[i].bandwidth,
			.width = s->master.variants[i].width,
			.height = s->master.variants[i].height,
			.usable = !lately_excluded(s, i) &&
			    playlist_variant_like(&s->master, &s->limit, i, (size_t)s->variant),
		};
	*current = (size_t)s->variant;
	return n;
}

bool
source_step(struct source *s, size_t variant, uint64_t serial, uint64_t dropped_ms)
{
	char url[URL_MAX];

	if (s->what != FOLLOWING || s->master.kind != PLAYLIST_MASTER || !s->track.started ||
	    variant >= s->master.variant_count ||
	    playlist_resolve(&s->master, s->master.variants[variant].uri, url, sizeof(url)) != 0)
		return false;
	fetch_cancel(&s->fetch);
	ev_timer_stop(s->loop, &s->timer);
	take_back(s, serial, dropped_ms);
	strlcpy(s->media_url, url, sizeof(s->media_url));
	s->step_bps = s->master.variants[variant].bandwidth;
	atomic_fetch_add(&s->figures->steps, 1);
	play_variant(s, variant);
	return true;
}

void
source_refuse(struct source *s, uint32_t code, const char *why)
{
	if (s->what == ENDED)
		return;
	fetch_cancel(&s->fetch);
	take_back(s, UINT64_MAX, 0);
	if (s->variant >= 0) {
		source_say(s, LOG_WARNING, "source.variant-refused", why);
		s->excluded[s->variant] = true;
		s->excluded_at = loop_now(s->loop);
		s->variant = -1;
		for (size_t i = 0; i < s->master.variant_count; i++)
			if (!s->excluded[i]) {
				(void)follow_variant(s);
				return;
			}
	}
	open_failed(s, code, why);
}

/* A master: keep it, and follow the best that can be carried. */
static void
on_master(struct source *s, struct playlist *pl)
{
	drop_master(s);
	s->master = *pl;
	memset(pl, 0, sizeof(*pl));
	s->excluded = calloc(s->master.variant_count + 1, sizeof(*s->excluded));
	if (s->excluded == NULL) {
		open_failed(s, 806, "out of memory");
		return;
	}
	(void)follow_variant(s);
}

static int
hand_out(struct source *s, size_t i)
{
	const struct playlist_segment *seg = &s->list.segments[i];
	char url[URL_MAX], key_url[URL_MAX];
	struct source_segment out = {
		.source = s->number,
		.epoch = s->news.epoch,
		.msn = seg->msn,
		.serial = s->news.serial + (i - s->news.first),
		.duration_ms = seg->duration_ms,
		.discontinuity = track_discontinuity(&s->news, &s->list, i) || s->discontinuity,
		.step_bps = s->step_bps,
		.newest = i + 1 == s->list.segment_count && !s->vod,
		.has_range = seg->has_range,
		.offset = seg->offset,
		.length = seg->length,
		.url = url,
	};

	out.skip = s->tune->skip_set && out.serial == s->tune->skip_serial;
	if (seg->gap || playlist_resolve(&s->list, seg->uri, url, sizeof(url)) != 0) {
		/* Never asked for: what follows it begins anew. */
		s->discontinuity = true;
		return 0;
	}
	if (s->tune->settings.append_query)
		(void)url_append_query(url, sizeof(url), s->list.base);
	if (seg->key >= 0) {
		const struct playlist_key *key = &s->list.keys[seg->key];

		if (key->uri == NULL || playlist_resolve(&s->list, key->uri, key_url, sizeof(key_url)) != 0)
			return PB_EFORMAT;
		(void)playlist_iv(&s->list, i, out.iv);
		out.key_url = key_url;
	}
	s->discontinuity = false;
	return s->ops->segment(s->arg, &out);
}

static void
schedule_reload(struct source *s, const struct track_news *news)
{
	int64_t now_ms = (int64_t)(loop_now(s->loop) * 1e3), start_ms = (int64_t)(s->load_start * 1e3);
	uint32_t ms =
	    track_next_reload_ms(&s->track, news, now_ms, start_ms, s->ops->reserve_ms(s->arg), 2 * drand48() - 1);

	wait_s(s, ms / 1e3);
}

void
source_feed(struct source *s)
{
	int err;

	if (s->what != FOLLOWING || s->list.kind != PLAYLIST_MEDIA)
		return;
	while (s->next < s->news.first + s->news.count) {
		if (!s->ops->room(s->arg))
			return;
		err = hand_out(s, s->next++);
		if (err != 0) {
			source_reopen(s, "a segment of the playlist has no usable address or key");
			return;
		}
		if (s->what != FOLLOWING || s->list.kind != PLAYLIST_MEDIA)
			return;
	}
	playlist_clear(&s->list);
	if (s->vod) {
		s->what = ENDED;
		s->ops->ended(s->arg);
	} else if (s->fetch == NULL) {
		schedule_reload(s, &s->news);
	}
}

static void
announce(struct source *s)
{
	uint32_t reserve_ms =
	    outlook_start_ms(&s->tune->settings, s->tune->learned_ms, RESERVE_TARGETS * s->list.target_ms);

	if (s->announced)
		return;
	s->announced = true;
	s->ops->start(s->arg, s->vod ? UINT32_MAX : (uint32_t)PB_MIN(s->news.behind_ms, UINT32_MAX), reserve_ms);
}

/*
 * Is this the list of a stream that was complete when it began? To begin with
 * its first segment as the first of all is what such a stream does, and a
 * window that slides didn't.
 */
static bool
was_complete(const struct source *s, const struct playlist *pl)
{
	return pl->type == PLAYLIST_TYPE_VOD || s->resume_serial == s->resume_msn - pl->media_sequence;
}

/*
 * A live list may say that it has ended, once, or for good: only a list that
 * said so when the stream began has an end (hls.md 1.2).
 */
static bool
has_end(struct source *s, const struct playlist *pl)
{
	bool begins = !s->track.started && !s->resuming;
	bool had = begins || (s->adopted ? was_complete(s, pl) : s->vod);

	s->adopted = false;
	return had && pl->endlist;
}

static int
follow(struct source *s, const struct playlist *pl)
{
	uint32_t reserve_ms =
	    outlook_start_ms(&s->tune->settings, s->tune->learned_ms, RESERVE_TARGETS * pl->target_ms);

	s->vod = has_end(s, pl);
	if (s->track.started)
		return track_update(&s->track, pl, &s->news);
	if (s->resuming) {
		int err = track_resume(&s->track, pl, s->resume_msn, s->resume_serial, reserve_ms, &s->news);

		s->resuming = !s->track.started;
		return err;
	}
	return track_start(&s->track, pl, s->tune->settings.burst_ms, reserve_ms, &s->news);
}

static void
token_good(struct token *t, ev_tstamp now)
{
	if (t->since > 0)
		t->good_s = now - t->since;
}

/* It is refused now: so old it may not become. */
static void
token_over(struct source *s, struct token *t, const char *what)
{
	double age = s->load_start - t->since;

	if (t->since == 0 || age < TOKEN_MIN_S)
		return;
	t->life_s = t->good_s > 0 && t->good_s < age ? t->good_s : age * TOKEN_RENEW;
	log_event(LOG_INFO, "token.learned", "channel=%s what=%s life_s=%.1f", s->tune->guide_number, what, t->life_s);
	t->since = 0;
	t->good_s = 0;
}

/* Would it be too old when it is asked for the time after this? */
static bool
token_old(const struct source *s, const struct token *t)
{
	double next_s = PB_MIN(atomic_load(&s->figures->target_ms) / 1e3, t->life_s / 4);

	return t->since > 0 && t->life_s > 0 && loop_now(s->loop) + next_s - t->since > t->life_s * TOKEN_RENEW;
}

/* For how long there may be nothing new now, before more is done about it than to ask again. */
static double
still_s(const struct source *s)
{
	double unit_s = PB_MAX(atomic_load(&s->figures->target_ms), s->track.last_ms) / 1e3;
	double wait_s = STILL_RESOLVE * unit_s;

	if (s->stills == 0)
		return STILL_FRESH * unit_s;
	if (s->stills == 1)
		return (STILL_RESOLVE - STILL_FRESH) * unit_s;
	if (s->stills == 2)
		return STILL_AGAIN * unit_s;
	for (unsigned n = s->stills; n > 3 && wait_s < STILL_MAX_S; n--)
		wait_s *= 2;
	return PB_MAX(PB_MIN(wait_s, STILL_MAX_S), STILL_RESOLVE * unit_s);
}

/*
 * A list came, and nothing was new. A node that is frozen, or a session that
 * is over, may answer for ever: by and by it is left for the address that led
 * to it. A source that stands wherever it is asked is asked so ever more rarely.
 */
static void
on_nothing_new(struct source *s)
{
	bool led = strcmp(s->now_url, s->media_url) != 0;
	double patience;
	char why[64];

	s->ask_elsewhere |= s->news.other_node;
	if (s->still_at == 0)
		s->still_at = loop_now(s->loop);
	patience = still_s(s);
	if (!s->has_media || loop_now(s->loop) - s->still_at < patience) {
		schedule_reload(s, &s->news);
		return;
	}
	s->still_at = s->stills == 0 ? s->still_at + patience : loop_now(s->loop);
	if (s->stills++ == 0) {
		s->ask_elsewhere = true;
		schedule_reload(s, &s->news);
		return;
	}
	snprintf(why, sizeof(why), "nothing new was listed for %.0f s", loop_now(s->loop) - s->news_at);
	if (s->news_at == 0)
		strlcpy(why, "nothing new is listed", sizeof(why));
	if (s->stills == 2 && led) {
		source_say(s, LOG_INFO, "playlist.still", why);
		strlcpy(s->now_url, s->media_url, sizeof(s->now_url));
		s->led.since = 0;
		wait_s(s, REOPEN_FLOOR_S / 2);
		return;
	}
	s->stills = PB_MAX(s->stills, 3U);
	reopen(s, log_again(s->stills - 2) ? LOG_WARNING : LOG_DEBUG, why);
}

/* A media playlist, new or reloaded. Takes what is in *pl. */
static void
on_media(struct source *s, struct playlist *pl)
{
	if (pl->unsupported != 0) {
		source_refuse(s, 806, playlist_unsupported_text(pl));
		return;
	}
	if (s->what == OPENING) {
		/* The channel's URL is the media playlist itself. */
		drop_master(s);
		strlcpy(s->media_url, s->url, sizeof(s->media_url));
		s->what = FOLLOWING;
	}
	token_good(&s->opened, s->load_start);
	if (strcmp(s->effective, s->media_url) == 0)
		s->led.since = 0;
	else if (s->led.since == 0 || strcmp(s->effective, s->now_url) != 0)
		s->led.since = s->load_start;
	else
		token_good(&s->led, s->load_start);
	strlcpy(s->now_url, s->effective, sizeof(s->now_url));
	atomic_store(&s->figures->target_ms, pl->target_ms);
	if (follow(s, pl) != 0) {
		schedule_reload(s, NULL);
		return;
	}
	if (s->news.what == TRACK_NEW || s->news.what == TRACK_UNCHANGED)
		s->open_failures = s->bad_bodies = 0;
	if (s->news.lost > 0 || s->news.restart ||
	    (s->epoch_known && s->news.what == TRACK_NEW && s->news.epoch != s->epoch))
		log_event(LOG_WARNING, "playlist.jump", "channel=%s lost=%llu restart=%d", s->tune->guide_number,
		    (unsigned long long)s->news.lost, s->news.restart);
	if (s->news.what == TRACK_NEW) {
		s->epoch = s->news.epoch;
		s->epoch_known = true;
	}
	if (s->news.resolve) {
		source_reopen(s, "the playlist is no longer one");
	} else if (s->news.what == TRACK_NEW) {
		s->news_at = s->still_at = loop_now(s->loop);
		s->stills = 0;
		if (s->ops->moved != NULL)
			s->ops->moved(s->arg);
		playlist_clear(&s->list);
		s->list = *pl;
		memset(pl, 0, sizeof(*pl));
		s->next = s->news.first;
		announce(s);
		source_feed(s);
	} else if (s->news.what == TRACK_CONFIRM) {
		wait_s(s, CONFIRM_S);
	} else if (s->vod && s->news.what == TRACK_UNCHANGED) {
		s->what = ENDED;
		s->ops->ended(s->arg);
	} else {
		on_nothing_new(s);
	}
}

/* A body that is no playlist at all. */
static void
on_bad_body(struct source *s, const struct playlist *pl)
{
	char why[sizeof(pl->reason) + 32];

	snprintf(why, sizeof(why), "not a playlist: %s", pl->reason);
	if (!s->has_media) {
		if (++s->bad_bodies >= BAD_TUNE_TRIES) {
			source_fail(s, 806, why);
			return;
		}
		source_say(s, LOG_INFO, "playlist.bad", why);
		s->what = OPENING;
		wait_s(s, REOPEN_FLOOR_S);
		return;
	}
	if (s->what == OPENING) {
		open_failed(s, 806, why); /* source_reopen() would take it that a try is on its way */
		return;
	}
	source_say(s, LOG_WARNING, "playlist.bad", why);
	if (s->what == FOLLOWING && s->track.started && track_update(&s->track, pl, &s->news) == 0 && !s->news.resolve)
		schedule_reload(s, NULL);
	else
		source_reopen(s, why);
}

/* All of a body that should be a playlist. */
void
source_body(struct source *s, const void *body, size_t len, bool cut)
{
	struct playlist pl;
	struct playlist_context context = {
		.base_url = s->effective,
		.master = s->master.kind == PLAYLIST_MASTER ? &s->master : NULL,
		.cut = cut,
	};
	int err = playlist_parse_in(&pl, &context, body, len);

	if (err != 0)
		on_bad_body(s, &pl);
	else if (pl.kind == PLAYLIST_MEDIA)
		on_media(s, &pl);
	else if (s->what == OPENING)
		on_master(s, &pl);
	else
		source_reopen(s, "a master playlist where a media playlist was");
	playlist_clear(&pl);
}

/* A token that is no longer good, or was never for us, is refused with one of these. */
static bool
is_gone(int status)
{
	return status == 401 || status == 403 || status == 404 || status == 410;
}

/* What a failed request means for the URL that was asked. */
void
source_request_failed(struct source *s, const struct fetch_result *r)
{
	uint32_t code = verdict_busy(r->http_status) ? 805 : 806; /* 805: the account has no more streams (hls.md 7) */

	if (s->what == OPENING) {
		open_failed(s, code, r->reason);
		return;
	}
	if (strcmp(s->now_url, s->media_url) != 0) {
		/* Where it once led to is dead, name or token: ask the one that leads there. */
		if (is_gone(r->http_status))
			token_over(s, &s->led, "redirect");
		source_say(s, LOG_INFO, "playlist.expired", r->reason);
		strlcpy(s->now_url, s->media_url, sizeof(s->now_url));
		wait_s(s, REOPEN_FLOOR_S / 2);
		return;
	}
	if (!s->has_media && s->variant >= 0) {
		source_refuse(s, code, r->reason);
		return;
	}
	if (!s->has_media) {
		source_fail(s, code, r->reason);
		return;
	}
	source_say(s, LOG_WARNING, "playlist.failed", r->reason);
	if (s->variant >= 0 && is_gone(r->http_status))
		token_over(s, &s->opened, "master");
	if (track_failed(&s->track) || r->err == PB_NO || (s->variant >= 0 && r->http_status == 0))
		source_reopen(s, r->reason);
	else
		schedule_reload(s, NULL);
}

void
source_remember(struct source *s, const struct fetch_result *r)
{
	if (r->http_status != 0)
		atomic_store(&s->figures->http_status, (uint32_t)r->http_status);
	if (r->url != NULL)
		strlcpy(s->effective, r->url, sizeof(s->effective));
}

static void
playlist_done(void *arg, const struct fetch_result *r)
{
	struct source *s = arg;

	s->fetch = NULL;
	source_remember(s, r);
	if (r->err == 0 && s->what == OPENING)
		source_note_opening(s, r->answer_s);
	if (r->err == PB_ELIMIT && s->what == OPENING) {
		/* No playlist is so long; an endless stream under a playlist's name is met in the wild. */
		s->sniff = SNIFF_TS;
		open_channel(s);
	} else if (r->err != 0) {
		source_request_failed(s, r);
	} else {
		source_body(s, r->body, r->body_len, false);
	}
}

/* Where there is one connection, a segment may have it: how long it is waited for before anything is asked. */
static double
turn_s(const struct source *s)
{
	return fetch_pool_is_one(s->pool) ? atomic_load(&s->figures->target_ms) / 1e3 : 0;
}

/* How long an answer may be waited for: as long as nobody misses it. */
static ev_tstamp
deadline(struct source *s)
{
	if (!s->has_media)
		return s->tune_deadline;
	return loop_now(s->loop) + PB_MAX(turn_s(s) + REQUEST_MIN_S, s->ops->reserve_ms(s->arg) / 1e3 - 1);
}

/* Is this a try for one whose picture stands? It is over soon, and another one follows soon. */
static bool
open_quickly(const struct source *s)
{
	return is_starved(s) && (!fails_for_long(s) || s->open_failures % STARVED_SLOW != 0);
}

/*
 * A request that follows a failure while there is something left to play
 * has until that is nearly spent: it is patient, and its pauses grow, so that
 * it would go on through the filler in which a source is asked quickly.
 */
static ev_tstamp
open_deadline(const struct source *s, bool quickly)
{
	double left_s = ((double)s->ops->reserve_ms(s->arg) - STARVED_MS) / 1e3;
	/* A try gets half of the time that there is; and what is as slow as it was before is not cut off. */
	double least_s = PB_MAX(atomic_load(&s->figures->latency_ms) * 4e-3, s->opens_s * OPENS_TIMES);

	least_s = PB_MAX(least_s, STARVED_TRY_S);
	if (!s->has_media)
		return s->tune_deadline;
	if (quickly)
		return loop_now(s->loop) + least_s;
	return s->open_failures > 0 && left_s > 0 ? loop_now(s->loop) + PB_MAX(left_s, least_s) : 0;
}

/* All that was named with a master that is about to expire is named anew; nothing was missed. */
static void
renew(struct source *s)
{
	log_event(LOG_INFO, "token.renew", "channel=%s what=master age_s=%.1f", s->tune->guide_number,
	    loop_now(s->loop) - s->opened.since);
	s->resuming = true;
	s->resume_msn = s->track.top_msn + 1;
	s->resume_serial = s->track.next_serial;
	playlist_clear(&s->list);
	track_clear(&s->track);
	open_channel(s);
}

static void
load(struct source *s)
{
	uint32_t target_ms = atomic_load(&s->figures->target_ms);
	bool led = strcmp(s->now_url, s->media_url) != 0;
	struct fetch_options options = {
		.kind = FETCH_PLAYLIST,
		.url = s->now_url,
		.deadline = deadline(s),
		/* Half of what a reload may take (hls.md 4.1); earlier by its own history. */
		.hedge_ms = PB_MIN(target_ms > 0 ? target_ms : HEDGE_MAX_MS, HEDGE_MAX_MS) / 2,
		.channel_url = s->variant < 0 && strcmp(s->now_url, s->url) == 0,
		.source = s->number,
		.arg = s,
		.on_done = playlist_done,
	};
	int err;

	if (s->variant >= 0 && s->has_media && s->track.started && !s->resuming && !s->track.restarting &&
	    token_old(s, &s->opened)) {
		renew(s);
		return;
	}
	if (led && token_old(s, &s->led)) {
		strlcpy(s->now_url, s->media_url, sizeof(s->now_url));
		s->led.since = 0;
		led = false;
		options.channel_url = s->variant < 0;
	}
	if (led && s->has_media) {
		/* Another one is a request away: it is not waited for long. */
		options.tries = LED_TRIES;
		options.deadline = PB_MIN(options.deadline,
		    loop_now(s->loop) + turn_s(s) + PB_MAX(LED_WAIT_S, atomic_load(&s->figures->target_ms) * 1.5e-3));
	}
	if (s->ask_elsewhere)
		options.elsewhere = ++s->elsewhere;
	s->ask_elsewhere = false;
	s->load_start = loop_now(s->loop);
	fetch_cancel(&s->fetch);
	err = fetch_start(s->pool, &options, &s->fetch);
	if (err != 0)
		source_refuse(s, 806, "the playlist's address can't be asked");
}

/* Does the name say that it is a playlist? Then it may come compressed. */
static bool
named_playlist(const char *url)
{
	size_t len = strcspn(url, "?#");

	return (len >= 5 && strncasecmp(url + len - 5, ".m3u8", 5) == 0) ||
	    (len >= 4 && strncasecmp(url + len - 4, ".m3u", 4) == 0);
}

static void
open_channel(struct source *s)
{
	bool text = named_playlist(s->url) && s->sniff != SNIFF_TS, quickly = open_quickly(s);
	struct fetch_options options = {
		.kind = text ? FETCH_PLAYLIST : FETCH_STREAM,
		.url = s->url,
		.deadline = open_deadline(s, quickly),
		.queue_s = s->has_media ? PB_MAX(OPEN_QUEUE_S, turn_s(s)) : 0,
		.tries = quickly ? 1 : 0,
		.channel_url = true,
		.source = s->number,
		.arg = s,
		.on_head = text ? NULL : source_stream_head,
		.on_data = text ? NULL : source_stream_data,
		.on_done = text ? playlist_done : source_stream_done,
	};
	int err;

	fetch_cancel(&s->fetch);
	source_stream_forget(s);
	s->sniff = SNIFF_OPEN;
	s->what = OPENING;
	s->load_start = loop_now(s->loop);
	err = fetch_start(s->pool, &options, &s->fetch);
	if (err != 0)
		open_failed(s, 806, err == PB_ENOMEM ? "out of memory" : "the channel's address can't be asked");
}

void
source_open(struct source *s)
{
	uint32_t ms = s->tune->settings.tune_timeout_ms;

	s->tune_deadline = loop_now(s->loop) + (ms != 0 ? ms : TUNE_TIMEOUT_MS) / 1e3;
	open_channel(s);
}

static void
source_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct source *s = w->data;

	(void)loop;
	(void)revents;
	if (s->what == OPENING)
		open_channel(s);
	else if (s->what == FOLLOWING)
		load(s);
}

void
source_resume(struct source *s)
{
	if (s->what == STREAMING && s->fetch != NULL)
		fetch_resume(s->fetch);
}

void
source_resume_at(struct source *s, const struct state_upstream *upstream, bool in_segment)
{
	s->has_media = true;
	s->announced = true;
	s->step_bps = atomic_load(&s->figures->step_bps); /* of the segment that it was at */
	s->resuming = s->adopted = !upstream->stream;
	s->resume_msn = upstream->msn + (in_segment ? 0 : 1);
	s->resume_serial = upstream->serial + (in_segment ? 0 : 1);
}

void
source_resume_other(struct source *s, uint64_t serial, uint32_t behind_ms)
{
	s->has_media = true;
	s->announced = true;
	track_other(&s->track, serial, behind_ms);
}

void
source_switch(struct source *s, unsigned number, const char *url, uint64_t serial, uint32_t behind_ms)
{
	fetch_cancel(&s->fetch);
	ev_timer_stop(s->loop, &s->timer);
	fetch_pool_new_source(s->pool);
	playlist_clear(&s->list);
	drop_master(s);
	strlcpy(s->url, url, sizeof(s->url));
	s->number = number;
	s->step_bps = 0; /* another source, another way */
	s->streaming = s->vod = s->resuming = s->adopted = false;
	s->discontinuity = true;
	s->open_failures = s->bad_bodies = 0;
	s->opens_s = 0;
	s->announced = s->has_media;
	s->news_at = s->still_at = 0;
	s->stills = 0;
	s->ask_elsewhere = false;
	s->led = s->opened = (struct token){ 0 };
	track_other(&s->track, serial, behind_ms);
	open_channel(s);
}

uint32_t
source_missed_ms(const struct source *s)
{
	double ms = s->news_at > 0 ? (loop_now(s->loop) - s->news_at) * 1e3 : 0;

	if (s->what == FOLLOWING && s->list.kind == PLAYLIST_MEDIA)
		for (size_t i = s->next; i < s->news.first + s->news.count; i++)
			ms += s->list.segments[i].duration_ms;
	return (uint32_t)PB_MIN(ms, (double)UINT32_MAX / 2);
}

void
source_has_media(struct source *s)
{
	s->has_media = true;
}
