/*
 * verdict.c - which answers are tried again, as a table
 *
 * A row is what is known of a try, and what is to be done about it. Tries
 * through real connections are in fetch.c.
 */
#include <check.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/pb.h"
#include "worker/verdict.h"

#define SEGMENT .kind = FETCH_SEGMENT
#define STATUS(n) .unwanted = true, .status = (n), .addresses = 1
#define FRESH 1
#define ROTATE 2
#define WHOLE 4
#define DOUBT 8
#define HTTP2 16

static const struct {
	struct verdict_try t;
	enum verdict_what what;
	int err;
	unsigned flags;
	const char *why;
} rows[] = {
	/* It came. */
	{ { SEGMENT, .wanted = true, .got = 9, .pos = 9 }, VERDICT_DONE, 0, 0, "" },
	{ { .kind = FETCH_PLAYLIST, .wanted = true }, VERDICT_DONE, 0, 0, "" },
	{ { .kind = FETCH_STREAM, .wanted = true, .pos = 9 }, VERDICT_DONE, 0, 0, "" },
	/* A part of it came, in peace: the rest is asked for, at once if it was a good part. */
	{ { SEGMENT, .wanted = true, .partial = true, .got = VERDICT_MOVED_WELL, .pos = 99999 }, VERDICT_NOW, PB_ENET,
	    0, "a part that ends after 99999 bytes" },
	{ { SEGMENT, .wanted = true, .partial = true, .got = 9, .pos = 99999 }, VERDICT_RETRY, PB_ENET, 0,
	    "a part that ends after 99999 bytes" },
	{ { SEGMENT, .wanted = true, .partial = true, .code = CURLE_PARTIAL_FILE, .got = 9, .pos = 9 }, VERDICT_RETRY,
	    PB_ENET, FRESH, NULL },
	{ { SEGMENT, .wanted = true, .partial = true, .whole = true, .pos = 9 }, VERDICT_DONE, 0, 0, "" },
	/* We stopped it. */
	{ { SEGMENT, .wanted = true, .whole = true, .code = CURLE_WRITE_ERROR, .pos = 9 }, VERDICT_DONE, 0, 0, "" },
	{ { SEGMENT, .replan = true, .stop_err = PB_EFORMAT, .code = CURLE_WRITE_ERROR }, VERDICT_NOW, PB_EFORMAT,
	    WHOLE, "" },
	{ { SEGMENT, .wanted = true, .stop_err = PB_ELIMIT, .code = CURLE_WRITE_ERROR, .pos = 9 }, VERDICT_END,
	    PB_ELIMIT, 0, "" },
	{ { .refused = true, .code = CURLE_COULDNT_CONNECT }, VERDICT_END, PB_NO, 0,
	    "a public source led to a private address, and private_targets is no" },
	{ { .refused = true, .wanted = true }, VERDICT_DONE, 0, 0, "" }, /* by another address of it */
	/* Its status says so. */
	{ { STATUS(302), .location = true }, VERDICT_REDIRECT, PB_NO, 0, "" },
	{ { STATUS(304), .location = true }, VERDICT_END, PB_NO, 0, "HTTP 304" },
	{ { STATUS(302) }, VERDICT_END, PB_NO, 0, "HTTP 302" },
	{ { STATUS(204) }, VERDICT_END, PB_NO, 0, "HTTP 204" },
	{ { STATUS(401) }, VERDICT_END, PB_NO, 0, "HTTP 401" },
	{ { STATUS(403), .fresh = true }, VERDICT_END, PB_NO, FRESH, "HTTP 403" },
	{ { STATUS(429) }, VERDICT_END, PB_NO, 0, "HTTP 429" },
	{ { STATUS(509) }, VERDICT_END, PB_NO, 0, "HTTP 509" },
	{ { SEGMENT, STATUS(458) }, VERDICT_END, PB_NO, 0, "HTTP 458" },
	{ { SEGMENT, STATUS(458), .left_s = 2 }, VERDICT_END, PB_NO, 0, "HTTP 458" },
	{ { SEGMENT, STATUS(458), .left_s = 2.1 }, VERDICT_BUSY, PB_NO, 0, "HTTP 458" },
	{ { SEGMENT, STATUS(429), .left_s = 2.1 }, VERDICT_BUSY, PB_NO, 0, "HTTP 429" },
	{ { SEGMENT, STATUS(509), .left_s = 2.1, .pos = 9 }, VERDICT_BUSY, PB_NO, 0, "HTTP 509" },
	{ { .kind = FETCH_KEY, STATUS(458), .left_s = 2.1 }, VERDICT_BUSY, PB_NO, 0, "HTTP 458" },
	{ { .kind = FETCH_PLAYLIST, STATUS(458), .left_s = 60 }, VERDICT_END, PB_NO, 0, "HTTP 458" },
	{ { .kind = FETCH_STREAM, STATUS(458), .left_s = 60 }, VERDICT_END, PB_NO, 0, "HTTP 458" },
	{ { SEGMENT, STATUS(458), .crowd = true, .left_s = 0.5 }, VERDICT_END, PB_NO, 0, "HTTP 458" },
	{ { SEGMENT, STATUS(458), .crowd = true, .left_s = 0.6 }, VERDICT_BUSY, PB_NO, 0, "HTTP 458" },
	{ { .kind = FETCH_PLAYLIST, STATUS(458), .crowd = true, .left_s = 60 }, VERDICT_BUSY, PB_NO, 0, "HTTP 458" },
	{ { STATUS(408) }, VERDICT_RETRY, PB_NO, ROTATE, "HTTP 408" },
	{ { STATUS(425) }, VERDICT_RETRY, PB_NO, ROTATE, "HTTP 425" },
	{ { STATUS(500) }, VERDICT_RETRY, PB_NO, ROTATE, "HTTP 500" },
	{ { .unwanted = true, .status = 503, .addresses = 2 }, VERDICT_RETRY, PB_NO, ROTATE | FRESH, "HTTP 503" },
	{ { STATUS(503), .fresh = true }, VERDICT_RETRY, PB_NO, ROTATE, "HTTP 503" }, /* the server's fault: keep it */
	{ { STATUS(503), .code = CURLE_RECV_ERROR }, VERDICT_RETRY, PB_NO, ROTATE, "HTTP 503" },
	/* A segment that is not there yet. */
	{ { SEGMENT, STATUS(404), .missing_ms = 6000 }, VERDICT_MISSING, PB_NO, 0, "HTTP 404" },
	{ { SEGMENT, STATUS(404), .missing_ms = 6000, .missing_s = 5.9 }, VERDICT_MISSING, PB_NO, 0, "HTTP 404" },
	{ { SEGMENT, STATUS(404), .missing_ms = 6000, .missing_s = 6 }, VERDICT_END, PB_NO, 0, "HTTP 404" },
	{ { SEGMENT, STATUS(404) }, VERDICT_END, PB_NO, 0, "HTTP 404" },
	{ { SEGMENT, STATUS(410), .missing_ms = 6000 }, VERDICT_END, PB_NO, 0, "HTTP 410" },
	{ { .kind = FETCH_PLAYLIST, STATUS(404), .missing_ms = 6000 }, VERDICT_END, PB_NO, 0, "HTTP 404" },
	/* The rest of a file, of which there is none. */
	{ { SEGMENT, STATUS(416), .ranged = true, .pos = 9, .had_all = true }, VERDICT_DONE, 0, 0, "HTTP 416" },
	{ { SEGMENT, STATUS(416), .ranged = true, .pos = 9 }, VERDICT_RETRY, PB_NO, WHOLE, "HTTP 416" },
	{ { SEGMENT, STATUS(416), .ranged = true }, VERDICT_END, PB_NO, 0, "HTTP 416" },
	{ { SEGMENT, STATUS(416) }, VERDICT_END, PB_NO, 0, "HTTP 416" },
	/* The connection failed. */
	{ { .code = CURLE_COULDNT_CONNECT }, VERDICT_RETRY, PB_ENET, FRESH | ROTATE | DOUBT, NULL },
	{ { .code = CURLE_OPERATION_TIMEDOUT }, VERDICT_RETRY, PB_ETIME, FRESH | ROTATE | DOUBT, NULL },
	{ { .code = CURLE_OPERATION_TIMEDOUT, .connected = true }, VERDICT_RETRY, PB_ETIME, FRESH, NULL },
	{ { .code = CURLE_GOT_NOTHING, .connected = true }, VERDICT_RETRY, PB_ENET, FRESH, NULL },
	{ { .connected = true }, VERDICT_RETRY, PB_ENET, FRESH, NULL }, /* it ended in peace, without a head */
	{ { SEGMENT, .wanted = true, .code = CURLE_PARTIAL_FILE, .got = 9, .pos = 9 }, VERDICT_RETRY, PB_ENET, FRESH,
	    NULL },
	/* ... and that was the kept one, closed before our request. */
	{ { .reused = true, .code = CURLE_GOT_NOTHING }, VERDICT_STALE, PB_ENET, FRESH, NULL },
	{ { .reused = true, .code = CURLE_RECV_ERROR }, VERDICT_STALE, PB_ENET, FRESH, NULL },
	{ { .reused = true, .code = CURLE_SEND_ERROR, .pos = 9 }, VERDICT_STALE, PB_ENET, FRESH, NULL },
	{ { .reused = true, .code = CURLE_RECV_ERROR, .got = 9, .pos = 9 }, VERDICT_RETRY, PB_ENET, FRESH, NULL },
	/* ... or with the rest of an earlier answer on it. */
	{ { .reused = true, .code = CURLE_UNSUPPORTED_PROTOCOL }, VERDICT_STALE, PB_ENET, FRESH, NULL },
	{ { .reused = true, .code = CURLE_WEIRD_SERVER_REPLY }, VERDICT_STALE, PB_ENET, FRESH, NULL },
	{ { .kind = FETCH_STREAM, .reused = true, .code = CURLE_UNSUPPORTED_PROTOCOL, .pos = 9 }, VERDICT_END, PB_ENET,
	    0, NULL },
	{ { .code = CURLE_UNSUPPORTED_PROTOCOL }, VERDICT_END, PB_EFORMAT, 0, NULL }, /* it speaks no HTTP at all */
	{ { .code = CURLE_HTTP2 }, VERDICT_STALE, PB_ENET, FRESH | HTTP2, NULL },
	{ { .code = CURLE_HTTP2_STREAM, .got = 9, .pos = 9 }, VERDICT_STALE, PB_ENET, FRESH | HTTP2, NULL },
	/* ... in a way that lasts. */
	{ { .code = CURLE_PEER_FAILED_VERIFICATION }, VERDICT_END, PB_ENET, 0, NULL },
	{ { .code = CURLE_SSL_CIPHER }, VERDICT_END, PB_ENET, 0, NULL },
	{ { .code = CURLE_SSL_CONNECT_ERROR }, VERDICT_RETRY, PB_ENET, FRESH, NULL },
	{ { .code = CURLE_OUT_OF_MEMORY }, VERDICT_END, PB_ENOMEM, 0, NULL },
	{ { .code = CURLE_URL_MALFORMAT }, VERDICT_END, PB_EFORMAT, 0, NULL },
	/* A stream that broke is over; one that never began is not. */
	{ { .kind = FETCH_STREAM, .wanted = true, .code = CURLE_RECV_ERROR, .got = 9, .pos = 9 }, VERDICT_END, PB_ENET,
	    0, NULL },
	{ { .kind = FETCH_STREAM, .code = CURLE_RECV_ERROR }, VERDICT_RETRY, PB_ENET, FRESH, NULL },
};

static unsigned
flags_of(const struct verdict *v)
{
	return (v->fresh ? FRESH : 0U) | (v->rotate ? ROTATE : 0U) | (v->whole ? WHOLE : 0U) | (v->doubt ? DOUBT : 0U) |
	    (v->http2 ? HTTP2 : 0U);
}

START_TEST(what_became_of_a_try_decides_what_follows)
{
	struct verdict v = verdict_transfer(&rows[_i].t);

	ck_assert_int_eq(v.what, rows[_i].what);
	ck_assert_int_eq(v.err, rows[_i].err);
	ck_assert_uint_eq(flags_of(&v), rows[_i].flags);
	if (rows[_i].why != NULL)
		ck_assert_str_eq(v.why, rows[_i].why);
	else
		ck_assert(v.why[0] != '\0'); /* curl's words */
}
END_TEST

START_TEST(every_failure_says_with_how_many_bytes_it_came)
{
	struct verdict_try t = { .code = CURLE_RECV_ERROR, .got = 9, .pos = 1009 };
	struct verdict v = verdict_transfer(&t);

	ck_assert_ptr_nonnull(strstr(v.why, " after 1009 bytes"));
}
END_TEST

static const struct {
	int code;
	long verify;
	const char *says;
} tls[] = {
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_CERT_HAS_EXPIRED, "has expired" },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_CERT_NOT_YET_VALID, "not valid yet" },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "signed by itself" },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "authority that is not known" },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_OK, "another name" },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_CERT_REVOKED, "revoked" },
	{ CURLE_SSL_CONNECT_ERROR, X509_V_OK, "no protocol or cipher" },
	{ CURLE_SSL_CONNECT_ERROR, X509_V_ERR_CERT_HAS_EXPIRED, "has expired" },
	{ CURLE_SSL_CACERT_BADFILE, X509_V_OK, "can't be read" },
};

START_TEST(what_is_wrong_with_tls_is_said_in_plain_words)
{
	struct verdict_try t = { .kind = FETCH_PLAYLIST, .code = tls[_i].code, .verify = tls[_i].verify };
	struct verdict v = verdict_transfer(&t);

	ck_assert_msg(strstr(v.why, tls[_i].says) != NULL, "%s", v.why);
	ck_assert_ptr_nonnull(strstr(v.why, "TLS: "));
	ck_assert_ptr_null(verdict_tls_text(CURLE_COULDNT_CONNECT, 0));
}
END_TEST

START_TEST(a_name_without_an_address_is_asked_for_again)
{
	static const struct {
		int said;
		enum verdict_what what;
		int err;
		const char *why;
	} names[] = {
		{ PB_NO, VERDICT_RETRY, PB_ENET, "no such host" },
		{ PB_ENET, VERDICT_RETRY, PB_ENET, NULL },
		{ PB_ETIME, VERDICT_RETRY, PB_ETIME, NULL },
		{ PB_ENOMEM, VERDICT_RETRY, PB_ENOMEM, NULL },
		{ PB_EFORMAT, VERDICT_END, PB_EFORMAT, NULL },
	};
	const struct verdict_try t = { .kind = FETCH_KEY };

	for (size_t i = 0; i < NITEMS(names); i++) {
		struct verdict v = verdict_name(&t, names[i].said);

		ck_assert_int_eq(v.what, names[i].what);
		ck_assert_int_eq(v.err, names[i].err);
		ck_assert_uint_eq(flags_of(&v), 0);
		if (names[i].why != NULL)
			ck_assert_str_eq(v.why, names[i].why);
		else
			ck_assert_ptr_nonnull(strstr(v.why, "no address for its name: "));
	}
}
END_TEST

static const struct {
	struct verdict_try t;
	bool naming;
	enum verdict_what what;
	int err;
	unsigned flags;
	const char *why;
} timeouts[] = {
	{ { SEGMENT }, true, VERDICT_RETRY, PB_ETIME, FRESH | ROTATE, "no address for its name in 2500 ms" },
	{ { SEGMENT }, false, VERDICT_RETRY, PB_ETIME, FRESH | ROTATE, "no answer in 2500 ms" },
	{ { SEGMENT, .wanted = true }, false, VERDICT_RETRY, PB_ETIME, FRESH | ROTATE,
	    "a head and no body in 2500 ms" },
	{ { SEGMENT, .wanted = true, .got = 1, .pos = 9 }, false, VERDICT_RETRY, PB_ETIME, FRESH | ROTATE,
	    "stalled after 9 bytes for 2500 ms" },
	{ { .kind = FETCH_STREAM, .wanted = true, .got = 9, .pos = 9 }, false, VERDICT_END, PB_ETIME, FRESH | ROTATE,
	    "stalled after 9 bytes for 2500 ms" },
	/* An error page that never ends has said what there was to say. */
	{ { SEGMENT, STATUS(403) }, false, VERDICT_END, PB_NO, FRESH | ROTATE, "HTTP 403" },
	{ { SEGMENT, STATUS(503) }, false, VERDICT_RETRY, PB_NO, ROTATE, "HTTP 503" },
	{ { SEGMENT, STATUS(302), .location = true }, false, VERDICT_REDIRECT, PB_NO, FRESH | ROTATE, "" },
};

START_TEST(a_try_that_stands_still_goes_to_another_address)
{
	struct verdict v = verdict_timeout(&timeouts[_i].t, timeouts[_i].naming, 2.5);

	ck_assert_int_eq(v.what, timeouts[_i].what);
	ck_assert_int_eq(v.err, timeouts[_i].err);
	ck_assert_uint_eq(flags_of(&v), timeouts[_i].flags);
	ck_assert_str_eq(v.why, timeouts[_i].why);
}
END_TEST

START_TEST(who_was_told_too_many_waits_longer_each_time_or_for_what_was_said)
{
	static const struct {
		unsigned busy;
		uint32_t retry_after_ms;
		double left_s, want_s; /* 0: there is no time for it */
		bool crowd;
	} waits[] = {
		{ 0, 0, 60, 2, false },
		{ 1, 0, 60, 5, false },
		{ 2, 0, 60, 10, false },
		{ 3, 0, 60, 30, false },
		{ UINT32_MAX, 0, 60, 30, false },
		{ 3, 1000, 60, 1, false },
		{ 0, 7000, 60, 7, false },
		{ 1, 0, 4.9, 0, false },
		{ 0, 7000, 6.9, 0, false },
		{ 0, 86400000, 60, 0, false },
		{ 0, 0, 60, 0.5, true },
		{ 3, 0, 60, 0.5, true },
		{ 0, 7000, 60, 7, true },
	};

	for (size_t i = 0; i < NITEMS(waits); i++) {
		const struct verdict_try t = { SEGMENT, STATUS(458), .crowd = waits[i].crowd, .busy = waits[i].busy,
			.retry_after_ms = waits[i].retry_after_ms, .left_s = waits[i].left_s };
		struct verdict v = verdict_transfer(&t);

		ck_assert_int_eq(v.what, waits[i].want_s > 0 ? VERDICT_BUSY : VERDICT_END);
		ck_assert_double_eq_tol(v.pause_s, waits[i].want_s, 1e-9);
	}
}
END_TEST

START_TEST(pauses_double_up_to_their_bound_and_respect_what_the_server_asks)
{
	static const struct {
		unsigned failures;
		uint32_t retry_after_ms;
		double random, want_s;
	} pauses[] = {
		{ 1, 0, 1, 0.2 },
		{ 2, 0, 1, 0.4 },
		{ 3, 0, 1, 0.8 },
		{ 4, 0, 1, 1.5 },
		{ UINT32_MAX, 0, 1, 1.5 },
		{ 1, 0, 0, 0.15 },
		{ 1, 1000, 1, 1.0 },
		{ 3, 500, 1, 0.8 },
		{ 1, 86400000, 1, 1.5 },
	};

	for (size_t i = 0; i < NITEMS(pauses); i++)
		ck_assert_double_eq_tol(
		    verdict_pause(pauses[i].failures, 200, 1500, pauses[i].retry_after_ms, pauses[i].random),
		    pauses[i].want_s, 1e-9);
	ck_assert_double_eq_tol(verdict_pause(3, 0, 0, 5000, 1), 0, 1e-9);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("verdict");
	TCase *tc = tcase_create("verdict");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, what_became_of_a_try_decides_what_follows, 0, (int)NITEMS(rows));
	tcase_add_test(tc, every_failure_says_with_how_many_bytes_it_came);
	tcase_add_loop_test(tc, what_is_wrong_with_tls_is_said_in_plain_words, 0, (int)NITEMS(tls));
	tcase_add_test(tc, a_name_without_an_address_is_asked_for_again);
	tcase_add_loop_test(tc, a_try_that_stands_still_goes_to_another_address, 0, (int)NITEMS(timeouts));
	tcase_add_test(tc, who_was_told_too_many_waits_longer_each_time_or_for_what_was_said);
	tcase_add_test(tc, pauses_double_up_to_their_bound_and_respect_what_the_server_asks);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
