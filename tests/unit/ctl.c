/*
 * ctl.c - tests of ctl/table.c and ctl/show.c: what people see
 */
#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "ctl/ask.h"
#include "ctl/show.h"
#include "ctl/table.h"

static const struct column three[] = { { "CH", false, 0 }, { "NAME", false, 4 }, { "N", true, 0 } };

static char *
render(const char *name, int width, bool utf8)
{
	struct table t;
	char *text;

	table_init(&t, three, NITEMS(three));
	table_add(&t, (const char *const[]){ "5.1", name, "7" });
	text = table_render(&t, width, utf8);
	table_clear(&t);
	ck_assert_ptr_nonnull(text);
	return text;
}

static const struct {
	const char *name;
	int width;
	bool utf8;
	const char *is;
} tables[] = {
	{ "First", 80, true, "CH   NAME   N\n5.1  First  7\n" },
	{ "", 80, true, "CH   NAME  N\n5.1        7\n" },
	{ "A rather long name", 20, true, "CH   NAME          N\n5.1  A rather lo\xe2\x80\xa6  7\n" },
	{ "A rather long name", 20, false, "CH   NAME          N\n5.1  A rather lo~  7\n" },
	{ "Z\xc3\xbcrich", 80, true, "CH   NAME    N\n5.1  Z\xc3\xbcrich  7\n" },
	{ "Z\xc3\xbcrich", 80, false, "CH   NAME    N\n5.1  Z?rich  7\n" },
	/* Two columns a character: what would be cut in half is left out whole. */
	{ "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97", 13, true,
	    "CH   NAME   N\n5.1  \xe6\xbc\xa2\xe5\xad\x97\xe2\x80\xa6  7\n" },
	{ "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97", 14, true,
	    "CH   NAME    N\n5.1  \xe6\xbc\xa2\xe5\xad\x97\xe2\x80\xa6   7\n" },
	{ "a\x1b[31mred\n", 80, true, "CH   NAME        N\n5.1  a?[31mred?  7\n" },
	{ "\xff\xc3(\xed\xa0\x80", 80, true, "CH   NAME    N\n5.1  ?\?(???  7\n" },
	{ "\xc2\x9b"
	  "2J\xe2\x80\xae",
	    80, true, "CH   NAME  N\n5.1  ?2J?  7\n" },
	{ "narrower than this it does not get", 1, true, "CH   NAME  N\n5.1  nar\xe2\x80\xa6  7\n" },
};

START_TEST(a_table_is_as_wide_as_it_looks)
{
	char *text = render(tables[_i].name, tables[_i].width, tables[_i].utf8);

	ck_assert_str_eq(text, tables[_i].is);
	free(text);
}
END_TEST

START_TEST(a_table_of_any_bytes_fits_and_holds_no_control)
{
	char name[33];
	char *text, *line, *rest;

	srand((unsigned)_i + 1);
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = (char)(rand() % 255 + 1);
	name[sizeof(name) - 1] = '\0';
	text = render(name, 24, true);
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;) {
		ck_assert_int_le(text_width(line, true), 24);
		for (const char *p = line; *p != '\0'; p++)
			ck_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
	}
	free(text);
}
END_TEST

static const struct {
	double seconds;
	const char *is;
} durations[] = {
	{ 0, "0 s" },
	{ 59.9, "59 s" },
	{ 60, "1 min" },
	{ 3599, "59 min" },
	{ 3600, "1 h 0 min" },
	{ 86399, "23 h 59 min" },
	{ 86400 * 3.5, "3 d 12 h" },
	{ -5, "0 s" },
	{ 1e300, "11574 d 1 h" },
};

START_TEST(durations_are_short)
{
	char out[64];

	ck_assert_str_eq(show_seconds(out, sizeof(out), durations[_i].seconds), durations[_i].is);
}
END_TEST

static const struct {
	double bytes;
	const char *is;
} sizes[] = {
	{ 0, "0 B" },
	{ 1023, "1023 B" },
	{ 1024, "1.0 KiB" },
	{ 150.0 * 1024, "150 KiB" },
	{ 1536.0 * 1024 * 1024, "1.5 GiB" },
};

START_TEST(sizes_are_short)
{
	char out[64];

	ck_assert_str_eq(show_bytes(out, sizeof(out), sizes[_i].bytes), sizes[_i].is);
}
END_TEST

static const char whole[] =
    "{\"supervisor\":{\"pid\":4194304,\"version\":\"10.12.123\",\"uptime_s\":34567890,\"loop_turn_ms_max\":"
    "12345.6,\"listeners\":[\"0.0.0.0:5004\",\"192.168.100.200:5004\",\"[fd00::1234:5678:9abc:def0]:5004\",\"[::1]:"
    "80\"],"
    "\"tuners\":{\"count\":4,\"busy\":1},"
    "\"devices\":[{\"tuner\":\"\",\"name\":\"Living room\",\"device_id\":\"105902DB\",\"port\":null,\"path\":null,"
    "\"channels\":481,\"large\":true,\"tuners\":{\"count\":4,\"busy\":1}},{\"tuner\":\"kids\",\"name\":\"Kids\","
    "\"device_id\":\"10555217\",\"port\":5005,\"path\":\"/kids\",\"channels\":12,\"large\":false,"
    "\"tuners\":{\"count\":2,\"busy\":0}}],"
    "\"memory\":{\"spools\":104857600000,"
    "\"limit\":1073741824000}},\"spare\":{\"pid\":11,\"state\":\"warm\"},\"streams\":[{\"channel\":\"5.1\","
    "\"name\":\"First of a very long list of names that nobody would ever want to read to its end\",\"tuner\":0,"
    "\"state\":\"live\",\"seconds\":61,\"clients\":[{\"id\":1,\"address\":\"fd00::1234:5678:9abc:def0\","
    "\"agent\":\"Lavf/Plex Media Server with many words\",\"seconds\":60,\"bytes\":5000000,\"behind_live_s\":0.4,"
    "\"connection\":{\"rtt_ms\":12.5,\"retransmits\":98},\"state\":\"playing\"}],\"worker\":{\"pid\":12,\"state\":"
    "\"live\",\"uptime_s\":61,\"restarts\":2},"
    "\"handovers\":23,\"crashes\":3,\"poisoned\":1,\"last_handover\":{\"ms\":4.5,\"clients\":17,\"seconds_ago\":125,"
    "\"why\":\"its heart stands still longer than watchdog "
    "allows\"},\"reserve_s\":17.9,\"window_s\":60,\"upstream\":{\"quality\":\"normal\",\"latency_ms\":40,"
    "\"media_kbps\":8000,\"segments\":31,\"segments_lost\":1,\"errors\":2},\"sources\":["
    "{\"source\":0,\"health\":\"doubted\",\"quality\":\"degraded\",\"used_s\":45000,\"latency_ms\":1234,"
    "\"throughput_kbps\":123400,\"loss_percent\":12.5,\"error_percent\":33.3,\"retransmits\":77,\"failures\":3},"
    "{\"source\":1,\"health\":\"untried\",\"quality\":null,\"used_s\":0,\"failures\":0}]}],\"channels\":{\"count\":"
    "200000}}";

START_TEST(the_status_fits_eighty_columns_and_names_what_matters)
{
	static const char *const words[] = { "pid 4194304", "1 of 4", "200000 channels", "0.0.0.0:5004", "[::1]:80",
		"5.1", "First", "12", "17.9 s", "8.0 M", "40 ms", "4.8 MiB", "23", "4.5 ms", "17", "2 min", "its heart",
		"12.5 ms", "98", "fd00::1234:5678:9abc:def0", "Lavf", "12 h 30 min", "1234 ms", "123.4 M", "12.5 %",
		"33.3 %", "77", "105902DB", "481 (too many for Plex)", "5005/kids", "0 of 2" };
	json_t *status = json_loads(whole, 0, NULL);
	char *text, *line, *rest;

	ck_assert_ptr_nonnull(status);
	text = show_status(status, true);
	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < NITEMS(words); i++)
		ck_assert_msg(strstr(text, words[i]) != NULL, "no \"%s\" in\n%s", words[i], text);
	ck_assert_ptr_null(strstr(text, "untried")); /* one that was never in use says nothing */
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;)
		ck_assert_int_le(text_width(line, true), SHOW_WIDTH);
	free(text);
	json_decref(status);
}
END_TEST

static const char *const odd[] = {
	"{}",
	"[]",
	"{\"streams\":7,\"spare\":[]}",
	"{\"streams\":[7,{}, {\"clients\":{}, \"worker\":{}, \"upstream\":3, \"seconds\":\"x\"}]}",
	"{\"streams\":[{\"clients\":[null,{\"bytes\":-1}],\"worker\":{\"pid\":-4}}]}",
	"{\"supervisor\":{\"listeners\":[1]}}",
	"{\"channels\":[3,{\"channel\":5}]}",
};

START_TEST(an_answer_of_another_version_is_shown_as_far_as_it_goes)
{
	json_t *value = json_loads(odd[_i], 0, NULL);
	char *status, *channels;

	ck_assert_ptr_nonnull(value);
	status = show_status(value, true);
	channels = show_channels(value, true);
	ck_assert_ptr_nonnull(status);
	ck_assert_ptr_nonnull(channels);
	ck_assert_ptr_nonnull(strstr(channels, "CHANNEL"));
	free(status);
	free(channels);
	json_decref(value);
}
END_TEST

static const struct {
	const char *word, *is;
	size_t size; /* of which the text before it takes one byte, the NUL another */
} words[] = {
	{ "", "=", 2 },
	{ "5.1", "=5.1", 5 },
	{ "http://u:p@h/get.php?a=b,c~-_", "=http://u:p@h/get.php?a=b,c~-_", 64 },
	{ "a&b%c#d+e f", "=a%26b%25c%23d+e%20f", 64 },
	{ "\xc3\xbc\n", "=%C3%BC%0A", 11 },
	{ "5.1", NULL, 4 },
	{ "&", NULL, 4 },
};

START_TEST(a_word_is_encoded_where_it_must_be_and_is_never_cut)
{
	char out[64] = "=";

	ck_assert(ask_add(out, words[_i].size, words[_i].word) == (words[_i].is != NULL));
	if (words[_i].is != NULL)
		ck_assert_str_eq(out, words[_i].is);
	ck_assert_uint_lt(strlen(out), words[_i].size);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl");
	TCase *tc = tcase_create("ctl");
	SRunner *sr = srunner_create(s);
	int failed;

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	tcase_add_loop_test(tc, a_table_is_as_wide_as_it_looks, 0, (int)NITEMS(tables));
	tcase_add_loop_test(tc, a_table_of_any_bytes_fits_and_holds_no_control, 0, 200);
	tcase_add_loop_test(tc, durations_are_short, 0, (int)NITEMS(durations));
	tcase_add_loop_test(tc, sizes_are_short, 0, (int)NITEMS(sizes));
	tcase_add_test(tc, the_status_fits_eighty_columns_and_names_what_matters);
	tcase_add_loop_test(tc, an_answer_of_another_version_is_shown_as_far_as_it_goes, 0, (int)NITEMS(odd));
	tcase_add_loop_test(tc, a_word_is_encoded_where_it_must_be_and_is_never_cut, 0, (int)NITEMS(words));
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
