/*
 * tests/unit/comeback.c - who goes on where it was cut off, and who does not
 */
#include "supervisor/comeback.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

#define CUT_S 1000.0 /* when it was cut off */

static struct comeback all;

static void
setup(void)
{
	memset(&all, 0, sizeof(all));
}

static bool
take(const char *address, const char *agent, uint64_t stream, double now_s)
{
	uint64_t offset = 0;

	if (!comeback_take(&all, address, agent, stream, now_s, &offset))
		return false;
	ck_assert_uint_eq(offset, 4700);
	return true;
}

static const struct {
	const char *address, *agent;
	uint64_t stream;
	double now_s;
	bool back;
} comers[] = {
	{ "192.0.2.7", "Lavf/60.3", 5, CUT_S, true }, { "192.0.2.7", "Lavf/60.3", 5, CUT_S + COMEBACK_S, true },
	{ "192.0.2.7", "Lavf/60.3", 5, CUT_S + COMEBACK_S + 0.01, false }, /* too late */
	{ "192.0.2.7", "Lavf/60.3", 5, CUT_S - 3600, false }, /* the clock was set back */
	{ "192.0.2.8", "Lavf/60.3", 5, CUT_S + 1, false }, { "192.0.2.7", "Lavf/60.4", 5, CUT_S + 1, false },
	{ "192.0.2.7", "Lavf", 5, CUT_S + 1, false }, { "192.0.2.7", "", 5, CUT_S + 1, false },
	{ "192.0.2.7", "Lavf/60.3", 6, CUT_S + 1, false }, /* another channel, or the same begun anew */
};

START_TEST(address_agent_stream_and_time_must_agree)
{
	comeback_note(&all, "192.0.2.7", "Lavf/60.3", 5, 4700, CUT_S);
	ck_assert_int_eq(
	    take(comers[_i].address, comers[_i].agent, comers[_i].stream, comers[_i].now_s), comers[_i].back);
	/* What was taken is taken; what was not is there still. */
	ck_assert_int_eq(take("192.0.2.7", "Lavf/60.3", 5, CUT_S + 1), !comers[_i].back);
}
END_TEST

START_TEST(nobody_comes_back_to_nothing)
{
	ck_assert(!take("", "", 0, 0));
	ck_assert(!take("", "", 0, 5));
}
END_TEST

START_TEST(of_two_cuts_the_last_one_counts)
{
	comeback_note(&all, "192.0.2.7", "a", 5, 1880, CUT_S);
	comeback_note(&all, "192.0.2.7", "a", 5, 4700, CUT_S + 2);
	ck_assert(take("192.0.2.7", "a", 5, CUT_S + 3));
}
END_TEST

START_TEST(there_is_an_end_and_the_oldest_are_forgotten)
{
	char address[ADDR_TEXT];

	for (int i = 0; i < COMEBACK_MAX + 3; i++) {
		snprintf(address, sizeof(address), "192.0.2.%d", i);
		comeback_note(&all, address, "a", 5, 4700, CUT_S);
	}
	for (int i = 0; i < COMEBACK_MAX + 3; i++) {
		snprintf(address, sizeof(address), "192.0.2.%d", i);
		ck_assert_int_eq(take(address, "a", 5, CUT_S + 1), i >= 3);
	}
}
END_TEST

START_TEST(an_agent_without_end_is_kept_as_far_as_there_is_room)
{
	char agent[4 * COMEBACK_AGENT];

	memset(agent, 'a', sizeof(agent) - 1);
	agent[sizeof(agent) - 1] = '\0';
	comeback_note(&all, "192.0.2.7", agent, 5, 4700, CUT_S);
	ck_assert(take("192.0.2.7", agent, 5, CUT_S + 1));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("comeback");
	TCase *tc = tcase_create("comeback");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, address_agent_stream_and_time_must_agree, 0, (int)NITEMS(comers));
	tcase_add_test(tc, nobody_comes_back_to_nothing);
	tcase_add_test(tc, of_two_cuts_the_last_one_counts);
	tcase_add_test(tc, there_is_an_end_and_the_oldest_are_forgotten);
	tcase_add_test(tc, an_agent_without_end_is_kept_as_far_as_there_is_room);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
