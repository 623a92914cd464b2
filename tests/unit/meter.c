/*
 * tests/unit/meter.c - bytes over the time in which any body moved
 */
#include "worker/meter.h"

#include <check.h>
#include <stdlib.h>

#include "base/pb.h"

static struct meter meter;
static double now_s;

static void
setup(void)
{
	now_s = 5000;
	meter_init(&meter, now_s);
}

/* A body of that many bytes, evenly, in that time; others may move beside it. */
static void
flow(uint64_t bytes, double seconds)
{
	unsigned pieces = (unsigned)(seconds / 0.04) + 1;

	for (unsigned i = 0; i < pieces; i++) {
		now_s += seconds / pieces;
		meter_bytes(&meter, bytes / pieces, now_s);
	}
}

/* Bits a second, to a few in a hundred. */
static void
is_about(double bps)
{
	double got = (double)meter_bps(&meter, now_s);

	ck_assert_msg(got > bps * 0.95 && got < bps * 1.05, "%.0f instead of %.0f", got, bps);
}

START_TEST(nothing_is_known_before_anything_came)
{
	ck_assert_uint_eq(meter_bps(&meter, now_s), 0);
	meter_begin(&meter, false, now_s);
	flow(1000, 0.01);
	ck_assert_uint_eq(meter_bps(&meter, now_s), 0);
}
END_TEST

START_TEST(pauses_between_segments_are_no_time_of_the_way)
{
	for (int i = 0; i < 10; i++) {
		meter_begin(&meter, true, now_s);
		flow(1000000, 0.2);
		meter_end(&meter, true, now_s);
		now_s += 1.8;
	}
	is_about(40e6);
}
END_TEST

START_TEST(transfers_that_share_a_way_are_measured_together)
{
	for (int i = 0; i < 3; i++)
		meter_begin(&meter, false, now_s);
	flow(3000000, 4);
	is_about(6e6);
	for (int i = 0; i < 3; i++)
		meter_end(&meter, false, now_s);
	is_about(6e6);
}
END_TEST

START_TEST(a_way_that_becomes_narrow_shows_within_seconds)
{
	for (int i = 0; i < 20; i++) {
		meter_begin(&meter, true, now_s);
		flow(1000000, 0.1);
		meter_end(&meter, true, now_s);
		now_s += 1.9;
	}
	is_about(80e6);
	meter_begin(&meter, false, now_s);
	flow(1000000, 4);
	is_about(2e6);
	meter_end(&meter, false, now_s);
}
END_TEST

START_TEST(an_outage_says_nothing_of_the_width)
{
	meter_begin(&meter, false, now_s);
	flow(4000000, 4);
	now_s += 15;
	is_about(8e6 * 2.5 / 3); /* half a second of it counts */
	ck_assert(meter_still_s(&meter, now_s) >= 14.9);
	meter_end(&meter, false, now_s);
	ck_assert(meter_still_s(&meter, now_s) <= 0);
}
END_TEST

/* The newest segment comes in parts as they are made: 50 ms of bytes, half a second of nothing. */
START_TEST(a_server_that_waits_for_the_encoder_is_not_a_narrow_way)
{
	uint64_t edge, rest;

	for (int i = 0; i < 20; i++) {
		meter_begin(&meter, true, now_s);
		flow(100000, 0.05);
		now_s += 0.45;
		flow(100000, 0.05);
		meter_end(&meter, true, now_s);
	}
	edge = meter_bps(&meter, now_s);
	setup();
	for (int i = 0; i < 20; i++) {
		meter_begin(&meter, false, now_s);
		flow(100000, 0.05);
		now_s += 0.45;
		flow(100000, 0.05);
		meter_end(&meter, false, now_s);
	}
	rest = meter_bps(&meter, now_s);
	ck_assert_uint_gt(edge, 2 * rest);
}
END_TEST

START_TEST(what_is_long_past_is_forgotten)
{
	meter_begin(&meter, false, now_s);
	flow(4000000, 4);
	meter_end(&meter, false, now_s);
	now_s += METER_SLOTS + 1;
	ck_assert_uint_eq(meter_bps(&meter, now_s), 0);
	now_s += 1e6;
	ck_assert_uint_eq(meter_bps(&meter, now_s), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meter");
	TCase *tc = tcase_create("meter");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, nothing_is_known_before_anything_came);
	tcase_add_test(tc, pauses_between_segments_are_no_time_of_the_way);
	tcase_add_test(tc, transfers_that_share_a_way_are_measured_together);
	tcase_add_test(tc, a_way_that_becomes_narrow_shows_within_seconds);
	tcase_add_test(tc, an_outage_says_nothing_of_the_width);
	tcase_add_test(tc, a_server_that_waits_for_the_encoder_is_not_a_narrow_way);
	tcase_add_test(tc, what_is_long_past_is_forgotten);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
