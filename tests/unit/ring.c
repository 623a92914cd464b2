/*
 * ring.c - blocks that come, grow and go in any order never touch each other
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/ring.h"

#define BLOCKS 40

static struct ring ring;
static struct block {
	uint8_t *at;
	size_t len;
	uint8_t mark;
} blocks[BLOCKS];
static size_t count;

static void
fill(struct block *b, size_t from)
{
	memset(b->at + from, b->mark, b->len - from);
}

static void
end(size_t n)
{
	const struct block *b = &blocks[n];

	ck_assert(b->len == 0 || (b->at[0] == b->mark && memcmp(b->at, b->at + 1, b->len - 1) == 0));
	ring_free(&ring, blocks[n].at);
	memmove(&blocks[n], &blocks[n + 1], (--count - n) * sizeof(blocks[0]));
}

/* A block of len bytes, begun with a few. NULL: no room. */
static struct block *
begin(size_t len)
{
	static uint8_t mark;
	struct block *b = &blocks[count];
	uint8_t *at = ring_take(&ring, len);

	if (at == NULL)
		return NULL;
	ck_assert(ring_has(&ring, at));
	*b = (struct block){ .at = at, .len = len, .mark = ++mark };
	fill(b, 0);
	count++;
	return b;
}

static void
clear(void)
{
	count = 0;
	ring_clear(&ring);
}

START_TEST(blocks_never_touch_each_other)
{
	unsigned grown = 0, refused = 0, wrapped = 0;
	const uint8_t *before = NULL;

	srand48(_i);
	for (int step = 0; step < 3000; step++) {
		long what = lrand48() % 10;
		struct block *last = count > 0 ? &blocks[count - 1] : NULL;

		if (what < 3 && count < BLOCKS) {
			struct block *b = begin((size_t)(lrand48() % 60000));

			refused += b == NULL;
			wrapped += b != NULL && before != NULL && b->at < before;
			before = b != NULL ? b->at : before;
		} else if (what < 7 && last != NULL) {
			size_t len = last->len + (size_t)(lrand48() % 20000);

			if (ring_extend(&ring, last->at, len)) {
				size_t from = last->len;

				last->len = len;
				fill(last, from);
				grown++;
			}
		} else if (count > 0) {
			/* Mostly the oldest; now and then any. */
			end(lrand48() % 4 != 0 ? 0 : (size_t)lrand48() % count);
			if (count == 0)
				ck_assert_uint_eq(ring.used, 0);
		}
	}
	while (count > 0)
		end(count - 1);
	ck_assert_uint_eq(ring.used, 0);
	ck_assert_uint_gt(grown, 100);
	ck_assert_uint_gt(refused, 10);
	ck_assert_uint_gt(wrapped, 10);
	ck_assert_uint_le(ring.cap, RING_MAX);
}
END_TEST

START_TEST(only_the_newest_grows)
{
	struct block *old = begin(100), *young = begin(100);

	ck_assert_ptr_nonnull(old);
	ck_assert_ptr_nonnull(young);
	ck_assert(!ring_extend(&ring, old->at, 200));
	ck_assert(ring_extend(&ring, young->at, RING_FIRST / 2));
	ck_assert(!ring_extend(&ring, young->at, RING_FIRST));
	ck_assert(!ring_extend(&ring, (const uint8_t *)"elsewhere", 1));
	ck_assert(!ring_extend(&ring, NULL, 1));
}
END_TEST

/* How often more than fits was wanted, and how large the ring is afterwards. */
static const struct {
	unsigned times;
	size_t cap;
} shorts[] = { { 0, RING_FIRST }, { 10, RING_FIRST }, { 60, RING_FIRST * 3 / 2 }, { 1000, RING_MAX } };

START_TEST(a_ring_that_is_too_short_often_grows_when_it_is_empty)
{
	for (unsigned i = 0; i < shorts[_i].times; i++) {
		struct block *b = begin(1000);

		ck_assert_ptr_nonnull(b);
		ck_assert_ptr_null(ring_take(&ring, ring.cap - 500));
		end(0);
	}
	ck_assert_ptr_nonnull(begin(1));
	ck_assert_uint_eq(ring.cap, shorts[_i].cap);
	ck_assert_ptr_null(ring_take(&ring, RING_MAX + 1));
	ck_assert_ptr_null(ring_take(&ring, SIZE_MAX));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ring");
	TCase *tc = tcase_create("ring");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, clear, clear);
	tcase_add_loop_test(tc, blocks_never_touch_each_other, 0, 8);
	tcase_add_test(tc, only_the_newest_grows);
	tcase_add_loop_test(tc, a_ring_that_is_too_short_often_grows_when_it_is_empty, 0, (int)NITEMS(shorts));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
