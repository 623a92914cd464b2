/*
 * quarantine.c - files for segments that crashed workers
 */
#include "supervisor/quarantine.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"

#define NOON 1795867200 /* 2026-11-28 12:00:00 UTC */

static char dir[] = "/tmp/plexbridge-quarantine.XXXXXX";

static void
setup(void)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), entry->d_name, entry->d_name[0] == 'd' ? AT_REMOVEDIR : 0);
	closedir(d);
	rmdir(dir);
}

static size_t
files(void)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(d)) != NULL)
		n += quarantine_is_ours(entry->d_name);
	closedir(d);
	return n;
}

static bool
is_there(const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) == 0;
}

/* Make one and close it. */
static int
make(const char *guide_number, uint64_t segment, time_t now, char name[QUARANTINE_NAME])
{
	int fd = -1;
	int err = quarantine_open(dir, guide_number, segment, now, &fd, name);

	if (err == 0)
		close(fd);
	return err;
}

START_TEST(a_file_says_when_which_channel_and_which_segment)
{
	char name[QUARANTINE_NAME];

	ck_assert_int_eq(make("5.1", 42, NOON, name), 0);
	ck_assert_str_eq(name, "20261128T120000Z-5.1-42.ts");
	ck_assert(is_there(name));
	ck_assert(quarantine_is_ours(name));
}
END_TEST

START_TEST(the_largest_names_fit_and_are_ours)
{
	char name[QUARANTINE_NAME];

	ck_assert_int_eq(make("123456789012345", UINT64_MAX, NOON, name), 0);
	ck_assert(is_there(name));
	ck_assert(quarantine_is_ours(name));
}
END_TEST

START_TEST(no_name_leads_out_of_the_folder)
{
	char name[QUARANTINE_NAME];

	ck_assert_int_eq(make("../../etc/x", 1, NOON, name), 0);
	ck_assert_str_eq(name, "20261128T120000Z-.._.._etc_x-1.ts");
	ck_assert(is_there(name));
}
END_TEST

START_TEST(what_is_there_is_never_written_over)
{
	char name[QUARANTINE_NAME], path[256];

	snprintf(path, sizeof(path), "%s/20261128T120000Z-1-7.ts", dir);
	ck_assert_int_eq(symlink("/dev/null", path), 0);
	ck_assert_int_eq(make("1", 7, NOON, name), PB_ESYS);
	ck_assert_int_eq(errno, EEXIST);
}
END_TEST

START_TEST(a_folder_that_can_not_be_is_an_error)
{
	char name[QUARANTINE_NAME];
	int fd = -1;

	ck_assert_int_eq(quarantine_open("/dev/null/x", "1", 7, NOON, &fd, name), PB_ESYS);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(the_oldest_go_first_and_nothing_else)
{
	char name[QUARANTINE_NAME], first[QUARANTINE_NAME], second[QUARANTINE_NAME], path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/00000000.ts", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ne(fd, -1);
	close(fd);
	for (int i = 0; i < 2 * QUARANTINE_FILES; i++) {
		ck_assert_int_eq(make("1", (uint64_t)i, NOON + i,
				     i == 0                      ? first
					 : i == QUARANTINE_FILES ? second
								 : name),
		    0);
		ck_assert_uint_le(files(), QUARANTINE_FILES);
	}
	ck_assert_uint_eq(files(), QUARANTINE_FILES);
	ck_assert(!is_there(first));
	ck_assert(is_there(second));
	ck_assert(is_there(name));
	ck_assert(is_there("00000000.ts"));
}
END_TEST

static const struct {
	const char *name;
	bool ours;
} names[] = {
	{ "20261128T120000Z-5.1-42.ts", true },
	{ "20261128T120000Z-1-0.ts", true },
	{ "20261128T120000Z-.ts", false },
	{ "20261128T120000Z-5.1-42.mp4", false },
	{ "20261128X120000Z-5.1-42.ts", false },
	{ "2026112aT120000Z-5.1-42.ts", false },
	{ "20261128T120000Z_5.1-42.ts", false },
	{ ".", false },
	{ "", false },
	{ "holiday.ts", false },
	{ "20261128T120000Z-5.1-4242424242424242424242424242424242424242.ts", false },
};

START_TEST(other_files_are_not_ours)
{
	ck_assert_int_eq(quarantine_is_ours(names[_i].name), names[_i].ours);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("quarantine");
	TCase *tc = tcase_create("quarantine");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_file_says_when_which_channel_and_which_segment);
	tcase_add_test(tc, the_largest_names_fit_and_are_ours);
	tcase_add_test(tc, no_name_leads_out_of_the_folder);
	tcase_add_test(tc, what_is_there_is_never_written_over);
	tcase_add_test(tc, a_folder_that_can_not_be_is_an_error);
	tcase_add_test(tc, the_oldest_go_first_and_nothing_else);
	tcase_add_loop_test(tc, other_files_are_not_ours, 0, NITEMS(names));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
