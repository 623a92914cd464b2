/*
 * psi.c - tables in and out (ISO/IEC 13818-1 2.4.4)
 */
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/psi.h"

#define TABLE_PAT 0x00
#define TABLE_PMT 0x02

static size_t
section_len(const uint8_t *b)
{
	return 3 + ((size_t)(b[1] & 0x0f) << 8 | b[2]);
}

void
psi_lost(struct psi_gather *g)
{
	g->open = false;
	g->have = 0;
}

/*
 * Take as much of b as belongs to the section in hand; *left says how much
 * was taken. 1 when the section is complete, -1 when it can't be one.
 */
static int
gather_some(struct psi_gather *g, const uint8_t *b, size_t len, size_t *taken)
{
	size_t want, n;

	*taken = 0;
	if (g->have < 3) {
		n = PB_MIN(len, (size_t)(3 - g->have));
		memcpy(g->buf + g->have, b, n);
		g->have = (uint16_t)(g->have + n);
		*taken = n;
		if (g->have < 3)
			return 0;
	}
	want = section_len(g->buf);
	if (want > PSI_SECTION_MAX)
		return -1;
	n = PB_MIN(len - *taken, want - g->have);
	memcpy(g->buf + g->have, b + *taken, n);
	g->have = (uint16_t)(g->have + n);
	*taken += n;
	return g->have == want;
}

int
psi_gather(struct psi_gather *g, bool pusi, const uint8_t *b, size_t len,
    void (*whole)(void *arg, const uint8_t *section, size_t len), void *arg)
{
	size_t at = 0, start = len, taken;
	int broken = 0, got;

	if (pusi) {
		start = 1 + (size_t)b[0];
		at = 1;
		if (start > len) {
			psi_lost(g);
			return 1;
		}
	}
	while (at < len) {
		if (at == start) { /* pointer_field: a new section, whatever was open */
			broken += g->open && g->have > 0;
			psi_lost(g);
			g->open = true;
		}
		if (!g->open) {
			if (at >= start)
				break;
			at = start;
			continue;
		}
		if (g->have == 0 && b[at] == 0xff) { /* stuffing to the end of the packet */
			psi_lost(g);
			break;
		}
		got = gather_some(g, b + at, (at < start ? start : len) - at, &taken);
		at += taken;
		if (got == 0)
			continue;
		if (got == 1 && ts_crc32(g->buf, g->have) == 0)
			whole(arg, g->buf, g->have);
		else
			broken++;
		psi_lost(g);
		if (got == 1 && at > start) /* sections may follow each other without a pointer */
			g->open = true;
		if (got == -1)
			at = at < start ? start : len;
	}
	return broken;
}

/* Is it the table wanted, in force now, and long enough for what it says? */
static int
check_section(const uint8_t *b, size_t len, uint8_t table, size_t least)
{
	if (len < 3 || section_len(b) != len)
		return PB_EFORMAT;
	if (b[0] != table)
		return PB_NO;
	if (!(b[1] & 0x80) || len < least)
		return PB_EFORMAT;
	return b[5] & 1 ? 0 : PB_NO;
}

int
psi_read_pat(const uint8_t *b, size_t len, struct psi_pat *pat)
{
	int err = check_section(b, len, TABLE_PAT, 12);

	if (err != 0)
		return err;
	pat->n = 0;
	for (size_t at = 8; at + 4 <= len - 4 && pat->n < PSI_PROGRAMS; at += 4) {
		uint16_t number = (uint16_t)(b[at] << 8 | b[at + 1]);
		uint16_t pid = (uint16_t)((b[at + 2] & 0x1f) << 8 | b[at + 3]);

		if (number == 0 || pid == TS_PID_PAT || pid == TS_PID_NULL) /* 0 is the network */
			continue;
		pat->program[pat->n].number = number;
		pat->program[pat->n].pid = pid;
		pat->n++;
	}
	return 0;
}

/* A private stream says what it is in its descriptors. */
static enum es_codec
private_codec(const uint8_t *d, size_t len)
{
	for (size_t at = 0; at + 2 <= len; at += 2 + (size_t)d[at + 1]) {
		size_t n = d[at + 1];

		if (n > len - at - 2)
			break;
		switch (d[at]) {
		case 0x6a:
			return ES_AC3;
		case 0x7a:
			return ES_EAC3;
		case 0x7b:
			return ES_DTS;
		case 0x05:
			if (n < 4)
				break;
			if (memcmp(d + at + 2, "AC-3", 4) == 0)
				return ES_AC3;
			if (memcmp(d + at + 2, "EAC3", 4) == 0)
				return ES_EAC3;
			if (memcmp(d + at + 2, "DTS", 3) == 0)
				return ES_DTS;
			if (memcmp(d + at + 2, "Opus", 4) == 0)
				return ES_OPUS;
			if (memcmp(d + at + 2, "HEVC", 4) == 0)
				return ES_HEVC;
			break;
		}
	}
	return ES_NONE;
}

static enum es_codec
codec_of(uint8_t type, const uint8_t *desc, size_t len)
{
	switch (type) {
	case 0x01:
	case 0x02:
		return ES_MPEG_VIDEO;
	case 0x03:
	case 0x04:
		return ES_MPEG_AUDIO;
	case 0x06:
		return private_codec(desc, len);
	case 0x0f:
		return ES_AAC;
	case 0x10:
		return ES_MPEG4_VIDEO;
	case 0x11:
		return ES_LATM;
	case 0x1b:
		return ES_H264;
	case 0x24:
		return ES_HEVC;
	case 0x33:
		return ES_VVC;
	case 0x81:
		return ES_AC3;
	case 0x87:
		return ES_EAC3;
	}
	return ES_NONE;
}

static void
language_of(char *lang, const uint8_t *d, size_t len)
{
	memset(lang, 0, 4);
	for (size_t at = 0; at + 2 <= len; at += 2 + (size_t)d[at + 1]) {
		if (d[at + 1] > len - at - 2)
			return;
		if (d[at] != 0x0a || d[at + 1] < 3)
			continue;
		for (int i = 0; i < 3; i++) {
			char ch = (char)(d[at + 2 + (size_t)i] | 0x20);

			if (ch < 'a' || ch > 'z') {
				memset(lang, 0, 4);
				return;
			}
			lang[i] = ch;
		}
		return;
	}
}

int
psi_read_pmt(const uint8_t *b, size_t len, struct psi_pmt *pmt)
{
	int err = check_section(b, len, TABLE_PMT, 16);
	size_t at, n;

	if (err != 0)
		return err;
	pmt->program = (uint16_t)(b[3] << 8 | b[4]);
	pmt->pcr_pid = (uint16_t)((b[8] & 0x1f) << 8 | b[9]);
	pmt->n = 0;
	at = 12 + ((size_t)(b[10] & 0x0f) << 8 | b[11]);
	len -= 4;
	if (at > len)
		return PB_EFORMAT;
	for (; at + 5 <= len && pmt->n < PSI_STREAMS; at += 5 + n) {
		struct psi_stream *s = &pmt->stream[pmt->n];

		n = (size_t)(b[at + 3] & 0x0f) << 8 | b[at + 4];
		if (n > len - at - 5)
			return PB_EFORMAT;
		s->type = b[at];
		s->pid = (uint16_t)((b[at + 1] & 0x1f) << 8 | b[at + 2]);
		s->desc = b + at + 5;
		s->desc_len = n;
		s->codec = codec_of(s->type, s->desc, n);
		s->sealed = s->type == 0xc1 || s->type == 0xc2 || s->type == 0xcf || s->type == 0xdb;
		language_of(s->lang, s->desc, n);
		if (s->pid != TS_PID_PAT && s->pid != TS_PID_NULL)
			pmt->n++;
	}
	return 0;
}

size_t
psi_copy_desc(uint8_t *dst, const uint8_t *d, size_t len)
{
	size_t out = 0;

	for (size_t at = 0; at + 2 <= len; at += 2 + (size_t)d[at + 1]) {
		size_t n = 2 + (size_t)d[at + 1];

		if (n > len - at)
			break;
		if (d[at] == 0x09 || n > PSI_DESC_MAX - out)
			continue;
		memcpy(dst + out, d + at, n);
		out += n;
	}
	return out;
}

/* Close the section at packet + 5 that ends at end: length, CRC, stuffing. */
static void
finish(uint8_t *packet, size_t end)
{
	uint8_t *s = packet + 5;
	size_t n = end - 5;
	uint32_t crc;

	s[1] = (uint8_t)(0xb0 | (n + 4 - 3) >> 8);
	s[2] = (uint8_t)(n + 4 - 3);
	crc = ts_crc32(s, n);
	s[n] = (uint8_t)(crc >> 24);
	s[n + 1] = (uint8_t)(crc >> 16);
	s[n + 2] = (uint8_t)(crc >> 8);
	s[n + 3] = (uint8_t)crc;
	memset(s + n + 4, 0xff, TS_PACKET - end - 4);
}

static void
begin(uint8_t *p, uint16_t pid, uint8_t cc, uint8_t table, uint16_t id)
{
	p[0] = TS_SYNC;
	p[1] = (uint8_t)(0x40 | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = 0x10 | (cc & 0x0f);
	p[4] = 0; /* pointer_field */
	p[5] = table;
	p[8] = (uint8_t)(id >> 8);
	p[9] = (uint8_t)id;
	p[10] = 0xc1; /* version 0, in force */
	p[11] = 0;
	p[12] = 0;
}

void
psi_put_pat(uint8_t *p, uint8_t cc, uint16_t program, uint16_t pmt_pid)
{
	begin(p, TS_PID_PAT, cc, TABLE_PAT, 1);
	p[13] = (uint8_t)(program >> 8);
	p[14] = (uint8_t)program;
	p[15] = (uint8_t)(0xe0 | pmt_pid >> 8);
	p[16] = (uint8_t)pmt_pid;
	finish(p, 17);
}

void
psi_put_pmt(
    uint8_t *p, uint8_t cc, uint16_t program, uint16_t pmt_pid, uint16_t pcr_pid, const struct psi_entry *entry, int n)
{
	size_t at = 17;

	begin(p, pmt_pid, cc, TABLE_PMT, program);
	p[13] = (uint8_t)(0xe0 | pcr_pid >> 8);
	p[14] = (uint8_t)pcr_pid;
	p[15] = 0xf0;
	p[16] = 0;
	for (int i = 0; i < n; i++) {
		pb_assert(entry[i].desc_len <= PSI_DESC_MAX && at + 5u + entry[i].desc_len + 4 <= TS_PACKET);
		p[at] = entry[i].type;
		p[at + 1] = (uint8_t)(0xe0 | entry[i].pid >> 8);
		p[at + 2] = (uint8_t)entry[i].pid;
		p[at + 3] = 0xf0;
		p[at + 4] = entry[i].desc_len;
		memcpy(p + at + 5, entry[i].desc, entry[i].desc_len);
		at += 5u + entry[i].desc_len;
	}
	finish(p, at);
}
