/*
 * tsmake.h - small transport streams for tests, good and bad on purpose
 *
 * A writer with its own idea of PIDs, times and counters: what a source
 * would send. Access units carry a serial number, so that a test can say
 * which of them came out (tscheck.h reads it). Allocation failures abort:
 * this is test code.
 */
#ifndef PLEXBRIDGE_TESTS_UNIT_TSMAKE_H
#define PLEXBRIDGE_TESTS_UNIT_TSMAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tsmake {
	uint16_t pmt_pid;
	uint16_t video_pid; /* 0: the PMT has none */
	uint16_t audio_pid;
	uint8_t video_type; /* stream types, 0x1b and 0x0f at first */
	uint8_t audio_type;
	uint8_t cc[0x2000];
	uint32_t serial; /* of the next access unit */
	bool bare; /* key frames without parameter sets */
	bool open_gop; /* key frames are recovery points, not IDR */
	bool hevc; /* key frames are CRA, of two slices; set video_type too */
	bool bounded; /* video PES say their length */
	uint8_t *buf;
	size_t len;
	size_t cap;
};

/* One segment. Times are the source's 90 kHz, wrapped in the packets. */
struct tsmake_segment {
	int64_t dts_90k; /* of the first picture */
	int frames; /* pictures, 3600 ticks each */
	int gop; /* a key frame every so many */
	int reorder; /* PTS - DTS is 0..reorder + 1 frames when > 0 (B-frames) */
	int64_t audio_90k; /* audio begins so much after the first DTS */
	bool no_video; /* listed in the PMT, but nothing of it comes */
	bool no_audio;
	bool no_psi;
	int first_key; /* pictures before the first key frame */
};

void tsmake_init(struct tsmake *m);
void tsmake_clear(struct tsmake *m);
void tsmake_psi(struct tsmake *m);
void tsmake_packet(struct tsmake *m, const uint8_t *p);
void tsmake_pes(struct tsmake *m, uint16_t pid, uint8_t sid, int64_t pts, int64_t dts, const uint8_t *data, size_t len,
    bool bounded);
void tsmake_picture(struct tsmake *m, int64_t dts, int64_t cts, bool key, size_t size);
void tsmake_sound(struct tsmake *m, int64_t pts); /* three AAC frames: 5760 ticks */
void tsmake_segment(struct tsmake *m, const struct tsmake_segment *s);

#endif
