/*
 * crash.c - tests of supervisor/crash.c: what counts, what waits, what is left out
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "base/pb.h"
#include "supervisor/crash.h"

#define EXIT(n) ((n) << 8)
#define SIG(n) (n)

static const struct {
	int status;
	bool killed;
	bool crash;
} kinds[] = {
	{ SIG(SIGSEGV), false, true },
	{ SIG(SIGBUS), false, true },
	{ SIG(SIGABRT), false, true },
	{ SIG(SIGFPE), false, true },
	{ SIG(SIGILL), false, true },
	{ SIG(SIGSYS), false, true },
	{ SIG(SIGTRAP), false, true },
	{ SIG(SIGSEGV) | 0x80, false, true }, /* with a core */
	{ EXIT(1), false, true },
	{ EXIT(100), false, true },
	{ EXIT(111), false, true },
	{ SIG(SIGKILL), true, true }, /* watchdog */
	{ EXIT(0), true, true }, /* it ended while we were about to kill it */
	{ SIG(SIGKILL), false, false },
	{ SIG(SIGTERM), false, false },
	{ SIG(SIGHUP), false, false },
	{ EXIT(0), false, false },
};

START_TEST(faults_failures_and_our_own_kills_are_crashes_and_nothing_else_is)
{
	struct death d = { .status = kinds[_i].status, .killed = kinds[_i].killed };

	ck_assert_int_eq(death_is_crash(&d), kinds[_i].crash);
}
END_TEST

START_TEST(the_segment_in_hand_at_two_crashes_is_left_out_once)
{
	struct crashes c = { 0 };
	struct death d = { .status = SIG(SIGSEGV), .in_hand = 8, .lived_s = 60 };
	bool poison;

	crashes_note(&c, &d, &poison);
	ck_assert(!poison && !c.skip_set);
	crashes_note(&c, &d, &poison);
	ck_assert(poison && c.skip_set);
	ck_assert_uint_eq(c.skip_serial, 7);
	/* One that does not heed it is no second segment. */
	crashes_note(&c, &d, &poison);
	ck_assert(!poison && c.skip_set);
	ck_assert_uint_eq(c.poisoned, 1);
	d.in_hand = 9;
	crashes_note(&c, &d, &poison);
	ck_assert(!poison);
	crashes_note(&c, &d, &poison);
	ck_assert(poison);
	ck_assert_uint_eq(c.skip_serial, 8);
	ck_assert_uint_eq(c.poisoned, 2);
	ck_assert_uint_eq(c.count, 5);
}
END_TEST

START_TEST(kills_from_outside_and_empty_hands_poison_nothing)
{
	struct crashes c = { 0 };
	struct death d = { .status = SIG(SIGKILL), .in_hand = 8, .lived_s = 60 };
	bool poison;

	for (int i = 0; i < 3; i++) {
		crashes_note(&c, &d, &poison);
		ck_assert(!poison);
	}
	d = (struct death){ .status = SIG(SIGSEGV), .in_hand = 0, .lived_s = 60 };
	for (int i = 0; i < 3; i++) {
		crashes_note(&c, &d, &poison);
		ck_assert(!poison);
	}
	/* A crash with another one in hand in between: neither was in hand twice in a row. */
	for (int i = 0; i < 4; i++) {
		d.in_hand = 5 + (unsigned)i % 2;
		crashes_note(&c, &d, &poison);
		ck_assert(!poison);
	}
	ck_assert(!c.skip_set);
	/* The highest number there is is a number like any other. */
	d.in_hand = UINT64_MAX;
	crashes_note(&c, &d, &poison);
	crashes_note(&c, &d, &poison);
	ck_assert(poison);
	ck_assert_uint_eq(c.skip_serial, UINT64_MAX - 1);
}
END_TEST

START_TEST(a_worker_that_can_not_stay_up_is_started_ever_later)
{
	static const double waits[] = { 0, 0, 0.5, 1, 2, 4, 8, 10, 10, 10 };
	struct crashes c = { 0 };
	struct death d = { .status = EXIT(111), .lived_s = 1 };
	bool poison;

	for (size_t i = 0; i < NITEMS(waits); i++)
		ck_assert_double_eq(crashes_note(&c, &d, &poison), waits[i]);
	d.lived_s = CRASH_LIVED_S;
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0);
	d.lived_s = 1;
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0);
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0.5);
}
END_TEST

START_TEST(kills_from_outside_wait_only_when_something_hunts_it)
{
	struct crashes c = { 0 };
	struct death d = { .status = SIG(SIGKILL), .lived_s = CRASH_HUNTED_S };
	bool poison;

	for (int i = 0; i < 100; i++)
		ck_assert_double_eq(crashes_note(&c, &d, &poison), 0);
	d.lived_s = CRASH_HUNTED_S / 2;
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0);
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0);
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0.5);
	/* Asked to end by somebody else, it exits 0: nobody's fault, but it did not stay up. */
	c = (struct crashes){ 0 };
	d = (struct death){ .status = EXIT(0), .lived_s = 1 };
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0);
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0);
	ck_assert_double_eq(crashes_note(&c, &d, &poison), 0.5);
	ck_assert_uint_eq(c.count, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("crash");
	TCase *tc = tcase_create("crash");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    tc, faults_failures_and_our_own_kills_are_crashes_and_nothing_else_is, 0, (int)NITEMS(kinds));
	tcase_add_test(tc, the_segment_in_hand_at_two_crashes_is_left_out_once);
	tcase_add_test(tc, kills_from_outside_and_empty_hands_poison_nothing);
	tcase_add_test(tc, a_worker_that_can_not_stay_up_is_started_ever_later);
	tcase_add_test(tc, kills_from_outside_wait_only_when_something_hunts_it);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
