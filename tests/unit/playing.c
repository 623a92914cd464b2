/*
 * playing.c - tests of supervisor/playing.c: a channel comes back as it was, or not at all
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/utf8.h"
#include "supervisor/playing.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const char *headers[] = { "Referer: http://r.example/", "X-A: b" };
static const char *backups[] = { "http://b.example/1", "https://c.example/2" };
static const char *backup_providers[] = { NULL, "other" };
static const struct channel_request backup_requests[] = { { .user_agent = "Agent/2" },
	{ .headers = headers + 1, .header_count = 1 } };
static const struct channel_more more = {
	.backups = backups,
	.backup_providers = backup_providers,
	.backup_requests = backup_requests,
	.request = { .headers = headers, .header_count = 2 },
};
static const struct channel whole = { .guide_number = "5.1",
	.name = "Först",
	.url = "http://a.example/x?token=\"1\"",
	.provider = "home",
	.more = &more,
	.backup_count = 2,
	.led = 5,
	.line = 7 };
static const struct channel plain = { .guide_number = "6", .name = "Second", .url = "http://a.example/6" };
static const struct channel unsayable = { .guide_number = "8", .name = "\xff", .url = "http://a.example/8" };

/* What was read is good, whatever was written. */
static void
check_channel(void *user, const struct channel *ch)
{
	ck_assert(guide_number_valid(ch->guide_number));
	ck_assert(utf8_plain(ch->name, strlen(ch->name)));
	ck_assert_int_le(ch->backup_count, CHANNEL_BACKUPS);
	for (unsigned n = 0; n <= ch->backup_count; n++) {
		struct channel_request request = channel_request(ch, n);

		ck_assert_int_eq(strncmp(channel_url(ch, n), "http", 4), 0);
		for (unsigned i = 0; i < request.header_count; i++)
			ck_assert_ptr_nonnull(strchr(request.headers[i], ':'));
	}
	++*(size_t *)user;
}

static void
same(void *user, const struct channel *ch)
{
	const struct channel *want = strcmp(ch->guide_number, "5.1") == 0 ? &whole : &plain;

	ck_assert_str_eq(ch->guide_number, want->guide_number);
	ck_assert_str_eq(ch->name, want->name);
	ck_assert_uint_eq(ch->line, want->line != 0);
	ck_assert_uint_eq(ch->backup_count, want->backup_count);
	ck_assert_uint_eq(ch->led, want->led);
	for (unsigned n = 0; n <= want->backup_count; n++) {
		struct channel_request is = channel_request(ch, n), was = channel_request(want, n);

		ck_assert_str_eq(channel_url(ch, n), channel_url(want, n));
		ck_assert_pstr_eq(channel_provider(ch, n), channel_provider(want, n));
		ck_assert(channel_request_same(&is, &was));
	}
	++*(size_t *)user;
}

static int
packed(void)
{
	const struct channel *all[] = { &whole, &unsayable, &plain };
	int fd;

	ck_assert_int_eq(playing_pack(all, NITEMS(all), &fd), 0);
	return fd;
}

static int
file_of(const char *data, size_t len, int seals)
{
	int fd = memfd_create("playing", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

START_TEST(a_channel_comes_back_with_all_that_its_worker_is_told)
{
	size_t count = 0;
	int fd = packed();

	for (int again = 0; again < 2; again++)
		ck_assert_int_eq(playing_read(fd, same, &count), 0);
	ck_assert_uint_eq(count, 4);
	close(fd);
}
END_TEST

/* Cut it at each byte, and change each one: it is refused, or what is left of it is good. */
START_TEST(what_is_damaged_is_refused_or_good)
{
	static const char others[] = { 0, 1, '"', '\\', '9', ':', '[', '\x80' };
	char data[4096], changed[4096];
	int fd = packed();
	ssize_t len = pread(fd, data, sizeof(data), 0);
	size_t count = 0;

	close(fd);
	ck_assert_int_gt(len, 300);
	ck_assert_int_lt(len, (ssize_t)sizeof(data));
	for (ssize_t i = 0; i < len; i++) {
		fd = file_of(data, (size_t)i, SEALS);
		ck_assert_int_eq(playing_read(fd, check_channel, &count), PB_EPEER);
		close(fd);
		for (size_t k = 0; k < NITEMS(others); k++) {
			memcpy(changed, data, (size_t)len);
			changed[i] = others[k];
			fd = file_of(changed, (size_t)len, SEALS);
			(void)playing_read(fd, check_channel, &count);
			close(fd);
		}
	}
	ck_assert_uint_gt(count, 0);
}
END_TEST

START_TEST(what_can_still_be_changed_is_not_read)
{
	size_t count = 0;
	int fd = file_of("[]", 2, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);

	ck_assert_int_eq(playing_read(fd, check_channel, &count), PB_EPEER);
	close(fd);
	fd = file_of("[]", 2, SEALS);
	ck_assert_int_eq(playing_read(fd, check_channel, &count), 0);
	close(fd);
}
END_TEST

/* Where vm.memfd_noexec is set, each memfd has one seal more. */
START_TEST(a_seal_of_the_kernels_own_does_no_harm)
{
	size_t count = 0;
	int fd = memfd_create("playing", MFD_CLOEXEC | 0x0008U); /* MFD_NOEXEC_SEAL, Linux 6.3 */

	if (fd == -1) {
		ck_assert_int_eq(errno, EINVAL);
		return;
	}
	ck_assert_int_eq(write(fd, "[]", 2), 2);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	ck_assert_int_eq(playing_read(fd, check_channel, &count), 0);
	close(fd);
}
END_TEST

static const char *const wrongs[] = {
	"{\"number\":\"0\",\"name\":\"A\",\"sources\":[{\"url\":\"http://a/\"}]}",
	"{\"number\":\"5\",\"sources\":[{\"url\":\"http://a/\"}]}",
	"{\"number\":\"5\",\"name\":\"A\\n\",\"sources\":[{\"url\":\"http://a/\"}]}",
	"{\"number\":\"5\",\"name\":\"A\",\"sources\":[]}",
	"{\"number\":\"5\",\"name\":\"A\",\"sources\":[{\"url\":\"file:///etc/passwd\"}]}",
	"{\"number\":\"5\",\"name\":\"A\",\"sources\":[{\"url\":\"http://a/\",\"provider\":7}]}",
	"{\"number\":\"5\",\"name\":\"A\",\"sources\":[{\"url\":\"http://a/\",\"user_agent\":\"a\\r\\nB: c\"}]}",
	"{\"number\":\"5\",\"name\":\"A\",\"sources\":[{\"url\":\"http://a/\",\"headers\":[\"none\"]}]}",
	"{\"number\":\"5\",\"name\":\"A\",\"sources\":[{\"url\":\"http://a/\",\"headers\":[\"a: b\\r\\nC: d\"]}]}",
	"{\"number\":\"5\",\"name\":\"A\",\"sources\":[1,2,3,4,5,6,7,8,9,10]}",
	"[[[[]]]]",
	"7",
};

START_TEST(one_that_is_no_good_is_passed_over)
{
	static const char good[] = "{\"number\":\"6\",\"name\":\"B\",\"new\":1,\"sources\":[{\"url\":\"http://b/\"}]}";
	char data[1024];
	size_t count = 0;
	int fd;

	snprintf(data, sizeof(data), "[%s,%s]", wrongs[_i], good);
	fd = file_of(data, strlen(data), SEALS);
	ck_assert_int_eq(playing_read(fd, check_channel, &count), 0);
	ck_assert_uint_eq(count, 1);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("playing");
	TCase *tc = tcase_create("playing");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, a_channel_comes_back_with_all_that_its_worker_is_told);
	tcase_add_test(tc, what_is_damaged_is_refused_or_good);
	tcase_add_test(tc, what_can_still_be_changed_is_not_read);
	tcase_add_test(tc, a_seal_of_the_kernels_own_does_no_harm);
	tcase_add_loop_test(tc, one_that_is_no_good_is_passed_over, 0, (int)NITEMS(wrongs));
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
