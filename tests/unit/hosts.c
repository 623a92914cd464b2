/*
 * hosts.c - who may fetch next from a host, and who waits
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/hosts.h"

static struct hosts hosts;
static struct place a, b, c, d;

static void
setup(void)
{
	hosts_init(&hosts, 2);
	a = b = c = d = (struct place){ 0 };
}

static void
teardown(void)
{
	(void)hosts_leave(&a);
	(void)hosts_leave(&b);
	(void)hosts_leave(&c);
	(void)hosts_leave(&d);
	hosts_clear(&hosts);
	ck_assert_uint_eq(hosts.count, 0);
}

static void
queue(struct place *place, const char *name, uint16_t port)
{
	ck_assert_int_eq(hosts_queue(&hosts, place, name, port, false), 0);
}

START_TEST(who_came_first_is_served_first_and_no_host_gets_too_many)
{
	ck_assert_ptr_null(hosts_next(&hosts));
	queue(&a, "h", 80);
	queue(&b, "h", 80);
	queue(&c, "h", 80);
	ck_assert_ptr_eq(hosts_next(&hosts), &a);
	ck_assert_ptr_eq(hosts_next(&hosts), &b);
	ck_assert_ptr_null(hosts_next(&hosts));
	ck_assert(hosts_leave(&a));
	ck_assert_ptr_eq(hosts_next(&hosts), &c);
	ck_assert_ptr_null(hosts_next(&hosts));
}
END_TEST

START_TEST(a_full_host_does_not_stop_another_one)
{
	queue(&a, "h", 80);
	queue(&b, "h", 80);
	ck_assert_ptr_nonnull(hosts_next(&hosts));
	ck_assert_ptr_nonnull(hosts_next(&hosts));
	queue(&c, "h", 443); /* another port is another host */
	queue(&d, "h", 80);
	ck_assert_ptr_eq(hosts_next(&hosts), &c);
	ck_assert_ptr_null(hosts_next(&hosts));
}
END_TEST

START_TEST(who_was_there_before_goes_to_the_front)
{
	queue(&a, "h", 80);
	queue(&b, "h", 80);
	ck_assert_int_eq(hosts_queue(&hosts, &c, "h", 80, true), 0);
	ck_assert_int_eq(hosts_queue(&hosts, &d, "h", 80, true), 0);
	ck_assert_ptr_eq(hosts_next(&hosts), &c);
	ck_assert_ptr_eq(hosts_next(&hosts), &d);
	ck_assert(hosts_leave(&c));
	ck_assert_ptr_eq(hosts_next(&hosts), &a);
}
END_TEST

START_TEST(who_leaves_the_line_gives_no_place_free)
{
	queue(&a, "h", 80);
	queue(&b, "h", 80);
	ck_assert(!hosts_leave(&a));
	ck_assert(!hosts_leave(&a)); /* at no host: nothing to leave */
	ck_assert_ptr_eq(hosts_next(&hosts), &b);
	ck_assert(hosts_leave(&b));
	queue(&b, "g", 80);
	ck_assert_ptr_eq(hosts_next(&hosts), &b);
}
END_TEST

START_TEST(an_account_that_counts_has_one_place_in_all_for_who_came_first)
{
	hosts.one = true;
	queue(&a, "h", 80);
	queue(&b, "g", 80);
	queue(&c, "h", 80);
	ck_assert_ptr_eq(hosts_next(&hosts), &a);
	ck_assert_ptr_null(hosts_next(&hosts)); /* another host is no other account */
	ck_assert(hosts_leave(&a));
	ck_assert_ptr_eq(hosts_next(&hosts), &b);
	ck_assert_int_eq(hosts_queue(&hosts, &d, "k", 80, true), 0); /* b's redirect, when it has left g */
	ck_assert_ptr_null(hosts_next(&hosts));
	ck_assert(hosts_leave(&b));
	ck_assert_ptr_eq(hosts_next(&hosts), &d);
	ck_assert(hosts_leave(&d));
	ck_assert_ptr_eq(hosts_next(&hosts), &c);
	ck_assert_ptr_null(hosts_next(&hosts));
	hosts.one = false;
}
END_TEST

START_TEST(a_limit_of_none_is_one)
{
	hosts_clear(&hosts);
	hosts_init(&hosts, 0);
	queue(&a, "h", 80);
	queue(&b, "h", 80);
	ck_assert_ptr_eq(hosts_next(&hosts), &a);
	ck_assert_ptr_null(hosts_next(&hosts));
}
END_TEST

START_TEST(two_failures_within_a_minute_end_http2_at_this_host_only)
{
	static const struct {
		double at_s[3];
		bool left;
	} stories[] = {
		{ { 1000 }, true }, { { 1000, 1059 }, false }, { { 1000, 1061 }, true },
		{ { 1000, 1061, 1062 }, false }, { { 1000, 1001, 2000 }, false }, /* for good */
	};

	for (size_t i = 0; i < NITEMS(stories); i++) {
		char name[16];

		snprintf(name, sizeof(name), "h%zu", i);
		queue(&a, name, 443);
		ck_assert(hosts_http2(&a));
		for (size_t n = 0; n < NITEMS(stories[i].at_s) && stories[i].at_s[n] > 0; n++)
			hosts_http2_failed(&a, stories[i].at_s[n]);
		ck_assert_int_eq(hosts_http2(&a), stories[i].left);
		hosts_leave(&a);
	}
}
END_TEST

START_TEST(hosts_without_end_are_forgotten_but_not_those_in_use)
{
	char name[16];

	queue(&b, "busy", 443);
	ck_assert_ptr_eq(hosts_next(&hosts), &b);
	queue(&c, "waited-for", 443);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		queue(&a, name, 443);
		hosts_http2_failed(&a, 1000);
		hosts_http2_failed(&a, 1000);
		(void)hosts_leave(&a);
		ck_assert_uint_le(hosts.count, HOSTS_IDLE);
	}
	queue(&a, "h999", 443);
	ck_assert(!hosts_http2(&a)); /* still known */
	(void)hosts_leave(&a);
	queue(&a, "h1", 443);
	ck_assert(hosts_http2(&a)); /* forgotten: a new chance */
	(void)hosts_leave(&a);
	ck_assert_ptr_eq(hosts_next(&hosts), &c);
	ck_assert(hosts_leave(&b));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hosts");
	TCase *tc = tcase_create("hosts");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, who_came_first_is_served_first_and_no_host_gets_too_many);
	tcase_add_test(tc, a_full_host_does_not_stop_another_one);
	tcase_add_test(tc, who_was_there_before_goes_to_the_front);
	tcase_add_test(tc, who_leaves_the_line_gives_no_place_free);
	tcase_add_test(tc, an_account_that_counts_has_one_place_in_all_for_who_came_first);
	tcase_add_test(tc, a_limit_of_none_is_one);
	tcase_add_test(tc, two_failures_within_a_minute_end_http2_at_this_host_only);
	tcase_add_test(tc, hosts_without_end_are_forgotten_but_not_those_in_use);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
