/*
 * playlist_alloc.c - the playlist station when memory runs out, at every place where it can
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "tests/lib/fail.h"
#include "worker/playlist.h"
#include "worker/track.h"

#define BASE "http://h/a/i.m3u8?token=a%20b"
#define INF "#EXTINF:6,\n"
#define TEN(line) line line line line line line line line line line

static const char master[] = "#EXTM3U\n"
			     "#EXT-X-DEFINE:NAME=\"cdn\",VALUE=\"http://cdn.example\"\n" TEN(
				 "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"{$cdn}\",URI=\"{$cdn}/a.m3u8\"\n")
				 TEN("#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"{$cdn}/k\"\n")
				     TEN("#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n{$cdn}/v.m3u8\n");

/* Each list has more than eight of its kind, so that its array has to grow, and then grow again. */
static const struct {
	const char *body;
	unsigned allocations; /* at least: a sweep that sees fewer is none */
} bodies[] = {
	{ "#EXTM3U\n#EXT-X-TARGETDURATION:6\n" INF "s.ts\n", 2 },
	{ "#EXTM3U\n" TEN(INF "s.ts\n"), 4 }, /* without a target duration: it is derived */
	{ "#EXTM3U\n#EXT-X-TARGETDURATION:6\n" TEN("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n" INF "s.ts\n"), 5 },
	{ "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n" TEN(
	      "#EXT-X-MAP:URI=\"m.mp4\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"l\"\n" INF "s.m4s\n"),
	    7 },
	{ "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-DEFINE:IMPORT=\"cdn\"\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n" TEN(
	      INF "{$cdn}/s.ts?t={$token}\n"),
	    16 },
	{ master, 40 },
};

static struct playlist context_master;

static void
setup(void)
{
	ck_assert_int_eq(playlist_parse(&context_master, BASE, master, strlen(master)), 0);
}

static void
teardown(void)
{
	playlist_clear(&context_master);
}

START_TEST(a_playlist_for_which_there_is_no_memory_is_refused_and_says_so)
{
	const struct playlist_context context = { .base_url = BASE, .master = &context_master };
	const char *body = bodies[_i / 2].body;
	enum fail_mode mode = _i % 2 == 0 ? FAIL_ONCE : FAIL_ON;
	struct playlist pl;
	unsigned n = 0;
	bool failed;
	int err;

	do {
		fail_alloc(++n, mode);
		err = playlist_parse_in(&pl, &context, body, strlen(body));
		failed = fail_happened();
		playlist_check(&pl);
		ck_assert_int_eq(err, failed ? PB_ENOMEM : 0);
		ck_assert_str_eq(pl.reason, failed ? "no memory" : "");
		playlist_clear(&pl);
	} while (failed);
	ck_assert_uint_gt(n, bodies[_i / 2].allocations);
}
END_TEST

/* Windows of a channel, "N-M" by media sequence number; dated, so that programme time is used as well. */
static void
load(struct playlist *pl, unsigned first, unsigned last)
{
	char body[4096];
	size_t len = (size_t)snprintf(body, sizeof(body),
	    "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:%u\n"
	    "#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:%02u:%02uZ\n",
	    first, first * 6 / 60, first * 6 % 60);

	for (unsigned i = first; i <= last; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len, INF "s%u.ts\n", i);
	ck_assert_uint_lt(len, sizeof(body));
	ck_assert_int_eq(playlist_parse(pl, BASE, body, len), 0);
}

static const struct {
	unsigned first, last;
	bool restart; /* of another source */
	enum track_what what;
	const char *uri; /* of the first new segment */
} reloads[] = {
	{ 12, 17, false, TRACK_NEW, "s16.ts" },
	{ 10, 15, false, TRACK_UNCHANGED, NULL },
	{ 30, 35, false, TRACK_NEW, "s30.ts" },
	{ 12, 17, true, TRACK_NEW, "s16.ts" },
};

START_TEST(a_reload_for_which_there_is_no_memory_loses_no_segment)
{
	struct playlist before, after;
	struct track track;
	struct track_news news;
	uint64_t serial;
	unsigned n = 0;
	bool failed;
	int err;

	load(&before, 10, 15);
	load(&after, reloads[_i].first, reloads[_i].last);
	do {
		track_init(&track);
		ck_assert_int_eq(track_start(&track, &before, 4000, 18000, &news), 0);
		serial = news.serial + news.count;
		if (reloads[_i].restart)
			track_restart(&track);
		fail_alloc(++n, FAIL_ONCE);
		err = track_update(&track, &after, &news);
		failed = fail_happened();
		if (err != 0) {
			ck_assert(failed);
			ck_assert_int_eq(err, PB_ENOMEM);
			ck_assert_int_eq(track_update(&track, &after, &news), 0);
		}
		ck_assert_int_eq(news.what, reloads[_i].what);
		if (news.what == TRACK_NEW) {
			ck_assert_str_eq(after.segments[news.first].uri, reloads[_i].uri);
			ck_assert_uint_eq(news.serial, serial);
		}
		track_clear(&track);
	} while (failed);
	ck_assert_uint_gt(n, 1);
	playlist_clear(&after);
	playlist_clear(&before);
}
END_TEST

START_TEST(a_tune_for_which_there_is_no_memory_can_be_tried_again)
{
	struct playlist pl;
	struct track track;
	struct track_news news;
	unsigned n = 0;
	bool failed;
	int err;

	load(&pl, 10, 15);
	do {
		track_init(&track);
		fail_alloc(++n, FAIL_ON);
		err = track_start(&track, &pl, 4000, 18000, &news);
		failed = fail_happened();
		ck_assert_int_eq(err, failed ? PB_ENOMEM : 0);
		if (failed)
			ck_assert_int_eq(track_start(&track, &pl, 4000, 18000, &news), 0);
		ck_assert_int_eq(news.what, TRACK_NEW);
		ck_assert_uint_eq(news.serial, 0);
		track_clear(&track);
	} while (failed);
	ck_assert_uint_gt(n, 1);
	playlist_clear(&pl);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("playlist_alloc");
	TCase *tc = tcase_create("playlist_alloc");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, a_playlist_for_which_there_is_no_memory_is_refused_and_says_so, 0, 2 * (int)NITEMS(bodies));
	tcase_add_loop_test(tc, a_reload_for_which_there_is_no_memory_loses_no_segment, 0, (int)NITEMS(reloads));
	tcase_add_test(tc, a_tune_for_which_there_is_no_memory_can_be_tried_again);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
