/*
 * conform_alloc.c - memory that runs out anywhere in the conform station
 *
 * Every n: the n-th allocation fails. What is said is PB_ENOMEM or it
 * worked, what went out is valid, and the next segment plays.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "tests/lib/fail.h"
#include "tests/unit/tscheck.h"
#include "tests/unit/tsmake.h"
#include "worker/conform.h"

static struct tsmake m;
static struct tscheck t;
static uint8_t got[4 << 20]; /* not allocated: that would be counted */
static size_t got_len;

/* Check's own assertions allocate: not between fail_alloc() and fail_happened(). */
static void
keep(struct conform *c)
{
	struct conform_output out;

	while (conform_take(c, &out)) {
		pb_assert(out.len <= sizeof(got) - got_len);
		memcpy(got + got_len, out.data, out.len);
		got_len += out.len;
	}
}

/* Pass what m holds as one segment; the first error of feed and end. */
static int
pass(struct conform *c, uint64_t msn, bool discontinuity, size_t chunk)
{
	struct conform_input in = { .msn = msn, .duration_ms = 2000, .discontinuity = discontinuity };
	int err = 0, ended;

	conform_begin(c, &in);
	keep(c);
	for (size_t at = 0; at < m.len && err == 0; at += chunk) {
		err = conform_feed(c, m.buf + at, PB_MIN(chunk, m.len - at));
		keep(c);
	}
	ended = conform_end(c, false);
	keep(c);
	return err != 0 ? err : ended;
}

/* Junk makes framing search, a large picture makes all buffers grow. */
static void
make_segment(int64_t dts_90k)
{
	static const uint8_t junk[700] = { 1 };
	struct tsmake_segment s = { .dts_90k = dts_90k, .frames = 50, .gop = 25 };
	uint8_t *b;

	m.len = 0;
	tsmake_segment(&m, &s);
	tsmake_picture(&m, dts_90k + 50 * 3600, 0, true, 200000);
	b = malloc(m.len + sizeof(junk));
	ck_assert_ptr_nonnull(b);
	memcpy(b, junk, sizeof(junk));
	memcpy(b + sizeof(junk), m.buf, m.len);
	free(m.buf);
	m.buf = b;
	m.len = m.cap = m.len + sizeof(junk);
}

static const enum fail_mode modes[] = { FAIL_ONCE, FAIL_ON };
static const size_t chunks[] = { 1000, 65536 };

START_TEST(memory_that_runs_out_anywhere_costs_a_segment_at_most)
{
	size_t chunk = chunks[_i / 2];
	unsigned n = 0;
	bool failed;

	tsmake_init(&m);
	do {
		struct conform *c = NULL;
		int err;
		size_t after;

		got_len = 0;
		make_segment(900000);
		fail_alloc(++n, modes[_i % 2]);
		err = conform_new(&c, NULL);
		if (err == 0)
			err = pass(c, 1, false, chunk);
		if (c != NULL && err == 0)
			err = pass(c, 2, true, chunk);
		failed = fail_happened();
		if (failed)
			ck_assert(err == 0 || err == PB_ENOMEM);
		else
			ck_assert_int_eq(err, 0);
		if (c != NULL) {
			after = got_len;
			make_segment(900000 + 51 * 3600);
			ck_assert_int_eq(pass(c, 3, false, chunk), 0);
			ck_assert_uint_gt(got_len, after);
		}
		conform_free(&c);
		ck_assert_ptr_null(c);
		ck_assert_msg(tscheck(&t, got, got_len), "allocation %u: %s", n, t.why);
		if (!failed)
			ck_assert_uint_ge(t.units[0], 3 * 50);
	} while (failed);
	ck_assert_uint_gt(n, 10);
	tsmake_clear(&m);
}
END_TEST

/* A successor that runs out of memory is replaced by one that does not. */
START_TEST(a_successor_that_fails_leaves_the_snapshot_good)
{
	struct conform_snapshot snap;
	struct conform_input in = { .msn = 1, .duration_ms = 2000 };
	struct conform *c = NULL;
	size_t first, all;
	unsigned n = 0;
	bool failed;

	tsmake_init(&m);
	make_segment(900000);
	got_len = 0;
	ck_assert_int_eq(conform_new(&c, NULL), 0);
	ck_assert_int_eq(pass(c, 1, false, 65536), 0);
	all = got_len;
	conform_free(&c);

	got_len = 0;
	ck_assert_int_eq(conform_new(&c, NULL), 0);
	conform_begin(c, &in);
	ck_assert_int_eq(conform_feed(c, m.buf, m.len / 2), 0);
	keep(c);
	conform_save(c, &snap);
	conform_free(&c);
	first = got_len;
	ck_assert_uint_gt(first, 0);
	do {
		struct conform_snapshot mine;
		int err;

		got_len = first;
		fail_alloc(++n, FAIL_ON);
		err = conform_new(&c, NULL);
		if (err == 0)
			err = conform_load(c, &snap);
		if (err == 0)
			err = pass(c, 1, false, 65536);
		failed = fail_happened();
		if (!failed)
			ck_assert_int_eq(err, 0);
		else if (err != 0)
			ck_assert_int_eq(err, PB_ENOMEM);
		if (c != NULL) {
			conform_save(c, &mine);
			ck_assert_int_eq(conform_load(c, &mine), 0);
		}
		conform_free(&c);
		ck_assert_msg(tscheck(&t, got, got_len), "allocation %u: %s", n, t.why);
	} while (failed);
	ck_assert_uint_gt(n, 3);
	ck_assert_uint_eq(got_len, all);
	tsmake_clear(&m);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conform_alloc");
	TCase *tc = tcase_create("memory");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(
	    tc, memory_that_runs_out_anywhere_costs_a_segment_at_most, 0, (int)(NITEMS(modes) * NITEMS(chunks)));
	tcase_add_test(tc, a_successor_that_fails_leaves_the_snapshot_good);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
