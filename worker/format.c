/*
 * format.c - parameter sets, as far as the size of the picture
 */
#include "worker/format.h"

#include <string.h>

#include "base/pb.h"
#include "worker/bits.h"

#define SPS_MAX 512 /* bytes that are looked at; VUI and what follows are not read */
#define H264_SPS 7
#define HEVC_SPS 33
#define MPEG_SEQUENCE 0xb3
#define MPEG_EXTENSION 0xb5
#define SIDE_MAX 16384

/* Exp-Golomb; what is out of all bounds counts as the end of the set. */
static uint32_t
get_ue(struct bits_in *b)
{
	unsigned zeros = 0;

	while (!b->over && zeros < 24 && bits_get(b, 1) == 0)
		zeros++;
	if (zeros == 24)
		b->over = true;
	return b->over ? 0 : (1u << zeros) - 1 + bits_get(b, zeros);
}

static int32_t
get_se(struct bits_in *b)
{
	uint32_t v = get_ue(b);

	return v & 1 ? (int32_t)(v / 2 + 1) : -(int32_t)(v / 2);
}

/* The payload of a NAL unit without emulation prevention (7.4.1), as much as fits. */
static size_t
unescape(const uint8_t *nal, size_t len, uint8_t out[SPS_MAX])
{
	size_t n = 0;
	unsigned zeros = 0;

	for (size_t i = 0; i < len && n < SPS_MAX; i++) {
		if (zeros >= 2 && nal[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = nal[i] == 0 ? zeros + 1 : 0;
		out[n++] = nal[i];
	}
	return n;
}

/* Scaling lists say nothing of the decoder; they only have to be passed over (7.3.2.1.1.1). */
static void
skip_scaling(struct bits_in *b, uint32_t chroma)
{
	for (unsigned i = 0; i < (chroma != 3 ? 8u : 12u); i++) {
		int32_t last = 8, next = 8;

		if (bits_get(b, 1) == 0)
			continue;
		for (unsigned j = 0; j < (i < 6 ? 16u : 64u) && !b->over; j++) {
			if (next != 0)
				next = (last + get_se(b) + 256) % 256;
			last = next == 0 ? last : next;
		}
	}
}

/* Cut so many units at the sides. */
static void
crop(struct bits_in *b, struct format *f, uint32_t unit_x, uint32_t unit_y)
{
	uint32_t x = get_ue(b), y;

	x += get_ue(b);
	y = get_ue(b);
	y += get_ue(b);
	if (x > SIDE_MAX || y > SIDE_MAX || x * unit_x >= f->width || y * unit_y >= f->height) {
		b->over = true;
		return;
	}
	f->width -= x * unit_x;
	f->height -= y * unit_y;
}

static bool
has_chroma(uint32_t profile)
{
	static const uint8_t profiles[] = { 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135 };

	return memchr(profiles, (int)profile, sizeof(profiles)) != NULL;
}

static void
h264(struct bits_in *b, struct format *f)
{
	uint32_t order, frames;

	(void)bits_get(b, 8);
	f->profile = bits_get(b, 8);
	(void)bits_get(b, 8); /* constraints */
	f->level = bits_get(b, 8);
	(void)get_ue(b);
	f->chroma = 1;
	f->luma_bits = f->chroma_bits = 8;
	if (has_chroma(f->profile)) {
		f->chroma = get_ue(b);
		if (f->chroma == 3)
			(void)bits_get(b, 1);
		f->luma_bits = 8 + get_ue(b);
		f->chroma_bits = 8 + get_ue(b);
		(void)bits_get(b, 1);
		if (bits_get(b, 1) != 0)
			skip_scaling(b, f->chroma);
	}
	(void)get_ue(b); /* log2_max_frame_num */
	order = get_ue(b);
	if (order == 0)
		(void)get_ue(b);
	if (order == 1) {
		(void)bits_get(b, 1);
		(void)get_se(b);
		(void)get_se(b);
		for (uint32_t n = get_ue(b); n > 0 && !b->over; n--)
			(void)get_se(b);
	}
	(void)get_ue(b); /* max_num_ref_frames */
	(void)bits_get(b, 1);
	f->width = 16 * (get_ue(b) + 1);
	f->height = 16 * (get_ue(b) + 1);
	frames = bits_get(b, 1); /* frame_mbs_only_flag */
	if (frames == 0) {
		f->height *= 2;
		(void)bits_get(b, 1);
	}
	(void)bits_get(b, 1);
	if (bits_get(b, 1) != 0)
		crop(b, f, f->chroma == 1 || f->chroma == 2 ? 2 : 1, (f->chroma == 1 ? 2 : 1) * (frames ? 1 : 2));
}

static void
hevc(struct bits_in *b, struct format *f)
{
	bool profile[8] = { false }, level[8] = { false };
	unsigned layers;

	(void)bits_get(b, 16 + 4);
	layers = bits_get(b, 3); /* sps_max_sub_layers_minus1 */
	(void)bits_get(b, 1 + 2);
	f->profile = bits_get(b, 1) << 8; /* tier, then profile */
	f->profile |= bits_get(b, 5);
	(void)bits_get(b, 32);
	(void)bits_get(b, 32);
	(void)bits_get(b, 16);
	f->level = bits_get(b, 8);
	for (unsigned i = 0; i < layers; i++) {
		profile[i] = bits_get(b, 1);
		level[i] = bits_get(b, 1);
	}
	if (layers > 0)
		(void)bits_get(b, 2 * (8 - layers));
	for (unsigned i = 0; i < layers; i++) {
		for (unsigned n = 0; profile[i] && n < 88; n += 22)
			(void)bits_get(b, 22);
		if (level[i])
			(void)bits_get(b, 8);
	}
	(void)get_ue(b);
	f->chroma = get_ue(b);
	if (f->chroma == 3)
		(void)bits_get(b, 1);
	f->width = get_ue(b);
	f->height = get_ue(b);
	if (bits_get(b, 1) != 0)
		crop(b, f, f->chroma == 1 || f->chroma == 2 ? 2 : 1, f->chroma == 1 ? 2 : 1);
	f->luma_bits = 8 + get_ue(b);
	f->chroma_bits = 8 + get_ue(b);
}

/* sequence_header(), and its extension behind it: without one it is MPEG-1. */
static void
mpeg(struct bits_in *b, struct format *f, const uint8_t *extension, size_t len)
{
	struct bits_in e = { .at = extension, .len = len };

	(void)bits_get(b, 8);
	f->width = bits_get(b, 12);
	f->height = bits_get(b, 12);
	f->chroma = 1;
	f->luma_bits = f->chroma_bits = 8;
	if (extension == NULL)
		return;
	(void)bits_get(&e, 8 + 4);
	f->profile = 0x100 | bits_get(&e, 4);
	f->level = 15 - bits_get(&e, 4); /* as written, a lower level has a higher number */
	(void)bits_get(&e, 1);
	f->chroma = bits_get(&e, 2);
	f->width |= bits_get(&e, 2) << 12;
	f->height |= bits_get(&e, 2) << 12;
	b->over |= e.over;
}

/* The set's NAL unit, or header, of that type among those that es_look() found; its start code is left out. */
static const uint8_t *
find(enum es_codec codec, const uint8_t *buf, const struct es_look *look, unsigned type, size_t *len)
{
	for (int i = 0; i < look->nparams; i++) {
		const uint8_t *p = buf + look->param[i].at;
		size_t n = look->param[i].len;

		while (n > 4 && p[0] == 0) {
			p++;
			n--;
		}
		if (n < 5 || p[0] != 1)
			continue;
		p++;
		*len = n - 1;
		if ((codec == ES_H264 && (p[0] & 0x1f) == type) || (codec == ES_HEVC && (p[0] >> 1 & 0x3f) == type) ||
		    (codec == ES_MPEG_VIDEO && p[0] == type))
			return p;
	}
	return NULL;
}

int
format_read(enum es_codec codec, const uint8_t *buf, size_t len, struct format *out)
{
	uint8_t raw[SPS_MAX];
	struct bits_in b = { .at = raw };
	const uint8_t *set, *extension;
	size_t n, left;
	struct es_look look;

	if (codec != ES_H264 && codec != ES_HEVC && codec != ES_MPEG_VIDEO)
		return PB_NO;
	memset(out, 0, sizeof(*out));
	es_look(codec, buf, len, &look);
	set = find(codec, buf, &look, codec == ES_H264 ? H264_SPS : codec == ES_HEVC ? HEVC_SPS : MPEG_SEQUENCE, &n);
	if (set == NULL)
		return PB_EFORMAT;
	if (codec == ES_MPEG_VIDEO) {
		/* It stands behind the header, or nowhere. */
		extension = set + n;
		left = (size_t)(buf + len - extension);
		if (left < 5 || extension[3] != MPEG_EXTENSION || extension[4] >> 4 != 1)
			extension = NULL;
		b = (struct bits_in){ .at = set, .len = n };
		mpeg(&b, out, extension != NULL ? extension + 3 : NULL, left - 3);
	} else {
		b.len = unescape(set, n, raw);
		if (codec == ES_H264)
			h264(&b, out);
		else
			hevc(&b, out);
	}
	if (b.over || out->width == 0 || out->height == 0 || out->width > SIDE_MAX || out->height > SIDE_MAX)
		return PB_EFORMAT;
	return 0;
}

bool
format_fits(const struct format *a, const struct format *b)
{
	return a->profile == b->profile && b->level <= a->level && a->width == b->width && a->height == b->height &&
	    a->chroma == b->chroma && a->luma_bits == b->luma_bits && a->chroma_bits == b->chroma_bits;
}
