/*
 * guide.c - tests of guide/: what is read of providers' lists
 */
#include <check.h>
#include <locale.h>
#include <lzma.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/pb.h"
#include "guide/fetch.h"
#include "guide/items.h"
#include "guide/m3u.h"
#include "guide/name.h"
#include "guide/offer.h"
#include "guide/pick.h"
#include "guide/run.h"
#include "guide/unpack.h"
#include "guide/xtream.h"
#include "ipc/list.h"

/* What was read, a line for each: "name|url|id|chno|group|headers". */
static char heard[65536];
static size_t heard_len;
static char wrongs[4096];
static size_t wrongs_len;

static int
on_entry(void *user, const struct entry *e)
{
	(void)user;
	heard_len += (size_t)snprintf(heard + heard_len, sizeof(heard) - heard_len, "%s|%s|%s|%s|%s", e->name, e->url,
	    e->tvg_id, e->chno, e->group);
	if (e->extgrp[0] != '\0')
		heard_len += (size_t)snprintf(heard + heard_len, sizeof(heard) - heard_len, "|+%s", e->extgrp);
	if (e->user_agent[0] != '\0')
		heard_len += (size_t)snprintf(heard + heard_len, sizeof(heard) - heard_len, "|UA %s", e->user_agent);
	for (unsigned i = 0; i < e->header_count; i++)
		heard_len += (size_t)snprintf(heard + heard_len, sizeof(heard) - heard_len, "|%s", e->headers[i]);
	heard_len += (size_t)snprintf(
	    heard + heard_len, sizeof(heard) - heard_len, "%s%s\n", e->radio ? "|radio" : "", e->vod ? "|vod" : "");
	return 0;
}

static void
on_guide(void *user, const char *url)
{
	(void)user;
	heard_len += (size_t)snprintf(heard + heard_len, sizeof(heard) - heard_len, "guide %s\n", url);
}

static void
on_wrong(void *user, unsigned line, const char *why)
{
	(void)user;
	wrongs_len += (size_t)snprintf(wrongs + wrongs_len, sizeof(wrongs) - wrongs_len, "%u %s\n", line, why);
}

static const struct entry_events events = { NULL, on_entry, on_guide, on_wrong };

/* In portions of step bytes. */
static int
read_m3u(const char *text, size_t len, size_t step)
{
	struct m3u *m;
	int err = 0;

	heard[0] = wrongs[0] = '\0';
	heard_len = wrongs_len = 0;
	ck_assert_int_eq(m3u_new(&m, &events), 0);
	for (size_t at = 0; at < len && err == 0; at += step)
		err = m3u_feed(m, text + at, PB_MIN(step, len - at));
	if (err == 0)
		err = m3u_end(m);
	m3u_free(&m);
	return err;
}

#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *text;
	size_t len;
	const char *entries, *wrongs;
} dialects[] = {
	{ TEXT("#EXTM3U\n#EXTINF:-1 tvg-id=\"a.b\" tvg-chno=\"5.1\" group-title=\"News\",First\nhttp://h/1\n"),
	    "First|http://h/1|a.b|5.1|News\n", "" },
	/* a byte order mark, CR LF, no end of the last line */
	{ TEXT("\xef\xbb\xbf#EXTM3U\r\n#EXTINF:0,Two\r\nhttp://h/2"), "Two|http://h/2|||\n", "" },
	/* printable, but for one byte in each place of eight */
	{ TEXT("#EXTINF:-1,abcdefgh\x7f"
	       "abcdef\xc3\xa9ghi\x01jkl\nhttp://h/2\n"),
	    "abcdefgh abcdef\xc3\xa9ghi jkl|http://h/2|||\n", "" },
	{ TEXT("\xef\xbb\xbf#EXTM3U\r\n#EXTINF:-1,Ole\xf1 TV\r\nhttp://h/2\r\n"), "Ole\xc3\xb1 TV|http://h/2|||\n",
	    "" },
	/* CR alone */
	{ TEXT("#EXTM3U\r#EXTINF:0,Two\rhttp://h/2\r"), "Two|http://h/2|||\n", "" },
	/* Windows-1252 */
	{ TEXT("#EXTINF:-1,Caf\xe9 \x80\nhttp://h/3\n"), "Caf\xc3\xa9 \xe2\x82\xac|http://h/3|||\n", "" },
	/* UTF-16 with and without its mark */
	{ TEXT("\xff\xfe#\0E\0X\0T\0I\0N\0F\0:\0"
	       "1\0,\0\xe9\0\n\0h\0t\0t\0p\0:\0/\0/\0h\0/\0"
	       "1\0\n\0"),
	    "\xc3\xa9|http://h/1|||\n", "" },
	{ TEXT("\0#\0E\0X\0T\0I\0N\0F\0:\0"
	       "1\0,\0A\0\n\0h\0t\0t\0p\0:\0/\0/\0h\0/\0"
	       "1\0\n"),
	    "A|http://h/1|||\n", "" },
	/* quotes in values, commas in names and values */
	{ TEXT("#EXTINF:-1 tvg-name=\"The \"Best\" Show\" group-title=\"A, B\",One, Two, \"Three\"\nhttp://h/4\n"),
	    "One, Two, \"Three\"|http://h/4|||A, B\n", "" },
	{ TEXT("#EXTINF:-1 tvg-id=\"x\"group-title=\"y\",N\nhttp://h/4\n"), "N|http://h/4|x||y\n", "" },
	{ TEXT("#EXTINF:-1 tvg-id=x tvg-chno=7 radio=true,N\nhttp://h/4\n"), "N|http://h/4|x|7||radio\n", "" },
	/* never closed */
	{ TEXT("#EXTINF:-1 group-title=\"News,Name\nhttp://h/4\n"), "Name|http://h/4|||News\n", "" },
	/* no name, but another that serves */
	{ TEXT("#EXTINF:-1 tvg-name=\"T\",\nhttp://h/4\n"), "T|http://h/4|||\n", "" },
	{ TEXT("#EXTINF:-1 tvg-id=\"\" ,\nhttp://h/4\n#EXTINF:-1,B\nhttp://h/5\n"), "B|http://h/5|||\n",
	    "2 an entry without a name\n" },
	{ TEXT("#EXTINF:-1,A\n#EXTGRP: Sport \nhttp://h/4\n"), "A|http://h/4||||+Sport\n", "" },
	{ TEXT("#EXTINF:-1,A\n#EXTVLCOPT:http-user-agent=VLC/3\n#EXTVLCOPT:http-referrer=http://r/\n"
	       "#EXTVLCOPT:network-caching=1000\nhttp://h/4\n"),
	    "A|http://h/4||||UA VLC/3|Referer: http://r/\n", "" },
	{ TEXT("#KODIPROP:inputstream.adaptive.stream_headers=X-A=b%20c&Origin=http://o\n#EXTINF:-1,A\nhttp://h/4\n"),
	    "A|http://h/4||||X-A: b c|Origin: http://o\n", "" },
	{ TEXT("#EXTINF:-1,A\nhttp://h/a|b|User-Agent=Foo%2F1&Referer=http%3A%2F%2Fr&Cookie=a=b\n"),
	    "A|http://h/a|b||||UA Foo/1|Referer: http://r|Cookie: a=b\n", "" },
	{ TEXT("#EXTINF:-1,A\nhttp://h/movie/u/p/1.mkv\n#EXTINF:-1,B\nhttp://h/series/u/p/2.ts\n"),
	    "A|http://h/movie/u/p/1.mkv||||vod\nB|http://h/series/u/p/2.ts||||vod\n", "" },
	{ TEXT("#EXTM3U url-tvg=\"http://e/x.gz,http://e/y\" x=1\n#EXTINF:-1,A\nhttp://h/4\n"),
	    "guide http://e/x.gz\nA|http://h/4|||\n", "" },
	/* what is missing costs itself */
	{ TEXT("http://h/0\n#EXTINF:-1,A\n#EXTINF:-1,B\nhttp://h/1\n#EXTINF:-1,C\n"), "B|http://h/1|||\n",
	    "1 a URL without an #EXTINF before it\n3 an #EXTINF, and the one before had no URL\n"
	    "5 an #EXTINF without a URL behind it\n" },
	{ TEXT("\n\n  \n#EXTINF:-1,  A  \n\n   http://h/1  \n# comment\n#UNKNOWN:1\n"), "A|http://h/1|||\n", "" },
};

START_TEST(a_playlist_of_each_dialect_is_read)
{
	static const size_t steps[] = { 1, 2, 3, 7, 100000 };

	for (size_t i = 0; i < NITEMS(steps); i++) {
		ck_assert_int_eq(read_m3u(dialects[_i].text, dialects[_i].len, steps[i]), 0);
		ck_assert_str_eq(heard, dialects[_i].entries);
		ck_assert_str_eq(wrongs, dialects[_i].wrongs);
	}
}
END_TEST

START_TEST(what_is_no_list_of_channels_is_refused)
{
	static const char *const none[] = { "<!DOCTYPE html><html>", "  <html>\n", "#EXTM3U\n#EXT-X-TARGETDURATION:6\n",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n" };

	for (size_t i = 0; i < NITEMS(none); i++)
		ck_assert_int_eq(read_m3u(none[i], strlen(none[i]), 1000), PB_EFORMAT);
}
END_TEST

START_TEST(a_line_that_is_too_long_costs_itself)
{
	size_t len = 3 * (size_t)M3U_LINE_MAX;
	char *text = malloc(len + 100);
	int n;

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', len);
	n = snprintf(text + len, 100, "\n#EXTINF:-1,A\nhttp://h/1\n");
	ck_assert_int_eq(read_m3u(text, len + (size_t)n, 4096), 0);
	ck_assert_str_eq(heard, "A|http://h/1|||\n");
	ck_assert_str_eq(wrongs, "1 the line has more than 16383 bytes\n");
	free(text);
}
END_TEST

static const struct {
	const char *name, *clean;
	enum list_quality quality;
} names[] = {
	{ "ESPN HD", "espn", LIST_HD },
	{ "ESPN 2 FHD", "espn2", LIST_FHD },
	{ "espn2", "espn2", LIST_PLAIN },
	{ "ESPN [4K] (HEVC)", "espn", LIST_4K },
	{ "HD 1080p Sport", "sport", LIST_FHD },
	{ "Das Erste SD", "daserste", LIST_SD },
	{ "Caf\xc3\xa9 \xc3\x89t\xc3\xa9", "cafeete", LIST_PLAIN },
	{ "TVP \xc5\x81\xc3\xb3"
	  "d\xc5\xba",
	    "tvplodz", LIST_PLAIN },
	{ "A & B", "aandb", LIST_PLAIN },
	{ "Canal+ Sport", "canal+sport", LIST_PLAIN },
	{ "ITV1 +1", "itv1+1", LIST_PLAIN },
	{ "4K", "4k", LIST_4K },
	{ "\xd0\x9f\xd0\x95\xd0\xa0\xd0\x92\xd0\xab\xd0\x99 HD", "\xd0\xbf\xd0\xb5\xd1\x80\xd0\xb2\xd1\x8b\xd0\xb9",
	    LIST_HD },
	{ "UK: BBC One H.265", "ukbbcone", LIST_PLAIN },
	{ "\xe2\x97\x89 News \xe2\x97\x89", "news", LIST_PLAIN },
	{ "HDnet", "hdnet", LIST_PLAIN },
	{ "***", "***", LIST_PLAIN },
};

START_TEST(a_name_is_cleaned_as_the_manual_says)
{
	enum list_quality quality;
	char out[LIST_NAME_MAX];

	name_clean(out, sizeof(out), names[_i].name, &quality);
	ck_assert_str_eq(out, names[_i].clean);
	ck_assert_int_eq(quality, names[_i].quality);
}
END_TEST

START_TEST(patterns_choose_and_rename)
{
	struct pick *pick;
	char out[128];

	ck_assert_int_eq(pick_new(&pick), 0);
	ck_assert(pick_chosen(pick, "", "", "anything", ""));
	ck_assert_int_eq(pick_include(pick, PICK_GROUP, "News"), 0);
	ck_assert_int_eq(pick_include(pick, PICK_GROUP, "Sport*"), 0);
	ck_assert_int_eq(pick_exclude(pick, PICK_NAME, "~adult|xxx"), 0);
	ck_assert(pick_chosen(pick, "news", "", "A", ""));
	ck_assert(!pick_chosen(pick, "News local", "", "A", "")); /* the whole value */
	ck_assert(pick_chosen(pick, "SPORTS", "", "A", ""));
	ck_assert(pick_chosen(pick, "Other; News", "", "A", ""));
	ck_assert(pick_chosen(pick, "Other", "News", "A", "")); /* #EXTGRP counts */
	ck_assert(!pick_chosen(pick, "News", "", "Some XXX channel", ""));
	ck_assert_int_eq(pick_include(pick, PICK_ID, "*.uk"), 0);
	ck_assert(!pick_chosen(pick, "News", "", "A", "bbc.de"));
	ck_assert(pick_chosen(pick, "News", "", "A", "bbc.uk"));
	ck_assert_int_eq(pick_rename(pick, "~^UK: *(.*) TV$ => \\1 (\\1)"), 0);
	ck_assert_int_eq(pick_rename(pick, "one => Eins"), 0);
	ck_assert_str_eq(pick_name(pick, out, sizeof(out), "UK:  Four TV"), "Four (Four)");
	ck_assert_str_eq(pick_name(pick, out, sizeof(out), "ONE"), "Eins");
	ck_assert_str_eq(pick_name(pick, out, sizeof(out), "One Two"), "One Two");
	ck_assert_int_eq(pick_rename(pick, "no arrow"), PB_EFORMAT);
	ck_assert_int_eq(pick_include(pick, PICK_NAME, "~("), PB_EFORMAT);
	pick_free(&pick);
	ck_assert_ptr_null(pick);
}
END_TEST

START_TEST(a_pattern_that_is_none_is_named)
{
	static const char *const lines[] = { "include_group=~(", "exclude_id=~[", "rename=~( => x", "rename=x" };

	for (size_t i = 0; i < NITEMS(lines); i++) {
		char text[64];
		struct job job = { text,
			(size_t)snprintf(text, sizeof(text), "include_name=a%c%s", '\0', lines[i]) + 1 };
		struct run run = { .job = &job, .files = { -1 }, .out = { -1, -1, -1 }, .result = -1 };

		run_list(&run);
		ck_assert_int_eq(run.done.verdict, IMPORT_REFUSED);
		ck_assert_msg(strstr(run.done.why, strchr(lines[i], '=') + 1) == run.done.why, "%s", run.done.why);
	}
}
END_TEST

START_TEST(patterns_know_letters_beyond_ascii)
{
	static const struct {
		const char *pattern, *group, *name;
		bool chosen;
	} choices[] = {
		{ "~\xc3\xa4rzte", "", "\xc3\x84rzte TV", true }, /* Ärzte */
		{ "\xc3\xa4RZTE*", "", "\xc3\x84rzte TV", true },
		{ "~^.rzte", "", "\xc3\x84rzte TV", true },
		{ "?rzte TV", "", "\xc3\x84rzte TV", true },
		{ "~\xd0\xbd\xd0\xbe\xd0\xb2\xd0\xbe\xd1\x81\xd1\x82\xd0\xb8", "",
		    "\xd0\x9d\xd0\x9e\xd0\x92\xd0\x9e\xd0\xa1\xd0\xa2\xd0\x98", true }, /* НОВОСТИ */
		{ "~[\xc3\xa0\xc3\xa4]rzte", "", "\xc3\x84rzte TV", true },
		{ "~\xc3\xa4rzte", "", "\xc3\x96rzte TV", false },
	};
	char out[128];
	struct pick *pick;

	for (size_t i = 0; i < NITEMS(choices); i++) {
		ck_assert_int_eq(pick_new(&pick), 0);
		ck_assert_int_eq(pick_include(pick, PICK_NAME, choices[i].pattern), 0);
		ck_assert_msg(
		    pick_chosen(pick, "", "", choices[i].name, "") == choices[i].chosen, "%s", choices[i].pattern);
		pick_free(&pick);
	}
	/* The last character, and not the last byte. */
	ck_assert_int_eq(pick_new(&pick), 0);
	ck_assert_int_eq(pick_rename(pick, "~^(.*).$ => \\1"), 0);
	ck_assert_str_eq(pick_name(pick, out, sizeof(out), "Caf\xc3\xa9"), "Caf");
	ck_assert_str_eq(pick_name(pick, out, sizeof(out), "TV \xf0\x9f\x93\xba"), "TV ");
	pick_free(&pick);
}
END_TEST

/* Where there is no such locale, and whatever a rule says: a name that is broken would cost the provider all of its list. */
START_TEST(a_rename_that_leaves_no_name_leaves_the_name)
{
	static const char *const rules[] = { "~^(.*).$ => \\1", "~.* => ", "* => ", "~.*=>\\9", "~\xa9 => x" };
	char out[128];

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C"));
	for (size_t i = 0; i < NITEMS(rules); i++) {
		struct pick *pick;

		ck_assert_int_eq(pick_new(&pick), 0);
		ck_assert_int_eq(pick_rename(pick, rules[i]), 0);
		ck_assert_int_eq(pick_rename(pick, "~caf => Bar"), 0);
		ck_assert_str_eq(pick_name(pick, out, sizeof(out), "Caf\xc3\xa9"), "Bar\xc3\xa9");
		pick_free(&pick);
	}
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
}
END_TEST

START_TEST(a_group_is_one_of_several_without_the_blanks_around_it)
{
	static const struct {
		const char *group;
		bool chosen;
	} groups[] = { { "News ;Sport", true }, { "Sport ; News ", true }, { " News ", true }, { ";News", true },
		{ "A;;News", true }, { "News local ;Sport", false }, { "; ;", false } };
	struct pick *pick;

	ck_assert_int_eq(pick_new(&pick), 0);
	ck_assert_int_eq(pick_include(pick, PICK_GROUP, "News"), 0);
	for (size_t i = 0; i < NITEMS(groups); i++)
		ck_assert_msg(
		    pick_chosen(pick, groups[i].group, "", "A", "") == groups[i].chosen, "%s", groups[i].group);
	pick_free(&pick);
}
END_TEST

/* A list of these entries. */
static struct list *
list_of(const char *text)
{
	struct pick *pick;
	struct offer offer = { .wrong = on_wrong, .rank = { 0, 1, 2, 3, 4 }, .secrets = { "user", "secret" } };
	struct entry_events to = { &offer, offer_entry, offer_guide, offer_wrong };
	struct list *list;
	struct m3u *m;
	const char *why = "";
	int fd;

	wrongs_len = 0;
	wrongs[0] = '\0';
	ck_assert_int_eq(pick_new(&pick), 0);
	offer.pick = pick;
	ck_assert_int_eq(list_writer_new(&offer.list), 0);
	ck_assert_int_eq(m3u_new(&m, &to), 0);
	ck_assert_int_eq(m3u_feed(m, text, strlen(text)), 0);
	ck_assert_int_eq(m3u_end(m), 0);
	m3u_free(&m);
	offer_ids(&offer);
	ck_assert_int_eq(list_writer_seal(offer.list, &fd), 0);
	list_writer_free(&offer.list);
	offer_clear(&offer);
	pick_free(&pick);
	ck_assert_int_eq(list_open(&list, fd, true, &why), 0);
	while (list_check(list, 1, &why) == PB_AGAIN)
		;
	ck_assert_uint_eq(list->checked, list->head->count);
	close(fd);
	return list;
}

START_TEST(a_list_has_what_was_taken_and_counts_what_was_not)
{
	struct list *list =
	    list_of("#EXTINF:-1 tvg-id=\"none\" tvg-logo=\"http://l/user/secret/x.png\",A\nhttp://h/1\n"
		    "#EXTINF:-1 radio=\"true\",R\nhttp://h/r\n#EXTINF:-1,F\nhttp://h/movie/1.mp4\n"
		    "#EXTINF:-1,U\nudp://h:1\n"
		    "#EXTINF:-1 tvg-id=\"b\" tvg-logo=\"http://l/x.png\" tvg-chno=\"0\",B HD\nhttp://h/2|A=b&C=d\n");
	const struct list_entry *e = list->entries;

	ck_assert_uint_eq(list->head->count, 2);
	ck_assert_uint_eq(list->head->seen, 5);
	ck_assert_uint_eq(list->head->radio, 1);
	ck_assert_uint_eq(list->head->vod, 1);
	ck_assert_uint_eq(list->head->wrong, 1);
	ck_assert_str_eq(wrongs, "8 U: udp: only http and https are carried\n");
	ck_assert_ptr_null(list_string(list, e[0].tvg_id)); /* "none" is none */
	ck_assert_ptr_null(list_string(list, e[0].logo)); /* it has the account in it */
	ck_assert_str_eq(list_string(list, e[1].logo), "http://l/x.png");
	ck_assert_ptr_null(list_string(list, e[1].number)); /* 0 is no number */
	ck_assert_str_eq(list_string(list, e[1].clean), "b");
	ck_assert_uint_eq(e[1].header_count, 2);
	ck_assert_int_eq(e[1].quality, LIST_HD);
	list_drop(&list);
	ck_assert_ptr_null(list);
}
END_TEST

START_TEST(an_id_of_several_names_or_of_none_is_shared)
{
	static const struct {
		const char *id, *name;
		int shared;
	} rows[] = {
		{ "one.tv", "One HD", 0 },
		{ "24.7.Dummy.us", "24/7 Friends", 1 },
		{ "PPV.EVENTS.dummy.us", "PPV 1", 1 },
		{ "Dummy.us", "A", 1 },
		{ "a.DUMMY", "B", 1 },
		{ "Dummys.us", "C", 0 },
		{ "bbc1.uk", "BBC One London", 1 },
		{ "one.tv", "ONE (4K)", 0 },
		{ "bbc1.uk", "BBC One North", 1 },
		{ "BBC1.uk", "BBC One", 0 },
		{ "bbc1.uk", "BBC One London FHD", 1 },
		{ "", "D", 0 },
		{ "", "E", 0 },
		{ "none", "F", 0 },
		{ "none", "G", 0 },
	};
	char text[2048] = "";
	size_t len = 0;
	struct list *list;

	for (size_t i = 0; i < NITEMS(rows); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "#EXTINF:-1 tvg-id=\"%s\",%s\nhttp://h/%zu\n",
		    rows[i].id, rows[i].name, i);
	list = list_of(text);
	ck_assert_uint_eq(list->head->count, NITEMS(rows));
	for (size_t i = 0; i < NITEMS(rows); i++)
		ck_assert_msg(list->entries[i].shared == rows[i].shared, "%s, %s", rows[i].id, rows[i].name);
	ck_assert_str_eq(list_string(list, list->entries[1].tvg_id), "24.7.Dummy.us"); /* a guide may have it */
	list_drop(&list);
}
END_TEST

/* What follows one of the same server is not taken apart, and is what it would be if it were. */
START_TEST(urls_of_one_server_are_resolved_each)
{
	static const struct {
		const char *url, *want;
	} of[] = {
		{ "HTTP://h:80/a/1.ts", "http://h:80/a/1.ts" },
		{ "http://h:80/a/2.ts?x=1", "http://h:80/a/2.ts?x=1" },
		{ "http://h:80/a/../3.ts", "http://h:80/3.ts" },
		{ "http://h:80/./4.ts", "http://h:80/4.ts" },
		{ "http://h:80/a b/5.ts#part", "http://h:80/a%20b/5.ts" },
		{ "http://h:80/\xc3\xa4.ts", "http://h:80/%C3%A4.ts" },
		{ "http://h:80//7..ts", "http://h:80//7..ts" },
		{ "http://h:8000/8.ts", "http://h:8000/8.ts" },
		{ "http://u:p@h:80/9.ts", "http://u:p@h:80/9.ts" },
		{ "http://h:80/10.ts", "http://h:80/10.ts" },
		{ "http://h:80/", "http://h:80/" },
	};
	char text[4096] = "#EXTM3U\n";
	struct list *list;

	for (size_t i = 0; i < NITEMS(of); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "#EXTINF:-1 tvg-logo=\"%s\",C %zu\n%s\n",
		    of[i].url, i, of[i].url);
	list = list_of(text);
	ck_assert_uint_eq(list->head->count, NITEMS(of));
	for (size_t i = 0; i < NITEMS(of); i++) {
		const char *logo = list_string(list, list->entries[i].logo);

		ck_assert_str_eq(list_string(list, list->entries[i].url), of[i].want);
		if (strchr(of[i].want, '@') != NULL)
			ck_assert_ptr_null(logo); /* it has a user in it */
		else
			ck_assert_str_eq(logo, of[i].want);
	}
	list_drop(&list);
}
END_TEST

/* What a worker could not say is not taken: it would cost the channel. */
START_TEST(headers_that_can_not_be_sent_cost_themselves)
{
	static char text[16384];
	struct list *list;
	const struct list_entry *e;

	snprintf(text, sizeof(text),
	    "#EXTINF:-1,A\nhttp://h/1|X-A=1&a b=2&Range=bytes=0-&Connection=close&Referer=http%%3A%%2F%%2Fr%%2F\n"
	    "#EXTINF:-1,B\nhttp://h/2|X-A=%0*d&X-B=%0*d&X-C=1\n",
	    3000, 0, 3000, 0);
	list = list_of(text);
	e = list->entries;
	ck_assert_uint_eq(list->head->count, 2);
	ck_assert_uint_eq(e[0].header_count, 2);
	ck_assert_str_eq(list_string(list, e[0].headers), "X-A: 1");
	ck_assert_str_eq(list_string(list, e[0].headers) + sizeof("X-A: 1"), "Referer: http://r/");
	ck_assert_uint_eq(e[1].header_count, 1);
	ck_assert_uint_eq(strlen(list_string(list, e[1].headers)), 3005);
	ck_assert_str_eq(wrongs, "2 a header's name is none\n4 B: its headers are too long, not all are sent\n");
	list_drop(&list);
}
END_TEST

/*
 * What an operator chooses of a list, from the job's lines to the list's entries: "name rank" of each, and how many
 * were not chosen.
 */
static const struct {
	const char *job, *list;
	unsigned unchosen;
} choices[] = {
	{ "", "b SD:4 A HD:2 c 4K:0 a:3 B FHD:1 d:3", 0 },
	/* Preferred are those that are named, in their order; the others behind them, from the best. */
	{ "quality=HD\n", "b SD:4 A HD:0 c 4K:1 a:3 B FHD:2 d:3", 0 },
	{ "quality=sd\nquality=HD\n", "b SD:0 A HD:1 c 4K:2 a:4 B FHD:3 d:4", 0 },
	{ "quality=SD\nquality=HD\nquality=FHD\nquality=4K\n", "b SD:0 A HD:1 c 4K:3 a:4 B FHD:2 d:4", 0 },
	{ "quality=FHD\nquality=FHD\n", "b SD:4 A HD:2 c 4K:1 a:3 B FHD:0 d:3", 0 },
	/* Case is no order. */
	{ "order=source\n", "b SD:4 A HD:2 c 4K:0 a:3 B FHD:1 d:3", 0 },
	{ "order=name\n", "a:3 A HD:2 B FHD:1 b SD:4 c 4K:0 d:3", 0 },
	{ "order=group\n", "a:3 d:3 B FHD:1 c 4K:0 A HD:2 b SD:4", 0 },
	/* The first so many of those that are chosen. */
	{ "limit=2\n", "b SD:4 A HD:2", 4 },
	{ "limit=6\n", "b SD:4 A HD:2 c 4K:0 a:3 B FHD:1 d:3", 0 },
	{ "limit=0\n", "b SD:4 A HD:2 c 4K:0 a:3 B FHD:1 d:3", 0 },
	{ "limit=2\nexclude_name=b*\n", "A HD:2 c 4K:0", 4 },
	{ "limit=3\norder=name\nquality=4K\n", "A HD:2 b SD:4 c 4K:0", 3 },
	{ "include_group=news\norder=name\n", "B FHD:1 c 4K:0", 4 },
};

static void
on_at(void *user, const struct import_at *at)
{
	(void)user;
	(void)at;
}

START_TEST(quality_order_and_limit_are_as_the_operator_chose)
{
	static const char text[] = "#EXTM3U\n#EXTINF:-1 group-title=\"Sport\",b SD\nhttp://h/1\n"
				   "#EXTINF:-1 group-title=\"sport\",A HD\nhttp://h/2\n"
				   "#EXTINF:-1 group-title=\"news\",c 4K\nhttp://h/3\n#EXTINF:-1,a\nhttp://h/4\n"
				   "#EXTINF:-1 group-title=\"News\",B FHD\nhttp://h/5\n#EXTINF:-1,d\nhttp://h/6\n";
	char path[] = "/tmp/plexbridge-choice-XXXXXX", lines[256], seen[256] = "";
	struct job job = { lines, strlen(choices[_i].job) };
	struct run run = { .job = &job, .out = { -1, -1, -1 }, .at = on_at, .wrong = on_wrong, .result = -1 };
	size_t len = 0;
	struct list *list;
	const char *why = "";

	for (size_t i = 0; i < RUN_FILES_MAX; i++)
		run.files[i] = -1;
	for (size_t i = 0; i <= job.len; i++)
		lines[i] = choices[_i].job[i] == '\n' ? '\0' : choices[_i].job[i];
	run.files[0] = mkstemp(path);
	ck_assert_int_ge(run.files[0], 0);
	unlink(path);
	ck_assert_int_eq(pwrite(run.files[0], text, sizeof(text) - 1, 0), (ssize_t)sizeof(text) - 1);
	run_list(&run);
	ck_assert_msg(run.done.verdict == IMPORT_GOOD, "%s", run.done.why);
	ck_assert_int_eq(list_open(&list, run.result, true, &why), 0);
	while (list_check(list, LIST_ENTRIES_MAX, &why) == PB_AGAIN)
		;
	for (size_t i = 0; i < list->head->count; i++)
		len += (size_t)snprintf(seen + len, sizeof(seen) - len, "%s%s:%u", i > 0 ? " " : "",
		    list_string(list, list->entries[i].name), list->entries[i].rank);
	ck_assert_str_eq(seen, choices[_i].list);
	ck_assert_uint_eq(list->head->unchosen, choices[_i].unchosen);
	list_drop(&list);
	close(run.result);
	close(run.files[0]);
}
END_TEST

/* A hostile writer: each byte of a good list changed to something else is refused or harmless. */
START_TEST(a_list_with_any_byte_changed_is_refused_or_good)
{
	struct list *good =
	    list_of("#EXTINF:-1 tvg-id=\"b\" tvg-chno=\"5\" tvg-logo=\"http://l/x\",B HD\nhttp://h/2|A=b\n");
	size_t size = good->size;
	char *bytes = malloc(size);
	char path[] = "/tmp/plexbridge-list-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, good->base, size);
	list_drop(&good);
	for (size_t i = 0; i < size * 3; i++) {
		static const unsigned char with[] = { 0x00, 0xff, 0x41 };
		const char *why = "";
		struct list *list;
		char was = bytes[i / 3];
		int err;

		bytes[i / 3] = (char)with[i % 3];
		ck_assert_int_eq(pwrite(fd, bytes, size, 0), (ssize_t)size);
		err = list_open(&list, fd, false, &why);
		if (err == 0) {
			err = list_check(list, LIST_ENTRIES_MAX, &why);
			if (err == 0)
				for (uint32_t n = 0; n < list->head->count; n++)
					ck_assert_uint_lt(
					    strlen(list_string(list, list->entries[n].name)), LIST_NAME_MAX);
			list_drop(&list);
		}
		ck_assert(err == 0 || err == PB_EFORMAT);
		bytes[i / 3] = was;
	}
	ck_assert_int_eq(list_open(&good, fd, true, &(const char *){ "" }), PB_EFORMAT); /* it is not sealed */
	close(fd);
	free(bytes);
}
END_TEST

static int
on_item(void *user, unsigned index, const char *text, size_t len)
{
	(void)user;
	heard_len += (size_t)snprintf(
	    heard + heard_len, sizeof(heard) - heard_len, "%u %.*s\n", index, (int)len, text != NULL ? text : "");
	return 0;
}

START_TEST(an_array_is_taken_apart_whatever_is_in_its_strings)
{
	static const char text[] = " [ {\"a\":\"}],[\\\"\"}, [1,2] ,3 ] \n";

	for (size_t step = 1; step < sizeof(text); step++) {
		struct items *items = calloc(1, sizeof(*items));

		ck_assert_ptr_nonnull(items);
		items->item = on_item;
		heard_len = 0;
		for (size_t at = 0; at < sizeof(text) - 1; at += step)
			ck_assert_int_eq(items_feed(items, text + at, PB_MIN(step, sizeof(text) - 1 - at)), 0);
		ck_assert_int_eq(items_end(items), 0);
		ck_assert_str_eq(heard, "1 {\"a\":\"}],[\\\"\"}\n2 [1,2]\n3 3\n");
		free(items);
	}
}
END_TEST

START_TEST(an_xtream_server_is_understood_in_its_own_types)
{
	static const char account[] =
	    "{\"user_info\":{\"auth\":1,\"status\":\"Active\",\"exp_date\":\"1900000000\","
	    "\"max_connections\":\"2\",\"active_cons\":1,\"allowed_output_formats\":[\"m3u8\",\"ts\"]}}";
	static const char groups_json[] = "[{\"category_id\":\"7\",\"category_name\":\"News\"},{\"category_id\":8}]";
	static const char stream[] = "{\"num\":1,\"name\":\"A HD\",\"stream_type\":\"live\",\"stream_id\":15,"
				     "\"stream_icon\":null,\"epg_channel_id\":\"a.tv\",\"category_id\":7}";
	struct xtream_account a;
	struct xtream_groups *groups;
	struct xtream_streams to = { &events, NULL, "http://s:80", "u", "p", false };

	heard_len = wrongs_len = 0;
	wrongs[0] = '\0';
	ck_assert_int_eq(xtream_account(&a, account, strlen(account)), 0);
	ck_assert(a.ok && a.hls && a.ts);
	ck_assert_uint_eq(a.max_connections, 2);
	ck_assert_uint_eq(a.active_connections, 1);
	ck_assert_uint_eq(a.expires_s, 1900000000);
	ck_assert_int_eq(xtream_account(&a, TEXT("{\"user_info\":{\"auth\":0}}")), 0);
	ck_assert(!a.ok);
	ck_assert_int_eq(xtream_account(&a, TEXT("{\"user_info\":{\"auth\":1,\"status\":\"Expired\"}}")), 0);
	ck_assert(!a.ok);
	ck_assert_str_eq(a.why, "the account is not active: Expired");
	ck_assert_int_eq(xtream_account(&a, TEXT("[]")), PB_EFORMAT);
	ck_assert_int_eq(xtream_groups_new(&groups, groups_json, strlen(groups_json)), 0);
	to.groups = groups;
	ck_assert_int_eq(xtream_stream(&to, 1, stream, strlen(stream)), 0);
	ck_assert_str_eq(heard, "A HD|http://s:80/live/u/p/15.m3u8|a.tv||News\n");
	ck_assert_int_eq(xtream_stream(&to, 2, TEXT("{\"name\":\"B\"}")), 0);
	ck_assert_int_eq(xtream_stream(&to, 3, TEXT("7")), 0);
	ck_assert_int_eq(xtream_stream(&to, 4, TEXT("{\"stream_id\":\"../x\",\"name\":\"B\"}")), 0);
	ck_assert_str_eq(
	    wrongs, "2 it has no stream_id\n3 it is no object, or has more than 64 KiB\n4 it has no stream_id\n");
	xtream_groups_free(&groups);
}
END_TEST

static int
on_unpacked(void *user, const char *bytes, size_t len)
{
	(void)user;
	if (heard_len + len < sizeof(heard)) {
		memcpy(heard + heard_len, bytes, len);
		heard[heard_len + len] = '\0';
	}
	heard_len += len;
	return 0;
}

static size_t
gzip(char *out, size_t size, const char *text, size_t len)
{
	z_stream z = { 0 };

	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)text;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)size;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return size - z.avail_out;
}

static int
unpacked(const char *bytes, size_t len, size_t step)
{
	struct unpack *u;
	int err = 0;

	heard_len = 0;
	heard[0] = '\0';
	ck_assert_int_eq(unpack_new(&u, 100 << 20, on_unpacked, NULL), 0);
	for (size_t at = 0; at < len && err == 0; at += step)
		err = unpack_feed(u, bytes + at, PB_MIN(step, len - at));
	if (err == 0)
		err = unpack_end(u);
	unpack_free(&u);
	return err;
}

START_TEST(what_is_packed_once_or_twice_is_unpacked_and_a_bomb_is_not)
{
	char once[4096], twice[4096];
	size_t one = gzip(once, sizeof(once), TEXT("hello, hello")), two = gzip(twice, sizeof(twice), once, one),
	       len = 64 << 20;
	char *zeros = calloc(1, len), *bomb = malloc(1 << 20);

	for (size_t step = 1; step < 9; step++) {
		ck_assert_int_eq(unpacked("abc", 3, step), 0);
		ck_assert_str_eq(heard, "abc");
		ck_assert_int_eq(unpacked(once, one, step), 0);
		ck_assert_str_eq(heard, "hello, hello");
		ck_assert_int_eq(unpacked(twice, two, step), 0);
		ck_assert_str_eq(heard, "hello, hello");
		ck_assert_int_eq(unpacked(once, one - 5, step), PB_EFORMAT);
	}
	memcpy(once + one, once, one); /* two members */
	ck_assert_int_eq(unpacked(once, 2 * one, 100), 0);
	ck_assert_str_eq(heard, "hello, hellohello, hello");
	ck_assert(zeros != NULL && bomb != NULL);
	ck_assert_int_eq(unpacked(bomb, gzip(bomb, 1 << 20, zeros, len), 4096), PB_ELIMIT);
	free(zeros);
	free(bomb);
}
END_TEST

START_TEST(what_is_packed_with_xz_is_unpacked_wherever_it_is_cut)
{
	static const char text[] = "<tv><!-- hello, hello, hello, hello --></tv>";
	uint8_t packed[4096], twice[4096];
	size_t len = 0, two;

	ck_assert_int_eq(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, (const uint8_t *)text, sizeof(text) - 1,
			     packed, &len, sizeof(packed)),
	    LZMA_OK);
	two = gzip((char *)twice, sizeof(twice), (const char *)packed, len);
	for (size_t step = 1; step <= len; step++) {
		ck_assert_int_eq(unpacked((const char *)packed, len, step), 0);
		ck_assert_str_eq(heard, text);
		ck_assert_int_eq(unpacked((const char *)twice, two, step), 0);
		ck_assert_str_eq(heard, text);
	}
	for (size_t cut = 6; cut < len; cut++)
		ck_assert_int_eq(unpacked((const char *)packed, cut, 100), PB_EFORMAT);
	packed[len / 2] ^= 0x55;
	ck_assert_int_eq(unpacked((const char *)packed, len, 100), PB_EFORMAT);
}
END_TEST

START_TEST(noise_without_a_word_of_m3u_is_refused_soon)
{
	static char noise[M3U_VAIN_MAX + 4096];

	memset(noise, 'x', sizeof(noise));
	for (size_t i = 0; i + 1 < sizeof(noise); i += 100)
		memcpy(noise + i, "\n#", 2);
	ck_assert_int_eq(read_m3u(noise, sizeof(noise), 65536), PB_EFORMAT);
	/* One word of it, and it may go on. */
	memcpy(noise, "#EXTM3U\n", 8);
	ck_assert_int_eq(read_m3u(noise, sizeof(noise), 65536), 0);
}
END_TEST

/* A server on this machine that has one document; its port. */
static int
serve(pid_t *pid)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	*pid = fork();
	ck_assert_int_ne(*pid, -1);
	while (*pid == 0) {
		char request[4096];
		int client = accept(fd, NULL, NULL);

		if (client == -1 || read(client, request, sizeof(request)) <= 0 ||
		    write(client, answer, sizeof(answer) - 1) == -1)
			_exit(1);
		close(client);
	}
	close(fd);
	return ntohs(sin.sin_port);
}

static int
count_bytes(void *user, const char *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)user += len;
	return 0;
}

static struct fetch
fetch_of(const char *url, size_t *got)
{
	return (struct fetch){ .url = url,
		.fd = -1,
		.etag = "",
		.modified = "",
		.user_agent = "Test",
		.total_s = 10,
		.bytes_max = 100,
		.sink = count_bytes,
		.user = got };
}

START_TEST(only_a_private_source_leads_to_a_private_address)
{
	static const struct {
		const char *source;
		bool private_targets;
		int err;
	} rows[] = {
		{ NULL, false, 0 }, /* it is what the operator wrote */
		{ "/home/me/list.m3u", false, 0 },
		{ "http://127.0.0.1:1/list.m3u", false, 0 },
		{ "http://192.168.1.1/list.m3u", false, 0 },
		{ "https://[fd00::1]/list.m3u", false, 0 },
		{ "http://192.0.2.1/list.m3u", false, PB_EPEER },
		{ "https://user:password@[2001:db8::1]:8080/list.m3u", false, PB_EPEER },
		{ "http://192.0.2.1/list.m3u", true, 0 },
		{ "no URL", false, PB_EPEER },
	};
	pid_t pid;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/epg.xml", serve(&pid));
	for (size_t i = 0; i < NITEMS(rows); i++) {
		size_t got = 0;
		struct fetch f = fetch_of(url, &got);
		int err;

		f.source = rows[i].source;
		f.private_targets = rows[i].private_targets;
		err = fetch_run(&f);
		ck_assert_msg(err == rows[i].err, "%s: %d, %s", rows[i].source, err, f.why);
		ck_assert_uint_eq(got, err == 0 ? 2 : 0);
		if (err != 0)
			ck_assert_ptr_nonnull(strstr(f.why, "private_targets"));
	}
	kill(pid, SIGKILL);
}
END_TEST

START_TEST(a_source_with_blanks_in_its_url_is_fetched)
{
	size_t got = 0;
	char url[64];
	pid_t pid;
	struct fetch f = fetch_of(url, &got);
	int err;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/my list.m3u?type=all of it", serve(&pid));
	err = fetch_run(&f);
	ck_assert_msg(err == 0, "%d, %s", err, f.why);
	ck_assert_uint_eq(got, 2);
	kill(pid, SIGKILL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("guide");
	TCase *tc = tcase_create("guide");
	SRunner *sr = srunner_create(s);
	int failed;

	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* as main() of plexbridge-guide */
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60); /* on a machine that is busy */
	tcase_add_loop_test(tc, a_playlist_of_each_dialect_is_read, 0, (int)NITEMS(dialects));
	tcase_add_test(tc, what_is_no_list_of_channels_is_refused);
	tcase_add_test(tc, a_line_that_is_too_long_costs_itself);
	tcase_add_loop_test(tc, a_name_is_cleaned_as_the_manual_says, 0, (int)NITEMS(names));
	tcase_add_test(tc, patterns_choose_and_rename);
	tcase_add_test(tc, only_a_private_source_leads_to_a_private_address);
	tcase_add_test(tc, a_source_with_blanks_in_its_url_is_fetched);
	tcase_add_test(tc, a_pattern_that_is_none_is_named);
	tcase_add_test(tc, patterns_know_letters_beyond_ascii);
	tcase_add_test(tc, a_rename_that_leaves_no_name_leaves_the_name);
	tcase_add_test(tc, a_group_is_one_of_several_without_the_blanks_around_it);
	tcase_add_test(tc, urls_of_one_server_are_resolved_each);
	tcase_add_test(tc, a_list_has_what_was_taken_and_counts_what_was_not);
	tcase_add_test(tc, an_id_of_several_names_or_of_none_is_shared);
	tcase_add_test(tc, headers_that_can_not_be_sent_cost_themselves);
	tcase_add_loop_test(tc, quality_order_and_limit_are_as_the_operator_chose, 0, NITEMS(choices));
	tcase_add_test(tc, a_list_with_any_byte_changed_is_refused_or_good);
	tcase_add_test(tc, an_array_is_taken_apart_whatever_is_in_its_strings);
	tcase_add_test(tc, an_xtream_server_is_understood_in_its_own_types);
	tcase_add_test(tc, what_is_packed_once_or_twice_is_unpacked_and_a_bomb_is_not);
	tcase_add_test(tc, what_is_packed_with_xz_is_unpacked_wherever_it_is_cut);
	tcase_add_test(tc, noise_without_a_word_of_m3u_is_refused_soon);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
