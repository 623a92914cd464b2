/*
 * choose.c - tests of supervisor/choose.c: who gets which tuner
 */
#include <check.h>
#include <stdlib.h>

#include "base/pb.h"
#include "supervisor/choose.h"

#define ANY (-1)
#define NONE (-1)

/* { tuner, use, same channel, same provider, idle seconds } */
struct row {
	const char *what;
	struct seat seats[4];
	size_t count;
	int wanted, tuners, provider_max;
	struct choice is;
};

static const struct row rows[] = {
	{ "the first tune gets the first tuner", { { 0 } }, 0, ANY, 2, 0, { 0, NONE, 0, { NONE, NONE } } },
	{ "the next gets the next", { { 0, SEAT_WATCHED, false, false, 0 } }, 1, ANY, 2, 0,
	    { 0, NONE, 1, { NONE, NONE } } },
	{ "a second viewer of a channel joins", { { 0, SEAT_WATCHED, true, false, 0 } }, 1, ANY, 1, 0,
	    { 0, 0, ANY, { NONE, NONE } } },
	{ "what lingers is shared too", { { 0, SEAT_LINGERING, true, false, 3 } }, 1, ANY, 1, 0,
	    { 0, 0, ANY, { NONE, NONE } } },
	{ "all tuners are watched: 805", { { 0, SEAT_WATCHED, false, false, 0 } }, 1, ANY, 1, 0,
	    { 805, NONE, ANY, { NONE, NONE } } },
	{ "what lingers gives its tuner up",
	    { { 0, SEAT_WATCHED, false, false, 0 }, { 1, SEAT_LINGERING, false, false, 1 } }, 2, ANY, 2, 0,
	    { 0, NONE, 1, { 1, NONE } } },
	{ "a free tuner is taken before one that lingers", { { 0, SEAT_LINGERING, false, false, 1 } }, 1, ANY, 2, 0,
	    { 0, NONE, 1, { NONE, NONE } } },
	{ "lingering goes before left, left before stalled",
	    { { 0, SEAT_STALLED, false, false, 9 }, { 1, SEAT_LEFT, false, false, 9 },
		{ 2, SEAT_LINGERING, false, false, 1 } },
	    3, ANY, 3, 0, { 0, NONE, 2, { 2, NONE } } },
	{ "left goes before stalled", { { 0, SEAT_STALLED, false, false, 9 }, { 1, SEAT_LEFT, false, false, 1 } }, 2,
	    ANY, 2, 0, { 0, NONE, 1, { 1, NONE } } },
	{ "a stalled one goes when nothing else is left",
	    { { 0, SEAT_STALLED, false, false, 9 }, { 1, SEAT_WATCHED, false, false, 1 } }, 2, ANY, 2, 0,
	    { 0, NONE, 0, { 0, NONE } } },
	{ "of two that linger the one that did so longest goes",
	    { { 0, SEAT_LINGERING, false, false, 1 }, { 1, SEAT_LINGERING, false, false, 4 } }, 2, ANY, 2, 0,
	    { 0, NONE, 1, { 1, NONE } } },

	{ "a named tuner that is free", { { 0, SEAT_WATCHED, false, false, 0 } }, 1, 1, 2, 0,
	    { 0, NONE, 1, { NONE, NONE } } },
	{ "a named tuner that plays another channel: 804", { { 1, SEAT_WATCHED, false, false, 0 } }, 1, 1, 2, 0,
	    { 804, NONE, 1, { NONE, NONE } } },
	{ "a named tuner that plays this channel is joined", { { 1, SEAT_WATCHED, true, false, 0 } }, 1, 1, 2, 0,
	    { 0, 0, 1, { NONE, NONE } } },
	{ "a named tuner that lingers is taken", { { 1, SEAT_LINGERING, false, false, 0 } }, 1, 1, 2, 0,
	    { 0, NONE, 1, { 0, NONE } } },
	{ "a named tuner, but the channel plays on another one: joined there, and nothing ends",
	    { { 1, SEAT_LINGERING, false, false, 0 }, { 0, SEAT_WATCHED, true, false, 0 } }, 2, 1, 2, 0,
	    { 0, 1, 1, { NONE, NONE } } },

	{ "the provider's only slot is watched: 805", { { 0, SEAT_WATCHED, false, true, 0 } }, 1, ANY, 4, 1,
	    { 805, NONE, ANY, { NONE, NONE } } },
	{ "the provider's slot that lingers is given up, with its tuner", { { 0, SEAT_LINGERING, false, true, 0 } }, 1,
	    ANY, 1, 1, { 0, NONE, 0, { 0, NONE } } },
	{ "another provider's slots don't count", { { 0, SEAT_WATCHED, false, false, 0 } }, 1, ANY, 4, 1,
	    { 0, NONE, 1, { NONE, NONE } } },
	{ "a named tuner of another provider, and the provider's slot: both end",
	    { { 0, SEAT_LINGERING, false, false, 0 }, { 1, SEAT_LINGERING, false, true, 0 } }, 2, 0, 2, 1,
	    { 0, NONE, 0, { 0, 1 } } },
	{ "more slots used than there are by now: 805, for ending one would not do",
	    { { 0, SEAT_LINGERING, false, true, 0 }, { 1, SEAT_WATCHED, false, true, 0 } }, 2, ANY, 4, 1,
	    { 805, NONE, ANY, { NONE, NONE } } },

	{ "a tuner beyond a count that was made smaller is nobody's to give",
	    { { 3, SEAT_LINGERING, false, false, 9 }, { 0, SEAT_WATCHED, false, false, 0 } }, 2, ANY, 1, 0,
	    { 805, NONE, ANY, { NONE, NONE } } },
};

START_TEST(a_tuner_goes_to_whom_it_is_owed)
{
	const struct row *r = &rows[_i];
	struct choice c;

	choose_tuner(&c, r->seats, r->count, r->wanted, 0, r->tuners, r->provider_max);
	ck_assert_msg(c.error == r->is.error, "%s: error %d", r->what, c.error);
	if (c.error != 0)
		return;
	ck_assert_msg(c.join == r->is.join, "%s: join %d", r->what, c.join);
	if (c.join == NONE)
		ck_assert_msg(c.tuner == r->is.tuner, "%s: tuner %d", r->what, c.tuner);
	for (size_t i = 0; i < NITEMS(c.give_up); i++)
		ck_assert_msg(c.give_up[i] == r->is.give_up[i], "%s: give_up[%zu] %d", r->what, i, c.give_up[i]);
}
END_TEST

/* Two devices with two tuners each: neither gives the other's, but a provider's slot may end on either. */
START_TEST(each_device_gives_its_own_tuners)
{
	struct seat seats[] = { { 0, SEAT_WATCHED, false, false, 0 }, { 1, SEAT_LINGERING, false, true, 0 },
		{ 256, SEAT_WATCHED, false, false, 0 }, { 257, SEAT_WATCHED, false, false, 0 } };
	struct choice c;

	choose_tuner(&c, seats, 3, ANY, 256, 2, 0);
	ck_assert_int_eq(c.error, 0);
	ck_assert_int_eq(c.tuner, 257);
	choose_tuner(&c, seats, 4, ANY, 256, 2, 0);
	ck_assert_int_eq(c.error, 805);
	choose_tuner(&c, seats, 4, 257, 256, 2, 0);
	ck_assert_int_eq(c.error, 804);
	choose_tuner(&c, seats, 3, ANY, 256, 2, 1);
	ck_assert_int_eq(c.error, 0);
	ck_assert_int_eq(c.tuner, 257);
	ck_assert_int_eq(c.give_up[0], 1);
	choose_tuner(&c, seats, 4, ANY, 0, 2, 0);
	ck_assert_int_eq(c.tuner, 1);
	ck_assert_int_eq(c.give_up[0], 1);
}
END_TEST

/* Every mixture of uses on three tuners: nobody who watches is ever ended, and no tuner is given twice. */
START_TEST(who_watches_is_never_ended)
{
	static const enum seat_use uses[] = { SEAT_WATCHED, SEAT_STALLED, SEAT_LEFT, SEAT_LINGERING };
	struct seat seats[3];
	struct choice c;
	bool taken = false;

	for (int i = 0; i < 3; i++)
		seats[i] = (struct seat){ i, uses[(_i >> (2 * i)) & 3], false, (_i >> (6 + i)) & 1, i };
	for (int wanted = ANY; wanted < 4; wanted++)
		for (int max = 0; max < 3; max++) {
			choose_tuner(&c, seats, 3, wanted, 0, 4, max);
			if (c.error != 0)
				continue;
			ck_assert_int_eq(c.join, NONE);
			for (size_t i = 0; i < NITEMS(c.give_up); i++)
				if (c.give_up[i] != NONE)
					ck_assert_int_ne(seats[c.give_up[i]].use, SEAT_WATCHED);
			taken = c.tuner == 3 || c.give_up[0] == c.tuner || c.give_up[1] == c.tuner;
			ck_assert_msg(taken, "tuner %d is somebody's", c.tuner);
		}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("choose");
	TCase *tc = tcase_create("choose");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, a_tuner_goes_to_whom_it_is_owed, 0, (int)NITEMS(rows));
	tcase_add_test(tc, each_device_gives_its_own_tuners);
	tcase_add_loop_test(tc, who_watches_is_never_ended, 0, 512);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
