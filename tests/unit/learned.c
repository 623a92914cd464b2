/*
 * tests/unit/learned.c - what is kept of a channel's reserve, and what a file may say
 */
#include "supervisor/learned.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"

static struct learned all, other;

static void
setup(void)
{
	memset(&all, 0, sizeof(all));
	memset(&other, 0, sizeof(other));
}

START_TEST(a_channel_keeps_what_was_noted_last)
{
	ck_assert_uint_eq(learned_of(&all, "5.1"), 0);
	learned_note(&all, "5.1", 20000);
	learned_note(&all, "7", 30000);
	learned_note(&all, "5.1", 15000);
	ck_assert_uint_eq(learned_of(&all, "5.1"), 15000);
	ck_assert_uint_eq(learned_of(&all, "7"), 30000);
	learned_note(&all, "5.1", 0);
	ck_assert_uint_eq(learned_of(&all, "5.1"), 0);
	ck_assert_uint_eq(learned_of(&all, "7"), 30000);
	learned_note(&all, "7", UINT32_MAX); /* a worker's nonsense */
	ck_assert_uint_eq(learned_of(&all, "7"), LEARNED_MAX_MS);
}
END_TEST

START_TEST(there_is_an_end_and_the_oldest_goes_first)
{
	char number[32];

	for (int i = 0; i < LEARNED_CHANNELS + 10; i++) {
		snprintf(number, sizeof(number), "%d", i);
		learned_note(&all, number, 1000);
		learned_note(&all, "0", 2000); /* noted again and again */
	}
	ck_assert_uint_eq(all.count, LEARNED_CHANNELS);
	ck_assert_uint_eq(learned_of(&all, "0"), 2000);
	ck_assert_uint_eq(learned_of(&all, "1"), 0);
	ck_assert_uint_eq(learned_of(&all, "1033"), 1000);
}
END_TEST

static const struct {
	const char *text;
	size_t count;
	uint32_t ms; /* of 5.1 */
} texts[] = {
	{ "5.1 20000\n", 1, 20000 },
	{ "5.1 20000", 1, 20000 },
	{ "5.1 1\n5.1 2\n", 1, 2 },
	{ "5.1 0\n", 0, 0 },
	{ "5.1 -1\n7 12\n", 1, 0 },
	{ "5.1 99999999999999999999\n", 0, 0 },
	{ "5.1\n\n\n \n5.1 x\n", 0, 0 },
	{ "../../etc 20000\n", 0, 0 },
	{ "5.1 20000 7\n", 0, 0 },
	{ "12345678901234567890123456789012345678901234567890 1\n", 0, 0 },
	{ "55555555555555555555555555555555555555555555555555555555555555555555555555555555 1\n5.1 3\n", 1, 3 },
	{ "", 0, 0 },
};

START_TEST(a_file_is_read_as_far_as_it_makes_sense)
{
	learned_read(&all, texts[_i].text, strlen(texts[_i].text));
	ck_assert_uint_eq(all.count, texts[_i].count);
	ck_assert_uint_eq(learned_of(&all, "5.1"), texts[_i].ms);
	ck_assert(!all.changed);
}
END_TEST

START_TEST(it_outlives_a_restart)
{
	char dir[] = "/tmp/plexbridge-learned.XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	learned_load(&all, dir); /* nothing is there */
	learned_note(&all, "5.1", 20000);
	learned_note(&all, "7", 30000);
	learned_save(&all, dir, 100);
	ck_assert(!all.changed);
	learned_note(&all, "7", 40000);
	learned_save(&all, dir, 101); /* too soon */
	ck_assert(all.changed);
	learned_load(&other, dir);
	ck_assert_uint_eq(learned_of(&other, "7"), 30000);
	learned_save(&all, dir, 100 + LEARNED_SAVE_S);
	learned_load(&other, dir);
	ck_assert_uint_eq(learned_of(&other, "5.1"), 20000);
	ck_assert_uint_eq(learned_of(&other, "7"), 40000);
	snprintf(path, sizeof(path), "%s/reserves", dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("learned");
	TCase *tc = tcase_create("learned");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_channel_keeps_what_was_noted_last);
	tcase_add_test(tc, there_is_an_end_and_the_oldest_goes_first);
	tcase_add_loop_test(tc, a_file_is_read_as_far_as_it_makes_sense, 0, (int)NITEMS(texts));
	tcase_add_test(tc, it_outlives_a_restart);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
