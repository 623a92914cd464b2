/*
 * analyse.h - a strict judge of one transport stream
 *
 * Bytes in, with the time at which they came; figures out. Stands on
 * base/ts.h alone and shares nothing with the conformer whose work it
 * judges (ISO/IEC 13818-1, and what media servers need beyond it).
 *
 *   pure     no clock, no I/O; memory is one struct of fixed size
 *   time     arrival_ms on any clock that does not go back, or ANALYSE_NO_TIME
 *            for a file; stream time is the PCR's, unwrapped
 *   unit     a PES packet: one access unit for video, and for audio as our
 *            own muxing makes it
 *   bounds   ANALYSE_PIDS PIDs are followed, others counted in pids_ignored
 *
 * Figures are as found; analyse_faults() says which of them a clean stream
 * may not have, by the limits below.
 */
#ifndef PLEXBRIDGE_ORIGIN_ANALYSE_H
#define PLEXBRIDGE_ORIGIN_ANALYSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANALYSE_PIDS 64
#define ANALYSE_NO_TIME (-1.0)
#define ANALYSE_FAULT_TEXT 128

/* The limits of a clean stream, in ms. */
#define ANALYSE_PSI_GAP_MS 500 /* PAT and PMT */
#define ANALYSE_PCR_GAP_MS 100 /* ISO/IEC 13818-1 2.7.2 */
#define ANALYSE_PCR_JUMP_MS 200 /* past this, time was skipped: no PCR was merely late */
#define ANALYSE_PTS_DTS_MS 1000
#define ANALYSE_DTS_PCR_MS 3000 /* what decoders buffer */
#define ANALYSE_AV_MS 1500

struct analysis_pid {
	uint16_t pid;
	uint8_t stream_type; /* 0 when the PMT does not list it */
	uint64_t packets;
	uint64_t continuity_errors;
	uint64_t duplicates;
	uint64_t units;
	uint64_t units_no_time; /* without a PTS */
	uint64_t dts_backward; /* steps of zero or less */
	uint64_t pes_truncated; /* fewer bytes than PES_packet_length says */
	int64_t first_pts_90k; /* as on the wire; TS_NOTIME: none */
	int64_t first_dts_90k;
	int64_t last_dts_90k;
	double duration_ms; /* of its units, the last one taken to be as long as the one before */
	double dts_gap_ms_max; /* between two units */
	double pts_dts_ms_min;
	double pts_dts_ms_max;
	double dts_pcr_ms_min; /* against the last PCR before the unit's first packet */
	double dts_pcr_ms_max;
	bool has_dts_pcr;
};

struct analysis {
	uint64_t bytes;
	uint64_t packets;
	uint64_t tail_bytes; /* after the last whole packet */
	uint64_t sync_losses;
	uint64_t sync_lost_bytes;
	uint64_t malformed; /* packets that break 2.4.3 */
	uint64_t transport_errors; /* TEI */
	uint64_t scrambled;
	uint64_t null_packets;
	uint64_t continuity_errors;
	uint64_t duplicates;
	uint64_t discontinuity_indicators;
	uint64_t unlisted_packets; /* of PIDs that neither PAT nor PMT name; 0x0000-0x001f and null are let be */
	uint64_t pids_ignored;

	uint64_t pats;
	uint64_t pmts;
	uint64_t psi_errors; /* wrong CRC, or a section that can't be read */
	uint64_t pat_changes; /* another content than the one before */
	uint64_t pmt_changes;
	uint64_t pmt_versions; /* different version numbers in a row, so at least 1 with a PMT */
	bool psi_first; /* PAT, then PMT, before any other stream's packet */
	double pat_gap_ms_max;
	double pmt_gap_ms_max;
	uint64_t pat_gap_bytes_max;
	uint64_t pmt_gap_bytes_max;

	uint16_t pcr_pid;
	uint64_t pcrs;
	uint64_t pcr_backward;
	uint64_t pcr_jumps;
	double pcr_gap_ms_max;
	bool has_pcr_rate; /* 5 s of arrival times and more after the settling time */
	double pcr_rate_ppm; /* stream time against arrival: 1000 is 0.1 % too fast */

	uint64_t dts_backward;
	double av_distance_ms_max;
	uint64_t video_units;
	uint64_t key_frames;
	bool first_video_key;
	double key_interval_ms_max;
	double media_ms; /* of the longest PID */

	bool has_arrival;
	double first_byte_ms; /* these three on the caller's clock; -1: did not happen */
	double first_key_ms; /* the first packet of the first key frame */
	double last_byte_ms;
	double arrival_gap_ms_max;
	double arrival_gap_settled_ms_max; /* from settle_ms after the first byte on */

	size_t npids;
	struct analysis_pid pids[ANALYSE_PIDS];
};

/* An access unit is over: FNV-1a (64 bit) and length of its payload, without the PES header. */
typedef void analyse_unit(void *arg, const struct analysis_pid *pid, int64_t pts_90k, uint64_t hash, uint64_t len);

struct analyse;

/* settle_ms: see arrival_gap_settled_ms_max. on_unit may be NULL. 0 or PB_ENOMEM. */
int analyse_new(struct analyse **out, double settle_ms, analyse_unit *on_unit, void *arg);
void analyse_free(struct analyse **analyse);

void analyse_feed(struct analyse *analyse, const uint8_t *data, size_t len, double arrival_ms);

/*
 * The stream ends here: complete the figures. To be called once; nothing
 * may be fed after it. cut: we stopped listening, so half a packet at the end
 * is nobody's fault. A last unit that is not whole never is: a live
 * stream may end anywhere.
 */
void analyse_end(struct analyse *analyse, bool cut);

/* The figures so far; whole after analyse_end(). */
const struct analysis *analyse_figures(const struct analyse *analyse);

/*
 * What is wrong with it, as sentences. Calls say for each; returns how
 * many there were: 0 is a clean stream.
 */
unsigned int analyse_faults(const struct analysis *figures, void (*say)(void *arg, const char *sentence), void *arg);

#endif
