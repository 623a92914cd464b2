/*
 * es.c - how es.h looks
 *
 * Start codes are searched only up to the first slice: in a live stream
 * that is a few hundred bytes of an access unit, however big the picture.
 * Behind it they are searched at a cut alone (es_break_link).
 */
#include <string.h>

#include "base/pb.h"
#include "worker/es.h"

#define LOOK_MAX (64 * 1024) /* SEI can be long; a picture's data is not looked through */

/* H.265 table 7-1. */
#define HEVC_BLA_W_LP 16
#define HEVC_BLA_N_LP 18
#define HEVC_CRA 21
#define HEVC_VPS 32

static const char *const names[] = {
	[ES_NONE] = "none",
	[ES_MPEG_VIDEO] = "mpeg2video",
	[ES_MPEG4_VIDEO] = "mpeg4",
	[ES_H264] = "h264",
	[ES_HEVC] = "hevc",
	[ES_VVC] = "vvc",
	[ES_MPEG_AUDIO] = "mpegaudio",
	[ES_AAC] = "aac",
	[ES_LATM] = "aac_latm",
	[ES_AC3] = "ac3",
	[ES_EAC3] = "eac3",
	[ES_DTS] = "dts",
	[ES_OPUS] = "opus",
};
_Static_assert(NITEMS(names) == ES_CODECS, "es.h and this table differ");

/* What one NAL unit, or start code, is to the look. */
enum nal {
	NAL_OTHER,
	NAL_DELIMITER,
	NAL_SPS,
	NAL_PPS,
	NAL_VPS,
	NAL_SEI,
	NAL_SLICE, /* picture data, intra or not is in the bytes */
	NAL_KEY_SLICE, /* picture data that a decoder can start with */
};

bool
es_is_video(enum es_codec codec)
{
	return codec >= ES_MPEG_VIDEO && codec <= ES_VVC;
}

const char *
es_name(enum es_codec codec)
{
	return (unsigned)codec < NITEMS(names) ? names[codec] : "unknown";
}

/* The next 00 00 01 at or after at; len when there is none. */
static size_t
next_start(const uint8_t *buf, size_t len, size_t at)
{
	const uint8_t *one;

	for (at += 2; at < len; at = (size_t)(one - buf) + 1) {
		one = memchr(buf + at, 1, len - at);
		if (one == NULL)
			break;
		if (one[-1] == 0 && one[-2] == 0)
			return (size_t)(one - buf) - 2;
	}
	return len;
}

/* Exp-Golomb code number at *bit, UINT32_MAX when it does not fit (H.264 9.1). */
static uint32_t
read_ue(const uint8_t *b, size_t len, size_t *bit)
{
	unsigned zeros = 0;
	uint32_t v = 0;

	while (*bit < len * 8 && !(b[*bit >> 3] >> (7 - (*bit & 7)) & 1)) {
		if (++zeros > 24)
			return UINT32_MAX;
		++*bit;
	}
	if (*bit + zeros + 1 > len * 8)
		return UINT32_MAX;
	for (unsigned i = 0; i <= zeros; i++, ++*bit)
		v = v << 1 | (b[*bit >> 3] >> (7 - (*bit & 7)) & 1);
	return v - 1;
}

/* H.264 7.3.3: slice_type 2 or 7 is an I slice. */
static bool
h264_intra(const uint8_t *b, size_t len)
{
	size_t bit = 8;
	uint32_t type;

	if (len > 24)
		len = 24;
	if (read_ue(b, len, &bit) == UINT32_MAX)
		return false;
	type = read_ue(b, len, &bit);
	return type == 2 || type == 7;
}

/* H.264 D.1: payload type 6 is a recovery point. */
static bool
sei_recovery(const uint8_t *b, size_t len)
{
	size_t at = 1;

	while (at + 2 <= len && b[at] != 0x80) {
		unsigned type = 0, size = 0;

		while (at < len && b[at] == 0xff)
			type += b[at++];
		if (at == len)
			return false;
		type += b[at++];
		while (at < len && b[at] == 0xff)
			size += b[at++];
		if (at == len)
			return false;
		size += b[at++];
		if (type == 6)
			return true;
		if (size > len - at)
			return false;
		at += size;
	}
	return false;
}

static enum nal
h264_nal(const uint8_t *b)
{
	switch (b[0] & 0x1f) {
	case 1:
	case 2:
		return NAL_SLICE;
	case 5:
		return NAL_KEY_SLICE;
	case 6:
		return NAL_SEI;
	case 7:
		return NAL_SPS;
	case 8:
		return NAL_PPS;
	case 9:
		return NAL_DELIMITER;
	}
	return NAL_OTHER;
}

static enum nal
hevc_nal(const uint8_t *b)
{
	unsigned type = b[0] >> 1 & 0x3f;

	if (type >= HEVC_BLA_W_LP && type <= HEVC_CRA)
		return NAL_KEY_SLICE;
	if (type < HEVC_VPS)
		return NAL_SLICE;
	switch (type) {
	case HEVC_VPS:
		return NAL_VPS;
	case 33:
		return NAL_SPS;
	case 34:
		return NAL_PPS;
	case 35:
		return NAL_DELIMITER;
	}
	return NAL_OTHER;
}

/* H.266 table 5: the type is in the second byte. A VPS may be left out there. */
static enum nal
vvc_nal(const uint8_t *b, size_t len)
{
	unsigned type = len > 1 ? b[1] >> 3 : 31;

	if (type >= 7 && type <= 9)
		return NAL_KEY_SLICE;
	if (type < 12)
		return NAL_SLICE;
	switch (type) {
	case 14:
		return NAL_VPS;
	case 15:
		return NAL_SPS;
	case 16:
		return NAL_PPS;
	case 20:
		return NAL_DELIMITER;
	}
	return NAL_OTHER;
}

/* H.262 6.2: B3 sequence header, 00 picture header with its coding type. */
static enum nal
mpeg2_nal(const uint8_t *b, size_t len, bool *intra)
{
	if (b[0] == 0xb3)
		return NAL_SPS;
	if (b[0] != 0x00)
		return NAL_OTHER;
	*intra = len >= 3 && (b[2] >> 3 & 7) == 1;
	return NAL_SLICE;
}

/* ISO/IEC 14496-2 6.2: 20..2F video object layer, B6 a picture. */
static enum nal
mpeg4_nal(const uint8_t *b, size_t len, bool *intra)
{
	if (b[0] >= 0x20 && b[0] <= 0x2f)
		return NAL_SPS;
	if (b[0] != 0xb6)
		return NAL_OTHER;
	*intra = len >= 2 && b[1] >> 6 == 0;
	return NAL_SLICE;
}

static void
remember(struct es_look *look, size_t at, size_t end)
{
	if (look->nparams == ES_PARAMS)
		return;
	look->param[look->nparams].at = at;
	look->param[look->nparams].len = end - at;
	look->nparams++;
}

void
es_look(enum es_codec codec, const uint8_t *buf, size_t len, struct es_look *look)
{
	bool vps = false, sps = false, pps = false, recovery = false, intra = false;
	size_t at, next;

	memset(look, 0, sizeof(*look));
	if (len > LOOK_MAX)
		len = LOOK_MAX;
	for (at = next_start(buf, len, 0); at + 3 < len; at = next) {
		const uint8_t *b = buf + at + 3;
		size_t left = len - at - 3;
		enum nal nal = NAL_OTHER;

		switch (codec) {
		case ES_H264:
			nal = h264_nal(b);
			break;
		case ES_HEVC:
			nal = hevc_nal(b);
			break;
		case ES_VVC:
			nal = vvc_nal(b, left);
			break;
		case ES_MPEG_VIDEO:
			nal = mpeg2_nal(b, left, &intra);
			break;
		case ES_MPEG4_VIDEO:
			nal = mpeg4_nal(b, left, &intra);
			break;
		default:
			return;
		}
		if (nal == NAL_SLICE || nal == NAL_KEY_SLICE) {
			if (codec == ES_H264)
				intra = h264_intra(b, left);
			look->key = nal == NAL_KEY_SLICE;
			break;
		}
		next = next_start(buf, len, at + 3);
		switch (nal) {
		case NAL_DELIMITER:
			look->insert_at = next < len ? next : 0;
			break;
		case NAL_VPS:
			vps = true;
			remember(look, at, next);
			break;
		case NAL_SPS:
			sps = true;
			remember(look, at, next);
			break;
		case NAL_PPS:
			pps = true;
			remember(look, at, next);
			break;
		case NAL_SEI:
			if (codec == ES_H264 && sei_recovery(b, next - at - 3))
				recovery = true;
			break;
		default:
			break;
		}
	}
	look->params = sps;
	if (codec == ES_H264 || codec == ES_HEVC || codec == ES_VVC)
		look->params = sps && pps && (codec != ES_HEVC || vps);
	if (codec == ES_MPEG_VIDEO || codec == ES_MPEG4_VIDEO)
		look->key = sps && intra;
	look->entry = look->key || recovery || intra;
}

void
es_break_link(enum es_codec codec, uint8_t *buf, size_t len)
{
	if (codec != ES_HEVC)
		return;
	for (size_t at = next_start(buf, len, 0); at + 3 < len; at = next_start(buf, len, at + 3)) {
		uint8_t *b = buf + at + 3;
		unsigned type = *b >> 1 & 0x3f;

		if (type == HEVC_CRA) /* the headers of its slices have the same fields (H.265 7.3.6.1) */
			*b = (uint8_t)((*b & 0x81) | HEVC_BLA_N_LP << 1);
		else if (type < HEVC_VPS) /* a picture's slices are all of one type (7.4.2.2) */
			return;
	}
}

size_t
es_adts_frame(const uint8_t *b, size_t len, unsigned *samples, unsigned *rate)
{
	static const unsigned rates[16] = { 96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025,
		8000, 7350 };
	size_t frame;

	if (len < 7 || b[0] != 0xff || (b[1] & 0xf6) != 0xf0)
		return 0;
	frame = (size_t)(b[3] & 3) << 11 | (size_t)b[4] << 3 | b[5] >> 5;
	*rate = rates[b[2] >> 2 & 15];
	*samples = 1024 * ((b[6] & 3) + 1u);
	return frame >= 7 && *rate > 0 ? frame : 0;
}

/* ATSC A/52 5.3.1, 5.4.1 and E.2.3.1. */
size_t
es_ac3_frame(const uint8_t *b, size_t len, unsigned *samples, unsigned *rate)
{
	static const unsigned rates[4] = { 48000, 44100, 32000, 0 };
	static const uint16_t kbps[19] = { 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
		576, 640 };
	static const unsigned blocks[4] = { 1, 2, 3, 6 };
	unsigned fscod, size, words;

	if (len < 6 || b[0] != 0x0b || b[1] != 0x77)
		return 0;
	fscod = b[4] >> 6;
	if (b[5] >> 3 > 10) { /* bsid 11..16: E-AC-3 */
		*rate = rates[fscod];
		*samples = 256 * blocks[b[4] >> 4 & 3];
		if (fscod == 3) {
			*rate = rates[b[4] >> 4 & 3] / 2;
			*samples = 1536;
		}
		if (*rate == 0)
			return 0;
		if (b[2] >> 6 == 1) /* a dependent substream adds no time */
			*samples = 0;
		return 2 * (((size_t)(b[2] & 7) << 8 | b[3]) + 1);
	}
	size = b[4] & 0x3f;
	if (fscod == 3 || size >= 2 * NITEMS(kbps))
		return 0;
	*rate = rates[fscod];
	*samples = 1536;
	words = kbps[size >> 1] * 96000u / *rate; /* 1536 samples, 16 bits a word */
	if (fscod == 1)
		words += size & 1;
	return 2 * (size_t)words;
}

/* The whole frame at buf, 0 when there is none that is read here. */
static size_t
audio_frame(enum es_codec codec, const uint8_t *buf, size_t len, unsigned *samples, unsigned *rate)
{
	size_t frame = 0;

	if (codec == ES_AAC)
		frame = es_adts_frame(buf, len, samples, rate);
	else if (codec == ES_AC3 || codec == ES_EAC3)
		frame = es_ac3_frame(buf, len, samples, rate);
	return frame <= len ? frame : 0;
}

int64_t
es_audio_ticks(enum es_codec codec, const uint8_t *buf, size_t len)
{
	unsigned samples = 0, rate = 0, last_rate = 0;
	int64_t sum = 0; /* in samples, all of one rate: one rounding for all */
	size_t at = 0, frame;

	while ((frame = audio_frame(codec, buf + at, len - at, &samples, &rate)) > 0) {
		sum += samples;
		last_rate = rate;
		at += frame;
	}
	return last_rate == 0 ? 0 : sum * 90000 / last_rate;
}

size_t
es_audio_skip(enum es_codec codec, const uint8_t *buf, size_t len, int64_t ticks, int64_t *skipped)
{
	unsigned samples = 0, rate = 0;
	int64_t sum = 0;
	size_t at = 0, frame;

	*skipped = 0;
	while ((frame = audio_frame(codec, buf + at, len - at, &samples, &rate)) > 0) {
		if ((sum + samples / 2) * 90000 / rate >= ticks)
			break;
		sum += samples;
		at += frame;
		*skipped = sum * 90000 / rate;
	}
	return at;
}
