/*
 * es.h - looks into an elementary stream, without decoding it
 *
 * Pure functions over the bytes of one access unit. They answer what the
 * conformer must know to cut and to join: may a decoder start here, does it
 * find its parameter sets here, how long does this audio last.
 *
 *   trust   hostile; nothing is read outside [buf, buf + len)
 *   cost    the look stops at the first picture data (64 KiB at most)
 */
#ifndef PLEXBRIDGE_WORKER_ES_H
#define PLEXBRIDGE_WORKER_ES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What can be carried. The numbers are kept in snapshots: append only. */
enum es_codec {
	ES_NONE = 0,
	ES_MPEG_VIDEO, /* MPEG-1 and MPEG-2 */
	ES_MPEG4_VIDEO,
	ES_H264,
	ES_HEVC,
	ES_VVC,
	ES_MPEG_AUDIO,
	ES_AAC,
	ES_LATM,
	ES_AC3,
	ES_EAC3,
	ES_DTS,
	ES_OPUS,
	ES_CODECS
};

#define ES_PARAMS 8 /* parameter sets that a look remembers */

struct es_look {
	bool key; /* decoding can start here, whatever came before */
	bool entry; /* a weaker place: recovery point or an intra picture */
	bool params; /* every parameter set that a decoder needs stands in front */
	size_t insert_at; /* where parameter sets may be put: behind a delimiter */
	int nparams;
	struct {
		size_t at; /* its start code */
		size_t len; /* up to the next start code */
	} param[ES_PARAMS];
};

bool es_is_video(enum es_codec codec);

/* "h264", "aac"...: static storage, never NULL. */
const char *es_name(enum es_codec codec);

/* Look at the start of a video access unit. Writes all of *look. */
void es_look(enum es_codec codec, const uint8_t *buf, size_t len, struct es_look *look);

/*
 * What was decoded before is of no use to the picture in this access unit,
 * and nothing comes that leans on both. HEVC has a way to say so, which is
 * only a name: a clean random access (CRA) becomes one behind a broken link
 * (BLA_N_LP). Without it a decoder behind a cut counts pictures on from where
 * it was. Everything else is left as it is. Looks at all of buf, for a CRA.
 */
void es_break_link(enum es_codec codec, uint8_t *buf, size_t len);

/*
 * How long the whole frames in buf play, in 90 kHz ticks. 0 when buf does
 * not begin with a frame or the codec's frames are not read here.
 */
int64_t es_audio_ticks(enum es_codec codec, const uint8_t *buf, size_t len);

/*
 * How many bytes at the start of buf to leave out so that it begins ticks
 * later, to the nearest frame; *skipped is what that comes to. len when
 * all of it plays before, 0 when its frames are not read here.
 */
size_t es_audio_skip(enum es_codec codec, const uint8_t *buf, size_t len, int64_t ticks, int64_t *skipped);

/*
 * Length in bytes of the frame at buf, and its samples and rate; 0 when no
 * frame begins there. ADTS needs 7 bytes, AC-3 and E-AC-3 need 6.
 */
size_t es_adts_frame(const uint8_t *buf, size_t len, unsigned *samples, unsigned *rate);
size_t es_ac3_frame(const uint8_t *buf, size_t len, unsigned *samples, unsigned *rate);

#endif
