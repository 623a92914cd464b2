/*
 * conform.c - what a viewer gets when sources misbehave
 *
 * Every output goes through the strict checker (tscheck.h); the serial
 * numbers of tsmake.h then say which access units came through.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "tests/unit/tscheck.h"
#include "tests/unit/tsmake.h"
#include "worker/conform.h"
#include "worker/interleave.h"

static struct tsmake m;
static struct tscheck t;
static struct conform *c;
static uint8_t *got;
static size_t got_len, got_cap;
static uint64_t msn;

static const struct tsmake_segment two_seconds = { .dts_90k = 900000, .frames = 50, .gop = 25 };

static void
fresh(const struct conform_options *options)
{
	conform_free(&c);
	ck_assert_int_eq(conform_new(&c, options), 0);
	got_len = 0;
	msn = 100;
}

static void
setup(void)
{
	tsmake_init(&m);
	fresh(NULL);
}

static void
teardown(void)
{
	tsmake_clear(&m);
	conform_free(&c);
	free(got);
	got = NULL;
	got_len = got_cap = 0;
}

static void
keep(void)
{
	struct conform_output out;

	while (conform_take(c, &out)) {
		ck_assert_uint_eq(out.len % TS_PACKET, 0);
		for (size_t i = 0; i < out.nmarks; i++) {
			ck_assert_uint_lt(out.marks[i].at, out.len);
			if (out.marks[i].key)
				ck_assert_uint_eq(ts_pid(out.data + out.marks[i].at), TS_PID_PAT);
			else
				ck_assert_int_eq(
				    ts_pcr(out.data + out.marks[i].at), out.marks[i].pcr_27m % (TS_WRAP_90K * 300));
		}
		if (got_len + out.len > got_cap) {
			got_cap = (got_len + out.len) * 2;
			got = realloc(got, got_cap);
			ck_assert_ptr_nonnull(got);
		}
		memcpy(got + got_len, out.data, out.len);
		got_len += out.len;
	}
}

static void
begin(bool discontinuity)
{
	struct conform_input in = { .msn = msn++, .discontinuity = discontinuity, .duration_ms = 2000 };

	conform_begin(c, &in);
	keep();
}

static int
feed(const uint8_t *buf, size_t len, size_t chunk)
{
	int err = 0;

	for (size_t at = 0; at < len && err == 0; at += chunk) {
		err = conform_feed(c, buf + at, PB_MIN(chunk, len - at));
		keep();
	}
	return err;
}

static int
end(bool truncated)
{
	int err = conform_end(c, truncated);

	keep();
	return err;
}

/* What m holds is one segment: pass it through, and empty m. */
static int
pass(bool discontinuity)
{
	int err;

	begin(discontinuity);
	err = feed(m.buf, m.len, 65536);
	if (err == 0)
		err = end(false);
	else
		(void)end(false);
	m.len = 0;
	return err;
}

static void
check(void)
{
	ck_assert_msg(tscheck(&t, got, got_len), "%s", t.why);
}

/* Are pictures first..last there, in order, each once, and no other? */
static void
check_pictures(uint32_t first, uint32_t last)
{
	int64_t before = -1;
	size_t n = 0;

	for (int i = 0; i < t.n; i++) {
		if (t.unit[i].serial < first || t.unit[i].serial > last)
			continue;
		if (t.unit[i].audio)
			continue;
		ck_assert_int_gt((int64_t)t.unit[i].serial, before);
		before = t.unit[i].serial;
		n++;
	}
	ck_assert_uint_gt(n, 0);
}

/* The longest step between two pictures' DTS, and the shortest. */
static void
check_rhythm(int64_t least, int64_t most)
{
	int64_t before = TS_NOTIME;

	for (int i = 0; i < t.n; i++) {
		if (t.unit[i].audio)
			continue;
		if (before != TS_NOTIME) {
			ck_assert_int_ge(t.unit[i].dts - before, least);
			ck_assert_int_le(t.unit[i].dts - before, most);
		}
		before = t.unit[i].dts;
	}
}

static size_t
count_pictures(void)
{
	return t.units[0];
}

START_TEST(a_segment_comes_out_whole_and_valid)
{
	tsmake_segment(&m, &two_seconds);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 50);
	ck_assert_uint_eq(t.units[1], 31);
	ck_assert_uint_eq(t.keys, 2);
	ck_assert(t.video && t.audio);
	ck_assert_int_eq(t.unit[0].dts, 126000);
	ck_assert_uint_eq(t.unit[0].serial, 0);
	check_rhythm(3600, 3600);
	ck_assert_str_eq(conform_stats(c)->video, "h264");
	ck_assert_str_eq(conform_stats(c)->audio, "aac");
	ck_assert_int_eq(conform_stats(c)->key_interval_90k, 90000);
}
END_TEST

START_TEST(pictures_shown_in_another_order_keep_their_times)
{
	struct tsmake_segment s = two_seconds;

	s.reorder = 2;
	tsmake_segment(&m, &s);
	s.dts_90k += 180000;
	ck_assert_int_eq(pass(false), 0);
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 100);
	check_rhythm(3600, 3600);
	for (int i = 0; i < t.n; i++) {
		static const int64_t order[] = { 3, 0, 0 };
		int64_t at = (t.unit[i].dts - 126000) / 3600 % 25;

		if (!t.unit[i].audio)
			ck_assert_int_eq(t.unit[i].pts - t.unit[i].dts, at == 0 ? 3600 : order[(at - 1) % 3] * 3600);
	}
}
END_TEST

/* Every kind of new source behind the cut: PIDs, time base, wrap, B-frames. */
static const struct {
	const char *what;
	int64_t dts_90k;
	uint16_t shift; /* of PIDs */
	int reorder;
	bool tag;
} joints[] = {
	{ "the same time base goes on", 900000 + 180000, 0, 0, false },
	{ "rounding of 30 ms", 900000 + 180000 + 2700, 0, 0, false },
	{ "another time base, tagged", 5000, 0x100, 0, true },
	{ "another time base, not tagged", 77777777, 0, 0, false },
	{ "back to the start, tagged", 900000, 0, 0, true },
	{ "back to the start, not tagged", 900000, 0, 0, false },
	{ "back to the start, other PIDs, B-frames", 900000, 0x55, 2, true },
	{ "near the wrap", TS_WRAP_90K - 90000, 0x10, 2, true },
	{ "tagged, but time goes on", 900000 + 180000, 0, 0, true },
};

START_TEST(a_splice_is_continuous)
{
	struct tsmake_segment s = two_seconds;

	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	m.pmt_pid = (uint16_t)(m.pmt_pid + joints[_i].shift);
	m.video_pid = (uint16_t)(m.video_pid + joints[_i].shift);
	m.audio_pid = (uint16_t)(m.audio_pid + joints[_i].shift);
	s.dts_90k = joints[_i].dts_90k;
	s.reorder = joints[_i].reorder;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(joints[_i].tag), 0);
	s.dts_90k += 180000;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 150);
	ck_assert_uint_ge(t.units[1], 3 * 31 - 2);
	ck_assert_uint_eq(t.keys, 6);
	check_rhythm(3600, 3600 + 3600);
}
END_TEST

START_TEST(an_ad_break_and_back_is_two_splices)
{
	struct tsmake_segment s = two_seconds, ad = two_seconds;

	ad.dts_90k = 12345;
	for (int i = 0; i < 6; i++) {
		bool in_ad = i >= 2 && i < 4;
		struct tsmake_segment *now = in_ad ? &ad : &s;

		m.video_pid = in_ad ? 0x300 : 0x21;
		m.audio_pid = in_ad ? 0x301 : 0x22;
		m.pmt_pid = in_ad ? 0x2ff : 0x20;
		tsmake_segment(&m, now);
		now->dts_90k += 180000;
		ck_assert_int_eq(pass(i == 2 || i == 4), 0);
	}
	check();
	ck_assert_uint_eq(conform_stats(c)->splices, 2);
	ck_assert_uint_eq(t.units[0], 300);
	check_rhythm(3600, 3600);
}
END_TEST

START_TEST(a_jump_inside_a_segment_is_a_splice)
{
	struct tsmake_segment s = two_seconds;

	tsmake_segment(&m, &s);
	s.dts_90k = 900000000;
	s.no_psi = true;
	tsmake_segment(&m, &s);
	s.dts_90k = 4000;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(conform_stats(c)->splices, 2);
	ck_assert_uint_eq(t.units[0], 150);
	ck_assert_uint_ge(t.units[1], 90);
	check_rhythm(3600, 3600);
}
END_TEST

START_TEST(the_sources_clock_may_wrap_anywhere)
{
	struct tsmake_segment s = two_seconds;

	s.dts_90k = TS_WRAP_90K - (int64_t)_i * 1800 - 7;
	s.reorder = 2;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	s.dts_90k += 180000;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(conform_stats(c)->splices, 0);
	ck_assert_uint_eq(t.units[0], 100);
	check_rhythm(3600, 3600);
}
END_TEST

START_TEST(the_outputs_clock_may_wrap_anywhere)
{
	struct conform_options o = { .first_dts_90k = TS_WRAP_90K - (int64_t)_i * 3600 + 11 };
	struct tsmake_segment s = two_seconds;

	fresh(&o);
	s.reorder = 2;
	for (int i = 0; i < 3; i++) {
		tsmake_segment(&m, &s);
		ck_assert_int_eq(pass(i == 1), 0);
		s.dts_90k = 5000;
	}
	check();
	ck_assert_uint_eq(t.units[0], 150);
	check_rhythm(3600, 3600 + 3600);
}
END_TEST

/* Each packet once more, with every flag that makes it worthless. */
START_TEST(worthless_packets_are_dropped)
{
	struct tsmake bad = { 0 };

	tsmake_segment(&m, &two_seconds);
	for (size_t at = 0; at < m.len; at += TS_PACKET) {
		uint8_t p[TS_PACKET];

		memcpy(p, m.buf + at, TS_PACKET);
		tsmake_packet(&bad, p);
		if (_i == 0 || _i == 4) /* 2.4.3.3 allows one duplicate */
			tsmake_packet(&bad, p);
		p[1] |= _i == 1 ? 0x80 : 0;
		if (_i == 2)
			p[3] |= 0x80;
		if (_i == 3)
			p[3] &= 0xcf;
		if (_i == 4) {
			p[1] = 0x1f;
			p[2] = 0xff;
		}
		if (_i == 5) {
			p[1] = 0x45;
			p[2] = 0x55;
		}
		if (_i > 0)
			tsmake_packet(&bad, p);
	}
	begin(false);
	ck_assert_int_eq(feed(bad.buf, bad.len, 65536), 0);
	ck_assert_int_eq(end(false), 0);
	tsmake_clear(&bad);
	check();
	ck_assert_uint_eq(t.units[0], 50);
	ck_assert_uint_eq(t.units[1], 31);
	ck_assert_uint_eq(conform_stats(c)->damaged, 0);
	ck_assert_uint_eq(conform_stats(c)->cc_losses, 0);
	ck_assert_uint_gt(conform_stats(c)->duplicates + conform_stats(c)->tei + conform_stats(c)->scrambled +
		conform_stats(c)->bad_header + conform_stats(c)->unlisted,
	    100);
}
END_TEST

/* Leave out the n-th packet, for every n. */
START_TEST(a_lost_packet_costs_no_picture_but_its_own)
{
	tsmake_segment(&m, &two_seconds);
	for (size_t lost = 0; lost < m.len; lost += TS_PACKET) {
		const uint8_t *p = m.buf + lost;

		fresh(NULL);
		begin(false);
		ck_assert_int_eq(feed(m.buf, lost, 65536), 0);
		ck_assert_int_eq(feed(m.buf + lost + TS_PACKET, m.len - lost - TS_PACKET, 65536), 0);
		ck_assert_int_eq(end(false), 0);
		check();
		if (ts_pid(p) == m.video_pid && !ts_pusi(p))
			ck_assert_uint_eq(t.units[0], 50);
		else if (lost > 20 * TS_PACKET)
			ck_assert_uint_ge(t.units[0], 49);
		ck_assert_uint_ge(t.units[1], lost > 20 * TS_PACKET ? 30 : 15);
	}
}
END_TEST

START_TEST(packets_with_something_around_them_are_found)
{
	static const size_t stride[] = { 188, 192, 204 };
	size_t n, at = 0;
	uint8_t *b;

	tsmake_segment(&m, &two_seconds);
	n = m.len / TS_PACKET;
	b = malloc(n * 204 + 1000);
	ck_assert_ptr_nonnull(b);
	if (_i >= 3) { /* a picture, or a page, in front */
		memset(b, 'G', 70);
		memcpy(b, "\x89PNG\r\n\x1a\nGGG", 11);
		at = 70;
	}
	for (size_t i = 0; i < n; i++) {
		size_t s = stride[_i % 3];

		memset(b + at, 0x11, 204);
		memcpy(b + at + (s == 192 ? 4 : 0), m.buf + i * TS_PACKET, TS_PACKET);
		at += s;
	}
	for (size_t chunk = 1; chunk < 70000; chunk = chunk * 3 + 1) {
		fresh(NULL);
		begin(false);
		ck_assert_int_eq(feed(b, at, chunk), 0);
		ck_assert_int_eq(end(false), 0);
		check();
		ck_assert_uint_eq(t.units[0], 50);
	}
	free(b);
}
END_TEST

START_TEST(junk_between_packets_is_passed_over)
{
	static uint8_t junk[200000];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)(i * 7919 >> 3);
	tsmake_segment(&m, &two_seconds);
	begin(false);
	ck_assert_int_eq(feed(m.buf, 60 * TS_PACKET, 999), 0);
	ck_assert_int_eq(feed(junk, sizeof(junk), 5000), 0);
	ck_assert_int_eq(feed(m.buf + 60 * TS_PACKET, m.len - 60 * TS_PACKET, 777), 0);
	ck_assert_int_eq(end(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 50);
	ck_assert_uint_eq(conform_stats(c)->resync_bytes, sizeof(junk));
}
END_TEST

START_TEST(audio_that_is_late_is_listed_when_it_shows_within_two_seconds)
{
	static const struct {
		int64_t late;
		bool listed;
	} cases[] = { { 0, true }, { 27000, true }, { 270000, false }, { -27000, true }, { 54000, true },
		{ 130500, true }, { 170000, true }, { 190000, false } };
	struct tsmake_segment s = two_seconds;

	s.frames = 200;
	s.audio_90k = cases[_i].late;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 200);
	ck_assert_int_eq(t.audio, cases[_i].listed);
	ck_assert_int_eq(t.units[1] > 0, cases[_i].listed);
	for (int i = 0; i < t.n; i++)
		if (t.unit[i].audio)
			ck_assert_int_ge(t.unit[i].pts, t.unit[0].dts);
}
END_TEST

START_TEST(audio_that_never_comes_is_not_listed)
{
	struct tsmake_segment s = two_seconds;

	s.no_audio = true;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert(t.video && !t.audio);
	ck_assert_uint_eq(t.units[0], 50);

	s.dts_90k += 180000;
	s.no_audio = false;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 100);
	ck_assert_uint_eq(t.units[1], 0);
}
END_TEST

START_TEST(a_stream_goes_on_without_its_audio_or_its_video)
{
	struct tsmake_segment s = two_seconds;

	for (int i = 0; i < 8; i++) {
		s.no_audio = _i == 0 && i >= 2 && i < 6;
		s.no_video = _i == 1 && i >= 2 && i < 6;
		tsmake_segment(&m, &s);
		s.dts_90k += 180000;
		ck_assert_int_eq(pass(_i == 2 && i == 3), 0);
	}
	check();
	ck_assert_uint_eq(t.units[0], _i == 1 ? 200 : 400);
	ck_assert_uint_ge(t.units[1], _i == 0 ? 4 * 31 : 8 * 31);
}
END_TEST

START_TEST(video_missing_behind_a_discontinuity_leaves_audio)
{
	struct tsmake_segment s = two_seconds;

	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	s.dts_90k = 500000000;
	s.no_video = true;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(true), 0);
	s.dts_90k += 180000;
	s.no_video = false;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 100);
	ck_assert_uint_ge(t.units[1], 93);
}
END_TEST

START_TEST(radio_is_carried)
{
	struct tsmake_segment s = two_seconds;

	m.video_pid = 0;
	s.no_video = true;
	s.frames = 100;
	for (int i = 0; i < 3; i++) {
		tsmake_segment(&m, &s);
		s.dts_90k = i == 1 ? 1000 : s.dts_90k + 360000;
		ck_assert_int_eq(pass(i == 2), 0);
	}
	check();
	ck_assert(!t.video && t.audio);
	ck_assert_uint_ge(t.units[1], 186);
	ck_assert_uint_ge(t.keys, 20);
}
END_TEST

/* One PES with so many AAC frames of 1920 ticks. */
static void
make_long_sound(int64_t pts, int frames)
{
	uint8_t b[400 * 40];

	ck_assert_int_le(frames, 400);
	for (int i = 0; i < frames; i++) {
		memset(b + i * 40, 0x55, 40);
		memcpy(b + i * 40, "\xff\xf1\x4c\x80\x05\x1f\xfc", 7);
	}
	tsmake_pes(&m, m.audio_pid, 0xc0, pts, pts, b, (size_t)frames * 40, true);
}

/* Speech at 16 kbit/s: a PES holds seconds of it, and its time must not run faster. */
START_TEST(radio_in_long_pes_keeps_its_time)
{
	static const int frames[] = { 24, 47, 100, 200, 400 };
	int64_t pts = 900000, before = TS_NOTIME;

	m.video_pid = 0;
	for (int i = 0; i < 4; i++) {
		tsmake_psi(&m);
		for (int k = 0; k < 5; k++, pts += frames[_i] * 1920)
			make_long_sound(pts, frames[_i]);
		ck_assert_int_eq(pass(false), 0);
	}
	check();
	ck_assert_uint_eq(t.units[1], 20);
	ck_assert_uint_eq(conform_stats(c)->splices, 0);
	for (int i = 0; i < t.n; i++) {
		if (before != TS_NOTIME)
			ck_assert_int_eq(t.unit[i].dts - before, frames[_i] * 1920);
		before = t.unit[i].dts;
	}
}
END_TEST

/* Pictures are missing for _i seconds while audio goes on: it is not touched. */
START_TEST(a_hole_in_video_costs_no_audio)
{
	int64_t dts = 900000, sound = dts, before = TS_NOTIME;
	int first = 110, after = first + 25 * _i;
	size_t sounds = 0;

	for (int n = 0; n < 500; n++, dts += 3600) {
		if (n % 100 == 0)
			tsmake_psi(&m);
		if (n < first || n >= after)
			tsmake_picture(&m, dts, 0, n % 25 == 0, 400);
		for (; sound <= dts; sound += 5760, sounds++)
			tsmake_sound(&m, sound);
		if (n % 100 == 99)
			ck_assert_int_eq(pass(false), 0);
	}
	check();
	ck_assert_uint_eq(conform_stats(c)->splices, 0);
	ck_assert_uint_eq(t.units[1], sounds);
	ck_assert_uint_ge(t.units[0], (size_t)(500 - 25 * _i - 25));
	for (int i = 0; i < t.n; i++) {
		if (!t.unit[i].audio)
			continue;
		if (before != TS_NOTIME)
			ck_assert_int_eq(t.unit[i].dts - before, 5760);
		before = t.unit[i].dts;
	}
}
END_TEST

/* Open GOPs: two pictures behind each key are shown before it, and lean on both sides. Some are missing. */
START_TEST(pictures_that_lean_on_a_hole_do_not_go_out)
{
	int hole = 400, after = hole + 90; /* more than two seconds */
	int64_t sound = 900000;
	bool seen[750] = { 0 };

	begin(false);
	for (int n = 0; n < 750; n++) {
		int in_gop = n % 25;
		int64_t dts = 900000 + n * 3600;

		if (in_gop == 0)
			tsmake_psi(&m);
		m.serial = (uint32_t)n;
		if (n < hole || n >= after)
			tsmake_picture(&m, dts, in_gop == 0 ? 3 * 3600 : in_gop > 2 ? 3600 : 0, in_gop == 0, 400);
		m.serial = 1000000;
		for (; sound <= dts; sound += 5760)
			tsmake_sound(&m, sound);
	}
	ck_assert_int_eq(feed(m.buf, m.len, 65536), 0);
	ck_assert_int_eq(end(false), 0);
	check();
	ck_assert_uint_eq(conform_stats(c)->splices, 0);
	for (int i = 0; i < t.n; i++)
		if (!t.unit[i].audio)
			seen[t.unit[i].serial] = true;
	for (int n = 0; n < 750; n++) {
		/* The last one before the hole ends where the next begins: that is too late for it. */
		bool leans =
		    (n >= hole - 1 && n < 500) || ((n < 25 || (n >= 500 && n < 525)) && (n % 25 == 1 || n % 25 == 2));

		ck_assert_msg(seen[n] == !leans, "picture %d", n);
	}
}
END_TEST

#define BLA_N_LP 18
#define CRA 21

/*
 * HEVC with open GOPs: start, four seconds without pictures, a cut. The first
 * key frame of each says that nothing was before it, all others are as they were.
 */
START_TEST(only_the_first_cra_behind_a_cut_has_a_broken_link)
{
	int64_t sound = 900000;
	unsigned broken = 0, whole = 0;

	m.video_type = 0x24;
	m.hevc = true;
	for (int n = 0; n < 500; n++) {
		int64_t dts = 900000 + n * 3600 + (n >= 400 ? 777777 : 0);

		if (n % 25 == 0)
			tsmake_psi(&m);
		if (n == 400)
			sound = dts;
		m.serial = (uint32_t)n;
		if (n < 200 || n >= 310)
			tsmake_picture(&m, dts,
			    n % 25 == 0      ? 3 * 3600
				: n % 25 > 2 ? 3600
					     : 0,
			    n % 25 == 0, n % 25 == 0 ? 3000 : 400);
		m.serial = 1000000;
		for (; sound <= dts; sound += 5760)
			tsmake_sound(&m, sound);
		if (n % 50 == 49)
			ck_assert_int_eq(pass(n == 449 && _i == 1), 0);
	}
	check();
	ck_assert_uint_eq(conform_stats(c)->splices, 1);
	for (int i = 0; i < t.n; i++) {
		uint32_t n = t.unit[i].serial;
		uint32_t key = n - n % 25;
		bool led = key == 0 || key == 325 || key == 400, first = led && n == key;

		if (t.unit[i].audio)
			continue;
		ck_assert_msg(first || !led || n > key + 2, "picture %u leans on what is missing", n);
		ck_assert_uint_eq(tscheck_hevc(got, got_len, t.unit[i].at, BLA_N_LP), first ? 2 : 0);
		ck_assert_uint_eq(tscheck_hevc(got, got_len, t.unit[i].at, CRA), n % 25 == 0 && !first ? 2 : 0);
		broken += first;
		whole += n % 25 == 0 && !first;
	}
	ck_assert_uint_eq(broken, 3);
	ck_assert_uint_eq(whole, 20 - 5 - 3);
}
END_TEST

/* Whole segments without a key frame behind a cut: nothing of them, then all. */
START_TEST(a_cut_may_wait_for_its_key_frame_over_segments)
{
	struct tsmake_segment s = two_seconds;

	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	s.dts_90k = 50000000;
	s.first_key = 50;
	s.gop = 100;
	for (int i = 0; i < _i; i++, s.dts_90k += 180000) {
		tsmake_segment(&m, &s);
		ck_assert_int_eq(pass(i == 0), PB_EFORMAT);
		ck_assert_str_eq(conform_reason(c), "no key frame");
	}
	s.first_key = 0;
	s.gop = 25;
	for (int i = 0; i < 2; i++, s.dts_90k += 180000) {
		tsmake_segment(&m, &s);
		ck_assert_int_eq(pass(false), 0);
	}
	check();
	ck_assert_uint_eq(t.units[0], 150);
	ck_assert_uint_ge(t.units[1], 3 * 31 - 2);
	check_rhythm(3600, 3600 + 3600);
	ck_assert_uint_eq(conform_stats(c)->splices, 1);
}
END_TEST

/* The source's clock wraps close to a cut, on either side of it. */
START_TEST(a_wrap_near_a_cut_is_no_second_cut)
{
	int64_t wrap = TS_WRAP_90K + (int64_t)(_i / 2 - 8) * 50000;
	struct tsmake_segment s = two_seconds;

	s.reorder = 2;
	s.dts_90k = _i % 2 ? wrap : 900000;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	s.dts_90k = _i % 2 ? 77777 : wrap;
	for (int i = 0; i < 3; i++, s.dts_90k += 180000) {
		tsmake_segment(&m, &s);
		ck_assert_int_eq(pass(i == 0), 0);
	}
	check();
	ck_assert_uint_eq(t.units[0], 200);
	ck_assert_uint_ge(t.units[1], 4 * 31 - 2);
	check_rhythm(3600, 3600);
	ck_assert_uint_eq(conform_stats(c)->splices, 1);
}
END_TEST

START_TEST(output_waits_for_a_key_frame)
{
	struct tsmake_segment s = two_seconds;

	s.first_key = 20;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 30);
	ck_assert_uint_eq(t.unit[0].serial, 32);
}
END_TEST

START_TEST(a_recovery_point_serves_after_five_seconds)
{
	struct tsmake_segment s = two_seconds;

	m.open_gop = true;
	s.frames = 250;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 250 - 150);
	ck_assert_uint_eq(t.keys, 4);
}
END_TEST

/* A source without key frames, in segments of two seconds. */
START_TEST(short_segments_wait_for_their_recovery_point)
{
	struct tsmake_segment s = two_seconds;

	m.open_gop = true;
	for (int i = 0; i < 5; i++, s.dts_90k += 180000) {
		tsmake_segment(&m, &s);
		ck_assert_int_eq(pass(false), i < 3 ? PB_EFORMAT : 0);
		ck_assert_int_eq(conform_awaits_key(c), i < 3);
	}
	check();
	ck_assert_uint_eq(t.units[0], 100);
}
END_TEST

/* Without even those: it is waited for some time, not for ever. */
START_TEST(a_source_that_gives_no_place_to_begin_is_told_from_one_that_waits)
{
	struct tsmake_segment s = two_seconds;

	s.first_key = 50;
	s.gop = 100;
	for (int i = 0; i < 8; i++, s.dts_90k += 180000) {
		tsmake_segment(&m, &s);
		ck_assert_int_eq(pass(i % 3 == 1), PB_EFORMAT);
		ck_assert_int_eq(conform_awaits_key(c), i < 5);
	}
}
END_TEST

/* The clock steps while a recovery point is waited for: what came before counts. */
static const int jumps_s[] = { -1, -5, -100, -1000, 3, 100, 1000 };

START_TEST(a_clock_that_steps_does_not_prolong_the_wait_for_a_recovery_point)
{
	struct tsmake_segment s = two_seconds;

	s.dts_90k = 900000000;
	m.open_gop = true;
	for (int i = 0; i < 6; i++, s.dts_90k += 180000) {
		if (i == 1)
			s.dts_90k += jumps_s[_i % (int)NITEMS(jumps_s)] * 90000;
		tsmake_segment(&m, &s);
		(void)pass(i == 1 && _i >= (int)NITEMS(jumps_s));
	}
	check();
	ck_assert_uint_eq(t.units[0], 6 * 50 - 150);
}
END_TEST

/* Ad breaks, with key frames or without, in a source that has none: it is known by then. */
START_TEST(a_source_that_never_had_a_key_frame_is_not_waited_for_again)
{
	struct tsmake_segment s = two_seconds;

	m.open_gop = true;
	for (int i = 0; i < 20; i++, s.dts_90k += 180000) {
		if (i % 5 == 4 || i % 5 == 0)
			s.dts_90k += 77 * 90000;
		m.open_gop = _i == 0 || i % 5 != 4;
		tsmake_segment(&m, &s);
		(void)pass(i % 5 == 4 || i % 5 == 0);
	}
	check();
	ck_assert_uint_eq(t.units[0], 20 * 50 - 150);
	ck_assert_uint_eq(conform_stats(c)->splices, 7);
}
END_TEST

/* Another source is another matter: it has five seconds to send one. */
START_TEST(another_source_has_habits_of_its_own)
{
	struct conform_input in = { .msn = 200, .source = 1 };
	struct tsmake_segment s = two_seconds;
	int keys = 0;

	m.open_gop = true;
	s.frames = 200;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	s.dts_90k = 5000;
	s.frames = 50;
	tsmake_segment(&m, &s); /* two recovery points, then */
	m.open_gop = false;
	s.dts_90k += 180000;
	tsmake_segment(&m, &s); /* key frames */
	conform_begin(c, &in);
	ck_assert_int_eq(feed(m.buf, m.len, 65536), 0);
	ck_assert_int_eq(end(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 50 + 50);
	for (int i = 0; i < t.n; i++)
		keys += t.unit[i].key;
	ck_assert_int_eq(keys, 2 + 2);
}
END_TEST

START_TEST(a_key_frame_without_parameter_sets_gets_those_of_its_source)
{
	struct tsmake_segment s = two_seconds;
	size_t full, bare = 0;

	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	m.bare = true;
	s.dts_90k = 99;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0); /* a jump in the same source */
	check();
	ck_assert_uint_eq(t.units[0], 100);
	full = t.unit[0].len;
	for (int i = 1; i < t.n; i++)
		if (t.unit[i].key)
			bare = t.unit[i].len;
	ck_assert_uint_eq(bare, full + 16); /* tsmake pads to a size: these came on top */

	s.dts_90k = 12345678; /* another source: its parameter sets are not known */
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(true), PB_EFORMAT);
	ck_assert_str_eq(conform_reason(c), "no key frame");
	check();
	ck_assert_uint_eq(t.units[0], 100);
}
END_TEST

START_TEST(another_codec_is_refused_and_nothing_of_it_carried)
{
	struct tsmake_segment s = two_seconds;

	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	if (_i == 0)
		m.video_type = 0x24;
	else
		m.audio_type = 0x81;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(true), PB_ENOSUP);
	ck_assert_ptr_nonnull(strstr(conform_reason(c), "codec-change"));
	m.video_type = 0x1b;
	m.audio_type = 0x0f;
	s.dts_90k += 360000;
	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 100);
	check_rhythm(3600, 3600);
}
END_TEST

START_TEST(audio_that_ends_for_good_does_not_end_the_stream)
{
	struct tsmake_segment s = two_seconds;

	tsmake_segment(&m, &s);
	ck_assert_int_eq(pass(false), 0);
	m.audio_pid = 0;
	s.no_audio = true;
	for (int i = 0; i < 4; i++) {
		s.dts_90k += 180000;
		tsmake_segment(&m, &s);
		ck_assert_int_eq(pass(i == 2), 0);
	}
	check();
	ck_assert_uint_eq(t.units[0], 250);
	check_rhythm(3600, 3600);
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
	int err;
	const char *why;
} strangers[] = {
	{ "", 0, PB_EFORMAT, "the segment is empty" },
	{ "<!DOCTYPE html><html><body>Gone</body></html>", 45, PB_EFORMAT, "HTML" },
	{ "{\"error\":403}", 13, PB_EFORMAT, "JSON" },
	{ "#EXTM3U\n", 8, PB_EFORMAT, "playlist" },
	{ "\0\0\0\x18"
	  "ftypiso5",
	    12, PB_ENOSUP, "fragmented MP4" },
	{ "\0\0\0\x18"
	  "stypmsdh",
	    12, PB_ENOSUP, "fragmented MP4" },
	{ "ID3\4\0\0\0\0\0\x3f", 10, PB_ENOSUP, "packed audio" },
	{ "\xff\xf1\x4c\x80\x05\x1f\xfc", 7, PB_ENOSUP, "packed AAC" },
	{ "WEBVTT\n\n", 8, PB_ENOSUP, "WebVTT" },
	{ "GGGGGGGG", 8, PB_EFORMAT, "no packets" },
};

START_TEST(what_is_not_ts_is_named)
{
	begin(false);
	ck_assert_int_eq(feed((const uint8_t *)strangers[_i].bytes, strangers[_i].len, 3), 0);
	ck_assert_int_eq(end(false), strangers[_i].err);
	ck_assert_ptr_nonnull(strstr(conform_reason(c), strangers[_i].why));
	ck_assert_uint_eq(got_len, 0);

	/* And a stream after it begins as if nothing had been. */
	tsmake_segment(&m, &two_seconds);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 50);
}
END_TEST

START_TEST(endless_bytes_that_are_not_ts_are_refused_early)
{
	static uint8_t zeros[100000];

	begin(false);
	ck_assert_int_eq(feed(zeros, sizeof(zeros), 1000), PB_EFORMAT);
	ck_assert_int_eq(end(false), PB_EFORMAT);
}
END_TEST

START_TEST(what_cannot_be_carried_is_refused_with_its_reason)
{
	static const struct {
		uint8_t video, audio;
		bool scramble;
		int err;
		const char *why;
	} cases[] = {
		{ 0xdb, 0xcf, false, PB_ENOSUP, "SAMPLE-AES" },
		{ 0x1b, 0xc1, false, PB_ENOSUP, "SAMPLE-AES" },
		{ 0x42, 0x8a, false, PB_ENOSUP, "no video or audio" },
		{ 0x1b, 0x0f, true, PB_ENOSUP, "scrambled" },
	};

	m.video_type = cases[_i].video;
	m.audio_type = cases[_i].audio;
	tsmake_segment(&m, &two_seconds);
	for (size_t at = 0; cases[_i].scramble && at < m.len; at += TS_PACKET)
		if (ts_pid(m.buf + at) == m.video_pid || ts_pid(m.buf + at) == m.audio_pid)
			m.buf[at + 3] |= 0xc0;
	ck_assert_int_eq(pass(false), cases[_i].err);
	ck_assert_ptr_nonnull(strstr(conform_reason(c), cases[_i].why));
	ck_assert_uint_eq(got_len, 0);
}
END_TEST

START_TEST(a_segment_cut_at_any_byte_gives_a_valid_stream_or_nothing)
{
	struct tsmake_segment s = { .dts_90k = 900000, .frames = 8, .gop = 4, .reorder = 2 };

	m.bounded = _i & 1;
	tsmake_segment(&m, &s);
	for (size_t cut = 0; cut <= m.len; cut++) {
		fresh(NULL);
		begin(false);
		ck_assert_int_eq(feed(m.buf, cut, 65536), 0);
		(void)end(_i & 2);
		check();
		ck_assert_uint_le(count_pictures(), 8);
	}
}
END_TEST

/* A cut segment, then a whole one: nothing of the first is glued to the second. */
START_TEST(a_cut_segment_does_not_hurt_the_next)
{
	struct tsmake_segment s = { .dts_90k = 900000, .frames = 8, .gop = 4 };
	struct tsmake next = { 0 };

	tsmake_segment(&m, &s);
	tsmake_init(&next);
	next.serial = 1000;
	s.dts_90k += 8 * 3600;
	tsmake_segment(&next, &s);
	for (size_t cut = 0; cut <= m.len; cut += 41) {
		fresh(NULL);
		begin(false);
		ck_assert_int_eq(feed(m.buf, cut, 65536), 0);
		(void)end(true);
		begin(false);
		ck_assert_int_eq(feed(next.buf, next.len, 65536), 0);
		ck_assert_int_eq(end(false), 0);
		check();
		ck_assert_uint_ge(count_pictures(), 8);
		check_pictures(1000, 2000);
	}
	tsmake_clear(&next);
}
END_TEST

/*
 * Segments that are cut at a key picture's packet, whatever is under way of
 * the sound: a PES of it has 6 packets, one behind each picture.
 */
#define CUTS 8
#define LONG_SOUND 1000
static struct tsmake cuts[CUTS];

static void
make_long(uint8_t b[LONG_SOUND], uint32_t serial)
{
	memset(b, (int)(0x80 + serial % 100), LONG_SOUND);
	for (int i = 0; i < LONG_SOUND; i += 40)
		memcpy(b + i, "\xff\xf1\x4c\x80\x05\x1f\xfc", 7);
	memcpy(b + 7, "\xa5\x5a\x80\x80\x80\x80", 6);
	b[9] = (uint8_t)(0x80 | serial); /* there are fewer than 128 */
}

static uint32_t
make_cuts(void)
{
	uint8_t b[LONG_SOUND];
	struct tsmake sounds;
	int64_t sound = 900000;
	uint32_t serial = 0;
	size_t at = 0;

	tsmake_init(&sounds);
	for (int i = 0; i < CUTS; i++) {
		tsmake_init(&cuts[i]);
		if (i > 0)
			memcpy(cuts[i].cc, cuts[i - 1].cc, sizeof(cuts[i].cc));
		cuts[i].serial = 1000 * ((uint32_t)i + 1);
		tsmake_psi(&cuts[i]);
		for (int n = i * 50; n < (i + 1) * 50; n++) {
			tsmake_picture(&cuts[i], 900000 + n * 3600, 0, n % 50 == 0, 400);
			for (; sound <= 900000 + n * 3600; sound += 25 * 1920) {
				make_long(b, serial++);
				tsmake_pes(&sounds, sounds.audio_pid, 0xc0, sound, sound, b, LONG_SOUND, true);
			}
			if (at < sounds.len) {
				tsmake_packet(&cuts[i], sounds.buf + at);
				at += TS_PACKET;
			}
		}
	}
	tsmake_clear(&sounds);
	return serial;
}

/* How many sounds are there? Each is what it was. */
static uint32_t
check_long(void)
{
	uint32_t n = 0;

	check();
	for (int i = 0; i < t.n; i++) {
		uint8_t want[LONG_SOUND], have[LONG_SOUND];
		size_t len = 0, head = 14;

		if (!t.unit[i].audio)
			continue;
		make_long(want, t.unit[i].serial);
		ck_assert_uint_eq(t.unit[i].len, LONG_SOUND);
		for (size_t p = t.unit[i].at; len < LONG_SOUND; p += TS_PACKET) {
			size_t from;

			if (ts_pid(got + p) != ts_pid(got + t.unit[i].at))
				continue;
			from = (size_t)ts_payload(got + p) + head;
			ck_assert_uint_le(len + TS_PACKET - from, LONG_SOUND);
			memcpy(have + len, got + p + from, TS_PACKET - from);
			len += TS_PACKET - from;
			head = 0;
		}
		ck_assert_mem_eq(have, want, LONG_SOUND);
		n++;
	}
	return n;
}

static const struct {
	const char *what;
	int lost; /* sounds, of those that go on in segment 3 */
} borders[] = {
	{ "the next segment goes on", 0 },
	{ "it is another time base", 1 },
	{ "it is not the next", 1 },
	{ "it is another source", 1 },
	{ "bytes were missing at the end of the one before", 1 },
	{ "a packet is missing", 1 },
	{ "the last packet comes twice", 0 },
};

START_TEST(sound_goes_on_over_a_segments_end)
{
	uint32_t sounds = make_cuts();

	for (int i = 0; i < CUTS; i++) {
		struct conform_input in = { .msn = msn++, .duration_ms = 2000, .source = i >= 3 && _i == 3 };
		struct tsmake *s = &cuts[i];

		if (i == 3 && _i == 2)
			in.msn = msn++;
		in.discontinuity = i == 3 && _i == 1;
		conform_begin(c, &in);
		keep();
		for (size_t at = 0; at < s->len; at += TS_PACKET) {
			if (i == 3 && _i == 5 && ts_pid(s->buf + at) == s->audio_pid) {
				s->audio_pid = 0; /* this one is lost */
				continue;
			}
			if (i == 3 && _i == 6 && at == 0)
				for (size_t last = cuts[2].len; last > 0; last -= TS_PACKET)
					if (ts_pid(cuts[2].buf + last - TS_PACKET) == s->audio_pid) {
						ck_assert_int_eq(
						    feed(cuts[2].buf + last - TS_PACKET, TS_PACKET, 188), 0);
						break;
					}
			ck_assert_int_eq(feed(s->buf + at, TS_PACKET, 100), 0);
		}
		ck_assert_int_eq(end(i == 2 && _i == 4), 0);
	}
	ck_assert_uint_eq(check_long(), sounds - (uint32_t)borders[_i].lost);
	for (int i = 0; i < CUTS; i++)
		tsmake_clear(&cuts[i]);
}
END_TEST

/* What was open is not in a snapshot: a successor may lack that one, and nothing else. */
START_TEST(a_successor_lacks_no_more_than_the_sound_that_was_open)
{
	uint32_t sounds = make_cuts(), least = sounds;

	for (int seg = 1; seg < CUTS; seg++)
		for (size_t cut = 0; cut <= cuts[seg].len; cut += 13 * TS_PACKET) {
			struct conform_snapshot snap;
			uint32_t n;

			fresh(NULL);
			for (int i = 0; i < CUTS; i++) {
				if (i != seg || cut > 0)
					begin(false);
				if (i == seg) {
					if (cut > 0)
						ck_assert_int_eq(feed(cuts[i].buf, cut, 4096), 0);
					conform_save(c, &snap);
					conform_free(&c);
					ck_assert_int_eq(conform_new(&c, NULL), 0);
					ck_assert_int_eq(conform_load(c, &snap), 0);
					msn = 100 + (uint64_t)i;
					begin(false);
				}
				ck_assert_int_eq(feed(cuts[i].buf, cuts[i].len, 65536), 0);
				ck_assert_int_eq(end(false), 0);
			}
			n = check_long();
			ck_assert_uint_ge(n, sounds - 1);
			ck_assert_uint_eq(t.units[0], CUTS * 50);
			least = PB_MIN(least, n);
		}
	ck_assert_uint_eq(least, sounds - 1);
	for (int i = 0; i < CUTS; i++)
		tsmake_clear(&cuts[i]);
}
END_TEST

/* Segments of a hard day: jumps, an ad, a hole, repeats. Fed in many ways below. */
#define DAY 6
static struct tsmake day[DAY];
static bool day_tag[DAY];

static void
make_day(void)
{
	struct tsmake_segment s = { .dts_90k = TS_WRAP_90K - 100000, .frames = 30, .gop = 10, .reorder = 2 };
	uint32_t serial = 0;

	for (int i = 0; i < DAY; i++) {
		tsmake_init(&day[i]);
		day[i].serial = serial;
		day_tag[i] = i == 2;
		if (i == 2) {
			day[i].video_pid = 0x400;
			s.dts_90k = 5;
			s.first_key = 3;
		}
		tsmake_segment(&day[i], &s);
		s.first_key = 0;
		if (i == 3) { /* a jump in the middle, and audio in front of it */
			s.dts_90k = 4000000;
			s.no_psi = true;
			tsmake_segment(&day[i], &s);
			s.no_psi = false;
		}
		s.dts_90k += 30 * 3600;
		if (i == 4)
			s.dts_90k -= 12 * 3600; /* an overlap: half a second is less */
		serial = day[i].serial;
	}
}

static void
clear_day(void)
{
	for (int i = 0; i < DAY; i++)
		tsmake_clear(&day[i]);
}

static void
pass_day(size_t chunk)
{
	for (int i = 0; i < DAY; i++) {
		begin(day_tag[i]);
		ck_assert_int_eq(feed(day[i].buf, day[i].len, chunk), 0);
		ck_assert_int_eq(end(false), 0);
	}
}

START_TEST(how_bytes_are_chunked_does_not_matter)
{
	uint8_t *whole;
	size_t len;

	make_day();
	pass_day(1 << 20);
	check();
	ck_assert_uint_ge(t.units[0], 200);
	whole = malloc(got_len);
	ck_assert_ptr_nonnull(whole);
	len = got_len;
	memcpy(whole, got, len);
	for (size_t chunk = 1; chunk < 3000; chunk = chunk * 5 + 1) {
		fresh(NULL);
		pass_day(chunk);
		ck_assert_uint_eq(got_len, len);
		ck_assert_mem_eq(got, whole, len);
	}
	free(whole);
	clear_day();
}
END_TEST

/*
 * A worker dies after any commit: the next one is given the snapshot and
 * the segment from its start, and makes the very same bytes from there on.
 */
START_TEST(a_successor_goes_on_with_the_same_bytes_after_any_commit)
{
	struct conform_snapshot snap;
	uint8_t *whole;
	size_t len, commits = 0, before;

	make_day();
	pass_day(1 << 20);
	len = got_len;
	whole = malloc(len);
	ck_assert_ptr_nonnull(whole);
	memcpy(whole, got, len);

	for (int seg = 0; seg < DAY; seg++) {
		for (size_t cut = 0; cut <= day[seg].len; cut += 188 * 3 + 60) {
			fresh(NULL);
			for (int i = 0; i < seg; i++) {
				begin(day_tag[i]);
				ck_assert_int_eq(feed(day[i].buf, day[i].len, 1 << 20), 0);
				ck_assert_int_eq(end(false), 0);
			}
			begin(day_tag[seg]);
			before = got_len;
			ck_assert_int_eq(feed(day[seg].buf, cut, 1 << 20), 0);
			if (cut > 0 && got_len == before && cut % 4 != 0)
				continue;
			conform_save(c, &snap);
			ck_assert_uint_eq(snap.msn, 100 + (uint64_t)seg);
			ck_assert_uint_eq(snap.in_segment, 1);
			conform_free(&c);
			ck_assert_int_eq(conform_new(&c, NULL), 0);
			ck_assert_int_eq(conform_load(c, &snap), 0);
			msn = snap.msn;
			for (int i = seg; i < DAY; i++) {
				begin(day_tag[i]);
				ck_assert_int_eq(feed(day[i].buf, day[i].len, 1 << 20), 0);
				ck_assert_int_eq(end(false), 0);
			}
			ck_assert_uint_eq(got_len, len);
			ck_assert_mem_eq(got, whole, len);
			commits++;
		}
		/* And between two segments. */
		fresh(NULL);
		for (int i = 0; i < DAY; i++) {
			begin(day_tag[i]);
			ck_assert_int_eq(feed(day[i].buf, day[i].len, 1 << 20), 0);
			ck_assert_int_eq(end(false), 0);
			if (i != seg)
				continue;
			conform_save(c, &snap);
			ck_assert_uint_eq(snap.in_segment, 0);
			conform_free(&c);
			ck_assert_int_eq(conform_new(&c, NULL), 0);
			ck_assert_int_eq(conform_load(c, &snap), 0);
		}
		ck_assert_uint_eq(got_len, len);
		ck_assert_mem_eq(got, whole, len);
	}
	ck_assert_uint_gt(commits, 100);
	free(whole);
	clear_day();
}
END_TEST

START_TEST(a_segment_that_is_fed_again_adds_nothing)
{
	struct conform_snapshot snap;
	size_t len;

	tsmake_segment(&m, &two_seconds);
	begin(false);
	ck_assert_int_eq(feed(m.buf, m.len, 65536), 0);
	ck_assert_int_eq(end(false), 0);
	len = got_len;
	conform_save(c, &snap);
	conform_free(&c);
	ck_assert_int_eq(conform_new(&c, NULL), 0);
	ck_assert_int_eq(conform_load(c, &snap), 0);
	msn = snap.msn;
	begin(false);
	ck_assert_int_eq(feed(m.buf, m.len, 65536), 0);
	ck_assert_int_eq(end(false), 0);
	ck_assert_uint_eq(got_len, len);
}
END_TEST

START_TEST(an_endless_source_is_taken_up_again_where_it_is)
{
	struct conform_input in = { .msn = 1, .continues = true };
	struct conform_snapshot snap;
	struct tsmake_segment s = two_seconds;

	s.frames = 200;
	tsmake_segment(&m, &s);
	conform_begin(c, &in);
	ck_assert_int_eq(feed(m.buf, m.len / 2, 10000), 0);
	conform_save(c, &snap);
	if (_i < 3) {
		conform_free(&c);
		ck_assert_int_eq(conform_new(&c, NULL), 0);
		ck_assert_int_eq(conform_load(c, &snap), 0);
	}
	/* It sends some of it again; or goes on where it is now; or begins anew. */
	conform_begin(c, &in);
	keep();
	if (_i % 3 == 0) {
		ck_assert_int_eq(feed(m.buf, m.len, 10000), 0);
		ck_assert_int_eq(end(false), 0);
	} else {
		m.len = 0;
		s.dts_90k = _i % 3 == 1 ? 900000 + 300 * 3600 : TS_WRAP_90K / 2;
		tsmake_segment(&m, &s);
		ck_assert_int_eq(feed(m.buf, m.len, 10000), 0);
		ck_assert_int_eq(end(false), 0);
	}
	check();
	ck_assert_uint_ge(t.units[0], _i % 3 == 0 ? 198 : 290);
	check_pictures(0, 10000);
	check_rhythm(1, 2 * 3600);
}
END_TEST

/* Pictures first to end, of 25 a second, in GOPs of 100; serial numbers are even, their sounds' odd. */
static void
feed_pictures(int first, int end)
{
	int64_t sound = 900000 + first * 3600;

	for (int n = first; n < end; n++) {
		int64_t dts = 900000 + n * 3600;

		if (n == first || n % 25 == 0)
			tsmake_psi(&m);
		m.serial = (uint32_t)n * 2;
		tsmake_picture(&m, dts, 0, n % 100 == 0, 400);
		for (; sound <= dts; sound += 5760) {
			m.serial = (uint32_t)n * 2 + 1;
			tsmake_sound(&m, sound);
		}
	}
	ck_assert_int_eq(feed(m.buf, m.len, 10000), 0);
	m.len = 0;
}

static const struct {
	int from; /* the new connection's first picture; the old one's last is 359 */
	bool whole;
	bool load;
	bool open_gop;
} connections[] = {
	{ 340, true, false, false },
	{ 310, true, true, false }, /* what waited for its turn is lost with the process */
	{ 360, true, false, false },
	{ 361, false, false, false },
	{ 370, false, false, false },
	{ 405, false, false, false },
	{ 361, false, true, false },
	{ 405, false, true, false },
	{ 340, true, false, true },
	{ 370, false, false, true },
	{ 310, true, true, true },
	{ 370, false, true, true },
};

/* Pictures are missing between two connections, or none is: what leans on any of them does not go out. */
START_TEST(a_connection_that_missed_pictures_goes_on_at_a_key_frame)
{
	struct conform_input in = { .msn = 1, .continues = true };
	struct conform_snapshot snap;
	int from = connections[_i].from, key = (from + 99) / 100 * 100, seen = 0;

	m.bounded = true;
	m.open_gop = connections[_i].open_gop;
	conform_begin(c, &in);
	feed_pictures(0, 360);
	if (connections[_i].load) {
		conform_save(c, &snap);
		conform_free(&c);
		ck_assert_int_eq(conform_new(&c, NULL), 0);
		ck_assert_int_eq(conform_load(c, &snap), 0);
	} else
		(void)end(true);
	in.msn++;
	conform_begin(c, &in);
	keep();
	feed_pictures(from, 700);
	ck_assert_int_eq(end(false), 0);
	check();
	ck_assert_uint_eq(conform_stats(c)->splices, 0);
	for (int i = 0; i < t.n; i++) {
		int n = (int)t.unit[i].serial / 2;

		if (t.unit[i].audio)
			continue;
		ck_assert_msg(connections[_i].whole || n < 360 || n >= key, "picture %d", n);
		seen += n >= (connections[_i].whole ? 360 : key);
	}
	ck_assert_int_eq(seen, 700 - (connections[_i].whole ? 360 : key));
}
END_TEST

/* A snapshot is a claim: any byte of it may be anything. */
START_TEST(a_spoiled_snapshot_is_refused_or_harmless)
{
	struct conform_snapshot snap, bad;
	size_t refused = 0;

	tsmake_segment(&m, &two_seconds);
	begin(false);
	ck_assert_int_eq(feed(m.buf, m.len / 2, 65536), 0);
	conform_save(c, &snap);
	ck_assert_uint_eq(snap.started, 1);
	for (size_t at = 0; at < sizeof(snap); at++) {
		struct conform_input in = { .msn = snap.msn };

		bad = snap;
		((uint8_t *)&bad)[at] ^= (uint8_t)(at % 3 == 0 ? 0xff : 0x80);
		conform_free(&c);
		ck_assert_int_eq(conform_new(&c, NULL), 0);
		if (conform_load(c, &bad) != 0) {
			refused++;
			continue;
		}
		conform_begin(c, &in);
		(void)conform_feed(c, m.buf, m.len);
		(void)conform_end(c, false);
	}
	ck_assert_uint_gt(refused, 100);
	memset(&bad, 0, sizeof(bad));
	ck_assert_int_eq(conform_load(c, &bad), PB_EFORMAT);
}
END_TEST

START_TEST(units_without_time_follow_the_one_before)
{
	static uint8_t data[400];
	struct tsmake_segment s = two_seconds;

	memset(data, 0x99, sizeof(data));
	memcpy(data, "\0\0\0\1\x09\xf0\0\0\1\x41\x9a", 11);
	s.frames = 25;
	s.no_audio = true;
	tsmake_segment(&m, &s);
	for (int i = 0; i < 10; i++)
		tsmake_pes(&m, m.video_pid, 0xe0, TS_NOTIME, TS_NOTIME, data, sizeof(data), i & 1);
	/* And a picture in two pieces is one. */
	tsmake_picture(&m, s.dts_90k + 35 * 3600, 0, false, 1000);
	memset(data, 0x99, sizeof(data));
	tsmake_pes(&m, m.video_pid, 0xe0, TS_NOTIME, TS_NOTIME, data, sizeof(data), true);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 36);
	ck_assert_uint_eq(t.unit[35].len, 1400);
	check_rhythm(3600, 3600);
}
END_TEST

START_TEST(wrong_times_are_put_right)
{
	static const int64_t cts[] = { -3600, 900000, 100000000, 0 };

	tsmake_psi(&m);
	for (int i = 0; i < 50; i++) {
		int64_t dts = 900000 + i * 3600;

		if (_i == 3 && i % 5 == 4)
			dts -= 3600; /* the same as the one before */
		tsmake_picture(&m, dts, i % 7 == 3 ? cts[_i] : 0, i == 0, 300);
	}
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 50);
	ck_assert_uint_gt(conform_stats(c)->time_repairs, 0);
}
END_TEST

START_TEST(rare_pictures_get_a_clock_between_them)
{
	tsmake_psi(&m);
	for (int i = 0; i < 20; i++)
		tsmake_picture(&m, 900000 + i * 45000, 0, i % 4 == 0, 300);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 20);
	ck_assert_uint_gt(conform_stats(c)->pcr_repairs, 200);
	check_rhythm(45000, 45000);
}
END_TEST

START_TEST(an_access_unit_without_end_is_bounded)
{
	uint8_t p[TS_PACKET];

	tsmake_segment(&m, &two_seconds);
	begin(false);
	ck_assert_int_eq(feed(m.buf, m.len, 65536), 0);
	memset(p, 0x55, sizeof(p));
	p[0] = TS_SYNC;
	p[1] = (uint8_t)(m.video_pid >> 8);
	p[2] = (uint8_t)m.video_pid;
	for (size_t n = 0; n < 2 * CONFORM_PES_MAX; n += 184) {
		p[3] = 0x10 | (m.cc[m.video_pid]++ & 15);
		p[20] = p[3];
		ck_assert_int_eq(conform_feed(c, p, sizeof(p)), 0);
		keep();
	}
	ck_assert_int_eq(end(false), 0);
	check();
	ck_assert_uint_eq(t.units[0], 49);
	ck_assert_uint_eq(conform_stats(c)->damaged, 1);
}
END_TEST

START_TEST(the_configured_language_is_chosen)
{
	struct conform_options o = { .audio_lang = "deu" };

	fresh(&o);
	tsmake_segment(&m, &two_seconds);
	ck_assert_int_eq(pass(false), 0);
	check();
	ck_assert_uint_eq(t.units[1], 31);
	/* The PMT says so to the viewer too. */
	ck_assert_ptr_nonnull(memmem(got, 400,
	    "\x0a\x04"
	    "deu",
	    5));
}
END_TEST

/* A segment that is fed at once: its output is taken while it is made. */
static unsigned times, save_at;
static size_t most, saved_len;
static struct conform_snapshot saved;

static int
on_ready(void *arg)
{
	size_t before = got_len;

	(void)arg;
	keep();
	most = PB_MAX(most, got_len - before);
	if (++times == save_at) {
		conform_save(c, &saved);
		saved_len = got_len;
	}
	return 0;
}

START_TEST(output_that_is_taken_while_it_is_made_is_the_same)
{
	struct conform_options options = { .ready = on_ready };
	uint8_t *all;
	size_t all_len;

	for (int i = 0; i < 60; i++) {
		if (i == 0)
			tsmake_psi(&m);
		tsmake_picture(&m, 900000 + i * 3600, 0, i % 25 == 0, 40000);
		if (i % 8 == 7)
			for (int n = -7; n <= 0; n += 2)
				tsmake_sound(&m, 900000 + (i + n) * 3600);
	}
	begin(false);
	ck_assert_int_eq(feed(m.buf, m.len, m.len), 0);
	ck_assert_int_eq(end(false), 0);
	check();
	all = got;
	all_len = got_len;
	got = NULL;
	got_cap = 0;
	for (save_at = 1; save_at <= 10; save_at++) {
		times = 0;
		most = 0;
		fresh(&options);
		begin(false);
		ck_assert_int_eq(feed(m.buf, m.len, m.len), 0);
		ck_assert_int_eq(end(false), 0);
		ck_assert_uint_eq(got_len, all_len);
		ck_assert(memcmp(got, all, all_len) == 0);
		ck_assert_uint_gt(times, 10);
		ck_assert_uint_le(most, INTERLEAVE_WRITTEN + 45000);

		/* A successor goes on from any of these places. */
		fresh(NULL);
		ck_assert_int_eq(conform_load(c, &saved), 0);
		msn = 100;
		begin(false);
		ck_assert_int_eq(feed(m.buf, m.len, 65536), 0);
		ck_assert_int_eq(end(false), 0);
		ck_assert_uint_eq(got_len, all_len - saved_len);
		ck_assert(memcmp(got, all + saved_len, got_len) == 0);
	}
	free(all);
}
END_TEST

/*
 * Sound behind its pictures in the bytes, or in front of them: what belongs
 * together is that far apart, as broadcast muxes have it.
 */
#define LAG_S 12
#define LAG_SEGMENTS (LAG_S / 2)
#define HOLE_AT (900000 + 5 * 90000)

static struct tsmake lagged[LAG_SEGMENTS];
static size_t lagged_sounds; /* that stand at the first picture or behind it */

static const struct {
	int lag_ms, hole_ms; /* so long no sound comes */
} lag_rows[] = { { 0, 0 }, { 600, 0 }, { 1000, 0 }, { 1450, 0 }, { 1650, 0 }, { 2500, 0 }, { -600, 0 }, { -1000, 0 },
	{ -1450, 0 }, { -1650, 0 }, { -2500, 0 }, { 0, 400 }, { 1100, 200 }, { 1300, 400 }, { 1650, 400 },
	{ 2500, 400 }, { -1650, 400 }, { -2500, 400 }, { 0, 3000 }, { 1300, 3000 }, { 1650, 4000 }, { 2500, 3000 },
	{ -1650, 4000 } };

/* clean: both begin at the same time, and of what is in front of that nothing comes. Else it is the middle of it. */
static void
make_lagged(int lag_ms, int hole_ms, bool clean, size_t segments)
{
	int64_t lag = (int64_t)lag_ms * 90, sound = 900000;
	uint32_t serial = 0;

	lagged_sounds = 0;
	if (!clean) /* that which comes with the first picture */
		sound -= (lag / 5760 + 1) * 5760;
	for (size_t i = 0; i < LAG_SEGMENTS; i++)
		tsmake_init(&lagged[i]);
	for (int f = 0; f < LAG_S * 25; f++) {
		struct tsmake *to = &lagged[(size_t)f * segments / (LAG_S * 25)];
		int64_t dts = 900000 + f * 3600;

		if (to->len == 0)
			to->serial = serial;
		if (to->len == 0 || f % 25 == 0)
			tsmake_psi(to);
		for (; sound + lag <= dts; sound += 5760) {
			if (!clean && sound + lag < 900000)
				continue;
			if (sound >= HOLE_AT && sound < HOLE_AT + hole_ms * 90)
				continue;
			tsmake_sound(to, sound);
			lagged_sounds += sound >= 900000;
		}
		tsmake_picture(to, dts, 0, f % 50 == 0, f % 50 == 0 ? 3000 : 800);
		serial = to->serial;
	}
}

static void
clear_lagged(void)
{
	for (size_t i = 0; i < LAG_SEGMENTS; i++)
		tsmake_clear(&lagged[i]);
}

static void
teach(void *arg)
{
	(void)arg;
	for (size_t at = got_len; at > 0; at -= TS_PACKET) { /* from the newest key picture on, and so on */
		const uint8_t *p = got + at - TS_PACKET;

		if (ts_pid(p) == 0x100 && (ts_af_flags(p) & TS_AF_RANDOM_ACCESS) != 0 &&
		    conform_fill_learn(c, p, (size_t)(got + got_len - p)))
			break;
	}
}

static const struct conform_options taught = { .teach = teach };

static void
pass_lagged(size_t from, size_t segments)
{
	for (size_t i = from; i < segments; i++) {
		begin(false);
		ck_assert_int_eq(feed(lagged[i].buf, lagged[i].len, 700), 0);
		ck_assert_int_eq(end(false), 0);
	}
}

static size_t
segments_of(int row)
{
	return row % 2 == 0 ? LAG_SEGMENTS : 1; /* one is what is endless */
}

/* How many silent frames are there? What the sound is that came is counted by t.units. */
static size_t
silent_frames(void)
{
	size_t n = 0;

	for (int i = 0; i < t.n; i++)
		n += t.unit[i].audio && t.unit[i].serial == UINT32_MAX;
	return n;
}

START_TEST(sound_and_pictures_come_out_however_far_apart_they_came)
{
	int lag_ms = lag_rows[_i / 2].lag_ms, hole_ms = lag_rows[_i / 2].hole_ms;
	size_t silence;

	fresh(&taught);
	make_lagged(lag_ms, hole_ms, false, segments_of(_i));
	pass_lagged(0, segments_of(_i));
	check();
	ck_assert_int_lt(t.n, TSCHECK_UNITS);
	silence = silent_frames();
	ck_assert_uint_eq(t.units[0], LAG_S * 25);
	ck_assert_uint_ge(t.units[1] - silence, lagged_sounds - 2);
	ck_assert_int_eq(silence > 0, hole_ms > 1000);
	ck_assert_uint_eq(conform_dry(c), 0);
	ck_assert_uint_eq(conform_stats(c)->late, 0);
	/* And in their order, but at a segment's end, behind which sound may go on. */
	for (int i = 1; i < t.n && segments_of(_i) == 1 && silence == 0; i++)
		ck_assert_int_ge(t.unit[i].dts, t.unit[i - 1].dts);
	clear_lagged();
}
END_TEST

/* Both begin at the same time, and one of them long after the other in the bytes: both are listed, and whole. */
START_TEST(a_stream_that_begins_later_in_the_bytes_is_listed)
{
	static const struct {
		int lag_ms;
		bool both;
	} cases[] = { { 0, true }, { 450, true }, { 600, true }, { 1000, true }, { 1450, true }, { 1650, true },
		{ 1900, true }, { 2500, false }, { -600, true }, { -1000, true }, { -1650, true }, { -2500, true } };
	bool both = cases[_i / 2].both;

	fresh(&taught);
	make_lagged(cases[_i / 2].lag_ms, 0, true, segments_of(_i));
	pass_lagged(0, segments_of(_i));
	check();
	ck_assert(t.video);
	ck_assert_int_eq(t.audio, both);
	ck_assert_uint_eq(t.units[0], LAG_S * 25);
	ck_assert_uint_eq(t.units[1], both ? lagged_sounds : 0);
	ck_assert_uint_eq(silent_frames(), 0);
	/* In their order, but for a picture's time while it is learned how far apart they are. */
	for (int i = 1; i < t.n && segments_of(_i) == 1; i++)
		ck_assert_int_ge(t.unit[i].dts, t.unit[i - 1].dts - (i < 100 ? 3600 : 0));
	clear_lagged();
}
END_TEST

/* A PMT lists what never comes: the stream begins all the same. */
START_TEST(a_stream_that_never_comes_is_waited_for_in_vain_for_a_while)
{
	struct tsmake_segment s = { .dts_90k = 900000, .frames = _i == 0 ? 52 : 80, .gop = 25 };

	s.no_audio = _i == 0;
	s.no_video = _i == 1;
	tsmake_segment(&m, &s);
	begin(false);
	ck_assert_int_eq(feed(m.buf, m.len - m.len / 8, 700), 0);
	ck_assert_uint_eq(got_len, 0);
	ck_assert_int_eq(feed(m.buf + m.len - m.len / 8, m.len / 8, 700), 0);
	ck_assert_uint_gt(got_len, 0);
	ck_assert_int_eq(end(false), 0);
	check();
	ck_assert_int_eq(t.video, _i == 0);
	ck_assert_int_eq(t.audio, _i == 1);
}
END_TEST

START_TEST(a_successor_goes_on_with_the_same_bytes_however_far_apart_they_came)
{
	size_t segments = segments_of(_i), len, commits = 0, before;
	struct conform_snapshot snap;
	uint8_t *whole;

	fresh(&taught);
	make_lagged(lag_rows[_i / 2].lag_ms, lag_rows[_i / 2].hole_ms, _i % 3 == 0, segments);
	pass_lagged(0, segments);
	len = got_len;
	whole = malloc(len);
	ck_assert_ptr_nonnull(whole);
	memcpy(whole, got, len);
	for (size_t seg = 0; seg < segments; seg++) {
		for (size_t cut = 0; cut <= lagged[seg].len; cut += TS_PACKET * 23 + 60) {
			fresh(&taught);
			pass_lagged(0, seg);
			begin(false);
			before = got_len;
			ck_assert_int_eq(feed(lagged[seg].buf, cut, 700), 0);
			if (cut > 0 && got_len == before)
				continue;
			conform_save(c, &snap);
			conform_free(&c);
			ck_assert_int_eq(conform_new(&c, &taught), 0);
			ck_assert_int_eq(conform_load(c, &snap), 0);
			msn = snap.msn;
			pass_lagged(seg, segments);
			ck_assert_uint_eq(got_len, len);
			ck_assert_mem_eq(got, whole, len);
			commits++;
		}
	}
	ck_assert_uint_gt(commits, 20);
	free(whole);
	clear_lagged();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conform");
	TCase *tc = tcase_create("conform");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_segment_comes_out_whole_and_valid);
	tcase_add_test(tc, output_that_is_taken_while_it_is_made_is_the_same);
	tcase_add_test(tc, pictures_shown_in_another_order_keep_their_times);
	tcase_add_loop_test(tc, a_splice_is_continuous, 0, NITEMS(joints));
	tcase_add_test(tc, an_ad_break_and_back_is_two_splices);
	tcase_add_test(tc, a_jump_inside_a_segment_is_a_splice);
	tcase_add_loop_test(tc, the_sources_clock_may_wrap_anywhere, 0, 60);
	tcase_add_loop_test(tc, the_outputs_clock_may_wrap_anywhere, 0, 60);
	tcase_add_loop_test(tc, worthless_packets_are_dropped, 0, 6);
	tcase_add_test(tc, a_lost_packet_costs_no_picture_but_its_own);
	tcase_add_loop_test(tc, packets_with_something_around_them_are_found, 0, 6);
	tcase_add_test(tc, junk_between_packets_is_passed_over);
	tcase_add_loop_test(tc, audio_that_is_late_is_listed_when_it_shows_within_two_seconds, 0, 8);
	tcase_add_test(tc, audio_that_never_comes_is_not_listed);
	tcase_add_loop_test(tc, a_stream_goes_on_without_its_audio_or_its_video, 0, 3);
	tcase_add_test(tc, video_missing_behind_a_discontinuity_leaves_audio);
	tcase_add_test(tc, radio_is_carried);
	tcase_add_loop_test(tc, radio_in_long_pes_keeps_its_time, 0, 5);
	tcase_add_loop_test(tc, a_hole_in_video_costs_no_audio, 1, 9);
	tcase_add_test(tc, pictures_that_lean_on_a_hole_do_not_go_out);
	tcase_add_loop_test(tc, only_the_first_cra_behind_a_cut_has_a_broken_link, 0, 2);
	tcase_add_loop_test(tc, a_cut_may_wait_for_its_key_frame_over_segments, 1, 5);
	tcase_add_loop_test(tc, a_wrap_near_a_cut_is_no_second_cut, 0, 34);
	tcase_add_test(tc, output_waits_for_a_key_frame);
	tcase_add_test(tc, a_recovery_point_serves_after_five_seconds);
	tcase_add_test(tc, short_segments_wait_for_their_recovery_point);
	tcase_add_test(tc, a_source_that_gives_no_place_to_begin_is_told_from_one_that_waits);
	tcase_add_loop_test(
	    tc, a_clock_that_steps_does_not_prolong_the_wait_for_a_recovery_point, 0, 2 * (int)NITEMS(jumps_s));
	tcase_add_loop_test(tc, a_source_that_never_had_a_key_frame_is_not_waited_for_again, 0, 2);
	tcase_add_test(tc, another_source_has_habits_of_its_own);
	tcase_add_test(tc, a_key_frame_without_parameter_sets_gets_those_of_its_source);
	tcase_add_loop_test(tc, another_codec_is_refused_and_nothing_of_it_carried, 0, 2);
	tcase_add_test(tc, audio_that_ends_for_good_does_not_end_the_stream);
	tcase_add_loop_test(tc, what_is_not_ts_is_named, 0, NITEMS(strangers));
	tcase_add_test(tc, endless_bytes_that_are_not_ts_are_refused_early);
	tcase_add_loop_test(tc, what_cannot_be_carried_is_refused_with_its_reason, 0, 4);
	tcase_add_loop_test(tc, a_segment_cut_at_any_byte_gives_a_valid_stream_or_nothing, 0, 4);
	tcase_add_test(tc, a_cut_segment_does_not_hurt_the_next);
	tcase_add_loop_test(tc, sound_goes_on_over_a_segments_end, 0, NITEMS(borders));
	tcase_add_test(tc, a_successor_lacks_no_more_than_the_sound_that_was_open);
	tcase_add_test(tc, how_bytes_are_chunked_does_not_matter);
	tcase_add_test(tc, a_successor_goes_on_with_the_same_bytes_after_any_commit);
	tcase_add_test(tc, a_segment_that_is_fed_again_adds_nothing);
	tcase_add_loop_test(tc, an_endless_source_is_taken_up_again_where_it_is, 0, 6);
	tcase_add_loop_test(tc, a_connection_that_missed_pictures_goes_on_at_a_key_frame, 0, (int)NITEMS(connections));
	tcase_add_test(tc, a_spoiled_snapshot_is_refused_or_harmless);
	tcase_add_test(tc, units_without_time_follow_the_one_before);
	tcase_add_loop_test(tc, wrong_times_are_put_right, 0, 4);
	tcase_add_test(tc, rare_pictures_get_a_clock_between_them);
	tcase_add_test(tc, an_access_unit_without_end_is_bounded);
	tcase_add_test(tc, the_configured_language_is_chosen);
	tcase_add_loop_test(tc, sound_and_pictures_come_out_however_far_apart_they_came, 0, 2 * (int)NITEMS(lag_rows));
	tcase_add_loop_test(
	    tc, a_successor_goes_on_with_the_same_bytes_however_far_apart_they_came, 0, 2 * (int)NITEMS(lag_rows));
	tcase_add_loop_test(tc, a_stream_that_begins_later_in_the_bytes_is_listed, 0, 24);
	tcase_add_loop_test(tc, a_stream_that_never_comes_is_waited_for_in_vain_for_a_while, 0, 2);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
