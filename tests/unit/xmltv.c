/*
 * xmltv.c - tests of guide/xmltv.c and epg.c: the guide that media servers are given
 */
#include <check.h>
#include <expat.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/utf8.h"
#include "guide/epg.h"

#define NOW 1767225600 /* 2026-01-01 00:00 UTC */

START_TEST(times_are_read_as_they_are_found)
{
	static const struct {
		const char *text;
		long long when; /* -1: none */
	} times[] = {
		{ "20260101000000 +0000", NOW },
		{ "20260101010000 +0100", NOW },
		{ "20260101010000+0100", NOW },
		{ "20251231190000 -0500", NOW },
		{ "20260101053000 +05:30", NOW },
		{ "20260101000000", NOW },
		{ "202601010000", NOW },
		{ "20260101", NOW },
		{ "20260101000000 UTC", NOW },
		{ "20260101000000Z", NOW },
		{ "", -1 },
		{ "2026130100", -1 },
		{ "20260101000000 +9900", -1 },
		{ "yesterday", -1 },
	};
	char text[24];

	for (size_t i = 0; i < NITEMS(times); i++) {
		int64_t when = -1;

		ck_assert_int_eq(xmltv_time(&when, times[i].text), times[i].when != -1);
		if (times[i].when != -1)
			ck_assert_int_eq(when, times[i].when);
	}
	ck_assert_str_eq(xmltv_time_text(text, NOW), "20260101000000 +0000");
}
END_TEST

static char out[1 << 20];
static int last_err;

/* Whatever came in, what goes out is XML. */
static void
well_formed(const char *text)
{
	XML_Parser parser = XML_ParserCreate(NULL);

	ck_assert(utf8_valid(text, strlen(text)));
	ck_assert_msg(XML_Parse(parser, text, (int)strlen(text), 1) == XML_STATUS_OK, "%s",
	    XML_ErrorString(XML_GetErrorCode(parser)));
	XML_ParserFree(parser);
}

/* The guide of three channels out of one or two sources. */
static struct epg *
made(const char *one, const char *two, bool fold)
{
	static const struct epg_channel channels[] = {
		{ "5.1", "c5.1.x.plexbridge", "First HD", "http://l/1.png", "", "first.tv", 0, 1 },
		{ "7", "c7.x.plexbridge", "Second & more", "", "", "", 0, 1 },
		{ "8", "c8.x.plexbridge", "Third", "", "explicit.id", "first.tv", 60, 3 },
	};
	const char *const sources[] = { one, two };
	int scratch = memfd_create("scratch", MFD_CLOEXEC), fd = memfd_create("out", MFD_CLOEXEC);
	struct xmltv_events events;
	struct epg *epg;
	struct xmltv *x;
	ssize_t n;

	ck_assert_int_eq(epg_new(&epg, scratch, NOW), 0);
	for (size_t i = 0; i < NITEMS(channels); i++)
		ck_assert_int_eq(epg_add(epg, &channels[i]), 0);
	for (size_t i = 0; i < 2 && sources[i] != NULL; i++) {
		ck_assert_int_eq(epg_source(epg, 0, fold), 0);
		epg_events(epg, &events);
		ck_assert_int_eq(xmltv_new(&x, &events), 0);
		last_err = xmltv_feed(x, sources[i], strlen(sources[i]));
		if (last_err == 0)
			last_err = xmltv_end(x);
		xmltv_free(&x);
	}
	/* The third alone is in part 1. */
	ck_assert_int_eq(epg_write(epg, fd, 1), 0);
	n = pread(fd, out, sizeof(out) - 1, 0);
	ck_assert_int_gt(n, 0);
	out[n] = '\0';
	ck_assert_ptr_null(strstr(out, "c5.1.x"));
	ck_assert_ptr_null(strstr(out, "c7.x"));
	ck_assert_ptr_nonnull(strstr(out, "<channel id=\"c8.x.plexbridge\">"));
	ck_assert_ptr_nonnull(strstr(out, "channel=\"c8.x.plexbridge\">\n<title>"));
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(epg_write(epg, fd, -1), 0);
	n = pread(fd, out, sizeof(out) - 1, 0);
	ck_assert_int_gt(n, 0);
	out[n] = '\0';
	well_formed(out);
	close(scratch);
	close(fd);
	return epg;
}

static void
same(const struct epg *epg, size_t i, enum epg_how how, bool uncertain, unsigned programmes)
{
	struct epg_match m;

	epg_match(epg, i, &m);
	ck_assert_int_eq(m.how, how);
	ck_assert_int_eq(m.uncertain, uncertain);
	ck_assert_uint_eq(m.programmes, programmes);
}

#define P(start, stop, id, rest) \
	"<programme start=\"" start "\" stop=\"" stop "\" channel=\"" id "\">" rest "</programme>"

START_TEST(channels_are_matched_by_id_then_by_name)
{
	struct epg *epg = made("<tv><channel id=\"q\"><display-name>Second &amp; More FHD</display-name></channel>" P(
				   "20260101010000", "20260101020000", "FIRST.TV", "<title>A</title>")
				   P("20260101010000", "20260101020000", "q", "<title>B</title>")
				       P("20260101010000", "20260101020000", "explicit.id", "<title>C</title>")
					   P("20260101010000", "20260101020000", "nobody", "<title>D</title>") "</tv>",
	    NULL, false);

	ck_assert_int_eq(last_err, 0);
	same(epg, 0, EPG_BY_TVG_ID, false, 1);
	same(epg, 1, EPG_BY_NAME, false, 1);
	same(epg, 2, EPG_BY_ID, false, 1);
	ck_assert_ptr_nonnull(strstr(out,
	    "start=\"20260101020000 +0000\" stop=\"20260101030000 +0000\" channel=\"c8.x.plexbridge\"")); /* tvg-shift */
	ck_assert_ptr_null(strstr(out, ">D<"));
	ck_assert_ptr_nonnull(strstr(out,
	    "<display-name>5.1 First HD</display-name>\n<display-name>5.1</display-name>\n<display-name>First HD"));
	ck_assert_ptr_nonnull(strstr(out, "<display-name>Second &amp; more</display-name>"));
	epg_free(&epg);
}
END_TEST

START_TEST(a_name_that_two_have_matches_none)
{
	struct epg *epg = made("<tv><channel id=\"a\"><display-name>Second and more</display-name></channel>"
			       "<channel id=\"b\"><display-name>SECOND &amp; MORE</display-name></channel>" P(
				   "20260101010000", "20260101020000", "a", "<title>A</title>") "</tv>",
	    NULL, false);

	same(epg, 1, EPG_UNMATCHED, true, 0);
	/* It has a placeholder, so that it is seen. */
	ck_assert_ptr_nonnull(strstr(out, "channel=\"c7.x.plexbridge\">\n<title>Second &amp; more</title>"));
	epg_free(&epg);
}
END_TEST

START_TEST(the_first_source_that_has_a_channel_has_the_say)
{
	struct epg *epg = made("<tv>" P("20260101010000", "20260101020000", "first.tv", "<title>One</title>") "</tv>",
	    "<tv>" P("20260101030000", "20260101040000", "first.tv", "<title>Two</title>")
		P("20260101030000", "20260101040000", "explicit.id", "<title>Three</title>") "</tv>",
	    false);

	ck_assert_ptr_nonnull(strstr(out, ">One<"));
	ck_assert_ptr_null(strstr(out, ">Two<"));
	ck_assert_ptr_nonnull(strstr(out, ">Three<"));
	epg_free(&epg);
}
END_TEST

START_TEST(overlaps_and_duplicates_go_and_gaps_of_knowledge_are_filled)
{
	struct epg *epg =
	    made("<tv>" P("20260101030000", "20260101050000", "first.tv", "<title>B</title>") P("20260101010000",
		     "20260101040000", "first.tv", "<title>A</title>") P("20260101010000", "20260101020000", "first.tv",
		     "<title>Again</title>") "<programme start=\"20260101050000\" "
					     "channel=\"first.tv\"><title>C</title></programme>" P(
						 "20251231200000", "20251231210000", "first.tv", "<title>Past</title>")
						 P("20260301000000", "20260301010000", "first.tv",
						     "<title>Far</title>") "<programme start=\"x\" "
									   "channel=\"first.tv\"><title>Bad</title></"
									   "programme></tv>",
		NULL, false);

	ck_assert_ptr_nonnull(strstr(out,
	    "start=\"20260101010000 +0000\" stop=\"20260101030000 +0000\" channel=\"c5.1.x.plexbridge\">\n<title>A<"));
	ck_assert_ptr_nonnull(strstr(out,
	    "start=\"20260101030000 +0000\" stop=\"20260101050000 +0000\" channel=\"c5.1.x.plexbridge\">\n<title>B<"));
	ck_assert_ptr_nonnull(strstr(out,
	    "start=\"20260101050000 +0000\" stop=\"20260101060000 +0000\" channel=\"c5.1.x.plexbridge\">\n<title>C<"));
	ck_assert_ptr_null(strstr(out, "Again"));
	ck_assert_ptr_null(strstr(out, "Past"));
	ck_assert_ptr_null(strstr(out, "Far"));
	ck_assert_ptr_null(strstr(out, "Bad"));
	epg_free(&epg);
}
END_TEST

START_TEST(what_has_no_episode_is_no_film_unless_it_says_so)
{
	struct epg *epg =
	    made("<tv>" P("20260101010000", "20260101020000", "first.tv", "<title>Live</title>") P("20260101020000",
		     "20260101030000", "first.tv", "<title>F</title><category>Spielfilm</category><date>1999</date>")
		     P("20260101030000", "20260101040000", "first.tv",
			 "<title>E</title><category>Movie</category><episode-num "
			 "system=\"onscreen\">S01E05</episode-num>") "</tv>",
		NULL, false);
	char *live = strstr(out, "<title>Live<"), *film = strstr(out, "<title>F<"), *episode = strstr(out, "<title>E<");

	ck_assert(live != NULL && film != NULL && episode != NULL && live < film && film < episode);
	film[-1] = episode[-1] = '\0';
	ck_assert_ptr_nonnull(strstr(live, "<sub-title>2026-01-01</sub-title>"));
	ck_assert_ptr_nonnull(strstr(live, "<category>Series</category>"));
	ck_assert_ptr_nonnull(strstr(live, "<episode-num system=\"xmltv_ns\">2025.100.</episode-num>"));
	ck_assert_ptr_nonnull(strstr(live, "<episode-num system=\"onscreen\">S2026E0101</episode-num>"));
	ck_assert_ptr_nonnull(strstr(film, "<category>Movie</category>"));
	ck_assert_ptr_null(strstr(film, "episode-num"));
	ck_assert_ptr_nonnull(strstr(episode, "<episode-num system=\"xmltv_ns\">0.4.</episode-num>"));
	*strstr(episode, "</programme>") = '\0';
	ck_assert_ptr_null(strstr(episode, "Movie"));
	epg_free(&epg);
}
END_TEST

START_TEST(a_subtitle_is_folded_into_the_title_when_it_should_be)
{
	struct epg *epg = made("<tv>" P("20260101010000", "20260101020000", "first.tv",
				   "<title lang=\"de\">T</title><sub-title>S &lt;1&gt;</sub-title>") "</tv>",
	    NULL, true);

	ck_assert_ptr_nonnull(strstr(out, "<title lang=\"de\">T: S &lt;1&gt;</title>"));
	ck_assert_ptr_null(strstr(out, "<sub-title>"));
	epg_free(&epg);
}
END_TEST

START_TEST(what_is_not_ours_costs_no_memory)
{
	const struct epg_channel channel = { "5.1", "c5", "First HD", "", "", "first.tv", 0, 0 };
	int scratch = memfd_create("scratch", MFD_CLOEXEC);
	struct xmltv_events events;
	struct epg *epg;
	struct xmltv *x;
	size_t before, after;

	ck_assert_int_eq(epg_new(&epg, scratch, NOW), 0);
	ck_assert_int_eq(epg_add(epg, &channel), 0);
	ck_assert_int_eq(epg_source(epg, 0, false), 0);
	epg_events(epg, &events);
	ck_assert_int_eq(xmltv_new(&x, &events), 0);
	ck_assert_int_eq(xmltv_feed(x, "<tv>", 4), 0);
	before = mallinfo2().uordblks;
	for (int i = 0; i < 20000; i++) {
		char text[256];
		int len = snprintf(text, sizeof(text),
		    "<channel id=\"c%d\"><display-name>C%d</display-name></channel><programme channel=\"p%d\"/>", i, i,
		    i);

		ck_assert_int_eq(xmltv_feed(x, text, (size_t)len), 0);
	}
	after = mallinfo2().uordblks;
	ck_assert_uint_lt(after, before + 65536);
	/* What is, has its limit: a guide may say of any number of channels that they are one of ours. */
	for (int i = 0; i <= EPG_IDS_MAX; i++) {
		char text[256];
		int len =
		    snprintf(text, sizeof(text), "<channel id=\"c%d\"><display-name>First</display-name></channel>", i);

		ck_assert_int_eq(xmltv_feed(x, text, (size_t)len), 0);
	}
	ck_assert_uint_eq(epg_dropped(epg), 1);
	xmltv_free(&x);
	epg_free(&epg);
	close(scratch);
}
END_TEST

START_TEST(a_programme_without_an_end_in_sight_is_cut)
{
	struct epg *epg = made("<tv>" P("20260101010000", "99990101000000", "first.tv", "<title>A</title>")
				   P("20260101020000", "21070101000000", "first.tv", "<title>B</title>") "</tv>",
	    NULL, false);

	ck_assert_ptr_nonnull(strstr(out, "start=\"20260101010000 +0000\" stop=\"20260101020000 +0000\""));
	ck_assert_ptr_nonnull(strstr(out, "start=\"20260101020000 +0000\" stop=\"20260116000000 +0000\""));
	ck_assert_ptr_null(strstr(out, "<title>First HD</title>")); /* no placeholder beside them */
	epg_free(&epg);
}
END_TEST

START_TEST(what_is_inside_of_an_element_is_its_own)
{
	struct epg *epg =
	    made("<tv>" P("20260101010000", "20260101020000", "first.tv",
		     "<title>A</title><credits><actor>Ann<image>http://i/ann.png</image></actor><icon "
		     "src=\"http://i/c.png\"/>"
		     "</credits><rating system=\"FSK\"><icon src=\"http://i/12.png\"/><value>12</value></rating>"
		     "<star-rating><icon src=\"http://i/3.png\"/><title>no</title><value>3/5</value><icon "
		     "src=\"http://i/4.png\"/>"
		     "</star-rating>") P("20260101020000", "20260101030000", "first.tv",
		     "<title>B<icon src=\"http://i/b.png\"/> <b>bold</b></title><star-rating><value>1/5</value>"
		     "</star-rating><desc>D</desc><icon src=\"http://i/own.png\"/>") "</tv>",
		NULL, false);
	char *a = strstr(out, "<title>A<"), *b = strstr(out, "<title>B bold<");

	ck_assert_int_eq(last_err, 0);
	ck_assert(a != NULL && b != NULL && a < b);
	b[-1] = '\0';
	ck_assert_ptr_null(strstr(a, "<icon"));
	ck_assert_ptr_nonnull(strstr(a, "<actor>Ann</actor>"));
	ck_assert_ptr_nonnull(strstr(a, "<rating system=\"FSK\"><value>12</value>"));
	ck_assert_ptr_nonnull(strstr(a, "<star-rating><value>3/5</value>"));
	ck_assert_ptr_nonnull(strstr(b, "<star-rating><value>1/5</value>"));
	ck_assert_ptr_nonnull(strstr(b, "<desc>D</desc>"));
	ck_assert_ptr_nonnull(strstr(b, "<icon src=\"http://i/own.png\"/>"));
	epg_free(&epg);
}
END_TEST

START_TEST(what_is_no_guide_is_refused)
{
	static const char *const none[] = { "<html><body/></html>", "<tv>", "nonsense", "<tv><channel></tv>",
		"<!DOCTYPE tv [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><tv>&b;</tv>" };

	for (size_t i = 0; i < NITEMS(none); i++) {
		struct epg *epg = made(none[i], NULL, false);

		ck_assert_int_eq(last_err, PB_EFORMAT);
		epg_free(&epg);
	}
}
END_TEST

/* head, then count times open, a long text (of c) and close, then tail. */
static char *
long_texts(const char *head, size_t count, const char *open, char c, const char *close, const char *tail)
{
	const size_t len = XMLTV_TEXT_MAX - 1;
	char *text = malloc(strlen(head) + count * (strlen(open) + len + strlen(close)) + strlen(tail) + 1), *at = text;

	ck_assert_ptr_nonnull(text);
	at = stpcpy(at, head);
	for (size_t i = 0; i < count; i++) {
		at = stpcpy(at, open);
		memset(at, c, len);
		at = stpcpy(at + len, close);
	}
	stpcpy(at, tail);
	return text;
}

START_TEST(texts_without_end_cost_only_themselves)
{
	static const struct {
		const char *head, *open, *close, *tail;
	} docs[] = {
		{ "<tv><programme start=\"20260101010000\" channel=\"first.tv\"><title>Full</title>", "<category>",
		    "</category>", "</programme>" },
		{ "<tv><programme start=\"20260101010000\" channel=\"first.tv\"><title>Full</title>", "<icon src=\"",
		    "\"/><desc> </desc>", "<rating><value>1</value></rating></programme>" },
		{ "<tv><programme start=\"20260101010000\" channel=\"first.tv\"><title>Full</title>",
		    "<previously-shown start=\"", "\"/>", "<desc>y</desc></programme>" },
		{ "<tv><channel id=\"q\">", "<display-name>", "</display-name>", "</channel>" },
		{ "<tv><channel id=\"q\">", "<icon src=\"", "\"/>", "<display-name>y</display-name></channel>" },
	};
	const char *end = P("20260101020000", "20260101030000", "first.tv", "<title>Next</title>") "</tv>";

	/* The last that fits, and each of the next ones. */
	for (size_t i = 0; i < NITEMS(docs); i++)
		for (size_t n = 14; n < 20; n++) {
			char tail[512], *text;
			struct epg *epg;

			snprintf(tail, sizeof(tail), "%s%s", docs[i].tail, end);
			text = long_texts(docs[i].head, n, docs[i].open, 'x', docs[i].close, tail);
			epg = made(text, NULL, false);
			ck_assert_int_eq(last_err, 0);
			same(epg, 0, EPG_BY_TVG_ID, false, i < 3 ? 2 : 1);
			ck_assert_ptr_nonnull(strstr(out, ">Next<"));
			epg_free(&epg);
			free(text);
		}
}
END_TEST

START_TEST(a_programme_that_is_too_long_as_xml_is_left_out)
{
	/* Escaped, a text of quotes is six times as long. */
	char *text = long_texts(
	    "<tv>" P("20260101010000", "20260101020000", "first.tv",
		"<title>Before</title>") "<programme start=\"20260101020000\" channel=\"first.tv\"><title>Long</title>",
	    5, "<category>", '"', "</category>",
	    "</programme>" P("20260101030000", "20260101040000", "first.tv", "<title>After</title>") "</tv>");
	struct epg *epg = made(text, NULL, false);

	ck_assert_int_eq(last_err, 0);
	same(epg, 0, EPG_BY_TVG_ID, false, 2);
	ck_assert_uint_eq(epg_too_long(epg), 1);
	ck_assert_ptr_nonnull(strstr(out, ">Before<"));
	ck_assert_ptr_null(strstr(out, ">Long<"));
	ck_assert_ptr_nonnull(strstr(out, ">After<"));
	epg_free(&epg);
	free(text);
	/* One that is not, is not. */
	text = long_texts("<tv><programme start=\"20260101020000\" channel=\"first.tv\"><title>Long</title>", 3,
	    "<category>", '"', "</category>", "</programme></tv>");
	epg = made(text, NULL, false);
	ck_assert_uint_eq(epg_too_long(epg), 0);
	ck_assert_ptr_nonnull(strstr(out, ">Long<"));
	epg_free(&epg);
	free(text);
}
END_TEST

/* Wherever a text is cut, it is between two characters. */
START_TEST(what_is_cut_is_cut_between_characters)
{
	static const char tv[] = "\xf0\x9f\x93\xba"; /* U+1F4FA */
	char many[1200 * 4 + 1], *at = many;

	for (size_t i = 0; i < 1200; i++)
		at = stpcpy(at, tv);
	for (int shift = 0; shift < 4; shift++)
		for (int fold = 0; fold < 2; fold++) {
			char text[16384];
			struct epg *epg;

			snprintf(text, sizeof(text),
			    "<tv><programme start=\"20260101010000\" channel=\"first.tv\"><title>%.*s%s</title>"
			    "<sub-title>%.*s%s</sub-title><rating system=\"%.*s%.80s\"><value>6</value></rating>"
			    "</programme></tv>",
			    shift, "abc", many, shift, "abc", many, shift, "abc", many);
			epg = made(text, NULL, fold != 0);
			ck_assert_int_eq(last_err, 0);
			same(epg, 0, EPG_BY_TVG_ID, false, 1);
			ck_assert_ptr_nonnull(strstr(out, "<value>6<"));
			epg_free(&epg);
		}
}
END_TEST

/* What has no place in XML may be in a name all the same. */
START_TEST(a_name_is_written_without_what_is_no_character_of_xml)
{
	const struct epg_channel channel = { "5.1", "c5", "A\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd\xef\xbc\x81", "", "",
		"", 0, 0 };
	int scratch = memfd_create("scratch", MFD_CLOEXEC), fd = memfd_create("out", MFD_CLOEXEC);
	struct epg *epg;
	ssize_t n;

	ck_assert_int_eq(epg_new(&epg, scratch, NOW), 0);
	ck_assert_int_eq(epg_add(epg, &channel), 0);
	ck_assert_int_eq(epg_write(epg, fd, -1), 0);
	n = pread(fd, out, sizeof(out) - 1, 0);
	ck_assert_int_gt(n, 0);
	out[n] = '\0';
	well_formed(out);
	ck_assert_ptr_nonnull(strstr(out, "<title>A\xef\xbf\xbd\xef\xbc\x81</title>"));
	epg_free(&epg);
	close(scratch);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("xmltv");
	TCase *tc = tcase_create("xmltv");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, times_are_read_as_they_are_found);
	tcase_add_test(tc, channels_are_matched_by_id_then_by_name);
	tcase_add_test(tc, a_name_that_two_have_matches_none);
	tcase_add_test(tc, the_first_source_that_has_a_channel_has_the_say);
	tcase_add_test(tc, overlaps_and_duplicates_go_and_gaps_of_knowledge_are_filled);
	tcase_add_test(tc, what_has_no_episode_is_no_film_unless_it_says_so);
	tcase_add_test(tc, a_subtitle_is_folded_into_the_title_when_it_should_be);
	tcase_add_test(tc, what_is_inside_of_an_element_is_its_own);
	tcase_add_test(tc, what_is_not_ours_costs_no_memory);
	tcase_add_test(tc, a_programme_without_an_end_in_sight_is_cut);
	tcase_add_test(tc, what_is_no_guide_is_refused);
	tcase_add_test(tc, texts_without_end_cost_only_themselves);
	tcase_add_test(tc, a_programme_that_is_too_long_as_xml_is_left_out);
	tcase_add_test(tc, what_is_cut_is_cut_between_characters);
	tcase_add_test(tc, a_name_is_written_without_what_is_no_character_of_xml);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
