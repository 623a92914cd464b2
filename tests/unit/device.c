/*
 * device.c - who the tuner is, for ever
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "config/config.h"
#include "supervisor/device.h"

static char dir[64];

static void
make_dir(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/plexbridge-device-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_dir(void)
{
	(void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *
path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
put(const char *name, const char *text, size_t len)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
}

static void
holds(const char *name, const char *want)
{
	char buf[8192];
	int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ck_assert_msg(fd != -1, "%s is not there", name);
	n = read(fd, buf, sizeof(buf) - 1);
	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
	(void)close(fd);
	ck_assert_str_eq(buf, want);
}

static const struct {
	uint32_t id;
	bool valid;
} ids[] = {
	{ 0x10439efd, true }, { 0x105404be, true }, { 0x10397a70, false }, /* its sum is right; a legacy range */
	{ 0x10811df5, true }, { 0x105902db, true }, { 0x10555217, true }, { 0x1251e8e2, true }, { 0x124205a5, true },
	{ 0x12345678, false }, { 0x12345674, true }, { 0x10000000, false }, { 0x1043a1bc, false }, { 0x1043a1b5, true },
	{ 0x1072abcd, false }, { 0x1072abcb, true }, { 0x10500000, false }, { 0x10500009, true }, { 0, false },
	{ 0xffffffff, false }, /* right sums, but wildcards */
	{ 0x1010c032, false }, { 0x1000000f, false }, /* right sums, legacy */
};

START_TEST(an_id_is_refused_for_its_sum_as_a_wildcard_or_as_legacy)
{
	const char *why = "untouched";

	ck_assert_msg(
	    device_id_valid(ids[_i].id, &why) == ids[_i].valid, "%08X: %s", ids[_i].id, why == NULL ? "valid" : why);
	ck_assert_int_eq(why == NULL, ids[_i].valid);
	ck_assert_int_eq(device_id_valid(ids[_i].id, NULL), ids[_i].valid);
}
END_TEST

START_TEST(every_id_that_is_made_is_valid)
{
	for (uint32_t i = 0; i < 0x10000; i++)
		ck_assert(device_id_valid(device_id_fix(0x10500000u | i << 4), NULL));
}
END_TEST

START_TEST(an_id_is_made_once_and_kept)
{
	struct device first, second, third;
	char text[160];

	device_load(&first, 0, dir, "");
	ck_assert_int_eq(first.origin, DEVICE_MADE);
	ck_assert(device_id_valid(first.id, NULL));
	ck_assert_uint_eq(first.id >> 20, 0x105);
	(void)snprintf(text, sizeof(text), "{\"DeviceID\":\"%08X\",\"UUID\":\"%s\",\"DeviceAuth\":\"%s\"}\n", first.id,
	    first.uuid, first.auth);
	holds("device.json", text);
	ck_assert_int_eq(access(path_of("device.json.new"), F_OK), -1);

	device_load(&second, 0, dir, "");
	ck_assert_int_eq(second.origin, DEVICE_KEPT);
	ck_assert_uint_eq(second.id, first.id);
	ck_assert_str_eq(second.auth, first.auth);
	ck_assert_str_eq(second.uuid, first.uuid);

	/* The setting goes first, and does not touch the file. */
	device_load(&third, 0x105902db, dir, "");
	ck_assert_int_eq(third.origin, DEVICE_CONFIGURED);
	ck_assert_uint_eq(third.id, 0x105902db);
	holds("device.json", text);
}
END_TEST

/* These never change: a media server would see another device after an upgrade. */
START_TEST(what_is_computed_from_an_id_never_changes)
{
	struct device device;

	device_load(&device, 0x105902db, "/nonexistent", "");
	ck_assert_str_eq(device.id_text, "105902DB");
	ck_assert_str_eq(device.uuid, "105902db-5f1c-5a6e-9d42-706c65786272");
	ck_assert_str_eq(device.auth, "Sn1v4lgxMrcnNIqI0M6JggWc");
	ck_assert_uint_eq(strspn(device.auth, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 24);
	put("machine-id", "0123456789abcdef0123456789abcdef\n", 33);
	device_load_from(&device, 0, "/nonexistent", "", path_of("machine-id"));
	ck_assert_int_eq(device.origin, DEVICE_DERIVED);
	ck_assert_str_eq(device.id_text, "105498F7");
}
END_TEST

static const char *const damaged[] = {
	"",
	"{",
	"nonsense",
	"[]",
	"{\"DeviceID\":17}",
	"{\"DeviceID\":\"\"}",
	"{\"DeviceID\":\"1059\"}",
	"{\"DeviceID\":\"105902DC\"}", /* wrong sum */
	"{\"DeviceID\":\"00000000\"}",
	"{\"DeviceID\":\"1010C032\"}",
	"{\"DeviceID\":\"105902DBX\"}",
	"{\"DeviceID\":",
	"{\"DeviceID\":\"105902DC\",\"UUID\":\"105902db-5f1c-5a6e-9d42-706c65786272\"}",
};

START_TEST(a_damaged_file_is_kept_aside_and_a_new_id_is_made)
{
	struct device first, second;

	put("device.json", damaged[_i], strlen(damaged[_i]));
	put("device.json.bad-1", "older", 5);
	device_load(&first, 0, dir, "");
	ck_assert_int_eq(first.origin, DEVICE_MADE);
	ck_assert(device_id_valid(first.id, NULL));
	holds("device.json.bad-1", "older");
	holds("device.json.bad-2", damaged[_i]);
	device_load(&second, 0, dir, "");
	ck_assert_int_eq(second.origin, DEVICE_KEPT);
	ck_assert_uint_eq(second.id, first.id);
}
END_TEST

START_TEST(an_id_that_can_still_be_seen_in_a_damaged_file_is_taken_over)
{
	static const char *const cut[] = { "{\"DeviceID\":\"105902DB\"", "{\"DeviceID\": \"105902DB\"}\n}",
		"{\"a\":1,\"DeviceID\":\"105902DB" };

	for (size_t i = 0; i < NITEMS(cut); i++) {
		struct device device;

		put("device.json", cut[i], strlen(cut[i]));
		device_load(&device, 0, dir, "");
		ck_assert_int_eq(device.origin, DEVICE_MADE);
		ck_assert_str_eq(device.id_text, "105902DB");
		holds("device.json",
		    "{\"DeviceID\":\"105902DB\",\"UUID\":\"105902db-5f1c-5a6e-9d42-706c65786272\","
		    "\"DeviceAuth\":\"Sn1v4lgxMrcnNIqI0M6JggWc\"}\n");
	}
	holds("device.json.bad-3", cut[2]);
}
END_TEST

/* Kept is kept: also what another build would compute otherwise. */
START_TEST(a_kept_uuid_and_auth_are_taken_as_they_are)
{
	static const char kept[] = "{\"DeviceID\":\"105902DB\",\"UUID\":\"01234567-89ab-cdef-0123-456789abcdef\","
				   "\"DeviceAuth\":\"abcdefghijklmnopqrstuvwx\"}\n";
	static const char old[] = "{\"DeviceID\":\"105902DB\"}\n";
	struct device device;

	put("device.json", kept, strlen(kept));
	device_load(&device, 0, dir, "");
	ck_assert_int_eq(device.origin, DEVICE_KEPT);
	ck_assert_str_eq(device.uuid, "01234567-89ab-cdef-0123-456789abcdef");
	ck_assert_str_eq(device.auth, "abcdefghijklmnopqrstuvwx");
	holds("device.json", kept);

	/* Of a build that kept the id alone. */
	put("device.json", old, strlen(old));
	device_load(&device, 0, dir, "");
	ck_assert_int_eq(device.origin, DEVICE_KEPT);
	ck_assert_str_eq(device.uuid, "105902db-5f1c-5a6e-9d42-706c65786272");
	holds("device.json", old);
}
END_TEST

START_TEST(a_damaged_uuid_or_auth_is_a_damaged_file_whose_id_is_saved)
{
	static const char *const bad[] = { "{\"DeviceID\":\"105902DB\",\"UUID\":\"01234567\"}",
		"{\"DeviceID\":\"105902DB\",\"UUID\":17}",
		"{\"DeviceID\":\"105902DB\",\"DeviceAuth\":\"<bcdefghijklmnopqrstuvwx\"}" };

	for (size_t i = 0; i < NITEMS(bad); i++) {
		struct device device;

		put("device.json", bad[i], strlen(bad[i]));
		device_load(&device, 0, dir, "");
		ck_assert_int_eq(device.origin, DEVICE_MADE);
		ck_assert_str_eq(device.id_text, "105902DB");
		ck_assert_str_eq(device.uuid, "105902db-5f1c-5a6e-9d42-706c65786272");
	}
	holds("device.json.bad-3", bad[2]);
}
END_TEST

START_TEST(each_tuner_has_a_file_and_an_id_of_its_own)
{
	struct device first, kids, again;

	device_load(&first, 0, dir, "");
	device_load(&kids, 0, dir, "kids");
	ck_assert_uint_ne(first.id, kids.id);
	ck_assert_int_eq(access(path_of("device-kids.json"), F_OK), 0);
	device_load(&again, 0, dir, "kids");
	ck_assert_uint_eq(again.id, kids.id);

	/* Derived ones differ too, and the first is as before there were others. */
	put("machine-id", "0123456789abcdef0123456789abcdef\n", 33);
	device_load_from(&first, 0, "/nonexistent", "", path_of("machine-id"));
	device_load_from(&kids, 0, "/nonexistent", "kids", path_of("machine-id"));
	ck_assert_str_eq(first.id_text, "105498F7");
	ck_assert_uint_ne(first.id, kids.id);
}
END_TEST

START_TEST(a_file_of_binary_or_of_many_bytes_is_damaged_and_no_more)
{
	static char big[100000];
	struct device device;

	memset(big, '\xff', sizeof(big));
	put("device.json", big, sizeof(big));
	device_load(&device, 0, dir, "");
	ck_assert_int_eq(device.origin, DEVICE_MADE);
	ck_assert_int_eq(access(path_of("device.json.bad-1"), F_OK), 0);
}
END_TEST

START_TEST(without_a_state_directory_the_id_is_the_machines)
{
	struct device first, second, other;

	put("machine-id", "0123456789abcdef0123456789abcdef\n", 33);
	device_load_from(&first, 0, "/nonexistent", "", path_of("machine-id"));
	device_load_from(&second, 0, "/nonexistent", "", path_of("machine-id"));
	ck_assert_int_eq(first.origin, DEVICE_DERIVED);
	ck_assert(device_id_valid(first.id, NULL));
	ck_assert_uint_eq(first.id >> 20, 0x105);
	ck_assert_uint_eq(first.id, second.id);
	put("machine-id", "1123456789abcdef0123456789abcdef\n", 33);
	device_load_from(&other, 0, "/nonexistent", "", path_of("machine-id"));
	ck_assert_uint_ne(first.id, other.id);
	/* Not even that: the host's name. */
	device_load_from(&first, 0, "/nonexistent", "", "/nonexistent");
	device_load_from(&second, 0, "/nonexistent", "", "/nonexistent");
	ck_assert(device_id_valid(first.id, NULL));
	ck_assert_uint_eq(first.id, second.id);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_left_alone)
{
	struct device first, second;

	/* A folder in its place: no right of root's reads that as a file. */
	ck_assert_int_eq(mkdir(path_of("device.json"), 0755), 0);
	device_load_from(&first, 0, dir, "", "/etc/hostname");
	device_load_from(&second, 0, dir, "", "/etc/hostname");
	ck_assert_int_eq(first.origin, DEVICE_DERIVED);
	ck_assert_uint_eq(first.id, second.id);
	ck_assert_int_eq(access(path_of("device.json.bad-1"), F_OK), -1);
	ck_assert_int_eq(rmdir(path_of("device.json")), 0);
}
END_TEST

START_TEST(a_directory_that_cannot_be_written_costs_a_warning_only)
{
	struct device first, second;

	/* The new file's name is taken by a folder, so that it can't be made, as on a read-only disk. */
	ck_assert_int_eq(mkdir(path_of("device.json.new"), 0755), 0);
	device_load_from(&first, 0, dir, "", "/etc/hostname");
	device_load_from(&second, 0, dir, "", "/etc/hostname");
	ck_assert_int_eq(first.origin, DEVICE_DERIVED);
	ck_assert_uint_eq(first.id, second.id);
	ck_assert_int_eq(access(path_of("device.json"), F_OK), -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("device");
	TCase *tc = tcase_create("device");
	SRunner *sr;
	int failed;

	log_init("device", LOG_TO_STDERR, LOG_AS_LOGFMT, LOG_ERR);
	tcase_add_checked_fixture(tc, make_dir, remove_dir);
	tcase_add_loop_test(tc, an_id_is_refused_for_its_sum_as_a_wildcard_or_as_legacy, 0, (int)NITEMS(ids));
	tcase_add_test(tc, every_id_that_is_made_is_valid);
	tcase_add_test(tc, an_id_is_made_once_and_kept);
	tcase_add_test(tc, what_is_computed_from_an_id_never_changes);
	tcase_add_loop_test(tc, a_damaged_file_is_kept_aside_and_a_new_id_is_made, 0, (int)NITEMS(damaged));
	tcase_add_test(tc, an_id_that_can_still_be_seen_in_a_damaged_file_is_taken_over);
	tcase_add_test(tc, a_kept_uuid_and_auth_are_taken_as_they_are);
	tcase_add_test(tc, a_damaged_uuid_or_auth_is_a_damaged_file_whose_id_is_saved);
	tcase_add_test(tc, each_tuner_has_a_file_and_an_id_of_its_own);
	tcase_add_test(tc, a_file_of_binary_or_of_many_bytes_is_damaged_and_no_more);
	tcase_add_test(tc, without_a_state_directory_the_id_is_the_machines);
	tcase_add_test(tc, a_file_that_cannot_be_read_is_left_alone);
	tcase_add_test(tc, a_directory_that_cannot_be_written_costs_a_warning_only);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
