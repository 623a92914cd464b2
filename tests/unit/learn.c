/*
 * tests/unit/learn.c - outages teach the reserve, quiet days unteach it
 */
#include "worker/learn.h"

#include <check.h>
#include <stdlib.h>

#include "base/pb.h"

#define TARGET_MS 4000
#define MOST_MS 60000

static struct learn learn;
static double now_s;
static uint64_t media_ms;

/* A segment comes every target duration for so long. */
static void
plays(double seconds)
{
	for (double end_s = now_s + seconds; now_s < end_s; now_s += TARGET_MS / 1e3) {
		media_ms += TARGET_MS;
		(void)learn_second(&learn, media_ms, TARGET_MS, MOST_MS, now_s);
	}
}

/* Nothing comes for so long, then the next segment. true: it taught something. */
static bool
stops(double seconds)
{
	for (double end_s = now_s + seconds - TARGET_MS / 1e3; now_s < end_s; now_s += 1)
		ck_assert(!learn_second(&learn, media_ms, TARGET_MS, MOST_MS, now_s));
	media_ms += TARGET_MS;
	return learn_second(&learn, media_ms, TARGET_MS, MOST_MS, now_s);
}

static void
setup(void)
{
	now_s = 1000;
	media_ms = 0;
	learn_init(&learn, 0, now_s);
	plays(60);
}

static const struct {
	double outage_s;
	uint32_t least_ms, most_ms; /* wanted afterwards */
} outages[] = {
	{ 4, 0, 0 },
	{ 6, 0, 0 },
	{ 10, 12000, 15000 },
	{ 15, 18000, 21000 },
	{ 40, 50000, 52000 },
	{ 600, MOST_MS, MOST_MS },
	{ 7200, MOST_MS, MOST_MS },
};

START_TEST(an_outage_teaches_its_length_and_a_quarter)
{
	bool taught = stops(outages[_i].outage_s);

	ck_assert_int_eq(taught, outages[_i].least_ms > 0);
	ck_assert_uint_ge(learn.wanted_ms, outages[_i].least_ms);
	ck_assert_uint_le(learn.wanted_ms, outages[_i].most_ms);
}
END_TEST

START_TEST(a_shorter_one_teaches_nothing_new)
{
	uint32_t was;

	ck_assert(stops(20));
	was = learn.wanted_ms;
	plays(100);
	ck_assert(!stops(12));
	ck_assert_uint_eq(learn.wanted_ms, was);
	ck_assert_uint_eq(learn.outages, 2);
	plays(100);
	ck_assert(stops(30));
	ck_assert_uint_gt(learn.wanted_ms, was);
}
END_TEST

START_TEST(quiet_days_are_forgiven_and_others_are_not)
{
	uint32_t was;

	(void)stops(40);
	was = learn.wanted_ms;
	plays(LEARN_FORGET_S - 100);
	ck_assert_uint_eq(learn.wanted_ms, was);
	(void)stops(24); /* more than half of it is still needed */
	plays(LEARN_FORGET_S - 100);
	ck_assert_uint_eq(learn.wanted_ms, was);
	plays(200);
	ck_assert_uint_eq(learn.wanted_ms, was - was / 4);
	plays(LEARN_FORGET_S * 20);
	ck_assert_uint_eq(learn.wanted_ms, 0);
}
END_TEST

START_TEST(what_an_earlier_life_learned_holds)
{
	learn_init(&learn, 30000, now_s);
	plays(100);
	ck_assert_uint_eq(learn_target_ms(&learn, 12000, MOST_MS, false), 30000);
}
END_TEST

static const struct {
	uint32_t learned_ms, setting_ms, most_ms;
	bool degraded;
	uint32_t want_ms;
} targets[] = {
	{ 0, 12000, 60000, false, 12000 }, { 0, 12000, 60000, true, 18000 }, { 30000, 12000, 60000, false, 30000 },
	{ 30000, 12000, 60000, true, 45000 }, { 50000, 12000, 60000, true, 60000 },
	{ 10000, 12000, 60000, false, 12000 }, { 60000, 12000, 20000, false, 20000 },
	{ 0, 30000, 20000, false, 30000 }, /* who sets it so wants it so */
};

START_TEST(the_reserve_follows_what_was_learned_up_to_its_bound)
{
	learn.wanted_ms = targets[_i].learned_ms;
	ck_assert_uint_eq(learn_target_ms(&learn, targets[_i].setting_ms, targets[_i].most_ms, targets[_i].degraded),
	    targets[_i].want_ms);
}
END_TEST

START_TEST(nothing_is_learned_before_a_target_duration_is_known)
{
	learn_init(&learn, 0, 0);
	ck_assert(!learn_second(&learn, 0, 0, MOST_MS, 50));
	ck_assert(!learn_second(&learn, 4000, 0, MOST_MS, 100));
	ck_assert_uint_eq(learn.wanted_ms, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("learn");
	TCase *tc = tcase_create("learn");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, an_outage_teaches_its_length_and_a_quarter, 0, (int)NITEMS(outages));
	tcase_add_test(tc, a_shorter_one_teaches_nothing_new);
	tcase_add_test(tc, quiet_days_are_forgiven_and_others_are_not);
	tcase_add_test(tc, what_an_earlier_life_learned_holds);
	tcase_add_loop_test(tc, the_reserve_follows_what_was_learned_up_to_its_bound, 0, (int)NITEMS(targets));
	tcase_add_test(tc, nothing_is_learned_before_a_target_duration_is_known);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
