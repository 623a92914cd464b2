/*
 * quality.c - one slow answer is no event, one quick answer no recovery
 */
#include <check.h>
#include <stdlib.h>

#include "worker/quality.h"

static struct quality quality;

static void
setup(void)
{
	quality = (struct quality){ 0 };
}

/* So many seconds of the same. */
static void
seconds(int n, uint32_t latency_ms, uint64_t new_retries, bool dry)
{
	struct quality_sample sample = { .latency_ms = latency_ms, .latency_limit_ms = 500, .dry = dry };

	for (; n > 0; n--) {
		sample.retries = quality.retries + new_retries;
		sample.errors = quality.errors;
		(void)quality_second(&quality, &sample);
	}
}

START_TEST(one_slow_second_is_no_event)
{
	seconds(1, 900, 0, false);
	ck_assert_int_eq(quality.state, QUALITY_NORMAL);
	seconds(1, 100, 0, false);
	seconds(1, 900, 0, false);
	ck_assert_int_eq(quality.state, QUALITY_NORMAL);
	seconds(1, 900, 0, false);
	ck_assert_int_eq(quality.state, QUALITY_DEGRADED);
}
END_TEST

START_TEST(rising_tries_degrade_a_source)
{
	seconds(8, 10, 1, false);
	ck_assert_int_eq(quality.state, QUALITY_DEGRADED);
	seconds(30, 10, 0, false);
	ck_assert_int_eq(quality.state, QUALITY_NORMAL);
}
END_TEST

START_TEST(a_spent_reserve_is_an_outage_at_once)
{
	seconds(1, 10, 0, true);
	ck_assert_int_eq(quality.state, QUALITY_OUTAGE);
	seconds(1, 10, 0, false);
	ck_assert_int_eq(quality.state, QUALITY_DEGRADED);
}
END_TEST

START_TEST(it_takes_ten_good_seconds_to_be_normal_again)
{
	seconds(2, 900, 0, false);
	seconds(9, 10, 0, false);
	ck_assert_int_eq(quality.state, QUALITY_DEGRADED);
	seconds(1, 900, 0, false);
	seconds(9, 10, 0, false);
	ck_assert_int_eq(quality.state, QUALITY_DEGRADED);
	seconds(2, 10, 0, false);
	ck_assert_int_eq(quality.state, QUALITY_NORMAL);
}
END_TEST

START_TEST(each_state_has_a_name)
{
	ck_assert_str_eq(quality_name(QUALITY_NORMAL), "normal");
	ck_assert_str_eq(quality_name(QUALITY_OUTAGE), "outage");
	ck_assert_str_eq(quality_name((enum state_quality)77), "unknown");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("quality");
	TCase *tc = tcase_create("quality");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, one_slow_second_is_no_event);
	tcase_add_test(tc, rising_tries_degrade_a_source);
	tcase_add_test(tc, a_spent_reserve_is_an_outage_at_once);
	tcase_add_test(tc, it_takes_ten_good_seconds_to_be_normal_again);
	tcase_add_test(tc, each_state_has_a_name);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
