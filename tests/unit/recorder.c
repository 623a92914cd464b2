/*
 * recorder.c - what is recorded comes out again, and nothing else does
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/pb.h"
#include "ipc/recorder.h"

static struct recorder *recorder;

static void
setup(void)
{
	recorder = mmap(NULL, sizeof(*recorder), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(recorder, MAP_FAILED);
}

static void
teardown(void)
{
	munmap(recorder, sizeof(*recorder));
}

static void
put_second(uint64_t n)
{
	struct recorder_second s = {
		.at_ms = (int64_t)n, .upstream_bytes = n, .released_bytes = n, .clients = 3, .listed = 2
	};

	recorder_second_put(recorder, &s);
}

START_TEST(ten_minutes_are_kept_and_what_is_older_is_gone)
{
	struct recorder_second s;
	uint64_t first, end;

	recorder_seconds_range(recorder, &first, &end);
	ck_assert_uint_eq(first, 0);
	ck_assert_uint_eq(end, 0);
	for (uint64_t n = 0; n < RECORDER_SECONDS + 7; n++)
		put_second(n);
	recorder_seconds_range(recorder, &first, &end);
	ck_assert_uint_eq(first, 7);
	ck_assert_uint_eq(end, RECORDER_SECONDS + 7);
	ck_assert(!recorder_second_get(recorder, 6, &s));
	ck_assert(recorder_second_get(recorder, 7, &s));
	ck_assert_int_eq(s.at_ms, 7);
	ck_assert(recorder_second_get(recorder, end - 1, &s));
	ck_assert_uint_eq(s.upstream_bytes, end - 1);
	ck_assert(!recorder_second_get(recorder, end, &s));
}
END_TEST

START_TEST(an_event_is_cut_at_a_character_and_always_ends)
{
	struct recorder_event e;
	char name[100], text[1000];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	memset(text, 'x', sizeof(text));
	memcpy(text + RECORDER_TEXT - 3, "\xe2\x82\xac", 3); /* its last byte would be the last of all */
	text[sizeof(text) - 1] = '\0';
	recorder_event_put(recorder, LOG_WARNING, name, text);
	recorder_event_put(recorder, LOG_ERR, "worker.death", "channel=5.1");
	ck_assert(recorder_event_get(recorder, 0, &e));
	ck_assert_uint_eq(strlen(e.name), RECORDER_NAME - 1);
	ck_assert_uint_eq(strlen(e.text), RECORDER_TEXT - 3);
	ck_assert_int_eq(e.text[RECORDER_TEXT - 4], 'x');
	ck_assert(recorder_event_get(recorder, 1, &e));
	ck_assert_str_eq(e.name, "worker.death");
	ck_assert_str_eq(e.text, "channel=5.1");
	ck_assert_int_eq(e.level, LOG_ERR);
	ck_assert_int_ge(recorder_now_ms(), e.at_ms);
}
END_TEST

START_TEST(what_a_hostile_writer_left_is_bounded)
{
	struct recorder_second s;
	struct recorder_event e;
	uint64_t first, end;

	memset(recorder, 0xff, sizeof(*recorder));
	recorder_seconds_range(recorder, &first, &end);
	ck_assert_uint_le(end - first, RECORDER_SECONDS);
	recorder_events_range(recorder, &first, &end);
	ck_assert_uint_le(end - first, RECORDER_EVENTS);
	for (uint64_t n = first; n < end; n++)
		ck_assert(!recorder_event_get(recorder, n, &e));
	/* A turn that fits, over bytes that don't. */
	atomic_store(&recorder->second[5].turn, 12);
	ck_assert(recorder_second_get(recorder, 5, &s));
	ck_assert_uint_eq(s.listed, RECORDER_CLIENTS);
	atomic_store(&recorder->event[9].turn, 20);
	memset(recorder->event[9].event.text, '\n', RECORDER_TEXT);
	ck_assert(recorder_event_get(recorder, 9, &e));
	ck_assert_uint_eq(strlen(e.name), RECORDER_NAME - 1);
	ck_assert_ptr_null(strchr(e.text, '\n'));
	ck_assert_int_ge(e.level, LOG_ERR);
	ck_assert_int_le(e.level, LOG_DEBUG);
}
END_TEST

/* Each entry's three numbers are the same: one that was torn would tell. */
START_TEST(a_writer_killed_at_any_moment_leaves_whole_entries)
{
	uint64_t first, end, whole = 0, went_on;
	struct recorder_second s;
	pid_t pid = fork();

	if (pid == 0)
		for (uint64_t n = 0;; n++)
			put_second(n);
	while (atomic_load(&recorder->seconds) < 5000)
		;
	for (int i = 0; i < 2000; i++) { /* while it is being written */
		recorder_seconds_range(recorder, &first, &end);
		if (recorder_second_get(recorder, end - 1, &s)) {
			ck_assert_uint_eq(s.upstream_bytes, end - 1);
			ck_assert_uint_eq(s.released_bytes, end - 1);
			whole++;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_uint_gt(whole, 0);
	recorder_seconds_range(recorder, &first, &end);
	for (uint64_t n = first + 1; n < end; n++) { /* the oldest may be the one it was writing over */
		ck_assert(recorder_second_get(recorder, n, &s));
		ck_assert_uint_eq(s.upstream_bytes, n);
		ck_assert_uint_eq(s.released_bytes, n);
	}
	/* The next writer goes on where it was. */
	went_on = end;
	put_second(went_on);
	ck_assert(recorder_second_get(recorder, went_on, &s));
	ck_assert_uint_eq(s.upstream_bytes, went_on);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("recorder");
	TCase *tc = tcase_create("recorder");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ten_minutes_are_kept_and_what_is_older_is_gone);
	tcase_add_test(tc, an_event_is_cut_at_a_character_and_always_ends);
	tcase_add_test(tc, what_a_hostile_writer_left_is_bounded);
	tcase_add_test(tc, a_writer_killed_at_any_moment_leaves_whole_entries);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
