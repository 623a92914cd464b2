/*
 * slate.c - which slate may stand in for a stream, and which file is none
 *
 * Parameter sets are written here, field by field, as H.264 7.3.2.1.1,
 * H.265 7.3.2.2 and H.262 6.2.2 have them.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/ts.h"
#include "tests/unit/tsmake.h"
#include "worker/bits.h"
#include "worker/format.h"
#include "worker/slate.h"

#define PICTURE 512

/* A way in which a set differs from the stream's: H.264 main 1280x720, level 3.1. */
struct set {
	unsigned profile, level, width, height, depth, chroma;
	bool field; /* interlaced: the height in pairs of rows */
};

static const struct set stream = { 77, 31, 1280, 720, 8, 1, false };

static void
put_ue(struct bits_out *b, uint32_t v)
{
	unsigned len = 0;

	for (uint32_t x = v + 1; x > 1; x >>= 1)
		len++;
	bits_put(b, 0, len);
	bits_put(b, v + 1, len + 1);
}

/* Behind a start code, with emulation prevention. */
static size_t
put_nal(uint8_t *out, const uint8_t *raw, size_t len)
{
	size_t n = 0;
	unsigned zeros = 0;

	memcpy(out, "\0\0\0\1", 4);
	n = 4;
	for (size_t i = 0; i < len; i++) {
		if (zeros >= 2 && raw[i] <= 3) {
			out[n++] = 3;
			zeros = 0;
		}
		zeros = raw[i] == 0 ? zeros + 1 : 0;
		out[n++] = raw[i];
	}
	return n;
}

static size_t
put_h264_sps(uint8_t *out, const struct set *s)
{
	uint8_t raw[64] = { 0 };
	struct bits_out b = { .at = raw, .len = sizeof(raw) };
	unsigned rows = s->field ? 32 : 16, w = (s->width + 15) / 16, h = (s->height + rows - 1) / rows;
	bool crop = w * 16 != s->width || h * rows != s->height;

	bits_put(&b, 0x67, 8);
	bits_put(&b, s->profile, 8);
	bits_put(&b, 0, 8);
	bits_put(&b, s->level, 8);
	put_ue(&b, 0);
	if (s->profile >= 100) {
		put_ue(&b, s->chroma);
		put_ue(&b, s->depth - 8);
		put_ue(&b, s->depth - 8);
		bits_put(&b, 0, 1);
		bits_put(&b, 1, 1); /* a matrix: one flat list, one that stops, the others left out */
		bits_put(&b, 1, 1);
		for (int i = 0; i < 16; i++)
			put_ue(&b, 0);
		bits_put(&b, 1, 1);
		put_ue(&b, 16); /* -8: the next is 0 */
		bits_put(&b, 0, 6);
	}
	put_ue(&b, 0);
	put_ue(&b, 0); /* order by number */
	put_ue(&b, 4);
	put_ue(&b, 3);
	bits_put(&b, 0, 1);
	put_ue(&b, w - 1);
	put_ue(&b, h - 1);
	bits_put(&b, !s->field, 1);
	if (s->field)
		bits_put(&b, 1, 1);
	bits_put(&b, 1, 1);
	bits_put(&b, crop, 1);
	if (crop) {
		put_ue(&b, 0);
		put_ue(&b, (w * 16 - s->width) / 2);
		put_ue(&b, 0);
		put_ue(&b, (h * rows - s->height) / (s->field ? 4 : 2));
	}
	bits_put(&b, 0, 1); /* no VUI */
	bits_put(&b, 1, 1);
	ck_assert(!b.over);
	return put_nal(out, raw, (b.n + 7) / 8);
}

/* A whole access unit. */
static size_t
h264_picture(uint8_t out[PICTURE], const struct set *s, bool key)
{
	size_t n = put_nal(out, (const uint8_t *)"\x09\xf0", 2);

	if (key) {
		n += put_h264_sps(out + n, s);
		n += put_nal(out + n, (const uint8_t *)"\x68\xce\x3c\x80", 4);
	}
	n += put_nal(out + n, (const uint8_t *)(key ? "\x65\x88\x84" : "\x41\x9a\x24"), 3);
	memset(out + n, 0xaa, 100);
	return n + 100;
}

static const struct {
	const char *what;
	struct set set;
	bool fits;
} sets[] = {
	{ "the same", { 77, 31, 1280, 720, 8, 1, false }, true },
	{ "a lower level", { 77, 30, 1280, 720, 8, 1, false }, true },
	{ "a higher level", { 77, 40, 1280, 720, 8, 1, false }, false },
	{ "another profile", { 66, 31, 1280, 720, 8, 1, false }, false },
	{ "a higher profile", { 100, 31, 1280, 720, 8, 1, false }, false },
	{ "another width", { 77, 31, 1024, 720, 8, 1, false }, false },
	{ "another height", { 77, 31, 1280, 718, 8, 1, false }, false },
	{ "a row less", { 77, 31, 1280, 704, 8, 1, false }, false },
	{ "the same, in fields", { 77, 31, 1280, 720, 8, 1, true }, true },
	{ "ten bits", { 110, 31, 1280, 720, 10, 1, false }, false },
	{ "other colours", { 122, 31, 1280, 720, 8, 2, false }, false },
};

START_TEST(a_format_is_profile_size_and_sampling)
{
	const struct set *s = &sets[_i].set;
	uint8_t a[PICTURE], b[PICTURE];
	struct format fa, fb;
	size_t n;

	ck_assert_int_eq(format_read(ES_H264, a, h264_picture(a, &stream, true), &fa), 0);
	n = h264_picture(b, s, true);
	ck_assert_int_eq(format_read(ES_H264, b, n, &fb), 0);
	ck_assert_uint_eq(fb.profile, s->profile);
	ck_assert_uint_eq(fb.level, s->level);
	ck_assert_uint_eq(fb.width, s->width);
	ck_assert_uint_eq(fb.height, s->height);
	ck_assert_uint_eq(fb.luma_bits, s->depth);
	ck_assert_uint_eq(fb.chroma, s->chroma);
	ck_assert_msg(format_fits(&fa, &fb) == sets[_i].fits, "%s", sets[_i].what);
}
END_TEST

/* Cut anywhere it is understood or refused; what is understood was read to its end. */
START_TEST(a_set_cut_anywhere_is_refused)
{
	static const struct set odd = { 100, 40, 1918, 1078, 8, 1, false };
	uint8_t whole[PICTURE], *part;
	size_t n = 6 + put_h264_sps(whole + 6, &odd);
	struct format f;

	memcpy(whole, "\0\0\0\1\x09\xf0", 6);
	ck_assert_int_eq(format_read(ES_H264, whole, n, &f), 0);
	for (size_t len = 0; len < n - 1; len++) {
		part = malloc(len + 1); /* its end is the sanitizer's */
		ck_assert_ptr_nonnull(part);
		memcpy(part, whole, len);
		ck_assert_int_eq(format_read(ES_H264, part, len, &f), PB_EFORMAT);
		free(part);
	}
}
END_TEST

START_TEST(hevc_and_mpeg2_are_read_too)
{
	uint8_t raw[64] = { 0 }, out[PICTURE];
	struct bits_out b = { .at = raw, .len = sizeof(raw) };
	static const uint8_t mpeg2[] = { 0, 0, 1, 0xb3, 0x2d, 0x02, 0x40, 0x33, 0xff, 0xff, 0xe0, 0x18, /* 720x576 */
		0, 0, 1, 0xb5, 0x14, 0x8a, 0x00, 0x01, 0x00, 0x00, 0, 0, 1, 0xb8, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0x0f, 0xff,
		0xf8 };
	struct format f;
	size_t n;

	bits_put(&b, 0x4201, 16);
	bits_put(&b, 0, 4);
	bits_put(&b, 1, 3); /* a sub-layer more, with profile and level of its own */
	bits_put(&b, 1, 1);
	bits_put(&b, 0x02, 8); /* main 10 */
	bits_put(&b, 0x20000000, 32);
	bits_put(&b, 0x90000000, 32);
	bits_put(&b, 0, 16);
	bits_put(&b, 120, 8);
	bits_put(&b, 3, 2);
	bits_put(&b, 0, 14);
	bits_put(&b, 0, 32);
	bits_put(&b, 0, 32);
	bits_put(&b, 0, 32);
	put_ue(&b, 0);
	put_ue(&b, 1);
	put_ue(&b, 1920);
	put_ue(&b, 1088);
	bits_put(&b, 1, 1);
	put_ue(&b, 0);
	put_ue(&b, 0);
	put_ue(&b, 0);
	put_ue(&b, 4);
	put_ue(&b, 2);
	put_ue(&b, 2);
	bits_put(&b, 1, 1);
	ck_assert(!b.over);
	n = put_nal(out, (const uint8_t *)"\x46\x01\x50", 3);
	n += put_nal(out + n, raw, (b.n + 7) / 8);
	ck_assert_int_eq(format_read(ES_HEVC, out, n, &f), 0);
	ck_assert_uint_eq(f.profile, 2);
	ck_assert_uint_eq(f.level, 120);
	ck_assert_uint_eq(f.width, 1920);
	ck_assert_uint_eq(f.height, 1080);
	ck_assert_uint_eq(f.luma_bits, 10);

	ck_assert_int_eq(format_read(ES_MPEG_VIDEO, mpeg2, sizeof(mpeg2), &f), 0);
	ck_assert_uint_eq(f.profile, 0x104); /* main */
	ck_assert_uint_eq(f.width, 720);
	ck_assert_uint_eq(f.height, 576);
	ck_assert_uint_eq(f.chroma, 1);

	ck_assert_int_eq(format_read(ES_VVC, out, n, &f), PB_NO);
}
END_TEST

enum file {
	WHOLE,
	NO_KEY_FIRST,
	NO_TIMES_RISE,
	HOLE,
	OTHER_INSIDE, /* its format changes in the middle */
	NO_TS,
	EMPTY,
	TOO_LARGE,
	NO_FILE, /* a pipe */
	OTHER_CODEC,
};

static const struct {
	const char *what;
	enum file file;
	int answer;
} files[] = {
	{ "a good one", WHOLE, 0 },
	{ "it begins in the middle", NO_KEY_FIRST, PB_EFORMAT },
	{ "its times don't rise", NO_TIMES_RISE, PB_EFORMAT },
	{ "a hole of two seconds", HOLE, PB_EFORMAT },
	{ "its size changes", OTHER_INSIDE, PB_NO },
	{ "no TS", NO_TS, PB_EFORMAT },
	{ "nothing in it", EMPTY, PB_EFORMAT },
	{ "too large", TOO_LARGE, PB_ELIMIT },
	{ "no file", NO_FILE, PB_EFORMAT },
	{ "another codec", OTHER_CODEC, PB_NO },
};

static int
make_file(enum file file)
{
	static const struct set other = { 77, 31, 720, 576, 8, 1, false };
	int fd = memfd_create("slate", MFD_CLOEXEC), ends[2];
	uint8_t b[PICTURE];
	struct tsmake m;

	ck_assert_int_ne(fd, -1);
	tsmake_init(&m);
	if (file == OTHER_CODEC)
		m.video_type = 0x24;
	tsmake_psi(&m);
	for (int i = 0; i < 50; i++) {
		bool key = i % 25 == 0 && !(i == 0 && file == NO_KEY_FIRST);
		int64_t dts = 900000 + i * 3600;
		size_t n = h264_picture(b, i > 0 && file == OTHER_INSIDE ? &other : &stream, key);

		if (i > 10 && file == NO_TIMES_RISE)
			dts = 900000;
		if (i > 10 && file == HOLE)
			dts += 180000;
		tsmake_pes(&m, m.video_pid, 0xe0, dts + 3600, dts, b, n, false);
	}
	if (file == NO_TS)
		memset(m.buf, 'x', m.len);
	if (file != EMPTY)
		ck_assert_int_eq(write(fd, m.buf, m.len), (ssize_t)m.len);
	if (file == TOO_LARGE)
		ck_assert_int_eq(ftruncate(fd, SLATE_BYTES_MAX + 1), 0);
	tsmake_clear(&m);
	if (file == NO_FILE) {
		ck_assert_int_eq(pipe(ends), 0);
		close(ends[1]);
		close(fd);
		fd = ends[0];
	}
	return fd;
}

START_TEST(a_file_is_a_slate_or_is_refused)
{
	uint8_t own[PICTURE];
	size_t n = h264_picture(own, &stream, true);
	struct slate *s = NULL;
	int fd = make_file(files[_i].file);
	int err = slate_read(&s, fd, ES_H264, own, n);

	ck_assert_msg(err == files[_i].answer, "%s: %d", files[_i].what, err);
	if (err == 0) {
		ck_assert_uint_eq(s->n, 50);
		ck_assert(s->picture[0].key && s->picture[25].key && !s->picture[1].key);
		for (size_t i = 0; i < s->n; i++) {
			ck_assert_int_eq(s->picture[i].dur_90k, 3600);
			ck_assert_int_eq(s->picture[i].cts_90k, 3600);
			ck_assert_uint_le(s->picture[i].at + s->picture[i].len, s->len);
		}
		ck_assert_mem_eq(s->data, own, n);
		slate_free(&s);
		/* Whoever read it before. */
		ck_assert_int_eq(slate_read(&s, fd, ES_H264, own, n), 0);
		slate_free(&s);
		ck_assert_int_eq(slate_read(&s, fd, ES_VVC, own, n), PB_NO);
	}
	ck_assert_ptr_null(s);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("slate");
	TCase *tc = tcase_create("slate");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, a_format_is_profile_size_and_sampling, 0, (int)NITEMS(sets));
	tcase_add_test(tc, a_set_cut_anywhere_is_refused);
	tcase_add_test(tc, hevc_and_mpeg2_are_read_too);
	tcase_add_loop_test(tc, a_file_is_a_slate_or_is_refused, 0, (int)NITEMS(files));
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
