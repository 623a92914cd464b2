/*
 * client.c - every viewer gets the bytes of the spool, from a key frame on
 *
 * A small stream is written by hand: one packet per PID and tick, numbered
 * so that a viewer's bytes tell where they came from.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <poll.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/ts.h"
#include "ipc/spool.h"
#include "worker/client.h"

#define TICK_MS 40
#define TICK_BYTES (4 * TS_PACKET)
#define HEAD "HTTP/1.1 200 OK\r\n\r\n"

static struct ev_loop *loop;
static struct state *state;
static struct clients *clients;
static int spool_fd, state_fd;
static uint64_t ticks;
static struct msg_client_report reports[64];
static size_t nreports;

static void
on_event(void *arg, const struct msg_client_report *report)
{
	(void)arg;
	ck_assert_uint_lt(nreports, NITEMS(reports));
	reports[nreports++] = *report;
}

static void
setup_with(uint32_t paused_ms)
{
	signal(SIGPIPE, SIG_IGN);
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(spool_create(&spool_fd), 0);
	ck_assert_int_eq(state_create(&state_fd, &state), 0);
	ck_assert_int_eq(clients_new(&clients, loop, spool_fd, state, 400, paused_ms, on_event, NULL), 0);
	ticks = 0;
	nreports = 0;
}

static void
setup(void)
{
	setup_with(600000);
}

static void
teardown(void)
{
	clients_free(&clients);
	state_unmap(&state);
	close(spool_fd);
	close(state_fd);
	ev_loop_destroy(loop);
}

/* n ticks of 40 ms; a key frame every 200 ms; released at once. */
static void
stream(uint64_t n)
{
	static const uint16_t pids[] = { TS_PID_PAT, 0x1000, 0x100, 0x101 };
	struct state_snapshot *draft = state_draft(state);

	for (; n > 0; n--, ticks++) {
		state_mark_put(state, draft, ticks * TICK_BYTES, (int64_t)ticks * TICK_MS * 27000, ticks % 5 == 0);
		for (size_t i = 0; i < NITEMS(pids); i++) {
			uint8_t p[TS_PACKET] = { TS_SYNC, (uint8_t)(pids[i] >> 8), (uint8_t)pids[i],
				(uint8_t)(0x10 | (ticks & 15)) };

			memcpy(p + 4, &ticks, sizeof(ticks));
			ck_assert_int_eq(spool_write(spool_fd, ticks * TICK_BYTES + i * TS_PACKET, p, TS_PACKET), 0);
		}
	}
	draft->head = ticks * TICK_BYTES;
	state_commit(state);
	atomic_store(&state->released, draft->head);
	clients_service(clients);
}

/* A connected TCP pair: [0] the bridge's end, [1] the viewer's. */
static void
tcp_pair(int pair[2], int rcvbuf)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int sndbuf = 16384;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sin, len), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	pair[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (rcvbuf > 0)
		ck_assert_int_eq(setsockopt(pair[1], SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
	ck_assert_int_eq(connect(pair[1], (struct sockaddr *)&sin, len), 0);
	pair[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ge(pair[0], 0);
	if (rcvbuf > 0)
		ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)), 0);
	close(listener);
}

static int
add(uint64_t id, uint32_t slot, int fd)
{
	struct msg_client from = { .client = id, .slot = slot, .head_len = sizeof(HEAD) - 1, .head = HEAD };

	return clients_add(clients, &from, fd);
}

/* Read until n bytes came or nothing more does, turning the loop meanwhile. */
static int patience = 50; /* empty looks before it is believed that nothing more comes */

static size_t
viewer_read(int fd, uint8_t *buf, size_t n)
{
	size_t got = 0;
	int idle = 0;

	while (got < n && idle < patience) {
		ssize_t r;

		ev_run(loop, EVRUN_NOWAIT);
		r = recv(fd, buf + got, n - got, MSG_DONTWAIT);
		if (r > 0) {
			got += (size_t)r;
			idle = 0;
		} else if (r == 0) {
			break;
		} else {
			struct pollfd more = { .fd = fd, .events = POLLIN };

			idle += poll(&more, 1, 4) == 0;
		}
	}
	return got;
}

static uint64_t
tick_of(const uint8_t *packet)
{
	uint64_t tick;

	memcpy(&tick, packet + 4, sizeof(tick));
	return tick;
}

START_TEST(a_viewer_begins_at_a_key_frame_a_burst_back)
{
	static uint8_t buf[1 << 16];
	size_t head = sizeof(HEAD) - 1, got;
	int pair[2];

	stream(
	    100); /* keys at ticks 0, 5, ...; the newest mark at 3960 ms, burst 400 ms: the key at 3400 ms, tick 85 */
	tcp_pair(pair, 0);
	ck_assert_int_eq(add(7, 3, pair[0]), 0);
	got = viewer_read(pair[1], buf, sizeof(buf));
	ck_assert_mem_eq(buf, HEAD, head);
	ck_assert_uint_eq(got, head + 15 * TICK_BYTES);
	ck_assert_uint_eq(tick_of(buf + head), 85);
	ck_assert_uint_eq(ts_pid(buf + head), TS_PID_PAT);
	ck_assert_uint_eq(state->slots[3].base_offset, 85 * TICK_BYTES);
	stream(5);
	ck_assert_uint_eq(viewer_read(pair[1], buf, sizeof(buf)), 5 * TICK_BYTES);
	ck_assert_uint_eq(tick_of(buf), 100);
	close(pair[1]);
}
END_TEST

/* What architecture.md builds adoption on: the place in the stream, from the kernel alone. */
START_TEST(the_kernel_knows_where_a_viewer_is)
{
	static uint8_t buf[1 << 16];
	struct state_slot *slot = &state->slots[0];
	uint64_t written;
	int pair[2];

	stream(50);
	tcp_pair(pair, 0);
	ck_assert_int_eq(add(1, 0, pair[0]), 0);
	for (int i = 0; i < 20; i++) {
		stream(7);
		(void)viewer_read(pair[1], buf, (size_t)i * 100);
		ck_assert_int_eq(client_written(pair[0], &written), 0);
		ck_assert_uint_eq(slot->base_offset + (written - slot->base_written), atomic_load(&slot->offset));
	}
	close(pair[1]);
}
END_TEST

/* Runs the loop until what is looked at once a second was. */
static void
until_looked_at(uint32_t slot, uint64_t id)
{
	while (atomic_load(&state->clients[slot].client) != id)
		ev_run(loop, EVRUN_ONCE);
}

START_TEST(a_viewers_connection_is_measured_once_a_second)
{
	int pair[2], value = 0;
	socklen_t len = sizeof(value);

	tcp_pair(pair, 0);
	stream(20);
	ck_assert_int_eq(add(7, 3, pair[0]), 0);
	until_looked_at(3, 7);
	ck_assert_uint_gt(atomic_load(&state->clients[3].rtt_us), 0);
	ck_assert_uint_eq(atomic_load(&state->clients[3].unacked_ms), 0);
	ck_assert_int_eq(getsockopt(pair[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &len), 0);
	ck_assert_int_eq(value, 8000 * 250 / 8); /* the rate is not known yet */
	ck_assert_int_eq(getsockopt(pair[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, &len), 0);
	ck_assert_int_eq(value, 10);
	/* Another rate makes other buffers. */
	atomic_store(&state->figures.media_kbps, 20000);
	atomic_store(&state->clients[3].client, 0);
	until_looked_at(3, 7);
	ck_assert_int_eq(getsockopt(pair[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &len), 0);
	ck_assert_int_eq(value, 20000 * 250 / 8);
	close(pair[1]);
}
END_TEST

START_TEST(a_viewer_that_does_not_read_holds_its_window_shut)
{
	int pair[2];

	tcp_pair(pair, 4096);
	stream(600);
	ck_assert_int_eq(add(8, 4, pair[0]), 0);
	until_looked_at(4, 8);
	atomic_store(&state->clients[4].client, 0);
	until_looked_at(4, 8);
	ck_assert_uint_gt(atomic_load(&state->clients[4].zero_window_ms), 500);
	ck_assert_uint_gt(atomic_load(&state->clients[4].queued), 0);
	close(pair[1]);
}
END_TEST

/* The first tick in what a viewer got. */
static uint64_t
first_tick(int fd)
{
	char head[sizeof(HEAD)];
	uint8_t p[TS_PACKET];
	uint64_t tick;

	ck_assert_int_eq(recv(fd, head, strlen(HEAD), MSG_WAITALL), (ssize_t)strlen(HEAD));
	ck_assert_int_eq(recv(fd, p, sizeof(p), MSG_WAITALL), (ssize_t)sizeof(p));
	memcpy(&tick, p + 4, sizeof(tick));
	return tick;
}

/* Where it was cut off, in ticks, and where it goes on; 100 ticks are released, a burst is ten, a key frame every five. */
static const struct {
	uint64_t at, from;
} backs[] = {
	{ 52, 50 }, { 50, 50 }, { 3, 0 }, { 99, 95 }, { 100, 95 }, { 1000, 85 }, /* nonsense: as anybody else */
};

START_TEST(one_that_was_cut_off_goes_on_where_it_was)
{
	struct msg_client msg = { .client = 9, .slot = 5, .head_len = strlen(HEAD), .back = 1 };
	int pair[2];

	memcpy(msg.head, HEAD, strlen(HEAD));
	msg.offset = backs[_i].at * TICK_BYTES;
	stream(100);
	tcp_pair(pair, 0);
	ck_assert_int_eq(clients_add(clients, &msg, pair[0]), 0);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_le(first_tick(pair[1]), backs[_i].from + 4);
	ck_assert_uint_ge(state->slots[5].base_offset, backs[_i].from / 5 * 5 * TICK_BYTES);
	ck_assert_uint_le(state->slots[5].base_offset, backs[_i].from * TICK_BYTES);
	close(pair[1]);
}
END_TEST

START_TEST(many_viewers_are_looked_at_in_slices)
{
	enum { N = 100 };
	static int pairs[N][2];
	uint32_t seen, first = 0;

	stream(20);
	for (uint32_t i = 0; i < N; i++) {
		tcp_pair(pairs[i], 0);
		ck_assert_int_eq(add(100 + i, i, pairs[i][0]), 0);
	}
	for (seen = 0; seen < N;) {
		ev_run(loop, EVRUN_ONCE);
		seen = 0;
		for (uint32_t i = 0; i < N; i++)
			seen += atomic_load(&state->clients[i].client) == 100 + i;
		if (first == 0)
			first = seen;
	}
	ck_assert_uint_le(first, N / 10);
	for (uint32_t i = 0; i < N; i++)
		close(pairs[i][1]);
}
END_TEST

START_TEST(nothing_released_is_an_answer_not_a_connection)
{
	int pair[2];

	tcp_pair(pair, 0);
	ck_assert_int_eq(add(1, 0, pair[0]), PB_NO);
	ck_assert_uint_eq(clients_count(clients), 0);
	close(pair[1]);
}
END_TEST

START_TEST(a_slot_that_is_taken_or_impossible_is_refused)
{
	int pair[2], other[2];

	stream(10);
	tcp_pair(pair, 0);
	tcp_pair(other, 0);
	ck_assert_int_eq(add(1, 5, pair[0]), 0);
	ck_assert_int_eq(add(2, 5, other[0]), PB_EPEER);
	close(other[1]);
	tcp_pair(other, 0);
	ck_assert_int_eq(add(3, STATE_SLOTS, other[0]), PB_EPEER);
	ck_assert_uint_eq(clients_count(clients), 1);
	close(pair[1]);
	close(other[1]);
}
END_TEST

/* A viewer that reads nothing while the window passes it by: finishes its packet, then skips, 0 counters wrong. */
START_TEST(a_viewer_that_fell_behind_skips_to_a_key_frame)
{
	static uint8_t all[1 << 22];
	struct state_slot *slot = &state->slots[0];
	uint8_t cc[TS_PIDS];
	size_t got, head = sizeof(HEAD) - 1;
	uint64_t last, skipped = 0, tail;
	int pair[2];

	memset(cc, 0xff, sizeof(cc));
	stream(10);
	tcp_pair(pair, 4096);
	ck_assert_int_eq(add(1, 0, pair[0]), 0);
	for (int i = 0; i < 200; i++) {
		stream(100);
		ev_run(loop, EVRUN_NOWAIT);
	}
	tail = (ticks - 500) * TICK_BYTES;
	ck_assert_uint_lt(atomic_load(&slot->offset), tail);
	clients_before_tail(clients, tail);
	atomic_store(&state->tail, tail);
	got = viewer_read(pair[1], all, sizeof(all));
	ck_assert_uint_eq(atomic_load(&slot->skips), 1);
	ck_assert_uint_eq((got - head) % TS_PACKET, 0);
	last = tick_of(all + head);
	for (size_t at = head; at < got; at += TS_PACKET) {
		const uint8_t *p = all + at;

		ck_assert_int_eq(p[0], TS_SYNC);
		if (ts_af_flags(p) & TS_AF_DISCONTINUITY) {
			cc[ts_pid(p)] = ts_cc(p);
			continue;
		}
		if (cc[ts_pid(p)] != 0xff)
			ck_assert_int_eq(ts_cc(p), (cc[ts_pid(p)] + 1) & 15);
		cc[ts_pid(p)] = ts_cc(p);
		if (tick_of(p) > last + 1) {
			skipped++;
			ck_assert_uint_eq(tick_of(p) % 5, 0); /* a key frame */
			ck_assert_uint_eq(ts_pid(p), TS_PID_PAT);
		}
		last = tick_of(p);
	}
	ck_assert_uint_eq(skipped, 1);
	ck_assert_uint_eq(last, ticks - 1);
	ck_assert_uint_eq(nreports, 0);
	close(pair[1]);
}
END_TEST

START_TEST(a_closed_viewer_is_reported_and_its_end_too)
{
	int pair[2];

	stream(10);
	tcp_pair(pair, 0);
	ck_assert_int_eq(add(9, 2, pair[0]), 0);
	close(pair[1]); /* with bytes unread: the bridge sees a reset, or an end and then a reset */
	for (int i = 0; i < 100 && clients_count(clients) > 0; i++) {
		stream(1);
		ev_run(loop, EVRUN_NOWAIT);
	}
	ck_assert_uint_eq(clients_count(clients), 0);
	ck_assert_uint_ge(nreports, 1);
	ck_assert_uint_eq(reports[nreports - 1].event, CLIENT_GONE);
	ck_assert_uint_eq(reports[nreports - 1].client, 9);
	ck_assert_uint_eq(atomic_load(&state->slots[2].phase), SLOT_ENDED);
}
END_TEST

START_TEST(a_half_closed_viewer_goes_on_reading)
{
	static uint8_t buf[1 << 16];
	int pair[2];

	stream(10);
	tcp_pair(pair, 0);
	ck_assert_int_eq(add(9, 2, pair[0]), 0);
	shutdown(pair[1], SHUT_WR);
	while (nreports == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_eq(reports[0].event, CLIENT_EOF);
	(void)viewer_read(pair[1], buf, sizeof(buf));
	stream(10);
	ck_assert_uint_eq(viewer_read(pair[1], buf, sizeof(buf)), 10 * TICK_BYTES);
	ck_assert_uint_eq(clients_count(clients), 1);
	close(pair[1]);
}
END_TEST

START_TEST(a_drop_is_answered_also_for_one_that_is_gone)
{
	struct msg_drop drop = { .client = 9, .slot = 2 };
	int pair[2];

	stream(10);
	tcp_pair(pair, 0);
	ck_assert_int_eq(add(9, 2, pair[0]), 0);
	clients_drop(clients, &drop);
	clients_drop(clients, &drop);
	ck_assert_uint_eq(nreports, 2);
	ck_assert_uint_eq(reports[0].event, CLIENT_DROPPED);
	ck_assert_uint_eq(reports[1].event, CLIENT_DROPPED);
	ck_assert_uint_eq(clients_count(clients), 0);
	close(pair[1]);
}
END_TEST

START_TEST(one_that_reads_nothing_is_paused_then_given_up)
{
	int pair[2];

	clients_free(&clients);
	ck_assert_int_eq(clients_new(&clients, loop, spool_fd, state, 400, 2500, on_event, NULL), 0);
	stream(10);
	tcp_pair(pair, 4096);
	ck_assert_int_eq(add(1, 0, pair[0]), 0);
	stream(1000);
	while (nreports == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_eq(reports[0].event, CLIENT_PAUSED);
	close(pair[1]);
}
END_TEST

START_TEST(three_hundred_viewers_each_get_all)
{
	static int pairs[300][2];
	static uint8_t buf[1 << 16];

	stream(10);
	for (uint32_t i = 0; i < NITEMS(pairs); i++) {
		tcp_pair(pairs[i], 0);
		ck_assert_int_eq(add(i + 1, i, pairs[i][0]), 0);
	}
	stream(10);
	for (size_t i = 0; i < NITEMS(pairs); i++) {
		size_t got = viewer_read(pairs[i][1], buf, sizeof(HEAD) - 1 + 20 * TICK_BYTES);

		ck_assert_uint_eq((got - (sizeof(HEAD) - 1)) % TICK_BYTES, 0);
		ck_assert_uint_eq(tick_of(buf + got - TS_PACKET), 19);
	}
	clients_free(&clients);
	for (size_t i = 0; i < NITEMS(pairs); i++)
		close(pairs[i][1]);
}
END_TEST

/* Those who keep up are lent the same pages; one that can't, and one that comes later, are where they are. */
START_TEST(many_viewers_get_the_very_bytes)
{
	enum { N = 20, NARROW = 3, LATER = 11 };
	static uint8_t got[N][1 << 20], want[1 << 20];
	size_t head = sizeof(HEAD) - 1, len[N] = { 0 };
	int pairs[N][2];

	patience = 1;
	stream(30);
	for (uint32_t i = 0; i < N; i++)
		tcp_pair(pairs[i], i == NARROW ? 4096 : 0);
	for (uint32_t i = 0; i < N; i++)
		if (i != LATER)
			ck_assert_int_eq(add(i + 1, i, pairs[i][0]), 0);
	for (int round = 0; round < 30; round++) {
		if (round == 10)
			ck_assert_int_eq(add(LATER + 1, LATER, pairs[LATER][0]), 0);
		stream((uint64_t)(3 + round % 4 * 20));
		for (size_t i = 0; i < N; i++)
			len[i] +=
			    viewer_read(pairs[i][1], got[i] + len[i], i == NARROW ? 500 : sizeof(got[i]) - len[i]);
	}
	patience = 50;
	for (size_t i = 0; i < N; i++) {
		uint64_t from = state->slots[i].base_offset;
		size_t all = (size_t)(ticks * TICK_BYTES - from);

		len[i] += viewer_read(pairs[i][1], got[i] + len[i], head + all - len[i]);
		ck_assert_uint_eq(len[i], head + all);
		ck_assert_int_eq(pread(spool_fd, want, all, (off_t)from), (ssize_t)all);
		ck_assert_mem_eq(got[i] + head, want, all);
	}
	for (size_t i = 0; i < N; i++)
		close(pairs[i][1]);
}
END_TEST

/* What a worker that dies leaves: its descriptors are gone, the supervisor's copies and the state stay. */
static void
succeed(int copies[], const uint64_t ids[], size_t n)
{
	clients_free(&clients);
	ck_assert_int_eq(clients_new(&clients, loop, spool_fd, state, 400, 600000, on_event, NULL), 0);
	for (uint32_t slot = 0; slot < n; slot++) {
		struct msg_client from = { .client = ids[slot], .slot = slot, .resume = 1 };

		ck_assert_int_eq(clients_resume(clients, &from, dup(copies[slot])), 0);
	}
}

START_TEST(a_successor_goes_on_to_the_byte)
{
	static uint8_t all[2][1 << 22], want[1 << 22];
	const uint64_t ids[2] = { 11, 12 };
	size_t got[2] = { 0 }, head = sizeof(HEAD) - 1;
	int pairs[2][2], copies[2];

	srand((unsigned)_i);
	patience = 1;
	stream(50);
	for (int v = 0; v < 2; v++) {
		tcp_pair(pairs[v], v == 0 ? 0 : 4096);
		copies[v] = dup(pairs[v][0]);
		ck_assert_int_eq(add(ids[v], (uint32_t)v, pairs[v][0]), 0);
	}
	for (int step = 0; step < 60; step++) {
		stream((uint64_t)(rand() % 8));
		for (int v = 0; v < 2; v++)
			got[v] += viewer_read(pairs[v][1], all[v] + got[v], (size_t)(rand() % 9000));
		if (rand() % 3 == 0)
			succeed(copies, ids, 2);
	}
	patience = 50;
	for (int v = 0; v < 2; v++) {
		struct state_slot *slot = &state->slots[v];
		size_t due = head + ticks * TICK_BYTES - slot->base_offset;

		got[v] += viewer_read(pairs[v][1], all[v] + got[v], due - got[v]);
		ck_assert_uint_eq(got[v], due);
		patience = 1;
		ck_assert_uint_eq(viewer_read(pairs[v][1], all[v] + got[v], 1), 0);
		patience = 50;
		ck_assert_mem_eq(all[v], HEAD, head);
		ck_assert_int_eq(
		    pread(spool_fd, want, got[v] - head, (off_t)slot->base_offset), (ssize_t)(got[v] - head));
		ck_assert_mem_eq(all[v] + head, want, got[v] - head);
	}
	ck_assert_uint_eq(nreports, 0);
	for (int v = 0; v < 2; v++) {
		close(pairs[v][1]);
		close(copies[v]);
	}
}
END_TEST

/* The worker may die while a slow viewer's skip is on its way, at any byte of it. */
START_TEST(a_successor_carries_out_a_skip_that_was_planned)
{
	static uint8_t all[1 << 22];
	const uint64_t ids[1] = { 5 };
	size_t got, head = sizeof(HEAD) - 1, jumps = 0;
	uint64_t last, tail;
	int pair[2], copy;

	stream(10);
	tcp_pair(pair, 4096);
	copy = dup(pair[0]);
	ck_assert_int_eq(add(ids[0], 0, pair[0]), 0);
	for (int i = 0; i < 200; i++) {
		stream(100);
		ev_run(loop, EVRUN_NOWAIT);
	}
	tail = (ticks - 500) * TICK_BYTES;
	clients_before_tail(clients, tail);
	atomic_store(&state->tail, tail);
	ck_assert_uint_eq(spool_punch(spool_fd, 0, tail) > 0, true); /* what is gone is gone */
	if (_i == 0)
		succeed(&copy, ids, 1); /* before it is planned */
	for (size_t n = 1, got_before = got = 0; n > 0; got_before = got) {
		got += viewer_read(pair[1], all + got, 7000 + (size_t)_i * 13);
		n = got - got_before;
		succeed(&copy, ids, 1);
	}
	ck_assert_uint_eq((got - head) % TS_PACKET, 0);
	last = tick_of(all + head);
	for (size_t at = head; at < got; at += TS_PACKET) {
		const uint8_t *p = all + at;

		ck_assert_int_eq(p[0], TS_SYNC);
		if (ts_af_flags(p) & TS_AF_DISCONTINUITY)
			continue;
		ck_assert_uint_ge(tick_of(p), last);
		jumps += tick_of(p) > last + 1;
		last = tick_of(p);
	}
	ck_assert_uint_eq(jumps, 1);
	ck_assert_uint_eq(last, ticks - 1);
	close(pair[1]);
	close(copy);
}
END_TEST

/* Its worker died before its first byte, and by the time of the next one the window is elsewhere. */
START_TEST(one_that_had_nothing_yet_begins_and_does_not_skip)
{
	static uint8_t buf[1 << 16];
	struct msg_client from = { .client = 3, .slot = 2, .resume = 1 };
	struct state_slot *slot = &state->slots[2];
	size_t head = sizeof(HEAD) - 1, got;
	int pair[2];

	stream(100);
	tcp_pair(pair, 0);
	slot->client = 3;
	slot->head_len = (uint32_t)head;
	memcpy(slot->head, HEAD, head);
	slot->base_offset = 5 * TICK_BYTES;
	slot->base_written = head;
	atomic_store(&slot->phase, SLOT_BODY);
	atomic_store(&state->tail, 50 * TICK_BYTES);
	ck_assert_int_eq(clients_resume(clients, &from, pair[0]), 0);
	stream(1);
	got = viewer_read(pair[1], buf, sizeof(buf));
	ck_assert_uint_ge(got, head + 10 * TICK_BYTES);
	ck_assert_mem_eq(buf, HEAD, head);
	ck_assert_uint_eq(ts_pid(buf + head), TS_PID_PAT);
	ck_assert_uint_eq(ts_af_flags(buf + head) & TS_AF_DISCONTINUITY, 0);
	ck_assert_uint_eq(tick_of(buf + head) % 5, 0);
	ck_assert_uint_eq(tick_of(buf + got - TS_PACKET), ticks - 1);
	close(pair[1]);
}
END_TEST

START_TEST(a_slot_that_lies_is_not_believed)
{
	struct msg_client from = { .client = 9, .slot = 2, .resume = 1 };
	int pair[2], copy;

	stream(10);
	tcp_pair(pair, 0);
	copy = dup(pair[0]);
	ck_assert_int_eq(add(9, 2, pair[0]), 0);
	clients_free(&clients);
	ck_assert_int_eq(clients_new(&clients, loop, spool_fd, state, 400, 600000, on_event, NULL), 0);
	from.client = 8;
	ck_assert_int_eq(clients_resume(clients, &from, dup(copy)), PB_EPEER);
	from.client = 9;
	state->slots[2].base_offset = UINT64_MAX / 2;
	ck_assert_int_eq(clients_resume(clients, &from, dup(copy)), PB_EPEER);
	state->slots[2].base_offset = 0;
	state->slots[2].base_written += 100000;
	ck_assert_int_eq(clients_resume(clients, &from, dup(copy)), PB_EPEER);
	state->slots[2].base_written -= 100000;
	ck_assert_int_eq(clients_resume(clients, &from, dup(copy)), 0);
	close(pair[1]);
	close(copy);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("client");
	TCase *tc = tcase_create("client");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, a_viewer_begins_at_a_key_frame_a_burst_back);
	tcase_add_test(tc, the_kernel_knows_where_a_viewer_is);
	tcase_add_test(tc, a_viewers_connection_is_measured_once_a_second);
	tcase_add_test(tc, a_viewer_that_does_not_read_holds_its_window_shut);
	tcase_add_loop_test(tc, one_that_was_cut_off_goes_on_where_it_was, 0, (int)NITEMS(backs));
	tcase_add_test(tc, many_viewers_are_looked_at_in_slices);
	tcase_add_test(tc, nothing_released_is_an_answer_not_a_connection);
	tcase_add_test(tc, a_slot_that_is_taken_or_impossible_is_refused);
	tcase_add_test(tc, a_viewer_that_fell_behind_skips_to_a_key_frame);
	tcase_add_test(tc, a_closed_viewer_is_reported_and_its_end_too);
	tcase_add_test(tc, a_half_closed_viewer_goes_on_reading);
	tcase_add_test(tc, a_drop_is_answered_also_for_one_that_is_gone);
	tcase_add_test(tc, one_that_reads_nothing_is_paused_then_given_up);
	tcase_add_test(tc, three_hundred_viewers_each_get_all);
	tcase_add_test(tc, many_viewers_get_the_very_bytes);
	tcase_add_loop_test(tc, a_successor_goes_on_to_the_byte, 0, 20);
	tcase_add_loop_test(tc, a_successor_carries_out_a_skip_that_was_planned, 0, 6);
	tcase_add_test(tc, one_that_had_nothing_yet_begins_and_does_not_skip);
	tcase_add_test(tc, a_slot_that_lies_is_not_believed);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
