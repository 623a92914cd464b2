/*
 * writer.c - what the spool can't take is not lost, and filler ends when media is back
 *
 * The second at the pace of a source in real time, whose sound comes so much
 * behind its pictures: what ffmpeg's own muxer does, and most others.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/ts.h"
#include "ipc/spool.h"
#include "tests/unit/tscheck.h"
#include "tests/unit/tsmake.h"
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

#define STEP_MS 20
#define TICK_MS 100
#define FRAME_MS 40
#define FRAME_90K 3600
#define SOUND_90K 5760

/* A source of plain TS in real time, and what its viewer sees. */
struct live {
	struct stream s;
	struct tsmake m;
	struct conform_input in;
	int64_t now_ns;
	int ms; /* since it began */
	int frame;
	int64_t sound_90k; /* of its next sound */
	int lag_ms; /* sound that belongs to a picture comes so much later */
	int gop;
	size_t key_size;
	bool up, mute;
	uint64_t released;
	int moved_ms, worst_ms; /* when more was released last; the longest time that none was */
	int media_ms; /* when filler ended last */
	bool filled;
};

static void
live_writer(struct live *v)
{
	static const struct writer_ops ops = { before_tail, first_media };
	static const struct msg_settings settings = {
		.burst_ms = 4000, .reserve_max_ms = 60000, .window_ms = 600000, .spool_max = 256 << 20
	};

	ck_assert_int_eq(writer_new(&v->s.writer, v->s.given, v->s.state, &settings, &ops, NULL), 0);
	writer_set_start(v->s.writer, 4000, 0);
}

static void
live_up(struct live *v)
{
	v->in.msn++;
	writer_begin(v->s.writer, &v->in);
	v->up = true;
	v->m.len = 0;
	tsmake_psi(&v->m);
	ck_assert_int_eq(writer_feed(v->s.writer, v->m.buf, v->m.len, v->now_ns), 0);
}

static void
live_down(struct live *v)
{
	(void)writer_end(v->s.writer, true, v->now_ns);
	v->up = false;
}

static void
live_begin(struct live *v, int lag_ms, int gop)
{
	memset(v, 0, sizeof(*v));
	v->now_ns = NOW_NS;
	v->lag_ms = lag_ms;
	v->gop = gop;
	v->key_size = 3000;
	v->sound_90k = 900000 - (int64_t)lag_ms * 90; /* the first picture is somewhere in the middle of it */
	v->in.continues = true;
	tsmake_init(&v->m);
	ck_assert_int_eq(state_create(&v->s.state_fd, &v->s.state), 0);
	ck_assert_int_eq(spool_create(&v->s.spool), 0);
	v->s.given = dup(v->s.spool);
	ck_assert_int_ne(v->s.given, -1);
	live_writer(v);
}

static void
live_end(struct live *v)
{
	tsmake_clear(&v->m);
	end(&v->s);
}

/* Another worker goes on from the commit, and connects anew. */
static void
live_successor(struct live *v)
{
	struct state_upstream upstream;
	bool in_segment, passed;

	writer_free(&v->s.writer);
	live_writer(v);
	ck_assert_int_eq(writer_resume(v->s.writer, v->now_ns, &upstream, &in_segment, &passed), 0);
	live_up(v);
}

/* What the source has by now; time goes on there while it is away. */
static void
live_frame(struct live *v)
{
	int64_t dts = 900000 + (int64_t)v->frame * FRAME_90K;
	bool key = v->frame % v->gop == 0;

	v->m.len = 0;
	if (v->frame % 25 == 0)
		tsmake_psi(&v->m);
	tsmake_picture(&v->m, dts, 0, key, key ? v->key_size : 400);
	for (; v->sound_90k <= dts - (int64_t)v->lag_ms * 90; v->sound_90k += SOUND_90K)
		if (!v->mute)
			tsmake_sound(&v->m, v->sound_90k);
	v->frame++;
	if (v->up)
		ck_assert_int_eq(writer_feed(v->s.writer, v->m.buf, v->m.len, v->now_ns), 0);
}

static void
live_tick(struct live *v)
{
	uint64_t released;
	bool filled;

	(void)writer_tick(v->s.writer, v->now_ns, UINT64_MAX);
	released = atomic_load(&v->s.state->released);
	if (released != v->released)
		v->moved_ms = v->ms;
	v->released = released;
	if (v->ms - v->moved_ms > v->worst_ms)
		v->worst_ms = v->ms - v->moved_ms;
	filled = writer_filling(v->s.writer);
	if (v->filled && !filled)
		v->media_ms = v->ms;
	v->filled = filled;
}

static void
live_run(struct live *v, int ms)
{
	for (int end_ms = v->ms + ms; v->ms < end_ms; v->ms += STEP_MS, v->now_ns += STEP_MS * INT64_C(1000000)) {
		if (v->ms % FRAME_MS == 0)
			live_frame(v);
		if (v->ms % TICK_MS == 0)
			live_tick(v);
	}
}

/* Ten seconds of media, then none for so long. It is back a moment before a key picture. */
static void
live_outage(struct live *v, int ms)
{
	int back;

	live_up(v);
	live_run(v, 10000);
	live_down(v);
	back = (v->ms + ms) / (v->gop * FRAME_MS) * (v->gop * FRAME_MS) + v->gop * FRAME_MS - FRAME_MS;
	live_run(v, back - v->ms);
	ck_assert(v->filled);
	v->worst_ms = 0;
	live_up(v);
}

static struct tscheck seen;

/*
 * All that went out is a good stream; from the picture of that serial number
 * on none is missing. Returns how many sounds of the source came behind it.
 */
static int
live_check(struct live *v, uint32_t from)
{
	uint8_t *bytes = all(&v->s);
	uint32_t before = UINT32_MAX;
	int sounds = 0, pictures = 0;
	int64_t at[2] = { TS_NOTIME, TS_NOTIME };

	ck_assert_msg(tscheck(&seen, bytes, head(&v->s)), "lag %d gop %d: %s", v->lag_ms, v->gop, seen.why);
	free(bytes);
	ck_assert_int_lt(seen.n, TSCHECK_UNITS);
	for (int i = 0; i < seen.n; i++) {
		uint32_t serial = seen.unit[i].serial;
		bool audio = seen.unit[i].audio;

		if (at[audio] != TS_NOTIME)
			ck_assert_msg(seen.unit[i].dts - at[audio] <= 67500, "lag %d gop %d: %lld ticks without %s",
			    v->lag_ms, v->gop, (long long)(seen.unit[i].dts - at[audio]), audio ? "sound" : "pictures");
		at[audio] = seen.unit[i].dts;
		if (serial == UINT32_MAX || serial < from)
			continue;
		if (audio) {
			sounds++;
			continue;
		}
		ck_assert_msg(before == UINT32_MAX ? seen.unit[i].key : serial > before, "lag %d: picture %u behind %u",
		    v->lag_ms, serial, before);
		before = serial;
		pictures++;
	}
	ck_assert_int_ge(pictures, 25);
	return sounds;
}

static const struct {
	int lag_ms, gop;
} lags[] = { { 0, 25 }, { 80, 25 }, { 160, 25 }, { 160, 50 }, { 240, 100 }, { 340, 50 }, { 440, 25 }, { 440, 100 },
	{ 1000, 50 }, { 1450, 50 }, { 1650, 50 }, { 2500, 50 } };

/* Pictures join the filler first; it must not begin anew before their sound is there. */
START_TEST(filler_ends_though_sound_comes_later_than_pictures)
{
	static const int outages[] = { 1000, 2000, 6000, 15000 };
	struct live v;
	int back;

	for (size_t i = 0; i < NITEMS(outages); i++) {
		uint32_t serial;

		live_begin(&v, lags[_i].lag_ms, lags[_i].gop);
		live_outage(&v, outages[i]);
		back = v.ms;
		serial = v.m.serial;
		live_run(&v, 12000 + v.lag_ms);
		ck_assert_msg(!v.filled, "lag %d gop %d: filler for ever", v.lag_ms, v.gop);
		ck_assert_uint_eq(atomic_load(&v.s.state->figures.fillers), 1);
		ck_assert_int_le(v.media_ms - back, v.lag_ms + 300);
		ck_assert_int_le(v.worst_ms, TICK_MS + PB_MAX(v.lag_ms - 300, 100));
		ck_assert_int_ge(live_check(&v, serial), 150);
		live_end(&v);
	}
}
END_TEST

/* Sound came before, and comes no more: pictures go on with silence, and there is one filler. */
START_TEST(filler_ends_though_sound_never_comes_back)
{
	struct live v;
	uint32_t serial;
	int back;

	live_begin(&v, lags[_i].lag_ms, lags[_i].gop);
	live_outage(&v, 6000);
	back = v.ms;
	serial = v.m.serial;
	v.mute = true;
	live_run(&v, 12000);
	ck_assert_msg(!v.filled, "lag %d gop %d: filler for ever", v.lag_ms, v.gop);
	ck_assert_uint_eq(atomic_load(&v.s.state->figures.fillers), 1);
	ck_assert_int_le(v.media_ms - back, PB_MAX(1300, v.lag_ms + 500));
	ck_assert_int_le(v.worst_ms, PB_MAX(1200, v.lag_ms));
	ck_assert_uint_eq(atomic_load(&v.s.state->figures.dry), DRY_AUDIO);
	live_check(&v, serial);
	live_end(&v);
}
END_TEST

/* The reserve is gone since an outage, then sound alone dries up: that is not the next outage. */
START_TEST(sound_that_dries_up_behind_an_outage_is_no_outage)
{
	struct live v;
	uint32_t serial;

	live_begin(&v, lags[_i].lag_ms, lags[_i].gop);
	live_outage(&v, 6000);
	serial = v.m.serial;
	live_run(&v, 5000);
	v.mute = true;
	live_run(&v, 12000);
	ck_assert(!v.filled);
	ck_assert_uint_eq(atomic_load(&v.s.state->figures.fillers), 1);
	ck_assert_uint_eq(atomic_load(&v.s.state->figures.dry), DRY_AUDIO);
	live_check(&v, serial);
	live_end(&v);
}
END_TEST

/*
 * It comes back and is gone again at once, be it with pictures that wait for
 * their sound: filler goes on, and media comes when it is back in earnest.
 * Pictures large enough that they are written in the middle of it; of sound
 * there may be nothing that silence could be made of.
 */
START_TEST(a_source_that_is_back_for_a_moment_leaves_no_hole)
{
	bool unknown = _i % 2 == 1, silent = _i / 2 % 2 == 1; /* silent: the connection stands; else it is closed */
	int pictures = 1 + _i / 4;
	uint32_t serial;
	struct live v;

	live_begin(&v, 340, 50);
	if (unknown)
		v.m.audio_type = 0x11;
	v.key_size = 100000;
	live_outage(&v, 1000);
	live_run(&v, FRAME_MS * pictures);
	if (silent)
		v.up = false;
	else
		live_down(&v);
	live_run(&v, 6000);
	ck_assert(v.filled);
	if (silent && FRAME_MS * pictures < v.lag_ms) /* nothing of it went out alone: it is the same filler */
		ck_assert_uint_eq(atomic_load(&v.s.state->figures.fillers), 1);
	ck_assert_int_le(v.worst_ms, 1000);
	if (silent)
		live_down(&v);
	live_up(&v);
	serial = v.m.serial;
	live_run(&v, 12000);
	ck_assert_msg(!v.filled, "filler for ever");
	if (!unknown)
		live_check(&v, serial);
	live_end(&v);
}
END_TEST

/* A worker that dies while pictures wait for their sound is followed by one that fills on, and ends it. */
START_TEST(a_successor_in_that_moment_fills_on_and_ends_it)
{
	uint32_t serial;
	struct live v;

	live_begin(&v, 440, 50);
	live_outage(&v, 6000);
	live_run(&v, FRAME_MS * (1 + _i));
	live_successor(&v);
	serial = v.m.serial;
	live_run(&v, 12000);
	ck_assert_msg(!v.filled, "filler for ever");
	ck_assert_int_le(v.worst_ms, 600);
	ck_assert_int_ge(live_check(&v, serial), 120);
	live_end(&v);
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
	tcase_add_loop_test(tc, filler_ends_though_sound_comes_later_than_pictures, 0, (int)NITEMS(lags));
	tcase_add_loop_test(tc, filler_ends_though_sound_never_comes_back, 0, (int)NITEMS(lags));
	tcase_add_loop_test(tc, sound_that_dries_up_behind_an_outage_is_no_outage, 0, (int)NITEMS(lags));
	tcase_add_loop_test(tc, a_source_that_is_back_for_a_moment_leaves_no_hole, 0, 80);
	tcase_add_loop_test(tc, a_successor_in_that_moment_fills_on_and_ends_it, 0, 20);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
