/*
 * splice.c - how a unit finds its time
 *
 *   splice_put -> arrive -> at_start   until the streams are known, held
 *                        -> at_joint   until a key frame, audio is held
 *                        -> map_video, map_audio -> queue_unit
 *
 * A unit whose time does not fit opens a joint and arrives once more; the
 * one that closes it fixes the new offset, and what was held arrives behind.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/conform.h"
#include "worker/es.h"
#include "worker/splice.h"

#define SECOND_90K 90000
#define WINDOW_BACK_90K 45000 /* times may step back that far and keep the offset */
#define WINDOW_AHEAD_90K 90000 /* at a segment's start: its duration and this */
#define WINDOW_INSIDE_90K (2 * SECOND_90K) /* inside a segment */
#define RESEND_90K (60 * SECOND_90K) /* a source that is asked again may repeat that much */
#define FILLED_90K (20 * SECOND_90K) /* ...and a clock that stepped back further is another one */
#define AHEAD_MAX_90K (18 * SECOND_90K) /* the longest hole: what tsmux walks */
#define DURATION_MAX_MS 15000 /* no longer hole is believed, whatever a playlist says */
/*
 * Streams that came by then are listed, for ever: so long is waited for one
 * that a PMT lists and nothing comes of. Muxes send pictures up to two
 * seconds before their sound; a stream without its pictures is worse than
 * one without its sound, and seldom meant.
 */
#define DECIDE_SOUND_90K (2 * SECOND_90K)
#define DECIDE_PICTURES_90K INTERLEAVE_LAG_MAX_90K
/*
 * A stream of which nothing comes while the other goes on so far, and past
 * it, has dried up. How far it came behind says nothing: broadcast muxes send
 * pictures up to two seconds before the sound that belongs to them.
 */
#define DRY_90K 135000
#define STRAY_90K (3 * SECOND_90K) /* audio waits that long for video's jump */
#define SKEW_90K (5 * SECOND_90K) /* audio and video of one time base are closer */
#define TAIL_90K 45000 /* audio may outlast its video that much at a cut */
#define OVERLAP_90K 1080 /* 12 ms, half a frame: audio that overlaps by less is left alone */
#define CTS_MAX_90K SECOND_90K
#define DUR_MAX_90K SECOND_90K
#define AUDIO_MAX_90K (10 * SECOND_90K) /* one PES of audio: 64 KiB of speech */
#define STRAYS_MAX (1u << 20)
#define STRAY_UNITS 512
#define UNITS_MAX 4096 /* units held at start, whatever their size */
#define NEVER (TS_NOTIME + 1) /* earlier than any time */

static int arrive(struct splice *s, struct unit *u);

void
splice_init(struct splice *s, struct pool *pool, const struct demux *from, struct interleave *to, int64_t first_dts_90k)
{
	memset(s, 0, sizeof(*s));
	s->pool = pool;
	s->from = from;
	s->to = to;
	s->first_dts_90k = first_dts_90k;
	for (int r = 0; r < ROLES; r++) {
		struct splice_track *t = &s->s.track[r];

		t->src = t->raw = t->out = t->end = TS_NOTIME;
		t->dur = r == ROLE_VIDEO ? 3600 : 1920;
		s->span[r][0] = s->span[r][1] = TS_NOTIME;
	}
	keyframe_init(&s->s.key);
	s->s.filled_raw[ROLE_VIDEO] = s->s.filled_raw[ROLE_AUDIO] = TS_NOTIME;
	s->s.met[ROLE_VIDEO] = s->s.met[ROLE_AUDIO] = TS_NOTIME;
	s->s.joint_pts = TS_NOTIME;
	s->s.need_key = NEED_KEY;
}

void
splice_clear(struct splice *s)
{
	queue_clear(s->pool, &s->held);
	s->held_key = NULL;
}

static enum role
other(enum role role)
{
	return role == ROLE_VIDEO ? ROLE_AUDIO : ROLE_VIDEO;
}

static enum es_codec
codec_of(const struct splice *s, enum role role)
{
	return (enum es_codec)s->from->s.stream[role].codec;
}

/* --- what comes when --- */

/* A unit came: how far behind the other role's last? */
static void
see_lag(struct splice *s, const struct unit *u)
{
	enum role o = other(u->role);
	int64_t lag;

	if (s->span[o][0] == TS_NOTIME)
		return;
	lag = ts_diff(s->s.track[o].raw, u->raw_dts);
	if (lag <= SKEW_90K) /* else one of them has another time base now */
		s->s.lag_90k[u->role] = PB_MAX(s->s.lag_90k[u->role], PB_MIN(lag, (int64_t)INTERLEAVE_LAG_MAX_90K));
}

/* A unit of role came that fits, whether it goes out or not. */
static void
meet(struct splice *s, enum role role)
{
	s->s.met[role] = TS_NOTIME;
	s->to->is_dry[role] = false;
}

static void
need_key(struct splice_state *a)
{
	a->need_key = NEED_KEY;
	keyframe_wait(&a->key);
}

/* Role got so far: did the other one dry up? */
static void
watch_other(struct splice *s, enum role role)
{
	struct splice_state *a = &s->s;
	enum role o = other(role);
	int64_t at = a->track[role].out;

	/* A hole in both is nobody's fault: what counts begins behind it. So it does behind units that waited here. */
	if (a->met[o] == TS_NOTIME || s->again)
		a->met[o] = at;
	if (!interleave_listed(s->to, o))
		return;
	s->to->is_dry[o] = at - PB_MAX(a->met[o], a->track[o].out) >= DRY_90K; /* TS_NOTIME is less than all */
	if (s->to->is_dry[ROLE_VIDEO] && a->need_key != NEED_KEY) /* what comes leans on pictures that nobody saw */
		need_key(a);
}

/* --- times --- */

static int
drop_repeat(struct splice *s, struct unit *u)
{
	s->counts.repeats++;
	s->carried++; /* by the one that was sent */
	unit_free(s->pool, u);
	return 0;
}

static uint64_t
fingerprint(const struct unit *u)
{
	const uint8_t *b = unit_body(u);
	size_t len = unit_body_len(u), step = len / 24 + 1;
	uint64_t h = (uint64_t)u->raw_dts * UINT64_C(0x9e3779b97f4a7c15) ^ len;

	for (size_t at = 0; at < len; at += step)
		h = (h ^ b[at]) * UINT64_C(0x100000001b3);
	return h;
}

/* Did this very unit go through already? Remembers it. */
static bool
seen_before(struct splice_track *t, const struct unit *u)
{
	uint64_t print = fingerprint(u);

	for (uint32_t i = 0; i < PB_MIN(t->nprints, (uint32_t)SPLICE_PRINTS); i++)
		if (t->print[i] == print)
			return true;
	t->print[t->nprints++ % SPLICE_PRINTS] = print;
	if (t->nprints == 2 * SPLICE_PRINTS)
		t->nprints = SPLICE_PRINTS;
	return false;
}

static int64_t
duration_of(const struct splice *s, const struct unit *u)
{
	const struct splice_track *t = &s->s.track[u->role];
	int64_t ticks = 0;

	if (u->role == ROLE_AUDIO)
		ticks = es_audio_ticks(codec_of(s, ROLE_AUDIO), unit_body(u), unit_body_len(u));
	return ticks > 0 ? PB_MIN(ticks, AUDIO_MAX_90K) : t->dur;
}

/* Its time is decided: u goes to the queue it leaves from, unless it left in an earlier life. */
static int
queue_unit(struct splice *s, struct unit *u, int64_t src, int64_t dts)
{
	struct splice_track *t = &s->s.track[u->role];
	int64_t delta = t->src != TS_NOTIME ? src - t->src : 0, dur;

	if (t->out != TS_NOTIME && dts <= t->out) {
		if (seen_before(t, u) || (u->role == ROLE_AUDIO && t->out - dts >= t->dur / 2))
			return drop_repeat(s, u);
		dts = t->out + PB_MAX(t->dur / 4, 1);
		s->counts.time_repairs++;
	} else
		seen_before(t, u);
	meet(s, u->role);
	if (u->begins) /* not before: when it comes again, it is what it was */
		es_break_link(codec_of(s, ROLE_VIDEO), u->buf + u->body, unit_body_len(u));
	if (delta > 0 && delta <= DUR_MAX_90K / 2)
		t->dur = delta;
	dur = duration_of(s, u);
	u->offset = s->s.offset;
	u->dts = dts;
	u->pts = PB_MAX(src + s->s.offset + u->cts_90k, dts);
	if (u->pts > dts + CTS_MAX_90K)
		u->pts = dts + CTS_MAX_90K;
	t->src = src;
	t->out = dts;
	watch_other(s, u->role);
	t->end = t->end == TS_NOTIME ? u->pts + dur : PB_MAX(t->end, u->pts + dur);
	s->s.ref = src;
	s->first[u->role] = false;
	s->carried++;
	if (s->to->mux.s.last_dts[u->role] != TS_NOTIME && dts <= s->to->mux.s.last_dts[u->role]) {
		unit_free(s->pool, u);
		return 0;
	}
	s->to->since_90k = s->s.joint_out;
	memcpy(s->to->lag_90k, s->s.lag_90k, sizeof(s->s.lag_90k));
	return interleave_put(s->to, u);
}

static int64_t
unwrap(int64_t raw, int64_t ref)
{
	return ref + ts_diff(raw, ref);
}

/* A splice is due: video waits for a key frame, audio for video. */
static void
open_joint(struct splice *s)
{
	struct splice_state *a = &s->s;

	if (a->phase != SPLICE_RUN)
		return;
	a->have_old = 1;
	a->old_offset = a->offset;
	a->old_ref = a->ref;
	a->phase = SPLICE_JOINT;
	need_key(a);
	for (int r = 0; r < ROLES; r++)
		a->track[r].src = TS_NOTIME;
	s->video_since = false;
}

/* Where the next epoch begins on the output's clock, given what u would add. */
static int64_t
joint_offset(const struct splice *s, const struct unit *u)
{
	const struct splice_track *v = &s->s.track[ROLE_VIDEO];
	const struct splice_track *a = &s->s.track[ROLE_AUDIO];
	int64_t out = TS_NOTIME;

	if (v->out == TS_NOTIME && (a->out == TS_NOTIME || a->end == TS_NOTIME))
		return s->first_dts_90k - u->raw_dts;
	if (v->out != TS_NOTIME) /* behind the last picture, decoded and shown */
		out = PB_MAX(v->out + v->dur, v->end - u->cts_90k);
	/*
	 * Audio that outlasts its picture by a little plays on over the first
	 * of the new ones, and as much of the new audio is dropped: no picture
	 * stands still for it. More than that, and the joint waits.
	 */
	if (a->end != TS_NOTIME && (out == TS_NOTIME || u->role == ROLE_AUDIO || a->end - out > TAIL_90K))
		out = out == TS_NOTIME ? a->end : PB_MAX(out, a->end);
	return out - u->raw_dts;
}

/* Fix the new epoch's offset by u, its first unit. */
static void
close_joint(struct splice *s, const struct unit *u)
{
	struct splice_state *a = &s->s;

	if (a->phase == SPLICE_JOINT)
		s->counts.splices++;
	a->offset = joint_offset(s, u);
	a->ref = u->raw_dts;
	a->joint_out = u->raw_dts + a->offset;
	a->joint_pts = u->role == ROLE_VIDEO ? u->raw_dts + u->cts_90k : TS_NOTIME;
	a->need_key = NEED_KEY; /* u itself, or the first that comes */
	a->phase = SPLICE_RUN;
	a->filled = 0;
}

static int
drop_early(struct splice *s, struct unit *u)
{
	s->counts.early++;
	unit_free(s->pool, u);
	return 0;
}

/* Did audio of this epoch come that far? Then src is no jump of the source's clock. */
static bool
audio_reached(const struct splice *s, int64_t src)
{
	int64_t audio = s->s.track[ROLE_AUDIO].src;

	return audio != TS_NOTIME && src <= audio + SECOND_90K;
}

static int
map_video(struct splice *s, struct unit *u)
{
	struct splice_state *a = &s->s;
	struct splice_track *t = &a->track[ROLE_VIDEO];
	int64_t src = unwrap(u->raw_dts, a->ref), d, ahead = WINDOW_INSIDE_90K;

	if (s->first[ROLE_VIDEO]) {
		uint32_t ms = PB_MIN(s->duration_ms, (uint32_t)DURATION_MAX_MS);

		ahead = PB_MAX(ahead, (int64_t)ms * 90 + WINDOW_AHEAD_90K);
	}
	if (t->src != TS_NOTIME) {
		d = src - (t->src + t->dur);
		if (a->need_key == NEED_KEY_IF_MISSING) {
			if (d > t->dur / 2)
				need_key(a);
			else
				a->need_key = NEED_NO_KEY;
		}
		if (s->resend && d < 0 && d > -RESEND_90K && src + a->offset <= t->out)
			return drop_repeat(s, u);
		if (d < -WINDOW_BACK_90K || (d > ahead && !audio_reached(s, src))) {
			open_joint(s);
			return arrive(s, u);
		}
		if (d > ahead && !a->need_key) /* pictures were missing, time goes on */
			need_key(a);
	} else if (a->joint_pts == TS_NOTIME) { /* the epoch began with audio alone */
		if (!u->key)
			return drop_early(s, u);
		d = a->track[ROLE_AUDIO].out != TS_NOTIME ? src + a->offset - a->track[ROLE_AUDIO].out : 0;
		if (d < -SKEW_90K || d > SKEW_90K || (t->out != TS_NOTIME && src + a->offset <= t->out)) {
			open_joint(s);
			return arrive(s, u);
		}
		a->joint_pts = src + u->cts_90k;
	}
	if (a->need_key && !u->key)
		return drop_early(s, u);
	if (a->need_key != NEED_NO_KEY) { /* what is shown before it leans on what is missing */
		a->joint_pts = src + u->cts_90k;
		u->begins = true;
	}
	a->need_key = NEED_NO_KEY;
	if (a->joint_pts != TS_NOTIME) {
		int64_t shown = src + u->cts_90k;

		if (shown < a->joint_pts)
			return drop_early(s, u);
		if (shown > a->joint_pts + SECOND_90K)
			a->joint_pts = NEVER; /* far behind */
	}
	s->resend = false;
	return queue_unit(s, u, src, src + a->offset);
}

/* Audio alone, or without video for so long that it leads the clock. */
static bool
audio_leads(const struct splice *s)
{
	return !interleave_listed(s->to, ROLE_VIDEO);
}

/* u fits nowhere now. It waits: video may be about to jump to where it is. */
static int
hold_stray(struct splice *s, struct unit *u)
{
	if (s->held.n == 0)
		s->video_since = false;
	queue_push(&s->held, u);
	if (s->held.bytes <= STRAYS_MAX && s->held.n <= STRAY_UNITS &&
	    llabs(ts_diff(u->raw_dts, s->held.first->raw_dts)) < STRAY_90K)
		return 0;
	if (s->video_since) {
		splice_drop(s);
		return 0;
	}
	open_joint(s);
	return PB_AGAIN;
}

static int
map_audio(struct splice *s, struct unit *u)
{
	struct splice_state *a = &s->s;
	struct splice_track *t = &a->track[ROLE_AUDIO];
	const struct splice_track *v = &a->track[ROLE_VIDEO];
	int64_t src = unwrap(u->raw_dts, a->ref), dts = src + a->offset, d;
	int64_t ahead = SECOND_90K;
	bool fits = false;

	if (s->first[ROLE_AUDIO])
		ahead += (int64_t)PB_MIN(s->duration_ms, (uint32_t)DURATION_MAX_MS) * 90;
	if (t->src != TS_NOTIME) {
		d = src - (t->src + t->dur);
		if (s->resend && d < 0 && d > -RESEND_90K && dts <= t->out)
			return drop_repeat(s, u);
		if (t->end != TS_NOTIME) /* the unit before may be a long one */
			ahead = PB_MAX(ahead, t->end - (t->src + a->offset) + SECOND_90K);
		fits = d >= -WINDOW_BACK_90K && d <= PB_MIN(ahead, AHEAD_MAX_90K);
	} else if (v->src == TS_NOTIME) /* the first of an epoch that audio begins */
		fits = true;
	if (!fits && v->src != TS_NOTIME)
		fits = llabs(dts - v->out) <= SKEW_90K;
	if (!fits && a->have_old && t->out != TS_NOTIME) {
		int64_t old = unwrap(u->raw_dts, a->old_ref) + a->old_offset;

		if (old > t->out && old < a->joint_out && old > a->joint_out - STRAY_90K) {
			/* It belongs in front of the joint, in the epoch before. */
			int64_t src_now = old - a->offset, err;
			int64_t ref = a->ref, src_before = t->src;

			err = queue_unit(s, u, src_now, old);
			a->ref = ref;
			t->src = src_before;
			return (int)err;
		}
	}
	if (!fits) {
		if (audio_leads(s)) {
			open_joint(s);
			return arrive(s, u);
		}
		return hold_stray(s, u);
	}
	/* The first of an epoch: not before its picture, nor over what sounds still. */
	if (t->src == TS_NOTIME && dts < a->joint_out) {
		meet(s, ROLE_AUDIO);
		return drop_early(s, u);
	}
	if (t->end != TS_NOTIME && dts < t->end && (t->src == TS_NOTIME || s->first[ROLE_AUDIO])) {
		int64_t over = t->end - dts, cut;
		size_t n = es_audio_skip(codec_of(s, ROLE_AUDIO), unit_body(u), unit_body_len(u), over, &cut);

		if (n == unit_body_len(u) || (n == 0 && t->src == TS_NOTIME && over > OVERLAP_90K))
			return t->src == TS_NOTIME ? drop_early(s, u) : drop_repeat(s, u);
		u->body += n;
		src += cut;
		dts += cut;
	}
	s->resend = false;
	return queue_unit(s, u, src, dts);
}

static int
map(struct splice *s, struct unit *u)
{
	return u->role == ROLE_VIDEO ? map_video(s, u) : map_audio(s, u);
}

/* The decision is made by first (not among the held): map it and all that waited. */
static int
release(struct splice *s, struct unit *first)
{
	struct queue held = s->held;
	bool again = s->again;
	struct unit *u;
	int err = 0;

	memset(&s->held, 0, sizeof(s->held));
	s->held_key = NULL;
	close_joint(s, first != NULL ? first : held.first);
	if (first != NULL)
		err = map(s, first);
	s->again = true;
	while (err >= 0 && (u = queue_pop(&held)) != NULL)
		err = arrive(s, u);
	s->again = again;
	queue_clear(s->pool, &held);
	return err;
}

static void
span(struct splice *s, const struct unit *u)
{
	int64_t *seen = s->span[u->role];

	if (seen[0] == TS_NOTIME)
		seen[0] = seen[1] = u->raw_dts;
	else if (ts_diff(u->raw_dts, seen[1]) > 0)
		seen[1] = u->raw_dts;
}

static int64_t
span_len(const struct splice *s)
{
	int64_t longest = 0;

	for (int r = 0; r < ROLES; r++)
		if (s->span[r][0] != TS_NOTIME)
			longest = PB_MAX(longest, ts_diff(s->span[r][1], s->span[r][0]));
	return longest;
}

/* List the streams that showed data and let go, when that can be decided. */
static int
try_start(struct splice *s, bool now)
{
	int64_t wait = 0;
	struct unit *key, *u;
	struct queue rest = { 0 };

	for (int r = 0; r < ROLES; r++)
		if (s->from->s.stream[r].pid != DEMUX_NO_PID && s->span[r][0] == TS_NOTIME)
			wait = r == ROLE_VIDEO ? DECIDE_PICTURES_90K : PB_MAX(wait, DECIDE_SOUND_90K);
	if (!now && span_len(s) < wait && s->held.bytes < CONFORM_START_MAX && s->held.n < UNITS_MAX)
		return 0;
	if (s->held.first == NULL || (s->from->shown[ROLE_VIDEO] && s->held_key == NULL))
		return 0;

	/* From here on the stream lives, and this is its PMT for ever. */
	for (int r = 0; r < ROLES; r++) {
		struct tsmux_stream *st = &s->to->mux.s.stream[r];
		const struct demux_stream *from = &s->from->s.stream[r];

		if (!s->from->shown[r] || interleave_started(s->to))
			continue;
		st->listed = 1;
		st->codec = from->codec;
		st->type = from->type;
		st->desc_len = from->desc_len;
		memcpy(st->desc, from->desc, from->desc_len);
	}
	key = s->held_key != NULL ? s->held_key : s->held.first;
	while ((u = queue_pop(&s->held)) != NULL)
		if (u != key)
			queue_push(&rest, u);
	s->held = rest;
	return release(s, key);
}

static int
at_start(struct splice *s, struct unit *u)
{
	if (u->role == ROLE_VIDEO) {
		if (s->held_key == NULL && !u->key) {
			unit_free(s->pool, u);
			s->counts.early++;
			return try_start(s, false);
		}
		if (s->held_key == NULL)
			s->held_key = u;
	}
	queue_push(&s->held, u);
	/* What waits for a key frame is worth little: only the newest is kept. */
	while (s->held_key == NULL && s->from->shown[ROLE_VIDEO] &&
	    (s->held.bytes > STRAYS_MAX || s->held.n > STRAY_UNITS)) {
		s->counts.early++;
		unit_free(s->pool, queue_pop(&s->held));
	}
	return try_start(s, false);
}

static int
at_joint(struct splice *s, struct unit *u)
{
	if (u->role == ROLE_VIDEO) {
		s->video_since = true;
		if (!u->key)
			return drop_early(s, u);
		return release(s, u);
	}
	if (audio_leads(s))
		return release(s, u);
	queue_push(&s->held, u);
	if (!s->video_since && llabs(ts_diff(u->raw_dts, s->held.first->raw_dts)) >= STRAY_90K)
		return release(s, NULL);
	while (s->held.bytes > STRAYS_MAX || s->held.n > STRAY_UNITS) {
		s->counts.early++;
		unit_free(s->pool, queue_pop(&s->held));
	}
	return 0;
}

/* A unit with all that is known about it: where does it go? */
static int
arrive(struct splice *s, struct unit *u)
{
	int err;

	if ((s->s.phase != SPLICE_START || interleave_started(s->to)) && !interleave_listed(s->to, u->role)) {
		s->counts.unlisted++;
		unit_free(s->pool, u);
		return 0;
	}
	if (s->s.phase == SPLICE_START)
		return at_start(s, u);
	if (s->s.phase == SPLICE_JOINT)
		return at_joint(s, u);
	if (u->role == ROLE_VIDEO)
		s->video_since = true;
	err = map(s, u);
	if (err == PB_AGAIN) /* strays that video will not follow begin an epoch of their own */
		err = release(s, NULL);
	return err;
}

void
splice_begin(struct splice *s, bool anew, uint32_t source, uint32_t duration_ms)
{
	s->duration_ms = duration_ms;
	s->carried = 0;
	s->video_since = false;
	for (int r = 0; r < ROLES; r++) {
		s->first[r] = true;
		s->span[r][0] = s->span[r][1] = TS_NOTIME;
	}
	if (anew) {
		open_joint(s);
		if (source != s->s.source)
			keyframe_forget(&s->s.key);
		else
			keyframe_cut(&s->s.key);
		for (int r = 0; r < ROLES; r++) {
			s->s.track[r].raw = s->s.filled_raw[r] = TS_NOTIME;
			s->s.lag_90k[r] = 0;
		}
	}
	s->s.source = source;
}

/* Times for a unit: what the source says, or what follows from the unit before. */
static bool
stamp(struct splice *s, struct unit *u)
{
	struct splice_track *t = &s->s.track[u->role];
	int64_t cts;

	if (u->raw_dts == TS_NOTIME) {
		if (t->raw == TS_NOTIME)
			return false;
		u->raw_dts = (t->raw + t->dur) & (TS_WRAP_90K - 1);
		u->raw_pts = u->raw_dts + t->cts;
		s->counts.time_repairs++;
	}
	cts = ts_diff(u->raw_pts, u->raw_dts);
	if (cts < 0 || cts > CTS_MAX_90K) {
		cts = t->cts;
		s->counts.time_repairs++;
	}
	t->cts = cts;
	t->raw = u->raw_dts;
	u->cts_90k = cts;
	return true;
}

/* Did it go out before the filler? A source that is asked again begins further back. */
static bool
before_filler(const struct splice *s, const struct unit *u)
{
	int64_t last = s->s.filled_raw[u->role], d;

	if (!s->s.filled || last == TS_NOTIME || u->raw_dts == TS_NOTIME)
		return false;
	d = ts_diff(u->raw_dts, last);
	return d <= 0 && d > -FILLED_90K;
}

int
splice_put(struct splice *s, struct unit *u)
{
	bool waiting = s->s.phase != SPLICE_RUN || s->s.need_key;
	int err;

	if (before_filler(s, u))
		return drop_repeat(s, u);
	if (!stamp(s, u)) {
		s->counts.late++;
		unit_free(s->pool, u);
		return 0;
	}
	span(s, u);
	see_lag(s, u);
	if (u->role == ROLE_VIDEO) {
		err = keyframe_judge(&s->s.key, codec_of(s, ROLE_VIDEO), u, waiting);
		if (err != 0) {
			unit_free(s->pool, u);
			return err == PB_ELIMIT ? 0 : err;
		}
	}
	return arrive(s, u);
}

int
splice_end(struct splice *s)
{
	int err = 0;

	if (s->s.phase == SPLICE_START)
		err = try_start(s, true);
	if (err >= 0 && s->s.phase == SPLICE_JOINT && s->held.n > 0 && !s->video_since)
		err = release(s, NULL); /* video is missing here: audio goes on alone */
	return err;
}

void
splice_fill(struct splice *s)
{
	struct splice_state *a = &s->s;

	if (a->filled)
		return;
	for (int r = 0; r < ROLES; r++)
		if (a->phase == SPLICE_RUN && a->track[r].src != TS_NOTIME)
			a->filled_raw[r] = a->track[r].src & (TS_WRAP_90K - 1);
	splice_drop(s);
	open_joint(s);
	a->have_old = 0; /* what belongs in front of the joint comes too late now */
	a->filled = 1;
}

void
splice_filled(struct splice *s, enum role role, int64_t dts_90k, int64_t end_90k)
{
	struct splice_track *t = &s->s.track[role];
	int64_t before = t->out, *met = &s->s.met[other(role)];

	t->out = t->out == TS_NOTIME ? dts_90k : PB_MAX(t->out, dts_90k);
	if (before != TS_NOTIME && *met != TS_NOTIME)
		*met += t->out - before; /* nothing could come in that time */
	t->end = t->end == TS_NOTIME ? end_90k : PB_MAX(t->end, end_90k);
}

void
splice_reconnect(struct splice *s)
{
	if (s->s.phase != SPLICE_RUN || s->s.need_key == NEED_KEY)
		return;
	need_key(&s->s);
	s->s.need_key = NEED_KEY_IF_MISSING;
}

void
splice_drop(struct splice *s)
{
	s->counts.late += s->held.n;
	splice_clear(s);
}

void
splice_catch_up(struct splice *s)
{
	struct splice_state *a = &s->s;

	if (!s->to->has_left)
		return;
	a->offset = s->to->left_offset;
	for (int r = 0; r < ROLES; r++) {
		struct splice_track *t = &a->track[r];
		int64_t left = s->to->mux.s.last_dts[r];

		if (left == TS_NOTIME)
			continue;
		t->out = left;
		t->src = left - a->offset;
		t->end = left + t->cts + t->dur;
		a->ref = t->src;
	}
	for (int r = 0; r < ROLES; r++)
		meet(s, (enum role)r);
	a->joint_pts = NEVER;
	a->phase = SPLICE_RUN;
	a->need_key = NEED_NO_KEY;
	splice_reconnect(s);
}

bool
splice_number_ok(int64_t t)
{
	return t > -((int64_t)1 << 50) && t < (int64_t)1 << 50;
}

static bool
time_ok(int64_t t)
{
	return t == TS_NOTIME || splice_number_ok(t);
}

bool
splice_state_ok(const struct splice_state *s)
{
	for (int r = 0; r < ROLES; r++) {
		const struct splice_track *t = &s->track[r];

		if (!time_ok(t->src) || !time_ok(t->out) || !time_ok(t->end) ||
		    (t->out == TS_NOTIME) != (t->end == TS_NOTIME))
			return false;
		if (t->raw != TS_NOTIME && (t->raw < 0 || t->raw >= TS_WRAP_90K))
			return false;
		if (!time_ok(s->met[r]) || s->lag_90k[r] < 0 || s->lag_90k[r] > INTERLEAVE_LAG_MAX_90K)
			return false;
		if (t->dur < 1 || t->dur > DUR_MAX_90K || t->cts < 0 || t->cts > CTS_MAX_90K ||
		    t->nprints >= 2 * SPLICE_PRINTS)
			return false;
	}
	if (!splice_number_ok(s->offset) || !splice_number_ok(s->ref) || !splice_number_ok(s->old_offset) ||
	    !splice_number_ok(s->old_ref) || !splice_number_ok(s->joint_out))
		return false;
	for (int r = 0; r < ROLES; r++)
		if (s->filled_raw[r] != TS_NOTIME && (s->filled_raw[r] < 0 || s->filled_raw[r] >= TS_WRAP_90K))
			return false;
	if (s->filled > 1)
		return false;
	if (!time_ok(s->joint_pts) && s->joint_pts != NEVER)
		return false;
	return s->phase < SPLICE_PHASES && s->have_old <= 1 && s->need_key < SPLICE_NEEDS && keyframe_ok(&s->key);
}
