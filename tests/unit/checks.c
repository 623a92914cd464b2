/*
 * checks.c - what the doctor makes of files that were kept from real machines
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "ctl/checks.h"

#define SNMP(out, again, resets) \
	"Ip: Forwarding DefaultTTL\nIp: 1 64\n" \
	"Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs " \
	"OutSegs " \
	"RetransSegs InErrs OutRsts InCsumErrors\n" \
	"Tcp: 1 200 120000 -1 900 100 7 " resets " 4 99999 " out " " again " 0 100 0\n"
#define NETSTAT(drops) "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 " drops " " drops "\n"
#define DEV(errors) \
	"Inter-|   Receive                                                |  Transmit\n" \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls " \
	"carrier " \
	"compressed\n" \
	"    lo: 1 9999999 999 999 0 0 0 0 1 9999999 0 0 0 0 0 0\n" \
	"  eth0: 123 100000 " errors " 0 0 0 0 0 456 100000 0 0 0 0 0 0\n"
#define ROUTE(gateway) \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" \
	"eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" \
	"eth0\t00000000\t" gateway "\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"

static struct finding f;

START_TEST(counters_are_found_by_their_names)
{
	ck_assert_int_eq(checks_counter(SNMP("500", "5", "1"), "Tcp", "RetransSegs"), 5);
	ck_assert_int_eq(checks_counter(SNMP("500", "5", "1"), "Tcp", "MaxConn"), -1);
	ck_assert_int_eq(checks_counter(SNMP("500", "5", "1"), "Ip", "DefaultTTL"), 64);
	ck_assert_int_eq(checks_counter(SNMP("500", "5", "1"), "Tcp", "None"), -1);
	ck_assert_int_eq(checks_counter("Tcp: A B\nTcp: 1\n", "Tcp", "B"), -1);
	ck_assert_int_eq(checks_counter("Tcp: A B\n", "Tcp", "A"), -1);
	ck_assert_int_eq(checks_counter("", "Tcp", "A"), -1);
}
END_TEST

static const struct {
	void (*check)(struct finding *f, const char *text);
	const char *text;
	enum finding_level level;
	const char *saw;
} rows[] = {
	{ check_retransmissions, SNMP("100000", "10", "0"), FOUND_PASS, "0.01 %" },
	{ check_retransmissions, SNMP("100000", "2000", "0"), FOUND_WARN, "2.00 %" },
	{ check_retransmissions, SNMP("100000", "9000", "0"), FOUND_FAIL, "9.00 %" },
	{ check_retransmissions, SNMP("10", "9", "0"), FOUND_SKIP, "too few" },
	{ check_retransmissions, "", FOUND_SKIP, "too few" },
	{ check_resets, SNMP("1", "1", "3"), FOUND_PASS, "3 of 1000" },
	{ check_resets, SNMP("1", "1", "300"), FOUND_WARN, "300 of 1000" },
	{ check_resets, "", FOUND_SKIP, "too few" },
	{ check_listen_drops, NETSTAT("0"), FOUND_PASS, "0 connections" },
	{ check_listen_drops, NETSTAT("7"), FOUND_WARN, "7 connections" },
	{ check_listen_drops, "TcpExt: A\nTcpExt: 1\n", FOUND_SKIP, "does not say" },
	{ check_interfaces, DEV("0"), FOUND_PASS, "eth0: 0 errors" },
	{ check_interfaces, DEV("77"), FOUND_WARN, "eth0: 77 errors" },
	{ check_interfaces, "", FOUND_SKIP, "no interface" },
};

START_TEST(a_file_has_its_finding)
{
	rows[_i].check(&f, rows[_i].text);
	ck_assert_str_eq(finding_name(f.level), finding_name(rows[_i].level));
	ck_assert_msg(strstr(f.saw, rows[_i].saw) != NULL, "%s", f.saw);
	ck_assert_int_eq(f.mend[0] != '\0', f.level == FOUND_WARN || f.level == FOUND_FAIL);
}
END_TEST

START_TEST(gateway_and_neighbours_say_what_hardware_they_have)
{
	char gateway[INET_ADDRSTRLEN], interface[CHECKS_INTERFACE];

	checks_gateway(ROUTE("0101A8C0"), gateway, interface);
	ck_assert_str_eq(gateway, "192.168.1.1");
	ck_assert_str_eq(interface, "eth0");
	check_gateway(&f, gateway, interface, NEIGHBOUR_KNOWN);
	ck_assert_int_eq(f.level, FOUND_PASS);
	ck_assert_str_eq(f.saw, "192.168.1.1 on eth0 answers");
	check_gateway(&f, gateway, interface, NEIGHBOUR_SILENT);
	ck_assert_int_eq(f.level, FOUND_FAIL);
	ck_assert_ptr_nonnull(strstr(f.mend, "ip neigh flush dev eth0"));
	check_gateway(&f, gateway, interface, NEIGHBOUR_UNKNOWN);
	ck_assert_int_eq(f.level, FOUND_SKIP);
	checks_gateway("", gateway, interface);
	check_gateway(&f, gateway, interface, NEIGHBOUR_UNKNOWN);
	ck_assert_int_eq(f.level, FOUND_WARN);
	check_neighbour(&f, NEIGHBOUR_SILENT, "192.168.1.1", true);
	ck_assert_int_eq(f.level, FOUND_FAIL);
	check_neighbour(&f, NEIGHBOUR_KNOWN, "fe80::1", true);
	ck_assert_int_eq(f.level, FOUND_PASS);
	check_neighbour(&f, NEIGHBOUR_SILENT, "192.168.1.1", false);
	ck_assert_int_eq(f.level, FOUND_SKIP);
}
END_TEST

static const struct {
	long time_s, interval_s, probes;
	enum finding_level level;
} keepalives[] = {
	{ 7200, 75, 9, FOUND_PASS }, /* the kernel's own */
	{ 120, 30, 4, FOUND_PASS },
	{ 7440, 75, 9, FOUND_PASS },
	{ 7441, 75, 9, FOUND_WARN },
	{ 86400, 75, 9, FOUND_WARN },
	{ 120, 3600, 9, FOUND_WARN },
	{ -1, 75, 9, FOUND_SKIP },
};

START_TEST(keepalive_is_to_come_before_a_router_forgets)
{
	check_keepalive(&f, keepalives[_i].time_s, keepalives[_i].interval_s, keepalives[_i].probes);
	ck_assert_str_eq(finding_name(f.level), finding_name(keepalives[_i].level));
	ck_assert_int_eq(strstr(f.mend, "sysctl -w net.ipv4.tcp_keepalive_time=120") != NULL, f.level == FOUND_WARN);
}
END_TEST

START_TEST(a_bridged_container_is_told)
{
	check_container(&f, true, ROUTE("010011AC"));
	ck_assert_int_eq(f.level, FOUND_WARN);
	ck_assert_ptr_nonnull(strstr(f.saw, "172.17.0.1"));
	ck_assert_ptr_nonnull(strstr(f.mend, "--network host"));
	check_container(&f, true, ROUTE("0101A8C0"));
	ck_assert_int_eq(f.level, FOUND_PASS);
	check_container(&f, false, ROUTE("010011AC"));
	ck_assert_int_eq(f.level, FOUND_PASS);
}
END_TEST

START_TEST(probes_and_figures_have_their_limits)
{
	struct probe p = { 5, 5, 2, 3, "icmp" };

	check_probe(&f, &p, "10.0.0.2", false);
	ck_assert_int_eq(f.level, FOUND_PASS);
	p.rtt_ms_mean = 80;
	check_probe(&f, &p, "10.0.0.2", false);
	ck_assert_int_eq(f.level, FOUND_WARN);
	check_probe(&f, &p, "cdn", true);
	ck_assert_int_eq(f.level, FOUND_PASS);
	p.answered = 4;
	check_probe(&f, &p, "cdn", true);
	ck_assert_int_eq(f.level, FOUND_FAIL);
	ck_assert_ptr_nonnull(strstr(f.saw, "1 of 5 lost"));
	p.answered = 0;
	p.how = "tcp";
	check_probe(&f, &p, "cdn", true);
	ck_assert_int_eq(f.level, FOUND_FAIL);
	p.sent = 0;
	check_probe(&f, &p, "cdn", true);
	ck_assert_int_eq(f.level, FOUND_SKIP);
	check_mtu(&f, "eth0", 1500, -1);
	ck_assert_int_eq(f.level, FOUND_PASS);
	check_mtu(&f, "eth0", 1500, 1400);
	ck_assert_int_eq(f.level, FOUND_WARN);
	check_mtu(&f, "lo", 65536, 65535);
	ck_assert_int_eq(f.level, FOUND_PASS);
	check_mtu(&f, "eth0", -1, -1);
	ck_assert_int_eq(f.level, FOUND_SKIP);
	check_wireless(&f, "wlan0", true, 1);
	ck_assert_int_eq(f.level, FOUND_WARN);
	ck_assert_str_eq(f.mend, "iw dev wlan0 set power_save off");
	check_wireless(&f, "wlan0", true, -1);
	ck_assert_int_eq(f.level, FOUND_WARN);
	check_wireless(&f, "wlan0", true, 0);
	ck_assert_int_eq(f.level, FOUND_PASS);
	check_clock(&f, false, 16000000);
	ck_assert_int_eq(f.level, FOUND_WARN);
	check_dns(&f, "a", false, 5000);
	ck_assert_int_eq(f.level, FOUND_FAIL);
	check_dns(&f, "a", true, 500);
	ck_assert_int_eq(f.level, FOUND_WARN);
	check_channels(&f, "Den", 480);
	ck_assert_int_eq(f.level, FOUND_PASS);
	check_channels(&f, "Den", 481);
	ck_assert_int_eq(f.level, FOUND_WARN);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("checks");
	TCase *tc = tcase_create("checks");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, counters_are_found_by_their_names);
	tcase_add_loop_test(tc, a_file_has_its_finding, 0, (int)NITEMS(rows));
	tcase_add_test(tc, gateway_and_neighbours_say_what_hardware_they_have);
	tcase_add_loop_test(tc, keepalive_is_to_come_before_a_router_forgets, 0, (int)NITEMS(keepalives));
	tcase_add_test(tc, a_bridged_container_is_told);
	tcase_add_test(tc, probes_and_figures_have_their_limits);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
