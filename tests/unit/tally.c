/*
 * tests/unit/tally.c - figures of each source, and their history
 */
#include "worker/tally.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

static struct state_sources sources;
static struct tally tally;
static struct tally_look look;

static void
setup(void)
{
	memset(&sources, 0, sizeof(sources));
	look = (struct tally_look){ .now_ms = 100 * 60000 };
	tally_init(&tally, 0, look.now_ms);
}

/* So many seconds at that source, in each of which so much happens. */
static void
pass(int seconds, unsigned source, uint64_t requests, uint64_t troubles)
{
	for (; seconds > 0; seconds--) {
		look.now_ms += 1000;
		look.requests += requests;
		look.troubles += troubles;
		look.bytes += 1000;
		look.segments += 100;
		look.losses += 1;
		tally_second(&tally, &sources, source, &look);
	}
}

static const struct state_minute *
minute(unsigned source, int64_t ago)
{
	const struct state_minute *m;
	uint32_t number = (uint32_t)(look.now_ms / 60000 - ago) + 1;

	m = &sources.at[source].minutes[number % STATE_MINUTES];
	return m->minute == number ? m : NULL;
}

START_TEST(what_happened_is_counted_for_the_source_that_was_in_use)
{
	pass(10, 0, 2, 1);
	pass(1, 2, 2, 1); /* a switch: this second was the first one's still */
	pass(5, 2, 4, 0);
	ck_assert_uint_eq(sources.at[0].requests, 22);
	ck_assert_uint_eq(sources.at[0].troubles, 11);
	ck_assert_uint_eq(sources.at[0].used_ms, 11000);
	ck_assert_uint_eq(sources.at[2].requests, 20);
	ck_assert_uint_eq(sources.at[2].troubles, 0);
	ck_assert_uint_eq(sources.at[2].bytes, 5000);
	ck_assert_uint_eq(sources.at[1].requests, 0);
}
END_TEST

START_TEST(each_minute_has_its_own_figures)
{
	look.latency_ms = 40;
	pass(59, 0, 2, 0);
	look.latency_ms = 900;
	look.quality = QUALITY_DEGRADED;
	pass(30, 0, 2, 2);
	ck_assert_ptr_nonnull(minute(0, 1));
	ck_assert_uint_eq(minute(0, 1)->requests, 118);
	ck_assert_uint_eq(minute(0, 1)->troubles, 0);
	ck_assert_uint_eq(minute(0, 1)->latency_ms, 40);
	ck_assert_uint_eq(minute(0, 1)->quality, QUALITY_NORMAL);
	ck_assert_uint_eq(minute(0, 1)->seconds, 59);
	ck_assert_uint_eq(minute(0, 0)->troubles, 60);
	ck_assert_uint_eq(minute(0, 0)->losses, 30);
	ck_assert_uint_eq(minute(0, 0)->segments, 3000);
	ck_assert_uint_eq(minute(0, 0)->latency_ms, 900);
	ck_assert_uint_eq(minute(0, 0)->quality, QUALITY_DEGRADED);
}
END_TEST

START_TEST(no_more_than_an_hour_is_kept)
{
	pass(3 * 3600, 0, 1, 0);
	for (int64_t ago = 1; ago < STATE_MINUTES; ago++) {
		ck_assert_ptr_nonnull(minute(0, ago));
		ck_assert_uint_eq(minute(0, ago)->requests, 60);
	}
	ck_assert_ptr_null(minute(0, STATE_MINUTES));
}
END_TEST

/* A successor's counters begin at nothing: what its predecessor counted stays. */
START_TEST(a_successor_goes_on_with_what_was_counted)
{
	pass(10, 0, 2, 1);
	tally_init(&tally, 0, look.now_ms);
	look.requests = look.troubles = look.bytes = look.segments = look.losses = 0;
	look.now_ms += 200;
	tally_second(&tally, &sources, 0, &look);
	pass(5, 0, 2, 0);
	ck_assert_uint_eq(sources.at[0].requests, 30);
	ck_assert_uint_eq(sources.at[0].troubles, 10);
}
END_TEST

START_TEST(a_source_is_remembered_as_it_was_for_ten_minutes)
{
	look.quality = QUALITY_DEGRADED;
	pass(5, 0, 2, 0);
	ck_assert_int_eq(tally_quality(&sources.at[0], look.now_ms + 1000), QUALITY_DEGRADED);
	ck_assert_int_eq(tally_quality(&sources.at[0], look.now_ms + TALLY_STALE_MS + 1), QUALITY_NORMAL);
	ck_assert_int_eq(tally_quality(&sources.at[1], look.now_ms), QUALITY_NORMAL);
	sources.at[0].quality = 77;
	ck_assert_int_eq(tally_quality(&sources.at[0], look.now_ms), QUALITY_NORMAL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tally");
	TCase *tc = tcase_create("tally");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, what_happened_is_counted_for_the_source_that_was_in_use);
	tcase_add_test(tc, each_minute_has_its_own_figures);
	tcase_add_test(tc, no_more_than_an_hour_is_kept);
	tcase_add_test(tc, a_successor_goes_on_with_what_was_counted);
	tcase_add_test(tc, a_source_is_remembered_as_it_was_for_ten_minutes);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
