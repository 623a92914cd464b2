/*
 * slates.c - which files of a folder a worker is given
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "supervisor/slates.h"

static char dir[64], name[128];
static int fds[MSG_SLATES_MAX];

static const char *
in_dir(const char *file)
{
	snprintf(name, sizeof(name), "%s/slates/%s", dir, file);
	return name;
}

static void
put(const char *file, off_t size)
{
	int fd = open(in_dir(file), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, file, strlen(file)), (ssize_t)strlen(file));
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/plexbridge-slates.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(mkdir(in_dir(""), 0700), 0);
}

static void
teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* Is number n the file of that name? Each holds its own. */
static void
check_file(size_t n, const char *file)
{
	char text[64] = "";

	ck_assert_int_gt(pread(fds[n], text, sizeof(text) - 1, 0), 0);
	ck_assert_str_eq(text, file);
	ck_assert_int_eq(fcntl(fds[n], F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_ne(fcntl(fds[n], F_GETFD) & FD_CLOEXEC, 0);
	close(fds[n]);
}

START_TEST(plain_files_are_given_by_name)
{
	put("b.ts", 1000);
	put("a.ts", SLATES_BYTES_MAX);
	put("c.mp4", 1000);
	put(".hidden.ts", 1000);
	put("d-too-large.ts", (off_t)SLATES_BYTES_MAX + 1);
	put("e-empty.ts", 0);
	ck_assert_int_eq(mkdir(in_dir("f-folder.ts"), 0700), 0);
	ck_assert_int_eq(mkfifo(in_dir("g-pipe.ts"), 0600), 0);
	ck_assert_int_eq(symlink("/etc/passwd", in_dir("h-link.ts")), 0);
	put("i.ts", 1);
	ck_assert_uint_eq(slates_open(NULL, dir, fds), 3);
	check_file(0, "a.ts");
	check_file(1, "b.ts");
	check_file(2, "i"); /* cut after its first byte */
}
END_TEST

START_TEST(of_many_the_first_are_given)
{
	char file[16];

	for (int i = 40; i-- > 0;) {
		snprintf(file, sizeof(file), "%02d.ts", i * 7 % 40);
		put(file, 100);
	}
	ck_assert_uint_eq(slates_open(in_dir(""), "/nowhere", fds), MSG_SLATES_MAX);
	for (size_t i = 0; i < MSG_SLATES_MAX; i++) {
		snprintf(file, sizeof(file), "%02zu.ts", i);
		check_file(i, file);
	}
}
END_TEST

START_TEST(without_a_folder_there_are_none)
{
	ck_assert_uint_eq(slates_open("/nowhere/at/all", dir, fds), 0);
	ck_assert_uint_eq(slates_open(NULL, "/nowhere", fds), 0);
	ck_assert_uint_eq(slates_open(NULL, dir, fds), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("slates");
	TCase *tc = tcase_create("slates");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, plain_files_are_given_by_name);
	tcase_add_test(tc, of_many_the_first_are_given);
	tcase_add_test(tc, without_a_folder_there_are_none);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
