/*
 * silence.c - how little a decoder needs to be told to say nothing
 *
 * Here is the choice, and MPEG audio; worker/silence_aac.c and
 * worker/silence_ac3.c know the others.
 */
#include <stdbool.h>
#include <string.h>

#include "base/pb.h"
#include "worker/silence.h"

static size_t
mpeg_audio(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate)
{
	static const uint16_t kbps[3][15] = {
		{ 0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384 }, /* MPEG-1 layer II */
		{ 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 }, /* MPEG-1 layer III */
		{ 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 }, /* lower rates, both */
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
	out[1] |= 1; /* no CRC */
	out[2] &= (uint8_t)~0x02; /* no padding */
	return n;
}

size_t
silence_make(enum es_codec codec, const uint8_t *own, size_t len, uint8_t out[SILENCE_FRAME_MAX], unsigned *samples,
    unsigned *rate)
{
	memset(out, 0, SILENCE_FRAME_MAX);
	switch (codec) {
	case ES_AAC:
		return silence_adts(own, len, out, samples, rate);
	case ES_LATM:
		return silence_latm(own, len, out, samples, rate);
	case ES_MPEG_AUDIO:
		return mpeg_audio(own, len, out, samples, rate);
	case ES_AC3:
		return silence_ac3(own, len, out, samples, rate);
	case ES_EAC3:
		return silence_eac3(own, len, out, samples, rate);
	default:
		return 0;
	}
}
