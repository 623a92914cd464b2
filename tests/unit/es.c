/*
 * es.c - what a look into an access unit says
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/es.h"

#define B(s) (const uint8_t *)(s), sizeof(s) - 1
#define B2(s, t) (const uint8_t *)(s), (const uint8_t *)(t), sizeof(s) - 1
#define AUD "\0\0\0\1\x09\xf0"
#define SPS "\0\0\0\1\x67\x42\xc0\x1e"
#define PPS "\0\0\0\1\x68\xce\x3c"
#define SEI_RECOVERY "\0\0\1\x06\x06\x01\x84\x80"
#define SEI_BOTH "\0\0\1\x06\x05\x02\xaa\xbb\x06\x01\x84\x80"
#define SEI_OTHER "\0\0\1\x06\x05\x02\x06\x06\x80"
#define IDR "\0\0\1\x65\x88\x84\x21"
#define I_SLICE "\0\0\1\x41\x88\x84\x21" /* first_mb 0, slice_type 7 */
#define P_SLICE "\0\0\1\x41\x9a\x24\x21" /* slice_type 5 */

static const struct {
	const char *what;
	enum es_codec codec;
	const uint8_t *buf;
	size_t len;
	bool key, entry, params;
	int nparams;
} looks[] = {
	{ "IDR with all", ES_H264, B(AUD SPS PPS IDR), true, true, true, 2 },
	{ "IDR alone", ES_H264, B(AUD IDR), true, true, false, 0 },
	{ "IDR without PPS", ES_H264, B(AUD SPS IDR), true, true, false, 1 },
	{ "P", ES_H264, B(AUD P_SLICE), false, false, false, 0 },
	{ "I", ES_H264, B(AUD I_SLICE), false, true, false, 0 },
	{ "recovery point", ES_H264, B(AUD SPS PPS SEI_RECOVERY P_SLICE), false, true, true, 2 },
	{ "recovery behind another message", ES_H264, B(AUD SEI_BOTH P_SLICE), false, true, false, 0 },
	{ "another message that looks like it", ES_H264, B(AUD SEI_OTHER P_SLICE), false, false, false, 0 },
	{ "an IDR behind the first slice is not looked for", ES_H264, B(AUD P_SLICE IDR), false, false, false, 0 },
	{ "nothing", ES_H264, B(""), false, false, false, 0 },
	{ "no start code", ES_H264, B("\x65\x88\x84\x21\x00\x00"), false, false, false, 0 },
	{ "HEVC IDR with all", ES_HEVC, B("\0\0\1\x40\1\0\0\1\x42\1\0\0\1\x44\1\0\0\1\x26\1"), true, true, true, 3 },
	{ "HEVC CRA alone", ES_HEVC, B("\0\0\1\x46\1\0\0\1\x2a\1"), true, true, false, 0 },
	{ "HEVC trail", ES_HEVC, B("\0\0\1\x02\1"), false, false, false, 0 },
	{ "VVC IDR", ES_VVC, B("\0\0\1\0\x79\0\0\1\0\x81\0\0\1\0\x39"), true, true, true, 2 },
	{ "VVC trail", ES_VVC, B("\0\0\1\0\x01"), false, false, false, 0 },
	{ "MPEG-2 I with sequence", ES_MPEG_VIDEO, B("\0\0\1\xb3\x2d\0\0\1\0\x00\x08\xff"), true, true, true, 1 },
	{ "MPEG-2 I alone", ES_MPEG_VIDEO, B("\0\0\1\0\x00\x08\xff"), false, true, false, 0 },
	{ "MPEG-2 P with sequence", ES_MPEG_VIDEO, B("\0\0\1\xb3\x2d\0\0\1\0\x00\x10\xff"), false, false, true, 1 },
	{ "MPEG-4 I", ES_MPEG4_VIDEO, B("\0\0\1\x20\x08\0\0\1\xb6\x10"), true, true, true, 1 },
	{ "MPEG-4 P", ES_MPEG4_VIDEO, B("\0\0\1\xb6\x50"), false, false, false, 0 },
	{ "audio is not looked at", ES_AAC, B(AUD SPS PPS IDR), false, false, false, 0 },
};

START_TEST(a_look_says_whether_a_decoder_can_begin_here)
{
	struct es_look look;

	es_look(looks[_i].codec, looks[_i].buf, looks[_i].len, &look);
	ck_assert_msg(look.key == looks[_i].key, "%s: key", looks[_i].what);
	ck_assert_msg(look.entry == looks[_i].entry, "%s: entry", looks[_i].what);
	ck_assert_msg(look.params == looks[_i].params, "%s: params", looks[_i].what);
	ck_assert_msg(look.nparams == looks[_i].nparams, "%s: %d sets", looks[_i].what, look.nparams);
	for (int i = 0; i < look.nparams; i++) {
		ck_assert_mem_eq(looks[_i].buf + look.param[i].at, "\0\0\1", 3);
		ck_assert_uint_le(look.param[i].at + look.param[i].len, looks[_i].len);
	}
	ck_assert_uint_le(look.insert_at, looks[_i].len);
}
END_TEST

/* In a buffer of its exact size, so that a sanitizer sees a byte too many. */
START_TEST(an_access_unit_cut_anywhere_is_looked_at_safely)
{
	for (size_t cut = 0; cut <= looks[_i].len; cut++) {
		uint8_t *copy = malloc(cut + (cut == 0));
		struct es_look look;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, looks[_i].buf, cut);
		for (int codec = 0; codec < ES_CODECS; codec++) {
			es_look((enum es_codec)codec, copy, cut, &look);
			ck_assert_uint_le(look.insert_at, cut);
			ck_assert_int_ge(es_audio_ticks((enum es_codec)codec, copy, cut), 0);
		}
		free(copy);
	}
}
END_TEST

/* Two slices, and bytes between them that only look like one. */
#define HEVC_SETS "\0\0\1\x40\1\0\0\1\x42\1\0\0\1\x44\1"
#define HEVC_CRA2 "\0\0\1\x2a\1\xac\x2a\0\0\2\x2a\0\0\0\1\x2a\1\x2a"
#define HEVC_BLA2 "\0\0\1\x24\1\xac\x2a\0\0\2\x2a\0\0\0\1\x24\1\x2a"

static const struct {
	enum es_codec codec;
	const uint8_t *before, *after;
	size_t len;
} links[] = {
	{ ES_HEVC, B2(HEVC_SETS HEVC_CRA2, HEVC_SETS HEVC_BLA2) },
	{ ES_HEVC, B2("\0\0\1\x2b\1", "\0\0\1\x25\1") }, /* the layer's bit stays */
	{ ES_HEVC, B2("\0\0\1\x2a", "\0\0\1\x24") },
	{ ES_HEVC, B2("\0\0\1\x26\1\0\0\1\x2a\1", "\0\0\1\x26\1\0\0\1\x2a\1") }, /* IDR */
	{ ES_HEVC, B2("\0\0\1\x02\1\0\0\1\x2a\1", "\0\0\1\x02\1\0\0\1\x2a\1") },
	{ ES_HEVC, B2("\0\0\1", "\0\0\1") },
	{ ES_HEVC, B2("", "") },
	{ ES_H264, B2(HEVC_CRA2, HEVC_CRA2) },
	{ ES_VVC, B2(HEVC_CRA2, HEVC_CRA2) },
};

/* ...in a buffer of its exact size, and cut anywhere: no byte but those is another one then. */
START_TEST(a_cra_is_told_that_nothing_was_before_it)
{
	struct es_look look;

	for (size_t len = links[_i].len; len != SIZE_MAX; len--) {
		uint8_t *copy = malloc(len + (len == 0));

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, links[_i].before, len);
		es_break_link(links[_i].codec, copy, len);
		ck_assert(memcmp(copy, links[_i].after, len) == 0);
		es_break_link(links[_i].codec, copy, len);
		ck_assert(memcmp(copy, links[_i].after, len) == 0);
		free(copy);
	}
	es_look(ES_HEVC, B(HEVC_SETS HEVC_BLA2), &look);
	ck_assert(look.key && look.params);
}
END_TEST

START_TEST(parameter_sets_go_behind_the_delimiter)
{
	struct es_look look;

	es_look(ES_H264, B(AUD IDR), &look);
	ck_assert_uint_eq(look.insert_at, sizeof(AUD) - 1);
	es_look(ES_H264, B(IDR), &look);
	ck_assert_uint_eq(look.insert_at, 0);
}
END_TEST

START_TEST(a_long_message_does_not_make_a_look_long)
{
	static uint8_t unit[200000];
	struct es_look look;

	memset(unit, 0x11, sizeof(unit));
	memcpy(unit, AUD "\0\0\1\x06", 10);
	memcpy(unit + sizeof(unit) - 7, IDR, 7);
	es_look(ES_H264, unit, sizeof(unit), &look);
	ck_assert(!look.key && !look.entry);
}
END_TEST

START_TEST(audio_frames_are_measured)
{
	unsigned samples, rate;
	uint8_t aac[80] = { 0 };

	ck_assert_uint_eq(es_adts_frame(B("\xff\xf1\x4c\x80\x05\x1f\xfc"), &samples, &rate), 40);
	ck_assert_uint_eq(rate, 48000);
	ck_assert_uint_eq(samples, 1024);
	ck_assert_uint_eq(es_adts_frame(B("\xff\xf1\x4c\x80\x05\x1f"), &samples, &rate), 0);
	ck_assert_uint_eq(es_adts_frame(B("\xff\xf1\x4c\x80\x00\x1f\xfc"), &samples, &rate), 0);
	ck_assert_uint_eq(es_adts_frame(B("\xff\xf1\x7c\x80\x05\x1f\xfc"), &samples, &rate), 0);
	/* AC-3: 48 kHz at 192 kbit/s; 44.1 kHz at 32 and the frame that is longer. */
	ck_assert_uint_eq(es_ac3_frame(B("\x0b\x77\0\0\x14\x40"), &samples, &rate), 768);
	ck_assert_uint_eq(samples, 1536);
	ck_assert_uint_eq(es_ac3_frame(B("\x0b\x77\0\0\x40\x40"), &samples, &rate), 138);
	ck_assert_uint_eq(es_ac3_frame(B("\x0b\x77\0\0\x41\x40"), &samples, &rate), 140);
	ck_assert_uint_eq(rate, 44100);
	ck_assert_uint_eq(es_ac3_frame(B("\x0b\x77\0\0\xc0\x40"), &samples, &rate), 0);
	ck_assert_uint_eq(es_ac3_frame(B("\x0b\x77\0\0\x3f\x40"), &samples, &rate), 0);
	/* E-AC-3: 768 bytes, six blocks. */
	ck_assert_uint_eq(es_ac3_frame(B("\x0b\x77\x01\x7f\x3f\x80"), &samples, &rate), 768);
	ck_assert_uint_eq(samples, 1536);

	memcpy(aac, "\xff\xf1\x4c\x80\x05\x1f\xfc", 7);
	memcpy(aac + 40, aac, 7);
	ck_assert_int_eq(es_audio_ticks(ES_AAC, aac, 80), 3840);
	ck_assert_int_eq(es_audio_ticks(ES_AAC, aac, 79), 1920);
	ck_assert_int_eq(es_audio_ticks(ES_AAC, aac + 1, 79), 0);
	ck_assert_int_eq(es_audio_ticks(ES_OPUS, aac, 80), 0);
}
END_TEST

START_TEST(audio_is_cut_at_the_nearest_frame)
{
	uint8_t aac[120] = { 0 };
	int64_t cut;

	for (int i = 0; i < 3; i++)
		memcpy(aac + i * 40, "\xff\xf1\x4c\x80\x05\x1f\xfc", 7);
	ck_assert_uint_eq(es_audio_skip(ES_AAC, aac, 120, 0, &cut), 0);
	ck_assert_uint_eq(es_audio_skip(ES_AAC, aac, 120, 900, &cut), 0);
	ck_assert_int_eq(cut, 0);
	ck_assert_uint_eq(es_audio_skip(ES_AAC, aac, 120, 1000, &cut), 40);
	ck_assert_int_eq(cut, 1920);
	ck_assert_uint_eq(es_audio_skip(ES_AAC, aac, 120, 4000, &cut), 80);
	ck_assert_uint_eq(es_audio_skip(ES_AAC, aac, 120, 90000, &cut), 120);
	ck_assert_uint_eq(es_audio_skip(ES_DTS, aac, 120, 90000, &cut), 0);
}
END_TEST

START_TEST(every_codec_has_a_name)
{
	for (int codec = 0; codec < ES_CODECS; codec++)
		ck_assert_uint_gt(strlen(es_name((enum es_codec)codec)), 2);
	ck_assert_str_eq(es_name(ES_CODECS), "unknown");
	ck_assert(es_is_video(ES_MPEG_VIDEO) && es_is_video(ES_VVC));
	ck_assert(!es_is_video(ES_NONE) && !es_is_video(ES_MPEG_AUDIO));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("es");
	TCase *tc = tcase_create("es");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, a_look_says_whether_a_decoder_can_begin_here, 0, NITEMS(looks));
	tcase_add_loop_test(tc, an_access_unit_cut_anywhere_is_looked_at_safely, 0, NITEMS(looks));
	tcase_add_loop_test(tc, a_cra_is_told_that_nothing_was_before_it, 0, NITEMS(links));
	tcase_add_test(tc, parameter_sets_go_behind_the_delimiter);
	tcase_add_test(tc, a_long_message_does_not_make_a_look_long);
	tcase_add_test(tc, audio_frames_are_measured);
	tcase_add_test(tc, audio_is_cut_at_the_nearest_frame);
	tcase_add_test(tc, every_codec_has_a_name);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
