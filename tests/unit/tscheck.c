/*
 * tscheck.c - the rules of tscheck.h
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ts.h"
#include "tests/unit/tscheck.h"

#define PID_PMT 0x1000
#define PID_VIDEO 0x100
#define PID_AUDIO 0x101

struct walk {
	struct tscheck *t;
	size_t at;
	int cc[TS_PIDS];
	uint8_t pat[TS_PACKET];
	uint8_t pmt[TS_PACKET];
	bool has_psi;
	uint16_t pcr_pid;
	int64_t pcr; /* unwrapped, 27 MHz */
	int64_t psi; /* the clock at the last PAT */
	int64_t dts[2];
	uint16_t open; /* PID of the unit in hand, 0 when none */
	size_t left; /* bytes of it to come, when it says */
	bool bounded;
	int psi_ago; /* packets since the last PMT */
};

__attribute__((format(printf, 2, 3))) static bool
bad(struct walk *w, const char *fmt, ...)
{
	char what[100];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(w->t->why, sizeof(w->t->why), "packet %zu: %s", w->at / TS_PACKET, what);
	return false;
}

static bool
psi(struct walk *w, const uint8_t *p, uint8_t *kept, uint8_t table)
{
	size_t len = 3 + ((size_t)(p[6] & 15) << 8 | p[7]);
	uint8_t same[TS_PACKET];

	if (!ts_pusi(p) || ts_has_af(p) || p[4] != 0 || p[5] != table || len + 5 > TS_PACKET ||
	    ts_crc32(p + 5, len) != 0)
		return bad(w, "table %u is broken", table);
	memcpy(same, p, TS_PACKET);
	same[3] = 0;
	if (kept[0] != 0 && memcmp(same, kept, TS_PACKET) != 0)
		return bad(w, "table %u changed", table);
	memcpy(kept, same, TS_PACKET);
	return true;
}

static bool
pmt(struct walk *w, const uint8_t *p)
{
	size_t len = 3 + ((size_t)(p[6] & 15) << 8 | p[7]);

	if (!psi(w, p, w->pmt, 2))
		return false;
	if (w->at < TS_PACKET || ts_pid(p - TS_PACKET) != TS_PID_PAT)
		return bad(w, "PMT without PAT in front");
	w->pcr_pid = (uint16_t)((p[13] & 0x1f) << 8 | p[14]);
	for (size_t at = 17; at + 5 <= 5 + len - 4; at += 5 + (size_t)p[at + 4]) {
		uint16_t pid = (uint16_t)((p[at + 1] & 0x1f) << 8 | p[at + 2]);

		w->t->video |= pid == PID_VIDEO;
		w->t->audio |= pid == PID_AUDIO;
		for (size_t d = at + 5; d < at + 5 + p[at + 4]; d += 2 + (size_t)p[d + 1])
			if (p[d] == 0x09)
				return bad(w, "CA descriptor");
	}
	if (w->pcr_pid != (w->t->video ? PID_VIDEO : PID_AUDIO))
		return bad(w, "PCR PID %x", w->pcr_pid);
	w->has_psi = true;
	w->psi_ago = 0;
	return true;
}

static bool
pcr(struct walk *w, const uint8_t *p)
{
	int64_t raw = ts_pcr(p), wrap = TS_WRAP_90K * 300, step;

	if (raw == TS_NOTIME)
		return true;
	if (ts_pid(p) != w->pcr_pid)
		return bad(w, "PCR on PID %x", ts_pid(p));
	if (w->t->pcrs++ == 0) {
		w->pcr = w->psi = raw;
		return true;
	}
	step = ((raw - w->pcr) % wrap + wrap) % wrap;
	if (step == 0 || step > 1080000)
		return bad(w, "PCR steps by %lld", (long long)step);
	w->pcr += step;
	if (w->pcr - w->psi > 2700000)
		return bad(w, "%lld ms without tables", (long long)(w->pcr - w->psi) / 27000);
	return true;
}

static uint32_t
find_serial(const uint8_t *b, size_t len)
{
	for (size_t i = 0; i + 6 <= len; i++)
		if (b[i] == 0xa5 && b[i + 1] == 0x5a) {
			uint32_t v = 0;

			for (int k = 0; k < 4; k++)
				v |= (uint32_t)(b[i + 2 + (size_t)k] & 0x7f) << (7 * k);
			return v;
		}
	return UINT32_MAX;
}

static bool
unit_done(struct walk *w)
{
	if (w->open != 0 && w->bounded && w->left != 0)
		return bad(w, "a unit ends %zu bytes early", w->left);
	w->open = 0;
	return true;
}

static bool
unit_begins(struct walk *w, const uint8_t *p, const uint8_t *b, size_t len)
{
	bool audio = ts_pid(p) == PID_AUDIO, key = ts_af_flags(p) & TS_AF_RANDOM_ACCESS;
	int64_t pts, dts, now = w->pcr / 300;
	struct tscheck *t = w->t;
	size_t head;

	if (len < 14 || b[0] != 0 || b[1] != 0 || b[2] != 1 || (b[6] & 0xc0) != 0x80 || !(b[7] & 0x80))
		return bad(w, "PES header");
	head = 9 + (size_t)b[8];
	pts = dts = ts_get_stamp(b + 9);
	if (b[7] & 0x40)
		dts = ts_get_stamp(b + 14);
	if (t->pcrs == 0)
		return bad(w, "a unit before the first PCR");
	if (ts_diff(pts, dts) < 0 || ts_diff(pts, dts) > 90000)
		return bad(w, "PTS - DTS is %lld", (long long)ts_diff(pts, dts));
	pts = ts_diff(pts, dts);
	dts = now + ts_diff(dts, now);
	pts += dts;
	if (dts < now || dts > now + 5 * 90000)
		return bad(w, "DTS - PCR is %lld", (long long)(dts - now));
	if (t->units[audio] > 0 && dts <= w->dts[audio])
		return bad(w, "DTS goes back by %lld", (long long)(w->dts[audio] - dts));
	w->dts[audio] = dts;
	if (t->video && t->units[0] == 0 && (audio || !key))
		return bad(w, "does not begin with a key frame");
	if (key && w->psi_ago != 0)
		return bad(w, "key frame without tables in front");
	t->keys += key;
	w->bounded = b[4] != 0 || b[5] != 0;
	w->left = ((size_t)b[4] << 8 | b[5]) + 6;
	if (audio && !w->bounded)
		return bad(w, "audio without length");
	if (w->bounded && w->left < len)
		return bad(w, "a unit is longer than it says");
	w->left -= len;
	w->open = ts_pid(p);
	t->units[audio]++;
	if (t->n < TSCHECK_UNITS) {
		t->unit[t->n].audio = audio;
		t->unit[t->n].key = key;
		t->unit[t->n].pts = pts;
		t->unit[t->n].dts = dts;
		t->unit[t->n].serial = find_serial(b + head, len - head);
		t->unit[t->n].at = w->at;
		t->unit[t->n].len = len - head;
	}
	t->n++;
	return true;
}

static bool
packet(struct walk *w, const uint8_t *p)
{
	uint16_t pid = ts_pid(p);
	int at = ts_payload(p);

	if (p[0] != TS_SYNC || ts_tei(p) || ts_scrambled(p) || at < 0)
		return bad(w, "packet header %02x%02x%02x%02x", p[0], p[1], p[2], p[3]);
	if (ts_has_af(p) && !ts_has_payload(p) && p[4] != 183)
		return bad(w, "adaptation field of %u", p[4]);
	if (pid != TS_PID_PAT && pid != PID_PMT && pid != PID_VIDEO && pid != PID_AUDIO)
		return bad(w, "PID %x", pid);
	if (w->cc[pid] != -1 && ts_cc(p) != ((w->cc[pid] + ts_has_payload(p)) & 15))
		return bad(w, "counter of PID %x: %d after %d", pid, ts_cc(p), w->cc[pid]);
	w->cc[pid] = ts_cc(p);
	if (pid == TS_PID_PAT) {
		if (!unit_done(w) || !psi(w, p, w->pat, 0))
			return false;
		w->psi = w->pcr;
		return true;
	}
	if (pid == PID_PMT)
		return pmt(w, p);
	if (!w->has_psi)
		return bad(w, "no tables first");
	if ((pid == PID_VIDEO && !w->t->video) || (pid == PID_AUDIO && !w->t->audio))
		return bad(w, "PID %x is not in the PMT", pid);
	if (!pcr(w, p))
		return false;
	if (at < TS_PACKET && ts_pusi(p)) {
		if (!unit_done(w) || !unit_begins(w, p, p + at, (size_t)(TS_PACKET - at)))
			return false;
	} else if (at < TS_PACKET) {
		if (w->open != pid)
			return bad(w, "a unit on PID %x is cut into", pid);
		if (w->bounded && w->left < (size_t)(TS_PACKET - at))
			return bad(w, "a unit is longer than it says");
		w->left -= (size_t)(TS_PACKET - at);
		if (w->t->n <= TSCHECK_UNITS)
			w->t->unit[w->t->n - 1].len += (size_t)(TS_PACKET - at);
	} else if (!unit_done(w))
		return false;
	w->psi_ago++;
	return true;
}

bool
tscheck(struct tscheck *t, const uint8_t *buf, size_t len)
{
	static struct walk w;

	memset(t, 0, offsetof(struct tscheck, unit));
	t->why[0] = '\0';
	memset(&w, 0, sizeof(w));
	for (int i = 0; i < TS_PIDS; i++)
		w.cc[i] = -1;
	w.t = t;
	if (len % TS_PACKET != 0)
		return bad(&w, "%zu bytes are not whole packets", len);
	for (; w.at < len; w.at += TS_PACKET, t->packets++)
		if (!packet(&w, buf + w.at))
			return false;
	return unit_done(&w);
}

unsigned
tscheck_hevc(const uint8_t *buf, size_t len, size_t at, unsigned type)
{
	uint16_t pid = ts_pid(buf + at);
	uint32_t last = UINT32_MAX; /* four bytes */
	unsigned n = 0;

	for (size_t p = at; p < len; p += TS_PACKET) {
		if (ts_pid(buf + p) != pid)
			continue;
		if (p > at && ts_pusi(buf + p))
			break;
		for (int i = ts_payload(buf + p); i < TS_PACKET; i++) {
			last = last << 8 | buf[p + (size_t)i];
			n += last >> 8 == 1 && (last >> 1 & 0x3f) == type;
		}
	}
	return n;
}
