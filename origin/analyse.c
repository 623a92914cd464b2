/*
 * analyse.c - packets, PSI, clock, units: four small judges in a row
 *
 * The time of a PAT or PMT is interpolated between the two PCRs around it,
 * by packets; so its place is remembered until the next PCR is seen.
 */
#include "origin/analyse.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "origin/es.h"

#define SECTION_MAX 1024
#define MARKS_MAX 32 /* PSI between two PCRs; more are as close together as these */
#define NO_SLOT 0xff
#define RATE_SPAN_MS 5000
#define FNV_BASIS 14695981039346656037u
#define FNV_PRIME 1099511628211u

/* What is followed of a PID beside its figures. */
struct follow {
	bool has_cc;
	uint8_t cc;
	bool seen;
	uint8_t last[TS_PACKET]; /* the last packet with a payload, for duplicates */

	bool in_unit;
	uint64_t hash;
	uint64_t len; /* payload bytes of this unit */
	uint64_t pes_left; /* bytes that PES_packet_length still promises */
	bool pes_bounded;
	unsigned int header_left; /* PES header bytes that reach into further packets */
	int64_t pts_90k;
	bool has_dts;
	int64_t dts_90k; /* of the last unit with one; unwrapped from the first, as figures need it */
	int64_t step_90k;
	struct es_scan scan;
	bool scan_counted;
	double began_ms; /* arrival of the unit's first packet */
	int64_t began_dts_90k;
};

/* A PSI section on its way. */
struct section {
	uint8_t data[SECTION_MAX];
	size_t have;
	size_t need; /* 0: none begun */
	uint32_t crc; /* of the last whole one, 0: none */
};

struct mark {
	bool pmt;
	uint64_t packet;
};

struct analyse {
	struct analysis a;
	double settle_ms;
	analyse_unit *on_unit;
	void *arg;

	uint8_t carry[TS_PACKET * 2];
	size_t carried;
	bool lost;

	uint16_t pmt_pid; /* 0: no PAT yet */
	struct section pat;
	struct section pmt;
	int pmt_version;
	bool media_seen;
	uint64_t pat_byte;
	uint64_t pmt_byte;

	struct mark marks[MARKS_MAX];
	size_t nmarks;
	int64_t pcr_27m; /* the last one, as on the wire */
	int64_t stream_27m; /* unwrapped since the first */
	uint64_t pcr_packet;
	double pat_at_ms; /* stream time of the last one; < 0: none */
	double pmt_at_ms;
	double rate_from_ms; /* arrival and stream time where the rate is measured from */
	double rate_from_stream_ms;

	double now_ms;
	bool has_video_dts;
	bool has_audio_dts;
	int64_t video_dts_90k;
	int64_t audio_dts_90k;
	bool has_key_dts;
	int64_t key_dts_90k;

	uint8_t slot[TS_PIDS];
	struct follow follow[ANALYSE_PIDS];
};

static void take_packet(struct analyse *an, const uint8_t *p);
static void check_counter(struct analyse *an, struct analysis_pid *pid, struct follow *f, const uint8_t *p);
static void take_pcr(struct analyse *an, int64_t pcr_27m, bool flagged);
static void take_psi(struct analyse *an, struct section *section, const uint8_t *p, bool pmt);
static void take_pes(struct analyse *an, struct analysis_pid *pid, struct follow *f, const uint8_t *p);
static void end_unit(struct analyse *an, struct analysis_pid *pid, struct follow *f);

int
analyse_new(struct analyse **out, double settle_ms, analyse_unit *on_unit, void *arg)
{
	struct analyse *an = calloc(1, sizeof(*an));

	if (an == NULL)
		return PB_ENOMEM;
	an->settle_ms = settle_ms;
	an->on_unit = on_unit;
	an->arg = arg;
	an->pcr_27m = TS_NOTIME;
	an->pat_at_ms = an->pmt_at_ms = -1;
	an->pmt_version = -1;
	an->rate_from_ms = -1;
	an->a.first_byte_ms = an->a.first_key_ms = an->a.last_byte_ms = -1;
	memset(an->slot, NO_SLOT, sizeof(an->slot));
	*out = an;
	return 0;
}

void
analyse_free(struct analyse **analyse)
{
	free(*analyse);
	*analyse = NULL;
}

const struct analysis *
analyse_figures(const struct analyse *analyse)
{
	return &analyse->a;
}

static void
take_arrival(struct analyse *an, double arrival_ms)
{
	double gap;

	an->now_ms = arrival_ms;
	if (arrival_ms < 0)
		return;
	an->a.has_arrival = true;
	if (an->a.first_byte_ms < 0)
		an->a.first_byte_ms = arrival_ms;
	else {
		gap = arrival_ms - an->a.last_byte_ms;
		an->a.arrival_gap_ms_max = PB_MAX(an->a.arrival_gap_ms_max, gap);
		if (an->a.last_byte_ms - an->a.first_byte_ms >= an->settle_ms)
			an->a.arrival_gap_settled_ms_max = PB_MAX(an->a.arrival_gap_settled_ms_max, gap);
	}
	an->a.last_byte_ms = arrival_ms;
}

/* Bytes that were no packet: one loss, however many they are. */
static void
lose(struct analyse *an, size_t n)
{
	if (!an->lost)
		an->a.sync_losses++;
	an->lost = true;
	an->a.sync_lost_bytes += n;
}

/* How many bytes from data can be taken now. Without sync, two sync bytes in a row are needed. */
static size_t
take_some(struct analyse *an, const uint8_t *data, size_t len)
{
	size_t i;

	if (len < TS_PACKET)
		return 0;
	if (!an->lost && data[0] == TS_SYNC) {
		take_packet(an, data);
		return TS_PACKET;
	}
	for (i = 0; i + TS_PACKET < len; i++)
		if (data[i] == TS_SYNC && data[i + TS_PACKET] == TS_SYNC)
			break;
	if (i > 0) {
		lose(an, i);
		return i;
	}
	if (i + TS_PACKET >= len)
		return 0; /* one packet's worth, and nothing behind it yet to tell by */
	an->lost = false;
	take_packet(an, data);
	return TS_PACKET;
}

void
analyse_feed(struct analyse *an, const uint8_t *data, size_t len, double arrival_ms)
{
	if (len == 0)
		return;
	take_arrival(an, arrival_ms);
	an->a.bytes += len;
	while (len > 0) {
		size_t n;

		if (an->carried > 0) {
			size_t fill = PB_MIN(sizeof(an->carry) - an->carried, len);

			memcpy(an->carry + an->carried, data, fill);
			an->carried += fill;
			data += fill;
			len -= fill;
			while ((n = take_some(an, an->carry, an->carried)) > 0) {
				an->carried -= n;
				memmove(an->carry, an->carry + n, an->carried);
			}
			continue;
		}
		n = take_some(an, data, len);
		if (n == 0) {
			/* A packet's worth at the most, or else something would have been taken. */
			n = PB_MIN(len, sizeof(an->carry));
			memcpy(an->carry, data, n);
			an->carried = n;
		}
		data += n;
		len -= n;
	}
}

static struct analysis_pid *
follow_pid(struct analyse *an, uint16_t pid)
{
	struct analysis_pid *fresh;

	if (an->slot[pid] != NO_SLOT)
		return &an->a.pids[an->slot[pid]];
	if (an->a.npids == ANALYSE_PIDS)
		return NULL;
	an->slot[pid] = (uint8_t)an->a.npids;
	fresh = &an->a.pids[an->a.npids++];
	fresh->pid = pid;
	fresh->first_pts_90k = fresh->first_dts_90k = fresh->last_dts_90k = TS_NOTIME;
	return fresh;
}

static void
take_packet(struct analyse *an, const uint8_t *p)
{
	uint16_t number = ts_pid(p);
	struct analysis_pid *pid;
	struct follow *f;
	int64_t pcr_27m;

	an->a.packets++;
	if (ts_tei(p)) {
		an->a.transport_errors++;
		return; /* nothing in it can be believed, not even its PID */
	}
	if (ts_payload(p) == -1) {
		an->a.malformed++;
		return;
	}
	if (number == TS_PID_NULL) {
		an->a.null_packets++;
		return;
	}
	pid = follow_pid(an, number);
	if (pid == NULL) {
		an->a.pids_ignored++;
		return;
	}
	f = &an->follow[an->slot[number]];
	pid->packets++;
	if (ts_scrambled(p))
		an->a.scrambled++;
	if (ts_af_flags(p) & TS_AF_DISCONTINUITY)
		an->a.discontinuity_indicators++;
	check_counter(an, pid, f, p);

	pcr_27m = ts_pcr(p);
	if (pcr_27m != TS_NOTIME && number == an->a.pcr_pid && an->pmt.crc != 0)
		take_pcr(an, pcr_27m, ts_af_flags(p) & TS_AF_DISCONTINUITY);
	if (number == TS_PID_PAT) {
		take_psi(an, &an->pat, p, false);
	} else if (an->pmt_pid != 0 && number == an->pmt_pid) {
		take_psi(an, &an->pmt, p, true);
	} else if (number >= 0x20) {
		if (!an->media_seen)
			an->a.psi_first = an->a.pats > 0 && an->a.pmts > 0;
		an->media_seen = true;
		if (pid->stream_type == 0)
			an->a.unlisted_packets++;
		else if (!ts_scrambled(p))
			take_pes(an, pid, f, p);
	}
}

/* 2.4.3.3: one more with each payload; a packet may be sent twice; anything goes at a flagged discontinuity. */
static void
check_counter(struct analyse *an, struct analysis_pid *pid, struct follow *f, const uint8_t *p)
{
	uint8_t cc = ts_cc(p);
	bool flagged = ts_af_flags(p) & TS_AF_DISCONTINUITY;
	bool wrong = false;

	if (f->has_cc && !flagged) {
		if (!ts_has_payload(p)) {
			wrong = cc != f->cc;
		} else if (cc == f->cc && f->seen && memcmp(p + 4, f->last + 4, TS_PACKET - 4) == 0) {
			pid->duplicates++;
			an->a.duplicates++;
		} else {
			wrong = cc != ((f->cc + 1) & 15);
		}
	}
	if (wrong) {
		pid->continuity_errors++;
		an->a.continuity_errors++;
	}
	/* A wrong counter on an adaptation field is that packet's fault alone. */
	if (ts_has_payload(p) || flagged || !f->has_cc)
		f->cc = cc;
	f->has_cc = true;
	if (ts_has_payload(p)) {
		memcpy(f->last, p, TS_PACKET);
		f->seen = true;
	}
}

static void
mark_gap(double at_ms, double *last_ms, double *max_ms)
{
	if (*last_ms >= 0)
		*max_ms = PB_MAX(*max_ms, at_ms - *last_ms);
	*last_ms = at_ms;
}

/* Give the PSI since the last PCR its time, now that the next one is known. */
static void
settle_marks(struct analyse *an, double from_ms, double to_ms)
{
	double span = (double)(an->a.packets - an->pcr_packet);

	for (size_t i = 0; i < an->nmarks; i++) {
		const struct mark *m = &an->marks[i];
		double at_ms = from_ms + (to_ms - from_ms) * (double)(m->packet - an->pcr_packet) / span;

		if (m->pmt)
			mark_gap(at_ms, &an->pmt_at_ms, &an->a.pmt_gap_ms_max);
		else
			mark_gap(at_ms, &an->pat_at_ms, &an->a.pat_gap_ms_max);
	}
	an->nmarks = 0;
}

static void
take_pcr(struct analyse *an, int64_t pcr_27m, bool flagged)
{
	double before_ms = (double)an->stream_27m / 27000;
	double stream_ms;
	int64_t step_27m;

	an->a.pcrs++;
	if (an->pcr_27m == TS_NOTIME) {
		an->pcr_27m = pcr_27m;
		an->pcr_packet = an->a.packets;
		/* PSI in front of the first PCR is as old as it. */
		for (size_t i = 0; i < an->nmarks; i++)
			*(an->marks[i].pmt ? &an->pmt_at_ms : &an->pat_at_ms) = 0;
		an->nmarks = 0;
		return;
	}
	step_27m = ts_diff(pcr_27m / 300, an->pcr_27m / 300) * 300 + pcr_27m % 300 - an->pcr_27m % 300;
	if (step_27m < 0) {
		an->a.pcr_backward++;
	} else {
		an->a.pcr_gap_ms_max = PB_MAX(an->a.pcr_gap_ms_max, (double)step_27m / 27000);
		if (flagged || step_27m > (int64_t)ANALYSE_PCR_JUMP_MS * 27000)
			an->a.pcr_jumps++;
	}
	/* A step back is no time passed: gaps are counted in time that went on. */
	an->stream_27m += PB_MAX(step_27m, 0);
	stream_ms = (double)an->stream_27m / 27000;
	settle_marks(an, before_ms, stream_ms);
	an->pcr_27m = pcr_27m;
	an->pcr_packet = an->a.packets;
	if (an->now_ms < 0 || an->now_ms - an->a.first_byte_ms < an->settle_ms)
		return;
	if (an->rate_from_ms < 0) {
		an->rate_from_ms = an->now_ms;
		an->rate_from_stream_ms = stream_ms;
	} else if (an->now_ms - an->rate_from_ms >= RATE_SPAN_MS) {
		an->a.has_pcr_rate = true;
		an->a.pcr_rate_ppm =
		    ((stream_ms - an->rate_from_stream_ms) / (an->now_ms - an->rate_from_ms) - 1) * 1e6;
	}
}

static void
read_pat(struct analyse *an, const uint8_t *s, size_t len)
{
	for (size_t at = 8; at + 8 <= len; at += 4)
		if ((s[at] | s[at + 1]) != 0) {
			an->pmt_pid = (uint16_t)((s[at + 2] & 0x1f) << 8 | s[at + 3]);
			return;
		}
}

static void
read_pmt(struct analyse *an, const uint8_t *s, size_t len)
{
	size_t at = 12 + ((size_t)(s[10] & 0x0f) << 8 | s[11]);

	an->a.pcr_pid = (uint16_t)((s[8] & 0x1f) << 8 | s[9]);
	if (an->pmt_version != (s[5] >> 1 & 31))
		an->a.pmt_versions++;
	an->pmt_version = s[5] >> 1 & 31;
	for (size_t i = 0; i < an->a.npids; i++)
		an->a.pids[i].stream_type = 0;
	for (; at + 9 <= len; at += 5 + ((size_t)(s[at + 3] & 0x0f) << 8 | s[at + 4])) {
		struct analysis_pid *pid = follow_pid(an, (uint16_t)((s[at + 1] & 0x1f) << 8 | s[at + 2]));

		if (pid != NULL)
			pid->stream_type = s[at];
	}
}

/* A section is whole: judge it as what its PID says it is. */
static void
take_section(struct analyse *an, struct section *section, bool pmt)
{
	const uint8_t *s = section->data;
	size_t len = section->need;
	uint32_t crc;

	section->need = 0;
	if (s[0] != (pmt ? 0x02 : 0x00) || len < (pmt ? 16u : 12u) || ts_crc32(s, len) != 0) {
		an->a.psi_errors++;
		return;
	}
	crc = (uint32_t)s[len - 4] << 24 | (uint32_t)s[len - 3] << 16 | (uint32_t)s[len - 2] << 8 | s[len - 1];
	if (section->crc != 0 && section->crc != crc)
		pmt ? an->a.pmt_changes++ : an->a.pat_changes++;
	/* 0 stands for "none": a real 0 becomes its neighbour, always the same one. */
	section->crc = crc == 0 ? 1 : crc;
	if (pmt) {
		if (an->a.pmts++ > 0)
			an->a.pmt_gap_bytes_max =
			    PB_MAX(an->a.pmt_gap_bytes_max, an->a.packets * TS_PACKET - an->pmt_byte);
		an->pmt_byte = an->a.packets * TS_PACKET;
		read_pmt(an, s, len);
	} else {
		if (an->a.pats++ > 0)
			an->a.pat_gap_bytes_max =
			    PB_MAX(an->a.pat_gap_bytes_max, an->a.packets * TS_PACKET - an->pat_byte);
		an->pat_byte = an->a.packets * TS_PACKET;
		read_pat(an, s, len);
	}
	if (an->nmarks < MARKS_MAX)
		an->marks[an->nmarks++] = (struct mark){ pmt, an->a.packets };
}

/* One section a packet is taken, the way PAT and PMT are sent; what follows it is stuffing. */
static void
take_psi(struct analyse *an, struct section *section, const uint8_t *p, bool pmt)
{
	int at = ts_payload(p);
	size_t len;

	if (at == TS_PACKET)
		return;
	if (ts_pusi(p)) {
		if (section->need != 0)
			an->a.psi_errors++; /* the one before never ended */
		section->need = 0;
		section->have = 0;
		at += 1 + p[at];
		if (at + 3 > TS_PACKET) {
			an->a.psi_errors++;
			return;
		}
		section->need = ((size_t)(p[at + 1] & 0x0f) << 8 | p[at + 2]) + 3;
		if (section->need > SECTION_MAX) {
			an->a.psi_errors++;
			section->need = 0;
			return;
		}
	} else if (section->need == 0) {
		return;
	}
	len = PB_MIN((size_t)(TS_PACKET - at), section->need - section->have);
	memcpy(section->data + section->have, p + at, len);
	section->have += len;
	if (section->have == section->need)
		take_section(an, section, pmt);
}

static void
note_distance(struct analyse *an, const struct analysis_pid *pid, int64_t dts_90k)
{
	if (es_is_video(pid->stream_type)) {
		an->has_video_dts = true;
		an->video_dts_90k = dts_90k;
	} else if (es_is_audio(pid->stream_type)) {
		an->has_audio_dts = true;
		an->audio_dts_90k = dts_90k;
	}
	if (an->has_video_dts && an->has_audio_dts) {
		double d = (double)ts_diff(an->video_dts_90k, an->audio_dts_90k) / 90;

		an->a.av_distance_ms_max = PB_MAX(an->a.av_distance_ms_max, d < 0 ? -d : d);
	}
}

static void
take_stamps(struct analyse *an, struct analysis_pid *pid, struct follow *f, int64_t pts_90k, int64_t dts_90k)
{
	double lead_ms = (double)ts_diff(pts_90k, dts_90k) / 90;

	if (pid->first_pts_90k == TS_NOTIME) {
		pid->first_pts_90k = pts_90k;
		pid->first_dts_90k = dts_90k;
		pid->pts_dts_ms_min = pid->pts_dts_ms_max = lead_ms;
	}
	pid->pts_dts_ms_min = PB_MIN(pid->pts_dts_ms_min, lead_ms);
	pid->pts_dts_ms_max = PB_MAX(pid->pts_dts_ms_max, lead_ms);
	if (f->has_dts) {
		int64_t step_90k = ts_diff(dts_90k, pid->last_dts_90k);

		if (step_90k <= 0) {
			pid->dts_backward++;
			an->a.dts_backward++;
		} else {
			pid->dts_gap_ms_max = PB_MAX(pid->dts_gap_ms_max, (double)step_90k / 90);
			f->step_90k = step_90k;
		}
		f->dts_90k += step_90k;
	}
	f->has_dts = true;
	pid->last_dts_90k = dts_90k;
	if (an->pcr_27m != TS_NOTIME) {
		double ahead_ms = (double)ts_diff(dts_90k, an->pcr_27m / 300) / 90;

		if (!pid->has_dts_pcr)
			pid->dts_pcr_ms_min = pid->dts_pcr_ms_max = ahead_ms;
		pid->has_dts_pcr = true;
		pid->dts_pcr_ms_min = PB_MIN(pid->dts_pcr_ms_min, ahead_ms);
		pid->dts_pcr_ms_max = PB_MAX(pid->dts_pcr_ms_max, ahead_ms);
	}
	note_distance(an, pid, dts_90k);
}

/* Payload bytes behind the PES header. */
static void
take_payload(struct analyse *an, struct analysis_pid *pid, struct follow *f, const uint8_t *data, size_t len)
{
	if (f->header_left > 0) {
		size_t n = PB_MIN(f->header_left, len);

		f->header_left -= (unsigned int)n;
		data += n;
		len -= n;
	}
	if (f->pes_bounded)
		len = (size_t)PB_MIN(len, f->pes_left);
	f->pes_left -= f->pes_bounded ? len : 0;
	for (size_t i = 0; i < len; i++)
		f->hash = (f->hash ^ data[i]) * FNV_PRIME;
	f->len += len;
	if (es_is_video(pid->stream_type) && !f->scan.decided)
		es_feed(&f->scan, data, len);
	if (!es_is_video(pid->stream_type) || !f->scan.decided || f->scan_counted)
		return;
	f->scan_counted = true;
	if (an->a.video_units == 1)
		an->a.first_video_key = f->scan.key;
	if (!f->scan.key)
		return;
	if (an->a.key_frames++ == 0)
		an->a.first_key_ms = f->began_ms;
	else if (an->has_key_dts && f->began_dts_90k != TS_NOTIME)
		an->a.key_interval_ms_max =
		    PB_MAX(an->a.key_interval_ms_max, (double)ts_diff(f->began_dts_90k, an->key_dts_90k) / 90);
	if (f->began_dts_90k != TS_NOTIME) {
		an->has_key_dts = true;
		an->key_dts_90k = f->began_dts_90k;
	}
}

static void
take_pes(struct analyse *an, struct analysis_pid *pid, struct follow *f, const uint8_t *p)
{
	int at = ts_payload(p);
	const uint8_t *s = p + at;
	size_t len = (size_t)(TS_PACKET - at);
	size_t declared;

	if (len == 0)
		return;
	if (!ts_pusi(p)) {
		if (f->in_unit)
			take_payload(an, pid, f, s, len);
		return;
	}
	end_unit(an, pid, f);
	if (len < 9 || s[0] != 0 || s[1] != 0 || s[2] != 1 || (s[6] & 0xc0) != 0x80) {
		an->a.malformed++;
		return;
	}
	pid->units++;
	f->in_unit = true;
	f->hash = FNV_BASIS;
	f->len = 0;
	f->pts_90k = TS_NOTIME;
	f->began_dts_90k = TS_NOTIME;
	f->began_ms = an->now_ms;
	f->scan_counted = false;
	f->header_left = 9u + s[8];
	declared = (size_t)(s[4] << 8 | s[5]);
	f->pes_bounded = declared != 0;
	f->pes_left = declared >= 3u + s[8] ? declared - 3 - s[8] : 0;
	es_begin(&f->scan, pid->stream_type);
	if (es_is_video(pid->stream_type))
		an->a.video_units++;
	if ((s[7] & 0x80) && s[8] >= 5 && len >= 14) {
		bool both = (s[7] & 0x40) && s[8] >= 10 && len >= 19;

		f->pts_90k = ts_get_stamp(s + 9);
		f->began_dts_90k = both ? ts_get_stamp(s + 14) : f->pts_90k;
		take_stamps(an, pid, f, f->pts_90k, f->began_dts_90k);
	} else {
		pid->units_no_time++;
	}
	take_payload(an, pid, f, s, len);
}

static void
end_unit(struct analyse *an, struct analysis_pid *pid, struct follow *f)
{
	if (!f->in_unit)
		return;
	f->in_unit = false;
	if (f->pes_bounded && f->pes_left > 0)
		pid->pes_truncated++;
	if (an->on_unit != NULL)
		an->on_unit(an->arg, pid, f->pts_90k, f->hash, f->len);
}

void
analyse_end(struct analyse *an, bool cut)
{
	/* Without sync the rest is no packet's beginning. */
	if (cut)
		an->a.tail_bytes = 0;
	else if (an->lost || (an->carried > 0 && an->carry[0] != TS_SYNC))
		lose(an, an->carried);
	else
		an->a.tail_bytes = an->carried;
	an->carried = 0;
	for (size_t i = 0; i < an->a.npids; i++) {
		struct analysis_pid *pid = &an->a.pids[i];
		struct follow *f = &an->follow[i];

		f->pes_bounded = false; /* not judged any more */
		end_unit(an, pid, f);
		if (!f->has_dts)
			continue;
		pid->duration_ms = (double)(f->dts_90k + f->step_90k) / 90;
		an->a.media_ms = PB_MAX(an->a.media_ms, pid->duration_ms);
	}
}

struct verdict {
	void (*say)(void *arg, const char *sentence);
	void *arg;
	unsigned int count;
};

static void __attribute__((format(printf, 3, 4))) hold(struct verdict *v, bool wrong, const char *fmt, ...)
{
	char text[ANALYSE_FAULT_TEXT];
	va_list ap;

	if (!wrong)
		return;
	v->count++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (v->say != NULL)
		v->say(v->arg, text);
}

static void
judge_pid(struct verdict *v, const struct analysis_pid *p)
{
	if (p->stream_type == 0)
		return;
	hold(v, p->units == 0, "PID %u is in the PMT and has no data", p->pid);
	hold(v, p->dts_backward > 0, "PID %u: DTS did not rise %" PRIu64 " times", p->pid, p->dts_backward);
	hold(v, p->pes_truncated > 0, "PID %u: %" PRIu64 " PES packets are shorter than they say", p->pid,
	    p->pes_truncated);
	if (p->first_pts_90k == TS_NOTIME)
		return;
	hold(v, p->pts_dts_ms_min < 0, "PID %u: PTS is %.1f ms before DTS", p->pid, -p->pts_dts_ms_min);
	hold(v, p->pts_dts_ms_max > ANALYSE_PTS_DTS_MS, "PID %u: PTS is %.1f ms after DTS", p->pid, p->pts_dts_ms_max);
	hold(v, p->has_dts_pcr && p->dts_pcr_ms_min < 0, "PID %u: data came %.1f ms after its DTS", p->pid,
	    -p->dts_pcr_ms_min);
	hold(v, p->has_dts_pcr && p->dts_pcr_ms_max > ANALYSE_DTS_PCR_MS, "PID %u: DTS is %.1f ms ahead of the PCR",
	    p->pid, p->dts_pcr_ms_max);
}

unsigned int
analyse_faults(const struct analysis *a, void (*say)(void *arg, const char *sentence), void *arg)
{
	struct verdict v = { say, arg, 0 };

	hold(&v, a->packets == 0, "there are no packets");
	hold(&v, a->tail_bytes > 0, "it ends with %" PRIu64 " bytes of a packet", a->tail_bytes);
	hold(&v, a->sync_losses > 0, "sync was lost %" PRIu64 " times, %" PRIu64 " bytes", a->sync_losses,
	    a->sync_lost_bytes);
	hold(&v, a->malformed > 0, "%" PRIu64 " malformed packets", a->malformed);
	hold(&v, a->transport_errors > 0, "%" PRIu64 " packets with transport_error_indicator", a->transport_errors);
	hold(&v, a->scrambled > 0, "%" PRIu64 " scrambled packets", a->scrambled);
	hold(&v, a->continuity_errors > 0, "%" PRIu64 " continuity errors", a->continuity_errors);
	hold(&v, a->duplicates > 0, "%" PRIu64 " duplicate packets", a->duplicates);
	hold(
	    &v, a->unlisted_packets > 0, "%" PRIu64 " packets of PIDs that the PMT does not list", a->unlisted_packets);
	hold(&v, a->pids_ignored > 0, "more than %d PIDs", ANALYSE_PIDS);
	hold(&v, a->psi_errors > 0, "%" PRIu64 " broken PSI sections", a->psi_errors);
	hold(&v, a->pat_changes > 0, "the PAT changed %" PRIu64 " times", a->pat_changes);
	hold(&v, a->pmt_changes > 0, "the PMT changed %" PRIu64 " times", a->pmt_changes);
	hold(&v, a->packets > 0 && !a->psi_first, "it does not begin with PAT and PMT");
	hold(&v, a->pat_gap_ms_max > ANALYSE_PSI_GAP_MS, "%.0f ms without a PAT", a->pat_gap_ms_max);
	hold(&v, a->pmt_gap_ms_max > ANALYSE_PSI_GAP_MS, "%.0f ms without a PMT", a->pmt_gap_ms_max);
	hold(&v, a->pmts > 0 && a->pcrs == 0, "there is no PCR");
	hold(&v, a->pcr_backward > 0, "the PCR went back %" PRIu64 " times", a->pcr_backward);
	hold(&v, a->pcr_jumps > 0, "the PCR jumped %" PRIu64 " times", a->pcr_jumps);
	hold(&v, a->pcr_gap_ms_max > ANALYSE_PCR_GAP_MS, "%.0f ms without a PCR", a->pcr_gap_ms_max);
	hold(&v, a->video_units > 0 && !a->first_video_key, "the first picture is no key frame");
	hold(&v, a->av_distance_ms_max > ANALYSE_AV_MS, "audio and video are up to %.0f ms apart",
	    a->av_distance_ms_max);
	for (size_t i = 0; i < a->npids; i++)
		judge_pid(&v, &a->pids[i]);
	return v.count;
}
