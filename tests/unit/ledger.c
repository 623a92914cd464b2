/*
 * ledger.c - the ledger is whole whenever its writer dies, and believes nobody
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "ipc/ledger.h"
#include "ipc/state.h"
#include "supervisor/units.h"

#define KILLS 200
#define VERSIONS 5
#define WRITERS_CLIENTS 300

static struct ledger *ledger;

static void
setup(void)
{
	ck_assert_int_eq(ledger_create(&ledger), 0);
}

static void
teardown(void)
{
	ledger_free(&ledger);
	ck_assert_ptr_null(ledger);
}

static struct ledger *
open_again(size_t *dropped)
{
	struct ledger *again = NULL;
	uint64_t last;
	int fd = dup(ledger_fd(ledger));

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(ledger_open(fd, &again, dropped, &last), 0);
	return again;
}

static struct ledger_stream
a_stream(uint64_t number)
{
	return (struct ledger_stream){
		.number = number, .tuner = 3, .live = 1, .restarts = 2, .born_ns = 5, .guide_number = "5.1"
	};
}

static struct ledger_client
a_client(uint64_t number, uint64_t stream)
{
	struct ledger_client c = { .number = number,
		.stream = stream,
		.slot = 7,
		.duration_s = 60,
		.since_ns = 1,
		.served_ns = 2,
		.agent = "a viewer" };

	return c;
}

START_TEST(what_was_put_is_found_by_the_next_supervisor)
{
	struct ledger_socket socket = {
		.number = ledger_number(ledger), .role = LEDGER_TUNER, .bound_to = "0.0.0.0:5004"
	};
	struct ledger_stream stream = a_stream(ledger_number(ledger));
	struct ledger_client client = a_client(ledger_number(ledger), stream.number);
	struct ledger_socket socket_got;
	struct ledger_stream stream_got;
	struct ledger_client client_got;
	struct ledger *again;
	size_t dropped, at;

	ck_assert_int_eq(ledger_put_socket(ledger, &socket), 0);
	ck_assert_int_eq(ledger_put_stream(ledger, &stream), 0);
	ck_assert_int_eq(ledger_put_client(ledger, &client), 0);
	again = open_again(&dropped);
	ck_assert_uint_eq(dropped, 0);
	at = 0;
	ck_assert(ledger_next_socket(again, &at, &socket_got));
	ck_assert_mem_eq(&socket_got, &socket, sizeof(socket));
	ck_assert(!ledger_next_socket(again, &at, &socket_got));
	at = 0;
	ck_assert(ledger_next_stream(again, &at, &stream_got));
	ck_assert_mem_eq(&stream_got, &stream, sizeof(stream));
	ck_assert(!ledger_next_stream(again, &at, &stream_got));
	at = 0;
	ck_assert(ledger_next_client(again, &at, &client_got));
	ck_assert_mem_eq(&client_got, &client, sizeof(client));
	ck_assert(!ledger_next_client(again, &at, &client_got));
	ck_assert_uint_eq(ledger_number(again), client.number + 1);
	ledger_free(&again);
}
END_TEST

START_TEST(an_entry_is_replaced_by_its_number_and_struck_by_it)
{
	struct ledger_stream stream = a_stream(ledger_number(ledger)), other = a_stream(ledger_number(ledger)), got;
	struct ledger *again;
	size_t dropped, at = 0;

	ck_assert_int_eq(ledger_put_stream(ledger, &stream), 0);
	ck_assert_int_eq(ledger_put_stream(ledger, &other), 0);
	for (unsigned n = 0; n < 9; n++) {
		stream.restarts = n;
		ck_assert_int_eq(ledger_put_stream(ledger, &stream), 0);
	}
	again = open_again(&dropped);
	ck_assert(ledger_next_stream(again, &at, &got));
	ck_assert_uint_eq(got.restarts, 8);
	ck_assert(ledger_next_stream(again, &at, &got));
	ck_assert_uint_eq(got.number, other.number);
	ck_assert(!ledger_next_stream(again, &at, &got));
	ledger_free(&again);

	ledger_strike_stream(ledger, stream.number);
	ledger_strike_stream(ledger, stream.number);
	ledger_strike_stream(ledger, 1000000);
	again = open_again(&dropped);
	at = 0;
	ck_assert(ledger_next_stream(again, &at, &got));
	ck_assert_uint_eq(got.number, other.number);
	ck_assert(!ledger_next_stream(again, &at, &got));
	ledger_free(&again);
}
END_TEST

START_TEST(a_full_ledger_says_so_and_has_room_again_for_each_that_is_struck)
{
	struct ledger_stream stream = a_stream(1);
	struct ledger_stream got;
	size_t at = 0, n = 0;

	for (int i = 0; i < LEDGER_STREAMS; i++) {
		stream.number = ledger_number(ledger);
		ck_assert_int_eq(ledger_put_stream(ledger, &stream), 0);
	}
	ck_assert_int_eq(ledger_put_stream(ledger, &stream), 0); /* it is there: no more room is needed */
	stream.number = ledger_number(ledger);
	ck_assert_int_eq(ledger_put_stream(ledger, &stream), PB_ELIMIT);
	ledger_strike_stream(ledger, 17);
	ck_assert_int_eq(ledger_put_stream(ledger, &stream), 0);
	while (ledger_next_stream(ledger, &at, &got))
		n++;
	ck_assert_uint_eq(n, LEDGER_STREAMS);
}
END_TEST

START_TEST(every_tuner_that_there_may_be_has_its_place)
{
	struct ledger_stream stream = a_stream(ledger_number(ledger)), got;
	size_t at = 0;

	stream.tuner = UNITS_MAX * UNIT_TUNERS - 1;
	ck_assert_int_eq(ledger_put_stream(ledger, &stream), 0);
	ck_assert(ledger_next_stream(ledger, &at, &got));
	ck_assert_int_eq(got.tuner, stream.tuner);
}
END_TEST

START_TEST(starts_are_counted_until_one_has_settled)
{
	struct ledger *again;
	size_t dropped;

	ck_assert_uint_eq(ledger_started(ledger), 0);
	again = open_again(&dropped);
	ck_assert_uint_eq(ledger_started(again), 1);
	ck_assert_uint_eq(ledger_started(ledger), 2);
	ledger_settled(again);
	ck_assert_uint_eq(ledger_started(ledger), 0);
	ledger_free(&again);
}
END_TEST

START_TEST(an_unused_ledger_takes_next_to_no_memory)
{
	struct stat st;
	struct ledger *again;
	size_t dropped;

	again = open_again(&dropped);
	ck_assert_int_eq(fstat(ledger_fd(ledger), &st), 0);
	ck_assert_int_le(st.st_blocks * 512, 256 * 1024);
	ledger_free(&again);
}
END_TEST

/* What is handed over as a ledger, and isn't one. */
START_TEST(only_a_ledger_is_opened)
{
	struct ledger *again = NULL;
	struct state *state;
	struct stat st;
	size_t dropped;
	uint64_t last;
	uint32_t words[4] = { LEDGER_MAGIC, LEDGER_LAYOUT + 1, 12, 0 };
	uint64_t given = 4711;
	int fd, null = open("/dev/null", O_RDWR);

	ck_assert_int_eq(ledger_open(null, &again, &dropped, &last), PB_EPEER);
	close(null);
	ck_assert_int_eq(state_create(&fd, &state), 0);
	ck_assert_int_eq(ledger_open(fd, &again, &dropped, &last), PB_EPEER);
	state_unmap(&state);
	close(fd);

	/* Not sealed: it could be pulled from under us. */
	ck_assert_int_eq(fstat(ledger_fd(ledger), &st), 0);
	fd = memfd_create("unsealed", MFD_ALLOW_SEALING);
	words[1] = LEDGER_LAYOUT;
	ck_assert_int_eq(ftruncate(fd, st.st_size), 0);
	ck_assert_int_eq(pwrite(fd, words, sizeof(words), 0), sizeof(words));
	ck_assert_int_eq(ledger_open(fd, &again, &dropped, &last), PB_EPEER);
	/* Of another layout: its numbers are to be known all the same. */
	words[1] = LEDGER_LAYOUT + 1;
	ck_assert_int_eq(pwrite(fd, words, sizeof(words), 0), sizeof(words));
	ck_assert_int_eq(pwrite(fd, &given, sizeof(given), sizeof(words)), sizeof(given));
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
	ck_assert_int_eq(ledger_open(fd, &again, &dropped, &last), PB_NO);
	ck_assert_uint_eq(last, 4711);
	/* Of ours, and not of its size. */
	words[1] = LEDGER_LAYOUT;
	ck_assert_int_eq(pwrite(fd, words, sizeof(words), 0), sizeof(words));
	ck_assert_int_eq(ledger_open(fd, &again, &dropped, &last), PB_EPEER);
	ck_assert_ptr_null(again);
	close(fd);
}
END_TEST

static void
check_all(const struct ledger *l)
{
	struct ledger_socket socket;
	struct ledger_stream stream;
	struct ledger_client client;
	size_t at;

	for (at = 0; ledger_next_socket(l, &at, &socket);) {
		ck_assert(socket.number != 0 && socket.role > 0 && socket.role < LEDGER_ROLES);
		ck_assert_uint_lt(strnlen(socket.bound_to, sizeof(socket.bound_to)), sizeof(socket.bound_to));
	}
	for (at = 0; ledger_next_stream(l, &at, &stream);) {
		ck_assert(stream.number != 0 && stream.tuner >= 0 && stream.live <= 1);
		ck_assert_uint_lt(
		    strnlen(stream.guide_number, sizeof(stream.guide_number)), sizeof(stream.guide_number));
	}
	for (at = 0; ledger_next_client(l, &at, &client);) {
		ck_assert(client.number != 0 && client.stream != 0);
		ck_assert(client.slot < STATE_SLOTS || client.slot == LEDGER_NO_SLOT);
		ck_assert_uint_lt(strnlen(client.agent, sizeof(client.agent)), sizeof(client.agent));
	}
}

/* Every word live, and random bytes in all that follows: each seed another way. */
START_TEST(nonsense_in_the_ledger_is_dropped_and_given_to_nobody)
{
	struct ledger *again;
	struct stat st;
	unsigned char *bytes;
	size_t dropped, kept = 0, second;
	struct ledger_client client;

	srandom((unsigned)_i + 1);
	for (int i = 0; i < 50; i++) {
		struct ledger_stream s = a_stream(ledger_number(ledger));
		struct ledger_client c = a_client(ledger_number(ledger), s.number);

		ck_assert_int_eq(ledger_put_stream(ledger, &s), 0);
		ck_assert_int_eq(ledger_put_client(ledger, &c), 0);
	}
	ck_assert_int_eq(fstat(ledger_fd(ledger), &st), 0);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, ledger_fd(ledger), 0);
	ck_assert_ptr_ne(bytes, MAP_FAILED);
	for (int i = 0; i < 200000; i++)
		bytes[64 + (size_t)random() % ((size_t)st.st_size - 64)] = (unsigned char)(_i % 2 ? random() : 1);
	again = open_again(&dropped);
	ck_assert_uint_gt(dropped, 0);
	check_all(again);
	for (size_t at = 0; ledger_next_client(again, &at, &client);)
		kept++;
	ck_assert_uint_le(kept, LEDGER_CLIENTS);
	ledger_free(&again);
	/* What was dropped is out of the way for good. */
	again = open_again(&second);
	ck_assert_uint_eq(second, 0);
	ledger_free(&again);
	munmap(bytes, (size_t)st.st_size);
}
END_TEST

/*
 * Deaths
 */

static struct ledger_socket
versioned(uint64_t number, int version)
{
	struct ledger_socket s = { .number = number, .role = 1 + (unsigned)version % 3 };

	memset(s.bound_to, 'a' + version, sizeof(s.bound_to) - 1);
	return s;
}

/* Which version a whole entry is; a mixed one is none. */
static int
version_of(const struct ledger_socket *s)
{
	int version = s->bound_to[0] - 'a';
	struct ledger_socket want = versioned(s->number, version);

	ck_assert_msg(memcmp(s, &want, sizeof(want)) == 0, "an entry is two entries mixed");
	return version;
}

static _Noreturn void
write_versions(uint64_t number)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
		_exit(77);
	raise(SIGSTOP);
	for (int v = 1; v <= VERSIONS; v++) {
		struct ledger_socket s = versioned(number, v);

		(void)ledger_put_socket(ledger, &s);
	}
	ledger_strike_socket(ledger, number);
	_exit(0);
}

/* The writer is stopped after every single instruction; what a death there leaves is looked at. */
START_TEST(it_is_whole_after_every_instruction_of_its_writer)
{
	uint64_t number = ledger_number(ledger);
	int status, seen = 0, versions = 0;
	long steps = 0;
	pid_t pid = fork();

	if (pid == 0)
		write_versions(number);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		ck_assert_int_eq(
		    WEXITSTATUS(status), 77); /* whoever runs us allows no tracing; the kills below say it too */
		return;
	}
	while (WIFSTOPPED(status)) {
		struct ledger_socket s;
		struct ledger *again;
		size_t dropped, at = 0;
		int now = 0;

		again = open_again(&dropped);
		ck_assert_uint_eq(dropped, 0);
		if (ledger_next_socket(again, &at, &s)) {
			now = version_of(&s);
			ck_assert_uint_eq(s.number, number);
			ck_assert(!ledger_next_socket(again, &at, &s));
		}
		ledger_free(&again);
		ck_assert_msg(
		    now == seen || now == seen + 1 || (seen == VERSIONS && now == 0), "%d after %d", now, seen);
		versions += now != seen;
		seen = now;
		steps++;
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_int_eq(versions, VERSIONS + 1);
	ck_assert_int_gt(steps, VERSIONS * 20);
}
END_TEST

/* agent and since say the same thing; so do number and stream. */
static struct ledger_client
marked(uint64_t number, unsigned mark)
{
	struct ledger_client c = a_client(number, number * 3);

	c.since_ns = mark;
	c.served_ns = (int64_t)mark * 2;
	snprintf(c.agent, sizeof(c.agent), "%064u%060u", mark, mark);
	return c;
}

/* Whatever the last one left is gone on with, as a supervisor would. */
static _Noreturn void
write_at_random(unsigned seed, int told)
{
	struct ledger_client c;
	uint64_t numbers[WRITERS_CLIENTS];
	size_t count = 0, at = 0, dropped;
	struct ledger *mine = open_again(&dropped);

	srandom(seed);
	while (count < WRITERS_CLIENTS && ledger_next_client(mine, &at, &c))
		numbers[count++] = c.number;
	for (;;) {
		size_t which = count > 0 ? (size_t)random() % count : 0;

		switch (random() % 3) {
		case 0:
			if (count == WRITERS_CLIENTS)
				break;
			c = marked(ledger_number(mine), (unsigned)random());
			numbers[count++] = c.number;
			(void)ledger_put_client(mine, &c);
			if (told != -1)
				(void)!write(told, "", 1);
			told = -1;
			break;
		case 1:
			if (count == 0)
				break;
			c = marked(numbers[which], (unsigned)random());
			(void)ledger_put_client(mine, &c);
			break;
		default:
			if (count == 0)
				break;
			ledger_strike_client(mine, numbers[which]);
			numbers[which] = numbers[--count];
		}
	}
}

START_TEST(it_is_whole_whenever_its_writer_is_killed)
{
	uint64_t last = 0;
	size_t seen = 0;
	int told[2];
	char byte;

	ck_assert_int_eq(pipe(told), 0);
	srandom(4711);
	for (int i = 0; i < KILLS; i++) {
		struct timespec moment = { .tv_nsec = random() % 1000000 };
		struct ledger_client c, want;
		struct ledger *again;
		size_t dropped, at = 0;
		uint64_t now;
		pid_t pid = fork();

		if (pid == 0)
			write_at_random((unsigned)i, i % 10 == 0 ? told[1] : -1);
		/* On a busy machine a writer may never get to run before its end: some of them must have put something. */
		if (i % 10 == 0)
			ck_assert_int_eq(read(told[0], &byte, 1), 1);
		(void)nanosleep(&moment, NULL); /* the moment itself is what is tried */
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		again = open_again(&dropped);
		ck_assert_uint_eq(dropped, 0);
		now = ledger_number(again);
		while (ledger_next_client(again, &at, &c)) {
			want = marked(c.number, (unsigned)c.since_ns);
			ck_assert_mem_eq(&c, &want, sizeof(c));
			ck_assert_uint_lt(c.number, now);
			seen++;
		}
		ck_assert_uint_gt(now, last);
		last = now;
		ledger_free(&again);
	}
	ck_assert_uint_gt(seen, 0);
	close(told[0]);
	close(told[1]);
}
END_TEST

/*
 * Names
 */

START_TEST(a_name_is_short_and_says_one_number)
{
	static const uint64_t numbers[] = { 1, 35, 36, 1295, 1296, 4711, UINT32_MAX, UINT64_C(1) << 56 };
	char name[LEDGER_NAME], what;
	uint64_t number;

	for (size_t i = 0; i < NITEMS(numbers); i++) {
		ledger_name(name, LEDGER_FD_CLIENT, numbers[i]);
		ck_assert_uint_le(strlen(name), 12);
		ck_assert(ledger_name_parse(name, &what, &number));
		ck_assert_int_eq(what, LEDGER_FD_CLIENT);
		ck_assert_uint_eq(number, numbers[i]);
	}
}
END_TEST

START_TEST(a_name_that_we_never_gave_is_no_name)
{
	static const char *const names[] = { "", "C", "C0", "C01", "X1", "1", "CA", "C-1", "C1 ", "ledger", "stored",
		"Czzzzzzzzzzz", "Czzzzzzzzzzzzzzzzzzzzzz" };
	char what;
	uint64_t number;

	ck_assert_msg(!ledger_name_parse(names[_i], &what, &number), "%s", names[_i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ledger");
	TCase *tc = tcase_create("ledger");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_was_put_is_found_by_the_next_supervisor);
	tcase_add_test(tc, an_entry_is_replaced_by_its_number_and_struck_by_it);
	tcase_add_test(tc, a_full_ledger_says_so_and_has_room_again_for_each_that_is_struck);
	tcase_add_test(tc, every_tuner_that_there_may_be_has_its_place);
	tcase_add_test(tc, starts_are_counted_until_one_has_settled);
	tcase_add_test(tc, an_unused_ledger_takes_next_to_no_memory);
	tcase_add_test(tc, only_a_ledger_is_opened);
	tcase_add_loop_test(tc, nonsense_in_the_ledger_is_dropped_and_given_to_nobody, 0, 6);
	tcase_add_test(tc, it_is_whole_after_every_instruction_of_its_writer);
	tcase_add_test(tc, it_is_whole_whenever_its_writer_is_killed);
	tcase_add_test(tc, a_name_is_short_and_says_one_number);
	tcase_add_loop_test(tc, a_name_that_we_never_gave_is_no_name, 0, 13);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
