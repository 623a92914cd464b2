/*
 * ts.h - MPEG-TS fields, bit by bit (ISO/IEC 13818-1)
 *
 * Reading and writing of single fields, no state, no policy. The conformer
 * (worker/conform.h) and the analyser (origin/analyse.h) both stand on it
 * and share nothing else, so that one can judge the other.
 *
 *   pts_90k, dts_90k   33 bits on the wire; wrap after 26.5 h
 *   pcr_27m            base * 300 + extension; wraps at TS_WRAP_90K * 300
 *   pointers           to TS_PACKET bytes, the first of them the sync byte
 */
#ifndef PLEXBRIDGE_BASE_TS_H
#define PLEXBRIDGE_BASE_TS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TS_PACKET 188
#define TS_SYNC 0x47
#define TS_PID_PAT 0x0000
#define TS_PID_NULL 0x1fff
#define TS_PIDS 0x2000
#define TS_WRAP_90K ((int64_t)1 << 33)
#define TS_NOTIME INT64_MIN /* "there is no time stamp" in an int64_t */

static inline uint16_t
ts_pid(const uint8_t *p)
{
	return (uint16_t)((p[1] & 0x1f) << 8 | p[2]);
}
static inline bool
ts_tei(const uint8_t *p)
{
	return p[1] & 0x80;
}
static inline bool
ts_pusi(const uint8_t *p)
{
	return p[1] & 0x40;
}
static inline bool
ts_scrambled(const uint8_t *p)
{
	return p[3] & 0xc0;
}
static inline bool
ts_has_af(const uint8_t *p)
{
	return p[3] & 0x20;
}
static inline bool
ts_has_payload(const uint8_t *p)
{
	return p[3] & 0x10;
}
static inline uint8_t
ts_cc(const uint8_t *p)
{
	return p[3] & 0x0f;
}

/*
 * Where the payload begins, 4..188 (188: none). -1 when the packet breaks
 * 2.4.3: no sync byte, adaptation_field_control 00, or an adaptation field
 * that is longer than the packet.
 */
static inline int
ts_payload(const uint8_t *p)
{
	int at = 4;

	if (p[0] != TS_SYNC || (p[3] & 0x30) == 0)
		return -1;
	if (ts_has_af(p))
		at += 1 + p[4];
	if (at > TS_PACKET || (at == TS_PACKET && ts_has_payload(p)))
		return -1;
	return ts_has_payload(p) ? at : TS_PACKET;
}

/* The flags byte of the adaptation field, 0 when there is none (2.4.3.4). */
#define TS_AF_DISCONTINUITY 0x80
#define TS_AF_RANDOM_ACCESS 0x40
#define TS_AF_PCR 0x10
static inline uint8_t
ts_af_flags(const uint8_t *p)
{
	return ts_has_af(p) && p[4] > 0 ? p[5] : 0;
}

/* The packet's PCR at 27 MHz, or TS_NOTIME. */
static inline int64_t
ts_pcr(const uint8_t *p)
{
	int64_t base;

	if (!(ts_af_flags(p) & TS_AF_PCR) || p[4] < 7)
		return TS_NOTIME;
	base = (int64_t)p[6] << 25 | (int64_t)p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7;
	return base * 300 + ((p[10] & 1) << 8 | p[11]);
}

/* Six bytes of PCR at where; pcr_27m may be unwrapped and is wrapped here. */
static inline void
ts_put_pcr(uint8_t *where, int64_t pcr_27m)
{
	int64_t wrap = TS_WRAP_90K * 300;
	int64_t v = ((pcr_27m % wrap) + wrap) % wrap;
	int64_t base = v / 300;
	int ext = (int)(v % 300);

	where[0] = (uint8_t)(base >> 25);
	where[1] = (uint8_t)(base >> 17);
	where[2] = (uint8_t)(base >> 9);
	where[3] = (uint8_t)(base >> 1);
	where[4] = (uint8_t)((base & 1) << 7 | 0x7e | ext >> 8);
	where[5] = (uint8_t)ext;
}

/* Five bytes of PTS or DTS (2.4.3.7) to 90 kHz; the marker bits are not checked. */
static inline int64_t
ts_get_stamp(const uint8_t *b)
{
	return (int64_t)(b[0] >> 1 & 7) << 30 | (int64_t)b[1] << 22 | (int64_t)(b[2] >> 1) << 15 | b[3] << 7 |
	    b[4] >> 1;
}

/* prefix: 2 for a PTS alone, 3 for a PTS that a DTS follows, 1 for that DTS. */
static inline void
ts_put_stamp(uint8_t *b, int prefix, int64_t stamp_90k)
{
	uint64_t v = (uint64_t)stamp_90k & (uint64_t)(TS_WRAP_90K - 1);

	b[0] = (uint8_t)(prefix << 4 | (v >> 30 & 7) << 1 | 1);
	b[1] = (uint8_t)(v >> 22);
	b[2] = (uint8_t)((v >> 15 & 0x7f) << 1 | 1);
	b[3] = (uint8_t)(v >> 7);
	b[4] = (uint8_t)((v & 0x7f) << 1 | 1);
}

/* a - b on the 33-bit circle: the nearest way round, -2^32 .. 2^32 - 1. */
static inline int64_t
ts_diff(int64_t a_90k, int64_t b_90k)
{
	int64_t d = (a_90k - b_90k) & (TS_WRAP_90K - 1);

	return d >= TS_WRAP_90K / 2 ? d - TS_WRAP_90K : d;
}

/* CRC of a PSI section (Annex A). Over section and CRC together it gives 0. */
uint32_t ts_crc32(const uint8_t *data, size_t len);

/*
 * Find the first offset in buf from which `need` packets stand sync to
 * sync at one stride (188, 192 or 204; written to *stride). Fewer than
 * `need` packets that reach the buffer's end exactly count when at_end.
 * -1 when there is none.
 */
long ts_find_sync(const uint8_t *buf, size_t len, int need, bool at_end, int *stride);

#endif
