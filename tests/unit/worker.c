/*
 * worker.c - tests of supervisor/worker.c: what a worker may say, and when
 *
 * The worker is this program again: started by the pool as a worker is, it
 * says what the row in PB_TEST_ROW tells it to say, and waits. So every word
 * goes through a real socket, and every death is a real one.
 */
#include <check.h>
#include <ev.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/workers.h"

#define CHANNEL 3
#define HANGS 5.0 /* seconds until a test is given up */

enum outcome { WARM = 1, MEDIA, FAILED, REPORTED, DISTRUSTED, UNDEAD, DIED };

/* h hello, r ready, t wait for a tune, a for one to adopt, m media, and so on: see say(). */
static const struct {
	const char *words;
	enum outcome is;
	const char *what;
} rows[] = {
	{ "hr", WARM, "hello and ready is a warm worker" },
	{ "hrtm", MEDIA, "media, once tuned" },
	{ "hrtf", FAILED, "failed, instead of media" },
	{ "hrtmf", FAILED, "failed, later" },
	{ "hrtmc", REPORTED, "a report of a client" },

	{ "hra", WARM, "one that adopts" },
	{ "hrac", REPORTED, "a report of a client that was another worker's" },
	{ "hraf", FAILED, "failed, having adopted" },
	{ "hram", DISTRUSTED, "media of a stream that has it already" },
	{ "hrar", DISTRUSTED, "ready, having adopted" },
	{ "hrax", DIED, "exit, having adopted" },
	{ "hrtm", UNDEAD, "one that SIGKILL doesn't end" },

	{ "r", DISTRUSTED, "ready before hello" },
	{ "hh", DISTRUSTED, "hello twice" },
	{ "v", DISTRUSTED, "hello of another version" },
	{ "H", DISTRUSTED, "hello, too short" },
	{ "hL", DISTRUSTED, "ready with data" },
	{ "hD", DISTRUSTED, "ready with a descriptor" },
	{ "m", DISTRUSTED, "media before hello" },
	{ "hrm", DISTRUSTED, "media before a tune" },
	{ "hrf", DISTRUSTED, "failed before a tune" },
	{ "hrtc", DISTRUSTED, "a report before media" },
	{ "hrtmm", DISTRUSTED, "media twice" },
	{ "hrr", DISTRUSTED, "ready twice" },
	{ "hrth", DISTRUSTED, "hello when tuned" },
	{ "hrtF", DISTRUSTED, "failed with a code that is none" },
	{ "hrtY", DISTRUSTED, "failed for a reason that is none" },
	{ "hrtmS", DISTRUSTED, "a report of a slot that is none" },
	{ "hrtmE", DISTRUSTED, "a report of an event that is none" },
	{ "hrtmC", DISTRUSTED, "a report that is too long" },
	{ "h0", DISTRUSTED, "message 0" },
	{ "h9", DISTRUSTED, "a message that is nobody's" },
	{ "hS", DISTRUSTED, "a report with nonsense, before all" },
	{ "hP", DISTRUSTED, "what only the supervisor says" },
	{ "h?", DISTRUSTED, "a packet without a head" },
	{ "h!", DISTRUSTED, "a packet whose length is a lie" },

	{ "x", DIED, "exit before hello" },
	{ "hrx", DIED, "exit when warm" },
	{ "hrtmx", DIED, "exit when live" },
	{ "hrtmfx", FAILED, "its last word is heard although it is dead" },
};

static void
say(char word)
{
	struct msg_hello hello = { .version = word == 'v' ? MSG_VERSION + 1 : MSG_VERSION };
	struct msg_failed failed = {
		.code = word == 'F' ? 200 : 806,
		.why = word == 'Y' ? FAILED_WHYS : FAILED_CODEC,
		.reason = "a\nb",
	};
	struct msg_client_report report = {
		.client = 7,
		.slot = word == 'S' ? STATE_SLOTS : 3,
		.event = word == 'E' ? CLIENT_EVENTS : CLIENT_GONE,
	};
	char longer[sizeof(report) + 1] = { 0 };
	uint32_t lie[2] = { MSG_W_READY, 100 };
	struct pollfd p = { .fd = CHANNEL, .events = POLLIN };
	static struct msg m;
	int fd = STDIN_FILENO;

	switch (word) {
	case 'h':
	case 'v':
		msg_send(CHANNEL, MSG_HELLO, &hello, sizeof(hello), NULL, 0);
		break;
	case 'H':
		msg_send(CHANNEL, MSG_HELLO, &hello, sizeof(hello) - 1, NULL, 0);
		break;
	case 'r':
		msg_send(CHANNEL, MSG_W_READY, NULL, 0, NULL, 0);
		break;
	case 'L':
		msg_send(CHANNEL, MSG_W_READY, longer, 1, NULL, 0);
		break;
	case 'D':
		msg_send(CHANNEL, MSG_W_READY, NULL, 0, &fd, 1);
		break;
	case 't':
	case 'a':
		do
			(void)poll(&p, 1, -1);
		while (msg_recv(CHANNEL, &m) != 0 || m.type != MSG_S_TUNE);
		break;
	case 'm':
		msg_send(CHANNEL, MSG_W_MEDIA, NULL, 0, NULL, 0);
		break;
	case 'f':
	case 'F':
	case 'Y':
		msg_send(CHANNEL, MSG_W_FAILED, &failed, sizeof(failed), NULL, 0);
		break;
	case 'c':
	case 'S':
	case 'E':
		msg_send(CHANNEL, MSG_W_CLIENT, &report, sizeof(report), NULL, 0);
		break;
	case 'C':
		msg_send(CHANNEL, MSG_W_CLIENT, longer, sizeof(longer), NULL, 0);
		break;
	case 'P':
		msg_send(CHANNEL, MSG_S_PING, NULL, 0, NULL, 0);
		break;
	case '0':
		msg_send(CHANNEL, 0, NULL, 0, NULL, 0);
		break;
	case '9':
		msg_send(CHANNEL, UINT32_MAX, NULL, 0, NULL, 0);
		break;
	case '?':
		(void)!write(CHANNEL, "abc", 3);
		break;
	case '!':
		(void)!write(CHANNEL, lie, sizeof(lie));
		break;
	case 'x':
		_exit(PB_EXIT_TEMPORARY);
	}
}

/* Told to log where its supervisor does, as the test has it? */
static bool
logs_there(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--log") == 0)
			return strcmp(argv[i + 1], "syslog") == 0;
	return false;
}

_Noreturn static void
be_worker(int argc, char **argv)
{
	const char *row = getenv("PB_TEST_ROW");

	if (!logs_there(argc, argv))
		_exit(1);
	for (const char *word = rows[row != NULL ? strtoul(row, NULL, 10) : 0].words; *word != '\0'; word++)
		say(*word);
	for (;;)
		(void)pause();
}

static struct workers pool;
static struct ev_loop *loop;
static enum outcome wanted, seen;
static int died_status;
static bool tune, adopt;
static pid_t unreached;

static void
saw(enum outcome outcome)
{
	if (seen == 0 || outcome == wanted)
		seen = outcome;
	if (outcome == wanted)
		ev_break(loop, EVBREAK_ALL);
}

static void
on_media(struct worker *w)
{
	ck_assert_int_eq(w->state, W_LIVE);
	saw(MEDIA);
	if (wanted != UNDEAD)
		return;
	unreached = w->child.pid;
	w->child.pid = 0; /* so the signal is lost, as it is on a process that the kernel holds */
	worker_kill(w, "a test");
}

static void
on_failed(struct worker *w, unsigned code, enum msg_failed_why why, const char *reason)
{
	(void)w;
	ck_assert_int_eq(why, FAILED_CODEC);
	ck_assert_uint_eq(code, 806);
	ck_assert_str_eq(reason, "a?b");
	saw(FAILED);
}

static void
on_client(struct worker *w, const struct msg_client_report *report)
{
	(void)w;
	ck_assert_uint_eq(report->client, 7);
	ck_assert_uint_lt(report->slot, STATE_SLOTS);
	saw(REPORTED);
}

static void
on_writable(struct worker *w)
{
	(void)w;
}

static void
on_slot(struct worker *w, const struct msg_slot_want *want)
{
	(void)w;
	ck_assert_uint_lt(want->source, MSG_SOURCES_MAX);
	ck_assert_uint_le(want->want, 1);
}

static void
on_limit(struct worker *w, const struct msg_limit_report *report)
{
	(void)w;
	ck_assert_uint_lt(report->source, MSG_SOURCES_MAX);
	ck_assert_uint_lt(report->what, LIMIT_CLASSES);
}

static void
on_undead(struct worker *w)
{
	ck_assert(w->killed);
	ck_assert_str_eq(w->killed_why, "a test");
	ck_assert_int_eq(w->state, W_STOPPING);
	w->child.pid = unreached;
	child_kill(&w->child, SIGKILL);
	saw(UNDEAD);
}

static void
on_died(struct worker *w, int status)
{
	died_status = status;
	saw(w->distrusted ? DISTRUSTED : DIED);
}

static const struct worker_calls calls = { on_media, on_failed, on_client, on_slot, on_limit, on_writable, on_undead,
	on_died };

static void
on_spare(void *user)
{
	struct worker *w = workers_take(&pool);

	(void)user;
	ck_assert_ptr_nonnull(w);
	saw(WARM);
	if (!tune)
		return;
	w->calls = &calls;
	w->channel = "1";
	ck_assert_int_eq(worker_send(w, MSG_S_TUNE, NULL, 0, NULL, 0), 0);
	worker_tuned(w, NULL, adopt);
	ck_assert_int_eq(w->state, adopt ? W_LIVE : W_TUNED);
}

/*
 * One that was nobody's when it died: no stream tells. A worker here never
 * ends but by an 'x' or by being killed, so which of both it was is known.
 */
static void
on_turn(struct ev_loop *l, ev_check *watch, int revents)
{
	(void)l;
	(void)watch;
	(void)revents;
	if (LIST_EMPTY(&pool.all))
		saw(died_status != 0 ? seen : wanted == DISTRUSTED || wanted == DIED ? wanted : DIED);
}

static void
on_hang(struct ev_loop *l, ev_timer *watch, int revents)
{
	(void)l;
	(void)watch;
	(void)revents;
	ck_abort_msg("nothing came of it");
}

START_TEST(a_worker_is_believed_only_what_it_may_say)
{
	static const struct privs privs = { .root = false };
	static const struct workers_settings settings = {
		.log_level = LOG_ERR, .log_syslog = true, .watchdog_ms = 60000, .worker_memory = 64 << 20
	};
	ev_timer hang;
	ev_check turn;
	char row[16];
	ssize_t n;

	snprintf(row, sizeof(row), "%d", _i);
	ck_assert_int_eq(setenv("PB_TEST_ROW", row, 1), 0);
	log_init("test", LOG_TO_STDERR, LOG_AS_LOGFMT, LOG_EMERG);
	loop = ev_default_loop(0);
	ck_assert_ptr_nonnull(loop);
	n = readlink("/proc/self/exe", pool.program, sizeof(pool.program) - 1);
	ck_assert_int_gt(n, 0);
	wanted = rows[_i].is;
	adopt = strchr(rows[_i].words, 'a') != NULL;
	tune = adopt || strchr(rows[_i].words, 't') != NULL;
	pool.on_spare = on_spare;
	ck_assert_int_eq(workers_init(&pool, loop, &privs, &settings), 0);
	pool.refused = true; /* only this one */
	ev_timer_init(&hang, on_hang, HANGS, 0.0);
	ev_timer_start(loop, &hang);
	ev_check_init(&turn, on_turn);
	ev_check_start(loop, &turn);
	ev_run(loop, 0);
	ck_assert_msg(seen == wanted, "\"%s\" (%s): %d", rows[_i].words, rows[_i].what, seen);
	if (wanted == DISTRUSTED) {
		ck_assert_uint_eq(pool.deaths, 1);
		ck_assert(LIST_EMPTY(&pool.all));
	}
	workers_close(&pool);
}
END_TEST

/* What the supervisor looks at is written while it looks. */
START_TEST(a_heart_that_beats_while_it_is_asked_is_alive)
{
	static const struct {
		int64_t watched_ms, heart_ms, now_ms;
		bool hangs;
	} hearts[] = {
		{ 1000, 0, 2000, false }, /* none yet, and it has the time */
		{ 1000, 0, 2001, true },
		{ 1000, 5000, 6000, false },
		{ 1000, 5000, 6001, true },
		{ 5500, 5000, 6001, false }, /* what was before it is watched does not count */
		{ 1000, 6004, 6001, false }, /* it beat behind our back, and was silent for long by watched_ms */
		{ 1000, 7001, 6001, false },
		{ 1000, 7002, 6001, true }, /* nobody's */
		{ 1000, INT64_MAX / 1000000, 6001, true },
		{ 1000, INT64_MIN / 1000000, 6001, true },
	};
	struct state *state = calloc(1, sizeof(*state));
	struct worker worker = { .state = W_LIVE, .heart = state };

	ck_assert_ptr_nonnull(state);
	worker.watched_ns = hearts[_i].watched_ms * 1000000;
	atomic_store(&state->heartbeat_ns, hearts[_i].heart_ms * 1000000);
	ck_assert_int_eq(worker_hangs(&worker, hearts[_i].now_ms * 1000000, 1000), hearts[_i].hangs);
	free(state);
}
END_TEST

static void
on_no_spare(void *user)
{
	(void)user;
}

/* A start takes the processor from who waits for a picture; whoever would wait for the start goes first. */
START_TEST(a_tune_has_the_machine_to_itself)
{
	static const struct privs privs = { .root = false };
	static const struct workers_settings settings = {
		.log_level = LOG_ERR, .log_syslog = true, .watchdog_ms = 60000, .worker_memory = 64 << 20
	};
	enum { HAS_MEDIA, HAS_NONE, ADOPTION, ANOTHER } way = (unsigned)_i;
	struct worker warm = { .pool = &pool, .state = W_WARM, .fd = -1 };
	double wait_s = way == HAS_MEDIA ? WORKERS_SERVED_S : WORKERS_ALONE_S;
	ev_tstamp begun;

	ck_assert_int_eq(setenv("PB_TEST_ROW", "0", 1), 0);
	log_init("test", LOG_TO_STDERR, LOG_AS_LOGFMT, LOG_EMERG);
	loop = ev_default_loop(0);
	ck_assert_ptr_nonnull(loop);
	ck_assert_int_gt(readlink("/proc/self/exe", pool.program, sizeof(pool.program) - 1), 0);
	pool.on_spare = on_no_spare;
	pool.refused = true; /* the spare is the one above */
	ck_assert_int_eq(workers_init(&pool, loop, &privs, &settings), 0);
	pool.refused = false;
	LIST_INSERT_HEAD(&pool.all, &warm, link);
	ck_assert_ptr_eq(workers_take(&pool), &warm);
	warm.calls = &calls;
	warm.state = W_LIVE;
	if (way != ADOPTION)
		workers_tuning(&pool);
	workers_waiting(&pool, way == ANOTHER ? 1 : 0);
	if (way == ADOPTION || way == ANOTHER) {
		ck_assert_uint_eq(pool.starts, way == ANOTHER ? 2 : 1);
		return;
	}
	if (way == HAS_MEDIA)
		workers_tuned(&pool);
	ck_assert_uint_eq(pool.starts, 0);
	ck_assert(workers_ready(&pool));
	ck_assert(ev_is_active(&pool.start));
	ck_assert_double_le(ev_timer_remaining(loop, &pool.start), wait_s);
	begun = ev_now(loop);
	while (pool.starts == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_double_ge(ev_now(loop) - begun, wait_s * 0.99);
	ck_assert_uint_eq(pool.starts, 1);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s = suite_create("worker");
	TCase *tc = tcase_create("worker");
	SRunner *sr;
	int failed;

	if (argc > 1 && strcmp(argv[1], "--channel-fd") == 0)
		be_worker(argc, argv);
	sr = srunner_create(s);
	tcase_add_loop_test(tc, a_worker_is_believed_only_what_it_may_say, 0, (int)NITEMS(rows));
	tcase_add_loop_test(tc, a_heart_that_beats_while_it_is_asked_is_alive, 0, 10);
	tcase_add_loop_test(tc, a_tune_has_the_machine_to_itself, 0, 4);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
