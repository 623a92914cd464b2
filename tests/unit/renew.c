/*
 * renew.c - a client goes on in a fresh spool, from wherever it was in the old one
 *
 * The connection is a real one, for the kernel knows what was written to it.
 */
#include "supervisor/renew.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/ts.h"
#include "ipc/spool.h"

#define HEAD 100
#define START (10 * TS_PACKET) /* where the client began */
#define BASE (1000 * TS_PACKET)

static int server, viewer, spool;
static struct state_slot from, to;

static void
setup(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	uint8_t bytes[2000];

	ck_assert_int_eq(bind(l, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(l, 1), 0);
	ck_assert_int_eq(getsockname(l, (struct sockaddr *)&sa, &len), 0);
	viewer = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(viewer, (struct sockaddr *)&sa, sizeof(sa)), 0);
	server = accept(l, NULL, NULL);
	ck_assert_int_ne(server, -1);
	close(l);
	ck_assert_int_eq(spool_create(&spool), 0);
	for (uint64_t at = 0; at < BASE; at += sizeof(bytes)) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)((at + i) * 31 >> 3);
		ck_assert_int_eq(spool_write(spool, at, bytes, sizeof(bytes)), 0);
	}
	memset(&from, 0, sizeof(from));
	memset(&to, 0, sizeof(to));
	from.client = 7;
	from.head_len = HEAD;
	from.base_offset = START;
	from.base_written = HEAD;
	atomic_store(&from.phase, SLOT_BODY);
}

static void
teardown(void)
{
	close(server);
	close(viewer);
	close(spool);
}

static void
wrote(size_t n)
{
	uint8_t bytes[4096] = { 0 };

	ck_assert_int_eq(write(server, bytes, n), (ssize_t)n);
}

static bool
carry(uint64_t tail)
{
	return renew_slot(&from, &to, server, spool, tail, BASE);
}

/* What the worker's client.c makes of it: the next byte of the old stream. */
static uint64_t
next_of(uint64_t written)
{
	return to.base_offset + (written > to.base_written ? written - to.base_written : 0);
}

/* Wherever in a packet it was: the rest of just that packet waits in its slot. */
START_TEST(the_packet_in_hand_is_finished)
{
	size_t body = (size_t)_i;
	size_t rest = (TS_PACKET - body % TS_PACKET) % TS_PACKET;

	wrote(HEAD + body);
	ck_assert(carry(0));
	ck_assert_uint_eq(to.client, 7);
	ck_assert_uint_eq(atomic_load(&to.phase), SLOT_BODY);
	ck_assert_uint_eq(next_of(HEAD + body), START + body);
	ck_assert_uint_eq(to.prelude_len, rest);
	for (size_t i = 0; i < rest; i++)
		ck_assert_uint_eq(to.prelude[i], (uint8_t)((START + body + i) * 31 >> 3));
}
END_TEST

START_TEST(a_head_that_is_half_out_goes_on)
{
	wrote(HEAD / 2);
	ck_assert(carry(0));
	ck_assert_uint_eq(to.head_len, HEAD);
	ck_assert_uint_eq(to.base_written, HEAD);
	ck_assert_uint_eq(to.prelude_len, 0);
}
END_TEST

START_TEST(what_a_worker_put_aside_behind_the_tail_is_kept)
{
	wrote(HEAD + 100);
	memset(from.prelude, 0xab, 88);
	from.prelude_len = 88;
	ck_assert(carry(START + 10 * TS_PACKET));
	ck_assert_uint_eq(to.prelude_len, 88);
	ck_assert_uint_eq(to.prelude[0], 0xab);
}
END_TEST

START_TEST(a_skip_under_way_is_finished_first)
{
	wrote(HEAD + 100 + 50);
	from.prelude_len = 88 + 4 * TS_PACKET;
	from.plan_written = HEAD + 100;
	from.plan_offset = START + 20 * TS_PACKET;
	atomic_store(&from.planned, 1);
	ck_assert(carry(0));
	ck_assert_uint_eq(atomic_load(&to.planned), 1);
	ck_assert_uint_eq(to.prelude_len, from.prelude_len);
	ck_assert_uint_eq(to.plan_offset, from.plan_offset);
}
END_TEST

START_TEST(a_skip_that_is_over_counts_from_where_it_led)
{
	from.prelude_len = 88 + 4 * TS_PACKET;
	wrote(HEAD + 100 + from.prelude_len + 10);
	from.plan_written = HEAD + 100;
	from.plan_offset = START + 20 * TS_PACKET;
	atomic_store(&from.planned, 1);
	ck_assert(carry(0));
	ck_assert_uint_eq(atomic_load(&to.planned), 0);
	ck_assert_uint_eq(next_of(HEAD + 100 + from.prelude_len + 10), from.plan_offset + 10);
	ck_assert_uint_eq(to.prelude_len, TS_PACKET - 10);
}
END_TEST

/* The old state is what another process wrote. */
static const struct {
	uint32_t head_len, prelude_len, planned;
	uint64_t base_offset, base_written, plan_written, plan_offset;
} lies[] = {
	{ STATE_HEAD_MAX + 1, 0, 0, START, HEAD, 0, 0 },
	{ HEAD, STATE_PRELUDE_MAX + 1, 0, START, HEAD, 0, 0 },
	{ HEAD, 0, 0, BASE, HEAD, 0, 0 },
	{ HEAD, 0, 0, UINT64_MAX - 10, HEAD, 0, 0 },
	{ HEAD, 0, 0, START, UINT64_MAX, 0, 0 },
	{ HEAD, 0, 0, START, HEAD + 5000, 0, 0 },
	{ HEAD, 0, 1, START, HEAD, UINT64_MAX, START },
	{ HEAD, 0, 1, START, HEAD, HEAD, BASE },
	{ HEAD, 0, 1, START, HEAD, HEAD, UINT64_MAX },
};

START_TEST(what_can_not_be_is_refused)
{
	wrote(HEAD + 300);
	from.head_len = lies[_i].head_len;
	from.prelude_len = lies[_i].prelude_len;
	from.base_offset = lies[_i].base_offset;
	from.base_written = lies[_i].base_written;
	from.plan_written = lies[_i].plan_written;
	from.plan_offset = lies[_i].plan_offset;
	atomic_store(&from.planned, lies[_i].planned);
	ck_assert(!carry(0));
	ck_assert_uint_eq(atomic_load(&to.phase), SLOT_FREE);
}
END_TEST

START_TEST(a_state_of_another_layout_shows_its_prefix)
{
	struct state *state, *prefix, *other;
	uint32_t layout = STATE_LAYOUT + 99;
	int fd;

	ck_assert_int_eq(state_create(&fd, &state), 0);
	atomic_store(&state->released, 12345);
	state->layout = layout;
	ck_assert_int_eq(state_map(fd, &other), PB_NO);
	ck_assert_int_eq(state_map_prefix(fd, &prefix), 0);
	ck_assert_uint_eq(atomic_load(&prefix->released), 12345);
	ck_assert_uint_eq(prefix->layout, layout);
	state_unmap_prefix(&prefix);
	ck_assert_ptr_null(prefix);
	state->slot_size++;
	ck_assert_int_eq(state_map_prefix(fd, &prefix), PB_EPEER);
	state_unmap(&state);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("renew");
	TCase *tc = tcase_create("renew");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_packet_in_hand_is_finished, 0, 2 * TS_PACKET + 1);
	tcase_add_test(tc, a_head_that_is_half_out_goes_on);
	tcase_add_test(tc, what_a_worker_put_aside_behind_the_tail_is_kept);
	tcase_add_test(tc, a_skip_under_way_is_finished_first);
	tcase_add_test(tc, a_skip_that_is_over_counts_from_where_it_led);
	tcase_add_loop_test(tc, what_can_not_be_is_refused, 0, NITEMS(lies));
	tcase_add_test(tc, a_state_of_another_layout_shows_its_prefix);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
