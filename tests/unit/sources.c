/*
 * sources.c - which source is played from, and when another: tables of what happens
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/sources.h"

#define T0 1000000
#define RETURN_MS 60000
#define TUNE_MS 15000

static struct sources m;
static struct sources_list list;
static int64_t now_ms;

static struct sources_look
look(uint32_t reserve_ms, uint32_t standing_ms)
{
	return (struct sources_look){
		.now_ms = now_ms, .target_ms = 2000, .reserve_ms = reserve_ms, .standing_ms = standing_ms
	};
}

static void
begin(unsigned count, bool media)
{
	memset(&list, 0, sizeof(list));
	list.count = count;
	now_ms = T0;
	sources_init(&m, &list, 0, media, RETURN_MS, TUNE_MS, now_ms);
}

static struct sources_answer
tick(uint32_t after_ms, uint32_t reserve_ms, uint32_t standing_ms)
{
	struct sources_look l;

	now_ms += after_ms;
	l = look(reserve_ms, standing_ms);
	return sources_tick(&m, &l);
}

/* It plays, with seconds of reserve, and nothing is to be done. */
static void
plays(uint32_t for_ms)
{
	for (uint32_t ms = 0; ms < for_ms; ms += 100) {
		ck_assert_int_eq(tick(100, 6000, ms % 2000).act, SOURCES_STAY);
		sources_good(&m, now_ms);
	}
}

static struct sources_answer
fails(const char *why)
{
	struct sources_look l = look(6000, 0);

	return sources_vital(&m, &l, why);
}

/* When is a source left whose media stands from now on? */
START_TEST(media_that_stands_is_left_early_enough)
{
	static const struct {
		uint32_t reserve_ms; /* when it began to stand */
		bool certain; /* the source says itself that it can't */
		uint32_t at_most_ms, at_least_ms;
	} rows[] = {
		{ 60000, false, 4000, 2500 }, /* two target durations, whatever the reserve */
		{ 6000, false, 4000, 2500 },
		{ 4000, false, 3000, 2500 }, /* earlier when it would be spent */
		{ 60000, true, 2200, 2000 }, /* what is certain isn't waited for as long */
		{ 5000, true, 700, 0 },
		{ 3000, true, 100, 0 },
	};
	struct sources_answer a = { 0 };
	struct sources_look l;
	uint32_t ms = 0;

	begin(2, true);
	plays(4000);
	l = look(rows[_i].reserve_ms, 0);
	if (rows[_i].certain)
		ck_assert_int_eq(sources_certain(&m, &l, "HTTP 404").act, SOURCES_STAY);
	for (ms = 100; ms < 10000; ms += 100) {
		a = tick(100, rows[_i].reserve_ms - PB_MIN(ms, rows[_i].reserve_ms), ms);
		if (a.act != SOURCES_STAY)
			break;
	}
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 1);
	ck_assert_uint_le(ms, rows[_i].at_most_ms);
	ck_assert_uint_ge(ms, rows[_i].at_least_ms);
}
END_TEST

START_TEST(before_media_the_next_one_is_tried_at_once_and_the_last_failure_is_the_end)
{
	struct sources_look l;
	struct sources_answer a;

	begin(3, false);
	l = look(0, 0);
	a = sources_certain(&m, &l, "HTTP 404");
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 1);
	a = sources_certain(&m, &l, "no such host");
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 2);
	a = sources_certain(&m, &l, "HTTP 403");
	ck_assert_int_eq(a.act, SOURCES_GIVE_UP);
	ck_assert_int_eq(sources_certain(&m, &l, "once more").act, SOURCES_STAY);
	ck_assert_int_eq(tick(100, 0, 0).act, SOURCES_STAY);
}
END_TEST

START_TEST(before_media_one_that_hangs_leaves_time_for_the_others)
{
	uint32_t first = 0, second = 0;
	struct sources_answer a;

	begin(3, false);
	do
		a = tick(100, 0, 0), first += 100;
	while (a.act == SOURCES_STAY && first < TUNE_MS);
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 1);
	ck_assert_uint_le(first, TUNE_MS / 3 + 100);
	do
		a = tick(100, 0, 0), second += 100;
	while (a.act == SOURCES_STAY && second < TUNE_MS);
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 2);
	ck_assert_uint_le(first + second, TUNE_MS * 2 / 3 + 200);
	for (uint32_t ms = 0; ms < 2 * TUNE_MS; ms += 100) /* the last one has what is left: the tune ends it */
		ck_assert_int_eq(tick(100, 0, 0).act, SOURCES_STAY);
}
END_TEST

START_TEST(a_failover_is_a_success_only_with_media)
{
	struct sources_answer a;

	begin(3, true);
	plays(2000);
	a = fails("frozen");
	ck_assert_uint_eq(a.to, 1);
	ck_assert(m.trying);
	/* Backup 1 brings nothing: backup 2, within the time that it had. */
	for (uint32_t ms = 0; ms < SOURCES_TRY_MIN_MS - 100; ms += 100)
		ck_assert_int_eq(tick(100, 4000, ms).act, SOURCES_STAY);
	a = tick(200, 1000, 4000);
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 2);
	sources_good(&m, now_ms);
	ck_assert(!m.trying);
	ck_assert_int_eq(m.at[2].health, SOURCE_GOOD);
	ck_assert_int_eq(m.at[1].health, SOURCE_FAILED);
	ck_assert_int_eq(m.at[0].health, SOURCE_FAILED);
}
END_TEST

START_TEST(when_all_have_failed_rounds_get_slower_and_never_end)
{
	int64_t last = 0, gap = 0;
	unsigned rounds = 0, seen[3] = { 0 };

	begin(3, true);
	plays(1000);
	while (rounds < 30) {
		struct sources_answer a = fails("no");
		int64_t from = now_ms;

		for (int i = 0; i < 200 && a.act != SOURCES_SWITCH; i++)
			a = tick(100, 0, 10000);
		ck_assert_int_eq(a.act, SOURCES_SWITCH);
		ck_assert_uint_ne(a.to, (unsigned)last);
		last = a.to;
		seen[a.to]++;
		gap = now_ms - from;
		ck_assert_int_le(gap, SOURCES_ROUND_MAX_MS + 200);
		rounds++;
	}
	ck_assert_int_ge(gap, SOURCES_ROUND_MAX_MS - 200);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_ge(seen[i], 9);
}
END_TEST

/* The one that is left goes on by itself meanwhile, and says each time that it failed. */
START_TEST(a_pause_ends_whatever_fails_in_it)
{
	struct sources_answer a;
	int64_t from;

	begin(2, true);
	plays(1000);
	ck_assert_int_eq(fails("the first").act, SOURCES_SWITCH);
	ck_assert_int_eq(fails("the second").act, SOURCES_STAY);
	from = now_ms;
	do {
		a = tick(100, 0, 10000);
		if (a.act == SOURCES_STAY)
			ck_assert_int_eq(fails("and again").act, SOURCES_STAY);
	} while (a.act == SOURCES_STAY && now_ms - from < 5000);
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 0);
	ck_assert_int_le(now_ms - from, SOURCES_ROUND_MS + 200);
}
END_TEST

START_TEST(one_source_alone_goes_on_by_itself)
{
	begin(1, true);
	plays(2000);
	for (uint32_t ms = 0; ms < 60000; ms += 100)
		ck_assert_int_eq(tick(100, 0, ms).act, SOURCES_STAY);
	ck_assert_int_eq(m.at[0].health, SOURCE_FAILED);
	ck_assert_uint_eq(m.at[0].failures, 1);
	sources_good(&m, now_ms);
	ck_assert_int_eq(m.at[0].health, SOURCE_GOOD);
	plays(2000);
}
END_TEST

START_TEST(the_first_is_gone_back_to_when_it_has_been_good_for_return_after)
{
	struct sources_answer a = { 0 };
	int64_t failed, probed = 0;

	begin(2, true);
	plays(1000);
	ck_assert_uint_eq(fails("frozen").to, 1);
	sources_good(&m, now_ms);
	failed = now_ms;
	while (a.act != SOURCES_PROBE) {
		a = tick(100, 6000, 0);
		sources_good(&m, now_ms);
		ck_assert_int_lt(now_ms - failed, RETURN_MS);
	}
	ck_assert_uint_eq(a.to, 0);
	/* It is not good yet: looked at again, not at once. */
	sources_probed(&m, false, 0, now_ms);
	ck_assert_int_eq(tick(100, 6000, 0).act, SOURCES_STAY);
	for (a.act = SOURCES_STAY; a.act != SOURCES_PROBE; a = tick(100, 6000, 0))
		ck_assert_int_lt(now_ms - failed, RETURN_MS);
	probed = now_ms;
	while (a.act != SOURCES_SWITCH) {
		sources_probed(&m, true, 0, now_ms);
		a = tick(100, 6000, 0);
		ck_assert_int_lt(now_ms - probed, RETURN_MS + 1000);
	}
	ck_assert_int_ge(now_ms - probed, RETURN_MS);
	ck_assert_uint_eq(a.to, 0);
	ck_assert(a.back);
}
END_TEST

START_TEST(a_return_that_fails_makes_the_next_one_wait_longer)
{
	int64_t waits[3];

	begin(2, true);
	list.at[0].of.streams = m.at[0].of.streams = 1; /* limited: not probed */
	plays(1000);
	ck_assert_uint_eq(fails("frozen").to, 1);
	for (int i = 0; i < 3; i++) {
		struct sources_answer a = { 0 };
		int64_t from = now_ms;

		sources_good(&m, now_ms);
		while (a.act == SOURCES_STAY) {
			a = tick(100, 8000, 0);
			ck_assert_int_ne(a.act, SOURCES_PROBE); /* never asked only to look */
			ck_assert_int_lt(now_ms - from, 20 * RETURN_MS);
		}
		ck_assert_int_eq(a.act, SOURCES_SWITCH);
		ck_assert_uint_eq(a.to, 0);
		waits[i] = now_ms - from;
		ck_assert_uint_eq(fails("frozen").to, 1);
	}
	ck_assert_int_ge(waits[0], RETURN_MS);
	ck_assert_int_ge(waits[1], 2 * waits[0] - 1000);
	ck_assert_int_ge(waits[2], 2 * waits[1] - 1000);
}
END_TEST

/* A backup plays; the first one is looked at for the first time. */
static void
looks_back(void)
{
	struct sources_answer a = { .act = SOURCES_STAY };

	begin(2, true);
	m.at[0].of.account = 1;
	plays(1000);
	ck_assert_uint_eq(fails("frozen").to, 1);
	while (a.act == SOURCES_STAY) {
		sources_good(&m, now_ms);
		a = tick(100, 8000, 0);
	}
	ck_assert_int_eq(a.act, SOURCES_PROBE);
}

START_TEST(one_that_says_when_to_come_back_is_not_looked_at_before_but_taken_when_nobody_else_is_left)
{
	struct sources_answer a;

	looks_back();
	sources_probed(&m, false, RETURN_MS, now_ms);
	for (uint32_t ms = 0; ms < RETURN_MS - 200; ms += 100)
		ck_assert_int_eq(tick(100, 8000, 0).act, SOURCES_STAY);
	ck_assert_int_eq(tick(300, 8000, 0).act, SOURCES_PROBE);
	sources_probed(&m, false, RETURN_MS, now_ms);
	a = fails("frozen, too");
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 0);
}
END_TEST

START_TEST(one_whose_account_turns_out_to_count_is_not_looked_at_any_more)
{
	struct sources_answer a = { .act = SOURCES_STAY };

	looks_back();
	sources_counts(&m, 2); /* somebody else's matter */
	sources_probed(&m, false, 0, now_ms);
	while (a.act == SOURCES_STAY)
		a = tick(100, 8000, 0);
	ck_assert_int_eq(a.act, SOURCES_PROBE);
	sources_counts(&m, 0); /* nobody's */
	sources_counts(&m, 1);
	sources_probed(&m, false, 0, now_ms);
	do
		a = tick(100, 8000, 0);
	while (a.act == SOURCES_STAY);
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 0);
}
END_TEST

START_TEST(there_is_no_going_back_without_reserve_for_it)
{
	begin(2, true);
	m.at[0].of.streams = 1;
	plays(1000);
	ck_assert_uint_eq(fails("frozen").to, 1);
	sources_good(&m, now_ms);
	for (uint32_t ms = 0; ms < 3 * RETURN_MS; ms += 100)
		ck_assert_int_eq(tick(100, SOURCES_OPEN_MS, 0).act, SOURCES_STAY);
	ck_assert_int_eq(tick(100, SOURCES_OPEN_MS + 2000, 0).act, SOURCES_SWITCH);
}
END_TEST

START_TEST(a_doubt_tries_a_backup_once_and_comes_back_when_that_is_no_better)
{
	struct sources_look l;
	struct sources_answer a;

	begin(2, true);
	plays(1000);
	l = look(SOURCES_OPEN_MS - 1, 0);
	ck_assert_int_eq(sources_doubt(&m, &l, "the same again").act, SOURCES_STAY); /* never at the price of a gap */
	m.at[0].doubt_ms = 0;
	l = look(6000, 0);
	a = sources_doubt(&m, &l, "the same again");
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 1);
	ck_assert_int_eq(m.at[0].health, SOURCE_DOUBTED);
	/* It brings nothing: the doubted one is better than nothing, and isn't doubted a second time. */
	a = fails("HTTP 404");
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 0);
	sources_good(&m, now_ms);
	for (int i = 0; i < 100; i++) {
		now_ms += 1000;
		l = look(6000, 0);
		ck_assert_int_eq(sources_doubt(&m, &l, "the same again").act, SOURCES_STAY);
	}
}
END_TEST

START_TEST(a_channel_with_one_source_is_never_hurt_by_a_doubt)
{
	struct sources_look l;

	begin(1, true);
	plays(1000);
	for (int i = 0; i < 100; i++) {
		now_ms += 1000;
		l = look(6000, 0);
		ck_assert_int_eq(sources_doubt(&m, &l, "low bitrate").act, SOURCES_STAY);
		ck_assert_int_ne(m.at[0].health, SOURCE_FAILED);
	}
}
END_TEST

START_TEST(a_provider_that_says_wait_is_waited_for_or_left)
{
	static const struct {
		bool media;
		uint32_t reserve_ms, wait_ms;
		uint32_t backup_account;
		enum sources_act act;
	} rows[] = {
		{ true, 10000, 3000, 2, SOURCES_STAY }, /* it can be waited for */
		{ true, 10000, 30000, 2, SOURCES_SWITCH }, /* not that long */
		{ true, 10000, 30000, 1, SOURCES_STAY }, /* the backup is of the same provider */
		{ false, 0, 3000, 1, SOURCES_STAY }, /* a tune can wait so long */
		{ false, 0, 30000, 1, SOURCES_GIVE_UP },
		{ false, 0, 3000, 2, SOURCES_SWITCH },
	};
	struct sources_look l;

	begin(2, rows[_i].media);
	m.at[0].of.account = 1;
	m.at[1].of.account = rows[_i].backup_account;
	if (rows[_i].media)
		plays(1000);
	l = look(rows[_i].reserve_ms, 0);
	ck_assert_int_eq(sources_held(&m, &l, 1, rows[_i].wait_ms).act, rows[_i].act);
	ck_assert_int_eq(sources_held(&m, &l, 7, 30000).act, SOURCES_STAY); /* somebody else's matter */
}
END_TEST

START_TEST(without_a_slot_for_the_backup_another_is_tried)
{
	struct sources_answer a;

	begin(3, true);
	plays(1000);
	ck_assert_uint_eq(fails("frozen").to, 1);
	sources_refused(&m, 1, 0, now_ms);
	a = tick(100, 5000, 4000);
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 2);
}
END_TEST

/* It was to be left though it played: for a better one, or on a doubt. */
START_TEST(without_a_slot_for_another_the_one_that_plays_is_watched_as_before)
{
	struct sources_look l;
	struct sources_answer a = { 0 };
	bool back = _i == 1;

	begin(2, true);
	plays(1000);
	if (back) {
		m.at[0].of.streams = 1; /* not looked at: tried, when return_after has passed */
		ck_assert_uint_eq(fails("frozen").to, 1);
		sources_good(&m, now_ms);
		for (uint32_t ms = 0; ms < 2 * RETURN_MS && a.act == SOURCES_STAY; ms += 100) {
			a = tick(100, 6000, ms % 2000);
			if (a.act == SOURCES_STAY)
				sources_good(&m, now_ms);
		}
		ck_assert(a.back);
	} else {
		l = look(6000, 0);
		a = sources_doubt(&m, &l, "the same again and again");
	}
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	sources_refused(&m, back ? 0 : 1, back ? 1 : 0, now_ms);
	ck_assert(!m.trying);
	ck_assert_int_eq(tick(100, 6000, 100).act, SOURCES_STAY);
	/* It stands now, and nothing comes that would say that it is good. */
	ck_assert_int_eq(m.at[m.now].health, back ? SOURCE_GOOD : SOURCE_DOUBTED);
	tick(100, 6000, 4000);
	ck_assert_int_eq(m.at[m.now].health, SOURCE_FAILED);
	/* The other one is tried as soon as it may be asked. */
	for (a.act = SOURCES_STAY, l.now_ms = now_ms; a.act == SOURCES_STAY && now_ms < l.now_ms + 60000;)
		a = tick(100, 0, 5000);
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, back ? 0 : 1);
}
END_TEST

START_TEST(a_successor_knows_who_failed)
{
	struct sources old;
	struct sources_answer a;

	begin(3, true);
	plays(1000);
	ck_assert_uint_eq(fails("frozen").to, 1);
	ck_assert_uint_eq(fails("frozen").to, 2);
	sources_good(&m, now_ms);
	old = m;
	sources_init(&m, &list, 2, true, RETURN_MS, TUNE_MS, now_ms);
	for (unsigned i = 0; i < 3; i++)
		sources_recall(&m, i, &old.at[i]);
	ck_assert_int_eq(m.at[0].health, SOURCE_FAILED);
	now_ms += 500;
	a = fails("frozen too");
	ck_assert_int_eq(a.act, SOURCES_SWITCH);
	ck_assert_uint_eq(a.to, 0); /* its failure is the oldest */
	sources_recall(&m, MSG_SOURCES_MAX, &old.at[0]); /* none: nothing happens */
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sources");
	TCase *tc = tcase_create("sources");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, media_that_stands_is_left_early_enough, 0, 6);
	tcase_add_test(tc, before_media_the_next_one_is_tried_at_once_and_the_last_failure_is_the_end);
	tcase_add_test(tc, before_media_one_that_hangs_leaves_time_for_the_others);
	tcase_add_test(tc, a_failover_is_a_success_only_with_media);
	tcase_add_test(tc, when_all_have_failed_rounds_get_slower_and_never_end);
	tcase_add_test(tc, a_pause_ends_whatever_fails_in_it);
	tcase_add_test(tc, one_source_alone_goes_on_by_itself);
	tcase_add_test(tc, the_first_is_gone_back_to_when_it_has_been_good_for_return_after);
	tcase_add_test(tc, a_return_that_fails_makes_the_next_one_wait_longer);
	tcase_add_test(tc, one_that_says_when_to_come_back_is_not_looked_at_before_but_taken_when_nobody_else_is_left);
	tcase_add_test(tc, one_whose_account_turns_out_to_count_is_not_looked_at_any_more);
	tcase_add_test(tc, there_is_no_going_back_without_reserve_for_it);
	tcase_add_test(tc, a_doubt_tries_a_backup_once_and_comes_back_when_that_is_no_better);
	tcase_add_test(tc, a_channel_with_one_source_is_never_hurt_by_a_doubt);
	tcase_add_loop_test(tc, a_provider_that_says_wait_is_waited_for_or_left, 0, 6);
	tcase_add_test(tc, without_a_slot_for_the_backup_another_is_tried);
	tcase_add_loop_test(tc, without_a_slot_for_another_the_one_that_plays_is_watched_as_before, 0, 2);
	tcase_add_test(tc, a_successor_knows_who_failed);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
