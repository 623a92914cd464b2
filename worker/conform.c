/*
 * conform.c - how one continuous stream is made
 *
 * Two layers, so that a successor can go on with the very same bytes:
 *
 *   arrival   packets -> access units with times on the output's clock.
 *             Its state (struct arrival) at a segment's begin and the
 *             segment's bytes decide all: offsets, splices, repairs, drops.
 *   leaving   access units, by DTS, -> packets (tsmux.c). Its state is that
 *             of the last unit that left.
 *
 * A snapshot is the arrival state at the segment's begin and the leaving
 * state now. Fed again from the begin, arrival makes the same units again,
 * and those up to the last one that left are dropped.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/conform.h"
#include "worker/es.h"
#include "worker/framing.h"
#include "worker/psi.h"

#define SNAPSHOT_MAGIC UINT64_C(0x0001464e4f434250) /* "PBCONF", layout 1 */

#define SECOND_90K 90000
#define WINDOW_BACK_90K 45000  /* times may step back that far and keep the offset */
#define WINDOW_AHEAD_90K 90000 /* at a segment's start: its duration and this */
#define WINDOW_INSIDE_90K (2 * SECOND_90K) /* inside a segment */
#define RESEND_90K (60 * SECOND_90K) /* a source that is asked again may repeat that much */
#define DURATION_MAX_MS 15000 /* no longer hole is believed, whatever a playlist says */
#define DECIDE_90K 45000      /* streams that showed data by then are listed */
#define KEY_WAIT_90K (5 * SECOND_90K) /* then a recovery point must do */
#define STRAY_90K (3 * SECOND_90K) /* audio waits that long for video's jump */
#define SKEW_90K (5 * SECOND_90K)  /* audio and video of one time base are closer */
#define HOLD_90K SECOND_90K   /* units wait that long for the other stream's turn */
#define DEAD_90K (3 * SECOND_90K) /* a stream that far behind is not waited for */
#define TAIL_90K 45000        /* audio may outlast its video that much at a cut */
#define RADIO_KEY_90K 45000   /* audio alone: a place to join every half second */
#define OVERLAP_90K 1080 /* 12 ms, half a frame: audio that overlaps by less is left alone */
#define CTS_MAX_90K SECOND_90K
#define DUR_MAX_90K SECOND_90K

#define PRINTS 32       /* access units remembered to tell a repeat */
#define PARAMS_MAX 640  /* parameter sets kept for a key frame without */
#define PMTS 8          /* programs of a source that are looked at */
#define STRAYS_MAX (1u << 20)
#define STRAY_UNITS 512
#define UNITS_MAX 4096  /* units held at start, whatever their size */
#define NO_PMT_PACKETS 40000 /* an endless source without a PMT: 7 MB say enough */
#define POOL_MAX (512u << 10) /* a big key frame, so that it is not mapped anew each time */
#define NO_PID 0xffff
#define NEVER (TS_NOTIME + 1) /* earlier than any time */

/* One access unit, in its own buffer: header of the source's PES, then the unit. */
struct unit {
	struct unit *next;
	uint8_t *buf;
	size_t cap;
	size_t len;
	size_t body;      /* where the unit begins in buf */
	enum role role;
	int64_t raw_dts;  /* the source's, 33 bits */
	int64_t cts_90k;  /* PTS - DTS */
	int64_t dts;      /* the output's, once it is mapped */
	int64_t pts;
	int64_t offset;   /* that made the output's from the source's */
	bool key;
};

struct queue {
	struct unit *first;
	struct unit *last;
	size_t n;
	size_t bytes;
};

/* The arrival state of one role. */
struct track {
	int64_t src;      /* DTS of its last unit, the source's clock unwrapped; TS_NOTIME in a new epoch */
	int64_t raw;      /* the same or a dropped one's, 33 bits; TS_NOTIME */
	int64_t out;      /* its DTS on the output's clock; TS_NOTIME before the first */
	int64_t end;      /* where its last unit ends, on the output's clock, by PTS */
	int64_t dur;      /* a unit's duration */
	int64_t cts;      /* the last sane PTS - DTS */
	uint64_t print[PRINTS];
	uint32_t nprints;
	uint32_t reserved;
};

enum phase {
	PHASE_START, /* nothing went out; streams are not listed yet */
	PHASE_JOINT, /* a splice waits for its key frame */
	PHASE_RUN,
	PHASES
};

struct arrival {
	struct track track[ROLES];
	int64_t offset;     /* output = source + offset */
	int64_t ref;        /* a source time near now, unwrapped: the way round the circle */
	int64_t old_offset; /* those of the epoch before: its audio may come late */
	int64_t old_ref;
	int64_t joint_out;  /* where this epoch begins on the output's clock */
	int64_t joint_pts;  /* pictures shown before this one have lost what they lean on */
	int64_t wait_from;  /* first video DTS seen while a key frame is waited for, raw; TS_NOTIME */
	uint32_t source;
	uint16_t pmt_pid;   /* the source's, for segments that bring no tables */
	uint16_t pid[ROLES];
	uint16_t program;
	uint16_t params_len;
	uint8_t phase;
	uint8_t have_old;
	uint8_t need_key;   /* video goes on at a key frame only */
	uint8_t lax;        /* recovery points count as key frames: this source has no other */
	uint8_t type[ROLES];
	uint8_t codec[ROLES];
	uint8_t desc_len[ROLES];
	uint8_t reserved[4];
	uint8_t desc[ROLES][PSI_DESC_MAX];
	uint8_t params[PARAMS_MAX];
};

/* What a snapshot holds; fits conform_snapshot.inside. */
struct inside {
	struct arrival arrival;
	struct tsmux_state mux;
	int64_t offset; /* that of the last unit which left: see catch_up() */
	uint8_t has_offset;
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct inside) <= sizeof(((struct conform_snapshot *)0)->inside), "snapshot too small");

/* A PID being put together. */
struct assembly {
	struct unit *unit; /* NULL: waits for the start of a PES */
	size_t want;       /* bytes of the whole PES, 0 when it does not say */
	int cc;            /* -1: none seen */
	bool damaged;
	/* The last payload, to know a duplicate by: the end of unit when it went there whole, else a copy. */
	uint8_t tail_len;
	bool tail_inside;
	uint8_t tail[TS_PACKET];
};

struct conform {
	struct conform_options options;
	struct conform_input in;
	struct framing framing;
	struct psi_gather pat;
	int pat_cc;
	int npmts;
	struct {
		uint16_t pid;
		uint16_t program;
		int cc;
		struct psi_gather gather;
	} pmt[PMTS];
	struct assembly as[ROLES];

	struct arrival arr;
	struct arrival base; /* arr when this segment began */
	struct queue held;   /* units that wait for a decision: start, joint, strays */
	struct unit *held_key;
	int64_t span[ROLES][2]; /* first and newest raw DTS since the start, for the decision */
	bool shown[ROLES];
	bool has_pmt;        /* this segment's */
	bool foreign;        /* it has a PMT, but nothing in it is carried */
	bool first[ROLES];   /* no unit of this segment was mapped yet */
	bool video_since;    /* video came since audio began to wait */
	bool in_segment;
	bool resend;         /* a repeat of what went out is expected, not a jump */
	int refused;         /* the error that this segment ended with */
	uint64_t carried;    /* units of this segment that were understood */
	uint64_t scrambled_here;

	struct queue leave[ROLES];
	int64_t left_offset;
	bool has_left;
	struct tsmux mux;
	bool given;

	struct unit *pool;
	size_t pool_bytes;
	struct conform_stats stats;
	uint64_t junk_before; /* resync bytes of earlier segments */
	char reason[160];
};

static int arrive(struct conform *c, struct unit *u);

/* --- units and queues --- */

static struct unit *
unit_new(struct conform *c, enum role role)
{
	struct unit *u = c->pool;

	if (u != NULL) {
		c->pool = u->next;
		c->pool_bytes -= u->cap;
	} else {
		u = calloc(1, sizeof(*u));
		if (u == NULL)
			return NULL;
	}
	u->next = NULL;
	u->role = role;
	u->len = u->body = 0;
	u->raw_dts = TS_NOTIME;
	u->cts_90k = 0;
	u->key = false;
	return u;
}

static void
unit_free(struct conform *c, struct unit *u)
{
	if (u == NULL)
		return;
	if (c->pool_bytes + u->cap <= POOL_MAX) {
		u->next = c->pool;
		c->pool = u;
		c->pool_bytes += u->cap;
		return;
	}
	free(u->buf);
	free(u);
}

static int
unit_room(struct unit *u, size_t more)
{
	size_t cap;
	uint8_t *buf;

	if (more <= u->cap - u->len)
		return 0;
	cap = u->len + more;
	if (cap > CONFORM_PES_MAX)
		return PB_ELIMIT;
	cap = PB_MIN(cap + cap / 2 + 1024, (size_t)CONFORM_PES_MAX);
	buf = realloc(u->buf, cap);
	if (buf == NULL)
		return PB_ENOMEM;
	u->buf = buf;
	u->cap = cap;
	return 0;
}

static void
push(struct queue *q, struct unit *u)
{
	u->next = NULL;
	if (q->last != NULL)
		q->last->next = u;
	else
		q->first = u;
	q->last = u;
	q->n++;
	q->bytes += u->len;
}

static struct unit *
pop(struct queue *q)
{
	struct unit *u = q->first;

	if (u == NULL)
		return NULL;
	q->first = u->next;
	if (q->first == NULL)
		q->last = NULL;
	q->n--;
	q->bytes -= u->len;
	u->next = NULL;
	return u;
}

static void
clear(struct conform *c, struct queue *q)
{
	struct unit *u;

	while ((u = pop(q)) != NULL)
		unit_free(c, u);
}

static void
drop_held(struct conform *c)
{
	c->stats.late += c->held.n;
	clear(c, &c->held);
	c->held_key = NULL;
}

/* --- refusing --- */

__attribute__((format(printf, 3, 4))) static int
refuse(struct conform *c, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
	va_end(ap);
	c->refused = err;
	return err;
}

/* Did anything leave, in this life or an earlier one? */
static bool
started(const struct conform *c)
{
	return c->mux.s.last_pcr_27m != TS_NOTIME;
}

/* --- leaving: by DTS, when the other stream can't have an earlier one --- */

static enum role
other(enum role role)
{
	return role == ROLE_VIDEO ? ROLE_AUDIO : ROLE_VIDEO;
}

/* Is it time for the first unit of role, with nothing of the other one here? */
static bool
may_leave(const struct conform *c, enum role role)
{
	const struct tsmux_state *s = &c->mux.s;
	const struct queue *q = &c->leave[role];
	enum role o = other(role);

	if (!s->stream[o].listed || !started(c)) /* nothing comes before the first key frame: no wait */
		return true;
	if (q->last->dts - q->first->dts >= HOLD_90K)
		return true;
	if (s->last_dts[o] == TS_NOTIME)
		return q->first->dts - c->arr.joint_out > DEAD_90K;
	return q->first->dts - s->last_dts[o] > DEAD_90K;
}

/* No unit that is still to come has a DTS before this, as far as is known. */
static int64_t
floor_dts(const struct conform *c, const struct unit *u)
{
	const struct tsmux_state *s = &c->mux.s;
	enum role o = other(u->role);
	int64_t to_come;

	if (!s->stream[o].listed)
		return u->dts;
	if (c->leave[o].first != NULL)
		to_come = c->leave[o].first->dts;
	else if (s->last_dts[o] == TS_NOTIME)
		return u->dts;
	else
		to_come = s->last_dts[o] + 1;
	if (u->dts - to_come > DEAD_90K)
		return u->dts;
	return PB_MIN(u->dts, to_come);
}

static int
leave_one(struct conform *c, enum role role)
{
	struct unit *u = c->leave[role].first;
	const struct tsmux_state *s = &c->mux.s;
	int64_t key_before = s->last_key_90k;
	struct tsmux_unit out = {
		.role = role,
		.data = u->buf + u->body,
		.len = u->len - u->body,
		.dts_90k = u->dts,
		.pts_90k = u->pts,
		.floor_90k = floor_dts(c, u),
		.key = u->key,
	};
	int err;

	if (!s->stream[ROLE_VIDEO].listed)
		out.key = key_before == TS_NOTIME || u->dts - key_before >= RADIO_KEY_90K;
	err = tsmux_put(&c->mux, &out);
	if (err == PB_ENOMEM)
		return err;
	pop(&c->leave[role]);
	if (err == 0) {
		c->left_offset = u->offset;
		c->has_left = true;
		c->stats.units[role]++;
		if (out.key) {
			c->stats.keys++;
			c->stats.key_interval_90k = key_before == TS_NOTIME ? 0 : u->dts - key_before;
		}
	} else if (err == PB_NO)
		c->stats.late++;
	else
		c->stats.damaged++;
	unit_free(c, u);
	return 0;
}

static int
leave(struct conform *c, bool all)
{
	int err = 0;

	while (err == 0) {
		const struct unit *v = c->leave[ROLE_VIDEO].first;
		const struct unit *a = c->leave[ROLE_AUDIO].first;

		if (v != NULL && a != NULL)
			err = leave_one(c, v->dts <= a->dts ? ROLE_VIDEO : ROLE_AUDIO);
		else if (v != NULL && (all || may_leave(c, ROLE_VIDEO)))
			err = leave_one(c, ROLE_VIDEO);
		else if (a != NULL && (all || may_leave(c, ROLE_AUDIO)))
			err = leave_one(c, ROLE_AUDIO);
		else
			break;
	}
	return err;
}

/* --- arrival: times --- */

static int
drop_repeat(struct conform *c, struct unit *u)
{
	c->stats.repeats++;
	c->carried++; /* by the one that was sent */
	unit_free(c, u);
	return 0;
}

static uint64_t
fingerprint(const struct unit *u)
{
	const uint8_t *b = u->buf + u->body;
	size_t len = u->len - u->body, step = len / 24 + 1;
	uint64_t h = (uint64_t)u->raw_dts * UINT64_C(0x9e3779b97f4a7c15) ^ len;

	for (size_t at = 0; at < len; at += step)
		h = (h ^ b[at]) * UINT64_C(0x100000001b3);
	return h;
}

/* Did this very unit go through already? Remembers it. */
static bool
seen_before(struct track *t, const struct unit *u)
{
	uint64_t print = fingerprint(u);

	for (uint32_t i = 0; i < PB_MIN(t->nprints, (uint32_t)PRINTS); i++)
		if (t->print[i] == print)
			return true;
	t->print[t->nprints++ % PRINTS] = print;
	if (t->nprints == 2 * PRINTS)
		t->nprints = PRINTS;
	return false;
}

static int64_t
duration_of(const struct conform *c, const struct unit *u)
{
	const struct track *t = &c->arr.track[u->role];
	int64_t ticks = 0;

	if (u->role == ROLE_AUDIO)
		ticks = es_audio_ticks((enum es_codec)c->arr.codec[ROLE_AUDIO], u->buf + u->body, u->len - u->body);
	return ticks > 0 && ticks <= DUR_MAX_90K ? ticks : t->dur;
}

/* Its time is decided: u goes to the queue it leaves from, unless it left in an earlier life. */
static int
queue_unit(struct conform *c, struct unit *u, int64_t src, int64_t dts)
{
	struct track *t = &c->arr.track[u->role];
	int64_t delta = t->src != TS_NOTIME ? src - t->src : 0, dur;

	if (t->out != TS_NOTIME && dts <= t->out) {
		if (seen_before(t, u) || (u->role == ROLE_AUDIO && t->out - dts >= t->dur / 2))
			return drop_repeat(c, u);
		dts = t->out + PB_MAX(t->dur / 4, 1);
		c->stats.time_repairs++;
	} else
		seen_before(t, u);
	if (delta > 0 && delta <= DUR_MAX_90K / 2)
		t->dur = delta;
	dur = duration_of(c, u);
	u->offset = c->arr.offset;
	u->dts = dts;
	u->pts = PB_MAX(src + c->arr.offset + u->cts_90k, dts);
	if (u->pts > dts + CTS_MAX_90K)
		u->pts = dts + CTS_MAX_90K;
	t->src = src;
	t->out = dts;
	t->end = t->end == TS_NOTIME ? u->pts + dur : PB_MAX(t->end, u->pts + dur);
	c->arr.ref = src;
	c->first[u->role] = false;
	c->carried++;
	if (c->mux.s.last_dts[u->role] != TS_NOTIME && dts <= c->mux.s.last_dts[u->role]) {
		unit_free(c, u);
		return 0;
	}
	push(&c->leave[u->role], u);
	return leave(c, false);
}

static int64_t
unwrap(int64_t raw, int64_t ref)
{
	return ref + ts_diff(raw, ref);
}

/* A splice is due: video waits for a key frame, audio for video. */
static void
open_joint(struct conform *c)
{
	struct arrival *a = &c->arr;

	if (a->phase != PHASE_RUN)
		return;
	a->have_old = 1;
	a->old_offset = a->offset;
	a->old_ref = a->ref;
	a->phase = PHASE_JOINT;
	a->need_key = 1;
	a->wait_from = TS_NOTIME;
	for (int r = 0; r < ROLES; r++)
		a->track[r].src = TS_NOTIME;
	c->video_since = false;
}

/* Where the next epoch begins on the output's clock, given what u would add. */
static int64_t
joint_offset(const struct conform *c, const struct unit *u)
{
	const struct track *v = &c->arr.track[ROLE_VIDEO];
	const struct track *a = &c->arr.track[ROLE_AUDIO];
	int64_t out = TS_NOTIME;

	if (v->out == TS_NOTIME && (a->out == TS_NOTIME || a->end == TS_NOTIME))
		return c->options.first_dts_90k - u->raw_dts;
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
close_joint(struct conform *c, const struct unit *u)
{
	struct arrival *a = &c->arr;

	if (a->phase == PHASE_JOINT)
		c->stats.splices++;
	a->offset = joint_offset(c, u);
	a->ref = u->raw_dts;
	a->joint_out = u->raw_dts + a->offset;
	a->joint_pts = u->role == ROLE_VIDEO ? u->raw_dts + u->cts_90k : TS_NOTIME;
	a->need_key = u->role == ROLE_AUDIO;
	a->phase = PHASE_RUN;
}

static int
drop_early(struct conform *c, struct unit *u)
{
	c->stats.early++;
	unit_free(c, u);
	return 0;
}

static int
map_video(struct conform *c, struct unit *u)
{
	struct arrival *a = &c->arr;
	struct track *t = &a->track[ROLE_VIDEO];
	int64_t src = unwrap(u->raw_dts, a->ref), d, ahead = WINDOW_INSIDE_90K;

	if (c->first[ROLE_VIDEO]) {
		uint32_t ms = PB_MIN(c->in.duration_ms, (uint32_t)DURATION_MAX_MS);

		ahead = PB_MAX(ahead, (int64_t)ms * 90 + WINDOW_AHEAD_90K);
	}
	if (t->src != TS_NOTIME) {
		d = src - (t->src + t->dur);
		if (c->resend && d < 0 && d > -RESEND_90K && src + a->offset <= t->out)
			return drop_repeat(c, u);
		if (d < -WINDOW_BACK_90K || d > ahead) {
			open_joint(c);
			return arrive(c, u);
		}
	} else if (a->joint_pts == TS_NOTIME) { /* the epoch began with audio alone */
		if (!u->key)
			return drop_early(c, u);
		d = a->track[ROLE_AUDIO].out != TS_NOTIME ? src + a->offset - a->track[ROLE_AUDIO].out : 0;
		if (d < -SKEW_90K || d > SKEW_90K || (t->out != TS_NOTIME && src + a->offset <= t->out)) {
			open_joint(c);
			return arrive(c, u);
		}
		a->joint_pts = src + u->cts_90k;
	}
	if (a->need_key && !u->key)
		return drop_early(c, u);
	a->need_key = 0;
	if (a->joint_pts != TS_NOTIME) {
		int64_t shown = src + u->cts_90k;

		if (shown < a->joint_pts)
			return drop_early(c, u);
		if (shown > a->joint_pts + SECOND_90K)
			a->joint_pts = NEVER; /* far behind */
	}
	c->resend = false;
	return queue_unit(c, u, src, src + a->offset);
}

/* Audio alone, or without video for so long that it leads the clock. */
static bool
audio_leads(const struct conform *c)
{
	return !c->mux.s.stream[ROLE_VIDEO].listed;
}

/* u fits nowhere now. It waits: video may be about to jump to where it is. */
static int
hold_stray(struct conform *c, struct unit *u)
{
	if (c->held.n == 0)
		c->video_since = false;
	push(&c->held, u);
	if (c->held.bytes <= STRAYS_MAX && c->held.n <= STRAY_UNITS &&
	    llabs(ts_diff(u->raw_dts, c->held.first->raw_dts)) < STRAY_90K)
		return 0;
	if (c->video_since) {
		drop_held(c);
		return 0;
	}
	open_joint(c);
	return PB_AGAIN;
}

static int
map_audio(struct conform *c, struct unit *u)
{
	struct arrival *a = &c->arr;
	struct track *t = &a->track[ROLE_AUDIO];
	const struct track *v = &a->track[ROLE_VIDEO];
	int64_t src = unwrap(u->raw_dts, a->ref), dts = src + a->offset, d;
	int64_t ahead = SECOND_90K;
	bool fits = false;

	if (c->first[ROLE_AUDIO])
		ahead += (int64_t)PB_MIN(c->in.duration_ms, (uint32_t)DURATION_MAX_MS) * 90;
	if (t->src != TS_NOTIME) {
		d = src - (t->src + t->dur);
		if (c->resend && d < 0 && d > -RESEND_90K && dts <= t->out)
			return drop_repeat(c, u);
		fits = d >= -WINDOW_BACK_90K && d <= ahead;
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

			err = queue_unit(c, u, src_now, old);
			a->ref = ref;
			t->src = src_before;
			return (int)err;
		}
	}
	if (!fits) {
		if (audio_leads(c)) {
			open_joint(c);
			return arrive(c, u);
		}
		return hold_stray(c, u);
	}
	/* The first of an epoch: not before its picture, nor over what sounds still. */
	if (t->src == TS_NOTIME && dts < a->joint_out)
		return drop_early(c, u);
	if (t->end != TS_NOTIME && dts < t->end && (t->src == TS_NOTIME || c->first[ROLE_AUDIO])) {
		int64_t over = t->end - dts, cut;
		size_t n = es_audio_skip((enum es_codec)a->codec[ROLE_AUDIO], u->buf + u->body, u->len - u->body, over,
		    &cut);

		if (n == u->len - u->body || (n == 0 && t->src == TS_NOTIME && over > OVERLAP_90K))
			return t->src == TS_NOTIME ? drop_early(c, u) : drop_repeat(c, u);
		u->body += n;
		src += cut;
		dts += cut;
	}
	c->resend = false;
	return queue_unit(c, u, src, dts);
}

static int
map(struct conform *c, struct unit *u)
{
	return u->role == ROLE_VIDEO ? map_video(c, u) : map_audio(c, u);
}

/* The decision is made by first (not among the held): map it and all that waited. */
static int
release(struct conform *c, struct unit *first)
{
	struct queue held = c->held;
	struct unit *u;
	int err = 0;

	memset(&c->held, 0, sizeof(c->held));
	c->held_key = NULL;
	close_joint(c, first != NULL ? first : held.first);
	if (first != NULL)
		err = map(c, first);
	while (err >= 0 && (u = pop(&held)) != NULL)
		err = arrive(c, u);
	clear(c, &held);
	return err;
}

/* --- arrival: the start --- */

static void
span(struct conform *c, const struct unit *u)
{
	int64_t *s = c->span[u->role];

	if (s[0] == TS_NOTIME)
		s[0] = s[1] = u->raw_dts;
	else if (ts_diff(u->raw_dts, s[1]) > 0)
		s[1] = u->raw_dts;
}

static int64_t
span_len(const struct conform *c)
{
	int64_t longest = 0;

	for (int r = 0; r < ROLES; r++)
		if (c->span[r][0] != TS_NOTIME)
			longest = PB_MAX(longest, ts_diff(c->span[r][1], c->span[r][0]));
	return longest;
}

/* List the streams that showed data and let go, when that can be decided. */
static int
try_start(struct conform *c, bool now)
{
	struct arrival *a = &c->arr;
	bool all = true;
	struct unit *key, *u;
	struct queue rest = { 0 };

	for (int r = 0; r < ROLES; r++)
		if (a->pid[r] != NO_PID && !c->shown[r])
			all = false;
	if (!all && !now && span_len(c) < DECIDE_90K && c->held.bytes < CONFORM_START_MAX && c->held.n < UNITS_MAX)
		return 0;
	if (c->held.first == NULL || (c->shown[ROLE_VIDEO] && c->held_key == NULL))
		return 0;

	/* From here on the stream lives, and this is its PMT for ever. */
	for (int r = 0; r < ROLES; r++) {
		struct tsmux_stream *st = &c->mux.s.stream[r];

		if (!c->shown[r] || started(c))
			continue;
		st->listed = 1;
		st->codec = a->codec[r];
		st->type = a->type[r];
		st->desc_len = a->desc_len[r];
		memcpy(st->desc, a->desc[r], a->desc_len[r]);
	}
	key = c->held_key != NULL ? c->held_key : c->held.first;
	while ((u = pop(&c->held)) != NULL)
		if (u != key)
			push(&rest, u);
	c->held = rest;
	return release(c, key);
}

static int
at_start(struct conform *c, struct unit *u)
{
	span(c, u);
	c->shown[u->role] = true;
	if (u->role == ROLE_VIDEO) {
		if (c->held_key == NULL && !u->key) {
			unit_free(c, u);
			c->stats.early++;
			return try_start(c, false);
		}
		if (c->held_key == NULL)
			c->held_key = u;
	}
	push(&c->held, u);
	/* What waits for a key frame is worth little: only the newest is kept. */
	while (c->held_key == NULL && c->shown[ROLE_VIDEO] &&
	    (c->held.bytes > STRAYS_MAX || c->held.n > STRAY_UNITS)) {
		c->stats.early++;
		unit_free(c, pop(&c->held));
	}
	return try_start(c, false);
}

static int
at_joint(struct conform *c, struct unit *u)
{
	if (u->role == ROLE_VIDEO) {
		c->video_since = true;
		if (!u->key)
			return drop_early(c, u);
		return release(c, u);
	}
	if (audio_leads(c))
		return release(c, u);
	push(&c->held, u);
	if (!c->video_since && llabs(ts_diff(u->raw_dts, c->held.first->raw_dts)) >= STRAY_90K)
		return release(c, NULL);
	while (c->held.bytes > STRAYS_MAX || c->held.n > STRAY_UNITS) {
		c->stats.early++;
		unit_free(c, pop(&c->held));
	}
	return 0;
}

/* A unit with all that is known about it: where does it go? */
static int
arrive(struct conform *c, struct unit *u)
{
	int err;

	if ((c->arr.phase != PHASE_START || started(c)) && !c->mux.s.stream[u->role].listed) {
		c->stats.unlisted++;
		unit_free(c, u);
		return 0;
	}
	if (c->arr.phase == PHASE_START)
		return at_start(c, u);
	if (c->arr.phase == PHASE_JOINT)
		return at_joint(c, u);
	if (u->role == ROLE_VIDEO)
		c->video_since = true;
	err = map(c, u);
	if (err == PB_AGAIN) /* strays that video will not follow begin an epoch of their own */
		err = release(c, NULL);
	return err;
}

/* --- arrival: key frames --- */

/* Put the parameter sets that this source sent last into a key frame without. */
static int
insert_params(struct conform *c, struct unit *u, size_t at)
{
	size_t n = c->arr.params_len;
	int err = unit_room(u, n);

	if (err != 0)
		return err;
	memmove(u->buf + u->body + at + n, u->buf + u->body + at, u->len - u->body - at);
	memcpy(u->buf + u->body + at, c->arr.params, n);
	u->len += n;
	return 0;
}

static void
keep_params(struct conform *c, const struct unit *u, const struct es_look *look)
{
	struct arrival *a = &c->arr;
	size_t n = 0;

	for (int i = 0; i < look->nparams; i++)
		n += look->param[i].len;
	a->params_len = 0;
	if (n > PARAMS_MAX)
		return;
	for (int i = 0; i < look->nparams; i++) {
		memcpy(a->params + a->params_len, u->buf + u->body + look->param[i].at, look->param[i].len);
		a->params_len = (uint16_t)(a->params_len + look->param[i].len);
	}
}

/* Decide whether a decoder can begin with u. */
static int
judge_key(struct conform *c, struct unit *u)
{
	struct arrival *a = &c->arr;
	bool waiting = a->phase != PHASE_RUN || a->need_key;
	struct es_look look;

	es_look((enum es_codec)a->codec[ROLE_VIDEO], u->buf + u->body, u->len - u->body, &look);
	if (look.params)
		keep_params(c, u, &look);
	if (waiting && a->wait_from == TS_NOTIME)
		a->wait_from = u->raw_dts;
	if (waiting && !look.key && look.entry && ts_diff(u->raw_dts, a->wait_from) > KEY_WAIT_90K)
		a->lax = 1;
	u->key = look.key || (a->lax && look.entry);
	if (look.key)
		a->lax = 0;
	if (!u->key || look.params)
		return 0;
	if (a->params_len == 0) {
		u->key = false;
		return 0;
	}
	return insert_params(c, u, look.insert_at);
}

/* --- PES --- */

/* Read the header: where the unit begins, and its times. False when it is none. */
static bool
read_pes(const uint8_t *b, size_t len, size_t *body, int64_t *pts, int64_t *dts, bool *scrambled)
{
	size_t n;

	if (len < 9 || b[0] != 0 || b[1] != 0 || b[2] != 1 || (b[6] & 0xc0) != 0x80)
		return false;
	/* 2.4.3.7: these have no such header. */
	if (b[3] == 0xbc || b[3] == 0xbe || b[3] == 0xbf || b[3] == 0xf0 || b[3] == 0xf1 || b[3] == 0xf2 ||
	    b[3] == 0xf8 || b[3] == 0xff)
		return false;
	n = b[8];
	if (9 + n > len)
		return false;
	*scrambled = b[6] & 0x30;
	*pts = *dts = TS_NOTIME;
	if ((b[7] & 0x80) && n >= 5)
		*pts = *dts = ts_get_stamp(b + 9);
	if ((b[7] & 0xc0) == 0xc0 && n >= 10)
		*dts = ts_get_stamp(b + 14);
	*body = 9 + n;
	return true;
}

/* Times for a unit: what the source says, or what follows from the unit before. */
static bool
stamp(struct conform *c, struct unit *u, int64_t pts, int64_t dts)
{
	struct track *t = &c->arr.track[u->role];
	int64_t cts;

	if (dts == TS_NOTIME) {
		if (t->raw == TS_NOTIME)
			return false;
		dts = (t->raw + t->dur) & (TS_WRAP_90K - 1);
		pts = dts + t->cts;
		c->stats.time_repairs++;
	}
	cts = ts_diff(pts, dts);
	if (cts < 0 || cts > CTS_MAX_90K) {
		cts = t->cts;
		c->stats.time_repairs++;
	}
	t->cts = cts;
	t->raw = dts;
	u->raw_dts = dts;
	u->cts_90k = cts;
	return true;
}

/* A whole PES stands in the assembly: make it a unit and send it on. */
static int
complete(struct conform *c, enum role role)
{
	struct assembly *as = &c->as[role];
	struct unit *u = as->unit;
	int64_t pts, dts;
	bool scrambled;
	int err;

	as->unit = NULL;
	if (!read_pes(u->buf, u->len, &u->body, &pts, &dts, &scrambled)) {
		c->stats.bad_header++;
		goto drop;
	}
	if (scrambled) {
		c->stats.scrambled++;
		c->scrambled_here++;
		goto drop;
	}
	if (u->len == u->body || (role == ROLE_AUDIO && (as->damaged || u->len - u->body > TSMUX_AUDIO_MAX))) {
		c->stats.damaged++;
		goto drop;
	}
	if (!stamp(c, u, pts, dts)) {
		c->stats.late++;
		goto drop;
	}
	if (role == ROLE_VIDEO) {
		err = judge_key(c, u);
		if (err != 0) {
			unit_free(c, u);
			return err == PB_ELIMIT ? 0 : err;
		}
	}
	return arrive(c, u);
drop:
	unit_free(c, u);
	return 0;
}

/* The PES in hand ends here because the next one begins, or the segment is over. */
static int
finish_pes(struct conform *c, enum role role, bool over, bool truncated)
{
	struct assembly *as = &c->as[role];
	bool whole;

	if (as->unit == NULL)
		return 0;
	whole = as->want == 0 ? !over || !truncated : as->unit->len >= as->want;
	/* A picture with a hole is concealed by decoders; one that is missing is not. */
	if (!whole && !(role == ROLE_VIDEO && !over)) {
		c->stats.damaged++;
		unit_free(c, as->unit);
		as->unit = NULL;
		return 0;
	}
	return complete(c, role);
}

static int
append(struct conform *c, enum role role, const uint8_t *b, size_t n)
{
	struct assembly *as = &c->as[role];
	struct unit *u = as->unit;
	int err;

	if (as->want > 0)
		n = PB_MIN(n, as->want > u->len ? as->want - u->len : 0);
	err = unit_room(u, n);
	if (err == PB_ELIMIT) {
		c->stats.damaged++;
		unit_free(c, u);
		as->unit = NULL;
		return 0;
	}
	if (err != 0)
		return err;
	memcpy(u->buf + u->len, b, n);
	u->len += n;
	return 0;
}

/* A picture cut into several PES: the later ones have no time and begin in the middle. */
static bool
goes_on(const struct assembly *as, const uint8_t *b, size_t len, size_t *body)
{
	int64_t pts, dts;
	bool scrambled;

	if (as->unit == NULL || !read_pes(b, len, body, &pts, &dts, &scrambled) || pts != TS_NOTIME || scrambled)
		return false;
	b += *body;
	len -= *body;
	return len < 4 || b[0] != 0 || b[1] != 0 || (b[2] != 1 && (b[2] != 0 || b[3] != 1));
}

static int
start_pes(struct conform *c, enum role role, const uint8_t *b, size_t n)
{
	struct assembly *as = &c->as[role];
	size_t body, len;
	int err;

	len = n >= 6 ? (size_t)b[4] << 8 | b[5] : 0;
	if (role == ROLE_VIDEO && goes_on(as, b, n, &body)) {
		if (as->want > 0 && as->unit->len < as->want)
			as->damaged = true;
		as->want = len > 0 ? as->unit->len + (6 + len > body ? 6 + len - body : 0) : 0;
		return append(c, role, b + body, n - body);
	}
	err = finish_pes(c, role, false, false);
	if (err != 0)
		return err;
	as->damaged = false;
	if (n < 6 || b[0] != 0 || b[1] != 0 || b[2] != 1) {
		c->stats.bad_header++;
		return 0;
	}
	as->unit = unit_new(c, role);
	if (as->unit == NULL)
		return PB_ENOMEM;
	as->want = len > 0 ? 6 + len : 0;
	c->shown[role] = true;
	return append(c, role, b, n);
}

static bool
is_duplicate(const struct assembly *as, int cc, const uint8_t *b, size_t n)
{
	if (cc != as->cc || n != as->tail_len)
		return false;
	return memcmp(b, as->tail_inside ? as->unit->buf + as->unit->len - n : as->tail, n) == 0;
}

/* A packet of a stream that is carried. */
static int
elementary(struct conform *c, enum role role, const uint8_t *p, size_t at)
{
	struct assembly *as = &c->as[role];
	const uint8_t *b = p + at;
	size_t n = TS_PACKET - at, before = as->unit != NULL && !ts_pusi(p) ? as->unit->len : 0;
	int cc = ts_cc(p), err = 0;

	if (!ts_has_payload(p))
		return 0;
	if (is_duplicate(as, cc, b, n)) {
		c->stats.duplicates++;
		return 0;
	}
	if (as->cc != -1 && cc != ((as->cc + 1) & 15) && !(ts_af_flags(p) & TS_AF_DISCONTINUITY)) {
		c->stats.cc_losses++;
		as->damaged = true;
	}
	as->cc = cc;
	as->tail_len = 0; /* while the unit changes hands */
	as->tail_inside = false;
	if (ts_pusi(p))
		err = start_pes(c, role, b, n);
	else if (as->unit != NULL)
		err = append(c, role, b, n);
	/* Video waits for the next start: more of the same picture may follow. */
	if (err == 0 && role == ROLE_AUDIO && as->unit != NULL && as->want > 0 && as->unit->len >= as->want)
		err = complete(c, role);
	as->tail_len = (uint8_t)n;
	as->tail_inside = as->unit != NULL && as->unit->len == before + n;
	if (!as->tail_inside)
		memcpy(as->tail, b, n);
	return err;
}

/* --- PAT and PMT --- */

static void
on_pat(void *arg, const uint8_t *section, size_t len)
{
	struct conform *c = arg;
	struct psi_pat pat;
	bool same = true;

	if (psi_read_pat(section, len, &pat) != 0 || pat.n == 0)
		return;
	if (pat.n > PMTS)
		pat.n = PMTS;
	if (pat.n != c->npmts)
		same = false;
	for (int i = 0; same && i < pat.n; i++)
		same = pat.program[i].pid == c->pmt[i].pid && pat.program[i].number == c->pmt[i].program;
	if (same)
		return;
	c->npmts = pat.n;
	for (int i = 0; i < pat.n; i++) {
		c->pmt[i].pid = pat.program[i].pid;
		c->pmt[i].program = pat.program[i].number;
		c->pmt[i].cc = -1;
		psi_lost(&c->pmt[i].gather);
	}
}

/* Our choice for a role among what a PMT offers; NULL when there is none. */
static const struct psi_stream *
choose(const struct conform *c, const struct psi_pmt *pmt, enum role role, bool *otherwise)
{
	const struct tsmux_stream *st = &c->mux.s.stream[role];
	const struct psi_stream *best = NULL;

	*otherwise = false;
	for (int i = 0; i < pmt->n; i++) {
		const struct psi_stream *s = &pmt->stream[i];

		if (s->codec == ES_NONE || es_is_video(s->codec) != (role == ROLE_VIDEO))
			continue;
		if (started(c) && (!st->listed || st->codec != s->codec)) {
			*otherwise = st->listed;
			continue;
		}
		if (best == NULL)
			best = s;
		if (role == ROLE_AUDIO && c->options.audio_lang[0] != '\0' &&
		    strcmp(s->lang, c->options.audio_lang) == 0 && strcmp(best->lang, s->lang) != 0)
			best = s;
	}
	if (best != NULL)
		*otherwise = false;
	return best;
}

static void
take_stream(struct conform *c, enum role role, const struct psi_stream *s)
{
	struct arrival *a = &c->arr;

	if (s == NULL) {
		a->pid[role] = NO_PID;
		return;
	}
	a->pid[role] = s->pid;
	a->type[role] = s->type;
	a->codec[role] = (uint8_t)s->codec;
	a->desc_len[role] = (uint8_t)psi_copy_desc(a->desc[role], s->desc, s->desc_len);
}

static void
on_pmt(void *arg, const uint8_t *section, size_t len)
{
	struct conform *c = arg;
	const struct psi_stream *s[ROLES];
	struct psi_pmt pmt;
	bool otherwise[ROLES], sealed = false;
	uint16_t pid;
	int which = -1;

	if (psi_read_pmt(section, len, &pmt) != 0)
		return;
	for (int i = 0; i < c->npmts; i++)
		if (c->pmt[i].program == pmt.program)
			which = i;
	if (which == -1)
		return;
	if (c->has_pmt && pmt.program != c->arr.program) /* the first one that serves is ours */
		return;
	for (int i = 0; i < pmt.n; i++)
		sealed |= pmt.stream[i].sealed;
	for (int r = 0; r < ROLES; r++)
		s[r] = choose(c, &pmt, (enum role)r, &otherwise[r]);
	if (sealed) {
		refuse(c, PB_ENOSUP, "encrypted with SAMPLE-AES, which is not carried");
		return;
	}
	for (int r = 0; r < ROLES; r++)
		if (otherwise[r]) {
			refuse(c, PB_ENOSUP, "codec-change: the %s is no longer %s",
			    r == ROLE_VIDEO ? "video" : "audio", es_name((enum es_codec)c->mux.s.stream[r].codec));
			return;
		}
	if (s[ROLE_VIDEO] == NULL && s[ROLE_AUDIO] == NULL) {
		c->foreign = !c->has_pmt;
		if (c->foreign)
			snprintf(c->reason, sizeof(c->reason), "no video or audio that is carried among %d streams", pmt.n);
		return;
	}
	c->has_pmt = true;
	c->arr.program = pmt.program;
	c->arr.pmt_pid = c->pmt[which].pid;
	for (int r = 0; r < ROLES; r++) {
		pid = s[r] != NULL ? s[r]->pid : NO_PID;
		if (pid != c->arr.pid[r]) {
			int err = finish_pes(c, (enum role)r, false, false);

			if (err < 0)
				c->refused = err;
			c->as[r].cc = -1;
			c->as[r].tail_len = 0;
			c->as[r].tail_inside = false;
		}
		take_stream(c, (enum role)r, s[r]);
	}
}

static void
table(struct conform *c, struct psi_gather *g, int *cc, const uint8_t *p, size_t at,
    void (*whole)(void *arg, const uint8_t *section, size_t len))
{
	if (!ts_has_payload(p) || (ts_cc(p) == *cc && !ts_pusi(p)))
		return;
	if (*cc != -1 && ts_cc(p) != ((*cc + 1) & 15) && !ts_pusi(p))
		psi_lost(g);
	*cc = ts_cc(p);
	c->stats.psi_errors += (uint64_t)psi_gather(g, ts_pusi(p), p + at, TS_PACKET - at, whole, c);
}

/* --- packets --- */

static int
on_packet(void *arg, const uint8_t *p)
{
	struct conform *c = arg;
	uint16_t pid = ts_pid(p);
	int at, role = -1;

	c->stats.packets++;
	if (ts_tei(p)) {
		c->stats.tei++;
		return 0;
	}
	if (pid == c->arr.pid[ROLE_VIDEO])
		role = ROLE_VIDEO;
	else if (pid == c->arr.pid[ROLE_AUDIO])
		role = ROLE_AUDIO;
	at = ts_payload(p);
	if (at < 0) {
		c->stats.bad_header++;
		return 0;
	}
	if (role != -1) {
		if (ts_scrambled(p)) {
			c->stats.scrambled++;
			c->scrambled_here++;
			return 0;
		}
		return elementary(c, (enum role)role, p, (size_t)at);
	}
	if (pid == TS_PID_PAT) {
		table(c, &c->pat, &c->pat_cc, p, (size_t)at, on_pat);
		return c->refused;
	}
	for (int i = 0; i < c->npmts; i++)
		if (pid == c->pmt[i].pid) {
			table(c, &c->pmt[i].gather, &c->pmt[i].cc, p, (size_t)at, on_pmt);
			return c->refused;
		}
	if (ts_scrambled(p))
		c->scrambled_here++;
	c->stats.unlisted++;
	return 0;
}

/* Not TS: what is it then? */
static int
name_payload(struct conform *c)
{
	const uint8_t *b = c->framing.hunt;
	size_t len = c->framing.hunt_len;
	static const struct {
		size_t at;
		const char *magic;
		size_t len;
		int err;
		const char *what;
	} kinds[] = {
		{ 4, "ftyp", 4, PB_ENOSUP, "fragmented MP4" },
		{ 4, "styp", 4, PB_ENOSUP, "fragmented MP4" },
		{ 4, "moof", 4, PB_ENOSUP, "fragmented MP4" },
		{ 4, "sidx", 4, PB_ENOSUP, "fragmented MP4" },
		{ 0, "ID3", 3, PB_ENOSUP, "packed audio" },
		{ 0, "\xff\xf1", 2, PB_ENOSUP, "packed AAC" },
		{ 0, "\xff\xf9", 2, PB_ENOSUP, "packed AAC" },
		{ 0, "\x0b\x77", 2, PB_ENOSUP, "packed AC-3" },
		{ 0, "WEBVTT", 6, PB_ENOSUP, "WebVTT subtitles" },
		{ 0, "#EXT", 4, PB_EFORMAT, "a playlist" },
		{ 0, "\x89PNG", 4, PB_EFORMAT, "a PNG picture" },
		{ 0, "\xff\xd8\xff", 3, PB_EFORMAT, "a JPEG picture" },
		{ 0, "<", 1, PB_EFORMAT, "HTML or XML" },
		{ 0, "{", 1, PB_EFORMAT, "JSON" },
	};

	if (len == 0)
		return refuse(c, PB_EFORMAT, "the segment is empty");
	for (size_t i = 0; i < NITEMS(kinds); i++)
		if (len >= kinds[i].at + kinds[i].len && memcmp(b + kinds[i].at, kinds[i].magic, kinds[i].len) == 0)
			return refuse(c, kinds[i].err, "not TS: looks like %s", kinds[i].what);
	return refuse(c, PB_EFORMAT, "not TS: no packets found");
}

/* --- public --- */

int
conform_new(struct conform **out, const struct conform_options *options)
{
	struct conform *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return PB_ENOMEM;
	if (options != NULL)
		c->options = *options;
	c->options.audio_lang[3] = '\0';
	if (c->options.first_dts_90k <= 0 || c->options.first_dts_90k > (int64_t)1 << 40)
		c->options.first_dts_90k = CONFORM_FIRST_DTS_90K;
	tsmux_init(&c->mux);
	for (int r = 0; r < ROLES; r++) {
		struct track *t = &c->arr.track[r];

		t->src = t->raw = t->out = t->end = TS_NOTIME;
		t->dur = r == ROLE_VIDEO ? 3600 : 1920;
		c->arr.pid[r] = NO_PID;
		c->span[r][0] = c->span[r][1] = TS_NOTIME;
		c->as[r].cc = -1;
	}
	c->arr.wait_from = c->arr.joint_pts = TS_NOTIME;
	c->arr.need_key = 1;
	c->base = c->arr;
	c->stats.video = c->stats.audio = es_name(ES_NONE);
	snprintf(c->reason, sizeof(c->reason), "nothing was received");
	*out = c;
	return 0;
}

void
conform_free(struct conform **cp)
{
	struct conform *c = *cp;
	struct unit *u;

	if (c == NULL)
		return;
	for (int r = 0; r < ROLES; r++) {
		clear(c, &c->leave[r]);
		unit_free(c, c->as[r].unit);
	}
	clear(c, &c->held);
	while ((u = c->pool) != NULL) {
		c->pool = u->next;
		free(u->buf);
		free(u);
	}
	framing_clear(&c->framing);
	tsmux_clear(&c->mux);
	free(c);
	*cp = NULL;
}

/* Output that was given is the caller's no more. */
static void
take_back(struct conform *c)
{
	if (!c->given)
		return;
	tsmux_reset(&c->mux);
	c->given = false;
}

/* Arrival is where a segment began; the source will go on near what left last. */
static void
catch_up(struct conform *c)
{
	struct arrival *a = &c->arr;

	if (!c->has_left)
		return;
	a->offset = c->left_offset;
	for (int r = 0; r < ROLES; r++) {
		struct track *t = &a->track[r];
		int64_t left = c->mux.s.last_dts[r];

		if (left == TS_NOTIME)
			continue;
		t->out = left;
		t->src = left - a->offset;
		t->end = left + t->cts + t->dur;
		a->ref = t->src;
	}
	a->joint_pts = NEVER;
	a->phase = PHASE_RUN;
	a->need_key = 0;
}

void
conform_begin(struct conform *c, const struct conform_input *in)
{
	struct arrival *a = &c->arr;
	bool loaded = c->in_segment && c->framing.packets == 0 && c->resend;

	take_back(c);
	if (c->in_segment && !loaded)
		(void)conform_end(c, true);
	if (loaded && (in->continues || in->msn != c->in.msn))
		catch_up(c);
	else if (!in->continues && !(c->resend && in->msn == c->in.msn && !c->in_segment))
		c->resend = false;
	if (in->continues)
		c->resend = true;
	c->base = *a;
	c->in = *in;
	c->in_segment = true;
	c->refused = 0;
	c->carried = 0;
	c->scrambled_here = 0;
	c->has_pmt = c->foreign = false;
	c->video_since = false;
	c->npmts = 0;
	c->pat_cc = -1;
	psi_lost(&c->pat);
	c->junk_before += c->framing.junk;
	framing_clear(&c->framing);
	for (int r = 0; r < ROLES; r++) {
		c->first[r] = true;
		c->as[r].cc = -1;
		c->as[r].tail_len = 0;
		c->as[r].tail_inside = false;
		c->as[r].damaged = false;
		c->shown[r] = false;
		c->span[r][0] = c->span[r][1] = TS_NOTIME;
	}
	if (in->discontinuity || in->source != a->source) {
		open_joint(c);
		a->params_len = 0;
		a->lax = 0;
		for (int r = 0; r < ROLES; r++) {
			a->track[r].raw = TS_NOTIME;
			a->pid[r] = NO_PID; /* no table, no stream: nothing is known of this source */
		}
	}
	a->source = in->source;
	if (a->pid[ROLE_VIDEO] != NO_PID || a->pid[ROLE_AUDIO] != NO_PID) {
		c->npmts = 1;
		c->pmt[0].pid = a->pmt_pid;
		c->pmt[0].program = a->program;
		c->pmt[0].cc = -1;
		psi_lost(&c->pmt[0].gather);
	}
	snprintf(c->reason, sizeof(c->reason), "no PAT and PMT were found");
}

int
conform_feed(struct conform *c, const void *buf, size_t len)
{
	int err;

	take_back(c);
	if (!c->in_segment)
		return PB_EFORMAT;
	if (c->refused != 0)
		return c->refused;
	err = framing_feed(&c->framing, buf, len, on_packet, c);
	if (err == PB_EFORMAT && c->framing.packets == 0)
		return name_payload(c);
	if (err < 0)
		c->refused = err;
	if (err == 0 && !c->has_pmt && c->framing.packets > NO_PMT_PACKETS && c->carried == 0)
		return refuse(c, PB_EFORMAT, "no PAT and PMT were found");
	return err < 0 ? err : 0;
}

/* Nothing of the segment was carried: say why. */
static int
explain(struct conform *c)
{
	if (c->framing.packets == 0)
		return name_payload(c);
	if (c->scrambled_here > 0)
		return refuse(c, PB_ENOSUP, "scrambled");
	if (!c->has_pmt && c->arr.pid[ROLE_VIDEO] == NO_PID && c->arr.pid[ROLE_AUDIO] == NO_PID)
		return c->refused = c->foreign ? PB_ENOSUP : PB_EFORMAT;
	if (c->shown[ROLE_VIDEO] && c->arr.need_key)
		return refuse(c, PB_EFORMAT, "no key frame");
	return refuse(c, PB_EFORMAT, "no whole access unit");
}

int
conform_end(struct conform *c, bool truncated)
{
	int err = 0;

	take_back(c);
	if (!c->in_segment)
		return PB_EFORMAT;
	if (c->refused == 0)
		err = framing_end(&c->framing, on_packet, c);
	for (int r = 0; r < ROLES; r++) {
		if (err >= 0 && c->refused == 0)
			err = finish_pes(c, (enum role)r, true, truncated);
		unit_free(c, c->as[r].unit);
		c->as[r].unit = NULL;
		c->as[r].tail_len = 0;
		c->as[r].tail_inside = false;
	}
	if (err >= 0 && c->arr.phase == PHASE_START)
		err = try_start(c, true);
	if (err >= 0 && c->arr.phase == PHASE_JOINT && c->held.n > 0 && !c->video_since)
		err = release(c, NULL); /* video is missing here: audio goes on alone */
	drop_held(c);
	if (err >= 0)
		err = leave(c, true);
	if (err >= 0)
		err = c->refused;
	if (err == 0 && c->carried == 0)
		err = explain(c);
	c->base = c->arr;
	c->in_segment = false;
	c->resend = false;
	free(c->framing.hunt);
	c->framing.hunt = NULL;
	c->framing.hunt_len = c->framing.hunt_cap = c->framing.hunt_at = 0;
	return err;
}

bool
conform_take(struct conform *c, struct conform_output *out)
{
	if (c->given || c->mux.len == 0)
		return false;
	c->given = true;
	out->data = c->mux.out;
	out->len = c->mux.len;
	out->marks = c->mux.mark;
	out->nmarks = c->mux.nmarks;
	return true;
}

void
conform_save(const struct conform *c, struct conform_snapshot *to)
{
	struct inside in;

	memset(to, 0, sizeof(*to));
	memset(&in, 0, sizeof(in));
	in.arrival = c->base;
	in.mux = c->mux.s;
	if (!started(c)) /* listed, perhaps, but nobody saw it yet */
		memset(in.mux.stream, 0, sizeof(in.mux.stream));
	in.offset = c->left_offset;
	in.has_offset = c->has_left;
	to->magic = SNAPSHOT_MAGIC;
	to->msn = c->in.msn;
	to->in_segment = c->in_segment;
	to->started = started(c);
	memcpy(to->inside, &in, sizeof(in));
}

/* Small enough that no sum of a few of them overflows; ten thousand years are. */
static bool
number_ok(int64_t t)
{
	return t > -((int64_t)1 << 50) && t < (int64_t)1 << 50;
}

static bool
time_ok(int64_t t)
{
	return t == TS_NOTIME || t == NEVER || number_ok(t);
}

static bool
arrival_ok(const struct arrival *a)
{
	for (int r = 0; r < ROLES; r++) {
		const struct track *t = &a->track[r];

		if (!time_ok(t->src) || !time_ok(t->out) || !time_ok(t->end) || t->src == NEVER || t->out == NEVER ||
		    t->end == NEVER || (t->out == TS_NOTIME) != (t->end == TS_NOTIME))
			return false;
		if (t->raw != TS_NOTIME && (t->raw < 0 || t->raw >= TS_WRAP_90K))
			return false;
		if (t->dur < 1 || t->dur > DUR_MAX_90K || t->cts < 0 || t->cts > CTS_MAX_90K || t->nprints >= 2 * PRINTS)
			return false;
		if (a->codec[r] >= ES_CODECS || a->desc_len[r] > PSI_DESC_MAX)
			return false;
	}
	if (!number_ok(a->offset) || !number_ok(a->ref) || !number_ok(a->old_offset) || !number_ok(a->old_ref) ||
	    !number_ok(a->joint_out) || !time_ok(a->joint_pts))
		return false;
	if (a->wait_from != TS_NOTIME && (a->wait_from < 0 || a->wait_from >= TS_WRAP_90K))
		return false;
	return a->phase < PHASES && a->have_old <= 1 && a->need_key <= 1 && a->lax <= 1 && a->params_len <= PARAMS_MAX;
}

int
conform_load(struct conform *c, const struct conform_snapshot *from)
{
	struct inside in;

	if (from->magic != SNAPSHOT_MAGIC || from->in_segment > 1 || from->started > 1)
		return PB_EFORMAT;
	memcpy(&in, from->inside, sizeof(in));
	if (!arrival_ok(&in.arrival) || !tsmux_state_ok(&in.mux) || in.has_offset > 1 || !number_ok(in.offset))
		return PB_EFORMAT;
	if ((in.mux.last_pcr_27m != TS_NOTIME) != from->started)
		return PB_EFORMAT;
	c->arr = c->base = in.arrival;
	c->mux.s = in.mux;
	c->left_offset = in.offset;
	c->has_left = in.has_offset;
	c->in.msn = from->msn;
	c->in_segment = from->in_segment;
	c->resend = true;
	return 0;
}

const struct conform_stats *
conform_stats(struct conform *c)
{
	c->stats.resync_bytes = c->junk_before + c->framing.junk;
	c->stats.pcr_repairs = c->mux.pcr_repairs;
	for (int r = 0; r < ROLES; r++) {
		const struct tsmux_stream *st = &c->mux.s.stream[r];
		const char *name = es_name(st->listed ? (enum es_codec)st->codec : ES_NONE);

		if (r == ROLE_VIDEO)
			c->stats.video = name;
		else
			c->stats.audio = name;
	}
	return &c->stats;
}

const char *
conform_reason(const struct conform *c)
{
	return c->reason;
}
