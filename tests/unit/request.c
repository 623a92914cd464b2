/*
 * request.c - request heads: what is taken, what is refused, and with which status
 */
#include "base/request.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

struct head {
	const char *text;
	int status; /* 0: accepted */
	const char *path; /* NULL where it is not looked at */
	const char *query;
};

#define H "Host: a\r\n"

static const struct head heads[] = {
	{ "GET / HTTP/1.1\r\n" H "\r\n", 0, "/", "" },
	{ "GET / HTTP/1.0\r\n\r\n", 0, "/", "" },
	{ "GET /auto/v5.1?duration=5 HTTP/1.1\r\n" H "\r\n", 0, "/auto/v5.1", "duration=5" },
	{ "HEAD /lineup.json HTTP/1.1\r\n" H "\r\n", 0, "/lineup.json", "" },
	{ "POST /lineup.post?scan=start HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 0, "/lineup.post", "scan=start" },
	{ "DELETE /x HTTP/1.1\r\n" H "\r\n", 0, "/x", "" },
	{ "GET //auto///v5 HTTP/1.1\r\n" H "\r\n", 0, "/auto/v5", "" },
	{ "GET /a%20b%2fc HTTP/1.1\r\n" H "\r\n", 0, "/a b/c", "" },
	{ "GET /%C3%A9 HTTP/1.1\r\n" H "\r\n", 0, "/\xc3\xa9", "" },
	{ "GET http://a:5004/x?y=1 HTTP/1.1\r\n" H "\r\n", 0, "/x", "y=1" },
	{ "GET HTTP://a HTTP/1.1\r\n" H "\r\n", 0, "/", "" },
	{ "GET http://a?q=2 HTTP/1.1\r\n" H "\r\n", 0, "/", "q=2" },
	{ "GET /x? HTTP/1.1\r\n" H "\r\n", 0, "/x", "" },
	{ "GET /x?a=b?c=d HTTP/1.1\r\n" H "\r\n", 0, "/x", "a=b?c=d" },
	{ "GET / HTTP/1.1\nHost: a\n\n", 0, "/", "" },
	{ "\r\nGET / HTTP/1.1\r\n" H "\r\n", 0, "/", "" },
	{ "GET / HTTP/1.1\r\nhOsT:a\r\n\r\n", 0, "/", "" },
	{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, "/", "" },
	{ "GET / HTTP/1.1\r\nHost: [::1]:5004\r\n\r\n", 0, "/", "" },
	{ "GET / HTTP/1.9\r\n" H "\r\n", 0, "/", "" },
	{ "GET / HTTP/1.1\r\n" H "X-Odd:\t a\tb \t\r\n\r\n", 0, "/", "" },
	{ "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 0, "/", "" },
	{ "GET / HTTP/1.1\r\n" H "X-Bytes: \x80\xff\r\n\r\n", 0, "/", "" },

	{ "GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H H "\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "X-Long: a\r\n b\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n X: a\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "no colon\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H ": empty\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "X: a\001b\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1\r\n" H "X: a\177b\r\n\r\n", 400, NULL, NULL },
	{ "GET /a\tb HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /a b HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ " GET / HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "G@T / HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /\r\n\r\n", 400, NULL, NULL },
	{ "GET\r\n\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", 400, NULL, NULL },
	{ "GET / http/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET / HTTP/11\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET / HTTP/1.x\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET / HTTP/2.0\r\n" H "\r\n", 505, NULL, NULL },
	{ "GET / HTTP/0.9\r\n\r\n", 505, NULL, NULL },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET http:///x HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET http://u@a/x HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET x HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /x#y HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /% HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /%4 HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /%zz HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /%00 HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /%0d%0aX:1 HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /%ff HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /%C0%AF HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "GET /%ED%A0%80 HTTP/1.1\r\n" H "\r\n", 400, NULL, NULL },
	{ "\r\n\r\n\r\n\r\n", 400, NULL, NULL },
	{ "\026\003\001\002", 400, NULL, NULL },
};

START_TEST(a_head_is_understood_or_refused_with_the_status_it_is_owed)
{
	const struct head *head = &heads[_i];
	struct request req;
	int status = -1;
	int err = request_parse(&req, head->text, strlen(head->text), &status);

	if (head->status != 0) {
		ck_assert_int_eq(err, PB_EFORMAT);
		ck_assert_int_eq(status, head->status);
		return;
	}
	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(req.head_len, strlen(head->text));
	ck_assert_str_eq(req.path, head->path);
	ck_assert_str_eq(req.query, head->query);
}
END_TEST

START_TEST(a_head_cut_anywhere_is_waited_for_or_refused_as_the_whole_one_is)
{
	const struct head *head = &heads[_i];
	struct request req;
	int status;

	for (size_t len = 0; len < strlen(head->text); len++) {
		/* A copy of this very size, so that a sanitizer sees a byte too many. */
		char *copy = malloc(len + (len == 0));
		int err;

		memcpy(copy, head->text, len);
		err = request_parse(&req, copy, len, &status);
		free(copy);
		if (head->status == 0)
			ck_assert_int_eq(err, PB_AGAIN);
		else
			ck_assert(err == PB_AGAIN || err == PB_EFORMAT);
	}
}
END_TEST

START_TEST(what_follows_a_head_is_left_alone)
{
	static const char two[] = "GET /a HTTP/1.1\r\n" H "\r\nGET /b HTTP/1.1\r\n" H "\r\n";
	struct request req;
	int status;

	ck_assert_int_eq(request_parse(&req, two, sizeof(two) - 1, &status), 0);
	ck_assert_str_eq(req.path, "/a");
	ck_assert_int_eq(request_parse(&req, two + req.head_len, sizeof(two) - 1 - req.head_len, &status), 0);
	ck_assert_str_eq(req.path, "/b");
}
END_TEST

START_TEST(fields_that_matter_are_told)
{
	static const char head[] = "POST /x HTTP/1.0\r\nUser-Agent:  Lavf/59.27.100\x01"
				   "\r\n\r\n";
	static const char good[] = "POST /x HTTP/1.0\r\nHost: h:1\r\nUser-Agent: Lavf/59 \xff\r\nContent-Length: 12\r\n"
				   "Upgrade: websocket\r\n\r\n";
	struct request req;
	int status;

	ck_assert_int_eq(request_parse(&req, head, sizeof(head) - 1, &status), PB_EFORMAT);
	ck_assert_int_eq(request_parse(&req, good, sizeof(good) - 1, &status), 0);
	ck_assert_int_eq(req.method, REQUEST_POST);
	ck_assert_int_eq(req.minor, 0);
	ck_assert_str_eq(req.host, "h:1");
	ck_assert_str_eq(req.agent, "Lavf/59 ?");
	ck_assert_uint_eq(req.body_len, 12);
	ck_assert(req.upgrade);
	ck_assert(!req.chunked);
}
END_TEST

START_TEST(a_head_that_is_too_long_is_414_or_431_and_takes_no_more_memory)
{
	char *big = malloc(REQUEST_HEAD_MAX + 1);
	struct request req;
	int status;

	memset(big, 'a', REQUEST_HEAD_MAX + 1);
	memcpy(big, "GET /", 5);
	ck_assert_int_eq(request_parse(&req, big, REQUEST_HEAD_MAX - 1, &status), PB_AGAIN);
	ck_assert_int_eq(request_parse(&req, big, REQUEST_HEAD_MAX, &status), PB_EFORMAT);
	ck_assert_int_eq(status, 414);
	memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
	ck_assert_int_eq(request_parse(&req, big, REQUEST_HEAD_MAX, &status), PB_EFORMAT);
	ck_assert_int_eq(status, 431);
	free(big);
}
END_TEST

START_TEST(a_path_or_query_that_is_too_long_is_414)
{
	char head[REQUEST_HEAD_MAX];
	struct request req;
	int status;

	for (int query = 0; query < 2; query++)
		for (int over = 0; over < 2; over++) {
			/* The longest that fits has its NUL in the field. */
			int len = (query ? REQUEST_QUERY_MAX - 1 : REQUEST_PATH_MAX - 2) + over;
			int n =
			    snprintf(head, sizeof(head), "GET /%s%0*d HTTP/1.1\r\n" H "\r\n", query ? "?" : "", len, 0);

			ck_assert_int_eq(request_parse(&req, head, (size_t)n, &status), over ? PB_EFORMAT : 0);
			if (over)
				ck_assert_int_eq(status, 414);
		}
}
END_TEST

START_TEST(sixty_four_header_lines_pass_and_one_more_is_431)
{
	char head[REQUEST_HEAD_MAX] = "GET / HTTP/1.1\r\n" H;
	struct request req;
	int status;

	for (int i = 1; i < REQUEST_HEADERS_MAX; i++)
		strncat(head, "X: y\r\n", sizeof(head) - strlen(head) - 1);
	strncat(head, "\r\n", sizeof(head) - strlen(head) - 1);
	ck_assert_int_eq(request_parse(&req, head, strlen(head), &status), 0);
	head[strlen(head) - 2] = '\0';
	strncat(head, "X: y\r\n\r\n", sizeof(head) - strlen(head) - 1);
	ck_assert_int_eq(request_parse(&req, head, strlen(head), &status), PB_EFORMAT);
	ck_assert_int_eq(status, 431);
}
END_TEST

START_TEST(a_nul_byte_is_refused_wherever_it_stands)
{
	static const char good[] = "GET /abc HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
	char head[sizeof(good)];
	struct request req;
	int status;

	for (size_t i = 0; i + 5 < sizeof(good); i++) {
		memcpy(head, good, sizeof(good));
		head[i] = '\0';
		ck_assert_int_eq(request_parse(&req, head, sizeof(good) - 1, &status), PB_EFORMAT);
		ck_assert_int_eq(status, 400);
	}
}
END_TEST

START_TEST(a_query_parameter_is_decoded_and_a_plus_stays_a_plus)
{
	static const struct {
		const char *query;
		const char *name;
		const char *value; /* NULL: not there */
	} params[] = {
		{ "favorite=+5.1", "favorite", "+5.1" },
		{ "a=1&b=2", "b", "2" },
		{ "a=1&b=2", "a", "1" },
		{ "ab=1&b=2", "b", "2" },
		{ "a", "a", "" },
		{ "a=", "a", "" },
		{ "a=%41%2f", "a", "A/" },
		{ "a=%4", "a", NULL },
		{ "a=%", "a", NULL },
		{ "a=%zz", "a", NULL },
		{ "a=%00", "a", NULL },
		{ "a=12345678", "a", NULL },
		{ "a=1234567", "a", "1234567" },
		{ "", "a", NULL },
		{ "&&a=1&&", "a", "1" },
		{ "A=1", "a", NULL },
	};
	struct request req;
	char value[8];

	for (size_t i = 0; i < NITEMS(params); i++) {
		bool there;

		memset(&req, 0, sizeof(req));
		strncpy(req.query, params[i].query, sizeof(req.query) - 1);
		there = request_param(&req, params[i].name, value, sizeof(value));
		ck_assert_msg(there == (params[i].value != NULL), "%s in %s", params[i].name, params[i].query);
		if (there)
			ck_assert_str_eq(value, params[i].value);
	}
}
END_TEST

START_TEST(a_field_is_found_by_its_name_in_any_case)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nRANGE: \t bytes=0-1 \r\nRange: second\r\n\r\n";
	char value[16];

	ck_assert(request_field(head, sizeof(head) - 1, "Range", value, sizeof(value)));
	ck_assert_str_eq(value, "bytes=0-1");
	ck_assert(!request_field(head, sizeof(head) - 1, "Ran", value, sizeof(value)));
	ck_assert(!request_field(head, sizeof(head) - 1, "Cookie", value, sizeof(value)));
	ck_assert(!request_field(head, sizeof(head) - 1, "Range", value, 9));
	ck_assert(request_field(head, sizeof(head) - 1, "Range", value, 10));
}
END_TEST

static const struct {
	const char *field;
	bool gzip;
} encodings[] = {
	{ "gzip", true },
	{ "GZip", true },
	{ "deflate, gzip, br", true },
	{ "br;q=0,gzip", true },
	{ "gzip;q=1", true },
	{ "gzip;q=1.000", true },
	{ "gzip ; Q=0.001", true },
	{ "deflate\t,\tgzip;q=0.5\t", true },
	{ "*", true },
	{ "br, *;q=0.1", true },
	{ "*;q=0, gzip", true },
	{ ",, gzip", true },
	{ "", false },
	{ "identity", false },
	{ "x-gzip2, gzi, gzipped", false },
	{ "gzip;q=0", false },
	{ "gzip; q=0", false },
	{ "gzip;q=0.0", false },
	{ "gzip;\tq=0.000 , br", false },
	{ "deflate, gzip;q=0", false },
	{ "*;q=0", false },
	{ "gzip;q=0, *", false },
	{ "*, gzip;q=0", false },
	{ "gzip;q=", false },
	{ "gzip;q=2", false },
	{ "gzip;q=1.001", false },
	{ "gzip;q=0.0001", false },
	{ "gzip;q=05", false },
	{ "gzip;level=1", false },
	{ "gzip br", false },
	{ "gzip;q=0;q=1", false },
	{ "br, \"gzip\"", false },
};

START_TEST(a_coding_is_accepted_as_its_weight_says)
{
	ck_assert_msg(request_accepts(encodings[_i].field, "gzip") == encodings[_i].gzip, "Accept-Encoding: %s",
	    encodings[_i].field);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("request");
	TCase *tc = tcase_create("request");
	SRunner *sr = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, a_head_is_understood_or_refused_with_the_status_it_is_owed, 0, (int)NITEMS(heads));
	tcase_add_loop_test(
	    tc, a_head_cut_anywhere_is_waited_for_or_refused_as_the_whole_one_is, 0, (int)NITEMS(heads));
	tcase_add_test(tc, what_follows_a_head_is_left_alone);
	tcase_add_test(tc, fields_that_matter_are_told);
	tcase_add_test(tc, a_head_that_is_too_long_is_414_or_431_and_takes_no_more_memory);
	tcase_add_test(tc, a_path_or_query_that_is_too_long_is_414);
	tcase_add_test(tc, sixty_four_header_lines_pass_and_one_more_is_431);
	tcase_add_test(tc, a_nul_byte_is_refused_wherever_it_stands);
	tcase_add_test(tc, a_query_parameter_is_decoded_and_a_plus_stays_a_plus);
	tcase_add_test(tc, a_field_is_found_by_its_name_in_any_case);
	tcase_add_loop_test(tc, a_coding_is_accepted_as_its_weight_says, 0, (int)NITEMS(encodings));
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
