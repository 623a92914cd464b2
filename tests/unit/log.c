/*
 * log.c - what a line looks like, whoever tries to bend it
 */
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/pb.h"

static int saved_stderr = -1;
static char got[1 << 17];

/* Standard error becomes a pipe; its other end is given. */
static int catch (enum log_format format, int level)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	log_init("test", LOG_TO_STDERR, format, level);
	return fds[0];
}

/* What was written, as a string. */
static const char *
caught(int fd)
{
	ssize_t n = read(fd, got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	return got;
}

static void
release(int fd)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(fd);
}

START_TEST(an_event_is_one_line_with_its_name_and_pairs)
{
	int fd = catch (LOG_AS_LOGFMT, LOG_INFO);
	const char *line;

	errno = EBADF;
	log_event(LOG_WARNING, "client.close", "channel=%s why=\"%s\"", "5.1", "went away");
	ck_assert_int_eq(errno, EBADF);
	line = caught(fd);
	ck_assert_int_eq(strncmp(line, "time=2", 6), 0);
	ck_assert_ptr_nonnull(strstr(line, "Z level=warning program=test pid="));
	ck_assert_ptr_nonnull(strstr(line, " event=client.close channel=5.1 why=\"went away\"\n"));
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
	release(fd);
}
END_TEST

START_TEST(a_level_that_is_not_wanted_is_not_written)
{
	int fd = catch (LOG_AS_LOGFMT, LOG_WARNING);

	log_event(LOG_INFO, "a", "b=1");
	log_event(LOG_DEBUG, "a", "b=1");
	ck_assert_str_eq(caught(fd), "");
	ck_assert(log_wants(LOG_ERR) && log_wants(LOG_WARNING) && !log_wants(LOG_INFO));
	log_event(LOG_ERR, "a", "b=1");
	ck_assert_str_ne(caught(fd), "");
	release(fd);
}
END_TEST

START_TEST(nobody_outside_can_forge_a_line)
{
	int fd = catch (LOG_AS_LOGFMT, LOG_INFO);
	const char *line;

	log_event(LOG_INFO, "a", "agent=\"%s\"", "x\nlevel=err\r\x1b[2J\x7f\xc2\x9b\xff\xc3");
	line = caught(fd);
	ck_assert_ptr_nonnull(strstr(line, "agent=\"x?level=err??[2J??\?\?\?\"\n"));
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
	release(fd);
}
END_TEST

START_TEST(json_holds_the_pairs_as_text)
{
	static const struct {
		const char *pairs, *json;
	} cases[] = {
		{ "", "\"event\":\"a\"}\n" },
		{ "channel=5.10 bytes=7", ",\"channel\":\"5.10\",\"bytes\":\"7\"}\n" },
		{ "why=\"it is so\"", ",\"why\":\"it is so\"}\n" },
		{ "why=\"a \"b\" c\"", ",\"why\":\"a \\\"b\",\"text\":\"c\\\"\"}\n" },
		{ "path=C:\\x", ",\"path\":\"C:\\\\x\"}\n" },
		{ "just words", ",\"text\":\"just words\"}\n" },
		{ "empty= more=\"\"", ",\"empty\":\"\",\"more\":\"\"}\n" },
		{ "open=\"never closed", ",\"open\":\"never closed\"}\n" },
	};
	int fd = catch (LOG_AS_JSON, LOG_INFO);

	for (size_t i = 0; i < NITEMS(cases); i++) {
		const char *line, *tail;

		log_event(LOG_INFO, "a", "%s", cases[i].pairs);
		line = caught(fd);
		ck_assert_int_eq(strncmp(line, "{\"time\":\"2", 10), 0);
		tail = line + strlen(line) - strlen(cases[i].json);
		ck_assert_str_eq(tail, cases[i].json);
	}
	release(fd);
}
END_TEST

/* Quotes pair up outside of escapes, and the last character is the brace. */
static void
check_json(const char *line)
{
	size_t len = strlen(line);
	bool quoted = false;

	ck_assert_uint_le(len, LOG_LINE);
	ck_assert_str_eq(line + len - 2, "}\n");
	for (const char *s = line; *s != '\0'; s++) {
		if (*s == '\\' && quoted)
			s++;
		else if (*s == '"')
			quoted = !quoted;
	}
	ck_assert(!quoted);
	ck_assert(len < 4 || strchr(",:{", line[len - 3]) == NULL);
}

START_TEST(a_line_that_is_too_long_is_cut_and_stays_well_formed)
{
	char value[2 * LOG_LINE];

	for (size_t len = LOG_LINE - 200; len < LOG_LINE + 50; len++) {
		int fd = catch (LOG_AS_JSON, LOG_INFO);

		for (size_t i = 0; i < len; i++)
			value[i] = "\"\\x\xc3\xa4"[i % 5];
		value[len] = '\0';
		log_event(LOG_INFO, "a", "first=1 long=%s last=2", value);
		check_json(caught(fd));
		memset(value, 'v', len);
		log_event(LOG_INFO, "a", "long=%s last=2 more=\"x\"", value);
		check_json(caught(fd));
		release(fd);

		fd = catch (LOG_AS_LOGFMT, LOG_INFO);
		log_event(LOG_INFO, "a", "long=\"%s\"", value);
		ck_assert_uint_le(strlen(caught(fd)), LOG_LINE);
		ck_assert_str_eq(got + strlen(got) - 2, "\"\n");
		release(fd);
	}
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_loses_lines_and_says_so_later)
{
	int fd = catch (LOG_AS_LOGFMT, LOG_INFO);
	char value[1000];

	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 200; i++) /* more than a pipe holds; would block for ever */
		log_event(LOG_INFO, "a", "n=%d v=%s", i, value);
	while (*caught(fd) != '\0')
		ck_assert_int_eq(got[strlen(got) - 1], '\n'); /* whole lines only */
	log_event(LOG_INFO, "after", "n=1");
	ck_assert_ptr_nonnull(strstr(caught(fd), " event=after lines_lost="));
	log_event(LOG_INFO, "after", "n=2");
	ck_assert_ptr_null(strstr(caught(fd), "lines_lost"));
	release(fd);
}
END_TEST

/* A syslog daemon's socket in a folder of its own. */
static int
listen_syslog(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

START_TEST(syslog_is_told_and_never_waited_for)
{
	char folder[] = "/tmp/plexbridge-log.XXXXXX", path[64], head[64];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	log_syslog_at(path);
	log_init("test", LOG_TO_SYSLOG, LOG_AS_LOGFMT, LOG_INFO);
	log_event(LOG_INFO, "early", "n=1"); /* nobody listens yet */
	fd = listen_syslog(path);
	log_event(LOG_WARNING, "a", "n=%d", 2);
	snprintf(head, sizeof(head), "<%d>", LOG_DAEMON | LOG_WARNING);
	ck_assert_int_eq(strncmp(caught(fd), head, strlen(head)), 0);
	snprintf(head, sizeof(head), " test[%ld]: ", (long)getpid());
	ck_assert_ptr_nonnull(strstr(got, head));
	ck_assert_str_eq(strstr(got, ": ") + 2, "event=a lines_lost=1 n=2");
	for (int i = 0; i < 2000; i++) /* more than its queue holds; would block for ever */
		log_event(LOG_INFO, "many", "n=%d", i);
	while (*caught(fd) != '\0')
		;
	log_event(LOG_INFO, "after", "n=1");
	ck_assert_ptr_nonnull(strstr(caught(fd), "event=after lines_lost="));
	close(fd);
	ck_assert_int_eq(unlink(path), 0);
	fd = listen_syslog(path); /* another daemon */
	log_event(LOG_INFO, "anew", "n=1");
	ck_assert_ptr_nonnull(strstr(caught(fd), "event=anew n=1"));
	log_init("test", LOG_TO_STDERR, LOG_AS_LOGFMT, LOG_INFO);
	close(fd);
	ck_assert_int_eq(unlink(path) | rmdir(folder), 0);
}
END_TEST

START_TEST(levels_have_their_names)
{
	static const char *const names[] = { "err", "warning", "info", "debug" };

	for (size_t i = 0; i < NITEMS(names); i++)
		ck_assert_str_eq(log_level_name(log_level_parse(names[i])), names[i]);
	ck_assert_int_eq(log_level_parse("notice"), -1);
	ck_assert_int_eq(log_level_parse(""), -1);
	ck_assert_ptr_null(log_level_name(-1));
	ck_assert_ptr_null(log_level_name(LOG_NOTICE));
	ck_assert_ptr_null(log_level_name(99));
}
END_TEST

static char tapped[4096];

static void
keep_tapped(void *arg, int level, const char *event, const char *pairs)
{
	size_t len = strlen(arg);

	snprintf((char *)arg + len, sizeof(tapped) - len, "%s %s %s;", log_level_name(level), event, pairs);
}

START_TEST(a_tap_hears_what_is_not_written_too)
{
	log_init("test", LOG_TO_STDERR, LOG_AS_LOGFMT, LOG_ERR);
	log_tap(keep_tapped, tapped);
	log_event(LOG_INFO, "one", "n=%d why=\"a\nb\"", 1);
	log_event(LOG_DEBUG, "two", "n=2");
	log_event(LOG_WARNING, "three", "n=3");
	log_tap(NULL, NULL);
	log_event(LOG_WARNING, "four", "n=4");
	ck_assert_str_eq(tapped, "info one n=1 why=\"a?b\";warning three n=3;");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, an_event_is_one_line_with_its_name_and_pairs);
	tcase_add_test(tc, a_level_that_is_not_wanted_is_not_written);
	tcase_add_test(tc, nobody_outside_can_forge_a_line);
	tcase_add_test(tc, json_holds_the_pairs_as_text);
	tcase_add_test(tc, a_line_that_is_too_long_is_cut_and_stays_well_formed);
	tcase_add_test(tc, a_pipe_that_nobody_reads_loses_lines_and_says_so_later);
	tcase_add_test(tc, syslog_is_told_and_never_waited_for);
	tcase_add_test(tc, levels_have_their_names);
	tcase_add_test(tc, a_tap_hears_what_is_not_written_too);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
