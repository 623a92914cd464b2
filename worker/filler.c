/*
 * filler.c - how a still is kept alive
 */
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/filler.h"
#include "worker/silence.h"

#define PICTURE_90K 45000
#define BIG_PICTURE (384u << 10)
#define BIG_PICTURE_90K 90000
#define LEAD_90K 63000 /* as in tsmux.c: the clock stands so long before the next DTS */
#define LEAD_MIN_90K 18000 /* twice what is too late there */
#define CTS_MAX_90K 90000
#define MPEG_TICKS 90000

void
filler_clear(struct filler *f)
{
	free(f->picture);
	free(f->sound);
	slate_free(&f->slate);
	memset(f, 0, sizeof(*f));
}

/* The first PES on pid, joined; NULL when there is no whole one. */
static uint8_t *
first_pes(uint16_t pid, const uint8_t *ts, size_t len, size_t max, size_t *out_len)
{
	uint8_t *pes = NULL;
	size_t n = 0, room = 0;

	for (size_t at = 0; at + TS_PACKET <= len; at += TS_PACKET) {
		const uint8_t *p = ts + at;
		int from = ts_payload(p);

		if (from < 0 || from == TS_PACKET || ts_pid(p) != pid)
			continue;
		if (ts_pusi(p) && n > 0)
			break;
		if (!ts_pusi(p) && n == 0)
			continue;
		if (n + (size_t)(TS_PACKET - from) > room) {
			uint8_t *more;

			room = PB_MAX(room * 2, (size_t)(16 << 10));
			if (room > 2 * max || (more = realloc(pes, room)) == NULL) {
				free(pes);
				return NULL;
			}
			pes = more;
		}
		memcpy(pes + n, p + from, (size_t)(TS_PACKET - from));
		n += (size_t)(TS_PACKET - from);
	}
	*out_len = n;
	if (n <= max)
		return pes;
	free(pes);
	return NULL;
}

/* Where the access unit begins in a PES; 0 when it is none. */
static size_t
pes_body(const uint8_t *pes, size_t len)
{
	if (len < 9 || pes[0] != 0 || pes[1] != 0 || pes[2] != 1 || (size_t)9 + pes[8] >= len)
		return 0;
	return (size_t)9 + pes[8];
}

static void
learn_picture(struct filler *f, enum es_codec codec, const uint8_t *ts, size_t len)
{
	struct es_look look;
	size_t n, body;
	uint8_t *pes = first_pes(tsmux_pid(ROLE_VIDEO), ts, len, FILLER_PICTURE_MAX, &n);

	if (pes == NULL)
		return;
	body = pes_body(pes, n);
	if (body > 0)
		es_look(codec, pes + body, n - body, &look);
	if (body == 0 || !(look.key || look.entry)) {
		free(pes);
		return;
	}
	f->cts_90k = 0;
	if ((pes[7] & 0xc0) == 0xc0 && pes[8] >= 10)
		f->cts_90k = ts_diff(ts_get_stamp(pes + 9), ts_get_stamp(pes + 14));
	if (f->cts_90k < 0 || f->cts_90k > CTS_MAX_90K)
		f->cts_90k = 0;
	memmove(pes, pes + body, n - body);
	f->picture = pes;
	f->picture_len = n - body;
	es_break_link(codec, f->picture, f->picture_len); /* each time it stands for itself */
}

static void
learn_sound(struct filler *f, enum es_codec codec, const uint8_t *ts, size_t len)
{
	uint8_t silent[SILENCE_FRAME_MAX];
	size_t n, body, frame = 0;
	uint8_t *pes = first_pes(tsmux_pid(ROLE_AUDIO), ts, len, TSMUX_AUDIO_MAX, &n);

	if (pes == NULL)
		return;
	body = pes_body(pes, n);
	if (body > 0 && (frame = silence_make(codec, pes + body, n - body, silent, &f->samples, &f->rate)) > 0) {
		uint8_t *own = realloc(pes, PB_MAX(n, frame));

		if (own == NULL) {
			free(pes);
			return;
		}
		pes = own;
		memcpy(pes, silent, frame);
	} else if (body > 0) {
		if (codec == ES_AAC)
			frame = es_adts_frame(pes + body, n - body, &f->samples, &f->rate);
		else if (codec == ES_AC3 || codec == ES_EAC3)
			frame = es_ac3_frame(pes + body, n - body, &f->samples, &f->rate);
		if (frame > n - body || f->samples == 0)
			frame = 0;
		memmove(pes, pes + body, frame);
	}
	if (frame == 0) {
		free(pes);
		return;
	}
	f->sound = pes;
	f->sound_len = frame;
}

bool
filler_learn(struct filler *f, const struct tsmux *mux, const uint8_t *ts, size_t len)
{
	const struct tsmux_stream *st = mux->s.stream;

	if (st[ROLE_VIDEO].listed && f->picture == NULL)
		learn_picture(f, (enum es_codec)st[ROLE_VIDEO].codec, ts, len);
	if (st[ROLE_AUDIO].listed && f->sound == NULL)
		learn_sound(f, (enum es_codec)st[ROLE_AUDIO].codec, ts, len);
	return (!st[ROLE_VIDEO].listed || f->picture != NULL) && (!st[ROLE_AUDIO].listed || f->sound != NULL);
}

bool
filler_ready(const struct filler *f, const struct tsmux *mux)
{
	return mux->s.stream[ROLE_VIDEO].listed ? f->picture != NULL : f->sound != NULL;
}

int
filler_slate(struct filler *f, enum es_codec codec, int fd)
{
	struct slate *slate;
	int err = slate_read(&slate, fd, codec, f->picture, f->picture_len);

	if (err != 0)
		return err;
	slate_free(&f->slate);
	f->slate = slate;
	f->slate_at = 0;
	f->shown_90k = 0;
	return 0;
}

/* Where the first unit of role stands: behind all that went before, and not too late for the clock. */
static int64_t
first_90k(const struct filler *f, const struct tsmux *mux, enum role role, int64_t end_90k)
{
	const struct tsmux_state *s = &mux->s;
	int64_t at = s->last_pcr_27m / 300 + LEAD_MIN_90K;

	if (end_90k != TS_NOTIME)
		at = PB_MAX(at, end_90k - (role == ROLE_VIDEO ? f->cts_90k : 0));
	if (s->last_dts[role] != TS_NOTIME) /* silence goes on behind silence, whatever is known of its end */
		at = PB_MAX(at,
		    s->last_dts[role] +
			(role == ROLE_AUDIO && f->rate > 0 ? (int64_t)f->samples * MPEG_TICKS / f->rate : 1));
	return at;
}

void
filler_begin(struct filler *f, const struct tsmux *mux, const int64_t ends_90k[ROLES])
{
	f->rest = 0;
	for (int r = 0; r < ROLES; r++)
		f->next_90k[r] = first_90k(f, mux, (enum role)r, ends_90k[r]);
}

static void
step(struct filler *f, enum role role)
{
	if (role == ROLE_VIDEO && f->slate != NULL) {
		f->next_90k[role] += f->slate->picture[f->slate_at].dur_90k;
		f->slate_at = (f->slate_at + 1) % f->slate->n;
		return;
	}
	if (role == ROLE_VIDEO) {
		f->next_90k[role] += f->picture_len > BIG_PICTURE ? BIG_PICTURE_90K : PICTURE_90K;
		return;
	}
	f->rest += (int64_t)f->samples * MPEG_TICKS;
	f->next_90k[role] += f->rest / f->rate;
	f->rest %= f->rate;
}

/* The next unit of role. 0, or as tsmux_put(). */
static int
put(struct filler *f, struct tsmux *mux, enum role role)
{
	bool picture = role == ROLE_VIDEO;
	struct tsmux_unit u = {
		.role = role, .data = picture ? f->picture : f->sound, .len = picture ? f->picture_len : f->sound_len
	};
	int err;

	u.dts_90k = u.pts_90k = u.floor_90k = f->next_90k[role];
	if (picture)
		u.pts_90k += f->cts_90k;
	if (picture && f->slate != NULL) {
		const struct slate_picture *p = &f->slate->picture[f->slate_at];

		u.data = f->slate->data + p->at;
		u.len = p->len;
		u.pts_90k = u.dts_90k + p->cts_90k;
		f->shown_90k = PB_MAX(f->shown_90k, u.pts_90k + p->dur_90k);
		picture = p->key;
	}
	/* Without pictures there is a place to join every half second. */
	u.key = picture || (!mux->s.stream[ROLE_VIDEO].listed && u.dts_90k - mux->s.last_key_90k >= PICTURE_90K);
	err = tsmux_put(mux, &u);
	if (err == 0)
		f->last_90k[role] = u.dts_90k;
	step(f, role);
	return err;
}

int
filler_make(struct filler *f, struct tsmux *mux, int64_t until_27m)
{
	int64_t until_90k = until_27m / 300 + LEAD_90K;

	for (;;) {
		enum role role = ROLE_VIDEO;
		int err;

		if (f->picture == NULL || (f->sound != NULL && f->next_90k[ROLE_AUDIO] < f->next_90k[ROLE_VIDEO]))
			role = ROLE_AUDIO;
		if (role == ROLE_AUDIO && f->sound == NULL) /* nothing is known: there is nothing to make */
			return PB_NO;
		if (f->next_90k[role] >= until_90k)
			return 0;
		err = put(f, mux, role);
		if (err < 0 && err != PB_NO) /* too late for the clock: the next is not */
			return err;
	}
}

int
filler_alone(struct filler *f, struct tsmux *mux, enum role role, int64_t end_90k, int64_t until_90k)
{
	if ((role == ROLE_VIDEO ? f->picture : f->sound) == NULL)
		return PB_NO;
	if (f->last_90k[role] != mux->s.last_dts[role]) {
		f->next_90k[role] = first_90k(f, mux, role, end_90k);
		if (role == ROLE_AUDIO)
			f->rest = 0;
	}
	while (f->next_90k[role] < until_90k) {
		int err = put(f, mux, role);

		if (err < 0 && err != PB_NO)
			return err;
	}
	return 0;
}
