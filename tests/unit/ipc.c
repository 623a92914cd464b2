/*
 * ipc.c - what must hold for whatever crosses a process boundary
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/seals.h"
#include "ipc/msg.h"
#include "ipc/spool.h"
#include "ipc/state.h"

static int spool_fd, state_fd;
static struct state *state;

static void
setup(void)
{
	ck_assert_int_eq(spool_create(&spool_fd), 0);
	ck_assert_int_eq(state_create(&state_fd, &state), 0);
}

static void
teardown(void)
{
	state_unmap(&state);
	close(state_fd);
	close(spool_fd);
}

START_TEST(a_spool_keeps_every_byte_at_its_offset)
{
	char buf[4096], got[4096];
	uint64_t at = ((uint64_t)1 << 40) + 123; /* far out: the file is sparse */

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7);
	ck_assert_int_eq(spool_write(spool_fd, at, buf, sizeof(buf)), 0);
	ck_assert_int_eq(pread(spool_fd, got, sizeof(got), (off_t)at), sizeof(got));
	ck_assert_mem_eq(got, buf, sizeof(buf));
	ck_assert_uint_le(spool_memory(spool_fd), 3 * SPOOL_BLOCK);
}
END_TEST

START_TEST(a_spool_can_be_pulled_from_under_nobody)
{
	ck_assert(spool_valid(spool_fd));
	ck_assert_int_eq(ftruncate(spool_fd, 0), -1);
	ck_assert_int_eq(ftruncate(spool_fd, (off_t)SPOOL_SIZE + 1), -1);
	ck_assert_int_eq(fcntl(spool_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert(!spool_valid(state_fd));
	ck_assert_int_eq(spool_write(spool_fd, SPOOL_SIZE - 1, "ab", 2), PB_ELIMIT);
}
END_TEST

#define SEAL_EXEC 0x0020 /* Linux 6.3, as the next one */
#define NOEXEC_SEAL 0x0008U

/* Kernels with vm.memfd_noexec add one of their own. */
START_TEST(seals_are_those_that_matter)
{
	static const struct {
		int seals;
		bool valid;
	} rows[] = {
		{ F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL, true },
		{ F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL | SEAL_EXEC, true },
		{ F_SEAL_GROW | F_SEAL_SHRINK, false },
		{ F_SEAL_GROW | F_SEAL_SEAL, false },
		{ F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL | F_SEAL_WRITE, false },
		{ F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE, false },
	};
	int seals = rows[_i].seals;
	int fd = memfd_create("test", MFD_CLOEXEC | (seals & SEAL_EXEC ? NOEXEC_SEAL : MFD_ALLOW_SEALING));

	if (fd == -1) {
		ck_assert_int_eq(errno, EINVAL); /* this kernel doesn't know it */
		return;
	}
	ck_assert_int_eq(ftruncate(fd, (off_t)SPOOL_SIZE), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	ck_assert(spool_valid(fd) == rows[_i].valid);
	close(fd);
}
END_TEST

START_TEST(holes_are_whole_blocks_and_give_memory_back)
{
	static char block[1 << 20];
	uint64_t before, tail;
	char byte;

	memset(block, 'x', sizeof(block));
	for (uint64_t at = 0; at < 5 * SPOOL_BLOCK; at += sizeof(block))
		ck_assert_int_eq(spool_write(spool_fd, at, block, sizeof(block)), 0);
	before = spool_memory(spool_fd);
	tail = spool_punch(spool_fd, 0, 2 * SPOOL_BLOCK + 5);
	ck_assert_uint_eq(tail, 2 * SPOOL_BLOCK);
	ck_assert_uint_eq(spool_memory(spool_fd), before - 2 * SPOOL_BLOCK);
	ck_assert_int_eq(pread(spool_fd, &byte, 1, (off_t)tail), 1);
	ck_assert_int_eq(byte, 'x');
	/* Nothing whole to give back: nothing happens. */
	ck_assert_uint_eq(spool_punch(spool_fd, tail, tail + SPOOL_BLOCK - 1), tail);
	ck_assert_uint_eq(spool_punch(spool_fd, 5, tail), 5);
}
END_TEST

START_TEST(what_a_spool_sends_is_what_was_written)
{
	int pair[2];
	char buf[1000], got[1000];

	memset(buf, 'q', sizeof(buf));
	ck_assert_int_eq(spool_write(spool_fd, 188, buf, sizeof(buf)), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_eq(spool_send(spool_fd, pair[0], 188, sizeof(buf)), sizeof(buf));
	ck_assert_int_eq(read(pair[1], got, sizeof(got)), sizeof(got));
	ck_assert_mem_eq(got, buf, sizeof(buf));
	while (spool_send(spool_fd, pair[0], 0, 1 << 20) > 0)
		;
	ck_assert_int_eq(spool_send(spool_fd, pair[0], 0, 1 << 20), 0);
	close(pair[1]);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(spool_send(spool_fd, pair[0], 0, 1), PB_ESYS);
	close(pair[0]);
}
END_TEST

/* All that is in it, up to max bytes. */
static size_t
received(int fd, char *buf, size_t max)
{
	size_t n = 0;
	ssize_t got;

	while (n < max && (got = recv(fd, buf + n, max - n, MSG_DONTWAIT)) > 0)
		n += (size_t)got;
	return n;
}

#define FANNED (300 * 188) /* from inside a page into another one */

/* A connection of TCP that holds little of what is sent to pair[0]. */
static void
narrow_pair(int pair[2])
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), small = 4096;

	pair[1] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(setsockopt(pair[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	ck_assert_int_eq(connect(pair[1], (struct sockaddr *)&addr, sizeof(addr)), 0);
	pair[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	ck_assert_int_ge(pair[0], 0);
	ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	close(listener);
}

START_TEST(what_is_lent_to_many_is_what_was_written)
{
	static char buf[FANNED + 188], got[FANNED + 188];
	int pairs[9][2];
	struct spool_fan fan;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 >> 3);
	ck_assert_int_eq(spool_write(spool_fd, 0, buf, sizeof(buf)), 0);
	spool_fan_init(&fan);
	/* The third takes it in pieces, the fifth is gone: both are nobody else's loss. */
	for (size_t i = 0; i < NITEMS(pairs); i++)
		if (i == 2)
			narrow_pair(pairs[i]);
		else
			ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]), 0);
	close(pairs[4][1]);
	for (size_t i = 0; i < NITEMS(pairs); i++) {
		size_t sent = 0, seen = 0, pieces = 0;

		if (i == 4) {
			ck_assert_int_eq(spool_fan_send(&fan, spool_fd, pairs[i][0], 188, FANNED), PB_ESYS);
			continue;
		}
		while (seen < FANNED) {
			ssize_t n = 0;

			if (sent < FANNED)
				n = spool_fan_send(&fan, spool_fd, pairs[i][0], 188 + sent, FANNED - sent);
			ck_assert_int_ge(n, 0);
			pieces += n > 0;
			sent += (size_t)n;
			seen += received(pairs[i][1], got + seen, sizeof(got) - seen);
			ck_assert_uint_le(seen, sent);
		}
		ck_assert_uint_eq(sent, FANNED);
		ck_assert(i == 2 ? pieces > 1 : pieces == 1);
		ck_assert_mem_eq(got, buf + 188, FANNED);
	}
	/* A hole below it takes nothing from what is held, and nothing is held behind spool_fan_forget(). */
	ck_assert_int_gt(spool_fan_send(&fan, spool_fd, pairs[0][0], 188, 188), 0);
	ck_assert_uint_eq(spool_punch(spool_fd, 0, SPOOL_BLOCK), SPOOL_BLOCK);
	ck_assert_int_eq(spool_fan_send(&fan, spool_fd, pairs[1][0], 188, 188), 188);
	ck_assert_uint_eq(received(pairs[1][1], got, sizeof(got)), 188);
	ck_assert_mem_eq(got, buf + 188, 188);
	spool_fan_forget(&fan);
	ck_assert_int_eq(spool_fan_send(&fan, spool_fd, pairs[1][0], 188, 188), 188);
	ck_assert_uint_eq(received(pairs[1][1], got, sizeof(got)), 188);
	ck_assert_int_eq(got[0] | got[187], 0);
	spool_fan_close(&fan);
	for (size_t i = 0; i < NITEMS(pairs); i++) {
		close(pairs[i][0]);
		if (i != 4)
			close(pairs[i][1]);
	}
}
END_TEST

START_TEST(more_than_a_pipe_holds_and_no_pipe_at_all)
{
	static char buf[1 << 20], got[1 << 20];
	struct rlimit few, all;
	struct spool_fan fan;
	int pair[2], size = 4 << 20;
	ssize_t n;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 5 >> 4);
	ck_assert_int_eq(spool_write(spool_fd, 0, buf, sizeof(buf)), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
	spool_fan_init(&fan);
	for (int without = 0; without < 2; without++) {
		few = all;
		few.rlim_cur = without ? 3 : all.rlim_cur; /* all that are open stay open */
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		for (size_t sent = 0; sent < sizeof(buf); sent += (size_t)n) {
			n = spool_fan_send(&fan, spool_fd, pair[0], sent, sizeof(buf) - sent);
			ck_assert_int_gt(n, 0);
			ck_assert_uint_eq(received(pair[1], got + sent, (size_t)n), (size_t)n);
		}
		ck_assert_mem_eq(got, buf, sizeof(buf));
		spool_fan_close(&fan);
	}
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

static void
commit(uint64_t head, const char *blob)
{
	struct state_snapshot *draft = state_draft(state);

	draft->head = head;
	draft->conform_len = (uint32_t)strlen(blob);
	memcpy(draft->conform, blob, strlen(blob));
	state_commit(state);
}

START_TEST(a_commit_is_seen_whole_and_a_draft_not_at_all)
{
	static struct state_snapshot got;
	struct state_snapshot *draft;

	commit(188, "one");
	commit(376, "two");
	draft = state_draft(state);
	ck_assert_uint_eq(draft->head, 376);
	draft->head = 999;
	memcpy(draft->conform, "bad", 3);
	ck_assert(state_snapshot_read(state, &got));
	ck_assert_uint_eq(got.head, 376);
	ck_assert_mem_eq(got.conform, "two", 3);
	ck_assert_uint_eq(atomic_load(&state->head), 376);
}
END_TEST

/* A writer that is killed anywhere leaves the old snapshot or the new one. */
START_TEST(a_writer_killed_at_any_moment_leaves_a_whole_snapshot)
{
	static struct state_snapshot got;
	pid_t pid = fork();

	if (pid == 0) {
		for (uint64_t n = 1;; n++) {
			struct state_snapshot *draft = state_draft(state);

			draft->head = n;
			draft->marks = n * 3;
			draft->conform_len = sizeof(n);
			memcpy(draft->conform, &n, sizeof(n));
			state_commit(state);
		}
	}
	while (atomic_load(&state->head) < 1000u + (unsigned)_i * 977)
		;
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(state_snapshot_read(state, &got));
	ck_assert_uint_eq(got.marks, got.head * 3);
	ck_assert_mem_eq(got.conform, &got.head, sizeof(got.head));
}
END_TEST

static void
put_marks(int n, int every, int key_every)
{
	struct state_snapshot *draft = state_draft(state);

	for (int i = 0; i < n; i++)
		state_mark_put(state, draft, (uint64_t)i * 1880, (int64_t)i * every * 27000, i % key_every == 0);
	draft->head = (uint64_t)n * 1880;
	state_commit(state);
	atomic_store(&state->released, draft->head);
}

START_TEST(a_key_frame_is_found_at_or_before_a_time)
{
	uint64_t offset;
	int64_t pcr;
	uint64_t end = 100 * 1880;

	put_marks(100, 40, 25); /* keys at 0, 1000, 2000, 3000 ms */
	ck_assert(state_find_key(state, 100, 2500 * 27000, 0, end, &offset, &pcr));
	ck_assert_int_eq(pcr, 2000 * 27000);
	ck_assert_uint_eq(offset, 50 * 1880);
	ck_assert(state_find_key(state, 100, INT64_MAX, 0, end, &offset, &pcr));
	ck_assert_int_eq(pcr, 3000 * 27000);
	/* Later than asked is better than none; what is behind the tail or not released is none. */
	ck_assert(state_find_key(state, 100, 500 * 27000, 10 * 1880, end, &offset, &pcr));
	ck_assert_int_eq(pcr, 1000 * 27000);
	ck_assert(state_find_key(state, 100, INT64_MAX, 0, 75 * 1880, &offset, &pcr));
	ck_assert_int_eq(pcr, 2000 * 27000);
	ck_assert(!state_find_key(state, 100, INT64_MAX, 76 * 1880, end, &offset, &pcr));
	ck_assert(!state_find_key(state, 0, INT64_MAX, 0, end, &offset, &pcr));
}
END_TEST

START_TEST(old_marks_make_room_for_new_ones)
{
	uint64_t offset;
	int64_t pcr;
	int n = STATE_INDEX * 2 + 10;

	put_marks(n, 40, 25);
	ck_assert(state_find_key(state, (uint64_t)n, 0, 0, (uint64_t)n * 1880, &offset, &pcr));
	ck_assert_int_ge(pcr, (int64_t)(n - STATE_INDEX) * 40 * 27000);
	ck_assert_uint_eq(state_span_ms(state, (uint64_t)(n - 101) * 1880, (uint64_t)(n - 1) * 1880), 4000);
}
END_TEST

/* The supervisor reads what a worker that went mad may have written. */
START_TEST(nonsense_in_a_state_is_bounded)
{
	struct state_view view;

	put_marks(100, 40, 25);
	atomic_store(&state->released, UINT64_MAX);
	atomic_store(&state->head, UINT64_MAX - 1);
	atomic_store(&state->tail, UINT64_MAX - 2);
	state->snapshot[0].marks = state->snapshot[1].marks = UINT64_MAX;
	for (int i = 0; i < STATE_INDEX; i++)
		atomic_store(&state->marks[i].pcr_27m_key, i % 2 ? INT64_MAX : INT64_MIN);
	state_view(state, &view);
	ck_assert_uint_le(view.tail, view.released);
	ck_assert_uint_le(view.released, view.head);
	ck_assert_uint_le(view.head, SPOOL_SIZE);
	ck_assert_uint_lt(view.reserve_ms, 86400 * 1000);
}
END_TEST

START_TEST(a_state_of_another_build_is_told_from_rubbish)
{
	struct state *other = NULL;

	ck_assert_int_eq(state_map(state_fd, &other), 0);
	state_unmap(&other);
	state->layout++;
	ck_assert_int_eq(state_map(state_fd, &other), PB_NO);
	state->layout--;
	state->magic = 0;
	ck_assert_int_eq(state_map(state_fd, &other), PB_EPEER);
	ck_assert_int_eq(state_map(spool_fd, &other), PB_EPEER);
	ck_assert_ptr_null(other);
}
END_TEST

START_TEST(a_message_arrives_whole_with_its_descriptors)
{
	static struct msg m;
	struct msg_drop drop = { .client = 77, .slot = 3 };
	int pair[2], fds[2] = { spool_fd, state_fd };

	ck_assert_int_eq(msg_pair(pair), 0);
	ck_assert_int_eq(msg_recv(pair[1], &m), PB_AGAIN);
	ck_assert_int_eq(msg_send(pair[0], MSG_S_DROP, &drop, sizeof(drop), fds, 2), 0);
	ck_assert_int_eq(msg_send(pair[0], MSG_S_PING, NULL, 0, NULL, 0), 0);
	ck_assert_int_eq(msg_recv(pair[1], &m), 0);
	ck_assert_uint_eq(m.type, MSG_S_DROP);
	ck_assert_uint_eq(m.len, sizeof(drop));
	ck_assert_mem_eq(m.data, &drop, sizeof(drop));
	ck_assert_uint_eq(m.nfds, 2);
	ck_assert(spool_valid(m.fds[0]));
	ck_assert_int_eq(fcntl(m.fds[0], F_GETFD), FD_CLOEXEC);
	msg_close_fds(&m);
	ck_assert_int_eq(msg_recv(pair[1], &m), 0);
	ck_assert_uint_eq(m.type, MSG_S_PING);
	close(pair[0]);
	ck_assert_int_eq(msg_recv(pair[1], &m), PB_NO);
	close(pair[1]);
}
END_TEST

START_TEST(a_message_that_lies_about_itself_is_refused)
{
	static struct msg m;
	static const uint32_t cut[] = { MSG_S_DROP }, lie[] = { MSG_S_DROP, 100, 1, 2 };
	static char huge[MSG_DATA_MAX + 100];
	int pair[2];

	ck_assert_int_eq(msg_pair(pair), 0);
	ck_assert_int_eq(send(pair[0], cut, sizeof(cut), 0), sizeof(cut));
	ck_assert_int_eq(msg_recv(pair[1], &m), PB_EPEER);
	ck_assert_int_eq(send(pair[0], lie, sizeof(lie), 0), sizeof(lie));
	ck_assert_int_eq(msg_recv(pair[1], &m), PB_EPEER);
	ck_assert_int_eq(send(pair[0], huge, sizeof(huge), 0), sizeof(huge));
	ck_assert_int_eq(msg_recv(pair[1], &m), PB_EPEER);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(a_full_socket_is_no_error_and_loses_nothing)
{
	static struct msg m;
	struct msg_drop drop = { 0 };
	int pair[2], err;
	uint64_t sent = 0, got = 0;

	ck_assert_int_eq(msg_pair(pair), 0);
	while ((err = msg_send(pair[0], MSG_S_DROP, &drop, sizeof(drop), NULL, 0)) == 0)
		drop.client = ++sent;
	ck_assert_int_eq(err, PB_AGAIN);
	while (msg_recv(pair[1], &m) == 0) {
		memcpy(&drop, m.data, sizeof(drop));
		ck_assert_uint_eq(drop.client, got++);
	}
	ck_assert_uint_eq(got, sent);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(every_message_has_a_name_and_texts_are_cleaned)
{
	char text[8] = { 'a', '\n', '"', '\x7f', 'b', 'c', 'd', 'e' };

	for (uint32_t t = MSG_HELLO; t < MSG_COUNT; t++)
		ck_assert_str_ne(msg_name(t), "unknown");
	ck_assert_str_eq(msg_name(MSG_COUNT), "unknown");
	for (uint32_t e = CLIENT_EOF; e < CLIENT_EVENTS; e++)
		ck_assert_str_ne(msg_client_event_name(e), "unknown");
	msg_text(text, sizeof(text));
	ck_assert_str_eq(text, "a???bcd");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ipc");
	TCase *tc = tcase_create("ipc");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_spool_keeps_every_byte_at_its_offset);
	tcase_add_test(tc, a_spool_can_be_pulled_from_under_nobody);
	tcase_add_loop_test(tc, seals_are_those_that_matter, 0, 6);
	tcase_add_test(tc, holes_are_whole_blocks_and_give_memory_back);
	tcase_add_test(tc, what_a_spool_sends_is_what_was_written);
	tcase_add_test(tc, what_is_lent_to_many_is_what_was_written);
	tcase_add_test(tc, more_than_a_pipe_holds_and_no_pipe_at_all);
	tcase_add_test(tc, a_commit_is_seen_whole_and_a_draft_not_at_all);
	tcase_add_loop_test(tc, a_writer_killed_at_any_moment_leaves_a_whole_snapshot, 0, 20);
	tcase_add_test(tc, a_key_frame_is_found_at_or_before_a_time);
	tcase_add_test(tc, old_marks_make_room_for_new_ones);
	tcase_add_test(tc, nonsense_in_a_state_is_bounded);
	tcase_add_test(tc, a_state_of_another_build_is_told_from_rubbish);
	tcase_add_test(tc, a_message_arrives_whole_with_its_descriptors);
	tcase_add_test(tc, a_message_that_lies_about_itself_is_refused);
	tcase_add_test(tc, a_full_socket_is_no_error_and_loses_nothing);
	tcase_add_test(tc, every_message_has_a_name_and_texts_are_cleaned);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
