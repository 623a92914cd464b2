/*
 * judge.c - for each way to fail, the side that did, and numbers that prove it
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "ctl/evidence.h"
#include "ctl/judge.h"
#include "ctl/why.h"

static json_t *recorder, *seconds, *worker_events, *own_events;

static void
setup(void)
{
	recorder = json_pack("{s:s,s:s,s:s,s:i,s:[],s:[{s:i,s:s,s:[],s:[]}]}", "channel", "5.1", "name", "Five",
	    "state", "live", "since_s", 600, "events", "streams", "stream", 1, "state", "live", "seconds", "events");
	ck_assert_ptr_nonnull(recorder);
	own_events = json_object_get(recorder, "events");
	seconds = json_object_get(json_array_get(json_object_get(recorder, "streams"), 0), "seconds");
	worker_events = json_object_get(json_array_get(json_object_get(recorder, "streams"), 0), "events");
}

static void
teardown(void)
{
	json_decref(recorder);
}

/* So many seconds like this one: pairs "key=value;". A good second where nothing else is said. */
static void
put_seconds(int count, const char *pairs)
{
	for (int i = 0; i < count; i++) {
		json_t *c = json_pack("{s:i,s:i}", "client", 4, "rtt_ms", 2);
		json_t *s =
		    json_pack("{s:I,s:i,s:i,s:i,s:i,s:i}", "at_ms", (json_int_t)(1000 * json_array_size(seconds)),
			"upstream_bytes", 100000, "requests", 2, "segments", 1, "reserve_ms", 8000, "target_ms", 2000);
		char copy[256], *save = NULL;

		snprintf(copy, sizeof(copy), "%s", pairs);
		for (char *pair = strtok_r(copy, ";", &save); pair != NULL; pair = strtok_r(NULL, ";", &save)) {
			char *value = strchr(pair, '=');
			json_t *v;

			*value++ = '\0';
			v = strcmp(value, "true") == 0 ? json_true() : json_integer(strtol(value, NULL, 10));
			json_object_set_new(
			    strncmp(pair, "c.", 2) == 0 ? c : s, strncmp(pair, "c.", 2) == 0 ? pair + 2 : pair, v);
		}
		json_object_set_new(s, "worst", json_pack("[o]", c));
		json_array_append_new(seconds, s);
	}
}

static void
put_events(json_t *list, int count, const char *name, const char *text)
{
	for (int i = 0; i < count; i++)
		json_array_append_new(
		    list, json_pack("{s:i,s:s,s:s,s:s}", "at_ms", 1000, "level", "info", "event", name, "text", text));
}

static void
expect(const char *culprit, const char *words)
{
	json_t *o = why_json(recorder);
	char *text = why_text(recorder, false), *line;
	const char *verdict = json_string_value(json_object_get(o, "verdict"));

	ck_assert_str_eq(json_string_value(json_object_get(o, "culprit")), culprit);
	ck_assert_msg(strstr(verdict, words) != NULL, "'%s' is not in: %s", words, verdict);
	ck_assert_msg(verdict[strlen(verdict) - 1] == '.', "no sentence: %s", verdict);
	ck_assert_ptr_nonnull(strstr(text, culprit));
	for (line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
		ck_assert_msg(strcspn(line, "\n") <= 80, "too wide: %s", line);
	free(text);
	json_decref(o);
}

static const struct {
	const char *what, *event, *text; /* an event of the worker, `count` times */
	int count;
	const char *pairs; /* six seconds like this among good ones */
	const char *culprit, *words;
} rows[] = {
	{ "refuse", "fetch.failed",
	    "class=refused kind=segment status=0 tries=2 host=cdn.example why=\"Couldn't connect\"", 3,
	    "segments=0;upstream_bytes=0", "source",
	    "cdn.example refused or reset connections (6 tries failed in 3 s" },
	{ "connect timeout", "fetch.failed", "class=unreachable tries=1 host=cdn.example why=\"no answer in 5000 ms\"",
	    2, "segments=0;upstream_bytes=0;requests=0", "network-to-source",
	    "nobody answered connections to cdn.example" },
	{ "stall before headers", "fetch.failed", "class=silent tries=1 host=a why=\"no answer in 5000 ms\"", 1,
	    "segments=0;upstream_bytes=0;requests=0", "source", "a took connections and did not answer" },
	{ "stall before headers, shorter than a time-out", NULL, NULL, 0, "segments=0;upstream_bytes=0;requests=0",
	    "source", "it sent nothing for 6 s" },
	{ "stall in body", "fetch.failed", "class=stalled tries=1 host=a why=\"stalled after 4 bytes for 5000 ms\"", 1,
	    "", "source", "stopped sending in the middle" },
	{ "404", "fetch.failed", "class=status kind=segment status=404 tries=3 host=a why=\"HTTP 404\"", 2, "",
	    "source", "a answered HTTP 404 (6 tries failed in 2 s" },
	{ "403", "fetch.failed", "class=status kind=segment status=403 tries=3 host=a why=\"HTTP 403\"", 2, "",
	    "source", "HTTP 403" },
	{ "429", "fetch.failed", "class=status kind=playlist status=429 tries=1 host=a why=\"HTTP 429\"", 2, "",
	    "source", "HTTP 429" },
	{ "503", "fetch.failed", "class=status kind=playlist status=503 tries=1 host=a why=\"HTTP 503\"", 2,
	    "filler=true", "source", "viewers saw 6 s of filler" },
	{ "truncation", "fetch.failed",
	    "class=cut kind=segment status=200 tries=1 host=a why=\"Transferred a partial file\"", 2, "", "source",
	    "ended answers before their end" },
	{ "frozen playlist", NULL, NULL, 0, "segments=0;upstream_bytes=500", "source",
	    "its playlist stood still: no new segment for 6 s" },
	{ "sequence reset", "playlist.jump", "channel=5.1 lost=3 restart=1", 1, "", "source", "began to count anew" },
	{ "HTML", "playlist.bad", "channel=5.1 why=\"not a playlist: <html>\"", 2, "", "source",
	    "not a playlist: <html>" },
	{ "redirect loop", "fetch.failed", "class=redirect tries=2 host=a why=\"redirected in a circle\"", 2, "",
	    "source", "redirected in a circle" },
	{ "dead resolver", "fetch.failed", "class=name tries=1 host=cdn.example why=\"no address for its name\"", 2, "",
	    "network-to-source", "the resolver had no address for cdn.example" },
	{ "a resolver that hangs", "fetch.waits", "phase=dns ms=4100 host=cdn.example", 4,
	    "segments=0;upstream_bytes=0;requests=0", "network-to-source", "an address of cdn.example took 4.1 s" },
	{ "connections that hang", "fetch.waits", "phase=tcp ms=3900 host=cdn.example", 3,
	    "segments=0;upstream_bytes=0;requests=0", "network-to-source", "a connection to cdn.example took 3.9 s" },
	{ "a connection that hung once", "fetch.waits", "phase=tcp ms=1100 host=cdn.example", 0, "", "none",
	    "Nothing is wrong" },
	{ "10 % loss and 300 ms", NULL, NULL, 0, "rtt_ms=310;loss_permille=95", "network-to-source",
	    "round trips of up to 310 ms and a loss of up to 9.5 %" },
	{ "10 % loss and stalls", "fetch.failed", "class=stalled tries=1 host=a why=\"stalled\"", 1,
	    "rtt_ms=310;loss_permille=95", "network-to-source", "round trips" },
	{ "a client that stops reading", NULL, NULL, 0,
	    "c.zero_window_ms=900;c.paused=true;c.behind_ms=5000;c.unacked_ms=3000", "client",
	    "its window was shut for 5.4 s in all, it was paused for 6 s" },
	{ "a client behind 5 % loss", NULL, NULL, 0, "c.retransmits=9;c.rtt_ms=80", "network-to-client",
	    "54 segments were sent again in 6 s, round trips took up to 80 ms" },
	{ "nothing", NULL, NULL, 0, "", "none", "Nothing is wrong: 26 s were recorded" },
	{ "one retry is no trouble", NULL, NULL, 0, "retries=1", "none", "Nothing is wrong" },
};

START_TEST(each_failure_has_its_culprit_and_evidence)
{
	put_seconds(10, "");
	put_seconds(6, rows[_i].pairs);
	put_seconds(10, "");
	if (rows[_i].event != NULL)
		put_events(worker_events, rows[_i].count, rows[_i].event, rows[_i].text);
	expect(rows[_i].culprit, rows[_i].words);
	/* A viewer that goes away later changes nothing about it. */
	put_events(own_events, 1, "client.close", "channel=5.1 client=4 peer=10.0.0.2 seconds=9 bytes=1 why=\"gone\"");
	if (strcmp(rows[_i].culprit, "none") == 0)
		expect("client", "The client closed its connection by itself");
	else
		expect(rows[_i].culprit, rows[_i].words);
}
END_TEST

START_TEST(a_worker_that_was_killed_is_the_bridge)
{
	put_seconds(20, "");
	put_events(own_events, 1, "worker.death",
	    "pid=7 signal=9 channel=5.1 stream=3 segment=4 clients=1 lived_ms=900 handed=yes ms=5.4 why=\"killed by "
	    "SIGKILL\"");
	expect("bridge", "1 worker died (killed by SIGKILL); another went on 5.4 ms later");
}
END_TEST

START_TEST(a_client_whose_host_is_gone_is_the_network)
{
	put_seconds(20, "");
	put_events(own_events, 1, "client.close", "channel=5.1 client=4 peer=10.0.0.2 seconds=9 bytes=1 why=\"ghost\"");
	expect("network-to-client", "given up after 30 s");
}
END_TEST

START_TEST(a_tune_that_failed_says_where_it_stuck)
{
	put_events(
	    worker_events, 1, "fetch.failed", "class=status kind=playlist status=404 tries=1 host=a why=\"HTTP 404\"");
	put_events(worker_events, 1, "tune.phases",
	    "channel=5.1 dns_ms=3 tcp_ms=41 tls_ms=0 answer_ms=3 playlist_ms=-1 segment_ms=-1 key_ms=-1 stuck=playlist "
	    "why=\"HTTP 404 (1 try): http://a/x\"");
	put_events(
	    own_events, 1, "stream.failed", "channel=5.1 stream=5 code=806 why=\"HTTP 404 (1 try): http://a/x\"");
	put_events(own_events, 1, "client.refused",
	    "channel=5.1 client=6 peer=127.0.0.1 code=806 after_ms=73 why=\"source-failed\"");
	expect("source", "The tune failed (806: the source could not be tuned), stuck at playlist: HTTP 404");
}
END_TEST

START_TEST(a_tune_without_an_address_is_the_networks_fault)
{
	put_events(
	    worker_events, 2, "fetch.failed", "class=name kind=playlist status=0 tries=1 host=a why=\"no such host\"");
	put_events(
	    own_events, 1, "stream.failed", "channel=5.1 stream=5 code=806 why=\"no such host (5 tries): http://a/x\"");
	expect("network-to-source", "no such host");
}
END_TEST

/* tune_timeout may be over before a connection's is: then no try has failed. */
START_TEST(a_tune_that_nobody_answered_yet_is_the_networks_fault)
{
	static const char *const stuck[] = { "dns", "tcp" };
	char phases[256];

	snprintf(phases, sizeof(phases),
	    "channel=5.1 dns_ms=-1 tcp_ms=-1 tls_ms=-1 answer_ms=-1 playlist_ms=-1 segment_ms=-1 key_ms=-1 stuck=%s "
	    "why=\"no picture within 8s\"",
	    stuck[_i]);
	put_events(worker_events, 1, "tune.phases", phases);
	put_events(own_events, 1, "stream.failed", "channel=5.1 stream=5 code=807 why=\"no picture within 8s\"");
	expect("network-to-source", stuck[_i]);
}
END_TEST

START_TEST(a_tune_without_a_tuner_is_the_bridges_matter)
{
	put_events(own_events, 1, "tune.refused", "channel=5.1 peer=10.0.0.2 code=805");
	expect("bridge", "805: all tuners");
	expect("bridge", "stuck at slot");
}
END_TEST

/* Whatever the source did before: of a tune that was refused for want of room no source was asked. */
START_TEST(a_tune_without_room_is_the_bridges_matter)
{
	put_events(
	    worker_events, 3, "fetch.failed", "class=status kind=playlist status=404 tries=1 host=a why=\"HTTP 404\"");
	put_events(worker_events, 1, "tune.phases",
	    "channel=5.1 dns_ms=3 tcp_ms=41 tls_ms=0 answer_ms=3 playlist_ms=-1 segment_ms=-1 key_ms=-1 stuck=playlist "
	    "why=\"HTTP 404\"");
	if (_i == 0) {
		put_events(own_events, 1, "tune.refused", "channel=5.1 peer=10.0.0.2 code=803");
		expect("bridge", "The tune failed (803: the bridge is at its limit).");
	} else {
		put_events(own_events, 1, "client.refused",
		    "channel=5.1 client=6 peer=127.0.0.1 code=803 after_ms=1 why=\"too many clients of this channel\"");
		expect("bridge", "(803: the bridge is at its limit): too many clients of this channel.");
	}
}
END_TEST

START_TEST(what_was_mended_is_not_the_last_word)
{
	put_events(own_events, 1, "stream.failed", "channel=5.1 stream=5 code=806 why=\"x\"");
	put_events(own_events, 1, "stream.state", "channel=5.1 stream=6 tuner=0 from=tuning to=live after_ms=69");
	put_seconds(20, "");
	expect("none", "Nothing is wrong");
}
END_TEST

START_TEST(nonsense_is_no_evidence)
{
	json_t *o = json_pack("{s:i,s:[i,{s:s},n],s:[{s:i,s:[i]},s]}", "channel", 3, "events", 1, "event",
	    "fetch.failed", "streams", "seconds", 5, "events", 1, "x");
	char *text;

	ck_assert_ptr_nonnull(o);
	text = why_text(o, true);
	ck_assert_ptr_nonnull(text);
	free(text);
	json_decref(o);
	text = why_text(json_null(), true);
	ck_assert_ptr_nonnull(strstr(text, "Nothing was recorded"));
	free(text);
}
END_TEST

START_TEST(times_are_read_as_people_write_them)
{
	ck_assert_uint_eq(why_since("90"), 90);
	ck_assert_uint_eq(why_since("90s"), 90);
	ck_assert_uint_eq(why_since("10m"), 600);
	ck_assert_uint_eq(why_since("2h"), 7200);
	ck_assert_uint_eq(why_since("25h"), 0);
	ck_assert_uint_eq(why_since(""), 0);
	ck_assert_uint_eq(why_since("m"), 0);
	ck_assert_uint_eq(why_since("-5"), 0);
	ck_assert_uint_eq(why_since("nan"), 0);
	ck_assert_uint_eq(why_since("10x"), 0);
}
END_TEST

START_TEST(a_pair_is_found_outside_of_quotes_only)
{
	char out[32];

	ck_assert(evidence_pair("a=1 why=\"x b=2\" b=3", "b", out, sizeof(out)));
	ck_assert_str_eq(out, "3");
	ck_assert(evidence_pair("a=1 why=\"x b=2\"", "why", out, sizeof(out)));
	ck_assert_str_eq(out, "x b=2");
	ck_assert(!evidence_pair("aa=1", "a", out, sizeof(out)));
	ck_assert(!evidence_pair("", "a", out, sizeof(out)));
	ck_assert(evidence_pair("a=0123456789", "a", out, 4));
	ck_assert_str_eq(out, "012");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("judge");
	TCase *tc = tcase_create("judge");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_failure_has_its_culprit_and_evidence, 0, (int)NITEMS(rows));
	tcase_add_test(tc, a_worker_that_was_killed_is_the_bridge);
	tcase_add_test(tc, a_client_whose_host_is_gone_is_the_network);
	tcase_add_test(tc, a_tune_that_failed_says_where_it_stuck);
	tcase_add_test(tc, a_tune_without_an_address_is_the_networks_fault);
	tcase_add_loop_test(tc, a_tune_that_nobody_answered_yet_is_the_networks_fault, 0, 2);
	tcase_add_test(tc, a_tune_without_a_tuner_is_the_bridges_matter);
	tcase_add_loop_test(tc, a_tune_without_room_is_the_bridges_matter, 0, 2);
	tcase_add_test(tc, what_was_mended_is_not_the_last_word);
	tcase_add_test(tc, nonsense_is_no_evidence);
	tcase_add_test(tc, times_are_read_as_people_write_them);
	tcase_add_test(tc, a_pair_is_found_outside_of_quotes_only);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
