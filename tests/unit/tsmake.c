/*
 * tsmake.c - see tsmake.h. It shares only base/ts.h with what it tests.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "tests/unit/tsmake.h"

void
tsmake_init(struct tsmake *m)
{
	memset(m, 0, sizeof(*m));
	m->pmt_pid = 0x20;
	m->video_pid = 0x21;
	m->audio_pid = 0x22;
	m->video_type = 0x1b;
	m->audio_type = 0x0f;
}

void
tsmake_clear(struct tsmake *m)
{
	free(m->buf);
	m->buf = NULL;
	m->len = m->cap = 0;
}

void
tsmake_packet(struct tsmake *m, const uint8_t *p)
{
	if (m->cap - m->len < TS_PACKET) {
		m->cap = m->cap * 2 + 64 * TS_PACKET;
		m->buf = realloc(m->buf, m->cap);
		pb_assert(m->buf != NULL);
	}
	memcpy(m->buf + m->len, p, TS_PACKET);
	m->len += TS_PACKET;
}

static void
section(struct tsmake *m, uint16_t pid, const uint8_t *s, size_t len)
{
	uint8_t p[TS_PACKET];
	uint32_t crc;

	memset(p, 0xff, sizeof(p));
	p[0] = TS_SYNC;
	p[1] = (uint8_t)(0x40 | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = 0x10 | (m->cc[pid]++ & 15);
	p[4] = 0;
	memcpy(p + 5, s, len);
	p[6] = (uint8_t)(0xb0 | (len + 1) >> 8);
	p[7] = (uint8_t)(len + 1);
	crc = ts_crc32(p + 5, len);
	p[5 + len] = (uint8_t)(crc >> 24);
	p[6 + len] = (uint8_t)(crc >> 16);
	p[7 + len] = (uint8_t)(crc >> 8);
	p[8 + len] = (uint8_t)crc;
	tsmake_packet(m, p);
}

void
tsmake_psi(struct tsmake *m)
{
	uint8_t pat[] = { 0, 0, 0, 0, 1, 0xc1, 0, 0, 0, 7, (uint8_t)(0xe0 | m->pmt_pid >> 8), (uint8_t)m->pmt_pid };
	uint8_t pmt[64] = { 2, 0, 0, 0, 7, 0xc1, 0, 0 };
	uint16_t pcr = m->video_pid != 0 ? m->video_pid : m->audio_pid;
	size_t n = 8;

	pmt[n++] = (uint8_t)(0xe0 | pcr >> 8);
	pmt[n++] = (uint8_t)pcr;
	pmt[n++] = 0xf0;
	pmt[n++] = 0;
	if (m->video_pid != 0) {
		pmt[n++] = m->video_type;
		pmt[n++] = (uint8_t)(0xe0 | m->video_pid >> 8);
		pmt[n++] = (uint8_t)m->video_pid;
		pmt[n++] = 0xf0;
		pmt[n++] = 0;
	}
	if (m->audio_pid != 0) {
		static const uint8_t lang[] = { 0x0a, 4, 'd', 'e', 'u', 0, 0x09, 4, 0x0b, 0, 0xe5, 0 }; /* and CA */

		pmt[n++] = m->audio_type;
		pmt[n++] = (uint8_t)(0xe0 | m->audio_pid >> 8);
		pmt[n++] = (uint8_t)m->audio_pid;
		pmt[n++] = 0xf0;
		pmt[n++] = sizeof(lang);
		memcpy(pmt + n, lang, sizeof(lang));
		n += sizeof(lang);
	}
	section(m, TS_PID_PAT, pat, sizeof(pat));
	section(m, m->pmt_pid, pmt, n);
}

void
tsmake_pes(struct tsmake *m, uint16_t pid, uint8_t sid, int64_t pts, int64_t dts, const uint8_t *data, size_t len,
    bool bounded)
{
	uint8_t h[19] = { 0, 0, 1, sid, 0, 0, 0x80 };
	size_t head = 9, at = 0;
	bool first = true;

	if (pts != TS_NOTIME && pts != dts) {
		h[7] = 0xc0;
		h[8] = 10;
		ts_put_stamp(h + 9, 3, pts);
		ts_put_stamp(h + 14, 1, dts);
		head = 19;
	} else if (pts != TS_NOTIME) {
		h[7] = 0x80;
		h[8] = 5;
		ts_put_stamp(h + 9, 2, pts);
		head = 14;
	}
	if (bounded) {
		h[4] = (uint8_t)((len + head - 6) >> 8);
		h[5] = (uint8_t)(len + head - 6);
	}
	while (at < len) {
		uint8_t p[TS_PACKET];
		size_t extra = first ? head : 0, room = TS_PACKET - 4 - extra, n = PB_MIN(len - at, room);
		size_t af = room - n;

		p[0] = TS_SYNC;
		p[1] = (uint8_t)((first ? 0x40 : 0) | pid >> 8);
		p[2] = (uint8_t)pid;
		p[3] = (uint8_t)((af > 0 ? 0x30 : 0x10) | (m->cc[pid]++ & 15));
		if (af > 0) {
			memset(p + 4, 0xff, af);
			p[4] = (uint8_t)(af - 1);
			if (af > 1)
				p[5] = 0;
		}
		memcpy(p + 4 + af, h, extra);
		memcpy(p + 4 + af + extra, data + at, n);
		tsmake_packet(m, p);
		at += n;
		first = false;
	}
}

/* A5 5A and four bytes of seven bits. */
static size_t
put_serial(struct tsmake *m, uint8_t *b)
{
	b[0] = 0xa5;
	b[1] = 0x5a;
	for (int i = 0; i < 4; i++)
		b[2 + i] = (uint8_t)(0x80 | (m->serial >> (7 * i) & 0x7f));
	m->serial++;
	return 6;
}

static void
picture_hevc(struct tsmake *m, int64_t dts, int64_t cts, bool key, size_t size)
{
	static const uint8_t sets[] = { 0, 0, 1, 0x40, 1, 0x0c, 0, 0, 1, 0x42, 1, 1, 0, 0, 1, 0x44, 1, 0xc1 };
	static const uint8_t cra[] = { 0, 0, 1, 0x2a, 1, 0xac };
	static const uint8_t trail[] = { 0, 0, 1, 0x02, 1, 0xd0 };
	uint8_t *b = malloc(size + 128);
	size_t n = 0;

	pb_assert(b != NULL);
	if (key) {
		memcpy(b, sets, sizeof(sets));
		n += sizeof(sets);
	}
	memcpy(b + n, key ? cra : trail, sizeof(cra));
	n += sizeof(cra);
	n += put_serial(m, b + n);
	if (key) {
		memcpy(b + n, cra, sizeof(cra));
		n += sizeof(cra);
	}
	for (; n < size; n++)
		b[n] = (uint8_t)(0x80 | (n * 31 + m->serial));
	tsmake_pes(m, m->video_pid, 0xe0, dts + cts, dts, b, n, m->bounded);
	free(b);
}

void
tsmake_picture(struct tsmake *m, int64_t dts, int64_t cts, bool key, size_t size)
{
	static const uint8_t aud[] = { 0, 0, 0, 1, 9, 0xf0 };
	static const uint8_t params[] = { 0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0, 0, 0, 1, 0x68, 0xce, 0x3c,
		0x80 };
	static const uint8_t recovery[] = { 0, 0, 1, 6, 6, 1, 0x84, 0x80 };
	static const uint8_t idr[] = { 0, 0, 1, 0x65, 0x88, 0x84 };
	static const uint8_t intra[] = { 0, 0, 1, 0x41, 0x88, 0x84 };
	static const uint8_t inter[] = { 0, 0, 1, 0x41, 0x9a, 0x24 };
	uint8_t *b;
	size_t n = 0;

	if (m->hevc) {
		picture_hevc(m, dts, cts, key, size);
		return;
	}
	b = malloc(size + 128);
	pb_assert(b != NULL);
	memcpy(b, aud, sizeof(aud));
	n += sizeof(aud);
	if (key && !m->bare) {
		memcpy(b + n, params, sizeof(params));
		n += sizeof(params);
	}
	if (key && m->open_gop) {
		memcpy(b + n, recovery, sizeof(recovery));
		n += sizeof(recovery);
	}
	memcpy(b + n, !key ? inter : m->open_gop ? intra : idr, 6);
	n += 6;
	n += put_serial(m, b + n);
	while (n < size) {
		b[n] = (uint8_t)(0x80 | (n * 31 + m->serial));
		n++;
	}
	tsmake_pes(m, m->video_pid, 0xe0, dts + cts, dts, b, n, m->bounded);
	free(b);
}

void
tsmake_sound(struct tsmake *m, int64_t pts)
{
	uint8_t b[3 * 40];

	for (int i = 0; i < 3; i++) {
		uint8_t *f = b + i * 40;

		memset(f, 0x55, 40);
		memcpy(f, "\xff\xf1\x4c\x80\x05\x1f\xfc", 7); /* 48 kHz stereo, 40 bytes */
		if (i == 0)
			put_serial(m, f + 7);
	}
	tsmake_pes(m, m->audio_pid, 0xc0, pts, pts, b, sizeof(b), true);
}

void
tsmake_segment(struct tsmake *m, const struct tsmake_segment *s)
{
	/* I P B B in decoding order: PTS - DTS in frames. */
	static const int order[] = { 1, 3, 0, 0 };
	int64_t sound = s->dts_90k + s->audio_90k, end = s->dts_90k + (int64_t)s->frames * 3600;

	if (!s->no_psi)
		tsmake_psi(m);
	for (int i = 0; i < s->frames; i++) {
		int64_t dts = s->dts_90k + (int64_t)i * 3600;
		int in_gop = (i - s->first_key + s->gop) % s->gop;
		bool key = i >= s->first_key && in_gop == 0;
		int64_t cts = s->reorder > 0 ? order[in_gop == 0 ? 0 : 1 + (in_gop - 1) % 3] * 3600 : 0;

		if (i > 0 && i % 25 == 0 && !s->no_psi)
			tsmake_psi(m);
		if (!s->no_video)
			tsmake_picture(m, dts, cts, key, key ? 3000 : 400);
		for (; !s->no_audio && sound <= dts && sound < end; sound += 5760)
			tsmake_sound(m, sound);
	}
}
