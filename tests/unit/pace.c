/*
 * pace.c - the stream leaves in real time, whatever upstream does
 */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/ts.h"
#include "ipc/state.h"
#include "worker/pace.h"

#define MS ((int64_t)1000000) /* ns */
#define PCR(ms) ((int64_t)(ms)*27000)
#define BYTES(ms) ((uint64_t)(ms)*188) /* one packet a millisecond */

static struct state *state;
static struct state_snapshot *draft;
static struct pace pace;
static int fd;
static int64_t have_ms;
static uint64_t released;

static void
setup(void)
{
	ck_assert_int_eq(state_create(&fd, &state), 0);
	draft = state_draft(state);
	pace_init(&pace, 4000);
	have_ms = 0;
	released = 0;
}

static void
teardown(void)
{
	state_unmap(&state);
	close(fd);
}

/* Media up to `ms` has come, with a mark every 40 ms. */
static void
media(int64_t ms)
{
	for (; have_ms < ms; have_ms += 40)
		state_mark_put(state, draft, BYTES(have_ms), PCR(have_ms), have_ms % 1000 == 0);
}

/* What is released at a time, in ms of media. */
static int64_t
at(int64_t now_ms)
{
	released = pace_release(&pace, state, draft->marks, BYTES(have_ms), PCR(have_ms), released, now_ms * MS);
	return (int64_t)(released / 188);
}

START_TEST(the_burst_goes_at_once_and_the_rest_in_real_time)
{
	media(20000);
	ck_assert_int_eq(at(0), 4040);
	for (int64_t t = 100; t < 15000; t += 100) {
		ck_assert_int_ge(at(t), 4000 + t);
		ck_assert_int_le(at(t), 4000 + t + 80);
	}
}
END_TEST

START_TEST(a_burst_that_trickles_in_is_let_through_as_it_comes)
{
	for (int64_t t = 0; t < 4000; t += 40) {
		media(t * 3 / 2 + 40);
		ck_assert_int_ge(at(t), PB_MIN(have_ms, 4000 + t));
	}
	ck_assert_uint_eq(pace.stalls, 0);
}
END_TEST

/* A player that got `burst` ahead lives on that; when upstream is back in time, the viewer is where it was. */
START_TEST(an_outage_within_burst_and_reserve_moves_nothing)
{
	media(10000);
	at(0);
	at(6000);
	ck_assert_int_eq(at(9000), 10000); /* all released, nothing new for 4 s */
	ck_assert_uint_eq(pace.stalls, 0);
	media(30000);
	ck_assert_int_ge(at(9100), 13100); /* the client gets back its 4 s */
	ck_assert_int_le(at(9100), 13200);
}
END_TEST

START_TEST(after_a_spent_reserve_media_goes_on_in_real_time)
{
	media(5000);
	at(0);
	ck_assert_int_eq(at(20000), 5000);
	ck_assert_uint_eq(pace.stalls, 1);
	media(40000);
	/* The clock stood still at 5000: burst and real time from there, no heap of 20 s. */
	ck_assert_int_le(at(20100), 5000 + 4000 + 200);
	ck_assert_int_le(at(25100), 5000 + 4000 + 5200);
	ck_assert_int_ge(at(25100), 5000 + 4000 + 5000);
}
END_TEST

START_TEST(the_rate_follows_the_reserve_within_two_per_mille)
{
	int64_t t, lead = 0;

	pace_set_target(&pace, 18000);
	/* Upstream's clock is slow by 0.1 %: without a slower rate the reserve would be eaten. */
	for (t = 0; t < 4 * 3600 * 1000; t += 1000) {
		media(22000 + t - t / 1000);
		lead = at(t);
		ck_assert_int_le(llabs(pace.rate_ppm), 2000);
	}
	ck_assert_int_ge(have_ms - lead, 15000);
	ck_assert_int_le(pace.rate_ppm, -900);
	ck_assert_uint_eq(pace.stalls, 0);
}
END_TEST

/* A viewer plays at his own rate: what a larger reserve takes from him is bounded, and he never stands still for it. */
START_TEST(a_larger_reserve_leaves_half_of_the_burst_to_the_viewer)
{
	static const int64_t wanted_ms[] = { 18000, 25000 };
	int64_t left_ms = INT64_MAX;

	pace_set_target(&pace, 12000);
	for (int64_t t = 0; t < 6 * 3600 * 1000; t += 1000) {
		if (t == 60000)
			pace_set_target(&pace, (uint32_t)wanted_ms[_i]);
		media(16000 + t);
		left_ms = PB_MIN(left_ms, at(t) - t);
	}
	ck_assert_int_ge(left_ms, 1900);
	ck_assert_int_le(left_ms, 2100);
}
END_TEST

START_TEST(a_worker_that_goes_on_before_the_first_release_begins)
{
	struct state_snapshot from = { .head_pcr_27m = PCR(100), .marks = 3, .burst_27m = PCR(4000) };

	media(120);
	pace_resume(&pace, state, &from, 0, 5000 * MS);
	ck_assert(!pace.started);
	ck_assert_int_eq(pace.reserve_27m, 0);
	ck_assert_int_eq(at(5000), 120);
}
END_TEST

START_TEST(released_never_goes_back)
{
	uint64_t last = 0;

	srand(1);
	for (int64_t t = 0; t < 600000; t += rand() % 900) {
		media(have_ms + rand() % 1200);
		at(t);
		ck_assert_uint_ge(released, last);
		ck_assert_uint_le(released, BYTES(have_ms));
		last = released;
	}
}
END_TEST

/* Filler that leaves at once is bounded so: by as much as nothing was there, burst first, then the player's clock. */
START_TEST(drawing_in_moves_the_clock_back_and_takes_the_burst_first)
{
	static const int64_t by_ms[] = { 0, 1, 500, 3999, 4000, 4001, 12000 };
	int64_t before, player;

	media(10000);
	at(0);
	at(3000);
	before = pace_position(&pace, 3000 * MS);
	player = before - pace.burst_27m;
	pace_draw_in(&pace, PCR(by_ms[_i]));
	ck_assert_int_eq(pace_position(&pace, 3000 * MS), before - PCR(by_ms[_i]));
	ck_assert_int_eq(pace.burst_27m, PCR(PB_MAX(4000 - by_ms[_i], 0)));
	ck_assert_int_eq(pace_position(&pace, 3000 * MS) - pace.burst_27m, player - PCR(PB_MAX(by_ms[_i] - 4000, 0)));
	/* What was released stays so, and from here on it is real time again. */
	ck_assert_int_ge(at(3100), 7000);
	media(40000);
	ck_assert_int_le(at(8000), PB_MAX(12000 - by_ms[_i], 7000) + 100);
	ck_assert_int_ge(at(8000), 12000 - by_ms[_i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pace");
	TCase *tc = tcase_create("pace");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_burst_goes_at_once_and_the_rest_in_real_time);
	tcase_add_test(tc, a_burst_that_trickles_in_is_let_through_as_it_comes);
	tcase_add_test(tc, an_outage_within_burst_and_reserve_moves_nothing);
	tcase_add_test(tc, after_a_spent_reserve_media_goes_on_in_real_time);
	tcase_add_test(tc, the_rate_follows_the_reserve_within_two_per_mille);
	tcase_add_loop_test(tc, a_larger_reserve_leaves_half_of_the_burst_to_the_viewer, 0, 2);
	tcase_add_test(tc, a_worker_that_goes_on_before_the_first_release_begins);
	tcase_add_test(tc, released_never_goes_back);
	tcase_add_loop_test(tc, drawing_in_moves_the_clock_back_and_takes_the_burst_first, 0, 7);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
