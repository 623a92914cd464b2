/*
 * url.c - URLs: RFC 3986's own examples, then what playlists in the wild do
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"

#define BASE "http://a/b/c/d;p?q"

static const struct {
	const char *base, *ref, *want; /* want NULL: refused */
} resolves[] = {
	/* RFC 3986 5.4.1, without fragments. */
	{ BASE, "g:h", "g:h" },
	{ BASE, "g", "http://a/b/c/g" },
	{ BASE, "./g", "http://a/b/c/g" },
	{ BASE, "g/", "http://a/b/c/g/" },
	{ BASE, "/g", "http://a/g" },
	{ BASE, "//g", "http://g" },
	{ BASE, "?y", "http://a/b/c/d;p?y" },
	{ BASE, "g?y", "http://a/b/c/g?y" },
	{ BASE, "#s", "http://a/b/c/d;p?q" },
	{ BASE, "g#s", "http://a/b/c/g" },
	{ BASE, "g?y#s", "http://a/b/c/g?y" },
	{ BASE, ";x", "http://a/b/c/;x" },
	{ BASE, "g;x", "http://a/b/c/g;x" },
	{ BASE, "g;x?y#s", "http://a/b/c/g;x?y" },
	{ BASE, "", "http://a/b/c/d;p?q" },
	{ BASE, ".", "http://a/b/c/" },
	{ BASE, "./", "http://a/b/c/" },
	{ BASE, "..", "http://a/b/" },
	{ BASE, "../", "http://a/b/" },
	{ BASE, "../g", "http://a/b/g" },
	{ BASE, "../..", "http://a/" },
	{ BASE, "../../", "http://a/" },
	{ BASE, "../../g", "http://a/g" },
	/* 5.4.2. */
	{ BASE, "../../../g", "http://a/g" },
	{ BASE, "../../../../g", "http://a/g" },
	{ BASE, "/./g", "http://a/g" },
	{ BASE, "/../g", "http://a/g" },
	{ BASE, "g.", "http://a/b/c/g." },
	{ BASE, ".g", "http://a/b/c/.g" },
	{ BASE, "g..", "http://a/b/c/g.." },
	{ BASE, "..g", "http://a/b/c/..g" },
	{ BASE, "./../g", "http://a/b/g" },
	{ BASE, "./g/.", "http://a/b/c/g/" },
	{ BASE, "g/./h", "http://a/b/c/g/h" },
	{ BASE, "g/../h", "http://a/b/c/h" },
	{ BASE, "g;x=1/./y", "http://a/b/c/g;x=1/y" },
	{ BASE, "g;x=1/../y", "http://a/b/c/y" },
	{ BASE, "g?y/./x", "http://a/b/c/g?y/./x" },
	{ BASE, "g?y/../x", "http://a/b/c/g?y/../x" },
	{ BASE, "g#s/./x", "http://a/b/c/g" },
	{ BASE, "http:g", "http:g" },
	/* The wild. */
	{ "http://h", "s.ts", "http://h/s.ts" },
	{ "http://h", "../s.ts", "http://h/s.ts" },
	{ "http://h?t=1", "s.ts", "http://h/s.ts" },
	{ "http://h/p?t=1", "s.ts", "http://h/s.ts" },
	{ "http://h/a/b?x=/c/d", "s.ts", "http://h/a/s.ts" },
	{ "https://h/a/i.m3u8", "//cdn/s.ts", "https://cdn/s.ts" },
	{ "HTTPS://H/a/i.m3u8", "s.ts", "https://H/a/s.ts" },
	{ "http://h/a/", "HTTP://X/s.ts", "http://X/s.ts" },
	{ "http://h/a/", "s 1.ts", "http://h/a/s%201.ts" },
	{ "http://h/a/", "\t s.ts  ", "http://h/a/s.ts" },
	{ "http://h/a/", "s%201.ts", "http://h/a/s%201.ts" },
	{ "http://h/a/", "100%.ts", "http://h/a/100%.ts" },
	{ "http://h/a/", "\xc3\xa9.ts", "http://h/a/%C3%A9.ts" },
	{ "http://h/a/", "\x7f.ts", "http://h/a/%7F.ts" },
	{ "http://h/a/", "s.ts?a=b c", "http://h/a/s.ts?a=b%20c" },
	{ "http://h/a/", "2024-01-01T10:00:00.ts", "http://h/a/2024-01-01T10:00:00.ts" },
	{ "http://h/a/", "seg_1:2.ts", "http://h/a/seg_1:2.ts" },
	{ "http://h/a//b/x", "../y", "http://h/a//y" },
	{ "http://h/a/b", "..//c", "http://h//c" },
	{ "http://u:p@h:81/a/b", "c", "http://u:p@h:81/a/c" },
	{ "http://[::1]:81/a/b", "/c", "http://[::1]:81/c" },
	{ "http://h/a/", "data:text/plain;base64,QUJD#x", "data:text/plain;base64,QUJD#x" },
	{ "http://h/a/", "DATA:,x", "DATA:,x" },
	{ NULL, "http://h/a/../b", "http://h/b" },
	{ NULL, "s.ts", NULL },
	{ "h/a/b", "s.ts", NULL },
	{ "data:,x", "s.ts", NULL },
	{ "http://h/a/", "s\n.ts", NULL },
	{ "http://h/\x01/", "s.ts", NULL },
};

START_TEST(a_reference_resolves_as_rfc_3986_says)
{
	char out[URL_MAX];
	int err = url_resolve(out, sizeof(out), resolves[_i].base, resolves[_i].ref, strlen(resolves[_i].ref));

	if (resolves[_i].want == NULL) {
		ck_assert_int_eq(err, PB_EFORMAT);
		ck_assert_str_eq(out, "");
	} else {
		ck_assert_int_eq(err, 0);
		ck_assert_str_eq(out, resolves[_i].want);
	}
}
END_TEST

START_TEST(a_url_that_is_too_long_is_refused_and_not_cut)
{
	static char ref[100000];
	char out[URL_MAX];
	char tiny[12];

	memset(ref, 'a', sizeof(ref));
	ck_assert_int_eq(url_resolve(out, sizeof(out), "http://h/", ref, sizeof(ref)), PB_ELIMIT);
	ck_assert_int_eq(url_resolve(out, sizeof(out), "http://h/", ref, URL_MAX - 9), PB_ELIMIT);
	ck_assert_int_eq(url_resolve(out, sizeof(out), "http://h/", ref, URL_MAX - 10), 0);
	ck_assert_uint_eq(strlen(out), URL_MAX - 1);
	memset(ref, ' ' + 1, sizeof(ref));
	memset(ref, 0xff, URL_MAX / 3);
	ck_assert_int_eq(url_resolve(out, sizeof(out), "http://h/", ref, URL_MAX / 3), PB_ELIMIT);
	ck_assert_int_eq(url_resolve(tiny, sizeof(tiny), "http://h/", "ab", 2), 0);
	ck_assert_int_eq(url_resolve(tiny, sizeof(tiny), "http://h/", "abc", 3), PB_ELIMIT);
	ck_assert_str_eq(tiny, "");
}
END_TEST

static const struct {
	const char *url;
	int err;
	struct url_parts want;
} parses[] = {
	{ "http://Example.COM/x", 0, { false, "example.com", false, 80, false } },
	{ "HTTPS://h", 0, { true, "h", false, 443, false } },
	{ "https://h:8443?x", 0, { true, "h", false, 8443, false } },
	{ "http://h:/x", 0, { false, "h", false, 80, false } },
	{ "http://u:p@h:81/x", 0, { false, "h", false, 81, true } },
	{ "http://u@evil@h/x", 0, { false, "h", false, 80, true } },
	{ "http://127.0.0.1:8/x", 0, { false, "127.0.0.1", true, 8, false } },
	{ "http://127.1/x", 0, { false, "127.0.0.1", true, 80, false } },
	{ "http://0x7f000001/x", 0, { false, "127.0.0.1", true, 80, false } },
	{ "http://2130706433/x", 0, { false, "127.0.0.1", true, 80, false } },
	{ "http://127.0.0.1./x", 0, { false, "127.0.0.1", true, 80, false } },
	{ "http://%31%32%37.0.0.1/x", 0, { false, "127.0.0.1", true, 80, false } },
	{ "http://1tv.example/x", 0, { false, "1tv.example", false, 80, false } },
	{ "http://[FE80::1]:99/x", 0, { false, "fe80::1", true, 99, false } },
	{ "http://a%62c/", 0, { false, "abc", false, 80, false } },
	{ "ftp://h/x", PB_NO, { 0 } },
	{ "file:///etc/passwd", PB_NO, { 0 } },
	{ "data:,x", PB_NO, { 0 } },
	{ "h/x", PB_EFORMAT, { 0 } },
	{ "", PB_EFORMAT, { 0 } },
	{ "http:", PB_EFORMAT, { 0 } },
	{ "http:h", PB_EFORMAT, { 0 } },
	{ "http:///x", PB_EFORMAT, { 0 } },
	{ "http://:80/x", PB_EFORMAT, { 0 } },
	{ "http://h:0/", PB_EFORMAT, { 0 } },
	{ "http://h:65536/", PB_EFORMAT, { 0 } },
	{ "http://h:99999999999999999999/", PB_EFORMAT, { 0 } },
	{ "http://h:8x/", PB_EFORMAT, { 0 } },
	{ "http://[::1/x", PB_EFORMAT, { 0 } },
	{ "http://[::1]x/", PB_EFORMAT, { 0 } },
	{ "http://[::g]/", PB_EFORMAT, { 0 } },
	{ "http://a b/", PB_EFORMAT, { 0 } },
	{ "http://a%20b/", PB_EFORMAT, { 0 } },
	{ "http://a%0/", PB_EFORMAT, { 0 } },
	{ "http://a%00b/", PB_EFORMAT, { 0 } },
	{ "http://a%", PB_EFORMAT, { 0 } },
	{ "http://h\\@x/", PB_EFORMAT, { 0 } },
	{ "http://h/\r\nHost: x", PB_EFORMAT, { 0 } },
};

START_TEST(a_url_is_taken_apart_or_refused)
{
	struct url_parts parts;

	ck_assert_int_eq(url_parse(&parts, parses[_i].url), parses[_i].err);
	if (parses[_i].err != 0)
		return;
	ck_assert_str_eq(parts.host, parses[_i].want.host);
	ck_assert_int_eq(parts.https, parses[_i].want.https);
	ck_assert_int_eq(parts.literal, parses[_i].want.literal);
	ck_assert_uint_eq(parts.port, parses[_i].want.port);
	ck_assert_int_eq(parts.userinfo, parses[_i].want.userinfo);
}
END_TEST

START_TEST(a_long_url_or_host_is_over_the_limit)
{
	static char url[URL_MAX + 10] = "http://h/";
	struct url_parts parts;

	memset(url + 9, 'a', URL_MAX - 10);
	ck_assert_int_eq(url_parse(&parts, url), 0);
	url[URL_MAX - 1] = 'a';
	ck_assert_int_eq(url_parse(&parts, url), PB_ELIMIT);
	memset(url + 7, 'a', URL_HOST_MAX);
	url[7 + URL_HOST_MAX] = '\0';
	ck_assert_int_eq(url_parse(&parts, url), PB_ELIMIT);
	url[7 + URL_HOST_MAX - 1] = '\0';
	ck_assert_int_eq(url_parse(&parts, url), 0);
}
END_TEST

static const struct {
	const char *url, *want;
} redactions[] = {
	{ "http://h/a/b.m3u8", "http://h/a/b.m3u8" },
	{ "https://h:81/a/b.m3u8?token=abc&n=1", "https://h:81/a/b.m3u8?token=***&n=***" },
	{ "http://h/a?secret", "http://h/a?***" },
	{ "http://h/a?&x=1&", "http://h/a?&x=***&" },
	{ "http://h/a?abcdefghijklmnopqrstuvwxyz=1", "http://h/a?***" },
	{ "http://user:pass@h/a", "http://***@h/a" },
	{ "http://user:p@ss@h/a", "http://***@h/a" },
	{ "http://h/live/user/pass/12.ts", "http://h/live/***/***/12.ts" },
	{ "http://h/movie/user/pass/12.mkv", "http://h/movie/***/***/12.mkv" },
	{ "http://h/x/live/user/pass/12.m3u8", "http://h/x/live/***/***/12.m3u8" },
	{ "http://h/user/pass/12", "http://h/***/***/12" },
	{ "http://h/user/pass/12.ts", "http://h/***/***/12.ts" },
	{ "http://h/hlsr/Tk1/user/pass/12/abcd/12_3.ts", "http://h/hlsr/***/***/***/12/abcd/12_3.ts" },
	{ "http://h/hlsr/a/b/1.ts", "http://h/hlsr/a/b/1.ts" },
	{ "http://h/live/first/index.m3u8", "http://h/live/first/index.m3u8" },
	{ "http://h/hls/0123456789abcdef0123456789abcdef/1.ts", "http://h/***/***/1.ts" },
	{ "http://h/hls/0123456789abcdef0123456789abcdef/a.ts", "http://h/hls/***/a.ts" },
	{ "http://h/hls/0123456789abcdef0123456789abcdef.ts", "http://h/hls/***.ts" },
	{ "http://h/hls/eyJhbGciOi.eyJzdWIiOiIx.sflKxwRJSM", "http://h/hls/***" },
	{ "http://h/a;jsessionid=abc/1.ts", "http://h/a;jsessionid=***/1.ts" },
	{ "http://h", "http://h" },
	{ "ftp://u:p@h/x", "ftp://***" },
	{ "data:text/plain,secret", "data:***" },
	{ "http://h:bad/secret", "http://***" },
	{ "secret", "***" },
	{ "", "***" },
	{ "http://h/\nforged=1", "http://***" },
};

START_TEST(a_url_that_is_shown_keeps_its_secrets)
{
	char out[URL_MAX];

	ck_assert_str_eq(url_redact(out, sizeof(out), redactions[_i].url), redactions[_i].want);
	for (size_t size = 1; size <= strlen(redactions[_i].want); size++) {
		url_redact(out, size, redactions[_i].url);
		ck_assert_uint_eq(strlen(out), size - 1);
		ck_assert_int_eq(strncmp(out, redactions[_i].want, size - 1), 0);
	}
}
END_TEST

START_TEST(the_playlist_s_query_is_passed_on_when_there_is_none)
{
	char url[URL_MAX] = "http://h/s.ts";

	ck_assert_int_eq(url_append_query(url, sizeof(url), "http://h/i.m3u8?t=1&u=2#x"), 0);
	ck_assert_str_eq(url, "http://h/s.ts?t=1&u=2");
	ck_assert_int_eq(url_append_query(url, sizeof(url), "http://h/i.m3u8?v=3"), 0);
	ck_assert_str_eq(url, "http://h/s.ts?t=1&u=2");
	memcpy(url, "http://h/s.ts", 14);
	ck_assert_int_eq(url_append_query(url, sizeof(url), "http://h/i.m3u8"), 0);
	ck_assert_int_eq(url_append_query(url, sizeof(url), "http://h/i.m3u8?"), 0);
	ck_assert_str_eq(url, "http://h/s.ts");
	ck_assert_int_eq(url_append_query(url, 16, "http://h/i.m3u8?t=1"), PB_ELIMIT);
	ck_assert_str_eq(url, "http://h/s.ts");
	ck_assert_int_eq(url_append_query(url, 18, "http://h/i.m3u8?t=1"), 0);
	ck_assert_str_eq(url, "http://h/s.ts?t=1");
}
END_TEST

START_TEST(a_path_is_the_same_whatever_host_and_token)
{
	ck_assert(url_same_path("http://a/x/1.ts?t=1", "https://b:8/x/1.ts?t=2"));
	ck_assert(url_same_path("http://a", "http://b/"));
	ck_assert(url_same_path("/x/1.ts", "http://b/x/1.ts#f"));
	ck_assert(!url_same_path("http://a/x/1.ts", "http://a/x/2.ts"));
	ck_assert(!url_same_path("http://a/x/1.ts", "http://a/x/1.ts/"));
}
END_TEST

START_TEST(urls_of_one_server_begin_with_the_same)
{
	ck_assert_uint_eq(url_origin("http://a:1/b/c"), strlen("http://a:1/"));
	ck_assert_uint_eq(url_origin("https://u:p@a/"), strlen("https://u:p@a/"));
	ck_assert_uint_eq(url_origin("http://a"), 0);
	ck_assert_uint_eq(url_origin("http://a?/b"), 0);
	ck_assert_uint_eq(url_origin("http://a#/b"), 0);
	ck_assert_uint_eq(url_origin("a/b"), 0);
}
END_TEST

START_TEST(a_query_parameter_is_found_by_its_whole_name)
{
	const char *value;
	size_t len;

	ck_assert(url_query_value("http://h/?ab=1&a=2%20&a=3", "a", &value, &len));
	ck_assert_uint_eq(len, 4);
	ck_assert_int_eq(memcmp(value, "2%20", 4), 0);
	ck_assert(!url_query_value("http://h/?ab=1", "b", &value, &len));
	ck_assert(!url_query_value("http://h/?a", "a", &value, &len));
	ck_assert(!url_query_value("http://h/#?a=1", "a", &value, &len));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("url");
	TCase *tc = tcase_create("url");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, a_reference_resolves_as_rfc_3986_says, 0, (int)NITEMS(resolves));
	tcase_add_test(tc, a_url_that_is_too_long_is_refused_and_not_cut);
	tcase_add_loop_test(tc, a_url_is_taken_apart_or_refused, 0, (int)NITEMS(parses));
	tcase_add_test(tc, a_long_url_or_host_is_over_the_limit);
	tcase_add_loop_test(tc, a_url_that_is_shown_keeps_its_secrets, 0, (int)NITEMS(redactions));
	tcase_add_test(tc, the_playlist_s_query_is_passed_on_when_there_is_none);
	tcase_add_test(tc, a_path_is_the_same_whatever_host_and_token);
	tcase_add_test(tc, urls_of_one_server_begin_with_the_same);
	tcase_add_test(tc, a_query_parameter_is_found_by_its_whole_name);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
