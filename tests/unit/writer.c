/*
 * writer.c - what the spool can't take is not lost
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"
#include "ipc/spool.h"
#include "worker/writer.h"

#define PIECE ((size_t)188 * 200)
#define PIECES 12
#define NOW_NS INT64_C(1000000000000)

static uint8_t media[PIECE * PIECES];

struct stream {
	struct state *state;
	struct writer *writer;
	int state_fd, spool, given; /* given: the writer's number for the spool */
};

static void
before_tail(void *arg, uint64_t new_tail)
{
	(void)arg;
	(void)new_tail;
}

static void
first_media(void *arg)
{
	(void)arg;
}

static void
begin(struct stream *s)
{
	static const struct writer_ops ops = { before_tail, first_media };
	static const struct msg_settings settings = { .burst_ms = 4000,
		.reserve_ms = 10000,
		.reserve_max_ms = 60000,
		.window_ms = 60000,
		.spool_max = 64 << 20 };
	struct conform_input input = { .msn = 1, .duration_ms = 10000 };

	ck_assert_int_eq(state_create(&s->state_fd, &s->state), 0);
	ck_assert_int_eq(spool_create(&s->spool), 0);
	s->given = dup(s->spool);
	ck_assert_int_ne(s->given, -1);
	ck_assert_int_eq(writer_new(&s->writer, s->given, s->state, &settings, &ops, NULL), 0);
	writer_begin(s->writer, &input);
}

static void
end(struct stream *s)
{
	writer_free(&s->writer);
	state_unmap(&s->state);
	close(s->given);
	close(s->spool);
	close(s->state_fd);
}

static void
feed(struct stream *s, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		ck_assert_int_eq(writer_feed(s->writer, media + i * PIECE, PIECE, NOW_NS), 0);
}

static uint64_t
head(const struct stream *s)
{
	struct state_snapshot snap;

	ck_assert(state_snapshot_read(s->state, &snap));
	return snap.head;
}

static uint8_t *
all(const struct stream *s)
{
	uint64_t len = head(s);
	uint8_t *bytes = malloc(len + 1);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(pread(s->spool, bytes, len, 0), (ssize_t)len);
	return bytes;
}

/* In the middle of it the machine has no memory for the spool: /dev/full says ENOSPC to every write. */
START_TEST(a_full_spool_costs_time_alone)
{
	int when = _i, full = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct stream calm, poor;
	uint8_t *want, *have;
	uint64_t before;

	ck_assert_int_ne(full, -1);
	begin(&calm);
	feed(&calm, 0, PIECES);
	ck_assert_int_eq(writer_end(calm.writer, false, NOW_NS), 0);
	ck_assert(!writer_owes(calm.writer));

	begin(&poor);
	feed(&poor, 0, (size_t)when);
	before = when > 0 ? head(&poor) : 0;
	ck_assert_int_ne(dup2(full, poor.given), -1);
	feed(&poor, (size_t)when, (size_t)when + 3);
	ck_assert(writer_owes(poor.writer));
	ck_assert(!writer_room(poor.writer));
	(void)writer_tick(poor.writer, NOW_NS, UINT64_MAX);
	ck_assert(writer_owes(poor.writer));
	if (before > 0)
		ck_assert_uint_eq(head(&poor), before);

	ck_assert_int_ne(dup2(poor.spool, poor.given), -1);
	(void)writer_tick(poor.writer, NOW_NS, UINT64_MAX);
	ck_assert(!writer_owes(poor.writer));
	ck_assert(writer_room(poor.writer));
	feed(&poor, (size_t)when + 3, PIECES);
	ck_assert_int_eq(writer_end(poor.writer, false, NOW_NS), 0);

	ck_assert_uint_gt(head(&calm), PIECE);
	ck_assert_uint_eq(head(&poor), head(&calm));
	want = all(&calm);
	have = all(&poor);
	ck_assert_int_eq(memcmp(have, want, head(&calm)), 0);
	free(want);
	free(have);
	close(full);
	end(&calm);
	end(&poor);
}
END_TEST

/* What the source has may be had at once: filler is for a source that has nothing. */
START_TEST(a_pause_of_the_machine_is_no_outage_yet)
{
	const int64_t ms = 1000000, then = NOW_NS + 600000 * ms;
	bool told = _i == 1;
	struct stream s;

	begin(&s);
	writer_set_start(s.writer, 4000, 10000);
	feed(&s, 0, PIECES);
	ck_assert_int_eq(writer_end(s.writer, false, NOW_NS), 0);
	(void)writer_tick(s.writer, NOW_NS, UINT64_MAX);
	ck_assert_uint_eq(atomic_load(&s.state->figures.fillers), 0);
	if (told)
		writer_paused(s.writer, then);
	(void)writer_tick(s.writer, then, UINT64_MAX);
	ck_assert_uint_eq(atomic_load(&s.state->figures.fillers), !told);
	(void)writer_tick(s.writer, then + 200 * ms, UINT64_MAX);
	ck_assert_uint_eq(atomic_load(&s.state->figures.fillers), !told);
	(void)writer_tick(s.writer, then + 300 * ms, UINT64_MAX);
	ck_assert_uint_eq(atomic_load(&s.state->figures.fillers), 1);
	end(&s);
}
END_TEST

static void
load(void)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/share/testcard.ts", top != NULL ? top : ".");
	f = fopen(path, "rb");
	if (f == NULL || fread(media, 1, sizeof(media), f) != sizeof(media)) {
		fprintf(stderr, "%s can't be read\n", path);
		exit(1);
	}
	fclose(f);
}

int
main(void)
{
	Suite *s = suite_create("writer");
	TCase *tc = tcase_create("writer");
	SRunner *runner;
	int failed;

	load();
	tcase_add_loop_test(tc, a_full_spool_costs_time_alone, 0, PIECES - 3);
	tcase_add_loop_test(tc, a_pause_of_the_machine_is_no_outage_yet, 0, 2);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
