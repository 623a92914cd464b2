/*
 * source.c - what a source asks for, and when: against a web that is written down
 *
 * Loop time and requests are this file's: it stands in for libev's timers
 * and for worker/fetch.h. One request is under way at a time; answer() is
 * what came of it, and pass() lets time go by until the next one.
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/source.h"

#define CHANNEL "http://h/c.m3u8"
#define PLAIN "http://h/live"

/* Time. */

static double now;
static ev_timer *timer;
static double timer_at;

/* Libev's: also for who asks for the time (base/loop.h). */
void
ev_timer_start(struct ev_loop *loop, ev_timer *w)
{
	(void)loop;
	if (ev_cb(w) == NULL) {
		w->at = now;
		return;
	}
	timer = w;
	timer_at = now + w->at;
}

void
ev_timer_stop(struct ev_loop *loop, ev_timer *w)
{
	(void)loop;
	if (timer == w)
		timer = NULL;
}

/* Requests. */

struct fetch {
	struct fetch_options o;
	char url[URL_MAX];
};
static struct fetch *asked;
static unsigned requests;

int
fetch_start(struct fetch_pool *pool, const struct fetch_options *options, struct fetch **out)
{
	struct fetch *f = calloc(1, sizeof(*f));

	(void)pool;
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_null(asked);
	f->o = *options;
	snprintf(f->url, sizeof(f->url), "%s", options->url);
	*out = asked = f;
	requests++;
	return 0;
}

void
fetch_cancel(struct fetch **f)
{
	if (*f != NULL)
		asked = NULL;
	free(*f);
	*f = NULL;
}

void
fetch_resume(struct fetch *f)
{
	(void)f;
}

void
fetch_pool_new_source(struct fetch_pool *pool)
{
	(void)pool;
}

static bool one_connection;

static double answer_s;

double
fetch_answer_s(const struct fetch *fetch)
{
	(void)fetch;
	return answer_s;
}

bool
fetch_pool_is_one(const struct fetch_pool *pool)
{
	(void)pool;
	return one_connection;
}

/* What it tells. */

static char told[4096];
static size_t told_len;
static size_t room; /* for so many segments more */
static uint32_t reserve_ms;
static bool stream_full;
static bool counts_denials;

static void __attribute__((format(printf, 1, 2))) tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	told_len += (size_t)vsnprintf(told + told_len, sizeof(told) - told_len, fmt, ap);
	va_end(ap);
	ck_assert_uint_lt(told_len, sizeof(told));
}

static bool
has_room(void *arg)
{
	(void)arg;
	return room > 0;
}

static int
takes_segment(void *arg, const struct source_segment *segment)
{
	(void)arg;
	room--;
	tell("%s%llu/%llu ", segment->discontinuity ? "|" : "", (unsigned long long)segment->serial,
	    (unsigned long long)segment->msn);
	return 0;
}

static void
begins(void *arg)
{
	(void)arg;
	tell("begin ");
}

static int
takes_bytes(void *arg, const void *buf, size_t len)
{
	(void)arg;
	(void)buf;
	if (stream_full)
		return PB_AGAIN;
	tell("%zu ", len);
	return 0;
}

static void
ends(void *arg)
{
	(void)arg;
	tell("end ");
}

static void
starts(void *arg, uint32_t behind_ms, uint32_t keep_ms)
{
	(void)arg;
	(void)behind_ms;
	(void)keep_ms;
}

static void
is_over(void *arg)
{
	(void)arg;
	tell("over ");
}

static void
has_failed(void *arg, uint32_t code, const char *reason)
{
	(void)arg;
	(void)reason;
	tell("failed %u ", code);
}

static void
in_trouble(void *arg, const char *reason)
{
	(void)arg;
	(void)reason;
	tell("trouble ");
}

static uint32_t
in_reserve(void *arg)
{
	(void)arg;
	return reserve_ms;
}

static bool
is_counted(void *arg)
{
	(void)arg;
	return counts_denials;
}

static const struct source_ops ops = {
	.room = has_room,
	.segment = takes_segment,
	.stream_begin = begins,
	.stream_data = takes_bytes,
	.stream_end = ends,
	.start = starts,
	.ended = is_over,
	.failed = has_failed,
	.trouble = in_trouble,
	.reserve_ms = in_reserve,
	.counted = is_counted,
};

static struct source *s;
static struct msg_tune tune;
static struct state_figures figures;
static char reason[STATE_REASON_MAX];

static void
told_is(const char *want)
{
	ck_assert_str_eq(told, want);
	told[told_len = 0] = '\0';
}

static void
create(const char *url)
{
	now = 1000;
	requests = 0;
	room = 1000;
	reserve_ms = 20000;
	stream_full = counts_denials = one_connection = false;
	answer_s = 0;
	told[told_len = 0] = '\0';
	memset(&figures, 0, sizeof(figures));
	tune.settings.burst_ms = 4000;
	tune.settings.reserve_ms = 60000;
	ck_assert_int_eq(source_new(&s, NULL, NULL, &tune, 0, url, &figures, reason, &ops, NULL), 0);
}

/* A source of that URL, and its first request. */
static void
begin(const char *url)
{
	create(url);
	source_open(s);
	ck_assert_ptr_nonnull(asked);
	ck_assert_str_eq(asked->url, url);
}

static void
over(void)
{
	source_free(&s);
	ck_assert_ptr_null(asked);
	ck_assert_ptr_null(timer);
}

/* The request is answered with that body; it was led to `url`, if that isn't NULL. */
static void
answer(const char *url, const char *body)
{
	struct fetch *f = asked;
	struct fetch_result r = { .http_status = 200, .url = url != NULL ? url : f->url, .reason = "", .body = body };

	ck_assert_ptr_nonnull(f);
	r.body_len = r.bytes = strlen(body);
	r.answer_s = answer_s;
	asked = NULL;
	f->o.on_done(f->o.arg, &r);
	free(f);
}

/* ...or refused. */
static void
refuse(int status)
{
	struct fetch *f = asked;
	struct fetch_result r = { .err = PB_NO, .http_status = status, .url = f->url, .reason = "refused" };

	asked = NULL;
	f->o.on_done(f->o.arg, &r);
	free(f);
}

static int
offer(size_t len)
{
	static uint8_t packets[20 * 188];

	for (size_t i = 0; i < sizeof(packets); i += 188)
		packets[i] = 0x47;
	ck_assert_uint_le(len, sizeof(packets));
	return asked->o.on_data(asked->o.arg, packets, len);
}

static void
bytes(size_t len)
{
	ck_assert_int_eq(offer(len), 0);
}

/* The connection is closed. */
static void
closed(void)
{
	struct fetch *f = asked;
	struct fetch_result r = { .http_status = 200, .url = f->url, .reason = "" };

	asked = NULL;
	f->o.on_done(f->o.arg, &r);
	free(f);
}

/* Until the next request, at most so long. false: there was none. */
static bool
pass(double seconds)
{
	double until = now + seconds;

	while (asked == NULL && timer != NULL && timer_at <= until) {
		ev_timer *w = timer;

		now = PB_MAX(timer_at, now);
		timer = NULL;
		w->cb(NULL, w, EV_TIMER);
	}
	if (asked == NULL)
		now = until;
	return asked != NULL;
}

/* Segments msn, msn + 1, ... of 2 s. */
static const char *
list(uint64_t msn, unsigned count, bool end)
{
	static char text[16384];
	size_t len = (size_t)snprintf(text, sizeof(text),
	    "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:%llu\n", (unsigned long long)msn);

	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "#EXTINF:2,\ns%llu.ts\n", (unsigned long long)(msn + i));
	len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", end ? "#EXT-X-ENDLIST\n" : "");
	ck_assert_uint_lt(len, sizeof(text));
	return text;
}

static const char master[] = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720\na.m3u8\n"
			     "#EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=640x360\nb.m3u8\n";

/*
 * A node answers with the list that it had, for ever. What is asked when is
 * written down: n its own address, + another connection to it, m where it
 * was led from, c the channel's URL.
 */
START_TEST(a_playlist_that_stands_is_looked_for_where_it_came_from_and_never_asked_in_a_hurry)
{
	bool led = _i == 0;
	const char *node = led ? "http://n/t/a.m3u8" : "http://h/a.m3u8";
	double opened[16], asked_at = 0, began;
	size_t opens = 0, fresh = 0, back = 0;
	double back_at = 0, fresh_at = 0;

	begin(CHANNEL);
	answer(NULL, master);
	ck_assert_str_eq(asked->url, "http://h/a.m3u8");
	answer(node, list(10, 6, false));
	source_has_media(s);
	began = now;
	for (unsigned n = 0; now < began + 300 && n < 2000; n++) {
		ck_assert(pass(11));
		if (asked_at > 0)
			ck_assert_double_ge(now - asked_at, 0.2);
		if (strcmp(asked->url, CHANNEL) == 0) {
			ck_assert_uint_lt(opens, NITEMS(opened));
			opened[opens++] = now - began;
			answer(NULL, master);
			ck_assert_str_eq(asked->url, "http://h/a.m3u8");
		} else if (led && strcmp(asked->url, "http://h/a.m3u8") == 0 && back++ == 0) {
			back_at = now - began;
		}
		if (asked->o.elsewhere > 0 && fresh++ == 0)
			fresh_at = now - began;
		asked_at = now;
		answer(node, list(10, 6, false));
	}
	told_is("0/10 1/11 2/12 3/13 4/14 5/15 ");
	ck_assert_uint_ge(fresh, 1);
	ck_assert_double_ge(fresh_at, 3);
	ck_assert_double_le(fresh_at, 5);
	if (led) {
		ck_assert_uint_ge(back, 1);
		ck_assert_double_ge(back_at, 5);
		ck_assert_double_le(back_at, 7.5);
	}
	/* 2.5 target durations, one more when it was led; then 5, 10, 20, 40, 60, 60 s later. */
	ck_assert_uint_ge(opens, 6);
	ck_assert_uint_le(opens, 9);
	ck_assert_double_ge(opened[0], led ? 7 : 5);
	ck_assert_double_le(opened[0], led ? 11 : 8);
	ck_assert_double_ge(opened[opens - 1] - opened[opens - 2], 59);
	/* It moves again: what is new comes, once, and patience is as before. */
	ck_assert(pass(11));
	answer(strcmp(asked->url, CHANNEL) == 0 ? NULL : node, list(11, 6, false));
	told_is("|6/16 ");
	over();
}
END_TEST

/* Where there is one connection, a segment may have it before: nobody gives the list up meanwhile. */
START_TEST(a_playlist_whose_turn_is_behind_a_segment_is_waited_for)
{
	bool one = _i == 1;

	begin(CHANNEL);
	one_connection = one;
	answer(NULL, list(10, 6, false));
	source_has_media(s);
	reserve_ms = 1000;
	ck_assert(pass(11));
	ck_assert_double_eq_tol(asked->o.deadline - now, one ? 5 : 3, 1e-6);
	over();
}
END_TEST

/* Three older states of the window in a row: that node is behind, another one may not be. */
START_TEST(a_node_behind_is_not_asked_for_ever)
{
	begin(CHANNEL);
	answer(NULL, list(10, 6, false));
	source_has_media(s);
	for (unsigned n = 0; n < 3; n++) {
		ck_assert(pass(11));
		ck_assert_uint_eq(asked->o.elsewhere, 0);
		answer(NULL, list(8, 6, false));
	}
	ck_assert(pass(11));
	ck_assert_uint_eq(asked->o.elsewhere, 1);
	answer(NULL, list(11, 6, false));
	ck_assert(pass(11));
	ck_assert_uint_eq(asked->o.elsewhere, 0);
	told_is("0/10 1/11 2/12 3/13 4/14 5/15 6/16 ");
	over();
}
END_TEST

/* How a live stream comes to a first list that says it has ended. */
enum first_list { RELOADED, WENT_BACK, REOPENED, ADOPTED };

START_TEST(a_live_channel_is_not_ended_by_a_list_that_says_so)
{
	static const struct state_upstream upstream = { .msn = 14, .serial = 30 };
	const char *went_on = "6/16 ";

	if (_i == ADOPTED) {
		create(CHANNEL);
		source_resume_at(s, &upstream, false);
		source_open(s);
		went_on = "31/15 32/16 ";
	} else {
		begin(CHANNEL);
		answer(NULL, list(10, 6, false));
		source_has_media(s);
		told_is("0/10 1/11 2/12 3/13 4/14 5/15 ");
	}
	switch ((enum first_list)_i) {
	case RELOADED:
	case ADOPTED:
		break;
	case WENT_BACK:
		source_go_back(s, 15, 5, 0., "HTTP 404");
		went_on = "5/15 6/16 ";
		break;
	case REOPENED:
		source_reopen(s, "two segments were lost");
		went_on = "|6/16 ";
		break;
	}
	ck_assert(pass(11));
	answer(NULL, list(11, 6, true));
	told_is(went_on);
	/* One is a blip: it is asked again at the usual pace. */
	ck_assert(pass(2.2));
	answer(NULL, list(12, 6, false));
	told_is(_i == ADOPTED ? "33/17 " : "7/17 ");
	/* And if it goes on saying so, it is asked for ever, slowly. */
	for (unsigned n = 0; n < 20; n++) {
		ck_assert(pass(11));
		answer(NULL, list(12, 6, true));
	}
	told_is("");
	over();
}
END_TEST

/* A list that was complete at first ends the stream, whatever is done about it on the way. */
START_TEST(a_list_that_was_complete_at_first_has_an_end)
{
	static const struct state_upstream upstream = { .msn = 104, .serial = 4 };

	if (_i == ADOPTED) {
		create(CHANNEL);
		source_resume_at(s, &upstream, true);
		source_open(s);
	} else {
		begin(CHANNEL);
		room = 4;
		answer(NULL, list(100, 6, true));
		source_has_media(s);
		told_is("0/100 1/101 2/102 3/103 ");
	}
	if (_i == WENT_BACK)
		source_go_back(s, 104, 4, 0., "HTTP 404");
	room = 1000;
	if (_i == RELOADED)
		source_feed(s);
	if (_i != RELOADED) {
		ck_assert(pass(1));
		answer(NULL, list(100, 6, true));
	}
	told_is("4/104 5/105 over ");
	/* The last but one is refused when all are handed out. */
	ck_assert(source_go_back(s, 104, 4, 0., "HTTP 404"));
	ck_assert(pass(1));
	answer(NULL, list(100, 6, true));
	told_is("4/104 5/105 over ");
	ck_assert(!pass(60));
	over();
	if (_i != ADOPTED)
		return;
	/* It had handed out the last one. */
	create(CHANNEL);
	source_resume_at(s, &upstream, false);
	source_open(s);
	answer(NULL, list(100, 5, true));
	told_is("over ");
	over();
}
END_TEST

/* Another node may answer then, and be behind. */
START_TEST(going_back_to_a_node_behind_plays_nothing_twice)
{
	begin(CHANNEL);
	answer(NULL, list(10, 6, false));
	source_has_media(s);
	told_is("0/10 1/11 2/12 3/13 4/14 5/15 ");
	ck_assert(source_go_back(s, 15, 5, 0., "HTTP 404"));
	ck_assert(pass(1));
	for (unsigned n = 0; n < 4; n++) {
		answer(NULL, list(8, 6, false));
		told_is("");
		ck_assert(pass(1.1));
	}
	answer(NULL, list(11, 6, false));
	told_is("5/15 6/16 ");
	over();
}
END_TEST

/* What is listed and did not fit yet is not lost by what makes it be listed again. */
enum again { BY_REOPEN, BY_REFUSAL, BY_NO_CHOICE };

START_TEST(what_was_not_handed_out_comes_from_the_next_list)
{
	begin(CHANNEL);
	if (_i == BY_REFUSAL)
		answer(NULL, master);
	room = 4;
	answer(NULL, list(100, 8, true));
	source_has_media(s);
	told_is("0/100 1/101 2/102 3/103 ");
	if (_i == BY_REOPEN)
		source_reopen(s, "two segments were lost");
	else
		source_refuse(s, 807, "three segments gave no picture");
	ck_assert(pass(2));
	if (_i == BY_REFUSAL)
		ck_assert_str_eq(asked->url, "http://h/b.m3u8");
	room = 1;
	answer(NULL, list(100, 8, true));
	told_is(_i == BY_NO_CHOICE ? "trouble |4/104 " : "|4/104 ");
	if (_i == BY_REOPEN) {
		source_reopen(s, "two more");
		ck_assert(pass(2));
		answer(NULL, list(100, 8, true));
		told_is("");
		room = 1;
		source_feed(s);
		told_is("|5/105 ");
	}
	room = 1000;
	source_feed(s);
	told_is(_i == BY_REOPEN ? "6/106 7/107 over " : "5/105 6/106 7/107 over ");
	over();
}
END_TEST

START_TEST(what_has_failed_does_not_go_back)
{
	begin(CHANNEL);
	refuse(404);
	told_is("failed 806 ");
	ck_assert(!source_go_back(s, 1, 1, 0., "HTTP 404"));
	ck_assert(!pass(60));
	over();
}
END_TEST

START_TEST(a_stream_that_brings_no_picture_is_a_failure_at_the_third_try)
{
	begin(PLAIN);
	for (unsigned n = 0; n < 3; n++) {
		ck_assert(pass(5));
		bytes(1880);
		closed();
	}
	told_is("begin 1880 end begin 1880 end begin 1880 end failed 807 ");
	ck_assert(!pass(60));
	over();
}
END_TEST

/* The reserve is full when a stream begins: its first bytes wait, like all others. */
START_TEST(the_beginning_of_a_stream_waits_for_room)
{
	begin(PLAIN);
	stream_full = true;
	bytes(188);
	bytes(1880);
	told_is("begin ");
	ck_assert_int_eq(offer(188), PB_AGAIN);
	ck_assert_int_eq(offer(188), PB_AGAIN);
	stream_full = false;
	bytes(188);
	bytes(376);
	told_is("2068 188 376 ");
	closed();
	told_is("end ");
	/* ...also when it is all that comes. */
	ck_assert(pass(5));
	stream_full = true;
	bytes(1880);
	stream_full = false;
	closed();
	told_is("begin 1880 end ");
	over();
}
END_TEST

START_TEST(a_stream_that_only_closes_is_opened_later_each_time_and_says_so)
{
	double at[8], was = 0;

	begin(PLAIN);
	bytes(1880);
	source_has_media(s);
	source_stream_good(s);
	closed();
	told_is("begin 1880 end "); /* that is no trouble yet */
	for (unsigned n = 0; n < NITEMS(at); n++) {
		was = now;
		ck_assert(pass(60));
		at[n] = now - was;
		bytes(1880);
		closed();
		told_is("begin 1880 end trouble ");
	}
	ck_assert_double_le(at[0], 0.6);
	ck_assert_double_ge(at[3], 2);
	ck_assert_double_ge(at[7], 5);
	/* One that brought something is opened again at once. */
	ck_assert(pass(60));
	bytes(1880);
	source_stream_good(s);
	closed();
	told_is("begin 1880 end ");
	ck_assert(pass(0.6));
	over();
}
END_TEST

/* What was asked for plays until the source goes away; ms of it are left. */
static void
lose(const char *url, uint32_t left_ms)
{
	if (strcmp(url, PLAIN) == 0)
		bytes(1880);
	else
		answer(NULL, list(100, 6, false));
	source_has_media(s);
	source_stream_good(s);
	reserve_ms = left_ms;
	if (strcmp(url, PLAIN) == 0)
		closed();
	else
		source_reopen(s, "it has gone");
}

static void
lost(const char *url, uint32_t left_ms)
{
	begin(url);
	lose(url, left_ms);
}

static const char *const both[] = { PLAIN, CHANNEL };

/* Tries of a request that was begun in time would go on, ever more rarely, when it is late. */
START_TEST(what_is_asked_while_there_is_a_reserve_is_over_with_it)
{
	lost(both[_i], 10000);
	ck_assert(pass(1));
	ck_assert_uint_eq(asked->o.tries, 0);
	ck_assert_double_gt(asked->o.deadline, now + 5);
	ck_assert_double_lt(asked->o.deadline, now + 10);
	/* Then it is asked quickly. */
	now = asked->o.deadline;
	reserve_ms = 1400;
	refuse(503);
	for (double until = now + 100; now < until;) {
		ck_assert(pass(1));
		ck_assert_uint_eq(asked->o.tries, 1);
		ck_assert_double_gt(asked->o.deadline, now);
		ck_assert_double_le(asked->o.deadline, now + 2);
		reserve_ms = 0;
		refuse(503);
	}
	over();
}
END_TEST

START_TEST(what_is_known_to_answer_slowly_has_the_time_for_it)
{
	lost(both[_i], 3000);
	atomic_store(&figures.latency_ms, 1500);
	for (unsigned n = 0; n < 2; n++) { /* while there is a reserve, and without one */
		ck_assert(pass(1));
		ck_assert_double_ge(asked->o.deadline, now + 6);
		reserve_ms = 0;
		refuse(503);
	}
	over();
}
END_TEST

/* Nothing is learnt from a try that was cut off: what the first one took is what the next one has. */
START_TEST(what_took_long_to_open_has_the_time_for_it)
{
	begin(both[_i]);
	ck_assert_double_eq(asked->o.queue_s, 0);
	answer_s = 3.2;
	lose(both[_i], 4000);
	one_connection = true; /* its turn is waited for beside that */
	for (unsigned n = 0; n < 4; n++) { /* while there is a reserve, and without one */
		ck_assert(pass(1));
		ck_assert_double_eq_tol(asked->o.deadline - now, 9.6, 1e-6);
		ck_assert_double_ge(asked->o.queue_s, 10);
		reserve_ms = 0;
		refuse(503);
	}
	/* What was quicker since is believed by and by. */
	answer_s = 0.1;
	ck_assert(pass(1));
	lose(both[_i], 0);
	ck_assert(pass(1));
	ck_assert_double_eq_tol(asked->o.deadline - now, 4.8, 1e-6);
	over();
}
END_TEST

START_TEST(a_denial_that_counts_is_not_asked_about_quickly)
{
	double was;

	lost(both[_i], 0);
	counts_denials = true;
	for (unsigned n = 0; n < 8; n++) {
		was = now;
		ck_assert(pass(60));
		refuse(403);
	}
	ck_assert_double_ge(now - was, 5);
	over();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("source");
	TCase *tc = tcase_create("source");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
	    tc, a_playlist_that_stands_is_looked_for_where_it_came_from_and_never_asked_in_a_hurry, 0, 2);
	tcase_add_test(tc, a_node_behind_is_not_asked_for_ever);
	tcase_add_loop_test(tc, a_live_channel_is_not_ended_by_a_list_that_says_so, RELOADED, ADOPTED + 1);
	tcase_add_loop_test(tc, a_list_that_was_complete_at_first_has_an_end, RELOADED, WENT_BACK + 1);
	tcase_add_loop_test(tc, a_list_that_was_complete_at_first_has_an_end, ADOPTED, ADOPTED + 1);
	tcase_add_test(tc, going_back_to_a_node_behind_plays_nothing_twice);
	tcase_add_loop_test(tc, what_was_not_handed_out_comes_from_the_next_list, BY_REOPEN, BY_NO_CHOICE + 1);
	tcase_add_loop_test(tc, a_playlist_whose_turn_is_behind_a_segment_is_waited_for, 0, 2);
	tcase_add_test(tc, what_has_failed_does_not_go_back);
	tcase_add_test(tc, a_stream_that_brings_no_picture_is_a_failure_at_the_third_try);
	tcase_add_test(tc, the_beginning_of_a_stream_waits_for_room);
	tcase_add_test(tc, a_stream_that_only_closes_is_opened_later_each_time_and_says_so);
	tcase_add_loop_test(tc, what_is_asked_while_there_is_a_reserve_is_over_with_it, 0, (int)NITEMS(both));
	tcase_add_loop_test(tc, what_is_known_to_answer_slowly_has_the_time_for_it, 0, (int)NITEMS(both));
	tcase_add_loop_test(tc, what_took_long_to_open_has_the_time_for_it, 0, (int)NITEMS(both));
	tcase_add_loop_test(tc, a_denial_that_counts_is_not_asked_about_quickly, 0, (int)NITEMS(both));
	suite_add_tcase(suite, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
