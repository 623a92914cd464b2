/*
 * es.h - is this access unit a key frame? byte by byte
 *
 * Fed with the payload of one video PES in pieces of any size. Decides at
 * the first slice (H.264, HEVC) or picture header (MPEG-2), so that most of
 * a large access unit need not be looked at. Pure.
 */
#ifndef PLEXBRIDGE_ORIGIN_ES_H
#define PLEXBRIDGE_ORIGIN_ES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct es_scan {
	uint8_t stream_type; /* of the PMT */
	bool decided;
	bool key; /* only when decided */
	uint8_t after; /* MPEG-2: bytes of the picture header still to come */
	uint32_t window; /* the last four bytes */
};

/* What a PMT's stream_type means here. */
bool es_is_video(uint8_t stream_type);
bool es_is_audio(uint8_t stream_type);

/* Begin an access unit. */
void es_begin(struct es_scan *scan, uint8_t stream_type);

/* Its next bytes. Returns decided. */
bool es_feed(struct es_scan *scan, const uint8_t *data, size_t len);

#endif
