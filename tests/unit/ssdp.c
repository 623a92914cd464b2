/*
 * ssdp.c - UPnP's discovery texts: which searches are ours, and what is said
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/ssdp.h"

#define UUID "105902db-5f1c-5a6e-9d42-706c65786272"
#define FIRST "M-SEARCH * HTTP/1.1\r\n"
#define HOST "Host: 239.255.255.250:1900\r\n"
#define MAN "Man: \"ssdp:discover\"\r\n"

enum { ALL = 99 };

static const struct {
	const char *what, *text;
	int err;
	int target; /* or ALL */
	int mx_s;
} searches[] = {
	{ "gssdp's", FIRST HOST MAN "ST: ssdp:all\r\nMX: 3\r\nUser-Agent: GSSDP/1.6.2\r\n\r\n", 0, ALL, 3 },
	{ "a root device", FIRST HOST MAN "ST: upnp:rootdevice\r\nMX: 1\r\n\r\n", 0, SSDP_ROOT, 1 },
	{ "our type", FIRST HOST MAN "ST: urn:schemas-upnp-org:device:MediaServer:1\r\nMX: 2\r\n\r\n", 0, SSDP_TYPE,
	    2 },
	{ "a uuid", FIRST HOST MAN "ST: uuid:105902DB-5f1c-5a6e-9d42-706c65786272\r\nMX: 0\r\n\r\n", 0, SSDP_UUID, 0 },
	{ "names in any case, bare LF", FIRST "hOsT: x\nmAn:\"ssdp:discover\"\nsT:ssdp:all\nmX:5\n\n", 0, ALL, 5 },
	{ "no empty line", FIRST MAN "ST: ssdp:all", 0, ALL, 1 },
	{ "blanks around values", FIRST "MAN:  \"ssdp:discover\" \t\r\nST: \t ssdp:all  \r\nMX:  2 \r\n\r\n", 0, ALL,
	    2 },
	{ "no MX", FIRST MAN "ST: ssdp:all\r\n\r\n", 0, ALL, 1 },
	{ "an MX that is none", FIRST MAN "ST: ssdp:all\r\nMX: -3\r\n\r\n", 0, ALL, 1 },
	{ "an MX of ages", FIRST MAN "ST: ssdp:all\r\nMX: 99999999999999999999\r\n\r\n", 0, ALL, 5 },
	{ "no MAN", FIRST HOST "ST: ssdp:all\r\nMX: 3\r\n\r\n", PB_NO, 0, 0 },
	{ "MAN without quotes", FIRST "MAN: ssdp:discover\r\nST: ssdp:all\r\n\r\n", PB_NO, 0, 0 },
	{ "no ST", FIRST HOST MAN "MX: 3\r\n\r\n", PB_NO, 0, 0 },
	{ "another type", FIRST HOST MAN "ST: urn:dial-multiscreen-org:service:dial:1\r\nMX: 3\r\n\r\n", PB_NO, 0, 0 },
	{ "a uuid that is none", FIRST HOST MAN "ST: uuid:1234\r\nMX: 3\r\n\r\n", PB_NO, 0, 0 },
	{ "ST behind the end", FIRST HOST MAN "\r\nST: ssdp:all\r\n", PB_NO, 0, 0 },
	{ "an announcement", "NOTIFY * HTTP/1.1\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\n\r\n", PB_NO, 0, 0 },
	{ "an answer", "HTTP/1.1 200 OK\r\nST: ssdp:all\r\n\r\n", PB_NO, 0, 0 },
	{ "another version", "M-SEARCH * HTTP/1.0\r\n" MAN "ST: ssdp:all\r\n\r\n", PB_EFORMAT, 0, 0 },
	{ "another method", "GET / HTTP/1.1\r\n" MAN "ST: ssdp:all\r\n\r\n", PB_EFORMAT, 0, 0 },
	{ "nothing", "", PB_EFORMAT, 0, 0 },
	{ "an empty line", "\r\n", PB_EFORMAT, 0, 0 },
};

START_TEST(a_search_is_understood_and_anything_else_is_not)
{
	struct ssdp_search s;
	size_t len = strlen(searches[_i].text);
	int err = ssdp_parse(&s, searches[_i].text, len);

	ck_assert_msg(err == searches[_i].err, "%s: %d", searches[_i].what, err);
	if (err != 0)
		return;
	ck_assert_msg(s.all == (searches[_i].target == ALL), "%s", searches[_i].what);
	if (!s.all)
		ck_assert_msg((int)s.target == searches[_i].target, "%s", searches[_i].what);
	ck_assert_msg(s.mx_s == searches[_i].mx_s, "%s: %d", searches[_i].what, s.mx_s);
	if (!s.all && s.target == SSDP_UUID)
		ck_assert_str_eq(s.uuid, UUID);
}
END_TEST

START_TEST(a_nul_or_an_endless_line_hides_nothing)
{
	static const char nul[] = FIRST MAN "ST: ssdp:all\0x\r\n\r\n";
	static char endless[4096];
	struct ssdp_search s;

	ck_assert_int_eq(ssdp_parse(&s, nul, sizeof(nul) - 1), PB_NO);
	memset(endless, 'a', sizeof(endless));
	memcpy(endless, FIRST MAN, strlen(FIRST MAN));
	memcpy(endless + 3000, "\r\nST: ssdp:all\r\n", 16);
	ck_assert_int_eq(ssdp_parse(&s, endless, sizeof(endless)), 0);
	ck_assert(s.all);
}
END_TEST

static const struct ssdp_device device = { UUID, "http://192.0.2.10:5004/device.xml" };

START_TEST(announcements_farewells_and_answers_are_as_upnp_wants_them)
{
	char text[SSDP_TEXT];

	ck_assert_uint_eq(ssdp_alive(text, &device, SSDP_ROOT), strlen(text));
	ck_assert_str_eq(text,
	    "NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\n"
	    "Server: HDHomeRun/1.0 UPnP/1.0\r\nLocation: http://192.0.2.10:5004/device.xml\r\n"
	    "Cache-Control: max-age=1800\r\nUSN: uuid:" UUID "::upnp:rootdevice\r\n\r\n");
	ssdp_alive(text, &device, SSDP_UUID);
	ck_assert_ptr_nonnull(strstr(text, "\r\nNT: uuid:" UUID "\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nUSN: uuid:" UUID "\r\n"));
	ssdp_byebye(text, &device, SSDP_TYPE);
	ck_assert_str_eq(text,
	    "NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nNT: urn:schemas-upnp-org:device:MediaServer:1\r\n"
	    "NTS: ssdp:byebye\r\nUSN: uuid:" UUID "::urn:schemas-upnp-org:device:MediaServer:1\r\n\r\n");
	ssdp_answer(text, &device, SSDP_ROOT, 784111777);
	ck_assert_str_eq(text,
	    "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nDATE: Sun, 06 Nov 1994 08:49:37 GMT\r\nEXT:\r\n"
	    "LOCATION: http://192.0.2.10:5004/device.xml\r\nSERVER: HDHomeRun/1.0 UPnP/1.0\r\nST: upnp:rootdevice\r\n"
	    "USN: uuid:" UUID "::upnp:rootdevice\r\nCONTENT-LENGTH: 0\r\n\r\n");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ssdp");
	TCase *tc = tcase_create("ssdp");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, a_search_is_understood_and_anything_else_is_not, 0, (int)NITEMS(searches));
	tcase_add_test(tc, a_nul_or_an_endless_line_hides_nothing);
	tcase_add_test(tc, announcements_farewells_and_answers_are_as_upnp_wants_them);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
