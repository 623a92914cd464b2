/*
 * slot.c - tests of supervisor/slot.c: a provider's streams, and who has one
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pb.h"
#include "supervisor/slot.h"

#define NONE \
	{ \
		.fd = -1 \
	}

static char state[] = "/tmp/plexbridge-slot-XXXXXX";
static struct slots slots;

static void
setup(void)
{
	memcpy(state + sizeof(state) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(state));
	ck_assert_int_eq(slots_open(&slots, state), 0);
}

static void
teardown(void)
{
	struct dirent *e;
	DIR *dir = fdopendir(slots.dir);

	ck_assert_ptr_nonnull(dir);
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			ck_assert_int_eq(unlinkat(slots.dir, e->d_name, 0), 0);
	closedir(dir);
	slots.dir = open(state, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(unlinkat(slots.dir, "slots", AT_REMOVEDIR), 0);
	slots_close(&slots);
	ck_assert_int_eq(rmdir(state), 0);
}

START_TEST(as_many_are_taken_as_the_provider_allows)
{
	struct slot a = NONE, b = NONE, c = NONE;

	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &a), 0);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &b), 0);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &c), PB_NO);
	ck_assert_int_eq(c.fd, -1);
	ck_assert_int_ne(a.n, b.n);
	slot_release(&a);
	ck_assert_int_eq(a.fd, -1);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &c), 0);
	slot_release(&b);
	slot_release(&c);
}
END_TEST

START_TEST(each_provider_has_its_own_whatever_it_is_called)
{
	static const char *const called[] = { "home", "Home", "../home", "a/b", "a%2Fb", "h\xc3\xa4user", ".",
		"home.1" };
	struct slot got[NITEMS(called)];

	for (size_t i = 0; i < NITEMS(called); i++)
		ck_assert_int_eq(slot_take(&slots, called[i], 1, 0, &got[i]), 0);
	for (size_t i = 0; i < NITEMS(called); i++) {
		struct slot more = NONE;

		ck_assert_int_eq(slot_take(&slots, called[i], 1, 0, &more), PB_NO);
	}
	for (size_t i = 0; i < NITEMS(called); i++)
		slot_release(&got[i]);
}
END_TEST

START_TEST(the_end_of_the_last_copy_frees_it)
{
	struct slot mine = NONE, other = NONE;
	int copy, pipe_fds[2], status;
	pid_t child;
	char byte;

	ck_assert_int_eq(slot_take(&slots, "home", 1, 0, &mine), 0);
	copy = dup(mine.fd);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	child = fork();
	ck_assert_int_ne(child, -1);
	if (child == 0) { /* a worker that outlives us */
		close(pipe_fds[1]);
		(void)!read(pipe_fds[0], &byte, 1);
		_exit(0);
	}
	close(pipe_fds[0]);
	close(mine.fd); /* as a death does it: nothing is unlocked */
	ck_assert_int_eq(slot_take(&slots, "home", 1, 0, &other), PB_NO);
	close(copy);
	ck_assert_int_eq(slot_take(&slots, "home", 1, 0, &other), PB_NO);
	close(pipe_fds[1]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(slot_take(&slots, "home", 1, 0, &other), 0);
	slot_release(&other);
}
END_TEST

START_TEST(a_release_counts_for_all_copies)
{
	struct slot mine = NONE, other = NONE;
	int copy;

	ck_assert_int_eq(slot_take(&slots, "home", 1, 0, &mine), 0);
	copy = dup(mine.fd);
	slot_release(&mine);
	ck_assert_int_eq(slot_take(&slots, "home", 1, 0, &other), 0);
	slot_release(&other);
	close(copy);
}
END_TEST

START_TEST(the_next_supervisor_goes_on_with_what_was_held)
{
	struct slot first = NONE, second = NONE, next = NONE, other = NONE;
	int held;

	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &first), 0);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &second), 0);
	held = dup(second.fd);
	close(second.fd);
	ck_assert_int_eq(slot_adopt(&slots, "home", held, &next), 0);
	ck_assert_int_eq(next.n, second.n);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &other), PB_NO);
	slot_release(&next);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &other), 0);
	slot_release(&other);
	slot_release(&first);
}
END_TEST

START_TEST(what_is_no_slot_of_the_provider_is_not_gone_on_with)
{
	struct slot mine = NONE, next = NONE;
	int unlocked;

	ck_assert_int_eq(slot_take(&slots, "home", 1, 0, &mine), 0);
	ck_assert_int_eq(slot_adopt(&slots, "other", dup(mine.fd), &next), PB_NO);
	ck_assert_int_eq(slot_adopt(&slots, "home", open("/dev/null", O_RDONLY), &next), PB_NO);
	unlocked = openat(slots.dir, "home.1", O_RDONLY); /* the same file, but somebody else has it */
	ck_assert_int_ne(unlocked, -1);
	ck_assert_int_eq(slot_adopt(&slots, "home", unlocked, &next), PB_NO);
	ck_assert_int_eq(next.fd, -1);
	slot_release(&mine);
}
END_TEST

START_TEST(a_limit_that_was_made_smaller_is_kept_with_those_above_it)
{
	struct slot got[4], more = NONE;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(slot_take(&slots, "home", 4, 0, &got[i]), 0);
	slot_release(&got[0]);
	/* 1, 2 and 3 are in use; of two allowed, 1 is among the first two. */
	ck_assert_int_eq(slot_take(&slots, "home", 2, 2, &more), PB_NO);
	slot_release(&got[3]);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 1, &more), PB_NO);
	slot_release(&got[2]);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &more), 0);
	slot_release(&more);
	slot_release(&got[1]);
	got[2] = (struct slot)NONE;
	ck_assert_int_eq(slot_take(&slots, "home", 4, 0, &got[0]), 0);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 1, &more), PB_NO);
	slot_release(&got[0]);
	ck_assert_int_eq(slot_take(&slots, "home", 2, 1, &more), 0);
	ck_assert_int_eq(more.n, 0);
	/* What was only looked at is free again. */
	ck_assert_int_eq(slot_take(&slots, "home", 2, 0, &got[0]), 0);
	slot_release(&got[0]);
	slot_release(&more);
}
END_TEST

START_TEST(without_a_folder_there_are_none)
{
	struct slots nowhere;
	struct slot more = NONE;

	ck_assert_int_eq(slots_open(&nowhere, "/nonexistent/plexbridge"), PB_ESYS);
	ck_assert_int_eq(slot_take(&nowhere, "home", 1, 0, &more), PB_ESYS);
	ck_assert_int_eq(more.fd, -1);
	slots_close(&nowhere);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("slot");
	TCase *tc = tcase_create("slot");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, as_many_are_taken_as_the_provider_allows);
	tcase_add_test(tc, each_provider_has_its_own_whatever_it_is_called);
	tcase_add_test(tc, the_end_of_the_last_copy_frees_it);
	tcase_add_test(tc, a_release_counts_for_all_copies);
	tcase_add_test(tc, the_next_supervisor_goes_on_with_what_was_held);
	tcase_add_test(tc, what_is_no_slot_of_the_provider_is_not_gone_on_with);
	tcase_add_test(tc, a_limit_that_was_made_smaller_is_kept_with_those_above_it);
	tcase_add_test(tc, without_a_folder_there_are_none);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
