/*
 * report.c - one table of figures, so that none is forgotten
 */
#include "origin/report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/ts.h"
#include "origin/es.h"

#define READ_BYTES 65536
#define SETTLE_MS 10000.0

enum figure_type { COUNT, MS, AGO, YES, PID };

struct figure {
	const char *name;
	enum figure_type type;
	size_t offset;
};

#define F(name, type) \
	{ \
#name, type, offsetof(struct analysis, name) \
	}
static const struct figure figures_all[] = {
	F(bytes, COUNT),
	F(packets, COUNT),
	F(tail_bytes, COUNT),
	F(sync_losses, COUNT),
	F(sync_lost_bytes, COUNT),
	F(malformed, COUNT),
	F(transport_errors, COUNT),
	F(scrambled, COUNT),
	F(null_packets, COUNT),
	F(continuity_errors, COUNT),
	F(duplicates, COUNT),
	F(discontinuity_indicators, COUNT),
	F(unlisted_packets, COUNT),
	F(pids_ignored, COUNT),
	F(pats, COUNT),
	F(pmts, COUNT),
	F(psi_errors, COUNT),
	F(pat_changes, COUNT),
	F(pmt_changes, COUNT),
	F(pmt_versions, COUNT),
	F(psi_first, YES),
	F(pat_gap_ms_max, MS),
	F(pmt_gap_ms_max, MS),
	F(pat_gap_bytes_max, COUNT),
	F(pmt_gap_bytes_max, COUNT),
	F(pcr_pid, PID),
	F(pcrs, COUNT),
	F(pcr_backward, COUNT),
	F(pcr_jumps, COUNT),
	F(pcr_gap_ms_max, MS),
	F(dts_backward, COUNT),
	F(av_distance_ms_max, MS),
	F(video_units, COUNT),
	F(key_frames, COUNT),
	F(first_video_key, YES),
	F(key_interval_ms_max, MS),
	F(media_ms, MS),
	F(first_byte_ms, AGO),
	F(first_key_ms, AGO),
	F(last_byte_ms, AGO),
	F(arrival_gap_ms_max, MS),
	F(arrival_gap_settled_ms_max, MS),
};
#undef F

#define F(name, type) \
	{ \
#name, type, offsetof(struct analysis_pid, name) \
	}
static const struct figure figures_pid[] = {
	F(pid, PID),
	F(packets, COUNT),
	F(continuity_errors, COUNT),
	F(duplicates, COUNT),
	F(units, COUNT),
	F(units_no_time, COUNT),
	F(dts_backward, COUNT),
	F(pes_truncated, COUNT),
	F(duration_ms, MS),
	F(dts_gap_ms_max, MS),
	F(pts_dts_ms_min, MS),
	F(pts_dts_ms_max, MS),
};
#undef F

/* Three digits behind the point: microseconds, and no rounding noise. */
static json_t *
real(double ms)
{
	return json_real(round(ms * 1000) / 1000);
}

static void
put_figures(json_t *json, const struct figure *figures, size_t count, const void *from)
{
	for (size_t i = 0; i < count; i++) {
		const struct figure *f = &figures[i];
		const char *at = (const char *)from + f->offset;
		json_t *value = NULL;

		switch (f->type) {
		case COUNT:
			value = json_integer((json_int_t) * (const uint64_t *)at);
			break;
		case MS:
			value = real(*(const double *)at);
			break;
		case AGO:
			value = *(const double *)at < 0 ? json_null() : real(*(const double *)at);
			break;
		case YES:
			value = json_boolean(*(const bool *)at);
			break;
		case PID:
			value = json_integer(*(const uint16_t *)at);
			break;
		}
		json_object_set_new(json, f->name, value);
	}
}

static json_t *
stamp(int64_t stamp_90k)
{
	return stamp_90k == TS_NOTIME ? json_null() : json_integer(stamp_90k);
}

static json_t *
pid_json(const struct analysis_pid *pid)
{
	json_t *json = json_object();

	put_figures(json, figures_pid, NITEMS(figures_pid), pid);
	json_object_set_new(json, "stream_type", json_integer(pid->stream_type));
	json_object_set_new(json, "kind",
	    json_string(es_is_video(pid->stream_type) ? "video"
		    : es_is_audio(pid->stream_type)   ? "audio"
						      : "other"));
	json_object_set_new(json, "first_pts", stamp(pid->first_pts_90k));
	json_object_set_new(json, "first_dts", stamp(pid->first_dts_90k));
	json_object_set_new(json, "last_dts", stamp(pid->last_dts_90k));
	json_object_set_new(json, "dts_pcr_ms_min", pid->has_dts_pcr ? real(pid->dts_pcr_ms_min) : json_null());
	json_object_set_new(json, "dts_pcr_ms_max", pid->has_dts_pcr ? real(pid->dts_pcr_ms_max) : json_null());
	return json;
}

static void
add_fault(void *arg, const char *sentence)
{
	json_array_append_new(arg, json_string(sentence));
}

json_t *
report_json(const struct analysis *a)
{
	json_t *json = json_object();
	json_t *pids = json_array();
	json_t *faults = json_array();
	unsigned int count;

	if (json == NULL || pids == NULL || faults == NULL) {
		json_decref(json);
		json_decref(pids);
		json_decref(faults);
		return NULL;
	}
	put_figures(json, figures_all, NITEMS(figures_all), a);
	json_object_set_new(json, "pcr_rate_ppm", a->has_pcr_rate ? real(a->pcr_rate_ppm) : json_null());
	/* PAT and PMT are figures of their own. */
	for (size_t i = 0; i < a->npids; i++)
		if (a->pids[i].stream_type != 0)
			json_array_append_new(pids, pid_json(&a->pids[i]));
	json_object_set_new(json, "pids", pids);
	count = analyse_faults(a, add_fault, faults);
	json_object_set_new(json, "clean", json_boolean(count == 0));
	json_object_set_new(json, "faults", faults);
	return json;
}

static void
print_unit(void *arg, const struct analysis_pid *pid, int64_t pts_90k, uint64_t hash, uint64_t len)
{
	(void)arg;
	printf("%u %02x %" PRId64 " %" PRIu64 " %016" PRIx64 "\n", pid->pid, pid->stream_type,
	    pts_90k == TS_NOTIME ? -1 : pts_90k, len, hash);
}

static int
read_all(struct analyse *an, int fd)
{
	static uint8_t buf[READ_BYTES];

	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return PB_ESYS;
		if (n > 0)
			analyse_feed(an, buf, (size_t)n, ANALYSE_NO_TIME);
	}
}

int
report_file(const char *path, bool es_hash)
{
	struct analyse *an = NULL;
	json_t *json;
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int status = PB_EXIT_PERMANENT;

	if (fd == -1) {
		fprintf(stderr, "plexbridge-origin: %s: %s\n", path, strerror(errno));
		return PB_EXIT_PERMANENT;
	}
	if (analyse_new(&an, SETTLE_MS, es_hash ? print_unit : NULL, NULL) != 0)
		goto out;
	if (read_all(an, fd) != 0) {
		fprintf(stderr, "plexbridge-origin: %s: %s\n", path, strerror(errno));
		goto out;
	}
	analyse_end(an, false);
	if (!es_hash) {
		json = report_json(analyse_figures(an));
		if (json == NULL || json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) != 0)
			goto out;
		json_decref(json);
		putchar('\n');
	}
	status = analyse_faults(analyse_figures(an), NULL, NULL) == 0 ? PB_EXIT_OK : PB_EXIT_FAIL;
	if (fflush(stdout) != 0)
		status = PB_EXIT_PERMANENT;
out:
	analyse_free(&an);
	if (fd != STDIN_FILENO)
		close(fd);
	return status;
}
