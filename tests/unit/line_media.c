/*
 * line_media.c - what segments that fail say of which source
 *
 * The stations on both sides are this file's: what the line asks of the
 * source is written down, and nothing is conformed or written.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/line_inside.h"

static struct state state;
static struct line l;
static struct conform_stats stats;
static unsigned in_use;
static bool goes_back;
static const char *asked; /* of the source, last */
static bool discontinuity; /* in front of what the writer began last */

/* Libev's, for who asks for the time (base/loop.h). */
void
ev_timer_start(struct ev_loop *loop, ev_timer *w)
{
	(void)loop;
	w->at = 1000;
}

void
ev_timer_stop(struct ev_loop *loop, ev_timer *w)
{
	(void)loop;
	(void)w;
}

int64_t
line_now_ns(void)
{
	return 0;
}

uint32_t
line_reserve_ms(void *arg)
{
	(void)arg;
	return 10000;
}

unsigned
failover_now(const struct failover *failover)
{
	(void)failover;
	return in_use;
}

void
failover_good(struct failover *failover)
{
	(void)failover;
}

void
failover_vital(struct failover *failover, const char *reason)
{
	(void)failover;
	(void)reason;
}

void
failover_doubt(struct failover *failover, const char *reason)
{
	(void)failover;
	(void)reason;
}

void
prefetch_clear(struct prefetch *prefetch)
{
	(void)prefetch;
	asked = "clear";
}

void
source_feed(struct source *source)
{
	(void)source;
}

bool
source_go_back(struct source *source, uint64_t msn, uint64_t serial, double delay_s, const char *why)
{
	(void)source;
	(void)msn;
	(void)serial;
	(void)delay_s;
	(void)why;
	return goes_back;
}

void
source_refuse(struct source *source, uint32_t code, const char *why)
{
	(void)source;
	(void)code;
	(void)why;
	asked = "refuse";
}

void
source_reopen(struct source *source, const char *why)
{
	(void)source;
	(void)why;
	asked = "reopen";
}

void
source_stream_good(struct source *source)
{
	(void)source;
}

void
writer_begin(struct writer *writer, const struct conform_input *input)
{
	(void)writer;
	discontinuity = input->discontinuity;
}

struct conform *
writer_conform(struct writer *writer)
{
	(void)writer;
	return NULL;
}

int
writer_end(struct writer *writer, bool truncated, int64_t now_ns)
{
	(void)writer;
	(void)truncated;
	(void)now_ns;
	return 0;
}

int
writer_feed(struct writer *writer, const void *buf, size_t len, int64_t now_ns)
{
	(void)writer;
	(void)buf;
	(void)len;
	(void)now_ns;
	return 0;
}

void
writer_pass(struct writer *writer, const struct state_upstream *upstream)
{
	(void)writer;
	(void)upstream;
}

bool
writer_room(const struct writer *writer)
{
	(void)writer;
	return true;
}

void
writer_upstream(struct writer *writer, const struct state_upstream *upstream)
{
	(void)writer;
	(void)upstream;
}

const struct conform_stats *
conform_stats(struct conform *c)
{
	(void)c;
	return &stats;
}

bool
conform_unlike(const struct conform *c)
{
	(void)c;
	return false;
}

bool
conform_awaits_key(const struct conform *c)
{
	(void)c;
	return false;
}

const char *
conform_reason(const struct conform *c)
{
	(void)c;
	return "no picture";
}

static void
begin(bool media, unsigned source)
{
	memset(&state, 0, sizeof(state));
	memset(&l, 0, sizeof(l));
	l.state = &state;
	l.media = media;
	in_use = source;
	goes_back = true;
	asked = "nothing";
}

static void
lost(unsigned source, const char *reason)
{
	struct source_segment segment = { .source = source, .duration_ms = 2000 };

	line_prefetch_ops.lost(&l, &segment, 0, reason);
}

/* One that comes whole. */
static void
comes(unsigned source)
{
	struct source_segment segment = { .source = source, .duration_ms = 2000 };

	line_prefetch_ops.begin(&l, &segment);
	ck_assert_int_eq(line_prefetch_ops.end(&l, true), 0);
}

/* Each letter is a segment, of source a or b; capital: it is lost. b is in use. */
START_TEST(segments_of_the_source_before_say_nothing_of_the_one_in_use)
{
	static const struct {
		const char *segments;
		bool media;
		const char *reason; /* NULL: its bytes are of no use */
		const char *asked;
	} rows[] = {
		{ "BB", true, "HTTP 500", "reopen" },
		{ "AA", true, "HTTP 500", "nothing" },
		{ "AB", true, "HTTP 500", "nothing" },
		{ "ABAB", true, "HTTP 500", "reopen" },
		{ "BaB", true, "HTTP 500", "reopen" },
		{ "BbB", true, "HTTP 500", "nothing" },
		{ "BBB", true, NULL, "refuse" },
		{ "AAAAAA", true, NULL, "nothing" },
		{ "AABB", true, NULL, "nothing" },
		{ "BBB", false, "HTTP 500", "refuse" },
		{ "aaa", false, NULL, "nothing" },
		{ "bbb", false, NULL, "refuse" },
	};

	begin(rows[_i].media, 1);
	for (const char *p = rows[_i].segments; *p != '\0'; p++)
		if (*p < 'a')
			lost((unsigned)(*p - 'A'), rows[_i].reason);
		else
			comes((unsigned)(*p - 'a'));
	ck_assert_str_eq(asked, rows[_i].asked);
}
END_TEST

START_TEST(what_follows_a_lost_segment_begins_anew_whoever_it_is_of)
{
	for (unsigned of = 0; of < 2; of++) {
		begin(true, 1);
		comes(0);
		ck_assert(!discontinuity);
		lost(of, "HTTP 500");
		comes(1);
		ck_assert(discontinuity);
		comes(1);
		ck_assert(!discontinuity);
	}
}
END_TEST

/* The queue is cleared, and the end put off, when the segment will be listed again; else it is lost. */
START_TEST(a_refused_segment_is_waited_for_only_where_it_will_come_again)
{
	static const struct {
		unsigned source;
		bool media, goes_back, waits;
	} rows[] = {
		{ 1, true, true, true },
		{ 1, true, false, false },
		{ 0, true, true, false },
		{ 1, false, true, false },
	};
	struct source_segment segment = { .source = rows[_i].source, .duration_ms = 2000 };

	begin(rows[_i].media, 1);
	goes_back = rows[_i].goes_back;
	l.finishing = true;
	ck_assert_int_eq(line_prefetch_ops.gone(&l, &segment, 404, "HTTP 404"), rows[_i].waits);
	ck_assert_str_eq(asked, rows[_i].waits ? "clear" : "nothing");
	ck_assert_int_eq(l.finishing, !rows[_i].waits);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("line_media");
	TCase *tc = tcase_create("line_media");
	SRunner *sr = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, segments_of_the_source_before_say_nothing_of_the_one_in_use, 0, 12);
	tcase_add_test(tc, what_follows_a_lost_segment_begins_anew_whoever_it_is_of);
	tcase_add_loop_test(tc, a_refused_segment_is_waited_for_only_where_it_will_come_again, 0, 4);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
