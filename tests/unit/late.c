/*
 * tests/unit/late.c - what is late by its own history, and how often that may be answered by asking twice
 */
#include "worker/late.h"

#include <check.h>
#include <stdlib.h>

#include "base/pb.h"
#include "worker/interfaces.h"

/* So many answers after so long, then perhaps others: when is the next one late? */
static const struct {
	uint32_t ms, times, then_ms, then_times;
	uint32_t most_ms, from_ms, to_ms;
} histories[] = {
	{ 0, 0, 0, 0, 2500, 2500, 2500 }, /* nobody knows */
	{ 20, 50, 0, 0, 2500, 300, 300 }, /* quick and steady: the floor */
	{ 400, 50, 0, 0, 2500, 400, 500 }, /* slow and steady: soon after */
	{ 400, 1, 0, 0, 2500, 1200, 1200 }, /* one answer says little */
	{ 20, 50, 2000, 1, 2500, 1500, 2500 }, /* one outlier makes it patient */
	{ 20, 50, 2000, 50, 2500, 2000, 2500 }, /* it is slow now */
	{ 2000, 50, 20, 60, 2500, 300, 400 }, /* and quick again */
	{ 5000, 10, 0, 0, 2500, 2500, 2500 }, /* never later than that */
	{ 20, 50, 0, 0, 100, 100, 100 },
};

START_TEST(an_answer_is_late_by_its_own_history)
{
	struct late late;
	uint32_t ms;

	late_init(&late);
	for (uint32_t i = 0; i < histories[_i].times; i++)
		late_heard(&late, histories[_i].ms);
	for (uint32_t i = 0; i < histories[_i].then_times; i++)
		late_heard(&late, histories[_i].then_ms);
	ms = late_after_ms(&late, histories[_i].most_ms);
	ck_assert_uint_ge(ms, histories[_i].from_ms);
	ck_assert_uint_le(ms, histories[_i].to_ms);
}
END_TEST

START_TEST(second_requests_are_a_tenth_of_the_answers)
{
	struct late late;
	unsigned spent = 0;

	late_init(&late);
	for (int i = 0; i < 100; i++)
		spent += late_spend(&late);
	ck_assert_uint_eq(spent, LATE_BURST); /* an outage: nothing answers */
	for (int i = 0; i < 1000; i++) {
		late_heard(&late, 50);
		spent += late_spend(&late);
	}
	ck_assert_uint_ge(spent, 99 + LATE_BURST);
	ck_assert_uint_le(spent, 101 + LATE_BURST);
}
END_TEST

static const struct {
	const char *list;
	size_t count;
	const char *options[3];
} lists[] = {
	{ "", 0, { "" } },
	{ "eth0", 1, { "if!eth0" } },
	{ "eth0, wlan0", 2, { "if!eth0", "if!wlan0" } },
	{ "192.0.2.7,2001:db8::1,eth1", 3, { "host!192.0.2.7", "host!2001:db8::1", "if!eth1" } },
	{ " , ,eth0 ,", 1, { "if!eth0" } },
	{ "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r", INTERFACES_MAX, { "if!a", "if!b", "if!c" } },
};

START_TEST(interfaces_are_tried_in_turn)
{
	struct interfaces all;
	double now_s = 100;

	interfaces_init(&all, lists[_i].list);
	ck_assert_uint_eq(all.count, lists[_i].count);
	for (size_t n = 0; n < PB_MIN(lists[_i].count, NITEMS(lists[0].options)); n++) {
		ck_assert_str_eq(interfaces_now(&all), lists[_i].options[n]);
		ck_assert_int_eq(interfaces_next(&all, now_s += 2), lists[_i].count > 1);
	}
	if (lists[_i].count <= NITEMS(lists[0].options))
		ck_assert_str_eq(interfaces_now(&all), lists[_i].options[0]); /* round */
}
END_TEST

START_TEST(many_failures_of_one_route_are_one_change_and_the_first_comes_back)
{
	struct interfaces all;

	interfaces_init(&all, "eth0,wlan0,lte0");
	ck_assert(interfaces_next(&all, 10));
	for (int i = 0; i < 9; i++)
		ck_assert(!interfaces_next(&all, 10 + i / 10.));
	ck_assert_str_eq(interfaces_name(&all), "wlan0");
	ck_assert(!interfaces_second(&all, 10 + INTERFACES_RETURN_S - 1));
	ck_assert(interfaces_second(&all, 10 + INTERFACES_RETURN_S));
	ck_assert_str_eq(interfaces_name(&all), "eth0");
	ck_assert(!interfaces_second(&all, 1000));
	ck_assert(interfaces_next(&all, 1001));
	interfaces_first(&all);
	ck_assert_str_eq(interfaces_name(&all), "eth0");
	ck_assert(interfaces_next(&all, 1001)); /* what was told of the way before counts no more */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("late");
	TCase *tc = tcase_create("late");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, an_answer_is_late_by_its_own_history, 0, (int)NITEMS(histories));
	tcase_add_test(tc, second_requests_are_a_tenth_of_the_answers);
	tcase_add_loop_test(tc, interfaces_are_tried_in_turn, 0, (int)NITEMS(lists));
	tcase_add_test(tc, many_failures_of_one_route_are_one_change_and_the_first_comes_back);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
