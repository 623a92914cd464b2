/*
 * spoil.c - packet by packet
 */
#include "origin/spoil.h"

#include <stdbool.h>
#include <string.h>

#include "base/ts.h"

#define NULL_PID 0x1fff

static uint16_t
pid_of(const uint8_t *p)
{
	return (uint16_t)((p[1] & 0x1f) << 8 | p[2]);
}

void
spoil_clock(uint8_t *ts, size_t len)
{
	static const uint8_t pcr[6] = { 0x00, 0x12, 0x34, 0x56, 0x7e, 0x00 };

	for (uint8_t *p = ts; p + TS_PACKET <= ts + len; p += TS_PACKET)
		if (p[0] == TS_SYNC && (p[3] & 0x20) != 0 && p[4] >= 7 && (p[5] & 0x10) != 0)
			memcpy(p + 6, pcr, sizeof(pcr));
}

/* Is it the stream_id of video, or of audio? ISO 13818-1 table 2-22; 0xbd: AC-3 and its like. */
static bool
is_id(uint8_t id, bool audio)
{
	return audio ? (id & 0xe0) == 0xc0 || id == 0xbd : (id & 0xf0) == 0xe0;
}

/* The PID on which such a PES begins; NULL_PID when there is none. */
static uint16_t
pes_pid(const uint8_t *ts, size_t len, bool audio)
{
	for (const uint8_t *p = ts; p + TS_PACKET <= ts + len; p += TS_PACKET) {
		size_t at = 4 + ((p[3] & 0x20) != 0 ? 1 + (size_t)p[4] : 0);

		if (p[0] == TS_SYNC && (p[1] & 0x40) != 0 && at + 4 <= TS_PACKET && p[at] == 0 && p[at + 1] == 0 &&
		    p[at + 2] == 1 && is_id(p[at + 3], audio))
			return pid_of(p);
	}
	return NULL_PID;
}

static void
stuff(uint8_t *ts, size_t len, bool audio)
{
	uint16_t pid = pes_pid(ts, len, audio);

	if (pid == NULL_PID)
		return;
	for (uint8_t *p = ts; p + TS_PACKET <= ts + len; p += TS_PACKET)
		if (p[0] == TS_SYNC && pid_of(p) == pid) {
			memset(p, 0xff, TS_PACKET);
			p[0] = TS_SYNC;
			p[1] = NULL_PID >> 8;
			p[2] = NULL_PID & 0xff;
			p[3] = 0x10;
		}
}

void
spoil_video(uint8_t *ts, size_t len)
{
	stuff(ts, len, false);
}

void
spoil_audio(uint8_t *ts, size_t len)
{
	stuff(ts, len, true);
}
