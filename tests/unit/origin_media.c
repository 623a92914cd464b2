/*
 * origin_media.c - a file as an endless row of segments, and what is said of them
 */
#include "origin/media.h"

#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "origin/analyse.h"
#include "origin/channel.h"
#include "origin/fault.h"
#include "origin/live.h"
#include "origin/testcard.h"

#define CARD_LEN ((size_t)(testcard_ts_end - testcard_ts))
#define LOOP_90K (24 * 90000)
#define NOW 1700000000.0

static struct media *media;
static struct channels *channels;

static void
setup(void)
{
	ck_assert_int_eq(media_new(&media, testcard_ts, CARD_LEN, 2 * 90000), 0);
	ck_assert_int_eq(channels_new(&channels), 0);
}

static void
teardown(void)
{
	media_free(&media);
	channels_free(&channels);
}

static uint8_t *
emit(const struct media *m, uint64_t k, bool continuous)
{
	uint8_t *out = malloc(media_bytes(m, k));

	ck_assert_ptr_nonnull(out);
	media_emit(m, k, continuous, out);
	return out;
}

START_TEST(the_test_card_is_twelve_segments_of_two_seconds)
{
	ck_assert_uint_eq(media_segments(media), 12);
	ck_assert_int_eq(media_loop_90k(media), LOOP_90K);
	ck_assert_int_eq(media_longest_90k(media), 2 * 90000);
	for (uint64_t k = 0; k < 40; k++) {
		ck_assert_int_eq(media_start_90k(media, k), (int64_t)k * 2 * 90000);
		ck_assert_int_eq(media_duration_90k(media, k), 2 * 90000);
		ck_assert_uint_eq(media_ended(media, media_start_90k(media, k)), k);
		ck_assert_uint_eq(media_ended(media, media_start_90k(media, k + 1) - 1), k);
	}
	ck_assert_uint_eq(media_ended(media, -1), 0);
}
END_TEST

START_TEST(a_segment_is_the_same_bytes_each_time_and_begins_with_pat_and_pmt)
{
	for (uint64_t k = 0; k < 30; k++) {
		uint8_t *a = emit(media, k, true);
		uint8_t *b = emit(media, k, true);

		ck_assert_int_eq(memcmp(a, b, media_bytes(media, k)), 0);
		ck_assert_uint_eq(ts_pid(a), TS_PID_PAT);
		ck_assert_uint_eq(ts_pid(a + TS_PACKET), 0x1000);
		ck_assert_uint_eq(ts_pid(a + (size_t)2 * TS_PACKET), 0x100);
		ck_assert(ts_pusi(a + (size_t)2 * TS_PACKET));
		free(a);
		free(b);
	}
}
END_TEST

struct told {
	char text[1024];
};

static void
tell(void *arg, const char *sentence)
{
	struct told *told = arg;

	strncat(told->text, sentence, sizeof(told->text) - strlen(told->text) - 1);
	strncat(told->text, "; ", sizeof(told->text) - strlen(told->text) - 1);
}

START_TEST(any_segment_length_gives_one_clean_stream_over_the_borders_of_loops)
{
	static const int seconds[] = { 1, 2, 5, 7, 24, 60 };
	/* The last of these is around the wrap of 33 bits, and far past it. */
	static const uint64_t loops[] = { 0, 14, 3975, 1000000007 };
	struct media *m = NULL;

	ck_assert_int_eq(media_new(&m, testcard_ts, CARD_LEN, seconds[_i] * 90000), 0);
	for (size_t l = 0; l < NITEMS(loops); l++) {
		uint64_t first = loops[l] * media_segments(m);
		struct told told = { "" };
		struct analyse *an = NULL;

		ck_assert_int_eq(analyse_new(&an, 0, NULL, NULL), 0);
		for (uint64_t k = first; k < first + 3 * media_segments(m); k++) {
			uint8_t *ts = emit(m, k, true);

			analyse_feed(an, ts, media_bytes(m, k), ANALYSE_NO_TIME);
			free(ts);
		}
		analyse_end(an, false);
		ck_assert_msg(analyse_faults(analyse_figures(an), tell, &told) == 0, "%s", told.text);
		ck_assert_uint_eq(analyse_figures(an)->video_units, 3 * 600);
		ck_assert_double_eq_tol(analyse_figures(an)->media_ms, 3 * 24000, 0.1);
		/* The seam is a step like any other: 40 ms of picture, 21 ms of sound. */
		ck_assert_double_eq_tol(analyse_figures(an)->pids[2].dts_gap_ms_max, 40, 0.02);
		ck_assert_double_eq_tol(analyse_figures(an)->pids[3].dts_gap_ms_max, 21.34, 0.02);
		analyse_free(&an);
	}
	media_free(&m);
}
END_TEST

struct list {
	uint64_t hash[4096];
	size_t count;
};

static void
collect(void *arg, const struct analysis_pid *pid, int64_t pts_90k, uint64_t hash, uint64_t len)
{
	struct list *list = arg;

	(void)pts_90k;
	(void)len;
	ck_assert_uint_lt(list->count, NITEMS(list->hash));
	/* By PID, since the last units of all PIDs end together at the end of the data. */
	list->hash[list->count++] = hash ^ pid->pid;
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

START_TEST(a_loop_holds_every_access_unit_of_the_file_once)
{
	struct list file = { { 0 }, 0 };
	struct list loop = { { 0 }, 0 };
	struct analyse *an = NULL;

	ck_assert_int_eq(analyse_new(&an, 0, collect, &file), 0);
	analyse_feed(an, testcard_ts, CARD_LEN, ANALYSE_NO_TIME);
	analyse_end(an, false);
	analyse_free(&an);
	ck_assert_int_eq(analyse_new(&an, 0, collect, &loop), 0);
	for (uint64_t k = 24; k < 36; k++) {
		uint8_t *ts = emit(media, k, true);

		analyse_feed(an, ts, media_bytes(media, k), ANALYSE_NO_TIME);
		free(ts);
	}
	analyse_end(an, false);
	analyse_free(&an);
	qsort(file.hash, file.count, sizeof(file.hash[0]), by_value);
	qsort(loop.hash, loop.count, sizeof(loop.hash[0]), by_value);
	/* The file's first sound may stand before its first picture, where the loop does not begin yet. */
	ck_assert_uint_le(file.count - loop.count, 1);
	for (size_t i = 0; i < loop.count; i++)
		ck_assert_ptr_nonnull(bsearch(&loop.hash[i], file.hash, file.count, sizeof(file.hash[0]), by_value));
	ck_assert_uint_ge(loop.count, 1724);
}
END_TEST

START_TEST(without_continuous_time_each_loop_is_the_same_bytes)
{
	for (uint64_t k = 0; k < 12; k++) {
		uint8_t *a = emit(media, k, false);
		uint8_t *b = emit(media, k + 12 * 77, false);

		ck_assert_int_eq(memcmp(a, b, media_bytes(media, k)), 0);
		free(a);
		free(b);
	}
}
END_TEST

START_TEST(what_is_no_transport_stream_is_refused)
{
	uint8_t *bad = malloc(CARD_LEN);
	struct media *m = NULL;

	ck_assert_int_eq(media_new(&m, testcard_ts, 0, 180000), PB_EFORMAT);
	ck_assert_int_eq(media_new(&m, testcard_ts, 100, 180000), PB_EFORMAT);
	ck_assert_int_eq(media_new(&m, testcard_ts, CARD_LEN - 1, 180000), PB_EFORMAT);
	memset(bad, 0x47, CARD_LEN);
	ck_assert_int_eq(media_new(&m, bad, CARD_LEN, 180000), PB_EFORMAT);
	memset(bad, 0, CARD_LEN);
	ck_assert_int_eq(media_new(&m, bad, CARD_LEN, 180000), PB_EFORMAT);
	memcpy(bad, testcard_ts, CARD_LEN);
	bad[100 * TS_PACKET] = 0;
	ck_assert_int_eq(media_new(&m, bad, CARD_LEN, 180000), PB_EFORMAT);
	/* A few pictures are no loop. */
	ck_assert_int_eq(media_new(&m, testcard_ts, 10 * TS_PACKET, 180000), PB_EFORMAT);
	ck_assert_int_eq(media_open(&m, "/nonexistent", 180000), PB_ESYS);
	ck_assert_ptr_null(m);
	free(bad);
}
END_TEST

START_TEST(a_file_cut_at_any_packet_is_taken_or_refused)
{
	for (size_t n = 1; n < 300; n++) {
		struct media *m = NULL;
		int err = media_new(&m, testcard_ts, n * TS_PACKET, 45000);

		if (err == 0) {
			for (uint64_t k = 0; k < 2 * media_segments(m); k++)
				free(emit(m, k, true));
			media_free(&m);
		} else {
			ck_assert_int_eq(err, PB_EFORMAT);
		}
	}
}
END_TEST

static const struct channel *
channel(const char *keys)
{
	char spec[256];
	char why[256] = "";

	snprintf(spec, sizeof(spec), "name=c,%s", keys);
	ck_assert_msg(channels_add_testcard(channels, spec, NOW, why, sizeof(why)) == 0, "%s", why);
	return channels_find(channels, "c", 1);
}

static char *
playlist(const struct channel *c, double now, const struct live_lie *lie)
{
	static const struct live_lie truth;
	char *text = NULL;
	size_t len;

	ck_assert_int_eq(live_playlist(c, 0, now, lie == NULL ? &truth : lie, &text, &len), 0);
	ck_assert_uint_eq(strlen(text), len);
	return text;
}

static unsigned long long
sequence(char *text)
{
	const char *at = strstr(text, "#EXT-X-MEDIA-SEQUENCE:");
	unsigned long long msn;

	ck_assert_ptr_nonnull(at);
	msn = strtoull(at + 22, NULL, 10);
	free(text);
	return msn;
}

static bool
says(char *text, const char *what)
{
	bool there = strstr(text, what) != NULL;

	free(text);
	return there;
}

START_TEST(the_window_slides_by_one_segment_each_two_seconds)
{
	const struct channel *c = channel("clock=start,win=4,base=100");
	char *text = playlist(c, NOW, NULL);

	ck_assert_str_eq(text,
	    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:100\n"
	    "#EXT-X-INDEPENDENT-SEGMENTS\n#EXTINF:2.00000,\nseg/0.ts\n#EXTINF:2.00000,\nseg/1.ts\n"
	    "#EXTINF:2.00000,\nseg/2.ts\n#EXTINF:2.00000,\nseg/3.ts\n");
	free(text);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(sequence(playlist(c, NOW + 2 * i + 0.01, NULL)), 100u + (unsigned)i);
}
END_TEST

START_TEST(a_channel_by_the_wall_clock_goes_on_where_it_was_before_a_restart)
{
	const struct channel *c = channel("clock=wall");

	ck_assert_uint_eq(sequence(playlist(c, NOW, NULL)), (unsigned long long)NOW / 2 - 10);
}
END_TEST

START_TEST(a_playlist_lies_as_it_is_told)
{
	const struct channel *c = channel("clock=start,win=4");
	struct live_lie frozen = { .at = NOW };
	struct live_lie back = { .back = 3 };
	struct live_lie ended = { .endlist = true };
	struct live_lie reset = { .reset = true, .reset_at = NOW + 10, .reset_base = 7 };

	ck_assert_uint_eq(sequence(playlist(c, NOW + 50.1, &frozen)), 0);
	ck_assert_uint_eq(sequence(playlist(c, NOW + 20.1, &back)), 7);
	ck_assert_uint_eq(sequence(playlist(c, NOW + 10.1, &reset)), 7);
	ck_assert_uint_eq(sequence(playlist(c, NOW + 14.1, &reset)), 9);
	ck_assert(says(playlist(c, NOW + 14.1, &ended), "#EXT-X-ENDLIST\n"));
	ck_assert(!says(playlist(c, NOW + 14.1, NULL), "#EXT-X-ENDLIST\n"));
}
END_TEST

START_TEST(a_loop_without_continuous_time_is_marked_and_counted)
{
	const struct channel *c = channel("clock=start,win=4,loop=discontinuity");

	ck_assert(!says(playlist(c, NOW + 0.1, NULL), "#EXT-X-DISCONTINUITY\n"));
	ck_assert(says(playlist(c, NOW + 18.1, NULL), "#EXT-X-DISCONTINUITY\n#EXTINF:2.00000,\nseg/12.ts\n"));
	/* Segment 12 is the first one: its tag is still there. One later it is counted. */
	ck_assert(says(playlist(c, NOW + 24.1, NULL), "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"));
	ck_assert(says(playlist(c, NOW + 26.1, NULL), "#EXT-X-DISCONTINUITY-SEQUENCE:1\n"));
}
END_TEST

START_TEST(an_encrypted_segment_is_the_plain_one_with_the_keys_and_the_number_as_iv)
{
	const struct channel *c = channel("clock=start,aes=yes,base=5");
	struct live_target target;
	uint8_t *cipher = NULL;
	uint8_t *plain = emit(media, 3, true);
	uint8_t iv[16] = { 0 };
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *out;
	size_t len;
	int n = 0;
	int last = 0;

	ck_assert_int_eq(live_route(&target, channels, "/c/seg/3.ts"), 0);
	ck_assert_int_eq(live_segment(&target, NOW, &cipher, &len), 0);
	out = malloc(len);
	iv[15] = 8;
	ck_assert_int_eq(EVP_DecryptInit_ex(ctx, EVP_aes_128_cbc(), NULL, c->key, iv), 1);
	ck_assert_int_eq(EVP_DecryptUpdate(ctx, out, &n, cipher, (int)len), 1);
	ck_assert_int_eq(EVP_DecryptFinal_ex(ctx, out + n, &last), 1);
	ck_assert_uint_eq((size_t)(n + last), media_bytes(media, 3));
	ck_assert_int_eq(memcmp(out, plain, media_bytes(media, 3)), 0);
	ck_assert(says(playlist(c, NOW, NULL), "IV=0x00000000000000000000000000000005\n"));
	EVP_CIPHER_CTX_free(ctx);
	free(out);
	free(plain);
	free(cipher);
}
END_TEST

START_TEST(a_segment_is_there_from_its_end_until_it_has_long_left_the_window)
{
	struct live_target target;
	uint8_t *body = NULL;
	size_t len;

	channel("clock=start,win=4");
	ck_assert_int_eq(live_route(&target, channels, "/c/seg/4.ts"), 0);
	ck_assert_int_eq(live_segment(&target, NOW + 1.9, &body, &len), PB_NO);
	ck_assert_int_eq(live_segment(&target, NOW + 2.1, &body, &len), 0);
	free(body);
	ck_assert_int_eq(live_segment(&target, NOW + 30, &body, &len), 0);
	free(body);
	ck_assert_int_eq(live_segment(&target, NOW + 100, &body, &len), PB_NO);
}
END_TEST

START_TEST(a_token_is_good_for_its_time_and_no_other_is)
{
	const struct channel *c = channel("redirect=yes,token=5");
	char token[32];

	live_token(c, NOW, token, sizeof(token));
	ck_assert_int_eq(live_token_check(c, token, NOW + 4.9), 0);
	ck_assert_int_eq(live_token_check(c, token, NOW + 5.1), PB_NO);
	token[3] ^= 1;
	ck_assert_int_eq(live_token_check(c, token, NOW), PB_NO);
	ck_assert_int_eq(live_token_check(c, "", NOW), PB_NO);
}
END_TEST

START_TEST(the_stream_without_an_end_keeps_to_the_clock)
{
	const struct channel *c = channel("clock=start,win=4,burst=2");
	struct live_stream *stream = NULL;
	struct analyse *an = NULL;
	struct told told = { "" };

	ck_assert_int_eq(live_stream_new(&stream, c, 0, NOW), 0);
	ck_assert_int_eq(analyse_new(&an, 0, NULL, NULL), 0);
	for (double now = NOW; now < NOW + 40; now += 0.04) {
		const uint8_t *data;
		size_t len = 1;

		while (len > 0) {
			ck_assert_int_eq(live_stream_due(stream, now, &data, &len), 0);
			ck_assert_uint_eq(len % TS_PACKET, 0);
			analyse_feed(an, data, len, (now - NOW) * 1000);
		}
	}
	/* On to the end of the segment, so that no unit is cut. */
	for (size_t len = 1; len > 0;) {
		const uint8_t *data;

		ck_assert_int_eq(live_stream_due(stream, NOW + 40.0005, &data, &len), 0);
		analyse_feed(an, data, len, 40000);
	}
	analyse_end(an, false);
	ck_assert_msg(analyse_faults(analyse_figures(an), tell, &told) == 0, "%s", told.text);
	/* 40 s of time and 2 s of burst */
	ck_assert_double_eq_tol(analyse_figures(an)->media_ms, 42000, 30);
	ck_assert_double_lt(analyse_figures(an)->arrival_gap_ms_max, 85);
	analyse_free(&an);
	live_stream_free(&stream);
}
END_TEST

static const struct {
	const char *path;
	int kind; /* -1: nothing is there */
	unsigned int variant;
	uint64_t k;
} routes[] = {
	{ "/c/master.m3u8", LIVE_MASTER, 0, 0 },
	{ "/c/media.m3u8", LIVE_MEDIA, 0, 0 },
	{ "/c/v1/media.m3u8", LIVE_MEDIA, 1, 0 },
	{ "/c/v2/media.m3u8", -1, 0, 0 },
	{ "/c/vx/media.m3u8", -1, 0, 0 },
	{ "/c/seg/17.ts", LIVE_SEGMENT, 0, 17 },
	{ "/c/v1/seg/18446744073709551615.ts", LIVE_SEGMENT, 1, UINT64_MAX },
	{ "/c/seg/18446744073709551616.ts", -1, 0, 0 },
	{ "/c/seg/.ts", -1, 0, 0 },
	{ "/c/seg/-1.ts", -1, 0, 0 },
	{ "/c/seg/1.tsx", -1, 0, 0 },
	{ "/c/loop/3.ts", LIVE_LOOP, 0, 3 },
	{ "/c/key", LIVE_KEY, 0, 0 },
	{ "/c/live.ts", LIVE_STREAM, 0, 0 },
	{ "/ch/c.ts", LIVE_STREAM, 0, 0 },
	{ "/ch/.ts", -1, 0, 0 },
	{ "/c/t/abc/media.m3u8", LIVE_MEDIA, 0, 0 },
	{ "/c/t/0123456789012345678901234567890123/key", -1, 0, 0 },
	{ "/c", -1, 0, 0 },
	{ "/c/", -1, 0, 0 },
	{ "/cc/key", -1, 0, 0 },
	{ "/", -1, 0, 0 },
};

START_TEST(a_path_means_one_thing_or_nothing)
{
	struct live_target target;
	int err;

	channel("variants=2");
	err = live_route(&target, channels, routes[_i].path);
	ck_assert_int_eq(err, routes[_i].kind == -1 ? PB_NO : 0);
	if (err != 0)
		return;
	ck_assert_int_eq((int)target.kind, routes[_i].kind);
	ck_assert_uint_eq(target.variant, routes[_i].variant);
	ck_assert_uint_eq(target.k, routes[_i].k);
}
END_TEST

START_TEST(no_segment_number_is_too_large_to_be_answered)
{
	struct live_target target;
	uint8_t *body = NULL;
	size_t len;

	char why[256];
	const struct channel *vod;

	ck_assert_int_eq(channels_add_testcard(channels, "name=vod,vod=yes", NOW, why, sizeof(why)), 0);
	vod = channels_at(channels, 0);
	channel("clock=wall");
	for (int bit = 0; bit < 64; bit++)
		for (int kind = LIVE_SEGMENT; kind <= LIVE_LOOP; kind++) {
			ck_assert_int_eq(live_route(&target, channels, "/c/seg/0.ts"), 0);
			target.kind = (enum live_kind)kind;
			target.k = UINT64_MAX >> bit;
			ck_assert_int_eq(live_segment(&target, NOW, &body, &len), PB_NO);
		}
	target.channel = vod;
	target.kind = LIVE_SEGMENT;
	for (int bit = 0; bit < 60; bit++) {
		target.k = UINT64_MAX >> bit;
		ck_assert_int_eq(live_segment(&target, NOW, &body, &len), PB_NO);
	}
}
END_TEST

static const char *const bad_specs[] = { "nokey=1", "win", "win=0", "win=1.5", "win=x", "seg=0", "seg=nan", "aes=maybe",
	"gzip=2", "clock=sun", "variants=9", "name=a/b", "name=", "name=ch", "base=-1", "speed=inf", "file9=x",
	"token=0" };

START_TEST(a_wrong_definition_is_refused_and_says_which_key)
{
	char why[256] = "";
	char key[32];

	ck_assert_int_eq(channels_add_testcard(channels, bad_specs[_i], NOW, why, sizeof(why)), PB_EFORMAT);
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(bad_specs[_i], "="), bad_specs[_i]);
	ck_assert_msg(strstr(why, key) != NULL, "%s", why);
	ck_assert_uint_eq(channels_count(channels), 0);
}
END_TEST

START_TEST(a_fault_is_done_as_often_and_as_long_as_it_says)
{
	struct fault_request request = { "c", FAULT_SEGMENT, 0, true, 9, 80 };
	struct fault_plan plan;
	struct faults *faults = NULL;
	char why[256];

	ck_assert_int_eq(faults_new(&faults), 0);
	ck_assert_int_eq(
	    faults_add(faults, "channel=c,kind=segment,fault=status,value=503,for=5,skip=1,count=2", 100, why, 256), 0);
	faults_plan(faults, &request, 100, &plan);
	ck_assert_int_eq(plan.status, 0);
	for (int i = 0; i < 2; i++) {
		faults_plan(faults, &request, 101, &plan);
		ck_assert_int_eq(plan.status, 503);
	}
	faults_plan(faults, &request, 101, &plan);
	ck_assert_int_eq(plan.status, 0);

	ck_assert_int_eq(faults_add(faults, "fault=latency&value=20&for=5&segment=9", 100, why, 256), 0);
	ck_assert_int_eq(faults_add(faults, "fault=truncate&value=7", 100, why, 256), 0);
	faults_plan(faults, &request, 104.9, &plan);
	ck_assert_uint_eq(plan.delay_ms, 20);
	ck_assert_int_eq(plan.truncate_at, 7);
	request.k = 8;
	faults_plan(faults, &request, 104.9, &plan);
	ck_assert_uint_eq(plan.delay_ms, 0);
	request.k = 9;
	faults_plan(faults, &request, 105, &plan);
	ck_assert_uint_eq(plan.delay_ms, 0);
	faults_clear(faults, NULL, 0);
	faults_plan(faults, &request, 105, &plan);
	ck_assert_int_eq(plan.truncate_at, -1);
	faults_free(&faults);
}
END_TEST

static const char *const bad_faults[] = { "", "fault=none", "fault=status", "fault=status,value=99", "value=1",
	"fault=status,value=x", "fault=bad-key,kind=segment", "fault=status,value=503,kind=none", "fault=html,for=-1",
	"fault=html,odd=1", "fault" };

START_TEST(a_fault_that_could_not_happen_is_refused)
{
	struct faults *faults = NULL;
	char why[256] = "";

	ck_assert_int_eq(faults_new(&faults), 0);
	ck_assert_int_eq(faults_add(faults, bad_faults[_i], 0, why, sizeof(why)), PB_EFORMAT);
	ck_assert_uint_gt(strlen(why), 0);
	faults_free(&faults);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("origin_media");
	TCase *tc = tcase_create("origin_media");
	SRunner *sr = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_test_card_is_twelve_segments_of_two_seconds);
	tcase_add_test(tc, a_segment_is_the_same_bytes_each_time_and_begins_with_pat_and_pmt);
	tcase_add_loop_test(tc, any_segment_length_gives_one_clean_stream_over_the_borders_of_loops, 0, 6);
	tcase_add_test(tc, a_loop_holds_every_access_unit_of_the_file_once);
	tcase_add_test(tc, without_continuous_time_each_loop_is_the_same_bytes);
	tcase_add_test(tc, what_is_no_transport_stream_is_refused);
	tcase_add_test(tc, a_file_cut_at_any_packet_is_taken_or_refused);
	tcase_add_test(tc, the_window_slides_by_one_segment_each_two_seconds);
	tcase_add_test(tc, a_channel_by_the_wall_clock_goes_on_where_it_was_before_a_restart);
	tcase_add_test(tc, a_playlist_lies_as_it_is_told);
	tcase_add_test(tc, a_loop_without_continuous_time_is_marked_and_counted);
	tcase_add_test(tc, an_encrypted_segment_is_the_plain_one_with_the_keys_and_the_number_as_iv);
	tcase_add_test(tc, a_segment_is_there_from_its_end_until_it_has_long_left_the_window);
	tcase_add_test(tc, a_token_is_good_for_its_time_and_no_other_is);
	tcase_add_test(tc, the_stream_without_an_end_keeps_to_the_clock);
	tcase_add_loop_test(tc, a_path_means_one_thing_or_nothing, 0, (int)NITEMS(routes));
	tcase_add_test(tc, no_segment_number_is_too_large_to_be_answered);
	tcase_add_loop_test(tc, a_wrong_definition_is_refused_and_says_which_key, 0, (int)NITEMS(bad_specs));
	tcase_add_test(tc, a_fault_is_done_as_often_and_as_long_as_it_says);
	tcase_add_loop_test(tc, a_fault_that_could_not_happen_is_refused, 0, (int)NITEMS(bad_faults));
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
