/*
 * silence.c - how little a decoder needs to be told to say nothing
 */
#include <stdbool.h>
#include <string.h>

#include "base/pb.h"
#include "worker/silence.h"

#define ADTS_HEADER 7

struct bits {
	uint8_t *out;
	size_t n; /* bits written */
};

static void
put(struct bits *b, unsigned value, unsigned width)
{
	for (unsigned i = width; i-- > 0; b->n++)
		if (value >> i & 1)
			b->out[b->n / 8] |= (uint8_t)(0x80 >> b->n % 8);
}

/* What stands behind ics_info in each channel: a gain of nothing; no pulses, no TNS, no gain control. */
static void
put_nothing(struct bits *b)
{
	put(b, 0, 8);
	put(b, 0, 3);
}

/* single_channel_element(), and lfe_channel_element(), which has the same form. */
static void
put_single(struct bits *b, unsigned element, unsigned tag)
{
	put(b, element, 3);
	put(b, tag, 4);
	put(b, 0, 8);      /* global_gain */
	put(b, 0, 1 + 2 + 1 + 6 + 1); /* ics_info(): a long window, max_sfb 0, no prediction */
	put(b, 0, 3);
}

static void
put_pair(struct bits *b, unsigned tag)
{
	put(b, 1, 3);
	put(b, tag, 4);
	put(b, 1, 1); /* common_window */
	put(b, 0, 1 + 2 + 1 + 6 + 1);
	put(b, 0, 2); /* ms_mask_present */
	put_nothing(b);
	put_nothing(b);
}

static size_t
adts(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate)
{
	/* Table 1.19: single elements before the pairs, pairs, single elements behind them, effects. */
	static const struct {
		uint8_t front, pairs, back, lfe;
	} layouts[8] = { { 0 }, { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 1, 1, 0, 0 }, { 1, 1, 1, 0 }, { 1, 2, 0, 0 },
		{ 1, 2, 0, 1 }, { 1, 3, 0, 1 } };
	struct bits b = { .out = out + ADTS_HEADER };
	unsigned channels, single = 0;
	size_t n;

	if (es_adts_frame(own, len, samples, rate) == 0)
		return 0;
	channels = (unsigned)(own[2] & 1) << 2 | own[3] >> 6;
	if (channels == 0) /* the layout stands in the frame: not read here */
		return 0;
	memcpy(out, own, ADTS_HEADER);
	if (layouts[channels].front > 0)
		put_single(&b, 0, single++);
	for (unsigned i = 0; i < layouts[channels].pairs; i++)
		put_pair(&b, i);
	if (layouts[channels].back > 0)
		put_single(&b, 0, single);
	if (layouts[channels].lfe > 0)
		put_single(&b, 3, 0);
	put(&b, 7, 3);
	n = ADTS_HEADER + (b.n + 7) / 8;
	out[1] |= 1; /* no CRC */
	out[3] = (uint8_t)((out[3] & 0xfc) | n >> 11);
	out[4] = (uint8_t)(n >> 3);
	out[5] = (uint8_t)((n & 7) << 5 | 0x1f); /* fullness 0x7ff: not told */
	out[6] = 0xfc; /* one raw data block */
	*samples = 1024;
	return n;
}

static size_t
mpeg_audio(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate)
{
	static const uint16_t kbps[3][15] = {
		{ 0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384 }, /* MPEG-1 layer II */
		{ 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 },  /* MPEG-1 layer III */
		{ 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 },      /* lower rates, both */
	};
	static const unsigned rates[3] = { 44100, 48000, 32000 };
	static const unsigned divide[4] = { 4, 0, 2, 1 };
	unsigned version, layer, bitrate;
	bool low;
	size_t n;

	if (len < 4 || own[0] != 0xff || (own[1] & 0xe0) != 0xe0)
		return 0;
	version = own[1] >> 3 & 3;
	layer = own[1] >> 1 & 3; /* 2: II, 1: III */
	bitrate = own[2] >> 4;
	if (divide[version] == 0 || layer == 0 || layer == 3 || bitrate == 0 || bitrate == 15 || (own[2] >> 2 & 3) == 3)
		return 0;
	low = version != 3;
	*rate = rates[own[2] >> 2 & 3] / divide[version];
	*samples = layer == 1 && low ? 576 : 1152;
	n = (size_t)*samples / 8 * kbps[low ? 2 : 2 - layer][bitrate] * 1000 / *rate;
	if (n < 48 || n > SILENCE_FRAME_MAX) /* header and side information */
		return 0;
	memcpy(out, own, 4);
	out[1] |= 1;             /* no CRC */
	out[2] &= (uint8_t)~0x02; /* no padding */
	return n;
}

size_t
silence_make(enum es_codec codec, const uint8_t *own, size_t len, uint8_t out[SILENCE_FRAME_MAX], unsigned *samples,
    unsigned *rate)
{
	memset(out, 0, SILENCE_FRAME_MAX);
	if (codec == ES_AAC)
		return adts(own, len, out, samples, rate);
	if (codec == ES_MPEG_AUDIO)
		return mpeg_audio(own, len, out, samples, rate);
	return 0;
}
