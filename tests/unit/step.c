/*
 * tests/unit/step.c - which variant the way to the source carries
 */
#include "worker/step.h"

#include <check.h>
#include <stdlib.h>

#include "base/pb.h"

/* As a master lists them: two of one size, one smaller, one that can't be used, the smallest. */
static const struct step_variant ladder[] = {
	{ 8000000, 1920, 1080, true },
	{ 5000000, 1920, 1080, true },
	{ 3000000, 1280, 720, true },
	{ 2000000, 1280, 720, false },
	{ 1000000, 640, 360, true },
};

static struct step step;
static struct step_look look;
static size_t current;
static uint32_t before_ms; /* the reserve as it was, a look before the first */

static void
setup(void)
{
	step_init(&step, 1000);
	look = (struct step_look){ .now_s = 1000, .throughput_bps = 50000000, .reserve_ms = 12000, .normal = true };
	current = 0;
	before_ms = 60000;
}

/* So many seconds; how many steps there were. */
static unsigned
pass(unsigned seconds)
{
	unsigned steps = 0;
	uint32_t reserve_ms = look.reserve_ms;

	if (before_ms > 0) {
		look.reserve_ms = before_ms;
		(void)step_second(
		    &step, ladder, NITEMS(ladder), current, &(struct step_look){ .reserve_ms = before_ms });
		look.reserve_ms = reserve_ms;
		before_ms = 0;
	}
	for (; seconds > 0; seconds--) {
		size_t to = step_second(&step, ladder, NITEMS(ladder), current, &look);

		look.now_s += 1;
		steps += to != current;
		current = to;
	}
	return steps;
}

static const struct {
	uint64_t throughput_bps, media_bps;
	uint32_t reserve_ms;
	size_t to;
} downs[] = {
	{ 50000000, 0, 12000, 0 }, /* plenty */
	{ 7900000, 0, 12000, 0 }, /* a hair too little: the reserve lasts for minutes */
	{ 6500000, 0, 5000, 1 }, /* of the same size */
	{ 6500000, 0, 59000, 0 }, /* a large reserve has time */
	{ 4000000, 0, 12000, 2 }, /* none of that size is small enough: the next smaller picture */
	{ 2000000, 0, 12000, 4 }, { 100000, 0, 12000, 4 }, /* nothing is small enough: the least */
	{ 0, 0, 12000, 0 }, /* nobody knows the throughput */
	{ 5000000, 4000000, 4000, 0 }, /* it takes half of what it says: it fits */
	{ 3500000, 4000000, 2000, 1 }, /* ...and now it doesn't, but its neighbour does: 2.5 of 2.8 */
};

START_TEST(what_would_spend_the_reserve_is_not_played_on)
{
	look.throughput_bps = downs[_i].throughput_bps;
	look.media_bps = downs[_i].media_bps;
	look.reserve_ms = downs[_i].reserve_ms;
	ck_assert_uint_le(pass(3), 1);
	ck_assert_uint_eq(current, downs[_i].to);
}
END_TEST

/* As with a server that sends no faster than it plays. */
START_TEST(a_reserve_that_doesnt_shrink_is_not_spent)
{
	before_ms = look.reserve_ms + 400;
	look.throughput_bps = 2000000;
	ck_assert_uint_eq(pass(30), 0);
	look.reserve_ms -= 500;
	ck_assert_uint_eq(pass(2), 1);
}
END_TEST

START_TEST(what_is_degraded_is_left_earlier)
{
	look.throughput_bps = 6500000; /* 12 s last for 64 */
	look.reserve_ms = 10000;
	ck_assert_uint_eq(pass(5), 0);
	look.normal = false;
	before_ms = 60000;
	ck_assert_uint_eq(pass(2), 1);
}
END_TEST

START_TEST(one_bad_look_is_none)
{
	look.throughput_bps = 2000000;
	ck_assert_uint_eq(pass(1), 0);
	look.throughput_bps = 50000000;
	ck_assert_uint_eq(pass(1), 0);
	look.throughput_bps = 2000000;
	ck_assert_uint_eq(pass(1), 0);
	ck_assert_uint_eq(pass(1), 1);
}
END_TEST

START_TEST(a_better_one_comes_back_after_ten_minutes_that_were_good)
{
	look.throughput_bps = 6500000;
	look.reserve_ms = 3000;
	(void)pass(3);
	ck_assert_uint_eq(current, 1);
	look.reserve_ms = 12000;
	look.throughput_bps = 50000000;
	ck_assert_uint_eq(pass((unsigned)STEP_AGAIN_S - 10), 0);
	ck_assert_uint_eq(pass(20), 1);
	ck_assert_uint_eq(current, 0);
}
END_TEST

START_TEST(not_while_it_was_not_good_for_a_minute)
{
	current = 1;
	look.normal = false;
	ck_assert_uint_eq(pass(2000), 0);
	look.normal = true;
	ck_assert_uint_eq(pass((unsigned)STEP_GOOD_S - 5), 0);
	look.throughput_bps = 9000000; /* it would be carried, barely */
	ck_assert_uint_eq(pass(1000), 0);
	look.throughput_bps = 50000000;
	ck_assert_uint_eq(pass((unsigned)STEP_GOOD_S + 2), 1);
	ck_assert_uint_eq(current, 0);
}
END_TEST

/* A way that carries the lesser one only while the lesser one is played: it must not swing. */
START_TEST(a_step_up_that_was_wrong_waits_longer_the_next_time)
{
	unsigned ups = 0;

	current = 1;
	for (int s = 0; s < 2 * 3600; s++) {
		look.throughput_bps = current == 0 ? 6500000 : 50000000;
		look.reserve_ms = current == 0 ? 3000 : 12000;
		ups += pass(1) == 1 && current == 0;
	}
	ck_assert_uint_ge(ups, 2);
	ck_assert_uint_le(ups, 4);
	ck_assert_uint_eq(current, 1);
}
END_TEST

/* The first choice was still too much: the picture must not stop for the sake of a rule. */
START_TEST(a_second_step_down_is_taken_when_it_must_be)
{
	look.throughput_bps = 4000000;
	look.reserve_ms = 8000;
	(void)pass(3);
	ck_assert_uint_eq(current, 2);
	look.throughput_bps = 1000000;
	ck_assert_uint_eq(pass((unsigned)STEP_SETTLE_S - 2), 0); /* figures of the one before */
	ck_assert_uint_eq(pass(5), 1);
	ck_assert_uint_eq(current, 4);
}
END_TEST

START_TEST(the_only_variant_stays_and_nonsense_is_none)
{
	static const struct step_variant one = { 8000000, 1920, 1080, true }, nameless = { 0, 0, 0, true };

	look.throughput_bps = 1000;
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_eq(step_second(&step, &one, 1, 0, &look), 0);
		ck_assert_uint_eq(step_second(&step, &nameless, 1, 0, &look), 0);
		ck_assert_uint_eq(step_second(&step, ladder, NITEMS(ladder), 99, &look), 99);
		ck_assert_uint_eq(step_second(&step, NULL, 0, 0, &look), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("step");
	TCase *tc = tcase_create("step");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, what_would_spend_the_reserve_is_not_played_on, 0, (int)NITEMS(downs));
	tcase_add_test(tc, a_reserve_that_doesnt_shrink_is_not_spent);
	tcase_add_test(tc, what_is_degraded_is_left_earlier);
	tcase_add_test(tc, one_bad_look_is_none);
	tcase_add_test(tc, a_better_one_comes_back_after_ten_minutes_that_were_good);
	tcase_add_test(tc, not_while_it_was_not_good_for_a_minute);
	tcase_add_test(tc, a_step_up_that_was_wrong_waits_longer_the_next_time);
	tcase_add_test(tc, a_second_step_down_is_taken_when_it_must_be);
	tcase_add_test(tc, the_only_variant_stays_and_nonsense_is_none);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
