/*
 * es.c - start codes, and what stands behind them
 */
#include "origin/es.h"

#define H264_SLICE 1
#define H264_IDR 5
#define HEVC_BLA_W_LP 16 /* the first of the types that a decoder can start at */
#define HEVC_CRA 21 /* the last */
#define HEVC_VCL_MAX 31

bool
es_is_video(uint8_t stream_type)
{
	return stream_type == 0x01 || stream_type == 0x02 || stream_type == 0x1b || stream_type == 0x24;
}

bool
es_is_audio(uint8_t stream_type)
{
	return stream_type == 0x03 || stream_type == 0x04 || stream_type == 0x0f || stream_type == 0x11 ||
	    stream_type == 0x81 || stream_type == 0x87;
}

void
es_begin(struct es_scan *scan, uint8_t stream_type)
{
	scan->stream_type = stream_type;
	scan->decided = false;
	scan->key = false;
	scan->after = 0;
	scan->window = 0xffffffffu;
}

static void
decide(struct es_scan *scan, bool key)
{
	scan->decided = true;
	scan->key = key;
}

/* The byte behind 00 00 01. */
static void
on_code(struct es_scan *scan, uint8_t code)
{
	int type;

	switch (scan->stream_type) {
	case 0x1b:
		type = code & 0x1f;
		if (type >= H264_SLICE && type <= H264_IDR)
			decide(scan, type == H264_IDR);
		break;
	case 0x24:
		type = code >> 1 & 0x3f;
		if (type <= HEVC_VCL_MAX)
			decide(scan, type >= HEVC_BLA_W_LP && type <= HEVC_CRA);
		break;
	case 0x01:
	case 0x02:
		if (code == 0x00)
			scan->after = 2;
		break;
	default:
		decide(scan, true); /* nothing known of it: every unit is as good as another */
	}
}

bool
es_feed(struct es_scan *scan, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len && !scan->decided; i++) {
		scan->window = scan->window << 8 | data[i];
		if (scan->after > 0) {
			/* temporal_reference is 10 bits, picture_coding_type the 3 behind it (13818-2 6.2.3). */
			if (--scan->after == 0)
				decide(scan, (data[i] >> 3 & 7) == 1);
			continue;
		}
		if ((scan->window & 0xffffff00u) == 0x00000100u)
			on_code(scan, data[i]);
	}
	return scan->decided;
}
