/*
 * memory.c - tests of supervisor/memory.c: limits as cgroups tell them
 */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "supervisor/memory.h"

static char root[] = "/tmp/plexbridge-memory-XXXXXX";

/* Write a file below root, with its folders. */
static void
put(const char *path, const char *text)
{
	char full[PATH_MAX];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		(void)mkdir(full, 0755);
		*p = '/';
	}
	f = fopen(full, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void
setup(void)
{
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void
teardown(void)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -r '%s'", root);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(without_cgroups_it_is_the_machine)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	ck_assert_uint_eq(memory_available(root), machine);
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/memory.max", "max\n");
	ck_assert_uint_eq(memory_available(root), machine);
	put("/sys/fs/cgroup/a/b/memory.max", "nonsense\n");
	ck_assert_uint_eq(memory_available(root), machine);
}
END_TEST

START_TEST(the_smallest_limit_at_any_level_counts)
{
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/memory.max", "67108864\n");
	ck_assert_uint_eq(memory_available(root), 67108864);
	put("/sys/fs/cgroup/a/memory.max", "33554432\n");
	ck_assert_uint_eq(memory_available(root), 33554432);
	put("/sys/fs/cgroup/memory.max", "16777216\n");
	ck_assert_uint_eq(memory_available(root), 16777216);
}
END_TEST

START_TEST(a_container_at_the_root_of_its_own_tree_is_limited)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/memory.max", "16777216\n");
	ck_assert_uint_eq(memory_available(root), 16777216);
}
END_TEST

START_TEST(the_first_version_of_cgroups_counts_too)
{
	put("/proc/self/cgroup", "12:cpu,cpuacct:/x\n5:memory:/docker/1\n1:name=systemd:/\nbroken\n");
	put("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "50331648\n");
	ck_assert_uint_eq(memory_available(root), 50331648);
}
END_TEST

static const struct {
	const char *status;
	bool known;
	uint64_t bytes;
} processes[] = {
	{ "Name:\tx\nVmRSS:\t  99 kB\nRssAnon:\t     2048 kB\nRssFile:\t 1 kB\n", true, 2048 * 1024 },
	{ "Name:\tx\nRssAnon:\t0 kB\n", true, 0 },
	{ "Name:\tRssAnon: 7 kB\n", false, 0 },
	{ "Name:\tx\nRssAnon:\t\n", false, 0 },
	{ "Name:\tx\nRssAnon:\t99999999999999999999999 kB\n", false, 0 },
	{ "", false, 0 },
};

START_TEST(a_process_own_memory_is_what_the_kernel_says)
{
	uint64_t bytes = 1;

	put("/proc/17/status", processes[_i].status);
	ck_assert_int_eq(memory_anonymous(root, 17, &bytes), processes[_i].known);
	ck_assert_uint_eq(bytes, processes[_i].known ? processes[_i].bytes : 1);
	ck_assert(!memory_anonymous(root, 18, &bytes));
	ck_assert(memory_anonymous("", getpid(), &bytes));
	ck_assert_uint_gt(bytes, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("memory");
	TCase *tc = tcase_create("memory");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, without_cgroups_it_is_the_machine);
	tcase_add_test(tc, the_smallest_limit_at_any_level_counts);
	tcase_add_test(tc, a_container_at_the_root_of_its_own_tree_is_limited);
	tcase_add_test(tc, the_first_version_of_cgroups_counts_too);
	tcase_add_loop_test(tc, a_process_own_memory_is_what_the_kernel_says, 0, (int)NITEMS(processes));
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
