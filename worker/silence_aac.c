/*
 * silence_aac.c - AAC without a spectrum, in either of its two wrappings
 *
 * The elements stand as the channel configuration wants them, each with one
 * long window of which no band is coded: a decoder makes zeros of that,
 * whatever it held before but for half a window that fades out.
 */
#include <stdbool.h>
#include <string.h>

#include "base/pb.h"
#include "worker/bits.h"
#include "worker/silence.h"

#define ADTS_HEADER 7
#define LATM_HEADER 3
#define LATM_SYNC 0x2b7
#define LATM_MAX 0x1fff
#define AOT_LC 2
#define AOT_SBR 5
#define AOT_PS 29

static const unsigned rates[16] = { 96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000,
	7350 };

/* What stands behind ics_info in each channel: a gain of nothing; no pulses, no TNS, no gain control. */
static void
put_nothing(struct bits_out *b)
{
	bits_put(b, 0, 8);
	bits_put(b, 0, 3);
}

/* single_channel_element(), and lfe_channel_element(), which has the same form. */
static void
put_single(struct bits_out *b, unsigned element, unsigned tag)
{
	bits_put(b, element, 3);
	bits_put(b, tag, 4);
	bits_put(b, 0, 8); /* global_gain */
	bits_put(b, 0, 1 + 2 + 1 + 6 + 1); /* ics_info(): a long window, max_sfb 0, no prediction */
	bits_put(b, 0, 3);
}

static void
put_pair(struct bits_out *b, unsigned tag)
{
	bits_put(b, 1, 3);
	bits_put(b, tag, 4);
	bits_put(b, 1, 1); /* common_window */
	bits_put(b, 0, 1 + 2 + 1 + 6 + 1);
	bits_put(b, 0, 2); /* ms_mask_present */
	put_nothing(b);
	put_nothing(b);
}

/* raw_data_block() for a channel configuration from 1 to 7. */
static void
put_block(struct bits_out *b, unsigned channels)
{
	/* Table 1.19: single elements before the pairs, pairs, single elements behind them, effects. */
	static const struct {
		uint8_t front, pairs, back, lfe;
	} layouts[8] = { { 0 }, { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 1, 1, 0, 0 }, { 1, 1, 1, 0 }, { 1, 2, 0, 0 },
		{ 1, 2, 0, 1 }, { 1, 3, 0, 1 } };
	unsigned single = 0;

	if (layouts[channels].front > 0)
		put_single(b, 0, single++);
	for (unsigned i = 0; i < layouts[channels].pairs; i++)
		put_pair(b, i);
	if (layouts[channels].back > 0)
		put_single(b, 0, single);
	if (layouts[channels].lfe > 0)
		put_single(b, 3, 0);
	bits_put(b, 7, 3);
}

size_t
silence_adts(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate)
{
	struct bits_out b = { .at = out + ADTS_HEADER, .len = SILENCE_FRAME_MAX - ADTS_HEADER };
	unsigned channels;
	size_t n;

	if (es_adts_frame(own, len, samples, rate) == 0)
		return 0;
	channels = (unsigned)(own[2] & 1) << 2 | own[3] >> 6;
	if (channels == 0) /* the layout stands in the frame: not read here */
		return 0;
	memcpy(out, own, ADTS_HEADER);
	put_block(&b, channels);
	n = ADTS_HEADER + (b.n + 7) / 8;
	out[1] |= 1; /* no CRC */
	out[3] = (uint8_t)((out[3] & 0xfc) | n >> 11);
	out[4] = (uint8_t)(n >> 3);
	out[5] = (uint8_t)((n & 7) << 5 | 0x1f); /* fullness 0x7ff: not told */
	out[6] = 0xfc; /* one raw data block */
	*samples = 1024;
	return n;
}

/* Copy samplingFrequencyIndex. 0: there is no such. */
static unsigned
copy_rate(struct bits_out *to, struct bits_in *from)
{
	uint32_t index = bits_copy(to, from, 4);

	return index == 15 ? bits_copy(to, from, 24) : rates[index];
}

/* Copy AudioSpecificConfig(). The channel configuration; 0: it is none that is read here. */
static unsigned
copy_config(struct bits_out *to, struct bits_in *from, unsigned *samples, unsigned *rate)
{
	uint32_t type = bits_copy(to, from, 5);
	unsigned channels;

	*rate = copy_rate(to, from);
	channels = bits_copy(to, from, 4);
	if (type == AOT_SBR || type == AOT_PS) {
		(void)copy_rate(to, from); /* that of the extension: frames sound as long without it */
		type = bits_copy(to, from, 5);
	}
	if (type != AOT_LC || *rate == 0 || *rate > 96000 || channels > 7)
		return 0;
	*samples = bits_copy(to, from, 1) ? 960 : 1024;
	if (bits_copy(to, from, 1) || bits_copy(to, from, 1)) /* another core, an extension */
		return 0;
	return channels;
}

size_t
silence_latm(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate)
{
	struct bits_in from = { .at = own, .len = len };
	struct bits_out to = { .at = out, .len = SILENCE_FRAME_MAX };
	struct bits_out block = { .len = 64 };
	uint8_t raw[64] = { 0 };
	unsigned channels;
	size_t n;

	/* AudioSyncStream(): the length is put right at the end. Then AudioMuxElement(1), 1.7.3. */
	if (len < LATM_HEADER || bits_copy(&to, &from, 11) != LATM_SYNC)
		return 0;
	(void)bits_get(&from, 13);
	bits_put(&to, 0, 13);
	if (bits_copy(&to, &from, 1) != 0) /* useSameStreamMux: the configuration stands elsewhere */
		return 0;
	/* audioMuxVersion 0, allStreamsSameTimeFraming 1, one subframe, programme and layer. */
	if (bits_copy(&to, &from, 1) != 0 || bits_copy(&to, &from, 1) != 1 || bits_copy(&to, &from, 6 + 4 + 3) != 0)
		return 0;
	channels = copy_config(&to, &from, samples, rate);
	if (channels == 0 || bits_copy(&to, &from, 3) != 0) /* frameLengthType */
		return 0;
	(void)bits_copy(&to, &from, 8); /* latmBufferFullness */
	if (bits_get(&from, 1) != 0) /* otherDataPresent */
		return 0;
	(void)bits_get(&from, 1); /* crcCheckPresent */
	bits_put(&to, 0, 2);
	if (from.over)
		return 0;
	block.at = raw;
	put_block(&block, channels);
	n = (block.n + 7) / 8; /* 42 bytes for 7.1: one byte says it */
	bits_put(&to, (uint32_t)n, 8);
	for (size_t i = 0; i < n; i++)
		bits_put(&to, raw[i], 8);
	n = (to.n + 7) / 8;
	if (to.over || block.over || n - LATM_HEADER > LATM_MAX)
		return 0;
	out[1] |= (uint8_t)((n - LATM_HEADER) >> 8);
	out[2] = (uint8_t)(n - LATM_HEADER);
	return n;
}
