/*
 * media.c - an index of packets, and one walk that counts or writes
 *
 * Counting (at load) and writing (media_emit) are the same walk over a
 * segment's packets, once without and once with a buffer, so that the
 * continuity counters that a later segment begins with can't differ from
 * the ones the earlier segment ended with.
 */
#include "origin/media.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/ts.h"
#include "origin/es.h"

#define PSI_PACKETS_MAX 8 /* a PMT has at most 1021 bytes: 6 packets */
#define CUT_SLACK_90K 900 /* a key frame 10 ms early still ends a segment */
#define LOOP_MIN_90K 9000 /* 100 ms: what is shorter repeats itself to no purpose */
#define NO_SLOT 0xff

struct segment {
	uint32_t first; /* packet */
	uint32_t end; /* one past the last */
	uint32_t packets; /* that are written: these, and the PAT and PMT in front */
	int64_t start_90k; /* from the loop's begin */
	uint8_t cc[MEDIA_PIDS]; /* each PID's counter before this segment, from 0 at the loop's begin */
};

/* How far a PID's time goes in the file. */
struct extent {
	bool seen;
	int64_t last_90k; /* as on the wire */
	int64_t length_90k; /* from the first stamp to the last */
	int64_t step_90k; /* the last step: how long the last unit is taken to be */
};

struct media {
	const uint8_t *ts;
	uint8_t *own; /* what media_open() read, or NULL */
	uint32_t packets;

	uint16_t pmt_pid;
	uint16_t video_pid; /* or the first stream's, where there is no video */
	uint8_t video_type;
	bool has_video;
	uint32_t pat_packet;
	uint32_t pmt_packets[PSI_PACKETS_MAX];
	int npmt;

	uint8_t slot[TS_PIDS]; /* a PID's place in cc[], or NO_SLOT */
	uint16_t nslots;
	uint8_t cc_loop[MEDIA_PIDS]; /* counts of a whole loop, modulo 16 */

	struct segment *segments;
	size_t nsegments;
	int64_t loop_90k;
	int64_t longest_90k;
};

static int index_psi(struct media *media);
static int index_segments(struct media *media, int64_t seg_90k);
static int index_extents(struct media *media);
static int index_counters(struct media *media);
static uint32_t walk(
    const struct media *media, const struct segment *segment, uint8_t *cc, int64_t shift_90k, uint8_t *out);

static const uint8_t *
packet(const struct media *media, uint32_t i)
{
	return media->ts + (size_t)i * TS_PACKET;
}

int
media_new(struct media **out, const uint8_t *ts, size_t len, int64_t seg_90k)
{
	struct media *media;
	int err;

	if (len > MEDIA_BYTES_MAX)
		return PB_ELIMIT;
	if (len < TS_PACKET || len % TS_PACKET != 0)
		return PB_EFORMAT;
	media = calloc(1, sizeof(*media));
	if (media == NULL)
		return PB_ENOMEM;
	media->ts = ts;
	media->packets = (uint32_t)(len / TS_PACKET);
	memset(media->slot, NO_SLOT, sizeof(media->slot));
	err = PB_EFORMAT;
	for (uint32_t i = 0; i < media->packets; i++)
		if (ts_payload(packet(media, i)) == -1)
			goto fail;
	err = index_psi(media);
	if (err != 0)
		goto fail;
	err = index_segments(media, seg_90k);
	if (err != 0)
		goto fail;
	err = index_extents(media);
	if (err != 0)
		goto fail;
	err = index_counters(media);
	if (err != 0)
		goto fail;
	*out = media;
	return 0;
fail:
	media_free(&media);
	return err;
}

int
media_open(struct media **out, const char *path, int64_t seg_90k)
{
	struct stat st;
	uint8_t *own = NULL;
	size_t have = 0;
	int err = PB_ESYS;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return PB_ESYS;
	if (fstat(fd, &st) == -1)
		goto out;
	err = PB_ELIMIT;
	if (st.st_size < 0 || (uintmax_t)st.st_size > MEDIA_BYTES_MAX)
		goto out;
	err = PB_ENOMEM;
	own = malloc((size_t)st.st_size + 1);
	if (own == NULL)
		goto out;
	while (have < (size_t)st.st_size) {
		ssize_t n = read(fd, own + have, (size_t)st.st_size - have);

		if (n == -1 && errno == EINTR)
			continue;
		err = PB_ESYS;
		if (n == -1)
			goto out;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	err = media_new(out, own, have, seg_90k);
	if (err == 0) {
		(*out)->own = own;
		own = NULL;
	}
out:
	free(own);
	close(fd);
	return err;
}

void
media_free(struct media **media)
{
	int keep = errno;

	if (*media != NULL) {
		free((*media)->segments);
		free((*media)->own);
		free(*media);
	}
	*media = NULL;
	errno = keep;
}

size_t
media_segments(const struct media *media)
{
	return media->nsegments;
}

int64_t
media_loop_90k(const struct media *media)
{
	return media->loop_90k;
}

int64_t
media_longest_90k(const struct media *media)
{
	return media->longest_90k;
}

int64_t
media_start_90k(const struct media *media, uint64_t k)
{
	return (int64_t)(k / media->nsegments) * media->loop_90k + media->segments[k % media->nsegments].start_90k;
}

int64_t
media_duration_90k(const struct media *media, uint64_t k)
{
	size_t i = k % media->nsegments;

	if (i + 1 == media->nsegments)
		return media->loop_90k - media->segments[i].start_90k;
	return media->segments[i + 1].start_90k - media->segments[i].start_90k;
}

size_t
media_bytes(const struct media *media, uint64_t k)
{
	return (size_t)media->segments[k % media->nsegments].packets * TS_PACKET;
}

uint64_t
media_ended(const struct media *media, int64_t at_90k)
{
	uint64_t loop;
	int64_t in_loop;
	size_t lo = 0;
	size_t hi = media->nsegments - 1;

	if (at_90k < 0)
		return 0;
	loop = (uint64_t)(at_90k / media->loop_90k);
	in_loop = at_90k % media->loop_90k;
	/* The segment that holds this instant; all before it have ended. */
	while (lo < hi) {
		size_t mid = (lo + hi + 1) / 2;

		if (media->segments[mid].start_90k <= in_loop)
			lo = mid;
		else
			hi = mid - 1;
	}
	return loop * media->nsegments + lo;
}

uint64_t
media_loop_first(const struct media *media, uint64_t k)
{
	return k - k % media->nsegments;
}

void
media_emit(const struct media *media, uint64_t k, bool continuous, uint8_t *out)
{
	const struct segment *segment = &media->segments[k % media->nsegments];
	uint64_t loop = continuous ? k / media->nsegments : 0;
	uint8_t cc[MEDIA_PIDS];
	int64_t shift_90k;

	for (size_t i = 0; i < MEDIA_PIDS; i++)
		cc[i] = (uint8_t)((segment->cc[i] + (loop % 16) * media->cc_loop[i]) & 15);
	/* Unsigned: what overflows 2^64 is a multiple of 2^33 and would be cut off in any case. */
	shift_90k = (int64_t)(loop * (uint64_t)media->loop_90k & (uint64_t)(TS_WRAP_90K - 1));
	walk(media, segment, cc, shift_90k, out);
}

/* The section that begins in this packet, when all of it is in there; NULL otherwise. */
static const uint8_t *
section(const uint8_t *p, uint8_t table_id, size_t *len)
{
	int at = ts_payload(p);
	size_t n;

	if (!ts_pusi(p) || at >= TS_PACKET || at + 1 + p[at] + 3 > TS_PACKET)
		return NULL;
	at += 1 + p[at];
	if (p[at] != table_id)
		return NULL;
	n = ((size_t)(p[at + 1] & 0x0f) << 8 | p[at + 2]) + 3;
	*len = PB_MIN(n, (size_t)(TS_PACKET - at));
	return p + at;
}

/* From a PMT's beginning (as much as one packet holds): the first video, or else the first stream. */
static int
read_pmt(struct media *media, const uint8_t *s, size_t len)
{
	size_t at;

	if (len < 12)
		return PB_EFORMAT;
	at = 12 + ((size_t)(s[10] & 0x0f) << 8 | s[11]);
	for (; at + 5 <= len; at += 5 + ((size_t)(s[at + 3] & 0x0f) << 8 | s[at + 4])) {
		uint16_t pid = (uint16_t)((s[at + 1] & 0x1f) << 8 | s[at + 2]);

		if (media->video_pid == 0 || (es_is_video(s[at]) && !media->has_video)) {
			media->video_pid = pid;
			media->video_type = s[at];
			media->has_video = es_is_video(s[at]);
		}
	}
	return media->video_pid == 0 ? PB_EFORMAT : 0;
}

static int
index_psi(struct media *media)
{
	const uint8_t *s = NULL;
	size_t len = 0;
	size_t need;
	size_t have;
	uint32_t i;

	for (i = 0; i < media->packets; i++) {
		s = ts_pid(packet(media, i)) == TS_PID_PAT ? section(packet(media, i), 0x00, &len) : NULL;
		if (s == NULL || len < 16)
			continue;
		media->pat_packet = i;
		/* Programme 0 is the network's table, no programme. */
		for (size_t at = 8; at + 8 <= len && media->pmt_pid == 0; at += 4)
			if ((s[at] | s[at + 1]) != 0)
				media->pmt_pid = (uint16_t)((s[at + 2] & 0x1f) << 8 | s[at + 3]);
		break;
	}
	if (media->pmt_pid == 0)
		return PB_EFORMAT;
	for (i = 0; i < media->packets; i++) {
		s = ts_pid(packet(media, i)) == media->pmt_pid ? section(packet(media, i), 0x02, &len) : NULL;
		if (s != NULL)
			break;
	}
	if (s == NULL)
		return PB_EFORMAT;
	need = ((size_t)(s[1] & 0x0f) << 8 | s[2]) + 3;
	have = (size_t)(packet(media, i) + TS_PACKET - s);
	media->pmt_packets[media->npmt++] = i;
	for (uint32_t k = i + 1; have < need && k < media->packets; k++) {
		if (ts_pid(packet(media, k)) != media->pmt_pid)
			continue;
		if (ts_pusi(packet(media, k)) || media->npmt == PSI_PACKETS_MAX)
			return PB_EFORMAT;
		media->pmt_packets[media->npmt++] = k;
		have += (size_t)(TS_PACKET - ts_payload(packet(media, k)));
	}
	return have < need ? PB_EFORMAT : read_pmt(media, s, len);
}

/* Where in the packet that begins a PES its PTS stands, and its DTS, or 0 for none. */
static void
find_stamps(const uint8_t *p, int *pts_at, int *dts_at)
{
	int at = ts_payload(p);

	*pts_at = 0;
	*dts_at = 0;
	if (!ts_pusi(p) || at + 14 > TS_PACKET || p[at] != 0 || p[at + 1] != 0 || p[at + 2] != 1)
		return;
	/* Stream ids without the optional header (2.4.3.7) carry no stamps. */
	if (p[at + 3] < 0xbd || p[at + 3] == 0xbe || p[at + 3] == 0xbf || (p[at + 6] & 0xc0) != 0x80)
		return;
	if ((p[at + 7] & 0x80) && p[at + 8] >= 5)
		*pts_at = at + 9;
	if ((p[at + 7] & 0xc0) == 0xc0 && p[at + 8] >= 10 && at + 19 <= TS_PACKET)
		*dts_at = at + 14;
}

static int64_t
decode_time(const uint8_t *p)
{
	int pts_at;
	int dts_at;

	find_stamps(p, &pts_at, &dts_at);
	if (pts_at == 0)
		return TS_NOTIME;
	return ts_get_stamp(p + (dts_at != 0 ? dts_at : pts_at));
}

/* Does the access unit that begins in packet i begin with a key frame? */
static bool
is_key(const struct media *media, uint32_t i)
{
	const uint8_t *p = packet(media, i);
	struct es_scan scan;
	int at;

	if (!media->has_video)
		return true;
	at = ts_payload(p);
	if (at + 9 > TS_PACKET || at + 9 + p[at + 8] > TS_PACKET)
		return false;
	es_begin(&scan, media->video_type);
	es_feed(&scan, p + at + 9 + p[at + 8], (size_t)(TS_PACKET - (at + 9 + p[at + 8])));
	for (i++; i < media->packets && !scan.decided; i++) {
		p = packet(media, i);
		if (ts_pid(p) != media->video_pid)
			continue;
		if (ts_pusi(p))
			break;
		at = ts_payload(p);
		es_feed(&scan, p + at, (size_t)(TS_PACKET - at));
	}
	return scan.decided && scan.key;
}

static int
add_segment(struct media *media, uint32_t first, int64_t start_90k)
{
	struct segment *grown;

	if (media->nsegments == MEDIA_SEGMENTS_MAX)
		return PB_ELIMIT;
	grown = reallocarray(media->segments, media->nsegments + 1, sizeof(*grown));
	if (grown == NULL)
		return PB_ENOMEM;
	media->segments = grown;
	memset(&grown[media->nsegments], 0, sizeof(*grown));
	if (media->nsegments > 0)
		grown[media->nsegments - 1].end = first;
	grown[media->nsegments].first = first;
	grown[media->nsegments].start_90k = start_90k;
	media->nsegments++;
	return 0;
}

static int
index_segments(struct media *media, int64_t seg_90k)
{
	int64_t now_90k = 0; /* unwrapped, from the first key frame */
	int64_t last_90k = TS_NOTIME;
	int64_t cut_90k = 0;

	for (uint32_t i = 0; i < media->packets; i++) {
		const uint8_t *p = packet(media, i);
		int64_t dts_90k;
		int err;

		if (ts_pid(p) != media->video_pid || !ts_pusi(p))
			continue;
		dts_90k = decode_time(p);
		if (dts_90k == TS_NOTIME)
			continue;
		if (last_90k != TS_NOTIME)
			now_90k += ts_diff(dts_90k, last_90k);
		if (now_90k >= cut_90k - CUT_SLACK_90K && is_key(media, i)) {
			err = add_segment(media, i, now_90k);
			if (err != 0)
				return err;
			cut_90k = now_90k + seg_90k;
		}
		if (media->nsegments > 0)
			last_90k = dts_90k;
	}
	if (media->nsegments == 0)
		return PB_EFORMAT;
	media->segments[media->nsegments - 1].end = media->packets;
	return 0;
}

static void
extend(struct extent *e, int64_t stamp_90k)
{
	int64_t step = e->seen ? ts_diff(stamp_90k, e->last_90k) : 0;

	if (step > 0)
		e->step_90k = step;
	e->length_90k += step;
	e->last_90k = stamp_90k;
	e->seen = true;
}

/* The loop is as long as its longest stream, clock included. */
static int
index_extents(struct media *media)
{
	struct extent *extents = calloc(TS_PIDS, sizeof(*extents));
	struct extent clock = { false, 0, 0, 0 };

	if (extents == NULL)
		return PB_ENOMEM;
	for (uint32_t i = media->segments[0].first; i < media->packets; i++) {
		const uint8_t *p = packet(media, i);
		int64_t dts_90k = ts_pusi(p) ? decode_time(p) : TS_NOTIME;
		int64_t pcr_27m = ts_pcr(p);
		struct extent *e = &extents[ts_pid(p)];

		if (dts_90k != TS_NOTIME) {
			extend(e, dts_90k);
			media->loop_90k = PB_MAX(media->loop_90k, e->length_90k + e->step_90k);
		}
		if (pcr_27m != TS_NOTIME) {
			extend(&clock, pcr_27m / 300);
			media->loop_90k = PB_MAX(media->loop_90k, clock.length_90k + 1);
		}
	}
	free(extents);
	for (size_t i = 0; i < media->nsegments; i++)
		media->longest_90k = PB_MAX(media->longest_90k, media_duration_90k(media, i));
	if (media->loop_90k < LOOP_MIN_90K)
		return PB_EFORMAT;
	/* A last segment without time could not be told from the next loop's first. */
	return media->loop_90k > media->segments[media->nsegments - 1].start_90k ? 0 : PB_EFORMAT;
}

static int
index_counters(struct media *media)
{
	uint8_t cc[MEDIA_PIDS] = { 0 };

	for (uint32_t i = 0; i < media->packets; i++) {
		uint16_t pid = ts_pid(packet(media, i));

		if (pid == TS_PID_NULL || media->slot[pid] != NO_SLOT)
			continue;
		if (media->nslots == MEDIA_PIDS)
			return PB_ELIMIT;
		media->slot[pid] = (uint8_t)media->nslots++;
	}
	for (size_t i = 0; i < media->nsegments; i++) {
		struct segment *segment = &media->segments[i];

		memcpy(segment->cc, cc, sizeof(cc));
		segment->packets = walk(media, segment, cc, 0, NULL);
	}
	memcpy(media->cc_loop, cc, sizeof(cc));
	for (size_t i = 0; i < MEDIA_PIDS; i++)
		media->cc_loop[i] &= 15;
	return 0;
}

static void
shift_stamps(uint8_t *p, int64_t shift_90k)
{
	int64_t pcr_27m = ts_pcr(p);
	int pts_at;
	int dts_at;

	if (pcr_27m != TS_NOTIME)
		ts_put_pcr(p + 6, pcr_27m + shift_90k * 300);
	find_stamps(p, &pts_at, &dts_at);
	if (pts_at != 0)
		ts_put_stamp(p + pts_at, p[pts_at] >> 4, ts_get_stamp(p + pts_at) + shift_90k);
	if (dts_at != 0)
		ts_put_stamp(p + dts_at, 1, ts_get_stamp(p + dts_at) + shift_90k);
}

/* Number one packet, and write it when there is somewhere to write it to. */
static void
put(const struct media *media, uint32_t i, uint8_t *cc, int64_t shift_90k, uint8_t *out)
{
	const uint8_t *p = packet(media, i);
	uint8_t slot = media->slot[ts_pid(p)];
	uint8_t number = ts_cc(p);

	if (slot != NO_SLOT) {
		/* An adaptation field alone repeats the counter of the packet before it (2.4.3.3). */
		if (ts_has_payload(p))
			cc[slot] = (uint8_t)((cc[slot] + 1) & 15);
		number = cc[slot];
	}
	if (out == NULL)
		return;
	memcpy(out, p, TS_PACKET);
	out[3] = (uint8_t)((p[3] & 0xf0) | number);
	if (ts_pid(p) != TS_PID_PAT && ts_pid(p) != media->pmt_pid)
		shift_stamps(out, shift_90k);
}

/* Count a segment's packets into cc and, with out, write them. Returns how many there are. */
static uint32_t
walk(const struct media *media, const struct segment *segment, uint8_t *cc, int64_t shift_90k, uint8_t *out)
{
	uint32_t n = 0;

	put(media, media->pat_packet, cc, shift_90k, out);
	n++;
	for (int k = 0; k < media->npmt; k++, n++)
		put(media, media->pmt_packets[k], cc, shift_90k, out == NULL ? NULL : out + (size_t)n * TS_PACKET);
	for (uint32_t i = segment->first; i < segment->end; i++, n++)
		put(media, i, cc, shift_90k, out == NULL ? NULL : out + (size_t)n * TS_PACKET);
	return n;
}
