/*
 * tests/unit/outlook.c - what a second's figures make of a source, and what follows from it
 */
#include "worker/outlook.h"

#include <check.h>
#include <stdlib.h>

#include "base/pb.h"

static struct outlook outlook;
static struct outlook_look look;
static const struct msg_settings automatic = { .reserve_max_ms = 60000 };
static const struct msg_settings fixed = { .reserve_ms = 20000, .reserve_max_ms = 60000 };

static void
setup(void)
{
	look = (struct outlook_look){ .now_s = 100, .target_ms = 4000, .latency_limit_ms = 500, .figures.ttfb_ms = 40 };
	outlook_init(&outlook, &automatic, 0, look.now_s);
}

/* So many seconds, in each of which so much happens; what was told. */
static unsigned
pass(int seconds, uint64_t requests, uint64_t retries, uint64_t segments, uint64_t losses)
{
	unsigned events = 0;

	for (; seconds > 0; seconds--) {
		look.now_s += 1;
		look.media += 1;
		look.figures.requests += requests;
		look.figures.retries += retries;
		look.way.segments_in += segments;
		look.way.out_of_order += losses;
		events |= outlook_second(&outlook, &look);
	}
	return events;
}

/* What happens in each second, and what comes of it. */
static const struct {
	uint64_t requests, retries, segments, losses;
	uint32_t latency_ms;
	enum state_quality state;
	uint32_t loss_permille, error_permille;
} seconds[] = {
	{ 2, 0, 500, 0, 40, QUALITY_NORMAL, 0, 0 },
	{ 2, 0, 500, 5, 40, QUALITY_NORMAL, 10, 0 },
	{ 2, 0, 500, 100, 40, QUALITY_DEGRADED, 200, 0 },
	{ 2, 0, 2, 1, 40, QUALITY_NORMAL, 0, 0 }, /* of twenty segments no rate is made */
	{ 2, 1, 500, 0, 40, QUALITY_DEGRADED, 0, 500 },
	{ 2, 0, 500, 0, 501, QUALITY_DEGRADED, 0, 0 },
	{ 2, 0, 500, 0, 500, QUALITY_NORMAL, 0, 0 },
};

START_TEST(latency_loss_and_rising_tries_degrade_a_source)
{
	unsigned events;

	look.figures.ttfb_ms = seconds[_i].latency_ms;
	events = pass(12, seconds[_i].requests, seconds[_i].retries, seconds[_i].segments, seconds[_i].losses);
	ck_assert_int_eq(outlook.quality.state, seconds[_i].state);
	ck_assert_int_eq((events & OUTLOOK_QUALITY) != 0, seconds[_i].state != QUALITY_NORMAL);
	ck_assert_uint_eq(outlook.loss_permille, seconds[_i].loss_permille);
	ck_assert_uint_eq(outlook.error_permille, seconds[_i].error_permille);
}
END_TEST

START_TEST(degraded_means_patience_depth_and_reserve_until_it_is_good_again)
{
	outlook_reached(&outlook, 12000);
	(void)pass(5, 2, 0, 500, 0);
	ck_assert_uint_eq(outlook_patience(&outlook), 1000);
	ck_assert_uint_eq(outlook_deeper(&outlook), 0);
	ck_assert_uint_eq(outlook_reserve_ms(&outlook), 12000);
	(void)pass(10, 2, 0, 500, 200);
	ck_assert_uint_gt(outlook_patience(&outlook), 1000);
	ck_assert_uint_gt(outlook_deeper(&outlook), 0);
	ck_assert_uint_eq(outlook_reserve_ms(&outlook), 18000);
	(void)pass(30, 2, 0, 500, 0);
	ck_assert_uint_eq(outlook_patience(&outlook), 1000);
	ck_assert_uint_eq(outlook_reserve_ms(&outlook), 12000);
}
END_TEST

START_TEST(a_spent_reserve_is_an_outage)
{
	look.dry = true;
	ck_assert_uint_eq(pass(1, 2, 0, 500, 0) & OUTLOOK_QUALITY, OUTLOOK_QUALITY);
	ck_assert_int_eq(outlook.quality.state, QUALITY_OUTAGE);
}
END_TEST

/* An outage of so long under either setting. */
static void
outage(int seconds_long)
{
	(void)pass(10, 1, 0, 100, 0);
	outlook_reached(&outlook, 12000);
	for (; seconds_long > 0; seconds_long--) {
		look.now_s += 1;
		(void)outlook_second(&outlook, &look);
	}
	(void)pass(1, 1, 0, 100, 0);
}

START_TEST(an_outage_is_learned_from_where_the_reserve_is_ours_to_choose)
{
	outage(20);
	ck_assert_uint_ge(outlook.learn.wanted_ms, 25000);
	ck_assert_uint_eq(outlook_reserve_ms(&outlook), outlook.learn.wanted_ms);

	outlook_init(&outlook, &fixed, 0, look.now_s);
	outage(20);
	ck_assert_uint_ge(outlook.learn.wanted_ms, 25000); /* it is shown */
	ck_assert_uint_eq(outlook_reserve_ms(&outlook), 12000);
}
END_TEST

static const struct {
	const struct msg_settings *settings;
	uint32_t learned_ms, auto_ms, want_ms;
} starts[] = {
	{ &automatic, 0, 12000, 12000 },
	{ &automatic, 30000, 12000, 30000 },
	{ &automatic, 90000, 12000, 60000 },
	{ &automatic, 0, 90000, 60000 },
	{ &fixed, 30000, 12000, 20000 },
	{ &fixed, 0, 30000, 20000 },
};

START_TEST(a_tune_asks_for_what_was_learned)
{
	ck_assert_uint_eq(
	    outlook_start_ms(starts[_i].settings, starts[_i].learned_ms, starts[_i].auto_ms), starts[_i].want_ms);
}
END_TEST

START_TEST(there_is_no_target_before_one_was_reached)
{
	(void)pass(20, 2, 0, 500, 200);
	ck_assert_uint_eq(outlook_reserve_ms(&outlook), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("outlook");
	TCase *tc = tcase_create("outlook");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, latency_loss_and_rising_tries_degrade_a_source, 0, (int)NITEMS(seconds));
	tcase_add_test(tc, degraded_means_patience_depth_and_reserve_until_it_is_good_again);
	tcase_add_test(tc, a_spent_reserve_is_an_outage);
	tcase_add_test(tc, an_outage_is_learned_from_where_the_reserve_is_ours_to_choose);
	tcase_add_loop_test(tc, a_tune_asks_for_what_was_learned, 0, (int)NITEMS(starts));
	tcase_add_test(tc, there_is_no_target_before_one_was_reached);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
