/*
 * vitals.c - a few counters over packets, and what they must not become
 *
 * The content's hash leaves out all that is made anew each time the same
 * clip is sent: packet heads with their counters, adaptation fields with
 * clocks, PES heads with times. Nor does it read every byte, which would be
 * a tenth of a worker's work: where a PES begins all of the packet, else its
 * last bytes. Coded pictures that differ at all differ from there on.
 */
#include "worker/vitals.h"

#include <string.h>

#include "base/pb.h"
#include "base/ts.h"

#define SYNC_PACKETS 3
#define STREAM_VIDEO 0xe0 /* stream_id of PES: 0xe0 to 0xef; ISO 13818-1 table 2-22 */
#define STREAM_AUDIO 0xc0 /* 0xc0 to 0xdf */
#define STREAM_PRIVATE 0xbd /* AC-3 and its like */
#define RATE_SEGMENTS 5 /* until a bitrate is known */
#define SLICE_AUDIO 5 /* PES: less is what a border of slices cuts off */
#define KEYLESS_UNKNOWN_MS 15000 /* no channel that one can zap to has fewer */
#define SAMPLE 16 /* bytes at the end of a packet in the middle of a PES */

static const uint64_t hash_seed = UINT64_C(0x9e3779b97f4a7c15);

void
vitals_init(struct vitals *v)
{
	memset(v, 0, sizeof(*v));
}

void
vitals_begin(struct vitals *v)
{
	v->carried = 0;
	v->stride = 0;
	v->fresh = true;
	v->hash = hash_seed;
	v->bytes = v->video = v->audio = v->pcrs = 0;
	v->pcr_moved = false;
}

static uint64_t
fold(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
	return hash ^ hash >> 32;
}

/* Eight bytes a step: it is a fingerprint among a handful, nobody attacks it. */
static void
mix(struct vitals *v, const uint8_t *p, size_t len)
{
	uint64_t hash = v->hash, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		hash = fold(hash, word);
	}
	if (len > 0) {
		word = 0;
		memcpy(&word, p, len);
		hash = fold(hash, word);
	}
	v->hash = hash;
}

static void
clock_seen(struct vitals *v, uint16_t pid, const uint8_t *p)
{
	int64_t base = (int64_t)p[0] << 25 | (int64_t)p[1] << 17 | (int64_t)p[2] << 9 | (int64_t)p[3] << 1 | p[4] >> 7;
	int64_t pcr_27m = base * 300 + ((p[4] & 1) << 8 | p[5]);

	if (!v->pcr_known || pid != v->pcr_pid || pcr_27m != v->pcr_27m)
		v->pcr_moved = true;
	v->pcr_known = true;
	v->pcr_pid = pid;
	v->pcr_27m = pcr_27m;
	v->pcrs++;
}

static void
packet(struct vitals *v, const uint8_t *p)
{
	uint16_t pid = (uint16_t)((p[1] & 0x1f) << 8 | p[2]);
	unsigned control = p[3] >> 4 & 3;
	size_t at = 4;

	if (pid == 0x1fff)
		return;
	if ((control & 2) != 0) {
		if (p[4] >= 7 && (p[5] & 0x10) != 0 && p[4] <= TS_PACKET - 5)
			clock_seen(v, pid, p + 6);
		at += 1 + (size_t)p[4];
	}
	if ((control & 1) == 0 || at >= TS_PACKET)
		return;
	v->bytes += TS_PACKET - at;
	if ((p[1] & 0x40) != 0 && TS_PACKET - at >= 9 && p[at] == 0 && p[at + 1] == 0 && p[at + 2] == 1) {
		uint8_t id = p[at + 3];

		v->video += (id & 0xf0) == STREAM_VIDEO;
		v->audio += (id & 0xe0) == STREAM_AUDIO || id == STREAM_PRIVATE;
		at += 9 + (size_t)p[at + 8];
		if (at >= TS_PACKET)
			return;
	} else {
		at = PB_MAX(at, (size_t)(TS_PACKET - SAMPLE));
	}
	mix(v, p + at, TS_PACKET - at);
}

void
vitals_feed(struct vitals *v, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len > 0) {
		size_t n;

		if (v->stride == 0 && v->fresh && p[0] == TS_SYNC)
			v->stride = TS_PACKET; /* as nearly all begin; if not, it is seen at the next packet */
		v->fresh = false;
		if (v->stride == 0) {
			long at = ts_find_sync(p, len, SYNC_PACKETS, false, &v->stride);

			if (at < 0) {
				v->stride = 0;
				return; /* too short, or no TS: nothing is known of it */
			}
			p += at;
			len -= (size_t)at;
			v->carried = 0;
			continue;
		}
		if (v->carried == 0 && len >= (size_t)v->stride) {
			if (p[0] != TS_SYNC) {
				v->stride = 0;
				continue;
			}
			packet(v, p);
			p += v->stride;
			len -= (size_t)v->stride;
			continue;
		}
		n = PB_MIN(len, (size_t)v->stride - v->carried);
		memcpy(v->carry + v->carried, p, n);
		v->carried += n;
		p += n;
		len -= n;
		if (v->carried < (size_t)v->stride)
			return;
		v->carried = 0;
		if (v->carry[0] == TS_SYNC)
			packet(v, v->carry);
		else
			v->stride = 0;
	}
}

/* Was this content here a moment ago? */
static bool
comes_again(struct vitals *v)
{
	bool again = false;

	for (unsigned i = 0; i < v->recent_count; i++)
		again |= v->recent[i] == v->hash;
	v->recent[v->recent_at] = v->hash;
	v->recent_at = (v->recent_at + 1) % VITALS_REPEAT;
	v->recent_count = PB_MIN(v->recent_count + 1, (unsigned)VITALS_REPEAT);
	return again;
}

/* Twice in a row: one may be a retransmission. */
static bool
repeats(struct vitals *v)
{
	v->repeats = comes_again(v) ? v->repeats + 1 : 0;
	return v->repeats >= 2;
}

static bool
is_thin(struct vitals *v, uint32_t duration_ms)
{
	uint64_t bps = v->bytes * 1000 / duration_ms;

	if (v->rated >= RATE_SEGMENTS && bps * VITALS_RATE < v->usual_bps) {
		v->thin++;
		return v->thin >= 2 || bps * 2 * VITALS_RATE < v->usual_bps;
	}
	v->thin = 0;
	v->rated++;
	v->usual_bps = v->usual_bps == 0 ? bps : (v->usual_bps * 7 + bps) / 8;
	return false;
}

/*
 * Longer than twice what was usual, and than nearly two target durations.
 * What is usual is not known before a second key came.
 */
static bool
is_keyless(struct vitals *v, uint32_t duration_ms, uint64_t keys, uint32_t target_ms)
{
	uint64_t usual_ms = v->keyless_max_ms != 0 ? 2 * v->keyless_max_ms : KEYLESS_UNKNOWN_MS;

	if (v->video == 0)
		return false;
	if (keys > 0) {
		if (v->had_key || keys > 1)
			v->keyless_max_ms =
			    PB_MAX(v->keyless_max_ms, PB_MAX(v->keyless_ms, (uint64_t)duration_ms / keys));
		v->had_key = true;
		v->keyless_ms = 0;
		return false;
	}
	v->keyless_ms += duration_ms;
	return v->keyless_ms >= PB_MAX(usual_ms, (uint64_t)target_ms * 7 / 4);
}

enum vital
vitals_end(struct vitals *v, uint32_t duration_ms, uint64_t keys, uint32_t target_ms, bool slice)
{
	bool found[VITALS] = { false };
	bool video_was_sure = v->with_video >= VITALS_SURE;

	if (v->bytes == 0 || duration_ms < VITALS_SHORT_MS)
		return VITAL_GOOD;
	v->with_video = v->video > 0 ? v->with_video + 1 : 0;
	found[VITAL_CLOCK] = v->pcrs > 0 && !v->pcr_moved;
	found[VITAL_VIDEO] =
	    v->video == 0 && v->audio >= (slice ? SLICE_AUDIO : 1u) && (video_was_sure || v->said[VITAL_VIDEO]);
	found[VITAL_REPEAT] = !slice && repeats(v);
	found[VITAL_RATE] = !slice && is_thin(v, duration_ms);
	found[VITAL_KEYS] = is_keyless(v, duration_ms, keys, target_ms);
	for (int i = VITAL_GOOD + 1; i < VITALS; i++) {
		bool before = v->said[i];

		v->said[i] = found[i];
		if (found[i] && !before) {
			for (int k = i + 1; k < VITALS; k++)
				v->said[k] = v->said[k] && found[k]; /* what is also found is said next time */
			return (enum vital)i;
		}
	}
	return VITAL_GOOD;
}

bool
vital_fails(enum vital vital)
{
	return vital == VITAL_CLOCK || vital == VITAL_VIDEO;
}

const char *
vital_text(enum vital vital)
{
	static const char *const texts[VITALS] = {
		[VITAL_GOOD] = "nothing is wrong",
		[VITAL_CLOCK] = "its clock (PCR) stands",
		[VITAL_VIDEO] = "its pictures are gone, only sound comes",
		[VITAL_REPEAT] = "it sends the same content again and again",
		[VITAL_RATE] = "its bitrate collapsed",
		[VITAL_KEYS] = "it sends no key frames any more",
	};

	return texts[vital];
}
