/*
 * tsmux.c - how packets are written
 *
 * PCR is a function of the decoding times alone: the earliest DTS still to
 * come, less a lead. Nothing of the source's PCR is used, so no source can
 * make it jump, starve or run ahead. Between two units the clock is walked
 * in steps short enough for every decoder, with packets that hold a PCR and
 * nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/tsmux.h"

#define LEAD_90K 63000 /* PCR stands 0.7 s before the next DTS... */
#define LEAD_MIN_90K 9000 /* ...and 0.1 s at least, or the unit is too late */
#define PCR_MAX_27M 1080000 /* 40 ms between two PCR */
#define PSI_MAX_27M 810000 /* 30 ms: in front of a PCR at most 70 ms later, seen up to 30 ms before or after it */
#define WALK_MAX_27M 540000000 /* 20 s: no hole that conform leaves is longer */
#define OUT_MAX (32u << 20)
#define OUT_KEEP (256u << 10)
#define OUT_STEP (64u << 10)
#define MARKS_KEEP 256

uint16_t
tsmux_pid(enum role role)
{
	return role == ROLE_VIDEO ? 0x100 : 0x101;
}

static enum role
pcr_role(const struct tsmux_state *s)
{
	return s->stream[ROLE_VIDEO].listed ? ROLE_VIDEO : ROLE_AUDIO;
}

void
tsmux_init(struct tsmux *mux)
{
	memset(mux, 0, sizeof(*mux));
	for (int r = 0; r < ROLES; r++) {
		mux->s.last_dts[r] = TS_NOTIME;
		mux->s.cc[r] = 15; /* the first packet is 0 */
	}
	mux->s.cc_pat = mux->s.cc_pmt = 15;
	mux->s.last_pcr_27m = mux->s.last_psi_27m = mux->s.last_key_90k = TS_NOTIME;
}

void
tsmux_clear(struct tsmux *mux)
{
	free(mux->out);
	free(mux->mark);
	memset(mux, 0, sizeof(*mux));
}

void
tsmux_reset(struct tsmux *mux)
{
	mux->len = 0;
	mux->nmarks = 0;
	if (mux->cap > 3 * OUT_KEEP) {
		uint8_t *less = realloc(mux->out, OUT_KEEP);

		if (less != NULL) {
			mux->out = less;
			mux->cap = OUT_KEEP;
		}
	}
	if (mux->mark_cap > 2 * MARKS_KEEP) {
		struct conform_mark *less = realloc(mux->mark, MARKS_KEEP * sizeof(*less));

		if (less != NULL) {
			mux->mark = less;
			mux->mark_cap = MARKS_KEEP;
		}
	}
}

/* Room for bytes and marks, so that nothing can fail half way through a unit. */
static int
reserve(struct tsmux *mux, size_t bytes, size_t marks)
{
	if (bytes > mux->cap - mux->len) {
		size_t cap = mux->len + bytes;
		uint8_t *more;

		if (cap > OUT_MAX)
			return PB_ELIMIT;
		cap = PB_MIN(cap + cap / 4 + OUT_STEP, (size_t)OUT_MAX);
		more = realloc(mux->out, cap);
		if (more == NULL)
			return PB_ENOMEM;
		mux->out = more;
		mux->cap = cap;
	}
	if (marks > mux->mark_cap - mux->nmarks) {
		size_t cap = mux->nmarks + marks + MARKS_KEEP;
		struct conform_mark *more = realloc(mux->mark, cap * sizeof(*more));

		if (more == NULL)
			return PB_ENOMEM;
		mux->mark = more;
		mux->mark_cap = cap;
	}
	return 0;
}

static void
mark(struct tsmux *mux, int64_t pcr_27m, int64_t dts_90k, bool key)
{
	mux->mark[mux->nmarks++] =
	    (struct conform_mark){ .at = mux->len, .pcr_27m = pcr_27m, .dts_90k = dts_90k, .key = key };
}

static void
put_psi(struct tsmux *mux, int64_t pcr_27m)
{
	struct psi_entry entry[ROLES];
	int n = 0;

	for (int r = 0; r < ROLES; r++) {
		const struct tsmux_stream *st = &mux->s.stream[r];

		if (st->listed)
			entry[n++] = (struct psi_entry){ tsmux_pid((enum role)r), st->type, st->desc_len, st->desc };
	}
	mux->s.cc_pat = (mux->s.cc_pat + 1) & 15;
	mux->s.cc_pmt = (mux->s.cc_pmt + 1) & 15;
	psi_put_pat(mux->out + mux->len, mux->s.cc_pat, TSMUX_PROGRAM, TSMUX_PID_PMT);
	mux->len += TS_PACKET;
	psi_put_pmt(
	    mux->out + mux->len, mux->s.cc_pmt, TSMUX_PROGRAM, TSMUX_PID_PMT, tsmux_pid(pcr_role(&mux->s)), entry, n);
	mux->len += TS_PACKET;
	mux->s.last_psi_27m = pcr_27m;
}

/* A packet that holds a PCR and nothing else: its counter stands still (2.4.3.3). */
static void
put_pcr(struct tsmux *mux, int64_t pcr_27m, int64_t dts_90k)
{
	enum role role = pcr_role(&mux->s);
	uint16_t pid = tsmux_pid(role);
	uint8_t *p = mux->out + mux->len;

	mark(mux, pcr_27m, dts_90k, false);
	p[0] = TS_SYNC;
	p[1] = (uint8_t)(pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = 0x20 | mux->s.cc[role];
	p[4] = 183;
	p[5] = TS_AF_PCR;
	ts_put_pcr(p + 6, pcr_27m);
	memset(p + 12, 0xff, TS_PACKET - 12);
	mux->len += TS_PACKET;
	mux->s.last_pcr_27m = pcr_27m;
	mux->pcr_repairs++;
}

/* Walk the clock towards pcr_27m until one more step is short enough. */
static void
walk(struct tsmux *mux, int64_t pcr_27m, int64_t dts_90k)
{
	int64_t from = mux->s.last_pcr_27m;
	int64_t steps = (pcr_27m - from + PCR_MAX_27M - 1) / PCR_MAX_27M;

	for (int64_t i = 1; i < steps; i++) {
		int64_t at = from + (pcr_27m - from) * i / steps;

		if (at - mux->s.last_psi_27m >= PSI_MAX_27M)
			put_psi(mux, at);
		put_pcr(mux, at, dts_90k);
	}
}

static size_t
pes_header(uint8_t *h, const struct tsmux_unit *u, uint8_t codec)
{
	bool both = u->pts_90k != u->dts_90k;
	size_t stamps = both ? 10 : 5;
	size_t len = 3 + stamps + u->len;

	h[0] = 0;
	h[1] = 0;
	h[2] = 1;
	h[3] = 0xe0;
	if (u->role == ROLE_AUDIO)
		h[3] = codec == ES_MPEG_AUDIO || codec == ES_AAC || codec == ES_LATM ? 0xc0 : 0xbd;
	h[4] = h[5] = 0; /* unbounded: video only (2.4.3.7) */
	if (u->role == ROLE_AUDIO) {
		h[4] = (uint8_t)(len >> 8);
		h[5] = (uint8_t)len;
	}
	h[6] = 0x80;
	h[7] = both ? 0xc0 : 0x80;
	h[8] = (uint8_t)stamps;
	ts_put_stamp(h + 9, both ? 3 : 2, u->pts_90k);
	if (both)
		ts_put_stamp(h + 14, 1, u->dts_90k);
	return 9 + stamps;
}

/* One packet with room 188 - 4 - af: the adaptation field grows when data does not fill it. */
static void
put_unit(struct tsmux *mux, const struct tsmux_unit *u, bool random_access, int64_t pcr_27m)
{
	uint16_t pid = tsmux_pid(u->role);
	uint8_t cc = mux->s.cc[u->role];
	uint8_t *p = mux->out + mux->len;
	const uint8_t *data = u->data;
	size_t left = u->len, head, af = 0, room, n;
	uint8_t header[19], flags = 0;

	head = pes_header(header, u, mux->s.stream[u->role].codec);
	if (random_access)
		flags |= TS_AF_RANDOM_ACCESS;
	if (pcr_27m != TS_NOTIME)
		flags |= TS_AF_PCR;
	if (flags != 0)
		af = pcr_27m != TS_NOTIME ? 8 : 2;

	/* The first packet: header, and adaptation field when it says something or must fill. */
	room = TS_PACKET - 4 - head;
	n = PB_MIN(left, room - af);
	if (n < room - af)
		af = room - n;
	cc = (cc + 1) & 15;
	p[0] = TS_SYNC;
	p[1] = (uint8_t)(0x40 | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = (uint8_t)((af > 0 ? 0x30 : 0x10) | cc);
	if (af > 0) {
		memset(p + 4, 0xff, af);
		p[4] = (uint8_t)(af - 1);
		if (af > 1)
			p[5] = flags;
		if (pcr_27m != TS_NOTIME)
			ts_put_pcr(p + 6, pcr_27m);
	}
	memcpy(p + 4 + af, header, head);
	memcpy(p + 4 + af + head, data, n);
	p += TS_PACKET;
	data += n;
	left -= n;

	while (left >= TS_PACKET - 4) {
		cc = (cc + 1) & 15;
		p[0] = TS_SYNC;
		p[1] = (uint8_t)(pid >> 8);
		p[2] = (uint8_t)pid;
		p[3] = 0x10 | cc;
		memcpy(p + 4, data, TS_PACKET - 4);
		p += TS_PACKET;
		data += TS_PACKET - 4;
		left -= TS_PACKET - 4;
	}
	if (left > 0) {
		af = TS_PACKET - 4 - left;
		cc = (cc + 1) & 15;
		p[0] = TS_SYNC;
		p[1] = (uint8_t)(pid >> 8);
		p[2] = (uint8_t)pid;
		p[3] = 0x30 | cc;
		memset(p + 4, 0xff, af);
		p[4] = (uint8_t)(af - 1);
		if (af > 1)
			p[5] = 0;
		memcpy(p + 4 + af, data, left);
		p += TS_PACKET;
	}
	mux->s.cc[u->role] = cc;
	mux->len = (size_t)(p - mux->out);
}

int
tsmux_put(struct tsmux *mux, const struct tsmux_unit *u)
{
	struct tsmux_state *s = &mux->s;
	int64_t pcr = (u->floor_90k - LEAD_90K) * 300;
	bool own = u->role == pcr_role(s);
	size_t steps = 0, packets;
	int err;

	if (s->last_dts[u->role] != TS_NOTIME && u->dts_90k <= s->last_dts[u->role])
		return PB_NO;
	if (u->role == ROLE_AUDIO && u->len > TSMUX_AUDIO_MAX)
		return PB_ELIMIT;
	if (s->last_pcr_27m != TS_NOTIME) {
		if (u->dts_90k * 300 < s->last_pcr_27m + LEAD_MIN_90K * 300)
			return PB_NO;
		if (pcr > s->last_pcr_27m + WALK_MAX_27M)
			return PB_ELIMIT;
		if (pcr > s->last_pcr_27m)
			steps = (size_t)((pcr - s->last_pcr_27m) / PCR_MAX_27M) + 1;
	}
	packets = 3 * steps + 2 + (u->len + 19 + 8) / (TS_PACKET - 4) + 2;
	err = reserve(mux, packets * TS_PACKET, steps + 2);
	if (err != 0)
		return err;

	if (s->last_pcr_27m == TS_NOTIME)
		s->last_psi_27m = pcr - PSI_MAX_27M;
	else
		walk(mux, pcr, u->dts_90k);
	if (s->last_pcr_27m != TS_NOTIME && pcr <= s->last_pcr_27m)
		pcr = TS_NOTIME; /* the clock stands until decoding has caught up */
	if (u->key || (pcr != TS_NOTIME && pcr - s->last_psi_27m >= PSI_MAX_27M)) {
		int64_t now = pcr != TS_NOTIME ? pcr : s->last_pcr_27m;

		if (u->key)
			mark(mux, now, u->dts_90k, true);
		put_psi(mux, now);
	}
	if (!own)
		pcr = TS_NOTIME;
	if (pcr != TS_NOTIME) {
		mark(mux, pcr, u->dts_90k, false);
		s->last_pcr_27m = pcr;
	}
	put_unit(mux, u, u->key, pcr);
	s->last_dts[u->role] = u->dts_90k;
	if (u->key)
		s->last_key_90k = u->dts_90k;
	return 0;
}

static bool
time_ok(int64_t t, int64_t scale)
{
	return t == TS_NOTIME || (t > -(TS_WRAP_90K * scale) && t < ((int64_t)1 << 50) * scale);
}

bool
tsmux_state_ok(const struct tsmux_state *s)
{
	bool any = false;

	for (int r = 0; r < ROLES; r++) {
		const struct tsmux_stream *st = &s->stream[r];

		if (st->listed > 1 || st->desc_len > PSI_DESC_MAX || s->cc[r] > 15 || !time_ok(s->last_dts[r], 1))
			return false;
		if (!st->listed)
			continue;
		any = true;
		if (st->codec == ES_NONE || st->codec >= ES_CODECS ||
		    es_is_video((enum es_codec)st->codec) != (r == ROLE_VIDEO))
			return false;
	}
	if (!time_ok(s->last_pcr_27m, 300) || !time_ok(s->last_psi_27m, 300) || !time_ok(s->last_key_90k, 1))
		return false;
	if (any && (s->last_pcr_27m == TS_NOTIME || s->last_psi_27m == TS_NOTIME))
		return false;
	return s->cc_pat <= 15 && s->cc_pmt <= 15;
}
