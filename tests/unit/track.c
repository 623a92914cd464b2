/*
 * track.c - reloads: each rule of reference behaviour, as a small story
 *
 * A body is written as "MSN: names", where a name is a segment of 6 s; "|"
 * in front of it is a discontinuity tag, "!" makes it a gap, "." at the end
 * is ENDLIST, "@N" in front dates it N seconds after the epoch.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/playlist.h"
#include "worker/track.h"

static void
write_body(char *body, size_t size, const char *story)
{
	char word[64];
	uint64_t msn = strtoull(story, NULL, 10);
	size_t len;
	int used;

	len = (size_t)snprintf(
	    body, size, "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:%llu\n", (unsigned long long)msn);
	story = strchr(story, ':') + 1;
	while (sscanf(story, "%63s%n", word, &used) == 1) {
		const char *name = word;

		story += used;
		if (strcmp(word, ".") == 0) {
			len += (size_t)snprintf(body + len, size - len, "#EXT-X-ENDLIST\n");
			continue;
		}
		if (*name == '@') {
			char *end;
			unsigned long s = strtoul(name + 1, &end, 10);

			name = end;
			len += (size_t)snprintf(body + len, size - len,
			    "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:%02lu:%02luZ\n", s / 60, s % 60);
		}
		for (; *name == '|' || *name == '!'; name++)
			len += (size_t)snprintf(
			    body + len, size - len, "%s\n", *name == '|' ? "#EXT-X-DISCONTINUITY" : "#EXT-X-GAP");
		len += (size_t)snprintf(body + len, size - len, "#EXTINF:6,\n%s\n", name);
	}
	ck_assert_uint_lt(len, size);
}

/* "!TEXT" is a body of that text; anything else a story. */
static void
load(struct playlist *pl, const char *story)
{
	char body[8192];

	if (story[0] == '!')
		snprintf(body, sizeof(body), "%s", story + 1);
	else
		write_body(body, sizeof(body), story);
	(void)playlist_parse(pl, "http://h/x/i.m3u8", body, strlen(body));
	playlist_check(pl);
}

/* What came of it: "what names [-lost N] [-restart] [-disc] [-uri] [-end] [-resolve] [-node]". */
static void
tell(char *out, size_t size, const struct track_news *news, const struct playlist *pl)
{
	size_t len = (size_t)snprintf(out, size, "%s", track_what_name(news->what));

	for (size_t i = news->first; i < news->first + news->count; i++)
		len += (size_t)snprintf(
		    out + len, size - len, " %s%s", track_discontinuity(news, pl, i) ? "|" : "", pl->segments[i].uri);
	if (news->lost > 0)
		len += (size_t)snprintf(out + len, size - len, " -lost %llu", (unsigned long long)news->lost);
	len += (size_t)snprintf(out + len, size - len, "%s%s%s%s%s", news->restart ? " -restart" : "",
	    news->by_uri ? " -uri" : "", news->endlist ? " -end" : "", news->resolve ? " -resolve" : "",
	    news->other_node ? " -node" : "");
	ck_assert_uint_lt(len, size);
}

#define STEPS 6
static const struct {
	const char *name;
	struct {
		const char *body, *want;
	} steps[STEPS];
} stories[] = {
	{ "the window slides",
	    { { "1: a b c", "new a b c" }, { "2: b c d", "new d" }, { "4: d e f", "new e f" },
		{ "4: d e f", "unchanged" }, { "4: d e f g h", "new g h" } } },
	{ "only the front of the window goes",
	    { { "1: a b c", "new a b c" }, { "2: b c", "unchanged" }, { "2: b c d", "new d" } } },
	{ "what is not a playlist changes nothing",
	    { { "1: a b", "new a b" }, { "!<html>", "bad" }, { "!", "bad" }, { "!oops", "bad -resolve" },
		{ "2: b c", "new c" }, { "!<html>", "bad" } } },
	{ "a master instead of media asks for another choice",
	    { { "1: a b", "new a b" }, { "!#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n", "bad -resolve" },
		{ "2: b c", "new c" } } },
	{ "an empty list changes nothing", { { "1: a b", "new a b" }, { "3:", "empty" }, { "2: b c", "new c" } } },
	{ "a tune waits for the first segment", { { "1:", "empty" }, { "1:", "empty" }, { "1: a b", "new a b" } } },
	{ "segments that were lost are told",
	    { { "1: a b c", "new a b c" }, { "7: g h", "new |g h -lost 3" }, { "8: h i", "new i" } } },
	{ "a window that follows exactly lost nothing", { { "1: a b", "new a b" }, { "3: c d", "new c d" } } },
	{ "a node behind is ignored",
	    { { "5: e f g", "new e f g" }, { "4: d e f", "stale" }, { "3: c d e", "stale" },
		{ "4: d e f", "stale -node" }, { "6: f g h", "new h" }, { "5: e f g", "stale" } } },
	{ "a far step back is a new beginning",
	    { { "100: a b c", "new a b c" }, { "0: x y z", "new |x y z -restart" }, { "1: y z w", "new w" } } },
	{ "a small step back is confirmed first",
	    { { "10: a b c", "new a b c" }, { "0: x y", "confirm" }, { "0: x y", "new |x y -restart" },
		{ "1: y z", "new z" } } },
	{ "a small step back that was one node's is forgotten",
	    { { "10: a b c", "new a b c" }, { "0: x y", "confirm" }, { "11: b c d", "new d" }, { "1: x y", "confirm" },
		{ "12: c d e", "new e" } } },
	{ "a new beginning goes on where programme time says",
	    { { "100: @0a b c", "new a b c" }, { "0: @12c2 d2 e2", "new |d2 e2 -restart" } } },
	{ "programme time of a node behind is not played twice",
	    { { "100: @30a b c", "new a b c" }, { "0: @10x y", "stale" }, { "0: @10x y", "stale" },
		{ "0: @10x y", "new |x y -restart" } } },
	{ "a sequence that stands still is followed by name",
	    { { "0: a b c", "new a b c" }, { "0: b c d", "new d -uri" }, { "0: c d e", "new e -uri" },
		{ "0: c d e", "unchanged" } } },
	{ "a sequence that stands still is followed by query",
	    { { "0: s?1 s?2 s?3", "new s?1 s?2 s?3" }, { "0: s?2 s?3 s?4", "new s?4 -uri" },
		{ "0: s?2 s?3 s?4", "unchanged" } } },
	{ "a sequence that counts too much is followed by name",
	    { { "10: a b c", "new a b c" }, { "13: b c d", "new d -uri" }, { "99: c d e f", "new e f -uri" } } },
	{ "a sequence that was reset under the same names goes on",
	    { { "50: a b c", "new a b c" }, { "0: b c d", "new d -uri" }, { "1: c d e", "new e" } } },
	{ "tokens in the query don't matter",
	    { { "1: a?1 b?1 c?1", "new a?1 b?1 c?1" }, { "1: a?2 b?2 c?2", "unchanged" },
		{ "2: b?3 c?3 d?3", "new d?3" } } },
	{ "tokens in the path don't matter",
	    { { "1: t1/a t1/b", "new t1/a t1/b" }, { "1: t2/a t2/b", "unchanged" }, { "2: t3/b t3/c", "new t3/c" } } },
	{ "names that change at each load are found out once",
	    { { "1: a1 b1 c1", "new a1 b1 c1" }, { "2: b2 c2 d2", "confirm" }, { "2: b3 c3 d3", "new d3" },
		{ "3: c4 d4 e4", "new e4" }, { "3: c5 d5 e5", "unchanged" } } },
	{ "other content under the same numbers is a new beginning",
	    { { "1: a b c", "new a b c" }, { "1: x y z", "confirm" }, { "2: y z w", "new |y z w -restart" },
		{ "3: z w v", "new v" } } },
	{ "a slate that loops one file has a segment for each number",
	    { { "1: s s s", "new s s s" }, { "2: s s s", "new s" }, { "2: s s s", "unchanged" },
		{ "4: s s s", "new s s" }, { "7: s s s", "new s s s" } } },
	{ "a duration that was put right is no other segment",
	    { { "1: a b c", "new a b c" },
		{ "!#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:2\n#EXTINF:6,\nb\n#EXTINF:5,\nc\n#EXTINF:6,\nd\n", "new d" } } },
	{ "tags and gaps are boundaries",
	    { { "1: a |b", "new a |b" }, { "2: |b ||c !d e f", "new |c d |e f" }, { "5: e f", "unchanged" } } },
	{ "an end that was a blip is gone over",
	    { { "1: a b", "new a b" }, { "2: b c .", "new c -end" }, { "2: b c .", "unchanged -end" },
		{ "3: c d", "new d" } } },
	{ "huge numbers are numbers",
	    { { "18446744073709531000: a b", "new a b" }, { "18446744073709531001: b c", "new c" },
		{ "5: x y", "new |x y -restart" } } },
};

START_TEST(a_reload_is_understood)
{
	struct track track;
	struct track_news news;
	struct playlist pl;
	char got[512];
	uint64_t serial = 0;
	uint64_t epoch = 0;

	track_init(&track);
	for (int i = 0; i < STEPS && stories[_i].steps[i].body != NULL; i++) {
		load(&pl, stories[_i].steps[i].body);
		if (i == 0)
			ck_assert_int_eq(track_start(&track, &pl, 60000, 60000, &news), 0);
		else
			ck_assert_int_eq(track_update(&track, &pl, &news), 0);
		tell(got, sizeof(got), &news, &pl);
		ck_assert_msg(strcmp(got, stories[_i].steps[i].want) == 0, "%s: step %d: %s, not %s", stories[_i].name,
		    i, got, stories[_i].steps[i].want);
		ck_assert_uint_ge(news.epoch, epoch);
		ck_assert(!news.restart || news.epoch > epoch);
		if (news.what == TRACK_NEW) {
			ck_assert_uint_eq(news.serial, serial);
			serial += news.count;
			epoch = news.epoch;
		}
		playlist_clear(&pl);
	}
	track_clear(&track);
	track_clear(&track);
}
END_TEST

static const struct {
	const char *body;
	uint32_t burst_ms, reserve_ms;
	size_t first;
	uint64_t behind_ms;
} starts[] = {
	{ "1: a b c d e", 4000, 18000, 1, 24000 },
	{ "1: a b c d e", 6000, 12000, 2, 18000 },
	{ "1: a b c d e", 4000, 0, 4, 6000 },
	{ "1: a b c d e", 0, 0, 4, 6000 },
	{ "1: a b", 4000, 18000, 0, 12000 },
	{ "1: a", 4000, 18000, 0, 6000 },
	{ "1: a b !c d e", 6000, 12000, 1, 18000 },
	{ "1: !a !b c", 6000, 12000, 2, 6000 },
	{ "1: a b c d e .", 4000, 0, 0, 30000 },
	{ "1: a b c d e", UINT32_MAX, UINT32_MAX, 0, 30000 },
};

START_TEST(a_tune_starts_burst_and_reserve_behind_the_edge)
{
	struct track track;
	struct track_news news;
	struct playlist pl;

	track_init(&track);
	load(&pl, starts[_i].body);
	ck_assert_int_eq(track_start(&track, &pl, starts[_i].burst_ms, starts[_i].reserve_ms, &news), 0);
	ck_assert_int_eq(news.what, TRACK_NEW);
	ck_assert_uint_eq(news.first, starts[_i].first);
	ck_assert_uint_eq(news.first + news.count, pl.segment_count);
	ck_assert_uint_eq(news.behind_ms, starts[_i].behind_ms);
	playlist_clear(&pl);
	track_clear(&track);
}
END_TEST

static const struct {
	const char *before, *after, *want;
} switches[] = {
	{ "1: @0a b c", "50: @6B C D", "new |D -restart" },
	{ "1: a b c", "2: B C D", "new |D -restart" },
	{ "1: a b c", "1: A B C", "unchanged" },
	{ "1: @0a b c", "1: @0A B C", "unchanged" },
	{ "1: @0a b c", "50: @0A B C", "unchanged" },
	{ "9: a b c", "7: x y a b", "stale" },
	{ "9: a b c", "7: X Y A B", "stale" },
	{ "90: a b c d e f g h", "85: v w x y z a", "stale" },
	{ "90: a b c d e f g h", "85: V W X Y Z A", "new |V W X Y Z A -restart" },
	{ "1: @6a b c", "0: @0x a b", "stale" },
	{ "1: a b c", "90: X Y", "new |X Y -restart" },
	{ "1: a b c", "4: D E", "new |D E -restart" },
};

/* Of what the first variant handed out, some is not played: it comes from the second one. */
static const struct {
	const char *before, *after;
	uint64_t serial, ms;
	const char *want;
	uint64_t want_serial;
} rewinds[] = {
	{ "1: a b c", "2: B C D", 1, 12000, "new |B C D -restart", 1 },
	{ "1: a b c", "3: C D", 2, 6000, "new |C D -restart", 2 },
	{ "1: a b c", "2: B C D", UINT64_MAX, 0, "new |D -restart", 3 },
	{ "1: a b c", "1: A B C", 2, 6000, "new |C -restart", 2 },
	{ "1: @0a b c", "50: @6B C D", 1, 12000, "new |B C D -restart", 1 },
};

START_TEST(what_a_variant_did_not_bring_comes_from_the_next)
{
	struct track track;
	struct track_news news;
	struct playlist pl;
	char got[512];

	track_init(&track);
	load(&pl, rewinds[_i].before);
	ck_assert_int_eq(track_start(&track, &pl, 60000, 0, &news), 0);
	playlist_clear(&pl);
	track_rewind(&track, rewinds[_i].serial, rewinds[_i].ms);
	track_restart(&track);
	load(&pl, rewinds[_i].after);
	ck_assert_int_eq(track_update(&track, &pl, &news), 0);
	tell(got, sizeof(got), &news, &pl);
	ck_assert_str_eq(got, rewinds[_i].want);
	ck_assert_uint_eq(news.serial, rewinds[_i].want_serial);
	playlist_clear(&pl);
	track_clear(&track);
}
END_TEST

START_TEST(another_variant_goes_on_where_the_first_one_ended)
{
	struct track track;
	struct track_news news;
	struct playlist pl;
	char got[512];

	track_init(&track);
	load(&pl, switches[_i].before);
	ck_assert_int_eq(track_start(&track, &pl, 60000, 0, &news), 0);
	playlist_clear(&pl);
	track_restart(&track);
	load(&pl, switches[_i].after);
	ck_assert_int_eq(track_update(&track, &pl, &news), 0);
	tell(got, sizeof(got), &news, &pl);
	ck_assert_str_eq(got, switches[_i].want);
	playlist_clear(&pl);
	track_clear(&track);
}
END_TEST

/*
 * The address was asked anew, or another variant was chosen, while nothing
 * new was there yet: however often the list comes before it moves, nothing
 * of it is played twice.
 */
static const struct {
	const char *before, *again, *want, *then, *want_then;
	bool other; /* source */
} patience[] = {
	{ "1: a b c", "1: a b c", "unchanged", "2: b c d", "new |d", false },
	{ "1: @0a b c", "1: @0a b c", "unchanged", "2: @6b c d", "new |d", false },
	{ "1: a b c", "1: A B C", "unchanged", "2: B C D", "new |D", false },
	{ "1: @0a b c", "70: @0A B C", "unchanged", "71: @6B C D", "new |D", false },
	{ "1: a b c", "1: a b c", "unchanged", "2: b c d", "new |d", true },
	{ "1: a b c", "0: z a b", "stale", "2: b c d", "new |d -restart", false },
	{ "1: @6a b c", "0: @0z a b", "stale", "2: @12b c d", "new |d -restart", false },
	{ "1: a b c", "0: Z A B", "stale", "1: A B C", "unchanged", false },
};

START_TEST(nothing_is_played_twice_when_the_first_lists_have_nothing_new)
{
	struct track track;
	struct track_news news;
	struct playlist pl;
	char got[512];
	uint64_t epoch;

	track_init(&track);
	load(&pl, patience[_i].before);
	ck_assert_int_eq(track_start(&track, &pl, 60000, 0, &news), 0);
	epoch = news.epoch;
	playlist_clear(&pl);
	if (patience[_i].other)
		track_other(&track, 3, 12000);
	else
		track_restart(&track);
	for (int i = 0; i < 8; i++) {
		load(&pl, patience[_i].again);
		ck_assert_int_eq(track_update(&track, &pl, &news), 0);
		news.other_node = false;
		tell(got, sizeof(got), &news, &pl);
		ck_assert_msg(strcmp(got, patience[_i].want) == 0, "load %d: %s, not %s", i, got, patience[_i].want);
		playlist_clear(&pl);
	}
	load(&pl, patience[_i].then);
	ck_assert_int_eq(track_update(&track, &pl, &news), 0);
	tell(got, sizeof(got), &news, &pl);
	ck_assert_str_eq(got, patience[_i].want_then);
	ck_assert_uint_gt(news.epoch, epoch);
	if (news.what == TRACK_NEW)
		ck_assert_uint_eq(news.serial, 3);
	playlist_clear(&pl);
	track_clear(&track);
}
END_TEST

/* The last segment is of 6 s; the load began at 1000, it is now_ms. */
static const struct {
	enum track_what what;
	bool failed;
	unsigned endlists; /* in a row, with nothing new */
	int64_t now_ms;
	uint64_t reserve_ms;
	double jitter;
	uint32_t want_ms;
} reloads[] = {
	{ TRACK_NEW, false, 0, 1000, 20000, 0, 6000 },
	{ TRACK_NEW, false, 0, 1500, 20000, 0, 5500 },
	{ TRACK_NEW, false, 0, 1000, 20000, 1, 6300 },
	{ TRACK_NEW, false, 0, 1000, 20000, -1, 5700 },
	{ TRACK_NEW, false, 0, 1000, 20000, 9, 6300 },
	{ TRACK_NEW, false, 0, 1000, 0, 0, 6000 },
	{ TRACK_NEW, false, 0, 9000, 20000, 0, TRACK_RELOAD_FLOOR_MS },
	{ TRACK_UNCHANGED, false, 0, 1000, 20000, 0, 3000 },
	{ TRACK_UNCHANGED, false, 0, 1000, 11999, 0, 1000 },
	{ TRACK_STALE, false, 0, 1000, 20000, 0, 3000 },
	{ TRACK_EMPTY, false, 0, 1000, 20000, 0, 1000 },
	{ TRACK_CONFIRM, false, 0, 2000, 20000, 0, 300 },
	{ TRACK_NEW, false, 1, 1000, 20000, 0, 6000 },
	{ TRACK_UNCHANGED, false, 3, 1000, 20000, 0, 3000 },
	{ TRACK_UNCHANGED, false, 4, 1000, 20000, 0, 10000 },
	{ TRACK_BAD, true, 0, 5000, 20000, 0, TRACK_RELOAD_FLOOR_MS },
};

static const struct {
	const char *body;
	uint64_t msn;
	const char *want, *next;
	uint64_t serial;
} successors[] = {
	{ "5: a b c d", 7, "new c d", "new e", 40 }, /* in hand */
	{ "5: a b c d", 5, "new a b c d", "new e", 40 },
	{ "5: a b c d", 9, "unchanged", "new e", 40 }, /* it was the last one, and it is over */
	{ "5: a b c d", 3, "new |a b c d -lost 2", "new e", 40 }, /* the window has moved on */
	{ "5: a b c d", 90, "new |c d -restart", "new e", 40 }, /* numbering began anew */
	{ "5: a b |c d", 7, "new |c d", "new e", 40 },
};

START_TEST(a_successor_goes_on_with_the_segment_in_hand)
{
	struct track track;
	struct track_news news;
	struct playlist pl;
	char got[256];

	track_init(&track);
	load(&pl, successors[_i].body);
	ck_assert_int_eq(track_resume(&track, &pl, successors[_i].msn, successors[_i].serial, 12000, &news), 0);
	tell(got, sizeof(got), &news, &pl);
	ck_assert_str_eq(got, successors[_i].want);
	if (news.what == TRACK_NEW)
		ck_assert_uint_eq(news.serial, successors[_i].serial);
	playlist_clear(&pl);
	load(&pl, "6: b c d e");
	ck_assert_int_eq(track_update(&track, &pl, &news), 0);
	tell(got, sizeof(got), &news, &pl);
	ck_assert_str_eq(got, successors[_i].next);
	playlist_clear(&pl);
	track_clear(&track);
}
END_TEST

/* ...but not with what was played, on a node that is behind. */
START_TEST(a_successor_waits_for_a_node_that_is_behind)
{
	static const struct {
		const char *body, *want;
	} steps[] = {
		{ "5: a b c d", "stale" },
		{ "5: a b c d", "stale" },
		{ "5: a b c d", "stale" },
		{ "5: a b c d", "stale" },
		{ "7: c d e f", "unchanged" },
		{ "8: d e f g", "new g" },
	};
	struct track track;
	struct track_news news;
	struct playlist pl;
	char got[256];

	track_init(&track);
	for (size_t i = 0; i < NITEMS(steps); i++) {
		load(&pl, steps[i].body);
		if (!track.started)
			ck_assert_int_eq(track_resume(&track, &pl, 11, 40, 12000, &news), 0);
		else
			ck_assert_int_eq(track_update(&track, &pl, &news), 0);
		tell(got, sizeof(got), &news, &pl);
		ck_assert_str_eq(got, steps[i].want);
		ck_assert_int_eq(track.started, i >= 4);
		ck_assert_uint_ge(track_next_reload_ms(&track, &news, 1000, 1000, 20000, 0), 3000);
		playlist_clear(&pl);
	}
	ck_assert_uint_eq(news.serial, 40);
	track_clear(&track);
}
END_TEST

START_TEST(the_next_reload_keeps_the_recommended_pace)
{
	struct track track;
	struct track_news news;
	struct playlist pl;

	track_init(&track);
	load(&pl, "1: a b c");
	ck_assert_int_eq(track_start(&track, &pl, 0, 0, &news), 0);
	playlist_clear(&pl);
	news.what = reloads[_i].what;
	news.endlist = reloads[_i].endlists > 0;
	track.endlists = reloads[_i].endlists;
	if (reloads[_i].failed)
		track_failed(&track);
	ck_assert_uint_eq(
	    track_next_reload_ms(&track, &news, reloads[_i].now_ms, 1000, reloads[_i].reserve_ms, reloads[_i].jitter),
	    reloads[_i].want_ms);
	track_clear(&track);
}
END_TEST

START_TEST(failed_loads_are_tried_again_slower_and_for_ever)
{
	static const uint32_t want_ms[] = { TRACK_RELOAD_FLOOR_MS, 500, 1000, 1000, 2000, 2000, 2000 };
	struct track track;

	track_init(&track);
	for (size_t i = 0; i < NITEMS(want_ms); i++) {
		ck_assert_int_eq(track_failed(&track), i % 3 == 2);
		ck_assert_uint_eq(track_next_reload_ms(&track, NULL, 5000, 0, 0, 0), want_ms[i]);
	}
	track_clear(&track);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("track");
	TCase *tc = tcase_create("track");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, a_reload_is_understood, 0, (int)NITEMS(stories));
	tcase_add_loop_test(tc, a_tune_starts_burst_and_reserve_behind_the_edge, 0, (int)NITEMS(starts));
	tcase_add_loop_test(tc, another_variant_goes_on_where_the_first_one_ended, 0, (int)NITEMS(switches));
	tcase_add_loop_test(
	    tc, nothing_is_played_twice_when_the_first_lists_have_nothing_new, 0, (int)NITEMS(patience));
	tcase_add_loop_test(tc, what_a_variant_did_not_bring_comes_from_the_next, 0, (int)NITEMS(rewinds));
	tcase_add_loop_test(tc, a_successor_goes_on_with_the_segment_in_hand, 0, (int)NITEMS(successors));
	tcase_add_test(tc, a_successor_waits_for_a_node_that_is_behind);
	tcase_add_loop_test(tc, the_next_reload_keeps_the_recommended_pace, 0, (int)NITEMS(reloads));
	tcase_add_test(tc, failed_loads_are_tried_again_slower_and_for_ever);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
