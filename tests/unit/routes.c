/*
 * tests/unit/routes.c - what the kernel says of addresses and routes, whole, cut and wrong
 */
#include "worker/routes.h"

#include <arpa/inet.h>
#include <check.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"
#include "worker/sockets.h"
#include "worker/wire.h"

static struct sockaddr_storage gone[8];
static size_t ngone;

static void
on_gone(void *arg, const struct sockaddr *address)
{
	(void)arg;
	if (ngone < NITEMS(gone))
		memcpy(&gone[ngone], address,
		    address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	ngone++;
}

static union {
	struct nlmsghdr head;
	uint8_t bytes[1024];
} out;
static size_t len;

static void *
message(uint16_t type, size_t body)
{
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)(out.bytes + len);

	memset(h, 0, NLMSG_LENGTH(body));
	h->nlmsg_type = type;
	h->nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	len += NLMSG_ALIGN(h->nlmsg_len);
	return NLMSG_DATA(h);
}

static void
attribute(uint16_t type, const void *value, size_t size)
{
	struct nlmsghdr *h = &out.head;
	struct rtattr *a = (struct rtattr *)(void *)(out.bytes + len);

	while ((uint8_t *)h + NLMSG_ALIGN(h->nlmsg_len) < out.bytes + len)
		h = (struct nlmsghdr *)(void *)((uint8_t *)h + NLMSG_ALIGN(h->nlmsg_len));
	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	memcpy(RTA_DATA(a), value, size);
	h->nlmsg_len = NLMSG_ALIGN(h->nlmsg_len) + RTA_ALIGN(a->rta_len);
	len += RTA_ALIGN(a->rta_len);
}

static void
address_message(uint16_t type, const char *text)
{
	struct in6_addr v6;
	struct in_addr v4;
	struct ifaddrmsg *m = message(type, sizeof(*m));

	if (inet_pton(AF_INET, text, &v4) == 1) {
		m->ifa_family = AF_INET;
		attribute(IFA_LOCAL, &v4, sizeof(v4));
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, text, &v6), 1);
		m->ifa_family = AF_INET6;
		attribute(IFA_ADDRESS, &v6, sizeof(v6));
	}
}

static void
route_message(uint16_t type, uint8_t table, uint32_t flags)
{
	struct rtmsg *m = message(type, sizeof(*m));

	m->rtm_family = AF_INET;
	m->rtm_table = table;
	m->rtm_flags = flags;
}

static void
setup(void)
{
	len = ngone = 0;
	memset(&gone, 0, sizeof(gone));
}

START_TEST(a_lost_address_is_named)
{
	char text[INET6_ADDRSTRLEN];

	address_message(RTM_DELADDR, "192.0.2.7");
	address_message(RTM_DELADDR, "2001:db8::7");
	ck_assert(routes_hear(out.bytes, len, on_gone, NULL));
	ck_assert_uint_eq(ngone, 2);
	ck_assert_str_eq(
	    inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)&gone[0])->sin_addr, text, sizeof(text)), "192.0.2.7");
	ck_assert_str_eq(inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)&gone[1])->sin6_addr, text, sizeof(text)),
	    "2001:db8::7");
}
END_TEST

static const struct {
	uint16_t type;
	uint8_t table;
	uint32_t flags;
	bool changed;
} changes[] = {
	{ RTM_NEWROUTE, RT_TABLE_MAIN, 0, true },
	{ RTM_DELROUTE, RT_TABLE_MAIN, 0, true },
	{ RTM_NEWROUTE, RT_TABLE_LOCAL, 0, false },
	{ RTM_NEWROUTE, RT_TABLE_MAIN, RTM_F_CLONED, false },
	{ RTM_NEWNEIGH, RT_TABLE_MAIN, 0, false },
	{ NLMSG_DONE, RT_TABLE_MAIN, 0, false },
	{ RTM_NEWLINK, 0, 0, true },
	{ RTM_DELLINK, 0, 0, true },
};

START_TEST(what_may_be_another_way_out_is_a_change)
{
	route_message(changes[_i].type, changes[_i].table, changes[_i].flags);
	ck_assert_int_eq(routes_hear(out.bytes, len, on_gone, NULL), changes[_i].changed);
	ck_assert_uint_eq(ngone, 0);
}
END_TEST

/* Cut at every byte, and with every byte of it another: nothing is read that isn't there (a sanitizer would tell). */
START_TEST(a_datagram_that_is_cut_or_wrong_hurts_nobody)
{
	address_message(RTM_DELADDR, "192.0.2.7");
	route_message(RTM_NEWROUTE, RT_TABLE_MAIN, 0);
	address_message(RTM_DELADDR, "2001:db8::7");
	for (size_t n = 0; n <= len; n++) {
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, out.bytes, n);
		(void)routes_hear(copy, n, on_gone, NULL);
		free(copy);
	}
	for (size_t i = 0; i < len; i++)
		for (unsigned v = 0; v < 256; v += 17) {
			uint8_t *copy = malloc(len);

			memcpy(copy, out.bytes, len);
			copy[i] = (uint8_t)v;
			(void)routes_hear(copy, len, on_gone, NULL);
			free(copy);
		}
	ck_assert_uint_gt(ngone, 0);
}
END_TEST

static void
pair_of(int pair[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t sin_len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sin, sin_len), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sin, &sin_len), 0);
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(pair[0], (struct sockaddr *)&sin, sin_len), 0);
	pair[1] = accept(listener, NULL, NULL);
	ck_assert_int_ge(pair[1], 0);
	close(listener);
}

START_TEST(connections_from_a_lost_address_end_and_others_do_not)
{
	static struct sockets all;
	struct sockaddr_in lost = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in other = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000207) };
	int pair[2];
	char byte;

	pair_of(pair);
	sockets_add(&all, pair[0]);
	ck_assert_uint_eq(sockets_end(&all, (struct sockaddr *)&other), 0);
	ck_assert_int_eq(send(pair[0], "x", 1, MSG_NOSIGNAL), 1);
	ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 1);
	ck_assert_uint_eq(sockets_end(&all, (struct sockaddr *)&lost), 1);
	ck_assert_int_eq(recv(pair[0], &byte, 1, 0), 0);
	sockets_remove(&all, pair[0]);
	ck_assert_uint_eq(all.count, 0);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(what_closed_connections_counted_is_kept)
{
	static struct sockets all;
	int pair[2];
	char byte;

	for (int i = 0; i < 3; i++) {
		pair_of(pair);
		sockets_add(&all, pair[0]);
		ck_assert_int_eq(send(pair[1], "x", 1, MSG_NOSIGNAL), 1);
		ck_assert_int_eq(recv(pair[0], &byte, 1, 0), 1);
		sockets_read(&all);
		sockets_read(&all); /* counts nothing twice */
		sockets_remove(&all, pair[0]);
		close(pair[0]);
		close(pair[1]);
	}
	ck_assert_uint_ge(all.segments_in, 3);
	ck_assert_uint_le(all.segments_in, 9);
	ck_assert_uint_eq(all.retransmits, 0);
	sockets_remove(&all, 12345); /* unknown */
	for (int i = 0; i < SOCKETS_MAX + 5; i++)
		sockets_add(&all, -1);
	ck_assert_uint_eq(all.count, SOCKETS_MAX);
	sockets_read(&all);
	ck_assert_uint_eq(all.rtt_ms, 0);
}
END_TEST

START_TEST(what_is_no_tcp_socket_has_no_wire)
{
	struct wire wire;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(wire_read(fds[0], &wire), PB_ESYS);
	ck_assert_int_eq(wire_read(-1, &wire), PB_ESYS);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("routes");
	TCase *tc = tcase_create("routes");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_lost_address_is_named);
	tcase_add_loop_test(tc, what_may_be_another_way_out_is_a_change, 0, (int)NITEMS(changes));
	tcase_add_test(tc, a_datagram_that_is_cut_or_wrong_hurts_nobody);
	tcase_add_test(tc, connections_from_a_lost_address_end_and_others_do_not);
	tcase_add_test(tc, what_closed_connections_counted_is_kept);
	tcase_add_test(tc, what_is_no_tcp_socket_has_no_wire);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
