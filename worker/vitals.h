/*
 * vitals.h - is what a source sends still a channel?
 *
 * A source may send bytes in time that are of no use: a clock that stands,
 * no pictures any more, the same seconds over and over. This looks at
 * packets as they come, without a decoder, segment by segment (of an endless
 * stream: slice by slice), and says at the end of each what it found.
 *
 *   failure   the clock stands, pictures have gone though there were some in
 *             every segment before: whoever watches gets nothing of it
 *   doubt     the same content again within VITALS_REPEAT segments, far
 *             fewer bytes than before, no key frame for long: it may be a
 *             still picture, a radio or a loop, which are good channels
 *
 * A test card or a channel that loops longer clips is none of this.
 * Everything is learnt from the same source; begin anew with another one.
 *
 * Pure: no I/O, no clock; durations are the playlist's, in milliseconds.
 */
#ifndef PLEXBRIDGE_WORKER_VITALS_H
#define PLEXBRIDGE_WORKER_VITALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VITALS_REPEAT 3 /* segments: what comes again at a greater distance is a loop of the channel's */
#define VITALS_SHORT_MS 500 /* a segment that is shorter says nothing */
#define VITALS_SURE 3 /* segments that have to be alike before their end is missed */
#define VITALS_RATE 6 /* so many times fewer bytes are few */
#define VITALS_STRIDE_MAX 204

enum vital {
	VITAL_GOOD,
	VITAL_CLOCK, /* failure: PCR stands */
	VITAL_VIDEO, /* failure: video is gone */
	VITAL_REPEAT, /* doubt: the same content again */
	VITAL_RATE, /* doubt: the bitrate collapsed */
	VITAL_KEYS, /* doubt: no key frame for long */
	VITALS
};

struct vitals {
	/* Bytes to packets. */
	uint8_t carry[VITALS_STRIDE_MAX];
	size_t carried;
	int stride; /* 0: not in step */
	bool fresh; /* no byte of the segment was seen */

	/* Of the segment in hand. */
	uint64_t hash, bytes;
	uint64_t video, audio; /* PES that began */
	uint64_t pcrs;
	bool pcr_moved;

	/* Of the source. */
	bool pcr_known;
	uint16_t pcr_pid;
	int64_t pcr_27m;
	unsigned with_video; /* segments in a row that had pictures */
	uint64_t recent[VITALS_REPEAT];
	unsigned recent_count, recent_at;
	unsigned repeats; /* in a row */
	uint64_t usual_bps; /* bytes a second, smoothed; 0: not known */
	unsigned rated, thin; /* segments that it was learnt from; thin ones in a row */
	uint64_t keyless_ms, keyless_max_ms; /* max: 0 until a second key came */
	bool had_key;
	bool said[VITALS]; /* until it's over */
};

/* Begin with a source. */
void vitals_init(struct vitals *v);

/* A segment begins. */
void vitals_begin(struct vitals *v);

/* Its bytes, as they come, plain TS in any pieces. */
void vitals_feed(struct vitals *v, const void *buf, size_t len);

/*
 * It is over, and was so long; keys: key frames in it. slice: its borders
 * are anywhere. What was found, each thing once until it is over.
 */
enum vital vitals_end(struct vitals *v, uint32_t duration_ms, uint64_t keys, uint32_t target_ms, bool slice);

/* Does it fail its source (or only cast doubt on it)? */
bool vital_fails(enum vital vital);

/* In plain words. */
const char *vital_text(enum vital vital);

#endif
