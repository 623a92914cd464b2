/*
 * vitals.c - what a source sends that is no channel any more, and what is one all the same
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/vitals.h"

#define SEG_MS 2000
#define PACKETS 200
#define VIDEO 0x100
#define AUDIO 0x101

/* A segment to be made. */
struct seg {
	unsigned content; /* which picture */
	bool no_video, no_audio, clock_stands;
	unsigned packets; /* 0: PACKETS */
	unsigned keys;
};

static struct vitals v;
static uint8_t bytes[PACKETS * TS_PACKET];
static uint64_t clock_27m;
static unsigned count; /* packets ever: counters and times are never the same */

static void
put_packet(uint8_t *p, uint16_t pid, bool starts, bool pcr, unsigned content)
{
	size_t at = 4;

	memset(p, 0xff, TS_PACKET);
	p[0] = TS_SYNC;
	p[1] = (uint8_t)((starts ? 0x40 : 0) | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = (uint8_t)((pcr ? 0x30 : 0x10) | (count++ & 15));
	if (pcr) {
		uint64_t base = clock_27m / 300;

		p[4] = 7;
		p[5] = 0x10;
		p[6] = (uint8_t)(base >> 25);
		p[7] = (uint8_t)(base >> 17);
		p[8] = (uint8_t)(base >> 9);
		p[9] = (uint8_t)(base >> 1);
		p[10] = (uint8_t)((base & 1) << 7 | 0x7e);
		p[11] = 0;
		at = 12;
	}
	if (starts) {
		const uint8_t head[] = { 0, 0, 1, pid == VIDEO ? 0xe0 : 0xc0, 0, 0, 0x80, 0x80, 5, 0x21,
			(uint8_t)(count >> 7), (uint8_t)(count | 1), 0, 1 };

		memcpy(p + at, head, sizeof(head));
		at += sizeof(head);
	}
	memset(p + at, (int)(content * 7 + pid + (starts ? 1 : 0)), TS_PACKET - at);
}

static enum vital
segment(const struct seg *s, size_t piece, bool slice)
{
	unsigned n = s->packets != 0 ? s->packets : PACKETS;

	for (unsigned i = 0; i < n; i++) {
		bool video = !s->no_video && (s->no_audio || i % 4 != 0);

		if (!s->clock_stands)
			clock_27m += 27000u * SEG_MS / n;
		put_packet(bytes + (size_t)i * TS_PACKET,
		    video             ? VIDEO
			: s->no_audio ? 0x1fff
				      : AUDIO,
		    i % 10 < 2, i % 20 == 1, s->content);
	}
	vitals_begin(&v);
	for (size_t at = 0; at < (size_t)n * TS_PACKET; at += piece)
		vitals_feed(&v, bytes + at, PB_MIN(piece, (size_t)n * TS_PACKET - at));
	return vitals_end(&v, SEG_MS, s->keys, SEG_MS, slice);
}

static void
setup(void)
{
	vitals_init(&v);
	clock_27m = 27000000;
	count = 0;
}

/* A good channel: each content but once. */
static void
plays(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(segment(&(struct seg){ .content = 1000 + i, .keys = 2 }, 1000, false), VITAL_GOOD);
}

/* What happens, and by the end of which segment it is found: one is one target duration. */
static const struct {
	struct seg seg;
	bool changes; /* content goes on */
	enum vital found;
	unsigned within;
} faults[] = {
	{ { .clock_stands = true, .keys = 2 }, true, VITAL_CLOCK, 2 },
	{ { .no_video = true }, true, VITAL_VIDEO, 1 },
	{ { .content = 7, .keys = 2 }, false, VITAL_REPEAT, 3 }, /* two after the first of them */
	{ { .packets = 20, .keys = 2 }, true, VITAL_RATE, 2 },
	{ { .keys = 0 }, true, VITAL_KEYS, 2 },
};

START_TEST(each_fault_is_found_in_two_target_durations)
{
	static const size_t pieces[] = { 1, 187, 188, 1316, 65536 };

	for (size_t p = 0; p < NITEMS(pieces); p++) {
		enum vital found = VITAL_GOOD;
		unsigned n = 0;

		setup();
		plays(8);
		while (found == VITAL_GOOD && n++ < 10) {
			struct seg s = faults[_i].seg;

			s.content += faults[_i].changes ? 2000 + n : 0;
			found = segment(&s, pieces[p], false);
		}
		ck_assert_int_eq(found, faults[_i].found);
		ck_assert_uint_le(n, faults[_i].within);
		ck_assert_int_eq(vital_fails(found), found == VITAL_CLOCK || found == VITAL_VIDEO);
		ck_assert_uint_gt(strlen(vital_text(found)), 5);
	}
}
END_TEST

START_TEST(what_lasts_is_said_once_and_again_when_it_comes_back)
{
	unsigned said = 0;

	plays(5);
	for (int i = 0; i < 10; i++)
		said += segment(&(struct seg){ .content = 1, .keys = 2 }, 1000, false) != VITAL_GOOD;
	ck_assert_uint_eq(said, 1);
	plays(5);
	for (int i = 0; i < 10; i++)
		said += segment(&(struct seg){ .content = 2, .keys = 2 }, 1000, false) != VITAL_GOOD;
	ck_assert_uint_eq(said, 2);
}
END_TEST

START_TEST(the_test_card_and_other_loops_are_good_channels)
{
	for (unsigned i = 0; i < 60; i++) /* 24 s, again and again */
		ck_assert_int_eq(segment(&(struct seg){ .content = i % 12, .keys = 2 }, 1000, false), VITAL_GOOD);
	setup();
	for (unsigned i = 0; i < 60; i++) /* 8 s: just beyond what a clip is taken for */
		ck_assert_int_eq(
		    segment(&(struct seg){ .content = i % (VITALS_REPEAT + 1), .keys = 2 }, 1000, false), VITAL_GOOD);
}
END_TEST

START_TEST(a_radio_a_still_picture_and_rare_key_frames_never_fail)
{
	unsigned said = 0;

	for (unsigned i = 0; i < 60; i++)
		ck_assert_int_eq(segment(&(struct seg){ .content = i, .no_video = true }, 1000, false), VITAL_GOOD);
	setup();
	for (unsigned i = 0; i < 60; i++)
		ck_assert(!vital_fails(segment(&(struct seg){ .content = 5, .keys = 1, .packets = 20 }, 1000, false)));
	setup();
	for (unsigned i = 0; i < 60; i++) /* a picture now and then, as of slides */
		ck_assert(!vital_fails(
		    segment(&(struct seg){ .content = i, .keys = i % 3 == 0, .no_video = i % 3 != 0 }, 1000, false)));
	setup();
	for (unsigned i = 0; i < 60; i++) /* ten seconds between key frames: learnt */
		ck_assert(segment(&(struct seg){ .content = i, .keys = i % 5 == 0 }, 1000, false) == VITAL_GOOD);
	setup();
	for (unsigned i = 0; i < 60; i++) /* the same of slices, which have no target duration */
		ck_assert(segment(&(struct seg){ .content = i, .keys = i % 5 == 4 }, 1000, true) == VITAL_GOOD);
	for (unsigned i = 0; i < 12; i++) /* none any more: it is said once */
		said += segment(&(struct seg){ .content = i, .keys = 0 }, 1000, true) == VITAL_KEYS;
	ck_assert_uint_eq(said, 1);
}
END_TEST

START_TEST(slices_of_a_stream_have_any_borders)
{
	for (unsigned i = 0; i < 20; i++) /* content and rate say nothing there */
		ck_assert_int_eq(
		    segment(&(struct seg){ .content = 3, .keys = 2, .packets = i % 2 ? 20 : 200 }, 1000, true),
		    VITAL_GOOD);
	ck_assert_int_eq(segment(&(struct seg){ .content = 4, .no_video = true }, 1000, true), VITAL_VIDEO);
	vitals_begin(&v); /* nothing came at all: that is somebody else's matter */
	ck_assert_int_eq(vitals_end(&v, SEG_MS, 0, SEG_MS, true), VITAL_GOOD);
}
END_TEST

START_TEST(noise_is_no_fault_and_does_no_harm)
{
	uint8_t noise[5000];

	plays(4);
	for (int n = 0; n < 50; n++) {
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)(i * 2654435761u >> (n % 24));
		if (n % 3 == 0)
			for (size_t i = 0; i < sizeof(noise); i += TS_PACKET)
				noise[i] = TS_SYNC;
		vitals_begin(&v);
		vitals_feed(&v, noise, sizeof(noise));
		(void)vitals_end(&v, SEG_MS, 0, SEG_MS, false);
	}
	plays(4);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("vitals");
	TCase *tc = tcase_create("vitals");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, each_fault_is_found_in_two_target_durations, 0, NITEMS(faults));
	tcase_add_test(tc, what_lasts_is_said_once_and_again_when_it_comes_back);
	tcase_add_test(tc, the_test_card_and_other_loops_are_good_channels);
	tcase_add_test(tc, a_radio_a_still_picture_and_rare_key_frames_never_fail);
	tcase_add_test(tc, slices_of_a_stream_have_any_borders);
	tcase_add_test(tc, noise_is_no_fault_and_does_no_harm);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
