/*
 * format.h - which decoder a picture asks for
 *
 * Profile, size and sampling, as its parameter sets say: what has to be the
 * same where one picture takes the place of another before a decoder that
 * was set up once. H.264 7.3.2.1.1, H.265 7.3.2.2, H.262 6.2.2.
 *
 * Pure. trust: hostile; nothing is read outside [buf, buf + len).
 */
#ifndef PLEXBRIDGE_WORKER_FORMAT_H
#define PLEXBRIDGE_WORKER_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/es.h"

struct format {
	uint32_t profile, level;
	uint32_t width, height; /* as shown */
	uint32_t chroma; /* chroma_format_idc */
	uint32_t luma_bits, chroma_bits;
};

/*
 * Read what stands in front of a key picture. 0; PB_NO: its codec's sets are
 * not read here; PB_EFORMAT: there are none, or broken ones.
 */
int format_read(enum es_codec codec, const uint8_t *buf, size_t len, struct format *out);

/* May b take the place of a? The same in all but the level, which may be lower. */
bool format_fits(const struct format *a, const struct format *b);

#endif
