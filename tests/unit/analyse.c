/*
 * analyse.c - a clean stream is called clean, and each way to break one is told
 *
 * The clean stream is six seconds of the test card as the origin sends it;
 * every test breaks a copy by hand, in one way.
 */
#include "origin/analyse.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "origin/media.h"
#include "origin/testcard.h"

#define SEGMENTS 3
#define SEG_90K (2 * 90000)
#define PMT_PID 0x1000
#define VIDEO_PID 0x100
#define AUDIO_PID 0x101

struct stream {
	uint8_t *ts;
	size_t len;
	size_t room;
};

static struct stream good;

static void
make(struct stream *s, uint64_t first_k)
{
	struct media *media = NULL;
	size_t at = 0;

	ck_assert_int_eq(media_new(&media, testcard_ts, (size_t)(testcard_ts_end - testcard_ts), SEG_90K), 0);
	s->len = 0;
	for (uint64_t k = first_k; k < first_k + SEGMENTS; k++)
		s->len += media_bytes(media, k);
	s->room = s->len + 100 * TS_PACKET;
	s->ts = malloc(s->room);
	ck_assert_ptr_nonnull(s->ts);
	for (uint64_t k = first_k; k < first_k + SEGMENTS; k++) {
		media_emit(media, k, true, s->ts + at);
		at += media_bytes(media, k);
	}
	media_free(&media);
}

static uint8_t *
packet(struct stream *s, size_t i)
{
	return s->ts + i * TS_PACKET;
}

/* The n-th packet of a PID from 0 on that satisfies the filter (NULL: any). */
static size_t
nth(struct stream *s, uint16_t pid, bool (*filter)(const uint8_t *p), size_t n)
{
	for (size_t i = 0; i < s->len / TS_PACKET; i++)
		if (ts_pid(packet(s, i)) == pid && (filter == NULL || filter(packet(s, i))) && n-- == 0)
			return i;
	ck_abort_msg("no such packet");
	return 0;
}

static bool
plain(const uint8_t *p)
{
	return ts_has_payload(p) && !ts_pusi(p);
}

static bool
begins(const uint8_t *p)
{
	return ts_pusi(p);
}

static bool
has_pcr(const uint8_t *p)
{
	return ts_pcr(p) != TS_NOTIME;
}

static void
insert(struct stream *s, size_t at, const uint8_t *data, size_t len)
{
	ck_assert_uint_le(s->len + len, s->room);
	memmove(s->ts + at + len, s->ts + at, s->len - at);
	memcpy(s->ts + at, data, len);
	s->len += len;
}

static void
drop(struct stream *s, size_t i)
{
	memmove(packet(s, i), packet(s, i + 1), s->len - (i + 1) * TS_PACKET);
	s->len -= TS_PACKET;
}

static void
make_null(uint8_t *p)
{
	p[1] = 0x1f;
	p[2] = 0xff;
	p[3] = 0x10;
}

static uint8_t *
pes(uint8_t *p)
{
	return p + ts_payload(p);
}

static void
seal(uint8_t *p)
{
	uint8_t *s = p + ts_payload(p) + 1;
	size_t len = ((size_t)(s[1] & 0x0f) << 8 | s[2]) + 3;
	uint32_t crc = ts_crc32(s, len - 4);

	for (int i = 0; i < 4; i++)
		s[len - 4 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void
shift_pts(struct stream *s, uint16_t pid, size_t from, size_t count, int64_t by_90k)
{
	for (size_t n = from; n < from + count; n++) {
		uint8_t *h = pes(packet(s, nth(s, pid, begins, n)));

		ts_put_stamp(h + 9, 2, ts_get_stamp(h + 9) + by_90k);
	}
}

/* Give a unit a DTS of its own, at the cost of five bytes of its payload. */
static void
put_dts(struct stream *s, int64_t pts_minus_dts_90k)
{
	uint8_t *h = pes(packet(s, nth(s, VIDEO_PID, begins, 5)));
	int64_t dts_90k = ts_get_stamp(h + 9);

	h[7] = 0xc0;
	h[8] = 10;
	ts_put_stamp(h + 9, 3, dts_90k + pts_minus_dts_90k);
	ts_put_stamp(h + 14, 1, dts_90k);
}

static void
break_tail(struct stream *s)
{
	s->len -= 100;
}

static void
break_sync(struct stream *s)
{
	static const uint8_t junk[50] = { 1, 2, 3 };

	insert(s, 40 * TS_PACKET, junk, sizeof(junk));
}

static void
break_head(struct stream *s)
{
	static const uint8_t junk[7] = { 0 };

	insert(s, 0, junk, sizeof(junk));
}

static void
break_malformed(struct stream *s)
{
	packet(s, nth(s, TS_PID_PAT, NULL, 3))[3] &= 0xcf;
}

static void
break_tei(struct stream *s)
{
	packet(s, nth(s, VIDEO_PID, plain, 3))[1] |= 0x80;
}

static void
break_scrambled(struct stream *s)
{
	packet(s, nth(s, VIDEO_PID, plain, 3))[3] |= 0x80;
}

static void
break_counter(struct stream *s)
{
	drop(s, nth(s, VIDEO_PID, plain, 3));
}

static void
break_duplicate(struct stream *s)
{
	size_t i = nth(s, VIDEO_PID, plain, 3);
	uint8_t copy[TS_PACKET];

	memcpy(copy, packet(s, i), TS_PACKET);
	insert(s, i * TS_PACKET, copy, TS_PACKET);
}

static void
break_bare_counter(struct stream *s)
{
	/* An adaptation field alone must repeat the counter, not advance it. */
	size_t i = nth(s, VIDEO_PID, plain, 3);
	uint8_t bare[TS_PACKET] = { TS_SYNC, 0x01, 0x00, 0x20, 183, 0x00 };

	bare[3] |= ts_cc(packet(s, i));
	insert(s, i * TS_PACKET, bare, TS_PACKET);
}

static void
break_unlisted(struct stream *s)
{
	static const uint8_t other[TS_PACKET] = { TS_SYNC, 0x03, 0x33, 0x10 };

	insert(s, 30 * TS_PACKET, other, TS_PACKET);
}

static void
break_psi(struct stream *s)
{
	pes(packet(s, nth(s, TS_PID_PAT, NULL, 3)))[9] ^= 1;
}

static void
break_pat(struct stream *s)
{
	uint8_t *p = packet(s, nth(s, TS_PID_PAT, NULL, 3));

	pes(p)[5] ^= 1; /* transport_stream_id */
	seal(p);
}

static void
break_pmt(struct stream *s)
{
	uint8_t *p = packet(s, nth(s, PMT_PID, NULL, 3));

	pes(p)[6] ^= 2; /* version */
	seal(p);
}

static void
break_begin(struct stream *s)
{
	drop(s, 0);
	drop(s, 0);
}

static void
silence(struct stream *s, uint16_t pid, size_t keep)
{
	for (size_t i = 0; i < s->len / TS_PACKET; i++)
		if (ts_pid(packet(s, i)) == pid && keep-- == 0) {
			make_null(packet(s, i));
			keep = 0;
		}
}

static void
break_pat_gap(struct stream *s)
{
	size_t last = nth(s, TS_PID_PAT, NULL, 40);
	uint8_t kept[TS_PACKET];

	memcpy(kept, packet(s, last), TS_PACKET);
	silence(s, TS_PID_PAT, 1);
	memcpy(packet(s, last), kept, TS_PACKET);
	packet(s, last)[3] = 0x11; /* in step with the first */
	packet(s, 0)[3] = 0x10;
}

static void
break_pmt_gap(struct stream *s)
{
	size_t first = nth(s, PMT_PID, NULL, 0);
	size_t last = nth(s, PMT_PID, NULL, 40);
	uint8_t kept[TS_PACKET];

	memcpy(kept, packet(s, last), TS_PACKET);
	silence(s, PMT_PID, 1);
	memcpy(packet(s, last), kept, TS_PACKET);
	packet(s, last)[3] = 0x11;
	packet(s, first)[3] = 0x10;
}

static void
clear_pcrs(struct stream *s, size_t from, size_t count)
{
	for (size_t n = 0; n < count; n++)
		packet(s, nth(s, VIDEO_PID, has_pcr, from))[5] &= (uint8_t)~TS_AF_PCR;
}

static void
break_no_pcr(struct stream *s)
{
	clear_pcrs(s, 0, 150);
}

static void
break_pcr_gap(struct stream *s)
{
	clear_pcrs(s, 20, 3); /* 160 ms: late, but nothing was skipped */
}

static void
move_pcrs(struct stream *s, size_t from, size_t count, int64_t by_ms)
{
	for (size_t n = from; n < from + count; n++) {
		uint8_t *p = packet(s, nth(s, VIDEO_PID, has_pcr, n));

		ts_put_pcr(p + 6, ts_pcr(p) + by_ms * 27000);
	}
}

static void
break_pcr_back(struct stream *s)
{
	move_pcrs(s, 20, 1, -60);
}

static void
break_pcr_jump(struct stream *s)
{
	move_pcrs(s, 20, 130, 400);
}

static void
break_key(struct stream *s)
{
	/* The first unit's packets go; the second one is no key frame. */
	while (!begins(packet(s, nth(s, VIDEO_PID, NULL, 0))) || nth(s, VIDEO_PID, begins, 0) == 2)
		drop(s, nth(s, VIDEO_PID, NULL, 0));
}

static void
break_av(struct stream *s)
{
	shift_pts(s, AUDIO_PID, 0, 200, 2 * 90000);
}

static void
break_dts(struct stream *s)
{
	shift_pts(s, AUDIO_PID, 50, 1, -1920);
}

static void
break_pes(struct stream *s)
{
	pes(packet(s, nth(s, AUDIO_PID, begins, 10)))[5] += 10;
}

static void
break_pes_header(struct stream *s)
{
	pes(packet(s, nth(s, AUDIO_PID, begins, 10)))[2] = 7;
}

static void
break_pts_early(struct stream *s)
{
	put_dts(s, -900);
}

static void
break_pts_late(struct stream *s)
{
	put_dts(s, 100000);
}

static void
break_late_data(struct stream *s)
{
	shift_pts(s, VIDEO_PID, 0, 150, -70000);
}

static void
break_early_data(struct stream *s)
{
	shift_pts(s, VIDEO_PID, 0, 150, 300000);
}

static void
break_dry(struct stream *s)
{
	silence(s, AUDIO_PID, 0);
}

static void
break_many(struct stream *s)
{
	for (int pid = 0; pid < 70; pid++) {
		uint8_t other[TS_PACKET] = { TS_SYNC, 0x04, (uint8_t)pid, 0x10 };

		insert(s, 10 * TS_PACKET, other, TS_PACKET);
	}
}

static const struct {
	void (*broken)(struct stream *s);
	const char *told; /* in one of the sentences */
} faults[] = {
	{ break_tail, "ends with 88 bytes of a packet" },
	{ break_sync, "sync was lost 1 times, 50 bytes" },
	{ break_head, "sync was lost 1 times, 7 bytes" },
	{ break_malformed, "1 malformed packets" },
	{ break_tei, "1 packets with transport_error_indicator" },
	{ break_scrambled, "1 scrambled packets" },
	{ break_counter, "1 continuity errors" },
	{ break_bare_counter, "1 continuity errors" },
	{ break_duplicate, "1 duplicate packets" },
	{ break_unlisted, "1 packets of PIDs that the PMT does not list" },
	{ break_psi, "1 broken PSI sections" },
	{ break_pat, "the PAT changed 2 times" },
	{ break_pmt, "the PMT changed 2 times" },
	{ break_begin, "does not begin with PAT and PMT" },
	{ break_pat_gap, "ms without a PAT" },
	{ break_pmt_gap, "ms without a PMT" },
	{ break_no_pcr, "there is no PCR" },
	{ break_pcr_gap, "160 ms without a PCR" },
	{ break_pcr_back, "the PCR went back 1 times" },
	{ break_pcr_jump, "the PCR jumped 1 times" },
	{ break_key, "first picture is no key frame" },
	{ break_av, "audio and video are up to" },
	{ break_dts, "DTS did not rise 1 times" },
	{ break_pes, "1 PES packets are shorter than they say" },
	{ break_pes_header, "1 malformed packets" },
	{ break_pts_early, "PTS is 10.0 ms before DTS" },
	{ break_pts_late, "PTS is 1111.1 ms after DTS" },
	{ break_late_data, "ms after its DTS" },
	{ break_early_data, "ms ahead of the PCR" },
	{ break_dry, "is in the PMT and has no data" },
	{ break_many, "more than 64 PIDs" },
};

struct search {
	const char *told;
	bool found;
	char all[4096];
};

static void
look(void *arg, const char *sentence)
{
	struct search *search = arg;

	search->found = search->found || strstr(sentence, search->told) != NULL;
	strncat(search->all, sentence, sizeof(search->all) - strlen(search->all) - 1);
	strncat(search->all, "; ", sizeof(search->all) - strlen(search->all) - 1);
}

static struct analyse *
judge(const uint8_t *ts, size_t len, size_t piece)
{
	struct analyse *an = NULL;

	ck_assert_int_eq(analyse_new(&an, 0, NULL, NULL), 0);
	for (size_t at = 0; at < len; at += piece)
		analyse_feed(an, ts + at, PB_MIN(piece, len - at), ANALYSE_NO_TIME);
	analyse_end(an, false);
	return an;
}

static void
setup(void)
{
	make(&good, 0);
}

static void
teardown(void)
{
	free(good.ts);
}

START_TEST(each_way_to_break_a_stream_is_told)
{
	struct search search = { faults[_i].told, false, "" };
	struct analyse *an;

	faults[_i].broken(&good);
	an = judge(good.ts, good.len, good.len);
	ck_assert_uint_ge(analyse_faults(analyse_figures(an), look, &search), 1);
	ck_assert_msg(search.found, "want \"%s\", told: %s", search.told, search.all);
	analyse_free(&an);
}
END_TEST

START_TEST(a_clean_stream_is_clean_in_pieces_of_any_size)
{
	static const size_t pieces[] = { 1, 7, 187, 188, 189, 375, 376, 377, 1316, 65536 };
	struct search search = { "", false, "" };
	struct analyse *an = judge(good.ts, good.len, pieces[_i]);
	const struct analysis *a = analyse_figures(an);

	ck_assert_msg(analyse_faults(a, look, &search) == 0, "%s", search.all);
	ck_assert_uint_eq(a->packets, good.len / TS_PACKET);
	ck_assert_uint_eq(a->bytes, good.len);
	ck_assert_uint_eq(a->video_units, 150);
	ck_assert_uint_eq(a->key_frames, 6);
	ck_assert(a->first_video_key);
	ck_assert(a->psi_first);
	ck_assert_uint_eq(a->pcrs, 150);
	ck_assert_double_eq_tol(a->pcr_gap_ms_max, 40, 0.001);
	ck_assert_double_eq_tol(a->media_ms, 6000, 25);
	ck_assert_double_eq_tol(a->key_interval_ms_max, 1000, 0.001);
	ck_assert_uint_eq(a->pmt_versions, 1);
	analyse_free(&an);
}
END_TEST

START_TEST(time_that_wraps_at_33_bits_is_no_fault)
{
	struct search search = { "", false, "" };
	struct stream s;
	struct analyse *an;
	bool wrapped = false;

	/* 2^33 is passed in the loop number 3976; its segments are 12 a loop. */
	for (uint64_t k = 3976 * 12 - 3; k < 3978 * 12 && !wrapped; k += SEGMENTS) {
		make(&s, k);
		an = judge(s.ts, s.len, s.len);
		ck_assert_msg(analyse_faults(analyse_figures(an), look, &search) == 0, "%s", search.all);
		for (size_t i = 0; i < analyse_figures(an)->npids; i++) {
			const struct analysis_pid *pid = &analyse_figures(an)->pids[i];

			wrapped = wrapped || (pid->units > 0 && pid->last_dts_90k < pid->first_dts_90k);
		}
		analyse_free(&an);
		free(s.ts);
	}
	ck_assert(wrapped);
}
END_TEST

START_TEST(a_flagged_discontinuity_excuses_the_counter_of_its_pid)
{
	struct search search = { "", false, "" };
	size_t i = nth(&good, VIDEO_PID, plain, 3);
	uint8_t bare[TS_PACKET] = { TS_SYNC, 0x01, 0x00, 0x20, 183, TS_AF_DISCONTINUITY };
	struct analyse *an;

	bare[3] |= ts_cc(packet(&good, i)); /* one before the packet that follows */
	memcpy(packet(&good, i), bare, TS_PACKET);
	an = judge(good.ts, good.len, good.len);
	ck_assert_msg(analyse_faults(analyse_figures(an), look, &search) == 0, "%s", search.all);
	ck_assert_uint_eq(analyse_figures(an)->discontinuity_indicators, 1);
	analyse_free(&an);
}
END_TEST

START_TEST(a_stream_cut_anywhere_is_judged)
{
	for (size_t len = 0; len < 3000; len++) {
		struct analyse *an = judge(good.ts, len, PB_MAX(len, 1));

		ck_assert_uint_eq(analyse_figures(an)->packets, len / TS_PACKET);
		ck_assert_uint_eq(analyse_figures(an)->tail_bytes, len % TS_PACKET);
		if (len % TS_PACKET != 0 || len == 0)
			ck_assert_uint_ge(analyse_faults(analyse_figures(an), NULL, NULL), 1);
		analyse_free(&an);
	}
}
END_TEST

START_TEST(a_viewer_that_stops_anywhere_finds_no_fault_in_the_end)
{
	for (size_t len = good.len - 600; len < good.len; len++) {
		struct search search = { "", false, "" };
		struct analyse *an = NULL;

		ck_assert_int_eq(analyse_new(&an, 0, NULL, NULL), 0);
		analyse_feed(an, good.ts, len, ANALYSE_NO_TIME);
		analyse_end(an, true);
		ck_assert_msg(analyse_faults(analyse_figures(an), look, &search) == 0, "%s", search.all);
		analyse_free(&an);
	}
}
END_TEST

START_TEST(gaps_between_arrivals_are_measured)
{
	struct analyse *an = NULL;
	const struct analysis *a;
	double now_ms = 100;
	size_t piece = good.len / 600;

	ck_assert_int_eq(analyse_new(&an, 50, NULL, NULL), 0);
	for (size_t at = 0; at < good.len; at += piece) {
		analyse_feed(an, good.ts + at, PB_MIN(piece, good.len - at), now_ms);
		/* A long gap before the stream has settled, a shorter one after. */
		now_ms += at == 0 ? 45 : at == piece * 300 ? 30 : 9.9;
	}
	analyse_end(an, false);
	a = analyse_figures(an);
	ck_assert_double_eq_tol(a->first_byte_ms, 100, 0.001);
	ck_assert_double_eq_tol(a->first_key_ms, 145, 0.001); /* behind PAT and PMT, in the second piece */
	ck_assert_double_eq_tol(a->arrival_gap_ms_max, 45, 0.001);
	ck_assert_double_eq_tol(a->arrival_gap_settled_ms_max, 30, 0.001);
	analyse_free(&an);
}
END_TEST

START_TEST(a_clock_that_runs_one_percent_fast_is_told_as_10000_ppm)
{
	int64_t first_27m = ts_pcr(packet(&good, nth(&good, VIDEO_PID, has_pcr, 0)));
	struct analyse *an = NULL;
	double now_ms = 0;

	ck_assert_int_eq(analyse_new(&an, 0, NULL, NULL), 0);
	for (size_t i = 0; i < good.len / TS_PACKET; i++) {
		int64_t pcr_27m = ts_pcr(packet(&good, i));

		if (pcr_27m != TS_NOTIME)
			now_ms = (double)(pcr_27m - first_27m) / 27000 / 1.01;
		analyse_feed(an, packet(&good, i), TS_PACKET, now_ms);
	}
	analyse_end(an, false);
	ck_assert(analyse_figures(an)->has_pcr_rate);
	ck_assert_double_eq_tol(analyse_figures(an)->pcr_rate_ppm, 10000, 1);
	analyse_free(&an);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("analyse");
	TCase *tc = tcase_create("analyse");
	SRunner *sr = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_way_to_break_a_stream_is_told, 0, (int)NITEMS(faults));
	tcase_add_loop_test(tc, a_clean_stream_is_clean_in_pieces_of_any_size, 0, 10);
	tcase_add_test(tc, time_that_wraps_at_33_bits_is_no_fault);
	tcase_add_test(tc, a_flagged_discontinuity_excuses_the_counter_of_its_pid);
	tcase_add_test(tc, a_stream_cut_anywhere_is_judged);
	tcase_add_test(tc, a_viewer_that_stops_anywhere_finds_no_fault_in_the_end);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, gaps_between_arrivals_are_measured);
	tcase_add_test(tc, a_clock_that_runs_one_percent_fast_is_told_as_10000_ppm);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
