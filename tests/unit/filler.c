/*
 * filler.c - media, filler, media: what the joints look like
 *
 * At the rates and orders of pictures that sources have, and with another
 * worker in the middle of it. All that comes out goes through the strict
 * checker (tscheck.h): counters, clock, times, order. Here is what it does
 * not know: how long pictures and sound may be apart.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "tests/unit/tscheck.h"
#include "tests/unit/tsmake.h"
#include "worker/conform.h"
#include "worker/filler.h"

#define STEP_27M (100 * INT64_C(27000))
#define SOUND 5760 /* ticks of a PES of three frames */
#define FRAME 1920
#define OVERLAP 1080 /* half a frame: a joint leaves that alone (worker/splice.c) */
#define STILL 45000 /* from one repeated picture to the next */

static struct tsmake m;
static struct tscheck t;
static struct conform *c;
static uint8_t *got;
static size_t got_len, got_cap, keys[512], nkeys; /* where key pictures stand; the newest is the last */
static int64_t head_27m;
static uint64_t msn;
static int64_t sound_at, clock_at;
static unsigned taught;

static void
teach(void *arg)
{
	bool all = false;

	(void)arg;
	taught++;
	for (size_t i = nkeys; i > 0 && !all; i--)
		all = conform_fill_learn(c, got + keys[i - 1], got_len - keys[i - 1]);
	ck_assert(all);
}

static const struct conform_options options = { .teach = teach };

static void
setup(void)
{
	tsmake_init(&m);
	ck_assert_int_eq(conform_new(&c, &options), 0);
	msn = 100;
	clock_at = sound_at = 900000;
	taught = 0;
}

static void
teardown(void)
{
	tsmake_clear(&m);
	conform_free(&c);
	free(got);
	got = NULL;
	got_len = got_cap = nkeys = 0;
}

static void
keep(void)
{
	struct conform_output out;

	while (conform_take(c, &out)) {
		for (size_t i = 0; i < out.nmarks; i++) {
			ck_assert_uint_lt(nkeys, NITEMS(keys));
			head_27m = out.marks[i].pcr_27m;
			if (out.marks[i].key)
				keys[nkeys++] = got_len + out.marks[i].at;
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

struct kind {
	const char *name;
	int64_t ticks; /* of a picture */
	bool reorder;
	int gop;
};

static const struct kind kinds[] = {
	{ "25 a second", 3600, false, 25 },
	{ "25 a second, B", 3600, true, 25 },
	{ "29.97 a second", 3003, false, 30 },
	{ "29.97 a second, B", 3003, true, 15 },
	{ "50 a second", 1800, false, 50 },
	{ "50 a second, B", 1800, true, 100 },
	{ "23.976 a second, B", 3754, true, 48 },
};

/* A segment of two seconds or so, from where the source's clock is. Returns the serial of its first picture. */
static uint32_t
media(const struct kind *k, bool video, bool audio)
{
	static const int order[] = { 1, 3, 0, 0 };
	struct conform_input in = { .msn = msn++, .duration_ms = 2000 };
	int pictures = (int)(180000 / k->ticks) / k->gop * k->gop;
	uint32_t first;

	if (pictures == 0)
		pictures = k->gop;
	tsmake_psi(&m);
	first = m.serial;
	for (int i = 0; i < pictures; i++) {
		int in_gop = i % k->gop;
		int64_t cts = k->reorder ? order[in_gop == 0 ? 0 : 1 + (in_gop - 1) % 3] * k->ticks : 0;

		if (video)
			tsmake_picture(&m, clock_at, cts, in_gop == 0, in_gop == 0 ? 3000 : 400);
		for (; sound_at <= clock_at; sound_at += SOUND)
			if (audio)
				tsmake_sound(&m, sound_at);
		clock_at += k->ticks;
	}
	conform_begin(c, &in);
	keep();
	ck_assert_int_eq(conform_feed(c, m.buf, m.len), 0);
	keep();
	ck_assert_int_eq(conform_end(c, false), 0);
	keep();
	m.len = 0;
	return first;
}

/* Nothing comes for so long. */
static void
fill(int64_t ms)
{
	int64_t until = head_27m + ms * 27000;

	if (conform_fill(c, head_27m) == PB_NO)
		teach(NULL);
	for (int64_t at = head_27m; at < until; at += STEP_27M) {
		ck_assert_int_eq(conform_fill(c, PB_MIN(at + STEP_27M, until)), 0);
		keep();
	}
	ck_assert_int_ge(head_27m, until - 70 * 27000); /* a picture's time, or three frames' */
}

/* Another worker goes on from here. */
static void
successor(void)
{
	struct conform_snapshot s;

	conform_save(c, &s);
	conform_free(&c);
	ck_assert_int_eq(conform_new(&c, &options), 0);
	ck_assert_int_eq(conform_load(c, &s), 0);
}

/* No two pictures, and no two pieces of sound, are further apart; and none sounds over the one before. */
static void
check_holes(const struct kind *k)
{
	int64_t before[2] = { TS_NOTIME, TS_NOTIME };
	uint32_t serial[2] = { 0, 0 };

	ck_assert_msg(tscheck(&t, got, got_len), "%s: %s", k->name, t.why);
	ck_assert_int_lt(t.n, TSCHECK_UNITS);
	for (int i = 0; i < t.n; i++) {
		bool a = t.unit[i].audio;
		int64_t step = before[a] != TS_NOTIME ? t.unit[i].dts - before[a] : 0;

		if (before[a] != TS_NOTIME && !a)
			ck_assert_msg(
			    step <= STILL + 4 * k->ticks, "%s: %lld ticks without a picture", k->name, (long long)step);
		/* A silent frame stands a frame behind silence, and a PES behind a PES of the source's. */
		if (before[a] != TS_NOTIME && a) {
			int64_t least = serial[a] == UINT32_MAX ? FRAME : SOUND;

			ck_assert_msg(
			    step <= least + 18000, "%s: %lld ticks without sound", k->name, (long long)(step - least));
			ck_assert_msg(step >= least - OVERLAP || t.unit[i].serial != UINT32_MAX,
			    "%s: sound over sound, by %lld", k->name, (long long)(least - step));
		}
		before[a] = t.unit[i].dts;
		serial[a] = t.unit[i].serial;
	}
}

/* All pictures of a segment are there, in their order, the first of them a key picture. */
static void
check_pictures(const struct kind *k, uint32_t first, uint32_t end)
{
	uint32_t before = 0;
	int n = 0;

	for (int i = 0; i < t.n; i++) {
		if (t.unit[i].audio || t.unit[i].serial < first || t.unit[i].serial >= end)
			continue;
		if (n++ == 0)
			ck_assert_msg(t.unit[i].key, "%s: no key picture behind filler", k->name);
		else
			ck_assert_uint_gt(t.unit[i].serial, before);
		before = t.unit[i].serial;
	}
	ck_assert_int_ge(n, 25);
}

START_TEST(media_filler_media_is_one_stream)
{
	const struct kind *k = &kinds[_i];
	uint32_t first;

	media(k, true, true);
	media(k, true, true);
	fill(3700);
	first = media(k, true, true);
	media(k, true, true);
	check_holes(k);
	check_pictures(k, first, m.serial);
	ck_assert(!conform_filled(c));
}
END_TEST

/* HEVC whose key frames are CRA: each still, and the first picture behind them, says that nothing was before it. */
START_TEST(a_still_of_hevc_leans_on_nothing)
{
	const struct kind *k = &kinds[1];
	unsigned stills = 0, broken = 0, behind = 0;
	uint32_t first;

	m.video_type = 0x24;
	m.hevc = true;
	media(k, true, true);
	media(k, true, true);
	fill(1700);
	if (_i == 1)
		successor();
	fill(2000);
	first = media(k, true, true);
	check_holes(k);
	for (int i = 1; i < t.n; i++) {
		if (t.unit[i].audio || !t.unit[i].key)
			continue;
		if (tscheck_hevc(got, got_len, t.unit[i].at, 18) == 2)
			broken++;
		stills += t.unit[i].serial < first && t.unit[i].dts > 126000 + 330000;
		behind += t.unit[i].serial >= first;
	}
	ck_assert_uint_ge(stills, 7);
	ck_assert_uint_eq(behind, 2);
	ck_assert_uint_eq(broken, stills + 1);
}
END_TEST

START_TEST(a_successor_fills_on_and_joins_media)
{
	const struct kind *k = &kinds[_i];
	uint32_t first;

	media(k, true, true);
	media(k, true, true);
	fill(1300);
	successor();
	ck_assert(conform_filled(c));
	fill(1900);
	first = media(k, true, true);
	media(k, true, true);
	check_holes(k);
	check_pictures(k, first, m.serial);
}
END_TEST

/* The source was away and its clock went on: time here goes on behind the filler, whatever was missed. */
START_TEST(what_was_missed_upstream_leaves_no_hole)
{
	const struct kind *k = &kinds[_i];

	media(k, true, true);
	fill(2500);
	clock_at += 40 * 90000;
	sound_at += (40 * 90000 / SOUND) * SOUND;
	media(k, true, true);
	check_holes(k);
}
END_TEST

START_TEST(sound_that_dries_up_alone_is_silence_and_comes_back)
{
	const struct kind *k = &kinds[_i];
	uint32_t first = media(k, true, true);

	for (int i = 0; i < 4; i++)
		media(k, true, false);
	ck_assert_uint_eq(conform_dry(c), 1u << ROLE_AUDIO);
	ck_assert_uint_eq(taught, 1);
	media(k, true, true);
	media(k, true, true);
	ck_assert_uint_eq(conform_dry(c), 0);
	check_holes(k);
	check_pictures(k, first, m.serial); /* no picture of them was lost for it */
}
END_TEST

START_TEST(pictures_that_dry_up_alone_stand_still_and_come_back)
{
	const struct kind *k = &kinds[_i];
	uint32_t first;

	media(k, true, true);
	for (int i = 0; i < 4; i++)
		media(k, false, true);
	ck_assert_uint_eq(conform_dry(c), 1u << ROLE_VIDEO);
	first = media(k, true, true);
	media(k, true, true);
	ck_assert_uint_eq(conform_dry(c), 0);
	check_holes(k);
	check_pictures(k, first, m.serial);
}
END_TEST

/* First one of them, then all: filler takes over from filler. */
START_TEST(filler_goes_on_where_a_dry_stream_was_filled)
{
	const struct kind *k = &kinds[_i];

	media(k, true, true);
	media(k, true, false);
	media(k, true, false);
	media(k, true, false);
	fill(2000);
	media(k, true, true);
	media(k, true, true);
	check_holes(k);
}
END_TEST

/* What was given back comes again, and is the same. */
START_TEST(output_that_could_not_be_kept_is_given_once_more)
{
	struct conform_output a, b;
	uint8_t *copy;
	size_t len;

	media(&kinds[0], true, true);
	ck_assert_int_eq(conform_fill(c, head_27m), PB_NO);
	teach(NULL);
	ck_assert_int_eq(conform_fill(c, head_27m + STEP_27M), 0);
	ck_assert(conform_take(c, &a));
	ck_assert(!conform_take(c, &b));
	len = a.len;
	copy = malloc(len);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, a.data, len);
	conform_give_back(c);
	ck_assert_int_eq(conform_fill(c, head_27m + 10 * STEP_27M), 0);
	ck_assert(conform_take(c, &b));
	ck_assert_uint_gt(b.len, len);
	ck_assert_mem_eq(b.data, copy, len);
	free(copy);
}
END_TEST

/* Neither a picture nor a sound is known: nothing is made, whatever is listed. */
START_TEST(of_nothing_nothing_is_made)
{
	static const int64_t ends[ROLES] = { 126000, 126000 };
	struct filler nothing = { 0 };
	struct tsmux mux;

	tsmux_init(&mux);
	mux.s.stream[ROLE_VIDEO].listed = _i & 1;
	mux.s.stream[ROLE_AUDIO].listed = _i >> 1;
	mux.s.last_pcr_27m = mux.s.last_psi_27m = 0;
	ck_assert(!filler_ready(&nothing, &mux));
	filler_begin(&nothing, &mux, ends);
	ck_assert_int_eq(filler_make(&nothing, &mux, 10 * INT64_C(27000000)), PB_NO);
	ck_assert_int_eq(filler_alone(&nothing, &mux, ROLE_VIDEO, 126000, 900000), PB_NO);
	ck_assert_int_eq(filler_alone(&nothing, &mux, ROLE_AUDIO, 126000, 900000), PB_NO);
	ck_assert_uint_eq(mux.len, 0);
	tsmux_clear(&mux);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("filler");
	TCase *tc = tcase_create("filler");
	SRunner *sr = srunner_create(s);
	int failed, n = (int)NITEMS(kinds);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, media_filler_media_is_one_stream, 0, n);
	tcase_add_loop_test(tc, a_still_of_hevc_leans_on_nothing, 0, 2);
	tcase_add_loop_test(tc, a_successor_fills_on_and_joins_media, 0, n);
	tcase_add_loop_test(tc, what_was_missed_upstream_leaves_no_hole, 0, n);
	tcase_add_loop_test(tc, sound_that_dries_up_alone_is_silence_and_comes_back, 0, n);
	tcase_add_loop_test(tc, pictures_that_dry_up_alone_stand_still_and_come_back, 0, n);
	tcase_add_loop_test(tc, filler_goes_on_where_a_dry_stream_was_filled, 0, n);
	tcase_add_test(tc, output_that_could_not_be_kept_is_given_once_more);
	tcase_add_loop_test(tc, of_nothing_nothing_is_made, 0, 4);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
