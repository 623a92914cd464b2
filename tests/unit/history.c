/*
 * history.c - what is remembered of a channel, and how much at most
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/history.h"

static struct history *history;
static struct state *state;
static int state_fd;

static void
setup(void)
{
	ck_assert_int_eq(history_new(&history), 0);
	ck_assert_int_eq(state_create(&state_fd, &state), 0);
	log_init("test", LOG_TO_STDERR, LOG_AS_LOGFMT, LOG_ERR);
}

static void
teardown(void)
{
	history_free(&history);
	ck_assert_ptr_null(history);
	state_unmap(&state);
	close(state_fd);
}

static json_t *
ask(const char *channel, const struct history_running *running)
{
	struct blob *blob = history_json(history, channel, "A \"name\"\xff", running, 600);
	json_error_t error;
	json_t *o;

	ck_assert_ptr_nonnull(blob);
	o = json_loadb(blob->data, blob->len, 0, &error);
	ck_assert_msg(o != NULL, "%s in %s", error.text, blob->data);
	blob_drop(&blob);
	return o;
}

static const char *
event_text(const json_t *o, size_t n)
{
	return json_string_value(json_object_get(json_array_get(json_object_get(o, "events"), n), "text"));
}

START_TEST(events_that_name_a_channel_are_kept_for_it)
{
	json_t *o;

	log_event(LOG_INFO, "client.open", "channel=5.1 client=1 agent=\"x channel=6\"");
	log_event(LOG_INFO, "worker.retire", "pid=7 channel=5.1 why=\"reload\"");
	log_event(LOG_INFO, "start", "version=1");
	log_event(LOG_INFO, "dump.stream", "channel=5.1");
	log_event(LOG_INFO, "tune.refused", "channel=../etc code=811");
	ck_assert(history_knows(history, "5.1"));
	ck_assert(!history_knows(history, "6"));
	o = ask("5.1", NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "events")), 2);
	ck_assert_str_eq(event_text(o, 0), "channel=5.1 client=1 agent=\"x channel=6\"");
	ck_assert_str_eq(json_string_value(json_object_get(o, "state")), "idle");
	json_decref(o);
	o = ask("6", NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "events")), 0);
	json_decref(o);
}
END_TEST

START_TEST(the_oldest_events_of_a_channel_go_first)
{
	char pairs[64];
	json_t *o;

	for (int i = 0; i < HISTORY_EVENTS + 10; i++) {
		snprintf(pairs, sizeof(pairs), "channel=1 n=%d", i);
		history_event(history, LOG_INFO, "x", pairs);
	}
	o = ask("1", NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "events")), HISTORY_EVENTS);
	ck_assert_str_eq(event_text(o, 0), "channel=1 n=10");
	json_decref(o);
}
END_TEST

static void
record(uint64_t seconds)
{
	struct recorder_second s = { .upstream_bytes = UINT64_MAX, .listed = 1, .quality = 77, .clients = 1 };

	for (uint64_t n = 0; n < seconds; n++) {
		s.at_ms = recorder_now_ms();
		recorder_second_put(&state->recorder, &s);
	}
	recorder_event_put(&state->recorder, LOG_WARNING, "fetch.failed", "class=status why=\"\xc3\x28\"");
}

START_TEST(a_recorder_outlives_its_stream)
{
	struct history_running running = { 9, NULL, "live" };
	const json_t *streams, *second;
	json_t *o;

	record(20);
	for (uint64_t n = 1; n <= HISTORY_STREAMS + 2; n++)
		history_keep(history, "5.1", n, state);
	running.state = state;
	o = ask("5.1", &running);
	streams = json_object_get(o, "streams");
	ck_assert_uint_eq(json_array_size(streams), 1 + HISTORY_STREAMS);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(streams, 0), "stream")), 9);
	ck_assert_int_eq(
	    json_integer_value(json_object_get(json_array_get(streams, 1), "stream")), HISTORY_STREAMS + 2);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(streams, 1), "state")), "over");
	second = json_array_get(json_object_get(json_array_get(streams, 1), "seconds"), 19);
	ck_assert_str_eq(json_string_value(json_object_get(second, "quality")), "unknown");
	ck_assert_uint_eq(json_array_size(json_object_get(second, "worst")), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(streams, 1), "events")), 1);
	json_decref(o);
}
END_TEST

/* They are a worker's: whatever it wrote there. */
START_TEST(figures_as_large_as_they_can_be_are_shown)
{
	struct history_running running = { 9, state, "live" };
	struct recorder_second *s;
	json_t *o;

	record(1);
	s = &state->recorder.second[0].second;
	s->upstream_bytes = s->released_bytes = UINT64_MAX;
	s->requests = s->retries = s->errors = s->segments = s->segments_lost = s->splices = s->underruns = UINT32_MAX;
	s->latency_ms = s->throughput_kbps = s->rtt_ms = s->loss_permille = s->reserve_ms = s->target_ms = UINT32_MAX;
	s->quality = s->source = s->http_status = s->filler = s->clients = UINT32_MAX;
	for (size_t i = 0; i < NITEMS(s->worst); i++)
		memset(&s->worst[i], 0xff, sizeof(s->worst[i]));
	s->listed = NITEMS(s->worst);
	o = ask("5.1", &running);
	ck_assert_int_eq(
	    json_integer_value(json_object_get(
		json_array_get(json_object_get(json_array_get(json_object_get(o, "streams"), 0), "seconds"), 0),
		"clients")),
	    UINT32_MAX);
	json_decref(o);
}
END_TEST

/* A supervisor that dies leaves its archive with the holder. */
START_TEST(the_next_supervisor_goes_on_with_what_the_last_one_knew)
{
	const json_t *streams;
	json_t *o;
	int fd;

	record(3);
	log_event(LOG_INFO, "client.open", "channel=5.1 client=1");
	history_keep(history, "5.1", 7, state);
	fd = dup(history_fd(history));
	history_free(&history);
	ck_assert_int_eq(history_new(&history), 0);
	log_event(LOG_INFO, "client.open", "channel=5.1 client=2");
	ck_assert(history_go_on(history, fd));
	log_event(LOG_INFO, "client.open", "channel=5.1 client=3");
	history_keep(history, "5.1", 8, state);
	o = ask("5.1", NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "events")), 3);
	for (size_t n = 0; n < 3; n++) {
		char want[32];

		snprintf(want, sizeof(want), "channel=5.1 client=%zu", n + 1);
		ck_assert_str_eq(event_text(o, n), want);
	}
	streams = json_object_get(o, "streams");
	ck_assert_uint_eq(json_array_size(streams), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(streams, 0), "stream")), 8);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(streams, 1), "stream")), 7);
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(streams, 1), "seconds")), 3);
	json_decref(o);
}
END_TEST

START_TEST(what_is_no_archive_is_not_gone_on_with)
{
	static const char junk[4096];
	int fd = memfd_create("junk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert(!history_go_on(history, -1));
	ck_assert_int_eq(write(fd, junk, sizeof(junk)), (ssize_t)sizeof(junk));
	ck_assert(!history_go_on(history, fd)); /* takes it */
	ck_assert(!history_go_on(history, dup(state_fd)));
	log_event(LOG_INFO, "client.open", "channel=5.1 client=1");
	ck_assert(history_knows(history, "5.1"));
}
END_TEST

/* Of streams that are over and of channels that nobody watches, the oldest go. */
START_TEST(memory_is_bounded_whatever_happens)
{
	char channel[16], pairs[32];
	struct stat st;
	off_t size;

	ck_assert_int_eq(fstat(history_fd(history), &st), 0);
	size = st.st_size;
	ck_assert_int_le(size, 16 << 20);
	record(RECORDER_SECONDS);
	for (int i = 0; i < 80; i++) {
		snprintf(channel, sizeof(channel), "%d", i + 1);
		snprintf(pairs, sizeof(pairs), "channel=%d", i + 1);
		for (int n = 0; n < 300; n++)
			history_event(history, LOG_INFO, "x", pairs);
		history_keep(history, channel, 1, state);
	}
	ck_assert_int_eq(fstat(history_fd(history), &st), 0);
	ck_assert_int_eq(st.st_size, size);
	ck_assert(history_knows(history, channel));
	ck_assert(!history_knows(history, "1"));
	history_keep(NULL, "1", 1, state);
	history_keep(history, "1", 1, NULL);
	ck_assert(!history_knows(NULL, "1"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("history");
	TCase *tc = tcase_create("history");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, events_that_name_a_channel_are_kept_for_it);
	tcase_add_test(tc, the_oldest_events_of_a_channel_go_first);
	tcase_add_test(tc, a_recorder_outlives_its_stream);
	tcase_add_test(tc, figures_as_large_as_they_can_be_are_shown);
	tcase_add_test(tc, the_next_supervisor_goes_on_with_what_the_last_one_knew);
	tcase_add_test(tc, what_is_no_archive_is_not_gone_on_with);
	tcase_add_test(tc, memory_is_bounded_whatever_happens);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
