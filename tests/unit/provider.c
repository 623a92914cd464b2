/*
 * provider.c - what providers say to one worker is obeyed by all
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/provider.h"

static struct provider_limit limit;

static void
fresh(void)
{
	memset(&limit, 0, sizeof(limit));
}

static bool
hears(uint64_t stream, unsigned what, unsigned status, double retry_after_s, double now)
{
	struct msg_limit_report report = {
		.what = what, .status = status, .retry_after_ms = (uint32_t)(retry_after_s * 1e3)
	};

	return provider_hears(&limit, stream, &report, now);
}

START_TEST(retry_after_is_obeyed_to_the_second)
{
	ck_assert(hears(1, LIMIT_BUSY, 429, 7, 100));
	ck_assert_int_eq(limit.breaker, BREAKER_OPEN);
	ck_assert_double_ge(provider_wait(&limit, 0, 0, 100), 7);
	ck_assert_double_ge(provider_wait(&limit, 0, 0, 106), 1);
	ck_assert_double_le(provider_wait(&limit, 0, 1, 100), 7 * 1.2 + 1e-9);
	/* Another worker's answer was on its way: no second refusal, and no shorter wait. */
	ck_assert(!hears(2, LIMIT_BUSY, 429, 3, 101));
	ck_assert_uint_eq(limit.row, 1);
	ck_assert_double_ge(provider_wait(&limit, 0, 0, 101), 6);
	/* But a longer one. */
	ck_assert(hears(2, LIMIT_BUSY, 429, 30, 101));
	ck_assert_double_ge(provider_wait(&limit, 0, 0, 101), 30);
}
END_TEST

START_TEST(without_it_waits_grow_from_two_seconds)
{
	static const double want_s[] = { 2, 5, 10, 30, 60 };
	double now = 100;

	for (size_t i = 0; i < sizeof(want_s) / sizeof(want_s[0]); i++) {
		ck_assert(hears(1, LIMIT_BUSY, 458, 0, now));
		ck_assert_double_eq(provider_wait(&limit, 0, 0, now), want_s[i]);
		now += want_s[i] + 0.1;
	}
	/* Refused each time it was asked as it wanted to be: that looks like a ban. */
	ck_assert(hears(1, LIMIT_BUSY, 458, 0, now));
	ck_assert_int_eq(limit.breaker, BREAKER_BAN);
	ck_assert_double_ge(provider_wait(&limit, 0, 0, now), PROVIDER_BAN_S);
}
END_TEST

START_TEST(one_asks_first_and_the_others_behind_it_one_by_one)
{
	ck_assert(hears(1, LIMIT_BUSY, 509, 10, 100));
	ck_assert_double_ge(provider_wait(&limit, 1, 0, 100), provider_wait(&limit, 0, 0, 100) + PROVIDER_FIRST_S);
	for (unsigned n = 1; n < 5; n++)
		ck_assert_double_eq_tol(
		    provider_wait(&limit, n + 1, 0, 100) - provider_wait(&limit, n, 0, 100), PROVIDER_SPACING_S, 1e-9);
	/* What comes of a request that was on its way says nothing. */
	ck_assert(!hears(2, LIMIT_GOOD, 200, 0, 103));
	ck_assert_int_eq(limit.breaker, BREAKER_OPEN);
	/* The first one's answer opens it for all. */
	ck_assert(hears(1, LIMIT_GOOD, 200, 0, 110.5));
	ck_assert_int_eq(limit.breaker, BREAKER_CLOSED);
	ck_assert_double_eq(provider_wait(&limit, 0, 1, 110.5), 0);
	ck_assert_double_eq(provider_wait(&limit, 2, 1, 110.5), 2 * PROVIDER_SPACING_S);
	ck_assert(!hears(1, LIMIT_GOOD, 200, 0, 111)); /* nothing new to tell */
}
END_TEST

START_TEST(denials_to_several_streams_look_like_a_ban_and_to_one_like_a_dead_channel)
{
	for (int i = 0; i < 10; i++)
		ck_assert(!hears(1, LIMIT_DENIED, 403, 0, 100 + i));
	ck_assert_int_eq(limit.breaker, BREAKER_CLOSED);
	ck_assert(!hears(2, LIMIT_DENIED, 403, 0, 111));
	ck_assert(hears(3, LIMIT_DENIED, 403, 0, 112));
	ck_assert_int_eq(limit.breaker, BREAKER_BAN);
	ck_assert_double_eq(provider_wait(&limit, 0, 0, 112), PROVIDER_BAN_S);
	/* Asked again, denied again: twice as long. */
	for (uint64_t s = 1; s < 3; s++)
		ck_assert(!hears(s, LIMIT_DENIED, 403, 0, 112 + PROVIDER_BAN_S + 1));
	ck_assert(hears(3, LIMIT_DENIED, 403, 0, 112 + PROVIDER_BAN_S + 1));
	ck_assert_double_eq(provider_wait(&limit, 0, 0, 112 + PROVIDER_BAN_S + 1), 2 * PROVIDER_BAN_S);
}
END_TEST

START_TEST(an_answer_in_between_is_no_ban)
{
	ck_assert(!hears(1, LIMIT_DENIED, 403, 0, 100));
	ck_assert(!hears(2, LIMIT_DENIED, 403, 0, 100));
	ck_assert(!hears(4, LIMIT_GOOD, 200, 0, 101));
	ck_assert(!hears(3, LIMIT_DENIED, 403, 0, 102));
	ck_assert_int_eq(limit.breaker, BREAKER_CLOSED);
	/* Nor are three in three minutes. */
	fresh();
	ck_assert(!hears(1, LIMIT_DENIED, 403, 0, 100));
	ck_assert(!hears(2, LIMIT_DENIED, 403, 0, 170));
	ck_assert(!hears(3, LIMIT_DENIED, 403, 0, 240));
	ck_assert_int_eq(limit.breaker, BREAKER_CLOSED);
}
END_TEST

START_TEST(nobody_can_shut_it_for_longer_than_the_bound)
{
	ck_assert(hears(1, LIMIT_BUSY, 429, 4e6, 100));
	ck_assert_double_le(provider_wait(&limit, 0, 0, 100), PROVIDER_WAIT_MAX_S);
	ck_assert(!hears(1, LIMIT_CLASSES, 429, 5, 100 + 2 * PROVIDER_WAIT_MAX_S)); /* no class that there is */
}
END_TEST

START_TEST(an_hour_that_it_asks_for_is_believed_the_longer_the_more_often_it_is_said)
{
	double now = 100, want_s = PROVIDER_BELIEVED_S;

	/* One channel's answer keeps the others away for minutes, not for all of the hour. */
	ck_assert(hears(1, LIMIT_BUSY, 503, 3600, now));
	ck_assert_double_eq_tol(provider_wait(&limit, 0, 0, now), want_s, 1e-6);
	/* Another's answer to what was on its way is no more than that, either. */
	ck_assert(hears(2, LIMIT_BUSY, 503, 3600, now + 1));
	ck_assert_double_eq_tol(provider_wait(&limit, 0, 0, now + 1), want_s, 1e-6);
	for (unsigned n = 2; n < PROVIDER_BUSY_BAN; n++) {
		now += want_s + 5;
		want_s *= 2;
		ck_assert(hears(1, LIMIT_BUSY, 503, 3600, now));
		ck_assert_int_eq(limit.breaker, BREAKER_OPEN);
		ck_assert_double_eq_tol(provider_wait(&limit, 0, 0, now), want_s, 1e-6);
	}
	/* Said again and again, it is true. */
	now += want_s + 5;
	ck_assert(hears(1, LIMIT_BUSY, 503, 3600, now));
	ck_assert_int_eq(limit.breaker, BREAKER_BAN);
	ck_assert_double_eq_tol(provider_wait(&limit, 0, 0, now), 3600, 1e-6);
	/* When that is over and it answers, the next refusal is a first one. */
	now += 3601;
	ck_assert(hears(1, LIMIT_GOOD, 200, 0, now));
	ck_assert(hears(1, LIMIT_BUSY, 429, 0, now + 30));
	ck_assert_int_eq(limit.breaker, BREAKER_OPEN);
	ck_assert_double_eq_tol(provider_wait(&limit, 0, 0, now + 30), 2, 1e-6);
}
END_TEST

START_TEST(what_it_refused_long_ago_is_not_in_a_row_with_what_it_refuses_now)
{
	ck_assert(hears(1, LIMIT_BUSY, 429, 3600, 100));
	ck_assert(hears(1, LIMIT_GOOD, 200, 0, 100 + PROVIDER_BELIEVED_S + 1));
	ck_assert(hears(1, LIMIT_BUSY, 429, 3600, 100 + PROVIDER_BELIEVED_S + 300));
	ck_assert_uint_eq(limit.row, 1);
	ck_assert_double_eq_tol(
	    provider_wait(&limit, 0, 0, 100 + PROVIDER_BELIEVED_S + 300), PROVIDER_BELIEVED_S, 1e-6);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("provider");
	TCase *tc = tcase_create("provider");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, fresh, NULL);
	tcase_add_test(tc, retry_after_is_obeyed_to_the_second);
	tcase_add_test(tc, without_it_waits_grow_from_two_seconds);
	tcase_add_test(tc, one_asks_first_and_the_others_behind_it_one_by_one);
	tcase_add_test(tc, denials_to_several_streams_look_like_a_ban_and_to_one_like_a_dead_channel);
	tcase_add_test(tc, an_answer_in_between_is_no_ban);
	tcase_add_test(tc, nobody_can_shut_it_for_longer_than_the_bound);
	tcase_add_test(tc, an_hour_that_it_asks_for_is_believed_the_longer_the_more_often_it_is_said);
	tcase_add_test(tc, what_it_refused_long_ago_is_not_in_a_row_with_what_it_refuses_now);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
