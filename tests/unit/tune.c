/*
 * tune.c - tests of ipc/tune.c: what a channel's worker is told of its sources
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/pb.h"
#include "config/lineup.h"
#include "ipc/tune.h"

static const char *first_headers[] = { "Referer: http://r/", "X-Key: one" }, *own_headers[] = { "X-Key: two" };
static const char *urls[] = { "http://h/2", "http://h/3", "http://h/4" };
static struct channel_request requests[3];
static struct channel_more more;
static struct channel channel;
static struct config config;

static void
setup(void)
{
	requests[0] = (struct channel_request){ own_headers, NULL, 1 };
	requests[1] = (struct channel_request){ first_headers, "First/1", 2 };
	requests[2] = (struct channel_request){ NULL, NULL, 0 };
	more = (struct channel_more){
		.request = { first_headers, "First/1", 2 }, .backups = urls, .backup_requests = requests
	};
	channel = (struct channel){ .guide_number = "7", .url = "http://h/1", .backup_count = 3, .more = &more };
	memset(&config, 0, sizeof(config));
	config.fetch.user_agent = "General/1";
}

static void
is_request(const struct msg_request *r, const char *agent, const char *headers, size_t len)
{
	ck_assert_str_eq(r->user_agent, agent);
	ck_assert_uint_eq(r->headers_len, len);
	ck_assert_int_eq(memcmp(r->headers, headers, len), 0);
}

START_TEST(a_source_has_its_own_request_where_that_is_another)
{
	static const char first[] = "Referer: http://r/\0X-Key: one", own[] = "X-Key: two";
	struct msg_tune tune;
	struct msg_source source;
	const char *why;

	ck_assert_int_eq(tune_pack(&tune, &config, &channel, NULL, &why), 0);
	ck_assert_uint_eq(tune.source_count, 4);
	is_request(&tune.request, "First/1", first, sizeof(first));
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 1, &why), 0);
	ck_assert_uint_eq(source.own, 1);
	is_request(&source.request, "General/1", own, sizeof(own));
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 2, &why), 0);
	ck_assert_uint_eq(source.own, 0); /* said once, with the tune */
	is_request(&source.request, "", "", 0);
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 3, &why), 0);
	ck_assert_uint_eq(source.own, 1); /* nothing, which is not what url's says */
	is_request(&source.request, "General/1", "", 0);
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 4, &why), PB_NO);
	more.backup_requests = NULL;
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 1, &why), 0);
	ck_assert_uint_eq(source.own, 0);
}
END_TEST

START_TEST(a_url_is_sent_as_it_can_be_asked_for)
{
	static const char as_written[] = "HTTP://h/my tv/\xc3\xa4%20.m3u8?a b#part";
	static const char encoded[] = "http://h/my%20tv/%C3%A4%20.m3u8?a%20b";
	static char longest[URL_MAX] = "http://h/";
	struct msg_source source;
	struct msg_tune tune;
	const char *why = "";

	channel.url = urls[0] = as_written;
	ck_assert_int_eq(tune_pack(&tune, &config, &channel, NULL, &why), 0);
	ck_assert_str_eq(tune.url, encoded);
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 1, &why), 0);
	ck_assert_str_eq(source.url, encoded);
	memset(longest + strlen(longest), ' ', 4000);
	longest[4000] = 'x';
	channel.url = urls[0] = longest;
	ck_assert_int_eq(tune_pack(&tune, &config, &channel, NULL, &why), PB_ELIMIT);
	ck_assert_str_eq(why, "the URL is too long");
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 1, &why), PB_ELIMIT);
	channel.url = "no URL";
	ck_assert_int_eq(tune_pack(&tune, &config, &channel, NULL, &why), PB_EFORMAT);
}
END_TEST

START_TEST(what_is_too_long_for_a_message_is_refused_whole)
{
	static char headers[2][MSG_HEADERS_MAX], agent[400];
	const char *longer[] = { headers[0], headers[1] };
	struct msg_source source;
	struct msg_tune tune;
	const char *why = "";

	memset(headers, 'x', sizeof(headers));
	memset(agent, 'x', sizeof(agent) - 1);
	headers[0][1] = headers[1][1] = ':';
	headers[0][2000] = headers[1][2000] = '\0';
	requests[0] = (struct channel_request){ longer, NULL, 2 };
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 1, &why), 0);
	ck_assert_uint_eq(source.request.headers_len, 4002);
	headers[1][2000] = 'x';
	headers[1][2094] = '\0';
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 1, &why), 0);
	ck_assert_uint_eq(source.request.headers_len, MSG_HEADERS_MAX);
	headers[1][2094] = 'x';
	headers[1][2095] = '\0';
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 1, &why), PB_ELIMIT);
	ck_assert_str_eq(why, "the headers are too long");
	requests[0] = (struct channel_request){ NULL, agent, 0 };
	ck_assert_int_eq(tune_pack_source(&source, &config, &channel, 1, &why), PB_ELIMIT);
	ck_assert_str_eq(why, "user_agent is too long");
	more.request.user_agent = agent;
	ck_assert_int_eq(tune_pack(&tune, &config, &channel, NULL, &why), PB_ELIMIT);
}
END_TEST

static void
note(void *user, enum lineup_change change, const struct channel *was, const struct channel *now)
{
	unsigned *count = user;

	(void)was;
	(void)now;
	ck_assert_int_eq(change, LINEUP_CHANGED_SOURCE);
	++*count;
}

START_TEST(another_request_of_a_backup_is_another_source)
{
	struct channel_request other[3];
	struct channel_more more_now;
	struct channel now;
	struct lineup old_lineup = { &channel, 1, NULL }, new_lineup = { &now, 1, NULL };
	unsigned count = 0;

	memcpy(other, requests, sizeof(other));
	now = channel;
	more_now = more;
	now.more = &more_now;
	more_now.backup_requests = other;
	lineup_diff(&old_lineup, &new_lineup, note, &count);
	ck_assert_uint_eq(count, 0);
	other[2].user_agent = "New/1";
	lineup_diff(&old_lineup, &new_lineup, note, &count);
	ck_assert_uint_eq(count, 1);
	other[2] = requests[2];
	other[0].headers = first_headers;
	lineup_diff(&old_lineup, &new_lineup, note, &count);
	ck_assert_uint_eq(count, 2);
	/* All as url's, said in one way or the other. */
	other[0] = other[1] = other[2] = channel_request(&channel, 0);
	more.backup_requests = NULL;
	lineup_diff(&old_lineup, &new_lineup, note, &count);
	ck_assert_uint_eq(count, 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tune");
	TCase *tc = tcase_create("tune");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_source_has_its_own_request_where_that_is_another);
	tcase_add_test(tc, a_url_is_sent_as_it_can_be_asked_for);
	tcase_add_test(tc, what_is_too_long_for_a_message_is_refused_whole);
	tcase_add_test(tc, another_request_of_a_backup_is_another_source);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
