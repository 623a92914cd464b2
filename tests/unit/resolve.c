/*
 * tests/unit/resolve.c - names, with resolvers that answer, lie and die
 *
 * The resolver is a UDP socket of the test on the same loop. A watchdog
 * measures every turn of the loop.
 */
#include "tests/lib/delay.h"
#include "worker/resolve.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "base/pb.h"

enum mode { ANSWER, NXDOMAIN, SERVFAIL, SWALLOW, SWALLOW_V6 };

static struct ev_loop *loop;
static struct resolve *r;
static struct {
	ev_io io;
	int fd;
	enum mode mode;
	int asked;
	uint8_t last; /* last byte of the IPv4 address that is answered */
} dns;
static struct {
	ev_check check;
	ev_prepare prepare;
	ev_tstamp woke, longest;
	double delay; /* of this process until then: others' turns are not ours */
} turn;

static void
on_woke(struct ev_loop *l, ev_check *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	turn.woke = ev_time();
	turn.delay = delay_s();
}

static void
on_sleep(struct ev_loop *l, ev_prepare *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	if (turn.woke > 0)
		turn.longest = PB_MAX(turn.longest, ev_time() - turn.woke - (delay_s() - turn.delay));
}

static void
on_question(struct ev_loop *l, ev_io *w, int revents)
{
	uint8_t q[512], a[600];
	struct sockaddr_storage from;
	socklen_t fromlen = sizeof(from);
	ssize_t n = recvfrom(dns.fd, q, sizeof(q), 0, (struct sockaddr *)&from, &fromlen);
	size_t len = 12, alen;
	uint16_t type;

	(void)l;
	(void)w;
	(void)revents;
	dns.asked++;
	if (n < 17 || dns.mode == SWALLOW)
		return;
	while (len < (size_t)n && q[len] != 0)
		len += q[len] + 1u;
	len += 5;
	if (len > (size_t)n)
		return;
	type = (uint16_t)(q[len - 4] << 8 | q[len - 3]);
	if (dns.mode == SWALLOW_V6 && type == 28)
		return;
	memcpy(a, q, len);
	a[2] = 0x81;
	a[3] = dns.mode == NXDOMAIN ? 0x83 : dns.mode == SERVFAIL ? 0x82 : 0x80;
	memset(a + 4, 0, 8);
	a[5] = 1;
	alen = len;
	if ((dns.mode == ANSWER || dns.mode == SWALLOW_V6) && type == 1) {
		const uint8_t rr[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 203, 0, 113, dns.last };

		a[7] = 1;
		memcpy(a + alen, rr, sizeof(rr));
		alen += sizeof(rr);
	} else if (dns.mode == ANSWER && type == 28) {
		const uint8_t rr[] = { 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 1, 0, 16, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0,
			0, 0, 0, 0, 0, 0, 1 };

		a[7] = 1;
		memcpy(a + alen, rr, sizeof(rr));
		alen += sizeof(rr);
	}
	ck_assert_int_eq(sendto(dns.fd, a, alen, 0, (struct sockaddr *)&from, fromlen), (ssize_t)alen);
}

static void
setup(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	char server[64];

	loop = ev_loop_new(EVFLAG_AUTO);
	memset(&dns, 0, sizeof(dns));
	dns.last = 1;
	dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(dns.fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(dns.fd, (struct sockaddr *)&sin, &len), 0);
	ev_io_init(&dns.io, on_question, dns.fd, EV_READ);
	ev_io_start(loop, &dns.io);
	memset(&turn, 0, sizeof(turn));
	ev_check_init(&turn.check, on_woke);
	ev_prepare_init(&turn.prepare, on_sleep);
	ev_set_priority(&turn.check, EV_MAXPRI);
	ev_set_priority(&turn.prepare, EV_MINPRI);
	ev_check_start(loop, &turn.check);
	ev_prepare_start(loop, &turn.prepare);
	ck_assert_int_eq(resolve_new(&r, loop), 0);
	snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(sin.sin_port));
	ck_assert_int_eq(resolve_set_servers(r, server), 0);
}

static void
teardown(void)
{
	resolve_free(&r);
	ck_assert_ptr_null(r);
	close(dns.fd);
	ev_loop_destroy(loop);
	ck_assert(turn.longest < 0.1);
}

struct asked {
	struct resolve_query *query;
	struct resolve_addrs addrs;
	int err;
	int calls;
	ev_tstamp at;
	struct asked *cancels;
};

static void
on_done(void *arg, int err, const struct resolve_addrs *addrs)
{
	struct asked *a = arg;

	a->calls++;
	a->err = err;
	a->at = ev_now(loop);
	ck_assert_int_eq(err == 0, addrs != NULL);
	if (addrs != NULL)
		a->addrs = *addrs;
	if (a->cancels != NULL)
		resolve_cancel(&a->cancels->query);
}

static int
start(struct asked *a, const char *host, uint32_t timeout_ms)
{
	ev_now_update(loop);
	return resolve_start(r, host, timeout_ms, &a->addrs, on_done, a, &a->query);
}

static void
wait_for(struct asked *a)
{
	while (a->calls == 0)
		ev_run(loop, EVRUN_ONCE);
}

/* Let the loop turn for a while: for what is expected not to happen, or in the background. */
static void
on_enough(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(l, EVBREAK_ONE);
}

static void
turn_for(double s)
{
	ev_timer enough;

	ev_now_update(loop);
	ev_timer_init(&enough, on_enough, s, 0.);
	ev_timer_start(loop, &enough);
	ev_run(loop, 0);
}

START_TEST(literals_and_localhost_are_answered_at_once)
{
	static const struct {
		const char *host;
		size_t count;
		int family;
	} hosts[] = {
		{ "127.0.0.1", 1, AF_INET },
		{ "203.0.113.9", 1, AF_INET },
		{ "2001:db8::1", 1, AF_INET6 },
		{ "localhost", 2, AF_INET },
		{ "LocalHost.", 2, AF_INET },
		{ "a.localhost", 2, AF_INET },
	};

	for (size_t i = 0; i < NITEMS(hosts); i++) {
		struct asked a = { 0 };

		ck_assert_int_eq(start(&a, hosts[i].host, 1000), 0);
		ck_assert_uint_eq(a.addrs.count, hosts[i].count);
		ck_assert_int_eq(a.addrs.addr[0].family, hosts[i].family);
		ck_assert_ptr_null(a.query);
	}
	ck_assert_int_eq(dns.asked, 0);
}
END_TEST

START_TEST(what_is_no_name_is_refused)
{
	static const char *const hosts[] = { "", " ", "a b", "a/b", "a:80", "user@a", "[::1]", "a\nb", "a%00" };
	char longest[400];
	struct asked a = { 0 };

	for (size_t i = 0; i < NITEMS(hosts); i++)
		ck_assert_int_eq(start(&a, hosts[i], 1000), PB_EFORMAT);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(start(&a, longest, 1000), PB_EFORMAT);
	ck_assert_int_eq(dns.asked, 0);
}
END_TEST

START_TEST(an_answer_has_both_families_and_is_remembered)
{
	struct asked a = { 0 }, b = { 0 };
	bool v4 = false, v6 = false;
	int asked;

	ck_assert_int_eq(start(&a, "cdn.test", 2000), PB_AGAIN);
	ck_assert_int_eq(a.calls, 0);
	wait_for(&a);
	ck_assert_int_eq(a.err, 0);
	for (size_t i = 0; i < a.addrs.count; i++) {
		v4 |= a.addrs.addr[i].family == AF_INET;
		v6 |= a.addrs.addr[i].family == AF_INET6;
	}
	ck_assert(v4 && v6);
	asked = dns.asked;
	ck_assert_int_eq(start(&b, "CDN.test", 2000), 0); /* the TTL of 1 s counts as 10 */
	ck_assert_uint_eq(b.addrs.count, a.addrs.count);
	ck_assert_int_eq(dns.asked, asked);
}
END_TEST

static bool
has(const struct asked *a, int family)
{
	bool found = false;

	for (size_t i = 0; i < a->addrs.count; i++)
		found |= a->addrs.addr[i].family == family;
	return found;
}

/* IPv6 comes when c-ares asks for it again, and joins what was given out. */
START_TEST(a_resolver_that_never_answers_for_ipv6_keeps_nobody_waiting)
{
	struct asked a = { 0 }, b = { 0 };
	ev_tstamp began;

	dns.mode = SWALLOW_V6;
	ck_assert_int_eq(start(&a, "cdn.test", 5000), PB_AGAIN);
	began = ev_now(loop);
	wait_for(&a);
	ck_assert_int_eq(a.err, 0);
	ck_assert(a.at - began < 0.4); /* c-ares asks again after 0.6 s */
	ck_assert(has(&a, AF_INET) && !has(&a, AF_INET6));
	dns.mode = ANSWER;
	for (began = ev_time(); !has(&b, AF_INET6) && ev_time() - began < 5;) {
		turn_for(0.05);
		ck_assert_int_eq(start(&b, "cdn.test", 5000), 0);
	}
	ck_assert(has(&b, AF_INET) && has(&b, AF_INET6));
	ck_assert_int_eq(a.calls, 1);
	ck_assert_int_eq(resolve_figures(r).lookups, 1);
}
END_TEST

START_TEST(a_resolver_that_never_answers_for_ipv6_is_none_that_is_broken)
{
	struct asked a = { 0 }, b = { 0 };
	int asked;

	dns.mode = SWALLOW_V6;
	ck_assert_int_eq(start(&a, "cdn.test", 5000), PB_AGAIN);
	wait_for(&a);
	for (asked = 0; asked != dns.asked;) { /* until c-ares has given up */
		asked = dns.asked;
		turn_for(2.7);
	}
	ck_assert_int_eq(resolve_figures(r).failures, 0);
	ck_assert_int_eq(start(&b, "cdn.test", 5000), 0);
	ck_assert(has(&b, AF_INET));
	ck_assert_int_eq(resolve_figures(r).lookups, 1);
}
END_TEST

START_TEST(two_who_ask_for_one_name_cost_one_lookup)
{
	struct asked a = { 0 }, b = { 0 };

	ck_assert_int_eq(start(&a, "cdn.test", 2000), PB_AGAIN);
	ck_assert_int_eq(start(&b, "cdn.test", 2000), PB_AGAIN);
	wait_for(&a);
	wait_for(&b);
	ck_assert_int_eq(resolve_figures(r).lookups, 1);
}
END_TEST

START_TEST(a_name_that_does_not_exist_is_remembered_as_that)
{
	struct asked a = { 0 }, b = { 0 };

	dns.mode = NXDOMAIN;
	ck_assert_int_eq(start(&a, "nobody.test", 2000), PB_AGAIN);
	wait_for(&a);
	ck_assert_int_eq(a.err, PB_NO);
	ck_assert_int_eq(start(&b, "nobody.test", 2000), PB_NO);
	ck_assert_int_eq(resolve_figures(r).lookups, 1);
}
END_TEST

START_TEST(a_dead_resolver_costs_the_caller_its_limit_and_the_loop_nothing)
{
	struct asked a = { 0 };
	ev_tstamp began;

	dns.mode = SWALLOW;
	ck_assert_int_eq(start(&a, "cdn.test", 400), PB_AGAIN);
	began = ev_now(loop);
	wait_for(&a);
	ck_assert_int_eq(a.err, PB_ETIME);
	ck_assert(a.at - began > 0.35 && a.at - began < 1.0);
	ck_assert_int_gt(dns.asked, 0);
}
END_TEST

START_TEST(a_broken_resolver_is_an_error_of_the_network)
{
	struct asked a = { 0 };

	dns.mode = SERVFAIL;
	ck_assert_int_eq(start(&a, "cdn.test", 10000), PB_AGAIN);
	wait_for(&a);
	ck_assert_int_eq(a.err, PB_ENET);
	ck_assert_int_eq(resolve_figures(r).failures, 1);
}
END_TEST

START_TEST(old_addresses_serve_while_the_resolver_is_dead)
{
	struct asked a = { 0 }, b = { 0 }, c = { 0 };
	ev_tstamp began;

	ck_assert_int_eq(start(&a, "cdn.test", 2000), PB_AGAIN);
	wait_for(&a);
	dns.mode = SWALLOW;
	resolve_doubt(r, "cdn.test"); /* as good as expired */
	ck_assert_int_eq(start(&b, "cdn.test", 5000), PB_AGAIN);
	began = ev_now(loop);
	wait_for(&b);
	ck_assert_int_eq(b.err, 0);
	ck_assert_uint_eq(b.addrs.count, a.addrs.count);
	ck_assert(b.at - began < 1.0); /* not the whole limit */
	/* When it is known to be dead, without any wait. */
	while (resolve_figures(r).failures == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_int_eq(start(&c, "cdn.test", 5000), 0);
	ck_assert_uint_eq(c.addrs.count, a.addrs.count);
	ck_assert_uint_ge(resolve_figures(r).stale, 2);
}
END_TEST

START_TEST(doubted_addresses_are_asked_for_again)
{
	struct asked a = { 0 }, b = { 0 };
	bool new = false;

	ck_assert_int_eq(start(&a, "cdn.test", 2000), PB_AGAIN);
	wait_for(&a);
	dns.last = 2;
	resolve_doubt(r, "cdn.test");
	ck_assert_int_eq(start(&b, "cdn.test", 2000), PB_AGAIN);
	wait_for(&b);
	for (size_t i = 0; i < b.addrs.count; i++)
		new |= b.addrs.addr[i].family == AF_INET && (ntohl(b.addrs.addr[i].v4.s_addr) & 0xff) == 2;
	ck_assert(new);
}
END_TEST

START_TEST(who_cancels_is_not_told)
{
	struct asked a = { 0 }, b = { 0 };

	ck_assert_int_eq(start(&a, "cdn.test", 2000), PB_AGAIN);
	ck_assert_int_eq(start(&b, "cdn.test", 2000), PB_AGAIN);
	a.cancels = &b; /* from inside the other's callback */
	wait_for(&a);
	turn_for(0.05);
	ck_assert_int_eq(b.calls, 0);
	ck_assert_ptr_null(b.query);

	memset(&a, 0, sizeof(a));
	ck_assert_int_eq(start(&a, "other.test", 2000), PB_AGAIN);
	resolve_cancel(&a.query);
	turn_for(0.05);
	ck_assert_int_eq(a.calls, 0);
}
END_TEST

START_TEST(more_names_at_once_than_there_is_room_for_are_refused)
{
	struct asked a[RESOLVE_NAMES_MAX + 1];
	char host[32];
	int err = 0;

	memset(a, 0, sizeof(a));
	dns.mode = SWALLOW;
	for (size_t i = 0; i < NITEMS(a); i++) {
		snprintf(host, sizeof(host), "n%zu.test", i);
		err = start(&a[i], host, 60000);
		ck_assert_int_eq(err, i < RESOLVE_NAMES_MAX ? PB_AGAIN : PB_ELIMIT);
	}
	/* Those who wait at the end of a resolver are forgotten with it. */
	resolve_free(&r);
	for (size_t i = 0; i < NITEMS(a); i++)
		ck_assert_int_eq(a[i].calls, 0);
	ck_assert_int_eq(resolve_new(&r, loop), 0);
}
END_TEST

START_TEST(many_names_one_after_the_other_all_get_an_answer)
{
	char host[32], server[64];
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	ck_assert_int_eq(getsockname(dns.fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(sin.sin_port));
	ck_assert_int_eq(resolve_set_servers(r, server), 0);
	for (int i = 0; i < 200; i++) {
		struct asked a = { 0 };

		snprintf(host, sizeof(host), "n%d.test", i);
		ck_assert_int_eq(start(&a, host, 2000), PB_AGAIN);
		wait_for(&a);
		ck_assert_int_eq(a.err, 0);
	}
}
END_TEST

static const struct {
	const char *addr;
	bool private;
} addresses[] = {
	{ "127.0.0.1", true },
	{ "10.1.2.3", true },
	{ "172.16.0.1", true },
	{ "172.32.0.1", false },
	{ "192.168.1.1", true },
	{ "192.169.1.1", false },
	{ "169.254.169.254", true },
	{ "100.64.0.1", true },
	{ "100.128.0.1", false },
	{ "0.0.0.0", true },
	{ "224.0.0.1", true },
	{ "255.255.255.255", true },
	{ "8.8.8.8", false },
	{ "203.0.113.1", false },
	{ "::1", true },
	{ "::", true },
	{ "fe80::1", true },
	{ "fd00::1", true },
	{ "ff02::1", true },
	{ "2001:4860::1", false },
	{ "::ffff:10.0.0.1", true },
	{ "::ffff:8.8.8.8", false },
	{ "64:ff9b::a00:1", true },
	{ "64:ff9b::808:808", false },
	{ "2002:c0a8:1::1", true },
	{ "2002:808:808::1", false },
};

START_TEST(private_addresses_are_known_in_every_disguise)
{
	struct resolve_addr a;
	char text[64];

	ck_assert(resolve_literal(&a, addresses[_i].addr));
	ck_assert_msg(resolve_private(&a) == addresses[_i].private, "%s", addresses[_i].addr);
	ck_assert_str_eq(resolve_text(&a, text, sizeof(text)), addresses[_i].addr);
}
END_TEST

START_TEST(octal_and_short_forms_are_no_addresses)
{
	static const char *const no[] = { "127.1", "0177.0.0.1", "2130706433", "0x7f.1", "1.2.3.4.", "::1%lo",
		"[::1]" };
	struct resolve_addr a;

	for (size_t i = 0; i < NITEMS(no); i++)
		ck_assert_msg(!resolve_literal(&a, no[i]), "%s", no[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("resolve");
	TCase *tc = tcase_create("resolve"), *pure = tcase_create("addresses");
	SRunner *sr;
	int nfailed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, literals_and_localhost_are_answered_at_once);
	tcase_add_test(tc, what_is_no_name_is_refused);
	tcase_add_test(tc, an_answer_has_both_families_and_is_remembered);
	tcase_add_test(tc, a_resolver_that_never_answers_for_ipv6_keeps_nobody_waiting);
	tcase_add_test(tc, a_resolver_that_never_answers_for_ipv6_is_none_that_is_broken);
	tcase_add_test(tc, two_who_ask_for_one_name_cost_one_lookup);
	tcase_add_test(tc, a_name_that_does_not_exist_is_remembered_as_that);
	tcase_add_test(tc, a_dead_resolver_costs_the_caller_its_limit_and_the_loop_nothing);
	tcase_add_test(tc, a_broken_resolver_is_an_error_of_the_network);
	tcase_add_test(tc, old_addresses_serve_while_the_resolver_is_dead);
	tcase_add_test(tc, doubted_addresses_are_asked_for_again);
	tcase_add_test(tc, who_cancels_is_not_told);
	tcase_add_test(tc, more_names_at_once_than_there_is_room_for_are_refused);
	tcase_add_test(tc, many_names_one_after_the_other_all_get_an_answer);
	tcase_add_loop_test(pure, private_addresses_are_known_in_every_disguise, 0, (int)NITEMS(addresses));
	tcase_add_test(pure, octal_and_short_forms_are_no_addresses);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, pure);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	nfailed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return nfailed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
